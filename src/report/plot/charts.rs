//! What each chart shows.

use super::super::rows::Asked;
use super::super::summary;
use super::super::terminal::Look;
use super::super::{Report, number};
use super::axis::Unit;
use super::data::{self, Data, Target, Thin};
use super::layout::{Chart, Line, Panel, Range, Style};
use crate::kernel::words::counted;
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Counter, Metric};

/// Lines of a panel, and panels of a chart.
const MOST: usize = 6;

fn chart(report: &Report<'_>, subject: &str, subtitle: String, panels: Vec<Panel>) -> Chart {
    let clock = report.run.clock;
    Chart {
        title: format!("{} — {subject}", report.title),
        subtitle,
        panels,
        marks: report.marks.iter().map(|mark| (mark.at.seconds(), mark.label.clone())).collect(),
        end_s: clock.duration.seconds(),
        warmup_s: clock.warmup.seconds(),
    }
}

/// Where the charts' figures come from.
fn origin(report: &Report<'_>) -> String {
    match report.run.replications {
        1 => format!("one replication, seed {}", report.stamp.seed),
        many => format!("mean of {many} replications, seed {}", report.stamp.seed),
    }
}

/// What the clients get: rate, success, latency.
pub fn overview(report: &Report<'_>) -> Chart {
    let data = Data::of(report.run);
    let clients = data.clients();
    let each = |make: &dyn Fn(&str, usize) -> Line| -> Vec<Line> {
        clients
            .iter()
            .enumerate()
            .take(MOST)
            .map(|(index, client)| make(client, index))
            .filter(has_values)
            .collect()
    };
    let plain = |metric| {
        each(&|client, index| {
            let values = data.client(client, metric);
            data.line(client.to_owned(), Data::client_colour(index), &values, Thin::Mean)
        })
    };
    let latency = each(&|client, index| {
        let (low, high) = (data.client(client, Metric::LatencyP50), data.client(client, Metric::LatencyP99));
        data.band(client.to_owned(), Data::client_colour(index), &low, &high)
    });
    let empty = "no request has ended";
    let rates = format!("{} per second", Asked::of(report.run).words());
    let panels = vec![
        panel(&rates, Unit::PerSecond, Range::FromZero, plain(Metric::Rps), empty),
        panel("success", Unit::Percent, Range::ToHundred, plain(Metric::SuccessPct), empty),
        panel("latency: line p99, band down to p50", Unit::Millis, Range::FromZero, latency, empty),
    ];
    chart(report, "what clients get", verdict(report), panels)
}

fn verdict(report: &Report<'_>) -> String {
    let all = report.run.clients.iter().filter(|row| row.class == ALL_CLASSES);
    let figures = all.filter_map(|row| {
        let (p99, success) = (row.latency.p99.value?, row.success_pct.value?);
        Some(format!("{}: p99 {}, {}% ok", row.client, number::latency(p99), number::percent(success)))
    });
    let mut parts: Vec<String> = summary::verdict(&report.run.objectives, &Look::PLAIN).into_iter().collect();
    parts.extend(figures.take(2));
    parts.push(origin(report));
    parts.join(" · ").replace("  ", " ")
}

/// Who serves which share of a split service, beside what the routes ask for.
pub fn split(report: &Report<'_>) -> Chart {
    let data = Data::of(report.run);
    let split = data.services().into_iter().filter(|(_, targets)| targets.len() > 1).take(MOST);
    let mut panels: Vec<Panel> = split
        .map(|(service, targets)| {
            let mut lines = intended(&data, &targets);
            lines.extend(shares(&data, &targets));
            panel(&format!("calls to {service} by subset"), Unit::Percent, Range::Whole, lines, "no call")
        })
        .collect();
    if panels.is_empty() {
        let none = "no service is split into subsets";
        panels.push(panel("calls by subset", Unit::Percent, Range::Whole, vec![], none));
    }
    let is_intended = |line: &Line| line.style == Style::Intended;
    let has_weights = panels.iter().any(|panel| panel.lines.iter().any(is_intended));
    let pale = if has_weights { "; pale: weight of the routes in force" } else { "" };
    let subtitle = format!("share of calls in each window{pale} · {}", origin(report));
    chart(report, "traffic split", subtitle, panels)
}

fn shares(data: &Data<'_>, targets: &[Target]) -> Vec<Line> {
    let rates: Vec<_> = targets.iter().map(|target| data.sum(target, Metric::Rps)).collect();
    let total = rates.iter().cloned().reduce(|left, right| data::add(&left, &right)).unwrap_or_default();
    let share = |(target, rates): (&Target, &Vec<Option<f64>>)| {
        let parts = rates.iter().zip(&total);
        let values: Vec<Option<f64>> =
            parts.map(|(rate, all)| Some(100.0 * (*rate)? / (*all).filter(|all| *all > 0.0)?)).collect();
        data.line(short_label(target), data.colour(target), &values, Thin::Mean)
    };
    targets.iter().zip(&rates).map(share).filter(has_values).take(MOST).collect()
}

fn intended(data: &Data<'_>, targets: &[Target]) -> Vec<Line> {
    let line = |target: &Target| {
        let weight = data.seen(target, Metric::WeightPct);
        let line = data.line(String::new(), data.colour(target), &weight, Thin::Mean);
        Line { style: Style::Intended, ..line }
    };
    targets.iter().map(line).filter(has_values).take(MOST).collect()
}

/// Within a panel of one service its subsets suffice.
fn short_label(target: &Target) -> String {
    if target.subset.is_empty() { "(no subset)".to_owned() } else { target.subset.clone() }
}

/// Latency of calls to each service, as its caller sees it.
pub fn latency(report: &Report<'_>) -> Chart {
    let data = Data::of(report.run);
    let services = data.services();
    let hidden = services.len().saturating_sub(MOST);
    let mut panels: Vec<Panel> = services
        .into_iter()
        .take(MOST)
        .map(|(service, targets)| {
            let line = |target: &Target| {
                let (low, high) =
                    (data.seen(target, Metric::LatencyP50), data.seen(target, Metric::LatencyP99));
                let label = if targets.len() > 1 { short_label(target) } else { target.label() };
                data.band(label, data.colour(target), &low, &high)
            };
            let lines = targets.iter().map(line).filter(has_values).take(MOST).collect();
            panel(&format!("calls to {service}"), Unit::Millis, Range::FromZero, lines, "no call has ended")
        })
        .collect();
    if panels.is_empty() {
        panels.push(panel("calls", Unit::Millis, Range::FromZero, vec![], "no call has ended"));
    }
    let mut subtitle = "line: p99, band down to p50".to_owned();
    if data.has_several_callers() {
        subtitle.push_str(", as the busiest caller sees it");
    }
    if hidden > 0 {
        let services = counted(hidden, "service", "services");
        subtitle.push_str(&format!(", {services} with fewer calls left out"));
    }
    subtitle.push_str(&format!(" · {}", origin(report)));
    chart(report, "latency", subtitle, panels)
}

/// Failed share, for clients and for calls.
pub fn errors(report: &Report<'_>) -> Chart {
    let data = Data::of(report.run);
    let client = |(index, client): (usize, &&str)| {
        let success = data.client(client, Metric::SuccessPct);
        let failed: Vec<Option<f64>> =
            success.into_iter().map(|value| value.map(|pct| 100.0 - pct)).collect();
        data.line((*client).to_owned(), Data::client_colour(index), &failed, Thin::Mean)
    };
    let clients = data.clients();
    let clients = clients.iter().enumerate().map(client).filter(has_more_than_zero).take(MOST).collect();
    let call = |target: &Target| {
        data.line(target.label(), data.colour(target), &data.failed_pct(target), Thin::Mean)
    };
    let calls = largest(data.targets().map(call));
    let panels = vec![
        panel("requests of clients that failed", Unit::Percent, Range::FromZero, clients, "none failed"),
        panel("calls that failed", Unit::Percent, Range::FromZero, calls, "none failed"),
    ];
    let subtitle = format!("code 500 and above, or no answer, in each window · {}", origin(report));
    chart(report, "failures", subtitle, panels)
}

/// Connection pools and outlier detection: what is in use, what waits, what is refused, who is out.
pub fn pools(report: &Report<'_>) -> Chart {
    let data = Data::of(report.run);
    let per_second = 1.0 / report.run.clock.window.seconds().max(1e-9);
    let lines = |make: &dyn Fn(&Target) -> Vec<Option<f64>>, thin| {
        largest(
            data.targets().map(|target| data.line(target.label(), data.colour(target), &make(target), thin)),
        )
    };
    let level = |metric| lines(&|target| data.sum(target, metric), Thin::Most);
    let refused = lines(
        &|target| {
            let pending = data.sum(target, Metric::Counter(Counter::PendingOverflow));
            let active = data.sum(target, Metric::Counter(Counter::ActiveOverflow));
            let mut both = data::add(&pending, &active);
            if data.connects(target) {
                // Who has no connection is closed, not made to wait. Source: semantics S7.11.
                both = data::add(&both, &data.sum(target, Metric::Counter(Counter::CxOverflow)));
            }
            both.into_iter().map(|value| value.map(|count| count * per_second)).collect()
        },
        Thin::Mean,
    );
    let panels = vec![
        panel(
            "in flight (upstream_rq_active)",
            Unit::Count,
            Range::FromZero,
            level(Metric::RqActive),
            "none",
        ),
        panel(
            "waiting for a connection (upstream_rq_pending_active)",
            Unit::Count,
            Range::FromZero,
            level(Metric::RqPendingActive),
            "none waited",
        ),
        panel(
            "refused by a full pool, per second",
            Unit::PerSecond,
            Range::FromZero,
            refused,
            "none refused",
        ),
        panel(
            "ejected hosts, summed over the proxies that call",
            Unit::Count,
            Range::FromZero,
            level(Metric::EjectedHosts),
            "none ejected",
        ),
    ];
    chart(report, "pools and ejections", format!("all callers together · {}", origin(report)), panels)
}

fn panel(title: &str, unit: Unit, range: Range, lines: Vec<Line>, empty: &'static str) -> Panel {
    Panel { title: title.to_owned(), unit, range, lines, empty }
}

fn has_values(line: &Line) -> bool {
    line.points.iter().any(|point| point.value.is_some())
}

fn most(line: &Line) -> f64 {
    line.points.iter().filter_map(|point| point.value).fold(0.0, f64::max)
}

fn has_more_than_zero(line: &Line) -> bool {
    most(line) > 0.0
}

/// The lines that reach highest; those of nothing but zeros would only cover the axis.
fn largest(lines: impl Iterator<Item = Line>) -> Vec<Line> {
    let mut lines: Vec<Line> = lines.filter(has_more_than_zero).collect();
    lines.sort_by(|left, right| most(right).total_cmp(&most(left)));
    lines.truncate(MOST);
    data::tell_apart(&mut lines);
    lines
}
