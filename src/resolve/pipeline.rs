//! The way from documents to the mesh, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::behaviour::{self, Identity};
use super::called::{Called, Connects};
use super::checks::{
    Parts, Routed, check_callers, check_cycles, check_dotted_hosts, check_gateway_calls, check_ports,
};
use super::clients;
use super::clusters::{Clusters, Viewer};
use super::defaults;
use super::effects::{Effects, Seen};
use super::gateways::{self, served_together};
use super::inbound;
use super::inventory;
use super::mesh_wide::{self, MeshWide};
use super::mutual_tls::{self, PeerModes};
use super::note::{Guess, NoEffect, NotModelled, Notes};
use super::objectives::{Scopes, objectives};
use super::proxies::{self, Proxies, View};
use super::routes::Translator;
use super::ruleless;
use super::scenario_calls::{self, ScenarioCall};
use super::services::Inventory;
use super::settings;
use super::sidecars;
use super::states::{self, Snapshot};
use super::town::Town;
use super::versions::Version;
use super::waypoint_routes;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::load::Loaded;
use crate::config::render;
use crate::config::scenario::{self as written, Scenario};
use crate::kernel::{Id, Table};
use crate::mesh::model::ConfigState;
use crate::mesh::routing::RouteTable;
use crate::mesh::workload::{Class, Client, Target};
use crate::mesh::{ClientId, Door, Mesh, RouteTableId, Service, StateId, Waypoint, WorkloadId};

/// What the input means, and what there is to say about it.
#[derive(Debug)]
pub struct Resolved {
    /// `None` without a scenario, or where any diagnostic, of loading or of resolving, is an error.
    pub mesh: Option<Mesh>,
    /// Of resolving alone, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
    pub not_modelled: Vec<NotModelled>,
    pub without_effect: Vec<NoEffect>,
    pub guesses: Vec<Guess>,
    pub objects: ObjectUse,
}

/// How many objects were read, shape the simulated traffic, and do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectUse {
    pub read: usize,
    pub used: usize,
    pub ignored: usize,
}

/// Resolves everything, with the replications of a plain run.
pub fn mesh(loaded: &Loaded) -> Resolved {
    mesh_with(loaded, defaults::REPLICATIONS)
}

/// `replications` hold where the scenario is silent: commands differ in them. Source: design D9.24.
pub fn mesh_with(loaded: &Loaded, replications: NonZeroU32) -> Resolved {
    let mut notes = Notes::new(&loaded.docs);
    let silent = Scenario::default();
    let scenario = loaded.scenario.as_ref().map_or(&silent, |document| &document.value);
    let version = version(scenario, &mut notes);
    let (snapshots, backends) = states::collect(loaded, version, &mut notes);
    let calls = scenario_calls::all(scenario);
    let mut inventory = inventory::build(&backends, scenario, &calls, &mut notes);
    let mut parts = people(loaded, scenario, &inventory, &snapshots, &calls, version, &mut notes);
    let calling: BTreeSet<WorkloadId> = parts.calls.rows().iter().map(|call| call.owner).collect();
    let mut proxies = proxies::build(&mut inventory, &parts.plans, &calling, &snapshots, scenario);
    if loaded.scenario.is_none() {
        proxies.views = proxies::probes(&inventory, &snapshots[0]);
    }
    let inventory = inventory;
    let mut clusters = Clusters::new(&inventory, version);
    let routed =
        route(&snapshots, &proxies, &called(&parts, &proxies, &inventory), &mut clusters, &mut notes);
    if loaded.scenario.is_some() {
        routed.effects.tell(&snapshots, &routed.seen, &clusters, &mut notes);
        routed.effects.tell_unfollowed(&clusters.unfollowed, &mut notes);
        routed.effects.tell_waypoints(clusters.inventory, &mut notes);
        for snapshot in &snapshots {
            mutual_tls::tell(&snapshot.peer_authentications, &inventory, &mut notes);
            mesh_wide::tell(&snapshot.mesh_configs, &mut notes);
        }
        for id in routed.effects.reached.difference(&routed.effects.asked) {
            parts.workloads[*id].guessed.retain(|key| *key != "serviceTime");
        }
        check_dotted_hosts(&snapshots, &inventory, &mut notes);
        check_gateway_calls(&calls, &proxies, &routed, &mut notes);
        for (id, workload) in parts.workloads.iter().filter(|(id, _)| routed.effects.reached.contains(id)) {
            if !workload.guessed.is_empty() {
                let about = format!(
                    "workload {}",
                    inventory.display_name(&inventory.workloads[id].name, &workload.namespace)
                );
                notes.guess(
                    about,
                    format!("the scenario does not give its {}", workload.guessed.join(" and ")),
                );
            }
        }
        let met = clusters.refusals.iter().filter(|(id, _)| routed.effects.clusters.contains(id));
        met.for_each(|(_, refusal)| notes.report(refusal.clone()));
        check_cycles(&parts, &proxies, &routed, &clusters, scenario, &mut notes);
    }
    let clusters = clusters.table;
    let mesh = assemble(
        loaded,
        replications,
        &inventory,
        &snapshots,
        parts,
        proxies,
        routed,
        clusters,
        version,
        &mut notes,
    );
    finish(loaded, mesh, notes)
}

fn people(
    loaded: &Loaded,
    scenario: &Scenario,
    inventory: &Inventory,
    snapshots: &[Snapshot],
    calls: &[ScenarioCall],
    version: Version,
    notes: &mut Notes<'_>,
) -> Parts {
    let town = Town::new(inventory, snapshots);
    let mut said: BTreeMap<WorkloadId, &written::Workload> = BTreeMap::new();
    for (name, workload) in scenario.workloads.iter().flat_map(|entries| entries.iter()) {
        if let Some(id) = inventory::workload_of(inventory, &name.value, workload) {
            said.insert(id, workload);
        }
    }
    let (mut workloads, mut specs, mut findings) = (Table::new(), Table::new(), Vec::new());
    for (id, known) in inventory.workloads.iter() {
        let identity = Identity {
            id,
            name: inventory.display_name(&known.name, &known.namespace),
            pod_prefix: known.name.clone(),
            namespace: known.namespace.clone(),
            labels: known.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            services: known.services.clone(),
            data_plane: known.data_plane,
            pods: u32::try_from(known.pods.len()).unwrap_or(u32::MAX),
            scalings: known.scalings.clone(),
            shutdown: known.shutdown,
            grace: known.grace,
        };
        workloads.push(behaviour::workload(
            identity,
            said.get(&id).copied(),
            &town,
            &mut specs,
            &mut findings,
        ));
    }
    for (id, known) in inventory.workloads.iter() {
        workloads[id].inbound = inbound::limits(inventory, snapshots, known, version);
    }
    let plans = clients::clients(scenario, &town, &loaded.traces, &mut findings);
    check_callers(&plans, &workloads, &mut findings);
    for finding in findings {
        notes.report(finding);
    }
    check_ports(calls, &town, inventory, notes);
    Parts { workloads, calls: specs, plans }
}

/// What the callers of each view address.
fn called(parts: &Parts, proxies: &Proxies, inventory: &Inventory) -> Vec<BTreeSet<Called>> {
    let mut called = vec![BTreeSet::new(); proxies.views.len()];
    let service_host =
        |target: &Target| target.service.map(|service| inventory.services[service].host.clone());
    let as_called = |target: &Target| Called {
        host: target.host.clone(),
        service_host: service_host(target),
        port: target.port,
        connects: None,
    };
    let as_asked = |class: &Class| {
        let Target { service, .. } = class.target;
        let connects = class.connect.as_ref().map(|connect| Connects { service, tls: connect.tls });
        Called { connects, ..as_called(&class.target) }
    };
    for (plan, own) in parts.plans.iter().zip(&proxies.of_client) {
        for proxy in own {
            called[proxies.view_of[proxy.index()]].extend(plan.classes.iter().map(as_asked));
        }
    }
    for call in parts.calls.rows() {
        for proxy in proxies.of_workload.get(&call.owner).into_iter().flatten() {
            called[proxies.view_of[proxy.index()]].insert(as_called(&call.target));
        }
    }
    called
}

fn route<'a>(
    snapshots: &'a [Snapshot],
    proxies: &Proxies,
    called: &[BTreeSet<Called>],
    clusters: &mut Clusters<'a>,
    notes: &mut Notes<'_>,
) -> Routed {
    let mut tables: Table<RouteTableId, RouteTable> = Table::new();
    let (mut of_view, mut of_door, mut effects) = (Vec::new(), Vec::new(), Effects::default());
    let nothing = BTreeSet::new();
    for snapshot in snapshots {
        clusters.modes = PeerModes(&snapshot.peer_authentications);
        clusters.mesh = MeshWide::of(&snapshot.mesh_configs);
        let mut intern = |table: RouteTable| {
            let known = tables.iter().find(|(_, known)| **known == table).map(|(id, _)| id);
            known.unwrap_or_else(|| tables.push(table))
        };
        let doors = door_tables(snapshot, clusters, notes);
        let mut ids = Vec::new();
        for (place, view) in proxies.views.iter().enumerate() {
            let mut translator = Translator {
                clusters,
                rules: &snapshot.destination_rules,
                all: &snapshot.virtual_services,
                notes,
            };
            let table = table(&mut translator, snapshot, view);
            let called = called.get(place).unwrap_or(&nothing);
            effects.meet(&Seen { view, called, table: &table, doors: &doors }, snapshot, clusters);
            ids.push(intern(table));
        }
        of_view.push(ids);
        of_door.push(doors.into_iter().map(&mut intern).collect());
    }
    let seen = proxies.views.iter().cloned().zip(called.iter().cloned()).collect();
    Routed { tables, of_view, of_door, effects, seen }
}

/// The tables of all doors in one state.
fn door_tables<'a>(
    snapshot: &'a Snapshot,
    clusters: &mut Clusters<'a>,
    notes: &mut Notes<'_>,
) -> Vec<RouteTable> {
    let rules = waypoint_routes::rules(snapshot);
    let inventory = clusters.inventory;
    let mut translator = Translator { clusters, rules: &rules, all: &snapshot.virtual_services, notes };
    let doors = inventory.waypoints.doors.rows().iter();
    doors.map(|door| waypoint_routes::table(&mut translator, *door)).collect()
}

fn table(translator: &mut Translator<'_, '_, '_>, snapshot: &Snapshot, view: &View) -> RouteTable {
    match view {
        View::Sidecar(caller) => sidecars::table(translator, &snapshot.virtual_services, caller),
        View::Bare(namespace) => ruleless::bare(translator, namespace, view.name()),
        View::Ztunnel(namespace) => ruleless::ztunnel(translator, namespace, view.name()),
        View::Library(caller) => {
            translator.clusters.viewer = Viewer::Library;
            let table = ruleless::library(translator, &snapshot.virtual_services, caller, view.name());
            translator.clusters.viewer = Viewer::Envoy;
            table
        }
        View::Waypoint(_) => RouteTable { view: view.name(), ..RouteTable::default() },
        View::Gateway(name, caller) => {
            let home = &translator.clusters.inventory.namespace;
            let served = gateways::find(&snapshot.gateways, name, home)
                .map(|object| served_together(&snapshot.gateways, object))
                .unwrap_or_default();
            gateways::table(translator, &snapshot.virtual_services, &served, caller, view.name())
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the mesh is made of all that came before")]
fn assemble(
    loaded: &Loaded,
    replications: NonZeroU32,
    inventory: &Inventory,
    snapshots: &[Snapshot],
    parts: Parts,
    proxies: Proxies,
    routed: Routed,
    clusters: Table<crate::mesh::ClusterId, crate::mesh::model::Cluster>,
    version: Version,
    notes: &mut Notes<'_>,
) -> Option<Mesh> {
    let scenario = &loaded.scenario.as_ref()?.value;
    let mut findings = Vec::new();
    let mut clients: Table<ClientId, Client> = Table::new();
    for (plan, own) in parts.plans.into_iter().zip(&proxies.of_client) {
        let knows_requests = own.first().is_none_or(|proxy| proxies.view(*proxy).knows_requests());
        clients.push(plan.with_proxies(own.clone(), knows_requests));
    }
    let written = scenario.objectives.as_ref().map_or(&[][..], |list| list.0.as_slice());
    let town = Town::new(inventory, snapshots);
    let known = |name: &&str| clients.rows().iter().any(|client| client.name == *name);
    let named = scenario.clients.iter().flat_map(|entries| entries.names());
    let left_out = named.filter(|name| !known(name)).collect();
    let is_whole = !loaded.has_errors() && notes.diagnostics.iter().all(|d| d.severity != Severity::Error);
    let scopes =
        Scopes { names: &town, namespace: scenario.namespace(), clients: &clients, left_out, is_whole };
    let objectives = objectives(written, &scopes, &loaded.docs, &mut findings);
    let run = settings::run(scenario, replications, &mut findings);
    settings::too_late(scenario, run.duration, &mut findings);
    settings::not_simulated(scenario, &mut findings);
    for finding in findings {
        notes.report(finding);
    }
    let service = |(_, service): (crate::mesh::ServiceId, &super::services::KnownService)| Service {
        name: inventory.display_name(&service.name, &service.namespace),
        namespace: service.namespace.clone(),
        host: service.host.clone(),
    };
    let states: Table<StateId, ConfigState> = snapshots
        .iter()
        .zip(routed.of_view.iter().zip(&routed.of_door))
        .map(|(snapshot, (of_view, of_door))| ConfigState {
            at: snapshot.at,
            label: snapshot.label.clone(),
            is_push: snapshot.is_push,
            tables: proxies::spread(&proxies, of_view),
            doors: of_door.clone(),
        })
        .collect();
    let waypoints = inventory
        .waypoints
        .table
        .ids()
        .zip(&proxies.of_waypoint)
        .map(|(id, replicas)| Waypoint { name: inventory.waypoint_name(id), replicas: replicas.clone() });
    let waypoints = waypoints.collect();
    let name = scenario.metadata.as_ref().and_then(|metadata| metadata.name.as_ref());
    Some(Mesh {
        name: name.map_or_else(|| "scenario".to_owned(), |name| name.value.clone()),
        run,
        network: settings::network(scenario),
        proxy: settings::proxy(scenario, version, MeshWide::of(&snapshots[0].mesh_configs)),
        propagation: settings::propagation(scenario),
        zones: inventory.zones.clone(),
        services: inventory.services.iter().map(service).collect(),
        workloads: parts.workloads,
        pods: inventory.pods.clone(),
        proxies: proxies.table,
        waypoints,
        doors: inventory.waypoints.doors.rows().iter().map(|known| door(inventory, known)).collect(),
        clients,
        calls: parts.calls,
        clusters,
        tables: routed.tables,
        states,
        objectives,
    })
}

fn door(inventory: &Inventory, known: &super::services::KnownDoor) -> Door {
    let ports = inventory.services[known.service].ports.iter();
    Door {
        waypoint: known.waypoint,
        service: known.service,
        http2_ports: ports.filter(|port| port.protocol.is_http2()).map(|port| port.number).collect(),
    }
}

fn finish(loaded: &Loaded, mesh: Option<Mesh>, notes: Notes<'_>) -> Resolved {
    let Notes { mut diagnostics, mut not_modelled, mut without_effect, guesses, .. } = notes;
    render::sort(&mut diagnostics);
    let by_place = |a: &crate::mesh::Place, b: &crate::mesh::Place| a.cmp(b);
    not_modelled.sort_by(|a, b| by_place(&a.place, &b.place).then_with(|| a.cmp(b)));
    without_effect.sort_by(|a, b| by_place(&a.place, &b.place).then_with(|| a.cmp(b)));
    let failed = loaded.has_errors() || diagnostics.iter().any(|d| d.severity == Severity::Error);
    let used = |object: &&crate::config::document::RawObject| states::used(object);
    let objects = || loaded.objects.iter().chain(loaded.timeline.iter().flat_map(|step| &step.apply));
    let (read, used) = (objects().count(), objects().filter(used).count());
    Resolved {
        mesh: mesh.filter(|_| !failed),
        diagnostics,
        not_modelled,
        without_effect,
        guesses,
        objects: ObjectUse { read, used, ignored: read - used },
    }
}

fn version(scenario: &Scenario, notes: &mut Notes<'_>) -> Version {
    let Some(written) = &scenario.istio_version else { return defaults::ISTIO_VERSION };
    Version::parse(&written.value).unwrap_or_else(|| {
        notes.report(
            Diagnostic::error("MS0011", format!("`{}` is no version of Istio", written.value))
                .at(written.span)
                .help("write it as \"1.28\", in quotes"),
        );
        defaults::ISTIO_VERSION
    })
}
