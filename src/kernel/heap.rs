//! Events far ahead, or too many for one bucket of the queue: a 4-ary heap, least key first.

/// A pending event: its moment, its place among those of the moment, and what it is as one word.
#[derive(Clone, Copy)]
pub struct Item {
    pub time: u64,
    /// Rank in the top bits, serial below.
    pub order: u64,
    pub word: u64,
}

impl Item {
    #[inline(always)]
    pub fn key(&self) -> (u64, u64) {
        (self.time, self.order)
    }
}

/// The heap.
#[derive(Default)]
pub struct Heap {
    pub items: Vec<Item>,
}

impl Heap {
    /// The least key, or the greatest there is if the heap is empty.
    pub fn least(&self) -> (u64, u64) {
        self.items.first().map_or((u64::MAX, u64::MAX), Item::key)
    }

    pub fn push(&mut self, item: Item) {
        let key = item.key();
        let mut at = self.items.len();
        self.items.push(item);
        while at > 0 {
            let parent = (at - 1) / 4;
            if self.items[parent].key() <= key {
                break;
            }
            self.items[at] = self.items[parent];
            at = parent;
        }
        self.items[at] = item;
    }

    /// Takes the least; the heap must not be empty.
    pub fn pop(&mut self) -> Item {
        let least = self.items[0];
        let last = self.items.pop().expect("not empty");
        let count = self.items.len();
        if count == 0 {
            return least;
        }
        let key = last.key();
        let mut at = 0;
        loop {
            let first = 4 * at + 1;
            if first >= count {
                break;
            }
            let children = first..(first + 4).min(count);
            let child = children.min_by_key(|child| self.items[*child].key()).expect("not empty");
            if self.items[child].key() >= key {
                break;
            }
            self.items[at] = self.items[child];
            at = child;
        }
        self.items[at] = last;
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_comes_first() {
        let mut heap = Heap::default();
        for n in 0..1_000u64 {
            heap.push(Item { time: n * 7_919 % 101, order: n, word: n });
        }
        let drained: Vec<(u64, u64)> = (0..1_000).map(|_| heap.pop().key()).collect();
        assert!(drained.is_sorted());
        assert_eq!(heap.least(), (u64::MAX, u64::MAX));
    }
}
