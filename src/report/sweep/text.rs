//! A sweep for people: which points meet the objectives, the best and the worst, and all of them in a table.

use super::super::Look;
use super::super::observed::observed;
use super::super::terminal::{shortened, wrapped};
use super::{Point, Study, tornado};
use crate::kernel::words::counted;
use crate::study::Judged;

const INDENT: &str = "  ";
/// Lines of a table.
const MOST_POINTS: usize = 40;
const MOST_INPUTS: usize = 15;
/// Names of inputs that do nothing.
const MOST_NAMES: usize = 5;

/// All of it.
pub fn render(study: &Study, points: &[Point], look: &Look) -> String {
    let mut blocks = vec![vec![title(study, look)]];
    if study.sensitivity.is_some() && study.shard.is_none() {
        blocks.extend(tornados(study, points, look));
        blocks.push(untried(study, look));
    } else {
        blocks.push(verdict_lines(study, points, look));
        blocks.push(table(study, points, look));
        blocks.push(extremes(study, points, look));
    }
    let filled = blocks.into_iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n") + "\n");
    filled.collect::<Vec<_>>().join("\n")
}

/// The table for a page of Markdown.
pub fn markdown(study: &Study, points: &[Point]) -> String {
    let (titles, rows) = cells(study, points, &Look::PLAIN);
    let line = |cells: &[String]| {
        let safe: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", safe.join(" | "))
    };
    let rule = vec!["---".to_owned(); titles.len()];
    let verdict = verdict(study, points, &Look::PLAIN).map(|verdict| format!("{verdict}\n\n"));
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!(
        "### {}: sweep\n\n{}{}{}{rows}",
        study.title,
        verdict.unwrap_or_default(),
        line(&titles),
        line(&rule)
    )
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
    wrapped(std::iter::once(format!("{verdict}{which}")), look.width - 4)
        .into_iter()
        .map(|line| format!("{INDENT}{line}"))
        .collect()
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
        let mut cells = vec![point.point.to_string()];
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
    let mut lines = aligned(&titles, &rows, look);
    if points.len() > MOST_POINTS {
        lines.push(format!("{INDENT}and {} more points, in sweep.csv", points.len() - MOST_POINTS));
    }
    lines
}

/// Columns two blanks apart; where the width is short, long cells are cut in their middle.
fn aligned(titles: &[String], rows: &[Vec<String>], look: &Look) -> Vec<String> {
    let wanted = |column: usize| {
        let cells = rows.iter().map(|row| &row[column]).chain([&titles[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..titles.len()).map(wanted).collect();
    let room = look.width.saturating_sub(2 * titles.len());
    while widths.iter().sum::<usize>() > room {
        let (widest, width) =
            widths.iter().copied().enumerate().max_by_key(|(_, width)| *width).unwrap_or((0, 0));
        if width <= 8 {
            break;
        }
        widths[widest] -= 1;
    }
    let dots = if look.unicode { '…' } else { '~' };
    let line = |cells: &[String]| {
        let each = cells.iter().zip(&widths);
        let text: String =
            each.map(|(cell, width)| format!("  {:<width$}", shortened(cell, *width, dots))).collect();
        text.trim_end().to_owned()
    };
    std::iter::once(look.dim(&line(titles))).chain(rows.iter().map(|row| line(row))).collect()
}

/// For each target the best and the worst point.
fn extremes(study: &Study, points: &[Point], look: &Look) -> Vec<String> {
    let names = short_names(study);
    let told = |point: &Point, judged: &Judged| {
        let values = names.iter().zip(&point.values).map(|(name, value)| format!("{name} {value}"));
        let values = values.collect::<Vec<_>>().join(", ");
        format!("{} at point {} ({values})", figure(judged, look), point.point)
    };
    let line = |(index, target): (usize, &super::Target)| {
        let mut seen: Vec<(&Point, Judged, f64)> = points
            .iter()
            .filter_map(|point| {
                let judged = target.judge(&point.seen[index]);
                let value = judged.observed.value?;
                Some((point, judged, if target.less_is_better { value } else { -value }))
            })
            .collect();
        seen.sort_by(|left, right| left.2.total_cmp(&right.2));
        let (best, worst) = (seen.first()?, seen.last()?);
        (best.2 != worst.2).then(|| {
            let (best, worst) = (told(best.0, &best.1), told(worst.0, &worst.1));
            format!("{}: best {best}; worst {worst}", target.text)
        })
    };
    let lines = study.targets.iter().enumerate().filter_map(line);
    wrapped(lines, look.width - 4).into_iter().map(|line| format!("{INDENT}{line}")).collect()
}

/// A ranking for each target.
fn tornados(study: &Study, points: &[Point], look: &Look) -> Vec<Vec<String>> {
    let effects = tornado::effects(study, points);
    let block = |(target, effects): (&super::Target, &Vec<tornado::Effect<'_>>)| {
        let as_is = effects.first().and_then(|effect| effect.as_is);
        let now = as_is
            .map_or("no data".to_owned(), |value| tornado::plain_text(&target.metric, value, value.abs()));
        let mut lines = vec![format!("{INDENT}{}  {now} as it is", look.bold(&target.text))];
        let titles = ["input", "from", "to", "effect"].map(str::to_owned);
        let (clear, noise): (Vec<_>, Vec<_>) = effects.iter().partition(|effect| effect.is_clear());
        let most = clear.first().map_or(0.0, |effect| effect.size());
        let row = |effect: &&tornado::Effect<'_>| {
            let guess = if effect.input.is_guess { " (a guess)" } else { "" };
            let bar = look.pick("█", "#").repeat((effect.size() / most * 12.0).round().max(1.0) as usize);
            let change = effect.change.value.unwrap_or(0.0);
            let half = effect.change.ci95.unwrap_or(0.0);
            let text = format!(
                "{} {} {}  {bar}",
                tornado::change_text(&target.metric, change, change.abs().max(half)),
                look.pick("±", "+-"),
                tornado::plain_text(&target.metric, half, change.abs().max(half)),
            );
            vec![
                format!("{}{guess}", effect.input.name),
                effect.input.low.clone(),
                effect.input.high.clone(),
                text,
            ]
        };
        let rows: Vec<Vec<String>> = clear.iter().take(MOST_INPUTS).map(row).collect();
        if !rows.is_empty() {
            lines.extend(aligned(&titles, &rows, look).into_iter().map(|line| format!("{INDENT}{line}")));
        }
        if clear.len() > MOST_INPUTS {
            lines.push(format!(
                "{INDENT}{INDENT}and {} weaker ones, in tornado.csv",
                clear.len() - MOST_INPUTS
            ));
        }
        let names: Vec<&str> =
            noise.iter().map(|effect| effect.input.name.as_str()).take(MOST_NAMES).collect();
        if as_is.is_some() && !names.is_empty() {
            let more = match noise.len() - names.len() {
                0 => String::new(),
                more => format!(" and {more} more, in tornado.csv"),
            };
            let text = format!("no effect that can be told from noise: {}{more}", names.join(", "));
            let told = wrapped(std::iter::once(text), look.width.saturating_sub(8));
            lines.extend(told.into_iter().map(|line| format!("{INDENT}{INDENT}{line}")));
        }
        lines
    };
    study.targets.iter().zip(&effects).map(block).collect()
}

/// Inputs that were not turned, by reason.
fn untried(study: &Study, look: &Look) -> Vec<String> {
    let Some(sensitivity) = &study.sensitivity else { return Vec::new() };
    if sensitivity.untried.is_empty() {
        return Vec::new();
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in &sensitivity.untried {
        match reasons.iter_mut().find(|(why, _)| *why == one.why) {
            Some((_, names)) => names.push(&one.name),
            None => reasons.push((&one.why, vec![&one.name])),
        }
    }
    let lines = reasons.into_iter().map(|(why, names)| format!("{why}: {}", names.join(", ")));
    let lines = wrapped(lines, look.width.saturating_sub(8));
    let head = format!("{INDENT}{}", look.bold(&format!("Not tried ({})", sensitivity.untried.len())));
    std::iter::once(head).chain(lines.into_iter().map(|line| format!("{INDENT}{INDENT}{line}"))).collect()
}
