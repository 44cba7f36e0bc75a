//! `meshcast capacity`: how much the mesh takes under the objectives, or how little meets them. Texts are handled here;
//! the search itself knows numbers and meshes.

mod dimension;
mod places;
mod question;

use std::num::NonZeroU32;

use super::arguments::{CapacityArguments, FormatName};
use super::ending::{Failure, exit, print, tell};
use super::files::Disk;
use super::inputs::{Inputs, Known};
use super::output::Target;
use super::simulation::{self, INTERRUPTED};
use super::terminal::{self, Progress};
use crate::kernel::arrivals::Load;
use crate::kernel::words::counted;
use crate::mesh::{Fingerprint, Mesh};
use crate::report;
use crate::report::capacity::{Session, Subject, files, markdown, text};
use crate::report::stamp::RUN_FILE;
use crate::study::capacity::{
    self, Answer, Capacity, Scale, Stop, Survive, Trials, Tried, loss, offered_rps,
};
use crate::study::{Traffic, Watch};
use dimension::Dimension;
use question::Asked;

/// Where the scenario is silent. Source: design D9.24.
const REPLICATIONS: NonZeroU32 = NonZeroU32::new(8).expect("more than none");

pub fn capacity(arguments: &CapacityArguments) -> Result<(), Failure> {
    let mut asked = Asked::new(arguments)?;
    let disk = Disk::default();
    let maker = Maker { arguments, disk: &disk, rps: asked.rps };
    let inputs = maker.inputs(&[], arguments.output.is_quiet())?;
    if inputs.mesh.objectives.is_empty() {
        let help = "give the scenario `objectives`, or ask with `--slo 'p(99) < 250ms'`";
        return Err(Failure::usage(format!("there are no objectives, so any capacity is enough\n{help}")));
    }
    let target = inputs.target("capacity", &arguments.output)?;
    let mut base = inputs.mesh.clone();
    maker.hold_load(&mut base)?;
    asked.take_rates(offered_rps(&base))?;
    check(&asked, &maker, &base)?;
    let crew = simulation::crew(&arguments.output)?;
    let progress = Progress::open_ended(!arguments.output.quiet);
    progress.say("simulating".to_owned());
    let watch = Watch { stop: &INTERRUPTED, step: &|| progress.step() };
    let mut points = 0;
    let mut hear = |tried: &Tried| {
        points += 1;
        let verdict = if tried.meets() { "meets" } else { "misses" };
        progress.say(format!(
            "{}, the last one {verdict} the objectives: {}",
            counted(points, "point", "points"),
            values(&asked, tried).join(", ")
        ));
    };
    let mut trials = Trials::new(&crew, watch, asked.survive, &mut hear);
    let found = search(&asked, &maker, &base, &mut trials);
    let (tried, runs) = (std::mem::take(&mut trials.tried), trials.runs());
    progress.finish();
    let capacity = match found {
        Ok(capacity) => Some(capacity),
        Err(Stop::Interrupted) => None,
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    if tried.is_empty() {
        return Err(Failure::interrupted(" before the first point was done; nothing was written"));
    }
    let known = Known::new(&inputs);
    let replications = inputs.mesh.run.replications.get() as usize;
    let stamp = inputs.stamp("capacity", asked.flags(arguments), replications);
    let first = asked.dimensions.first();
    // What is varied may be the limit itself.
    let at_limit =
        capacity.as_ref().and_then(|found| maker.inputs(&asked.orders(&tried[found.limit].at), true).ok());
    let session = Session {
        title: &inputs.mesh.name,
        stamp: &stamp,
        subject: subject(&asked, &base),
        most: asked.find != super::arguments::Find::Min,
        survive: asked.survive,
        capacity: capacity.as_ref(),
        tried: &tried,
        values: tried.iter().map(|tried| values(&asked, tried)).collect(),
        costs: tried.iter().map(|tried| asked.cost(&tried.at)).collect(),
        runs,
        measured_s: measured_s(&base),
        grid: grid(&asked),
        text_of: &|at| first.map_or_else(|| load_text(at), |dimension| dimension.text(at)),
        limit_of: &|limit| places::limit(&inputs, at_limit.as_ref().unwrap_or(&inputs), limit),
        place_of: &|workload| places::workload(&inputs, workload),
        base: &inputs.loaded.base,
        not_modelled: &known.not_modelled,
    };
    show(arguments, &session)?;
    let kept = target.as_ref().filter(|target| capacity.is_none() && holds_another(target));
    if let (Some(target), None) = (&target, kept) {
        let files = files::folder(&session, !arguments.no_plots)
            .map_err(|error| Failure::internal(format!("cannot draw: {error}")))?;
        target.write(&files)?;
        arguments.output.print_wrote(target, &files)?;
    }
    if arguments.output.verbose {
        tell(&format!("took {:.1} s", progress.seconds()));
    }
    end(arguments, capacity.as_ref(), tried.len(), kept)
}

/// A folder with a finished result, whichever it is, is worth more than points without an answer.
fn holds_another(target: &Target) -> bool {
    let Target::Disk(folder) = target else { return false };
    let unfinished = std::fs::read_to_string(folder.path().join("capacity.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .is_some_and(|result| result["answer"].is_null());
    folder.path().join(RUN_FILE).is_file() && !unfinished
}

fn measured_s(mesh: &Mesh) -> f64 {
    (mesh.run.duration.seconds() - mesh.run.warmup.seconds()).max(0.0)
}

fn end(
    arguments: &CapacityArguments,
    capacity: Option<&Capacity>,
    points: usize,
    kept: Option<&Target>,
) -> Result<(), Failure> {
    let Some(capacity) = capacity else {
        if let Some(Target::Disk(folder)) = kept {
            let what = format!(": `{}` keeps its earlier, complete result; nothing was written", folder.name);
            return Err(Failure::interrupted(what));
        }
        let what = format!(": the results are of the first {points} points, without an answer");
        return Err(Failure::interrupted(what));
    };
    match matches!(capacity.answer, Answer::Nothing(_)) && !arguments.output.exit_zero {
        true => Err(Failure::silent(exit::OBJECTIVE_MISSED)),
        false => Ok(()),
    }
}

/// Meshes from the values that are tried.
struct Maker<'a> {
    arguments: &'a CapacityArguments,
    disk: &'a Disk,
    rps: Option<f64>,
}

impl Maker<'_> {
    fn inputs(&self, orders: &[String], quiet: bool) -> Result<Inputs, Failure> {
        let mut input = self.arguments.input.clone();
        input.varied.extend_from_slice(orders);
        Inputs::read_for(&self.arguments.manifests, &input, self.disk, quiet, REPLICATIONS)
    }

    fn mesh(&self, orders: &[String]) -> Result<Mesh, Failure> {
        let mut mesh = self.inputs(orders, true)?.mesh;
        self.hold_load(&mut mesh)?;
        Ok(mesh)
    }

    /// `--rps`.
    fn hold_load(&self, mesh: &mut Mesh) -> Result<(), Failure> {
        let Some(wanted) = self.rps else { return Ok(()) };
        let Some(offered) = offered_rps(mesh).filter(|rps| *rps > 0.0) else {
            let help = "leave it out, and set the load of each client with `--set clients.web.load=...`";
            let is_known = |load: &Load| !matches!(load, Load::Closed { .. } | Load::Trace { .. });
            let unknown = mesh.clients.rows().iter().find(|client| !is_known(&client.load));
            let why = unknown.map_or_else(
                || "no client has a load to scale".to_owned(),
                |client| format!("the rate of client `{}` is not known beforehand", client.name),
            );
            return Err(bad(&format!("`--rps` cannot be held: {why}\n{help}")));
        };
        scale(mesh, wanted / offered)
    }
}

fn bad(message: &str) -> Failure {
    Failure { code: exit::BAD_INPUT, message: message.to_owned() }
}

fn scale(mesh: &mut Mesh, factor: f64) -> Result<(), Failure> {
    mesh.scale_load(factor).map_err(|client| {
        let help = "give it a rate such as `poisson(100rps)`, or vary something else: `--vary workloads.app.replicas=2..20`";
        bad(&format!("the load of client `{client}` is a trace, which cannot be scaled\n{help}"))
    })
}

/// That every path is there and changes something, and that there is something to lose.
fn check(asked: &Asked, maker: &Maker<'_>, base: &Mesh) -> Result<(), Failure> {
    for dimension in &asked.dimensions {
        let [first, last] = dimension.ends();
        if dimension.is_load() || first == last {
            continue;
        }
        let of = |at| maker.mesh(&[dimension.order(at)]).map(|mesh| Fingerprint::of(&mesh));
        if of(first)? == of(last)? {
            let (path, from, to) = (&dimension.path, dimension.text(first), dimension.text(last));
            return Err(bad(&format!(
                "`{path}` changes nothing: the mesh is the same with {from} and with {to}\ncheck the path, and whether \
                 any request comes to what it sets"
            )));
        }
    }
    if asked.dimensions.first().is_none_or(Dimension::is_load) {
        scale(&mut base.clone(), 1.0)?;
    }
    if asked.survive == Some(Survive::Zone) {
        let unreached = Traffic::of(base).unreached;
        let losses = loss::losses(base, Survive::Zone, |name| !unreached.iter().any(|other| other == name));
        if losses.len() < 2 {
            return Err(bad(
                "all pods stand in one zone, and nothing survives its loss\ngive workloads `zones: [eu-1a, eu-1b]`",
            ));
        }
    }
    Ok(())
}

fn search(
    asked: &Asked,
    maker: &Maker<'_>,
    base: &Mesh,
    trials: &mut Trials<'_>,
) -> Result<Capacity, Stop<Failure>> {
    let at_load = |factor: f64| {
        let mut mesh = base.clone();
        scale(&mut mesh, factor).map(|()| mesh)
    };
    let Some(first) = asked.dimensions.first() else {
        let scale = Scale { ends: None, rises: true, grain: grain(base) };
        return capacity::hardest(trials, scale, at_load);
    };
    if let Some(axes) = asked.axes() {
        return capacity::cheapest(trials, &axes, |places| {
            if first.is_load() {
                return at_load(first.number(places[0]));
            }
            let pairs = asked.dimensions.iter().zip(places);
            let orders: Vec<String> =
                pairs.map(|(dimension, place)| dimension.order(*place as f64)).collect();
            maker.mesh(&orders)
        });
    }
    let rises = asked.find != super::arguments::Find::Min;
    let grain = if first.is_load() { grain(base) } else { None };
    let scale = Scale { ends: first.line(), rises, grain };
    capacity::hardest(trials, scale, |value| {
        if first.is_load() { at_load(value) } else { maker.mesh(&[first.order(value)]) }
    })
}

fn subject(asked: &Asked, base: &Mesh) -> Subject {
    if asked.dimensions.first().is_none_or(Dimension::is_load) {
        let alone = base.clients.rows().len() == 1;
        return Subject::Load {
            rps: offered_rps(base).filter(|rps| *rps > 0.0),
            users: grain(base).filter(|_| alone).map(|grain| 1.0 / grain),
        };
    }
    Subject::Paths(asked.dimensions.iter().map(|dimension| dimension.path.clone()).collect())
}

/// One user of the largest closed loop, where there are no other clients: between two numbers of users there is nothing.
fn grain(base: &Mesh) -> Option<f64> {
    let users = base.clients.rows().iter().map(|client| match &client.load {
        Load::Closed { users, .. } => Some(users.get()),
        _ => None,
    });
    let most = users.collect::<Option<Vec<u32>>>()?.into_iter().max()?;
    Some(1.0 / f64::from(most))
}

fn load_text(factor: f64) -> String {
    format!("{}x", report::number::fixed(factor, report::number::significant_decimals(factor, 4)))
}

fn values(asked: &Asked, tried: &Tried) -> Vec<String> {
    match asked.dimensions.first() {
        None => vec![load_text(tried.at[0])],
        Some(first) if first.is_load() && first.line().is_some() => vec![load_text(tried.at[0])],
        Some(_) => {
            asked.dimensions.iter().zip(&tried.at).map(|(dimension, at)| dimension.text(*at)).collect()
        }
    }
}

fn grid(asked: &Asked) -> Option<f64> {
    let counts: Option<Vec<usize>> = asked.dimensions.iter().map(Dimension::count).collect();
    counts
        .filter(|counts| !counts.is_empty())
        .map(|counts| counts.iter().map(|count| *count as f64).product())
}

fn show(arguments: &CapacityArguments, session: &Session<'_>) -> Result<(), Failure> {
    let output = &arguments.output;
    match output.format {
        _ if output.kept.is_some() => Ok(()),
        FormatName::Text if output.quiet => print(&format!("{}\n", session.sentence())),
        FormatName::Text => print(&text::render(session, &terminal::look())),
        FormatName::Json => print(&files::object(session)),
        FormatName::Csv => print(&String::from_utf8(files::table(session)).expect("we write UTF-8")),
        FormatName::Markdown => print(&markdown::render(session)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Folder;
    use crate::report::File;

    #[test]
    fn complete_results_outlive_a_search_that_was_stopped() {
        let desk = tempfile::tempdir().expect("a directory");
        let name = desk.path().join("out");
        let target = Target::Disk(
            Folder::prepare(name.to_str().expect("UTF-8"), &[], false)
                .unwrap_or_else(|error| panic!("{error}")),
        );
        let write = |names: &[(&str, &str)]| {
            let files: Vec<File> = names
                .iter()
                .map(|(path, text)| File { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() })
                .collect();
            target.write(&files).unwrap_or_else(|error| panic!("{error}"));
        };
        assert!(!holds_another(&target), "nothing is there");
        write(&[("run.json", "{}"), ("capacity.json", "{\"answer\": null}")]);
        assert!(!holds_another(&target), "another one that was stopped");
        write(&[("run.json", "{}"), ("capacity.json", "{\"answer\": {\"kind\": \"value\"}}")]);
        assert!(holds_another(&target));
        write(&[("run.json", "{}"), ("summary.json", "{}")]);
        assert!(holds_another(&target), "of another verb");
    }
}
