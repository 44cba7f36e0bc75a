//! What is kept of the replications of one configuration: a few numbers each, and one histogram for all of them together,
//! so that memory does not grow with their number.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::Mesh;
use crate::mesh::model::{Figure, ObjectiveScope};
use crate::metrics::paired::Samples;
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

/// As many groups of replications keep their samples apart. With more replications two and two are put together, so that
/// memory does not grow with them; 32 groups or more are as good for an interval as any number.
const GROUPS: usize = 64;

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
}

/// All replications of one subject.
#[derive(Clone, Debug)]
pub struct Series {
    pooled: Histogram,
    each: Vec<Row>,
    /// Samples of so many replications each, packed; the last may have fewer yet.
    groups: Vec<Histogram>,
    size: usize,
    /// In each replication so far, all that ended ended as under the base.
    pub is_same: bool,
}

/// What one replication has of a subject.
pub struct Part {
    sample: Sample,
    overflow: f64,
}

/// Everybody's part of one replication.
pub type Parts = BTreeMap<Subject, Part>;

/// What one replication has of everybody whom a comparison is about.
pub fn parts(mesh: &Mesh, results: &Results) -> Parts {
    let one = std::slice::from_ref(results);
    let mut parts = Parts::new();
    let mut add = |subject: Subject, whom: Whom<'_>, figure: Figure| {
        let sample = objectives::samples(whom, figure, one).remove(0);
        let calls = objectives::samples(whom, Figure::Overflow, one);
        let overflow = objectives::overflows(whom, &calls, one)[0];
        let sample = Sample { counters: calls[0].counters, ..sample };
        parts.insert(subject, Part { sample, overflow });
    };
    let subject = |scope, place, target: &str, subset: &str| Subject {
        scope,
        place,
        target: target.to_owned(),
        subset: subset.to_owned(),
    };
    for (place, objective) in mesh.objectives.iter().enumerate() {
        let whom = Whom::of(&objective.scope, mesh);
        add(subject(Scope::Objective, place, &objective.text, ""), whom, objective.figure);
    }
    if mesh.clients.len() > 1 {
        let whom = Whom::of(&ObjectiveScope::All, mesh);
        add(subject(Scope::All, 0, "", ""), whom, Figure::Rps);
    }
    for client in mesh.clients.rows() {
        let whom = Whom::Client { name: &client.name, class: None };
        add(subject(Scope::Client, 0, &client.name, ""), whom, Figure::Rps);
    }
    let clusters = results.clusters.keys().filter(|key| !key.subset.starts_with("inbound|"));
    let clusters: BTreeSet<(&str, &str)> =
        clusters.map(|key| (key.service.as_str(), key.subset.as_str())).collect();
    for (service, subset) in clusters {
        let whom = Whom::Service { name: service, subset: Some(subset) };
        add(subject(Scope::Cluster, 0, service, subset), whom, Figure::Rps);
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
            let series = self.series.entry(subject.clone()).or_insert_with(Series::new);
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
    fn new() -> Series {
        Series { pooled: Histogram::new(), each: Vec::new(), groups: Vec::new(), size: 1, is_same: true }
    }

    /// Replications without anything of it.
    fn upto(&mut self, replications: usize) {
        while self.each.len() < replications {
            self.each.push(Row::default());
            self.group(&Histogram::new());
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
        });
        self.pooled.merge(&finished);
        self.group(&finished);
    }

    /// Puts the samples of the newest replication with those of its group.
    fn group(&mut self, samples: &Histogram) {
        let is_first = (self.each.len() - 1).is_multiple_of(self.size);
        if is_first && self.groups.len() == GROUPS {
            let pairs = self.groups.chunks(2).map(|pair| {
                let mut both = pair[0].clone();
                both.merge(&pair[1]);
                both.pack();
                both
            });
            self.groups = pairs.collect();
            self.size *= 2;
        }
        match self.groups.last_mut() {
            Some(last) if !is_first => last.merge(samples),
            _ => self.groups.push(samples.clone()),
        }
        if let Some(last) = self.groups.last_mut() {
            last.pack();
        }
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

    pub fn samples(&self) -> Samples<'_> {
        Samples { pooled: &self.pooled, each: &self.groups }
    }

    fn quantile(&self, q: f64) -> Estimate {
        statistics::latency_quantile(q, &self.pooled, &self.groups)
    }
}
