//! Clients: requests are born, take their luck with them, and end.
//!
//! Open loops draw their births in sequence from a stream that depends on no configuration; closed loops think, ask,
//! wait for the answer and think again. Source: design D2, D9.6, D9.18.

use crate::kernel::arrivals::{Arrivals, Load};
use crate::kernel::random::{Purpose, draw, entity_root, entity_stream};
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::ClientId;
use crate::mesh::Outcome;
use crate::mesh::workload::Client;
use crate::metrics::recorder::RequestRow;
use crate::sim::call;
use crate::sim::event::Event;
use crate::sim::plan::{ClientPlan, Entry, NIL};
use crate::sim::session::{self, News};
use crate::sim::world::{Call, Parent, Request, World};

/// One client.
pub struct ClientState {
    root: u64,
    /// `None` for a closed loop.
    arrivals: Option<Arrivals>,
    /// Class of the birth that is scheduled, where the load tells it.
    next_class: Option<usize>,
    born: u64,
    /// Requests so far, by user of a closed loop.
    users: Vec<u64>,
    /// Upper ends of the classes' shares, in 2^64; one entry less than classes.
    class_ends: Vec<u64>,
    /// By class.
    rows: Vec<RequestRow>,
}

impl ClientState {
    pub fn new(
        client: &Client,
        plan: &ClientPlan,
        rows: Vec<RequestRow>,
        seed: u64,
        replication: u64,
    ) -> ClientState {
        let name = format!("client/{}", client.name);
        let users = match &client.load {
            Load::Closed { users, .. } => vec![0; users.get() as usize],
            _ => Vec::new(),
        };
        let total: f64 = client.classes.iter().map(|class| class.share).sum();
        let mut upto = 0.0;
        let ends = client.classes.iter().map(|class| {
            upto += class.share;
            (upto / total * 18_446_744_073_709_551_616.0) as u64
        });
        let mut class_ends: Vec<u64> = ends.collect();
        class_ends.pop();
        ClientState {
            root: entity_root(seed, replication, &name),
            arrivals: Arrivals::new(&client.load, plan.gap.clone(), entity_stream(seed, replication, &name)),
            next_class: None,
            born: 0,
            users,
            class_ends,
            rows,
        }
    }

    pub fn root(&self) -> u64 {
        self.root
    }

    fn class(&self, fate: u64) -> u32 {
        if self.class_ends.is_empty() {
            return 0;
        }
        let drawn = draw(fate, Purpose::Class, 0);
        self.class_ends.partition_point(|end| *end <= drawn) as u32
    }
}

/// Schedules the first births.
pub fn begin(world: &mut World<'_>) {
    for index in 0..world.clients.len() {
        let client = ClientId::from_index(index);
        if world.clients[index].arrivals.is_some() {
            schedule_birth(world, client);
        }
        for user in 0..world.clients[index].users.len() {
            think(world, client, user as u32, SimDuration::ZERO);
        }
    }
}

#[inline]
fn schedule_birth(world: &mut World<'_>, client: ClientId) {
    let state = &mut world.clients[client.index()];
    let arrivals = state.arrivals.as_mut().expect("an open loop");
    if let Some(birth) = arrivals.next_birth()
        && birth.at < world.clock.duration
    {
        state.next_class = birth.class;
        world.queue.push(birth.at, Event::Arrival(client));
    }
}

/// What a user waits who was answered in no time at all, so that one who neither thinks nor is kept waiting does not
/// ask for ever in one instant.
const BREATH: SimDuration = SimDuration::from_millis(1);

/// A user thinks before each request, the first one too, and then takes `pause` more. Source: design D2.
fn think(world: &mut World<'_>, client: ClientId, user: u32, pause: SimDuration) {
    let state = &world.clients[client.index()];
    let sampler = world.plan.clients[client.index()].think.expect("a closed loop thinks");
    let key = draw(state.root, Purpose::User, u64::from(user));
    let number = state.users[user as usize];
    let thinks = world.plan.sampler(sampler).sample(draw(key, Purpose::Think, number));
    let due = world.now + thinks + pause;
    if due < world.clock.duration {
        world.queue.push(due, Event::Thought(client, user));
    }
}

/// An open loop's request is born.
#[inline(always)]
pub fn arrive(world: &mut World<'_>, client: ClientId) {
    let state = &mut world.clients[client.index()];
    let number = state.born;
    state.born += 1;
    let class = state.next_class.take();
    let fate = draw(state.root, Purpose::Request, number);
    // The next birth first, so that a request's own events come behind it in an instant that they share.
    schedule_birth(world, client);
    ask(world, client, fate, class, NIL);
}

/// A closed loop's user asks.
pub fn thought(world: &mut World<'_>, client: ClientId, user: u32) {
    let state = &mut world.clients[client.index()];
    let number = state.users[user as usize];
    state.users[user as usize] += 1;
    let key = draw(state.root, Purpose::User, u64::from(user));
    let fate = draw(key, Purpose::Request, number);
    ask(world, client, fate, None, user);
}

/// Draws what a request is and sends it. Source: design D2.
#[inline]
fn ask(world: &mut World<'_>, client: ClientId, fate: u64, class: Option<usize>, user: u32) {
    let plan = world.plan;
    let spec = &plan.mesh.clients[client];
    let state = &world.clients[client.index()];
    let class = class.map_or_else(|| state.class(fate), |class| class as u32);
    let population_user = match (&plan.clients[client.index()].population, &spec.users) {
        (Some(zipf), Some(users)) if !users.without.hits(draw(fate, Purpose::PopulationUser, 1)) => {
            zipf.pick(draw(fate, Purpose::PopulationUser, 0))
        }
        _ => NIL,
    };
    let entry = Entry::of(
        spec,
        plan.entrances(client, world.now),
        plan.mesh.proxy.workers.get(),
        state.root,
        fate,
        user,
    );
    let counted = world.clock.counts(world.now);
    let request = world.requests.insert(Request {
        fate,
        born: world.now,
        client: client.index() as u32,
        class,
        user,
        population_user,
        counted,
    });
    let spec = &spec.classes[class as usize];
    if spec.connect.is_some() {
        return session::open(world, request.index, entry.proxy);
    }
    let target = &spec.target;
    let call = Call {
        key: draw(fate ^ target.name_hash, Purpose::Call, 0),
        spec: class,
        shape: world.shapes.of_class(plan, client.index() as u32, class, population_user),
        proxy: entry.proxy.index() as u32,
        worker: entry.worker,
        counted,
        ..Call::new(0, Parent::Request(request.index), world.now)
    };
    call::start(world, call, plan.clients[client.index()].timeouts[class as usize]);
}

/// A request has its answer.
#[inline]
pub fn finished(world: &mut World<'_>, index: u32, outcome: Outcome) {
    let request = &world.requests[index];
    let (client, user, born) = (request.client, request.user, request.born);
    count_answered(world, index, outcome);
    rest(world, client, user, born);
}

#[inline]
fn count_answered(world: &mut World<'_>, index: u32, outcome: Outcome) {
    let request = &world.requests[index];
    let row = world.clients[request.client as usize].rows[request.class as usize];
    let took = world.now.since(request.born);
    world.recorder.request_done(row, took, outcome, request.counted);
    if let Some(observer) = &mut world.observer {
        observer.answered(index, request, took, outcome);
    }
    world.requests.remove(index);
}

/// A closed loop's user has done with what was born at `born`.
#[inline]
fn rest(world: &mut World<'_>, client: u32, user: u32, born: SimTime) {
    if user != NIL {
        let pause = if born == world.now { BREATH } else { SimDuration::ZERO };
        think(world, ClientId::from_index(client as usize), user, pause);
    }
}

/// A connection counts as a request that is answered when it stands; its user waits until it ends.
pub fn heard(world: &mut World<'_>, news: News) {
    let News { client, user, born, told, is_over } = news;
    if let Some((request, outcome)) = told {
        count_answered(world, request, outcome);
    }
    if is_over {
        rest(world, client, user, born);
    }
}

/// Requests that count and have no answer when the run ends.
pub fn count_unfinished(world: &mut World<'_>) {
    let open: Vec<RequestRow> = world
        .requests
        .iter()
        .filter(|(_, request)| request.counted)
        .map(|(_, request)| world.clients[request.client as usize].rows[request.class as usize])
        .collect();
    for row in open {
        world.recorder.unfinished(row);
    }
}

/// True when no request is on its way.
pub fn all_answered(world: &World<'_>) -> bool {
    world.requests.is_empty()
}

/// Births are over from here on.
pub fn births_end(world: &World<'_>) -> SimTime {
    world.clock.duration
}
