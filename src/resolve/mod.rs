//! Istio's meaning: from what the files say to what it means, with names resolved and defaults filled in.
//!
//! ```text
//! Loaded --states--> objects of each moment --inventory--> services, workloads, pods
//!        --behaviour, clients--> what pods do and who calls --proxies--> one per caller
//!        --routes, clusters--> the table of every proxy in every state = Mesh
//! ```
//!
//! All states of the timeline are resolved here, before the run: the engine sees no YAML. Tables and clusters are kept by
//! value, so what a change does not touch keeps its id. Source: design D9.16, D9.17; semantics S2 to S4.

mod ambient;
pub mod behaviour;
mod called;
mod checks;
pub mod clients;
pub mod cluster_specs;
pub mod cluster_warnings;
pub mod clusters;
pub mod conditions;
pub mod cycles;
pub mod defaults;
pub mod delegates;
mod effects;
mod gateways;
pub mod hosts;
mod inbound;
mod inventory;
mod localities;
pub mod locality;
pub mod mesh_wide;
pub mod mutual_tls;
pub mod names;
pub mod note;
pub mod object;
pub mod objectives;
mod pipeline;
mod planes;
mod pods;
pub mod policies;
pub mod precedence;
mod proxies;
pub mod read;
mod replicas;
pub mod retries;
pub mod routes;
mod ruleless;
mod scalings;
mod scenario_calls;
pub mod services;
pub mod settings;
pub mod sidecars;
mod states;
pub mod targets;
mod tcp_routes;
mod town;
pub mod versions;
mod waypoint_routes;
mod waypoints;

#[cfg(test)]
mod corpus;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

pub use note::{Guess, NoEffect, NotModelled};
pub use pipeline::{ObjectUse, Resolved, mesh, mesh_with};
