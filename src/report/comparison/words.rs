//! Names of figures, and their values and changes, as people read them.

use super::super::metric;
use super::super::number::{self, Kind};
use super::super::observed::decimals_of_width;
use super::super::terminal::Look;
use crate::mesh::model::Figure;
use crate::metrics::Estimate;
use crate::study::compare::{Compared, Measure, Overall, Scope, Subject, Verdict};

/// Its name in files.
pub fn key(measure: Measure) -> String {
    match measure {
        Measure::RetriesPerCall => "retries_per_call".to_owned(),
        Measure::ServedRps => "served_rps".to_owned(),
        Measure::Of(figure) => metric::name(figure),
    }
}

/// How many digits of it mean something in files.
pub fn kind(measure: Measure) -> Kind {
    match measure {
        Measure::RetriesPerCall => Kind::Measure,
        Measure::ServedRps => metric::kind(Figure::Rps),
        Measure::Of(figure) => metric::kind(figure),
    }
}

/// `p99 reviews v2`, as people are told.
pub fn title(row: &Compared) -> String {
    let Subject { scope, target, subset, .. } = &row.subject;
    let whom = match scope {
        Scope::Objective => return target.clone(),
        Scope::All => "all".to_owned(),
        Scope::Client => target.clone(),
        Scope::Cluster => format!("{target} {subset}").trim_end().to_owned(),
    };
    match (row.measure, scope) {
        (Measure::Of(Figure::Rps), Scope::Cluster) => format!("calls/s {whom}"),
        _ => format!("{} {whom}", label(row.measure)),
    }
}

fn label(measure: Measure) -> String {
    match measure {
        Measure::RetriesPerCall => "retries".to_owned(),
        Measure::ServedRps => "served rps".to_owned(),
        Measure::Of(figure) => match figure {
            Figure::SuccessPct => "success".to_owned(),
            Figure::Latency(q) => format!("p{}", number::fixed(q * 100.0, 3)),
            Figure::LatencyMean => "mean".to_owned(),
            Figure::LatencyMax => "max".to_owned(),
            Figure::Rps => "rps".to_owned(),
            Figure::Retries => "retries".to_owned(),
            Figure::Ejections => "ejections".to_owned(),
            Figure::Overflow => "refused".to_owned(),
        },
    }
}

/// A figure for people: `98.91%`, `184ms`.
pub fn value(measure: Measure, estimate: Estimate) -> String {
    let Some(value) = estimate.value else { return "-".to_owned() };
    match measure {
        Measure::Of(Figure::SuccessPct) => format!("{}%", number::percent(value)),
        Measure::Of(Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax) => number::latency(value),
        Measure::Of(Figure::Rps) | Measure::ServedRps => number::rate(value),
        Measure::Of(_) => number::count(value),
        Measure::RetriesPerCall => format!("{}%", number::percent(100.0 * value)),
    }
}

/// How its change is told: as a part of what was there, or in its own unit.
fn scale(row: &Compared) -> (f64, &'static str) {
    match (row.measure, row.reference.value) {
        (Measure::Of(Figure::SuccessPct), _) => (1.0, " pp"),
        // Retries as a part of the calls.
        (Measure::RetriesPerCall, _) => (100.0, " pp"),
        (
            Measure::ServedRps
            | Measure::Of(Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax | Figure::Rps),
            Some(reference),
        ) if reference > 0.0 => (100.0 / reference, "%"),
        _ => (1.0, ""),
    }
}

/// `+28% [+26, +30]`: the change and its 95 % interval.
pub fn change(row: &Compared) -> String {
    let (scale, unit) = scale(row);
    match row.verdict {
        Verdict::Same => "0".to_owned(),
        // More digits of what is noise help nobody.
        Verdict::WithinNoise => told(row.change.scaled(scale), unit, 3),
        _ => interval(row.change.scaled(scale), unit),
    }
}

/// The change alone: `+28%`.
pub fn short_change(row: &Compared) -> String {
    let (scale, unit) = scale(row);
    let Some(change) = row.change.value else { return "-".to_owned() };
    let change = change * scale;
    format!("{}{unit}", signed(change, decimals(change, row.change.ci95.map(|half| half * scale))))
}

/// `+0.81 pp [+0.77, +0.85]`.
pub fn interval(estimate: Estimate, unit: &str) -> String {
    told(estimate, unit, usize::MAX)
}

fn told(estimate: Estimate, unit: &str, most: usize) -> String {
    let Some(value) = estimate.value else { return "-".to_owned() };
    let decimals = decimals(value, estimate.ci95).min(most);
    let told = signed(value, decimals);
    match estimate.ci95 {
        None => format!("{told}{unit}"),
        Some(half) => {
            format!("{told}{unit} [{}, {}]", signed(value - half, decimals), signed(value + half, decimals))
        }
    }
}

fn decimals(value: f64, half: Option<f64>) -> usize {
    half.and_then(decimals_of_width).unwrap_or_else(|| number::significant_decimals(value, 3).min(3))
}

/// With its sign; nothing has none.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = number::grouped(value, decimals);
    let is_nothing = text.chars().all(|c| matches!(c, '0' | '.' | '-'));
    match (is_nothing, value > 0.0) {
        (true, _) => text.trim_start_matches('-').to_owned(),
        (false, true) => format!("+{text}"),
        (false, false) => text,
    }
}

/// A signed difference of latencies: `+1.20ms`.
pub fn difference(millis: f64) -> String {
    let text = number::latency(millis);
    if millis > 0.0 { format!("+{text}") } else { text }
}

/// A difference of latencies with its interval, in one unit.
pub fn latency_interval(estimate: Estimate) -> String {
    let most = estimate.value.map_or(0.0, f64::abs).max(estimate.ci95.unwrap_or(0.0));
    let (scale, unit) = number::latency_scale(most);
    interval(estimate.scaled(1.0 / scale), unit)
}

/// How large a change is, beside what there was.
pub fn extent(row: &Compared) -> f64 {
    match row.growth() {
        0.0 => row.relative().map_or(0.0, f64::abs),
        growth => growth,
    }
}

/// So many of those, in per cent: what is there is never nothing, and what is not all is never all.
pub fn share(count: u64, of: u64) -> String {
    let percent = 100.0 * count as f64 / of as f64;
    match number::fixed(percent, 1).as_str() {
        "0" if count > 0 => "<0.1%".to_owned(),
        "100" if count < of => ">99.9%".to_owned(),
        told => format!("{told}%"),
    }
}

pub fn painted(verdict: Verdict, look: &Look) -> String {
    match verdict {
        Verdict::Better => look.good(verdict.name()),
        Verdict::Worse => look.bad(verdict.name()),
        Verdict::Unknown => look.doubtful(verdict.name()),
        Verdict::More | Verdict::Fewer | Verdict::WithinNoise | Verdict::Same => verdict.name().to_owned(),
    }
}

/// What a candidate is, after its name.
pub fn overall(overall: Overall) -> &'static str {
    match overall {
        Overall::Same => "makes no difference",
        Overall::WithinNoise => "makes no difference beyond noise",
        Overall::Better => "is better",
        Overall::Worse => "is worse",
        Overall::Mixed => "is better in some figures and worse in others",
        Overall::Unknown => "cannot be told from the base by one replication, or so few requests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::compare::Sense;

    fn row(measure: Measure, reference: f64, change: f64, ci95: f64) -> Compared {
        let exact = |value| Estimate { value: Some(value), ci95: None };
        Compared {
            subject: Subject {
                scope: Scope::Cluster,
                place: 0,
                target: "reviews".to_owned(),
                subset: "v2".to_owned(),
            },
            measure,
            sense: Sense::LessIsBetter,
            reference: exact(reference),
            value: exact(reference + change),
            change: Estimate { value: Some(change), ci95: Some(ci95) },
            p_value: None,
            verdict: Verdict::Worse,
        }
    }

    #[test]
    fn changes_end_at_their_first_uncertain_digit() {
        let success = row(Measure::Of(Figure::SuccessPct), 98.91, 0.8134, 0.04);
        assert_eq!(change(&success), "+0.81 pp [+0.77, +0.85]");
        let p99 = row(Measure::Of(Figure::Latency(0.99)), 184.0, 52.0, 4.0);
        assert_eq!((change(&p99), short_change(&p99)), ("+28% [+26, +30]".to_owned(), "+28%".to_owned()));
        let retries = row(Measure::RetriesPerCall, 0.08, -0.05, 0.06);
        assert_eq!(change(&retries), "-5 pp [-11, +1]");
        let noise =
            Compared { verdict: Verdict::WithinNoise, ..row(success.measure, 99.9, -0.00012, 0.0004) };
        assert_eq!(change(&noise), "0.000 pp [-0.001, 0.000]");
        let refused = row(Measure::Of(Figure::Overflow), 0.0, 1204.0, 30.0);
        assert_eq!(change(&refused), "+1 204 [+1 174, +1 234]");
        assert_eq!(title(&p99), "p99 reviews v2");
        let whole = Subject { subset: String::new(), ..p99.subject.clone() };
        assert_eq!(title(&Compared { subject: whole, ..p99.clone() }), "p99 reviews");
        assert_eq!(change(&Compared { verdict: Verdict::Same, ..p99 }), "0");
        let quick = row(Measure::Of(Figure::Latency(0.5)), 20.0, 5.0, 0.8);
        assert_eq!((change(&quick), short_change(&quick)), ("+25% [+21, +29]".to_owned(), "+25%".to_owned()));
        assert_eq!(value(Measure::RetriesPerCall, retries.reference), "8.00%");
        assert_eq!(
            interval(Estimate::exact(0.001_234), " pp"),
            "+0.001 pp",
            "three digits without an interval"
        );
        assert_eq!(key(Measure::Of(Figure::Latency(0.999))), "latency_p999_ms");
    }

    #[test]
    fn good_is_told_from_bad() {
        let look = Look { colour: true, ..Look::PLAIN };
        let of = |verdict| painted(verdict, &look);
        assert_eq!((of(Verdict::Better), of(Verdict::Worse)), (look.good("better"), look.bad("worse")));
        assert_ne!(look.good("x"), look.bad("x"));
        assert_eq!(of(Verdict::WithinNoise), "within noise");
        assert_eq!([Overall::Better, Overall::Worse].map(overall), ["is better", "is worse"]);
    }

    #[test]
    fn shares_are_nothing_only_where_there_is_none() {
        let of = |count| share(count, 100_000);
        assert_eq!([0, 36, 50, 99_964, 100_000].map(of), ["0%", "<0.1%", "0.1%", ">99.9%", "100%"]);
    }

    #[test]
    fn differences_have_a_sign_and_nothing_has_none() {
        assert_eq!([1.2, -0.25, 0.0].map(difference), ["+1.20ms", "-250us", "0ms"]);
        assert_eq!([0.4, -0.4, -0.6].map(|value| signed(value, 0)), ["0", "0", "-1"]);
        let mean = Estimate { value: Some(0.4), ci95: Some(0.03) };
        assert_eq!(latency_interval(mean), "+400us [+370, +430]");
    }
}
