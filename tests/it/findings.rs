//! Policies that Istio's webhook or Envoy would refuse are errors at their line, and stop a run; legal ones that do
//! nothing run, and are told at their line. Source: lint, WH-VS and WH-DR; semantics S19.

use std::collections::BTreeMap;

use meshcast::config::diagnostic::Severity;

use crate::texts::Texts;

const SCENARIO: &str = "
apiVersion: meshcast/v1
kind: Scenario
duration: 10s
manifests: [objects.yaml]
workloads: {shop-v1: {service: \"shop:80\", replicas: 3, labels: {app: shop}}}
clients: {web: {load: constant(1rps), requests: [{get: \"http://shop/\"}]}}
";

/// A rule of a VirtualService for the shop, a field a line.
fn rule(lines: &[&str]) -> String {
    let rule = lines.join("\n    ");
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\nspec:\n  hosts: [shop]\n  \
         http:\n  - name: one\n    {rule}\n"
    )
}

/// A policy of a DestinationRule for the shop, a field a line.
fn policy(lines: &[&str]) -> String {
    let policy = lines.join("\n    ");
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: shop}}\nspec:\n  host: shop\n  \
         trafficPolicy:\n    {policy}\n"
    )
}

/// All findings of a severity, as `line: message`, and whether there is a mesh to run.
fn findings(objects: &str, severity: Severity) -> (Vec<(u32, String)>, bool) {
    let texts = BTreeMap::from([
        ("scenario.yaml".to_owned(), SCENARIO.to_owned()),
        ("objects.yaml".to_owned(), objects.to_owned()),
    ]);
    let loaded = Texts(texts).load();
    let resolved = meshcast::resolve::mesh(&loaded);
    let all = loaded.diagnostics.iter().chain(&resolved.diagnostics);
    let of_severity = all.filter(|finding| finding.severity == severity);
    let told = of_severity.map(|finding| {
        let span = finding.span.expect("a finding about an object has a place");
        assert_eq!(loaded.docs.sources.get(span.source).name, "objects.yaml");
        (loaded.docs.sources.position(span).line, finding.message.clone())
    });
    (told.collect(), resolved.mesh.is_some())
}

/// One finding, whose line holds `at`, and that says `says`.
#[track_caller]
fn told(objects: &str, severity: Severity, at: &str, says: &str) {
    let (found, runs) = findings(objects, severity);
    let line = objects.lines().position(|line| line.contains(at)).expect("the text has it") as u32 + 1;
    assert!(
        matches!(found.as_slice(), [(place, text)] if *place == line && text.contains(says)),
        "one finding in line {line} that says `{says}`: {found:?}\n{objects}"
    );
    assert_eq!(runs, severity != Severity::Error);
}

const TO_SHOP: &str = "route: [{destination: {host: shop}}]";

#[test]
fn what_istio_or_envoy_refuses_is_an_error_at_its_line() {
    let refused = |objects: &str, at: &str, says: &str| told(objects, Severity::Error, at, says);
    refused(
        &rule(&[
            "route:",
            "- {destination: {host: shop}, weight: 0}",
            "- {destination: {host: shop}, weight: 0}",
        ]),
        "weight: 0",
        "add up to 0",
    );
    refused(&rule(&["match:", "- uri: {regex: '(?=x)'}", TO_SHOP]), "regex", "no RE2 regex");
    refused(&rule(&["match:", "- headers: {a: {regex: '['}}", TO_SHOP]), "regex", "no RE2 regex");
    // The regex crate takes these, RE2 does not.
    for pattern in ["a++", "(?x)a b", "/a{1001}", "x{2}{3}", "(?R)"] {
        let uri = format!("- uri: {{regex: '{pattern}'}}");
        refused(&rule(&["match:", &uri, TO_SHOP]), "regex", "no RE2 regex");
        let rewrite = format!("rewrite: {{uriRegexRewrite: {{match: '{pattern}', rewrite: b}}}}");
        refused(&rule(&[&rewrite, TO_SHOP]), "rewrite:", "no RE2 regex");
    }
    refused(&rule(&[TO_SHOP, "retries:", "  attempts: -1"]), "attempts", "-1 is out of range");
    refused(&rule(&[TO_SHOP, "retries:", "  retryOn: 5xx"]), "retryOn", "needs attempts");
    let fault = ["fault:", "  abort:", "    httpStatus: 500", "    percentage: {value: 100.5}", TO_SHOP];
    refused(&rule(&fault), "percentage", "100.5 is no percentage");
    refused(
        &rule(&[TO_SHOP, "mirror: {host: shop}", "mirrorPercentage: {value: 120}"]),
        "mirrorPercentage",
        "120 is no percentage",
    );
    refused(
        &policy(&["outlierDetection:", "  interval: 5s", "  maxEjectionPercent: 101"]),
        "maxEjectionPercent",
        "101 is out of range",
    );
    refused(
        &policy(&["outlierDetection:", "  minHealthPercent: -1"]),
        "minHealthPercent",
        "-1 is out of range",
    );
    let table =
        ["loadBalancer:", "  consistentHash:", "    httpHeaderName: x", "    maglev: {tableSize: 100}"];
    refused(&policy(&table), "tableSize", "must be a prime");
    refused(
        &policy(&["connectionPool:", "  tcp:", "    maxConnections: -1"]),
        "maxConnections",
        "-1 is out of range",
    );
}

#[test]
fn what_is_legal_and_does_nothing_is_a_warning_at_its_line() {
    let warned = |objects: &str, at: &str, says: &str| told(objects, Severity::Warning, at, says);
    warned(&rule(&[TO_SHOP, "retries: {}"]), "retries", "turns retries off");
    warned(&rule(&[TO_SHOP, "fault:", "  delay: {fixedDelay: 1s}"]), "delay", "delays no request");
    warned(&rule(&[TO_SHOP, "fault:", "  abort: {httpStatus: 500}"]), "abort", "aborts no request");
    warned(
        &policy(&["outlierDetection:", "  interval: 5s", "  maxEjectionPercent: 10"]),
        "maxEjectionPercent",
        "10 of 3 hosts lets none",
    );
    warned(&policy(&["outlierDetection:", "  interval: 5s"]), "outlierDetection", "10 of 3 hosts lets none");
    warned(
        &policy(&["loadBalancer:", "  consistentHash:", "    useSourceIp: true"]),
        "useSourceIp",
        "all calls of a pod to one host",
    );
    warned(
        &rule(&["match:", "- uri: {prefix: /}", TO_SHOP, "- match: [{uri: {prefix: /a}}]", TO_SHOP])
            .replace("    - match: [", "  - match: ["),
        "- match: [",
        "no request reaches this rule",
    );
    let settings = ["portLevelSettings:", "- port: {number: 81}", "  loadBalancer: {simple: RANDOM}"];
    warned(&policy(&settings), "number: 81", "`shop` has no port 81");
    let streams =
        ["connectionPool:", "  http:", "    h2UpgradePolicy: UPGRADE", "    maxConcurrentStreams: 9"];
    warned(&policy(&streams), "maxConcurrentStreams", "does nothing on a port that is not HTTP/2");
    let both = ["retryBudget: {percent: 20}", "connectionPool:", "  http:", "    maxRetries: 3"];
    warned(&policy(&both), "maxRetries", "does nothing beside retryBudget");
    let old = ["outlierDetection:", "  maxEjectionPercent: 50", "  consecutiveErrors: 3"];
    warned(&policy(&old), "consecutiveErrors", "");
}

#[test]
fn what_works_is_not_told() {
    let quiet = [
        rule(&["match:", r"- uri: {regex: '/\Qa.b\E{,2}'}", "- {}", TO_SHOP]),
        rule(&[TO_SHOP, "retries: {attempts: 2, retryOn: '5xx'}"]),
        rule(&[TO_SHOP, "fault:", "  abort: {httpStatus: 500, percentage: {value: 1}}"]),
        policy(&["outlierDetection:", "  maxEjectionPercent: 34"]),
        policy(&["loadBalancer:", "  consistentHash:", "    httpHeaderName: x"]),
    ];
    for objects in quiet {
        assert_eq!(findings(&objects, Severity::Warning), (Vec::new(), true), "{objects}");
    }
}

/// What the traffic of a mesh would meet and a simulation leaves out, as `object:line: what`.
fn left_out(objects: &str) -> Vec<String> {
    let texts = BTreeMap::from([
        ("scenario.yaml".to_owned(), SCENARIO.to_owned()),
        ("objects.yaml".to_owned(), objects.to_owned()),
    ]);
    let resolved = meshcast::resolve::mesh(&Texts(texts).load());
    assert!(resolved.mesh.is_some(), "{:?}", resolved.diagnostics);
    let told = resolved.not_modelled.iter();
    told.map(|entry| format!("{}:{}: {}", entry.object, entry.place.line, entry.what)).collect()
}

#[test]
fn what_is_not_modelled_is_told_by_object_and_line() {
    let head = |group: &str, kind: &str| {
        format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: x}}\nspec:\n  ")
    };
    let filter = |name: &str| {
        head("networking.istio.io/v1alpha3", "EnvoyFilter")
            + "configPatches:\n  - applyTo: HTTP_FILTER\n    patch:\n      operation: INSERT_BEFORE\n      value: {name: envoy.filters.http."
            + name
            + "}\n"
    };
    let deployment = head("apps/v1", "Deployment")
        + "selector: {matchLabels: {app: y}}\n  template:\n    metadata:\n      labels: {app: y}\n      annotations:\n        \
           sidecar.istio.io/proxyCPULimit: 100m\n    spec:\n      containers:\n      - name: a\n        image: a\n        \
           resources:\n          limits:\n            cpu: 500m\n";
    for (objects, wanted) in [
        (filter("local_ratelimit"), &["EnvoyFilter default/x:6: a rate limit (429)"][..]),
        (filter("lua"), &["EnvoyFilter default/x:6: a Lua filter"]),
        (
            head("security.istio.io/v1", "AuthorizationPolicy") + "action: DENY\n  rules:\n  - from: []\n",
            &["AuthorizationPolicy default/x:6: calls that it denies (403)"],
        ),
        (
            head("extensions.istio.io/v1alpha1", "WasmPlugin") + "url: oci://x\n",
            &["WasmPlugin default/x:2: filters of its own"],
        ),
        (
            deployment,
            &[
                "Deployment default/x:10: CPU throttling of its own proxies",
                "Deployment default/x:17: CPU throttling at",
            ],
        ),
        (
            head("v1", "Service")
                + "type: LoadBalancer\n  selector: {istio: ingressgateway}\n  ports: [{port: 80}]\n",
            &["Service default/x:5: the load balancer in front"],
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: ''\n".to_owned(),
            &["ConfigMap default/istio:2: settings of the whole mesh"],
        ),
    ] {
        let told = left_out(&objects);
        let is_told = |wanted: &&str| told.iter().any(|entry| entry.starts_with(wanted));
        assert!(told.len() == wanted.len() && wanted.iter().all(is_told), "{wanted:?}: {told:?}");
    }
    let audit = head("security.istio.io/v1", "AuthorizationPolicy") + "action: AUDIT\n  rules: [{}]\n";
    assert_eq!(left_out(&audit), Vec::<String>::new());
}
