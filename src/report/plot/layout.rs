//! Where the parts of a chart go: title, panels one below the other over one axis of time, marks through all of
//! them, and the name of each line beside its end, where it covers nothing.

use super::super::number;
use super::super::terminal::shortened;
use super::axis::{self, Scale, Unit};
use super::ink::{GRID, INK, MARK, PALE_INK, SHADE, line, text};
use super::shape::{Anchor, Colour, Picture, Shape};

/// What is to be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    pub title: String,
    pub subtitle: String,
    pub panels: Vec<Panel>,
    /// Moments (seconds) that explain what comes after them.
    pub marks: Vec<(f64, String)>,
    /// Seconds.
    pub end_s: f64,
    /// Before it nothing counts; 0 for none.
    pub warmup_s: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    pub title: String,
    pub unit: Unit,
    pub range: Range,
    pub lines: Vec<Line>,
    /// What stands there if there is no line.
    pub empty: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    FromZero,
    /// Shares that are mostly near 100 %.
    ToHundred,
    /// Shares from 0 to 100 %.
    Whole,
}

/// One value a slice of time; a gap where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Empty for a line that accompanies another.
    pub label: String,
    pub colour: Colour,
    pub points: Vec<Point>,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Slice of time, seconds.
    pub from_s: f64,
    pub to_s: f64,
    /// With [`Style::Band`] the area reaches from here to `value`.
    pub low: Option<f64>,
    pub value: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// A tinted area between `low` and the line.
    Band,
    /// Broad and pale, in steps: what was asked for, below what happened.
    Intended,
}

pub(super) const WIDTH: f64 = 960.0;
const LEFT: f64 = 66.0;
/// Least and most room for names on the right.
const RIGHT: (f64, f64) = (40.0, 250.0);
const PANEL: f64 = 132.0;
/// A panel that has nothing to show.
const EMPTY_PANEL: f64 = 34.0;
const PANEL_TITLE: f64 = 26.0;
/// Height of a row of marks' labels, and their size.
const FLAG: f64 = 16.0;
const FLAG_TEXT: f64 = 12.0;
/// Size of the names of lines.
const LABEL: f64 = 13.0;
/// Share of its size that a letter is wide, on average; generous.
const LETTER: f64 = 0.54;

/// The axis of time that all panels share.
#[derive(Clone, Copy)]
struct Time {
    end_s: f64,
    right: f64,
}

impl Time {
    fn of(chart: &Chart) -> Time {
        let labels =
            chart.panels.iter().flat_map(|panel| &panel.lines).map(|line| line.label.chars().count());
        let room = 36.0 + text_width(labels.max().unwrap_or(0), LABEL);
        let end_s = if chart.end_s > 0.0 { chart.end_s } else { 1.0 };
        Time { end_s, right: WIDTH - room.clamp(RIGHT.0, RIGHT.1) }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (self.right - LEFT) * (seconds / self.end_s).clamp(0.0, 1.0)
    }
}

/// Places of one panel.
struct Frame {
    top: f64,
    bottom: f64,
    time: Time,
    scale: Scale,
}

impl Frame {
    fn x(&self, seconds: f64) -> f64 {
        self.time.x(seconds)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.scale.low) / (self.scale.high - self.scale.low);
        self.bottom - (self.bottom - self.top) * share.clamp(0.0, 1.0)
    }
}

/// Lays the chart out.
pub fn picture(chart: &Chart) -> Picture {
    let mut shapes = vec![
        text((24.0, 26.0), fitting(&chart.title, 21.0), 21.0, INK, Anchor::Left),
        text((24.0, 50.0), fitting(&chart.subtitle, 14.0), 14.0, PALE_INK, Anchor::Left),
    ];
    let time = Time::of(chart);
    let flags = flags(&chart.marks, time);
    let flag_rows = flags.iter().filter_map(|flag| flag.row).max().map_or(0, |row| row + 1);
    let mut top = 68.0;
    let mut bottom = top;
    for (index, panel) in chart.panels.iter().enumerate() {
        let is_first = index == 0;
        let title = top + 14.0;
        // The labels of marks stand between the first panel and its title.
        let frame_top = top + PANEL_TITLE + if is_first { flag_rows as f64 * FLAG } else { 0.0 };
        let height = if panel.lines.is_empty() { EMPTY_PANEL } else { PANEL };
        let frame = Frame { top: frame_top, bottom: frame_top + height, time, scale: scale(panel) };
        draw_ground(&mut shapes, chart, &frame, is_first);
        draw_panel(&mut shapes, panel, &frame, title);
        draw_marks(&mut shapes, &flags, &frame, is_first.then_some(flag_rows));
        (top, bottom) = (frame.bottom + 14.0, frame.bottom);
    }
    draw_time(&mut shapes, time, bottom);
    Picture {
        width: WIDTH as u32,
        height: (bottom + 46.0) as u32,
        title: format!("{}: {}", chart.title, chart.subtitle),
        shapes,
    }
}

/// As much of a headline as the picture has room for.
pub(super) fn fitting(headline: &str, size: f64) -> String {
    const MARGINS: f64 = 48.0;
    // A long line has spaces and narrow letters enough to come out below the mean of a label.
    const OF_PROSE: f64 = 0.5;
    shortened(headline, ((WIDTH - MARGINS) / (size * OF_PROSE)) as usize, '…')
}

pub(super) fn text_width(letters: usize, size: f64) -> f64 {
    letters as f64 * size * LETTER
}

fn scale(panel: &Panel) -> Scale {
    let values = || panel.lines.iter().flat_map(|line| line.points.iter().filter_map(|point| point.value));
    match panel.range {
        Range::FromZero => {
            let most = values().fold(0.0, f64::max);
            // Half a host is no mark.
            axis::from_zero(
                most,
                if panel.unit == Unit::Count && most <= 3.0 { most.ceil().max(1.0) as usize } else { 3 },
            )
        }
        Range::ToHundred => axis::to_hundred(values().fold(100.0, f64::min), 3),
        Range::Whole => axis::from_zero(100.0, 4),
    }
}

/// Grid, warm-up and the numbers beside it.
fn draw_ground(shapes: &mut Vec<Shape>, chart: &Chart, frame: &Frame, is_first: bool) {
    let left = frame.x(0.0);
    let edge = frame.x(chart.warmup_s);
    if chart.warmup_s > 0.0 {
        let points = vec![(left, frame.top), (edge, frame.top), (edge, frame.bottom), (left, frame.bottom)];
        shapes.push(Shape::Area { points, colour: SHADE, opacity: 1.0 });
    }
    for moment in axis::moments(0.0, frame.time.end_s, 10) {
        shapes.push(line(vec![(frame.x(moment), frame.top), (frame.x(moment), frame.bottom)], GRID, 0.6));
    }
    if is_first && edge - left >= 20.0 && !chart.panels[0].lines.is_empty() {
        // Where lines are rare: under the top, or for shares, and what is full, between the middle and the top.
        let points = chart.panels[0].lines.iter().flat_map(|line| &line.points);
        let mut early = points.filter(|point| point.from_s < chart.warmup_s).filter_map(|point| point.value);
        let down = match chart.panels[0].range {
            Range::FromZero if !early.any(|value| frame.y(value) < frame.top + 18.0) => 9.0,
            _ => PANEL * 0.38,
        };
        shapes.push(text((left + 3.0, frame.top + down), "warm-up", 11.0, MARK, Anchor::Left));
    }
}

fn draw_panel(shapes: &mut Vec<Shape>, panel: &Panel, frame: &Frame, title_y: f64) {
    let (left, right) = (frame.x(0.0), frame.time.right);
    shapes.push(text((left, title_y), &panel.title, 14.5, INK, Anchor::Left));
    if panel.lines.is_empty() {
        let ends = vec![(left, frame.bottom), (right, frame.bottom)];
        shapes.push(line(ends, MARK, 1.0));
        let middle = ((left + right) / 2.0, (frame.top + frame.bottom) / 2.0);
        shapes.push(text(middle, panel.empty, 14.0, PALE_INK, Anchor::Middle));
        return;
    }
    for tick in &frame.scale.ticks {
        let y = frame.y(*tick);
        let is_base = *tick == frame.scale.low;
        shapes.push(line(vec![(left, y), (right, y)], if is_base { MARK } else { GRID }, 1.0));
        let label = panel.unit.label(*tick, frame.scale.high);
        shapes.push(text((left - 7.0, y), &label, 12.5, PALE_INK, Anchor::Right));
    }
    for one in &panel.lines {
        draw_line(shapes, one, frame);
    }
    draw_labels(shapes, &panel.lines, frame);
}

/// Each stretch without a gap is one stroke; a single slice is as wide as it is long.
fn draw_line(shapes: &mut Vec<Shape>, one: &Line, frame: &Frame) {
    for stretch in one.points.split(|point| point.value.is_none()).filter(|stretch| !stretch.is_empty()) {
        let steps = stretch.len() == 1 || one.style == Style::Intended;
        let mut upper = Vec::new();
        let mut lower = Vec::new();
        for point in stretch {
            let y = frame.y(point.value.unwrap_or(0.0));
            let low = frame.y(point.low.or(point.value).unwrap_or(0.0));
            let at =
                if steps { vec![point.from_s, point.to_s] } else { vec![(point.from_s + point.to_s) / 2.0] };
            for seconds in at {
                upper.push((frame.x(seconds), y));
                lower.push((frame.x(seconds), low));
            }
        }
        let (width, opacity) = match one.style {
            Style::Plain => (1.7, 1.0),
            Style::Band => (1.5, 1.0),
            Style::Intended => (6.0, 0.22),
        };
        if one.style == Style::Band {
            let outline = upper.iter().copied().chain(lower.iter().rev().copied()).collect();
            shapes.push(Shape::Area { points: outline, colour: one.colour, opacity: 0.16 });
            shapes.push(Shape::Line { points: lower, colour: one.colour, opacity: 0.55, width: 1.0 });
        }
        shapes.push(Shape::Line { points: upper, colour: one.colour, opacity, width });
    }
}

/// Names beside the last value of each line, pushed apart where they would touch.
fn draw_labels(shapes: &mut Vec<Shape>, lines: &[Line], frame: &Frame) {
    const APART: f64 = 17.0;
    let named = lines.iter().filter(|line| !line.label.is_empty());
    let mut places: Vec<(f64, &Line)> = named
        .filter_map(|line| {
            let last = line.points.iter().rev().find_map(|point| point.value)?;
            Some((frame.y(last), line))
        })
        .collect();
    places.sort_by(|left, right| left.0.total_cmp(&right.0));
    let heights: Vec<f64> = places.iter().map(|place| place.0).collect();
    let heights = apart(&heights, APART, frame.top + 4.0, frame.bottom - 4.0);
    let x = frame.time.right;
    let room = ((WIDTH - x - 30.0) / (LABEL * LETTER)) as usize;
    for ((wanted, one), y) in places.iter().zip(heights) {
        shapes.push(line(vec![(x + 3.0, *wanted), (x + 8.0, y), (x + 18.0, y)], one.colour, 2.0));
        shapes.push(text((x + 23.0, y), shortened(&one.label, room, '…'), LABEL, one.colour, Anchor::Left));
    }
}

/// Sorted heights, moved as little as it takes to be `gap` apart and inside the panel.
fn apart(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut heights = wanted.to_vec();
    let mut least = top;
    for height in &mut heights {
        *height = height.max(least);
        least = *height + gap;
    }
    let mut most = bottom;
    for height in heights.iter_mut().rev() {
        *height = height.min(most);
        most = *height - gap;
    }
    heights
}

/// Where a mark and its label stand.
#[derive(Clone, Debug, PartialEq)]
struct Flag {
    x: f64,
    label: String,
    /// Counted from the top; `None` where there is no room: the mark stands without its label.
    row: Option<usize>,
    /// The label stands left of its mark, as the right has no room.
    is_left: bool,
}

fn flags(marks: &[(f64, String)], time: Time) -> Vec<Flag> {
    const ROWS: usize = 4;
    const LETTERS: usize = 30;
    let mut ends = [f64::MIN; ROWS];
    let place = |(seconds, label): &(f64, String)| {
        let x = time.x(*seconds);
        let label = shortened(label, LETTERS, '…');
        let width = text_width(label.chars().count(), FLAG_TEXT) + 8.0;
        let is_left = x + width > WIDTH;
        let (from, to) = if is_left { (x - width, x) } else { (x, x + width) };
        // Not where its dashes would cut through a label below.
        let row = (0..ROWS).find(|row| ends[*row..].iter().all(|end| *end <= from));
        if let Some(row) = row {
            ends[row] = to;
        }
        Flag { x, label, row, is_left }
    };
    marks.iter().map(place).collect()
}

/// `rows`: how many rows of labels stand above the panel.
fn draw_marks(shapes: &mut Vec<Shape>, flags: &[Flag], frame: &Frame, rows: Option<usize>) {
    const DASH: f64 = 5.0;
    for (index, flag) in flags.iter().enumerate() {
        let mut y = frame.top;
        if let (Some(rows), Some(row)) = (rows, flag.row) {
            let middle = frame.top - FLAG * ((rows - row) as f64 - 0.5);
            let (x, anchor) =
                if flag.is_left { (flag.x - 4.0, Anchor::Right) } else { (flag.x + 4.0, Anchor::Left) };
            shapes.push(text((x, middle), &flag.label, FLAG_TEXT, PALE_INK, anchor));
            y = middle - FLAG / 2.0 + 2.0;
        }
        // Dashes of one moment would fill each other's gaps.
        if flags[..index].iter().any(|earlier| earlier.x == flag.x) {
            continue;
        }
        while y < frame.bottom {
            shapes.push(line(vec![(flag.x, y), (flag.x, (y + DASH).min(frame.bottom))], MARK, 1.0));
            y += DASH * 2.0;
        }
    }
}

fn draw_time(shapes: &mut Vec<Shape>, time: Time, bottom: f64) {
    for moment in axis::moments(0.0, time.end_s, 10) {
        let x = time.x(moment);
        shapes.push(line(vec![(x, bottom), (x, bottom + 4.0)], MARK, 1.0));
        shapes.push(text((x, bottom + 14.0), number::moment(moment), 12.5, PALE_INK, Anchor::Middle));
    }
    let middle = (LEFT + time.right) / 2.0;
    shapes.push(text((middle, bottom + 33.0), "simulated time", 12.0, PALE_INK, Anchor::Middle));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_inside() {
        assert_eq!(apart(&[10.0, 50.0], 15.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(apart(&[50.0, 51.0], 15.0, 0.0, 100.0), [50.0, 65.0]);
        assert_eq!(apart(&[99.0, 100.0], 15.0, 0.0, 100.0), [85.0, 100.0]);
    }

    #[test]
    fn marks_close_together_take_rows_while_there_are_any() {
        let time = Time { end_s: 100.0, right: 800.0 };
        let marks = [0.0, 1.0, 2.0, 3.0, 4.0, 90.0].map(|at| (at, "canary-10".to_owned()));
        let rows = flags(&marks, time).into_iter().map(|flag| flag.row);
        assert_eq!(rows.collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3), None, Some(0)]);
    }

    #[test]
    fn marks_of_one_moment_are_one_line() {
        let scale = axis::from_zero(1.0, 1);
        let frame = Frame { top: 50.0, bottom: 150.0, time: Time { end_s: 100.0, right: 800.0 }, scale };
        let strokes = |moments: &[f64]| {
            let marks: Vec<_> = moments.iter().map(|at| (*at, "crash".to_owned())).collect();
            let mut shapes = Vec::new();
            draw_marks(&mut shapes, &flags(&marks, frame.time), &frame, Some(2));
            shapes.iter().filter(|shape| matches!(shape, Shape::Line { .. })).count()
        };
        assert_eq!(strokes(&[10.0, 10.0]), strokes(&[10.0]));
        assert!(strokes(&[10.0, 20.0]) > strokes(&[10.0]));
    }

    #[test]
    fn labels_at_the_right_edge_turn_left() {
        let time = Time { end_s: 100.0, right: 900.0 };
        let turned = |at| flags(&[(at, "VirtualService/reviews".to_owned())], time)[0].is_left;
        assert!(turned(99.0) && !turned(50.0));
    }
}
