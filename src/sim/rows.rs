//! Requests, calls and attempts: the rows that come and go while a run goes on. They are kept small, as a run that is
//! busy holds very many.

use crate::kernel::fifo::{Handful, Place};
use crate::kernel::lanes::Timer;
use crate::kernel::slab::Slot;
use crate::kernel::{Id, SimDuration, SimTime};
use crate::mesh::{Flags, Outcome, PodId};
use crate::metrics::recorder::ClusterRow;
use crate::sim::plan::{ANY_WORKER, NIL};

/// What a client asked for, end to end.
#[derive(Default)]
pub struct Request {
    /// The key of all its luck. Source: design D2.
    pub fate: u64,
    pub born: SimTime,
    pub client: u32,
    pub class: u32,
    /// User of a closed loop, else [`NIL`].
    pub user: u32,
    /// Number in the client's population, or [`NIL`].
    pub population_user: u32,
    pub counted: bool,
}

/// Whom a call answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// A client's request.
    Request(u32),
    /// The attempt that a calling pod serves.
    Attempt(Slot),
    /// Nobody: a mirrored copy.
    Nobody,
}

/// One hop of a request: from the calling proxy's decision to its answer.
pub struct Call {
    pub key: u64,
    /// When it, or its present try by the application, reached the proxy.
    pub born: SimTime,
    pub parent: Parent,
    /// What its caller wrote: a row of the mesh's calls, or the request's class.
    pub spec: u32,
    pub shape: u32,
    pub proxy: u32,
    /// Row of the plan's routes, or [`NIL`] before it is matched.
    pub route: u32,
    /// Row of `upstreams`, or [`NIL`] where it has none.
    pub upstream: u32,
    /// Row of its present attempt, or [`NIL`].
    pub attempt: u32,
    pub route_timer: Timer,
    pub app_timer: Timer,
    /// Hosts tried so far, for the `previous_hosts` predicate.
    pub tried: Handful,
    /// Row of the cluster that it is meant for, or [`NIL`] before that is known.
    pub row: u32,
    pub outcome: Outcome,
    pub worker: u16,
    /// Attempts started, which is also the number of the next.
    pub attempts: u16,
    /// Tries of the application itself so far.
    pub tries: u8,
    pub hops: u8,
    /// Its request counts in the statistics.
    pub counted: bool,
    /// It holds one of the cluster's active retries.
    pub is_retrying: bool,
    /// A waypoint has it: its answer has a way to go before its caller has it.
    pub is_away: bool,
}

// With its life in the slab, 88 bytes.
const _: () = assert!(size_of::<Call>() <= 88);

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits in the pool for a connection.
    Pending,
    /// On its way to the pod.
    Sent,
    /// At the pod: waiting, or served.
    Serving,
    /// The answer is on its way back, or the news that the connection is gone.
    Returning,
    /// Nobody will ever answer.
    Lost,
}

/// One try of a call on one host. It lives until both the caller and the pod have done with it.
pub struct Attempt {
    pub key: u64,
    pub call: u32,
    pub pool: u32,
    pub pod: PodId,
    pub connection: u32,
    pub per_try_timer: Timer,
    /// Its place at the pool, or at the pod.
    pub place: Place,
    /// What it looks like, for its operation and the calls that it makes.
    pub shape: u32,
    /// Row of the plan's steps; [`NIL`]: it works at failing.
    pub step: u32,
    /// Calls of the present step that have not ended.
    pub open_calls: u32,
    /// How often the pod had stood still when its work step began.
    pub hangs: u32,
    /// The answer's status, or the one that it will be.
    pub status: u16,
    pub phase: Phase,
    pub hops: u8,
    pub counted: bool,
    /// The caller has given it up; the pod may still work at it.
    pub is_abandoned: bool,
    /// It holds one of the pod's slots.
    pub has_slot: bool,
}

// A cache line, with its life in the slab.
const _: () = assert!(size_of::<Attempt>() <= 60);

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its proxy has closed it, and the client is about to learn of that.
    Refused,
    /// Its upstream half is being made.
    Connecting,
    Open,
    /// The other side has closed it as soon as it stood, and the client is about to learn of that.
    Cut,
    /// The other side is gone without a word.
    Lost,
}

/// A client's connection of opaque bytes, with the connection that its proxy makes for it.
pub struct Session {
    /// Of its one attempt.
    pub key: u64,
    pub born: SimTime,
    pub client: u32,
    pub class: u32,
    /// Of a closed loop, else [`NIL`].
    pub user: u32,
    /// Row of its request, until the client knows what came of it.
    pub request: u32,
    /// Rows of the world's, or [`NIL`].
    pub upstream: u32,
    pub pool: u32,
    /// Row of the cluster that it is meant for, or [`NIL`].
    pub row: u32,
    /// The proxy closes it after this time.
    pub longest: Option<SimDuration>,
    pub outcome: Outcome,
    pub stage: Stage,
    pub counted: bool,
    /// It holds one of the pod's slots.
    pub has_slot: bool,
    /// It counts at the pod's own limits.
    pub has_gate: bool,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            key: 0,
            born: SimTime::ZERO,
            client: 0,
            class: 0,
            user: NIL,
            request: NIL,
            upstream: NIL,
            pool: NIL,
            row: NIL,
            longest: None,
            outcome: Outcome::OPENED,
            stage: Stage::Refused,
            counted: false,
            has_slot: false,
            has_gate: false,
        }
    }
}

impl Default for Call {
    fn default() -> Call {
        Call::new(0, Parent::Nobody, SimTime::ZERO)
    }
}

impl Default for Attempt {
    fn default() -> Attempt {
        Attempt {
            key: 0,
            call: NIL,
            pool: NIL,
            pod: PodId::from_index(0),
            connection: NIL,
            per_try_timer: Timer::NONE,
            place: Place::NONE,
            shape: NIL,
            step: NIL,
            open_calls: 0,
            hangs: 0,
            status: 0,
            phase: Phase::Pending,
            hops: 0,
            counted: false,
            is_abandoned: false,
            has_slot: false,
        }
    }
}

impl Call {
    #[inline(always)]
    pub fn new(key: u64, parent: Parent, now: SimTime) -> Call {
        Call {
            key,
            born: now,
            parent,
            spec: NIL,
            shape: NIL,
            proxy: NIL,
            route: NIL,
            upstream: NIL,
            attempt: NIL,
            route_timer: Timer::NONE,
            app_timer: Timer::NONE,
            tried: Handful::default(),
            row: NIL,
            outcome: Outcome { code: 0, flags: Flags::NONE },
            worker: ANY_WORKER,
            attempts: 0,
            tries: 0,
            hops: 0,
            counted: false,
            is_retrying: false,
            is_away: false,
        }
    }
}

impl Call {
    /// The cluster that it is meant for, if that is known by now.
    #[inline]
    pub fn row(&self) -> Option<ClusterRow> {
        (self.row != NIL).then(|| ClusterRow::from_index(self.row as usize))
    }

    #[inline]
    pub fn is_meant_for(&mut self, row: ClusterRow) {
        self.row = row.index() as u32;
    }
}
