//! The work itself: threads, slices, Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::OutputArguments;
use super::ending::{Failure, exit};
use super::terminal::Progress;
use crate::kernel::SimTime;
use crate::mesh::Mesh;
use crate::metrics::Results;
use crate::sim::{self, Plan};
use crate::study::Crew;

/// How often a replication looks up from its work, over its length.
pub const SLICES: u64 = 100;
/// Set by the first Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The threads of a verb: as many as the user says, else one a core. Listens for Ctrl-C from here on: the first one stops
/// after what is done, the second at once.
pub fn crew(arguments: &OutputArguments) -> Result<Crew, Failure> {
    let heard = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
    });
    heard.map_err(|error| Failure::internal(format!("cannot listen for Ctrl-C: {error}")))?;
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = arguments.jobs.map_or_else(cores, |jobs| jobs as usize);
    Crew::new(jobs).map_err(|error| Failure::internal(format!("cannot start threads: {error}")))
}

pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// All replications of a mesh, up to the first that was stopped: the same that `--reps` gives, whatever else was done
/// by then.
pub fn replications(crew: &Crew, mesh: &Mesh, progress: &Progress) -> Vec<Results> {
    let plan = Plan::compile(mesh);
    let run_one = |replication| one(&plan, mesh, u64::from(replication), progress);
    crew.in_order(mesh.run.replications.get(), run_one).into_iter().map_while(|result| result).collect()
}

/// One replication, or nothing if it was interrupted.
fn one(plan: &Plan<'_>, mesh: &Mesh, replication: u64, progress: &Progress) -> Option<Results> {
    let mut run = sim::Run::new(plan, mesh.run.seed, replication);
    let length = mesh.run.duration.nanos();
    for slice in 1..=SLICES {
        if is_interrupted() {
            return None;
        }
        // Wide, as an hour in nanoseconds times a hundred is near the end of 64 bits.
        let until = (u128::from(length) * u128::from(slice) / u128::from(SLICES)) as u64;
        run.advance(SimTime::from_nanos(until));
        progress.step();
    }
    run.advance(SimTime::MAX);
    Some(run.finish())
}
