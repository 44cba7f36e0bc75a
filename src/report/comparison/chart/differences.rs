//! How much slower or faster the same requests became.

use super::super::{Comparisons, words};
use super::{Axis, LEFT, MIDDLE, RIGHT, TOP, picture, signed};
use crate::metrics::Histogram;
use crate::report::number;
use crate::report::plot::axis::Unit;
use crate::report::plot::ink::{BAD, GOOD, GRID, INK, PALE_INK, line, text};
use crate::report::plot::shape::{Anchor, Picture, Shape};
use crate::report::terminal::shortened;
use crate::study::compare::Pairs;

const PANEL: f64 = 200.0;
/// Requests that a share is drawn of, at the least: fewer are chance.
const FEWEST: u64 = 10;

/// For each candidate, which share of the requests that both served became faster, and which slower, by at least as much:
/// both tails of the distribution, folded at zero. By their logarithm, as most changes leave most requests alone.
pub fn differences(report: &Comparisons<'_>) -> Picture {
    let mut shapes = Vec::new();
    let mut top = TOP;
    for (name, candidate, _) in report.candidates() {
        let all = &candidate.pairs[0].tally;
        let ways = [("same way", &all.stayed, GOOD), ("another way", &all.moved, BAD)];
        let ways: Vec<_> = ways.into_iter().filter(|(_, pairs, _)| pairs.served > 0).collect();
        shapes.push(text((20.0, top + 14.0), shortened(name, 26, '…'), 14.0, INK, Anchor::Left));
        let heights = Heights::of(ways.iter().map(|way| way.1), (top + 20.0, top + 20.0 + PANEL));
        heights.draw(&mut shapes);
        let tails: Vec<_> = ways
            .iter()
            .flat_map(|(_, pairs, colour)| {
                [(&pairs.faster, -1.0), (&pairs.slower, 1.0)].map(|(side, sign)| {
                    (tail(side, heights.fewest(pairs.served)), sign, pairs.served, *colour)
                })
            })
            .collect();
        let ends = tails.iter().filter_map(|(tail, ..)| Some(tail.first()?.0));
        let axis = Axis::Wide { most: ends.fold(1e-3, f64::max) };
        axis.draw(&mut shapes, (heights.top, heights.bottom), |tick| {
            signed(tick, &Unit::Millis.label(tick.abs(), tick.abs()))
        });
        for (tail, sign, served, colour) in tails {
            let point = |(millis, beyond): &(f64, u64)| {
                (axis.place(sign * millis), heights.at(*beyond as f64 / served as f64))
            };
            let mut points: Vec<(f64, f64)> = tail.iter().map(point).collect();
            // Down to the smallest change, and from there straight to nothing.
            points.extend(points.last().map(|point| (MIDDLE, point.1)));
            shapes.push(line(points, colour, 2.0));
        }
        let mut place = top + 40.0;
        for (way, pairs, colour) in &ways {
            for told in legend(way, pairs) {
                shapes.push(text((20.0, place), told, 13.0, *colour, Anchor::Left));
                place += 18.0;
            }
            place += 6.0;
        }
        top = heights.bottom + 46.0;
    }
    let subtitle = "share of the requests that both served which became faster (left) or slower (right) by at least as much";
    picture(report, "how much slower or faster the same requests became", subtitle, top, shapes)
}

/// `same way: 1 091 272`, and how many of them did not change.
fn legend(way: &str, pairs: &Pairs) -> [String; 2] {
    [
        format!("{way}: {}", number::grouped(pairs.served as f64, 0)),
        format!("{} exactly as fast", words::share(pairs.equal, pairs.served)),
    ]
}

/// How many changed to this side by at least as much (milliseconds), from the largest change on that enough had.
fn tail(side: &Histogram, fewest: u64) -> Vec<(f64, u64)> {
    let cells: Vec<(u64, u64, u64)> = side.cells().collect();
    let sums = cells.into_iter().rev().scan(0, |sum, (low, _, count)| {
        *sum += count;
        Some((low as f64 / 1e6, *sum))
    });
    sums.filter(|(_, beyond)| *beyond >= fewest).collect()
}

/// Shares from 100 % down to a power of ten.
#[derive(Clone, Copy)]
struct Heights {
    top: f64,
    bottom: f64,
    decades: i32,
}

impl Heights {
    /// Down to where enough requests are left of the most numerous way, and to 1 % in any case.
    fn of<'a>(pairs: impl Iterator<Item = &'a Pairs>, (top, bottom): (f64, f64)) -> Heights {
        let most = pairs.map(|pairs| pairs.served).max().unwrap_or(0).max(1);
        let decades = libm::floor(libm::log10(most as f64 / FEWEST as f64)) as i32;
        Heights { top, bottom, decades: decades.clamp(2, 6) }
    }

    /// Of so many, those whose share is drawn, at the least.
    fn fewest(self, served: u64) -> u64 {
        FEWEST.max(served.div_ceil(10u64.pow(self.decades.unsigned_abs())))
    }

    fn at(self, share: f64) -> f64 {
        let down = (-libm::log10(share) / f64::from(self.decades)).clamp(0.0, 1.0);
        self.top + down * (self.bottom - self.top)
    }

    fn draw(self, shapes: &mut Vec<Shape>) {
        for decade in 0..=self.decades {
            let share = libm::pow(10.0, f64::from(-decade));
            let y = self.at(share);
            shapes.push(line(vec![(LEFT, y), (RIGHT, y)], GRID, 1.0));
            let label = format!("{}%", number::fixed(100.0 * share, 4));
            shapes.push(text((LEFT - 8.0, y), label, 12.0, PALE_INK, Anchor::Right));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_of_all_that_both_served() {
        let mut pairs = Pairs { served: 1000, equal: 900, ..Pairs::default() };
        (0..90).for_each(|_| pairs.slower.record(1_000_000));
        (0..10).for_each(|_| pairs.slower.record(10_000_000));
        let heights = Heights::of([&pairs].into_iter(), (0.0, 100.0));
        assert_eq!((heights.decades, heights.fewest(1000), heights.fewest(1001)), (2, 10, 11));
        assert!((heights.at(0.01) - 100.0).abs() < 1e-9 && (heights.at(0.1) - 50.0).abs() < 1e-9);
        let tails = [10, 11].map(|fewest| {
            let tail = tail(&pairs.slower, fewest);
            tail.iter().map(|(millis, beyond)| (millis.round(), *beyond)).collect::<Vec<_>>()
        });
        assert_eq!(tails, [vec![(10.0, 10), (1.0, 100)], vec![(1.0, 100)]]);
        assert!(tail(&pairs.faster, 1).is_empty());
        assert_eq!(legend("same way", &pairs), ["same way: 1 000", "90% exactly as fast"]);
    }
}
