//! What is asked of a search: which values are varied, in which order they count, and what they cost.

use super::super::arguments::{CapacityArguments, Find, Lost, flag, name_of};
use super::super::ending::{Failure, exit};
use super::super::findings;
use super::dimension::Dimension;
use crate::config::diagnostic::Span as Place;
use crate::config::grammar::Part;
use crate::config::quantity;
use crate::config::source::Sources;
use crate::config::vary::{LOAD, Vary};
use crate::study::capacity::{Axis, Survive};

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

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(text: &str, is_alone: bool, falls: bool) -> Dimension {
        Dimension::new(Vary::parse(text).expect("sound"), is_alone, falls)
            .unwrap_or_else(|error| panic!("{error}"))
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
        assert_eq!([0, 10, 20].map(|place| parts.number(place)), [1.5, 2.0, 2.5]);
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
