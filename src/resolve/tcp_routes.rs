//! Where connections of opaque bytes go: `tcp` and `tls` rules of VirtualServices, as one caller at one listener gets
//! them. Unlike http rules they are taken from all VirtualServices that name the host, in their order: the first that
//! fits holds, by name (SNI) on a port for TLS, without one elsewhere. Source: istiod's tls.go and networkfilter.go.

use super::conditions::{Listener, is_for_connections};
use super::hosts::takes;
use super::object::Object;
use super::policies;
use super::precedence::full_hosts;
use super::routes::{Translator, length};
use crate::config::istio::VirtualService;
use crate::config::istio::destination_rule::LoadBalancer;
use crate::config::istio::virtual_service::{L4Destination, L4Match};
use crate::mesh::ServiceId;
use crate::mesh::policy_spec::Protocol;
use crate::mesh::routing::{Destination, HeaderOps, Rule, ServiceRef, TcpRoute};

/// What becomes of connections whose cluster does not exist.
const CONNECTIONS_LOST: &str = "connections that are routed here are closed (NC)";

impl Translator<'_, '_, '_> {
    /// The routes of connections from sidecars to one port of a service.
    pub fn tcp_routes(
        &mut self,
        ordered: &[&Object<VirtualService>],
        service: ServiceId,
        listener: &Listener<'_>,
    ) -> Vec<TcpRoute> {
        let known = &self.clusters.inventory.services[service];
        let port = known.port(listener.port);
        let names_it = |object: &&&Object<VirtualService>| {
            full_hosts(object).iter().any(|host| *host == known.host || takes(host, &known.host))
        };
        let own: Vec<&Object<VirtualService>> = ordered.iter().filter(names_it).copied().collect();
        let routes = match port.map(|port| port.protocol) {
            Some(Protocol::Tls) => self.by_name(&own, listener),
            _ => self.first_of(&own, listener).into_iter().collect(),
        };
        // Rules for names leave those that they do not name without any way; without rules all go to the service.
        if routes.is_empty() { vec![self.plain_tcp(service, listener)] } else { routes }
    }

    /// A route for each name that a `tls` rule of these takes here.
    pub fn by_name(&mut self, objects: &[&Object<VirtualService>], listener: &Listener<'_>) -> Vec<TcpRoute> {
        let mut routes = Vec::new();
        for object in objects {
            for (index, rule) in object.spec.tls.iter().enumerate() {
                let holds = |condition: &&L4Match| is_for_connections(condition, object, listener);
                for condition in rule.matches.iter().filter(holds) {
                    let names = condition.sni_hosts.iter().map(|name| name.to_ascii_lowercase());
                    let all = names.clone().any(|name| name == "*");
                    let sni = if all { Vec::new() } else { names.collect() };
                    let path = format!("tls[{index}]");
                    routes.push(TcpRoute { sni, ..self.ruled(object, &path, &rule.route, listener) });
                }
            }
        }
        routes
    }

    /// The first `tcp` rule of these that takes connections here.
    pub fn first_of(
        &mut self,
        objects: &[&Object<VirtualService>],
        listener: &Listener<'_>,
    ) -> Option<TcpRoute> {
        for object in objects {
            for (index, rule) in object.spec.tcp.iter().enumerate() {
                let holds = |condition: &L4Match| is_for_connections(condition, object, listener);
                if rule.matches.is_empty() || rule.matches.iter().any(holds) {
                    return Some(self.ruled(object, &format!("tcp[{index}]"), &rule.route, listener));
                }
            }
        }
        None
    }

    /// What one rule makes of connections, whatever they name.
    fn ruled(
        &mut self,
        object: &Object<VirtualService>,
        name: &str,
        route: &[L4Destination],
        listener: &Listener<'_>,
    ) -> TcpRoute {
        let path = format!("spec.{name}");
        let mut destinations = Vec::new();
        for (index, entry) in route.iter().enumerate() {
            let Some(written) = &entry.destination else { continue };
            let here = format!("{path}.route[{index}].destination");
            let target = self.target(object, written, &here, listener, CONNECTIONS_LOST);
            destinations.push(Destination {
                weight: entry.weight.and_then(|weight| u32::try_from(weight.0).ok()).unwrap_or(0),
                cluster: target.cluster,
                door: None,
                service: target.service,
                port: target.port,
                subset: target.subset,
                request_headers: HeaderOps::default(),
            });
        }
        let place = self.notes.place(self.notes.docs.key_span(object.doc, &path));
        let rule = Some(Rule { object: object.title(), name: name.to_owned(), place });
        TcpRoute { rule, ..self.with_policy(destinations, listener) }
    }

    /// A service's own route, where no rule applies.
    fn plain_tcp(&mut self, service: ServiceId, listener: &Listener<'_>) -> TcpRoute {
        let cluster = self.cluster((service, listener.port, ""), listener).ok();
        self.with_policy(vec![Destination::whole(service, listener.port, cluster)], listener)
    }

    /// What the proxy itself does with the connections of a route hangs on the DestinationRule of its first destination:
    /// its policy for all ports, and of a single destination the subset's balancer.
    fn with_policy(&self, destinations: Vec<Destination>, listener: &Listener<'_>) -> TcpRoute {
        let mut made =
            TcpRoute { rule: None, sni: Vec::new(), destinations, hashes_source: false, longest: None };
        let Some(Destination { service: ServiceRef::Known(service), subset, .. }) = made.destinations.first()
        else {
            return made;
        };
        let known = &self.clusters.inventory.services[*service];
        let policies = policies::find(self.rules, known, listener.caller);
        let hashes = |balancer: Option<&LoadBalancer>| {
            let hash = balancer.and_then(|balancer| balancer.consistent_hash.as_ref());
            hash.is_some_and(|hash| hash.use_source_ip == Some(true))
        };
        let top = policies.top().map(|(_, policy)| policy);
        let own = policies.subset(subset).filter(|_| made.destinations.len() == 1);
        let own = own.and_then(|(_, _, subset)| subset.traffic_policy.as_ref()?.load_balancer.as_ref());
        made.hashes_source = hashes(own.or(top.and_then(|policy| policy.load_balancer.as_ref())));
        let tcp = top.and_then(|policy| policy.connection_pool.as_ref()?.tcp.as_ref());
        made.longest = length(tcp.and_then(|tcp| tcp.max_connection_duration.as_ref()));
        made
    }
}
