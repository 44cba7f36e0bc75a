//! The route tables of callers that read few rules or none: applications without any proxy, those whose ztunnel knows
//! connections alone, and gRPC libraries that ask the control plane themselves. Source: design D9.2; semantics S22.1.

use super::conditions::Listener;
use super::note::NoEffect;
use super::object::Object;
use super::precedence::in_order;
use super::routes::{Translator, plain};
use super::services::Caller;
use super::sidecars;
use crate::config::istio::VirtualService;
use crate::mesh::ServiceId;
use crate::mesh::policy_spec::Protocol;
use crate::mesh::routing::{
    Action, Destination, HeaderOps, Rewrite, Route, RouteTable, TcpListener, TcpRoute, VirtualHost,
};

/// Callers without any proxy: each service as it is. Source: design D9.2.
pub fn bare(translator: &mut Translator<'_, '_, '_>, namespace: &str, view: String) -> RouteTable {
    table(translator, namespace, view, bare_destination, |translator, id, port| {
        vec![bare_route(translator, id, port)]
    })
}

/// Callers in ambient mode: the waypoint of a service if it has one, else its pods. Connections of opaque bytes go to the
/// pods in any case: a waypoint's rules for them are not modelled. Source: semantics S22.1.
pub fn ztunnel(translator: &mut Translator<'_, '_, '_>, namespace: &str, view: String) -> RouteTable {
    let pods = |translator: &mut Translator<'_, '_, '_>, id, port| {
        Destination::whole(id, port, translator.clusters.captured((id, port), translator.notes).ok())
    };
    table(translator, namespace, view, pods, |translator, id, port| {
        let door = translator.clusters.inventory.door(id);
        let destination = match door {
            Some(_) => Destination { door, ..Destination::whole(id, port, None) },
            None => pods(translator, id, port),
        };
        vec![plain(Action::Forward(vec![destination]))]
    })
}

/// Callers with a gRPC library in place of a proxy: matches and weights on gRPC ports, nothing elsewhere.
/// Source: istio `grpcgen`; docs/model.md D9.2.
pub fn library(
    translator: &mut Translator<'_, '_, '_>,
    all: &[Object<VirtualService>],
    caller: &Caller,
    view: String,
) -> RouteTable {
    let ordered: Vec<&Object<VirtualService>> =
        in_order(all, &caller.namespace).into_iter().filter(|object| object.spec.binds_mesh()).collect();
    table(translator, &caller.namespace, view, bare_destination, |translator, id, port| {
        let known = translator.clusters.inventory.services[id].port(port);
        if known.is_none_or(|port| port.protocol != Protocol::Grpc) {
            return vec![bare_route(translator, id, port)];
        }
        let listener = Listener { caller, port, gateway: None };
        let routes = sidecars::routes(translator, &ordered, id, &listener);
        routes.into_iter().map(|route| as_library(route, &mut translator.clusters.unfollowed)).collect()
    })
}

/// What a library makes of a route; the rest of it goes to `unfollowed`.
fn as_library(route: Route, unfollowed: &mut Vec<NoEffect>) -> Route {
    let is_plain = route.fault.is_none()
        && route.timeout.is_none()
        && route.mirrors.is_empty()
        && route.rewrite == Rewrite::default()
        && route.request_headers.is_empty();
    if let Some(rule) = route.rule.as_ref().filter(|_| !is_plain) {
        unfollowed.push(NoEffect {
            object: rule.object.clone(),
            place: rule.place.clone(),
            why: "callers with gRPC's own library follow its matches, weights and subsets alone".to_owned(),
        });
    }
    Route {
        fault: None,
        timeout: None,
        retry: None,
        mirrors: Vec::new(),
        rewrite: Rewrite::default(),
        request_headers: HeaderOps::default(),
        ..route
    }
}

fn bare_route(translator: &mut Translator<'_, '_, '_>, id: ServiceId, port: u16) -> Route {
    plain(Action::Forward(vec![bare_destination(translator, id, port)]))
}

fn bare_destination(translator: &mut Translator<'_, '_, '_>, id: ServiceId, port: u16) -> Destination {
    Destination::whole(id, port, translator.clusters.bare((id, port), translator.notes).ok())
}

/// A virtual host, and a route of connections, for each port of each service.
fn table(
    translator: &mut Translator<'_, '_, '_>,
    namespace: &str,
    view: String,
    connections: impl Fn(&mut Translator<'_, '_, '_>, ServiceId, u16) -> Destination,
    routes: impl Fn(&mut Translator<'_, '_, '_>, ServiceId, u16) -> Vec<Route>,
) -> RouteTable {
    let inventory = translator.clusters.inventory;
    let mut table = RouteTable { view, ..RouteTable::default() };
    for (id, service) in inventory.services.iter() {
        for port in &service.ports {
            let host = VirtualHost {
                name: format!("{}:{}", service.host, port.number),
                domains: service.domains(namespace),
                routes: routes(translator, id, port.number),
            };
            table.listeners.entry(port.number).or_default().push(host);
            let connections = TcpRoute {
                rule: None,
                sni: Vec::new(),
                destinations: vec![connections(translator, id, port.number)],
                hashes_source: false,
                longest: None,
            };
            table.tcp.insert(TcpListener { service: Some(id), port: port.number }, vec![connections]);
        }
    }
    table
}
