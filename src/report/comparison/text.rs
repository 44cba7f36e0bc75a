//! A comparison on the terminal: what changed first, then what it does, and one sentence at the end.
//! Source: reference ux 4.3.

use super::super::observed::observed;
use super::super::terminal::{Field, Look, Set, grid, shortened, wrapped};
use super::super::{number, place};
use super::{Change, Comparisons, Note, Side, all_in, examples, notes, sentence, verdicts, words};
use crate::kernel::SimTime;
use crate::kernel::words::counted;
use crate::mesh::model::Figure;
use crate::study::Judged;
use crate::study::compare::{
    Candidate, ClientPairs, Compared, Measure, NetChange, Pairs, Scope, Sense, Tally, Verdict,
};

/// Rows of the configuration that people are shown.
const MOST_CHANGES: usize = 40;
/// Rows of clusters that people are shown, those that changed most.
const MOST_CLUSTERS: usize = 12;
/// The same of their calls.
const MOST_LOADS: usize = 4;
/// Clients whose pairs are shown apart.
const MOST_CLIENTS: usize = 6;

/// What differs in the configuration, of each candidate. `base`: the scenario's directory; `is_written`: files will hold
/// all of it.
pub fn changes(names: &[&str], changes: &[Vec<Change>], base: &str, is_written: bool, look: &Look) -> String {
    let mut text = String::new();
    for (name, changes) in names.iter().zip(changes) {
        let title = format!("Changes of {name} ({})", changes.len());
        let mut lines = vec![look.bold(&title)];
        lines.extend(changes.iter().take(MOST_CHANGES).flat_map(|change| change_lines(change, base, look)));
        if changes.len() > MOST_CHANGES {
            let place = all_in(is_written, "json");
            lines.push(format!("  and {} more, {place}", changes.len() - MOST_CHANGES));
        }
        if changes.is_empty() {
            lines.push("  none: both mean the same".to_owned());
        }
        text.push_str(&format!("{}\n\n", lines.join("\n")));
    }
    text
}

fn change_lines(change: &Change, base: &str, look: &Look) -> Vec<String> {
    let (mark, what) = match (&change.old, &change.new) {
        (None, _) => (look.good("+"), "added"),
        (_, None) => (look.bad("-"), "removed"),
        _ => (look.doubtful("~"), ""),
    };
    let sides: Vec<&Side> = change.old.iter().chain(&change.new).collect();
    let values: Vec<&str> = sides.iter().map(|side| side.value.as_str()).filter(|v| !v.is_empty()).collect();
    let mut places: Vec<String> = sides.iter().map(|side| told(side, base)).collect();
    places.dedup();
    let (arrow, path) = (" -> ", change.path.strip_prefix("spec.").unwrap_or(&change.path));
    let mut parts = vec![change.object.clone(), path.to_owned(), values.join(arrow)];
    parts.retain(|part| !part.is_empty());
    if !what.is_empty() {
        parts.push(format!("({what})"));
    }
    let (head, places) = (parts.join("  "), places.join(arrow));
    if head.chars().count() + places.chars().count() + 6 <= look.width {
        return vec![format!("  {mark} {head}  {}", look.dim(&places))];
    }
    let mut lines = wrapped(std::iter::once(head), look.width.saturating_sub(6));
    lines.push(format!("  {}", look.dim(&places)));
    lines
        .iter()
        .enumerate()
        .map(|(n, line)| if n == 0 { format!("  {mark} {line}") } else { format!("    {line}") })
        .collect()
}

fn told(side: &Side, base: &str) -> String {
    // An order stands on the command line, not at a line of its own.
    if side.place.file.starts_with("--") { side.place.file.clone() } else { place::told(&side.place, base) }
}

/// What it does. `elapsed_s` is the wall time, for a person at a terminal.
pub fn render(report: &Comparisons<'_>, look: &Look, elapsed_s: Option<f64>) -> String {
    let mut blocks = vec![title(report, look, elapsed_s)];
    for (name, candidate, _) in report.candidates() {
        if report.names.len() > 2 {
            blocks.push(look.bold(&format!("{name} against {}", report.names[0])));
        }
        blocks.extend(objectives(report, name, candidate, look));
        if candidate.is_equal {
            continue;
        }
        blocks.push(figures(report, name, candidate, look));
        blocks.extend(pairs(candidate, look));
        let told = examples::lines(report, name, candidate, look.width);
        if !told.is_empty() {
            blocks.push(format!(
                "  {}\n{}",
                look.bold("Requests that flipped, the first of each kind"),
                told.join("\n")
            ));
        }
    }
    let note = |note: &Note<'_>| {
        let lines = wrapped(std::iter::once(note.line()), look.width.saturating_sub(8));
        format!("  {}  {}", look.dim("note"), lines.join("\n        "))
    };
    let notes: Vec<String> = notes(report).iter().map(note).collect();
    if !notes.is_empty() {
        blocks.push(notes.join("\n"));
    }
    let lines: Vec<String> = verdicts(report, look)
        .into_iter()
        .flat_map(|line| wrapped(std::iter::once(line), look.width))
        .collect();
    blocks.push(lines.join("\n"));
    format!("{}\n", blocks.join("\n\n"))
}

fn title(report: &Comparisons<'_>, look: &Look, elapsed_s: Option<f64>) -> String {
    let compared = report.comparison;
    let requests = compared.candidates.iter().map(|own| own.pairs[0].tally.all().count()).max().unwrap_or(0);
    let mut parts = vec![
        look.bold(report.title),
        format!("{} simulated", compared.clock.duration.since(SimTime::ZERO)),
        format!(
            "the same {} through {}",
            counted(number::grouped(requests as f64, 0), "request", "requests"),
            through(report.names.len())
        ),
        format!("seed {}", report.stamp.seed),
        counted(compared.replications, "replication", "replications"),
    ];
    parts.extend(elapsed_s.map(|seconds| format!("{seconds:.1} s")));
    wrapped(std::iter::once(parts.join(look.pick(" · ", " | "))), look.width).join("\n")
}

fn through(count: usize) -> String {
    if count == 2 { "both".to_owned() } else { format!("all {count}") }
}

/// Each objective, under the base and the candidate.
fn objectives(report: &Comparisons<'_>, name: &str, candidate: &Candidate, look: &Look) -> Option<String> {
    let base = &report.comparison.objectives;
    if base.is_empty() {
        return None;
    }
    let cell = |judged: &Judged| {
        let mark = match judged.met {
            true => look.pick("✓", "+"),
            false => look.pick("✗", "x"),
        };
        format!("{mark}{} {}", if judged.unsure { "?" } else { "" }, observed(judged, look))
    };
    let pairs = base.iter().zip(&candidate.objectives);
    let rows = pairs.map(|(before, after)| vec![before.text.clone(), cell(before), cell(after)]).collect();
    let titles = ["objective", report.names[0], name];
    Some(titled(&[Set::Name; 3], &titles, rows, look).join("\n"))
}

/// A grid whose titles hold names of the user's.
fn titled(sets: &[Set], titles: &[&str], mut rows: Vec<Vec<String>>, look: &Look) -> Vec<String> {
    const LONGEST: usize = 20;
    let dots = if look.unicode { '…' } else { '~' };
    rows.insert(0, titles.iter().map(|title| shortened(title, LONGEST, dots)).collect());
    let field = |set: &Set| Field { title: "", set: *set, expendable: 0 };
    let fields: Vec<Field> = sets.iter().map(field).collect();
    let mut lines = grid(&fields, &rows, look);
    // The grid's own titles are empty.
    lines.remove(0);
    lines[0] = look.dim(&lines[0]);
    lines
}

/// Figures of clients, and of the clusters that changed most.
fn figures<'a>(report: &Comparisons<'_>, name: &str, candidate: &'a Candidate, look: &Look) -> String {
    let is_cluster = |row: &&Compared| row.subject.scope == Scope::Cluster;
    // What the sentence names can be looked up.
    let named = sentence::extremes(candidate);
    let is_named = |row: &Compared| !is_cluster(&row) && named.iter().any(|(own, _)| std::ptr::eq(*own, row));
    let is_client_s = |row: &&Compared| is_told(row) || is_named(row);
    let mut shown: Vec<&Compared> = candidate.figures.iter().filter(is_client_s).collect();
    let is_load = |row: &&Compared| row.sense == Sense::Neutral;
    let clusters = || candidate.figures.iter().filter(is_cluster);
    let certain = || clusters().filter(|row| row.verdict.is_sure());
    let most = |mut rows: Vec<&'a Compared>, count: usize| {
        rows.sort_by(|left, right| words::extent(right).total_cmp(&words::extent(left)));
        rows.truncate(count);
        rows
    };
    let mut changed = most(certain().filter(|row| !is_load(row)).collect(), MOST_CLUSTERS);
    changed.extend(most(certain().filter(is_load).collect(), MOST_LOADS));
    shown.extend(candidate.figures.iter().filter(|row| changed.iter().any(|own| std::ptr::eq(*own, *row))));
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|row| {
            vec![
                words::title(row),
                words::value(row.measure, row.reference),
                words::value(row.measure, row.value),
                words::change(row),
                words::painted(row.verdict, &Look { colour: false, ..*look }).to_owned(),
            ]
        })
        .collect();
    let titles = ["metric", report.names[0], name, "change [95% CI]", "verdict"];
    let sets = [Set::Name, Set::Number, Set::Number, Set::Number, Set::Name];
    let mut lines = titled(&sets, &titles, rows, look);
    for (line, row) in lines[1..].iter_mut().zip(&shown) {
        let plain = row.verdict.name();
        if let Some(head) = line.strip_suffix(plain) {
            *line = format!("{head}{}", words::painted(row.verdict, look));
        }
    }
    let unknown = clusters().filter(|row| row.verdict == Verdict::Unknown).count();
    let certain = certain().count();
    let rest = [
        (certain - changed.len(), "changed"),
        (clusters().count() - certain - unknown, "within noise or the same"),
        (unknown, "unknown"),
    ];
    let rest: Vec<String> =
        rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if !rest.is_empty() {
        let place = all_in(report.is_written, "csv");
        let note = format!("  more figures of clusters, {place}: {}", rest.join(", "));
        lines.extend(wrapped(std::iter::once(note), look.width));
    }
    lines.join("\n")
}

/// Whether people are shown a figure of clients: the others only if they changed, or there is room.
fn is_told(row: &Compared) -> bool {
    let is_rate = matches!(row.measure, Measure::Of(Figure::Rps) | Measure::ServedRps);
    let is_whole = matches!(row.subject.scope, Scope::All | Scope::Client);
    is_whole && row.measure != Measure::Of(Figure::Latency(0.9)) && (!is_rate || row.verdict.is_sure())
}

/// What became of the same requests, by whether they went the same way; of each client where there are a few.
fn pairs(candidate: &Candidate, look: &Look) -> Vec<String> {
    let fields = [
        Field { title: "same requests", set: Set::Name, expendable: 0 },
        Field { title: "pairs", set: Set::Number, expendable: 0 },
        Field { title: "both served", set: Set::Number, expendable: 3 },
        Field { title: "now fail", set: Set::Number, expendable: 0 },
        Field { title: "now served", set: Set::Number, expendable: 0 },
        Field { title: "both failed", set: Set::Number, expendable: 0 },
    ];
    let clients = candidate.pairs.len() - 1;
    let shown =
        if (2..=MOST_CLIENTS).contains(&clients) { &candidate.pairs[..] } else { &candidate.pairs[..1] };
    let count = |number: u64| number::grouped(number as f64, 0);
    let row = |name: String, pairs: &Pairs| {
        let counts = [pairs.count(), pairs.served, pairs.lost, pairs.gained, pairs.failed];
        std::iter::once(name).chain(counts.map(count)).collect::<Vec<String>>()
    };
    let of_client = |own: &ClientPairs| {
        let ways = [("same way", &own.tally.stayed), ("another way", &own.tally.moved)];
        let whose = own.client.as_ref().map_or_else(String::new, |client| format!("{client}: "));
        let ways = ways.into_iter().filter(|(_, pairs)| pairs.count() > 0);
        ways.map(|(way, pairs)| row(format!("{whose}{way}"), pairs)).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = shown.iter().flat_map(of_client).collect();
    let mut blocks = vec![grid(&fields, &rows, look).join("\n")];
    let all = &candidate.pairs[0];
    let ways = [("same way", &all.tally.stayed, all.stayed), ("another way", &all.tally.moved, all.moved)];
    let mut lines: Vec<String> =
        ways.into_iter().filter_map(|(way, pairs, net)| latencies(way, pairs, net)).collect();
    lines.extend(not_paired(&all.tally).map(|told| format!("  {told}")));
    if !lines.is_empty() {
        blocks.push(wrapped(lines.into_iter(), look.width).join("\n"));
    }
    blocks
}

/// How much slower or faster the same requests became.
fn latencies(way: &str, pairs: &Pairs, net: NetChange) -> Option<String> {
    if pairs.served == 0 {
        return None;
    }
    if pairs.served == pairs.equal {
        return Some(format!("  latency, {way}: all that both served took exactly as long"));
    }
    let share = |count: u64| words::share(count, pairs.served);
    let at = |q: f64| words::difference(pairs.change_quantile(q).unwrap_or(0) as f64 / 1e6);
    Some(format!(
        "  latency, {way}: {} slower, {} equal, {} faster; mean {}; p1 {}, p50 {}, p99 {}",
        share(pairs.slower.count()),
        share(pairs.equal),
        share(pairs.faster.count()),
        words::latency_interval(net.latency_ms),
        at(0.01),
        at(0.5),
        at(0.99),
    ))
}

/// Requests without another half, and those that were not followed.
pub fn not_paired(tally: &Tally) -> impl Iterator<Item = String> {
    let count = |number: u64| number::grouped(number as f64, 0);
    let unpaired = (tally.unpaired() > 0).then(|| {
        let (one, other) = (count(tally.base_only), count(tally.candidate_only));
        format!("unpaired: {one} answered under the base alone, {other} under the candidate alone")
    });
    let left_out = (tally.left_out > 0).then(|| {
        let requests = counted(count(tally.left_out), "more request", "more requests");
        format!(
            "a sample: {requests}, chosen by their keys, were not followed, as too many waited for their other \
             half; counts are of the sample, and shares and means stand for all"
        )
    });
    unpaired.into_iter().chain(left_out)
}
