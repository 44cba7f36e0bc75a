//! What the control plane tells the proxies of pods: listed as healthy or not, or gone from the list. Each proxy hears of
//! it after a delay of its own. Source: semantics S15.1; design D9.14.

use crate::kernel::random::{Purpose, draw, name_hash};
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::workload::CrashOf;
use crate::mesh::{PodId, ProxyId, WorkloadId};
use crate::policy::balance::sources::HostState;
use crate::sim::endpoint::{Condition, PodState};
use crate::sim::event::Event;
use crate::sim::plan::NIL;
use crate::sim::stay::Presence;
use crate::sim::upstream;
use crate::sim::world::{Told, World};

/// How the states are numbered in events.
const STATES: [HostState; 3] = [HostState::Gone, HostState::Unhealthy, HostState::Healthy];
const STATE_BITS: u32 = 2;

/// Tells all proxies how a pod stands now; the control plane itself learns of it after `grace`.
pub fn tell(world: &mut World<'_>, pod: PodId, grace: SimDuration) {
    let plan = world.plan;
    let standing = world.pods[pod.index()].standing();
    let state = STATES.iter().position(|state| *state == standing).expect("all states are listed");
    let number = (pod.index() as u32) << STATE_BITS | state as u32;
    let name = name_hash(&plan.mesh.pods[pod].name);
    let nth = world.pods[pod.index()].changes;
    world.pods[pod.index()].changes += 1;
    for (index, proxy) in world.proxies.iter().enumerate() {
        let drawn = draw(proxy.root ^ name, Purpose::Propagation, nth);
        let delay = plan.sampler(plan.propagation).sample(drawn);
        world.queue.push(world.now + grace + delay, Event::Readiness(ProxyId::from_index(index), number));
    }
}

/// A pod that is not there when the run begins, as all proxies know.
pub fn know_gone(world: &mut World<'_>, pod: PodId) {
    for proxy in &mut world.proxies {
        proxy.tell(Told { pod, state: HostState::Gone, came: SimTime::ZERO });
    }
}

/// Tells all proxies that pods of a workload have come or gone: what changes in one instant is one push.
/// Source: semantics S15.1, S15.2.
pub fn tell_list(world: &mut World<'_>, workload: WorkloadId) {
    let plan = world.plan;
    let (last, count) = &mut world.listings[workload.index()];
    if *last != world.now {
        (*last, *count) = (world.now, *count + 1);
    }
    let (name, nth) = (name_hash(&plan.mesh.workloads[workload].name), *count);
    for (index, proxy) in world.proxies.iter().enumerate() {
        let drawn = draw(proxy.root ^ name, Purpose::Propagation, nth);
        let delay = plan.sampler(plan.propagation).sample(drawn);
        let event = Event::Endpoints(ProxyId::from_index(index), workload);
        world.queue.push(world.now + delay, event);
    }
}

/// A proxy gets a workload's list. Nobody has missed the pods of a dead node before its own news come.
pub fn list(world: &mut World<'_>, proxy: ProxyId, workload: WorkloadId) {
    let is_known = |state: &PodState| {
        state.stay.presence != Presence::Serving || state.condition != Condition::Down(CrashOf::Node)
    };
    let pods = world.pods.iter().enumerate().filter(|(_, state)| state.workload == workload);
    let known = pods.filter(|(_, state)| is_known(state));
    let all: Vec<_> = known.map(|(pod, state)| (PodId::from_index(pod), state.standing())).collect();
    hear(world, proxy, &all);
}

/// A proxy hears of a pod.
pub fn arrive(world: &mut World<'_>, proxy: ProxyId, number: u32) {
    let pod = PodId::from_index((number >> STATE_BITS) as usize);
    let state = STATES[(number & ((1 << STATE_BITS) - 1)) as usize];
    // Old news must not overtake new ones: of a crash that is over by now, or of a pod that has left.
    if world.pods[pod.index()].standing() == state {
        hear(world, proxy, &[(pod, state)]);
    }
}

fn hear(world: &mut World<'_>, proxy: ProxyId, all: &[(PodId, HostState)]) {
    let now = world.now;
    let knows = &mut world.proxies[proxy.index()];
    let news = |(pod, state): &&(PodId, HostState)| knows.told(*pod).state != *state;
    let news: Vec<(PodId, HostState)> = all.iter().filter(news).copied().collect();
    for (pod, state) in &news {
        let before = knows.told(*pod);
        let is_back = before.state == HostState::Gone || before.came == SimTime::MAX;
        let came = match (is_back, state) {
            (true, HostState::Healthy) => now,
            // It has come, and has yet to be healthy.
            (true, _) => SimTime::MAX,
            (false, _) => before.came,
        };
        knows.tell(Told { pod: *pod, state: *state, came });
    }
    if news.is_empty() {
        return;
    }
    let upstreams: Vec<u32> = knows.upstreams.iter().copied().filter(|index| *index != NIL).collect();
    for index in upstreams {
        upstream::told(world, index, &news);
    }
}
