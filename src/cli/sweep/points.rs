//! Which points a sweep has: a grid, lists in parallel, or a Sobol sequence over the ranges of `--vary`.

use std::collections::BTreeMap;

use crate::cli::arguments::{Design, flag, name_of};
use crate::config::diagnostic::{Diagnostic, Span as Place};
use crate::config::grammar::Fault;
use crate::config::source::Sources;
use crate::config::vary::{Span, Values, Vary};
use crate::kernel::sobol;
use crate::report::sweep::Dimension;

/// Whole ranges up to so many values are tried one by one.
const MOST_WHOLE: f64 = 20.0;
/// Values of other ranges without a step.
const EVENLY: u32 = 5;
const MOST_POINTS: u64 = 1_000_000;
/// A power of two, which fills every range evenly. Source: Owen 2020, On dropping the first Sobol' point.
const SOBOL_POINTS: u32 = 64;

/// All points, by number.
#[derive(Debug)]
pub struct Points {
    pub design: Design,
    pub varied: Vec<Vary>,
    /// What is tried of each dimension; empty for Sobol.
    values: Vec<Vec<String>>,
    pub count: u32,
}

impl Points {
    /// `texts`: as given by `--vary`. Errors are at their places in arguments that are added to `sources`.
    pub fn new(
        design: Design,
        texts: &[String],
        wanted: Option<u32>,
        sources: &mut Sources,
    ) -> Result<Points, Vec<Diagnostic>> {
        let mut varied: Vec<Vary> = Vec::new();
        let mut faults = Vec::new();
        for text in texts {
            let source = sources.add_argument("--vary", text);
            let mut blame = |fault: Fault| {
                let place = Place { source, start: fault.range.start, end: fault.range.end };
                faults.push(fault.finding("MS0010", place));
            };
            match Vary::parse(text) {
                Ok(vary) if varied.iter().any(|other| other.path == vary.path) => {
                    blame(Fault::new(format!("`{}` is varied twice", vary.path), 0..vary.path.len()));
                }
                Ok(vary) => {
                    if let Some(fault) = unfit(design, &vary, text) {
                        blame(fault);
                    }
                    varied.push(vary);
                }
                Err(fault) => blame(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let lengths: Vec<u64> = varied.iter().map(|vary| length(&vary.values)).collect();
        let count = count(design, &lengths, wanted).map_err(|message| {
            let place = sources.add_argument("--vary", &texts.join(" "));
            let end = sources.get(place).text.len();
            vec![Diagnostic::error("MS0010", message).at(Place { source: place, start: 0, end })]
        })?;
        let values = match design {
            Design::Sobol => Vec::new(),
            Design::Grid | Design::List => varied.iter().map(|vary| values(&vary.values)).collect(),
        };
        Ok(Points { design, varied, values, count })
    }

    /// The flags that ask for these points again.
    pub fn flags(&self, dimensions: &[Dimension]) -> Vec<String> {
        let vary = |dimension: &Dimension| flag("vary", format!("{}={}", dimension.name, dimension.range));
        let mut flags = vec![flag("design", name_of(self.design))];
        flags.extend((self.design == Design::Sobol).then(|| flag("points", self.count)));
        flags.extend(dimensions.iter().map(vary));
        flags
    }

    pub fn dimensions(&self, texts: &[String]) -> Vec<Dimension> {
        let range = |text: &String, path: &str| {
            let rest = text.trim().strip_prefix(path).unwrap_or(text).trim_start();
            rest.strip_prefix('=').unwrap_or(rest).trim().to_owned()
        };
        let each = self.varied.iter().zip(texts);
        each.map(|(vary, text)| Dimension { name: vary.path.clone(), range: range(text, &vary.path) })
            .collect()
    }

    /// What somebody should know of these points: one line each.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for (vary, values) in self.varied.iter().zip(&self.values) {
            let mut times: BTreeMap<&str, usize> = BTreeMap::new();
            values.iter().for_each(|value| *times.entry(value).or_default() += 1);
            // In parallel lists the others may differ.
            let is_alone = self.design == Design::Grid || self.varied.len() == 1;
            let often = times.into_iter().filter(|(_, times)| *times > 1 && is_alone);
            remarks.extend(often.map(|(value, times)| {
                format!(
                    "note: `{}` is given {times} times; points with it are equal, and simulated once",
                    vary.order(value)
                )
            }));
        }
        if self.design == Design::Sobol && !self.count.is_power_of_two() {
            let more = self.count.next_power_of_two();
            remarks.push(format!(
                "note: a Sobol sequence fills its ranges evenly with a power of two, such as `--points {}` or \
                 `--points {more}`; {} leave gaps",
                more / 2,
                self.count
            ));
        }
        remarks
    }

    /// The values of a point, one for each dimension. In a grid the last dimension turns first.
    pub fn values(&self, point: u32) -> Vec<String> {
        match self.design {
            Design::List => self.values.iter().map(|values| values[point as usize].clone()).collect(),
            Design::Grid => {
                let mut rest = point as usize;
                let mut chosen: Vec<String> = Vec::new();
                for values in self.values.iter().rev() {
                    chosen.push(values[rest % values.len()].clone());
                    rest /= values.len();
                }
                chosen.reverse();
                chosen
            }
            Design::Sobol => {
                let spans = self.varied.iter().filter_map(|vary| match &vary.values {
                    Values::Span(span) => Some(span),
                    Values::List(_) => None,
                });
                let place = |(dimension, span)| placed(span, sobol::coordinate(point, dimension));
                spans.enumerate().map(place).collect()
            }
        }
    }
}

fn unfit(design: Design, vary: &Vary, text: &str) -> Option<Fault> {
    let is_list = matches!(vary.values, Values::List(_));
    (design == Design::Sobol && is_list).then(|| {
        let help = "write `from..to`, or take `--design grid`";
        Fault::new("a Sobol sequence needs a range, and this is a list", 0..text.len()).help(help)
    })
}

/// `lengths`: how many values each dimension has.
fn count(design: Design, lengths: &[u64], wanted: Option<u32>) -> Result<u32, String> {
    let at_most = |count: u64, what: &str| match u32::try_from(count) {
        Ok(number) if count <= MOST_POINTS => Ok(number),
        _ => Err(format!("{what} of {count} points; at most {MOST_POINTS} are supported")),
    };
    match design {
        Design::Sobol if lengths.len() > sobol::MOST_DIMENSIONS => Err(format!(
            "a Sobol sequence of {} ranges; at most {} are supported",
            lengths.len(),
            sobol::MOST_DIMENSIONS
        )),
        Design::Sobol => Ok(wanted.unwrap_or(SOBOL_POINTS)),
        Design::Grid => at_most(lengths.iter().fold(1, |all: u64, one| all.saturating_mul(*one)), "a grid"),
        Design::List => match lengths {
            [first, rest @ ..] if rest.iter().any(|other| other != first) => {
                let lengths: Vec<String> = lengths.iter().map(u64::to_string).collect();
                let lengths = lengths.join(", ");
                Err(format!("lists in parallel are of one length, and these have {lengths} values"))
            }
            _ => at_most(lengths.first().copied().unwrap_or(0), "a list"),
        },
    }
}

/// How many [`values`] there are.
fn length(values: &Values) -> u64 {
    match values {
        Values::List(values) => values.len() as u64,
        Values::Span(span) => match span.count() {
            Some(count) => count,
            None if is_whole_and_short(span) => (span.to - span.from) as u64 + 1,
            None if span.from == span.to => 1,
            None => u64::from(EVENLY),
        },
    }
}

fn is_whole_and_short(span: &Span) -> bool {
    span.is_whole && span.to - span.from < MOST_WHOLE
}

/// A list as it is, a range by its step; without one each value of a short whole range, else five.
fn values(values: &Values) -> Vec<String> {
    let span = match values {
        Values::List(values) => return values.clone(),
        Values::Span(span) => span,
    };
    let numbers = span.steps().unwrap_or_else(|| {
        if span.from == span.to {
            vec![span.from]
        } else if is_whole_and_short(span) {
            (0..=(span.to - span.from) as u32).map(|n| span.from + f64::from(n)).collect()
        } else {
            let step = (span.to - span.from) / f64::from(EVENLY - 1);
            (0..EVENLY).map(|n| span.from + f64::from(n) * step).collect()
        }
    });
    numbers.into_iter().map(|number| span.text(number)).collect()
}

/// A share of [0, 1) of the range. Whole numbers, and steps, get equal parts of it.
fn placed(span: &Span, share: f64) -> String {
    if let (Some(step), Some(count)) = (span.step, span.count()) {
        return span.text(span.from + (share * count as f64).floor() * step);
    }
    match span.is_whole {
        true => span.text(span.from + (share * (span.to - span.from + 1.0)).floor()),
        false => span.text(span.from + share * (span.to - span.from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(design: Design, texts: &[&str], wanted: Option<u32>) -> Result<Points, Vec<Diagnostic>> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Points::new(design, &texts, wanted, &mut Sources::default())
    }

    fn all(design: Design, texts: &[&str], wanted: Option<u32>) -> Vec<String> {
        let points = points(design, texts, wanted).expect("sound");
        (0..points.count).map(|point| points.values(point).join(" ")).collect()
    }

    #[test]
    fn a_grid_has_every_pair_and_the_last_turns_first() {
        assert_eq!(all(Design::Grid, &["a.b=1,2", "c.d=x,y"], None), ["1 x", "1 y", "2 x", "2 y"]);
        assert_eq!(all(Design::Grid, &["a.b=2..5"], None), ["2", "3", "4", "5"]);
        assert_eq!(all(Design::Grid, &["a.b=1..20"], None).len(), 20);
        assert_eq!(all(Design::Grid, &["a.b=0..100"], None), ["0", "25", "50", "75", "100"]);
        assert_eq!(all(Design::Grid, &["load=0.5x..1.5x"], None), ["0.5x", "0.75x", "1x", "1.25x", "1.5x"]);
        assert_eq!(all(Design::Grid, &["a.b=10ms..30ms/10ms"], None), ["10ms", "20ms", "30ms"]);
    }

    #[test]
    fn lists_go_in_parallel() {
        assert_eq!(all(Design::List, &["a.b=1,2", "c.d=7..8"], None), ["1 7", "2 8"]);
        let error = points(Design::List, &["a.b=1,2", "c.d=7"], None).unwrap_err();
        assert!(error[0].message.contains("2, 1 values"), "{error:?}");
    }

    #[test]
    fn sobol_fills_its_ranges() {
        assert_eq!(
            all(Design::Sobol, &["load=0.5x..2.5x", "a.b=1..4"], Some(4)),
            ["0.5x 1", "1.5x 3", "2x 2", "1x 4"]
        );
        assert_eq!(points(Design::Sobol, &["a.b=1..4"], None).expect("sound").count, 64);
        let error = points(Design::Sobol, &["a.b=1,2"], None).unwrap_err();
        assert!(error[0].message.contains("needs a range"), "{error:?}");
    }

    #[test]
    fn what_is_tried_twice_or_unevenly_is_told() {
        let remarks = |design, texts: &[&str], wanted| {
            points(design, texts, wanted).expect("sound").remarks().join("\n")
        };
        let told = remarks(Design::Grid, &["a.b=1,7,1,1", "c.d=1..3"], None);
        assert!(told.contains("`a.b=1` is given 3 times") && !told.contains("c.d"), "{told}");
        assert_eq!(remarks(Design::List, &["a.b=1,1", "c.d=1,2"], None), "");
        let told = remarks(Design::Sobol, &["a.b=1..9"], Some(50));
        assert!(told.contains("`--points 32` or `--points 64`"), "{told}");
        assert_eq!(remarks(Design::Sobol, &["a.b=1..9"], Some(64)), "");
    }

    #[test]
    fn mistakes_are_told_all_at_once() {
        let errors = points(Design::Grid, &["a.b=9..2", "c.d", "e.f=1", "e.f=2"], None).unwrap_err();
        let told: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("empty") && told[2].contains("twice"), "{told:?}");
        let grid = ["a.b=1..5000/1", "c.d=1..5000/1"];
        assert!(points(Design::Grid, &grid, None).unwrap_err()[0].message.contains("25000000 points"));
        // More than memory would take.
        let long = points(Design::List, &["a.b=0..9000000000000000/1"], None).unwrap_err();
        assert!(long[0].message.contains("a list of 9000000000000001 points"), "{long:?}");
    }
}
