//! Which waypoints there are, and which services stand behind them: what the scenario lists, else the label of the
//! Service or ServiceEntry, else that of its namespace. Source: semantics S22.1.

use std::collections::{BTreeMap, BTreeSet};

use super::defaults;
use super::hosts::full_name;
use super::note::Notes;
use super::object::Object;
use super::pods::strings;
use super::services::{KnownDoor, KnownService, KnownWaypoint, Waypoints};
use super::states::{Backends, NamespaceObject};
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::document::DocId;
use crate::config::istio::WaypointGateway;
use crate::config::istio::finding::key;
use crate::config::istio::values::Labels;
use crate::config::istio::waypoint::{
    INGRESS_USE_WAYPOINT, USE_WAYPOINT, USE_WAYPOINT_CANARY, USE_WAYPOINT_NAMESPACE, WAYPOINT_FOR,
};
use crate::config::path::did_you_mean;
use crate::config::scenario::{Scenario, Waypoint};
use crate::kernel::Table;
use crate::mesh::{ServiceId, WaypointId};

/// Namespace and name.
type Key = (String, String);

/// One that can be asked for.
#[derive(Clone, Copy, Default)]
struct Candidate<'a> {
    object: Option<&'a Object<WaypointGateway>>,
    said: Option<&'a Waypoint>,
}

/// What a service asks for, and where that is written.
struct Asked {
    key: Key,
    /// `None`: nowhere, and nothing is wrong with it.
    span: Option<Span>,
    /// The scenario says so, and needs nobody's leave.
    by_scenario: bool,
}

/// Labels and where they stand.
type Labelled<'a> = (&'a Labels, DocId);

pub fn build(
    backends: &Backends,
    scenario: &Scenario,
    services: &Table<ServiceId, KnownService>,
    notes: &mut Notes<'_>,
) -> Waypoints {
    let candidates = candidates(backends, scenario);
    let table = candidates.iter().map(|(key, candidate)| known(key, *candidate, notes));
    let mut waypoints = Waypoints { table: table.collect(), ..Waypoints::default() };
    let ids: BTreeMap<&Key, WaypointId> = candidates.keys().zip(waypoints.table.ids()).collect();
    let binding = Binding { backends, scenario, candidates: &candidates };
    for (id, service) in services.iter() {
        let Some(key) = binding.waypoint_of(service, notes) else { continue };
        let door =
            KnownDoor { waypoint: ids[&key], service: id, takes_ingress: binding.takes_ingress(service) };
        waypoints.by_service.insert(id, waypoints.doors.push(door));
    }
    tell_idle(&candidates, &waypoints, &ids, scenario, notes);
    tell_pods(backends, notes);
    waypoints
}

/// Those of the manifests and of the scenario; an entry without namespace means the scenario's own, or the only
/// waypoint of its name.
fn candidates<'a>(backends: &'a Backends, scenario: &'a Scenario) -> BTreeMap<Key, Candidate<'a>> {
    let mut all: BTreeMap<Key, Candidate<'a>> = BTreeMap::new();
    for object in &backends.waypoints {
        let key = (object.namespace.clone(), object.name.clone());
        all.insert(key, Candidate { object: Some(object), said: None });
    }
    for (name, said) in scenario.waypoints.iter().flat_map(|entries| entries.iter()) {
        let home = scenario.namespace();
        let at = |namespace: &str| (namespace.to_owned(), name.value.clone());
        let key = match &said.namespace {
            Some(namespace) => at(&namespace.value),
            None if all.contains_key(&at(home)) => at(home),
            None => {
                let mut named = all.keys().filter(|(_, known)| *known == name.value);
                let first = named.next().cloned();
                first.filter(|_| named.next().is_none()).unwrap_or_else(|| at(home))
            }
        };
        all.entry(key).or_default().said = Some(said);
    }
    all
}

fn known(
    (namespace, name): &Key,
    Candidate { object, said }: Candidate<'_>,
    notes: &Notes<'_>,
) -> KnownWaypoint {
    KnownWaypoint {
        name: name.clone(),
        namespace: namespace.clone(),
        object: object.map(|object| (object.title(), object.span(notes, "metadata.name"))),
        replicas: said
            .and_then(|said| said.replicas.as_ref())
            .map_or(defaults::WAYPOINT_REPLICAS, |n| n.value.get()),
        zones: strings(said.and_then(|said| said.zones.as_ref()).map(|zones| zones.0.as_slice())),
    }
}

struct Binding<'a> {
    backends: &'a Backends,
    scenario: &'a Scenario,
    candidates: &'a BTreeMap<Key, Candidate<'a>>,
}

impl Binding<'_> {
    fn waypoint_of(&self, service: &KnownService, notes: &mut Notes<'_>) -> Option<Key> {
        let object = self.backends.services.iter().find(|object| is_of(*object, service));
        // Who dials a pod's own address passes a service's waypoint by; and a waypoint does not stand behind itself.
        if object.is_some_and(|object| object.spec.is_headless())
            || self.candidates.contains_key(&(service.namespace.clone(), service.name.clone()))
        {
            return None;
        }
        let asked = self.asked(service, notes).filter(|asked| asked.key.1 != "none")?;
        let is_given = asked.by_scenario && self.candidates.contains_key(&asked.key);
        let Some((why, help)) = self.refusal(service, &asked.key).filter(|_| !is_given) else {
            return Some(asked.key);
        };
        let label = format!("callers in ambient mode reach {} without any rule", service.name);
        let mut finding = Diagnostic::warning("MS1030", why).label(label).help(help);
        finding.span = asked.span;
        notes.report(finding);
        None
    }

    fn asked(&self, service: &KnownService, notes: &mut Notes<'_>) -> Option<Asked> {
        let listed = self.candidates.iter().find_map(|(key, candidate)| {
            let list = candidate.said?.services.as_ref()?;
            let names = |text: &str| full_name(text, &key.0) == service.host || text == service.host;
            let span = Some(list.0.iter().find(|text| names(&text.value))?.span);
            Some(Asked { key: key.clone(), span, by_scenario: true })
        });
        listed.or_else(|| self.by_label(service, notes)).or_else(|| self.implied(service))
    }

    /// The service's own label holds as a whole, then the scenario's word for its namespace, then that one's label.
    fn by_label(&self, service: &KnownService, notes: &mut Notes<'_>) -> Option<Asked> {
        let own = self.own_labels(service).filter(|(labels, _)| labels.contains_key(USE_WAYPOINT));
        let entries = self.scenario.namespaces.iter().flat_map(|entries| entries.iter());
        let mut said = entries.filter(|(name, _)| name.value == service.namespace);
        if own.is_none()
            && let Some(waypoint) = said.find_map(|(_, said)| said.waypoint.as_ref())
        {
            let key = (service.namespace.clone(), waypoint.value.clone());
            return Some(Asked { key, span: Some(waypoint.span), by_scenario: true });
        }
        let (labels, doc) = own.or_else(|| self.namespace_labels(&service.namespace))?;
        let name = labels.get(USE_WAYPOINT)?.clone();
        let at = |label: &str| notes.docs.span(doc, &key("metadata.labels", label));
        let (span, canary) = (at(USE_WAYPOINT), at(USE_WAYPOINT_CANARY));
        if labels.contains_key(USE_WAYPOINT_CANARY) {
            let what = "a second waypoint's share of the connections: all go to the first";
            notes.not_modelled(&format!("Service {}/{}", service.namespace, service.name), canary, what);
        }
        let namespace = labels.get(USE_WAYPOINT_NAMESPACE).unwrap_or(&service.namespace).clone();
        Some(Asked { key: (namespace, name), span: Some(span), by_scenario: false })
    }

    /// A waypoint of the scenario alone that lists no services is there for its namespace.
    fn implied(&self, service: &KnownService) -> Option<Asked> {
        let of_all = |(key, candidate): (&Key, &Candidate<'_>)| {
            let is_all =
                candidate.object.is_none() && candidate.said.is_some_and(|said| said.services.is_none());
            let asked = || Asked { key: key.clone(), span: None, by_scenario: true };
            (is_all && key.0 == service.namespace).then(asked)
        };
        self.candidates.iter().find_map(of_all)
    }

    /// Why a service does not get the waypoint that it asks for, and what to do about it.
    fn refusal(&self, service: &KnownService, (namespace, name): &Key) -> Option<(String, String)> {
        let Some(candidate) = self.candidates.get(&(namespace.clone(), name.clone())) else {
            let names = self.candidates.keys().map(|(_, name)| name.as_str());
            let help = match did_you_mean(name, names) {
                Some(close) => format!("did you mean `{close}`?"),
                None => {
                    "declare its Gateway (class istio-waypoint), or an entry of `waypoints` in the scenario"
                        .to_owned()
                }
            };
            return Some((format!("there is no waypoint `{name}` in namespace `{namespace}`"), help));
        };
        let object = candidate.object?;
        let purpose = object.labels.get(WAYPOINT_FOR).map_or("service", String::as_str);
        if !matches!(purpose, "service" | "all") {
            let why = format!("waypoint `{name}` is for `{purpose}`, not for services");
            return Some((why, format!("give its Gateway the label `{WAYPOINT_FOR}: service`")));
        }
        let none = Labels::new();
        let labels = self.namespace_labels(&service.namespace).map_or(&none, |(labels, _)| labels);
        if *namespace != service.namespace && !object.spec.admits(&service.namespace, labels) {
            let why = format!("waypoint `{name}` does not admit namespace `{}`", service.namespace);
            return Some((why, "open `allowedRoutes.namespaces` of a listener of its Gateway".to_owned()));
        }
        None
    }

    /// Whether gateways send through the waypoint too. Source: semantics S22.5.
    fn takes_ingress(&self, service: &KnownService) -> bool {
        let says = |labels: &Labels| labels.get(INGRESS_USE_WAYPOINT).map(|word| word == "true");
        let own = self.own_labels(service).and_then(|(labels, _)| says(labels));
        own.or_else(|| says(self.namespace_labels(&service.namespace)?.0)).unwrap_or(false)
    }

    fn own_labels(&self, service: &KnownService) -> Option<Labelled<'_>> {
        let objects = self.backends.services.iter().filter(|object| is_of(*object, service));
        let entries = self.backends.entries.iter().filter(|entry| {
            entry.namespace == service.namespace
                && entry.spec.hosts.iter().any(|host| host.eq_ignore_ascii_case(&service.host))
        });
        let of_objects = objects.map(|object| (&object.labels, object.doc));
        of_objects.chain(entries.map(|entry| (&entry.labels, entry.doc))).next()
    }

    fn namespace_labels(&self, namespace: &str) -> Option<Labelled<'_>> {
        let NamespaceObject { labels, doc } = self.backends.namespaces.get(namespace)?;
        Some((labels, *doc))
    }
}

fn is_of<T>(object: &Object<T>, service: &KnownService) -> bool {
    object.name == service.name && object.namespace == service.namespace
}

/// Gateways that nobody asks for, and those that serve with a number of replicas that nobody tells.
fn tell_idle(
    candidates: &BTreeMap<Key, Candidate<'_>>,
    waypoints: &Waypoints,
    ids: &BTreeMap<&Key, WaypointId>,
    scenario: &Scenario,
    notes: &mut Notes<'_>,
) {
    let used: BTreeSet<WaypointId> = waypoints.doors.rows().iter().map(|door| door.waypoint).collect();
    for (key, candidate) in candidates {
        let is_used = used.contains(&ids[key]);
        let (namespace, name) = key;
        match candidate.object {
            Some(object) if !is_used => {
                let why = format!(
                    "no service uses this waypoint: label Services or their Namespace `{USE_WAYPOINT}: {name}`"
                );
                notes.without_effect(&object.title(), object.span(notes, "metadata.name"), why);
            }
            Some(_) if candidate.said.is_none_or(|said| said.replicas.is_none()) => {
                let about = match namespace == scenario.namespace() {
                    true => format!("waypoint {name}"),
                    false => format!("waypoint {name}.{namespace}"),
                };
                notes.guess(about, "the scenario does not give its replicas: one");
            }
            _ => {}
        }
    }
}

/// Waypoints for pods act where somebody dials a pod's address. Source: semantics S22.1.
fn tell_pods(backends: &Backends, notes: &mut Notes<'_>) {
    for object in &backends.controllers {
        if object.spec.pod_labels().contains_key(USE_WAYPOINT) {
            let span = object.span(notes, &key("spec.template.metadata.labels", USE_WAYPOINT));
            let what = "a waypoint for pods that are called by their own address: calls here dial services";
            notes.not_modelled(&object.title(), span, what);
        }
    }
}
