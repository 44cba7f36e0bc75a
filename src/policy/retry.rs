//! Whether a failed attempt is tried again, when, and on which host. Pure functions; what a call has used up is kept
//! by the call, the cluster's active retries by the pool. Source: semantics S9.

use super::failure::Failure;
use crate::kernel::SimDuration;
use crate::mesh::policy_spec::{RetryBudget, RetryOn, RetrySpec};

/// After so many attempts `retryRemoteLocalities` turns to priorities that were not tried. Source: semantics S9.1.
pub const PREVIOUS_PRIORITIES_FREQUENCY: u32 = 2;

/// Response headers as far as retries look at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    pub code: u16,
    /// `grpc-status`, if it stands in the headers (an answer of trailers only).
    pub grpc_status: Option<u16>,
    /// `x-envoy-ratelimited` is there.
    pub is_rate_limited: bool,
}

/// Whether `on` has attempts retried that ended so. `was_sent`: something of the request went upstream.
/// Source: semantics S9.2.
#[inline]
pub fn would_retry_reset(on: RetryOn, failure: Failure, was_sent: bool) -> bool {
    match failure {
        // No host: chosen before retries are thought of (S5.11). The last two end the request itself.
        Failure::Overflow | Failure::NoHealthyHost | Failure::RouteTimeout | Failure::ClientGone => {
            return false;
        }
        Failure::ConnectFailure | Failure::ConnectTimeout if on.has(RetryOn::CONNECT_FAILURE) => return true,
        Failure::RefusedStream if on.has(RetryOn::REFUSED_STREAM) => return true,
        _ => {}
    }
    if on.has(RetryOn::RESET_BEFORE_REQUEST) && !was_sent {
        return true;
    }
    on.has(RetryOn::RESET.union(RetryOn::FIVE_XX).union(RetryOn::GATEWAY_ERROR))
}

/// Whether `spec` has attempts retried that were answered so. Source: semantics S9.3.
#[inline(always)]
pub fn would_retry_response(spec: &RetrySpec, headers: ResponseHeaders) -> bool {
    let (on, code) = (spec.on, headers.code);
    if headers.is_rate_limited {
        return on.has(RetryOn::ENVOY_RATELIMITED);
    }
    // Simplified: `retriable-headers` never applies, for Istio has no field that names the headers.
    (on.has(RetryOn::FIVE_XX) && (500..600).contains(&code))
        || (on.has(RetryOn::GATEWAY_ERROR) && matches!(code, 502..=504))
        || (on.has(RetryOn::RETRIABLE_4XX) && code == 409)
        || (on.has(RetryOn::RETRIABLE_STATUS_CODES) && spec.status_codes.contains(&code))
        || headers.grpc_status.is_some_and(|status| would_retry_grpc(on, status))
}

fn would_retry_grpc(on: RetryOn, status: u16) -> bool {
    match status {
        1 => on.has(RetryOn::GRPC_CANCELLED),
        4 => on.has(RetryOn::GRPC_DEADLINE_EXCEEDED),
        8 => on.has(RetryOn::GRPC_RESOURCE_EXHAUSTED),
        13 => on.has(RetryOn::GRPC_INTERNAL),
        14 => on.has(RetryOn::GRPC_UNAVAILABLE),
        _ => false,
    }
}

/// What becomes of an ended attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The caller gets it as it is.
    PassThrough,
    /// It would be retried, but no retries are left: `URX`, set before the failure's own flag.
    Exhausted,
    /// It would be retried, but too many retries are active: `UO`, set before the failure's own flag.
    BreakerFull,
    /// Back-off, then the next attempt.
    Retry,
}

/// The gate in front of every retry. `remaining` are the call's retries left; one is used up even where the breaker
/// refuses. `has_room` is asked only if it matters. Source: semantics S9.4.
#[inline]
pub fn decide(would_retry: bool, remaining: &mut u32, has_room: impl FnOnce() -> bool) -> Decision {
    if !would_retry {
        Decision::PassThrough
    } else if *remaining == 0 {
        Decision::Exhausted
    } else {
        *remaining -= 1;
        if has_room() { Decision::Retry } else { Decision::BreakerFull }
    }
}

/// The window that the n-th back-off of a call (from 0) is drawn from, in milliseconds: `base`, doubled each time, at
/// most `max`. Source: semantics S9.5.
pub fn backoff_window(base: SimDuration, max: SimDuration, nth: u32) -> u64 {
    let millis = |length: SimDuration| length.nanos() / 1_000_000;
    // Below a millisecond Envoy refuses the policy.
    let (base, max) = (millis(base).max(1), millis(max).max(1));
    (0..nth.min(64)).fold(base, |next, _| if next < max / 2 { next * 2 } else { max })
}

/// How long the n-th retry of a call (from 0) waits: whole milliseconds in [0, window). Source: semantics S9.5.
pub fn backoff(draw: u64, nth: u32, base: SimDuration, max: SimDuration) -> SimDuration {
    SimDuration::from_millis(draw % backoff_window(base, max, nth))
}

/// Most retries that may be active at once under a budget. `active` and `pending` are the cluster's requests of this
/// moment; the failing one still counts as active, one in back-off does not. Source: semantics S9.7.
pub fn budget_limit(budget: &RetryBudget, active: u32, pending: u32) -> u32 {
    let requests = f64::from(active) + f64::from(pending);
    // Casting truncates, as Envoy does.
    ((budget.percent / 100.0 * requests) as u32).max(budget.min_retry_concurrency)
}

/// Whether one more retry may be active. Source: semantics S9.7.
pub fn has_room(
    max_retries: u32,
    budget: Option<&RetryBudget>,
    retries: u32,
    active: u32,
    pending: u32,
) -> bool {
    retries < budget.map_or(max_retries, |budget| budget_limit(budget, active, pending))
}

/// Picks again while the host was tried before, at most `host_selection_attempts` + 1 times; the last pick counts
/// even so. `pick` is told how often it was asked before (hash balancers step on by it); `None` from it is final.
/// Source: semantics S9.6.
#[inline]
pub fn select_host(
    spec: &RetrySpec,
    was_tried: impl Fn(u32) -> bool,
    mut pick: impl FnMut(u32) -> Option<u32>,
) -> Option<u32> {
    let again = if spec.avoid_previous_hosts { spec.host_selection_attempts } else { 0 };
    for attempt in 0..again {
        let host = pick(attempt)?;
        if !was_tried(host) {
            return Some(host);
        }
    }
    pick(again)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn spec(on: &[&str]) -> RetrySpec {
        let on = on.iter().map(|word| RetryOn::word(word).expect("a condition"));
        RetrySpec {
            attempts: NonZeroU32::new(2).expect("2 > 0"),
            on: on.fold(RetryOn::default(), RetryOn::union),
            status_codes: Vec::new(),
            per_try_timeout: None,
            base_interval: SimDuration::from_millis(25),
            max_interval: SimDuration::from_millis(250),
            avoid_previous_hosts: true,
            host_selection_attempts: 5,
            remote_localities: false,
        }
    }

    const ISTIO: [&str; 5] =
        ["connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"];

    #[test]
    fn the_default_retries_connects_but_neither_answers_nor_timeouts() {
        let spec = spec(&ISTIO);
        assert!(would_retry_reset(spec.on, Failure::ConnectTimeout, false));
        assert!(would_retry_reset(spec.on, Failure::RefusedStream, true));
        assert!(!would_retry_reset(spec.on, Failure::RemoteReset, true));
        assert!(!would_retry_reset(spec.on, Failure::ConnectionTermination, true));
        assert!(!would_retry_reset(spec.on, Failure::PerTryTimeout, true));
        assert!(!would_retry_response(&spec, ResponseHeaders { code: 503, ..Default::default() }));
    }

    #[test]
    fn overflow_is_never_retried() {
        for (word, on) in RetryOn::WORDS {
            assert!(!would_retry_reset(*on, Failure::Overflow, false), "{word}");
            assert!(!would_retry_reset(*on, Failure::NoHealthyHost, false), "{word}");
        }
    }

    #[test]
    fn nothing_sent_matters_only_to_its_own_condition() {
        let on = RetryOn::RESET_BEFORE_REQUEST;
        assert!(would_retry_reset(on, Failure::RemoteReset, false));
        assert!(!would_retry_reset(on, Failure::RemoteReset, true));
    }

    #[test]
    fn a_refused_retry_is_used_up() {
        let mut remaining = 2;
        assert_eq!(decide(false, &mut remaining, || true), Decision::PassThrough);
        assert_eq!(decide(true, &mut remaining, || false), Decision::BreakerFull);
        assert_eq!(decide(true, &mut remaining, || true), Decision::Retry);
        assert_eq!(decide(true, &mut remaining, || true), Decision::Exhausted);
        assert_eq!(remaining, 0);
    }

    #[test]
    fn backoff_windows_double_up_to_the_maximum() {
        let (base, max) = (SimDuration::from_millis(25), SimDuration::from_millis(250));
        let windows: Vec<u64> = (0..6).map(|nth| backoff_window(base, max, nth)).collect();
        assert_eq!(windows, [25, 50, 100, 200, 250, 250]);
        assert_eq!(backoff(190, 0, base, max), SimDuration::from_millis(15));
        assert_eq!(backoff(7, u32::MAX, base, max), SimDuration::from_millis(7));
        assert_eq!(backoff(7, 0, SimDuration::ZERO, SimDuration::ZERO), SimDuration::ZERO);
    }

    #[test]
    fn budgets_replace_the_fixed_limit() {
        let budget = RetryBudget { percent: 20.0, min_retry_concurrency: 3, interval: SimDuration::ZERO };
        assert_eq!(budget_limit(&budget, 0, 0), 3);
        assert_eq!(budget_limit(&budget, 20, 9), 5);
        assert!(has_room(u32::MAX, None, 1_000_000, 0, 0));
        assert!(!has_room(u32::MAX, Some(&budget), 3, 0, 0));
        assert!(!has_room(0, None, 0, 0, 0));
    }

    #[test]
    fn the_last_of_six_picks_is_taken_all_the_same() {
        let mut asked = Vec::new();
        let host = select_host(
            &spec(&ISTIO),
            |host| host < 9,
            |attempt| {
                asked.push(attempt);
                Some(attempt)
            },
        );
        assert_eq!((host, asked), (Some(5), vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(select_host(&spec(&ISTIO), |host| host < 2, Some), Some(2));
        let careless = RetrySpec { avoid_previous_hosts: false, ..spec(&ISTIO) };
        assert_eq!(select_host(&careless, |_| true, Some), Some(0));
        assert_eq!(select_host(&spec(&ISTIO), |_| false, |_| None), None);
    }
}
