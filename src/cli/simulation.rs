//! The work itself: threads, and Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::OutputArguments;
use super::ending::{Failure, exit};
use crate::mesh::Mesh;
use crate::metrics::Results;
use crate::sim::Plan;
use crate::study::{Crew, Watch, replication};

/// Set by the first Ctrl-C.
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
pub fn replications(crew: &Crew, mesh: &Mesh, watch: Watch<'_>) -> Vec<Results> {
    let plan = Plan::compile(mesh);
    let run_one = |number| replication::run(&plan, mesh, number, watch);
    crew.in_order(mesh.run.replications.get(), run_one).into_iter().map_while(|result| result).collect()
}
