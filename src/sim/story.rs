//! The stories of single requests: a replication is run once more, and every event that is theirs leaves a line. Ordinary
//! runs know nothing of it.

use std::collections::BTreeMap;

use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::{CallSpecId, ClientId};
use crate::metrics::story::{Moment, Story, What};
use crate::sim::event::Event;
use crate::sim::observer::Heard;
use crate::sim::plan::{NIL, Plan};
use crate::sim::run::Run;
use crate::sim::world::{Call, Parent, World};
use crate::sim::{attempt, call};

/// How often the run looks whether all have their answers.
const STEP: SimDuration = SimDuration::from_secs(1);

/// The stories of the requests with these fates, by fate, from a replication run up to their last answer. Those that have
/// no answer when the run ends have no story.
pub fn stories(plan: &Plan<'_>, seed: u64, replication: u64, fates: &[u64]) -> BTreeMap<u64, Story> {
    let mut run = Run::new(plan, seed, replication);
    run.observe();
    let mut moments: BTreeMap<u64, Vec<(SimTime, Moment)>> = BTreeMap::new();
    let (mut stories, mut heard) = (BTreeMap::new(), Heard::default());
    let mut until = SimTime::ZERO;
    while stories.len() < fates.len() {
        until += STEP;
        let goes_on = run.watch(until, |world, event| {
            for (fate, moment) in look(world, event).into_iter().filter(|(fate, _)| fates.contains(fate)) {
                moments.entry(fate).or_default().push((world.now, moment));
            }
        });
        run.hear(&mut heard);
        for answered in heard.answered.iter().filter(|answered| fates.contains(&answered.fate)) {
            let at = |(now, moment): (SimTime, Moment)| Moment { at: now.since(answered.born), ..moment };
            let own = moments.remove(&answered.fate).unwrap_or_default();
            let story = Story {
                born: answered.born,
                moments: own.into_iter().map(at).collect(),
                took: answered.took,
                outcome: answered.outcome,
            };
            stories.insert(answered.fate, story);
        }
        if !goes_on {
            break;
        }
    }
    stories
}

/// What an event that is about to be handled means to requests.
fn look(world: &World<'_>, event: Event) -> Vec<(u64, Moment)> {
    let of_all = |slots: Vec<Slot>, what: What| {
        slots.into_iter().filter_map(|slot| of_attempt(world, slot, |_| what)).collect()
    };
    match event {
        Event::Reset(slot) => of_all(reset_by(world, slot), What::Reset),
        Event::ConnectFailed(slot) => of_all(waiting_for(world, slot), What::ConnectFailed),
        _ => look_at_one(world, event).into_iter().collect(),
    }
}

/// The attempts that hear of one's broken exchange. Source: semantics S17.2.
fn reset_by(world: &World<'_>, slot: Slot) -> Vec<Slot> {
    let Some(attempt) = world.attempts.get(slot) else { return Vec::new() };
    match call::broke_off(world, attempt) {
        (_, true) => vec![slot],
        (_, false) => attempt::on_connection(world, attempt.pool, attempt.connection),
    }
}

/// The attempts that fail with a new connection. Source: semantics S7.8.
fn waiting_for(world: &World<'_>, connection: Slot) -> Vec<Slot> {
    let Some(connection) = world.connections.get(connection) else { return Vec::new() };
    let waiting = &world.pools[connection.pool as usize].pool.waiting;
    world.lines.iter(waiting).map(|index| world.attempts.slot(index)).collect()
}

fn look_at_one(world: &World<'_>, event: Event) -> Option<(u64, Moment)> {
    match event {
        Event::Delivered(slot) => of_attempt(world, slot, |_| What::Arrived),
        Event::Answered(slot) => of_attempt(world, slot, What::Answered),
        Event::PerTryTimeout(slot) => of_attempt(world, slot, |_| What::TriedTooLong),
        Event::RouteTimeout(slot) => of_call(world, slot, What::TimedOut),
        Event::AppTimeout(slot) => of_call(world, slot, What::GivenUp),
        Event::BackoffOver(slot) => of_call(world, slot, What::TriedAgain),
        Event::FaultDelayOver(slot) => of_call(world, slot, What::Delayed),
        Event::LocalReply(slot) => {
            let outcome = world.calls.get(slot)?.outcome;
            of_call(world, slot, What::ProxyAnswered(outcome))
        }
        Event::TcpConnected(slot) => of_session(world, slot, What::Connected),
        Event::TcpFailed(slot) | Event::TcpRefused(slot) => of_session(world, slot, What::Refused),
        Event::TcpEnded(slot) => of_session(world, slot, What::Ended),
        _ => None,
    }
}

fn of_attempt(world: &World<'_>, slot: Slot, what: impl Fn(u16) -> What) -> Option<(u64, Moment)> {
    let attempt = world.attempts.get(slot).filter(|attempt| !attempt.is_abandoned)?;
    let call = &world.calls[attempt.call];
    let pod = world.plan.mesh.pods[attempt.pod].name.clone();
    let (fate, moment) = moment(world, call, what(attempt.status))?;
    Some((fate, Moment { pod: Some(pod), ..moment }))
}

fn of_call(world: &World<'_>, slot: Slot, what: What) -> Option<(u64, Moment)> {
    moment(world, world.calls.get(slot)?, what)
}

fn of_session(world: &World<'_>, slot: Slot, what: What) -> Option<(u64, Moment)> {
    let session = world.sessions.get(slot).filter(|session| session.request != NIL)?;
    let pod = (session.pool != NIL).then(|| world.pools[session.pool as usize].pod);
    let pod = pod.map(|pod| world.plan.mesh.pods[pod].name.clone());
    let target = target(world, session.upstream).unwrap_or_default();
    let moment = Moment { at: SimDuration::ZERO, target, rule: String::new(), attempt: 1, pod, what };
    Some((world.requests[session.request].fate, moment))
}

fn moment(world: &World<'_>, call: &Call, what: What) -> Option<(u64, Moment)> {
    let request = world.request_of(call.parent)?;
    let rule = world.plan.routes.get(call.route as usize).and_then(|route| route.route.rule.as_ref());
    let moment = Moment {
        at: SimDuration::ZERO,
        target: target(world, call.upstream).unwrap_or_else(|| meant(world, call)),
        rule: rule.map_or_else(String::new, |rule| format!("{} {}", rule.object, rule.name)),
        attempt: call.attempts,
        pod: None,
        what,
    };
    Some((world.requests[request].fate, moment))
}

/// Of a row of upstreams: `reviews v2`.
fn target(world: &World<'_>, upstream: u32) -> Option<String> {
    let upstream = world.upstreams.get(upstream as usize)?;
    let cluster = &world.plan.mesh.clusters[upstream.cluster];
    let service = &world.plan.mesh.services[cluster.service].name;
    Some(if cluster.subset.is_empty() { service.clone() } else { format!("{service} {}", cluster.subset) })
}

/// What the caller wrote, of a call that goes to no cluster.
fn meant(world: &World<'_>, call: &Call) -> String {
    let mesh = world.plan.mesh;
    match call.parent {
        Parent::Request(request) => {
            let request = &world.requests[request];
            let client = &mesh.clients[ClientId::from_index(request.client as usize)];
            client.classes[request.class as usize].target.host.clone()
        }
        Parent::Attempt(_) => mesh.calls[CallSpecId::from_index(call.spec as usize)].target.host.clone(),
        Parent::Nobody => String::new(),
    }
}
