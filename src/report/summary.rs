//! The answer on the terminal: verdict first, then the objectives, who got what, when it was worst, and what the
//! model leaves out. Source: reference ux 4.1.

use std::collections::{BTreeMap, BTreeSet};

use super::terminal::{Field, Look, grid, shortened, sparkline};
use super::{Report, Section};
use super::{number, traffic};
use crate::mesh::model::Figure;
use crate::mesh::{Flag, Outcome};
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Counter, Estimate, Metric, Scope};
use crate::study::{ClientFigures, ClusterFigures, Judged, RunResults, SeriesFigures, Subject};

const INDENT: &str = "  ";
/// Where the text of labelled lines begins.
const LABEL: usize = 17;

/// The whole text. `elapsed_s` is the wall time, for a person at a terminal; no file gets it.
pub fn render(report: &Report<'_>, look: &Look, elapsed_s: Option<f64>) -> String {
    let run = report.run;
    let mut blocks = vec![vec![title(report, look, elapsed_s)]];
    blocks.push(objectives(&run.objectives, look));
    blocks.push(grid(&FIELDS, &rows(run), look));
    blocks.push(
        [over_time(run, look), bottleneck(run, look).into_iter().collect(), notes(run, report.notes, look)]
            .concat(),
    );
    blocks.extend(report.sections.iter().map(|section| section_lines(section, look)));
    if !report.not_modelled.is_empty() {
        let heading = format!("Not modelled ({})", report.not_modelled.len());
        blocks.push(section_lines(
            &Section { title: heading, lines: wrapped(report.not_modelled, look) },
            look,
        ));
    }
    let filled = blocks.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n") + "\n");
    filled.collect::<Vec<_>>().join("\n")
}

/// The one line that `-q` leaves: `PASS  2 of 2 objectives met`; `None` without objectives.
pub fn verdict(objectives: &[Judged], look: &Look) -> Option<String> {
    if objectives.is_empty() {
        return None;
    }
    let met = objectives.iter().filter(|judged| judged.met).count();
    let (count, word) = (objectives.len(), |count| if count == 1 { "objective" } else { "objectives" });
    let verdict = match count - met {
        0 => format!("{}  {met} of {count} {} met", look.good("PASS"), word(count)),
        missed => format!("{}  {missed} of {count} {} missed", look.bad("FAIL"), word(count)),
    };
    let unsure = objectives.iter().filter(|judged| judged.unsure).count();
    let doubt = match unsure {
        0 => String::new(),
        count => format!(", {count} within the interval of its limit"),
    };
    Some(format!("{verdict}{doubt}"))
}

fn title(report: &Report<'_>, look: &Look, elapsed_s: Option<f64>) -> String {
    let run = report.run;
    let requests = total_requests(run) * run.replications as f64;
    let mut parts = vec![
        look.bold(report.title),
        format!("{} simulated", run.clock.duration.since(crate::kernel::SimTime::ZERO)),
        format!("{} requests", number::grouped(requests)),
        format!("seed {}", report.stamp.seed),
        match run.replications {
            1 => "1 replication".to_owned(),
            many => format!("{many} replications"),
        },
    ];
    parts.extend(elapsed_s.map(|seconds| format!("{seconds:.1} s")));
    parts.join(look.pick(" · ", " | "))
}

/// Answered requests that count, of all clients, per replication.
pub fn total_requests(run: &RunResults) -> f64 {
    let all = run.clients.iter().filter(|row| row.class == ALL_CLASSES);
    all.filter_map(|row| row.requests.value).sum()
}

fn objectives(objectives: &[Judged], look: &Look) -> Vec<String> {
    let Some(verdict) = verdict(objectives, look) else { return Vec::new() };
    let width = objectives.iter().map(|judged| judged.text.chars().count()).max().unwrap_or(0);
    let line = |judged: &Judged| {
        let mark = match (judged.met, judged.unsure) {
            (true, false) => look.good(look.pick("✓", "+")),
            (false, false) => look.bad(look.pick("✗", "x")),
            (true, true) => look.doubtful(look.pick("✓?", "+?")),
            (false, true) => look.doubtful(look.pick("✗?", "x?")),
        };
        let pad = if judged.unsure { "" } else { " " };
        let observed = observed(judged.figure, judged.observed, look);
        format!("{INDENT}{INDENT}{mark}{pad} {:<width$}  {observed}", judged.text)
    };
    std::iter::once(format!("{INDENT}{verdict}")).chain(objectives.iter().map(line)).collect()
}

/// A figure with its interval, as people read it: `p(99) = 214ms ± 3ms`.
pub fn observed(figure: Figure, estimate: Estimate, look: &Look) -> String {
    let Some(value) = estimate.value else { return "no data".to_owned() };
    let (text, width) = match figure {
        Figure::SuccessPct => {
            let decimals = number::percent(value).split('.').nth(1).map_or(2, str::len);
            let width = estimate.ci95.map(|width| number::width(width, decimals));
            (format!("{}%", number::percent(value)), width)
        }
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => {
            number::latency_interval(value, estimate.ci95)
        }
        Figure::Rps => (number::rate(value), estimate.ci95.map(number::rate)),
        Figure::Retries | Figure::Ejections | Figure::Overflow => {
            (number::fixed(value, 1), estimate.ci95.map(|width| number::width(width, 1)))
        }
    };
    let name = match figure {
        Figure::Latency(q) => format!("p({}) = ", number::fixed(q * 100.0, 3)),
        Figure::LatencyMean => "mean = ".to_owned(),
        Figure::LatencyMax => "max = ".to_owned(),
        _ => String::new(),
    };
    match width {
        Some(width) => format!("{name}{text} {} {width}", look.pick("±", "+-")),
        None => format!("{name}{text}"),
    }
}

const fn field(title: &'static str, right: bool, expendable: u8) -> Field {
    Field { title, right, expendable }
}

const FIELDS: [Field; 11] = [
    field("caller", false, 0),
    field("service", false, 0),
    field("subset", false, 0),
    field("rps", true, 0),
    field("p50", true, 0),
    field("p90", true, 4),
    field("p99", true, 0),
    field("ok%", true, 0),
    field("retries", true, 2),
    field("ejected", true, 3),
    field("failures", false, 1),
];

/// Rows of clusters that a person will read; clusters.csv has all.
const MOST_CLUSTERS: usize = 40;

/// The clusters that a person should see: those with the most failures, then those with the most calls.
fn shown(run: &RunResults) -> BTreeSet<usize> {
    let weight = |row: &ClusterFigures| {
        let (calls, success) = (row.calls.value.unwrap_or(0.0), row.success_pct.value.unwrap_or(100.0));
        (calls * (100.0 - success), calls)
    };
    let mut order: Vec<usize> = (0..run.clusters.len()).collect();
    order.sort_by(|left, right| {
        let (left, right) = (weight(&run.clusters[*left]), weight(&run.clusters[*right]));
        right.0.total_cmp(&left.0).then(right.1.total_cmp(&left.1))
    });
    order.into_iter().take(MOST_CLUSTERS).collect()
}

/// Clients as a whole, and below each caller what it calls; callers that are clients first.
fn rows(run: &RunResults) -> Vec<Vec<String>> {
    let shown = shown(run);
    let mut rows = Vec::new();
    let mut callers: Vec<&str> = run.clients.iter().map(|row| row.client.as_str()).collect();
    callers.dedup();
    let others: BTreeSet<&str> = run.clusters.iter().map(|row| row.source.as_str()).collect();
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
        let name = if whole { "(all requests)".to_owned() } else { format!("({})", row.class) };
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
    cells.extend([retries, ejections.map_or_else(String::new, |count| number::fixed(count, 1))]);
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
        sorted.iter().take(3).map(|(name, count)| format!("{name} {}", few(*count))).collect();
    if sorted.len() > 3 {
        parts.push(format!("+{} more", sorted.len() - 3));
    }
    parts.join(", ")
}

/// Failures, and answers without a route, which count as success and are none.
fn is_worth_telling(outcome: Outcome) -> bool {
    !outcome.is_success() || outcome.flags.contains(Flag::NR)
}

/// A mean count: whole from ten on.
fn few(count: f64) -> String {
    if count < 10.0 { number::fixed(count, 1) } else { number::grouped(count) }
}

fn label(name: &str, text: &str, look: &Look) -> String {
    let name = shortened(name, LABEL - 2, if look.unicode { '…' } else { '~' });
    format!("{INDENT}{}{text}", look.dim(&format!("{name:<LABEL$}")))
}

/// A sparkline of p99 for each client, over the whole run.
fn over_time(run: &RunResults, look: &Look) -> Vec<String> {
    let of_clients = |row: &&SeriesFigures| {
        row.subject.scope == Scope::Client
            && row.subject.target == ALL_CLASSES
            && row.metric == Metric::LatencyP99
    };
    let clients: Vec<_> = run.series.iter().filter(of_clients).collect();
    let line = |row: &&SeriesFigures| {
        let values: Vec<Option<f64>> = row.values.iter().map(|point| point.value).collect();
        let known = values.iter().enumerate().filter_map(|(window, value)| Some((window, (*value)?)));
        let (window, most) =
            known.max_by(|left, right| left.1.total_cmp(&right.1).then(right.0.cmp(&left.0)))?;
        let room = look.width.saturating_sub(LABEL + 32).clamp(10, 60);
        let line = sparkline(&values, room, look);
        let begin = number::moment(run.windows[window].seconds());
        let whose = if clients.len() > 1 {
            format!("p99 {}", row.subject.source)
        } else {
            "p99 over time".to_owned()
        };
        Some(label(&whose, &format!("{line}  max {} at {begin}", number::latency(most)), look))
    };
    clients.iter().filter_map(line).collect()
}

/// The subset whose pods are busiest.
fn bottleneck(run: &RunResults, look: &Look) -> Option<String> {
    let mut groups: BTreeMap<(&str, &str), Vec<(f64, &str)>> = BTreeMap::new();
    for row in &run.hosts {
        if let Some(busy) = row.utilization_pct.value {
            groups.entry((&row.service, &row.subset)).or_default().push((busy, &row.host));
        }
    }
    let mean = |pods: &[(f64, &str)]| pods.iter().map(|pod| pod.0).sum::<f64>() / pods.len() as f64;
    let ((service, subset), pods) =
        groups.into_iter().reduce(|best, next| if mean(&next.1) > mean(&best.1) { next } else { best })?;
    let (most, host) = pods.iter().copied().reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    let name = if subset.is_empty() { service.to_owned() } else { format!("{service} {subset}") };
    let uneven = most - mean(&pods) >= 1.0;
    let busiest = if uneven { format!(" (busiest: {host}, {most:.0}%)") } else { String::new() };
    let text = format!("{name}: {:.0}% of its slots busy{busiest}", mean(&pods));
    Some(label("bottleneck", &text, look))
}

/// What a reader must know before believing the figures.
fn notes(run: &RunResults, given: &[String], look: &Look) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let unfinished: f64 = run
        .clients
        .iter()
        .filter(|row| row.class == ALL_CLASSES)
        .filter_map(|row| row.unfinished.value)
        .sum();
    if unfinished > 0.0 {
        let count = few(unfinished);
        notes.push(format!("{count} requests had no answer when the run ended; no percentile holds them"));
    }
    let routeless: f64 = run
        .responses
        .iter()
        .filter(|row| row.subject.scope == Scope::Client && row.outcome.flags.contains(Flag::NR))
        .filter_map(|row| row.count.value)
        .sum();
    if routeless > 0.0 {
        notes.push(format!("{} requests found no route (404 NR), which counts as success", few(routeless)));
    }
    if run.clusters.len() > MOST_CLUSTERS {
        let rest = run.clusters.len() - MOST_CLUSTERS;
        notes.push(format!("{rest} calmer rows are in clusters.csv"));
    }
    if run.replications == 1 {
        notes.push("one replication: figures have no interval".to_owned());
    }
    notes.extend_from_slice(given);
    notes.iter().map(|note| label("note", note, look)).collect()
}

/// Sections alone, a blank line between them.
pub fn sections(sections: &[Section], look: &Look) -> String {
    let blocks = sections.iter().map(|section| section_lines(section, look).join("\n") + "\n");
    blocks.collect::<Vec<_>>().join("\n")
}

fn wrapped(lines: &[String], look: &Look) -> Vec<String> {
    traffic::wrapped(lines.iter().cloned(), look.width.saturating_sub(2 * INDENT.len()))
}

fn section_lines(section: &Section, look: &Look) -> Vec<String> {
    let lines = section.lines.iter().map(|line| format!("{INDENT}{INDENT}{line}"));
    std::iter::once(format!("{INDENT}{}", look.bold(&section.title))).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn the_verdict_comes_first_and_columns_line_up() {
        let held = fixture::Held::tiny();
        let expected = "\
bookinfo-canary · 30s simulated · 12 requests · seed 42 · 2 replications · 0.9 s

  FAIL  1 of 2 objectives missed, 1 within the interval of its limit
    ✓  app p(99) < 250ms  p(99) = 6ms
    ✗? success >= 99.9%   83.33% ± 20

  caller  service         subset    rps     p50     p90     p99     ok%  retries  failures
  web     (all requests)            0.3  3.01ms  29.9ms  29.9ms   83.33           UO 1
          (get)                     0.2     2ms     4ms     4ms  100.00
          (put)                     0.1    10ms  29.9ms  29.9ms   50.00           UO 1
          app             v1       0.05     6ms     6ms     6ms  100.00   300.0%
          app             v2      0.025     4ms     4ms     4ms  100.00

  p99 over time    ▄    max 29.9ms at 0:00

  Not modelled (1)
    EnvoyFilter default/lua (mesh/lua.yaml:3)
";
        assert_eq!(render(&held.report(), &Look::PLAIN, Some(0.94)), expected);
    }

    #[test]
    fn lines_fit_the_terminal() {
        let held = fixture::Held::canary();
        let crowd = fixture::Held::crowd();
        for (held, width) in [(&held, 60), (&held, 80), (&crowd, 80), (&crowd, 120)] {
            let text = render(&held.report(), &Look { width, ..Look::PLAIN }, None);
            let table = text.lines().skip_while(|line| !line.starts_with("  caller"));
            for line in table.take_while(|line| !line.is_empty()) {
                assert!(line.chars().count() <= width, "{line}");
            }
        }
    }

    #[test]
    fn ascii_terminals_get_ascii() {
        let held = fixture::Held::canary();
        let text = render(&held.report(), &Look { unicode: false, ..Look::PLAIN }, None);
        assert!(text.is_ascii(), "{text}");
    }

    #[test]
    fn no_objectives_no_verdict() {
        assert_eq!(verdict(&[], &Look::PLAIN), None);
    }
}
