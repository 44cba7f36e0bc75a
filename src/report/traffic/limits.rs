//! Limits and outlier detection, times the proxies that keep them.

use super::words::target;
use crate::report::terminal::Look;
use crate::study::traffic::{Detector, Limit};

/// Names in a row of limits.
const MOST_NAMES: usize = 3;

/// A row a limit; services that have the same one from the same caller share it.
pub fn limits(limits: &[Limit], look: &Look) -> Vec<String> {
    let mut groups: Vec<(&Limit, Vec<String>)> = Vec::new();
    for limit in limits {
        let name = target(&limit.service, &limit.subset);
        let key = |limit: &Limit| (limit.field, limit.each, limit.caller.clone(), limit.proxies);
        match groups.iter_mut().find(|(known, _)| key(known) == key(limit)) {
            Some((_, names)) => names.push(name),
            None => groups.push((limit, vec![name])),
        }
    }
    let names: Vec<String> = groups.iter().map(|(_, names)| listed(names)).collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let first = width(&mut names.iter().map(|name| name.chars().count()));
    let second = width(&mut groups.iter().map(|(limit, _)| limit.field.len()));
    let line = |((limit, _), name): (&(&Limit, Vec<String>), &String)| {
        format!("{name:<first$}  {:<second$}  {}", limit.field, product(limit, look))
    };
    groups.iter().zip(&names).map(line).collect()
}

/// `reviews v1, reviews v2 and 3 more`.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    }
}

/// `32 x 4 productpage-v1 proxies = at most 128 in all`.
fn product(limit: &Limit, look: &Look) -> String {
    let all = u64::from(limit.each) * limit.proxies as u64;
    match limit.proxies {
        1 => format!("{} at the one proxy of {}", limit.each, limit.caller),
        many => {
            let times = look.pick("×", "x");
            format!("{} {times} {many} {} proxies = at most {all} in all", limit.each, limit.caller)
        }
    }
}

/// A sentence a detector; services that have the same one from the same caller share it.
pub fn detectors(detectors: &[Detector]) -> Vec<String> {
    let sentence = |detector: &Detector| {
        let whose = match detector.proxies {
            1 => format!("the one proxy of {}", detector.caller),
            many => format!("each of {many} {} proxies by itself", detector.caller),
        };
        // Strictly held: there is no "at least one". Source: semantics S21.2.
        let most = detector.hosts as u64 * u64::from(detector.max_ejection_percent) / 100;
        if most == 0 {
            let (percent, hosts) = (detector.max_ejection_percent, detector.hosts);
            return format!("never ejects, as maxEjectionPercent {percent} of {hosts} hosts is none");
        }
        let errors = match detector.consecutive {
            1 => "1 error".to_owned(),
            many => format!("{many} errors in a row"),
        };
        format!("{whose} ejects a host after {errors}, at most {most} of {}", detector.hosts)
    };
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for detector in detectors {
        let (name, sentence) = (target(&detector.service, &detector.subset), sentence(detector));
        match groups.iter_mut().find(|(known, _)| *known == sentence) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => groups.push((sentence, vec![name])),
        }
    }
    groups.into_iter().map(|(sentence, names)| format!("{}: {sentence}", listed(&names))).collect()
}
