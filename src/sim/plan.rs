//! The mesh made ready to run: one flat row per route, step and cluster, quantile tables instead of distributions.
//! Built once per mesh and shared by all replications; nothing in it changes during a run.

use std::collections::BTreeMap;

use crate::kernel::distribution::Distribution;
use crate::kernel::random::Chance;
use crate::kernel::sampler::Sampler;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::policy_spec::{Breakage, CircuitBreakers, Ending, ErrorSpec};
use crate::mesh::routing::{Action, Destination, Rewrite, Route, RouteTable};
use crate::mesh::workload::{DataPlane, Discipline, Inbound, Limits, OnError, Step, Threading, Workload};
use crate::mesh::{
    CallSpecId, ClientId, ClusterId, Mesh, PodId, ProxyId, ProxyKind, RouteTableId, ServiceId, StateId,
    WorkloadId, ZoneId,
};
use crate::policy::hash::xxh64;
use crate::policy::pool::Rules;
use crate::policy::request::RequestShape;
use crate::policy::retry::{ResponseHeaders, would_retry_response};
use crate::policy::route::{Condition, Router};
use crate::policy::timeout;
pub use crate::sim::client_plan::{ANY_WORKER, ClientPlan, Entry, pinned};
pub use crate::sim::cluster_plan::ClusterPlan;
pub use crate::sim::route_plan::{MirrorPlan, RoutePlan};
use crate::sim::tcp_plan::TcpPlan;

/// No row.
pub const NIL: u32 = u32::MAX;

/// From here on an attempt's status is no answer but a [`Breakage`].
pub const BROKEN: u16 = 1_000;

/// How the exchange broke off, if the attempt's status says so.
pub fn breakage(status: u16) -> Option<Breakage> {
    const ALL: [Breakage; 4] =
        [Breakage::Connection, Breakage::Stream, Breakage::Refused, Breakage::Protocol];
    ALL.into_iter().find(|breakage| BROKEN + *breakage as u16 == status)
}

/// A mesh, ready to run.
pub struct Plan<'m> {
    pub mesh: &'m Mesh,
    samplers: Vec<Sampler>,
    /// Distinct constant delays of timers; a run makes a lane of each.
    pub delays: Vec<SimDuration>,
    pub tables: Vec<TablePlan>,
    pub routes: Vec<RoutePlan<'m>>,
    /// Destinations of all routes.
    pub destinations: u32,
    pub clusters: Vec<ClusterPlan>,
    /// By proxy: the hash of its address.
    pub proxy_ips: Vec<u64>,
    pub workloads: Vec<WorkloadPlan<'m>>,
    pub steps: Vec<StepPlan>,
    /// By row of the first step of an operation: what an error takes there where nothing else is said.
    /// Source: design D9.11.
    pub first_work: Vec<Option<SamplerId>>,
    pub calls: Vec<CallPlan>,
    pub clients: Vec<ClientPlan<'m>>,
    pub network: NetworkPlan,
    pub tcp: TcpPlan<'m>,
    pub propagation: SamplerId,
    pub proxy_age: SamplerId,
}

/// A row of the samplers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerId(u32);

/// One route table's matcher and where its routes begin.
pub struct TablePlan {
    router: Router,
    /// By port: row of the first route of every virtual host.
    first_route: BTreeMap<u16, Vec<u32>>,
    splits: Vec<(ClusterId, f64)>,
}

impl TablePlan {
    /// The row of the route that a request takes, or [`NIL`] for none.
    pub fn find(&self, shape: &RequestShape) -> u32 {
        self.router
            .find(shape)
            .map_or(NIL, |path| self.first_route[&path.port][path.virtual_host] + path.route as u32)
    }

    /// Whether any match looks at this header.
    pub fn reads_header(&self, name: &str) -> bool {
        self.router.reads_header(name)
    }
}

pub struct WorkloadPlan<'m> {
    pub workload: &'m Workload,
    /// `u32::MAX`: unlimited.
    pub concurrency: u32,
    pub queue_limit: u32,
    pub shares_cores: bool,
    pub is_async: bool,
    pub errors: Option<ErrorPlan>,
    pub operations: Vec<OperationPlan>,
    /// Error incidents, by their number in the workload.
    pub incident_errors: Vec<Option<ErrorPlan>>,
    /// What its pods' own sidecars limit.
    pub inbound: Vec<InboundPlan<'m>>,
}

/// The limits of one port at a pod's own sidecar. Source: semantics S1.2.
pub struct InboundPlan<'m> {
    pub service: ServiceId,
    pub port: u16,
    pub limits: LimitsPlan<'m>,
    /// What later states of the configuration make of them.
    pub later: Vec<(StateId, LimitsPlan<'m>)>,
}

/// What one port of a pod is limited to.
#[derive(Clone, Copy)]
pub struct LimitsPlan<'m> {
    pub breakers: &'m CircuitBreakers,
    pub rules: Rules,
}

#[derive(Clone, Copy)]
pub struct ErrorPlan {
    pub rate: Chance,
    /// As attempts keep it: the answer's, or [`BROKEN`] and more.
    pub status: u16,
    pub service_time: Option<SamplerId>,
}

pub struct OperationPlan {
    /// `None`: every request.
    pub condition: Option<Condition>,
    /// Row of its first step; its last is [`StepPlan::End`].
    pub first_step: u32,
}

/// One step of an operation.
pub enum StepPlan {
    /// With its number within the operation.
    Work(SamplerId, u32),
    Calls(Vec<CallSpecId>),
    /// Behind the last of an operation.
    End,
}

pub struct CallPlan {
    pub share: Chance,
    /// Made every time.
    pub is_certain: bool,
    pub on_error: OnError,
    /// Row of `delays`, or [`NIL`].
    pub timeout: u32,
    pub attempts: u8,
}

/// One-way latencies.
pub struct NetworkPlan {
    pub in_zone: SamplerId,
    pub between_zones: SamplerId,
    pub between_regions: SamplerId,
    pub proxy: SamplerId,
    pub ztunnel: SamplerId,
    /// Every leg takes no time.
    pub is_free: bool,
}

impl<'m> Plan<'m> {
    /// Makes `mesh` ready. Costs a few milliseconds per distribution; a run then costs none of it.
    pub fn compile(mesh: &'m Mesh) -> Plan<'m> {
        let mut parts =
            Parts { mesh, destinations: 0, seen: Vec::new(), samplers: Vec::new(), delays: Vec::new() };
        let network = NetworkPlan::new(mesh, &mut parts);
        let propagation = parts.sampler(&mesh.propagation);
        let proxy_age = parts.sampler(&mesh.proxy.age);
        let mut routes = Vec::new();
        let tables = mesh.tables.rows().iter().map(|table| parts.table(table, &mut routes)).collect();
        let destinations = parts.destinations;
        let mut steps = Steps::default();
        let workloads =
            mesh.workloads.rows().iter().map(|workload| parts.workload(workload, &mut steps)).collect();
        let calls = mesh.calls.rows().iter().map(|call| CallPlan {
            share: call.share,
            is_certain: call.share == Chance::ALWAYS,
            on_error: call.on_error,
            timeout: parts.delay(call.timeout),
            attempts: u8::try_from(call.attempts.get()).unwrap_or(u8::MAX),
        });
        let calls = calls.collect();
        let clusters = mesh.clusters.rows().iter().map(ClusterPlan::new).collect();
        let clients =
            mesh.clients.rows().iter().map(|client| ClientPlan::new(mesh, client, &mut parts)).collect();
        let Parts { samplers, delays, .. } = parts;
        Plan {
            mesh,
            samplers,
            delays,
            tables,
            routes,
            destinations,
            clusters,
            proxy_ips: mesh.proxies.rows().iter().map(|proxy| xxh64(&proxy.address, 0)).collect(),
            workloads,
            steps: steps.rows,
            first_work: steps.first_work,
            calls,
            clients,
            network,
            tcp: TcpPlan::new(mesh),
            propagation,
            proxy_age,
        }
    }

    #[inline]
    pub fn sampler(&self, id: SamplerId) -> &Sampler {
        &self.samplers[id.0 as usize]
    }

    #[inline]
    pub fn workload(&self, id: WorkloadId) -> &WorkloadPlan<'m> {
        &self.workloads[id.index()]
    }

    #[inline]
    pub fn cluster(&self, id: ClusterId) -> &ClusterPlan {
        &self.clusters[id.index()]
    }

    #[inline]
    pub fn call(&self, id: CallSpecId) -> &CallPlan {
        &self.calls[id.index()]
    }

    pub fn table(&self, id: RouteTableId) -> &TablePlan {
        &self.tables[id.index()]
    }

    /// The clusters that a table's splits send to, each with its share in per cent.
    pub fn splits(&self, table: RouteTableId) -> &[(ClusterId, f64)] {
        &self.tables[table.index()].splits
    }

    /// The one-way latency between a proxy's pod and a pod.
    pub fn link(&self, proxy: ProxyId, pod: PodId) -> SamplerId {
        self.between(self.mesh.proxies[proxy].zone, self.mesh.pods[pod].zone)
    }

    /// The one-way latency between two proxies' pods.
    pub fn link_of_proxies(&self, one: ProxyId, other: ProxyId) -> SamplerId {
        self.between(self.mesh.proxies[one].zone, self.mesh.proxies[other].zone)
    }

    /// Of what pods with a data plane have on their side of the network.
    pub fn data_plane(&self, plane: DataPlane) -> Option<SamplerId> {
        match plane {
            DataPlane::Sidecar => Some(self.network.proxy),
            DataPlane::Ambient => Some(self.network.ztunnel),
            DataPlane::Proxyless | DataPlane::Bare => None,
        }
    }

    /// Of a calling proxy.
    pub fn proxy_latency(&self, proxy: ProxyId) -> Option<SamplerId> {
        match self.mesh.proxies[proxy].kind {
            ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint => Some(self.network.proxy),
            ProxyKind::Ztunnel => Some(self.network.ztunnel),
            ProxyKind::Bare => None,
        }
    }

    /// The proxies by which a client's requests come in: all of its own, or those of its workload's pods that serve.
    #[inline]
    pub fn entrances(&self, client: ClientId, born: SimTime) -> &'m [ProxyId] {
        let proxies = &self.mesh.clients[client].proxies;
        let pods = self.clients[client.index()].life.and_then(|life| life.serving_at(born));
        // `resolve` takes care that there is one.
        pods.map_or(proxies, |pods| &proxies[..proxies.len().min(pods.max(1) as usize)])
    }

    fn between(&self, a: ZoneId, b: ZoneId) -> SamplerId {
        let (here, there) = (&self.mesh.zones[a], &self.mesh.zones[b]);
        if a == b {
            self.network.in_zone
        } else if here.region == there.region {
            self.network.between_zones
        } else {
            self.network.between_regions
        }
    }

    /// Whether an Envoy answers there.
    pub fn has_envoy(&self, proxy: ProxyId) -> bool {
        self.mesh.proxies[proxy].kind.is_envoy()
    }
}

impl<'m> InboundPlan<'m> {
    fn new(inbound: &'m Inbound) -> InboundPlan<'m> {
        InboundPlan {
            service: inbound.service,
            port: inbound.port,
            limits: LimitsPlan::new(&inbound.limits),
            later: inbound.later.iter().map(|(state, limits)| (*state, LimitsPlan::new(limits))).collect(),
        }
    }
}

impl<'m> LimitsPlan<'m> {
    fn new(limits: &'m Limits) -> LimitsPlan<'m> {
        LimitsPlan { breakers: &limits.breakers, rules: Rules::new(&limits.connection) }
    }
}

impl NetworkPlan {
    fn new(mesh: &Mesh, parts: &mut Parts<'_>) -> NetworkPlan {
        let in_zone = parts.sampler(&mesh.network.latency);
        let between_zones = parts.sampler(&mesh.network.between_zones);
        let between_regions = parts.sampler(&mesh.network.between_regions);
        let proxy = parts.sampler(&mesh.proxy.latency);
        let captured = mesh.workloads.rows().iter().any(|workload| workload.data_plane == DataPlane::Ambient)
            || mesh.proxies.rows().iter().any(|proxy| proxy.kind == ProxyKind::Ztunnel);
        let nothing = Distribution::Constant(SimDuration::ZERO);
        let ztunnel = parts.sampler(if captured { &mesh.proxy.ztunnel_latency } else { &nothing });
        let is_zero = |id: SamplerId| parts.samplers[id.0 as usize].is_zero();
        let one_zone = mesh.zones.len() <= 1;
        let is_free = is_zero(in_zone)
            && is_zero(proxy)
            && is_zero(ztunnel)
            && (one_zone || is_zero(between_zones) && is_zero(between_regions));
        NetworkPlan { in_zone, between_zones, between_regions, proxy, ztunnel, is_free }
    }
}

/// The steps of all operations, one after the other.
#[derive(Default)]
struct Steps {
    rows: Vec<StepPlan>,
    first_work: Vec<Option<SamplerId>>,
}

/// What is made while compiling: equal distributions share a sampler, equal delays a lane.
pub(super) struct Parts<'m> {
    mesh: &'m Mesh,
    destinations: u32,
    seen: Vec<Distribution>,
    samplers: Vec<Sampler>,
    delays: Vec<SimDuration>,
}

impl<'m> Parts<'m> {
    pub(super) fn sampler(&mut self, distribution: &Distribution) -> SamplerId {
        let found = self.seen.iter().position(|seen| seen == distribution);
        let index = found.unwrap_or_else(|| {
            self.seen.push(distribution.clone());
            self.samplers.push(Sampler::new(distribution));
            self.seen.len() - 1
        });
        SamplerId(index as u32)
    }

    pub(super) fn delay(&mut self, delay: Option<SimDuration>) -> u32 {
        let Some(delay) = delay else { return NIL };
        let found = self.delays.iter().position(|seen| *seen == delay);
        found.unwrap_or_else(|| {
            self.delays.push(delay);
            self.delays.len() - 1
        }) as u32
    }

    fn table(&mut self, table: &'m RouteTable, routes: &mut Vec<RoutePlan<'m>>) -> TablePlan {
        let mut first_route = BTreeMap::new();
        for (port, hosts) in &table.listeners {
            let mut firsts = Vec::with_capacity(hosts.len());
            for host in hosts {
                firsts.push(routes.len() as u32);
                for route in &host.routes {
                    routes.push(self.route(route));
                }
            }
            first_route.insert(*port, firsts);
        }
        TablePlan { router: Router::new(table), first_route, splits: splits(table) }
    }

    fn route(&mut self, route: &'m Route) -> RoutePlan<'m> {
        let (destinations, respond): (&[Destination], u16) = match &route.action {
            Action::Forward(destinations) => (destinations, 0),
            Action::Respond(code) => (&[], *code),
        };
        let choice = destinations.len() > 1;
        let ok = ResponseHeaders { code: 200, ..ResponseHeaders::default() };
        let per_try = route.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        let first_destination = self.destinations;
        self.destinations += destinations.len() as u32;
        RoutePlan {
            route,
            destinations,
            first_destination,
            total_weight: if choice { destinations.iter().map(|d| u64::from(d.weight)).sum() } else { 0 },
            respond,
            fault: route.fault.as_ref(),
            retry: route.retry.as_ref(),
            retries: route.retry.as_ref().map_or(0, |retry| retry.attempts.get().min(0xffff) as u16),
            changes_shape: !route.request_headers.is_empty() || route.rewrite != Rewrite::default(),
            mirrors: route.mirrors.iter().map(|mirror| MirrorPlan::new(self.mesh, mirror)).collect(),
            timeout: self.delay(route.timeout),
            per_try: self.delay(timeout::per_try(per_try, route.timeout)),
            retries_ok: route.retry.as_ref().is_some_and(|retry| would_retry_response(retry, ok)),
        }
    }

    /// What an app breaks off is answered for by its sidecar: to callers a plain response. Source: semantics S15.3.
    fn error(&mut self, spec: &ErrorSpec, has_sidecar: bool) -> ErrorPlan {
        ErrorPlan {
            rate: spec.rate,
            status: match spec.ending {
                Ending::Status(status) => status,
                Ending::Broken(Breakage::Protocol) if has_sidecar => 502,
                Ending::Broken(_) if has_sidecar => 503,
                Ending::Broken(breakage) => BROKEN + breakage as u16,
            },
            service_time: spec.service_time.as_ref().map(|time| self.sampler(time)),
        }
    }

    fn workload(&mut self, workload: &'m Workload, steps: &mut Steps) -> WorkloadPlan<'m> {
        let operations = workload.operations.iter().map(|operation| {
            let first_step = steps.rows.len() as u32;
            if !matches!(operation.steps.first(), Some(Step::Work(_))) {
                // Every operation begins by passing through the queue, so that a burst of them is no recursion.
                let nothing = self.sampler(&Distribution::Constant(SimDuration::ZERO));
                steps.rows.push(StepPlan::Work(nothing, NIL));
            }
            let mut first_work = None;
            for (number, step) in operation.steps.iter().enumerate() {
                steps.rows.push(match step {
                    Step::Work(time) => {
                        let sampler = self.sampler(time);
                        first_work = first_work.or(Some(sampler));
                        StepPlan::Work(sampler, number as u32)
                    }
                    Step::Calls(calls) => StepPlan::Calls(calls.clone()),
                });
            }
            steps.rows.push(StepPlan::End);
            steps.first_work.resize(steps.rows.len(), None);
            steps.first_work[first_step as usize] = first_work;
            let condition = operation.condition.as_ref().map(|condition| {
                Condition::new(condition).expect("`resolve` admits only patterns that compile")
            });
            OperationPlan { condition, first_step }
        });
        let operations = operations.collect();
        let incident_errors = workload.incidents.iter().map(|incident| match &incident.kind {
            crate::mesh::workload::IncidentKind::Errors(spec) => {
                Some(self.error(spec, workload.has_sidecar()))
            }
            _ => None,
        });
        let incident_errors = incident_errors.collect();
        WorkloadPlan {
            workload,
            concurrency: workload.concurrency.map_or(u32::MAX, std::num::NonZero::get),
            queue_limit: workload.queue.unwrap_or(u32::MAX),
            shares_cores: workload.discipline == Discipline::ProcessorSharing,
            is_async: workload.threading == Threading::Async,
            errors: workload.errors.as_ref().map(|spec| self.error(spec, workload.has_sidecar())),
            operations,
            incident_errors,
            inbound: workload.inbound.iter().map(InboundPlan::new).collect(),
        }
    }
}

fn splits(table: &RouteTable) -> Vec<(ClusterId, f64)> {
    let mut splits = Vec::new();
    let http = table.listeners.values().flatten().flat_map(|host| &host.routes);
    let http = http.filter_map(|route| match &route.action {
        Action::Forward(destinations) => Some(destinations),
        Action::Respond(_) => None,
    });
    for destinations in http.chain(table.tcp.values().flatten().map(|route| &route.destinations)) {
        let total: u64 = destinations.iter().map(|destination| u64::from(destination.weight)).sum();
        if destinations.len() > 1 && total > 0 {
            let share = |weight: u32| 100.0 * f64::from(weight) / total as f64;
            splits.extend(destinations.iter().filter_map(|to| Some((to.cluster?, share(to.weight)))));
        }
    }
    splits
}
