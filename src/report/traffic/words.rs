//! Words that all sections share: callers, destinations, rules, places, shares.

use crate::kernel::words::counted;
use crate::mesh::routing::Rule;
use crate::report::number::fixed;
use crate::report::place;
use crate::report::remark::Remark;
use crate::report::terminal::Look;
use crate::study::Traffic;
use crate::study::traffic::{Hop, Split};

/// All that there is to say before a run.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub traffic: &'a Traffic,
    /// Objects that change nothing, and why.
    pub without_effect: &'a [Remark],
    /// What the input leaves open, and what was decided for it.
    pub guesses: &'a [Remark],
    /// The scenario's directory: places are named from there, as the scenario names them.
    pub base: &'a str,
}

/// `productpage-v1 -> reviews:9080`, or `productpage-v1 -> waypoint -> reviews:9080`.
pub fn between(hop: &Hop, look: &Look) -> String {
    let port = if hop.port == 80 { String::new() } else { format!(":{}", hop.port) };
    let arrow = look.pick("→", "->");
    let through = hop.waypoint.as_ref().map_or(String::new(), |name| format!(" {arrow} {name}"));
    format!("{}{through} {arrow} {}{port}", hop.caller, hop.host)
}

/// `VirtualService default/reviews http[0] (manifests/reviews.yaml:12)`.
pub fn written(rule: &Rule, told: &Told<'_>) -> String {
    format!("{} ({})", named(rule), place::told(&rule.place, told.base))
}

/// Names that people gave are quoted, numbers are not.
pub fn named(rule: &Rule) -> String {
    let name = &rule.name;
    if name.contains('[') { format!("{} {name}", rule.object) } else { format!("{} \"{name}\"", rule.object) }
}

/// `reviews v2 (3 hosts)`.
pub fn destination(hop: &Hop, split: &Split) -> String {
    format!("{} ({})", target(&split.service, &split.subset), hosts(hop, split))
}

/// `3 hosts`, or why there is none.
pub fn hosts(hop: &Hop, split: &Split) -> String {
    match split.hosts {
        None => format!("no such cluster: {}", refused(hop, 503, "NC")),
        Some(0) => format!("no host: {}", refused(hop, 503, "UH")),
        Some(hosts) => counted(hosts, "host", "hosts"),
    }
}

/// What becomes of calls that the proxy itself answers, and of connections: `503 NC`, `closed (NC)`.
pub fn refused(hop: &Hop, code: u16, flag: &str) -> String {
    if hop.connects { format!("closed ({flag})") } else { format!("{code} {flag}") }
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
