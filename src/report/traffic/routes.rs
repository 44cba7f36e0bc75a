//! The calls of one client, from the door inwards: which rule takes which share, and where it sends them.

use std::collections::BTreeMap;

use super::words::{Told, between, destination, hosts, percent, refused, target, written};
use crate::kernel::arrivals::Load;
use crate::kernel::words::counted;
use crate::report::number::chosen;
use crate::report::terminal::{Look, wrapped};
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
        let way = format!("  {:>6}  {:<left$}", percent(hop.calls), between(hop, look));
        let line = format!("{way}  {beside}");
        let mut below = Vec::new();
        if line.trim_end().chars().count() <= room {
            lines.push(line.trim_end().to_owned());
        } else {
            lines.push(way.trim_end().to_owned());
            below.push(beside);
        }
        below.extend(details(hop, told, look, room));
        lines.extend(wrapped(below.into_iter().map(|line| format!("{:10}{line}", "")), room));
    }
    if hidden > 0 {
        let (one, many) = (
            "more call that no rule takes, to the service it names",
            "more calls that no rule takes, each to the service it names",
        );
        lines.push(format!("{:10}and {}", "", counted(hidden, one, many)));
    }
    lines
}

fn headline(client: &ClientTraffic) -> String {
    let proxies = counted(client.proxies, "proxy", "proxies");
    let door = match &client.door {
        Door::Gateway(name) => format!("at gateway {name}"),
        Door::Workload(name) => format!("in the pods of {name}"),
        Door::Sidecar => "inside the mesh".to_owned(),
    };
    let over = client
        .connections
        .map(|count| format!(" over {}", counted(count as usize, "connection", "connections")));
    let over = over.unwrap_or_default();
    format!("{}: {}{over} {door}, {proxies}", client.name, load(&client.load, client.connects))
}

/// `connects`: what the client does is open connections.
fn load(load: &Load, connects: bool) -> String {
    let unit = if connects { "connections/s" } else { "rps" };
    let rps = |rate: f64| format!("{} {unit}", chosen(rate, 3));
    match load {
        Load::Constant { rate } => format!("{} evenly", rps(*rate)),
        Load::Poisson { rate } => format!("{} (Poisson)", rps(*rate)),
        Load::Bursty { rate, cv } => format!("{} in bursts (cv {})", rps(*rate), chosen(*cv, 2)),
        Load::Profile { points, .. } => {
            let rates = points.iter().map(|(_, rate)| *rate);
            let low = rates.clone().fold(f64::INFINITY, f64::min);
            let high = rates.fold(0.0, f64::max);
            format!("{} to {} over time", chosen(low, 3), rps(high))
        }
        Load::Closed { users, .. } if connects => counted(
            users,
            "connection, opened again when it ends,",
            "connections, opened again when they end,",
        ),
        Load::Closed { users, .. } => {
            counted(users, "user who waits for answers", "users who wait for answers")
        }
        Load::Trace { births } if connects => {
            counted(births.len(), "recorded connection", "recorded connections")
        }
        Load::Trace { births } => counted(births.len(), "recorded request", "recorded requests"),
    }
}

/// What becomes of calls that no rule takes. The service that they name needs no second mention.
fn default_route(hop: &Hop, look: &Look) -> String {
    match &hop.answer {
        Answer::NoRoute => format!("no route: {}", refused(hop, 404, "NR")),
        Answer::Forward(splits) => match &splits[..] {
            [only] if target(&only.service, &only.subset) == hop.host => {
                format!("no rule ({})", hosts(hop, only))
            }
            [only] => format!("no rule {} {}", look.pick("→", "->"), destination(hop, only)),
            _ => "no rule".to_owned(),
        },
        Answer::Respond(_) => "no rule".to_owned(),
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
                let both = format!("{line} {arrow} {}", destination(hop, only));
                if both.chars().count() + 10 <= room {
                    lines = vec![both];
                } else {
                    below.push(format!("{arrow} {}", destination(hop, only)));
                }
            }
            _ => {
                let line = |split: &Split| {
                    format!("{:>5} {arrow} {}", percent(split.share), destination(hop, split))
                };
                below.extend(splits.iter().map(line));
            }
        },
        Answer::Forward(_) | Answer::NoRoute => {}
    }
    if hop.aborted > 0.0 {
        lines.push(format!("{:>5} answered by an injected fault, the rest:", percent(hop.aborted)));
    }
    lines.extend(below);
    let copy =
        |mirror: &Split| format!("{:>5} copied to {}", percent(mirror.share), destination(hop, mirror));
    lines.extend(hop.mirrors.iter().map(copy));
    lines
}
