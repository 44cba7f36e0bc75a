//! Places in the input, as people and as programs are told them.

use serde_json::Value;

use crate::mesh::Place;

/// `manifests/reviews.yaml:12`, from the directory `base` where it lies below it.
pub fn told(place: &Place, base: &str) -> String {
    format!("{}:{}", inside(&place.file, base).unwrap_or(&place.file), place.line)
}

/// `file` and `line` of an object of JSON.
pub fn fields(place: &Place, base: &str) -> [(String, Value); 2] {
    [("file".to_owned(), portable(&place.file, base).into()), ("line".to_owned(), place.line.into())]
}

/// An input's path as results name it: from the scenario's directory `base`, so that it does not matter from where the
/// command was given. Where else it lies on this machine is nobody's business.
pub fn portable<'a>(path: &'a str, base: &str) -> &'a str {
    match inside(path, base) {
        Some(rest) => rest,
        None if path.starts_with('/') => path.rsplit('/').next().unwrap_or(path),
        None => path,
    }
}

fn inside<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    path.strip_prefix(base).filter(|_| !base.is_empty()).map(|rest| rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_go_by_their_path_from_the_scenario() {
        let paths = ["a/b/mesh.yaml", "/home/me/mesh.yaml", "other/mesh.yaml"];
        assert_eq!(paths.map(|path| portable(path, "a/b")), ["mesh.yaml", "mesh.yaml", "other/mesh.yaml"]);
        let people = paths.map(|file| told(&Place { file: file.to_owned(), line: 3 }, "a/b"));
        assert_eq!(people, ["mesh.yaml:3", "/home/me/mesh.yaml:3", "other/mesh.yaml:3"]);
    }
}
