//! Ambient mode from YAML to counts: who keeps a limit, whose rules hold, and which are silently dead.
//! Source: semantics S22, S1.2; design D9.1, D9.2.

use std::collections::{BTreeMap, BTreeSet};

use meshcast::metrics::Results;
use meshcast::metrics::results::Counter;
use meshcast::metrics::series::Scope;
use meshcast::sim::{self, Plan};
use meshcast::study::RunResults;

use crate::texts::Texts;
use crate::theory::erlang_b;

/// A shop whose `web` calls `stock`, in a namespace of its own each. `head`: keys of the scenario; `stock`, `web`: keys
/// of the two; `objects`: all of Kubernetes and Istio.
#[derive(Clone, Copy)]
struct Shop<'a> {
    head: &'a str,
    stock: &'a str,
    web: &'a str,
    objects: &'a str,
}

const QUIET: &str = "duration: 20s\nwarmup: 0s\nnetwork: {latency: 0s}\n\
                     proxy: {latency: 0s, ztunnelLatency: 0s, workers: 1}\n";
const AMBIENT: &str = "dataPlane: ambient\n";
const WAYPOINT: &str = "dataPlane: ambient\nwaypoints: {waypoint: {namespace: back}}\n";

const SHOP: Shop<'static> =
    Shop { head: "", stock: "serviceTime: 5ms", web: "load: constant(100rps)", objects: "" };

const STOCK: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: stock, namespace: back}\n\
                     spec: {selector: {app: stock}, ports: [{name: http, port: 80}, {name: grpc, port: 81}, {name: tcp, port: 82}]}\n";

impl Shop<'_> {
    fn texts(&self) -> Texts {
        let Shop { head, stock, web, objects } = self;
        // What a test says itself comes in place of the quiet frame.
        let frame: String = QUIET
            .lines()
            .filter(|line| !head.lines().any(|own| own.split(':').next() == line.split(':').next()))
            .map(|line| format!("{line}\n"))
            .collect();
        let port =
            if web.contains("requests:") { "" } else { ", requests: [{get: \"http://stock.back/items\"}]" };
        let scenario = format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: shop}}\nmanifests: [objects.yaml]\n\
             namespace: front\n{frame}{head}workloads:\n  stock: {{namespace: back, labels: {{app: stock}}, {stock}}}\n\
             clients:\n  web: {{{web}{port}}}\n"
        );
        let service = if objects.contains("name: stock, namespace: back, labels") { "" } else { STOCK };
        Texts(BTreeMap::from([
            ("scenario.yaml".to_owned(), scenario),
            ("objects.yaml".to_owned(), format!("{service}{objects}")),
        ]))
    }

    fn results(&self) -> Results {
        sim::run(&Plan::compile(&self.texts().mesh()), 7, 0)
    }

    /// What the client got, as `code flags` and how often.
    fn answers(&self) -> BTreeMap<String, u64> {
        let run = RunResults::pool(&[self.results()]);
        let of_client = run.responses.iter().filter(|row| row.subject.scope == Scope::Client);
        let answers = of_client.map(|row| {
            let count = row.count.value.expect("a count has a value");
            (format!("{} {}", row.outcome.code, row.outcome.flags), count as u64)
        });
        answers.collect()
    }

    #[track_caller]
    fn gives(&self, expected: &[(&str, u64)]) {
        let expected = expected.iter().map(|(answer, count)| ((*answer).to_owned(), *count)).collect();
        assert_eq!(self.answers(), expected, "{}", self.texts());
    }

    /// Median of what the client saw, in milliseconds.
    fn median_ms(&self) -> f64 {
        let run = RunResults::pool(&[self.results()]);
        run.clients[0].latency.p50.value.expect("requests ended")
    }

    /// Pods that got anything.
    fn pods(&self) -> BTreeSet<String> {
        let results = self.results();
        results
            .hosts
            .iter()
            .filter(|(_, counts)| counts.attempts > 0)
            .map(|(key, _)| key.host.clone())
            .collect()
    }

    /// Objects without effect, as `line of objects.yaml: object: why`.
    fn dead(&self) -> Vec<String> {
        let resolved = meshcast::resolve::mesh(&self.texts().load());
        let told = resolved.without_effect.iter();
        told.map(|entry| format!("{}: {}: {}", entry.place.line, entry.object, entry.why)).collect()
    }

    /// Findings of resolving and loading, as `code line: message`.
    fn findings(&self) -> Vec<String> {
        let loaded = self.texts().load();
        let resolved = meshcast::resolve::mesh(&loaded);
        let all = loaded.diagnostics.iter().chain(&resolved.diagnostics);
        let line = |finding: &meshcast::config::diagnostic::Diagnostic| {
            finding.span.map_or(0, |span| loaded.docs.sources.position(span).line)
        };
        all.map(|finding| format!("{} {}: {}", finding.code, line(finding), finding.message)).collect()
    }
}

fn object(kind: &str, name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {namespace}\n\
         spec: {spec}\n"
    )
}

fn breaker(namespace: &str, requests: u32) -> String {
    let spec = format!(
        "{{host: stock.back.svc.cluster.local, trafficPolicy: {{connectionPool: {{http: {{http2MaxRequests: \
         {requests}}}}}}}}}"
    );
    object("DestinationRule", "stock", namespace, &spec)
}

fn routes(namespace: &str, http: &str) -> String {
    let spec = format!("{{hosts: [stock.back.svc.cluster.local], http: [{http}]}}");
    object("VirtualService", "stock", namespace, &spec)
}

const TO_STOCK: &str = "route: [{destination: {host: stock.back.svc.cluster.local}}]";

// --- who keeps a limit ---

/// Share of requests that a breaker refused.
fn refused(head: &str, web: &str) -> f64 {
    let objects = breaker("back", 10);
    let stock = "replicas: 40, serviceTime: \"gamma(mean=100ms, cv=0.5)\"";
    let shop = Shop { head, stock, web, objects: &objects };
    let answers = shop.answers();
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["200 -", "503 UO"], "{head}");
    let all: u64 = answers.values().sum();
    answers["503 UO"] as f64 / all as f64
}

/// A breaker in front of pods that never make anybody wait is Erlang's loss system, whatever the law of the service
/// times: each holder of a limit of ten gets its share of the 60 Erlang that are offered. One percent is four standard
/// errors of the worst case here: 180,000 requests, of which those of one mean service time (60) go together.
#[test]
fn a_limit_is_each_callers_with_sidecars_and_each_replicas_behind_a_waypoint() {
    let web = |pods: u32| format!("pods: {pods}, load: poisson(600rps)");
    let time = "duration: 300s\nwarmup: 5s\n";
    let near = |what: &str, refused: f64, holders: u32| {
        let theory = erlang_b(10, 60.0 / f64::from(holders));
        assert!((refused - theory).abs() < 0.01, "{what}: {refused} refused, {theory} by Erlang");
    };
    for callers in [3, 6] {
        near("sidecars", refused(time, &web(callers)), callers);
    }
    for (callers, replicas) in [(3, 2), (6, 2), (6, 5)] {
        let head = format!(
            "{time}dataPlane: ambient\nwaypoints: {{waypoint: {{namespace: back, replicas: {replicas}}}}}\n"
        );
        near("waypoint", refused(&head, &web(callers)), replicas);
    }
}

/// A pod's own sidecar keeps the limit again for all callers together; a ztunnel keeps none. Source: semantics S1.2, S22.4.
#[test]
fn nobody_keeps_the_limit_a_second_time_behind_a_waypoint() {
    let objects = breaker("back", 2);
    let most = |head: &str| {
        let shop = Shop {
            head,
            stock: "serviceTime: 100ms",
            web: "pods: 3, load: \"closed(users=60, think=1ms)\"",
            objects: &objects,
        };
        let results = shop.results();
        let busy = results.hosts.values().map(|counts| counts.attempts - counts.errors).sum::<u64>();
        // Of 20 s in which each place serves ten a second.
        (busy as f64 / 200.0).round() as u64
    };
    assert_eq!(most(""), 2, "the one pod's sidecar admits two");
    let replicas = |count: u32| {
        format!("dataPlane: ambient\nwaypoints: {{waypoint: {{namespace: back, replicas: {count}}}}}\n")
    };
    assert_eq!(most(&replicas(1)), 2);
    assert_eq!(most(&replicas(4)), 8);
}

/// One caller and one replica: the waypoint sees what the sidecar saw, call for call.
#[test]
fn one_replica_does_to_one_caller_what_its_sidecar_did() {
    let rules = routes(
        "back",
        &format!(
            "{{timeout: 40ms, retries: {{attempts: 2, retryOn: 5xx}}, fault: {{abort: {{percentage: {{value: 5}}, httpStatus: 418}}}}, {TO_STOCK}}}"
        ),
    );
    let objects = breaker("back", 7) + &rules;
    let shop = |head| Shop {
        head,
        stock: "replicas: 4, dataPlane: gateway-only, concurrency: 2, queue: 3, errors: {rate: 8%, status: 503}, \
                serviceTime: exponential(mean=12ms)",
        web: "load: poisson(400rps)",
        objects: &objects,
    };
    let (sidecar, waypoint) = (shop("").results(), shop(WAYPOINT).results());
    let seen = |results: &Results| {
        let (_, totals) = results.clusters.iter().next().expect("one cluster");
        assert_eq!(results.clusters.len(), 1);
        let outcomes: Vec<(String, u64)> = totals
            .calls
            .responses
            .iter()
            .map(|(outcome, count)| (format!("{} {}", outcome.code, outcome.flags), *count))
            .collect();
        (totals.counters, outcomes, totals.calls.all().sum())
    };
    assert_eq!(seen(&sidecar), seen(&waypoint));
    let (counters, outcomes, _) = seen(&sidecar);
    let retries = counters[Counter::Retries as usize];
    assert!(retries > 100 && outcomes.len() >= 4, "it would show: {retries} retries, {outcomes:?}");
    assert_eq!(sidecar.hosts, waypoint.hosts);
}

// --- whose rules hold ---

/// Without waypoint there is L4 alone, and the summary tells of each rule that is dead, at its line.
#[test]
fn without_waypoint_rules_are_dead_and_told() {
    let objects = routes("back", &format!("{{match: [{{uri: {{prefix: /nothing}}}}], {TO_STOCK}}}"))
        + &breaker("back", 1);
    let shop = Shop { head: AMBIENT, objects: &objects, ..SHOP };
    shop.gives(&[("200 -", 2000)]);
    let dead = shop.dead();
    assert_eq!(dead.len(), 2, "{dead:#?}");
    let lines: Vec<&str> = dead.iter().filter_map(|line| line.split(": ").next()).collect();
    let text = format!("{STOCK}{objects}");
    for (line, kind) in lines.iter().zip(["VirtualService", "DestinationRule"]) {
        let line: usize = line.parse().expect("a number");
        assert!(text.lines().nth(line - 1).is_some_and(|line| line.trim() == "name: stock"), "{line}");
        assert!(text.lines().nth(line - 3).is_some_and(|line| line == format!("kind: {kind}")), "{line}");
    }
    assert!(
        dead.iter().all(|line| line.contains("stock has no waypoint, and a ztunnel reads no rules")),
        "{dead:#?}"
    );
    // The same rules hold for sidecars, and nothing is dead there.
    let sidecars = Shop { head: "", ..shop };
    sidecars.gives(&[("404 NR", 2000)]);
    assert_eq!(sidecars.dead(), Vec::<String>::new());
}

/// A waypoint answers what none of its rules takes, and looks at no host for it. Source: semantics S22.3.
#[test]
fn a_waypoint_without_a_matching_rule_answers_404() {
    let objects = routes("back", &format!("{{match: [{{uri: {{prefix: /other}}}}], {TO_STOCK}}}"));
    Shop { head: WAYPOINT, objects: &objects, ..SHOP }.gives(&[("404 NR", 2000)]);
}

/// Rules come from the namespaces of the service and of the waypoint; a caller's own are dead. Source: semantics S22.3, S22.4.
#[test]
fn rules_of_the_callers_namespace_are_dead_behind_a_waypoint() {
    let answer = |status: u16| format!("{{directResponse: {{status: {status}}}}}");
    let theirs = routes("front", &answer(401)) + &breaker("front", 1);
    let shop = Shop { head: WAYPOINT, web: "load: constant(1krps)", objects: &theirs, ..SHOP };
    shop.gives(&[("200 -", 20_000)]);
    let dead = shop.dead();
    assert_eq!(dead.len(), 2, "{dead:#?}");
    assert!(
        dead[0].contains("VirtualService front/stock: callers in ambient mode follow waypoint waypoint"),
        "{dead:#?}"
    );
    assert!(
        dead[1].contains("DestinationRule front/stock: callers in ambient mode follow waypoint waypoint"),
        "{dead:#?}"
    );
    Shop { head: "", ..shop }.gives(&[("401 -", 20_000)]);
    let own = routes("back", &answer(402));
    Shop { objects: &own, ..shop }.gives(&[("402 -", 20_000)]);
    // A waypoint elsewhere brings its own namespace's rules along.
    let infra = routes("infra", &answer(403));
    let head = "dataPlane: ambient\nwaypoints: {waypoint: {namespace: infra, services: [stock.back.svc.cluster.local]}}\n";
    Shop { head, objects: &infra, ..shop }.gives(&[("403 -", 20_000)]);
}

/// Several VirtualServices are merged since 1.30, and matches by the caller's labels dropped. Source: semantics S22.3.
#[test]
fn rules_are_merged_and_those_for_labels_dropped() {
    let labelled = "{match: [{sourceLabels: {app: web}}], directResponse: {status: 401}}";
    let narrow = "{match: [{uri: {prefix: /items}, method: {exact: POST}}], directResponse: {status: 402}}";
    let rest = "{directResponse: {status: 403}}";
    let named = |name: &str, http: &str| {
        routes("back", http).replace("name: stock\n  names", &format!("name: {name}\n  names"))
    };
    let objects = named("a", &format!("{labelled}, {narrow}")) + &named("b", rest);
    let shop = |head: &'static str| Shop {
        head,
        web: "labels: {app: web}, load: constant(100rps)",
        objects: &objects,
        ..SHOP
    };
    let merged = "istioVersion: \"1.30\"\ndataPlane: ambient\nwaypoints: {waypoint: {namespace: back}}\n";
    shop(merged).gives(&[("403 -", 2000)]);
    // Before, the first counted alone, and nothing of it takes this request.
    shop(WAYPOINT).gives(&[("404 NR", 2000)]);
    shop("").gives(&[("401 -", 2000)]);
}

/// Until 1.30 a service without rule is retried as by a server's own sidecar. Source: semantics S22.3.
#[test]
fn the_default_retries_of_a_waypoint_changed_with_1_31() {
    let retries = |version: &str| {
        let head = format!("istioVersion: \"{version}\"\n{WAYPOINT}");
        let mesh = Shop { head: &head, ..SHOP }.texts().mesh();
        let table = &mesh.tables[mesh.states.rows()[0].doors.rows()[0]];
        let retry = table.listeners[&80][0].routes[0].retry.as_ref().expect("it retries");
        (retry.on.has(meshcast::mesh::policy_spec::RetryOn::CONNECT_FAILURE), retry.avoid_previous_hosts)
    };
    assert_eq!((retries("1.30"), retries("1.31")), ((false, false), (true, true)));
}

/// Clients with a sidecar, and gateways, go by their own rules straight to the pods. Source: semantics S22.5.
#[test]
fn sidecars_and_gateways_pass_a_waypoint_by() {
    let labelled = |label: &str| {
        format!(
            "{}---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: door, namespace: front}}\n\
             spec: {{selector: {{istio: door}}, servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]}}\n",
            STOCK.replace("namespace: back}", &format!("namespace: back, labels: {{{label}}}}}"))
        ) + &object(
            "VirtualService",
            "door",
            "front",
            "{hosts: [shop.example.com], gateways: [door], http: [{match: [{uri: {prefix: /items}}], \
             rewrite: {uri: /things}, route: [{destination: {host: stock.back.svc.cluster.local, port: {number: 80}}}]}]}",
        ) + &routes(
            "back",
            &format!(
                "{{match: [{{uri: {{prefix: /things}}}}], directResponse: {{status: 418}}}}, {{{TO_STOCK}}}"
            ),
        )
    };
    let sources = |label: &str, web: &str| {
        let objects = labelled(label);
        let shop = Shop { head: WAYPOINT, web, objects: &objects, ..SHOP };
        let sources: BTreeSet<String> =
            shop.results().clusters.keys().map(|key| key.source.clone()).collect();
        (
            sources.into_iter().collect::<Vec<_>>().join(";"),
            shop.answers().keys().cloned().collect::<Vec<_>>().join(";"),
        )
    };
    let inside = "load: constant(10rps)";
    let with_sidecar = "dataPlane: sidecar, load: constant(10rps)";
    let at_door =
        "gateway: door, load: constant(10rps), requests: [{get: \"http://shop.example.com/items\"}]";
    let told = |sources: &str, answer: &str| (sources.to_owned(), answer.to_owned());
    assert_eq!(sources("a: b", inside), told("waypoint.back", "200 -"));
    assert_eq!(sources("a: b", with_sidecar), told("web", "200 -"));
    assert_eq!(sources("a: b", at_door), told("door", "200 -"));
    // What the gateway makes of a request is what the waypoint sees.
    assert_eq!(sources("istio.io/ingress-use-waypoint: 'true'", at_door), told("", "418 -"));
}

// --- what it costs, and how it fails ---

/// Two network legs and two ztunnels without waypoint; four legs, two ztunnels and an Envoy with one; two legs and two
/// Envoys between sidecars. Source: design D9.1; semantics S22.7.
#[test]
fn the_way_through_a_waypoint_is_longer() {
    let head = |rest: &str| {
        format!(
            "network: {{latency: 1ms}}\nproxy: {{latency: 4ms, ztunnelLatency: 2ms, workers: 1}}\nwarmup: 1s\n{rest}"
        )
    };
    let median = |rest: &str| Shop { head: &head(rest), ..SHOP }.median_ms();
    let near =
        |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 0.004, "{got} for {expected}");
    near(median(""), 5.0 + 2.0 + 8.0);
    near(median(AMBIENT), 5.0 + 2.0 + 4.0);
    near(median(WAYPOINT), 5.0 + 4.0 + 2.0 * 2.0 + 4.0);
}

/// A caller of HTTP/2 keeps one connection, and so one pod, until that is gone; those of HTTP/1.1 reach all pods, and so
/// does a waypoint, which balances requests. Source: semantics S22.2.
#[test]
fn without_waypoint_a_grpc_caller_stays_with_one_pod() {
    let web = |port: u16| {
        format!("load: constant(100rps), requests: [{{get: \"http://stock.back:{port}/items\"}}]")
    };
    let stock = "replicas: 4, serviceTime: 5ms";
    let pods = |head: &str, port: u16, stock: &str| {
        Shop { head, stock, web: &web(port), ..SHOP }.pods().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(pods(AMBIENT, 80, stock).len(), 4);
    assert_eq!(pods(WAYPOINT, 81, stock).len(), 4);
    let first = pods(AMBIENT, 81, stock);
    assert_eq!(first.len(), 1);
    let number = first[0].rsplit('-').next().expect("a number");
    let crash =
        format!("{stock}, incidents: [{{at: 5s, pods: [stock-{number}], crash: {{restart: 5s, of: pod}}}}]");
    let both = pods(AMBIENT, 81, &crash);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both.contains(&first[0]));
}

/// No HTTP comes from a ztunnel: callers see a reset, without code or flag. Behind a waypoint they get its 503.
#[test]
fn failures_of_connections_have_no_code_without_waypoint() {
    let down = "serviceTime: 5ms, incidents: [{at: 0s, crash: {restart: 1h, of: pod}}]";
    let told_at_once = "controlPlane: {propagation: 1h}\n";
    let answers = |head: &str| Shop { head: &format!("{told_at_once}{head}"), stock: down, ..SHOP }.answers();
    assert_eq!(answers(AMBIENT).into_keys().collect::<Vec<_>>(), ["0 -"]);
    assert_eq!(answers(WAYPOINT).into_keys().collect::<Vec<_>>(), ["503 URX,UF"]);
}

/// A ztunnel lets in whom PeerAuthentication says, and whoever has the mesh's identity always. Source: semantics S22.6.
#[test]
fn a_strict_ztunnel_cuts_off_callers_without_identity() {
    let strict = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: all, namespace: back}\n\
                  spec: {mtls: {mode: MODE}}\n";
    let answers = |mode: &str, plane: &str| {
        let web = format!("dataPlane: {plane}, load: constant(10rps)");
        let objects = strict.replace("MODE", mode);
        Shop { head: AMBIENT, web: &web, objects: &objects, ..SHOP }.answers().into_keys().collect::<Vec<_>>()
    };
    for plane in ["ambient", "sidecar"] {
        assert_eq!(answers("STRICT", plane), ["200 -"], "{plane}");
    }
    assert_eq!(answers("STRICT", "gateway-only"), ["0 -"]);
    assert_eq!(answers("DISABLE", "gateway-only"), ["200 -"]);
    assert_eq!(answers("DISABLE", "ambient"), ["200 -"]);
}

// --- what is said in files ---

#[test]
fn labels_bind_services_and_what_binds_nothing_is_told() {
    let with = |label: &str, gateway: &str| {
        let service = STOCK.replace("namespace: back}", &format!("namespace: back, labels: {{{label}}}}}"));
        let objects = format!(
            "{service}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: back, labels: {{istio.io/use-waypoint: \
             wide}}}}\n{gateway}"
        );
        let shop = Shop {
            head: "dataPlane: ambient\nwaypoints: {wide: {namespace: back, replicas: 1, services: []}}\n",
            objects: &objects,
            ..SHOP
        };
        let sources: BTreeSet<String> =
            shop.results().clusters.keys().map(|key| key.source.clone()).collect();
        let findings = shop.findings();
        (
            sources.into_iter().collect::<Vec<_>>().join(";"),
            findings.into_iter().find(|text| text.starts_with("MS1030")),
        )
    };
    let gateway = |namespace: &str, rest: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: own, namespace: \
             {namespace}{rest}}}\nspec: {{gatewayClassName: istio-waypoint, listeners: [{{name: mesh, port: 15008}}]}}\n"
        )
    };
    assert_eq!(with("a: b", ""), ("wide.back".to_owned(), None), "its namespace's");
    assert_eq!(with("istio.io/use-waypoint: own", &gateway("back", "")), ("own.back".to_owned(), None));
    assert_eq!(with("istio.io/use-waypoint: none", ""), ("web".to_owned(), None), "opted out");
    let (source, told) = with("istio.io/use-waypoint: owm", &gateway("back", ""));
    assert_eq!(
        (source.as_str(), told.as_deref()),
        ("web", Some("MS1030 3: there is no waypoint `owm` in namespace `back`"))
    );
    let (_, told) =
        with("istio.io/use-waypoint: own", &gateway("back", ", labels: {istio.io/waypoint-for: workload}"));
    assert_eq!(told.as_deref(), Some("MS1030 3: waypoint `own` is for `workload`, not for services"));
    let elsewhere = "istio.io/use-waypoint: own, istio.io/use-waypoint-namespace: infra";
    let (_, told) = with(elsewhere, &gateway("infra", ""));
    assert_eq!(told.as_deref(), Some("MS1030 3: waypoint `own` does not admit namespace `back`"));
    let open =
        gateway("infra", "").replace("port: 15008", "port: 15008, allowedRoutes: {namespaces: {from: All}}");
    assert_eq!(with(elsewhere, &open), ("own.infra".to_owned(), None));
}

#[test]
fn a_data_plane_that_contradicts_the_older_key_is_an_error() {
    let told = |stock: &str, web: &str| {
        let shop = Shop { stock, web, ..SHOP };
        let error = |text: &String| text.contains("data plane") || text.contains("dataPlane");
        shop.findings().into_iter().find(error)
    };
    let web = "load: constant(1rps)";
    let said = "`dataPlane` and `sidecar` contradict each other";
    for pair in [
        "sidecar: true, dataPlane: ambient",
        "sidecar: false, dataPlane: sidecar",
        "sidecar: true, dataPlane: proxyless",
    ] {
        assert!(
            told(&format!("serviceTime: 1ms, {pair}"), web).is_some_and(|text| text.ends_with(said)),
            "{pair}"
        );
    }
    assert!(
        told(SHOP.stock, &format!("sidecar: true, dataPlane: ambient, {web}"))
            .is_some_and(|text| text.ends_with(said))
    );
    assert_eq!(told("serviceTime: 1ms, sidecar: false, dataPlane: gateway-only", web), None);
    assert_eq!(told("serviceTime: 1ms, sidecar: true, dataPlane: sidecar", web), None);
}

/// Where only gateways have proxies, rules for the mesh hold for nobody; a gRPC library follows matches and weights.
#[test]
fn other_modes_follow_fewer_rules() {
    let answer = "{directResponse: {status: 403}}";
    let objects = routes("back", answer);
    let shop = Shop { head: "dataPlane: gateway-only\n", objects: &objects, ..SHOP };
    shop.gives(&[("200 -", 2000)]);
    assert_eq!(shop.dead().len(), 1);

    let objects =
        routes("back", &format!("{{timeout: 1ms, retries: {{attempts: 9, retryOn: 5xx}}, {TO_STOCK}}}"))
            + &breaker("back", 1);
    let web =
        |port: u16| format!("load: constant(1krps), requests: [{{get: \"http://stock.back:{port}/items\"}}]");
    let over = |port| {
        let shop = Shop { head: "dataPlane: proxyless\n", web: &web(port), objects: &objects, ..SHOP };
        shop.gives(&[("200 -", 20_000)]);
        shop.dead().len()
    };
    assert_eq!(over(81), 2, "of the VirtualService its time limit, of the DestinationRule its breaker");
    // Nobody speaks HTTP for it.
    assert_eq!(over(80), 2);
    let split = "{route: [{destination: {host: stock.back.svc.cluster.local, subset: a}, weight: 25}, \
                 {destination: {host: stock.back.svc.cluster.local, subset: b}, weight: 75}]}";
    let subsets = "{host: stock.back.svc.cluster.local, subsets: [{name: a, labels: {app: stock}}, {name: b, labels: {app: stock}}]}";
    let objects = routes("back", split) + &object("DestinationRule", "stock", "back", subsets);
    let results = Shop { head: "dataPlane: proxyless\n", web: &web(81), objects: &objects, ..SHOP }.results();
    let calls = |subset: &str| {
        let of = results.clusters.iter().find(|(key, _)| key.subset == subset);
        of.map_or(0, |(_, totals)| totals.calls.count())
    };
    assert!((4_600..5_400).contains(&calls("a")), "a quarter of 20,000: {}", calls("a"));
    assert_eq!(calls("a") + calls("b"), 20_000);
}

/// A ztunnel leads each connection to a pod; what a waypoint would do with it is told as not modelled.
#[test]
fn connections_of_opaque_bytes_pass_a_waypoint_by() {
    let gateway = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: waypoint, namespace: back}\n\
                   spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008}]}\n";
    let shop = Shop {
        head: "dataPlane: ambient\nwaypoints: {waypoint: {namespace: back, services: [stock]}}\n",
        stock: "replicas: 3",
        web: "load: constant(10rps), requests: [{connect: \"tcp://stock.back:82\", lasts: 1s}]",
        objects: gateway,
    };
    let results = shop.results();
    let (key, totals) = results.clusters.iter().next().expect("they went somewhere");
    assert_eq!((key.source.as_str(), totals.calls.ok.count()), ("web", 200));
    assert_eq!(shop.pods().len(), 3);
    let resolved = meshcast::resolve::mesh(&shop.texts().load());
    let told: Vec<&str> = resolved.not_modelled.iter().map(|entry| entry.object.as_str()).collect();
    assert_eq!(told, ["Gateway back/waypoint"]);
}
