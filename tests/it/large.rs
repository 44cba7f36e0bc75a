//! The large scenario's files, made from its tree of services: the files in `scenarios/large/` are what these functions
//! write, byte for byte. `UPDATE_GOLDEN=1` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What each department of the shop consists of. With the front they make 1 + 7 + 7 x 6 = 50 services.
const DEPARTMENTS: [(&str, [&str; 6]); 7] = [
    ("account", ["profile", "address", "consent", "loyalty", "session", "avatar"]),
    ("catalog", ["items", "prices", "media", "variants", "brands", "attributes"]),
    ("delivery", ["slots", "carriers", "tracking", "zones", "labels", "pickup"]),
    ("orders", ["history", "invoices", "returns", "notes", "status", "archive"]),
    ("payment", ["methods", "fraud", "ledger", "wallet", "vouchers", "tax"]),
    ("search", ["index", "suggest", "ranking", "synonyms", "filters", "trends"]),
    ("support", ["tickets", "chat", "faq", "ratings", "comments", "alerts"]),
];
const PODS: u32 = 10;

/// Every service, callers first.
fn services() -> Vec<String> {
    let mut names = vec!["front".to_owned()];
    names.extend(DEPARTMENTS.iter().map(|(department, _)| (*department).to_owned()));
    for (department, leaves) in DEPARTMENTS {
        names.extend(leaves.iter().map(|leaf| format!("{department}-{leaf}")));
    }
    names
}

fn manifests() -> String {
    let mut text = String::from("# Written by tests/it/large.rs.\n");
    for name in services() {
        let _ = write!(
            text,
            "---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
  - name: http
    port: 8080
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {PODS}
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
      - name: app
        image: registry.example.com/{name}:1.0
        ports:
        - containerPort: 8080
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
spec:
  host: {name}
  trafficPolicy:
    connectionPool:
      tcp:
        maxConnections: 100
      http:
        http1MaxPendingRequests: 50
    outlierDetection:
      consecutive5xxErrors: 5
      interval: 30s
      baseEjectionTime: 30s
      maxEjectionPercent: 50
"
        );
    }
    text
}

fn scenario() -> String {
    let mut text = String::from(
        "# A large mesh: 50 services of ten pods each, called as a tree. The front asks some of seven departments, each of
# those some of its own six services; a request makes 1 + 7 x 40 % x (1 + 6 x 50 %) = 12.2 calls. Written by
# tests/it/large.rs.
#
# Look for: fan-out makes rare things common. A request waits for the slowest of many, so that the front's median is five
# times a leaf's. At 20 s one pod of `catalog-prices` gets thirty times as slow for 20 s: one leaf pod in 420, and yet the
# p99 of the front shows it. No caller ejects it, for slow is no error; LEAST_REQUEST avoids it a little.
apiVersion: meshcast/v1
kind: Scenario
metadata: {name: large}
duration: 1m
warmup: 5s
window: 2s
replications: 2
manifests: [manifests/]

workloads:
  front:
    concurrency: 64
    operations:
      - steps:
          - work: lognormal(p50=3ms, p99=12ms)
          - parallel:
",
    );
    for (department, _) in DEPARTMENTS {
        let _ = writeln!(
            text,
            "              - {{call: \"http://{department}:8080/\", share: 40%, timeout: 2s}}"
        );
    }
    for (department, leaves) in DEPARTMENTS {
        let _ = write!(
            text,
            "  {department}:
    concurrency: 32
    operations:
      - steps:
          - work: lognormal(p50=4ms, p99=20ms)
          - parallel:
"
        );
        for leaf in leaves {
            let _ = writeln!(
                text,
                "              - {{call: \"http://{department}-{leaf}:8080/\", share: 50%, onError: ignore}}"
            );
        }
    }
    for (department, leaves) in DEPARTMENTS {
        for leaf in leaves {
            let _ = write!(
                text,
                "  {department}-{leaf}:
    concurrency: 8
    serviceTime: lognormal(p50=5ms, p99=40ms)
    errors: {{rate: 0.05%}}
"
            );
            if (department, leaf) == ("catalog", "prices") {
                text.push_str("    incidents:\n      - {at: 20s, for: 20s, pods: 1, slowdown: 30}\n");
            }
        }
    }
    text.push_str(
        "
clients:
  web:
    pods: 4
    labels: {app: edge}
    load: poisson(300rps)
    requests: [{get: \"http://front:8080/\"}]

objectives:
  - success >= 99.9%
",
    );
    text
}

#[test]
fn the_files_are_what_the_tree_says() {
    assert_eq!(services().len(), 50);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/large");
    for (file, text) in [("scenario.yaml", scenario()), ("manifests/services.yaml", manifests())] {
        let path = folder.join(file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).expect("the folder is there");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "{file} differs from what this test makes; UPDATE_GOLDEN=1 writes it");
    }
}
