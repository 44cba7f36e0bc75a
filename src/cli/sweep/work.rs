//! The points of a sweep as meshes, and their simulation: batch by batch, each finished point into the journal.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;

use super::journal::{Journal, cannot_keep};
use super::points::Points;
use crate::cli::arguments::InputArguments;
use crate::cli::ending::{Failure, exit, tell};
use crate::cli::files::Disk;
use crate::cli::inputs::Inputs;
use crate::cli::simulation::INTERRUPTED;
use crate::config::vary::LOAD;
use crate::mesh::{Fingerprint, Mesh};
use crate::report::sweep::{Figures, Point, Study};
use crate::study::sensitivity::{Knob, Turning};
use crate::study::{Crew, Measurements, Watch, objectives};

/// Where the scenario is silent. Source: design D9.24.
pub const REPLICATIONS: NonZeroU32 = NonZeroU32::new(8).expect("not zero");

/// Meshes that are held at once. Between batches threads wait for the last replication of one, so there are many.
const BATCH: usize = 32;

/// Where the meshes of points come from.
pub enum Source<'a> {
    /// The input is read again with each point's values.
    Varied { points: &'a Points, manifests: &'a [String], input: &'a InputArguments, disk: &'a Disk },
    /// One input of the mesh is turned. `factors`: low and high.
    Turned { base: &'a Mesh, knobs: &'a [Knob], factors: [f64; 2] },
}

impl Source<'_> {
    /// Its values as they are told, and its mesh.
    pub fn point(&self, number: u32) -> Result<(Vec<String>, Mesh), Failure> {
        match self {
            Source::Varied { points, manifests, input, disk } => {
                let values = points.values(number);
                let mesh = varied(points, &values, manifests, input, disk).inspect_err(|_| {
                    let each = points.varied.iter().zip(&values).map(|(vary, value)| vary.order(value));
                    tell(&format!("at point {number} of the sweep: {}", each.collect::<Vec<_>>().join(" ")));
                })?;
                Ok((values, mesh))
            }
            Source::Turned { base, knobs, factors } => Ok(turned(base, knobs, *factors, number)),
        }
    }
}

fn varied(
    points: &Points,
    values: &[String],
    manifests: &[String],
    input: &InputArguments,
    disk: &Disk,
) -> Result<Mesh, Failure> {
    let mut input = input.clone();
    let mut factor = None;
    for (vary, value) in points.varied.iter().zip(values) {
        if vary.path == LOAD {
            let number = value.strip_suffix('x').unwrap_or(value).trim().parse::<f64>();
            factor =
                Some(number.ok().filter(|factor| *factor > 0.0 && factor.is_finite()).ok_or_else(|| {
                    Failure {
                        code: exit::BAD_INPUT,
                        message: format!("`load={value}` is no positive factor\nwrite `load=0.5x..2x`"),
                    }
                })?);
        } else {
            input.varied.push(vary.order(value));
        }
    }
    let mut mesh = Inputs::read_for(manifests, &input, disk, true, REPLICATIONS)?.mesh;
    if let Some(factor) = factor {
        mesh.scale_load(factor).map_err(|client| Failure {
            code: exit::BAD_INPUT,
            message: format!(
                "the load of client `{client}` is a trace, which says itself when each request is born\nvary \
                 something else"
            ),
        })?;
    }
    watch(&mut mesh);
    Ok(mesh)
}

/// Somebody who names no objective still wants to see something.
pub fn watch(mesh: &mut Mesh) {
    if mesh.objectives.is_empty() {
        mesh.objectives = objectives::main_figures();
    }
}

/// Point 0 is the mesh as it is, 2 i + 1 has knob i low, 2 i + 2 high.
fn turned(base: &Mesh, knobs: &[Knob], factors: [f64; 2], number: u32) -> (Vec<String>, Mesh) {
    let Some(place) = number.checked_sub(1) else {
        return (["as it is", "", ""].map(str::to_owned).to_vec(), base.clone());
    };
    let (knob, side) = (&knobs[place as usize / 2], place as usize % 2);
    let Turning { mesh, value, .. } = knob.turned(base, factors[side]);
    (vec![knob.name.clone(), ["low", "high"][side].to_owned(), value], mesh)
}

/// One point of a batch.
struct Waiting {
    point: Point,
    /// Its mesh is simulated; else a finished point has the same one.
    runs: bool,
}

/// Simulates all points that the journal lacks. Stops early, without an error, if the user says so.
pub fn run(
    study: &Study,
    source: &Source<'_>,
    journal: &mut Journal,
    crew: &Crew,
    watch: Watch<'_>,
) -> Result<(), Failure> {
    let open: Vec<u32> = study.own_points().skip(journal.done).collect();
    for batch in open.chunks(BATCH) {
        if watch.is_stopped() {
            return Ok(());
        }
        let (mut waiting, mut meshes) = (VecDeque::new(), Vec::new());
        for number in batch {
            let (values, mesh) = source.point(*number)?;
            let fingerprint = Fingerprint::of(&mesh).to_string();
            let runs = !journal.knows(&fingerprint);
            waiting.push_back(Waiting { point: Point::open(*number, values, fingerprint), runs });
            if runs {
                meshes.push(mesh);
            }
        }
        let mut ended = Ok(());
        let mut measurements = Measurements::with(crew, watch, &Figures::of);
        measurements.each(&meshes, |_, figures| {
            if ended.is_ok() {
                ended = finish_next(&mut waiting, Some(figures), journal);
                if ended.is_err() {
                    // What is finished from here on could not be kept.
                    INTERRUPTED.store(true, Ordering::Relaxed);
                }
            }
        });
        if ended.is_ok() && !watch.is_stopped() {
            ended = finish_next(&mut waiting, None, journal);
        }
        ended.map_err(|error| cannot_keep(&error))?;
    }
    Ok(())
}

/// Writes down the next point that was simulated, and before it those that are like one that is finished.
fn finish_next(
    waiting: &mut VecDeque<Waiting>,
    figures: Option<&Figures>,
    journal: &mut Journal,
) -> io::Result<()> {
    while let Some(Waiting { point, runs }) = waiting.pop_front() {
        if !runs {
            if let Some(like) = journal.like(&point.mesh)? {
                journal.add(&point.like(like))?;
            }
            continue;
        }
        let Some(figures) = figures else { return Ok(()) };
        return journal.add(&point.with(figures));
    }
    Ok(())
}
