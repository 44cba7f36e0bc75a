//! Whole scenarios, as users run them: loaded and compiled once, then run. Criterion's elements are attempts, so its
//! throughput is attempts a second; before each it prints events a second, and at last what a call in flight takes.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use meshcast::config::files::{Files, ReadError};
use meshcast::config::load::{self, Request};
use meshcast::kernel::SimTime;
use meshcast::mesh::Mesh;
use meshcast::metrics::results::Counter;
use meshcast::resolve;
use meshcast::sim::{Plan, Run};

/// A bench's name and how its mesh is made.
type Row = (&'static str, fn() -> Mesh);

/// What is run, each for about a tenth of a second.
const MESHES: &[Row] = &[
    ("w1", || scenario("theory/w1", "5m")),
    ("w2", || scenario("theory/w2", "1m")),
    ("w3", || scenario("theory/w3", "30s")),
    ("w4", || scenario("theory/w4", "30s")),
    ("mesh", || scenario("theory/mesh", "2s")),
    ("mesh-hashed", mesh_hashed),
    ("mesh-sidecars", || scenario("theory/mesh-sidecars", "2s")),
    ("bookinfo", || scenario("bookinfo-canary", "1m")),
    ("random-churn", || churn("simple: RANDOM")),
    ("ring-hash", || churn("consistentHash: {httpHeaderName: x-user}")),
    ("maglev", || churn("consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 65537}}")),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The files below `scenarios/`.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let reason = |error: std::io::Error| ReadError { path: path.to_owned(), reason: error.to_string() };
        fs::read(root().join(path)).map_err(reason)
    }

    fn expand(&self, base: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        let name = format!("{base}/{}", pattern.trim_end_matches('/'));
        let reason = |error: std::io::Error| ReadError { path: name.clone(), reason: error.to_string() };
        let path = root().join(&name);
        if !path.is_dir() {
            return Ok(vec![name]);
        }
        let entries = fs::read_dir(path).map_err(reason)?.map(|entry| entry.map_err(reason));
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
        let mut files =
            names.map(|file| file.map(|file| format!("{name}/{file}"))).collect::<Result<Vec<_>, _>>()?;
        files.sort();
        Ok(files)
    }
}

/// The only text that is read is `self`.
struct Text(String);

impl Files for Text {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        Err(ReadError { path: pattern.to_owned(), reason: "there is but one file".to_owned() })
    }
}

fn mesh(path: &str, sets: &[String], files: &dyn Files) -> Mesh {
    let loaded =
        load::load(&Request { scenario: Some(path), manifests: &[], sets, ..Request::default() }, files);
    let resolved = resolve::mesh(&loaded);
    resolved.mesh.unwrap_or_else(|| panic!("{path}: {:?} {:?}", loaded.diagnostics, resolved.diagnostics))
}

/// A scenario of ours, made so long.
fn scenario(path: &str, duration: &str) -> Mesh {
    changed(path, duration, &[])
}

/// The same with these `path=value` on top.
fn changed(path: &str, duration: &str, sets: &[String]) -> Mesh {
    let length = [format!("duration={duration}"), "warmup=0s".to_owned()];
    mesh(&format!("{path}/scenario.yaml"), &[&length, sets].concat(), &Disk)
}

/// `mesh` with a ring instead of draws at each hop: what the dearest balancer adds to an attempt. Pods have room
/// enough for the users that fall to them.
fn mesh_hashed() -> Mesh {
    let mut sets = vec!["clients.load.users={count: 1000, header: x-user}".to_owned()];
    for hop in ["first", "second", "third"] {
        sets.push(format!("workloads.{hop}.concurrency=40"));
        let ring = "trafficPolicy.loadBalancer={consistentHash: {httpHeaderName: x-user}}";
        sets.push(format!("DestinationRule/{hop}:spec.{ring}"));
    }
    changed("theory/mesh", "10s", &sets)
}

/// Wall time, which the bench is about.
#[expect(clippy::disallowed_types, reason = "a bench measures wall time")]
fn seconds(work: impl FnOnce()) -> f64 {
    let start = std::time::Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Whether the first runs, which Criterion's own filter does not see, are to tell of `name`: `SCENARIO=w1,mesh`.
fn is_asked_for(name: &str) -> bool {
    std::env::var("SCENARIO").map_or(true, |names| names.split(',').any(|asked| asked == name))
}

fn scenarios(c: &mut Criterion) {
    let mut group = c.benchmark_group("scenarios");
    for (name, load) in MESHES.iter().filter(|(name, _)| is_asked_for(name)) {
        let mesh = load();
        let plan = Plan::compile(&mesh);
        let mut run = Run::new(&plan, mesh.run.seed, 0);
        let took = seconds(|| {
            run.advance(SimTime::MAX);
        });
        let events = run.events();
        let results = run.finish();
        let attempts: u64 =
            results.clusters.values().map(|totals| totals.counters[Counter::Attempts as usize]).sum();
        let rate = events as f64 / took / 1e6;
        println!("{name}: {events} events, {attempts} attempts, {rate:.2} M events/s in the first run");
        group.throughput(Throughput::Elements(attempts));
        group.bench_function(*name, |bencher| {
            bencher.iter_batched(
                || Run::new(&plan, mesh.run.seed, 0),
                |mut run| {
                    run.advance(SimTime::MAX);
                    black_box(run.finish())
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// A thousand hosts in four proxies' tables, and one in a thousand answers ejects its host for five seconds: once a
/// second every proxy hears of new hosts. `BALANCER` is to be put in.
const CHURN: &str = "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: churn}
duration: 10s
warmup: 0s
network: {latency: 0s}
proxy: {workers: 2, latency: 0s}
workloads:
  server: {service: \"server:80\", replicas: 1000, concurrency: unlimited, serviceTime: 1ms, errors: {rate: 0.1%, status: 503}}
clients:
  load: {pods: 4, load: constant(50krps), users: {count: 10000, header: x-user}, requests: [{get: \"http://server/\"}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server}
spec:
  host: server
  trafficPolicy:
    loadBalancer: {BALANCER}
    outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 5s, maxEjectionPercent: 50}
";

fn churn(balancer: &str) -> Mesh {
    mesh("scenario.yaml", &[], &Text(CHURN.replace("BALANCER", balancer)))
}

/// Half a million calls in flight, each with its attempt, two timers and a work step to come.
const CROWD: &str = "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: crowd}
duration: 5s
window: 5s
network: {latency: 0s}
proxy: {workers: 1, latency: 0s}
workloads:
  server: {service: \"server:80\", replicas: 10, concurrency: unlimited, serviceTime: \"uniform(10s, 20s)\"}
clients:
  load: {load: constant(100krps), requests: [{get: \"http://server/\"}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server}
spec:
  hosts: [server]
  http:
  - route: [{destination: {host: server}}]
    timeout: 50s
    retries: {attempts: 2, perTryTimeout: 40s}
";

/// What the system has given us, in bytes; `None` where it does not say.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn memory(_: &mut Criterion) {
    if !is_asked_for("memory") {
        return;
    }
    let mesh = mesh("scenario.yaml", &[], &Text(CROWD.to_owned()));
    let plan = Plan::compile(&mesh);
    let mut run = Run::new(&plan, 1, 0);
    let before = resident();
    run.advance(SimTime::ZERO + mesh.run.duration);
    let (Some(before), Some(after)) = (before, resident()) else { return };
    let calls = run.calls_at_once();
    println!("memory: {:.0} bytes a call in flight, at {calls} calls", (after - before) / calls as f64);
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(3))
        .without_plots()
}

// Memory first: what later runs leave free would be taken again unseen.
criterion_group! {name = benches; config = short(); targets = memory, scenarios}
criterion_main!(benches);
