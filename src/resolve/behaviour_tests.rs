//! Tests of behaviour: a workload of the scenario in, operations, calls and incidents out.

use super::*;
use crate::kernel::{Id, SimDuration};
use crate::resolve::cycles;
use crate::resolve::fixture::{Town, read};

fn build(yaml: &str) -> (Workload, Table<CallSpecId, CallSpec>, Vec<String>) {
    let (docs, scenario, mut findings) = read(&format!(
        "clients: {{a: {{load: constant(1rps), requests: [{{get: \"http://reviews\"}}]}}}}\nworkloads:\n  reviews-v1:\n{yaml}"
    ));
    let mut calls = Table::new();
    let identity = Identity {
        id: WorkloadId::from_index(0),
        name: "reviews-v1".to_owned(),
        pod_prefix: "reviews-v1".to_owned(),
        namespace: "default".to_owned(),
        labels: Vec::new(),
        services: vec![ServiceId::from_index(0)],
        data_plane: DataPlane::Sidecar,
        pods: 3,
        scalings: Vec::new(),
        shutdown: None,
        grace: None,
    };
    let said = scenario.workloads.as_ref().and_then(|workloads| workloads.get("reviews-v1"));
    let workload = workload(identity, said, &Town, &mut calls, &mut findings);
    let said =
        findings.iter().map(|f| format!("{}: {}", docs.sources.slice(f.span.unwrap()), f.message)).collect();
    (workload, calls, said)
}

#[test]
fn the_short_form_is_work_then_calls_in_sequence() {
    let (workload, calls, findings) = build(
        "    serviceTime: 5ms\n    calls: [\"http://ratings:9080/r/0\", \"http://ratings:9080/r/0\"]\n",
    );
    assert_eq!(findings, Vec::<String>::new());
    assert_eq!(workload.operations.len(), 1);
    let steps = &workload.operations[0].steps;
    assert_eq!(steps[0], Step::Work(Distribution::Constant(SimDuration::from_millis(5))));
    assert_eq!(steps.len(), 3);
    let indices: Vec<u64> = calls.rows().iter().map(|call| call.index).collect();
    assert_eq!(indices, [0, 1]);
    let target = &calls.rows()[0].target;
    assert_eq!(target.service, Some(ServiceId::from_index(1)));
    assert_eq!(
        target.name_hash,
        targets::name_hash("GET", "ratings.default.svc.cluster.local", 9080, "/r/0")
    );
    assert_eq!(workload.guessed, ["concurrency"]);
}

#[test]
fn the_long_form_keeps_conditions_branches_and_repeats() {
    let (workload, calls, findings) = build(
        "    operations:
    - match: {path: /reviews/*, method: get}
      steps:
      - work: 5ms
      - parallel: [{call: \"http://ratings/\", repeat: 2, onError: ignore}, {call: \"http://ratings/\", share: 30%, onError: 502}]
      - {call: \"http://ratings/\", repeat: 2, timeout: 3s, attempts: 2, method: post}
",
    );
    assert_eq!(findings, Vec::<String>::new());
    let operation = &workload.operations[0];
    let condition = operation.condition.as_ref().unwrap();
    assert_eq!(condition.path, Some(StringMatch::Prefix("/reviews/".to_owned())));
    assert_eq!(condition.method, Some(StringMatch::Exact("GET".to_owned())));
    let lengths: Vec<usize> = operation
        .steps
        .iter()
        .map(|step| match step {
            Step::Work(_) => 0,
            Step::Calls(ids) => ids.len(),
        })
        .collect();
    assert_eq!(lengths, [0, 3, 1, 1]);
    let indices: Vec<u64> = calls.rows().iter().map(|call| call.index).collect();
    assert_eq!(indices, [0, 1, 2, 0, 1], "POST is another name than GET");
    assert_eq!(calls.rows()[0].on_error, OnError::Ignore);
    assert_eq!(calls.rows()[2].on_error, OnError::Fail(502));
    assert_eq!(calls.rows()[3].attempts.get(), 2);
    assert!(workload.operations.len() == 1, "no own work or calls: what nothing matches is a 404");
}

#[test]
fn a_silent_workload_runs_on_guesses() {
    let (workload, ..) = build("    {}\n");
    assert_eq!(workload.guessed, ["serviceTime", "concurrency"]);
    assert_eq!(workload.operations[0].steps, [Step::Work(defaults::service_time())]);
    assert_eq!((workload.concurrency, workload.queue), (None, None));
}

#[test]
fn incidents_are_one_per_effect_and_name_pods_that_exist() {
    let (workload, _, findings) = build(
        "    incidents:
    - {at: 1m, for: 10s, pods: [reviews-v1-2, reviews-v1-3], slowdown: 4, errors: {rate: 50%}}
    - {at: 2m, pods: 4, hang: true}
    - {at: 3m, pods: 2, crash: {restart: 20s, of: node}}
",
    );
    assert_eq!(
        findings,
        ["reviews-v1-3: `reviews-v1` has no pod `reviews-v1-3`", "4: `reviews-v1` has 3 pods only"]
    );
    assert_eq!(workload.incidents.len(), 4);
    assert_eq!(workload.incidents[0].pods, Some(vec![2]));
    assert_eq!(workload.incidents[3].pods, Some(vec![0, 1]));
    let restart = SimDuration::from_secs(20);
    assert_eq!(workload.incidents[3].kind, IncidentKind::Crash { restart, of: CrashOf::Node });
}

#[test]
fn calls_to_nobody_are_errors() {
    let (_, _, findings) = build("    calls: [\"http://rating:9080/\"]\n");
    assert_eq!(findings, ["\"http://rating:9080/\": no Service or ServiceEntry has the host `rating`"]);
}

#[test]
fn certain_cycles_are_found_and_chancy_ones_are_not() {
    let cycle = |yaml: &str| {
        let (workload, calls, _) = build(yaml);
        let mut workloads = Table::new();
        workloads.push(workload);
        let found = cycles::find_certain_cycle(&workloads, &calls, &|call: &CallSpec| {
            if call.target.host == "reviews" { vec![WorkloadId::from_index(0)] } else { Vec::new() }
        });
        found.map(|cycle| cycles::describe(&cycle, &workloads, &calls))
    };
    assert_eq!(cycle("    calls: [\"http://reviews/\"]\n"), Some("reviews-v1 -> reviews-v1".to_owned()));
    assert_eq!(cycle("    calls: [{call: \"http://reviews/\", share: 50%}]\n"), None);
    assert_eq!(cycle("    calls: [\"http://ratings/\"]\n"), None);
    let other = "    operations:\n    - {match: {path: /a}, steps: [{call: \"http://reviews/b\"}]}\n    - {match: {path: /b}, steps: [{work: 1ms}]}\n";
    assert_eq!(cycle(other), None);
    let header = "    operations:\n    - {match: {headers: {x: y}}, steps: [{work: 1ms}]}\n    - {steps: [{call: \"http://reviews/b\"}]}\n";
    assert_eq!(cycle(header), None, "a header may lead out of it");
}
