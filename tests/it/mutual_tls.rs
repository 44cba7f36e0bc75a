//! Mutual TLS from YAML to codes and flags: who is let in, how the others fail, and what a handshake costs.
//! Source: semantics S13; design D9.2, D9.3.

use std::collections::BTreeMap;

use meshcast::metrics::series::Scope;
use meshcast::sim::{self, Plan};
use meshcast::study::RunResults;

use crate::texts::Texts;

const SERVER: &str = "
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: web}, {name: http-admin, port: 81, targetPort: 8081}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: a, image: a, ports: [{name: web, containerPort: 8080}]}]}
";

/// What one test is about: the objects beside the server, and who calls which port from where.
struct Case<'a> {
    istio: &'a str,
    caller_has_sidecar: bool,
    server_has_sidecar: bool,
    port: u16,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Case { istio: "", caller_has_sidecar: true, server_has_sidecar: true, port: 80 }
    }
}

fn peers(name: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

fn rule(mode: &str) -> String {
    format!(
        "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: shop}}\n\
         spec: {{host: shop, trafficPolicy: {{tls: {{mode: {mode}}}}}}}\n"
    )
}

impl Case<'_> {
    fn texts(&self) -> Texts {
        let Case { istio, caller_has_sidecar, server_has_sidecar, port } = self;
        let scenario = format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nduration: 10s\nwarmup: 0s\nmanifests: [objects.yaml]\n\
             proxy: {{latency: 0s, workers: 1}}\nnetwork: {{latency: 1ms}}\n\
             workloads:\n  shop: {{sidecar: {server_has_sidecar}, serviceTime: 1ms, concurrency: 8}}\n\
             clients:\n  web: {{sidecar: {caller_has_sidecar}, load: constant(10rps), \
             requests: [{{get: 'http://shop:{port}/'}}]}}\n"
        );
        Texts(BTreeMap::from([
            ("scenario.yaml".to_owned(), scenario),
            ("objects.yaml".to_owned(), format!("{SERVER}{istio}")),
        ]))
    }

    /// What the client got, as `code flags` and how often, and the mean latency in milliseconds.
    fn run(&self) -> (BTreeMap<String, u64>, f64) {
        let mesh = self.texts().mesh();
        let results = [sim::run(&Plan::compile(&mesh), 7, 0)];
        let run = RunResults::pool(&results);
        let of_client = run.responses.iter().filter(|row| row.subject.scope == Scope::Client);
        let answers = of_client.map(|row| {
            let count = row.count.value.expect("a count has a value");
            (format!("{} {}", row.outcome.code, row.outcome.flags), count as u64)
        });
        (answers.collect(), run.clients[0].latency.mean.value.expect("requests ended"))
    }

    #[track_caller]
    fn gives(&self, answer: &str) {
        assert_eq!(self.run().0, BTreeMap::from([(answer.to_owned(), 100)]));
    }

    /// Line and text of each finding about connections that are refused.
    fn warnings(&self) -> Vec<(u32, String)> {
        let loaded = self.texts().load();
        let resolved = meshcast::resolve::mesh(&loaded);
        assert!(resolved.not_modelled.is_empty(), "{:?}", resolved.not_modelled);
        let refusals = resolved.diagnostics.iter().filter(|finding| finding.code == "MS1004");
        refusals
            .map(|finding| {
                let span = finding.span.expect("it has a place");
                (loaded.docs.sources.position(span).line, finding.message.clone())
            })
            .collect()
    }
}

fn line_of(texts: &Texts, word: &str) -> u32 {
    let text = &texts.0["objects.yaml"];
    text.lines().position(|line| line.contains(word)).expect("the text has it") as u32 + 1
}

#[test]
fn strict_servers_reset_callers_without_sidecar() {
    let istio = peers("default", "{mtls: {mode: STRICT}}");
    let case = Case { istio: &istio, caller_has_sidecar: false, ..Case::default() };
    // Nobody is there who could answer in HTTP.
    case.gives("0 -");
    let warnings = case.warnings();
    assert!(
        warnings.iter().any(|(line, text)| {
            *line == line_of(&case.texts(), "STRICT") && text.contains("2 of 2 hosts")
        }),
        "{warnings:?}"
    );
    Case { caller_has_sidecar: true, ..case }.gives("200 -");
}

#[test]
fn plain_text_to_a_strict_server_is_cut_off() {
    let istio = peers("default", "{mtls: {mode: STRICT}}") + &rule("DISABLE");
    let case = Case { istio: &istio, ..Case::default() };
    case.gives("503 UC");
    assert!(case.warnings().iter().all(|(line, _)| *line == line_of(&case.texts(), "DISABLE")));
    assert!(!case.warnings().is_empty());
    // The default policy does not retry it; `reset` does, and loses again.
    let retried = format!(
        "{istio}---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\n\
         spec: {{hosts: [shop], http: [{{route: [{{destination: {{host: shop}}}}], retries: {{attempts: 1, retryOn: reset}}}}]}}\n"
    );
    Case { istio: &retried, ..case }.gives("503 URX,UC");
}

#[test]
fn permissive_servers_take_both() {
    let istio = peers("default", "{mtls: {mode: PERMISSIVE}}");
    let case = Case { istio: &istio, ..Case::default() };
    case.gives("200 -");
    let bare = Case { istio: &istio, caller_has_sidecar: false, ..Case::default() };
    bare.gives("200 -");
    assert_eq!(case.warnings(), []);
}

#[test]
fn forced_tls_finds_no_partner_in_plain_text() {
    let istio = peers("default", "{mtls: {mode: DISABLE}}") + &rule("ISTIO_MUTUAL");
    Case { istio: &istio, ..Case::default() }.gives("503 URX,UF");
    let forced = rule("ISTIO_MUTUAL");
    Case { istio: &forced, server_has_sidecar: false, ..Case::default() }.gives("503 URX,UF");
    Case { istio: &forced, ..Case::default() }.gives("200 -");
}

#[test]
fn a_port_may_have_a_mode_of_its_own() {
    // The port of the pods counts, not the service's.
    let spec = |port: u16| {
        format!(
            "{{selector: {{matchLabels: {{app: shop}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {{{port}: {{mode: PERMISSIVE}}}}}}"
        )
    };
    let bare = |istio: &str, port| Case { istio, caller_has_sidecar: false, port, ..Case::default() }.run().0;
    let let_in = |istio: &str, port| bare(istio, port).contains_key("200 -");
    assert!(let_in(&peers("shop", &spec(8080)), 80), "a target by name");
    assert!(!let_in(&peers("shop", &spec(8080)), 81));
    assert!(let_in(&peers("shop", &spec(8081)), 81), "a target by number");
    assert!(!let_in(&peers("shop", &spec(80)), 80), "80 is the service's own number");
}

#[test]
fn automatic_callers_look_at_the_namespace_before_the_workload() {
    let workload = peers("shop", "{selector: {matchLabels: {app: shop}}, mtls: {mode: STRICT}}");
    Case { istio: &workload, ..Case::default() }.gives("200 -");
    let both = peers("default", "{mtls: {mode: DISABLE}}") + &workload;
    Case { istio: &both, ..Case::default() }.gives("503 UC");
}

#[test]
fn only_tls_pays_for_its_handshake() {
    let one_connection_each = "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: shop}\n\
         spec: {host: shop, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 1}}}}\n";
    let plain = one_connection_each.to_owned() + &peers("default", "{mtls: {mode: DISABLE}}");
    let latency = |istio: &str| Case { istio, ..Case::default() }.run().1;
    // There and back, the work, and one round trip for TCP; TLS takes another one.
    assert!((latency(&plain) - 5.0).abs() < 0.05, "{}", latency(&plain));
    assert!((latency(one_connection_each) - 7.0).abs() < 0.05, "{}", latency(one_connection_each));
}

#[test]
fn tls_may_begin_at_the_sidecar_of_a_caller() {
    let istio = "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: bank}\n\
         spec: {hosts: [bank.example.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: bank}\n\
         spec: {host: bank.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}\n";
    let mut texts = Case { istio, ..Case::default() }.texts();
    let scenario = texts.0.get_mut("scenario.yaml").expect("it is there");
    // Who stands for a host outside of the mesh has no sidecar, and speaks what callers are told to speak.
    *scenario = scenario
        .replace("  shop: {sidecar: true, ", "  bank: {service: bank.example.com, ")
        .replace("http://shop:80/", "http://bank.example.com/");
    let mesh = texts.mesh();
    let bank = mesh.clusters.rows().iter().find(|cluster| cluster.name.ends_with("bank.example.com"));
    let hosts = &bank.expect("it is called").hosts;
    assert!(hosts.iter().all(|host| host.tls && host.refusal.is_none()) && !hosts.is_empty(), "{hosts:?}");
    assert!(mesh.workloads.rows().iter().any(|workload| workload.name == "bank" && !workload.has_sidecar()));
}

#[test]
fn policies_that_change_nothing_are_told() {
    let istio = peers("nobody", "{selector: {matchLabels: {app: other}}, mtls: {mode: STRICT}}")
        + &peers("second", "{mtls: {mode: STRICT}}")
        + &peers("first", "{mtls: {mode: PERMISSIVE}}");
    let loaded = Case { istio: &istio, ..Case::default() }.texts().load();
    let told = meshcast::resolve::mesh(&loaded).without_effect;
    let why = |name: &str| {
        let of = told.iter().find(|entry| entry.object == format!("PeerAuthentication default/{name}"));
        of.map(|entry| entry.why.clone()).unwrap_or_default()
    };
    assert!(why("nobody").contains("no workload"), "{told:?}");
    assert!(why("second").contains("PeerAuthentication default/first is older"), "{told:?}");
    assert_eq!(why("first"), "");
}

#[test]
fn a_policy_that_the_webhook_refuses_is_an_error_at_its_line() {
    let istio = peers("default", "{mtls: {mode: strict}}");
    let errors = Case { istio: &istio, ..Case::default() }.texts().try_mesh().unwrap_err();
    assert!(
        errors.contains("`strict` is no mode of mutual TLS") && errors.contains("objects.yaml:"),
        "{errors}"
    );
}

/// Of a headless service's pods those of one Deployment have no sidecar: callers speak plain text to all of them, and
/// those that are STRICT cut it off. A service with an address is looked at pod by pod. Source: semantics S13.1.
#[test]
fn headless_services_speak_mutual_tls_with_all_pods_or_none() {
    let bare = "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bare}\nspec:\n  replicas: 2\n  \
                selector: {matchLabels: {app: shop}}\n  template:\n    metadata: {labels: {app: shop, \
                sidecar.istio.io/inject: \"false\"}}\n    spec: {containers: [{name: a, image: a}]}\n";
    let istio = bare.to_owned() + &peers("default", "{mtls: {mode: STRICT}}");
    let case = Case { istio: &istio, ..Case::default() };
    let answers = |texts: &Texts| {
        let results = [sim::run(&Plan::compile(&texts.mesh()), 7, 0)];
        let codes: std::collections::BTreeSet<String> = RunResults::pool(&results)
            .responses
            .iter()
            .map(|row| format!("{} {}", row.outcome.code, row.outcome.flags))
            .collect();
        codes.into_iter().collect::<Vec<_>>()
    };
    let texts = case.texts();
    assert_eq!(answers(&texts), ["200 -"]);
    let headless = |mut texts: Texts| {
        let objects = texts.0.get_mut("objects.yaml").expect("there");
        *objects = objects.replacen("spec: {selector", "spec: {clusterIP: None, selector", 1);
        texts
    };
    assert_eq!(answers(&headless(texts)), ["200 -", "503 UC"]);
    let all_have = Case { istio: &peers("default", "{mtls: {mode: STRICT}}"), ..Case::default() };
    assert_eq!(answers(&headless(all_have.texts())), ["200 -"]);
}
