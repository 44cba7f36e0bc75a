//! What a pod's own sidecar limits: the pool of the DestinationRule that holds for its service, and nothing else of that
//! rule, acts a second time at each pod, for all callers together. Source: semantics S1.2.

use super::cluster_specs::{breakers, connection};
use super::defaults::UNLIMITED;
use super::note::Notes;
use super::object::Object;
use super::policies::{self, Effective};
use super::services::{Caller, Inventory, KnownWorkload};
use super::states::Snapshot;
use crate::config::istio::DestinationRule;
use crate::config::istio::destination_rule::Blocks;
use crate::kernel::Id;
use crate::mesh::workload::{DataPlane, Inbound};

/// The limits of a workload's ports, as the first state has them; tells of rules that change them later.
pub fn limits(
    inventory: &Inventory,
    snapshots: &[Snapshot],
    workload: &KnownWorkload,
    notes: &mut Notes<'_>,
) -> Vec<Inbound> {
    let now = in_state(inventory, &snapshots[0], workload);
    for snapshot in &snapshots[1..] {
        let later = in_state(inventory, snapshot, workload);
        for (limit, rule) in &later {
            if !now.iter().any(|(known, _)| known == limit) {
                notes.not_modelled(
                    &rule.title(),
                    rule.span(notes, "spec.trafficPolicy.connectionPool"),
                    "a change of the limits at the server's own sidecar: those of the start hold there throughout",
                );
            }
        }
    }
    now.into_iter().map(|(limit, _)| limit).collect()
}

fn in_state<'a>(
    inventory: &Inventory,
    snapshot: &'a Snapshot,
    workload: &KnownWorkload,
) -> Vec<(Inbound, &'a Object<DestinationRule>)> {
    if workload.data_plane != DataPlane::Sidecar {
        return Vec::new();
    }
    // It looks up its own service's rule as a caller in its place would.
    let seen = Caller { namespace: workload.namespace.clone(), labels: workload.labels.clone() };
    let mut limits = Vec::new();
    for id in &workload.services {
        let service = &inventory.services[*id];
        let policies = policies::find(&snapshot.destination_rules, service, &seen);
        let Some((rule, _)) = policies.top() else { continue };
        if rule.spec.workload_selector.is_some() {
            continue;
        }
        for port in &service.ports {
            let Effective { blocks, retry_budget } = policies.effective(None, port.number);
            let pool = Effective {
                blocks: Blocks { connection_pool: blocks.connection_pool, ..Blocks::default() },
                retry_budget,
            };
            let breakers = breakers(&pool);
            let is_set = [breakers.max_connections, breakers.max_pending_requests, breakers.max_requests]
                .iter()
                .any(|limit| *limit != UNLIMITED);
            if is_set {
                let connection = connection(&pool, port.protocol);
                limits.push((Inbound { service: *id, port: port.number, breakers, connection }, rule));
            }
        }
    }
    limits.sort_by_key(|(limit, _)| (limit.service.index(), limit.port));
    limits
}
