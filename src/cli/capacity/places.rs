//! Where the input says what turned out to be the limit.

use serde_yaml::Value;

use crate::cli::inputs::Inputs;
use crate::config::diagnostic::Span;
use crate::config::document::RawObject;
use crate::mesh::Place;
use crate::report::capacity::Written;
use crate::resolve::hosts::full_name;
use crate::study::capacity::FullLimit;

/// The object that sets a limit, with the number that counted: `now` is the input at the point that is told of,
/// where the limit itself may be what is varied. The place is that of the files.
pub fn limit(inputs: &Inputs, now: &Inputs, limit: &FullLimit) -> Option<Written> {
    let place = written_for(inputs, limit).and_then(|written| written.place);
    written_for(now, limit).map(|written| Written { place, ..written })
}

/// In a rule of its host, else in the mesh's own policy, which holds where no rule sets anything. Source: semantics S4.5.
fn written_for(inputs: &Inputs, limit: &FullLimit) -> Option<Written> {
    let told = |object: &RawObject, (path, value): (String, &Value)| Written {
        object: name(object, inputs.loaded.namespace()),
        place: place(inputs, inputs.loaded.docs.span(object.doc, &path)),
        value: value.as_u64().map_or_else(String::new, |number| number.to_string()),
    };
    let in_rule = rules(inputs, limit)?.find_map(|rule| Some(told(rule, written(&rule.value, limit)?)));
    let mut operators = inputs.loaded.objects.iter().filter(|object| object.kind == "IstioOperator");
    in_rule.or_else(|| operators.find_map(|mesh| Some(told(mesh, mesh_wide(&mesh.value, limit)?))))
}

/// Those of the limit's host, the last one first.
fn rules<'i>(inputs: &'i Inputs, limit: &FullLimit) -> Option<impl Iterator<Item = &'i RawObject>> {
    let mut services = inputs.mesh.services.rows().iter();
    let host = services.find(|service| service.name == limit.service).map(|service| service.host.as_str())?;
    let home = inputs.loaded.namespace();
    let rules = inputs.loaded.objects.iter().rev().filter(|object| object.kind == "DestinationRule");
    Some(rules.filter(move |rule| {
        let named = rule.value["spec"]["host"].as_str().unwrap_or_default();
        full_name(named, rule.namespace.as_deref().unwrap_or(home)) == host
    }))
}

fn name(rule: &RawObject, home: &str) -> String {
    format!("{} {}/{}", rule.kind, rule.namespace.as_deref().unwrap_or(home), rule.name)
}

/// The path of the setting that counts, and its value: for its subset, else for the whole host; for its port, else for all.
fn written<'v>(rule: &'v Value, limit: &FullLimit) -> Option<(String, &'v Value)> {
    let subsets = rule["spec"]["subsets"].as_sequence().map_or(&[][..], Vec::as_slice);
    let subset = subsets.iter().position(|subset| subset["name"].as_str() == Some(&limit.subset));
    let mut policies: Vec<(String, &Value)> = Vec::new();
    if let Some(number) = subset {
        policies.push((format!("spec.subsets[{number}].trafficPolicy"), &subsets[number]["trafficPolicy"]));
    }
    policies.push(("spec.trafficPolicy".to_owned(), &rule["spec"]["trafficPolicy"]));
    let setting = |path: &str, policy: &'v Value| setting(path, policy, limit);
    policies.iter().find_map(|(path, policy)| {
        let ports = policy["portLevelSettings"].as_sequence().map_or(&[][..], Vec::as_slice);
        let port = ports.iter().position(|port| port["port"]["number"].as_u64() == Some(limit.port.into()));
        let own = port.and_then(|port| setting(&format!("{path}.portLevelSettings[{port}]"), &ports[port]));
        own.or_else(|| setting(path, policy))
    })
}

/// The same of the policy for all hosts.
fn mesh_wide<'v>(operator: &'v Value, limit: &FullLimit) -> Option<(String, &'v Value)> {
    let policy = &operator["spec"]["meshConfig"]["defaultTrafficPolicy"];
    setting("spec.meshConfig.defaultTrafficPolicy", policy, limit)
}

fn setting<'v>(path: &str, policy: &'v Value, limit: &FullLimit) -> Option<(String, &'v Value)> {
    let group = if limit.field == "maxConnections" { "tcp" } else { "http" };
    let value = &policy["connectionPool"][group][limit.field];
    (!value.is_null()).then(|| (format!("{path}.connectionPool.{group}.{}", limit.field), value))
}

/// Where the scenario, else a manifest, speaks of a workload.
pub fn workload(inputs: &Inputs, name: &str) -> Option<Place> {
    let loaded = &inputs.loaded;
    if let Some(scenario) = &loaded.scenario
        && let Some(workloads) = &scenario.value.workloads
        && workloads.names().any(|known| known == name)
    {
        return place(inputs, loaded.docs.key_span(scenario.doc, &format!("workloads.{name}")));
    }
    let kinds = ["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"];
    let object =
        loaded.objects.iter().find(|object| kinds.contains(&object.kind.as_str()) && object.name == name);
    object.and_then(|object| place(inputs, loaded.docs.span(object.doc, "metadata.name")))
}

/// `None` for what the command line set.
fn place(inputs: &Inputs, span: Span) -> Option<Place> {
    let sources = &inputs.loaded.docs.sources;
    let source = sources.get(span.source);
    source.is_file.then(|| Place { file: source.name.clone(), line: sources.position(span).line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(subset: &str, port: u16, field: &'static str) -> FullLimit {
        FullLimit {
            keeper: "web".to_owned(),
            service: "app".to_owned(),
            subset: subset.to_owned(),
            port,
            is_inbound: false,
            field,
            times: 1.0,
            share_pct: None,
            waits: false,
        }
    }

    /// Source: semantics S4.5.
    #[test]
    fn what_no_rule_sets_is_found_in_the_mesh_s_own_policy() {
        let operator: Value = serde_yaml::from_str(
            "spec: {meshConfig: {defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 9}}}}}",
        )
        .expect("YAML");
        let (path, value) = mesh_wide(&operator, &limit("v1", 80, "maxConnections")).expect("set there");
        assert_eq!(path, "spec.meshConfig.defaultTrafficPolicy.connectionPool.tcp.maxConnections");
        assert_eq!(value.as_u64(), Some(9));
        assert_eq!(mesh_wide(&operator, &limit("v1", 80, "http1MaxPendingRequests")), None);
    }

    /// A subset counts before the whole host, and in each a port before all of them. Source: semantics S4.3, S4.4.
    #[test]
    fn the_setting_that_counts_is_that_of_the_subset_and_of_the_port() {
        let rule: Value = serde_yaml::from_str(
            "
spec:
  trafficPolicy:
    connectionPool: {http: {http1MaxPendingRequests: 1, maxRetries: 2}, tcp: {maxConnections: 3}}
    portLevelSettings:
    - {port: {number: 80}, connectionPool: {http: {http1MaxPendingRequests: 4}}}
  subsets:
  - {name: plain}
  - name: own
    trafficPolicy:
      connectionPool: {http: {http1MaxPendingRequests: 5}}
      portLevelSettings:
      - {port: {number: 81}, connectionPool: {tcp: {maxConnections: 6}}}
      - {port: {number: 80}, connectionPool: {http: {http1MaxPendingRequests: 7}}}
",
        )
        .expect("YAML");
        let of = |subset: &str, port, field| {
            let found = written(&rule, &limit(subset, port, field));
            found.map(|(path, value)| (path, value.as_u64().expect("a number")))
        };
        let pending = "http1MaxPendingRequests";
        for (subset, port, field, path, value) in [
            ("own", 80, pending, "subsets[1].trafficPolicy.portLevelSettings[1].connectionPool.http", 7),
            ("own", 82, pending, "subsets[1].trafficPolicy.connectionPool.http", 5),
            (
                "own",
                81,
                "maxConnections",
                "subsets[1].trafficPolicy.portLevelSettings[0].connectionPool.tcp",
                6,
            ),
            ("plain", 82, "maxConnections", "trafficPolicy.connectionPool.tcp", 3),
            ("plain", 80, pending, "trafficPolicy.portLevelSettings[0].connectionPool.http", 4),
            ("plain", 81, pending, "trafficPolicy.connectionPool.http", 1),
            ("", 80, "maxRetries", "trafficPolicy.connectionPool.http", 2),
        ] {
            let found = of(subset, port, field);
            assert_eq!(found, Some((format!("spec.{path}.{field}"), value)), "{subset} {port}");
        }
        assert_eq!(of("own", 80, "http2MaxRequests"), None);
    }
}
