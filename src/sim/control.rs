//! What happens to the mesh from outside: configuration pushes, incidents, and the ends of the statistics' periods. Source: design D9.14, D9.16, D9.22.

use crate::kernel::random::{Purpose, draw};
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::workload::{CrashOf, Incident, IncidentKind};
use crate::mesh::{PodId, ProxyId, StateId, WorkloadId};
use crate::metrics::recorder::{ClusterGauges, Gauges, WorkloadGauges};
use crate::metrics::results::HostTotals;
use crate::policy::balance::sources::HostState;
use crate::sim::endpoint::{self, Condition};
use crate::sim::event::Event;
use crate::sim::plan::{NIL, Plan};
use crate::sim::stay::Presence;
use crate::sim::world::{Upstream, World};
use crate::sim::{life, news, session, upstream};

/// A node's pods are found missing only after this time. Source: design D9.14.
const NODE_GRACE: SimDuration = SimDuration::from_secs(40);

/// Schedules all that is known from the start.
pub fn begin(world: &mut World<'_>) {
    let mesh = world.plan.mesh;
    for (state, config) in mesh.states.iter().skip(1) {
        world.recorder.event(config.at, "config", &config.label, || "applied".to_owned());
        for proxy in mesh.proxies.ids().filter(|_| config.is_push) {
            push(world, proxy, state, config.at);
        }
    }
    for (id, workload) in mesh.workloads.iter() {
        for (number, incident) in workload.incidents.iter().enumerate() {
            schedule_incident(world, id, number, incident);
        }
    }
    let window = mesh.run.window;
    world.queue.push(SimTime::ZERO + window, Event::WindowOver);
    if world.clock.warmup > SimTime::ZERO {
        world.queue.push(world.clock.warmup, Event::WarmupOver);
    }
}

/// A push reaches each proxy after its own delay, and never before an earlier one. Source: design D9.16.
fn push(world: &mut World<'_>, proxy: ProxyId, state: StateId, at: SimTime) {
    let plan = world.plan;
    let target = &mut world.proxies[proxy.index()];
    let delay =
        plan.sampler(plan.propagation).sample(draw(target.root, Purpose::Propagation, state.index() as u64));
    target.last_push = target.last_push.max(at + delay);
    world.queue.push(target.last_push, Event::Pushed(proxy, state));
}

pub fn pushed(world: &mut World<'_>, proxy: ProxyId, state: StateId) {
    let config = &world.plan.mesh.states[state];
    let target = &mut world.proxies[proxy.index()];
    (target.table, target.state) = (config.tables[proxy], state);
    let name = &world.plan.mesh.proxies[proxy].name;
    world.recorder.event(world.now, "push", name, || format!("has `{}`", config.label));
}

/// Begins and ends are told apart by the lowest bit.
fn schedule_incident(world: &mut World<'_>, workload: WorkloadId, number: usize, incident: &Incident) {
    let number = (number as u32) << 1;
    world.queue.push(incident.at, Event::Incident(workload, number));
    let lasts = match &incident.kind {
        IncidentKind::Crash { restart, .. } => Some(*restart),
        _ => incident.lasts,
    };
    if let Some(lasts) = lasts {
        world.queue.push(incident.at + lasts, Event::Incident(workload, number | 1));
    }
}

pub fn incident(world: &mut World<'_>, workload: WorkloadId, number: u32) {
    let plan = world.plan;
    let spec = &plan.mesh.workloads[workload];
    let incident = &spec.incidents[(number >> 1) as usize];
    let begins = number & 1 == 0;
    let pods = pods_of(plan, workload, incident);
    let there = pods.iter().filter(|pod| world.pods[pod.index()].stay.presence != Presence::Away).count();
    let what = match &incident.kind {
        IncidentKind::Errors(_) => "errors",
        IncidentKind::Slowdown(_) => "slowdown",
        IncidentKind::Hang => "hang",
        IncidentKind::Crash { .. } => "crash",
    };
    world.recorder.event(world.now, "incident", &spec.name, || {
        format!("{what} {} ({} pods)", if begins { "begins" } else { "ends" }, there)
    });
    for pod in pods {
        match &incident.kind {
            IncidentKind::Errors(_) | IncidentKind::Slowdown(_) => set_conditions(world, pod),
            IncidentKind::Hang if begins => hang(world, pod, incident.lasts),
            IncidentKind::Hang => {}
            IncidentKind::Crash { of, .. } if begins => crash(world, pod, *of),
            IncidentKind::Crash { of, .. } => restart(world, pod, *of),
        }
    }
}

fn pods_of(plan: &Plan<'_>, workload: WorkloadId, incident: &Incident) -> Vec<PodId> {
    let pods =
        plan.mesh.pods.iter().filter(|(_, pod)| pod.workload == workload && incident.hits(pod.ordinal));
    pods.map(|(id, _)| id).collect()
}

/// Works out errors and slowdowns anew from all incidents in force: slowdowns multiply, of errors the last listed
/// wins. Source: design D9.14.
fn set_conditions(world: &mut World<'_>, pod: PodId) {
    let plan = world.plan;
    let workload = world.pods[pod.index()].workload;
    let planned = plan.workload(workload);
    let ordinal = plan.mesh.pods[pod].ordinal;
    let (mut slowdown, mut errors) = (1.0, planned.errors);
    for (number, incident) in planned.workload.incidents.iter().enumerate() {
        let has_ended = incident.lasts.is_some_and(|lasts| world.now >= incident.at + lasts);
        if !incident.hits(ordinal) || world.now < incident.at || has_ended {
            continue;
        }
        match &incident.kind {
            IncidentKind::Slowdown(factor) => slowdown *= factor,
            IncidentKind::Errors(_) => errors = planned.incident_errors[number],
            IncidentKind::Hang | IncidentKind::Crash { .. } => {}
        }
    }
    let state = &mut world.pods[pod.index()];
    (state.slowdown, state.errors) = (slowdown, errors);
}

/// All work stands still; what is under way is the longer on its way for it.
fn hang(world: &mut World<'_>, pod: PodId, lasts: Option<SimDuration>) {
    // Without an end it outlasts the run and its drain.
    let until = world.now + lasts.unwrap_or(world.plan.mesh.run.duration + world.plan.mesh.run.drain);
    let state = &mut world.pods[pod.index()];
    let from = state.hangs_until.max(world.now);
    if until <= from {
        return;
    }
    state.hang(until.since(from).nanos());
    state.hangs_until = until;
    endpoint::stand_still(world, pod, until);
}

/// The pod is gone at once; the proxies hear of it as the control plane tells them. Source: design D9.14.
fn crash(world: &mut World<'_>, pod: PodId, of: CrashOf) {
    if !world.pods[pod.index()].stay.presence.has_app() {
        return;
    }
    life::die(world, pod, of);
    let grace = if of == CrashOf::Node { NODE_GRACE } else { SimDuration::ZERO };
    news::tell(world, pod, grace);
}

fn restart(world: &mut World<'_>, pod: PodId, of: CrashOf) {
    let state = &mut world.pods[pod.index()];
    // A later crash of the pod may have come over this one, or its end.
    if state.condition != Condition::Down(of) || state.stay.presence != Presence::Serving {
        return;
    }
    endpoint::come_up(world, pod);
    session::restart(world, pod);
    news::tell(world, pod, SimDuration::ZERO);
}

/// The statistics begin.
pub fn warmup_over(world: &mut World<'_>) {
    let now = world.now;
    for pod in &mut world.pods {
        pod.account(now);
        pod.usage.restart(now);
        // Who waits already is seen too.
        pod.note_queue();
    }
}

/// A window of the time series ends. Source: design D9.22.
pub fn window_over(world: &mut World<'_>) {
    let gauges = gauges(world);
    world.recorder.close_window(world.now, &gauges);
    let end = world.clock.duration;
    if world.now < end {
        let next = (world.now + world.plan.mesh.run.window).min(end);
        world.queue.push(next, Event::WindowOver);
    }
    if world.now == end {
        close_hosts(world);
    }
}

fn gauges(world: &mut World<'_>) -> Gauges {
    let mut gauges = Gauges::default();
    for upstream in &world.upstreams {
        let row = upstream.row.index();
        if gauges.clusters.len() <= row {
            gauges.clusters.resize(row + 1, ClusterGauges::default());
        }
        let gauge = &mut gauges.clusters[row];
        gauge.rq_active += f64::from(upstream.breakers.requests);
        gauge.rq_pending_active += f64::from(upstream.breakers.pending);
        gauge.cx_active += f64::from(upstream.breakers.connections);
        gauge.ejected_hosts +=
            upstream.detector.as_ref().map_or(0.0, |detector| f64::from(detector.ejected()));
    }
    weights(world, &mut gauges);
    gauges.workloads = workload_gauges(world);
    gauges
}

/// The share that the routes in force send to each cluster where they split, over the proxies of each source.
fn weights(world: &World<'_>, gauges: &mut Gauges) {
    let mut sums: Vec<(f64, u32)> = vec![(0.0, 0); gauges.clusters.len()];
    for proxy in &world.proxies {
        for (cluster, share) in world.plan.splits(proxy.table) {
            let index = proxy.upstreams.get(cluster.index()).copied().unwrap_or(NIL);
            if index != NIL {
                let sum = &mut sums[world.upstreams[index as usize].row.index()];
                *sum = (sum.0 + share, sum.1 + 1);
            }
        }
    }
    for (gauge, (sum, count)) in gauges.clusters.iter_mut().zip(sums) {
        gauge.weight_pct = (count > 0).then(|| sum / f64::from(count));
    }
}

fn workload_gauges(world: &mut World<'_>) -> Vec<WorkloadGauges> {
    let plan = world.plan;
    let now = world.now;
    let mut gauges = vec![WorkloadGauges::default(); plan.workloads.len()];
    let mut areas = vec![(0u64, 0u64); gauges.len()];
    for pod in &mut world.pods {
        pod.account(now);
        let (busy, from) = pod.usage.close_window(now);
        let length = pod.stay.serving_nanos(from, now);
        let index = pod.workload.index();
        let gauge = &mut gauges[index];
        gauge.queue += f64::from(pod.queued());
        gauge.ready_pods += f64::from(u8::from(pod.standing() == HostState::Healthy));
        // Unlimited pods have no share to tell, whatever this comes to.
        areas[index] = (
            areas[index].0 + busy,
            areas[index].1.saturating_add(length.saturating_mul(u64::from(pod.concurrency))),
        );
    }
    for ((gauge, (busy, capacity)), workload) in gauges.iter_mut().zip(areas).zip(&plan.workloads) {
        let is_limited = workload.concurrency != u32::MAX && capacity > 0;
        gauge.utilization_pct = is_limited.then(|| 100.0 * busy as f64 / capacity as f64);
    }
    gauges
}

/// What hosts have seen over [warmup, duration).
fn close_hosts(world: &mut World<'_>) {
    let (now, clock) = (world.now, world.clock);
    let mut rows: Vec<(HostTotals, u32)> = Vec::new();
    let mut named = Vec::new();
    for upstream in &mut world.upstreams {
        settle_ejections(upstream, clock.warmup, now);
        for host in &upstream.hosts {
            let index = host.row.index();
            if rows.len() <= index {
                rows.resize(index + 1, (HostTotals::default(), 0));
            }
            let (totals, proxies) = &mut rows[index];
            totals.ejections += host.counted_ejections;
            totals.ejected_s += host.ejected_nanos as f64 / 1e9;
            *proxies += 1;
            named.push((host.row, host.pod));
        }
    }
    for (row, pod) in named {
        let (mut totals, proxies) = rows[row.index()].clone();
        let state = &world.pods[pod.index()];
        let cores = state.concurrency;
        // Over the time in which it was there.
        let nanos = state.stay.serving_nanos(clock.warmup, clock.duration) as f64;
        totals.ejected_s /= f64::from(proxies);
        let is_limited = cores != u32::MAX && nanos > 0.0;
        totals.utilization_pct =
            is_limited.then(|| 100.0 * state.usage.busy_nanos as f64 / (nanos * f64::from(cores)));
        totals.queue_mean = if nanos > 0.0 { state.usage.queue_nanos as f64 / nanos } else { 0.0 };
        totals.queue_max = u64::from(state.usage.queue_max);
        world.recorder.host_totals(row, totals);
    }
}

/// Adds what ejections in force have lasted so far.
fn settle_ejections(upstream: &mut Upstream<'_>, warmup: SimTime, now: SimTime) {
    let Some(detector) = &upstream.detector else { return };
    for (number, host) in upstream.hosts.iter_mut().enumerate() {
        if detector.is_ejected(number) {
            host.ejected_nanos += upstream::counted_nanos(warmup, now, host.ejected_since, now);
            host.ejected_since = now;
        }
    }
}
