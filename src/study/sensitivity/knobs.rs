//! The inputs of a mesh that people guess or choose: which there are, under which names, and how one of them is turned.
//! They are found in the mesh itself, so that defaults and what several files say together are among them.

use std::collections::{BTreeMap, BTreeSet};

use super::slots::Slot;
use crate::mesh::ids::{ClientId, ServiceId, WorkloadId};
use crate::mesh::policy_spec::CircuitBreakers;
use crate::mesh::routing::{Route, Rule};
use crate::mesh::workload::Step;
use crate::mesh::{Mesh, ProxyKind};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// As `--vary` names it where it can: `workloads.reviews.serviceTime`.
    pub name: String,
    /// Nobody has said what it is: a default holds.
    pub is_guess: bool,
    /// Its value as it is, for people.
    pub value: String,
    what: What,
}

/// An input that could not be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untried {
    pub name: String,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    ServiceTime(WorkloadId),
    Errors(WorkloadId),
    Concurrency(WorkloadId),
    Queue(WorkloadId),
    Load(ClientId),
    NetworkLatency,
    BetweenZones,
    BetweenRegions,
    ProxyLatency,
    ZtunnelLatency,
    /// One limit of the pools of a (service, subset), wherever and whenever it acts.
    Limit(ServiceId, String, Limit),
    Timeout(RuleName),
    Retries(RuleName),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Connections,
    Pending,
    Requests,
    Retries,
}

impl Limit {
    const ALL: [(Limit, &'static str); 4] = [
        (Limit::Connections, "maxConnections"),
        (Limit::Pending, "http1MaxPendingRequests"),
        (Limit::Requests, "http2MaxRequests"),
        (Limit::Retries, "maxRetries"),
    ];

    fn of(self, breakers: &mut CircuitBreakers) -> &mut u32 {
        match self {
            Limit::Connections => &mut breakers.max_connections,
            Limit::Pending => &mut breakers.max_pending_requests,
            Limit::Requests => &mut breakers.max_requests,
            Limit::Retries => &mut breakers.max_retries,
        }
    }
}

/// All inputs of a mesh: those that can be turned, and the others with the reason.
pub fn knobs(mesh: &Mesh) -> (Vec<Knob>, Vec<Untried>) {
    let (mut knobs, mut untried) = (Vec::new(), Vec::new());
    let mut copy = mesh.clone();
    for (name, is_guess, what) in candidates(mesh) {
        let slots = what.slots(&mut copy);
        let reason = match slots.iter().find(|slot| slot.fixed().is_none()) {
            Some(_) => None,
            None => Some(slots.first().and_then(Slot::fixed).unwrap_or_else(|| what.absent())),
        };
        match reason {
            None => knobs.push(Knob { name, is_guess, value: value(&slots), what }),
            Some(why) => {
                let why = if is_guess { format!("{why}, by default") } else { why.to_owned() };
                untried.push(Untried { name, why });
            }
        }
    }
    (knobs, untried)
}

/// A mesh with one input turned.
#[derive(Clone, Debug)]
pub struct Turning {
    pub mesh: Mesh,
    /// The input's value now.
    pub value: String,
    /// How far it was really turned, in parts of what it was: whole numbers cannot be turned by any share. Of several
    /// values the one that is farthest from what was asked for.
    pub share: f64,
}

impl Knob {
    /// The mesh with this input times `factor`.
    pub fn turned(&self, mesh: &Mesh, factor: f64) -> Turning {
        let mut turned = mesh.clone();
        let mut slots = self.what.slots(&mut turned);
        slots.retain(|slot| slot.fixed().is_none());
        let mut farthest = factor;
        for slot in &mut slots {
            let before = slot.size();
            slot.scale(factor);
            let real = if before > 0.0 { slot.size() / before } else { factor };
            if (real - factor).abs() > (farthest - factor).abs() {
                farthest = real;
            }
        }
        let value = one_text(&slots).unwrap_or_else(|| format!("x{factor}"));
        Turning { mesh: turned, value, share: farthest - 1.0 }
    }
}

/// Several values that differ have no number: they go together.
fn value(slots: &[Slot<'_>]) -> String {
    one_text(slots).unwrap_or_else(|| "several".to_owned())
}

fn one_text(slots: &[Slot<'_>]) -> Option<String> {
    let movable = slots.iter().filter(|slot| slot.fixed().is_none());
    let texts: BTreeSet<String> = movable.map(Slot::text).collect();
    texts.first().filter(|_| texts.len() == 1).cloned()
}

/// Name, whether it is a guess, and what it is.
fn candidates(mesh: &Mesh) -> Vec<(String, bool, What)> {
    let mut all = Vec::new();
    for (id, workload) in mesh.workloads.iter() {
        let guessed = |key: &str| workload.guessed.contains(&key);
        let name = |key: &str| format!("workloads.{}.{key}", workload.name);
        all.push((name("serviceTime"), guessed("serviceTime"), What::ServiceTime(id)));
        all.push((name("errors.rate"), false, What::Errors(id)));
        all.push((name("concurrency"), guessed("concurrency"), What::Concurrency(id)));
        all.push((name("queue"), false, What::Queue(id)));
    }
    for (id, client) in mesh.clients.iter() {
        all.push((format!("clients.{}.load", client.name), false, What::Load(id)));
    }
    let regions: BTreeSet<&str> = mesh.zones.rows().iter().map(|zone| zone.region.as_str()).collect();
    let latencies = [
        ("network.latency", What::NetworkLatency, true),
        ("network.betweenZones", What::BetweenZones, mesh.zones.len() > regions.len()),
        ("network.betweenRegions", What::BetweenRegions, regions.len() > 1),
        ("proxy.latency", What::ProxyLatency, has_proxy(mesh, ProxyKind::is_envoy)),
        ("proxy.ztunnelLatency", What::ZtunnelLatency, has_proxy(mesh, |kind| kind == ProxyKind::Ztunnel)),
    ];
    let used = latencies.into_iter().filter(|(_, _, is_used)| *is_used);
    all.extend(used.map(|(name, what, _)| (name.to_owned(), false, what)));
    all.extend(limits(mesh));
    all.extend(rules(mesh));
    all
}

fn has_proxy(mesh: &Mesh, is_kind: impl Fn(ProxyKind) -> bool) -> bool {
    mesh.proxies.rows().iter().any(|proxy| is_kind(proxy.kind))
}

/// Limits that somebody has set; Istio's own are none.
fn limits(mesh: &Mesh) -> Vec<(String, bool, What)> {
    let mut named: Vec<(String, bool, What)> = Vec::new();
    for cluster in mesh.clusters.rows() {
        let mut breakers = cluster.breakers.clone();
        let service = &mesh.services[cluster.service].name;
        let subset =
            if cluster.subset.is_empty() { String::new() } else { format!("{{subset={}}}", cluster.subset) };
        for (limit, key) in Limit::ALL {
            let what = What::Limit(cluster.service, cluster.subset.clone(), limit);
            let is_new = named.iter().all(|(_, _, other)| *other != what);
            if *limit.of(&mut breakers) != u32::MAX && is_new {
                named.push((format!("{service}{subset} {key}"), false, what));
            }
        }
    }
    named.sort_by(|left, right| left.0.cmp(&right.0));
    named
}

/// Time limits and retries that rules give; a rule that the timeline brings again is one.
fn rules(mesh: &Mesh) -> Vec<(String, bool, What)> {
    let mut rules: BTreeMap<RuleName, (bool, bool)> = BTreeMap::new();
    let hosts = mesh.tables.rows().iter().flat_map(|table| table.listeners.values().flatten());
    for route in hosts.flat_map(|host| &host.routes) {
        if let Some(rule) = &route.rule {
            let (has_timeout, has_retries) = rules.entry(RuleName::of(rule)).or_default();
            *has_timeout |= route.timeout.is_some();
            *has_retries |= route.retry.is_some();
        }
    }
    let mut all = Vec::new();
    for (rule, (has_timeout, has_retries)) in rules {
        let name = |key: &str| format!("{} {} {key}", rule.object, rule.name);
        if has_timeout {
            all.push((name("timeout"), false, What::Timeout(rule.clone())));
        }
        if has_retries {
            all.push((name("retries.attempts"), false, What::Retries(rule.clone())));
        }
    }
    all
}

/// A rule, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RuleName {
    object: String,
    name: String,
}

impl RuleName {
    fn of(rule: &Rule) -> RuleName {
        RuleName { object: rule.object.clone(), name: rule.name.clone() }
    }
}

impl What {
    /// Why there is no such value.
    fn absent(&self) -> &'static str {
        match self {
            What::ServiceTime(_) => "it does no work of its own",
            What::Errors(_) => "it has no errors",
            What::Concurrency(_) | What::Queue(_) => "it is unlimited",
            _ => "there is none",
        }
    }

    fn slots<'m>(&'m self, mesh: &'m mut Mesh) -> Vec<Slot<'m>> {
        match self {
            What::ServiceTime(id) => {
                let workload = &mut mesh.workloads[*id];
                let steps = workload.operations.iter_mut().flat_map(|operation| &mut operation.steps);
                let work = steps.filter_map(|step| match step {
                    Step::Work(law) => Some(Slot::Law(law)),
                    Step::Calls(_) => None,
                });
                let errors = workload.errors.as_mut().and_then(|errors| errors.service_time.as_mut());
                work.chain(errors.map(Slot::Law)).collect()
            }
            What::Errors(id) => {
                let errors = mesh.workloads[*id].errors.as_mut();
                errors.map(|errors| Slot::Chance(&mut errors.rate)).into_iter().collect()
            }
            What::Concurrency(id) => {
                mesh.workloads[*id].concurrency.as_mut().map(Slot::Count).into_iter().collect()
            }
            What::Queue(id) => mesh.workloads[*id].queue.as_mut().map(Slot::Whole).into_iter().collect(),
            What::Load(id) => vec![Slot::Load(&mut mesh.clients[*id].load)],
            What::NetworkLatency => vec![Slot::Law(&mut mesh.network.latency)],
            What::BetweenZones => vec![Slot::Law(&mut mesh.network.between_zones)],
            What::BetweenRegions => vec![Slot::Law(&mut mesh.network.between_regions)],
            What::ProxyLatency => vec![Slot::Law(&mut mesh.proxy.latency)],
            What::ZtunnelLatency => vec![Slot::Law(&mut mesh.proxy.ztunnel_latency)],
            What::Limit(service, subset, limit) => limit_slots(mesh, *service, subset, *limit),
            What::Timeout(rule) => {
                let timeouts = routes_of(mesh, rule).filter_map(|route| route.timeout.as_mut());
                timeouts.map(Slot::Length).collect()
            }
            What::Retries(rule) => {
                let retries = routes_of(mesh, rule).filter_map(|route| route.retry.as_mut());
                retries.map(|retry| Slot::Count(&mut retry.attempts)).collect()
            }
        }
    }
}

/// At callers, and at the pods themselves, which a service's own limits hold for again. Source: semantics S1.2.
fn limit_slots<'m>(mesh: &'m mut Mesh, service: ServiceId, subset: &str, limit: Limit) -> Vec<Slot<'m>> {
    let Mesh { clusters, workloads, .. } = mesh;
    let mut slots: Vec<Slot<'m>> = Vec::new();
    for cluster in clusters.rows_mut() {
        if cluster.service == service && cluster.subset == subset {
            slots.push(Slot::Whole(limit.of(&mut cluster.breakers)));
        }
    }
    if subset.is_empty() {
        let inbound = workloads.rows_mut().iter_mut().flat_map(|workload| &mut workload.inbound);
        for port in inbound.filter(|port| port.service == service) {
            slots.push(Slot::Whole(limit.of(&mut port.limits.breakers)));
            let later = port.later.iter_mut().map(|(_, limits)| limit.of(&mut limits.breakers));
            slots.extend(later.map(Slot::Whole));
        }
    }
    slots
}

fn routes_of<'m>(mesh: &'m mut Mesh, name: &'m RuleName) -> impl Iterator<Item = &'m mut Route> {
    let hosts = mesh.tables.rows_mut().iter_mut().flat_map(|table| table.listeners.values_mut().flatten());
    let routes = hosts.flat_map(|host| &mut host.routes);
    routes.filter(move |route| route.rule.as_ref().map(RuleName::of).as_ref() == Some(name))
}
