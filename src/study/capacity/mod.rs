//! Capacity: the largest load under the objectives, or the least of whatever is varied that meets them. Only the border
//! between what meets them and what does not is looked for, with as few replications as tell the two apart.

pub mod frontier;
pub mod health;
pub mod loss;
pub mod margin;
pub mod root;
pub mod strain;
pub mod trial;

pub use health::Health;
pub use loss::Survive;
pub use margin::Margin;
pub use strain::{Ejections, FullLimit, Strain};
pub use trial::{Case, Trials, Tried, offered_rps};

use self::frontier::{Ground, Place};
use self::root::{Found, Look, Stretch};
use crate::mesh::Mesh;
use crate::study::Judged;

/// Points of one search after which the frontier may stay unfinished. The cheapest point is always found.
pub const MOST_POINTS: usize = 400;
/// Points nearer than this, in parts of a value, are alike.
const NEAR: f64 = 0.01;
/// Doublings of the load at most, and requests a replication beyond which there are none.
const MOST_UP: u32 = 6;
const MOST_REQUESTS: f64 = 2e7;

/// Why a search ended early.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop<E> {
    Interrupted,
    /// A mesh could not be made.
    Failed(E),
}

/// One value along which things get harder: a factor of the load, or any number of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// `None`: positive, and no ends are known; the search starts at 1.
    pub ends: Option<(f64, f64)>,
    /// Larger values are harder.
    pub rises: bool,
    /// There are only multiples of it: one user of a closed loop. `None`: there is every value.
    pub grain: Option<f64>,
}

/// Values in the order of their cost, of which more is never worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub count: usize,
    /// What one step costs, in order: never less than the one before.
    pub costs: Costs,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Costs {
    Even { first: f64, step: f64 },
    Each(Vec<f64>),
}

impl Axis {
    fn cost(&self, place: usize) -> f64 {
        match &self.costs {
            Costs::Even { first, step } => first + place as f64 * step,
            Costs::Each(all) => all[place],
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The value at the border, with its 95 % interval where the figures have one.
    Value { value: f64, interval: Option<(f64, f64)> },
    /// All of the range meets the objectives: its hardest point, by number among those tried.
    Whole(usize),
    Least {
        /// The cheapest point, by number among those tried.
        best: usize,
        /// Points of which none can be had with less of anything, the cheapest first; the best is among them.
        frontier: Vec<usize>,
        /// With one axis: places between which the answer lies with 95 %.
        interval: Option<(usize, usize)>,
        is_complete: bool,
    },
    /// Nothing that was tried meets the objectives; the point that came nearest.
    Nothing(usize),
}

/// Two points that tell that harder is not always worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// It should be easier, and misses the objectives beyond noise.
    pub misses: usize,
    /// It should be harder, and meets them beyond noise.
    pub meets: usize,
}

/// An answer and what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    pub answer: Answer,
    /// The point beyond the border that is nearest to it: what breaks there is what limits. Where nothing breaks, the
    /// hardest point.
    pub limit: usize,
    pub fold: Option<Fold>,
}

/// The hardest value of a scale that meets the objectives.
pub fn hardest<E>(
    trials: &mut Trials<'_>,
    scale: Scale,
    mut make: impl FnMut(f64) -> Result<Mesh, E>,
) -> Result<Capacity, Stop<E>> {
    let mut ruler = Ruler::new(scale);
    if scale.ends.is_none() {
        // Less load gives no more requests to judge by.
        let mesh = make(1.0).map_err(Stop::Failed)?;
        let first = trials.attempt(&[1.0], &mesh).ok_or(Stop::Interrupted)?;
        if trials.tried[first].lacks_data() {
            return Ok(Capacity { answer: Answer::Nothing(first), limit: first, fold: None });
        }
        ruler.allow_doublings(doublings(&mesh));
    }
    let mut look = |point: f64| {
        let value = ruler.value(point);
        let mesh = make(value).map_err(Stop::Failed)?;
        let number = trials.attempt(&[value], &mesh).ok_or(Stop::Interrupted)?;
        Ok(seen(&trials.tried[number]))
    };
    let found = root::search(ruler.stretch, &|point| ruler.snap(point), &mut look)?;
    let tried = &trials.tried;
    Ok(match found {
        Found::Border(root) => at_border(tried, &ruler, root),
        Found::Whole => {
            let hardest = extreme(tried, |tried| ruler.hardness(tried));
            Capacity { answer: Answer::Whole(hardest), limit: hardest, fold: fold_on(tried, &ruler, None) }
        }
        Found::Nothing => {
            let nearest = nearest(tried);
            Capacity { answer: Answer::Nothing(nearest), limit: nearest, fold: None }
        }
    })
}

/// How often the load may be doubled: as long as a replication has no more requests than that.
fn doublings(mesh: &Mesh) -> u32 {
    let requests = offered_rps(mesh).map(|rps| rps * mesh.run.duration.seconds());
    let may_double = |times: &u32| requests.is_none_or(|all| all * f64::from(1 << times) <= MOST_REQUESTS);
    (1..=MOST_UP).take_while(may_double).last().unwrap_or(1)
}

fn at_border(tried: &[Tried], ruler: &Ruler, root: root::Root) -> Capacity {
    let ends = root.ends.map(|ends| covering(tried, ruler, root.at, ends));
    let (value, interval) = match ruler.scale.grain {
        // Of values with nothing between them it is the hardest that meets the objectives.
        Some(grain) => {
            let whole = |end: f64| (ruler.value(end) / grain + 1e-6).floor() * grain;
            let value = ruler.value(root.meets);
            (value, ends.map(|ends| (whole(ends[0]).max(grain).min(value), whole(ends[1]).max(value))))
        }
        None => {
            let ends = ends.map(|ends| ends.map(|end| ruler.value(end)));
            (ruler.value(root.at), ends.map(|ends| (ends[0].min(ends[1]), ends[0].max(ends[1]))))
        }
    };
    let from_border = |tried: &Tried| -(ruler.hardness(tried) - root.at).abs();
    let limit = extreme(tried, |tried| if tried.meets() { f64::NEG_INFINITY } else { from_border(tried) });
    Capacity { answer: Answer::Value { value, interval }, limit, fold: fold_on(tried, ruler, Some(root)) }
}

/// Two points that tell of another border; without one, of any.
fn fold_on(tried: &[Tried], ruler: &Ruler, root: Option<root::Root>) -> Option<Fold> {
    let (easier, harder) = root.map_or((f64::INFINITY, f64::INFINITY), |root| {
        let (low, high) = root.ends.unwrap_or((root.at, root.at));
        (low.min(root.at - NEAR), high.max(root.at + NEAR))
    });
    let hardness = |number: usize| ruler.hardness(&tried[number]);
    let all = || 0..tried.len();
    let (misses, meets) =
        (|number: &usize| tried[*number].surely_misses(), |number: &usize| tried[*number].surely_meets());
    if let Some(below) = all().find(|number| hardness(*number) < easier && misses(number)) {
        let meets = all().filter(meets).find(|number| hardness(*number) > hardness(below));
        return meets.map(|meets| Fold { misses: below, meets });
    }
    let above = all().find(|number| hardness(*number) > harder && meets(number))?;
    let misses = all().filter(misses).find(|number| hardness(*number) < hardness(above));
    misses.map(|misses| Fold { misses, meets: above })
}

/// The interval, widened to what the points about the border leave open: it reaches over the gap between the nearest
/// ones on both sides, where nothing was tried but something could have been, and over those too close to call that
/// tell otherwise.
fn covering(tried: &[Tried], ruler: &Ruler, at: f64, (low, high): (f64, f64)) -> [f64; 2] {
    let of = |what: &dyn Fn(f64, &Tried) -> bool| {
        let all = tried.iter().map(|tried| (ruler.hardness(tried), tried));
        all.filter(|(point, tried)| what(*point, tried)).map(|(point, _)| point).collect::<Vec<f64>>()
    };
    let below = of(&|point, tried| point <= at && tried.meets()).into_iter().reduce(f64::max);
    let above = of(&|point, tried| point >= at && !tried.meets()).into_iter().reduce(f64::min);
    let above = above.filter(|_| ruler.scale.grain.is_none());
    let doubted = of(&|point, tried| point < at && !tried.meets() && tried.is_unsure());
    let hoped = of(&|point, tried| point > at && tried.meets() && tried.is_unsure());
    [
        below.into_iter().chain(doubted).fold(low, f64::min),
        above.into_iter().chain(hoped).fold(high, f64::max),
    ]
}

/// Of the points that miss the objectives, the one that comes nearest to them: beside the border, where one value is
/// just short. Of those that tell nothing of an objective only where there is no other.
fn nearest_miss(tried: &[Tried]) -> Option<usize> {
    let misses = (0..tried.len()).filter(|number| !tried[*number].meets());
    let rank = |number: usize| (!tried[number].lacks_data(), tried[number].margin());
    misses.reduce(|best, next| if rank(next) > rank(best) { next } else { best })
}

/// The point to show where none is good enough.
fn nearest(tried: &[Tried]) -> usize {
    // Where nothing changes anything, that with the most requests, which tells it best.
    if unmoved(tried).is_some() { 0 } else { nearest_miss(tried).unwrap_or(0) }
}

/// The objective that is missed, and is the same at each point that was tried, as far as its intervals can tell: what
/// was varied has nothing to do with it.
pub fn unmoved(tried: &[Tried]) -> Option<&Judged> {
    let (first, others) = tried.split_first()?;
    let case = first.worst()?;
    let is_same = |number: usize, first: &Judged| {
        let of = |judged: &Judged| Some((judged.observed.value?, judged.observed.ci95?));
        others.iter().all(|other| {
            let judged = other.worst().and_then(|case| case.judged.get(number));
            let both = judged.and_then(of).zip(of(first));
            both.is_some_and(|(one, other)| (one.0 - other.0).abs() <= one.1 + other.1)
        })
    };
    let missed = case.judged.iter().enumerate().filter(|(_, judged)| !judged.met);
    let found = missed.into_iter().find(|(number, judged)| is_same(*number, judged));
    found.map(|(_, judged)| judged).filter(|_| others.len() > 1)
}

/// The first of those for which `of` is largest; there is at least one.
fn extreme(tried: &[Tried], of: impl Fn(&Tried) -> f64) -> usize {
    (0..tried.len())
        .reduce(|best, next| if of(&tried[next]) > of(&tried[best]) { next } else { best })
        .unwrap_or(0)
}

fn seen(tried: &Tried) -> Look {
    let margins = tried.cases.iter().flat_map(|case| {
        let of =
            |(number, margin): (usize, &Margin)| ((case.loss.clone(), number), (margin.value, margin.half));
        case.margins.iter().chain(&case.health.margins).enumerate().map(of)
    });
    Look {
        meets: tried.meets(),
        is_unsure: tried.is_unsure(),
        is_too_easy: tried.is_too_easy(),
        margins: margins.collect(),
    }
}

/// Between values and how hard they are: positive values that span much go by their logarithm.
struct Ruler {
    scale: Scale,
    is_log: bool,
    stretch: Stretch,
}

/// From here on a range goes by its logarithm.
const WIDE: f64 = 2.0;

impl Ruler {
    fn new(scale: Scale) -> Ruler {
        let is_log = scale.ends.is_none_or(|(low, high)| low > 0.0 && high >= WIDE * low);
        let (step, most_up) = (std::f64::consts::LN_2, MOST_UP);
        let start = Stretch::Around { start: 0.0, step, most_up, near: NEAR };
        let mut ruler = Ruler { scale, is_log, stretch: start };
        if let Some((low, high)) = scale.ends {
            let (one, other) = (ruler.point(low), ruler.point(high));
            let near = if is_log { NEAR } else { NEAR * (high - low) };
            ruler.stretch = Stretch::Between { easy: one.min(other), hard: one.max(other), near };
        }
        ruler
    }

    fn allow_doublings(&mut self, times: u32) {
        if let Stretch::Around { most_up, .. } = &mut self.stretch {
            *most_up = times;
        }
    }

    fn hardness(&self, tried: &Tried) -> f64 {
        self.point(tried.at[0])
    }

    /// The nearest point that there is.
    fn snap(&self, point: f64) -> f64 {
        let Some(grain) = self.scale.grain else { return point };
        self.point(grain * (self.value(point) / grain).round().max(1.0))
    }

    fn point(&self, value: f64) -> f64 {
        let point = if self.is_log { libm::log(value) } else { value };
        if self.scale.rises { point } else { -point }
    }

    fn value(&self, point: f64) -> f64 {
        let point = if self.scale.rises { point } else { -point };
        let value = if self.is_log { libm::exp(point) } else { point };
        // Ends are as written; between them six digits are enough for anybody.
        match self.scale.ends {
            Some((low, _)) if value <= low * (1.0 + 1e-12) => low,
            Some((_, high)) if value >= high * (1.0 - 1e-12) => high,
            _ => format!("{value:.5e}").parse().unwrap_or(value),
        }
    }
}

/// The cheapest place on a grid of values that meets the objectives, and all others of which none can be had with less
/// of anything. `make` gives the mesh of a place.
pub fn cheapest<E>(
    trials: &mut Trials<'_>,
    axes: &[Axis],
    make: impl FnMut(&[usize]) -> Result<Mesh, E>,
) -> Result<Capacity, Stop<E>> {
    let mut field = Field { trials, axes, make };
    let mut top: Place = axes.iter().map(|axis| axis.count - 1).collect();
    let last = field.attempt(&top)?;
    if !field.trials.tried[last].meets() {
        match field.hill(&top)? {
            Some(lower) => top = lower,
            None => {
                let nearest = nearest(&field.trials.tried);
                return Ok(Capacity { answer: Answer::Nothing(nearest), limit: nearest, fold: None });
            }
        }
    }
    let border = frontier::search(&mut field, &top)?;
    let frontier: Vec<usize> =
        border.least.iter().map(|place| field.attempt(place)).collect::<Result<_, _>>()?;
    let interval = match border.least.first() {
        Some(least) if axes.len() == 1 => Some(field.interval(least[0], top[0])?),
        _ => None,
    };
    let (best, tried) = (frontier[0], &field.trials.tried);
    let answer = Answer::Least { best, frontier, interval, is_complete: border.is_complete };
    Ok(Capacity { answer, limit: nearest_miss(tried).unwrap_or(best), fold: fold(tried) })
}

/// Two points of which the higher one misses the objectives, and the lower one meets them.
fn fold(tried: &[Tried]) -> Option<Fold> {
    let misses = (0..tried.len()).filter(|number| tried[*number].surely_misses());
    let is_below = |low: &Tried, high: &Tried| low.at.iter().zip(&high.at).all(|(low, high)| low <= high);
    let pairs = misses.flat_map(|misses| (0..tried.len()).map(move |meets| Fold { misses, meets }));
    let mut folds = pairs
        .filter(|pair| tried[pair.meets].surely_meets() && is_below(&tried[pair.meets], &tried[pair.misses]));
    folds.next()
}

struct Field<'f, 'a, F> {
    trials: &'f mut Trials<'a>,
    axes: &'f [Axis],
    make: F,
}

impl<E, F: FnMut(&[usize]) -> Result<Mesh, E>> Field<'_, '_, F> {
    fn attempt(&mut self, place: &[usize]) -> Result<usize, Stop<E>> {
        let at: Vec<f64> = place.iter().map(|place| *place as f64).collect();
        if let Some(known) = self.trials.tried.iter().position(|tried| tried.at == at) {
            return Ok(known);
        }
        let mesh = (self.make)(place).map_err(Stop::Failed)?;
        self.trials.attempt(&at, &mesh).ok_or(Stop::Interrupted)
    }

    fn is(&mut self, place: usize, what: impl Fn(&Tried) -> bool) -> Result<bool, Stop<E>> {
        let number = self.attempt(&[place])?;
        Ok(what(&self.trials.tried[number]))
    }

    /// A place below the top, which misses the objectives, that meets them.
    fn hill(&mut self, top: &[usize]) -> Result<Option<Place>, Stop<E>> {
        for part in [3, 2, 1, 0] {
            let place: Place = top.iter().map(|top| top * part / 4).collect();
            let number = self.attempt(&place)?;
            if self.trials.tried[number].meets() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Of one axis: from the first place that does not surely miss the objectives to the first that surely meets them,
    /// as far as `top`.
    fn interval(&mut self, answer: usize, top: usize) -> Result<(usize, usize), Stop<E>> {
        let tried = &self.trials.tried;
        let places = |what: &dyn Fn(&Tried) -> bool| {
            let fits = tried.iter().filter(|tried| what(tried));
            fits.map(|tried| tried.at[0] as usize).collect::<Vec<usize>>()
        };
        let below = places(&Tried::surely_misses).into_iter().filter(|place| *place < answer).max();
        let above = places(&Tried::surely_meets).into_iter().filter(|place| *place >= answer).min();
        let low = match below {
            Some(below) => {
                frontier::first(below, answer, |place| self.is(place, |tried| !tried.surely_misses()))?
            }
            None => 0,
        };
        let above = above.unwrap_or(top).min(top);
        if above <= answer {
            return Ok((low, answer));
        }
        let high = frontier::first(answer, above, |place| self.is(place, Tried::surely_meets))?;
        Ok((low, high))
    }
}

impl<E, F: FnMut(&[usize]) -> Result<Mesh, E>> Ground for Field<'_, '_, F> {
    type Stop = Stop<E>;

    fn meets(&mut self, place: &[usize]) -> Result<bool, Stop<E>> {
        let number = self.attempt(place)?;
        Ok(self.trials.tried[number].meets())
    }

    fn cost(&self, place: &[usize]) -> f64 {
        self.axes.iter().zip(place).map(|(axis, place)| axis.cost(*place)).sum()
    }

    fn goes_on(&self) -> bool {
        self.trials.tried.len() < MOST_POINTS
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
