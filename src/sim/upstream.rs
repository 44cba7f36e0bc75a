//! One cluster at one proxy: what its detector and its balancers are told, and when. Ejections and readiness change
//! the hosts at once on the main thread; the balancers hear of it through the merge window. Source: semantics S8.8,
//! S21.1, S21.16.

use crate::kernel::random::{Draw, Purpose};
use crate::kernel::{Id, SimTime};
use crate::mesh::PodId;
use crate::metrics::results::Counter;
use crate::policy::balance::HostView;
use crate::policy::balance::sources::HostState;
use crate::policy::outlier::{EjectionRequest, Report, Verdict};
use crate::sim::event::Event;
use crate::sim::world::{MERGE_WINDOW, Upstream, World};

/// Tells the detector how an attempt on `host` went, and acts on what it wants.
#[inline(always)]
pub fn observe(world: &mut World<'_>, upstream: u32, host: u32, report: Report) {
    let Some(detector) = &mut world.upstreams[upstream as usize].detector else { return };
    let request = detector.observe(host as usize, report);
    let has_rates = detector.has_rates();
    if let Some(request) = request {
        eject(world, upstream, request);
    }
    if has_rates {
        schedule_sweep(world, upstream);
    }
}

#[cold]
fn eject(world: &mut World<'_>, index: u32, request: EjectionRequest) {
    let (plan, now) = (world.plan, world.now);
    let upstream = &mut world.upstreams[index as usize];
    let cluster = &plan.mesh.clusters[upstream.cluster];
    let key = world.proxies[upstream.proxy.index()].root ^ upstream.plan.name_hash;
    let host = &mut upstream.hosts[request.host];
    let detector = upstream.detector.as_mut().expect("a detector has asked");
    let mut jitter = Draw::starting(key, Purpose::EjectionJitter, host.ejections);
    let Verdict::Ejected(cause) = detector.eject(request, now, &mut jitter) else { return };
    host.ejections += 1;
    host.counted_ejections += u64::from(world.clock.counts(now));
    host.ejected_since = now;
    let row = upstream.row;
    let pod = &plan.mesh.pods[host.pod].name;
    let by = &plan.mesh.proxies[upstream.proxy].name;
    world.recorder.count(row, Counter::Ejections, world.clock.counts(now));
    world.recorder.event(now, "ejection", pod, || format!("ejected from {} by {by} ({cause})", cluster.name));
    drain_host(world, index, request.host);
    hosts_changed(world, index);
    schedule_sweep(world, index);
}

/// Idle connections of the host close, busy ones after their answer. Source: semantics S8.8.
fn drain_host(world: &mut World<'_>, index: u32, host: usize) {
    let upstream = &mut world.upstreams[index as usize];
    for worker in upstream.workers.iter().flatten() {
        if let Some(at) = world.pools.get_mut(worker.pools[host] as usize) {
            at.pool.drain(&mut upstream.breakers, &mut world.connections);
        }
    }
}

/// The detector's next sweep, unless one is due or none could change anything.
pub fn schedule_sweep(world: &mut World<'_>, index: u32) {
    let upstream = &mut world.upstreams[index as usize];
    let Some(detector) = &upstream.detector else { return };
    if upstream.is_sweeping || !detector.needs_sweeps() {
        return;
    }
    upstream.is_sweeping = true;
    let created =
        -i64::try_from(world.proxies[upstream.proxy.index()].age).expect("no proxy is 292 years old");
    let due = detector.next_sweep_after(world.now, created);
    world.queue.push(due, Event::OutlierSweep(index));
}

/// The periodic check: hosts return, multipliers fall, and the interval's rates are looked at. Source: semantics S8.7.
pub fn sweep(world: &mut World<'_>, index: u32) {
    let (plan, now, clock) = (world.plan, world.now, world.clock);
    let upstream = &mut world.upstreams[index as usize];
    upstream.is_sweeping = false;
    let returned = upstream.detector.as_mut().expect("only detectors sweep").sweep(now);
    for host in &returned {
        let host = &mut upstream.hosts[*host];
        host.ejected_nanos += counted_nanos(clock.warmup, clock.duration, host.ejected_since, now);
        let pod = &plan.mesh.pods[host.pod].name;
        let cluster = &plan.mesh.clusters[upstream.cluster].name;
        let by = &plan.mesh.proxies[upstream.proxy].name;
        world.recorder.event(now, "unejection", pod, || format!("back in {cluster} for {by}"));
    }
    if !returned.is_empty() {
        hosts_changed(world, index);
    }
    let detector = world.upstreams[index as usize].detector.as_mut().expect("only detectors sweep");
    for request in detector.judge() {
        eject(world, index, request);
    }
    schedule_sweep(world, index);
}

/// The part of [from, to] that lies within [start, end).
pub fn counted_nanos(start: SimTime, end: SimTime, from: SimTime, to: SimTime) -> u64 {
    to.min(end).since(from.max(start)).nanos()
}

/// What the control plane tells the proxy of pods, all at once. Source: semantics S15.1, S15.2.
pub fn told(world: &mut World<'_>, index: u32, news: &[(PodId, HostState)]) {
    let mut has_changed = false;
    for (pod, state) in news {
        let hosts = &world.upstreams[index as usize].hosts;
        if let Some(host) = hosts.iter().position(|host| host.pod == *pod) {
            has_changed |= host_told(world, index, host, *state);
        }
    }
    if has_changed {
        hosts_changed(world, index);
    }
}

/// Whether a host's place in the list changes by what is told of it.
fn host_told(world: &mut World<'_>, index: u32, number: usize, told: HostState) -> bool {
    let now = world.now;
    let upstream = &mut world.upstreams[index as usize];
    let plan = upstream.plan;
    let host = &mut upstream.hosts[number];
    let (before, after) = (plan.lists(host.told), plan.lists(told));
    host.told = told;
    if before == after {
        return false;
    }
    if let Some(detector) = &mut upstream.detector {
        // Only who is in the list counts for the limit, and who leaves it is forgotten. Source: semantics S8.5, S8.8.
        if after == HostState::Gone && detector.remove(number) {
            host.ejected_nanos +=
                counted_nanos(world.clock.warmup, world.clock.duration, host.ejected_since, now);
        }
        if before == HostState::Gone {
            detector.add(number);
        }
    }
    // Who leaves the list comes back as another host, which warms up. Source: semantics S6.7.
    host.is_new |= after == HostState::Gone;
    if before == HostState::Healthy {
        drain_host(world, index, number);
    }
    true
}

/// The pod has closed its connections: idle ones are gone everywhere, busy ones go after their answer.
/// Simplified: their callers know of it at once, a network leg too early.
pub fn drain_pod(world: &mut World<'_>, pod: PodId) {
    for index in 0..world.upstreams.len() {
        if let Some(host) = world.upstreams[index].hosts.iter().position(|host| host.pod == pod) {
            drain_host(world, index as u32, host);
        }
    }
}

/// Tells the balancers: at once if they were left alone for a window, else when it ends.
fn hosts_changed(world: &mut World<'_>, index: u32) {
    let now = world.now;
    let upstream = &mut world.upstreams[index as usize];
    match upstream.told {
        Some(told) if now.since(told) < MERGE_WINDOW => {
            if !upstream.is_merging {
                upstream.is_merging = true;
                world.queue.push(told + MERGE_WINDOW, Event::HostsMerged(index));
            }
        }
        _ => tell_balancers(world, index),
    }
}

/// The merge window is over.
pub fn merged(world: &mut World<'_>, index: u32) {
    world.upstreams[index as usize].is_merging = false;
    tell_balancers(world, index);
}

fn tell_balancers(world: &mut World<'_>, index: u32) {
    let now = world.now;
    let upstream = &mut world.upstreams[index as usize];
    upstream.told = Some(now);
    upstream.generation += 1;
    upstream.survey(world.plan.mesh.proxies[upstream.proxy].zone);
    for (number, host) in upstream.hosts.iter_mut().enumerate().filter(|(_, host)| host.is_new) {
        let is_out = upstream.detector.as_ref().is_some_and(|detector| detector.is_ejected(number));
        if host.told == HostState::Healthy && !is_out {
            host.is_new = false;
            if let Some(since) = upstream.first_healthy.get_mut(number) {
                *since = now;
            }
        }
    }
    refresh(upstream, now);
}

/// Each worker's balancer takes notice at once, with the loads of this moment. Source: semantics S5.4.
fn refresh(upstream: &mut Upstream<'_>, now: SimTime) {
    let Upstream { plan, workers, active, available, first_healthy, generation, source, sources, .. } =
        upstream;
    let own = [(*source, available.as_slice())];
    let lists = sources.iter().flat_map(|sources| sources.lists()).zip(0..);
    let lists: Vec<(u32, &[u32])> = match sources {
        Some(_) => lists.map(|(list, source)| (source, list.as_slice())).collect(),
        None => own.to_vec(),
    };
    for worker in workers.iter_mut().flatten() {
        for (source, available) in &lists {
            let view = HostView {
                active,
                weights: &plan.weights,
                available,
                generation: *generation,
                source: *source,
                now,
                first_healthy,
                key: None,
            };
            worker.balancer.refresh(&view);
        }
    }
}
