//! Two charts of a comparison: how much slower or faster the same requests became, and every figure's relative change with
//! its interval.

mod differences;
mod figures;

pub use differences::differences;
pub use figures::figures;

use super::Comparisons;
use crate::report::plot::axis;
use crate::report::plot::ink::{GRID, INK, MARK, PALE_INK, line, text};
use crate::report::plot::shape::{Anchor, Picture, Shape};
use crate::report::terminal::shortened;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 900.0;
const MIDDLE: f64 = 0.5 * (LEFT + RIGHT);
const TOP: f64 = 76.0;

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

/// Changes to both sides of zero.
#[derive(Clone, Copy)]
enum Axis {
    Even {
        most: f64,
    },
    /// By their logarithm from a hundredth of the largest on: wide around zero, where most of them are.
    Wide {
        most: f64,
    },
}

impl Axis {
    /// Of changes that reach to `most`; wide where half of them are a twentieth of it or less.
    fn of(changes: &[f64], most: f64) -> Axis {
        let small = changes.iter().filter(|change| 20.0 * change.abs() <= most).count();
        if 2 * small >= changes.len() { Axis::Wide { most } } else { Axis::Even { most } }
    }

    fn place(self, change: f64) -> f64 {
        let half = 0.5 * (RIGHT - LEFT);
        match self {
            Axis::Even { most } => MIDDLE + change / most * half,
            Axis::Wide { most } => {
                let size = libm::log10(1.0 + 100.0 * change.abs().min(most) / most) / libm::log10(101.0);
                MIDDLE + size.copysign(change) * half
            }
        }
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Axis::Even { most } => axis::between(-most, most, 6),
            Axis::Wide { most } => {
                let top = libm::pow(10.0, libm::floor(libm::log10(most.max(1e-9))));
                let side = [top, top / 10.0, top / 100.0];
                // Nearer to zero their names would touch.
                let side = side.into_iter().filter(|tick| self.place(*tick) - MIDDLE > 50.0);
                let side: Vec<f64> = side.collect();
                let left = side.iter().map(|tick| -tick);
                left.chain([0.0]).chain(side.iter().rev().copied()).collect()
            }
        }
    }

    /// Lines from `top` to `bottom`, and what they stand for below them.
    fn draw(self, shapes: &mut Vec<Shape>, (top, bottom): (f64, f64), name: impl Fn(f64) -> String) {
        for tick in self.ticks() {
            let x = self.place(tick);
            let colour = if tick == 0.0 { MARK } else { GRID };
            shapes.push(line(vec![(x, top), (x, bottom)], colour, 1.0));
            shapes.push(text((x, bottom + 13.0), name(tick), 12.0, PALE_INK, Anchor::Middle));
        }
    }
}

/// `+10`, `0`, `-2.5` before a unit.
fn signed(value: f64, told: &str) -> String {
    let sign = if value > 0.0 {
        "+"
    } else if value < 0.0 {
        "-"
    } else {
        ""
    };
    format!("{sign}{told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_wide_around_zero_where_most_changes_are_small() {
        let wide = Axis::of(&[2.0, -0.01, 0.02], 2.5);
        assert!(matches!(wide, Axis::Wide { .. }));
        assert_eq!(wide.ticks(), [-1.0, -0.1, 0.0, 0.1, 1.0]);
        assert_eq!([wide.place(-2.5), wide.place(0.0), wide.place(2.5)], [LEFT, MIDDLE, RIGHT]);
        assert!(wide.place(0.025) - MIDDLE > 40.0, "a hundredth of the largest is seen");
        let even = Axis::of(&[2.0, -1.0, 0.01], 2.5);
        assert!((even.place(1.25) - 0.5 * (MIDDLE + RIGHT)).abs() < 1e-9);
        assert_eq!(even.ticks(), [-2.0, -1.0, 0.0, 1.0, 2.0]);
    }
}
