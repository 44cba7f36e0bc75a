//! The loop and the one match: who handles what is all on this screen.

use crate::kernel::queue::Queue;
use crate::kernel::slab::Slab;
use crate::kernel::{Id, SimTime};
use crate::metrics::recorder::Recorder;
use crate::metrics::results::{Clock, Results};
use crate::sim::audit::{self, Audit};
use crate::sim::call::{self, Ended};
use crate::sim::client::{self, ClientState};
use crate::sim::endpoint::{self, PodState};
use crate::sim::event::{Event, TIMER_RANK};
use crate::sim::observer::Heard;
use crate::sim::plan::Plan;
use crate::sim::session::{self, News};
use crate::sim::shapes::Shapes;
use crate::sim::world::{self, Parent, World};
use crate::sim::{attempt, control, gate, life, news, upstream};

/// Runs one replication to its end. The same plan, seed and replication give the same results.
pub fn run(plan: &Plan<'_>, seed: u64, replication: u64) -> Results {
    let mut run = Run::new(plan, seed, replication);
    run.advance(SimTime::MAX);
    run.finish()
}

/// A run that goes on in slices.
pub struct Run<'p> {
    world: World<'p>,
    end: SimTime,
    /// All is answered, and nothing more belongs to the run.
    is_over: bool,
    events: u64,
}

impl<'p> Run<'p> {
    pub fn new(plan: &'p Plan<'p>, seed: u64, replication: u64) -> Run<'p> {
        let mesh = plan.mesh;
        let at = |length| SimTime::ZERO + length;
        let clock =
            Clock { warmup: at(mesh.run.warmup), duration: at(mesh.run.duration), window: mesh.run.window };
        let classes = mesh.clients.rows().iter().map(|client| {
            (client.name.clone(), client.classes.iter().map(|class| class.name.clone()).collect())
        });
        let workloads: Vec<String> =
            mesh.workloads.rows().iter().map(|workload| workload.name.clone()).collect();
        let recorder = Recorder::new(clock, &classes.collect::<Vec<_>>(), &workloads);
        let clients = mesh.clients.iter().map(|(id, client)| {
            let rows = (0..client.classes.len()).map(|class| recorder.request_row(id.index(), class));
            ClientState::new(client, &plan.clients[id.index()], rows.collect(), seed, replication)
        });
        let clients = clients.collect();
        let pods =
            mesh.pods.rows().iter().map(|pod| PodState::new(pod.workload, plan.workload(pod.workload)));
        let mut queue = Queue::new();
        let lanes = plan.delays.iter().map(|delay| queue.lane(*delay, TIMER_RANK)).collect();
        let mut world = World {
            plan,
            now: SimTime::ZERO,
            queue,
            lanes,
            shapes: Shapes::new(plan),
            requests: Slab::default(),
            calls: Slab::default(),
            attempts: Slab::default(),
            connections: Slab::default(),
            sessions: Slab::default(),
            lines: Default::default(),
            proxies: world::proxies(plan, seed, replication),
            upstreams: Vec::new(),
            pools: Vec::new(),
            tables: (0..mesh.clusters.len()).map(|_| None).collect(),
            gates: Vec::new(),
            passes: Vec::new(),
            closings: Vec::new(),
            begun: Vec::new(),
            host_rows: vec![Box::default(); mesh.clusters.len()],
            pods: pods.collect(),
            listings: vec![(SimTime::MAX, 0); mesh.workloads.len()],
            clients,
            recorder,
            observer: None,
            clock,
        };
        world::open_gates(&mut world);
        gate::begin(&mut world, seed, replication);
        let mut run = Run { world, end: at(mesh.run.duration + mesh.run.drain), is_over: false, events: 0 };
        control::begin(&mut run.world);
        life::begin(&mut run.world);
        client::begin(&mut run.world);
        run
    }

    /// Goes on until `until`, or until all is answered. True while there is more to come.
    pub fn advance(&mut self, until: SimTime) -> bool {
        let world = &mut self.world;
        let births_end = client::births_end(world);
        let until = until.min(self.end);
        if self.is_over {
            return false;
        }
        while let Some((now, event)) = world.queue.next_before(until) {
            world.now = now;
            self.events += 1;
            handle(world, event);
            if now >= births_end && client::all_answered(world) {
                self.is_over = true;
                return false;
            }
        }
        until < self.end
    }

    /// As [`Run::advance`], and shows each event to `look` before it is handled. Much slower, for a few requests' stories.
    pub(super) fn watch(&mut self, until: SimTime, mut look: impl FnMut(&World<'p>, Event)) -> bool {
        let births_end = client::births_end(&self.world);
        let until = until.min(self.end);
        if self.is_over {
            return false;
        }
        while let Some((now, event)) = self.world.queue.next_before(until) {
            self.world.now = now;
            look(&self.world, event);
            self.events += 1;
            handle(&mut self.world, event);
            if now >= births_end && client::all_answered(&self.world) {
                self.is_over = true;
                return false;
            }
        }
        until < self.end
    }

    /// Keeps what becomes of each request from here on, to be asked for by [`Run::hear`].
    pub fn observe(&mut self) {
        self.world.observer.get_or_insert_default();
    }

    /// Puts what was heard since the last time in place of `heard`.
    pub fn hear(&mut self, heard: &mut Heard) {
        heard.clear();
        if let Some(observer) = &mut self.world.observer {
            std::mem::swap(heard, &mut observer.heard);
        }
    }

    /// Events handled so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Most calls that were in flight at once.
    pub fn calls_at_once(&self) -> usize {
        self.world.calls.capacity_used()
    }

    /// Lets everything end that would go on behind the last answer: copies, work that nobody waits for, timers of the
    /// control plane. Only what nobody will ever answer stays. For tests; what is counted meanwhile belongs to no run.
    pub fn settle(&mut self) {
        while let Some((now, event)) = self.world.queue.next_before(SimTime::MAX) {
            self.world.now = now;
            handle(&mut self.world, event);
        }
    }

    /// What is in flight, counted at both ends. For tests.
    pub fn audit(&self) -> Audit {
        audit::of(&self.world)
    }

    /// What was counted. A request that has no answer by now never gets one.
    pub fn finish(mut self) -> Results {
        client::count_unfinished(&mut self.world);
        self.world.recorder.finish()
    }
}

#[inline(always)]
fn handle(world: &mut World<'_>, event: Event) {
    match event {
        Event::Arrival(client) => client::arrive(world, client),
        Event::Thought(client, user) => client::thought(world, client, user),
        Event::FaultDelayOver(call) => call::fault_delay_over(world, call),
        Event::AtWaypoint(call) => call::at_waypoint(world, call),
        Event::BackFromWaypoint(call) => go_on(call::back_from_waypoint(world, call), world),
        Event::LocalReply(call) => go_on(call::local_reply(world, call), world),
        Event::BackoffOver(call) => call::backoff_over(world, call),
        Event::RouteTimeout(call) => call::route_timeout(world, call),
        Event::AppTimeout(call) => go_on(call::app_timeout(world, call), world),
        Event::Connected(connection) => attempt::connected(world, connection),
        Event::ConnectFailed(connection) => call::connect_failed(world, connection),
        Event::Overflowed(attempt) => call::overflowed(world, attempt),
        Event::Delivered(attempt) => endpoint::accept(world, attempt),
        Event::WorkDone(attempt) => endpoint::work_done(world, attempt),
        Event::SharedWorkDone(pod, version) => endpoint::shared_work_done(world, pod, version),
        Event::Admitted(attempt) => endpoint::admitted(world, attempt),
        Event::SlotFree(pod) => endpoint::slot_free(world, pod),
        Event::Cancelled(attempt) => endpoint::cancelled(world, attempt),
        Event::Answered(attempt) => go_on(call::answered(world, attempt), world),
        Event::Reset(attempt) => call::reset(world, attempt),
        Event::PerTryTimeout(attempt) => call::per_try_timeout(world, attempt),
        Event::TcpConnected(session) => tell(session::connected(world, session), world),
        Event::TcpFailed(session) => tell(session::failed(world, session), world),
        Event::TcpRefused(session) => tell(session::refused(world, session), world),
        Event::TcpEnded(session) => tell(session::ended(world, session), world),
        Event::Pushed(proxy, state) => control::pushed(world, proxy, state),
        Event::LimitsPushed(gate, change) => gate::pushed(world, gate, change),
        Event::Readiness(proxy, pod) => news::arrive(world, proxy, pod),
        Event::HostsMerged(index) => upstream::merged(world, index),
        Event::OutlierSweep(index) => upstream::sweep(world, index),
        Event::Incident(workload, number) => control::incident(world, workload, number),
        Event::Endpoints(proxy, workload) => news::list(world, proxy, workload),
        Event::Scaled(workload, number) => life::scaled(world, workload, number),
        Event::PodTurn(pod, turn) => life::turned(world, pod, turn),
        Event::WarmupOver => control::warmup_over(world),
        Event::WindowOver => control::window_over(world),
    }
}

/// News of a call's end goes up to whoever made it.
#[inline(always)]
fn go_on(ended: Option<Ended>, world: &mut World<'_>) {
    let Some(Ended { parent, spec, outcome }) = ended else { return };
    match parent {
        Parent::Request(request) => client::finished(world, request, outcome),
        Parent::Attempt(attempt) => endpoint::call_ended(world, attempt, spec, outcome.is_success()),
        Parent::Nobody => {}
    }
}

/// News of a connection go up to the client that opened it.
fn tell(news: Option<News>, world: &mut World<'_>) {
    if let Some(news) = news {
        client::heard(world, news);
    }
}
