//! Series of several replications: the mean of their values, window by window, made as they come, so that none is kept.
//! Source: design D9.22.

use std::collections::BTreeMap;

use super::pieces::Pieces;
use super::sample::{Subject, Targets, subject};
use crate::kernel::SimTime;
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::statistics::{self, Estimate, Running};
use crate::metrics::{Metric, Results, Scope, SeriesKey};

/// One value a window.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesFigures {
    pub subject: Subject,
    pub metric: Metric,
    pub values: Vec<Estimate>,
    /// Of series that tell whether a run is steady.
    pub pieces: Option<Pieces>,
}

/// The series of the replications that have come so far.
#[derive(Clone, Debug, Default)]
pub(super) struct SeriesPool {
    /// When each window began, in the longest of them: those that end early have fewer.
    windows: Vec<SimTime>,
    /// How many windows each had.
    lengths: Vec<usize>,
    rows: BTreeMap<SeriesKey, Vec<Running>>,
    pieces: BTreeMap<SeriesKey, Pieces>,
}

impl SeriesPool {
    pub fn add(&mut self, one: &Results) {
        let length = one.windows.len();
        if length > self.windows.len() {
            self.windows.clone_from(&one.windows);
        }
        self.add_pieces(one);
        for key in one.series.keys().filter(|key| !self.rows.contains_key(key)).cloned().collect::<Vec<_>>() {
            self.rows.insert(key, Vec::new());
        }
        for (key, row) in &mut self.rows {
            let is_zero = key.metric.is_zero_without_data();
            while row.len() < self.windows.len() {
                // Where a replication never came across the row, nothing happened there.
                let came = self.lengths.iter().filter(|length| row.len() < **length).count();
                row.push(if is_zero { Running::zeros(came) } else { Running::default() });
            }
            match one.series.get(key) {
                Some(values) => {
                    let known = row.iter_mut().zip(values).filter(|(_, value)| !value.is_nan());
                    known.for_each(|(sum, value)| sum.add(*value));
                }
                None if is_zero => row[..length].iter_mut().for_each(|sum| sum.add(0.0)),
                None => {}
            }
        }
        self.lengths.push(length);
    }

    fn add_pieces(&mut self, one: &Results) {
        let before = self.lengths.len();
        for key in one.series.keys().filter(|key| is_level(key)) {
            if !self.pieces.contains_key(key) {
                self.pieces.insert(key.clone(), Pieces::new(self.windows.len(), before));
            }
        }
        for (key, pieces) in &mut self.pieces {
            pieces.add(one.series.get(key).map(Vec::as_slice));
        }
    }

    pub fn windows(&self) -> Vec<SimTime> {
        self.windows.clone()
    }

    pub fn figures(&self, targets: &Targets<'_>) -> Vec<SeriesFigures> {
        let row = |(key, row): (&SeriesKey, &Vec<Running>)| {
            let target = match key.scope {
                Scope::Cluster => targets.name(&key.source, &key.target, key.port),
                Scope::Client | Scope::Workload => key.target.clone(),
            };
            SeriesFigures {
                subject: subject(key.scope, &key.source, target, &key.subset),
                metric: key.metric,
                values: row.iter().map(|sum| value(key.metric, sum)).collect(),
                pieces: self.pieces.get(key).cloned(),
            }
        };
        self.rows.iter().map(row).collect()
    }
}

/// Whether a series tells of a level that a run may not have reached yet: what clients wait for, requests under way, lines.
/// (Clients and workloads are the same in all replications, so that a series without data is one of zeros.)
fn is_level(key: &SeriesKey) -> bool {
    match key.metric {
        Metric::LatencyP50 => key.scope == Scope::Client && key.target == ALL_CLASSES,
        Metric::RqActive | Metric::RqPendingActive | Metric::Queue => true,
        _ => false,
    }
}

fn value(metric: Metric, sum: &Running) -> Estimate {
    let mean = sum.estimate();
    match metric {
        Metric::LatencyP50 | Metric::LatencyP99 => statistics::resolved(mean),
        _ => mean,
    }
}
