//! Where requests go, by arithmetic alone: which rule serves which share of each client's requests at every hop, how
//! many proxies carry each limit, what the timeline changes, and who is never asked. Nothing is simulated, so it holds
//! as long as nothing fails: no retries, no ejections, no errors of pods.

mod connections;
mod facts;
mod limits;
mod walk;

use std::collections::BTreeSet;

pub use facts::{
    Answer, Change, ChangedQuestion, ClientTraffic, Detector, Door, Hop, Limit, ScaledWorkload, Split,
    Traffic,
};

use crate::kernel::{Id, SimTime};
use crate::mesh::workload::{ClientKind, PodLife, Workload};
use crate::mesh::{Mesh, WorkloadId};
use walk::Walker;

impl Traffic {
    pub fn of(mesh: &Mesh) -> Traffic {
        let mut walker = Walker::new(mesh);
        let mut states = mesh.states.rows().iter();
        let first = states.next().map(|state| walker.state(state)).unwrap_or_default();
        let mut changes = Vec::new();
        let mut before = first.clone();
        for state in states {
            let after = walker.state(state);
            let questions = changed(&before.clients, &after.clients);
            let limits: Vec<Limit> =
                after.limits.iter().filter(|limit| !before.limits.contains(limit)).cloned().collect();
            let scalings = scalings(mesh, state.at);
            if !questions.is_empty() || !limits.is_empty() || !scalings.is_empty() {
                changes.push(Change {
                    at: state.at,
                    label: state.label.clone(),
                    questions,
                    limits,
                    scalings,
                });
            }
            before = after;
        }
        let reached = |id: &WorkloadId| walker.reached[id.index()];
        let calls = |id: WorkloadId| mesh.clients.rows().iter().any(|c| c.kind == ClientKind::Workload(id));
        let guessed =
            mesh.workloads.iter().filter(|(id, workload)| reached(id) && !workload.guessed.is_empty());
        let unreached = mesh.workloads.iter().filter(|(id, _)| !reached(id) && !calls(*id));
        Traffic {
            guessed: guessed.map(|(_, w)| (w.name.clone(), w.guessed.clone())).collect(),
            unreached: unreached.map(|(_, workload)| workload.name.clone()).collect(),
            clients: first.clients,
            limits: first.limits,
            detectors: first.detectors,
            changes,
        }
    }
}

/// Numbers of pods that change at a moment. An entry of the timeline that does so begins a state.
fn scalings(mesh: &Mesh, at: SimTime) -> Vec<ScaledWorkload> {
    let of = |workload: &Workload| {
        let PodLife { scalings, startup, shutdown, .. } = &workload.life;
        let pair = scalings.windows(2).find(|pair| pair[1].at == at)?;
        Some(ScaledWorkload {
            workload: workload.name.clone(),
            before: pair[0].pods,
            after: pair[1].pods,
            startup: *startup,
            shutdown: *shutdown,
        })
    };
    mesh.workloads.rows().iter().filter_map(of).collect()
}

fn changed(before: &[ClientTraffic], after: &[ClientTraffic]) -> Vec<ChangedQuestion> {
    let mut changed = Vec::new();
    for (old, new) in before.iter().zip(after) {
        let mut asked = BTreeSet::new();
        for hop in new.hops.iter().chain(&old.hops) {
            let question = hop.question();
            if !asked.insert(question) {
                continue;
            }
            let of = |client: &ClientTraffic| -> Vec<Hop> {
                client.hops.iter().filter(|hop| hop.question() == question).cloned().collect()
            };
            let (before, after) = (of(old), of(new));
            if before.len() != after.len() || before.iter().zip(&after).any(|(old, new)| !old.is_like(new)) {
                let (caller, host, port) = (hop.caller.clone(), hop.host.clone(), hop.port);
                changed.push(ChangedQuestion { client: new.name.clone(), caller, host, port, before, after });
            }
        }
    }
    changed
}
