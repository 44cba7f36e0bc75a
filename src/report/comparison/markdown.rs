//! A comparison as a comment for a pull request. Source: reference ux 8.

use std::fmt::Write;

use super::super::markdown::{end_of_details, escape, marker};
use super::super::terminal::Look;
use super::text::{changes, sentence};
use super::{Comparisons, words};
use crate::study::compare::{Candidate, Compared, Scope, Verdict};

/// Rows of the open table; all others stand in the folded part.
const ROWS: usize = 8;

pub fn render(report: &Comparisons<'_>) -> String {
    let mut text = marker(report.title);
    for (name, candidate, _) in report.candidates() {
        let _ = writeln!(
            text,
            "**{} {}**\n",
            mark(report, candidate),
            escape(&sentence(report, name, candidate))
        );
        let (open, _) = split(candidate);
        if !open.is_empty() {
            table(&mut text, report.names[0], name, &open);
            text.push('\n');
        }
    }
    text.push_str("<details><summary>Details</summary>\n\n");
    let told = changes(&report.names[1..], report.changes, report.base, &Look::PLAIN);
    let _ = writeln!(text, "```\n{}\n```\n", told.trim_end());
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
    }
    text.push_str(&end_of_details(report.stamp));
    text
}

fn mark(report: &Comparisons<'_>, candidate: &Candidate) -> &'static str {
    let is_regression = |threshold| candidate.figures.iter().any(|row| row.is_regression(threshold));
    let is_bad = candidate.objectives.iter().any(|judged| !judged.met);
    if is_bad || report.threshold.is_some_and(is_regression) { "❌" } else { "✅" }
}

/// What a reader should see first: what changed surely, of clients before clusters; and the rest.
fn split(candidate: &Candidate) -> (Vec<&Compared>, Vec<&Compared>) {
    let mut rows: Vec<&Compared> =
        candidate.figures.iter().filter(|row| row.subject.scope != Scope::Objective).collect();
    let is_sure = |row: &Compared| matches!(row.verdict, Verdict::Better | Verdict::Worse);
    rows.sort_by_key(|row| (!is_sure(row), row.subject.scope));
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
