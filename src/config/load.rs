//! From names of files to documents: reads the scenario, then the manifests, then what the timeline applies, and carries
//! out `--set`. Everything that is wrong is collected, and nothing stops before the rest has been looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::arrivals::{self, Birth, LoadText};
use super::diagnostic::{Diagnostic, SourceId, Span};
use super::document::{DocId, Docs, Document, ObjectRef, RawObject};
use super::grammar::Fault;
use super::path::{Step, push_index};
use super::read::{Located, Raw, inside};
use super::render;
use super::scenario::{self, Load, Scenario, TimelineEntry};
use super::set::{self, Nowhere, Order};
use super::yaml::{self, ProblemKind};
use crate::kernel::SimTime;

/// How texts are read: `cli` gives the file system, tests a map.
pub trait Files {
    /// The bytes of a file; `-` is standard input.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;
    /// The files that a pattern means: a file, a directory (recursive, `.yaml .yml .json`, sorted by name) or a glob,
    /// relative to the directory `base` (empty: the working directory). At least one, else an error.
    fn expand(&self, base: &str, pattern: &str) -> Result<Vec<String>, ReadError>;
}

/// Why a file cannot be read: "no such file or directory".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    pub path: String,
    pub reason: String,
}

/// What to load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Path, or `-`; `None` where no scenario is needed (`lint`).
    pub scenario: Option<&'a str>,
    /// Replace the scenario's list if there are any.
    pub manifests: &'a [String],
    /// `--set path=value`. Source: design D9.25.
    pub sets: &'a [String],
}

/// What was read. A run starts only if no diagnostic is an error.
#[derive(Debug, Default)]
pub struct Loaded {
    pub docs: Docs,
    pub scenario: Option<Document<Scenario>>,
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
}

/// How many objects were read, by kind; which of them are used is told by who uses them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    pub read: usize,
    pub by_kind: BTreeMap<String, usize>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|finding| finding.severity == super::diagnostic::Severity::Error)
    }

    /// The namespace of objects that name none.
    pub fn namespace(&self) -> &str {
        self.scenario.as_ref().map_or("default", |scenario| scenario.value.namespace())
    }
}

/// Reads all input. Never fails as a whole: see [`Loaded::diagnostics`].
pub fn load(request: &Request<'_>, files: &dyn Files) -> Loaded {
    let mut loader = Loader { files, loaded: Loaded::default(), read: BTreeSet::new() };
    let orders = loader.orders(request.sets);
    let mut new_names = Vec::new();
    if let Some(path) = request.scenario {
        loader.loaded.base = directory(path).to_owned();
        new_names = loader.scenario(path, &orders);
    }
    loader.manifests(request);
    loader.check_new_names(&new_names);
    for order in orders.iter().filter(|order| order.order.object.is_some()) {
        loader.set_object(order);
    }
    loader.timeline();
    loader.traces();
    let mut loaded = loader.loaded;
    render::sort(&mut loaded.diagnostics);
    loaded
}

/// An order with the place of its text.
struct PlacedOrder {
    order: Order,
    source: SourceId,
    offset: usize,
}

impl PlacedOrder {
    fn path_span(&self) -> Span {
        let range = &self.order.path_range;
        Span { source: self.source, start: self.offset + range.start, end: self.offset + range.end }
    }

    fn value_span(&self) -> Span {
        let range = &self.order.value_range;
        Span { source: self.source, start: self.offset + range.start, end: self.offset + range.end }
    }
}

/// A name that `--set` brought into the scenario, to be checked when the manifests are known.
struct NewName {
    section: String,
    name: String,
    span: Span,
}

struct Loader<'a> {
    files: &'a dyn Files,
    loaded: Loaded,
    /// Files read so far, so that none is read twice.
    read: BTreeSet<String>,
}

impl Loader<'_> {
    fn report(&mut self, finding: Diagnostic) {
        self.loaded.diagnostics.push(finding);
    }

    fn orders(&mut self, sets: &[String]) -> Vec<PlacedOrder> {
        let mut orders = Vec::new();
        for text in sets {
            let source = self.loaded.docs.sources.add_argument("--set", text);
            match Order::parse(text) {
                Ok(order) => orders.push(PlacedOrder { order, source, offset: 0 }),
                Err(fault) => {
                    let whole = Span { source, start: 0, end: text.len() };
                    self.fault(whole, text, fault);
                }
            }
        }
        orders
    }

    fn fault(&mut self, span: Span, text: &str, fault: Fault) {
        let at = inside(&self.loaded.docs, span, text, &fault);
        let mut finding = Diagnostic::error("MS0010", fault.message).at(at);
        finding.help = fault.help;
        self.report(finding);
    }

    fn nowhere(&mut self, span: Span, nowhere: Nowhere) {
        let mut finding = Diagnostic::error("MS0010", nowhere.message).at(span);
        finding.help = nowhere.help;
        self.report(finding);
    }

    /// Reads a text; `asked` is the place that names it.
    fn text(&mut self, path: &str, asked: Option<Span>) -> Option<SourceId> {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unreadable(&error, asked);
                return None;
            }
        };
        let complaint = if bytes.len() > yaml::MAX_BYTES {
            Some(format!("`{path}` is larger than {} MiB", yaml::MAX_BYTES >> 20))
        } else {
            yaml::binary(&bytes).map(|why| format!("`{path}` is no text: {why}"))
        };
        if let Some(message) = complaint {
            let source = self.loaded.docs.sources.add_file(path, &bytes, String::new());
            let start = Span { source, start: 0, end: 0 };
            self.report(
                Diagnostic::error("MS0002", message).at(start).help("give YAML or JSON files, in UTF-8"),
            );
            return None;
        }
        let text = String::from_utf8(bytes.clone()).expect("checked to be UTF-8");
        Some(self.loaded.docs.sources.add_file(path, &bytes, text))
    }

    fn unreadable(&mut self, error: &ReadError, asked: Option<Span>) {
        let mut finding =
            Diagnostic::error("MS0002", format!("cannot read `{}`: {}", error.path, error.reason));
        finding.span = asked;
        finding.help = match asked {
            Some(_) if self.loaded.base.is_empty() => {
                Some("paths start from the scenario's directory".to_owned())
            }
            Some(_) => {
                Some(format!("paths in the scenario start from its own directory, `{}`", self.loaded.base))
            }
            None => Some("name a file that exists and may be read".to_owned()),
        };
        self.report(finding);
    }

    /// Decodes the documents of a text; broken ones are reported and left out.
    fn documents(&mut self, source: SourceId) -> Vec<(DocId, Value)> {
        let text = self.loaded.docs.sources.get(source).text.clone();
        let mut documents = Vec::new();
        for range in yaml::split(&text) {
            match yaml::decode(&text[range.clone()]) {
                Ok(value) => documents.push((self.loaded.docs.add(source, range), value)),
                Err(problem) => {
                    let code = match problem.kind {
                        ProblemKind::Syntax => "MS0001",
                        ProblemKind::Template => "MS0006",
                        ProblemKind::Limit => "MS0008",
                    };
                    let start = range.start + problem.range.start;
                    let span = Span { source, start, end: start + problem.range.len() };
                    let mut finding = Diagnostic::error(code, problem.message).at(span);
                    finding.help = problem.help;
                    self.report(finding);
                }
            }
        }
        documents
    }

    fn scenario(&mut self, path: &str, orders: &[PlacedOrder]) -> Vec<NewName> {
        self.read.insert(tidy(path));
        let Some(source) = self.text(path, None) else { return Vec::new() };
        let start = Span { source, start: 0, end: 0 };
        if yaml::split(&self.loaded.docs.sources.get(source).text).is_empty() {
            let help = "`meshcast init` writes a scenario to start from";
            self.report(
                Diagnostic::error("MS0002", format!("the scenario `{path}` is empty")).at(start).help(help),
            );
            return Vec::new();
        }
        let before = self.loaded.diagnostics.len();
        let mut new_names = Vec::new();
        let mut first: Option<Span> = None;
        for (doc, mut value) in self.documents(source) {
            if !is_scenario(&value) {
                // Manifests may stand in the scenario's file, behind `---`.
                self.object(doc, value);
                continue;
            }
            let span = self.loaded.docs.span(doc, "kind");
            if let Some(other) = first {
                let finding = Diagnostic::error("MS0009", "this file holds a second scenario").at(span);
                self.report(finding.also(other, "the first one"));
                continue;
            }
            first = Some(span);
            new_names = self.set_scenario(doc, &mut value, orders);
            let Loaded { docs, diagnostics, .. } = &mut self.loaded;
            let scenario = scenario::read(&value, docs, doc, diagnostics);
            self.loaded.scenario = scenario.map(|value| Document { doc, value });
        }
        if first.is_none() && self.loaded.diagnostics.len() == before {
            let help = "a scenario starts with `apiVersion: meshcast/v1` and `kind: Scenario`";
            self.report(
                Diagnostic::error("MS0009", format!("`{path}` holds no scenario")).at(start).help(help),
            );
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
                Ok(()) => self.loaded.docs.note_patch(doc, &placed.order.path, placed.value_span()),
                Err(nowhere) => self.nowhere(placed.path_span(), nowhere),
            }
        }
        new_names
    }

    /// A workload may be known from the manifests alone; a client may not.
    fn check_new_names(&mut self, new_names: &[NewName]) {
        for new in new_names {
            let deployed = |object: &RawObject| is_workload(&object.kind) && object.name == new.name;
            if new.section == "workloads" && self.loaded.objects.iter().any(deployed) {
                continue;
            }
            let fresh = |name: &str| !new_names.iter().any(|n| n.section == new.section && n.name == name);
            let scenario = self.loaded.scenario.as_ref().map(|scenario| &scenario.value);
            let mut known: Vec<&str> = match (scenario, new.section.as_str()) {
                (Some(scenario), "clients") => scenario
                    .clients
                    .iter()
                    .flat_map(|e| e.iter())
                    .map(|(name, _)| name.value.as_str())
                    .collect(),
                (Some(scenario), _) => scenario
                    .workloads
                    .iter()
                    .flat_map(|e| e.iter())
                    .map(|(name, _)| name.value.as_str())
                    .collect(),
                (None, _) => Vec::new(),
            };
            known.retain(|name| fresh(name));
            if new.section == "workloads" {
                let deployed = self.loaded.objects.iter().filter(|object| is_workload(&object.kind));
                known.extend(deployed.map(|object| object.name.as_str()));
            }
            let what = new.section.trim_end_matches('s');
            let nowhere = set::unknown_name(what, &new.name, known.into_iter());
            self.nowhere(new.span, nowhere);
        }
    }

    fn manifests(&mut self, request: &Request<'_>) {
        if !request.manifests.is_empty() {
            for pattern in request.manifests {
                self.manifest("", pattern, None);
            }
            return;
        }
        let Some(scenario) = &self.loaded.scenario else { return };
        let patterns: Vec<Located<String>> =
            scenario.value.manifests.iter().flat_map(|list| list.0.clone()).collect();
        let base = self.loaded.base.clone();
        for pattern in patterns {
            self.manifest(&base, &pattern.value, Some(pattern.span));
        }
    }

    fn manifest(&mut self, base: &str, pattern: &str, asked: Option<Span>) {
        let paths = match pattern {
            "-" => vec!["-".to_owned()],
            _ => match self.files.expand(base, pattern) {
                Ok(paths) => paths,
                Err(error) => return self.unreadable(&error, asked),
            },
        };
        let applied = self.applied_files();
        let is_named = paths.len() == 1;
        for path in paths {
            if !is_named && applied.contains(&tidy(&path)) {
                let message = format!("`{path}` is applied by the timeline, so it is no part of the start");
                let mut finding = Diagnostic::info("MS0012", message);
                finding.span = asked;
                self.report(finding);
            } else if self.read.insert(tidy(&path)) {
                let objects = self.objects_of(&path, asked, is_named);
                self.loaded.objects.extend(objects);
            }
        }
    }

    /// Files that the timeline applies later. Found in a directory of manifests, they do not hold from the start.
    fn applied_files(&self) -> BTreeSet<String> {
        let Some(scenario) = &self.loaded.scenario else { return BTreeSet::new() };
        let entries = scenario.value.timeline.iter().flatten();
        let raws = entries.flat_map(|entry| entry.apply.iter().flat_map(|apply| &apply.0));
        let names = raws.filter_map(|raw| raw.value.0.as_str());
        names
            .flat_map(|name| self.files.expand(&self.loaded.base, name).unwrap_or_default())
            .map(|p| tidy(&p))
            .collect()
    }

    fn objects_of(&mut self, path: &str, asked: Option<Span>, is_named: bool) -> Vec<RawObject> {
        let Some(source) = self.text(path, asked) else { return Vec::new() };
        if yaml::split(&self.loaded.docs.sources.get(source).text).is_empty() {
            let span = Span { source, start: 0, end: 0 };
            let message = format!("`{path}` is empty");
            // Charts render to empty files where a part is switched off; a file that was named is a mistake.
            self.report(match is_named {
                true => Diagnostic::error("MS0002", message).at(span).help("name a file that holds objects"),
                false => Diagnostic::info("MS0002", message).at(span),
            });
        }
        let kept = std::mem::take(&mut self.loaded.objects);
        for (doc, value) in self.documents(source) {
            self.object(doc, value);
        }
        std::mem::replace(&mut self.loaded.objects, kept)
    }

    /// Files one document: an object, a list of them, or something else.
    fn object(&mut self, doc: DocId, value: Value) {
        if value.is_null() {
            return;
        }
        let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        if !value.is_mapping() || kind.is_empty() {
            let span = self.loaded.docs.span(doc, "");
            let like_one = ["apiVersion", "metadata", "spec"].iter().any(|key| value.get(*key).is_some());
            // Directories hold values.yaml, kustomization.yaml and the like; an object that lost its kind is a mistake.
            self.report(match like_one {
                true => Diagnostic::error("MS0009", "this object has no `kind`")
                    .at(span)
                    .help("write `kind: VirtualService`"),
                false => {
                    Diagnostic::warning("MS0009", "this is no Kubernetes object and is ignored").at(span)
                }
            });
            return;
        }
        if kind.ends_with("List")
            && let Some(items) = value.get("items").and_then(Value::as_sequence)
        {
            for (index, item) in items.iter().enumerate() {
                let mut root = "items".to_owned();
                push_index(&mut root, index);
                let doc = self.loaded.docs.add_item(doc, &root);
                self.object(doc, item.clone());
            }
            return;
        }
        self.loaded.counts.read += 1;
        *self.loaded.counts.by_kind.entry(kind.clone()).or_default() += 1;
        let metadata = |key: &str| Some(value.get("metadata")?.get(key)?.as_str()?.to_owned());
        let Some(name) = metadata("name").or_else(|| metadata("generateName")) else {
            // Tools' own files (`kind: Kustomization`) carry no name and are none of our objects.
            if value.get("metadata").is_some() || value.get("spec").is_some() {
                let span = self.loaded.docs.span(doc, "metadata");
                let message = format!("this {kind} has no name");
                self.report(
                    Diagnostic::error("IST0106", message).at(span).help("write `metadata: {name: ...}`"),
                );
            }
            return;
        };
        let namespace = metadata("namespace").filter(|namespace| !namespace.is_empty());
        self.loaded.objects.push(RawObject { api_version, kind, name, namespace, value, doc });
    }

    /// The object that a reference means among `objects`, the last one if it was written twice.
    fn find(&self, objects: &[RawObject], reference: &ObjectRef) -> Result<usize, Nowhere> {
        let home = self.loaded.namespace();
        let fits: Vec<usize> =
            (0..objects.len()).filter(|index| reference.means(&objects[*index], home)).collect();
        let spaces: BTreeSet<&str> =
            fits.iter().map(|index| objects[*index].namespace.as_deref().unwrap_or(home)).collect();
        if spaces.len() > 1 {
            let names: Vec<&str> = spaces.into_iter().collect();
            let message = format!("`{reference}` means several objects, in {}", names.join(", "));
            let help = format!("write `{}/{}/{}`", reference.kind, names[0], reference.name);
            return Err(Nowhere { message, help: Some(help) });
        }
        if let Some(last) = fits.last() {
            return Ok(*last);
        }
        let all: Vec<String> =
            objects.iter().map(|object| format!("{}/{}", object.kind, object.name)).collect();
        let wanted = format!("{}/{}", reference.kind, reference.name);
        let names = all.iter().map(String::as_str);
        let same_kind = names.clone().filter(|name| name.split('/').next() == Some(reference.kind.as_str()));
        let mut nowhere = set::unknown_name("object", &wanted, same_kind);
        if nowhere.help.is_none() {
            nowhere = set::unknown_name("object", &wanted, names);
        }
        Err(nowhere)
    }

    /// A copy of the object with the order carried out.
    fn changed(&mut self, object: &RawObject, placed: &PlacedOrder) -> Option<RawObject> {
        let mut copy = object.clone();
        match set::put(&mut copy.value, &placed.order.steps, &placed.order.value) {
            Ok(()) => {
                copy.doc = self.loaded.docs.add_patched(object.doc, &placed.order.path, placed.value_span());
                Some(copy)
            }
            Err(nowhere) => {
                self.nowhere(placed.path_span(), nowhere);
                None
            }
        }
    }

    fn set_object(&mut self, placed: &PlacedOrder) {
        let Some(reference) = &placed.order.object else { return };
        match self.find(&self.loaded.objects, reference) {
            Err(nowhere) => self.nowhere(placed.path_span(), nowhere),
            Ok(index) => {
                let object = self.loaded.objects[index].clone();
                if let Some(changed) = self.changed(&object, placed) {
                    self.loaded.objects[index] = changed;
                }
            }
        }
    }

    fn traces(&mut self) {
        let Some(scenario) = &self.loaded.scenario else { return };
        let loads = scenario.value.clients.iter().flat_map(|clients| clients.iter());
        let named: Vec<(String, Span)> = loads
            .filter_map(|(_, client)| match client.load.as_ref()? {
                Located { value: Load::Line(LoadText::Trace { file }), span } => Some((file.clone(), *span)),
                _ => None,
            })
            .collect();
        for (file, asked) in named {
            if self.loaded.traces.contains_key(&file) {
                continue;
            }
            let path = match (self.loaded.base.as_str(), file.starts_with('/')) {
                ("", _) | (_, true) => file.clone(),
                (base, false) => format!("{}/{file}", base.trim_end_matches('/')),
            };
            let Some(source) = self.text(&path, Some(asked)) else { continue };
            match arrivals::read_trace(&self.loaded.docs.sources.get(source).text) {
                Ok(births) => {
                    self.loaded.traces.insert(file, births);
                }
                Err(fault) => {
                    let span = Span { source, start: fault.range.start, end: fault.range.end };
                    let mut finding = Diagnostic::error("MS0005", fault.message).at(span);
                    finding.help = fault.help;
                    self.report(finding);
                }
            }
        }
    }

    /// Turns the timeline's entries into steps, each upon the state that the ones before it leave.
    fn timeline(&mut self) {
        let Some(scenario) = &self.loaded.scenario else { return };
        let doc = scenario.doc;
        let mut entries: Vec<(usize, TimelineEntry)> =
            scenario.value.timeline.iter().flatten().cloned().enumerate().collect();
        entries.sort_by_key(|(_, entry)| entry.at.as_ref().map(|at| at.value));
        let mut state = self.loaded.objects.clone();
        for (index, entry) in entries {
            let Some(at) = &entry.at else { continue };
            let at = SimTime::ZERO + at.value;
            let span = self.loaded.docs.span(doc, &format!("timeline[{index}]"));
            let label = entry.label.as_ref().map_or_else(|| label(&entry), |label| label.value.clone());
            let mut step = TimelineStep { at, label, span, apply: Vec::new(), delete: Vec::new() };
            for (position, raw) in entry.apply.iter().flat_map(|apply| &apply.0).enumerate() {
                let root = match &entry.apply {
                    Some(apply) if apply.0.len() > 1 => format!("timeline[{index}].apply[{position}]"),
                    _ => format!("timeline[{index}].apply"),
                };
                let objects = self.applied(doc, &root, raw);
                state.extend(objects.iter().cloned());
                step.apply.extend(objects);
            }
            self.delete(&entry, &mut state, &mut step);
            self.set_later(&entry, &mut state, &mut step);
            self.loaded.timeline.push(step);
        }
    }

    fn applied(&mut self, doc: DocId, root: &str, raw: &Located<Raw>) -> Vec<RawObject> {
        if let Some(pattern) = raw.value.0.as_str() {
            let base = self.loaded.base.clone();
            return match self.files.expand(&base, pattern) {
                Ok(paths) => {
                    paths.iter().flat_map(|path| self.objects_of(path, Some(raw.span), true)).collect()
                }
                Err(error) => {
                    self.unreadable(&error, Some(raw.span));
                    Vec::new()
                }
            };
        }
        let kept = std::mem::take(&mut self.loaded.objects);
        let counts = self.loaded.counts.clone();
        let item = self.loaded.docs.add_item(doc, root);
        self.object(item, raw.value.0.clone());
        self.loaded.counts = counts;
        std::mem::replace(&mut self.loaded.objects, kept)
    }

    fn delete(&mut self, entry: &TimelineEntry, state: &mut Vec<RawObject>, step: &mut TimelineStep) {
        let home = self.loaded.namespace().to_owned();
        for name in entry.delete.iter().flat_map(|delete| &delete.0) {
            // A name that does not parse was reported when the scenario was checked.
            let Ok(reference) = ObjectRef::parse(&name.value) else { continue };
            match self.find(state, &reference) {
                Err(nowhere) => self.nowhere(name.span, nowhere),
                Ok(index) => {
                    let gone = state[index].reference();
                    state.retain(|object| !reference.means(object, &home));
                    step.delete.push(gone);
                }
            }
        }
    }

    fn set_later(&mut self, entry: &TimelineEntry, state: &mut [RawObject], step: &mut TimelineStep) {
        for text in entry.set.iter().flat_map(|set| &set.0) {
            let order = match Order::parse(&text.value) {
                Ok(order) => order,
                Err(fault) => {
                    self.fault(text.span, &text.value, fault);
                    continue;
                }
            };
            let Some(reference) = order.object.clone() else {
                let message =
                    format!("`{}` belongs to the scenario, which holds for the whole run", order.path);
                let help = "a timeline changes objects: `Deployment/reviews-v2:spec.replicas=4`; what befalls pods goes under `incidents`";
                self.report(Diagnostic::error("MS0012", message).at(text.span).help(help));
                continue;
            };
            let offset = self.loaded.docs.sources.slice(text.span).find(&text.value);
            let placed = PlacedOrder {
                order,
                source: text.span.source,
                offset: text.span.start + offset.unwrap_or(0),
            };
            match self.find(state, &reference) {
                Err(nowhere) => self.nowhere(text.span, nowhere),
                Ok(index) => {
                    let object = state[index].clone();
                    if let Some(changed) = self.changed(&object, &placed) {
                        step.apply.retain(|other| other.reference() != changed.reference());
                        step.apply.push(changed.clone());
                        state[index] = changed;
                    }
                }
            }
        }
    }
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

fn label(entry: &TimelineEntry) -> String {
    let mut parts = Vec::new();
    for raw in entry.apply.iter().flat_map(|apply| &apply.0) {
        let word = |key: &str| raw.value.0.get(key).and_then(Value::as_str);
        let name =
            raw.value.0.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
        parts.push(match (raw.value.0.as_str(), word("kind"), name) {
            (Some(file), _, _) => format!("apply {file}"),
            (None, Some(kind), Some(name)) => format!("apply {kind}/{name}"),
            _ => "apply".to_owned(),
        });
    }
    parts.extend(
        entry.delete.iter().flat_map(|delete| &delete.0).map(|name| format!("delete {}", name.value)),
    );
    parts.extend(entry.set.iter().flat_map(|set| &set.0).map(|order| format!("set {}", order.value)));
    parts.join(", ")
}

fn directory(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash.max(1)])
}

/// The same file under one name: `./a//b/../c` is `a/c`.
fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
