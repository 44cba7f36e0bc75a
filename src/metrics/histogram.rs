//! A log-linear histogram of nanoseconds: 128 cells an octave, so a value is told within 0.4 %, from one nanosecond
//! to 584 years. An octave's cells are made when a value first falls into it: a series of one kind of call touches
//! three to six of them (1 KiB each). Source: design D9.23.

use std::fmt;

/// Cells of one octave; below this value a cell is one nanosecond wide.
const CELLS: usize = 128;
const CELL_BITS: u32 = CELLS.trailing_zeros();
/// The first holds 0 to 127, the k-th the values from 2^(k+6) on.
const OCTAVES: usize = 64 - CELL_BITS as usize + 1;

type Cells = [u64; CELLS];

/// Counts of values, their exact sum, and the extremes.
#[derive(Clone)]
pub struct Histogram {
    count: u64,
    min: u64,
    max: u64,
    sum: u128,
    octaves: [Option<Box<Cells>>; OCTAVES],
    /// In place of the octaves: what [`Histogram::pack`] makes of them.
    packed: Option<Packed>,
}

/// The cells that hold something, in order, each as its distance from the last one and its count, in groups of seven
/// bits, lowest first, of which all but the last have the eighth.
type Packed = Box<[u8]>;

/// Octave and cell of a value.
#[inline]
fn place(nanos: u64) -> (usize, usize) {
    let top = 63 - (nanos | (CELLS as u64 - 1)).leading_zeros();
    let octave = (top + 1 - CELL_BITS) as usize;
    let shift = octave.saturating_sub(1) as u32;
    (octave, (nanos >> shift) as usize & (CELLS - 1))
}

/// Smallest value of a cell, and how many values it holds.
fn bounds(octave: usize, cell: usize) -> (u64, u64) {
    if octave == 0 {
        return (cell as u64, 1);
    }
    let shift = octave as u32 - 1;
    (((CELLS + cell) as u64) << shift, 1 << shift)
}

impl Histogram {
    pub const fn new() -> Histogram {
        Histogram {
            count: 0,
            min: u64::MAX,
            max: 0,
            sum: 0,
            octaves: [const { None }; OCTAVES],
            packed: None,
        }
    }

    #[inline]
    pub fn record(&mut self, nanos: u64) {
        let (octave, cell) = place(nanos);
        match &mut self.octaves[octave] {
            Some(cells) => cells[cell] += 1,
            empty => first_of_octave(empty, cell),
        }
        self.count += 1;
        self.sum += u128::from(nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    /// Adds all that `other` holds. Exact, and the order of merges does not matter.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        self.unpack();
        for (octave, cell, count) in other.packed.iter().flat_map(|packed| unpacked(packed)) {
            self.octaves[octave].get_or_insert_with(|| Box::new([0; CELLS]))[cell] += count;
        }
        for (mine, theirs) in self.octaves.iter_mut().zip(&other.octaves) {
            match (mine, theirs) {
                (_, None) => {}
                (Some(mine), Some(theirs)) => {
                    for (cell, more) in mine.iter_mut().zip(theirs.iter()) {
                        *cell += more;
                    }
                }
                (mine, theirs) => mine.clone_from(theirs),
            }
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Forgets the values and keeps the memory of the octaves touched so far.
    pub fn clear(&mut self) {
        if self.count == 0 {
            return;
        }
        self.packed = None;
        for cells in self.octaves.iter_mut().flatten() {
            cells.fill(0);
        }
        (self.count, self.min, self.max, self.sum) = (0, u64::MAX, 0, 0);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Nanoseconds.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// Nanoseconds.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The nearest rank's cell middle, within [min, max]; `q` 0 and 1 are the extremes themselves. `None` if empty.
    /// Off by at most 0.4 %. Source: design D9.23.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        if q <= 0.0 {
            return Some(self.min);
        }
        if q >= 1.0 {
            return Some(self.max);
        }
        if self.packed.is_some() {
            return self.opened().quantile(q);
        }
        let rank = nearest_rank(q, self.count);
        let mut below = 0;
        for (octave, cells) in self.octaves.iter().enumerate() {
            let Some(cells) = cells else { continue };
            // Sums go eight cells at a time, a search goes one by one.
            let within = cells.iter().sum::<u64>();
            if below + within < rank {
                below += within;
                continue;
            }
            for (cell, count) in cells.iter().enumerate() {
                below += count;
                if below >= rank {
                    let (low, width) = bounds(octave, cell);
                    return Some((low + (width - 1) / 2).clamp(self.min, self.max));
                }
            }
        }
        unreachable!("the cells hold `count` values, and the rank is at most that")
    }

    /// Half the width of the cell that holds `nanos`, in nanoseconds: how finely such a value is told.
    pub fn resolution(nanos: u64) -> f64 {
        let (octave, cell) = place(nanos);
        bounds(octave, cell).1 as f64 / 2.0
    }

    /// Values at or below `nanos`; those in its own cell all count, as they are one value to a histogram.
    pub fn count_at_or_below(&self, nanos: u64) -> u64 {
        if nanos >= self.max {
            return self.count;
        }
        let (last_octave, last_cell) = place(nanos);
        if let Some(packed) = &self.packed {
            let last = (last_octave, last_cell);
            let below = unpacked(packed).take_while(|(octave, cell, _)| (*octave, *cell) <= last);
            return below.map(|(_, _, count)| count).sum();
        }
        let mut below = 0;
        for (octave, cells) in self.octaves.iter().enumerate().take(last_octave + 1) {
            let Some(cells) = cells else { continue };
            let cells = if octave == last_octave { &cells[..=last_cell] } else { &cells[..] };
            below += cells.iter().sum::<u64>();
        }
        below
    }

    /// The cells that hold something: smallest value, width, count; ascending. For charts.
    pub fn cells(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.places().map(|(octave, cell, count)| {
            let (low, width) = bounds(octave, cell);
            (low, width, count)
        })
    }

    /// Octave, cell and count of each cell that holds something, ascending.
    fn places(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        let octaves =
            self.octaves.iter().enumerate().filter_map(|(octave, cells)| Some((octave, cells.as_ref()?)));
        let open = octaves.flat_map(|(octave, cells)| {
            let cells = cells.iter().enumerate().filter(|(_, count)| **count > 0);
            cells.map(move |(cell, count)| (octave, cell, *count))
        });
        open.chain(self.packed.iter().flat_map(|packed| unpacked(packed)))
    }

    /// Takes as little memory as it can: two or three bytes a cell that holds something. What is read stays the same, and
    /// takes longer; nothing is to be recorded any more.
    pub fn pack(&mut self) {
        if self.packed.is_some() || self.count == 0 {
            return;
        }
        let (mut bytes, mut last) = (Vec::new(), 0);
        for (octave, cell, count) in self.places() {
            let index = (octave * CELLS + cell) as u64;
            push_number(&mut bytes, index - last);
            push_number(&mut bytes, count);
            last = index;
        }
        self.octaves = [const { None }; OCTAVES];
        self.packed = Some(bytes.into_boxed_slice());
    }

    fn unpack(&mut self) {
        let Some(packed) = self.packed.take() else { return };
        for (octave, cell, count) in unpacked(&packed) {
            self.octaves[octave].get_or_insert_with(|| Box::new([0; CELLS]))[cell] = count;
        }
    }

    fn opened(&self) -> Histogram {
        let mut opened = self.clone();
        opened.unpack();
        opened
    }
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Octave, cell and count of each.
fn unpacked(packed: &[u8]) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
    let mut rest = packed.iter();
    let mut number = move || {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *rest.next()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
            shift += 7;
        }
    };
    let mut index = 0;
    std::iter::from_fn(move || {
        index += number()? as usize;
        Some((index / CELLS, index % CELLS, number()?))
    })
}

/// Equal if they hold the same values, whatever octaves they have made room for.
impl PartialEq for Histogram {
    fn eq(&self, other: &Histogram) -> bool {
        (self.count, self.sum, self.min, self.max) == (other.count, other.sum, other.min, other.max)
            && self.cells().eq(other.cells())
    }
}

/// What it holds, whatever octaves it has made room for.
impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values, sum {}, {:?} to {:?}: ", self.count, self.sum(), self.min(), self.max())?;
        f.debug_list().entries(self.cells()).finish()
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

#[cold]
fn first_of_octave(octave: &mut Option<Box<Cells>>, cell: usize) {
    octave.insert(Box::new([0; CELLS]))[cell] = 1;
}

/// Smallest rank (from 1) with at least the share `q` of all values at or below it. The product is taken down by two
/// roundings' worth, so that 7 % of 100 is rank 7 although 0.07 * 100 exceeds 7 in floating point.
fn nearest_rank(q: f64, count: u64) -> u64 {
    let rank = (q * count as f64 * (1.0 - 2.0 * f64::EPSILON)).ceil() as u64;
    rank.clamp(1, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    #[test]
    fn every_value_lies_in_its_cell_and_the_middle_is_within_half_a_percent() {
        let edges = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX, 12_345_678, 999_999_999_999]) {
            let (octave, cell) = place(value);
            let (low, width) = bounds(octave, cell);
            assert!(low <= value && value - low < width, "{value} in [{low}, +{width})");
            let middle = low + (width - 1) / 2;
            assert!(middle.abs_diff(value) as f64 <= 0.004 * value as f64, "{value} told as {middle}");
        }
    }

    #[test]
    fn the_resolution_is_half_a_cell() {
        let halves = [5, 127, 128, 255, 256, 5_000_000_000].map(Histogram::resolution);
        assert_eq!(halves, [0.5, 0.5, 0.5, 0.5, 1.0, (1u64 << 24) as f64]);
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        let hundred = of(1..=100);
        for percent in 1..=100 {
            assert_eq!(hundred.quantile(percent as f64 / 100.0), Some(percent));
        }
        assert_eq!(hundred.quantile(0.0), Some(1));
        assert_eq!(hundred.quantile(0.501), Some(51));
        assert_eq!(of([7]).quantile(0.5), Some(7));
        assert_eq!(of([]).quantile(0.5), None);
    }

    #[test]
    fn quantiles_stay_within_the_extremes() {
        let histogram = of([1_000_003; 5]);
        assert_eq!(histogram.quantile(0.5), Some(1_000_003));
        assert_eq!(histogram.quantile(1.0), histogram.max());
    }

    #[test]
    fn merging_is_the_same_as_recording_all() {
        let (left, right) = ([3, 500, 70_000], [1, 500, 9_000_000_000]);
        let mut merged = of(left);
        merged.merge(&of(right));
        assert_eq!(merged, of(left.into_iter().chain(right)));
        assert_eq!(merged.sum(), 9_000_071_004);
    }

    #[test]
    fn clearing_leaves_nothing_behind() {
        let mut histogram = of([3, 500, 70_000]);
        histogram.clear();
        assert_eq!(histogram, Histogram::new());
        histogram.record(500);
        assert_eq!(histogram, of([500]));
    }

    #[test]
    fn packing_changes_nothing_that_is_read() {
        let whole =
            of([0, 1, 1, 127, 128, 5_000, 5_000, 9_000_000_000, u64::MAX].into_iter().chain([77; 1_000]));
        let mut packed = whole.clone();
        packed.pack();
        assert!(
            packed.octaves.iter().all(Option::is_none) && packed.packed.as_ref().expect("bytes").len() < 30
        );
        assert_eq!(packed, whole);
        for q in [0.0, 0.001, 0.5, 0.9935, 0.999, 1.0] {
            assert_eq!(packed.quantile(q), whole.quantile(q), "{q}");
        }
        assert_eq!(packed.count_at_or_below(130), 1_005);
        let mut both = of([3, 128]);
        both.merge(&packed);
        let mut other = packed.clone();
        other.merge(&of([3, 128]));
        let mut plain = whole;
        plain.merge(&of([3, 128]));
        assert_eq!((&both, &other), (&plain, &plain));
        other.clear();
        assert_eq!(other, Histogram::new());
    }

    #[test]
    fn counting_up_to_a_value_includes_its_cell() {
        let histogram = of([0, 1, 1, 127, 128, 5_000]);
        let counts = [0, 1, 127, 128, 4_000, 5_000, u64::MAX].map(|value| histogram.count_at_or_below(value));
        assert_eq!(counts, [1, 3, 4, 5, 5, 6, 6]);
    }
}
