//! `meshcast compare`: the same traffic through several configurations.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::arguments::{CompareArguments, FormatName, OutputArguments, flag};
use super::ending::{Failure, exit, print, tell};
use super::files::Disk;
use super::inputs::{self, Inputs, Reader};
use super::output::Target;
use super::simulation::{self, INTERRUPTED};
use super::terminal::{self, Progress};
use super::variants::{Variant, variants};
use crate::config::diff;
use crate::mesh::{Mesh, Place};
use crate::report::Look;
use crate::report::comparison::{self, Change, Comparisons, Side};
use crate::report::stamp::{Configuration, Stamp};
use crate::resolve::defaults;
use crate::study::compare::{Comparison, Passage, Replications, compare as run_all};
use crate::study::replication::SLICES;
use crate::study::{Crew, Watch};

pub fn compare(arguments: &CompareArguments) -> Result<(), Failure> {
    compare_all(arguments, &variants(arguments)?)
}

/// The same of configurations that are known already.
pub fn compare_all(arguments: &CompareArguments, variants: &[Variant]) -> Result<(), Failure> {
    let output = &arguments.output;
    let all = read(arguments, variants)?;
    let base = &all[0];
    check_replications(arguments, base)?;
    variants.iter().zip(&all).skip(1).try_for_each(|(variant, own)| check_alike(base, own, &variant.name))?;
    let files: Vec<&str> = all.iter().flat_map(Inputs::files).collect();
    let target = base.target_beside("compare", output, &files)?;
    let look = terminal::look();
    let changes: Vec<Vec<Change>> =
        all[1..].iter().map(|own| told(diff::changes(&base.loaded, &own.loaded))).collect();
    let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
    if output.is_told() {
        print(&comparison::changes(&names[1..], &changes, &base.loaded.base, target.is_some(), &look))?;
    }
    let crew = simulation::crew(output)?;
    let meshes: Vec<Mesh> = all.iter().map(|one| one.mesh.clone()).collect();
    let progress = Progress::new(0, !output.quiet);
    let planned = |more: u32| progress.expect(u64::from(more) * u64::from(SLICES));
    let watch = Watch { stop: &INTERRUPTED, step: &|| progress.step() };
    let replications = match arguments.input.precision {
        Some(share) => Replications::Precise { share, planned: &planned },
        None => {
            planned(base.mesh.run.replications.get());
            Replications::Given
        }
    };
    let (compared, reached) = run_all(&crew, &meshes, replications, watch);
    progress.finish();
    reached.iter().for_each(simulation::tell_reached);
    let wanted = match arguments.input.precision {
        None => Some(base.mesh.run.replications.get() as usize),
        // Nobody knows how many it would have taken.
        Some(_) => reached.as_ref().map(|_| compared.replications),
    };
    if compared.replications == 0 {
        return Err(Failure::interrupted(" before the first replication was done; nothing was written"));
    }
    let stamp = stamp(arguments, variants, &all, compared.replications);
    let report = Comparisons {
        title: &base.mesh.name,
        names: &names,
        mesh: &base.mesh,
        comparison: &compared,
        changes: &changes,
        stamp: &stamp,
        base: &base.loaded.base,
        threshold: arguments.fail_on_regression,
        is_written: target.is_some(),
    };
    warn(output, &report);
    show(arguments, &report, &look, progress.seconds())?;
    if let Some(target) = target {
        write(arguments, &target, &report, &crew)?;
    }
    if output.verbose {
        tell(&format!("took {:.1} s", progress.seconds()));
    }
    end(arguments, wanted, &compared)
}

/// All configurations, under one scenario.
fn read(arguments: &CompareArguments, variants: &[Variant]) -> Result<Vec<Inputs>, Failure> {
    let disk = Disk::default();
    let given = arguments.input.scenario.as_deref();
    let (scenario, first) = inputs::split(&variants[0].manifests, given, &disk)?;
    let quiet = arguments.output.is_quiet();
    let mut reader = Reader::new(&arguments.input, &disk, quiet, defaults::STUDY_REPLICATIONS);
    reader.seeks_precision = true;
    let read_one = |(number, variant): (usize, &Variant)| {
        let shares_base = variant.manifests == variants[0].manifests;
        let manifests = if number == 0 || shares_base { &first } else { &variant.manifests };
        // A directory of manifests may hold the scenario that `-s` names, and others beside it.
        let is_other = |path: &&String| {
            inputs::scenario_of(path, &disk).is_some() && (given.is_none() || !Path::new(path).is_dir())
        };
        if let Some(path) = manifests.iter().find(is_other) {
            return Err(Failure::usage(format!(
                "`{path}` is a scenario, and all configurations run under one\nname it with `-s` and give manifests, \
                 or change values with `--with`"
            )));
        }
        reader.about = (number > 0).then(|| format!("in candidate {}:", variant.name));
        reader.read(&scenario, manifests, &variant.orders)
    };
    variants.iter().enumerate().map(read_one).collect()
}

/// One replication tells no regression from noise. What an interrupted comparison has made is judged as it is.
fn check_replications(arguments: &CompareArguments, base: &Inputs) -> Result<(), Failure> {
    let input = &arguments.input;
    let is_one = base.mesh.run.replications.get() == 1 && input.precision.is_none() && input.made.is_none();
    match arguments.fail_on_regression.is_some() && is_one {
        true => Err(Failure::usage(
            "`--fail-on-regression` cannot tell a regression from noise by one replication\nask for more, such as \
             `--reps 8`",
        )),
        false => Ok(()),
    }
}

/// Requests are the same only under one clock and one seed, from the same clients.
fn check_alike(base: &Inputs, own: &Inputs, name: &str) -> Result<(), Failure> {
    let refuse = |what: &str| {
        let message = format!(
            "`{name}` has {what} than the base, so its requests are not the same ones\nchange them for all, with `--set`"
        );
        Err(Failure { code: exit::BAD_INPUT, message })
    };
    let (one, other) = (&base.mesh.run, &own.mesh.run);
    let times = |run: &crate::mesh::model::RunSpec| (run.duration, run.warmup, run.drain, run.window);
    let clients = |inputs: &Inputs| -> Vec<(String, Vec<String>)> {
        let classes = |client: &crate::mesh::workload::Client| {
            client.classes.iter().map(|class| class.name.clone()).collect()
        };
        inputs.mesh.clients.rows().iter().map(|client| (client.name.clone(), classes(client))).collect()
    };
    let objectives = |inputs: &Inputs| -> Vec<String> {
        inputs.mesh.objectives.iter().map(|objective| objective.text.clone()).collect()
    };
    if one.seed != other.seed {
        return refuse("another seed");
    }
    if times(one) != times(other) {
        return refuse("another duration, warm-up, drain or window");
    }
    if one.replications != other.replications {
        return refuse("another number of replications");
    }
    if clients(base) != clients(own) {
        return refuse("other clients or classes of requests");
    }
    if objectives(base) != objectives(own) {
        return refuse("other objectives");
    }
    Ok(())
}

fn told(changes: Vec<diff::Change>) -> Vec<Change> {
    let side =
        |side: diff::Side| Side { value: side.value, place: Place { file: side.file, line: side.line } };
    let one = |change: diff::Change| Change {
        object: change.object,
        path: change.path,
        old: change.old.map(side),
        new: change.new.map(side),
    };
    changes.into_iter().map(one).collect()
}

/// What all share, and what each has of its own.
fn stamp(arguments: &CompareArguments, variants: &[Variant], all: &[Inputs], replications: usize) -> Stamp {
    let threshold = arguments.fail_on_regression.map(|share| format!("{}%", 100.0 * share));
    let flags: Vec<String> = threshold.iter().map(|percent| flag("fail-on-regression", percent)).collect();
    let mut stamp = all[0].stamp("compare", flags, replications);
    for (variant, own) in variants.iter().zip(all) {
        let inputs = own.stamp("compare", Vec::new(), replications).inputs;
        for input in &inputs {
            if !stamp.inputs.contains(input) {
                stamp.inputs.push(input.clone());
            }
        }
        let (name, sets) = (variant.name.clone(), variant.orders.clone());
        stamp.configurations.push(Configuration { name, sets, inputs });
    }
    stamp
}

/// Says on standard error what text for people has among the results.
fn warn(output: &OutputArguments, report: &Comparisons<'_>) {
    let is_text = output.format == FormatName::Text;
    if !output.is_quiet() && (!is_text || !io::stdout().is_terminal()) {
        comparison::notes(report).iter().for_each(|note| tell(&format!("warning: {}", note.line())));
    }
    if !is_text && output.kept.is_none() {
        comparison::gates(report).iter().for_each(|line| tell(line));
    }
}

fn show(
    arguments: &CompareArguments,
    report: &Comparisons<'_>,
    look: &Look,
    elapsed: f64,
) -> Result<(), Failure> {
    let output = &arguments.output;
    match output.format {
        _ if output.kept.is_some() => Ok(()),
        FormatName::Text if output.quiet => {
            print(&format!("{}\n", comparison::verdicts(report, look).join("\n")))
        }
        FormatName::Text => {
            // Only a person sees it: text in a file is the same each time.
            let elapsed = io::stdout().is_terminal().then_some(elapsed);
            print(&comparison::text(report, look, elapsed))
        }
        FormatName::Json => print(&comparison::json(report)),
        FormatName::Csv => print(&comparison::csv(report)),
        FormatName::Markdown => print(&comparison::markdown(report)),
    }
}

fn write(
    arguments: &CompareArguments,
    target: &Target,
    report: &Comparisons<'_>,
    crew: &Crew,
) -> Result<(), Failure> {
    let files = comparison::folder(report, !arguments.no_plots, crew)
        .map_err(|error| Failure::internal(format!("cannot draw: {error}")))?;
    target.write(&files)?;
    arguments.output.print_wrote(target, &files)
}

fn end(arguments: &CompareArguments, wanted: Option<usize>, compared: &Comparison) -> Result<(), Failure> {
    let done = compared.replications;
    if wanted != Some(done) {
        let of = wanted.map_or_else(String::new, |wanted| format!(" of {wanted}"));
        let what = format!(": the results are of {done}{of} replications, as with `--reps {done}`");
        return Err(Failure::interrupted(what));
    }
    if arguments.output.exit_zero {
        return Ok(());
    }
    if compared.candidates.iter().any(|own| own.objectives.iter().any(|judged| !judged.met)) {
        return Err(Failure::silent(exit::OBJECTIVE_MISSED));
    }
    let is_held =
        |threshold: f64| compared.candidates.iter().any(|own| own.gate(threshold).passage() != Passage::Pass);
    match arguments.fail_on_regression.is_some_and(is_held) {
        true => Err(Failure::silent(exit::REGRESSION)),
        false => Ok(()),
    }
}
