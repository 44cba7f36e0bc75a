//! `sweep.json` and the `run.json` of a sweep.

use serde_json::{Map, Value, json};

use super::super::json::{pretty, run_file_of};
use super::super::number::json as plain;
use super::super::stamp::File;
use super::{Point, Study, tornado};

const SCHEMA: &str = "meshcast.sweep/v1";

/// `sweep.json`: the objectives of each point; all other figures are in `sweep.csv`.
pub fn sweep(study: &Study, points: &[Point], is_whole: bool) -> String {
    let mut fields = Map::new();
    fields.insert("schema".to_owned(), SCHEMA.into());
    fields.insert("title".to_owned(), study.title.as_str().into());
    fields.insert("stamp".to_owned(), study.stamp.clone());
    fields.insert("sweep".to_owned(), about(study));
    fields.insert("points".to_owned(), points.iter().map(|point| object(study, point)).collect());
    if let Some(sensitivity) = study.sensitivity.as_ref().filter(|_| is_whole) {
        fields.insert("sensitivity".to_owned(), tornado::json(study, points));
        let untried = sensitivity.untried.iter().map(|one| json!({"input": one.name, "why": one.why}));
        fields.insert("not_tried".to_owned(), untried.collect());
    }
    pretty(&Value::Object(fields))
}

/// `run.json`: the stamp, what was swept, and the digest of `files`.
pub fn run_file(study: &Study, files: &[File]) -> String {
    run_file_of(&study.stamp, &[("sweep", about(study))], files)
}

fn about(study: &Study) -> Value {
    let mut about = json!({
        "design": study.design,
        "vary": study.dimensions.iter().map(|d| json!({"path": d.name, "range": d.range})).collect::<Vec<_>>(),
        "points": study.points,
    });
    if let Some(shard) = study.shard {
        about["shard"] = format!("{}/{}", shard.number, shard.of).into();
    }
    about
}

fn object(study: &Study, point: &Point) -> Value {
    let with_intervals = study.replications() > 1;
    let names = study.dimensions.iter().map(|dimension| dimension.name.clone());
    let values: Map<String, Value> =
        names.zip(point.values.iter().map(|value| value.as_str().into())).collect();
    let objective = |(target, judged): (&super::Target, crate::study::Judged)| {
        let figure = |value: Option<f64>| value.map_or(Value::Null, |value| plain(value, target.kind()));
        let mut fields = Map::new();
        fields.insert("objective".to_owned(), target.text.as_str().into());
        fields.insert("metric".to_owned(), target.metric.as_str().into());
        fields.insert("value".to_owned(), figure(judged.observed.value));
        if with_intervals {
            fields.insert("value_ci95".to_owned(), figure(judged.observed.ci95));
        }
        if let Some(limit) = target.limit {
            fields.insert("limit".to_owned(), plain(limit, target.kind()));
            fields.insert("met".to_owned(), judged.met.into());
            fields.insert("unsure".to_owned(), judged.unsure.into());
        }
        Value::Object(fields)
    };
    let objectives: Vec<Value> = study.targets.iter().zip(study.judge(point)).map(objective).collect();
    let mut fields = Map::new();
    fields.insert("point".to_owned(), point.point.into());
    fields.insert("values".to_owned(), Value::Object(values));
    fields.insert("objectives".to_owned(), objectives.into());
    if study.has_limits() {
        fields.insert("met".to_owned(), study.meets(point).into());
    }
    fields.insert("steady".to_owned(), point.steady.into());
    fields.insert("notes".to_owned(), point.notes.as_slice().into());
    Value::Object(fields)
}
