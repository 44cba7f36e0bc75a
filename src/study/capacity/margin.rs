//! How far a figure is from its objective, on a scale on which searches walk in nearly straight lines.

use crate::mesh::model::{Comparison, Figure};
use crate::study::Judged;

/// The margin of what has no figure: far off, with a sign, and not infinitely far.
const NO_DATA: f64 = -10.0;

/// Distance from an objective's limit; above 0 the objective is met. Latencies, failures and counts count by their
/// logarithm: at the knee of a queue they grow a hundredfold, and straight lines through that lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    pub value: f64,
    /// Half the width of its 95 % interval; `None` where the figure has none.
    pub half: Option<f64>,
    /// By the figure itself, exactly at the limit too.
    pub met: bool,
}

impl Margin {
    pub fn of(judged: &Judged) -> Margin {
        let Some(observed) = judged.observed.value else {
            return Margin { value: NO_DATA, half: None, met: judged.met };
        };
        let (figure, limit, offset) = match judged.figure {
            // Failures, as 99.9 and 99.99 % are not nearly the same. The offset leaves a perfect run a place.
            Figure::SuccessPct => {
                let allowed = (100.0 - judged.limit).max(LEAST_ALLOWED);
                (100.0 - observed, allowed, 0.1 * allowed)
            }
            Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => {
                (observed, judged.limit, LEAST_LATENCY)
            }
            Figure::Rps | Figure::Retries | Figure::Ejections | Figure::Overflow => {
                (observed, judged.limit, 1.0)
            }
        };
        let is_upper = matches!(judged.comparison, Comparison::Less | Comparison::LessOrEqual);
        // Failures are bounded from above where success is from below.
        let sign = if is_upper == (judged.figure != Figure::SuccessPct) { 1.0 } else { -1.0 };
        let distance = libm::log((limit.max(0.0) + offset) / (figure.max(0.0) + offset));
        let half = judged.observed.ci95.map(|half| half / (figure.max(0.0) + offset));
        Margin { value: sign * distance, half, met: judged.met }
    }

    /// It is met, and its interval stays on that side. Without an interval the figure decides.
    pub fn is_surely_met(&self) -> bool {
        self.met && self.value >= self.half.unwrap_or(0.0)
    }

    pub fn is_surely_missed(&self) -> bool {
        !self.met && -self.value >= self.half.unwrap_or(0.0)
    }

    /// Decided by so much that looking at it before all replications are done does no harm: a search looks at every
    /// point once, and an interval twice as wide as 95 % asks for is exceeded by chance once in hundreds of looks.
    pub fn is_decided(&self) -> bool {
        self.half.is_some_and(|half| self.value.abs() >= 2.0 * half) && self.met == (self.value >= 0.0)
    }
}

/// Whether it asks for more where others ask for less, so that it is met from some load on: `rps >= 220`.
pub fn wants_more(judged: &Judged) -> bool {
    let is_lower = matches!(judged.comparison, Comparison::Greater | Comparison::GreaterOrEqual);
    is_lower != (judged.figure == Figure::SuccessPct)
}

/// Per cent of failures that `success >= 100%` is measured by.
const LEAST_ALLOWED: f64 = 1e-3;
/// Milliseconds; below the resolution of any figure.
const LEAST_LATENCY: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Estimate;

    fn margin(figure: Figure, comparison: Comparison, limit: f64, value: f64, half: f64) -> Margin {
        let observed = Estimate { value: Some(value), ci95: Some(half) };
        let met = comparison.holds(value, limit);
        let text = String::new();
        Margin::of(&Judged { text, figure, comparison, limit, observed, met, unsure: false })
    }

    #[test]
    fn margins_are_positive_where_objectives_are_met_and_zero_at_their_limits() {
        use Comparison::{Greater, GreaterOrEqual, Less};
        let latency = Figure::Latency(0.99);
        for (figure, comparison, limit, good, bad) in [
            (latency, Less, 250.0, 100.0, 500.0),
            (Figure::SuccessPct, GreaterOrEqual, 99.5, 99.9, 98.0),
            (Figure::SuccessPct, Less, 50.0, 20.0, 80.0),
            (Figure::Overflow, Less, 10.0, 0.0, 100.0),
            (Figure::Rps, Greater, 400.0, 480.0, 300.0),
        ] {
            let of = |value| margin(figure, comparison, limit, value, 0.0).value;
            assert!(of(good) > 0.1 && of(bad) < -0.1, "{figure:?} {} {}", of(good), of(bad));
            assert!(of(limit).abs() < 1e-12, "{figure:?} {}", of(limit));
        }
        let perfect = margin(Figure::SuccessPct, GreaterOrEqual, 100.0, 100.0, 0.01);
        assert!(perfect.met && !perfect.is_surely_met(), "no failure was seen, which is not never");
        assert!((perfect.value - libm::log(11.0)).abs() < 1e-9, "as if one of 100 000 were allowed");
    }

    #[test]
    fn objectives_from_below_want_more_and_successes_are_bounded_from_there() {
        use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
        for (figure, comparison, wants) in [
            (Figure::LatencyMean, Less, false),
            (Figure::Overflow, LessOrEqual, false),
            (Figure::Rps, GreaterOrEqual, true),
            (Figure::LatencyMean, Greater, true),
            (Figure::SuccessPct, GreaterOrEqual, false),
            (Figure::SuccessPct, Less, true),
        ] {
            let text = String::new();
            let observed = Estimate::exact(1.0);
            let judged = Judged { text, figure, comparison, limit: 2.0, observed, met: false, unsure: false };
            assert_eq!(wants_more(&judged), wants, "{figure:?} {comparison:?}");
        }
    }

    #[test]
    fn half_widths_follow_the_scale() {
        let near = margin(Figure::Latency(0.99), Comparison::Less, 250.0, 240.0, 24.0);
        assert!((near.half.expect("given") - 0.1).abs() < 1e-6);
        assert!(near.met && !near.is_surely_met() && !near.is_surely_missed() && !near.is_decided());
        let far = margin(Figure::Latency(0.99), Comparison::Less, 250.0, 100.0, 10.0);
        assert!(far.is_surely_met() && far.is_decided());
        let over = margin(Figure::Latency(0.99), Comparison::Less, 250.0, 300.0, 40.0);
        assert!(over.is_surely_missed() && !over.is_decided());
    }

    #[test]
    fn at_the_limit_the_comparison_decides_and_without_an_interval_the_figure() {
        let at = |comparison| margin(Figure::Latency(0.99), comparison, 250.0, 250.0, 0.0);
        let (below, upto) = (at(Comparison::Less), at(Comparison::LessOrEqual));
        assert!(!below.is_surely_met() && below.is_surely_missed() && !below.is_decided());
        assert!(upto.is_surely_met() && !upto.is_surely_missed());
        let alone =
            |value| Margin { half: None, ..margin(Figure::LatencyMax, Comparison::Less, 250.0, value, 0.0) };
        assert!(alone(200.0).is_surely_met() && alone(300.0).is_surely_missed());
        assert!(
            !alone(200.0).is_decided() && !alone(300.0).is_decided(),
            "more replications may tell otherwise"
        );
        let perfect = margin(Figure::SuccessPct, Comparison::GreaterOrEqual, 99.5, 100.0, 0.0);
        assert!(
            (perfect.value - libm::log(11.0)).abs() < 1e-9,
            "none of what is allowed, and not infinitely far"
        );
    }

    #[test]
    fn without_data_nothing_is_met() {
        let judged = Judged {
            text: String::new(),
            figure: Figure::LatencyMean,
            comparison: Comparison::Less,
            limit: 5.0,
            observed: Estimate::NONE,
            met: false,
            unsure: false,
        };
        assert!(Margin::of(&judged).is_surely_missed() && !Margin::of(&judged).is_decided());
    }
}
