//! What is asked of a search: which values are varied, in which order they count, and what they cost.

use super::super::arguments::{CapacityArguments, Find, Lost, flag, name_of};
use super::super::ending::{Failure, exit};
use super::super::findings;
use crate::config::diagnostic::Span as Place;
use crate::config::grammar::Part;
use crate::config::quantity;
use crate::config::source::Sources;
use crate::config::vary::{LOAD, Span, Values, Vary};
use crate::study::capacity::{Axis, Costs, Survive};

/// Into so many parts a range of fractions is cut where several values are varied.
const PARTS: usize = 20;

/// The command line, understood.
pub struct Asked {
    pub find: Find,
    pub dimensions: Vec<Dimension>,
    /// All clients together.
    pub rps: Option<f64>,
    pub survive: Option<Survive>,
    /// What one of each dimension costs; `None` where there is nothing to weigh.
    weights: Option<Vec<f64>>,
}

/// One thing that is varied.
#[derive(Clone, Debug)]
pub struct Dimension {
    pub path: String,
    choices: Choices,
    /// The largest value is the first one.
    falls: bool,
    /// Requests per second that one of it is, for a load that is not told as a factor.
    rate: Option<f64>,
}

#[derive(Clone, Debug)]
enum Choices {
    Line(Span),
    Steps {
        span: Span,
        step: f64,
        count: usize,
    },
    /// With the number of each, where all are plain numbers.
    List {
        texts: Vec<String>,
        numbers: Option<Vec<f64>>,
    },
}

impl Asked {
    pub fn new(arguments: &CapacityArguments) -> Result<Asked, Failure> {
        let varied: Vec<Vary> =
            arguments.vary.iter().map(|text| parse(text, arguments)).collect::<Result<_, _>>()?;
        let find = find(arguments.find, &varied)?;
        let is_alone = varied.len() == 1;
        let mut dimensions: Vec<Dimension> = Vec::new();
        for vary in varied {
            if dimensions.iter().any(|dimension| dimension.path == vary.path) {
                return Err(Failure::usage(format!(
                    "`{}` is varied twice\ngive one range for it",
                    vary.path
                )));
            }
            dimensions.push(Dimension::new(vary, is_alone, find != Find::Min)?);
        }
        let searches_load = dimensions.first().is_none_or(Dimension::is_load);
        let rps = arguments.rps.as_deref().map(rate).transpose()?;
        if rps.is_some() && searches_load {
            let help = "leave `--rps` out, or vary something else: `--vary workloads.app.replicas=2..20`";
            return Err(Failure::usage(format!(
                "`--rps` holds the load fast, which is what is searched for\n{help}"
            )));
        }
        let weights = weights(&arguments.cost, &dimensions)?;
        let survive = arguments.survive.map(|lost| match lost {
            Lost::Zone => Survive::Zone,
            Lost::Pod => Survive::Pod,
        });
        Ok(Asked { find, dimensions, rps, survive, weights })
    }

    /// The question as it can be asked again.
    pub fn flags(&self, arguments: &CapacityArguments) -> Vec<String> {
        let mut flags = vec![flag("find", name_of(self.find))];
        flags.extend(arguments.vary.iter().map(|text| flag("vary", text)));
        flags.extend(arguments.cost.iter().map(|text| flag("cost", text)));
        flags.extend(arguments.rps.iter().map(|text| flag("rps", text)));
        flags.extend(arguments.survive.map(|lost| flag("survive", name_of(lost))));
        flags
    }

    /// Loads as factors, now that it is known what the scenario's clients ask for together.
    pub fn take_rates(&mut self, offered_rps: Option<f64>) -> Result<(), Failure> {
        self.dimensions.iter_mut().try_for_each(|dimension| dimension.in_factors(offered_rps))
    }

    /// What `--set` takes for a point, the load left out.
    pub fn orders(&self, at: &[f64]) -> Vec<String> {
        let varied = self.dimensions.iter().zip(at).filter(|(dimension, _)| !dimension.is_load());
        varied.map(|(dimension, at)| dimension.order(*at)).collect()
    }

    /// `None`: along a line.
    pub fn axes(&self) -> Option<Vec<Axis>> {
        let axis = |(number, dimension): (usize, &Dimension)| {
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[number]);
            dimension.axis(weight)
        };
        let axes: Option<Vec<Axis>> = self.dimensions.iter().enumerate().map(axis).collect();
        axes.filter(|axes| !axes.is_empty())
    }

    pub fn cost(&self, at: &[f64]) -> Option<f64> {
        let weights = self.weights.as_ref()?;
        let costs = self.dimensions.iter().zip(weights).zip(at);
        Some(costs.map(|((dimension, weight), at)| weight * dimension.number(*at as usize)).sum())
    }
}

fn find(asked: Option<Find>, varied: &[Vary]) -> Result<Find, Failure> {
    let load = varied.iter().any(|vary| vary.path == LOAD);
    let vary = "name what with `--vary workloads.app.replicas=2..20`";
    match (asked, varied) {
        (None | Some(Find::MaxRps), []) => Ok(Find::MaxRps),
        (Some(Find::Min | Find::Max), []) => {
            Err(Failure::usage(format!("nothing is varied that could be found\n{vary}")))
        }
        (_, [_, _, ..]) if load => {
            let help = "search for the load alone, or hold it fast with `--rps` while the others are varied";
            Err(Failure::usage(format!("the load is varied beside other values\n{help}")))
        }
        (Some(Find::Min), _) if load => {
            let help = "leave `--find min` out: the largest load is searched for";
            Err(Failure::usage(format!("the least load that meets the objectives tells nothing\n{help}")))
        }
        (_, _) if load => Ok(Find::MaxRps),
        (Some(Find::MaxRps), [vary, ..]) => Err(Failure::usage(format!(
            "`max-rps` varies the load, and `{}` is something else\nwrite `--find min` or `--find max`, with `--rps` \
             for another load",
            vary.path
        ))),
        (None, _) => Ok(Find::Min),
        (Some(find), _) => Ok(find),
    }
}

/// Mistakes of a range are mistakes of the input, told at their place.
fn parse(text: &str, arguments: &CapacityArguments) -> Result<Vary, Failure> {
    Vary::parse(text).map_err(|fault| {
        let mut sources = Sources::default();
        let source = sources.add_argument("--vary", text);
        let place = Place { source, start: fault.range.start, end: fault.range.end };
        findings::tell_all(vec![fault.finding("MS0010", place)], &sources, arguments.output.is_quiet());
        Failure::silent(exit::BAD_INPUT)
    })
}

/// `1500`, `1500rps`, `2krps`.
fn rate(text: &str) -> Result<f64, Failure> {
    let plain = text.parse::<f64>().ok();
    let rate = plain.or_else(|| quantity::rate(Part::whole(text)).ok().map(|rate| rate.0));
    rate.filter(|rate| *rate > 0.0 && *rate <= quantity::MOST_RPS).ok_or_else(|| {
        let why = "is no rate above zero, of at most ten million";
        Failure::usage(format!("`--rps {text}` {why}\nwrite `--rps 1500` or `--rps 2krps`"))
    })
}

/// Replicas cost 1 each unless costs are given; if nothing that is varied has a weight, all have.
fn weights(costs: &[String], dimensions: &[Dimension]) -> Result<Option<Vec<f64>>, Failure> {
    if dimensions.len() < 2 && costs.is_empty() {
        return Ok(None);
    }
    if dimensions.is_empty() {
        let help = "name it with `--vary workloads.app.replicas=2..20`";
        return Err(Failure::usage(format!("`--cost {}`: nothing is varied\n{help}", costs[0])));
    }
    let mut weighed = vec![false; dimensions.len()];
    let mut weights: Vec<f64> = dimensions
        .iter()
        .map(|dimension| f64::from(u8::from(dimension.path.ends_with(".replicas"))))
        .collect();
    if !costs.is_empty() {
        weights.fill(0.0);
    }
    for text in costs {
        let how = "write `--cost replicas=1`, or with the whole path as `--vary` has it";
        let parts = text
            .rsplit_once('=')
            .and_then(|(path, weight)| Some((path.trim(), weight.trim().parse::<f64>().ok()?)));
        let Some((path, weight)) = parts.filter(|(_, weight)| weight.is_finite() && *weight >= 0.0) else {
            return Err(Failure::usage(format!("`--cost {text}` is no weight of at least zero\n{how}")));
        };
        let fits = |dimension: &Dimension| {
            let rest = dimension.path.strip_suffix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', ':']))
        };
        let mut found = false;
        let all = dimensions.iter().zip(weights.iter_mut().zip(&mut weighed));
        for (dimension, (own, is_weighed)) in all.filter(|(dimension, _)| fits(dimension)) {
            if std::mem::replace(is_weighed, true) {
                let path = &dimension.path;
                return Err(Failure::usage(format!("`{path}` has two costs\ngive one `--cost` for it")));
            }
            if weight > 0.0 && !dimension.has_numbers() {
                let why =
                    format!("the values of `{}` are no plain numbers, so they have no cost", dimension.path);
                return Err(Failure::usage(format!(
                    "{why}\nlist them in the order of their cost, without `--cost`"
                )));
            }
            (*own, found) = (weight, true);
        }
        if !found {
            let paths: Vec<&str> = dimensions.iter().map(|dimension| dimension.path.as_str()).collect();
            return Err(Failure::usage(format!(
                "`--cost {text}`: no such path is varied\n{how}: {}",
                paths.join(", ")
            )));
        }
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        weights.fill(1.0);
    }
    Ok(Some(weights))
}

impl Dimension {
    fn new(vary: Vary, is_alone: bool, falls: bool) -> Result<Dimension, Failure> {
        let Vary { path, values } = vary;
        let is_load = path == LOAD;
        let choices = match values {
            Values::List(texts) => {
                let number = |text: &String| if is_load { factor(text) } else { text.parse::<f64>().ok() };
                let numbers: Option<Vec<f64>> = texts.iter().map(number).collect();
                list(texts, numbers)
            }
            Values::Span(span) => match (span.step, span.is_whole && !is_load) {
                (Some(step), _) => {
                    let count = span.steps().map_or(1, |steps| steps.len());
                    Choices::Steps { step, count, span }
                }
                (None, true) => Choices::Steps { step: 1.0, count: (span.to - span.from) as usize + 1, span },
                (None, false) if is_alone || span.from == span.to => Choices::Line(span),
                (None, false) => {
                    Choices::Steps { step: (span.to - span.from) / PARTS as f64, count: PARTS + 1, span }
                }
            },
        };
        let rate = match &choices {
            Choices::Line(span) | Choices::Steps { span, .. } if is_load => load_unit(span)?,
            _ => None,
        };
        let dimension = Dimension { path, choices, falls, rate };
        if is_load && !dimension.is_positive() {
            return Err(bad_load("`--vary load` takes factors above zero"));
        }
        Ok(dimension)
    }

    /// Rates become factors of what the scenario's clients ask for; `None` if nobody knows how much that is.
    fn in_factors(&mut self, offered_rps: Option<f64>) -> Result<(), Failure> {
        let Some(rate) = self.rate.take() else { return Ok(()) };
        let Some(offered) = offered_rps.filter(|rps| *rps > 0.0) else {
            return Err(bad_load("`--vary load` takes rates only where those of all clients are known"));
        };
        if let Choices::Line(span) = &mut self.choices {
            *span = span.converted(rate / offered, "x");
        }
        if let Choices::Steps { span, step, .. } = &mut self.choices {
            (*span, *step) = (span.converted(rate / offered, "x"), *step * rate / offered);
        }
        Ok(())
    }

    pub fn is_load(&self) -> bool {
        self.path == LOAD
    }

    fn is_positive(&self) -> bool {
        match &self.choices {
            Choices::Line(span) | Choices::Steps { span, .. } => span.from > 0.0,
            Choices::List { numbers, .. } => {
                numbers.as_ref().is_some_and(|all| all.iter().all(|one| *one > 0.0))
            }
        }
    }

    fn has_numbers(&self) -> bool {
        !matches!(&self.choices, Choices::List { numbers: None, .. })
    }

    /// Both ends, for a range without steps.
    pub fn line(&self) -> Option<(f64, f64)> {
        match &self.choices {
            Choices::Line(span) => Some((span.from, span.to)),
            _ => None,
        }
    }

    pub fn count(&self) -> Option<usize> {
        match &self.choices {
            Choices::Line(_) => None,
            Choices::Steps { count, .. } => Some(*count),
            Choices::List { texts, .. } => Some(texts.len()),
        }
    }

    /// From the place on an axis to that in the order of numbers.
    fn index(&self, place: usize) -> usize {
        let count = self.count().unwrap_or(1);
        if self.falls { count - 1 - place.min(count - 1) } else { place.min(count - 1) }
    }

    /// At a place, counted from where the objectives are met least.
    pub fn number(&self, place: usize) -> f64 {
        let index = self.index(place);
        match &self.choices {
            Choices::Line(span) => span.from,
            Choices::Steps { span, step, .. } => (span.from + index as f64 * step).min(span.to),
            Choices::List { numbers, .. } => numbers.as_ref().map_or(index as f64, |numbers| numbers[index]),
        }
    }

    /// What is written for the number of a line, or for a place.
    pub fn text(&self, at: f64) -> String {
        match &self.choices {
            Choices::Line(span) => span.text(at),
            Choices::Steps { span, .. } => span.text(self.number(at as usize)),
            Choices::List { texts, .. } => texts[self.index(at as usize)].clone(),
        }
    }

    /// As `--set` takes it.
    pub fn order(&self, at: f64) -> String {
        format!("{}={}", self.path, self.text(at))
    }

    /// First and last value.
    pub fn ends(&self) -> [f64; 2] {
        self.line().map_or([0.0, self.count().unwrap_or(1) as f64 - 1.0], |(from, to)| [from, to])
    }

    /// `None` for a line.
    fn axis(&self, weight: f64) -> Option<Axis> {
        let count = self.count()?;
        let sign = if self.falls { -weight } else { weight };
        let costs = match &self.choices {
            Choices::Steps { step, .. } => {
                Costs::Even { first: weight * self.number(0), step: sign.abs() * step }
            }
            _ => Costs::Each((0..count).map(|place| sign * self.number(place)).collect()),
        };
        Some(Axis { count, costs })
    }
}

fn bad_load(message: &str) -> Failure {
    let help = "write factors as `--vary load=0.5x..4x`, or rates as `--vary load=100rps..400rps`";
    Failure { code: exit::BAD_INPUT, message: format!("{message}\n{help}") }
}

/// Requests per second that one of the ends' unit is; `None` for factors.
fn load_unit(span: &Span) -> Result<Option<f64>, Failure> {
    match span.bare_unit().map(str::to_ascii_lowercase).as_deref() {
        Some("" | "x") => Ok(None),
        Some("rps") => Ok(Some(1.0)),
        Some("krps") => Ok(Some(1e3)),
        Some("mrps") => Ok(Some(1e6)),
        Some(unit) => Err(bad_load(&format!("`--vary load`: `{unit}` is no unit of a load"))),
        None => Err(bad_load("`--vary load` takes two numbers above zero")),
    }
}

/// Plain numbers in their order, all else as it is listed.
fn list(texts: Vec<String>, numbers: Option<Vec<f64>>) -> Choices {
    let Some(numbers) = numbers else { return Choices::List { texts, numbers: None } };
    let mut pairs: Vec<(f64, String)> = numbers.into_iter().zip(texts).collect();
    pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
    pairs.dedup_by(|left, right| left.0 == right.0);
    let (numbers, texts): (Vec<f64>, Vec<String>) = pairs.into_iter().unzip();
    Choices::List { texts, numbers: Some(numbers) }
}

/// `1.5x`.
pub fn factor(text: &str) -> Option<f64> {
    text.strip_suffix('x').unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(text: &str, is_alone: bool, falls: bool) -> Dimension {
        Dimension::new(Vary::parse(text).expect("sound"), is_alone, falls)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn costs(axis: &Axis) -> Vec<f64> {
        match &axis.costs {
            Costs::Even { first, step } => (0..axis.count).map(|place| first + place as f64 * step).collect(),
            Costs::Each(all) => all.clone(),
        }
    }

    #[test]
    fn places_count_from_where_it_is_hardest() {
        let least = dimension("workloads.a.replicas=2..5", true, false);
        assert_eq!(
            (least.count(), least.text(0.0), least.order(3.0)),
            (Some(4), "2".to_owned(), "workloads.a.replicas=5".to_owned())
        );
        let most = dimension("workloads.a.queue=10..40/10", true, true);
        assert_eq!([0.0, 3.0].map(|place| most.text(place)), ["40", "10"]);
        let listed = dimension("a.b=9,1,5", true, false);
        assert_eq!([0.0, 1.0, 2.0].map(|place| listed.text(place)), ["1", "5", "9"]);
        let words = dimension("a.b=slow,quick", true, false);
        assert_eq!(words.text(0.0), "slow");
        let line = dimension("a.b=1.5ms..3ms", true, true);
        assert_eq!((line.line(), line.text(2.25)), (Some((1.5, 3.0)), "2.25ms".to_owned()));
        assert_eq!(dimension("a.b=1.5ms..3ms", false, true).count(), Some(PARTS + 1));
    }

    #[test]
    fn loads_in_requests_per_second_become_factors() {
        for (text, ends) in [
            ("load=100rps..400rps", (0.5, 2.0)),
            ("load=0.1krps..0.4krps", (0.5, 2.0)),
            ("load=0.5x..2x", (0.5, 2.0)),
            ("load=0.5..2", (0.5, 2.0)),
        ] {
            let mut load = dimension(text, true, true);
            load.in_factors(Some(200.0)).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(load.line(), Some(ends), "{text}");
        }
        let mut steps = dimension("load=100rps..400rps/50rps", true, true);
        steps.in_factors(Some(200.0)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((steps.count(), steps.text(0.0)), (Some(7), "2x".to_owned()));
        assert!(dimension("load=100rps..400rps", true, true).in_factors(None).is_err());
        for text in ["load=50%..200%", "load=10ms..20ms", "load=-1x..4x", "load=0x..2x", "load=poisson(1..3)"]
        {
            let refused = Dimension::new(Vary::parse(text).expect("sound"), true, true);
            assert!(
                refused.is_err_and(|failure| failure.code == 3 && failure.message.contains("0.5x..4x")),
                "{text}"
            );
        }
    }

    #[test]
    fn costs_never_fall_along_an_axis() {
        for (text, falls) in
            [("a.b=2..9", false), ("a.b=2..9", true), ("a.b=9,1,5", true), ("a.b=9,1,5", false)]
        {
            let axis = dimension(text, true, falls).axis(2.0).expect("steps");
            assert!(costs(&axis).is_sorted(), "{text} {falls}: {:?}", costs(&axis));
        }
    }

    #[test]
    fn replicas_cost_and_the_rest_is_free_unless_told() {
        let dimensions = [
            dimension("workloads.a.replicas=2..9", false, false),
            dimension("workloads.a.queue=1..9", false, false),
        ];
        let of = |costs: &[&str]| {
            let costs: Vec<String> = costs.iter().map(|&cost| cost.to_owned()).collect();
            weights(&costs, &dimensions)
        };
        assert_eq!(of(&[]), Ok(Some(vec![1.0, 0.0])));
        assert_eq!(of(&["queue=0.5", "workloads.a.replicas=3"]), Ok(Some(vec![3.0, 0.5])));
        assert_eq!(of(&["eue=1"]).map_err(|failure| failure.code), Err(2));
        assert_eq!(of(&["queue=-1"]).map_err(|failure| failure.code), Err(2));
        assert_eq!(of(&["queue=1", "workloads.a.queue=2"]).map_err(|failure| failure.code), Err(2));
        assert_eq!(weights(&[], &dimensions[1..]), Ok(None));
        let free = [dimension("a.b=2..9", false, false), dimension("a.c=2..9", false, false)];
        assert_eq!(weights(&[], &free), Ok(Some(vec![1.0, 1.0])));
    }

    fn asked(vary: &[&str], change: impl FnOnce(&mut CapacityArguments)) -> Result<Asked, u8> {
        let mut arguments = CapacityArguments {
            manifests: Vec::new(),
            input: Default::default(),
            output: Default::default(),
            find: None,
            vary: vary.iter().map(|&text| text.to_owned()).collect(),
            cost: Vec::new(),
            rps: None,
            survive: None,
            no_plots: false,
        };
        change(&mut arguments);
        Asked::new(&arguments).map_err(|failure| failure.code)
    }

    #[test]
    fn a_search_begins_where_it_is_hardest() {
        let first = |vary: &str, find| {
            let asked = asked(&[vary], |arguments| arguments.find = find).expect("sound");
            (asked.find, asked.dimensions[0].text(0.0))
        };
        assert_eq!(first("workloads.a.replicas=2..5", None), (Find::Min, "2".to_owned()));
        assert_eq!(first("workloads.a.queue=2..5", Some(Find::Max)), (Find::Max, "5".to_owned()));
        assert_eq!(first("load=1x,4x,2x", None), (Find::MaxRps, "4x".to_owned()));
        let line = |vary: &[&str]| asked(vary, |_| ()).expect("sound").dimensions[0].line();
        assert_eq!(line(&["load=1x..3x"]), Some((1.0, 3.0)), "loads between whole ones too");
        let both = ["a.b=1.5ms..2.5ms", "workloads.a.replicas=1..3"];
        assert_eq!(line(&both), None, "beside others by steps");
        let parts = &asked(&both, |_| ()).expect("sound").dimensions[0];
        assert_eq!([0, PARTS / 2, PARTS].map(|place| parts.number(place)), [1.5, 2.0, 2.5]);
        assert_eq!(dimension("a.b=0.1..0.3/0.1", true, false).number(2), 0.3, "the end, as it is written");
        assert_eq!(dimension("a.b=1,2,2", true, false).count(), Some(2));
    }

    #[test]
    fn costs_add_up_and_rates_hold_the_load() {
        let vary = ["workloads.a.replicas=2..9", "workloads.a.queue=1..9"];
        let with = |costs: &[&str], rps: Option<&str>| {
            asked(&vary, |arguments| {
                arguments.cost = costs.iter().map(|&cost| cost.to_owned()).collect();
                arguments.rps = rps.map(str::to_owned);
                arguments.survive = Some(Lost::Zone);
            })
        };
        let both = with(&["replicas=3", "queue=0.5"], Some("2krps")).expect("sound");
        assert_eq!((both.cost(&[1.0, 2.0]), both.rps), (Some(3.0 * 3.0 + 0.5 * 3.0), Some(2000.0)));
        assert_eq!(both.survive, Some(Survive::Zone));
        assert_eq!(
            with(&["queue=2"], None).expect("sound").cost(&[5.0, 0.0]),
            Some(2.0),
            "replicas for nothing"
        );
        for rps in ["0", "-5", "inf", "none"] {
            assert_eq!(with(&[], Some(rps)).err(), Some(2), "{rps}");
        }
        let words = |cost: &str| {
            let vary = ["a.mode=slow,quick", "workloads.a.replicas=2..9"];
            asked(&vary, |arguments| arguments.cost = vec![cost.to_owned()])
                .map(|asked| asked.cost(&[1.0, 0.0]))
        };
        assert_eq!((words("mode=1"), words("replicas=2")), (Err(2), Ok(Some(4.0))));
    }

    #[test]
    fn loads_are_positive_and_stand_alone() {
        let code = |vary: &[&str]| asked(vary, |_| ()).err();
        assert_eq!(code(&["load=0x..2x"]), Some(exit::BAD_INPUT));
        assert_eq!(code(&["load=0x..2x/1x"]), Some(exit::BAD_INPUT));
        assert_eq!(code(&["load=0x,1x"]), Some(exit::BAD_INPUT));
        assert_eq!(code(&["load=1x..2x", "a.b=1..2"]), Some(exit::USAGE));
        assert_eq!(code(&["a.b=1..2", "a.b=3..4"]), Some(exit::USAGE));
    }
}
