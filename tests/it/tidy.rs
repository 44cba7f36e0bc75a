//! Reads the sources and holds what the house style promises: floors, no circles, complete tables, a `//!` on each file,
//! no words that name nothing, nothing that panics on bad input. Reading text is enough for that: the code is formatted,
//! and a path that no rule here can follow is not one that a person could.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/` and what each may import beside itself. Source: style 2, with `report` above `study`, whose
/// comparisons it draws (design D1), and `policy` open to `study`, which tells the shares of routes without a run.
const FLOORS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("config", &["kernel"]),
    ("mesh", &["kernel"]),
    ("metrics", &["kernel", "mesh"]),
    ("policy", &["kernel", "mesh"]),
    ("resolve", &["config", "kernel", "mesh", "policy"]),
    ("sim", &["kernel", "mesh", "metrics", "policy"]),
    ("study", &["kernel", "mesh", "metrics", "policy", "sim"]),
    ("report", &["kernel", "mesh", "metrics", "study"]),
    ("cli", &["config", "kernel", "mesh", "metrics", "policy", "report", "resolve", "sim", "study"]),
];

/// Folders whose every file must stand in the table of their `mod.rs`, but for these files, which no row builds.
const TABLES: &[(&str, &str, &[&str])] = &[
    (
        "src/policy/balance",
        "BALANCERS",
        // Parts of balancers; and tables of hashes, which a cluster has and not a worker.
        &[
            "balancer",
            "edf",
            "hashed",
            "locality",
            "maglev",
            "modulus",
            "priority",
            "ring_hash",
            "schedule",
            "sources",
        ],
    ),
    (
        "src/config/istio",
        "KINDS",
        &[
            "corpus",
            "destination_rule_rules",
            "finding",
            "http_rule_parts",
            "l4_rules",
            "load_balancer_rules",
            "string_match",
            "values",
            "virtual_service_rules",
            "waypoint",
        ],
    ),
];

/// Words that name nothing.
const EMPTY_WORDS: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// Past this, look for two subjects inside.
const LONG: usize = 400;
/// Past this, there are two.
const TOO_LONG: usize = 500;
/// Files that are longer still. The list shrinks and does not grow.
const STILL_TOO_LONG: &[&str] =
    &["src/metrics/recorder.rs", "src/policy/pool.rs", "src/sim/call.rs", "src/sim/endpoint.rs"];
/// Files that need one that needs them. The list shrinks and does not grow.
const STILL_CIRCLES: &[(&str, &str)] = &[
    // The world holds the state of what acts on it.
    ("src/sim/world.rs", "src/sim/client.rs"),
    ("src/sim/world.rs", "src/sim/endpoint.rs"),
    ("src/sim/world.rs", "src/sim/shapes.rs"),
    ("src/sim/attempt.rs", "src/sim/endpoint.rs"),
];

/// One file of `src/`.
struct Source {
    /// `src/policy/balance/mod.rs`
    path: String,
    text: String,
    /// The text without comments, string contents and unit tests; lines stay where they are.
    code: String,
}

impl Source {
    fn folder(&self) -> &str {
        let inside = &self.path["src/".len()..];
        inside.split_once('/').map_or("", |(folder, _)| folder)
    }

    /// `policy::balance::edf`; a `mod.rs` has the name of its folder.
    fn module(&self) -> String {
        let inside = self.path["src/".len()..].trim_end_matches(".rs");
        inside.trim_end_matches("/mod").replace('/', "::")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of sources")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every file of `src/` that is compiled outside of tests.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files_below(&root().join("src"), &mut paths);
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("UTF-8");
            let path =
                path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            let code = without_tests(&plain_code(&text));
            Source { path, text, code }
        })
        .collect();
    let for_tests: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    sources.into_iter().filter(|source| !for_tests.contains(&source.module())).collect()
}

/// Modules that a file declares for tests alone.
fn test_modules(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let parent = source.module();
    let marked = lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]");
    let declared = marked.filter_map(|(at, _)| {
        if let Some(file) = lines.get(at + 1)?.strip_prefix("#[path = \"") {
            // Beside the file that declares it.
            let (folder, _) = parent.rsplit_once("::")?;
            return Some(format!("{folder}::{}", file.strip_suffix(".rs\"]")?));
        }
        let name = lines.get(at + 1)?.strip_suffix(';')?.rsplit_once("mod ")?.1;
        Some(format!("{parent}::{name}"))
    });
    declared.collect()
}

/// Blanks comments and what strings hold.
fn plain_code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < bytes.len() {
        let rest = |n: usize| bytes.get(at + n).copied().unwrap_or('\0');
        match bytes[at] {
            '/' if rest(1) == '/' => {
                while at < bytes.len() && bytes[at] != '\n' {
                    at += 1;
                }
            }
            'r' if (rest(1) == '"' || rest(1) == '#')
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') =>
            {
                let hashes = bytes[at + 1..].iter().take_while(|c| **c == '#').count();
                if rest(1 + hashes) != '"' {
                    out.push('r');
                    at += 1;
                    continue;
                }
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                out.push('"');
                at += hashes + 2;
                while at < bytes.len() && !bytes[at..].starts_with(&end) {
                    out.push(blank(bytes[at]));
                    at += 1;
                }
                out.push('"');
                at += end.len();
            }
            '"' => {
                out.push('"');
                at += 1;
                while at < bytes.len() && bytes[at] != '"' {
                    let step = if bytes[at] == '\\' { 2 } else { 1 };
                    bytes[at..bytes.len().min(at + step)].iter().for_each(|c| out.push(blank(*c)));
                    at += step;
                }
                out.push('"');
                at += 1;
            }
            // A character, not a lifetime.
            '\'' if rest(1) == '\\' || rest(2) == '\'' => {
                at += if rest(1) == '\\' { 3 } else { 2 };
                while at < bytes.len() && bytes[at] != '\'' {
                    at += 1;
                }
                out.push_str("' '");
                at += 1;
            }
            c => {
                out.push(c);
                at += 1;
            }
        }
    }
    out
}

/// Blanks `#[cfg(test)] mod ... { }`. The code is plain, so that braces count.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        out.push_str(before);
        let next = after.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        let opens = after.find('{').filter(|open| next.starts_with("mod ") && !after[..*open].contains(';'));
        let Some(open) = opens else {
            rest = after;
            continue;
        };
        let mut depth = 0;
        let close = after[open..].find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        let end = close.map_or(after.len(), |close| open + close + 1);
        out.extend(after[..end].matches('\n'));
        rest = &after[end..];
    }
    out + rest
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every path in the code as its segments: `use a::{b, c::d}` gives `a b` and `a c d`; expressions count as well.
fn paths(code: &str) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = tokens[at].starts_with(is_word)
            && tokens.get(at + 1).is_some_and(|next| next == "::")
            && (at == 0 || tokens[at - 1] != "::");
        if starts {
            at = path(&tokens, at, Vec::new(), &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path, or a tree of them, from `at` on; gives the token behind it.
fn path(tokens: &[String], mut at: usize, mut so_far: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    if tokens[at] == "," {
                        at += 1;
                    } else {
                        at = path(tokens, at, so_far.clone(), found);
                    }
                }
                return at + 1;
            }
            Some(word) if word.starts_with(is_word) || word == "*" => {
                so_far.push(word.to_owned());
                if tokens.get(at + 1).is_some_and(|next| next == "::") {
                    at += 2;
                    continue;
                }
                found.push(so_far);
                // `as name`
                return if tokens.get(at + 1).is_some_and(|next| next == "as") { at + 3 } else { at + 1 };
            }
            _ => {
                found.push(so_far);
                return at + 1;
            }
        }
    }
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The files of the crate and what they name in each other.
struct Crate {
    sources: Vec<Source>,
    modules: BTreeMap<String, usize>,
    /// By `mod.rs`: what it passes on from other modules, by name; `*` passes on all.
    passed_on: BTreeMap<usize, Vec<(String, Vec<String>)>>,
}

impl Crate {
    fn read() -> Crate {
        let sources = sources();
        let modules: BTreeMap<String, usize> =
            sources.iter().enumerate().map(|(index, source)| (source.module(), index)).collect();
        let mut all = Crate { sources, modules, passed_on: BTreeMap::new() };
        for index in 0..all.sources.len() {
            let code = &all.sources[index].code;
            let statements = code.split(';').filter_map(|statement| {
                let (_, path) =
                    statement.split_once("pub use ").or_else(|| statement.split_once("pub(crate) use "))?;
                Some(paths(path))
            });
            let passed: Vec<(String, Vec<String>)> = statements
                .flatten()
                .filter_map(|segments| {
                    let name = segments.last()?.clone();
                    Some((name, all.absolute(index, &segments)?))
                })
                .collect();
            all.passed_on.insert(index, passed);
        }
        all
    }

    /// A path from the crate's root on; `None` if it leads out of the crate or to a local name.
    fn absolute(&self, from: usize, segments: &[String]) -> Option<Vec<String>> {
        let module = self.sources[from].module();
        let here: Vec<String> = module.split("::").map(str::to_owned).collect();
        let first = segments.first()?.as_str();
        match first {
            "crate" => Some(segments[1..].to_vec()),
            "self" => Some([&here[..], &segments[1..]].concat()),
            "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                // `super` inside an inline module leads to this file at most; such a path names nothing elsewhere.
                let parent = here.get(..here.len().checked_sub(ups)?)?;
                Some([parent, &segments[ups..]].concat())
            }
            name => {
                let child = format!("{module}::{name}");
                self.modules.contains_key(&child).then(|| [&here[..], segments].concat())
            }
        }
    }

    /// The file in which a path ends, past what `mod.rs` files pass on.
    fn file_of(&self, path: &[String], depth: usize) -> Option<usize> {
        if depth > 8 {
            return None;
        }
        let (length, index) = (1..=path.len())
            .rev()
            .find_map(|length| Some((length, *self.modules.get(&path[..length].join("::"))?)))?;
        let Some(name) = path.get(length) else { return Some(index) };
        let passed = self.passed_on.get(&index).into_iter().flatten();
        for (passed_name, target) in passed {
            if passed_name == name || passed_name == "*" {
                let mut target = target.clone();
                if passed_name == "*" {
                    target.pop();
                    let all = self.file_of(&target, depth + 1)?;
                    let declares = |index: usize| self.sources[index].code.contains(&format!(" {name}"));
                    if declares(index) && !declares(all) {
                        continue;
                    }
                    return Some(all);
                }
                target.extend_from_slice(&path[length + 1..]);
                return self.file_of(&target, depth + 1).filter(|found| *found != index).or(Some(index));
            }
        }
        Some(index)
    }

    /// Files that a file names, with the path by which it does.
    fn named_by(&self, index: usize) -> BTreeMap<usize, String> {
        let mut named = BTreeMap::new();
        let passed_on = &self.passed_on[&index];
        for segments in paths(&self.sources[index].code) {
            let Some(absolute) = self.absolute(index, &segments) else { continue };
            // Passing a name on is no use of it.
            if passed_on.iter().any(|(_, target)| *target == absolute) {
                continue;
            }
            if let Some(file) = self.file_of(&absolute, 0).filter(|file| *file != index) {
                named.entry(file).or_insert_with(|| segments.join("::"));
            }
        }
        named
    }
}

/// All complaints at once.
fn none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}\n  {}", complaints.join("\n  "));
}

#[test]
fn a_folder_imports_lower_floors_only() {
    let all = Crate::read();
    let mut complaints = Vec::new();
    for (index, source) in all.sources.iter().enumerate() {
        let folder = source.folder();
        if folder.is_empty() {
            continue;
        }
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == folder) else {
            complaints.push(format!("{}: the folder `{folder}` stands on no floor", source.path));
            continue;
        };
        for (file, path) in all.named_by(index) {
            let other = all.sources[file].folder();
            if other != folder && !other.is_empty() && !allowed.contains(&other) {
                complaints
                    .push(format!("{} names `{path}`: `{folder}` may not import `{other}`", source.path));
            }
        }
    }
    none(&complaints, "a folder imports folders on lower floors, nothing on its own floor or above");
}

#[test]
fn files_of_a_folder_need_each_other_in_no_circle() {
    let all = Crate::read();
    let edges: Vec<BTreeMap<usize, String>> = (0..all.sources.len())
        .map(|index| {
            let folder = all.sources[index].folder();
            let mut named = all.named_by(index);
            named.retain(|file, _| all.sources[*file].folder() == folder && !folder.is_empty());
            // A `mod.rs` that names its own files is their table; what they take from it is another matter.
            let path = &all.sources[index].path;
            let own = path.strip_suffix("mod.rs");
            named.retain(|file, _| {
                let other = &all.sources[*file].path;
                let is_table = own.is_some_and(|own| other.starts_with(own));
                !is_table && !STILL_CIRCLES.contains(&(path.as_str(), other.as_str()))
            });
            named
        })
        .collect();
    // Peel off files that need nothing left, or that nobody left needs; what stays is in a circle.
    let mut left: BTreeSet<usize> = (0..edges.len()).collect();
    loop {
        let needed =
            |file: usize, left: &BTreeSet<usize>| left.iter().any(|other| edges[*other].contains_key(&file));
        let free: Vec<usize> = left
            .iter()
            .copied()
            .filter(|file| !edges[*file].keys().any(|other| left.contains(other)) || !needed(*file, &left))
            .collect();
        if free.is_empty() {
            break;
        }
        free.iter().for_each(|file| {
            left.remove(file);
        });
    }
    let complaints: Vec<String> = left
        .iter()
        .flat_map(|file| {
            let from = &all.sources[*file].path;
            let circle = edges[*file].iter().filter(|(other, _)| left.contains(other));
            circle.map(move |(other, path)| (from, *other, path))
        })
        .map(|(from, other, path)| format!("{from} -> {} (`{path}`)", all.sources[other].path))
        .collect();
    none(&complaints, "no circles among the files of a folder");
}

#[test]
fn every_file_says_what_it_holds() {
    let missing = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(&missing.map(|source| source.path).collect::<Vec<_>>(), "each file opens with `//!`");
}

#[test]
fn tables_are_complete() {
    let all = sources();
    let mut complaints = Vec::new();
    for (folder, table, apart) in TABLES {
        let of_folder = |source: &&Source| {
            source.path.strip_prefix(folder).is_some_and(|rest| rest.rfind('/') == Some(0))
        };
        let Some(face) = all.iter().find(|source| source.path == format!("{folder}/mod.rs")) else {
            continue;
        };
        let rows = face.text.split_once(&format!("{table}: &[")).map_or("", |(_, rows)| rows);
        let rows = rows.split("\n];").next().unwrap_or("");
        for source in all.iter().filter(of_folder) {
            let name = source.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs");
            if name == "mod" || apart.contains(&name) || source.path.contains("tests") {
                continue;
            }
            let camel: String = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
            // The kinds of Kubernetes share a file, as each is a few fields.
            if !rows.contains(&format!("{name}::"))
                && !rows.contains(&format!("\"{camel}\""))
                && name != "kubernetes"
            {
                complaints.push(format!("{} has no row in `{table}`", source.path));
            }
        }
    }
    none(&complaints, "a new one is its file, its `mod` line and its row");
}

#[test]
fn names_say_something() {
    let mut complaints = Vec::new();
    for source in sources() {
        for module in source.module().split("::") {
            if module.split('_').any(|word| EMPTY_WORDS.contains(&word)) {
                complaints.push(source.path.clone());
            }
        }
        let tokens = tokens(&source.code);
        for pair in tokens.windows(2) {
            let declares = ["struct", "enum", "trait", "mod", "type"].contains(&pair[0].as_str());
            if declares && words(&pair[1]).iter().any(|word| EMPTY_WORDS.contains(&word.as_str())) {
                complaints.push(format!("{}: {} {}", source.path, pair[0], pair[1]));
            }
        }
    }
    none(&complaints, "words that name nothing");
}

/// The words of a name, snake or camel, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().expect("never empty").extend(c.to_lowercase());
        }
    }
    words
}

#[test]
fn nothing_panics_for_want_of_a_reason() {
    let banned = [
        (".unwrap()", "say why it cannot fail (`expect`), or handle it"),
        ("todo!", "no stubs"),
        ("unimplemented!", "no stubs"),
        ("HashMap", "its order is a hidden input"),
        ("HashSet", "its order is a hidden input"),
        ("Instant::now", "results know no wall clock"),
        ("SystemTime", "results know no wall clock"),
        ("dbg!", "left from looking for a fault"),
    ];
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in source.code.lines().enumerate() {
            for (word, why) in banned {
                // How long a run took is for a person at the terminal, and in no result.
                let is_clock = ["Instant::now", "SystemTime"].contains(&word);
                if line.contains(word) && !(is_clock && source.folder() == "cli") {
                    complaints.push(format!("{}:{}: `{word}`: {why}", source.path, number + 1));
                }
            }
        }
    }
    none(&complaints, "banned outside of tests");
}

#[test]
fn files_stay_readable() {
    let mut complaints = Vec::new();
    for source in sources() {
        let length = source.text.lines().count();
        let is_known = STILL_TOO_LONG.contains(&source.path.as_str());
        if length > TOO_LONG && !is_known {
            complaints.push(format!("{}: {length} lines", source.path));
        } else if length <= TOO_LONG && is_known {
            complaints.push(format!("{}: {length} lines; take it off STILL_TOO_LONG", source.path));
        } else if length > LONG {
            eprintln!("{}: {length} lines; are there two subjects inside?", source.path);
        }
    }
    none(&complaints, "a file has one subject and at most 500 lines");
}

#[test]
fn documents_name_what_sources_refer_to() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("UTF-8");
    let (model, architecture) = (read("docs/model.md"), read("ARCHITECTURE.md"));
    let mut complaints = Vec::new();
    for source in sources() {
        if source.text.contains("Simplified:")
            && !architecture.contains(&format!("`{}`", &source.path["src/".len()..]))
        {
            complaints.push(format!("ARCHITECTURE.md does not tell what {} simplifies", source.path));
        }
        for section in numbered(&source.text, "semantics S") {
            if !model.contains(&format!("\n| S{section} |")) {
                complaints.push(format!("docs/model.md has no row S{section}, which {} names", source.path));
            }
        }
        for decision in numbered(&source.text, "design D9.") {
            if !model.contains(&format!("\n{decision}. ")) {
                complaints
                    .push(format!("docs/model.md has no decision {decision}, which {} names", source.path));
            }
        }
    }
    complaints.dedup();
    none(&complaints, "a reader can follow what sources refer to");
}

/// The numbers that follow `mark`.
fn numbered(text: &str, mark: &str) -> BTreeSet<u32> {
    let behind = text.split(mark).skip(1);
    behind.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}

#[test]
fn code_is_told_from_comments_strings_and_tests() {
    let text = "use a::{b, c::{d, e as f}, *}; // x.unwrap()\nlet s = \"y::z // \\\" {\"; let c = '\"'; fn f<'a>() {}\n\
                let r = r#\"u::v\"#;\n#[cfg(test)]\nmod tests {\n use q::r;\n fn f() { s(\"}\") }\n}\nuse t::u;\n";
    let code = without_tests(&plain_code(text));
    let found: Vec<String> = paths(&code).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "a::c::d", "a::c::e", "a::*", "t::u"]);
    assert_eq!(code.lines().count(), text.lines().count(), "lines stay where they are");
    assert!(!code.contains("unwrap"));
}
