//! meshcast forecasts what a service mesh will do with traffic before anyone applies the change.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod kernel;
pub mod mesh;
pub mod metrics;
pub mod policy;
pub mod report;
pub mod resolve;
pub mod sim;
pub mod study;
