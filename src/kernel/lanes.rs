//! Timers of constant delays. Those of one delay come due in the order in which they were armed, so a lane is a list
//! and nothing is ever searched; linked both ways, so that a cancelled timer leaves at once. Most timers are cancelled.

const NIL: u32 = u32::MAX;

/// Timers of one constant delay and one rank: the row of its head.
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

/// A timer, or the head of a lane: behind it comes the lane's first timer, before it lies its last, so that no timer
/// is without neighbours. A head is due never and has the lane's delay for an event.
struct Row {
    due: u64,
    order: u64,
    /// The event.
    word: u64,
    /// `NIL` while the row is free.
    prev: u32,
    /// Next in the lane, or next free.
    next: u32,
}

/// All lanes of a queue.
pub struct Lanes {
    rows: Vec<Row>,
    /// Head and rank of each.
    lanes: Vec<(u32, u8)>,
    free: u32,
    armed: usize,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { rows: Vec::new(), lanes: Vec::new(), free: NIL, armed: 0 }
    }
}

impl Lanes {
    /// The lane of this delay for events of this rank; the same pair has the same lane.
    pub fn lane(&mut self, delay: u64, rank: u8) -> Lane {
        let is_it = |&&(head, of): &&(u32, u8)| of == rank && self.rows[head as usize].word == delay;
        if let Some((head, _)) = self.lanes.iter().find(is_it) {
            return Lane(*head);
        }
        let head = self.rows.len() as u32;
        self.rows.push(Row { due: u64::MAX, order: u64::MAX, word: delay, prev: head, next: head });
        self.lanes.push((head, rank));
        Lane(head)
    }

    /// Arms a timer; returns it, and when it is due if it is the first of its lane.
    #[inline]
    pub fn arm(&mut self, lane: Lane, now: u64, order: u64, word: u64) -> (Timer, Option<u64>) {
        let head = &self.rows[lane.0 as usize];
        let (due, last) = (now.saturating_add(head.word), head.prev);
        let row = self.free;
        let row = match self.rows.get_mut(row as usize) {
            Some(free) => {
                self.free = free.next;
                // Field by field: a row that is copied whole right after is read before it is written.
                (free.due, free.order, free.word) = (due, order, word);
                (free.prev, free.next) = (last, lane.0);
                row
            }
            None => {
                self.rows.push(Row { due, order, word, prev: last, next: lane.0 });
                (self.rows.len() - 1) as u32
            }
        };
        self.rows[last as usize].next = row;
        self.rows[lane.0 as usize].prev = row;
        self.armed += 1;
        (Timer(row), (last == lane.0).then_some(due))
    }

    /// Takes a timer out. Panics if it has fired or was disarmed before.
    #[inline]
    pub fn disarm(&mut self, timer: Timer) {
        let row = &mut self.rows[timer.0 as usize];
        assert!(row.prev != NIL, "a timer is disarmed twice");
        let (prev, next) = (row.prev, row.next);
        (row.prev, row.next) = (NIL, self.free);
        self.free = timer.0;
        self.rows[prev as usize].next = next;
        self.rows[next as usize].prev = prev;
        self.armed -= 1;
    }

    /// The key of the earliest timer, or the greatest there is, and the number of its lane.
    #[inline(never)]
    pub fn earliest(&self) -> ((u64, u64), usize) {
        let (mut best, mut lane) = ((u64::MAX, u64::MAX), 0);
        for (index, (head, _)) in self.lanes.iter().enumerate() {
            let front = &self.rows[self.rows[*head as usize].next as usize];
            let key = (front.due, front.order);
            if key < best {
                (best, lane) = (key, index);
            }
        }
        (best, lane)
    }

    /// Takes out the first timer of a lane, by its number, that has one; returns its event.
    pub fn take(&mut self, lane: usize) -> u64 {
        let first = self.rows[self.lanes[lane].0 as usize].next;
        let word = self.rows[first as usize].word;
        self.disarm(Timer(first));
        word
    }

    /// Timers armed.
    pub fn armed(&self) -> usize {
        self.armed
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
