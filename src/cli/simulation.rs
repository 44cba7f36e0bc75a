//! The work itself: threads, and Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::OutputArguments;
use super::ending::{Failure, exit, tell};
use super::terminal::Progress;
use crate::mesh::Mesh;
use crate::sim::Plan;
use crate::study::precision::{self, Reached};
use crate::study::replication::{self, SLICES};
use crate::study::{Crew, Pool, Watch};

/// Set by the first Ctrl-C, or by whoever asks us politely to end (SIGTERM, as Kubernetes does).
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

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

/// All replications of a mesh, up to the first that was stopped: the same that `--reps` gives, whatever else was done
/// by then.
pub fn replications(crew: &Crew, mesh: &Mesh, watch: Watch<'_>) -> Pool {
    let plan = Plan::compile(mesh);
    let run_one = |number| replication::run(&plan, mesh, number, watch);
    let (mut pool, mut whole) = (Pool::default(), true);
    crew.fold(mesh.run.replications.get(), run_one, |one| match one {
        Some(one) if whole => pool.add(one),
        _ => whole = false,
    });
    pool
}

/// As many replications as a precision takes, and whether that was found out; tells where it is not reached.
pub fn until_precise(crew: &Crew, mesh: &Mesh, wanted: f64, progress: &Progress) -> (Pool, bool) {
    let watch = Watch { stop: &INTERRUPTED, step: &|| progress.step() };
    let planned = |more: u32| progress.expect(u64::from(more) * u64::from(SLICES));
    let (pool, reached) = precision::replications(crew, mesh, wanted, watch, planned);
    progress.finish();
    reached.iter().for_each(tell_reached);
    (pool, reached.is_some())
}

/// Tells what no number of replications has made precise.
pub fn tell_reached(reached: &Reached) {
    for name in &reached.without {
        tell(&format!(
            "warning: no number of replications makes `{name}` precise: it has no interval, or is zero"
        ));
    }
    if let (false, Some((name, width))) = (reached.is_tight, &reached.widest) {
        tell(&format!(
            "warning: `--precision` ends at {} replications: the interval of `{name}` is still {:.2}% to each side",
            precision::MOST,
            100.0 * width
        ));
    }
}
