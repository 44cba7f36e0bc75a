//! A series cut into a few dozen pieces of equal length, in each replication: by how much pieces differ from the level,
//! and how alike neighbours are in that.
//!
//! Replications make such figures sure where a single series cannot: what pieces of one have in common with its own
//! neighbours, but not with the same piece of another, is memory, and no trend.
//! Source: batch means, Law, 9.5.3; Schmeiser 1982, Batch size effects in the analysis of simulation output: beyond 10 to
//! 30 pieces little is gained.

/// Pieces of a run, at the least; as each has whole windows, there may be up to twice as many less one.
const LEAST: usize = 24;
/// Replications that are kept: noise is known well enough of so many.
const KEPT: usize = 32;
/// Correlation of neighbours beyond which a mean's noise is told as if it were this.
const ALIKE: f64 = 0.95;

/// The pieces of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces {
    /// Windows of each.
    length: usize,
    count: usize,
    /// By replication, of the first so many.
    rows: Vec<Vec<f64>>,
    has_gaps: bool,
}

impl Pieces {
    /// Of a run with so many windows; nothing happened in the replications before.
    pub(super) fn new(windows: usize, before: usize) -> Pieces {
        let length = (windows / LEAST).max(1);
        let count = windows / length;
        let rows = vec![vec![0.0; count]; before.min(KEPT)];
        Pieces { length, count, rows, has_gaps: false }
    }

    /// The next replication's windows; `None` if nothing happened there.
    pub(super) fn add(&mut self, values: Option<&[f64]>) {
        if self.has_gaps || self.rows.len() == KEPT {
            return;
        }
        let row = match values {
            None => vec![0.0; self.count],
            Some(values) => values.chunks_exact(self.length).filter_map(mean_of_known).collect(),
        };
        self.has_gaps = row.len() < self.count;
        self.rows.push(row);
    }

    /// From the first piece that begins at window `from` or later. With `trend` the level is a line, else it is the same
    /// throughout. `None` where a piece has no value, or there are too few.
    pub fn noise(&self, from: usize, trend: bool) -> Option<Noise> {
        let first = from.div_ceil(self.length);
        if self.has_gaps || self.rows.is_empty() || first + 3 > self.count {
            return None;
        }
        let late: Vec<&[f64]> = self.rows.iter().map(|row| &row[first..self.count]).collect();
        let pieces = self.count - first;
        let means: Vec<f64> =
            (0..pieces).map(|at| late.iter().map(|row| row[at]).sum::<f64>() / late.len() as f64).collect();
        let (level, rise) = (mean(&means), if trend { slope(&means) } else { 0.0 });
        let middle = (pieces - 1) as f64 / 2.0;
        let deviation = |row: &[f64], at: usize| row[at] - level - rise * (at as f64 - middle);
        let own = |row: &&[f64]| (0..pieces).map(|at| deviation(row, at)).collect::<Vec<f64>>();
        let deviations: Vec<Vec<f64>> = late.iter().map(own).collect();
        let freedom = (late.len() * pieces - 1 - usize::from(trend)) as f64;
        let all = sorted(&late);
        let usual = all[all.len() / 2];
        let ranks: Vec<Vec<f64>> =
            late.iter().map(|row| row.iter().map(|value| rank(&all, *value)).collect()).collect();
        Some(Noise {
            length: self.length,
            pieces,
            freedom,
            variance: deviations.iter().flatten().map(|one| one * one).sum::<f64>() / freedom,
            likeness: likeness(&deviations),
            likeness_of_ranks: likeness(&ranks),
            rests: all.iter().filter(|value| **value != usual).count() * 2 < all.len(),
        })
    }
}

/// Correlation of neighbours in rows of deviations; 0 if there are none.
fn likeness(rows: &[Vec<f64>]) -> f64 {
    let pieces = rows[0].len() as f64;
    let squares: f64 = rows.iter().flatten().map(|one| one * one).sum();
    let products: f64 = rows.iter().flat_map(|row| row.windows(2)).map(|pair| pair[0] * pair[1]).sum();
    let likeness = products / (pieces - 1.0) / (squares / pieces);
    if squares > 0.0 { likeness.clamp(-1.0, 1.0) } else { 0.0 }
}

fn sorted(rows: &[&[f64]]) -> Vec<f64> {
    let mut all: Vec<f64> = rows.concat();
    all.sort_by(f64::total_cmp);
    all
}

/// Share of the values below, equal ones half, less a half.
fn rank(all: &[f64], value: f64) -> f64 {
    let (below, up_to) = (all.partition_point(|one| *one < value), all.partition_point(|one| *one <= value));
    (below + up_to) as f64 / (2 * all.len()) as f64 - 0.5
}

/// What the pieces of a series do around its level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Windows of a piece.
    pub length: usize,
    /// Of each replication.
    pub pieces: usize,
    /// Values less what the level took.
    pub freedom: f64,
    /// Of a piece.
    pub variance: f64,
    /// Correlation of neighbours.
    pub likeness: f64,
    /// The same of their ranks, which a few long lines do not decide.
    pub likeness_of_ranks: f64,
    /// Most pieces have one value, a line that is nearly always empty, say; what the others do tells little.
    pub rests: bool,
}

impl Noise {
    /// Variance of a mean of many neighbouring windows of one replication, times their number: neighbours are alike, and
    /// alike ones tell less. Exact where likeness falls off evenly (autoregression of order 1).
    pub fn long_run(&self) -> f64 {
        let likeness = self.counted();
        self.variance * self.length as f64 * (1.0 + likeness) / (1.0 - likeness)
    }

    /// Degrees of freedom of [`Noise::long_run`]: those of a chi-square with the same relative variance, which is
    /// (2 (1 + r²) + 4) / (1 - r²) / n: of the estimated variance, and of the estimated likeness r by the delta method.
    /// Source: Bartlett 1946, On the theoretical specification and sampling properties of autocorrelated time-series.
    pub fn long_run_freedom(&self) -> f64 {
        let square = self.counted() * self.counted();
        self.freedom * (1.0 - square) / (3.0 + square)
    }

    fn counted(&self) -> f64 {
        self.likeness.clamp(0.0, ALIKE)
    }
}

fn mean_of_known(windows: &[f64]) -> Option<f64> {
    let known: Vec<f64> = windows.iter().copied().filter(|value| !value.is_nan()).collect();
    (!known.is_empty()).then(|| mean(&known))
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// From one value to the next, by least squares.
pub(super) fn slope(values: &[f64]) -> f64 {
    let (middle, level) = ((values.len() - 1) as f64 / 2.0, mean(values));
    let products = values.iter().enumerate().map(|(at, value)| (at as f64 - middle) * (value - level));
    let squares = (0..values.len()).map(|at| (at as f64 - middle) * (at as f64 - middle));
    products.sum::<f64>() / squares.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(rows: &[&[f64]]) -> Pieces {
        let mut pieces = Pieces::new(rows[0].len(), 0);
        rows.iter().for_each(|row| pieces.add(Some(row)));
        pieces
    }

    #[test]
    fn noise_is_what_differs_from_the_level() {
        let noise = pieces(&[&[1.0, 3.0, 1.0, 3.0]]).noise(0, false).expect("four values");
        assert_eq!((noise.pieces, noise.freedom, noise.variance), (4, 3.0, 4.0 / 3.0));
        assert_eq!((noise.likeness, noise.long_run()), (-1.0, 4.0 / 3.0));
        assert_eq!(noise.likeness_of_ranks, -1.0);
        // One value in two replications: they differ by as much, and neighbours are as alike as can be.
        let noise = pieces(&[&[1.0, 1.0, 1.0], &[3.0, 3.0, 3.0]]).noise(0, false).expect("six values");
        assert_eq!((noise.variance, noise.likeness), (6.0 / 5.0, 1.0));
        assert!((noise.long_run() - 1.2 * 39.0).abs() < 1e-9);
    }

    #[test]
    fn a_trend_is_no_noise() {
        let rising = pieces(&[&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0]]);
        assert!(rising.noise(0, true).expect("values").variance < 1e-12);
        assert!(rising.noise(0, false).expect("values").variance > 1.0);
        assert_eq!(rising.noise(1, false).expect("values").pieces, 3);
        assert_eq!(rising.noise(2, false), None);
    }

    #[test]
    fn pieces_are_means_of_windows_and_gaps_are_told() {
        let windows: Vec<f64> =
            (0..49).map(|at| if at % 2 == 0 { f64::NAN } else { f64::from(at) }).collect();
        let mut pieces = Pieces::new(49, 1);
        pieces.add(Some(&windows));
        assert_eq!((pieces.length, pieces.count, pieces.rows.len()), (2, 24, 2));
        assert_eq!((pieces.rows[0][3], pieces.rows[1][3]), (0.0, 7.0));
        pieces.add(Some(&[f64::NAN; 49]));
        assert_eq!(pieces.noise(0, false), None);
    }

    #[test]
    fn ranks_are_not_ruled_by_one_value() {
        let noise = pieces(&[&[1.0, 2.0, 1.5, 90.0, 80.0, 1.2]]).noise(0, false).expect("six values");
        // Ranks less their mean, in sixths: -2.5, 0.5, -0.5, 2.5, 1.5, -1.5.
        let products = -1.25 - 0.25 - 1.25 + 3.75 - 2.25;
        assert!((noise.likeness_of_ranks - 1.2 * products / 17.5).abs() < 1e-12);
        // The two long ones make the values look alike.
        assert!((noise.likeness - 0.191_955).abs() < 1e-5, "{}", noise.likeness);
    }

    #[test]
    fn what_rests_is_told() {
        let rests = |row: &[f64]| pieces(&[row]).noise(0, false).expect("values").rests;
        assert!(rests(&[0.0, 0.0, 0.0, 1.0, 2.0]));
        assert!(!rests(&[0.0, 0.0, 3.0, 1.0, 2.0]));
    }
}
