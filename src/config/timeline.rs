//! The timeline's entries as steps, each upon the state of the configuration that the ones before it leave.

use super::change::{self, PlacedOrder};
use super::diagnostic::{Diagnostic, Span};
use super::document::{DocId, Document, ObjectRef, RawObject};
use super::intake::Intake;
use super::path::Step;
use super::read::{Located, Raw, fault_inside};
use super::scenario::{MAX_PODS, Scenario, TimelineEntry};
use super::set::Order;
use crate::kernel::SimTime;

/// One entry of the timeline. Entries of one instant are separate steps here, in the order written.
#[derive(Clone, Debug)]
pub struct TimelineStep {
    pub at: SimTime,
    /// What changes, for people.
    pub label: String,
    pub span: Span,
    /// Objects to create or replace; those that `set:` changed are here too, as changed copies.
    pub apply: Vec<RawObject>,
    /// Objects that exist at that time.
    pub delete: Vec<ObjectRef>,
    /// Workloads that get another number of pods.
    pub scale: Vec<Replicas>,
}

/// `workloads.NAME.replicas=N`.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicas {
    pub workload: Located<String>,
    pub pods: u32,
}

/// The steps of a scenario's timeline, in order of time; `objects` are what holds from the start.
pub(super) fn steps(
    scenario: &Document<Scenario>,
    objects: &[RawObject],
    intake: &mut Intake<'_>,
) -> Vec<TimelineStep> {
    let mut entries: Vec<(usize, &TimelineEntry)> =
        scenario.value.timeline.iter().flatten().enumerate().collect();
    entries.sort_by_key(|(_, entry)| entry.at.as_ref().map(|at| at.value));
    let mut state = State { objects: objects.to_vec(), home: scenario.value.namespace(), intake };
    entries.into_iter().filter_map(|(index, entry)| state.step(scenario.doc, index, entry)).collect()
}

/// What an apply names when it is a file and no object in place.
pub(super) fn files(scenario: &Scenario) -> impl Iterator<Item = &str> {
    let entries = scenario.timeline.iter().flatten();
    let raws = entries.flat_map(|entry| entry.apply.iter().flat_map(|apply| &apply.0));
    raws.filter_map(|raw| raw.value.0.as_str())
}

/// The configuration at one moment.
struct State<'a, 'f> {
    objects: Vec<RawObject>,
    /// The namespace of objects that name none.
    home: &'a str,
    intake: &'a mut Intake<'f>,
}

impl State<'_, '_> {
    /// Goes on by one entry; `None` if it lacks its time, which has been reported.
    fn step(&mut self, doc: DocId, index: usize, entry: &TimelineEntry) -> Option<TimelineStep> {
        let at = SimTime::ZERO + entry.at.as_ref()?.value;
        let span = self.intake.docs.span(doc, &format!("timeline[{index}]"));
        let label = entry.label.as_ref().map_or_else(|| label(entry), |label| label.value.clone());
        let mut step =
            TimelineStep { at, label, span, apply: Vec::new(), delete: Vec::new(), scale: Vec::new() };
        for (position, raw) in entry.apply.iter().flat_map(|apply| &apply.0).enumerate() {
            let root = match &entry.apply {
                Some(apply) if apply.0.len() > 1 => format!("timeline[{index}].apply[{position}]"),
                _ => format!("timeline[{index}].apply"),
            };
            let objects = self.applied(doc, &root, raw);
            self.objects.extend(objects.iter().cloned());
            step.apply.extend(objects);
        }
        self.delete(entry, &mut step);
        self.set(entry, &mut step);
        Some(step)
    }

    fn applied(&mut self, doc: DocId, root: &str, raw: &Located<Raw>) -> Vec<RawObject> {
        if let Some(pattern) = raw.value.0.as_str() {
            let base = self.intake.base.clone();
            let paths = self.intake.expand(&base, pattern, Some(raw.span));
            return paths
                .iter()
                .flat_map(|path| self.intake.objects_of(path, Some(raw.span), true))
                .collect();
        }
        // An object in place is part of the scenario and is not counted as one that was read.
        let counts = self.intake.counts.clone();
        let item = self.intake.docs.add_item(doc, root);
        let mut objects = Vec::new();
        self.intake.file_away(item, raw.value.0.clone(), &mut objects);
        self.intake.counts = counts;
        objects
    }

    fn delete(&mut self, entry: &TimelineEntry, step: &mut TimelineStep) {
        for name in entry.delete.iter().flat_map(|delete| &delete.0) {
            // A name that does not parse was reported when the scenario was checked.
            let Ok(reference) = ObjectRef::parse(&name.value) else { continue };
            match change::find(&self.objects, &reference, self.home) {
                Err(nowhere) => self.intake.report(nowhere.finding(name.span)),
                Ok(index) => {
                    let gone = self.objects[index].reference();
                    self.objects.retain(|object| !reference.means(object, self.home));
                    step.delete.push(gone);
                }
            }
        }
    }

    fn set(&mut self, entry: &TimelineEntry, step: &mut TimelineStep) {
        for text in entry.set.iter().flat_map(|set| &set.0) {
            if let Some(changed) = self.set_one(text, &mut step.scale) {
                step.apply.retain(|other| other.reference() != changed.reference());
                step.apply.push(changed);
            }
        }
    }

    /// The object as an order changes it; `None` after a finding, and where it changes the number of a workload's pods.
    fn set_one(&mut self, text: &Located<String>, scale: &mut Vec<Replicas>) -> Option<RawObject> {
        let docs = &mut self.intake.docs;
        let order = match Order::parse(&text.value) {
            Ok(order) => order,
            Err(fault) => {
                let finding = fault_inside(docs, "MS0010", text.span, &text.value, fault);
                self.intake.report(finding);
                return None;
            }
        };
        let offset = docs.sources.slice(text.span).find(&text.value).unwrap_or(0);
        let placed = PlacedOrder { order, source: text.span.source, offset: text.span.start + offset };
        match change::changed(&self.objects, &placed, self.home, docs) {
            Ok(Some((index, changed))) => {
                self.objects[index] = changed.clone();
                Some(changed)
            }
            Ok(None) if is_replicas(&placed.order.steps) => {
                match replicas(&placed) {
                    Ok(order) => scale.push(order),
                    Err(finding) => self.intake.report(*finding),
                }
                None
            }
            Ok(None) => {
                let path = &placed.order.path;
                let message = format!("`{path}` belongs to the scenario, which holds for the whole run");
                let help = "a timeline changes objects, and of workloads the number of pods: `workloads.reviews-v2.replicas=4`; what befalls pods goes under `incidents`";
                self.intake.report(Diagnostic::error("MS0012", message).at(text.span).help(help));
                None
            }
            Err(nowhere) => {
                self.intake.report(nowhere.finding(placed.path_span()));
                None
            }
        }
    }
}

fn is_replicas(steps: &[Step]) -> bool {
    let [Step::Key(section), Step::Key(_), Step::Key(key)] = steps else { return false };
    section == "workloads" && key == "replicas"
}

/// The number of pods that an order asks for.
fn replicas(placed: &PlacedOrder) -> Result<Replicas, Box<Diagnostic>> {
    let pods = placed.order.value.as_u64().and_then(|pods| u32::try_from(pods).ok());
    match (&placed.order.steps[1], pods.filter(|pods| *pods <= MAX_PODS)) {
        (Step::Key(name), Some(pods)) => {
            let workload = Located { value: name.clone(), span: placed.path_span() };
            Ok(Replicas { workload, pods })
        }
        _ => {
            let help = format!("write a number from 0 to {MAX_PODS}");
            let finding = Diagnostic::error("MS0012", "this is no number of pods").help(help);
            Err(Box::new(finding.at(placed.patch().value)))
        }
    }
}

/// What an entry does, where it has no name of its own.
fn label(entry: &TimelineEntry) -> String {
    let applied = entry.apply.iter().flat_map(|apply| &apply.0).map(|raw| applied_label(&raw.value));
    let deleted = entry.delete.iter().flat_map(|delete| &delete.0);
    let set = entry.set.iter().flat_map(|set| &set.0);
    let parts: Vec<String> = applied
        .chain(deleted.map(|name| format!("delete {}", name.value)))
        .chain(set.map(|order| format!("set {}", order.value)))
        .collect();
    parts.join(", ")
}

fn applied_label(raw: &Raw) -> String {
    if let Some(file) = raw.0.as_str() {
        return format!("apply {file}");
    }
    let kind = raw.0.get("kind").and_then(|kind| kind.as_str());
    let name = raw.0.get("metadata").and_then(|metadata| metadata.get("name")?.as_str());
    match (kind, name) {
        (Some(kind), Some(name)) => format!("apply {kind}/{name}"),
        _ => "apply".to_owned(),
    }
}
