//! The objects of each state of the timeline, typed and checked. Entries of one instant make one state.
//! Source: design D9.16, D9.17.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::note::Notes;
use super::object::{Object, Reading};
use super::read::{
    DESTINATION_RULES, GATEWAYS, ISTIO_OPERATORS, PEER_AUTHENTICATIONS, SERVICE_ENTRIES, SERVICES,
    VIRTUAL_SERVICES, WAYPOINTS, pod_controllers,
};
use super::scalings::{CONTROLLERS, Scalings};
use super::versions::{self, Version};
use crate::config::diagnostic::Diagnostic;
use crate::config::document::{DocId, RawObject};
use crate::config::istio::istio_operator::IstioOperator;
use crate::config::istio::kubernetes::{PodController, Service};
use crate::config::istio::values::Labels;
use crate::config::istio::{
    self, DestinationRule, Gateway, Kind, PeerAuthentication, ServiceEntry, Treatment, VirtualService,
    WaypointGateway, waypoint,
};
use crate::config::load::Loaded;
use crate::kernel::SimTime;

/// What rules traffic from one moment on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub at: SimTime,
    /// What changed, for people.
    pub label: String,
    /// Anything but numbers of pods did.
    pub is_push: bool,
    pub virtual_services: Vec<Object<VirtualService>>,
    pub destination_rules: Vec<Object<DestinationRule>>,
    pub gateways: Vec<Object<Gateway>>,
    pub peer_authentications: Vec<Object<PeerAuthentication>>,
    /// Settings of the whole mesh.
    pub mesh_configs: Vec<Object<IstioOperator>>,
}

/// Who serves, over the whole timeline; services and what their pods are do not change with it.
#[derive(Clone, Debug, Default)]
pub struct Backends {
    pub services: Vec<Object<Service>>,
    pub controllers: Vec<Object<PodController>>,
    pub entries: Vec<Object<ServiceEntry>>,
    pub waypoints: Vec<Object<WaypointGateway>>,
    pub scalings: Scalings,
    /// Namespaces that are objects, by name.
    pub namespaces: BTreeMap<String, NamespaceObject>,
}

/// What matters of a Namespace.
#[derive(Clone, Debug)]
pub struct NamespaceObject {
    pub labels: Labels,
    pub doc: DocId,
}

/// Group, kind, namespace, name.
type Key = (String, String, String, String);

/// An object and the state that first had it.
type Held<'a> = BTreeMap<Key, (&'a RawObject, usize)>;

/// How objects are read: the namespace of those that name none, and the version whose fields they have.
#[derive(Clone, Copy)]
struct Ground<'a> {
    home: &'a str,
    version: Version,
}

/// Everything, state by state; there is at least one state, at 0.
pub fn collect(loaded: &Loaded, version: Version, notes: &mut Notes<'_>) -> (Vec<Snapshot>, Backends) {
    let home = loaded.namespace();
    let ground = Ground { home, version };
    let mut held = Held::new();
    let mut ever = Held::new();
    for object in &loaded.objects {
        tell_unmodelled(object, home, notes);
        if let Some((before, _)) = held.insert(key(object, home), (object, 0)) {
            let label = format!("{} `{}` is defined twice; this one holds", object.kind, object.name);
            notes.report(
                Diagnostic::warning("MS0014", label)
                    .at(notes.docs.span(object.doc, "metadata.name"))
                    .also(notes.docs.span(before.doc, "metadata.name"), "defined here too"),
            );
        }
    }
    for (key, value) in &held {
        ever.insert(key.clone(), *value);
    }
    let mut reader = Reader::default();
    let mut snapshots = Vec::new();
    let mut scalings = Scalings::default();
    let mut steps = loaded.timeline.iter().peekable();
    let (mut at, mut label, mut is_push) = (SimTime::ZERO, String::new(), false);
    loop {
        while let Some(step) = steps.next_if(|step| step.at == at) {
            let state = snapshots.len();
            is_push |= !step.apply.iter().all(starts_pods) || !step.delete.is_empty();
            for object in &step.apply {
                tell_unmodelled(object, home, notes);
                let key = key(object, home);
                let since = held.get(&key).map_or(state, |(_, since)| *since);
                let before = held.get(&key).map(|(before, _)| *before);
                let is_told = match starts_pods(object) {
                    true => scalings.apply(at, home, object, before),
                    false => true,
                };
                if is_told {
                    tell_static(object, at, notes);
                }
                held.insert(key.clone(), (object, since));
                ever.entry(key).or_insert((object, since));
            }
            for reference in &step.delete {
                held.retain(|_, (object, _)| {
                    let goes = reference.means(object, home);
                    if goes && starts_pods(object) {
                        scalings.delete(at, home, object);
                    } else if goes {
                        tell_static(object, at, notes);
                    }
                    !goes
                });
            }
            step.scale.iter().for_each(|order| scalings.order(at, order));
            if !label.is_empty() {
                label.push_str("; ");
            }
            label.push_str(&step.label);
        }
        let snapshot = reader.snapshot(&held, at, std::mem::take(&mut label), ground, notes);
        snapshots.push(Snapshot { is_push: std::mem::take(&mut is_push), ..snapshot });
        match steps.peek() {
            Some(step) => at = step.at,
            None => break,
        }
    }
    (snapshots, Backends { scalings, ..reader.backends(&ever, ground, notes) })
}

fn starts_pods(object: &RawObject) -> bool {
    CONTROLLERS.contains(&object.kind.as_str()) && used(object)
}

fn key(object: &RawObject, home: &str) -> Key {
    let namespace = object.namespace.clone().unwrap_or_else(|| home.to_owned());
    (object.group().to_owned(), object.kind.clone(), namespace, object.name.clone())
}

fn treatment(object: &RawObject) -> Option<Treatment> {
    if is_waypoint(object) {
        return Some(Treatment::Used);
    }
    istio::kind(&object.api_version, &object.kind).map(|row| row.treatment)
}

/// Kinds that would shape real traffic and are not simulated.
fn tell_unmodelled(object: &RawObject, home: &str, notes: &mut Notes<'_>) {
    if let Some(row) = istio::meant(&object.api_version, &object.kind) {
        return tell_meant(object, row, notes);
    }
    let mesh_group = |group: &str| group.ends_with("istio.io") || group == "gateway.networking.k8s.io";
    let row = istio::kind(&object.api_version, &object.kind);
    let what = match treatment(object) {
        Some(Treatment::NotModelled(what)) => what,
        // Where istiod reads its settings; a text in a text, whose lines have no places of their own.
        _ if is_mesh_config(object) => "settings of the whole mesh: those of an IstioOperator are read",
        None if mesh_group(object.group()) => "a kind that is not known",
        _ => return,
    };
    let namespace = object.namespace.as_deref().unwrap_or(home);
    let title = format!("{} {namespace}/{}", object.kind, object.name);
    let nothing = Value::Null;
    let spec = object.value.get("spec").unwrap_or(&nothing);
    match row.and_then(|row| istio::parts_not_modelled(row, spec)) {
        Some(parts) => {
            for part in parts {
                notes.not_modelled(&title, notes.docs.key_span(object.doc, &part.path), part.what);
            }
        }
        None => notes.not_modelled(&title, notes.docs.span(object.doc, "kind"), what),
    }
}

fn is_mesh_config(object: &RawObject) -> bool {
    let has_mesh = || object.value.get("data").is_some_and(|data| data.get("mesh").is_some());
    object.kind == "ConfigMap" && object.name == "istio" && has_mesh()
}

/// A cluster refuses such an object, and nothing of it would hold here.
fn tell_meant(object: &RawObject, row: &Kind, notes: &mut Notes<'_>) {
    let RawObject { kind, api_version, .. } = object;
    let message = match api_version.as_str() {
        "" => format!("this {kind} has no `apiVersion`"),
        _ => format!("there is no kind `{kind}` in `{api_version}`"),
    };
    let help = format!("write `apiVersion: {}` and `kind: {}`", row.api_version(), row.kind);
    notes.report(Diagnostic::error("MS0004", message).at(notes.docs.span(object.doc, "kind")).help(help));
}

/// Changes of who serves, but for numbers of pods.
fn tell_static(object: &RawObject, at: SimTime, notes: &mut Notes<'_>) {
    let what = match object.kind.as_str() {
        _ if at == SimTime::ZERO => return,
        _ if starts_pods(object) => {
            "a change in the timeline of what its pods are: no new ones roll out, only their number changes"
        }
        "Service" | "ServiceEntry" | "Namespace" => {
            "a change in the timeline of what runs: it is taken to be there from the start to the end of the run"
        }
        _ if is_waypoint(object) => {
            "a change in the timeline of what runs: it is taken to be there from the start to the end of the run"
        }
        _ => return,
    };
    let title = format!("{} {}", object.kind, object.name);
    notes.not_modelled(&title, notes.docs.span(object.doc, "kind"), what);
}

/// Reads each document once, whatever number of states hold it.
#[derive(Default)]
struct Reader {
    virtual_services: BTreeMap<DocId, Option<Object<VirtualService>>>,
    destination_rules: BTreeMap<DocId, Option<Object<DestinationRule>>>,
    gateways: BTreeMap<DocId, Option<Object<Gateway>>>,
    peer_authentications: BTreeMap<DocId, Option<Object<PeerAuthentication>>>,
    mesh_configs: BTreeMap<DocId, Option<Object<IstioOperator>>>,
}

impl Reader {
    fn snapshot(
        &mut self,
        held: &Held<'_>,
        at: SimTime,
        label: String,
        ground: Ground<'_>,
        notes: &mut Notes<'_>,
    ) -> Snapshot {
        Snapshot {
            at,
            label,
            is_push: false,
            virtual_services: all(held, ground, &VIRTUAL_SERVICES, &mut self.virtual_services, notes),
            destination_rules: all(held, ground, &DESTINATION_RULES, &mut self.destination_rules, notes),
            gateways: all(held, ground, &GATEWAYS, &mut self.gateways, notes),
            peer_authentications: all(
                held,
                ground,
                &PEER_AUTHENTICATIONS,
                &mut self.peer_authentications,
                notes,
            ),
            mesh_configs: all(held, ground, &ISTIO_OPERATORS, &mut self.mesh_configs, notes),
        }
    }

    fn backends(&mut self, ever: &Held<'_>, ground: Ground<'_>, notes: &mut Notes<'_>) -> Backends {
        let mut backends = Backends {
            services: all(ever, ground, &SERVICES, &mut BTreeMap::new(), notes),
            entries: all(ever, ground, &SERVICE_ENTRIES, &mut BTreeMap::new(), notes),
            ..Backends::default()
        };
        for kind in CONTROLLERS {
            backends.controllers.extend(all(
                ever,
                ground,
                &pod_controllers(kind),
                &mut BTreeMap::new(),
                notes,
            ));
        }
        for (object, _) in ever.values().filter(|(object, _)| object.kind == "Namespace" && used(object)) {
            let labels = object.value.get("metadata").and_then(|metadata| metadata.get("labels")).cloned();
            let labels = labels.and_then(|labels| serde_yaml::from_value(labels).ok()).unwrap_or_default();
            backends.namespaces.insert(object.name.clone(), NamespaceObject { labels, doc: object.doc });
        }
        for (object, since) in ever.values().filter(|(object, _)| is_waypoint(object)) {
            backends.waypoints.extend(WAYPOINTS.read(object, ground.home, *since, notes));
        }
        backends
    }
}

/// Whether it shapes the simulated traffic.
pub fn used(object: &RawObject) -> bool {
    treatment(object) == Some(Treatment::Used)
}

/// Of all Gateways of the Gateway API only waypoints are simulated.
fn is_waypoint(object: &RawObject) -> bool {
    waypoint::is_waypoint(object.group(), &object.kind, &object.value)
}

fn all<T: Default + Clone + DeserializeOwned>(
    held: &Held<'_>,
    ground: Ground<'_>,
    reading: &Reading<T>,
    cache: &mut BTreeMap<DocId, Option<Object<T>>>,
    notes: &mut Notes<'_>,
) -> Vec<Object<T>> {
    let mut list = Vec::new();
    let is_meant = |object: &RawObject| object.kind == reading.kind && used(object) && !is_waypoint(object);
    for (object, since) in held.values().filter(|(object, _)| is_meant(object)) {
        let read = cache.entry(object.doc).or_insert_with(|| {
            let known = versions::as_known(object, ground.version, notes);
            reading.read(&known, ground.home, *since, notes)
        });
        if let Some(read) = read {
            let mut read = read.clone();
            read.created.0 = *since;
            list.push(read);
        }
    }
    list
}
