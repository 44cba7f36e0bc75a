//! Clusters: one (service, port, subset) with one policy each. They are kept by value, so that a cluster that a change
//! of the configuration does not touch keeps its id, and with it its pools and detectors.

use std::collections::BTreeMap;

use super::cluster_specs::{
    balancer, breakers, connection, hash_policy, lists_unready, outlier, passes_through,
};
use super::cluster_warnings::{FoundSubset, origin, tell};
use super::localities::{self, Members};
use super::mesh_wide::MeshWide;
use super::mutual_tls::{PeerModes, Server, Speech, arrive, refusal};
use super::note::{NoEffect, Notes};
use super::object::Object;
use super::policies::{self, Effective, Policies};
use super::services::{Caller, Inventory, KnownPort, KnownService};
use super::versions::Version;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::istio::DestinationRule;
use crate::config::istio::destination_rule::Blocks;
use crate::config::istio::values::Labels;
use crate::kernel::Table;
use crate::mesh::model::{Cluster, Host};
use crate::mesh::policy_spec::{BalancerSpec, HashPolicy, TableKind};
use crate::mesh::workload::DataPlane;
use crate::mesh::{ClusterId, PodId, ServiceId, WaypointId, WorkloadId};

/// Makes clusters and remembers which rules shaped them.
#[derive(Debug)]
pub struct Clusters<'a> {
    pub inventory: &'a Inventory,
    pub version: Version,
    /// What servers ask of connections in the state that is being resolved.
    pub modes: PeerModes<'a>,
    /// Who looks, in the view that is being resolved.
    pub viewer: Viewer,
    /// What the mesh says where rules are silent, in that state.
    pub mesh: MeshWide<'a>,
    pub table: Table<ClusterId, Cluster>,
    by_name: BTreeMap<String, Vec<ClusterId>>,
    /// Titles of the DestinationRules that had a say in a cluster, and the subset of theirs that it is.
    pub shaped_by: BTreeMap<ClusterId, Vec<(String, String)>>,
    /// What to say if somebody calls a cluster whose hosts do not let him in.
    pub refusals: BTreeMap<ClusterId, Diagnostic>,
    /// What to say of rules if a gRPC library meets them.
    pub unfollowed: Vec<NoEffect>,
}

/// Who sees clusters, and what of their rules it can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// A sidecar or gateway.
    Envoy,
    /// A replica of this waypoint. Source: semantics S22.4.
    Waypoint(WaypointId),
    /// A gRPC library, which knows subsets, two balancers and ISTIO_MUTUAL. Source: istio `grpcgen/cds.go`.
    Library,
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
        Clusters {
            inventory,
            version,
            modes: PeerModes::default(),
            viewer: Viewer::Envoy,
            mesh: MeshWide::default(),
            table: Table::new(),
            by_name: BTreeMap::new(),
            shaped_by: BTreeMap::new(),
            refusals: BTreeMap::new(),
            unfollowed: Vec::new(),
        }
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
        let at_waypoint = matches!(self.viewer, Viewer::Waypoint(_));
        let policies = policies::find(rules, service, caller).under(self.mesh.at_waypoint(at_waypoint));
        let mut subset = None;
        if !subset_name.is_empty() {
            let Some(found) = policies.subset(subset_name) else {
                let names = policies.subset_names().into_iter().map(str::to_owned).collect();
                return Err(Missing::Subset(names));
            };
            subset = Some(found);
        }
        let effective = self.followed(policies.effective(subset.map(|(_, _, subset)| subset), port));
        let no_labels = Labels::new();
        let dialled = passes_through(&effective);
        let labels = subset.filter(|_| !dialled).map_or(&no_labels, |(_, _, subset)| &subset.labels);
        let tls_mode = effective.blocks.tls.and_then(|tls| tls.mode.as_deref());
        let hosts = self.hosts(service_id, known_port, labels, self.speech(service_id, tls_mode));
        let (version, prefers_near) = (self.version, service.prefers_near);
        let members =
            Members { inventory: self.inventory, hosts: &hosts, prefers_near, labels: &caller.labels };
        let localities = if dialled { None } else { localities::spec(&members, &effective) };
        let cluster = Cluster {
            name: cluster_name(service, port, subset_name),
            service: service_id,
            port,
            subset: subset_name.to_owned(),
            connection: connection(&effective, known_port.protocol, version),
            breakers: breakers(&effective),
            balancer: self.balanced(balancer(&effective, version, prefers_near)),
            localities,
            lists_unready: lists_unready(&effective, version, prefers_near),
            outlier: effective
                .blocks
                .outlier_detection
                .filter(|_| !dialled)
                .map(|block| outlier(block, version)),
            hosts,
        };
        tell(&cluster, service, &policies, subset, &effective, notes);
        if self.viewer == Viewer::Library {
            self.note_unfollowed(&policies, subset, port, notes);
        }
        let has = |blocks: Blocks<'_>| blocks.tls.is_some_and(|tls| tls.mode.is_some());
        let tls = origin(&policies, subset, port, has, "tls").map(|(rule, path)| rule.span(notes, &path));
        let id = self.intern_with(cluster, tls, notes);
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

    /// The blocks that the viewer goes by.
    fn followed<'p>(&self, effective: Effective<'p>) -> Effective<'p> {
        if self.viewer != Viewer::Library {
            return effective;
        }
        let Blocks { load_balancer, tls, .. } = effective.blocks;
        Effective { blocks: Blocks { load_balancer, tls, ..Blocks::default() }, ..Effective::default() }
    }

    fn balanced(&self, spec: BalancerSpec) -> BalancerSpec {
        match (self.viewer, spec.table) {
            (Viewer::Library, Some(TableKind::Ring(_))) => spec,
            (Viewer::Library, _) => BalancerSpec::plain("ROUND_ROBIN"),
            _ => spec,
        }
    }

    /// `tls_mode`: of the DestinationRule in force. A waypoint reaches those behind it by tunnel, others as a sidecar
    /// does. Source: semantics S13.1, S22.3, S22.4.
    fn speech<'p>(&self, service: ServiceId, tls_mode: Option<&'p str>) -> Speech<'p> {
        let waypoint_of = |door| self.inventory.waypoints.doors[door].waypoint;
        match self.viewer {
            Viewer::Waypoint(waypoint) if self.inventory.door(service).map(waypoint_of) == Some(waypoint) => {
                Speech::Tunnel { tls_inside: matches!(tls_mode, Some("SIMPLE" | "MUTUAL")) }
            }
            Viewer::Library if tls_mode != Some("ISTIO_MUTUAL") => Speech::Rule(Some("DISABLE")),
            _ => Speech::Rule(tls_mode),
        }
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
            let own = own.and_then(|(_, settings)| settings.load_balancer.as_ref()?.consistent_hash.as_ref());
            own.or_else(|| policy.load_balancer.as_ref()?.consistent_hash.as_ref())
        });
        hash.and_then(hash_policy)
    }

    /// A source address keys nothing at a sidecar, where it is always the pod's own. Source: semantics S5.7.
    pub fn tell_source_ip(
        &self,
        rules: &[Object<DestinationRule>],
        caller: &Caller,
        target: (ServiceId, u16, &str),
        notes: &mut Notes<'_>,
    ) {
        let (service, port, subset) = target;
        let policies = policies::find(rules, &self.inventory.services[service], caller);
        let has = |blocks: Blocks<'_>| {
            let hash = blocks.load_balancer.and_then(|balancer| balancer.consistent_hash.as_ref());
            hash.is_some_and(|hash| hash.use_source_ip == Some(true))
        };
        let block = "loadBalancer.consistentHash.useSourceIp";
        if let Some((rule, path)) = origin(&policies, policies.subset(subset), port, has, block) {
            notes.report(
                Diagnostic::warning(
                    "MS2003",
                    "useSourceIp at a sidecar sends all calls of a pod to one host",
                )
                .at(rule.span(notes, &path))
                .label("the source that a sidecar sees is its own pod")
                .help("hash by a header or a cookie; source addresses tell clients apart at a gateway alone"),
            );
        }
    }

    /// The pods of a service as a caller without any proxy reaches them: one random ready pod per call, no policy.
    /// Whoever has no Envoy speaks what its application speaks. Source: design D9.2.
    pub fn bare(&mut self, target: (ServiceId, u16), notes: &Notes<'_>) -> Result<ClusterId, Missing> {
        self.without_rules(target, "RANDOM", Speech::Rule(Some("DISABLE")), notes)
    }

    /// As a ztunnel reaches them for its pods: one random ready pod per connection, no policy. HTTP/2 callers keep one
    /// connection, and with it its pod; those of HTTP/1.1 hold so many that each call is as good as a new one.
    /// Source: semantics S22.2; design D9.5.
    pub fn captured(
        &mut self,
        (service, port): (ServiceId, u16),
        notes: &Notes<'_>,
    ) -> Result<ClusterId, Missing> {
        let known = self.inventory.services[service].port(port).ok_or(Missing::Port)?;
        let balancer = if known.protocol.is_http2() { "CONNECTION" } else { "RANDOM" };
        self.without_rules((service, port), balancer, Speech::Tunnel { tls_inside: false }, notes)
    }

    fn without_rules(
        &mut self,
        (service_id, port): (ServiceId, u16),
        balancer: &'static str,
        speech: Speech<'_>,
        notes: &Notes<'_>,
    ) -> Result<ClusterId, Missing> {
        let service = &self.inventory.services[service_id];
        let known_port = service.port(port).ok_or(Missing::Port)?;
        let none = Effective::default();
        let cluster = Cluster {
            name: cluster_name(service, port, ""),
            service: service_id,
            port,
            subset: String::new(),
            connection: connection(&none, known_port.protocol, self.version),
            breakers: breakers(&none),
            balancer: BalancerSpec::plain(balancer),
            localities: None,
            lists_unready: false,
            outlier: None,
            hosts: self.hosts(service_id, known_port, &Labels::new(), speech),
        };
        Ok(self.intern_with(cluster, None, notes))
    }

    fn hosts(&self, service: ServiceId, port: &KnownPort, labels: &Labels, speech: Speech<'_>) -> Vec<Host> {
        let known = &self.inventory.services[service];
        let namespace = self.modes.of_namespace(&known.namespace);
        let mut servers: BTreeMap<WorkloadId, Server> = BTreeMap::new();
        let endpoints = self.inventory.endpoints(service, labels);
        for pod in &endpoints {
            let workload = self.inventory.pods[*pod].workload;
            servers.entry(workload).or_insert_with(|| self.server(port, workload));
        }
        // Simplified: gateways know the endpoints of headless services and decide by each.
        let in_plaintext =
            known.is_external() || known.is_headless && !servers.values().all(|s| s.takes_mtls());
        let host = |pod: PodId| {
            let server = servers[&self.inventory.pods[pod].workload];
            let (tls, refusal) = arrive(speech, in_plaintext, namespace, server);
            let weight = self.inventory.weights.get(&pod).copied().unwrap_or(1);
            Host { pod, weight, tls, refusal }
        };
        endpoints.into_iter().map(host).collect()
    }

    /// Simplified: an application without sidecar speaks TLS wherever a rule makes callers speak it (SIMPLE); one
    /// behind a sidecar speaks plain HTTP.
    fn server(&self, port: &KnownPort, id: WorkloadId) -> Server {
        let workload = &self.inventory.workloads[id];
        let mode = || {
            let target = self.inventory.target_port(port, id);
            self.modes.of_workload(&workload.namespace, &workload.labels, target)
        };
        match workload.data_plane {
            DataPlane::Sidecar => Server::Sidecar(mode()),
            DataPlane::Ambient => Server::Ztunnel(mode()),
            DataPlane::Proxyless | DataPlane::Bare => Server::App { speaks_tls: true },
        }
    }

    /// Remembers whom the hosts refuse. `tls`: the place of the mode that callers go by.
    fn intern_with(&mut self, cluster: Cluster, tls: Option<Span>, notes: &Notes<'_>) -> ClusterId {
        let refusal = refusal(&cluster, self.modes, self.inventory, tls, notes);
        let id = self.intern(cluster);
        if let Some(refusal) = refusal {
            self.refusals.entry(id).or_insert(refusal);
        }
        id
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

    /// What of a rule a gRPC library does not follow.
    fn note_unfollowed(
        &mut self,
        policies: &Policies<'_>,
        subset: Option<FoundSubset<'_>>,
        port: u16,
        notes: &Notes<'_>,
    ) {
        type Has = fn(Blocks<'_>) -> bool;
        let blocks: [(&str, Has); 2] = [
            ("connectionPool", |blocks| blocks.connection_pool.is_some()),
            ("outlierDetection", |blocks| blocks.outlier_detection.is_some()),
        ];
        for (block, has) in blocks {
            if let Some((rule, path)) = origin(policies, subset, port, has, block) {
                let place = notes.place(notes.docs.key_span(rule.doc, &path));
                let why = format!("callers with gRPC's own library do not follow `{block}`");
                self.unfollowed.push(NoEffect { object: rule.title(), place, why });
            }
        }
    }
}

/// `outbound|9080|v2|reviews.default.svc.cluster.local`. Source: semantics S0.3.
pub fn cluster_name(service: &KnownService, port: u16, subset: &str) -> String {
    format!("outbound|{port}|{subset}|{}", service.host)
}
