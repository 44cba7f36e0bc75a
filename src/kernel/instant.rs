//! Events of the present instant, when several wait: a line for each rank, in the order of their making.

/// Number of ranks.
pub const RANKS: usize = 4;

/// Events of one rank.
#[derive(Default)]
struct Line {
    /// Order and word.
    events: Vec<(u64, u64)>,
    next: usize,
}

/// What is due now, by rank.
#[derive(Default)]
pub struct Instant {
    lines: [Line; RANKS],
    /// A bit for each rank that has somebody waiting.
    ranks: u32,
}

impl Instant {
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.ranks == 0
    }

    pub fn len(&self) -> usize {
        self.lines.iter().map(|line| line.events.len() - line.next).sum()
    }

    pub fn push(&mut self, rank: u8, order: u64, word: u64) {
        self.lines[usize::from(rank)].events.push((order, word));
        self.ranks |= 1 << rank;
    }

    /// Rank and order of the first, if there is one.
    pub fn first(&self) -> Option<(usize, u64)> {
        let rank = self.ranks.trailing_zeros() as usize;
        let line = self.lines.get(rank)?;
        Some((rank, line.events[line.next].0))
    }

    /// Takes the first of a rank that has one; returns its word.
    pub fn take(&mut self, rank: usize) -> u64 {
        let line = &mut self.lines[rank];
        let word = line.events[line.next].1;
        line.next += 1;
        if line.next == line.events.len() {
            line.events.clear();
            line.next = 0;
            self.ranks &= !(1 << rank);
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_rank_goes_first_and_in_it_the_oldest() {
        let mut instant = Instant::default();
        for (rank, order) in [(2, 1), (0, 2), (2, 3), (0, 4)] {
            instant.push(rank, order, order * 10);
        }
        assert_eq!(instant.len(), 4);
        let mut words = Vec::new();
        while let Some((rank, order)) = instant.first() {
            words.push(instant.take(rank));
            assert_eq!(words.last(), Some(&(order * 10)));
        }
        assert_eq!(words, [20, 40, 10, 30]);
        assert!(instant.is_empty());
    }
}
