//! What a later state of the configuration does with the same calls.

use std::collections::BTreeSet;

use super::limits::limits;
use super::words::{Told, between, named, percent, refused, target, written};
use crate::kernel::words::counted;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::routing::Rule;
use crate::report::number;
use crate::report::terminal::{Look, wrapped};
use crate::study::traffic::{Answer, Change, Hop, ScaledWorkload};

pub fn changes(change: &Change, told: &Told<'_>, look: &Look, room: usize) -> Vec<String> {
    let at = number::moment(change.at.since(SimTime::ZERO).seconds());
    let mut lines = vec![format!("{} {}", look.bold(&format!("at {at}")), change.label)];
    let scalings = change.scalings.iter().map(|one| format!("  {}", scaling(one, look)));
    lines.extend(wrapped(scalings, room));
    let mut said: BTreeSet<String> = BTreeSet::new();
    for question in &change.questions {
        let Some(hop) = question.after.first().or(question.before.first()) else { continue };
        let arrow = look.pick("⇒", "=>");
        let (before, after) = (sums(&question.before), sums(&question.after));
        let calls = |hops: &[Hop]| percent(hops.iter().map(|hop| hop.calls).sum());
        let what = if before == after {
            let whose = if told.traffic.clients.len() > 1 {
                format!("{}'s", question.client)
            } else {
                "all".to_owned()
            };
            let them = if hop.connects { "connections" } else { "requests" };
            format!("{} {arrow} {} of {whose} {them}", calls(&question.before), calls(&question.after))
        } else {
            format!("{before} {arrow} {after}")
        };
        let head = between(hop, look);
        let line = format!("  {head}: {what}");
        // Several clients may cause the same.
        if !said.insert(line.clone()) {
            continue;
        }
        if line.chars().count() <= room || before == after {
            lines.extend(wrapped(std::iter::once(line), room));
        } else {
            let both = [format!("  {head}: {before}"), format!("    {arrow} {after}")];
            lines.extend(both.into_iter().flat_map(|line| wrapped(std::iter::once(line), room)));
        }
        let rules = |hops: &[Hop]| hops.iter().filter_map(|hop| hop.rule.clone()).collect::<Vec<Rule>>();
        let (before, after) = (rules(&question.before), rules(&question.after));
        let is_new = |rule: &&Rule| !before.contains(rule);
        let new = after.iter().filter(is_new).map(|rule| format!("    by {}", written(rule, told)));
        lines.extend(wrapped(new, room));
        let is_gone =
            |rule: &&Rule| !after.iter().any(|new| (&new.object, &new.name) == (&rule.object, &rule.name));
        let gone = before.iter().filter(is_gone).map(|rule| format!("    no longer by {}", named(rule)));
        lines.extend(wrapped(gone, room));
        if hop.connects {
            let kept = "    new ones alone: connections that stand stay where they are".to_owned();
            lines.extend(wrapped(std::iter::once(kept), room));
        }
    }
    lines.extend(limits(&change.limits, &[], look, room.saturating_sub(2)).into_iter().map(|line| {
        match line.starts_with(' ') {
            true => format!("  {line}"),
            false => format!("  limits of {line}"),
        }
    }));
    lines
}

/// `shop-v1: 4 ⇒ 3 pods, the one that goes takes requests for 5s more`.
fn scaling(one: &ScaledWorkload, look: &Look) -> String {
    let ScaledWorkload { workload, before, after, startup, shutdown } = one;
    let (arrow, pods) = (look.pick("⇒", "=>"), counted(*after, "pod", "pods"));
    let then = match (before < after, before.abs_diff(*after)) {
        (true, 1) => format!("the new one serves after {startup}"),
        (true, _) => format!("new ones serve after {startup}"),
        (false, 1) if *shutdown == SimDuration::ZERO => {
            "the one that goes takes no request from then on".to_owned()
        }
        (false, _) if *shutdown == SimDuration::ZERO => {
            "those that go take no requests from then on".to_owned()
        }
        (false, 1) => format!("the one that goes takes requests for {shutdown} more"),
        (false, _) => format!("those that go take requests for {shutdown} more"),
    };
    format!("{workload}: {before} {arrow} {pods}, {then}")
}

/// Where calls go, over all rules that take them: `90% reviews v1, 10% reviews v2`.
fn sums(hops: &[Hop]) -> String {
    let total: f64 = hops.iter().map(|hop| hop.calls).sum();
    if total <= 0.0 {
        return if hops.iter().any(|hop| hop.connects) { "no connections" } else { "no calls" }.to_owned();
    }
    let mut shares: Vec<(String, f64)> = Vec::new();
    let mut add = |name: String, share: f64| match shares.iter_mut().find(|(known, _)| *known == name) {
        Some((_, sum)) => *sum += share,
        None => shares.push((name, share)),
    };
    for hop in hops {
        let part = hop.calls / total;
        match &hop.answer {
            Answer::NoRoute => add(refused(hop, 404, "NR"), part),
            Answer::Respond(code) => add(format!("answer {code}"), part),
            Answer::Forward(splits) => {
                for split in splits {
                    let trouble = match split.hosts {
                        None => format!(" (no such cluster: {})", refused(hop, 503, "NC")),
                        Some(0) => format!(" (no host: {})", refused(hop, 503, "UH")),
                        Some(_) => String::new(),
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
