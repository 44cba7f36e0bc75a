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
    let detectors = wrapped(detectors(&traffic.detectors).into_iter(), room);
    let limits = limits(&traffic.limits, look).into_iter().chain(detectors).collect();
    let changes = traffic.changes.iter().flat_map(|change| changes(change, look, room)).collect();
    let without_effect = told
        .without_effect
        .iter()
        .cloned()
        .chain(traffic.unreached.iter().map(|name| format!("workload {name}: no request reaches it")));
    let guesses = guesses(traffic).into_iter().chain(told.guesses.iter().cloned());
    let mut all = vec![
        section("Where requests go (calls per 100 requests of the client, if nothing fails)", routes),
        section("Limits (each proxy keeps its own)", limits),
        section("What the timeline changes", changes),
        section("Without effect", wrapped(without_effect, room)),
        section("Guessed (write your own under `workloads`)", wrapped(guesses, room)),
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
        let beside = match (&hop.rule, is_ambiguous) {
            (None, _) => default_route(hop, look),
            (Some(_), true) => whose(hop),
            (Some(_), false) => String::new(),
        };
        let line = format!("  {:>6}  {:<left$}  {beside}", percent(hop.calls), between(hop, look));
        lines.push(line.trim_end().to_owned());
        lines.extend(details(hop, look, room).into_iter().map(|line| format!("{:10}{line}", "")));
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
        Load::Closed { users, .. } => format!("{users} users who wait for answers"),
        Load::Trace { births } => format!("{} recorded requests", births.len()),
    }
}

/// `productpage-v1 -> reviews:9080`.
fn between(hop: &Hop, look: &Look) -> String {
    let port = if hop.port == 80 { String::new() } else { format!(":{}", hop.port) };
    format!("{} {} {}{port}", hop.caller, look.pick("→", "->"), hop.host)
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

/// `VirtualService default/reviews http[0] (reviews.yaml:12)`.
fn written(rule: &Rule) -> String {
    format!("{} {} ({}:{})", rule.object, rule.name, rule.place.file, rule.place.line)
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
fn details(hop: &Hop, look: &Look, room: usize) -> Vec<String> {
    let arrow = look.pick("→", "->");
    let mut lines: Vec<String> = hop.rule.iter().map(|rule| format!("by {}", written(rule))).collect();
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
    for question in &change.questions {
        let Some(hop) = question.after.first().or(question.before.first()) else { continue };
        let arrow = look.pick("⇒", "=>");
        let (before, after) = (sums(&question.before), sums(&question.after));
        let calls = |hops: &[Hop]| percent(hops.iter().map(|hop| hop.calls).sum());
        let what = if before == after {
            format!("{} {arrow} {} of requests", calls(&question.before), calls(&question.after))
        } else {
            format!("{before} {arrow} {after}")
        };
        let line = format!("{}: {what}", between(hop, look));
        lines.extend(
            wrapped(std::iter::once(line), room.saturating_sub(2)).into_iter().map(|l| format!("  {l}")),
        );
        let rules = |hops: &[Hop]| hops.iter().filter_map(|hop| hop.rule.clone()).collect::<Vec<Rule>>();
        let (before, after) = (rules(&question.before), rules(&question.after));
        let is_new = |rule: &&Rule| !before.contains(rule);
        lines.extend(after.iter().filter(is_new).map(|rule| format!("    by {}", written(rule))));
        let is_gone =
            |rule: &&Rule| !after.iter().any(|new| (&new.object, &new.name) == (&rule.object, &rule.name));
        lines.extend(
            before
                .iter()
                .filter(is_gone)
                .map(|rule| format!("    no longer by {} {}", rule.object, rule.name)),
        );
    }
    lines.extend(limits(&change.limits, look).into_iter().map(|line| format!("  limit {line}")));
    lines
}

/// Where calls go, over all rules that take them: `90% reviews v1, 10% reviews v2`.
fn sums(hops: &[Hop]) -> String {
    let total: f64 = hops.iter().map(|hop| hop.calls).sum();
    if total <= 0.0 {
        return "no calls".to_owned();
    }
    let mut shares: Vec<(String, f64)> = Vec::new();
    let mut add = |name: String, share: f64| match shares.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += share,
        None => shares.push((name, share)),
    };
    for hop in hops {
        let part = hop.calls / total;
        match &hop.answer {
            Answer::NoRoute => add("404 NR".to_owned(), part),
            Answer::Respond(code) => add(format!("answer {code}"), part),
            Answer::Forward(splits) => {
                for split in splits {
                    let trouble = match split.hosts {
                        None => " (no such cluster: 503 NC)",
                        Some(0) => " (no host: 503 UH)",
                        Some(_) => "",
                    };
                    let name = format!("{}{trouble}", target(&split.service, &split.subset));
                    add(name, part * (1.0 - hop.aborted) * split.share);
                }
            }
        }
        if hop.aborted > 0.0 {
            add("aborted".to_owned(), part * hop.aborted);
        }
        for mirror in &hop.mirrors {
            add(format!("copied to {}", target(&mirror.service, &mirror.subset)), part * mirror.share);
        }
    }
    // A destination without calls is as if it were not written.
    shares.retain(|(_, share)| *share > 0.0);
    shares.sort_by(|left, right| left.0.cmp(&right.0));
    shares.iter().map(|(name, share)| format!("{} {name}", percent(*share))).collect::<Vec<_>>().join(", ")
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
