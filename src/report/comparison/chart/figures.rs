//! Every figure's relative change with its interval.

use super::super::{Comparisons, words};
use super::{Axis, LEFT, TOP, picture, signed};
use crate::mesh::model::Figure;
use crate::report::number;
use crate::report::plot::ink::{BAD, GOOD, INK, MARK, line, text};
use crate::report::plot::shape::{Anchor, Picture};
use crate::report::terminal::shortened;
use crate::study::compare::{Compared, Measure, Scope, Verdict};

/// Rows of a chart.
const MOST: usize = 24;
/// Height of one.
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
        let changes: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let axis = Axis::of(&changes, rows.iter().map(|row| row.1.abs() + row.2).fold(0.01, f64::max));
        shapes.push(text((20.0, top), shortened(name, 60, '…'), 14.0, INK, Anchor::Left));
        let end = top + 12.0 + ROW * rows.len() as f64;
        axis.draw(&mut shapes, (top + 12.0, end), |tick| {
            let percent = 100.0 * tick;
            format!("{}%", signed(percent, &number::fixed(percent.abs(), 3)))
        });
        for (number, (row, change, half)) in rows.iter().enumerate() {
            let y = top + 12.0 + ROW * (number as f64 + 0.5);
            let colour = match row.verdict {
                Verdict::Worse => BAD,
                Verdict::Better => GOOD,
                _ => MARK,
            };
            let title = shortened(&title(row), 28, '…');
            shapes.push(text((LEFT - 8.0, y), title, 12.0, INK, Anchor::Right));
            shapes.push(line(
                vec![(axis.place(change - half), y), (axis.place(change + half), y)],
                colour,
                2.0,
            ));
            shapes.push(line(
                vec![(axis.place(*change), y - 6.0), (axis.place(*change), y + 6.0)],
                colour,
                3.0,
            ));
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
