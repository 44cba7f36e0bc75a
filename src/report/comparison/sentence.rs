//! What a comparison comes to, in words: a sentence for each candidate, whether it passes, and what one must know of the
//! figures beside them.

use super::super::number;
use super::super::terminal::Look;
use super::{Comparisons, words};
use crate::kernel::words::counted;
use crate::study::Unsteady;
use crate::study::compare::{
    Candidate, Compared, Condition, Gate, Overall, Passage, Scope, Sense, Verdict, aims, beyond_noise,
};

/// One sentence for each candidate, and whether it passes; the only ones with `-q`.
pub fn verdicts(report: &Comparisons<'_>, look: &Look) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, candidate, _) in report.candidates() {
        lines.push(sentence(report, name, candidate));
        lines.extend(gate(report, name, candidate, look));
    }
    lines
}

/// Whether each candidate passes, if anybody asks.
pub fn gates(report: &Comparisons<'_>) -> Vec<String> {
    report
        .candidates()
        .filter_map(|(name, candidate, _)| gate(report, name, candidate, &Look::PLAIN))
        .collect()
}

/// `FAIL  new: 2 of 12 figures are worse by more than 5%: ...`
fn gate(report: &Comparisons<'_>, name: &str, candidate: &Candidate, look: &Look) -> Option<String> {
    let threshold = report.threshold?;
    let gate = candidate.gate(threshold);
    let word = match gate.passage() {
        Passage::Pass => look.good("PASS"),
        Passage::Fail | Passage::CannotTell => look.bad("FAIL"),
    };
    Some(format!("{word}  {name}: {}", passage(&gate, threshold)))
}

/// `2 of 12 figures are worse by more than 5%: ...`
pub fn passage(gate: &Gate<'_>, threshold: f64) -> String {
    let part = format!("worse by more than {}%", number::fixed(100.0 * threshold, 12));
    let unknown: Vec<String> = gate.unknown.iter().map(|row| words::title(row)).collect();
    let worse: Vec<String> = gate.regressions.iter().map(|row| regression(row)).collect();
    let judged = counted(gate.judged, "figure", "figures");
    let mut text = match gate.passage() {
        Passage::CannotTell => "cannot tell".to_owned(),
        Passage::Pass => format!("none of {judged} is {part}"),
        Passage::Fail => {
            let is = if worse.len() == 1 { "is" } else { "are" };
            format!("{} of {judged} {is} {part}: {}", worse.len(), listed(&worse, 4))
        }
    };
    if !unknown.is_empty() {
        text.push_str(&format!("; {} could not be judged: {}", unknown.len(), listed(&unknown, 4)));
    }
    text
}

fn regression(row: &Compared) -> String {
    let from = if row.growth().is_infinite() { " from nothing" } else { "" };
    format!("{} {}{from}", words::title(row), words::short_change(row))
}

fn listed(all: &[String], most: usize) -> String {
    let mut parts: Vec<String> = all.iter().take(most).cloned().collect();
    if all.len() > most {
        parts.push(format!("and {} more", all.len() - most));
    }
    parts.join(", ")
}

/// `new is worse: 1 better, 2 worse, 5 within noise of 8 figures, each at 95 %. Worst: p99 web +28%. It misses ...`
pub fn sentence(report: &Comparisons<'_>, name: &str, candidate: &Candidate) -> String {
    let base = report.names[0];
    if candidate.is_equal {
        return format!("{name} does exactly what {base} does: nothing that a run depends on differs.");
    }
    let overall = candidate.overall(&report.comparison.objectives);
    let figures = || candidate.figures.iter().filter(|row| row.sense != Sense::Neutral);
    let count = |verdict| figures().filter(|row| row.verdict == verdict).count();
    let counts = [Verdict::Better, Verdict::Worse, Verdict::WithinNoise, Verdict::Same, Verdict::Unknown]
        .into_iter()
        .map(|verdict| (count(verdict), verdict.name()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"));
    let mut text = format!(
        "{name} {}: {} of {}, each at 95 %.",
        words::overall(overall),
        counts.collect::<Vec<_>>().join(", "),
        counted(figures().count(), "figure", "figures")
    );
    if overall == Overall::WithinNoise && aims(&candidate.figures).any(|row| row.verdict.is_sure()) {
        text.push_str(" Of so many, chance alone makes some look changed.");
    }
    for (row, word) in extremes(candidate) {
        text.push_str(&format!(" {word}: {} {}.", words::title(row), words::short_change(row)));
    }
    let missed: Vec<String> = candidate
        .objectives
        .iter()
        .filter(|judged| !judged.met)
        .map(|judged| format!("`{}`", judged.text))
        .collect();
    if !missed.is_empty() {
        text.push_str(&format!(" It misses {}.", listed(&missed, 3)));
    }
    text.push_str(&overloaded(report, name, candidate));
    text
}

/// A latency of a line that only grows is a matter of the duration, and so is its change.
fn overloaded(report: &Comparisons<'_>, name: &str, candidate: &Candidate) -> String {
    let is_overloaded = |condition: &Condition| {
        condition.unsteady.iter().any(|unsteady| matches!(unsteady, Unsteady::Overload(_)))
    };
    let sides = [(report.names[0], &report.comparison.condition), (name, &candidate.condition)];
    let names: Vec<&str> = sides.iter().filter(|side| is_overloaded(side.1)).map(|side| side.0).collect();
    match &names[..] {
        [] => String::new(),
        [one] => format!(" No steady state of {one}: all this depends on the duration."),
        _ => " No steady state of either: all this depends on the duration.".to_owned(),
    }
}

/// The figures that changed most among those that surely did. What clients see comes before what clusters do.
pub fn extremes(candidate: &Candidate) -> Vec<(&Compared, &'static str)> {
    let mut sure = beyond_noise(aims(&candidate.figures));
    let all = beyond_noise(candidate.figures.iter().filter(|row| row.sense != Sense::Neutral));
    sure.extend(all.into_iter().filter(|row| row.subject.scope == Scope::Cluster));
    let is_named = |row: &&&Compared| matches!(row.subject.scope, Scope::Client | Scope::Cluster);
    let most = |verdict| {
        let rows = sure.iter().filter(is_named).filter(move |row| row.verdict == verdict);
        let order = |row: &Compared| (row.subject.scope == Scope::Client, words::extent(row));
        rows.max_by(|left, right| {
            let ((left, one), (right, other)) = (order(left), order(right));
            left.cmp(&right).then(one.total_cmp(&other))
        })
    };
    let ends = [(Verdict::Worse, "Worst"), (Verdict::Better, "Best")];
    ends.into_iter().filter_map(|(verdict, word)| Some((*most(verdict)?, word))).collect()
}

/// Something to know of the figures of some configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    pub of: Vec<&'a str>,
    pub what: String,
}

impl Note<'_> {
    /// `now, new: ...`
    pub fn line(&self) -> String {
        format!("{}: {}", self.of.join(", "), self.what)
    }
}

/// What each configuration's figures lack, said once where several share it.
pub fn notes<'a>(report: &Comparisons<'a>) -> Vec<Note<'a>> {
    let compared = report.comparison;
    let conditions = compared.candidates.iter().map(|candidate| &candidate.condition);
    let all = report.names.iter().zip(std::iter::once(&compared.condition).chain(conditions));
    let mut notes: Vec<Note<'a>> = Vec::new();
    for (name, condition) in all {
        for what in told(condition) {
            match notes.iter_mut().find(|note| note.what == what) {
                Some(note) => note.of.push(name),
                None => notes.push(Note { of: vec![name], what }),
            }
        }
    }
    notes
}

fn told(condition: &Condition) -> Vec<String> {
    let mut told: Vec<String> = condition.unsteady.iter().map(ToString::to_string).collect();
    if condition.unfinished > 0.0 {
        let requests = match condition.unfinished {
            1.0 => "1 request".to_owned(),
            count => format!("{} requests", number::count(count)),
        };
        told.push(format!("{requests} had no answer when the run ended and are in no figure"));
    }
    told
}
