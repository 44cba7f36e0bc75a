//! From `retries` to a retry policy. Source: semantics S9.1.

use std::num::NonZeroU32;

use super::defaults;
use super::versions::{Change, Version};
use crate::config::istio::virtual_service::Retries;
use crate::mesh::policy_spec::{RetryOn, RetrySpec};

/// Whether retries of a rule's route stay where a hash leads: it has one destination alone, and that one hashes.
/// Source: semantics S9.1.
pub fn keeps_hash(destinations: usize, hashes: impl FnOnce() -> bool) -> bool {
    destinations == 1 && hashes()
}

/// The policy of a rule's route. `keeps_hash`: it leads to one destination alone, and that one picks hosts by a hash;
/// then a retry stays where the hash leads, unless the rule insists on leaving. Source: semantics S9.1.
pub fn of_rule(retries: Option<&Retries>, version: Version, keeps_hash: bool) -> Option<RetrySpec> {
    let mut spec = translate(retries, version)?;
    let insists = retries.and_then(|retries| retries.retry_ignore_previous_hosts) == Some(true);
    spec.avoid_previous_hosts &= insists || !keeps_hash;
    Some(spec)
}

/// What the server's own proxy does with requests that its application never got: it tries again twice, at the same
/// one host. Since 1.24, where the mesh (`written`) does not say otherwise; from 1.26 on not on gRPC ports.
/// Source: semantics S0.5, S1.2.
pub fn inbound(written: Option<&Retries>, is_grpc: bool, version: Version) -> Option<RetrySpec> {
    let has_it =
        version.has(Change::InboundRetry) && !(is_grpc && version.has(Change::InboundRetryWithoutGrpc));
    if let Some(written) = written.filter(|_| has_it) {
        let spec = translate(Some(written), version)?;
        return Some(RetrySpec { avoid_previous_hosts: false, host_selection_attempts: 0, ..spec });
    }
    let spec = RetrySpec {
        attempts: NonZeroU32::new(defaults::RETRIES)?,
        on: RetryOn::RESET_BEFORE_REQUEST,
        status_codes: Vec::new(),
        per_try_timeout: None,
        base_interval: defaults::BACKOFF,
        max_interval: defaults::BACKOFF * defaults::BACKOFF_FACTOR,
        avoid_previous_hosts: false,
        host_selection_attempts: 0,
        remote_localities: false,
    };
    has_it.then_some(spec)
}

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
    if written.is_none() && !version.has(Change::DefaultRetryWithout503) {
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
    fn a_hash_is_left_only_if_the_rule_insists() {
        let version = Version::parse("1.28").unwrap();
        let avoids = |retries: Option<&str>, keeps_hash| {
            let retries: Option<Retries> = retries.map(|yaml| serde_yaml::from_str(yaml).unwrap());
            of_rule(retries.as_ref(), version, keeps_hash).unwrap().avoid_previous_hosts
        };
        assert!(avoids(None, false) && !avoids(None, true));
        assert!(avoids(Some("{attempts: 1, retryIgnorePreviousHosts: true}"), true));
        assert!(!avoids(Some("{attempts: 1, retryIgnorePreviousHosts: false}"), false));
    }

    #[test]
    fn servers_try_again_what_their_application_never_got() {
        let has = |is_grpc, version: &str| inbound(None, is_grpc, Version::parse(version).unwrap()).is_some();
        assert!(has(false, "1.28") && !has(true, "1.28"));
        assert!(has(true, "1.25") && !has(false, "1.23"));
        let mesh = |yaml: &str| {
            let written: Retries = serde_yaml::from_str(yaml).unwrap();
            inbound(Some(&written), false, Version::parse("1.31").unwrap()).map(|spec| spec.attempts.get())
        };
        assert_eq!((mesh("{}"), mesh("{attempts: 5, retryOn: connect-failure}")), (None, Some(5)));
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
