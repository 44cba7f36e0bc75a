//! Series of several replications: the mean of their values, window by window. Source: design D9.22.

use std::collections::BTreeSet;

use super::sample::{Subject, Targets, subject};
use crate::kernel::SimTime;
use crate::metrics::statistics::{self, Estimate};
use crate::metrics::{Metric, Results, Scope, SeriesKey};

/// One value a window.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesFigures {
    pub subject: Subject,
    pub metric: Metric,
    pub values: Vec<Estimate>,
}

/// When each window began. Replications that end early have fewer, so the longest tells.
pub(super) fn windows(results: &[Results]) -> Vec<SimTime> {
    results.iter().map(|one| &one.windows).max_by_key(|windows| windows.len()).cloned().unwrap_or_default()
}

pub(super) fn series(results: &[Results]) -> Vec<SeriesFigures> {
    let targets = Targets::of(results);
    let windows = windows(results).len();
    let keys: BTreeSet<&SeriesKey> = results.iter().flat_map(|one| one.series.keys()).collect();
    let row = |key: &SeriesKey| {
        let target = match key.scope {
            Scope::Cluster => targets.name(&key.source, &key.target, key.port),
            Scope::Client | Scope::Workload => key.target.clone(),
        };
        let runs: Vec<Values<'_>> = results.iter().map(|one| (one, one.series.get(key))).collect();
        SeriesFigures {
            subject: subject(key.scope, &key.source, target, &key.subset),
            metric: key.metric,
            values: (0..windows).map(|window| value(&runs, key.metric, window)).collect(),
        }
    };
    keys.into_iter().map(row).collect()
}

/// One replication, and its values of a series if it came across the row.
type Values<'a> = (&'a Results, Option<&'a Vec<f64>>);

fn value(runs: &[Values<'_>], metric: Metric, window: usize) -> Estimate {
    let own = |(one, values): &Values<'_>| match values {
        Some(values) => values.get(window).copied().filter(|value| !value.is_nan()),
        // Where a replication never came across the row, nothing happened there.
        None => (metric.is_zero_without_data() && window < one.windows.len()).then_some(0.0),
    };
    let values: Vec<f64> = runs.iter().filter_map(own).collect();
    let mean = statistics::mean(&values);
    match metric {
        Metric::LatencyP50 | Metric::LatencyP99 => statistics::resolved(mean),
        _ => mean,
    }
}
