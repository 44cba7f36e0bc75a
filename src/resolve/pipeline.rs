//! The way from documents to the mesh, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::behaviour::{self, Identity};
use super::clients::{self, ClientPlan};
use super::clusters::Clusters;
use super::cycles;
use super::defaults::{self, Version};
use super::effects::{Called, Effects, Seen, clusters_of, routes_of};
use super::gateways::{self, served_together};
use super::hosts::meant_service;
use super::inventory;
use super::names::Names;
use super::note::{Guess, NoEffect, NotModelled, Notes};
use super::objectives::{Scopes, objectives};
use super::proxies::{self, Proxies, View};
use super::routes::Translator;
use super::scenario_calls::{self, ScenarioCall};
use super::services::Inventory;
use super::settings;
use super::sidecars;
use super::states::{self, Snapshot};
use super::town::Town;
use crate::config::diagnostic::{Diagnostic, Severity, Span};
use crate::config::istio::{self, Treatment};
use crate::config::load::Loaded;
use crate::config::render;
use crate::config::scenario::{self as written, Scenario};
use crate::kernel::{Id, Table};
use crate::mesh::model::ConfigState;
use crate::mesh::policy_spec::Protocol;
use crate::mesh::routing::{Action, RouteTable};
use crate::mesh::workload::{CallSpec, Client, Workload};
use crate::mesh::{CallSpecId, ClientId, Mesh, RouteTableId, Service, StateId, WorkloadId};

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
    let (snapshots, backends) = states::collect(loaded, &mut notes);
    let silent = Scenario::default();
    let scenario = loaded.scenario.as_ref().map_or(&silent, |document| &document.value);
    let version = version(scenario, &mut notes);
    let calls = scenario_calls::all(scenario);
    let mut inventory = inventory::build(&backends, scenario, &calls, &mut notes);
    let parts = people(loaded, scenario, &inventory, &snapshots, &calls, &mut notes);
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
        check_cycles(&parts, &proxies, &routed, &clusters, scenario, &mut notes);
    }
    let clusters = clusters.table;
    let mesh =
        assemble(loaded, replications, &inventory, &snapshots, parts, proxies, routed, clusters, &mut notes);
    finish(loaded, mesh, notes)
}

/// Workloads with their behaviour, and clients without their proxies.
struct Parts {
    workloads: Table<WorkloadId, Workload>,
    calls: Table<CallSpecId, CallSpec>,
    plans: Vec<ClientPlan>,
}

fn people(
    loaded: &Loaded,
    scenario: &Scenario,
    inventory: &Inventory,
    snapshots: &[Snapshot],
    calls: &[ScenarioCall],
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
            sidecar: known.sidecar,
            pods: u32::try_from(known.pods.len()).unwrap_or(u32::MAX),
        };
        workloads.push(behaviour::workload(
            identity,
            said.get(&id).copied(),
            &town,
            &mut specs,
            &mut findings,
        ));
    }
    let plans = clients::clients(scenario, &town, &loaded.traces, &mut findings);
    for finding in findings {
        notes.report(finding);
    }
    check_ports(calls, &town, inventory, notes);
    Parts { workloads, calls: specs, plans }
}

/// A call to a port that the service does not have goes nowhere, and is a typing error.
fn check_ports(calls: &[ScenarioCall], town: &Town<'_>, inventory: &Inventory, notes: &mut Notes<'_>) {
    for call in calls.iter().filter(|call| call.gateway.is_none()) {
        let Some(service) = town.service(&call.host, &call.namespace) else { continue };
        let service = &inventory.services[service];
        if let Some(port) = service.port(call.port) {
            if let Some((title, span)) = service.object.as_ref().filter(|_| port.protocol == Protocol::Tcp) {
                let what = format!(
                    "port {} is not HTTP by its name or protocol: calls to it are simulated as requests without rules or \
                     retries, one a connection",
                    port.number
                );
                notes.not_modelled(title, *span, what);
            }
            continue;
        }
        if town.is_ruled(&call.host, &call.namespace) {
            continue;
        }
        let ports: Vec<String> = service.ports.iter().map(|port| port.number.to_string()).collect();
        let message = format!("service `{}` has no port {}", service.name, call.port);
        let help = format!("write its port into the address: {}", ports.join(" or "));
        notes.report(Diagnostic::error("MS0013", message).at(call.span).help(help));
    }
}

/// What the callers of each view address.
fn called(parts: &Parts, proxies: &Proxies, inventory: &Inventory) -> Vec<BTreeSet<Called>> {
    let mut called = vec![BTreeSet::new(); proxies.views.len()];
    let service_host = |target: &crate::mesh::workload::Target| {
        target.service.map(|service| inventory.services[service].host.clone())
    };
    let as_called = |target: &crate::mesh::workload::Target| Called {
        host: target.host.clone(),
        service_host: service_host(target),
        port: target.port,
    };
    for (plan, own) in parts.plans.iter().zip(&proxies.of_client) {
        for proxy in own {
            called[proxies.view_of[proxy.index()]]
                .extend(plan.classes.iter().map(|class| as_called(&class.target)));
        }
    }
    for call in parts.calls.rows() {
        for proxy in proxies.of_workload.get(&call.owner).into_iter().flatten() {
            called[proxies.view_of[proxy.index()]].insert(as_called(&call.target));
        }
    }
    called
}

/// The tables of all views in all states.
struct Routed {
    tables: Table<RouteTableId, RouteTable>,
    /// By state, by view.
    of_view: Vec<Vec<RouteTableId>>,
    effects: Effects,
    seen: Vec<(View, BTreeSet<Called>)>,
}

fn route(
    snapshots: &[Snapshot],
    proxies: &Proxies,
    called: &[BTreeSet<Called>],
    clusters: &mut Clusters<'_>,
    notes: &mut Notes<'_>,
) -> Routed {
    let mut tables: Table<RouteTableId, RouteTable> = Table::new();
    let (mut of_view, mut effects) = (Vec::new(), Effects::default());
    let nothing = BTreeSet::new();
    for snapshot in snapshots {
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
            effects.meet(&Seen { view, called, table: &table }, snapshot, clusters);
            let known = tables.iter().find(|(_, known)| **known == table).map(|(id, _)| id);
            ids.push(known.unwrap_or_else(|| tables.push(table)));
        }
        of_view.push(ids);
    }
    let seen = proxies.views.iter().cloned().zip(called.iter().cloned()).collect();
    Routed { tables, of_view, effects, seen }
}

fn table(translator: &mut Translator<'_, '_, '_>, snapshot: &Snapshot, view: &View) -> RouteTable {
    match view {
        View::Sidecar(caller) => sidecars::table(translator, &snapshot.virtual_services, caller),
        View::Bare(namespace) => sidecars::bare_table(translator, namespace),
        View::Gateway(name, caller) => {
            let home = &translator.clusters.inventory.namespace;
            let served = gateways::find(&snapshot.gateways, name, home)
                .map(|object| served_together(&snapshot.gateways, object))
                .unwrap_or_default();
            gateways::table(translator, &snapshot.virtual_services, &served, caller, view.name())
        }
    }
}

/// `reviews.prod` is taken literally and means no service, which hardly anybody wants. Source: semantics S2.2.
fn check_dotted_hosts(snapshots: &[Snapshot], inventory: &Inventory, notes: &mut Notes<'_>) {
    let meant = |host: &str| {
        let host = host.to_ascii_lowercase();
        let known = |name: &String| inventory.by_host.contains_key(name);
        meant_service(&host).filter(known).filter(|_| !inventory.by_host.contains_key(&host))
    };
    let mut warnings = Vec::new();
    let mut warn = |host: &str, span: Span| {
        if let Some(meant) = meant(host) {
            warnings.push(
                Diagnostic::warning("MS1003", format!("`{host}` does not mean the service `{meant}`"))
                    .at(span)
                    .label("a name with a dot is taken literally")
                    .help(format!("write `{meant}`")),
            );
        }
    };
    for snapshot in snapshots {
        for object in &snapshot.virtual_services {
            for (index, host) in object.spec.hosts.iter().enumerate() {
                warn(host, object.span(notes, &format!("spec.hosts[{index}]")));
            }
        }
        for object in &snapshot.destination_rules {
            warn(object.spec.host.as_deref().unwrap_or(""), object.span(notes, "spec.host"));
        }
    }
    for warning in warnings {
        notes.report(warning);
    }
}

/// Requests that their gateway answers itself, since nothing there takes them. Source: semantics S2.2.
fn check_gateway_calls(calls: &[ScenarioCall], proxies: &Proxies, routed: &Routed, notes: &mut Notes<'_>) {
    for call in calls {
        let Some(gateway) = &call.gateway else { continue };
        let is_it = |view: &View| matches!(view, View::Gateway(name, _) if name == gateway);
        let Some(place) = proxies.views.iter().position(is_it) else { continue };
        let tables = || routed.of_view.iter().map(|state| &routed.tables[state[place]]);
        let Some(listening) = tables().find(|table| table.listeners.contains_key(&call.port)) else {
            let ports: BTreeSet<u16> = tables().flat_map(|table| table.listeners.keys().copied()).collect();
            let list: Vec<String> = ports.iter().map(u16::to_string).collect();
            let help = match list.is_empty() {
                true => "it has no server for HTTP".to_owned(),
                false => format!("its servers listen on {}", list.join(", ")),
            };
            notes.report(
                Diagnostic::error(
                    "MS1002",
                    format!("gateway `{gateway}` does not listen on port {}", call.port),
                )
                .at(call.span)
                .help(help),
            );
            continue;
        };
        if tables().all(|table| routes_of(table, &call.host, call.port).is_none()) {
            let hosts: BTreeSet<&str> = listening
                .listeners
                .values()
                .flatten()
                .flat_map(|host| &host.domains)
                .map(String::as_str)
                .collect();
            let known: Vec<&str> = hosts.into_iter().take(8).collect();
            notes.report(
                Diagnostic::warning(
                    "MS1001",
                    format!("gateway `{gateway}` has no route for the host `{}`", call.host),
                )
                .at(call.span)
                .label("these requests get 404 NR")
                .help(if known.is_empty() {
                    "no VirtualService with a fitting host is bound to it".to_owned()
                } else {
                    format!("VirtualServices bound to it have the hosts {}", known.join(", "))
                }),
            );
        }
    }
}

/// A request that certainly comes back to where it was never ends. Source: design D9.10.
fn check_cycles(
    parts: &Parts,
    proxies: &Proxies,
    routed: &Routed,
    clusters: &Clusters<'_>,
    scenario: &Scenario,
    notes: &mut Notes<'_>,
) {
    let answering = |call: &CallSpec| -> Vec<WorkloadId> {
        let Some(proxy) = proxies.of_workload.get(&call.owner).and_then(|list| list.first()) else {
            return Vec::new();
        };
        let mut found = BTreeSet::new();
        for state in &routed.of_view {
            let table = &routed.tables[state[proxies.view_of[proxy.index()]]];
            let Some(routes) = routes_of(table, &call.target.host, call.target.port) else {
                return Vec::new();
            };
            for route in routes {
                // A request that a proxy may answer itself is a way out.
                let answered = matches!(route.action, Action::Respond(_))
                    || route.fault.as_ref().is_some_and(|fault| fault.abort.is_some());
                let serving = clusters_of(route);
                if answered || serving.is_empty() {
                    return Vec::new();
                }
                let hosts = serving.iter().flat_map(|cluster| &clusters.table[*cluster].hosts);
                found.extend(hosts.map(|host| clusters.inventory.pods[host.pod].workload));
            }
        }
        found.into_iter().collect()
    };
    let Some(cycle) = cycles::find_certain_cycle(&parts.workloads, &parts.calls, &answering) else { return };
    let walk = cycles::describe(&cycle, &parts.workloads, &parts.calls);
    let mut finding =
        Diagnostic::error("MS0016", format!("these calls lead back to where they began: {walk}")).help(
            "a request would never end; let an operation without the call answer, or give the call a `share`",
        );
    let owner = cycle.first().map(|call| &clusters.inventory.workloads[parts.calls[*call].owner]);
    let entries = scenario.workloads.iter().flat_map(|entries| entries.iter());
    finding.span = entries
        .map(|(name, _)| name)
        .find(|name| owner.is_some_and(|owner| owner.name == name.value))
        .map(|n| n.span);
    notes.report(finding);
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
    notes: &mut Notes<'_>,
) -> Option<Mesh> {
    let scenario = &loaded.scenario.as_ref()?.value;
    let mut findings = Vec::new();
    let mut clients: Table<ClientId, Client> = Table::new();
    for (plan, own) in parts.plans.into_iter().zip(&proxies.of_client) {
        clients.push(plan.with_proxies(own.clone()));
    }
    let written = scenario.objectives.as_ref().map_or(&[][..], |list| list.0.as_slice());
    let town = Town::new(inventory, snapshots);
    let scopes = Scopes { names: &town, namespace: scenario.namespace(), clients: &clients };
    let objectives = objectives(written, &scopes, &loaded.docs, &mut findings);
    let run = settings::run(scenario, replications, &mut findings);
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
        .zip(&routed.of_view)
        .map(|(snapshot, of_view)| ConfigState {
            at: snapshot.at,
            label: snapshot.label.clone(),
            tables: proxies::spread(&proxies, of_view),
        })
        .collect();
    let name = scenario.metadata.as_ref().and_then(|metadata| metadata.name.as_ref());
    Some(Mesh {
        name: name.map_or_else(|| "scenario".to_owned(), |name| name.value.clone()),
        run,
        network: settings::network(scenario),
        proxy: settings::proxy(scenario),
        propagation: settings::propagation(scenario),
        zones: inventory.zones.clone(),
        services: inventory.services.iter().map(service).collect(),
        workloads: parts.workloads,
        pods: inventory.pods.clone(),
        proxies: proxies.table,
        clients,
        calls: parts.calls,
        clusters,
        tables: routed.tables,
        states,
        objectives,
    })
}

fn finish(loaded: &Loaded, mesh: Option<Mesh>, notes: Notes<'_>) -> Resolved {
    let Notes { mut diagnostics, mut not_modelled, mut without_effect, guesses, .. } = notes;
    render::sort(&mut diagnostics);
    let by_place = |a: &crate::mesh::Place, b: &crate::mesh::Place| a.cmp(b);
    not_modelled.sort_by(|a, b| by_place(&a.place, &b.place).then_with(|| a.cmp(b)));
    without_effect.sort_by(|a, b| by_place(&a.place, &b.place).then_with(|| a.cmp(b)));
    let failed = loaded.has_errors() || diagnostics.iter().any(|d| d.severity == Severity::Error);
    let used = |object: &&crate::config::document::RawObject| {
        istio::kind(&object.api_version, &object.kind).is_some_and(|row| row.treatment == Treatment::Used)
    };
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
