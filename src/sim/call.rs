//! One hop of a request at the calling proxy: route, fault filter, tries, timeouts, and the one answer.
//!
//! ```text
//!  start ─▶ route ─▶ fault ─▶ try ─▶ try again ... ─▶ end ─▶ the application tries again, or its caller goes on
//!             │ NR      │ FI     └──────┴─▶ UH UO UF UC UT
//!             └─────────┴─▶ the proxy's own answer
//! ```
//!
//! Source: semantics S1.1, S9, S10, S11.

use crate::kernel::lanes::Timer;
use crate::kernel::random::{Purpose, draw};
use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimDuration};
use crate::mesh::policy_spec::{FaultSpec, RetrySpec};
use crate::mesh::routing::{Destination, ServiceRef};
use crate::mesh::{CallSpecId, Flag, Flags, Outcome, ProxyId, grpc};
use crate::metrics::recorder::ClusterRow;
use crate::metrics::results::Counter;
use crate::policy::failure::Failure;
use crate::policy::outlier::Report;
use crate::policy::retry::{Decision, ResponseHeaders};
use crate::policy::{fault, retry, split};
use crate::sim::attempt::{self, End};
use crate::sim::event::Event;
use crate::sim::plan::{ANY_WORKER, NIL, RoutePlan, breakage};
use crate::sim::world::{Attempt, Call, Parent, Phase, World};
use crate::sim::{network, upstream, waypoint};

/// Calls deeper than this are reset. Source: design D9.10.
const MOST_HOPS: u8 = 64;

/// A call has ended; its caller goes on.
pub struct Ended {
    pub parent: Parent,
    /// What the caller wrote: a row of the mesh's calls, or the request's class.
    pub spec: u32,
    pub outcome: Outcome,
}

/// A call reaches its proxy: its key, parent, shape, proxy and spec are set. `timeout`: the application's own limit on
/// this try, a row of the plan's delays. What the proxy answers itself comes by an event.
/// Source: semantics S1.1 (2) to (4); design D9.9.
#[inline(never)]
pub fn start(world: &mut World<'_>, mut call: Call, timeout: u32) {
    let plan = world.plan;
    let proxy = &world.proxies[call.proxy as usize];
    if call.worker != ANY_WORKER {
        // The connection has settled it.
    } else if proxy.workers == 1 {
        call.worker = 0;
    } else {
        call.worker = (draw(call.key, Purpose::Worker, 0) % u64::from(proxy.workers)) as u16;
    }
    let is_lost = call.hops > MOST_HOPS;
    if !is_lost {
        let table = proxy.table;
        call.route = world.shapes.route(plan, table, call.shape);
    }
    let route = plan.routes.get(call.route as usize);
    if let Some(route) = route {
        choose(world, &mut call, route);
    }
    let slot = world.calls.insert(call);
    if timeout != NIL {
        let timer = world.queue.arm(world.lanes[timeout as usize], Event::AppTimeout(slot));
        world.calls[slot.index].app_timer = timer;
    }
    match route {
        None if is_lost => reply_locally(world, slot.index, Outcome { code: 0, ..Outcome::OK }),
        None => reply_locally(world, slot.index, Outcome::new(404, Flag::NR)),
        Some(route) => filter(world, slot, route),
    }
}

/// The filters before the router.
#[inline(always)]
fn filter(world: &mut World<'_>, slot: Slot, route: &RoutePlan<'_>) {
    match route.fault {
        None => forward(world, slot, route),
        Some(spec) => delay(world, slot, spec),
    }
}

/// A call that its caller's proxy has handed on reaches the waypoint, whose routes count from here on. Its application
/// may have lost patience meanwhile. Source: semantics S22.3.
pub fn at_waypoint(world: &mut World<'_>, slot: Slot) {
    let plan = world.plan;
    let Some(mut call) = world.calls.get_mut(slot).map(std::mem::take) else { return };
    let door = waypoint::door(plan, &call).expect("only a door leads here");
    let table = plan.mesh.states[world.proxies[call.proxy as usize].state].doors[door];
    call.route = world.shapes.route(plan, table, call.shape);
    let route = plan.routes.get(call.route as usize);
    if let Some(route) = route {
        choose(world, &mut call, route);
    }
    world.calls[slot.index] = call;
    match route {
        None => reply_locally(world, slot.index, Outcome::new(404, Flag::NR)),
        Some(route) => filter(world, slot, route),
    }
}

/// A waypoint's answer reaches the caller.
pub fn back_from_waypoint(world: &mut World<'_>, slot: Slot) -> Option<Ended> {
    if world.calls.is_alive(slot) { end(world, slot.index) } else { None }
}

/// What the route makes of a call: its look, and where it goes. Source: semantics S2.6, S3.
#[inline(always)]
fn choose(world: &mut World<'_>, call: &mut Call, route: &RoutePlan<'_>) {
    if route.changes_shape {
        call.shape = world.shapes.routed(world.plan, call.route, call.shape);
    }
    if route.respond == 0 {
        choose_destination(world, call, route);
    }
}

/// The fault filter holds the call for a delay, or not. Source: semantics S11.
#[inline(never)]
fn delay(world: &mut World<'_>, slot: Slot, spec: &FaultSpec) {
    let call = &mut world.calls[slot.index];
    match fault::delay(spec, draw(call.key, Purpose::FaultDelay, 0)) {
        None => after_delay(world, slot),
        Some(delay) => {
            call.outcome.flags.set(Flag::DI);
            world.queue.push(world.now + delay, Event::FaultDelayOver(slot));
        }
    }
}

/// The weighted choice, made once and kept for all tries; it is there before the filters run. Source: semantics S3.
#[inline(always)]
fn choose_destination(world: &mut World<'_>, call: &mut Call, route: &RoutePlan<'_>) {
    let chosen = route.chosen(call.key);
    let destination = &route.destinations[chosen];
    if !destination.request_headers.is_empty() {
        call.shape = world.shapes.sent_to(world.plan, call.route, chosen as u32, call.shape);
    }
    let proxy = ProxyId::from_index(call.proxy as usize);
    let Some(cluster) = destination.cluster else {
        if destination.door.is_none() {
            call.is_meant_for(row_of(world, proxy, destination));
            world.tell_observer(call.parent, call.key, 0);
        }
        return;
    };
    call.upstream = world.upstream(proxy, cluster);
    let upstream = &world.upstreams[call.upstream as usize];
    call.is_meant_for(upstream.row);
    if world.observer.is_some() {
        let name = upstream.plan.name_hash;
        world.tell_observer(call.parent, call.key, name);
    }
}

/// A cluster that does not exist has no state, but a row of its own.
#[cold]
pub fn row_of(world: &mut World<'_>, proxy: ProxyId, destination: &Destination) -> ClusterRow {
    let name = match &destination.service {
        ServiceRef::Known(service) => &world.plan.mesh.services[*service].name,
        ServiceRef::Unknown(name) => name,
    };
    world.row_of(proxy, name, destination.port, &destination.subset)
}

/// The fault filter has held the call for its delay. Source: semantics S11.3.
pub fn fault_delay_over(world: &mut World<'_>, slot: Slot) {
    if world.calls.is_alive(slot) {
        after_delay(world, slot);
    }
}

fn after_delay(world: &mut World<'_>, slot: Slot) {
    let call = &world.calls[slot.index];
    let route = &world.plan.routes[call.route as usize];
    let spec = route.fault.expect("the fault filter is on");
    match fault::abort(spec, draw(call.key, Purpose::FaultAbort, 0)) {
        Some(abort) => {
            let abort = abort_as_seen(world, slot.index, abort);
            reply_locally(world, slot.index, abort);
        }
        None => forward(world, slot, route),
    }
}

/// Only a gRPC call is aborted with gRPC's status; any other gets the 200 that carries it. Source: semantics S11.5.
fn abort_as_seen(world: &World<'_>, index: u32, abort: Outcome) -> Outcome {
    let upstream = world.calls[index].upstream;
    let is_grpc = upstream != NIL && world.upstreams[upstream as usize].plan.is_grpc;
    if grpc::is_failure(abort.code) && !is_grpc { Outcome { code: 200, ..abort } } else { abort }
}

/// The router: timers, retry state, the first try. Source: semantics S1.1 (5).
#[inline(always)]
fn forward(world: &mut World<'_>, slot: Slot, route: &RoutePlan<'_>) {
    let call = &mut world.calls[slot.index];
    if route.respond != 0 {
        return reply_locally(world, slot.index, Outcome { code: route.respond, ..Outcome::OK });
    }
    if call.upstream == NIL {
        return without_cluster(world, slot);
    }
    if route.timeout != NIL {
        call.route_timer = world.queue.arm(world.lanes[route.timeout as usize], Event::RouteTimeout(slot));
    }
    if let Err(failure) = attempt::start(world, slot.index, route) {
        give_failure(world, slot.index, failure);
    } else if !route.mirrors.is_empty() {
        mirror(world, slot.index, route);
    }
}

/// A waypoint goes on from here, or nobody does.
#[cold]
fn without_cluster(world: &mut World<'_>, slot: Slot) {
    let door = waypoint::door(world.plan, &world.calls[slot.index]);
    match door {
        Some(door) => {
            let leg = waypoint::hand_on(world, slot.index, door);
            world.queue.push(world.now + leg, Event::AtWaypoint(slot));
        }
        None => reply_locally(world, slot.index, Outcome::new(503, Flag::NC)),
    }
}

fn attempt_again(world: &mut World<'_>, index: u32) {
    let route = &world.plan.routes[world.calls[index].route as usize];
    if let Err(failure) = attempt::start(world, index, route) {
        // Neither is retried: no host before retries are thought of, and overflow never. S5.11, S7.9.
        give_failure(world, index, failure);
    }
}

/// Sends the copies of a request whose first attempt is set up: once, whatever its retries do, and nobody waits for
/// them. A copy is an ordinary call of its cluster, without retries, under the route's timeout. Source: semantics S12.
#[inline(never)]
fn mirror(world: &mut World<'_>, index: u32, route: &RoutePlan<'_>) {
    let original = &world.calls[index];
    let (key, mut shape, row, proxy, hops, counted) =
        (original.key, original.shape, original.route, original.proxy, original.hops, original.counted);
    let (worker, stream_id) = (original.worker, draw(key, Purpose::StreamId, 0));
    if world.plan.mesh.proxy.marks_copies {
        shape = world.shapes.marked(shape);
    }
    for (number, planned) in route.mirrors.iter().enumerate() {
        let Some(cluster) = planned.mirror.cluster else { continue };
        if !split::is_mirrored(planned.mirror.share, stream_id) {
            continue;
        }
        let upstream = world.upstream(ProxyId::from_index(proxy as usize), cluster);
        let to = world.upstreams[upstream as usize].row;
        world.recorder.count(to, Counter::Mirrored, counted);
        let mut copy = Call {
            shape,
            proxy,
            route: row,
            upstream,
            worker,
            hops,
            counted,
            ..Call::new(
                draw(key ^ planned.name_hash, Purpose::Mirror, number as u64),
                Parent::Nobody,
                world.now,
            )
        };
        copy.is_meant_for(to);
        let copy = world.calls.insert(copy);
        if route.timeout != NIL {
            let timer = world.queue.arm(world.lanes[route.timeout as usize], Event::RouteTimeout(copy));
            world.calls[copy.index].route_timer = timer;
        }
        attempt_again(world, copy.index);
    }
}

/// The policy by which a call's attempts are tried again; copies have none. Source: semantics S12.4.
#[inline]
fn retry_policy<'p>(world: &World<'p>, index: u32) -> Option<&'p RetrySpec> {
    let call = &world.calls[index];
    if call.parent == Parent::Nobody { None } else { world.plan.routes[call.route as usize].retry }
}

/// The proxy answers with a failure of its own.
#[cold]
fn give_failure(world: &mut World<'_>, index: u32, failure: Failure) {
    let proxy = ProxyId::from_index(world.calls[index].proxy as usize);
    // Without Envoy there is nobody to answer: the caller's connection is reset. Source: semantics S13.3.
    let outcome = match world.plan.has_envoy(proxy) {
        true => failure.outcome(),
        false => Outcome { code: 0, flags: Flags::NONE },
    };
    reply_locally(world, index, outcome);
}

/// The proxy answers itself; its flags come behind those that are set. Source: design D9.1.
#[cold]
fn reply_locally(world: &mut World<'_>, index: u32, outcome: Outcome) {
    disarm_route_timer(world, index);
    give_retry_back(world, index);
    let call = &mut world.calls[index];
    call.outcome.code = outcome.code;
    outcome.flags.iter().for_each(|flag| call.outcome.flags.set(flag));
    let takes = network::local_reply(world.plan, ProxyId::from_index(call.proxy as usize), call.key);
    let slot = world.calls.slot(index);
    world.queue.push(world.now + takes, Event::LocalReply(slot));
}

/// The proxy's own answer reaches the caller.
pub fn local_reply(world: &mut World<'_>, slot: Slot) -> Option<Ended> {
    if world.calls.is_alive(slot) { end(world, slot.index) } else { None }
}

/// An attempt's answer reaches the proxy. Source: semantics S1.1 (7).
#[inline(always)]
pub fn answered(world: &mut World<'_>, slot: Slot) -> Option<Ended> {
    let attempt = world.attempts.get(slot)?;
    debug_assert_eq!(attempt.phase, Phase::Returning);
    let Attempt { key, call: index, status, counted, pool, connection, per_try_timer, .. } = *attempt;
    let at = &world.pools[pool as usize];
    let (cluster, host) = (at.upstream, at.host);
    let (row, status) = (at.row, if status == 200 { 200 } else { as_seen(world, cluster, status) });
    let as_http = grpc::as_http(status);
    if as_http >= 500 {
        world.recorder.attempt_failed(row, counted);
    }
    upstream::observe(world, cluster, host, Report::Code(as_http));
    let call = &mut world.calls[index];
    if call.is_retrying {
        give_retry_back(world, index);
    }
    let is_retried = is_worth_a_retry(world, index, status) && try_again(world, index, host);
    if !per_try_timer.is_none() {
        world.queue.disarm(per_try_timer);
    }
    world.attempts.remove(slot.index);
    // The answer's body is not read to its end where it is tried again. Source: semantics S21.4.
    let how = if is_retried { End::CutShort } else { End::Whole(key) };
    attempt::release_stream(world, slot.index, pool, connection, how);
    if is_retried {
        return None;
    }
    let call = &mut world.calls[index];
    call.attempt = NIL;
    call.outcome.code = status;
    end(world, index)
}

/// A status as the caller's proxy sees it: a failed gRPC call comes as a 200 whose headers hold gRPC's own.
/// Source: semantics S8.2, S9.3.
#[cold]
fn as_seen(world: &World<'_>, upstream: u32, status: u16) -> u16 {
    if world.upstreams[upstream as usize].plan.is_grpc && !grpc::is_failure(status) {
        grpc::of_http(status)
    } else {
        status
    }
}

/// Whether the call's policy would try an answer of this status again.
#[inline(always)]
fn is_worth_a_retry(world: &World<'_>, index: u32, status: u16) -> bool {
    let route = &world.plan.routes[world.calls[index].route as usize];
    if status == 200 && !route.retries_ok {
        return false;
    }
    let headers = if grpc::is_failure(status) {
        ResponseHeaders { code: 200, grpc_status: Some(status), ..ResponseHeaders::default() }
    } else {
        ResponseHeaders { code: status, ..ResponseHeaders::default() }
    };
    retry_policy(world, index).is_some_and(|spec| retry::would_retry_response(spec, headers))
}

/// Asks for a retry of what would be retried; sets the flag where it is refused. Source: semantics S9.4, S9.5.
#[inline(never)]
fn try_again(world: &mut World<'_>, index: u32, host: u32) -> bool {
    let call = &mut world.calls[index];
    let route = &world.plan.routes[call.route as usize];
    let spec = route.retry.expect("only a policy retries");
    let upstream = &mut world.upstreams[call.upstream as usize];
    let breakers = &mut upstream.breakers;
    // Each retry so far has become an attempt, behind the first one.
    let mut left = (u32::from(route.retries) + 1).saturating_sub(u32::from(call.attempts));
    let decision = retry::decide(true, &mut left, || {
        let limits = &breakers.limits;
        let budget = limits.retry_budget.as_ref();
        let over = upstream.look_back.as_mut().map_or(0, |look_back| look_back.count(world.now));
        let pending = breakers.pending.saturating_add(over);
        retry::has_room(limits.max_retries, budget, breakers.retries, breakers.requests, pending)
    });
    match decision {
        Decision::PassThrough => return false,
        Decision::Exhausted => {
            call.outcome.flags.set(Flag::URX);
            return false;
        }
        Decision::BreakerFull => {
            call.outcome.flags.set(Flag::UO);
            attempt::count(world, index, Counter::RetryOverflow);
            return false;
        }
        Decision::Retry => {}
    }
    breakers.retries += 1;
    call.is_retrying = true;
    call.attempt = NIL;
    world.lines.put(&mut call.tried, host);
    let nth = u32::from(call.attempts) - 1;
    let next = draw(call.key, Purpose::Attempt, u64::from(call.attempts));
    let wait = retry::backoff(draw(next, Purpose::Backoff, 0), nth, spec.base_interval, spec.max_interval);
    attempt::count(world, index, Counter::Retries);
    let slot = world.calls.slot(index);
    world.queue.push(world.now + wait, Event::BackoffOver(slot));
    true
}

/// The retry's result is there, or its call ends: it is no longer active. Source: semantics S9.4 step 5.
#[inline]
fn give_retry_back(world: &mut World<'_>, index: u32) {
    let call = &mut world.calls[index];
    if call.is_retrying {
        call.is_retrying = false;
        world.upstreams[call.upstream as usize].breakers.retries -= 1;
    }
}

pub fn backoff_over(world: &mut World<'_>, slot: Slot) {
    // A retry that waits when its route times out is gone with its call's outcome set.
    if let Some(call) = world.calls.get(slot)
        && call.is_retrying
    {
        attempt_again(world, slot.index);
    }
}

/// The news that an exchange broke off reaches the proxy. Source: semantics S17.2.
pub fn reset(world: &mut World<'_>, slot: Slot) {
    let Some(attempt) = world.attempts.get(slot) else { return };
    let (failure, is_alone) = broke_off(world, attempt);
    if is_alone {
        return attempt_failed(world, slot, failure);
    }
    for slot in attempt::on_connection(world, attempt.pool, attempt.connection) {
        attempt_failed(world, slot, Failure::ConnectionTermination);
    }
}

/// How the exchange of an attempt broke off, and whether it did so alone of all on its connection.
pub fn broke_off(world: &World<'_>, attempt: &Attempt) -> (Failure, bool) {
    let breakage = breakage(attempt.status).expect("what is reset has broken off");
    let upstream = &world.upstreams[world.pools[attempt.pool as usize].upstream as usize];
    let is_http1 = upstream.plan.rules.is_http1();
    let failure = Failure::of(breakage, is_http1);
    (failure, is_http1 || !failure.ends_connection())
}

/// An attempt failed without an answer. Source: semantics S8.2, S9.2.
pub fn attempt_failed(world: &mut World<'_>, slot: Slot, failure: Failure) {
    let Some(attempt) = world.attempts.get(slot) else { return };
    let index = attempt.call;
    let host = world.pools[attempt.pool as usize].host;
    let was_sent = attempt.phase != Phase::Pending;
    tell_host(world, slot.index, failure);
    give_retry_back(world, index);
    let retry = retry_policy(world, index);
    let would_retry = retry.is_some_and(|spec| retry::would_retry_reset(spec.on, failure, was_sent));
    let is_retried = would_retry && try_again(world, index, host);
    abandon(world, slot.index, failure);
    if !is_retried {
        world.calls[index].attempt = NIL;
        give_failure(world, index, failure);
    }
}

/// The host's detector and counts hear of an attempt that ends without an answer: if it had its stream, or was to get
/// it by a connection that failed. Source: semantics S8.2.
fn tell_host(world: &mut World<'_>, index: u32, failure: Failure) {
    let Some(report) = failure.report() else { return };
    let attempt = &world.attempts[index];
    let at = &world.pools[attempt.pool as usize];
    let (cluster, host) = (at.upstream, at.host);
    if attempt.phase != Phase::Pending {
        world.recorder.attempt_failed(at.row, attempt.counted);
    } else if !matches!(failure, Failure::ConnectFailure | Failure::ConnectTimeout) {
        return;
    }
    upstream::observe(world, cluster, host, report);
}

/// The caller lets go of an attempt that was cut short, and tells the pod. Source: semantics S10.4; design D9.13.
fn abandon(world: &mut World<'_>, index: u32, failure: Failure) {
    let slot = world.attempts.slot(index);
    let attempt = &world.attempts[index];
    let workload = world.plan.mesh.pods[attempt.pod].workload;
    let at = &world.pools[attempt.pool as usize];
    let tells = world.plan.workload(workload).workload.cancellation || at.gate != NIL;
    let leg = if tells { at.way.out(world.plan, attempt.key) } else { SimDuration::ZERO };
    let how = if failure.ends_connection() { End::Broken } else { End::CutShort };
    attempt::let_go(world, index, how);
    if tells && world.attempts.is_alive(slot) {
        world.queue.push(world.now + leg, Event::Cancelled(slot));
    }
}

/// A new connection failed: so do all that wait in its pool. Source: semantics S7.8.
pub fn connect_failed(world: &mut World<'_>, slot: Slot) {
    for index in attempt::connect_failed(world, slot) {
        let attempt = world.attempts.slot(index);
        attempt_failed(world, attempt, Failure::ConnectFailure);
    }
}

/// The limit of requests was full when a waiting attempt's turn came. Source: semantics S7.4 step 5.
pub fn overflowed(world: &mut World<'_>, slot: Slot) {
    if let Some(attempt) = world.attempts.get(slot) {
        attempt::count(world, attempt.call, Counter::ActiveOverflow);
        attempt_failed(world, slot, Failure::Overflow);
    }
}

pub fn per_try_timeout(world: &mut World<'_>, slot: Slot) {
    let attempt = &mut world.attempts[slot.index];
    attempt.per_try_timer = Timer::NONE;
    let call = attempt.call;
    attempt::count(world, call, Counter::PerTryTimeout);
    attempt_failed(world, slot, Failure::PerTryTimeout);
}

/// The route's timeout passes: whatever goes on ends with 504. Source: semantics S10.1, S21.8.
pub fn route_timeout(world: &mut World<'_>, slot: Slot) {
    let call = &mut world.calls[slot.index];
    call.route_timer = Timer::NONE;
    let attempt = std::mem::replace(&mut call.attempt, NIL);
    if attempt != NIL {
        attempt::count(world, slot.index, Counter::Timeout);
        cut_short(world, attempt, Failure::RouteTimeout);
    }
    give_failure(world, slot.index, Failure::RouteTimeout);
}

/// Ends an attempt from above. Source: semantics S10.4.
fn cut_short(world: &mut World<'_>, index: u32, failure: Failure) {
    tell_host(world, index, failure);
    abandon(world, index, failure);
}

/// The calling application loses patience: it resets the call. Source: design D9.9.
pub fn app_timeout(world: &mut World<'_>, slot: Slot) -> Option<Ended> {
    let call = &mut world.calls[slot.index];
    call.app_timer = Timer::NONE;
    let attempt = std::mem::replace(&mut call.attempt, NIL);
    if attempt != NIL {
        cut_short(world, attempt, Failure::ClientGone);
    }
    give_retry_back(world, slot.index);
    let call = &mut world.calls[slot.index];
    call.outcome.code = 0;
    call.outcome.flags.set(Flag::DC);
    // Simplified: a waypoint lets go at once, and not when the news reach it. Attempts end one leg too early there.
    call.is_away = false;
    end(world, slot.index)
}

fn disarm_route_timer(world: &mut World<'_>, index: u32) {
    let timer = std::mem::replace(&mut world.calls[index].route_timer, Timer::NONE);
    if !timer.is_none() {
        world.queue.disarm(timer);
    }
}

/// The call's one answer reaches the application, which may try again. Source: design D9.9.
#[inline(always)]
fn end(world: &mut World<'_>, index: u32) -> Option<Ended> {
    let call = &mut world.calls[index];
    if call.is_away {
        return leave_waypoint(world, index);
    }
    for timer in [&mut call.route_timer, &mut call.app_timer] {
        if !timer.is_none() {
            world.queue.disarm(*timer);
            *timer = Timer::NONE;
        }
    }
    if !call.tried.is_empty() {
        world.lines.drop(&mut call.tried);
    }
    if let Some(row) = call.row()
        && call.parent != Parent::Nobody
    {
        world.recorder.call_done(row, world.now.since(call.born), call.outcome, call.counted);
    }
    let ended = Ended { parent: call.parent, spec: call.spec, outcome: call.outcome };
    if !ended.outcome.is_success() && app_tries_again(world, index) {
        return None;
    }
    world.calls.remove(index);
    Some(ended)
}

/// A waypoint has done with a call, and its answer is on its way to the caller, whose patience goes on.
#[cold]
fn leave_waypoint(world: &mut World<'_>, index: u32) -> Option<Ended> {
    disarm_route_timer(world, index);
    let leg = waypoint::way_back(world, index);
    let call = &mut world.calls[index];
    call.is_away = false;
    world.queue.push(world.now + leg, Event::BackFromWaypoint(world.calls.slot(index)));
    None
}

/// The application's own retry: another call, with luck of its own. Source: design D2, D9.9.
#[cold]
fn app_tries_again(world: &mut World<'_>, index: u32) -> bool {
    let call = &world.calls[index];
    let plan = world.plan;
    let (most, key, target, number, shape, timeout) = match call.parent {
        Parent::Request(request) => {
            let request = &world.requests[request];
            let class = &plan.mesh.clients.rows()[request.client as usize].classes[call.spec as usize];
            let shape = world.shapes.of_request(plan, request);
            let timeout = plan.clients[request.client as usize].timeouts[call.spec as usize];
            (class.attempts.get(), request.fate, &class.target, 0, shape, timeout)
        }
        Parent::Attempt(slot) => {
            let id = CallSpecId::from_index(call.spec as usize);
            let spec = &plan.mesh.calls[id];
            let Some(parent) = world.attempts.get(slot) else { return false };
            let shape = world.shapes.of_call(plan, id, parent.shape);
            (spec.attempts.get(), parent.key, &spec.target, spec.index, shape, plan.call(id).timeout)
        }
        Parent::Nobody => return false,
    };
    let tries = call.tries + 1;
    if u32::from(tries) >= most {
        return false;
    }
    let number = number + (u64::from(tries) << 16);
    let entry = world.entry(call);
    let again = Call {
        key: draw(key ^ target.name_hash, Purpose::Call, number),
        spec: call.spec,
        shape,
        proxy: entry.proxy.index() as u32,
        worker: entry.worker,
        hops: call.hops,
        counted: call.counted,
        tries,
        ..Call::new(0, call.parent, world.now)
    };
    world.calls.remove(index);
    start(world, again, timeout);
    true
}
