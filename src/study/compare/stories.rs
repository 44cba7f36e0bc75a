//! The stories of requests that one configuration served and the other failed: the replication is run again on both sides,
//! up to their answers.

use std::collections::{BTreeMap, BTreeSet};

use super::lockstep::Lockstep;
use super::{Candidate, Flip};
use crate::metrics::story::Story;
use crate::sim;
use crate::study::crew::Crew;

/// The two stories of one request. `None` can only be if a run was not the same the second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub base: Option<Story>,
    pub candidate: Option<Story>,
}

/// Row of the meshes that differ, and replication.
type Again = (usize, u32);

/// Tells the flips of all candidates; `places` are their rows of the meshes.
pub(super) fn tell(crew: &Crew, lockstep: &Lockstep<'_>, places: &[usize], candidates: &mut [Candidate]) {
    let mut wanted: BTreeMap<Again, BTreeSet<u64>> = BTreeMap::new();
    for (candidate, place) in candidates.iter().zip(places) {
        for flip in candidate.flips.iter() {
            for side in [0, *place] {
                wanted.entry((side, flip.replication)).or_default().insert(flip.fate);
            }
        }
    }
    let jobs: Vec<(Again, Vec<u64>)> =
        wanted.into_iter().map(|(again, fates)| (again, fates.into_iter().collect())).collect();
    let run_again = |job: u32| {
        let ((place, replication), fates) = &jobs[job as usize];
        let seed = lockstep.meshes[*place].run.seed;
        sim::stories(&lockstep.plans[*place], seed, u64::from(*replication), fates)
    };
    let stories = crew.in_order(jobs.len() as u32, run_again);
    let find = |place: usize, flip: &Flip| {
        let job = jobs.iter().position(|(again, _)| *again == (place, flip.replication))?;
        stories[job].get(&flip.fate).cloned()
    };
    for (candidate, place) in candidates.iter_mut().zip(places) {
        let told =
            candidate.flips.iter().map(|flip| Told { base: find(0, flip), candidate: find(*place, flip) });
        candidate.told = told.collect();
    }
}
