//! Delegation: a rule that hands its requests to another VirtualService's rules. One level only.
//! Source: semantics S2.5.

use std::collections::BTreeMap;

use super::hosts::full_name;
use super::object::{Object, is_exported};
use crate::config::istio::values::Destination;
use crate::config::istio::virtual_service::{Delegate, HttpMatch, HttpRoute};
use crate::config::istio::{StringMatch, VirtualService};

/// A rule as it takes effect: its own, or one of a delegate's with what it inherits.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    /// Whose text it is; short hosts expand with its namespace.
    pub object: &'a Object<VirtualService>,
    /// Place in that text.
    pub path: String,
    /// For people.
    pub name: String,
    pub rule: HttpRoute,
}

/// The VirtualService that a rule delegates to, if it exists and may be used from here.
pub fn find<'a>(
    all: &'a [Object<VirtualService>],
    delegate: &Delegate,
    root: &Object<VirtualService>,
) -> Option<&'a Object<VirtualService>> {
    let namespace = delegate.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(&root.namespace);
    all.iter()
        .filter(|object| object.spec.is_delegate())
        .filter(|object| is_exported(&object.spec.export_to, &object.namespace, &root.namespace))
        .find(|object| {
            Some(object.name.as_str()) == delegate.name.as_deref() && object.namespace == namespace
        })
}

/// The rules of a VirtualService in order, delegates put in place.
pub fn rules<'a>(
    object: &'a Object<VirtualService>,
    all: &'a [Object<VirtualService>],
) -> Vec<Effective<'a>> {
    let mut rules = Vec::new();
    for (index, rule) in object.spec.http.iter().enumerate() {
        let own_name = rule.name.clone().unwrap_or_else(|| format!("http[{index}]"));
        let Some(delegate) = &rule.delegate else {
            let path = format!("spec.http[{index}]");
            rules.push(Effective { object, path, name: own_name, rule: rule.clone() });
            continue;
        };
        let Some(other) = find(all, delegate, object) else { continue };
        for (number, inner) in
            other.spec.http.iter().enumerate().filter(|(_, inner)| inner.delegate.is_none())
        {
            let Some(matches) = merge_lists(&rule.matches, &inner.matches) else { continue };
            let inner_name = inner.name.clone().unwrap_or_else(|| format!("http[{number}]"));
            rules.push(Effective {
                object: other,
                path: format!("spec.http[{number}]"),
                name: format!("{own_name}-{inner_name}"),
                rule: inherit(rule, inner, matches, &object.namespace),
            });
        }
    }
    rules
}

/// What the delegate leaves unset comes from the root.
fn inherit(root: &HttpRoute, inner: &HttpRoute, matches: Vec<HttpMatch>, root_namespace: &str) -> HttpRoute {
    // Names of the root were short for its own namespace.
    let in_full = |destination: &Destination| Destination {
        host: destination.host.as_deref().map(|host| full_name(host, root_namespace)),
        ..destination.clone()
    };
    let mut merged = HttpRoute { matches, ..inner.clone() };
    merged.timeout = merged.timeout.or_else(|| root.timeout.clone());
    merged.retries = merged.retries.or_else(|| root.retries.clone());
    merged.fault = merged.fault.or_else(|| root.fault.clone());
    merged.cors_policy = merged.cors_policy.or_else(|| root.cors_policy.clone());
    merged.headers = merged.headers.or_else(|| root.headers.clone());
    merged.rewrite = merged.rewrite.or_else(|| root.rewrite.clone());
    merged.direct_response = merged.direct_response.or_else(|| root.direct_response.clone());
    if merged.mirror.is_none() {
        merged.mirror = root.mirror.as_ref().map(in_full);
    }
    merged.mirror_percentage = merged.mirror_percentage.or_else(|| root.mirror_percentage.clone());
    merged.mirror_percent = merged.mirror_percent.or(root.mirror_percent);
    if merged.mirrors.is_empty() {
        merged.mirrors.clone_from(&root.mirrors);
        for mirror in &mut merged.mirrors {
            mirror.destination = mirror.destination.as_ref().map(in_full);
        }
    }
    merged
}

/// All pairs that do not conflict. `None`: a match of the delegate fits no match of the root, which drops its rule.
fn merge_lists(root: &[HttpMatch], inner: &[HttpMatch]) -> Option<Vec<HttpMatch>> {
    if root.is_empty() {
        return Some(inner.to_vec());
    }
    if inner.is_empty() {
        return Some(root.to_vec());
    }
    let mut merged = Vec::new();
    for inner in inner {
        let fitting: Vec<HttpMatch> =
            root.iter().filter(|root| !conflict(root, inner)).map(|root| merge(root, inner)).collect();
        if fitting.is_empty() {
            return None;
        }
        merged.extend(fitting);
    }
    Some(merged)
}

/// Whether a delegate's match asks for what the root's does not let through.
pub fn conflict(root: &HttpMatch, inner: &HttpMatch) -> bool {
    let one = |root: &Option<StringMatch>, inner: &Option<StringMatch>| match (root, inner) {
        (Some(root), Some(inner)) => differs(root, inner),
        _ => false,
    };
    let map = |root: &BTreeMap<String, StringMatch>, inner: &BTreeMap<String, StringMatch>| {
        root.iter().any(|(key, value)| inner.get(key).is_some_and(|other| differs(value, other)))
    };
    let port = |written: &HttpMatch| written.port.map_or(0, |port| port.0);
    one(&root.uri, &inner.uri)
        || one(&root.scheme, &inner.scheme)
        || one(&root.method, &inner.method)
        || one(&root.authority, &inner.authority)
        || map(&root.headers, &inner.headers)
        || map(&root.without_headers, &inner.without_headers)
        || map(&root.query_params, &inner.query_params)
        || root.ignore_uri_case.unwrap_or(false) != inner.ignore_uri_case.unwrap_or(false)
        || (port(root) != 0 && port(inner) != 0 && port(root) != port(inner))
        || root
            .source_namespace
            .as_deref()
            .is_some_and(|own| !own.is_empty() && inner.source_namespace.as_deref().unwrap_or("") != own)
        || root
            .source_labels
            .iter()
            .any(|(key, value)| inner.source_labels.get(key).is_some_and(|v| v != value))
        || (!root.gateways.is_empty()
            && inner.gateways.iter().any(|gateway| !root.gateways.contains(gateway)))
}

fn differs(root: &StringMatch, inner: &StringMatch) -> bool {
    if root.is_presence() || root.regex.is_some() || inner.regex.is_some() {
        return true;
    }
    if let Some(exact) = &root.exact {
        return inner.exact.as_ref() != Some(exact);
    }
    let prefix = root.prefix.as_deref().unwrap_or("");
    let narrower = inner.exact.as_ref().or(inner.prefix.as_ref());
    narrower.is_none_or(|text| !text.starts_with(prefix))
}

fn merge(root: &HttpMatch, inner: &HttpMatch) -> HttpMatch {
    let map = |root: &BTreeMap<String, StringMatch>, inner: &BTreeMap<String, StringMatch>| {
        let mut merged = root.clone();
        merged.extend(inner.iter().map(|(key, value)| (key.clone(), value.clone())));
        merged
    };
    let mut source_labels = root.source_labels.clone();
    source_labels.extend(inner.source_labels.clone());
    HttpMatch {
        name: inner.name.clone().or_else(|| root.name.clone()),
        uri: inner.uri.clone().or_else(|| root.uri.clone()),
        ignore_uri_case: inner.ignore_uri_case.or(root.ignore_uri_case),
        scheme: inner.scheme.clone().or_else(|| root.scheme.clone()),
        method: inner.method.clone().or_else(|| root.method.clone()),
        authority: inner.authority.clone().or_else(|| root.authority.clone()),
        headers: map(&root.headers, &inner.headers),
        without_headers: map(&root.without_headers, &inner.without_headers),
        query_params: map(&root.query_params, &inner.query_params),
        port: inner.port.or(root.port),
        source_labels,
        source_namespace: inner.source_namespace.clone().or_else(|| root.source_namespace.clone()),
        gateways: if inner.gateways.is_empty() { root.gateways.clone() } else { inner.gateways.clone() },
        stat_prefix: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> HttpMatch {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn a_delegate_may_only_narrow() {
        let check = |root: &str, inner: &str| conflict(&read(root), &read(inner));
        assert!(check("{uri: {regex: ^/p}}", "{uri: {prefix: /p/v2}}"));
        assert!(!check("{uri: {regex: ^/p}}", "{}"));
        assert!(!check("{uri: {prefix: /p}}", "{uri: {exact: /p/v2}}"));
        assert!(check("{uri: {prefix: /p/v2}}", "{uri: {prefix: /p}}"));
        assert!(check("{headers: {a: {exact: h1}}}", "{headers: {a: {exact: h2}}}"));
        assert!(check("{headers: {a: {}}}", "{headers: {a: {exact: h2}}}"));
        assert!(check("{sourceNamespace: n}", "{}"));
        assert!(!check("{port: 80}", "{}"));
    }

    #[test]
    fn one_match_that_fits_nowhere_drops_the_rule() {
        let root = [read("{uri: {prefix: /a}}"), read("{uri: {prefix: /b}}")];
        let fits = merge_lists(&root, &[read("{uri: {exact: /a/x}}")]).unwrap();
        assert_eq!(fits.len(), 1);
        assert_eq!(merge_lists(&root, &[read("{uri: {exact: /a/x}}"), read("{uri: {exact: /c}}")]), None);
        assert_eq!(merge_lists(&[], &[read("{uri: {exact: /c}}")]).unwrap().len(), 1);
    }

    #[test]
    fn what_the_delegate_leaves_open_is_inherited() {
        let route = |yaml: &str| -> HttpRoute { serde_yaml::from_str(yaml).unwrap() };
        let root = route("{timeout: 1s, mirror: {host: m}, retries: {attempts: 1}, delegate: {name: d}}");
        let inner = route("{timeout: 2s, route: [{destination: {host: a}}]}");
        let merged = inherit(&root, &inner, Vec::new(), "ns");
        assert_eq!(merged.timeout, inner.timeout);
        assert_eq!(merged.retries, root.retries);
        assert_eq!(merged.mirror.unwrap().host.as_deref(), Some("m.ns.svc.cluster.local"));
    }
}
