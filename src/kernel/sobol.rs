//! Points that fill a cube evenly: Sobol's sequence, unscrambled, so that the n-th point is the same everywhere.
//! Source: Sobol 1967, On the distribution of points in a cube; Antonov and Saleev 1979 for the order by Gray code; Joe and
//! Kuo 2008, Constructing Sobol sequences with better two-dimensional projections, for the direction numbers.

/// As many dimensions as the table has.
pub const MOST_DIMENSIONS: usize = 10;

/// Binary digits of a coordinate.
const DIGITS: usize = 32;

/// A primitive polynomial over the field of two, and where its recurrence starts.
struct Direction {
    /// Coefficients between the first and the last, which are 1.
    inner: u32,
    /// As many as the polynomial's degree; odd, the k-th below 2^k.
    start: &'static [u32],
}

/// The second dimension and those after it. Source: the first rows of Joe and Kuo's new-joe-kuo-6.21201.
const DIRECTIONS: [Direction; MOST_DIMENSIONS - 1] = [
    Direction { inner: 0, start: &[1] },
    Direction { inner: 1, start: &[1, 3] },
    Direction { inner: 1, start: &[1, 3, 1] },
    Direction { inner: 2, start: &[1, 1, 1] },
    Direction { inner: 1, start: &[1, 1, 3, 3] },
    Direction { inner: 4, start: &[1, 3, 5, 13] },
    Direction { inner: 2, start: &[1, 1, 5, 5, 17] },
    Direction { inner: 4, start: &[1, 1, 5, 5, 5] },
    Direction { inner: 7, start: &[1, 1, 7, 11, 19] },
];

/// Coordinate `dimension` (below [`MOST_DIMENSIONS`]) of the `number`-th point, in [0, 1). Point 0 is the origin; without
/// it the first 2^k points would not be balanced. Source: Owen 2020, On dropping the first Sobol' point.
pub fn coordinate(number: u32, dimension: usize) -> f64 {
    let gray = number ^ (number >> 1);
    let numbers = direction_numbers(dimension);
    let bits = (0..DIGITS).filter(|digit| gray >> digit & 1 == 1).fold(0, |sum, digit| sum ^ numbers[digit]);
    f64::from(bits) / 4_294_967_296.0
}

/// v_k as fractions of 2^32.
fn direction_numbers(dimension: usize) -> [u32; DIGITS] {
    let mut numbers = [0; DIGITS];
    let Some(Direction { inner, start }) = dimension.checked_sub(1).map(|row| &DIRECTIONS[row]) else {
        (0..DIGITS).for_each(|digit| numbers[digit] = 1 << (DIGITS - 1 - digit));
        return numbers;
    };
    let degree = start.len();
    for digit in 0..DIGITS {
        numbers[digit] = match start.get(digit) {
            Some(first) => first << (DIGITS - 1 - digit),
            None => {
                let oldest = numbers[digit - degree];
                let coefficients = (1..degree).filter(|place| inner >> (degree - 1 - place) & 1 == 1);
                coefficients.fold(oldest ^ (oldest >> degree), |sum, place| sum ^ numbers[digit - place])
            }
        };
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: the sample output for three dimensions beside Joe and Kuo's program.
    #[test]
    fn the_first_points_are_the_published_ones() {
        let published = [
            [0.0, 0.0, 0.0],
            [0.5, 0.5, 0.5],
            [0.75, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.375, 0.375, 0.625],
            [0.875, 0.875, 0.125],
            [0.625, 0.125, 0.875],
            [0.125, 0.625, 0.375],
            [0.1875, 0.3125, 0.9375],
            [0.6875, 0.8125, 0.4375],
        ];
        for (number, point) in (0..).zip(published) {
            assert_eq!([0, 1, 2].map(|dimension| coordinate(number, dimension)), point, "point {number}");
        }
    }

    /// Points of all dimensions as another program gives them that reads the whole of Joe and Kuo's file (SciPy 1.17's
    /// `qmc.Sobol`, not scrambled).
    #[test]
    fn later_dimensions_are_those_of_the_whole_file() {
        let known: [(u32, [f64; MOST_DIMENSIONS]); 3] = [
            (15, [0.0625, 0.9375, 0.5625, 0.3125, 0.6875, 0.1875, 0.8125, 0.3125, 0.3125, 0.6875]),
            (25, [0.65625, 0.65625, 0.03125, 0.34375, 0.34375, 0.15625, 0.46875, 0.65625, 0.03125, 0.96875]),
            (
                100,
                [
                    0.4140625, 0.2578125, 0.7734375, 0.7265625, 0.8828125, 0.7421875, 0.0234375, 0.4765625,
                    0.6328125, 0.6953125,
                ],
            ),
        ];
        for (number, point) in known {
            for (dimension, value) in point.into_iter().enumerate() {
                assert_eq!(coordinate(number, dimension), value, "point {number}, dimension {dimension}");
            }
        }
    }

    /// The first 2^k points have one in each 2^-k of every axis.
    #[test]
    fn every_axis_is_filled_evenly() {
        for dimension in 0..MOST_DIMENSIONS {
            let mut cells: Vec<u32> =
                (0..256).map(|number| (coordinate(number, dimension) * 256.0) as u32).collect();
            cells.sort_unstable();
            assert!(cells.into_iter().eq(0..256), "dimension {dimension}");
        }
    }
}
