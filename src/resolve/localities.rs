//! The groups of a cluster's hosts by where they run, for callers in each zone: which of Istio's locality settings
//! applies, and what it makes of the hosts. Source: semantics S6.4.

use std::collections::BTreeMap;

use super::locality::{self, Locality};
use super::policies::Effective;
use super::services::Inventory;
use crate::config::istio::destination_rule::LocalitySetting;
use crate::config::istio::values::Labels;
use crate::mesh::model::Host;
use crate::mesh::policy_spec::{LocalityGroup, LocalitySpec};
use crate::mesh::{Zone, ZoneId};

/// Labels that pods and proxies have from the place where they run.
pub const REGION: &str = "topology.kubernetes.io/region";
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// What `trafficDistribution` amounts to. Simplified: pods have no nodes, so PreferSameNode goes no further than the
/// zone. Source: semantics S6.4.
const NEAR: [&str; 3] = ["topology.istio.io/network", REGION, ZONE];

/// The setting that applies.
enum Setting<'a> {
    Distribute(&'a LocalitySetting),
    Distance(&'a LocalitySetting),
    Labels(Vec<String>, &'a LocalitySetting),
}

/// What groups are made of.
pub struct Members<'a> {
    pub inventory: &'a Inventory,
    pub hosts: &'a [Host],
    /// The service has a trafficDistribution.
    pub prefers_near: bool,
    /// Of the caller, as far as any rule asks about them.
    pub labels: &'a Labels,
}

/// `None`: hosts are alike wherever they run.
pub fn spec(members: &Members<'_>, effective: &Effective<'_>) -> Option<LocalitySpec> {
    let silent = LocalitySetting::default();
    let (setting, is_weighted) = applies(effective, members.prefers_near, &silent)?;
    let zones = members.inventory.zones.rows();
    let groups: Vec<_> = zones.iter().map(|zone| groups(members, &setting, zone)).collect();
    let is_plain = |groups: &Vec<LocalityGroup>| {
        let first = groups.iter().filter(|group| group.priority == 0).map(|group| group.hosts.len());
        first.sum::<usize>() == members.hosts.len() && (groups.len() <= 1 || !is_weighted)
    };
    let differs = !groups.iter().all(is_plain);
    differs.then_some(LocalitySpec { is_weighted, groups })
}

/// Which setting holds, and whether weights of localities are written with it. Source: semantics S6.3, S6.4.
fn applies<'a>(
    effective: &Effective<'a>,
    prefers_near: bool,
    silent: &'a LocalitySetting,
) -> Option<(Setting<'a>, bool)> {
    let balancer = effective.blocks.load_balancer;
    let has_outlier = effective.blocks.outlier_detection.is_some();
    if balancer.is_some_and(|balancer| balancer.zone_aware_lb_setting.is_some()) {
        return None;
    }
    match balancer.and_then(|balancer| balancer.locality_lb_setting.as_ref()) {
        Some(own) if own.enabled == Some(false) => None,
        Some(own) if !own.distribute.is_empty() => Some((Setting::Distribute(own), true)),
        Some(own) if !own.failover_priority.is_empty() => {
            has_outlier.then(|| (Setting::Labels(own.failover_priority.clone(), own), true))
        }
        Some(own) => has_outlier.then_some((Setting::Distance(own), !own.failover.is_empty())),
        None if prefers_near => Some((Setting::Labels(NEAR.map(str::to_owned).to_vec(), silent), true)),
        // Locality balancing is on in the mesh by default, and waits only for somebody to eject hosts.
        None => has_outlier.then_some((Setting::Distance(silent), false)),
    }
}

fn locality(zone: &Zone) -> Locality {
    Locality { region: zone.region.clone(), zone: zone.name.clone(), subzone: String::new() }
}

/// Labels with those of the place added.
fn placed(labels: &Labels, zone: &Zone) -> Labels {
    let mut labels = labels.clone();
    labels.insert(REGION.to_owned(), zone.region.clone());
    labels.insert(ZONE.to_owned(), zone.name.clone());
    labels
}

/// The hosts as callers in `from` see them, in the order of their localities' names. Source: semantics S15.2.
fn groups(members: &Members<'_>, setting: &Setting<'_>, from: &Zone) -> Vec<LocalityGroup> {
    let Members { inventory, hosts, .. } = members;
    let zone_of = |host: &Host| inventory.pods[host.pod].zone;
    let priorities = match setting {
        Setting::Distribute(_) => vec![0; hosts.len()],
        Setting::Distance(setting) => {
            let all: Vec<Locality> =
                hosts.iter().map(|host| locality(&inventory.zones[zone_of(host)])).collect();
            locality::by_distance(&locality(from), &all, &setting.failover)
        }
        Setting::Labels(keys, setting) => by_labels(members, keys, setting, from),
    };
    let mut by_place: BTreeMap<(String, u32), (ZoneId, Vec<u32>)> = BTreeMap::new();
    for ((number, host), priority) in (0..).zip(*hosts).zip(priorities) {
        let zone = zone_of(host);
        let Zone { region, name } = &inventory.zones[zone];
        let entry = by_place.entry((format!("{region}/{name}"), priority));
        entry.or_insert_with(|| (zone, Vec::new())).1.push(number);
    }
    let weight = |own: &[u32]| own.iter().map(|host| hosts[*host as usize].weight).sum();
    let mut groups: Vec<(ZoneId, LocalityGroup)> = by_place
        .into_iter()
        .map(|((_, priority), (zone, hosts))| {
            (zone, LocalityGroup { priority, weight: weight(&hosts), hosts })
        })
        .collect();
    if let Setting::Distribute(setting) = setting {
        let own: Vec<(Locality, u32)> =
            groups.iter().map(|(zone, group)| (locality(&inventory.zones[*zone]), group.weight)).collect();
        if let Some(weights) = locality::distribute(&locality(from), &own, &setting.distribute) {
            groups.iter_mut().zip(weights).for_each(|((_, group), weight)| group.weight = weight);
            groups.retain(|(_, group)| group.weight > 0);
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn by_labels(members: &Members<'_>, keys: &[String], setting: &LocalitySetting, from: &Zone) -> Vec<u32> {
    let inventory = members.inventory;
    let zone = |host: &Host| &inventory.zones[inventory.pods[host.pod].zone];
    let of_host =
        |host: &Host| placed(&inventory.workloads[inventory.pods[host.pod].workload].labels, zone(host));
    let labels: Vec<Labels> = members.hosts.iter().map(of_host).collect();
    let caller = placed(members.labels, from);
    if setting.failover.is_empty() {
        return locality::by_labels(keys, &caller, &labels.iter().collect::<Vec<_>>());
    }
    let localities: Vec<Locality> = members.hosts.iter().map(|host| locality(zone(host))).collect();
    let endpoints: Vec<(&Labels, &Locality)> = labels.iter().zip(&localities).collect();
    locality::by_labels_and_distance((keys, &setting.failover), (&caller, &locality(from)), &endpoints)
}
