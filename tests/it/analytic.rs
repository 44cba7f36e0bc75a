//! Theory: where queueing theory has an answer, it lies inside the 99.9 % interval of many seeded runs, and that
//! interval is narrow (2 % of the figure on each side, 3 % for p99). Everything goes through scenario files as users
//! write them.
//!
//! Seeds are fixed. A right engine fails one such check in a thousand when its random numbers change; there are about
//! thirty, so a change of every number has odds of 3 % to make one of them fail by chance.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use meshcast::mesh::Mesh;
use meshcast::metrics::Results;
use meshcast::metrics::histogram::Histogram;
use meshcast::metrics::results::{ClusterTotals, Counter};
use meshcast::sim::{self, Plan};

use crate::texts::Texts;
use crate::theory::{self, Estimate, MMc};

fn mesh(text: &str) -> Mesh {
    Texts::scenario(text).mesh()
}

/// One of the scenarios that we ship, for so long.
fn shipped(name: &str, duration: &str) -> Mesh {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/theory").join(name).join("scenario.yaml");
    let text = fs::read_to_string(path).expect("the scenario is there");
    let lines = text.lines().map(|line| match line.starts_with("duration:") {
        true => format!("duration: {duration}\n"),
        false => format!("{line}\n"),
    });
    mesh(&lines.collect::<String>())
}

/// A mesh without any cost of its own: what is in `rest` is all that takes time.
fn plain(duration: &str, rest: &str) -> Mesh {
    mesh(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: theory}}\nduration: {duration}\n\
         network: {{latency: 0s}}\nproxy: {{workers: 1, latency: 0s}}\n{rest}"
    ))
}

/// One server before Poisson arrivals at load 0.8, of this service time.
fn one_server(duration: &str, extra: &str) -> Mesh {
    plain(
        duration,
        &format!(
            "workloads:\n  server:\n    service: server:80\n    replicas: 1\n    concurrency: 1\n{extra}\
             clients:\n  load:\n    load: poisson(800rps)\n    requests: [{{get: \"http://server/\"}}]\n"
        ),
    )
}

/// The figures of `seeds` runs of `mesh`, in order of seed, on both cores.
fn figures<const N: usize>(
    mesh: &Mesh,
    seeds: u64,
    of: impl Fn(&Results) -> [f64; N] + Sync,
) -> [Estimate; N] {
    let plan = Plan::compile(mesh);
    let next = AtomicU64::new(0);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let figures = of(&sim::run(&plan, 1_000 + seed, 0));
                    found.lock().expect("nobody panics with it").insert(seed, figures);
                }
            });
        }
    });
    let found = found.into_inner().expect("nobody panics with it");
    std::array::from_fn(|figure| {
        let values: Vec<f64> = found.values().map(|figures: &[f64; N]| figures[figure]).collect();
        Estimate::of(&values)
    })
}

/// Latencies of all requests, successes and failures.
fn latencies(results: &Results) -> Histogram {
    let mut all = Histogram::new();
    for totals in results.requests.values() {
        all.merge(&totals.finished.ok);
        all.merge(&totals.finished.failed);
    }
    all
}

fn mean_ms(results: &Results) -> f64 {
    latencies(results).mean().expect("there are requests") / 1e6
}

fn p99_ms(results: &Results) -> f64 {
    latencies(results).quantile(0.99).expect("there are requests") as f64 / 1e6
}

fn failed_share(results: &Results) -> f64 {
    let failed: u64 = results.requests.values().map(|totals| totals.finished.failed.count()).sum();
    failed as f64 / latencies(results).count() as f64
}

fn cluster<'r>(results: &'r Results, service: &str) -> &'r ClusterTotals {
    results.clusters.iter().find(|(key, _)| key.service == service).expect("it is called").1
}

/// One line of the table that `--nocapture` shows.
fn tell(what: &str, theory: f64, estimate: &Estimate) {
    println!("{what:<44} theory {theory:9.4}   predicted {:9.4} ± {:.4}", estimate.mean, estimate.half_width);
}

fn hold(what: &str, theory: f64, estimate: &Estimate, precision: f64) {
    tell(what, theory, estimate);
    estimate.assert_holds(what, theory, precision);
}

#[test]
fn w1_one_server() {
    let queue = MMc { servers: 1, rate: 0.8, service: 1.0 };
    let [mean, p99] = figures(&shipped("w1", "10m"), 32, |results| [mean_ms(results), p99_ms(results)]);
    hold("w1 M/M/1 mean, ms", queue.sojourn_mean(), &mean, 0.02);
    hold("w1 M/M/1 p99, ms", queue.sojourn_quantile(0.99), &p99, 0.03);
}

#[test]
fn w2_four_servers_with_one_line() {
    let queue = MMc { servers: 4, rate: 3.2, service: 1.0 };
    let [mean, p99] = figures(&shipped("w2", "2m"), 24, |results| [mean_ms(results), p99_ms(results)]);
    hold("w2 M/M/4 mean, ms", queue.sojourn_mean(), &mean, 0.02);
    hold("w2 M/M/4 p99, ms", queue.sojourn_quantile(0.99), &p99, 0.03);
}

#[test]
fn w3_a_chain_of_three() {
    let queue = MMc { servers: 4, rate: 2.8, service: 1.0 };
    let [mean, p99] = figures(&shipped("w3", "60s"), 24, |results| [mean_ms(results), p99_ms(results)]);
    hold("w3 three M/M/4 mean, ms", 3.0 * queue.sojourn_mean(), &mean, 0.02);
    // Sojourns behind one another are not quite independent, so the convolution is a little low (10.34 for 10.37).
    let theory = theory::tandem_quantile(&[queue, queue, queue], 0.99);
    tell("w3 three M/M/4 p99, ms", theory, &p99);
    assert!((p99.mean - theory).abs() < 0.01 * theory + p99.half_width, "{} for {theory}", p99.mean);
}

#[test]
fn w4_the_shorter_of_two_lines() {
    // By 3e8 requests of a program without a framework; the mean field of endlessly many hosts is 1.9474.
    let [mean, p99] = figures(&shipped("w4", "60s"), 24, |results| [mean_ms(results), p99_ms(results)]);
    hold("w4 two choices of ten, mean, ms", 2.1611, &mean, 0.02);
    hold("w4 two choices of ten, p99, ms", 8.266, &p99, 0.03);
}

#[test]
fn service_times_of_every_spread_obey_pollaczek_and_khinchine() {
    for (time, cv) in [
        ("1ms", 0.0),
        ("gamma(mean=1ms, cv=0.5)", 0.5),
        ("uniform(0ms, 2ms)", 1.0 / 3f64.sqrt()),
        ("lognormal(mean=1ms, cv=1.5)", 1.5),
        ("mixture(90=constant(0.5ms), 10=constant(5.5ms))", 1.5),
    ] {
        let mesh = one_server("5m", &format!("    serviceTime: {time}\n"));
        let theory = 1.0 + theory::mg1_wait(0.8, 1.0, cv);
        // The wider the spread of the work, the longer it takes to tell the mean.
        let seeds = if cv > 1.0 { 72 } else { 32 };
        let [mean] = figures(&mesh, seeds, |results| [mean_ms(results)]);
        hold(&format!("M/G/1 mean, {time}"), theory, &mean, 0.02);
    }
}

#[test]
fn shared_cores_do_not_mind_the_spread() {
    for time in ["exponential(mean=1ms)", "1ms", "lognormal(mean=1ms, cv=2)"] {
        let extra = format!("    discipline: processor-sharing\n    serviceTime: {time}\n");
        let [mean] = figures(&one_server("5m", &extra), 40, |results| [mean_ms(results)]);
        hold(&format!("M/G/1-PS mean, {time}"), theory::mg1_ps_sojourn(0.8, 1.0), &mean, 0.02);
    }
}

#[test]
fn a_pod_without_a_line_loses_what_erlang_says() {
    let mesh = plain(
        "60s",
        "workloads:\n  server: {service: \"server:80\", replicas: 1, concurrency: 10, queue: 0, \
         serviceTime: \"lognormal(mean=1ms, cv=1)\"}\n\
         clients:\n  load:\n    load: poisson(8krps)\n    requests: [{get: \"http://server/\"}]\n",
    );
    let [loss] = figures(&mesh, 20, |results| [failed_share(results)]);
    hold("Erlang B loss, 10 slots, load 8", theory::erlang_b(10, 8.0), &loss, 0.02);
}

/// A server that never makes wait, behind these pool limits.
fn pooled(duration: &str, rate: &str, limits: &str) -> Mesh {
    plain(
        duration,
        &format!(
            "workloads:\n  server: {{service: \"server:80\", replicas: 1, concurrency: unlimited, \
             serviceTime: exponential(mean=1ms)}}\n\
             clients:\n  load:\n    load: poisson({rate})\n    requests: [{{get: \"http://server/\"}}]\n---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: server}}\n\
             spec:\n  host: server\n  trafficPolicy:\n    connectionPool: {limits}\n"
        ),
    )
}

#[test]
fn the_limit_of_requests_loses_what_erlang_says() {
    let mesh = pooled("60s", "8krps", "{http: {http2MaxRequests: 10}}");
    let [loss, uo] = figures(&mesh, 20, |results| {
        let overflow = cluster(results, "server").counters[Counter::ActiveOverflow as usize];
        [failed_share(results), overflow as f64 / latencies(results).count() as f64]
    });
    hold("Erlang B, http2MaxRequests 10, load 8", theory::erlang_b(10, 8.0), &loss, 0.02);
    hold("... of which UO", theory::erlang_b(10, 8.0), &uo, 0.02);
}

/// A client whose connections arrive at random, before a pool of this size.
fn connections(duration: &str, rate: &str, lasts: &str, limit: u32) -> Mesh {
    let text = format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nduration: {duration}\nmanifests: [objects.yaml]\n\
         network: {{latency: 0s}}\nproxy: {{workers: 2, latency: 0s}}\n\
         workloads:\n  old: {{service: store, labels: {{v: old}}, concurrency: unlimited}}\n  \
         new: {{service: store, labels: {{v: new}}, concurrency: unlimited}}\nclients:\n  app:\n    load: poisson({rate})\n    \
         requests: [{{connect: \"tcp://store:6379\", lasts: \"{lasts}\"}}]\n"
    );
    let objects = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: store}}\n\
         spec: {{host: store, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {limit}}}}}}}, \
         subsets: [{{name: old, labels: {{v: old}}}}, {{name: new, labels: {{v: new}}}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: store}}\n\
         spec: {{hosts: [store], tcp: [{{route: [{{destination: {{host: store, subset: old}}, weight: 80}}, \
         {{destination: {{host: store, subset: new}}, weight: 20}}]}}]}}\n"
    );
    let mut texts = Texts::scenario(&text);
    texts.0.insert("objects.yaml".to_owned(), objects);
    texts.mesh()
}

/// The share of the calls of one subset that were refused, and of all calls that went to it.
fn of_subset(results: &Results, subset: &str) -> [f64; 2] {
    let calls = |totals: &ClusterTotals| totals.calls.ok.count() + totals.calls.failed.count();
    // What the pods' own sidecars refuse is in rows of their own.
    let own = results.clusters.iter().filter(|(key, _)| key.source == "app");
    let all: u64 = own.clone().map(|(_, totals)| calls(totals)).sum();
    let (_, totals) = own.clone().find(|(key, _)| key.subset == subset).expect("it is called");
    [totals.calls.failed.count() as f64 / calls(totals) as f64, calls(totals) as f64 / all as f64]
}

#[test]
fn connections_beyond_the_limit_are_lost_as_erlang_says() {
    // 80 % of 100/s: a load of 8 on ten places; a proxy's workers share the limit.
    let mesh = connections("20m", "100rps", "exponential(mean=100ms)", 10);
    let [loss, share] = figures(&mesh, 32, |results| of_subset(results, "old"));
    hold("Erlang B, maxConnections 10, load 8", theory::erlang_b(10, 8.0), &loss, 0.02);
    hold("share of the connections by weight 80", 0.8, &share, 0.02);
    // Erlang's formula does not mind how lives are spread.
    let mesh = connections("20m", "100rps", "gamma(mean=100ms, cv=2)", 10);
    let [loss] = figures(&mesh, 32, |results| [of_subset(results, "old")[0]]);
    hold("Erlang B, lives of cv 2", theory::erlang_b(10, 8.0), &loss, 0.02);
}

#[test]
fn a_pool_of_one_with_nine_pending_is_a_queue_of_ten_places() {
    for (rate, load) in [("800rps", 0.8), ("1200rps", 1.2)] {
        let limits = "{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 9}}";
        let [loss] = figures(&pooled("10m", rate, limits), 32, |results| [failed_share(results)]);
        hold(&format!("M/M/1/10 loss, load {load}"), theory::loss(1, 10, load), &loss, 0.02);
    }
}

#[test]
fn closed_loops_obey_mean_value_analysis() {
    for users in [8, 20] {
        let mesh = plain(
            "2m",
            &format!(
                "workloads:\n  server: {{service: \"server:80\", replicas: 1, concurrency: 1, \
                 serviceTime: exponential(mean=1ms)}}\n\
                 clients:\n  load:\n    load: \"closed(users={users}, think=exponential(mean=10ms))\"\n    \
                 requests: [{{get: \"http://server/\"}}]\n"
            ),
        );
        let (throughput, response) = theory::closed(users, 10.0, &[1.0]);
        let [rate, mean] = figures(&mesh, 20, |results| {
            let measured = results.clock.measured_s();
            [latencies(results).count() as f64 / measured / 1e3, mean_ms(results)]
        });
        hold(&format!("closed, {users} users: requests a ms"), throughput, &rate, 0.02);
        hold(&format!("closed, {users} users: response, ms"), response, &mean, 0.02);
    }
}

#[test]
fn retries_add_up_geometrically() {
    let mesh = plain(
        "60s",
        "workloads:\n  server: {service: \"server:80\", replicas: 3, concurrency: unlimited, serviceTime: 1ms, \
         errors: {rate: 30%, status: 503}}\n\
         clients:\n  load:\n    load: poisson(2krps)\n    requests: [{get: \"http://server/\"}]\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: server}\n\
         spec:\n  hosts: [server]\n  http:\n  - route: [{destination: {host: server}}]\n    \
         retries: {attempts: 2, retryOn: 5xx}\n",
    );
    let (attempts, failure) = theory::retried(0.3, 2);
    let [seen, failed] = figures(&mesh, 24, |results| {
        let totals = cluster(results, "server");
        let calls = totals.calls.count() as f64;
        [totals.counters[Counter::Attempts as usize] as f64 / calls, failed_share(results)]
    });
    hold("attempts a call, p 0.3, 2 retries", attempts, &seen, 0.02);
    hold("final failures, p 0.3, 2 retries", failure, &failed, 0.02);
}

#[test]
fn a_fan_out_waits_for_its_slowest_branch() {
    let branches = ["{call: \"http://leaf/\"}"; 10].join(", ");
    let mesh = plain(
        "60s",
        &format!(
            "workloads:\n  root:\n    service: root:80\n    replicas: 1\n    concurrency: unlimited\n    \
             operations: [{{steps: [{{parallel: [{branches}]}}]}}]\n  \
             leaf: {{service: \"leaf:80\", replicas: 1, concurrency: unlimited, \
             serviceTime: exponential(mean=1ms)}}\n\
             clients:\n  load:\n    load: poisson(1krps)\n    requests: [{{get: \"http://root/\"}}]\n"
        ),
    );
    let [mean, p99] = figures(&mesh, 20, |results| [mean_ms(results), p99_ms(results)]);
    hold("slowest of 10 branches, mean, ms", theory::slowest_mean(10), &mean, 0.02);
    hold("slowest of 10 branches, p99, ms", theory::slowest_quantile(10, 0.99), &p99, 0.03);
}

#[test]
fn weights_split_requests_as_written() {
    let mesh = plain(
        "60s",
        "workloads:\n  a: {service: \"server:80\", labels: {app: server, version: a}, replicas: 1, \
         concurrency: unlimited, serviceTime: 1ms}\n  \
         b: {service: \"server:80\", labels: {app: server, version: b}, replicas: 1, \
         concurrency: unlimited, serviceTime: 1ms}\n\
         clients:\n  load:\n    load: poisson(2krps)\n    requests: [{get: \"http://server/\"}]\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: server}\nspec:\n  \
         host: server\n  subsets:\n  - {name: a, labels: {version: a}}\n  - {name: b, labels: {version: b}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: server}\nspec:\n  \
         hosts: [server]\n  http:\n  - route:\n    \
         - {destination: {host: server, subset: a}, weight: 90}\n    \
         - {destination: {host: server, subset: b}, weight: 10}\n",
    );
    let [share] = figures(&mesh, 24, |results| {
        let b = results.clusters.iter().find(|(key, _)| key.subset == "b").expect("it is called").1;
        [b.calls.count() as f64 / latencies(results).count() as f64]
    });
    hold("share of a tenth", 0.1, &share, 0.02);
}
