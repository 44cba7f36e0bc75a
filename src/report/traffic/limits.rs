//! Limits and outlier detection, times the proxies that keep them.

use super::words::{target, wrapped};
use crate::report::terminal::Look;
use crate::study::traffic::{Detector, Limit};

/// Names in a heading.
const MOST_NAMES: usize = 3;

/// Blocks of lines, each below the services that they hold for.
pub fn limits(limits: &[Limit], detectors: &[Detector], look: &Look, room: usize) -> Vec<String> {
    let rows = limits.iter().map(|limit| (target(&limit.service, &limit.subset), line(limit, look)));
    let sentences = detectors.iter().map(|detector| {
        let sentence = format!("  {}", sentence(detector));
        (target(&detector.service, &detector.subset), wrapped(std::iter::once(sentence), room).join("\n"))
    });
    // First the services that share a line, then the lines that the same services share.
    let mut shared: Vec<(String, Vec<String>)> = Vec::new();
    for (name, line) in rows.chain(sentences) {
        match shared.iter_mut().find(|(known, _)| *known == line) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => shared.push((line, vec![name])),
        }
    }
    let mut blocks: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (line, names) in shared {
        match blocks.iter_mut().find(|(known, _)| *known == names) {
            Some((_, lines)) => lines.push(line),
            None => blocks.push((names, vec![line])),
        }
    }
    let block = |(names, lines): (Vec<String>, Vec<String>)| std::iter::once(listed(&names)).chain(lines);
    let lines: Vec<String> = blocks.into_iter().flat_map(block).collect();
    lines.iter().flat_map(|line| line.lines().map(str::to_owned)).collect()
}

/// `http1MaxPendingRequests  32 x 4 productpage-v1 proxies = at most 128 in all`.
fn line(limit: &Limit, look: &Look) -> String {
    let Limit { field, each, caller, proxies, .. } = limit;
    let all = u64::from(*each) * *proxies as u64;
    let product = match proxies {
        1 => format!("{each} at the one proxy of {caller}"),
        many => format!("{each} {} {many} {caller} proxies = at most {all} in all", look.pick("×", "x")),
    };
    format!("  {field:<23}  {product}")
}

fn sentence(detector: &Detector) -> String {
    let whose = match detector.proxies {
        1 => format!("the one proxy of {}", detector.caller),
        many => format!("each of {many} {} proxies by itself", detector.caller),
    };
    // Strictly held: there is no "at least one". Source: semantics S21.2.
    let most = detector.hosts as u64 * u64::from(detector.max_ejection_percent) / 100;
    if most == 0 {
        let (percent, hosts) = (detector.max_ejection_percent, detector.hosts);
        return format!("no host is ever ejected, as maxEjectionPercent {percent} of {hosts} is none");
    }
    let errors = match detector.consecutive {
        1 => "1 error".to_owned(),
        many => format!("{many} errors in a row"),
    };
    format!("{whose} ejects a host after {errors}, at most {most} of {}", detector.hosts)
}

/// `reviews v1, reviews v2 and 3 more`.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    }
}
