//! From a rule's matches to conditions, and for which listeners and callers a match is written at all.
//! Source: semantics S2.3, S2.4.

use std::collections::BTreeMap;

use super::object::{Object, selects};
use super::services::Caller;
use crate::config::istio::virtual_service::{HttpMatch, L4Match};
use crate::config::istio::virtual_service_rules::is_claim;
use crate::config::istio::{self, VirtualService};
use crate::mesh::routing::{RouteMatch, StringMatch};

/// Where requests come in.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    pub caller: &'a Caller,
    pub port: u16,
    /// `namespace/name` of the Gateway; `None` for sidecars.
    pub gateway: Option<&'a str>,
}

/// Whether a match is written for this listener at all. Source: semantics S2.3.
pub fn is_for(condition: &HttpMatch, object: &Object<VirtualService>, listener: &Listener<'_>) -> bool {
    if condition.port.is_some_and(|port| port.0 != i64::from(listener.port)) {
        return false;
    }
    if condition.headers.keys().any(|name| is_claim(name)) {
        return false;
    }
    if !condition.gateways.is_empty() {
        return condition
            .gateways
            .iter()
            .any(|gateway| names_gateway(gateway, &object.namespace, listener.gateway));
    }
    let namespace = condition.source_namespace.as_deref().filter(|namespace| !namespace.is_empty());
    selects(&condition.source_labels, &listener.caller.labels)
        && namespace.is_none_or(|namespace| namespace == listener.caller.namespace)
}

/// The same for connections: at a sidecar the source is asked for beside `gateways`, at a gateway not at all. Addresses
/// are not told, so a match by them takes nothing. Source: istiod's tls.go, gateway.go.
pub fn is_for_connections(
    condition: &L4Match,
    object: &Object<VirtualService>,
    listener: &Listener<'_>,
) -> bool {
    let named = |gateway: &String| names_gateway(gateway, &object.namespace, listener.gateway);
    let namespace = condition.source_namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let is_from_here = listener.gateway.is_some()
        || selects(&condition.source_labels, &listener.caller.labels)
            && namespace.is_none_or(|namespace| namespace == listener.caller.namespace);
    condition.port.is_none_or(|port| port.0 == 0 || port.0 == i64::from(listener.port))
        && (condition.gateways.is_empty() || condition.gateways.iter().any(named))
        && is_from_here
        && condition.destination_subnets.is_empty()
}

/// Whether an entry of `gateways` names this gateway (`None`: the sidecars' `mesh`).
pub fn names_gateway(written: &str, namespace: &str, gateway: Option<&str>) -> bool {
    let Some(gateway) = gateway else { return written == "mesh" };
    if written == "mesh" {
        return false;
    }
    if written.contains('/') {
        return written == gateway;
    }
    // The old form: `name.namespace.svc.cluster.local`.
    let mut parts = written.split('.');
    let name = parts.next().unwrap_or(written);
    let namespace = parts.next().unwrap_or(namespace);
    gateway.split_once('/') == Some((namespace, name))
}

/// Source: semantics S2.4.
pub fn condition(written: &HttpMatch) -> RouteMatch {
    let one = |value: &Option<istio::StringMatch>| value.as_ref().and_then(string_match);
    // A presence test of what every request has is no condition.
    let always =
        |value: &Option<istio::StringMatch>| one(value).filter(|value| *value != StringMatch::Present);
    let named = |map: &BTreeMap<String, istio::StringMatch>| -> Vec<(String, StringMatch)> {
        map.iter()
            .filter(|(name, _)| !matches!(name.as_str(), "uri" | "scheme" | "method" | "authority"))
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), string_match(value)?)))
            .collect()
    };
    let query = |value: &istio::StringMatch| match string_match(value) {
        Some(StringMatch::Exact(text)) if text.is_empty() => Some(StringMatch::Present),
        other => other,
    };
    RouteMatch {
        path: always(&written.uri),
        ignore_path_case: written.ignore_uri_case == Some(true),
        path_segments: false,
        method: always(&written.method),
        authority: always(&written.authority),
        scheme: always(&written.scheme),
        headers: named(&written.headers),
        without_headers: named(&written.without_headers),
        query_params: written
            .query_params
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), query(value)?)))
            .collect(),
    }
}

fn string_match(value: &istio::StringMatch) -> Option<StringMatch> {
    if value.is_presence() {
        Some(StringMatch::Present)
    } else if let Some(exact) = &value.exact {
        Some(StringMatch::Exact(exact.clone()))
    } else if let Some(prefix) = &value.prefix {
        Some(StringMatch::Prefix(prefix.clone()))
    } else {
        value.regex.clone().map(StringMatch::Regex)
    }
}

/// Prefix `/` or regex `.*` and nothing else. Source: semantics S2.3.
pub fn is_catch_all(condition: &RouteMatch) -> bool {
    let any_path = match &condition.path {
        None => true,
        Some(StringMatch::Prefix(prefix)) => prefix == "/",
        Some(StringMatch::Regex(regex)) => regex == ".*",
        Some(_) => false,
    };
    any_path
        && condition.method.is_none()
        && condition.authority.is_none()
        && condition.scheme.is_none()
        && condition.headers.is_empty()
        && condition.without_headers.is_empty()
        && condition.query_params.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(yaml: &str) -> RouteMatch {
        condition(&serde_yaml::from_str(yaml).unwrap())
    }

    #[test]
    fn presence_comes_in_three_forms() {
        let read = matched(
            "{headers: {X-A: {}, uri: {exact: /}}, withoutHeaders: {b: {regex: '*'}}, queryParams: {q: {exact: ''}}}",
        );
        assert_eq!(read.headers, [("x-a".to_owned(), StringMatch::Present)]);
        assert_eq!(read.without_headers, [("b".to_owned(), StringMatch::Present)]);
        assert_eq!(read.query_params, [("q".to_owned(), StringMatch::Present)]);
    }

    #[test]
    fn only_a_bare_slash_takes_everything() {
        assert!(is_catch_all(&matched("{uri: {prefix: /}}")));
        assert!(is_catch_all(&matched("{uri: {regex: '.*'}}")));
        assert!(!is_catch_all(&matched("{uri: {prefix: /}, headers: {a: {exact: b}}}")));
        assert!(!is_catch_all(&matched("{uri: {prefix: /a}}")));
    }

    #[test]
    fn gateways_are_named_in_three_ways() {
        assert!(names_gateway("gw", "ns", Some("ns/gw")));
        assert!(names_gateway("ns/gw", "other", Some("ns/gw")));
        assert!(names_gateway("gw.ns.svc.cluster.local", "other", Some("ns/gw")));
        assert!(!names_gateway("gw", "other", Some("ns/gw")));
        assert!(names_gateway("mesh", "ns", None));
        assert!(!names_gateway("gw", "ns", None));
    }
}
