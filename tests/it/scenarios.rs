//! Every scenario that we ship: it loads without a finding, is what the schema says, runs, adds up, and gives the CSV
//! files under `tests/golden/scenarios/` byte for byte. `UPDATE_GOLDEN=1` rewrites those; read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use meshcast::config::diagnostic::Severity;
use meshcast::config::files::{Files, ReadError};
use meshcast::config::load::{self, Loaded, Request};
use meshcast::config::render;
use meshcast::config::scenario::Scenario;
use meshcast::mesh::Mesh;
use meshcast::metrics::Results;
use meshcast::metrics::results::Counter;
use meshcast::report::{csv, stamp, tables};
use meshcast::resolve::{self, Resolved};
use meshcast::sim::{self, Plan};
use meshcast::study::{RunResults, steadiness};
use serde_json::Value;

/// Scenarios that are cut short here: what they show repeats itself within a second.
const SHORT: &[(&str, &str)] = &[
    ("theory/mesh", "1s"),
    ("theory/mesh-sidecars", "1s"),
    ("theory/w1", "10s"),
    ("theory/w2", "10s"),
    ("theory/w3", "10s"),
    ("theory/w4", "5s"),
    ("large", "45s"),
];
/// Findings that belong to what a scenario shows, by code.
const EXPECTED: &[(&str, &str)] = &[
    // Istio's own task, as it is written.
    ("circuit-breaker", "MS-09"),
    // The mistake that it is about.
    ("timeline-no-cluster", "IST0101"),
];
/// Tables that are compared whole; of the rest, which are long, only the digest.
const WHOLE: &[&str] = &["clients", "clusters", "responses", "hosts", "events"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The repository's files, by paths relative to it.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        fs::read(root().join(path))
            .map_err(|error| ReadError { path: path.to_owned(), reason: error.to_string() })
    }

    fn expand(&self, base: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        let mut found = Vec::new();
        yaml_files(&root().join(base).join(pattern), &mut found);
        match found.is_empty() {
            true => {
                Err(ReadError { path: pattern.to_owned(), reason: "no such file or directory".to_owned() })
            }
            false => Ok(found.iter().map(|path| relative(path)).collect()),
        }
    }
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("below the root");
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// `path` itself, or all YAML files below it, sorted by name.
fn yaml_files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable").path());
        let mut entries: Vec<PathBuf> = entries.collect();
        entries.sort();
        entries.iter().for_each(|entry| yaml_files(entry, found));
    } else if path.extension().is_some_and(|ending| ending == "yaml") && path.is_file() {
        found.push(path.to_owned());
    }
}

/// `scenario.yaml` and its variants of every folder, by path relative to the repository.
fn all() -> Vec<String> {
    let mut files = Vec::new();
    yaml_files(&root().join("scenarios"), &mut files);
    let is_scenario =
        |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("scenario"));
    files.iter().filter(is_scenario).map(|path| relative(path)).collect()
}

/// `theory/w1`, `retry-storm/scenario-none`.
fn title(path: &str) -> String {
    let inside = path.trim_start_matches("scenarios/").trim_end_matches(".yaml");
    inside.trim_end_matches("/scenario").to_owned()
}

fn load(path: &str, sets: &[String]) -> Loaded {
    load::load(&Request { scenario: Some(path), manifests: &[], sets, ..Request::default() }, &Disk)
}

/// Loads and resolves; any finding but a plain note fails.
fn resolve(path: &str, sets: &[String]) -> (Loaded, Resolved) {
    let loaded = load(path, sets);
    let resolved = resolve::mesh(&loaded);
    let findings = loaded.diagnostics.iter().chain(&resolved.diagnostics);
    let expected = |code: &str| EXPECTED.contains(&(title(path).as_str(), code));
    let bad: Vec<String> = findings
        .filter(|finding| finding.severity != Severity::Info && !expected(finding.code))
        .map(|finding| render::render(finding, &loaded.docs.sources, false))
        .collect();
    assert!(bad.is_empty(), "{path}:\n{}", bad.join("\n"));
    (loaded, resolved)
}

fn run(mesh: &Mesh, replications: u64) -> Vec<Results> {
    let plan = Plan::compile(mesh);
    (0..replications).map(|replication| sim::run(&plan, mesh.run.seed, replication)).collect()
}

/// One short replication of each scenario, once for all tests of this file.
fn short_run(path: &str) -> (Mesh, Vec<Results>) {
    let title = title(path);
    let duration = SHORT.iter().find(|(name, _)| *name == title).map(|(_, duration)| duration);
    let sets: Vec<String> = duration.iter().map(|duration| format!("duration={duration}")).collect();
    let mesh = resolve(path, &sets).1.mesh.expect("no errors");
    let results = run(&mesh, 1);
    (mesh, results)
}

#[test]
fn there_are_enough_and_each_says_what_to_look_for() {
    let paths = all();
    assert!(paths.len() >= 15, "{paths:?}");
    for path in paths {
        let text = fs::read_to_string(root().join(&path)).expect("UTF-8");
        let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.contains("Look for:"), "{path} does not say what to look for");
    }
}

#[test]
fn nothing_is_left_out_guessed_or_without_effect() {
    for path in all() {
        let (_, resolved) = resolve(&path, &[]);
        assert!(resolved.not_modelled.is_empty(), "{path}: {:#?}", resolved.not_modelled);
        assert!(resolved.without_effect.is_empty(), "{path}: {:#?}", resolved.without_effect);
        // The queues of theory have no manifests, and their ports are what their callers say.
        assert!(resolved.guesses.is_empty() || path.contains("/theory/"), "{path}: {:#?}", resolved.guesses);
        let mesh = resolved.mesh.expect("no errors");
        for workload in mesh.workloads.rows() {
            let guessed = &workload.guessed;
            assert!(guessed.is_empty(), "{path}: {} runs on guesses: {guessed:?}", workload.name);
        }
    }
}

#[test]
fn figures_add_up_and_are_the_golden_ones() {
    for path in all() {
        let (mesh, results) = short_run(&path);
        check_sums(&path, &mesh, &results[0]);
        check_golden(&title(&path), &RunResults::pool(&results));
    }
}

/// Some of the scenarios change nothing over time; nobody is to be alarmed by those.
#[test]
fn what_is_steady_raises_no_alarm() {
    let mut steady = Vec::new();
    for path in all() {
        let (mesh, results) = short_run(&path);
        let found = steadiness::check(&RunResults::pool(&results), &mesh);
        assert!(found.is_empty(), "{path}: {found:#?}");
        steady.extend(steadiness::is_stationary(&mesh).then(|| title(&path)));
    }
    assert!(steady.len() >= 8 && steady.contains(&"circuit-breaker".to_owned()), "{steady:?}");
}

/// What holds of every run, whatever the configuration.
fn check_sums(path: &str, mesh: &Mesh, results: &Results) {
    assert!(!results.requests.is_empty(), "{path}: no request");
    for (key, totals) in &results.requests {
        let responses: u64 = totals.finished.responses.values().sum();
        assert_eq!(responses, totals.finished.count(), "{path}: {key:?} has as many outcomes as answers");
        assert!(responses + totals.unfinished > 0, "{path}: {key:?} never asked");
        let answers = totals.finished.ok.count();
        let good: u64 = totals
            .finished
            .responses
            .iter()
            .filter(|(outcome, _)| outcome.is_success())
            .map(|(_, n)| n)
            .sum();
        assert_eq!(good, answers, "{path}: {key:?}");
    }
    for (key, totals) in &results.clusters {
        let count = |counter: Counter| totals.counters[counter as usize];
        let (calls, attempts) = (totals.calls.count(), count(Counter::Attempts));
        // A call that got no stream (overflow, no host, connection refused) is no attempt.
        let without = calls.saturating_sub(totals.calls.ok.count());
        assert!(attempts + without >= calls, "{path}: {key:?}: {attempts} attempts, {calls} calls");
        assert!(
            attempts <= calls + count(Counter::Retries) + count(Counter::Mirrored) + in_flight(calls),
            "{path}: {key:?}: {attempts} attempts, {calls} calls, {} retries",
            count(Counter::Retries)
        );
    }
    for (key, counts) in &results.hosts {
        assert!(counts.errors <= counts.attempts, "{path}: {key:?}");
        if let Some(busy) = counts.totals.utilization_pct {
            assert!((0.0..=100.0 + 1e-9).contains(&busy), "{path}: {key:?} is busy {busy} %");
        }
    }
    for (key, values) in &results.series {
        assert_eq!(values.len(), results.windows.len(), "{path}: {key:?}");
    }
    assert!(results.events.is_sorted_by_key(|event| event.at), "{path}: events in order");
    let end = mesh.run.duration + mesh.run.drain;
    assert!(
        results.events.iter().all(|event| event.at.nanos() <= end.nanos()),
        "{path}: no event after the end"
    );
}

/// Calls that belong to requests without an answer may count attempts and no end.
fn in_flight(calls: u64) -> u64 {
    calls / 2 + 1_000
}

fn check_golden(title: &str, run: &RunResults) {
    let folder = root().join("tests/golden/scenarios").join(title.replace('/', "-"));
    let mut files = Vec::new();
    let mut digests = String::new();
    for entry in tables::TABLES {
        let bytes = csv::write((entry.make)(run), false);
        match WHOLE.contains(&entry.name) {
            true => files.push((format!("{}.csv", entry.name), bytes)),
            false => digests.push_str(&format!("{}  {}.csv\n", stamp::sha256(&bytes), entry.name)),
        }
    }
    files.push(("digests.txt".to_owned(), digests.into_bytes()));
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for (name, bytes) in files {
        let path = folder.join(&name);
        if update {
            fs::create_dir_all(&folder).expect("a place for golden files");
            fs::write(&path, &bytes).expect("golden files can be written");
            continue;
        }
        let golden = fs::read(&path).unwrap_or_default();
        if golden != bytes {
            let (old, new) = (String::from_utf8_lossy(&golden), String::from_utf8_lossy(&bytes));
            let differing = old.lines().zip(new.lines()).find(|(old, new)| old != new);
            let (old, new) = differing.unwrap_or(("(another number of lines)", ""));
            panic!("{}: was\n  {old}\nand is\n  {new}\nUPDATE_GOLDEN=1 rewrites it", relative(&path));
        }
    }
}

#[test]
fn the_schema_takes_every_scenario_and_no_other_key() {
    let schema = serde_json::to_value(schemars::schema_for!(Scenario)).expect("JSON");
    for path in all() {
        let value = as_json(&fs::read_to_string(root().join(&path)).expect("UTF-8"));
        let mut faults = Vec::new();
        schema_faults(&schema, &schema, &value, "", &mut faults);
        assert!(faults.is_empty(), "{path}:\n{}", faults.join("\n"));
    }
    let mut value = as_json("{seed: 1, replicas: 3}");
    let mut faults = Vec::new();
    schema_faults(&schema, &schema, &value, "", &mut faults);
    assert_eq!(faults, ["/replicas is unknown"]);
    value = as_json("{workloads: {a: {replicas: many}}}");
    faults.clear();
    schema_faults(&schema, &schema, &value, "", &mut faults);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

/// YAML as JSON, merge keys applied.
fn as_json(text: &str) -> Value {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).expect("YAML");
    value.apply_merge().expect("merges");
    serde_json::to_value(value).expect("plain")
}

/// As much of JSON Schema as generated schemas use.
fn schema_faults(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            root.pointer(reference.trim_start_matches('#')).expect("the schema's own references hold");
        return schema_faults(root, target, value, at, faults);
    }
    for word in ["anyOf", "oneOf"] {
        let Some(choices) = schema[word].as_array() else { continue };
        let tried: Vec<Vec<String>> = choices
            .iter()
            .map(|choice| {
                let mut faults = Vec::new();
                schema_faults(root, choice, value, at, &mut faults);
                faults
            })
            .collect();
        if tried.iter().all(|faults| !faults.is_empty()) {
            faults.push(format!("{at} fits none of: {}", tried.concat().join("; ")));
            return;
        }
    }
    if let Some(names) = schema["enum"].as_array()
        && !names.contains(value)
    {
        faults.push(format!("{at} is not one of {names:?}"));
    }
    if !has_type(&schema["type"], value) {
        faults.push(format!("{at} is no {}", schema["type"]));
        return;
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !regex::Regex::new(pattern).expect("a pattern").is_match(text)
    {
        faults.push(format!("{at} does not match {pattern}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        faults.push(format!("{at} is below {least}"));
    }
    for item in value.as_array().into_iter().flatten() {
        if schema["items"].is_object() {
            schema_faults(root, &schema["items"], item, &format!("{at}[]"), faults);
        }
    }
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            faults.push(format!("{at}/{name} is missing"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => schema_faults(root, property, field, &at, faults),
            (None, Value::Bool(false)) => faults.push(format!("{at} is unknown")),
            (None, more @ Value::Object(_)) => schema_faults(root, more, field, &at, faults),
            _ => {}
        }
    }
}

fn has_type(names: &Value, value: &Value) -> bool {
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    match names {
        Value::String(name) => fits(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(fits),
        _ => true,
    }
}
