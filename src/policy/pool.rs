//! Connection pools and circuit breakers. A pool belongs to one (worker, host) of a cluster, the limits to the whole
//! cluster at one proxy; that they differ is what S21.5 saw and textbooks miss.
//!
//! ```text
//! new stream ─▶ a ready connection? ─yes─▶ requests < max_requests ─▶ attached          else overflow (UO)
//!                    │ no
//!                    ▼
//!               pending < max_pending_requests ─▶ waits for this pool ─▶ connections are made as needed
//!                    │ no                                  while connections < max_connections, or it has none
//!                    ▼
//!               overflow (UO)
//! ```
//!
//! Nothing here knows time but as a number, or attempts but as numbers that wait. Source: semantics S7.1 to S7.10.

use crate::kernel::SimTime;
use crate::kernel::fifo::{Arena, Fifo};
use crate::kernel::slab::Slab;
use crate::mesh::policy_spec::{CircuitBreakers, ConnectionSpec};

const NIL: u32 = u32::MAX;

/// New connections that one call for them makes at the most. Source: semantics S7.4.
const CONNECTIONS_AT_ONCE: u32 = 3;

/// What one cluster's circuit breakers count at one proxy, shared by its workers, and their limits.
#[derive(Clone, Debug)]
pub struct Breakers {
    pub connections: u32,
    pub pending: u32,
    pub requests: u32,
    pub retries: u32,
    pub limits: CircuitBreakers,
}

impl Breakers {
    pub fn new(limits: &CircuitBreakers) -> Breakers {
        Breakers { connections: 0, pending: 0, requests: 0, retries: 0, limits: limits.clone() }
    }
}

/// What holds for every connection of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Streams at once on one connection.
    streams: u32,
    /// Streams in its whole life.
    requests: u32,
    /// Nanoseconds without a stream; `u64::MAX`: for ever.
    idle: u64,
    /// Nanoseconds of life; `u64::MAX`: for ever.
    duration: u64,
}

impl Rules {
    pub fn new(spec: &ConnectionSpec) -> Rules {
        Rules {
            streams: if spec.protocol.is_http2() { spec.max_concurrent_streams.max(1) } else { 1 },
            requests: spec.max_requests_per_connection.map_or(u32::MAX, std::num::NonZero::get),
            idle: spec.idle_timeout.map_or(u64::MAX, |timeout| timeout.nanos()),
            duration: spec.max_connection_duration.map_or(u64::MAX, |duration| duration.nanos()),
        }
    }

    /// Streams that a connection still being made will be able to take.
    fn promise(self) -> u32 {
        self.streams.min(self.requests)
    }

    /// No connection that is busy now, or not made yet, goes for being idle before this moment: its own idle time has
    /// to pass, unless its life ends first, which we do not know of each.
    pub fn next_expiry(self, now: SimTime) -> SimTime {
        let wait = if self.duration == u64::MAX { self.idle } else { 0 };
        SimTime::from_nanos(now.nanos().saturating_add(wait))
    }

    /// Connections carry one stream at a time, so that cutting one short costs the connection.
    pub fn is_http1(self) -> bool {
        self.streams == 1
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Connecting,
    /// In the ready list.
    Ready,
    /// Full of streams.
    Busy,
    /// Takes no further stream and closes with its last.
    Draining,
}

/// One upstream connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Nanoseconds: its life is over.
    dies: u64,
    /// Nanoseconds: it goes if it takes no stream before; while it has one, [`Connection::dies`].
    expires: u64,
    /// The pool that it belongs to.
    pub pool: u32,
    streams: u32,
    /// Streams so far, the failed ones included.
    assigned: u32,
    next_ready: u32,
    /// The pool's when it became ready; an older one is drained.
    epoch: u32,
    state: State,
}

impl Connection {
    pub fn streams(&self) -> u32 {
        self.streams
    }

    /// The other side closes it at `moment` if it takes no stream before.
    pub fn close_idle_at(&mut self, moment: SimTime) {
        if self.streams == 0 {
            self.expires = self.expires.min(moment.nanos());
        }
    }

    /// The other side takes no further stream on it. Source: semantics S15.4.
    pub fn close_after_answer(&mut self) {
        (self.dies, self.expires) = (0, 0);
    }

    /// It has no stream from now on.
    #[inline]
    fn idle(&mut self, rules: Rules, now: SimTime) {
        self.expires = now.nanos().saturating_add(rules.idle).min(self.dies);
    }
}

/// All connections of a run.
pub type Connections = Slab<Connection>;

/// The connections of one worker to one host, and the attempts that wait for one.
#[derive(Debug)]
pub struct Pool {
    /// Front of the ready list: the connection readied last.
    ready: u32,
    connecting: u32,
    /// All connections, connecting and draining ones too.
    open: u32,
    epoch: u32,
    pub waiting: Fifo,
}

impl Default for Pool {
    fn default() -> Self {
        Pool { ready: NIL, connecting: 0, open: 0, epoch: 0, waiting: Fifo::default() }
    }
}

/// What becomes of a new stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Attached to this connection.
    Ready(u32),
    /// May wait in the pool; the caller enqueues it and makes the connections that [`Pool::wanted`] grants.
    Pend,
    /// `http1MaxPendingRequests` is full (503 UO).
    PendingOverflow,
    /// `http2MaxRequests` is full (503 UO).
    RequestsOverflow,
}

/// What became of a connection whose stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It can take another stream.
    Usable,
    /// It takes none, and lives on for its other streams.
    Draining,
    Closed,
}

impl Pool {
    /// Steps 1 and 2 of S7.4 for one new stream.
    #[inline(always)]
    pub fn admit(
        &mut self,
        breakers: &mut Breakers,
        connections: &mut Connections,
        rules: Rules,
        now: SimTime,
    ) -> Admission {
        if self.ready != NIL && connections[self.ready].expires <= now.nanos() {
            self.expire(breakers, connections, now);
        }
        if self.ready != NIL {
            if breakers.requests >= breakers.limits.max_requests {
                return Admission::RequestsOverflow;
            }
            return Admission::Ready(self.attach(breakers, connections, rules));
        }
        if breakers.pending >= breakers.limits.max_pending_requests {
            return Admission::PendingOverflow;
        }
        Admission::Pend
    }

    /// Takes one stream onto the front of the ready list, which must not be empty.
    #[inline]
    fn attach(&mut self, breakers: &mut Breakers, connections: &mut Connections, rules: Rules) -> u32 {
        let front = self.ready;
        let connection = &mut connections[front];
        debug_assert_eq!(connection.state, State::Ready);
        connection.streams += 1;
        connection.expires = connection.dies;
        connection.assigned = connection.assigned.saturating_add(1);
        if connection.assigned >= rules.requests {
            connection.state = State::Draining;
            self.ready = connection.next_ready;
        } else if connection.streams >= rules.streams {
            connection.state = State::Busy;
            self.ready = connection.next_ready;
        }
        breakers.requests += 1;
        front
    }

    /// Joins the waiting line; returns the place to leave it by.
    pub fn pend(
        &mut self,
        breakers: &mut Breakers,
        arena: &mut Arena,
        attempt: u32,
    ) -> crate::kernel::fifo::Place {
        breakers.pending += 1;
        arena.push_back(&mut self.waiting, attempt)
    }

    /// Leaves the waiting line unserved.
    pub fn unpend(&mut self, breakers: &mut Breakers, arena: &mut Arena, place: crate::kernel::fifo::Place) {
        breakers.pending -= 1;
        arena.remove(&mut self.waiting, place);
    }

    /// The oldest waiting attempt and its connection, if one is ready; or the attempt and `None` if the limit of
    /// requests is full at this moment (it overflows). Source: semantics S7.4 step 5.
    pub fn serve(
        &mut self,
        breakers: &mut Breakers,
        connections: &mut Connections,
        arena: &mut Arena,
        rules: Rules,
    ) -> Option<(u32, Option<u32>)> {
        if self.ready == NIL || self.waiting.is_empty() {
            return None;
        }
        let attempt = arena.pop_front(&mut self.waiting)?;
        breakers.pending -= 1;
        if breakers.requests >= breakers.limits.max_requests {
            return Some((attempt, None));
        }
        Some((attempt, Some(self.attach(breakers, connections, rules))))
    }

    /// How many connections to make now for those that wait, and how often the limit was found full
    /// (`upstream_cx_overflow`): the first connection of a pool is made all the same, and counts.
    /// Source: semantics S7.4 step 4.
    pub fn wanted(&self, breakers: &Breakers, rules: Rules) -> (u32, u32) {
        let (mut connecting, mut open, mut connections) = (self.connecting, self.open, breakers.connections);
        let (mut granted, mut overflows) = (0, 0);
        while granted < CONNECTIONS_AT_ONCE
            && u64::from(self.waiting.len()) > u64::from(connecting) * u64::from(rules.promise())
        {
            if connections >= breakers.limits.max_connections {
                overflows += 1;
                if open > 0 {
                    break;
                }
            }
            granted += 1;
            connecting += 1;
            open += 1;
            connections += 1;
        }
        (granted, overflows)
    }

    /// Begins a connection.
    pub fn connect(&mut self, breakers: &mut Breakers, connections: &mut Connections, pool: u32) -> u32 {
        self.connecting += 1;
        self.open += 1;
        breakers.connections += 1;
        connections.insert(Connection { pool, next_ready: NIL, ..Connection::default() }).index
    }

    /// The handshakes are done.
    pub fn connected(&mut self, connections: &mut Connections, rules: Rules, index: u32, now: SimTime) {
        self.connecting -= 1;
        let connection = &mut connections[index];
        connection.epoch = self.epoch;
        connection.dies = now.nanos().saturating_add(rules.duration);
        connection.idle(rules, now);
        self.make_ready(connections, index);
    }

    /// The connection could not be made. All that wait in this pool fail with it (S7.8): the caller takes them.
    pub fn connect_failed(&mut self, breakers: &mut Breakers, connections: &mut Connections, index: u32) {
        self.connecting -= 1;
        self.close(breakers, connections, index);
    }

    /// A stream ended. `broken`: the connection takes no further one (HTTP/1.1 cut short, or closed by the other side).
    #[inline(always)]
    pub fn release(
        &mut self,
        breakers: &mut Breakers,
        connections: &mut Connections,
        rules: Rules,
        index: u32,
        broken: bool,
        now: SimTime,
    ) -> Released {
        breakers.requests -= 1;
        let connection = &mut connections[index];
        connection.streams -= 1;
        let worn_out = broken
            || connection.state == State::Draining
            || connection.epoch != self.epoch
            || connection.dies <= now.nanos();
        if worn_out {
            return self.retire(breakers, connections, index);
        }
        if connection.streams == 0 {
            connection.idle(rules, now);
        }
        if connection.state == State::Busy {
            self.make_ready(connections, index);
        }
        Released::Usable
    }

    /// No further streams on this connection; closed as soon as it has none.
    #[inline(never)]
    fn retire(&mut self, breakers: &mut Breakers, connections: &mut Connections, index: u32) -> Released {
        if connections[index].state == State::Ready {
            self.unlink(connections, index);
        }
        connections[index].state = State::Draining;
        if connections[index].streams > 0 {
            return Released::Draining;
        }
        self.close(breakers, connections, index);
        Released::Closed
    }

    #[inline]
    fn make_ready(&mut self, connections: &mut Connections, index: u32) {
        let connection = &mut connections[index];
        connection.state = State::Ready;
        connection.next_ready = self.ready;
        self.ready = index;
    }

    fn unlink(&mut self, connections: &mut Connections, index: u32) {
        let next = connections[index].next_ready;
        if self.ready == index {
            self.ready = next;
            return;
        }
        let mut at = self.ready;
        while connections[at].next_ready != index {
            at = connections[at].next_ready;
        }
        connections[at].next_ready = next;
    }

    fn close(&mut self, breakers: &mut Breakers, connections: &mut Connections, index: u32) {
        self.open -= 1;
        breakers.connections -= 1;
        connections.remove(index);
    }

    /// Idle connections close at once, busy ones after their streams: after an ejection or a removal. Those still
    /// being made are left alone. Source: semantics S7.10, S8.8, S21.16.
    pub fn drain(&mut self, breakers: &mut Breakers, connections: &mut Connections) {
        self.epoch = self.epoch.wrapping_add(1);
        let mut at = std::mem::replace(&mut self.ready, NIL);
        while at != NIL {
            let next = connections[at].next_ready;
            connections[at].state = State::Draining;
            if connections[at].streams == 0 {
                self.close(breakers, connections, at);
            }
            at = next;
        }
    }

    /// Closes the connections that have been idle, or alive, for too long; returns when the first of those that are
    /// left does. They go when somebody looks: nothing else can tell the difference. Source: semantics S7.7.
    #[inline(never)]
    pub fn expire(
        &mut self,
        breakers: &mut Breakers,
        connections: &mut Connections,
        now: SimTime,
    ) -> SimTime {
        let (mut at, mut first) = (self.ready, u64::MAX);
        while at != NIL {
            let Connection { next_ready: next, expires, .. } = connections[at];
            if expires <= now.nanos() {
                self.retire(breakers, connections, at);
            } else {
                first = first.min(expires);
            }
            at = next;
        }
        SimTime::from_nanos(first)
    }

    /// Connections, connecting and draining ones too.
    pub fn open(&self) -> u32 {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::kernel::SimDuration;
    use crate::mesh::policy_spec::Protocol;

    struct Bench {
        breakers: Breakers,
        rules: Rules,
        connections: Connections,
        arena: Arena,
        pool: Pool,
    }

    fn bench(limits: [u32; 3], protocol: Protocol, requests_per_connection: u32) -> Bench {
        let [max_connections, max_pending_requests, max_requests] = limits;
        let limits = CircuitBreakers {
            max_connections,
            max_pending_requests,
            max_requests,
            max_retries: u32::MAX,
            retry_budget: None,
        };
        let spec = ConnectionSpec {
            protocol,
            connect_timeout: SimDuration::from_secs(10),
            max_requests_per_connection: NonZeroU32::new(requests_per_connection),
            max_concurrent_streams: 2,
            idle_timeout: Some(SimDuration::from_secs(1)),
            max_connection_duration: None,
        };
        Bench {
            breakers: Breakers::new(&limits),
            rules: Rules::new(&spec),
            connections: Connections::default(),
            arena: Arena::default(),
            pool: Pool::default(),
        }
    }

    const START: SimTime = SimTime::ZERO;

    impl Bench {
        fn admit(&mut self) -> Admission {
            self.admit_at(START)
        }

        fn admit_at(&mut self, now: SimTime) -> Admission {
            self.pool.admit(&mut self.breakers, &mut self.connections, self.rules, now)
        }

        fn pend(&mut self, attempt: u32) -> u32 {
            self.pool.pend(&mut self.breakers, &mut self.arena, attempt);
            let (granted, _) = self.pool.wanted(&self.breakers, self.rules);
            for _ in 0..granted {
                self.pool.connect(&mut self.breakers, &mut self.connections, 0);
            }
            granted
        }

        fn connected(&mut self, index: u32) -> Option<(u32, Option<u32>)> {
            self.pool.connected(&mut self.connections, self.rules, index, START);
            self.serve()
        }

        fn serve(&mut self) -> Option<(u32, Option<u32>)> {
            self.pool.serve(&mut self.breakers, &mut self.connections, &mut self.arena, self.rules)
        }

        fn release(&mut self, index: u32, broken: bool) -> Released {
            self.pool.release(&mut self.breakers, &mut self.connections, self.rules, index, broken, START)
        }
    }

    #[test]
    fn the_first_request_to_a_cold_pool_is_pending_too() {
        let mut bench = bench([u32::MAX, 1, u32::MAX], Protocol::Http1, 0);
        assert_eq!(bench.admit(), Admission::Pend);
        assert_eq!(bench.pend(7), 1);
        assert_eq!(bench.admit(), Admission::PendingOverflow);
        assert_eq!(bench.connected(0), Some((7, Some(0))));
        assert_eq!(bench.admit(), Admission::Pend);
    }

    #[test]
    fn max_connections_makes_wait_and_never_rejects() {
        let mut bench = bench([1, u32::MAX, u32::MAX], Protocol::Http1, 0);
        assert_eq!(bench.pend(1), 1);
        assert_eq!(bench.pend(2), 0);
        assert_eq!(bench.pool.wanted(&bench.breakers, bench.rules), (0, 1));
        assert_eq!(bench.connected(0), Some((1, Some(0))));
        assert_eq!(bench.release(0, false), Released::Usable);
        assert_eq!(bench.serve(), Some((2, Some(0))));
    }

    #[test]
    fn every_pool_may_have_its_first_connection() {
        let mut bench = bench([1, u32::MAX, u32::MAX], Protocol::Http1, 0);
        bench.breakers.connections = 1;
        assert_eq!(bench.pend(1), 1);
        assert_eq!(bench.breakers.connections, 2);
    }

    #[test]
    fn the_first_connection_beyond_the_limit_counts_as_an_overflow() {
        let mut bench = bench([1, u32::MAX, u32::MAX], Protocol::Http1, 0);
        bench.breakers.connections = 1;
        bench.pool.pend(&mut bench.breakers, &mut bench.arena, 1);
        assert_eq!(bench.pool.wanted(&bench.breakers, bench.rules), (1, 1));
    }

    #[test]
    fn the_limit_of_requests_holds_for_http1_and_again_on_leaving_the_line() {
        let mut bench = bench([u32::MAX, u32::MAX, 1], Protocol::Http1, 0);
        assert_eq!((bench.pend(1), bench.pend(2)), (1, 1));
        assert_eq!(bench.connected(0), Some((1, Some(0))));
        bench.pool.connected(&mut bench.connections, bench.rules, 1, START);
        assert_eq!(bench.serve(), Some((2, None)));
        assert_eq!(bench.admit(), Admission::RequestsOverflow);
        assert_eq!(bench.breakers.pending, 0);
    }

    #[test]
    fn a_burst_over_http2_opens_one_connection_until_its_streams_are_full() {
        let mut bench = bench([u32::MAX, u32::MAX, u32::MAX], Protocol::Http2, 0);
        assert_eq!((bench.pend(1), bench.pend(2), bench.pend(3)), (1, 0, 1));
        assert_eq!(bench.connected(0), Some((1, Some(0))));
        assert_eq!(bench.serve(), Some((2, Some(0))));
        assert_eq!(bench.serve(), None);
        assert_eq!(bench.release(0, false), Released::Usable);
        assert_eq!(bench.serve(), Some((3, Some(0))));
    }

    #[test]
    fn one_request_per_connection_closes_it() {
        let mut bench = bench([u32::MAX, u32::MAX, u32::MAX], Protocol::Http1, 1);
        bench.pend(1);
        assert_eq!(bench.connected(0), Some((1, Some(0))));
        assert_eq!(bench.release(0, false), Released::Closed);
        assert_eq!((bench.breakers.connections, bench.breakers.requests), (0, 0));
    }

    #[test]
    fn the_connection_readied_last_is_used_first() {
        let mut bench = bench([u32::MAX, u32::MAX, u32::MAX], Protocol::Http1, 0);
        bench.pend(1);
        bench.pend(2);
        bench.connected(0);
        bench.connected(1);
        bench.release(0, false);
        bench.release(1, false);
        assert_eq!(bench.admit(), Admission::Ready(1));
        assert_eq!(bench.admit(), Admission::Ready(0));
    }

    #[test]
    fn draining_closes_the_idle_and_lets_the_busy_finish() {
        let mut bench = bench([u32::MAX, u32::MAX, u32::MAX], Protocol::Http1, 0);
        bench.pend(1);
        bench.pend(2);
        bench.connected(0);
        bench.connected(1);
        bench.release(0, false);
        bench.pool.drain(&mut bench.breakers, &mut bench.connections);
        assert_eq!(bench.pool.open(), 1);
        assert_eq!(bench.release(1, false), Released::Closed);
        assert_eq!(bench.admit(), Admission::Pend);
    }

    #[test]
    fn an_idle_connection_expires() {
        let mut bench = bench([u32::MAX, u32::MAX, u32::MAX], Protocol::Http1, 0);
        bench.pend(1);
        bench.connected(0);
        bench.release(0, false);
        assert_eq!(bench.admit_at(SimTime::from_nanos(999_999_999)), Admission::Ready(0));
        bench.release(0, false);
        assert_eq!(bench.admit_at(SimTime::from_nanos(1_000_000_000)), Admission::Pend);
        assert_eq!(bench.breakers.connections, 0);
    }

    #[test]
    fn who_looks_for_idle_connections_learns_when_to_look_again() {
        let mut bench = bench([u32::MAX, u32::MAX, u32::MAX], Protocol::Http1, 0);
        let second = |n: u64| SimTime::from_nanos(n * 1_000_000_000);
        bench.pend(1);
        bench.connected(0);
        let expire =
            |bench: &mut Bench, now| bench.pool.expire(&mut bench.breakers, &mut bench.connections, now);
        // Busy, so not in sight; it can be idle from now on.
        assert_eq!(expire(&mut bench, second(5)), SimTime::MAX);
        assert_eq!(bench.rules.next_expiry(second(5)), second(6));
        bench.release(0, false);
        assert_eq!(expire(&mut bench, SimTime::ZERO), second(1));
        assert_eq!(expire(&mut bench, second(1)), SimTime::MAX);
        assert_eq!(bench.breakers.connections, 0);
        let mortal = Rules { duration: 7, ..bench.rules };
        assert_eq!(mortal.next_expiry(second(5)), second(5));
    }
}
