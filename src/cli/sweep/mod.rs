//! `meshcast sweep`: many points of one study. What is finished is kept in the output folder, so that a second call goes
//! on where the first one was stopped, and parts of it can be made on many machines.

mod course;
mod journal;
mod points;
mod sensitivity;
mod work;

use super::arguments::{Design, SweepArguments, name_of};
use super::ending::{Failure, exit, tell};
use super::files::Disk;
use super::findings;
use super::inputs::Inputs;
use crate::report::sweep::Study;
use crate::report::sweep::figures::targets;

pub use course::tell_and_write;
pub use journal::{head, is_there, take_line};

use course::{carry_out, stamp};
use points::Points;
use work::{REPLICATIONS, Source};

/// Points that are looked at before the first one is simulated, so that a mistake is told at once.
const LOOKED_AT: usize = 64;

pub fn run(arguments: &SweepArguments) -> Result<(), Failure> {
    let (input, output) = (&arguments.input, &arguments.output);
    let disk = Disk::default();
    let mut inputs = Inputs::read_for(&arguments.manifests, input, &disk, output.is_quiet(), REPLICATIONS)?;
    work::watch(&mut inputs.mesh);
    if arguments.sensitivity {
        return sensitivity::run(arguments, &inputs);
    }
    let points = read_points(arguments, &mut inputs)?;
    let source = Source::Varied { points: &points, manifests: &arguments.manifests, input, disk: &disk };
    look_ahead(&points, &source)?;
    if !output.is_quiet() {
        points.remarks().iter().for_each(|remark| tell(remark));
    }
    let dimensions = points.dimensions(&arguments.vary);
    let study = Study {
        title: inputs.mesh.name.clone(),
        stamp: stamp(&inputs, points.flags(&dimensions)),
        design: name_of(points.design),
        dimensions,
        points: points.count,
        shard: arguments.shard,
        targets: targets(&inputs.mesh.objectives),
        sensitivity: None,
    };
    carry_out(arguments, &inputs, &study, &source)
}

fn read_points(arguments: &SweepArguments, inputs: &mut Inputs) -> Result<Points, Failure> {
    let design = arguments.design.unwrap_or_default();
    if arguments.range.is_some() {
        return Err(Failure::usage(
            "`--range` says how far `--sensitivity` turns inputs; what is varied has ranges of its own\nleave one of \
             `--range` and `--vary` out",
        ));
    }
    if arguments.points.is_some() && design != Design::Sobol {
        return Err(Failure::usage(
            "`--points` is for `--design sobol`; other designs have the points of their ranges\ngive a range a \
             step, as in `--vary path=2..20/2`",
        ));
    }
    let sources = &mut inputs.loaded.docs.sources;
    Points::new(design, &arguments.vary, arguments.points, sources).map_err(|faults| {
        findings::tell_all(faults, sources, arguments.output.is_quiet());
        Failure::silent(exit::BAD_INPUT)
    })
}

/// Makes the meshes of some points: of each value the first that has it.
fn look_ahead(points: &Points, source: &Source<'_>) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    let mut looked_at = 0;
    for number in 0..points.count.min(10_000) {
        let values = points.values(number).into_iter().enumerate();
        if values.fold(false, |is_new, value| seen.insert(value) | is_new) {
            source.point(number)?;
            looked_at += 1;
        }
        if looked_at == LOOKED_AT {
            break;
        }
    }
    Ok(())
}
