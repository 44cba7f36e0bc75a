//! What a mesh is short of at one point of a search: servers, limits of pools, hosts that are ejected.

use crate::metrics::Counter;
use crate::study::{Bottleneck, ClusterFigures, RunResults};

/// Full limits that are told.
const MOST: usize = 4;

/// Where it is tight.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strain {
    /// The busiest workload; `None` where none has a limit.
    pub workers: Option<Bottleneck>,
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
        Strain { workers: Bottleneck::of(run), limits, ejections }
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
    use crate::study::fixture;

    #[test]
    fn full_limits_are_those_that_turned_somebody_away() {
        let mut run = RunResults::pool(&fixture::two_replications());
        assert!(run.clusters.len() > 1, "rows to tell apart");
        run.clusters.truncate(1);
        let counted: Vec<f64> = LIMITS
            .iter()
            .map(|(counter, ..)| run.clusters[0].counter(*counter).value.unwrap_or(0.0))
            .collect();
        let strain = Strain::of(&run);
        assert_eq!(strain.limits.len(), counted.iter().filter(|times| **times > 0.0).count());
        let sorted = strain.limits.windows(2).all(|pair| pair[0].waits <= pair[1].waits);
        assert!(sorted, "refusals first: {:?}", strain.limits);
    }
}
