//! Connections of opaque bytes, as the calling proxy carries them: each takes one upstream connection of its own, is
//! tried once, and stays where its opening led it, whatever routes, hosts and detectors say later.
//!
//! ```text
//!  open ─▶ route ─▶ limit ─▶ host ─▶ Connecting ─▶ Open ─────────────▶ ended: by the client, after its longest time,
//!            │ NR NC  │ UO     │ UH       │ UF       │ the pod says no       or by a crash
//!            └────────┴────────┴─▶ Refused ◀┘        ▼
//!                                               Cut: UC
//! ```
//!
//! What flows is not simulated: a connection takes a slot of its pod while it stands, and no work.
//! Source: semantics S7.11, S8.8; Envoy's tcp_proxy.cc.

use std::collections::BTreeMap;

use crate::kernel::random::{Purpose, draw};
use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::model::Refusal;
use crate::mesh::workload::CrashOf;
use crate::mesh::{Flag, Outcome, PodId, ProxyId};
use crate::metrics::recorder::ClusterRow;
use crate::metrics::results::Counter;
use crate::policy::outlier::{LocalOrigin, Report};
use crate::sim::endpoint::{self, Condition};
use crate::sim::event::Event;
use crate::sim::plan::NIL;
use crate::sim::tcp_plan::TcpRoutePlan;
use crate::sim::world::{Parent, Session, Stage, UpstreamHost, World};
use crate::sim::{call, gate, network, pick, route_plan, upstream};

/// How long a connection hangs whose other side is gone without a word: Linux sends what it has to send again and
/// again, 15 times at growing intervals, before it gives up (tcp_retries2).
const RETRANSMISSIONS: SimDuration = SimDuration::from_millis(924_600);

/// What a connection tells the client that opened it.
pub struct News {
    pub client: u32,
    pub user: u32,
    pub born: SimTime,
    /// Its request, and what came of it.
    pub told: Option<(u32, Outcome)>,
    /// It is gone.
    pub is_over: bool,
}

/// A client opens a connection through a proxy. What comes of it comes by an event.
#[cold]
pub fn open(world: &mut World<'_>, index: u32, proxy: ProxyId) {
    let plan = world.plan;
    let request = &world.requests[index];
    let class = &plan.mesh.clients.rows()[request.client as usize].classes[request.class as usize];
    let key = draw(request.fate ^ class.target.name_hash, Purpose::Call, 0);
    let mut session = Session {
        key: draw(key, Purpose::Attempt, 0),
        born: world.now,
        client: request.client,
        class: request.class,
        user: request.user,
        request: index,
        counted: request.counted,
        ..Session::default()
    };
    let table = world.proxies[proxy.index()].table;
    let route = plan.tcp.route(table, session.client, session.class);
    let led = match route {
        Some(route) => lead(world, &mut session, route, key, proxy),
        None => Err(Flag::NR),
    };
    let slot = world.sessions.insert(session);
    match led {
        Ok(()) => connect(world, slot),
        Err(flag) => refuse(world, slot, flag, network::local_reply(plan, proxy, key)),
    }
}

/// From the route to a pool: the weighted choice, the limits and the host. `key`: the call's. The limit of connections
/// is asked for before anything else, as who waits for one in the pool would wait for ever. Source: semantics S7.11.
fn lead(
    world: &mut World<'_>,
    session: &mut Session,
    route: TcpRoutePlan<'_>,
    key: u64,
    proxy: ProxyId,
) -> Result<(), Flag> {
    let TcpRoutePlan { route, total_weight } = route;
    let destination = &route.destinations[route_plan::chosen(&route.destinations, total_weight, key)];
    let Some(cluster) = destination.cluster else {
        session.row = call::row_of(world, proxy, destination).index() as u32;
        return Err(Flag::NC);
    };
    let number = world.upstream(proxy, cluster);
    if world.observer.is_some() {
        let name = world.upstreams[number as usize].plan.name_hash;
        world.tell_observer(Parent::Request(session.request), key, name);
    }
    let upstream = &world.upstreams[number as usize];
    let (row, breakers) = (upstream.row, &upstream.breakers);
    (session.row, session.upstream, session.longest) = (row.index() as u32, number, route.longest);
    if breakers.connections >= breakers.limits.max_connections {
        return Err(full(world, session, Counter::CxOverflow));
    }
    let workers = u64::from(world.plan.mesh.proxy.workers.get());
    let worker = (draw(key, Purpose::Worker, 0) % workers) as u16;
    if upstream.workers[usize::from(worker)].is_none() {
        world.make_worker(number, worker);
    }
    let hash = route.hashes_source.then(|| pick::source_address(world, session.request, proxy));
    let Some(host) = pick::once(world, number, worker, session.key, hash) else {
        world.recorder.count(row, Counter::NoHealthyUpstream, session.counted);
        return Err(Flag::UH);
    };
    let upstream = &world.upstreams[number as usize];
    if upstream.breakers.pending >= upstream.breakers.limits.max_pending_requests {
        return Err(full(world, session, Counter::PendingOverflow));
    }
    let pools = upstream.workers[usize::from(worker)].as_ref().map(|worker| worker.pool(Some(host)));
    session.pool = match pools.unwrap_or(NIL) {
        NIL => world.make_pool(number, worker, host),
        known => known,
    };
    Ok(())
}

fn full(world: &mut World<'_>, session: &Session, counter: Counter) -> Flag {
    world.recorder.count(ClusterRow::from_index(session.row as usize), counter, session.counted);
    Flag::UO
}

/// The proxy closes what it cannot lead anywhere; the client hears of it after `takes`.
fn refuse(world: &mut World<'_>, slot: Slot, flag: Flag, takes: SimDuration) {
    let session = &mut world.sessions[slot.index];
    session.stage = Stage::Refused;
    session.outcome = Outcome::closed(flag);
    world.queue.push(world.now + takes, Event::TcpRefused(slot));
}

/// Begins the upstream connection. Source: semantics S13.3, S13.4; design D9.3, D9.14.
fn connect(world: &mut World<'_>, slot: Slot) {
    let session = &mut world.sessions[slot.index];
    session.stage = Stage::Connecting;
    let at = &world.pools[session.pool as usize];
    let upstream = &mut world.upstreams[at.upstream as usize];
    upstream.breakers.connections += 1;
    upstream.breakers.pending += 1;
    world.recorder.count(upstream.row, Counter::CxTotal, session.counted);
    let limit = upstream.plan.connect_timeout;
    let UpstreamHost { tls, refusal, .. } = upstream.hosts[at.host as usize];
    let takes = network::handshake(world.plan, at.way, session.key, 0, tls);
    let pod = &world.pods[at.pod.index()];
    let (after, event) = match pod.condition {
        Condition::Down(CrashOf::Node) => (limit, Event::TcpFailed(slot)),
        _ if takes > limit => (limit, Event::TcpFailed(slot)),
        _ if refusal == Some(Refusal::NoHandshake) => (takes, Event::TcpFailed(slot)),
        _ => (takes, Event::TcpConnected(slot)),
    };
    world.queue.push(world.now + after, event);
}

/// The upstream connection could not be made. It counts against the host, and is not tried again: Istio leaves Envoy's
/// `max_connect_attempts` at one. Source: semantics S7.11, S8.2.
pub fn failed(world: &mut World<'_>, slot: Slot) -> Option<News> {
    let session = world.sessions.get_mut(slot)?;
    session.outcome = Outcome::closed(Flag::UF);
    let at = &world.pools[session.pool as usize];
    let (number, host) = (at.upstream, at.host);
    let breakers = &mut world.upstreams[number as usize].breakers;
    breakers.pending -= 1;
    breakers.connections -= 1;
    let row = world.upstreams[number as usize].row;
    world.recorder.count(row, Counter::CxConnectFail, world.clock.counts(world.now));
    upstream::observe(world, number, host, Report::LocalOriginFailure(LocalOrigin::ConnectFailed));
    refused(world, slot)
}

/// The client learns that its connection is closed.
pub fn refused(world: &mut World<'_>, slot: Slot) -> Option<News> {
    let told = tell(world, slot);
    let session = world.sessions.get(slot)?;
    let News { client, user, born, .. } = news(session);
    world.sessions.remove(slot.index);
    Some(News { client, user, born, told, is_over: true })
}

/// What came of an opening is known: it counts at the cluster, and for the client.
fn tell(world: &mut World<'_>, slot: Slot) -> Option<(u32, Outcome)> {
    let session = world.sessions.get_mut(slot)?;
    let request = std::mem::replace(&mut session.request, NIL);
    if session.row != NIL {
        let row = ClusterRow::from_index(session.row as usize);
        let latency = world.now.since(session.born);
        world.recorder.call_done(row, latency, session.outcome, session.counted);
    }
    Some((request, session.outcome))
}

fn news(session: &Session) -> News {
    let Session { client, user, born, .. } = *session;
    News { client, user, born, told: None, is_over: false }
}

/// The upstream connection stands, and the pod takes it up or closes it. A success is final for the detector, unlike an
/// HTTP connection's. Source: Envoy's tcp_proxy.cc, outlier_detection_impl.cc.
pub fn connected(world: &mut World<'_>, slot: Slot) -> Option<News> {
    let session = world.sessions.get(slot)?;
    let at = &world.pools[session.pool as usize];
    let (number, host, pod, way) = (at.upstream, at.host, at.pod, at.way);
    let (row, key, counted) = (at.row, session.key, session.counted);
    let has_sidecar = world.plan.workload(world.pods[pod.index()].workload).workload.has_sidecar();
    match world.pods[pod.index()].condition {
        Condition::Up => {}
        Condition::Down(CrashOf::App) if has_sidecar => {}
        Condition::Down(_) => return failed(world, slot),
    }
    let upstream = &mut world.upstreams[number as usize];
    upstream.breakers.pending -= 1;
    upstream.breakers.requests += 1;
    upstream.active[host as usize] += 1;
    world.recorder.count(upstream.row, Counter::Attempts, counted);
    world.recorder.attempt_sent(row, counted);
    let outlier = world.plan.mesh.clusters[world.upstreams[number as usize].cluster].outlier.as_ref();
    let splits = outlier.is_some_and(|outlier| outlier.split_external_local_origin);
    upstream::observe(world, number, host, if splits { Report::ConnectSuccess } else { Report::Code(200) });
    if !enter(world, slot.index, pod) {
        world.recorder.attempt_failed(row, counted);
        let session = &mut world.sessions[slot.index];
        session.stage = Stage::Cut;
        session.outcome = Outcome::closed(Flag::UC);
        world.queue.push(world.now + way.back(world.plan, key), Event::TcpEnded(slot));
        return None;
    }
    let told = tell(world, slot);
    live(world, slot);
    Some(News { told, ..news(world.sessions.get(slot)?) })
}

/// The pod's sidecar and its application take a connection in, or close it: past the limit of the DestinationRule that
/// acts again there, past the pod's concurrency, as it fails by its errors' rate, or with nobody there. Connections do
/// not line up, and take no core of pods that share those. Source: semantics S1.2, S13.3.
fn enter(world: &mut World<'_>, index: u32, pod: PodId) -> bool {
    let session = &mut world.sessions[index];
    let at = &world.pools[session.pool as usize];
    let state = &mut world.pods[pod.index()];
    if at.way.is_cut || state.condition != Condition::Up {
        return false;
    }
    if at.gate != NIL {
        let gate = &mut world.gates[at.gate as usize];
        if gate.sessions >= gate.gate.breakers.limits.max_connections {
            let (number, counted) = (at.gate, session.counted);
            gate::count(world, number, Counter::CxOverflow, counted);
            return false;
        }
        gate.sessions += 1;
        session.has_gate = true;
    }
    let fails = state.errors.is_some_and(|errors| errors.rate.hits(draw(session.key, Purpose::Failure, 0)));
    if fails || (state.sharing.is_none() && state.busy >= state.concurrency) {
        return false;
    }
    session.stage = Stage::Open;
    if state.sharing.is_none() {
        state.account(world.now);
        state.busy += 1;
        session.has_slot = true;
    }
    true
}

/// When it ends by itself: its client closes it, or its proxy does, which counts from the moment it came in.
fn live(world: &mut World<'_>, slot: Slot) {
    let (plan, now) = (world.plan, world.now);
    let session = &world.sessions[slot.index];
    let life = plan.clients[session.client as usize].lives[session.class as usize];
    let life = life.map(|life| now + plan.sampler(life).sample(draw(session.key, Purpose::Lifetime, 0)));
    let longest = session.longest.map(|longest| (session.born + longest).max(now));
    if let Some(end) = life.into_iter().chain(longest).min() {
        world.queue.push(end, Event::TcpEnded(slot));
    }
}

/// A connection that stood ends: all that it held is free.
pub fn ended(world: &mut World<'_>, slot: Slot) -> Option<News> {
    let session = world.sessions.get(slot)?;
    let is_cut = session.stage == Stage::Cut;
    let at = &world.pools[session.pool as usize];
    let (pod, host) = (at.pod, at.host as usize);
    let upstream = &mut world.upstreams[at.upstream as usize];
    upstream.breakers.connections -= 1;
    upstream.breakers.requests -= 1;
    upstream.active[host] -= 1;
    leave(world, slot.index, pod);
    if is_cut {
        return refused(world, slot);
    }
    let news = news(world.sessions.get(slot)?);
    world.sessions.remove(slot.index);
    Some(News { is_over: true, ..news })
}

/// Gives back what a connection holds at its pod.
fn leave(world: &mut World<'_>, index: u32, pod: PodId) {
    let session = &mut world.sessions[index];
    if std::mem::take(&mut session.has_gate) {
        let gate = world.pools[session.pool as usize].gate;
        world.gates[gate as usize].sessions -= 1;
    }
    if std::mem::take(&mut session.has_slot) {
        endpoint::free_slot(world, pod);
    }
}

/// A pod is gone, and with it its end of all connections: their callers learn of it, but for a node that is gone
/// without a word. Source: design D9.14; semantics S15.5.
pub fn crash(world: &mut World<'_>, pod: PodId, of: CrashOf) {
    let what = if of == CrashOf::Node { "hang" } else { "broke off" };
    let is_there = |session: &Session| session.stage == Stage::Open;
    break_off(world, pod, what, is_there, |world, index| {
        // The pod itself has been emptied.
        world.sessions[index].has_slot = false;
        leave(world, index, pod);
        if of == CrashOf::Node {
            world.sessions[index].stage = Stage::Lost;
            return RETRANSMISSIONS;
        }
        SimDuration::ZERO
    });
}

/// A pod's application takes nothing more and closes what it holds.
pub fn close(world: &mut World<'_>, pod: PodId) {
    let is_there = |session: &Session| session.stage == Stage::Open;
    break_off(world, pod, "closed", is_there, |world, index| {
        leave(world, index, pod);
        SimDuration::ZERO
    });
}

/// A pod is back: it knows nothing of connections from before, and says so as soon as something comes in on them.
pub fn restart(world: &mut World<'_>, pod: PodId) {
    let is_lost = |session: &Session| session.stage == Stage::Lost;
    break_off(world, pod, "broke off", is_lost, |_, _| SimDuration::ZERO);
}

/// Ends the connections of a pod that `are_meant`: after `how` tells, and the way back.
fn break_off(
    world: &mut World<'_>,
    pod: PodId,
    what: &str,
    are_meant: impl Fn(&Session) -> bool,
    how: impl Fn(&mut World<'_>, u32) -> SimDuration,
) {
    let plan = world.plan;
    let is_there = |session: &Session| {
        are_meant(session) && world.pools.get(session.pool as usize).is_some_and(|at| at.pod == pod)
    };
    let sessions = world.sessions.iter().filter(|(_, session)| is_there(session));
    let meant: Vec<u32> = sessions.map(|(index, _)| index).collect();
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for index in meant {
        let after = how(world, index);
        let session = &world.sessions[index];
        *counts.entry(session.client).or_default() += 1;
        let leg = world.pools[session.pool as usize].way.back(plan, session.key);
        let slot = world.sessions.slot(index);
        world.queue.push(world.now + after + leg, Event::TcpEnded(slot));
    }
    for (client, count) in counts {
        let client = &plan.mesh.clients.rows()[client as usize].name;
        let name = &plan.mesh.pods[pod].name;
        world.recorder.event(world.now, "connections", name, || format!("{count} of {client} {what}"));
    }
}
