//! What a run needs of a cluster, worked out once for all proxies.

use crate::kernel::random::name_hash;
use crate::kernel::{Id, SimDuration};
use crate::mesh::ZoneId;
use crate::mesh::model::Cluster;
use crate::mesh::policy_spec::{LocalityGroup, Protocol};
use crate::policy::balance::sources::HostState;
use crate::policy::pool::Rules;

/// A cluster, ready to run.
pub struct ClusterPlan {
    /// Part of the keys of its state at each proxy. Source: design D2.
    pub name_hash: u64,
    pub rules: Rules,
    /// Its answers have a gRPC status.
    pub is_grpc: bool,
    /// Row of `delays`.
    pub connect_timeout: SimDuration,
    pub weights: Vec<u32>,
    /// By zone of the caller, or one for all.
    groups: Vec<Vec<LocalityGroup>>,
    pub weighs_localities: bool,
    pub panic_threshold: u32,
    /// Hosts are picked by a table of keys.
    pub is_keyed: bool,
    pub starts_slowly: bool,
    lists_unready: bool,
}

impl ClusterPlan {
    pub fn new(cluster: &Cluster) -> ClusterPlan {
        let hosts = (0..cluster.hosts.len() as u32).collect();
        let whole = || vec![vec![LocalityGroup { priority: 0, weight: 1, hosts }]];
        ClusterPlan {
            name_hash: name_hash(&cluster.name),
            rules: Rules::new(&cluster.connection),
            is_grpc: cluster.connection.protocol == Protocol::Grpc,
            connect_timeout: cluster.connection.connect_timeout,
            weights: cluster.hosts.iter().map(|host| host.weight).collect(),
            weighs_localities: cluster.localities.as_ref().is_some_and(|localities| localities.is_weighted),
            groups: cluster.localities.as_ref().map_or_else(whole, |localities| localities.groups.clone()),
            panic_threshold: cluster.balancer.panic_threshold_percent,
            is_keyed: cluster.balancer.table.is_some(),
            starts_slowly: cluster.balancer.slow_start.is_some(),
            lists_unready: cluster.lists_unready,
        }
    }

    /// How a host stands in the list of this cluster that is told of as `told`. Source: semantics S15.1.
    pub fn lists(&self, told: HostState) -> HostState {
        match told {
            HostState::Unhealthy if !self.lists_unready => HostState::Gone,
            told => told,
        }
    }

    /// The hosts as callers in `zone` see them.
    pub fn groups(&self, zone: ZoneId) -> &[LocalityGroup] {
        match self.groups.as_slice() {
            [same] => same,
            by_zone => &by_zone[zone.index()],
        }
    }
}
