//! What the proxies' policies are told: limits, detectors, retries, faults, balancers. Plain values; the rules live
//! in `policy`.

use std::num::NonZeroU32;

use crate::kernel::SimDuration;
use crate::kernel::random::Chance;

/// Circuit breakers of one cluster, per proxy. `u32::MAX` is Istio's "unlimited". Source: semantics S7.2.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitBreakers {
    pub max_connections: u32,
    /// For HTTP/1.1 and HTTP/2 alike.
    pub max_pending_requests: u32,
    /// For HTTP/1.1 and HTTP/2 alike.
    pub max_requests: u32,
    pub max_retries: u32,
    /// Replaces `max_retries` where given. Source: semantics S9.7.
    pub retry_budget: Option<RetryBudget>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RetryBudget {
    /// 0 to 100.
    pub percent: f64,
    pub min_retry_concurrency: u32,
    /// Requests that began so long ago or later count even if they are over; zero: those of the moment alone.
    pub interval: SimDuration,
}

/// The connection side of one cluster. Source: semantics S7.2.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSpec {
    pub protocol: Protocol,
    /// Covers TCP and TLS handshake.
    pub connect_timeout: SimDuration,
    pub max_requests_per_connection: Option<NonZeroU32>,
    /// Streams per HTTP/2 connection; 1 for HTTP/1.1.
    pub max_concurrent_streams: u32,
    /// `None`: never closed for idleness.
    pub idle_timeout: Option<SimDuration>,
    pub max_connection_duration: Option<SimDuration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Http1,
    Http2,
    /// gRPC, over HTTP/2.
    Grpc,
    /// Opaque bytes.
    Tcp,
    /// Opaque bytes whose first ones name a host (SNI).
    Tls,
}

impl Protocol {
    /// HTTP rules apply.
    pub fn is_http(self) -> bool {
        !matches!(self, Protocol::Tcp | Protocol::Tls)
    }

    /// Streams share connections.
    pub fn is_http2(self) -> bool {
        matches!(self, Protocol::Http2 | Protocol::Grpc)
    }
}

/// Outlier detection of one cluster. Source: semantics S8.1.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierSpec {
    /// `None`: switched off (explicit 0).
    pub consecutive_5xx: Option<NonZeroU32>,
    /// `None`: switched off (unset or 0).
    pub consecutive_gateway: Option<NonZeroU32>,
    pub split_external_local_origin: bool,
    pub consecutive_local_origin: Option<NonZeroU32>,
    pub interval: SimDuration,
    pub base_ejection_time: SimDuration,
    pub max_ejection_time: SimDuration,
    /// 0 to 100.
    pub max_ejection_percent: u32,
    /// The first host may go whatever `max_ejection_percent` says. Source: semantics S8.5.
    pub always_ejects_one: bool,
    /// Answers that count as errors, those below 500 as 500; empty: 500 and above. Source: semantics S8.3.
    pub error_codes: Vec<u16>,
    /// `None`: switched off, as Istio does.
    pub success_rate: Option<SuccessRateSpec>,
    /// `None`: switched off, as Istio does.
    pub failure_percentage: Option<FailurePercentageSpec>,
}

/// Ejects hosts whose success rate lies far below the others' in one interval. Source: semantics S8.7.
#[derive(Clone, Debug, PartialEq)]
pub struct SuccessRateSpec {
    /// Hosts with enough requests, below which nobody is judged.
    pub minimum_hosts: u32,
    /// Requests of a host in the interval, below which it is not judged.
    pub request_volume: u32,
    /// Thousandths of a standard deviation below the mean.
    pub stdev_factor: u32,
}

/// Ejects hosts that fail this share of an interval's requests. Source: semantics S8.7.
#[derive(Clone, Debug, PartialEq)]
pub struct FailurePercentageSpec {
    /// Hosts with enough requests, below which nobody is judged.
    pub minimum_hosts: u32,
    /// Requests of a host in the interval, below which it is not judged.
    pub request_volume: u32,
    /// 0 to 100.
    pub threshold: u32,
}

/// The balancer of one cluster by its Envoy name, as `policy::balance::BALANCERS` lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct BalancerSpec {
    pub name: &'static str,
    /// Candidates that LEAST_REQUEST draws. Source: semantics S5.3.
    pub choice_count: u32,
    /// LEAST_REQUEST looks at all hosts instead; Istio never asks for it. Source: semantics S5.3.
    pub scans_all: bool,
    /// Of RING_HASH and MAGLEV, which cannot be without. Source: semantics S5.8, S5.9.
    pub table: Option<TableKind>,
    pub slow_start: Option<SlowStartSpec>,
    /// Percent of healthy hosts under which all are used. Source: semantics S6.2.
    pub panic_threshold_percent: u32,
}

impl BalancerSpec {
    /// A balancer with nothing set: two candidates, no table, no slow start, no panic.
    pub const fn plain(name: &'static str) -> BalancerSpec {
        BalancerSpec {
            name,
            choice_count: 2,
            scans_all: false,
            table: None,
            slow_start: None,
            panic_threshold_percent: 0,
        }
    }
}

/// The table by which a balancer keeps a key on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// With the ring's least size.
    Ring(u64),
    /// With the table's size, a prime.
    Maglev(u64),
}

/// How the hosts of a cluster are grouped by where they run. Source: semantics S6.3, S6.4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalitySpec {
    /// Groups of one priority share its traffic by weight; else they are one.
    pub is_weighted: bool,
    /// By zone of the calling proxy.
    pub groups: Vec<Vec<LocalityGroup>>,
}

/// Hosts of one locality and priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalityGroup {
    /// From 0, without gaps; the lower come first.
    pub priority: u32,
    pub weight: u32,
    /// Places in the cluster, ascending.
    pub hosts: Vec<u32>,
}

/// What a request's hash is made of, for balancers that keep a key on its host. Source: semantics S5.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    pub source: HashSource,
    /// Later policies are skipped once there is a hash. Istio never sets it.
    pub is_terminal: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashSource {
    /// Name lower case.
    Header(String),
    Cookie {
        name: String,
        /// Given: the proxy makes a cookie where there is none; zero: for the session.
        ttl: Option<SimDuration>,
    },
    SourceIp,
    QueryParameter(String),
}

/// Source: semantics S6.7.
#[derive(Clone, Debug, PartialEq)]
pub struct SlowStartSpec {
    pub window: SimDuration,
    pub min_weight_percent: f64,
    pub aggression: f64,
}

/// The retry policy of one route. Source: semantics S9.1.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrySpec {
    /// Retries, not tries; at least 1 (a route without retries has no `RetrySpec`).
    pub attempts: NonZeroU32,
    pub on: RetryOn,
    /// For `retriable-status-codes`; ascending.
    pub status_codes: Vec<u16>,
    pub per_try_timeout: Option<SimDuration>,
    pub base_interval: SimDuration,
    pub max_interval: SimDuration,
    /// Re-select while the host was tried before (`previous_hosts`).
    pub avoid_previous_hosts: bool,
    /// Re-selections before the last pick is taken all the same.
    pub host_selection_attempts: u32,
    /// `retryRemoteLocalities`: leave priorities already tried.
    pub remote_localities: bool,
}

/// The conditions of `retryOn`, as a set. Source: semantics S9.2, S9.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOn(u32);

impl RetryOn {
    pub const CONNECT_FAILURE: RetryOn = RetryOn(1);
    pub const REFUSED_STREAM: RetryOn = RetryOn(1 << 1);
    pub const RESET: RetryOn = RetryOn(1 << 2);
    pub const RESET_BEFORE_REQUEST: RetryOn = RetryOn(1 << 3);
    pub const FIVE_XX: RetryOn = RetryOn(1 << 4);
    pub const GATEWAY_ERROR: RetryOn = RetryOn(1 << 5);
    pub const RETRIABLE_4XX: RetryOn = RetryOn(1 << 6);
    pub const RETRIABLE_STATUS_CODES: RetryOn = RetryOn(1 << 7);
    pub const RETRIABLE_HEADERS: RetryOn = RetryOn(1 << 8);
    pub const ENVOY_RATELIMITED: RetryOn = RetryOn(1 << 9);
    pub const GRPC_CANCELLED: RetryOn = RetryOn(1 << 10);
    pub const GRPC_DEADLINE_EXCEEDED: RetryOn = RetryOn(1 << 11);
    pub const GRPC_INTERNAL: RetryOn = RetryOn(1 << 12);
    pub const GRPC_RESOURCE_EXHAUSTED: RetryOn = RetryOn(1 << 13);
    pub const GRPC_UNAVAILABLE: RetryOn = RetryOn(1 << 14);

    /// `retryOn` words as Envoy spells them.
    pub const WORDS: &'static [(&'static str, RetryOn)] = &[
        ("connect-failure", RetryOn::CONNECT_FAILURE),
        ("refused-stream", RetryOn::REFUSED_STREAM),
        ("reset", RetryOn::RESET),
        ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
        ("5xx", RetryOn::FIVE_XX),
        ("gateway-error", RetryOn::GATEWAY_ERROR),
        ("retriable-4xx", RetryOn::RETRIABLE_4XX),
        ("retriable-status-codes", RetryOn::RETRIABLE_STATUS_CODES),
        ("retriable-headers", RetryOn::RETRIABLE_HEADERS),
        ("envoy-ratelimited", RetryOn::ENVOY_RATELIMITED),
        ("cancelled", RetryOn::GRPC_CANCELLED),
        ("deadline-exceeded", RetryOn::GRPC_DEADLINE_EXCEEDED),
        ("internal", RetryOn::GRPC_INTERNAL),
        ("resource-exhausted", RetryOn::GRPC_RESOURCE_EXHAUSTED),
        ("unavailable", RetryOn::GRPC_UNAVAILABLE),
    ];

    /// The condition of one word, or `None` if Envoy knows no such word.
    pub fn word(word: &str) -> Option<RetryOn> {
        RetryOn::WORDS.iter().find(|(name, _)| *name == word).map(|(_, on)| *on)
    }

    pub const fn union(self, other: RetryOn) -> RetryOn {
        RetryOn(self.0 | other.0)
    }

    #[inline]
    pub fn has(self, condition: RetryOn) -> bool {
        self.0 & condition.0 != 0
    }
}

/// Fault injection of one route. Source: semantics S11.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultSpec {
    pub delay: Option<(Fraction, SimDuration)>,
    /// The code is HTTP's, or gRPC's below 100 (`mesh::grpc`).
    pub abort: Option<(Fraction, u16)>,
}

/// A share as Envoy tests it: `draw mod denominator < numerator`. Source: semantics S11.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    pub numerator: u32,
    /// 100 or 1,000,000.
    pub denominator: u32,
}

impl Fraction {
    /// `percentage.value` p: numerator trunc(p * 10,000) over 1,000,000.
    pub fn of_percent(percent: f64) -> Fraction {
        Fraction { numerator: (percent * 10_000.0) as u32, denominator: 1_000_000 }
    }

    #[inline]
    pub fn hits(self, draw: u64) -> bool {
        draw % u64::from(self.denominator) < u64::from(self.numerator)
    }
}

/// How often a pod fails, how and after how long. Source: design D9.11.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorSpec {
    pub rate: Chance,
    pub ending: Ending,
    /// `None`: an error takes the operation's first work step.
    pub service_time: Option<crate::kernel::distribution::Distribution>,
}

/// How a failing request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// An answer: HTTP's status, or gRPC's below 100 (`mesh::grpc`).
    Status(u16),
    /// No answer.
    Broken(Breakage),
}

/// How an exchange breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Breakage {
    /// The connection is closed.
    Connection,
    /// The stream is reset; over HTTP/1.1 that is the connection.
    Stream,
    /// The stream is refused unprocessed (HTTP/2 REFUSED_STREAM); over HTTP/1.1 that is the connection.
    Refused,
    /// What comes is no HTTP.
    Protocol,
}
