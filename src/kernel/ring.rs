//! The near future of the event queue: a calendar of buckets of `2^shift` nanoseconds from now on, each a list sorted by
//! insertion. A bit for each bucket that holds something, and one for each word of these, lead to the next one.

use super::heap::Item;

const NIL: u32 = u32::MAX;
/// An event that would have to pass so many of its bucket is not taken, so that a crowd costs log n elsewhere, not n.
const CROWD: u32 = 24;
/// Buckets that a ring has at the most.
const MOST_BUCKETS: usize = 1 << 20;

/// A pending event.
#[derive(Clone, Copy)]
struct Node {
    item: Item,
    /// Next in the bucket, or next free.
    next: u32,
}

/// Pending events that are due soon.
pub struct Ring {
    shift: u32,
    mask: u64,
    heads: Vec<u32>,
    occupied: Vec<u64>,
    summary: Vec<u64>,
    nodes: Vec<Node>,
    free: u32,
    len: usize,
    /// How well the width fits: events asked for since the last look, those that they passed, those that were too far.
    pushes: u32,
    passed: u32,
    far: u32,
}

impl Ring {
    pub fn new(shift: u32, buckets: usize) -> Ring {
        Ring {
            shift,
            mask: buckets as u64 - 1,
            heads: vec![NIL; buckets],
            occupied: vec![0; buckets / 64],
            summary: vec![0; (buckets / 64).div_ceil(64)],
            nodes: Vec::new(),
            free: NIL,
            len: 0,
            pushes: 0,
            passed: 0,
            far: 0,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Events asked for since the width was last looked at.
    #[inline]
    pub fn pushes(&self) -> u32 {
        self.pushes
    }

    /// The bucket of the first event; the ring must not be empty.
    #[inline]
    pub fn first(&self, now: u64) -> usize {
        let start = ((now >> self.shift) & self.mask) as usize;
        let bits = self.occupied[start / 64] & (u64::MAX << (start % 64));
        if bits != 0 {
            start / 64 * 64 + bits.trailing_zeros() as usize
        } else {
            self.first_behind(start / 64)
        }
    }

    /// The same, behind the buckets of this word and round to them.
    #[inline]
    fn first_behind(&self, word: usize) -> usize {
        let mut at = word / 64;
        // Twice, as a shift by 64 would be none.
        let mut words = self.summary[at] & (u64::MAX << (word % 64) << 1);
        while words == 0 {
            at = if at + 1 == self.summary.len() { 0 } else { at + 1 };
            words = self.summary[at];
        }
        let word = at * 64 + words.trailing_zeros() as usize;
        word * 64 + self.occupied[word].trailing_zeros() as usize
    }

    /// The first event of a bucket that has one.
    #[inline]
    pub fn peek(&self, bucket: usize) -> &Item {
        &self.nodes[self.heads[bucket] as usize].item
    }

    /// Takes out the first event of a bucket that has one: its moment, its word, and a moment before which no other of
    /// the ring is due.
    #[inline(always)]
    pub fn take(&mut self, bucket: usize) -> (u64, u64, u64) {
        let slot = self.heads[bucket];
        let node = &mut self.nodes[slot as usize];
        let (time, word, next) = (node.item.time, node.item.word, node.next);
        node.next = self.free;
        self.free = slot;
        self.len -= 1;
        self.heads[bucket] = next;
        let following = match self.nodes.get(next as usize) {
            Some(node) => node.item.time,
            None => {
                self.vacate(bucket);
                ((time >> self.shift) + 1) << self.shift
            }
        };
        (time, word, following)
    }

    /// Puts an event, which is not before `now`, into its place; false if it is too far ahead or its bucket crowded.
    #[inline]
    pub fn put(&mut self, now: u64, time: u64, order: u64, word: u64) -> bool {
        self.pushes += 1;
        let bucket = time >> self.shift;
        if bucket - (now >> self.shift) > self.mask {
            self.far += 1;
            return false;
        }
        self.link((bucket & self.mask) as usize, time, order, word)
    }

    #[inline]
    fn link(&mut self, bucket: usize, time: u64, order: u64, word: u64) -> bool {
        let mut before = NIL;
        let mut next = self.heads[bucket];
        let mut passed = 0;
        while let Some(node) = self.nodes.get(next as usize)
            && (node.item.time < time || node.item.time == time && node.item.order < order)
        {
            before = next;
            next = node.next;
            passed += 1;
            if passed == CROWD {
                self.passed += passed;
                return false;
            }
        }
        self.passed += passed;
        let slot = self.free;
        let slot = match self.nodes.get_mut(slot as usize) {
            Some(node) => {
                self.free = node.next;
                (node.item.time, node.item.order, node.item.word, node.next) = (time, order, word, next);
                slot
            }
            None => {
                self.nodes.push(Node { item: Item { time, order, word }, next });
                (self.nodes.len() - 1) as u32
            }
        };
        match self.nodes.get_mut(before as usize) {
            Some(node) => node.next = slot,
            None => {
                self.heads[bucket] = slot;
                self.occupy(bucket);
            }
        }
        self.len += 1;
        true
    }

    #[inline]
    fn occupy(&mut self, bucket: usize) {
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.summary[bucket / 4096] |= 1 << (bucket / 64 % 64);
    }

    #[inline]
    fn vacate(&mut self, bucket: usize) {
        let word = &mut self.occupied[bucket / 64];
        *word &= !(1 << (bucket % 64));
        if *word == 0 {
            self.summary[bucket / 4096] &= !(1 << (bucket / 64 % 64));
        }
    }

    /// A ring that fits better what came since the last look, where `elsewhere` more are pending; `None` if this one
    /// does. It aims at one event a bucket and room for all that is pending. Widths move by powers of two and only when
    /// well off, so that a steady load is looked at once.
    pub fn better(&mut self, elsewhere: usize) -> Option<Ring> {
        let crowded = self.passed > self.pushes / 4;
        let sparse = self.passed < self.pushes / 16 && self.far > self.pushes / 8;
        let pending = self.len + elsewhere;
        let buckets = self.heads.len();
        let longer = pending > buckets && buckets < MOST_BUCKETS;
        let passed_each = (self.passed / self.pushes.max(1)).max(1);
        self.forget();
        if !(crowded || sparse || longer) {
            return None;
        }
        let mut shift = self.shift;
        if crowded {
            shift = shift.saturating_sub(1 + passed_each.ilog2());
        }
        if sparse {
            shift = (shift + 2).min(40);
        }
        let buckets = if longer { (pending * 4).next_power_of_two().min(MOST_BUCKETS) } else { buckets };
        Some(Ring::new(shift, buckets))
    }

    /// All that it holds, in no order.
    pub fn items(&self) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.len);
        for head in &self.heads {
            let mut slot = *head;
            while let Some(node) = self.nodes.get(slot as usize) {
                items.push(node.item);
                slot = node.next;
            }
        }
        items
    }

    /// What was put in so far tells nothing about the width.
    pub fn forget(&mut self) {
        (self.pushes, self.passed, self.far) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_sorted_and_the_next_one_found_round_the_end() {
        let mut ring = Ring::new(4, 128);
        // The present lies in the last bucket; the others are behind it, round the end.
        let now = 127 << 4;
        for (time, order) in [(now + 40, 1), (now + 5, 3), (now + 5, 2), (now + 1_000, 4)] {
            assert!(ring.put(now, time, order, time));
        }
        assert!(!ring.put(now, now + (128 << 4), 5, 0), "too far");
        let mut taken = Vec::new();
        let mut at = now;
        while !ring.is_empty() {
            let bucket = ring.first(at);
            let order = ring.peek(bucket).order;
            let (time, _, following) = ring.take(bucket);
            assert!(following > at || following == time);
            at = time;
            taken.push((time - now, order));
        }
        assert_eq!(taken, [(5, 2), (5, 3), (40, 1), (1_000, 4)]);
    }

    #[test]
    fn a_crowd_is_not_taken() {
        let mut ring = Ring::new(20, 64);
        let taken = (0..100).filter(|n| ring.put(0, 5, *n, 0)).count();
        assert_eq!((taken, ring.len(), ring.items().len()), (24, 24, 24));
        let better = ring.better(76).expect("it is crowded, and too short");
        assert!(better.shift < 20 && better.heads.len() >= 400);
    }
}
