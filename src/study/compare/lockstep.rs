//! One replication of several configurations, step by step side by side, each request paired as soon as both sides have
//! answered it. Source: design D9.24.

use super::join::{Flips, Join};
use super::pairs::Tally;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::Mesh;
use crate::metrics::Results;
use crate::sim::{Heard, Plan, Run};
use crate::study::replication::{SLICES, Watch, slice_end};

/// So short that little is held of what was said in it, however long the whole takes.
const LONGEST_STEP: SimDuration = SimDuration::from_secs(1);

/// What one replication says of all configurations, the base first.
pub struct Replication {
    pub results: Vec<Results>,
    /// Of each but the base, against the base.
    pub pairs: Vec<Paired>,
}

pub struct Paired {
    /// By row of the mesh's clients.
    pub tallies: Vec<Tally>,
    pub flips: Flips,
}

/// Several configurations that differ, the base first.
pub struct Lockstep<'p> {
    pub meshes: Vec<&'p Mesh>,
    pub plans: &'p [Plan<'p>],
}

impl Lockstep<'_> {
    /// One replication of all of them; `None` if it was stopped.
    pub fn replication(&self, number: u32, watch: Watch<'_>) -> Option<Replication> {
        let seeds = self.plans.iter().zip(&self.meshes);
        let mut runs: Vec<Run<'_>> =
            seeds.map(|(plan, mesh)| Run::new(plan, mesh.run.seed, u64::from(number))).collect();
        let clients = self.meshes[0].clients.len();
        let mut joins: Vec<Join> = runs.iter().skip(1).map(|_| Join::new(number, clients)).collect();
        // Alone, nobody has to listen.
        if !joins.is_empty() {
            runs.iter_mut().for_each(Run::observe);
        }
        let mut heard: Vec<Heard> = runs.iter().map(|_| Heard::default()).collect();
        let mut go_on = |until: SimTime| {
            for (run, heard) in runs.iter_mut().zip(&mut heard) {
                run.advance(until);
                run.hear(heard);
            }
            let (base, candidates) = heard.split_first().expect("there is a base");
            joins.iter_mut().zip(candidates).for_each(|(join, candidate)| join.hear(base, candidate));
        };
        let mut at = SimTime::ZERO;
        for slice in 1..=SLICES {
            if watch.is_stopped() {
                return None;
            }
            let end = slice_end(self.meshes[0], slice);
            while at < end {
                at = end.min(at + LONGEST_STEP);
                go_on(at);
            }
            (watch.step)();
        }
        go_on(SimTime::MAX);
        let pairs = joins.into_iter().map(Join::finish).map(|(tallies, flips)| Paired { tallies, flips });
        Some(Replication { pairs: pairs.collect(), results: runs.into_iter().map(Run::finish).collect() })
    }
}
