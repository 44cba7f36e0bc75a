//! The least values that meet the objectives, on a grid of which only the border is tried. Where more of everything is
//! never worse, a point that meets them speaks for all above it, and one that misses them for all below.
//!
//! The cheapest point not known to miss is tried next. If it meets the objectives, nothing cheaper does. If it misses
//! them, it is pushed up, one value after the other and each by halving, as far as points still miss them; all below is
//! then out, and the cheapest points outside of it are the next candidates. So the points of the frontier come in order
//! of cost, and the first one is the answer. Source: the frontier of a monotone set from its borders on both sides is
//! Bioch and Ibaraki 1995, Complexity of identification and dualization of positive Boolean functions; for two values
//! it is the staircase walk.

/// A point of the grid: for each value its place, from the one that meets the objectives least.
pub type Place = Vec<usize>;

/// What the search needs to know of the world.
pub trait Ground {
    /// Why it stopped.
    type Stop;
    /// Whether the objectives are met there.
    fn meets(&mut self, place: &[usize]) -> Result<bool, Self::Stop>;
    /// Never less at a place that is above another.
    fn cost(&self, place: &[usize]) -> f64;
    /// Whether more points may be tried.
    fn goes_on(&self) -> bool;
}

/// The border between what meets the objectives and what does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Border {
    /// Places that meet them while everything below does not, the cheapest first.
    pub least: Vec<Place>,
    /// Places that miss them while everything above meets them or was not tried.
    pub short: Vec<Place>,
    /// All of it is known.
    pub is_complete: bool,
}

/// `top` is the highest place, and meets the objectives.
pub fn search<G: Ground>(ground: &mut G, top: &[usize]) -> Result<Border, G::Stop> {
    let mut walk = Walk::new(ground, top);
    let mut border = Border::default();
    let mut open: Vec<Place> = vec![vec![0; top.len()]];
    loop {
        open.retain(|place| !border.least.iter().any(|least| is_below(least, place)));
        let cheapest = open.iter().min_by(|left, right| {
            let cost = |place: &Place| walk.ground.cost(place);
            cost(left).total_cmp(&cost(right)).then_with(|| left.cmp(right))
        });
        let Some(next) = cheapest.cloned() else {
            border.is_complete = true;
            return Ok(border);
        };
        if !border.least.is_empty() && !walk.ground.goes_on() {
            return Ok(border);
        }
        if walk.meets(&next)? {
            border.least.push(next);
        } else {
            let short = walk.push_up(next)?;
            open = above(open, &short, top);
            border.short.push(short);
        }
    }
}

/// What is known on the way.
struct Walk<'a, G> {
    ground: &'a mut G,
    top: &'a [usize],
    /// All above these meets the objectives.
    met: Vec<Place>,
    /// All below these misses them.
    missed: Vec<Place>,
    /// Which value is pushed up first: those that cost least, since what they cannot mend must be paid for.
    axes: Vec<usize>,
}

impl<'a, G: Ground> Walk<'a, G> {
    fn new(ground: &'a mut G, top: &'a [usize]) -> Walk<'a, G> {
        let alone = |axis: usize| {
            let mut place = vec![0; top.len()];
            place[axis] = top[axis];
            ground.cost(&place)
        };
        let mut axes: Vec<usize> = (0..top.len()).collect();
        axes.sort_by(|left, right| alone(*left).total_cmp(&alone(*right)));
        Walk { ground, top, met: vec![top.to_vec()], missed: Vec::new(), axes }
    }

    fn meets(&mut self, place: &[usize]) -> Result<bool, G::Stop> {
        if self.met.iter().any(|met| is_below(met, place)) {
            return Ok(true);
        }
        if self.missed.iter().any(|missed| is_below(place, missed)) {
            return Ok(false);
        }
        let meets = self.ground.meets(place)?;
        let known = if meets { &mut self.met } else { &mut self.missed };
        known.push(place.to_vec());
        Ok(meets)
    }

    /// The highest place that still misses the objectives, from one that does.
    fn push_up(&mut self, mut place: Place) -> Result<Place, G::Stop> {
        for axis in self.axes.clone() {
            let (mut low, mut high) = (place[axis], self.top[axis] + 1);
            // Often no amount of one value makes up for the others, and one look tells.
            let mut probe = self.top[axis];
            while high - low > 1 {
                let mut moved = place.clone();
                moved[axis] = probe;
                if self.meets(&moved)? {
                    high = probe;
                } else {
                    low = probe;
                }
                probe = low + (high - low) / 2;
            }
            place[axis] = low;
        }
        Ok(place)
    }
}

fn is_below(low: &[usize], high: &[usize]) -> bool {
    low.iter().zip(high).all(|(low, high)| low <= high)
}

/// The lowest places that are not below `short`, of those that are not below what was known before.
fn above(open: Vec<Place>, short: &[usize], top: &[usize]) -> Vec<Place> {
    let (below, mut rest): (Vec<Place>, Vec<Place>) =
        open.into_iter().partition(|place| is_below(place, short));
    for place in below {
        for axis in (0..top.len()).filter(|axis| short[*axis] < top[*axis]) {
            let mut lifted = place.clone();
            lifted[axis] = short[axis] + 1;
            rest.push(lifted);
        }
    }
    rest.sort();
    rest.dedup();
    let is_least = |place: &Place| !rest.iter().any(|other| other != place && is_below(other, place));
    rest.iter().filter(|place| is_least(place)).cloned().collect()
}

/// The first number in `low + 1 ..= high` that is `true`, where all from some number on are; `high` is.
pub fn first<E>(
    mut low: usize,
    mut high: usize,
    mut is_true: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_true(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernel::random::name_hash;

    /// A set that is known: above any of some places.
    struct Known {
        least: Vec<Place>,
        weights: Vec<f64>,
        tried: BTreeSet<Place>,
        most: usize,
    }

    impl Ground for Known {
        type Stop = ();
        fn meets(&mut self, place: &[usize]) -> Result<bool, ()> {
            assert!(self.tried.insert(place.to_vec()), "{place:?} is asked for twice");
            Ok(self.least.iter().any(|least| is_below(least, place)))
        }
        fn cost(&self, place: &[usize]) -> f64 {
            place.iter().zip(&self.weights).map(|(value, weight)| *value as f64 * weight).sum()
        }
        fn goes_on(&self) -> bool {
            self.tried.len() < self.most
        }
    }

    /// Places without one of them above another.
    fn random(seed: u64, top: &[usize], count: u64) -> Vec<Place> {
        let draw = |n: u64| name_hash(&format!("{seed} {n}")) as usize;
        let all: Vec<Place> = (0..count)
            .map(|place| {
                let axes = top.iter().enumerate();
                axes.map(|(axis, top)| draw(place * 8 + axis as u64) % (top + 1)).collect()
            })
            .collect();
        let is_least = |place: &Place| !all.iter().any(|other| other != place && is_below(other, place));
        let least: BTreeSet<Place> = all.iter().filter(|place| is_least(place)).cloned().collect();
        least.into_iter().collect()
    }

    #[test]
    fn the_whole_frontier_is_found_cheapest_first_on_random_ground() {
        for seed in 0..200 {
            let top: &[usize] = [&[40][..], &[12, 30], &[6, 5, 9], &[3, 4, 2, 5]][seed as usize % 4];
            let least = random(seed, top, 1 + seed % 7);
            let weights =
                top.iter().enumerate().map(|(axis, _)| (seed as usize % (axis + 2)) as f64).collect();
            let mut ground =
                Known { least: least.clone(), weights, tried: BTreeSet::new(), most: usize::MAX };
            let border = search(&mut ground, top).expect("nothing stops it");
            assert!(border.is_complete);
            let found: BTreeSet<Place> = border.least.iter().cloned().collect();
            assert_eq!(found, least.iter().cloned().collect(), "seed {seed}");
            let costs: Vec<f64> = border.least.iter().map(|place| ground.cost(place)).collect();
            assert!(costs.is_sorted(), "seed {seed}: {costs:?}");
        }
    }

    #[test]
    fn a_range_takes_as_many_points_as_halving() {
        let weights = vec![1.0];
        let mut ground = Known { least: vec![vec![300]], weights, tried: BTreeSet::new(), most: 99 };
        let border = search(&mut ground, &[1000]).expect("nothing stops it");
        assert_eq!((border.least, border.short), (vec![vec![300]], vec![vec![299]]));
        assert!(ground.tried.len() <= 12, "{} points", ground.tried.len());
    }

    #[test]
    fn two_ranges_take_a_walk_along_the_border_and_no_grid() {
        let least = (0..12).map(|step| vec![step, 400 - 30 * step]).collect();
        let mut ground = Known { least, weights: vec![1.0, 0.0], tried: BTreeSet::new(), most: usize::MAX };
        let border = search(&mut ground, &[12, 500]).expect("nothing stops it");
        assert_eq!(border.least.len(), 12);
        assert!(ground.tried.len() < 13 * 12, "{} of {} points", ground.tried.len(), 13 * 501);
    }

    #[test]
    fn the_cheapest_is_known_even_if_the_rest_is_not() {
        let least = vec![vec![2, 9], vec![5, 5], vec![9, 1]];
        let mut ground = Known { least, weights: vec![1.0, 1.0], tried: BTreeSet::new(), most: 1 };
        let border = search(&mut ground, &[12, 12]).expect("nothing stops it");
        assert!(!border.is_complete);
        assert!(ground.cost(&border.least[0]) == 10.0, "{border:?}");
    }

    #[test]
    fn the_first_of_a_row_is_found() {
        for answer in 1..=17 {
            assert_eq!(first::<()>(0, 17, |number| Ok(number >= answer)), Ok(answer));
        }
    }
}
