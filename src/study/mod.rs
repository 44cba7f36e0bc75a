//! Questions that take many runs: replications and the figures that they give together.

pub mod bottleneck;
pub mod busy;
pub mod capacity;
pub mod compare;
pub mod crew;
pub mod figures;
#[cfg(test)]
pub(crate) mod fixture;
pub mod measure;
pub mod objectives;
pub mod over_time;
pub mod pieces;
pub mod precision;
pub mod replication;
pub mod sample;
pub mod sensitivity;
pub mod steadiness;
pub mod traffic;

pub use bottleneck::Bottleneck;
pub use compare::Comparison;
pub use crew::Crew;
pub use figures::{
    ClientFigures, ClusterFigures, HostFigures, Pool, ResponseFigures, RunResults, SpectrumPoint,
};
pub use measure::Measurements;
pub use objectives::Judged;
pub use over_time::SeriesFigures;
pub use replication::Watch;
pub use sample::{LatencyFigures, Subject};
pub use steadiness::Unsteady;
pub use traffic::Traffic;
