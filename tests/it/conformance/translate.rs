//! Golden kinds of what Istio writes for Envoy: retries, pools, detectors, panic. Source: semantics S1.2, S6.2, S7.2,
//! S8.1, S9.1.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use meshcast::config::istio::destination_rule::TrafficPolicy;
use meshcast::config::istio::virtual_service::Retries;
use meshcast::mesh::policy_spec::{Protocol, RetryOn, RetrySpec};
use meshcast::policy::retry;
use meshcast::resolve::cluster_specs;
use meshcast::resolve::defaults;
use meshcast::resolve::policies::Effective;
use meshcast::resolve::retries;
use meshcast::resolve::versions::Version;
use serde::Deserialize;
use serde_yaml::Value;

use super::objects;

fn version(written: Option<&str>) -> Result<Version, String> {
    let parse = |text: &str| Version::parse(text).ok_or_else(|| format!("no version: {text}"));
    written.map_or(Ok(defaults::ISTIO_VERSION), parse)
}

/// Fields that a case asserts, by name, against those that the production code gives.
fn compare(asserted: &BTreeMap<String, Value>, given: &BTreeMap<&str, Value>) -> Result<(), String> {
    for (field, wanted) in asserted {
        let found = given.get(field.as_str()).ok_or_else(|| format!("no field `{field}`"))?;
        let is_equal = match (wanted.as_f64(), found.as_f64()) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => wanted == found,
        };
        if !is_equal {
            return Err(format!("{field}: expected {wanted:?}, got {found:?}"));
        }
    }
    Ok(())
}

fn number(count: Option<NonZeroU32>) -> Value {
    Value::from(count.map_or(0, NonZeroU32::get))
}

fn millis(length: meshcast::kernel::SimDuration) -> Value {
    Value::from(length.nanos() as f64 / 1e6)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRetries {
    retries: Option<Value>,
    #[serde(default)]
    consistent_hash: bool,
    virtual_service: Option<bool>,
    destinations: Option<usize>,
    istio: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envoy {
    envoy: Option<BTreeMap<String, Value>>,
}

pub fn istio_retry_translate(input: RuleRetries, expected: &Envoy) -> Result<(), String> {
    let version = version(input.istio.as_deref())?;
    let retries: Option<Retries> = input.retries.as_ref().map(objects::strict).transpose()?;
    let spec = if input.virtual_service == Some(false) {
        retries::translate(None, version)
    } else {
        let keeps_hash = retries::keeps_hash(input.destinations.unwrap_or(1), || input.consistent_hash);
        retries::of_rule(retries.as_ref(), version, keeps_hash)
    };
    match (&expected.envoy, spec) {
        (None, None) => Ok(()),
        (Some(asserted), Some(spec)) => compare_retries(asserted, &spec),
        (_, spec) => Err(format!("got {spec:?}")),
    }
}

/// Conditions are a set, and words that Envoy does not know are none.
fn conditions(words: &str) -> RetryOn {
    words.split(',').filter_map(RetryOn::word).fold(RetryOn::default(), RetryOn::union)
}

fn compare_retries(asserted: &BTreeMap<String, Value>, spec: &RetrySpec) -> Result<(), String> {
    let mut asserted = asserted.clone();
    if let Some(words) = asserted.remove("retry_on") {
        let wanted = conditions(words.as_str().ok_or("retry_on is text")?);
        if wanted != spec.on {
            return Err(format!("retry_on: expected {words:?}, got {:?}", spec.on));
        }
    }
    // The order of codes means nothing.
    let sorted = |codes: &[Value]| {
        let mut codes = codes.to_vec();
        codes.sort_by_key(Value::as_u64);
        Value::Sequence(codes)
    };
    if let Some(Value::Sequence(codes)) = asserted.get("codes") {
        let codes = sorted(codes);
        asserted.insert("codes".to_owned(), codes);
    }
    let codes: Vec<Value> = spec.status_codes.iter().map(|code| Value::from(*code)).collect();
    let mut given = BTreeMap::from([
        ("num_retries", Value::from(spec.attempts.get())),
        ("codes", sorted(&codes)),
        ("previous_hosts", Value::from(spec.avoid_previous_hosts)),
        ("host_selection_max_attempts", Value::from(spec.host_selection_attempts)),
        ("base_interval_ms", millis(spec.base_interval)),
        ("max_interval_ms", millis(spec.max_interval)),
        ("per_try_timeout_ms", spec.per_try_timeout.map_or(Value::Null, millis)),
    ]);
    let frequency = spec.remote_localities.then_some(retry::PREVIOUS_PRIORITIES_FREQUENCY);
    given.insert("previous_priorities_update_frequency", frequency.map_or(Value::Null, Value::from));
    compare(&asserted, &given)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundPort {
    port_protocol: String,
    istio: Option<String>,
}

/// All null: no retry policy.
pub fn istio_inbound_retry(input: InboundPort, expected: &BTreeMap<String, Value>) -> Result<(), String> {
    let is_grpc = matches!(input.port_protocol.as_str(), "grpc" | "grpc-web");
    match retries::inbound(None, is_grpc, version(input.istio.as_deref())?) {
        Some(spec) if expected.values().all(Value::is_null) => Err(format!("got {spec:?}")),
        Some(spec) => compare_retries(expected, &spec),
        None if expected.values().all(Value::is_null) => Ok(()),
        None => Err("got no policy".to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OutlierBlock {
    outlier_detection: Value,
}

pub fn istio_outlier_translate(input: OutlierBlock, expected: &Envoy) -> Result<(), String> {
    let policy = with("outlierDetection", input.outlier_detection)?;
    let detection = policy.outlier_detection.as_ref();
    let asserted = match (&expected.envoy, detection) {
        (None, None) => return Ok(()),
        (Some(asserted), Some(_)) => asserted,
        _ => return Err(format!("got {detection:?}")),
    };
    let spec = cluster_specs::outlier(detection.expect("matched just now"), defaults::ISTIO_VERSION);
    let enforced = |count: Option<NonZeroU32>| Value::from(if count.is_some() { 100 } else { 0 });
    let given = BTreeMap::from([
        ("consecutive_5xx", number(spec.consecutive_5xx)),
        ("enforcing_consecutive_5xx", enforced(spec.consecutive_5xx)),
        ("consecutive_gateway_failure", number(spec.consecutive_gateway)),
        ("enforcing_consecutive_gateway_failure", enforced(spec.consecutive_gateway)),
        ("split_external_local_origin_errors", Value::from(spec.split_external_local_origin)),
        ("consecutive_local_origin_failure", number(spec.consecutive_local_origin)),
        ("enforcing_consecutive_local_origin_failure", enforced(spec.consecutive_local_origin)),
        // What Istio never sets has no field in ours.
        ("enforcing_success_rate", Value::from(0)),
        ("enforcing_local_origin_success_rate", Value::from(0)),
        ("enforcing_failure_percentage", Value::from(0)),
        ("interval_ms", millis(spec.interval)),
        ("base_ejection_time_ms", millis(spec.base_ejection_time)),
        ("max_ejection_time_ms", millis(spec.max_ejection_time)),
        ("max_ejection_percent", Value::from(spec.max_ejection_percent)),
    ]);
    compare(asserted, &given)
}

fn with(block: &str, value: Value) -> Result<TrafficPolicy, String> {
    objects::strict(&objects::fields([(block, Some(value).filter(|value| !value.is_null()))]))
}

fn effective(policy: &TrafficPolicy) -> Effective<'_> {
    Effective { blocks: policy.blocks(), retry_budget: policy.retry_budget.as_ref(), ..Effective::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PanicBlock {
    outlier_detection: Value,
    istio: Option<String>,
    traffic_distribution: Option<String>,
}

/// Null: Istio writes nothing, and Envoy's own threshold holds.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    healthy_panic_threshold: Option<u32>,
}

pub fn istio_panic_threshold(input: PanicBlock, expected: &Threshold) -> Result<(), String> {
    let version = version(input.istio.as_deref())?;
    let policy = with("outlierDetection", input.outlier_detection)?;
    let spec = cluster_specs::balancer(&effective(&policy), version, input.traffic_distribution.is_some());
    let wanted = expected.healthy_panic_threshold.unwrap_or(defaults::PANIC_BEFORE_1_31);
    match spec.panic_threshold_percent {
        found if found == wanted => Ok(()),
        found => Err(format!("expected {wanted}, got {found}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PoolBlock {
    connection_pool: Value,
    retry_budget: Option<Value>,
}

pub fn istio_pool_translate(input: PoolBlock, expected: &BTreeMap<String, Value>) -> Result<(), String> {
    let mut policy = with("connectionPool", input.connection_pool)?;
    policy.retry_budget = with("retryBudget", input.retry_budget.unwrap_or_default())?.retry_budget;
    let effective = effective(&policy);
    let (breakers, connection) = (
        cluster_specs::breakers(&effective),
        cluster_specs::connection(&effective, Protocol::Http1, defaults::ISTIO_VERSION),
    );
    let budget = breakers.retry_budget.as_ref();
    let given = BTreeMap::from([
        ("max_connections", Value::from(breakers.max_connections)),
        ("max_pending_requests", Value::from(breakers.max_pending_requests)),
        ("max_requests", Value::from(breakers.max_requests)),
        ("max_retries", Value::from(breakers.max_retries)),
        ("retry_budget_percent", budget.map_or(Value::Null, |budget| Value::from(budget.percent))),
        (
            "min_retry_concurrency",
            budget.map_or(Value::Null, |budget| Value::from(budget.min_retry_concurrency)),
        ),
        ("connect_timeout_ms", millis(connection.connect_timeout)),
        ("idle_timeout_ms", connection.idle_timeout.map_or(Value::Null, millis)),
        ("max_connection_duration_ms", connection.max_connection_duration.map_or(Value::Null, millis)),
        (
            "max_requests_per_connection",
            connection.max_requests_per_connection.map_or(Value::Null, |count| Value::from(count.get())),
        ),
    ]);
    compare(expected, &given)
}
