//! What a pod's own sidecar limits: the pool of the DestinationRule that holds for its service, and nothing else of that
//! rule, acts a second time at each pod, for all callers together. Source: semantics S1.2.

use std::collections::BTreeMap;

use super::cluster_specs::{breakers, inbound_connection};
use super::defaults::UNLIMITED;
use super::mesh_wide::MeshWide;
use super::policies::{self, Effective};
use super::services::{Caller, Inventory, KnownWorkload};
use super::states::Snapshot;
use super::versions::Version;
use crate::config::istio::destination_rule::Blocks;
use crate::kernel::Id;
use crate::mesh::policy_spec::{CircuitBreakers, ConnectionSpec};
use crate::mesh::workload::{DataPlane, Inbound, Limits};
use crate::mesh::{ServiceId, StateId};

/// The ports of a workload whose limits matter in any state, with what each state makes of them.
pub fn limits(
    inventory: &Inventory,
    snapshots: &[Snapshot],
    workload: &KnownWorkload,
    version: Version,
) -> Vec<Inbound> {
    let mut states =
        snapshots.iter().map(|snapshot| in_state(inventory, snapshot, workload, version)).enumerate();
    let (_, first) = states.next().expect("there is a state at 0");
    let mut ports: BTreeMap<(ServiceId, u16), Inbound> = first
        .into_iter()
        .map(|((service, port), limits)| {
            ((service, port), Inbound { service, port, limits, later: Vec::new() })
        })
        .collect();
    for (number, state) in states {
        for (place, limits) in state {
            let inbound = ports.get_mut(&place).expect("services and their ports stay");
            let before = inbound.later.last().map_or(&inbound.limits, |(_, limits)| limits);
            if *before != limits {
                inbound.later.push((StateId::from_index(number), limits));
            }
        }
    }
    let matters =
        |inbound: &Inbound| is_set(&inbound.limits) || inbound.later.iter().any(|(_, limits)| is_set(limits));
    ports.into_values().filter(matters).collect()
}

fn is_set(limits: &Limits) -> bool {
    let breakers = &limits.breakers;
    [breakers.max_connections, breakers.max_pending_requests, breakers.max_requests]
        .iter()
        .any(|limit| *limit != UNLIMITED)
}

fn in_state(
    inventory: &Inventory,
    snapshot: &Snapshot,
    workload: &KnownWorkload,
    version: Version,
) -> BTreeMap<(ServiceId, u16), Limits> {
    let mut limits = BTreeMap::new();
    if workload.data_plane != DataPlane::Sidecar {
        return limits;
    }
    // It looks up its own service's rule as a caller in its place would.
    let seen = Caller { namespace: workload.namespace.clone(), labels: workload.labels.clone() };
    for id in &workload.services {
        let service = &inventory.services[*id];
        let found = policies::find_for_server(&snapshot.destination_rules, service, &seen);
        let found = found.under(MeshWide::of(&snapshot.mesh_configs));
        for port in &service.ports {
            let effective = found.effective(None, port.number);
            let pool = Effective {
                blocks: Blocks { connection_pool: effective.blocks.connection_pool, ..Blocks::default() },
                ..effective
            };
            let (breakers, connection): (CircuitBreakers, ConnectionSpec) =
                (breakers(&pool), inbound_connection(&pool, port, version));
            limits.insert((*id, port.number), Limits { breakers, connection });
        }
    }
    limits
}
