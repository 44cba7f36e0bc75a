//! One thing that is varied: its values in the order in which they count, as texts, as numbers and as places on an axis.

use super::super::ending::{Failure, exit};
use crate::config::vary::{LOAD, Span, Values, Vary};
use crate::study::capacity::{Axis, Costs};

/// Into so many parts a range of fractions is cut where several values are varied.
const PARTS: usize = 20;

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

impl Dimension {
    pub fn new(vary: Vary, is_alone: bool, falls: bool) -> Result<Dimension, Failure> {
        let Vary { path, values } = vary;
        let is_load = path == LOAD;
        let choices = match values {
            Values::List(texts) => {
                let number = |text: &String| if is_load { factor(text) } else { text.parse::<f64>().ok() };
                let numbers: Option<Vec<f64>> = texts.iter().map(number).collect();
                list(texts, numbers)
            }
            Values::Span(span) => match (span.step, span.is_count() && !is_load) {
                (Some(step), _) => Choices::Steps { step, count: span.count().unwrap_or(1) as usize, span },
                (None, true) => Choices::Steps { step: 1.0, count: (span.to - span.from) as usize + 1, span },
                // What has a unit is measured, and has a border between whole numbers, too.
                (None, false) if is_alone || span.from == span.to => Choices::Line(span.with_fractions()),
                (None, false) => {
                    let step = (span.to - span.from) / PARTS as f64;
                    Choices::Steps { step, count: PARTS + 1, span: span.with_fractions() }
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
    pub fn in_factors(&mut self, offered_rps: Option<f64>) -> Result<(), Failure> {
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

    pub fn has_numbers(&self) -> bool {
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
    pub fn axis(&self, weight: f64) -> Option<Axis> {
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
        let measured = dimension("a.b=1%..3%", true, true);
        assert_eq!((measured.line(), measured.text(2.25)), (Some((1.0, 3.0)), "2.25%".to_owned()));
        let parts = dimension("a.b=exponential(mean=1ms..2ms)", false, false);
        assert_eq!(
            (parts.count(), parts.text(1.0)),
            (Some(PARTS + 1), "exponential(mean=1.05ms)".to_owned())
        );
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
        assert_eq!(
            (steps.count(), [0.0, 1.0].map(|at| steps.text(at))),
            (Some(7), ["2x", "1.75x"].map(str::to_owned))
        );
        assert!(dimension("load=100rps..400rps", true, true).in_factors(None).is_err());
        for text in ["load=50%..200%", "load=10ms..20ms", "load=0x..2x", "load=poisson(1..3)"] {
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
}
