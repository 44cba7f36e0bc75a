//! What can be told before a run, as lines: which rule serves which share of each client's requests, how many proxies
//! carry each limit, what the timeline changes, what has no effect, and what is guessed.

mod changes;
mod limits;
mod object;
mod routes;
mod words;

use changes::changes;
use limits::limits;
use routes::routes;

pub use object::object;
pub use words::Told;

use super::Section;
use super::terminal::{Look, wrapped};
use crate::study::Traffic;

/// Room that the summary takes before each line.
const INDENT: usize = 4;

/// All sections, those without lines left out.
pub fn sections(told: &Told<'_>, look: &Look) -> Vec<Section> {
    let traffic = told.traffic;
    let room = look.width.saturating_sub(INDENT);
    let section = |title: &str, lines: Vec<String>| Section { title: title.to_owned(), lines };
    let routes = traffic.clients.iter().flat_map(|client| routes(client, told, look, room)).collect();
    let limits = limits(&traffic.limits, &traffic.detectors, look, room);
    let changes = traffic.changes.iter().flat_map(|change| changes(change, told, look, room)).collect();
    let without_effect = told
        .without_effect
        .iter()
        .map(|remark| remark.line(told.base))
        .chain(traffic.unreached.iter().map(|name| format!("workload {name}: no request reaches it")));
    let guesses = guesses(traffic).into_iter().chain(told.guesses.iter().map(|guess| guess.line(told.base)));
    let mut all = vec![
        section(title(traffic), routes),
        section("Limits (each proxy keeps its own)", limits),
        section("What the timeline changes", changes),
        section("Without effect", wrapped(without_effect, room)),
        section("Guessed (write your own under `workloads`)", wrapped(guesses, room)),
    ];
    all.retain(|section| !section.lines.is_empty());
    all
}

fn title(traffic: &Traffic) -> &'static str {
    let connects = traffic.clients.iter().filter(|client| client.connects).count();
    match connects {
        0 => "Where requests go (calls per 100 requests of the client, if nothing fails)",
        all if all == traffic.clients.len() => {
            "Where connections go (of 100 of the client, if nothing fails)"
        }
        _ => "Where requests and connections go (per 100 of the client, if nothing fails)",
    }
}

/// Workloads that leave the same open share a line.
fn guesses(traffic: &Traffic) -> Vec<String> {
    let mut groups: Vec<(&[&str], Vec<&str>)> = Vec::new();
    for (name, keys) in &traffic.guessed {
        match groups.iter_mut().find(|(known, _)| known == keys) {
            Some((_, names)) => names.push(name),
            None => groups.push((keys, vec![name])),
        }
    }
    // As `resolve` fills them in. Source: design D9.12.
    let value = |key: &&str| match *key {
        "serviceTime" => "serviceTime lognormal(p50=10ms, p99=50ms)".to_owned(),
        "concurrency" => "concurrency unlimited".to_owned(),
        other => other.to_owned(),
    };
    let line = |(keys, names): (&[&str], Vec<&str>)| {
        let keys: Vec<String> = keys.iter().map(value).collect();
        format!("{} for {}", keys.join(" and "), names.join(", "))
    };
    groups.into_iter().map(line).collect()
}
