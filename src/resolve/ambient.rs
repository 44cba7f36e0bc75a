//! Rules that callers in ambient mode never meet, though their hosts mean what is called: the silent loss that a move
//! from sidecars brings. Source: semantics S22.1, S22.3, S22.4.

use std::collections::BTreeSet;

use super::called::{Called, has_rules, names};
use super::defaults::ROOT_NAMESPACE;
use super::hosts::{full_name, takes};
use super::object::Object;
use super::proxies::View;
use super::services::{Inventory, KnownService, KnownWaypoint};
use crate::config::istio::{DestinationRule, VirtualService};

type Seen = [(View, BTreeSet<Called>)];

/// Why callers in ambient mode never meet a VirtualService; `None`: they do, or there are none.
pub fn dead_rule(object: &Object<VirtualService>, seen: &Seen, inventory: &Inventory) -> Option<String> {
    if object.spec.is_delegate() || !object.spec.binds_mesh() {
        return None;
    }
    called_in_ambient(seen, inventory, |called, _| names(object, called) && has_rules(object, called)).find_map(|(service, waypoint)| {
        let Some(waypoint) = waypoint else { return Some(no_waypoint(service)) };
        let is_taken = [&waypoint.namespace, &service.namespace].contains(&&object.namespace);
        (!is_taken).then(|| {
            format!(
                "callers in ambient mode follow waypoint {}, which takes rules for {} from namespace {} and its own alone",
                waypoint.name, service.name, service.namespace
            )
        })
    })
}

/// Why callers in ambient mode never meet a DestinationRule; `None`: they do, or there are none.
pub fn dead_policy(object: &Object<DestinationRule>, seen: &Seen, inventory: &Inventory) -> Option<String> {
    let host = full_name(object.spec.host.as_deref().unwrap_or(""), &object.namespace);
    let is_meant = |service: &KnownService| {
        host == service.host || (host.starts_with('*') && takes(&host, &service.host))
    };
    called_in_ambient(seen, inventory, |_, service| is_meant(service)).find_map(|(service, waypoint)| {
        let Some(waypoint) = waypoint else { return Some(no_waypoint(service)) };
        let name = &waypoint.name;
        if object.spec.workload_selector.is_some() {
            return Some(format!("callers in ambient mode follow waypoint {name}, which skips rules with a workloadSelector"));
        }
        let looked_at = [waypoint.namespace.as_str(), service.namespace.as_str(), ROOT_NAMESPACE];
        (!looked_at.contains(&object.namespace.as_str())).then(|| {
            format!(
                "callers in ambient mode follow waypoint {name}, which looks for rules in its own namespace and that of \
                 {}, not in theirs",
                service.name
            )
        })
    })
}

fn no_waypoint(service: &KnownService) -> String {
    format!(
        "callers in ambient mode never meet it: {} has no waypoint, and a ztunnel reads no rules; label the Service \
         `istio.io/use-waypoint`",
        service.name
    )
}

/// The services that callers in ambient mode call and that are meant, each with its waypoint.
fn called_in_ambient<'a>(
    seen: &'a Seen,
    inventory: &'a Inventory,
    is_meant: impl Fn(&Called, &KnownService) -> bool + 'a,
) -> impl Iterator<Item = (&'a KnownService, Option<&'a KnownWaypoint>)> + 'a {
    let captured = seen.iter().filter(|(view, _)| matches!(view, View::Ztunnel(_)));
    captured.flat_map(|(_, called)| called).filter_map(move |called| {
        let id = inventory.service(called.service_host.as_deref()?)?;
        let service = &inventory.services[id];
        let waypoint = |door| &inventory.waypoints.table[inventory.waypoints.doors[door].waypoint];
        is_meant(called, service).then(|| (service, inventory.door(id).map(waypoint)))
    })
}
