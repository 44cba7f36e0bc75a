//! Everything that changes during a run, in flat tables named by numbers. State lies where Envoy keeps it: balancers
//! and pools per worker, breakers and detectors per proxy and cluster, nothing between two proxies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::fifo::Arena;
use crate::kernel::lanes::Lane;
use crate::kernel::queue::Queue;
use crate::kernel::random::{Purpose, draw, entity_root};
use crate::kernel::slab::Slab;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::model::Refusal;
use crate::mesh::{ClientId, ClusterId, PodId, ProxyId, ProxyKind, RouteTableId, StateId, ZoneId};
use crate::metrics::recorder::{ClusterRow, HostRow, Recorder};
use crate::metrics::results::Clock;
use crate::policy::balance::connection::Connection;
use crate::policy::balance::hashed::{Table, Tables};
use crate::policy::balance::locality::Turns;
use crate::policy::balance::sources::{HostState, Sources};
use crate::policy::balance::{self, Balancer};
use crate::policy::inbound::{Gate, Pass};
use crate::policy::look_back::LookBack;
use crate::policy::outlier::Detector;
use crate::policy::pool::{Breakers, Connections, Pool};
use crate::sim::client::ClientState;
use crate::sim::endpoint::PodState;
use crate::sim::event::Event;
use crate::sim::network::Way;
use crate::sim::observer::{Observer, Step};
use crate::sim::plan::{self, ANY_WORKER, ClusterPlan, Entry, NIL, Plan};
pub use crate::sim::rows::{Attempt, Call, Parent, Phase, Request, Session, Stage};
use crate::sim::shapes::Shapes;

/// One run of one replication.
pub struct World<'p> {
    pub plan: &'p Plan<'p>,
    pub now: SimTime,
    pub queue: Queue<Event>,
    /// By row of the plan's delays.
    pub lanes: Vec<Lane>,
    pub shapes: Shapes,
    pub requests: Slab<Request>,
    pub calls: Slab<Call>,
    pub attempts: Slab<Attempt>,
    pub connections: Connections,
    pub sessions: Slab<Session>,
    /// Waiting lines: at pools, at pods, and the hosts that calls have tried.
    pub lines: Arena,
    pub proxies: Vec<ProxyState>,
    pub upstreams: Vec<Upstream<'p>>,
    /// Of all upstreams, as they are first used.
    pub pools: Vec<HostPool>,
    /// Of all pods whose own sidecar has limits to keep.
    pub gates: Vec<PodGate>,
    /// By row of `attempts`, where there are gates.
    pub passes: Vec<Pass>,
    /// By row of `connections`, to applications that close idle ones: see `keep_alive.rs`.
    pub closings: Vec<SimTime>,
    /// By row of `attempts`: when it began, where a retry budget looks back.
    pub begun: Vec<SimTime>,
    /// By cluster, whose hosts have the same rows at each proxy; empty before its first use.
    pub host_rows: Vec<Box<[HostRow]>>,
    /// By cluster: its tables of keys, which all proxies share.
    pub tables: Vec<Option<Tables>>,
    pub pods: Vec<PodState>,
    /// By workload: when the control plane last told the proxies of its list of pods, and how often before.
    pub listings: Vec<(SimTime, u64)>,
    pub clients: Vec<ClientState>,
    pub recorder: Recorder,
    /// Whoever hears of each request, if anybody does.
    pub observer: Option<Box<Observer>>,
    pub clock: Clock,
}

/// One Envoy.
pub struct ProxyState {
    pub root: u64,
    /// The routes that it has been given last, and the state that they belong to.
    pub table: RouteTableId,
    pub state: StateId,
    /// Worker threads that its calls are dealt out to.
    pub workers: u32,
    /// It is no Envoy, and each of its `workers` stands for a connection of the application's, which keeps its host.
    pub pins_hosts: bool,
    /// When the last configuration push reaches it: later ones never overtake.
    pub last_push: SimTime,
    /// Nanoseconds that it has run at t = 0.
    pub age: u64,
    /// What it has been told of pods that are, or have been, no healthy hosts, in order of the pods.
    pub told: Vec<Told>,
    /// By cluster: its row of `upstreams`, or [`NIL`] before first use.
    pub upstreams: Vec<u32>,
}

/// What a proxy knows of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub pod: PodId,
    pub state: HostState,
    /// When it was first healthy since it came; 0: it has been there from the start.
    pub came: SimTime,
}

impl ProxyState {
    /// What it knows of a pod: healthy from the start, unless it has been told otherwise.
    pub fn told(&self, pod: PodId) -> Told {
        let found = self.told.binary_search_by_key(&pod, |told| told.pod);
        found.map_or(Told { pod, state: HostState::Healthy, came: SimTime::ZERO }, |at| self.told[at])
    }

    pub fn tell(&mut self, told: Told) {
        match self.told.binary_search_by_key(&told.pod, |told| told.pod) {
            Ok(at) => self.told[at] = told,
            Err(at) => self.told.insert(at, told),
        }
    }
}

/// One cluster at one proxy.
pub struct Upstream<'p> {
    pub plan: &'p ClusterPlan,
    pub cluster: ClusterId,
    pub proxy: ProxyId,
    pub row: ClusterRow,
    pub breakers: Breakers,
    /// Streams on connections, per host over all workers.
    pub active: Vec<u32>,
    pub hosts: Vec<UpstreamHost>,
    /// Hosts that the balancers may pick, as they have been told, where all picks go to one list.
    pub available: Vec<u32>,
    /// The number of that list.
    pub source: u32,
    /// All first picks go to one list, and no table is asked.
    pub is_sure: bool,
    /// All lists, where there can be several.
    pub sources: Option<Box<Sources>>,
    /// By list, for balancers with tables; made when first asked for.
    pub tables: Vec<Option<Arc<Table>>>,
    /// When its balancers first saw each host healthy; empty without slow start. Source: semantics S6.7.
    pub first_healthy: Vec<SimTime>,
    pub generation: u32,
    /// When the balancers were last told of a change, and whether another waits for the window's end. S21.1.
    pub told: Option<SimTime>,
    pub is_merging: bool,
    /// By worker; made when first used.
    pub workers: Vec<Option<WorkerState>>,
    pub detector: Option<Detector>,
    pub is_sweeping: bool,
    /// What its retry budget remembers, where it looks back.
    pub look_back: Option<Box<LookBack>>,
    /// No idle connection goes before this moment; it may be earlier than the first that does.
    pub fresh_until: SimTime,
}

pub struct UpstreamHost {
    pub pod: PodId,
    pub row: HostRow,
    pub tls: bool,
    pub refusal: Option<Refusal>,
    /// As the proxy has been told, whatever its own detector thinks.
    pub told: HostState,
    /// It has not been seen healthy since it came.
    pub is_new: bool,
    pub ejections: u64,
    /// Those of [warmup, duration).
    pub counted_ejections: u64,
    /// When the present ejection began.
    pub ejected_since: SimTime,
    pub ejected_nanos: u64,
}

/// What each worker of a proxy has of a cluster for itself.
pub struct WorkerState {
    pub balancer: Box<dyn Balancer>,
    pub turns: Turns,
    /// By host: its row of `pools`, or [`NIL`] before first use.
    pub pools: Vec<u32>,
}

/// The connections of one worker to one host, and where they lead.
pub struct HostPool {
    pub pool: Pool,
    pub upstream: u32,
    /// Its place among the upstream's hosts.
    pub host: u32,
    pub pod: PodId,
    pub row: HostRow,
    pub way: Way,
    /// Row of `gates`: the pod's own limits on this port, or [`NIL`].
    pub gate: u32,
    /// The application closes idle connections, and no sidecar of its own stands before it.
    pub keep_alive: Option<SimDuration>,
}

/// What a pod's own sidecar limits on one port.
pub struct PodGate {
    pub gate: Gate,
    /// Connections of opaque bytes that it has let through.
    pub sessions: u32,
    pub pod: PodId,
    /// Its number among the workload's inbound limits.
    pub number: u32,
    /// Made when there is something to count.
    pub row: Option<ClusterRow>,
}

impl WorkerState {
    /// The pool for a host, or [`NIL`] for none and before first use.
    #[inline]
    pub fn pool(&self, host: Option<u32>) -> u32 {
        host.map_or(NIL, |host| self.pools[host as usize])
    }
}

impl<'p> World<'p> {
    /// A call with this key goes to the cluster of this name (its hash). Copies, and work for which nobody waits any more,
    /// belong to no request.
    #[cold]
    pub fn tell_observer(&mut self, parent: Parent, call: u64, cluster: u64) {
        let Some(request) = self.request_of(parent) else { return };
        if let Some(observer) = &mut self.observer {
            observer.sent(request, Step { call, cluster });
        }
    }

    /// The row of the request that a call with this parent serves in the end.
    pub fn request_of(&self, mut parent: Parent) -> Option<u32> {
        loop {
            match parent {
                Parent::Request(request) => return Some(request),
                Parent::Nobody => return None,
                Parent::Attempt(slot) => {
                    let attempt = self.attempts.get(slot).filter(|attempt| !attempt.is_abandoned)?;
                    parent = self.calls[attempt.call].parent;
                }
            }
        }
    }

    /// The state of cluster `cluster` at `proxy`, made at its first use.
    #[inline]
    pub fn upstream(&mut self, proxy: ProxyId, cluster: ClusterId) -> u32 {
        let state = &self.proxies[proxy.index()];
        match state.upstreams.get(cluster.index()) {
            Some(row) if *row != NIL => *row,
            _ => self.make_upstream(proxy, cluster),
        }
    }

    #[cold]
    pub fn make_upstream(&mut self, proxy: ProxyId, id: ClusterId) -> u32 {
        let mesh = self.plan.mesh;
        let cluster = &mesh.clusters[id];
        let service = &mesh.services[cluster.service].name;
        let source = &mesh.proxies[proxy].source;
        let row = self.recorder.cluster_row(source, service, cluster.port, &cluster.subset);
        if self.host_rows[id.index()].is_empty() {
            let rows = cluster.hosts.iter().map(|host| {
                let pod = &mesh.pods[host.pod];
                self.recorder.host_row(service, &cluster.subset, &pod.name, &mesh.zones[pod.zone].name)
            });
            self.host_rows[id.index()] = rows.collect();
        }
        let knows = &self.proxies[proxy.index()];
        let plan = self.plan.cluster(id);
        let hosts: Vec<UpstreamHost> = cluster
            .hosts
            .iter()
            .zip(&self.host_rows[id.index()])
            .map(|(host, row)| UpstreamHost {
                pod: host.pod,
                row: *row,
                tls: host.tls,
                refusal: host.refusal,
                told: knows.told(host.pod).state,
                is_new: knows.told(host.pod).state != HostState::Healthy,
                ejections: 0,
                counted_ejections: 0,
                ejected_since: SimTime::ZERO,
                ejected_nanos: 0,
            })
            .collect();
        let index = self.upstreams.len() as u32;
        let budget = cluster.breakers.retry_budget.as_ref();
        let came = hosts.iter().filter(|_| plan.starts_slowly).map(|host| knows.told(host.pod).came);
        let mut upstream = Upstream {
            plan,
            cluster: id,
            proxy,
            row,
            breakers: Breakers::new(&cluster.breakers),
            active: vec![0; hosts.len()],
            available: Vec::new(),
            source: 0,
            is_sure: true,
            sources: None,
            tables: Vec::new(),
            first_healthy: came.collect(),
            detector: cluster.outlier.as_ref().map(|spec| Detector::new(spec, hosts.len())),
            hosts,
            generation: 0,
            told: None,
            is_merging: false,
            workers: (0..self.proxies[proxy.index()].workers.max(mesh.proxy.workers.get()))
                .map(|_| None)
                .collect(),
            is_sweeping: false,
            look_back: budget.and_then(|budget| LookBack::new(budget.interval)).map(Box::new),
            fresh_until: SimTime::ZERO,
        };
        for (number, host) in upstream.hosts.iter().enumerate() {
            if plan.lists(host.told) == HostState::Gone
                && let Some(detector) = &mut upstream.detector
            {
                detector.remove(number);
            }
        }
        upstream.survey(mesh.proxies[proxy].zone);
        self.upstreams.push(upstream);
        let known = &mut self.proxies[proxy.index()].upstreams;
        if known.len() <= id.index() {
            known.resize(mesh.clusters.len(), NIL);
        }
        known[id.index()] = index;
        index
    }

    /// Makes what worker `worker` has of an upstream.
    #[cold]
    pub fn make_worker(&mut self, upstream: u32, worker: u16) {
        let Upstream { plan, cluster, proxy, ref hosts, .. } = self.upstreams[upstream as usize];
        let cluster = &self.plan.mesh.clusters[cluster];
        let key = self.proxies[proxy.index()].root ^ plan.name_hash;
        let seed = draw(key, Purpose::BalancerSeed, u64::from(worker));
        let balancer = match self.proxies[proxy.index()].pins_hosts {
            false => balance::build(&cluster.balancer, seed).expect("the model names balancers that exist"),
            true => Connection::build(&cluster.balancer, seed),
        };
        let pools = vec![NIL; hosts.len()];
        self.upstreams[upstream as usize].workers[usize::from(worker)] =
            Some(WorkerState { balancer, turns: Turns::default(), pools });
    }

    /// Makes the pool of a worker for a host.
    #[cold]
    pub fn make_pool(&mut self, number: u32, worker: u16, host: u32) -> u32 {
        let upstream = &mut self.upstreams[number as usize];
        let UpstreamHost { pod, row, refusal, .. } = upstream.hosts[host as usize];
        let way = Way::new(self.plan, upstream.proxy, pod, refusal == Some(Refusal::Cut));
        let cluster = &self.plan.mesh.clusters[upstream.cluster];
        let state = &self.pods[pod.index()];
        let inbound = &self.plan.workload(state.workload).inbound;
        let place = inbound.iter().position(|of| of.service == cluster.service && of.port == cluster.port);
        let server = self.plan.workload(state.workload).workload;
        let keep_alive = server.keep_alive.filter(|_| !server.has_sidecar());
        let gate = place.map_or(NIL, |place| state.gates[place]);
        let made = self.pools.len() as u32;
        let pool = Pool::default();
        self.pools.push(HostPool { pool, upstream: number, host, pod, row, way, gate, keep_alive });
        let worker = upstream.workers[usize::from(worker)].as_mut().expect("a worker comes before its pools");
        worker.pools[host as usize] = made;
        made
    }

    /// The proxy beside whoever made a call, whichever one it has reached; a copy's is where it was made.
    pub fn own_proxy(&self, call: &Call) -> ProxyId {
        self.entry(call).proxy
    }

    /// Where a call began.
    pub fn entry(&self, call: &Call) -> Entry {
        let proxy = match call.parent {
            Parent::Request(request) => {
                let request = &self.requests[request];
                let id = ClientId::from_index(request.client as usize);
                let client = &self.plan.mesh.clients[id];
                let proxies = self.plan.entrances(id, request.born);
                let root = self.clients[request.client as usize].root();
                let workers = self.plan.mesh.proxy.workers.get();
                return Entry::of(client, proxies, workers, root, request.fate, request.user);
            }
            Parent::Attempt(slot) => {
                let pod = self.attempts.get(slot).map(|attempt| attempt.pod);
                let own = pod.and_then(|pod| self.plan.mesh.pods[pod].proxy);
                own.unwrap_or_else(|| ProxyId::from_index(call.proxy as usize))
            }
            Parent::Nobody => ProxyId::from_index(call.proxy as usize),
        };
        Entry { proxy, worker: ANY_WORKER }
    }

    /// The row of a cluster that may not exist, for calls that were meant for it.
    #[cold]
    pub fn row_of(&mut self, proxy: ProxyId, service: &str, port: u16, subset: &str) -> ClusterRow {
        let source = &self.plan.mesh.proxies[proxy].source;
        self.recorder.cluster_row(source, service, port, subset)
    }
}

impl Upstream<'_> {
    /// Works out where picks go, as its hosts are now, for a proxy in `zone`. Source: semantics S6.
    pub fn survey(&mut self, zone: ZoneId) {
        let plan = self.plan;
        let state = |number: u32| {
            let is_out = self.detector.as_ref().is_some_and(|detector| detector.is_ejected(number as usize));
            match plan.lists(self.hosts[number as usize].told) {
                HostState::Healthy if is_out => HostState::Unhealthy,
                listed => listed,
            }
        };
        let sources = Sources::new(plan.groups(zone), plan.weighs_localities, plan.panic_threshold, state);
        let only = sources.only().filter(|_| !plan.is_keyed);
        self.is_sure = only.is_some();
        self.tables.clear();
        self.available.clear();
        if let Some(source) = only {
            self.source = source;
            self.available.extend_from_slice(sources.list(source));
        }
        let is_one = only.is_some() && sources.priorities() == 1;
        self.sources = (!is_one).then(|| Box::new(sources));
    }
}

/// The pods' own limits, one gate for each port that has any.
pub fn open_gates(world: &mut World<'_>) {
    let plan = world.plan;
    for (number, pod) in world.pods.iter_mut().enumerate() {
        for (nth, inbound) in plan.workload(pod.workload).inbound.iter().enumerate() {
            pod.gates.push(world.gates.len() as u32);
            let (id, workers) = (PodId::from_index(number), plan.mesh.proxy.workers.get());
            let gate = Gate::new(inbound.limits.breakers, inbound.limits.rules, workers);
            world.gates.push(PodGate { gate, sessions: 0, pod: id, number: nth as u32, row: None });
        }
    }
}

/// The proxies as they are at t = 0.
pub fn proxies(plan: &Plan<'_>, seed: u64, replication: u64) -> Vec<ProxyState> {
    let first = plan.mesh.states.rows().first().expect("there is a state at t = 0");
    let age = plan.sampler(plan.proxy_age);
    let mut pinned = BTreeMap::new();
    for client in plan.mesh.clients.rows() {
        pinned.extend(
            plan::pinned(client)
                .into_iter()
                .flat_map(|count| client.proxies.iter().map(move |proxy| (*proxy, count))),
        );
    }
    let states = plan.mesh.proxies.iter().map(|(id, proxy)| {
        let connections = pinned.get(&id).copied();
        let root = entity_root(seed, replication, &format!("proxy/{}", proxy.name));
        ProxyState {
            root,
            table: first.tables[id],
            state: StateId::from_index(0),
            // A ztunnel keeps an application's connection together, whoever works at it.
            workers: match proxy.kind {
                _ if connections.is_some() => connections.unwrap_or_default(),
                ProxyKind::Ztunnel => 1,
                _ => plan.mesh.proxy.workers.get(),
            },
            pins_hosts: connections.is_some(),
            last_push: SimTime::ZERO,
            age: age.sample(draw(root, Purpose::ProxyAge, 0)).nanos(),
            told: Vec::new(),
            upstreams: Vec::new(),
        }
    });
    states.collect()
}

/// How long after the first of two host changes the second waits at the most. Source: semantics S21.1.
pub const MERGE_WINDOW: SimDuration = SimDuration::from_secs(1);
