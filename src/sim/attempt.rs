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

use crate::kernel::fifo::Place;
use crate::kernel::lanes::Timer;
use crate::kernel::random::{Draw, Purpose, draw};
use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::model::Refusal;
use crate::mesh::policy_spec::Breakage;
use crate::mesh::workload::CrashOf;
use crate::metrics::results::Counter;
use crate::policy::balance::HostView;
use crate::policy::failure::Failure;
use crate::policy::outlier::Report;
use crate::policy::pool::{Admission, Released};
use crate::sim::endpoint::Condition;
use crate::sim::event::Event;
use crate::sim::keep_alive;
use crate::sim::network;
use crate::sim::pick;
use crate::sim::plan::{BROKEN, NIL, RoutePlan};
use crate::sim::world::{Attempt, Parent, Phase, UpstreamHost, World};

/// Starts the next attempt of a call: it is on its way or waits for a connection, or fails on the spot.
/// Source: semantics S1.1 (h) and (k), S7.4.
#[inline(always)]
pub fn start(world: &mut World<'_>, index: u32, route: &RoutePlan<'_>) -> Result<(), Failure> {
    let call = &mut world.calls[index];
    let upstream = &mut world.upstreams[call.upstream as usize];
    let cluster = upstream.plan;
    let Some(worker) = &mut upstream.workers[usize::from(call.worker)] else {
        let (upstream, worker) = (call.upstream, call.worker);
        world.make_worker(upstream, worker);
        return start(world, index, route);
    };
    let key = draw(call.key, Purpose::Attempt, u64::from(call.attempts));
    call.attempts += 1;
    let leaves = upstream.sources.is_some()
        && !call.tried.is_empty()
        && route.retry.is_some_and(|spec| spec.remote_localities);
    let (picked, number) = if upstream.is_sure && !leaves {
        let view = HostView {
            active: &upstream.active,
            weights: &cluster.weights,
            available: &upstream.available,
            generation: upstream.generation,
            source: upstream.source,
            now: world.now,
            first_healthy: &upstream.first_healthy,
            key: None,
        };
        let mut draws = Draw::at(key, Purpose::HostPick);
        let picked = pick::past_tried(&world.lines, call, route, |_| worker.balancer.pick(&view, &mut draws));
        (picked, worker.pool(picked))
    } else {
        let (upstream, worker) = (call.upstream as usize, usize::from(call.worker));
        let picked = pick::among(world, index, route, key);
        let worker = world.upstreams[upstream].workers[worker].as_ref();
        (picked, worker.map_or(NIL, |worker| worker.pool(picked)))
    };
    let Some(host) = picked else {
        count(world, index, Counter::NoHealthyUpstream);
        return Err(Failure::NoHealthyHost);
    };
    let number = if number == NIL { make_pool(world, index, host) } else { number };
    enter(world, index, number, key, route.per_try)
}

#[cold]
fn make_pool(world: &mut World<'_>, index: u32, host: u32) -> u32 {
    let call = &world.calls[index];
    world.make_pool(call.upstream, call.worker, host)
}

/// The pool lets the attempt in, makes it wait, or has no room. Source: semantics S7.4 steps 1 to 3.
#[inline(always)]
fn enter(world: &mut World<'_>, index: u32, number: u32, key: u64, per_try: u32) -> Result<(), Failure> {
    let call = &mut world.calls[index];
    let at = &mut world.pools[number as usize];
    let upstream = &mut world.upstreams[at.upstream as usize];
    let admission =
        at.pool.admit(&mut upstream.breakers, &mut world.connections, upstream.plan.rules, world.now);
    let connection = match admission {
        Admission::Ready(connection) => connection,
        Admission::Pend => NIL,
        Admission::PendingOverflow => return overflow(world, index, Counter::PendingOverflow),
        Admission::RequestsOverflow => return overflow(world, index, Counter::ActiveOverflow),
    };
    let is_remembered = upstream.look_back.is_some();
    let slot = world.attempts.insert(Attempt {
        key,
        call: index,
        pool: number,
        pod: at.pod,
        connection,
        shape: call.shape,
        hops: call.hops,
        counted: call.counted,
        ..Attempt::default()
    });
    call.attempt = slot.index;
    if is_remembered {
        remember(world, slot.index);
    }
    if connection == NIL {
        pend(world, slot.index, number);
    } else {
        send(world, slot, number, per_try);
    }
    Ok(())
}

/// A retry budget that looks back will ask when this attempt began.
#[cold]
fn remember(world: &mut World<'_>, index: u32) {
    let place = index as usize;
    if world.begun.len() <= place {
        world.begun.resize(place + 1, SimTime::ZERO);
    }
    world.begun[place] = world.now;
}

/// The attempt is over for the cluster, and the budget that looks back hears of it. Source: semantics S9.7.
#[cold]
fn look_back(world: &mut World<'_>, number: u32, index: u32) {
    let upstream = &mut world.upstreams[world.pools[number as usize].upstream as usize];
    let look_back = upstream.look_back.as_mut().expect("it was asked for");
    look_back.ended(world.begun[index as usize], world.now);
}

#[cold]
fn overflow(world: &mut World<'_>, call_index: u32, counter: Counter) -> Result<(), Failure> {
    count(world, call_index, counter);
    world.calls[call_index].attempt = NIL;
    Err(Failure::Overflow)
}

/// Joins the pool's line and makes the connections that it wants.
fn pend(world: &mut World<'_>, index: u32, number: u32) {
    let at = &mut world.pools[number as usize];
    let breakers = &mut world.upstreams[at.upstream as usize].breakers;
    let attempt = &mut world.attempts[index];
    attempt.place = at.pool.pend(breakers, &mut world.lines, index);
    let key = attempt.key;
    connect(world, number, key);
}

/// Makes as many connections of a pool as it wants now; `key` is of the attempt that makes it want them.
/// Source: semantics S7.4 step 4.
fn connect(world: &mut World<'_>, number: u32, key: u64) {
    let (mut granted, mut overflows) = wanted(world, number);
    if overflows > 0 {
        // Idle connections that nobody has looked at may have made room by now.
        let upstream = world.pools[number as usize].upstream;
        expire_idle(world, upstream);
        (granted, overflows) = wanted(world, number);
    }
    let upstream = &world.upstreams[world.pools[number as usize].upstream as usize];
    let row = upstream.row;
    let counted = world.clock.counts(world.now);
    for _ in 0..overflows {
        world.recorder.count(row, Counter::CxOverflow, counted);
    }
    for nth in 0..granted {
        world.recorder.count(row, Counter::CxTotal, counted);
        make_connection(world, number, key, nth);
    }
}

fn wanted(world: &mut World<'_>, number: u32) -> (u32, u32) {
    let at = &world.pools[number as usize];
    let upstream = &world.upstreams[at.upstream as usize];
    at.pool.wanted(&upstream.breakers, upstream.plan.rules)
}

/// Closes what has been idle for too long in any pool of the cluster; looks only if there can be such.
fn expire_idle(world: &mut World<'_>, upstream: u32) {
    let upstream = &mut world.upstreams[upstream as usize];
    if world.now < upstream.fresh_until {
        return;
    }
    let mut fresh_until = upstream.plan.rules.next_expiry(world.now);
    for number in upstream.workers.iter().flatten().flat_map(|worker| &worker.pools) {
        if let Some(at) = world.pools.get_mut(*number as usize) {
            let next = at.pool.expire(&mut upstream.breakers, &mut world.connections, world.now);
            fresh_until = fresh_until.min(next);
        }
    }
    upstream.fresh_until = fresh_until;
}

/// Begins a connection and its handshakes: a round trip for TCP, one for TLS, and what a dead pod, or one that speaks no
/// TLS, makes of them. Source: semantics S7.8, S13.3, S13.4; design D9.3, D9.14.
fn make_connection(world: &mut World<'_>, number: u32, key: u64, nth: u32) {
    let at = &mut world.pools[number as usize];
    let upstream = &mut world.upstreams[at.upstream as usize];
    let limit = upstream.plan.connect_timeout;
    let UpstreamHost { tls, refusal, .. } = upstream.hosts[at.host as usize];
    let takes = network::handshake(world.plan, at.way, key, nth, tls);
    let connection = at.pool.connect(&mut upstream.breakers, &mut world.connections, number);
    let slot = world.connections.slot(connection);
    let (after, event) = match world.pods[at.pod.index()].condition {
        Condition::Down(CrashOf::Node) => (limit, Event::ConnectFailed(slot)),
        _ if takes > limit => (limit, Event::ConnectFailed(slot)),
        Condition::Down(CrashOf::Pod) => (takes, Event::ConnectFailed(slot)),
        _ if refusal == Some(Refusal::NoHandshake) => (takes, Event::ConnectFailed(slot)),
        _ => (takes, Event::Connected(slot)),
    };
    world.queue.push(world.now + after, event);
}

/// A connection's handshakes are done: who waits longest gets it.
pub fn connected(world: &mut World<'_>, slot: Slot) {
    let Some(connection) = world.connections.get(slot) else { return };
    let number = connection.pool;
    let at = &mut world.pools[number as usize];
    if world.pods[at.pod.index()].condition == Condition::Down(CrashOf::Pod) {
        // It has died meanwhile. Source: semantics S7.8, S15.5.
        return world.queue.push(world.now, Event::ConnectFailed(slot));
    }
    let rules = world.upstreams[at.upstream as usize].plan.rules;
    at.pool.connected(&mut world.connections, rules, slot.index, world.now);
    if at.keep_alive.is_some() {
        keep_alive::idles(world, number, slot.index, SimDuration::ZERO);
    }
    serve_waiting(world, number);
}

/// A connection could not be made. Returns all that waited in its pool, the oldest first: they fail with it.
/// Source: semantics S7.8.
pub fn connect_failed(world: &mut World<'_>, slot: Slot) -> Vec<u32> {
    let Some(connection) = world.connections.get(slot) else { return Vec::new() };
    let at = &mut world.pools[connection.pool as usize];
    let upstream = &mut world.upstreams[at.upstream as usize];
    let counted = world.clock.counts(world.now);
    world.recorder.count(upstream.row, Counter::CxConnectFail, counted);
    at.pool.connect_failed(&mut upstream.breakers, &mut world.connections, slot.index);
    world.lines.iter(&at.pool.waiting).collect()
}

/// Hands ready connections to those that wait; who finds the limit of requests full then overflows (by an event, as
/// its call stands above).
fn serve_waiting(world: &mut World<'_>, number: u32) {
    loop {
        let at = &mut world.pools[number as usize];
        let upstream = &mut world.upstreams[at.upstream as usize];
        let rules = upstream.plan.rules;
        let served = at.pool.serve(&mut upstream.breakers, &mut world.connections, &mut world.lines, rules);
        let Some((index, connection)) = served else { break };
        let slot = world.attempts.slot(index);
        let attempt = &mut world.attempts[index];
        attempt.place = Place::NONE;
        match connection {
            Some(connection) => {
                attempt.connection = connection;
                let route = world.calls[attempt.call].route;
                send(world, slot, number, world.plan.routes[route as usize].per_try);
            }
            None => world.queue.push(world.now, Event::Overflowed(slot)),
        }
    }
    connect_for_waiting(world, number);
}

/// Envoy asks for connections whenever a line moves and is not empty then, not only when somebody joins it: each time
/// that the limit says no counts again. Source: E4b and E4c of tests/truth/measured.yaml; S7.4 step 4.
fn connect_for_waiting(world: &mut World<'_>, number: u32) {
    let waiting = &world.pools[number as usize].pool.waiting;
    let Some(first) = world.lines.iter(waiting).next() else { return };
    let key = world.attempts[first].key;
    connect(world, number, key);
}

/// The attempt has its stream, on its connection: the per-try timer starts, the bytes leave. Source: semantics S10.2.
#[inline(always)]
fn send(world: &mut World<'_>, slot: Slot, number: u32, per_try: u32) {
    let attempt = &mut world.attempts[slot.index];
    debug_assert_eq!(attempt.phase, Phase::Pending);
    attempt.phase = Phase::Sent;
    let (key, call) = (attempt.key, attempt.call);
    let at = &world.pools[number as usize];
    let upstream = &mut world.upstreams[at.upstream as usize];
    upstream.active[at.host as usize] += 1;
    if let Some(detector) = &mut upstream.detector {
        // Only the split mode listens, and only to forget local failures: no ejection follows.
        let _ = detector.observe(at.host as usize, Report::ConnectSuccess);
    }
    world.recorder.count(upstream.row, Counter::Attempts, attempt.counted);
    world.recorder.attempt_sent(at.row, attempt.counted);
    // Copies have the route's time limit alone. Source: semantics S12.4.
    if per_try != NIL && world.calls[call].parent != Parent::Nobody {
        attempt.per_try_timer = world.queue.arm(world.lanes[per_try as usize], Event::PerTryTimeout(slot));
    }
    if at.way.is_cut || at.keep_alive.is_some() {
        return send_with_doubt(world, slot);
    }
    let leg = at.way.out(world.plan, key);
    world.queue.push(world.now + leg, Event::Delivered(slot));
}

/// The bytes may reach a proxy that has no use for them, or a connection that is closed: the reset comes back then, and no
/// application hears of it. Source: semantics S7.8, S13.3.
#[cold]
fn send_with_doubt(world: &mut World<'_>, slot: Slot) {
    let attempt = &world.attempts[slot.index];
    let way = world.pools[attempt.pool as usize].way;
    let (key, connection) = (attempt.key, attempt.connection);
    let arrives = world.now + way.out(world.plan, key);
    if !way.is_cut && !keep_alive::is_too_late(world, connection, arrives) {
        return world.queue.push(arrives, Event::Delivered(slot));
    }
    let attempt = &mut world.attempts[slot.index];
    attempt.phase = Phase::Returning;
    attempt.status = BROKEN + Breakage::Connection as u16;
    world.queue.push(arrives + way.back(world.plan, key), Event::Reset(slot));
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the whole answer to the attempt of this key.
    Whole(u64),
    /// Cut short, which costs an HTTP/1.1 connection its life. Source: semantics S21.4.
    CutShort,
    /// With its connection.
    Broken,
}

/// The caller lets go of an attempt that failed: of its place in the pool, or of its stream. The pod may go on with it.
pub fn let_go(world: &mut World<'_>, index: u32, end: End) {
    let attempt = &mut world.attempts[index];
    if !attempt.per_try_timer.is_none() {
        world.queue.disarm(attempt.per_try_timer);
        attempt.per_try_timer = Timer::NONE;
    }
    let (phase, number, connection) = (attempt.phase, attempt.pool, attempt.connection);
    match phase {
        Phase::Pending => return leave_line(world, index),
        Phase::Sent | Phase::Serving => attempt.is_abandoned = true,
        Phase::Returning | Phase::Lost => world.attempts.remove(index),
    }
    release_stream(world, index, number, connection, end);
}

/// The attempts that have a stream on a connection. Looks through all attempts: for connections that break, which is
/// rare enough.
pub fn on_connection(world: &World<'_>, pool: u32, connection: u32) -> Vec<Slot> {
    let has_stream = |attempt: &Attempt| {
        attempt.pool == pool
            && attempt.connection == connection
            && !attempt.is_abandoned
            && match attempt.phase {
                Phase::Sent | Phase::Serving | Phase::Lost => true,
                // What was answered before it broke comes first.
                Phase::Returning => attempt.status >= BROKEN,
                Phase::Pending => false,
            }
    };
    let attempts = world.attempts.iter().filter(|(_, attempt)| has_stream(attempt));
    attempts.map(|(index, _)| world.attempts.slot(index)).collect()
}

#[cold]
fn leave_line(world: &mut World<'_>, index: u32) {
    let attempt = &mut world.attempts[index];
    let at = &mut world.pools[attempt.pool as usize];
    let (number, upstream) = (attempt.pool, &mut world.upstreams[at.upstream as usize]);
    // Without a place it was served a moment ago, and overflowed.
    if !attempt.place.is_none() {
        at.pool.unpend(&mut upstream.breakers, &mut world.lines, attempt.place);
    }
    let looks_back = upstream.look_back.is_some();
    world.attempts.remove(index);
    if looks_back {
        look_back(world, number, index);
    }
}

/// The stream has ended: whoever waits for one may have its connection.
#[inline(always)]
pub fn release_stream(world: &mut World<'_>, index: u32, number: u32, connection: u32, end: End) {
    let at = &mut world.pools[number as usize];
    let upstream = &mut world.upstreams[at.upstream as usize];
    upstream.active[at.host as usize] -= 1;
    let rules = upstream.plan.rules;
    let broken = match end {
        End::Whole(_) => false,
        End::CutShort => rules.is_http1(),
        End::Broken => true,
    };
    let released =
        at.pool.release(&mut upstream.breakers, &mut world.connections, rules, connection, broken, world.now);
    let waits = !at.pool.waiting.is_empty();
    let (idles, looks_back) = (at.keep_alive.is_some(), upstream.look_back.is_some());
    if idles && released == Released::Usable {
        let answered = if let End::Whole(key) = end { Some(key) } else { None };
        keep_alive::released(world, number, connection, answered);
    }
    if looks_back {
        look_back(world, number, index);
    }
    if waits {
        serve_next(world, number, released);
    }
}

/// A stream of a pool has ended while others wait there.
#[inline(never)]
fn serve_next(world: &mut World<'_>, number: u32, released: Released) {
    if released == Released::Usable {
        serve_waiting(world, number);
    } else {
        connect_for_waiting(world, number);
    }
}

/// Counts for the cluster of a call.
#[inline]
pub fn count(world: &mut World<'_>, call: u32, counter: Counter) {
    let call = &world.calls[call];
    if let Some(row) = call.row() {
        world.recorder.count(row, counter, call.counted);
    }
}
