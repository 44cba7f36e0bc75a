//! Copies of requests as they load the mesh. Source: semantics S12; design D9.10.

use meshcast::metrics::Results;
use meshcast::metrics::results::{ClusterTotals, Counter};
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

/// `web` calls `front`, whose requests are copied to `shadow`; that works for `work` and then calls `ledger`.
fn mirrored(work: &str, rule: &str) -> Results {
    let mut texts = Texts::scenario(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: mirror}}\nduration: 20s\nwarmup: 0s\n\
         network: {{latency: 1ms}}\nproxy: {{workers: 1, latency: 0s}}\nmanifests: [rule.yaml]\nworkloads:\n\
         \x20 front: {{service: front, replicas: 1, concurrency: unlimited, serviceTime: 2ms}}\n\
         \x20 shadow: {{service: shadow, replicas: 1, concurrency: unlimited, serviceTime: {work}, \
         calls: [\"http://ledger/\"]}}\n\
         \x20 ledger: {{service: ledger, replicas: 1, concurrency: unlimited, serviceTime: 1ms}}\n\
         clients:\n  web: {{load: constant(50rps), requests: [{{get: \"http://front/\"}}]}}\n"
    ));
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: front}}\n\
         spec: {{hosts: [front], http: [{{route: [{{destination: {{host: front}}}}], mirror: {{host: shadow}}{rule}}}]}}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: shadow}}\n\
         spec: {{host: shadow, trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 3}}}}}}}}\n"
    );
    texts.0.insert("rule.yaml".to_owned(), rule);
    let mesh = texts.mesh();
    sim::run(&Plan::compile(&mesh), 42, 0)
}

fn row<'a>(results: &'a Results, source: &str, service: &str) -> &'a ClusterTotals {
    let mut rows = results.clusters.iter();
    let found = rows.find(|(key, _)| key.source == source && key.service == service);
    found.unwrap_or_else(|| panic!("no row {source} to {service}")).1
}

fn count(totals: &ClusterTotals, counter: Counter) -> u64 {
    totals.counters[counter as usize]
}

/// The longest that `web` waited, in milliseconds.
fn longest(results: &Results) -> f64 {
    let all = results.requests.values().next().expect("one class").finished.all();
    all.max().expect("requests") as f64 / 1e6
}

#[test]
fn copies_make_their_calls_and_delay_nobody() {
    // Half a second of work on three connections: far less than 50 copies a second need.
    let results = mirrored("500ms", "");
    let copies = row(&results, "web", "shadow");
    assert_eq!(count(copies, Counter::Mirrored), 1_000);
    assert_eq!((copies.calls.count(), count(copies, Counter::CxTotal)), (0, 3));
    // The pool lets three at once through until the run ends; each of them calls on from its pod.
    let (sent, called) = (count(copies, Counter::Attempts), row(&results, "shadow", "ledger").calls.count());
    assert!(called.abs_diff(sent) <= 3 && sent > 100, "{sent} copies at work, {called} calls");
    // Two round trips (connection, mTLS) on the first request, one for each, and the work.
    assert!(longest(&results) < 9.0, "{} ms", longest(&results));
}

#[test]
fn a_limit_on_each_try_is_not_for_copies() {
    let results = mirrored("500ms", ", retries: {attempts: 1, perTryTimeout: 100ms}");
    let copies = row(&results, "web", "shadow");
    assert_eq!((count(copies, Counter::PerTryTimeout), count(copies, Counter::CxTotal)), (0, 3));
    let results = mirrored("1ms", ", retries: {attempts: 1, perTryTimeout: 1ms}");
    assert_eq!(count(row(&results, "web", "front"), Counter::PerTryTimeout), 1_000, "of the originals");
}

#[test]
fn copies_end_with_the_routes_timeout() {
    let results = mirrored("500ms", ", timeout: 100ms");
    let copies = row(&results, "web", "shadow");
    assert_eq!(count(copies, Counter::Mirrored), 1_000);
    // Each is cut off after a tenth of a second, so that those behind it get their turn: without, about 120 do.
    // Nobody waits for the five of the last tenth when the run ends.
    assert_eq!(count(copies, Counter::Timeout), 995);
    let sent = count(copies, Counter::Attempts);
    assert!(sent > 900, "{sent}");
    assert_eq!(row(&results, "web", "front").calls.failed.count(), 0);
}
