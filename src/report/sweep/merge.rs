//! Parts of one sweep: whether they belong together, and what tells two sweeps apart.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Shard, Study};

/// The sweep that parts make together, and for each shard its place among the parts. The error says what is wrong with
/// which part; its lines after the first help.
pub fn whole(parts: &[(String, Study)]) -> Result<(Study, Vec<usize>), String> {
    let Some((first, study)) = parts.first() else { return Err("there is no part".to_owned()) };
    let mut whole = study.clone();
    whole.shard = None;
    let of = study.shard.map_or(1, |shard| shard.of);
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    for (place, (name, part)) in parts.iter().enumerate() {
        let bare = Study { shard: None, ..part.clone() };
        if let Some(difference) = differences(&whole, &bare, &[&quoted(first), &quoted(name)]).first() {
            return Err(format!(
                "`{name}` is no part of the same sweep as `{first}`: {difference}\nmake both with the same \
                 input, flags and version"
            ));
        }
        let shard = part.shard.unwrap_or(Shard { number: 0, of: 1 });
        if shard.of != of {
            let help = "parts of one sweep are cut alike";
            return Err(format!("`{first}` is one of {of} shards, and `{name}` one of {}\n{help}", shard.of));
        }
        if let Some(other) = places.insert(shard.number, place) {
            let other = &parts[other].0;
            return Err(format!(
                "`{other}` and `{name}` are both shard {}/{of}\nname each part once",
                shard.number
            ));
        }
    }
    let missing: Vec<String> =
        (0..of).filter(|n| !places.contains_key(n)).map(|n| format!("{n}/{of}")).collect();
    match missing.is_empty() {
        true => Ok((whole, places.into_values().collect())),
        false => {
            let plural = if missing.len() == 1 { "shard" } else { "shards" };
            let help = "name the folders of all parts, or make them with `--shard`";
            Err(format!("{plural} {} missing\n{help}", are(&missing)))
        }
    }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

fn are(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

/// What differs between two sweeps, one line each; `names`: how to call the two, in quotes where they are names.
pub fn differences(left: &Study, right: &Study, names: &[&str; 2]) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |what: &str, before: String, after: String| {
        if before != after {
            told.push(format!("{what} is {before} in {} and {after} in {}", names[0], names[1]));
        }
    };
    let keys = [
        ("version", "meshcast's version"),
        ("model_revision", "the model's revision"),
        ("verb", "the command"),
        ("seed", "the seed"),
        ("replications", "the number of replications"),
        ("slo", "`--slo`"),
    ];
    for (key, what) in keys {
        tell(what, left.stamp[key].to_string(), right.stamp[key].to_string());
    }
    for (key, what) in [("duration", "the duration"), ("warmup", "the warm-up")] {
        tell(what, ordered(left, key), ordered(right, key));
    }
    tell("`--set`", sets(left), sets(right));
    tell("the design", left.design.clone(), right.design.clone());
    tell("what is varied", varied(left), varied(right));
    tell("the number of points", left.points.to_string(), right.points.to_string());
    let shard = |study: &Study| study.shard.map_or("none".to_owned(), |s| format!("{}/{}", s.number, s.of));
    tell("the shard", shard(left), shard(right));
    told.extend(inputs(left, right, names));
    if told.is_empty() && left != right {
        told.push(format!("what is looked at differs between {} and {}", names[0], names[1]));
    }
    told
}

/// Orders of the stamp, those of flags that stand for one among them.
fn orders(study: &Study) -> impl Iterator<Item = &str> {
    study.stamp["set"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// What the last order for this key of the scenario says.
fn ordered(study: &Study, key: &str) -> String {
    let values = orders(study).filter_map(|order| order.strip_prefix(key)?.strip_prefix('='));
    values.last().unwrap_or("the scenario's").to_owned()
}

/// Orders that are told in no other way.
fn sets(study: &Study) -> String {
    let is_told = |order: &&str| {
        TOLD.iter().any(|key| order.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')))
    };
    let others: Vec<&str> = orders(study).filter(|order| !is_told(order)).collect();
    if others.is_empty() { "none".to_owned() } else { others.join(" ") }
}

/// Keys of the scenario whose values are told by themselves.
const TOLD: [&str; 4] = ["seed", "replications", "duration", "warmup"];

fn varied(study: &Study) -> String {
    let each = study.dimensions.iter().map(|dimension| format!("{}={}", dimension.name, dimension.range));
    each.collect::<Vec<_>>().join(" ")
}

fn inputs(left: &Study, right: &Study, names: &[&str; 2]) -> Vec<String> {
    let sums = |study: &Study| -> BTreeMap<String, String> {
        let text = |input: &Value, key: &str| input[key].as_str().unwrap_or_default().to_owned();
        let inputs = study.stamp["inputs"].as_array();
        inputs.into_iter().flatten().map(|input| (text(input, "name"), text(input, "sha256"))).collect()
    };
    let (before, after) = (sums(left), sums(right));
    let mut told = Vec::new();
    for (name, sum) in &before {
        match after.get(name) {
            None => told.push(format!("the input {name} is in {} alone", names[0])),
            Some(other) if other != sum => {
                told.push(format!("the input {name} is another in {} than in {}", names[0], names[1]));
            }
            Some(_) => {}
        }
    }
    let fresh = after.keys().filter(|name| !before.contains_key(*name));
    told.extend(fresh.map(|name| format!("the input {name} is in {} alone", names[1])));
    told
}
