//! Answers what names mean, out of the inventory and the objects of the timeline.

use std::collections::BTreeSet;

use super::hosts::{full_name, meant_service, takes};
use super::names::Names;
use super::precedence::full_hosts;
use super::services::Inventory;
use super::states::Snapshot;
use crate::mesh::{ServiceId, WorkloadId};

pub struct Town<'a> {
    inventory: &'a Inventory,
    /// `namespace/name`.
    gateways: Vec<String>,
    /// Hosts that VirtualServices name, patterns among them.
    virtual_hosts: Vec<String>,
    /// Hosts that DestinationRules name, patterns among them, each with a subset.
    subsets: BTreeSet<(String, String)>,
}

impl<'a> Town<'a> {
    pub fn new(inventory: &'a Inventory, snapshots: &[Snapshot]) -> Town<'a> {
        let mut gateways: Vec<String> =
            snapshots.iter().flat_map(|state| &state.gateways).map(super::gateways::reference).collect();
        gateways.sort();
        gateways.dedup();
        let mesh_rules =
            snapshots.iter().flat_map(|state| &state.virtual_services).filter(|o| o.spec.binds_mesh());
        let rules = snapshots.iter().flat_map(|state| state.destination_rules.iter());
        let subsets = rules.flat_map(|rule| {
            let host = full_name(rule.spec.host.as_deref().unwrap_or_default(), &rule.namespace);
            let names = rule.spec.subsets.iter().filter_map(|subset| subset.name.clone());
            names.map(move |name| (host.clone(), name))
        });
        let virtual_hosts = mesh_rules.flat_map(full_hosts).collect();
        Town { inventory, gateways, virtual_hosts, subsets: subsets.collect() }
    }
}

impl Town<'_> {
    /// Whether a VirtualService for sidecars names the host, and so may take calls on ports that no service has.
    pub fn is_ruled(&self, host: &str, from_namespace: &str) -> bool {
        let full = full_name(host, from_namespace);
        self.virtual_hosts
            .iter()
            .any(|pattern| *pattern == host || (pattern.starts_with('*') && takes(pattern, &full)))
    }
}

impl Names for Town<'_> {
    fn service(&self, host: &str, from_namespace: &str) -> Option<ServiceId> {
        let host = host.trim_end_matches('.');
        let known = |host: &str| self.inventory.service(host);
        known(&full_name(host, from_namespace)).or_else(|| known(&meant_service(host)?)).or_else(|| {
            let wildcard = |known: &&String| known.starts_with('*') && takes(known, host);
            let longest = self.inventory.by_host.keys().filter(wildcard).max_by_key(|known| known.len())?;
            known(longest)
        })
    }

    fn service_host(&self, service: ServiceId) -> &str {
        &self.inventory.services[service].host
    }

    fn workload(&self, name: &str) -> Option<WorkloadId> {
        self.inventory.workload(name).or_else(|| {
            let mut named = self.inventory.workloads.iter().filter(|(_, workload)| workload.name == name);
            named.next().map(|(id, _)| id).filter(|_| named.next().is_none())
        })
    }

    fn gateway(&self, name: &str) -> bool {
        self.gateways
            .iter()
            .any(|known| known == name || known.rsplit_once('/').is_some_and(|(_, last)| last == name))
    }

    fn reaches(&self, host: &str, from_namespace: &str) -> bool {
        let full = full_name(host, from_namespace);
        self.service(host, from_namespace).is_some()
            || self.virtual_hosts.iter().any(|pattern| *pattern == full || takes(pattern, &full))
    }

    fn service_names(&self) -> Vec<String> {
        let name = |(_, service): (ServiceId, &super::services::KnownService)| {
            self.inventory.display_name(&service.name, &service.namespace)
        };
        self.inventory.services.iter().map(name).collect()
    }

    fn subsets(&self, service: ServiceId) -> Vec<String> {
        let host = self.service_host(service);
        let of_it = self.subsets.iter().filter(|(pattern, _)| pattern == host || takes(pattern, host));
        of_it.map(|(_, name)| name.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn workload_names(&self) -> Vec<String> {
        let workloads = self.inventory.workloads.iter();
        workloads.map(|(_, w)| self.inventory.display_name(&w.name, &w.namespace)).collect()
    }

    fn gateway_names(&self) -> Vec<String> {
        let short = |name: &String| match name.split_once('/') {
            Some((namespace, short)) if namespace == self.inventory.namespace => short.to_owned(),
            _ => name.clone(),
        };
        self.gateways.iter().map(short).collect()
    }
}
