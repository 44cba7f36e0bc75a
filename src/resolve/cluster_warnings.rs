//! What a careful reader would want to hear about a cluster: settings that are legal and do nothing, or the worst.
//! Source: semantics S3.4, S4.3, S7.2, S8.5, S19.

use super::note::Notes;
use super::object::Object;
use super::policies::{Effective, Policies};
use super::services::KnownService;
use crate::config::diagnostic::Diagnostic;
use crate::config::istio::DestinationRule;
use crate::config::istio::destination_rule::{Blocks, ConnectionPool, Subset};
use crate::kernel::words::counted;
use crate::mesh::model::Cluster;

type Rule = Object<DestinationRule>;

/// A subset with its rule and place there.
pub type FoundSubset<'a> = (&'a Rule, usize, &'a Subset);

/// The rule and path of the block that holds for a cluster: `has` tells whether a policy has it, `block` is its name.
pub fn origin<'a>(
    policies: &Policies<'a>,
    subset: Option<FoundSubset<'a>>,
    port: u16,
    has: impl Fn(Blocks<'_>) -> bool,
    block: &str,
) -> Option<(&'a Rule, String)> {
    let of_subset = subset.and_then(|(rule, index, subset)| {
        Some((rule, format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()?))
    });
    let top = policies.top().map(|(rule, policy)| (rule, "spec.trafficPolicy".to_owned(), policy));
    for (rule, path, policy) in of_subset.into_iter().chain(top) {
        // A port's settings replace all blocks, those that they leave out as well.
        if let Some((index, settings)) = policy.port_level(port) {
            let path = format!("{path}.portLevelSettings[{index}].{block}");
            return has(settings.blocks()).then_some((rule, path));
        }
        if has(policy.blocks()) {
            return Some((rule, format!("{path}.{block}")));
        }
    }
    None
}

/// Tells all of it, about one cluster of `service`.
pub fn tell(
    cluster: &Cluster,
    service: &KnownService,
    policies: &Policies<'_>,
    subset: Option<FoundSubset<'_>>,
    effective: &Effective<'_>,
    notes: &mut Notes<'_>,
) {
    if let Some((rule, index, _)) = subset
        && cluster.hosts.is_empty()
    {
        notes.report(no_pods(rule, index, cluster, notes));
    }
    tell_unknown_ports(service, policies, subset, notes);
    if service.port(cluster.port).is_some_and(|port| !port.protocol.is_http2()) {
        tell_idle_streams(cluster, policies, subset, effective, notes);
    }
    tell_no_ejections(cluster, policies, subset, effective, notes);
}

fn no_pods(rule: &Rule, index: usize, cluster: &Cluster, notes: &Notes<'_>) -> Diagnostic {
    Diagnostic::warning(
        "IST0173",
        format!("no pod of the service has the labels of subset `{}`", cluster.subset),
    )
    .at(rule.span(notes, &format!("spec.subsets[{index}].labels")))
    .label("requests that are routed here get 503 UH")
    .help("compare them with the labels of the Deployment's pod template, or of the scenario's workload")
}

/// Settings of a port that the service does not have. Rules for many hosts may well name ports of some of them.
/// Source: semantics S4.3.
fn tell_unknown_ports(
    service: &KnownService,
    policies: &Policies<'_>,
    subset: Option<FoundSubset<'_>>,
    notes: &mut Notes<'_>,
) {
    let top = policies.top().map(|(rule, policy)| (rule, "spec.trafficPolicy".to_owned(), policy));
    let of_subset = subset.and_then(|(rule, index, subset)| {
        Some((rule, format!("spec.subsets[{index}].trafficPolicy"), subset.traffic_policy.as_ref()?))
    });
    let is_for_one = |rule: &Rule| rule.spec.host.as_ref().is_some_and(|host| !host.starts_with('*'));
    for (rule, path, policy) in top.into_iter().chain(of_subset).filter(|(rule, ..)| is_for_one(rule)) {
        for (index, settings) in policy.port_level_settings.iter().enumerate() {
            let number = settings.port.as_ref().and_then(|port| port.number).map(|number| number.0);
            let Some(number) = number.filter(|number| !has_port(service, *number)) else { continue };
            let ports: Vec<String> = service.ports.iter().map(|port| port.number.to_string()).collect();
            let place = rule.span(notes, &format!("{path}.portLevelSettings[{index}].port.number"));
            notes.report(
                Diagnostic::warning("MS2005", format!("`{}` has no port {number}", service.name))
                    .at(place)
                    .label("these settings hold for nobody")
                    .help(format!("settings go by the port of the Service: {}", ports.join(" or "))),
            );
        }
    }
}

fn has_port(service: &KnownService, number: i64) -> bool {
    u16::try_from(number).is_ok_and(|number| service.port(number).is_some())
}

/// A limit of streams where the port does not speak HTTP/2 of itself. Source: semantics S7.2.
fn tell_idle_streams(
    cluster: &Cluster,
    policies: &Policies<'_>,
    subset: Option<FoundSubset<'_>>,
    effective: &Effective<'_>,
    notes: &mut Notes<'_>,
) {
    let limits = |pool: &ConnectionPool| {
        let streams = pool.http.as_ref().and_then(|http| http.max_concurrent_streams);
        streams.is_some_and(|streams| streams.0 > 0)
    };
    if !effective.blocks.connection_pool.is_some_and(limits) {
        return;
    }
    let has = |blocks: Blocks<'_>| blocks.connection_pool.is_some();
    if let Some((rule, path)) = origin(policies, subset, cluster.port, has, "connectionPool") {
        let place = rule.span(notes, &format!("{path}.http.maxConcurrentStreams"));
        notes.report(
            Diagnostic::warning("MS2006", "maxConcurrentStreams does nothing on a port that is not HTTP/2")
                .at(place)
                .label(format!("port {} is none by its name or appProtocol", cluster.port))
                .help("name the port `http2` or `grpc`; UPGRADE alone leaves Envoy's own limit"),
        );
    }
}

/// Source: semantics S8.5.
fn tell_no_ejections(
    cluster: &Cluster,
    policies: &Policies<'_>,
    subset: Option<FoundSubset<'_>>,
    effective: &Effective<'_>,
    notes: &mut Notes<'_>,
) {
    let has = |blocks: Blocks<'_>| blocks.outlier_detection.is_some();
    let Some((rule, path)) = origin(policies, subset, cluster.port, has, "outlierDetection") else {
        return;
    };
    if let Some(outlier) = &cluster.outlier {
        let (hosts, percent) = (cluster.hosts.len(), outlier.max_ejection_percent);
        if hosts > 0 && !outlier.always_ejects_one && percent as usize * hosts < 100 {
            let message = format!(
                "maxEjectionPercent {percent} of {} lets none of {} be ejected",
                counted(hosts, "host", "hosts"),
                cluster.name
            );
            let field = format!("{path}.maxEjectionPercent");
            let written = effective.blocks.outlier_detection.and_then(|block| block.max_ejection_percent);
            let at = match written {
                Some(_) => rule.span(notes, &field),
                None => notes.docs.key_span(rule.doc, &path),
            };
            notes.report(
                Diagnostic::warning("MS-07", message)
                    .at(at)
                    .label(format!("one host is already {:.0} %", 100.0 / hosts as f64))
                    .help("raise it to at least the share of one host, or take outlierDetection out"),
            );
        }
    }
}
