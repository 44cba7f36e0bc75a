//! The same as the sections, for programs: `traffic` of summary.json. Keys and their order are a contract, told in
//! outputs/README.md.

use serde_json::{Map, Value, json};

use super::words::Told;
use crate::kernel::arrivals::Load;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::routing::Rule;
use crate::report::number::{self, Kind};
use crate::report::place;
use crate::study::traffic::{
    Answer, Change, ChangedQuestion, ClientTraffic, Detector, Door, Hop, Limit, ScaledWorkload, Split,
};

/// All that can be told before a run.
pub fn object(told: &Told<'_>) -> Value {
    let traffic = told.traffic;
    let guessed = |(name, keys): &(String, Vec<&str>)| json!({"workload": name, "keys": keys});
    json!({
        "clients": list(&traffic.clients, |one| client(one, told)),
        "limits": list(&traffic.limits, limit),
        "detectors": list(&traffic.detectors, detector),
        "changes": list(&traffic.changes, |one| change(one, told)),
        "without_effect": list(told.without_effect, |one| one.json(told.base, "why")),
        "unreached_workloads": traffic.unreached,
        "guessed_workloads": list(&traffic.guessed, guessed),
        "guesses": list(told.guesses, |one| one.json(told.base, "what")),
    })
}

fn list<T>(values: &[T], make: impl Fn(&T) -> Value) -> Value {
    values.iter().map(make).collect()
}

fn measure(value: f64) -> Value {
    number::json(value, Kind::Measure)
}

fn percent(share: f64) -> Value {
    number::json(100.0 * share, Kind::Percent)
}

fn seconds(at: SimTime) -> Value {
    number::json(at.seconds(), Kind::Exact)
}

fn client(client: &ClientTraffic, told: &Told<'_>) -> Value {
    let (gateway, workload) = match &client.door {
        Door::Gateway(name) => (Some(name), None),
        Door::Workload(name) => (None, Some(name)),
        Door::Sidecar => (None, None),
    };
    json!({
        "client": client.name,
        "load": load(&client.load),
        "gateway": gateway,
        "workload": workload,
        "proxies": client.proxies,
        "connects": client.connects,
        "approximate": client.is_approximate,
        "calls": list(&client.hops, |one| hop(one, told)),
    })
}

fn load(load: &Load) -> Value {
    match load {
        Load::Constant { rate } => json!({"kind": "constant", "rps": measure(*rate)}),
        Load::Poisson { rate } => json!({"kind": "poisson", "rps": measure(*rate)}),
        Load::Bursty { rate, cv } => {
            json!({"kind": "bursty", "rps": measure(*rate), "cv": measure(*cv)})
        }
        Load::Profile { points, .. } => {
            let point = |(at, rate): &(SimTime, f64)| json!({"t_s": seconds(*at), "rps": measure(*rate)});
            json!({"kind": "profile", "points": list(points, point)})
        }
        Load::Closed { users, .. } => json!({"kind": "closed", "users": users}),
        Load::Trace { births } => json!({"kind": "trace", "requests": births.len()}),
    }
}

fn hop(hop: &Hop, told: &Told<'_>) -> Value {
    let (answer, destinations) = match &hop.answer {
        Answer::NoRoute => (json!("no route"), json!([])),
        Answer::Respond(code) => (json!(code), json!([])),
        Answer::Forward(splits) => (json!("forward"), list(splits, split)),
    };
    json!({
        "caller": hop.caller,
        "host": hop.host,
        "port": hop.port,
        "classes": hop.classes,
        "calls_per_request": measure(hop.calls),
        "rule": hop.rule.as_ref().map(|one| rule(one, told)),
        "aborted_pct": percent(hop.aborted),
        "answer": answer,
        "destinations": destinations,
        "mirrors": list(&hop.mirrors, split),
    })
}

fn rule(rule: &Rule, told: &Told<'_>) -> Value {
    let mut fields = Map::new();
    fields.insert("object".to_owned(), rule.object.as_str().into());
    fields.insert("name".to_owned(), rule.name.as_str().into());
    fields.extend(place::fields(&rule.place, told.base));
    Value::Object(fields)
}

fn split(split: &Split) -> Value {
    json!({
        "service": split.service,
        "port": split.port,
        "subset": split.subset,
        "share_pct": percent(split.share),
        "hosts": split.hosts,
    })
}

fn limit(limit: &Limit) -> Value {
    json!({
        "service": limit.service,
        "subset": limit.subset,
        "caller": Some(&limit.caller).filter(|_| !limit.is_inbound),
        "pods_of": Some(&limit.caller).filter(|_| limit.is_inbound),
        "field": limit.field,
        "each": limit.each,
        "proxies": limit.proxies,
        "in_all": u64::from(limit.each) * limit.proxies as u64,
    })
}

fn detector(detector: &Detector) -> Value {
    json!({
        "service": detector.service,
        "subset": detector.subset,
        "caller": detector.caller,
        "consecutive_errors": detector.consecutive,
        "max_ejection_percent": detector.max_ejection_percent,
        "hosts": detector.hosts,
        "proxies": detector.proxies,
    })
}

fn change(change: &Change, told: &Told<'_>) -> Value {
    let question = |one: &ChangedQuestion| {
        json!({
            "client": one.client,
            "caller": one.caller,
            "host": one.host,
            "port": one.port,
            "before": list(&one.before, |one| hop(one, told)),
            "after": list(&one.after, |one| hop(one, told)),
        })
    };
    json!({
        "t_s": seconds(change.at),
        "label": change.label,
        "calls": list(&change.questions, question),
        "limits": list(&change.limits, limit),
        "pods": list(&change.scalings, scaling),
    })
}

fn scaling(one: &ScaledWorkload) -> Value {
    let length = |length: SimDuration| seconds(SimTime::ZERO + length);
    json!({
        "workload": one.workload,
        "before": one.before,
        "after": one.after,
        "startup_s": length(one.startup),
        "shutdown_s": length(one.shutdown),
    })
}
