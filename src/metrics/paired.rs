//! Changes between two configurations whose replications had the same luck: each is taken within a replication, so that
//! what both share drops out. Ways and sources: docs/studies.md, "compare".

use super::histogram::Histogram;
use super::statistics::{self, Estimate, Pull, Z975, half_width, residuals};

/// The samples of one side: pooled, and of each replication, or of groups of them.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    pub pooled: &'a Histogram,
    pub each: &'a [Histogram],
}

/// Of a mean of one number per replication. Both sides have as many.
pub fn mean_change(base: &[f64], candidate: &[f64]) -> Estimate {
    let differences: Vec<f64> = base.iter().zip(candidate).map(|(before, after)| after - before).collect();
    statistics::mean(&differences)
}

/// Of a ratio of sums: the difference of the two ratios, with the spread of the differences of their linearised residuals
/// (a - Q b) / mean b. Without data on a side there is none.
/// Source: Cochran 1977, Sampling Techniques, 6.4 (variance of a ratio).
pub fn ratio_change(base: &[(f64, f64)], candidate: &[(f64, f64)]) -> Estimate {
    let (Some(before), Some(after)) = (statistics::ratio(base).value, statistics::ratio(candidate).value)
    else {
        return Estimate::NONE;
    };
    let ci95 = paired_half_width(&residuals(base, before), &residuals(candidate, after));
    Estimate { value: Some(after - before), ci95 }
}

/// Of the differences of two sides' pulls, in those replications that have both.
fn paired_half_width(base: &[Option<f64>], candidate: &[Option<f64>]) -> Option<f64> {
    half_width(base.iter().zip(candidate).filter_map(|(before, after)| Some((*after)? - (*before)?)))
}

/// Of a share in per cent of `(hits, of)`, never surer than [`score_half_width`] of the pairs that changed sides:
/// `(gained, lost, of)`. A handful of replications in which nothing flipped prove less than their spread of zero says.
pub fn share_change(base: &[(u64, u64)], candidate: &[(u64, u64)], flipped: (f64, f64, f64)) -> Estimate {
    // Per cent before the division, as the shares themselves are made.
    let float = |parts: &[(u64, u64)]| -> Vec<(f64, f64)> {
        parts.iter().map(|(hits, of)| (100.0 * *hits as f64, *of as f64)).collect()
    };
    let change = ratio_change(&float(base), &float(candidate));
    let (gained, lost, of) = flipped;
    let least = 100.0 * score_half_width(gained, lost, of);
    Estimate { ci95: change.ci95.map(|spread| spread.max(least)), ..change }
}

/// The fewest flips that two shares allow: what one has more than the other, of as many as both have on average. For
/// shares whose single pairs nobody has looked at.
pub fn fewest_flips(base: &[(u64, u64)], candidate: &[(u64, u64)]) -> (f64, f64, f64) {
    let sum = |parts: &[(u64, u64)]| {
        parts.iter().fold((0.0, 0.0), |(a, b), part| (a + part.0 as f64, b + part.1 as f64))
    };
    let ((hits, of), (other_hits, other_of)) = (sum(base), sum(candidate));
    let both = (of + other_of) / 2.0;
    let net = (other_hits / other_of - hits / of) * both;
    (net.max(0.0), (-net).max(0.0), both)
}

/// Of quantile `q` in milliseconds: the difference of the pooled ones, with the spread of the differences of what each
/// replication pulls them by ([`statistics::pulls`]); never surer than half a histogram cell of each side.
pub fn quantile_change(q: f64, base: Samples<'_>, candidate: Samples<'_>) -> Estimate {
    let (Some(before), Some(after)) = (base.pooled.quantile(q), candidate.pooled.quantile(q)) else {
        return Estimate::NONE;
    };
    let pulls = |side: Samples<'_>| statistics::pulls(q, side.pooled, side.each);
    let ci95 = pulls(base).zip(pulls(candidate)).and_then(|(before, after)| {
        let spread = |of: fn(&Pull) -> f64| {
            let each = |pulls: &[Option<Pull>]| -> Vec<_> {
                pulls.iter().map(|pull| pull.as_ref().map(of)).collect()
            };
            paired_half_width(&each(&before), &each(&after))
        };
        Some(spread(|pull| pull.by_share)?.max(spread(|pull| pull.own)?))
    });
    let least = (Histogram::resolution(before) + Histogram::resolution(after)) / 1e6;
    Estimate { value: Some(millis(after) - millis(before)), ci95: ci95.map(|spread| spread.max(least)) }
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// Half the width of the 95 % score interval of a difference of two paired shares, in [0, 1]: of `of` pairs `gained`
/// changed to a hit and `lost` to none. Source: Tango 1998, Equivalence test and confidence interval for the
/// difference in proportions for the paired-sample design, Statistics in Medicine 17.
pub fn score_half_width(gained: f64, lost: f64, of: f64) -> f64 {
    if of <= 0.0 {
        return 0.0;
    }
    let (low, high) = score_limits(gained, lost, of);
    0.5 * (high - low)
}

/// Where the score is as large as chance makes it once in twenty times.
fn score_limits(gained: f64, lost: f64, of: f64) -> (f64, f64) {
    let score = |change: f64| {
        let lost_share = lost_share(gained, lost, of, change);
        let variance = of * (2.0 * lost_share + change * (1.0 - change));
        (gained - lost - of * change) / variance.max(f64::MIN_POSITIVE).sqrt()
    };
    let change = (gained - lost) / of;
    // The score falls as the change grows, and is 0 at the change itself.
    let limit = |end: f64| {
        let (mut inside, mut outside) = (change, end);
        for _ in 0..100 {
            let middle = 0.5 * (inside + outside);
            if score(middle).abs() > Z975 { outside = middle } else { inside = middle }
        }
        inside
    };
    (limit(-1.0), limit(1.0))
}

/// The likeliest share of pairs that lost, if the shares differ by `change`.
fn lost_share(gained: f64, lost: f64, of: f64, change: f64) -> f64 {
    let (a, c) = (2.0 * of, -lost * change * (1.0 - change));
    let b = -gained - lost + (2.0 * of - gained + lost) * change;
    ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-6 * right.abs().max(1e-9), "{left} is not {right}");
    }

    #[test]
    fn what_both_sides_share_drops_out() {
        let (base, candidate) = ([10.0, 20.0, 60.0], [11.0, 22.0, 63.0]);
        let change = mean_change(&base, &candidate);
        near(change.value.unwrap(), 2.0);
        near(change.ci95.unwrap(), 4.302_652_730 / 3f64.sqrt());
        assert_eq!(mean_change(&base, &base), Estimate { value: Some(0.0), ci95: Some(0.0) });
    }

    #[test]
    fn ratios_change_by_their_residuals() {
        let base = [(10.0, 100.0), (30.0, 100.0)];
        let candidate = [(20.0, 100.0), (42.0, 100.0)];
        let change = ratio_change(&base, &candidate);
        near(change.value.unwrap(), 0.11);
        // Residuals -0.1, 0.1 and -0.11, 0.11: differences -0.01 and 0.01.
        near(change.ci95.unwrap(), 12.706_204_736 * (2.0 * 0.0001f64).sqrt() / 2f64.sqrt());
        assert_eq!(ratio_change(&base, &[(0.0, 0.0), (0.0, 0.0)]), Estimate::NONE);
        assert_eq!(ratio_change(&base, &base), Estimate { value: Some(0.0), ci95: Some(0.0) });
    }

    /// By the definition: the likelihood under a given change, maximised step by step.
    #[test]
    fn the_score_is_that_of_the_likeliest_shares() {
        for (gained, lost, of) in [(9.0, 3.0, 44.0), (0.0, 1.0, 44.0), (12.0, 12.0, 500.0)] {
            let (low, high) = score_limits(gained, lost, of);
            for change in [low, high] {
                let likelihood = |share: f64| {
                    let term = |count: f64, p: f64| if count > 0.0 { count * libm::log(p) } else { 0.0 };
                    term(gained, share + change)
                        + term(lost, share)
                        + term(of - gained - lost, 1.0 - 2.0 * share - change)
                };
                let (from, to) = ((-change).max(0.0), (1.0 - change) / 2.0);
                let at = |step: u32| from + (to - from) * f64::from(step) / 1e6;
                let shares = (1..1_000_000).map(at).map(|share| (likelihood(share), share));
                let best = shares.max_by(|one, other| one.0.total_cmp(&other.0)).expect("some").1;
                let variance = (2.0 * best + change - change * change) / of;
                let score = ((gained - lost) / of - change) / variance.sqrt();
                assert!((score.abs() - Z975).abs() < 1e-3, "{gained} {lost} {of}: {score} at {change}");
            }
        }
    }

    #[test]
    fn without_flips_the_score_interval_has_a_closed_form() {
        let z2 = Z975 * Z975;
        near(score_half_width(0.0, 0.0, 50.0), z2 / (50.0 + z2));
        near(score_half_width(9.0, 3.0, 44.0), score_half_width(3.0, 9.0, 44.0));
    }

    #[test]
    fn a_share_without_flips_is_not_certain() {
        let parts = [(1000, 1000), (1000, 1000)];
        let change = share_change(&parts, &parts, (0.0, 0.0, 2000.0));
        assert_eq!(change.value, Some(0.0));
        let z2 = Z975 * Z975;
        near(change.ci95.unwrap(), 100.0 * z2 / (2000.0 + z2));
        assert_eq!(fewest_flips(&[(96, 128)], &[(32, 128)]), (0.0, 64.0, 128.0));
    }

    #[test]
    fn a_replication_with_one_side_alone_says_nothing_about_the_change() {
        let (base, candidate) = ([(4.0, 2.0), (0.0, 0.0)], [(6.0, 2.0), (3.0, 1.0)]);
        assert_eq!(ratio_change(&base, &candidate), Estimate::exact(1.0));
    }

    #[test]
    fn quantiles_change_by_what_each_replication_pulls_them() {
        let of = |values: std::ops::Range<u64>, every: u64| {
            let mut histogram = Histogram::new();
            values.for_each(|n| histogram.record(n * every));
            histogram
        };
        let pool = |each: &[Histogram]| {
            let mut pooled = Histogram::new();
            each.iter().for_each(|own| pooled.merge(own));
            pooled
        };
        let change = |base: &[Histogram], candidate: &[Histogram]| {
            let (one, other) = (pool(base), pool(candidate));
            quantile_change(
                0.9,
                Samples { pooled: &one, each: base },
                Samples { pooled: &other, each: candidate },
            )
        };
        let base = [of(0..1000, 5_000), of(100..1100, 5_000)];
        let slower = [of(0..1000, 6_000), of(100..1100, 6_000)];
        let alone = statistics::latency_quantile(0.9, &pool(&base), &base).ci95.expect("samples enough");
        let told = change(&base, &slower);
        // What both sides share drops out: a fifth of the base's own interval is left, for it is longer by a fifth.
        let own = told.ci95.expect("samples enough");
        assert!((own / alone - 0.2).abs() < 0.05, "{own} of {alone}");
        let least = 2.0 * Histogram::resolution(pool(&base).quantile(0.9).unwrap()) / 1e6;
        assert_eq!(change(&base, &base), Estimate { value: Some(0.0), ci95: Some(least) });
        // Whichever tells more of shares and own quantiles: in two replications t is 12.7.
        let lumps = |values: &mut dyn Iterator<Item = u64>| {
            let mut histogram = Histogram::new();
            values.for_each(|millis| histogram.record(millis * 1_000_000));
            histogram
        };
        let median = |base: &[Histogram], candidate: &[Histogram]| {
            let (one, other) = (pool(base), pool(candidate));
            let (one, other) =
                (Samples { pooled: &one, each: base }, Samples { pooled: &other, each: candidate });
            quantile_change(0.5, one, other).ci95.expect("samples enough")
        };
        let more_below = lumps(&mut std::iter::repeat_n(50, 60).chain(51..91));
        let more_above = lumps(&mut (11..51).chain(std::iter::repeat_n(51, 60)));
        let (one, other) = ([more_below.clone(), more_above.clone()], [more_above, more_below]);
        let by_share = median(&one, &other);
        assert!((by_share - 82.0).abs() < 2.0, "twice from 50 to 91, where medians differ by 1: {by_share}");
        let of_all = |count: usize, millis: u64| lumps(&mut std::iter::repeat_n(millis, count));
        let (one, other) = ([of_all(100, 10), of_all(101, 1000)], [of_all(101, 10), of_all(100, 1000)]);
        let own = median(&one, &other);
        assert!(
            (own / (12.706 * 990.0) - 1.0).abs() < 0.01,
            "990 ms in each, and no share is further off: {own}"
        );
        let few = [of(0..10, 5_000), of(0..10, 5_000)];
        assert_eq!(change(&base, &few).ci95, None);
        assert_eq!(change(&few, &base).ci95, None);
    }
}
