//! The groups of a cluster's hosts by where they run, as callers in each zone see them. Source: semantics S6.4.

use super::locality::{self, Locality, PREFER_SAME_ZONE, Place, Rules, Spread};
use super::policies::Effective;
use super::services::Inventory;
use crate::config::istio::values::Labels;
use crate::mesh::Zone;
use crate::mesh::model::Host;
use crate::mesh::policy_spec::{LocalityGroup, LocalitySpec};

/// What groups are made of.
pub struct Members<'a> {
    pub inventory: &'a Inventory,
    pub hosts: &'a [Host],
    /// The service has a trafficDistribution. Simplified: pods have no nodes, so PreferSameNode goes no further than
    /// the zone.
    pub prefers_near: bool,
    /// Of the caller, as far as any rule asks about them.
    pub labels: &'a Labels,
}

/// `None`: hosts are alike wherever they run.
pub fn spec(members: &Members<'_>, effective: &Effective<'_>) -> Option<LocalitySpec> {
    let balancer = effective.blocks.load_balancer;
    let rules = Rules {
        setting: balancer.and_then(|balancer| balancer.locality_lb_setting.as_ref()),
        near: members.prefers_near.then_some(PREFER_SAME_ZONE),
        has_outlier_detection: effective.blocks.outlier_detection.is_some(),
    };
    let is_silent = rules.setting.is_none() && rules.near.is_none() && !rules.has_outlier_detection;
    // Zone-aware balancing, which is not simulated, would come before all of them.
    if is_silent || balancer.is_some_and(|balancer| balancer.zone_aware_lb_setting.is_some()) {
        return None;
    }
    let zones = members.inventory.zones.rows();
    let spreads: Vec<Spread> = zones.iter().map(|zone| spread(members, rules, zone)).collect();
    let is_weighted = spreads.iter().any(|spread| spread.is_weighted);
    let is_plain = |Spread { groups, .. }: &Spread| {
        let first = groups.iter().filter(|group| group.priority == 0).map(|group| group.members.len());
        first.sum::<usize>() == members.hosts.len() && (groups.len() <= 1 || !is_weighted)
    };
    if spreads.iter().all(is_plain) {
        return None;
    }
    let group = |group: locality::Group| LocalityGroup {
        priority: group.priority,
        weight: group.weight,
        hosts: group.members.into_iter().map(|host| host as u32).collect(),
    };
    let groups = spreads.into_iter().map(|spread| spread.groups.into_iter().map(group).collect()).collect();
    Some(LocalitySpec { is_weighted, groups })
}

fn spread(members: &Members<'_>, rules: Rules<'_>, from: &Zone) -> Spread {
    let inventory = members.inventory;
    let place_of = |host: &Host| {
        let pod = &inventory.pods[host.pod];
        let locality = of_zone(&inventory.zones[pod.zone]);
        let labels = locality::with_topology(&inventory.workloads[pod.workload].labels, &locality);
        (locality, labels, host.weight)
    };
    let all: Vec<(Locality, Labels, u32)> = members.hosts.iter().map(place_of).collect();
    let endpoints = all.iter().map(|(locality, labels, weight)| Place { locality, labels, weight: *weight });
    let here = of_zone(from);
    let labels = locality::with_topology(members.labels, &here);
    let client = Place { locality: &here, labels: &labels, weight: 1 };
    locality::spread(rules, client, &endpoints.collect::<Vec<_>>())
}

fn of_zone(zone: &Zone) -> Locality {
    Locality { region: zone.region.clone(), zone: zone.name.clone(), subzone: String::new() }
}
