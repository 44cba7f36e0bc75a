//! `meshcast run`: read, mean, tell where requests go, simulate, judge, write.

use std::io::{self, IsTerminal};

use super::arguments::{FormatName, OutputArguments, RunArguments};
use super::ending::{Failure, exit, print, tell};
use super::files::Disk;
use super::inputs::{Inputs, Known};
use super::output::Target;
use super::show;
use super::simulation::{self, INTERRUPTED};
use super::terminal::{self, Progress};
use crate::kernel::words::counted;
use crate::mesh::Mesh;
use crate::report::{self, Look, Report, Stamp, summary, traffic};
use crate::study::replication::SLICES;
use crate::study::{Crew, Pool, RunResults, Watch, steadiness};

pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let RunArguments { input, output, .. } = arguments;
    let inputs = Inputs::read(&arguments.manifests, input, &Disk::default(), output.is_quiet())?;
    let mesh = &inputs.mesh;
    if arguments.show_config {
        return print(&show::scenario(&inputs.loaded, mesh, &inputs.sets));
    }
    let target = inputs.target("run", output)?;
    let look = terminal::look();
    let known = Known::new(&inputs);
    let told = known.told(&inputs);
    if output.verbose {
        let objects = &inputs.resolved.objects;
        let read = counted(objects.read, "object", "objects");
        tell(&format!("read {read}, used {}, ignored {}", objects.used, objects.ignored));
    }
    if output.is_told() {
        print(&format!("{}\n", summary::sections(&traffic::sections(&told, &look), &look)))?;
    }
    let crew = simulation::crew(output)?;
    let progress = Progress::new(0, !output.quiet);
    let wanted = mesh.run.replications.get() as usize;
    let (pool, is_whole) = match input.precision {
        None => {
            let pool = replications(&crew, mesh, &progress);
            let is_whole = pool.count() == wanted;
            (pool, is_whole)
        }
        Some(precision) => simulation::until_precise(&crew, mesh, precision, &progress),
    };
    if pool.count() == 0 {
        return Err(Failure::interrupted(" before the first replication was done; nothing was written"));
    }
    let figures = pool.figures(mesh);
    let notes = notes(&figures, mesh);
    // On a terminal the summary has them.
    if !output.is_quiet() && (output.format != FormatName::Text || !io::stdout().is_terminal()) {
        notes.iter().for_each(|note| tell(&format!("warning: {note}")));
    }
    let stamp = inputs.stamp("run", Vec::new(), pool.count());
    let report = report_of(&inputs, &known, &figures, &notes, &stamp);
    show_results(output, &report, &look, progress.seconds())?;
    if let Some(target) = target {
        write(arguments, &target, &report, &crew)?;
    }
    if output.verbose {
        tell(&format!("took {:.1} s", progress.seconds()));
    }
    if !is_whole {
        let done = pool.count();
        let of = if input.precision.is_some() { String::new() } else { format!(" of {wanted}") };
        let what = format!(": the results are of {done}{of} replications, as with `--reps {done}`");
        return Err(Failure::interrupted(what));
    }
    end(output, &figures)
}

/// All that the scenario asks for.
fn replications(crew: &Crew, mesh: &Mesh, progress: &Progress) -> Pool {
    progress.expect(u64::from(mesh.run.replications.get()) * u64::from(SLICES));
    let watch = Watch { stop: &INTERRUPTED, step: &|| progress.step() };
    let pool = simulation::replications(crew, mesh, watch);
    progress.finish();
    pool
}

/// What a reader must know of these figures beside them.
fn notes(figures: &RunResults, mesh: &Mesh) -> Vec<String> {
    steadiness::check(figures, mesh).iter().map(ToString::to_string).collect()
}

fn report_of<'a>(
    inputs: &'a Inputs,
    known: &'a Known,
    figures: &'a RunResults,
    notes: &'a [String],
    stamp: &'a Stamp,
) -> Report<'a> {
    Report {
        title: &inputs.mesh.name,
        run: figures,
        stamp,
        marks: &known.marks,
        told: known.told(inputs),
        notes,
        not_modelled: &known.not_modelled,
    }
}

fn end(arguments: &OutputArguments, figures: &RunResults) -> Result<(), Failure> {
    let is_missed = figures.objectives.iter().any(|judged| !judged.met);
    match is_missed && !arguments.exit_zero {
        true => Err(Failure::silent(exit::OBJECTIVE_MISSED)),
        false => Ok(()),
    }
}

fn show_results(
    arguments: &OutputArguments,
    report: &Report<'_>,
    look: &Look,
    elapsed: f64,
) -> Result<(), Failure> {
    if arguments.kept.is_some() {
        return Ok(());
    }
    if arguments.quiet && arguments.format == FormatName::Text {
        let verdict = summary::verdict(&report.run.objectives, look);
        return verdict.map_or(Ok(()), |verdict| print(&format!("{verdict}\n")));
    }
    if arguments.format == FormatName::Text {
        // Only a person sees it: text in a file is the same each time.
        let elapsed = io::stdout().is_terminal().then_some(elapsed);
        return print(&summary::render(report, look, elapsed));
    }
    let name = arguments.format.name();
    let format = report::FORMATS.iter().find(|format| format.name == name).expect("flags name formats");
    print(&(format.print)(report, look))
}

fn write(arguments: &RunArguments, target: &Target, report: &Report<'_>, crew: &Crew) -> Result<(), Failure> {
    let files = report::folder(report, !arguments.no_plots, crew, Vec::new())
        .map_err(|error| Failure::internal(format!("cannot draw: {error}")))?;
    target.write(&files)?;
    arguments.output.print_wrote(target, &files)
}
