//! Limits and outlier detection, times the proxies that keep them.

use super::words::target;
use crate::kernel::words::counted;
use crate::report::number::grouped;
use crate::report::terminal::{Look, wrapped};
use crate::study::traffic::{Detector, Limit};

/// Names in a heading.
const MOST_NAMES: usize = 3;

/// Blocks of lines, each below the services that they hold for.
pub fn limits(limits: &[Limit], detectors: &[Detector], look: &Look, room: usize) -> Vec<String> {
    let rows =
        limits.iter().map(|limit| (target(&limit.service, &limit.subset), block(line(limit, look), room)));
    let sentences = detectors.iter().map(|detector| {
        let sentence = format!("  {}", sentence(detector));
        (target(&detector.service, &detector.subset), block(sentence, room))
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
    let headed = |(names, lines): (Vec<String>, Vec<String>)| std::iter::once(listed(&names)).chain(lines);
    let lines: Vec<String> = blocks.into_iter().flat_map(headed).collect();
    lines.iter().flat_map(|line| line.lines().map(str::to_owned)).collect()
}

/// A line as one or more.
fn block(line: String, room: usize) -> String {
    wrapped(std::iter::once(line), room).join("\n")
}

/// `http1MaxPendingRequests  32 x 4 productpage-v1 proxies = 128 in all`.
fn line(limit: &Limit, look: &Look) -> String {
    let Limit { field, each, caller, proxies, is_inbound, .. } = limit;
    let whole = |limit: u64| grouped(limit as f64, 0);
    let (each, all) = (whole(u64::from(*each)), whole(u64::from(*each) * *proxies as u64));
    let product = match proxies {
        1 if *is_inbound => format!("{each} at the pod of {caller}, all callers"),
        many if *is_inbound => format!("{each} at each of {many} {caller} pods, all callers"),
        1 => format!("{each} at the one proxy of {caller}"),
        many => format!("{each} {} {many} {caller} proxies = {all} in all", look.pick("×", "x")),
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
    let errors = counted(detector.consecutive, "error", "errors in a row");
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
