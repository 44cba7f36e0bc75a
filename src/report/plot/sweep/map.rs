//! A sweep over two dimensions as maps of cells.

use std::collections::BTreeSet;

use super::super::heading::head;
use super::super::ink::{GRID, INK, PALE_INK, WHITE, text};
use super::super::layout::{WIDTH, text_width};
use super::super::shape::{Anchor, Picture, Shape};
use super::frame::{Axis, are_far_apart, colour};
use super::{ABOVE, BELOW, HEAD, LEFT, MOST, RIGHT, is_doubtful, judged, subtitle, whole};
use crate::report::sweep::{Point, Study, Target, text as words, tornado};

/// A map of cells for each target: the first dimension to the right, the second upwards.
pub(super) fn maps(study: &Study, points: &[Point]) -> Picture {
    let subject = "sweep";
    let explained = "orange: missed, darker: worse, ?: unsure";
    let mut shapes = head(study, subject, &subtitle(study, points, explained, "!"));
    let count = study.targets.len().min(MOST);
    let across = count.clamp(1, 2);
    let axes = [Axis::of(points, 0), Axis::of(points, 1)];
    let rows = axes[1].marks.len().max(1);
    let height = (rows as f64 * 34.0).clamp(120.0, 340.0);
    let width = (WIDTH - RIGHT) / across as f64;
    let (mut top, mut bottom) = (HEAD + ABOVE, HEAD);
    for (index, target) in study.targets.iter().enumerate().take(MOST) {
        let column = index % across;
        if column == 0 && index > 0 {
            top = bottom + BELOW + ABOVE;
        }
        bottom = top + height;
        let left = column as f64 * width;
        let area = (left + LEFT, left + width - 14.0, top, bottom);
        draw_map(&mut shapes, study, (index, target), points, &axes, area);
    }
    whole(study, subject, bottom + BELOW, shapes)
}

fn draw_map(
    shapes: &mut Vec<Shape>,
    study: &Study,
    (index, target): (usize, &Target),
    points: &[Point],
    axes: &[Axis; 2],
    (left, right, top, bottom): (f64, f64, f64, f64),
) {
    shapes.push(text((left, top - 14.0), &target.text, 14.5, INK, Anchor::Left));
    let (columns, rows) = (axes[0].marks.len(), axes[1].marks.len());
    let (wide, high) = ((right - left) / columns as f64, (bottom - top) / rows as f64);
    let rank =
        |axis: &Axis, place: f64| axis.marks.iter().position(|mark| mark.0 == place).unwrap_or(0) as f64;
    let seen = judged(target, index, points);
    let known: BTreeSet<u64> =
        seen.iter().filter_map(|judged| judged.observed.value).map(f64::to_bits).collect();
    let values = || known.iter().map(|bits| f64::from_bits(*bits));
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    for (place, judged) in seen.iter().enumerate() {
        let x = left + wide * rank(&axes[0], axes[0].places[place]);
        let y = bottom - high * (rank(&axes[1], axes[1].places[place]) + 1.0);
        let corners = vec![(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)];
        let Some(value) = judged.observed.value else {
            shapes.push(Shape::Area { points: corners, colour: GRID, opacity: 1.0 });
            continue;
        };
        let worse = badness(target, value, least, most);
        shapes.push(Shape::Area {
            points: corners,
            colour: colour(target, judged),
            opacity: 0.12 + 0.68 * worse,
        });
        let figure = tornado::plain_text(&target.metric, value, value.abs().max(1e-9));
        let unsure = if judged.unsure { "?" } else { "" };
        let doubtful = if is_doubtful(&points[place]) { " !" } else { "" };
        let label = format!("{figure}{unsure}{doubtful}");
        if text_width(label.chars().count(), 12.0) < wide - 4.0 && high > 14.0 {
            let ink = if worse > 0.6 { WHITE } else { INK };
            shapes.push(text((x + wide / 2.0, y + high / 2.0), &label, 12.0, ink, Anchor::Middle));
        }
    }
    let cells = (right - left, columns);
    for (rank, (_, label)) in axes[0].marks.iter().enumerate() {
        let step =
            (text_width(label.chars().count() + 1, 12.0) * cells.1 as f64 / cells.0).ceil().max(1.0) as usize;
        if rank % step == 0 {
            let x = left + wide * (rank as f64 + 0.5);
            shapes.push(text((x, bottom + 14.0), label, 12.0, PALE_INK, Anchor::Middle));
        }
    }
    for (rank, (_, label)) in axes[1].marks.iter().enumerate() {
        let step = (15.0 / high).ceil().max(1.0) as usize;
        if rank % step == 0 {
            let y = bottom - high * (rank as f64 + 0.5);
            shapes.push(text((left - 6.0, y), label, 12.0, PALE_INK, Anchor::Right));
        }
    }
    let names = words::short_names(study);
    // Beside the rows a name of some length has no room.
    let both = format!("across: {}, up: {}", names[0], names[1]);
    shapes.push(text(((left + right) / 2.0, bottom + 33.0), &both, 12.5, INK, Anchor::Middle));
}

/// From 0, the best of all, to 1, by the logarithm where values lie far apart.
fn badness(target: &Target, value: f64, least: f64, most: f64) -> f64 {
    if most <= least {
        return 0.3;
    }
    let share = if are_far_apart(least, most) {
        libm::log(value / least) / libm::log(most / least)
    } else {
        (value - least) / (most - least)
    };
    if target.less_is_better { share } else { 1.0 - share }
}
