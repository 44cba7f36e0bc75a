//! What a mesh is short of at one point of a search: servers, limits of pools, hosts that are ejected.

use crate::metrics::Counter;
use crate::study::{Bottleneck, ClusterFigures, RunResults};

/// Full limits that are told.
const MOST: usize = 4;

/// Where it is tight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strain {
    /// Workloads that have a limit, the fullest first.
    pub workers: Vec<Bottleneck>,
    /// Limits that were full, the one that turned away most first.
    pub limits: Vec<FullLimit>,
    /// Clusters that lost hosts to outlier detection, those with most ejections first.
    pub ejections: Vec<Ejections>,
}

/// A limit of a cluster's pool that was full.
#[derive(Clone, Debug, PartialEq)]
pub struct FullLimit {
    /// Who keeps it: the caller, or the workload whose own sidecars do.
    pub keeper: String,
    pub service: String,
    pub subset: String,
    pub port: u16,
    /// Kept by the called pods' own sidecars.
    pub is_inbound: bool,
    /// As DestinationRule names it.
    pub field: &'static str,
    /// How often it was, per replication.
    pub times: f64,
    /// The same in per cent of the cluster's calls; `None` where it has none.
    pub share_pct: Option<f64>,
    /// Whoever comes to it waits, where others are refused.
    pub waits: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ejections {
    pub caller: String,
    pub service: String,
    pub subset: String,
    /// Per replication.
    pub count: f64,
    /// Attempts that found no host, per replication.
    pub no_host: f64,
}

/// Which counter tells of which limit, and whether requests wait there. Source: semantics S7.4, S7.11.
const LIMITS: [(Counter, &str, bool); 4] = [
    (Counter::PendingOverflow, "http1MaxPendingRequests", false),
    (Counter::ActiveOverflow, "http2MaxRequests", false),
    (Counter::RetryOverflow, "maxRetries", false),
    (Counter::CxOverflow, "maxConnections", true),
];

impl Strain {
    pub fn of(run: &RunResults) -> Strain {
        let mut limits: Vec<FullLimit> = run.clusters.iter().flat_map(full_limits).collect();
        // Refusals are failures; waiting only costs time.
        limits.sort_by(|left, right| left.waits.cmp(&right.waits).then(right.times.total_cmp(&left.times)));
        limits.truncate(MOST);
        let mut ejections: Vec<Ejections> = run.clusters.iter().filter_map(ejections).collect();
        ejections.sort_by(|left, right| right.count.total_cmp(&left.count));
        ejections.truncate(MOST);
        Strain { workers: Bottleneck::each(run), limits, ejections }
    }
}

fn full_limits(row: &ClusterFigures) -> impl Iterator<Item = FullLimit> + '_ {
    LIMITS.iter().filter_map(|(counter, field, waits)| {
        let times = row.counter(*counter).value.filter(|times| *times > 0.0)?;
        let calls = row.calls.value.filter(|calls| *calls > 0.0);
        Some(FullLimit {
            keeper: row.source.clone(),
            service: row.service.clone(),
            subset: if row.is_inbound() { String::new() } else { row.subset.clone() },
            port: row.port,
            is_inbound: row.is_inbound(),
            field,
            times,
            share_pct: calls.map(|calls| 100.0 * times / calls),
            waits: *waits,
        })
    })
}

fn ejections(row: &ClusterFigures) -> Option<Ejections> {
    let count = row.counter(Counter::Ejections).value.filter(|count| *count > 0.0)?;
    Some(Ejections {
        caller: row.source.clone(),
        service: row.service.clone(),
        subset: row.subset.clone(),
        count,
        no_host: row.counter(Counter::NoHealthyUpstream).value.unwrap_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{SimDuration, SimTime};
    use crate::mesh::Outcome;
    use crate::metrics::{Clock, Recorder};

    /// One replication in which `app` is called ten times through each subset, and counters stand as they are given.
    fn run(counts: &[(&str, Counter, u32)]) -> RunResults {
        let at = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
        let clock = Clock { warmup: at(0), duration: at(10), window: SimDuration::from_secs(10) };
        let mut recorder = Recorder::new(clock, &[("web".to_owned(), Vec::new())], &[]);
        for (subset, counter, count) in counts {
            let row = recorder.cluster_row("web", "app", 80, subset);
            (0..10).for_each(|_| recorder.call_done(row, SimDuration::from_millis(1), Outcome::OK, true));
            (0..*count).for_each(|_| recorder.count(row, *counter, true));
        }
        RunResults::pool(&[recorder.finish()])
    }

    #[test]
    fn full_limits_are_told_by_how_many_they_turned_away() {
        let strain = Strain::of(&run(&[
            ("a", Counter::CxOverflow, 9),
            ("b", Counter::PendingOverflow, 2),
            ("c", Counter::ActiveOverflow, 5),
            ("d", Counter::Retries, 7),
            ("inbound|80", Counter::RetryOverflow, 1),
        ]));
        let told = strain.limits.iter().map(|limit| {
            assert_eq!((limit.keeper.as_str(), limit.service.as_str(), limit.port), ("web", "app", 80));
            (limit.field, limit.subset.as_str(), limit.times, limit.share_pct, limit.waits, limit.is_inbound)
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ("http2MaxRequests", "c", 5.0, Some(50.0), false, false),
                ("http1MaxPendingRequests", "b", 2.0, Some(20.0), false, false),
                ("maxRetries", "", 1.0, Some(10.0), false, true),
                ("maxConnections", "a", 9.0, Some(90.0), true, false),
            ],
            "those who only wait come last"
        );
        let many = ["a", "b", "c", "d", "e"].map(|subset| (subset, Counter::ActiveOverflow, 1));
        assert_eq!(Strain::of(&run(&many)).limits.len(), MOST);
    }

    #[test]
    fn ejections_are_told_with_what_found_no_host() {
        let strain = Strain::of(&run(&[
            ("a", Counter::Ejections, 1),
            ("b", Counter::Ejections, 3),
            ("c", Counter::NoHealthyUpstream, 4),
        ]));
        let told = strain.ejections.iter().map(|found| (found.subset.as_str(), found.count, found.no_host));
        assert_eq!(told.collect::<Vec<_>>(), [("b", 3.0, 0.0), ("a", 1.0, 0.0)]);
        let both = run(&[("a", Counter::Ejections, 1), ("a", Counter::NoHealthyUpstream, 6)]);
        assert_eq!(Strain::of(&both).ejections[0].no_host, 6.0);
        assert!(strain.limits.is_empty() && strain.workers.is_empty());
    }
}
