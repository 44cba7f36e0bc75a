//! Timers of constant delays. Those of one delay come due in the order in which they were armed, so a lane is a list
//! and nothing is ever searched; linked both ways, so that a cancelled timer leaves at once. Most timers are cancelled.

const NIL: u32 = u32::MAX;

/// Timers of one constant delay and one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(u32);

/// An armed timer. It fires once or is disarmed once; its owner forgets it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer(u32);

impl Timer {
    /// No timer.
    pub const NONE: Timer = Timer(NIL);

    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == NIL
    }
}

struct LaneState {
    delay: u64,
    rank: u8,
    head: u32,
    tail: u32,
}

struct Armed {
    due: u64,
    order: u64,
    /// The event.
    word: u64,
    prev: u32,
    /// Next in the lane, or next free.
    next: u32,
    /// `NIL` while the row is free.
    lane: u32,
}

/// All lanes of a queue.
pub struct Lanes {
    lanes: Vec<LaneState>,
    timers: Vec<Armed>,
    free: u32,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { lanes: Vec::new(), timers: Vec::new(), free: NIL }
    }
}

impl Lanes {
    /// The lane of this delay for events of this rank; the same pair has the same lane.
    pub fn lane(&mut self, delay: u64, rank: u8) -> Lane {
        let found = self.lanes.iter().position(|lane| lane.delay == delay && lane.rank == rank);
        let index = found.unwrap_or_else(|| {
            self.lanes.push(LaneState { delay, rank, head: NIL, tail: NIL });
            self.lanes.len() - 1
        });
        Lane(index as u32)
    }

    /// Arms a timer; returns it, and when it is due if it is the first of its lane.
    #[inline]
    pub fn arm(&mut self, lane: Lane, now: u64, order: u64, word: u64) -> (Timer, Option<u64>) {
        let state = &mut self.lanes[lane.0 as usize];
        let due = now.saturating_add(state.delay);
        let tail = state.tail;
        let row = self.free;
        let row = match self.timers.get_mut(row as usize) {
            Some(free) => {
                self.free = free.next;
                // Field by field: a row that is copied whole right after is read before it is written.
                (free.due, free.order, free.word) = (due, order, word);
                (free.prev, free.next, free.lane) = (tail, NIL, lane.0);
                row
            }
            None => {
                self.timers.push(Armed { due, order, word, prev: tail, next: NIL, lane: lane.0 });
                (self.timers.len() - 1) as u32
            }
        };
        state.tail = row;
        match self.timers.get_mut(tail as usize) {
            Some(last) => {
                last.next = row;
                (Timer(row), None)
            }
            None => {
                state.head = row;
                (Timer(row), Some(due))
            }
        }
    }

    /// Takes a timer out. Panics if it has fired or was disarmed before.
    #[inline]
    pub fn disarm(&mut self, timer: Timer) {
        let row = &mut self.timers[timer.0 as usize];
        assert!(row.lane != NIL, "a timer is disarmed twice");
        let lane = &mut self.lanes[row.lane as usize];
        let (prev, next) = (row.prev, row.next);
        row.lane = NIL;
        row.next = self.free;
        self.free = timer.0;
        match self.timers.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => lane.head = next,
        }
        match self.timers.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => lane.tail = prev,
        }
    }

    /// The key of the earliest timer, or the greatest there is, and its lane.
    #[inline(never)]
    pub fn earliest(&self) -> ((u64, u64), usize) {
        let (mut best, mut lane) = ((u64::MAX, u64::MAX), 0);
        for (index, state) in self.lanes.iter().enumerate() {
            if let Some(front) = self.timers.get(state.head as usize) {
                let key = (front.due, front.order);
                if key < best {
                    (best, lane) = (key, index);
                }
            }
        }
        (best, lane)
    }

    /// Takes out the first timer of a lane that has one; returns its event.
    pub fn take(&mut self, lane: usize) -> u64 {
        let head = self.lanes[lane].head;
        let word = self.timers[head as usize].word;
        self.disarm(Timer(head));
        word
    }

    /// Timers armed.
    pub fn armed(&self) -> usize {
        self.timers.iter().filter(|timer| timer.lane != NIL).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_the_front_of_some_lane() {
        let mut lanes = Lanes::default();
        let (long, short) = (lanes.lane(100, 1), lanes.lane(10, 1));
        let (first, due) = lanes.arm(long, 0, 1, 11);
        assert_eq!(due, Some(100));
        lanes.arm(long, 5, 2, 12);
        lanes.arm(short, 7, 3, 13);
        assert_eq!(lanes.earliest(), ((17, 3), 1));
        assert_eq!(lanes.take(1), 13);
        lanes.disarm(first);
        assert_eq!(lanes.earliest(), ((105, 2), 0));
        assert_eq!(lanes.armed(), 1);
    }

    #[test]
    #[should_panic(expected = "disarmed twice")]
    fn a_timer_is_disarmed_once() {
        let mut lanes = Lanes::default();
        let lane = lanes.lane(100, 1);
        let (timer, _) = lanes.arm(lane, 0, 1, 0);
        lanes.disarm(timer);
        lanes.disarm(timer);
    }
}
