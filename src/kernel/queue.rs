//! The event queue: a total order by `(time, rank, serial)` behind three calls, `push`, `arm`/`disarm` and
//! `next_before`.
//!
//! ```text
//!            delay 0          soon                  far, or a crowded instant      one constant delay
//!   push ──▶ alone, or FIFOs  ring of buckets       4-ary heap               arm ─▶ FIFO lane (linked both ways)
//!            (one per rank)   (sorted lists)           │                            │
//!                     │       └ both: a short list, ───┤                            │
//!                     │         while there are few    │                            │
//!                     └───────────────┴────────────────┴── next_before: the least ──┘
//! ```
//!
//! The ring's width follows the load (see `retune`); as the order is total, that never shows in what comes out. Inside, an event is one word that stays in a register: written in pieces and read whole, it would have to wait
//! for the memory.

use std::marker::PhantomData;

use super::few::Few;
use super::heap::{Heap, Item};
use super::instant::Instant;
pub use super::instant::RANKS;
use super::lanes::{Lane, Lanes, Timer};
use super::ring::Ring;
use super::time::{SimDuration, SimTime};

/// What the queue must know of an event.
pub trait Event: Copy {
    /// Events of one instant come in ascending rank, below [`RANKS`]; of one rank in the order of their making.
    fn rank(&self) -> u8;

    /// The event as one word, which is never `u64::MAX`.
    fn pack(self) -> u64;

    /// The event that was packed into `word`.
    fn unpack(word: u64) -> Self;
}

/// The word of no event.
const NOTHING: u64 = u64::MAX;
const RANK_SHIFT: u32 = 60;
/// Events put into the ring between two looks at its width.
const RETUNE_EVERY: u32 = 2048;
/// The ring and the heap hand back to the short list when no more are left; well below its room, so that a load near
/// that does not go to and fro.
const FEW: usize = 4;

/// Pending events of one run.
pub struct Queue<E> {
    now: u64,
    serial: u64,
    /// Nothing but what is immediate comes before; it may be earlier than what does come.
    later: u64,
    /// Nothing of the heap and no lane's front is due before; it may be earlier than the earliest of them.
    aside: u64,
    /// The event of this instant, while there is just one, or [`NOTHING`]: mostly it comes next, and passes by. It takes
    /// its place in the order only when others join it: all that were made before it are due later, or have theirs.
    alone: u64,
    instant: Instant,
    /// All that is in the future and no timer, while that is little; then ring and heap are empty, else this is.
    few: Few,
    are_few: bool,
    ring: Ring,
    far: Heap,
    lanes: Lanes,
    event: PhantomData<fn(E) -> E>,
}

impl<E: Event> Default for Queue<E> {
    fn default() -> Self {
        Queue::new()
    }
}

impl<E: Event> Queue<E> {
    pub fn new() -> Queue<E> {
        Queue {
            now: 0,
            serial: 0,
            later: 0,
            aside: u64::MAX,
            alone: NOTHING,
            instant: Instant::default(),
            few: Few::default(),
            are_few: true,
            ring: Ring::new(16, 1024),
            far: Heap::default(),
            lanes: Lanes::default(),
            event: PhantomData,
        }
    }

    /// The moment of the last event handed out.
    #[inline]
    pub fn now(&self) -> SimTime {
        SimTime::from_nanos(self.now)
    }

    /// Events pending, armed timers included.
    pub fn len(&self) -> usize {
        let future = self.few.len() + self.ring.len() + self.far.items.len();
        usize::from(self.alone != NOTHING) + self.instant.len() + future + self.armed()
    }

    /// Armed timers.
    pub fn armed(&self) -> usize {
        self.lanes.armed()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Schedules `event` for `time`, which must not lie in the past.
    #[inline(always)]
    pub fn push(&mut self, time: SimTime, event: E) {
        let time = time.nanos();
        let word = event.pack();
        if time > self.now {
            let order = self.next_order(event.rank());
            return self.place(time, order, word);
        }
        assert!(time == self.now, "an event is scheduled for the past");
        if self.alone == NOTHING && self.instant.is_empty() {
            self.alone = word;
        } else {
            self.line_up(word);
        }
    }

    /// Several events of this instant wait by rank.
    #[inline(never)]
    fn line_up(&mut self, word: u64) {
        self.line_alone_up();
        let rank = E::unpack(word).rank();
        let order = self.next_order(rank);
        self.instant.push(rank, order, word);
    }

    #[inline]
    fn line_alone_up(&mut self) {
        let word = std::mem::replace(&mut self.alone, NOTHING);
        if word != NOTHING {
            self.line_up(word);
        }
    }

    /// The lane of this constant delay for events of this rank; the same pair has the same lane.
    pub fn lane(&mut self, delay: SimDuration, rank: u8) -> Lane {
        self.lanes.lane(delay.nanos(), rank)
    }

    /// Schedules `event`, which is of the lane's rank, for the lane's delay from now.
    #[inline]
    pub fn arm(&mut self, lane: Lane, event: E) -> Timer {
        // A timer of no delay comes behind it.
        self.line_alone_up();
        let order = self.next_order(event.rank());
        let (timer, first_due) = self.lanes.arm(lane, self.now, order, event.pack());
        if let Some(due) = first_due {
            self.aside = self.aside.min(due);
            self.later = self.later.min(due);
        }
        timer
    }

    /// Cancels an armed timer. Panics if it has fired or was disarmed before.
    #[inline]
    pub fn disarm(&mut self, timer: Timer) {
        self.lanes.disarm(timer);
    }

    /// Hands out the next event before `end`, or `None` if there is none.
    #[inline(always)]
    pub fn next_before(&mut self, end: SimTime) -> Option<(SimTime, E)> {
        let word = if self.alone != NOTHING && self.later > self.now && self.now < end.nanos() {
            std::mem::replace(&mut self.alone, NOTHING)
        } else {
            self.next_of_near(end.nanos())
        };
        (word != NOTHING).then(|| (SimTime::from_nanos(self.now), E::unpack(word)))
    }

    /// The word of the next event, which is mostly on the short list or in the ring, or [`NOTHING`] before `end`.
    #[inline(never)]
    fn next_of_near(&mut self, end: u64) -> u64 {
        if self.alone != NOTHING || !self.instant.is_empty() {
            return self.next_of_all(end);
        }
        if self.are_few {
            if let Some(item) = self.few.peek()
                && item.time < self.aside
            {
                return if item.time < end { self.take_few() } else { NOTHING };
            }
        } else if self.ring.len() > FEW || self.far.items.len() > FEW && !self.ring.is_empty() {
            let bucket = self.ring.first(self.now);
            let time = self.ring.peek(bucket).time;
            if time < self.aside {
                return if time < end { self.take_first(bucket) } else { NOTHING };
            }
        }
        self.next_of_all(end)
    }

    /// The same, with a look at everything that is pending.
    #[inline(never)]
    fn next_of_all(&mut self, end: u64) -> u64 {
        self.line_alone_up();
        let mut best = (u64::MAX, u64::MAX);
        let mut from = From::Few;
        if !self.are_few && self.ring.len() + self.far.items.len() <= FEW {
            self.gather();
        }
        if let Some(item) = self.few.peek() {
            best = item.key();
        } else if !self.ring.is_empty() {
            let bucket = self.ring.first(self.now);
            best = self.ring.peek(bucket).key();
            from = From::Ring(bucket);
        }
        if self.aside <= best.0 {
            let (key, lane) = self.lanes.earliest();
            if key < best {
                best = key;
                from = From::Lane(lane);
            }
            let far = self.far.least();
            if far < best {
                best = far;
                from = From::Far;
            }
            self.aside = key.0.min(far.0);
        }
        self.later = best.0;
        if let Some((rank, order)) = self.instant.first()
            && (self.now, order) < best
        {
            best = (self.now, order);
            from = From::Instant(rank);
        }
        let time = best.0;
        if time >= end {
            return NOTHING;
        }
        let word = match from {
            From::Few => self.take_few(),
            From::Ring(bucket) => self.take_first(bucket),
            From::Far => self.far.pop().word,
            From::Lane(lane) => self.lanes.take(lane),
            From::Instant(rank) => self.instant.take(rank),
        };
        assert!(time >= self.now, "time runs backward");
        self.now = time;
        word
    }

    /// Takes the first event off the short list; the present moves on to it.
    #[inline(always)]
    fn take_few(&mut self) -> u64 {
        let Some(&Item { time, word, .. }) = self.few.peek() else { return NOTHING };
        assert!(time >= self.now, "time runs backward");
        self.now = time;
        self.later = self.few.advance().min(self.aside);
        word
    }

    /// Takes out the first event of the first bucket; the present moves on to it.
    #[inline(always)]
    fn take_first(&mut self, bucket: usize) -> u64 {
        let (time, word, following) = self.ring.take(bucket);
        assert!(time >= self.now, "time runs backward");
        self.now = time;
        self.later = following.min(self.aside);
        word
    }

    #[inline(always)]
    fn next_order(&mut self, rank: u8) -> u64 {
        debug_assert!((rank as usize) < RANKS);
        self.serial += 1;
        u64::from(rank) << RANK_SHIFT | self.serial
    }

    /// Puts an event where its time belongs: the short list, the ring or the heap.
    #[inline(never)]
    fn place(&mut self, time: u64, order: u64, word: u64) {
        if self.are_few && !self.few.is_full() {
            self.later = self.later.min(time);
            return self.few.put(Item { time, order, word });
        }
        self.place_among_many(time, order, word);
    }

    fn place_among_many(&mut self, time: u64, order: u64, word: u64) {
        if self.are_few {
            self.spread();
        }
        if self.ring.pushes() >= RETUNE_EVERY {
            self.retune();
        }
        self.put(time, order, word);
    }

    #[inline]
    fn put(&mut self, time: u64, order: u64, word: u64) {
        self.later = self.later.min(time);
        if !self.ring.put(self.now, time, order, word) {
            self.put_aside(time, order, word);
        }
    }

    /// The short list is full: from now on there are many.
    #[cold]
    fn spread(&mut self) {
        self.are_few = false;
        for item in self.few.drain() {
            self.put(item.time, item.order, item.word);
        }
    }

    /// Only few are left: back to the short list.
    #[cold]
    fn gather(&mut self) {
        while !self.ring.is_empty() {
            let bucket = self.ring.first(self.now);
            let item = *self.ring.peek(bucket);
            self.ring.take(bucket);
            self.few.put(item);
        }
        std::mem::take(&mut self.far.items).into_iter().for_each(|item| self.few.put(item));
        self.are_few = true;
    }

    fn put_aside(&mut self, time: u64, order: u64, word: u64) {
        self.aside = self.aside.min(time);
        self.far.push(Item { time, order, word });
    }

    /// Fits the ring to the load, and puts everything into its place again.
    #[inline(never)]
    fn retune(&mut self) {
        let Some(ring) = self.ring.better(self.far.items.len()) else { return };
        let near = std::mem::replace(&mut self.ring, ring).items();
        for item in std::mem::take(&mut self.far.items).into_iter().chain(near) {
            self.put(item.time, item.order, item.word);
        }
        self.ring.forget();
    }
}

enum From {
    Few,
    Ring(usize),
    Far,
    Lane(usize),
    Instant(usize),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernel::random::{Purpose, draw};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Numbered {
        rank: u8,
        number: u32,
    }

    impl Event for Numbered {
        fn rank(&self) -> u8 {
            self.rank
        }

        fn pack(self) -> u64 {
            u64::from(self.rank) << 32 | u64::from(self.number)
        }

        fn unpack(word: u64) -> Numbered {
            Numbered { rank: (word >> 32) as u8, number: word as u32 }
        }
    }

    fn at(nanos: u64) -> SimTime {
        SimTime::from_nanos(nanos)
    }

    fn drain(queue: &mut Queue<Numbered>) -> Vec<(u64, u32)> {
        std::iter::from_fn(|| queue.next_before(SimTime::MAX))
            .map(|(time, event)| (time.nanos(), event.number))
            .collect()
    }

    #[test]
    fn one_instant_goes_by_rank_then_by_serial() {
        let mut queue = Queue::new();
        for (number, rank) in [(0, 2), (1, 0), (2, 2), (3, 1), (4, 0)] {
            queue.push(at(5), Numbered { rank, number });
        }
        assert_eq!(drain(&mut queue), [(5, 1), (5, 4), (5, 3), (5, 0), (5, 2)]);
    }

    #[test]
    fn immediate_events_keep_their_place_among_those_of_the_instant() {
        let mut queue = Queue::new();
        queue.push(at(5), Numbered { rank: 1, number: 0 });
        queue.push(at(5), Numbered { rank: 1, number: 1 });
        queue.push(at(5), Numbered { rank: 3, number: 2 });
        assert_eq!(queue.next_before(SimTime::MAX).map(|(_, e)| e.number), Some(0));
        queue.push(at(5), Numbered { rank: 2, number: 3 });
        queue.push(at(5), Numbered { rank: 0, number: 4 });
        assert_eq!(drain(&mut queue), [(5, 4), (5, 1), (5, 3), (5, 2)]);
    }

    #[test]
    fn nothing_comes_at_or_after_the_end() {
        let mut queue = Queue::new();
        queue.push(at(10), Numbered { rank: 0, number: 0 });
        let lane = queue.lane(SimDuration::from_nanos(12), 0);
        queue.arm(lane, Numbered { rank: 0, number: 1 });
        assert!(queue.next_before(at(10)).is_none());
        assert!(queue.next_before(at(11)).is_some());
        assert!(queue.next_before(at(12)).is_none());
        assert!(queue.next_before(at(13)).is_some());
        assert!(queue.is_empty());
    }

    #[test]
    fn a_disarmed_timer_does_not_fire_and_its_neighbours_do() {
        let mut queue = Queue::new();
        let lane = queue.lane(SimDuration::from_nanos(100), 1);
        assert_eq!(lane, queue.lane(SimDuration::from_nanos(100), 1));
        let timers: Vec<Timer> = (0..5).map(|number| queue.arm(lane, Numbered { rank: 1, number })).collect();
        for number in [0, 2, 4] {
            queue.disarm(timers[number]);
        }
        assert_eq!(drain(&mut queue), [(100, 1), (100, 3)]);
    }

    /// Random pushes, arms and disarms against a plain sorted list, over spreads from crowds to deserts. What is pending
    /// grows, is drained to the last, and grows again.
    #[test]
    fn the_order_is_that_of_a_sorted_list() {
        for (round, spread) in [3, 50_000, 80_000_000, 60_000_000_000].into_iter().enumerate() {
            let mut random = (0..).map(|n| draw(round as u64, Purpose::Work, n));
            let mut next = move || random.next().expect("endless");
            let mut queue = Queue::new();
            let lanes = [7, spread / 2 + 1].map(|nanos| queue.lane(SimDuration::from_nanos(nanos), 1));
            let mut model = BTreeSet::new();
            let mut armed = Vec::new();
            let mut serial = 0;
            for number in 0..60_000u32 {
                let event = Numbered { rank: (next() % 4) as u8, number };
                serial += 1;
                match next() % 8 {
                    0 => {
                        let which = (next() % 2) as usize;
                        let delay = [7, spread / 2 + 1][which];
                        let event = Numbered { rank: 1, number };
                        let entry = (queue.now().nanos() + delay, event.rank, serial, number);
                        armed.push((queue.arm(lanes[which], event), entry));
                        model.insert(entry);
                    }
                    _ => {
                        let time = queue.now().nanos() + next() % spread;
                        queue.push(at(time), event);
                        model.insert((time, event.rank, serial, number));
                    }
                }
                if number % 5 == 0 && !armed.is_empty() {
                    let (timer, gone) = armed.swap_remove((next() % armed.len() as u64) as usize);
                    queue.disarm(timer);
                    assert!(model.remove(&gone));
                }
                let taken = if number / 300 % 8 == 7 { 3 } else { u32::from(number % 4 != 0) };
                for _ in 0..taken {
                    let Some(least) = model.pop_first() else { break };
                    let (time, event) = queue.next_before(SimTime::MAX).expect("as many as in the model");
                    armed.retain(|(_, entry)| *entry != least);
                    assert_eq!((time.nanos(), event.number), (least.0, least.3));
                }
            }
            assert_eq!(queue.len(), model.len());
        }
    }
}
