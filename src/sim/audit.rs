//! What is in flight, counted at both ends: by those who hold something, and by those whom they hold it from. A run
//! never needs it; tests ask for it at odd moments, where a count that was forgotten on some rare path shows.

use crate::kernel::Id;
use crate::mesh::PodId;
use crate::policy::inbound::Pass;
use crate::sim::gate;
use crate::sim::plan::NIL;
use crate::sim::world::{Attempt, Parent, Phase, Stage, Upstream, World};

/// What a run holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    pub requests: usize,
    pub calls: usize,
    pub attempts: usize,
    /// Connections of opaque bytes.
    pub sessions: usize,
    /// Attempts that nobody will ever answer, as their pod's node is gone.
    pub lost: usize,
    pub streams: u64,
    pub pending: u64,
    pub retries: u64,
    /// Slots taken at pods.
    pub busy: u64,
    /// Requests in line at pods.
    pub waiting: u64,
    pub timers: usize,
    /// What does not agree, or passes a limit; empty if all is well.
    pub faults: Vec<String>,
}

/// What attempts and calls hold of one upstream or pod.
#[derive(Clone, Copy, Default)]
struct Held {
    streams: u64,
    pending: u64,
    retries: u64,
    connections: u64,
    /// Connections of opaque bytes, with the stream that each is on its upstream connection.
    sessions: u64,
    /// Those whose upstream connection is being made.
    connecting: u64,
}

#[derive(Clone, Copy, Default)]
struct Work {
    busy: u64,
    waiting: u64,
}

/// Counts everything in `world` twice.
pub fn of(world: &World<'_>) -> Audit {
    let mut audit = Audit {
        requests: world.requests.len(),
        calls: world.calls.len(),
        attempts: world.attempts.len(),
        sessions: world.sessions.len(),
        timers: world.queue.armed(),
        ..Audit::default()
    };
    calls(world, &mut audit);
    let (held, work) = holdings(world, &mut audit);
    for (number, (upstream, held)) in world.upstreams.iter().zip(held).enumerate() {
        check_upstream(world, number, upstream, held, &mut audit.faults);
    }
    check_gates(world, &mut audit.faults);
    for (number, work) in work.into_iter().enumerate() {
        check_pod(world, PodId::from_index(number), work, &mut audit.faults);
    }
    audit
}

/// Each request has one call, or one connection that is not told of, each attempt as many as it waits for.
fn calls(world: &World<'_>, audit: &mut Audit) {
    let of_requests =
        world.calls.iter().filter(|(_, call)| matches!(call.parent, Parent::Request(_))).count();
    let untold = world.sessions.iter().filter(|(_, session)| session.request != NIL).count();
    agree(
        &mut audit.faults,
        || "calls of requests".to_owned(),
        (of_requests + untold) as u64,
        world.requests.len() as u64,
    );
    let mut open = vec![0u64; world.attempts.capacity_used()];
    let mut timers = 0;
    for (_, call) in world.calls.iter() {
        timers += usize::from(!call.route_timer.is_none()) + usize::from(!call.app_timer.is_none());
        if let Parent::Attempt(slot) = call.parent
            && world.attempts.is_alive(slot)
        {
            open[slot.index as usize] += 1;
        }
    }
    for (index, attempt) in world.attempts.iter() {
        timers += usize::from(!attempt.per_try_timer.is_none());
        if attempt.phase == Phase::Serving {
            let what = || format!("calls that attempt {index} waits for");
            agree(&mut audit.faults, what, open[index as usize], u64::from(attempt.open_calls));
        }
    }
    agree(&mut audit.faults, || "armed timers".to_owned(), timers as u64, audit.timers as u64);
}

fn has_stream(attempt: &Attempt) -> bool {
    attempt.phase != Phase::Pending && !attempt.is_abandoned
}

fn holdings(world: &World<'_>, audit: &mut Audit) -> (Vec<Held>, Vec<Work>) {
    let mut held = vec![Held::default(); world.upstreams.len()];
    let mut work = vec![Work::default(); world.pods.len()];
    for (index, attempt) in world.attempts.iter() {
        let upstream = &mut held[world.pools[attempt.pool as usize].upstream as usize];
        let pod = &mut work[attempt.pod.index()];
        upstream.streams += u64::from(has_stream(attempt));
        let waits = !attempt.place.is_none();
        upstream.pending += u64::from(attempt.phase == Phase::Pending && waits);
        pod.waiting += u64::from(attempt.phase == Phase::Serving && waits && !gate::waits(world, index));
        pod.busy += u64::from(attempt.has_slot);
        audit.lost += usize::from(attempt.phase == Phase::Lost);
    }
    for (_, call) in world.calls.iter().filter(|(_, call)| call.is_retrying) {
        held[call.upstream as usize].retries += 1;
    }
    for (_, connection) in world.connections.iter() {
        // Those of a pod's own sidecar have no pool of a caller.
        if let Some(at) = world.pools.get(connection.pool as usize) {
            held[at.upstream as usize].connections += 1;
        }
    }
    for (_, session) in world.sessions.iter().filter(|(_, session)| session.stage != Stage::Refused) {
        let at = &world.pools[session.pool as usize];
        let (upstream, pod) = (&mut held[at.upstream as usize], &mut work[at.pod.index()]);
        let is_connecting = u64::from(session.stage == Stage::Connecting);
        upstream.connecting += is_connecting;
        upstream.sessions += 1 - is_connecting;
        pod.busy += u64::from(session.has_slot);
    }
    audit.streams = held.iter().map(|held| held.streams).sum();
    audit.pending = held.iter().map(|held| held.pending).sum();
    audit.retries = held.iter().map(|held| held.retries).sum();
    audit.busy = work.iter().map(|work| work.busy).sum();
    audit.waiting = work.iter().map(|work| work.waiting).sum();
    (held, work)
}

/// What passes a gate holds it.
fn check_gates(world: &World<'_>, faults: &mut Vec<String>) {
    let mut held = vec![(0u32, 0u32); world.gates.len()];
    for pass in &world.passes {
        match pass {
            Pass::None | Pass::Refused | Pass::Again(_) => {}
            Pass::Waits(gate) => held[*gate as usize].1 += 1,
            Pass::Through(gate, _) => held[*gate as usize].0 += 1,
        }
    }
    let mut sessions = vec![0u64; world.gates.len()];
    for (_, session) in world.sessions.iter().filter(|(_, session)| session.has_gate) {
        sessions[world.pools[session.pool as usize].gate as usize] += 1;
    }
    for (number, (gate, held)) in world.gates.iter().zip(sessions).enumerate() {
        agree(faults, || format!("connections at gate {number}"), held, u64::from(gate.sessions));
    }
    for (number, (gate, (through, waiting))) in world.gates.iter().zip(held).enumerate() {
        let (requests, pending) = (gate.gate.breakers.requests, gate.gate.breakers.pending);
        agree(faults, || format!("requests through gate {number}"), u64::from(through), u64::from(requests));
        agree(faults, || format!("waiting at gate {number}"), u64::from(waiting), u64::from(pending));
    }
}

fn check_upstream(
    world: &World<'_>,
    number: usize,
    upstream: &Upstream,
    held: Held,
    faults: &mut Vec<String>,
) {
    let cluster = &world.plan.mesh.clusters[upstream.cluster];
    let (breakers, limits) = (&upstream.breakers, &upstream.breakers.limits);
    let name = |what: &str| format!("{what} of {} at upstream {number}", cluster.name);
    let streams = held.streams + held.sessions;
    agree(faults, || name("requests"), streams, u64::from(breakers.requests));
    agree(faults, || name("active"), streams, upstream.active.iter().map(|n| u64::from(*n)).sum());
    agree(faults, || name("pending"), held.pending + held.connecting, u64::from(breakers.pending));
    agree(faults, || name("retries"), held.retries, u64::from(breakers.retries));
    let connections = held.connections + held.sessions + held.connecting;
    agree(faults, || name("connections"), connections, u64::from(breakers.connections));
    let numbers = upstream.workers.iter().flatten().flat_map(|worker| &worker.pools);
    let pools = numbers.filter_map(|number| world.pools.get(*number as usize).map(|at| &at.pool));
    let pools: Vec<_> = pools.collect();
    let (open, waiting) = pools.iter().fold((0, 0), |(open, waiting), pool| {
        (open + u64::from(pool.open()), waiting + u64::from(pool.waiting.len()))
    });
    agree(faults, || name("connections of pools"), open, held.connections);
    agree(faults, || name("waiting in pools"), waiting, held.pending);
    // Opaque connections count there and are not limited by it.
    let asked = breakers.requests.saturating_sub(held.sessions as u32);
    within(faults, || name("requests"), asked, limits.max_requests);
    within(faults, || name("pending"), breakers.pending, limits.max_pending_requests);
    if limits.retry_budget.is_none() {
        within(faults, || name("retries"), breakers.retries, limits.max_retries);
    }
    // Every pool may have its first connection, whatever the others hold. S7.4.
    let most = limits.max_connections.saturating_add(pools.len() as u32);
    within(faults, || name("connections"), breakers.connections, most);
}

fn check_pod(world: &World<'_>, pod: PodId, held: Work, faults: &mut Vec<String>) {
    let state = &world.pods[pod.index()];
    let plan = world.plan.workload(state.workload);
    let name = |what: &str| format!("{what} at {}", world.plan.mesh.pods[pod].name);
    agree(faults, || name("slots"), held.busy, u64::from(state.busy));
    agree(faults, || name("line"), held.waiting, u64::from(state.waiting.len()));
    if !plan.shares_cores {
        within(faults, || name("slots"), state.busy, state.concurrency);
    }
    // Asynchronous pods take up what they have begun past the limit. Design D9.12.
    if !plan.is_async {
        within(faults, || name("line"), state.queued(), plan.queue_limit);
    }
}

fn agree(faults: &mut Vec<String>, what: impl FnOnce() -> String, held: u64, counted: u64) {
    if held != counted {
        faults.push(format!("{}: {held} held, {counted} counted", what()));
    }
}

fn within(faults: &mut Vec<String>, what: impl FnOnce() -> String, count: u32, limit: u32) {
    if count > limit {
        faults.push(format!("{}: {count} passes the limit of {limit}", what()));
    }
}
