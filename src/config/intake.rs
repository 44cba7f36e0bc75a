//! From names of files to objects: reads texts, splits them into documents, unpacks lists. What is wrong is collected,
//! and nothing stops before the rest has been looked at.

use serde_yaml::Value;

use super::diagnostic::{Diagnostic, SourceId, Span};
use super::document::{DocId, Docs, ObjectCounts, RawObject};
use super::files::{Files, ReadError};
use super::path::push_index;
use super::yaml::{self, ProblemKind};

/// All that has been read so far, and what was wrong with it.
pub(super) struct Intake<'a> {
    files: &'a dyn Files,
    /// The directory that the scenario's own paths start from; empty: the working directory.
    pub base: String,
    pub docs: Docs,
    pub counts: ObjectCounts,
    pub diagnostics: Vec<Diagnostic>,
}

impl<'a> Intake<'a> {
    pub fn new(files: &'a dyn Files) -> Intake<'a> {
        let (docs, counts) = (Docs::default(), ObjectCounts::default());
        Intake { files, base: String::new(), docs, counts, diagnostics: Vec::new() }
    }

    pub fn report(&mut self, finding: Diagnostic) {
        self.diagnostics.push(finding);
    }

    /// The files that a pattern means, none after a finding; `asked` is the place that names them.
    pub fn expand(&mut self, base: &str, pattern: &str, asked: Option<Span>) -> Vec<String> {
        match self.files.expand(base, pattern) {
            Ok(paths) => paths,
            Err(error) => {
                self.unreadable(&error, asked);
                Vec::new()
            }
        }
    }

    /// The same, where it does not matter yet whether there are any.
    pub fn expand_quietly(&self, pattern: &str) -> Vec<String> {
        self.files.expand(&self.base, pattern).unwrap_or_default()
    }

    /// Reads a text; `None` after a finding. `asked` is the place that names it.
    pub fn text(&mut self, path: &str, asked: Option<Span>) -> Option<SourceId> {
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
            let source = self.docs.sources.add_binary(path, &bytes);
            let help = "give YAML or JSON files, in UTF-8, with line feeds at the ends of lines";
            self.report(Diagnostic::error("MS0002", message).at(start_of(source)).help(help));
            return None;
        }
        let text = String::from_utf8(bytes).expect("checked to be UTF-8");
        Some(self.docs.sources.add_text(path, text))
    }

    fn unreadable(&mut self, error: &ReadError, asked: Option<Span>) {
        let mut finding =
            Diagnostic::error("MS0002", format!("cannot read `{}`: {}", error.path, error.reason));
        finding.span = asked;
        finding.help = Some(match asked {
            Some(_) if self.base.is_empty() => "paths start from the scenario's directory".to_owned(),
            Some(_) => format!("paths in the scenario start from its own directory, `{}`", self.base),
            None => "name a file that exists and may be read".to_owned(),
        });
        self.report(finding);
    }

    /// Whether a text holds nothing but comments.
    pub fn is_empty(&self, source: SourceId) -> bool {
        yaml::split(&self.docs.sources.get(source).text).is_empty()
    }

    /// Decodes the documents of a text; broken ones are reported and left out.
    pub fn documents(&mut self, source: SourceId) -> Vec<(DocId, Value)> {
        let text = &self.docs.sources.get(source).text;
        let decode = |range: std::ops::Range<usize>| (range.clone(), yaml::decode(&text[range]));
        let decoded: Vec<_> = yaml::split(text).into_iter().map(decode).collect();
        let mut documents = Vec::new();
        for (range, decoded) in decoded {
            match decoded {
                Ok(value) => documents.push((self.docs.add(source, range), value)),
                Err(problem) => {
                    let start = range.start + problem.range.start;
                    let span = Span { source, start, end: start + problem.range.len() };
                    let finding = Diagnostic::error(code_of(problem.kind), problem.message).at(span);
                    self.report(finding.help_if(problem.help));
                }
            }
        }
        documents
    }

    /// The objects of a file. One that a user named has to hold some.
    pub fn objects_of(&mut self, path: &str, asked: Option<Span>, is_named: bool) -> Vec<RawObject> {
        let Some(source) = self.text(path, asked) else { return Vec::new() };
        if self.is_empty(source) {
            let message = format!("`{path}` is empty");
            // Charts render to empty files where a part is switched off; a file that was named is a mistake.
            self.report(match is_named {
                true => Diagnostic::error("MS0002", message)
                    .at(start_of(source))
                    .help("name a file that holds objects"),
                false => Diagnostic::info("MS0002", message).at(start_of(source)),
            });
        }
        let mut objects = Vec::new();
        for (doc, value) in self.documents(source) {
            self.file_away(doc, value, &mut objects);
        }
        objects
    }

    /// Files one document: an object, a list of them, or something else.
    pub fn file_away(&mut self, doc: DocId, value: Value, objects: &mut Vec<RawObject>) {
        if value.is_null() {
            return;
        }
        let kind = word(&value, "kind");
        if !value.is_mapping() || kind.is_empty() {
            return self.no_object(doc, &value);
        }
        if kind.ends_with("List")
            && let Some(items) = value.get("items").and_then(Value::as_sequence)
        {
            for (index, item) in items.iter().enumerate() {
                let mut root = "items".to_owned();
                push_index(&mut root, index);
                let doc = self.docs.add_item(doc, &root);
                self.file_away(doc, item.clone(), objects);
            }
            return;
        }
        self.counts.read += 1;
        *self.counts.by_kind.entry(kind.clone()).or_default() += 1;
        let metadata = |key: &str| Some(value.get("metadata")?.get(key)?.as_str()?.to_owned());
        let Some(name) = metadata("name").or_else(|| metadata("generateName")) else {
            return self.nameless(doc, &kind, &value);
        };
        let namespace = metadata("namespace").filter(|namespace| !namespace.is_empty());
        let api_version = word(&value, "apiVersion");
        objects.push(RawObject { api_version, kind, name, namespace, value, doc });
    }

    fn no_object(&mut self, doc: DocId, value: &Value) {
        let span = self.docs.span(doc, "");
        let like_one = ["apiVersion", "metadata", "spec"].iter().any(|key| value.get(*key).is_some());
        // Directories hold values.yaml, kustomization.yaml and the like; an object that lost its kind is a mistake.
        self.report(match like_one {
            true => Diagnostic::error("MS0009", "this object has no `kind`")
                .at(span)
                .help("write `kind: VirtualService`"),
            false => Diagnostic::warning("MS0009", "this is no Kubernetes object and is ignored").at(span),
        });
    }

    fn nameless(&mut self, doc: DocId, kind: &str, value: &Value) {
        // Tools' own files (`kind: Kustomization`) carry no name and are none of our objects.
        if value.get("metadata").is_some() || value.get("spec").is_some() {
            let (place, message, help) = match value.get("metadata").and_then(|metadata| metadata.get("name"))
            {
                Some(name) if !name.is_null() => {
                    ("metadata.name", format!("the name of this {kind} is no text"), "put it in quotes")
                }
                _ => ("metadata", format!("this {kind} has no name"), "write `metadata: {name: ...}`"),
            };
            let span = self.docs.span(doc, place);
            self.report(Diagnostic::error("IST0106", message).at(span).help(help));
        }
    }
}

/// The place of a text that is wrong as a whole.
pub(super) fn start_of(source: SourceId) -> Span {
    Span { source, start: 0, end: 0 }
}

fn word(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or("").to_owned()
}

fn code_of(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Syntax => "MS0001",
        ProblemKind::Template => "MS0006",
        ProblemKind::Limit => "MS0008",
    }
}
