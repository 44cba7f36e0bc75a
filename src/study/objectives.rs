//! Objectives judged by the figures. Source: design D9.21.

use super::sample::{self, Sample};
use crate::mesh::Mesh;
use crate::mesh::model::{Comparison, Figure, Objective, ObjectiveScope};
use crate::metrics::results::ClusterKey;
use crate::metrics::statistics::{self, Estimate};
use crate::metrics::{Counter, Histogram, Results};

/// One objective and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// As written.
    pub text: String,
    pub figure: Figure,
    pub comparison: Comparison,
    /// In the figure's own unit, as `observed`.
    pub limit: f64,
    pub observed: Estimate,
    /// By the figure alone; without data it is missed, as nothing shows that it would be kept.
    pub met: bool,
    /// The interval holds the limit: more replications might tell otherwise.
    pub unsure: bool,
}

pub(super) fn judge(mesh: &Mesh, results: &[Results]) -> Vec<Judged> {
    let judge = |objective: &Objective| {
        let observed = observe(Whom::of(&objective.scope, mesh), objective.figure, results);
        judged(objective, observed)
    };
    mesh.objectives.iter().map(judge).collect()
}

/// What to look at where nobody names an objective: latency and success of all clients together, without a limit.
pub fn main_figures() -> Vec<Objective> {
    let figure = |text: &str, figure, comparison, limit| Objective {
        text: text.to_owned(),
        scope: ObjectiveScope::All,
        figure,
        comparison,
        limit,
    };
    vec![
        figure("p(99)", Figure::Latency(0.99), Comparison::LessOrEqual, f64::INFINITY),
        figure("success", Figure::SuccessPct, Comparison::GreaterOrEqual, f64::NEG_INFINITY),
    ]
}

/// Each objective's figure in each replication by itself, for comparisons in pairs; for a percentile, the pooled one and
/// how far the replication pulls it ([`statistics::pulls`]).
pub fn by_replication(mesh: &Mesh, results: &[Results]) -> Vec<Vec<Option<f64>>> {
    let of = |objective: &Objective| {
        let whom = Whom::of(&objective.scope, mesh);
        if let Figure::Latency(q) = objective.figure {
            let samples = samples(whom, objective.figure, results);
            return pulled(q, &samples.iter().map(|sample| sample.finished.all()).collect::<Vec<_>>());
        }
        let alone = results.iter().map(std::slice::from_ref);
        alone.map(|one| observe(whom, objective.figure, one).value).collect()
    };
    mesh.objectives.iter().map(of).collect()
}

fn pulled(q: f64, each: &[Histogram]) -> Vec<Option<f64>> {
    let pooled = sample::pool(each);
    let value = pooled.quantile(q).map(|nanos| nanos as f64 / 1e6);
    let pulls = statistics::pulls(q, &pooled, each).unwrap_or_else(|| vec![None; each.len()]);
    pulls.into_iter().map(|pull| Some(value? + pull?.by_share)).collect()
}

/// How many requests or calls each objective's share is of, over all replications; `None` for what is no share.
pub fn trials(mesh: &Mesh, results: &[Results]) -> Vec<Option<u64>> {
    let of = |objective: &Objective| {
        let samples = || requests_or_calls(Whom::of(&objective.scope, mesh), results);
        let count = || samples().iter().map(|sample| sample.finished.count()).sum();
        (objective.figure == Figure::SuccessPct).then(count)
    };
    mesh.objectives.iter().map(of).collect()
}

/// What became of an objective with this figure.
pub(super) fn judged(objective: &Objective, observed: Estimate) -> Judged {
    Judged {
        text: objective.text.clone(),
        figure: objective.figure,
        comparison: objective.comparison,
        limit: objective.limit,
        observed,
        met: observed.value.is_some_and(|value| objective.comparison.holds(value, objective.limit)),
        unsure: observed.holds(objective.limit),
    }
}

/// The scope by names, as results have them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whom<'a> {
    All,
    Client { name: &'a str, class: Option<&'a str> },
    Service { name: &'a str, subset: Option<&'a str> },
}

impl<'a> Whom<'a> {
    pub fn of(scope: &'a ObjectiveScope, mesh: &'a Mesh) -> Whom<'a> {
        match scope {
            ObjectiveScope::All => Whom::All,
            ObjectiveScope::Client { client, class } => {
                Whom::Client { name: &mesh.clients[*client].name, class: class.as_deref() }
            }
            ObjectiveScope::Service { service, subset } => {
                Whom::Service { name: &mesh.services[*service].name, subset: subset.as_deref() }
            }
        }
    }
}

impl Comparison {
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Less => value < limit,
            Comparison::LessOrEqual => value <= limit,
            Comparison::Greater => value > limit,
            Comparison::GreaterOrEqual => value >= limit,
        }
    }
}

fn observe(whom: Whom<'_>, figure: Figure, results: &[Results]) -> Estimate {
    let Some(first) = results.first() else { return Estimate::NONE };
    let samples = samples(whom, figure, results);
    let counter = |which: &[Counter]| statistics::mean(&counts(&samples, which));
    let all = || samples.iter().map(|sample| sample.finished.all()).collect::<Vec<_>>();
    let quantile = |q| {
        let each = all();
        statistics::latency_quantile(q, &sample::pool(&each), &each)
    };
    match figure {
        Figure::SuccessPct => sample::success_pct(&samples),
        Figure::Latency(q) => quantile(q),
        Figure::LatencyMax => quantile(1.0),
        Figure::LatencyMean => statistics::latency_mean(&all()),
        Figure::Rps => sample::rps(&samples, &first.clock),
        Figure::Retries => counter(&[Counter::Retries]),
        Figure::Ejections => counter(&[Counter::Ejections]),
        Figure::Overflow => statistics::mean(&overflows(whom, &samples, results)),
    }
}

/// Each replication's share of what a figure is made of.
pub(super) fn samples(whom: Whom<'_>, figure: Figure, results: &[Results]) -> Vec<Sample> {
    if counts_calls(figure) { calls(whom, results) } else { requests_or_calls(whom, results) }
}

/// Each replication's requests and connections that found their limit full; `samples` are of the calls.
pub(super) fn overflows(whom: Whom<'_>, samples: &[Sample], results: &[Results]) -> Vec<f64> {
    let requests = counts(samples, &[Counter::PendingOverflow, Counter::ActiveOverflow]);
    let connections = counts(&overflowed_connections(whom, results), &[Counter::CxOverflow]);
    requests.iter().zip(connections).map(|(one, other)| one + other).collect()
}

/// Each replication's sum of some counters.
fn counts(samples: &[Sample], which: &[Counter]) -> Vec<f64> {
    let sum = |sample: &Sample| which.iter().map(|counter| sample.counters[*counter as usize]).sum::<u64>();
    samples.iter().map(|sample| sum(sample) as f64).collect()
}

/// Connections of opaque bytes are closed where the limit of connections is full; requests wait, which is no overflow.
/// Source: semantics S7.4, S7.11.
fn overflowed_connections(whom: Whom<'_>, results: &[Results]) -> Vec<Sample> {
    let connects = |key: &ClusterKey| {
        let rows = results.iter().filter_map(|results| results.clusters.get(key));
        rows.flat_map(|totals| totals.calls.responses.keys()).any(|outcome| outcome.code().is_none())
    };
    sample::gather_calls(results, |key| is_of(whom, key) && connects(key))
}

/// These only clusters count: for a client they are those of its own calls, for all clients of the whole mesh.
fn counts_calls(figure: Figure) -> bool {
    matches!(figure, Figure::Retries | Figure::Ejections | Figure::Overflow)
}

fn requests_or_calls(whom: Whom<'_>, results: &[Results]) -> Vec<Sample> {
    match whom {
        Whom::All => sample::gather_requests(results, |_| true),
        Whom::Client { name, class } => sample::gather_requests(results, |key| {
            key.client == name && class.is_none_or(|class| key.class == class)
        }),
        Whom::Service { .. } => calls(whom, results),
    }
}

fn calls(whom: Whom<'_>, results: &[Results]) -> Vec<Sample> {
    sample::gather_calls(results, |key| is_of(whom, key))
}

fn is_of(whom: Whom<'_>, key: &ClusterKey) -> bool {
    match whom {
        Whom::All => true,
        Whom::Client { name, .. } => key.source == name,
        Whom::Service { name, subset } => {
            key.service == name && subset.is_none_or(|subset| key.subset == subset)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn value(whom: Whom<'_>, figure: Figure) -> Option<f64> {
        observe(whom, figure, &fixture::two_replications()).value
    }

    #[test]
    fn each_scope_sees_its_own() {
        assert_eq!(value(Whom::All, Figure::SuccessPct), Some(100.0 * 10.0 / 12.0));
        let put = Whom::Client { name: "web", class: Some("put") };
        assert_eq!(value(put, Figure::LatencyMax), Some(30.0));
        let both = Whom::Service { name: "app", subset: None };
        let second = Whom::Service { name: "app", subset: Some("v2") };
        assert_eq!(
            (value(both, Figure::LatencyMax), value(second, Figure::LatencyMax)),
            (Some(6.0), Some(4.0))
        );
        assert_eq!(value(both, Figure::Retries), Some(3.0));
        assert_eq!(value(Whom::Client { name: "web", class: None }, Figure::Retries), Some(3.0));
    }

    #[test]
    fn a_limit_inside_the_interval_is_unsure_and_no_data_is_a_miss() {
        let objective = Objective {
            text: "success >= 99.9%".to_owned(),
            scope: ObjectiveScope::All,
            figure: Figure::SuccessPct,
            comparison: Comparison::GreaterOrEqual,
            limit: 99.9,
        };
        let near = judged(&objective, Estimate { value: Some(99.95), ci95: Some(0.1) });
        assert!(near.met && near.unsure);
        let far = judged(&objective, Estimate { value: Some(98.0), ci95: Some(0.1) });
        assert!(!far.met && !far.unsure);
        assert!(!judged(&objective, Estimate::NONE).met);
    }

    #[test]
    fn comparisons_are_exact_at_the_limit() {
        let holds = |comparison: Comparison| comparison.holds(5.0, 5.0);
        assert!(holds(Comparison::LessOrEqual) && holds(Comparison::GreaterOrEqual));
        assert!(!holds(Comparison::Less) && !holds(Comparison::Greater));
    }
}
