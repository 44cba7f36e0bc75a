//! Whether figures are those of a steady state: who starts cold is told, and so is who has more than he can serve, and
//! nobody else.

use meshcast::mesh::Mesh;
use meshcast::sim::{self, Plan};
use meshcast::study::steadiness::{self, Overload, Unsteady, WarmUp};
use meshcast::study::{Crew, RunResults};

use crate::texts::Texts;

/// A service and its client; `run` and `server` are YAML.
fn mesh(run: &str, server: &str, load: &str) -> Mesh {
    Texts::scenario(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: steady}}\n{run}\n\
         workloads:\n  server: {{service: \"server:80\", {server}}}\n\
         clients:\n  web: {{load: {load}, requests: [{{get: \"http://server/\"}}]}}\n"
    ))
    .mesh()
}

fn check(mesh: &Mesh, seed: u64, replications: u64) -> Vec<Unsteady> {
    let plan = Plan::compile(mesh);
    let results: Vec<_> = (0..replications).map(|replication| sim::run(&plan, seed, replication)).collect();
    steadiness::check(&RunResults::pool(&results), mesh)
}

/// Requests that take 20 s: as many as there are in a steady state are in flight after a minute or two.
fn filling(warmup: &str) -> Mesh {
    mesh(&format!("duration: 10m\nwarmup: {warmup}"), "serviceTime: exponential(mean=20s)", "poisson(50rps)")
}

#[track_caller]
fn warm_up(found: &[Unsteady]) -> &WarmUp {
    match found {
        [Unsteady::WarmUp(warm_up)] => warm_up,
        other => panic!("no start: {other:#?}"),
    }
}

#[track_caller]
fn overload(found: &[Unsteady]) -> &Overload {
    match found {
        [Unsteady::Overload(overload)] => overload,
        other => panic!("no overload: {other:#?}"),
    }
}

#[test]
fn a_cold_start_is_told_with_the_warm_up_that_it_needs() {
    for (warmup, seed) in [("0s", 42), ("0s", 43), ("10s", 44)] {
        let found = check(&filling(warmup), seed, 4);
        let WarmUp { needed, moves_pct, .. } = warm_up(&found);
        let needed = needed.expect("it settles").seconds();
        // After three means 5 % are missing, after six a quarter per cent.
        assert!((60.0..=150.0).contains(&needed), "{needed} s");
        assert!(*moves_pct < -1.0, "{moves_pct} %");
        let told = found[0].to_string();
        assert!(
            told.starts_with(&format!("the warm-up of {warmup} is too short: "))
                && told.contains("; write `warmup: "),
            "{told}"
        );
        let advised = told.rsplit_once("`warmup: ").expect("an advice").1.trim_end_matches('`');
        assert_eq!(check(&filling(advised), seed, 4), [], "{advised}");
    }
}

#[test]
fn one_replication_tells_it_too() {
    assert!(warm_up(&check(&filling("0s"), 42, 1)).needed.is_some());
}

#[test]
fn whoever_never_settles_is_told_to_wait() {
    let found = check(
        &mesh("duration: 1m\nwarmup: 5s", "serviceTime: exponential(mean=60s)", "poisson(50rps)"),
        42,
        4,
    );
    assert_eq!(warm_up(&found).needed, None);
    assert!(found[0].to_string().ends_with("write a longer `duration:`"), "{}", found[0]);
}

#[test]
fn more_load_than_capacity_has_no_steady_state() {
    let queue = "replicas: 2, concurrency: 1, serviceTime: exponential(mean=10ms)";
    let found = check(&mesh("duration: 2m\nwarmup: 10s", queue, "poisson(250rps)"), 42, 4);
    let Overload { growth, rates, .. } = overload(&found);
    let (offered, served) = rates.expect("known of a workload");
    assert!((offered - 250.0).abs() < 10.0 && (served - 200.0).abs() < 10.0, "{offered}, {served}");
    assert!((growth - 50.0).abs() < 10.0, "{growth}");
    let told = found[0].to_string();
    assert!(
        told.starts_with("no steady state: server gets 2") && told.contains(" % more than it can; "),
        "{told}"
    );
}

#[test]
fn a_line_for_connections_is_told_as_such() {
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: server}\nspec: {host: server, \
                trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}\n";
    let text = "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {name: steady}\nduration: 2m\nproxy: {workers: 1}\n\
                workloads:\n  server: {service: \"server:80\", serviceTime: 10ms}\n\
                clients:\n  web: {pods: 1, load: poisson(150rps), requests: [{get: \"http://server/\"}]}\n";
    let mesh = Texts::scenario(&format!("{text}{rule}")).mesh();
    let found = check(&mesh, 42, 2);
    assert_eq!(overload(&found).rates, None);
    assert!(
        found[0].to_string().contains("the line of web's requests for a connection to server grows"),
        "{}",
        found[0]
    );
}

#[test]
fn lost_requests_are_no_line() {
    let queue = "concurrency: 1, queue: 10, serviceTime: exponential(mean=10ms)";
    assert_eq!(check(&mesh("duration: 2m\nwarmup: 10s", queue, "poisson(150rps)"), 42, 4), []);
}

#[test]
fn what_changes_by_order_is_no_start() {
    let late = "concurrency: 1, serviceTime: 1ms, incidents: [{at: 0s, for: 30s, slowdown: 10}]";
    assert_eq!(check(&mesh("duration: 2m\nwarmup: 0s", late, "poisson(50rps)"), 42, 4), []);
    let rising = "{profile: [{at: 0s, rate: 10rps}, {at: 20s, rate: 100rps}]}";
    assert_eq!(check(&mesh("duration: 2m\nwarmup: 0s", "serviceTime: 1ms", rising), 42, 4), []);
}

/// Queues wander: 200 runs of four replications of lines at 0.5 to 0.9, after a warm-up that is long enough.
#[test]
fn chance_raises_few_alarms() {
    let loads = [500, 700, 800, 900];
    let meshes = loads.map(|rate| {
        let load = format!("poisson({rate}rps)");
        mesh(
            "duration: 20s\nwarmup: 2s\nwindow: 200ms",
            "replicas: 1, concurrency: 1, serviceTime: exponential(mean=1ms)",
            &load,
        )
    });
    let crew = Crew::new(2).expect("threads");
    let mut alarms = Vec::new();
    let look = |number: u32| (number, check(&meshes[number as usize % loads.len()], u64::from(number), 4));
    crew.fold(200, look, |(number, found)| {
        alarms.extend(found.iter().map(|one| format!("{} rps: {one}", loads[number as usize % loads.len()])));
    });
    println!("{} alarms in 200 runs\n{}", alarms.len(), alarms.join("\n"));
    assert!(alarms.len() <= 4, "{alarms:#?}");
}
