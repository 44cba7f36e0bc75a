//! From the blocks of a traffic policy to what proxies are told: limits, connections, detectors, balancers.
//! Source: semantics S5.1, S6.2, S6.7, S7.2, S7.3, S8.1.

use std::num::NonZeroU32;

use super::defaults::{self, Version};
use super::policies::Effective;
use crate::config::istio::destination_rule::{HttpPool, LoadBalancer, OutlierDetection, TcpPool};
use crate::config::istio::values::{Duration, Int};
use crate::kernel::SimDuration;
use crate::mesh::policy_spec::{
    BalancerSpec, CircuitBreakers, ConnectionSpec, OutlierSpec, Protocol, RetryBudget, SlowStartSpec,
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
        max_retries: limit(http.and_then(|http| http.max_retries)),
        retry_budget: effective.retry_budget.map(|budget| RetryBudget {
            percent: budget.percent.unwrap_or(defaults::BUDGET_PERCENT),
            min_retry_concurrency: positive(budget.min_retry_concurrency)
                .map_or(defaults::BUDGET_MIN_RETRIES, NonZeroU32::get),
        }),
    }
}

/// `port` is the port's own protocol; an HTTP/1.1 port may be upgraded.
pub fn connection(effective: &Effective<'_>, port: Protocol) -> ConnectionSpec {
    let (tcp, http) = (tcp(effective), http(effective));
    let upgrade = http.and_then(|http| http.h2_upgrade_policy.as_deref()) == Some("UPGRADE");
    let protocol = if port == Protocol::Http1 && upgrade { Protocol::Http2 } else { port };
    let streams = if protocol.is_http2() {
        positive(http.and_then(|http| http.max_concurrent_streams))
            .map_or(defaults::CONCURRENT_STREAMS, NonZeroU32::get)
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
            .unwrap_or(defaults::CONNECT_TIMEOUT),
        max_requests_per_connection: positive(http.and_then(|http| http.max_requests_per_connection)),
        max_concurrent_streams: streams,
        idle_timeout: Some(idle).filter(|idle| !idle.is_zero()),
        max_connection_duration: length(tcp.and_then(|tcp| tcp.max_connection_duration.as_ref())),
    }
}

pub fn outlier(detection: &OutlierDetection) -> OutlierSpec {
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
        name,
        choice_count: defaults::CHOICE_COUNT,
        slow_start: load_balancer.filter(|_| warms).and_then(slow_start),
        panic_threshold_percent: match effective.blocks.outlier_detection {
            _ if prefers_near => 0,
            Some(detection) => positive(detection.min_health_percent).map_or(0, NonZeroU32::get),
            None if version.at_least(1, 31) => 0,
            None => defaults::PANIC_BEFORE_1_31,
        },
    }
}

fn balancer_name(load_balancer: &LoadBalancer) -> &'static str {
    // Hashing is not simulated; keys that are many and alike in weight spread like random picks.
    if load_balancer.consistent_hash.is_some() {
        return "RANDOM";
    }
    match load_balancer.simple.as_deref() {
        Some("ROUND_ROBIN") => "ROUND_ROBIN",
        // The pod that the caller's own lookup chose is a random one to us.
        Some("RANDOM" | "PASSTHROUGH") => "RANDOM",
        _ => defaults::BALANCER,
    }
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
        read(&Effective { blocks: policy.blocks(), retry_budget: policy.retry_budget.as_ref() })
    }

    #[test]
    fn zero_is_no_limit() {
        let read =
            with("connectionPool: {http: {http1MaxPendingRequests: 0, http2MaxRequests: 7}}", breakers);
        assert_eq!(read.max_pending_requests, defaults::UNLIMITED);
        assert_eq!(read.max_requests, 7);
        assert_eq!(read.max_retries, defaults::UNLIMITED);
        assert_eq!(with("retryBudget: {}", breakers).retry_budget.unwrap().min_retry_concurrency, 3);
    }

    #[test]
    fn an_explicit_zero_switches_a_detector_off() {
        let read = |yaml: &str| outlier(&serde_yaml::from_str(yaml).unwrap());
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
        let read =
            with("connectionPool: {http: {h2UpgradePolicy: UPGRADE}}", |e| connection(e, Protocol::Http1));
        assert_eq!((read.protocol, read.max_concurrent_streams), (Protocol::Http2, 1024));
        let read = with("connectionPool: {tcp: {idleTimeout: 0s}}", |e| connection(e, Protocol::Http1));
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
