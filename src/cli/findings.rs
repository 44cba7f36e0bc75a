//! Findings on standard error: all of them in the order of their places, and a count.

use super::ending::tell;
use super::terminal;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::render;
use crate::config::source::Sources;

/// Prints what was found, sorted by place; with `only_errors` nothing else. Whether there is an error.
pub fn tell_all(mut findings: Vec<Diagnostic>, sources: &Sources, only_errors: bool) -> bool {
    render::sort(&mut findings);
    let colour = terminal::stderr_has_colour();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    for finding in &findings {
        if !only_errors || finding.severity == Severity::Error {
            tell(&render::render(finding, sources, colour));
        }
    }
    if errors > 0 {
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let also = if warnings > 0 { format!(", {}", plural(warnings, "warning")) } else { String::new() };
        tell(&format!("{}{also}; nothing was simulated", plural(errors, "error")));
    }
    errors > 0
}
