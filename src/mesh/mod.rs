//! The resolved model as plain data: what the configuration means, with no trace of how it was written.
//! `resolve` makes it, `sim` runs it. Invalid values cannot exist here; what is optional is optional in meaning.

pub mod fingerprint;
pub mod grpc;
pub mod ids;
pub mod model;
pub mod outcome;
pub mod policy_spec;
pub mod routing;
pub mod workload;

pub use fingerprint::Fingerprint;
pub use ids::*;
pub use model::{ConfigState, Door, Mesh, Pod, Proxy, ProxyKind, Service, Waypoint, Zone};
pub use outcome::{Flag, Flags, Outcome};
pub use routing::Place;
