//! Clusters: one (service, port, subset) with one policy each. They are kept by value, so that a cluster that a change
//! of the configuration does not touch keeps its id, and with it its pools and detectors.

use std::collections::BTreeMap;

use super::cluster_specs::{
    balancer, breakers, connection, encrypts, hash_policy, lists_unready, outlier, passes_through,
};
use super::defaults::Version;
use super::localities::{self, Members};
use super::note::Notes;
use super::object::Object;
use super::policies::{self, Effective, Policies};
use super::services::{Caller, Inventory, KnownService};
use crate::config::istio::DestinationRule;
use crate::config::istio::destination_rule::Subset;
use crate::config::istio::values::Labels;
use crate::kernel::Table;
use crate::kernel::words::counted;
use crate::mesh::model::{Cluster, Host};
use crate::mesh::policy_spec::{BalancerSpec, HashPolicy, Protocol};
use crate::mesh::{ClusterId, ServiceId};

/// Makes clusters and remembers which rules shaped them.
#[derive(Debug)]
pub struct Clusters<'a> {
    pub inventory: &'a Inventory,
    pub version: Version,
    pub table: Table<ClusterId, Cluster>,
    by_name: BTreeMap<String, Vec<ClusterId>>,
    /// Titles of the DestinationRules that had a say in a cluster, and the subset of theirs that it is.
    pub shaped_by: BTreeMap<ClusterId, Vec<(String, String)>>,
}

/// Why a cluster does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The service has no such port.
    Port,
    /// No rule that this caller sees defines the subset; these are defined.
    Subset(Vec<String>),
}

impl<'a> Clusters<'a> {
    pub fn new(inventory: &'a Inventory, version: Version) -> Clusters<'a> {
        let (table, by_name, shaped_by) = (Table::new(), BTreeMap::new(), BTreeMap::new());
        Clusters { inventory, version, table, by_name, shaped_by }
    }

    /// The cluster as a sidecar or gateway sees it. `subset` is empty for the base cluster.
    pub fn managed(
        &mut self,
        rules: &[Object<DestinationRule>],
        caller: &Caller,
        target: (ServiceId, u16, &str),
        notes: &mut Notes<'_>,
    ) -> Result<ClusterId, Missing> {
        let (service_id, port, subset_name) = target;
        let service = &self.inventory.services[service_id];
        let known_port = service.port(port).ok_or(Missing::Port)?;
        let policies = policies::find(rules, service, caller);
        let mut subset = None;
        if !subset_name.is_empty() {
            let Some(found) = policies.subset(subset_name) else {
                let names = policies.subset_names().into_iter().map(str::to_owned).collect();
                return Err(Missing::Subset(names));
            };
            subset = Some(found);
        }
        let effective = policies.effective(subset.map(|(_, _, subset)| subset), port);
        let no_labels = Labels::new();
        let dialled = passes_through(&effective);
        let labels = subset.filter(|_| !dialled).map_or(&no_labels, |(_, _, subset)| &subset.labels);
        let hosts = self.hosts(service_id, labels, encrypts(&effective, service.is_external()));
        let (version, prefers_near) = (self.version, service.prefers_near);
        let members =
            Members { inventory: self.inventory, hosts: &hosts, prefers_near, labels: &caller.labels };
        let localities = if dialled { None } else { localities::spec(&members, &effective) };
        let cluster = Cluster {
            name: cluster_name(service, port, subset_name),
            service: service_id,
            port,
            subset: subset_name.to_owned(),
            connection: connection(&effective, known_port.protocol),
            breakers: breakers(&effective),
            balancer: balancer(&effective, version, prefers_near),
            localities,
            lists_unready: lists_unready(&effective, version, prefers_near),
            outlier: effective.blocks.outlier_detection.filter(|_| !dialled).map(outlier),
            hosts,
        };
        self.tell(&cluster, &policies, subset, &effective, notes);
        let id = self.intern(cluster);
        let shaped = self.shaped_by.entry(id).or_default();
        let policy_of = policies.top().map(|(rule, _)| (rule.title(), String::new()));
        let subset_of = subset.map(|(rule, _, _)| (rule.title(), subset_name.to_owned()));
        for entry in policy_of.into_iter().chain(subset_of) {
            if !shaped.contains(&entry) {
                shaped.push(entry);
            }
        }
        Ok(id)
    }

    /// What a destination adds to the hash of requests, whether or not its cluster has a table. `names_port`: the
    /// destination does. Source: semantics S4.7.
    pub fn hash_policy(
        &self,
        rules: &[Object<DestinationRule>],
        caller: &Caller,
        target: (ServiceId, u16, &str),
        names_port: bool,
    ) -> Option<HashPolicy> {
        let (service, port, subset) = target;
        let policies = policies::find(rules, &self.inventory.services[service], caller);
        let subset = policies.subset(subset).and_then(|(_, _, subset)| subset.traffic_policy.as_ref());
        let top = policies.top().map(|(_, policy)| policy);
        let hash = [subset, top].into_iter().flatten().find_map(|policy| {
            let own = policy.port_level(port).filter(|_| names_port);
            let own = own.and_then(|settings| settings.load_balancer.as_ref()?.consistent_hash.as_ref());
            own.or_else(|| policy.load_balancer.as_ref()?.consistent_hash.as_ref())
        });
        hash.and_then(hash_policy)
    }

    /// The pods of a service as a caller without sidecar reaches them: one random ready pod per call, no policy.
    /// Source: design D9.2.
    pub fn bare(&mut self, service_id: ServiceId, port: u16) -> Result<ClusterId, Missing> {
        let service = &self.inventory.services[service_id];
        let known_port = service.port(port).ok_or(Missing::Port)?;
        let none = Effective::default();
        let cluster = Cluster {
            name: cluster_name(service, port, ""),
            service: service_id,
            port,
            subset: String::new(),
            connection: connection(&none, known_port.protocol),
            breakers: breakers(&none),
            balancer: BalancerSpec::plain("RANDOM"),
            localities: None,
            lists_unready: false,
            outlier: None,
            hosts: self.hosts(service_id, &Labels::new(), (false, false)),
        };
        Ok(self.intern(cluster))
    }

    fn hosts(&self, service: ServiceId, labels: &Labels, encrypts: (bool, bool)) -> Vec<Host> {
        let host = |pod| {
            let tls = if self.inventory.has_sidecar(pod) { encrypts.0 } else { encrypts.1 };
            Host { pod, weight: self.inventory.weights.get(&pod).copied().unwrap_or(1), tls }
        };
        self.inventory.endpoints(service, labels).into_iter().map(host).collect()
    }

    fn intern(&mut self, cluster: Cluster) -> ClusterId {
        let same_name = self.by_name.entry(cluster.name.clone()).or_default();
        if let Some(id) = same_name.iter().find(|id| self.table[**id] == cluster) {
            return *id;
        }
        let id = self.table.push(cluster);
        same_name.push(id);
        id
    }

    /// What a careful reader would want to hear about this cluster.
    fn tell(
        &self,
        cluster: &Cluster,
        policies: &Policies<'_>,
        subset: Option<(&Object<DestinationRule>, usize, &Subset)>,
        effective: &Effective<'_>,
        notes: &mut Notes<'_>,
    ) {
        if let Some((rule, index, _)) = subset
            && cluster.hosts.is_empty()
        {
            notes.report(no_pods(rule, index, cluster, notes));
        }
        self.tell_tls(cluster, policies, effective, notes);
        let Some((rule, path)) = outlier_origin(policies, subset, cluster.port) else { return };
        let span = rule.span(notes, &path);
        if let Some(outlier) = &cluster.outlier {
            let (hosts, percent) = (cluster.hosts.len(), outlier.max_ejection_percent);
            if hosts > 0 && percent as usize * hosts < 100 {
                notes.without_effect(
                    &format!("{} outlierDetection", rule.title()),
                    span,
                    format!(
                        "{} has {}, and maxEjectionPercent {percent} lets none be ejected: one of {hosts} is \
                         already {:.0} %",
                        cluster.name,
                        counted(hosts, "host", "hosts"),
                        100.0 / hosts as f64
                    ),
                );
            }
        }
    }

    fn tell_tls(
        &self,
        cluster: &Cluster,
        policies: &Policies<'_>,
        effective: &Effective<'_>,
        notes: &mut Notes<'_>,
    ) {
        let mode = effective.blocks.tls.and_then(|tls| tls.mode.as_deref());
        let bare = cluster.hosts.iter().any(|host| !self.inventory.has_sidecar(host.pod));
        if mode == Some("ISTIO_MUTUAL")
            && bare
            && let Some((rule, _)) = policies.top()
        {
            notes.not_modelled(
                &rule.title(),
                rule.span(notes, "spec.trafficPolicy.tls"),
                "mutual TLS that fails: pods without sidecar cannot answer ISTIO_MUTUAL (503 UF), and here they do",
            );
        }
    }
}

/// `outbound|9080|v2|reviews.default.svc.cluster.local`. Source: semantics S0.3.
pub fn cluster_name(service: &KnownService, port: u16, subset: &str) -> String {
    format!("outbound|{port}|{subset}|{}", service.host)
}

fn no_pods(
    rule: &Object<DestinationRule>,
    index: usize,
    cluster: &Cluster,
    notes: &Notes<'_>,
) -> crate::config::diagnostic::Diagnostic {
    crate::config::diagnostic::Diagnostic::warning(
        "IST0173",
        format!("no pod of the service has the labels of subset `{}`", cluster.subset),
    )
    .at(rule.span(notes, &format!("spec.subsets[{index}].labels")))
    .label("requests that are routed here get 503 UH")
    .help("compare them with the labels of the Deployment's pod template, or of the scenario's workload")
}

/// The rule and path of the `outlierDetection` that holds for a cluster.
fn outlier_origin<'a>(
    policies: &Policies<'a>,
    subset: Option<(&'a Object<DestinationRule>, usize, &'a Subset)>,
    port: u16,
) -> Option<(&'a Object<DestinationRule>, String)> {
    if let Some((rule, index, subset)) = subset
        && let Some(policy) = &subset.traffic_policy
        && policy
            .port_level(port)
            .map_or(policy.outlier_detection.is_some(), |p| p.outlier_detection.is_some())
    {
        return Some((rule, format!("spec.subsets[{index}].trafficPolicy.outlierDetection")));
    }
    let (rule, _) = policies.top()?;
    Some((rule, "spec.trafficPolicy.outlierDetection".to_owned()))
}

/// Whether HTTP rules apply to a port.
pub fn is_http(protocol: Protocol) -> bool {
    protocol != Protocol::Tcp
}
