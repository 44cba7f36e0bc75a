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
    /// Requests per second that were served.
    ServedRps,
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
            Measure::Of(_) | Measure::ServedRps => row.count > 0,
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
            Measure::ServedRps => row.ok as f64 / clock.measured_s(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{SimDuration, SimTime};

    fn subject(target: &str) -> Subject {
        Subject { scope: Scope::Cluster, place: 0, target: target.to_owned(), subset: String::new() }
    }

    /// What a replication has of each: how many were served in 4 ms, and how many failed in 1 ms.
    fn parts(of: &[(&str, u64, u64)]) -> Parts {
        let part = |(target, ok, failed): &(&str, u64, u64)| {
            let mut sample = Sample::default();
            (0..*ok).for_each(|_| sample.finished.ok.record(4_000_000));
            (0..*failed).for_each(|_| sample.finished.failed.record(1_000_000));
            sample.counters[Counter::Retries as usize] = 2 * failed;
            sample.counters[Counter::Ejections as usize] = 5 * failed;
            (subject(target), Part { sample, overflow: 3.0 * *failed as f64 })
        };
        of.iter().map(part).collect()
    }

    fn account(replications: &[&[(&str, u64, u64)]]) -> Account {
        let at = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
        let clock = Clock { warmup: at(2), duration: at(4), window: SimDuration::from_secs(1) };
        let mut account = Account::new(clock);
        let base = parts(&[("a", 2, 0), ("b", 1, 1)]);
        replications.iter().for_each(|one| account.add(&parts(one), &base));
        account
    }

    #[test]
    fn whoever_is_missing_in_a_replication_has_nothing_there() {
        let account = account(&[&[("a", 2, 0)], &[("a", 2, 0), ("b", 1, 1)], &[("a", 2, 0)]]);
        let b = &account.series[&subject("b")];
        assert_eq!(b.shares(), [(0, 0), (1, 2), (0, 0)]);
        let Samples { pooled, each } = b.samples();
        assert_eq!(
            (pooled.count(), each.iter().map(Histogram::count).collect::<Vec<_>>()),
            (2, vec![0, 2, 0])
        );
        let numbers = |measure| b.numbers(measure, &account.clock);
        assert_eq!(numbers(Measure::Of(Figure::Rps)), [0.0, 1.0, 0.0]);
        assert_eq!(numbers(Measure::Of(Figure::Retries)), [0.0, 2.0, 0.0]);
        assert_eq!(numbers(Measure::Of(Figure::Ejections)), [0.0, 5.0, 0.0]);
        assert_eq!(numbers(Measure::Of(Figure::Overflow)), [0.0, 3.0, 0.0]);
        let ratios = |measure| b.ratios(measure);
        assert_eq!(ratios(Measure::RetriesPerCall), Some(vec![(0.0, 0.0), (2.0, 2.0), (0.0, 0.0)]));
        assert_eq!(
            ratios(Measure::Of(Figure::LatencyMean)),
            Some(vec![(0.0, 0.0), (5.0, 2.0), (0.0, 0.0)]),
            "of successes and failures"
        );
        assert_eq!(ratios(Measure::Of(Figure::Rps)), None);
    }

    #[test]
    fn samples_of_many_replications_are_kept_in_groups_of_neighbours() {
        let counts = |replications: u64| {
            let each: Vec<_> = (1..=replications).map(|n| [("a", n, 0)]).collect();
            let account = account(&each.iter().map(|one| &one[..]).collect::<Vec<_>>());
            account.series[&subject("a")].samples().each.iter().map(Histogram::count).collect::<Vec<u64>>()
        };
        let most = GROUPS as u64;
        assert_eq!(counts(most), (1..=most).collect::<Vec<_>>());
        let pairs: Vec<u64> = (0..most / 2).map(|n| 4 * n + 3).collect();
        assert_eq!(
            counts(most + 1),
            [&pairs[..], &[most + 1]].concat(),
            "two and two, and the newest by itself"
        );
        assert_eq!(counts(most + 2)[pairs.len()..], [2 * most + 3]);
        let fours: Vec<u64> = (0..most / 2).map(|n| 16 * n + 10).collect();
        assert_eq!(counts(2 * most + 1), [&fours[..], &[2 * most + 1]].concat());
    }

    #[test]
    fn what_differed_once_is_not_the_same_any_more() {
        let is_same = |replications: &[&[(&str, u64, u64)]]| {
            account(replications).series.values().map(|series| series.is_same).collect::<Vec<_>>()
        };
        let (equal, other): (&[_], &[_]) = (&[("a", 2, 0), ("b", 1, 1)], &[("a", 3, 0), ("b", 1, 1)]);
        assert_eq!(is_same(&[equal, equal]), [true, true]);
        assert_eq!(is_same(&[other, equal]), [false, true]);
        assert_eq!(is_same(&[&[("c", 1, 0)]]), [false], "the base has nothing of it");
    }

    #[test]
    fn rows_are_worth_it_where_anything_happened() {
        let account = account(&[&[("a", 2, 0), ("b", 0, 1)]]);
        let has = |target: &str| {
            [Measure::RetriesPerCall, Measure::Of(Figure::Ejections), Measure::Of(Figure::Overflow)]
                .map(|measure| account.series[&subject(target)].has(measure))
        };
        assert_eq!((has("a"), has("b")), ([false; 3], [true; 3]));
    }
}
