//! Where results come from: enough to make them again, and nothing that differs between two machines.
//! Source: design D2.

use sha2::{Digest, Sha256};

/// The file that holds the stamp; a folder with it is ours.
pub const RUN_FILE: &str = "run.json";

/// What every output carries. No date, no duration, no path of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub tool_version: String,
    /// Number of the model: it changes when the same input gives other results.
    pub model_revision: u32,
    /// What was asked of it: `run`, `compare`, `capacity` or `sweep`.
    pub verb: String,
    pub seed: u64,
    pub replications: usize,
    /// What the command line put into scenario and manifests, as `path=value`, and its objectives.
    pub sets: Vec<String>,
    pub slos: Vec<String>,
    /// What else was asked of the verb, as flags of its command line: all that its results depend on.
    pub flags: Vec<String>,
    /// In the order in which they were given.
    pub inputs: Vec<Input>,
    /// Of a comparison, the base first; else empty.
    pub configurations: Vec<Configuration>,
}

/// What one configuration of a comparison has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub name: String,
    /// Beside those of all.
    pub sets: Vec<String>,
    pub inputs: Vec<Input>,
}

/// One input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As the user named it.
    pub name: String,
    pub sha256: String,
}

/// One file of the output folder; `path` is relative to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub bytes: Vec<u8>,
}

/// Lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// One digest for all result files: of their names and contents, in order of name, `run.json` (which holds it) left
/// out.
pub fn digest(files: &[File]) -> String {
    let mut sorted: Vec<&File> = files.iter().filter(|file| file.path != RUN_FILE).collect();
    sorted.sort_by(|left, right| left.path.cmp(&right.path));
    let mut hasher = Sha256::new();
    for file in sorted {
        hasher.update(format!("{}  {}\n", sha256(&file.bytes), file.path));
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> File {
        File { path: path.to_owned(), bytes: content.as_bytes().to_vec() }
    }

    #[test]
    fn sha256_is_the_standard_s() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn the_digest_knows_names_and_contents_but_no_order() {
        let files = [file("a", "1"), file("b", "2"), file("run.json", "{}")];
        let turned = [file("run.json", "{ }"), file("b", "2"), file("a", "1")];
        assert_eq!(digest(&files), digest(&turned));
        assert_ne!(digest(&files), digest(&[file("a", "2"), file("b", "1")]));
    }
}
