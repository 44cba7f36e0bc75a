//! The stories of requests that one configuration served and the other failed.

use serde_json::{Value, json};

use super::super::number;
use super::super::terminal::wrapped;
use super::{Comparisons, all_in};
use crate::kernel::{Id, SimDuration};
use crate::mesh::{ClientId, Outcome};
use crate::metrics::story::{Moment, Story, What};
use crate::study::compare::{Candidate, End, Flip, Told};

/// Lines of one story that people are shown.
const MOST_MOMENTS: usize = 12;

fn millis(length: SimDuration) -> f64 {
    length.nanos() as f64 / 1e6
}

/// Client and class, as people write them.
fn whose<'a>(report: &Comparisons<'a>, flip: &Flip) -> (&'a str, &'a str) {
    let client = &report.mesh.clients[ClientId::from_index(flip.client as usize)];
    (&client.name, &client.classes[flip.class as usize].name)
}

/// `200`, `503 UO`, `no answer`.
fn ended(outcome: Outcome) -> String {
    let code = match outcome.code() {
        None if outcome.is_success() => "connected".to_owned(),
        None | Some(0) => "no answer".to_owned(),
        Some(code) => code.to_string(),
    };
    if outcome.flags.is_empty() { code } else { format!("{code} {}", outcome.flags) }
}

/// The first of each direction with both stories, and how many more there are to read.
pub fn lines(report: &Comparisons<'_>, name: &str, candidate: &Candidate, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let lost = candidate.flips.lost.len();
    let first = |flips: &[Flip], at: usize| flips.first().cloned().zip(candidate.told.get(at));
    let directions = [
        (first(&candidate.flips.lost, 0), "was served and now fails"),
        (first(&candidate.flips.gained, lost), "failed and is now served"),
    ];
    for (example, what) in directions {
        let Some((flip, told)) = example else { continue };
        let (client, class) = whose(report, &flip);
        let born = number::moment(flip.born.seconds());
        let replication = flip.replication;
        let head = format!("{class} of {client}, born at {born} in replication {replication}, {what}:");
        lines.extend(wrapped(std::iter::once(format!("  {head}")), width));
        let Told { base, candidate } = told;
        for (name, end, story) in [(report.names[0], flip.base, base), (name, flip.candidate, candidate)] {
            lines.push(format!(
                "    {name}: {} after {}",
                ended(end.outcome),
                number::latency(millis(end.took))
            ));
            let told = story.iter().flat_map(|story| &story.moments);
            let all: Vec<String> = told.map(|moment| format!("      {}", line(moment))).collect();
            let more = all.len().saturating_sub(MOST_MOMENTS);
            lines.extend(wrapped(all.into_iter().take(MOST_MOMENTS), width));
            if more > 0 {
                lines.push(format!("      and {more} more lines, {}", all_in(report.is_written, "json")));
            }
        }
    }
    lines
}

/// `+12.1ms reviews v2, attempt 1 at reviews-v2-0: arrives`.
fn line(moment: &Moment) -> String {
    let attempt = match (moment.attempt, &moment.pod) {
        (0, _) => String::new(),
        (number, Some(pod)) => format!(", attempt {number} at {pod}"),
        (number, None) => format!(", attempt {number}"),
    };
    let at = number::latency(millis(moment.at));
    let decides = moment.attempt <= 1 && matches!(moment.what, What::Arrived | What::ProxyAnswered(_));
    let rule =
        if decides && !moment.rule.is_empty() { format!(", by {}", moment.rule) } else { String::new() };
    format!("+{at} {}{attempt}: {}{rule}", moment.target, words(moment.what))
}

fn words(what: What) -> String {
    match what {
        What::Arrived => "arrives".to_owned(),
        What::Answered(status) => format!("answered {status}"),
        What::ConnectFailed => "the connection fails".to_owned(),
        What::Reset => "the connection is reset".to_owned(),
        What::TriedTooLong => "perTryTimeout passes".to_owned(),
        What::TimedOut => "the route's timeout passes".to_owned(),
        What::GivenUp => "the calling application gives up".to_owned(),
        What::TriedAgain => "the back-off is over".to_owned(),
        What::Delayed => "the injected delay is over".to_owned(),
        What::ProxyAnswered(outcome) => format!("the proxy answers {}", ended(outcome)),
        What::Connected => "the connection stands".to_owned(),
        What::Refused => "the connection is refused".to_owned(),
        What::Ended => "the connection ends".to_owned(),
    }
}

/// All examples.
pub fn json(report: &Comparisons<'_>, name: &str, candidate: &Candidate) -> Vec<Value> {
    let story = |end: End, story: &Option<Story>| {
        json!({
            "outcome": ended(end.outcome),
            "took_ms": number::json(millis(end.took), number::Kind::Exact),
            "story": story.as_ref().map(|story| story.moments.iter().map(moment).collect::<Vec<_>>()),
        })
    };
    let one = |(flip, told): (&Flip, &Told)| {
        let (client, class) = whose(report, flip);
        let direction = if flip.base.outcome.is_success() { "served_failed" } else { "failed_served" };
        json!({
            "candidate": name,
            "direction": direction,
            "replication": flip.replication,
            "client": client,
            "class": class,
            "born_s": number::json(flip.born.seconds(), number::Kind::Exact),
            "request": format!("{:016x}", flip.fate),
            "base": story(flip.base, &told.base),
            "of_candidate": story(flip.candidate, &told.candidate),
        })
    };
    candidate.flips.iter().zip(&candidate.told).map(one).collect()
}

fn moment(moment: &Moment) -> Value {
    json!({
        "at_ms": number::json(millis(moment.at), number::Kind::Exact),
        "target": moment.target,
        "rule": if moment.rule.is_empty() { None } else { Some(&moment.rule) },
        "attempt": moment.attempt,
        "pod": moment.pod,
        "what": words(moment.what),
    })
}
