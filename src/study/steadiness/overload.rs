//! A line that only grows: more comes than can be served.

use std::fmt;

use super::{FEW, whose};
use crate::kernel::words::grouped;
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
    grouped(rps, if rps < 100.0 { 1 } else { 0 })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{SimDuration, SimTime};
    use crate::metrics::{Clock, Estimate, Scope};
    use crate::study::figures::HostFigures;
    use crate::study::fixture;

    /// 100 values, by the number of their window.
    fn row(scope: Scope, target: &str, metric: Metric, value: impl Fn(f64) -> f64) -> SeriesFigures {
        let (source, target) = ("web".to_owned(), target.to_owned());
        let subject = Subject { scope, source, target, subset: String::new() };
        SeriesFigures {
            subject,
            metric,
            pieces: None,
            values: (0..100).map(|at| Estimate::exact(value(f64::from(at)))).collect(),
        }
    }

    /// 100 windows of 2 s.
    fn run(warmup_s: u64, series: Vec<SeriesFigures>) -> RunResults {
        let at = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
        let clock = Clock { warmup: at(warmup_s), duration: at(200), window: SimDuration::from_secs(2) };
        RunResults { clock, series, ..RunResults::pool(&fixture::two_replications()) }
    }

    fn host(name: &str, attempts: f64) -> HostFigures {
        let none = Estimate::NONE;
        HostFigures {
            service: "any".to_owned(),
            subset: String::new(),
            host: name.to_owned(),
            zone: String::new(),
            attempts: Estimate::exact(attempts),
            errors: none,
            utilization_pct: none,
            queue_mean: none,
            queue_max: none,
            ejections: none,
            ejected_s: none,
        }
    }

    #[test]
    fn lines_grow_by_the_second_where_no_slot_is_free() {
        let line = |target, metric, value: f64, growth: f64| {
            row(Scope::Workload, target, metric, move |at| value + growth * at)
        };
        let mut run = run(
            0,
            vec![
                line("server", Metric::Queue, 0.0, 3.0),
                line("server", Metric::UtilizationPct, 100.0, 0.0),
                line("busy", Metric::Queue, 5.0, 0.0),
                line("busy", Metric::UtilizationPct, 100.0, 0.0),
                line("idle", Metric::Queue, 0.0, 3.0),
                line("idle", Metric::UtilizationPct, 90.0, 0.0),
            ],
        );
        run.hosts = vec![host("server-0", 600.0), host("server-1", 400.0), host("server-v2-0", 999.0)];
        let [found] = &find(&run)[..] else { panic!("one line grows") };
        assert_eq!((found.subject.target.as_str(), found.growth), ("server", 1.5));
        assert_eq!((found.rates, &found.others[..]), (Some((5.0, 3.5)), &["busy".to_owned()][..]));
        let told = Overload { rates: Some((250.0, 200.0)), ..found.clone() }.to_string();
        assert!(told.contains("server gets 250 requests/s and serves 200, 25 % more than it can;"), "{told}");
        assert!(told.ends_with("(no free slot either: busy)"), "{told}");
    }

    #[test]
    fn a_line_that_fills_up_once_or_is_hardly_there_does_not_grow() {
        let of = |value: &dyn Fn(f64) -> f64| growth(&row(Scope::Workload, "server", Metric::Queue, value));
        assert_eq!(of(&|at| 2.0 * at), Some(2.0));
        assert_eq!(of(&|at| at.min(60.0)), None, "it ends");
        assert_eq!(of(&|at| (at - 40.0).clamp(0.0, 20.0) + 9.0), None, "it comes late and ends");
        assert_eq!(of(&|at| at / 200.0), None, "less than one waits");
    }
}
