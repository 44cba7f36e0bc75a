//! The life of pods that come and go, as the timeline has it: `stay.rs` draws it. Highest numbers go first.
//! Source: semantics S15.2 to S15.4; design D9.17.

use crate::kernel::words::counted;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::workload::{CrashOf, PodLife, Scaling};
use crate::mesh::{PodId, WorkloadId};
use crate::sim::endpoint::{self, Condition};
use crate::sim::event::Event;
use crate::sim::stay::Presence;
use crate::sim::world::World;
use crate::sim::{news, session, upstream};

/// A pod's sidecar stays at least so long after the pod was told to go: `terminationDrainDuration`.
/// Source: semantics S15.3.
const SIDECAR_DRAIN: SimDuration = SimDuration::from_secs(5);
/// How often somebody looks whether a pod has done with its work.
const LOOK: SimDuration = SimDuration::from_secs(1);

/// Sends away who is not there from the start, and schedules all changes.
pub fn begin(world: &mut World<'_>) {
    let plan = world.plan;
    for (id, workload) in plan.mesh.workloads.iter() {
        for (number, scaling) in workload.life.scalings.iter().enumerate() {
            if scaling.at > SimTime::ZERO {
                world.queue.push(scaling.at, Event::Scaled(id, number as u32));
                continue;
            }
            for pod in pods(world, id).filter(|pod| plan.mesh.pods[*pod].ordinal >= scaling.pods) {
                let state = &mut world.pods[pod.index()];
                state.stay.turn(Presence::Away, world.now);
                state.condition = Condition::Down(CrashOf::Pod);
                news::know_gone(world, pod);
            }
        }
    }
}

fn pods(world: &World<'_>, workload: WorkloadId) -> impl Iterator<Item = PodId> + use<> {
    let pods = world.plan.mesh.pods.iter().filter(|(_, pod)| pod.workload == workload);
    pods.map(|(id, _)| id).collect::<Vec<PodId>>().into_iter()
}

fn life<'p>(world: &World<'p>, pod: PodId) -> &'p PodLife {
    &world.plan.workload(world.pods[pod.index()].workload).workload.life
}

/// The number of a workload's pods changes.
pub fn scaled(world: &mut World<'_>, id: WorkloadId, number: u32) {
    let plan = world.plan;
    let workload = &plan.mesh.workloads[id];
    let before = &workload.life.scalings[number as usize - 1];
    let Scaling { pods: wanted, .. } = workload.life.scalings[number as usize];
    world.recorder.event(world.now, "scaling", &workload.name, || {
        format!("{} instead of {}", counted(wanted, "pod", "pods"), before.pods)
    });
    for pod in pods(world, id) {
        if plan.mesh.pods[pod].ordinal < wanted {
            start(world, pod);
        } else {
            end(world, pod);
        }
    }
}

/// It starts, unless it is there. Simplified: one that is still on its way out comes again only after that, as a
/// StatefulSet's does; a Deployment would start another beside it.
fn start(world: &mut World<'_>, pod: PodId) {
    let stay = &mut world.pods[pod.index()].stay;
    match stay.presence {
        Presence::Starting | Presence::Serving => return,
        Presence::Leaving | Presence::Closed => return stay.is_wanted = true,
        Presence::Away => stay.turn(Presence::Starting, world.now),
    }
    record(world, pod, || "starts".to_owned());
    tell(world, pod);
    next_turn(world, pod, world.now + life(world, pod).startup);
}

/// It is told to go, and to be gone once its grace is over.
fn end(world: &mut World<'_>, pod: PodId) {
    let plan = world.plan;
    let state = &mut world.pods[pod.index()];
    match state.stay.presence {
        Presence::Away => return,
        Presence::Leaving | Presence::Closed => return state.stay.is_wanted = false,
        Presence::Starting => return gone(world, pod),
        Presence::Serving => state.stay.turn(Presence::Leaving, world.now),
    }
    state.stay.leaving_since = world.now;
    state.says_close = plan.workload(state.workload).workload.has_sidecar();
    record(world, pod, || "is told to go".to_owned());
    tell(world, pod);
    let PodLife { shutdown, grace, .. } = life(world, pod);
    next_turn(world, pod, world.now + (*shutdown).min(*grace));
}

fn tell(world: &mut World<'_>, pod: PodId) {
    let workload = world.pods[pod.index()].workload;
    news::tell_list(world, workload);
}

fn next_turn(world: &mut World<'_>, pod: PodId, at: SimTime) {
    let turn = world.pods[pod.index()].stay.turn;
    world.queue.push(at, Event::PodTurn(pod.index() as u32, turn));
}

fn record(world: &mut World<'_>, pod: PodId, what: impl FnOnce() -> String) {
    world.recorder.event(world.now, "pod", &world.plan.mesh.pods[pod].name, what);
}

/// A pod's life goes on.
pub fn turned(world: &mut World<'_>, number: u32, turn: u32) {
    let pod = PodId::from_index(number as usize);
    let stay = &world.pods[pod.index()].stay;
    match stay.presence {
        _ if stay.turn != turn => {}
        Presence::Starting => serve(world, pod),
        Presence::Leaving => close(world, pod),
        Presence::Closed => look(world, pod),
        Presence::Away | Presence::Serving => {}
    }
}

fn serve(world: &mut World<'_>, pod: PodId) {
    let now = world.now;
    world.pods[pod.index()].stay.turn(Presence::Serving, now);
    endpoint::come_up(world, pod);
    session::restart(world, pod);
    record(world, pod, || "serves".to_owned());
    tell(world, pod);
}

/// The application takes nothing more. Its sidecar answers for it, as long as that is there; without one, connections
/// that are idle close and new ones are refused. Source: semantics S15.3.
fn close(world: &mut World<'_>, pod: PodId) {
    let now = world.now;
    let state = &mut world.pods[pod.index()];
    state.stay.turn(Presence::Closed, now);
    let has_sidecar = world.plan.workload(state.workload).workload.has_sidecar();
    // A node that is gone says nothing.
    let is_silent = state.condition == Condition::Down(CrashOf::Node);
    if state.condition == Condition::Up {
        state.condition = Condition::Down(if has_sidecar { CrashOf::App } else { CrashOf::Pod });
    }
    if !is_silent {
        session::close(world, pod);
        if !has_sidecar {
            upstream::drain_pod(world, pod);
        }
    }
    look(world, pod);
}

/// It is gone when its work is done and its sidecar has waited long enough, at the latest when its grace is over.
fn look(world: &mut World<'_>, pod: PodId) {
    let state = &world.pods[pod.index()];
    let since = state.stay.leaving_since;
    let last = since + life(world, pod).grace;
    let has_sidecar = world.plan.workload(state.workload).workload.has_sidecar();
    let first = if has_sidecar { (since + SIDECAR_DRAIN).min(last) } else { since };
    if world.now < first {
        return next_turn(world, pod, first);
    }
    let left = endpoint::requests_at(world, pod);
    if left > 0 && world.now < last {
        return next_turn(world, pod, (world.now + LOOK).min(last));
    }
    gone(world, pod);
}

/// A pod dies with all that it was doing. Where its sidecar dies too, so do the connections that carry nothing at this
/// moment: the next requests to it make new ones, which are refused. A node that is gone says nothing, and its callers
/// go on sending by connections that lead nowhere. Source: semantics S15.5; design D9.14.
pub fn die(world: &mut World<'_>, pod: PodId, of: CrashOf) {
    endpoint::crash(world, pod, of);
    session::crash(world, pod, of);
    if of == CrashOf::Pod {
        upstream::drain_pod(world, pod);
    }
}

/// Nothing is left of it: what it was doing is reset, and connections to it are refused. Source: semantics S15.5.
fn gone(world: &mut World<'_>, pod: PodId) {
    let now = world.now;
    let state = &mut world.pods[pod.index()];
    let was_listed = state.stay.presence == Presence::Starting;
    state.stay.turn(Presence::Away, now);
    state.says_close = false;
    let left = endpoint::requests_at(world, pod);
    if world.pods[pod.index()].condition != Condition::Down(CrashOf::Node) {
        die(world, pod, CrashOf::Pod);
    }
    record(world, pod, || match left {
        0 => "is gone".to_owned(),
        left => format!("is killed with {left} requests unanswered"),
    });
    if was_listed {
        tell(world, pod);
    }
    if std::mem::take(&mut world.pods[pod.index()].stay.is_wanted) {
        start(world, pod);
    }
}
