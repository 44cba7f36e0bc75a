//! Outlier detection of one cluster in one proxy: counts failures by host, ejects within a limit, and lets hosts
//! return at sweeps. Nothing here is shared between two calling proxies. Source: semantics S8.

mod detector;
mod limit;
mod rates;
mod report;

pub use detector::Detector;
pub use limit::{ejection_allowed, ejection_jitter, ejection_time};
pub use rates::{fails_too_often, success_rate_threshold};
pub use report::{Cause, EjectionRequest, LocalOrigin, Report, Verdict};
