//! The input of tests, as the files that users write, without a disk.

use std::collections::BTreeMap;

use meshcast::config::diagnostic::Severity;
use meshcast::config::files::{Files, ReadError};
use meshcast::config::load::{Loaded, Request, load};
use meshcast::config::render;
use meshcast::mesh::Mesh;
use meshcast::resolve;

/// Texts by name: `scenario.yaml`, and the files that it names.
#[derive(Clone, Debug, Default)]
pub struct Texts(pub BTreeMap<String, String>);

impl Files for Texts {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let text = self.0.get(path).cloned().map(String::into_bytes);
        text.ok_or_else(|| ReadError { path: path.to_owned(), reason: "no such file".to_owned() })
    }

    fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        Ok(vec![pattern.to_owned()])
    }
}

impl Texts {
    /// `scenario.yaml` alone.
    pub fn scenario(text: &str) -> Texts {
        Texts(BTreeMap::from([("scenario.yaml".to_owned(), text.to_owned())]))
    }

    pub fn load(&self) -> Loaded {
        load(
            &Request { scenario: Some("scenario.yaml"), manifests: &[], sets: &[], ..Request::default() },
            self,
        )
    }

    /// The mesh that they mean, or why they mean none.
    pub fn try_mesh(&self) -> Result<Mesh, String> {
        let loaded = self.load();
        let resolved = resolve::mesh(&loaded);
        let errors: Vec<String> = loaded
            .diagnostics
            .iter()
            .chain(&resolved.diagnostics)
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| render::render(finding, &loaded.docs.sources, false))
            .collect();
        match (resolved.mesh, errors.is_empty()) {
            (Some(mesh), true) => Ok(mesh),
            _ => Err(errors.join("\n")),
        }
    }

    pub fn mesh(&self) -> Mesh {
        self.try_mesh().unwrap_or_else(|errors| panic!("{errors}\n{self}"))
    }
}

impl std::fmt::Display for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(name, text)| writeln!(f, "--- {name}\n{text}"))
    }
}
