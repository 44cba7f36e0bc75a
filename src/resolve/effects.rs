//! Which objects the scenario's traffic meets, and why the others have no effect. Source: design D3.

use std::collections::{BTreeMap, BTreeSet};

use super::ambient;
use super::called::{Called, Connects, has_rules, names};
use super::clusters::Clusters;
use super::conditions::names_gateway;
use super::delegates;
use super::gateways::{self, served_together};
use super::hosts::{choose, full_name, takes};
use super::note::{NoEffect, Notes};
use super::object::Object;
use super::precedence::full_hosts;
use super::proxies::View;
use super::services::{Inventory, Waypoints};
use super::states::Snapshot;
use crate::config::istio::{DestinationRule, VirtualService};
use crate::kernel::Id;
use crate::mesh::routing::{Action, Destination, Route, RouteTable, Rule, TcpRoute, VirtualHost};
use crate::mesh::{ClusterId, DoorId, WorkloadId};
use crate::policy::tcp;

/// What the callers of one view address, and the table that they have in one state.
pub struct Seen<'a> {
    pub view: &'a View,
    pub called: &'a BTreeSet<Called>,
    pub table: &'a RouteTable,
    /// Of all doors, by number.
    pub doors: &'a [RouteTable],
}

/// What traffic meets, over all states.
#[derive(Debug, Default)]
pub struct Effects {
    /// Titles of objects.
    objects: BTreeSet<String>,
    /// Titles of DestinationRules and their subsets that routes name.
    subsets: BTreeSet<(String, String)>,
    /// Clusters that calls can go to.
    pub clusters: BTreeSet<ClusterId>,
    /// Workloads that get requests or connections.
    pub reached: BTreeSet<WorkloadId>,
    /// And not connections alone, which ask for no work.
    pub asked: BTreeSet<WorkloadId>,
    /// Doors of waypoints that calls take, and those that connections pass by.
    doors: BTreeSet<DoorId>,
    passed: BTreeSet<DoorId>,
    /// Which VirtualServices rule each service host or host.
    rulers: BTreeMap<String, BTreeSet<String>>,
}

impl Effects {
    /// Notes what one view meets in one state.
    pub fn meet(&mut self, seen: &Seen<'_>, snapshot: &Snapshot, clusters: &Clusters<'_>) {
        if let View::Gateway(name, _) = seen.view
            && let Some(object) = gateways::find(&snapshot.gateways, name, &clusters.inventory.namespace)
        {
            self.objects.extend(served_together(&snapshot.gateways, object).into_iter().map(Object::title));
        }
        for called in seen.called {
            if called.connects.is_some() && matches!(seen.view, View::Ztunnel(_)) {
                let service = called.service_host.as_ref().and_then(|host| clusters.inventory.service(host));
                self.passed.extend(service.and_then(|service| clusters.inventory.door(service)));
            }
            let (doors, ways) = ways(seen, called);
            self.doors.extend(doors);
            for (rule, own) in ways {
                if let Some(rule) = rule {
                    self.objects.insert(rule.object.clone());
                    let host = called.service_host.clone().unwrap_or_else(|| called.host.clone());
                    self.rulers.entry(host).or_default().insert(rule.object.clone());
                }
                for cluster in own {
                    self.meet_cluster(cluster, called, clusters);
                }
            }
        }
    }

    fn meet_cluster(&mut self, cluster: ClusterId, called: &Called, clusters: &Clusters<'_>) {
        self.clusters.insert(cluster);
        for host in &clusters.table[cluster].hosts {
            let workload = clusters.inventory.pods[host.pod].workload;
            self.reached.insert(workload);
            if called.connects.is_none() {
                self.asked.insert(workload);
            }
        }
        for (title, subset) in clusters.shaped_by.get(&cluster).into_iter().flatten() {
            self.objects.insert(title.clone());
            self.subsets.insert((title.clone(), subset.clone()));
        }
    }

    /// Tells all objects that no traffic met.
    pub fn tell(
        &self,
        snapshots: &[Snapshot],
        seen: &[(View, BTreeSet<Called>)],
        clusters: &Clusters<'_>,
        notes: &mut Notes<'_>,
    ) {
        for snapshot in snapshots {
            for object in &snapshot.virtual_services {
                let is_met =
                    self.objects.contains(&object.title()) || self.serves_as_delegate(object, snapshot);
                let dead = ambient::dead_rule(object, seen, clusters.inventory);
                if is_met && dead.is_none() {
                    continue;
                }
                let why = dead.unwrap_or_else(|| self.why_no_rule(object, snapshot, seen));
                notes.without_effect(&object.title(), object.span(notes, "metadata.name"), why);
            }
            for object in &snapshot.destination_rules {
                match ambient::dead_policy(object, seen, clusters.inventory) {
                    Some(why) => {
                        notes.without_effect(&object.title(), object.span(notes, "metadata.name"), why);
                    }
                    None => self.tell_rule(object, clusters, notes),
                }
            }
            for object in snapshot.gateways.iter().filter(|object| !self.objects.contains(&object.title())) {
                let why = "no client of the scenario stands at this gateway";
                notes.without_effect(&object.title(), object.span(notes, "metadata.name"), why);
            }
        }
    }

    /// What rules say to callers that follow only some of it, where such callers meet them.
    pub fn tell_unfollowed(&self, unfollowed: &[NoEffect], notes: &mut Notes<'_>) {
        for entry in unfollowed.iter().filter(|entry| self.objects.contains(&entry.object)) {
            notes.add_without_effect(entry.clone());
        }
    }

    /// Waypoints that all callers pass by. Source: semantics S22.5.
    pub fn tell_waypoints(&self, inventory: &Inventory, notes: &mut Notes<'_>) {
        let Waypoints { table, doors, .. } = &inventory.waypoints;
        for (id, waypoint) in table.iter() {
            let mut own =
                doors.iter().filter(|(_, door)| door.waypoint == id).map(|(door, _)| door).peekable();
            let Some((title, span)) = waypoint.object.as_ref().filter(|_| own.peek().is_some()) else {
                continue;
            };
            if doors.iter().any(|(number, door)| door.waypoint == id && self.passed.contains(&number)) {
                let what = "connections of opaque bytes to the services behind it: they go straight to a pod";
                notes.not_modelled(title, *span, what);
            }
            if !own.any(|door| self.doors.contains(&door)) {
                let why =
                    "nobody in ambient mode calls a service behind it: sidecars and gateways pass it by";
                notes.without_effect(title, *span, why);
            }
        }
    }

    fn serves_as_delegate(&self, object: &Object<VirtualService>, snapshot: &Snapshot) -> bool {
        let roots = snapshot.virtual_services.iter().filter(|root| self.objects.contains(&root.title()));
        let mut named = roots.flat_map(|root| {
            let delegates = root.spec.http.iter().filter_map(|rule| rule.delegate.as_ref());
            delegates.filter_map(|delegate| delegates::find(&snapshot.virtual_services, delegate, root))
        });
        named.any(|delegate| delegate.title() == object.title())
    }

    fn why_no_rule(
        &self,
        object: &Object<VirtualService>,
        snapshot: &Snapshot,
        seen: &[(View, BTreeSet<Called>)],
    ) -> String {
        if object.spec.is_delegate() {
            return "it is a delegate, and no rule that traffic meets delegates to it".to_owned();
        }
        let is_for = |called: &Called| names(object, called) && has_rules(object, called);
        let hosts = object.spec.hosts.join(", ");
        let bound: Vec<&(View, BTreeSet<Called>)> =
            seen.iter().filter(|(view, _)| binds(object, view, snapshot)).collect();
        if bound.is_empty() {
            let inside = seen
                .iter()
                .any(|(view, called)| matches!(view, View::Sidecar(_)) && called.iter().any(is_for));
            return match (object.spec.binds_mesh(), inside) {
                (true, _) => "no client or workload of the scenario makes calls through a sidecar".to_owned(),
                (false, true) => format!(
                    "it is bound to {} alone, so calls inside the mesh to {hosts} do not follow it; add `mesh` to its \
                     gateways",
                    object.spec.gateways.join(", ")
                ),
                (false, false) => {
                    format!("it is bound to {}, where no client stands", object.spec.gateways.join(", "))
                }
            };
        }
        let called = |(_, called): &&(View, BTreeSet<Called>)| called.iter().any(is_for);
        if !bound.iter().any(called) {
            let does = if object.spec.http.is_empty() { "connects to" } else { "calls" };
            return format!("nobody in the scenario {does} {hosts} where it is bound");
        }
        let rulers: BTreeSet<&str> = self
            .rulers
            .iter()
            .filter(|(host, _)| full_hosts(object).iter().any(|own| own == *host || takes(own, host)))
            .flat_map(|(_, rulers)| rulers.iter().map(String::as_str))
            .collect();
        match rulers.iter().next() {
            Some(ruler) => format!(
                "calls to {hosts} follow {ruler}, which comes before it: sidecars do not merge rules for one host"
            ),
            None => "none of its rules is meant for these callers (sourceLabels, sourceNamespace, port, gateways, exportTo)"
                .to_owned(),
        }
    }

    fn tell_rule(&self, object: &Object<DestinationRule>, clusters: &Clusters<'_>, notes: &mut Notes<'_>) {
        let title = object.title();
        let named = |index: usize| {
            let name = object.spec.subsets[index].name.clone().unwrap_or_default();
            self.subsets.contains(&(title.clone(), name))
        };
        if !self.objects.contains(&title) {
            let written = object.spec.host.as_deref().unwrap_or("");
            let host = full_name(written, &object.namespace);
            let known = clusters.inventory.by_host.keys().any(|known| *known == host || takes(&host, known));
            let why = if !known {
                format!("no service has the host `{written}`")
            } else if object.spec.traffic_policy.is_none() && !object.spec.subsets.is_empty() {
                "it defines subsets alone, and no route that traffic takes names one of them".to_owned()
            } else if object.spec.traffic_policy.is_none() {
                "it defines neither a policy nor subsets".to_owned()
            } else {
                format!(
                    "nobody in the scenario calls `{written}`, or another rule comes first for those who do"
                )
            };
            notes.without_effect(&title, object.span(notes, "metadata.name"), why);
            return;
        }
        for (index, subset) in object.spec.subsets.iter().enumerate() {
            if subset.traffic_policy.is_some() && !named(index) {
                let name = subset.name.as_deref().unwrap_or("");
                notes.without_effect(
                    &format!("{title} subset {name}"),
                    object.span(notes, &format!("spec.subsets[{index}].trafficPolicy")),
                    "its policy holds only for routes that name the subset, and none does",
                );
            }
        }
    }
}

/// A rule, or a default route, and the clusters that it may send to.
type Way<'a> = (Option<&'a Rule>, Vec<ClusterId>);

/// The rules that a call or connection may meet, with the clusters that it may go to by each, and the doors on the way.
fn ways<'a>(seen: &Seen<'a>, called: &Called) -> (Vec<DoorId>, Vec<Way<'a>>) {
    if let Some(connects) = &called.connects {
        let route = tcp_route(seen.table, called, connects).into_iter();
        let own = |route: &'a TcpRoute| route.destinations.iter().filter_map(|to| to.cluster).collect();
        return (Vec::new(), route.map(|route| (route.rule.as_ref(), own(route))).collect());
    }
    let routes = || find(seen.table, called).into_iter().flat_map(|host| &host.routes);
    let doors = routes().flat_map(doors_of).map(|(door, _)| door).collect();
    let through = |route| through_doors(route, |door: DoorId| &seen.doors[door.index()]);
    let ways = routes().flat_map(through).map(|route| (route.rule.as_ref(), clusters_of(route)));
    (doors, ways.collect())
}

/// The route that a connection takes.
pub fn tcp_route<'a>(table: &'a RouteTable, called: &Called, connects: &Connects) -> Option<&'a TcpRoute> {
    let sni = connects.tls.then_some(called.host.as_str());
    tcp::find(table, connects.service, called.port, sni)
}

/// The virtual host that takes a call.
fn find<'a>(table: &'a RouteTable, called: &Called) -> Option<&'a VirtualHost> {
    let hosts = table.listeners.get(&called.port)?;
    choose(hosts.iter().map(|host| host.domains.as_slice()), &called.host).map(|index| &hosts[index])
}

/// The routes by which a call may go.
pub fn routes_of<'a>(table: &'a RouteTable, host: &str, port: u16) -> Option<&'a [Route]> {
    let called = Called { host: host.to_owned(), service_host: None, port, connects: None };
    find(table, &called).map(|host| host.routes.as_slice())
}

/// The doors that a route can send to, with the ports that are called there.
pub fn doors_of(route: &Route) -> impl Iterator<Item = (DoorId, u16)> + '_ {
    let destinations: &[Destination] = match &route.action {
        Action::Forward(destinations) => destinations,
        Action::Respond(_) => &[],
    };
    destinations.iter().filter_map(|to| Some((to.door?, to.port)))
}

/// A route and those of the waypoints that it may lead to. `table`: of a door.
pub fn through_doors<'t>(route: &'t Route, table: impl Fn(DoorId) -> &'t RouteTable) -> Vec<&'t Route> {
    let behind =
        |(door, port)| table(door).listeners.get(&port).into_iter().flatten().flat_map(|host| &host.routes);
    let all: Vec<&Route> = doors_of(route).flat_map(behind).collect();
    if all.is_empty() { vec![route] } else { all }
}

/// All clusters that a route can send to, copies included.
pub fn clusters_of(route: &Route) -> Vec<ClusterId> {
    let mirrors = route.mirrors.iter().filter_map(|mirror| mirror.cluster);
    match &route.action {
        Action::Forward(destinations) => {
            destinations.iter().filter_map(|d| d.cluster).chain(mirrors).collect()
        }
        Action::Respond(_) => Vec::new(),
    }
}

/// Whether a VirtualService is bound where the callers of a view are.
fn binds(object: &Object<VirtualService>, view: &View, snapshot: &Snapshot) -> bool {
    match view {
        View::Sidecar(_) | View::Ztunnel(_) | View::Library(_) => object.spec.binds_mesh(),
        View::Bare(_) | View::Waypoint(_) => false,
        View::Gateway(name, caller) => {
            let Some(gateway) = gateways::find(&snapshot.gateways, name, &caller.namespace)
                .or_else(|| snapshot.gateways.iter().find(|gateway| gateway.name == *name))
            else {
                return false;
            };
            let served = served_together(&snapshot.gateways, gateway);
            served.iter().any(|gateway| {
                let reference = gateways::reference(gateway);
                object.spec.gateways.iter().any(|w| names_gateway(w, &object.namespace, Some(&reference)))
            })
        }
    }
}
