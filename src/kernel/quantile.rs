//! Quantile functions made ready for sampling: one draw in, one duration out, monotone, in integers.
//!
//! A draw's upper 53 bits are a number; its distance `x` from the nearer end says how rare the value is. The table
//! is fine where values are rare: 64 cells for each octave of `x`, on both sides, straight lines inside.
//!
//! ```text
//!   0                                      2^52                                      2^53
//!   | exact | octave 0 | .. | octave 19 ->  |  <- octave 19 | .. | octave 0 | exact |
//!   x < 2^32  64 cells        64 cells                              64 cells  x < 2^32
//! ```
//!
//! Where a straight line is too coarse (a jump, an atom's edge, a sharp bend), the cell is marked and holds pieces
//! of its own, cut exactly between two numbers.

use super::special::{NUMBERS, Rank};

/// 146 years; longer durations are cut to it. The bit above marks cells.
pub const LONGEST_NANOS: u64 = 1 << 62;
const MARK: u64 = 1 << 63;
const OCTAVES: usize = 20;
const CELLS: usize = 64;
/// Entries of a side: the lower edge of each cell, and the middle of the range.
const SIDE: usize = OCTAVES * CELLS + 1;
/// Bits of `x` below the first octave; draws down there, 1 in 2^20, are computed exactly.
const RARE_BITS: u32 = 52 - OCTAVES as u32;
/// How far a straight line may be from the curve: relative, and in nanoseconds.
const TOLERANCE: f64 = 1e-4;
const TOLERANCE_NANOS: f64 = 0.5;

/// A duration in nanoseconds as an integer; halves go up, and what is too long is cut.
pub fn round_nanos(nanos: f64) -> u64 {
    ((nanos + 0.5) as u64).min(LONGEST_NANOS)
}

/// A straight line over the numbers from `start` to the next piece's start.
#[derive(Clone, Debug)]
struct Piece {
    start: u64,
    low: u64,
    high: u64,
    /// Nanoseconds per number.
    slope: f64,
}

/// Straight lines side by side, cut exactly between two numbers.
#[derive(Clone, Debug, Default)]
pub struct Pieces(Vec<Piece>);

impl Pieces {
    /// Appends the line from `low` (at `start`) to `high` (at `last`, the last number that it covers).
    pub fn push(&mut self, start: u64, low: f64, last: u64, high: f64) {
        let slope = if last > start { (high - low).max(0.0) / (last - start) as f64 } else { 0.0 };
        self.0.push(Piece { start, low: round_nanos(low), high: round_nanos(high), slope });
    }

    #[inline]
    pub fn nanos(&self, number: u64) -> u64 {
        let after = self.0.partition_point(|piece| piece.start <= number);
        let piece = &self.0[after.saturating_sub(1)];
        let rise = number.saturating_sub(piece.start) as f64 * piece.slope;
        (piece.low + (rise + 0.5) as u64).min(piece.high)
    }
}

/// The quantile function of a distribution as a table.
#[derive(Clone, Debug)]
pub struct QuantileTable {
    /// Lower side, then upper side, each by ascending distance from its end.
    entries: Box<[u64]>,
    bent: Pieces,
}

/// The exact quantile in nanoseconds at a rank; the result lies between the two floats, which may speed it up.
pub type Exact<'a> = &'a dyn Fn(Rank, f64, f64) -> f64;

impl QuantileTable {
    /// `breaks`: numbers at which the function jumps or bends, ascending.
    pub fn new(exact: Exact<'_>, breaks: &[u64]) -> QuantileTable {
        let mut edges = vec![0.0; 2 * SIDE];
        for is_upper in [false, true] {
            let side = &mut edges[usize::from(is_upper) * SIDE..][..SIDE];
            let (first, last) = (rank_at(0, is_upper), rank_at(SIDE - 1, is_upper));
            side[0] = exact(first, 0.0, f64::INFINITY);
            side[SIDE - 1] = exact(last, 0.0, f64::INFINITY);
            fill(side, 0, SIDE - 1, is_upper, exact);
        }
        let mut entries: Box<[u64]> = edges.iter().map(|&nanos| round_nanos(nanos)).collect();
        let mut bent = Pieces::default();
        let upper_down = (0..SIDE - 1).rev().map(|cell| (cell, true));
        for (cell, is_upper) in (0..SIDE - 1).map(|cell| (cell, false)).chain(upper_down) {
            let at = cell + usize::from(is_upper) * SIDE;
            let (low, high) = (edges[at].min(edges[at + 1]), edges[at].max(edges[at + 1]));
            let (start, last) = numbers_of(cell, is_upper);
            let from = breaks.partition_point(|&number| number < start);
            let until = breaks.partition_point(|&number| number <= last + 1);
            if from < until || is_bent(exact, (start, low), (last, high)) {
                entries[at] |= MARK;
                cut(&mut bent, exact, &breaks[from..until], (start, low), (last, high));
            }
        }
        QuantileTable { entries, bent }
    }

    /// The duration in nanoseconds for one of 2^53 numbers; `None` for the rare ones at both ends.
    #[inline]
    pub fn nanos(&self, number: u64) -> Option<u64> {
        let is_upper = number >> 52;
        let x = number ^ (0u64.wrapping_sub(is_upper) & (NUMBERS - 1));
        if x >> RARE_BITS == 0 {
            return None;
        }
        // The leading one goes to bit 63: the next 6 bits are the cell, the rest the place inside it.
        let zeros = x.leading_zeros();
        let y = x << zeros;
        let octave = (63 - RARE_BITS - zeros) as usize;
        let at = is_upper as usize * SIDE + octave * CELLS + ((y >> 57) as usize & (CELLS - 1));
        let from = self.entries[at];
        if from & MARK != 0 {
            return Some(self.bent.nanos(number));
        }
        let to = self.entries[at + 1] & !MARK;
        let place = ((y << 7) >> 1) as i64;
        // Signed: on the upper side, values fall with the distance.
        let rise = (i128::from(to as i64 - from as i64) * i128::from(place) + (1 << 62)) >> 63;
        Some(from.wrapping_add_signed(rise as i64))
    }
}

/// Distance from the end at the lower edge of a cell.
fn edge(cell: usize) -> u64 {
    ((CELLS + cell % CELLS) as u64) << (RARE_BITS as usize - 6 + cell / CELLS)
}

fn rank_at(cell: usize, is_upper: bool) -> Rank {
    Rank { tail: edge(cell) as f64 / NUMBERS as f64, is_upper }
}

/// First and last number of a cell.
fn numbers_of(cell: usize, is_upper: bool) -> (u64, u64) {
    let (near, far) = (edge(cell), edge(cell + 1));
    if is_upper { (NUMBERS - far, NUMBERS - 1 - near) } else { (near, far - 1) }
}

/// Fills what lies between two known edges, by halves, so that each value is known to lie between two others.
fn fill(side: &mut [f64], from: usize, to: usize, is_upper: bool, exact: Exact<'_>) {
    if to - from < 2 {
        return;
    }
    let middle = usize::midpoint(from, to);
    let (low, high) = (side[from].min(side[to]), side[from].max(side[to]));
    side[middle] = exact(rank_at(middle, is_upper), low, high).clamp(low, high);
    fill(side, from, middle, is_upper, exact);
    fill(side, middle, to, is_upper, exact);
}

/// Whether the straight line between two points misses the curve at the quarters.
fn is_bent(exact: Exact<'_>, (start, low): (u64, f64), (last, high): (u64, f64)) -> bool {
    if high - low <= TOLERANCE_NANOS {
        return false;
    }
    [0.5, 0.25, 0.75].into_iter().any(|part| {
        let number = start + ((last - start) as f64 * part) as u64;
        let line = low + (high - low) * ((number - start) as f64 / (last - start) as f64);
        let nanos = exact(Rank::of_number(number), low, high);
        (nanos - line).abs() > TOLERANCE * nanos + TOLERANCE_NANOS
    })
}

/// Cuts a range at its breaks, and what lies between them where it bends.
fn cut(
    bent: &mut Pieces,
    exact: Exact<'_>,
    breaks: &[u64],
    (start, low): (u64, f64),
    (last, high): (u64, f64),
) {
    let at = |number| exact(Rank::of_number(number), low, high).clamp(low, high);
    let mut from = start;
    for &next in breaks {
        if next > from && next <= last {
            refine(bent, exact, (from, at(from)), (next - 1, at(next - 1)));
            from = next;
        }
    }
    refine(bent, exact, (from, at(from)), (last, at(last)));
}

fn refine(bent: &mut Pieces, exact: Exact<'_>, (start, low): (u64, f64), (last, high): (u64, f64)) {
    if last - start < 2 || !is_bent(exact, (start, low), (last, high)) {
        bent.push(start, low, last, high);
        return;
    }
    let middle = u64::midpoint(start, last);
    let at = |number| exact(Rank::of_number(number), low, high).clamp(low, high);
    refine(bent, exact, (start, low), (middle, at(middle)));
    refine(bent, exact, (middle + 1, at(middle + 1)), (last, high));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(rank: Rank, _: f64, _: f64) -> f64 {
        rank.lower() * 1e9
    }

    #[test]
    fn straight_lines_come_back_to_the_nanosecond() {
        let table = QuantileTable::new(&uniform, &[]);
        for number in (0..10_000).map(|i| i * (NUMBERS / 10_000) + NUMBERS / 20_000) {
            let exact = round_nanos(Rank::of_number(number).lower() * 1e9);
            assert!(table.nanos(number).unwrap().abs_diff(exact) <= 1);
        }
        assert_eq!(table.nanos(NUMBERS / 2 - 1), Some(500_000_000));
        assert_eq!(table.nanos(NUMBERS / 2), Some(500_000_000));
    }

    #[test]
    fn only_one_draw_in_a_million_is_rare() {
        let table = QuantileTable::new(&uniform, &[]);
        assert_eq!(table.nanos((1 << 32) - 1), None);
        assert_eq!(table.nanos(1 << 32), Some(477));
        assert_eq!(table.nanos(NUMBERS - 1 - (1 << 32)), Some(1_000_000_000 - 477));
        assert_eq!(table.nanos(NUMBERS - (1 << 32)), None);
    }

    #[test]
    fn a_jump_is_cut_between_two_numbers_even_if_nobody_names_it() {
        let jump = 12_345_678_901_234_567 % NUMBERS;
        let edge = Rank::of_number(jump).lower();
        let step = |rank: Rank, _: f64, _: f64| if rank.lower() < edge { 1e6 } else { 9e6 };
        for breaks in [&[][..], &[jump]] {
            let table = QuantileTable::new(&step, breaks);
            assert_eq!(table.nanos(jump - 1), Some(1_000_000));
            assert_eq!(table.nanos(jump), Some(9_000_000));
        }
    }

    #[test]
    fn too_long_is_cut() {
        let endless = |_: Rank, _: f64, _: f64| f64::INFINITY;
        assert_eq!(QuantileTable::new(&endless, &[]).nanos(NUMBERS / 3), Some(LONGEST_NANOS));
    }
}
