//! The search on the terminal.

use super::super::observed::observed;
use super::super::terminal::{Field, Look, Set, grid, shortened, wrapped};
use super::super::{number, place, remark};
use super::{Session, Subject, short};
use crate::kernel::words::counted;
use crate::study::capacity::{Answer, Case, Ejections, Fold, FullLimit, Survive, Tried};
use crate::study::{Bottleneck, Judged};

const INDENT: &str = "  ";
/// Where the text of labelled lines begins.
const LABEL: usize = 15;
/// Points of the frontier that are listed; capacity.csv has all.
const MOST: usize = 12;
/// Objects with the same thing left out that are named.
const MOST_ALIKE: usize = 8;
/// Per cent of servers busy, at the busiest time or in the busiest pod, from which they are called short.
const BUSY: f64 = 60.0;
/// Workloads that are told.
const MOST_WORKERS: usize = 4;
/// Per cent of requests without an answer that are worth a word.
const LEAST_UNANSWERED: f64 = 0.05;
/// Points of a percentage that are worth a word.
const NOTABLE: f64 = 5.0;
/// Seconds until the control plane takes a silent node for lost. Source: design D9.14.
const GRACE_S: f64 = 40.0;
/// Characters beside the objectives' columns, and the least of one's title.
const BESIDE: usize = 32;
const LEAST_TITLE: usize = 14;

pub fn render(session: &Session<'_>, look: &Look) -> String {
    let sentence = wrapped(std::iter::once(session.sentence()), look.width);
    let sentence = sentence.iter().map(|line| look.bold(line)).collect();
    let mut blocks = vec![vec![title(session, look)], points(session, look), sentence];
    let below = [limits(session, look), notes(session, look)].concat();
    blocks.push(below);
    blocks.push(frontier(session, look));
    if !session.not_modelled.is_empty() {
        let room = look.width.saturating_sub(4);
        let lines = remark::lines(session.not_modelled, session.base, MOST_ALIKE);
        let head =
            format!("{INDENT}{}", look.bold(&format!("Not modelled ({})", session.not_modelled.len())));
        let lines =
            wrapped(lines.into_iter(), room).into_iter().map(|line| format!("{INDENT}{INDENT}{line}"));
        blocks.push(std::iter::once(head).chain(lines).collect());
    }
    let filled = blocks.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n") + "\n");
    filled.collect::<Vec<_>>().join("\n")
}

fn title(session: &Session<'_>, look: &Look) -> String {
    let parts = [
        look.bold(session.title),
        format!("seed {}", session.stamp.seed),
        format!("up to {} a point", counted(session.stamp.replications, "replication", "replications")),
        session.effort(),
    ];
    parts.join(look.pick(" · ", " | "))
}

/// The points in the order in which they were tried.
fn points(session: &Session<'_>, look: &Look) -> Vec<String> {
    let Some(first) = session.tried.first() else { return Vec::new() };
    let columns = session.columns();
    let judged = first.cases.first().map_or(&[][..], |case| &case.judged);
    // Figures are never cut; their objectives are, where there is no room.
    let room = (look.width.saturating_sub(BESIDE) / judged.len().max(1)).max(LEAST_TITLE);
    let dots = if look.unicode { '…' } else { '~' };
    let names: Vec<String> = judged.iter().map(|judged| shortened(&judged.text, room, dots)).collect();
    let number = |title, expendable| Field { title, set: Set::Number, expendable };
    let mut fields: Vec<Field<'_>> = columns.iter().map(|title| number(title, 0)).collect();
    fields.push(number("rps", 0));
    fields.push(number("cost", 0));
    fields.extend(names.iter().map(|title| number(title, 0)));
    fields.push(Field { title: "lost", set: Set::Name, expendable: 3 });
    fields.push(number("runs", 4));
    fields.push(Field { title: "", set: Set::Name, expendable: 0 });
    let row = |(index, tried): (usize, &Tried)| {
        let mut cells = session.values[index].clone();
        let case = tried.cases.last();
        let is_load = matches!(session.subject, Subject::Load { .. });
        let rps = tried.offered_rps.or(case.map(|case| case.rps)).filter(|_| is_load);
        cells.push(rps.map_or_else(String::new, number::rate));
        cells.push(session.costs[index].map_or_else(String::new, |cost| number::chosen(cost, 3)));
        let judged = case.map_or(&[][..], |case| &case.judged);
        cells.extend(judged.iter().map(|judged| figure(judged, look)));
        cells.push(case.and_then(|case| case.loss.clone()).unwrap_or_default());
        cells.push(tried.cases.iter().map(|case| case.replications).sum::<u32>().to_string());
        cells.push(mark(tried, look));
        cells
    };
    grid(&fields, &session.tried.iter().enumerate().map(row).collect::<Vec<_>>(), look)
}

/// The figure alone, as the title names the objective.
fn figure(judged: &Judged, look: &Look) -> String {
    let text = observed(judged, look);
    text.split_once(" = ").map_or(text.clone(), |(_, figure)| figure.to_owned())
}

/// Without colours, which would be counted as width.
fn mark(tried: &Tried, look: &Look) -> String {
    let mark = if tried.meets() { look.pick("✓", "+") } else { look.pick("✗", "x") };
    let trouble = tried
        .worst()
        .filter(|case| !case.health.is_sound())
        .map_or("", |case| if case.health.is_overloaded() { " overload" } else { " unanswered" });
    format!("{mark}{}{trouble}", if tried.is_unsure() { "?" } else { "" })
}

/// What breaks first, and what is short there.
pub fn limits(session: &Session<'_>, look: &Look) -> Vec<String> {
    let Some(capacity) = session.capacity else { return Vec::new() };
    let tried = &session.tried[capacity.limit];
    let (Some(case), Some((tightest, judged))) = (tried.worst(), tried.tightest()) else {
        return Vec::new();
    };
    let at = session.values_of(capacity.limit);
    let without =
        |case: &Case| case.loss.as_ref().map_or_else(String::new, |loss| format!(" without {loss}"));
    let mut lines = Vec::new();
    let mut breaks = |name: &str, text: String| lines.push(label(name, text, look));
    let told = |judged: &Judged| format!("{}: {}", judged.text, observed(judged, look));
    match case.health.trouble() {
        // Nothing that was asked for breaks, and yet it is no load that the mesh takes.
        Some(trouble) if judged.met => breaks("breaks first", format!("at {at}{}: {trouble}", without(case))),
        trouble => {
            let name = if judged.met { "tightest" } else { "breaks first" };
            breaks(name, format!("{} at {at}{}", told(judged), without(tightest)));
            trouble.into_iter().for_each(|trouble| breaks("there", trouble));
        }
    }
    // Beside what was told already.
    if case.health.is_overloaded() && case.health.unanswered_pct >= LEAST_UNANSWERED {
        breaks("there", case.health.unanswered());
    }
    let strain = &case.strain;
    let mut short: Vec<String> = Vec::new();
    short.extend(strain.limits.iter().filter(|limit| !limit.waits).map(|limit| full(session, limit)));
    short.extend(
        strain
            .workers
            .iter()
            .filter(|found| found.fullness_pct() >= BUSY)
            .take(MOST_WORKERS)
            .map(|found| workers(session, found)),
    );
    short.extend(strain.limits.iter().filter(|limit| limit.waits).map(|limit| full(session, limit)));
    short.extend(strain.ejections.iter().map(ejected));
    if short.is_empty()
        && let Some(found) = strain.workers.first()
    {
        short.push(format!("nothing that is full; busiest is {}", workers(session, found)));
    }
    for (index, text) in short.into_iter().enumerate() {
        lines.push(label(if index == 0 { "limited by" } else { "then" }, text, look));
    }
    lines
}

fn workers(session: &Session<'_>, found: &Bottleneck) -> String {
    let place = (session.place_of)(&found.workload);
    let place = place.map_or_else(String::new, |place| format!(" ({})", place::told(&place, session.base)));
    let pod = found.pod.iter().map(|(pod, busy)| format!(", busiest pod {pod} {busy:.0}%"));
    let when = if found.busy_pct - found.whole_pct < NOTABLE {
        format!("{:.0}% of their slots busy", found.whole_pct)
    } else {
        let (from, to) = (number::moment(found.from.seconds()), number::moment(found.to.seconds()));
        format!(
            "{:.0}% of their slots busy from {from} to {to}, {:.0}% over the whole run",
            found.busy_pct, found.whole_pct
        )
    };
    format!("workers of {}{place}: {when}{}", found.workload, pod.collect::<String>())
}

fn full(session: &Session<'_>, limit: &FullLimit) -> String {
    let FullLimit { keeper, service, subset, field, times, share_pct, waits, is_inbound, .. } = limit;
    let target = if subset.is_empty() { service.clone() } else { format!("{service} {subset}") };
    let written = (session.limit_of)(limit);
    let written = written.map_or_else(String::new, |written| {
        let place = written.place.map_or_else(
            || " (command line)".to_owned(),
            |place| format!(" ({})", place::told(&place, session.base)),
        );
        format!(" {} of {}{place}", written.value, written.object)
    });
    let whose =
        if *is_inbound { format!("own sidecars of {keeper}") } else { format!("{keeper} → {target}") };
    let share = share_pct.map_or_else(String::new, |pct| format!(" ({}%)", short(pct)));
    let what = if *waits { "calls waited" } else { "calls refused" };
    format!("{field}{written}, {whose}: {} {what} a replication{share}", number::count(*times))
}

fn ejected(found: &Ejections) -> String {
    let Ejections { caller, service, subset, count, no_host } = found;
    let target = if subset.is_empty() { service.clone() } else { format!("{service} {subset}") };
    let none = if *no_host > 0.0 {
        format!("; {} attempts found no host", number::count(*no_host))
    } else {
        String::new()
    };
    format!(
        "outlier detection of {caller} → {target}: {} ejections a replication{none}",
        number::count(*count)
    )
}

/// What a reader must know before believing the answer.
pub fn notes(session: &Session<'_>, look: &Look) -> Vec<String> {
    let mut notes = Vec::new();
    let fold = session.capacity.and_then(|capacity| capacity.fold);
    if fold.is_some() && session.is_reversed() {
        let (to, from) = if session.most { ("min", "more") } else { ("max", "less") };
        notes.push(format!("{from} is easier here, so the other end is the border: ask with `--find {to}`"));
    } else if let Some(Fold { misses, meets }) = fold {
        notes.push(format!(
            "not monotone: {} misses the objectives beyond noise, and {}, which should be harder, meets them; the \
             answer is the border that was found, and there are others",
            session.values_of(misses),
            session.values_of(meets)
        ));
    }
    if let Some(judged) =
        session.tried[0].cases.iter().flat_map(|case| &case.judged).find(|j| j.observed.value.is_none())
    {
        notes.push(format!("{}: no request tells anything of it, so it counts as missed", judged.text));
    }
    let edge = session.capacity.map(|capacity| &session.tried[capacity.limit]);
    if let Some(judged) = edge.and_then(Tried::tightest).map(|(_, judged)| judged)
        && session.stamp.replications > 1
        && judged.observed.ci95.is_none()
        && judged.observed.value.is_some()
    {
        notes.push(format!(
            "{} has no interval, so noise decides near the border; a percentile q wants 10 / (1 - q) samples a \
             replication: lengthen `duration`",
            judged.text
        ));
    }
    let misses = session.capacity.is_some_and(|capacity| !session.tried[capacity.limit].meets());
    if session.survive == Some(Survive::Zone) && misses && session.measured_s > 0.0 {
        let share = (100.0 * GRACE_S / session.measured_s).min(100.0);
        notes.push(format!(
            "callers hear of the loss after {GRACE_S:.0} s, which are {share:.0} % of the measured time: what fails \
             until then fails at any load, and a longer `duration` gives it less weight"
        ));
    }
    if session.stamp.replications == 1 {
        notes.push("one replication: figures have no interval".to_owned());
    }
    notes.into_iter().map(|note| label("note", note, look)).collect()
}

/// The points of which none can be had with less of anything, where there are several.
fn frontier(session: &Session<'_>, look: &Look) -> Vec<String> {
    let Some(Answer::Least { frontier, .. }) = session.capacity.map(|capacity| &capacity.answer) else {
        return Vec::new();
    };
    if frontier.len() < 2 {
        return Vec::new();
    }
    let mut lines =
        vec![format!("{INDENT}{}", look.bold("Frontier (none of these can be had with less of anything)"))];
    for number in frontier.iter().take(MOST) {
        let cost = session.costs[*number]
            .map_or_else(String::new, |cost| format!(", cost {}", number::chosen(cost, 3)));
        lines.push(format!("{INDENT}{INDENT}{}{cost}", session.values_of(*number)));
    }
    if frontier.len() > MOST {
        lines.push(format!("{INDENT}{INDENT}and {} more in capacity.csv", frontier.len() - MOST));
    }
    lines
}

/// A name, and beside it a text, broken where it is too long.
fn label(name: &str, text: String, look: &Look) -> String {
    let room = look.width.saturating_sub(INDENT.len() + LABEL);
    let lines = wrapped(std::iter::once(text), room);
    let below = format!("\n{INDENT}{:LABEL$}", "");
    format!("{INDENT}{}{}", look.dim(&format!("{name:<LABEL$}")), lines.join(&below))
}
