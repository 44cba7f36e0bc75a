//! A comparison as a comment for a pull request. Source: reference ux 8.

use std::fmt::Write;

use super::super::markdown::{end_of_details, escape, marker};
use super::super::observed::observed;
use super::super::terminal::Look;
use super::sentence::{notes, passage, sentence};
use super::text::{changes, not_paired};
use super::{Comparisons, words};
use crate::study::Judged;
use crate::study::compare::{Candidate, Compared, Overall, Passage, Scope, Sense};

/// Rows of the open table; all others stand in the folded part.
const ROWS: usize = 8;

pub fn render(report: &Comparisons<'_>) -> String {
    let mut text = marker(report.title);
    for (name, candidate, _) in report.candidates() {
        let told = escape(&sentence(report, name, candidate));
        let _ = writeln!(text, "**{} {told}**\n", mark(report, candidate));
        if let Some(threshold) = report.threshold {
            let gate = candidate.gate(threshold);
            let mark = if gate.passage() == Passage::Pass { "✅" } else { "❌" };
            let _ = writeln!(text, "{mark} {}\n", escape(&passage(&gate, threshold)));
        }
        let (open, _) = split(candidate);
        if !open.is_empty() {
            table(&mut text, report.names[0], name, &open);
            text.push('\n');
        }
    }
    for note in notes(report) {
        let _ = writeln!(text, "⚠️ {}\n", escape(&note.line()));
    }
    text.push_str("<details><summary>Details</summary>\n\n");
    let told = changes(&report.names[1..], report.changes, report.base, report.is_written, &Look::PLAIN);
    let _ = writeln!(text, "```\n{}\n```\n", told.trim_end());
    objectives(&mut text, report);
    for (name, candidate, _) in report.candidates() {
        let (_, folded) = split(candidate);
        if !folded.is_empty() {
            table(&mut text, report.names[0], name, &folded);
            text.push('\n');
        }
        let all = &candidate.pairs[0].tally;
        let _ =
            writeln!(text, "| same requests | pairs | both served | now fail | now served | both failed |");
        text.push_str("|---|--:|--:|--:|--:|--:|\n");
        for (way, pairs) in [("same way", &all.stayed), ("another way", &all.moved)] {
            let (served, lost, gained, failed) = (pairs.served, pairs.lost, pairs.gained, pairs.failed);
            let _ = writeln!(text, "| {way} | {} | {served} | {lost} | {gained} | {failed} |", pairs.count());
        }
        text.push('\n');
        for told in not_paired(all) {
            let _ = writeln!(text, "{told}\n");
        }
    }
    text.push_str(&end_of_details(report.stamp));
    text
}

/// A cross for what fails a gate or an objective, and no tick for what is worse.
fn mark(report: &Comparisons<'_>, candidate: &Candidate) -> &'static str {
    let is_held = |threshold| candidate.gate(threshold).passage() != Passage::Pass;
    let is_missed = candidate.objectives.iter().any(|judged| !judged.met);
    match candidate.overall(&report.comparison.objectives) {
        _ if is_missed || report.threshold.is_some_and(is_held) => "❌",
        Overall::Worse | Overall::Mixed | Overall::Unknown => "⚠️",
        Overall::Better | Overall::Same | Overall::WithinNoise => "✅",
    }
}

/// Each objective under all configurations.
fn objectives(text: &mut String, report: &Comparisons<'_>) {
    let all = || {
        let candidates = report.comparison.candidates.iter().map(|candidate| &candidate.objectives);
        std::iter::once(&report.comparison.objectives).chain(candidates)
    };
    if report.comparison.objectives.is_empty() {
        return;
    }
    let names: Vec<String> = report.names.iter().map(|name| escape(name)).collect();
    let _ = writeln!(text, "| objective | {} |", names.join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(names.len()));
    for (place, objective) in report.comparison.objectives.iter().enumerate() {
        let cell = |judged: &Judged| {
            let mark = if judged.met { "✅" } else { "❌" };
            format!("{mark}{} {}", if judged.unsure { " ?" } else { "" }, observed(judged, &Look::PLAIN))
        };
        let cells: Vec<String> = all().map(|judged| cell(&judged[place])).collect();
        let _ = writeln!(text, "| `{}` | {} |", objective.text.replace('|', "\\|"), cells.join(" | "));
    }
    text.push('\n');
}

/// What a reader should see first: what changed surely, of clients before clusters; and the rest.
fn split(candidate: &Candidate) -> (Vec<&Compared>, Vec<&Compared>) {
    let mut rows: Vec<&Compared> =
        candidate.figures.iter().filter(|row| row.subject.scope != Scope::Objective).collect();
    rows.sort_by_key(|row| (!row.verdict.is_sure(), row.sense == Sense::Neutral, row.subject.scope));
    let folded = rows.split_off(rows.len().min(ROWS));
    (rows, folded)
}

fn table(text: &mut String, base: &str, name: &str, rows: &[&Compared]) {
    let _ = writeln!(text, "| metric | {} | {} | change [95% CI] | verdict |", escape(base), escape(name));
    text.push_str("|---|--:|--:|--:|---|\n");
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            escape(&words::title(row)),
            words::value(row.measure, row.reference),
            words::value(row.measure, row.value),
            // A bracket at its start would be a link's.
            words::change(row).replace('[', "\\["),
            row.verdict.name(),
        );
    }
}
