//! One replication, in slices, so that somebody can watch it and stop it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::kernel::SimTime;
use crate::mesh::Mesh;
use crate::metrics::Results;
use crate::sim::{Plan, Run};

/// How often a replication looks up from its work, over its length.
pub const SLICES: u32 = 100;

/// Who waits for a study.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Once set, whatever is not done yet is given up.
    pub stop: &'a AtomicBool,
    /// Hears of each slice of each replication.
    pub step: &'a (dyn Fn() + Sync),
}

impl Watch<'_> {
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// When slice `slice` of [`SLICES`] ends.
pub fn slice_end(mesh: &Mesh, slice: u32) -> SimTime {
    // Wide, as an hour in nanoseconds times a hundred is near the end of 64 bits.
    let until = u128::from(mesh.run.duration.nanos()) * u128::from(slice) / u128::from(SLICES);
    SimTime::from_nanos(until as u64)
}

/// One replication, or nothing if it was stopped.
pub fn run(plan: &Plan<'_>, mesh: &Mesh, replication: u32, watch: Watch<'_>) -> Option<Results> {
    let mut run = Run::new(plan, mesh.run.seed, u64::from(replication));
    for slice in 1..=SLICES {
        if watch.is_stopped() {
            return None;
        }
        run.advance(slice_end(mesh, slice));
        (watch.step)();
    }
    run.advance(SimTime::MAX);
    Some(run.finish())
}
