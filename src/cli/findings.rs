//! Findings on standard error: in the order of their places, and a count.

use std::collections::BTreeSet;

use super::ending::tell;
use super::terminal;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::render;
use crate::config::source::Sources;

/// Nobody reads more in one go, and a broken generator makes ten thousand.
const MOST: usize = 100;

/// Prints what was found, sorted by place; with `only_errors` nothing else. Where there is too much of it errors go
/// before warnings, and warnings before notes. Whether there is an error.
pub fn tell_all(findings: Vec<Diagnostic>, sources: &Sources, only_errors: bool) -> bool {
    tell_new(findings, sources, only_errors, None, &mut BTreeSet::new())
}

/// The same without what was `told` before, of another configuration that shares files with this one; `about` says which
/// of them it is.
pub fn tell_new(
    mut findings: Vec<Diagnostic>,
    sources: &Sources,
    only_errors: bool,
    about: Option<&str>,
    told: &mut BTreeSet<String>,
) -> bool {
    render::sort(&mut findings);
    let colour = terminal::stderr_has_colour();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    findings.retain(|finding| !only_errors || finding.severity == Severity::Error);
    findings.retain(|finding| told.insert(render::render(finding, sources, false)));
    let more = findings.len().saturating_sub(MOST);
    if more > 0 {
        findings.sort_by_key(|finding| finding.severity);
        findings.truncate(MOST);
        render::sort(&mut findings);
    }
    if let Some(about) = about.filter(|_| !findings.is_empty() || errors > 0) {
        tell(about);
    }
    for finding in &findings {
        tell(&render::render(finding, sources, colour));
    }
    if more > 0 {
        tell(&format!("and {more} more findings that are not shown"));
    }
    if errors > 0 {
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let also = if warnings > 0 { format!(", {}", plural(warnings, "warning")) } else { String::new() };
        tell(&format!("{}{also}; nothing was simulated", plural(errors, "error")));
    }
    errors > 0
}
