//! A line that only grows: more comes than can be served.

use std::fmt;

use super::{FEW, whose};
use crate::metrics::Metric;
use crate::study::figures::RunResults;
use crate::study::over_time::SeriesFigures;
use crate::study::pieces::{mean, slope};
use crate::study::sample::Subject;

/// Busy share of a workload's slots, per cent, from which on it has none left.
const FULL: f64 = 99.5;
/// How much longer a line is in the last quarter than in the third, and there than in the second, if it only grows: in
/// the middle of a line that grows evenly from nothing, 7 to 5 and 5 to 3.
const GROWTH: f64 = 1.15;

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

/// All lines that grow.
pub(super) fn find(run: &RunResults) -> Vec<Overload> {
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
    let quarters: Vec<&[f64]> = values.chunks(values.len().div_ceil(4)).collect();
    let [_, early, _, late] = quarters[..] else { return None };
    let means: Vec<f64> = quarters.iter().map(|quarter| mean(quarter)).collect();
    if means[3] < GROWTH * means[2] || means[2] < GROWTH * means[1] || means[3] < 1.0 {
        return None;
    }
    // A line that only wanders is at times as short late as it was early.
    let (longest, shortest) =
        (early.iter().copied().fold(0.0, f64::max), late.iter().copied().fold(f64::MAX, f64::min));
    if shortest <= longest {
        return None;
    }
    Some(slope(&values[values.len() / 2..]))
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
