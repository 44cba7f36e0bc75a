//! The answer on the terminal: verdict first, then the objectives, who got what, when it was worst, and what the
//! model leaves out. Source: reference ux 4.1.

use super::observed::observed;
use super::rows::{MOST_CLUSTERS, fields, rows};
use super::terminal::{Look, grid, shortened, sparkline, wrapped};
use super::{Report, Section, number, remark};
use crate::kernel::SimTime;
use crate::kernel::words::counted;
use crate::mesh::Flag;
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Counter, Metric, Scope};
use crate::study::{Bottleneck, Judged, RunResults, SeriesFigures};

const INDENT: &str = "  ";
/// Where the text of labelled lines begins.
const LABEL: usize = 17;
/// Objects with the same thing left out that are named; summary.json has all.
const MOST_ALIKE: usize = 8;
/// Points of a percentage that are worth a word.
const NOTABLE: f64 = 5.0;

/// The whole text. `elapsed_s` is the wall time, for a person at a terminal; no file gets it.
pub fn render(report: &Report<'_>, look: &Look, elapsed_s: Option<f64>) -> String {
    let run = report.run;
    let mut blocks = vec![vec![title(report, look, elapsed_s)]];
    blocks.push(objectives(&run.objectives, look));
    blocks.push(grid(&fields(run), &rows(run), look));
    blocks.push(
        [over_time(run, look), bottleneck(run, look).into_iter().collect(), notes(run, report.notes, look)]
            .concat(),
    );
    if !report.not_modelled.is_empty() {
        let room = look.width.saturating_sub(2 * INDENT.len());
        let lines = remark::lines(report.not_modelled, report.told.base, MOST_ALIKE);
        let section = Section {
            title: format!("Not modelled ({})", report.not_modelled.len()),
            lines: wrapped(lines.into_iter(), room),
        };
        blocks.push(section_lines(&section, look));
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
    let all = counted(objectives.len(), "objective", "objectives");
    let verdict = match objectives.len() - met {
        0 => format!("{}  {met} of {all} met", look.good("PASS")),
        missed => format!("{}  {missed} of {all} missed", look.bad("FAIL")),
    };
    let doubt = match objectives.iter().filter(|judged| judged.unsure).count() {
        0 => String::new(),
        count => format!(", {count} too close to call"),
    };
    Some(format!("{verdict}{doubt}"))
}

fn title(report: &Report<'_>, look: &Look, elapsed_s: Option<f64>) -> String {
    let run = report.run;
    let connections = total_connections(run);
    let (requests, replications) = (total_requests(run) - connections, run.replications as f64);
    let told = |count: f64, one, many| {
        (count > 0.0).then(|| counted(number::grouped(count * replications, 0), one, many))
    };
    let connections = told(connections, "connection", "connections");
    let requests = told(requests, "request", "requests");
    let requests = requests.or_else(|| connections.is_none().then(|| "0 requests".to_owned()));
    let asked: Vec<String> = requests.into_iter().chain(connections).collect();
    let mut parts = vec![
        look.bold(report.title),
        format!("{} simulated", run.clock.duration.since(SimTime::ZERO)),
        asked.join(" and "),
        format!("seed {}", report.stamp.seed),
        counted(run.replications, "replication", "replications"),
    ];
    parts.extend(elapsed_s.map(|seconds| format!("{seconds:.1} s")));
    parts.join(look.pick(" · ", " | "))
}

/// Connections of opaque bytes among them.
fn total_connections(run: &RunResults) -> f64 {
    let of_clients = run.responses.iter().filter(|row| row.subject.scope == Scope::Client);
    of_clients.filter(|row| row.outcome.code().is_none()).filter_map(|row| row.count.value).sum()
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
        let observed = observed(judged, look);
        format!("{INDENT}{INDENT}{mark}{pad} {:<width$}  {observed}", judged.text)
    };
    std::iter::once(format!("{INDENT}{verdict}")).chain(objectives.iter().map(line)).collect()
}

/// A name, and beside it a text, broken where it is too long.
fn label(name: &str, text: String, look: &Look) -> String {
    let name = shortened(name, LABEL - 2, if look.unicode { '…' } else { '~' });
    let room = look.width.saturating_sub(INDENT.len() + LABEL);
    let lines = wrapped(std::iter::once(text), room);
    let below = format!("\n{INDENT}{:LABEL$}", "");
    format!("{INDENT}{}{}", look.dim(&format!("{name:<LABEL$}")), lines.join(&below))
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
        Some(label(&whose, format!("{line}  max {} at {begin}", number::latency(most)), look))
    };
    clients.iter().filter_map(line).collect()
}

/// Whose pods are busiest, and when, if that is a matter of time.
fn bottleneck(run: &RunResults, look: &Look) -> Option<String> {
    let found = Bottleneck::of(run)?;
    let mut text = if found.busy_pct - found.whole_pct < NOTABLE {
        format!("{}: {:.0}% of its slots busy", found.workload, found.whole_pct)
    } else {
        format!(
            "{}: {:.0}% of its slots busy from {} to {}, {:.0}% over the whole run",
            found.workload,
            found.busy_pct,
            number::moment(found.from.seconds()),
            number::moment(found.to.seconds()),
            found.whole_pct
        )
    };
    if let Some((pod, busy)) = found.pod.filter(|(_, busy)| busy - found.whole_pct >= NOTABLE) {
        text.push_str(&format!(" (busiest pod: {pod}, {busy:.0}%)"));
    }
    Some(label("bottleneck", text, look))
}

/// Requests that the end of the run came before, if there are any.
pub(super) fn unanswered(run: &RunResults) -> Option<String> {
    let all = run.clients.iter().filter(|row| row.class == ALL_CLASSES);
    let unfinished: f64 = all.filter_map(|row| row.unfinished.value).sum();
    (unfinished > 0.0).then(|| {
        let requests = counted(number::count(unfinished), "request", "requests");
        format!("{requests} had no answer when the run ended and are in no percentile")
    })
}

/// What a reader must know before believing the figures.
fn notes(run: &RunResults, given: &[String], look: &Look) -> Vec<String> {
    let mut notes: Vec<String> = unanswered(run).into_iter().collect();
    let routeless: f64 = run
        .responses
        .iter()
        .filter(|row| row.subject.scope == Scope::Client && row.outcome.flags.contains(Flag::NR))
        .filter(|row| row.outcome.is_success())
        .filter_map(|row| row.count.value)
        .sum();
    if routeless > 0.0 {
        let requests = counted(number::count(routeless), "request", "requests");
        notes.push(format!("{requests} found no route (404 NR), which counts as success"));
    }
    for row in run.clusters.iter().filter(|row| row.is_inbound()) {
        let of = |counter| row.counter(counter).value.unwrap_or(0.0);
        let refused = of(Counter::PendingOverflow) + of(Counter::ActiveOverflow);
        if refused >= 0.5 {
            let requests = counted(number::count(refused), "request", "requests");
            let (pods, callers) = (&row.source, "which callers see as a plain 503");
            notes.push(format!("{requests} refused by {pods}'s own sidecars, {callers}"));
        }
    }
    let clusters = run.clusters.iter().filter(|row| !row.is_inbound()).count();
    if clusters > MOST_CLUSTERS {
        let rest = clusters - MOST_CLUSTERS;
        notes.push(format!("{} left out (see clusters.csv)", counted(rest, "calmer row", "calmer rows")));
    }
    if run.replications == 1 {
        notes.push("one replication: figures have no interval".to_owned());
    }
    notes.extend_from_slice(given);
    notes.into_iter().map(|note| label("note", note, look)).collect()
}

/// Sections alone, a blank line between them.
pub fn sections(sections: &[Section], look: &Look) -> String {
    let blocks = sections.iter().map(|section| section_lines(section, look).join("\n") + "\n");
    blocks.collect::<Vec<_>>().join("\n")
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

  FAIL  1 of 2 objectives missed, 1 too close to call
    ✓  app p(99) < 250ms  p(99) = 6.00ms
    ✗? success >= 99.9%   83% ± 20

  caller  service  subset    rps     p50     p90     p99     ok%  retries  failures
  web     (all)            0.300  3.01ms  29.9ms  29.9ms   83.33           UO 1
          (get)            0.200  2.00ms  4.00ms  4.00ms  100.00
          (put)            0.100  10.0ms  29.9ms  29.9ms   50.00           UO 1
          app      v1      0.050  6.00ms  6.00ms  6.00ms  100.00   300.0%
          app      v2      0.025  4.00ms  4.00ms  4.00ms  100.00

  p99 over time    ▄    max 29.9ms at 0:00

  Not modelled (1)
    EnvoyFilter default/lua (mesh/lua.yaml:3): patches
";
        assert_eq!(render(&held.report(), &Look::PLAIN, Some(0.94)), expected);
    }

    #[test]
    fn a_bottleneck_of_a_while_is_told_with_its_time() {
        let held = fixture::Held::canary();
        let text = render(&held.report(), &Look { width: 60, ..Look::PLAIN }, None);
        let expected = "
  bottleneck       reviews-v2: 90% of its slots busy from
                     4:00 to 4:57, 35% over the whole run
                     (busiest pod: reviews-v2-1, 72%)
";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn failures_outlive_other_columns() {
        let held = fixture::Held::canary();
        let text = render(&held.report(), &Look { width: 70, ..Look::PLAIN }, None);
        let titles = text.lines().find(|line| line.starts_with("  caller")).expect("a table");
        assert!(titles.ends_with("  failures") && !titles.contains("p90"), "{titles}");
    }

    #[test]
    fn lines_fit_the_terminal() {
        let held = fixture::Held::canary();
        let crowd = fixture::Held::crowd();
        for (held, width) in [(&held, 60), (&held, 80), (&crowd, 80), (&crowd, 120)] {
            let text = render(&held.report(), &Look { width, ..Look::PLAIN }, None);
            for line in text.lines().skip(1) {
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
