//! Two charts of a comparison: how much slower or faster the same requests became, and every figure's relative change with
//! its interval.

use super::super::number;
use super::super::plot::axis;
use super::super::plot::ink::{BAD, GOOD, GRID, INK, MARK, PALE_INK, line, text};
use super::super::plot::shape::{Anchor, Picture, Shape};
use super::super::terminal::shortened;
use super::{Comparisons, words};
use crate::mesh::model::Figure;
use crate::study::compare::{Compared, Measure, Pairs, Scope, Verdict};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 900.0;
const TOP: f64 = 76.0;
/// Rows of a chart.
const MOST: usize = 24;

fn picture(
    report: &Comparisons<'_>,
    subject: &str,
    subtitle: &str,
    height: f64,
    more: Vec<Shape>,
) -> Picture {
    let title = format!("{} — {subject}", report.title);
    let mut shapes = vec![
        text((20.0, 26.0), shortened(&title, 80, '…'), 18.0, INK, Anchor::Left),
        text((20.0, 50.0), subtitle, 13.0, PALE_INK, Anchor::Left),
    ];
    shapes.extend(more);
    Picture { width: WIDTH as u32, height: height.ceil() as u32, title, shapes }
}

/// Percentiles at which the distribution is told.
const STEPS: usize = 200;
const PANEL: f64 = 220.0;

/// For each candidate the difference of the same requests, as its distribution function: how many became slower or faster by
/// as much. The axis is wide around zero, where most of them are.
pub fn differences(report: &Comparisons<'_>) -> Picture {
    let mut shapes = Vec::new();
    let mut top = TOP;
    for (name, candidate, _) in report.candidates() {
        let all = &candidate.pairs[0].tally;
        let ways = [("same way", &all.stayed, GOOD), ("another way", &all.moved, BAD)];
        let ends = ways
            .iter()
            .flat_map(|(_, pairs, _)| [pairs.faster.quantile(0.999), pairs.slower.quantile(0.999)]);
        let most = ends.flatten().max().map_or(1.0, |nanos| nanos as f64 / 1e6);
        let axis = Axis { most };
        shapes.push(text((20.0, top + 14.0), shortened(name, 26, '…'), 14.0, INK, Anchor::Left));
        let bottom = top + PANEL;
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let y = bottom - share * (PANEL - 20.0);
            shapes.push(line(vec![(LEFT, y), (RIGHT, y)], GRID, 1.0));
            shapes.push(text(
                (LEFT - 8.0, y),
                format!("{:.0}%", 100.0 * share),
                12.0,
                PALE_INK,
                Anchor::Right,
            ));
        }
        for tick in axis.ticks() {
            let x = axis.place(tick);
            shapes.push(line(vec![(x, top + 20.0), (x, bottom)], if tick == 0.0 { MARK } else { GRID }, 1.0));
            shapes.push(text((x, bottom + 14.0), words::difference(tick), 12.0, PALE_INK, Anchor::Middle));
        }
        let mut place = top + 40.0;
        for (way, pairs, colour) in ways.iter().filter(|(_, pairs, _)| pairs.served > 0) {
            shapes.push(Shape::Line {
                points: distribution(pairs, &axis, bottom),
                colour: *colour,
                opacity: 1.0,
                width: 2.0,
            });
            let counted = number::grouped(pairs.served as f64, 0);
            shapes.push(text((20.0, place), format!("{way}: {counted}"), 13.0, *colour, Anchor::Left));
            place += 18.0;
        }
        top = bottom + 46.0;
    }
    let subtitle = "share of the requests that both served whose latency changed by at most as much";
    picture(report, "how much slower or faster the same requests became", subtitle, top, shapes)
}

fn distribution(pairs: &Pairs, axis: &Axis, bottom: f64) -> Vec<(f64, f64)> {
    let point = |step: usize| {
        let share = (step as f64 + 0.5) / STEPS as f64;
        let millis = pairs.change_quantile(share)? as f64 / 1e6;
        Some((axis.place(millis), bottom - share * (PANEL - 20.0)))
    };
    (0..STEPS).filter_map(point).collect()
}

/// Milliseconds to both sides of zero, by their logarithm from a hundredth of the largest on.
struct Axis {
    most: f64,
}

impl Axis {
    fn place(&self, millis: f64) -> f64 {
        let least = self.most / 100.0;
        let size = libm::log10(1.0 + millis.abs().min(self.most) / least) / libm::log10(101.0);
        let middle = 0.5 * (LEFT + RIGHT);
        middle + millis.signum() * size * 0.5 * (RIGHT - LEFT)
    }

    fn ticks(&self) -> Vec<f64> {
        let top = libm::pow(10.0, libm::floor(libm::log10(self.most.max(1e-6))));
        vec![-top, -top / 10.0, 0.0, top / 10.0, top]
    }
}

const ROW: f64 = 22.0;

/// Each figure's change as a part of what it was, with its interval; those that changed surely are coloured. What came from
/// nothing is no part of it, and is named below.
pub fn figures(report: &Comparisons<'_>) -> Picture {
    let mut shapes = Vec::new();
    let mut top = TOP;
    for (name, candidate, _) in report.candidates() {
        let mut rows: Vec<(&Compared, f64, f64)> = candidate.figures.iter().filter_map(relative).collect();
        rows.sort_by(|left, right| right.1.abs().total_cmp(&left.1.abs()));
        rows.truncate(MOST);
        let most = rows.iter().map(|row| row.1.abs() + row.2).fold(0.01, f64::max);
        let place = |part: f64| 0.5 * (LEFT + RIGHT) + part / most * 0.5 * (RIGHT - LEFT);
        shapes.push(text((20.0, top), shortened(name, 60, '…'), 14.0, INK, Anchor::Left));
        let end = top + 12.0 + ROW * rows.len() as f64;
        for percent in axis::between(-100.0 * most, 100.0 * most, 6) {
            let x = place(percent / 100.0);
            let is_zero = percent.abs() < 1e-9;
            shapes.push(line(vec![(x, top + 12.0), (x, end)], if is_zero { MARK } else { GRID }, 1.0));
            let label = match is_zero {
                true => "0%".to_owned(),
                false => format!("{}%", words::signed(percent, usize::from(percent.fract().abs() > 1e-9))),
            };
            shapes.push(text((x, end + 12.0), label, 12.0, PALE_INK, Anchor::Middle));
        }
        for (number, (row, change, half)) in rows.iter().enumerate() {
            let y = top + 12.0 + ROW * (number as f64 + 0.5);
            let colour = match row.verdict {
                Verdict::Worse => BAD,
                Verdict::Better => GOOD,
                _ => MARK,
            };
            let title = shortened(&title(row), 28, '…');
            shapes.push(text((LEFT - 8.0, y), title, 12.0, INK, Anchor::Right));
            shapes.push(line(vec![(place(change - half), y), (place(change + half), y)], colour, 2.0));
            shapes.push(line(vec![(place(*change), y - 6.0), (place(*change), y + 6.0)], colour, 3.0));
        }
        top = end + 44.0;
        let fresh: Vec<String> = candidate.figures.iter().filter_map(from_nothing).collect();
        if !fresh.is_empty() {
            let told = shortened(&format!("from nothing: {}", fresh.join(", ")), 120, '…');
            shapes.push(text((20.0, end + 34.0), told, 12.0, INK, Anchor::Left));
            top += 22.0;
        }
    }
    let subtitle = "change as a part of the base's figure (of success: of its failures), 95 % interval; orange: worse, blue: better";
    picture(report, "figures that changed most", subtitle, top, shapes)
}

/// Success goes by its failures, as by the gate: from 99.9 to 98.9 % they are eleven times as many.
fn is_success(row: &Compared) -> bool {
    row.measure == Measure::Of(Figure::SuccessPct)
}

fn title(row: &Compared) -> String {
    let title = words::title(row);
    match title.strip_prefix("success") {
        Some(whom) if is_success(row) => format!("failures{whom}"),
        _ => title,
    }
}

/// What there was under the base.
fn reference(row: &Compared) -> Option<f64> {
    let value = row.reference.value?;
    Some(if is_success(row) { 100.0 - value } else { value })
}

fn is_drawn(row: &Compared) -> bool {
    row.subject.scope != Scope::Objective && row.verdict != Verdict::Same
}

fn relative(row: &Compared) -> Option<(&Compared, f64, f64)> {
    let reference = reference(row).filter(|value| *value > 0.0 && is_drawn(row))?;
    let change = if is_success(row) { -row.change.value? } else { row.change.value? };
    Some((row, change / reference, row.change.ci95? / reference))
}

/// `refused reviews v2 226`
fn from_nothing(row: &Compared) -> Option<String> {
    reference(row).filter(|value| *value <= 0.0 && is_drawn(row) && row.verdict.is_sure())?;
    let value = match is_success(row) {
        true => format!("{}%", number::percent(100.0 - row.value.value?)),
        false => words::value(row.measure, row.value),
    };
    Some(format!("{} {value}", title(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Estimate;
    use crate::study::compare::{Sense, Subject};

    fn row(measure: Measure, before: f64, after: f64) -> Compared {
        let subject =
            Subject { scope: Scope::Client, place: 0, target: "web".to_owned(), subset: String::new() };
        Compared {
            subject,
            measure,
            sense: Sense::LessIsBetter,
            reference: Estimate::exact(before),
            value: Estimate::exact(after),
            change: Estimate { value: Some(after - before), ci95: Some(0.1) },
            p_value: None,
            verdict: Verdict::Worse,
        }
    }

    #[test]
    fn success_is_drawn_by_its_failures_and_what_was_nothing_is_named() {
        let success = |before, after| row(Measure::Of(Figure::SuccessPct), before, after);
        let near = |row: &Compared, wanted: f64| {
            let (_, change, half) = relative(row).expect("drawn");
            assert!((change - wanted).abs() < 1e-9, "{change}");
            half
        };
        let half = near(&success(99.5, 98.5), 2.0);
        assert!((half - 0.2).abs() < 1e-9, "of the failures, too");
        assert_eq!(title(&success(99.5, 98.5)), "failures web");
        near(&row(Measure::Of(Figure::Latency(0.99)), 100.0, 110.0), 0.1);
        let fresh = row(Measure::Of(Figure::Overflow), 0.0, 226.0);
        assert!(relative(&fresh).is_none());
        assert_eq!(from_nothing(&fresh).as_deref(), Some("refused web 226"));
        assert_eq!(from_nothing(&success(100.0, 99.0)).as_deref(), Some("failures web 1.00%"));
        assert_eq!(from_nothing(&success(99.0, 98.0)), None);
    }
}
