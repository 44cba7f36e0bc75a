//! The whole of it: services, workloads, pods, proxies, clusters, and the states of the configuration over time.

use std::num::NonZeroU32;

use super::ids::*;
use super::policy_spec::{
    BalancerSpec, CircuitBreakers, ConnectionSpec, LocalitySpec, OutlierSpec, RetrySpec,
};
use super::routing::RouteTable;
use super::workload::{CallSpec, Client, Workload};
use crate::kernel::distribution::Distribution;
use crate::kernel::{SimDuration, SimTime, Table};

/// Everything that a run needs to know. Equal meshes and seeds give equal results.
#[derive(Clone, Debug)]
pub struct Mesh {
    pub name: String,
    pub run: RunSpec,
    pub network: NetworkSpec,
    pub proxy: ProxySpec,
    /// Delay of a configuration push to one proxy. Source: design D9.16.
    pub propagation: Distribution,
    pub zones: Table<ZoneId, Zone>,
    pub services: Table<ServiceId, Service>,
    pub workloads: Table<WorkloadId, Workload>,
    pub pods: Table<PodId, Pod>,
    pub proxies: Table<ProxyId, Proxy>,
    pub waypoints: Table<WaypointId, Waypoint>,
    pub doors: Table<DoorId, Door>,
    pub clients: Table<ClientId, Client>,
    pub calls: Table<CallSpecId, CallSpec>,
    pub clusters: Table<ClusterId, Cluster>,
    pub tables: Table<RouteTableId, RouteTable>,
    /// In order of time; the first is at 0.
    pub states: Table<StateId, ConfigState>,
    pub objectives: Vec<Objective>,
}

impl Mesh {
    /// The load of all clients times `factor`, which is positive. Fails with the name of a client whose load is a trace.
    pub fn scale_load(&mut self, factor: f64) -> Result<(), String> {
        for client in self.clients.rows_mut() {
            client.load = client.load.scaled(factor).ok_or_else(|| client.name.clone())?;
        }
        Ok(())
    }

    /// Whether a pod is to be there at a moment, starting or serving, as the timeline has it.
    pub fn has_pod(&self, pod: PodId, moment: SimTime) -> bool {
        let Pod { workload, ordinal, .. } = self.pods[pod];
        self.workloads[workload].life.pods_at(moment).is_none_or(|pods| ordinal < pods)
    }

    /// How many hosts of a cluster are to be there at a moment.
    pub fn hosts_at(&self, cluster: &Cluster, moment: SimTime) -> usize {
        cluster.hosts.iter().filter(|host| self.has_pod(host.pod, moment)).count()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    pub duration: SimDuration,
    /// Requests born before are in no statistic. Source: design D9.18.
    pub warmup: SimDuration,
    /// How long the run goes on after `duration` until all is answered.
    pub drain: SimDuration,
    /// Length of one point of the time series. Source: design D9.22.
    pub window: SimDuration,
    pub seed: u64,
    pub replications: NonZeroU32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSpec {
    /// One way, inside a zone.
    pub latency: Distribution,
    /// One way, between zones of a region.
    pub between_zones: Distribution,
    pub between_regions: Distribution,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProxySpec {
    pub workers: NonZeroU32,
    /// Per proxy and attempt, both ways together. Source: design D9.1.
    pub latency: Distribution,
    /// Of a ztunnel, per attempt, both ways together. Source: design D9.1.
    pub ztunnel_latency: Distribution,
    /// How long each proxy has run at t = 0. Source: design D9.4.
    pub age: Distribution,
    /// What a server's own proxy does where its application takes no connection, on ports without gRPC.
    /// Source: semantics S1.2.
    pub inbound_retry: Option<RetrySpec>,
    /// The same on ports with gRPC.
    pub inbound_grpc_retry: Option<RetrySpec>,
    /// Copies get the suffix `-shadow` to their authority. Source: semantics S12.2.
    pub marks_copies: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zone {
    pub region: String,
    /// Equal to `region` for a bare name.
    pub name: String,
}

#[derive(Clone, Debug)]
pub struct Service {
    /// As people write it: short in the scenario's namespace, else `name.namespace`.
    pub name: String,
    pub namespace: String,
    /// `reviews.default.svc.cluster.local`, or a ServiceEntry's host.
    pub host: String,
}

#[derive(Clone, Debug)]
pub struct Pod {
    /// `reviews-v2-0`.
    pub name: String,
    pub workload: WorkloadId,
    /// Number within the workload.
    pub ordinal: u32,
    pub zone: ZoneId,
    /// `10.0.0.7:9080`: what ring hash and Maglev hash.
    pub address: String,
    /// The proxy through which its own calls leave; `None` if it makes none.
    pub proxy: Option<ProxyId>,
}

/// One Envoy, or for callers without sidecar the bare kernel that picks a pod per call.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// `browser-0`, `productpage-v1-0`: part of its random stream.
    pub name: String,
    /// The `source` column: client name, or calling workload.
    pub source: String,
    pub kind: ProxyKind,
    pub zone: ZoneId,
    /// `10.0.0.7`: where its calls come from, for those who hash that.
    pub address: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    Sidecar,
    /// A client at its door reaches it without network.
    Gateway,
    /// No Envoy: no latency of its own, no policy.
    Bare,
    /// No Envoy but the node's ztunnel: latency, no policy. Source: semantics S22.1, S22.2.
    Ztunnel,
    /// One replica of a waypoint; callers reach it over the network.
    Waypoint,
}

impl ProxyKind {
    /// Whether an Envoy speaks HTTP there.
    pub fn is_envoy(self) -> bool {
        matches!(self, ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint)
    }
}

/// Envoys that apply rules for all callers of the services behind them; they share nothing. Source: semantics S22.
#[derive(Clone, Debug)]
pub struct Waypoint {
    /// As people write it: short in the scenario's namespace, else `name.namespace`.
    pub name: String,
    pub replicas: Vec<ProxyId>,
}

/// One service behind one waypoint, which has routes for each: the host that a request names plays no part there.
/// Source: semantics S22.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub waypoint: WaypointId,
    pub service: ServiceId,
    /// Ports that speak HTTP/2: a caller keeps one connection there. Source: semantics S22.2.
    pub http2_ports: Vec<u16>,
}

/// One (service, port, subset) as proxies see it, with one policy. A changed policy is another cluster, as in Envoy.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// `outbound|9080|v2|reviews.default.svc.cluster.local`.
    pub name: String,
    pub service: ServiceId,
    pub port: u16,
    /// Empty for the base cluster.
    pub subset: String,
    pub hosts: Vec<Host>,
    pub connection: ConnectionSpec,
    pub breakers: CircuitBreakers,
    pub balancer: BalancerSpec,
    /// `None`: all hosts are alike, wherever they run.
    pub localities: Option<LocalitySpec>,
    /// Pods that are not ready stay in the list of hosts, where they count and are not picked; else they leave it.
    /// Source: semantics S15.1.
    pub lists_unready: bool,
    pub outlier: Option<OutlierSpec>,
}

/// One endpoint of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    pub pod: PodId,
    pub weight: u32,
    /// New connections make a TLS handshake: one more round trip. Source: semantics S13.1, S13.4; design D9.3.
    pub tls: bool,
    /// `Some`: the host does not take such connections.
    pub refusal: Option<Refusal>,
}

/// How connections fail that a host's mutual TLS does not let in. Source: semantics S13.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The handshake never completes: a failed connection, UF.
    NoHandshake,
    /// The connection stands and is cut with the first request on it: UC.
    Cut,
}

/// The configuration from one moment on, as the control plane pushes it.
#[derive(Clone, Debug)]
pub struct ConfigState {
    pub at: SimTime,
    /// What changed, for people: `apply steps/canary-10.yaml`.
    pub label: String,
    /// It is more than pods that start or end, which proxies hear of as endpoints.
    pub is_push: bool,
    /// The table of every proxy.
    pub tables: Table<ProxyId, RouteTableId>,
    /// What every waypoint's replicas do for the service behind each door.
    pub doors: Table<DoorId, RouteTableId>,
}

/// One objective, in k6's grammar. Source: design D4.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// As written.
    pub text: String,
    pub scope: ObjectiveScope,
    pub figure: Figure,
    pub comparison: Comparison,
    /// In the figure's own unit: per cent, milliseconds, requests per second, or a count.
    pub limit: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ObjectiveScope {
    /// All clients together.
    All,
    Client {
        client: ClientId,
        class: Option<String>,
    },
    /// As its callers see it; `subset` `None`: all of them.
    Service {
        service: ServiceId,
        subset: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    SuccessPct,
    /// Quantile in (0, 1), milliseconds.
    Latency(f64),
    LatencyMean,
    LatencyMax,
    Rps,
    Retries,
    Ejections,
    Overflow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
