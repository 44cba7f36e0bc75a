//! One cluster at one proxy: what its detector and its balancers are told, and when. Ejections and readiness change
//! the hosts at once on the main thread; the balancers hear of it through the merge window. Source: semantics S8.8,
//! S21.1, S21.16.

use crate::kernel::random::{Draw, Purpose};
use crate::kernel::{Id, SimTime};
use crate::mesh::PodId;
use crate::metrics::results::Counter;
use crate::policy::balance::HostView;
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

/// A pod's readiness, as the control plane tells it to the proxy.
pub fn readiness(world: &mut World<'_>, index: u32, pod: PodId, ready: bool) {
    let upstream = &mut world.upstreams[index as usize];
    let Some(host) = upstream.hosts.iter().position(|host| host.pod == pod) else { return };
    if upstream.hosts[host].is_ready == ready {
        return;
    }
    upstream.hosts[host].is_ready = ready;
    if !ready {
        // Who leaves the list comes back as another host, which warms up. Source: semantics S6.7, S15.1.
        upstream.hosts[host].is_new |= !upstream.plan.lists_unready;
        drain_host(world, index, host);
    }
    hosts_changed(world, index);
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
        if host.is_ready && !is_out {
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
