//! What a change of one figure means by itself.

use super::account::{Measure, Scope, Subject};
use crate::mesh::Mesh;
use crate::mesh::model::{Comparison, Figure};
use crate::metrics::Estimate;

/// Which way of a figure is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    MoreIsBetter,
    LessIsBetter,
    /// Load: what is asked for, or where it goes.
    Neutral,
}

impl Sense {
    /// An objective says itself which way is good.
    pub(super) fn of(measure: Measure, subject: &Subject, mesh: &Mesh) -> Sense {
        if subject.scope == Scope::Objective {
            return match mesh.objectives[subject.place].comparison {
                Comparison::Less | Comparison::LessOrEqual => Sense::LessIsBetter,
                Comparison::Greater | Comparison::GreaterOrEqual => Sense::MoreIsBetter,
            };
        }
        match measure {
            Measure::Of(Figure::Rps) => Sense::Neutral,
            Measure::Of(Figure::SuccessPct) | Measure::ServedRps => Sense::MoreIsBetter,
            _ => Sense::LessIsBetter,
        }
    }
}

/// What a change of a figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Worse,
    /// More load, which is neither.
    More,
    Fewer,
    /// The interval of the change holds zero.
    WithinNoise,
    /// Nothing that the figure is made of differs, in no replication.
    Same,
    /// One replication, too few samples, or no data on a side.
    Unknown,
}

impl Verdict {
    pub(super) fn of(sense: Sense, change: Estimate, is_same: bool) -> Verdict {
        match (change.value, change.ci95) {
            (Some(_), _) if is_same => Verdict::Same,
            (Some(change), Some(ci95)) if change.abs() <= ci95 => Verdict::WithinNoise,
            (Some(change), Some(_)) => match (sense, change > 0.0) {
                (Sense::Neutral, true) => Verdict::More,
                (Sense::Neutral, false) => Verdict::Fewer,
                (Sense::MoreIsBetter, true) | (Sense::LessIsBetter, false) => Verdict::Better,
                (Sense::MoreIsBetter, false) | (Sense::LessIsBetter, true) => Verdict::Worse,
            },
            _ => Verdict::Unknown,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::More => "more",
            Verdict::Fewer => "fewer",
            Verdict::WithinNoise => "within noise",
            Verdict::Same => "same",
            Verdict::Unknown => "unknown",
        }
    }

    /// The interval of the change does not hold zero.
    pub fn is_sure(self) -> bool {
        matches!(self, Verdict::Better | Verdict::Worse | Verdict::More | Verdict::Fewer)
    }
}
