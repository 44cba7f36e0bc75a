//! The calls of one client, from the door inwards: which rule takes which share, and where it sends them.

use std::collections::BTreeMap;

use super::words::{Told, between, destination, percent, written};
use crate::kernel::arrivals::Load;
use crate::report::number::{self, fixed};
use crate::report::terminal::Look;
use crate::study::traffic::{Answer, ClientTraffic, Door, Hop, Split};

/// Calls without a rule that one client's list shows: large meshes have hundreds.
const MOST_PLAIN: usize = 20;

pub fn routes(client: &ClientTraffic, told: &Told<'_>, look: &Look, room: usize) -> Vec<String> {
    let mut lines = vec![look.bold(&headline(client))];
    if client.is_approximate {
        lines.push("  (of the population 2000 users were looked at)".to_owned());
    }
    let left = client.hops.iter().map(|hop| between(hop, look).chars().count()).max().unwrap_or(0);
    let mut questions: BTreeMap<(&str, &str, u16), usize> = BTreeMap::new();
    for hop in &client.hops {
        *questions.entry((&hop.caller, &hop.host, hop.port)).or_default() += 1;
    }
    let (mut plain, mut hidden) = (0, 0);
    for hop in &client.hops {
        let is_plain = hop.rule.is_none()
            && matches!(&hop.answer, Answer::Forward(splits) if splits.iter().all(|split| split.hosts > Some(0)));
        plain += usize::from(is_plain);
        if is_plain && plain > MOST_PLAIN {
            hidden += 1;
            continue;
        }
        let is_ambiguous = questions[&(hop.caller.as_str(), hop.host.as_str(), hop.port)] > 1;
        let beside = match (&hop.rule, is_ambiguous) {
            (None, _) => default_route(hop, look),
            (Some(_), true) => whose(hop),
            (Some(_), false) => String::new(),
        };
        let line = format!("  {:>6}  {:<left$}  {beside}", percent(hop.calls), between(hop, look));
        lines.push(line.trim_end().to_owned());
        lines.extend(details(hop, told, look, room).into_iter().map(|line| format!("{:10}{line}", "")));
    }
    if hidden > 0 {
        lines.push(format!(
            "{:10}and {hidden} more calls that no rule takes, each to the service it names",
            ""
        ));
    }
    lines
}

fn headline(client: &ClientTraffic) -> String {
    let proxies = match client.proxies {
        1 => "1 proxy".to_owned(),
        many => format!("{many} proxies"),
    };
    let door = match &client.door {
        Door::Gateway(name) => format!("at gateway {name}"),
        Door::Workload(name) => format!("in the pods of {name}"),
        Door::Sidecar => "inside the mesh".to_owned(),
    };
    format!("{}: {} {door}, {proxies}", client.name, load(&client.load))
}

fn load(load: &Load) -> String {
    match load {
        Load::Constant { rate } => format!("{} rps evenly", number::rate(*rate)),
        Load::Poisson { rate } => format!("{} rps (Poisson)", number::rate(*rate)),
        Load::Bursty { rate, cv } => format!("{} rps in bursts (cv {})", number::rate(*rate), fixed(*cv, 2)),
        Load::Profile { points, .. } => {
            let rates = points.iter().map(|(_, rate)| *rate);
            let low = rates.clone().fold(f64::INFINITY, f64::min);
            let high = rates.fold(0.0, f64::max);
            format!("{} to {} rps over time", number::rate(low), number::rate(high))
        }
        Load::Closed { users, .. } if users.get() == 1 => "1 user who waits for answers".to_owned(),
        Load::Closed { users, .. } => format!("{users} users who wait for answers"),
        Load::Trace { births } => format!("{} recorded requests", births.len()),
    }
}

/// What becomes of calls that no rule takes.
fn default_route(hop: &Hop, look: &Look) -> String {
    match &hop.answer {
        Answer::NoRoute => "no route: 404 NR".to_owned(),
        Answer::Forward(splits) if splits.len() == 1 => {
            format!("no rule {} {}", look.pick("→", "->"), destination(&splits[0]))
        }
        Answer::Forward(_) | Answer::Respond(_) => "no rule".to_owned(),
    }
}

fn whose(hop: &Hop) -> String {
    let mut shown: Vec<&str> = hop.classes.iter().map(String::as_str).take(2).collect();
    let more = format!("{} more", hop.classes.len().saturating_sub(2));
    if hop.classes.len() > 2 {
        shown.push(&more);
    }
    format!("for {}", shown.join(", "))
}

/// The rule and where it sends: behind it if there is one place only and room, else below it.
fn details(hop: &Hop, told: &Told<'_>, look: &Look, room: usize) -> Vec<String> {
    let arrow = look.pick("→", "->");
    let mut lines: Vec<String> = hop.rule.iter().map(|rule| format!("by {}", written(rule, told))).collect();
    let mut below = Vec::new();
    match &hop.answer {
        Answer::Respond(code) => below.push(format!("answered by the proxy itself: {code}")),
        Answer::Forward(splits) if hop.rule.is_some() || splits.len() != 1 => match (&lines[..], &splits[..])
        {
            ([line], [only]) => {
                let both = format!("{line} {arrow} {}", destination(only));
                if both.chars().count() + 10 <= room {
                    lines = vec![both];
                } else {
                    below.push(format!("{arrow} {}", destination(only)));
                }
            }
            _ => {
                let line =
                    |split: &Split| format!("{:>5} {arrow} {}", percent(split.share), destination(split));
                below.extend(splits.iter().map(line));
            }
        },
        Answer::Forward(_) | Answer::NoRoute => {}
    }
    if hop.aborted > 0.0 {
        lines.push(format!("{:>5} answered by an injected fault, the rest:", percent(hop.aborted)));
    }
    lines.extend(below);
    let copy = |mirror: &Split| format!("{:>5} copied to {}", percent(mirror.share), destination(mirror));
    lines.extend(hop.mirrors.iter().map(copy));
    lines
}
