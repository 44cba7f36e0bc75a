//! Balancing from end to end: what a DestinationRule asks for, in the shares of hosts. Source: semantics S5.7 to S5.9,
//! S6; design D8.

use std::collections::BTreeMap;

use meshcast::metrics::Results;
use meshcast::metrics::results::Counter;
use meshcast::resolve;
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

const SEED: u64 = 7;

/// A scenario of one service `shop` and one client `web`, with what is particular to it.
struct Case {
    run: &'static str,
    shop: &'static str,
    web: &'static str,
    /// `spec.trafficPolicy`.
    policy: &'static str,
    more: &'static str,
}

const PLAIN: Case = Case {
    run: "duration: 20s",
    shop: "replicas: 5",
    web: "load: constant(500rps)",
    policy: "{loadBalancer: {simple: ROUND_ROBIN}}",
    more: "",
};

fn run(case: &Case) -> Results {
    sim::run(&Plan::compile(&texts(case).mesh()), SEED, 0)
}

/// What there is to say about a case.
fn warnings(case: &Case) -> Vec<String> {
    resolve::mesh(&texts(case).load()).diagnostics.into_iter().map(|finding| finding.message).collect()
}

fn texts(case: &Case) -> Texts {
    let Case { run, shop, web, policy, more } = case;
    let text = format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: balancing}}\nwarmup: 0s\nwindow: 1s\n{run}\n\
         proxy: {{age: 0s, latency: 0.1ms}}\ncontrolPlane: {{propagation: 0s}}\n\
         workloads:\n  shop: {{service: \"shop:80\", concurrency: unlimited, serviceTime: 1ms, {shop}}}\n\
         clients:\n  web: {{requests: [{{get: \"http://shop/?id=1\"}}], {web}}}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: shop}}\n\
         spec: {{host: shop, trafficPolicy: {policy}}}\n{more}"
    );
    Texts::scenario(&text)
}

/// Attempts by host, in the hosts' order.
fn attempts(results: &Results) -> Vec<u64> {
    results.hosts.values().map(|host| host.attempts).collect()
}

/// Per cent of the attempts by zone.
fn by_zone(results: &Results) -> BTreeMap<&str, f64> {
    let total: u64 = attempts(results).iter().sum();
    let mut shares = BTreeMap::new();
    for (key, host) in &results.hosts {
        *shares.entry(key.zone.as_str()).or_default() += 100.0 * host.attempts as f64 / total as f64;
    }
    shares
}

fn counter(results: &Results, counter: Counter) -> u64 {
    results.clusters.values().map(|cluster| cluster.counters[counter as usize]).sum()
}

fn used(results: &Results) -> usize {
    attempts(results).iter().filter(|attempts| **attempts > 0).count()
}

/// That each of `counts` has a share within `tolerance` per cent of the mean.
fn assert_even(counts: &[u64], tolerance: f64) {
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    let is_near = |count: &u64| (*count as f64 / mean - 1.0).abs() <= tolerance / 100.0;
    assert!(counts.iter().all(is_near), "{counts:?}");
}

const HASH: &str = "{loadBalancer: {consistentHash: {httpHeaderName: x-user}}}";

#[test]
fn a_header_keeps_each_user_on_one_host() {
    let one =
        Case { policy: HASH, web: "load: constant(500rps), users: {count: 1, header: X-User}", ..PLAIN };
    assert_eq!(used(&run(&one)), 1);
    // Another header names nobody: each request is hashed by chance.
    let other = Case { web: "load: constant(500rps), users: {count: 1, header: x-other}", ..one };
    assert_eq!(used(&run(&other)), 5);
    // The hosts of 200 users are those of the ring, whichever proxy and worker asks.
    let many = Case {
        policy: HASH,
        web: "pods: 3, load: constant(2krps), users: {count: 200, header: x-user}",
        ..PLAIN
    };
    let first = attempts(&run(&many));
    assert!(first.iter().all(|attempts| *attempts > 1_000), "{first:?}");
    let again = Case { web: "pods: 1, load: constant(2krps), users: {count: 200, header: x-user}", ..many };
    let second = attempts(&run(&again));
    assert_eq!(first, second);
}

#[test]
fn hashes_are_taken_behind_the_route_and_on_later_hops() {
    let header = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\n\
                  spec: {hosts: [shop], http: [{headers: {request: {set: {x-user: all}}}, \
                  route: [{destination: {host: shop}}]}]}\n";
    let users = "load: constant(500rps), users: {count: 100, header: x-user}";
    assert_eq!(used(&run(&Case { policy: HASH, web: users, more: header, ..PLAIN })), 1);
    assert_eq!(used(&run(&Case { policy: HASH, web: users, ..PLAIN })), 5);
    let query = "{loadBalancer: {consistentHash: {httpQueryParameterName: id}}}";
    assert_eq!(used(&run(&Case { policy: query, web: users, ..PLAIN })), 1);
    let missing = "{loadBalancer: {consistentHash: {httpQueryParameterName: other}}}";
    assert_eq!(used(&run(&Case { policy: missing, web: users, ..PLAIN })), 5);
}

#[test]
fn a_cookie_is_made_up_only_with_a_ttl_and_kept_by_users() {
    let cookie = |policy, web| attempts(&run(&Case { policy, web, ..PLAIN }));
    let with = "{loadBalancer: {consistentHash: {httpCookie: {name: sid, ttl: 60s}}}}";
    let without = "{loadBalancer: {consistentHash: {httpCookie: {name: sid}}}}";
    let user = "load: constant(500rps), users: {count: 1, header: x-user}";
    let nobody = "load: constant(500rps)";
    let is_used = |attempts: &Vec<u64>| attempts.iter().filter(|attempts| **attempts > 0).count();
    assert_eq!(is_used(&cookie(with, user)), 1);
    assert_eq!(is_used(&cookie(without, user)), 5);
    assert_eq!(is_used(&cookie(with, nobody)), 5);
    // A cookie that the user has is left alone.
    let own = "load: constant(500rps), users: {count: 1, cookie: sid}";
    assert_eq!(cookie(with, own), cookie(without, own));
    assert_eq!(is_used(&cookie(without, own)), 1);
}

#[test]
fn the_source_address_is_the_pod_inside_the_mesh_and_the_user_at_a_gateway() {
    let policy = "{loadBalancer: {consistentHash: {useSourceIp: true}}}";
    let inside = Case { policy, web: "load: constant(500rps), users: {count: 500, sourceIp: true}", ..PLAIN };
    assert_eq!(used(&run(&inside)), 1);
    let told = warnings(&inside);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("useSourceIp at a sidecar"), "{told:?}");
    let gateway = "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: door}\n\
                   spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, \
                   protocol: HTTP}, hosts: ['*']}]}\n\
                   ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\n\
                   spec: {hosts: ['*'], gateways: [door], http: [{route: [{destination: {host: shop}}]}]}\n";
    let web = "gateway: door, load: constant(500rps), users: {count: 500, sourceIp: true}";
    let outside = Case { policy, web, more: gateway, ..PLAIN };
    assert_eq!((used(&run(&outside)), warnings(&outside)), (5, Vec::new()));
    let web = "gateway: door, load: constant(500rps)";
    assert_eq!(used(&run(&Case { policy, web, more: gateway, ..PLAIN })), 1);
}

#[test]
fn maglev_is_even_and_a_small_ring_is_not() {
    let users = "load: constant(2krps), users: {count: 100000, header: x-user}";
    let shares = |policy| attempts(&run(&Case { policy, web: users, ..PLAIN }));
    let maglev =
        shares("{loadBalancer: {consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 65537}}}}");
    assert_even(&maglev, 4.0);
    let small =
        shares("{loadBalancer: {consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: 5}}}}");
    assert!(small.iter().max() > small.iter().min().map(|least| 2 * least).as_ref(), "{small:?}");
}

#[test]
fn keys_of_an_ejected_host_move_and_come_back() {
    let policy = "{loadBalancer: {consistentHash: {httpHeaderName: x-user}}, \
                  outlierDetection: {consecutive5xxErrors: 5, interval: 5s, baseEjectionTime: 10s, \
                  maxEjectionPercent: 100}}";
    let bad = "replicas: 5, incidents: [{at: 5s, for: 2s, errors: {rate: 100%, status: 503}}]";
    let one = "load: constant(100rps), users: {count: 1, header: x-user}";
    let results = run(&Case { run: "duration: 60s", policy, shop: bad, web: one, ..PLAIN });
    // The user's host is ejected, and the next one after it, until the errors end.
    assert!(used(&results) > 1 && counter(&results, Counter::Ejections) > 1);
    let home = attempts(&run(&Case { run: "duration: 60s", policy: HASH, web: one, ..PLAIN }));
    let home = home.iter().position(|attempts| *attempts > 0).unwrap();
    // Home for the first five seconds and the last third at least.
    assert!(attempts(&results)[home] > 2_500, "{:?}", attempts(&results));
}

/// Four pods in each of two zones, dealt out in turn; the client in the first.
const TWO_ZONES: &str = "replicas: 8, zones: [r1/a, r1/b]";
const IN_A: &str = "zones: [r1/a], load: constant(500rps)";
const OUTLIERS: &str = "outlierDetection: {consecutive5xxErrors: 5, interval: 600s, baseEjectionTime: 600s, \
                        maxEjectionPercent: 100";

fn in_zones(policy: &str, shop: &str) -> Results {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let (policy, shop) = (leak(policy.to_owned()), leak(format!("{TWO_ZONES}{shop}")));
    run(&Case { run: "duration: 60s", policy, shop, web: IN_A, ..PLAIN })
}

fn assert_share(results: &Results, zone: &str, expected: f64, tolerance: f64) {
    let share = by_zone(results)[zone];
    assert!((share - expected).abs() <= tolerance, "{zone}: {share:.2}, not {expected}");
}

#[test]
fn distribute_splits_between_zones() {
    for balancer in ["simple: LEAST_REQUEST", "simple: ROUND_ROBIN", "simple: RANDOM"] {
        let policy = format!(
            "{{loadBalancer: {{{balancer}, localityLbSetting: {{distribute: [{{from: r1/a/*, \
             to: {{r1/a/*: 80, r1/b/*: 20}}}}]}}}}}}"
        );
        assert_share(&in_zones(&policy, ""), "a", 80.0, 0.1);
    }
    // A ring holds the weights in its points, and users follow them.
    let ring = "{loadBalancer: {consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: 65536}}, \
                localityLbSetting: {distribute: [{from: '*', to: {r1/a: 80, r1/b: 20}}]}}}";
    assert_share(&in_zones(ring, ""), "a", 80.0, 1.5);
    // Whom no key names gets nothing.
    let all = "{loadBalancer: {localityLbSetting: {distribute: [{from: r1/a, to: {r1/b: 100}}]}}}";
    assert_share(&in_zones(all, ""), "b", 100.0, 0.0);
}

#[test]
fn a_zone_keeps_its_traffic_until_too_many_of_it_are_ejected() {
    assert_share(&in_zones("{loadBalancer: {simple: RANDOM}}", ""), "a", 50.0, 1.0);
    let policy = format!("{{{OUTLIERS}}}}}");
    assert_share(&in_zones(&policy, ""), "a", 100.0, 0.0);
    let off =
        format!("{{loadBalancer: {{simple: RANDOM, localityLbSetting: {{enabled: false}}}}, {OUTLIERS}}}}}");
    assert_share(&in_zones(&off, ""), "a", 50.0, 1.0);
    // One of four ejected: 140 * 3 / 4 = 105. Two: 70, so 70 % stay. Pods 0, 2, 4, 6 are in zone a.
    let bad = |pods: &str| {
        format!(", incidents: [{{at: 0s, pods: [{pods}], errors: {{rate: 100%, status: 503}}}}]")
    };
    let one = in_zones(&policy, &bad("shop-0"));
    assert_eq!(counter(&one, Counter::Ejections), 1);
    assert_share(&one, "a", 100.0, 0.0);
    let two = in_zones(&policy, &bad("shop-0, shop-2"));
    assert_eq!(counter(&two, Counter::Ejections), 2);
    assert_share(&two, "a", 70.0, 1.5);
    let all = in_zones(&policy, &bad("shop-0, shop-2, shop-4, shop-6"));
    assert_eq!(counter(&all, Counter::Ejections), 4);
    assert!(by_zone(&all)["b"] > 95.0);
    assert_eq!(counter(&all, Counter::NoHealthyUpstream), 0);
}

#[test]
fn labels_of_the_rule_decide_who_is_near() {
    let policy = format!(
        "{{loadBalancer: {{localityLbSetting: {{failoverPriority: ['topology.kubernetes.io/zone=b']}}}}, {OUTLIERS}}}}}"
    );
    assert_share(&in_zones(&policy, ""), "b", 100.0, 0.0);
    // Without outlier detection it does nothing.
    let alone = "{loadBalancer: {simple: RANDOM, localityLbSetting: {failoverPriority: \
                 ['topology.kubernetes.io/zone=b']}}}";
    assert_share(&in_zones(alone, ""), "b", 50.0, 1.0);
}

#[test]
fn in_panic_ejected_hosts_are_used_and_without_it_nobody_is() {
    let bad = ", incidents: [{at: 0s, errors: {rate: 100%, status: 503}}]";
    let never = in_zones(&format!("{{{OUTLIERS}}}}}"), bad);
    let refused = counter(&never, Counter::NoHealthyUpstream);
    // It takes some seconds until all are out: balancers hear of ejections once a second at the most.
    assert!((25_000..30_000).contains(&refused), "{refused}");
    let panic = in_zones(&format!("{{{OUTLIERS}, minHealthPercent: 30}}}}"), bad);
    assert_eq!(counter(&panic, Counter::NoHealthyUpstream), 0);
    assert_eq!(counter(&panic, Counter::Attempts), 30_000);
    // All priorities are in panic: each gets what it has of the hosts.
    assert!(by_zone(&panic)["b"] > 40.0, "{:?}", by_zone(&panic));
}

#[test]
fn retries_leave_a_locality_that_fails() {
    let retries = |more: &str| -> &'static str {
        let text = format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\n\
             spec: {{hosts: [shop], http: [{{retries: {{attempts: 3, retryOn: 5xx, backoff: 1ms{more}}}, \
             route: [{{destination: {{host: shop}}}}]}}]}}\n"
        );
        Box::leak(text.into_boxed_str())
    };
    let shop = "replicas: 8, zones: [r1/a, r1/b], incidents: [{at: 0s, pods: [shop-0, shop-2, shop-4, shop-6], \
                errors: {rate: 100%, status: 503}}]";
    // Never ejected, so all first attempts stay at home.
    let policy = "{outlierDetection: {consecutive5xxErrors: 0}}";
    let of = |more| run(&Case { policy, shop, web: IN_A, more: retries(more), ..PLAIN });
    let stay = of("");
    assert_share(&stay, "a", 100.0, 0.0);
    // Two attempts at home, then elsewhere, where it succeeds.
    let leave = of(", retryRemoteLocalities: true");
    assert_share(&leave, "a", 66.667, 0.01);
    assert_eq!(counter(&leave, Counter::Attempts), 30_000);
    // Where there is no other locality, retries stay too.
    let shop = "replicas: 2, errors: {rate: 50%, status: 503}";
    let near = Case { policy, shop, web: IN_A, more: retries(", retryRemoteLocalities: true"), ..PLAIN };
    assert!(counter(&run(&near), Counter::Retries) > 5_000);
}

#[test]
fn a_pod_that_comes_back_warms_up() {
    let crash = "replicas: 2, incidents: [{at: 5s, pods: [shop-1], crash: {restart: 5s}}]";
    let of = |version: &str, policy: &'static str| {
        let run_for: &'static str =
            Box::leak(format!("duration: 40s\nistioVersion: \"{version}\"").into_boxed_str());
        let results =
            run(&Case { run: run_for, shop: crash, policy, web: "pods: 1, load: constant(1krps)", ..PLAIN });
        attempts(&results)[1]
    };
    let cold = "{loadBalancer: {simple: ROUND_ROBIN}}";
    let warm = "{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 20s}}}";
    // 5 s and 30 s of half the requests, or in between 20 s of f / (1 + f), f = max(t / 20 s, 0.1).
    let (full, slow) = (of("1.28", cold), of("1.28", warm));
    assert!((17_300..17_700).contains(&full), "{full}");
    let ramp = (0..20_000).map(|ms| {
        let factor = f64::max(f64::from(ms) / 20_000.0, 0.1);
        factor / (1.0 + factor)
    });
    let expected = 2_500.0 + ramp.sum::<f64>() + 5_000.0;
    assert!((slow as f64 / expected - 1.0).abs() < 0.01, "{slow} of {expected}");
    // From 1.31 on the pod stays in the list, and has been warm for long.
    assert!((17_300..17_700).contains(&of("1.31", warm)));
}
