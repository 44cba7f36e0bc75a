//! Charts of a sweep: over one dimension lines with their intervals, over two a map of cells for each objective, over
//! more a dot for each point over each dimension.

mod frame;
mod map;

use super::super::sweep::{Point, Study, Target, text as words};
use super::heading::{head, origin};
use super::ink::{GOOD, GRID, line};
use super::layout::WIDTH;
use super::shape::{Picture, Shape};
use super::tornado as tornado_chart;
use crate::study::Judged;
use frame::{Axis, Frame, colour, dashes, mark};

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
        ("grid", 2) => map::maps(study, points),
        ("list", _) | (_, 1) => lines(study, points),
        _ => dots(study, points),
    };
    vec![("sweep".to_owned(), picture)]
}

/// With `doubtful`, how points are drawn that have notes, if there are any.
fn subtitle(study: &Study, points: &[Point], what: &str, doubtful: &str) -> String {
    let verdict = words::verdict(study, points, &super::super::Look::PLAIN);
    let noted = points.iter().any(is_doubtful).then(|| format!("{doubtful}: doubtful"));
    let what = std::iter::once(what.to_owned()).chain(noted).collect::<Vec<_>>().join(", ");
    let parts = verdict.into_iter().chain([what, origin(study)]);
    parts.collect::<Vec<_>>().join(" · ")
}

/// There is something that a reader must know before believing its figures.
fn is_doubtful(point: &Point) -> bool {
    !point.notes.is_empty()
}

fn whole(study: &Study, subject: &str, height: f64, shapes: Vec<Shape>) -> Picture {
    let title = format!("{} — {subject}", study.title);
    Picture { width: WIDTH as u32, height: height as u32, title, shapes }
}

fn judged(target: &Target, index: usize, points: &[Point]) -> Vec<Judged> {
    points.iter().map(|point| target.judge(&point.seen[index])).collect()
}

/// A panel for each target, over the one dimension, or the first of several that go in parallel.
fn lines(study: &Study, points: &[Point]) -> Picture {
    let subject = "sweep";
    let explained = "band: 95% interval, dashed: objective";
    let mut shapes = head(study, subject, &subtitle(study, points, explained, "ring"));
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
        for ((place, judged), point) in axis.places.iter().zip(&seen).zip(points) {
            if let Some(value) = judged.observed.value {
                let at = (frame.x(*place), frame.y(value));
                mark(&mut shapes, at, 4.0, colour(target, judged), point);
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

/// A row for each target, a column for each dimension, a dot for each point.
fn dots(study: &Study, points: &[Point]) -> Picture {
    let subject = "sweep";
    let explained = "dashed: objective, orange: missed";
    let mut shapes = head(study, subject, &subtitle(study, points, explained, "ring"));
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
            for ((place, judged), point) in axis.places.iter().zip(&seen).zip(points) {
                if let Some(value) = judged.observed.value {
                    let at = (frame.x(*place), frame.y(value));
                    mark(&mut shapes, at, 3.0, colour(target, judged), point);
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
    use super::super::ink::{BAD, WHITE};
    use super::super::shape::{Colour, texts};
    use super::*;
    use crate::report::sweep::{Dimension, Seen};

    /// `p(99) < 60ms` at loads 1 and 2 (and numbers of servers): a close call, and an overload.
    fn study(dimensions: &[&str]) -> (Study, Vec<Point>) {
        let named = |name: &&str| Dimension { name: (*name).to_owned(), range: "1,2".to_owned() };
        let target = Target {
            text: "p(99) < 60ms".to_owned(),
            metric: "latency_p99_ms".to_owned(),
            quantile: Some(0.99),
            less_is_better: true,
            or_equal: false,
            limit: Some(60.0),
        };
        let point = |number: u32, value: f64, ci95: f64, notes: &[&str]| {
            let mut point = Point::open(number, vec![number.to_string(); dimensions.len()], String::new());
            point.seen = vec![Seen { value: Some(value), ci95: Some(ci95), each: Vec::new(), of: None }];
            point.notes = notes.iter().map(|note| (*note).to_owned()).collect();
            point
        };
        let study = Study {
            title: "x".to_owned(),
            stamp: serde_json::json!({"seed": 42, "replications": 8}),
            design: "grid".to_owned(),
            dimensions: dimensions.iter().map(named).collect(),
            points: 2,
            shard: None,
            targets: vec![target],
            sensitivity: None,
        };
        (study, vec![point(1, 61.0, 2.0, &[]), point(2, 4000.0, 100.0, &["a line grows"])])
    }

    fn drawn(dimensions: &[&str]) -> Vec<Shape> {
        let (study, points) = study(dimensions);
        pictures(&study, &points).remove(0).1.shapes
    }

    #[test]
    fn what_is_unsure_or_doubtful_is_marked_in_a_map() {
        let shapes = drawn(&["load", "servers"]);
        let texts = texts(&shapes);
        assert!(texts.contains(&"61.0ms?") && texts.contains(&"4.00s !"), "{texts:?}");
        assert!(texts[1].contains("!: doubtful"), "{texts:?}");
    }

    #[test]
    fn doubtful_points_are_rings_and_what_lies_far_apart_is_told_apart() {
        for dimensions in [&["load"][..], &["load", "servers", "queue"]] {
            let shapes = drawn(dimensions);
            let areas = |wanted: Colour| {
                let is = |shape: &&Shape| matches!(shape, Shape::Area { colour, opacity, .. } if *colour == wanted && *opacity == 1.0);
                shapes.iter().filter(is).count()
            };
            assert_eq!((areas(WHITE), areas(BAD)), (dimensions.len(), 2 * dimensions.len()));
            let texts = texts(&shapes);
            assert!(texts.contains(&"100ms") && texts.contains(&"5s"), "by powers of ten: {texts:?}");
        }
    }
}
