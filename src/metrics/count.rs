//! What is counted: of calls and requests how they ended and how long they took, of a cluster its events beside.

use std::collections::BTreeMap;

use super::histogram::Histogram;
use crate::mesh::Outcome;

/// What a cluster counts beside its calls, by Envoy's names. Source: design D6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Counter {
    /// `upstream_rq_total`: tries that got a stream, copies included.
    Attempts,
    Retries,
    /// The queue for a connection was full (`maxPendingRequests`).
    PendingOverflow,
    /// The retry budget was used up.
    RetryOverflow,
    Timeout,
    PerTryTimeout,
    CxTotal,
    CxOverflow,
    CxConnectFail,
    Ejections,
    NoHealthyUpstream,
    Mirrored,
    /// `http2MaxRequests` was reached. Source: semantics S21.7.
    ActiveOverflow,
}

impl Counter {
    pub const COUNT: usize = 13;
    pub const ALL: [Counter; Counter::COUNT] = [
        Counter::Attempts,
        Counter::Retries,
        Counter::PendingOverflow,
        Counter::RetryOverflow,
        Counter::Timeout,
        Counter::PerTryTimeout,
        Counter::CxTotal,
        Counter::CxOverflow,
        Counter::CxConnectFail,
        Counter::Ejections,
        Counter::NoHealthyUpstream,
        Counter::Mirrored,
        Counter::ActiveOverflow,
    ];

    /// Column and metric name.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::Attempts => "attempts",
            Counter::Retries => "retries",
            Counter::PendingOverflow => "upstream_rq_pending_overflow",
            Counter::RetryOverflow => "upstream_rq_retry_overflow",
            Counter::Timeout => "upstream_rq_timeout",
            Counter::PerTryTimeout => "upstream_rq_per_try_timeout",
            Counter::CxTotal => "upstream_cx_total",
            Counter::CxOverflow => "upstream_cx_overflow",
            Counter::CxConnectFail => "upstream_cx_connect_fail",
            Counter::Ejections => "ejections",
            Counter::NoHealthyUpstream => "no_healthy_upstream",
            Counter::Mirrored => "mirrored",
            Counter::ActiveOverflow => "upstream_rq_active_overflow",
        }
    }
}

/// Finished requests or calls that count, by how they ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    pub ok: Histogram,
    pub failed: Histogram,
    pub responses: BTreeMap<Outcome, u64>,
}

impl Finished {
    pub fn count(&self) -> u64 {
        self.ok.count() + self.failed.count()
    }

    pub fn merge(&mut self, other: &Finished) {
        self.ok.merge(&other.ok);
        self.failed.merge(&other.failed);
        for (outcome, count) in &other.responses {
            *self.responses.entry(*outcome).or_default() += count;
        }
    }

    /// Takes less memory from now on, and reads the same.
    pub fn pack(&mut self) {
        self.ok.pack();
        self.failed.pack();
    }

    /// Successes and failures alike.
    pub fn all(&self) -> Histogram {
        let mut all = self.ok.clone();
        all.merge(&self.failed);
        all
    }
}
