//! What must hold, in k6's grammar:
//!
//! ```text
//! objective  := [ scope ] figure comparison limit
//! scope      := "client." name [ "{class=" name "}" ]  |  service [ "{subset=" name "}" ]
//! figure     := "success" | "p(" number ")" | "mean" | "max" | "rps" | "retries" | "ejections" | "overflow"
//! comparison := "<" | "<=" | ">" | ">="
//! limit      := percentage for success, duration for latencies, rate or number for rps, number for counts
//! ```
//!
//! Examples: `success >= 99.9%`, `p(99) < 250ms`, `reviews{subset=v2} p(99) < 250ms`,
//! `client.browser{class=GET /productpage} mean < 20ms`, `rps > 100`, `ejections <= 3`.
//! Without scope all clients together are meant. A service is judged as its callers see it.

use super::names::Names;
use super::targets::suggest;
use crate::config::diagnostic::Diagnostic;
use crate::config::grammar::{Fault, Part, number};
use crate::config::path::did_you_mean;
use crate::config::read::{Located, fault_inside};
use crate::config::{document::Docs, duration, quantity};
use crate::kernel::{Id, Table};
use crate::mesh::ClientId;
use crate::mesh::model::{Comparison, Figure, Objective, ObjectiveScope};
use crate::mesh::workload::Client;

const FIGURES: &[&str] = &["success", "p(99)", "mean", "max", "rps", "retries", "ejections", "overflow"];

/// What names in objectives can mean.
pub struct Scopes<'a> {
    pub names: &'a dyn Names,
    pub namespace: &'a str,
    pub clients: &'a Table<ClientId, Client>,
    /// Clients that the scenario names and that are not among `clients`, for reasons that have been told.
    pub left_out: Vec<&'a str>,
    /// Nothing was wrong with any object, so that a subset which is not there is nowhere.
    pub is_whole: bool,
}

impl Scopes<'_> {
    fn is_of_one_left_out(&self, objective: &str) -> bool {
        let name = objective.trim_start().strip_prefix("client.").unwrap_or_default();
        let name = name.split(|c: char| c == '{' || c.is_whitespace()).next().unwrap_or_default();
        self.left_out.contains(&name)
    }
}

/// Reads all objectives; mistakes are findings that point into their text.
pub fn objectives(
    written: &[Located<String>],
    scopes: &Scopes<'_>,
    docs: &Docs,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Objective> {
    let mut objectives = Vec::new();
    for text in written {
        match parse(&text.value, scopes) {
            Ok(objective) => objectives.push(objective),
            Err(_) if scopes.is_of_one_left_out(&text.value) => {}
            Err(fault) => findings.push(fault_inside(docs, "MS0015", text.span, &text.value, fault)),
        }
    }
    objectives
}

/// Reads one objective.
pub fn parse(text: &str, scopes: &Scopes<'_>) -> Result<Objective, Fault> {
    let whole = Part::whole(text);
    // A class may hold anything but `}`, so the comparison is looked for behind the braces.
    let after_braces = text.rfind('}').map_or(0, |brace| brace + 1);
    let Some(sign) = text[after_braces..].find(['<', '>', '=', '!']).map(|at| at + after_braces) else {
        return Err(whole.fault("this objective compares nothing").help("write one such as `p(99) < 250ms`"));
    };
    let signs = text[sign..].find(|c| !"<>=!".contains(c)).map_or(text.len(), |at| sign + at);
    let comparison = match &text[sign..signs] {
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        other => {
            let fault = Fault::new(format!("`{other}` is no comparison"), sign..signs);
            return Err(fault.help("use `<`, `<=`, `>` or `>=`"));
        }
    };
    let left = part(text, 0, sign);
    let right = part(text, signs, text.len());
    let (scope, figure) = match text[..sign].rfind('}') {
        Some(brace) => (part(text, 0, brace + 1), part(text, brace + 1, sign)),
        None => match left.text.find(char::is_whitespace) {
            Some(blank) => (part(text, left.at, left.at + blank), part(text, left.at + blank, sign)),
            None => (part(text, left.at, left.at), left),
        },
    };
    let scope = self::scope(scope, scopes)?;
    let figure = self::figure(figure)?;
    let limit = self::limit(figure, right)?;
    Ok(Objective { text: whole.text.to_owned(), scope, figure, comparison, limit })
}

fn part(text: &str, from: usize, to: usize) -> Part<'_> {
    let piece = &text[from..to];
    let start = from + (piece.len() - piece.trim_start().len());
    Part { text: piece.trim(), at: start.min(to) }
}

fn figure(part: Part<'_>) -> Result<Figure, Fault> {
    let inner = part.text.strip_prefix("p(").and_then(|rest| rest.strip_suffix(')'));
    // `p99` is what people type, though k6 wants the brackets.
    let digits = part.text.strip_prefix('p').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if let Some(percent) = inner.or(digits) {
        let value = number(Part { text: percent.trim(), at: part.at })?;
        if !(value > 0.0 && value < 100.0) {
            return Err(part.fault(format!("`{}` lies outside p(0) to p(100)", part.text)));
        }
        return Ok(Figure::Latency(value / 100.0));
    }
    match part.text {
        "success" => Ok(Figure::SuccessPct),
        "mean" | "avg" => Ok(Figure::LatencyMean),
        "med" | "median" => Ok(Figure::Latency(0.5)),
        "max" => Ok(Figure::LatencyMax),
        "rps" => Ok(Figure::Rps),
        "retries" => Ok(Figure::Retries),
        "ejections" => Ok(Figure::Ejections),
        "overflow" => Ok(Figure::Overflow),
        "" => Err(part
            .fault("this objective names no figure")
            .help(format!("there are {}", FIGURES.join(", ")))),
        other => {
            let help = match did_you_mean(other, FIGURES.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", FIGURES.join(", ")),
            };
            Err(part.fault(format!("`{other}` is no figure")).help(help))
        }
    }
}

fn limit(figure: Figure, part: Part<'_>) -> Result<f64, Fault> {
    match figure {
        Figure::SuccessPct => Ok(quantity::share(part)?.0 * 100.0),
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax => Ok(duration::parse(part)?.millis()),
        Figure::Rps if part.text.ends_with(|c: char| c.is_ascii_digit()) => not_negative(part),
        Figure::Rps => Ok(quantity::rate(part)?.0),
        Figure::Retries | Figure::Ejections | Figure::Overflow => not_negative(part),
    }
}

fn not_negative(part: Part<'_>) -> Result<f64, Fault> {
    let value = number(part)?;
    if value < 0.0 { Err(part.fault("this must be zero or more")) } else { Ok(value) }
}

fn scope(whole: Part<'_>, scopes: &Scopes<'_>) -> Result<ObjectiveScope, Fault> {
    if whole.text.is_empty() {
        return Ok(ObjectiveScope::All);
    }
    let (name, selector) = match whole.text.find('{') {
        Some(brace) => {
            let inside = &whole.text[brace + 1..whole.text.len() - 1];
            (whole.text[..brace].trim_end(), Some(Part { text: inside, at: whole.at + brace + 1 }))
        }
        None => (whole.text, None),
    };
    let name = Part { text: name, at: whole.at };
    match name.text.strip_prefix("client.") {
        Some(client) => self::client(Part { text: client, at: name.at + 7 }, selector, scopes),
        None => service(name, selector, scopes),
    }
}

/// The value behind `key=`.
fn selected<'a>(selector: Part<'a>, key: &str) -> Result<Part<'a>, Fault> {
    match selector.split_once('=') {
        Some((word, value)) if word.text == key => {
            Ok(Part { text: value.text.trim_matches(['"', '\'']), ..value })
        }
        _ => Err(selector
            .fault(format!("`{}` selects nothing here", selector.text))
            .help(format!("write `{{{key}=...}}`"))),
    }
}

fn client(name: Part<'_>, selector: Option<Part<'_>>, scopes: &Scopes<'_>) -> Result<ObjectiveScope, Fault> {
    let known: Vec<String> = scopes.clients.iter().map(|(_, client)| client.name.clone()).collect();
    let Some(index) = known.iter().position(|known| known == name.text) else {
        let fault = name.fault(format!("there is no client `{}`", name.text));
        return Err(fault.help(suggest(name.text, &known, "name one of `clients`")));
    };
    let client = ClientId::from_index(index);
    let class = selector.map(|selector| selected(selector, "class")).transpose()?;
    if let Some(class) = class {
        let classes: Vec<String> =
            scopes.clients[client].classes.iter().map(|class| class.name.clone()).collect();
        if !classes.iter().any(|known| known == class.text) {
            let fault = class.fault(format!("client `{}` has no class `{}`", name.text, class.text));
            return Err(fault.help(suggest(class.text, &classes, "name one of its requests")));
        }
    }
    Ok(ObjectiveScope::Client { client, class: class.map(|class| class.text.to_owned()) })
}

fn service(name: Part<'_>, selector: Option<Part<'_>>, scopes: &Scopes<'_>) -> Result<ObjectiveScope, Fault> {
    let Some(service) = scopes.names.service(&name.text.to_ascii_lowercase(), scopes.namespace) else {
        let known = scopes.names.service_names();
        let fault = name.fault(format!("there is no service `{}`", name.text));
        return Err(fault.help(suggest(name.text, &known, "clients are written `client.NAME`")));
    };
    let subset = selector.map(|selector| selected(selector, "subset")).transpose()?;
    if let Some(subset) = subset {
        let known = scopes.names.subsets(service);
        if scopes.is_whole && !known.iter().any(|known| known == subset.text) {
            let fault =
                subset.fault(format!("no DestinationRule gives `{}` a subset `{}`", name.text, subset.text));
            return Err(fault.help(suggest(subset.text, &known, "leave it out for the whole service")));
        }
    }
    Ok(ObjectiveScope::Service { service, subset: subset.map(|subset| subset.text.to_owned()) })
}

#[cfg(test)]
#[path = "objectives_tests.rs"]
mod tests;
