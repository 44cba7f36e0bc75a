//! What holds where the files are silent: a constant or function each, with its source.

// --- the scenario ---

use std::num::NonZeroU32;

use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

/// Source: design D4.
pub const SEED: u64 = 42;
/// Source: design D4.
pub const DURATION: SimDuration = SimDuration::from_secs(600);
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
