//! A pod's own sidecar on the way in. The pool of a DestinationRule acts a second time there, before the application sees
//! a request. What finds no room gets 503 from this sidecar, which is a plain answer to the caller's.
//! Source: semantics S1.2, S7.4, S15.3.
//!
//! ```text
//!  accept ─▶ admit ─┬─▶ a connection ─────────▶ the application
//!                   ├─▶ waits: maxConnections ─▶ Event::Admitted, as somebody leaves
//!                   └─▶ overflow: 503
//!  no application ──▶ tries again, by Event::Admitted, then 503
//! ```

use crate::kernel::fifo::Place;
use crate::kernel::random::{Purpose, draw, entity_root};
use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimTime};
use crate::mesh::PodId;
use crate::metrics::results::Counter;
use crate::policy::failure::Failure;
use crate::policy::inbound::Pass;
use crate::policy::pool::Admission;
use crate::policy::retry::{backoff, would_retry_reset};
use crate::sim::event::Event;
use crate::sim::world::World;

/// Schedules what later states of the configuration make of limits: news reach a pod's sidecar as they reach any proxy.
/// Source: design D9.16.
pub fn begin(world: &mut World<'_>, seed: u64, replication: u64) {
    let plan = world.plan;
    for number in 0..world.gates.len() {
        let at = &world.gates[number];
        let later = &plan.workload(plan.mesh.pods[at.pod].workload).inbound[at.number as usize].later;
        if later.is_empty() {
            continue;
        }
        let pod = &plan.mesh.pods[at.pod];
        let root = match pod.proxy {
            Some(proxy) => world.proxies[proxy.index()].root,
            None => entity_root(seed, replication, &format!("proxy/{}", pod.name)),
        };
        let mut due = SimTime::ZERO;
        for (state, config) in plan.mesh.states.iter().skip(1) {
            let drawn = draw(root, Purpose::Propagation, state.index() as u64);
            due = due.max(config.at + plan.sampler(plan.propagation).sample(drawn));
            if let Some(change) = later.iter().position(|(changed, _)| *changed == state) {
                world.queue.push(due, Event::LimitsPushed(number as u32, change as u32));
            }
        }
    }
}

/// A gate has other limits from now on. What is open stays; whoever has room by now goes on.
pub fn pushed(world: &mut World<'_>, number: u32, change: u32) {
    let plan = world.plan;
    let at = &mut world.gates[number as usize];
    let workload = plan.workload(plan.mesh.pods[at.pod].workload);
    let (_, limits) = &workload.inbound[at.number as usize].later[change as usize];
    at.gate.breakers.limits = limits.breakers.clone();
    at.gate.rules = limits.rules;
    for worker in 0..at.gate.pools.len() {
        move_up(world, number, worker);
    }
}

/// What becomes of an attempt that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Through,
    Waits,
    Refused,
}

/// Asks a gate, a row of the world's, to let an attempt through.
pub fn admit(world: &mut World<'_>, slot: Slot, number: u32) -> Entry {
    let attempt = &mut world.attempts[slot.index];
    let counted = attempt.counted;
    let gate = &mut world.gates[number as usize].gate;
    let worker = gate.worker(attempt.key);
    let pool = &mut gate.pools[worker];
    match pool.admit(&mut gate.breakers, &mut world.connections, gate.rules, world.now) {
        Admission::Ready(connection) => {
            set(world, slot.index, Pass::Through(number, connection));
            Entry::Through
        }
        Admission::Pend => {
            attempt.place = pool.pend(&mut gate.breakers, &mut world.lines, slot.index);
            set(world, slot.index, Pass::Waits(number));
            move_up(world, number, worker);
            Entry::Waits
        }
        Admission::PendingOverflow => {
            count(world, number, Counter::PendingOverflow, counted);
            Entry::Refused
        }
        Admission::RequestsOverflow => {
            count(world, number, Counter::ActiveOverflow, counted);
            Entry::Refused
        }
    }
}

/// The application takes no connections. Its sidecar tries again as often as the inbound policy has it; false once it
/// has done so, or if it has none. Source: semantics S1.2, S9.5, S15.3.
pub fn tries_again(world: &mut World<'_>, index: u32) -> bool {
    let plan = world.plan;
    let attempt = &world.attempts[index];
    let at = &world.pools[attempt.pool as usize];
    let is_grpc = world.upstreams[at.upstream as usize].plan.is_grpc;
    let has_sidecar = plan.workload(plan.mesh.pods[attempt.pod].workload).workload.has_sidecar();
    let policy = if is_grpc { &plan.mesh.proxy.inbound_grpc_retry } else { &plan.mesh.proxy.inbound_retry };
    let Some(spec) = policy.as_ref().filter(|_| has_sidecar) else { return false };
    let so_far = match pass(world, index) {
        Pass::Again(tries) => tries,
        _ => 0,
    };
    if so_far >= spec.attempts.get() || !would_retry_reset(spec.on, Failure::ConnectFailure, false) {
        return false;
    }
    let drawn = draw(attempt.key, Purpose::InboundBackoff, u64::from(so_far));
    let wait = backoff(drawn, so_far, spec.base_interval, spec.max_interval);
    set(world, index, Pass::Again(so_far + 1));
    let slot = world.attempts.slot(index);
    world.queue.push(world.now + wait, Event::Admitted(slot));
    true
}

fn set(world: &mut World<'_>, index: u32, pass: Pass) {
    let passes = &mut world.passes;
    if passes.len() <= index as usize {
        passes.resize(index as usize + 1, Pass::None);
    }
    passes[index as usize] = pass;
}

fn pass(world: &World<'_>, index: u32) -> Pass {
    world.passes.get(index as usize).copied().unwrap_or_default()
}

/// Whether an attempt still waits at the pod's sidecar, for its gate or for another try.
pub fn waits(world: &World<'_>, index: u32) -> bool {
    matches!(pass(world, index), Pass::Waits(_) | Pass::Again(_))
}

/// Whether an attempt waits to be tried again.
pub fn is_between_tries(world: &World<'_>, index: u32) -> bool {
    matches!(pass(world, index), Pass::Again(_))
}

/// Whether an attempt that has waited is refused.
pub fn refuses(world: &World<'_>, index: u32) -> bool {
    pass(world, index) == Pass::Refused
}

/// Counts at the inbound cluster, which has a row of its own once there is something to tell.
pub fn count(world: &mut World<'_>, number: u32, counter: Counter, counted: bool) {
    let plan = world.plan;
    let at = &mut world.gates[number as usize];
    let recorder = &mut world.recorder;
    let row = *at.row.get_or_insert_with(|| {
        let workload = plan.workload(plan.mesh.pods[at.pod].workload);
        let inbound = &workload.inbound[at.number as usize];
        let service = &plan.mesh.services[inbound.service].name;
        // Envoy's name of the cluster, which no subset can have.
        let subset = format!("inbound|{}||", inbound.port);
        recorder.cluster_row(&workload.workload.name, service, inbound.port, &subset)
    });
    recorder.count(row, counter, counted);
}

/// Makes connections for those that wait at a worker and lets through whom they serve: by an event each, as a long line
/// would be a deep recursion.
fn move_up(world: &mut World<'_>, number: u32, worker: usize) {
    let gate = &mut world.gates[number as usize].gate;
    let overflows = gate.connect(worker, &mut world.connections, world.now);
    for _ in 0..overflows {
        let counted = world.clock.counts(world.now);
        count(world, number, Counter::CxOverflow, counted);
    }
    loop {
        let gate = &mut world.gates[number as usize].gate;
        let pool = &mut gate.pools[worker];
        let served = pool.serve(&mut gate.breakers, &mut world.connections, &mut world.lines, gate.rules);
        let Some((index, connection)) = served else { return };
        let slot = world.attempts.slot(index);
        let attempt = &mut world.attempts[index];
        attempt.place = Place::NONE;
        let counted = attempt.counted;
        match connection {
            Some(connection) => set(world, index, Pass::Through(number, connection)),
            None => {
                set(world, index, Pass::Refused);
                count(world, number, Counter::ActiveOverflow, counted);
            }
        }
        world.queue.push(world.now, Event::Admitted(slot));
    }
}

/// The attempt has its answer, or nobody wants one any more: its place is free for the next.
pub fn leave(world: &mut World<'_>, index: u32) {
    let Some(pass) = world.passes.get_mut(index as usize).map(std::mem::take) else { return };
    let (Pass::Waits(number) | Pass::Through(number, _)) = pass else { return };
    let attempt = &mut world.attempts[index];
    let gate = &mut world.gates[number as usize].gate;
    let (worker, rules) = (gate.worker(attempt.key), gate.rules);
    let pool = &mut gate.pools[worker];
    let Pass::Through(_, connection) = pass else {
        let place = std::mem::replace(&mut attempt.place, Place::NONE);
        return pool.unpend(&mut gate.breakers, &mut world.lines, place);
    };
    pool.release(&mut gate.breakers, &mut world.connections, rules, connection, false, world.now);
    if !pool.waiting.is_empty() {
        move_up(world, number, worker);
    }
}

/// A pod's application is gone, with all connections to it: those that waited here, and those that were through.
pub fn clear(world: &mut World<'_>, pod: PodId, waiting: &[u32], through: &[u32]) {
    // Those that wait first, so that nobody moves up.
    for index in waiting.iter().chain(through) {
        leave(world, *index);
    }
    for number in &world.pods[pod.index()].gates {
        let gate = &mut world.gates[*number as usize].gate;
        for pool in &mut gate.pools {
            pool.drain(&mut gate.breakers, &mut world.connections);
        }
    }
}
