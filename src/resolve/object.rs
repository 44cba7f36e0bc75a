//! Objects in their typed form, with what identifies and orders them.

use std::cmp::Ordering;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::note::Notes;
use crate::config::decode::decode;
use crate::config::diagnostic::{Diagnostic, Severity, Span};
use crate::config::document::{DocId, RawObject};
use crate::config::istio::finding::Finding;
use crate::config::istio::values::Labels;
use crate::config::istio::{self, Unmodelled};

/// A decoded object.
#[derive(Clone, Debug)]
pub struct Object<T> {
    pub kind: &'static str,
    pub name: String,
    pub namespace: String,
    pub labels: Labels,
    pub annotations: Labels,
    /// Which state of the timeline first had it, and its `creationTimestamp`: files mostly have none, and what the
    /// timeline brings is younger than all that was there.
    pub created: (usize, String),
    pub doc: DocId,
    pub spec: T,
}

/// What all objects have. Fields that say nothing here are listed, as values and not as `IgnoredAny`, which would count
/// as unknown fields.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Envelope<T: Default + DeserializeOwned> {
    api_version: Option<Value>,
    kind: Option<Value>,
    #[serde(bound = "")]
    metadata: Metadata,
    #[serde(bound = "")]
    spec: T,
    status: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    labels: Option<Value>,
    annotations: Labels,
    creation_timestamp: Option<String>,
    name: Option<Value>,
    namespace: Option<Value>,
    generate_name: Option<Value>,
    uid: Option<Value>,
    resource_version: Option<Value>,
    generation: Option<Value>,
    managed_fields: Option<Value>,
    self_link: Option<Value>,
    finalizers: Option<Value>,
    owner_references: Option<Value>,
    deletion_timestamp: Option<Value>,
    deletion_grace_period_seconds: Option<Value>,
}

/// How objects of one kind are read and checked.
pub struct Reading<T> {
    pub kind: &'static str,
    pub validate: fn(&T) -> Vec<Finding>,
    pub not_modelled: fn(&T) -> Vec<Unmodelled>,
    /// Kinds that hold far more than traffic needs: unknown fields are none of our business.
    pub open: bool,
}

impl<T: Default + DeserializeOwned> Reading<T> {
    /// Decodes and checks one object; `None` if it is too broken to use, which an error says.
    pub fn read(
        &self,
        raw: &RawObject,
        default_namespace: &str,
        state: usize,
        notes: &mut Notes<'_>,
    ) -> Option<Object<T>> {
        let mut found = Vec::new();
        let envelope: Option<Envelope<T>> = decode(raw, notes.docs, &mut found);
        if self.open {
            found.retain(|diagnostic| diagnostic.severity == Severity::Error);
        }
        for diagnostic in found {
            notes.report(diagnostic);
        }
        let envelope = envelope?;
        let object = Object {
            kind: self.kind,
            name: raw.name.clone(),
            namespace: raw.namespace.clone().unwrap_or_else(|| default_namespace.to_owned()),
            labels: envelope
                .metadata
                .labels
                .and_then(|labels| serde_yaml::from_value(labels).ok())
                .unwrap_or_default(),
            annotations: envelope.metadata.annotations,
            created: (state, envelope.metadata.creation_timestamp.unwrap_or_default()),
            doc: raw.doc,
            spec: envelope.spec,
        };
        self.check_version(raw, notes);
        for finding in (self.validate)(&object.spec) {
            let mut diagnostic = match finding.severity {
                Severity::Error => Diagnostic::error(finding.code, finding.message),
                Severity::Warning => Diagnostic::warning(finding.code, finding.message),
                Severity::Info => Diagnostic::info(finding.code, finding.message),
            }
            .at(notes.docs.span(raw.doc, &finding.path));
            diagnostic.help = finding.help;
            notes.report(diagnostic);
        }
        for entry in (self.not_modelled)(&object.spec) {
            notes.not_modelled(&object.title(), notes.docs.key_span(raw.doc, &entry.path), entry.what);
        }
        Some(object)
    }

    fn check_version(&self, raw: &RawObject, notes: &mut Notes<'_>) {
        let Some(row) = istio::kind(&raw.api_version, &raw.kind) else { return };
        if !row.has_version(&raw.api_version) {
            let known: Vec<String> =
                row.versions.iter().map(|version| group_version(row.group, version)).collect();
            notes.report(
                Diagnostic::error("MS0004", format!("{} has no version `{}`", row.kind, raw.api_version))
                    .at(notes.docs.span(raw.doc, "apiVersion"))
                    .help(format!("write {}", known.join(" or "))),
            );
        }
    }
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { format!("`{version}`") } else { format!("`{group}/{version}`") }
}

impl<T> Object<T> {
    /// `VirtualService default/reviews`.
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    pub fn span(&self, notes: &Notes<'_>, path: &str) -> Span {
        notes.docs.span(self.doc, path)
    }

    /// The older object first; equal ages by name, then namespace. Source: semantics S2.2.
    pub fn by_age(&self, other: &Object<T>) -> Ordering {
        let key =
            |object: &Object<T>| (object.created.clone(), object.name.clone(), object.namespace.clone());
        key(self).cmp(&key(other))
    }
}

/// Whether an object of `owner` namespace that lists these namespaces is visible from `client`. Source: semantics S2.2.
pub fn is_exported(export_to: &[String], owner: &str, client: &str) -> bool {
    export_to.is_empty()
        || export_to.iter().any(|to| to == "*" || to == client || (to == "." && owner == client))
}

/// Whether labels hold all that a selector asks for.
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_exports_to_the_own_namespace() {
        let to = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert!(is_exported(&[], "a", "b"));
        assert!(is_exported(&to(&["."]), "a", "a"));
        assert!(!is_exported(&to(&["."]), "a", "b"));
        assert!(is_exported(&to(&[".", "b"]), "a", "b"));
    }
}
