//! What only the whole tells: calls that go nowhere, hosts that mean no service, calls in a circle.

use std::collections::BTreeSet;

use super::called::Called;
use super::clients::ClientPlan;
use super::clusters::Clusters;
use super::cycles;
use super::effects::{Effects, clusters_of, routes_of, through_doors};
use super::hosts::meant_service;
use super::names::Names;
use super::note::Notes;
use super::proxies::{Proxies, View};
use super::scenario_calls::ScenarioCall;
use super::services::Inventory;
use super::states::Snapshot;
use super::town::Town;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::scenario::Scenario;
use crate::kernel::{Id, SimTime, Table};
use crate::mesh::routing::{Action, RouteTable, TcpListener};
use crate::mesh::workload::{CallSpec, ClientKind, Workload};
use crate::mesh::{CallSpecId, DoorId, RouteTableId, WorkloadId};
use crate::policy::tcp;

/// Workloads with their behaviour, and clients without their proxies.
pub struct Parts {
    pub workloads: Table<WorkloadId, Workload>,
    pub calls: Table<CallSpecId, CallSpec>,
    pub plans: Vec<ClientPlan>,
}

/// The tables of all views in all states.
pub struct Routed {
    pub tables: Table<RouteTableId, RouteTable>,
    /// By state, by view.
    pub of_view: Vec<Vec<RouteTableId>>,
    /// By state.
    pub of_door: Vec<Table<DoorId, RouteTableId>>,
    pub effects: Effects,
    pub seen: Vec<(View, BTreeSet<Called>)>,
}

/// Clients need a pod to start in for as long as they ask.
pub fn check_callers(
    plans: &[ClientPlan],
    workloads: &Table<WorkloadId, Workload>,
    findings: &mut Vec<Diagnostic>,
) {
    for plan in plans {
        let ClientKind::Workload(id) = plan.kind else { continue };
        let workload = &workloads[id];
        if let Some(empty) = workload.life.scalings.iter().find(|scaling| scaling.pods == 0) {
            let message = format!(
                "client `{}` starts in the pods of `{}`, which has none from {} on",
                plan.name,
                workload.name,
                empty.at.since(SimTime::ZERO)
            );
            let help = "leave it one pod, or let the client come through a gateway or pods of its own";
            findings.push(Diagnostic::error("MS0013", message).at(plan.span).help(help));
        }
    }
}

/// A call to a port that the service does not have goes nowhere, and is a typing error.
pub fn check_ports(calls: &[ScenarioCall], town: &Town<'_>, inventory: &Inventory, notes: &mut Notes<'_>) {
    for call in calls.iter().filter(|call| call.gateway.is_none()) {
        let Some(service) = town.service(&call.host, &call.namespace) else { continue };
        let service = &inventory.services[service];
        if let Some(port) = service.port(call.port) {
            if call.is_tcp {
                if port.protocol.is_http() && !port.is_sniffed {
                    let message = format!("port {} of `{}` speaks HTTP", port.number, service.name);
                    let finding = Diagnostic::error("MS1005", message)
                        .at(call.span)
                        .label("other bytes are answered with 400")
                        .help("write requests (`get: ...`), or name the port `tcp-...` in the Service");
                    notes.report(finding);
                }
                continue;
            }
            if let Some((title, span)) = service.object.as_ref().filter(|_| !port.protocol.is_http()) {
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

/// `reviews.prod` is taken literally and means no service, which hardly anybody wants. Source: semantics S2.2.
pub fn check_dotted_hosts(snapshots: &[Snapshot], inventory: &Inventory, notes: &mut Notes<'_>) {
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
pub fn check_gateway_calls(
    calls: &[ScenarioCall],
    proxies: &Proxies,
    routed: &Routed,
    notes: &mut Notes<'_>,
) {
    for call in calls {
        let Some(gateway) = &call.gateway else { continue };
        let is_it = |view: &View| matches!(view, View::Gateway(name, _) if name == gateway);
        let Some(place) = proxies.views.iter().position(is_it) else { continue };
        let tables = || routed.of_view.iter().map(|state| &routed.tables[state[place]]);
        if call.is_tcp {
            check_gateway_connection(call, gateway, &tables().collect::<Vec<_>>(), notes);
            continue;
        }
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

/// Connections that their gateway does not take. `tables`: of all states.
fn check_gateway_connection(
    call: &ScenarioCall,
    gateway: &str,
    tables: &[&RouteTable],
    notes: &mut Notes<'_>,
) {
    let listening =
        |table: &&&RouteTable| table.tcp.contains_key(&TcpListener { service: None, port: call.port });
    if !tables.iter().any(|table| listening(&table)) {
        let ports: BTreeSet<u16> =
            tables.iter().flat_map(|table| table.tcp.keys().map(|at| at.port)).collect();
        let list: Vec<String> = ports.iter().map(u16::to_string).collect();
        let help = match list.is_empty() {
            true => "it has no server for TCP, nor one that passes TLS on".to_owned(),
            false => format!("its servers for connections listen on {}", list.join(", ")),
        };
        let message = format!("gateway `{gateway}` takes no connections on port {}", call.port);
        notes.report(Diagnostic::error("MS1002", message).at(call.span).help(help));
        return;
    }
    let sni = call.is_tls.then_some(call.host.as_str());
    let is_taken = |table: &&RouteTable| tcp::find(table, None, call.port, sni).is_some();
    if !tables.iter().any(is_taken) {
        let message = format!("gateway `{gateway}` has no rule for connections to `{}`", call.host);
        notes.report(
            Diagnostic::warning("MS1001", message)
                .at(call.span)
                .label("they are closed at once (NR)")
                .help("it takes a VirtualService that is bound to it, with a `tcp` rule for this port or a `tls` rule for \
                       this name"),
        );
    }
}

/// A request that certainly comes back to where it was never ends. Source: design D9.10.
pub fn check_cycles(
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
        for (state, doors) in routed.of_view.iter().zip(&routed.of_door) {
            let table = &routed.tables[state[proxies.view_of[proxy.index()]]];
            let Some(routes) = routes_of(table, &call.target.host, call.target.port) else {
                return Vec::new();
            };
            let through = |route| through_doors(route, |door| &routed.tables[doors[door]]);
            for route in routes.iter().flat_map(through) {
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
