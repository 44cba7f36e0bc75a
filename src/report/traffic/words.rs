//! Words that all sections share: callers, destinations, rules, places, shares.

use crate::mesh::Place;
use crate::mesh::routing::Rule;
use crate::report::number::fixed;
use crate::report::terminal::Look;
use crate::study::traffic::{Hop, Split};

/// What others have to say before a run, a line each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// Objects that change nothing, with their places and why.
    pub without_effect: &'a [String],
    /// What the input leaves open, and what was decided for it.
    pub guesses: &'a [String],
    /// The scenario's directory: places are named from there, as the scenario names them.
    pub base: &'a str,
}

/// `productpage-v1 -> reviews:9080`.
pub fn between(hop: &Hop, look: &Look) -> String {
    let port = if hop.port == 80 { String::new() } else { format!(":{}", hop.port) };
    format!("{} {} {}{port}", hop.caller, look.pick("→", "->"), hop.host)
}

/// `VirtualService default/reviews http[0] (manifests/reviews.yaml:12)`.
pub fn written(rule: &Rule, told: &Told<'_>) -> String {
    format!("{} ({})", named(rule), place(&rule.place, told.base))
}

/// Names that people gave are quoted, numbers are not.
pub fn named(rule: &Rule) -> String {
    let name = &rule.name;
    if name.contains('[') { format!("{} {name}", rule.object) } else { format!("{} \"{name}\"", rule.object) }
}

/// `manifests/reviews.yaml:12`, from the directory `base` where it lies below it.
pub fn place(place: &Place, base: &str) -> String {
    let inside = place.file.strip_prefix(base).filter(|_| !base.is_empty());
    let file = inside.map_or(place.file.as_str(), |rest| rest.trim_start_matches('/'));
    format!("{file}:{}", place.line)
}

/// `reviews v2 (3 hosts)`.
pub fn destination(split: &Split) -> String {
    let hosts = match split.hosts {
        None => "no such cluster: 503 NC".to_owned(),
        Some(0) => "no host: 503 UH".to_owned(),
        Some(1) => "1 host".to_owned(),
        Some(many) => format!("{many} hosts"),
    };
    format!("{} ({hosts})", target(&split.service, &split.subset))
}

pub fn target(service: &str, subset: &str) -> String {
    if subset.is_empty() { service.to_owned() } else { format!("{service} {subset}") }
}

/// As people say it: `95%`, `0.5%`, `300%`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    let decimals = match value {
        value if value >= 9.95 || value == 0.0 => 1,
        value if value >= 0.1 => 2,
        _ => 4,
    };
    format!("{}%", fixed(value, decimals))
}

/// Breaks lines at blanks; continuations are set in by two more than their line.
pub fn wrapped(lines: impl Iterator<Item = String>, room: usize) -> Vec<String> {
    let mut all = Vec::new();
    for line in lines {
        let indent = line.chars().take_while(|letter| *letter == ' ').count();
        let mut current = " ".repeat(indent);
        let mut is_empty = true;
        for word in line.split_whitespace() {
            if !is_empty && current.chars().count() + 1 + word.chars().count() > room {
                all.push(std::mem::replace(&mut current, " ".repeat(indent + 2)));
                is_empty = true;
            }
            if !is_empty {
                current.push(' ');
            }
            current.push_str(word);
            is_empty = false;
        }
        all.push(current);
    }
    all
}
