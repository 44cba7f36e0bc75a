//! Reads the collection of real files beside the repository, where there is one: everything decodes without a
//! panic, and what is not marked as wrong decodes without an error. Held apart because it is a test of all kinds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::finding::Finding;
use super::*;

/// What one document gave: the decode error, or the findings.
type Outcome = Result<Vec<Finding>, String>;

fn decode<T: DeserializeOwned>(spec: Value, check: impl Fn(&T) -> Vec<Finding>) -> Outcome {
    match serde_path_to_error::deserialize::<_, T>(spec) {
        Ok(spec) => Ok(check(&spec)),
        Err(error) => Err(error.to_string()),
    }
}

/// `None`: the document is of no kind that this test is about.
fn outcome(document: &Value) -> Option<Outcome> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or("");
    let spec = document.get("spec").cloned().unwrap_or(Value::Mapping(Default::default()));
    let row = kind(text("apiVersion"), text("kind"))?;
    match (row.kind, row.group) {
        ("VirtualService", _) => Some(decode(spec, |spec| {
            virtual_service_rules::not_modelled(spec);
            virtual_service_rules::validate(spec)
        })),
        ("DestinationRule", _) => Some(decode(spec, |spec| {
            destination_rule_rules::not_modelled(spec);
            destination_rule_rules::validate(spec)
        })),
        ("Gateway", "networking.istio.io") => Some(decode(spec, |spec| {
            gateway::not_modelled(spec);
            gateway::validate(spec)
        })),
        ("ServiceEntry", _) => Some(decode(spec, |spec| {
            service_entry::not_modelled(spec);
            service_entry::validate(spec)
        })),
        ("PeerAuthentication", _) => Some(decode(spec, peer_authentication::validate)),
        ("Service", _) => Some(decode(spec, kubernetes::validate_service)),
        ("Deployment" | "StatefulSet" | "ReplicaSet", _) => {
            Some(decode(spec, kubernetes::validate_controller))
        }
        _ => None,
    }
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, into);
        } else if path
            .extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "golden")
        {
            into.push(path);
        }
    }
}

/// Files that the collection's list marks as breaking the schema.
fn marked(root: &Path) -> BTreeSet<String> {
    let list = std::fs::read_to_string(root.join("MANIFEST.md")).unwrap_or_default();
    let mut folder = String::new();
    let mut marked = BTreeSet::new();
    for line in list.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            folder = title.split_whitespace().next().unwrap_or("").trim_end_matches('/').to_owned();
        } else if line.contains("**SCHEMA")
            && let Some(file) = line.split('|').nth(1)
        {
            marked.insert(format!("{folder}/{}", file.trim()));
        }
    }
    marked
}

/// Where the collection is: beside the repository, or one folder further up where several copies of it stand side by
/// side.
pub fn root() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().skip(1).take(2).map(|folder| folder.join("shared/corpus")).find(|path| path.is_dir())
}

#[test]
fn every_real_document_decodes() {
    let Some(root) = root() else {
        eprintln!("skipped: the collection of real files is not there");
        return;
    };
    let (marked, mut paths) = (marked(&root), Vec::new());
    files(&root, &mut paths);
    let (mut documents, mut wrong) = (0, Vec::new());
    for path in &paths {
        let name = path.strip_prefix(&root).unwrap_or(path).display().to_string();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for part in format!("\n{text}").split("\n---") {
            // The rest of a separator's line may hold a comment; what does not parse is the reader's matter.
            let Ok(mut document) = serde_yaml::from_str::<Value>(part) else { continue };
            if document.apply_merge().is_err() {
                continue;
            }
            let Some(outcome) = outcome(&document) else { continue };
            documents += 1;
            // A page's fragment without rules, and templates whose placeholders nobody has filled in.
            let fragment =
                name.ends_with("tasks/concepts__traffic-management-10.yaml") || text.contains("$(");
            let template = fragment || text.contains("$MY_");
            // Names in `sniHosts` that the hosts do not hold: the webhook refuses one file, and never sees the other,
            // which istiod makes for itself of a Gateway API route.
            let foreign_names = name.ends_with("istio/multipleVirtualsvc.yaml")
                || text.contains("internal.istio.io/route-semantics: gateway");
            let forgiven = name.starts_with("invalid/") || marked.contains(&name) || foreign_names;
            match outcome {
                Err(error) if !forgiven => wrong.push(format!("{name}: {error}")),
                Ok(findings) if !forgiven && !template => {
                    wrong.extend(
                        findings
                            .iter()
                            .filter(|finding| finding.severity == crate::config::diagnostic::Severity::Error)
                            .map(|finding| format!("{name}: {}: {}", finding.path, finding.message)),
                    );
                }
                _ => {}
            }
        }
    }
    assert!(documents > 500, "only {documents} documents were found");
    assert!(wrong.is_empty(), "{} of {documents}:\n{}", wrong.len(), wrong.join("\n"));
}
