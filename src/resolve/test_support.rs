//! Objects out of a text, for the tests of this folder.

use serde::de::DeserializeOwned;

use super::note::Notes;
use super::object::{Object, Reading};
use crate::config::document::{Docs, RawObject};
use crate::config::files::{Files, ReadError};
use crate::config::load::{Loaded, Request, load};

/// Files by name.
pub struct Texts<'a>(pub &'a [(&'a str, &'a str)]);

impl Files for Texts<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| ReadError {
            path: path.to_owned(),
            reason: "no such file or directory".to_owned(),
        })
    }

    fn expand(&self, _base: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        Ok(vec![pattern.to_owned()])
    }
}

/// Loads a scenario and its manifests.
pub fn loaded(files: &[(&str, &str)]) -> Loaded {
    let scenario = files.iter().map(|(name, _)| *name).find(|name| name.starts_with("scenario"));
    load(&Request { scenario, manifests: &[], sets: &[], ..Request::default() }, &Texts(files))
}

/// The objects of one text.
pub fn text_docs(yaml: &str) -> (Docs, Vec<RawObject>) {
    let names = ["objects.yaml".to_owned()];
    let loaded = load(
        &Request { scenario: None, manifests: &names, sets: &[], ..Request::default() },
        &Texts(&[("objects.yaml", yaml)]),
    );
    assert_eq!(loaded.diagnostics, [], "the test's own text is sound");
    (loaded.docs, loaded.objects)
}

/// All of one kind.
pub fn objects<T: Default + DeserializeOwned>(
    docs: &Docs,
    raw: &[RawObject],
    reading: &Reading<T>,
) -> Vec<Object<T>> {
    let mut notes = Notes::new(docs);
    raw.iter().filter_map(|raw| reading.read(raw, "default", 0, &mut notes)).collect()
}
