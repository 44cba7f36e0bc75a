//! Which inputs decide, for people: for each objective the inputs by what turning them does to it, largest first.

use super::super::Look;
use super::super::terminal::{Field, Set, grid, wrapped};
use super::tornado::{self, Effect};
use super::{Point, Study, Target, columns};

const INDENT: &str = "  ";
/// Rows of an objective.
const MOST_INPUTS: usize = 15;
/// Names of inputs that do nothing.
const MOST_NAMES: usize = 5;
/// Letters of the longest bar, where there is room for it, and of the shortest that is worth drawing.
const BAR: usize = 12;
const LEAST_BAR: usize = 6;

/// A ranking for each target, and what its marks mean.
pub fn blocks(study: &Study, points: &[Point], look: &Look) -> Vec<Vec<String>> {
    let effects = tornado::effects(study, points);
    let mut blocks: Vec<Vec<String>> =
        study.targets.iter().zip(&effects).map(|(target, effects)| block(target, effects, look)).collect();
    let told = about_uneven(study, &effects, MOST_INPUTS).into_iter();
    blocks
        .push(wrapped(told, look.width.saturating_sub(4)).into_iter().map(|line| set_in(1, &line)).collect());
    blocks
}

fn set_in(times: usize, line: &str) -> String {
    format!("{}{line}", INDENT.repeat(times))
}

fn block(target: &Target, effects: &[Effect<'_>], look: &Look) -> Vec<String> {
    let mut lines = vec![set_in(1, &format!("{}  {}", look.bold(&target.text), now(target, effects)))];
    let (clear, noise) = tornado::apart(effects);
    let shown = &clear[..clear.len().min(MOST_INPUTS)];
    if !shown.is_empty() {
        lines.extend(table(target, shown, look).into_iter().map(|line| set_in(1, &line)));
    }
    if clear.len() > MOST_INPUTS {
        lines.push(set_in(2, &format!("and {} weaker ones, in tornado.csv", clear.len() - MOST_INPUTS)));
    }
    if let Some(names) = names(&noise) {
        let told = format!("no effect that can be told from noise: {names}");
        let told = wrapped(std::iter::once(told), look.width.saturating_sub(8));
        lines.extend(told.into_iter().map(|line| set_in(2, &line)));
    }
    lines
}

/// `108ms as it is`.
fn now(target: &Target, effects: &[Effect<'_>]) -> String {
    match effects.first().and_then(|effect| effect.as_is) {
        Some(value) => format!("{} as it is", tornado::plain_text(&target.metric, value, value.abs())),
        None => "no data as it is".to_owned(),
    }
}

fn about_uneven(study: &Study, effects: &[Vec<Effect<'_>>], most: usize) -> Option<String> {
    let shown = effects.iter().flat_map(|effects| tornado::apart(effects).0.into_iter().take(most));
    tornado::about_uneven(study, shown)
}

/// The first of those without a clear effect; `None` where there is none, or no figure at all.
fn names(noise: &[&Effect<'_>]) -> Option<String> {
    noise.first()?.as_is?;
    let all: Vec<String> = noise.iter().map(|effect| name(effect)).collect();
    Some(first(&all, "tornado.csv"))
}

/// The first few, and how many more stand in a file.
fn first(names: &[impl AsRef<str>], file: &str) -> String {
    let each: Vec<&str> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => each.join(", "),
        more => format!("{} and {more} more, in {file}", each.join(", ")),
    }
}

fn name(effect: &Effect<'_>) -> String {
    format!("{}{}", effect.input.name, if effect.input.is_guess { " (a guess)" } else { "" })
}

/// Input, values, how far it was turned if not as was asked for, effect.
fn cells(target: &Target, effect: &Effect<'_>, look: &Look) -> Vec<String> {
    let input = effect.input;
    let turned = if input.is_uneven { input.share(look) } else { String::new() };
    let change = tornado::effect_text(&target.metric, effect.change, look);
    vec![name(effect), input.low.clone(), input.high.clone(), turned, change]
}

/// Of [`cells`].
const TITLES: [&str; 5] = ["input", "from", "to", "turned", "effect"];

fn table(target: &Target, effects: &[&Effect<'_>], look: &Look) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = effects.iter().map(|effect| cells(target, effect, look)).collect();
    let room = look.width.saturating_sub(INDENT.len());
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        if cells == 0 { 0 } else { cells.max(TITLES[column].len()) + 2 }
    };
    let taken: usize = (0..TITLES.len()).map(widest).sum();
    let bar = BAR.min(room.saturating_sub(taken + 2));
    let most = effects.first().map_or(0.0, |effect| effect.size());
    for (row, effect) in rows.iter_mut().zip(effects) {
        let length = (effect.size() / most * bar as f64).round().max(1.0) as usize;
        row.push(if bar < LEAST_BAR { String::new() } else { look.pick("█", "#").repeat(length) });
    }
    let sets = [Set::Name, Set::Name, Set::Name, Set::Number, Set::Number, Set::Name];
    let fields: Vec<Field<'_>> = TITLES
        .into_iter()
        .chain([""])
        .zip(sets)
        .map(|(title, set)| Field { title, set, expendable: 0 })
        .collect();
    grid(&fields, &rows, &Look { width: room, ..*look })
}

/// The same rankings for a page of Markdown.
pub fn markdown(study: &Study, points: &[Point]) -> String {
    let effects = tornado::effects(study, points);
    let look = &Look::PLAIN;
    let each = study.targets.iter().zip(&effects).map(|(target, effects)| {
        let (clear, noise) = tornado::apart(effects);
        let mut text = format!("**{}**: {}\n\n", target.text, now(target, effects));
        if !clear.is_empty() {
            let rows: Vec<Vec<String>> = clear.iter().map(|effect| cells(target, effect, look)).collect();
            text.push_str(&columns::markdown(&TITLES.map(str::to_owned), &rows));
            text.push('\n');
        }
        if let Some(names) = names(&noise) {
            text.push_str(&format!("No effect that can be told from noise: {names}\n\n"));
        }
        text
    });
    let tables: String = each.collect();
    let about = about_uneven(study, &effects, usize::MAX).map(|told| format!("\\{told}\n"));
    format!("{tables}{}", about.unwrap_or_default())
}

/// Inputs that were not turned, by reason.
pub fn untried(study: &Study, look: &Look) -> Vec<String> {
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
    let lines = reasons.into_iter().map(|(why, names)| format!("{why}: {}", first(&names, "sweep.json")));
    let lines = wrapped(lines, look.width.saturating_sub(8));
    let head = set_in(1, &look.bold(&format!("Not tried ({})", sensitivity.untried.len())));
    std::iter::once(head).chain(lines.into_iter().map(|line| set_in(2, &line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_counted() {
        let names: Vec<String> = (0..MOST_NAMES + 2).map(|number| number.to_string()).collect();
        assert_eq!(first(&names[..MOST_NAMES], "a.csv"), "0, 1, 2, 3, 4");
        assert_eq!(first(&names, "a.csv"), "0, 1, 2, 3, 4 and 2 more, in a.csv");
    }
}
