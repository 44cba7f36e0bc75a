//! Istio's meaning: from what the files say to what it means, with names resolved and defaults filled in.

pub mod behaviour;
mod cluster_specs;
pub mod clients;
mod clusters;
pub mod cycles;
pub mod defaults;
mod gateways;
mod hosts;
mod inventory;
pub mod names;
mod note;
mod object;
pub mod objectives;
mod policies;
mod precedence;
mod read;
mod retries;
mod routes;
mod services;
pub mod settings;
mod sidecars;
mod states;
pub mod targets;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod test_support;
