//! Findings as people see them: a snippet with its place, or one line for machines.

use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity, SourceId, Span};
use super::source::{Source, Sources};

/// Lines of context around a mark that a snippet is cut from; the renderer folds what lies between.
const CONTEXT_LINES: usize = 2;

/// One report of several lines, with a line feed at its end. `colour` writes terminal escapes.
pub fn render(finding: &Diagnostic, sources: &Sources, colour: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let title = level.primary_title(finding.message.as_str()).id(finding.code);
    let mut group = Group::with_title(title);
    for (source, marks) in by_source(finding) {
        group = group.element(snippet(sources.get(source), &marks));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    format!("{}\n", renderer.render(&[group]))
}

/// `file:line:column: error[CODE]: message`.
pub fn one_line(finding: &Diagnostic, sources: &Sources) -> String {
    let rest = format!("{}[{}]: {}", finding.severity, finding.code, finding.message.replace('\n', " "));
    match finding.span {
        None => rest,
        Some(span) => {
            let at = sources.position(span);
            format!("{}:{}:{}: {rest}", sources.get(span.source).name, at.line, at.column)
        }
    }
}

/// Sorts findings by place (those without one first), then by code and message, and drops repetitions.
pub fn sort(findings: &mut Vec<Diagnostic>) {
    findings.sort_by(|a, b| {
        (a.span, a.severity, a.code, &a.message).cmp(&(b.span, b.severity, b.code, &b.message))
    });
    findings.dedup();
}

struct Mark<'a> {
    range: Range<usize>,
    label: &'a str,
    primary: bool,
}

/// The marks of each text, the blamed one first.
fn by_source(finding: &Diagnostic) -> Vec<(SourceId, Vec<Mark<'_>>)> {
    let mark = |span: Span, label, primary| Mark { range: span.start..span.end, label, primary };
    let Some(span) = finding.span else { return Vec::new() };
    let mut others: BTreeMap<SourceId, Vec<Mark<'_>>> = BTreeMap::new();
    let mut first = vec![mark(span, finding.label.as_str(), true)];
    for (place, note) in &finding.related {
        if place.source == span.source {
            first.push(mark(*place, note, false));
        } else {
            others.entry(place.source).or_default().push(mark(*place, note, false));
        }
    }
    std::iter::once((span.source, first)).chain(others).collect()
}

fn snippet<'a>(source: &'a Source, marks: &[Mark<'a>]) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let length = source.text.len();
    let from = marks.iter().map(|mark| mark.range.start).min().unwrap_or(0);
    let to = marks.iter().map(|mark| mark.range.end).max().unwrap_or(0);
    let first = (source.position(from).line as usize).saturating_sub(CONTEXT_LINES).max(1);
    let last = source.position(to).line as usize + CONTEXT_LINES;
    let window = source.line_start(first)..source.line_start(last + 1);
    let mut snippet =
        Snippet::source(&source.text[window.clone()]).path(source.name.as_str()).line_start(first);
    for mark in marks {
        let start = floor(&source.text, mark.range.start.min(length)) - window.start;
        let end = (ceil(&source.text, mark.range.end.min(length)) - window.start).max(start);
        let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        snippet =
            snippet.annotation(kind.span(start..end).label((!mark.label.is_empty()).then_some(mark.label)));
    }
    snippet
}

fn floor(text: &str, mut byte: usize) -> usize {
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

fn ceil(text: &str, mut byte: usize) -> usize {
    while !text.is_char_boundary(byte) {
        byte += 1;
    }
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> (Sources, SourceId) {
        let mut sources = Sources::default();
        let id = sources.add_text("mesh/reviews.yaml", "a: 1\nspec:\n  weight: 90\n  wait: ä\n".to_owned());
        (sources, id)
    }

    #[test]
    fn a_report_shows_file_line_snippet_and_help() {
        let (sources, source) = sources();
        let finding = Diagnostic::error("MS1002", "route weights add up to 95")
            .at(Span { source, start: 21, end: 23 })
            .label("90")
            .help("make it 100");
        let text = render(&finding, &sources, false);
        assert!(text.contains("error[MS1002]: route weights add up to 95"), "{text}");
        assert!(text.contains("--> mesh/reviews.yaml:3:11"), "{text}");
        assert!(text.contains("weight: 90"), "{text}");
        assert!(text.contains("help: make it 100"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(render(&finding, &sources, true).contains('\u{1b}'));
        assert_eq!(
            one_line(&finding, &sources),
            "mesh/reviews.yaml:3:11: error[MS1002]: route weights add up to 95"
        );
    }

    #[test]
    fn marks_anywhere_are_drawn_without_fail() {
        let (sources, source) = sources();
        let length = sources.get(source).text.len();
        for start in 0..=length + 2 {
            for end in start..=length + 3 {
                let finding = Diagnostic::warning("X", "x").at(Span { source, start, end });
                assert!(render(&finding, &sources, false).contains("x"));
            }
        }
    }

    #[test]
    fn findings_without_a_place_have_a_title_alone() {
        let text = render(&Diagnostic::error("MS0002", "no such file"), &Sources::default(), false);
        assert_eq!(text, "error[MS0002]: no such file\n");
    }
}
