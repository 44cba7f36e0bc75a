//! How long things take: the distributions of the scenario file, and their samplers.
//! CONTRACT (to be filled in): `Distribution` is the spec, `Sampler` the ready quantile table.

use super::time::SimDuration;

/// A distribution of durations. Parameters are what the scenario file writes.
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
