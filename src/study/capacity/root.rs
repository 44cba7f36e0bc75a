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
    /// It misses something, and all that it misses asks for harder points: `rps >= 220`.
    pub is_too_easy: bool,
    /// The margin of each objective under each loss; all of them belong to one objective throughout.
    pub margins: BTreeMap<(Option<String>, usize), Height>,
}

/// Where to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stretch {
    /// Between the easiest and the hardest point. Points nearer than `near` are alike.
    Between { easy: f64, hard: f64, near: f64 },
    /// From here on in steps of this length, down or so many up, until the border is between two.
    Around { start: f64, step: f64, most_up: u32, near: f64 },
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
    /// The hardest point about the border that meets the objectives.
    pub meets: f64,
}

/// Steps away from the start, down; up it is the caller who knows what they cost.
pub const MOST_DOWN: u32 = 10;
/// Points between two ends of a bracket.
const MOST_POINTS: usize = 24;
/// Points between one that is too easy and one that is too hard.
const MOST_INSIDE: usize = 12;
/// Part of a bracket that a point keeps off its ends.
const KEEP_OFF: f64 = 0.08;
/// How far from the border the last points stand, in `near`.
const REACH: (f64, f64) = (3.0, 25.0);
/// How often the border may turn out to lie further out.
const MOST_MOVES: usize = 4;

/// Points so far, by how hard they are.
struct Line<'a, S> {
    look: &'a mut dyn FnMut(f64) -> Result<Look, S>,
    /// The nearest point that there is.
    snap: &'a dyn Fn(f64) -> f64,
    seen: Vec<(f64, Look)>,
}

/// Searches along a line on which points get harder. `snap` gives the nearest point that there is.
pub fn search<S>(
    stretch: Stretch,
    snap: &dyn Fn(f64) -> f64,
    look: &mut dyn FnMut(f64) -> Result<Look, S>,
) -> Result<Found, S> {
    let mut line = Line { look, snap, seen: Vec::new() };
    let (near, bracket) = match stretch {
        Stretch::Between { easy, hard, near } => (near, line.between(easy, hard, near)?),
        Stretch::Around { start, step, most_up, near } => (near, line.around(start, step, most_up, near)?),
    };
    let (mut low, mut high) = match bracket {
        Ok(bracket) => bracket,
        Err(found) => return Ok(found),
    };
    let (least, most) = stretch.ends();
    for _ in 0..MOST_MOVES {
        (low, high) = line.close_in(low, high, near)?;
        let guess = line.crossing(low, high);
        let reach = line.reach(guess, low, high, near);
        for side in [guess - reach, guess + reach] {
            let side = snap(side.clamp(least, most));
            if !line.has(side, 0.3 * reach) {
                line.at(side)?;
            }
        }
        // A point above that meets the objectives: the border is behind it.
        match line.bracket_above(low, guess + 1.5 * reach) {
            Some(above) if above.0 > low => (low, high) = above,
            _ => break,
        }
    }
    (low, high) = line.close_in(low, high, near)?;
    Ok(Found::Border(line.root(low, high, near)))
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

/// Which way the border is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    TooEasy,
    Meets,
    TooHard,
}

impl Look {
    fn side(&self) -> Side {
        match (self.meets, self.is_too_easy) {
            (true, _) => Side::Meets,
            (_, true) => Side::TooEasy,
            _ => Side::TooHard,
        }
    }

    /// It meets the objectives, and not only since so little is known of it: whatever is missed at the other point is
    /// better here by more than its interval.
    fn is_proven_against(&self, other: &Look) -> bool {
        let is_better = |key: &(Option<String>, usize), missed: f64| {
            let own = self.margins.get(key);
            own.is_none_or(|(value, half)| value - half.unwrap_or(0.0) > missed)
        };
        let missed = other.margins.iter().filter(|(_, (value, _))| *value < 0.0);
        !self.is_unsure || missed.into_iter().all(|(key, (value, _))| is_better(key, *value))
    }
}

impl<S> Line<'_, S> {
    fn at(&mut self, point: f64) -> Result<Side, S> {
        let place = self.seen.partition_point(|(other, _)| *other < point);
        if self.seen.get(place).is_none_or(|(other, _)| *other != point) {
            let look = (self.look)(point)?;
            self.seen.insert(place, (point, look));
        }
        Ok(self.seen[place].1.side())
    }

    fn meets(&mut self, point: f64) -> Result<bool, S> {
        Ok(self.at(point)? == Side::Meets)
    }

    fn known(&self, point: f64) -> &Look {
        let place = self.seen.partition_point(|(other, _)| *other < point);
        &self.seen[place].1
    }

    fn has(&self, point: f64, within: f64) -> bool {
        self.seen.iter().any(|(other, _)| (other - point).abs() <= within)
    }

    fn between(&mut self, easy: f64, hard: f64, near: f64) -> Result<Bracket, S> {
        let hard_meets = self.meets(hard)?;
        if self.meets(easy)? {
            return Ok(if hard_meets { Err(Found::Whole) } else { Ok((easy, hard)) });
        }
        // Nothing is easier, yet something between may meet them: where harder is no worse.
        let parts = [0.75, 0.5, 0.25].map(|part| easy + part * (hard - easy));
        let mut harder = hard;
        for point in parts {
            if self.meets(point)? {
                return Ok(if hard_meets { Err(Found::Whole) } else { Ok((point, harder)) });
            }
            harder = point;
        }
        if hard_meets {
            return Ok(Err(Found::Whole));
        }
        let turn = self
            .seen
            .windows(2)
            .find(|pair| pair[0].1.side() == Side::TooEasy && pair[1].1.side() == Side::TooHard);
        match turn.map(|pair| (pair[0].0, pair[1].0)) {
            Some((low, high)) => self.inside(low, high, near),
            None => Ok(Err(Found::Nothing)),
        }
    }

    fn around(&mut self, start: f64, step: f64, most_up: u32, near: f64) -> Result<Bracket, S> {
        match self.at(start)? {
            Side::TooHard => self.down(start, step, near),
            _ => self.up(start, step, most_up, near),
        }
    }

    fn up(&mut self, start: f64, step: f64, most: u32, near: f64) -> Result<Bracket, S> {
        let mut last = start;
        for number in 1..=most {
            let point = start + f64::from(number) * step;
            let was = self.known(last).side();
            match (was, self.at(point)?) {
                (Side::TooEasy, Side::TooHard) => return self.inside(last, point, near),
                (Side::Meets, Side::TooEasy | Side::TooHard) => return Ok(Ok((last, point))),
                _ => last = point,
            }
        }
        let meets = self.known(last).meets;
        Ok(Err(if meets { Found::Whole } else { Found::Nothing }))
    }

    /// Less load gives fewer requests to judge by, until nothing is known any more and all seems to be well. What
    /// meets the objectives only so is no border: it is to be better than what misses them.
    fn down(&mut self, start: f64, step: f64, near: f64) -> Result<Bracket, S> {
        let (mut last, mut hopeful) = (start, None);
        for number in 1..=MOST_DOWN {
            let point = start - f64::from(number) * step;
            match self.at(point)? {
                Side::TooEasy => return self.inside(point, last, near),
                Side::TooHard => hopeful = None,
                Side::Meets => {
                    let bracket = *hopeful.get_or_insert((point, last));
                    if self.known(point).is_proven_against(self.known(start)) {
                        return Ok(Ok(bracket));
                    }
                }
            }
            last = point;
        }
        Ok(Err(Found::Nothing))
    }

    /// Between a point that is too easy and one that is too hard there may be some that meet the objectives.
    fn inside(&mut self, mut low: f64, mut high: f64, near: f64) -> Result<Bracket, S> {
        for _ in 0..MOST_INSIDE {
            let middle = (self.snap)(low + (high - low) / 2.0);
            if high - low <= near || middle <= low || middle >= high {
                break;
            }
            match self.at(middle)? {
                Side::Meets => return Ok(Ok((middle, high))),
                Side::TooEasy => low = middle,
                Side::TooHard => high = middle,
            }
        }
        Ok(Err(Found::Nothing))
    }

    /// Until the ends are near, or both are too close to call: then the line between them is no steeper than the border.
    fn close_in(&mut self, mut low: f64, mut high: f64, near: f64) -> Result<(f64, f64), S> {
        let mut halve = false;
        for _ in 0..MOST_POINTS {
            let width = high - low;
            if width <= near || (self.known(low).is_unsure && self.known(high).is_unsure) {
                break;
            }
            let keep_off = KEEP_OFF * width;
            let middle = low + width / 2.0;
            let point = if halve { middle } else { self.crossing(low, high) };
            let point = (self.snap)(point.clamp(low + keep_off, high - keep_off));
            let is_inside = |point: f64| low < point && point < high;
            let point = if is_inside(point) { point } else { (self.snap)(middle) };
            if !is_inside(point) {
                break;
            }
            if self.meets(point)? {
                low = point;
            } else {
                high = point;
            }
            // Where lines lead astray, halving is quicker.
            halve = high - low > width / 2.0;
        }
        Ok((low, high))
    }

    /// The hardest point as far as `until` that meets the objectives, and the next one, which does not.
    fn bracket_above(&self, low: f64, until: f64) -> Option<(f64, f64)> {
        let about = self.seen.iter().rev().filter(|(point, _)| (low..=until).contains(point));
        let (low, _) = about.into_iter().find(|(_, look)| look.meets)?;
        let (high, _) = self.seen.iter().find(|(point, look)| point > low && !look.meets)?;
        Some((*low, *high))
    }

    /// Where the first of the lines between two points meets zero; the middle where none does.
    fn crossing(&self, low: f64, high: f64) -> f64 {
        let first = self.zeros(low, high).map(|zero| zero.1).reduce(f64::min);
        first.unwrap_or(low + (high - low) / 2.0)
    }

    /// Of each margin that goes below zero between two points: its name, where, and the half-width of the nearer one.
    fn zeros(
        &self,
        low: f64,
        high: f64,
    ) -> impl Iterator<Item = (&(Option<String>, usize), f64, Option<f64>)> {
        let (left, right) = (self.known(low), self.known(high));
        left.margins.iter().filter_map(move |(key, (above, half))| {
            let (below, other) = right.margins.get(key)?;
            let at = low + (high - low) * above / (above - below);
            let nearer = if at - low < high - at { half } else { other };
            (*above >= 0.0 && *below <= 0.0 && above > below).then_some((key, at, *nearer))
        })
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

    /// Where the first margin between two points meets zero. All points have the same luck, so that each margin is
    /// smooth; its fall over the points about the border turns its interval into that of the zero.
    fn root(&self, low: f64, high: f64, near: f64) -> Root {
        let first = self.zeros(low, high).reduce(|best, next| if next.1 < best.1 { next } else { best });
        let Some((key, at, half)) = first else {
            return Root { at: low + (high - low) / 2.0, half: None, meets: low };
        };
        let reach = 1.5 * self.reach(at, low, high, near);
        let (from, to) = (low.min(at - reach), high.max(at + reach));
        let about = self.seen.iter().filter(|(point, _)| (from..=to).contains(point));
        let heights: Vec<(f64, f64)> =
            about.filter_map(|(point, look)| Some((*point, look.margins.get(key)?.0))).collect();
        let fall = |left: (f64, f64), right: (f64, f64)| (left.1 - right.1) / (right.0 - left.0);
        let own = |point: f64| (point, self.known(point).margins[key].0);
        let whole = fall(heights[0], heights[heights.len() - 1]);
        let slope = if whole > 0.0 { whole } else { fall(own(low), own(high)) };
        Root { at, half: half.map(|half| half / slope), meets: low }
    }
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
            let (meets, is_unsure) = (value > 0.0, value.abs() < half);
            Ok::<Look, ()>(Look { meets, is_unsure, is_too_easy: false, margins })
        };
        let found = search(stretch, &|point| point, &mut look).expect("nothing stops it");
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
        let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
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
        let around = Stretch::Around { start: 0.0, step: 1.0, most_up: 6, near: NEAR };
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
            Ok::<Look, ()>(Look { meets, is_unsure, is_too_easy: false, margins: margins.collect() })
        };
        let stretch = Stretch::Between { easy: 0.0, hard: 4.0, near: NEAR };
        let root = border(search(stretch, &|point| point, &mut look).expect("nothing stops it"));
        assert!((root.at - 1.5).abs() < 1e-6 && root.half.is_some_and(|half| (half - 0.001).abs() < 1e-6));
    }

    /// The border of a queue of one server, which holds 54 % of its load, seen through noise that is the same for
    /// points near each other and another one farther off.
    #[test]
    fn a_border_just_beyond_a_point_is_not_lost() {
        let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
        let mut inside = 0;
        const PHASES: u32 = 100;
        for phase in 0..PHASES {
            let shift = f64::from(phase) * 0.63;
            let noise = |point: f64| 0.02 * libm::sin(40.0 * point + shift) + 0.03 * libm::sin(shift * 7.0);
            let margin = |point: f64| {
                let load = 0.5 * libm::exp(point);
                noise(point) + if load < 0.999 { libm::log((1.0 - load) / 0.4605) } else { -4.0 - load }
            };
            let root = border(found(around, 0.06, margin).0);
            let truth = libm::log(0.5395 / 0.5);
            let half = root.half.expect("there is one");
            assert!((0.03..0.12).contains(&half), "{phase}: {root:?}");
            inside += u32::from((root.at - truth).abs() <= half);
        }
        assert!(inside >= 95, "{inside} of {PHASES}");
    }

    #[test]
    fn what_is_met_for_want_of_requests_is_no_border() {
        // The margin does not move, and its interval grows as requests get fewer: some point is met by luck.
        let mut look = |point: f64| {
            let half = 0.2 * libm::exp(-point / 2.0);
            let value = if point < -3.0 { 0.4 } else { -0.3 };
            let margins = BTreeMap::from([((None, 0), (value, Some(half)))]);
            let is_unsure = f64::abs(value) < half;
            Ok::<Look, ()>(Look { meets: value > 0.0, is_unsure, is_too_easy: false, margins })
        };
        let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
        assert_eq!(search(around, &|point| point, &mut look), Ok(Found::Nothing));
    }

    #[test]
    fn objectives_that_want_more_are_looked_for_above() {
        // Met from 0.2 to 0.4 only.
        let mut look = |point: f64| {
            let margins = BTreeMap::from([((None, 0), (0.4 - point, Some(0.001)))]);
            let meets = (0.2..0.4).contains(&point);
            Ok::<Look, ()>(Look { meets, is_unsure: false, is_too_easy: point < 0.2, margins })
        };
        for start in [0.0, 0.7] {
            let around = Stretch::Around { start, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
            let root = border(search(around, &|point| point, &mut look).expect("nothing stops it"));
            assert!((root.at - 0.4).abs() < 1e-6, "{root:?}");
        }
    }

    #[test]
    fn points_that_are_not_there_are_not_tried() {
        // Whole numbers of users, of which 10 is the start: 25 meet the objectives.
        let snap = |point: f64| libm::log((10.0 * libm::exp(point)).round() / 10.0);
        let mut tried: Vec<f64> = Vec::new();
        let mut look = |point: f64| {
            let users = 10.0 * libm::exp(point);
            assert!((users - users.round()).abs() < 1e-6, "{users}");
            tried.push(users.round());
            let value = libm::log(25.5 / users);
            let margins = BTreeMap::from([((None, 0), (value, Some(0.001)))]);
            Ok::<Look, ()>(Look { meets: value > 0.0, is_unsure: false, is_too_easy: false, margins })
        };
        let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
        let root = border(search(around, &snap, &mut look).expect("nothing stops it"));
        assert_eq!((10.0 * libm::exp(root.meets)).round(), 25.0);
        tried.sort_by(f64::total_cmp);
        assert!(tried.windows(2).all(|pair| pair[0] < pair[1]) && tried.len() <= 9, "{tried:?}");
    }
}
