//! Two meshes that differ in a known way, and what that must do to the figures: nothing, or just so much.
//!
//! Several tests look at single requests. They come evenly, one to a window of the series, so that a window's median
//! is the latency of one request, known by its number.

use meshcast::kernel::random::{Purpose, draw, entity_root};
use meshcast::mesh::Mesh;
use meshcast::metrics::Results;
use meshcast::metrics::histogram::Histogram;
use meshcast::metrics::series::{Metric, Scope};
use meshcast::sim::{self, Plan};

use crate::meshes::RandomMesh;
use crate::texts::Texts;

const HEAD: &str = "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {name: metamorphic}\n";
const SEED: u64 = 5;

fn run(mesh: &Mesh) -> Results {
    sim::run(&Plan::compile(mesh), SEED, 0)
}

fn run_text(text: &str) -> Results {
    run(&Texts::scenario(text).mesh())
}

fn random_seeds() -> impl Iterator<Item = u64> {
    (0..20).map(|number| draw(11, Purpose::Request, number))
}

/// By number of the request: its latency in milliseconds. Asserts that each window has exactly one.
fn latencies(results: &Results, rate: f64) -> Vec<f64> {
    let series = |metric| {
        let of = |key: &&meshcast::metrics::series::SeriesKey| {
            key.scope == Scope::Client && key.target == "all" && key.metric == metric
        };
        let key = results.series.keys().find(of).expect("there is a client");
        &results.series[key]
    };
    assert!(series(Metric::Rps).iter().all(|rps| (rps - rate).abs() < 1e-6), "one request a window");
    series(Metric::LatencyP50).clone()
}

// --- time is only a scale ---

/// A mesh with all its times multiplied by `scale` / 2 and its rates divided by it.
///
/// Without what Envoy does not scale: back-offs are whole milliseconds, and balancers hear of ejections through a
/// window of one second. RANDOM, so that a tie that rounding breaks the other way moves no other request.
fn scaled(scale: u64) -> Mesh {
    let ms = |millis: u64| format!("{}us", millis * 1_000 * scale / 2);
    let rate = 1_000 / scale;
    let mut text = format!(
        "{HEAD}duration: {}\nwarmup: {}\nwindow: {}\nnetwork: {{latency: {}}}\n\
         proxy: {{workers: 2, latency: {}, age: 0s}}\n\
         workloads:\n  \
         a: {{service: \"a:80\", replicas: 3, concurrency: 4, queue: 20, serviceTime: exponential(mean={}), \
         calls: [{{call: \"http://b/\", timeout: {}, attempts: 2}}]}}\n  \
         b: {{service: \"b:80\", replicas: 3, concurrency: 3, serviceTime: \"lognormal(p50={}, p99={})\", \
         errors: {{rate: 5%, status: 503}}, incidents: [{{at: {}, for: {}, pods: 1, slowdown: 4}}]}}\n\
         clients:\n  c: {{pods: 2, load: poisson({rate}rps), requests: [{{get: \"http://a/\"}}]}}\n",
        ms(20_000),
        ms(2_000),
        ms(1_000),
        ms(2),
        ms(2),
        ms(6),
        ms(60),
        ms(4),
        ms(40),
        ms(6_000),
        ms(4_000),
    );
    for host in ["a", "b"] {
        let timeout = ms(100);
        text.push_str(&format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {host}}}\nspec:\n  \
             hosts: [{host}]\n  http:\n  - route: [{{destination: {{host: {host}}}}}]\n    timeout: {timeout}\n    \
             retries: {{attempts: 0}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {host}}}\nspec:\n  \
             host: {host}\n  trafficPolicy:\n    loadBalancer: {{simple: RANDOM}}\n    \
             connectionPool: {{tcp: {{maxConnections: 40}}, http: {{http1MaxPendingRequests: 12}}}}\n",
        ));
    }
    Texts::scenario(&text).mesh()
}

#[test]
fn twice_the_rate_and_twice_the_speed_is_the_same_in_half_the_time() {
    let (slow, fast) = (run(&scaled(2)), run(&scaled(1)));
    let whole = |results: &Results| {
        let mut all = Histogram::new();
        results.requests.values().for_each(|totals| all.merge(&totals.finished.all()));
        all
    };
    let (slow_all, fast_all) = (whole(&slow), whole(&fast));
    let failed = slow_all.count() - ok(&slow);
    assert!(slow_all.count() > 8_000 && failed > 100, "{failed} of {}", slow_all.count());
    // Times are rounded to nanoseconds, and cells of histograms stand where they stand.
    let near = |what: &str, slow: f64, fast: f64, within: f64| {
        assert!((slow - fast).abs() <= within * slow.abs() + 3.0, "{what}: {slow} and {fast}");
    };
    assert_eq!(slow_all.count(), fast_all.count());
    near("successes", ok(&slow) as f64, ok(&fast) as f64, 0.001);
    near("mean", slow_all.mean().expect("some") / 2.0, fast_all.mean().expect("some"), 0.001);
    for q in [0.01, 0.5, 0.9, 0.99] {
        let at = |all: &Histogram| all.quantile(q).expect("some") as f64;
        near("percentile", at(&slow_all) / 2.0, at(&fast_all), 0.01);
    }
    for ((key, slow), fast) in slow.clusters.iter().zip(fast.clusters.values()) {
        assert!(slow.counters.iter().filter(|count| **count > 0).count() >= 2, "{key:?} is used");
        for (slow, fast) in slow.counters.iter().zip(fast.counters) {
            near("a counter", *slow as f64, fast as f64, 0.01);
        }
    }
    assert_eq!(slow.windows.len(), fast.windows.len());
}

fn ok(results: &Results) -> u64 {
    results.requests.values().map(|totals| totals.finished.ok.count()).sum()
}

// --- weights ---

/// Three versions that take 1, 3 and 5 ms and never make wait, behind these routes.
fn versions(routes: &str) -> Mesh {
    let workload = |n: u64, time: &str| {
        format!(
            "  v{n}: {{service: \"server:80\", labels: {{app: server, version: v{n}}}, replicas: 2, \
             concurrency: unlimited, serviceTime: {time}}}\n"
        )
    };
    Texts::scenario(&format!(
        "{HEAD}duration: 40s\nwarmup: 0s\nwindow: 10ms\nnetwork: {{latency: 0s}}\nproxy: {{latency: 0s}}\n\
         workloads:\n{}{}{}\
         clients:\n  c: {{load: constant(100rps), requests: [{{get: \"http://server/\"}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: server}}\nspec:\n  host: server\n  \
         subsets:\n  - {{name: v1, labels: {{version: v1}}}}\n  - {{name: v2, labels: {{version: v2}}}}\n  \
         - {{name: v3, labels: {{version: v3}}}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: server}}\nspec:\n  \
         hosts: [server]\n  http:\n  - route: [{routes}]\n",
        workload(1, "1ms"),
        workload(2, "3ms"),
        workload(3, "5ms"),
    ))
    .mesh()
}

fn to(version: u64, weight: u64) -> String {
    format!("{{destination: {{host: server, subset: v{version}}}, weight: {weight}}}")
}

#[test]
fn a_destination_of_weight_zero_is_as_if_it_were_absent() {
    let with = run(&versions(&[to(1, 70), to(2, 30), to(3, 0)].join(", ")));
    let between = run(&versions(&[to(1, 70), to(3, 0), to(2, 30)].join(", ")));
    let without = run(&versions(&[to(1, 70), to(2, 30)].join(", ")));
    assert!(with == without);
    assert!(between == without);
    assert_eq!(without.clusters.len(), 2);
}

#[test]
fn moving_a_tenth_moves_exactly_that_tenth() {
    let mesh = versions(&[to(1, 90), to(2, 10)].join(", "));
    let before = latencies(&run(&mesh), 100.0);
    let after = latencies(&run(&versions(&[to(1, 80), to(2, 20)].join(", "))), 100.0);
    assert_eq!(before.len(), 4_000);
    // A request's place among hundred, by the keys of the design and not by the engine.
    let (_, client) = mesh.clients.iter().next().expect("there is one");
    let root = entity_root(SEED, 0, "client/c");
    let place = |n: usize| {
        let fate = draw(root, Purpose::Request, n as u64);
        let call = draw(fate ^ client.classes[0].target.name_hash, Purpose::Call, 0);
        draw(call, Purpose::StreamId, 0) % 100
    };
    let mut moved = 0;
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        // The very first of each host wait for a connection, which takes no time here.
        let is_second = |latency: &f64| *latency > 2.0;
        assert_eq!(is_second(before), place(number) >= 90, "request {number}: {before} ms at 90/10");
        assert_eq!(is_second(after), place(number) >= 80, "request {number}: {after} ms at 80/20");
        moved += usize::from(is_second(before) != is_second(after));
    }
    // A tenth of 4000, give or take four standard deviations.
    assert!((400 - 76..=400 + 76).contains(&moved), "{moved} have moved");
}

// --- what makes no difference ---

#[test]
fn a_service_that_nobody_calls_changes_nothing() {
    // First, last and in the middle of all names.
    for (seed, name) in random_seeds().zip(["aaa", "zzz", "s0b"].into_iter().cycle()) {
        let mesh = RandomMesh::new(seed);
        let mut more = mesh.clone();
        let idle = format!(
            "workloads:\n  {name}: {{service: \"{name}:80\", labels: {{app: {name}}}, replicas: 3, serviceTime: 1ms, \
             concurrency: 2, calls: [\"http://s0/a\"]}}\n"
        );
        more.scenario = more.scenario.replace("workloads:\n", &idle);
        more.manifests.push(format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\nspec:\n  \
             host: {name}\n  trafficPolicy: {{connectionPool: {{http: {{http2MaxRequests: 1}}}}}}\n"
        ));
        let (plain, mut more) = (run(&mesh.texts().mesh()), run(&more.texts().mesh()));
        let all = more.series.len();
        more.series.retain(|key, _| key.target != name);
        assert!(more.series.len() < all, "the idle workload has its series");
        // Its own proxies hear of changes too.
        more.events.retain(|event| !event.object.starts_with(&format!("{name}-")));
        assert!(plain == more, "mesh {seed} with {name}");
    }
}

/// A chain with a line at each server, full enough to wait and without a failure.
fn sound(retries: &str) -> String {
    let mut text = format!(
        "{HEAD}duration: 10s\nworkloads:\n  \
         a: {{service: \"a:80\", replicas: 2, concurrency: 4, serviceTime: exponential(mean=3ms), \
         calls: [\"http://b/\"], threading: async}}\n  \
         b: {{service: \"b:80\", replicas: 3, concurrency: 1, serviceTime: exponential(mean=3ms)}}\n\
         clients:\n  c: {{pods: 2, load: poisson(700rps), requests: [{{get: \"http://a/\"}}]}}\n"
    );
    for host in ["a", "b"] {
        text.push_str(&format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {host}}}\nspec:\n  \
             hosts: [{host}]\n  http:\n  - route: [{{destination: {{host: {host}}}}}]\n    retries: {retries}\n"
        ));
    }
    text
}

#[test]
fn retries_change_nothing_where_nothing_fails() {
    let without = run_text(&sound("{attempts: 0}"));
    let failed: u64 = without.requests.values().map(|totals| totals.finished.failed.count()).sum();
    assert_eq!((failed, ok(&without) > 5_000), (0, true));
    let longest = without.hosts.values().map(|host| host.totals.queue_max).max();
    assert!(longest > Some(5), "they wait: {longest:?}");
    for retries in
        ["{attempts: 3, retryOn: \"5xx,reset,connect-failure\"}", "{attempts: 1, retryOn: 5xx, backoff: 1ms}"]
    {
        assert!(run_text(&sound(retries)) == without, "{retries}");
    }
}

#[test]
fn the_scenario_s_name_is_only_a_name() {
    for seed in random_seeds().take(5) {
        let mesh = RandomMesh::new(seed);
        let mut renamed = mesh.clone();
        renamed.scenario = renamed.scenario.replace("name: random", "name: quite-another");
        assert_ne!(mesh.scenario, renamed.scenario);
        assert!(run(&mesh.texts().mesh()) == run(&renamed.texts().mesh()), "mesh {seed}");
    }
}

// --- more of what takes time ---

/// Four services, one call in sequence and two at once, never a line.
fn fan(time: &str, latency: &str) -> String {
    let leaf = |name: &str| {
        format!(
            "  {name}: {{service: \"{name}:80\", replicas: 3, concurrency: unlimited, serviceTime: \"{time}\", \
             errors: {{rate: 10%, status: 503}}}}\n"
        )
    };
    format!(
        "{HEAD}duration: 100s\nwarmup: 0s\nwindow: 100ms\nnetwork: {{latency: \"{latency}\"}}\n\
         proxy: {{latency: 0.2ms}}\nworkloads:\n  \
         a:\n    service: a:80\n    replicas: 2\n    concurrency: unlimited\n    operations:\n      \
         - steps: [{{work: \"{time}\"}}, {{call: \"http://b/\"}}, {{parallel: [{{call: \"http://c/\"}}, \
         {{call: \"http://d/\", onError: ignore}}]}}]\n{}{}{}\
         clients:\n  x: {{load: constant(10rps), requests: [{{get: \"http://a/\"}}]}}\n",
        leaf("b"),
        leaf("c"),
        leaf("d"),
    )
}

#[test]
fn with_the_same_luck_slower_work_is_never_faster() {
    // Each pair is ordered at every quantile, not only on average.
    for (fast, slow) in [
        ("lognormal(p50=2ms, p99=4ms)", "lognormal(p50=2.5ms, p99=6ms)"),
        ("exponential(mean=1ms)", "exponential(mean=1.3ms)"),
        ("uniform(1ms, 3ms)", "uniform(1ms, 4ms)"),
        ("gamma(mean=1ms, cv=0.7)", "gamma(mean=1.5ms, cv=0.7)"),
        ("quantiles(50=1ms, 90=2ms, 99=4ms)", "quantiles(50=1.2ms, 90=2.4ms, 99=4.8ms)"),
        ("constant(2ms)", "uniform(2ms, 3ms)"),
    ] {
        let quick = latencies(&run_text(&fan(fast, "0.25ms")), 10.0);
        let late = latencies(&run_text(&fan(slow, "0.25ms")), 10.0);
        assert_eq!(quick.len(), 1_000);
        let faster = quick.iter().zip(&late).position(|(quick, late)| late < quick);
        assert_eq!(faster, None, "{fast}, {slow}");
        let slower = quick.iter().zip(&late).filter(|(quick, late)| late > quick).count();
        assert!(slower > 100, "{fast}, {slow}: only {slower} are slower");
    }
    let quick = latencies(&run_text(&fan("2ms", "uniform(0ms, 1ms)")), 10.0);
    let late = latencies(&run_text(&fan("2ms", "uniform(0.1ms, 1.2ms)")), 10.0);
    assert!(quick.iter().zip(&late).all(|(quick, late)| late > quick));
}
