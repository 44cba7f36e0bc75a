//! The scenario file as written (design D4): absent stays absent, every value knows its place. What the values mean,
//! and the defaults, are told by `resolve`.
//!
//! Each type below is a mapping of the file; its keys, its reader and its JSON Schema come from one list.

mod check;
mod client;
#[cfg(test)]
mod tests;
mod whole;
mod workload;

pub use client::{Arrivals, Client, Load, Point, Profile, Request, Users};
pub use whole::{ControlPlane, Metadata, Namespace, Network, Proxy, Scenario, TimelineEntry, Waypoint};
pub use workload::{
    Call, CallFields, ColdStart, Crash, CrashScope, DataPlane, Discipline, Errors, Incident, MAX_PODS,
    OnError, Operation, OperationMatch, Pods, Reset, Step, Threading, Workload,
};

use super::diagnostic::Diagnostic;
use super::document::{DocId, Docs};
use super::read::{Node, Reader, Written};

/// Reads a decoded document as a scenario and checks it. Every mistake is a finding; what could be read comes back
/// all the same, so that later stages can find more.
pub fn read(
    value: &serde_yaml::Value,
    docs: &Docs,
    doc: DocId,
    findings: &mut Vec<Diagnostic>,
) -> Option<Scenario> {
    let mut reader = Reader { docs, doc, findings };
    let scenario = Scenario::read(&Node { value, path: String::new() }, &mut reader)?;
    check::check(&scenario, docs, doc, reader.findings);
    Some(scenario)
}

/// The JSON Schema of the scenario file, for editors.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Scenario).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "meshcast scenario".into());
    }
    schema
}
