//! Whether a run is long beside what it remembers: a line that is long now is long a while later, too, and until that is
//! forgotten, more requests tell nothing new. Intervals are made of replications that hold a handful of such stretches
//! each, and hold less often than they say.
//!
//! The measured time is cut into pieces. If memory fades evenly, neighbours are alike by what the length of a piece is
//! beside it; so the likeness gives the memory, and the memory how many stretches of it the run holds. Told is what holds
//! fewer than [`ENOUGH`], and surely fewer than twice that. A few long lines may look like a long memory; so ranks must
//! say the same, though they forget sooner.
//! Source: Law, Carson 1979, A sequential procedure for determining the length of a steady-state simulation (likeness of
//! neighbouring batches); von Neumann 1941; Fisher 1921 (how sure a correlation is); Fieller,
//! Hartley, Pearson 1957 (the same of ranks); docs/studies.md.

use std::fmt;

use super::{ERROR, FEW, standard_deviations, whose};
use crate::kernel::{SimDuration, SimTime};
use crate::metrics::Metric;
use crate::study::figures::RunResults;
use crate::study::over_time::SeriesFigures;
use crate::study::pieces::Noise;
use crate::study::sample::Subject;

/// Stretches that a run should hold: a queue's mean of 28 is in its interval 90 times in 100, of 7 it is 87 times, of one 73
/// (docs/studies.md).
const ENOUGH: f64 = 20.0;
/// How many times as many ranks must be surely below: long lines remember longer than short ones, and count no more here.
const OF_RANKS: f64 = 2.0;
/// How much more to write than what was found to be enough: what fades in several ways is found to fade a little too soon.
const MARGIN: f64 = 1.5;
/// Stretches below which a memory is as long as the run, and its length anybody's guess.
const HARDLY_ANY: f64 = 2.0;

/// Correlation from which on more is taken for no more.
const CLOSEST: f64 = 0.999;
/// Variance of a correlation of ranks, in parts of that of values. Source: Fieller, Hartley, Pearson 1957.
const RANKS_SPREAD: f64 = 1.06;

/// The measured time holds few stretches that are independent of each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Short {
    /// The series that remembers longest: a client's latency, or a line.
    pub subject: Subject,
    pub metric: Metric,
    pub measured: SimDuration,
    /// How many stretches that is.
    pub stretches: f64,
    /// How long one is; `None` if it is as long as the run.
    pub memory: Option<SimDuration>,
    /// The duration with which the measured time would hold enough; `None` without a memory.
    pub needed: Option<SimDuration>,
}

/// What remembers longest of all that remembers too long, in what is measured from `from` on.
pub(super) fn find(run: &RunResults, from: SimTime) -> Option<Short> {
    let window = run.clock.window.nanos();
    let first = from.nanos().div_ceil(window.max(1)) as usize;
    // Requests in flight remember those that take long, which nobody waits for.
    let looked_at = run.series.iter().filter(|row| row.pieces.is_some() && row.metric != Metric::RqActive);
    let error = ERROR / looked_at.clone().count() as f64;
    let of = |row: &SeriesFigures| {
        let noise = row.pieces.as_ref()?.noise(first, false)?;
        Some((stretches(&noise, error)?, noise))
    };
    let found = looked_at.filter_map(|row| Some((row, of(row)?)));
    let (row, (stretches, noise)) =
        found.reduce(|least, next| if next.1.0 < least.1.0 { next } else { least })?;
    let measured = (noise.pieces * noise.length) as u64 * window;
    let memory = measured as f64 / stretches;
    let is_known = stretches >= HARDLY_ANY;
    let given = run.clock.warmup.nanos() as f64;
    Some(Short {
        subject: row.subject.clone(),
        metric: row.metric,
        measured: run.clock.duration.since(from),
        stretches,
        memory: is_known.then(|| rounded(memory)),
        needed: is_known.then(|| rounded_up(given + MARGIN * ENOUGH * memory)),
    })
}

/// How many stretches the pieces hold together, if there are too few at a level of `error`.
fn stretches(noise: &Noise, error: f64) -> Option<f64> {
    if noise.pieces < FEW || noise.rests {
        return None;
    }
    let pieces = noise.pieces as f64;
    let is_sure = |likeness: f64, most: f64, spread: f64| {
        let excess = libm::atanh(likeness.clamp(0.0, CLOSEST)) - libm::atanh(likeness_of(most / pieces));
        excess * libm::sqrt((noise.freedom - 3.0) / spread) > standard_deviations(error)
    };
    let found = pieces * stretches_of(noise.likeness.clamp(0.0, CLOSEST));
    (found < ENOUGH
        && is_sure(noise.likeness, 2.0 * ENOUGH, 1.0)
        && is_sure(noise.likeness_of_ranks, 2.0 * OF_RANKS * ENOUGH, RANKS_SPREAD))
    .then_some(found)
}

/// Correlation of neighbouring pieces, each of which holds so many stretches, if memory fades exponentially. A stretch is
/// the time over which the mean varies as the mean of independent values would that are one stretch apart: twice the
/// time in which memory fades to 1/e.
fn likeness_of(stretches: f64) -> f64 {
    let times = 2.0 * stretches;
    let forgotten = -libm::expm1(-times);
    forgotten * forgotten / (2.0 * (times - forgotten))
}

/// The inverse of [`likeness_of`], by halving; at most 1000.
fn stretches_of(likeness: f64) -> f64 {
    let (mut few, mut many) = (1e-4, 1e3);
    for _ in 0..60 {
        let middle = f64::midpoint(few, many);
        if likeness_of(middle) > likeness { few = middle } else { many = middle }
    }
    few
}

/// To a second, or below ten to a hundredth of themselves.
fn rounded(nanos: f64) -> SimDuration {
    let step = if nanos < 1e10 { step_of(nanos / 10.0) } else { 1_000_000_000 };
    SimDuration::from_nanos((nanos / step as f64).round() as u64 * step)
}

/// The power of ten at or below.
fn step_of(nanos: f64) -> u64 {
    10u64.pow(libm::log10(nanos.max(1.0)) as u32)
}

/// What one would write: whole seconds, tens of seconds, minutes, five minutes, hours.
fn rounded_up(nanos: f64) -> SimDuration {
    let seconds = nanos / 1e9;
    let step = match seconds {
        ..10.0 => 1,
        ..60.0 => 10,
        ..600.0 => 60,
        ..3600.0 => 300,
        _ => 3600,
    };
    SimDuration::from_secs((seconds / step as f64).ceil() as u64 * step)
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Short { subject, metric, measured, stretches, memory, needed } = self;
        write!(f, "the run is short: {} is alike ", whose(subject, *metric))?;
        match memory {
            Some(memory) => write!(
                f,
                "for about {memory}, so {measured} hold {stretches:.0} independent stretches, and intervals hold less \
                 often than they say; "
            )?,
            None => write!(f, "all run long, so intervals hold less often than they say; ")?,
        }
        match needed {
            Some(needed) => write!(f, "write `duration: {needed}`"),
            None => write!(f, "write a much longer `duration:`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_and_stretches_are_inverse() {
        // Of pieces as long as a stretch: (1 - e^-2)² / (2 (1 + e^-2)).
        assert!((likeness_of(1.0) - 0.329_26).abs() < 1e-4);
        for stretches in [0.01, 0.3, 1.0, 4.0, 50.0] {
            assert!((stretches_of(likeness_of(stretches)) / stretches - 1.0).abs() < 1e-6, "{stretches}");
        }
        assert!(stretches_of(0.0) > 999.0);
    }

    #[test]
    fn few_stretches_are_told_if_they_are_sure() {
        let noise = |likeness, freedom| Noise {
            length: 5,
            pieces: 20,
            freedom,
            variance: 1.0,
            likeness,
            likeness_of_ranks: likeness,
            rests: false,
        };
        let found = stretches(&noise(0.7, 79.0), 0.01).expect("sure");
        assert!((5.0..7.0).contains(&found), "{found}");
        assert_eq!(stretches(&noise(0.4, 19.0), 0.01), None);
        assert_eq!(stretches(&noise(0.3, 10_000.0), 0.01), None);
        assert_eq!(stretches(&Noise { rests: true, ..noise(0.7, 79.0) }, 0.01), None);
        assert_eq!(stretches(&Noise { likeness_of_ranks: 0.2, ..noise(0.7, 79.0) }, 0.01), None);
    }

    #[test]
    fn durations_are_such_as_one_would_write() {
        let up = |seconds: f64| rounded_up(seconds * 1e9).to_string();
        assert_eq!([3.2, 31.0, 332.0, 700.0, 4000.0].map(up), ["4s", "40s", "6m", "15m", "2h"]);
        let about = |seconds: f64| rounded(seconds * 1e9).to_string();
        assert_eq!(
            [0.012_34, 0.5678, 3.21, 15.6, 99.7].map(about),
            ["12ms", "570ms", "3.2s", "16s", "1m40s"]
        );
    }
}
