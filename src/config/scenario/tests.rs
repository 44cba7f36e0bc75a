//! Tests of the scenario file: text in, what it says or what is wrong with it out.

use super::*;
use crate::config::render::one_line;
use crate::config::yaml;

/// The example of design D4, with all its keys.
const WHOLE: &str = r#"
apiVersion: meshcast/v1
kind: Scenario
metadata: {name: bookinfo-canary}
seed: 42
duration: 10m
warmup: 30s
replications: 8
istioVersion: 1.30
manifests: [manifests/]
namespace: default
network: {latency: 0.25ms, betweenZones: 1ms}
proxy: {workers: 2, latency: "lognormal(p50=0.25ms, p99=0.45ms)", age: "uniform(0s, 1h)"}
controlPlane:
  propagation: uniform(100ms, 1s)
workloads:
  reviews-v2:
    service: reviews
    labels: {app: reviews, version: v2}
    namespace: default
    replicas: 3
    zones: [eu-1a, eu-1b]
    addresses: ["10.0.1.1:9080", "10.0.1.2:9080", "10.0.1.3:9080"]
    concurrency: 8
    queue: unlimited
    discipline: fifo
    threading: blocking
    sidecar: true
    serviceTime: lognormal(p50=12ms, p99=80ms)
    errors: {rate: 0.1%, status: 500}
    calls: ["http://ratings:9080/ratings/0"]
    operations:
      - match: {path: /reviews/*, method: GET}
        steps:
          - work: 5ms
          - parallel: [{call: "http://ratings:9080/ratings/0", timeout: 3s, attempts: 2, onError: ignore}, {call: "http://details:9080/details/0"}]
          - work: exponential(mean=3ms)
    incidents:
      - {at: 3m, for: 1m, pods: 1, errors: {rate: 100%, status: 503}}
      - {at: 5m, for: 30s, slowdown: 4}
      - {at: 7m, pods: 1, crash: {restart: 20s}}
    coldStart: {for: 30s, slowdown: 3}
clients:
  browser:
    gateway: bookinfo-gateway
    pods: 2
    labels: {app: web}
    load: poisson(200rps)
    requests:
      - {share: 95%, get: "http://bookinfo.example.com/productpage"}
      - {share: 5%, get: "http://bookinfo.example.com/productpage", headers: {end-user: jason}}
    users: {count: 500, header: x-user, without: 10%}
  ramp:
    load: {profile: [{at: 0s, rate: 100rps}, {at: 5m, rate: 800rps}], arrivals: constant}
    requests: [{post: "http://reviews:9080/"}]
timeline:
  - {at: 2m, apply: steps/canary-10.yaml}
  - {at: 4m, delete: DestinationRule/reviews}
rollout: canary.yaml
objectives:
  - success >= 99.9%
  - reviews{subset=v2} p(99) < 250ms
"#;

fn findings(text: &str) -> (Option<Scenario>, Vec<String>) {
    let mut docs = Docs::default();
    let source = docs.sources.add_text("s.yaml", text.to_owned());
    let doc = docs.add(source, 0..text.len());
    let mut findings = Vec::new();
    let scenario = read(&yaml::decode(text).unwrap(), &docs, doc, &mut findings);
    findings.sort_by_key(|finding| finding.span);
    let line = |finding: &Diagnostic| {
        let marked = finding.span.map_or("", |span| docs.sources.slice(span));
        let help = finding.help.as_deref().unwrap_or("");
        format!("{} [{marked}] {help}", one_line(finding, &docs.sources))
    };
    let lines = findings.iter().map(line).collect();
    (scenario, lines)
}

/// A sound scenario with a workload and a client of the given lines.
fn with(workload: &str, client: &str) -> Vec<String> {
    let (load, requests) = ("load: poisson(1rps)", "requests: [{get: \"http://a/\"}]");
    let client = match client {
        "" => format!("{load}, {requests}"),
        other => other.to_owned(),
    };
    findings(&format!("workloads:\n  w: {{{workload}}}\nclients:\n  c: {{{client}}}\n")).1
}

fn has(lines: &[String], parts: &[&str]) {
    let fits = |line: &String| parts.iter().all(|part| line.contains(part));
    assert!(lines.iter().any(fits), "{parts:?} not in {lines:#?}");
}

#[test]
fn the_whole_example_is_read_without_findings() {
    let (scenario, lines) = findings(WHOLE);
    assert_eq!(lines, Vec::<String>::new());
    let scenario = scenario.unwrap();
    assert_eq!(scenario.istio_version.unwrap().value, "1.30", "a number keeps its last zero");
    let workload = scenario.workloads.as_ref().unwrap().get("reviews-v2").unwrap();
    assert_eq!(workload.operations.as_ref().unwrap()[0].steps.as_ref().unwrap().len(), 3);
    assert_eq!(workload.incidents.as_ref().unwrap().len(), 3);
}

#[test]
fn all_mistakes_come_at_once_each_at_its_place() {
    let text = "\
durration: 5m
workloads:
  a: {replicas: 0, serviceTime: 5, errors: {rate: 5}}
clients:
  c: {pods: 0, load: poisson(-5rps), requests: [{get: \"b/c\", share: 120%}]}
";
    let (_, lines) = findings(text);
    has(
        &lines,
        &["s.yaml:1:1: error[MS0004]: unknown key `durration`", "[durration]", "did you mean `duration`?"],
    );
    has(&lines, &["s.yaml:3:17:", "from 1 to 100000", "[0]"]);
    has(&lines, &["[5] write 5s or 5ms"]);
    has(&lines, &["[5] write `5%`"]);
    has(&lines, &["s.yaml:5:13:", "[0]"]);
    has(&lines, &["[-5rps]", "outside"]);
    has(&lines, &["[b/c] write `http://b/c`"]);
    has(&lines, &["[120%]", "outside 0 % to 100 %"]);
    assert_eq!(lines.len(), 8, "{lines:#?}");
}

#[test]
fn a_lost_comma_in_flow_style_is_explained() {
    let lines = with("serviceTime: lognormal(p50=1ms, p99=2ms)", "");
    has(&lines, &["[p99=2ms)] inside `{ }` or `[ ]` a value with a comma needs quotes"]);
    has(&lines, &["[lognormal(p50=1ms] inside `{ }` or `[ ]` a value with a comma needs quotes"]);
    let lines = with("operations: [{steps: [{work: lognormal(p50=1ms, p99=2ms)}]}]", "");
    has(&lines, &["needs quotes"]);
}

#[test]
fn shares_are_checked_together() {
    let requests = |shares: &str| {
        let items: Vec<String> = shares
            .split(' ')
            .map(|share| match share {
                "-" => "{get: \"http://a/\"}".to_owned(),
                share => format!("{{get: \"http://a/\", share: {share}}}"),
            })
            .collect();
        with("", &format!("load: poisson(1rps), requests: [{}]", items.join(", ")))
    };
    has(&requests("60% 50%"), &["error[MS0011]: the shares of client `c` add up to 110 %"]);
    has(&requests("60% 30%"), &["warning[MS0011]: the shares of client `c` add up to 90 %"]);
    has(&requests("100% -"), &["leave nothing"]);
    assert!(requests("0.1% 99.9%").is_empty());
    assert!(requests("60% -").is_empty());
    assert!(requests("- -").is_empty());
}

#[test]
fn neighbours_must_fit_each_other() {
    has(&with("", "requests: [{get: \"http://a/\"}]"), &["client `c` has no load"]);
    has(&with("", "load: poisson(1rps)"), &["client `c` has no requests"]);
    has(&with("", "load: poisson(1rps), requests: [{share: 1%}]"), &["no address"]);
    let both = "gateway: g, workload: w, load: poisson(1rps), requests: [{get: \"http://a/\"}]";
    has(&with("", both), &["not both"]);
    let pods = "workload: w, pods: 2, load: poisson(1rps), requests: [{get: \"http://a/\"}]";
    has(&with("", pods), &["no pods of its own"]);
    has(&with("concurrency: 0", ""), &["never answers"]);
    has(&with("replicas: 2, addresses: [\"10.0.0.1:80\"]", ""), &["1 address is given for 2 pods"]);
    has(&with("incidents: [{at: 1m}]", ""), &["does nothing"]);
    has(&with("incidents: [{slowdown: 2}]", ""), &["no `at`"]);
    has(&with("replicas: 1, incidents: [{at: 1m, pods: 2, hang: true}]", ""), &["1 pod only"]);
    has(&with("operations: [{steps: [{wrk: 5ms}]}]", ""), &["`work:`, `call:` or `parallel:`"]);
    has(&with("errors: {rate: 1%, status: 999}", ""), &["no HTTP status"]);
    let (_, lines) = findings(
        "clients: {c: {load: poisson(1rps), requests: [{get: \"http://a/\"}]}}\ntimeline: [{apply: x}, {at: 1m}]\n",
    );
    has(&lines, &["no `at`"]);
    has(&lines, &["changes nothing"]);
    has(&findings("seed: 1\n").1, &["no clients"]);
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = schema();
    let keys = |object: &serde_json::Value| -> Vec<String> {
        object["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let definitions = schema["$defs"].as_object().unwrap();
    let workload = keys(&definitions["Workload"]);
    assert!(workload.contains(&"serviceTime".to_owned()), "{workload:?}");
    for name in [
        "Workload",
        "Client",
        "Request",
        "Users",
        "Incident",
        "CallFields",
        "Errors",
        "Operation",
        "TimelineEntry",
    ] {
        assert_eq!(definitions[name]["additionalProperties"], false, "{name}");
        for (key, property) in definitions[name]["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}.{key} has no description");
        }
    }
    // An unknown key makes the reader tell all keys that it knows.
    let (_, lines) = findings(
        "completelyDifferent: 1\nclients: {c: {load: poisson(1rps), requests: [{get: \"http://a/\"}]}}\n",
    );
    let known = lines[0].split("known here: ").nth(1).unwrap();
    assert_eq!(known.split(", ").collect::<Vec<_>>(), keys(&schema));
}

#[test]
fn odd_shapes_are_findings_and_no_panic() {
    for text in [
        "- 1\n",
        "5\n",
        "clients: 5\n",
        "clients: [a]\n",
        "workloads: {1: {2: 3}}\n",
        "timeline: {a: b}\n",
        "clients: {c: {load: {profile: 5}}}\n",
        "workloads: {w: {calls: {a: b}, operations: [[1]], incidents: [null]}}\n",
        "network: null\nclients: null\n",
        "seed: -1\nreplications: 1.5\n",
        "? [a]\n: b\n",
        "clients: {c: {users: {zipf: .nan}}}\n",
    ] {
        if let Ok(value) = yaml::decode(text) {
            let mut docs = Docs::default();
            let source = docs.sources.add_text("s", text.to_owned());
            let doc = docs.add(source, 0..text.len());
            let mut found = Vec::new();
            read(&value, &docs, doc, &mut found);
            assert!(!found.is_empty(), "{text}");
        }
    }
}
