//! When requests are born. CONTRACT (to be filled in): `Load` is the spec.

use std::num::NonZeroU32;

use super::distribution::Distribution;
use super::time::SimTime;

/// Rates are requests per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    Constant {
        rate: f64,
    },
    Poisson {
        rate: f64,
    },
    Bursty {
        rate: f64,
        cv: f64,
    },
    /// Linear between the points; the last rate holds on.
    Profile {
        points: Vec<(SimTime, f64)>,
        arrivals: Spacing,
    },
    Closed {
        users: NonZeroU32,
        think: Distribution,
    },
    /// Births and their class (index), in order of time.
    Trace {
        births: Vec<(SimTime, Option<usize>)>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    Constant,
    Poisson,
}
