//! The text of a starter scenario: what the manifests tell is filled in, what they cannot tell is guessed and marked.
//! It loads and runs as it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_yaml::Value;

use crate::config::document::RawObject;
use crate::kernel::words::counted;

/// Requests of one client, so that a person can still read them.
const MOST_REQUESTS: usize = 12;
const FILLER_HOST: &str = "example.com";

/// A scenario's text, and what is in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Scaffold {
    pub text: String,
    pub services: usize,
    pub workloads: usize,
    pub clients: usize,
}

/// `manifests`: as the scenario names them; none if they came through standard input.
pub fn scaffold(name: &str, manifests: &[String], objects: &[RawObject]) -> Scaffold {
    let town = Town::of(objects);
    let mut text = String::new();
    let _ = write!(
        text,
        "# yaml-language-server: $schema=./scenario.schema.json\n\
         # A scenario to start from. What is marked TODO is a guess: put in what you measure.\n\
         apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: {}}}\nduration: 5m\n",
        quoted(name)
    );
    if manifests.is_empty() {
        text.push_str("# The manifests came through standard input: give them to `meshcast run` again, or name files here.\n");
    } else {
        let list: Vec<String> = manifests.iter().map(|path| quoted(path)).collect();
        let _ = writeln!(text, "manifests: [{}]", list.join(", "));
    }
    if town.home != "default" {
        let _ = writeln!(text, "namespace: {}", quoted(&town.home));
    }
    workloads(&mut text, &town);
    let clients = clients(&mut text, &town);
    text.push_str("\n# What must hold; a run that misses one ends with exit code 4.\n# objectives:\n#   - success >= 99.9%\n#   - p(99) < 250ms\n");
    Scaffold { text, services: town.services.len(), workloads: town.workloads.len(), clients }
}

struct Town<'a> {
    /// The namespace of most workloads.
    home: String,
    workloads: Vec<Controller<'a>>,
    services: Vec<Service<'a>>,
    gateways: Vec<&'a RawObject>,
    rules: Vec<&'a RawObject>,
}

struct Controller<'a> {
    name: &'a str,
    namespace: &'a str,
    replicas: u64,
    labels: BTreeMap<&'a str, &'a str>,
}

struct Service<'a> {
    name: &'a str,
    namespace: &'a str,
    /// The first that speaks HTTP.
    port: Option<u64>,
    selector: BTreeMap<&'a str, &'a str>,
}

impl<'a> Town<'a> {
    fn of(objects: &'a [RawObject]) -> Town<'a> {
        // Of two objects with one name the last holds.
        let mut last: BTreeMap<(&str, &str, &str), &RawObject> = BTreeMap::new();
        for object in objects {
            let namespace = object.namespace.as_deref().unwrap_or("default");
            last.insert((&object.kind, namespace, &object.name), object);
        }
        let of = |kinds: &[&str]| {
            let fits = last.iter().filter(|((kind, ..), _)| kinds.contains(kind));
            fits.map(|((_, namespace, _), object)| (*namespace, *object)).collect::<Vec<_>>()
        };
        let mut taken = BTreeSet::new();
        let mut workloads: Vec<Controller<'_>> = of(&["Deployment", "StatefulSet", "ReplicaSet"])
            .into_iter()
            .filter(|(_, object)| at(&object.value, &["metadata", "ownerReferences"]).is_none())
            .map(|(namespace, object)| Controller {
                name: &object.name,
                namespace,
                replicas: at(&object.value, &["spec", "replicas"]).and_then(Value::as_u64).unwrap_or(1),
                labels: labels(at(&object.value, &["spec", "template", "metadata", "labels"])),
            })
            .collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for workload in &workloads {
            *counts.entry(workload.namespace).or_default() += 1;
        }
        let home =
            counts.iter().max_by_key(|(_, count)| **count).map_or("default", |(name, _)| name).to_owned();
        // Names are keys of the scenario: of two namespaces' the home's comes first.
        workloads.sort_by_key(|workload| (workload.namespace != home, workload.namespace, workload.name));
        workloads.retain(|workload| workload.replicas > 0 && taken.insert(workload.name));
        let services = of(&["Service"]).into_iter().map(|(namespace, object)| Service {
            name: &object.name,
            namespace,
            port: http_port(&object.value),
            selector: labels(at(&object.value, &["spec", "selector"])),
        });
        let services: Vec<Service<'_>> =
            services.filter(|service| workloads.iter().any(|workload| service.selects(workload))).collect();
        let istio = |(_, object): &(&str, &'a RawObject)| object.group() == "networking.istio.io";
        let plain = |(_, object): (&str, &'a RawObject)| object;
        Town {
            gateways: of(&["Gateway"]).into_iter().filter(istio).map(plain).collect(),
            rules: of(&["VirtualService"]).into_iter().map(plain).collect(),
            home,
            workloads,
            services,
        }
    }
}

impl Service<'_> {
    fn selects(&self, workload: &Controller<'_>) -> bool {
        self.namespace == workload.namespace
            && !self.selector.is_empty()
            && self.selector.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
    }

    /// As callers in the home namespace write it.
    fn url(&self, home: &str) -> Option<String> {
        let host = if self.namespace == home {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.name, self.namespace)
        };
        Some(match self.port? {
            80 => format!("http://{host}/"),
            port => format!("http://{host}:{port}/"),
        })
    }
}

fn workloads(text: &mut String, town: &Town<'_>) {
    text.push_str("\n# How the pods behave, by Deployment name.\nworkloads:\n");
    for (place, workload) in town.workloads.iter().enumerate() {
        let services: Vec<&str> =
            town.services.iter().filter(|s| s.selects(workload)).map(|service| service.name).collect();
        let serves = if services.is_empty() { "no service".to_owned() } else { services.join(", ") };
        let pods = counted(workload.replicas, "pod", "pods");
        let _ = writeln!(text, "  {}:  # {pods}, behind {serves}", quoted(workload.name));
        if workload.namespace != town.home {
            let _ = writeln!(text, "    namespace: {}", quoted(workload.namespace));
        }
        text.push_str("    concurrency: 16  # TODO: requests that a pod serves at once\n");
        text.push_str(
            "    serviceTime: lognormal(p50=10ms, p99=50ms)  # TODO: without the time of its calls\n",
        );
        let other = town.services.iter().find(|service| !service.selects(workload));
        let example = other.and_then(|service| service.url(&town.home));
        if let Some(url) = example.filter(|_| place == 0) {
            let _ = writeln!(text, "    # calls: [\"{url}\"]  # TODO: whom it calls, for each request");
        }
    }
}

/// One client a gateway, and one inside the mesh for services that no gateway leads to.
fn clients(text: &mut String, town: &Town<'_>) -> usize {
    text.push_str("\n# Who sends requests.\nclients:\n");
    let (mut count, mut led_to) = (0, BTreeSet::new());
    let mut names = BTreeSet::new();
    for gateway in &town.gateways {
        let mut requests = Vec::new();
        for rule in town.rules.iter().filter(|rule| names_gateway(rule, gateway)) {
            rule_requests(rule, gateway, &mut requests);
            led_to.extend(destinations(rule));
        }
        if requests.is_empty() || !names.insert(gateway.name.as_str()) {
            continue;
        }
        let namespace = gateway.namespace.as_deref().unwrap_or("default");
        let name = match namespace == town.home {
            true => gateway.name.clone(),
            false => format!("{namespace}/{}", gateway.name),
        };
        let _ = writeln!(text, "  {}:\n    gateway: {}", quoted(&gateway.name), quoted(&name));
        text.push_str("    pods: 2  # TODO: gateway proxies that share this load\n");
        client(text, &requests);
        count += 1;
    }
    let inside: Vec<String> = town
        .services
        .iter()
        .filter(|service| !led_to.contains(service.name))
        .filter_map(|service| service.url(&town.home))
        .collect();
    if !inside.is_empty() {
        let name = if names.contains("inside") { "inside-the-mesh" } else { "inside" };
        let _ = writeln!(
            text,
            "  {}:  # TODO: write who calls these under `calls` of the workloads, then delete this",
            quoted(name)
        );
        client(text, &inside);
        count += 1;
    }
    count
}

fn client(text: &mut String, requests: &[String]) {
    text.push_str(
        "    load: poisson(100rps)  # TODO\n    requests:  # equal shares; say `share: 90%` to have others\n",
    );
    for url in requests.iter().take(MOST_REQUESTS) {
        // Requests to several hosts are told apart by host, not by paths that are all alike.
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let name = if path.is_empty() { url.split(['/', ':']).nth(3) } else { None };
        let name = name.map_or_else(String::new, |host| format!("name: {host}, "));
        let _ = writeln!(text, "      - {{{name}get: \"{url}\"}}");
    }
    if requests.len() > MOST_REQUESTS {
        let _ = writeln!(text, "      # and {} more that the manifests name", requests.len() - MOST_REQUESTS);
    }
}

/// Whether a VirtualService is bound to the Gateway: by its name, or by namespace and name.
fn names_gateway(rule: &RawObject, gateway: &RawObject) -> bool {
    let home = |object: &RawObject| object.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let names = strings(at(&rule.value, &["spec", "gateways"]));
    names.iter().any(|name| match name.split_once('/') {
        Some((namespace, name)) => namespace == home(gateway) && name == gateway.name,
        None => *name == gateway.name && home(rule) == home(gateway),
    })
}

/// A request for each path that a rule matches; the host is one that rule and gateway share.
fn rule_requests(rule: &RawObject, gateway: &RawObject, requests: &mut Vec<String>) {
    let Some((scheme, port, server_hosts)) = server(gateway) else { return };
    let own = strings(at(&rule.value, &["spec", "hosts"]));
    // The narrower of the two names what can be asked for.
    let hosts = own.iter().flat_map(|host| if *host == "*" { server_hosts.clone() } else { vec![*host] });
    let Some(host) = hosts.map(concrete).next() else { return };
    let usual = if scheme == "https" { 443 } else { 80 };
    let authority = if port == usual { host } else { format!("{host}:{port}") };
    let mut paths: Vec<String> = Vec::new();
    for http in at(&rule.value, &["spec", "http"]).and_then(Value::as_sequence).into_iter().flatten() {
        let matches = http.get("match").and_then(Value::as_sequence).filter(|matches| !matches.is_empty());
        let Some(matches) = matches else {
            paths.push("/".to_owned());
            continue;
        };
        for one in matches {
            let uri = |key: &str| Some(one.get("uri")?.get(key)?.as_str()?.to_owned());
            match (uri("exact").or_else(|| uri("prefix")), one.get("uri")) {
                (Some(path), _) => paths.push(path),
                (None, None) => paths.push("/".to_owned()),
                // Nobody can tell a path from a pattern.
                (None, Some(_)) => {}
            }
        }
    }
    for path in paths {
        let path = path.replace(['"', '\\', ' '], "");
        let url = format!("{scheme}://{authority}{}{path}", if path.starts_with('/') { "" } else { "/" });
        if !requests.contains(&url) {
            requests.push(url);
        }
    }
}

/// Scheme, port and hosts of the first server for HTTP, plain before encrypted.
fn server(gateway: &RawObject) -> Option<(&'static str, u64, Vec<&str>)> {
    let servers = at(&gateway.value, &["spec", "servers"])?.as_sequence()?;
    let read = |server: &'_ Value| {
        let protocol = at(server, &["port", "protocol"])?.as_str()?.to_ascii_uppercase();
        let scheme = match protocol.as_str() {
            "HTTP" | "HTTP2" | "GRPC" => "http",
            "HTTPS" => "https",
            _ => return None,
        };
        Some((scheme, at(server, &["port", "number"])?.as_u64()?))
    };
    let all = servers.iter().filter_map(|server| Some((read(server)?, server)));
    let ((scheme, port), server) = all.min_by_key(|((scheme, _), _)| *scheme == "https")?;
    let hosts = strings(server.get("hosts"));
    // `namespace/host` says which VirtualServices may use it.
    Some((scheme, port, hosts.into_iter().map(|host| host.rsplit('/').next().unwrap_or(host)).collect()))
}

/// A host that a wildcard takes.
fn concrete(host: &str) -> String {
    match host {
        "*" => FILLER_HOST.to_owned(),
        host => host.strip_prefix("*.").map_or_else(|| host.to_owned(), |rest| format!("www.{rest}")),
    }
}

/// Short names of the services that a rule sends to.
fn destinations(rule: &RawObject) -> Vec<&str> {
    let https = at(&rule.value, &["spec", "http"]).and_then(Value::as_sequence).into_iter().flatten();
    let routes = https.filter_map(|http| http.get("route")?.as_sequence()).flatten();
    let hosts = routes.filter_map(|route| at(route, &["destination", "host"])?.as_str());
    hosts.map(|host| host.split('.').next().unwrap_or(host)).collect()
}

fn http_port(service: &Value) -> Option<u64> {
    let ports = at(service, &["spec", "ports"])?.as_sequence()?;
    let speaks_http = |port: &&Value| {
        let word = |key: &str| port.get(key).and_then(Value::as_str);
        let protocol = word("appProtocol").or_else(|| word("name")?.split('-').next()).unwrap_or("http");
        // What is not named is found out from the traffic, so it may be HTTP.
        let others = ["tcp", "udp", "tls", "mongo", "mysql", "redis", "https"];
        word("protocol") != Some("UDP") && !others.contains(&protocol.to_ascii_lowercase().as_str())
    };
    ports.iter().find(speaks_http)?.get("port")?.as_u64()
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_sequence).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn labels(mapping: Option<&Value>) -> BTreeMap<&str, &str> {
    let entries = mapping.and_then(Value::as_mapping).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.as_str()?, value.as_str()?))).collect()
}

/// Plain where YAML allows it everywhere.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.' || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
