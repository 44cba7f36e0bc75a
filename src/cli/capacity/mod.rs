//! `meshcast capacity`: how much the mesh takes under the objectives, or how little meets them. Texts are handled here;
//! the search itself knows numbers and meshes.

mod places;
mod question;

use std::num::NonZeroU32;

use super::arguments::{CapacityArguments, FormatName};
use super::ending::{Failure, exit, print, tell};
use super::files::Disk;
use super::inputs::{Inputs, Known};
use super::simulation::{self, INTERRUPTED};
use super::terminal::{self, Progress};
use crate::mesh::{Fingerprint, Mesh};
use crate::report;
use crate::report::capacity::{Session, Subject, files, markdown, text};
use crate::study::capacity::{
    self, Answer, Capacity, Scale, Stop, Survive, Trials, Tried, loss, offered_rps,
};
use crate::study::{Traffic, Watch};
use question::{Asked, Dimension};

/// Where the scenario is silent. Source: design D9.24.
const REPLICATIONS: NonZeroU32 = NonZeroU32::new(8).expect("more than none");

pub fn capacity(arguments: &CapacityArguments) -> Result<(), Failure> {
    let asked = Asked::new(arguments)?;
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
            "{points} points, the last one {verdict} the objectives: {}",
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
        grid: grid(&asked),
        text_of: &|at| first.map_or_else(|| load_text(at), |dimension| dimension.text(at)),
        limit_of: &|limit| places::limit(&inputs, limit),
        place_of: &|workload| places::workload(&inputs, workload),
        base: &inputs.loaded.base,
        not_modelled: &known.not_modelled,
    };
    show(arguments, &session)?;
    if let Some(target) = target {
        let files = files::folder(&session, !arguments.no_plots)
            .map_err(|error| Failure::internal(format!("cannot draw: {error}")))?;
        target.write(&files)?;
        arguments.output.print_wrote(&target, &files)?;
    }
    if arguments.output.verbose {
        tell(&format!("took {:.1} s", progress.seconds()));
    }
    end(arguments, capacity.as_ref(), tried.len())
}

fn end(arguments: &CapacityArguments, capacity: Option<&Capacity>, points: usize) -> Result<(), Failure> {
    let Some(capacity) = capacity else {
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
        input.sets.extend_from_slice(orders);
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
            return Err(bad(&format!(
                "`--rps` cannot hold clients whose rates are not known beforehand\n{help}"
            )));
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
        return capacity::hardest(trials, Scale { ends: None, rises: true }, at_load);
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
    let scale = Scale { ends: first.line(), rises };
    capacity::hardest(trials, scale, |value| {
        if first.is_load() { at_load(value) } else { maker.mesh(&[first.order(value)]) }
    })
}

fn subject(asked: &Asked, base: &Mesh) -> Subject {
    if asked.dimensions.first().is_none_or(Dimension::is_load) {
        return Subject::Load { rps: offered_rps(base).filter(|rps| *rps > 0.0) };
    }
    Subject::Paths(asked.dimensions.iter().map(|dimension| dimension.path.clone()).collect())
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
