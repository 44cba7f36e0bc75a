//! The live recorder of one replication. The engine calls it several times per simulated call, so what it does there
//! is to index a row and to add: no search, no hashing, no allocation after a row's first calls.
//!
//! What falls into which window is told by [`Recorder::close_window`] alone: it takes what was recorded since the
//! last one. The series cover [0, duration) if the last window closes at `duration`; what ends later still counts in
//! the totals if its request does. Source: design D9.18, D9.22.

use std::collections::BTreeMap;

use super::histogram::Histogram;
use super::results::*;
use super::series::{FINISHED_METRICS, LiveCalls, Metric, Scope, SeriesKey, window_values};
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::Outcome;

crate::ids! {
    /// One client x class.
    RequestRow,
    /// One calling workload x service x port x subset.
    ClusterRow,
    /// One pod as member of a (service, subset).
    HostRow,
}

/// Rows of events.csv per kind and replication; the rest is counted. Source: design D9.23.
const EVENTS_PER_KIND: u64 = 10_000;
/// The class that stands for all of a client.
pub const ALL_CLASSES: &str = "all";

const GAUGES: [Metric; 5] =
    [Metric::RqActive, Metric::RqPendingActive, Metric::CxActive, Metric::EjectedHosts, Metric::WeightPct];
const WORKLOAD_METRICS: [Metric; 3] = [Metric::UtilizationPct, Metric::Queue, Metric::ReadyPods];
const CLUSTER_COLUMNS: usize = FINISHED_METRICS.len() + Counter::COUNT + GAUGES.len();

/// How one cluster row stands at a window's end, summed over the proxies of its source.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClusterGauges {
    pub rq_active: f64,
    pub rq_pending_active: f64,
    pub cx_active: f64,
    pub ejected_hosts: f64,
    /// Share that the routes in force send here; `None` where no route splits.
    pub weight_pct: Option<f64>,
}

/// How one workload stands, or stood over the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkloadGauges {
    pub utilization_pct: Option<f64>,
    /// Waiting requests of all its pods.
    pub queue: f64,
    pub ready_pods: f64,
}

/// What only the world knows at a window's end. Reused from window to window.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// By [`ClusterRow`]; rows beyond the end stand at zero.
    pub clusters: Vec<ClusterGauges>,
    /// By `WorkloadId`.
    pub workloads: Vec<WorkloadGauges>,
}

#[derive(Debug, Default)]
struct RequestLine {
    calls: LiveCalls,
    unfinished: u64,
    values: [Vec<f64>; FINISHED_METRICS.len()],
}

#[derive(Debug)]
struct ClusterLine {
    calls: LiveCalls,
    /// Of the open window, by whether their request counts.
    live: [[u64; Counter::COUNT]; 2],
    total: [u64; Counter::COUNT],
    /// Windows closed before the row was made: nothing had happened there.
    absent: usize,
    values: [Vec<f64>; CLUSTER_COLUMNS],
}

#[derive(Debug)]
struct ClientLine {
    name: String,
    /// Its rows of `requests` begin here, one for each of `names`.
    first: usize,
    /// Distinct; classes of one name are one row.
    names: Vec<String>,
    /// Place in `names`, by number of the class.
    classes: Vec<usize>,
    /// Of all classes together.
    values: [Vec<f64>; FINISHED_METRICS.len()],
}

/// Counts one replication.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    requests: Vec<RequestLine>,
    clusters: Vec<ClusterLine>,
    hosts: Vec<HostCounts>,
    clients: Vec<ClientLine>,
    workloads: Vec<(String, [Vec<f64>; WORKLOAD_METRICS.len()])>,
    cluster_rows: BTreeMap<ClusterKey, ClusterRow>,
    host_rows: BTreeMap<HostKey, HostRow>,
    windows: Vec<SimTime>,
    open_since: SimTime,
    events: Vec<EventRow>,
    /// Events of each kind so far, and when the last one was.
    kinds: BTreeMap<&'static str, (u64, SimTime)>,
    /// Where a window's histograms are summed up.
    sum: Histogram,
}

impl Recorder {
    /// `clients`: names with their classes, by `ClientId`; `workloads`: names, by `WorkloadId`.
    pub fn new(clock: Clock, clients: &[(String, Vec<String>)], workloads: &[String]) -> Recorder {
        let mut rows = 0;
        let mut lines = Vec::with_capacity(clients.len());
        for (name, classes) in clients {
            let mut names: Vec<String> = classes.clone();
            names.sort();
            names.dedup();
            let classes = classes.iter().map(|class| names.partition_point(|name| name < class)).collect();
            let first = rows;
            rows += names.len();
            lines.push(ClientLine { name: name.clone(), first, names, classes, values: Default::default() });
        }
        Recorder {
            clock,
            requests: (0..rows).map(|_| RequestLine::default()).collect(),
            clusters: Vec::new(),
            hosts: Vec::new(),
            clients: lines,
            workloads: workloads.iter().map(|name| (name.clone(), Default::default())).collect(),
            cluster_rows: BTreeMap::new(),
            host_rows: BTreeMap::new(),
            windows: Vec::new(),
            open_since: SimTime::ZERO,
            events: Vec::new(),
            kinds: BTreeMap::new(),
            sum: Histogram::new(),
        }
    }

    /// Row of a client's class, both by their number. Classes of one name share a row, as only the name is told.
    pub fn request_row(&self, client: usize, class: usize) -> RequestRow {
        let line = &self.clients[client];
        RequestRow::from_index(line.first + line.classes[class])
    }

    /// The same key names the same row. Not for the hot path: callers keep the answer.
    pub fn cluster_row(&mut self, source: &str, service: &str, port: u16, subset: &str) -> ClusterRow {
        let key = ClusterKey {
            source: source.to_owned(),
            service: service.to_owned(),
            port,
            subset: subset.to_owned(),
        };
        let next = ClusterRow::from_index(self.clusters.len());
        let row = *self.cluster_rows.entry(key).or_insert(next);
        if row == next {
            self.clusters.push(ClusterLine {
                calls: LiveCalls::default(),
                live: Default::default(),
                total: Default::default(),
                absent: self.windows.len(),
                values: Default::default(),
            });
        }
        row
    }

    /// The same key names the same row, whichever source and port its attempts come through.
    pub fn host_row(&mut self, service: &str, subset: &str, pod: &str, zone: &str) -> HostRow {
        let key = HostKey {
            service: service.to_owned(),
            subset: subset.to_owned(),
            host: pod.to_owned(),
            zone: zone.to_owned(),
        };
        let next = HostRow::from_index(self.hosts.len());
        let row = *self.host_rows.entry(key).or_insert(next);
        if row == next {
            self.hosts.push(HostCounts::default());
        }
        row
    }

    /// A request has ended. `counted`: it was born in [warmup, duration).
    #[inline]
    pub fn request_done(&mut self, row: RequestRow, latency: SimDuration, outcome: Outcome, counted: bool) {
        self.requests[row.index()].calls.record(latency.nanos(), outcome, counted);
    }

    /// A call has ended. `counted`: its request counts.
    #[inline(always)]
    pub fn call_done(&mut self, row: ClusterRow, latency: SimDuration, outcome: Outcome, counted: bool) {
        self.clusters[row.index()].calls.record(latency.nanos(), outcome, counted);
    }

    /// `counted`: the request that it is part of counts, or for what belongs to none (ejections), the moment does.
    #[inline]
    pub fn count(&mut self, row: ClusterRow, counter: Counter, counted: bool) {
        self.clusters[row.index()].live[usize::from(counted)][counter as usize] += 1;
    }

    /// An attempt has got its stream to a host. Source: design D9.19.
    #[inline]
    pub fn attempt_sent(&mut self, row: HostRow, counted: bool) {
        self.hosts[row.index()].attempts += u64::from(counted);
    }

    /// A host has answered an attempt with a 5xx, or not at all before its caller lost patience.
    pub fn attempt_failed(&mut self, row: HostRow, counted: bool) {
        self.hosts[row.index()].errors += u64::from(counted);
    }

    /// A request that counts had no answer when the run ended.
    pub fn unfinished(&mut self, row: RequestRow) {
        self.requests[row.index()].unfinished += 1;
    }

    /// `message` is only made if the row is kept.
    pub fn event(&mut self, at: SimTime, kind: &'static str, object: &str, message: impl FnOnce() -> String) {
        let (seen, last) = self.kinds.entry(kind).or_insert((0, at));
        (*seen, *last) = (*seen + 1, at);
        if *seen <= EVENTS_PER_KIND {
            self.events.push(EventRow { at, kind, object: object.to_owned(), message: message() });
        }
    }

    /// Ends the open window at `end`, which is later than the last one's. Call it before anything else of that
    /// instant happens, as windows are [start, end).
    pub fn close_window(&mut self, end: SimTime, gauges: &Gauges) {
        assert!(end > self.open_since, "a window has a length");
        let seconds = end.since(self.open_since).seconds();
        self.close_requests(seconds);
        self.close_clusters(seconds, &gauges.clusters);
        for (index, (_, values)) in self.workloads.iter_mut().enumerate() {
            let gauge = gauges.workloads.get(index).copied().unwrap_or_default();
            let row = [gauge.utilization_pct.unwrap_or(f64::NAN), gauge.queue, gauge.ready_pods];
            push_all(values, row);
        }
        self.windows.push(self.open_since);
        self.open_since = end;
    }

    fn close_requests(&mut self, seconds: f64) {
        for client in &mut self.clients {
            let mut all = Histogram::new();
            let mut all_succeeded = 0;
            for line in &mut self.requests[client.first..client.first + client.names.len()] {
                self.sum.clear();
                let succeeded = line.calls.add_window(&mut self.sum);
                push_all(&mut line.values, window_values(&self.sum, succeeded, seconds));
                all.merge(&self.sum);
                all_succeeded += succeeded;
                line.calls.fold();
            }
            push_all(&mut client.values, window_values(&all, all_succeeded, seconds));
        }
    }

    fn close_clusters(&mut self, seconds: f64, gauges: &[ClusterGauges]) {
        for (index, line) in self.clusters.iter_mut().enumerate() {
            self.sum.clear();
            let succeeded = line.calls.add_window(&mut self.sum);
            line.calls.fold();
            let counts = line.fold_counters();
            let (finished, rest) = line.values.split_at_mut(FINISHED_METRICS.len());
            let (counters, levels) = rest.split_at_mut(Counter::COUNT);
            push_all(finished, window_values(&self.sum, succeeded, seconds));
            push_all(counters, counts);
            let gauge = gauges.get(index).copied().unwrap_or_default();
            push_all(
                levels,
                [
                    gauge.rq_active,
                    gauge.rq_pending_active,
                    gauge.cx_active,
                    gauge.ejected_hosts,
                    gauge.weight_pct.unwrap_or(f64::NAN),
                ],
            );
        }
    }

    /// What the world knows of a host when the run is over.
    pub fn host_totals(&mut self, row: HostRow, totals: HostTotals) {
        self.hosts[row.index()].totals = totals;
    }

    /// What was recorded since the last window closed is in the totals, but in no series.
    pub fn finish(mut self) -> Results {
        let mut series = BTreeMap::new();
        let requests = self.take_requests(&mut series);
        let clusters = self.take_clusters(&mut series);
        for (name, values) in self.workloads {
            let key = |metric| SeriesKey {
                scope: Scope::Workload,
                source: String::new(),
                target: name.clone(),
                port: 0,
                subset: String::new(),
                metric,
            };
            series.extend(WORKLOAD_METRICS.into_iter().zip(values).map(|(metric, row)| (key(metric), row)));
        }
        for (kind, (seen, last)) in self.kinds {
            if seen > EVENTS_PER_KIND {
                let message = format!("{} more are not listed", seen - EVENTS_PER_KIND);
                self.events.push(EventRow { at: last, kind, object: "-".to_owned(), message });
            }
        }
        self.events.sort_by_key(|event| event.at);
        let mut hosts: Vec<_> = self.hosts.into_iter().map(Some).collect();
        let mut take = |row: HostRow| hosts[row.index()].take().expect("each key has its own row");
        Results {
            clock: self.clock,
            requests,
            clusters,
            hosts: self.host_rows.into_iter().map(|(key, row)| (key, take(row))).collect(),
            windows: self.windows,
            series,
            events: self.events,
        }
    }

    fn take_requests(
        &mut self,
        series: &mut BTreeMap<SeriesKey, Vec<f64>>,
    ) -> BTreeMap<RequestKey, RequestTotals> {
        let mut totals = BTreeMap::new();
        let mut lines = std::mem::take(&mut self.requests).into_iter();
        for client in std::mem::take(&mut self.clients) {
            let key = |class: &str, metric| SeriesKey {
                scope: Scope::Client,
                source: client.name.clone(),
                target: class.to_owned(),
                port: 0,
                subset: String::new(),
                metric,
            };
            for (class, line) in client.names.iter().zip(&mut lines) {
                let values = FINISHED_METRICS.into_iter().zip(line.values);
                series.extend(values.map(|(metric, row)| (key(class, metric), row)));
                let name = RequestKey { client: client.name.clone(), class: class.clone() };
                let row = RequestTotals { finished: line.calls.finish(), unfinished: line.unfinished };
                totals.insert(name, row);
            }
            let values = FINISHED_METRICS.into_iter().zip(client.values);
            series.extend(values.map(|(metric, row)| (key(ALL_CLASSES, metric), row)));
        }
        totals
    }

    fn take_clusters(
        &mut self,
        series: &mut BTreeMap<SeriesKey, Vec<f64>>,
    ) -> BTreeMap<ClusterKey, ClusterTotals> {
        let mut lines: Vec<_> = std::mem::take(&mut self.clusters).into_iter().map(Some).collect();
        let mut totals = BTreeMap::new();
        for (key, row) in std::mem::take(&mut self.cluster_rows) {
            let mut line = lines[row.index()].take().expect("each key has its own row");
            line.fold_counters();
            for (metric, values) in cluster_metrics().zip(line.values) {
                let before = if metric.is_zero_without_data() { 0.0 } else { f64::NAN };
                let mut whole = vec![before; line.absent];
                whole.extend(values);
                let key = SeriesKey {
                    scope: Scope::Cluster,
                    source: key.source.clone(),
                    target: key.service.clone(),
                    port: key.port,
                    subset: key.subset.clone(),
                    metric,
                };
                series.insert(key, whole);
            }
            totals.insert(key, ClusterTotals { calls: line.calls.finish(), counters: line.total });
        }
        totals
    }
}

impl ClusterLine {
    /// Moves what counts to the totals, empties the window, and returns what was in it.
    fn fold_counters(&mut self) -> [f64; Counter::COUNT] {
        let [uncounted, counted] = std::mem::take(&mut self.live);
        std::array::from_fn(|index| {
            self.total[index] += counted[index];
            (uncounted[index] + counted[index]) as f64
        })
    }
}

fn cluster_metrics() -> impl Iterator<Item = Metric> {
    FINISHED_METRICS.into_iter().chain(Counter::ALL.map(Metric::Counter)).chain(GAUGES)
}

fn push_all<const N: usize>(columns: &mut [Vec<f64>], values: [f64; N]) {
    for (column, value) in columns.iter_mut().zip(values) {
        column.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::Flag;

    const OVERFLOW: fn() -> Outcome = || Outcome::new(503, Flag::UO);

    fn at(seconds: u64) -> SimTime {
        SimTime::from_nanos(seconds * 1_000_000_000)
    }

    fn recorder() -> Recorder {
        let clock = Clock { warmup: at(10), duration: at(30), window: SimDuration::from_secs(10) };
        let classes = ["get", "put", "get"].map(str::to_owned).to_vec();
        Recorder::new(clock, &[("web".to_owned(), classes)], &["app".to_owned()])
    }

    fn values(results: &Results, scope: Scope, target: &str, metric: Metric) -> Vec<f64> {
        let row = results
            .series
            .iter()
            .find(|(key, _)| (key.scope, key.target.as_str(), key.metric) == (scope, target, metric));
        row.expect("the series exists").1.clone()
    }

    #[test]
    fn totals_take_what_counts_and_series_what_ends_in_their_window() {
        let mut recorder = recorder();
        let row = recorder.request_row(0, 0);
        let millis = SimDuration::from_millis;
        recorder.request_done(row, millis(5), Outcome::OK, false);
        recorder.close_window(at(10), &Gauges::default());
        recorder.request_done(row, millis(7), Outcome::OK, false);
        recorder.request_done(row, millis(9), OVERFLOW(), true);
        recorder.close_window(at(20), &Gauges::default());
        recorder.close_window(at(30), &Gauges::default());
        recorder.request_done(row, millis(50), Outcome::OK, true);
        let results = recorder.finish();

        let key = RequestKey { client: "web".to_owned(), class: "get".to_owned() };
        let finished = &results.requests[&key].finished;
        assert_eq!((finished.ok.sum(), finished.failed.sum()), (50_000_000, 9_000_000));
        assert_eq!(finished.responses, BTreeMap::from([(Outcome::OK, 1), (OVERFLOW(), 1)]));
        assert_eq!(values(&results, Scope::Client, "get", Metric::Rps), [0.1, 0.2, 0.0]);
        let success = values(&results, Scope::Client, "all", Metric::SuccessPct);
        assert_eq!(success[..2], [100.0, 50.0]);
        assert!(success[2].is_nan(), "no request, no share");
    }

    #[test]
    fn results_with_gaps_equal_themselves() {
        let run = || {
            let mut recorder = recorder();
            recorder.close_window(at(10), &Gauges::default());
            recorder.finish()
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn classes_of_one_name_are_one_row() {
        let recorder = recorder();
        assert_eq!(recorder.request_row(0, 0), recorder.request_row(0, 2));
        assert_ne!(recorder.request_row(0, 0), recorder.request_row(0, 1));
    }

    #[test]
    fn a_row_made_late_had_nothing_before() {
        let mut recorder = recorder();
        recorder.close_window(at(10), &Gauges::default());
        let row = recorder.cluster_row("web", "app", 80, "v2");
        assert_eq!(recorder.cluster_row("web", "app", 80, "v2"), row);
        recorder.count(row, Counter::Retries, false);
        recorder.count(row, Counter::Retries, true);
        let level = ClusterGauges { rq_active: 3.0, weight_pct: Some(10.0), ..Default::default() };
        recorder.close_window(at(20), &Gauges { clusters: vec![level], workloads: Vec::new() });
        recorder.count(row, Counter::Retries, true);
        let results = recorder.finish();

        let retries = values(&results, Scope::Cluster, "app", Metric::Counter(Counter::Retries));
        assert_eq!(retries, [0.0, 2.0]);
        assert_eq!(values(&results, Scope::Cluster, "app", Metric::RqActive), [0.0, 3.0]);
        let weight = values(&results, Scope::Cluster, "app", Metric::WeightPct);
        assert!(weight[0].is_nan() && weight[1] == 10.0);
        let totals = results.clusters.values().next().expect("one row");
        assert_eq!(totals.counters[Counter::Retries as usize], 2);
    }

    #[test]
    fn events_beyond_the_limit_are_counted_in_a_row_of_their_own() {
        let mut recorder = recorder();
        for second in 0..EVENTS_PER_KIND + 5 {
            recorder.event(at(second), "ejection", "app-0", String::new);
        }
        recorder.event(at(3), "push", "web-0", || "weights 90/10".to_owned());
        let events = recorder.finish().events;
        assert_eq!(events.len() as u64, EVENTS_PER_KIND + 2);
        let last = events.last().expect("there are rows");
        assert_eq!((last.object.as_str(), last.message.as_str()), ("-", "5 more are not listed"));
        assert!(events.is_sorted_by_key(|event| event.at));
    }

    #[test]
    fn hosts_count_attempts_that_count() {
        let mut recorder = recorder();
        let row = recorder.host_row("app", "v1", "app-0", "a");
        for (fails, counted) in [(true, true), (true, false), (false, true)] {
            recorder.attempt_sent(row, counted);
            if fails {
                recorder.attempt_failed(row, counted);
            }
        }
        recorder.host_totals(row, HostTotals { queue_max: 4, ..Default::default() });
        let results = recorder.finish();
        let host = results.hosts.values().next().expect("one row");
        assert_eq!((host.attempts, host.errors, host.totals.queue_max), (2, 1, 4));
    }
}
