//! The route table of a sidecar: a virtual host for each service of each port, and for hosts that only a
//! VirtualService names. Source: semantics S2.2.

use std::collections::BTreeSet;

use super::conditions::Listener;
use super::defaults::PORT;
use super::hosts::takes;
use super::object::Object;
use super::precedence::{for_host, full_hosts, in_order};
use super::routes::Translator;
use super::services::{Caller, KnownService};
use crate::config::istio::VirtualService;
use crate::mesh::ServiceId;
use crate::mesh::routing::{Route, RouteTable, TcpListener, VirtualHost};

/// The table of the sidecars that `caller` describes.
pub fn table(
    translator: &mut Translator<'_, '_, '_>,
    all: &[Object<VirtualService>],
    caller: &Caller,
) -> RouteTable {
    let ordered: Vec<&Object<VirtualService>> =
        in_order(all, &caller.namespace).into_iter().filter(|object| object.spec.binds_mesh()).collect();
    let inventory = translator.clusters.inventory;
    let visible: Vec<(ServiceId, &KnownService)> =
        inventory.services.iter().filter(|(_, service)| service.is_visible(&caller.namespace)).collect();
    let foreign = foreign_hosts(&ordered, &visible);
    let mut ports: BTreeSet<u16> =
        visible.iter().flat_map(|(_, service)| &service.ports).map(|p| p.number).collect();
    ports.extend(foreign.iter().flat_map(|host| &host.ports));

    let mut table = RouteTable { view: format!("sidecars in {}", caller.namespace), ..RouteTable::default() };
    for port in ports {
        let listener = Listener { caller, port, gateway: None };
        let mut hosts = Domains::default();
        for host in foreign.iter().filter(|host| host.ports.contains(&port)) {
            if hosts.has(&host.domain) {
                continue;
            }
            let routes = translator.routes(host.object, &listener);
            if !routes.is_empty() {
                hosts.add(&host.domain, port, vec![host.domain.clone()], routes);
            }
        }
        for (id, service) in &visible {
            let Some(known_port) = service.port(port) else { continue };
            let routes = match known_port.protocol.is_http() {
                true => routes(translator, &ordered, *id, &listener),
                false => vec![translator.default_route(*id, &listener)],
            };
            hosts.add(&service.host, port, service.domains(&caller.namespace), routes);
        }
        table.listeners.insert(port, hosts.list);
        for (id, service) in &visible {
            let known_port = service.port(port);
            if known_port.is_some_and(|port| !port.protocol.is_http() || port.is_sniffed) {
                let routes = translator.tcp_routes(&ordered, *id, &listener);
                table.tcp.insert(TcpListener { service: Some(*id), port }, routes);
            }
        }
    }
    table
}

/// The routes of one service: of the first VirtualService that has anything to say to this proxy, else its own.
pub fn routes(
    translator: &mut Translator<'_, '_, '_>,
    ordered: &[&Object<VirtualService>],
    id: ServiceId,
    listener: &Listener<'_>,
) -> Vec<Route> {
    let host = &translator.clusters.inventory.services[id].host;
    let candidates = for_host(ordered, host).into_iter();
    let mut found =
        candidates.map(|object| translator.routes(object, listener)).filter(|list| !list.is_empty());
    found.next().unwrap_or_else(|| vec![translator.default_route(id, listener)])
}

/// A host that is no registry service, and the ports on which its virtual host exists.
struct Foreign<'a> {
    domain: String,
    ports: BTreeSet<u16>,
    object: &'a Object<VirtualService>,
}

/// Hosts that only VirtualServices name: on port 80, unless the same VirtualService names services too, whose HTTP
/// ports count then. A wildcard that takes a service is applied to the services alone. Source: semantics S2.2.
fn foreign_hosts<'a>(
    ordered: &[&'a Object<VirtualService>],
    visible: &[(ServiceId, &KnownService)],
) -> Vec<Foreign<'a>> {
    let mut foreign = Vec::new();
    for object in ordered {
        let hosts = full_hosts(object);
        let taken = |host: &str| -> Vec<&KnownService> {
            let fits = |service: &&KnownService| service.host == host || takes(host, &service.host);
            visible.iter().map(|(_, service)| *service).filter(fits).collect()
        };
        let own: Vec<&KnownService> = hosts.iter().flat_map(|host| taken(host)).collect();
        let ports: BTreeSet<u16> = if own.is_empty() {
            BTreeSet::from([PORT])
        } else {
            let http = own.iter().flat_map(|service| &service.ports).filter(|port| port.protocol.is_http());
            http.map(|port| port.number).collect()
        };
        for domain in hosts.into_iter().filter(|host| taken(host).is_empty()) {
            foreign.push(Foreign { domain, ports: ports.clone(), object });
        }
    }
    foreign
}

/// Virtual hosts of one listener: no domain twice, the first keeps it.
#[derive(Default)]
struct Domains {
    list: Vec<VirtualHost>,
    taken: BTreeSet<String>,
}

impl Domains {
    fn has(&self, domain: &str) -> bool {
        self.taken.contains(domain)
    }

    fn add(&mut self, host: &str, port: u16, domains: Vec<String>, routes: Vec<Route>) {
        let free: Vec<String> =
            domains.into_iter().filter(|domain| self.taken.insert(domain.clone())).collect();
        if !free.is_empty() {
            self.list.push(VirtualHost { name: format!("{host}:{port}"), domains: free, routes });
        }
    }
}
