//! What a verb reads before it simulates: the scenario, the manifests and the orders of the command line, what they
//! mean, and what was found wrong with them.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

use super::arguments::{InputArguments, OutputArguments};
use super::ending::{Failure, exit};
use super::files::Disk;
use super::output::{Folder, Target};
use super::{findings, marks, pods};
use crate::config::diagnostic::{Diagnostic, Severity, Span};
use crate::config::files::{Files, under};
use crate::config::load::{self, Loaded};
use crate::config::read::{Located, OneOrMany};
use crate::config::scenario::Scenario;
use crate::mesh::{Mesh, Place};
use crate::report::{Input, Mark, Remark, Stamp, Told, place};
use crate::resolve::{self, Resolved};
use crate::sim;
use crate::study::Traffic;

/// One configuration with its scenario, without an error.
pub struct Inputs {
    pub loaded: Loaded,
    pub resolved: Resolved,
    pub mesh: Mesh,
    pub traffic: Traffic,
    /// `path=value`, as ordered.
    pub sets: Vec<String>,
    /// Objectives of the command line.
    slos: Vec<String>,
    /// Where among the orders `--reps` would stand.
    reps_stand: usize,
}

/// Reads the configurations of a verb, one or several.
pub struct Reader<'a> {
    arguments: &'a InputArguments,
    /// That of all inputs, as standard input can be read once only.
    disk: &'a Disk,
    /// Errors alone are told.
    quiet: bool,
    /// Where the scenario is silent. Source: design D9.24.
    replications: NonZeroU32,
    /// What was told of one configuration is not told of the next.
    told: BTreeSet<String>,
    /// Which configuration it is, said before what is found in it; `None` where there is no other.
    pub about: Option<String>,
    /// Replications may be as many as it takes: no points that all have as many.
    pub seeks_precision: bool,
}

impl<'a> Reader<'a> {
    pub fn new(
        arguments: &'a InputArguments,
        disk: &'a Disk,
        quiet: bool,
        replications: NonZeroU32,
    ) -> Reader<'a> {
        let told = BTreeSet::new();
        Reader { arguments, disk, quiet, replications, told, about: None, seeks_precision: false }
    }

    /// Reads and resolves one configuration, with `more` orders (`--with`) behind those of the arguments; tells what was found.
    /// Fails if one of the findings is an error.
    pub fn read(&mut self, scenario: &str, manifests: &[String], more: &[String]) -> Result<Inputs, Failure> {
        let given = orders(self.arguments);
        let sets = [&given, more].concat();
        if let Some(order) = more.iter().find(|order| order.starts_with("manifests")) {
            return Err(Failure::usage(format!(
                "`{order}` cannot change which files there are, for they are named before\nname the manifests of each \
                 configuration: `now=mesh/ new=mesh-pr/`"
            )));
        }
        let has_precision = self.arguments.precision.is_some();
        if has_precision && !self.seeks_precision {
            return Err(Failure::usage(
                "`--precision` is for `run` and `compare`: the points of other studies all have as many replications\nsay how \
                 many with `--reps`",
            ));
        }
        if has_precision && sets.iter().any(|set| set.starts_with("replications=")) {
            return Err(Failure::usage(
                "`--precision` finds out how many replications there are\nleave out `--set replications=...`",
            ));
        }
        let reps_stand = usize::from(self.arguments.seed.is_some());
        let request = load::Request {
            scenario: Some(scenario),
            manifests,
            sets: &given,
            withs: more,
            varied: &self.arguments.varied,
        };
        let mut loaded = load::load(&request, self.disk);
        add_objectives(&mut loaded, &self.arguments.slos);
        let mut resolved = resolve::mesh_with(&loaded, self.replications);
        let traffic = resolved.mesh.as_ref().map(Traffic::of);
        let found = all_findings(&loaded, &resolved, traffic.as_ref());
        let about = self.about.as_deref();
        let has_errors = findings::tell_new(found, &loaded.docs.sources, self.quiet, about, &mut self.told);
        match (resolved.mesh.take(), traffic, has_errors) {
            (Some(mut mesh), Some(traffic), false) => {
                mesh.run.replications = self.arguments.made.unwrap_or(mesh.run.replications);
                let slos = self.arguments.slos.clone();
                Ok(Inputs { loaded, resolved, mesh, traffic, sets, slos, reps_stand })
            }
            _ => Err(Failure::silent(exit::BAD_INPUT)),
        }
    }
}

impl Inputs {
    /// Reads and resolves; tells what was found, errors alone with `quiet`. Fails if one of them is an error.
    /// `disk` is that of all inputs of a verb, as standard input can be read once only.
    pub fn read(
        manifests: &[String],
        arguments: &InputArguments,
        disk: &Disk,
        quiet: bool,
    ) -> Result<Inputs, Failure> {
        let (scenario, manifests) = split(manifests, arguments.scenario.as_deref(), disk)?;
        let mut reader = Reader::new(arguments, disk, quiet, resolve::defaults::REPLICATIONS);
        reader.seeks_precision = true;
        reader.read(&scenario, &manifests, &[])
    }

    /// The same with the replications that a verb of many points takes where the scenario is silent. All points take as
    /// many, so none looks for a precision of its own.
    pub fn read_for(
        manifests: &[String],
        arguments: &InputArguments,
        disk: &Disk,
        quiet: bool,
        replications: NonZeroU32,
    ) -> Result<Inputs, Failure> {
        let (scenario, manifests) = split(manifests, arguments.scenario.as_deref(), disk)?;
        Reader::new(arguments, disk, quiet, replications).read(&scenario, &manifests, &[])
    }

    /// Names of the files that were read.
    pub fn files(&self) -> Vec<&str> {
        let files = self.loaded.docs.sources.iter().filter(|source| source.is_file && source.name != "-");
        files.map(|source| source.name.as_str()).collect()
    }

    /// The folder that results of a verb go to; `None` with `-o -`.
    pub fn folder_name(&self, verb: &str, arguments: &OutputArguments) -> Option<String> {
        arguments.folder_name(verb, &self.mesh.name)
    }

    /// The same, checked before anything is done; or the memory of whoever runs a verb again.
    pub fn target(&self, verb: &str, arguments: &OutputArguments) -> Result<Option<Target>, Failure> {
        self.target_beside(verb, arguments, &self.files())
    }

    /// The same for results that `inputs` have led to, beside its own.
    pub fn target_beside(
        &self,
        verb: &str,
        arguments: &OutputArguments,
        inputs: &[&str],
    ) -> Result<Option<Target>, Failure> {
        if let Some(kept) = &arguments.kept {
            return Ok(Some(Target::Memory(kept.clone())));
        }
        let Some(name) = self.folder_name(verb, arguments) else { return Ok(None) };
        let folder = Folder::prepare(&name, inputs, arguments.force)?;
        Ok(Some(Target::Disk(folder)))
    }

    /// Inputs go by their path from the scenario's directory, so that it does not matter from where the command was
    /// given. `flags`: those of this verb alone. What `--precision` found is what `--reps` would have asked for.
    pub fn stamp(&self, verb: &str, flags: Vec<String>, replications: usize) -> Stamp {
        let name = |path: &str| place::portable(path, &self.loaded.base).to_owned();
        let files = self.loaded.docs.sources.iter().filter(|source| source.is_file);
        let mut sets = self.sets.clone();
        // `--precision` and Ctrl-C leave other numbers than were asked for.
        if replications != self.mesh.run.replications.get() as usize {
            sets.retain(|set| !set.starts_with("replications="));
            sets.insert(self.reps_stand, format!("replications={replications}"));
        }
        Stamp {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            model_revision: sim::MODEL_REVISION,
            verb: verb.to_owned(),
            seed: self.mesh.run.seed,
            replications,
            sets,
            slos: self.slos.clone(),
            flags,
            inputs: files.map(|s| Input { name: name(&s.name), sha256: s.sha256.clone() }).collect(),
            configurations: Vec::new(),
        }
    }
}

/// What `--set` and the flags that stand for it order.
fn orders(arguments: &InputArguments) -> Vec<String> {
    let mut sets = Vec::new();
    sets.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    sets.extend(arguments.reps.map(|reps| format!("replications={reps}")));
    sets.extend(arguments.duration.as_ref().map(|time| format!("duration={time}")));
    sets.extend(arguments.warmup.as_ref().map(|time| format!("warmup={time}")));
    sets.extend(arguments.sets.iter().cloned());
    sets
}

/// The scenario, and the manifests beside it. Without `-s` a scenario, or its directory, may stand among the manifests,
/// as people forget the flag; the other manifests then take the place of its own, and if there are none, its own hold.
pub fn split(
    manifests: &[String],
    scenario: Option<&str>,
    disk: &Disk,
) -> Result<(String, Vec<String>), Failure> {
    match scenario {
        Some(path) if Path::new(path).is_dir() => {
            return Ok((format!("{}/scenario.yaml", path.trim_end_matches('/')), manifests.to_vec()));
        }
        Some(path) => return Ok((path.to_owned(), manifests.to_vec())),
        None => {}
    }
    let found = manifests.iter().enumerate();
    match found.filter_map(|(place, path)| Some((place, scenario_of(path, disk)?))).next() {
        Some((place, scenario)) => {
            let mut others = manifests.to_vec();
            others.remove(place);
            Ok((scenario, others))
        }
        None => Ok((discover(manifests)?, manifests.to_vec())),
    }
}

/// The scenario that an argument stands for: the file itself, or that of a directory, if it names its manifests; if not,
/// the directory holds them. What cannot be read is told when it is read in earnest.
pub fn scenario_of(path: &str, disk: &Disk) -> Option<String> {
    let is_directory = Path::new(path).is_dir();
    let file =
        if is_directory { under(path.trim_end_matches('/'), "scenario.yaml") } else { path.to_owned() };
    let is_file = file != "-" && Path::new(&file).is_file();
    let bytes = is_file.then(|| disk.read(&file).ok()).flatten()?;
    let text = String::from_utf8_lossy(&bytes);
    let says = |wanted: &str| text.lines().any(|line| line.starts_with(wanted));
    let is_scenario = says("kind: Scenario") && says("apiVersion: meshcast/");
    (is_scenario && (!is_directory || says("manifests:"))).then_some(file)
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

/// What is known before the run, beside where requests go.
pub struct Known {
    pub without_effect: Vec<Remark>,
    pub guesses: Vec<Remark>,
    pub not_modelled: Vec<Remark>,
    pub marks: Vec<Mark>,
}

impl Known {
    pub fn new(inputs: &Inputs) -> Known {
        let Inputs { resolved, mesh, .. } = inputs;
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

    pub fn told<'a>(&'a self, inputs: &'a Inputs) -> Told<'a> {
        Told {
            traffic: &inputs.traffic,
            without_effect: &self.without_effect,
            guesses: &self.guesses,
            base: &inputs.loaded.base,
        }
    }
}
