//! Golden kinds of retries, faults and flags. Source: semantics S9, S11, S17.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use meshcast::kernel::SimDuration;
use meshcast::mesh::outcome::{Flag, Flags};
use meshcast::mesh::policy_spec::{FaultSpec, Fraction, RetryBudget, RetryOn, RetrySpec};
use meshcast::policy::failure::Failure;
use meshcast::policy::{fault, retry};
use serde::Deserialize;

const ISTIO_DEFAULT: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    retry_on: String,
    reset: Option<String>,
    upstream_started: Option<bool>,
    status: Option<u16>,
    #[serde(default)]
    codes: Vec<u16>,
    grpc_status: Option<u16>,
    trailers_only: Option<bool>,
    #[serde(default)]
    response_headers: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WouldRetry {
    retry: bool,
}

fn spec(retry_on: &str, status_codes: Vec<u16>) -> RetrySpec {
    let words = if retry_on == "ISTIO_DEFAULT" { ISTIO_DEFAULT } else { retry_on };
    // Envoy ignores words that it does not know.
    let on = words.split(',').filter_map(|word| RetryOn::word(word.trim()));
    RetrySpec {
        attempts: NonZeroU32::new(2).expect("2 > 0"),
        on: on.fold(RetryOn::default(), RetryOn::union),
        status_codes,
        per_try_timeout: None,
        base_interval: SimDuration::from_millis(25),
        max_interval: SimDuration::from_millis(250),
        avoid_previous_hosts: true,
        host_selection_attempts: 5,
        remote_localities: false,
    }
}

pub fn retry_decision(input: Decision) -> Result<WouldRetry, String> {
    let spec = spec(&input.retry_on, input.codes.clone());
    let retry = match (&input.reset, input.status) {
        (Some(reset), None) => {
            let failure = match reset.as_str() {
                "overflow" => Failure::Overflow,
                "connection_failure" | "local_connection_failure" | "remote_connection_failure" => {
                    Failure::ConnectFailure
                }
                "connection_timeout" => Failure::ConnectTimeout,
                "connection_termination" => Failure::ConnectionTermination,
                "remote_reset" => Failure::RemoteReset,
                "refused_stream" | "remote_refused_stream" | "remote_refused_stream_reset" => {
                    Failure::RefusedStream
                }
                "protocol_error" => Failure::ProtocolError,
                "per_try_timeout" | "local_reset" => Failure::PerTryTimeout,
                other => return Err(format!("unknown reset `{other}`")),
            };
            // Without a connection nothing was sent.
            let is_unconnected = matches!(failure, Failure::ConnectFailure | Failure::ConnectTimeout);
            retry::would_retry_reset(spec.on, failure, input.upstream_started.unwrap_or(!is_unconnected))
        }
        (None, Some(code)) => {
            if let Some(name) = input.response_headers.keys().find(|name| *name != "x-envoy-ratelimited") {
                return Err(format!("unknown response header `{name}`"));
            }
            let headers = retry::ResponseHeaders {
                code,
                grpc_status: input.grpc_status.filter(|_| input.trailers_only == Some(true)),
                is_rate_limited: !input.response_headers.is_empty(),
            };
            retry::would_retry_response(&spec, headers)
        }
        _ => return Err("either a reset or a status".to_owned()),
    };
    Ok(WouldRetry { retry })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    base_ms: u64,
    max_ms: u64,
    draws: Vec<u64>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Delays {
    delays_ms: Vec<u64>,
}

pub fn backoff(input: Backoff) -> Result<Delays, String> {
    let (base, max) = (SimDuration::from_millis(input.base_ms), SimDuration::from_millis(input.max_ms));
    let delays = input.draws.iter().zip(0..);
    let delays = delays.map(|(draw, nth)| retry::backoff(*draw, nth, base, max).nanos() / 1_000_000);
    Ok(Delays { delays_ms: delays.collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    percent: f64,
    min_retry_concurrency: u32,
    active_requests: u32,
    pending_requests: u32,
    active_retries: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct BudgetLimit {
    limit: u32,
    allowed: bool,
}

pub fn retry_budget(input: Budget) -> Result<BudgetLimit, String> {
    let budget = RetryBudget {
        percent: input.percent,
        min_retry_concurrency: input.min_retry_concurrency,
        interval: SimDuration::ZERO,
    };
    let (active, pending) = (input.active_requests, input.pending_requests);
    let limit = retry::budget_limit(&budget, active, pending);
    let allowed = retry::has_room(u32::MAX, Some(&budget), input.active_retries, active, pending);
    Ok(BudgetLimit { limit, allowed })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    percentage_value: Option<f64>,
    /// Deprecated, over 100.
    percent: Option<u32>,
    draw: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Fires {
    fires: bool,
}

pub fn fault_fraction(input: Fault) -> Result<Fires, String> {
    let share = match (input.percentage_value, input.percent) {
        (Some(value), _) => Fraction::of_percent(value),
        (None, Some(numerator)) => Fraction { numerator, denominator: 100 },
        (None, None) => Fraction::of_percent(0.0),
    };
    let spec = FaultSpec { delay: None, abort: Some((share, 503)) };
    Ok(Fires { fires: fault::abort(&spec, input.draw).is_some() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagList {
    flags: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FlagText {
    text: String,
}

pub fn flag_join(input: FlagList) -> Result<FlagText, String> {
    let mut flags = Flags::NONE;
    for name in &input.flags {
        flags.set(Flag::from_name(name).ok_or_else(|| format!("unknown flag `{name}`"))?);
    }
    Ok(FlagText { text: flags.to_string() })
}
