//! How many pods each workload has over time: what manifests and scenario say, and what the timeline makes of it.
//! Source: design D9.17.

use super::note::Notes;
use super::pods::{Draft, Drafts};
use super::scalings::{Act, NumberedAct, Scalings};
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::path::did_you_mean;
use crate::kernel::SimTime;
use crate::mesh::workload::Scaling;

/// Tells the workloads; who has too few pods to begin with gets those that are to come.
pub fn spread(scalings: &Scalings, drafts: &mut Drafts<'_>, home: &str, notes: &mut Notes<'_>) {
    let mut all = scalings.objects.clone();
    for (nth, at, order) in &scalings.orders {
        match meant(drafts, &order.workload.value, home) {
            Some(key) => {
                all.entry(key).or_default().push((*nth, *at, Act::Becomes(order.pods)));
            }
            None => notes.report(unknown(drafts, &order.workload.value, order.workload.span)),
        }
    }
    for (key, mut acts) in all {
        let Some(draft) = drafts.get_mut(&key) else { continue };
        acts.sort_unstable_by_key(|(nth, at, _)| (*at, *nth));
        scale(draft, &acts);
    }
}

fn scale(draft: &mut Draft<'_>, acts: &[NumberedAct]) {
    let said = draft.scenario.and_then(|workload| workload.replicas.as_ref());
    let first = if matches!(acts.first(), Some((_, _, Act::Comes(_)))) { 0 } else { draft.replicas };
    let mut scalings = vec![Scaling { at: SimTime::ZERO, pods: first }];
    for (_, at, act) in acts {
        let pods = match (act, said) {
            // The scenario's number beats the manifest's, where the manifest does not change its own.
            (Act::Comes(_), Some(said)) => said.value.get(),
            (Act::Comes(pods) | Act::Becomes(pods), _) => *pods,
        };
        match scalings.last_mut() {
            Some(last) if last.at == *at => last.pods = pods,
            Some(last) if last.pods == pods => {}
            _ => scalings.push(Scaling { at: *at, pods }),
        }
    }
    scalings.dedup_by_key(|scaling| scaling.pods);
    draft.replicas = scalings.iter().map(|scaling| scaling.pods).max().unwrap_or(first);
    draft.first_replicas = Some(scalings[0].pods);
    if scalings.len() > 1 {
        draft.scalings = scalings;
    }
}

/// The workload of this name: the scenario's own, else the one at home, else the only one of all namespaces.
fn meant(drafts: &Drafts<'_>, name: &str, home: &str) -> Option<(String, String)> {
    let at_home = (home.to_owned(), name.to_owned());
    if drafts.contains_key(&at_home) {
        return Some(at_home);
    }
    let mut named = drafts.keys().filter(|(_, known)| known == name);
    named.next().filter(|_| named.next().is_none()).cloned()
}

fn unknown(drafts: &Drafts<'_>, name: &str, span: Span) -> Diagnostic {
    let near = did_you_mean(name, drafts.keys().map(|(_, known)| known.as_str()));
    let help = near.map(|near| format!("did you mean `{near}`?"));
    Diagnostic::error("MS0012", format!("there is no workload `{name}`")).at(span).help_if(help)
}
