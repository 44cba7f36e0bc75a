//! `meshcast run`: read, mean, tell where requests go, simulate, judge, write.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::{FormatName, RunArguments};
use super::ending::{Failure, exit, print, tell};
use super::files::Disk;
use super::output::Folder;
use super::terminal::{self, Progress};
use super::{findings, marks, pods, show};
use crate::config::diagnostic::{Diagnostic, Severity, Span};
use crate::config::files::under;
use crate::config::load::{self, Loaded};
use crate::config::read::{Located, OneOrMany};
use crate::config::scenario::Scenario;
use crate::kernel::SimTime;
use crate::kernel::words::counted;
use crate::mesh::{Mesh, Place};
use crate::metrics::Results;
use crate::report::{self, Input, Look, Mark, Remark, Report, Stamp, Told, place, summary, traffic};
use crate::resolve::{self, Resolved};
use crate::sim::{self, Plan};
use crate::study::{RunResults, Traffic, replicate};

/// How often a replication looks up from its work, over its length.
const SLICES: u64 = 100;
/// Set by the first Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let sets = orders(arguments);
    let loaded = load(arguments, &sets)?;
    let resolved = resolve::mesh(&loaded);
    let traffic = resolved.mesh.as_ref().map(Traffic::of);
    let has_errors = findings::tell_all(
        all_findings(&loaded, &resolved, traffic.as_ref()),
        &loaded.docs.sources,
        arguments.quiet,
    );
    let (Some(mesh), Some(traffic), false) = (&resolved.mesh, &traffic, has_errors) else {
        return Err(Failure::silent(exit::BAD_INPUT));
    };
    if arguments.show_config {
        return print(&show::scenario(&loaded, mesh, &sets));
    }
    let folder = folder(arguments, &loaded, mesh)?;
    let look = terminal::look();
    let known = Known::new(&resolved, mesh);
    let told =
        Told { traffic, without_effect: &known.without_effect, guesses: &known.guesses, base: &loaded.base };
    if arguments.verbose {
        let read = counted(resolved.objects.read, "object", "objects");
        tell(&format!("read {read}, used {}, ignored {}", resolved.objects.used, resolved.objects.ignored));
    }
    if arguments.format == FormatName::Text && !arguments.quiet {
        print(&format!("{}\n", summary::sections(&traffic::sections(&told, &look), &look)))?;
    }
    let progress = Progress::new(u64::from(mesh.run.replications.get()) * SLICES, !arguments.quiet);
    let results = simulate(arguments, mesh, &progress)?;
    if results.is_empty() {
        tell("interrupted before the first replication was done; nothing was written");
        return Err(Failure::silent(exit::INTERRUPTED));
    }
    let figures = RunResults::pool(&results).judge(mesh, &results);
    let stamp = stamp(&loaded, mesh, results.len());
    let report = Report {
        title: &mesh.name,
        run: &figures,
        stamp: &stamp,
        marks: &known.marks,
        told,
        notes: &[],
        not_modelled: &known.not_modelled,
    };
    show_results(arguments, &report, &look, progress.seconds())?;
    if let Some(folder) = folder {
        write(arguments, &folder, &report)?;
    }
    if arguments.verbose {
        tell(&format!("took {:.1} s", progress.seconds()));
    }
    end(arguments, mesh, &figures, results.len())
}

/// What loading, resolving and the walk of requests found.
fn all_findings(loaded: &Loaded, resolved: &Resolved, traffic: Option<&Traffic>) -> Vec<Diagnostic> {
    // What is missing because its text could not be read is no finding of its own.
    let unread = ["MS0001", "MS0002", "MS0006", "MS0008"];
    let is_partial =
        loaded.diagnostics.iter().any(|f| f.severity == Severity::Error && unread.contains(&f.code));
    let resolving = resolved.diagnostics.iter().filter(|finding| !is_partial || finding.code != "MS0013");
    let mut all: Vec<Diagnostic> = loaded.diagnostics.iter().chain(resolving).cloned().collect();
    if let (Some(mesh), Some(traffic)) = (&resolved.mesh, traffic) {
        all.extend(pods::check(loaded, mesh, traffic));
    }
    all
}

fn end(arguments: &RunArguments, mesh: &Mesh, figures: &RunResults, done: usize) -> Result<(), Failure> {
    let wanted = mesh.run.replications.get() as usize;
    if done < wanted {
        tell(&format!(
            "interrupted: the results are of {done} of {wanted} replications, as with `--reps {done}`"
        ));
        return Err(Failure::silent(exit::INTERRUPTED));
    }
    let is_missed = figures.objectives.iter().any(|judged| !judged.met);
    match is_missed && !arguments.exit_zero {
        true => Err(Failure::silent(exit::OBJECTIVE_MISSED)),
        false => Ok(()),
    }
}

// --- input ---

/// What `--set` and the flags that stand for it order.
fn orders(arguments: &RunArguments) -> Vec<String> {
    let mut sets = Vec::new();
    sets.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    sets.extend(arguments.reps.map(|reps| format!("replications={reps}")));
    sets.extend(arguments.duration.as_ref().map(|time| format!("duration={time}")));
    sets.extend(arguments.warmup.as_ref().map(|time| format!("warmup={time}")));
    sets.extend(arguments.sets.iter().cloned());
    sets
}

fn load(arguments: &RunArguments, sets: &[String]) -> Result<Loaded, Failure> {
    let scenario = match &arguments.scenario {
        Some(path) if Path::new(path).is_dir() => format!("{}/scenario.yaml", path.trim_end_matches('/')),
        Some(path) => path.clone(),
        None => discover(&arguments.manifests)?,
    };
    let request = load::Request { scenario: Some(&scenario), manifests: &arguments.manifests, sets };
    let mut loaded = load::load(&request, &Disk::default());
    add_objectives(&mut loaded, &arguments.slos);
    Ok(loaded)
}

/// `scenario.yaml` beside the manifests, then `meshcast.yaml`.
fn discover(manifests: &[String]) -> Result<String, Failure> {
    let mut places: Vec<String> = Vec::new();
    for manifest in manifests.iter().filter(|manifest| *manifest != "-") {
        let path = Path::new(manifest);
        let beside = path.parent().map(|parent| parent.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            places.push(manifest.trim_end_matches('/').to_owned());
        }
        places.push(beside);
    }
    places.push(String::new());
    places.dedup();
    let paths: Vec<String> = ["scenario.yaml", "meshcast.yaml"]
        .iter()
        .flat_map(|name| places.iter().map(move |place| under(place, name)))
        .collect();
    match paths.iter().find(|path| Path::new(path).is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(Failure::usage(format!(
            "no scenario is given, and there is no {}\nname one with `-s`, or let `meshcast init` write one",
            paths.join(", ")
        ))),
    }
}

/// Objectives of `--slo` stand behind those of the scenario.
fn add_objectives(loaded: &mut Loaded, texts: &[String]) {
    let Some(document) = &mut loaded.scenario else { return };
    let Scenario { objectives, .. } = &mut document.value;
    let list = objectives.get_or_insert_with(|| OneOrMany(Vec::new()));
    for text in texts {
        let source = loaded.docs.sources.add_argument("--slo", text);
        list.0.push(Located { value: text.clone(), span: Span { source, start: 0, end: text.len() } });
    }
}

/// Where the results go; `None` with `-o -`.
fn folder(arguments: &RunArguments, loaded: &Loaded, mesh: &Mesh) -> Result<Option<Folder>, Failure> {
    let name = match arguments.out.as_deref() {
        Some("-") => return Ok(None),
        Some(name) => name.to_owned(),
        None => format!("outputs/{}", mesh.name.replace(['/', '\\'], "-")),
    };
    let files = loaded.docs.sources.iter().filter(|source| source.is_file && source.name != "-");
    let inputs: Vec<&str> = files.map(|source| source.name.as_str()).collect();
    Folder::prepare(&name, &inputs, arguments.force).map(Some)
}

// --- the run ---

fn simulate(arguments: &RunArguments, mesh: &Mesh, progress: &Progress) -> Result<Vec<Results>, Failure> {
    listen()?;
    let plan = Plan::compile(mesh);
    let replications = mesh.run.replications.get();
    let jobs = jobs(arguments);
    let run_one = |replication| one(&plan, mesh, u64::from(replication), progress);
    let done = replicate::replicate(replications, jobs, &INTERRUPTED, &|_| {}, run_one);
    progress.finish();
    let done = done.map_err(|error| Failure::internal(format!("cannot start threads: {error}")))?;
    // Up to the first that was stopped: the same that `--reps` gives, whatever else was done by then.
    Ok(done.into_iter().map_while(|result| result).collect())
}

/// Threads: as many as the user says, else one a core.
fn jobs(arguments: &RunArguments) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.jobs.map_or_else(cores, |jobs| jobs as usize)
}

/// One replication, or nothing if it was interrupted.
fn one(plan: &Plan<'_>, mesh: &Mesh, replication: u64, progress: &Progress) -> Option<Results> {
    let mut run = sim::Run::new(plan, mesh.run.seed, replication);
    let length = mesh.run.duration.nanos();
    for slice in 1..=SLICES {
        if INTERRUPTED.load(Ordering::Relaxed) {
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

/// The first Ctrl-C stops after what is done, the second at once.
fn listen() -> Result<(), Failure> {
    let heard = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(exit::INTERRUPTED));
        }
    });
    heard.map_err(|error| Failure::internal(format!("cannot listen for Ctrl-C: {error}")))
}

// --- output ---

/// What is known before the run, beside where requests go.
struct Known {
    without_effect: Vec<Remark>,
    guesses: Vec<Remark>,
    not_modelled: Vec<Remark>,
    marks: Vec<Mark>,
}

impl Known {
    fn new(resolved: &Resolved, mesh: &Mesh) -> Known {
        let remark = |about: &str, place: Option<&Place>, what: &str| Remark {
            about: about.to_owned(),
            place: place.cloned(),
            what: what.to_owned(),
        };
        let without_effect = resolved.without_effect.iter();
        let guesses = resolved.guesses.iter();
        let not_modelled = resolved.not_modelled.iter();
        Known {
            without_effect: without_effect.map(|e| remark(&e.object, Some(&e.place), &e.why)).collect(),
            guesses: guesses.map(|guess| remark(&guess.about, None, &guess.what)).collect(),
            not_modelled: not_modelled.map(|e| remark(&e.object, Some(&e.place), &e.what)).collect(),
            marks: marks::of(mesh),
        }
    }
}

fn show_results(
    arguments: &RunArguments,
    report: &Report<'_>,
    look: &Look,
    elapsed: f64,
) -> Result<(), Failure> {
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

fn write(arguments: &RunArguments, folder: &Folder, report: &Report<'_>) -> Result<(), Failure> {
    let files = report::folder(report, !arguments.no_plots, jobs(arguments), Vec::new())
        .map_err(|error| Failure::internal(format!("cannot draw: {error}")))?;
    folder.write(&files)?;
    let wrote = report::wrote(&folder.name, &files);
    if arguments.format == FormatName::Text && !arguments.quiet {
        print(&format!("\n{wrote}\n"))
    } else {
        if !arguments.quiet {
            tell(&wrote);
        }
        Ok(())
    }
}

/// Inputs go by their path from the scenario's directory, so that it does not matter from where the command was given.
fn stamp(loaded: &Loaded, mesh: &Mesh, replications: usize) -> Stamp {
    let name = |path: &str| place::portable(path, &loaded.base).to_owned();
    let files = loaded.docs.sources.iter().filter(|source| source.is_file);
    Stamp {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        model_revision: sim::MODEL_REVISION,
        seed: mesh.run.seed,
        replications,
        inputs: files.map(|s| Input { name: name(&s.name), sha256: s.sha256.clone() }).collect(),
    }
}
