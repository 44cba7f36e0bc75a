//! A sweep for people: which points meet the objectives, the best and the worst, and all of them in a table.

use super::super::Look;
use super::super::observed::observed;
use super::super::terminal::wrapped;
use super::{Point, Study, Target, columns, ranking};
use crate::kernel::words::counted;
use crate::study::Judged;

const INDENT: &str = "  ";
/// Lines of a table.
const MOST_POINTS: usize = 40;
const MOST_NOTES: usize = 6;
/// Settings of inputs that a note names.
const MOST_NAMED: usize = 4;
/// Stands at a point that a reader must know something about.
const NOTED: &str = " !";

/// All of it.
pub fn render(study: &Study, points: &[Point], look: &Look) -> String {
    let mut blocks = vec![vec![title(study, look)]];
    if study.sensitivity.is_some() && study.shard.is_none() {
        blocks.extend(ranking::blocks(study, points, look));
        blocks.push(indented(notes(study, points, MOST_NOTES).into_iter(), look));
        blocks.push(ranking::untried(study, look));
    } else {
        blocks.push(verdict_lines(study, points, look));
        blocks.push(table(study, points, look));
        blocks.push(indented(notes(study, points, MOST_NOTES).into_iter(), look));
        blocks.push(extremes(study, points, look));
    }
    let filled = blocks.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n") + "\n");
    filled.collect::<Vec<_>>().join("\n")
}

/// The table, or the ranking of inputs, for a page of Markdown.
pub fn markdown(study: &Study, points: &[Point]) -> String {
    let notes: String = notes(study, points, usize::MAX).iter().map(|note| format!("- {note}\n")).collect();
    let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
    if study.sensitivity.is_some() && study.shard.is_none() {
        let tables = ranking::markdown(study, points);
        return format!("### {}: which inputs decide\n\n{tables}{notes}", study.title);
    }
    let (titles, rows) = cells(study, points, &Look::PLAIN);
    let verdict = verdict(study, points, &Look::PLAIN).map(|verdict| format!("{verdict}\n\n"));
    let table = columns::markdown(&titles, &rows);
    format!("### {}: sweep\n\n{}{table}{notes}", study.title, verdict.unwrap_or_default())
}

fn title(study: &Study, look: &Look) -> String {
    let kind = match &study.sensitivity {
        Some(sensitivity) => format!(
            "sensitivity: {} by {} either way",
            counted(sensitivity.inputs.len(), "input", "inputs"),
            sensitivity.range
        ),
        None => format!("{} of {}", study.design, counted(study.points, "point", "points")),
    };
    let mut parts = vec![look.bold(&study.title), kind, format!("seed {}", study.seed())];
    parts.push(counted(study.replications(), "replication", "replications"));
    parts.extend(study.shard.map(|shard| format!("shard {}/{}", shard.number, shard.of)));
    parts.join(look.pick(" · ", " | "))
}

/// `6 of 12 points meet all objectives`; `None` without any. For a study of inputs, of the scenario as it is.
pub fn verdict(study: &Study, points: &[Point], look: &Look) -> Option<String> {
    if !study.has_limits() || points.is_empty() {
        return None;
    }
    let met = points.iter().filter(|point| study.meets(point)).count();
    let all = counted(points.len(), "point", "points");
    let paint = |text: String| if met == 0 { look.bad(&text) } else { look.good(&text) };
    let verb = if met == 1 { "meets" } else { "meet" };
    let what = if study.targets.len() == 1 { "the objective" } else { "all objectives" };
    Some(format!("{} {verb} {what}", paint(format!("{met} of {all}"))))
}

fn verdict_lines(study: &Study, points: &[Point], look: &Look) -> Vec<String> {
    let Some(verdict) = verdict(study, points, look) else { return Vec::new() };
    let met: Vec<u32> = points.iter().filter(|point| study.meets(point)).map(|point| point.point).collect();
    let which = if met.is_empty() || met.len() == points.len() {
        String::new()
    } else {
        format!(": {}", spans(&met))
    };
    indented(std::iter::once(format!("{verdict}{which}")), look)
}

/// Wrapped, and set in.
fn indented(lines: impl Iterator<Item = String>, look: &Look) -> Vec<String> {
    let wrapped = wrapped(lines, look.width.saturating_sub(4));
    wrapped.into_iter().map(|line| format!("{INDENT}{line}")).collect()
}

/// What a reader must know before believing figures, once for all points that it holds for.
fn notes(study: &Study, points: &[Point], most: usize) -> Vec<String> {
    let mut all: Vec<(&str, Vec<&Point>)> = Vec::new();
    for point in points {
        for note in &point.notes {
            match all.iter_mut().find(|(known, _)| known == note) {
                Some((_, points)) => points.push(point),
                None => all.push((note, vec![point])),
            }
        }
    }
    let (of, more) = (points.len(), all.len().saturating_sub(most));
    let line = |(note, points): &(&str, Vec<&Point>)| format!("! {}: {note}", whose(study, of, points));
    let mut lines: Vec<String> = all.iter().take(most).map(line).collect();
    if more > 0 {
        lines.push(format!("! {}, in sweep.json", counted(more, "more note", "more notes")));
    }
    lines
}

/// `points 0-3, 6`; of a study of inputs `workloads.app.concurrency low`.
fn whose(study: &Study, all: usize, points: &[&Point]) -> String {
    if all > 1 && points.len() == all {
        return "all points".to_owned();
    }
    if study.sensitivity.is_some() {
        let name = |point: &&Point| point.values[..point.values.len().min(2)].join(" ").trim_end().to_owned();
        let named = points.iter().take(MOST_NAMED).map(name).collect::<Vec<_>>().join(", ");
        return match points.len().saturating_sub(MOST_NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        };
    }
    let numbers: Vec<u32> = points.iter().map(|point| point.point).collect();
    let plural = if numbers.len() == 1 { "point" } else { "points" };
    format!("{plural} {}", spans(&numbers))
}

/// `0-3, 6`.
fn spans(numbers: &[u32]) -> String {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, end)) if *end + 1 == *number => *end = *number,
            _ => spans.push((*number, *number)),
        }
    }
    let text = |(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    spans.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The end of a path, where it tells the dimensions apart.
pub fn short_names(study: &Study) -> Vec<String> {
    let short = |name: &str| name.rsplit(['.', ':']).next().unwrap_or(name).to_owned();
    let shorts: Vec<String> = study.dimensions.iter().map(|dimension| short(&dimension.name)).collect();
    let is_unique = |name: &String| shorts.iter().filter(|other| *other == name).count() == 1;
    let full = study.dimensions.iter().map(|dimension| dimension.name.clone());
    shorts.iter().zip(full).map(|(short, full)| if is_unique(short) { short.clone() } else { full }).collect()
}

fn cells(study: &Study, points: &[Point], look: &Look) -> (Vec<String>, Vec<Vec<String>>) {
    let mut titles = vec!["point".to_owned()];
    titles.extend(short_names(study));
    titles.extend(study.targets.iter().map(|target| target.text.clone()));
    let row = |point: &Point| {
        let noted = if point.notes.is_empty() { "" } else { NOTED };
        let mut cells = vec![format!("{}{noted}", point.point)];
        cells.extend(point.values.iter().cloned());
        let judged = study.judge(point);
        let figures = study.targets.iter().zip(&judged).map(|(target, judged)| {
            let figure = figure(judged, look);
            if target.limit.is_some() { format!("{} {figure}", mark(judged, look)) } else { figure }
        });
        cells.extend(figures);
        cells
    };
    (titles, points.iter().map(row).collect())
}

/// Without the name that `observed` puts before it, as the column has it.
fn figure(judged: &Judged, look: &Look) -> String {
    let text = observed(judged, look);
    text.split_once(" = ").map_or(text.clone(), |(_, figure)| figure.to_owned())
}

fn mark(judged: &Judged, look: &Look) -> &'static str {
    match (judged.met, judged.unsure) {
        (true, false) => look.pick("✓ ", "+ "),
        (false, false) => look.pick("✗ ", "x "),
        (true, true) => look.pick("✓?", "+?"),
        (false, true) => look.pick("✗?", "x?"),
    }
}

fn table(study: &Study, points: &[Point], look: &Look) -> Vec<String> {
    let (titles, rows) = cells(study, &points[..points.len().min(MOST_POINTS)], look);
    let mut lines = columns::blocks(&titles, &rows, 1 + study.dimensions.len(), look);
    if points.len() > MOST_POINTS {
        lines.push(format!("{INDENT}and {} more points, in sweep.csv", points.len() - MOST_POINTS));
    }
    lines
}

/// For each target the best and the worst point.
fn extremes(study: &Study, points: &[Point], look: &Look) -> Vec<String> {
    let names = short_names(study);
    let told = |(point, judged): &(&Point, Judged)| {
        let values = names.iter().zip(&point.values).map(|(name, value)| format!("{name} {value}"));
        let values = values.collect::<Vec<_>>().join(", ");
        format!("{} at point {} ({values})", figure(judged, look), point.point)
    };
    let line = |(index, target): (usize, &Target)| {
        let seen = points.iter().map(|point| (point, target.judge(&point.seen[index])));
        let mut seen: Vec<(&Point, Judged)> =
            seen.filter(|(_, judged)| judged.observed.value.is_some()).collect();
        let goodness = |judged: &Judged| {
            let value = judged.observed.value.unwrap_or(f64::NAN);
            if target.less_is_better { -value } else { value }
        };
        seen.sort_by(|left, right| goodness(&right.1).total_cmp(&goodness(&left.1)));
        let (best, worst) = (seen.first()?, seen.last()?);
        let is_noise =
            |of: &Point, other: &Point| target.change(&of.seen[index], &other.seen[index]).holds(0.0);
        if is_noise(best.0, worst.0) && goodness(&best.1) != goodness(&worst.1) {
            return Some(format!("{}: no point differs from the others beyond noise", target.text));
        }
        let others = |of: &Point| {
            let like =
                seen.iter().filter(|(other, _)| other.point != of.point && is_noise(of, other)).count();
            match like {
                0 => String::new(),
                _ => format!(", or {} within noise", counted(like, "other", "others")),
            }
        };
        (goodness(&best.1) != goodness(&worst.1)).then(|| {
            let (or_best, or_worst) = (others(best.0), others(worst.0));
            format!("{}: best {}{or_best}; worst {}{or_worst}", target.text, told(best), told(worst))
        })
    };
    indented(study.targets.iter().enumerate().filter_map(line), look)
}
