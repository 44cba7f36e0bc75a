//! The walk itself: requests of a client as shares, from hop to hop. Equal calls are merged at each depth, so a tree of
//! calls costs its distinct calls and not its leaves.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Answer, ClientTraffic, Door, Hop, Split, StateTraffic};
use super::limits::Carriers;
use crate::kernel::{Id, SimTime, Table};
use crate::mesh::model::{Cluster, Host, Pod};
use crate::mesh::routing::{Action, Destination, Route, ServiceRef};
use crate::mesh::workload::{Client, ClientKind, Step, Users};
use crate::mesh::{ClusterId, ConfigState, DoorId, Mesh, ProxyId, RouteTableId, WorkloadId};
use crate::policy::onward;
use crate::policy::request::RequestShape;
use crate::policy::route::{Condition, RoutePath, Router};

/// As in the engine: what goes deeper is reset. Source: design D9.10.
const MOST_HOPS: usize = 64;
/// Calls per request that are not worth following: cycles die out by them.
const LEAST_CALLS: f64 = 1e-9;
/// Users of a population that are looked at one by one.
const MOST_USERS: u32 = 2_000;

/// What calls are the same: the caller (`None`: the client) and the look of the request.
type Calls = BTreeMap<(Option<WorkloadId>, RequestShape), Flow>;
/// Calls per request of the client, and the classes that they come from.
#[derive(Clone, Debug, Default)]
struct Flow {
    calls: f64,
    classes: BTreeSet<String>,
}

impl Flow {
    fn add(&mut self, calls: f64, classes: &BTreeSet<String>) {
        self.calls += calls;
        self.classes.extend(classes.iter().cloned());
    }
}

/// Caller, host, port, and the rule, or the route where no rule wrote it: what one hop is. A rule with several matches
/// is several routes and one hop.
type HopKey = (Option<WorkloadId>, String, u16, Option<(String, String)>, Option<RoutePath>);

/// Answers questions about a mesh, and remembers who was ever reached.
pub(super) struct Walker<'m> {
    pub(super) mesh: &'m Mesh,
    routers: Table<RouteTableId, Router>,
    operations: Table<WorkloadId, Vec<Option<Condition>>>,
    /// A proxy through which the workload calls.
    proxies: Table<WorkloadId, Option<ProxyId>>,
    pub reached: Vec<bool>,
    /// When the state begins that is looked at: pods that are away then do not count.
    pub(super) now: SimTime,
}

impl<'m> Walker<'m> {
    pub fn new(mesh: &'m Mesh) -> Walker<'m> {
        let mut routers = Table::new();
        for table in mesh.tables.rows() {
            routers.push(Router::new(table));
        }
        let (mut operations, mut proxies) = (Table::new(), Table::new());
        for workload in mesh.workloads.rows() {
            let conditions = workload.operations.iter().map(|operation| {
                let condition = operation.condition.as_ref();
                condition.map(|c| Condition::new(c).expect("`resolve` admits only patterns that compile"))
            });
            operations.push(conditions.collect());
            proxies.push(None);
        }
        for pod in mesh.pods.rows() {
            let first: &mut Option<ProxyId> = &mut proxies[pod.workload];
            *first = first.or(pod.proxy);
        }
        Walker {
            mesh,
            routers,
            operations,
            proxies,
            reached: vec![false; mesh.workloads.len()],
            now: SimTime::ZERO,
        }
    }

    /// Follows the requests of every client through one state of the configuration.
    pub fn state(&mut self, state: &ConfigState) -> StateTraffic {
        self.now = state.at;
        let mut carriers = Carriers::default();
        let mut clients = Vec::new();
        for client in self.mesh.clients.rows() {
            clients.push(self.client(client, state, &mut carriers));
        }
        let (limits, detectors) = carriers.told(self.mesh, self.now);
        StateTraffic { clients, limits, detectors }
    }

    fn client(&mut self, client: &Client, state: &ConfigState, carriers: &mut Carriers) -> ClientTraffic {
        let (born, is_approximate) = self.born(client);
        let connections = self.connections(client, state, carriers);
        let mut hops: BTreeMap<HopKey, (usize, Hop)> = BTreeMap::new();
        let mut calls = Calls::new();
        for (shape, class, share) in born {
            calls.entry((None, shape)).or_default().add(share, &BTreeSet::from([class]));
        }
        for depth in 0..MOST_HOPS {
            let mut next = Calls::new();
            for ((caller, shape), flow) in std::mem::take(&mut calls) {
                let Some(proxy) = self.proxy_of(client, caller) else { continue };
                let own = (self.mesh.proxies[proxy].source.clone(), self.proxies_of(client, caller));
                let (table, source) = self.decides(state, state.tables[proxy], &shape, own);
                let (path, mut hop) = self.hop(proxy, &shape, flow, table);
                hop.waypoint = (source.0 != hop.caller).then(|| source.0.clone());
                if let Some(path) = path {
                    let route = path.of(&self.mesh.tables[table]);
                    self.follow(state, route, &shape, &hop, &source, carriers, &mut next);
                }
                let rule = hop.rule.as_ref().map(|rule| (rule.object.clone(), rule.name.clone()));
                let path = path.filter(|_| rule.is_none());
                let key = (caller, hop.host.clone(), hop.port, rule, path);
                let (_, known) = hops
                    .entry(key)
                    .or_insert_with(|| (depth, Hop { calls: 0.0, classes: BTreeSet::new(), ..hop.clone() }));
                known.calls += hop.calls;
                known.classes.extend(hop.classes);
            }
            next.retain(|_, flow| flow.calls >= LEAST_CALLS);
            if next.is_empty() {
                break;
            }
            calls = next;
        }
        let mut ordered: Vec<((usize, HopKey), Hop)> =
            hops.into_iter().map(|(key, (depth, hop))| ((depth, key), hop)).collect();
        ordered.sort_by(|left, right| left.0.cmp(&right.0));
        ClientTraffic {
            name: client.name.clone(),
            load: client.load.clone(),
            door: match &client.kind {
                ClientKind::Gateway(name) => Door::Gateway(name.clone()),
                ClientKind::Workload(id) => Door::Workload(self.mesh.workloads[*id].name.clone()),
                ClientKind::Sidecar => Door::Sidecar,
            },
            proxies: self.proxies_of(client, None),
            connections: client.connections.map(|connections| connections.count.get()),
            is_approximate,
            hops: connections.into_iter().chain(ordered.into_iter().map(|(_, hop)| hop)).collect(),
            connects: client.classes.iter().any(|class| class.connect.is_some()),
        }
    }

    /// The requests that a client makes, with their shares; true if only some users were looked at.
    fn born(&self, client: &Client) -> (Vec<(RequestShape, String, f64)>, bool) {
        let total: f64 = client.classes.iter().map(|class| class.share).sum();
        let users = client
            .users
            .as_ref()
            .filter(|users| onward::user_header(&users.carrier).is_some_and(|name| self.reads_header(name)));
        let mut born = Vec::new();
        for class in client.classes.iter().filter(|class| class.connect.is_none()) {
            let share = if total > 0.0 { class.share / total } else { 0.0 };
            let Some(users) = users else {
                born.push((onward::born(class, None), class.name.clone(), share));
                continue;
            };
            let without = users.without.probability();
            if without > 0.0 {
                born.push((onward::born(class, None), class.name.clone(), share * without));
            }
            for (user, part) in user_shares(users) {
                let shape = onward::born(class, Some((&users.carrier, user)));
                born.push((shape, class.name.clone(), share * (1.0 - without) * part));
            }
        }
        born.retain(|(_, _, share)| *share > 0.0);
        (born, users.is_some_and(|users| users.count.get() > MOST_USERS))
    }

    fn reads_header(&self, name: &str) -> bool {
        let operations = self.mesh.workloads.rows().iter().flat_map(|workload| &workload.operations);
        let mut conditions = operations.filter_map(|operation| operation.condition.as_ref());
        self.routers.rows().iter().any(|router| router.reads_header(name))
            || conditions.any(|c| c.headers.iter().chain(&c.without_headers).any(|(key, _)| key == name))
    }

    fn proxy_of(&self, client: &Client, caller: Option<WorkloadId>) -> Option<ProxyId> {
        match caller {
            None => client.proxies.first().copied(),
            Some(id) => self.proxies[id],
        }
    }

    pub(super) fn proxies_of(&self, client: &Client, caller: Option<WorkloadId>) -> usize {
        let mesh = self.mesh;
        let count = |meant: &dyn Fn(&Pod) -> bool| {
            mesh.pods.iter().filter(|(id, pod)| meant(pod) && mesh.has_pod(*id, self.now)).count()
        };
        match (caller, &client.kind) {
            (Some(id), _) => count(&|pod| pod.workload == id && pod.proxy.is_some()),
            (None, ClientKind::Workload(id)) => count(&|pod| {
                pod.workload == *id && pod.proxy.is_some_and(|own| client.proxies.contains(&own))
            }),
            (None, ClientKind::Gateway(_) | ClientKind::Sidecar) => client.proxies.len(),
        }
    }

    /// The table that a call is decided by, and who keeps what it sets: the caller's proxies, or behind a door of a
    /// waypoint its replicas. Source: semantics S22.
    fn decides(
        &self,
        state: &ConfigState,
        table: RouteTableId,
        shape: &RequestShape,
        own: (String, usize),
    ) -> (RouteTableId, (String, usize)) {
        let route = self.routers[table].find(shape).map(|path| path.of(&self.mesh.tables[table]));
        let Some(Route { action: Action::Forward(destinations), .. }) = route else { return (table, own) };
        match destinations.as_slice() {
            [Destination { door: Some(door), .. }] => {
                let waypoint = &self.mesh.waypoints[self.mesh.doors[*door].waypoint];
                (state.doors[*door], (waypoint.name.clone(), waypoint.replicas.len()))
            }
            _ => (table, own),
        }
    }

    fn hop(
        &self,
        proxy: ProxyId,
        shape: &RequestShape,
        flow: Flow,
        table: RouteTableId,
    ) -> (Option<RoutePath>, Hop) {
        let path = self.routers[table].find(shape);
        let host = shape.authority.strip_suffix(&format!(":{}", shape.port)).unwrap_or(&shape.authority);
        let mut hop = Hop {
            caller: self.mesh.proxies[proxy].source.clone(),
            waypoint: None,
            host: host.to_owned(),
            port: shape.port,
            calls: flow.calls,
            classes: flow.classes,
            rule: None,
            answer: Answer::NoRoute,
            aborted: 0.0,
            mirrors: Vec::new(),
            connects: false,
        };
        let Some(path) = path else { return (None, hop) };
        let route = path.of(&self.mesh.tables[table]);
        hop.rule.clone_from(&route.rule);
        let abort = route.fault.as_ref().and_then(|fault| fault.abort);
        hop.aborted =
            abort.map_or(0.0, |(share, _)| f64::from(share.numerator) / f64::from(share.denominator));
        hop.mirrors = route
            .mirrors
            .iter()
            .map(|mirror| {
                let share = f64::from(mirror.share.numerator) / f64::from(mirror.share.denominator);
                self.split(&mirror.service, mirror.port, &mirror.subset, share, mirror.cluster)
            })
            .collect();
        hop.answer = match &route.action {
            Action::Respond(code) => Answer::Respond(*code),
            Action::Forward(destinations) => Answer::Forward(
                destinations
                    .iter()
                    .zip(shares(destinations))
                    .map(|(to, share)| {
                        let split = self.split(&to.service, to.port, &to.subset, share, to.cluster);
                        let waypoint =
                            to.door.map(|door| &self.mesh.waypoints[self.mesh.doors[door].waypoint]);
                        Split {
                            hosts: waypoint.map(|waypoint| waypoint.replicas.len()).or(split.hosts),
                            ..split
                        }
                    })
                    .collect(),
            ),
        };
        (Some(path), hop)
    }

    pub(super) fn split(
        &self,
        service: &ServiceRef,
        port: u16,
        subset: &str,
        share: f64,
        cluster: Option<ClusterId>,
    ) -> Split {
        Split {
            service: match service {
                ServiceRef::Known(id) => self.mesh.services[*id].name.clone(),
                ServiceRef::Unknown(name) => name.clone(),
            },
            port,
            subset: subset.to_owned(),
            share,
            hosts: cluster.map(|id| self.mesh.hosts_at(&self.mesh.clusters[id], self.now)),
        }
    }

    /// The calls that a hop's destinations, and the mirrors' copies, make in their turn.
    #[expect(clippy::too_many_arguments, reason = "what is followed, by whom, and where it is noted")]
    fn follow(
        &mut self,
        state: &ConfigState,
        route: &Route,
        shape: &RequestShape,
        hop: &Hop,
        source: &(String, usize),
        carriers: &mut Carriers,
        next: &mut Calls,
    ) {
        let calls = hop.calls * (1.0 - hop.aborted);
        if let Action::Forward(destinations) = &route.action {
            for (to, share) in destinations.iter().zip(shares(destinations)) {
                let arriving = shape.routed(route, &to.request_headers);
                if let Some(door) = to.door {
                    self.enter(state, door, &arriving, (calls * share, hop), carriers, next);
                }
                self.arrive(to.cluster, &arriving, (calls * share, &hop.classes), source, carriers, next);
            }
        }
        for mirror in &route.mirrors {
            let share = f64::from(mirror.share.numerator) / f64::from(mirror.share.denominator);
            let copy = shape.routed(route, &crate::mesh::routing::HeaderOps::default());
            self.arrive(mirror.cluster, &copy, (calls * share, &hop.classes), source, carriers, next);
        }
    }

    /// Calls of a gateway go on through a waypoint. Source: semantics S22.5.
    fn enter(
        &mut self,
        state: &ConfigState,
        door: DoorId,
        shape: &RequestShape,
        (calls, hop): (f64, &Hop),
        carriers: &mut Carriers,
        next: &mut Calls,
    ) {
        let mesh = self.mesh;
        let table = state.doors[door];
        let Some(path) = self.routers[table].find(shape) else { return };
        let waypoint = &mesh.waypoints[mesh.doors[door].waypoint];
        let source = (waypoint.name.clone(), waypoint.replicas.len());
        let hop = Hop { calls, aborted: 0.0, ..hop.clone() };
        self.follow(state, path.of(&mesh.tables[table]), shape, &hop, &source, carriers, next);
    }

    fn arrive(
        &mut self,
        cluster: Option<ClusterId>,
        shape: &RequestShape,
        (calls, classes): (f64, &BTreeSet<String>),
        source: &(String, usize),
        carriers: &mut Carriers,
        next: &mut Calls,
    ) {
        let Some(id) = cluster.filter(|_| calls > 0.0) else { return };
        carriers.add(id, source);
        for (workload, share) in workloads(self.mesh, &self.mesh.clusters[id], self.now) {
            self.reached[workload.index()] = true;
            let serves = self.operations[workload]
                .iter()
                .position(|condition| condition.as_ref().is_none_or(|condition| condition.matches(shape)));
            let spec = &self.mesh.workloads[workload];
            let Some(operation) = serves.map(|row| &spec.operations[row]) else { continue };
            let steps = operation.steps.iter().filter_map(|step| match step {
                Step::Calls(calls) => Some(calls),
                Step::Work(_) => None,
            });
            for call in steps.flatten() {
                let call = &self.mesh.calls[*call];
                let onward = onward::call(call, spec.forward_headers.as_deref(), shape);
                let count = calls * share * call.share.probability();
                next.entry((Some(workload), onward)).or_default().add(count, classes);
            }
        }
    }
}

/// Each destination's share of the calls. A single one's weight is ignored. Source: semantics S3.1, S3.2.
pub(super) fn shares(destinations: &[Destination]) -> impl Iterator<Item = f64> + '_ {
    let total: u64 = destinations.iter().map(|to| u64::from(to.weight)).sum();
    destinations.iter().enumerate().map(move |(place, to)| match total {
        _ if destinations.len() == 1 => 1.0,
        0 => f64::from(u8::from(place == 0)),
        total => f64::from(to.weight) / total as f64,
    })
}

/// The workloads behind a cluster, with their share of its calls if all hosts are well that are there at a moment.
pub(super) fn workloads(mesh: &Mesh, cluster: &Cluster, moment: SimTime) -> BTreeMap<WorkloadId, f64> {
    let weight = |host: &Host| if mesh.has_pod(host.pod, moment) { f64::from(host.weight) } else { 0.0 };
    let total: f64 = cluster.hosts.iter().map(weight).sum();
    let mut shares = BTreeMap::new();
    for host in &cluster.hosts {
        let share = if total > 0.0 { weight(host) / total } else { 0.0 };
        *shares.entry(mesh.pods[host.pod].workload).or_default() += share;
    }
    shares
}

/// Users with their shares; of a large population some that stand for all.
fn user_shares(users: &Users) -> Vec<(u32, f64)> {
    let count = users.count.get();
    let some = count.min(MOST_USERS);
    let exponent = users.zipf.unwrap_or(0.0);
    let picked = (0..some).map(|number| (u64::from(number) * u64::from(count) / u64::from(some)) as u32);
    let weighted: Vec<(u32, f64)> =
        picked.map(|user| (user, libm::pow(f64::from(user) + 1.0, -exponent))).collect();
    let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    weighted.into_iter().map(|(user, weight)| (user, weight / total)).collect()
}
