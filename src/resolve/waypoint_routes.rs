//! What the replicas of a waypoint do for one service behind it. Which service that is, the address tells that was
//! dialled; the host that a request names plays no part. Source: semantics S22.3.

use super::clusters::Viewer;
use super::conditions::{Listener, is_catch_all};
use super::object::Object;
use super::precedence::{for_host, in_order};
use super::retries;
use super::routes::Translator;
use super::services::{Caller, KnownDoor};
use super::states::Snapshot;
use super::versions::Change;
use crate::config::istio::values::Labels;
use crate::config::istio::{DestinationRule, VirtualService};
use crate::mesh::ServiceId;
use crate::mesh::policy_spec::Protocol;
use crate::mesh::routing::{Route, RouteTable, VirtualHost};

/// The DestinationRules that a waypoint can follow: none with a selector. Source: semantics S22.4.
pub fn rules(snapshot: &Snapshot) -> Vec<Object<DestinationRule>> {
    snapshot.destination_rules.iter().filter(|rule| rule.spec.workload_selector.is_none()).cloned().collect()
}

/// The table of a door.
pub fn table(translator: &mut Translator<'_, '_, '_>, door: KnownDoor) -> RouteTable {
    let inventory = translator.clusters.inventory;
    let (service, waypoint) = (&inventory.services[door.service], &inventory.waypoints.table[door.waypoint]);
    // It has no labels that rules could ask for, so matches by `sourceLabels` are dropped.
    let caller = Caller { namespace: waypoint.namespace.clone(), labels: Labels::new() };
    let all = translator.all;
    let ordered: Vec<&Object<VirtualService>> = in_order(all, &caller.namespace)
        .into_iter()
        .filter(|object| object.spec.binds_mesh())
        .filter(|object| object.namespace == service.namespace || object.namespace == waypoint.namespace)
        .collect();
    let view = format!("waypoint {} for {}", inventory.waypoint_name(door.waypoint), service.name);
    let mut table = RouteTable { view, ..RouteTable::default() };
    translator.clusters.viewer = Viewer::Waypoint(door.waypoint);
    for port in &service.ports {
        let listener = Listener { caller: &caller, port: port.number, gateway: None };
        let mut routes = Vec::new();
        if port.protocol.is_http() {
            routes = merged(translator, &for_host(&ordered, &service.host), &listener);
        }
        if routes.is_empty() {
            routes = vec![default_route(translator, door.service, port.protocol, &listener)];
        }
        let name = format!("{}:{}", service.host, port.number);
        let host = VirtualHost { name, domains: vec!["*".to_owned()], routes };
        table.listeners.insert(port.number, vec![host]);
    }
    translator.clusters.viewer = Viewer::Envoy;
    table
}

/// The rules of all VirtualServices, one behind the other, up to the first that takes everything; before 1.30 those of
/// the first alone. Source: semantics S22.3.
fn merged(
    translator: &mut Translator<'_, '_, '_>,
    objects: &[&Object<VirtualService>],
    listener: &Listener<'_>,
) -> Vec<Route> {
    let most = if translator.clusters.version.has(Change::WaypointsMerge) { objects.len() } else { 1 };
    let mut routes: Vec<Route> = Vec::new();
    for object in objects.iter().take(most) {
        routes.extend(translator.routes(object, listener));
        if routes.last().is_some_and(|route| is_catch_all(&route.condition)) {
            break;
        }
    }
    routes
}

/// Before 1.31 it tries again as a server's own proxy does, and hashes nothing. Source: semantics S22.3.
fn default_route(
    translator: &mut Translator<'_, '_, '_>,
    service: ServiceId,
    protocol: Protocol,
    listener: &Listener<'_>,
) -> Route {
    let mut route = translator.default_route(service, listener);
    let version = translator.clusters.version;
    if !version.has(Change::WaypointRetry) {
        route.hash = Vec::new();
        route.retry = if protocol.is_http() {
            retries::inbound(None, protocol == Protocol::Grpc, version)
        } else {
            None
        };
    }
    route
}
