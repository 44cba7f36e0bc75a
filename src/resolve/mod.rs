//! Istio's meaning: from what the files say to what it means, with names resolved and defaults filled in.

pub mod behaviour;
pub mod clients;
pub mod cycles;
pub mod defaults;
pub mod names;
pub mod objectives;
pub mod settings;
pub mod targets;

#[cfg(test)]
pub(crate) mod fixture;
