//! Charts as SVG and PNG. A chart is made in three steps, each plain data for the next: what is to be seen
//! (`charts`), where it goes (`layout`), and paint (`shape`, the only file that knows the drawing library).

pub mod axis;
mod band;
pub mod charts;
pub mod data;
mod heading;
pub mod ink;
pub mod layout;
pub mod shape;
pub mod sweep;
mod tornado;

pub use layout::Chart;
pub use shape::DrawError;

use super::{File, Report};

/// A chart of a run.
pub struct Entry {
    /// File name below `plots/`, without ending.
    pub name: &'static str,
    pub make: fn(&Report<'_>) -> Chart,
}

/// Every chart of a run.
pub const PLOTS: &[Entry] = &[
    Entry { name: "overview", make: charts::overview },
    Entry { name: "split", make: charts::split },
    Entry { name: "latency", make: charts::latency },
    Entry { name: "errors", make: charts::errors },
    Entry { name: "pools", make: charts::pools },
];

/// Draws `plots/<name>.svg` and `plots/<name>.png` of one chart.
pub fn draw(name: &str, chart: &Chart) -> Result<[File; 2], DrawError> {
    draw_picture(name, &layout::picture(chart))
}

/// The same of a picture that is laid out.
pub fn draw_picture(name: &str, picture: &shape::Picture) -> Result<[File; 2], DrawError> {
    Ok([
        File { path: format!("plots/{name}.svg"), bytes: shape::svg(picture)?.into_bytes() },
        File { path: format!("plots/{name}.png"), bytes: shape::png(picture)? },
    ])
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Held;
    use super::*;

    /// Writes the pictures to the folder that MESHCAST_PLOTS names, for a person to look at.
    fn draw_all(held: &Held, name: &str) {
        for entry in PLOTS {
            for file in draw(entry.name, &(entry.make)(&held.report())).expect("drawn") {
                assert!(!file.bytes.is_empty());
                if let Some(folder) = std::env::var_os("MESHCAST_PLOTS") {
                    let path = std::path::Path::new(&folder).join(name).join(&file.path);
                    std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
                    std::fs::write(path, &file.bytes).expect("writable");
                }
            }
        }
    }

    #[test]
    fn every_chart_of_a_canary_is_drawn() {
        draw_all(&Held::canary(), "canary");
    }

    #[test]
    fn every_chart_of_a_crowded_mesh_is_drawn() {
        draw_all(&Held::crowd(), "crowd");
    }

    #[test]
    fn charts_can_be_drawn_of_little_and_of_nothing() {
        draw_all(&Held::tiny(), "tiny");
        draw_all(&Held::of(crate::study::RunResults::pool(&[])), "nothing");
    }
}
