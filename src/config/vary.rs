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
            let order = Order::parse(&format!("{path}=0"))?;
            if let Some((_, why, help)) = FIXED.iter().find(|(key, _, _)| order.is_about(key)) {
                let path_start = text.find(path).unwrap_or(0);
                return Err(Fault::new(*why, path_start..path_start + path.len()).help(*help));
            }
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

/// Keys of the scenario that are the same at all points of a study, why, and what to do instead.
const FIXED: [(&str, &str, &str); 3] = [
    (
        "seed",
        "the seed is no setting: all points of a study have the same luck, so that they differ by what is varied alone",
        "intervals tell what other luck would change; `--reps` makes them narrower",
    ),
    (
        "replications",
        "all points of a study have as many replications, or their intervals could not be compared",
        "say how many with `--reps`",
    ),
    (
        "objectives",
        "objectives are what points are judged by, so they are the same for all",
        "name several with `--slo`: each point tells what becomes of each",
    ),
];

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
        check_before(&left[..start], &left[start..], 0)?;
        let (from, from_unit) = number(&left[start..], start, "beginning")?;
        let (to_text, rest) = upto(right);
        check_after(to_text, rest, dots + 2)?;
        let (to, to_unit) = number(to_text, dots + 2, "end")?;
        let (step, after) = match rest.strip_prefix('/') {
            Some(rest) => {
                let at = text.len() - rest.len();
                let (step_text, after) = upto(rest);
                check_after(step_text, after, at)?;
                let (step, unit) = number(step_text, at, "step")?;
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

    /// The unit of both ends, where nothing else stands in the value.
    pub fn bare_unit(&self) -> Option<&str> {
        (self.before.is_empty() && self.after.is_empty()).then_some(self.unit.as_str())
    }

    /// Whether it is of so many of something: whole numbers, without a unit or anything around them.
    pub fn is_count(&self) -> bool {
        self.is_whole && self.bare_unit() == Some("")
    }

    /// The same with all numbers between its ends, be they whole or not.
    #[must_use]
    pub fn with_fractions(self) -> Span {
        Span { is_whole: false, ..self }
    }

    /// The same in another unit, so many of which are one of this.
    #[must_use]
    pub fn converted(&self, factor: f64, unit: &str) -> Span {
        Span {
            from: self.from * factor,
            to: self.to * factor,
            step: self.step.map(|step| step * factor),
            unit: unit.to_owned(),
            ..self.clone().with_fractions()
        }
    }

    /// The value as it is written: `poisson(250rps)`. Whole spans round; others keep six digits.
    pub fn text(&self, number: f64) -> String {
        let shown = if self.is_whole { number.round() } else { significant(number) };
        format!("{}{shown}{}{}", self.before, self.unit, self.after)
    }

    /// How many values its step makes, if it has one; the end is one of them if a step falls on it.
    pub fn count(&self) -> Option<u64> {
        // A part of a step more, for steps that binary numbers do not hit.
        Some((((self.to - self.from) / self.step? + 1e-9) as u64).saturating_add(1))
    }

    /// From the first to the last by its step, if it has one.
    pub fn steps(&self) -> Option<Vec<f64>> {
        let step = self.step?;
        Some((0..self.count()?).map(|n| self.from + n as f64 * step).collect())
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

/// Numbers beyond it are not told apart.
const MOST: f64 = 9_007_199_254_740_992.0;

/// `what`: the part of a range that it is.
fn number<'a>(text: &'a str, at: usize, what: &str) -> Result<(f64, &'a str), Fault> {
    let digits = text.trim_end_matches(is_unit);
    let range: Range<usize> = at..at + text.len();
    let fault = match digits.parse::<f64>().ok().filter(|number| number.is_finite()) {
        Some(number) if number <= MOST => return Ok((number, &text[digits.len()..])),
        Some(_) => format!("`{digits}` is too large: numbers go up to {MOST}"),
        None if text.is_empty() => format!("the range has no {what}"),
        None => format!("`{text}` is no {what} of a range"),
    };
    Err(Fault::new(fault, range).help(HOW))
}

/// What stands before the first number may be no sign, and no part of the number.
fn check_before(before: &str, number: &str, at: usize) -> Result<(), Fault> {
    let end = at + before.len() + number.len();
    let mut letters = before.chars().rev();
    let (last, second) = (letters.next(), letters.next());
    // `zone-1..3` is a name.
    let is_sign = matches!(last, Some('-' | '+')) && !second.is_some_and(char::is_alphanumeric);
    let is_exponent = matches!(last, Some('e' | 'E')) && second.is_some_and(is_digit);
    match (is_sign && !number.is_empty(), is_exponent) {
        (true, _) => Err(negative(end - number.len() - 1..end)),
        (_, true) => Err(exponent(end - number.len() - 2..end)),
        _ => Ok(()),
    }
}

/// And what stands behind another one.
fn check_after(number: &str, rest: &str, at: usize) -> Result<(), Fault> {
    let end = at + number.len() + rest.len();
    let is_number = |text: &str| text.starts_with(is_digit);
    let is_sign = number.is_empty() && rest.starts_with(['-', '+']) && is_number(&rest[1..]);
    let is_exponent = number.ends_with(['e', 'E'])
        && number.starts_with(is_digit)
        && is_number(rest.trim_start_matches(['-', '+']));
    match (is_sign, is_exponent) {
        (true, _) => Err(negative(at..end)),
        (_, true) => Err(exponent(at..end)),
        _ => Ok(()),
    }
}

fn negative(range: Range<usize>) -> Fault {
    Fault::new("the numbers of a range have no sign", range).help("a list takes any value: `path=-5,0,5`")
}

fn exponent(range: Range<usize>) -> Fault {
    Fault::new("the numbers of a range have no exponent", range).help("write `1000000` for `1e6`")
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
        assert_eq!(span("workloads.app.zones=zone-1..3").text(2.0), "zone-2");
        assert_eq!(span("a.b=f(9, 1..3s)").text(2.0), "f(9, 2s)");
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
            ("a.b=x..9", "`x` is no beginning of a range", 4..5),
            ("a.b=1..x", "`x` is no end of a range", 7..8),
            ("a.b=1..", "the range has no end", 7..7),
            ("a.b=..3", "the range has no beginning", 4..4),
            ("a.b=1..10/", "the range has no step", 10..10),
            ("a.b=1..10/-1", "no sign", 10..12),
            ("a.b=-5..5", "no sign", 4..6),
            ("a.b=1..-5", "no sign", 7..9),
            ("load=1x..1e9x", "no exponent", 9..13),
            ("load=1e3..5e3", "no exponent", 5..8),
            ("a.b=1..99999999999999999999", "too large: numbers go up to 9007199254740992", 7..27),
            ("seed=1..5", "no setting", 0..4),
            ("replications=2,4", "as many replications", 0..12),
            (" objectives[0]=a,b", "judged by", 1..14),
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
