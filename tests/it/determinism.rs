//! The same input and seed give the same bytes: twice, on any number of threads, in slices, and whatever the order of
//! files, documents and keys. Source: design D2.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use meshcast::kernel::SimTime;
use meshcast::kernel::random::{Purpose, draw};
use meshcast::metrics::Results;
use meshcast::report::stamp::sha256;
use meshcast::report::{csv, tables};
use meshcast::sim::{self, Plan, Run};
use meshcast::study::{Crew, RunResults};
use serde_yaml::Value;

use crate::meshes::{Luck, RandomMesh};
use crate::texts::Texts;

/// Random meshes that each test runs.
const MESHES: u64 = 24;

fn seeds() -> impl Iterator<Item = u64> {
    (0..MESHES).map(|number| draw(7, Purpose::Request, number))
}

/// All tables of a run, as bytes by name.
fn bytes(results: &[Results]) -> BTreeMap<&'static str, Vec<u8>> {
    let run = RunResults::pool(results);
    tables::TABLES
        .iter()
        .map(|table| (table.name, csv::write((table.make)(&run), results.len() > 1)))
        .collect()
}

/// What a mesh gives, run once with its scenario's own seed.
fn figures(texts: &Texts) -> (Results, BTreeMap<&'static str, Vec<u8>>) {
    let mesh = texts.mesh();
    let results = sim::run(&Plan::compile(&mesh), mesh.run.seed, 0);
    let bytes = bytes(std::slice::from_ref(&results));
    (results, bytes)
}

fn assert_same(seed: u64, what: &str, left: &Texts, right: &Texts) {
    let (one, two) = (figures(left), figures(right));
    for (name, table) in &one.1 {
        let (old, new) = (String::from_utf8_lossy(table), String::from_utf8_lossy(&two.1[name]));
        let differing = old.lines().zip(new.lines()).find(|(old, new)| old != new);
        assert!(old == new, "mesh {seed}, {what}: {name} differs: {differing:?}\n{left}");
    }
    assert!(one.0 == two.0, "mesh {seed}, {what}: the tables agree and the results do not");
}

#[test]
fn the_same_again_gives_the_same_bytes() {
    for seed in seeds() {
        let texts = RandomMesh::new(seed).texts();
        assert_same(seed, "the same", &texts, &texts.clone());
    }
}

#[test]
fn threads_and_the_number_of_replications_do_not_matter() {
    for seed in seeds() {
        let mesh = RandomMesh::new(seed).texts().mesh();
        let plan = Plan::compile(&mesh);
        let replicate = |replications, jobs| {
            let run = |replication| sim::run(&plan, mesh.run.seed, u64::from(replication));
            Crew::new(jobs).expect("threads").in_order(replications, run)
        };
        let (alone, eight) = (replicate(5, 1), replicate(5, 8));
        assert_eq!(bytes(&alone), bytes(&eight), "mesh {seed}");
        assert!(alone == eight, "mesh {seed}");
        assert!(replicate(2, 1) == alone[..2], "mesh {seed}: replications 0 and 1 of two are those of five");
        assert!(alone[0] != alone[1], "mesh {seed}: replications differ");
    }
}

#[test]
fn slices_do_not_matter() {
    for seed in seeds() {
        let mesh = RandomMesh::new(seed).texts().mesh();
        let plan = Plan::compile(&mesh);
        let whole = sim::run(&plan, 1, 3);
        let mut luck = Luck::new(seed);
        let mut run = Run::new(&plan, 1, 3);
        let mut moment = 0;
        let mut goes_on = true;
        // From single nanoseconds to a tenth of a second, and sometimes back, which does nothing.
        while goes_on {
            let longest = [1, 1_000, 1_000_000, 100_000_000][luck.below(4) as usize];
            moment += luck.below(longest) + 1;
            goes_on = run.advance(SimTime::from_nanos(moment));
            assert!(!goes_on || run.advance(SimTime::from_nanos(moment / 2)));
        }
        assert!(run.finish() == whole, "mesh {seed}");
    }
}

#[test]
fn the_order_of_files_and_documents_does_not_matter() {
    for seed in seeds() {
        let mesh = RandomMesh::new(seed);
        let mut luck = Luck::new(seed);
        let mut shuffled = mesh.clone();
        luck.shuffle(&mut shuffled.manifests);
        assert_same(seed, "documents in another order", &mesh.texts(), &shuffled.texts());
        if mesh.manifests.len() < 2 {
            continue;
        }
        // Dealt out to two files, given in either order.
        let cut = luck.between(1, mesh.manifests.len() as u64 - 1) as usize;
        let dealt = |list: &str| {
            let mut texts = mesh.texts();
            let scenario = mesh.scenario.replace("manifests: [mesh.yaml]", &format!("manifests: [{list}]"));
            texts.0.insert("scenario.yaml".to_owned(), scenario);
            texts.0.insert("a.yaml".to_owned(), mesh.manifests[..cut].join("---\n"));
            texts.0.insert("b.yaml".to_owned(), mesh.manifests[cut..].join("---\n"));
            texts
        };
        assert_same(seed, "two files", &mesh.texts(), &dealt("a.yaml, b.yaml"));
        assert_same(seed, "two files the other way round", &mesh.texts(), &dealt("b.yaml, a.yaml"));
    }
}

/// The same YAML with the keys of every map in another order.
fn with_keys_shuffled(text: &str, luck: &mut Luck) -> String {
    let documents = text.split("---\n").map(|document| {
        let value: Value = serde_yaml::from_str(document).expect("YAML");
        serde_yaml::to_string(&shuffled(value, luck)).expect("YAML")
    });
    documents.collect::<Vec<_>>().join("---\n")
}

fn shuffled(value: Value, luck: &mut Luck) -> Value {
    match value {
        Value::Mapping(map) => {
            let mut entries: Vec<(Value, Value)> = map.into_iter().collect();
            luck.shuffle(&mut entries);
            Value::Mapping(entries.into_iter().map(|(key, value)| (key, shuffled(value, luck))).collect())
        }
        Value::Sequence(items) => {
            Value::Sequence(items.into_iter().map(|item| shuffled(item, luck)).collect())
        }
        other => other,
    }
}

#[test]
fn the_order_of_keys_does_not_matter() {
    for seed in seeds() {
        let texts = RandomMesh::new(seed).texts();
        let mut luck = Luck::new(seed);
        let mut shuffled = texts.clone();
        for text in shuffled.0.values_mut() {
            *text = with_keys_shuffled(text, &mut luck);
        }
        assert_same(seed, "keys in another order", &texts, &shuffled);
    }
}

/// sha256 of each file below `folder`, by its path in there.
fn digests(folder: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(at).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            digests(folder, &path, found);
        } else {
            let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            found.insert(name, sha256(&fs::read(&path).expect("readable")));
        }
    }
}

/// Runs the program on a mesh in a folder of its own.
fn run_program(texts: &Texts, extra: &[&str]) -> (BTreeMap<String, String>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a place for files");
    for (name, text) in &texts.0 {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshcast"));
    command.current_dir(folder.path()).args(["run", "-s", "scenario.yaml", "--reps", "4", "-o", "out"]);
    let output = command.args(["--format", "json"]).args(extra).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeMap::new();
    digests(&folder.path().join("out"), &folder.path().join("out"), &mut found);
    (found, output.stdout)
}

#[test]
fn the_program_writes_the_same_files_on_one_thread_and_on_eight() {
    for (seed, plots) in seeds().take(3).zip([false, true, false]) {
        let texts = RandomMesh::new(seed).texts();
        let quiet: &[&str] = if plots { &[] } else { &["--no-plots"] };
        let run = |jobs| run_program(&texts, &[quiet, &["--jobs", jobs]].concat());
        let (one, eight) = (run("1"), run("8"));
        for name in ["summary.json", "run.json", "clients.csv", "timeseries.csv", "events.csv"] {
            assert!(one.0.contains_key(name), "{name} is written");
        }
        assert_eq!(one.0.contains_key("plots/latency.svg"), plots);
        assert_eq!(one, eight, "mesh {seed}");
        // The digests would see a difference.
        let other = run_program(&texts, &[quiet, &["--jobs", "8", "--seed", "43"]].concat());
        assert_ne!(one.0["summary.json"], other.0["summary.json"]);
    }
}
