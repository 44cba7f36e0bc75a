//! What `istioVersion` and the settings of the whole mesh change, seen in the engine: one mesh before and after each
//! release that matters. That each field is known from its release on is tested beside the table.
//! Source: semantics S0.5, S1.2, S4.5, S8.5, S9.1, S9.7, S12.2, S15.3.

use meshcast::metrics::Results;
use meshcast::metrics::results::{ClusterTotals, Counter};
use meshcast::metrics::series::Metric;
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

/// The client `web` calls `front` fifty times a second for ten seconds; `rest` adds workloads, `objects` a manifest.
#[derive(Clone, Copy)]
struct Case<'a> {
    front: &'a str,
    rest: &'a str,
    objects: &'a str,
}

impl Case<'_> {
    fn texts(&self, version: &str) -> Texts {
        let Case { front, rest, objects } = self;
        let mut texts = Texts::scenario(&format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: versions}}\nduration: 10s\nwarmup: 0s\n\
             istioVersion: \"{version}\"\nnetwork: {{latency: 0s}}\nproxy: {{workers: 1, latency: 0s, age: 0s}}\n\
             controlPlane: {{propagation: 100ms}}\nmanifests: [objects.yaml]\nworkloads:\n\
             \x20 front: {{service: \"front:80\", concurrency: unlimited, serviceTime: 1ms, {front}}}\n{rest}\
             clients:\n  web: {{load: constant(50rps), requests: [{{get: \"http://front/\"}}]}}\n"
        ));
        let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: none}\n---\n";
        texts.0.insert("objects.yaml".to_owned(), format!("{kept}{objects}"));
        texts
    }

    fn run(&self, version: &str) -> Results {
        sim::run(&Plan::compile(&self.texts(version).mesh()), 42, 0)
    }
}

fn row<'a>(results: &'a Results, source: &str, service: &str) -> Option<&'a ClusterTotals> {
    let mut rows = results.clusters.iter();
    rows.find(|(key, _)| key.source == source && key.service == service).map(|(_, totals)| totals)
}

fn count(results: &Results, counter: Counter) -> u64 {
    row(results, "web", "front").expect("web calls it").counters[counter as usize]
}

fn failed(results: &Results) -> u64 {
    row(results, "web", "front").expect("web calls it").calls.failed.count()
}

fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: front}}\n\
         spec: {{host: front, trafficPolicy: {policy}}}\n"
    )
}

fn routes(more: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: front}}\n\
         spec: {{hosts: [front], http: [{{route: [{{destination: {{host: front}}}}], {more}}}]}}\n"
    )
}

fn operator(config: &str) -> String {
    format!(
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{name: mesh}}\n\
         spec: {{profile: default, meshConfig: {config}}}\n"
    )
}

#[test]
fn answers_of_503_are_tried_again_before_1_24() {
    let case = Case { front: "replicas: 3, errors: {rate: 50%, status: 503}", rest: "", objects: "" };
    let (old, new) = (case.run("1.23"), case.run("1.24"));
    // Two retries leave an eighth of the failures.
    assert!((30..100).contains(&failed(&old)), "{}", failed(&old));
    assert_eq!(count(&new, Counter::Retries), 0);
    assert!(failed(&new) > 200, "{}", failed(&new));
}

#[test]
fn one_of_few_hosts_is_ejected_before_1_20() {
    let objects = rule("{outlierDetection: {interval: 60s}}");
    let incidents = "replicas: 3, incidents: [{at: 0s, pods: 1, errors: {rate: 100%, status: 500}}]";
    let case = Case { front: incidents, rest: "", objects: &objects };
    assert_eq!(count(&case.run("1.19"), Counter::Ejections), 1);
    assert_eq!(count(&case.run("1.20"), Counter::Ejections), 0);
}

/// The application is gone from 5 s on, for 30 ms: of what comes meanwhile, most is still being tried when it is back.
#[test]
fn servers_try_again_what_their_application_did_not_take_from_1_24_on() {
    let crash = |restart| format!("replicas: 1, incidents: [{{at: 5s, crash: {{restart: {restart}}}}}]");
    let (short, long) = (crash("30ms"), crash("2s"));
    let run = |front: &str, objects: &str, version: &str| {
        // The caller itself does not try again.
        let objects = format!("{}---\n{objects}", routes("retries: {attempts: 0}"));
        let mut texts = Case { front, rest: "", objects: &objects }.texts(version);
        let scenario = texts.0.get_mut("scenario.yaml").expect("there");
        *scenario = scenario.replace("constant(50rps)", "constant(1krps)");
        sim::run(&Plan::compile(&texts.mesh()), 42, 0)
    };
    let lost = |objects: &str, version: &str| failed(&run(&short, objects, version));
    // Each millisecond one comes; it is told at once, or tried up to 75 ms later. The one at work is lost anyway.
    let at_once = lost("", "1.23");
    assert!((30..=32).contains(&at_once), "{at_once}");
    let tried = lost("", "1.24");
    assert!((1..15).contains(&tried), "{tried}");
    let grpc = "apiVersion: v1\nkind: Service\nmetadata: {name: front}\n\
                spec: {ports: [{name: grpc, port: 80}], selector: {app: front}}\n";
    assert_eq!((lost(grpc, "1.25"), lost(grpc, "1.26")), (tried, at_once));
    // The mesh may have it otherwise.
    let off = operator("{defaultInboundHttpRetryPolicy: {}}");
    assert_eq!((lost(&off, "1.31"), lost(&off, "1.30")), (at_once, tried));
    // Who is told in the end waits for both back-offs, of 12 and 24.5 ms on average. After 100 ms the caller knows better.
    let waited = |version: &str| {
        let results = run(&long, "", version);
        let failures = &row(&results, "web", "front").expect("web calls it").calls.failed;
        failures.mean().expect("some fail") * failures.count() as f64 / 1e6
    };
    let (told, tried) = (waited("1.23"), waited("1.24"));
    assert!(told < 1.0 && (3_300.0..4_000.0).contains(&tried), "{told} and {tried} ms");
}

/// The mirror takes only what is sent to `front-shadow`.
#[test]
fn copies_have_a_suffix_before_1_28() {
    let objects = routes("mirror: {host: shadow}");
    let rest = "  shadow: {service: \"shadow:80\", replicas: 1, concurrency: unlimited, serviceTime: 1ms, \
                operations: [{match: {host: front-shadow}, steps: [{call: \"http://ledger/\"}]}, \
                {steps: [{work: 1ms}]}]}\n\
                \x20 ledger: {service: \"ledger:80\", replicas: 1, concurrency: unlimited, serviceTime: 1ms}\n";
    let case = Case { front: "replicas: 1", rest, objects: &objects };
    let calls =
        |version: &str| row(&case.run(version), "shadow", "ledger").map_or(0, |totals| totals.calls.count());
    assert_eq!((calls("1.27"), calls("1.28")), (500, 0));
}

/// Requests that are over count for the budget where it looks back: fifty a second make ten of five.
#[test]
fn budgets_look_back_from_1_31_on() {
    let objects = rule("{retryBudget: {percent: 20, minRetryConcurrency: 1, budgetInterval: 1s}}")
        + "---\n"
        + &routes("retries: {attempts: 3, retryOn: 5xx, backoff: 500ms}");
    let case = Case { front: "replicas: 1, errors: {rate: 20%, status: 500}", rest: "", objects: &objects };
    let refused = |version: &str| count(&case.run(version), Counter::RetryOverflow);
    // About ten a second fail and wait a quarter of a second before they are tried again: two or three at once.
    let (old, new) = (refused("1.30"), refused("1.31"));
    assert!(old > 20 && new < old / 10, "{old} and {new}");
}

#[test]
fn the_mesh_fills_what_rules_leave_out_from_1_31_on() {
    let objects = operator(
        "{defaultTrafficPolicy: {outlierDetection: {maxEjectionPercent: 50, interval: 60s}, \
         connectionPool: {http: {http1MaxPendingRequests: 7}}}, connectTimeout: 3s}",
    );
    let incidents = "replicas: 3, incidents: [{at: 0s, pods: 1, errors: {rate: 100%, status: 500}}]";
    let case = Case { front: incidents, rest: "", objects: &objects };
    assert_eq!(count(&case.run("1.30"), Counter::Ejections), 0);
    assert_eq!(count(&case.run("1.31"), Counter::Ejections), 1);
    let of = |objects: &str| {
        let case = Case { objects, ..case };
        let mesh = case.texts("1.31").mesh();
        let cluster = mesh.clusters.rows()[0].clone();
        (cluster, mesh.workloads.rows()[0].inbound.clone())
    };
    let (cluster, inbound) = of(&objects);
    assert_eq!(cluster.breakers.max_pending_requests, 7);
    assert_eq!(cluster.connection.connect_timeout.to_string(), "3s");
    // It acts again at the server, and where a rule leaves its block out.
    assert_eq!(inbound[0].limits.breakers.max_pending_requests, 7);
    let (cluster, _) = of(&format!("{objects}---\n{}", rule("{outlierDetection: {maxEjectionPercent: 40}}")));
    let percent = cluster.outlier.expect("the rule has it").max_ejection_percent;
    assert_eq!((percent, cluster.breakers.max_pending_requests), (40, 7));
    let (cluster, _) = of(&format!("{objects}---\n{}", rule("{connectionPool: {tcp: {maxConnections: 3}}}")));
    assert_eq!(cluster.breakers.max_pending_requests, u32::MAX);
}

#[test]
fn the_meshs_own_retries_come_in_the_place_of_istios() {
    let objects = operator("{defaultHttpRetryPolicy: {attempts: 9, retryOn: 5xx}}");
    let own = routes("retries: {attempts: 0}");
    let retries = |objects: &str| {
        let case = Case { front: "replicas: 1, errors: {rate: 50%, status: 500}", rest: "", objects };
        (failed(&case.run("1.28")), count(&case.run("1.28"), Counter::Retries))
    };
    let (failures, tried) = retries(&objects);
    assert!(failures < 5 && tried > 300, "{failures} and {tried}");
    assert_eq!(retries(&format!("{objects}---\n{own}")).1, 0);
}

/// What the server's own sidecar lets through changes when the push of the rule reaches it.
#[test]
fn limits_at_the_server_change_with_the_timeline() {
    let case = Case { front: "replicas: 1", rest: "", objects: "" };
    let mut texts = case.texts("1.28");
    let scenario = texts.0.get_mut("scenario.yaml").expect("there");
    *scenario = scenario
        .replace("serviceTime: 1ms", "serviceTime: 50ms")
        .replace("load: constant(50rps)", "pods: 2, load: constant(50rps)")
        .replace(
            "clients:",
            "timeline: [{at: 3s, apply: tight.yaml}, {at: 7s, delete: DestinationRule/front}]\nclients:",
        );
    // Two callers may have one at work each; the pod has two or three of theirs, and takes one.
    texts.0.insert("tight.yaml".to_owned(), rule("{connectionPool: {http: {http2MaxRequests: 1}}}"));
    let results = sim::run(&Plan::compile(&texts.mesh()), 42, 0);
    let inbound = results.clusters.iter().find(|(key, _)| key.subset == "inbound|80||").expect("it refuses");
    let refused = inbound.1.counters[Counter::ActiveOverflow as usize];
    assert!(refused > 10, "{refused}");
    let series = results.series.iter().find(|(key, _)| {
        (key.target.as_str(), key.subset.as_str(), key.metric) == ("front", "", Metric::SuccessPct)
    });
    let success = series.expect("calls have a series").1;
    let whole = |from: usize, to: usize| success[from..to].iter().all(|share| *share == 100.0);
    assert!(whole(0, 3) && !whole(3, 7) && whole(8, 10), "{success:?}");
}
