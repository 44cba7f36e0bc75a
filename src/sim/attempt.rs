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
use crate::kernel::lanes::Timer;
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
    let key = draw(call.key, Purpose::Attempt, u64::from(call.attempts));
    call.attempts += 1;
    let upstream = &mut world.upstreams[call.upstream as usize];
    let cluster = upstream.plan;
    let Some(worker) = &mut upstream.workers[usize::from(call.worker)] else {
        return start_first(world, call_index);
    };
    let view = HostView {
        active: &upstream.active,
        weights: &cluster.weights,
        available: &upstream.available,
        generation: upstream.generation,
        source: 0,
        now: world.now,
        first_healthy: &[],
    };
    let mut draws = Draw::at(key, Purpose::HostPick);
    let retried = if call.tried.is_empty() { None } else { world.plan.routes[call.route as usize].retry };
    let picked = match retried {
        None => worker.balancer.pick(&view, &mut draws),
        Some(spec) => {
            let was_tried = |host| world.lines.iter(&call.tried).any(|tried| tried == host);
            retry::select_host(spec, was_tried, |_| worker.balancer.pick(&view, &mut draws))
        }
    };
    let Some(host) = picked else {
        count(world, call_index, Counter::NoHealthyUpstream);
        return Err(Failure::NoHealthyHost);
    };
    let pool = &mut worker.pools[host as usize];
    let admission = pool.admit(&mut upstream.breakers, &mut world.connections, cluster.rules, world.now);
    let connection = match admission {
        Admission::Ready(connection) => connection,
        Admission::Pend => NIL,
        Admission::PendingOverflow => return overflow(world, call_index, Counter::PendingOverflow),
        Admission::RequestsOverflow => return overflow(world, call_index, Counter::ActiveOverflow),
    };
    let slot = world.attempts.insert(Attempt {
        key,
        call: call_index,
        upstream: call.upstream,
        host,
        pod: upstream.hosts[host as usize].pod,
        proxy: upstream.proxy,
        connection,
        shape: call.shape,
        worker: call.worker,
        hops: call.hops,
        counted: call.counted,
        ..Attempt::default()
    });
    call.attempt = slot;
    if connection == NIL {
        pend(world, slot.index)
    } else {
        send(world, slot, connection)
    }
    Ok(())
}

/// The first attempt of a worker at a cluster makes what it has there.
#[cold]
fn start_first(world: &mut World<'_>, call_index: u32) -> Result<(), Failure> {
    let call = &mut world.calls[call_index];
    call.attempts -= 1;
    let (upstream, worker) = (call.upstream, call.worker);
    world.make_worker(upstream, worker);
    start(world, call_index)
}

#[cold]
fn overflow(world: &mut World<'_>, call_index: u32, counter: Counter) -> Result<(), Failure> {
    count(world, call_index, counter);
    world.calls[call_index].attempt = Slot::NONE;
    Err(Failure::Overflow)
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
    let (mut granted, mut overflows) = wanted(world, at);
    if overflows > 0 {
        // Idle connections that nobody has looked at may have made room by now.
        expire_idle(world, at.upstream);
        (granted, overflows) = wanted(world, at);
    }
    let upstream = &world.upstreams[at.upstream as usize];
    let row = upstream.row;
    let counted = world.clock.counts(world.now);
    for _ in 0..overflows {
        world.recorder.count(row, Counter::CxOverflow, counted);
    }
    for nth in 0..granted {
        world.recorder.count(row, Counter::CxTotal, counted);
        make_connection(world, at, key, nth);
    }
}

fn wanted(world: &mut World<'_>, at: PoolAt) -> (u32, u32) {
    let upstream = &mut world.upstreams[at.upstream as usize];
    let rules = upstream.plan.rules;
    let pool = &worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    pool.wanted(&upstream.breakers, rules)
}

fn expire_idle(world: &mut World<'_>, upstream: u32) {
    let upstream = &mut world.upstreams[upstream as usize];
    let rules = upstream.plan.rules;
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
    let limit = upstream.plan.connect_timeout;
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
        let rules = upstream.plan.rules;
        let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
        let served = pool.serve(&mut upstream.breakers, &mut world.connections, &mut world.lines, rules);
        let Some((attempt, connection)) = served else { break };
        world.attempts[attempt].place = Place::NONE;
        let slot = world.attempts.slot(attempt);
        match connection {
            Some(connection) => send(world, slot, connection),
            None => world.queue.push(world.now, Event::Overflowed(slot)),
        }
    }
    connect_for_waiting(world, at);
}

/// Envoy asks for connections whenever a line moves and is not empty then, not only when somebody joins it: each time
/// that the limit says no counts again. Source: E4b and E4c of tests/truth/measured.yaml; S7.4 step 4.
fn connect_for_waiting(world: &mut World<'_>, at: PoolAt) {
    let upstream = &mut world.upstreams[at.upstream as usize];
    let pool = &worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    let Some(first) = world.lines.iter(&pool.waiting).next() else { return };
    let key = world.attempts[first].key;
    connect(world, at, key);
}

/// The attempt has its stream: the per-try timer starts, the bytes leave. Source: semantics S10.2.
#[inline(always)]
fn send(world: &mut World<'_>, slot: Slot, connection: u32) {
    let attempt = &mut world.attempts[slot.index];
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
    let per_try = world.plan.routes[world.calls[attempt.call].route as usize].per_try;
    if per_try != NIL {
        attempt.per_try_timer = world.queue.arm(world.lanes[per_try as usize], Event::PerTryTimeout(slot));
    }
    let leg = network::leg_out(world.plan, attempt);
    world.queue.push(world.now + leg, Event::Delivered(slot));
}

/// The caller lets go of an attempt: of its place in the pool, or of its stream. `broken`: the exchange was cut
/// short, which costs an HTTP/1.1 connection its life (S21.4). The pod may go on with it.
#[inline(always)]
pub fn let_go(world: &mut World<'_>, index: u32, broken: bool) {
    let attempt = &mut world.attempts[index];
    if !attempt.per_try_timer.is_none() {
        world.queue.disarm(attempt.per_try_timer);
        attempt.per_try_timer = Timer::NONE;
    }
    let (phase, at, connection) = (attempt.phase, PoolAt::of(attempt), attempt.connection);
    match phase {
        Phase::Pending => leave_line(world, index),
        Phase::Sent | Phase::Serving => attempt.is_abandoned = true,
        Phase::Returning | Phase::Lost => world.attempts.remove(index),
    }
    if phase != Phase::Pending {
        release_stream(world, at, connection, broken);
    }
}

fn leave_line(world: &mut World<'_>, index: u32) {
    let attempt = &mut world.attempts[index];
    let place = attempt.place;
    // Without a place it was served a moment ago, and overflowed.
    if !place.is_none() {
        let upstream = &mut world.upstreams[attempt.upstream as usize];
        let pool = &mut worker(&mut upstream.workers, attempt.worker).pools[attempt.host as usize];
        pool.unpend(&mut upstream.breakers, &mut world.lines, place);
    }
    world.attempts.remove(index);
}

#[inline(always)]
fn release_stream(world: &mut World<'_>, at: PoolAt, connection: u32, broken: bool) {
    let upstream = &mut world.upstreams[at.upstream as usize];
    upstream.active[at.host as usize] -= 1;
    let rules = upstream.plan.rules;
    let pool = &mut worker(&mut upstream.workers, at.worker).pools[at.host as usize];
    let broken = broken && rules.is_http1();
    let released =
        pool.release(&mut upstream.breakers, &mut world.connections, rules, connection, broken, world.now);
    if !pool.waiting.is_empty() {
        serve_next(world, at, released);
    }
}

/// A stream of a pool has ended while others wait there.
#[inline(never)]
fn serve_next(world: &mut World<'_>, at: PoolAt, released: Released) {
    if released == Released::Usable {
        serve_waiting(world, at);
    } else {
        connect_for_waiting(world, at);
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
