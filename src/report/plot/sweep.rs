//! Charts of a sweep: over one dimension lines with their intervals, over two a map of cells for each objective, over
//! more a dot for each point over each dimension.

use std::collections::BTreeSet;

use super::super::sweep::{Point, Study, Target, text as words, tornado};
use super::axis::{self, Scale};
use super::heading::{head, origin, unit};
use super::ink::{BAD, GOOD, GRID, INK, MARK, PALE_INK, line, text};
use super::layout::{WIDTH, text_width};
use super::shape::{Anchor, Colour, Picture, Shape};
use super::tornado as tornado_chart;
use crate::mesh::model::Figure;
use crate::study::Judged;

const LEFT: f64 = 78.0;
const RIGHT: f64 = 30.0;
/// Height of a panel, and of what stands above and below it.
const PANEL: f64 = 190.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 50.0;
const HEAD: f64 = 74.0;
/// Targets and dimensions that are drawn.
const MOST: usize = 6;

/// Every chart of a whole sweep, by file name.
pub fn pictures(study: &Study, points: &[Point]) -> Vec<(String, Picture)> {
    if study.sensitivity.is_some() {
        return vec![("tornado".to_owned(), tornado_chart::picture(study, points))];
    }
    let dimensions = study.dimensions.len();
    let picture = match (study.design.as_str(), dimensions) {
        ("grid", 2) => maps(study, points),
        ("list", _) | (_, 1) => lines(study, points),
        _ => dots(study, points),
    };
    vec![("sweep".to_owned(), picture)]
}

fn subtitle(study: &Study, points: &[Point], what: &str) -> String {
    let verdict = words::verdict(study, points, &super::super::Look::PLAIN);
    let parts = verdict.into_iter().chain([what.to_owned(), origin(study)]);
    parts.collect::<Vec<_>>().join(" · ")
}

fn whole(study: &Study, subject: &str, height: f64, shapes: Vec<Shape>) -> Picture {
    let title = format!("{} — {subject}", study.title);
    Picture { width: WIDTH as u32, height: height as u32, title, shapes }
}

/// One dimension's values as places from 0 to 1, and what to write at which.
struct Axis {
    places: Vec<f64>,
    marks: Vec<(f64, String)>,
}

impl Axis {
    /// By number where all values are one text around a number; else one beside the other, in the order of points.
    fn of(points: &[Point], dimension: usize) -> Axis {
        let texts: Vec<&str> = points.iter().map(|point| point.values[dimension].as_str()).collect();
        let numbers = numbers(&texts).unwrap_or_else(|| ranks(&texts));
        let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let place = |number: f64| if high > low { (number - low) / (high - low) } else { 0.5 };
        let places: Vec<f64> = numbers.into_iter().map(place).collect();
        let mut marks: Vec<(f64, String)> =
            places.iter().copied().zip(texts.iter().map(|text| (*text).to_owned())).collect();
        marks.sort_by(|left, right| left.0.total_cmp(&right.0));
        marks.dedup_by(|next, mark| next.0 == mark.0);
        Axis { places, marks }
    }

    /// The marks that have room on `width` pixels.
    fn shown(&self, width: f64) -> Vec<&(f64, String)> {
        let mut shown: Vec<&(f64, String)> = Vec::new();
        let mut end = f64::NEG_INFINITY;
        for mark in &self.marks {
            let half = text_width(mark.1.chars().count(), 12.0) / 2.0 + 4.0;
            if mark.0 * width - half >= end {
                end = mark.0 * width + half;
                shown.push(mark);
            }
        }
        shown
    }
}

/// The numbers in texts that are alike around them: `poisson(5rps)`, `poisson(10rps)`.
fn numbers(texts: &[&str]) -> Option<Vec<f64>> {
    let first = *texts.first()?;
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let common =
        texts.iter().map(|text| first.chars().zip(text.chars()).take_while(|(a, b)| a == b).count()).min()?;
    let same: String = first.chars().take(common).collect();
    let before = same.trim_end_matches(is_number).len();
    let parts = texts.iter().map(|text| {
        let rest = text.get(before..)?;
        let length = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        Some((rest[..length].parse::<f64>().ok()?, &rest[length..]))
    });
    let parts: Option<Vec<(f64, &str)>> = parts.collect();
    let parts = parts?;
    let after = parts.first()?.1;
    parts.iter().all(|part| part.1 == after).then(|| parts.iter().map(|part| part.0).collect())
}

fn ranks(texts: &[&str]) -> Vec<f64> {
    let mut known: Vec<&str> = Vec::new();
    for text in texts {
        if !known.contains(text) {
            known.push(text);
        }
    }
    texts.iter().map(|text| known.iter().position(|other| other == text).unwrap_or(0) as f64).collect()
}

/// Where values of a target lie on a panel's height.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    scale: Scale,
}

impl Frame {
    fn new(target: &Target, seen: &[Judged], (left, right): (f64, f64), top: f64) -> Frame {
        let ends = seen.iter().filter_map(|judged| {
            let (value, half) = (judged.observed.value?, judged.observed.ci95.unwrap_or(0.0));
            Some((value - half, value + half))
        });
        let (mut least, mut most) =
            ends.fold((f64::INFINITY, 0.0), |(low, high), (from, to)| (from.min(low), to.max(high)));
        if let Some(limit) = target.limit {
            // A limit far above all would press them onto the ground.
            if limit <= 3.0 * most {
                (least, most) = (least.min(limit), most.max(limit));
            }
        }
        let scale = match target.figure() {
            Figure::SuccessPct => axis::to_hundred(least.clamp(0.0, 100.0), 3),
            _ => axis::from_zero(most, 4),
        };
        Frame { left, right, top, bottom: top + PANEL, scale }
    }

    fn x(&self, place: f64) -> f64 {
        const MARGIN: f64 = 10.0;
        self.left + MARGIN + (self.right - self.left - 2.0 * MARGIN) * place
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.scale.low) / (self.scale.high - self.scale.low);
        self.bottom - (self.bottom - self.top) * share.clamp(0.0, 1.0)
    }

    fn ground(&self, shapes: &mut Vec<Shape>, target: &Target, with_title: bool) {
        if with_title {
            shapes.push(text((self.left, self.top - 14.0), &target.text, 14.5, INK, Anchor::Left));
        }
        for tick in &self.scale.ticks {
            let y = self.y(*tick);
            let colour = if *tick == self.scale.low { MARK } else { GRID };
            shapes.push(line(vec![(self.left, y), (self.right, y)], colour, 1.0));
            let label = unit(target).label(*tick, self.scale.high);
            shapes.push(text((self.left - 7.0, y), &label, 12.5, PALE_INK, Anchor::Right));
        }
        if let Some(limit) = target.limit.filter(|limit| (self.scale.low..=self.scale.high).contains(limit)) {
            dashes(shapes, (self.left, self.right), self.y(limit));
        }
    }

    fn marks(&self, shapes: &mut Vec<Shape>, axis: &Axis, name: &str) {
        let width = self.x(1.0) - self.x(0.0);
        for (place, label) in axis.shown(width) {
            let x = self.x(*place);
            shapes.push(line(vec![(x, self.bottom), (x, self.bottom + 4.0)], MARK, 1.0));
            shapes.push(text((x, self.bottom + 14.0), label, 12.0, PALE_INK, Anchor::Middle));
        }
        let middle = ((self.left + self.right) / 2.0, self.bottom + 33.0);
        shapes.push(text(middle, name, 12.5, INK, Anchor::Middle));
    }
}

fn dashes(shapes: &mut Vec<Shape>, (left, right): (f64, f64), y: f64) {
    let mut x = left;
    while x < right {
        shapes.push(line(vec![(x, y), ((x + 7.0).min(right), y)], BAD, 1.4));
        x += 12.0;
    }
}

fn dot(shapes: &mut Vec<Shape>, (x, y): (f64, f64), size: f64, colour: Colour) {
    const ROUND: [(f64, f64); 8] = [
        (1.0, 0.0),
        (0.707, 0.707),
        (0.0, 1.0),
        (-0.707, 0.707),
        (-1.0, 0.0),
        (-0.707, -0.707),
        (0.0, -1.0),
        (0.707, -0.707),
    ];
    let points = ROUND.iter().map(|(dx, dy)| (x + size * dx, y + size * dy)).collect();
    shapes.push(Shape::Area { points, colour, opacity: 1.0 });
}

fn colour(target: &Target, judged: &Judged) -> Colour {
    if target.limit.is_some() && !judged.met { BAD } else { GOOD }
}

fn judged(target: &Target, index: usize, points: &[Point]) -> Vec<Judged> {
    points.iter().map(|point| target.judge(&point.seen[index])).collect()
}

/// A panel for each target, over the one dimension, or the first of several that go in parallel.
fn lines(study: &Study, points: &[Point]) -> Picture {
    let subject = "sweep";
    let mut shapes = head(study, subject, &subtitle(study, points, "band: 95% interval, dashed: objective"));
    let axis = Axis::of(points, 0);
    let mut top = HEAD + ABOVE;
    for (index, target) in study.targets.iter().enumerate().take(MOST) {
        let seen = judged(target, index, points);
        let frame = Frame::new(target, &seen, (LEFT, WIDTH - RIGHT), top);
        frame.ground(&mut shapes, target, true);
        let mut order: Vec<(f64, &Judged)> = axis.places.iter().copied().zip(&seen).collect();
        order.sort_by(|left, right| left.0.total_cmp(&right.0));
        for stretch in order.split(|(_, judged)| judged.observed.value.is_none()) {
            draw_stretch(&mut shapes, &frame, stretch);
        }
        for (place, judged) in &order {
            if let Some(value) = judged.observed.value {
                dot(&mut shapes, (frame.x(*place), frame.y(value)), 4.0, colour(target, judged));
            }
        }
        frame.marks(&mut shapes, &axis, &study.dimensions[0].name);
        top = frame.bottom + BELOW + ABOVE;
    }
    whole(study, subject, top - ABOVE, shapes)
}

/// The line and its band.
fn draw_stretch(shapes: &mut Vec<Shape>, frame: &Frame, stretch: &[(f64, &Judged)]) {
    let (mut upper, mut lower, mut middle) = (Vec::new(), Vec::new(), Vec::new());
    for (place, judged) in stretch {
        let (value, half) = (judged.observed.value.unwrap_or(0.0), judged.observed.ci95.unwrap_or(0.0));
        let x = frame.x(*place);
        upper.push((x, frame.y(value + half)));
        lower.push((x, frame.y(value - half)));
        middle.push((x, frame.y(value)));
    }
    if middle.len() > 1 {
        upper.extend(lower.into_iter().rev());
        shapes.push(Shape::Area { points: upper, colour: GOOD, opacity: 0.18 });
        shapes.push(line(middle, GOOD, 1.8));
    } else if let (Some(high), Some(low)) = (upper.first(), lower.first()) {
        shapes.push(line(vec![*high, *low], GOOD, 1.6));
    }
}

/// A map of cells for each target: the first dimension to the right, the second upwards.
fn maps(study: &Study, points: &[Point]) -> Picture {
    let subject = "sweep";
    let explained = "orange: objective missed; darker: worse";
    let mut shapes = head(study, subject, &subtitle(study, points, explained));
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
        let label = tornado::plain_text(&target.metric, value, value.abs().max(1e-9));
        if text_width(label.chars().count(), 12.0) < wide - 4.0 && high > 14.0 {
            let ink = if worse > 0.6 { Colour(0xff, 0xff, 0xff) } else { INK };
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
    let share = if least > 0.0 && most > 20.0 * least {
        libm::log(value / least) / libm::log(most / least)
    } else {
        (value - least) / (most - least)
    };
    if target.less_is_better { share } else { 1.0 - share }
}

/// A row for each target, a column for each dimension, a dot for each point.
fn dots(study: &Study, points: &[Point]) -> Picture {
    let subject = "sweep";
    let mut shapes =
        head(study, subject, &subtitle(study, points, "one dot a point; dashed: objective, orange: missed"));
    let columns = study.dimensions.len().clamp(1, MOST);
    let names = words::short_names(study);
    let width = (WIDTH - LEFT - RIGHT + 14.0) / columns as f64;
    let mut top = HEAD + ABOVE;
    for (index, target) in study.targets.iter().enumerate().take(MOST) {
        let seen = judged(target, index, points);
        let mut bottom = top;
        for (column, name) in names.iter().enumerate().take(columns) {
            let axis = Axis::of(points, column);
            let left = LEFT + width * column as f64;
            let frame = Frame::new(target, &seen, (left, left + width - 14.0), top);
            if column == 0 {
                frame.ground(&mut shapes, target, true);
            } else {
                for tick in &frame.scale.ticks {
                    let y = frame.y(*tick);
                    shapes.push(line(vec![(frame.left, y), (frame.right, y)], GRID, 1.0));
                }
                if let Some(limit) = target.limit.filter(|l| (frame.scale.low..=frame.scale.high).contains(l))
                {
                    dashes(&mut shapes, (frame.left, frame.right), frame.y(limit));
                }
            }
            for (place, judged) in axis.places.iter().zip(&seen) {
                if let Some(value) = judged.observed.value {
                    dot(&mut shapes, (frame.x(*place), frame.y(value)), 3.0, colour(target, judged));
                }
            }
            frame.marks(&mut shapes, &axis, name);
            bottom = frame.bottom;
        }
        top = bottom + BELOW + ABOVE;
    }
    whole(study, subject, top - ABOVE, shapes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_texts_that_are_alike_around_them() {
        assert_eq!(numbers(&["2", "4", "20"]), Some(vec![2.0, 4.0, 20.0]));
        assert_eq!(numbers(&["poisson(100rps)", "poisson(150rps)"]), Some(vec![100.0, 150.0]));
        assert_eq!(numbers(&["p50=1.5ms, p99=9ms", "p50=2ms, p99=9ms"]), Some(vec![1.5, 2.0]));
        assert_eq!(numbers(&["LEAST_REQUEST", "RANDOM"]), None);
        assert_eq!(numbers(&["5ms", "1s"]), None, "two units");
    }

    #[test]
    fn words_stand_in_the_order_of_points() {
        assert_eq!(ranks(&["b", "a", "b", "c"]), [0.0, 1.0, 0.0, 2.0]);
    }
}
