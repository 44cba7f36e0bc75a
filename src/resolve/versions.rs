//! What changed between Istio's releases, one row each: rules that work otherwise since then, and fields that older
//! ones do not know. Everything that asks for a version asks this table. Source: semantics S0.5; fields, "first seen".

use std::borrow::Cow;

use serde_yaml::Value;

use super::note::Notes;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::RawObject;
use crate::config::istio;
use crate::config::path::{push_index, push_key};

/// Istio's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

/// A rule that works otherwise since some release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `maxEjectionPercent` holds for the first host too; before, one could always go. Source: semantics S8.5.
    StrictEjectionLimit,
    /// The default retry no longer asks for answers of 503. Source: semantics S9.1.
    DefaultRetryWithout503,
    /// The server's own sidecar tries again what its application never got. Source: semantics S1.2.
    InboundRetry,
    /// ... but not on gRPC ports. Source: semantics S1.2.
    InboundRetryWithoutGrpc,
    /// Copies keep their authority; before, it got the suffix `-shadow`. Source: semantics S12.2.
    CopiesKeepAuthority,
    /// HTTP/2 connections take 1024 streams where nothing is said; before, 2^31-1. Came with Envoy 1.36.
    /// Source: semantics S7.2.
    StreamsAreBounded,
    /// Endpoints that are not ready are sent as unhealthy ones, and nothing panics without being asked to.
    /// Source: semantics S6.2, S15.1.
    UnreadyEndpoints,
    /// A waypoint merges all VirtualServices of a host; before, it took the first. Source: semantics S22.3.
    WaypointsMerge,
    /// A waypoint's default route has the retries and the hash policy of any other. Source: semantics S22.3.
    WaypointRetry,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Rule(Change),
    /// Of an object of this kind, a field that ends so.
    Field(&'static str, &'static str),
}

const fn rule(change: Change, minor: u32) -> (Subject, Version) {
    (Subject::Rule(change), Version { major: 1, minor })
}

const fn field(kind: &'static str, path: &'static str, minor: u32) -> (Subject, Version) {
    (Subject::Field(kind, path), Version { major: 1, minor })
}

/// Each with the first release that has it.
const SWITCHES: &[(Subject, Version)] = &[
    rule(Change::StrictEjectionLimit, 20),
    rule(Change::DefaultRetryWithout503, 24),
    rule(Change::InboundRetry, 24),
    rule(Change::InboundRetryWithoutGrpc, 26),
    rule(Change::CopiesKeepAuthority, 28),
    rule(Change::StreamsAreBounded, 28),
    rule(Change::WaypointsMerge, 30),
    rule(Change::UnreadyEndpoints, 31),
    rule(Change::WaypointRetry, 31),
    field("DestinationRule", "loadBalancer.warmup", 24),
    field("DestinationRule", "trafficPolicy.retryBudget", 27),
    field("DestinationRule", "consistentHash.httpCookie.attributes", 28),
    field("DestinationRule", "retryBudget.budgetInterval", 31),
    field("DestinationRule", "outlierDetection.outlierDetectionHttpErrorCodes", 31),
    field("DestinationRule", "loadBalancer.zoneAwareLbSetting", 31),
    field("DestinationRule", "connectionPool.http.http2KeepAlive", 31),
    field("VirtualService", "redirect.prefixRewrite", 31),
    field("IstioOperator", "meshConfig.defaultTrafficPolicy", 31),
    field("IstioOperator", "meshConfig.defaultInboundHttpRetryPolicy", 31),
];

impl Version {
    /// `1.28`, also `1.28.3` and `v1.28`.
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.trim().trim_start_matches('v').split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        Some(Version { major, minor })
    }

    /// Whether a rule works in its newer way.
    pub fn has(self, change: Change) -> bool {
        let of_rule = |(subject, _): &&(Subject, Version)| *subject == Subject::Rule(change);
        SWITCHES.iter().find(of_rule).is_some_and(|(_, since)| self >= *since)
    }
}

/// The object as a cluster of this version keeps it: without the fields that came later, each of which is told.
pub fn as_known<'a>(object: &'a RawObject, version: Version, notes: &mut Notes<'_>) -> Cow<'a, RawObject> {
    let Some(kind) = istio::kind(&object.api_version, &object.kind) else { return Cow::Borrowed(object) };
    let newer: Vec<(&str, Version)> = SWITCHES
        .iter()
        .filter_map(|(subject, since)| match subject {
            Subject::Field(of, path) if *of == kind.kind && version < *since => Some((*path, *since)),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    let mut value = Cow::Borrowed(&object.value);
    if newer.iter().any(|(path, _)| has_key(&object.value, path.rsplit('.').next().unwrap_or(path))) {
        remove(value.to_mut(), &newer, &mut Trail::default(), &mut found);
    }
    if found.is_empty() {
        return Cow::Borrowed(object);
    }
    for (path, since) in found {
        let name = path.rsplit('.').next().unwrap_or(&path);
        let message = format!("Istio {version} does not know `{name}`, which came with {since}");
        notes.report(
            Diagnostic::warning("MS0018", message)
                .at(notes.docs.key_span(object.doc, &path))
                .label("it is left out")
                .help(format!(
                    "if your mesh runs {since} or later, say `istioVersion: \"{since}\"` in the scenario"
                )),
        );
    }
    Cow::Owned(RawObject { value: value.into_owned(), ..object.clone() })
}

/// Whether the key stands anywhere in a value.
fn has_key(value: &Value, key: &str) -> bool {
    match value {
        Value::Mapping(mapping) => {
            mapping.iter().any(|(name, value)| name.as_str() == Some(key) || has_key(value, key))
        }
        Value::Sequence(items) => items.iter().any(|item| has_key(item, key)),
        _ => false,
    }
}

/// Where a walk through a value is: its path, and the same without the places in lists.
#[derive(Clone, Debug, Default)]
struct Trail {
    path: String,
    keys: String,
}

/// Takes out the fields that end so, wherever they stand.
fn remove(
    value: &mut Value,
    newer: &[(&str, Version)],
    trail: &mut Trail,
    found: &mut Vec<(String, Version)>,
) {
    match value {
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let mut here = trail.clone();
                push_index(&mut here.path, index);
                remove(item, newer, &mut here, found);
            }
        }
        Value::Mapping(mapping) => mapping.retain(|key, value| {
            let Some(key) = key.as_str() else { return true };
            let mut here = trail.clone();
            push_key(&mut here.path, key);
            here.keys = format!("{}.{key}", here.keys);
            let ends = |(path, _): &&(&str, Version)| {
                here.keys.strip_suffix(*path).is_some_and(|before| before.ends_with('.'))
            };
            match newer.iter().find(ends) {
                Some((_, since)) => found.push((here.path, *since)),
                None => {
                    remove(value, newer, &mut here, found);
                    return true;
                }
            }
            false
        }),
        _ => {}
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::test_support::text_docs;

    fn at(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn minor_versions_are_numbers() {
        assert!(at("1.9") < at("1.24"));
        assert_eq!(at("v1.28.3"), at("1.28"));
        assert_eq!(Version::parse("latest"), None);
    }

    /// A rule without a row would never be on.
    #[test]
    fn each_rule_is_switched_by_its_release() {
        for (change, before, since) in [
            (Change::StrictEjectionLimit, "1.19", "1.20"),
            (Change::DefaultRetryWithout503, "1.23", "1.24"),
            (Change::InboundRetry, "1.23", "1.24"),
            (Change::InboundRetryWithoutGrpc, "1.25", "1.26"),
            (Change::CopiesKeepAuthority, "1.27", "1.28"),
            (Change::StreamsAreBounded, "1.27", "1.28"),
            (Change::WaypointsMerge, "1.29", "1.30"),
            (Change::UnreadyEndpoints, "1.30", "1.31"),
            (Change::WaypointRetry, "1.30", "1.31"),
        ] {
            assert!(!at(before).has(change) && at(since).has(change), "{change:?}");
        }
    }

    /// One field of each row, in the release before it came and in that of its coming.
    #[test]
    fn fields_that_a_version_does_not_know_are_left_out_and_told() {
        let rule = |policy: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a}}\nspec:\n  host: a\n  \
                 trafficPolicy:\n    {policy}\n  subsets:\n  - {{name: v1}}\n"
            )
        };
        let mesh = |field: &str| {
            format!(
                "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{name: a}}\nspec:\n  \
                 meshConfig:\n    enableTracing: true\n    {field}: {{}}\n"
            )
        };
        let service = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n  \
                       http:\n  - redirect:\n      prefixRewrite: /x\n";
        let cookie =
            "loadBalancer: {consistentHash: {httpCookie: {name: c,\n      attributes: [{name: Secure}]}}}";
        for (text, field, before, since) in [
            (rule("loadBalancer:\n      warmup: {duration: 1s}"), "warmup", "1.23", "1.24"),
            (rule("tls: {}\n    retryBudget: {percent: 1}"), "retryBudget", "1.26", "1.27"),
            (rule(cookie), "attributes", "1.27", "1.28"),
            (rule("retryBudget:\n      budgetInterval: 1s"), "budgetInterval", "1.30", "1.31"),
            (
                rule("outlierDetection:\n      outlierDetectionHttpErrorCodes: [429]"),
                "outlierDetectionHttpErrorCodes",
                "1.30",
                "1.31",
            ),
            (rule("loadBalancer:\n      zoneAwareLbSetting: {}"), "zoneAwareLbSetting", "1.30", "1.31"),
            (
                rule("connectionPool:\n      http: {\n        http2KeepAlive: {}}"),
                "http2KeepAlive",
                "1.30",
                "1.31",
            ),
            (service.to_owned(), "prefixRewrite", "1.30", "1.31"),
            (mesh("defaultTrafficPolicy"), "defaultTrafficPolicy", "1.30", "1.31"),
            (mesh("defaultInboundHttpRetryPolicy"), "defaultInboundHttpRetryPolicy", "1.30", "1.31"),
        ] {
            let (docs, objects) = text_docs(&text);
            let mut notes = Notes::new(&docs);
            assert_eq!(as_known(&objects[0], at(since), &mut notes).value, objects[0].value);
            assert_eq!(notes.diagnostics, []);
            let old = as_known(&objects[0], at(before), &mut notes);
            assert!(has_key(&objects[0].value, field) && !has_key(&old.value, field), "{field}");
            let [told] = notes.diagnostics.as_slice() else { panic!("{field}: {:?}", notes.diagnostics) };
            assert_eq!(
                told.message,
                format!("Istio {before} does not know `{field}`, which came with {since}")
            );
            let line =
                text.lines().position(|line| line.contains(field)).expect("it stands there") as u32 + 1;
            assert_eq!(docs.sources.position(told.span.expect("it has a place")).line, line);
        }
    }

    #[test]
    fn fields_of_the_same_name_elsewhere_stay() {
        let text = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a, labels: {warmup: x}}\n\
                    spec: {host: a, subsets: [{name: v1, trafficPolicy: {loadBalancer: {warmup: {duration: 1s}}}}]}\n";
        let (docs, objects) = text_docs(text);
        let mut notes = Notes::new(&docs);
        let old = as_known(&objects[0], at("1.23"), &mut notes);
        assert_eq!(old.value["metadata"], objects[0].value["metadata"]);
        assert_eq!(notes.diagnostics.len(), 1);
        assert!(!has_key(&old.value["spec"], "warmup"));
    }
}
