//! How long things take: the distributions of the scenario file, as data. `law.rs` holds their mathematics,
//! `sampler.rs` turns draws into durations.

use super::quantile::round_nanos;
use super::time::SimDuration;

/// The normal quantile of 0.99, which ties a log-normal p99 to its sigma.
const Z99: f64 = 2.326_347_874_040_840_8;

/// A distribution of durations. The constructors check what people write; the variants hold what came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    Constant(SimDuration),
    Uniform {
        low: SimDuration,
        high: SimDuration,
    },
    Exponential {
        mean: SimDuration,
    },
    /// `median` and the standard deviation of the logarithm.
    LogNormal {
        median: SimDuration,
        sigma: f64,
    },
    /// Mean and coefficient of variation.
    Gamma {
        mean: SimDuration,
        cv: f64,
    },
    Weibull {
        scale: SimDuration,
        shape: f64,
    },
    Pareto {
        min: SimDuration,
        alpha: f64,
    },
    /// Weights are relative.
    Mixture(Vec<(f64, Distribution)>),
    /// Points of the quantile function, probability in [0, 1] ascending, linear between them.
    Quantiles(Vec<(f64, SimDuration)>),
}

fn above_zero(name: &str, value: f64) -> Result<f64, String> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(format!("`{name}` must be above 0, but is {value}"))
    }
}

fn positive(name: &str, value: SimDuration) -> Result<SimDuration, String> {
    if value.is_zero() { Err(format!("`{name}` must be above 0s")) } else { Ok(value) }
}

fn not_negative(name: &str, value: f64) -> Result<f64, String> {
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(format!("`{name}` must be 0 or more, but is {value}"))
    }
}

fn median_and_p99(p50: SimDuration, p99: SimDuration) -> Result<f64, String> {
    positive("p50", p50)?;
    if p99 < p50 {
        return Err(format!("p99 ({p99}) is below p50 ({p50})"));
    }
    Ok(libm::log(p99.nanos() as f64 / p50.nanos() as f64))
}

fn duration(nanos: f64) -> SimDuration {
    SimDuration::from_nanos(round_nanos(nanos))
}

/// From what the scenario file writes. Errors say in its words what cannot be. Source: design D4.
impl Distribution {
    pub fn uniform(low: SimDuration, high: SimDuration) -> Result<Distribution, String> {
        if high < low {
            return Err(format!("the upper end ({high}) is below the lower end ({low})"));
        }
        Ok(Distribution::Uniform { low, high })
    }

    pub fn exponential(mean: SimDuration) -> Result<Distribution, String> {
        Ok(Distribution::Exponential { mean })
    }

    pub fn log_normal_p50_p99(p50: SimDuration, p99: SimDuration) -> Result<Distribution, String> {
        let sigma = median_and_p99(p50, p99)? / Z99;
        Ok(Distribution::LogNormal { median: p50, sigma })
    }

    /// `sigma`: standard deviation of the natural logarithm, at least 0.
    pub fn log_normal_p50_sigma(p50: SimDuration, sigma: f64) -> Result<Distribution, String> {
        Ok(Distribution::LogNormal { median: positive("p50", p50)?, sigma: not_negative("sigma", sigma)? })
    }

    /// `cv`: standard deviation over mean, at least 0.
    pub fn log_normal_mean_cv(mean: SimDuration, cv: f64) -> Result<Distribution, String> {
        let spread = 1.0 + not_negative("cv", cv)? * cv;
        let median = duration(positive("mean", mean)?.nanos() as f64 / spread.sqrt());
        Ok(Distribution::LogNormal { median, sigma: libm::log(spread).sqrt() })
    }

    /// `cv`: standard deviation over mean, at least 0.
    pub fn gamma(mean: SimDuration, cv: f64) -> Result<Distribution, String> {
        Ok(Distribution::Gamma { mean: positive("mean", mean)?, cv: not_negative("cv", cv)? })
    }

    pub fn weibull_p50_p99(p50: SimDuration, p99: SimDuration) -> Result<Distribution, String> {
        let spread = median_and_p99(p50, p99)?;
        if spread == 0.0 {
            return Ok(Distribution::Constant(p50));
        }
        // p50 = scale (ln 2)^(1/shape), p99 = scale (ln 100)^(1/shape).
        let shape = libm::log(libm::log(100.0) / std::f64::consts::LN_2) / spread;
        let scale = p50.nanos() as f64 / libm::pow(std::f64::consts::LN_2, 1.0 / shape);
        Ok(Distribution::Weibull { scale: duration(scale), shape })
    }

    /// `alpha` is above 0; up to 1 there is no mean, up to 2 no variance.
    pub fn pareto(min: SimDuration, alpha: f64) -> Result<Distribution, String> {
        Ok(Distribution::Pareto { min: positive("min", min)?, alpha: above_zero("alpha", alpha)? })
    }

    /// Weights are relative: `90` and `10`, or `0.9` and `0.1`. Fortio's `20ms:90,2s:10` is one of constants.
    pub fn mixture(parts: Vec<(f64, Distribution)>) -> Result<Distribution, String> {
        for (weight, _) in &parts {
            not_negative("weight", *weight)?;
        }
        let mut parts: Vec<_> = parts.into_iter().filter(|(weight, _)| *weight > 0.0).collect();
        match parts.len() {
            0 => Err("the weights add up to 0".to_owned()),
            1 => Ok(parts.remove(0).1),
            _ => Ok(Distribution::Mixture(parts)),
        }
    }

    /// Points (probability in [0, 1], duration), both ascending. Without a point at 0 the curve begins at 0s;
    /// without one at 1 its last line goes on: people give the middle of what they measured, and an end held
    /// flat would put half of all values on one spot.
    pub fn quantiles(mut points: Vec<(f64, SimDuration)>) -> Result<Distribution, String> {
        let percent = |p: f64| format!("p{}", p * 100.0);
        let Some(&(first, _)) = points.first() else {
            return Err(
                "`quantiles` needs at least one point, as in `quantiles(50=12ms, 99=80ms)`".to_owned()
            );
        };
        if let Some((p, _)) = points.iter().find(|(p, _)| !(0.0..=1.0).contains(p)) {
            return Err(format!("{} is not between p0 and p100", percent(*p)));
        }
        for pair in points.windows(2) {
            let ((p, low), (next, high)) = (pair[0], pair[1]);
            if next <= p {
                return Err(format!(
                    "{} comes after {}: write the points in ascending order",
                    percent(next),
                    percent(p)
                ));
            }
            if high < low {
                return Err(format!("{} ({high}) is below {} ({low})", percent(next), percent(p)));
            }
        }
        if first > 0.0 {
            points.insert(0, (0.0, SimDuration::ZERO));
        }
        if let [.., (p, low), (last, high)] = points[..]
            && last < 1.0
        {
            let rise = (high - low).nanos() as f64 * (1.0 - last) / (last - p);
            points.push((1.0, duration(high.nanos() as f64 + rise)));
        }
        Ok(Distribution::Quantiles(points))
    }
}

impl Distribution {
    /// The law of `factor` times as long. `factor` is positive.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Distribution {
        let longer = |length: &SimDuration| duration(length.nanos() as f64 * factor);
        match self {
            Distribution::Constant(value) => Distribution::Constant(longer(value)),
            Distribution::Uniform { low, high } => {
                Distribution::Uniform { low: longer(low), high: longer(high) }
            }
            Distribution::Exponential { mean } => Distribution::Exponential { mean: longer(mean) },
            Distribution::LogNormal { median, sigma } => {
                Distribution::LogNormal { median: longer(median), sigma: *sigma }
            }
            Distribution::Gamma { mean, cv } => Distribution::Gamma { mean: longer(mean), cv: *cv },
            Distribution::Weibull { scale, shape } => {
                Distribution::Weibull { scale: longer(scale), shape: *shape }
            }
            Distribution::Pareto { min, alpha } => Distribution::Pareto { min: longer(min), alpha: *alpha },
            Distribution::Mixture(parts) => Distribution::Mixture(
                parts.iter().map(|(weight, part)| (*weight, part.scaled(factor))).collect(),
            ),
            Distribution::Quantiles(points) => {
                Distribution::Quantiles(points.iter().map(|(p, value)| (*p, longer(value))).collect())
            }
        }
    }
}

/// Shape of a gamma law; `None` if it does not vary.
pub(super) fn gamma_shape(cv: f64) -> Option<f64> {
    let shape = 1.0 / (cv * cv);
    (shape < 1e15).then_some(shape)
}

impl Distribution {
    /// The one duration that it can be, if it cannot vary.
    pub fn constant(&self) -> Option<SimDuration> {
        match self {
            Distribution::Constant(value) => Some(*value),
            Distribution::Uniform { low, high } => (low == high).then_some(*low),
            Distribution::Exponential { mean } => mean.is_zero().then_some(*mean),
            Distribution::LogNormal { median, sigma } => {
                (*sigma == 0.0 || median.is_zero()).then_some(*median)
            }
            Distribution::Gamma { mean, cv } => {
                (gamma_shape(*cv).is_none() || mean.is_zero()).then_some(*mean)
            }
            Distribution::Weibull { scale, .. } => scale.is_zero().then_some(*scale),
            Distribution::Pareto { min, .. } => min.is_zero().then_some(*min),
            Distribution::Mixture(parts) => {
                let mut values =
                    parts.iter().filter(|(weight, _)| *weight > 0.0).map(|(_, part)| part.constant());
                let first = values.next()??;
                values.all(|value| value == Some(first)).then_some(first)
            }
            Distribution::Quantiles(points) => {
                let (_, first) = *points.first()?;
                points.iter().all(|(_, value)| *value == first).then_some(first)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> SimDuration {
        SimDuration::from_millis(millis)
    }

    #[test]
    fn what_cannot_be_is_told_in_the_users_words() {
        let error = |law: Result<Distribution, String>| law.unwrap_err();
        assert_eq!(error(Distribution::log_normal_p50_p99(ms(10), ms(5))), "p99 (5ms) is below p50 (10ms)");
        assert_eq!(error(Distribution::gamma(ms(10), -1.0)), "`cv` must be 0 or more, but is -1");
        assert_eq!(error(Distribution::pareto(ms(1), 0.0)), "`alpha` must be above 0, but is 0");
        assert_eq!(
            error(Distribution::mixture(vec![(0.0, Distribution::Constant(ms(1)))])),
            "the weights add up to 0"
        );
        assert!(error(Distribution::uniform(ms(9), ms(1))).contains("below the lower end"));
        assert!(error(Distribution::quantiles(vec![(0.9, ms(9)), (0.5, ms(1))])).contains("ascending"));
        assert!(
            error(Distribution::quantiles(vec![(0.5, ms(9)), (0.9, ms(1))]))
                .contains("p90 (1ms) is below p50 (9ms)")
        );
        assert!(error(Distribution::quantiles(vec![(50.0, ms(9))])).contains("not between"));
    }

    #[test]
    fn a_law_twice_as_long_has_twice_the_quantiles() {
        let laws = [
            Distribution::Constant(ms(3)),
            Distribution::uniform(ms(1), ms(5)).unwrap(),
            Distribution::exponential(ms(4)).unwrap(),
            Distribution::log_normal_p50_p99(ms(3), ms(30)).unwrap(),
            Distribution::gamma(ms(3), 0.7).unwrap(),
            Distribution::weibull_p50_p99(ms(3), ms(30)).unwrap(),
            Distribution::pareto(ms(2), 1.5).unwrap(),
            Distribution::mixture(vec![
                (9.0, Distribution::Constant(ms(1))),
                (1.0, Distribution::Constant(ms(8))),
            ])
            .unwrap(),
            Distribution::quantiles(vec![(0.5, ms(3)), (0.99, ms(9))]).unwrap(),
        ];
        for law in laws {
            for p in [0.05, 0.5, 0.95] {
                let (once, twice) = (law.quantile(p), law.scaled(2.0).quantile(p));
                assert!((twice - 2.0 * once).abs() <= 1e-6 * once + 2.0, "{law:?} at {p}: {once}, {twice}");
            }
        }
    }

    #[test]
    fn laws_that_cannot_vary_say_so() {
        let varies = Distribution::Exponential { mean: ms(1) };
        assert_eq!(varies.constant(), None);
        assert_eq!(Distribution::gamma(ms(3), 0.0).unwrap().constant(), Some(ms(3)));
        assert_eq!(Distribution::log_normal_p50_p99(ms(3), ms(3)).unwrap().constant(), Some(ms(3)));
        assert_eq!(Distribution::weibull_p50_p99(ms(3), ms(3)).unwrap().constant(), Some(ms(3)));
        let same = (1.0, Distribution::Constant(ms(3)));
        assert_eq!(Distribution::Mixture(vec![same.clone(), same]).constant(), Some(ms(3)));
    }
}
