//! A comparison as people and programs read it: what changed in the configuration, what that does to the same requests,
//! which figures changed and how surely, and the stories of some requests. Source: design D6, reference ux 4.3.

mod chart;
mod examples;
mod files;
mod markdown;
mod sentence;
mod text;
mod words;

pub use files::{csv, json};
pub use markdown::render as markdown;
pub use sentence::{Note, gates, notes, verdicts};
pub use text::{changes, render as text};

use super::plot::shape::Picture;
use super::plot::{self, DrawError};
use super::stamp::{self, File, Stamp};
use crate::mesh::{Mesh, Place};
use crate::study::Crew;
use crate::study::compare::{Candidate, Comparison};

/// All that a report of a comparison is made of.
#[derive(Clone, Copy, Debug)]
pub struct Comparisons<'a> {
    /// The scenario's name.
    pub title: &'a str,
    /// Of all configurations, the base first.
    pub names: &'a [&'a str],
    /// The base's, for the names of clients.
    pub mesh: &'a Mesh,
    pub comparison: &'a Comparison,
    /// Of each candidate.
    pub changes: &'a [Vec<Change>],
    pub stamp: &'a Stamp,
    /// The scenario's directory.
    pub base: &'a str,
    /// From which part on a figure that is worse is a regression, if anybody asks.
    pub threshold: Option<f64>,
    /// Whether files are written that hold all.
    pub is_written: bool,
}

/// Where all is of which people are shown a part: in a file, or printed.
fn all_in(is_written: bool, format: &str) -> String {
    if is_written { format!("in comparison.{format}") } else { format!("with `--format {format}`") }
}

impl<'a> Comparisons<'a> {
    /// Each candidate with its name and its changes.
    fn candidates(&self) -> impl Iterator<Item = (&'a str, &'a Candidate, &'a [Change])> {
        let changes = self.changes.iter().map(Vec::as_slice);
        let named = self.names[1..].iter().zip(&self.comparison.candidates).zip(changes);
        named.map(|((name, candidate), changes)| (*name, candidate, changes))
    }
}

/// One field that differs, or an object that one side alone has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `VirtualService reviews`.
    pub object: String,
    /// Empty: the whole object.
    pub path: String,
    pub old: Option<Side>,
    pub new: Option<Side>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    pub value: String,
    pub place: Place,
}

/// A chart of a comparison.
struct Entry {
    /// File name below `plots/`, without ending.
    name: &'static str,
    make: fn(&Comparisons<'_>) -> Picture,
}

const PLOTS: &[Entry] = &[
    Entry { name: "differences", make: chart::differences },
    Entry { name: "figures", make: chart::figures },
];

/// All files of the output folder, `run.json` with the digest of the others at the end.
pub fn folder(report: &Comparisons<'_>, with_plots: bool, crew: &Crew) -> Result<Vec<File>, DrawError> {
    let mut files = vec![
        File { path: "comparison.csv".to_owned(), bytes: csv(report).into_bytes() },
        File { path: "comparison.json".to_owned(), bytes: json(report).into_bytes() },
    ];
    let plots = if with_plots { PLOTS } else { &[] };
    let draw = |number: u32| {
        let entry = &plots[number as usize];
        plot::draw_picture(entry.name, &(entry.make)(report))
    };
    for drawn in crew.in_order(plots.len() as u32, draw) {
        files.extend(drawn?);
    }
    let run = super::json::run_file(report.stamp, &files);
    files.push(File { path: stamp::RUN_FILE.to_owned(), bytes: run.into_bytes() });
    Ok(files)
}
