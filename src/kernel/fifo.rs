//! Many lists in one arena: first-in-first-out with removal from the middle, for who waits at a pool or a pod and may
//! give up; and heaps of a few numbers that somebody carries along in four bytes.

const NIL: u32 = u32::MAX;

/// A list in an [`Arena`].
#[derive(Clone, Copy, Debug)]
pub struct Fifo {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for Fifo {
    fn default() -> Self {
        Fifo { head: NIL, tail: NIL, len: 0 }
    }
}

impl Fifo {
    #[inline]
    pub fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// A few numbers in no order, in an [`Arena`].
#[derive(Clone, Copy, Debug)]
pub struct Handful(u32);

impl Default for Handful {
    fn default() -> Self {
        Handful(NIL)
    }
}

impl Handful {
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == NIL
    }
}

/// A place in a list; its owner forgets it once it is popped or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    pub const NONE: Place = Place(NIL);

    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == NIL
    }
}

struct Node {
    item: u32,
    prev: u32,
    next: u32,
}

/// The nodes of many lists.
#[derive(Default)]
pub struct Arena {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

impl Arena {
    #[inline]
    fn insert(&mut self, node: Node) -> u32 {
        match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    #[inline]
    pub fn push_back(&mut self, list: &mut Fifo, item: u32) -> Place {
        let index = self.insert(Node { item, prev: list.tail, next: NIL });
        if list.tail == NIL {
            list.head = index;
        } else {
            self.nodes[list.tail as usize].next = index;
        }
        list.tail = index;
        list.len += 1;
        Place(index)
    }

    #[inline]
    pub fn pop_front(&mut self, list: &mut Fifo) -> Option<u32> {
        if list.head == NIL {
            return None;
        }
        let place = Place(list.head);
        let item = self.nodes[list.head as usize].item;
        self.remove(list, place);
        Some(item)
    }

    /// Takes the item at `place` out of `list`, which must be the list that it is in.
    #[inline]
    pub fn remove(&mut self, list: &mut Fifo, place: Place) {
        let Node { prev, next, .. } = self.nodes[place.0 as usize];
        if prev == NIL {
            list.head = next;
        } else {
            self.nodes[prev as usize].next = next;
        }
        if next == NIL {
            list.tail = prev;
        } else {
            self.nodes[next as usize].prev = prev;
        }
        list.len -= 1;
        self.free.push(place.0);
    }

    /// The items of `list`, the oldest first.
    pub fn iter(&self, list: &Fifo) -> impl Iterator<Item = u32> + '_ {
        self.from(list.head)
    }

    fn from(&self, mut at: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            Some(node.item)
        })
    }

    /// Empties `list`.
    pub fn clear(&mut self, list: &mut Fifo) {
        while self.pop_front(list).is_some() {}
    }

    pub fn put(&mut self, handful: &mut Handful, item: u32) {
        handful.0 = self.insert(Node { item, prev: NIL, next: handful.0 });
    }

    /// The latest first.
    pub fn held(&self, handful: Handful) -> impl Iterator<Item = u32> + '_ {
        self.from(handful.0)
    }

    pub fn holds(&self, handful: Handful, item: u32) -> bool {
        self.held(handful).any(|held| held == item)
    }

    /// Empties `handful`.
    pub fn drop(&mut self, handful: &mut Handful) {
        while let Some(node) = self.nodes.get(handful.0 as usize) {
            self.free.push(handful.0);
            handful.0 = node.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_order_through_removals() {
        let (mut arena, mut list, mut other) = (Arena::default(), Fifo::default(), Fifo::default());
        let places: Vec<Place> = (0..5).map(|item| arena.push_back(&mut list, item)).collect();
        arena.push_back(&mut other, 9);
        for place in [places[0], places[2], places[4]] {
            arena.remove(&mut list, place);
        }
        arena.push_back(&mut list, 7);
        assert_eq!(arena.iter(&list).collect::<Vec<_>>(), [1, 3, 7]);
        assert_eq!(arena.pop_front(&mut list), Some(1));
        assert_eq!((list.len(), other.len()), (2, 1));
        arena.clear(&mut list);
        assert!(list.is_empty());
        assert_eq!(arena.pop_front(&mut other), Some(9));
    }

    #[test]
    fn a_handful_holds_what_was_put_in_until_it_is_dropped() {
        let (mut arena, mut tried, mut other) = (Arena::default(), Handful::default(), Handful::default());
        assert!(tried.is_empty());
        arena.put(&mut tried, 3);
        arena.put(&mut other, 5);
        arena.put(&mut tried, 4);
        assert!(arena.holds(tried, 3) && arena.holds(tried, 4) && !arena.holds(tried, 5));
        arena.drop(&mut tried);
        assert!(tried.is_empty() && !arena.holds(tried, 3) && arena.holds(other, 5));
        assert_eq!((arena.free.len(), arena.nodes.len()), (2, 3));
    }
}
