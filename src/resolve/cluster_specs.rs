//! From the blocks of a traffic policy to what proxies are told: limits, connections, detectors, balancers.
//! Source: semantics S5.1, S6.2, S6.7, S7.2, S7.3, S8.1.

use std::num::NonZeroU32;

use super::defaults;
use super::policies::Effective;
use super::services::KnownPort;
use super::versions::{Change, Version};
use crate::config::istio::destination_rule::{
    ConsistentHash, HttpPool, LoadBalancer, OutlierDetection, TcpPool,
};
use crate::config::istio::values::{Duration, Int};
use crate::kernel::SimDuration;
use crate::mesh::policy_spec::{
    BalancerSpec, CircuitBreakers, ConnectionSpec, HashPolicy, HashSource, OutlierSpec, Protocol,
    RetryBudget, SlowStartSpec, TableKind,
};

/// A limit as Istio writes it: absent and 0 both mean no limit.
fn limit(count: Option<Int>) -> u32 {
    positive(count).map_or(defaults::UNLIMITED, NonZeroU32::get)
}

fn positive(count: Option<Int>) -> Option<NonZeroU32> {
    count.and_then(|count| u32::try_from(count.0).ok()).and_then(NonZeroU32::new)
}

fn length(duration: Option<&Duration>) -> Option<SimDuration> {
    duration.and_then(|duration| duration.parse().ok())
}

fn tcp<'a>(effective: &Effective<'a>) -> Option<&'a TcpPool> {
    effective.blocks.connection_pool.and_then(|pool| pool.tcp.as_ref())
}

fn http<'a>(effective: &Effective<'a>) -> Option<&'a HttpPool> {
    effective.blocks.connection_pool.and_then(|pool| pool.http.as_ref())
}

pub fn breakers(effective: &Effective<'_>) -> CircuitBreakers {
    let (tcp, http) = (tcp(effective), http(effective));
    CircuitBreakers {
        max_connections: limit(tcp.and_then(|tcp| tcp.max_connections)),
        max_pending_requests: limit(http.and_then(|http| http.http1_max_pending_requests)),
        max_requests: limit(http.and_then(|http| http.http2_max_requests)),
        // A budget takes its place. Source: semantics S9.7.
        max_retries: limit(
            http.and_then(|http| http.max_retries).filter(|_| effective.retry_budget.is_none()),
        ),
        retry_budget: effective.retry_budget.map(|budget| RetryBudget {
            percent: budget.percent.unwrap_or(defaults::BUDGET_PERCENT),
            min_retry_concurrency: positive(budget.min_retry_concurrency)
                .map_or(defaults::BUDGET_MIN_RETRIES, NonZeroU32::get),
            interval: length(budget.budget_interval.as_ref()).unwrap_or_default(),
        }),
    }
}

/// Of a caller. `port` is the port's own protocol; an HTTP/1.1 port may be upgraded.
pub fn connection(effective: &Effective<'_>, port: Protocol, version: Version) -> ConnectionSpec {
    let upgrade = http(effective).and_then(|http| http.h2_upgrade_policy.as_deref()) == Some("UPGRADE");
    let spoken = if port == Protocol::Http1 && upgrade { Protocol::Http2 } else { port };
    let own_limit = http(effective).and_then(|http| http.max_concurrent_streams);
    connection_of(effective, spoken, own_limit.filter(|_| port.is_http2()), version)
}

/// Of a pod's own sidecar with its application. Callers' upgrades end there, unless the port names no protocol: then
/// what comes in goes on. Source: semantics S1.2, S7.3.
pub fn inbound_connection(effective: &Effective<'_>, port: &KnownPort, version: Version) -> ConnectionSpec {
    if port.is_sniffed {
        return connection(effective, port.protocol, version);
    }
    let own_limit = http(effective).and_then(|http| http.max_concurrent_streams);
    connection_of(effective, port.protocol, own_limit, version)
}

/// `own_limit`: of streams at once, which the rule has a say in only where the port itself speaks HTTP/2; an upgraded
/// one keeps the default. Source: semantics S7.2.
fn connection_of(
    effective: &Effective<'_>,
    protocol: Protocol,
    own_limit: Option<Int>,
    version: Version,
) -> ConnectionSpec {
    let (tcp, http) = (tcp(effective), http(effective));
    let streams = if protocol.is_http2() {
        let default = match version.has(Change::StreamsAreBounded) {
            true => defaults::CONCURRENT_STREAMS,
            false => defaults::CONCURRENT_STREAMS_BEFORE_1_28,
        };
        positive(own_limit).map_or(default, NonZeroU32::get)
    } else {
        1
    };
    // `http.idleTimeout` wins; an explicit zero in `tcp` switches it off.
    let idle = length(http.and_then(|http| http.idle_timeout.as_ref()))
        .or_else(|| length(tcp.and_then(|tcp| tcp.idle_timeout.as_ref())))
        .unwrap_or(defaults::IDLE_TIMEOUT);
    ConnectionSpec {
        protocol,
        connect_timeout: length(tcp.and_then(|tcp| tcp.connect_timeout.as_ref()))
            .or(effective.connect_timeout)
            .unwrap_or(defaults::CONNECT_TIMEOUT),
        max_requests_per_connection: positive(http.and_then(|http| http.max_requests_per_connection)),
        max_concurrent_streams: streams,
        idle_timeout: Some(idle).filter(|idle| !idle.is_zero()),
        max_connection_duration: length(tcp.and_then(|tcp| tcp.max_connection_duration.as_ref())),
    }
}

pub fn outlier(detection: &OutlierDetection, version: Version) -> OutlierSpec {
    let split = detection.split_external_local_origin_errors == Some(true);
    let base = length(detection.base_ejection_time.as_ref()).unwrap_or(defaults::BASE_EJECTION_TIME);
    let consecutive_5xx = match detection.consecutive_5xx_errors {
        None => NonZeroU32::new(defaults::CONSECUTIVE_5XX),
        explicit => positive(explicit),
    };
    // In split mode an explicit 0 is not written and means the default. Source: semantics S8.1.
    let local = positive(detection.consecutive_local_origin_failures)
        .or(NonZeroU32::new(defaults::CONSECUTIVE_LOCAL_ORIGIN))
        .filter(|_| split);
    let codes = detection.outlier_detection_http_error_codes.iter();
    OutlierSpec {
        consecutive_5xx,
        consecutive_gateway: positive(detection.consecutive_gateway_errors),
        split_external_local_origin: split,
        consecutive_local_origin: local,
        interval: length(detection.interval.as_ref()).unwrap_or(defaults::OUTLIER_INTERVAL),
        base_ejection_time: base,
        max_ejection_time: base.max(defaults::MAX_EJECTION_TIME),
        max_ejection_percent: positive(detection.max_ejection_percent)
            .map_or(defaults::MAX_EJECTION_PERCENT, NonZeroU32::get),
        always_ejects_one: !version.has(Change::StrictEjectionLimit),
        error_codes: codes.filter_map(|code| u16::try_from(code.0).ok()).collect(),
        // Istio writes 0 for both. Source: semantics S8.1.
        success_rate: None,
        failure_percentage: None,
    }
}

/// `prefers_near`: the service has a trafficDistribution, under which Istio writes no threshold but 0.
/// Source: semantics S6.2.
pub fn balancer(effective: &Effective<'_>, version: Version, prefers_near: bool) -> BalancerSpec {
    let load_balancer = effective.blocks.load_balancer;
    let name = load_balancer.map_or(defaults::BALANCER, balancer_name);
    let warms = name == "LEAST_REQUEST" || name == "ROUND_ROBIN";
    BalancerSpec {
        choice_count: defaults::CHOICE_COUNT,
        table: load_balancer.and_then(|balancer| balancer.consistent_hash.as_ref()).map(table),
        slow_start: load_balancer.filter(|_| warms).and_then(slow_start),
        panic_threshold_percent: match effective.blocks.outlier_detection {
            _ if prefers_near => 0,
            Some(detection) => positive(detection.min_health_percent).map_or(0, NonZeroU32::get),
            None if version.has(Change::UnreadyEndpoints) => 0,
            None => defaults::PANIC_BEFORE_1_31,
        },
        ..BalancerSpec::plain(name)
    }
}

/// Whether pods that are not ready stay in the list of hosts. Source: semantics S15.1.
pub fn lists_unready(effective: &Effective<'_>, version: Version, prefers_near: bool) -> bool {
    let detection = effective.blocks.outlier_detection;
    let may_panic = detection.is_some_and(|detection| positive(detection.min_health_percent).is_some());
    version.has(Change::UnreadyEndpoints) && (prefers_near || !may_panic)
}

fn balancer_name(load_balancer: &LoadBalancer) -> &'static str {
    if let Some(hash) = &load_balancer.consistent_hash {
        return if hash.maglev.is_some() { "MAGLEV" } else { "RING_HASH" };
    }
    match load_balancer.simple.as_deref() {
        Some("ROUND_ROBIN") => "ROUND_ROBIN",
        // Simplified: the node's own lookup chooses a pod for each connection, here a random one for each request.
        Some("RANDOM" | "PASSTHROUGH") => "RANDOM",
        _ => defaults::BALANCER,
    }
}

/// Whether hosts are whom the caller dialled, and subsets and ejections mean nothing. Source: semantics S5.6.
pub fn passes_through(effective: &Effective<'_>) -> bool {
    let balancer = effective.blocks.load_balancer;
    balancer.is_some_and(|lb| lb.consistent_hash.is_none() && lb.simple.as_deref() == Some("PASSTHROUGH"))
}

fn table(hash: &ConsistentHash) -> TableKind {
    let size =
        |written: Option<Int>| written.and_then(|size| u64::try_from(size.0).ok()).filter(|size| *size > 0);
    if let Some(maglev) = &hash.maglev {
        return TableKind::Maglev(size(maglev.table_size).unwrap_or(defaults::MAGLEV_SIZE));
    }
    let ring = hash.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size);
    TableKind::Ring(size(ring.or(hash.minimum_ring_size)).unwrap_or(defaults::RING_SIZE))
}

/// What a request's hash is made of; `None`: nothing, so that it is a random one. Source: semantics S4.7, S5.7.
pub fn hash_policy(hash: &ConsistentHash) -> Option<HashPolicy> {
    let source = if let Some(name) = &hash.http_header_name {
        HashSource::Header(name.to_ascii_lowercase())
    } else if let Some(cookie) = &hash.http_cookie {
        HashSource::Cookie { name: cookie.name.clone()?, ttl: length(cookie.ttl.as_ref()) }
    } else if hash.use_source_ip == Some(true) {
        HashSource::SourceIp
    } else {
        HashSource::QueryParameter(hash.http_query_parameter_name.clone()?)
    };
    Some(HashPolicy { source, is_terminal: false })
}

fn slow_start(load_balancer: &LoadBalancer) -> Option<SlowStartSpec> {
    let warmup = load_balancer.warmup.as_ref();
    let window = length(warmup.and_then(|warmup| warmup.duration.as_ref()))
        .or_else(|| length(load_balancer.warmup_duration_secs.as_ref()))?;
    Some(SlowStartSpec {
        window,
        min_weight_percent: warmup
            .and_then(|warmup| warmup.minimum_percent)
            .unwrap_or(defaults::WARMUP_MINIMUM_PERCENT),
        aggression: warmup.and_then(|warmup| warmup.aggression).unwrap_or(defaults::WARMUP_AGGRESSION),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::istio::destination_rule::TrafficPolicy;

    fn with<T>(yaml: &str, read: impl Fn(&Effective<'_>) -> T) -> T {
        let policy: TrafficPolicy = serde_yaml::from_str(yaml).unwrap();
        read(&Effective {
            blocks: policy.blocks(),
            retry_budget: policy.retry_budget.as_ref(),
            ..Effective::default()
        })
    }

    #[test]
    fn zero_is_no_limit() {
        let read =
            with("connectionPool: {http: {http1MaxPendingRequests: 0, http2MaxRequests: 7}}", breakers);
        assert_eq!(read.max_pending_requests, defaults::UNLIMITED);
        assert_eq!(read.max_requests, 7);
        assert_eq!(read.max_retries, defaults::UNLIMITED);
        let budget = with("retryBudget: {budgetInterval: 2s}", breakers).retry_budget.unwrap();
        assert_eq!((budget.min_retry_concurrency, budget.interval), (3, SimDuration::from_secs(2)));
        let retries = |rest: &str| {
            with(&format!("{{connectionPool: {{http: {{maxRetries: 4}}}}{rest}}}"), breakers).max_retries
        };
        assert_eq!((retries(""), retries(", retryBudget: {}")), (4, defaults::UNLIMITED));
    }

    #[test]
    fn one_host_could_always_go_before_1_20() {
        let read = |version| outlier(&OutlierDetection::default(), Version::parse(version).unwrap());
        assert!(read("1.19").always_ejects_one && !read("1.20").always_ejects_one);
    }

    #[test]
    fn an_explicit_zero_switches_a_detector_off() {
        let read =
            |yaml: &str| outlier(&serde_yaml::from_str(yaml).unwrap(), Version::parse("1.28").unwrap());
        assert_eq!(read("{}").consecutive_5xx, NonZeroU32::new(5));
        assert_eq!(read("{consecutive5xxErrors: 0}").consecutive_5xx, None);
        assert_eq!(read("{}").consecutive_gateway, None);
        assert_eq!(read("{}").max_ejection_percent, 10);
        assert_eq!(read("{maxEjectionPercent: 0}").max_ejection_percent, 10);
        assert_eq!(read("{outlierDetectionHttpErrorCodes: [429, 503]}").error_codes, [429, 503]);
        assert_eq!(read("{baseEjectionTime: 400s}").max_ejection_time, SimDuration::from_secs(400));
        assert_eq!(
            read("{splitExternalLocalOriginErrors: true}").consecutive_local_origin,
            NonZeroU32::new(5)
        );
    }

    #[test]
    fn a_consistent_hash_names_its_table_and_its_key() {
        let version = Version::parse("1.28").unwrap();
        let read = |hash: &str| {
            let yaml = format!("loadBalancer: {{consistentHash: {{{hash}}}}}");
            let spec = with(&yaml, |e| balancer(e, version, false));
            let hash: ConsistentHash = serde_yaml::from_str(&format!("{{{hash}}}")).unwrap();
            (spec.name, spec.table.unwrap(), hash_policy(&hash).map(|policy| policy.source))
        };
        let ring = |size, source| ("RING_HASH", TableKind::Ring(size), source);
        assert_eq!(read("httpHeaderName: X-User"), ring(1024, Some(HashSource::Header("x-user".into()))));
        let small = read("ringHash: {minimumRingSize: 8}, useSourceIp: true");
        assert_eq!(small, ring(8, Some(HashSource::SourceIp)));
        assert_eq!(read("minimumRingSize: 9, useSourceIp: false"), ring(9, None));
        let cookie = |ttl| Some(HashSource::Cookie { name: "sid".into(), ttl });
        assert_eq!(read("httpCookie: {name: sid}"), ring(1024, cookie(None)));
        assert_eq!(read("httpCookie: {name: sid, ttl: 0s}"), ring(1024, cookie(Some(SimDuration::ZERO))));
        let maglev = read("httpQueryParameterName: q, maglev: {tableSize: 11}");
        assert_eq!(maglev, ("MAGLEV", TableKind::Maglev(11), Some(HashSource::QueryParameter("q".into()))));
    }

    #[test]
    fn unready_pods_are_listed_from_1_31_on_unless_there_may_be_panic() {
        let listed = |yaml: &str, version: &str, near| {
            with(yaml, |e| lists_unready(e, Version::parse(version).unwrap(), near))
        };
        assert!(!listed("{}", "1.30", false));
        assert!(listed("outlierDetection: {}", "1.31", false));
        assert!(!listed("outlierDetection: {minHealthPercent: 30}", "1.31", false));
        assert!(listed("outlierDetection: {minHealthPercent: 30}", "1.31", true));
    }

    #[test]
    fn outlier_detection_turns_panic_off() {
        let threshold = |yaml: &str, version: &str| {
            with(yaml, |e| balancer(e, Version::parse(version).unwrap(), false).panic_threshold_percent)
        };
        assert_eq!(threshold("outlierDetection: {}", "1.28"), 0);
        assert_eq!(threshold("outlierDetection: {minHealthPercent: 30}", "1.28"), 30);
        assert_eq!(threshold("{}", "1.28"), 50);
        assert_eq!(threshold("{}", "1.31"), 0);
    }

    #[test]
    fn upgrades_make_http2_pools() {
        let at = |version: &str, policy: &str| {
            with(policy, |e| connection(e, Protocol::Http1, Version::parse(version).unwrap()))
        };
        let upgrade = "connectionPool: {http: {h2UpgradePolicy: UPGRADE}}";
        let read = at("1.28", upgrade);
        assert_eq!((read.protocol, read.max_concurrent_streams), (Protocol::Http2, 1024));
        // Only where the port itself speaks HTTP/2 has the rule a say in streams.
        let streams = "connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 7}}";
        let of = |port| {
            with(streams, |e| connection(e, port, Version::parse("1.28").unwrap()).max_concurrent_streams)
        };
        assert_eq!((of(Protocol::Http1), of(Protocol::Http2), of(Protocol::Grpc)), (1024, 7, 7));
        // Without a word there was no limit before Envoy 1.36.
        assert_eq!(at("1.27", upgrade).max_concurrent_streams, (1 << 31) - 1);
        let read = at("1.28", "connectionPool: {tcp: {idleTimeout: 0s}}");
        assert_eq!(read.idle_timeout, None);
        assert_eq!(read.connect_timeout, SimDuration::from_secs(10));
    }

    #[test]
    fn warmup_needs_a_balancer_that_weighs() {
        let version = Version::parse("1.28").unwrap();
        let slow = |yaml: &str| with(yaml, |e| balancer(e, version, false).slow_start);
        assert_eq!(
            slow("loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 30s}}").unwrap().min_weight_percent,
            10.0
        );
        assert_eq!(slow("loadBalancer: {simple: RANDOM, warmup: {duration: 30s}}"), None);
    }
}
