//! The event queue of a small run: with a handful of events pending, a short sorted list beats any calendar.

use super::heap::Item;

/// Events that the list takes at the most; a power of two.
pub const ROOM: usize = 16;

/// A few pending events, the latest first, so that the next one is taken off the end.
pub struct Few {
    items: [Item; ROOM],
    len: usize,
}

impl Default for Few {
    fn default() -> Few {
        Few { items: [Item { time: 0, order: 0, word: 0 }; ROOM], len: 0 }
    }
}

impl Few {
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.len == ROOM
    }

    /// The next event, if there is one.
    #[inline(always)]
    pub fn peek(&self) -> Option<&Item> {
        self.items[..self.len.min(ROOM)].last()
    }

    /// Puts an event into its place; there must be room.
    #[inline(always)]
    pub fn put(&mut self, item: Item) {
        assert!(self.len < ROOM, "there is room");
        let mut at = self.len;
        while at > 0 && self.items[at - 1].key() < item.key() {
            self.items[at] = self.items[at - 1];
            at -= 1;
        }
        self.items[at] = item;
        self.len += 1;
    }

    /// Drops the next event, and tells when the one behind it is due, or the end of time.
    #[inline(always)]
    pub fn advance(&mut self) -> u64 {
        self.len -= 1;
        self.peek().map_or(u64::MAX, |item| item.time)
    }

    /// Takes all out, in no order.
    pub fn drain(&mut self) -> [Item; ROOM] {
        self.len = 0;
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_comes_first() {
        let mut few = Few::default();
        for (time, order) in [(9, 1), (3, 5), (3, 4), (7, 2)] {
            few.put(Item { time, order, word: time * 10 + order });
        }
        let mut words = Vec::new();
        while let Some(item) = few.peek() {
            words.push(item.word);
            few.advance();
        }
        assert_eq!(words, [34, 35, 72, 91]);
    }
}
