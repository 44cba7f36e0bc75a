//! From a mesh's replications to a finished point: the targets' figures, and those of every client, cluster and workload.

use super::super::metric;
use super::super::number::{self, Kind};
use super::super::table::{Cell, Content, Table};
use super::super::{summary, tables};
use super::{Figures, Row, Seen, Target};
use crate::mesh::Mesh;
use crate::mesh::model::{Comparison, Figure, Objective};
use crate::metrics::{Estimate, Results};
use crate::study::{Judged, RunResults, busy, objectives, steadiness};

impl Figures {
    pub fn of(mesh: &Mesh, results: &[Results]) -> Figures {
        let run = RunResults::pool(results).judge(mesh, results);
        let each = objectives::by_replication(mesh, results);
        let trials = objectives::trials(mesh, results);
        let seen = run.objectives.iter().zip(each).zip(trials).map(|((judged, each), of)| {
            let Judged { observed: Estimate { value, ci95 }, .. } = *judged;
            Seen { value, ci95, each, of }
        });
        let unsteady = steadiness::check(&run, mesh);
        let steady = steadiness::is_stationary(mesh).then_some(unsteady.is_empty());
        let notes = unsteady.iter().map(ToString::to_string).chain(summary::unanswered(&run));
        let notes = notes.chain(nothing_seen(&run)).collect();
        Figures { seen: seen.collect(), rows: rows(mesh, results, &run), steady, notes }
    }
}

/// Why an objective has no figure.
fn nothing_seen(run: &RunResults) -> Option<String> {
    let without: Vec<String> = run
        .objectives
        .iter()
        .filter(|judged| judged.observed.value.is_none())
        .map(|judged| format!("`{}`", judged.text))
        .collect();
    (!without.is_empty()).then(|| {
        format!(
            "no data for {}: nothing that it is about was answered in the measured time; without data an objective is \
             missed",
            without.join(", ")
        )
    })
}

/// What a study looks at.
pub fn targets(objectives: &[Objective]) -> Vec<Target> {
    let target = |objective: &Objective| Target {
        text: objective.text.clone(),
        metric: metric::name(objective.figure),
        quantile: match objective.figure {
            Figure::Latency(quantile) => Some(quantile),
            _ => None,
        },
        less_is_better: matches!(objective.comparison, Comparison::Less | Comparison::LessOrEqual),
        or_equal: matches!(objective.comparison, Comparison::LessOrEqual | Comparison::GreaterOrEqual),
        limit: Some(objective.limit).filter(|limit| limit.is_finite()),
    };
    objectives.iter().map(target).collect()
}

fn rows(mesh: &Mesh, results: &[Results], run: &RunResults) -> Vec<Row> {
    let clients = run.clients.iter().map(|row| [row.client.as_str(), row.class.as_str(), ""]);
    let clusters =
        run.clusters.iter().map(|row| [row.source.as_str(), row.target.as_str(), row.subset.as_str()]);
    let mut rows = Vec::new();
    add(&mut rows, "client", clients, tables::clients(run));
    add(&mut rows, "cluster", clusters, tables::clusters(run));
    for (workload, busy) in busy::by_workload(mesh, results) {
        rows.push(row("workload", ["", &workload, ""], "utilization_pct", busy, Kind::Percent));
    }
    rows
}

/// One row for each figure of a table whose rows are about `whom`.
fn add<'a>(rows: &mut Vec<Row>, scope: &str, whom: impl Iterator<Item = [&'a str; 3]>, table: Table<'_>) {
    let columns = table.columns;
    for (whom, cells) in whom.zip(table.rows) {
        for (column, cell) in columns.iter().zip(&cells) {
            if let (Content::Figure(kind), Cell::Figure(estimate)) = (column.content, cell) {
                rows.push(row(scope, whom, column.name, *estimate, kind));
            }
        }
    }
}

fn row(scope: &str, [source, target, subset]: [&str; 3], metric: &str, figure: Estimate, kind: Kind) -> Row {
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| number::plain(value, kind));
    Row {
        scope: scope.to_owned(),
        source: source.to_owned(),
        target: target.to_owned(),
        subset: subset.to_owned(),
        metric: metric.to_owned(),
        value: text(figure.value),
        ci95: text(figure.ci95),
    }
}
