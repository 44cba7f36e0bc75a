//! Whether figures are those of a steady state: the warm-up has taken the start away, no line grows to the end, and the
//! run is long beside what it remembers.
//!
//! Where the scenario itself changes over time, there is no steady state to look for, and nothing is told.
//!
//! Each look is a test that goes by chance once in a hundred runs: the more series a run has, the more it takes to stand
//! out (Bonferroni). Source: docs/studies.md.

mod overload;
mod short;
mod start;

use std::fmt;

pub use overload::Overload;
pub use short::Short;
pub use start::WarmUp;

use super::figures::RunResults;
use super::sample::Subject;
use crate::kernel::SimTime;
use crate::kernel::arrivals::Load;
use crate::kernel::special::{Rank, normal_quantile};
use crate::mesh::Mesh;
use crate::metrics::Metric;

/// Values below which nothing is looked for.
const FEW: usize = 10;
/// Runs of which a look may tell something though there is nothing, of all.
const ERROR: f64 = 0.01;

/// Why figures are not those of a steady state.
#[derive(Clone, Debug, PartialEq)]
pub enum Unsteady {
    WarmUp(WarmUp),
    Overload(Overload),
    Short(Short),
}

/// What is not steady about a run of `mesh`; empty where all is, or where the scenario changes over time.
pub fn check(run: &RunResults, mesh: &Mesh) -> Vec<Unsteady> {
    if !is_stationary(mesh) {
        return Vec::new();
    }
    let overloads = overload::find(run);
    if !overloads.is_empty() {
        return overloads.into_iter().map(Unsteady::Overload).collect();
    }
    let start = start::longest(run);
    let found = match &start {
        Some(WarmUp { needed: None, .. }) => None,
        // What the start does is no memory.
        Some(WarmUp { needed: Some(needed), .. }) => short::find(run, SimTime::ZERO + *needed),
        None => short::find(run, run.clock.warmup),
    };
    // How long the start takes cannot be told of a run that is short for its memory.
    found.map(Unsteady::Short).or(start.map(Unsteady::WarmUp)).into_iter().collect()
}

/// Nothing that the scenario orders happens at a moment of its own.
pub fn is_stationary(mesh: &Mesh) -> bool {
    let is_even = |load: &Load| !matches!(load, Load::Profile { .. } | Load::Trace { .. });
    mesh.states.len() <= 1
        && mesh.clients.iter().all(|(_, client)| is_even(&client.load))
        && mesh.workloads.iter().all(|(_, workload)| {
            let begins = |at: SimTime| at == SimTime::ZERO;
            workload.incidents.is_empty() && workload.life.scalings.iter().all(|scaling| begins(scaling.at))
        })
}

/// How many standard deviations a value exceeds with this probability.
fn standard_deviations(tail: f64) -> f64 {
    -normal_quantile(Rank::new(tail))
}

/// `the line at server`.
fn whose(subject: &Subject, metric: Metric) -> String {
    let service = || match subject.subset.as_str() {
        "" => subject.target.clone(),
        subset => format!("{} {subset}", subject.target),
    };
    match metric {
        Metric::LatencyP50 => format!("median latency of {}", subject.source),
        Metric::Queue => format!("the line at {}", subject.target),
        Metric::RqPendingActive => {
            format!("the line of {}'s requests for a connection to {}", subject.source, service())
        }
        _ => format!("requests in flight from {} to {}", subject.source, service()),
    }
}

impl fmt::Display for Unsteady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsteady::WarmUp(warm_up) => warm_up.fmt(f),
            Unsteady::Overload(overload) => overload.fmt(f),
            Unsteady::Short(short) => short.fmt(f),
        }
    }
}
