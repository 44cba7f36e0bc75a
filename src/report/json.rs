//! `summary.json` and `run.json`: the tables of CSV as objects with the same names and the same numbers, and what can be
//! told before a run. Source: design D6.

use serde_json::{Map, Value, json};

use super::number::{Kind, json as plain};
use super::stamp::{self, Configuration, File, Input, Stamp};
use super::table::{Cell, Content, Table};
use super::{Report, metric, tables, traffic};
use crate::metrics::Estimate;
use crate::study::Judged;

const SUMMARY_SCHEMA: &str = "meshcast.run/v1";
const STAMP_SCHEMA: &str = "meshcast.stamp/v1";

/// `summary.json`.
pub fn summary(report: &Report<'_>) -> String {
    let (run, base) = (report.run, report.told.base);
    let with_intervals = run.replications > 1;
    let not_modelled: Vec<Value> =
        report.not_modelled.iter().map(|remark| remark.json(base, "what")).collect();
    pretty(&json!({
        "schema": SUMMARY_SCHEMA,
        "stamp": stamp_value(report.stamp),
        "objectives": run.objectives.iter().map(|judged| objective(judged, with_intervals)).collect::<Vec<_>>(),
        "clients": rows(tables::clients(run), with_intervals),
        "clusters": rows(tables::clusters(run), with_intervals),
        "hosts": rows(tables::hosts(run), with_intervals),
        "traffic": traffic::object(&report.told),
        "not_modelled": not_modelled,
        "notes": report.notes,
    }))
}

/// `run.json`, with the digest of `files`: all the others of the folder.
pub fn run_file(stamp: &Stamp, files: &[File]) -> String {
    run_file_of(&stamp_value(stamp), &[], files)
}

/// The same of a stamp as it stands in files, with `more` fields.
pub(super) fn run_file_of(stamp: &Value, more: &[(&str, Value)], files: &[File]) -> String {
    let mut fields = Map::new();
    fields.insert("schema".to_owned(), STAMP_SCHEMA.into());
    fields.extend(stamp.as_object().cloned().unwrap_or_default());
    fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    fields.insert("digest".to_owned(), stamp::digest(files).into());
    pretty(&Value::Object(fields))
}

pub fn stamp_value(stamp: &Stamp) -> Value {
    let mut value = json!({
        "tool": "meshcast",
        "version": stamp.tool_version,
        "model_revision": stamp.model_revision,
        "verb": stamp.verb,
        "seed": stamp.seed,
        "replications": stamp.replications,
        "set": stamp.sets,
        "slo": stamp.slos,
    });
    if !stamp.flags.is_empty() {
        value["flags"] = stamp.flags.clone().into();
    }
    value["inputs"] = inputs(&stamp.inputs);
    if !stamp.configurations.is_empty() {
        let one =
            |own: &Configuration| json!({"name": own.name, "set": own.sets, "inputs": inputs(&own.inputs)});
        value["configurations"] = stamp.configurations.iter().map(one).collect();
    }
    value
}

fn inputs(inputs: &[Input]) -> Value {
    inputs.iter().map(|input| json!({"name": input.name, "sha256": input.sha256})).collect()
}

/// A table as a list of objects.
pub fn rows(table: Table<'_>, with_intervals: bool) -> Value {
    let columns = table.columns;
    let object = |row: Vec<Cell<'_>>| {
        let mut fields = Map::new();
        for (column, cell) in columns.iter().zip(&row) {
            match (column.content, cell) {
                (Content::Text, Cell::Text(text)) => {
                    fields.insert(column.name.to_owned(), Value::from(&**text));
                }
                (Content::Number(kind), Cell::Number(value)) => {
                    fields.insert(column.name.to_owned(), plain(*value, kind));
                }
                (Content::Figure(kind), Cell::Figure(estimate)) => {
                    insert_figure(&mut fields, column.name, *estimate, kind, with_intervals);
                }
                _ => unreachable!("the cells of a table are what its columns say"),
            }
        }
        Value::Object(fields)
    };
    Value::Array(table.rows.map(object).collect())
}

pub(super) fn objective(judged: &Judged, with_intervals: bool) -> Value {
    let kind = metric::kind(judged.figure);
    let mut fields = Map::new();
    fields.insert("objective".to_owned(), Value::from(judged.text.as_str()));
    insert_figure(&mut fields, "value", judged.observed, kind, with_intervals);
    fields.insert("limit".to_owned(), plain(judged.limit, kind));
    fields.insert("met".to_owned(), judged.met.into());
    fields.insert("unsure".to_owned(), judged.unsure.into());
    Value::Object(fields)
}

fn insert_figure(
    fields: &mut Map<String, Value>,
    name: &str,
    figure: Estimate,
    kind: Kind,
    with_intervals: bool,
) {
    let value = |value: Option<f64>| value.map_or(Value::Null, |value| plain(value, kind));
    fields.insert(name.to_owned(), value(figure.value));
    if with_intervals {
        fields.insert(format!("{name}_ci95"), value(figure.ci95));
    }
}

pub(super) fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("values of ours have string keys");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Held;
    use super::*;

    #[test]
    fn the_summary_has_csv_s_names_and_numbers() {
        let held = Held::tiny();
        let summary: Value = serde_json::from_str(&summary(&held.report())).expect("JSON");
        assert_eq!(summary["schema"], "meshcast.run/v1");
        assert_eq!(summary["stamp"]["inputs"][0]["sha256"], "ab".repeat(32));
        let all = &summary["clients"][0];
        assert_eq!((&all["requests"], &all["success_pct"]), (&json!(6), &json!(83.333333)));
        assert_eq!((&all["latency_max_ms_ci95"], &all["requests_ci95"]), (&Value::Null, &json!(0)));
        assert_eq!(summary["clusters"][0]["port"], 80);
        let lua = json!({"object": "EnvoyFilter default/lua", "file": "mesh/lua.yaml", "line": 3, "what": "patches"});
        assert_eq!((&summary["not_modelled"], &summary["notes"]), (&json!([lua]), &json!([])));
        let canary: Value = serde_json::from_str(&super::summary(&Held::canary().report())).expect("JSON");
        assert_eq!(canary["notes"], json!(["ratings-v1 runs on guesses: serviceTime, concurrency"]));
    }

    #[test]
    fn the_run_file_holds_the_digest_of_the_others() {
        let files = [File { path: "clients.csv".to_owned(), bytes: b"x".to_vec() }];
        let held = Held::tiny();
        let run: Value = serde_json::from_str(&run_file(held.report().stamp, &files)).expect("JSON");
        assert_eq!(run["digest"], stamp::digest(&files).as_str());
        assert_eq!((&run["seed"], &run["version"]), (&json!(42), &json!("0.1.0")));
    }
}
