//! What holds where the files are silent: a constant or function each, with its source.

use std::num::NonZeroU32;

use super::versions::Version;
use crate::config::istio::peer_authentication::Mode;
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

// --- Istio's objects ---

/// Circuit breakers: 2^32-1, which no run reaches. Source: semantics S7.2.
pub const UNLIMITED: u32 = u32::MAX;
/// Mesh setting `connectTimeout`. Source: semantics S7.2.
pub const CONNECT_TIMEOUT: SimDuration = SimDuration::from_secs(10);
/// Source: semantics S7.2.
pub const IDLE_TIMEOUT: SimDuration = SimDuration::from_secs(3600);
/// Streams of one HTTP/2 connection. Source: semantics S0.5, S7.2.
pub const CONCURRENT_STREAMS: u32 = 1024;
/// The same before 1.28.
pub const CONCURRENT_STREAMS_BEFORE_1_28: u32 = (1 << 31) - 1;
/// Inside a present `retryBudget`. Source: semantics S9.7.
pub const BUDGET_PERCENT: f64 = 20.0;
/// Inside a present `retryBudget`. Source: semantics S9.7.
pub const BUDGET_MIN_RETRIES: u32 = 3;

/// Inside a present `outlierDetection`. Source: semantics S8.1.
pub const CONSECUTIVE_5XX: u32 = 5;
/// In split mode. Source: semantics S8.1.
pub const CONSECUTIVE_LOCAL_ORIGIN: u32 = 5;
/// Source: semantics S8.1.
pub const OUTLIER_INTERVAL: SimDuration = SimDuration::from_secs(10);
/// Source: semantics S8.1.
pub const BASE_EJECTION_TIME: SimDuration = SimDuration::from_secs(30);
/// Raised to the base where that is longer. Source: semantics S8.1.
pub const MAX_EJECTION_TIME: SimDuration = SimDuration::from_secs(300);
/// Envoy's; Istio writes only values above 0. Source: semantics S8.1.
pub const MAX_EJECTION_PERCENT: u32 = 10;

/// `simple` unset. Source: semantics S5.1.
pub const BALANCER: &str = "LEAST_REQUEST";
/// Source: semantics S5.3.
pub const CHOICE_COUNT: u32 = 2;
/// `minimumRingSize` unset or 0. Source: semantics S5.8.
pub const RING_SIZE: u64 = 1024;
/// Source: semantics S5.9.
pub const MAGLEV_SIZE: u64 = 65_537;
/// Source: semantics S6.7.
pub const WARMUP_MINIMUM_PERCENT: f64 = 10.0;
/// Source: semantics S6.7.
pub const WARMUP_AGGRESSION: f64 = 1.0;
/// Envoy's own threshold, before Istio sent unready endpoints. Source: semantics S6.2.
pub const PANIC_BEFORE_1_31: u32 = 50;

/// Retries of a route that says nothing. Source: semantics S9.1.
pub const RETRIES: u32 = 2;
/// Source: semantics S9.1.
pub const RETRY_ON: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
/// Status codes of the default policy before 1.24. Source: semantics S0.5, S9.1.
pub const RETRY_CODES_BEFORE_1_24: &[u16] = &[503];
/// Source: semantics S9.1.
pub const BACKOFF: SimDuration = SimDuration::from_millis(25);
/// The longest back-off is this many times the base. Source: semantics S9.1.
pub const BACKOFF_FACTOR: u64 = 10;
/// Re-selections of a host that was tried before. Source: semantics S9.1.
pub const HOST_SELECTION_ATTEMPTS: u32 = 5;

/// Where no PeerAuthentication says anything. Source: semantics S13.2.
pub const PEER_MODE: Mode = Mode::Permissive;
/// `redirectCode` unset. Source: semantics S2.6.
pub const REDIRECT_CODE: u16 = 301;
/// Where `istioVersion` is silent.
pub const ISTIO_VERSION: Version = Version { major: 1, minor: 28 };
/// Istio's root namespace.
pub const ROOT_NAMESPACE: &str = "istio-system";
/// A port that nobody names. Source: design D9.15.
pub const PORT: u16 = 80;

// --- the scenario ---

/// Source: design D4.
pub const SEED: u64 = 42;
/// Source: design D4.
pub const DURATION: SimDuration = SimDuration::from_secs(600);
/// Of `run`. Source: design D9.24.
pub const REPLICATIONS: NonZeroU32 = NonZeroU32::new(4).expect("4 is not 0");
/// Of a study, where the scenario is silent. Source: design D9.24.
pub const STUDY_REPLICATIONS: NonZeroU32 = NonZeroU32::new(8).expect("8 is not 0");
/// The warm-up is a tenth of the duration, at most this. Source: design D9.18.
pub const WARMUP_MAX: SimDuration = SimDuration::from_secs(30);
/// Source: design D9.18.
pub const DRAIN: SimDuration = SimDuration::from_secs(60);
/// Most points of a time series. Source: design D9.22.
pub const WINDOWS_MAX: u64 = 600;
/// Lengths of a window to choose from. Source: design D9.22.
pub const WINDOW_SECONDS: &[u64] = &[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];
/// Envoy workers of a proxy. Source: semantics S16.1.
pub const WORKERS: NonZeroU32 = NonZeroU32::new(2).expect("2 is not 0");
/// Proxies that carry a client's load.
pub const CLIENT_PODS: u32 = 1;
/// Envoys of a waypoint; as many pods as Istio starts for one.
pub const WAYPOINT_REPLICAS: u32 = 1;
/// From a pod's start until it is ready: a guess at scheduling, starting containers and the first probe that succeeds.
/// Source: design D9.17.
pub const STARTUP: SimDuration = SimDuration::from_secs(10);
/// Without a preStop hook an application closes its port at once. Source: semantics S15.3.
pub const SHUTDOWN: SimDuration = SimDuration::ZERO;
/// Kubernetes' `terminationGracePeriodSeconds`.
pub const GRACE: SimDuration = SimDuration::from_secs(30);
/// Status of a failing request. Source: design D4.
pub const ERROR_STATUS: u16 = 500;
/// Status of an operation whose call failed. Source: design D9.9.
pub const CALL_ERROR_STATUS: u16 = 500;

/// One way, inside a zone. Source: design D4.
pub fn network_latency() -> Distribution {
    Distribution::Constant(SimDuration::from_micros(250))
}

/// One way, between the zones of a region. Source: design D4.
pub fn between_zones() -> Distribution {
    Distribution::Constant(SimDuration::from_millis(1))
}

/// One way, between regions. Source: design D9.1.
pub fn between_regions() -> Distribution {
    Distribution::Constant(SimDuration::from_millis(30))
}

/// Per proxy and attempt, both ways together. Source: design D4, D9.1.
pub fn proxy_latency() -> Distribution {
    let (p50, p99) = (SimDuration::from_micros(250), SimDuration::from_micros(450));
    Distribution::log_normal_p50_p99(p50, p99).expect("p50 is above zero and below p99")
}

/// Per ztunnel and attempt. A guess: published latencies are charts, so an Envoy's is scaled by the CPU that a ztunnel
/// takes beside it (0.06 to 0.20). Source: semantics S16.4.
pub fn ztunnel_latency() -> Distribution {
    let (p50, p99) = (SimDuration::from_micros(75), SimDuration::from_micros(135));
    Distribution::log_normal_p50_p99(p50, p99).expect("p50 is above zero and below p99")
}

/// How long each proxy has run at the start. Source: design D4, D9.4.
pub fn proxy_age() -> Distribution {
    Distribution::Uniform { low: SimDuration::ZERO, high: SimDuration::from_secs(3_600) }
}

/// From a change until a proxy has it. Source: design D4, D9.16.
pub fn propagation() -> Distribution {
    Distribution::Uniform { low: SimDuration::from_millis(100), high: SimDuration::from_secs(1) }
}

/// How long a request takes in a pod of which nothing is known. Source: design D9.12.
pub fn service_time() -> Distribution {
    let (p50, p99) = (SimDuration::from_millis(10), SimDuration::from_millis(50));
    Distribution::log_normal_p50_p99(p50, p99).expect("p50 is above zero and below p99")
}
