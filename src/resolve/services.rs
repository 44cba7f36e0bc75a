//! Who there is: services with their ports, workloads and pods, as all later steps look them up. `inventory` fills it.

use std::collections::BTreeMap;

use super::hosts::{client_domain, domains};
use super::object::is_exported;
use super::planes::Planes;
use crate::config::diagnostic::Span;
use crate::config::istio::kubernetes::IntOrName;
use crate::config::istio::values::Labels;
use crate::kernel::{SimDuration, Table};
use crate::mesh::policy_spec::Protocol;
use crate::mesh::workload::{DataPlane, Scaling};
use crate::mesh::{DoorId, Pod, PodId, ServiceId, WaypointId, WorkloadId, Zone, ZoneId};

/// A service and what callers can know of it.
#[derive(Clone, Debug)]
pub struct KnownService {
    /// `reviews`; for a ServiceEntry its host.
    pub name: String,
    pub namespace: String,
    pub host: String,
    pub ports: Vec<KnownPort>,
    /// Labels of its pods; empty: it selects none.
    pub selector: Labels,
    pub export_to: Vec<String>,
    /// Near pods come first (`trafficDistribution`).
    pub prefers_near: bool,
    /// Callers dial its pods themselves.
    pub is_headless: bool,
    pub origin: Origin,
    /// `Service default/reviews` and its place; `None` for one that only the scenario names.
    pub object: Option<(String, Span)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Kubernetes,
    /// A ServiceEntry; external ones have no mTLS. Source: semantics S13.1.
    Entry {
        external: bool,
    },
    /// Only the scenario names it. Source: design D9.15.
    Scenario,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPort {
    pub number: u16,
    pub name: String,
    pub protocol: Protocol,
    /// It names no protocol, so proxies look at the first bytes: what is no HTTP passes as it is.
    pub is_sniffed: bool,
    /// Where the pods listen, if that is another port.
    pub target: Option<IntOrName>,
}

#[derive(Clone, Debug)]
pub struct KnownWorkload {
    pub name: String,
    pub namespace: String,
    pub labels: Labels,
    pub data_plane: DataPlane,
    /// Ascending.
    pub services: Vec<ServiceId>,
    pub pods: Vec<PodId>,
    /// Empty: all of them are there throughout.
    pub scalings: Vec<Scaling>,
    /// As the manifest has it: how long its containers hold their end up.
    pub shutdown: Option<SimDuration>,
    /// As the manifest has it.
    pub grace: Option<SimDuration>,
    /// Ports that its pods have by name.
    pub named_ports: BTreeMap<String, u16>,
}

#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The scenario's.
    pub namespace: String,
    pub zones: Table<ZoneId, Zone>,
    pub services: Table<ServiceId, KnownService>,
    pub workloads: Table<WorkloadId, KnownWorkload>,
    pub pods: Table<PodId, Pod>,
    pub by_host: BTreeMap<String, ServiceId>,
    /// Load-balancing weights that are not 1.
    pub weights: BTreeMap<PodId, u32>,
    pub planes: Planes,
    pub waypoints: Waypoints,
}

/// Who applies rules for callers in ambient mode, and to which services. Source: semantics S22.1.
#[derive(Clone, Debug, Default)]
pub struct Waypoints {
    pub table: Table<WaypointId, KnownWaypoint>,
    pub doors: Table<DoorId, KnownDoor>,
    pub by_service: BTreeMap<ServiceId, DoorId>,
}

#[derive(Clone, Debug)]
pub struct KnownWaypoint {
    pub name: String,
    pub namespace: String,
    pub replicas: u32,
    /// Empty: all that there are.
    pub zones: Vec<String>,
    /// `Gateway default/waypoint` and its place; `None` for one that only the scenario names.
    pub object: Option<(String, Span)>,
}

/// One service behind one waypoint.
#[derive(Clone, Copy, Debug)]
pub struct KnownDoor {
    pub waypoint: WaypointId,
    pub service: ServiceId,
    /// Gateways send through it too. Source: semantics S22.5.
    pub takes_ingress: bool,
}

/// Whoever looks at the configuration: what decides which objects it sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    pub namespace: String,
    pub labels: Labels,
}

impl Inventory {
    pub fn service(&self, host: &str) -> Option<ServiceId> {
        self.by_host.get(host).copied()
    }

    /// Short in the scenario's namespace, else `name.namespace`. Source: design D9.19.
    pub fn display_name(&self, name: &str, namespace: &str) -> String {
        if namespace == self.namespace { name.to_owned() } else { format!("{name}.{namespace}") }
    }

    /// The workload of this name, as the scenario writes it: short, or `name.namespace`.
    pub fn workload(&self, name: &str) -> Option<WorkloadId> {
        self.workloads
            .iter()
            .find(|(_, w)| self.display_name(&w.name, &w.namespace) == name)
            .map(|(id, _)| id)
    }

    /// The pods behind a service that have these labels, in the order of the pods.
    pub fn endpoints(&self, service: ServiceId, labels: &Labels) -> Vec<PodId> {
        let backs = |workload: WorkloadId| {
            let workload = &self.workloads[workload];
            workload.services.contains(&service) && super::object::selects(labels, &workload.labels)
        };
        self.pods.iter().filter(|(_, pod)| backs(pod.workload)).map(|(id, _)| id).collect()
    }

    /// The port on which a workload listens for a service's port.
    pub fn target_port(&self, port: &KnownPort, workload: WorkloadId) -> u16 {
        match &port.target {
            Some(IntOrName::Number(number)) => u16::try_from(*number).unwrap_or(port.number),
            Some(IntOrName::Name(name)) => {
                self.workloads[workload].named_ports.get(name).copied().unwrap_or(port.number)
            }
            None => port.number,
        }
    }

    /// The door by which callers in ambient mode reach a service.
    pub fn door(&self, service: ServiceId) -> Option<DoorId> {
        self.waypoints.by_service.get(&service).copied()
    }

    /// `waypoint`, or `waypoint.infra` outside of the scenario's namespace.
    pub fn waypoint_name(&self, waypoint: WaypointId) -> String {
        let KnownWaypoint { name, namespace, .. } = &self.waypoints.table[waypoint];
        self.display_name(name, namespace)
    }
}

impl KnownService {
    pub fn port(&self, number: u16) -> Option<&KnownPort> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// The names by which callers of a namespace may call it.
    pub fn domains(&self, client_namespace: &str) -> Vec<String> {
        domains(&self.host, &client_domain(client_namespace))
    }

    pub fn is_visible(&self, client_namespace: &str) -> bool {
        is_exported(&self.export_to, &self.namespace, client_namespace)
    }

    pub fn is_external(&self) -> bool {
        self.origin == Origin::Entry { external: true }
    }
}

/// The protocol of a port. `appProtocol` wins over the name's prefix; a port that names none is sniffed, and what
/// callers send here is HTTP/1.1. Source: semantics S7.3; fields, Service.
pub fn port_protocol(app_protocol: Option<&str>, name: Option<&str>) -> Protocol {
    if let Some(word) = app_protocol {
        // Kubernetes' own words for protocols have a domain before them.
        let word = word.rsplit('/').next().unwrap_or(word).to_ascii_lowercase();
        return match word.as_str() {
            "http2" | "h2c" => Protocol::Http2,
            "http" | "ws" => Protocol::Http1,
            _ => known_word(&word).unwrap_or(Protocol::Http1),
        };
    }
    let name = name.unwrap_or("").to_ascii_lowercase();
    known_word(name.split('-').next().unwrap_or("")).unwrap_or(Protocol::Http1)
}

/// Whether a port names a protocol that Istio knows.
pub fn names_protocol(app_protocol: Option<&str>, name: Option<&str>) -> bool {
    let prefix = |text: &str| text.split('-').next().unwrap_or("").to_ascii_lowercase();
    match app_protocol {
        Some(word) => {
            let word = word.rsplit('/').next().unwrap_or(word).to_ascii_lowercase();
            matches!(word.as_str(), "h2c" | "ws") || known_word(&word).is_some()
        }
        None => known_word(&prefix(name.unwrap_or(""))).is_some(),
    }
}

fn known_word(word: &str) -> Option<Protocol> {
    match word {
        "http" => Some(Protocol::Http1),
        "http2" => Some(Protocol::Http2),
        // The proxy turns what browsers send into gRPC. Source: istio/istio pkg/config/protocol/instance.go.
        "grpc" | "grpc-web" => Some(Protocol::Grpc),
        "tcp" | "mongo" | "redis" | "mysql" | "udp" => Some(Protocol::Tcp),
        "tls" | "https" => Some(Protocol::Tls),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_protocol_unless_another_field_does() {
        assert_eq!(port_protocol(None, Some("grpc-api")), Protocol::Grpc);
        assert_eq!(port_protocol(Some("grpc"), Some("http")), Protocol::Grpc);
        assert_eq!(port_protocol(None, Some("grpc-web")), Protocol::Grpc);
        assert_eq!(port_protocol(None, Some("tcp")), Protocol::Tcp);
        assert_eq!(port_protocol(None, Some("https")), Protocol::Tls);
        assert_eq!(port_protocol(Some("tls"), Some("mongo")), Protocol::Tls);
        assert_eq!(port_protocol(None, Some("mysql-main")), Protocol::Tcp);
        assert_eq!(port_protocol(None, Some("web")), Protocol::Http1);
        assert_eq!(port_protocol(None, None), Protocol::Http1);
        assert_eq!(port_protocol(Some("kubernetes.io/h2c"), Some("http")), Protocol::Http2);
    }

    #[test]
    fn a_port_that_names_no_protocol_is_sniffed() {
        assert!(!names_protocol(None, None) && !names_protocol(None, Some("web")));
        assert!(!names_protocol(Some("postgresql"), Some("tcp")));
        assert!(names_protocol(Some("redis"), None) && names_protocol(None, Some("http-web")));
        assert!(names_protocol(Some("kubernetes.io/h2c"), None) && names_protocol(None, Some("grpc-web")));
    }
}
