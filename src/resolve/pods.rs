//! From workloads to pods: which services they back, in which zones they run, and under which addresses.
//! Source: design D4, D9.2, D9.5.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh64::xxh64;

use super::defaults::PORT;
use super::note::Notes;
use super::object::{Object, selects};
use super::services::{Inventory, KnownService, KnownWorkload};
use super::states::Backends;
use crate::config::diagnostic::Diagnostic;
use crate::config::istio::kubernetes::{IntOrName, PodController};
use crate::config::istio::values::Labels;
use crate::config::read::Located;
use crate::config::scenario::{self as written, MAX_PODS, Scenario};
use crate::kernel::Table;
use crate::kernel::words::counted;
use crate::mesh::workload::{DataPlane, Scaling};
use crate::mesh::{Pod, ServiceId, Zone, ZoneId};

/// The zone of pods where nobody names zones.
const ZONE: &str = "default";

/// A workload on its way.
#[derive(Default)]
pub struct Draft<'a> {
    pub labels: Labels,
    /// Of all times the most.
    pub replicas: u32,
    /// At the start, where that is another number.
    pub first_replicas: Option<u32>,
    /// Empty if that holds throughout.
    pub scalings: Vec<Scaling>,
    /// As the scenario says.
    pub data_plane: Option<DataPlane>,
    pub controller: Option<&'a Object<PodController>>,
    pub scenario: Option<&'a written::Workload>,
    /// Endpoints of a ServiceEntry: their addresses and weights.
    pub endpoints: Vec<(String, u32)>,
    /// Hosts that it backs by name.
    pub backs: BTreeSet<String>,
    pub zones: Vec<String>,
}

/// By namespace and name.
pub type Drafts<'a> = BTreeMap<(String, String), Draft<'a>>;

/// Deals the pods out to zones and gives them addresses.
pub fn make(
    inventory: &mut Inventory,
    drafts: Drafts<'_>,
    backends: &Backends,
    scenario: &Scenario,
    notes: &mut Notes<'_>,
) {
    let named = named_zones(scenario);
    let mut taken = BTreeSet::new();
    for ((namespace, name), draft) in drafts {
        let services = backed(inventory, &draft, &namespace);
        let external = services.iter().any(|id| inventory.services[*id].is_external());
        let around = || match external {
            true => DataPlane::Bare,
            false => inventory.planes.of_pods(draft.controller.map(|object| &object.spec), &namespace),
        };
        let data_plane = draft.data_plane.unwrap_or_else(around);
        let zones = if draft.zones.is_empty() { &named } else { &draft.zones };
        let port = target_port(inventory, backends, &draft, &services);
        let display = inventory.display_name(&name, &namespace);
        let written =
            strings(draft.scenario.and_then(|w| w.addresses.as_ref()).map(|list| list.0.as_slice()));
        check_addresses(&draft, written.len(), notes);
        check_number(&draft, notes);
        let workload = inventory.workloads.push(KnownWorkload {
            name: name.clone(),
            namespace: namespace.clone(),
            labels: draft.labels.clone(),
            data_plane,
            services,
            pods: Vec::new(),
            scalings: draft.scalings.clone(),
            shutdown: draft.controller.and_then(|c| c.spec.pre_stop()),
            grace: draft.controller.and_then(|c| c.spec.grace()),
            named_ports: draft.controller.map(|c| c.spec.named_ports()).unwrap_or_default(),
        });
        for ordinal in 0..draft.replicas.min(MAX_PODS) {
            let index = ordinal as usize;
            let (given, weight) = match (written.get(index), draft.endpoints.get(index)) {
                (Some(address), _) => (Some(address.clone()), 1),
                (None, Some((address, weight))) => (Some(address.clone()), *weight),
                (None, None) => (None, 1),
            };
            let zone = zone(&mut inventory.zones, &zones[index % zones.len()]);
            let address = given.unwrap_or_else(|| free_address(&display, ordinal, port, &mut taken));
            let pod_name = format!("{name}-{ordinal}");
            let pod =
                inventory.pods.push(Pod { name: pod_name, workload, ordinal, zone, address, proxy: None });
            inventory.workloads[workload].pods.push(pod);
            if weight != 1 {
                inventory.weights.insert(pod, weight);
            }
        }
    }
}

/// All zones that the scenario names, in order. Pods of which nothing is said are spread over them, as Kubernetes does.
fn named_zones(scenario: &Scenario) -> Vec<String> {
    let workloads =
        scenario.workloads.iter().flat_map(|entries| entries.iter()).map(|(_, w)| w.zones.as_ref());
    let clients = scenario.clients.iter().flat_map(|entries| entries.iter()).map(|(_, c)| c.zones.as_ref());
    let all: BTreeSet<String> =
        workloads.chain(clients).flat_map(|zones| strings(zones.map(|zones| zones.0.as_slice()))).collect();
    if all.is_empty() { vec![ZONE.to_owned()] } else { all.into_iter().collect() }
}

/// `region/zone`, or a bare zone of the one region that needs no name. Source: design D9.5.
pub fn zone(zones: &mut Table<ZoneId, Zone>, text: &str) -> ZoneId {
    let (region, name) = text.split_once('/').unwrap_or(("", text));
    let zone = Zone { region: region.to_owned(), name: name.to_owned() };
    let known = zones.iter().find(|(_, known)| **known == zone).map(|(id, _)| id);
    known.unwrap_or_else(|| zones.push(zone))
}

/// The zones that pods without zones of their own are dealt out to.
pub fn zones_or_all(own: &[String], scenario: &Scenario) -> Vec<String> {
    if own.is_empty() { named_zones(scenario) } else { own.to_vec() }
}

fn backed(inventory: &Inventory, draft: &Draft<'_>, namespace: &str) -> Vec<ServiceId> {
    let backs = |service: &KnownService| {
        draft.backs.contains(&service.host)
            || (!service.selector.is_empty()
                && service.namespace == namespace
                && selects(&service.selector, &draft.labels))
    };
    inventory.services.iter().filter(|(_, service)| backs(service)).map(|(id, _)| id).collect()
}

/// The port on which the pods listen: the target of their first service's first port.
fn target_port(inventory: &Inventory, backends: &Backends, draft: &Draft<'_>, services: &[ServiceId]) -> u16 {
    let Some(service) = services.first().map(|id| &inventory.services[*id]) else { return PORT };
    let number = service.ports.first().map_or(PORT, |port| port.number);
    let object =
        backends.services.iter().find(|o| o.name == service.name && o.namespace == service.namespace);
    let target =
        object.and_then(|object| object.spec.ports.first()).and_then(|port| port.target_port.as_ref());
    match target {
        Some(IntOrName::Number(target)) => u16::try_from(*target).unwrap_or(number),
        Some(IntOrName::Name(name)) => {
            draft.controller.and_then(|c| c.spec.named_port(name)).unwrap_or(number)
        }
        None => number,
    }
}

fn check_addresses(draft: &Draft<'_>, given: usize, notes: &mut Notes<'_>) {
    let Some(list) = draft.scenario.and_then(|workload| workload.addresses.as_ref()) else { return };
    // Those that come later may be made addresses of.
    let pods = draft.first_replicas.unwrap_or(draft.replicas);
    if given != pods as usize
        && given != draft.replicas as usize
        && let Some(first) = list.0.first()
    {
        let addresses = counted(given, "address", "addresses");
        notes.report(
            Diagnostic::error("MS0013", format!("{addresses} for {}", counted(pods, "pod", "pods")))
                .at(first.span)
                .help("give each pod its address, or leave them all out"),
        );
    }
}

/// The scenario's own numbers were checked when they were read.
fn check_number(draft: &Draft<'_>, notes: &mut Notes<'_>) {
    if draft.replicas > MAX_PODS
        && let Some(controller) = draft.controller
    {
        let span = controller.span(notes, "spec.replicas");
        let message = format!("a workload of more than {MAX_PODS} pods is not simulated");
        notes.report(Diagnostic::error("MS0013", message).at(span).help("is a digit too many there?"));
    }
}

/// An address made of the workload's name, so that other workloads may come and go without moving a hash.
fn free_address(workload: &str, ordinal: u32, port: u16, taken: &mut BTreeSet<(u64, u32)>) -> String {
    let last = ordinal % 250 + 1;
    let mut block = xxh64(workload.as_bytes(), 0).wrapping_add(u64::from(ordinal / 250)) % 65_536;
    while !taken.insert((block, last)) {
        block = (block + 1) % 65_536;
    }
    format!("10.{}.{}.{last}:{port}", block / 256, block % 256)
}

/// The values of a list that may be absent.
pub fn strings(list: Option<&[Located<String>]>) -> Vec<String> {
    list.unwrap_or_default().iter().map(|text| text.value.clone()).collect()
}
