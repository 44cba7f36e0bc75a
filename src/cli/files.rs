//! The file system, as `config` asks for it: files, directories and globs, and standard input under the name `-`.

use std::cell::OnceCell;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::config::files::{Files, ReadError, under};
use crate::config::yaml::MAX_BYTES;

/// The scenario's JSON Schema, as `init` writes it beside a scenario: no manifest.
pub const SCHEMA_FILE: &str = "scenario.schema.json";

/// What a directory is searched for.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];
/// Directories inside directories; links may form circles.
const MOST_LEVELS: usize = 32;
/// Files that one pattern may mean.
const MOST_FILES: usize = 100_000;

/// The real file system.
#[derive(Default)]
pub struct Disk {
    /// Standard input can be read once only, but be named twice.
    stdin: OnceCell<Result<Vec<u8>, ReadError>>,
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if path == "-" {
            return self.stdin.get_or_init(|| read_all("-", io::stdin().lock())).clone();
        }
        // Opening a named pipe would wait for its other end.
        let metadata = fs::metadata(path).map_err(|error| failed(path, &error))?;
        if metadata.is_dir() {
            return Err(ReadError { path: path.to_owned(), reason: "it is a directory".to_owned() });
        }
        let file = fs::File::open(path).map_err(|error| failed(path, &error))?;
        read_all(path, file)
    }

    fn expand(&self, base: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        let full = under(base, pattern);
        let path = Path::new(&full);
        if path.is_dir() {
            let mut found = Vec::new();
            search(&full, 0, &mut found)?;
            return match found.is_empty() {
                true => {
                    Err(ReadError { path: full, reason: "it holds no .yaml, .yml or .json file".to_owned() })
                }
                false => Ok(found),
            };
        }
        if path.exists() || !pattern.contains(['*', '?']) {
            // What cannot be read is told when it is read; what is not there, here.
            fs::metadata(path).map_err(|error| failed(&full, &error))?;
            return Ok(vec![full]);
        }
        let mut found = Vec::new();
        let (start, parts) = match full.strip_prefix('/') {
            Some(rest) => ("/", rest),
            None => ("", full.as_str()),
        };
        let parts: Vec<&str> = parts.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        glob(start, &parts, 0, &mut found)?;
        match found.is_empty() {
            true => Err(ReadError { path: full, reason: "no file fits this pattern".to_owned() }),
            false => Ok(found),
        }
    }
}

fn read_all(path: &str, from: impl Read) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that the loader sees that there is too much.
    from.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| failed(path, &error))?;
    Ok(bytes)
}

fn failed(path: &str, error: &io::Error) -> ReadError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => super::ending::reason(error),
    };
    ReadError { path: path.to_owned(), reason }
}

/// Names in a directory, sorted; hidden ones are left out.
fn names(directory: &str) -> Result<Vec<String>, ReadError> {
    let shown = if directory.is_empty() { "." } else { directory };
    let entries = fs::read_dir(shown).map_err(|error| failed(shown, &error))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    Ok(names)
}

fn search(directory: &str, level: usize, found: &mut Vec<String>) -> Result<(), ReadError> {
    let names = names(directory)?;
    // An output folder of ours is no manifest, wherever it lies.
    let has = |name: &str| names.iter().any(|other| other == name);
    if level > 0 && has("run.json") && (has("summary.json") || has("sweep.json")) {
        return Ok(());
    }
    for name in names {
        let path = under(directory, &name);
        if Path::new(&path).is_dir() {
            if level < MOST_LEVELS {
                search(&path, level + 1, found)?;
            }
        } else if name != SCHEMA_FILE && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            push(path, found)?;
        }
    }
    Ok(())
}

fn push(path: String, found: &mut Vec<String>) -> Result<(), ReadError> {
    if found.len() == MOST_FILES {
        return Err(ReadError { path, reason: format!("more than {MOST_FILES} files") });
    }
    // A pipe that lies about would keep us waiting for its other end. A link to nowhere is told when it is read.
    if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(ReadError { path, reason: "it is no regular file".to_owned() });
    }
    found.push(path);
    Ok(())
}

/// Files below `directory` that fit the parts of a pattern; `**` stands for any number of directories.
fn glob(directory: &str, parts: &[&str], level: usize, found: &mut Vec<String>) -> Result<(), ReadError> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if level > MOST_LEVELS {
        return Ok(());
    }
    if *part == "**" {
        glob(directory, rest, level + 1, found)?;
    }
    if !part.contains(['*', '?']) {
        // A plain name needs no look around, and may be a hidden one.
        let path = under(directory, part);
        if !rest.is_empty() {
            return glob(&path, rest, level + 1, found);
        }
        return if Path::new(&path).is_file() && !found.contains(&path) { push(path, found) } else { Ok(()) };
    }
    // A directory that cannot be read holds nothing that fits.
    for name in names(directory).unwrap_or_default() {
        let path = under(directory, &name);
        let is_directory = Path::new(&path).is_dir();
        if *part == "**" {
            if is_directory {
                glob(&path, parts, level + 1, found)?;
            }
        } else if fits(part, &name) {
            if rest.is_empty() && !is_directory {
                if !found.contains(&path) {
                    push(path, found)?;
                }
            } else if is_directory {
                glob(&path, rest, level + 1, found)?;
            }
        }
    }
    Ok(())
}

/// `*` is any characters, `?` is one. Greedy with one way back, so that no pattern takes long.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[n] => (p, n) = (p + 1, n + 1),
            _ => match &mut star {
                Some((from, taken)) => {
                    *taken += 1;
                    (p, n) = (*from + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, expected) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("v?-*", "v2-canary", true),
            ("*a*a*a*", "aaXa", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", false),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn directories_and_globs_are_expanded_in_order() {
        let folder = tempfile::tempdir().expect("a directory");
        let base = folder.path().to_str().expect("UTF-8");
        for name in ["b/2.yml", "b/1.json", "a.yaml", "read.me", ".hidden.yaml", "b/c/3.yaml"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("writable");
            fs::write(path, "x").expect("writable");
        }
        let expand = |pattern: &str| {
            let found = Disk::default().expand(base, pattern)?;
            Ok::<_, ReadError>(found.iter().map(|path| path[base.len() + 1..].to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(expand("b").expect("there"), ["b/1.json", "b/2.yml", "b/c/3.yaml"]);
        assert_eq!(expand("**/*.yaml").expect("there"), ["a.yaml", "b/c/3.yaml"]);
        assert_eq!(expand("b/?.yml").expect("there"), ["b/2.yml"]);
        assert_eq!(expand("no.yaml").unwrap_err().reason, "no such file or directory");
        assert_eq!(expand("*.txt").unwrap_err().reason, "no file fits this pattern");
    }
}
