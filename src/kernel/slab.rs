//! Rows that die and are reused. A [`Slot`] names one life of a row, so a stale one finds nothing.

/// One life of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub index: u32,
    life: u32,
}

impl Slot {
    /// Names no row.
    pub const NONE: Slot = Slot { index: u32::MAX, life: 0 };

    #[inline]
    pub fn is_none(self) -> bool {
        self.index == u32::MAX
    }

    /// Row, below [`MOST_ROWS`], and life.
    #[inline(always)]
    pub fn parts(self) -> (u32, u32) {
        (self.index, self.life)
    }

    #[inline(always)]
    pub fn from_parts(index: u32, life: u32) -> Slot {
        Slot { index, life }
    }
}

/// Rows that one slab has at the most, so that a row's number leaves room for others in a word.
pub const MOST_ROWS: usize = 1 << 26;

struct Row<T> {
    value: T,
    /// Odd while alive.
    life: u32,
}

/// A table whose rows come and go. Freed rows are reused, the latest first.
pub struct Slab<T> {
    rows: Vec<Row<T>>,
    /// Dead rows, the latest last.
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { rows: Vec::new(), free: Vec::new() }
    }
}

impl<T: Default> Slab<T> {
    #[inline(always)]
    pub fn insert(&mut self, value: T) -> Slot {
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.grow(),
        };
        let row = &mut self.rows[index as usize];
        row.life = row.life.wrapping_add(1);
        row.value = value;
        Slot { index, life: row.life }
    }

    /// A dead row, so that values are written straight into their rows.
    #[cold]
    fn grow(&mut self) -> u32 {
        assert!(self.rows.len() < MOST_ROWS, "67 million rows at once are more than a run holds");
        self.rows.push(Row { life: 0, value: T::default() });
        (self.rows.len() - 1) as u32
    }
}

impl<T> Slab<T> {
    /// Ends the row's life. Panics if it is not alive.
    #[inline]
    pub fn remove(&mut self, index: u32) {
        let row = &mut self.rows[index as usize];
        assert!(row.life & 1 == 1, "a row dies once");
        row.life = row.life.wrapping_add(1);
        self.free.push(index);
    }

    /// The row of this life, or `None` if it is over.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.rows.get(slot.index as usize).filter(|row| row.life == slot.life).map(|row| &row.value)
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.rows.get_mut(slot.index as usize).filter(|row| row.life == slot.life).map(|row| &mut row.value)
    }

    #[inline]
    pub fn is_alive(&self, slot: Slot) -> bool {
        self.get(slot).is_some()
    }

    /// The present life of a row that is alive.
    #[inline]
    pub fn slot(&self, index: u32) -> Slot {
        Slot { index, life: self.rows[index as usize].life }
    }

    /// Rows alive.
    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.len() == self.free.len()
    }

    /// Rows ever alive at once.
    pub fn capacity_used(&self) -> usize {
        self.rows.len()
    }

    /// All rows alive, by index.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.life & 1 == 1)
            .map(|(index, row)| (index as u32, &row.value))
    }
}

/// A row that is known to be alive.
impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: u32) -> &T {
        let row = &self.rows[index as usize];
        debug_assert!(row.life & 1 == 1, "a dead row is read");
        &row.value
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        let row = &mut self.rows[index as usize];
        debug_assert!(row.life & 1 == 1, "a dead row is written");
        &mut row.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_slot_finds_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        slab.remove(first.index);
        let second = slab.insert('b');
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
        assert_eq!((slab.len(), slab.capacity_used()), (1, 1));
    }

    #[test]
    #[should_panic(expected = "dies once")]
    fn a_row_dies_once() {
        let mut slab = Slab::default();
        let slot = slab.insert(());
        slab.remove(slot.index);
        slab.remove(slot.index);
    }
}
