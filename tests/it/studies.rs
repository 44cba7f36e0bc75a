//! What all studies stand on: many meshes measured together, and requests that are known by their luck under every
//! configuration.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;

use meshcast::kernel::SimTime;
use meshcast::kernel::random::name_hash;
use meshcast::mesh::{Fingerprint, Mesh};
use meshcast::metrics::results::Results;
use meshcast::sim::{self, Answered, Heard, Plan, Run, Step};
use meshcast::study::{Crew, Measurements, RunResults, Watch, busy};

use crate::meshes::RandomMesh;
use crate::texts::Texts;

static STOP: AtomicBool = AtomicBool::new(false);

/// Two versions of a service behind a route with these weights, both without a limit.
fn split(stable: u32, canary: u32) -> Mesh {
    let text = format!(
        "apiVersion: meshcast/v1
kind: Scenario
metadata: {{name: split}}
duration: 20s
warmup: 2s
replications: 2
workloads:
  v1: {{service: \"app:80\", labels: {{version: v1}}, concurrency: unlimited, serviceTime: 2ms, calls: [\"http://db/\"]}}
  v2: {{service: \"app:80\", labels: {{version: v2}}, concurrency: unlimited, serviceTime: 3ms}}
  db: {{service: \"db:80\", concurrency: unlimited, serviceTime: exponential(mean=1ms)}}
clients:
  web: {{load: poisson(200rps), requests: [{{get: \"http://app/\"}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app}}
spec:
  hosts: [app]
  http:
  - route:
    - {{destination: {{host: app, subset: v1}}, weight: {stable}}}
    - {{destination: {{host: app, subset: v2}}, weight: {canary}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: app}}
spec:
  host: app
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
"
    );
    Texts::scenario(&text).mesh()
}

/// A whole replication, observed in slices: what was heard by fate, and what was counted.
fn observed(mesh: &Mesh) -> (BTreeMap<u64, (Answered, Vec<Step>)>, Results) {
    let plan = Plan::compile(mesh);
    let mut run = Run::new(&plan, mesh.run.seed, 0);
    run.observe();
    let (mut heard, mut all) = (Heard::default(), BTreeMap::new());
    for second in (1..).map(|second| SimTime::from_nanos(second * 1_000_000_000)) {
        let goes_on = run.advance(second);
        run.hear(&mut heard);
        for answered in &heard.answered {
            let before = all.insert(answered.fate, (answered.clone(), heard.steps(answered).to_vec()));
            assert!(before.is_none(), "heard of twice");
        }
        if !goes_on {
            break;
        }
    }
    (all, run.finish())
}

#[test]
fn whoever_listens_changes_nothing_and_hears_of_all_that_counts() {
    for seed in 0..8 {
        let mesh = RandomMesh::new(seed).texts().mesh();
        let (heard, results) = observed(&mesh);
        assert!(results == sim::run(&Plan::compile(&mesh), mesh.run.seed, 0), "mesh {seed}");
        let counted: u64 = results.requests.values().map(|row| row.finished.count()).sum();
        assert_eq!(heard.len() as u64, counted, "mesh {seed}");
        let ok: u64 = results.requests.values().map(|row| row.finished.ok.count()).sum();
        let heard_ok = heard.values().filter(|(answered, _)| answered.outcome.is_success()).count();
        assert_eq!(heard_ok as u64, ok, "mesh {seed}");
    }
}

/// The tenth that a shift from 90/10 to 80/20 moves is another tenth than the one that was there, and all others keep
/// theirs. Source: design D2.
#[test]
fn a_shift_of_weights_moves_exactly_the_requests_between_them() {
    let cluster = |subset: &str| name_hash(&format!("outbound|80|{subset}|app.default.svc.cluster.local"));
    let (before, _) = observed(&split(90, 10));
    let (after, _) = observed(&split(80, 20));
    assert!(before.keys().eq(after.keys()), "the same requests");
    let version = |steps: &[Step]| {
        let at = |subset: &str| steps.iter().any(|step| step.cluster == cluster(subset));
        assert!(at("v1") != at("v2"), "one of both");
        if at("v1") { 1 } else { 2 }
    };
    let mut counts = BTreeMap::new();
    for (fate, (_, steps)) in &before {
        *counts.entry((version(steps), version(&after[fate].1))).or_insert(0u32) += 1;
    }
    let all = before.len() as f64;
    let share = |from, to| f64::from(counts.get(&(from, to)).copied().unwrap_or(0)) / all;
    assert_eq!(share(2, 1), 0.0, "nobody goes back");
    for ((from, to), expected) in [((1, 1), 0.8), ((1, 2), 0.1), ((2, 2), 0.1)] {
        assert!((share(from, to) - expected).abs() < 0.02, "{from} to {to}: {}", share(from, to));
    }
    let stayed = before.iter().filter(|(fate, (_, steps))| after[*fate].1 == *steps).count() as f64;
    assert!((stayed / all - share(1, 1) - share(2, 2)).abs() < 1e-9, "calls of the others are the same too");
}

#[test]
fn meshes_are_measured_together_as_alone_and_once() {
    let mut again = split(90, 10);
    again.name = "another name".to_owned();
    let meshes = [split(90, 10), split(80, 20), again, split(50, 50)];
    let alone = |mesh: &Mesh| {
        let plan = Plan::compile(mesh);
        let results: Vec<Results> = (0..2).map(|number| sim::run(&plan, mesh.run.seed, number)).collect();
        RunResults::pool(&results).judge(mesh, &results)
    };
    for jobs in [1, 3] {
        let crew = Crew::new(jobs).expect("threads");
        let mut study = Measurements::new(&crew, Watch { stop: &STOP, step: &|| {} });
        let mut seen = Vec::new();
        study.each(&meshes, |index, figures| {
            assert!(**figures == alone(&meshes[index]), "mesh {index}");
            seen.push(index);
        });
        assert_eq!((seen, study.runs()), (vec![0, 1, 2, 3], 6));
        assert!(study.all(&meshes[2..]).is_some());
        assert_eq!(study.runs(), 6, "all is known by now");
    }
}

#[test]
fn more_replications_of_a_mesh_are_another_measurement() {
    let mut more = split(90, 10);
    more.run.replications = NonZeroU32::new(3).expect("3");
    let crew = Crew::new(1).expect("a thread");
    let mut study = Measurements::new(&crew, Watch { stop: &STOP, step: &|| {} });
    let found = study.all(&[split(90, 10), more]).expect("nothing stops it");
    assert_eq!((found[0].replications, found[1].replications, study.runs()), (2, 3, 5));
}

#[test]
fn a_stopped_study_keeps_what_was_whole() {
    let meshes = [split(90, 10), split(80, 20), split(50, 50)];
    // Alone, as others might be done with the rest before they hear of it.
    let (stop, crew) = (AtomicBool::new(false), Crew::new(1).expect("no threads"));
    let mut study = Measurements::new(&crew, Watch { stop: &stop, step: &|| {} });
    let mut seen = 0;
    study.each(&meshes, |_, _| {
        seen += 1;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(seen, 1);
    assert!(study.all(&meshes).is_none());
}

/// Arrivals times service over servers, of which each pod has its part.
#[test]
fn workloads_are_as_busy_as_theory_says() {
    let text = "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: busy}
duration: 2m
workloads:
  app: {service: \"app:80\", replicas: 3, concurrency: 2, serviceTime: exponential(mean=8ms)}
  db: {service: \"db:80\", replicas: 2, concurrency: 1, serviceTime: exponential(mean=4ms)}
  free: {service: \"free:80\", concurrency: unlimited}
clients:
  web: {load: poisson(150rps), requests: [{get: \"http://app/\"}]}
  batch: {load: poisson(50rps), requests: [{get: \"http://db/\"}]}
";
    let mesh = Texts::scenario(text).mesh();
    let plan = Plan::compile(&mesh);
    let results: Vec<Results> = (0..2).map(|number| sim::run(&plan, 7, number)).collect();
    let found = busy::by_workload(&mesh, &results);
    assert!(found.keys().eq(["app", "db"]), "who has no limit has no share: {found:?}");
    for (workload, expected) in [("app", 20.0), ("db", 10.0)] {
        let share = found[workload].value.expect("it served");
        assert!((share - expected).abs() < 1.0, "{workload}: {share} is not {expected}");
    }
}

#[test]
fn fingerprints_tell_meshes_apart_by_what_they_do() {
    let of = |change: &dyn Fn(&mut Mesh)| {
        let mut mesh = split(90, 10);
        change(&mut mesh);
        Fingerprint::of(&mesh)
    };
    let same = of(&|_| {});
    assert_eq!(of(&|mesh| mesh.name.push('x')), same);
    assert_ne!(of(&|mesh| mesh.run.seed += 1), same);
    assert_ne!(of(&|mesh| mesh.scale_load(1.000_000_1).expect("no trace")), same);
    assert_ne!(Fingerprint::of(&split(89, 11)), same);
}
