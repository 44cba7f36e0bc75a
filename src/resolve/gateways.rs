//! The route table of a gateway: its servers' ports, and on each the VirtualServices that bind to it, merged by host.
//! Source: semantics S2.2, S2.6; fields, Gateway.

use std::collections::{BTreeMap, BTreeSet};

use super::conditions::{Listener, is_catch_all, names_gateway};
use super::hosts::{common, takes};
use super::object::{Object, selects};
use super::precedence::{full_hosts, in_order};
use super::routes::{Translator, plain};
use super::services::Caller;
use crate::config::istio::gateway::Server;
use crate::config::istio::{Gateway, VirtualService};
use crate::mesh::routing::{Action, Route, RouteTable, TcpListener, TcpRoute, VirtualHost};

/// What a redirect to HTTPS answers. Source: semantics S2.2.
const HTTPS_REDIRECT: u16 = 301;

/// `namespace/name`.
pub fn reference(gateway: &Object<Gateway>) -> String {
    format!("{}/{}", gateway.namespace, gateway.name)
}

/// The Gateway that a client names: `name` in the scenario's namespace, else the only one of that name, or
/// `namespace/name`.
pub fn find<'a>(all: &'a [Object<Gateway>], name: &str, namespace: &str) -> Option<&'a Object<Gateway>> {
    if let Some((namespace, name)) = name.split_once('/') {
        return all.iter().find(|gateway| gateway.namespace == namespace && gateway.name == name);
    }
    let mut named = all.iter().filter(|gateway| gateway.name == name);
    let first = named.next()?;
    let others: Vec<&Object<Gateway>> = named.collect();
    if others.is_empty() {
        return Some(first);
    }
    std::iter::once(first).chain(others).find(|gateway| gateway.namespace == namespace)
}

/// All Gateways that the pods of this one serve: those whose selector takes the labels that this one asks for.
pub fn served_together<'a>(
    all: &'a [Object<Gateway>],
    gateway: &Object<Gateway>,
) -> Vec<&'a Object<Gateway>> {
    all.iter()
        .filter(|other| {
            reference(other) == reference(gateway) || selects(&other.spec.selector, &gateway.spec.selector)
        })
        .collect()
}

/// The table of the pods that serve these Gateways.
pub fn table(
    translator: &mut Translator<'_, '_, '_>,
    all: &[Object<VirtualService>],
    gateways: &[&Object<Gateway>],
    caller: &Caller,
    view: String,
) -> RouteTable {
    let ordered = in_order(all, &caller.namespace);
    let mut servers: BTreeMap<u16, Vec<(&Object<Gateway>, &Server)>> = BTreeMap::new();
    for gateway in gateways {
        for server in gateway.spec.servers.iter().filter(|server| server.serves_http()) {
            if let Some(port) = server.port_number() {
                servers.entry(port).or_default().push((gateway, server));
            }
        }
    }
    let mut table = RouteTable { view, ..RouteTable::default() };
    for (port, servers) in servers {
        let mut hosts: Vec<(String, Vec<Route>)> = Vec::new();
        for object in &ordered {
            // A host that several servers take gets the rules once.
            let mut seen = BTreeSet::new();
            for (gateway, server) in servers.iter().filter(|(_, server)| !server.redirects()) {
                let name = reference(gateway);
                if !object.spec.gateways.iter().any(|w| names_gateway(w, &object.namespace, Some(&name))) {
                    continue;
                }
                let listener = Listener { caller, port, gateway: Some(&name) };
                for host in shared_hosts(object, gateway, server) {
                    if !seen.insert(host.clone()) {
                        continue;
                    }
                    let routes = translator.routes(object, &listener);
                    match hosts.iter_mut().find(|(known, _)| *known == host) {
                        Some((_, list)) => list.extend(routes),
                        None => hosts.push((host, routes)),
                    }
                }
            }
        }
        let mut list: Vec<VirtualHost> = hosts
            .into_iter()
            .filter(|(_, routes)| !routes.is_empty())
            .map(|(host, routes)| VirtualHost {
                name: format!("{host}:{port}"),
                domains: vec![host],
                routes: catch_alls_last(routes),
            })
            .collect();
        for (gateway, server) in servers.iter().filter(|(_, server)| server.redirects()) {
            redirect(&mut list, gateway, server, port);
        }
        table.listeners.insert(port, list);
    }
    connections(translator, &ordered, gateways, caller, &mut table);
    table
}

/// What the servers that do not speak HTTP make of connections: those that pass TLS on go by the name in it (`tls`
/// rules), those that end it and those without it by the first `tcp` rule. Source: istiod's gateway.go.
fn connections(
    translator: &mut Translator<'_, '_, '_>,
    ordered: &[&Object<VirtualService>],
    gateways: &[&Object<Gateway>],
    caller: &Caller,
    table: &mut RouteTable,
) {
    for gateway in gateways {
        let name = reference(gateway);
        for server in gateway.spec.servers.iter().filter(|server| server.serves_connections()) {
            let Some(port) = server.port_number() else { continue };
            let listener = Listener { caller, port, gateway: Some(&name) };
            let is_bound = |object: &&&Object<VirtualService>| {
                object.spec.gateways.iter().any(|w| names_gateway(w, &object.namespace, Some(&name)))
                    && !shared_hosts(object, gateway, server).is_empty()
            };
            let bound: Vec<&Object<VirtualService>> = ordered.iter().filter(is_bound).copied().collect();
            let routes = table.tcp.entry(TcpListener { service: None, port }).or_default();
            if server.reads_names() && server.passes_through() {
                routes.extend(translator.by_name(&bound, &listener));
            } else if let Some(route) = translator.first_of(&bound, &listener) {
                let own = server.hosts.iter().map(|host| host.split_once('/').map_or(host.as_str(), |h| h.1));
                let sni: Vec<String> = own.map(str::to_ascii_lowercase).collect();
                let all = !server.reads_names() || sni.iter().any(|name| name == "*");
                routes.push(TcpRoute { sni: if all { Vec::new() } else { sni }, ..route });
            }
        }
    }
}

/// The hosts that a VirtualService and a server have in common, the narrower name of each pair.
fn shared_hosts(object: &Object<VirtualService>, gateway: &Object<Gateway>, server: &Server) -> Vec<String> {
    let mut shared = Vec::new();
    for host in full_hosts(object) {
        for written in &server.hosts {
            let (namespace, pattern) = written.split_once('/').unwrap_or(("*", written));
            let open = match namespace {
                "*" => true,
                "." => object.namespace == gateway.namespace,
                name => object.namespace == name,
            };
            if open
                && let Some(both) = common(&host, &pattern.to_ascii_lowercase())
                && !shared.iter().any(|known| known == both)
            {
                shared.push(both.to_owned());
            }
        }
    }
    shared
}

/// Catch-alls go behind everything else, in stable order; what stands behind the first of them is never reached.
fn catch_alls_last(routes: Vec<Route>) -> Vec<Route> {
    let (all, mut some): (Vec<Route>, Vec<Route>) =
        routes.into_iter().partition(|route| is_catch_all(&route.condition));
    some.extend(all.into_iter().take(1));
    some
}

/// Every request to the server's hosts is sent to HTTPS.
fn redirect(list: &mut Vec<VirtualHost>, gateway: &Object<Gateway>, server: &Server, port: u16) {
    for written in &server.hosts {
        let host = written.split_once('/').map_or(written.as_str(), |(_, host)| host).to_ascii_lowercase();
        let known = |domain: &String| *domain == host || (host.starts_with('*') && takes(&host, domain));
        if !list.iter().any(|virtual_host| virtual_host.domains.iter().any(known)) {
            list.push(VirtualHost {
                name: format!("{}: https redirect of {host}:{port}", reference(gateway)),
                domains: vec![host],
                routes: vec![plain(Action::Respond(HTTPS_REDIRECT))],
            });
        }
    }
}
