//! Numbers as text, always the same on every machine: a point, never a comma or an exponent.
//!
//! Files: counts have at most 3 decimals (a mean over replications), percentages 6, all else 6 significant digits,
//! with integer parts in full and no trailing zeros. People: 3 significant digits and a unit, trailing zeros too, so
//! that columns line up and nobody takes 16.0 for 16 by accident.

pub use crate::kernel::words::grouped;

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

/// The number as JSON has it, digit for digit as in CSV; null for what is no number.
pub fn json(value: f64, kind: Kind) -> serde_json::Value {
    let text = plain(value, kind);
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    text.parse().ok().and_then(serde_json::Number::from_f64).map_or(serde_json::Value::Null, Into::into)
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

/// Decimals that show `digits` significant digits, at most 9: of the number as it is then shown, as 9.996 is 10.0.
pub fn significant_decimals(value: f64, digits: usize) -> usize {
    let decimals = decimals_by_size(value, digits);
    let shown: f64 = format!("{value:.decimals$}").parse().unwrap_or(value);
    decimals_by_size(shown, digits)
}

fn decimals_by_size(value: f64, digits: usize) -> usize {
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

/// Milliseconds for people: `61.0ms`, `1.23s`, `820us`.
pub fn latency(millis: f64) -> String {
    if millis == 0.0 {
        return "0ms".to_owned();
    }
    let (scale, unit) = latency_scale(millis);
    let value = millis / scale;
    format!("{}{unit}", grouped(value, significant_decimals(value, 3)))
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

/// [`grouped`] without trailing zeros, for numbers that somebody chose: `160`, `0.5`, `24 000`.
pub fn chosen(value: f64, decimals: usize) -> String {
    let text = grouped(value, decimals);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A mean count for people: whole from ten on.
pub fn count(value: f64) -> String {
    if value < 9.95 { fixed(value, 1) } else { grouped(value, 0) }
}

/// A rate that was measured, for people: `0.420`, `12.5`, `1 234`.
pub fn rate(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    grouped(value, significant_decimals(value, 3).min(3))
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
            [0.0, 0.000_5, 0.82, 4.567, 9.996, 61.04, 999.7, 12_345.0].map(latency),
            ["0ms", "500ns", "820us", "4.57ms", "10.0ms", "61.0ms", "1.00s", "12.3s"]
        );
        assert_eq!([0.0, 0.42, 12.54, 99.96, 23_994.4].map(rate), ["0", "0.420", "12.5", "100", "23 994"]);
    }

    #[test]
    fn success_never_rounds_up_to_perfect() {
        assert_eq!([100.0, 99.98, 99.9987, 0.0].map(percent), ["100.00", "99.98", "99.999", "0.00"]);
    }

    #[test]
    fn counts_and_moments_are_grouped() {
        assert_eq!([0.0, 0.26, 9.96, 300_214.0].map(count), ["0", "0.3", "10", "300 214"]);
        assert_eq!([7.0, 1_068_402.4].map(|value| grouped(value, 1)), ["7.0", "1 068 402.4"]);
        assert_eq!([0.5, 160.0, 24_000.0].map(|value| chosen(value, 2)), ["0.5", "160", "24 000"]);
        assert_eq!([0.0, 250.0, 3723.0, 0.5].map(moment), ["0:00", "4:10", "1:02:03", "0:00.5"]);
    }
}
