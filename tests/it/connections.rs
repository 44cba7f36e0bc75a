//! Connections that people lose requests to, and those that pin requests to a place. Source: semantics S7.7, S7.8, S16.1.

use std::collections::BTreeMap;

use meshcast::mesh::Mesh;
use meshcast::metrics::results::Counter;
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

/// A pod without sidecar, half the network's round trip of 100 ms away.
fn mesh(duration: &str, port: &str, server: &str, load: &str) -> Mesh {
    let mut texts = Texts::scenario(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: connections}}\nduration: {duration}\nwarmup: 0s\n\
         network: {{latency: 50ms}}\nproxy: {{workers: 1, latency: 0s}}\nmanifests: [service.yaml]\nworkloads:\n\
         \x20 shop: {{labels: {{app: shop}}, replicas: 1, sidecar: false, concurrency: unlimited, {server}}}\n\
         clients:\n  web: {{load: {load}, requests: [{{get: \"http://shop/\"}}]}}\n"
    ));
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\n\
         spec: {{selector: {{app: shop}}, ports: [{{name: {port}, port: 80}}]}}\n"
    );
    texts.0.insert("service.yaml".to_owned(), service);
    texts.mesh()
}

/// How often the client got which code and flags.
fn outcomes(mesh: &Mesh) -> BTreeMap<String, u64> {
    let results = sim::run(&Plan::compile(mesh), 1, 0);
    let client = results.requests.values().next().expect("one class");
    let told = client.finished.responses.iter();
    told.map(|(outcome, count)| (format!("{} {}", outcome.code, outcome.flags), *count)).collect()
}

fn counts<const N: usize>(rows: [(&str, u64); N]) -> BTreeMap<String, u64> {
    rows.into_iter().map(|(row, count)| (row.to_owned(), count)).collect()
}

#[test]
fn an_app_that_closes_idle_connections_loses_what_is_on_its_way() {
    // Each fifth second. The first makes its connection, and arrives after three legs, at 0.15 s: its application would
    // close it at 5.13 s, when the second has just come, at 5.05 s. That one's is closed at 10.03 s, and the third comes
    // at 10.05 s, on its way since 10 s: reset. The fourth makes a connection of its own, and so on.
    let run = |keep_alive: &str, port: &str| {
        let server = format!("serviceTime: 0s{keep_alive}");
        outcomes(&mesh("60s", port, &server, "constant(0.2rps)"))
    };
    for port in ["http", "http2"] {
        assert_eq!(run(", keepAlive: 4980ms", port), counts([("200 -", 8), ("503 UC", 4)]), "{port}");
        // The news of the close is there before the next request: a new connection, and nobody is the wiser.
        assert_eq!(run(", keepAlive: 4800ms", port), counts([("200 -", 12)]), "{port}");
        assert_eq!(run("", port), counts([("200 -", 12)]), "{port}");
    }
}

#[test]
fn an_http2_connection_that_breaks_takes_all_its_streams_along() {
    // Ten in a tenth of a second; who fails does so in half the time of the others.
    let run = |reset: &str, port: &str| {
        let errors = format!("serviceTime: 1s, errors: {{rate: 25%, reset: {reset}, serviceTime: 500ms}}");
        outcomes(&mesh("100ms", port, &errors, "constant(100rps)"))
    };
    let own = run("stream", "http2");
    let fail = own.get("503 UR").copied().unwrap_or_default();
    assert!((1..=5).contains(&fail), "some break off: {own:?}");
    assert_eq!(own["200 -"], 10 - fail);
    assert_eq!(run("connection", "http2"), counts([("503 UC", 10)]));
    assert_eq!(run("connection", "http"), counts([("200 -", 10 - fail), ("503 UC", fail)]));
}

#[test]
fn a_sidecar_hears_of_the_close_and_says_that_nothing_is_lost() {
    let loaded = Texts::scenario(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {name: told}\nduration: 10s\nworkloads:\n\
         \x20 shop: {service: shop, keepAlive: 5s}\n\
         clients:\n  web: {load: constant(1rps), requests: [{get: \"http://shop/\"}]}\n",
    );
    let resolved = meshcast::resolve::mesh(&loaded.load());
    let told = resolved.diagnostics.iter().filter(|finding| finding.message.contains("`keepAlive`"));
    assert_eq!(told.count(), 1);
}

/// Four pods, whoever asks them, over so many connections; what each pod got, and how many hosts were in use.
fn shares(client: &str, extra: &str) -> Vec<u64> {
    let mesh = Texts::scenario(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: few}}\nduration: 20s\nwarmup: 0s\n\
         network: {{latency: 1ms}}\nproxy: {{workers: 4, latency: 0s}}\n\
         controlPlane: {{propagation: 0s}}\nworkloads:\n\
         \x20 shop: {{service: shop, replicas: 4, concurrency: unlimited, serviceTime: 1ms{extra}}}\n\
         clients:\n  web: {{load: constant(100rps), requests: [{{get: \"http://shop/\"}}], {client}}}\n"
    ))
    .mesh();
    let results = sim::run(&Plan::compile(&mesh), 3, 0);
    let mut attempts: Vec<u64> = results.hosts.values().map(|host| host.attempts).collect();
    attempts.sort_unstable();
    attempts
}

/// Four users of a pod whose work takes a tenth of a second, behind one connection.
fn behind_one_connection(port: &str) -> u64 {
    let mut texts = Texts::scenario(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {name: upgrade}\nduration: 60s\nwarmup: 0s\n\
         network: {latency: 0s}\nproxy: {workers: 1, latency: 0s}\nistioVersion: \"1.31\"\nmanifests: [objects.yaml]\n\
         workloads:\n  shop: {labels: {app: shop}, replicas: 1, concurrency: unlimited, serviceTime: 100ms}\n\
         clients:\n  web: {load: \"closed(users=4, think=0s)\", requests: [{get: \"http://shop/\"}]}\n",
    );
    let objects = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\n\
         spec: {{selector: {{app: shop}}, ports: [{{name: {port}, port: 80}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: shop}}\n\
         spec: {{host: shop, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 1}}, \
         http: {{h2UpgradePolicy: UPGRADE}}}}}}}}\n"
    );
    texts.0.insert("objects.yaml".to_owned(), objects);
    outcomes(&texts.mesh())["200 -"]
}

#[test]
fn an_upgrade_ends_at_the_servers_sidecar() {
    // Its one connection to the application takes one request at a time, unless that speaks HTTP/2 itself. Three of
    // the last minute are answered behind it.
    assert_eq!(behind_one_connection("http-web"), 603);
    assert_eq!(behind_one_connection("http2"), 2_400);
    // Behind a port that names no protocol, what comes in goes on.
    assert_eq!(behind_one_connection("web"), 2_400);
}

#[test]
fn without_envoy_a_connection_keeps_its_host() {
    let used = |shares: &[u64]| shares.iter().filter(|share| **share > 0).count();
    for client in ["sidecar: false", "dataPlane: ambient"] {
        assert_eq!(used(&shares(client, "")), 4, "{client}");
        assert_eq!(shares(&format!("{client}, connections: 1"), ""), [0, 0, 0, 2_000], "{client}");
        let two = shares(&format!("{client}, connections: 2"), "");
        assert!(used(&two) <= 2 && two[3] < 2_000 * 6 / 10 || used(&two) == 1, "{client}: {two:?}");
        // All four crash in turn, for a second each, and the one connection moves on each time that it is hit.
        let crash = |pod: u32| {
            let at = 2 + 3 * pod;
            format!("{{at: {at}s, pods: [shop-{pod}], crash: {{restart: 1s, of: pod}}}}")
        };
        let crashes: Vec<String> = (0..4).map(crash).collect();
        let moved =
            shares(&format!("{client}, connections: 1"), &format!(", incidents: [{}]", crashes.join(", ")));
        assert!(used(&moved) > 1, "{client}: {moved:?}");
    }
    // An Envoy balances each request, whatever it comes by.
    assert_eq!(used(&shares("connections: 1", "")), 4);
}

#[test]
fn few_connections_wake_few_workers() {
    // A worker has pools of its own: one request after the other takes a connection for each host and worker in use.
    let made = |client: &str| {
        let mesh = Texts::scenario(&format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: few}}\nduration: 20s\nwarmup: 0s\n\
             network: {{latency: 1ms}}\nproxy: {{workers: 8, latency: 0s}}\nworkloads:\n\
             \x20 shop: {{service: shop, replicas: 1, concurrency: unlimited, serviceTime: 1ms}}\n\
             clients:\n  web: {{load: constant(100rps), requests: [{{get: \"http://shop/\"}}]{client}}}\n"
        ))
        .mesh();
        let results = sim::run(&Plan::compile(&mesh), 3, 0);
        results.clusters.values().next().expect("one cluster").counters[Counter::CxTotal as usize]
    };
    assert_eq!(made(""), 8, "each worker has its own");
    assert_eq!(made(", connections: 1"), 1);
    let two = made(", connections: 2");
    assert!((1..=2).contains(&two), "{two}");
    // Each pod has its own: two connections, one each.
    assert_eq!(made(", connections: 2, pods: 2"), 2);
}
