//! What a mesh is to survive: meshes in which a part of the pods is gone for all of the measured time.

use std::collections::BTreeSet;

use crate::kernel::{Id, SimTime};
use crate::mesh::workload::{CrashOf, Incident, IncidentKind};
use crate::mesh::{Mesh, WorkloadId};

/// Whose loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survive {
    /// Each zone that holds pods, one at a time: all its nodes stop answering, and callers find out by their timers and
    /// after 40 s from Kubernetes. Clients, gateways and waypoints stay.
    Zone,
    /// The first pod of each workload, one workload at a time: it is reset, and callers hear of it at once.
    Pod,
}

/// One mesh with a loss, and what it is: `zone eu-1a`, `pod reviews-v2-0`.
#[derive(Clone, Debug)]
pub struct Loss {
    pub name: String,
    pub mesh: Mesh,
}

/// All losses that are to be survived, in order of name for zones and of the mesh for pods. A loss begins with the
/// measured time and outlasts it. Of workloads those count that `matters` says.
pub fn losses(mesh: &Mesh, survive: Survive, matters: impl Fn(&str) -> bool) -> Vec<Loss> {
    let workloads: Vec<WorkloadId> =
        mesh.workloads.iter().filter(|(_, row)| matters(&row.name)).map(|(id, _)| id).collect();
    match survive {
        Survive::Zone => {
            let hit = mesh.pods.rows().iter().filter(|pod| workloads.contains(&pod.workload));
            let zones: BTreeSet<_> = hit.map(|pod| pod.zone).collect();
            let mut losses: Vec<Loss> = zones
                .into_iter()
                .map(|zone| Loss {
                    name: format!("zone {}", mesh.zones[zone].name),
                    mesh: without(mesh, CrashOf::Node, |pod| mesh.pods.rows()[pod].zone == zone),
                })
                .collect();
            losses.sort_by(|left, right| left.name.cmp(&right.name));
            losses
        }
        Survive::Pod => workloads
            .into_iter()
            .filter_map(|workload| {
                let mut pods = mesh.pods.iter().filter(|(_, pod)| pod.workload == workload);
                let (id, pod) = pods.find(|(_, pod)| pod.ordinal == 0)?;
                let mesh = without(mesh, CrashOf::Pod, |pod| pod == id.index());
                Some(Loss { name: format!("pod {}", pod.name), mesh })
            })
            .collect(),
    }
}

/// The mesh in which the pods, by their row, crash when the warm-up is over.
fn without(mesh: &Mesh, of: CrashOf, is_lost: impl Fn(usize) -> bool) -> Mesh {
    let mut lossy = mesh.clone();
    // Beyond the end of the run and of what it waits for.
    let restart = mesh.run.duration + mesh.run.drain;
    for (workload, row) in mesh.workloads.ids().zip(lossy.workloads.rows_mut()) {
        let own = mesh.pods.iter().filter(|(id, pod)| pod.workload == workload && is_lost(id.index()));
        let pods: Vec<u32> = own.map(|(_, pod)| pod.ordinal).collect();
        if !pods.is_empty() {
            row.incidents.push(Incident {
                at: SimTime::ZERO + mesh.run.warmup,
                lasts: None,
                pods: Some(pods),
                kind: IncidentKind::Crash { restart, of },
            });
        }
    }
    lossy
}
