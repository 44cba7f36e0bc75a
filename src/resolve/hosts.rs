//! Names of hosts: from short ones to full ones, by which names a client knows a service, and which pattern takes
//! which host. Source: semantics S2.1, S2.2.

use std::cmp::Ordering;
use std::net::IpAddr;

/// The DNS domain of a Kubernetes cluster.
const DOMAIN: &str = "cluster.local";
/// What ends every Kubernetes host.
pub const CLUSTER_DOMAIN: &str = "svc.cluster.local";

/// A host without any dot belongs to the namespace of the object that names it; all else is taken literally, so
/// `reviews.prod` means no Kubernetes service. Lower case. Source: semantics S2.2.
pub fn full_name(host: &str, namespace: &str) -> String {
    full_name_in(host, namespace, DOMAIN)
}

/// As [`full_name`], in a cluster with a domain of its own.
pub fn full_name_in(host: &str, namespace: &str, domain: &str) -> String {
    let host = host.to_ascii_lowercase();
    if host == "*" || host.contains('.') || host.parse::<IpAddr>().is_ok() {
        host.trim_end_matches('.').to_owned()
    } else {
        format!("{host}.{namespace}.svc.{domain}")
    }
}

/// `reviews` in `prod` for `reviews.prod` and `reviews.prod.svc`: what people mean by a dotted short name.
pub fn meant_service(host: &str) -> Option<String> {
    let parts: Vec<&str> = host.split('.').collect();
    match parts.as_slice() {
        [name, namespace] | [name, namespace, "svc"] => Some(format!("{name}.{namespace}.{CLUSTER_DOMAIN}")),
        _ => None,
    }
}

/// Whether a pattern (`*`, `*.suffix`, or an exact name) takes a host. A wildcard takes at least one character.
pub fn takes(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

/// What two patterns have in common: the narrower of them, if one takes the other.
pub fn common<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    if one == other || covers(one, other) {
        Some(other)
    } else if covers(other, one) {
        Some(one)
    } else {
        None
    }
}

/// As Istio compares the patterns of its objects: there the star may stand for nothing, other than in the proxy.
fn covers(wide: &str, narrow: &str) -> bool {
    let inner = narrow.strip_prefix('*').unwrap_or(narrow);
    wide.strip_prefix('*').is_some_and(|suffix| inner.ends_with(suffix))
}

/// The more specific pattern first: exact names, then the longest wildcard, then by name. Source: semantics S2.2, S4.1.
pub fn by_specificity(one: &str, other: &str) -> Ordering {
    let rank = |pattern: &str| (pattern.starts_with('*'), usize::MAX - pattern.len());
    rank(one).cmp(&rank(other)).then_with(|| one.cmp(other))
}

/// The names by which a client may call a host: in full, with the dot that ends absolute names, and the shorter forms
/// that the client's own DNS domain (`shop.svc.cluster.local`) completes. Source: semantics S2.2.
pub fn domains(host: &str, client_domain: &str) -> Vec<String> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => return vec![host.to_owned()],
        Ok(IpAddr::V6(_)) => return vec![format!("[{host}]")],
        Err(_) if host.contains('*') => return vec![host.to_owned()],
        Err(_) => {}
    }
    let mut domains = vec![host.to_owned(), format!("{host}.")];
    match (host.split_once(".svc."), client_domain.split_once(".svc.")) {
        (Some((service, domain)), Some((client_namespace, client_cluster))) if domain == client_cluster => {
            if let Some((name, namespace)) = service.rsplit_once('.') {
                if namespace == client_namespace {
                    domains.push(name.to_owned());
                }
                domains.push(service.to_owned());
                domains.push(format!("{service}.svc"));
            }
        }
        (_, None) => domains.extend(without_shared_domain(host, client_domain)),
        _ => {}
    }
    domains
}

/// Outside Kubernetes a client may leave out the end that a host has in common with its own domain; of two parts that
/// are left, the second is a place like a namespace, and the next part may stand behind it too.
fn without_shared_domain(host: &str, client_domain: &str) -> Vec<String> {
    let parts: Vec<&str> = host.split('.').collect();
    let same = |(own, other): &(&&str, &str)| **own == *other;
    let shared = parts.iter().rev().zip(client_domain.rsplit('.')).take_while(same).count();
    let unique = parts.len() - shared;
    match (shared, unique) {
        (0, _) | (_, 0) => Vec::new(),
        (_, 2) => vec![parts[..2].join("."), parts[..3].join(".")],
        _ => vec![parts[..unique].join(".")],
    }
}

/// The DNS domain of pods in a namespace.
pub fn client_domain(namespace: &str) -> String {
    format!("{namespace}.{CLUSTER_DOMAIN}")
}

/// Which of several lists of domains takes a host: exact names, then the longest suffix wildcard, then the longest
/// prefix wildcard, then `*`. Source: semantics S2.1.
pub fn choose<'a>(lists: impl Iterator<Item = &'a [String]>, host: &str) -> Option<usize> {
    let rank = |domain: &str| -> Option<(u8, usize)> {
        if domain == host {
            Some((0, 0))
        } else if domain == "*" {
            Some((3, 0))
        } else if domain.starts_with('*') {
            takes(domain, host).then_some((1, usize::MAX - domain.len()))
        } else {
            let prefix = domain.strip_suffix('*')?;
            (host.len() > prefix.len() && host.starts_with(prefix)).then_some((2, usize::MAX - domain.len()))
        }
    };
    let ranked = lists.enumerate().flat_map(|(index, domains)| {
        domains.iter().filter_map(move |domain| rank(domain).map(|rank| (rank, index)))
    });
    ranked.min().map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_without_a_dot_are_expanded() {
        assert_eq!(full_name("Reviews", "prod"), "reviews.prod.svc.cluster.local");
        assert_eq!(full_name("reviews.prod", "x"), "reviews.prod");
        assert_eq!(full_name("*", "x"), "*");
        assert_eq!(meant_service("reviews.prod").as_deref(), Some("reviews.prod.svc.cluster.local"));
        assert_eq!(meant_service("www.example.com"), None);
    }

    #[test]
    fn patterns_meet_in_the_narrower_one() {
        assert_eq!(common("*", "a.com"), Some("a.com"));
        assert_eq!(common("*.com", "*.a.com"), Some("*.a.com"));
        assert_eq!(common("b.com", "*.com"), Some("b.com"));
        assert_eq!(common("a.com", "b.com"), None);
        assert_eq!(common("*foo.com", "foo.com"), Some("foo.com"));
        assert_eq!(common("*.foo.com", "foo.com"), None);
        assert!(!takes("*.foo.com", "foo.com"));
    }

    #[test]
    fn exact_names_beat_longer_wildcards() {
        let lists = [
            vec!["*".to_owned()],
            vec!["*.b.com".to_owned()],
            vec!["*.com".to_owned(), "x.b.com".to_owned()],
        ];
        let find = |host: &str| choose(lists.iter().map(Vec::as_slice), host);
        assert_eq!(find("x.b.com"), Some(2));
        assert_eq!(find("y.b.com"), Some(1));
        assert_eq!(find("y.com"), Some(2));
        assert_eq!(find("y.org"), Some(0));
    }

    #[test]
    fn a_client_elsewhere_needs_the_namespace() {
        let names = |namespace: &str| domains("a.n.svc.cluster.local", &client_domain(namespace));
        assert!(names("n").contains(&"a".to_owned()));
        assert_eq!(names("m"), ["a.n.svc.cluster.local", "a.n.svc.cluster.local.", "a.n", "a.n.svc"]);
        assert_eq!(domains("a.campus.net", "campus.net"), ["a.campus.net", "a.campus.net.", "a"]);
        assert_eq!(domains("a.b.campus.net", "c.campus.net")[2..], ["a.b", "a.b.campus"]);
        assert_eq!(domains("::1", "campus.net"), ["[::1]"]);
        assert_eq!(domains("google.local", "m.svc.k8s.local"), ["google.local", "google.local."]);
    }
}
