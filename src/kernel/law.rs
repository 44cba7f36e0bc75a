//! The mathematics of each distribution: moments, quantile function, cumulative distribution function.

use super::distribution::{Distribution, gamma_shape};
use super::quantile::LONGEST_NANOS;
use super::special::{Rank, gamma_quantile, gamma_tails, normal_cdf, normal_quantile};
use super::time::SimDuration;

fn total(parts: &[(f64, Distribution)]) -> f64 {
    parts.iter().map(|(weight, _)| weight).sum()
}

impl Distribution {
    /// Mean in seconds; infinite for a Pareto law with `alpha` up to 1.
    pub fn mean(&self) -> f64 {
        match self {
            Distribution::Constant(value) => value.seconds(),
            Distribution::Uniform { low, high } => (low.seconds() + high.seconds()) / 2.0,
            Distribution::Exponential { mean } | Distribution::Gamma { mean, .. } => mean.seconds(),
            Distribution::LogNormal { median, sigma } => median.seconds() * libm::exp(sigma * sigma / 2.0),
            Distribution::Weibull { scale, shape } => scale.seconds() * libm::tgamma(1.0 + 1.0 / shape),
            Distribution::Pareto { alpha, .. } if *alpha <= 1.0 => f64::INFINITY,
            Distribution::Pareto { min, alpha } => min.seconds() * alpha / (alpha - 1.0),
            Distribution::Mixture(parts) => {
                parts.iter().map(|(weight, part)| weight * part.mean()).sum::<f64>() / total(parts)
            }
            Distribution::Quantiles(points) => lines(points).map(|(width, a, b)| width * (a + b) / 2.0).sum(),
        }
    }

    /// Variance in square seconds; infinite for a Pareto law with `alpha` up to 2.
    pub fn variance(&self) -> f64 {
        let mean = self.mean();
        match self {
            Distribution::Constant(_) => 0.0,
            Distribution::Uniform { low, high } => {
                let width = high.seconds() - low.seconds();
                width * width / 12.0
            }
            Distribution::Exponential { .. } => mean * mean,
            Distribution::LogNormal { sigma, .. } => mean * mean * libm::expm1(sigma * sigma),
            Distribution::Gamma { cv, .. } => mean * mean * cv * cv,
            Distribution::Weibull { scale, shape } => {
                let scale = scale.seconds();
                scale * scale * libm::tgamma(1.0 + 2.0 / shape) - mean * mean
            }
            Distribution::Pareto { alpha, .. } if *alpha <= 2.0 => f64::INFINITY,
            Distribution::Pareto { alpha, .. } => mean * mean / (alpha * (alpha - 2.0)),
            Distribution::Mixture(parts) => {
                let square = |part: &Distribution| part.variance() + part.mean() * part.mean();
                let mean_square = parts.iter().map(|(weight, part)| weight * square(part)).sum::<f64>();
                mean_square / total(parts) - mean * mean
            }
            Distribution::Quantiles(points) => {
                let squares = lines(points).map(|(width, a, b)| width * (a * a + a * b + b * b) / 3.0);
                squares.sum::<f64>() - mean * mean
            }
        }
    }

    /// The quantile in nanoseconds; `p` is in [0, 1].
    pub fn quantile(&self, p: f64) -> f64 {
        self.quantile_at(Rank::new(p))
    }

    /// The quantile in nanoseconds, exact in both tails.
    pub fn quantile_at(&self, rank: Rank) -> f64 {
        match self {
            Distribution::Constant(value) => value.nanos() as f64,
            Distribution::Uniform { low, high } => {
                let width = high.nanos() as f64 - low.nanos() as f64;
                low.nanos() as f64 + rank.lower() * width
            }
            Distribution::Exponential { mean } => mean.nanos() as f64 * rank.exponential(),
            Distribution::LogNormal { median, sigma } if *sigma == 0.0 => median.nanos() as f64,
            Distribution::LogNormal { median, sigma } => {
                median.nanos() as f64 * libm::exp(sigma * normal_quantile(rank))
            }
            Distribution::Gamma { mean, cv } => match gamma_shape(*cv) {
                Some(shape) => mean.nanos() as f64 / shape * gamma_quantile(shape, rank),
                None => mean.nanos() as f64,
            },
            Distribution::Weibull { scale, shape } => {
                scale.nanos() as f64 * libm::pow(rank.exponential(), 1.0 / shape)
            }
            Distribution::Pareto { min, alpha } => min.nanos() as f64 * libm::exp(rank.exponential() / alpha),
            Distribution::Mixture(parts) => {
                let bounds = parts.iter().filter(|(weight, _)| *weight > 0.0);
                let bounds = bounds.map(|(_, part)| part.quantile_at(rank));
                let (low, high) = bounds.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
                    (low.min(value), high.max(value))
                });
                self.invert(rank, low, high)
            }
            Distribution::Quantiles(points) => point_on(points, rank.lower()),
        }
    }

    /// Probabilities of at most, and of more than, so many nanoseconds.
    pub fn tails(&self, nanos: f64) -> (f64, f64) {
        let exponential = |x: f64| (-libm::expm1(-x), libm::exp(-x));
        let step = |value: f64| if nanos < value { (0.0, 1.0) } else { (1.0, 0.0) };
        if let Some(value) = self.constant() {
            return step(value.nanos() as f64);
        }
        match self {
            Distribution::Constant(value) => step(value.nanos() as f64),
            Distribution::Mixture(parts) => {
                let all = total(parts);
                parts.iter().fold((0.0, 0.0), |(lower, upper), (weight, part)| {
                    let (below, above) = part.tails(nanos);
                    (lower + weight / all * below, upper + weight / all * above)
                })
            }
            Distribution::Quantiles(points) => {
                let lower = probability_on(points, nanos);
                (lower, 1.0 - lower)
            }
            Distribution::Uniform { low, high } => {
                let (low, high) = (low.nanos() as f64, high.nanos() as f64);
                let lower = ((nanos - low) / (high - low)).clamp(0.0, 1.0);
                (lower, 1.0 - lower)
            }
            _ if nanos <= 0.0 => (0.0, 1.0),
            Distribution::Exponential { mean } => exponential(nanos / mean.nanos() as f64),
            Distribution::LogNormal { median, sigma } => {
                let z = libm::log(nanos / median.nanos() as f64) / sigma;
                (normal_cdf(z), normal_cdf(-z))
            }
            Distribution::Gamma { mean, cv } => {
                let shape = 1.0 / (cv * cv);
                gamma_tails(shape, nanos / mean.nanos() as f64 * shape)
            }
            Distribution::Weibull { scale, shape } => {
                exponential(libm::pow(nanos / scale.nanos() as f64, *shape))
            }
            Distribution::Pareto { min, alpha } => {
                exponential(alpha * libm::log(nanos / min.nanos() as f64).max(0.0))
            }
        }
    }

    /// The cumulative distribution function at so many nanoseconds.
    pub fn cdf(&self, nanos: f64) -> f64 {
        self.tails(nanos).0
    }

    /// The least value whose cdf reaches the rank, known to lie in [low, high]: false position, and a halving
    /// whenever that did not gain as much. Ends a thousandth of a nanosecond (or 1e-12) above it at most.
    pub(super) fn invert(&self, rank: Rank, mut low: f64, mut high: f64) -> f64 {
        // Above 0 where the value is high enough.
        let excess = |nanos: f64| {
            let (lower, upper) = self.tails(nanos);
            if rank.is_upper { rank.tail - upper } else { lower - rank.tail }
        };
        if high <= low {
            return low;
        }
        // Infinite ends come from rank 1 and from heavy tails beyond all durations.
        high = high.min(LONGEST_NANOS as f64);
        let mut excess_low = excess(low);
        if excess_low >= 0.0 {
            return low;
        }
        let mut excess_high = excess(high);
        while high - low > (high * 1e-12).max(1e-3) {
            let width = high - low;
            let guess = low - excess_low * width / (excess_high - excess_low);
            // Nudged past the guessed point, so that both ends close in on it.
            for middle in [guess - 1e-3 * width, guess + 1e-3 * width, f64::midpoint(low, high)] {
                if middle <= low || middle >= high {
                    continue;
                }
                let there = excess(middle);
                if there >= 0.0 {
                    (high, excess_high) = (middle, there);
                } else {
                    (low, excess_low) = (middle, there);
                }
                if high - low < width * 0.01 {
                    break;
                }
            }
        }
        high
    }

    /// Values at which the cdf jumps or bends sharply.
    pub(super) fn corners(&self, into: &mut Vec<f64>) {
        if let Some(value) = self.constant() {
            return into.push(value.nanos() as f64);
        }
        match self {
            Distribution::Uniform { low, high } => into.extend([low.nanos() as f64, high.nanos() as f64]),
            Distribution::Pareto { min, .. } => into.push(min.nanos() as f64),
            Distribution::Quantiles(points) => {
                into.extend(points.iter().map(|(_, value)| value.nanos() as f64))
            }
            Distribution::Mixture(parts) => parts.iter().for_each(|(_, part)| part.corners(into)),
            _ => {}
        }
    }
}

/// Width in probability and both ends in seconds of each line; ends that are not given are flat.
fn lines(points: &[(f64, SimDuration)]) -> impl Iterator<Item = (f64, f64, f64)> {
    let first = points.first().map(|&(p, value)| (p, value.seconds(), value.seconds()));
    let last = points.last().map(|&(p, value)| (1.0 - p, value.seconds(), value.seconds()));
    let inner = points.windows(2).map(|w| (w[1].0 - w[0].0, w[0].1.seconds(), w[1].1.seconds()));
    first.into_iter().chain(inner).chain(last)
}

fn point_on(points: &[(f64, SimDuration)], p: f64) -> f64 {
    let after = points.partition_point(|point| point.0 < p);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some((from, low)), Some(&(to, high))) => {
            let (low, high) = (low.nanos() as f64, high.nanos() as f64);
            low + (high - low) * ((p - from) / (to - from))
        }
        (Some((_, value)), None) | (None, Some(&(_, value))) => value.nanos() as f64,
        (None, None) => 0.0,
    }
}

/// The inverse of [`point_on`]: the highest probability at which the value is still reached.
fn probability_on(points: &[(f64, SimDuration)], nanos: f64) -> f64 {
    let after = points.partition_point(|(_, value)| value.nanos() as f64 <= nanos);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some((from, low)), Some(&(to, high))) => {
            let (low, high) = (low.nanos() as f64, high.nanos() as f64);
            from + (to - from) * ((nanos - low) / (high - low))
        }
        (None, _) => 0.0,
        (Some(_), None) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> SimDuration {
        SimDuration::from_millis(millis)
    }

    fn close(got: f64, wanted: f64, relative: f64) {
        assert!((got - wanted).abs() <= relative * wanted.abs(), "got {got}, wanted {wanted}");
    }

    #[test]
    fn percentiles_that_people_give_come_back() {
        for law in [
            Distribution::log_normal_p50_p99(ms(12), ms(80)).unwrap(),
            Distribution::weibull_p50_p99(ms(12), ms(80)).unwrap(),
            Distribution::quantiles(vec![(0.5, ms(12)), (0.99, ms(80))]).unwrap(),
        ] {
            close(law.quantile(0.5), 12e6, 1e-7);
            close(law.quantile(0.99), 80e6, 1e-7);
        }
    }

    #[test]
    fn mean_and_cv_that_people_give_come_back() {
        for law in [
            Distribution::log_normal_mean_cv(ms(20), 1.5).unwrap(),
            Distribution::gamma(ms(20), 1.5).unwrap(),
        ] {
            close(law.mean(), 0.020, 1e-7);
            close(law.variance().sqrt() / law.mean(), 1.5, 1e-7);
        }
    }

    #[test]
    fn moments_have_their_textbook_values() {
        close(Distribution::Uniform { low: ms(1), high: ms(9) }.variance(), 64e-6 / 12.0, 1e-12);
        close(Distribution::Weibull { scale: ms(10), shape: 2.0 }.mean(), 0.008_862_269_254_527_58, 1e-12);
        close(Distribution::Pareto { min: ms(2), alpha: 3.0 }.mean(), 0.003, 1e-12);
        close(Distribution::Pareto { min: ms(2), alpha: 3.0 }.variance(), 3e-6, 1e-12);
        assert_eq!(Distribution::Pareto { min: ms(2), alpha: 2.0 }.variance(), f64::INFINITY);
        assert_eq!(Distribution::Pareto { min: ms(2), alpha: 1.0 }.mean(), f64::INFINITY);
        let fortio = [(90.0, ms(20)), (9.0, ms(200)), (1.0, ms(2_000))];
        let fortio = fortio.map(|(weight, value)| (weight, Distribution::Constant(value)));
        let fortio = Distribution::mixture(fortio.to_vec()).unwrap();
        close(fortio.mean(), 0.056, 1e-12);
        close(fortio.variance(), 0.9 * 0.0004 + 0.09 * 0.04 + 0.01 * 4.0 - 0.056 * 0.056, 1e-12);
    }

    #[test]
    fn quantile_inverts_the_cdf_of_each_kind() {
        let exponential = Distribution::Exponential { mean: ms(10) };
        for law in [
            exponential.clone(),
            Distribution::Uniform { low: ms(1), high: ms(9) },
            Distribution::LogNormal { median: ms(10), sigma: 0.8 },
            Distribution::Gamma { mean: ms(10), cv: 3.0 },
            Distribution::Weibull { scale: ms(10), shape: 0.7 },
            Distribution::Pareto { min: ms(10), alpha: 1.5 },
            Distribution::quantiles(vec![(0.5, ms(12)), (0.9, ms(30)), (0.99, ms(80))]).unwrap(),
            Distribution::Mixture(vec![
                (9.0, exponential),
                (1.0, Distribution::LogNormal { median: ms(200), sigma: 0.1 }),
            ]),
        ] {
            for p in [1e-4, 0.01, 0.3, 0.5, 0.89, 0.9, 0.91, 0.99, 0.999_9] {
                close(law.cdf(law.quantile(p)), p, 1e-9);
            }
        }
    }

    #[test]
    fn a_mixture_jumps_over_the_gap_between_its_parts() {
        let low = Distribution::Uniform { low: ms(1), high: ms(2) };
        let law = Distribution::mixture(vec![(3.0, low), (1.0, Distribution::Constant(ms(50)))]).unwrap();
        close(law.quantile(0.75), 2e6, 1e-9);
        close(law.quantile(0.750_001), 50e6, 1e-9);
        close(law.quantile(0.999), 50e6, 1e-9);
        assert_eq!((law.cdf(2e6), law.cdf(49e6), law.cdf(50e6)), (0.75, 0.75, 1.0));
    }

    #[test]
    fn curves_begin_at_zero_and_go_on_to_the_end_unless_told() {
        let open = Distribution::quantiles(vec![(0.5, ms(10)), (0.75, ms(20))]).unwrap();
        assert_eq!([0.0, 0.25, 1.0].map(|p| open.quantile(p)), [0.0, 5e6, 30e6]);
        let closed = Distribution::quantiles(vec![(0.0, ms(5)), (0.5, ms(10)), (1.0, ms(20))]).unwrap();
        assert_eq!([0.0, 0.25, 1.0].map(|p| closed.quantile(p)), [5e6, 7.5e6, 20e6]);
    }
}
