//! Whose pods are busiest, and when: a canary's bottleneck fills a few minutes and vanishes in the mean of a run.

use super::figures::RunResults;
use super::over_time::SeriesFigures;
use crate::kernel::SimTime;
use crate::metrics::{Metric, Scope};

/// The busiest stretch is this part of the measured time: long enough to be no moment's chance.
const PART: usize = 10;

/// The workload with the busiest stretch of all, over all its pods and replications.
#[derive(Clone, Debug, PartialEq)]
pub struct Bottleneck {
    pub workload: String,
    /// Busy share of its slots in the stretch, per cent.
    pub busy_pct: f64,
    pub from: SimTime,
    pub to: SimTime,
    /// The same over the whole measured time.
    pub whole_pct: f64,
    /// Its busiest pod, with that pod's share over the whole measured time.
    pub pod: Option<(String, f64)>,
}

impl Bottleneck {
    /// `None` where no workload has a limit. Of equals the first by name and the earliest stretch.
    pub fn of(run: &RunResults) -> Option<Bottleneck> {
        stretches(run).reduce(|best, next| if next.busy_pct > best.busy_pct { next } else { best })
    }

    /// Every workload with a limit, the fullest one first, of equals the one that is so for longer: one pod that is full
    /// is enough, however idle the others are.
    pub fn each(run: &RunResults) -> Vec<Bottleneck> {
        let mut all: Vec<Bottleneck> = stretches(run).collect();
        let rank = |one: &Bottleneck| (one.fullness_pct().round(), one.whole_pct);
        let order =
            |left: (f64, f64), right: (f64, f64)| right.0.total_cmp(&left.0).then(right.1.total_cmp(&left.1));
        all.sort_by(|left, right| order(rank(left), rank(right)));
        all
    }

    /// Busy share of its slots in the stretch or of its busiest pod's in the whole time, whichever is more, per cent.
    pub fn fullness_pct(&self) -> f64 {
        self.pod.as_ref().map_or(self.busy_pct, |(_, pct)| pct.max(self.busy_pct))
    }
}

fn stretches(run: &RunResults) -> impl Iterator<Item = Bottleneck> {
    let is_busy =
        |row: &&SeriesFigures| row.subject.scope == Scope::Workload && row.metric == Metric::UtilizationPct;
    run.series.iter().filter(is_busy).filter_map(|row| busiest_stretch(run, row))
}

fn busiest_stretch(run: &RunResults, row: &SeriesFigures) -> Option<Bottleneck> {
    let first = run.windows.iter().position(|begin| *begin >= run.clock.warmup)?;
    let values: Vec<Option<f64>> = row.values[first..].iter().map(|point| point.value).collect();
    let length = values.len().div_ceil(PART);
    let means = values.windows(length).enumerate().filter_map(|(at, part)| Some((at, mean(part)?)));
    let (at, busy_pct) = means.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    let end = run.windows.get(first + at + length).copied();
    let workload = row.subject.target.clone();
    let known: Vec<Option<f64>> = values.iter().copied().filter(Option::is_some).collect();
    Some(Bottleneck {
        busy_pct,
        from: run.windows[first + at],
        to: end.unwrap_or(run.clock.duration),
        whole_pct: mean(&known)?,
        pod: busiest_pod(run, &workload),
        workload,
    })
}

/// `None` if a value is missing: pods that are away are not idle.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known: Option<Vec<f64>> = values.iter().copied().collect();
    known.map(|known| known.iter().sum::<f64>() / known.len() as f64)
}

fn busiest_pod(run: &RunResults, workload: &str) -> Option<(String, f64)> {
    let is_own = |host: &str| host.rsplit_once('-').is_some_and(|(name, _)| name == workload);
    let own = run.hosts.iter().filter(|row| is_own(&row.host));
    let pods = own.filter_map(|row| Some((row.host.clone(), row.utilization_pct.value?)));
    pods.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_busiest_stretch_tells_when() {
        let run = RunResults::pool(&fixture::canary(2));
        let found = Bottleneck::of(&run).expect("workloads have limits");
        // 1.8 % of its slots for each per cent of the calls: 90 % from 4:00 to 7:00, of which the stretch is the first part.
        assert_eq!((found.workload.as_str(), found.busy_pct), ("reviews-v2", 90.0));
        assert_eq!((found.from.seconds(), found.to.seconds()), (240.0, 297.0));
        let whole = 1.8 * (60.0 * 10.0 + 60.0 * 25.0 + 180.0 * 50.0) / 570.0;
        assert!((found.whole_pct - whole).abs() < 1e-9, "{} is not {whole}", found.whole_pct);
        assert_eq!(found.pod, Some(("reviews-v2-1".to_owned(), 72.25)));
    }

    #[test]
    fn a_full_pod_counts_however_idle_the_others_are() {
        let mut run = RunResults::pool(&fixture::canary(2));
        let names = |run: &RunResults| {
            Bottleneck::each(run).into_iter().map(|found| found.workload).collect::<Vec<String>>()
        };
        assert_eq!((names(&run).len(), names(&run)[0].as_str()), (names(&run).len(), "reviews-v2"));
        assert!(names(&run).len() > 1, "all of them are told");
        let pod = run.hosts.iter_mut().find(|row| row.host.starts_with("reviews-v1-")).expect("a pod");
        pod.utilization_pct = crate::metrics::Estimate::exact(97.0);
        assert_eq!(names(&run)[0], "reviews-v1");
        assert_eq!(Bottleneck::each(&run)[0].fullness_pct(), 97.0);
    }

    #[test]
    fn the_warm_up_is_no_bottleneck() {
        let mut run = RunResults::pool(&fixture::canary(1));
        run.series.retain(|row| row.subject.target == "ratings-v1" && row.metric == Metric::UtilizationPct);
        run.series[0].values[..30].iter_mut().for_each(|point| point.value = Some(100.0));
        assert_eq!(Bottleneck::of(&run).expect("there").busy_pct, 12.0);
    }

    #[test]
    fn nothing_is_busy_where_nothing_is_limited() {
        assert_eq!(Bottleneck::of(&RunResults::pool(&fixture::two_replications())), None);
        assert_eq!(Bottleneck::of(&RunResults::pool(&[])), None);
    }
}
