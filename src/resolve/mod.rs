//! Istio's meaning: from what the files say to what it means, with names resolved and defaults filled in.
//!
//!     Loaded --states--> objects of each moment --inventory--> services, workloads, pods
//!            --behaviour, clients--> what pods do and who calls --proxies--> one per caller
//!            --routes, clusters--> the table of every proxy in every state = Mesh
//!
//! All states of the timeline are resolved here, before the run: the engine sees no YAML. Tables and clusters are kept by
//! value, so what a change does not touch keeps its id. Source: design D9.16, D9.17; semantics S2 to S4.

pub mod behaviour;
pub mod clients;
mod cluster_specs;
mod clusters;
pub mod cycles;
pub mod defaults;
mod effects;
mod gateways;
mod hosts;
mod inventory;
pub mod names;
mod note;
mod object;
pub mod objectives;
mod pipeline;
mod policies;
mod precedence;
mod proxies;
mod read;
mod retries;
mod routes;
mod scenario_calls;
mod services;
pub mod settings;
mod sidecars;
mod states;
pub mod targets;
mod town;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;

pub use note::{Guess, NoEffect, NotModelled};
pub use pipeline::{ObjectUse, Resolved, mesh, mesh_with};
