//! Where the start of a run ends, and whether the warm-up reaches that far.
//!
//! The start ends where MSER-5 says: of all beginnings that could be left out, at most half, the one after which the mean
//! of the rest is the surest. It is the series' mean over replications that is looked at, so chance is small. MSER likes
//! to leave out a little of any series; told is therefore only what also differs from the rest by more than chance makes,
//! and moves the figure by more than a hundredth.
//!
//! What chance makes is known from pieces of the rest in all replications; how well it is known, from their number. So the
//! difference is one of Student's t, at a level that all series and all ends of the start share.
//! Source: White, Cobb, Spratt 2000, A comparison of five steady-state truncation heuristics for simulation; White 1997;
//! Schruben 1982, Detecting initialization bias in simulation output; docs/studies.md.

use std::fmt;

use super::{ERROR, FEW, standard_deviations, whose};
use crate::kernel::{SimDuration, SimTime};
use crate::metrics::Metric;
use crate::study::figures::RunResults;
use crate::study::over_time::SeriesFigures;
use crate::study::pieces::{Pieces, mean};
use crate::study::sample::Subject;

/// Windows that are taken together, where there are enough.
const BATCH: usize = 5;
/// Part of a figure by which the start must move it.
const NOTABLE: f64 = 0.01;

/// The warm-up ends before the start does.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmUp {
    pub given: SimDuration,
    /// What would do; `None` if the series has not settled by the middle of the run.
    pub needed: Option<SimDuration>,
    /// The series that takes longest.
    pub subject: Subject,
    pub metric: Metric,
    /// By how much the start moves its mean over the measured time, per cent of its mean in the rest.
    pub moves_pct: f64,
}

/// A series as means of so many windows each.
struct Batches {
    values: Vec<f64>,
    windows: usize,
}

impl Batches {
    /// `None` where the series is too short or has gaps.
    fn of(row: &SeriesFigures) -> Option<Batches> {
        let values: Option<Vec<f64>> = row.values.iter().map(|point| point.value).collect();
        let values = values?;
        let windows = if values.len() >= BATCH * FEW { BATCH } else { 1 };
        let values: Vec<f64> = values.chunks_exact(windows).map(mean).collect();
        (values.len() >= FEW).then_some(Batches { values, windows })
    }

    /// How many to leave out.
    fn start(&self) -> usize {
        let ends = 0..=self.values.len() / 2;
        let of = |end: usize| {
            let rest = &self.values[end..];
            let mean = mean(rest);
            let squares: f64 = rest.iter().map(|value| (value - mean) * (value - mean)).sum();
            squares / (rest.len() * rest.len()) as f64
        };
        ends.map(|end| (end, of(end)))
            .reduce(|best, next| if next.1 < best.1 { next } else { best })
            .map_or(0, |best| best.0)
    }

    /// No start of at most half is long enough.
    fn is_unsettled(&self, until: usize) -> bool {
        until >= self.values.len() / 2
    }

    /// Mean of [`from`, `until`) less that of the rest behind it, in parts of the latter; `None` unless it is clear at the
    /// level of `look`.
    fn clear_difference(&self, (from, until): (usize, usize), look: &Look<'_>) -> Option<f64> {
        let (early, late) = (&self.values[from..until], &self.values[until..]);
        let (before, after) = (mean(early), mean(late));
        if after <= 0.0 {
            return None;
        }
        // What still goes up or down is no noise.
        let noise = look.pieces.noise(until * self.windows, self.is_unsettled(until))?;
        let of = |batches: usize| 1.0 / (batches * self.windows) as f64;
        // Lines and latencies that are twice as long vary twice as much.
        let louder = (before / after).max(1.0);
        let variance =
            noise.long_run() / look.replications * (louder * louder * of(early.len()) + of(late.len()));
        // Each of the ends that might have been chosen might have stood out by chance, upward or downward.
        let ends = self.values.len() / 2 - from;
        let chance = if variance > 0.0 {
            student(look.error / (2 * ends) as f64, noise.long_run_freedom()) * libm::sqrt(variance)
        } else {
            0.0
        };
        ((before - after).abs() > chance).then(|| (before - after) / after)
    }
}

/// How a series is looked at.
struct Look<'a> {
    pieces: &'a Pieces,
    replications: f64,
    /// How often chance may raise an alarm.
    error: f64,
}

/// What a t variable exceeds with probability `tail`, which is small; within a tenth for three degrees of freedom or more,
/// and infinite for fewer than two.
/// Source: Gaver, Kafadar 1984, A retrievable recipe for inverse t, The American Statistician 38.
fn student(tail: f64, freedom: f64) -> f64 {
    if freedom < 2.0 {
        return f64::INFINITY;
    }
    let z = standard_deviations(tail);
    libm::sqrt(freedom * libm::expm1(z * z * (freedom - 1.5) / ((freedom - 1.0) * (freedom - 1.0))))
}

/// The start that takes longest, of all series that tell of one: latencies that clients see, requests in flight, lines.
pub(super) fn longest(run: &RunResults) -> Option<WarmUp> {
    let window = run.clock.window.nanos();
    let given = run.clock.warmup.since(SimTime::ZERO);
    let looked_at: Vec<_> = run.series.iter().filter_map(|row| Some((row, row.pieces.as_ref()?))).collect();
    let looked_at = looked_at.iter().filter(|(row, _)| row.metric != Metric::RqPendingActive);
    let error = ERROR / looked_at.clone().count() as f64;
    let of = |(row, pieces): &(&SeriesFigures, &Pieces)| {
        let batches = Batches::of(row)?;
        let length = window * batches.windows as u64;
        let (from, until) = (given.nanos().div_ceil(length) as usize, batches.start());
        if until <= from {
            return None;
        }
        let look = Look { pieces, replications: run.replications as f64, error };
        let difference = batches.clear_difference((from, until), &look)?;
        let moves = difference * (until - from) as f64 / (batches.values.len() - from) as f64;
        let settled = !batches.is_unsettled(until);
        let moves_pct = 100.0 * moves;
        (moves.abs() >= NOTABLE).then(|| WarmUp {
            given,
            needed: settled.then(|| SimDuration::from_nanos(until as u64 * length)),
            subject: row.subject.clone(),
            metric: row.metric,
            moves_pct,
        })
    };
    let found = looked_at.filter_map(of);
    // One that has not settled takes longest of all.
    let takes = |one: &WarmUp| one.needed.unwrap_or(SimDuration::MAX);
    found.reduce(|longest, next| if takes(&next) > takes(&longest) { next } else { longest })
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WarmUp { given, needed, subject, metric, moves_pct } = self;
        let whose = whose(subject, *metric);
        match needed {
            Some(needed) => write!(
                f,
                "the warm-up of {given} is too short: {whose} settles later, which moves its mean by {moves_pct:+.0} %; \
                 write `warmup: {needed}`"
            ),
            None => write!(
                f,
                "{whose} has not settled by the middle of the run: figures depend on its length; write a longer `duration:`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Clock, Estimate, Scope};
    use crate::study::fixture;

    const WINDOWS: usize = 100;

    /// A line of so many windows, by the number of the window: its level, off which replications go by `noise`, in turns
    /// of four windows and each two against each other, so that their mean is the level.
    fn line(target: &str, windows: usize, level: impl Fn(f64) -> f64, noise: f64) -> SeriesFigures {
        of_replications(2, target, windows, level, noise)
    }

    fn of_replications(
        replications: usize,
        target: &str,
        windows: usize,
        level: impl Fn(f64) -> f64,
        noise: f64,
    ) -> SeriesFigures {
        let (source, target, subset) = (String::new(), target.to_owned(), String::new());
        let subject = Subject { scope: Scope::Workload, source, target, subset };
        let levels: Vec<f64> = (0..windows).map(|at| level(at as f64)).collect();
        let mut pieces = Pieces::new(windows, 0);
        for replication in 0..replications {
            let sign = |at: usize| if (at / 4 + replication).is_multiple_of(2) { noise } else { -noise };
            let own: Vec<f64> = levels.iter().enumerate().map(|(at, level)| level + sign(at)).collect();
            pieces.add(Some(&own));
        }
        let values = levels.into_iter().map(Estimate::exact).collect();
        SeriesFigures { subject, metric: Metric::Queue, values, pieces: Some(pieces) }
    }

    /// Windows of 2 s.
    fn found(warmup_s: u64, replications: usize, series: Vec<SeriesFigures>) -> Option<WarmUp> {
        let at = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
        let windows = series[0].values.len() as u64;
        let clock =
            Clock { warmup: at(warmup_s), duration: at(2 * windows), window: SimDuration::from_secs(2) };
        let fixture = RunResults::pool(&fixture::two_replications());
        longest(&RunResults { clock, replications, series, ..fixture })
    }

    /// From one level to another after so many windows.
    fn step(windows: f64, early: f64, late: f64) -> impl Fn(f64) -> f64 {
        move |at| if at < windows { early } else { late }
    }

    fn seconds(found: Option<WarmUp>) -> Option<f64> {
        found.map(|warm_up| warm_up.needed.expect("it settles").seconds())
    }

    #[test]
    fn the_warm_up_that_is_asked_for_ends_where_the_start_does() {
        let of = |warmup_s| found(warmup_s, 2, vec![line("a", WINDOWS, step(10.0, 50.0, 100.0), 1.0)]);
        let all = of(0).expect("it starts at half");
        assert_eq!((all.given, all.needed), (SimDuration::ZERO, Some(SimDuration::from_secs(20))));
        assert!((all.moves_pct + 5.0).abs() < 1e-9, "half of a tenth is missing: {}", all.moves_pct);
        // Ten seconds of it are left, of 190.
        let rest = of(10).expect("the second half of the start");
        assert_eq!((rest.given.seconds(), rest.needed), (10.0, all.needed));
        assert!((rest.moves_pct + 100.0 * 0.5 / 19.0).abs() < 1e-9, "{}", rest.moves_pct);
        assert_eq!((of(20), of(11)), (None, None), "windows are taken five by five");
        // Later values that vary a little less are no end of the start: the mean of fewer is less sure.
        let wavy = |at: f64| {
            let sign = if (at / 5.0).floor() % 2.0 == 0.0 { 1.0 } else { -1.0 };
            if at < 10.0 { 50.0 } else { 100.0 + sign * if at < 50.0 { 1.0 } else { 0.8 } }
        };
        assert_eq!(seconds(found(0, 2, vec![line("a", WINDOWS, wavy, 1.0)])), Some(20.0));
        // Few windows are taken one by one, and fewer than ten tell nothing.
        let short = |windows| {
            let series = vec![line("a", windows, step(3.0, 50.0, 100.0), 1.0)];
            seconds(found(0, 2, series))
        };
        assert_eq!((short(24), short(9)), (Some(6.0), None));
    }

    #[test]
    fn a_start_is_told_that_chance_and_a_hundredth_cannot_explain() {
        let of = |replications, early, noise| {
            let series = of_replications(replications, "a", WINDOWS, step(10.0, early, 100.0), noise);
            found(0, replications, vec![series]).is_some()
        };
        // In two replications chance is 2.0 times the noise: t of 14 degrees of freedom at 1 % by twenty looks is 4.1.
        assert_eq!((of(2, 50.0, 22.0), of(2, 50.0, 29.0)), (true, false));
        assert!(of(8, 50.0, 29.0), "more replications are surer");
        // Where the start is twice as long, it is twice as loud, which is 3.8 times the noise.
        assert_eq!((of(2, 200.0, 22.0), of(2, 200.0, 32.0)), (true, false));
        // A tenth of the time that is lower by 10 % moves the mean by 1 %.
        assert_eq!((of(2, 89.0, 0.1), of(2, 91.0, 0.1)), (true, false));
        assert!(!of(2, 50.0, f64::NAN) && !of(2, 100.0, 5.0));
    }

    #[test]
    fn the_more_series_there_are_the_more_a_start_must_tell() {
        let with = |count: usize, metric| {
            let quiet = |_| SeriesFigures { metric, ..line("quiet", WINDOWS, |_| 1.0, 0.1) };
            let started = line("a", WINDOWS, step(10.0, 50.0, 100.0), 22.0);
            found(0, 2, std::iter::once(started).chain((0..count).map(quiet)).collect())
        };
        assert!(with(1, Metric::Queue).is_some());
        assert_eq!(with(99, Metric::Queue), None);
        assert!(with(99, Metric::RqPendingActive).is_some(), "those are not looked at");
    }

    #[test]
    fn what_takes_longest_is_told_and_what_never_settles_takes_longest_of_all() {
        let early = || line("early", WINDOWS, step(10.0, 50.0, 100.0), 1.0);
        let late = || line("late", WINDOWS, step(30.0, 50.0, 100.0), 1.0);
        for series in [vec![early(), late()], vec![late(), early()]] {
            let found = found(0, 2, series).expect("both start");
            assert_eq!(
                (found.subject.target.as_str(), found.needed),
                ("late", Some(SimDuration::from_secs(60)))
            );
        }
        let rising = || line("rising", WINDOWS, |at| 100.0 + at, 1.0);
        for series in [vec![rising(), late()], vec![late(), rising()]] {
            let found = found(0, 2, series).expect("both start");
            assert_eq!((found.subject.target.as_str(), found.needed), ("rising", None));
        }
        // Half of the run is no start any more, however well it is settled behind it.
        let half = |windows| found(0, 2, vec![line("half", WINDOWS, step(windows, 50.0, 100.0), 1.0)]);
        assert_eq!(half(45.0).expect("it starts").needed, Some(SimDuration::from_secs(90)));
        assert_eq!(half(50.0).expect("it starts").needed, None);
    }

    #[test]
    fn lines_with_gaps_or_without_a_rest_tell_nothing() {
        let mut gap = line("a", WINDOWS, step(10.0, 50.0, 100.0), 1.0);
        gap.values[99] = Estimate::NONE;
        assert_eq!(found(0, 2, vec![gap]), None);
        assert_eq!(found(0, 2, vec![line("a", WINDOWS, step(10.0, 50.0, 0.0), 1.0)]), None);
        let mut unseen = line("a", WINDOWS, step(10.0, 50.0, 100.0), 1.0);
        unseen.pieces = None;
        assert_eq!(found(0, 2, vec![unseen]), None, "no level that a run comes to");
    }

    /// Against tables.
    #[test]
    fn quantiles_of_t_are_right() {
        for (tail, freedom, exact) in
            [(0.025, 10.0, 2.228), (0.025, 3.0, 3.182), (0.001, 5.0, 5.893), (0.000_5, 30.0, 3.646)]
        {
            let found = student(tail, freedom);
            assert!((found / exact - 1.0).abs() < 0.025, "{found} is not {exact}");
        }
        assert_eq!(student(0.01, 1.9), f64::INFINITY);
    }
}
