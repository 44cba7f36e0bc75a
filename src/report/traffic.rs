//! What can be told before a run, as lines: which rule serves which share of each client's requests, how many proxies
//! carry each limit, what the timeline changes, what has no effect, and what is guessed.

use std::collections::BTreeMap;

use super::number;
use super::terminal::Look;
use super::{Section, number::fixed};
use crate::kernel::SimTime;
use crate::kernel::arrivals::Load;
use crate::mesh::routing::Rule;
use crate::study::Traffic;
use crate::study::traffic::{Answer, Change, ClientTraffic, Detector, Door, Hop, Limit, Split};

/// Room that the summary takes before each line.
const INDENT: usize = 4;

/// What others have to say before a run, a line each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// Objects that change nothing, with their places and why.
    pub without_effect: &'a [String],
    /// What the input leaves open, and what was decided for it.
    pub guesses: &'a [String],
}

/// All sections, those without lines left out.
pub fn sections(traffic: &Traffic, told: &Told<'_>, look: &Look) -> Vec<Section> {
    let room = look.width.saturating_sub(INDENT);
    let section = |title: &str, lines: Vec<String>| Section { title: title.to_owned(), lines };
    let routes = traffic.clients.iter().flat_map(|client| routes(client, look, room)).collect();
    let limits = limits(&traffic.limits, look).into_iter().chain(detectors(&traffic.detectors)).collect();
    let changes = traffic.changes.iter().flat_map(|change| changes(change, look, room)).collect();
    let without_effect = told
        .without_effect
        .iter()
        .cloned()
        .chain(traffic.unreached.iter().map(|name| format!("workload {name}: no request reaches it")));
    let guesses = guesses(traffic).into_iter().chain(told.guesses.iter().cloned());
    let mut all = vec![
        section("Where requests go (calls per 100 requests of the client, before anything fails)", routes),
        section("Limits (each proxy keeps its own)", limits),
        section("What the timeline changes", changes),
        section("Without effect", wrapped(without_effect, room)),
        section("Guessed (say them under `workloads` to have your own)", wrapped(guesses, room)),
    ];
    all.retain(|section| !section.lines.is_empty());
    all
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
    let line =
        |(keys, names): (&[&str], Vec<&str>)| format!("{} of {}", keys.join(" and "), names.join(", "));
    groups.into_iter().map(line).collect()
}

fn routes(client: &ClientTraffic, look: &Look, room: usize) -> Vec<String> {
    let mut lines = vec![look.bold(&headline(client))];
    if client.is_approximate {
        lines.push("  (of the population 2000 users were looked at)".to_owned());
    }
    let left = client.hops.iter().map(|hop| between(hop, look).chars().count()).max().unwrap_or(0);
    let mut questions: BTreeMap<(&str, &str, u16), usize> = BTreeMap::new();
    for hop in &client.hops {
        *questions.entry((&hop.caller, &hop.host, hop.port)).or_default() += 1;
    }
    for hop in &client.hops {
        let is_ambiguous = questions[&(hop.caller.as_str(), hop.host.as_str(), hop.port)] > 1;
        let share = format!("{:>6}", percent(hop.calls));
        let head = format!("  {share}  {:<left$}  {}", between(hop, look), ruled(hop));
        lines.extend(with_place(head, hop.rule.as_ref(), left + 12, room, look));
        if is_ambiguous {
            lines.push(format!("{:10}for {}", "", asks(hop)));
        }
        lines.extend(details(hop, look).into_iter().map(|line| format!("{:10}{line}", "")));
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
        Load::Constant { rate } => format!("{}/s evenly", number::rate(*rate)),
        Load::Poisson { rate } => format!("{}/s (Poisson)", number::rate(*rate)),
        Load::Bursty { rate, cv } => format!("{}/s in bursts (cv {})", number::rate(*rate), fixed(*cv, 2)),
        Load::Profile { points, .. } => {
            let rates = points.iter().map(|(_, rate)| *rate);
            let low = rates.clone().fold(f64::INFINITY, f64::min);
            let high = rates.fold(0.0, f64::max);
            format!("{} to {}/s over time", number::rate(low), number::rate(high))
        }
        Load::Closed { users, .. } => format!("{users} users who wait for answers"),
        Load::Trace { births } => format!("{} recorded requests", births.len()),
    }
}

/// `productpage-v1 -> reviews:9080`.
fn between(hop: &Hop, look: &Look) -> String {
    let port = if hop.port == 80 { String::new() } else { format!(":{}", hop.port) };
    format!("{} {} {}{port}", hop.caller, look.pick("→", "->"), hop.host)
}

/// Which rule decides; with a single destination without rule, also where it goes.
fn ruled(hop: &Hop) -> String {
    match (&hop.rule, &hop.answer) {
        (Some(rule), _) => format!("{} {}", rule.object, rule.name),
        (None, Answer::NoRoute) => "no route: 404 NR".to_owned(),
        (None, Answer::Forward(splits)) if splits.len() == 1 && hop.mirrors.is_empty() => {
            format!("no rule: {}", destination(&splits[0]))
        }
        (None, _) => "no rule".to_owned(),
    }
}

/// The head with the rule's place behind it, or below it where the line is too short.
fn with_place(head: String, rule: Option<&Rule>, column: usize, room: usize, look: &Look) -> Vec<String> {
    let Some(rule) = rule else { return vec![head] };
    let place = format!("{}:{}", rule.place.file, rule.place.line);
    if head.chars().count() + 2 + place.chars().count() <= room {
        return vec![format!("{head}  {}", look.dim(&place))];
    }
    let column = column.min(room.saturating_sub(place.chars().count()));
    vec![head, format!("{:column$}{}", "", look.dim(&place))]
}

fn asks(hop: &Hop) -> String {
    let mut shown: Vec<&str> = hop.asks.iter().map(String::as_str).take(3).collect();
    let more = format!("{} more", hop.asks.len().saturating_sub(3));
    if hop.asks.len() > 3 {
        shown.push(&more);
    }
    shown.join(", ")
}

fn details(hop: &Hop, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    if hop.aborted > 0.0 {
        lines.push(format!("{:>5}  answered by an injected fault", percent(hop.aborted)));
    }
    match &hop.answer {
        Answer::Respond(code) => lines.push(format!("answered by the proxy itself: {code}")),
        Answer::Forward(splits) if hop.rule.is_some() || splits.len() != 1 || !hop.mirrors.is_empty() => {
            lines.extend(splits.iter().map(|split| {
                format!("{:>5}  {} {}", percent(split.share), look.pick("→", "->"), destination(split))
            }));
        }
        Answer::Forward(_) | Answer::NoRoute => {}
    }
    lines.extend(
        hop.mirrors
            .iter()
            .map(|mirror| format!("{:>5}  copied to {}", percent(mirror.share), destination(mirror))),
    );
    lines
}

/// `reviews v2 (3 hosts)`.
fn destination(split: &Split) -> String {
    let hosts = match split.hosts {
        None => "no such cluster: 503 NC".to_owned(),
        Some(0) => "no host: 503 UH".to_owned(),
        Some(1) => "1 host".to_owned(),
        Some(many) => format!("{many} hosts"),
    };
    format!("{} ({hosts})", target(&split.service, &split.subset))
}

fn target(service: &str, subset: &str) -> String {
    if subset.is_empty() { service.to_owned() } else { format!("{service} {subset}") }
}

/// As people say it: `95%`, `0.5%`, `300%`.
fn percent(share: f64) -> String {
    let value = share * 100.0;
    let decimals = match value {
        value if value >= 9.95 || value == 0.0 => 1,
        value if value >= 0.1 => 2,
        _ => 4,
    };
    format!("{}%", fixed(value, decimals))
}

fn limits(limits: &[Limit], look: &Look) -> Vec<String> {
    let cells: Vec<[String; 3]> = limits.iter().map(|limit| limit_cells(limit, look)).collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let line = |[target, field, sum]: &[String; 3]| format!("{target:<first$}  {field:<second$}  {sum}");
    cells.iter().map(line).collect()
}

/// `http1MaxPendingRequests 32 x 4 productpage-v1 proxies = at most 128 in all`.
fn limit_cells(limit: &Limit, look: &Look) -> [String; 3] {
    let all = u64::from(limit.each) * limit.proxies as u64;
    let sum = match limit.proxies {
        1 => format!("{} at the one proxy of {}", limit.each, limit.caller),
        many => format!(
            "{} {} {many} {} proxies = at most {all} in all",
            limit.each,
            look.pick("×", "x"),
            limit.caller
        ),
    };
    [target(&limit.service, &limit.subset), limit.field.to_owned(), sum]
}

fn detectors(detectors: &[Detector]) -> Vec<String> {
    let line = |detector: &Detector| {
        let whose = match detector.proxies {
            1 => format!("the one proxy of {}", detector.caller),
            many => format!("each of {many} {} proxies by itself", detector.caller),
        };
        let target = target(&detector.service, &detector.subset);
        // Strictly held: there is no "at least one". Source: semantics S21.2.
        let most = detector.hosts as u64 * u64::from(detector.max_ejection_percent) / 100;
        if most == 0 {
            let (percent, hosts) = (detector.max_ejection_percent, detector.hosts);
            return format!(
                "{target}: never ejects, as maxEjectionPercent {percent} of {hosts} hosts is none"
            );
        }
        format!(
            "{target}: {whose} ejects a host after {} errors in a row, at most {most} of {}",
            detector.consecutive, detector.hosts
        )
    };
    let mut lines: Vec<String> = detectors.iter().map(line).collect();
    // What never ejects is the same for every caller.
    lines.dedup();
    lines
}

fn changes(change: &Change, look: &Look, room: usize) -> Vec<String> {
    let at = number::moment(change.at.since(SimTime::ZERO).seconds());
    let mut lines = vec![format!("{} {}", look.bold(&format!("at {at}")), change.label)];
    let shown = |hop: &Option<Hop>| hop.as_ref().map_or_else(|| "nothing".to_owned(), summary);
    for (_, before, after) in &change.hops {
        let Some(hop) = after.as_ref().or(before.as_ref()) else { continue };
        let arrow = look.pick("⇒", "=>");
        let what = match (before, after) {
            (Some(old), Some(new)) if summary(old) == summary(new) => {
                format!("{} {arrow} {} of requests", percent(old.calls), percent(new.calls))
            }
            _ => format!("{} {arrow} {}", shown(before), shown(after)),
        };
        let head = format!("  {}: {what}", between(hop, look));
        let rule = after.as_ref().and_then(|hop| hop.rule.as_ref()).filter(|_| {
            let same = |old: &Hop| old.rule == hop.rule;
            !before.as_ref().is_some_and(same)
        });
        lines.extend(with_place(head, rule, 6, room, look));
    }
    lines.extend(limits(&change.limits, look).into_iter().map(|line| format!("  limit {line}")));
    lines
}

/// `90% reviews v1, 10% reviews v2`.
fn summary(hop: &Hop) -> String {
    let mut parts = match &hop.answer {
        Answer::NoRoute => vec!["404 NR".to_owned()],
        Answer::Respond(code) => vec![format!("answer {code}")],
        Answer::Forward(splits) => splits
            .iter()
            .map(|split| {
                let hosts = match split.hosts {
                    None => " (no such cluster: 503 NC)",
                    Some(0) => " (no host: 503 UH)",
                    Some(_) => "",
                };
                format!("{} {}{hosts}", percent(split.share), target(&split.service, &split.subset))
            })
            .collect(),
    };
    if hop.aborted > 0.0 {
        parts.push(format!("{} aborted", percent(hop.aborted)));
    }
    let copy = |mirror: &Split| {
        format!("{} copied to {}", percent(mirror.share), target(&mirror.service, &mirror.subset))
    };
    parts.extend(hop.mirrors.iter().map(copy));
    parts.join(", ")
}

/// Breaks lines at blanks, with continuations set in by two.
pub fn wrapped(lines: impl Iterator<Item = String>, room: usize) -> Vec<String> {
    let mut all = Vec::new();
    for line in lines {
        let mut current = String::new();
        for word in line.split(' ') {
            if !current.trim().is_empty() && current.chars().count() + 1 + word.chars().count() > room {
                all.push(std::mem::replace(&mut current, format!("  {word}")));
            } else {
                if !current.is_empty() {
                    current.push(' ');
                }
                current.push_str(word);
            }
        }
        all.push(current);
    }
    all
}
