//! What is kept of the replications of one configuration: a few numbers each, and one histogram for all of them together,
//! so that memory does not grow with their number.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::Mesh;
use crate::mesh::model::{Figure, ObjectiveScope};
use crate::metrics::statistics::{self, Estimate};
use crate::metrics::{Clock, Counter, Histogram, Results};
use crate::study::objectives::{self, Whom};
use crate::study::sample::Sample;

/// Whom a figure is about. In the order in which people are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub scope: Scope,
    /// Number of the objective, else 0.
    pub place: usize,
    /// The objective as written, the client, or the service; empty for all clients.
    pub target: String,
    pub subset: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Objective,
    /// All clients together.
    All,
    Client,
    /// A service's subset, as all its callers see it.
    Cluster,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::Objective => "objective",
            Scope::All => "all",
            Scope::Client => "client",
            Scope::Cluster => "cluster",
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    Of(Figure),
    RetriesPerCall,
}

/// Percentiles that are kept of everybody.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// One replication's part of a series.
#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    count: u64,
    ok: u64,
    /// Nanoseconds.
    sum: u128,
    retries: u64,
    ejections: u64,
    overflow: f64,
    /// Of the series' quantiles, nanoseconds.
    quantiles: Vec<Option<u64>>,
}

/// All replications of one subject.
#[derive(Clone, Debug)]
pub struct Series {
    quantiles: Vec<f64>,
    pooled: Histogram,
    each: Vec<Row>,
    /// In each replication so far, all that ended ended as under the base.
    pub is_same: bool,
}

/// What one replication has of a subject.
pub struct Part {
    quantiles: Vec<f64>,
    sample: Sample,
    overflow: f64,
}

/// Everybody's part of one replication.
pub type Parts = BTreeMap<Subject, Part>;

/// What one replication has of everybody whom a comparison is about.
pub fn parts(mesh: &Mesh, results: &Results) -> Parts {
    let one = std::slice::from_ref(results);
    let mut parts = Parts::new();
    let mut add = |subject: Subject, whom: Whom<'_>, figure: Figure, quantiles: Vec<f64>| {
        let sample = objectives::samples(whom, figure, one).remove(0);
        let calls = objectives::samples(whom, Figure::Overflow, one);
        let overflow = objectives::overflows(whom, &calls, one)[0];
        let sample = Sample { counters: calls[0].counters, ..sample };
        parts.insert(subject, Part { quantiles, sample, overflow });
    };
    let subject = |scope, place, target: &str, subset: &str| Subject {
        scope,
        place,
        target: target.to_owned(),
        subset: subset.to_owned(),
    };
    for (place, objective) in mesh.objectives.iter().enumerate() {
        let quantiles = match objective.figure {
            Figure::Latency(q) => vec![q],
            Figure::LatencyMax => vec![1.0],
            _ => Vec::new(),
        };
        let whom = Whom::of(&objective.scope, mesh);
        add(subject(Scope::Objective, place, &objective.text, ""), whom, objective.figure, quantiles);
    }
    let usual = || QUANTILES.to_vec();
    if mesh.clients.len() > 1 {
        let whom = Whom::of(&ObjectiveScope::All, mesh);
        add(subject(Scope::All, 0, "", ""), whom, Figure::Rps, usual());
    }
    for client in mesh.clients.rows() {
        let whom = Whom::Client { name: &client.name, class: None };
        add(subject(Scope::Client, 0, &client.name, ""), whom, Figure::Rps, usual());
    }
    let clusters = results.clusters.keys().filter(|key| !key.subset.starts_with("inbound|"));
    let clusters: BTreeSet<(&str, &str)> =
        clusters.map(|key| (key.service.as_str(), key.subset.as_str())).collect();
    for (service, subset) in clusters {
        let whom = Whom::Service { name: service, subset: Some(subset) };
        add(subject(Scope::Cluster, 0, service, subset), whom, Figure::Rps, usual());
    }
    parts
}

/// All replications of one configuration.
#[derive(Clone, Debug)]
pub struct Account {
    pub replications: usize,
    pub clock: Clock,
    pub series: BTreeMap<Subject, Series>,
}

impl Account {
    pub fn new(clock: Clock) -> Account {
        Account { replications: 0, clock, series: BTreeMap::new() }
    }

    /// Adds a replication, in order; `base` is what the base has of the same one.
    pub fn add(&mut self, parts: &Parts, base: &Parts) {
        for (subject, part) in parts {
            let series = self.series.entry(subject.clone()).or_insert_with(|| Series::new(&part.quantiles));
            series.upto(self.replications);
            let other = base.get(subject).map(|part| &part.sample.finished);
            series.is_same &= other == Some(&part.sample.finished);
            series.add(part);
        }
        self.replications += 1;
        let replications = self.replications;
        self.series.values_mut().for_each(|series| series.upto(replications));
    }

    /// A figure of one of its series, as `run` tells it.
    pub fn estimate(&self, series: &Series, measure: Measure) -> Estimate {
        match measure {
            Measure::Of(Figure::SuccessPct) => statistics::share_pct(&series.shares()),
            Measure::Of(Figure::Latency(q)) => series.quantile(q),
            Measure::Of(Figure::LatencyMax) => series.quantile(1.0),
            _ => match series.ratios(measure) {
                Some(ratios) => statistics::ratio(&ratios),
                None => statistics::mean(&series.numbers(measure, &self.clock)),
            },
        }
    }
}

impl Series {
    fn new(quantiles: &[f64]) -> Series {
        let quantiles = quantiles.to_vec();
        Series { quantiles, pooled: Histogram::new(), each: Vec::new(), is_same: true }
    }

    /// Replications without anything of it.
    fn upto(&mut self, replications: usize) {
        while self.each.len() < replications {
            self.each.push(Row { quantiles: vec![None; self.quantiles.len()], ..Row::default() });
        }
    }

    fn add(&mut self, part: &Part) {
        let finished = part.sample.finished.all();
        self.each.push(Row {
            count: finished.count(),
            ok: part.sample.finished.ok.count(),
            sum: finished.sum(),
            retries: part.sample.counters[Counter::Retries as usize],
            ejections: part.sample.counters[Counter::Ejections as usize],
            overflow: part.overflow,
            quantiles: self.quantiles.iter().map(|q| finished.quantile(*q)).collect(),
        });
        self.pooled.merge(&finished);
    }

    pub fn is_empty(&self) -> bool {
        self.pooled.is_empty()
    }

    /// Whether anything was ever tried again, refused or thrown out.
    pub fn has(&self, measure: Measure) -> bool {
        self.each.iter().any(|row| match measure {
            Measure::Of(Figure::Retries) | Measure::RetriesPerCall => row.retries > 0,
            Measure::Of(Figure::Ejections) => row.ejections > 0,
            Measure::Of(Figure::Overflow) => row.overflow > 0.0,
            Measure::Of(_) => row.count > 0,
        })
    }

    /// Successes and all that ended, of each replication.
    pub fn shares(&self) -> Vec<(u64, u64)> {
        self.each.iter().map(|row| (row.ok, row.count)).collect()
    }

    /// What each replication adds to a ratio of sums, if that is what it is.
    pub fn ratios(&self, measure: Measure) -> Option<Vec<(f64, f64)>> {
        let above = |row: &Row| match measure {
            Measure::Of(Figure::LatencyMean) => Some(row.sum as f64 / 1e6),
            Measure::RetriesPerCall => Some(row.retries as f64),
            _ => None,
        };
        self.each.iter().map(|row| Some((above(row)?, row.count as f64))).collect()
    }

    /// A number of each replication.
    pub fn numbers(&self, measure: Measure, clock: &Clock) -> Vec<f64> {
        let number = |row: &Row| match measure {
            Measure::Of(Figure::Retries) => row.retries as f64,
            Measure::Of(Figure::Ejections) => row.ejections as f64,
            Measure::Of(Figure::Overflow) => row.overflow,
            _ => row.count as f64 / clock.measured_s(),
        };
        self.each.iter().map(number).collect()
    }

    /// A quantile of each replication with its number of samples, and of all together, nanoseconds. Those that are kept.
    pub fn quantiles(&self, q: f64) -> (Option<u64>, Vec<(u64, Option<u64>)>) {
        let place = self.quantiles.iter().position(|kept| *kept == q);
        let own = |row: &Row| (row.count, place.and_then(|place| row.quantiles[place]));
        (self.pooled.quantile(q), self.each.iter().map(own).collect())
    }

    fn quantile(&self, q: f64) -> Estimate {
        let (pooled, each) = self.quantiles(q);
        statistics::pooled_quantile(q, pooled, &each)
    }
}
