//! Which VirtualServices a proxy sees, and in which order they count. Source: semantics S2.2.

use super::hosts::{by_specificity, full_name, takes};
use super::object::{Object, is_exported};
use crate::config::istio::VirtualService;

/// Visible from this namespace, in order of precedence: private ones, those exported here by name, public ones; inside
/// each class the oldest first. Delegates have no hosts of their own and are left out.
pub fn in_order<'a>(
    all: &'a [Object<VirtualService>],
    client_namespace: &str,
) -> Vec<&'a Object<VirtualService>> {
    let mut visible: Vec<&Object<VirtualService>> = all
        .iter()
        .filter(|object| !object.spec.is_delegate())
        .filter(|object| is_exported(&object.spec.export_to, &object.namespace, client_namespace))
        .collect();
    visible.sort_by(|a, b| {
        class(a, client_namespace).cmp(&class(b, client_namespace)).then_with(|| a.by_age(b))
    });
    visible
}

fn class(object: &Object<VirtualService>, client_namespace: &str) -> u8 {
    let to = &object.spec.export_to;
    let by_name = |name: &str| to.iter().any(|entry| entry == name);
    if to.is_empty() || by_name("*") {
        2
    } else if object.namespace == client_namespace {
        0
    } else {
        1
    }
}

/// The hosts of a VirtualService in full.
pub fn full_hosts(object: &Object<VirtualService>) -> Vec<String> {
    object.spec.hosts.iter().map(|host| full_name(host, &object.namespace)).collect()
}

/// The VirtualServices that apply to a service's host, the one that wins first: an exact host beats wildcards, a longer
/// wildcard a shorter one, and only then their order counts. Source: semantics S2.2.
pub fn for_host<'a>(ordered: &[&'a Object<VirtualService>], host: &str) -> Vec<&'a Object<VirtualService>> {
    let mut matching: Vec<(String, usize)> = Vec::new();
    for (index, object) in ordered.iter().enumerate() {
        let fits = |pattern: &String| pattern == host || (pattern.starts_with('*') && takes(pattern, host));
        if let Some(best) = full_hosts(object).into_iter().filter(fits).min_by(|a, b| by_specificity(a, b)) {
            matching.push((best, index));
        }
    }
    matching.sort_by(|a, b| by_specificity(&a.0, &b.0).then(a.1.cmp(&b.1)));
    matching.into_iter().map(|(_, index)| ordered[index]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::read::VIRTUAL_SERVICES;
    use crate::resolve::test_support::{objects, text_docs};

    fn winners(specs: &[(&str, &str)], host: &str) -> Vec<String> {
        let yaml: String = specs
            .iter()
            .map(|(name, spec)| {
                format!(
                    "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                     metadata: {{name: {name}, namespace: shop}}\n\
                     spec: {{{spec}, http: [{{route: [{{destination: {{host: a}}}}]}}]}}\n"
                )
            })
            .collect();
        let (docs, raw) = text_docs(&yaml);
        let all = objects(&docs, &raw, &VIRTUAL_SERVICES);
        for_host(&in_order(&all, "shop"), host).iter().map(|object| object.name.clone()).collect()
    }

    #[test]
    fn a_private_one_beats_an_older_public_one() {
        let specs = [("a", "hosts: [x]"), ("z", "hosts: [x], exportTo: ['.']")];
        assert_eq!(winners(&specs, "x.shop.svc.cluster.local"), ["z", "a"]);
    }

    #[test]
    fn an_exact_host_beats_an_older_wildcard() {
        let specs =
            [("a", "hosts: ['*.local']"), ("b", "hosts: ['*.shop.svc.cluster.local']"), ("c", "hosts: [x]")];
        assert_eq!(winners(&specs, "x.shop.svc.cluster.local"), ["c", "b", "a"]);
    }
}
