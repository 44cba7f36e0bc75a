//! Shapes and how they are painted. The font is our own, so that a picture is the same on every machine and needs no
//! font installed. Both kinds are drawn on a grid finer than a pixel, as the library rounds to whole ones: SVG states
//! it as its view box, PNG is averaged down, which smooths the lines.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::band::Band;

const FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans-subset.ttf");
/// Grid lines per pixel.
const FINE: u32 = 3;

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Left,
    Middle,
    Right,
}

/// Places are in pixels from the upper left corner.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Line {
        points: Vec<(f64, f64)>,
        colour: Colour,
        opacity: f64,
        width: f64,
    },
    Area {
        points: Vec<(f64, f64)>,
        colour: Colour,
        opacity: f64,
    },
    /// `at` is the middle of its height.
    Text {
        at: (f64, f64),
        text: String,
        size: f64,
        colour: Colour,
        anchor: Anchor,
    },
}

/// What is written, in the order of the shapes.
#[cfg(test)]
pub fn texts(shapes: &[Shape]) -> Vec<&str> {
    shapes
        .iter()
        .filter_map(|shape| if let Shape::Text { text, .. } = shape { Some(text.as_str()) } else { None })
        .collect()
}

/// Shapes, later ones above earlier ones, on white.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// Told to readers who do not see it.
    pub title: String,
    pub shapes: Vec<Shape>,
}

/// The drawing library has failed.
#[derive(Debug)]
pub struct DrawError(String);

impl fmt::Display for DrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot draw: {}", self.0)
    }
}

impl Error for DrawError {}

fn failed(error: impl fmt::Display) -> DrawError {
    DrawError(error.to_string())
}

/// The picture as an SVG document.
pub fn svg(picture: &Picture) -> Result<String, DrawError> {
    let Picture { width, height, .. } = *picture;
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, (width * FINE, height * FINE)).into_drawing_area();
    paint(picture, area)?;
    let fine = format!("width=\"{}\" height=\"{}\"", width * FINE, height * FINE);
    let own = format!("width=\"{width}\" height=\"{height}\" role=\"img\"");
    let text = text.replacen(&fine, &own, 1);
    let title = picture.title.replace('&', "&amp;").replace('<', "&lt;");
    Ok(text.replacen(">\n", &format!(">\n<title>{title}</title>\n"), 1))
}

/// Pixel rows that are painted at once: the fine grid of a whole picture would be the most memory that a run takes.
const BAND: u32 = 160;

/// The picture as a PNG file.
pub fn png(picture: &Picture) -> Result<Vec<u8>, DrawError> {
    let Picture { width, height, .. } = *picture;
    let mut pixels = Vec::with_capacity((width * height * 3) as usize);
    for top in (0..height).step_by(BAND as usize) {
        let rows = BAND.min(height - top);
        let mut fine = vec![255; (width * rows * FINE * FINE * 3) as usize];
        let size = (width * FINE, height * FINE);
        let band = Band { pixels: &mut fine, size, top: (top * FINE) as i32 };
        paint(picture, band.into_drawing_area())?;
        average(&fine, width as usize, &mut pixels);
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Each pixel is the mean of its part of the fine grid.
fn average(fine: &[u8], width: usize, pixels: &mut Vec<u8>) {
    const SIDE: usize = FINE as usize;
    const AREA: u32 = FINE * FINE;
    let mut sums = vec![[0u32; 3]; width];
    for lines in fine.chunks_exact(width * SIDE * SIDE * 3) {
        sums.fill([0; 3]);
        for line in lines.chunks_exact(width * SIDE * 3) {
            for (sum, part) in sums.iter_mut().zip(line.chunks_exact(SIDE * 3)) {
                for dot in part.chunks_exact(3) {
                    sum.iter_mut().zip(dot).for_each(|(sum, value)| *sum += u32::from(*value));
                }
            }
        }
        pixels.extend(sums.iter().flatten().map(|sum| ((sum + AREA / 2) / AREA) as u8));
    }
}

fn fonts() -> Result<(), DrawError> {
    static READY: OnceLock<bool> = OnceLock::new();
    let ready = READY.get_or_init(|| register_font("sans-serif", FontStyle::Normal, FONT).is_ok());
    if *ready { Ok(()) } else { Err(DrawError("the built-in font is no font".to_owned())) }
}

fn paint<B: DrawingBackend>(picture: &Picture, area: DrawingArea<B, Shift>) -> Result<(), DrawError> {
    fonts()?;
    area.fill(&WHITE).map_err(failed)?;
    for shape in &picture.shapes {
        match shape {
            Shape::Line { points, colour, opacity, width } => {
                let width = (width * f64::from(FINE)).round().max(1.0) as u32;
                let style = rgb(*colour).mix(*opacity).stroke_width(width);
                area.draw(&PathElement::new(fine_points(points), style)).map_err(failed)?;
            }
            Shape::Area { points, colour, opacity } => {
                let style = rgb(*colour).mix(*opacity).filled();
                area.draw(&Polygon::new(fine_points(points), style)).map_err(failed)?;
            }
            Shape::Text { at, text, size, colour, anchor } => {
                let horizontal = match anchor {
                    Anchor::Left => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::Right => HPos::Right,
                };
                let colour = rgb(*colour);
                let style = TextStyle::from(("sans-serif", size * f64::from(FINE)).into_font())
                    .color(&colour)
                    .pos(Pos::new(horizontal, VPos::Center));
                area.draw(&Text::new(text.as_str(), fine_point(*at), style)).map_err(failed)?;
            }
        }
    }
    area.present().map_err(failed)
}

fn rgb(Colour(red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

fn fine_point((x, y): (f64, f64)) -> (i32, i32) {
    ((x * f64::from(FINE)).round() as i32, (y * f64::from(FINE)).round() as i32)
}

fn fine_points(points: &[(f64, f64)]) -> Vec<(i32, i32)> {
    points.iter().map(|point| fine_point(*point)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let black = Colour(0, 0, 0);
        let corners = vec![(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)];
        let text = Shape::Text {
            at: (20.0, 10.0),
            text: "p99 ≥ 1 <b>".to_owned(),
            size: 12.0,
            colour: black,
            anchor: Anchor::Left,
        };
        let shapes = vec![Shape::Area { points: corners, colour: black, opacity: 1.0 }, text];
        Picture { width: 60, height: 20, title: "a < b".to_owned(), shapes }
    }

    #[test]
    fn svg_is_fine_inside_and_in_pixels_outside() {
        let svg = svg(&picture()).expect("drawn");
        assert!(
            svg.starts_with("<svg width=\"60\" height=\"20\" role=\"img\" viewBox=\"0 0 180 60\""),
            "{svg}"
        );
        assert!(svg.contains("<title>a &lt; b</title>") && svg.contains("p99 ≥ 1 &lt;b&gt;"), "{svg}");
    }

    #[test]
    fn bands_of_a_png_fit_together() {
        let bar = vec![(1.0, 20.0), (3.0, 20.0), (3.0, 380.0), (1.0, 380.0)];
        let shapes = vec![Shape::Area { points: bar, colour: Colour(0, 0, 0), opacity: 1.0 }];
        let bytes = png(&Picture { width: 4, height: 400, title: String::new(), shapes }).expect("drawn");
        let mut reader = png::Decoder::new(&bytes[..]).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).expect("a frame");
        let dark: Vec<usize> = (0..400).filter(|row| pixels[row * 12 + 4] < 128).collect();
        assert_eq!((dark.len(), dark[0], *dark.last().expect("some")), (360, 20, 379));
    }

    #[test]
    fn png_is_the_same_twice_and_dark_where_painted() {
        let bytes = png(&picture()).expect("drawn");
        assert_eq!(bytes, png(&picture()).expect("drawn"));
        let mut reader = png::Decoder::new(&bytes[..]).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).expect("a frame");
        assert!(pixels[0] < 20 && pixels[3 * 10] == 255);
        assert!(pixels.iter().filter(|value| **value < 100).count() > 50, "the text is there");
    }
}
