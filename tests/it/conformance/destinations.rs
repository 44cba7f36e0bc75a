//! Golden kind of the destinations that a rule's route is left with. Source: semantics S3.2.

use std::collections::BTreeSet;

use meshcast::mesh::routing::Action;
use meshcast::policy::split;
use serde::Deserialize;

use super::objects::{fields, mesh, service, virtual_hosts, virtual_service, yaml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    destinations: Vec<WeightedHost>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightedHost {
    host: String,
    weight: Option<u32>,
}

/// How Envoy's route is written.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Written {
    PlainCluster,
    #[serde(alias = "weighted", alias = "weighted_cluster")]
    WeightedClusters,
    /// By the webhook.
    #[serde(alias = "invalid")]
    Rejected,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Surviving {
    kind: Written,
    #[serde(default)]
    clusters: Vec<String>,
}

/// Through the whole resolver: the destinations of a rule that requests can go to.
pub fn istio_destinations(input: Weighted) -> Result<Surviving, String> {
    let entry = |entry: &WeightedHost| {
        let weight = entry.weight.map(|weight| format!(", weight: {weight}")).unwrap_or_default();
        format!("{{destination: {{host: {}}}{weight}}}", entry.host)
    };
    let entries: Vec<String> = input.destinations.iter().map(entry).collect();
    let http = yaml(&format!("[{{route: [{}]}}]", entries.join(", ")))?;
    let spec = fields([("hosts", Some(yaml("[front]")?)), ("http", Some(http))]);
    let mut drafts = vec![service("front.default.svc.cluster.local", &[80])?];
    let names: BTreeSet<&str> = input.destinations.iter().map(|entry| entry.host.as_str()).collect();
    for name in names {
        drafts.push(service(&format!("{name}.default.svc.cluster.local"), &[80])?);
    }
    drafts.push(virtual_service("default", "front", 1, spec));
    let scenario = "clients:\n  one: {load: constant(1rps), requests: [{get: 'http://front/'}]}\n";
    let mesh = match mesh(&drafts, scenario) {
        Ok(mesh) => mesh,
        Err(error) if error.contains("IST0106") => {
            return Ok(Surviving { kind: Written::Rejected, clusters: Vec::new() });
        }
        Err(error) => return Err(error),
    };
    let host = virtual_hosts(&mesh, 80).find(|host| host.domains.iter().any(|domain| domain == "front"));
    let action = &host.and_then(|host| host.routes.first()).ok_or("no route")?.action;
    let Action::Forward(destinations) = action else { return Err("it does not forward".to_owned()) };
    let weights = destinations.iter().map(|destination| destination.weight);
    let can_be_picked = |place: &usize| {
        let total: u64 = weights.clone().map(u64::from).sum();
        (0..total.max(1)).any(|draw| split::pick(weights.clone(), draw) == Some(*place))
    };
    let kind = match destinations.len() {
        1 => Written::PlainCluster,
        _ => Written::WeightedClusters,
    };
    let clusters = (0..destinations.len()).filter(can_be_picked);
    Ok(Surviving { kind, clusters: clusters.map(|place| input.destinations[place].host.clone()).collect() })
}
