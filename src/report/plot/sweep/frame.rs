//! Where values and points of a sweep lie in a panel, and how a point is marked.

use super::super::axis::{self, Scale};
use super::super::heading::unit;
use super::super::ink::{BAD, GOOD, GRID, INK, MARK, PALE_INK, WHITE, line, text};
use super::super::layout::text_width;
use super::super::shape::{Anchor, Colour, Shape};
use super::{PANEL, is_doubtful};
use crate::mesh::model::Figure;
use crate::report::sweep::{Point, Target};
use crate::study::Judged;

/// One dimension's values as places from 0 to 1, and what to write at which.
pub(super) struct Axis {
    pub(super) places: Vec<f64>,
    pub(super) marks: Vec<(f64, String)>,
}

impl Axis {
    /// By number where all values are one text around a number; else one beside the other, in the order of points.
    pub(super) fn of(points: &[Point], dimension: usize) -> Axis {
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
    pub(super) fn shown(&self, width: f64) -> Vec<&(f64, String)> {
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
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    top: f64,
    pub(super) bottom: f64,
    pub(super) scale: Scale,
    /// By the logarithm, as values lie far apart.
    is_log: bool,
}

impl Frame {
    pub(super) fn new(target: &Target, seen: &[Judged], (left, right): (f64, f64), top: f64) -> Frame {
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
        let known = seen.iter().filter_map(|judged| judged.observed.value);
        let is_share = target.figure() == Figure::SuccessPct;
        let smallest = known.chain(target.limit).fold(f64::INFINITY, f64::min);
        let is_log = !is_share && are_far_apart(smallest, most);
        let scale = match (is_share, is_log) {
            (true, _) => axis::to_hundred(least.clamp(0.0, 100.0), 3),
            (false, true) => axis::decades(smallest, most),
            (false, false) => axis::from_zero(most, 4),
        };
        Frame { left, right, top, bottom: top + PANEL, scale, is_log }
    }

    pub(super) fn x(&self, place: f64) -> f64 {
        const MARGIN: f64 = 10.0;
        self.left + MARGIN + (self.right - self.left - 2.0 * MARGIN) * place
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let Scale { low, high, .. } = self.scale;
        let share = match self.is_log {
            true => libm::log(value.max(low) / low) / libm::log(high / low),
            false => (value - low) / (high - low),
        };
        self.bottom - (self.bottom - self.top) * share.clamp(0.0, 1.0)
    }

    pub(super) fn ground(&self, shapes: &mut Vec<Shape>, target: &Target, with_title: bool) {
        if with_title {
            shapes.push(text((self.left, self.top - 14.0), &target.text, 14.5, INK, Anchor::Left));
        }
        for tick in &self.scale.ticks {
            let y = self.y(*tick);
            let colour = if *tick == self.scale.low { MARK } else { GRID };
            shapes.push(line(vec![(self.left, y), (self.right, y)], colour, 1.0));
            let label = unit(target).label(*tick, if self.is_log { *tick } else { self.scale.high });
            shapes.push(text((self.left - 7.0, y), &label, 12.5, PALE_INK, Anchor::Right));
        }
        if let Some(limit) = target.limit.filter(|limit| (self.scale.low..=self.scale.high).contains(limit)) {
            dashes(shapes, (self.left, self.right), self.y(limit));
        }
    }

    pub(super) fn marks(&self, shapes: &mut Vec<Shape>, axis: &Axis, name: &str) {
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

pub(super) fn dashes(shapes: &mut Vec<Shape>, (left, right): (f64, f64), y: f64) {
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

/// A ring, if the point is doubtful.
pub(super) fn mark(shapes: &mut Vec<Shape>, at: (f64, f64), size: f64, colour: Colour, point: &Point) {
    dot(shapes, at, size, colour);
    if is_doubtful(point) {
        dot(shapes, at, 0.55 * size, WHITE);
    }
}

pub(super) fn colour(target: &Target, judged: &Judged) -> Colour {
    if target.limit.is_some() && !judged.met { BAD } else { GOOD }
}

/// So far that the smaller ones would all look alike.
pub(super) fn are_far_apart(least: f64, most: f64) -> bool {
    least > 0.0 && most > 20.0 * least
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
