//! What Istio's webhook refuses in a DestinationRule, what is legal but does nothing, and what is not simulated.
//! Source: lint, WH-DR; fields, DestinationRule; semantics S4, S7.2, S8.1.

use super::destination_rule::{
    Blocks, ClientTls, ConnectionPool, DestinationRule, OutlierDetection, RetryBudget, TrafficPolicy,
};
use super::finding::{Finding, Findings, SCHEMA_WARNING, Unmodelled};
use super::load_balancer_rules::check_balancer;
use super::values::Int;

/// Everything wrong or without effect in one DestinationRule. Paths begin with `spec`.
pub fn validate(spec: &DestinationRule) -> Vec<Finding> {
    let mut findings = Findings::default();
    let out = &mut findings;
    match spec.host.as_deref() {
        None | Some("") => {
            out.refused("spec", "it names no host").help("write `host: SERVICE`");
        }
        Some(host) => out.host("spec.host", host),
    }
    out.export_to("spec.exportTo", &spec.export_to);
    if spec.workload_selector.is_some() && spec.export_to.iter().any(|to| to != ".") {
        out.refused(
            "spec.exportTo",
            "a rule with workloadSelector belongs to its own namespace: only `.` is allowed",
        );
    }
    if let Some(policy) = &spec.traffic_policy {
        check_policy(policy, "spec.trafficPolicy", out);
    }
    for (index, subset) in spec.subsets.iter().enumerate() {
        let path = format!("spec.subsets[{index}]");
        match subset.name.as_deref() {
            None | Some("") => {
                out.refused(&path, "the subset has no name");
            }
            Some(name) => {
                out.dns_label(&format!("{path}.name"), name);
                if spec.subsets[..index].iter().any(|other| other.name.as_deref() == Some(name)) {
                    out.refused(format!("{path}.name"), format!("the subset `{name}` is defined twice"));
                }
            }
        }
        if subset.labels.is_empty() {
            out.warn("KIA0209", &path, "a subset without labels takes in all pods of the service");
        }
        if let Some(policy) = &subset.traffic_policy {
            check_policy(policy, &format!("{path}.trafficPolicy"), out);
        }
    }
    findings.0
}

/// What one DestinationRule asks for and the engine does not do.
pub fn not_modelled(spec: &DestinationRule) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    each_policy(spec, &mut |policy, path| {
        let mut add = |field: &str, what: &str| {
            list.push(Unmodelled { path: format!("{path}.{field}"), what: what.to_owned() });
        };
        if policy.tunnel.is_some() {
            add("tunnel", "tunnels for TCP and TLS: the destination is called directly");
        }
        if policy.proxy_protocol.is_some() {
            add("proxyProtocol", "the proxy protocol: it changes no figure of HTTP calls");
        }
    });
    each_blocks(spec, &mut |blocks, path| blocks_not_modelled(blocks, path, &mut list));
    list
}

/// What the blocks at `path` ask for and the engine does not do.
pub fn blocks_not_modelled(blocks: Blocks<'_>, path: &str, list: &mut Vec<Unmodelled>) {
    let mut add = |field: &str, what: &str| {
        list.push(Unmodelled { path: format!("{path}.{field}"), what: what.to_owned() });
    };
    if let Some(balancer) = blocks.load_balancer {
        if balancer.simple.as_deref() == Some("PASSTHROUGH") {
            add(
                "loadBalancer.simple",
                "PASSTHROUGH: a random pod for each request, instead of the one that the node chose for the connection",
            );
        }
        if balancer.zone_aware_lb_setting.is_some() {
            add("loadBalancer.zoneAwareLbSetting", "zone-aware balancing: all zones are treated alike");
        }
    }
    if let Some(http) = blocks.connection_pool.and_then(|pool| pool.http.as_ref())
        && http.use_client_protocol == Some(true)
    {
        add("connectionPool.http.useClientProtocol", "the caller's protocol: the port's own is used");
    }
    if let Some(mode) = blocks.tls.and_then(|tls| tls.mode.as_deref())
        && (mode == "SIMPLE" || mode == "MUTUAL")
    {
        add(
            "tls.mode",
            "a handshake that fails: TLS of its own is taken to succeed and costs one round trip",
        );
    }
}

/// Calls `visit` with each trafficPolicy and its path.
fn each_policy(spec: &DestinationRule, visit: &mut dyn FnMut(&TrafficPolicy, &str)) {
    if let Some(policy) = &spec.traffic_policy {
        visit(policy, "spec.trafficPolicy");
    }
    for (index, subset) in spec.subsets.iter().enumerate() {
        if let Some(policy) = &subset.traffic_policy {
            visit(policy, &format!("spec.subsets[{index}].trafficPolicy"));
        }
    }
}

/// Calls `visit` with the blocks of each trafficPolicy and port-level setting, and their path.
pub fn each_blocks(spec: &DestinationRule, visit: &mut dyn FnMut(Blocks<'_>, &str)) {
    each_policy(spec, &mut |policy, path| {
        visit(policy.blocks(), path);
        for (index, port) in policy.port_level_settings.iter().enumerate() {
            visit(port.blocks(), &format!("{path}.portLevelSettings[{index}]"));
        }
    });
}

fn check_policy(policy: &TrafficPolicy, path: &str, out: &mut Findings) {
    if *policy == TrafficPolicy::default() {
        out.refused(path, "an empty trafficPolicy, which Istio refuses").help("fill it or take it out");
    }
    check_blocks(policy.blocks(), path, out);
    for (index, port) in policy.port_level_settings.iter().enumerate() {
        let here = format!("{path}.portLevelSettings[{index}]");
        match port.port.as_ref().and_then(|selector| selector.number) {
            None => {
                out.refused(&here, "the settings name no port").help("write `port: {number: ...}`");
            }
            number => out.port(&format!("{here}.port.number"), number),
        }
        if port.blocks() == Blocks::default() {
            out.refused(&here, "the settings of this port are empty");
        }
        check_blocks(port.blocks(), &here, out);
    }
    if let Some(budget) = &policy.retry_budget {
        check_budget(budget, &format!("{path}.retryBudget"), out);
        let http = policy.connection_pool.as_ref().and_then(|pool| pool.http.as_ref());
        if http.and_then(|http| http.max_retries).is_some_and(|most| most.0 > 0) {
            out.warn(
                "MS2004",
                format!("{path}.connectionPool.http.maxRetries"),
                "maxRetries does nothing beside retryBudget, which takes its place",
            )
            .help("take one of them out");
        }
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        out.refused(format!("{path}.tunnel"), "tunnel does not go with proxyProtocol");
    }
}

/// Everything wrong or without effect in the blocks at `path`.
pub fn check_blocks(blocks: Blocks<'_>, path: &str, out: &mut Findings) {
    if let Some(balancer) = blocks.load_balancer {
        check_balancer(balancer, blocks.outlier_detection.is_some(), &format!("{path}.loadBalancer"), out);
    }
    if let Some(pool) = blocks.connection_pool {
        check_pool(pool, &format!("{path}.connectionPool"), out);
    }
    if let Some(outlier) = blocks.outlier_detection {
        check_outlier(outlier, &format!("{path}.outlierDetection"), out);
    }
    if let Some(tls) = blocks.tls {
        check_tls(tls, &format!("{path}.tls"), out);
    }
}

fn check_budget(budget: &RetryBudget, path: &str, out: &mut Findings) {
    if budget.percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        out.refused(format!("{path}.percent"), "percent must lie between 0 and 100");
    }
    out.count(&format!("{path}.minRetryConcurrency"), budget.min_retry_concurrency);
    out.any_duration(&format!("{path}.budgetInterval"), budget.budget_interval.as_ref());
}

fn check_pool(pool: &ConnectionPool, path: &str, out: &mut Findings) {
    if pool.tcp.is_none() && pool.http.is_none() {
        out.refused(path, "an empty connectionPool, which Istio refuses").help("fill it or take it out");
    }
    if let Some(tcp) = &pool.tcp {
        out.count(&format!("{path}.tcp.maxConnections"), tcp.max_connections);
        out.duration(&format!("{path}.tcp.connectTimeout"), tcp.connect_timeout.as_ref());
        out.duration(&format!("{path}.tcp.maxConnectionDuration"), tcp.max_connection_duration.as_ref());
        out.any_duration(&format!("{path}.tcp.idleTimeout"), tcp.idle_timeout.as_ref());
    }
    let Some(http) = &pool.http else { return };
    let path = format!("{path}.http");
    out.count(&format!("{path}.http1MaxPendingRequests"), http.http1_max_pending_requests);
    out.count(&format!("{path}.http2MaxRequests"), http.http2_max_requests);
    out.count(&format!("{path}.maxRequestsPerConnection"), http.max_requests_per_connection);
    out.count(&format!("{path}.maxRetries"), http.max_retries);
    out.count(&format!("{path}.maxConcurrentStreams"), http.max_concurrent_streams);
    out.duration(&format!("{path}.idleTimeout"), http.idle_timeout.as_ref());
    if let Some(policy) = http.h2_upgrade_policy.as_deref() {
        if !["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"].contains(&policy) {
            out.refused(format!("{path}.h2UpgradePolicy"), format!("`{policy}` is no upgrade policy"))
                .help("choose DEFAULT, DO_NOT_UPGRADE or UPGRADE");
        } else if policy == "UPGRADE" && http.use_client_protocol == Some(true) {
            out.refused(format!("{path}.useClientProtocol"), "useClientProtocol does not go with UPGRADE");
        }
    }
    for (name, count) in [
        ("http1MaxPendingRequests", http.http1_max_pending_requests),
        ("http2MaxRequests", http.http2_max_requests),
        ("maxRetries", http.max_retries),
    ] {
        if count == Some(Int(0)) {
            out.warn(
                "MS2002",
                format!("{path}.{name}"),
                format!("{name}: 0 means the default, which is no limit"),
            )
            .help("the lowest limit that Istio can write is 1");
        }
    }
    if let Some(alive) = &http.http2_keep_alive
        && (alive.interval.is_none() || alive.timeout.is_none())
    {
        out.refused(format!("{path}.http2KeepAlive"), "http2KeepAlive needs interval and timeout");
    }
}

fn check_outlier(outlier: &OutlierDetection, path: &str, out: &mut Findings) {
    out.duration(&format!("{path}.interval"), outlier.interval.as_ref());
    out.duration(&format!("{path}.baseEjectionTime"), outlier.base_ejection_time.as_ref());
    out.range(&format!("{path}.maxEjectionPercent"), outlier.max_ejection_percent, 0, 100);
    out.range(&format!("{path}.minHealthPercent"), outlier.min_health_percent, 0, 100);
    out.count(&format!("{path}.consecutive5xxErrors"), outlier.consecutive_5xx_errors);
    out.count(&format!("{path}.consecutiveGatewayErrors"), outlier.consecutive_gateway_errors);
    for (index, code) in outlier.outlier_detection_http_error_codes.iter().enumerate() {
        out.range(&format!("{path}.outlierDetectionHttpErrorCodes[{index}]"), Some(*code), 100, 599);
    }
    if outlier.consecutive_local_origin_failures.is_some_and(|failures| failures.0 > 0)
        && outlier.split_external_local_origin_errors != Some(true)
    {
        out.refused(
            format!("{path}.consecutiveLocalOriginFailures"),
            "consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true",
        );
    }
    if outlier.consecutive_errors.is_some() {
        let note = match outlier.consecutive_5xx_errors {
            None => "consecutiveErrors is ignored; the rule runs with the default of 5 consecutive 5xx",
            Some(_) => "consecutiveErrors is ignored",
        };
        out.warn(SCHEMA_WARNING, format!("{path}.consecutiveErrors"), note).help("use consecutive5xxErrors");
    }
    let five_xx = outlier.consecutive_5xx_errors.map_or(5, |errors| errors.0);
    if let Some(Int(gateway)) = outlier.consecutive_gateway_errors
        && five_xx > 0
        && gateway >= five_xx
    {
        out.warn(
            "MS-10",
            format!("{path}.consecutiveGatewayErrors"),
            format!("{gateway} gateway errors in a row never come before {five_xx} consecutive 5xx, which count them too"),
        )
        .help("lower it, or switch the other off by `consecutive5xxErrors: 0`");
    }
    if outlier.max_ejection_percent == Some(Int(100)) && outlier.min_health_percent.is_none_or(|p| p.0 == 0) {
        out.warn(
            "MS-09",
            format!("{path}.maxEjectionPercent"),
            "all hosts can be ejected at once, and then every call gets 503 UH",
        )
        .help("set minHealthPercent, or a lower maxEjectionPercent");
    }
}

fn check_tls(tls: &ClientTls, path: &str, out: &mut Findings) {
    let Some(mode) = tls.mode.as_deref() else { return };
    let files =
        tls.client_certificate.is_some() || tls.private_key.is_some() || tls.ca_certificates.is_some();
    match mode {
        "DISABLE" | "SIMPLE" => {}
        "ISTIO_MUTUAL" if files || tls.credential_name.is_some() => {
            out.refused(path, "ISTIO_MUTUAL takes the mesh's own certificates: no files or credentialName");
        }
        "ISTIO_MUTUAL" => {}
        "MUTUAL" => {
            if tls.credential_name.is_none()
                && (tls.client_certificate.is_none() || tls.private_key.is_none())
            {
                out.refused(path, "MUTUAL needs clientCertificate and privateKey, or credentialName");
            }
        }
        other => {
            out.refused(format!("{path}.mode"), format!("`{other}` is no TLS mode"))
                .help("choose DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL");
        }
    }
    if tls.credential_name.is_some() && files {
        out.refused(path, "credentialName does not go with certificate files");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(policy: &str) -> Vec<String> {
        let spec: DestinationRule =
            serde_yaml::from_str(&format!("{{host: a, trafficPolicy: {policy}}}")).unwrap();
        validate(&spec)
            .iter()
            .map(|f| format!("{}: {}", f.path.trim_start_matches("spec.trafficPolicy."), f.severity))
            .collect()
    }

    #[test]
    fn names_with_digits_are_read() {
        let yaml = "{host: a, trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, \
                    h2UpgradePolicy: UPGRADE}}, outlierDetection: {consecutive5xxErrors: 7}}}";
        let spec: DestinationRule = serde_yaml::from_str(yaml).unwrap();
        let policy = spec.traffic_policy.unwrap();
        let http = policy.connection_pool.unwrap().http.unwrap();
        assert_eq!(http.http1_max_pending_requests, Some(Int(1)));
        assert_eq!(http.http2_max_requests, Some(Int(2)));
        assert_eq!(http.h2_upgrade_policy.as_deref(), Some("UPGRADE"));
        assert_eq!(policy.outlier_detection.unwrap().consecutive_5xx_errors, Some(Int(7)));
    }

    #[test]
    fn maglev_tables_are_prime() {
        let with = |size: i64| {
            findings(&format!(
                "{{loadBalancer: {{consistentHash: {{useSourceIp: true, maglev: {{tableSize: {size}}}}}}}}}"
            ))
        };
        assert!(with(65537).is_empty());
        for size in [100, 0, 5_000_011] {
            assert_eq!(with(size), ["loadBalancer.consistentHash.maglev.tableSize: error"]);
        }
    }

    #[test]
    fn outlier_traps_are_told() {
        assert_eq!(
            findings("{outlierDetection: {maxEjectionPercent: 150}}"),
            ["outlierDetection.maxEjectionPercent: error"]
        );
        assert_eq!(
            findings("{outlierDetection: {consecutiveErrors: 3}}"),
            ["outlierDetection.consecutiveErrors: warning"]
        );
        assert_eq!(
            findings("{outlierDetection: {consecutiveGatewayErrors: 5}}"),
            ["outlierDetection.consecutiveGatewayErrors: warning"]
        );
        assert!(findings("{outlierDetection: {}}").is_empty());
        assert_eq!(
            findings("{outlierDetection: {outlierDetectionHttpErrorCodes: [429, 600]}}"),
            ["outlierDetection.outlierDetectionHttpErrorCodes[1]: error"]
        );
    }

    #[test]
    fn balancers_are_spelled_in_capitals() {
        assert_eq!(findings("{loadBalancer: {simple: round_robin}}"), ["loadBalancer.simple: error"]);
        assert!(findings("{loadBalancer: {simple: ROUND_ROBIN}}").is_empty());
    }

    #[test]
    fn empty_policies_are_refused() {
        assert_eq!(findings("{}"), ["spec.trafficPolicy: error"]);
        assert_eq!(findings("{connectionPool: {}}"), ["connectionPool: error"]);
    }
}
