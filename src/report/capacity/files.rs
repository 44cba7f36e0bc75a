//! `capacity.csv` and `capacity.json`, and the folder that holds them. Source: design D6.

use serde_json::{Map, Value, json};

use super::super::json::stamp_value;
use super::super::number::{Kind, json as plain};
use super::super::plot::DrawError;
use super::super::table::{Cell, Table, figure, number, text};
use super::super::{File, csv, json as summary, metric, place, stamp};
use super::{Session, Subject, plot};
use crate::study::Judged;
use crate::study::capacity::{Answer, Capacity, Case, FullLimit, Strain, Tried};

pub const SCHEMA: &str = "meshcast.capacity/v1";

/// All files of the output folder, `run.json` with the digest of the others at the end.
pub fn folder(session: &Session<'_>, with_plots: bool) -> Result<Vec<File>, DrawError> {
    let mut files = vec![
        File { path: "capacity.csv".to_owned(), bytes: table(session) },
        File { path: "capacity.json".to_owned(), bytes: object(session).into_bytes() },
    ];
    if with_plots && !session.tried.is_empty() {
        files.extend(plot::draw(session)?);
    }
    let run = summary::run_file(session.stamp, &files);
    files.push(File { path: stamp::RUN_FILE.to_owned(), bytes: run.into_bytes() });
    Ok(files)
}

/// One row for each point, loss and objective, in the order in which points were tried. Figures of all kinds share a
/// column, so all have the digits of percentages.
pub fn table(session: &Session<'_>) -> Vec<u8> {
    let columns = vec![
        number("point", Kind::Count),
        text("values"),
        text("offered_rps"),
        text("cost"),
        text("loss"),
        number("replications", Kind::Count),
        text("objective"),
        figure("value", Kind::Percent),
        number("limit", Kind::Percent),
        text("met"),
        text("unsure"),
        number("unanswered_pct", Kind::Percent),
        text("steady"),
        text("point_meets"),
        text("role"),
    ];
    let rows = session.tried.iter().enumerate().flat_map(|(index, tried)| {
        tried.cases.iter().flat_map(move |case| {
            case.judged.iter().map(move |judged| row(session, index, tried, case, judged))
        })
    });
    csv::write(Table { columns, rows: Box::new(rows) }, session.stamp.replications > 1)
}

fn row<'a>(
    session: &'a Session<'_>,
    index: usize,
    tried: &Tried,
    case: &'a Case,
    judged: &'a Judged,
) -> Vec<Cell<'a>> {
    let optional = |value: Option<f64>| {
        value.map_or_else(String::new, |value| super::super::number::plain(value, Kind::Measure))
    };
    let word = |is: bool| if is { "true" } else { "false" };
    vec![
        ((index + 1) as f64).into(),
        assignments(session, index).into(),
        optional(tried.offered_rps).into(),
        optional(session.costs[index]).into(),
        case.loss.as_deref().unwrap_or("").into(),
        f64::from(case.replications).into(),
        (&judged.text).into(),
        judged.observed.into(),
        judged.limit.into(),
        word(judged.met).into(),
        word(judged.unsure).into(),
        case.health.unanswered_pct.into(),
        word(!case.health.is_overloaded()).into(),
        word(tried.meets()).into(),
        role(session.capacity, index).into(),
    ]
}

/// `workloads.app.replicas=4; workloads.app.queue=16`, as `--set` takes them.
fn assignments(session: &Session<'_>, index: usize) -> String {
    let names = match &session.subject {
        Subject::Load { .. } => vec!["load".to_owned()],
        Subject::Paths(paths) => paths.clone(),
    };
    let pairs = names.iter().zip(&session.values[index]).map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("; ")
}

/// What a point is to the answer.
fn role(capacity: Option<&Capacity>, index: usize) -> &'static str {
    let Some(Capacity { answer, limit, .. }) = capacity else { return "tried" };
    match answer {
        Answer::Least { best, .. } if *best == index => "answer",
        Answer::Least { frontier, .. } if frontier.contains(&index) => "frontier",
        Answer::Whole(hardest) if *hardest == index => "answer",
        Answer::Nothing(nearest) if *nearest == index => "nearest",
        _ if *limit == index => "limit",
        _ => "tried",
    }
}

/// The whole search as JSON.
pub fn object(session: &Session<'_>) -> String {
    let points: Vec<Value> = (0..session.tried.len()).map(|index| point(session, index)).collect();
    let not_modelled: Vec<Value> =
        session.not_modelled.iter().map(|remark| remark.json(session.base, "what")).collect();
    summary::pretty(&json!({
        "schema": SCHEMA,
        "stamp": stamp_value(session.stamp),
        "sentence": session.sentence(),
        "answer": session.capacity.map(|capacity| answer(session, capacity)),
        "limit": session.capacity.map(|capacity| limit(session, capacity)),
        "monotone": session.capacity.map(|capacity| capacity.fold.is_none()),
        "fold": session.capacity.and_then(|capacity| capacity.fold).map(|fold| {
            json!({"misses": fold.misses + 1, "meets": fold.meets + 1})
        }),
        "replications_run": session.runs,
        "grid_points": session.grid.map(|grid| plain(grid, Kind::Count)),
        "points": points,
        "not_modelled": not_modelled,
    }))
}

fn answer(session: &Session<'_>, capacity: &Capacity) -> Value {
    let measure = |value: f64| plain(value, Kind::Measure);
    match &capacity.answer {
        Answer::Value { value, interval } => {
            let mut fields = Map::new();
            fields.insert("kind".to_owned(), "value".into());
            fields.insert("value".to_owned(), measure(*value));
            fields.insert(
                "ci95".to_owned(),
                interval.map_or(Value::Null, |(a, b)| json!([measure(a), measure(b)])),
            );
            match &session.subject {
                Subject::Load { rps, users } => {
                    let of = |factor: f64| rps.map_or(Value::Null, |rps| measure(factor * rps));
                    fields.insert("rps".to_owned(), of(*value));
                    let ends = interval.map_or(Value::Null, |(a, b)| json!([of(a), of(b)]));
                    fields.insert("rps_ci95".to_owned(), ends);
                    if let Some(users) = users {
                        let of = |factor: f64| plain((factor * users).round(), Kind::Count);
                        fields.insert("users".to_owned(), of(*value));
                        let ends = interval.map_or(Value::Null, |(a, b)| json!([of(a), of(b)]));
                        fields.insert("users_ci95".to_owned(), ends);
                    }
                }
                Subject::Paths(_) => {
                    fields.insert("text".to_owned(), (session.text_of)(*value).into());
                }
            }
            Value::Object(fields)
        }
        Answer::Whole(hardest) => json!({"kind": "whole range", "point": hardest + 1}),
        Answer::Nothing(nearest) => json!({"kind": "nothing", "nearest": nearest + 1}),
        Answer::Least { best, frontier, interval, is_complete } => json!({
            "kind": "point",
            "point": best + 1,
            "values": session.values[*best],
            "cost": session.costs[*best].map(measure),
            "ci95": interval.map(|(low, high)| {
                [low, high].map(|place| (session.text_of)(place as f64))
            }),
            "frontier": frontier.iter().map(|point| point + 1).collect::<Vec<_>>(),
            "frontier_complete": is_complete,
        }),
    }
}

fn limit(session: &Session<'_>, capacity: &Capacity) -> Value {
    let tried = &session.tried[capacity.limit];
    let tightest = tried.tightest();
    json!({
        "point": capacity.limit + 1,
        "objective": tightest.map(|(_, judged)| judged.text.clone()),
        "met": tightest.map(|(_, judged)| judged.met),
        "loss": tightest.and_then(|(case, _)| case.loss.clone()),
        "trouble": tried.worst().and_then(|case| case.health.trouble()),
        "strain": tried.worst().map(|case| strain(session, &case.strain)),
    })
}

fn strain(session: &Session<'_>, strain: &Strain) -> Value {
    let measure = |value: f64| plain(value, Kind::Measure);
    let workers = strain.workers.iter().map(|found| {
        let mut fields = Map::new();
        fields.insert("workload".to_owned(), found.workload.as_str().into());
        fields.insert("utilization_pct".to_owned(), measure(found.whole_pct));
        fields
            .insert("pod".to_owned(), found.pod.as_ref().map_or(Value::Null, |(pod, _)| pod.as_str().into()));
        if let Some(place) = (session.place_of)(&found.workload) {
            fields.extend(place::fields(&place, session.base));
        }
        Value::Object(fields)
    });
    let full = |limit: &FullLimit| {
        let mut fields = Map::new();
        fields.insert("keeper".to_owned(), limit.keeper.as_str().into());
        fields.insert("service".to_owned(), limit.service.as_str().into());
        fields.insert("subset".to_owned(), limit.subset.as_str().into());
        fields.insert("field".to_owned(), limit.field.into());
        fields.insert("times".to_owned(), plain(limit.times, Kind::Count));
        fields.insert("waits".to_owned(), limit.waits.into());
        if let Some(written) = (session.limit_of)(limit) {
            fields.insert("object".to_owned(), written.object.into());
            fields.insert("value".to_owned(), written.value.into());
            fields.extend(written.place.iter().flat_map(|place| place::fields(place, session.base)));
        }
        Value::Object(fields)
    };
    let ejections = strain.ejections.iter().map(|found| {
        json!({
            "caller": found.caller,
            "service": found.service,
            "subset": found.subset,
            "ejections": plain(found.count, Kind::Count),
            "no_healthy_upstream": plain(found.no_host, Kind::Count),
        })
    });
    json!({
        "workers": workers.collect::<Vec<_>>(),
        "limits": strain.limits.iter().map(full).collect::<Vec<_>>(),
        "ejections": ejections.collect::<Vec<_>>(),
    })
}

fn point(session: &Session<'_>, index: usize) -> Value {
    let tried = &session.tried[index];
    let cases = tried.cases.iter().map(|case| {
        let judged = case.judged.iter().map(|judged| {
            let value = |value: Option<f64>| {
                value.map_or(Value::Null, |value| plain(value, metric::kind(judged.figure)))
            };
            json!({
                "objective": judged.text,
                "value": value(judged.observed.value),
                "value_ci95": value(judged.observed.ci95),
                "limit": plain(judged.limit, metric::kind(judged.figure)),
                "met": judged.met,
                "unsure": judged.unsure,
            })
        });
        json!({
            "loss": case.loss,
            "replications": case.replications,
            "rps": plain(case.rps, Kind::Measure),
            "unanswered_pct": plain(case.health.unanswered_pct, Kind::Percent),
            "trouble": case.health.trouble(),
            "objectives": judged.collect::<Vec<_>>(),
        })
    });
    json!({
        "point": index + 1,
        "values": session.values[index],
        "offered_rps": tried.offered_rps.map(|rps| plain(rps, Kind::Measure)),
        "cost": session.costs[index].map(|cost| plain(cost, Kind::Measure)),
        "meets": tried.meets(),
        "unsure": tried.is_unsure(),
        "role": role(session.capacity, index),
        "cases": cases.collect::<Vec<_>>(),
    })
}
