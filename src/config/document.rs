//! Documents and the objects in them, each with its way back to the text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::diagnostic::{Diagnostic, SourceId, Span};
use super::path::{self, push_index, push_key};
use super::source::Sources;
use super::span::SpanIndex;

/// One object (a document, an item of a `List`, or a patched copy of one), by its place in [`Docs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocId(u32);

/// All texts and where each object stands in them.
#[derive(Debug, Default)]
pub struct Docs {
    pub sources: Sources,
    pieces: Vec<Piece>,
    rows: Vec<Doc>,
}

/// One YAML document: a stretch of text between `---` lines.
#[derive(Debug)]
struct Piece {
    source: SourceId,
    range: Range<usize>,
    /// Built when the first finding asks.
    index: OnceLock<SpanIndex>,
}

#[derive(Clone, Debug)]
struct Doc {
    piece: usize,
    /// Path of the object within its piece: empty, or `items[3]`.
    root: String,
    /// Values that `--set` or a timeline `set:` put here, with the place of the order.
    patched: BTreeMap<String, Span>,
}

/// A document with its typed content.
#[derive(Clone, Debug)]
pub struct Document<T> {
    pub doc: DocId,
    pub value: T,
}

impl Docs {
    /// Registers a stretch of text as one document. The text must have been decoded already.
    pub fn add(&mut self, source: SourceId, range: Range<usize>) -> DocId {
        self.pieces.push(Piece { source, range, index: OnceLock::new() });
        self.push(Doc { piece: self.pieces.len() - 1, root: String::new(), patched: BTreeMap::new() })
    }

    /// Registers an object inside a document.
    pub fn add_item(&mut self, doc: DocId, root: &str) -> DocId {
        let piece = self.row(doc).piece;
        self.push(Doc { piece, root: root.to_owned(), patched: BTreeMap::new() })
    }

    /// Registers a copy of an object in which `path` was set by the text at `by`.
    pub fn add_patched(&mut self, doc: DocId, path: &str, by: Span) -> DocId {
        let mut copy = self.row(doc).clone();
        copy.patched.insert(path.to_owned(), by);
        self.push(copy)
    }

    /// Notes that `path` of this object was set by the text at `by`.
    pub fn note_patch(&mut self, doc: DocId, path: &str, by: Span) {
        self.rows[doc.0 as usize].patched.insert(path.to_owned(), by);
    }

    fn push(&mut self, row: Doc) -> DocId {
        self.rows.push(row);
        DocId(u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 objects"))
    }

    fn row(&self, doc: DocId) -> &Doc {
        &self.rows[doc.0 as usize]
    }

    pub fn source(&self, doc: DocId) -> SourceId {
        self.pieces[self.row(doc).piece].source
    }

    /// Where the value at `path` stands (`spec.http[0].route[1].weight`), else its nearest parent. An empty path means
    /// the object: its `kind` line.
    pub fn span(&self, doc: DocId, path: &str) -> Span {
        let path = if path.is_empty() { "kind" } else { path };
        self.look_up(doc, path, SpanIndex::value)
    }

    /// Where the key that ends `path` stands; for a list item, the item itself.
    pub fn key_span(&self, doc: DocId, path: &str) -> Span {
        self.look_up(doc, path, SpanIndex::key)
    }

    fn look_up(&self, doc: DocId, path: &str, find: fn(&SpanIndex, &str) -> Range<usize>) -> Span {
        let row = self.row(doc);
        let mut above = Some(path);
        while let Some(at) = above {
            if let Some(by) = row.patched.get(at) {
                return *by;
            }
            above = path::parent(at);
        }
        let piece = &self.pieces[row.piece];
        let text = &self.sources.get(piece.source).text[piece.range.clone()];
        let index = piece.index.get_or_init(|| SpanIndex::new(text));
        let full = match (row.root.is_empty(), path.is_empty() || path.starts_with('[')) {
            (true, _) => path.to_owned(),
            (false, true) => format!("{}{path}", row.root),
            (false, false) => format!("{}.{path}", row.root),
        };
        let range = find(index, &full);
        let base = piece.range.start;
        Span { source: piece.source, start: base + range.start, end: base + range.end }
    }
}

/// One Kubernetes or Istio object as written, before its kind is looked at.
#[derive(Clone, Debug)]
pub struct RawObject {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    /// As written; `None` means the scenario's `namespace`.
    pub namespace: Option<String>,
    pub value: Value,
    pub doc: DocId,
}

impl RawObject {
    /// The part of `apiVersion` before the slash: `networking.istio.io`; empty for core kinds (`v1`).
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The name by which the timeline and `--set` know it.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef { kind: self.kind.clone(), namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// `Kind/name` or `Kind/namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    pub kind: String,
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectRef {
    /// Errors say how it should be written.
    pub fn parse(text: &str) -> Result<ObjectRef, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] => (kind, None, name),
            [kind, namespace, name] => (kind, Some(namespace.to_owned()), name),
            _ => return Err(format!("`{text}` names no object; write `Kind/name` or `Kind/namespace/name`")),
        };
        if kind.is_empty() || name.is_empty() || namespace.as_deref() == Some("") {
            return Err(format!("`{text}` names no object; write `Kind/name` or `Kind/namespace/name`"));
        }
        Ok(ObjectRef { kind: kind.to_owned(), namespace, name: name.to_owned() })
    }

    /// Whether it means this object, given the namespace of objects that name none.
    pub fn means(&self, object: &RawObject, default_namespace: &str) -> bool {
        let home = object.namespace.as_deref().unwrap_or(default_namespace);
        self.kind == object.kind
            && self.name == object.name
            && self.namespace.as_deref().is_none_or(|namespace| namespace == home)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// Decodes one object into its type. A value of the wrong type is an error (`None` comes back), a field that the type
/// does not have is a warning (`MS0003`): clusters carry newer definitions than ours.
pub fn decode<T: DeserializeOwned>(
    object: &RawObject,
    docs: &Docs,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&object.value, &mut track);
    let result = serde_ignored::deserialize(tracked, |path| unknown.push(ignored_path(&path)));
    for path in unknown {
        let name = last_word(&path);
        diagnostics.push(
            Diagnostic::warning("MS0003", format!("unknown field `{name}` is ignored"))
                .at(docs.key_span(object.doc, &path))
                .label(format!("{} has no such field", object.kind)),
        );
    }
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let path = error_path(&track.path());
            let span = docs.span(object.doc, &path);
            let message = without_place(&error.to_string());
            let (message, help) = in_users_words(&message, last_word(&path));
            let mut diagnostic = Diagnostic::error("IST0106", message).at(span);
            diagnostic.help = help;
            diagnostics.push(diagnostic);
            None
        }
    }
}

fn last_word(path: &str) -> &str {
    match path::parent(path) {
        Some(above) => path[above.len()..].trim_matches(['.', '[', ']', '"']),
        None => path,
    }
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    fn walk(path: &serde_ignored::Path<'_>, out: &mut String) {
        use serde_ignored::Path;
        match path {
            Path::Root => {}
            Path::Seq { parent, index } => {
                walk(parent, out);
                push_index(out, *index);
            }
            Path::Map { parent, key } => {
                walk(parent, out);
                push_key(out, key);
            }
            Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
                walk(parent, out);
            }
        }
    }
    let mut out = String::new();
    walk(path, &mut out);
    out
}

fn error_path(path: &serde_path_to_error::Path) -> String {
    let mut out = String::new();
    for segment in path.iter() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => push_index(&mut out, *index),
            serde_path_to_error::Segment::Map { key } => push_key(&mut out, key),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {}
        }
    }
    out
}

fn without_place(text: &str) -> String {
    let text = text.split_once(" at line ").map_or(text, |(before, _)| before);
    text.to_owned()
}

/// serde's sentences, turned into the user's words.
fn in_users_words(text: &str, field: &str) -> (String, Option<String>) {
    let Some((found, wanted)) = text.strip_prefix("invalid type: ").and_then(|t| t.split_once(", expected "))
    else {
        return (text.to_owned(), None);
    };
    let wanted = match wanted.split_once(' ') {
        Some(("struct" | "enum", _)) => "a mapping",
        _ => match wanted {
            "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize" => "a whole number",
            "f32" | "f64" => "a number",
            "a string" | "string" => "text",
            "a map" => "a mapping",
            "a sequence" => "a list",
            "a boolean" => "true or false",
            other => other,
        },
    };
    let found = match found.split_once(' ') {
        Some(("integer" | "floating", value)) => format!("the number {}", value.trim_start_matches("point ")),
        Some(("string", value)) => format!("the text {}", value.replace('"', "`")),
        Some(("boolean", value)) => value.to_owned(),
        _ => match found {
            "map" => "a mapping".to_owned(),
            "sequence" => "a list".to_owned(),
            "unit value" => "nothing".to_owned(),
            other => other.to_owned(),
        },
    };
    let help = (wanted == "text" && found.starts_with(['`', 't', 'f']) && !found.starts_with("the text"))
        .then(|| "put it in quotes".to_owned());
    (format!("`{field}` must be {wanted}, and this is {found}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    fn object(text: &str) -> (Docs, RawObject) {
        let mut docs = Docs::default();
        let source = docs.sources.add_file("a.yaml", b"", text.to_owned());
        let doc = docs.add(source, 0..text.len());
        let value = yaml::decode(text).unwrap();
        let word = |key: &str| value[key].as_str().unwrap_or("").to_owned();
        let object = RawObject {
            api_version: word("apiVersion"),
            kind: word("kind"),
            name: "x".to_owned(),
            namespace: None,
            value,
            doc,
        };
        (docs, object)
    }

    #[derive(serde::Deserialize, Debug)]
    struct Route {
        #[expect(dead_code, reason = "only its decoding matters here")]
        weight: Option<u32>,
    }

    #[derive(serde::Deserialize, Debug)]
    struct Kind {
        #[expect(dead_code, reason = "only its decoding matters here")]
        kind: String,
        spec: Option<Vec<Route>>,
    }

    #[test]
    fn unknown_fields_are_warnings_with_their_place() {
        let (docs, object) = object("kind: K\nspec:\n- weight: 1\n  wieght: 2\n");
        let mut findings = Vec::new();
        let kind: Kind = decode(&object, &docs, &mut findings).unwrap();
        assert_eq!(kind.spec.unwrap().len(), 1);
        assert_eq!(findings[0].code, "MS0003");
        assert_eq!(docs.sources.slice(findings[0].span.unwrap()), "wieght");
    }

    #[test]
    fn wrong_types_are_errors_in_plain_words() {
        let (docs, object) = object("kind: K\nspec:\n- weight: 1\n- weight: many\n");
        let mut findings = Vec::new();
        assert!(decode::<Kind>(&object, &docs, &mut findings).is_none());
        assert_eq!(findings[0].message, "`weight` must be a whole number, and this is the text `many`");
        assert_eq!(docs.sources.slice(findings[0].span.unwrap()), "many");
    }

    #[test]
    fn patched_values_point_at_the_order() {
        let (mut docs, object) = object("kind: K\nspec:\n- weight: 1\n");
        let argument = docs.sources.add_argument("--set", "K/x:spec[0].weight=7");
        let by = Span { source: argument, start: 19, end: 20 };
        let copy = docs.add_patched(object.doc, "spec[0].weight", by);
        assert_eq!(docs.sources.slice(docs.span(copy, "spec[0].weight")), "7");
        assert_eq!(docs.sources.slice(docs.span(object.doc, "spec[0].weight")), "1");
    }

    #[test]
    fn object_references_have_two_or_three_parts() {
        assert_eq!(ObjectRef::parse("Service/reviews").unwrap().namespace, None);
        assert_eq!(ObjectRef::parse("Service/shop/reviews").unwrap().to_string(), "Service/shop/reviews");
        assert!(ObjectRef::parse("reviews").is_err());
        assert!(ObjectRef::parse("Service//reviews").is_err());
    }
}
