//! Who serves: services, workloads and pods, out of the manifests and the scenario together. The scenario's values beat
//! the manifests'. Everything is ordered by name, so that the order of files changes nothing.
//! Source: design D4, D9.2, D9.5, D9.15; semantics S4.8.

use std::collections::{BTreeMap, BTreeSet};

use super::defaults::PORT;
use super::hosts::{client_domain, domains, full_name, meant_service};
use super::note::Notes;
use super::object::Object;
use super::planes::{self, Planes};
use super::pods::{self, Draft, Drafts, strings};
use super::replicas;
use super::scenario_calls::ScenarioCall;
use super::services::{Inventory, KnownPort, KnownService, Origin, names_protocol, port_protocol};
use super::states::Backends;
use super::waypoints;
use crate::config::diagnostic::Diagnostic;
use crate::config::istio::kubernetes::{IntOrName, Service};
use crate::config::istio::values::Labels;
use crate::config::istio::{ServiceEntry, values};
use crate::config::scenario::{self as written, Scenario};
use crate::mesh::WorkloadId;
use crate::mesh::policy_spec::Protocol;
use crate::mesh::workload::DataPlane;

pub fn build(
    backends: &Backends,
    scenario: &Scenario,
    calls: &[ScenarioCall],
    notes: &mut Notes<'_>,
) -> Inventory {
    let home = scenario.namespace().to_owned();
    let mut services: BTreeMap<String, KnownService> = BTreeMap::new();
    for service in &backends.services {
        let known = kubernetes_service(service, notes);
        services.entry(known.host.clone()).or_insert(known);
    }
    for entry in &backends.entries {
        for known in entry_services(entry, notes) {
            services.entry(known.host.clone()).or_insert(known);
        }
    }
    let mut drafts = controllers(backends);
    overlay(&mut drafts, scenario, &home);
    replicas::spread(&backends.scalings, &mut drafts, &home, notes);
    named_services(&mut drafts, &mut services, calls, notes);
    entry_endpoints(&mut drafts, &services, backends);
    let planes = Planes::new(scenario, &backends.namespaces);
    let mut inventory = Inventory { namespace: home, planes, ..Inventory::default() };
    for (host, service) in services {
        let id = inventory.services.push(service);
        inventory.by_host.insert(host, id);
    }
    inventory.waypoints = waypoints::build(backends, scenario, &inventory.services, notes);
    pods::make(&mut inventory, drafts, backends, scenario, notes);
    inventory
}

fn kubernetes_service(object: &Object<Service>, notes: &Notes<'_>) -> KnownService {
    let port = |port: &crate::config::istio::kubernetes::ServicePort| {
        let protocol = if port.protocol.as_deref() == Some("UDP") {
            Protocol::Tcp
        } else {
            port_protocol(port.app_protocol.as_deref(), port.name.as_deref())
        };
        let number = u16::try_from(port.port?.0).ok()?;
        let name = port.name.clone().unwrap_or_default();
        let is_sniffed = !names_protocol(port.app_protocol.as_deref(), port.name.as_deref());
        Some(KnownPort { number, name, protocol, is_sniffed, target: port.target_port.clone() })
    };
    let host = full_name(&object.name, &object.namespace);
    let exports = object.annotations.get("networking.istio.io/exportTo").map(String::as_str).unwrap_or("");
    KnownService {
        name: object.name.clone(),
        namespace: object.namespace.clone(),
        host,
        ports: object.spec.ports.iter().filter_map(port).collect(),
        selector: object.spec.selector.clone(),
        export_to: exports.split(',').map(str::trim).filter(|to| !to.is_empty()).map(str::to_owned).collect(),
        prefers_near: prefers_near(object),
        is_headless: object.spec.is_headless(),
        origin: Origin::Kubernetes,
        object: Some((object.title(), object.span(notes, "kind"))),
    }
}

fn prefers_near(object: &Object<Service>) -> bool {
    object.spec.traffic_distribution.is_some()
        || object.annotations.contains_key("networking.istio.io/traffic-distribution")
}

/// A ServiceEntry is as many services as it has hosts.
fn entry_services(object: &Object<ServiceEntry>, notes: &Notes<'_>) -> Vec<KnownService> {
    let spec = &object.spec;
    let port = |port: &crate::config::istio::service_entry::EntryPort| {
        let word =
            port.protocol.as_deref().or_else(|| port.name.as_deref()?.split('-').next()).unwrap_or("tcp");
        // What is not known is TCP here, unlike in a Service. Source: fields, ServiceEntry.
        let protocol = match word.to_ascii_uppercase().as_str() {
            "HTTP" | "GRPC-WEB" => Protocol::Http1,
            "HTTP2" => Protocol::Http2,
            "GRPC" => Protocol::Grpc,
            "TLS" | "HTTPS" => Protocol::Tls,
            _ => Protocol::Tcp,
        };
        let number = u16::try_from(port.number?.0).ok()?;
        let target = port.target_port.map(|target| IntOrName::Number(target.0));
        let name = port.name.clone().unwrap_or_default();
        Some(KnownPort { number, name, protocol, is_sniffed: false, target })
    };
    let ports: Vec<KnownPort> = spec.ports.iter().filter_map(port).collect();
    let external = spec.location.as_deref() != Some("MESH_INTERNAL");
    let service = |host: &String| KnownService {
        name: host.to_ascii_lowercase(),
        namespace: object.namespace.clone(),
        host: host.to_ascii_lowercase(),
        ports: ports.clone(),
        selector: spec.workload_selector.as_ref().map(|selector| selector.labels.clone()).unwrap_or_default(),
        export_to: spec.export_to.clone(),
        prefers_near: false,
        is_headless: false,
        origin: Origin::Entry { external },
        object: Some((object.title(), object.span(notes, "kind"))),
    };
    spec.hosts.iter().map(service).collect()
}

fn controllers(backends: &Backends) -> Drafts<'_> {
    let mut drafts = Drafts::new();
    for object in &backends.controllers {
        drafts.entry((object.namespace.clone(), object.name.clone())).or_insert_with(|| Draft {
            labels: object.spec.pod_labels(),
            replicas: object.spec.replicas.and_then(|count| u32::try_from(count.0).ok()).unwrap_or(1),
            controller: Some(object),
            ..Draft::default()
        });
    }
    drafts
}

/// Lays the scenario's workloads over the Deployments of their names, and adds those that no manifest declares.
fn overlay<'a>(drafts: &mut Drafts<'a>, scenario: &'a Scenario, home: &str) {
    for (name, workload) in scenario.workloads.iter().flat_map(|entries| entries.iter()) {
        let key = draft_key(drafts, &name.value, workload, home);
        let draft = drafts.entry(key).or_insert_with(|| Draft { replicas: 1, ..Draft::default() });
        draft.scenario = Some(workload);
        for (key, value) in workload.labels.iter().flat_map(|labels| labels.iter()) {
            draft.labels.insert(key.value.clone(), value.value.clone());
        }
        if let Some(replicas) = &workload.replicas {
            draft.replicas = replicas.value.get();
        }
        draft.data_plane = planes::said(workload.data_plane.as_ref(), workload.sidecar.as_ref());
        draft.zones = strings(workload.zones.as_ref().map(|zones| zones.0.as_slice()));
    }
}

/// `(namespace, name)`: the Deployment in the namespace written, else in the scenario's, else the only one of that name.
fn draft_key(drafts: &Drafts<'_>, name: &str, workload: &written::Workload, home: &str) -> (String, String) {
    if let Some(namespace) = &workload.namespace {
        return (namespace.value.clone(), name.to_owned());
    }
    let at_home = (home.to_owned(), name.to_owned());
    let mut elsewhere = drafts.keys().filter(|(_, known)| known == name);
    match (drafts.contains_key(&at_home), elsewhere.next(), elsewhere.next()) {
        (false, Some(only), None) => only.clone(),
        _ => at_home,
    }
}

/// Services that `service:` names; those that no manifest has are made. Source: design D9.15.
fn named_services(
    drafts: &mut Drafts<'_>,
    services: &mut BTreeMap<String, KnownService>,
    calls: &[ScenarioCall],
    notes: &mut Notes<'_>,
) {
    for ((namespace, _), draft) in drafts.iter_mut() {
        let Some(list) = draft.scenario.and_then(|workload| workload.service.as_ref()) else { continue };
        for text in &list.0 {
            let (name, port) = match text.value.rsplit_once(':') {
                Some((name, digits)) => (name, digits.parse::<u16>().ok().filter(|port| *port > 0)),
                None => (text.value.as_str(), None),
            };
            let mut host = full_name(name, namespace);
            if let Some(meant) = meant_service(&host).filter(|meant| services.contains_key(meant)) {
                host = meant;
            }
            draft.backs.insert(host.clone());
            match services.get_mut(&host) {
                None => {
                    let service = scenario_service(name, &host, namespace, port, calls, notes);
                    services.insert(host, service);
                }
                Some(service) if service.origin == Origin::Scenario => {
                    if let Some(number) = port.filter(|number| service.port(*number).is_none()) {
                        service.ports.push(scenario_port(number, &to_service(&host, calls)));
                    }
                }
                Some(service) => {
                    if let Some(number) = port.filter(|number| service.port(*number).is_none()) {
                        let ports: Vec<String> =
                            service.ports.iter().map(|port| port.number.to_string()).collect();
                        notes.report(
                            Diagnostic::error("MS0013", format!("service `{name}` has no port {number}"))
                                .at(text.span)
                                .help(format!("its ports are {}", ports.join(", "))),
                        );
                    }
                }
            }
        }
    }
}

/// The addresses of the scenario that mean a service, from inside the mesh.
fn to_service<'c>(host: &str, calls: &'c [ScenarioCall]) -> Vec<&'c ScenarioCall> {
    let means = |call: &&ScenarioCall| {
        call.host == host || domains(host, &client_domain(&call.namespace)).contains(&call.host)
    };
    calls.iter().filter(|call| call.gateway.is_none()).filter(means).collect()
}

/// HTTP, unless all that its callers write are connections.
fn scenario_port(number: u16, calls: &[&ScenarioCall]) -> KnownPort {
    let at_port = || calls.iter().filter(|call| call.port == number);
    let (connects, asks) = (at_port().any(|call| call.is_tcp), at_port().any(|call| !call.is_tcp));
    let (name, protocol) = if connects && !asks { ("tcp", Protocol::Tcp) } else { ("http", Protocol::Http1) };
    KnownPort { number, name: name.into(), protocol, is_sniffed: connects && asks, target: None }
}

fn scenario_service(
    name: &str,
    host: &str,
    namespace: &str,
    port: Option<u16>,
    calls: &[ScenarioCall],
    notes: &mut Notes<'_>,
) -> KnownService {
    let external = name.contains('.');
    let calls = to_service(host, calls);
    let called: BTreeSet<u16> = calls.iter().map(|call| call.port).collect();
    let ports: Vec<u16> = match port {
        Some(port) => vec![port],
        None if called.is_empty() => vec![PORT],
        None => called.into_iter().collect(),
    };
    let ports: Vec<KnownPort> = ports.into_iter().map(|number| scenario_port(number, &calls)).collect();
    let spoken = |protocol: Protocol, word: &str| {
        let own = ports.iter().filter(|port| port.protocol == protocol);
        let list: Vec<String> = own.map(|port| port.number.to_string()).collect();
        (!list.is_empty()).then(|| format!("{word} on port {}", list.join(", ")))
    };
    let all = [spoken(Protocol::Http1, "HTTP/1.1"), spoken(Protocol::Tcp, "TCP")];
    let all: Vec<String> = all.into_iter().flatten().collect();
    notes.guess(format!("service {name}"), format!("no manifest declares it: {}", all.join(", ")));
    KnownService {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        host: host.to_owned(),
        ports,
        selector: Labels::new(),
        export_to: Vec::new(),
        prefers_near: false,
        is_headless: false,
        origin: if external { Origin::Entry { external: true } } else { Origin::Scenario },
        object: None,
    }
}

/// Servers for the endpoints of ServiceEntries that no workload of the scenario stands for: one workload for each set
/// of labels, without sidecar. Source: design D9.2.
fn entry_endpoints(drafts: &mut Drafts<'_>, services: &BTreeMap<String, KnownService>, backends: &Backends) {
    for entry in &backends.entries {
        if entry.spec.workload_selector.is_some() {
            continue;
        }
        for host in entry.spec.hosts.iter().map(|host| host.to_ascii_lowercase()) {
            let is_backed = drafts.values().any(|draft| draft.backs.contains(&host));
            if is_backed
                || !services.get(&host).is_some_and(|service| matches!(service.origin, Origin::Entry { .. }))
            {
                continue;
            }
            let mut groups: Vec<(Labels, Vec<(String, u32)>)> = Vec::new();
            for endpoint in &entry.spec.endpoints {
                let weight =
                    endpoint.weight.and_then(|weight| u32::try_from(weight.0).ok()).unwrap_or(1).max(1);
                let address = (endpoint_address(endpoint, &services[&host]), weight);
                match groups.iter_mut().find(|(labels, _)| *labels == endpoint.labels) {
                    Some((_, list)) => list.push(address),
                    None => groups.push((endpoint.labels.clone(), vec![address])),
                }
            }
            if groups.is_empty() {
                groups.push((Labels::new(), Vec::new()));
            }
            for (number, (labels, endpoints)) in groups.into_iter().enumerate() {
                let name = if number == 0 { host.clone() } else { format!("{host}-{}", number + 1) };
                drafts.entry((entry.namespace.clone(), name)).or_insert_with(|| Draft {
                    labels,
                    replicas: u32::try_from(endpoints.len()).unwrap_or(1).max(1),
                    data_plane: Some(DataPlane::Bare),
                    endpoints,
                    backs: BTreeSet::from([host.clone()]),
                    ..Draft::default()
                });
            }
        }
    }
}

fn endpoint_address(
    endpoint: &crate::config::istio::service_entry::WorkloadEntry,
    service: &KnownService,
) -> String {
    let first = service.ports.first();
    let port = first.and_then(|port| endpoint.ports.get(&port.name)).map(|values::Int(number)| *number);
    let port = port.or(first.map(|port| i64::from(port.number))).unwrap_or(i64::from(PORT));
    format!("{}:{port}", endpoint.address.as_deref().unwrap_or(&service.host))
}

/// The workload of a scenario's entry.
pub fn workload_of(inventory: &Inventory, name: &str, said: &written::Workload) -> Option<WorkloadId> {
    let named = |namespace: &str| {
        inventory.workloads.iter().find(|(_, w)| w.name == name && w.namespace == namespace).map(|(id, _)| id)
    };
    match &said.namespace {
        Some(namespace) => named(&namespace.value),
        None => named(&inventory.namespace).or_else(|| {
            inventory.workloads.iter().find(|(_, workload)| workload.name == name).map(|(id, _)| id)
        }),
    }
}
