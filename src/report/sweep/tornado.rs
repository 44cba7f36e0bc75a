//! Which inputs decide each objective, from the points of `--sensitivity`: ranked, as a table, and as `tornado.csv`.

use super::super::number::{self, Kind};
use super::super::table::{self, Cell, Table};
use super::super::{csv, json};
use super::{Point, Study, Turned};
use crate::metrics::Estimate;
use crate::study::sensitivity::{self, Seen};

/// What turning one input does to one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect<'a> {
    pub input: &'a Turned,
    /// The target's figure with the input low, as it is, and high.
    pub low: Option<f64>,
    pub as_is: Option<f64>,
    pub high: Option<f64>,
    /// From low to high.
    pub change: Estimate,
}

impl Effect<'_> {
    /// Zero is not in the interval.
    pub fn is_clear(&self) -> bool {
        matches!((self.change.value, self.change.ci95), (Some(value), Some(ci95)) if value.abs() > ci95)
    }

    pub fn size(&self) -> f64 {
        self.change.value.map_or(-1.0, f64::abs)
    }
}

/// For each target the effects, largest first; equal ones in the order of inputs. `points` are all of the study.
pub fn effects<'a>(study: &'a Study, points: &[Point]) -> Vec<Vec<Effect<'a>>> {
    let Some(sensitivity) = &study.sensitivity else { return Vec::new() };
    let of_target = |target: usize| {
        let seen = |point: usize| -> Option<Seen<'_>> {
            let seen = points.get(point)?.seen.get(target)?;
            let least = study.targets[target].least(seen);
            Some(Seen { whole: seen.value, each: &seen.each, least })
        };
        let mut effects: Vec<Effect<'a>> = sensitivity
            .inputs
            .iter()
            .enumerate()
            .filter_map(|(index, input)| {
                let (as_is, low, high) = (seen(0)?, seen(2 * index + 1)?, seen(2 * index + 2)?);
                let change = sensitivity::effect(low, high);
                Some(Effect { input, low: low.whole, as_is: as_is.whole, high: high.whole, change })
            })
            .collect();
        effects.sort_by(|left, right| right.size().total_cmp(&left.size()));
        effects
    };
    (0..study.targets.len()).map(of_target).collect()
}

fn table<'a>(study: &'a Study, effects: &'a [Vec<Effect<'a>>]) -> Table<'a> {
    let kind = Kind::Measure;
    let columns = vec![
        table::text("objective"),
        table::text("metric"),
        table::number("rank", Kind::Exact),
        table::text("input"),
        table::text("guess"),
        table::text("low"),
        table::text("as_is"),
        table::text("high"),
        table::number("at_low", kind),
        table::number("at_as_is", kind),
        table::number("at_high", kind),
        table::figure("effect", kind),
        table::text("clear"),
    ];
    let rows = study.targets.iter().zip(effects).flat_map(|(target, effects)| {
        effects.iter().enumerate().map(move |(rank, effect)| {
            let Effect { input, low, as_is, high, change } = effect;
            let yes = |is: bool| Cell::from(if is { "yes" } else { "no" });
            let figure = |value: &Option<f64>| Cell::from(value.unwrap_or(f64::NAN));
            let mut cells: Vec<Cell<'_>> = vec![(&target.text).into(), (&target.metric).into()];
            cells.extend([(rank as f64 + 1.0).into(), (&input.name).into(), yes(input.is_guess)]);
            cells.extend([&input.low, &input.value, &input.high].map(Cell::from));
            cells.extend([low, as_is, high].map(figure));
            cells.extend([(*change).into(), yes(effect.is_clear())]);
            cells
        })
    });
    Table { columns, rows: Box::new(rows) }
}

/// `tornado.csv`: a row for each objective and input.
pub fn csv(study: &Study, points: &[Point]) -> Vec<u8> {
    let effects = effects(study, points);
    csv::write(table(study, &effects), study.replications() > 1)
}

/// The same rows as objects.
pub fn json(study: &Study, points: &[Point]) -> serde_json::Value {
    let effects = effects(study, points);
    json::rows(table(study, &effects), study.replications() > 1)
}

/// A change for people, with its sign: `+12.3ms`, `-0.42%`, in the unit that fits `largest`.
pub fn change_text(metric: &str, change: f64, largest: f64) -> String {
    let sign = if change < 0.0 { "-" } else { "+" };
    format!("{sign}{}", plain_text(metric, change.abs(), largest))
}

/// A figure in its unit, by three digits of `largest`.
pub fn plain_text(metric: &str, value: f64, largest: f64) -> String {
    let (scale, unit) = match metric {
        _ if metric.ends_with("_ms") => number::latency_scale(largest),
        _ if metric.ends_with("_pct") => (1.0, "%"),
        _ => (1.0, ""),
    };
    // Of a share near 100 % what is left of it tells.
    let left = 100.0 - value;
    let tells = if unit == "%" && (1e-9..10.0).contains(&left) { left } else { largest / scale };
    let decimals = number::significant_decimals(tells, 3).min(6);
    format!("{}{unit}", number::grouped(value / scale, decimals))
}
