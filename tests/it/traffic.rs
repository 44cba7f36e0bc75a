//! Where requests go, told without a run: a mesh as YAML in, shares, limits and changes out.

use meshcast::mesh::Place;
use meshcast::report::{Look, Remark, summary, traffic};
use meshcast::study::Traffic;
use meshcast::study::traffic::{Answer, Hop};
use serde_json::json;

use crate::texts::Texts;

const PODS: &str = "
  front: {service: front:8080, replicas: 4, labels: {app: front}, serviceTime: 1ms, concurrency: 8,
    calls: [{call: \"http://back:8080/x\", share: 50%, repeat: 2}]}
  back-v1: {service: back:8080, replicas: 3, labels: {app: back, version: v1}, serviceTime: 1ms, concurrency: 8}
  back-v2: {service: back:8080, replicas: 1, labels: {app: back, version: v2}, serviceTime: 1ms, concurrency: 8,
    calls: [\"http://store:8080/\"]}
  store: {service: store:8080, labels: {app: store}}
  idle: {service: idle:8080, labels: {app: idle}, serviceTime: 1ms, concurrency: 8}
";

const SUBSETS: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: back}
spec:
  host: back
  trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 32}}, outlierDetection: {consecutive5xxErrors: 5}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
";

fn rule(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: back}}\nspec:\n  hosts: [back]\n  http:\n{http}"
    )
}

fn split(v1: u32, v2: u32) -> String {
    rule(&format!(
        "  - route:\n    - {{destination: {{host: back, subset: v1}}, weight: {v1}}}\n    - {{destination: {{host: back, subset: v2}}, weight: {v2}}}\n"
    ))
}

/// The traffic of a scenario with these clients and this timeline, and its text at 80 columns.
fn told(clients: &str, timeline: &str, files: &[(&'static str, String)]) -> (Traffic, String) {
    let manifests: Vec<&str> =
        files.iter().map(|(name, _)| *name).filter(|name| *name != "later.yaml").collect();
    let scenario = format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: x}}\nmanifests: [{}]\nworkloads:{PODS}clients:\n{clients}{timeline}",
        manifests.join(", ")
    );
    let mut texts = Texts::scenario(&scenario);
    texts.0.extend(files.iter().map(|(name, text)| ((*name).to_owned(), text.clone())));
    let mesh = texts.mesh();
    let traffic = Traffic::of(&mesh);
    let look = Look { width: 80, ..Look::PLAIN };
    let told = traffic::Told { traffic: &traffic, without_effect: &[], guesses: &[], base: "" };
    let text = summary::sections(&traffic::sections(&told, &look), &look);
    (traffic, text)
}

const WEB: &str = "  web: {pods: 2, load: poisson(10rps), requests: [{get: \"http://front:8080/\"}]}\n";

fn hop<'a>(traffic: &'a Traffic, caller: &str, host: &str) -> &'a Hop {
    let hops = &traffic.clients[0].hops;
    hops.iter().find(|hop| hop.caller == caller && hop.host == host).expect("the hop is there")
}

fn near(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-9, "{left} is not {right}");
}

#[test]
fn connections_are_told_as_connections() {
    let tcp = split(90, 10).replace("  http:", "  tcp:");
    let clients = "  app: {pods: 3, load: \"closed(users=40, think=1s)\", requests: [{connect: \"tcp://back:8080\"}]}\n";
    let later = tcp.replace("90", "50").replace("10", "50");
    let timeline = "timeline: [{at: 10s, apply: later.yaml}]\n";
    let files = [("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", tcp), ("later.yaml", later)];
    let (traffic, text) = told(clients, timeline, &files);
    let hop = hop(&traffic, "app", "back");
    assert!(
        hop.connects && hop.calls == 1.0 && traffic.clients[0].hops.len() == 1,
        "nobody calls on: {hop:?}"
    );
    for line in [
        "Where connections go (of 100 of the client, if nothing fails)",
        "app: 40 connections, opened again when they end, inside the mesh, 3 proxies",
        "90% → back v1 (3 hosts)",
        "app → back:8080: 90% back v1, 10% back v2 ⇒ 50% back v1, 50% back v2",
        "new ones alone: connections that stand stay where they are",
    ] {
        let plain = line.replace('→', "->").replace('⇒', "=>");
        assert!(text.contains(line) || text.contains(&plain), "no `{line}` in\n{text}");
    }
    assert_eq!(traffic.guessed, [], "no work is guessed for connections");
}

#[test]
fn calls_add_up_along_shares_repeats_and_splits() {
    let (traffic, _) = told(WEB, "", &[("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", split(90, 10))]);
    near(hop(&traffic, "web", "front").calls, 1.0);
    near(hop(&traffic, "front", "back").calls, 2.0 * 0.5);
    near(hop(&traffic, "back-v2", "store").calls, 0.1);
    let rule = hop(&traffic, "front", "back").rule.as_ref().expect("a rule");
    assert_eq!((rule.object.as_str(), rule.name.as_str()), ("VirtualService default/back", "http[0]"));
}

#[test]
fn without_a_rule_hosts_share_alike() {
    let (traffic, _) = told(WEB, "", &[("subsets.yaml", SUBSETS.to_owned())]);
    near(hop(&traffic, "back-v2", "store").calls, 0.25);
    assert!(hop(&traffic, "front", "back").rule.is_none());
}

#[test]
fn classes_and_users_find_their_rules() {
    let http = "  - match: [{headers: {x-user: {regex: \"u[0-4]\"}}}]\n    route: [{destination: {host: back, subset: v2}}]\n  - name: rest\n    route: [{destination: {host: back, subset: v1}}]\n";
    let clients = "  web:\n    load: poisson(10rps)\n    requests: [{get: \"http://back:8080/\"}]\n    users: {count: 20, header: x-user, without: 50%}\n";
    let (traffic, _) = told(clients, "", &[("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", rule(http))]);
    let shares: Vec<(String, f64)> = traffic.clients[0]
        .hops
        .iter()
        .filter(|hop| hop.host == "back")
        .map(|hop| (hop.rule.as_ref().expect("a rule").name.clone(), hop.calls))
        .collect();
    // 5 of 20 users, and half of the requests name none.
    near(shares.iter().find(|(name, _)| name == "http[0]").expect("there").1, 0.125);
    near(shares.iter().find(|(name, _)| name == "rest").expect("there").1, 0.875);
}

#[test]
fn faults_and_missing_clusters_stop_calls() {
    let http = "  - fault: {abort: {percentage: {value: 40}, httpStatus: 503}}\n    route:\n    - {destination: {host: back, subset: v2}, weight: 50}\n    - {destination: {host: back, subset: v9}, weight: 50}\n";
    let (traffic, text) = told(WEB, "", &[("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", rule(http))]);
    near(hop(&traffic, "back-v2", "store").calls, 0.6 * 0.5);
    let Answer::Forward(splits) = &hop(&traffic, "front", "back").answer else { panic!("forwarded") };
    assert_eq!(splits[1].hosts, None);
    assert!(text.contains("50% → back v9 (no such cluster: 503 NC)"), "{text}");
    assert!(text.contains("40% answered by an injected fault, the rest:"), "{text}");
}

#[test]
fn the_text_fits_a_narrow_terminal() {
    let files =
        [("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", split(100, 0)), ("later.yaml", split(50, 50))];
    let timeline = "timeline: [{at: 1m, apply: later.yaml}]\n";
    let (_, text) = told(WEB, timeline, &files);
    let expected = "  Where requests go (calls per 100 requests of the client, if nothing fails)
    web: 10 rps (Poisson) inside the mesh, 2 proxies
        100%  web → front:8080   no rule (4 hosts)
        100%  front → back:8080
              by VirtualService default/back http[0] (rule.yaml:7)
               100% → back v1 (3 hosts)
                 0% → back v2 (1 host)

  Limits (each proxy keeps its own)
    back v1
      http1MaxPendingRequests  32 × 4 front proxies = 128 in all
      no host is ever ejected, as maxEjectionPercent 10 of 3 is none
    back
      http1MaxPendingRequests  32 at each of 3 back-v1 pods, all callers
      http1MaxPendingRequests  32 at the pod of back-v2, all callers

  What the timeline changes
    at 1:00 apply later.yaml
      front → back:8080: 100% back v1 ⇒ 50% back v1, 50% back v2
        by VirtualService default/back http[0] (later.yaml:7)
      back-v2 → store:8080: no calls ⇒ 100% store
      limits of back v2
        http1MaxPendingRequests  32 × 4 front proxies = 128 in all

  Without effect
    workload idle: no request reaches it

  Guessed (write your own under `workloads`)
    serviceTime lognormal(p50=10ms, p99=50ms) and concurrency unlimited for
      store
";
    assert_eq!(text, expected, "\n{text}");
}

/// Hosts and proxies are those of the moment that is told of, not all that there ever are.
#[test]
fn pods_count_while_they_are_there() {
    let files = [("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", split(50, 50))];
    let timeline = "timeline:\n  - {at: 1m, set: [workloads.back-v1.replicas=5, workloads.back-v2.replicas=0]}\n\
                    \x20 - {at: 2m, set: workloads.front.replicas=3}\n";
    let (traffic, text) = told(WEB, timeline, &files);
    assert!(text.contains("50% → back v1 (3 hosts)") && text.contains("50% → back v2 (1 host)"), "{text}");
    assert!(text.contains("32 × 4 front proxies = 128 in all"), "{text}");
    assert!(text.contains("32 at each of 3 back-v1 pods"), "{text}");
    let (_, changes) = text.split_once("What the timeline changes").expect("told");
    let expected = "
    at 1:00 set workloads.back-v1.replicas=5, set workloads.back-v2.replicas=0
      back-v1: 3 ⇒ 5 pods, new ones serve after 10s
      back-v2: 1 ⇒ 0 pods, the one that goes takes no request from then on
";
    assert!(changes.starts_with(expected), "\n{text}");
    assert!(changes.contains("⇒ 50% back v1, 50% back v2 (no host: 503 UH)"), "\n{text}");
    let fewer = "    at 2:00 set workloads.front.replicas=3
      front: 4 ⇒ 3 pods, the one that goes takes no request from then on
      limits of back v1, back v2
        http1MaxPendingRequests  32 × 3 front proxies = 96 in all
";
    assert!(changes.contains(fewer), "\n{text}");
    let told = traffic::Told { traffic: &traffic, without_effect: &[], guesses: &[], base: "" };
    assert_eq!(
        traffic::object(&told)["changes"][1]["pods"],
        json!([{"workload": "front", "before": 4, "after": 3, "startup_s": 10, "shutdown_s": 0}])
    );
}

#[test]
fn programs_are_told_the_same() {
    let files =
        [("subsets.yaml", SUBSETS.to_owned()), ("rule.yaml", split(90, 10)), ("later.yaml", split(50, 50))];
    let (traffic, _) = told(WEB, "timeline: [{at: 1m, apply: later.yaml}]\n", &files);
    let place = Some(Place { file: "rule.yaml".to_owned(), line: 3 });
    let remark =
        |place| Remark { about: "Gateway default/door".to_owned(), place, what: "no client".to_owned() };
    let (idle, open) = ([remark(place)], [remark(None)]);
    let told = traffic::Told { traffic: &traffic, without_effect: &idle, guesses: &open, base: "" };
    let object = traffic::object(&told);
    let keys: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "clients",
            "limits",
            "detectors",
            "changes",
            "without_effect",
            "unreached_workloads",
            "guessed_workloads",
            "guesses"
        ]
    );
    let web = &object["clients"][0];
    assert_eq!((&web["load"], &web["proxies"]), (&json!({"kind": "poisson", "rps": 10}), &json!(2)));
    assert_eq!(
        web["calls"][1],
        json!({
            "caller": "front", "host": "back", "port": 8080, "classes": ["GET /"], "calls_per_request": 1,
            "rule": {"object": "VirtualService default/back", "name": "http[0]", "file": "rule.yaml", "line": 7},
            "aborted_pct": 0, "answer": "forward",
            "destinations": [
                {"service": "back", "port": 8080, "subset": "v1", "share_pct": 90, "hosts": 3},
                {"service": "back", "port": 8080, "subset": "v2", "share_pct": 10, "hosts": 1},
            ],
            "mirrors": [],
        })
    );
    assert_eq!(
        object["limits"][0],
        json!({
            "service": "back", "subset": "v1", "caller": "front", "pods_of": null,
            "field": "http1MaxPendingRequests", "each": 32, "proxies": 4, "in_all": 128,
        })
    );
    assert_eq!(
        object["limits"][2],
        json!({
            "service": "back", "subset": "", "caller": null, "pods_of": "back-v1",
            "field": "http1MaxPendingRequests", "each": 32, "proxies": 3, "in_all": 96,
        })
    );
    assert_eq!(object["detectors"][0]["consecutive_errors"], 5);
    let change = &object["changes"][0];
    assert_eq!((&change["t_s"], &change["label"]), (&json!(60), &json!("apply later.yaml")));
    assert_eq!(change["calls"][0]["after"][0]["destinations"][1]["share_pct"], 50);
    assert_eq!(
        object["without_effect"],
        json!([{"object": "Gateway default/door", "file": "rule.yaml", "line": 3, "why": "no client"}])
    );
    assert_eq!(object["unreached_workloads"], json!(["idle"]));
    assert_eq!(
        object["guessed_workloads"],
        json!([{"workload": "store", "keys": ["serviceTime", "concurrency"]}])
    );
    assert_eq!(object["guesses"], json!([{"object": "Gateway default/door", "what": "no client"}]));
}
