//! From names of files to documents: reads the scenario, then the manifests, then what the timeline applies, and carries
//! out `--set`. Everything that is wrong is collected, and nothing stops before the rest has been looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_yaml::Value;

use super::arrivals::{self, Birth, LoadText};
use super::change::{self, PlacedOrder};
use super::diagnostic::{Diagnostic, Severity, Span};
use super::document::{DocId, Docs, Document, ObjectCounts, RawObject};
use super::files::{Files, directory, tidy, under};
use super::intake::{Intake, start_of};
use super::path::Step;
use super::read::{Entries, Located};
use super::render;
use super::scenario::{self, Load, Scenario};
use super::set::{self, Order};
use super::timeline::{self, TimelineStep};

/// What to load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Path, or `-`; `None` where no scenario is needed (`lint`).
    pub scenario: Option<&'a str>,
    /// Replace the scenario's list if there are any.
    pub manifests: &'a [String],
    /// `--set path=value`. Source: design D9.25.
    pub sets: &'a [String],
    /// The same of one candidate among several configurations, behind those: `--with`.
    pub withs: &'a [String],
    /// One value of each `--vary`, in the same form.
    pub varied: &'a [String],
}

/// What was read. A run starts only if no diagnostic is an error.
#[derive(Debug, Default)]
pub struct Loaded {
    pub docs: Docs,
    pub scenario: Option<Document<Scenario>>,
    /// The scenario as written, with what was ordered; null without one.
    pub scenario_value: Value,
    /// The directory that the scenario's own paths start from; empty: the working directory.
    pub base: String,
    /// In the order in which they were read; two of one name are both here, and the last one holds.
    pub objects: Vec<RawObject>,
    /// In order of time.
    pub timeline: Vec<TimelineStep>,
    pub counts: ObjectCounts,
    /// The recorded births of each trace that a client names, by the file as written.
    pub traces: BTreeMap<String, Vec<Birth>>,
    /// Sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The namespace of objects that name none.
    pub fn namespace(&self) -> &str {
        home(self.scenario.as_ref())
    }
}

/// Reads all input. Never fails as a whole: see [`Loaded::diagnostics`].
pub fn load(request: &Request<'_>, files: &dyn Files) -> Loaded {
    let mut loader = Loader {
        intake: Intake::new(files),
        scenario: None,
        scenario_value: Value::Null,
        objects: Vec::new(),
        read: BTreeSet::new(),
    };
    let orders = loader.orders(request);
    let mut new_names = Vec::new();
    if let Some(path) = request.scenario {
        loader.intake.base = directory(path).to_owned();
        new_names = loader.scenario(path, &orders);
    }
    loader.manifests(request);
    loader.check_new_names(&new_names);
    loader.set_objects(&orders);
    let Loader { mut intake, scenario, scenario_value, objects, .. } = loader;
    let timeline = match &scenario {
        Some(scenario) => timeline::steps(scenario, &objects, &mut intake),
        None => Vec::new(),
    };
    let traces = scenario.as_ref().map(|scenario| traces(&scenario.value, &mut intake)).unwrap_or_default();
    let Intake { docs, base, counts, mut diagnostics, .. } = intake;
    render::sort(&mut diagnostics);
    Loaded { docs, scenario, scenario_value, base, objects, timeline, counts, traces, diagnostics }
}

/// A name that `--set` brought into the scenario, to be checked when the manifests are known.
struct NewName {
    section: String,
    name: String,
    span: Span,
}

struct Loader<'a> {
    intake: Intake<'a>,
    scenario: Option<Document<Scenario>>,
    scenario_value: Value,
    objects: Vec<RawObject>,
    /// Files read so far, so that none is read twice.
    read: BTreeSet<String>,
}

impl Loader<'_> {
    fn orders(&mut self, request: &Request<'_>) -> Vec<PlacedOrder> {
        let mut orders = Vec::new();
        let sets = request.sets.iter().map(|text| ("--set", text));
        let withs = request.withs.iter().map(|text| ("--with", text));
        let varied = request.varied.iter().map(|text| ("--vary", text));
        for (flag, text) in sets.chain(withs).chain(varied) {
            let source = self.intake.docs.sources.add_argument(flag, text);
            match Order::parse(text) {
                Ok(order) => orders.push(PlacedOrder { order, source, offset: 0 }),
                Err(fault) => {
                    let Range { start, end } = fault.range;
                    self.intake.report(fault.finding("MS0010", Span { source, start, end }));
                }
            }
        }
        orders
    }

    fn scenario(&mut self, path: &str, orders: &[PlacedOrder]) -> Vec<NewName> {
        self.read.insert(tidy(path));
        let Some(source) = self.intake.text(path, None) else { return Vec::new() };
        if self.intake.is_empty(source) {
            let finding = Diagnostic::error("MS0002", format!("the scenario `{path}` is empty"));
            let help = "`meshcast init` writes a scenario to start from";
            self.intake.report(finding.at(start_of(source)).help(help));
            return Vec::new();
        }
        let errors = |intake: &Intake<'_>| {
            intake.diagnostics.iter().filter(|finding| finding.severity == Severity::Error).count()
        };
        let before = errors(&self.intake);
        let mut new_names = Vec::new();
        let mut first: Option<Span> = None;
        for (doc, mut value) in self.intake.documents(source) {
            if !is_scenario(&value) {
                // Manifests may stand in the scenario's file, behind `---`.
                self.intake.file_away(doc, value, &mut self.objects);
                continue;
            }
            let span = self.intake.docs.span(doc, "kind");
            if let Some(other) = first {
                let finding = Diagnostic::error("MS0009", "this file holds a second scenario").at(span);
                self.intake.report(finding.also(other, "the first one"));
                continue;
            }
            first = Some(span);
            new_names = self.set_scenario(doc, &mut value, orders);
            let Intake { docs, diagnostics, .. } = &mut self.intake;
            let scenario = scenario::read(&value, docs, doc, diagnostics);
            self.scenario = scenario.map(|value| Document { doc, value });
            self.scenario_value = value;
        }
        if first.is_none() && errors(&self.intake) == before {
            let finding = Diagnostic::error("MS0009", format!("`{path}` holds no scenario"));
            let help = "a scenario starts with `apiVersion: meshcast/v1` and `kind: Scenario`";
            self.intake.report(finding.at(start_of(source)).help(help));
        }
        new_names
    }

    fn set_scenario(&mut self, doc: DocId, value: &mut Value, orders: &[PlacedOrder]) -> Vec<NewName> {
        let mut new_names = Vec::new();
        for placed in orders.iter().filter(|placed| placed.order.object.is_none()) {
            let steps = &placed.order.steps;
            if let [Step::Key(section), Step::Key(name), ..] = &steps[..]
                && (section == "workloads" || section == "clients")
                && value[section.as_str()].get(name.as_str()).is_none()
            {
                let (section, name) = (section.clone(), name.clone());
                new_names.push(NewName { section, name, span: placed.path_span() });
            }
            match set::put(value, steps, &placed.order.value) {
                Ok(path) => self.intake.docs.note_patch(doc, &path, placed.patch()),
                Err(nowhere) => self.intake.report(nowhere.finding(placed.path_span())),
            }
        }
        new_names
    }

    /// A workload may be known from the manifests alone; a client may not.
    fn check_new_names(&mut self, new_names: &[NewName]) {
        let names = |section: &str| -> Vec<&str> {
            let Some(Document { value, .. }) = &self.scenario else { return Vec::new() };
            match section {
                "clients" => value.clients.iter().flat_map(Entries::names).collect(),
                _ => value.workloads.iter().flat_map(Entries::names).collect(),
            }
        };
        let deployed: Vec<&str> = self
            .objects
            .iter()
            .filter(|object| is_workload(&object.kind))
            .map(|object| object.name.as_str())
            .collect();
        for new in new_names {
            let fresh = |name: &str| new_names.iter().any(|n| n.section == new.section && n.name == name);
            let mut known = names(&new.section);
            known.retain(|name| !fresh(name));
            if new.section == "workloads" {
                known.extend(&deployed);
            }
            if known.contains(&new.name.as_str()) {
                continue;
            }
            let what = new.section.trim_end_matches('s');
            let nowhere = set::unknown_name(what, &new.name, known.into_iter());
            self.intake.report(nowhere.finding(new.span));
        }
    }

    fn manifests(&mut self, request: &Request<'_>) {
        if !request.manifests.is_empty() {
            for pattern in request.manifests {
                self.manifest("", pattern, None);
            }
            return;
        }
        let Some(scenario) = &self.scenario else { return };
        let patterns: Vec<Located<String>> =
            scenario.value.manifests.iter().flat_map(|list| list.0.clone()).collect();
        let base = self.intake.base.clone();
        for pattern in patterns {
            self.manifest(&base, &pattern.value, Some(pattern.span));
        }
    }

    fn manifest(&mut self, base: &str, pattern: &str, asked: Option<Span>) {
        let paths = match pattern {
            "-" => vec!["-".to_owned()],
            _ => self.intake.expand(base, pattern, asked),
        };
        let applied = self.applied_files();
        let is_named = paths.len() == 1;
        for path in paths {
            if !is_named && applied.contains(&tidy(&path)) {
                let message = format!("`{path}` is applied by the timeline, so it is no part of the start");
                let mut finding = Diagnostic::info("MS0012", message);
                finding.span = asked;
                self.intake.report(finding);
            } else if self.read.insert(tidy(&path)) {
                self.objects.extend(self.intake.objects_of(&path, asked, is_named));
            }
        }
    }

    /// Files that the timeline applies later. Found in a directory of manifests, they do not hold from the start.
    fn applied_files(&self) -> BTreeSet<String> {
        let named = self.scenario.iter().flat_map(|scenario| timeline::files(&scenario.value));
        named.flat_map(|name| self.intake.expand_quietly(name)).map(|path| tidy(&path)).collect()
    }

    fn set_objects(&mut self, orders: &[PlacedOrder]) {
        let home = home(self.scenario.as_ref());
        for placed in orders {
            match change::changed(&self.objects, placed, home, &mut self.intake.docs) {
                Ok(Some((index, changed))) => self.objects[index] = changed,
                // It was upon the scenario, and has been carried out.
                Ok(None) => {}
                Err(nowhere) => self.intake.report(nowhere.finding(placed.path_span())),
            }
        }
    }
}

/// The recorded births of each trace that a client names.
fn traces(scenario: &Scenario, intake: &mut Intake<'_>) -> BTreeMap<String, Vec<Birth>> {
    let mut traces = BTreeMap::new();
    for (_, client) in scenario.clients.iter().flat_map(|clients| clients.iter()) {
        let Some(Located { value: Load::Line(LoadText::Trace { file }), span }) = &client.load else {
            continue;
        };
        if traces.contains_key(file) {
            continue;
        }
        let path = under(&intake.base, file);
        let Some(source) = intake.text(&path, Some(*span)) else { continue };
        match arrivals::read_trace(&intake.docs.sources.get(source).text) {
            Ok(births) => {
                traces.insert(file.clone(), births);
            }
            Err(fault) => {
                let Range { start, end } = fault.range;
                intake.report(fault.finding("MS0005", Span { source, start, end }));
            }
        }
    }
    traces
}

/// The namespace of objects that name none.
fn home(scenario: Option<&Document<Scenario>>) -> &str {
    scenario.map_or("default", |scenario| scenario.value.namespace())
}

/// A document that is meant as a scenario: it says so, or says nothing and has a scenario's keys.
fn is_scenario(value: &Value) -> bool {
    let kind = value.get("kind").and_then(Value::as_str);
    let version = value.get("apiVersion").and_then(Value::as_str);
    match (kind, version) {
        (Some("Scenario"), _) => true,
        (_, Some(version)) => version.starts_with("meshcast/"),
        (None, None) => ["clients", "workloads", "objectives"].iter().any(|key| value.get(*key).is_some()),
        _ => false,
    }
}

fn is_workload(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Pod" | "Rollout")
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
