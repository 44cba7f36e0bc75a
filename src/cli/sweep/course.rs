//! From a study to what is written: where its points are kept, their simulation, and how the whole is told.

use std::path::Path;

use super::journal::{self, Journal, cannot_keep};
use super::work::{self, Source};
use crate::cli::arguments::{FormatName, OutputArguments, SweepArguments};
use crate::cli::ending::{Failure, exit, print, tell};
use crate::cli::inputs::Inputs;
use crate::cli::output::Target;
use crate::cli::simulation::{self, INTERRUPTED};
use crate::cli::terminal::{self, Progress};
use crate::kernel::words::counted;
use crate::report::sweep::files::{Collector, Told};
use crate::report::sweep::line::POINTS_FILE;
use crate::report::sweep::{Point, Study, line, merge, text};
use crate::report::{File, json};
use crate::study::replication::SLICES;
use crate::study::{Crew, Watch};

/// The stamp of a sweep of this input, as it stands in files.
pub fn stamp(inputs: &Inputs, flags: Vec<String>) -> serde_json::Value {
    let replications = inputs.mesh.run.replications.get() as usize;
    json::stamp_value(&inputs.stamp("sweep", flags, replications))
}

/// From the study to what is written.
pub fn carry_out(
    arguments: &SweepArguments,
    inputs: &Inputs,
    study: &Study,
    source: &Source<'_>,
) -> Result<(), Failure> {
    let output = &arguments.output;
    if let Some(shard) = study.shard
        && study.own_points().next().is_none()
    {
        tell(&format!("shard {}/{} has no point: there are {} in all", shard.number, shard.of, study.points));
    }
    let (target, mut journal) = open(arguments, inputs, study)?;
    let own = study.own_points().count();
    if journal.done > 0 && !output.is_quiet() {
        tell(&format!("going on: {} of {} are finished", journal.done, counted(own, "point", "points")));
    }
    let crew = simulation::crew(output)?;
    let steps = (own - journal.done) as u64 * study.replications() * u64::from(SLICES);
    let progress = Progress::new(steps, !output.quiet);
    let watch = Watch { stop: &INTERRUPTED, step: &|| progress.step() };
    let done = work::run(study, source, &mut journal, &crew, watch);
    progress.finish();
    done?;
    if journal.done < own {
        let kept =
            if target.is_some() { "are kept; the same command goes on from there" } else { "were finished" };
        let what = format!(": {} of {} {kept}", journal.done, counted(own, "point", "points"));
        return Err(Failure::interrupted(what));
    }
    let mut collector = Collector::new(study);
    journal.points(|point| collector.add(point)).map_err(|error| cannot_keep(&error))?;
    if output.verbose {
        tell(&format!("took {:.1} s", progress.seconds()));
    }
    tell_and_write(study, collector, &crew, output, target.as_ref(), !arguments.no_plots)
}

/// The folder and its points so far; no folder with `-o -`.
fn open(
    arguments: &SweepArguments,
    inputs: &Inputs,
    study: &Study,
) -> Result<(Option<Target>, Journal), Failure> {
    let again = arguments.fresh || arguments.output.force;
    // An unfinished sweep's folder is as much ours as a finished one's.
    let lenient = |arguments: &OutputArguments| OutputArguments { force: true, ..arguments.clone() };
    if let Some(kept) = &arguments.output.kept {
        return Ok((Some(Target::Memory(kept.clone())), Journal::in_memory(study)));
    }
    let Some(name) = inputs.folder_name("sweep", &arguments.output) else {
        return Ok((None, Journal::in_memory(study)));
    };
    let has_points = journal::is_there(Path::new(&name));
    let used = if has_points { lenient(&arguments.output) } else { arguments.output.clone() };
    let Some(Target::Disk(folder)) = inputs.target("sweep", &used)? else {
        return Ok((None, Journal::in_memory(study)));
    };
    let path = folder.path().join(POINTS_FILE);
    let there =
        if has_points && !again { journal::head(&path).map_err(|error| cannot_keep(&error))? } else { None };
    match there {
        Some(there) if there != *study => {
            let differences =
                merge::differences(&there, study, &[&format!("`{}`", folder.name), "this command"]);
            let list = differences.join("\n");
            let help = "`--fresh` starts over there, `-o` puts this one elsewhere";
            let message = format!("`{}` holds the points of another sweep\n{list}\n{help}", folder.name);
            return Err(Failure { code: exit::BAD_INPUT, message });
        }
        Some(_) => {}
        None => {
            let bytes = line::write(study).into_bytes();
            folder.write(&[File { path: POINTS_FILE.to_owned(), bytes }])?;
        }
    }
    let journal = Journal::open(&path, study).map_err(|error| cannot_keep(&error))?;
    Ok((Some(Target::Disk(folder)), journal))
}

/// Prints and writes a sweep, or a part of one, whose points are all there.
pub fn tell_and_write(
    study: &Study,
    collector: Collector<'_>,
    crew: &Crew,
    output: &OutputArguments,
    target: Option<&Target>,
    with_plots: bool,
) -> Result<(), Failure> {
    let Told { points, files } = collector
        .finish(with_plots && target.is_some(), crew)
        .map_err(|error| Failure::internal(error.to_string()))?;
    show(study, &points, &files, output)?;
    if let Some(target) = target {
        target.add(&files)?;
        output.print_wrote(target, &files)?;
    }
    // A part knows nothing of the others' points; a study of inputs asks another question.
    let is_judged = study.shard.is_none() && study.sensitivity.is_none() && study.has_limits();
    let is_missed = is_judged && !points.iter().any(|point| study.meets(point));
    match is_missed && !output.exit_zero {
        true => Err(Failure::silent(exit::OBJECTIVE_MISSED)),
        false => Ok(()),
    }
}

fn show(study: &Study, points: &[Point], files: &[File], output: &OutputArguments) -> Result<(), Failure> {
    let look = terminal::look();
    let file = |name: &str| {
        let file = files.iter().find(|file| file.path == name);
        String::from_utf8_lossy(file.map_or(&[][..], |file| &file.bytes)).into_owned()
    };
    match output.format {
        _ if output.kept.is_some() => Ok(()),
        FormatName::Text if output.quiet => match text::verdict(study, points, &look) {
            Some(verdict) if study.sensitivity.is_none() => print(&format!("{verdict}\n")),
            _ => Ok(()),
        },
        FormatName::Text => print(&text::render(study, points, &look)),
        FormatName::Json => print(&file("sweep.json")),
        FormatName::Csv => {
            let is_ranking = study.sensitivity.is_some() && study.shard.is_none();
            print(&file(if is_ranking { "tornado.csv" } else { "sweep.csv" }))
        }
        FormatName::Markdown => print(&text::markdown(study, points)),
    }
}
