//! What Istio's webhook or Envoy refuses in a VirtualService, what is legal but does nothing, and what is not
//! simulated. Source: lint, WH-VS; fields, VirtualService; semantics S2.6, S3.2, S9.1, S11.

use super::finding::{Finding, Findings, SCHEMA_WARNING, Unmodelled, is_dns_label, key};
use super::http_rule_parts::{
    check_destination, check_fault, check_mirrors, check_redirect, check_response, check_retries,
    check_rewrite,
};
use super::l4_rules;
use super::string_match::StringMatch;
use super::virtual_service::{HttpMatch, HttpRoute, VirtualService};

/// Everything wrong or without effect in one VirtualService. Paths begin with `spec`.
pub fn validate(spec: &VirtualService) -> Vec<Finding> {
    let mut findings = Findings::default();
    let out = &mut findings;
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        out.refused("spec", "it has no http, tls or tcp rules");
    }
    check_hosts(spec, out);
    check_gateways(spec, out);
    out.export_to("spec.exportTo", &spec.export_to);
    for (index, rule) in spec.http.iter().enumerate() {
        check_rule(spec, rule, &format!("spec.http[{index}]"), out);
    }
    check_reachable(spec, out);
    l4_rules::check(spec, out);
    findings.0
}

/// What one VirtualService asks for and the engine does not do.
pub fn not_modelled(spec: &VirtualService) -> Vec<Unmodelled> {
    let mut list = l4_rules::not_modelled(spec);
    let mut add = |path: String, what: &str| list.push(Unmodelled { path, what: what.to_owned() });
    for (index, rule) in spec.http.iter().enumerate() {
        let path = format!("spec.http[{index}]");
        for (number, condition) in rule.matches.iter().enumerate() {
            let path = format!("{path}.match[{number}]");
            if condition.headers.keys().any(|name| is_claim(name)) {
                add(format!("{path}.headers"), "routing by JWT claims: the condition never holds");
            }
            if condition.without_headers.keys().any(|name| is_claim(name)) {
                add(
                    format!("{path}.withoutHeaders"),
                    "routing by JWT claims: no request has any, so the condition always holds",
                );
            }
        }
    }
    list
}

/// `@request.auth.claims.group` and its like.
pub fn is_claim(header: &str) -> bool {
    header.starts_with("@request.auth.claims")
}

fn check_hosts(spec: &VirtualService, out: &mut Findings) {
    if spec.hosts.is_empty() {
        if !spec.gateways.is_empty() || !spec.tls.is_empty() || !spec.tcp.is_empty() {
            out.refused(
                "spec.hosts",
                "a VirtualService without hosts is a delegate and takes http rules alone",
            )
            .help("name the hosts that it routes");
        }
        return;
    }
    let mesh_only = spec.gateways.is_empty() || spec.gateways.iter().all(|gateway| gateway == "mesh");
    for (index, host) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{index}]");
        if host == "*" && mesh_only {
            out.refused(&path, "the host `*` is refused for sidecars (gateway `mesh`)")
                .help("name the services, or bind it to a gateway by `gateways:`");
        }
        out.host(&path, host);
        if let Some(other) =
            spec.hosts.iter().take(index).find(|other| covers(other, host) || covers(host, other))
        {
            out.refused(&path, format!("`{host}` and `{other}` overlap; Istio refuses both in one list"));
        }
    }
}

/// `*.com` covers `*.foo.com` and `a.foo.com`; everything covers itself.
fn covers(pattern: &str, host: &str) -> bool {
    pattern == host
        || pattern.strip_prefix('*').is_some_and(|suffix| host.len() > suffix.len() && host.ends_with(suffix))
}

fn check_gateways(spec: &VirtualService, out: &mut Findings) {
    for (index, gateway) in spec.gateways.iter().enumerate() {
        let path = format!("spec.gateways[{index}]");
        match gateway.split_once('/') {
            Some((namespace, name)) if is_dns_label(namespace) && !name.is_empty() && !name.contains('/') => {
            }
            Some(_) => {
                out.refused(&path, format!("`{gateway}` names no gateway"))
                    .help("write `name` or `namespace/name`");
            }
            None if gateway.contains('.') => {
                out.warn(SCHEMA_WARNING, &path, format!("`{gateway}` names a gateway in the old way"))
                    .help("write `namespace/name`");
            }
            None => {}
        }
    }
}

fn check_rule(spec: &VirtualService, rule: &HttpRoute, path: &str, out: &mut Findings) {
    check_action(spec, rule, path, out);
    for (index, condition) in rule.matches.iter().enumerate() {
        check_match(spec, condition, &format!("{path}.match[{index}]"), out);
    }
    check_destinations(rule, path, out);
    if let Some(redirect) = &rule.redirect {
        check_redirect(rule, redirect, &format!("{path}.redirect"), out);
    }
    if let Some(response) = &rule.direct_response {
        check_response(response, &format!("{path}.directResponse"), out);
    }
    if let Some(rewrite) = &rule.rewrite {
        check_rewrite(rewrite, &format!("{path}.rewrite"), out);
    }
    out.duration(&format!("{path}.timeout"), rule.timeout.as_ref());
    if let Some(retries) = &rule.retries {
        check_retries(rule, retries, &format!("{path}.retries"), out);
    }
    if let Some(fault) = &rule.fault {
        check_fault(fault, &format!("{path}.fault"), out);
    }
    check_mirrors(rule, path, out);
}

/// Exactly one of route, redirect, directResponse and delegate.
fn check_action(spec: &VirtualService, rule: &HttpRoute, path: &str, out: &mut Findings) {
    let actions = [
        ("route", !rule.route.is_empty()),
        ("redirect", rule.redirect.is_some()),
        ("directResponse", rule.direct_response.is_some()),
        ("delegate", rule.delegate.is_some()),
    ];
    let given: Vec<&str> = actions.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match given.as_slice() {
        [] => {
            out.refused(path, "the rule has none of route, redirect, directResponse and delegate")
                .help("if it was meant to belong to the rule above, take away the `-` before its first key");
        }
        [_] => {
            for (name, present) in [("fault", rule.fault.is_some()), ("rewrite", rule.rewrite.is_some())] {
                if present && (rule.redirect.is_some() || rule.direct_response.is_some()) {
                    out.refused(format!("{path}.{name}"), format!("{name} does not go with {}", given[0]));
                }
            }
            if rule.delegate.is_some() && spec.is_delegate() {
                out.refused(format!("{path}.delegate"), "a delegate cannot delegate again");
            }
        }
        several => {
            out.refused(path, format!("the rule has {}; it takes one of them", several.join(" and ")));
        }
    }
}

fn check_match(spec: &VirtualService, condition: &HttpMatch, path: &str, out: &mut Findings) {
    let mut one = |name: &str, value: &Option<StringMatch>, empty_prefix: bool| {
        if let Some(value) = value {
            value.validate(&format!("{path}.{name}"), empty_prefix, false, out);
        }
    };
    one("uri", &condition.uri, true);
    one("scheme", &condition.scheme, false);
    one("method", &condition.method, false);
    one("authority", &condition.authority, false);
    for (name, value) in &condition.headers {
        let here = key(&format!("{path}.headers"), name);
        value.validate(&here, false, true, out);
        match name.as_str() {
            "uri" | "scheme" | "method" | "authority" => {
                out.warn("MS1011", &here, format!("Istio ignores the header name `{name}`"))
                    .help(format!("use `{name}:` of the match itself"));
            }
            _ if is_claim(name) && spec.gateways.is_empty() => {
                out.refused(&here, "JWT claims can be matched at a gateway alone");
            }
            _ => {}
        }
    }
    for (name, value) in &condition.without_headers {
        value.validate(&key(&format!("{path}.withoutHeaders"), name), false, true, out);
    }
    for (name, value) in &condition.query_params {
        value.validate(&key(&format!("{path}.queryParams"), name), false, false, out);
    }
    out.port(&format!("{path}.port"), condition.port);
    if let Some(namespace) = &condition.source_namespace {
        out.dns_label(&format!("{path}.sourceNamespace"), namespace);
    }
}

fn check_destinations(rule: &HttpRoute, path: &str, out: &mut Findings) {
    for (index, destination) in rule.route.iter().enumerate() {
        let here = format!("{path}.route[{index}]");
        check_destination(&here, destination.destination.as_ref(), out);
        out.count(&format!("{here}.weight"), destination.weight);
    }
    let total: i64 = rule.route.iter().filter_map(|d| d.weight).map(|weight| weight.0.max(0)).sum();
    if rule.route.len() > 1 && total == 0 {
        out.refused(format!("{path}.route"), "the weights of its destinations add up to 0")
            .help("a destination without weight counts as 0 beside others: give each its weight");
    } else if total > i64::from(u32::MAX) {
        out.refused(
            format!("{path}.route"),
            "the weights of its destinations add up to more than Envoy can hold",
        );
    }
}

/// Rules behind one that takes every request. Source: semantics S2.3; lint IST0130.
fn check_reachable(spec: &VirtualService, out: &mut Findings) {
    // A delegate's matches are narrowed by those of the rule that delegates to it, and that rule's by the delegate's.
    let takes_all = |rule: &HttpRoute| {
        rule.delegate.is_none()
            && (rule.matches.is_empty() || !spec.is_delegate() && rule.matches.iter().any(is_catch_all))
    };
    let Some(first) = spec.http.iter().position(takes_all) else { return };
    let why = match spec.http[first].matches.is_empty() {
        true => "has no match and takes all",
        false => "takes all paths",
    };
    for index in first + 1..spec.http.len() {
        out.warn(
            "IST0130",
            format!("spec.http[{index}]"),
            format!("no request reaches this rule: http[{first}] before it {why}"),
        )
        .help("move the rule that takes all to the end");
    }
}

/// Takes every request of every listener and caller.
fn is_catch_all(condition: &HttpMatch) -> bool {
    let any_path =
        |uri: &StringMatch| uri.prefix.as_deref() == Some("/") || uri.regex.as_deref() == Some(".*");
    let rest =
        HttpMatch { name: None, stat_prefix: None, uri: None, ignore_uri_case: None, ..condition.clone() };
    condition.uri.as_ref().is_none_or(any_path) && rest == HttpMatch::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::decode::decode;
    use crate::config::diagnostic::Severity;
    use crate::config::document::tests::object;

    /// `path: severity` of each finding on the rules under `http:`.
    fn findings(http: &str) -> Vec<String> {
        let (docs, object) = object(&format!("{{hosts: [a], http: {http}}}"));
        validate(&decode(&object, &docs, &mut Vec::new()).expect("the shape is right"))
            .iter()
            .map(|f| format!("{}: {}", f.path.replace("spec.http", "http"), f.severity))
            .collect()
    }

    #[test]
    fn a_plain_route_is_fine() {
        assert!(findings("[{route: [{destination: {host: a}}]}]").is_empty());
        assert!(findings("[{match: null, route: [{destination: {host: a}, weight: 0}]}]").is_empty());
    }

    #[test]
    fn rules_behind_one_that_takes_all_are_told() {
        let with = |condition: &str| {
            let to = "route: [{destination: {host: a}}]";
            findings(&format!("[{{match: [{condition}], {to}}}, {{match: [{{uri: {{prefix: /a}}}}], {to}}}]"))
        };
        for all in ["{uri: {prefix: /}}", "{name: x, uri: {regex: '.*'}}", "{uri: {exact: /b}}, {}"] {
            assert_eq!(with(all), ["http[1]: warning"], "{all}");
        }
        let delegating = "[{delegate: {name: b}}, {route: [{destination: {host: a}}]}]";
        assert!(findings(delegating).is_empty());
        for some in ["{uri: {prefix: /b}}", "{uri: {prefix: /}, port: 80}", "{sourceLabels: {app: b}}"] {
            assert!(with(some).is_empty(), "{some}");
        }
    }

    #[test]
    fn weights_that_sum_to_zero_are_refused() {
        let two = "[{route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]}]";
        assert_eq!(findings(two), ["http[0].route: error"]);
    }

    #[test]
    fn a_rule_takes_exactly_one_action() {
        assert_eq!(findings("[{timeout: 3s}]"), ["http[0]: error"]);
        assert_eq!(
            findings("[{redirect: {uri: /x}, route: [{destination: {host: a}}]}]"),
            ["http[0]: error"]
        );
        assert_eq!(
            findings(
                "[{directResponse: {status: 503}, fault: {abort: {httpStatus: 500, percentage: {value: 1}}}}]"
            ),
            ["http[0].fault: error"]
        );
    }

    #[test]
    fn retries_say_what_they_need() {
        let with = |retries: &str| {
            findings(&format!("[{{route: [{{destination: {{host: a}}}}], retries: {retries}}}]"))
        };
        assert_eq!(with("{attempts: -1}"), ["http[0].retries.attempts: error"]);
        assert_eq!(with("{attempts: 0, perTryTimeout: 2s}"), ["http[0].retries.perTryTimeout: error"]);
        assert_eq!(with("{}"), ["http[0].retries: warning"]);
        assert_eq!(with("{attempts: 2, retryOn: '5xx, reset'}"), ["http[0].retries.retryOn: error"]);
        assert!(with("{attempts: 2, retryOn: '5xx,503'}").is_empty());
        assert!(with("{attempts: 0}").is_empty());
    }

    #[test]
    fn faults_without_percentage_do_nothing() {
        let with =
            |fault: &str| findings(&format!("[{{route: [{{destination: {{host: a}}}}], fault: {fault}}}]"));
        assert_eq!(with("{abort: {httpStatus: 500}}"), ["http[0].fault.abort: warning"]);
        assert_eq!(with("{delay: {fixedDelay: 5s}}"), ["http[0].fault.delay: warning"]);
        assert_eq!(
            with("{abort: {grpcStatus: UNAVAILBLE, percentage: {value: 1}}}"),
            ["http[0].fault.abort.grpcStatus: error"]
        );
        assert_eq!(
            with("{delay: {fixedDelay: 5s, percentage: {value: 101}}}"),
            ["http[0].fault.delay.percentage.value: error"]
        );
    }

    #[test]
    fn rules_for_connections_are_checked_and_told_too() {
        let spec: VirtualService = serde_yaml::from_str(
            "{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], route: []}]}",
        )
        .unwrap();
        let paths: Vec<String> = not_modelled(&spec).into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["spec.tcp[0].match[0].destinationSubnets"]);
        assert!(validate(&spec).iter().any(|finding| finding.severity == Severity::Error));
    }
}
