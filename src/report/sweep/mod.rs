//! A sweep: many points of one study, made in one go, in several, or on several machines, and what is written of them.
//! All of it comes from the study's head and its finished points as they lie in a file, so that parts put together
//! give the bytes of the whole. Source: design D6.

mod columns;
pub mod figures;
pub mod files;
mod json;
pub mod line;
pub mod merge;
mod ranking;
pub mod table;
pub mod text;
pub mod tornado;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::metric;
use super::number::Kind;
use crate::mesh::model::{Comparison, Figure};
use crate::metrics::Estimate;
use crate::metrics::statistics;
use crate::study::{Judged, sensitivity};

/// What all points of a sweep have in common, and all that tells one sweep from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// The scenario's name.
    pub title: String,
    /// As in `run.json`.
    pub stamp: Value,
    /// `grid`, `list`, `sobol`, or `sensitivity`.
    pub design: String,
    pub dimensions: Vec<Dimension>,
    /// How many there are, those of other shards too.
    pub points: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    pub targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
}

/// What is varied, and over what, as the command line has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    pub name: String,
    pub range: String,
}

/// The points whose number modulo `of` is `number`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    pub number: u32,
    /// At least 1.
    pub of: u32,
}

impl Shard {
    pub fn has(self, point: u32) -> bool {
        point % self.of == self.number
    }
}

/// An objective, or a figure that is looked at without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub text: String,
    pub metric: String,
    /// Of a percentile, in [0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    pub less_is_better: bool,
    /// The limit itself is no miss.
    pub or_equal: bool,
    /// In the metric's unit.
    pub limit: Option<f64>,
}

/// Figures that their name alone tells.
const PLAIN: [Figure; 7] = [
    Figure::SuccessPct,
    Figure::LatencyMean,
    Figure::LatencyMax,
    Figure::Rps,
    Figure::Retries,
    Figure::Ejections,
    Figure::Overflow,
];

/// What `--sensitivity` turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    pub range: String,
    /// Input i is low at point 2 i + 1 and high at point 2 i + 2; point 0 is the scenario as it is.
    pub inputs: Vec<Turned>,
    pub untried: Vec<Untried>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turned {
    pub name: String,
    pub is_guess: bool,
    pub low: String,
    pub value: String,
    pub high: String,
    /// How far it was really turned down and up, with its sign, per cent of its value.
    pub turned_pct: [f64; 2],
    /// That is not as far as was asked for, so its effects are no equals of the others'.
    pub is_uneven: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untried {
    pub name: String,
    pub why: String,
}

/// One finished point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub point: u32,
    /// One for each dimension.
    pub values: Vec<String>,
    /// Fingerprint of the mesh: points with the same one are the same.
    pub mesh: String,
    /// One for each target.
    pub seen: Vec<Seen>,
    pub rows: Vec<Row>,
    /// Whether its figures are those of a steady state; `None` where the scenario itself changes over time.
    pub steady: Option<bool>,
    /// What a reader must know before believing them.
    pub notes: Vec<String>,
}

impl Point {
    /// Before it is simulated.
    pub fn open(point: u32, values: Vec<String>, mesh: String) -> Point {
        Point { point, values, mesh, seen: Vec::new(), rows: Vec::new(), steady: None, notes: Vec::new() }
    }

    /// With the figures that were found.
    #[must_use]
    pub fn with(self, figures: &Figures) -> Point {
        let Figures { seen, rows, steady, notes } = figures.clone();
        Point { seen, rows, steady, notes, ..self }
    }

    /// With those of a point whose mesh is the same.
    #[must_use]
    pub fn like(self, other: Point) -> Point {
        let Point { point, values, .. } = self;
        Point { point, values, ..other }
    }
}

/// What is kept of a point's replications.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub seen: Vec<Seen>,
    pub rows: Vec<Row>,
    /// Whether they are those of a steady state; `None` where the scenario itself changes over time.
    pub steady: Option<bool>,
    /// What a reader must know before believing them.
    pub notes: Vec<String>,
}

/// A target's figure at one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub value: Option<f64>,
    pub ci95: Option<f64>,
    /// Of each replication by itself.
    pub each: Vec<Option<f64>>,
    /// Requests that it is a share of.
    pub of: Option<u64>,
}

/// Any other figure, as files have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub scope: String,
    pub source: String,
    pub target: String,
    pub subset: String,
    pub metric: String,
    pub value: String,
    pub ci95: String,
}

impl Study {
    /// The numbers of this part's points, ascending.
    pub fn own_points(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.points).filter(|point| self.shard.is_none_or(|shard| shard.has(*point)))
    }

    /// The targets as judged at a point.
    pub fn judge(&self, point: &Point) -> Vec<Judged> {
        self.targets.iter().zip(&point.seen).map(|(target, seen)| target.judge(seen)).collect()
    }

    pub fn has_limits(&self) -> bool {
        self.targets.iter().any(|target| target.limit.is_some())
    }

    /// Whether all that have a limit keep it.
    pub fn meets(&self, point: &Point) -> bool {
        self.judge(point).iter().all(|judged| judged.met)
    }

    pub fn seed(&self) -> &Value {
        &self.stamp["seed"]
    }

    pub fn replications(&self) -> u64 {
        self.stamp["replications"].as_u64().unwrap_or(0)
    }
}

impl Target {
    pub fn figure(&self) -> Figure {
        match (self.quantile, self.metric.as_str()) {
            (Some(quantile), _) => Figure::Latency(quantile),
            (None, name) => {
                let named = |figure: &Figure| metric::name(*figure) == name;
                PLAIN.into_iter().find(named).unwrap_or(Figure::SuccessPct)
            }
        }
    }

    pub fn kind(&self) -> Kind {
        metric::kind(self.figure())
    }

    /// Half the width that an interval of this figure has at least. Source: design D9.20.
    pub fn least(&self, seen: &Seen) -> f64 {
        match self.figure() {
            Figure::SuccessPct => seen.of.map_or(0.0, statistics::least_share_pct),
            Figure::Latency(_) => {
                let certain = Estimate { value: seen.value, ci95: Some(0.0) };
                statistics::resolved(certain).ci95.unwrap_or(0.0)
            }
            _ => 0.0,
        }
    }

    /// By how much `to` lies above `from`, both with the same luck.
    pub fn change(&self, from: &Seen, to: &Seen) -> Estimate {
        let whole = |seen: &Seen| (seen.value, self.least(seen));
        let ((from_value, from_least), (to_value, to_least)) = (whole(from), whole(to));
        sensitivity::effect(
            sensitivity::Seen { whole: from_value, each: &from.each, least: from_least },
            sensitivity::Seen { whole: to_value, each: &to.each, least: to_least },
        )
    }

    pub fn judge(&self, seen: &Seen) -> Judged {
        let comparison = match (self.less_is_better, self.or_equal) {
            (true, false) => Comparison::Less,
            (true, true) => Comparison::LessOrEqual,
            (false, false) => Comparison::Greater,
            (false, true) => Comparison::GreaterOrEqual,
        };
        let observed = Estimate { value: seen.value, ci95: seen.ci95 };
        // Where nothing is asked for, nothing can be missed.
        let (limit, met) = match self.limit {
            Some(limit) => (limit, observed.value.is_some_and(|value| comparison.holds(value, limit))),
            None => (if self.less_is_better { f64::INFINITY } else { f64::NEG_INFINITY }, true),
        };
        let unsure = self.limit.is_some() && observed.holds(limit);
        let (text, figure) = (self.text.clone(), self.figure());
        Judged { text, figure, comparison, limit, observed, met, unsure }
    }
}
