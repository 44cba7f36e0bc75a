//! A ServiceEntry's `spec`: hosts that no Kubernetes Service declares. Source: fields, ServiceEntry.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::finding::{Finding, Findings, Unmodelled, key};
use super::values::{Int, Labels};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceEntry {
    pub hosts: Vec<String>,
    pub addresses: Vec<String>,
    pub ports: Vec<EntryPort>,
    /// MESH_EXTERNAL (default) or MESH_INTERNAL.
    pub location: Option<String>,
    /// NONE (default), STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS.
    pub resolution: Option<String>,
    pub endpoints: Vec<WorkloadEntry>,
    pub workload_selector: Option<LabelSelector>,
    pub export_to: Vec<String>,
    pub subject_alt_names: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EntryPort {
    pub number: Option<Int>,
    pub name: Option<String>,
    pub protocol: Option<String>,
    pub target_port: Option<Int>,
}

/// An endpoint, and the `spec` of the kind WorkloadEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadEntry {
    pub address: Option<String>,
    pub ports: BTreeMap<String, Int>,
    pub labels: Labels,
    pub network: Option<String>,
    pub locality: Option<String>,
    pub weight: Option<Int>,
    pub service_account: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    pub labels: Labels,
}

/// Everything wrong in one ServiceEntry. Source: lint, WH-SE.
pub fn validate(spec: &ServiceEntry) -> Vec<Finding> {
    let mut findings = Findings::default();
    let out = &mut findings;
    if spec.hosts.is_empty() {
        out.refused("spec", "it has no hosts");
    }
    for (index, host) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{index}]");
        if host == "*" {
            out.refused(&path, "the bare host `*` is refused here");
        }
        out.host(&path, host);
    }
    let resolution = spec.resolution.as_deref().unwrap_or("NONE");
    if !["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"].contains(&resolution) {
        out.refused("spec.resolution", format!("`{resolution}` is no resolution"))
            .help("choose NONE, STATIC, DNS, DNS_ROUND_ROBIN or DYNAMIC_DNS");
    }
    if let Some(location) = spec.location.as_deref()
        && !["MESH_EXTERNAL", "MESH_INTERNAL"].contains(&location)
    {
        out.refused("spec.location", format!("`{location}` is neither MESH_EXTERNAL nor MESH_INTERNAL"));
    }
    if !spec.endpoints.is_empty() {
        if spec.workload_selector.is_some() {
            out.refused("spec.endpoints", "endpoints do not go with workloadSelector");
        }
        if resolution == "NONE" {
            out.refused("spec.endpoints", "endpoints do not go with resolution NONE")
                .help("use STATIC or DNS");
        }
        if resolution == "DNS_ROUND_ROBIN" && spec.endpoints.len() > 1 {
            out.refused("spec.endpoints", "DNS_ROUND_ROBIN takes one endpoint");
        }
    }
    if resolution.starts_with("DNS") && spec.endpoints.is_empty() {
        for (index, _) in spec.hosts.iter().enumerate().filter(|(_, host)| host.starts_with('*')) {
            out.refused(
                format!("spec.hosts[{index}]"),
                "a wildcard cannot be looked up by DNS without endpoints",
            );
        }
    }
    check_ports(spec, out);
    findings.0
}

fn check_ports(spec: &ServiceEntry, out: &mut Findings) {
    for (index, port) in spec.ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        match port.number {
            None => {
                out.refused(&path, "the port has no number");
            }
            number => {
                out.port(&format!("{path}.number"), number);
                if spec.ports[..index].iter().any(|other| other.number == number) {
                    out.refused(format!("{path}.number"), "the port occurs twice");
                }
            }
        }
        if port.name.as_deref().unwrap_or("").is_empty() {
            out.refused(&path, "the port has no name");
        } else if spec.ports[..index].iter().any(|other| other.name == port.name) {
            out.refused(format!("{path}.name"), "the port name occurs twice");
        }
    }
    for (index, endpoint) in spec.endpoints.iter().enumerate() {
        let path = format!("spec.endpoints[{index}]");
        if endpoint.address.as_deref().unwrap_or("").is_empty() && endpoint.network.is_none() {
            out.refused(&path, "the endpoint has no address");
        }
        for (name, number) in &endpoint.ports {
            out.port(&key(&format!("{path}.ports"), name), Some(*number));
            if !spec.ports.iter().any(|port| port.name.as_deref() == Some(name)) {
                out.refused(
                    key(&format!("{path}.ports"), name),
                    format!("the entry has no port named `{name}`"),
                );
            }
        }
    }
}

/// What one ServiceEntry asks for and the engine does not do.
pub fn not_modelled(spec: &ServiceEntry) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    let mut add = |path: &str, what: &str| list.push(Unmodelled { path: path.into(), what: what.into() });
    match spec.resolution.as_deref() {
        None | Some("NONE") => add(
            "spec",
            "resolution NONE passes connections on to the dialled address: calls go to the pods of the scenario's workload",
        ),
        Some("DNS") if spec.endpoints.is_empty() => {
            add("spec.resolution", "DNS answers with several addresses: each host counts as one endpoint");
        }
        Some("DNS_ROUND_ROBIN") => add(
            "spec.resolution",
            "DNS_ROUND_ROBIN makes one host of all addresses, with nothing to balance or eject: each pod is a host here",
        ),
        Some("DYNAMIC_DNS") => {
            add("spec.resolution", "resolution per request: the host counts as one endpoint")
        }
        _ => {}
    }
    if spec.workload_selector.is_some() {
        add("spec.workloadSelector", "WorkloadEntry endpoints: pods with these labels are taken alone");
    }
    if spec
        .endpoints
        .iter()
        .any(|endpoint| endpoint.network.as_ref().is_some_and(|network| !network.is_empty()))
    {
        add("spec.endpoints", "multi-network gateways: the endpoints are reached directly");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_that_know_no_hosts_are_told() {
        let told = |resolution: &str| {
            let yaml = format!("{{hosts: [a.example.com], resolution: {resolution}}}");
            not_modelled(&serde_yaml::from_str(&yaml).unwrap()).len()
        };
        assert_eq!(["NONE", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS", "STATIC"].map(told), [1, 1, 1, 1, 0]);
    }

    #[test]
    fn a_wildcard_needs_no_lookup_only_with_endpoints() {
        let of = |yaml: &str| validate(&serde_yaml::from_str(yaml).unwrap()).len();
        assert_eq!(of("{hosts: ['*.example.com'], resolution: DNS}"), 1);
        assert_eq!(
            of("{hosts: ['*.example.com'], resolution: DNS, endpoints: [{address: a.example.com}]}"),
            0
        );
        assert_eq!(of("{hosts: [a.example.com], endpoints: [{address: 10.0.0.1}]}"), 1);
        assert_eq!(
            of("{hosts: [a.example.com], ports: [{number: 80, name: http}, {number: 80, name: b}]}"),
            1
        );
    }
}
