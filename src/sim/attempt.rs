//! One try of a call on one host, on the caller's side: from the pick to the moment it lets go.
//!
//! ```text
//!  start ──▶ pick a host ──▶ pool ──▶ Sent ──▶ (the pod: Serving) ──▶ Returning ──▶ answered
//!              │ none          │ full   ▲                                │
//!              ▼ UH            ▼ UO     │ a connection is ready          ▼ reset: UC, UF
//!                            Pending ───┘
//! ```
//!
//! What an attempt's end means to its call is decided in `call`.

use crate::kernel::Id;
use crate::kernel::fifo::Place;
use crate::kernel::queue::Timer;
use crate::kernel::random::{Draw, Purpose, draw};
use crate::kernel::slab::Slot;
use crate::mesh::workload::CrashOf;
use crate::metrics::results::Counter;
use crate::policy::balance::HostView;
use crate::policy::failure::Failure;
use crate::policy::outlier::Report;
use crate::policy::pool::{Admission, Released};
use crate::policy::retry;
use crate::sim::endpoint::Condition;
use crate::sim::event::Event;
use crate::sim::network;
use crate::sim::plan::NIL;
use crate::sim::world::{Attempt, Phase, WorkerState, World};

/// Starts the next attempt of a call: it is on its way or waits for a connection, or fails on the spot.
/// Source: semantics S1.1 (h) and (k), S7.4.
pub fn start(world: &mut World<'_>, call_index: u32) -> Result<(), Failure> {
    let call = &mut world.calls[call_index];
    let (upstream, worker) = (call.upstream, call.worker);
    let key = draw(call.key, Purpose::Attempt, u64::from(call.attempts));
    call.attempts += 1;
    if world.upstreams[upstream as usize].workers[usize::from(worker)].is_none() {
        world.make_worker(upstream, worker);
    }
    let Some(host) = pick_host(world, call_index, key) else {
        count(world, call_index, Counter::NoHealthyUpstream);
        return Err(Failure::NoHealthyHost);
    };
    let attempt = create(world, call_index, key, host);
    match admit(world, attempt) {
        Admission::Ready(connection) => {
            send(world, attempt, connection);
            Ok(())
        }
        Admission::Pend => {
            pend(world, attempt);
            Ok(())
        }
        overflow => {
            let is_pending = overflow == Admission::PendingOverflow;
            count(
                world,
                call_index,
                if is_pending { Counter::PendingOverflow } else { Counter::ActiveOverflow },
            );
            world.attempts.remove(attempt);
            world.calls[call_index].attempt = Slot::NONE;
            Err(Failure::Overflow)
        }
    }
}

/// The balancer's choice, away from hosts tried before where the retry policy says so.
#[inline]
fn pick_host(world: &mut World<'_>, call_index: u32, key: u64) -> Option<u32> {
    let call = &world.calls[call_index];
    let plan = world.plan;
    let upstream = &mut world.upstreams[call.upstream as usize];
    let view = HostView {
        active: &upstream.active,
        weights: &plan.cluster(upstream.cluster).weights,
        available: &upstream.available,
        generation: upstream.generation,
        source: 0,
        now: world.now,
        first_healthy: &[],
    };
    let worker = upstream.workers[usize::from(call.worker)].as_mut().expect("made before the pick");
    let mut draws = Draw::at(key, Purpose::HostPick);
    let retried = if call.tried.is_empty() { None } else { plan.routes[call.route as usize].retry };
    match retried {
        None => worker.balancer.pick(&view, &mut draws),
        Some(spec) => {
            let lines = &world.lines;
            let was_tried = |host| lines.iter(&call.tried).any(|tried| tried == host);
            retry::select_host(spec, was_tried, |_| worker.balancer.pick(&view, &mut draws))
        }
    }
}

#[inline]
fn create(world: &mut World<'_>, call_index: u32, key: u64, host: u32) -> u32 {
    let call = &mut world.calls[call_index];
    let attempt = Attempt {
        key,
        call: call_index,
        upstream: call.upstream,
        host,
        pod: world.upstreams[call.upstream as usize].hosts[host as usize].pod,
        connection: NIL,
        per_try_timer: Timer::NONE,
        place: Place::NONE,
        shape: call.shape,
        step: NIL,
        end_step: 0,
        open_calls: 0,
        hung: 0,
        status: 0,
        worker: call.worker,
        phase: Phase::Pending,
        hops: call.hops,
        counted: call.counted,
        is_abandoned: false,
        has_slot: false,
    };
    let slot = world.attempts.insert(attempt);
    call.attempt = slot;
    slot.index
}

#[inline]
fn admit(world: &mut World<'_>, index: u32) -> Admission {
    let attempt = &world.attempts[index];
    let upstream = &mut world.upstreams[attempt.upstream as usize];
    let rules = world.plan.cluster(upstream.cluster).rules;
    let pool = &mut worker(&mut upstream.workers, attempt.worker).pools[attempt.host as usize];
    pool.admit(&mut upstream.breakers, &mut world.connections, rules, world.now)
}

#[inline]
fn worker(workers: &mut [Option<WorkerState>], number: u16) -> &mut WorkerState {
    workers[usize::from(number)].as_mut().expect("made before the first attempt")
}

/// Joins the pool's line and makes the connections that it wants.
fn pend(world: &mut World<'_>, index: u32) {
    let attempt = &world.attempts[index];
    let (at, key) = (PoolAt::of(attempt), attempt.key);
    let upstream = &mut world.upstreams[at.upstream as usize];
    let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    world.attempts[index].place = pool.pend(&mut upstream.breakers, &mut world.lines, index);
    connect(world, at, key);
}

/// Which pool: of a cluster at a proxy, the worker's for the host.
#[derive(Clone, Copy)]
pub struct PoolAt {
    pub upstream: u32,
    pub worker: u16,
    pub host: u32,
}

impl PoolAt {
    fn of(attempt: &Attempt) -> PoolAt {
        PoolAt { upstream: attempt.upstream, worker: attempt.worker, host: attempt.host }
    }

    /// The pool that a connection belongs to.
    pub fn of_connection(world: &World<'_>, connection: u32) -> PoolAt {
        let connection = &world.connections[connection];
        let hosts = world.upstreams[connection.upstream as usize].hosts.len() as u32;
        PoolAt {
            upstream: connection.upstream,
            worker: (connection.pool / hosts) as u16,
            host: connection.pool % hosts,
        }
    }
}

/// Makes as many connections of a pool as it wants now; `key` is of the attempt that makes it want them.
/// Source: semantics S7.4 step 4.
fn connect(world: &mut World<'_>, at: PoolAt, key: u64) {
    let (mut granted, mut refused) = wanted(world, at);
    if refused {
        // Idle connections that nobody has looked at may have made room by now.
        expire_idle(world, at.upstream);
        (granted, refused) = wanted(world, at);
    }
    let upstream = &world.upstreams[at.upstream as usize];
    let row = upstream.row;
    let counted = world.clock.counts(world.now);
    if refused {
        world.recorder.count(row, Counter::CxOverflow, counted);
    }
    for nth in 0..granted {
        world.recorder.count(row, Counter::CxTotal, counted);
        make_connection(world, at, key, nth);
    }
}

fn wanted(world: &mut World<'_>, at: PoolAt) -> (u32, bool) {
    let upstream = &mut world.upstreams[at.upstream as usize];
    let rules = world.plan.cluster(upstream.cluster).rules;
    let pool = &worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    pool.wanted(&upstream.breakers, rules)
}

fn expire_idle(world: &mut World<'_>, upstream: u32) {
    let upstream = &mut world.upstreams[upstream as usize];
    let rules = world.plan.cluster(upstream.cluster).rules;
    for pool in upstream.workers.iter_mut().flatten().flat_map(|worker| &mut worker.pools) {
        pool.expire(&mut upstream.breakers, &mut world.connections, rules, world.now);
    }
}

/// Begins a connection and its handshakes: a round trip for TCP, one for TLS, and what a dead pod makes of them.
/// Source: semantics S7.8, S13.4; design D9.3, D9.14.
fn make_connection(world: &mut World<'_>, at: PoolAt, key: u64, nth: u32) {
    let plan = world.plan;
    let upstream = &mut world.upstreams[at.upstream as usize];
    let (proxy, host) = (upstream.proxy, &upstream.hosts[at.host as usize]);
    let limit = plan.cluster(upstream.cluster).connect_timeout;
    let takes = network::handshake(plan, proxy, host.pod, key, nth, host.tls);
    let condition = world.pods[host.pod.index()].condition;
    let number = u32::from(at.worker) * upstream.hosts.len() as u32 + at.host;
    let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    let connection =
        pool.connect(&mut upstream.breakers, &mut world.connections, at.upstream, number, world.now);
    let slot = world.connections.slot(connection);
    let (after, event) = match condition {
        Condition::Down(CrashOf::Node) => (limit, Event::ConnectFailed(slot)),
        _ if takes > limit => (limit, Event::ConnectFailed(slot)),
        Condition::Down(CrashOf::Pod) => (takes, Event::ConnectFailed(slot)),
        _ => (takes, Event::Connected(slot)),
    };
    world.queue.push(world.now + after, event);
}

/// A connection's handshakes are done: who waits longest gets it.
pub fn connected(world: &mut World<'_>, slot: Slot) {
    if !world.connections.is_alive(slot) {
        return;
    }
    let at = PoolAt::of_connection(world, slot.index);
    let upstream = &mut world.upstreams[at.upstream as usize];
    let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    pool.connected(&mut world.connections, slot.index, world.now);
    serve_waiting(world, at);
}

/// A connection could not be made. Returns all that waited in its pool, the oldest first: they fail with it.
/// Source: semantics S7.8.
pub fn connect_failed(world: &mut World<'_>, slot: Slot) -> Vec<u32> {
    if !world.connections.is_alive(slot) {
        return Vec::new();
    }
    let at = PoolAt::of_connection(world, slot.index);
    let upstream = &mut world.upstreams[at.upstream as usize];
    let counted = world.clock.counts(world.now);
    world.recorder.count(upstream.row, Counter::CxConnectFail, counted);
    let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    pool.connect_failed(&mut upstream.breakers, &mut world.connections, slot.index);
    world.lines.iter(&pool.waiting).collect()
}

/// Hands ready connections to those that wait; who finds the limit of requests full then overflows (by an event, as
/// its call stands above).
fn serve_waiting(world: &mut World<'_>, at: PoolAt) {
    loop {
        let upstream = &mut world.upstreams[at.upstream as usize];
        let rules = world.plan.cluster(upstream.cluster).rules;
        let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
        let served = pool.serve(&mut upstream.breakers, &mut world.connections, &mut world.lines, rules);
        let Some((attempt, connection)) = served else { return };
        world.attempts[attempt].place = Place::NONE;
        match connection {
            Some(connection) => send(world, attempt, connection),
            None => {
                let slot = world.attempts.slot(attempt);
                world.queue.push(world.now, Event::Overflowed(slot));
            }
        }
    }
}

/// The attempt has its stream: the per-try timer starts, the bytes leave. Source: semantics S10.2.
#[inline]
fn send(world: &mut World<'_>, index: u32, connection: u32) {
    let attempt = &mut world.attempts[index];
    debug_assert_eq!(attempt.phase, Phase::Pending);
    attempt.connection = connection;
    attempt.phase = Phase::Sent;
    let upstream = &mut world.upstreams[attempt.upstream as usize];
    upstream.active[attempt.host as usize] += 1;
    if let Some(detector) = &mut upstream.detector {
        // Only the split mode listens, and only to forget local failures: no ejection follows.
        let _ = detector.observe(attempt.host as usize, Report::ConnectSuccess);
    }
    world.recorder.count(upstream.row, Counter::Attempts, attempt.counted);
    let leg = network::leg_out(world.plan, upstream.proxy, attempt.pod, attempt.key);
    let per_try = world.plan.routes[world.calls[attempt.call].route as usize].per_try;
    let slot = world.attempts.slot(index);
    if per_try != NIL {
        let timer = world.queue.arm(world.lanes[per_try as usize], Event::PerTryTimeout(slot));
        world.attempts[index].per_try_timer = timer;
    }
    world.queue.push(world.now + leg, Event::Delivered(slot));
}

/// The caller lets go of an attempt: of its place in the pool, or of its stream. `broken`: the exchange was cut
/// short, which costs an HTTP/1.1 connection its life (S21.4). The pod may go on with it.
#[inline]
pub fn let_go(world: &mut World<'_>, index: u32, broken: bool) {
    let attempt = &mut world.attempts[index];
    if !attempt.per_try_timer.is_none() {
        world.queue.disarm(attempt.per_try_timer);
        attempt.per_try_timer = Timer::NONE;
    }
    let at = PoolAt::of(attempt);
    if attempt.phase == Phase::Pending {
        leave_line(world, index);
    } else {
        release_stream(world, at, index, broken);
    }
    let attempt = &mut world.attempts[index];
    match attempt.phase {
        Phase::Sent | Phase::Serving => attempt.is_abandoned = true,
        Phase::Pending | Phase::Returning | Phase::Lost => world.attempts.remove(index),
    }
}

fn leave_line(world: &mut World<'_>, index: u32) {
    let attempt = &mut world.attempts[index];
    let place = std::mem::replace(&mut attempt.place, Place::NONE);
    if place.is_none() {
        // Served a moment ago, and overflowed.
        return;
    }
    let upstream = &mut world.upstreams[attempt.upstream as usize];
    let pool = &mut worker(&mut upstream.workers, attempt.worker).pools[attempt.host as usize];
    pool.unpend(&mut upstream.breakers, &mut world.lines, place);
}

#[inline]
fn release_stream(world: &mut World<'_>, at: PoolAt, index: u32, broken: bool) {
    let connection = world.attempts[index].connection;
    let upstream = &mut world.upstreams[at.upstream as usize];
    upstream.active[at.host as usize] -= 1;
    let rules = world.plan.cluster(upstream.cluster).rules;
    let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    let broken = broken && rules.is_http1();
    let released =
        pool.release(&mut upstream.breakers, &mut world.connections, rules, connection, broken, world.now);
    if pool.waiting.is_empty() {
        return;
    }
    if released == Released::Usable {
        serve_waiting(world, at);
    } else {
        let first = world.lines.iter(&pool.waiting).next().expect("somebody waits");
        let key = world.attempts[first].key;
        connect(world, at, key);
    }
}

/// Counts for the cluster of a call.
#[inline]
pub fn count(world: &mut World<'_>, call: u32, counter: Counter) {
    let call = &world.calls[call];
    if let Some(row) = call.row {
        world.recorder.count(row, counter, call.counted);
    }
}
