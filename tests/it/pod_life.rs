//! Pods that come and go in the timeline, as their callers see it. Source: semantics S15, S6.7, S7.10, S21.1.

use std::collections::BTreeMap;

use meshcast::kernel::{Id, SimTime};
use meshcast::metrics::series::{Metric, Scope};
use meshcast::metrics::{Results, results::HostCounts};
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

/// A client of 100 requests a second before `shop`, whose proxy hears of everything a second late; no time on the way.
struct Case {
    duration: &'static str,
    shop: String,
    timeline: &'static str,
    more: &'static str,
    rule: &'static str,
}

const PLAIN: Case = Case {
    duration: "60s",
    shop: String::new(),
    timeline: "",
    more: "",
    rule: "loadBalancer: {simple: ROUND_ROBIN}",
};

impl Case {
    fn texts(&self) -> Texts {
        let mut texts = Texts::scenario(&format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: life}}\nduration: {}\nwarmup: 0s\nwindow: 1s\n\
             network: {{latency: 0s}}\nproxy: {{workers: 1, latency: 0s, age: 0s}}\n\
             controlPlane: {{propagation: 1s}}\nmanifests: [rule.yaml]\n{}\nworkloads:\n\
             \x20 shop: {{service: shop, serviceTime: 10ms, concurrency: 10, {}}}\n\
             clients:\n  web: {{load: constant(100rps), requests: [{{get: \"http://shop/\"}}]}}\n\
             timeline:\n{}",
            self.duration, self.more, self.shop, self.timeline
        ));
        let rule = format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: shop}}\n\
             spec: {{host: shop, trafficPolicy: {{{}}}}}\n",
            self.rule
        );
        texts.0.insert("rule.yaml".to_owned(), rule);
        texts
    }

    fn run(&self) -> Results {
        sim::run(&Plan::compile(&self.texts().mesh()), 1, 0)
    }
}

/// How often the client got which code and flags.
fn outcomes(results: &Results) -> BTreeMap<String, u64> {
    let client = results.requests.values().next().expect("one class");
    let told = client.finished.responses.iter();
    told.map(|(outcome, count)| (format!("{} {}", outcome.code, outcome.flags), *count)).collect()
}

fn counts<const N: usize>(rows: [(&str, u64); N]) -> BTreeMap<String, u64> {
    rows.into_iter().map(|(row, count)| (row.to_owned(), count)).collect()
}

fn host<'r>(results: &'r Results, pod: &str) -> &'r HostCounts {
    results.hosts.iter().find(|(key, _)| key.host == pod).expect("the pod has a row").1
}

fn series(results: &Results, metric: Metric) -> &[f64] {
    let row = results.series.iter().find(|(key, _)| key.scope == Scope::Workload && key.metric == metric);
    row.expect("a series of the workload").1
}

/// Moment in milliseconds, object and message.
fn lives(results: &Results) -> Vec<(u64, String)> {
    let rows = results.events.iter().filter(|event| event.kind == "pod" || event.kind == "scaling");
    rows.map(|row| (row.at.nanos() / 1_000_000, format!("{} {}", row.object, row.message))).collect()
}

const DOWN: &str = "  - {at: 20s, set: workloads.shop.replicas=1}\n";

#[test]
fn without_a_pre_stop_a_pod_loses_what_comes_until_its_callers_know() {
    let run = |shop: &str| Case { shop: format!("replicas: 2, {shop}"), timeline: DOWN, ..PLAIN }.run();
    // Each second request of the second that the news take.
    let at_once = run("shutdown: 0s");
    assert_eq!(outcomes(&at_once), counts([("200 -", 5_950), ("503 -", 50)]));
    assert_eq!(host(&at_once, "shop-1").errors, 50);
    let told = lives(&at_once);
    let is = |at: u64, what: &str| (at, what.to_owned());
    assert_eq!(
        told,
        [
            is(20_000, "shop 1 pod instead of 2"),
            is(20_000, "shop-1 is told to go"),
            is(25_000, "shop-1 is gone")
        ]
    );
    // Half a second of it is served.
    assert_eq!(outcomes(&run("shutdown: 500ms")), counts([("200 -", 5_975), ("503 -", 25)]));
    assert_eq!(outcomes(&run("shutdown: 2s")), counts([("200 -", 6_000)]));
    // Without sidecar what is new is refused, which the default retries mend: nothing is on its way here.
    let refused = run("sidecar: false, shutdown: 0s");
    assert_eq!(outcomes(&refused), counts([("200 -", 6_000)]));
    assert_eq!(lives(&refused).last(), Some(&is(20_000, "shop-1 is gone")));
}

#[test]
fn a_pod_that_goes_finishes_its_work_until_its_grace_is_over() {
    let run = |shop: &str, timeline: &'static str| {
        let case = Case { shop: format!("replicas: 2, concurrency: unlimited, {shop}"), timeline, ..PLAIN };
        let mut texts = case.texts();
        let text = texts.0["scenario.yaml"].replace("serviceTime: 10ms, concurrency: 10, ", "");
        texts.0.insert("scenario.yaml".to_owned(), text);
        sim::run(&Plan::compile(&texts.mesh()), 1, 0)
    };
    // The last to come, at 21 s, is done at 41 s.
    let patient = run("shutdown: 2s, serviceTime: 20s", DOWN);
    assert_eq!(outcomes(&patient), counts([("200 -", 6_000)]));
    assert_eq!(lives(&patient).last(), Some(&(41_000, "shop-1 is gone".to_owned())));
    // Half of what came in the 15 s from 6 s to 21 s is not done 30 s after the end began.
    let killed = run("shutdown: 2s, serviceTime: 45s", DOWN);
    assert_eq!(outcomes(&killed)["503 UC"], 750 + 50);
    assert_eq!(lives(&killed).last().map(|(at, _)| *at), Some(50_000));
    // Without a sidecar, who is busy finishes here too, and what carries nothing at that moment closes: each pod has one
    // such connection, from 5 ms after a request of its own until the next of them, 20 ms later than the last.
    let between = "  - {at: 20007ms, set: workloads.shop.replicas=1}\n";
    let bare = run("sidecar: false, shutdown: 0s, serviceTime: 3005ms", between);
    assert_eq!(outcomes(&bare), counts([("200 -", 6_000)]));
    assert_eq!(lives(&bare).last(), Some(&(23_007, "shop-1 is gone".to_owned())));
}

#[test]
fn a_new_pod_serves_when_it_has_started_and_its_callers_know() {
    let timeline = "  - {at: 20s, set: workloads.shop.replicas=2}\n";
    let run = |shop: &str| Case { shop: format!("replicas: 1, {shop}"), timeline, ..PLAIN }.run();
    let results = run("startup: 9s");
    assert_eq!(outcomes(&results), counts([("200 -", 6_000)]));
    // Half of the 30 s that are left.
    assert_eq!(host(&results, "shop-1").attempts, 1_500);
    let ready = series(&results, Metric::ReadyPods);
    assert_eq!((ready[27], ready[28], ready[29]), (1.0, 1.0, 2.0));
    // One request of 10 ms each 20 ms, on ten slots; idle in its first second, which counts.
    let busy = host(&results, "shop-1").totals.utilization_pct.expect("limited");
    assert!((busy - 5.0 * 30.0 / 31.0).abs() < 0.01, "{busy} %");
    // The default is 10 s.
    assert_eq!(host(&run("startup: 10s"), "shop-1").attempts, 1_450);
    assert_eq!(host(&run("threading: blocking"), "shop-1").attempts, 1_450);
}

#[test]
fn nobody_is_left_where_a_workload_goes_to_zero_and_comes_back() {
    let timeline =
        "  - {at: 20s, set: workloads.shop.replicas=0}\n  - {at: 40s, set: workloads.shop.replicas=1}\n";
    let results = Case { shop: "replicas: 1, shutdown: 2s, startup: 4s".to_owned(), timeline, ..PLAIN }.run();
    // From the news at 21 s to those at 45 s.
    assert_eq!(outcomes(&results), counts([("200 -", 3_600), ("503 UH", 2_400)]));
    assert_eq!(host(&results, "shop-0").attempts, 3_600);
}

#[test]
fn a_new_pod_warms_up() {
    let timeline = "  - {at: 20s, set: workloads.shop.replicas=2}\n";
    let run = |warmup: &'static str| {
        Case { shop: "replicas: 1, startup: 9s".to_owned(), timeline, rule: warmup, ..PLAIN }.run()
    };
    let slow = run("loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 20s}}");
    // Its share is f / (1 + f), where f grows from a tenth to 1 in 20 s, and a half in the last ten: by integral
    // 20 s * (0.1 * 0.1 / 1.1 + 0.9 - ln(2 / 1.1)) + 5 s.
    let expected = 100.0 * (20.0 * (0.01 / 1.1 + 0.9 - libm::log(2.0 / 1.1)) + 5.0);
    let served = host(&slow, "shop-1").attempts as f64;
    assert!((served - expected).abs() < 0.02 * expected, "{served} requests, expected {expected}");
    // A pod that comes back is new again.
    let again = Case {
        duration: "100s",
        shop: "replicas: 2, startup: 9s, shutdown: 2s".to_owned(),
        timeline: "  - {at: 20s, set: workloads.shop.replicas=1}\n  - {at: 60s, set: workloads.shop.replicas=2}\n",
        rule: "loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 20s}}",
        ..PLAIN
    };
    let served = host(&again.run(), "shop-1").attempts as f64;
    let whole = 50.0 * 21.0 + expected;
    assert!((served - whole).abs() < 0.02 * whole, "{served} requests, expected {whole}");
}

#[test]
fn a_pod_that_starts_counts_as_a_host_from_1_31_on() {
    // Two of ten fail; one of ten may be ejected, two of twenty.
    let run = |version: &'static str| {
        Case {
            duration: "30s",
            shop: "replicas: 10, startup: 1h, incidents: [{at: 0s, pods: 2, errors: {rate: 100%, status: 503}}]".to_owned(),
            timeline: "  - {at: 0s, set: workloads.shop.replicas=10}\n  - {at: 5s, set: workloads.shop.replicas=20}\n",
            more: version,
            rule: "loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 5, interval: 1h, maxEjectionPercent: 10}",
        }
        .run()
    };
    let ejections = |results: &Results| {
        host(results, "shop-0").totals.ejections + host(results, "shop-1").totals.ejections
    };
    assert_eq!(ejections(&run("istioVersion: \"1.31\"")), 2);
    assert_eq!(ejections(&run("istioVersion: \"1.30\"")), 1);
}

#[test]
fn who_leaves_gives_way_to_other_ejections() {
    // One of ten is out; when it has left nobody is, and one of nine is too much.
    let run = |pods: u32| {
        let timeline = "  - {at: 5s, set: workloads.shop.replicas=20}\n";
        let shop = format!(
            "replicas: 21, shutdown: 3s, incidents: [{{at: 0s, pods: [shop-20, shop-{pods}], errors: {{rate: 100%, status: 503}}}}, \
             {{at: 10s, pods: [shop-0, shop-1], errors: {{rate: 100%, status: 503}}}}]"
        );
        let rule = "loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 5, interval: 1h, \
                    baseEjectionTime: 1h, maxEjectionPercent: 10}";
        let results = Case { duration: "30s", shop, timeline, more: "", rule }.run();
        ["shop-20", "shop-5", "shop-0", "shop-1"].map(|pod| host(&results, pod).totals.ejections)
    };
    // Two of 21 go; shop-20 leaves, so that one more of twenty may go.
    assert_eq!(run(5), [1, 1, 1, 0]);
}

#[test]
fn a_deployment_comes_changes_its_number_and_goes() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\n\
                   spec: {selector: {app: shop}, ports: [{name: http, port: 80}]}\n---\n";
    let deployment = |replicas: &str, image: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: shop}}\nspec: {{{replicas} selector: {{matchLabels: \
             {{app: shop}}}}, template: {{metadata: {{labels: {{app: shop}}}}, spec: {{terminationGracePeriodSeconds: 10, \
             containers: [{{name: shop, image: {image}, lifecycle: {{preStop: {{sleep: {{seconds: 2}}}}}}}}]}}}}}}\n"
        )
    };
    let scenario = "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {name: life}\nduration: 60s\nwarmup: 0s\nwindow: 1s\n\
         network: {latency: 0s}\nproxy: {workers: 1, latency: 0s}\ncontrolPlane: {propagation: 1s}\nmanifests: [service.yaml]\n\
         workloads: {shop: {serviceTime: 10ms, concurrency: 10, startup: 4s}}\n\
         clients: {web: {load: constant(100rps), requests: [{get: \"http://shop/\"}]}}\n\
         timeline:\n  - {at: 10s, apply: one.yaml}\n  - {at: 20s, apply: three.yaml}\n  - {at: 30s, apply: image.yaml}\n\
         \x20 - {at: 40s, set: \"Deployment/shop:spec.replicas=2\"}\n  - {at: 50s, delete: Deployment/shop}\n";
    let mut texts = Texts::scenario(scenario);
    for (name, text) in [
        ("service.yaml", service.to_owned()),
        ("one.yaml", deployment("", "v1")),
        ("three.yaml", deployment("replicas: 3,", "v1")),
        ("image.yaml", deployment("replicas: 3,", "v2")),
    ] {
        texts.0.insert(name.to_owned(), text);
    }
    let resolved = meshcast::resolve::mesh(&texts.load());
    let told: Vec<&str> = resolved.not_modelled.iter().map(|row| row.what.as_str()).collect();
    assert_eq!(
        told,
        ["a change in the timeline of what its pods are: no new ones roll out, only their number changes"]
    );
    let results = sim::run(&Plan::compile(&texts.mesh()), 1, 0);
    let ready = series(&results, Metric::ReadyPods);
    assert_eq!([ready[12], ready[15], ready[25], ready[41], ready[51]], [0.0, 1.0, 3.0, 2.0, 0.0]);
    // Nobody before 15 s and from 51 s on.
    assert_eq!(outcomes(&results), counts([("200 -", 3_600), ("503 UH", 2_400)]));
}

#[test]
fn clients_in_pods_that_come_and_go_start_in_those_that_serve() {
    let texts = |timeline: &str| {
        Texts::scenario(&format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: life}}\nduration: 40s\nwarmup: 0s\n\
             network: {{latency: 0s}}\nproxy: {{latency: 0s}}\nworkloads:\n  front: {{service: front, replicas: 1, startup: 5s}}\n\
             \x20 shop: {{service: shop, serviceTime: 1ms, concurrency: 9}}\n\
             clients:\n  web: {{workload: front, load: constant(100rps), requests: [{{get: \"http://shop/\"}}]}}\n\
             timeline:\n  - {{at: 10s, set: workloads.front.replicas={timeline}}}\n"
        ))
    };
    let mesh = texts("4").mesh();
    let plan = Plan::compile(&mesh);
    let client = meshcast::mesh::ClientId::from_index(0);
    let there = |seconds: u64| plan.entrances(client, SimTime::from_nanos(seconds * 1_000_000_000)).len();
    assert_eq!([there(0), there(10), there(14), there(15), there(39)], [1, 1, 1, 4, 4]);
    let errors = texts("0").try_mesh().expect_err("nobody is left");
    assert!(errors.contains("which has none from 10s on"), "{errors}");
}

#[test]
fn mistakes_in_orders_are_told_at_their_place() {
    for (order, wanted) in [
        ("workloads.shpo.replicas=1", "there is no workload `shpo`"),
        ("workloads.shop.replicas=-1", "this is no number of pods"),
        ("workloads.shop.replicas=many", "this is no number of pods"),
        ("workloads.shop.queue=1", "belongs to the scenario"),
    ] {
        let timeline = format!("  - {{at: 20s, set: {order}}}\n");
        let case =
            Case { timeline: Box::leak(timeline.into_boxed_str()), shop: "replicas: 2".to_owned(), ..PLAIN };
        let errors = case.texts().try_mesh().expect_err(order);
        assert!(errors.contains(wanted) && errors.contains("scenario.yaml:17:"), "{order}: {errors}");
    }
}
