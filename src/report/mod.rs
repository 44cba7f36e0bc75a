//! How results look: values in, bytes and strings out. Nothing here reads, writes or counts.

pub mod csv;
#[cfg(test)]
pub(crate) mod fixture;
pub mod json;
pub mod markdown;
pub mod number;
pub mod plot;
pub mod stamp;
pub mod summary;
pub mod table;
pub mod tables;
pub mod terminal;

pub use stamp::{File, Input, Stamp};
pub use terminal::Look;

use crate::kernel::SimTime;
use crate::study::RunResults;

/// All that a report of one run is made of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The scenario's name.
    pub title: &'a str,
    pub run: &'a RunResults,
    pub stamp: &'a Stamp,
    /// Changes of the configuration, for charts.
    pub marks: &'a [Mark],
    /// Ready lines that stand below the tables: who serves which share, and the like.
    pub sections: &'a [Section],
    /// One line each: workloads that run on guesses, warnings.
    pub notes: &'a [String],
    /// One line each: object, place, and what the model leaves out.
    pub not_modelled: &'a [String],
}

/// Something that happened at a moment and may explain what comes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: SimTime,
    /// Short: `canary-10`.
    pub label: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: String,
    pub lines: Vec<String>,
}

/// A way to print a run on standard output.
pub struct Format {
    /// As `--format` names it.
    pub name: &'static str,
    pub print: fn(&Report<'_>, &Look) -> String,
}

/// Every format that there is.
pub const FORMATS: &[Format] = &[
    Format { name: "text", print: |report, look| summary::render(report, look, None) },
    Format { name: "json", print: |report, _| json::summary(report.run, report.stamp) },
    Format { name: "csv", print: |report, _| clients_csv(report.run) },
    Format { name: "markdown", print: |report, _| markdown::render(report) },
];

fn clients_csv(run: &RunResults) -> String {
    let bytes = csv::write(tables::clients(run), run.replications > 1);
    String::from_utf8(bytes).expect("we write UTF-8")
}
