//! Which tables a run has and what stands in their columns. Names and order are a contract. Source: design D6.

use super::number::Kind::{Count, Exact, Measure, Percent};
use super::table::{Cell, Column, Table, figure, number, text};
use crate::metrics::Counter;
use crate::study::{LatencyFigures, RunResults, SeriesFigures, Subject};

/// A table of the output folder.
pub struct Entry {
    /// File name without `.csv`.
    pub name: &'static str,
    pub make: fn(&RunResults) -> Table<'_>,
}

/// Every table of a run.
pub const TABLES: &[Entry] = &[
    Entry { name: "clients", make: clients },
    Entry { name: "clusters", make: clusters },
    Entry { name: "responses", make: responses },
    Entry { name: "hosts", make: hosts },
    Entry { name: "timeseries", make: timeseries },
    Entry { name: "latency", make: spectrum },
    Entry { name: "events", make: events },
];

const LATENCY: [Column; 7] = [
    figure("latency_mean_ms", Measure),
    figure("latency_p50_ms", Measure),
    figure("latency_p90_ms", Measure),
    figure("latency_p95_ms", Measure),
    figure("latency_p99_ms", Measure),
    figure("latency_p999_ms", Measure),
    figure("latency_max_ms", Measure),
];
const OK_LATENCY: [Column; 2] = [figure("ok_latency_p50_ms", Measure), figure("ok_latency_p99_ms", Measure)];
const SUBJECT: [Column; 4] = [text("scope"), text("source"), text("target"), text("subset")];

fn latency_cells(latency: &LatencyFigures) -> [Cell<'static>; 7] {
    let LatencyFigures { mean, p50, p90, p95, p99, p999, max, .. } = *latency;
    [mean, p50, p90, p95, p99, p999, max].map(Cell::from)
}

fn subject_cells(subject: &Subject) -> [Cell<'_>; 4] {
    let scope = Cell::from(subject.scope.name());
    [scope, (&subject.source).into(), (&subject.target).into(), (&subject.subset).into()]
}

pub fn clients(run: &RunResults) -> Table<'_> {
    let mut columns = vec![text("client"), text("class"), figure("requests", Count), figure("rps", Measure)];
    columns.push(figure("success_pct", Percent));
    columns.extend(LATENCY);
    columns.extend(OK_LATENCY);
    columns.push(figure("unfinished", Count));
    let rows = run.clients.iter().map(|row| {
        let mut cells: Vec<Cell<'_>> = vec![(&row.client).into(), (&row.class).into()];
        cells.extend([row.requests, row.rps, row.success_pct].map(Cell::from));
        cells.extend(latency_cells(&row.latency));
        cells.extend([row.latency.ok_p50, row.latency.ok_p99, row.unfinished].map(Cell::from));
        cells
    });
    Table { columns, rows: Box::new(rows) }
}

/// The counters of clusters.csv after `success_pct` and latency; `attempts` and `retries` stand before.
const CLUSTER_COUNTERS: [Counter; 10] = [
    Counter::PendingOverflow,
    Counter::RetryOverflow,
    Counter::Timeout,
    Counter::PerTryTimeout,
    Counter::CxTotal,
    Counter::CxOverflow,
    Counter::CxConnectFail,
    Counter::Ejections,
    Counter::NoHealthyUpstream,
    Counter::Mirrored,
];

pub fn clusters(run: &RunResults) -> Table<'_> {
    let mut columns =
        vec![text("source"), text("service"), number("port", Exact), text("subset"), figure("calls", Count)];
    columns.extend([figure("attempts", Count), figure("retries", Count), figure("success_pct", Percent)]);
    columns.extend(LATENCY);
    columns.extend(CLUSTER_COUNTERS.map(|counter| figure(counter.name(), Count)));
    columns.extend(OK_LATENCY);
    let rows = run.clusters.iter().map(|row| {
        let mut cells: Vec<Cell<'_>> =
            vec![(&row.source).into(), (&row.service).into(), row.port.into(), (&row.subset).into()];
        let (attempts, retries) = (row.counter(Counter::Attempts), row.counter(Counter::Retries));
        cells.extend([row.calls, attempts, retries, row.success_pct].map(Cell::from));
        cells.extend(latency_cells(&row.latency));
        cells.extend(CLUSTER_COUNTERS.map(|counter| Cell::from(row.counter(counter))));
        cells.extend([row.latency.ok_p50, row.latency.ok_p99].map(Cell::from));
        cells
    });
    Table { columns, rows: Box::new(rows) }
}

/// Clients by class (their sum is in no row), clusters as they are.
pub fn responses(run: &RunResults) -> Table<'_> {
    let mut columns = SUBJECT.to_vec();
    columns.extend([number("code", Exact), text("flag"), figure("count", Count)]);
    let rows = run.responses.iter().map(|row| {
        let mut cells = subject_cells(&row.subject).to_vec();
        // Connections have none: an empty cell.
        let code = row.outcome.code().map_or(f64::NAN, f64::from);
        cells.extend([code.into(), row.outcome.flags.to_string().into(), row.count.into()]);
        cells
    });
    Table { columns, rows: Box::new(rows) }
}

pub fn hosts(run: &RunResults) -> Table<'_> {
    let mut columns = vec![text("service"), text("subset"), text("host"), text("zone")];
    columns.extend([figure("attempts", Count), figure("errors", Count), figure("utilization_pct", Percent)]);
    columns.extend([figure("queue_mean", Measure), figure("queue_max", Count)]);
    columns.extend([figure("ejections", Count), figure("ejected_s", Measure)]);
    let rows = run.hosts.iter().map(|row| {
        let mut cells: Vec<Cell<'_>> =
            vec![(&row.service).into(), (&row.subset).into(), (&row.host).into(), (&row.zone).into()];
        cells.extend([row.attempts, row.errors, row.utilization_pct, row.queue_mean].map(Cell::from));
        cells.extend([row.queue_max, row.ejections, row.ejected_s].map(Cell::from));
        cells
    });
    Table { columns, rows: Box::new(rows) }
}

/// A window has the moment when it began.
pub fn timeseries(run: &RunResults) -> Table<'_> {
    let mut columns = vec![number("t_s", Exact)];
    columns.extend(SUBJECT);
    columns.extend([text("metric"), figure("value", Measure)]);
    let rows = run.windows.iter().enumerate().flat_map(move |(window, begin)| {
        run.series.iter().map(move |series| series_cells(series, window, begin.seconds()))
    });
    Table { columns, rows: Box::new(rows) }
}

fn series_cells(series: &SeriesFigures, window: usize, begin_s: f64) -> Vec<Cell<'_>> {
    let mut cells = vec![begin_s.into()];
    cells.extend(subject_cells(&series.subject));
    cells.extend([series.metric.name().into(), series.values[window].into()]);
    cells
}

pub fn spectrum(run: &RunResults) -> Table<'_> {
    let mut columns = SUBJECT.to_vec();
    columns.extend([number("quantile", Exact), figure("latency_ms", Measure), figure("count", Count)]);
    let rows = run.spectrum.iter().map(|point| {
        let mut cells = subject_cells(&point.subject).to_vec();
        cells.extend([point.quantile.into(), point.latency_ms.into(), point.count.into()]);
        cells
    });
    Table { columns, rows: Box::new(rows) }
}

pub fn events(run: &RunResults) -> Table<'_> {
    let columns = vec![
        number("t_s", Exact),
        text("kind"),
        text("object"),
        text("message"),
        number("replication", Exact),
    ];
    let rows = run.events.iter().map(|(replication, event)| {
        vec![
            event.at.seconds().into(),
            event.kind.into(),
            (&event.object).into(),
            (&event.message).into(),
            (*replication as f64).into(),
        ]
    });
    Table { columns, rows: Box::new(rows) }
}
