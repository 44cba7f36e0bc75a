//! The tornado chart: for each objective a bar for each input, from the figure with the input low to that with it high,
//! the longest on top.

use super::super::Look;
use super::super::sweep::tornado::{self, Effect};
use super::super::sweep::{Point, Study, Target};
use super::axis::{self, Unit};
use super::heading::{head, origin, unit};
use super::ink::{BAD, GRID, INK, PALE_INK, WHITE, line, text};
use super::layout::WIDTH;
use super::shape::{Anchor, Colour, Picture, Shape};

use super::super::terminal::shortened;
use crate::kernel::words::counted;

const LOW: Colour = Colour(0x2b, 0x83, 0xba);
const HIGH: Colour = Colour(0xd9, 0x5f, 0x0e);
const LEFT: f64 = 330.0;
const RIGHT: f64 = 190.0;
const BAR: f64 = 17.0;
const ROW: f64 = 27.0;
/// Inputs of a chart, and objectives.
const MOST: usize = 10;
const MOST_TARGETS: usize = 5;
const DOUBTFUL: usize = 3;
/// Letters of an input's name, and of how far it was turned.
const NAME: usize = 42;

pub fn picture(study: &Study, points: &[Point]) -> Picture {
    let effects = tornado::effects(study, points);
    let range = study.sensitivity.as_ref().map_or("", |sensitivity| &sensitivity.range);
    let subtitle = format!(
        "each input by itself {range} down (blue) and up (orange); right: the whole swing, 95% interval · {}",
        origin(study)
    );
    let mut shapes = head(study, "which inputs decide", &subtitle);
    let (mut top, mut all) = (74.0, Vec::new());
    for (target, effects) in study.targets.iter().zip(&effects).take(MOST_TARGETS) {
        let (shown, rest) = chosen(effects);
        let as_is = effects.first().and_then(|effect| effect.as_is);
        top = panel(&mut shapes, (target, as_is), &shown, &rest, top);
        all.extend(shown);
    }
    if let Some(told) = tornado::about_uneven(study, all) {
        shapes.push(text((24.0, top), told, 12.5, PALE_INK, Anchor::Left));
        top += 18.0;
    }
    let title = format!("{} — which inputs decide", study.title);
    Picture { width: WIDTH as u32, height: (top + 6.0) as u32, title, shapes }
}

/// The clear effects that have room; where nothing is clear, what might be is better than nothing, if there is any. And what
/// to say of the others.
fn chosen<'e, 'a>(effects: &'e [Effect<'a>]) -> (Vec<&'e Effect<'a>>, String) {
    let (mut clear, mut others) = tornado::apart(effects);
    if clear.is_empty() {
        let moving = others.iter().take(DOUBTFUL).take_while(|effect| effect.size() > 0.0).count();
        let rest = others.split_off(moving).len();
        let none = || format!("{}: no effect", counted(rest, "input", "inputs"));
        let told = if others.is_empty() { none() } else { words(0, rest) };
        return (others, told);
    }
    let weaker = clear.split_off(clear.len().min(MOST));
    (clear, words(weaker.len(), others.len()))
}

/// `3 weaker inputs, 20 more without a clear effect`.
fn words(weaker: usize, unclear: usize) -> String {
    let weaker = (weaker > 0).then(|| counted(weaker, "weaker input", "weaker inputs"));
    let unclear =
        (unclear > 0).then(|| format!("{}: no clear effect", counted(unclear, "more input", "more inputs")));
    weaker.into_iter().chain(unclear).collect::<Vec<_>>().join(", ")
}

/// Where figures lie across a panel.
struct Across {
    low: f64,
    high: f64,
}

impl Across {
    /// A tenth of room on both sides.
    fn of(effects: &[&Effect<'_>]) -> Option<Across> {
        let ends = effects.iter().flat_map(|effect| [effect.low, effect.as_is, effect.high]).flatten();
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (v.min(l), v.max(h)));
        let room = ((high - low) * 0.08).max(high.abs() * 1e-6).max(1e-9);
        low.is_finite().then_some(Across { low: low - room, high: high + room })
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (value - self.low) / (self.high - self.low)
    }
}

/// Draws one objective; gives where the next may begin. `rest`: what is said of other inputs.
fn panel(
    shapes: &mut Vec<Shape>,
    (target, as_is): (&Target, Option<f64>),
    effects: &[&Effect<'_>],
    rest: &str,
    top: f64,
) -> f64 {
    shapes.push(text((24.0, top + 14.0), &target.text, 15.5, INK, Anchor::Left));
    let rows_top = top + 34.0;
    let bottom = rows_top + ROW * effects.len() as f64;
    shapes.push(text((24.0, bottom + 13.0), rest, 12.0, PALE_INK, Anchor::Left));
    let as_is_text = as_is.map(|value| {
        format!("as it is: {}", tornado::plain_text(&target.metric, value, value.abs().max(1e-9)))
    });
    let Some(across) = Across::of(effects) else {
        let told = as_is_text.as_deref().unwrap_or("no data");
        shapes.push(text((LEFT, bottom + 13.0), told, 12.0, INK, Anchor::Left));
        return bottom + 46.0;
    };
    let is_share = unit(target) == Unit::Percent;
    for value in axis::between(across.low, across.high, 5) {
        if is_share && value > 100.0 {
            continue;
        }
        let x = across.x(value);
        shapes.push(line(vec![(x, rows_top - 4.0), (x, bottom)], GRID, 1.0));
        let label = unit(target).label(value, across.low.abs().max(across.high.abs()));
        shapes.push(text((x, bottom + 13.0), &label, 12.0, PALE_INK, Anchor::Middle));
    }
    for (row, effect) in effects.iter().enumerate() {
        let middle = rows_top + ROW * (row as f64 + 0.5);
        draw_bar(shapes, target, effect, &across, middle);
    }
    if let (Some(as_is), Some(label)) = (as_is, as_is_text) {
        let x = across.x(as_is);
        shapes.push(line(vec![(x, rows_top - 6.0), (x, bottom)], INK, 1.4));
        shapes.push(text((x, rows_top - 14.0), &label, 12.0, INK, Anchor::Middle));
    }
    if let Some(limit) = target.limit.filter(|limit| (across.low..=across.high).contains(limit)) {
        let x = across.x(limit);
        let mut y = rows_top - 4.0;
        while y < bottom {
            shapes.push(line(vec![(x, y), (x, (y + 6.0).min(bottom))], BAD, 1.4));
            y += 11.0;
        }
    }
    bottom + 46.0
}

fn draw_bar(shapes: &mut Vec<Shape>, target: &Target, effect: &Effect<'_>, across: &Across, middle: f64) {
    let guess = if effect.input.is_guess { " (a guess)" } else { "" };
    let turned =
        if effect.input.is_uneven { format!(" {}", effect.input.share(&Look::PLAIN)) } else { String::new() };
    let room = NAME.saturating_sub(turned.chars().count());
    let name = shortened(&format!("{}{guess}", effect.input.name), room, '…') + &turned;
    let ink = if effect.is_clear { INK } else { PALE_INK };
    shapes.push(text((LEFT - 12.0, middle), &name, 13.0, ink, Anchor::Right));
    let Some(as_is) = effect.as_is.map(|value| across.x(value)) else { return };
    let opacity = if effect.is_clear { 0.92 } else { 0.35 };
    for (value, colour, level) in
        [(effect.low, LOW, &effect.input.low), (effect.high, HIGH, &effect.input.high)]
    {
        let Some(x) = value.map(|value| across.x(value)) else { continue };
        let (top, bottom) = (middle - BAR / 2.0, middle + BAR / 2.0);
        let points = vec![(as_is, top), (x, top), (x, bottom), (as_is, bottom)];
        shapes.push(Shape::Area { points, colour, opacity });
        let is_wide = (x - as_is).abs() > 8.0 * level.chars().count() as f64;
        if is_wide && effect.is_clear {
            let (at, anchor) = if x < as_is { (x + 5.0, Anchor::Left) } else { (x - 5.0, Anchor::Right) };
            shapes.push(text((at, middle), level, 11.5, WHITE, anchor));
        }
    }
    if effect.change.value.is_some() {
        let label = tornado::effect_text(&target.metric, effect.change, &Look::PLAIN);
        shapes.push(text((WIDTH - 20.0, middle), &label, 12.5, ink, Anchor::Right));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Estimate;
    use crate::report::sweep::Turned;

    fn input(name: &str) -> Turned {
        let text = |text: &str| text.to_owned();
        Turned {
            name: text(name),
            is_guess: false,
            low: text("8"),
            value: text("10"),
            high: text("12"),
            turned_pct: [-20.0, 20.0],
            is_uneven: false,
        }
    }

    fn effect(input: &Turned, change: f64, is_clear: bool) -> Effect<'_> {
        let change = Estimate { value: Some(change), ci95: Some(1.0) };
        Effect { input, low: Some(1.0), as_is: Some(1.0), high: Some(1.0), change, is_clear }
    }

    /// Whatever has the largest figure, what is clear is drawn.
    #[test]
    fn clear_effects_are_drawn_before_larger_ones_that_are_not() {
        let inputs: Vec<Turned> = (0..13).map(|number| input(&number.to_string())).collect();
        let names = |clear: &[usize]| {
            let each = inputs.iter().enumerate();
            let effects: Vec<Effect<'_>> = each
                .map(|(place, input)| effect(input, 50.0 - place as f64, clear.contains(&place)))
                .collect();
            let (shown, rest) = chosen(&effects);
            let names: Vec<String> = shown.iter().map(|effect| effect.input.name.clone()).collect();
            (names.join(" "), rest)
        };
        assert_eq!(names(&[0, 2]), ("0 2".to_owned(), "11 more inputs: no clear effect".to_owned()));
        assert_eq!(names(&[]), ("0 1 2".to_owned(), "10 more inputs: no clear effect".to_owned()));
        let still: Vec<Effect<'_>> = inputs.iter().map(|input| effect(input, 0.0, false)).collect();
        let (shown, rest) = chosen(&still);
        assert_eq!((shown.len(), rest.as_str()), (0, "13 inputs: no effect"));
        let most: Vec<usize> = (1..13).collect();
        let told = "2 weaker inputs, 1 more input: no clear effect".to_owned();
        assert_eq!(names(&most), ("1 2 3 4 5 6 7 8 9 10".to_owned(), told));
    }
}
