//! `comparison.csv` and `comparison.json`. Source: design D6.

use serde_json::{Map, Value, json};

use super::super::json::{objective, pretty, stamp_value};
use super::super::number::{self, Kind};
use super::super::place;
use super::words::{key, kind};
use super::{Change, Comparisons, Note, Side, examples, notes};
use crate::metrics::Estimate;
use crate::study::compare::{ClientPairs, Compared, Gate, NetChange, Overall, Pairs, Passage, Subject};

const SCHEMA: &str = "meshcast.compare/v1";
const COLUMNS: [&str; 10] = [
    "candidate",
    "figure",
    "scope",
    "target",
    "subset",
    "reference",
    "value",
    "change",
    "change_ci95",
    "verdict",
];

/// `comparison.csv`.
pub fn csv(report: &Comparisons<'_>) -> String {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).expect("memory takes all");
    for (name, candidate, _) in report.candidates() {
        for row in &candidate.figures {
            let kind = kind(row.measure);
            let number =
                |value: Option<f64>| value.map_or_else(String::new, |value| number::plain(value, kind));
            let subject = &row.subject;
            let cells = [
                name.to_owned(),
                key(row.measure),
                subject.scope.name().to_owned(),
                subject.target.clone(),
                subject.subset.clone(),
                number(row.reference.value),
                number(row.value.value),
                number(row.change.value),
                number(row.change.ci95),
                row.verdict.name().to_owned(),
            ];
            writer.write_record(&cells).expect("memory takes all");
        }
    }
    String::from_utf8(writer.into_inner().expect("memory takes all")).expect("we write UTF-8")
}

/// `comparison.json`.
pub fn json(report: &Comparisons<'_>) -> String {
    let mut parts: [Vec<Value>; 6] = Default::default();
    let [candidates, changes, figures, pairs, alone, told] = &mut parts;
    let (mut flips, mut unpaired) = (0, 0);
    for (name, candidate, changed) in report.candidates() {
        let all = &candidate.pairs[0].tally;
        let of_this = (all.stayed.flips() + all.moved.flips(), all.unpaired());
        (flips, unpaired) = (flips + of_this.0, unpaired + of_this.1);
        let base = &report.comparison.objectives;
        candidates.push(json!({
            "name": name,
            "equal": candidate.is_equal,
            "verdict": verdict(candidate.overall(base)),
            "flips": of_this.0,
            "unpaired": of_this.1,
            "unfinished": number(Some(candidate.condition.unfinished), Kind::Count),
            "objectives": objectives(&candidate.objectives, report),
            "gate": report.threshold.map(|threshold| gate(&candidate.gate(threshold))),
        }));
        changes.extend(changed.iter().map(|one| change(name, one, report.base)));
        let gate = report.threshold.map(|threshold| candidate.gate(threshold));
        figures.extend(candidate.figures.iter().map(|row| figure(name, row, gate.as_ref())));
        for own in &candidate.pairs {
            pairs.extend(client_pairs(name, own));
            alone.push(not_paired(name, own));
        }
        told.extend(examples::json(report, name, candidate));
    }
    let [candidates, changes, figures, pairs, alone, told] = parts;
    let note = |note: Note<'_>| json!({ "configurations": note.of, "note": note.what });
    pretty(&json!({
        "schema": SCHEMA,
        "stamp": stamp_value(report.stamp),
        "base": {
            "name": report.names[0],
            "unfinished": number(Some(report.comparison.condition.unfinished), Kind::Count),
            "objectives": objectives(&report.comparison.objectives, report),
        },
        "notes": notes(report).into_iter().map(note).collect::<Vec<_>>(),
        "fail_on_regression_pct": report.threshold.map(|part| number(Some(100.0 * part), Kind::Exact)),
        "candidates": candidates,
        "changes": changes,
        "figures": figures,
        "flips": flips,
        "unpaired": unpaired,
        "pairs": pairs,
        "not_paired": alone,
        "examples": told,
    }))
}

fn objectives(all: &[crate::study::Judged], report: &Comparisons<'_>) -> Value {
    let with_intervals = report.comparison.replications > 1;
    all.iter().map(|judged| objective(judged, with_intervals)).collect()
}

/// Whether a candidate passes, and by which figures it does not.
fn gate(gate: &Gate<'_>) -> Value {
    let rows = |rows: &[&Compared]| {
        let row = |row: &&Compared| {
            let Subject { scope, target, subset, .. } = &row.subject;
            json!({ "figure": key(row.measure), "scope": scope.name(), "target": target, "subset": subset })
        };
        rows.iter().map(row).collect::<Vec<_>>()
    };
    json!({
        "verdict": match gate.passage() {
            Passage::Pass => "pass",
            Passage::Fail => "fail",
            Passage::CannotTell => "cannot tell",
        },
        "judged": gate.judged,
        "regressions": rows(&gate.regressions),
        "not_judged": rows(&gate.unknown),
    })
}

fn verdict(overall: Overall) -> &'static str {
    match overall {
        Overall::Same => "same",
        Overall::WithinNoise => "within noise",
        Overall::Better => "better",
        Overall::Worse => "worse",
        Overall::Mixed => "mixed",
        Overall::Unknown => "unknown",
    }
}

fn change(name: &str, change: &Change, base: &str) -> Value {
    let side = |side: &Option<Side>| {
        side.as_ref().map(|side| {
            let mut fields = Map::from_iter(place::fields(&side.place, base));
            fields.insert("value".to_owned(), side.value.as_str().into());
            Value::Object(fields)
        })
    };
    json!({
        "candidate": name,
        "object": change.object,
        "path": change.path,
        "old": side(&change.old),
        "new": side(&change.new),
    })
}

fn number(value: Option<f64>, kind: Kind) -> Value {
    value.map_or(Value::Null, |value| number::json(value, kind))
}

fn figure(name: &str, row: &Compared, gate: Option<&Gate<'_>>) -> Value {
    let kind = kind(row.measure);
    let mut fields = json!({
        "candidate": name,
        "figure": key(row.measure),
        "scope": row.subject.scope.name(),
        "target": row.subject.target,
        "subset": row.subject.subset,
        "reference": number(row.reference.value, kind),
        "value": number(row.value.value, kind),
        "change": number(row.change.value, kind),
        "change_ci95": number(row.change.ci95, kind),
        "verdict": row.verdict.name(),
        "p_value": number(row.p_value, Kind::Measure),
    });
    if let Some(gate) = gate {
        fields["regression"] = gate.has(row).into();
    }
    fields
}

/// A row for requests that went the same way, and one for those that moved. The client is null for all of them.
fn client_pairs(name: &str, own: &ClientPairs) -> [Value; 2] {
    let tally = &own.tally;
    let row = |way: &str, pairs: &Pairs, net: NetChange| {
        let millis = |nanos: Option<i64>| number(nanos.map(|nanos| nanos as f64 / 1e6), Kind::Measure);
        let estimate = |of: Estimate, kind| (number(of.value, kind), number(of.ci95, kind));
        let (success, success_ci95) = estimate(net.success_pct, Kind::Percent);
        let (latency, latency_ci95) = estimate(net.latency_ms, Kind::Measure);
        json!({
            "candidate": name,
            "client": own.client,
            "way": way,
            "pairs": pairs.count(),
            "served_served": pairs.served,
            "served_failed": pairs.lost,
            "failed_served": pairs.gained,
            "failed_failed": pairs.failed,
            "slower": pairs.slower.count(),
            "equal": pairs.equal,
            "faster": pairs.faster.count(),
            "success_change_pct": success,
            "success_change_pct_ci95": success_ci95,
            "latency_change_mean_ms": latency,
            "latency_change_mean_ms_ci95": latency_ci95,
            "latency_change_p1_ms": millis(pairs.change_quantile(0.01)),
            "latency_change_p50_ms": millis(pairs.change_quantile(0.5)),
            "latency_change_p99_ms": millis(pairs.change_quantile(0.99)),
        })
    };
    [row("same", &tally.stayed, own.stayed), row("moved", &tally.moved, own.moved)]
}

/// Requests of a client that have no way: those without another half, and those that were not followed.
fn not_paired(name: &str, own: &ClientPairs) -> Value {
    let tally = &own.tally;
    json!({
        "candidate": name,
        "client": own.client,
        "base_only": tally.base_only,
        "candidate_only": tally.candidate_only,
        "left_out": tally.left_out,
    })
}
