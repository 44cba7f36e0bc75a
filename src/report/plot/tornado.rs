//! The tornado chart: for each objective a bar for each input, from the figure with the input low to that with it high,
//! the longest on top.

use super::super::sweep::tornado::{self, Effect};
use super::super::sweep::{Point, Study, Target};
use super::axis;
use super::heading::{head, origin, unit};
use super::ink::{BAD, GRID, INK, PALE_INK, line, text};
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

pub fn picture(study: &Study, points: &[Point]) -> Picture {
    let effects = tornado::effects(study, points);
    let range = study.sensitivity.as_ref().map_or("", |sensitivity| &sensitivity.range);
    let subtitle = format!(
        "each input by itself {range} down (blue) and up (orange); right: the whole swing, 95% interval · {}",
        origin(study)
    );
    let mut shapes = head(study, "which inputs decide", &subtitle);
    let mut top = 74.0;
    for (target, effects) in study.targets.iter().zip(&effects).take(MOST_TARGETS) {
        let clear = effects.iter().filter(|effect| effect.is_clear()).count();
        // Where nothing is clear, what might be is better than nothing.
        let shown = if clear == 0 { DOUBTFUL } else { clear.min(MOST) };
        let (shown, others) = effects.split_at(shown.min(effects.len()));
        top = panel(&mut shapes, target, shown, others.len(), top);
    }
    let title = format!("{} — which inputs decide", study.title);
    Picture { width: WIDTH as u32, height: (top + 6.0) as u32, title, shapes }
}

/// Where figures lie across a panel.
struct Across {
    low: f64,
    high: f64,
}

impl Across {
    /// A tenth of room on both sides.
    fn of(effects: &[Effect<'_>]) -> Option<Across> {
        let ends = effects.iter().flat_map(|effect| [effect.low, effect.as_is, effect.high]).flatten();
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (v.min(l), v.max(h)));
        let room = ((high - low) * 0.08).max(high.abs() * 1e-6).max(1e-9);
        low.is_finite().then_some(Across { low: low - room, high: high + room })
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (value - self.low) / (self.high - self.low)
    }
}

/// Draws one objective; gives where the next may begin.
/// `others`: how many inputs are not among the effects.
fn panel(shapes: &mut Vec<Shape>, target: &Target, effects: &[Effect<'_>], others: usize, top: f64) -> f64 {
    shapes.push(text((24.0, top + 14.0), &target.text, 15.5, INK, Anchor::Left));
    let rows_top = top + 34.0;
    let bottom = rows_top + ROW * effects.len() as f64;
    let Some(across) = Across::of(effects) else {
        shapes.push(text((LEFT, rows_top + 8.0), "no data", 13.0, PALE_INK, Anchor::Left));
        return bottom + 46.0;
    };
    for value in axis::between(across.low, across.high, 5) {
        let x = across.x(value);
        shapes.push(line(vec![(x, rows_top - 4.0), (x, bottom)], GRID, 1.0));
        let label = unit(target).label(value, across.low.abs().max(across.high.abs()));
        shapes.push(text((x, bottom + 13.0), &label, 12.0, PALE_INK, Anchor::Middle));
    }
    let as_is = effects.first().and_then(|effect| effect.as_is);
    for (row, effect) in effects.iter().enumerate() {
        let middle = rows_top + ROW * (row as f64 + 0.5);
        draw_bar(shapes, target, effect, &across, middle);
    }
    if let Some(as_is) = as_is {
        let x = across.x(as_is);
        shapes.push(line(vec![(x, rows_top - 6.0), (x, bottom)], INK, 1.4));
        let label =
            format!("as it is: {}", tornado::plain_text(&target.metric, as_is, as_is.abs().max(1e-9)));
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
    if others > 0 {
        let more = counted(others, "more input", "more inputs");
        let weaker = effects.len() == MOST && effects.last().is_some_and(Effect::is_clear);
        let told = if weaker { format!("{more}, weaker") } else { format!("{more}: no clear effect") };
        shapes.push(text((24.0, bottom + 13.0), &told, 12.0, PALE_INK, Anchor::Left));
    }
    bottom + 46.0
}

fn draw_bar(shapes: &mut Vec<Shape>, target: &Target, effect: &Effect<'_>, across: &Across, middle: f64) {
    let guess = if effect.input.is_guess { " (a guess)" } else { "" };
    let name = shortened(&format!("{}{guess}", effect.input.name), 38, '…');
    let ink = if effect.is_clear() { INK } else { PALE_INK };
    shapes.push(text((LEFT - 12.0, middle), &name, 13.0, ink, Anchor::Right));
    let Some(as_is) = effect.as_is.map(|value| across.x(value)) else { return };
    let opacity = if effect.is_clear() { 0.92 } else { 0.35 };
    for (value, colour, level) in
        [(effect.low, LOW, &effect.input.low), (effect.high, HIGH, &effect.input.high)]
    {
        let Some(x) = value.map(|value| across.x(value)) else { continue };
        let (top, bottom) = (middle - BAR / 2.0, middle + BAR / 2.0);
        let points = vec![(as_is, top), (x, top), (x, bottom), (as_is, bottom)];
        shapes.push(Shape::Area { points, colour, opacity });
        let is_wide = (x - as_is).abs() > 8.0 * level.chars().count() as f64;
        if is_wide && effect.is_clear() {
            let white = Colour(0xff, 0xff, 0xff);
            let (at, anchor) = if x < as_is { (x + 5.0, Anchor::Left) } else { (x - 5.0, Anchor::Right) };
            shapes.push(text((at, middle), level, 11.5, white, anchor));
        }
    }
    if let Some(change) = effect.change.value {
        let half = effect.change.ci95.unwrap_or(0.0);
        let largest = change.abs().max(1e-9);
        let told = tornado::change_text(&target.metric, change, largest);
        let label = format!("{told} ± {}", tornado::plain_text(&target.metric, half, largest));
        shapes.push(text((WIDTH - 20.0, middle), &label, 12.5, ink, Anchor::Right));
    }
}
