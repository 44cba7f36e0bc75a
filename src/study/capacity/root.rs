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
    pub ends: Option<(f64, f64)>,
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
    /// smooth, and what its interval cannot tell from zero is that of the border: from where its lower bound falls below
    /// zero to where its upper bound does, or as far as its fall over all points about the border says.
    fn root(&self, low: f64, high: f64, near: f64) -> Root {
        let first = self.zeros(low, high).reduce(|best, next| if next.1 < best.1 { next } else { best });
        let Some((key, at, half)) = first else {
            return Root { at: low + (high - low) / 2.0, ends: None, meets: low };
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
        let bound = |sign: f64| {
            let of = |(point, look): &(f64, Look)| {
                let (value, half) = look.margins.get(key)?;
                Some((*point, value + sign * (*half)?))
            };
            let about = self.seen.iter().filter(|(point, _)| (from..=to).contains(point));
            nearest_zero(&about.filter_map(of).collect::<Vec<_>>(), at)
        };
        let ends = half.map(|half| {
            let (low, high) = (bound(-1.0), bound(1.0));
            (low.unwrap_or(at - half / slope).min(at), high.unwrap_or(at + half / slope).max(at))
        });
        Root { at, ends, meets: low }
    }
}

/// Where the line from point to point falls below zero, nearest to `at`.
fn nearest_zero(points: &[(f64, f64)], at: f64) -> Option<f64> {
    let falls = points.windows(2).filter(|pair| pair[0].1 >= 0.0 && pair[1].1 < 0.0);
    let zeros = falls.map(|pair| {
        let ((left, above), (right, below)) = (pair[0], pair[1]);
        left + (right - left) * above / (above - below)
    });
    zeros.reduce(|best, next| if (next - at).abs() < (best - at).abs() { next } else { best })
}

#[cfg(test)]
#[path = "root_tests.rs"]
mod tests;
