//! What one must know of a configuration's figures beside them: whether they are those of a steady state, and how many
//! requests had no answer. What is kept for it does not grow with the replications.

use std::collections::BTreeMap;

use crate::mesh::Mesh;
use crate::metrics::results::ClusterTotals;
use crate::metrics::statistics::Estimate;
use crate::metrics::{Clock, HostKey, Results};
use crate::study::figures::{HostFigures, RunResults};
use crate::study::over_time::SeriesPool;
use crate::study::sample::Targets;
use crate::study::steadiness::{self, Unsteady};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    pub unsteady: Vec<Unsteady>,
    /// Requests without an answer at the end of a replication, on average. They are in no figure.
    pub unfinished: f64,
}

/// All replications of one configuration so far.
#[derive(Default)]
pub(super) struct Conditions {
    replications: usize,
    unfinished: u64,
    series: SeriesPool,
    /// Attempts on each host.
    attempts: BTreeMap<HostKey, u64>,
    /// The clusters alone, for their names; empty before the first.
    names: Vec<Results>,
}

impl Conditions {
    pub fn add(&mut self, one: &Results) {
        self.replications += 1;
        self.unfinished += one.requests.values().map(|row| row.unfinished).sum::<u64>();
        self.series.add(one);
        for (key, host) in &one.hosts {
            match self.attempts.get_mut(key) {
                Some(sum) => *sum += host.attempts,
                None => drop(self.attempts.insert(key.clone(), host.attempts)),
            }
        }
        if self.names.is_empty() {
            self.names.push(nothing(one.clock));
        }
        let known = &mut self.names[0].clusters;
        for key in one.clusters.keys() {
            if !known.contains_key(key) {
                known.insert(key.clone(), ClusterTotals::default());
            }
        }
    }

    pub fn told(&self, mesh: &Mesh) -> Condition {
        if self.replications == 0 {
            return Condition::default();
        }
        let mean = |sum: u64| sum as f64 / self.replications as f64;
        let run = RunResults {
            clock: self.names[0].clock,
            replications: self.replications,
            hosts: self.attempts.iter().map(|(key, sum)| host(key, mean(*sum))).collect(),
            windows: self.series.windows(),
            series: self.series.figures(&Targets::of(&self.names)),
            ..RunResults::pool(&[])
        };
        Condition { unsteady: steadiness::check(&run, mesh), unfinished: mean(self.unfinished) }
    }
}

fn nothing(clock: Clock) -> Results {
    Results {
        clock,
        requests: BTreeMap::new(),
        clusters: BTreeMap::new(),
        hosts: BTreeMap::new(),
        windows: Vec::new(),
        series: BTreeMap::new(),
        events: Vec::new(),
    }
}

/// A host of which nothing but its load is known.
fn host(key: &HostKey, attempts: f64) -> HostFigures {
    HostFigures {
        service: key.service.clone(),
        subset: key.subset.clone(),
        host: key.host.clone(),
        zone: key.zone.clone(),
        attempts: Estimate::exact(attempts),
        errors: Estimate::NONE,
        utilization_pct: Estimate::NONE,
        queue_mean: Estimate::NONE,
        queue_max: Estimate::NONE,
        ejections: Estimate::NONE,
        ejected_s: Estimate::NONE,
    }
}
