//! The figures that replications give together: one row per client and class, per cluster, per host, per answer.
//! Counts are means per replication, the rest is pooled. Source: design D6, D9.19, D9.20.

use std::collections::{BTreeMap, BTreeSet};

use super::objectives::{self, Judged};
use super::over_time::{SeriesFigures, SeriesPool};
use super::sample::{
    LatencyFigures, Sample, Subject, Targets, count, gather_calls, gather_requests, latency, pool, rps,
    subject, success_pct,
};
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::{Mesh, Outcome, grpc};
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::results::{EventRow, HostCounts};
use crate::metrics::statistics::{self, Estimate};
use crate::metrics::{
    Clock, ClusterKey, Counter, Histogram, HostKey, HostTotals, RequestKey, Results, Scope,
};

/// What a run says, over all its replications.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResults {
    pub clock: Clock,
    pub replications: usize,
    /// By client and class; the class [`ALL_CLASSES`] is the sum.
    pub clients: Vec<ClientFigures>,
    pub clusters: Vec<ClusterFigures>,
    pub hosts: Vec<HostFigures>,
    pub responses: Vec<ResponseFigures>,
    pub spectrum: Vec<SpectrumPoint>,
    /// When each window began.
    pub windows: Vec<SimTime>,
    pub series: Vec<SeriesFigures>,
    /// By time and replication.
    pub events: Vec<(usize, EventRow)>,
    pub objectives: Vec<Judged>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClientFigures {
    pub client: String,
    pub class: String,
    /// Answered ones.
    pub requests: Estimate,
    pub rps: Estimate,
    pub success_pct: Estimate,
    pub latency: LatencyFigures,
    pub unfinished: Estimate,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClusterFigures {
    pub source: String,
    pub service: String,
    pub port: u16,
    pub subset: String,
    /// As [`Subject::target`].
    pub target: String,
    pub calls: Estimate,
    pub rps: Estimate,
    pub success_pct: Estimate,
    pub latency: LatencyFigures,
    counters: [Estimate; Counter::COUNT],
}

impl ClusterFigures {
    /// A pod's own sidecar, which counts what its limits do and no calls. Source: semantics S1.2.
    pub fn is_inbound(&self) -> bool {
        self.subset.starts_with("inbound|")
    }

    pub fn counter(&self, counter: Counter) -> Estimate {
        self.counters[counter as usize]
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct HostFigures {
    pub service: String,
    pub subset: String,
    pub host: String,
    pub zone: String,
    pub attempts: Estimate,
    pub errors: Estimate,
    pub utilization_pct: Estimate,
    pub queue_mean: Estimate,
    /// Over all replications, without interval.
    pub queue_max: Estimate,
    pub ejections: Estimate,
    pub ejected_s: Estimate,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ResponseFigures {
    pub subject: Subject,
    pub outcome: Outcome,
    pub count: Estimate,
}

/// One row of latency.csv.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectrumPoint {
    pub subject: Subject,
    /// In [0, 1].
    pub quantile: f64,
    pub latency_ms: Estimate,
    /// Samples at or below.
    pub count: Estimate,
}

/// Replications as they come, in their order; of each only what the figures still need is kept.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Packed, and without series.
    kept: Vec<Results>,
    series: SeriesPool,
}

impl Pool {
    pub fn add(&mut self, mut one: Results) {
        self.series.add(&one);
        (one.series, one.windows) = (BTreeMap::new(), Vec::new());
        one.pack();
        self.kept.push(one);
    }

    /// Replications so far.
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// What they say together, the mesh's objectives judged.
    pub fn figures(&self, mesh: &Mesh) -> RunResults {
        RunResults::of(&self.kept, &self.series).judge(mesh, &self.kept)
    }
}

impl RunResults {
    /// Pools replications, given in their order. Objectives are judged by [`RunResults::judge`].
    pub fn pool(results: &[Results]) -> RunResults {
        let mut series = SeriesPool::default();
        results.iter().for_each(|one| series.add(one));
        RunResults::of(results, &series)
    }

    fn of(results: &[Results], series: &SeriesPool) -> RunResults {
        let nothing = Clock { warmup: SimTime::ZERO, duration: SimTime::ZERO, window: SimDuration::ZERO };
        let mut run = RunResults {
            clock: results.first().map_or(nothing, |first| first.clock),
            replications: results.len(),
            clients: Vec::new(),
            clusters: Vec::new(),
            hosts: hosts(results),
            responses: Vec::new(),
            spectrum: Vec::new(),
            windows: series.windows(),
            series: series.figures(&Targets::of(results)),
            events: events(results),
            objectives: Vec::new(),
        };
        run.add_clients(results);
        run.add_clusters(results);
        run
    }

    /// The same with the mesh's objectives judged; `results` are those that were pooled.
    #[must_use]
    pub fn judge(mut self, mesh: &Mesh, results: &[Results]) -> RunResults {
        self.objectives = objectives::judge(mesh, results);
        self
    }

    fn add_clients(&mut self, results: &[Results]) {
        let keys: BTreeSet<&RequestKey> = results.iter().flat_map(|one| one.requests.keys()).collect();
        let mut rows: BTreeSet<(&str, &str)> =
            keys.iter().map(|key| (key.client.as_str(), key.class.as_str())).collect();
        rows.extend(keys.iter().map(|key| (key.client.as_str(), ALL_CLASSES)));
        for (client, class) in rows {
            let samples = gather_requests(results, |key| {
                key.client == client && (key.class == class || class == ALL_CLASSES)
            });
            let subject = subject(Scope::Client, client, class.to_owned(), "");
            if class != ALL_CLASSES {
                self.add_responses(&subject, &samples);
            }
            self.add_spectrum(&subject, &samples);
            self.clients.push(ClientFigures {
                client: client.to_owned(),
                class: class.to_owned(),
                requests: count(&samples, |sample| sample.finished.count()),
                rps: rps(&samples, &self.clock),
                success_pct: success_pct(&samples),
                latency: latency(&samples),
                unfinished: count(&samples, |sample| sample.unfinished),
            });
        }
    }

    fn add_clusters(&mut self, results: &[Results]) {
        let targets = Targets::of(results);
        let keys: BTreeSet<&ClusterKey> = results.iter().flat_map(|one| one.clusters.keys()).collect();
        for key in keys {
            let samples = gather_calls(results, |other| other == key);
            let target = targets.name(&key.source, &key.service, key.port);
            let subject = subject(Scope::Cluster, &key.source, target.clone(), &key.subset);
            self.add_responses(&subject, &samples);
            self.add_spectrum(&subject, &samples);
            self.clusters.push(ClusterFigures {
                source: key.source.clone(),
                service: key.service.clone(),
                port: key.port,
                subset: key.subset.clone(),
                target,
                calls: count(&samples, |sample| sample.finished.count()),
                rps: rps(&samples, &self.clock),
                success_pct: success_pct(&samples),
                latency: latency(&samples),
                counters: Counter::ALL.map(|counter| count(&samples, |s| s.counters[counter as usize])),
            });
        }
    }

    fn add_responses(&mut self, subject: &Subject, samples: &[Sample]) {
        let outcomes: BTreeSet<Outcome> =
            samples.iter().flat_map(|sample| sample.finished.responses.keys().map(as_http)).collect();
        for outcome in outcomes {
            let of = |sample: &Sample| {
                let responses = sample.finished.responses.iter();
                responses.filter(|(found, _)| as_http(found) == outcome).map(|(_, count)| *count).sum()
            };
            let count = count(samples, of);
            self.responses.push(ResponseFigures { subject: subject.clone(), outcome, count });
        }
    }

    fn add_spectrum(&mut self, subject: &Subject, samples: &[Sample]) {
        let each: Vec<Histogram> = samples.iter().map(|sample| sample.finished.all()).collect();
        let pooled = pool(&each);
        for quantile in spectrum_quantiles() {
            let Some(nanos) = pooled.quantile(quantile) else { return };
            let below: Vec<f64> = each.iter().map(|own| own.count_at_or_below(nanos) as f64).collect();
            self.spectrum.push(SpectrumPoint {
                subject: subject.clone(),
                quantile,
                latency_ms: statistics::latency_quantile(quantile, &pooled, &each),
                count: statistics::mean(&below),
            });
        }
    }
}

/// gRPC's statuses are told as the HTTP statuses that they count as, so that one rule says what a success is.
fn as_http(outcome: &Outcome) -> Outcome {
    Outcome { code: grpc::as_http(outcome.code), ..*outcome }
}

fn hosts(results: &[Results]) -> Vec<HostFigures> {
    let keys: BTreeSet<&HostKey> = results.iter().flat_map(|one| one.hosts.keys()).collect();
    let row = |key: &HostKey| {
        let none = HostCounts::default();
        let each: Vec<&HostCounts> = results.iter().map(|one| one.hosts.get(key).unwrap_or(&none)).collect();
        let mean_of = |of: &dyn Fn(&HostCounts) -> f64| {
            statistics::mean(&each.iter().map(|host| of(host)).collect::<Vec<_>>())
        };
        let total = |of: fn(&HostTotals) -> f64| mean_of(&|host: &HostCounts| of(&host.totals));
        let busy: Vec<f64> = each.iter().filter_map(|host| host.totals.utilization_pct).collect();
        let queue_max = each.iter().map(|host| host.totals.queue_max).max();
        HostFigures {
            service: key.service.clone(),
            subset: key.subset.clone(),
            host: key.host.clone(),
            zone: key.zone.clone(),
            attempts: mean_of(&|host| host.attempts as f64),
            errors: mean_of(&|host| host.errors as f64),
            utilization_pct: statistics::mean(&busy),
            queue_mean: total(|totals| totals.queue_mean),
            queue_max: queue_max.map_or(Estimate::NONE, |most| Estimate::exact(most as f64)),
            ejections: total(|totals| totals.ejections as f64),
            ejected_s: total(|totals| totals.ejected_s),
        }
    };
    keys.into_iter().map(row).collect()
}

fn events(results: &[Results]) -> Vec<(usize, EventRow)> {
    let mut events: Vec<_> = results
        .iter()
        .enumerate()
        .flat_map(|(replication, one)| one.events.iter().map(move |event| (replication, event.clone())))
        .collect();
    events.sort_by_key(|(replication, event)| (event.at, *replication));
    events
}

/// 0, 1 to 99, 99.1 to 99.9, 99.95, 99.99, 99.999 and 100 %, as shares. Source: design D9.23.
fn spectrum_quantiles() -> impl Iterator<Item = f64> {
    let percents = (0..100).map(|percent| f64::from(percent) / 100.0);
    let tenths = (991..1000).map(|tenth| f64::from(tenth) / 1000.0);
    percents.chain(tenths).chain([0.9995, 0.9999, 0.99999, 1.0])
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::metrics::Metric;

    #[test]
    fn clients_have_a_row_of_all_their_classes() {
        let run = RunResults::pool(&fixture::two_replications());
        let rows: Vec<_> = run.clients.iter().map(|row| (row.class.as_str(), row.requests.value)).collect();
        assert_eq!(rows, [("all", Some(6.0)), ("get", Some(4.0)), ("put", Some(2.0))]);
        assert_eq!(run.clients[0].success_pct.value, Some(100.0 * 10.0 / 12.0), "a ratio of sums");
        assert_eq!(run.clients[0].rps.value, Some(6.0 / 20.0), "over [warmup, duration)");
    }

    #[test]
    fn rows_that_a_replication_lacks_count_as_nothing() {
        let run = RunResults::pool(&fixture::two_replications());
        let cluster = run.clusters.iter().find(|row| row.subset == "v2").expect("made in one replication");
        assert_eq!(cluster.calls.value, Some(0.5));
        let series = |metric| {
            let row = run.series.iter().find(|row| row.subject.subset == "v2" && row.metric == metric);
            row.expect("the series exists").values[0].value
        };
        assert_eq!(series(Metric::Rps), Some(0.05));
        assert_eq!(series(Metric::LatencyP50), Some(4.0), "nothing is no latency of zero");
    }

    #[test]
    fn percentiles_over_time_are_no_surer_than_their_cells() {
        let run = RunResults::pool(&fixture::two_replications());
        let is_percentile = |metric| matches!(metric, Metric::LatencyP50 | Metric::LatencyP99);
        let rows = run.series.iter().filter(|row| is_percentile(row.metric));
        let widths: Vec<f64> = rows.flat_map(|row| &row.values).filter_map(|point| point.ci95).collect();
        assert!(!widths.is_empty() && widths.iter().all(|width| *width > 0.0), "{widths:?}");
    }

    #[test]
    fn responses_sum_up_to_the_calls() {
        let run = RunResults::pool(&fixture::two_replications());
        let clients = run.responses.iter().filter(|row| row.subject.scope == Scope::Client);
        assert_eq!(clients.filter_map(|row| row.count.value).sum::<f64>(), 6.0);
    }

    #[test]
    fn the_spectrum_ends_at_the_maximum_with_all_samples() {
        let run = RunResults::pool(&fixture::two_replications());
        let all = run.spectrum.iter().filter(|point| point.subject.target == "all");
        let points: Vec<_> = all.collect();
        assert_eq!(points.len(), 113);
        assert_eq!((points[0].quantile, points[112].quantile), (0.0, 1.0));
        assert_eq!(points[112].latency_ms.value, run.clients[0].latency.max.value);
        assert_eq!(points[112].count.value, Some(6.0));
    }

    #[test]
    fn replications_that_are_not_kept_give_the_same_figures() {
        let (mut pool, results) = (Pool::default(), fixture::two_replications());
        results.iter().cloned().for_each(|one| pool.add(one));
        let run = RunResults::of(&pool.kept, &pool.series);
        assert!(run == RunResults::pool(&results) && pool.count() == 2);
        assert!(pool.kept.iter().all(|one| one.series.is_empty()));
    }

    #[test]
    fn nothing_gives_an_empty_run() {
        let run = RunResults::pool(&[]);
        assert_eq!((run.replications, run.clients.len(), run.windows.len()), (0, 0, 0));
    }
}
