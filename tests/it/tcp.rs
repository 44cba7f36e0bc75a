//! Connections of opaque bytes, from YAML to what becomes of them: which rule leads them, how they are refused, what
//! ends them and what does not. Source: semantics S7.11, S8.8; istiod's tls.go, gateway.go and networkfilter.go.

use std::collections::BTreeMap;

use meshcast::kernel::{SimDuration, SimTime};
use meshcast::metrics::Results;
use meshcast::metrics::series::{Metric, Scope};
use meshcast::sim::{self, Plan, Run};

use crate::texts::Texts;

/// A store of two versions behind a TCP and a TLS port.
const STORE: &str = "
apiVersion: v1
kind: Service
metadata: {name: store}
spec:
  selector: {app: store}
  ports: [{name: redis, port: 6379}, {name: tls-store, port: 6380}, {name: http-admin, port: 80}, {name: odd, port: 7000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store-v1}
spec:
  replicas: 2
  selector: {matchLabels: {app: store, version: v1}}
  template: {metadata: {labels: {app: store, version: v1}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store-v2}
spec:
  replicas: 2
  selector: {matchLabels: {app: store, version: v2}}
  template: {metadata: {labels: {app: store, version: v2}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: subsets, creationTimestamp: \"2026-01-01T00:00:00Z\"}
spec: {host: store, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
";

/// What one test is about.
#[derive(Clone, Copy)]
struct Case<'a> {
    /// Objects beside the store.
    objects: &'a str,
    /// Keys of the scenario beside workloads and clients.
    head: &'a str,
    /// Of all pods of v1.
    store: &'a str,
    /// Keys of the client beside its load.
    client: &'a str,
    load: &'a str,
    requests: &'a str,
}

const CASE: Case<'_> = Case {
    objects: "",
    head: "duration: 10s",
    store: "concurrency: 1000",
    client: "",
    load: "constant(10rps)",
    requests: "{connect: 'tcp://store:6379', lasts: 1s}",
};

impl Case<'_> {
    fn texts(&self) -> Texts {
        let Case { objects, head, store, client, load, requests } = self;
        let manifests = if objects.is_empty() { "store.yaml" } else { "store.yaml, objects.yaml" };
        let scenario = format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nwarmup: 0s\nmanifests: [{manifests}]\n\
             network: {{latency: 1ms}}\nproxy: {{workers: 1, latency: 0s, age: 3s}}\ncontrolPlane: {{propagation: 0s}}\n{head}\n\
             workloads:\n  store-v1: {{{store}}}\n  store-v2: {{concurrency: 1000}}\n\
             clients:\n  app: {{{client} load: '{load}', requests: [{requests}]}}\n"
        );
        Texts(BTreeMap::from([
            ("scenario.yaml".to_owned(), scenario),
            ("store.yaml".to_owned(), STORE.to_owned()),
            ("objects.yaml".to_owned(), objects.to_string()),
            ("later.yaml".to_owned(), split(0, 100)),
        ]))
    }

    fn run(&self) -> Results {
        sim::run(&Plan::compile(&self.texts().mesh()), 7, 0)
    }

    /// What the client got, as flags and how often.
    fn outcomes(&self) -> BTreeMap<String, u64> {
        outcomes(&self.run())
    }

    #[track_caller]
    fn gives(&self, flags: &str) {
        assert_eq!(self.outcomes(), BTreeMap::from([(flags.to_owned(), 100)]));
    }

    #[track_caller]
    fn is_refused(&self, message: &str) {
        let errors = self.texts().try_mesh().expect_err("it is refused");
        assert!(errors.contains(message), "no `{message}` in\n{errors}");
    }
}

fn outcomes(results: &Results) -> BTreeMap<String, u64> {
    let answers = results.requests.values().flat_map(|totals| &totals.finished.responses);
    answers.map(|(outcome, count)| (outcome.flags.to_string(), *count)).collect()
}

/// Calls by subset.
fn shares(results: &Results) -> BTreeMap<&str, u64> {
    let calls = results.clusters.iter().map(|(key, totals)| (key.subset.as_str(), totals.calls.ok.count()));
    calls.filter(|(_, count)| *count > 0).collect()
}

/// Connections to a subset that stand at the end of each second.
fn standing(results: &Results, subset: &str) -> Vec<f64> {
    let is_it = |key: &meshcast::metrics::series::SeriesKey| {
        (key.scope, key.subset.as_str(), key.metric) == (Scope::Cluster, subset, Metric::CxActive)
    };
    results.series.iter().find(|(key, _)| is_it(key)).map(|(_, values)| values.clone()).unwrap_or_default()
}

fn rule(kind: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: store}}\n\
         spec: {{hosts: [store], {kind}: [{rules}]}}\n"
    )
}

fn split(v1: u32, v2: u32) -> String {
    rule(
        "tcp",
        &format!(
            "{{match: [{{port: 6379}}], route: [{{destination: {{host: store, subset: v1}}, weight: {v1}}}, \
             {{destination: {{host: store, subset: v2}}, weight: {v2}}}]}}"
        ),
    )
}

fn policy(policy: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: policy}}\n\
         spec: {{host: store, trafficPolicy: {{{policy}}}}}\n"
    )
}

#[test]
fn connections_take_the_time_of_their_handshakes_and_go_to_the_service() {
    let results = CASE.run();
    assert_eq!(outcomes(&results), BTreeMap::from([("-".to_owned(), 100)]));
    let latency = &results.requests.values().next().expect("one client").finished.ok;
    // Two round trips of 2 ms: TCP, and TLS between the sidecars.
    assert_eq!((latency.min(), latency.max()), (Some(4_000_000), Some(4_000_000)));
    let cluster = results.clusters.values().next().expect("one cluster");
    let total = meshcast::metrics::results::Counter::CxTotal;
    assert_eq!((cluster.calls.ok.count(), cluster.counters[total as usize]), (100, 100));
    assert_eq!(results.hosts.values().map(|host| host.attempts).sum::<u64>(), 100);
    // Ten a second, of which each stands for a second.
    assert_eq!(standing(&results, "")[1..9], [10.0; 8]);
    let bare = Case { client: "sidecar: false,", ..CASE }.run();
    let latency = &bare.requests.values().next().expect("one client").finished.ok;
    assert_eq!(latency.max(), Some(2_000_000), "no mutual TLS");
}

#[test]
fn a_new_weight_moves_new_connections_alone() {
    let change = "duration: 20s\nwindow: 1s\ntimeline: [{at: 10s, apply: later.yaml}]";
    let objects = split(100, 0);
    let held = Case {
        objects: &objects,
        head: change,
        load: "closed(users=30, think=uniform(0s, 1s))",
        requests: "{connect: 'tcp://store:6379'}",
        ..CASE
    };
    let results = held.run();
    assert_eq!(standing(&results, "v1")[1..], [30.0; 19], "who holds on keeps the old split for ever");
    assert_eq!(shares(&results), BTreeMap::from([("v1", 30)]));
    // Short ones follow within their life.
    let short = Case { load: "constant(10rps)", requests: CASE.requests, ..held }.run();
    assert_eq!(standing(&short, "v1")[8..], [10.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(standing(&short, "v2")[9..13], [0.0, 10.0, 10.0, 10.0]);
    assert_eq!(shares(&short), BTreeMap::from([("v1", 100), ("v2", 100)]));
    // maxConnectionDuration ends the old split: they were opened in the first second.
    let mortal = objects.clone() + &policy("connectionPool: {tcp: {maxConnectionDuration: 6s}}");
    let results = Case { objects: &mortal, ..held }.run();
    let (old, new) = (standing(&results, "v1"), standing(&results, "v2"));
    assert!(old[9] > 20.0 && old[15] == 0.0 && new[16] > 20.0, "{old:?} {new:?}");
}

#[test]
fn rules_are_taken_in_order_and_by_source() {
    let to = |subset: &str| format!("route: [{{destination: {{host: store, subset: {subset}}}}}]");
    let by_label = format!("{{match: [{{sourceLabels: {{tier: old}}}}], {}}}, {{{}}}", to("v1"), to("v2"));
    let objects = rule("tcp", &by_label);
    let labelled = |labels: &str| {
        let client = format!("labels: {{{labels}}},");
        shares(&Case { objects: &objects, client: &client, ..CASE }.run())
            .into_keys()
            .next()
            .map(str::to_owned)
    };
    assert_eq!((labelled("tier: old"), labelled("tier: new")), (Some("v1".into()), Some("v2".into())));
    let other_port = rule("tcp", &format!("{{match: [{{port: 7000}}], {}}}", to("v1")));
    let results = Case { objects: &other_port, ..CASE }.run();
    assert_eq!(shares(&results), BTreeMap::from([("", 100)]), "no rule: the service itself");
    // A port without a protocol in its name is sniffed: what is no HTTP goes by tcp rules.
    let requests = "{connect: 'tcp://store:7000', lasts: 1s}";
    assert_eq!(shares(&Case { objects: &other_port, requests, ..CASE }.run()), BTreeMap::from([("v1", 100)]));
    // Unlike http rules, those of several VirtualServices for one host stand together.
    let two =
        other_port.clone() + &rule("tcp", &format!("{{{}}}", to("v2"))).replace("name: store", "name: two");
    assert_eq!(shares(&Case { objects: &two, ..CASE }.run()), BTreeMap::from([("v2", 100)]));
}

#[test]
fn tls_goes_by_the_name_in_it_and_nowhere_without_a_rule_for_it() {
    let route = "route: [{destination: {host: store, subset: v2}}]";
    let objects =
        rule("tls", &format!("{{match: [{{sniHosts: [store.default.svc.cluster.local]}}], {route}}}"))
            .replace("hosts: [store]", "hosts: [store.default.svc.cluster.local]");
    let to = |address: &'static str| {
        let requests = format!("{{connect: '{address}', lasts: 1s}}");
        let case = Case { objects: &objects, requests: &requests, ..CASE };
        (
            case.outcomes().into_keys().next().unwrap_or_default(),
            shares(&case.run()).into_keys().next().map(str::to_owned),
        )
    };
    let opened = |subset: &str| ("-".to_owned(), Some(subset.to_owned()));
    assert_eq!(to("tls://store.default.svc.cluster.local:6380"), opened("v2"));
    assert_eq!(to("tls://store:6380"), ("NR".to_owned(), None), "another name");
    assert_eq!(to("tcp://store:6380"), ("NR".to_owned(), None), "no name");
    assert_eq!(to("tls://store:6379"), opened(""), "rules for names are for TLS ports");
}

#[test]
fn missing_clusters_and_hosts_close_connections() {
    let gone = rule("tcp", "{route: [{destination: {host: store, subset: v9}}]}");
    Case { objects: &gone, ..CASE }.gives("NC");
    let empty = rule("tcp", "{route: [{destination: {host: store, subset: v1}}]}")
        + "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: subsets2, namespace: default}\n\
           spec: {host: store, subsets: [{name: v0, labels: {version: v0}}]}\n";
    Case { objects: &empty.replace("subset: v1", "subset: v0"), ..CASE }.gives("UH");
}

#[test]
fn full_pools_close_connections_at_once() {
    let limited = |pool: &str| policy(&format!("connectionPool: {{{pool}}}"));
    // Ten a second that stand for a second: nine find room.
    let nine = limited("tcp: {maxConnections: 9}");
    let results = Case { objects: &nine, ..CASE }.run();
    let refused = outcomes(&results)["UO"];
    let overflow = meshcast::metrics::results::Counter::CxOverflow;
    let cluster = results.clusters.iter().find(|(key, _)| key.source == "app").expect("it is called").1;
    assert!(refused > 0, "{:?}", outcomes(&results));
    assert_eq!(cluster.counters[overflow as usize], refused);
    assert!(standing(&results, "").iter().all(|count| *count <= 9.0));
    // The limit of requests says nothing about connections; that of pending ones does, while they are being made.
    Case { objects: &limited("http: {http2MaxRequests: 1}"), ..CASE }.gives("-");
    let pending = limited("http: {http1MaxPendingRequests: 1}");
    Case { objects: &pending, ..CASE }.gives("-");
    let burst = Case { objects: &pending, load: "closed(users=2, think=10s)", ..CASE };
    let burst = Case { head: "duration: 11s", ..burst };
    assert_eq!(burst.outcomes(), BTreeMap::from([("-".to_owned(), 1), ("UO".to_owned(), 1)]));
}

#[test]
fn servers_keep_their_own_limits_and_slots() {
    // Two client proxies, each with room for five; the pods' own sidecars let four in, from all callers.
    let objects = split(100, 0) + &policy("connectionPool: {tcp: {maxConnections: 2}}");
    let case = Case {
        objects: &objects,
        client: "pods: 8,",
        load: "closed(users=40, think=5s)",
        requests: "{connect: 'tcp://store:6379'}",
        head: "duration: 6s",
        ..CASE
    };
    let results = case.run();
    let inbound =
        results.clusters.iter().find(|(key, _)| key.source == "store-v1").expect("the gate has a row").1;
    let overflow = meshcast::metrics::results::Counter::CxOverflow;
    assert_eq!(inbound.counters[overflow as usize], outcomes(&results)["UC"]);
    assert_eq!(outcomes(&results)["-"], 4, "two at each of two pods");
    // A pod holds as many as its concurrency says, and closes the next.
    let small = Case { objects: &split(100, 0), store: "concurrency: 3, queue: 5", ..case };
    assert_eq!(small.outcomes()["-"], 6);
    let fails = Case {
        store: "concurrency: 100, errors: {rate: 100%, status: 500}",
        objects: &split(100, 0),
        ..CASE
    };
    fails.gives("UC");
}

#[test]
fn dead_and_strict_hosts_fail_as_they_do() {
    let crash = |of: &str, sidecar: bool| {
        format!(
            "concurrency: 100, sidecar: {sidecar}, incidents: [{{at: 0s, crash: {{restart: 1h, of: {of}}}}}]"
        )
    };
    let objects = split(100, 0);
    // Who is told at once that the pods are not ready has no host; here nobody is told.
    let untold = "duration: 10s\ndrain: 30s";
    let with = |store: &str| {
        let mut texts = Case { objects: &objects, head: untold, store, ..CASE }.texts();
        let scenario = texts.0.get_mut("scenario.yaml").expect("it is there");
        *scenario = scenario.replace("propagation: 0s", "propagation: 1h");
        let results = sim::run(&Plan::compile(&texts.mesh()), 7, 0);
        let latency = results.requests.values().next().expect("one client").finished.failed.max();
        (outcomes(&results), latency.map(|nanos| nanos / 1_000_000))
    };
    let all = |flag: &str| BTreeMap::from([(flag.to_owned(), 100)]);
    assert_eq!(with(&crash("pod", true)), (all("UF"), Some(4)));
    assert_eq!(with(&crash("app", false)), (all("UF"), Some(2)), "refused by the kernel");
    assert_eq!(with(&crash("app", true)), (all("UC"), Some(5)), "its sidecar takes it and finds nobody");
    assert_eq!(with(&crash("node", true)), (all("UF"), Some(10_000)), "Istio's connect timeout");
    let strict = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default}\n\
                  spec: {mtls: {mode: STRICT}}\n";
    Case { objects: strict, ..CASE }.gives("-");
    let plain = strict.to_owned() + &policy("tls: {mode: DISABLE}");
    Case { objects: &plain, ..CASE }.gives("UC");
}

#[test]
fn failed_connects_eject_a_host_and_what_stands_stays() {
    let detection = "outlierDetection: {consecutive5xxErrors: 3, interval: 5s, baseEjectionTime: 60s, maxEjectionPercent: 50}";
    let objects = split(100, 0) + &policy(detection);
    let case = Case {
        objects: &objects,
        head: "duration: 20s\nwindow: 1s",
        // The first pod refuses for a while, and the control plane is slow to say so.
        store: "concurrency: 100, incidents: [{at: 10s, pods: 1, crash: {restart: 2s, of: pod}}]",
        load: "constant(20rps)",
        requests: "{connect: 'tcp://store:6379', lasts: 6s}",
        ..CASE
    };
    let run = |objects: &str| {
        let mut texts = Case { objects, ..case }.texts();
        let scenario = texts.0.get_mut("scenario.yaml").expect("it is there");
        *scenario = scenario.replace("propagation: 0s", "propagation: 1h");
        sim::run(&Plan::compile(&texts.mesh()), 7, 0)
    };
    let results = run(&objects);
    assert_eq!(outcomes(&results)["UF"], 3, "the third is the last");
    let ejected: Vec<&str> =
        results.events.iter().filter(|e| e.kind == "ejection").map(|e| e.object.as_str()).collect();
    assert_eq!(ejected, ["store-v1-0"]);
    let message = &results.events.iter().find(|e| e.kind == "ejection").expect("one").message;
    assert!(message.contains("CONSECUTIVE_5XX"), "{message}");
    // In split mode successes of others do not matter, and local failures alone count.
    let local = detection.replace(
        "consecutive5xxErrors: 3",
        "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4",
    );
    assert_eq!(outcomes(&run(&(split(100, 0) + &policy(&local))))["UF"], 4);
    // Without detection it fails for as long as it is away.
    assert!(outcomes(&run(&split(100, 0)))["UF"] >= 20);
    // A success in between begins anew, in either mode.
    let crash = |second: u32| format!("{{at: {second}s, pods: 1, crash: {{restart: 90ms, of: pod}}}}");
    let often = format!("concurrency: 100, incidents: [{}]", [9, 10, 11, 12, 13, 14].map(crash).join(", "));
    for detection in [detection, &local.replace("Failures: 4", "Failures: 3")] {
        let objects = split(100, 0) + &policy(detection);
        let mut texts = Case { objects: &objects, store: &often, ..case }.texts();
        let scenario = texts.0.get_mut("scenario.yaml").expect("it is there");
        *scenario = scenario.replace("propagation: 0s", "propagation: 1h");
        let results = sim::run(&Plan::compile(&texts.mesh()), 7, 0);
        // Two at a time at the most.
        assert!(outcomes(&results)["UF"] >= 4, "{:?}", outcomes(&results));
        assert!(results.events.iter().all(|e| e.kind != "ejection"));
    }
}

#[test]
fn an_ejection_leaves_standing_connections_alone() {
    let detection = "outlierDetection: {consecutive5xxErrors: 1, interval: 5s, baseEjectionTime: 60s, maxEjectionPercent: 100}";
    // Errors cut new connections, and a cut is no failure to connect: nobody is ejected for it.
    let objects = split(100, 0) + &policy(detection);
    let store = "concurrency: 100, incidents: [{at: 5s, errors: {rate: 100%, status: 503}}]";
    let results = Case { objects: &objects, store, requests: "{connect: 'tcp://store:6379'}", ..CASE }.run();
    assert!(results.events.iter().all(|event| event.kind != "ejection"));
    assert_eq!(outcomes(&results), BTreeMap::from([("-".to_owned(), 50), ("UC".to_owned(), 50)]));
    assert_eq!(*standing(&results, "v1").last().expect("windows"), 50.0);
}

/// Connections that stand on v1 in each second, of thirty that are opened again after a second when they break off.
fn through_a_crash(of: &str, restart: &str) -> (Vec<f64>, Vec<(u64, String)>) {
    let store = format!(
        "concurrency: 100, incidents: [{{at: 5s, pods: 1, crash: {{restart: {restart}, of: {of}}}}}]"
    );
    let objects = split(100, 0);
    let case = Case {
        objects: &objects,
        head: "duration: 20s\nwindow: 1s",
        store: &store,
        load: "closed(users=30, think=1s)",
        requests: "{connect: 'tcp://store:6379'}",
        ..CASE
    };
    let results = case.run();
    let broken = results.events.iter().filter(|event| event.kind == "connections");
    let broken = broken.map(|event| (event.at.nanos() / 1_000_000_000, event.message.clone())).collect();
    (standing(&results, "v1"), broken)
}

#[test]
fn a_crash_breaks_what_it_held() {
    for of in ["pod", "app"] {
        let (standing, broken) = through_a_crash(of, "5s");
        let (at, message) = &broken[0];
        let lost: f64 =
            message.strip_suffix(" of app broke off").and_then(|n| n.parse().ok()).expect("a count");
        assert!(*at == 5 && broken.len() == 1 && lost > 5.0, "{broken:?}");
        // They come back a second later, to the pod that is left.
        assert_eq!((standing[4], standing[5], standing[7]), (30.0, 30.0 - lost, 30.0), "{of}: {standing:?}");
    }
}

#[test]
fn connections_to_a_lost_node_hang_until_it_is_back() {
    let (standing, broken) = through_a_crash("node", "6s");
    assert_eq!(standing[2..11], [30.0; 9], "nobody says a word");
    assert!(broken[0].1.ends_with("of app hang") && broken[0].0 == 5, "{broken:?}");
    assert!(broken[1].1.ends_with("of app broke off") && broken[1].0 == 11, "{broken:?}");
    assert!(standing[11] < 30.0 && standing[14] == 30.0, "{standing:?}");
}

#[test]
fn balancers_count_standing_connections() {
    let held = |balancer: &str| {
        let objects = policy(&format!("loadBalancer: {{{balancer}}}"));
        let case = Case {
            objects: &objects,
            head: "duration: 11s",
            load: "closed(users=400, think=uniform(0s, 5s))",
            requests: "{connect: 'tcp://store:6379'}",
            ..CASE
        };
        let mut counts: Vec<u64> = case.run().hosts.values().map(|host| host.attempts).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(held("simple: ROUND_ROBIN"), [100; 4]);
    let least = held("simple: LEAST_REQUEST");
    assert!(least[0] >= 98 && least[3] <= 102, "two choices keep what stands even: {least:?}");
    let random = held("simple: RANDOM");
    assert!(random[3] - random[0] > 8, "{random:?}");
    assert_eq!(
        held("consistentHash: {useSourceIp: true}"),
        [0, 0, 0, 400],
        "a sidecar sees its own pod alone"
    );
    let by_header = held("consistentHash: {httpHeaderName: x}");
    assert!(by_header[0] > 50, "there is no header to hash, and each goes its own way: {by_header:?}");
}

#[test]
fn counts_agree_at_odd_moments() {
    let objects = split(50, 50)
        + &policy(
            "connectionPool: {tcp: {maxConnections: 20}}, \
             outlierDetection: {consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 2s, maxEjectionPercent: 100}",
        );
    let case = Case {
        objects: &objects,
        client: "pods: 3,",
        store: "concurrency: 15, incidents: [{at: 3s, pods: 1, crash: {restart: 1s, of: pod}}, \
                {at: 5s, crash: {restart: 1s, of: node}}, {at: 8s, crash: {restart: 100ms, of: app}}]",
        load: "poisson(100rps)",
        requests: "{connect: 'tcp://store:6379', lasts: exponential(mean=300ms)}",
        ..CASE
    };
    let mesh = case.texts().mesh();
    let plan = Plan::compile(&mesh);
    let mut run = Run::new(&plan, 11, 0);
    for step in 1..400 {
        run.advance(SimTime::ZERO + SimDuration::from_millis(step * 29));
        let audit = run.audit();
        assert!(audit.faults.is_empty(), "at step {step}: {:?}", audit.faults);
        assert!(step != 100 || audit.sessions > 0);
    }
    run.settle();
    let audit = run.audit();
    assert_eq!((audit.sessions, audit.requests, audit.busy, audit.faults), (0, 0, 0, Vec::new()));
    let counts = outcomes(&run.finish());
    assert!(["-", "UO", "UF", "UC"].iter().all(|flag| counts.contains_key(*flag)), "{counts:?}");
}

const GATEWAY: &str = "
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door}
spec:
  selector: {istio: door}
  servers:
  - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}
  - {port: {number: 9443, name: tls, protocol: TLS}, hosts: ['*.example.com'], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: out}
spec:
  hosts: ['store.example.com', 'old.example.com']
  gateways: [door]
  tcp:
  - {match: [{port: 9000}], route: [{destination: {host: store, port: {number: 6379}, subset: v2}}]}
  tls:
  - {match: [{sniHosts: [old.example.com]}], route: [{destination: {host: store, port: {number: 6380}, subset: v1}}]}
  - {match: [{port: 9443, sniHosts: [store.example.com]}], route: [{destination: {host: store, port: {number: 6380}, subset: v2}}]}
";

#[test]
fn gateways_take_connections_by_port_and_name() {
    let at = |address: &str| {
        let requests = format!("{{connect: '{address}', lasts: 1s}}");
        let results = Case { objects: GATEWAY, client: "gateway: door,", requests: &requests, ..CASE }.run();
        (
            outcomes(&results).into_keys().collect::<Vec<_>>().join(","),
            shares(&results).into_keys().next().map(str::to_owned),
        )
    };
    let opened = |subset: &str| ("-".to_owned(), Some(subset.to_owned()));
    assert_eq!(at("tcp://whatever.example.com:9000"), opened("v2"));
    assert_eq!(at("tls://old.example.com:9443"), opened("v1"));
    assert_eq!(at("tls://store.example.com:9443"), opened("v2"));
    assert_eq!(at("tls://new.example.com:9443").0, "NR");
    assert_eq!(at("tcp://store.example.com:9443").0, "NR", "it names nobody");
    let closed =
        Case { objects: GATEWAY, client: "gateway: door,", requests: "{connect: 'tcp://x:80'}", ..CASE };
    closed.is_refused("takes no connections on port 80");
    // A user's own address, which a gateway can hash.
    let hashed = GATEWAY.to_owned() + &policy("loadBalancer: {consistentHash: {useSourceIp: true}}");
    let hosts = |users: &str| {
        let client = format!("gateway: door,{users}");
        let requests = "{connect: 'tcp://x:9000', lasts: 1s}";
        Case { objects: &hashed, client: &client, requests, ..CASE }
            .run()
            .hosts
            .values()
            .filter(|host| host.attempts > 0)
            .count()
    };
    assert_eq!((hosts(""), hosts(" users: {count: 50, sourceIp: true},")), (1, 2));
}

#[test]
fn what_cannot_be_a_connection_is_told_with_its_remedy() {
    let with = |requests: &'static str| Case { requests, ..CASE };
    with("{connect: 'tcp://store:80'}").is_refused("port 80 of `store` speaks HTTP");
    with("{connect: 'tcp://store:81'}").is_refused("service `store` has no port 81");
    with("{connect: 'tcp://stor:6379'}").is_refused("did you mean `store`?");
    with("{connect: 'tcp://store'}").is_refused("write `tcp://store:6379`");
    with("{connect: 'http://store:6379'}").is_refused("write `tcp://store:6379`");
    with("{get: 'tcp://store:6379'}").is_refused("clients open connections by `connect:`");
    with("{get: 'http://store:80/', lasts: 3s}").is_refused("only connections are held for a time");
    with("{connect: 'tcp://store:6379'}, {get: 'http://store:80/'}").is_refused("make two clients of it");
    with("{connect: 'tcp://store:6379', headers: {a: b}}").is_refused("carries no headers or cookies");
    with("{connect: 'tcp://store:6379', timeout: 3s}").is_refused("a connection is tried once");
    with("{connect: 'tcp://store:6379', attempts: 3}").is_refused("a connection is tried once");
    with("{connect: 'tcp://store:6379', get: 'http://store:80/'}").is_refused("several methods");
    let users = Case { client: "users: {count: 5, header: x-user},", ..CASE };
    users.is_refused("no header or cookie to name its user");
    let rule = rule("tls", "{match: [{sniHosts: [other.com]}], route: [{destination: {host: store}}]}");
    Case { objects: &rule, ..CASE }.is_refused("`other.com` is none of the hosts of this VirtualService");
}

#[test]
fn rules_that_nobody_connects_by_have_no_effect_and_say_so() {
    let tcp = split(50, 50);
    let case = Case { objects: &tcp, requests: "{get: 'http://store:80/'}", ..CASE };
    let resolved = meshcast::resolve::mesh(&case.texts().load());
    let why: Vec<&str> = resolved.without_effect.iter().map(|entry| entry.why.as_str()).collect();
    assert!(why.iter().any(|why| why.contains("nobody in the scenario connects to store")), "{why:?}");
    assert!(resolved.not_modelled.is_empty(), "{:?}", resolved.not_modelled);
    let used = Case { objects: &tcp, ..CASE };
    let resolved = meshcast::resolve::mesh(&used.texts().load());
    assert!(resolved.without_effect.is_empty(), "{:?}", resolved.without_effect);
    assert!(resolved.guesses.is_empty(), "no work is guessed for connections: {:?}", resolved.guesses);
}
