//! Whether figures are those of a steady state: the warm-up has taken the start away, and no line grows to the end.
//!
//! Where the scenario itself changes over time, there is no steady state to look for, and nothing is told.
//!
//! The start ends where MSER-5 says: of all beginnings that could be left out, at most half, the one after which the mean
//! of the rest is the surest. It is the series' mean over replications that is looked at, so chance is small. MSER likes
//! to leave out a little of any series; told is therefore only what also differs from the rest by more than chance makes,
//! and moves the figure by more than a hundredth. Source: White, Cobb, Spratt 2000, A comparison of five steady-state
//! truncation heuristics for simulation; White 1997; docs/studies.md.

use std::fmt;

use super::figures::RunResults;
use super::over_time::SeriesFigures;
use super::sample::Subject;
use crate::kernel::arrivals::Load;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::Mesh;
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Metric, Scope};

/// Windows that are taken together, where there are enough.
const BATCH: usize = 5;
/// Values below which nothing is looked for.
const FEW: usize = 10;
/// Standard deviations by which the start must differ from the rest. A run has a dozen series, and MSER picks in each the
/// start that differs most.
const CLEAR: f64 = 5.0;
/// Part of a figure by which the start must move it.
const NOTABLE: f64 = 0.01;
/// Busy share of a workload's slots, per cent, from which on it has none left.
const FULL: f64 = 99.5;
/// How much longer a line is in the last quarter than in the third, and there than in the second, if it only grows: in
/// the middle of a line that grows evenly from nothing, 7 to 5 and 5 to 3.
const GROWTH: f64 = 1.15;

/// Why figures are not those of a steady state.
#[derive(Clone, Debug, PartialEq)]
pub enum Unsteady {
    WarmUp(WarmUp),
    Overload(Overload),
}

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

/// A line that grows to the end of the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Overload {
    /// A workload with its waiting requests, or a cluster with requests that wait for a connection.
    pub subject: Subject,
    /// Waiting requests more each second, over the second half.
    pub growth: f64,
    /// Requests per second that come, and that are served; `None` where only growth is known.
    pub rates: Option<(f64, f64)>,
    /// Other workloads without a free slot in the second half: what it may wait for.
    pub others: Vec<String>,
}

/// What is not steady about a run of `mesh`; empty where all is, or where the scenario changes over time.
pub fn check(run: &RunResults, mesh: &Mesh) -> Vec<Unsteady> {
    if !is_stationary(mesh) {
        return Vec::new();
    }
    let overloads = overloads(run);
    if !overloads.is_empty() {
        return overloads.into_iter().map(Unsteady::Overload).collect();
    }
    longest_start(run).map(Unsteady::WarmUp).into_iter().collect()
}

/// Nothing that the scenario orders happens at a moment of its own.
pub fn is_stationary(mesh: &Mesh) -> bool {
    let is_even = |load: &Load| !matches!(load, Load::Profile { .. } | Load::Trace { .. });
    mesh.states.len() <= 1
        && mesh.clients.iter().all(|(_, client)| is_even(&client.load))
        && mesh.workloads.iter().all(|(_, workload)| {
            let begins = |at: SimTime| at == SimTime::ZERO;
            workload.incidents.is_empty() && workload.life.scalings.iter().all(|scaling| begins(scaling.at))
        })
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

    /// Mean of [`from`, `until`) less that of the rest behind it, in parts of the latter; `None` unless it is clear.
    fn clear_difference(&self, from: usize, until: usize) -> Option<f64> {
        let (early, late) = (&self.values[from..until], &self.values[until..]);
        let (before, after) = (mean(early), mean(late));
        let parts = 1.0 / early.len() as f64 + 1.0 / late.len() as f64;
        // What still goes up or down is no noise.
        let trend = if self.is_unsettled(until) { slope(late) } else { 0.0 };
        let middle = (late.len() - 1) as f64 / 2.0;
        let level = |at: usize| after + trend * (at as f64 - middle);
        let deviations: Vec<f64> = late.iter().enumerate().map(|(at, value)| value - level(at)).collect();
        let noise = (long_run_variance(&deviations) * parts).sqrt();
        ((before - after).abs() > CLEAR * noise && after > 0.0).then(|| (before - after) / after)
    }
}

/// Variance of a mean of many neighbours, times their number: neighbours are alike, and alike ones tell less.
fn long_run_variance(deviations: &[f64]) -> f64 {
    let squares: f64 = deviations.iter().map(|one| one * one).sum();
    let products: f64 = deviations.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if squares == 0.0 {
        return 0.0;
    }
    let likeness = (products / squares).clamp(0.0, 0.95);
    squares / (deviations.len() - 1) as f64 * (1.0 + likeness) / (1.0 - likeness)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// What is looked at: latencies that clients see, requests in flight, lines.
fn tells_of_the_start(row: &SeriesFigures) -> bool {
    match row.metric {
        Metric::LatencyP50 => row.subject.scope == Scope::Client && row.subject.target == ALL_CLASSES,
        Metric::RqActive | Metric::Queue => true,
        _ => false,
    }
}

fn longest_start(run: &RunResults) -> Option<WarmUp> {
    let window = run.clock.window.nanos();
    let given = run.clock.warmup.since(SimTime::ZERO);
    let of = |row: &SeriesFigures| {
        let batches = Batches::of(row)?;
        let length = window * batches.windows as u64;
        let (from, until) = (given.nanos().div_ceil(length) as usize, batches.start());
        if until <= from {
            return None;
        }
        let difference = batches.clear_difference(from, until)?;
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
    let found = run.series.iter().filter(|row| tells_of_the_start(row)).filter_map(of);
    // One that has not settled takes longest of all.
    let takes = |one: &WarmUp| one.needed.unwrap_or(SimDuration::MAX);
    found.reduce(|longest, next| if takes(&next) > takes(&longest) { next } else { longest })
}

fn overloads(run: &RunResults) -> Vec<Overload> {
    let full: Vec<&str> = run
        .series
        .iter()
        .filter(|row| row.metric == Metric::UtilizationPct)
        .filter(|row| second_half(row).is_some_and(|half| mean(&half) >= FULL))
        .map(|row| row.subject.target.as_str())
        .collect();
    let seconds = run.clock.window.seconds();
    let growing = run.series.iter().filter_map(|row| {
        let is_line = match row.metric {
            Metric::Queue => full.contains(&row.subject.target.as_str()),
            Metric::RqPendingActive => true,
            _ => false,
        };
        Some((row, growth(row).filter(|_| is_line)? / seconds))
    });
    let growing: Vec<_> = growing.collect();
    let is_own =
        |name: &str| growing.iter().any(|(row, _)| row.metric == Metric::Queue && row.subject.target == name);
    let others: Vec<String> =
        full.iter().filter(|name| !is_own(name)).map(|name| (*name).to_owned()).collect();
    let found = growing.iter().map(|(row, growth)| Overload {
        subject: row.subject.clone(),
        growth: *growth,
        rates: (row.metric == Metric::Queue)
            .then(|| offered(run, &row.subject.target))
            .flatten()
            .map(|rps| (rps, rps - growth)),
        others: others.clone(),
    });
    found.collect()
}

fn second_half(row: &SeriesFigures) -> Option<Vec<f64>> {
    let half = &row.values[row.values.len() / 2..];
    half.iter().map(|point| point.value).collect::<Option<Vec<f64>>>().filter(|half| half.len() >= FEW / 2)
}

/// By how much a line grows from window to window in the second half, by least squares, if it does nothing but grow.
fn growth(row: &SeriesFigures) -> Option<f64> {
    let values: Vec<f64> = row.values.iter().map(|point| point.value).collect::<Option<_>>()?;
    if values.len() < FEW {
        return None;
    }
    let quarters: Vec<f64> = values.chunks(values.len().div_ceil(4)).map(mean).collect();
    let [_, second, third, last] = quarters[..] else { return None };
    if last < GROWTH * third || third < GROWTH * second || last < 1.0 {
        return None;
    }
    Some(slope(&values[values.len() / 2..]))
}

/// From one value to the next, by least squares.
fn slope(values: &[f64]) -> f64 {
    let (middle, level) = ((values.len() - 1) as f64 / 2.0, mean(values));
    let products = values.iter().enumerate().map(|(at, value)| (at as f64 - middle) * (value - level));
    let squares = (0..values.len()).map(|at| (at as f64 - middle) * (at as f64 - middle));
    products.sum::<f64>() / squares.sum::<f64>()
}

/// Requests per second that reach a workload's pods.
fn offered(run: &RunResults, workload: &str) -> Option<f64> {
    let is_own = |host: &str| host.rsplit_once('-').is_some_and(|(name, _)| name == workload);
    let own = run.hosts.iter().filter(|row| is_own(&row.host));
    let attempts: f64 = own.filter_map(|row| row.attempts.value).sum();
    let seconds = run.clock.measured_s();
    (attempts > 0.0 && seconds > 0.0).then(|| attempts / seconds)
}

fn rate(rps: f64) -> String {
    if rps < 100.0 { format!("{rps:.1}") } else { format!("{rps:.0}") }
}

/// `the line at server`.
fn whose(subject: &Subject, metric: Metric) -> String {
    let service = || match subject.subset.as_str() {
        "" => subject.target.clone(),
        subset => format!("{} {subset}", subject.target),
    };
    match metric {
        Metric::LatencyP50 => format!("median latency of {}", subject.source),
        Metric::Queue => format!("the line at {}", subject.target),
        Metric::RqPendingActive => {
            format!("the line of {}'s requests for a connection to {}", subject.source, service())
        }
        _ => format!("requests in flight from {} to {}", subject.source, service()),
    }
}

impl fmt::Display for Unsteady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsteady::WarmUp(warm_up) => warm_up.fmt(f),
            Unsteady::Overload(overload) => overload.fmt(f),
        }
    }
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

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overload { subject, growth, rates, others } = self;
        write!(f, "no steady state: ")?;
        match rates {
            Some((offered, served)) => write!(
                f,
                "{} gets {} requests/s and serves {}, {:.0} % more than it can",
                subject.target,
                rate(*offered),
                rate(*served),
                100.0 * (offered / served - 1.0)
            )?,
            None => write!(
                f,
                "{} grows to the end, by {growth:.1} a second",
                whose(subject, Metric::RqPendingActive)
            )?,
        }
        write!(f, "; latency and what is unfinished depend on the duration")?;
        if !others.is_empty() {
            write!(f, " (no free slot either: {})", others.join(", "))?;
        }
        Ok(())
    }
}
