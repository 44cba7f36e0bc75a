//! The search as a comment for a pull request: marker, one sentence, the points in the folded part.

use std::fmt::Write;

use super::super::terminal::Look;
use super::{Session, text};
use crate::study::capacity::Answer;

pub fn render(session: &Session<'_>) -> String {
    // `-->` would end the comment early.
    let mut out = format!("<!-- meshcast:capacity:{} -->\n", session.title.replace("--", "-"));
    let mark = match session.capacity.map(|capacity| &capacity.answer) {
        None => "",
        Some(Answer::Nothing(_)) => "❌ ",
        Some(_) => "✅ ",
    };
    let _ = writeln!(out, "**{mark}{}: {}**\n", session.title, session.sentence());
    let lines = |lines: Vec<String>| lines.join("\n");
    let look = &Look { width: 110, ..Look::PLAIN };
    let below = [text::limits(session, look), text::notes(session, look)].concat();
    if !below.is_empty() {
        let _ = writeln!(out, "```\n{}\n```\n", lines(below));
    }
    let _ = writeln!(out, "<details><summary>{}</summary>\n", session.effort());
    let _ = writeln!(out, "```\n{}```\n", text::render(session, look));
    let stamp = session.stamp;
    let _ = writeln!(
        out,
        "meshcast {} · model {} · seed {}\n\n</details>",
        stamp.tool_version, stamp.model_revision, stamp.seed
    );
    out
}
