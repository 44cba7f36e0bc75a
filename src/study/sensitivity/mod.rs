//! Which inputs decide an answer: each is turned down and up by itself, all others as they are, under the same luck
//! (design D2), and what that does to an objective is compared replication by replication.
//! Source: one-at-a-time design, Saltelli et al. 2008, Global Sensitivity Analysis: The Primer; paired differences under
//! common random numbers, Law 2015, Simulation Modeling and Analysis, 11.2.

mod knobs;
mod slots;

pub use knobs::{Knob, Turning, Untried, knobs};

use crate::metrics::Estimate;
use crate::metrics::statistics;

/// A figure of one setting: pooled, and of each replication by itself.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub whole: Option<f64>,
    pub each: &'a [Option<f64>],
    /// Half the width that its interval has at least, however alike the replications are: of a percentile half a cell of
    /// the histogram, of a share what so many requests cannot tell from nothing. Source: design D9.20.
    pub least: f64,
}

/// How much `high` lies above `low`: the difference of the pooled figures, with Student's interval of the differences
/// of replications that had the same luck. Without an interval where a replication lacks the figure. It is never
/// narrower than what the two figures themselves can tell: no failure on either side is no proof of none, and a
/// percentile moves by whole cells.
pub fn effect(low: Seen<'_>, high: Seen<'_>) -> Estimate {
    let (Some(before), Some(after)) = (low.whole, high.whole) else { return Estimate::NONE };
    let pairs = low.each.iter().zip(high.each);
    let differences: Option<Vec<f64>> = pairs.map(|(low, high)| Some((*high)? - (*low)?)).collect();
    let ci95 = differences.and_then(|differences| statistics::mean(&differences).ci95);
    Estimate { value: Some(after - before), ci95: ci95.map(|spread| spread.max(low.least + high.least)) }
}

/// Which of the effects on one objective are more than noise, if all of them are looked at ([`statistics::holm`]), with as
/// many degrees of freedom as `replications` have. Each p comes from the interval, so what widens the interval counts here
/// too; an effect without one is never clear, and is one of the looks all the same.
pub fn clear(effects: &[Estimate], replications: usize) -> Vec<bool> {
    let freedom = replications.saturating_sub(1).max(1);
    let chance = |effect: &Estimate| statistics::p_value(*effect, freedom).unwrap_or(1.0);
    let mut clear = vec![false; effects.len()];
    for place in statistics::holm(&effects.iter().map(chance).collect::<Vec<f64>>()) {
        clear[place] = true;
    }
    clear
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_at(effects: &[(f64, f64)]) -> Vec<bool> {
        let estimate = |(value, half): &(f64, f64)| Estimate { value: Some(*value), ci95: Some(*half) };
        clear(&effects.iter().map(estimate).collect::<Vec<_>>(), 8)
    }

    /// p of 5 % at the interval's end; 1.480 times as far out, t = 3.499, it is 1 %.
    #[test]
    fn the_more_is_looked_at_the_more_an_effect_must_tell() {
        assert_eq!(looked_at(&[(-1.01, 1.0)]), [true]);
        assert_eq!(looked_at(&[(1.01, 1.0), (0.1, 1.0)]), [false, false]);
        let fifth = |effect| looked_at(&[(0.1, 1.0), (0.0, 0.0), (0.2, 1.0), (effect, 1.0), (0.3, 1.0)]);
        assert_eq!(fifth(1.47), [false; 5]);
        assert_eq!(fifth(1.49), [false, false, false, true, false]);
        // Behind one that is clear, one look less.
        assert_eq!(looked_at(&[(1.1, 1.0), (9.0, 1.0)]), [true, true]);
        assert_eq!(looked_at(&[(1.1, 1.0), (1.1, 1.0)]), [false, false]);
    }

    #[test]
    fn without_an_interval_nothing_is_clear() {
        assert_eq!(clear(&[Estimate::exact(7.0), Estimate::NONE], 1), [false, false]);
        let near = Estimate { value: Some(1.01), ci95: Some(1.0) };
        assert_eq!(clear(&[near], 8), [true]);
        assert_eq!(clear(&[near, Estimate::exact(7.0)], 8), [false, false], "it is a look all the same");
        assert_eq!(looked_at(&[(1.0, 0.0), (0.0, 0.0)]), [true, false], "no spread, and no effect");
    }

    #[test]
    fn what_pairs_share_is_in_no_interval() {
        let (low, high) = ([Some(10.0), Some(30.0), Some(20.0)], [Some(12.0), Some(32.0), Some(22.5)]);
        let seen = |whole, each| Seen { whole: Some(whole), each, least: 0.0 };
        let estimate = effect(seen(20.0, &low), seen(22.0, &high));
        assert_eq!(estimate.value, Some(2.0));
        // t(0.975, 2) s / sqrt(3) with s = 0.288675
        assert!((estimate.ci95.expect("three pairs") - 0.717_108).abs() < 1e-5, "{estimate:?}");
    }

    #[test]
    fn no_failure_on_either_side_proves_little() {
        let each = [Some(100.0); 4];
        let seen = Seen { whole: Some(100.0), each: &each, least: statistics::least_share_pct(2_000) };
        let estimate = effect(seen, seen);
        assert_eq!(estimate.value, Some(0.0));
        // Both sides' bound z^2 / (n + z^2) with z = 1.645 and n = 2000.
        assert!((estimate.ci95.expect("four pairs") - 0.2702).abs() < 1e-4, "{estimate:?}");
    }

    #[test]
    fn a_missing_figure_gives_no_interval() {
        let (low, high) = ([Some(1.0), None], [Some(2.0), Some(3.0)]);
        let estimate = effect(
            Seen { whole: Some(1.0), each: &low, least: 0.0 },
            Seen { whole: Some(2.5), each: &high, least: 0.0 },
        );
        assert_eq!(estimate, Estimate { value: Some(1.5), ci95: None });
    }
}
