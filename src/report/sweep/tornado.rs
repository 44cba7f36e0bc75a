//! Which inputs decide each objective, from the points of `--sensitivity`: ranked, as a table, and as `tornado.csv`.

use super::super::Look;
use super::super::number::{self, Kind};
use super::super::observed::decimals_of_width;
use super::super::table::{self, Cell, Table};
use super::super::{csv, json};
use super::{Point, Sensitivity, Study, Turned};
use crate::metrics::Estimate;
use crate::study::sensitivity;

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
    /// More than noise, all inputs taken together.
    pub is_clear: bool,
}

impl Effect<'_> {
    pub fn size(&self) -> f64 {
        self.change.value.map_or(-1.0, f64::abs)
    }
}

/// For each target the effects, largest first; equal ones in the order of inputs. `points` are all of the study.
pub fn effects<'a>(study: &'a Study, points: &[Point]) -> Vec<Vec<Effect<'a>>> {
    let Some(Sensitivity { inputs, .. }) = &study.sensitivity else { return Vec::new() };
    let of_target = |target: usize| {
        let seen = |point: usize| points.get(point)?.seen.get(target);
        let mut effects: Vec<Effect<'a>> = inputs
            .iter()
            .enumerate()
            .filter_map(|(index, input)| {
                let (as_is, low, high) = (seen(0)?, seen(2 * index + 1)?, seen(2 * index + 2)?);
                let change = study.targets[target].change(low, high);
                let (low, as_is, high) = (low.value, as_is.value, high.value);
                Some(Effect { input, low, as_is, high, change, is_clear: false })
            })
            .collect();
        let changes: Vec<Estimate> = effects.iter().map(|effect| effect.change).collect();
        let clear = sensitivity::clear(&changes, study.replications() as usize);
        effects.iter_mut().zip(clear).for_each(|(effect, is_clear)| effect.is_clear = is_clear);
        effects.sort_by(|left, right| right.size().total_cmp(&left.size()));
        effects
    };
    (0..study.targets.len()).map(of_target).collect()
}

/// The clear ones, and the others, both in order.
pub fn apart<'e, 'a>(effects: &'e [Effect<'a>]) -> (Vec<&'e Effect<'a>>, Vec<&'e Effect<'a>>) {
    effects.iter().partition(|effect| effect.is_clear)
}

impl Turned {
    /// How far it was turned: `±25%`, `-50% +100%`, `+100%`, and how what is uneven is marked.
    pub fn share(&self, look: &Look) -> String {
        let [low, high] = self.turned_pct;
        let text = |pct: f64| {
            let decimals = number::significant_decimals(pct, 2);
            number::fixed(pct.abs(), decimals)
        };
        let sides = match (text(low), text(high)) {
            (low, high) if low == high => format!("{}{low}%", look.pick("±", "+-")),
            (low, high) if low == "0" => format!("+{high}%"),
            (low, high) if high == "0" => format!("-{low}%"),
            (low, high) => format!("-{low}% +{high}%"),
        };
        if self.is_uneven { format!("{sides} {UNEVEN}") } else { sides }
    }
}

/// Stands at what is uneven.
const UNEVEN: char = '*';

/// What the mark means; `None` where none of the effects that are shown has it.
pub fn about_uneven<'e>(study: &Study, shown: impl IntoIterator<Item = &'e Effect<'e>>) -> Option<String> {
    let range = &study.sensitivity.as_ref()?.range;
    shown.into_iter().any(|effect| effect.input.is_uneven).then(|| {
        format!(
            "{UNEVEN} not turned by {range}, as whole numbers move by at least one: no equal of the others"
        )
    })
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
        table::number("turned_low_pct", Kind::Percent),
        table::number("turned_high_pct", Kind::Percent),
        table::text("uneven"),
        table::number("at_low", kind),
        table::number("at_as_is", kind),
        table::number("at_high", kind),
        table::figure("effect", kind),
        table::text("clear"),
    ];
    let rows = study.targets.iter().zip(effects).flat_map(|(target, effects)| {
        effects.iter().enumerate().map(move |(rank, effect)| {
            let Effect { input, low, as_is, high, change, is_clear } = effect;
            let yes = |is: bool| Cell::from(if is { "yes" } else { "no" });
            let figure = |value: &Option<f64>| Cell::from(value.unwrap_or(f64::NAN));
            let mut cells: Vec<Cell<'_>> = vec![(&target.text).into(), (&target.metric).into()];
            cells.extend([(rank as f64 + 1.0).into(), (&input.name).into(), yes(input.is_guess)]);
            cells.extend([&input.low, &input.value, &input.high].map(Cell::from));
            cells.extend(input.turned_pct.map(Cell::from));
            cells.push(yes(input.is_uneven));
            cells.extend([low, as_is, high].map(figure));
            cells.extend([(*change).into(), yes(*is_clear)]);
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

/// A change for people: `+12.3ms ± 0.4`, `-0.42 pp ± 0.03`. Both end at the first uncertain digit, in one unit.
pub fn effect_text(metric: &str, change: Estimate, look: &Look) -> String {
    let Some(value) = change.value else { return "no data".to_owned() };
    let largest = value.abs().max(change.ci95.unwrap_or(0.0));
    let (scale, unit) = if metric.ends_with("_pct") { (1.0, " pp") } else { scale(metric, largest) };
    let half = change.ci95.map(|half| half / scale);
    let usual = || number::significant_decimals(value / scale, 3).min(6);
    let decimals = half.and_then(decimals_of_width).unwrap_or_else(usual);
    let sign = if value < 0.0 { "-" } else { "+" };
    let text = format!("{sign}{}{unit}", number::grouped(value.abs() / scale, decimals));
    match half {
        None => text,
        Some(0.0) => format!("{text} {} 0", look.pick("±", "+-")),
        Some(half) => format!("{text} {} {}", look.pick("±", "+-"), number::grouped(half, decimals)),
    }
}

/// The unit that fits, and its size.
fn scale(metric: &str, largest: f64) -> (f64, &'static str) {
    match metric {
        _ if metric.ends_with("_ms") => number::latency_scale(largest),
        _ if metric.ends_with("_pct") => (1.0, "%"),
        _ => (1.0, ""),
    }
}

/// A figure in its unit, by three digits of `largest`.
pub fn plain_text(metric: &str, value: f64, largest: f64) -> String {
    let (scale, unit) = scale(metric, largest);
    // Of a share near 100 % what is left of it tells.
    let left = 100.0 - value;
    let tells = if unit == "%" && (1e-9..10.0).contains(&left) { left } else { largest / scale };
    let decimals = number::significant_decimals(tells, 3).min(6);
    format!("{}{unit}", number::grouped(value / scale, decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(metric: &str, value: f64, ci95: Option<f64>) -> String {
        effect_text(metric, Estimate { value: Some(value), ci95 }, &Look::PLAIN)
    }

    #[test]
    fn effects_end_at_their_first_uncertain_digit() {
        assert_eq!(told("latency_p99_ms", 98_500.0, Some(3.9)), "+98.500s ± 0.004");
        assert_eq!(told("latency_p99_ms", -40.91, Some(1.44)), "-40.9ms ± 1.4");
        assert_eq!(told("latency_p99_ms", 0.01, Some(40.0)), "+0ms ± 40");
        assert_eq!(told("latency_p99_ms", 40.91, None), "+40.9ms");
        assert_eq!(told("success_pct", -0.1, Some(0.012)), "-0.100 pp ± 0.012");
        assert_eq!(told("retries", 3.0, Some(0.0)), "+3.00 ± 0");
    }

    #[test]
    fn inputs_tell_how_far_they_were_turned() {
        let share = |low: f64, high: f64, is_uneven| {
            let text = String::new;
            let turned_pct = [low, high];
            let (name, low, value, high) = (text(), text(), text(), text());
            Turned { name, is_guess: false, low, value, high, turned_pct, is_uneven }.share(&Look::PLAIN)
        };
        assert_eq!(share(-20.0, 20.0, false), "±20%");
        assert_eq!(share(-50.0, 50.0, true), "±50% *");
        assert_eq!(share(0.0, 100.0, true), "+100% *");
        assert_eq!(share(-33.333_333, 25.0, true), "-33% +25% *");
        assert_eq!(share(-20.0, 0.0, true), "-20% *");
    }
}
