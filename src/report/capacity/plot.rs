//! The objectives over what is varied, with limits and answer; or, with several values, which points meet them.

use super::super::plot::axis::{self, Scale};
use super::super::plot::ink::{ANSWER, BAD, GOOD, GRID, INK, PALE_INK, line, text};
use super::super::plot::shape::{Anchor, Colour, Picture, Shape};
use super::super::plot::{DrawError, draw_picture};
use super::super::terminal::shortened;
use super::super::{File, number};
use super::{Session, Subject};
use crate::mesh::model::Figure;
use crate::study::Judged;
use crate::study::capacity::{Answer, Tried};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 930.0;
const PANEL: f64 = 190.0;
const MOST_PANELS: usize = 4;

/// `plots/capacity.svg` and `.png`.
pub fn draw(session: &Session<'_>) -> Result<[File; 2], DrawError> {
    draw_picture("capacity", &picture(session))
}

pub fn picture(session: &Session<'_>) -> Picture {
    let axes = session.tried.first().map_or(0, |tried| tried.at.len());
    let title = format!("{} — capacity", session.title);
    let mut shapes = vec![
        text((24.0, 26.0), shortened(&title, 80, '…'), 21.0, INK, Anchor::Left),
        text((24.0, 50.0), shortened(&session.sentence(), 130, '…'), 14.0, PALE_INK, Anchor::Left),
    ];
    let bottom = if axes > 1 { field(&mut shapes, session) } else { lines(&mut shapes, session) };
    Picture {
        width: WIDTH as u32,
        height: (bottom + 56.0) as u32,
        title: format!("{title}: {}", session.sentence()),
        shapes,
    }
}

fn dot((x, y): (f64, f64), colour: Colour) -> Shape {
    const R: f64 = 5.0;
    let points = vec![(x - R, y), (x, y - R), (x + R, y), (x, y + R)];
    Shape::Area { points, colour, opacity: 1.0 }
}

/// What the horizontal axis shows for a point: requests per second where they are known, else the value itself.
fn across(session: &Session<'_>, tried: &Tried) -> f64 {
    match session.subject {
        Subject::Load { rps: Some(_), .. } => tried.offered_rps.unwrap_or(tried.at[0]),
        _ => tried.at[0],
    }
}

/// A place between two ends.
#[derive(Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Span {
    fn at(&self, value: f64) -> f64 {
        let share = if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 0.5 };
        self.from + (self.to - self.from) * share.clamp(0.0, 1.0)
    }
}

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// One panel for each objective.
fn lines(shapes: &mut Vec<Shape>, session: &Session<'_>) -> f64 {
    let (low, high) = ends(session.tried.iter().map(|tried| across(session, tried)));
    let margin = 0.04 * (high - low);
    let span = Span { low: low - margin, high: high + margin, from: LEFT, to: RIGHT };
    let count = session.tried[0].cases.first().map_or(0, |case| case.judged.len()).min(MOST_PANELS);
    let mut bottom = 60.0;
    for objective in 0..count {
        let top = bottom + 40.0;
        panel(shapes, session, objective, span, top);
        bottom = top + PANEL;
    }
    // Points near the answer crowd: their names keep apart.
    let mut named: Vec<(f64, String)> = session
        .tried
        .iter()
        .enumerate()
        .map(|(index, tried)| (span.at(across(session, tried)), name(session, index, tried)))
        .collect();
    named.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut free = f64::NEG_INFINITY;
    for (x, name) in named {
        let room = 7.0 * name.chars().count() as f64;
        if x - room / 2.0 >= free {
            shapes.push(text((x, bottom + 16.0), &name, 12.0, PALE_INK, Anchor::Middle));
            free = x + room / 2.0 + 6.0;
        }
    }
    let what = match &session.subject {
        Subject::Load { rps: Some(_), .. } => "requests per second of all clients".to_owned(),
        Subject::Load { rps: None, .. } => "times the scenario's load".to_owned(),
        Subject::Paths(paths) => paths.join(", "),
    };
    shapes.push(text(((LEFT + RIGHT) / 2.0, bottom + 36.0), &what, 12.5, PALE_INK, Anchor::Middle));
    bottom
}

fn name(session: &Session<'_>, index: usize, tried: &Tried) -> String {
    match session.subject {
        Subject::Load { rps: Some(_), .. } => number::rate(across(session, tried)),
        _ => shortened(&session.values[index].join(", "), 24, '…'),
    }
}

fn panel(shapes: &mut Vec<Shape>, session: &Session<'_>, objective: usize, span: Span, top: f64) {
    let judged = |tried: &Tried| tried.cases.last().and_then(|case| case.judged.get(objective).cloned());
    let mut points: Vec<(f64, Judged)> = session
        .tried
        .iter()
        .filter_map(|tried| Some((span.at(across(session, tried)), judged(tried)?)))
        .collect();
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    let Some(first) = points.first().map(|point| point.1.clone()) else { return };
    let scale = heights(&first, points.iter().filter_map(|point| point.1.observed.value));
    let up = Span { low: scale.low, high: scale.high, from: top + PANEL, to: top };
    shapes.push(text((LEFT, top - 14.0), &first.text, 14.5, INK, Anchor::Left));
    let unit = unit(&first);
    for tick in &scale.ticks {
        let y = up.at(*tick);
        shapes.push(line(vec![(LEFT, y), (RIGHT, y)], GRID, 1.0));
        shapes.push(text((LEFT - 7.0, y), unit.label(*tick, scale.high), 12.5, PALE_INK, Anchor::Right));
    }
    answer(shapes, session, span, (top, top + PANEL));
    shapes.push(line(vec![(LEFT, up.at(first.limit)), (RIGHT, up.at(first.limit))], BAD, 1.5));
    shapes.push(text((RIGHT - 4.0, up.at(first.limit) - 9.0), "limit", 12.0, BAD, Anchor::Right));
    let path: Vec<(f64, f64)> =
        points.iter().filter_map(|(x, judged)| Some((*x, judged.observed.value?))).collect();
    for pair in path.windows(2) {
        if let Some(inside) = clipped(pair[0], pair[1], (up.low, up.high)) {
            let points = inside.map(|(x, value)| (x, up.at(value))).to_vec();
            shapes.push(Shape::Line { points, colour: PALE_INK, opacity: 0.5, width: 1.2 });
        }
    }
    let mut free = f64::NEG_INFINITY;
    for (x, judged) in &points {
        let Some(value) = judged.observed.value else { continue };
        let colour = if judged.met { GOOD } else { BAD };
        if !(up.low..=up.high).contains(&value) {
            beyond(shapes, (*x, up.at(value)), value > up.high, &told(judged, value), colour, &mut free);
            continue;
        }
        if let Some(half) = judged.observed.ci95 {
            shapes.push(line(vec![(*x, up.at(value - half)), (*x, up.at(value + half))], colour, 1.5));
        }
        shapes.push(dot((*x, up.at(value)), colour));
    }
}

/// The part of a line between two heights.
fn clipped(left: (f64, f64), right: (f64, f64), (low, high): (f64, f64)) -> Option<[(f64, f64); 2]> {
    if left.1.max(right.1) < low || left.1.min(right.1) > high {
        return None;
    }
    let at = |end: (f64, f64), other: (f64, f64)| {
        let height = end.1.clamp(low, high);
        let part = if end.1 == other.1 { 0.0 } else { (height - end.1) / (other.1 - end.1) };
        (end.0 + part * (other.0 - end.0), height)
    };
    Some([at(left, right), at(right, left)])
}

/// A point off the scale: an arrow at the edge, with its figure where there is room.
fn beyond(
    shapes: &mut Vec<Shape>,
    (x, y): (f64, f64),
    is_above: bool,
    figure: &str,
    colour: Colour,
    free: &mut f64,
) {
    let (tip, into) = if is_above { (y - 2.0, 1.0) } else { (y + 2.0, -1.0) };
    let base = tip + 9.0 * into;
    let points = vec![(x, tip), (x + 5.5, base), (x - 5.5, base)];
    shapes.push(Shape::Area { points, colour, opacity: 1.0 });
    let half = 3.5 * figure.chars().count() as f64;
    let middle = x.clamp(LEFT + half + 2.0, RIGHT - half - 2.0);
    if middle - half >= *free {
        shapes.push(text((middle, base + 9.0 * into), figure, 12.0, colour, Anchor::Middle));
        *free = middle + half + 5.0;
    }
}

fn told(judged: &Judged, value: f64) -> String {
    match judged.figure {
        Figure::SuccessPct => format!("{}%", number::percent(value)),
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => number::latency(value),
        Figure::Rps => number::rate(value),
        Figure::Retries | Figure::Ejections | Figure::Overflow => number::count(value),
    }
}

fn unit(judged: &Judged) -> axis::Unit {
    match judged.figure {
        Figure::SuccessPct => axis::Unit::Percent,
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => axis::Unit::Millis,
        Figure::Rps => axis::Unit::PerSecond,
        Figure::Retries | Figure::Ejections | Figure::Overflow => axis::Unit::Count,
    }
}

/// What is far beyond the limit is not drawn to scale: the border is what is looked at.
fn heights(judged: &Judged, values: impl Iterator<Item = f64>) -> Scale {
    const BEYOND: f64 = 3.0;
    let (low, high) = ends(values);
    if judged.figure == Figure::SuccessPct {
        let gap = (100.0 - judged.limit).max(0.1);
        return axis::to_hundred((low.max(100.0 - BEYOND * gap)).min(judged.limit), 4);
    }
    axis::from_zero(high.min(BEYOND * judged.limit).max(1.1 * judged.limit), 4)
}

/// The answer as a line with its interval behind it.
fn answer(shapes: &mut Vec<Shape>, session: &Session<'_>, span: Span, (top, bottom): (f64, f64)) {
    let factor = match session.subject {
        Subject::Load { rps: Some(rps), .. } => rps,
        _ => 1.0,
    };
    let (value, interval) = match session.capacity.map(|capacity| &capacity.answer) {
        Some(Answer::Value { value, interval }) => {
            (value * factor, interval.map(|(a, b)| (a * factor, b * factor)))
        }
        Some(Answer::Least { best, interval, .. }) => {
            // Its ends are places, both of them of points that were tried.
            let of = |place: usize| {
                let tried = session.tried.iter().find(|tried| tried.at[0] == place as f64)?;
                Some(across(session, tried))
            };
            let ends = interval.and_then(|(low, high)| Some((of(low)?, of(high)?)));
            (across(session, &session.tried[*best]), ends)
        }
        _ => return,
    };
    if let Some((low, high)) = interval {
        let (left, right) = (span.at(low), span.at(high));
        let points = vec![(left, top), (right, top), (right, bottom), (left, bottom)];
        shapes.push(Shape::Area { points, colour: ANSWER, opacity: 0.18 });
    }
    let x = span.at(value);
    shapes.push(line(vec![(x, top), (x, bottom)], ANSWER, 1.5));
    shapes.push(text((x + 5.0, top + 9.0), "answer", 12.0, ANSWER, Anchor::Left));
}

/// Points over the first two values: which meet the objectives, and the frontier.
fn field(shapes: &mut Vec<Shape>, session: &Session<'_>) -> f64 {
    const HEIGHT: f64 = 420.0;
    let (top, bottom) = (86.0, 86.0 + HEIGHT);
    let span = |axis: usize, from: f64, to: f64| {
        let (low, high) = ends(session.tried.iter().map(|tried| tried.at[axis]));
        let margin = (0.04 * (high - low)).max(0.2);
        Span { low: low - margin, high: high + margin, from, to }
    };
    let (right, up) = (span(0, LEFT, RIGHT - 190.0), span(1, bottom, top));
    let place = |tried: &Tried| (right.at(tried.at[0]), up.at(tried.at[1]));
    let columns = session.columns();
    shapes.push(line(vec![(LEFT, top), (LEFT, bottom), (RIGHT - 190.0, bottom)], GRID, 1.5));
    let found = session.capacity.map(|capacity| &capacity.answer);
    let frontier = if let Some(Answer::Least { frontier, .. }) = found { &frontier[..] } else { &[] };
    for (index, tried) in session.tried.iter().enumerate() {
        let kept = if tried.meets() { GOOD } else { BAD };
        shapes.push(dot(place(tried), if frontier.contains(&index) { ANSWER } else { kept }));
        let (values, (x, y)) = (&session.values[index], place(tried));
        let is_first = |axis: usize| !session.values[..index].iter().any(|other| other[axis] == values[axis]);
        if is_first(0) {
            shapes.push(text((x, bottom + 14.0), &values[0], 11.0, PALE_INK, Anchor::Middle));
        }
        if is_first(1) {
            shapes.push(text((LEFT - 7.0, y), &values[1], 11.0, PALE_INK, Anchor::Right));
        }
    }
    if let Some(Answer::Least { best, .. }) = found {
        let mut steps: Vec<(f64, f64)> =
            frontier.iter().map(|number| place(&session.tried[*number])).collect();
        steps.sort_by(|left, right| left.0.total_cmp(&right.0));
        let corners = steps.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
        let stairs: Vec<(f64, f64)> = corners.chain(steps.last().copied()).collect();
        if stairs.len() > 1 && session.tried[0].at.len() == 2 {
            shapes.push(line(stairs, ANSWER, 2.0));
        }
        let (x, y) = place(&session.tried[*best]);
        let points = vec![
            (x - 9.0, y - 9.0),
            (x + 9.0, y - 9.0),
            (x + 9.0, y + 9.0),
            (x - 9.0, y + 9.0),
            (x - 9.0, y - 9.0),
        ];
        shapes.push(line(points, ANSWER, 2.0));
    }
    for (row, (colour, word)) in
        [(GOOD, "meets the objectives"), (BAD, "misses one"), (ANSWER, "frontier; the answer is boxed")]
            .iter()
            .enumerate()
    {
        let y = top + 10.0 + 22.0 * row as f64;
        shapes.push(dot((RIGHT - 172.0, y), *colour));
        shapes.push(text((RIGHT - 160.0, y), *word, 12.5, INK, Anchor::Left));
    }
    shapes.push(text(
        ((LEFT + RIGHT - 190.0) / 2.0, bottom + 36.0),
        &columns[0],
        12.5,
        PALE_INK,
        Anchor::Middle,
    ));
    shapes.push(text((LEFT, top - 14.0), &columns[1], 12.5, PALE_INK, Anchor::Left));
    bottom
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
