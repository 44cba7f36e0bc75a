//! How many hosts may be out, and for how long. Source: semantics S8.5, S8.6.

use crate::kernel::SimDuration;

/// Whether one more of `hosts` hosts may go out while `ejected` are: 100 * (ejected + 1) / hosts <= `max_percent`.
/// `always_one` is Envoy's `always_eject_one_host`, which Istio does not set, and what
/// Envoys before 1.28 did. Source: semantics S8.5.
pub fn ejection_allowed(max_percent: u32, hosts: u32, ejected: u32, always_one: bool) -> bool {
    let is_within = 100 * (u64::from(ejected) + 1) <= u64::from(max_percent) * u64::from(hosts);
    is_within || (always_one && ejected == 0)
}

/// How long an ejection lasts at least, without jitter. Source: semantics S8.6.
pub fn ejection_time(base: SimDuration, max: SimDuration, multiplier: u32) -> SimDuration {
    (base * u64::from(multiplier)).min(max)
}

/// What is added to the ejection time, in whole milliseconds. Source: semantics S8.6.
pub fn ejection_jitter(draw: u64, max_millis: u64) -> SimDuration {
    SimDuration::from_millis(max_millis.checked_add(1).map_or(draw, |modulus| draw % modulus))
}
