//! Reality: what a real Envoy did under known load (`tests/truth/measured.yaml`), and what the scenario of the same
//! experiment predicts. `--nocapture` shows all figures side by side.
//!
//! A share or count agrees within three standard errors of the measured mean, where the standard error is the larger
//! of the one between runs and the one of a single run's sample. A percentile agrees within three standard deviations
//! between runs, or 3 % (p50, p90) or 6 % (p99), whichever is more. These bounds came with the measurements; only that
//! a count's sample is taken as Poisson is ours.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use meshcast::config::files::{Files, ReadError};
use meshcast::config::load::{self, Request};
use meshcast::config::render;
use meshcast::mesh::outcome::Flag;
use meshcast::metrics::Results;
use meshcast::metrics::histogram::Histogram;
use meshcast::metrics::results::Counter;
use meshcast::resolve;
use meshcast::sim::{self, Plan};
use meshcast::study::Crew;
use serde::Deserialize;

/// Seeded runs behind each prediction: they make its own error a fifth of one run's.
const SEEDS: u32 = 24;

/// Mean and standard deviation over the runs; a share also has the sample of one run.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    mean: f64,
    sd: f64,
    sample: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Percentiles {
    p50: Figure,
    p90: Figure,
    p99: Figure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subset {
    share: Figure,
    latency_ms: Percentiles,
}

/// One experiment of `measured.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    runs: f64,
    shares: BTreeMap<String, Figure>,
    #[serde(default)]
    subsets: BTreeMap<String, Subset>,
    #[serde(default)]
    hosts: BTreeMap<String, Figure>,
    #[serde(default)]
    hosts_by_size: Vec<Figure>,
    latency_ms: Percentiles,
    #[serde(default)]
    counts: BTreeMap<String, Figure>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth")
}

fn measured(id: &str) -> Measured {
    let text = fs::read_to_string(folder().join("measured.yaml")).expect("the figures are there");
    let mut all: BTreeMap<String, Measured> = serde_yaml::from_str(&text).expect("they are well formed");
    all.remove(id).unwrap_or_else(|| panic!("nothing measured as {id}"))
}

/// Files below `tests/truth`.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        fs::read(folder().join(path))
            .map_err(|error| ReadError { path: path.to_owned(), reason: error.to_string() })
    }

    fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        Err(ReadError { path: pattern.to_owned(), reason: "a scenario here is one file".to_owned() })
    }
}

/// Runs the experiment's scenario with each seed.
fn predicted(id: &str) -> Vec<Results> {
    let path = format!("{id}/scenario.yaml");
    let loaded = load::load(
        &Request { scenario: Some(&path), manifests: &[], sets: &[], ..Request::default() },
        &Disk,
    );
    let resolved = resolve::mesh(&loaded);
    let findings = loaded.diagnostics.iter().chain(&resolved.diagnostics);
    let findings: Vec<String> =
        findings.map(|finding| render::render(finding, &loaded.docs.sources, false)).collect();
    let mesh = resolved.mesh.unwrap_or_else(|| panic!("{}", findings.join("\n")));
    let plan = Plan::compile(&mesh);
    let run = |seed| sim::run(&plan, 1_000 + u64::from(seed), 0);
    Crew::new(2).expect("threads").in_order(SEEDS, run)
}

/// How far a prediction may be from the measured mean.
#[derive(Clone, Copy)]
enum Bound {
    Share,
    Count,
    /// Relative, whatever the spread.
    Percentile(f64),
}

impl Bound {
    fn of(self, figure: &Figure, runs: f64) -> f64 {
        let between_runs = figure.sd / runs.sqrt();
        match self {
            Bound::Share => {
                let sample = figure.sample.expect("shares are of a sample");
                3.0 * between_runs.max((figure.mean * (1.0 - figure.mean) / sample).sqrt())
            }
            // A single run's count of independent events is Poisson.
            Bound::Count => 3.0 * between_runs.max(figure.mean.sqrt()),
            Bound::Percentile(relative) => (3.0 * figure.sd).max(relative * figure.mean),
        }
    }
}

/// One experiment's comparison, line by line.
struct Comparison<'a> {
    id: &'a str,
    runs: f64,
    results: Vec<Results>,
    table: String,
    outside: Vec<String>,
}

impl Comparison<'_> {
    fn compare(&mut self, what: &str, figure: &Figure, bound: Bound, of: impl Fn(&Results) -> f64) {
        let values: Vec<f64> = self.results.iter().map(of).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0)).sqrt();
        let allowed = bound.of(figure, self.runs);
        // Sums of shares round: what is 1 may be short of it by one bit.
        let is_inside = (mean - figure.mean).abs() <= allowed + 1e-9;
        let line = format!(
            "{:<4} {what:<22} measured {:10.4} ± {:<9.4} predicted {mean:10.4} ± {sd:<9.4} allowed ± {allowed:<9.4} {}",
            self.id,
            figure.mean,
            figure.sd,
            if is_inside { "inside" } else { "OUTSIDE" },
        );
        writeln!(self.table, "{line}").expect("text grows");
        if !is_inside {
            self.outside.push(line);
        }
    }

    /// Percentiles of what `of` picks, in milliseconds.
    fn percentiles(&mut self, who: &str, figures: &Percentiles, of: impl Fn(&Results) -> Histogram) {
        for (name, q, figure, relative) in [
            ("p50", 0.5, &figures.p50, 0.03),
            ("p90", 0.9, &figures.p90, 0.03),
            ("p99", 0.99, &figures.p99, 0.06),
        ] {
            let what = format!("{who}{name} of 2xx, ms");
            self.compare(&what, figure, Bound::Percentile(relative), |results| {
                of(results).quantile(q).expect("there are answers") as f64 / 1e6
            });
        }
    }
}

fn requests(results: &Results) -> f64 {
    results.requests.values().map(|totals| totals.finished.count()).sum::<u64>() as f64
}

fn ok(results: &Results) -> Histogram {
    let mut all = Histogram::new();
    results.requests.values().for_each(|totals| all.merge(&totals.finished.ok));
    all
}

fn subset_ok(results: &Results, subset: &str) -> Histogram {
    let mut all = Histogram::new();
    let calls = results.clusters.iter().filter(|(key, _)| key.subset == subset);
    calls.for_each(|(_, totals)| all.merge(&totals.calls.ok));
    all
}

fn count(results: &Results, name: &str) -> f64 {
    let counter = Counter::ALL.into_iter().find(|counter| counter.name() == name).expect("a counter");
    results.clusters.values().map(|totals| totals.counters[counter as usize]).sum::<u64>() as f64
}

/// Attempts at each host. A host has a row in each cluster that holds it; only those that are called have attempts.
fn attempts(results: &Results) -> BTreeMap<&str, f64> {
    let mut by_host = BTreeMap::new();
    for (key, host) in &results.hosts {
        *by_host.entry(key.host.as_str()).or_insert(0.0) += host.attempts as f64;
    }
    by_host
}

/// A figure of `shares`, by its name there.
fn share(results: &Results, name: &str) -> f64 {
    let of_requests = match name {
        "success" => ok(results).count() as f64,
        "rejected" => {
            let responses = results.requests.values().flat_map(|totals| &totals.finished.responses);
            let rejected = responses.filter(|(outcome, _)| outcome.flags.contains(Flag::UO));
            rejected.map(|(_, count)| *count).sum::<u64>() as f64
        }
        "retries" => count(results, "retries"),
        // Counted at the hosts, as they were measured: without a proxy nobody else counts them.
        "attempts" => attempts(results).values().sum(),
        _ => panic!("no share is called {name}"),
    };
    of_requests / requests(results)
}

/// The experiment's prediction lies where Envoy was.
fn hold(id: &str) {
    let measured = measured(id);
    let (runs, results) = (measured.runs, predicted(id));
    let mut all = Comparison { id, runs, results, table: String::new(), outside: Vec::new() };
    for (name, figure) in &measured.shares {
        all.compare(name, figure, Bound::Share, |results| share(results, name));
    }
    for (name, subset) in &measured.subsets {
        all.compare(&format!("{name} share"), &subset.share, Bound::Share, |results| {
            subset_ok(results, name).count() as f64 / requests(results)
        });
        all.percentiles(&format!("{name} "), &subset.latency_ms, |results| subset_ok(results, name));
    }
    for (name, figure) in &measured.hosts {
        all.compare(&format!("{name} share"), figure, Bound::Share, |results| {
            let attempts = attempts(results);
            attempts[name.as_str()] / attempts.values().sum::<f64>()
        });
    }
    for (place, figure) in measured.hosts_by_size.iter().enumerate() {
        all.compare(&format!("host {} by size", place + 1), figure, Bound::Share, |results| {
            let mut attempts: Vec<f64> = attempts(results).into_values().collect();
            attempts.sort_by(|left, right| right.total_cmp(left));
            attempts[place] / attempts.iter().sum::<f64>()
        });
    }
    all.percentiles("", &measured.latency_ms, ok);
    for (name, figure) in &measured.counts {
        all.compare(name, figure, Bound::Count, |results| count(results, name));
    }
    print!("{}", all.table);
    assert!(all.outside.is_empty(), "outside the bounds:\n{}", all.outside.join("\n"));
}

#[test]
fn e0a_no_proxy() {
    hold("E0a");
}

#[test]
fn e0b_a_proxy_alone() {
    hold("E0b");
}

#[test]
fn e1a_a_canary_of_a_tenth() {
    hold("E1a");
}

#[test]
fn e1b_a_canary_that_queues() {
    hold("E1b");
}

#[test]
fn e4a_a_limit_of_requests() {
    hold("E4a");
}

#[test]
fn e4b_limits_of_connections_and_of_waiting() {
    hold("E4b");
}

#[test]
fn e4c_limits_of_a_cluster_over_three_pools() {
    hold("E4c");
}

#[test]
fn e4d_one_request_a_connection() {
    hold("E4d");
}

#[test]
fn e5a_round_robin_past_a_slow_host() {
    hold("E5a");
}

#[test]
fn e5b_least_request_past_a_slow_host() {
    hold("E5b");
}

#[test]
fn e5c_random_past_a_slow_host() {
    hold("E5c");
}

#[test]
fn e5d_least_request_by_two_workers() {
    hold("E5d");
}
