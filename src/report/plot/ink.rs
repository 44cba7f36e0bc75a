//! What all charts are drawn with. Blue is good and orange is bad, which the colour-blind tell apart. Source: ux 7.

use super::shape::{Anchor, Colour, Shape};

pub const WHITE: Colour = Colour(0xff, 0xff, 0xff);
pub const INK: Colour = Colour(0x22, 0x22, 0x22);
pub const PALE_INK: Colour = Colour(0x66, 0x66, 0x66);
pub const GRID: Colour = Colour(0xe3, 0xe3, 0xe3);
pub const SHADE: Colour = Colour(0xf1, 0xf1, 0xf1);
pub const MARK: Colour = Colour(0x88, 0x88, 0x88);
/// An objective that is met; a figure that became better.
pub const GOOD: Colour = Colour(0x00, 0x72, 0xb2);
/// An objective that is missed, and its limit; a figure that became worse.
pub const BAD: Colour = Colour(0xd5, 0x5e, 0x00);
/// What was looked for.
pub const ANSWER: Colour = Colour(0x00, 0x9e, 0x73);

pub fn text(at: (f64, f64), text: impl Into<String>, size: f64, colour: Colour, anchor: Anchor) -> Shape {
    Shape::Text { at, text: text.into(), size, colour, anchor }
}

pub fn line(points: Vec<(f64, f64)>, colour: Colour, width: f64) -> Shape {
    Shape::Line { points, colour, opacity: 1.0, width }
}
