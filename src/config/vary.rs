//! `path=range`, as `--vary` gives it: which values a study tries. A list `1,2,4`, or a span `2..20`, with a step
//! `2..20/2`, with units `5ms..50ms`, or inside a value `poisson(100rps..800rps)`. Source: design D9.25.

use std::ops::Range;

use super::grammar::{Fault, Part};
use super::set::{Order, equals_sign};

/// The path that stands for the load of all clients, as a factor: `load=0.5x..4x`.
pub const LOAD: &str = "load";

/// One dimension of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Vary {
    /// As written, with its object: `workloads.app.replicas`.
    pub path: String,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// At least one.
    List(Vec<String>),
    Span(Span),
}

/// Numbers between two ends, in a text around them.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub from: f64,
    /// At least `from`.
    pub to: f64,
    pub step: Option<f64>,
    /// Both ends are whole, and so are all values.
    pub is_whole: bool,
    before: String,
    unit: String,
    after: String,
}

impl Vary {
    /// Errors point into the text.
    pub fn parse(text: &str) -> Result<Vary, Fault> {
        // The same left side as an order's, and the same complaints.
        let Some((path, value, at)) = sides(text) else {
            return Err(Fault::new(format!("`{text}` varies nothing"), 0..text.len()).help(HOW));
        };
        let value_range = at..at + value.len();
        if path != LOAD {
            Order::parse(&format!("{path}=0"))?;
        }
        let values = match value.find("..") {
            Some(dots) => Values::Span(Span::parse(value, dots).map_err(|fault| fault.shifted(at))?),
            None => {
                let parts = Part { text: value, at }.split(',');
                if let Some(empty) = parts.iter().find(|part| part.text.is_empty()) {
                    let range = if empty.range().is_empty() { value_range } else { empty.range() };
                    return Err(Fault::new("a value is missing", range).help(HOW));
                }
                Values::List(parts.iter().map(|part| part.text.to_owned()).collect())
            }
        };
        Ok(Vary { path: path.to_owned(), values })
    }

    /// What `--set` would be given: `workloads.app.replicas=4`.
    pub fn order(&self, value: &str) -> String {
        format!("{}={value}", self.path)
    }
}

const HOW: &str = "write `path=2..20`, `path=2..20/2` with a step, `path=1,2,4`, or `load=0.5x..4x`";

/// Path, value, and where the value stands.
fn sides(text: &str) -> Option<(&str, &str, usize)> {
    let equals = equals_sign(text)?;
    let (path, value) = (text[..equals].trim(), &text[equals + 1..]);
    let at = equals + 1 + (value.len() - value.trim_start().len());
    let value = value.trim();
    (!path.is_empty() && !value.is_empty()).then_some((path, value, at))
}

impl Span {
    /// `dots`: where the `..` stands in `text`.
    fn parse(text: &str, dots: usize) -> Result<Span, Fault> {
        let (left, right) = (&text[..dots], &text[dots + 2..]);
        let start = left.trim_end_matches(is_unit).trim_end_matches(is_digit).len();
        let (from, from_unit) = number(&left[start..], start)?;
        let (to_text, rest) = upto(right);
        let (to, to_unit) = number(to_text, dots + 2)?;
        let (step, after) = match rest.strip_prefix('/') {
            Some(rest) => {
                let (step_text, after) = upto(rest);
                let (step, unit) = number(step_text, text.len() - rest.len())?;
                same_unit(unit, to_unit, text)?;
                (Some(step), after)
            }
            None => (None, rest),
        };
        same_unit(from_unit, to_unit, text)?;
        if from > to {
            let help = format!("write `{to_text}..{}`", &left[start..]);
            return Err(
                Fault::new("the range is empty: it ends before it begins", start..text.len()).help(help)
            );
        }
        if step.is_some_and(|step| step <= 0.0) {
            return Err(Fault::new("a step is positive", 0..text.len()).help(HOW));
        }
        Ok(Span {
            from,
            to,
            step,
            is_whole: [Some(from), Some(to), step].into_iter().flatten().all(|number| number.fract() == 0.0),
            before: text[..start].to_owned(),
            unit: to_unit.to_owned(),
            after: after.to_owned(),
        })
    }

    /// The value as it is written: `poisson(250rps)`. Whole spans round; others keep six digits.
    pub fn text(&self, number: f64) -> String {
        let shown = if self.is_whole { number.round() } else { significant(number) };
        format!("{}{shown}{}{}", self.before, self.unit, self.after)
    }

    /// From the first to the last by its step, if it has one; the end is there if a step falls on it.
    pub fn steps(&self) -> Option<Vec<f64>> {
        let step = self.step?;
        // A part of a step more, for steps that binary numbers do not hit.
        let count = ((self.to - self.from) / step + 1e-9) as u64;
        Some((0..=count).map(|n| self.from + n as f64 * step).collect())
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn is_unit(c: char) -> bool {
    c.is_alphabetic() || c == '%'
}

/// A number with its unit, and what follows.
fn upto(text: &str) -> (&str, &str) {
    let digits = text.trim_start_matches(is_digit);
    let rest = digits.trim_start_matches(is_unit);
    text.split_at(text.len() - rest.len())
}

fn number(text: &str, at: usize) -> Result<(f64, &str), Fault> {
    let digits = text.trim_end_matches(is_unit);
    let range: Range<usize> = at..at + text.len();
    let parsed = digits.parse::<f64>().ok().filter(|number| number.is_finite());
    let Some(number) = parsed else {
        return Err(Fault::new(format!("`{text}` is no end of a range"), range).help(HOW));
    };
    Ok((number, &text[digits.len()..]))
}

fn same_unit(unit: &str, other: &str, text: &str) -> Result<(), Fault> {
    if unit == other || unit.is_empty() {
        return Ok(());
    }
    let fault = Fault::new(format!("the range has two units, `{unit}` and `{other}`"), 0..text.len());
    Err(fault.help("write both ends, and the step, in the same unit"))
}

/// Six digits are enough for people and for a search.
fn significant(number: f64) -> f64 {
    format!("{number:.5e}").parse().expect("a number of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> Span {
        match Vary::parse(text).expect("sound").values {
            Values::Span(span) => span,
            Values::List(_) => panic!("`{text}` is no list"),
        }
    }

    #[test]
    fn lists_keep_values_as_written() {
        let vary = Vary::parse("clients.web.load= poisson(5rps) , bursty(5rps, cv=3)").expect("sound");
        assert_eq!(vary.path, "clients.web.load");
        assert_eq!(
            vary.values,
            Values::List(vec!["poisson(5rps)".to_owned(), "bursty(5rps, cv=3)".to_owned()])
        );
        assert_eq!(vary.order("poisson(5rps)"), "clients.web.load=poisson(5rps)");
    }

    #[test]
    fn spans_stand_anywhere_in_a_value() {
        let whole = span("workloads.app.replicas=2..20");
        assert_eq!((whole.from, whole.to, whole.is_whole), (2.0, 20.0, true));
        assert_eq!(whole.text(4.4), "4");
        let load = span("clients.web.load=poisson(100rps..800rps)");
        assert_eq!((load.from, load.to), (100.0, 800.0));
        assert_eq!(load.text(250.0), "poisson(250rps)");
        let time = span("workloads.app.serviceTime=lognormal(p50=1.5ms..3ms, p99=20ms)");
        assert_eq!(time.text(2.123_456_789), "lognormal(p50=2.12346ms, p99=20ms)");
        let rule = span("DestinationRule/ns/x:spec.trafficPolicy.connectionPool.http.maxRetries=1..9");
        assert_eq!(rule.text(3.0), "3");
        assert_eq!(span("load=0.5..4x").text(0.75), "0.75x");
        assert_eq!(span("workloads.app.errors.rate=10%..50%").text(25.0), "25%");
        assert_eq!((span("a.b=5..5").from, span("a.b=5..5").to), (5.0, 5.0), "one value is a range");
    }

    #[test]
    fn steps_end_where_the_span_does() {
        assert_eq!(span("a.b=2..7/2").steps(), Some(vec![2.0, 4.0, 6.0]));
        assert_eq!(span("a.b=0.1..0.3/0.1").steps().map(|steps| steps.len()), Some(3));
        assert_eq!(span("a.b=5ms..9ms/2ms").text(7.0), "7ms");
        assert_eq!(span("a.b=2..7").steps(), None);
        let halves = span("a.b=1..2/0.5");
        assert_eq!(
            (halves.is_whole, halves.text(1.5)),
            (false, "1.5".to_owned()),
            "steps between whole ends"
        );
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        for (text, part, place) in [
            ("workloads.app.replicas", "varies nothing", 0..22),
            ("=2..4", "varies nothing", 0..5),
            ("a.b=9..2", "empty", 4..8),
            ("a.b=5ms..2s", "two units", 4..11),
            ("a.b=1ms..9ms/1s", "two units", 4..15),
            ("a.b=  9..2", "empty", 6..10),
            ("a.b=2..9/0", "positive", 4..10),
            ("a.b=x..9", "no end of a range", 4..5),
            ("a.b=1,,2", "missing", 4..8),
            ("a[=1..2", "varies nothing", 0..7),
        ] {
            let fault = Vary::parse(text).expect_err(text);
            assert!(fault.message.contains(part), "{text}: {}", fault.message);
            assert_eq!(fault.range, place, "{text}");
            assert!(fault.help.is_some(), "{text}");
        }
    }
}
