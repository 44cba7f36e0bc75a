//! Golden kinds of host names, and of which VirtualService takes which host. Source: semantics S2.1, S2.2.

use std::collections::BTreeSet;

use meshcast::config::istio::values::Labels;
use meshcast::resolve::hosts;
use serde::Deserialize;
use serde_yaml::Value;

use super::objects::{fields, mesh, service, virtual_hosts, virtual_service, yaml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShortName {
    host: String,
    rule_namespace: String,
    domain: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FullName {
    fqdn: String,
}

pub fn short_name(input: ShortName) -> Result<FullName, String> {
    Ok(FullName { fqdn: hosts::full_name_in(&input.host, &input.rule_namespace, &input.domain) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patterns {
    a: String,
    b: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Overlap {
    r#match: bool,
}

pub fn host_pattern_match(Patterns { a, b }: Patterns) -> Result<Overlap, String> {
    Ok(Overlap { r#match: hosts::common(&a, &b).is_some() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenService {
    service_hostname: String,
    client_dns_domain: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Domains {
    domains: BTreeSet<String>,
}

pub fn vhost_domains(input: SeenService) -> Result<Domains, String> {
    let domains = hosts::domains(&input.service_hostname, &input.client_dns_domain);
    Ok(Domains { domains: domains.into_iter().collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    #[serde(default)]
    client_namespace: Option<String>,
    #[serde(default)]
    client_labels: Labels,
    virtual_services: Vec<Candidate>,
    service: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Candidate {
    name: String,
    namespace: Option<String>,
    created: u32,
    hosts: Value,
    export_to: Option<Value>,
    gateways: Option<Value>,
    /// The condition of its one rule.
    #[serde(rename = "all_matches")]
    all_matches: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Winner {
    applies: Option<String>,
}

/// Through the whole resolver: the rule behind the first route that a client's sidecar has for the service.
pub fn istio_vs_select(input: Choice) -> Result<Winner, String> {
    let home = input.client_namespace.unwrap_or_else(|| "default".to_owned());
    let mut drafts = vec![service(&input.service, &[80])?];
    for candidate in &input.virtual_services {
        let rule = fields([
            ("match", candidate.all_matches.clone().map(|condition| Value::Sequence(vec![condition]))),
            ("route", Some(yaml(&format!("[{{destination: {{host: {}}}}}]", input.service))?)),
        ]);
        let spec = fields([
            ("hosts", Some(candidate.hosts.clone())),
            ("exportTo", candidate.export_to.clone()),
            ("gateways", candidate.gateways.clone()),
            ("http", Some(Value::Sequence(vec![rule]))),
        ]);
        let namespace = candidate.namespace.as_deref().unwrap_or(&home);
        drafts.push(virtual_service(namespace, &candidate.name, candidate.created, spec));
    }
    let labels: Vec<String> =
        input.client_labels.iter().map(|(key, value)| format!("{key}: \"{value}\"")).collect();
    let scenario = format!(
        "namespace: {home}\nclients:\n  one: {{labels: {{{}}}, load: constant(1rps), \
         requests: [{{get: 'http://{}/'}}]}}\n",
        labels.join(", "),
        input.service
    );
    let mesh = mesh(&drafts, &scenario)?;
    let host = virtual_hosts(&mesh, 80)
        .find(|host| host.domains.contains(&input.service))
        .ok_or("the service has no virtual host")?;
    let rule = host.routes.first().and_then(|route| route.rule.as_ref());
    let name = |object: &str| object.rsplit('/').next().map(str::to_owned);
    Ok(Winner { applies: rule.and_then(|rule| name(&rule.object)) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignHost {
    vs_host: String,
    /// HTTP ports of a service that the VirtualService names too.
    same_vs_names_service_with_ports: Option<Vec<u16>>,
    /// Listeners that there are.
    ports: Vec<u16>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    ports_with_vhost: Vec<u16>,
}

/// Through the whole resolver: on which listeners a client's sidecar has a virtual host for a host of nobody.
pub fn istio_vhost_ports(input: ForeignHost) -> Result<Ports, String> {
    let other = "other.default.svc.cluster.local";
    let named = "named.default.svc.cluster.local";
    let mut hosts = vec![input.vs_host.clone()];
    let mut drafts = vec![service(other, &input.ports)?];
    if let Some(ports) = &input.same_vs_names_service_with_ports {
        hosts.push(named.to_owned());
        drafts.push(service(named, ports)?);
    }
    let http = yaml(&format!("[{{route: [{{destination: {{host: {other}}}}}]}}]"))?;
    let hosts = Value::Sequence(hosts.into_iter().map(Value::from).collect());
    drafts.push(virtual_service("default", "one", 1, fields([("hosts", Some(hosts)), ("http", Some(http))])));
    let scenario = format!(
        "clients:\n  one: {{load: constant(1rps), requests: [{{get: 'http://{other}:{}/'}}]}}\n",
        input.ports.first().ok_or("no listener")?
    );
    let mesh = mesh(&drafts, &scenario)?;
    let has_it = |port: &u16| virtual_hosts(&mesh, *port).any(|host| host.domains.contains(&input.vs_host));
    Ok(Ports { ports_with_vhost: input.ports.into_iter().filter(has_it).collect() })
}
