//! What a report is made of, as the caller hands it over.

use super::stamp::Stamp;
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
