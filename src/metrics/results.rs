//! What one replication has counted, as plain data. Rows are named by meaning, never by the order in which a run
//! came across them, so that replications merge row by row.

use std::collections::BTreeMap;

pub use super::count::{Counter, Finished};
use super::series::SeriesKey;
use crate::kernel::{SimDuration, SimTime};

/// Which part of the run counts. Source: design D9.18, D9.22.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Requests born before are in no total.
    pub warmup: SimTime,
    /// Births end here, and so do the series.
    pub duration: SimTime,
    /// Length of one point of a series.
    pub window: SimDuration,
}

impl Clock {
    /// Whether what belongs to this moment counts.
    #[inline]
    pub fn counts(&self, moment: SimTime) -> bool {
        self.warmup <= moment && moment < self.duration
    }

    /// Seconds that the totals are about.
    pub fn measured_s(&self) -> f64 {
        self.duration.since(self.warmup).seconds()
    }
}

/// One row of clients.csv.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    pub client: String,
    pub class: String,
}

/// One row of clusters.csv.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterKey {
    /// Client or calling workload.
    pub source: String,
    pub service: String,
    pub port: u16,
    /// Empty for the base cluster.
    pub subset: String,
}

/// One row of hosts.csv: a pod as member of a (service, subset).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostKey {
    pub service: String,
    pub subset: String,
    /// Pod name.
    pub host: String,
    pub zone: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestTotals {
    pub finished: Finished,
    /// Born in time, but without an answer when the run ended.
    pub unfinished: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterTotals {
    pub calls: Finished,
    pub counters: [u64; Counter::COUNT],
}

/// What only the world knows of a host at the end, over [warmup, duration).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostTotals {
    /// `None` where the pod has no limit of concurrency.
    pub utilization_pct: Option<f64>,
    /// Waiting requests, averaged over time.
    pub queue_mean: f64,
    pub queue_max: u64,
    /// Sum over the proxies that eject it.
    pub ejections: u64,
    /// Seconds out of rotation, mean over those proxies.
    pub ejected_s: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostCounts {
    pub attempts: u64,
    pub errors: u64,
    pub totals: HostTotals,
}

/// Something worth telling that happened at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    pub at: SimTime,
    pub kind: &'static str,
    pub object: String,
    pub message: String,
}

/// All that one replication has to say.
#[derive(Clone, Debug)]
pub struct Results {
    pub clock: Clock,
    pub requests: BTreeMap<RequestKey, RequestTotals>,
    pub clusters: BTreeMap<ClusterKey, ClusterTotals>,
    pub hosts: BTreeMap<HostKey, HostCounts>,
    /// When each window began.
    pub windows: Vec<SimTime>,
    /// One value a window; NaN where there is none.
    pub series: BTreeMap<SeriesKey, Vec<f64>>,
    /// In order of time.
    pub events: Vec<EventRow>,
}

impl Results {
    /// Takes less memory from now on, and reads the same.
    pub fn pack(&mut self) {
        self.requests.values_mut().for_each(|row| row.finished.pack());
        self.clusters.values_mut().for_each(|row| row.calls.pack());
    }
}

/// To the last bit; a gap in a series equals a gap, as NaN would not.
impl PartialEq for Results {
    fn eq(&self, other: &Results) -> bool {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let mut series = self.series.iter().zip(&other.series);
        (&self.clock, &self.requests, &self.clusters, &self.hosts)
            == (&other.clock, &other.requests, &other.clusters, &other.hosts)
            && (&self.windows, &self.events) == (&other.windows, &other.events)
            && self.series.len() == other.series.len()
            && series.all(|(left, right)| left.0 == right.0 && bits(left.1) == bits(right.1))
    }
}
