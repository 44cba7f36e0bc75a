//! What replications have counted for one row, or for several rows together, and the figures of it.
//! Source: design D9.20.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::results::Finished;
use crate::metrics::statistics::{self, Estimate};
use crate::metrics::{Clock, ClusterKey, Counter, Histogram, RequestKey, Results, Scope};

/// Whom a row of responses.csv, latency.csv or timeseries.csv is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub scope: Scope,
    /// The client, or who calls; empty for a workload.
    pub source: String,
    /// The class, the service (`reviews:9080` where one caller uses several ports of it), or the workload.
    pub target: String,
    pub subset: String,
}

/// Milliseconds. The plain ones are of successes and failures alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatencyFigures {
    pub mean: Estimate,
    pub p50: Estimate,
    pub p90: Estimate,
    pub p95: Estimate,
    pub p99: Estimate,
    pub p999: Estimate,
    /// Over all replications, without interval.
    pub max: Estimate,
    pub ok_p50: Estimate,
    pub ok_p99: Estimate,
}

/// One replication's share of a row, or of several rows together.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub finished: Finished,
    pub counters: [u64; Counter::COUNT],
    pub unfinished: u64,
}

/// Names services as columns without a port tell them apart.
pub(super) struct Targets<'a> {
    ports: BTreeMap<(&'a str, &'a str), BTreeSet<u16>>,
}

impl<'a> Targets<'a> {
    pub fn of(results: &'a [Results]) -> Targets<'a> {
        let mut ports: BTreeMap<_, BTreeSet<u16>> = BTreeMap::new();
        for key in results.iter().flat_map(|one| one.clusters.keys()) {
            ports.entry((key.source.as_str(), key.service.as_str())).or_default().insert(key.port);
        }
        Targets { ports }
    }

    pub fn name(&self, source: &str, service: &str, port: u16) -> String {
        match self.ports.get(&(source, service)) {
            Some(ports) if ports.len() > 1 => format!("{service}:{port}"),
            _ => service.to_owned(),
        }
    }
}

pub(super) fn subject(scope: Scope, source: &str, target: String, subset: &str) -> Subject {
    Subject { scope, source: source.to_owned(), target, subset: subset.to_owned() }
}

/// Each replication's sum over the rows that `select` takes.
pub(super) fn gather_requests(results: &[Results], select: impl Fn(&RequestKey) -> bool) -> Vec<Sample> {
    let gather = |one: &Results| {
        let mut sample = Sample::default();
        for (_, row) in one.requests.iter().filter(|(key, _)| select(key)) {
            sample.finished.merge(&row.finished);
            sample.unfinished += row.unfinished;
        }
        sample
    };
    results.iter().map(gather).collect()
}

/// Each replication's sum over the rows that `select` takes.
pub(super) fn gather_calls(results: &[Results], select: impl Fn(&ClusterKey) -> bool) -> Vec<Sample> {
    let gather = |one: &Results| {
        let mut sample = Sample::default();
        for (_, row) in one.clusters.iter().filter(|(key, _)| select(key)) {
            sample.finished.merge(&row.calls);
            for (sum, more) in sample.counters.iter_mut().zip(row.counters) {
                *sum += more;
            }
        }
        sample
    };
    results.iter().map(gather).collect()
}

pub(super) fn count(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> Estimate {
    let values: Vec<f64> = samples.iter().map(|sample| of(sample) as f64).collect();
    statistics::mean(&values)
}

/// Per second of [warmup, duration).
pub(super) fn rps(samples: &[Sample], clock: &Clock) -> Estimate {
    let seconds = clock.measured_s();
    if seconds <= 0.0 {
        return Estimate::NONE;
    }
    let rates: Vec<f64> = samples.iter().map(|sample| sample.finished.count() as f64 / seconds).collect();
    statistics::mean(&rates)
}

pub(super) fn success_pct(samples: &[Sample]) -> Estimate {
    let parts: Vec<_> =
        samples.iter().map(|sample| (sample.finished.ok.count(), sample.finished.count())).collect();
    statistics::share_pct(&parts)
}

pub(super) fn pool(each: &[Histogram]) -> Histogram {
    let mut pooled = Histogram::new();
    each.iter().for_each(|own| pooled.merge(own));
    pooled
}

pub(super) fn latency(samples: &[Sample]) -> LatencyFigures {
    let each: Vec<Histogram> = samples.iter().map(|sample| sample.finished.all()).collect();
    let ok: Vec<Histogram> = samples.iter().map(|sample| sample.finished.ok.clone()).collect();
    let (pooled, pooled_ok) = (pool(&each), pool(&ok));
    let quantile = |q| statistics::latency_quantile(q, &pooled, &each);
    let ok_quantile = |q| statistics::latency_quantile(q, &pooled_ok, &ok);
    LatencyFigures {
        mean: statistics::latency_mean(&each),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        p999: quantile(0.999),
        max: quantile(1.0),
        ok_p50: ok_quantile(0.5),
        ok_p99: ok_quantile(0.99),
    }
}
