//! The border on one line: how hard it may get until an objective is missed. Points are bracketed and then closed in
//! on along the objectives' margins, as long as single points are sure; the last ones stand on both sides of the
//! border, and the line through them gives the answer and, through its slope, the interval: all points have the same
//! luck, so they err together, and the interval of the margin is that of the answer turned by the slope.
//! Source: Chen and Schmeiser 2001, Stochastic root finding via retrospective approximation; Fieller 1954 for the interval.

use std::collections::BTreeMap;

/// A margin and half the width of its interval.
pub type Height = (f64, Option<f64>);

/// What is seen at one point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    pub meets: bool,
    pub is_unsure: bool,
    /// The margin of each objective under each loss; all of them belong to one objective throughout.
    pub margins: BTreeMap<(Option<String>, usize), Height>,
}

/// Where to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stretch {
    /// Between the easiest and the hardest point. Points nearer than `near` are alike.
    Between { easy: f64, hard: f64, near: f64 },
    /// From here on in steps of this length, up or down, until the border is between two.
    Around { start: f64, step: f64, near: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    Border(Root),
    /// Even the hardest point meets the objectives.
    Whole,
    /// Not even the easiest does.
    Nothing,
}

/// The border with its 95 % interval; no interval where the figures have none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    pub at: f64,
    pub half: Option<f64>,
}

/// Steps away from the start, down and up. Each one up takes as long as all before it together.
const MOST_STEPS: (i32, i32) = (10, 6);
/// Points between two ends of a bracket.
const MOST_POINTS: usize = 24;
/// Part of a bracket that a point keeps off its ends.
const KEEP_OFF: f64 = 0.08;
/// How far from the border the last points stand, in `near`.
const REACH: (f64, f64) = (3.0, 25.0);

/// Points so far, by how hard they are.
struct Line<'a, S> {
    look: &'a mut dyn FnMut(f64) -> Result<Look, S>,
    seen: Vec<(f64, Look)>,
}

/// Searches along a line on which points get harder.
pub fn search<S>(stretch: Stretch, look: &mut dyn FnMut(f64) -> Result<Look, S>) -> Result<Found, S> {
    let mut line = Line { look, seen: Vec::new() };
    let (near, bracket) = match stretch {
        Stretch::Between { easy, hard, near } => (near, line.between(easy, hard)?),
        Stretch::Around { start, step, near } => (near, line.around(start, step)?),
    };
    let (low, high) = match bracket {
        Ok(bracket) => bracket,
        Err(found) => return Ok(found),
    };
    let (low, high) = line.close_in(low, high, near)?;
    let guess = line.crossing(low, high);
    let reach = line.reach(guess, low, high, near);
    for side in [guess - reach, guess + reach] {
        let (least, most) = stretch.ends();
        let side = side.clamp(least, most);
        if !line.has(side, 0.3 * reach) {
            line.at(side)?;
        }
    }
    Ok(Found::Border(line.root(guess, reach)))
}

impl Stretch {
    fn ends(self) -> (f64, f64) {
        match self {
            Stretch::Between { easy, hard, .. } => (easy, hard),
            Stretch::Around { .. } => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }
}

/// A point that meets the objectives and a harder one that does not, or why there are none.
type Bracket = Result<(f64, f64), Found>;

impl<S> Line<'_, S> {
    fn at(&mut self, point: f64) -> Result<bool, S> {
        let place = self.seen.partition_point(|(other, _)| *other < point);
        if self.seen.get(place).is_none_or(|(other, _)| *other != point) {
            let look = (self.look)(point)?;
            self.seen.insert(place, (point, look));
        }
        Ok(self.seen[place].1.meets)
    }

    fn known(&self, point: f64) -> &Look {
        let place = self.seen.partition_point(|(other, _)| *other < point);
        &self.seen[place].1
    }

    fn has(&self, point: f64, within: f64) -> bool {
        self.seen.iter().any(|(other, _)| (other - point).abs() <= within)
    }

    fn between(&mut self, easy: f64, hard: f64) -> Result<Bracket, S> {
        let hard_meets = self.at(hard)?;
        if self.at(easy)? {
            return Ok(if hard_meets { Err(Found::Whole) } else { Ok((easy, hard)) });
        }
        // Nothing is easier, yet something between may meet them: where harder is no worse.
        let parts = [0.75, 0.5, 0.25].map(|part| easy + part * (hard - easy));
        let mut harder = hard;
        for point in parts {
            if self.at(point)? {
                return Ok(if hard_meets { Err(Found::Whole) } else { Ok((point, harder)) });
            }
            harder = point;
        }
        Ok(Err(if hard_meets { Found::Whole } else { Found::Nothing }))
    }

    fn around(&mut self, start: f64, step: f64) -> Result<Bracket, S> {
        let begins_well = self.at(start)?;
        let (most, way) = if begins_well { (MOST_STEPS.1, step) } else { (MOST_STEPS.0, -step) };
        let mut last = start;
        for number in 1..=most {
            let point = start + f64::from(number) * way;
            if self.at(point)? != begins_well {
                return Ok(Ok((last.min(point), last.max(point))));
            }
            last = point;
        }
        Ok(Err(if begins_well { Found::Whole } else { Found::Nothing }))
    }

    /// Until the ends are near, or a point is too close to call.
    fn close_in(&mut self, mut low: f64, mut high: f64, near: f64) -> Result<(f64, f64), S> {
        let mut halve = false;
        for _ in 0..MOST_POINTS {
            let width = high - low;
            if width <= near || self.known(low).is_unsure || self.known(high).is_unsure {
                break;
            }
            let keep_off = KEEP_OFF * width;
            let point = if halve { low + width / 2.0 } else { self.crossing(low, high) };
            let point = point.clamp(low + keep_off, high - keep_off);
            if self.at(point)? {
                low = point;
            } else {
                high = point;
            }
            // Where lines lead astray, halving is quicker.
            halve = high - low > width / 2.0;
        }
        Ok((low, high))
    }

    /// Where the first of the lines between two points meets zero; the middle where none does.
    fn crossing(&self, low: f64, high: f64) -> f64 {
        let (left, right) = (self.known(low), self.known(high));
        let crossings = left.margins.iter().filter_map(|(key, (above, _))| {
            let (below, _) = right.margins.get(key)?;
            (*above >= 0.0 && *below <= 0.0 && above > below)
                .then(|| low + (high - low) * above / (above - below))
        });
        crossings.reduce(f64::min).unwrap_or(low + (high - low) / 2.0)
    }

    /// How far the last points stand off: about as far as the interval reaches.
    fn reach(&self, guess: f64, low: f64, high: f64, near: f64) -> f64 {
        let width = high - low;
        let (left, right) = (self.known(low), self.known(high));
        let halves = left.margins.iter().filter_map(|(key, (above, half))| {
            let (below, other) = right.margins.get(key)?;
            let fall = (above - below) / width;
            let nearest = if guess - low < high - guess { half } else { other };
            (fall > 0.0 && *below <= 0.0).then_some((*nearest)? / fall)
        });
        halves.reduce(f64::max).unwrap_or(0.0).clamp(REACH.0 * near, REACH.1 * near)
    }

    /// The first zero of the margins along the points about `guess`.
    fn root(&self, guess: f64, reach: f64) -> Root {
        let about: Vec<&(f64, Look)> =
            self.seen.iter().filter(|(point, _)| (point - guess).abs() <= 1.5 * reach).collect();
        let mut best: Option<Root> = None;
        let keys = about.iter().flat_map(|(_, look)| look.margins.keys());
        for key in keys.collect::<std::collections::BTreeSet<_>>() {
            let points: Vec<(f64, Height)> = about
                .iter()
                .filter_map(|(point, look)| look.margins.get(key).map(|height| (*point, *height)))
                .collect();
            let Some(root) = zero(&points).filter(|root| (root.at - guess).abs() <= 2.0 * reach) else {
                continue;
            };
            if best.is_none_or(|best| root.at < best.at) {
                best = Some(root);
            }
        }
        best.unwrap_or(Root { at: guess, half: None })
    }
}

/// Where the line from point to point, in order of place, first goes below zero. All points have the same luck, so that
/// this line is smooth; its fall over all of them turns the interval of the nearest one into that of the zero.
fn zero(points: &[(f64, Height)]) -> Option<Root> {
    let pair = points
        .windows(2)
        .find(|pair| pair[0].1.0 >= 0.0 && pair[1].1.0 <= 0.0 && pair[0].1.0 > pair[1].1.0)?;
    let ((left, (above, _)), (right, (below, _))) = (pair[0], pair[1]);
    let at = left + (right - left) * above / (above - below);
    let (first, last) = (points.first()?, points.last()?);
    let slope = (first.1.0 - last.1.0) / (last.0 - first.0);
    let nearest = if at - left < right - at { pair[0] } else { pair[1] };
    let half = nearest.1.1.filter(|_| slope > 0.0).map(|half| half / slope);
    Some(Root { at, half })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: f64 = 0.01;

    /// Searches for the zero of a margin with an interval of `half`; gives the points that it took.
    fn found(stretch: Stretch, half: f64, margin: impl Fn(f64) -> f64) -> (Found, usize) {
        let mut points = 0;
        let mut look = |point: f64| {
            points += 1;
            let value = margin(point);
            let margins = BTreeMap::from([((None, 0), (value, Some(half)))]);
            Ok::<Look, ()>(Look { meets: value > 0.0, is_unsure: value.abs() < half, margins })
        };
        let found = search(stretch, &mut look).expect("nothing stops it");
        (found, points)
    }

    fn border(found: Found) -> Root {
        match found {
            Found::Border(root) => root,
            other => panic!("{other:?}"),
        }
    }

    /// 1 / (1 - load): the knee of a queue, on the scale of logarithms.
    fn knee(point: f64) -> f64 {
        let load = 0.3 * libm::exp(point);
        if load < 0.999 { libm::log(20.0 * (1.0 - load)) } else { -4.0 - load }
    }

    #[test]
    fn the_knee_of_a_queue_is_found_with_few_points() {
        let truth = libm::log(0.95 / 0.3);
        let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, near: NEAR };
        for (half, tolerance, most) in [(1e-9, 0.002, 13), (0.05, 0.004, 12), (0.3, 0.01, 10)] {
            let (found, points) = found(around, half, knee);
            let root = border(found);
            assert!((root.at - truth).abs() < tolerance, "{half}: {} is not {truth}", root.at);
            assert!(points <= most, "{half}: {points} points");
            // d ln(1 - load) / d point = load / (1 - load) = 19 there.
            let expected = half / 19.0;
            assert!(root.half.is_some_and(|own| (own / expected - 1.0).abs() < 0.25), "{root:?} {expected}");
        }
    }

    #[test]
    fn ends_that_hold_or_fail_are_told() {
        let between = Stretch::Between { easy: 0.0, hard: 1.0, near: NEAR };
        assert_eq!(found(between, 0.01, |_| 1.0), (Found::Whole, 2));
        assert_eq!(found(between, 0.01, |_| -1.0).0, Found::Nothing);
        let around = Stretch::Around { start: 0.0, step: 1.0, near: NEAR };
        assert_eq!(found(around, 0.01, |_| 1.0).0, Found::Whole);
        assert_eq!(found(around, 0.01, |_| -1.0), (Found::Nothing, 11));
        assert_eq!(found(between, 0.01, |point| point - 0.9).0, Found::Whole, "its hard end holds");
        let within = |point: f64| {
            assert!((0.0..=1.0).contains(&point), "{point}");
            0.995 - point
        };
        assert!((border(found(between, 0.3, within).0).at - 0.995).abs() < 1e-6, "beside the end");
    }

    #[test]
    fn a_hill_in_the_middle_is_seen() {
        let between = Stretch::Between { easy: 0.0, hard: 1.0, near: NEAR };
        let hill = |point: f64| 0.3 - (point - 0.5).abs();
        let root = border(found(between, 0.001, hill).0);
        assert!((root.at - 0.8).abs() < 0.01, "{root:?}");
    }

    #[test]
    fn the_objective_that_breaks_first_is_the_border() {
        // The other one far off, and so near that both lie between the last points.
        for other in [2.0, 1.51] {
            first_of_two(other);
        }
    }

    fn first_of_two(other: f64) {
        let mut look = |point: f64| {
            let heights = [other - point, 30.0 * (1.5 - point)];
            let margins = heights.iter().enumerate().map(|(key, value)| ((None, key), (*value, Some(0.03))));
            let (meets, is_unsure) = (point < 1.5, (point - 1.5).abs() < 0.001);
            Ok::<Look, ()>(Look { meets, is_unsure, margins: margins.collect() })
        };
        let stretch = Stretch::Between { easy: 0.0, hard: 4.0, near: NEAR };
        let root = border(search(stretch, &mut look).expect("nothing stops it"));
        assert!((root.at - 1.5).abs() < 1e-6 && root.half.is_some_and(|half| (half - 0.001).abs() < 1e-6));
    }
}
