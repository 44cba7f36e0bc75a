//! A few rows of a bitmap: what is painted elsewhere of a picture leaves no trace, so that a large picture is painted in
//! the memory of one band.

use std::convert::Infallible;

use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind, rasterizer,
};

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// The rows from `top` on, as many as `pixels` has, of a picture of this size; three bytes a pixel.
pub struct Band<'a> {
    pub pixels: &'a mut [u8],
    pub size: (u32, u32),
    pub top: i32,
}

impl Band<'_> {
    fn rows(&self) -> i32 {
        (self.pixels.len() / (3 * self.size.0 as usize)) as i32
    }

    /// Paints over the pixels [from, to] of a row.
    fn row(&mut self, y: i32, from: i32, to: i32, colour: BackendColor) {
        let (from, to) = (from.max(0), to.min(self.size.0 as i32 - 1));
        if y < self.top || y >= self.top + self.rows() || from > to {
            return;
        }
        let start = (y - self.top) as usize * self.size.0 as usize;
        let places = (start + from as usize) * 3..(start + to as usize + 1) * 3;
        let (red, green, blue) = colour.rgb;
        let pixels = self.pixels[places].chunks_exact_mut(3);
        if colour.alpha >= 1.0 {
            // Most of a picture is: its ground, lines and text.
            return pixels.for_each(|pixel| pixel.copy_from_slice(&[red, green, blue]));
        }
        let keeps = 1.0 - colour.alpha;
        for pixel in pixels {
            for (value, over) in pixel.iter_mut().zip([red, green, blue]) {
                *value = (f64::from(*value) * keeps + f64::from(over) * colour.alpha + 0.5) as u8;
            }
        }
    }
}

impl DrawingBackend for Band<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        self.row(y, x, x, colour);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        let margin = style.stroke_width() as i32 + 1;
        let (highest, lowest) = (from.1.min(to.1) - margin, from.1.max(to.1) + margin);
        if lowest < self.top || highest >= self.top + self.rows() {
            return Ok(());
        }
        if from.1 == to.1 && style.stroke_width() == 1 {
            self.row(from.1, from.0.min(to.0), from.0.max(to.0), style.color());
            return Ok(());
        }
        rasterizer::draw_line(self, from, to, style)
    }
}
