//! Documents and the objects in them, each with its way back to the text.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use serde_yaml::Value;

use super::diagnostic::{SourceId, Span};
use super::path;
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
    /// Values that `--set` or a timeline `set:` put here.
    patched: BTreeMap<String, Patch>,
}

/// Where the order stands that has set a value.
#[derive(Clone, Copy, Debug)]
pub struct Patch {
    pub path: Span,
    pub value: Span,
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

    /// Registers a copy of an object in which `path` was set by an order.
    pub fn add_patched(&mut self, doc: DocId, path: &str, by: Patch) -> DocId {
        let mut copy = self.row(doc).clone();
        copy.patched.insert(path.to_owned(), by);
        self.push(copy)
    }

    /// Notes that `path` of this object was set by an order.
    pub fn note_patch(&mut self, doc: DocId, path: &str, by: Patch) {
        self.rows[doc.0 as usize].patched.insert(path.to_owned(), by);
    }

    /// Whether the value at `path`, or one that holds it, was set by an order.
    pub fn is_patched(&self, doc: DocId, path: &str) -> bool {
        let patched = &self.row(doc).patched;
        std::iter::successors(Some(path), |path| path::parent(path)).any(|path| patched.contains_key(path))
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
        self.look_up(doc, path, SpanIndex::value, |patch| patch.value)
    }

    /// Where the key that ends `path` stands; for a list item, the item itself.
    pub fn key_span(&self, doc: DocId, path: &str) -> Span {
        // A key within a value that was set stands in that value.
        let is_whole = self.row(doc).patched.contains_key(path);
        self.look_up(doc, path, SpanIndex::key, |patch| if is_whole { patch.path } else { patch.value })
    }

    fn look_up(
        &self,
        doc: DocId,
        path: &str,
        find: fn(&SpanIndex, &str) -> Range<usize>,
        patched: impl Fn(&Patch) -> Span,
    ) -> Span {
        let row = self.row(doc);
        let mut above = Some(path);
        while let Some(at) = above {
            if let Some(by) = row.patched.get(at) {
                return patched(by);
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

/// How many objects were read, by kind; which of them are used is told by who uses them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    pub read: usize,
    pub by_kind: BTreeMap<String, usize>,
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::yaml;

    /// One object, with the documents that it is in.
    pub(in crate::config) fn object(text: &str) -> (Docs, RawObject) {
        let mut docs = Docs::default();
        let source = docs.sources.add_text("a.yaml", text.to_owned());
        let doc = docs.add(source, 0..text.len());
        let value = yaml::decode(text).expect("it is there");
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

    #[test]
    fn patched_values_point_at_the_order() {
        let (mut docs, object) = object("kind: K\nspec:\n- weight: 1\n");
        let argument = docs.sources.add_argument("--set", "K/x:spec[0].weight=7");
        let at = |range: Range<usize>| Span { source: argument, start: range.start, end: range.end };
        let copy =
            docs.add_patched(object.doc, "spec[0].weight", Patch { path: at(4..18), value: at(19..20) });
        assert_eq!(docs.sources.slice(docs.span(copy, "spec[0].weight")), "7");
        assert_eq!(docs.sources.slice(docs.key_span(copy, "spec[0].weight")), "spec[0].weight");
        assert_eq!(docs.sources.slice(docs.key_span(copy, "spec[0].weight.within")), "7");
        assert_eq!(docs.sources.slice(docs.span(object.doc, "spec[0].weight")), "1");
    }

    #[test]
    fn object_references_have_two_or_three_parts() {
        assert_eq!(ObjectRef::parse("Service/reviews").expect("it is there").namespace, None);
        assert_eq!(
            ObjectRef::parse("Service/shop/reviews").expect("it is there").to_string(),
            "Service/shop/reviews"
        );
        assert!(ObjectRef::parse("reviews").is_err());
        assert!(ObjectRef::parse("Service//reviews").is_err());
    }
}
