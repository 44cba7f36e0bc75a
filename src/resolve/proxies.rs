//! One proxy for each pod of a client, of a gateway, and of a workload that makes calls; and the views: what decides
//! which routes a proxy gets. Source: design D3, D9.2, D9.6.

use std::collections::{BTreeMap, BTreeSet};

use super::clients::{ClientPlan, gateway_pods};
use super::defaults::{self, ROOT_NAMESPACE};
use super::gateways;

use super::object::selects;
use super::pods::{zone, zones_or_all};
use super::services::{Caller, Inventory, KnownWaypoint};
use super::states::Snapshot;
use crate::config::istio::destination_rule_rules::each_blocks;
use crate::config::istio::values::Labels;
use crate::config::scenario::Scenario;
use crate::kernel::{Id, Table};
use crate::mesh::workload::{ClientKind, DataPlane};
use crate::mesh::{Proxy, ProxyId, ProxyKind, WaypointId, WorkloadId};
use crate::policy::hash::{ip, xxh64};

/// What decides the routes of a proxy. Proxies of one view have one table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    Sidecar(Caller),
    /// By its name as clients write it.
    Gateway(String, Caller),
    /// In this namespace, without any proxy.
    Bare(String),
    /// In this namespace, in ambient mode.
    Ztunnel(String),
    /// A gRPC library.
    Library(Caller),
    /// A replica, by its waypoint's name: it has a table for each door instead of one of its own.
    Waypoint(String),
}

#[derive(Clone, Debug, Default)]
pub struct Proxies {
    pub table: Table<ProxyId, Proxy>,
    /// In the order of their first proxy.
    pub views: Vec<View>,
    /// Of each proxy: its place in `views`.
    pub view_of: Vec<usize>,
    /// Of each client plan.
    pub of_client: Vec<Vec<ProxyId>>,
    /// Of each workload that has proxies.
    pub of_workload: BTreeMap<WorkloadId, Vec<ProxyId>>,
    /// Of each waypoint; none where no service stands behind it.
    pub of_waypoint: Vec<Vec<ProxyId>>,
}

/// Makes all proxies, and tells the pods that call which one is theirs.
pub fn build(
    inventory: &mut Inventory,
    plans: &[ClientPlan],
    calling: &BTreeSet<WorkloadId>,
    snapshots: &[Snapshot],
    scenario: &Scenario,
) -> Proxies {
    let mut proxies = Proxies::default();
    let matter = labels_that_matter(snapshots);
    let mut of_gateway: BTreeMap<String, Vec<ProxyId>> = BTreeMap::new();
    for plan in plans {
        let own = match &plan.kind {
            ClientKind::Gateway(name) => match of_gateway.get(name) {
                Some(known) => known.clone(),
                None => {
                    let made = gateway(&mut proxies, inventory, plans, name, snapshots, scenario);
                    of_gateway.insert(name.clone(), made.clone());
                    made
                }
            },
            ClientKind::Workload(workload) => of_pods(&mut proxies, inventory, *workload, &matter),
            ClientKind::Sidecar => client(&mut proxies, inventory, plan, &matter, scenario),
        };
        proxies.of_client.push(own);
    }
    for workload in calling {
        of_pods(&mut proxies, inventory, *workload, &matter);
    }
    let waypoints: Vec<WaypointId> = inventory.waypoints.table.ids().collect();
    for id in waypoints {
        let replicas = of_waypoint(&mut proxies, inventory, id, scenario);
        proxies.of_waypoint.push(replicas);
    }
    proxies
}

impl Proxies {
    pub fn view(&self, proxy: ProxyId) -> &View {
        &self.views[self.view_of[proxy.index()]]
    }

    fn add(&mut self, proxy: Proxy, view: View) -> ProxyId {
        let place = self.views.iter().position(|known| *known == view).unwrap_or_else(|| {
            self.views.push(view);
            self.views.len() - 1
        });
        self.view_of.push(place);
        self.table.push(proxy)
    }
}

/// Labels of callers that some rule asks about. Callers that differ in others share a view.
fn labels_that_matter(snapshots: &[Snapshot]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for state in snapshots {
        let specs = || state.virtual_services.iter().map(|object| &object.spec);
        let http = specs().flat_map(|spec| &spec.http).flat_map(|rule| &rule.matches);
        keys.extend(http.flat_map(|condition| condition.source_labels.keys().cloned()));
        let tls = specs().flat_map(|spec| &spec.tls).flat_map(|rule| &rule.matches);
        let tcp = specs().flat_map(|spec| &spec.tcp).flat_map(|rule| &rule.matches);
        keys.extend(tls.chain(tcp).flat_map(|condition| condition.source_labels.keys().cloned()));
        for selector in state.destination_rules.iter().filter_map(|rule| rule.spec.workload_selector.as_ref())
        {
            keys.extend(selector.match_labels.keys().cloned());
        }
        for rule in &state.destination_rules {
            each_blocks(&rule.spec, &mut |blocks, _| {
                let setting = blocks.load_balancer.and_then(|balancer| balancer.locality_lb_setting.as_ref());
                keys.extend(setting.iter().flat_map(|setting| &setting.failover_priority).cloned());
            });
        }
    }
    keys
}

fn caller(namespace: &str, labels: &Labels, matter: &BTreeSet<String>) -> Caller {
    let kept = labels.iter().filter(|(key, _)| matter.contains(*key));
    Caller {
        namespace: namespace.to_owned(),
        labels: kept.map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

/// What a pod's calls leave by.
fn beside(
    plane: DataPlane,
    namespace: &str,
    labels: &Labels,
    matter: &BTreeSet<String>,
) -> (ProxyKind, View) {
    let caller = || caller(namespace, labels, matter);
    match plane {
        DataPlane::Sidecar => (ProxyKind::Sidecar, View::Sidecar(caller())),
        DataPlane::Ambient => (ProxyKind::Ztunnel, View::Ztunnel(namespace.to_owned())),
        DataPlane::Proxyless => (ProxyKind::Bare, View::Library(caller())),
        DataPlane::Bare => (ProxyKind::Bare, View::Bare(namespace.to_owned())),
    }
}

/// A client's own pods.
fn client(
    proxies: &mut Proxies,
    inventory: &mut Inventory,
    plan: &ClientPlan,
    matter: &BTreeSet<String>,
    scenario: &Scenario,
) -> Vec<ProxyId> {
    let labels: Labels = plan.labels.iter().cloned().collect();
    let zones = zones_or_all(&plan.zones, scenario);
    let plane = plan.data_plane.unwrap_or_else(|| inventory.planes.of_namespace(&plan.namespace));
    let (kind, view) = beside(plane, &plan.namespace, &labels, matter);
    let pods = plan.pods.map_or(defaults::CLIENT_PODS, std::num::NonZeroU32::get);
    let proxy = |ordinal: u32| {
        let zone = zone(&mut inventory.zones, &zones[ordinal as usize % zones.len()]);
        let name = format!("{}-{ordinal}", plan.name);
        let address = address(&name);
        proxies.add(Proxy { name, source: plan.name.clone(), kind, zone, address }, view.clone())
    };
    (0..pods).map(proxy).collect()
}

/// The address of a proxy that is beside no pod of ours, made of its name.
fn address(name: &str) -> String {
    let number = xxh64(name, 0) % (1 << 16);
    format!("10.255.{}.{}", number / 256, number % 256)
}

/// The pods of a workload; made once.
fn of_pods(
    proxies: &mut Proxies,
    inventory: &mut Inventory,
    id: WorkloadId,
    matter: &BTreeSet<String>,
) -> Vec<ProxyId> {
    if let Some(known) = proxies.of_workload.get(&id) {
        return known.clone();
    }
    let workload = inventory.workloads[id].clone();
    let (kind, view) = beside(workload.data_plane, &workload.namespace, &workload.labels, matter);
    let source = inventory.display_name(&workload.name, &workload.namespace);
    let mut made = Vec::new();
    for pod in workload.pods {
        let (name, zone) = (inventory.pods[pod].name.clone(), inventory.pods[pod].zone);
        let address = ip(&inventory.pods[pod].address).unwrap_or_default().to_owned();
        // Two namespaces may have pods of one name; their luck must differ.
        let name = inventory.display_name(&name, &workload.namespace);
        let id = proxies.add(Proxy { name, source: source.clone(), kind, zone, address }, view.clone());
        inventory.pods[pod].proxy = Some(id);
        made.push(id);
    }
    proxies.of_workload.insert(id, made.clone());
    made
}

/// The pods of a gateway, which all clients at its door share.
fn gateway(
    proxies: &mut Proxies,
    inventory: &mut Inventory,
    plans: &[ClientPlan],
    name: &str,
    snapshots: &[Snapshot],
    scenario: &Scenario,
) -> Vec<ProxyId> {
    let object =
        snapshots.iter().find_map(|state| gateways::find(&state.gateways, name, &inventory.namespace));
    let selector = object.map(|object| object.spec.selector.clone()).unwrap_or_default();
    let namespace = gateway_namespace(inventory, &selector, object.map(|object| object.namespace.as_str()));
    let view = View::Gateway(name.to_owned(), Caller { namespace, labels: selector });
    let own =
        |plan: &&ClientPlan| plan.kind == ClientKind::Gateway(name.to_owned()) && !plan.zones.is_empty();
    let written = plans.iter().find(own).map(|plan| plan.zones.clone()).unwrap_or_default();
    let zones = zones_or_all(&written, scenario);
    let short = name.rsplit('/').next().unwrap_or(name);
    let proxy = |ordinal: u32| {
        let zone = zone(&mut inventory.zones, &zones[ordinal as usize % zones.len()]);
        let name = format!("{short}-{ordinal}");
        let (address, kind) = (address(&name), ProxyKind::Gateway);
        proxies.add(Proxy { name, source: short.to_owned(), kind, zone, address }, view.clone())
    };
    (0..gateway_pods(plans, name)).map(proxy).collect()
}

/// The replicas of a waypoint behind which services stand.
fn of_waypoint(
    proxies: &mut Proxies,
    inventory: &mut Inventory,
    id: WaypointId,
    scenario: &Scenario,
) -> Vec<ProxyId> {
    if inventory.waypoints.doors.rows().iter().all(|door| door.waypoint != id) {
        return Vec::new();
    }
    let source = inventory.waypoint_name(id);
    let KnownWaypoint { replicas, zones, .. } = inventory.waypoints.table[id].clone();
    let zones = zones_or_all(&zones, scenario);
    let proxy = |ordinal: u32| {
        let zone = zone(&mut inventory.zones, &zones[ordinal as usize % zones.len()]);
        let name = format!("{source}-{ordinal}");
        let (address, kind) = (address(&name), ProxyKind::Waypoint);
        proxies
            .add(Proxy { name, source: source.clone(), kind, zone, address }, View::Waypoint(source.clone()))
    };
    (0..replicas).map(proxy).collect()
}

/// Where the gateway's pods run: with the workload that its selector takes; else where Istio's own gateways are
/// installed; else beside the Gateway object.
fn gateway_namespace(inventory: &Inventory, selector: &Labels, beside: Option<&str>) -> String {
    let runs = |workload: &&super::services::KnownWorkload| {
        !selector.is_empty() && selects(selector, &workload.labels)
    };
    if let Some(workload) = inventory.workloads.rows().iter().find(runs) {
        return workload.namespace.clone();
    }
    if selector.contains_key("istio") {
        return ROOT_NAMESPACE.to_owned();
    }
    beside.unwrap_or(&inventory.namespace).to_owned()
}

/// Views for objects alone, without a scenario: sidecars in every namespace that has any, and every gateway.
pub fn probes(inventory: &Inventory, snapshot: &Snapshot) -> Vec<View> {
    let workloads = inventory.workloads.rows().iter().map(|workload| workload.namespace.clone());
    let objects = snapshot.virtual_services.iter().map(|object| object.namespace.clone());
    let namespaces: BTreeSet<String> = workloads.chain(objects).collect();
    let sidecar = |namespace| View::Sidecar(Caller { namespace, labels: Labels::new() });
    let gateway = |object: &super::object::Object<crate::config::istio::Gateway>| {
        let namespace = gateway_namespace(inventory, &object.spec.selector, Some(&object.namespace));
        View::Gateway(gateways::reference(object), Caller { namespace, labels: object.spec.selector.clone() })
    };
    namespaces.into_iter().map(sidecar).chain(snapshot.gateways.iter().map(gateway)).collect()
}

impl View {
    /// Whether it decides for each request, and not once for each connection.
    pub fn knows_requests(&self) -> bool {
        !matches!(self, View::Bare(_) | View::Ztunnel(_))
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            View::Sidecar(caller) => format!("sidecars in {}", caller.namespace),
            View::Gateway(name, _) => format!("gateway {name}"),
            View::Bare(namespace) => format!("no sidecar, in {namespace}"),
            View::Ztunnel(namespace) => format!("ambient mode, in {namespace}"),
            View::Library(caller) => format!("gRPC without proxy, in {}", caller.namespace),
            View::Waypoint(name) => format!("waypoint {name}"),
        }
    }
}

/// The proxies as a table by id, of what a state says about each view.
pub fn spread<T: Copy>(proxies: &Proxies, of_view: &[T]) -> Table<ProxyId, T> {
    proxies.table.ids().map(|id| of_view[proxies.view_of[id.index()]]).collect()
}
