//! What Istio's webhook refuses in the `tls` and `tcp` rules of a VirtualService, what is legal but takes nothing, and
//! what is not simulated. Source: lint, WH-VS-26, IST0130; fields, VirtualService.

use super::finding::{Findings, Unmodelled, is_dns_label};
use super::http_rule_parts::check_destination;
use super::virtual_service::{L4Destination, L4Match, VirtualService};

/// Everything wrong or without effect in the rules for connections.
pub fn check(spec: &VirtualService, out: &mut Findings) {
    for (index, rule) in spec.tls.iter().enumerate() {
        let path = format!("spec.tls[{index}]");
        if rule.matches.is_empty() {
            out.refused(&path, "a tls rule needs a match with sniHosts");
        }
        for (number, condition) in rule.matches.iter().enumerate() {
            let path = format!("{path}.match[{number}]");
            if condition.sni_hosts.is_empty() {
                out.refused(&path, "a tls match needs sniHosts");
            }
            for (place, sni) in condition.sni_hosts.iter().enumerate() {
                check_sni(spec, sni, &format!("{path}.sniHosts[{place}]"), out);
            }
            check_match(condition, &path, out);
        }
        check_route(&path, &rule.route, out);
    }
    for (index, rule) in spec.tcp.iter().enumerate() {
        let path = format!("spec.tcp[{index}]");
        for (number, condition) in rule.matches.iter().enumerate() {
            let path = format!("{path}.match[{number}]");
            if !condition.sni_hosts.is_empty() {
                let message = "a tcp match has no sniHosts: names can be read in TLS alone";
                out.refused(format!("{path}.sniHosts"), message).help("move the rule to `tls`");
            }
            check_match(condition, &path, out);
        }
        check_route(&path, &rule.route, out);
    }
    let Some(first) = spec.tcp.iter().position(|rule| rule.matches.is_empty()) else { return };
    for index in first + 1..spec.tcp.len() {
        let message =
            format!("no connection reaches this rule: tcp[{first}] before it has no match and takes all");
        out.warn("IST0130", format!("spec.tcp[{index}]"), message)
            .help("move the rule without match to the end");
    }
}

/// What the rules ask for and the engine does not do.
pub fn not_modelled(spec: &VirtualService) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    let rules =
        spec.tls.iter().map(|rule| &rule.matches).enumerate().map(|(index, rule)| ("tls", index, rule));
    let rules = rules.chain(
        spec.tcp.iter().map(|rule| &rule.matches).enumerate().map(|(index, rule)| ("tcp", index, rule)),
    );
    for (kind, index, matches) in rules {
        for (number, condition) in matches.iter().enumerate() {
            let path = format!("spec.{kind}[{index}].match[{number}]");
            if !condition.destination_subnets.is_empty() {
                list.push(Unmodelled {
                    path: format!("{path}.destinationSubnets"),
                    what: "addresses of services: the match takes no connection".to_owned(),
                });
            }
            if condition.source_subnet.is_some() {
                list.push(Unmodelled {
                    path: format!("{path}.sourceSubnet"),
                    what: "nothing: Istio ignores it too".to_owned(),
                });
            }
        }
    }
    list
}

/// A name that is matched must be one that the VirtualService is about; addresses are warned of.
fn check_sni(spec: &VirtualService, sni: &str, path: &str, out: &mut Findings) {
    if sni.parse::<std::net::IpAddr>().is_ok() {
        let message = format!("`{sni}` is an address, which no client sends as SNI");
        out.warn(super::finding::SCHEMA_WARNING, path, message).help("write host names");
        return;
    }
    out.host(path, sni);
    if !spec.hosts.iter().any(|host| is_within(sni, host)) {
        out.refused(path, format!("`{sni}` is none of the hosts of this VirtualService"))
            .help(format!("add it to `hosts`, which are {}", spec.hosts.join(", ")));
    }
}

/// Whether all names that `narrow` takes are taken by `wide` too; both may begin with `*`.
fn is_within(narrow: &str, wide: &str) -> bool {
    match (narrow.strip_prefix('*'), wide.strip_prefix('*')) {
        (Some(inner), Some(suffix)) => inner.ends_with(suffix),
        (None, Some(suffix)) => narrow.len() > suffix.len() && narrow.ends_with(suffix),
        (_, None) => narrow == wide,
    }
}

fn check_match(condition: &L4Match, path: &str, out: &mut Findings) {
    out.port(&format!("{path}.port"), condition.port);
    if let Some(namespace) = condition.source_namespace.as_deref().filter(|name| !name.is_empty())
        && !is_dns_label(namespace)
    {
        out.dns_label(&format!("{path}.sourceNamespace"), namespace);
    }
    for (place, subnet) in condition.destination_subnets.iter().enumerate() {
        check_subnet(subnet, &format!("{path}.destinationSubnets[{place}]"), out);
    }
    if let Some(subnet) = condition.source_subnet.as_deref().filter(|subnet| !subnet.is_empty()) {
        check_subnet(subnet, &format!("{path}.sourceSubnet"), out);
    }
}

/// An address, or one with the length of its prefix.
fn check_subnet(subnet: &str, path: &str, out: &mut Findings) {
    let (address, length) = subnet.split_once('/').map_or((subnet, None), |(a, length)| (a, Some(length)));
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => {
            out.refused(path, format!("`{subnet}` is no subnet")).help("write `10.1.0.0/16`");
            return;
        }
    };
    if length.is_some_and(|length| !length.parse::<u32>().is_ok_and(|length| length <= most)) {
        out.refused(path, format!("`{subnet}` is no subnet: a prefix has up to {most} bits"))
            .help("write `10.1.0.0/16`");
    }
}

fn check_route(path: &str, route: &[L4Destination], out: &mut Findings) {
    if route.is_empty() {
        out.refused(path, "the rule has no route");
    }
    for (index, destination) in route.iter().enumerate() {
        let here = format!("{path}.route[{index}]");
        check_destination(&here, destination.destination.as_ref(), out);
        out.count(&format!("{here}.weight"), destination.weight);
    }
    let total: i64 = route.iter().filter_map(|d| d.weight).map(|weight| weight.0.max(0)).sum();
    if route.len() > 1 && total == 0 {
        out.refused(format!("{path}.route"), "the weights of its destinations add up to 0")
            .help("a destination without weight counts as 0 beside others: give each its weight");
    } else if total > i64::from(u32::MAX) {
        let message = "the weights of its destinations add up to more than Envoy can hold";
        out.refused(format!("{path}.route"), message);
    }
}

/// Findings alone, for tests of one rule.
#[cfg(test)]
fn findings(rules: &str) -> Vec<String> {
    let spec: VirtualService =
        serde_yaml::from_str(&format!("{{hosts: [a.com, '*.b.com'], {rules}}}")).expect("the shape is right");
    let mut out = Findings::default();
    check(&spec, &mut out);
    let text = |finding: &super::finding::Finding| {
        format!("{}: {}", finding.path.replace("spec.", ""), finding.severity)
    };
    out.0.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(condition: &str) -> Vec<String> {
        findings(&format!("tls: [{{match: [{condition}], route: [{{destination: {{host: a}}}}]}}]"))
    }

    #[test]
    fn tls_rules_need_names_that_the_hosts_hold() {
        assert!(tls("{sniHosts: [a.com, x.b.com, '*.c.b.com'], port: 443}").is_empty());
        assert_eq!(tls("{port: 443}"), ["tls[0].match[0]: error"]);
        assert_eq!(tls("{sniHosts: [c.com]}"), ["tls[0].match[0].sniHosts[0]: error"]);
        assert_eq!(tls("{sniHosts: ['*.com']}"), ["tls[0].match[0].sniHosts[0]: error"]);
        assert_eq!(tls("{sniHosts: [10.0.0.1]}"), ["tls[0].match[0].sniHosts[0]: warning"]);
        assert_eq!(findings("tls: [{route: [{destination: {host: a}}]}]"), ["tls[0]: error"]);
        assert_eq!(findings("tls: [{match: [{sniHosts: [a.com]}]}]"), ["tls[0]: error"]);
    }

    #[test]
    fn weights_ports_and_subnets_are_checked() {
        let tcp = |rule: &str| findings(&format!("tcp: [{{{rule}}}]"));
        let one = "route: [{destination: {host: a}, weight: 0}]";
        assert!(tcp(one).is_empty(), "a single weight does not count");
        let two = "route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]";
        assert_eq!(tcp(two), ["tcp[0].route: error"]);
        let less = "route: [{destination: {host: a}, weight: -1}, {destination: {host: b}, weight: 2}]";
        assert_eq!(tcp(less), ["tcp[0].route[0].weight: error"]);
        assert_eq!(tcp(&format!("match: [{{port: 70000}}], {one}")), ["tcp[0].match[0].port: error"]);
        assert_eq!(
            tcp(&format!("match: [{{sniHosts: [a.com]}}], {one}")),
            ["tcp[0].match[0].sniHosts: error"]
        );
        let subnets = format!("match: [{{destinationSubnets: [10.0.0.0/8, 10.0.0.0/40, here]}}], {one}");
        let place = |number: usize| format!("tcp[0].match[0].destinationSubnets[{number}]: error");
        assert_eq!(tcp(&subnets), [place(1), place(2)]);
        assert_eq!(tcp("match: [{port: 1}]"), ["tcp[0]: error"]);
    }

    #[test]
    fn a_rule_behind_one_that_takes_all_is_never_reached() {
        let rule = "{route: [{destination: {host: a}}]}";
        assert_eq!(findings(&format!("tcp: [{rule}, {rule}]")), ["tcp[1]: warning"]);
    }
}
