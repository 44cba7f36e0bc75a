//! A comment for a pull request: a hidden marker by which a bot finds it again, one sentence, a short table, and the
//! rest folded away. Source: reference ux 8.

use std::fmt::Write;

use super::observed::observed;
use super::rows::Asked;
use super::terminal::Look;
use super::{Report, Stamp, number, remark, traffic};
use crate::kernel::words::counted;
use crate::metrics::recorder::ALL_CLASSES;
use crate::study::{ClusterFigures, Judged};

/// Rows of the open table; all others stand in the folded part.
const ROWS: usize = 8;

pub fn render(report: &Report<'_>) -> String {
    let run = report.run;
    let mut text = marker(report.title);
    let _ = writeln!(text, "**{}**\n", escape(&sentence(report)));
    if !run.objectives.is_empty() {
        text.push_str("| | objective | observed |\n|---|---|---|\n");
        run.objectives.iter().for_each(|judged| objective(&mut text, judged));
        text.push('\n');
    }
    let mut clusters: Vec<&ClusterFigures> = run.clusters.iter().collect();
    clusters.sort_by(|left, right| {
        let size = |row: &ClusterFigures| row.calls.value.unwrap_or(0.0);
        size(right).total_cmp(&size(left))
    });
    let (open, folded) = clusters.split_at(clusters.len().min(ROWS));
    let rate = Asked::of(run).rate();
    table(&mut text, rate, open);
    text.push_str("\n<details><summary>Details</summary>\n\n");
    if !folded.is_empty() {
        table(&mut text, rate, folded);
        text.push('\n');
    }
    let mut list = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            let _ = writeln!(text, "{title}\n\n```\n{}\n```\n", lines.join("\n"));
        }
    };
    let sections = traffic::sections(&report.told, &Look::PLAIN);
    sections.iter().for_each(|section| list(&section.title, &section.lines));
    list("Notes", report.notes);
    list("Not modelled", &remark::lines(report.not_modelled, report.told.base, usize::MAX));
    text.push_str(&end_of_details(report.stamp));
    text
}

/// Where the results come from, and the end of what is folded up.
pub fn end_of_details(stamp: &Stamp) -> String {
    format!(
        "meshcast {} · model {} · seed {} · {}\n\n</details>\n",
        stamp.tool_version,
        stamp.model_revision,
        stamp.seed,
        counted(stamp.replications, "replication", "replications")
    )
}

/// By which a bot finds its comment again.
pub(super) fn marker(title: &str) -> String {
    // `-->` would end the comment early.
    format!("<!-- meshcast:{} -->\n", title.replace("--", "-"))
}

fn sentence(report: &Report<'_>) -> String {
    let run = report.run;
    let missed: Vec<&Judged> = run.objectives.iter().filter(|judged| !judged.met).collect();
    let all = run.clients.iter().filter(|row| row.class == ALL_CLASSES);
    let worst = all.filter_map(|row| Some((row.latency.p99.value?, row.success_pct.value?)));
    let worst = worst.reduce(|left, right| (left.0.max(right.0), left.1.min(right.1)));
    let figures = worst.map_or_else(String::new, |(p99, success)| {
        format!(": p99 {}, {}% success", number::latency(p99), number::percent(success))
    });
    match (run.objectives.len(), missed.as_slice()) {
        (0, _) => format!("{} was simulated{figures}", report.title),
        (1, []) => format!("✅ {} meets its objective{figures}", report.title),
        (count, []) => format!("✅ {} meets all {count} objectives{figures}", report.title),
        (count, missed) => {
            let first = &missed[0].text;
            format!("❌ {} misses {} of {count} objectives ({first}){figures}", report.title, missed.len())
        }
    }
}

fn objective(text: &mut String, judged: &Judged) {
    let mark = match (judged.met, judged.unsure) {
        (true, false) => "✅",
        (false, false) => "❌",
        (true, true) => "✅ ?",
        (false, true) => "❌ ?",
    };
    let observed = observed(judged, &Look::PLAIN);
    let _ = writeln!(text, "| {mark} | `{}` | {observed} |", judged.text.replace('|', "\\|"));
}

fn table(text: &mut String, rate: &str, rows: &[&ClusterFigures]) {
    let _ = writeln!(text, "| caller | service | subset | {rate} | p50 | p99 | ok % |");
    text.push_str("|---|---|---|--:|--:|--:|--:|\n");
    for row in rows {
        let cell =
            |value: Option<f64>, format: fn(f64) -> String| value.map_or_else(|| "-".to_owned(), format);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            escape(&row.source),
            escape(&row.target),
            escape(&row.subset),
            cell(row.rps.value, number::rate),
            cell(row.latency.p50.value, number::latency),
            cell(row.latency.p99.value, number::latency),
            cell(row.success_pct.value, number::percent),
        );
    }
}

/// Names come from input: none may break a table or start markup.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '[' | ']' | '\\' => safe.extend(['\\', letter]),
            '<' => safe.push_str("&lt;"),
            '\n' => safe.push(' '),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn a_comment_begins_with_its_marker_and_one_sentence() {
        let held = fixture::Held::tiny();
        let text = render(&held.report());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("<!-- meshcast:bookinfo-canary -->"));
        assert_eq!(
            lines.next(),
            Some(
                "**❌ bookinfo-canary misses 1 of 2 objectives (success >= 99.9%): p99 29.9ms, 83.33% success**"
            )
        );
        assert!(text.contains("\n| ✅ | `app p(99) < 250ms` | p(99) = 6.00ms |\n"));
        assert!(text.contains("\n| web | app | v2 | 0.025 | 4.00ms | 4.00ms | 100.00 |\n"));
        assert!(text.trim_end().ends_with("</details>"));
    }

    #[test]
    fn names_cannot_break_the_table() {
        assert_eq!(escape("a|b*<c>\n"), "a\\|b\\*&lt;c> ");
    }
}
