//! Durations as Istio and Go write them: `1h30m`, `1.5s`, `200ms`, and below a millisecond `40us`, `250ns`.

use super::grammar::{Fault, Part};
use crate::kernel::SimDuration;

/// Longest first, so that `ms` is not read as `m`. Go's `µs` in both of its spellings.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration of zero or more. Source: Go's `time.ParseDuration`, which Istio's proto durations go through.
pub fn parse(part: Part<'_>) -> Result<SimDuration, Fault> {
    let text = part.text;
    if text.is_empty() {
        return Err(part.fault("a duration is missing").help("write one as `1.5s`, `200ms` or `1h30m`"));
    }
    if text.starts_with('-') {
        return Err(part.fault(format!("`{text}` is negative")).help("a duration is zero or more"));
    }
    if text == "0" {
        return Ok(SimDuration::ZERO);
    }
    let mut total: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if number.is_empty() || number == "." || number.matches('.').count() > 1 {
            return Err(not_one(part));
        }
        let word_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let word = &after[..word_end];
        if word.is_empty() {
            let help = format!("write {number}s or {number}ms");
            return Err(part.fault(format!("`{text}` has no unit")).help(help));
        }
        let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == word) else {
            let help = match word {
                "d" => "days are written in hours: `24h`",
                "sec" | "secs" | "second" | "seconds" => "seconds are written `s`",
                "min" | "mins" | "minute" | "minutes" => "minutes are written `m`",
                _ => "units are h, m, s, ms, us and ns",
            };
            return Err(part.fault(format!("`{word}` is no unit of time")).help(help));
        };
        total += scaled(number, *unit).ok_or_else(|| too_long(part))?;
        rest = &after[word_end..];
    }
    u64::try_from(total).map(SimDuration::from_nanos).map_err(|_| too_long(part))
}

/// A duration above zero.
pub fn parse_positive(part: Part<'_>) -> Result<SimDuration, Fault> {
    let length = parse(part)?;
    if length.is_zero() { Err(part.fault("this duration must be above zero")) } else { Ok(length) }
}

fn not_one(part: Part<'_>) -> Fault {
    part.fault(format!("`{}` is no duration", part.text)).help("write one as `1.5s`, `200ms` or `1h30m`")
}

fn too_long(part: Part<'_>) -> Fault {
    part.fault(format!("`{}` is longer than can be simulated", part.text)).help("the limit is 584 years")
}

/// `1.5` of a unit in nanoseconds, exactly; what lies below a nanosecond is cut.
fn scaled(number: &str, unit: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = u128::from(whole) * u128::from(unit);
    let mut share = u128::from(unit);
    for digit in fraction.bytes() {
        share /= 10;
        nanos += u128::from(digit - b'0') * share;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> u64 {
        parse(Part::whole(text)).unwrap().nanos()
    }

    fn help(text: &str) -> String {
        parse(Part::whole(text)).unwrap_err().help.unwrap()
    }

    #[test]
    fn durations_are_read_exactly() {
        assert_eq!(nanos("1h30m"), 5_400_000_000_000);
        assert_eq!(nanos("1.5s"), 1_500_000_000);
        assert_eq!(nanos("200ms"), 200_000_000);
        assert_eq!(nanos("0.25ms"), 250_000);
        assert_eq!(nanos("40us"), 40_000);
        assert_eq!(nanos(".5s"), 500_000_000);
        assert_eq!(nanos("0.000000001s"), 1);
        assert_eq!(nanos("0s"), 0);
        assert_eq!(nanos("0"), 0);
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        assert_eq!(help("5"), "write 5s or 5ms");
        assert_eq!(help("1m5"), "write 5s or 5ms");
        assert!(help("2d").contains("24h"));
        assert!(help("-5s").contains("zero or more"));
        assert!(help("soon").contains("1.5s"));
        assert!(parse(Part::whole("99999999999999h")).is_err());
        assert!(parse(Part::whole("1e3s")).is_err());
    }
}
