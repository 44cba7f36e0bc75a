//! A pod: it lets requests in or not, makes them wait, works at them step by step, makes their calls and answers.
//!
//! ```text
//!  accept ─▶ down? full? ─▶ slot or line ─▶ step ─▶ step ... ─▶ respond ─▶ the next in line
//!                                            work: WorkDone        │
//!                                            calls: call_ended     ▼ the answer's leg back: Answered
//! ```
//!
//! Source: design D3, D9.9 to D9.14.

use crate::kernel::fifo::{Fifo, Place};
use crate::kernel::random::{Purpose, draw};
use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::policy_spec::Breakage;
use crate::mesh::workload::{CrashOf, OnError};
use crate::mesh::{CallSpecId, PodId, WorkloadId};
use crate::policy::balance::sources::HostState;
use crate::sim::call;
use crate::sim::event::Event;
use crate::sim::gate::{self, Entry};
use crate::sim::plan::{BROKEN, ErrorPlan, NIL, Plan, SamplerId, StepPlan, WorkloadPlan};
use crate::sim::sharing::Sharing;
use crate::sim::stay::{Presence, Stay};
use crate::sim::world::{Attempt, Call, Parent, Phase, World};

/// Whether a pod serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Up,
    Down(CrashOf),
}

/// One pod.
pub struct PodState {
    pub workload: WorkloadId,
    pub condition: Condition,
    /// It is on its way out: its sidecar ends each connection that it answers on. Source: semantics S15.4.
    pub says_close: bool,
    /// Slots, or cores that are shared; `u32::MAX`: no limit.
    pub concurrency: u32,
    queue_limit: u32,
    /// Slots are given back during calls.
    is_async: bool,
    /// Slots that count as taken and are on their way to the next in line.
    slots_promised: u32,
    /// Slots taken; with shared cores: requests in service.
    pub busy: u32,
    pub waiting: Fifo,
    /// Product of the slowdowns in force.
    pub slowdown: f64,
    /// Error rate in force.
    pub errors: Option<ErrorPlan>,
    /// Until then it works slower after a start.
    pub cold_until: SimTime,
    /// Crashes and restarts so far.
    pub changes: u64,
    /// All work stands still until then.
    pub hangs_until: SimTime,
    /// Nanoseconds of standstill decided on so far, by how often the pod had stood still; the present one counts whole.
    pub hung: Vec<u64>,
    pub sharing: Option<Box<Sharing>>,
    /// Rows of `World::gates`, by number of the workload's inbound limits.
    pub gates: Vec<u32>,
    pub stay: Stay,
    pub usage: Usage,
}

/// What a pod's slots and line have seen, as areas under their curves since the last reset.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub busy_nanos: u64,
    pub queue_nanos: u64,
    pub queue_max: u32,
    since: SimTime,
    /// Busy area at the start of the present window, and when that was.
    window_busy: u64,
    window_since: SimTime,
    /// What the present window had seen when the areas were last reset.
    window_carry: u64,
}

impl Usage {
    /// Nothing seen, from `now` on; the present window of the series goes on.
    pub fn restart(&mut self, now: SimTime) {
        let so_far = self.busy_nanos - self.window_busy + self.window_carry;
        *self =
            Usage { since: now, window_since: self.window_since, window_carry: so_far, ..Usage::default() };
    }

    /// The busy area and the beginning of the window that ends now; the next one begins.
    pub fn close_window(&mut self, now: SimTime) -> (u64, SimTime) {
        let (area, since) = (self.busy_nanos - self.window_busy + self.window_carry, self.window_since);
        (self.window_busy, self.window_since, self.window_carry) = (self.busy_nanos, now, 0);
        (area, since)
    }
}

impl PodState {
    pub fn new(workload: WorkloadId, plan: &WorkloadPlan<'_>) -> PodState {
        PodState {
            workload,
            condition: Condition::Up,
            says_close: false,
            concurrency: plan.concurrency,
            queue_limit: plan.queue_limit,
            is_async: plan.is_async,
            slots_promised: 0,
            busy: 0,
            waiting: Fifo::default(),
            slowdown: 1.0,
            errors: plan.errors,
            cold_until: SimTime::ZERO,
            changes: 0,
            hangs_until: SimTime::ZERO,
            hung: Vec::new(),
            sharing: plan.shares_cores.then(|| Box::new(Sharing::new(plan.concurrency))),
            gates: Vec::new(),
            stay: Stay::default(),
            usage: Usage::default(),
        }
    }

    /// How the control plane lists it. Source: semantics S15.1.
    pub fn standing(&self) -> HostState {
        match (self.stay.presence, self.condition) {
            (Presence::Away | Presence::Leaving | Presence::Closed, _) => HostState::Gone,
            (Presence::Serving, Condition::Up) => HostState::Healthy,
            (Presence::Serving | Presence::Starting, _) => HostState::Unhealthy,
        }
    }

    /// Requests that wait: in line, or for a share of a core of their own.
    #[inline]
    pub fn queued(&self) -> u32 {
        self.waiting.len() + self.busy.saturating_sub(self.concurrency)
    }

    /// Brings the areas up to now; call it before `busy` or `waiting` changes.
    #[inline]
    pub fn account(&mut self, now: SimTime) {
        let length = now.nanos() - self.usage.since.nanos();
        self.usage.busy_nanos += length * u64::from(self.busy.min(self.concurrency));
        self.usage.queue_nanos += length * u64::from(self.queued());
        self.usage.since = now;
    }

    /// Work takes longer for another `length` nanoseconds of standstill.
    pub fn hang(&mut self, length: u64) {
        self.hung.push(self.hung.last().unwrap_or(&0) + length);
    }

    /// How often it has stood still so far.
    #[inline]
    fn hangs(&self) -> u32 {
        self.hung.len() as u32
    }

    /// Nanoseconds of standstill since there had been so many.
    #[cold]
    fn hung_since(&self, hangs: u32) -> u64 {
        let before = (hangs as usize).checked_sub(1).map_or(0, |last| self.hung[last]);
        self.hung.last().unwrap_or(&0) - before
    }

    /// How long a piece of work takes: what the draw says, times what slows the pod down at this moment.
    #[inline(always)]
    fn takes(&self, plan: &Plan<'_>, sampler: SamplerId, drawn: u64, now: SimTime) -> SimDuration {
        let takes = plan.sampler(sampler).sample(drawn);
        if self.slowdown != 1.0 || now < self.cold_until { self.slowed(plan, takes, now) } else { takes }
    }

    #[cold]
    fn slowed(&self, plan: &Plan<'_>, takes: SimDuration, now: SimTime) -> SimDuration {
        let mut factor = self.slowdown;
        if now < self.cold_until {
            let cold = plan.workload(self.workload).workload.cold_start.as_ref();
            factor *= cold.map_or(1.0, |cold| cold.slowdown);
        }
        SimDuration::from_nanos((takes.nanos() as f64 * factor).round() as u64)
    }

    /// When an attempt's work begins that is taken up now: behind a standstill.
    #[inline(always)]
    fn begin(&self, attempt: &mut Attempt, now: SimTime) -> SimTime {
        attempt.hangs = self.hangs();
        now.max(self.hangs_until)
    }

    /// Remembers the present line if it is the longest since the last reset.
    #[inline]
    pub fn note_queue(&mut self) {
        self.usage.queue_max = self.usage.queue_max.max(self.queued());
    }
}

/// An attempt's bytes reach its pod.
#[inline(always)]
pub fn accept(world: &mut World<'_>, slot: Slot) {
    let Some(attempt) = world.attempts.get_mut(slot) else { return };
    debug_assert_eq!(attempt.phase, Phase::Sent);
    attempt.phase = Phase::Serving;
    let pod = &world.pods[attempt.pod.index()];
    if let Condition::Down(of) = pod.condition {
        return refuse(world, slot.index, of);
    }
    pass_gate(world, slot);
}

/// The pod's own sidecar lets the attempt through to the application, or not.
#[inline(always)]
fn pass_gate(world: &mut World<'_>, slot: Slot) {
    let attempt = &world.attempts[slot.index];
    if !world.pods[attempt.pod.index()].gates.is_empty() {
        let gate = world.pools[attempt.pool as usize].gate;
        if gate != NIL {
            match gate::admit(world, slot, gate) {
                Entry::Through => {}
                Entry::Waits => return,
                // This sidecar's own 503, which has no flag for the caller. Source: semantics S15.3.
                Entry::Refused => return respond(world, slot, 503),
            }
        }
    }
    take_up(world, slot);
}

/// An attempt that waited for its pod's own sidecar goes on to the application, unless it is gone by now.
pub fn admitted(world: &mut World<'_>, slot: Slot) {
    if world.attempts.get(slot).is_none_or(|attempt| attempt.phase != Phase::Serving) {
        return;
    }
    if gate::refuses(world, slot.index) {
        return respond(world, slot, 503);
    }
    if gate::is_between_tries(world, slot.index) {
        return try_again(world, slot);
    }
    // Who has waited may find that its pod takes nothing more.
    let pod = world.attempts[slot.index].pod;
    if let Condition::Down(of) = world.pods[pod.index()].condition {
        gate::leave(world, slot.index);
        return refuse(world, slot.index, of);
    }
    take_up(world, slot);
}

/// The pod's sidecar tries what its application did not take.
#[cold]
fn try_again(world: &mut World<'_>, slot: Slot) {
    let attempt = &world.attempts[slot.index];
    if attempt.is_abandoned {
        gate::leave(world, slot.index);
        return world.attempts.remove(slot.index);
    }
    let condition = world.pods[attempt.pod.index()].condition;
    if condition == Condition::Down(CrashOf::App) && gate::tries_again(world, slot.index) {
        return;
    }
    gate::leave(world, slot.index);
    match condition {
        Condition::Down(of) => break_off(world, slot.index, of),
        Condition::Up => pass_gate(world, slot),
    }
}

/// The application takes a request up, or makes it wait.
#[inline(always)]
fn take_up(world: &mut World<'_>, slot: Slot) {
    let World { plan, shapes, attempts, pods, queue, now, .. } = world;
    let attempt = &mut attempts[slot.index];
    let pod = &mut pods[attempt.pod.index()];
    let step = shapes.first_step(plan, pod.workload, attempt.shape);
    if step == NIL {
        return respond(world, slot, 404);
    }
    (attempt.step, attempt.status) = (step, 200);
    if let Some(errors) = &pod.errors
        && errors.rate.hits(draw(attempt.key, Purpose::Failure, 0))
    {
        // It takes one work step of its own and makes no calls. Source: design D9.11.
        (attempt.step, attempt.status) = (NIL, errors.status);
    }
    pod.account(*now);
    if pod.busy >= pod.concurrency {
        return wait(world, slot);
    }
    pod.busy += 1;
    if pod.sharing.is_none()
        && let Some(StepPlan::Work(sampler, number)) = plan.steps.get(attempt.step as usize)
    {
        // Mostly: a slot is free, and the first thing to do is work.
        attempt.has_slot = true;
        let drawn = draw(attempt.key, Purpose::Work, u64::from(*number));
        let done = pod.begin(attempt, *now) + pod.takes(plan, *sampler, drawn, *now);
        return queue.push(done, Event::WorkDone(slot));
    }
    serve(world, slot);
}

/// All slots, or cores, are busy: the attempt joins the line or those that share, or finds no room.
fn wait(world: &mut World<'_>, slot: Slot) {
    let attempt = &mut world.attempts[slot.index];
    let pod = &mut world.pods[attempt.pod.index()];
    if pod.queued() >= pod.queue_limit {
        return respond(world, slot, 503);
    }
    if pod.sharing.is_some() {
        pod.busy += 1;
        pod.note_queue();
        return serve(world, slot);
    }
    attempt.place = world.lines.push_back(&mut pod.waiting, slot.index);
    pod.note_queue();
}

/// What a pod that is down makes of a request. Source: design D9.14; semantics S15.3, S15.5.
#[cold]
fn refuse(world: &mut World<'_>, index: u32, of: CrashOf) {
    match of {
        CrashOf::App if gate::tries_again(world, index) => {}
        CrashOf::App => {
            let slot = world.attempts.slot(index);
            respond(world, slot, 503);
        }
        CrashOf::Pod => reset(world, index),
        CrashOf::Node => lose(world, index),
    }
}

/// What becomes of a request that a pod which is down now has had, or had its last chance to get. Source: design D9.14; semantics S15.3, S15.5.
fn break_off(world: &mut World<'_>, index: u32, of: CrashOf) {
    match of {
        CrashOf::App => {
            let slot = world.attempts.slot(index);
            respond(world, slot, 503);
        }
        CrashOf::Pod | CrashOf::Node => refuse(world, index, of),
    }
}

/// The caller learns that its connection is gone.
pub fn reset(world: &mut World<'_>, index: u32) {
    if world.attempts[index].is_abandoned {
        return world.attempts.remove(index);
    }
    let attempt = &mut world.attempts[index];
    attempt.phase = Phase::Returning;
    attempt.status = BROKEN + Breakage::Connection as u16;
    let leg = world.pools[attempt.pool as usize].way.back(world.plan, attempt.key);
    let slot = world.attempts.slot(index);
    world.queue.push(world.now + leg, Event::Reset(slot));
}

/// Nobody will ever answer: only the caller's own timers end it.
pub fn lose(world: &mut World<'_>, index: u32) {
    let attempt = &mut world.attempts[index];
    if attempt.is_abandoned {
        return world.attempts.remove(index);
    }
    attempt.phase = Phase::Lost;
}

/// A slot is there.
#[inline(never)]
fn serve(world: &mut World<'_>, slot: Slot) {
    let attempt = &mut world.attempts[slot.index];
    attempt.has_slot = true;
    match world.plan.steps.get(attempt.step as usize) {
        Some(StepPlan::Work(sampler, number)) => {
            let drawn = draw(attempt.key, Purpose::Work, u64::from(*number));
            work(world, slot, *sampler, drawn);
        }
        Some(_) => go_on(world, slot),
        None => work_at_error(world, slot),
    }
}

/// A failing request takes the error's own time, or the operation's first work step.
#[inline(never)]
fn work_at_error(world: &mut World<'_>, slot: Slot) {
    let attempt = &world.attempts[slot.index];
    let (pod, key, shape) = (attempt.pod, attempt.key, attempt.shape);
    let state = &world.pods[pod.index()];
    let own = state.errors.and_then(|errors| errors.service_time);
    let step = world.shapes.first_step(world.plan, state.workload, shape);
    let first = world.plan.first_work[step as usize];
    let purpose = if own.is_some() { Purpose::ErrorWork } else { Purpose::Work };
    match own.or(first) {
        Some(sampler) => work(world, slot, sampler, draw(key, purpose, 0)),
        None => world.queue.push(world.now, Event::WorkDone(slot)),
    }
}

/// Goes through the steps until one takes time.
#[inline(never)]
fn go_on(world: &mut World<'_>, slot: Slot) {
    let plan = world.plan;
    loop {
        let attempt = &mut world.attempts[slot.index];
        match &plan.steps[attempt.step as usize] {
            StepPlan::Work(sampler, number) => {
                let drawn = draw(attempt.key, Purpose::Work, u64::from(*number));
                return work(world, slot, *sampler, drawn);
            }
            StepPlan::Calls(calls) => {
                if start_calls(world, slot, calls) {
                    return;
                }
                world.attempts[slot.index].step += 1;
            }
            StepPlan::End => {
                let status = attempt.status;
                return respond(world, slot, status);
            }
        }
    }
}

/// Works for as long as the draw says.
#[inline(always)]
fn work(world: &mut World<'_>, slot: Slot, sampler: SamplerId, drawn: u64) {
    let attempt = &mut world.attempts[slot.index];
    let pod = &world.pods[attempt.pod.index()];
    let takes = pod.takes(world.plan, sampler, drawn, world.now);
    if pod.sharing.is_some() {
        return share(world, slot, takes);
    }
    let begins = pod.begin(attempt, world.now);
    world.queue.push(begins + takes, Event::WorkDone(slot));
}

/// Puts work onto shared cores.
#[inline(never)]
fn share(world: &mut World<'_>, slot: Slot, takes: SimDuration) {
    let pod = world.attempts[slot.index].pod;
    let now = world.now;
    let sharing = world.pods[pod.index()].sharing.as_mut().expect("its cores are shared");
    sharing.advance(now);
    sharing.add(slot, takes);
    schedule_shared(world, pod);
}

fn schedule_shared(world: &mut World<'_>, pod: PodId) {
    let state = &mut world.pods[pod.index()];
    let (now, hangs_until) = (world.now, state.hangs_until);
    let sharing = state.sharing.as_mut().expect("its cores are shared");
    if let Some((after, version)) = sharing.next() {
        world.queue.push(now.max(hangs_until) + after, Event::SharedWorkDone(pod.index() as u32, version));
    }
}

/// The first of those that share the cores may be done; a stale version says that things have changed since.
pub fn shared_work_done(world: &mut World<'_>, pod: u32, version: u32) {
    let now = world.now;
    let sharing = world.pods[pod as usize].sharing.as_mut().expect("its cores are shared");
    if sharing.version() != version {
        return;
    }
    sharing.advance(now);
    let mut done = Vec::new();
    while let Some(slot) = sharing.take_done() {
        done.push(slot);
    }
    schedule_shared(world, PodId::from_index(pod as usize));
    for slot in done {
        if let Some(attempt) = world.attempts.get_mut(slot)
            && attempt.phase == Phase::Serving
        {
            let step = next_step(attempt);
            step_done(world, slot, step);
        }
    }
}

/// A work step's time is over, unless the pod stood still meanwhile.
#[inline(always)]
pub fn work_done(world: &mut World<'_>, slot: Slot) {
    let Some(attempt) = world.attempts.get_mut(slot) else { return };
    // A crash has answered for it.
    if attempt.phase != Phase::Serving {
        return;
    }
    let pod = &world.pods[attempt.pod.index()];
    if pod.hangs() != attempt.hangs {
        let stood_still = pod.hung_since(attempt.hangs);
        attempt.hangs = pod.hangs();
        let due = world.now + SimDuration::from_nanos(stood_still);
        return world.queue.push(due, Event::WorkDone(slot));
    }
    let step = next_step(attempt);
    step_done(world, slot, step);
}

/// The attempt goes on to its next step; returns that, and the status so far.
#[inline(always)]
fn next_step(attempt: &mut Attempt) -> (u32, u16) {
    attempt.step = attempt.step.saturating_add(1);
    (attempt.step, attempt.status)
}

#[inline(always)]
fn step_done(world: &mut World<'_>, slot: Slot, (next, status): (u32, u16)) {
    match world.plan.steps.get(next as usize) {
        None | Some(StepPlan::End) => respond(world, slot, status),
        Some(_) => go_on(world, slot),
    }
}

/// Starts the calls of a step; false if none was drawn. Source: design D9.9.
#[inline]
fn start_calls(world: &mut World<'_>, slot: Slot, calls: &[CallSpecId]) -> bool {
    let plan = world.plan;
    let attempt = &world.attempts[slot.index];
    let (key, shape, pod, hops, counted) =
        (attempt.key, attempt.shape, attempt.pod, attempt.hops, attempt.counted);
    let proxy = plan.mesh.pods[pod].proxy.expect("a pod that calls has a proxy");
    let mut open = 0;
    for id in calls {
        let call = plan.call(*id);
        let spec = &plan.mesh.calls[*id];
        if !call.is_certain && !call.share.hits(draw(key ^ spec.target.name_hash, Purpose::Share, spec.index))
        {
            continue;
        }
        open += 1;
        world.attempts[slot.index].open_calls = open;
        let made = Call {
            key: draw(key ^ spec.target.name_hash, Purpose::Call, spec.index),
            spec: id.index() as u32,
            shape: world.shapes.of_call(plan, *id, shape),
            proxy: proxy.index() as u32,
            hops: hops + 1,
            counted,
            ..Call::new(0, Parent::Attempt(slot), world.now)
        };
        call::start(world, made, call.timeout);
    }
    if open > 0 && world.pods[pod.index()].is_async {
        give_slot(world, slot.index);
    }
    open > 0
}

/// A call that an attempt's pod made has ended.
#[inline(always)]
pub fn call_ended(world: &mut World<'_>, slot: Slot, spec: u32, is_success: bool) {
    let Some(attempt) = world.attempts.get_mut(slot) else { return };
    if attempt.phase != Phase::Serving {
        return;
    }
    if !is_success
        && let OnError::Fail(status) = world.plan.call(CallSpecId::from_index(spec as usize)).on_error
        && attempt.status == 200
    {
        attempt.status = status;
    }
    attempt.open_calls -= 1;
    if attempt.open_calls > 0 {
        return;
    }
    let status = attempt.status;
    attempt.step += 1;
    // The operation ends after a step that failed, and without work to come an asynchronous pod answers at once.
    if status != 200 || matches!(world.plan.steps[attempt.step as usize], StepPlan::End) {
        respond(world, slot, status);
    } else if attempt.has_slot {
        go_on(world, slot);
    } else {
        queue_again(world, slot);
    }
}

/// An asynchronous pod takes up a request whose calls are done: behind others, past the limit. Source: design D9.12.
fn queue_again(world: &mut World<'_>, slot: Slot) {
    let pod = world.attempts[slot.index].pod;
    let state = &mut world.pods[pod.index()];
    state.account(world.now);
    if state.sharing.is_some() || state.busy < state.concurrency {
        state.busy += 1;
        state.note_queue();
        return serve(world, slot);
    }
    world.attempts[slot.index].place = world.lines.push_back(&mut state.waiting, slot.index);
    state.note_queue();
}

/// Gives an attempt's slot back.
fn give_slot(world: &mut World<'_>, index: u32) {
    let attempt = &mut world.attempts[index];
    if std::mem::take(&mut attempt.has_slot) {
        let pod = attempt.pod;
        free_slot(world, pod);
    }
}

/// A slot goes to the next in line if there is one.
#[inline(always)]
pub fn free_slot(world: &mut World<'_>, id: PodId) {
    let pod = &mut world.pods[id.index()];
    pod.account(world.now);
    if pod.waiting.is_empty() {
        pod.busy -= 1;
    } else if pod.is_async && !next_works(world, id) {
        // Who is next may give the slot back at once: by an event each, a long line is no deep recursion.
        world.pods[id.index()].slots_promised += 1;
        world.queue.push(world.now, Event::SlotFree(id.index() as u32));
    } else {
        serve_next(world, id);
    }
}

/// Whether the next in line begins with work, and so holds its slot for a while.
fn next_works(world: &World<'_>, pod: PodId) -> bool {
    let next = world.lines.iter(&world.pods[pod.index()].waiting).next().expect("somebody waits");
    let step = world.attempts[next].step;
    step == NIL || matches!(world.plan.steps.get(step as usize), Some(StepPlan::Work(..)))
}

#[inline(never)]
fn serve_next(world: &mut World<'_>, pod: PodId) {
    let waiting = &mut world.pods[pod.index()].waiting;
    let next = world.lines.pop_front(waiting).expect("somebody waits");
    world.attempts[next].place = Place::NONE;
    let slot = world.attempts.slot(next);
    serve(world, slot);
}

/// A slot that was given back goes to the next in line, if there still is one.
pub fn slot_free(world: &mut World<'_>, pod: u32) {
    let state = &mut world.pods[pod as usize];
    if state.slots_promised == 0 {
        // A crash has taken it.
        return;
    }
    state.slots_promised -= 1;
    state.account(world.now);
    if state.waiting.is_empty() {
        state.busy -= 1;
    } else {
        serve_next(world, PodId::from_index(pod as usize));
    }
}

/// The pod has done with a request: its answer leaves, or the news that it broke off, and the next in line is served.
#[inline(never)]
fn respond(world: &mut World<'_>, slot: Slot, status: u16) {
    let attempt = &mut world.attempts[slot.index];
    let (pod, had_slot) = (attempt.pod, std::mem::take(&mut attempt.has_slot));
    let leg = if attempt.is_abandoned {
        None
    } else {
        (attempt.status, attempt.phase) = (status, Phase::Returning);
        if world.pods[pod.index()].says_close {
            world.connections[attempt.connection].close_after_answer();
        }
        Some(world.pools[attempt.pool as usize].way.back(world.plan, attempt.key))
    };
    if had_slot {
        free_slot(world, pod);
    }
    if !world.gates.is_empty() {
        gate::leave(world, slot.index);
    }
    let Some(leg) = leg else { return world.attempts.remove(slot.index) };
    let event = if status < BROKEN { Event::Answered(slot) } else { Event::Reset(slot) };
    world.queue.push(world.now + leg, event);
}

/// The caller has given an attempt up: the pod's sidecar hears of it, and the application where it listens.
/// Source: semantics S10.4; design D9.13.
pub fn cancelled(world: &mut World<'_>, slot: Slot) {
    let Some(attempt) = world.attempts.get(slot) else { return };
    let workload = world.pods[attempt.pod.index()].workload;
    let stops = world.plan.workload(workload).workload.cancellation;
    match attempt.phase {
        Phase::Serving => {
            // Its own sidecar lets go of it, whatever the application does.
            let waits = gate::waits(world, slot.index);
            gate::leave(world, slot.index);
            if !waits && !stops {
                return;
            }
            if !waits {
                drop_work(world, slot);
            }
        }
        // Given up in the instant in which it was sent: it never arrives.
        Phase::Sent if stops => {}
        Phase::Sent | Phase::Pending | Phase::Returning | Phase::Lost => return,
    }
    world.attempts.remove(slot.index);
}

/// Takes an attempt out of the pod, wherever it is there. Its calls go on and find nobody.
fn drop_work(world: &mut World<'_>, slot: Slot) {
    let attempt = &mut world.attempts[slot.index];
    let pod = attempt.pod;
    let place = std::mem::replace(&mut attempt.place, Place::NONE);
    let state = &mut world.pods[pod.index()];
    if !place.is_none() {
        state.account(world.now);
        return world.lines.remove(&mut state.waiting, place);
    }
    if let Some(sharing) = &mut state.sharing {
        sharing.advance(world.now);
        sharing.remove(slot);
        schedule_shared(world, pod);
    }
    give_slot(world, slot.index);
}

/// Shared cores stand still until `until`; a line of slots is told at each step's end.
pub fn stand_still(world: &mut World<'_>, pod: PodId, until: SimTime) {
    let now = world.now;
    if let Some(sharing) = &mut world.pods[pod.index()].sharing {
        sharing.advance(now);
        sharing.stand_still(until);
        schedule_shared(world, pod);
    }
}

/// A pod serves from now on, slower at first where it starts cold. Source: design D9.14.
pub fn come_up(world: &mut World<'_>, pod: PodId) {
    let state = &mut world.pods[pod.index()];
    state.condition = Condition::Up;
    let cold = world.plan.workload(state.workload).workload.cold_start.as_ref();
    state.cold_until = world.now + cold.map_or(SimDuration::ZERO, |cold| cold.lasts);
}

/// Requests that are at a pod, wherever there.
pub fn requests_at(world: &World<'_>, pod: PodId) -> usize {
    let is_there = |attempt: &Attempt| attempt.pod == pod && attempt.phase == Phase::Serving;
    world.attempts.iter().filter(|(_, attempt)| is_there(attempt)).count()
}

/// A pod goes down: what it was doing is lost, and callers learn of it as the kind of crash has it.
/// Source: design D9.14.
pub fn crash(world: &mut World<'_>, pod: PodId, of: CrashOf) {
    let state = &mut world.pods[pod.index()];
    state.account(world.now);
    state.condition = Condition::Down(of);
    if let Some(sharing) = &mut state.sharing {
        sharing.clear(world.now);
    }
    world.lines.clear(&mut state.waiting);
    (state.busy, state.slots_promised) = (0, 0);
    let is_there = |attempt: &Attempt| attempt.pod == pod && attempt.phase == Phase::Serving;
    // Whom its sidecar is about to try again hears of another crash of the application when that comes to nothing.
    let stays = |index| of == CrashOf::App && gate::is_between_tries(world, index);
    let there = world.attempts.iter().filter(|(index, attempt)| is_there(attempt) && !stays(*index));
    let there: Vec<u32> = there.map(|(index, _)| index).collect();
    // Whoever waits at the sidecar was not sent to the application yet.
    let (unsent, sent): (Vec<u32>, Vec<u32>) = there.iter().partition(|index| gate::waits(world, **index));
    gate::clear(world, pod, &unsent, &sent);
    for index in there {
        let attempt = &mut world.attempts[index];
        (attempt.place, attempt.has_slot) = (Place::NONE, false);
    }
    for index in unsent {
        refuse(world, index, of);
    }
    for index in sent {
        break_off(world, index, of);
    }
}
