//! Where there is no border, where it lies above, and what is no load that a mesh takes.

use serde_json::Value;

use super::{Desk, text};

#[test]
fn a_load_that_changes_nothing_has_no_capacity() {
    let desk = Desk::new(
        &text(4, "unlimited", "success >= 99.95%", "60s", 3)
            .replace("serviceTime", "errors: {rate: 0.1%}, serviceTime"),
    );
    let (code, out, err) = desk.run(&["-q", "-o", "-"]);
    assert_eq!(code, 4, "{out}{err}");
    assert!(out.starts_with("no load meets the objectives: success is 99."), "{out}");
    assert!(out.contains("at every load tried, down to 0.195 rps"), "{out}");
}

/// Without a limit on the queue everybody is served in the end, and all requests succeed.
#[test]
fn more_than_can_be_served_is_not_met() {
    let desk = Desk::new(&text(4, "unlimited", "success >= 99%", "60s", 42));
    let (code, out, err) = desk.run(&["-o", "-", "--format", "json"]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    let rps = json["answer"]["rps"].as_f64().expect("a border");
    // Four servers of 10 ms serve 400 requests a second.
    assert!(code == 0 && (395.0..405.0).contains(&rps), "{rps}: {err}");
    let ends = json["answer"]["rps_ci95"].as_array().expect("an interval");
    assert!(ends[0].as_f64() < Some(rps) && Some(rps) < ends[1].as_f64(), "{ends:?}");
    let trouble = json["limit"]["trouble"].as_str().expect("some");
    assert!(trouble.contains("server"), "{trouble}");
    let (_, text, _) = desk.run(&["-o", "-"]);
    assert!(text.contains("overload") && text.contains("breaks first   at 4"), "{text}");
    // Requests that nobody answers: twice what can be served, looked at until the minute of grace is over.
    let (code, text, _) = desk.run(&["-o", "-", "--vary", "load=8x..9x"]);
    assert!(code == 4 && text.contains("have no answer when the run ends"), "{code} {text}");
}

#[test]
fn objectives_that_want_more_load_are_searched_for_above() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 60ms, rps >= 220", "60s", 42));
    let rps = desk.json(&[])["answer"]["rps"].as_f64().expect("a border");
    assert!((285.0..315.0).contains(&rps), "{rps}");
    let between = desk.json(&["--vary", "load=150rps..500rps"])["answer"]["rps"].as_f64().expect("a border");
    assert!((285.0..315.0).contains(&between), "{between}");
    let never = Desk::new(&text(4, "unlimited", "p(99) < 60ms, rps >= 350", "20s", 42));
    assert_eq!(never.run(&["-q", "-o", "-"]).0, 4);
}

#[test]
fn closed_loops_have_whole_users() {
    let closed = text(4, "unlimited", "p(99) < 60ms", "30s", 42)
        .replace("poisson(200rps)", "\"closed(users=10, think=exponential(mean=50ms))\"");
    let desk = Desk::new(&closed);
    let json = desk.json(&[]);
    let users = |value: &Value| value.as_f64().expect("a number");
    assert_eq!(users(&json["answer"]["users"]).fract(), 0.0);
    assert!((23.0..=27.0).contains(&users(&json["answer"]["users"])), "{}", json["sentence"]);
    let mut tried: Vec<f64> = json["points"]
        .as_array()
        .expect("points")
        .iter()
        .map(|point| users(&point["cases"][0]["rps"]))
        .collect();
    tried.sort_by(f64::total_cmp);
    tried.dedup();
    assert_eq!(tried.len(), json["points"].as_array().map_or(0, Vec::len), "no number of users twice");
    let sentence = json["sentence"].as_str().expect("text");
    assert!(sentence.starts_with("max 2") && sentence.contains(" users (95% CI 2"), "{sentence}");
}

#[test]
fn where_less_is_easier_the_other_end_is_named() {
    let desk = Desk::new(&text(4, "unlimited", "p(99) < 60ms", "20s", 42));
    let (_, out, _) = desk.run(&["-o", "-", "--vary", "workloads.server.serviceTime=5ms..30ms"]);
    assert!(out.contains("less is easier here") && out.contains("--find max"), "{out}");
    assert!(!out.contains("not monotone"), "{out}");
    let (_, out, _) =
        desk.run(&["-o", "-", "--find", "max", "--vary", "workloads.server.serviceTime=5ms..30ms"]);
    assert!(out.contains("largest: workloads.server.serviceTime = 1"), "{out}");
    let told = out
        .split_once("serviceTime = ")
        .and_then(|(_, rest)| rest.split_once("ms (95% CI 1"))
        .map(|(told, _)| told);
    let decimals = told.and_then(|told| told.split_once('.')).map(|(_, decimals)| decimals.len());
    assert!(
        (1..=3).contains(&decimals.unwrap_or(0)),
        "between whole numbers, as finely as it is known: {out}"
    );
}
