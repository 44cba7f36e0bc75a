//! From `retries` to a retry policy. Source: semantics S9.1.

use std::num::NonZeroU32;

use super::defaults::{self, Version};
use crate::config::istio::virtual_service::Retries;
use crate::mesh::policy_spec::{RetryOn, RetrySpec};

/// The policy of a route: of its own block, else the mesh's default. `None`: no retries.
pub fn translate(retries: Option<&Retries>, version: Version) -> Option<RetrySpec> {
    let Some(retries) = retries else {
        let (on, status_codes) = conditions(None, version);
        return Some(RetrySpec {
            attempts: NonZeroU32::new(defaults::RETRIES)?,
            on,
            status_codes,
            per_try_timeout: None,
            base_interval: defaults::BACKOFF,
            max_interval: defaults::BACKOFF * defaults::BACKOFF_FACTOR,
            avoid_previous_hosts: true,
            host_selection_attempts: defaults::HOST_SELECTION_ATTEMPTS,
            remote_localities: false,
        });
    };
    // Missing attempts are 0 attempts, not the default.
    let attempts = retries.attempts.and_then(|attempts| u32::try_from(attempts.0).ok()).unwrap_or(0);
    let (on, status_codes) = conditions(retries.retry_on.as_deref().filter(|on| !on.is_empty()), version);
    let base_interval =
        retries.backoff.as_ref().and_then(|backoff| backoff.parse().ok()).unwrap_or(defaults::BACKOFF);
    Some(RetrySpec {
        attempts: NonZeroU32::new(attempts)?,
        on,
        status_codes,
        per_try_timeout: retries.per_try_timeout.as_ref().and_then(|timeout| timeout.parse().ok()),
        base_interval,
        max_interval: base_interval * defaults::BACKOFF_FACTOR,
        avoid_previous_hosts: retries.retry_ignore_previous_hosts != Some(false),
        host_selection_attempts: defaults::HOST_SELECTION_ATTEMPTS,
        remote_localities: retries.retry_remote_localities == Some(true),
    })
}

/// Words go to the set, numbers to the status codes. Only the default list of old versions holds 503.
fn conditions(written: Option<&str>, version: Version) -> (RetryOn, Vec<u16>) {
    let mut on = RetryOn::default();
    let mut codes = Vec::new();
    for word in written.unwrap_or(defaults::RETRY_ON).split(',').map(str::trim) {
        if let Ok(code) = word.parse::<u16>() {
            codes.push(code);
            on = on.union(RetryOn::RETRIABLE_STATUS_CODES);
        } else if let Some(condition) = RetryOn::word(word) {
            on = on.union(condition);
        }
    }
    if written.is_none() && !version.at_least(1, 24) {
        codes.extend_from_slice(defaults::RETRY_CODES_BEFORE_1_24);
    }
    codes.sort_unstable();
    codes.dedup();
    (on, codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimDuration;

    fn policy(yaml: &str, version: &str) -> Option<RetrySpec> {
        let retries: Retries = serde_yaml::from_str(yaml).unwrap();
        translate(Some(&retries), Version::parse(version).unwrap())
    }

    #[test]
    fn silence_means_two_retries_of_connections() {
        let spec = translate(None, Version::parse("1.28").unwrap()).unwrap();
        assert_eq!(spec.attempts.get(), 2);
        assert!(spec.on.has(RetryOn::CONNECT_FAILURE));
        assert!(!spec.on.has(RetryOn::RESET));
        assert!(spec.status_codes.is_empty());
        assert_eq!(translate(None, Version::parse("1.23").unwrap()).unwrap().status_codes, [503]);
    }

    #[test]
    fn a_block_without_attempts_turns_retries_off() {
        assert_eq!(policy("{retryOn: 5xx}", "1.28"), None);
        assert_eq!(policy("{attempts: 0}", "1.28"), None);
    }

    #[test]
    fn numbers_are_status_codes() {
        let spec = policy("{attempts: 3, retryOn: '5xx,429,503', perTryTimeout: 2s, backoff: 10ms}", "1.20")
            .unwrap();
        assert!(spec.on.has(RetryOn::FIVE_XX));
        assert!(spec.on.has(RetryOn::RETRIABLE_STATUS_CODES));
        assert_eq!(spec.status_codes, [429, 503]);
        assert_eq!(spec.max_interval, SimDuration::from_millis(100));
        // Its own block keeps the default list, and with it the codes of that version.
        assert_eq!(policy("{attempts: 3}", "1.20").unwrap().status_codes, [503]);
    }
}
