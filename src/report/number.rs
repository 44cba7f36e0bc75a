//! Numbers as text, always the same on every machine: a point, never a comma or an exponent, and no trailing zeros.
//!
//! Files: counts have at most 3 decimals (a mean over replications), percentages 6, all else 6 significant digits,
//! with integer parts in full. Terminal: 3 significant digits and a unit, as people read them.

/// What a number is, which tells how many digits of it mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Count,
    Percent,
    /// Milliseconds, seconds, rates, means.
    Measure,
    /// Moments and quantiles: exact, up to 9 decimals.
    Exact,
}

/// The number as files have it; empty for NaN.
pub fn plain(value: f64, kind: Kind) -> String {
    let decimals = match kind {
        Kind::Count => 3,
        Kind::Percent => 6,
        Kind::Measure => significant_decimals(value, 6),
        Kind::Exact => 9,
    };
    fixed(value, decimals)
}

/// At most `decimals` decimals, without trailing zeros; empty for what is no number.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if text == "-0" { "0".to_owned() } else { text }
}

/// Decimals that show `digits` significant digits, at most 9.
fn significant_decimals(value: f64, digits: usize) -> usize {
    let mut decimals = digits.saturating_sub(1);
    let mut size = value.abs();
    while size >= 10.0 && decimals > 0 {
        size /= 10.0;
        decimals -= 1;
    }
    while size > 0.0 && size < 1.0 && decimals < 9 {
        size *= 10.0;
        decimals += 1;
    }
    decimals
}

/// Milliseconds for people: `61ms`, `1.23s`, `820us`.
pub fn latency(millis: f64) -> String {
    let (value, unit) = latency_scale(millis);
    format!("{}{unit}", fixed(millis / value, significant_decimals(millis / value, 3)))
}

/// `214ms ± 3ms`: the half-width in the figure's unit and with its decimals.
pub fn latency_interval(millis: f64, ci95: Option<f64>) -> (String, Option<String>) {
    let (scale, unit) = latency_scale(millis);
    let decimals = significant_decimals(millis / scale, 3);
    let width = ci95.map(|half| format!("{}{unit}", width(half / scale, decimals)));
    (latency(millis), width)
}

/// The unit that shows a latency best: its size in milliseconds, and its name.
pub fn latency_scale(millis: f64) -> (f64, &'static str) {
    match millis.abs() {
        size if size >= 999.5 => (1000.0, "s"),
        size if size >= 0.9995 || size == 0.0 => (1.0, "ms"),
        size if size >= 0.000_999_5 => (1e-3, "us"),
        _ => (1e-6, "ns"),
    }
}

/// Per cent for people: two decimals, more where they alone tell it from 100.
pub fn percent(value: f64) -> String {
    let mut decimals = 2;
    while decimals < 6 && value < 100.0 && format!("{value:.decimals$}").starts_with("100") {
        decimals += 1;
    }
    format!("{value:.decimals$}")
}

/// Half the width of an interval, with `decimals` or as many as it takes not to be nothing.
pub fn width(value: f64, decimals: usize) -> String {
    (decimals..=6).map(|more| fixed(value, more)).find(|text| text != "0").unwrap_or_else(|| "0".to_owned())
}

/// A count for people: whole, in groups of three: `300 214`.
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// A rate for people: `0.42`, `12.5`, `1234`.
pub fn rate(value: f64) -> String {
    fixed(value, significant_decimals(value, 3).min(3))
}

/// A moment for people: `0:00`, `4:10`, `1:02:03`, with tenths where there are any.
pub fn moment(seconds: f64) -> String {
    let whole = seconds.floor() as u64;
    let tenths = ((seconds - whole as f64) * 10.0).round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    let head =
        if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") };
    if (1..10).contains(&tenths) { format!("{head}.{tenths}") } else { head }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_no_exponents_and_no_trailing_zeros() {
        assert_eq!(plain(1e15, Kind::Count), "1000000000000000");
        assert_eq!(plain(2.0 / 3.0, Kind::Count), "0.667");
        assert_eq!(plain(-0.0001, Kind::Count), "0");
        assert_eq!(plain(99.999_999_8, Kind::Percent), "100");
        assert_eq!(plain(99.9987, Kind::Percent), "99.9987");
        assert_eq!(plain(0.000_012_345_678, Kind::Measure), "0.000012346");
        assert_eq!(plain(213.456_789, Kind::Measure), "213.457");
        assert_eq!(plain(1_234_567.8, Kind::Measure), "1234568");
        assert_eq!(plain(0.99999, Kind::Exact), "0.99999");
        assert_eq!(plain(f64::NAN, Kind::Measure), "");
    }

    #[test]
    fn people_read_three_digits_and_a_unit() {
        assert_eq!(
            [0.0, 0.000_5, 0.82, 4.567, 61.04, 999.7, 12_345.0].map(latency),
            ["0ms", "500ns", "820us", "4.57ms", "61ms", "1s", "12.3s"]
        );
        assert_eq!(latency_interval(214.2, Some(3.4)), ("214ms".to_owned(), Some("3ms".to_owned())));
        assert_eq!(latency_interval(214.2, Some(0.04)).1.as_deref(), Some("0.04ms"));
        assert_eq!(latency_interval(214.2, Some(0.0)).1.as_deref(), Some("0ms"));
        assert_eq!(latency_interval(1850.0, Some(40.0)).1.as_deref(), Some("0.04s"));
    }

    #[test]
    fn success_never_rounds_up_to_perfect() {
        assert_eq!([100.0, 99.98, 99.9987, 0.0].map(percent), ["100.00", "99.98", "99.999", "0.00"]);
    }

    #[test]
    fn counts_and_moments_are_grouped() {
        assert_eq!([7.0, 300_214.0, 1_068_402.4].map(grouped), ["7", "300 214", "1 068 402"]);
        assert_eq!([0.0, 250.0, 3723.0, 0.5].map(moment), ["0:00", "4:10", "1:02:03", "0:00.5"]);
    }
}
