//! A figure with its interval, as people read it. The only place that prints one, so that value and half-width are
//! always in one unit and end at the same digit.

use super::number;
use super::terminal::Look;
use crate::mesh::model::Figure;
use crate::study::Judged;

/// More decimals say nothing to a person.
const MOST_DECIMALS: usize = 6;

/// What an objective was judged by: `p(99) = 214ms ± 3`, `99.98% ± 0.01`. Rounding never moves the figure to the
/// other side of the objective's limit, nor up to a success of 100 %.
pub fn observed(judged: &Judged, look: &Look) -> String {
    let Some(value) = judged.observed.value else { return "no data".to_owned() };
    let (scale, unit) = match judged.figure {
        Figure::SuccessPct => (1.0, "%"),
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => number::latency_scale(value),
        Figure::Rps | Figure::Retries | Figure::Ejections | Figure::Overflow => (1.0, ""),
    };
    let holds = |value| judged.comparison.holds(value, judged.limit);
    let says_the_same = |rounded: f64| {
        let is_perfect = |pct: f64| judged.figure == Figure::SuccessPct && pct >= 100.0;
        holds(rounded * scale) == holds(value) && is_perfect(rounded) == is_perfect(value)
    };
    let half = judged.observed.ci95.map(|half| half / scale);
    let own = value / scale;
    let least = half.and_then(decimals_of_width).unwrap_or_else(|| usual_decimals(judged.figure, own));
    let rounded = |decimals: usize| format!("{own:.decimals$}").parse().unwrap_or(own);
    let decimals = (least..MOST_DECIMALS).find(|d| says_the_same(rounded(*d))).unwrap_or(MOST_DECIMALS);
    let text = format!("{}{}{unit}", name(judged.figure), number::grouped(own, decimals));
    match half {
        Some(half) => {
            let half = if half > 0.0 { number::grouped(half, decimals) } else { "0".to_owned() };
            format!("{text} {} {half}", look.pick("±", "+-"))
        }
        None => text,
    }
}

fn name(figure: Figure) -> String {
    match figure {
        Figure::Latency(q) => format!("p({}) = ", number::fixed(q * 100.0, 3)),
        Figure::LatencyMean => "mean = ".to_owned(),
        Figure::LatencyMax => "max = ".to_owned(),
        _ => String::new(),
    }
}

/// Decimals that show the first digit of a half-width, and the second where the first is a 1: 3, 1.4, 0.02, 0.017.
/// `None` for none at all.
pub(super) fn decimals_of_width(half: f64) -> Option<usize> {
    let mut size = half;
    let mut decimals = 0;
    while size < 1.95 && decimals < MOST_DECIMALS {
        size *= 10.0;
        decimals += 1;
    }
    (half > 0.0).then_some(decimals)
}

/// Without an interval.
fn usual_decimals(figure: Figure, value: f64) -> usize {
    match figure {
        Figure::SuccessPct => 2,
        Figure::Retries | Figure::Ejections | Figure::Overflow => usize::from(value.fract() != 0.0),
        _ if value == 0.0 => 0,
        _ => number::significant_decimals(value, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::model::Comparison;
    use crate::metrics::Estimate;

    fn told(figure: Figure, value: f64, ci95: Option<f64>, limit: f64) -> String {
        let comparison = Comparison::Less;
        let observed = Estimate { value: Some(value), ci95 };
        let met = comparison.holds(value, limit);
        let judged = Judged { text: String::new(), figure, comparison, limit, observed, met, unsure: false };
        super::observed(&judged, &Look::PLAIN)
    }

    #[test]
    fn both_end_at_the_first_uncertain_digit_in_one_unit() {
        let p99 = |value, half| told(Figure::Latency(0.99), value, Some(half), 1e9);
        assert_eq!(p99(214.2, 3.4), "p(99) = 214ms ± 3");
        assert_eq!(p99(214.2, 1.4), "p(99) = 214.2ms ± 1.4");
        assert_eq!(p99(5000.1, 16.8), "p(99) = 5.000s ± 0.017");
        assert_eq!(p99(1850.0, 430.0), "p(99) = 1.9s ± 0.4");
        assert_eq!(p99(31.0, 0.3), "p(99) = 31.0ms ± 0.3");
        assert_eq!(p99(120.0, 4000.0), "p(99) = 120ms ± 4 000");
        assert_eq!(told(Figure::SuccessPct, 83.33, Some(20.0), 0.0), "83% ± 20");
        assert_eq!(told(Figure::Retries, 0.0, Some(0.0), 5.0), "0 ± 0");
        assert_eq!(told(Figure::Rps, 23_994.3, Some(12.0), 5.0), "23 994 ± 12");
    }

    #[test]
    fn without_an_interval_the_usual_digits_are_shown() {
        assert_eq!(told(Figure::LatencyMean, 61.04, None, 1e9), "mean = 61.0ms");
        assert_eq!(told(Figure::SuccessPct, 99.5, None, 0.0), "99.50%");
        assert_eq!([3.0, 2.5].map(|count| told(Figure::Retries, count, None, 0.0)), ["3", "2.5"]);
    }

    #[test]
    fn rounding_changes_no_verdict_and_makes_nothing_perfect() {
        assert_eq!(told(Figure::SuccessPct, 99.87, Some(0.3), 99.9), "99.87% ± 0.30");
        assert_eq!(told(Figure::SuccessPct, 99.98, Some(0.5), 0.0), "99.98% ± 0.50");
        assert_eq!(told(Figure::SuccessPct, 100.0, Some(0.5), 0.0), "100.0% ± 0.5");
        assert_eq!(told(Figure::Latency(0.5), 249.9996, Some(3.0), 250.0), "p(50) = 249.9996ms ± 3.0000");
    }
}
