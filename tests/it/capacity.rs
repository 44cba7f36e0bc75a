//! Capacity against theory: the searches find what queueing theory says, in few points, and say so when there is
//! nothing to find or no single border.
//!
//! Seeds are fixed; where an interval is to hold the truth, a right method fails once in twenty when all random numbers
//! change, so coverage is tested as such, over many seeds.

mod borders;

use std::convert::Infallible;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use meshcast::mesh::Mesh;
use meshcast::mesh::workload::{CrashOf, IncidentKind};
use meshcast::study::capacity::loss::{self, Loss};
use meshcast::study::capacity::{self, Answer, Axis, Capacity, Costs, Scale, Stop, Survive, Trials, Tried};
use meshcast::study::{Crew, Watch};
use serde_json::Value;
use tempfile::TempDir;

use crate::texts::Texts;
use crate::theory::{self, MMc};

static NEVER: AtomicBool = AtomicBool::new(false);

/// `servers` before a queue of so many places, at 200 rps and 10 ms of mean service time: a load of two.
fn queue(servers: u32, queue: &str, objectives: &str, duration: &str, seed: u64) -> Mesh {
    Texts::scenario(&text(servers, queue, objectives, duration, seed)).mesh()
}

fn text(servers: u32, queue: &str, objectives: &str, duration: &str, seed: u64) -> String {
    format!(
        "apiVersion: meshcast/v1
kind: Scenario
metadata: {{name: queue}}
duration: {duration}
warmup: 2s
seed: {seed}
replications: 8
network: {{latency: 0s}}
proxy: {{workers: 1, latency: 0s}}
workloads:
  server: {{service: \"server:80\", replicas: 1, concurrency: {servers}, queue: {queue}, serviceTime: exponential(mean=10ms)}}
clients:
  load: {{load: poisson(200rps), requests: [{{get: \"http://server/\"}}]}}
objectives: [{objectives}]
"
    )
}

struct Found {
    capacity: Capacity,
    tried: Vec<Tried>,
    runs: u64,
}

fn search(jobs: usize, find: impl Fn(&mut Trials<'_>) -> Result<Capacity, Stop<Infallible>>) -> Found {
    let crew = Crew::new(jobs).expect("threads");
    let mut hear = |_: &Tried| {};
    let mut trials = Trials::new(&crew, Watch { stop: &NEVER, step: &|| {} }, None, &mut hear);
    let capacity = find(&mut trials).expect("nothing stops it");
    Found { capacity, runs: trials.runs(), tried: trials.tried }
}

/// The largest load of a mesh, as a factor.
fn largest_load(mesh: &Mesh, jobs: usize) -> Found {
    search(jobs, |trials| {
        capacity::hardest(trials, Scale { ends: None, rises: true, grain: None }, |factor| {
            let mut mesh = mesh.clone();
            mesh.scale_load(factor).expect("no trace");
            Ok(mesh)
        })
    })
}

fn value(found: &Found) -> (f64, (f64, f64)) {
    match &found.capacity.answer {
        Answer::Value { value, interval } => (*value, interval.expect("eight replications")),
        other => panic!("{other:?}"),
    }
}

/// The largest rate at which `of` is at most `limit`.
fn rate_at(limit: f64, most: f64, of: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (most * 1e-3, most * (1.0 - 1e-9));
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if of(middle) <= limit { low = middle } else { high = middle }
    }
    low
}

#[test]
fn the_largest_load_of_servers_is_that_of_the_closed_form() {
    for (servers, limit) in [(1, 150.0), (4, 60.0), (10, 55.0)] {
        let p99 = |rate: f64| MMc { servers, rate, service: 0.01 }.sojourn_quantile(0.99) * 1e3;
        let theory = rate_at(limit, f64::from(servers) * 100.0, p99);
        let mesh = queue(servers, "unlimited", &format!("p(99) < {limit}ms"), "3m", 42);
        let found = largest_load(&mesh, 2);
        let (value, (low, high)) = value(&found);
        let told = format!(
            "{servers} servers: {:.1} ({:.1} to {:.1}), theory {theory:.1}",
            value * 200.0,
            low * 200.0,
            high * 200.0
        );
        assert!(low * 200.0 <= theory && theory <= high * 200.0, "{told}");
        assert!(high - low < 0.08 * value, "{told}");
        assert!(
            found.tried.len() <= 14 && found.runs <= 90,
            "{} points, {} runs",
            found.tried.len(),
            found.runs
        );
    }
}

#[test]
fn the_least_servers_for_a_percentile_are_those_of_the_closed_form() {
    for limit in [200.0, 52.0, 47.5] {
        let p99 = |servers: u32| MMc { servers, rate: 1500.0, service: 0.01 }.sojourn_quantile(0.99) * 1e3;
        let theory = (16..60).find(|servers| p99(*servers) <= limit).expect("some are enough");
        // Not on the edge: a check of the search, not of the engine.
        assert!((p99(theory) / limit - 1.0).abs() > 0.005, "{limit}: {} with {theory}", p99(theory));
        let make = |places: &[usize]| {
            let servers = places[0] as u32 + 1;
            let mut mesh = queue(servers, "unlimited", &format!("p(99) < {limit}ms"), "40s", 42);
            mesh.scale_load(7.5).expect("no trace");
            Ok(mesh)
        };
        let axis = Axis { count: 60, costs: Costs::Even { first: 1.0, step: 1.0 } };
        let found = search(2, |trials| capacity::cheapest(trials, std::slice::from_ref(&axis), make));
        let Answer::Least { best, interval, .. } = &found.capacity.answer else {
            panic!("{:?}", found.capacity.answer)
        };
        let servers = found.tried[*best].at[0] as u32 + 1;
        let (low, high) = interval.expect("one axis");
        assert!(
            (low as u32 + 1..=high as u32 + 1).contains(&theory),
            "{limit}: {low} to {high}, theory {theory}"
        );
        assert!(
            servers.abs_diff(theory) <= 1 && high - low <= 3,
            "{limit}: {servers} ({low} to {high}), theory {theory}"
        );
        assert!(found.tried.len() <= 10, "{} points of 60", found.tried.len());
    }
}

/// Over many seeds the interval holds the truth about as often as it says. Source: issue 4, "Right".
#[test]
fn the_interval_of_a_load_holds_the_truth() {
    let theory = rate_at(30.0, 200.0, |rate| MMc { servers: 2, rate, service: 0.01 }.sojourn_mean() * 1e3);
    let (mut inside, mut widths) = (0, 0.0);
    const SEEDS: u64 = 100;
    for seed in 0..SEEDS {
        let found = largest_load(&queue(2, "unlimited", "mean < 30ms", "60s", 1_000 + seed), 2);
        let (value, (low, high)) = value(&found);
        inside += u64::from((low * 200.0..=high * 200.0).contains(&theory));
        widths += (high - low) / value / SEEDS as f64;
    }
    println!("{inside} of {SEEDS} intervals hold the truth; mean width {:.2} %", 100.0 * widths);
    // 95 % of 100, three standard deviations down; and not by being wide.
    assert!(inside >= SEEDS * 88 / 100, "{inside} of {SEEDS}");
    assert!(widths < 0.12, "{widths}");
}

/// A loss begins with the measured time and outlasts it. Source: docs/studies.md, "capacity".
#[test]
fn what_is_lost_is_each_zone_or_the_first_pod_of_each_workload() {
    let idle = "  idle: {service: \"idle:80\", replicas: 2, zones: [east, north]}\nclients:";
    let text = text(4, "unlimited", "p(99) < 80ms", "30s", 42)
        .replace("replicas: 1", "replicas: 4, zones: [west, east]")
        .replace("clients:", idle);
    let mesh = Texts::scenario(&text).mesh();
    let of = |survive, matters: &dyn Fn(&str) -> bool| {
        let told = |loss: Loss| {
            let rows = loss.mesh.workloads.rows().iter();
            let gone = rows.flat_map(|row| {
                row.incidents.iter().map(|incident| {
                    let IncidentKind::Crash { restart, of } = incident.kind else { panic!("{incident:?}") };
                    assert_eq!((incident.at.seconds(), incident.lasts), (2.0, None));
                    assert!(incident.at.seconds() + restart.seconds() > 30.0, "it comes back in time");
                    (row.name.clone(), incident.pods.clone().expect("some"), of)
                })
            });
            (loss.name, gone.collect::<Vec<_>>())
        };
        loss::losses(&mesh, survive, matters).into_iter().map(told).collect::<Vec<_>>()
    };
    let server = |pods: &[u32], of| ("server".to_owned(), pods.to_vec(), of);
    let idle = |pods: &[u32], of| ("idle".to_owned(), pods.to_vec(), of);
    use CrashOf::{Node, Pod};
    assert_eq!(
        of(Survive::Zone, &|name| name == "server"),
        [
            ("zone east".to_owned(), vec![idle(&[0], Node), server(&[1, 3], Node)]),
            ("zone west".to_owned(), vec![server(&[0, 2], Node)]),
        ],
        "a node takes all that stands on it along"
    );
    assert_eq!(of(Survive::Zone, &|_| true).len(), 3);
    assert_eq!(
        of(Survive::Pod, &|_| true),
        [
            ("pod idle-0".to_owned(), vec![idle(&[0], Pod)]),
            ("pod server-0".to_owned(), vec![server(&[0], Pod)]),
        ]
    );
    assert_eq!(of(Survive::Pod, &|name| name == "idle").len(), 1);
}

/// The first point is too close to call and the next one is far beyond the knee: 54 rps, where 50 are asked for.
#[test]
fn a_border_just_beyond_the_scenarios_load_is_found() {
    let theory =
        rate_at(100.0, 100.0, |rate| MMc { servers: 1, rate, service: 0.01 }.sojourn_quantile(0.99) * 1e3);
    const SEEDS: u64 = 60;
    let mut inside = 0;
    for seed in 1..=SEEDS {
        let mut mesh = queue(1, "unlimited", "p(99) < 100ms", "2m", seed);
        mesh.scale_load(0.25).expect("no trace");
        let found = largest_load(&mesh, 2);
        let (value, (low, high)) = value(&found);
        inside += u64::from((low * 50.0..=high * 50.0).contains(&theory));
        let most =
            found.tried.iter().filter(|tried| tried.meets()).map(|tried| tried.at[0]).fold(0.0, f64::max);
        assert!(value >= most * (1.0 - 1e-6), "seed {seed}: {value} is below {most}, which meets");
        assert!(high - low < 0.3 * value, "seed {seed}: {low} to {high}");
    }
    println!("{inside} of {SEEDS} intervals hold the truth");
    // 95 % of 60, three standard deviations down.
    assert!(inside >= 52, "{inside} of {SEEDS}");
}

#[test]
fn results_do_not_depend_on_threads() {
    let mesh = queue(4, "unlimited", "p(99) < 60ms", "10s", 7);
    let of = |jobs| {
        let found = largest_load(&mesh, jobs);
        (found.capacity, found.tried, found.runs)
    };
    assert!(of(1) == of(8));
}

#[test]
fn a_stopped_search_keeps_what_was_tried() {
    let mesh = queue(4, "unlimited", "p(99) < 60ms", "10s", 7);
    let (stop, crew) = (AtomicBool::new(false), Crew::new(2).expect("threads"));
    let mut heard = 0;
    let mut hear = |_: &Tried| {
        heard += 1;
        stop.store(heard == 3, Ordering::Relaxed);
    };
    let mut trials = Trials::new(&crew, Watch { stop: &stop, step: &|| {} }, None, &mut hear);
    let ended = capacity::hardest(&mut trials, Scale { ends: None, rises: true, grain: None }, |factor| {
        let mut mesh = mesh.clone();
        mesh.scale_load(factor).expect("no trace");
        Ok::<Mesh, Infallible>(mesh)
    });
    assert_eq!((ended, trials.tried.len()), (Err(Stop::Interrupted), 3));
}

// --- the command ---

struct Desk(TempDir);

impl Desk {
    fn new(scenario: &str) -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a directory"));
        fs::write(desk.0.path().join("scenario.yaml"), scenario).expect("writable");
        desk
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshcast"));
        command.current_dir(self.0.path()).arg("capacity").args(arguments).env_clear().env("COLUMNS", "100");
        let output = command.output().expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("we write UTF-8");
        (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(&[arguments, &["-o", "-", "--format", "json"]].concat());
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str(&out).expect("JSON and nothing else")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).expect("written before")
    }
}

/// The values of the answer's point.
fn answer(json: &Value) -> Vec<u32> {
    let values = json["answer"]["values"].as_array().expect("a point");
    values.iter().map(|value| value.as_str().expect("text").parse().expect("a number")).collect()
}

/// Whoever finds all servers busy is lost where the queue has no place; where the pool has one pending request, one
/// waits; a connection of opaque bytes is lost at a full limit. Each has its formula.
#[test]
fn the_least_places_for_a_loss_are_those_of_erlang() {
    // In the middle between the loss of 15 places and that of 14: the search is tested, and no noise is to matter.
    let asked = |loss: &dyn Fn(u32) -> f64| {
        format!("success >= {:.3}%", 100.0 - 100.0 * (loss(14) * loss(15)).sqrt())
    };
    let erlang = asked(&|c| theory::erlang_b(c, 10.0));
    let servers = Desk::new(&text(1, "0", &erlang, "3m", 42));
    let json = servers.json(&["--rps", "1000", "--vary", "workloads.server.concurrency=1..40"]);
    assert_eq!(answer(&json), [15], "{}", json["sentence"]);

    let pool = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server}
spec: {host: server, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}}
";
    let waits = text(99, "unlimited", &asked(&|c| theory::loss(c, c + 1, 10.0)), "3m", 42);
    let pooled = Desk::new(&(waits.clone() + pool));
    let path = "DestinationRule/server:spec.trafficPolicy.connectionPool.tcp.maxConnections";
    let json = pooled.json(&["--rps", "1krps", "--vary", &format!("{path}=1..40")]);
    assert_eq!(answer(&json), [15], "{}", json["sentence"]);
    let limit = &json["limit"]["strain"]["limits"][0];
    assert_eq!(limit["field"], "http1MaxPendingRequests");
    assert_eq!((&limit["object"], &limit["value"]), (&"DestinationRule default/server".into(), &"1".into()));
    let varied = json["limit"]["strain"]["limits"].as_array().expect("limits").iter();
    let varied = varied.filter(|limit| limit["field"] == "maxConnections").map(|limit| &limit["value"]);
    assert_eq!(varied.collect::<Vec<_>>(), ["14"], "as it is at that point, not as the file has it");
    let line = waits.lines().count() + 5;
    assert_eq!((&limit["file"], &limit["line"]), (&"scenario.yaml".into(), &line.into()));

    let opaque = "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: opaque}
duration: 3m
workloads:
  store: {service: \"store:6379\", concurrency: unlimited}
clients:
  app: {load: poisson(100rps), requests: [{connect: \"tcp://store:6379\", lasts: exponential(mean=100ms)}]}
objectives: [OBJECTIVE]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: store}
spec: {host: store, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}
";
    let path = "DestinationRule/store:spec.trafficPolicy.connectionPool.tcp.maxConnections";
    let json = Desk::new(&opaque.replace("OBJECTIVE", &erlang)).json(&["--vary", &format!("{path}=1..40")]);
    assert_eq!(answer(&json), [15], "{}", json["sentence"]);
}

/// Servers and pods at 1,000 rps.
const TWO_VALUES: [&str; 6] = [
    "--rps",
    "1000",
    "--vary",
    "workloads.server.concurrency=1..30",
    "--vary",
    "workloads.server.replicas=1..6",
];

#[test]
fn several_values_give_the_cheapest_and_the_frontier() {
    let desk = Desk::new(&text(1, "0", "success >= 97%", "60s", 42));
    let json = desk.json(&TWO_VALUES);
    // One pod needs 16 servers, as Erlang B says; two need more in all, as they share nothing.
    assert_eq!(answer(&json), [16, 1]);
    assert_eq!((&json["answer"]["cost"], &json["grid_points"]), (&1.into(), &180.into()));
    let points = json["points"].as_array().expect("points");
    assert!(points.len() < 60, "{} points", points.len());
    let frontier = json["answer"]["frontier"].as_array().expect("points");
    assert!(frontier.len() >= 4 && json["answer"]["frontier_complete"] == true, "{frontier:?}");
    let servers =
        desk.json(&[&TWO_VALUES[..], &["--cost", "concurrency=1", "--cost", "replicas=0.1"]].concat());
    assert!(answer(&servers)[0] < 16 && answer(&servers)[1] > 1, "{}", servers["sentence"]);
}

#[test]
fn what_is_lost_takes_its_share_of_the_capacity() {
    let desk =
        Desk::new(&text(4, "unlimited", "p(99) < 80ms", "30s", 42).replace("replicas: 1", "replicas: 4"));
    let rps = |more: &[&str]| desk.json(more)["answer"]["rps"].as_f64().expect("a border");
    let (whole, lossy) = (rps(&[]), rps(&["--survive", "pod"]));
    assert!((0.6..0.9).contains(&(lossy / whole)), "{lossy} of {whole}");
    let (code, _, err) = desk.run(&["--survive", "zone"]);
    assert!(code == 3 && err.contains("one zone"), "{code} {err}");
    let zoned = Desk::new(
        &text(4, "unlimited", "p(99) < 80ms", "30s", 42)
            .replace("replicas: 1", "replicas: 4, zones: [east, west]"),
    );
    // Nodes that answer nothing, and callers without a time limit.
    let (code, out, _) = zoned.run(&["--survive", "zone", "-o", "-", "--vary", "load=0.5x..2x"]);
    assert!(out.lines().all(|line| line.chars().count() <= 100), "lines fit the page: {out}");
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        code == 4
            && out.contains("at every load tried, down to 100 rps (0.5x), and p(99) < 80ms is asked for")
            && out.contains("at 400 rps (2x) without zone east"),
        "{code} {out}"
    );
    assert!(out.contains("the loss after 40 s, which are 100 % of the measured time"), "{out}");
}

/// Numbers of points, roles and verdicts are the same wherever a search is told.
#[test]
fn files_and_text_tell_of_one_search() {
    let desk = Desk::new(&text(1, "0", "success >= 96.5%", "20s", 42));
    let json = desk.json(&TWO_VALUES);
    let points = json["points"].as_array().expect("points");
    let point = |number: &Value| &points[number.as_u64().expect("a number") as usize - 1];
    let answer = point(&json["answer"]["point"]);
    assert_eq!((&answer["role"], &answer["meets"]), (&"answer".into(), &true.into()));
    assert_eq!((&answer["values"], &answer["cost"]), (&json["answer"]["values"], &json["answer"]["cost"]));
    assert!(points.iter().any(|point| point["unsure"] == true), "some are too close to call");
    let frontier = json["answer"]["frontier"].as_array().expect("points");
    assert_eq!(point(&frontier[0]), answer, "the cheapest comes first");
    for other in &frontier[1..] {
        assert_eq!((&point(other)["role"], &point(other)["meets"]), (&"frontier".into(), &true.into()));
        assert!(point(other)["cost"].as_f64() >= answer["cost"].as_f64());
    }
    let limit = point(&json["limit"]["point"]);
    assert_eq!(
        (&limit["role"], &limit["meets"], &json["limit"]["met"]),
        (&"limit".into(), &false.into(), &false.into())
    );
    assert_eq!((&json["monotone"], &json["fold"]), (&true.into(), &Value::Null));
    let busy = json["limit"]["strain"]["workers"][0]["utilization_pct"].as_f64().expect("busy");
    assert!((40.0..95.0).contains(&busy), "{busy}");

    let (code, csv, _) = desk.run(&[&TWO_VALUES[..], &["-o", "-", "--format", "csv"]].concat());
    assert_eq!((code, csv.lines().count()), (0, points.len() + 1));
    for (row, point) in csv.lines().skip(1).zip(points) {
        let cells: Vec<&str> = row.split(',').collect();
        let judged = &point["cases"][0]["objectives"][0];
        let told =
            [&point["point"], &judged["met"], &judged["unsure"], &point["meets"]].map(Value::to_string);
        assert_eq!(
            [cells[0], cells[10], cells[11], cells[14]],
            [&told[0], &told[1], &told[2], &told[3]],
            "{row}"
        );
        assert_eq!(cells[15], point["role"].as_str().expect("a role"), "{row}");
        let met = judged["value"].as_f64().expect("data") >= 96.5;
        assert_eq!((&judged["met"], &point["meets"]), (&met.into(), &met.into()));
    }

    let (_, told, _) = desk.run(&[&TWO_VALUES[..], &["-o", "-"]].concat());
    let rows: Vec<&str> =
        told.lines().filter(|line| line.contains('%') && line.ends_with(['✓', '✗', '?'])).collect();
    assert_eq!(rows.len(), points.len(), "{told}");
    for (row, point) in rows.iter().zip(points) {
        let mark = if point["meets"] == true { "✓" } else { "✗" };
        let doubt = if point["unsure"] == true { "?" } else { "" };
        assert!(row.ends_with(&format!(" {mark}{doubt}")), "{row}");
        let runs = &point["cases"][0]["replications"];
        assert!(row.split_whitespace().rev().nth(1) == Some(&runs.to_string()), "{row}");
    }
    for part in ["  breaks first ", "limited by     workers of server", "Frontier (none of these", ", cost "]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains(&format!("tried {} points of 180, ", points.len())), "{told}");
    assert!(told.contains(&format!("{} points on the frontier", frontier.len())), "{told}");
}

#[test]
fn an_answer_is_told_with_its_unit_its_ends_and_what_it_survives() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 60ms", "10s", 42));
    let json = desk.json(&["--survive", "pod", "--set", "workloads.server.replicas=2"]);
    let sentence = json["sentence"].as_str().expect("text");
    assert!(sentence.starts_with("max ") && sentence.ends_with("load, with any one pod lost"), "{sentence}");
    assert!(json["stamp"]["flags"].to_string().contains("survive"), "{}", json["stamp"]);
    let factor = json["answer"]["value"].as_f64().expect("a factor");
    assert!(
        (json["answer"]["rps"].as_f64().expect("a rate") / (200.0 * factor) - 1.0).abs() < 1e-3,
        "{json}"
    );
    // Queues get longer with places, and the most that are allowed are looked for.
    let objectives = "p(99) < 100ms, success >= 40%";
    let queue = Desk::new(&text(1, "9", objectives, "10s", 42));
    let json = queue.json(&["--find", "max", "--vary", "workloads.server.queue=1..30"]);
    let sentence = json["sentence"].as_str().expect("text");
    assert!(sentence.starts_with("largest: workloads.server.queue = "), "{sentence}");
    if let Some((_, ends)) = sentence.split_once("(95% CI ") {
        let numbers: Vec<u32> =
            ends.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
        assert!(numbers[0] < numbers[1], "{sentence}");
    }
    // All of a range, and its hardest end.
    let json = desk.json(&["--vary", "load=0.1x..0.5x"]);
    assert_eq!(json["answer"]["kind"], "whole range");
    let sentence = json["sentence"].as_str().expect("text");
    assert!(sentence.contains("up to 0.5 times the scenario's load (100 rps)"), "{sentence}");
    let json = desk.json(&["--vary", "workloads.server.concurrency=6..9"]);
    let sentence = json["sentence"].as_str().expect("text");
    assert!(
        sentence.starts_with("least: ") && sentence.ends_with(" = 6, the end of the range"),
        "{sentence}"
    );
    let (_, told, _) = desk.run(&["-o", "-", "--reps", "1", "--vary", "load=0.5x..4x"]);
    assert!(told.contains("one replication: figures have no interval"), "{told}");
}

#[test]
fn a_range_that_is_not_monotone_is_told_with_where() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 60ms, rps >= 100", "30s", 42));
    let (code, out, _) = desk.run(&["-o", "-", "--vary", "load=0.05x..4x"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("max 29") || out.contains("max 30"), "{out}");
    assert!(out.contains("not monotone: 10.0 rps (0.05x) misses the objectives beyond noise"), "{out}");
    assert!(out.contains(", which should be harder, meets them"), "{out}");
    let json = desk.json(&["--vary", "load=0.05x..4x"]);
    let of = |role: &str| &json["points"][json["fold"][role].as_u64().expect("a point") as usize - 1];
    assert_eq!(
        (&json["monotone"], &of("misses")["meets"], &of("meets")["meets"]),
        (&false.into(), &false.into(), &true.into())
    );
    assert_eq!(of("misses")["offered_rps"].as_f64(), Some(10.0));
    let (_, plain, _) = desk.run(&["-o", "-", "--vary", "load=0.6x..4x"]);
    assert!(!plain.contains("not monotone"), "{plain}");
}

#[test]
fn nothing_that_meets_the_objectives_is_code_4_and_the_best_is_shown() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 40ms", "10s", 42));
    let (code, out, _) = desk.run(&["-q", "-o", "-", "--vary", "workloads.server.concurrency=2..9"]);
    assert_eq!(code, 4);
    assert!(out.starts_with("nothing in the range meets the objectives: p(99) is 4"), "{out}");
    assert_eq!(desk.run(&["-q", "-o", "-", "--exit-zero"]).0, 0);
    let (_, markdown, _) = desk.run(&["-o", "-", "--format", "markdown"]);
    assert!(markdown.contains("\n**❌ queue: no load meets the objectives: "), "{markdown}");
    let no_data = Desk::new(
        &text(4, "unlimited", "\"client.load p(99) < 40ms\"", "10s", 42).replace("200rps", "0.001rps"),
    );
    let (code, out, _) = no_data.run(&["-o", "-"]);
    assert!(code == 4 && out.contains("no request tells anything of it"), "{code} {out}");
}

#[test]
fn bad_questions_are_told_with_a_remedy() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 60ms", "10s", 42));
    for (arguments, code, word) in [
        (&["--vary", "workloads.server.replicas=9..2"][..], 3, "the range is empty"),
        (&["--vary", "workloads.sever.replicas=2..9"], 3, "did you mean `server`"),
        (&["--vary", "workloads.sever.replicas=2..9"], 3, "--> --vary:1:1"),
        (&["--vary", "clients.lod.pods=1..2"], 3, "did you mean `load`"),
        (&["--vary", "metadata.name=a,b"], 3, "changes nothing"),
        (&["--vary", "load=0x..2x"], 3, "factors above zero"),
        (&["--find", "min"], 2, "--vary"),
        (&["--find", "max-rps", "--vary", "workloads.server.replicas=2..9"], 2, "write `--find min`"),
        (&["--find", "min", "--vary", "load=1x..2x"], 2, "--find min"),
        (&["--vary", "load=1x..2x", "--vary", "workloads.server.replicas=2..9"], 2, "--rps"),
        (
            &["--vary", "workloads.server.queue=2..9", "--vary", "workloads.server.queue=3..4"],
            2,
            "varied twice",
        ),
        (&["--rps", "100"], 2, "leave `--rps` out"),
        (&["--rps", "none", "--vary", "workloads.server.replicas=2..9"], 2, "--rps 1500"),
        (&["--cost", "pods=1", "--vary", "workloads.server.replicas=2..9"], 2, "no such path"),
        (&["--cost", "replicas=1"], 2, "nothing is varied"),
        (
            &["--cost", "replicas=1", "--cost", "replicas=2", "--vary", "workloads.server.replicas=2..9"],
            2,
            "two costs",
        ),
        (&["--vary", "load=50%..200%"], 3, "no unit of a load"),
        (&["--vary", "load=-1x..4x"], 3, "no sign"),
        (&["--vary", "load=0x..4x"], 3, "factors above zero"),
        (&["--rps", "1e9", "--vary", "workloads.server.replicas=2..9"], 2, "at most ten million"),
        (&["--set", "clients.load.load=poisson(1e9rps)"], 3, "ten million"),
        (&["--set", "objectives=[]"], 2, "--slo"),
    ] {
        let (found, out, err) = desk.run(&[arguments, &["-o", "-"]].concat());
        assert!(found == code && err.contains(word) && out.is_empty(), "{arguments:?}: {found} {out}{err}");
        assert!(err.contains("help"), "{arguments:?} has no remedy: {err}");
    }
    let trace = Desk::new(
        &text(4, "unlimited", "p(99) < 60ms", "10s", 42).replace("poisson(200rps)", "trace(t.csv)"),
    );
    fs::write(trace.0.path().join("t.csv"), "t_s\n1\n2\n").expect("writable");
    let (code, _, err) = trace.run(&["-o", "-"]);
    assert!(code == 3 && err.contains("client `load` is a trace"), "{code} {err}");
    let (code, _, err) = trace.run(&["-o", "-", "--rps", "9", "--vary", "workloads.server.replicas=2..9"]);
    assert!(code == 3 && err.contains("the rate of client `load` is not known"), "{code} {err}");
}

#[test]
fn the_folder_is_the_same_at_any_number_of_threads() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 60ms", "10s", 42));
    assert_eq!(desk.run(&["-o", "one", "--jobs", "1"]).0, 0);
    assert_eq!(desk.run(&["-o", "eight", "--jobs", "8"]).0, 0);
    for file in ["capacity.csv", "capacity.json", "run.json", "plots/capacity.svg", "plots/capacity.png"] {
        assert!(desk.read(&format!("one/{file}")) == desk.read(&format!("eight/{file}")), "{file}");
    }
    let csv = String::from_utf8(desk.read("one/capacity.csv")).expect("UTF-8");
    assert_eq!(
        csv.lines().next(),
        Some(
            "point,values,offered_rps,cost,loss,replications,objective,value,value_ci95,limit,met,unsure,unanswered_pct,steady,point_meets,role"
        )
    );
    assert!(csv.lines().nth(1).is_some_and(|row| row.starts_with("1,load=1x,200,,,")), "{csv}");
    assert_eq!(csv.matches(",limit\n").count(), 1, "the point beyond the border is marked: {csv}");
    let (_, markdown, _) = desk.run(&["-o", "-", "--format", "markdown"]);
    assert!(markdown.starts_with("<!-- meshcast:capacity:queue -->\n**✅ queue: max "), "{markdown}");
}
