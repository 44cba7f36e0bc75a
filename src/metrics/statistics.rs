//! From replications to figures with intervals. Counts are means per replication, ratios are ratios of sums, and
//! percentiles come from the pooled histogram. Source: design D9.20.

use std::sync::OnceLock;

use super::histogram::Histogram;

/// A figure, and half the width of its 95 % interval in the same unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// `None`: no data.
    pub value: Option<f64>,
    /// `None`: one replication, or too few samples to tell.
    pub ci95: Option<f64>,
}

impl Estimate {
    pub const NONE: Estimate = Estimate { value: None, ci95: None };

    /// A figure without an interval.
    pub fn exact(value: f64) -> Estimate {
        Estimate { value: Some(value), ci95: None }
    }

    /// The same figure in another unit.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Estimate {
        Estimate { value: self.value.map(|v| v * factor), ci95: self.ci95.map(|v| v * factor) }
    }

    /// Whether the interval reaches `limit`, so that the figure alone does not decide.
    pub fn holds(self, limit: f64) -> bool {
        matches!((self.value, self.ci95), (Some(value), Some(ci95)) if (value - limit).abs() <= ci95)
    }
}

/// Mean of one number per replication, and its interval t s / sqrt(R).
pub fn mean(values: &[f64]) -> Estimate {
    if values.is_empty() {
        return Estimate::NONE;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Estimate { value: Some(mean), ci95: half_width(values.iter().map(|value| value - mean)) }
}

/// [`mean`] of numbers that come one by one and are not kept.
/// Source: Welford 1962, Note on a method for calculating corrected sums of squares and products.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    count: usize,
    sum: f64,
    mean: f64,
    /// Squared deviations from the mean so far.
    squares: f64,
}

impl Running {
    /// As if so many zeros had come.
    pub fn zeros(count: usize) -> Running {
        Running { count, ..Running::default() }
    }

    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    pub fn estimate(&self) -> Estimate {
        if self.count == 0 {
            return Estimate::NONE;
        }
        let value = self.sum / self.count as f64;
        Estimate { value: Some(value), ci95: half_width_of(self.squares, self.count) }
    }
}

/// Sum of the first parts over the sum of the second; the interval is that of the residuals (a - Q b) / mean b. Replications
/// that have nothing of it say nothing about its spread, and one alone has none.
/// Source: Cochran 1977, Sampling Techniques, 6.3.
pub fn ratio(parts: &[(f64, f64)]) -> Estimate {
    let (above, below) = parts.iter().fold((0.0, 0.0), |(a, b), part| (a + part.0, b + part.1));
    if below == 0.0 {
        return Estimate::NONE;
    }
    let quotient = above / below;
    let residuals: Vec<f64> = residuals(parts, quotient).into_iter().flatten().collect();
    Estimate { value: Some(quotient), ci95: half_width(residuals.into_iter()) }
}

/// How far each replication pulls a ratio off its value `quotient`: (a - Q b) / mean b; `None` where it has nothing.
pub(super) fn residuals(parts: &[(f64, f64)], quotient: f64) -> Vec<Option<f64>> {
    let there = parts.iter().filter(|(_, below)| *below > 0.0);
    let (count, sum) = there.fold((0.0, 0.0), |(count, sum), (_, below)| (count + 1.0, sum + below));
    let residual = |(a, b): &(f64, f64)| (*b > 0.0).then(|| (a - quotient * b) * count / sum);
    parts.iter().map(residual).collect()
}

/// Failures (or successes, whichever are rarer) per replication below which their spread alone proves too little: the
/// usual limit of the normal approximation to a count.
const FEW: u64 = 5;

/// Per cent of `(hits, of)`. The interval is never below Wilson's for the pooled counts; and where one side is rare, less
/// than five a replication, it reaches as far as their score bound does: a handful of replications without one failure
/// prove less than their spread of zero says. Source: design D9.20.
pub fn share_pct(parts: &[(u64, u64)]) -> Estimate {
    // Per cent before the division: 999 of 1000 is then exactly the 99.9 that an objective names.
    let floats: Vec<_> = parts.iter().map(|(hits, of)| (100.0 * *hits as f64, *of as f64)).collect();
    let share = ratio(&floats);
    let (hits, of) = parts.iter().fold((0, 0), |(a, b), part| (a + part.0, b + part.1));
    let rarer = hits.min(of - hits);
    let bound = if rarer < FEW * parts.len() as u64 { score_bound(rarer, of) } else { 0.0 };
    let least = 100.0 * bound.max(wilson_half_width(hits, of));
    Estimate { ci95: share.ci95.map(|spread| spread.max(least)), ..share }
}

/// Quantile `q` of all samples in milliseconds. Its interval is that of the share of samples at or below it, which is a
/// ratio of sums, carried over by the pooled samples themselves: from quantile q - h to quantile q + h, and of both sides
/// the wider one. It is never narrower than the spread of the replications' own quantiles about the pooled one, nor than
/// [`resolved`] allows, and needs 10 / (1 - q) samples a replication (of small ones 10 / q), so the maximum has none.
/// Source: Woodruff 1952, Confidence intervals for medians and other position measures; Asmussen and Glynn 2007,
/// Stochastic Simulation, III.5 (sectioning).
pub fn latency_quantile(q: f64, pooled: &Histogram, each: &[Histogram]) -> Estimate {
    let Some(nanos) = pooled.quantile(q) else { return Estimate::NONE };
    let ci95 = pulls(q, pooled, each).and_then(|pulls| {
        let shares = half_width(pulls.iter().flatten().map(|pull| pull.by_share))?;
        Some(shares.max(half_width(pulls.iter().flatten().map(|pull| pull.own))?))
    });
    resolved(Estimate { value: Some(millis(nanos)), ci95 })
}

/// How far a replication pulls a quantile off its pooled value, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    /// What its share of samples at or below the pooled value lacks or has too many, by how far quantiles lie apart there.
    pub by_share: f64,
    /// How far its own quantile lies off.
    pub own: f64,
}

/// The pull of each replication, `None` where it has no samples; none at all where they are too few for an interval.
pub fn pulls(q: f64, pooled: &Histogram, each: &[Histogram]) -> Option<Vec<Option<Pull>>> {
    if !is_enough(q, pooled.count(), each.len()) {
        return None;
    }
    let nanos = pooled.quantile(q)?;
    let parts: Vec<(f64, f64)> =
        each.iter().map(|own| (own.count_at_or_below(nanos) as f64, own.count() as f64)).collect();
    let share = pooled.count_at_or_below(nanos) as f64 / pooled.count() as f64;
    let residuals = residuals(&parts, share);
    let half = half_width(residuals.iter().flatten().copied())?;
    let (low, high) = (pooled.quantile(q - half)?, pooled.quantile(q + half)?);
    // Samples end where the share of all begins; what lies beyond nobody has seen.
    let slope = if half > 0.0 { millis((nanos - low).max(high - nanos)) / half } else { 0.0 };
    let pull = |(residual, own): (Option<f64>, &Histogram)| {
        let own = millis(own.quantile(q)?) - millis(nanos);
        // More samples below it than their share: the quantile lies lower.
        Some(Pull { by_share: -slope * residual?, own })
    };
    Some(residuals.into_iter().zip(each).map(pull).collect())
}

/// Whether there are samples enough for quantile `q` to have an interval.
fn is_enough(q: f64, count: u64, replications: usize) -> bool {
    count as f64 * q.min(1.0 - q) >= 10.0 * replications as f64 * (1.0 - 1e-9)
}

/// A percentile (ms) with an interval of at least half a histogram cell to each side. Replications whose percentiles
/// fall into one cell have no spread, and yet may differ by as much as a cell is wide. Source: design D9.20.
#[must_use]
pub fn resolved(percentile: Estimate) -> Estimate {
    let least =
        percentile.value.map_or(0.0, |value| Histogram::resolution((value * 1e6).round() as u64) / 1e6);
    Estimate { ci95: percentile.ci95.map(|spread| spread.max(least)), ..percentile }
}

/// Mean of all samples in milliseconds.
pub fn latency_mean(each: &[Histogram]) -> Estimate {
    let parts: Vec<_> = each.iter().map(|own| (own.sum() as f64 / 1e6, own.count() as f64)).collect();
    ratio(&parts)
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// t(0.975, R - 1) s / sqrt(R) of deviations from a mean; `None` for one replication.
pub(super) fn half_width(deviations: impl Iterator<Item = f64>) -> Option<f64> {
    let (squares, replications) =
        deviations.fold((0.0, 0), |(squares, count), deviation| (squares + deviation * deviation, count + 1));
    half_width_of(squares, replications)
}

/// The same of their squares' sum.
fn half_width_of(squares: f64, replications: usize) -> Option<f64> {
    if replications < 2 {
        return None;
    }
    let deviation = (squares / (replications - 1) as f64).sqrt();
    Some(student_t975(replications - 1) * deviation / (replications as f64).sqrt())
}

/// What `of` trials cannot tell from nothing, in per cent: the bound on the share of what has happened in none of them.
pub fn least_share_pct(of: u64) -> f64 {
    if of == 0 { 100.0 } else { 100.0 * score_bound(0, of) }
}

/// How far above the observed share of something rare its true share may lie: the one-sided 95 % score bound, less the
/// share itself, in [0, 1]. One-sided, as the other side of the interval ends at nothing: for no event at all it is
/// 2.7 / n (the "rule of three" says 3 / n).
/// Source: Wilson 1927, Probable inference, the law of succession, and statistical inference; Brown, Cai, DasGupta 2001,
/// Interval estimation for a binomial proportion.
fn score_bound(events: u64, of: u64) -> f64 {
    /// The 95 % quantile of the normal law.
    const Z: f64 = 1.644_853_626_951_472_7;
    let (n, p) = (of as f64, events as f64 / of as f64);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    (p + Z * Z / (2.0 * n) + spread) / (1.0 + Z * Z / n) - p
}

/// The 97.5 % quantile of the normal distribution.
pub(super) const Z975: f64 = 1.959_963_984_540_054;

/// Half the width of Wilson's 95 % score interval of a share, in [0, 1].
/// Source: Wilson 1927, Probable inference, the law of succession, and statistical inference.
fn wilson_half_width(hits: u64, of: u64) -> f64 {
    const Z2: f64 = Z975 * Z975;
    let (n, p) = (of as f64, hits as f64 / of as f64);
    let spread = (p * (1.0 - p) / n + Z2 / (4.0 * n * n)).sqrt();
    Z975 * spread / (1.0 + Z2 / n)
}

/// The 97.5 % quantile of Student's t distribution with `freedom` >= 1 degrees of freedom.
///
/// Every figure of a study asks for the same one, so it is remembered.
pub fn student_t975(freedom: usize) -> f64 {
    static KNOWN: [OnceLock<f64>; 256] = [const { OnceLock::new() }; 256];
    match KNOWN.get(freedom) {
        Some(known) => *known.get_or_init(|| find_student_t975(freedom)),
        None => find_student_t975(freedom),
    }
}

fn find_student_t975(freedom: usize) -> f64 {
    let v = freedom as f64;
    // Two-sided tail of 5 %: I_x(v/2, 1/2) = 0.05 with x = v / (v + t^2). 12.71 is its value for v = 1, the largest.
    let tail = |t: f64| incomplete_beta(v / 2.0, 0.5, v / (v + t * t));
    let (mut low, mut high) = (1.9, 12.8);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if tail(middle) > 0.05 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// How often chance alone may let anything stand out among all that is looked at together.
const FAMILY_WISE: f64 = 0.05;

/// Places of those that are more than chance when all are looked at together, the surest first: Holm's step-down at a
/// family-wise 5 %, however they hang together.
/// Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
pub fn holm(p_values: &[f64]) -> Vec<usize> {
    let mut ranked: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    ranked.sort_by(|left, right| left.1.total_cmp(&right.1));
    let all = ranked.len();
    let steps = ranked.into_iter().enumerate();
    let rejected = steps.take_while(|(rank, (_, p))| *p <= FAMILY_WISE / (all - rank) as f64);
    rejected.map(|(_, (place, _))| place).collect()
}

/// How often chance alone takes an estimate at least as far from zero, to either side, as this one is, in [0, 1]; its
/// interval is one by Student's t with `freedom` >= 1 degrees of freedom. `None` without a figure or an interval.
pub fn p_value(estimate: Estimate, freedom: usize) -> Option<f64> {
    let (value, ci95) = (estimate.value?, estimate.ci95?);
    if value == 0.0 {
        return Some(1.0);
    }
    // An interval of no width is infinitely many of them away.
    let t = student_t975(freedom) * value.abs() / ci95;
    let v = freedom as f64;
    Some(incomplete_beta(v / 2.0, 0.5, v / (v + t * t)))
}

/// Regularised incomplete beta function I_x(a, b) by its continued fraction.
/// Source: Numerical Recipes, 3rd edition, 6.4.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let log_front =
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let front = libm::exp(log_front);
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

/// The continued fraction of [`incomplete_beta`], by Lentz's method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let away_from_zero = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..300 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            fraction *= d * c;
        }
        if (fraction - before).abs() <= 1e-15 * fraction.abs() {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) {
        assert!((left - right).abs() <= 1e-6 * right.abs(), "{left} is not {right}");
    }

    #[test]
    fn student_t_is_that_of_the_tables() {
        for (freedom, quantile) in [
            (1, 12.706_204_736),
            (2, 4.302_652_730),
            (3, 3.182_446_305),
            (7, 2.364_624_252),
            (15, 2.131_449_546),
            (29, 2.045_229_642),
            (100, 1.983_971_519),
            (10_000, 1.960_201_240),
        ] {
            near(student_t975(freedom), quantile);
        }
    }

    #[test]
    fn p_values_are_those_of_the_tables() {
        let of = |value: f64, ci95: f64, freedom| {
            p_value(Estimate { value: Some(value), ci95: Some(ci95) }, freedom).unwrap()
        };
        near(of(2.5, 2.5, 7), 0.05);
        // t(0.995, 3) = 5.840 909 310, t(0.95, 10) = 1.812 461 123.
        near(of(-5.840_909_310, student_t975(3), 3), 0.01);
        near(of(1.812_461_123, student_t975(10), 10), 0.1);
        // Two degrees of freedom have a closed form: p = 1 - t / sqrt(2 + t^2), near zero as near one.
        for t in [1e-3, 1.0, 1e6f64] {
            let root = (2.0 + t * t).sqrt();
            near(of(t, student_t975(2), 2), 2.0 / (root * (root + t)));
        }
        assert_eq!([of(0.0, 0.0, 3), of(0.0, 2.0, 3), of(-1.0, 0.0, 3)], [1.0, 1.0, 0.0]);
        assert_eq!(p_value(Estimate::exact(3.0), 3), None);
        assert_eq!(p_value(Estimate::NONE, 3), None);
    }

    #[test]
    fn means_have_the_interval_of_their_spread() {
        let estimate = mean(&[10.0, 12.0, 14.0]);
        near(estimate.value.unwrap(), 12.0);
        near(estimate.ci95.unwrap(), 4.302_652_730 * 2.0 / 3f64.sqrt());
        assert_eq!(mean(&[5.0]), Estimate::exact(5.0));
        assert_eq!(mean(&[]), Estimate::NONE);
    }

    #[test]
    fn numbers_that_are_not_kept_have_the_same_mean_and_interval() {
        let values = [0.0, 0.0, 1e6 + 0.1, 1e6 + 0.7, 1e6 - 3.3];
        let mut running = Running::zeros(2);
        values[2..].iter().for_each(|value| running.add(*value));
        let (one, other) = (running.estimate(), mean(&values));
        assert_eq!(one.value, other.value);
        near(one.ci95.unwrap(), other.ci95.unwrap());
        assert_eq!(Running::default().estimate(), Estimate::NONE);
        assert_eq!(Running::zeros(1).estimate(), Estimate::exact(0.0));
    }

    #[test]
    fn ratios_are_of_sums_and_not_means_of_ratios() {
        let estimate = ratio(&[(1.0, 10.0), (30.0, 90.0)]);
        near(estimate.value.unwrap(), 0.31);
        // residuals (1 - 3.1) / 50 and (30 - 27.9) / 50
        near(estimate.ci95.unwrap(), 12.706_204_736 * (2.0 * 0.042f64 * 0.042).sqrt() / 2f64.sqrt());
        assert_eq!(ratio(&[(0.0, 0.0)]), Estimate::NONE);
    }

    #[test]
    fn success_without_a_failure_is_not_certain() {
        let estimate = share_pct(&[(1000, 1000), (1000, 1000)]);
        assert_eq!(estimate.value, Some(100.0));
        // (z^2 / n) / (1 + z^2 / n) with n = 2000
        near(estimate.ci95.unwrap(), 100.0 * 2.705_543_454 / 2_002.705_543_454);
        assert_eq!(share_pct(&[(0, 1000), (0, 1000)]).ci95, estimate.ci95, "and none is as unsure as all");
        assert_eq!(share_pct(&[(9, 10)]).ci95, None, "one replication has no interval");
    }

    #[test]
    fn replications_that_agree_are_no_surer_than_their_counts() {
        // Four and five failures a replication, the same in both: their spread is zero.
        let of = |failures: u64| share_pct(&[(1000 - failures, 1000); 2]).ci95.unwrap();
        // Half of Wilson's interval for 10 in 2000: (z / (1 + z^2 / n)) sqrt(p (1 - p) / n + z^2 / 4 n^2).
        near(of(5), 100.0 * 0.003_230_758);
        // The upper end of Wilson's interval for 8 in 2000, as in the books.
        let (p, n, z): (f64, f64, f64) = (0.004, 2000.0, 1.644_853_626_951_472_7);
        let root = (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        near(of(4), 100.0 * ((p + z * z / (2.0 * n) + z * root) / (1.0 + z * z / n) - p));
        // A spread that is wider than the bound holds.
        let clumped = share_pct(&[(1000, 1000), (992, 1000)]).ci95.unwrap();
        near(clumped, 12.706_204_736 * 0.8 / 2.0);
    }

    #[test]
    fn one_replication_with_data_has_no_interval() {
        assert_eq!(ratio(&[(0.0, 0.0), (6.0, 2.0), (0.0, 0.0)]), Estimate::exact(3.0));
        let two = ratio(&[(1.0, 10.0), (0.0, 0.0), (30.0, 90.0)]);
        assert_eq!(two, ratio(&[(1.0, 10.0), (30.0, 90.0)]), "the third says nothing about the spread");
    }

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|millis| histogram.record(millis * 1_000_000));
        histogram
    }

    fn pool(each: &[Histogram]) -> Histogram {
        let mut pooled = Histogram::new();
        each.iter().for_each(|own| pooled.merge(own));
        pooled
    }

    #[test]
    fn percentiles_need_samples_for_an_interval() {
        let (few, many) = ([of(1..=999), of(1..=1000)], [of(1..=1000), of(1..=1000)]);
        let estimate = |q, each: &[Histogram]| latency_quantile(q, &pool(each), each);
        assert_eq!(estimate(0.99, &few).ci95, None);
        assert_eq!(estimate(0.01, &few).ci95, None, "small ones too");
        // Both have as many samples below it, and its cell is of 2^22 ns.
        assert_eq!(estimate(0.99, &many).ci95, Some(f64::from(1 << 21) / 1e6));
        assert!((estimate(0.99, &many).value.unwrap() - 990.0).abs() < 4.0);
        assert_eq!(estimate(1.0, &many), Estimate::exact(1000.0));
        assert_eq!(estimate(0.0, &many), Estimate::exact(1.0));
        // The mean counts: one may have less, another has more.
        assert!(estimate(0.99, &[of(1..=900), of(1..=1101)]).ci95.is_some());
    }

    #[test]
    fn a_percentile_is_as_sure_as_the_share_below_it() {
        // 60 %, 50 % and 40 % of a hundred samples at or below 50 ms: their half-width is t s / sqrt(3) with s = 0.1.
        let each = [of((1..=60).map(|_| 50).chain((0..40).map(|n| 51 + n))), of(1..=100), {
            of((1..=40).map(|n| 50 - n).chain((0..60).map(|_| 51)))
        }];
        let pooled = pool(&each);
        let half = 4.302_652_730 * 0.1 / 3f64.sqrt();
        let [low, middle, high] =
            [0.5 - half, 0.5, 0.5 + half].map(|q| pooled.quantile(q).unwrap() as f64 / 1e6);
        let estimate = latency_quantile(0.5, &pooled, &each);
        assert_eq!(estimate.value, Some(middle));
        near(estimate.ci95.unwrap(), (middle - low).max(high - middle));
        let pulls: Vec<Pull> = pulls(0.5, &pooled, &each).unwrap().into_iter().flatten().collect();
        assert!(pulls[0].by_share < 0.0 && pulls[2].by_share > 0.0, "more below is lower: {pulls:?}");
        assert!(pulls[1].own == 0.0 && pulls[2].own > 0.9, "{pulls:?}");
        // The ends of the samples bound what is known of shares, and their own medians lie apart by more.
        let apart = [of([10; 100]), of([1000; 101])];
        let (own, pooled) = (latency_quantile(0.5, &pool(&apart), &apart), 1000.0);
        assert_eq!(own.value, Some(pooled));
        assert!(own.ci95.unwrap() > 12.7 * 990.0 / 2f64.sqrt(), "{own:?}");
    }

    #[test]
    fn percentiles_are_no_surer_than_their_cells() {
        let half_a_cell = f64::from(1 << 24) / 1e6;
        let of = |ci95| resolved(Estimate { value: Some(5000.0), ci95 }).ci95;
        assert_eq!([of(Some(0.0)), of(Some(40.0)), of(None)], [Some(half_a_cell), Some(40.0), None]);
    }

    #[test]
    fn an_interval_holds_limits_within_it() {
        let estimate = Estimate { value: Some(99.8), ci95: Some(0.2) };
        assert!(estimate.holds(99.9) && !estimate.holds(99.5));
        assert!(!Estimate::exact(99.8).holds(99.8));
    }
}
