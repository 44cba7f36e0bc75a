//! Values over time: which there are, and how a window's live counts become one point each. Source: design D9.22.

use super::count::{Counter, Finished};
use super::histogram::Histogram;
use crate::mesh::Outcome;

/// What is measured over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    Rps,
    SuccessPct,
    LatencyP50,
    LatencyP99,
    /// Of this window alone.
    Counter(Counter),
    // gauges, as they stand at the window's end
    RqActive,
    RqPendingActive,
    CxActive,
    EjectedHosts,
    WeightPct,
    UtilizationPct,
    Queue,
    ReadyPods,
}

impl Metric {
    /// The `metric` column.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Rps => "rps",
            Metric::SuccessPct => "success_pct",
            Metric::LatencyP50 => "latency_p50_ms",
            Metric::LatencyP99 => "latency_p99_ms",
            Metric::Counter(counter) => counter.name(),
            Metric::RqActive => "upstream_rq_active",
            Metric::RqPendingActive => "upstream_rq_pending_active",
            Metric::CxActive => "upstream_cx_active",
            Metric::EjectedHosts => "ejected_hosts",
            Metric::WeightPct => "weight_pct",
            Metric::UtilizationPct => "utilization_pct",
            Metric::Queue => "queue",
            Metric::ReadyPods => "ready_pods",
        }
    }

    /// Has a value of 0 where nothing happened: a replication or window without the row counts as 0, not as unknown.
    pub const fn is_zero_without_data(self) -> bool {
        !matches!(
            self,
            Metric::SuccessPct
                | Metric::LatencyP50
                | Metric::LatencyP99
                | Metric::WeightPct
                | Metric::UtilizationPct
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Client,
    Cluster,
    Workload,
}

impl Scope {
    pub const fn name(self) -> &'static str {
        match self {
            Scope::Client => "client",
            Scope::Cluster => "cluster",
            Scope::Workload => "workload",
        }
    }
}

/// Names one series. A client's `source` is itself and its `target` the class; a workload has a `target` only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    pub scope: Scope,
    pub source: String,
    pub target: String,
    /// 0 where there is none.
    pub port: u16,
    pub subset: String,
    pub metric: Metric,
}

/// The four values that calls and requests have alike, in the order of [`FINISHED_METRICS`].
pub(super) const FINISHED_METRICS: [Metric; 4] =
    [Metric::Rps, Metric::SuccessPct, Metric::LatencyP50, Metric::LatencyP99];

/// Finished calls of the open window by (counted, success), and of all windows before it.
///
/// One histogram takes each call, and the window's end sorts out the sums: a call costs one increment, and a window
/// a few hundred additions.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveCalls {
    live: [Histogram; 4],
    /// Answers that are a plain 200, by far the most frequent.
    plain: u64,
    /// All others that count. A handful, so a search in line is fastest.
    other: Vec<(Outcome, u64)>,
    total: Finished,
}

impl LiveCalls {
    #[inline(always)]
    pub fn record(&mut self, nanos: u64, outcome: Outcome, counted: bool) {
        let slot = usize::from(counted) * 2 + usize::from(outcome.is_success());
        self.live[slot].record(nanos);
        if outcome == Outcome::OK {
            self.plain += u64::from(counted);
        } else if counted {
            self.count_other(outcome);
        }
    }

    #[inline(never)]
    fn count_other(&mut self, outcome: Outcome) {
        match self.other.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => self.other.push((outcome, 1)),
        }
    }

    /// Adds the open window's calls to `sum`; returns how many of them succeeded.
    pub fn add_window(&self, sum: &mut Histogram) -> u64 {
        self.live.iter().for_each(|part| sum.merge(part));
        self.live[1].count() + self.live[3].count()
    }

    /// Moves what counts to the totals and empties the live part.
    pub fn fold(&mut self) {
        let [_, _, failed, ok] = &self.live;
        self.total.failed.merge(failed);
        self.total.ok.merge(ok);
        self.live.iter_mut().for_each(Histogram::clear);
    }

    pub fn finish(mut self) -> Finished {
        self.fold();
        self.total.responses.extend(self.other);
        if self.plain > 0 {
            self.total.responses.insert(Outcome::OK, self.plain);
        }
        self.total
    }
}

/// The values of one window, by [`FINISHED_METRICS`]; NaN where there is no call to tell of.
pub(super) fn window_values(calls: &Histogram, succeeded: u64, seconds: f64) -> [f64; 4] {
    let millis = |q| calls.quantile(q).map_or(f64::NAN, |nanos| nanos as f64 / 1e6);
    let count = calls.count() as f64;
    let success = if calls.is_empty() { f64::NAN } else { 100.0 * succeeded as f64 / count };
    [count / seconds, success, millis(0.5), millis(0.99)]
}
