//! Whole meshes out of texts: a small shop behind a gateway, with a canary and a timeline.

use super::test_support::loaded;
use super::{Resolved, mesh};
use crate::config::diagnostic::Severity;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::model::Cluster;
use crate::mesh::routing::{Action, Route, RouteTable};
use crate::mesh::{Mesh, ProxyKind, RouteTableId, StateId};

const KUBERNETES: &str = "
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: front}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: stars}
spec: {selector: {app: stars}, ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: marks}
spec: {selector: {app: marks}, ports: [{name: http, port: 9080, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front-v1}
spec:
  selector: {matchLabels: {app: front}}
  template: {metadata: {labels: {app: front, version: v1}}, spec: {containers: [{name: a, image: a}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stars-v1}
spec:
  replicas: 3
  selector: {matchLabels: {app: stars, version: v1}}
  template: {metadata: {labels: {app: stars, version: v1}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stars-v2}
spec:
  replicas: 2
  selector: {matchLabels: {app: stars, version: v2}}
  template: {metadata: {labels: {app: stars, version: v2}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: marks-v1}
spec:
  selector: {matchLabels: {app: marks}}
  template: {metadata: {labels: {app: marks, sidecar.istio.io/inject: \"false\"}}}
";

const ISTIO: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ['*']
  gateways: [door]
  http:
  - match: [{uri: {exact: /page}}, {uri: {prefix: /static}}]
    route: [{destination: {host: front, port: {number: 9080}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: stars}
spec:
  hosts: [stars]
  http:
  - route:
    - {destination: {host: stars, subset: v1}, weight: 90}
    - {destination: {host: stars, subset: v2}, weight: 10}
    timeout: 2s
    retries: {attempts: 3, retryOn: 5xx}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: stars}
spec:
  host: stars
  trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}, connectionPool: {http: {http1MaxPendingRequests: 7}}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
";

const SCENARIO: &str = "
apiVersion: meshcast/v1
kind: Scenario
metadata: {name: shop}
duration: 60s
manifests: [kubernetes.yaml, istio.yaml]
workloads:
  front-v1: {replicas: 2, serviceTime: 1ms, concurrency: 8, calls: ['http://stars:9080/stars/0']}
  stars-v1: {serviceTime: 1ms, concurrency: 8, calls: ['http://marks:9080/marks/0']}
  stars-v2: {serviceTime: 1ms, concurrency: 8, calls: ['http://marks:9080/marks/0']}
  marks-v1: {serviceTime: 1ms, concurrency: 8}
clients:
  browser: {gateway: door, pods: 2, load: poisson(100rps), requests: [{get: 'http://shop.example.com/page'}]}
";

fn resolve(scenario: &str, kubernetes: &str, istio: &str, more: &[(&str, &str)]) -> Resolved {
    let mut files = vec![("scenario.yaml", scenario), ("kubernetes.yaml", kubernetes), ("istio.yaml", istio)];
    files.extend_from_slice(more);
    let loaded = loaded(&files);
    assert_eq!(loaded.diagnostics, [], "the test's own text is sound");
    mesh(&loaded)
}

fn shop() -> Mesh {
    let resolved = resolve(SCENARIO, KUBERNETES, ISTIO, &[]);
    assert_eq!(resolved.diagnostics, [], "nothing is wrong with it");
    sound(resolved)
}

fn sound(resolved: Resolved) -> Mesh {
    let errors: Vec<_> = resolved.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    resolved.mesh.expect("without errors there is a mesh")
}

/// The table of a proxy, by its name, in a state.
fn table_of(mesh: &Mesh, proxy: &str, state: usize) -> RouteTableId {
    let id = mesh.proxies.iter().find(|(_, known)| known.name == proxy).expect("there is such a proxy").0;
    mesh.states[StateId::from_index(state)].tables[id]
}

fn routes<'a>(table: &'a RouteTable, port: u16, host: &str) -> &'a [Route] {
    let hosts = &table.listeners[&port];
    &hosts
        .iter()
        .find(|known| known.domains.iter().any(|domain| domain == host))
        .expect("the host is there")
        .routes
}

/// Weight, cluster name and pods of each destination.
fn split(mesh: &Mesh, route: &Route) -> Vec<(u32, String, Vec<String>)> {
    let Action::Forward(destinations) = &route.action else { panic!("it forwards") };
    let names =
        |cluster: &Cluster| cluster.hosts.iter().map(|host| mesh.pods[host.pod].name.clone()).collect();
    destinations
        .iter()
        .map(|destination| {
            let cluster = &mesh.clusters[destination.cluster.expect("the cluster exists")];
            (destination.weight, cluster.name.clone(), names(cluster))
        })
        .collect()
}

fn cluster<'a>(mesh: &'a Mesh, name: &str) -> &'a Cluster {
    mesh.clusters.rows().iter().find(|cluster| cluster.name.contains(name)).expect("the cluster exists")
}

#[test]
fn each_caller_has_its_proxy() {
    let mesh = shop();
    let mut proxies: Vec<(&str, &str, ProxyKind)> =
        mesh.proxies.rows().iter().map(|p| (p.name.as_str(), p.source.as_str(), p.kind)).collect();
    proxies.sort_by_key(|(name, _, _)| *name);
    assert_eq!(
        proxies,
        [
            ("door-0", "door", ProxyKind::Gateway),
            ("door-1", "door", ProxyKind::Gateway),
            ("front-v1-0", "front-v1", ProxyKind::Sidecar),
            ("front-v1-1", "front-v1", ProxyKind::Sidecar),
            ("stars-v1-0", "stars-v1", ProxyKind::Sidecar),
            ("stars-v1-1", "stars-v1", ProxyKind::Sidecar),
            ("stars-v1-2", "stars-v1", ProxyKind::Sidecar),
            ("stars-v2-0", "stars-v2", ProxyKind::Sidecar),
            ("stars-v2-1", "stars-v2", ProxyKind::Sidecar),
        ]
    );
    let marks = mesh.pods.rows().iter().find(|pod| pod.name == "marks-v1-0").unwrap();
    assert_eq!(marks.proxy, None);
    assert!(marks.address.ends_with(":8080"));
    assert_eq!(mesh.clients.rows()[0].proxies.len(), 2);
}

#[test]
fn the_gateway_routes_by_path_and_has_no_other_rule() {
    let mesh = shop();
    let table = &mesh.tables[table_of(&mesh, "door-0", 0)];
    assert_eq!(table.listeners.keys().collect::<Vec<_>>(), [&80]);
    let found = routes(table, 80, "*");
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].rule.as_ref().unwrap().object, "VirtualService default/shop");
    assert_eq!(found[0].rule.as_ref().unwrap().place.line, 14);
    assert_eq!(split(&mesh, &found[0])[0].2, ["front-v1-0", "front-v1-1"]);
}

#[test]
fn sidecars_split_between_the_subsets() {
    let mesh = shop();
    let table = &mesh.tables[table_of(&mesh, "front-v1-0", 0)];
    let found = routes(table, 9080, "stars");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].timeout, Some(SimDuration::from_secs(2)));
    assert_eq!(found[0].retry.as_ref().unwrap().attempts.get(), 3);
    assert_eq!(
        split(&mesh, &found[0]),
        [
            (
                90,
                "outbound|9080|v1|stars.default.svc.cluster.local".to_owned(),
                vec!["stars-v1-0".to_owned(), "stars-v1-1".to_owned(), "stars-v1-2".to_owned()]
            ),
            (
                10,
                "outbound|9080|v2|stars.default.svc.cluster.local".to_owned(),
                vec!["stars-v2-0".to_owned(), "stars-v2-1".to_owned()]
            ),
        ]
    );
    // One policy of the whole rule, one block of the subset over it.
    let v2 = cluster(&mesh, "|v2|");
    assert_eq!((v2.balancer.name, v2.balancer.panic_threshold_percent), ("ROUND_ROBIN", 0));
    assert_eq!(v2.breakers.max_pending_requests, 7);
    assert!(v2.outlier.is_some() && v2.hosts.iter().all(|host| host.tls));
    // A service without rules keeps its default route, and pods without sidecar get plain text.
    let marks = routes(table, 9080, "marks.default.svc.cluster.local");
    assert_eq!((marks[0].timeout, marks[0].retry.as_ref().unwrap().attempts.get()), (None, 2));
    assert!(!cluster(&mesh, "|marks.").hosts[0].tls);
}

#[test]
fn a_change_of_weights_touches_the_tables_that_see_it_and_no_cluster() {
    let before = shop().clusters.len();
    let scenario = format!(
        "{SCENARIO}\ntimeline:\n- {{at: 20s, apply: step.yaml}}\n- {{at: 20s, delete: Gateway/none}}\n"
    );
    let scenario = scenario.replace("- {at: 20s, delete: Gateway/none}\n", "");
    let step = ISTIO
        .split("---")
        .nth(2)
        .unwrap()
        .replace("weight: 90", "weight: 50")
        .replace("weight: 10", "weight: 50");
    let mesh = sound(resolve(&scenario, KUBERNETES, ISTIO, &[("step.yaml", &step)]));
    assert_eq!(mesh.states.len(), 2);
    assert_eq!(mesh.states[StateId::from_index(1)].at, SimTime::from_nanos(20_000_000_000));
    assert_eq!(table_of(&mesh, "door-0", 0), table_of(&mesh, "door-0", 1));
    assert_ne!(table_of(&mesh, "front-v1-0", 0), table_of(&mesh, "front-v1-0", 1));
    assert_eq!(table_of(&mesh, "front-v1-0", 0), table_of(&mesh, "stars-v1-0", 0));
    assert_eq!(mesh.clusters.len(), before);
    let after = &routes(&mesh.tables[table_of(&mesh, "front-v1-0", 1)], 9080, "stars")[0];
    assert_eq!(split(&mesh, after).iter().map(|(weight, _, _)| *weight).collect::<Vec<_>>(), [50, 50]);
}

#[test]
fn the_order_of_files_changes_nothing() {
    let swapped = SCENARIO.replace("[kubernetes.yaml, istio.yaml]", "[istio.yaml, kubernetes.yaml]");
    let (one, two) = (shop(), sound(resolve(&swapped, KUBERNETES, ISTIO, &[])));
    assert_eq!(format!("{:?}", one.tables), format!("{:?}", two.tables));
    assert_eq!(format!("{:?}", one.clusters), format!("{:?}", two.clusters));
}

#[test]
fn a_subset_that_nobody_defines_is_a_warning_and_no_cluster() {
    let istio = ISTIO.replace("subset: v2}", "subset: v3}");
    let resolved = resolve(SCENARIO, KUBERNETES, &istio, &[]);
    let warning = resolved.diagnostics.iter().find(|d| d.message.contains("v3")).expect("it is told");
    assert_eq!((warning.severity, warning.code), (Severity::Warning, "IST0101"));
    assert_eq!(warning.help.as_deref(), Some("its DestinationRule defines: v1, v2"));
    let mesh = sound(resolved);
    let route = &routes(&mesh.tables[table_of(&mesh, "front-v1-0", 0)], 9080, "stars")[0];
    let Action::Forward(destinations) = &route.action else { panic!("it forwards") };
    assert_eq!((destinations[1].cluster, destinations[1].subset.as_str()), (None, "v3"));
}

#[test]
fn objects_without_effect_say_why() {
    let more = "
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: zzz}
spec: {hosts: [stars.default.svc.cluster.local], http: [{route: [{destination: {host: stars}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: [marks], gateways: [door], http: [{route: [{destination: {host: marks}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ghost}
spec: {host: ghost, trafficPolicy: {loadBalancer: {simple: RANDOM}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: back, namespace: other}
spec: {selector: {app: back}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
";
    let resolved = resolve(SCENARIO, KUBERNETES, &format!("{ISTIO}{more}"), &[]);
    let why = |object: &str| {
        let found = resolved.without_effect.iter().find(|entry| entry.object == object);
        found.unwrap_or_else(|| panic!("{object} is told: {:?}", resolved.without_effect)).why.clone()
    };
    assert!(why("VirtualService default/zzz").contains("follow VirtualService default/stars"));
    assert!(why("VirtualService default/edge").contains("nobody in the scenario calls marks"));
    assert!(why("DestinationRule default/ghost").contains("no service has the host"));
    assert!(why("Gateway other/back").contains("no client"));
}

/// Line and message of each finding of a code.
fn found(resolved: &Resolved, files: &[(&str, &str)], code: &str) -> Vec<(u32, String)> {
    let sources = loaded(files).docs.sources;
    let of_code = resolved.diagnostics.iter().filter(|finding| finding.code == code);
    let line = |finding: &crate::config::diagnostic::Diagnostic| {
        sources.position(finding.span.expect("it has a place")).line
    };
    of_code.map(|finding| (line(finding), finding.message.clone())).collect()
}

#[test]
fn ejections_that_no_number_of_hosts_allows_are_told() {
    let silent = ISTIO.replace("{maxEjectionPercent: 50}", "{}");
    let resolved = resolve(SCENARIO, KUBERNETES, &silent, &[]);
    let files = [("scenario.yaml", SCENARIO), ("kubernetes.yaml", KUBERNETES), ("istio.yaml", &*silent)];
    let found = found(&resolved, &files, "MS-07");
    assert_eq!(found.len(), 2, "one for each subset: {found:?}");
    let line = silent.lines().position(|line| line.contains("outlierDetection: {}")).unwrap() + 1;
    assert!(found.iter().all(|(place, _)| *place as usize == line), "{found:?}");
    assert!(found[1].1.contains("maxEjectionPercent 10 of 3 hosts lets none"), "{found:?}");
    let enough = resolve(SCENARIO, KUBERNETES, ISTIO, &[]);
    assert!(enough.diagnostics.iter().all(|finding| finding.code != "MS-07"));
}

#[test]
fn a_source_address_keys_nothing_at_a_sidecar() {
    let rule = |host: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {host}}}\n\
             spec: {{host: {host}, trafficPolicy: {{loadBalancer: {{consistentHash: {{useSourceIp: true}}}}}}}}\n"
        )
    };
    let told = |host: &str| {
        let resolved = resolve(SCENARIO, KUBERNETES, &format!("{ISTIO}{}", rule(host)), &[]);
        resolved.diagnostics.iter().filter(|finding| finding.code == "MS2003").count()
    };
    // Pods call marks; front is called by the gateway, but sidecars know it as well.
    assert_eq!(told("marks"), 1);
    let port_level = rule("marks").replace(
        "{loadBalancer: {consistentHash: {useSourceIp: true}}}",
        "{portLevelSettings: [{port: {number: 9080}, loadBalancer: {simple: RANDOM}}], \
         loadBalancer: {consistentHash: {useSourceIp: true}}}",
    );
    let resolved = resolve(SCENARIO, KUBERNETES, &format!("{ISTIO}{port_level}"), &[]);
    assert!(resolved.diagnostics.iter().all(|finding| finding.code != "MS2003"), "the port's settings hold");
}

#[test]
fn a_rule_bound_to_a_gateway_alone_does_not_rule_the_mesh() {
    let istio = ISTIO.replace("hosts: [stars]\n  http", "hosts: [stars]\n  gateways: [door]\n  http");
    let resolved = resolve(SCENARIO, KUBERNETES, &istio, &[]);
    let found = resolved.without_effect.iter().find(|entry| entry.object == "VirtualService default/stars");
    assert!(found.is_some(), "{:?}", resolved.without_effect);
    let mesh = sound(resolved);
    let route = &routes(&mesh.tables[table_of(&mesh, "front-v1-0", 0)], 9080, "stars")[0];
    assert_eq!(route.rule, None);
}

#[test]
fn callers_without_sidecar_know_no_rules() {
    let scenario = SCENARIO.replace("front-v1: {replicas", "front-v1: {sidecar: false, replicas");
    let mesh = sound(resolve(&scenario, KUBERNETES, ISTIO, &[]));
    let route = &routes(&mesh.tables[table_of(&mesh, "front-v1-0", 0)], 9080, "stars")[0];
    assert_eq!((&route.rule, &route.retry), (&None, &None));
    let Action::Forward(destinations) = &route.action else { panic!("it forwards") };
    let cluster = &mesh.clusters[destinations[0].cluster.unwrap()];
    assert_eq!((cluster.balancer.name, cluster.hosts.len()), ("RANDOM", 5));
    assert!(cluster.outlier.is_none() && cluster.hosts.iter().all(|host| !host.tls));
}

#[test]
fn a_scenario_needs_no_manifests() {
    let scenario = "
apiVersion: meshcast/v1
kind: Scenario
workloads:
  api-v1: {service: api, replicas: 3, zones: [b, a], serviceTime: 1ms, concurrency: 1, calls: ['http://store:7000/x']}
  store: {service: store, serviceTime: 1ms, concurrency: 1}
clients:
  user: {load: poisson(10rps), requests: [{get: 'http://api/'}]}
";
    let loaded = loaded(&[("scenario.yaml", scenario)]);
    let resolved = mesh(&loaded);
    let about: Vec<&str> = resolved.guesses.iter().map(|guess| guess.about.as_str()).collect();
    assert_eq!(about, ["service api", "service store"]);
    let mesh = sound(resolved);
    let table = &mesh.tables[table_of(&mesh, "user-0", 0)];
    assert_eq!(routes(table, 80, "api").len(), 1);
    assert_eq!(routes(table, 7000, "store").len(), 1);
    let zones: Vec<&str> =
        mesh.pods.rows()[..3].iter().map(|pod| mesh.zones[pod.zone].name.as_str()).collect();
    assert_eq!(zones, ["b", "a", "b"]);
}

#[test]
fn mistakes_in_addresses_are_errors_at_their_place() {
    let scenario = SCENARIO.replace("http://marks:9080", "http://marks:80");
    let resolved = resolve(&scenario, KUBERNETES, ISTIO, &[]);
    assert!(resolved.mesh.is_none());
    assert!(
        resolved
            .diagnostics
            .iter()
            .any(|d| d.message == "service `marks` has no port 80" && d.span.is_some())
    );
    let scenario = SCENARIO.replace("http://shop.example.com/page", "http://shop.example.com:8443/page");
    let resolved = resolve(&scenario, KUBERNETES, ISTIO, &[]);
    assert!(resolved.diagnostics.iter().any(|d| d.code == "MS1002"), "{:?}", resolved.diagnostics);
}

#[test]
fn calls_in_a_circle_are_an_error() {
    let scenario = SCENARIO.replace(
        "marks-v1: {serviceTime: 1ms, concurrency: 8}",
        "marks-v1: {serviceTime: 1ms, concurrency: 8, calls: ['http://stars:9080/']}",
    );
    let resolved = resolve(&scenario, KUBERNETES, ISTIO, &[]);
    assert!(resolved.diagnostics.iter().any(|d| d.code == "MS0016"), "{:?}", resolved.diagnostics);
}

#[test]
fn delegates_stand_in_for_their_rule() {
    let istio = ISTIO.replace(
        "    route: [{destination: {host: front, port: {number: 9080}}}]",
        "    delegate: {name: inner}\n    timeout: 3s",
    );
    let inner = "
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: inner}
spec: {http: [{route: [{destination: {host: front}}]}]}
";
    let resolved = resolve(SCENARIO, KUBERNETES, &format!("{istio}{inner}"), &[]);
    assert!(
        resolved.without_effect.iter().all(|entry| !entry.object.contains("inner")),
        "{:?}",
        resolved.without_effect
    );
    let mesh = sound(resolved);
    let found = routes(&mesh.tables[table_of(&mesh, "door-0", 0)], 80, "*");
    assert_eq!((found.len(), found[0].timeout), (2, Some(SimDuration::from_secs(3))));
    assert_eq!(found[0].rule.as_ref().unwrap().name, "http[0]-http[0]");
}

#[test]
fn a_dotted_short_name_is_warned_about() {
    let istio = ISTIO.replace("hosts: [stars]", "hosts: [stars.default]");
    let resolved = resolve(SCENARIO, KUBERNETES, &istio, &[]);
    let warning = resolved.diagnostics.iter().find(|d| d.code == "MS1003").expect("it is told");
    assert_eq!(warning.help.as_deref(), Some("write `stars.default.svc.cluster.local`"));
    // It takes no calls to the service: that keeps its default route.
    let mesh = sound(resolved);
    assert_eq!(routes(&mesh.tables[table_of(&mesh, "front-v1-0", 0)], 9080, "stars")[0].rule, None);
}

#[test]
fn the_workloads_that_run_on_guesses_are_named() {
    let scenario = SCENARIO.replace(
        "  stars-v2: {serviceTime: 1ms, concurrency: 8, calls: ['http://marks:9080/marks/0']}\n",
        "",
    );
    let resolved = resolve(&scenario, KUBERNETES, ISTIO, &[]);
    let about: Vec<&str> = resolved.guesses.iter().map(|guess| guess.about.as_str()).collect();
    assert_eq!(about, ["workload stars-v2"]);
}

#[test]
fn callers_that_differ_only_in_labels_nobody_asks_about_share_a_table() {
    let with = "match: [{sourceLabels: {app: front}}]\n    route:\n    - {destination: {host: stars, subset: v1}, weight: 90}";
    let istio = ISTIO.replacen("route:\n    - {destination: {host: stars, subset: v1}, weight: 90}", with, 1);
    assert_ne!(istio, ISTIO);
    let mesh = sound(resolve(SCENARIO, KUBERNETES, &istio, &[]));
    assert_ne!(table_of(&mesh, "front-v1-0", 0), table_of(&mesh, "stars-v1-0", 0));
    assert_eq!(table_of(&mesh, "stars-v1-0", 0), table_of(&mesh, "stars-v2-0", 0));
    // Those who do not match keep the service's own route.
    assert_eq!(routes(&mesh.tables[table_of(&mesh, "stars-v1-0", 0)], 9080, "stars")[0].rule, None);
}
