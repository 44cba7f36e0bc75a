//! The way to a waypoint and back. A caller in ambient mode hands its call on to a replica of the waypoint of the service
//! that it dials, which decides all that a sidecar would decide, for all callers together. Source: semantics S22.2, S22.3.
//!
//! ```text
//!  start ─▶ a door ─▶ hand_on ─▶ AtWaypoint ─▶ route, tries ... ─▶ end ─▶ BackFromWaypoint ─▶ end
//!  (the caller's proxy)          (the replica)                            (the caller)
//! ```

use crate::kernel::random::{Purpose, draw, place_of};
use crate::kernel::{Id, SimDuration};
use crate::mesh::{DoorId, ProxyId, ProxyKind};
use crate::sim::network;
use crate::sim::plan::Plan;
use crate::sim::world::{Call, World};

/// The door that a call's route leads to, if it leads to one.
pub fn door(plan: &Plan<'_>, call: &Call) -> Option<DoorId> {
    let route = plan.routes.get(call.route as usize)?;
    route.destinations.get(route.chosen(call.key))?.door
}

/// Gives a call to a replica, and tells how long it takes to get there.
///
/// Which replica, and which of its workers, is settled for each connection. Callers hold very many of HTTP/1.1, unless
/// they say how many, and one of HTTP/2; all connections of a pod to a replica share a tunnel, which is one worker's. A gateway balances calls.
/// Simplified: workers get tunnels by a draw each, not exactly evenly, and a tunnel takes any number of streams.
/// Source: semantics S22.2, S22.4, S22.5; design D9.5.
pub fn hand_on(world: &mut World<'_>, index: u32, door: DoorId) -> SimDuration {
    let plan = world.plan;
    let call = &mut world.calls[index];
    let caller = ProxyId::from_index(call.proxy as usize);
    let is_captured = plan.mesh.proxies[caller].kind == ProxyKind::Ztunnel;
    let door = &plan.mesh.doors[door];
    let replicas = &plan.mesh.waypoints[door.waypoint].replicas;
    let root = |proxy: ProxyId| world.proxies[proxy.index()].root;
    let route = &plan.routes[call.route as usize];
    let port = route.destinations[route.chosen(call.key)].port;
    let drawn = if world.proxies[caller.index()].pins_hosts {
        draw(root(caller) ^ root(replicas[0]), Purpose::Waypoint, 1 + u64::from(call.worker))
    } else if is_captured && door.http2_ports.contains(&port) {
        draw(root(caller) ^ root(replicas[0]), Purpose::Waypoint, 0)
    } else {
        draw(call.key, Purpose::Waypoint, 0)
    };
    let replica = replicas[place_of(drawn, replicas.len())];
    let workers = world.proxies[replica.index()].workers;
    if is_captured && workers > 1 {
        let tunnel = draw(root(caller) ^ root(replica), Purpose::Worker, 0);
        call.worker = (tunnel % u64::from(workers)) as u16;
    }
    call.proxy = replica.index() as u32;
    call.is_away = true;
    network::to_waypoint(plan, (caller, replica), call.key, Purpose::NetworkOut)
}

/// How long the answer of the replica that has a call takes to its caller.
pub fn way_back(world: &World<'_>, index: u32) -> SimDuration {
    let call = &world.calls[index];
    let ends = (world.own_proxy(call), ProxyId::from_index(call.proxy as usize));
    network::to_waypoint(world.plan, ends, call.key, Purpose::NetworkBack)
}
