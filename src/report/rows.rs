//! The table of the summary: what each client gets, and below each caller what it calls.

use std::collections::{BTreeMap, BTreeSet};

use super::number;
use super::terminal::{Field, Set};
use crate::mesh::{Flag, Outcome};
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Counter, Estimate, Scope};
use crate::study::{ClientFigures, ClusterFigures, ResponseFigures, RunResults, Subject};

const fn field(title: &'static str, set: Set, expendable: u8) -> Field<'static> {
    Field { title, set, expendable }
}

/// What clients ask for, by which rates are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Requests,
    /// Connections of opaque bytes.
    Connections,
    Both,
}

impl Asked {
    pub fn of(run: &RunResults) -> Asked {
        let of_clients = || run.responses.iter().filter(|row| row.subject.scope == Scope::Client);
        let connects = |row: &ResponseFigures| row.outcome.code().is_none();
        match (of_clients().any(connects), of_clients().all(connects)) {
            (false, _) => Asked::Requests,
            (true, true) => Asked::Connections,
            (true, false) => Asked::Both,
        }
    }

    /// The title of a column of rates.
    pub fn rate(self) -> &'static str {
        match self {
            Asked::Requests => "rps",
            Asked::Connections => "conn/s",
            Asked::Both => "per s",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Asked::Requests => "requests",
            Asked::Connections => "connections",
            Asked::Both => "requests and connections",
        }
    }
}

/// What failed and how outlives all that may go, as it tells most.
pub fn fields(run: &RunResults) -> [Field<'static>; 11] {
    let mut fields = FIELDS;
    fields[RATE].title = Asked::of(run).rate();
    fields
}

/// The column of rates.
const RATE: usize = 3;
const FIELDS: [Field<'static>; 11] = [
    field("caller", Set::Name, 0),
    field("service", Set::Name, 0),
    field("subset", Set::Name, 0),
    field("rps", Set::Number, 0),
    field("p50", Set::Number, 4),
    field("p90", Set::Number, 5),
    field("p99", Set::Number, 0),
    field("ok%", Set::Number, 0),
    field("retries", Set::Number, 2),
    field("ejected", Set::Number, 3),
    field("failures", Set::List, 1),
];

/// Rows of clusters that a person will read; clusters.csv has all.
pub const MOST_CLUSTERS: usize = 40;

/// The clusters that a person should see: those with the most failures, then those with the most calls.
fn shown(run: &RunResults) -> BTreeSet<usize> {
    let weight = |row: &ClusterFigures| {
        let (calls, success) = (row.calls.value.unwrap_or(0.0), row.success_pct.value.unwrap_or(100.0));
        (calls * (100.0 - success), calls)
    };
    let mut order: Vec<usize> = (0..run.clusters.len()).collect();
    order.retain(|row| !run.clusters[*row].is_inbound());
    order.sort_by(|left, right| {
        let (left, right) = (weight(&run.clusters[*left]), weight(&run.clusters[*right]));
        right.0.total_cmp(&left.0).then(right.1.total_cmp(&left.1))
    });
    order.into_iter().take(MOST_CLUSTERS).collect()
}

/// Clients as a whole, and below each caller what it calls; callers that are clients first.
pub fn rows(run: &RunResults) -> Vec<Vec<String>> {
    let shown = shown(run);
    let mut rows = Vec::new();
    let mut callers: Vec<&str> = run.clients.iter().map(|row| row.client.as_str()).collect();
    callers.dedup();
    let calls = run.clusters.iter().filter(|row| !row.is_inbound());
    let others: BTreeSet<&str> = calls.map(|row| row.source.as_str()).collect();
    callers.extend(others.into_iter().filter(|source| run.clients.iter().all(|row| row.client != *source)));
    for caller in callers {
        let mut name = caller.to_owned();
        for cells in client_rows(run, caller) {
            rows.push([vec![std::mem::take(&mut name)], cells].concat());
        }
        let own = run.clusters.iter().enumerate().filter(|(_, row)| row.source == caller);
        for (_, row) in own.filter(|(index, _)| shown.contains(index)) {
            rows.push(cluster_cells(run, row, std::mem::take(&mut name)));
        }
    }
    rows
}

/// All its requests, and below each class where there are a few; without the first column.
fn client_rows(run: &RunResults, client: &str) -> Vec<Vec<String>> {
    const MOST_CLASSES: usize = 6;
    let (all, classes): (Vec<_>, Vec<_>) =
        run.clients.iter().filter(|row| row.client == client).partition(|row| row.class == ALL_CLASSES);
    let classes = if (2..=MOST_CLASSES).contains(&classes.len()) { classes } else { Vec::new() };
    let row = |row: &&ClientFigures| {
        let whole = row.class == ALL_CLASSES;
        let name = if whole { "(all)".to_owned() } else { format!("({})", row.class) };
        let latency = [row.latency.p50, row.latency.p90, row.latency.p99];
        let mut cells = vec![name, String::new()];
        cells.extend(figures(row.rps, latency, row.success_pct));
        cells.extend([String::new(), String::new()]);
        let is_own = |subject: &Subject| subject.scope == Scope::Client && subject.source == client;
        cells.push(failures(run, |subject| is_own(subject) && (whole || subject.target == row.class)));
        cells
    };
    all.iter().chain(&classes).map(row).collect()
}

fn cluster_cells(run: &RunResults, row: &ClusterFigures, caller: String) -> Vec<String> {
    let latency = [row.latency.p50, row.latency.p90, row.latency.p99];
    let mut cells = vec![caller, row.target.clone(), row.subset.clone()];
    cells.extend(figures(row.rps, latency, row.success_pct));
    let retries = match (row.counter(Counter::Retries).value, row.calls.value) {
        (Some(retries), Some(calls)) if retries > 0.0 && calls > 0.0 => {
            format!("{:.1}%", 100.0 * retries / calls)
        }
        _ => String::new(),
    };
    let ejections = row.counter(Counter::Ejections).value.filter(|count| *count > 0.0);
    cells.extend([retries, ejections.map_or_else(String::new, number::count)]);
    let of = |subject: &Subject| {
        subject.scope == Scope::Cluster
            && (&subject.source, &subject.target, &subject.subset) == (&row.source, &row.target, &row.subset)
    };
    cells.push(failures(run, of));
    cells
}

fn figures(rps: Estimate, latency: [Estimate; 3], success: Estimate) -> Vec<String> {
    let text =
        |estimate: Estimate, format: fn(f64) -> String| estimate.value.map_or_else(|| "-".to_owned(), format);
    let mut cells = vec![text(rps, number::rate)];
    cells.extend(latency.map(|estimate| text(estimate, number::latency)));
    cells.push(text(success, number::percent));
    cells
}

/// What went wrong, most frequent first, as counts per replication: `UO 1 204, UT 12`. A failure without flag goes
/// by its code.
fn failures(run: &RunResults, of: impl Fn(&Subject) -> bool) -> String {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for row in run.responses.iter().filter(|row| of(&row.subject)) {
        if !is_worth_telling(row.outcome) {
            continue;
        }
        let flags = row.outcome.flags;
        let name = if flags.is_empty() { row.outcome.code.to_string() } else { flags.to_string() };
        *counts.entry(name).or_default() += row.count.value.unwrap_or(0.0);
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by(|left, right| right.1.total_cmp(&left.1));
    let mut parts: Vec<String> =
        sorted.iter().take(3).map(|(name, count)| format!("{name} {}", number::count(*count))).collect();
    if sorted.len() > 3 {
        parts.push(format!("+{} more", sorted.len() - 3));
    }
    parts.join(", ")
}

/// Failures, and answers without a route, which count as success and are none.
fn is_worth_telling(outcome: Outcome) -> bool {
    !outcome.is_success() || outcome.flags.contains(Flag::NR)
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn rates_have_the_unit_of_what_clients_ask_for() {
        let held = fixture::Held::tiny();
        let mut run = held.report().run.clone();
        let title = |run: &RunResults| fields(run)[RATE].title;
        assert_eq!(title(&run), "rps");
        let of_clients = |row: &&mut ResponseFigures| row.subject.scope == Scope::Client;
        run.responses.iter_mut().find(of_clients).expect("some").outcome = Outcome::OPENED;
        assert_eq!(title(&run), "per s");
        run.responses.iter_mut().for_each(|row| row.outcome = Outcome::OPENED);
        assert_eq!(title(&run), "conn/s");
    }
}
