//! Resolves the collection of real files beside the repository, where there is one: folder by folder, without a
//! scenario, nothing panics, and every finding has a place that exists.

use std::path::{Path, PathBuf};

use super::mesh;
use super::test_support::Texts;
use crate::config::istio::corpus;
use crate::config::load::{Request, load};

fn folders(folder: &Path, into: &mut Vec<(PathBuf, Vec<PathBuf>)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_yaml = |path: &&PathBuf| {
        path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "golden")
    };
    let files: Vec<PathBuf> = paths.iter().filter(is_yaml).cloned().collect();
    if !files.is_empty() {
        into.push((folder.to_owned(), files));
    }
    for path in paths.iter().filter(|path| path.is_dir()) {
        folders(path, into);
    }
}

#[test]
fn every_real_folder_resolves() {
    let Some(root) = corpus::root() else {
        eprintln!("skipped: the collection of real files is not there");
        return;
    };
    let mut list = Vec::new();
    folders(&root, &mut list);
    let mut findings = 0;
    for (_, files) in &list {
        let texts: Vec<(String, String)> = files
            .iter()
            .map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap_or_default()))
            .collect();
        let names: Vec<String> = texts.iter().map(|(name, _)| name.clone()).collect();
        let borrowed: Vec<(&str, &str)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let loaded = load(
            &Request { scenario: None, manifests: &names, sets: &[], ..Request::default() },
            &Texts(&borrowed),
        );
        let resolved = mesh(&loaded);
        assert!(resolved.mesh.is_none(), "without a scenario there is nothing to run");
        for diagnostic in &resolved.diagnostics {
            let span = diagnostic.span.expect("findings about objects have a place");
            assert!(span.end <= loaded.docs.sources.get(span.source).text.len(), "{diagnostic:?}");
            findings += 1;
        }
        if std::env::var_os("MESHCAST_SHOW").is_some() {
            for diagnostic in &resolved.diagnostics {
                let span = diagnostic.span.expect("checked above");
                let at = loaded.docs.sources.position(span);
                let name = &loaded.docs.sources.get(span.source).name;
                eprintln!(
                    "{name}:{}:{} {} {} {}",
                    at.line, at.column, diagnostic.severity, diagnostic.code, diagnostic.message
                );
            }
            for entry in &resolved.not_modelled {
                eprintln!("{}:{} NM {} {}", entry.place.file, entry.place.line, entry.object, entry.what);
            }
        }
    }
    assert!(list.len() > 20 && findings > 100, "{} folders, {findings} findings", list.len());
}
