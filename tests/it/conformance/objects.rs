//! Istio's objects out of the short forms in which golden cases write them, read as a run reads them.

use std::collections::BTreeMap;

use meshcast::config::decode::decode;
use meshcast::config::istio::DestinationRule;
use meshcast::config::istio::values::Labels;
use meshcast::config::istio::virtual_service::HttpMatch;
use meshcast::config::load::{Request, load};
use meshcast::mesh::routing::VirtualHost;
use meshcast::mesh::{Mesh, RouteTableId};
use meshcast::resolve;
use meshcast::resolve::note::Notes;
use meshcast::resolve::object::{Object, Reading};
use meshcast::resolve::services::{Caller, KnownService, Origin};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use crate::texts::Texts;

/// One object: whose `spec` it is, and how old.
pub struct Draft {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
    /// Larger is younger, below 10,000.
    pub created: u32,
    pub spec: Value,
}

impl Draft {
    pub fn text(&self) -> Result<String, String> {
        let Draft { api_version, kind, namespace, name, created, .. } = self;
        let spec = serde_yaml::to_string(&BTreeMap::from([("spec", &self.spec)]))
            .map_err(|error| error.to_string())?;
        Ok(format!(
            "---\napiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}, \
             creationTimestamp: \"{created:04}-01-01T00:00:00Z\"}}\n{spec}"
        ))
    }
}

/// The objects, typed.
pub fn read<T: Default + DeserializeOwned>(
    drafts: &[Draft],
    reading: &Reading<T>,
) -> Result<Vec<Object<T>>, String> {
    let text = drafts.iter().map(Draft::text).collect::<Result<String, String>>()?;
    let names = ["objects.yaml".to_owned()];
    let texts = Texts([(names[0].clone(), text)].into());
    let loaded =
        load(&Request { scenario: None, manifests: &names, sets: &[], ..Request::default() }, &texts);
    let mut notes = Notes::new(&loaded.docs);
    let objects: Vec<Object<T>> =
        loaded.objects.iter().filter_map(|raw| reading.read(raw, "default", 0, &mut notes)).collect();
    let wrong = loaded.diagnostics.iter().chain(&notes.diagnostics).find(|finding| finding.code == UNKNOWN);
    match wrong {
        Some(finding) => Err(finding.message.clone()),
        None if objects.len() == drafts.len() => Ok(objects),
        None => Err(format!("{:?}", notes.diagnostics)),
    }
}

/// The mesh of these objects and a scenario beside them. A field that nobody knows is an error here.
pub fn mesh(drafts: &[Draft], scenario: &str) -> Result<Mesh, String> {
    let text = drafts.iter().map(Draft::text).collect::<Result<String, String>>()?;
    let scenario = format!("apiVersion: meshcast/v1\nkind: Scenario\nmanifests: [objects.yaml]\n{scenario}");
    let texts = Texts([("scenario.yaml".to_owned(), scenario), ("objects.yaml".to_owned(), text)].into());
    let unknown =
        resolve::mesh(&texts.load()).diagnostics.into_iter().find(|finding| finding.code == UNKNOWN);
    match unknown {
        Some(finding) => Err(finding.message),
        None => texts.try_mesh(),
    }
}

/// What a loader says of a field that it does not know.
const UNKNOWN: &str = "MS0003";

/// All keys that an object may have, so that none of them counts as unknown.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Whole<T> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "metadata")]
    _metadata: Value,
    spec: T,
}

/// A piece of one of Istio's objects by itself, in which a field that nobody knows is an error: the types alone would
/// pass over it, and a case with a slip of the pen would test nothing.
pub fn strict<T: Default + DeserializeOwned>(written: &Value) -> Result<T, String> {
    let text = virtual_service("default", "piece", 1, written.clone()).text()?;
    let names = ["piece.yaml".to_owned()];
    let texts = Texts([(names[0].clone(), text)].into());
    let loaded =
        load(&Request { scenario: None, manifests: &names, sets: &[], ..Request::default() }, &texts);
    let mut findings = Vec::new();
    let object = loaded.objects.first().ok_or_else(|| format!("{:?}", loaded.diagnostics))?;
    let whole = decode::<Whole<T>>(object, &loaded.docs, &mut findings);
    match (findings.first(), whole) {
        (None, Some(whole)) => Ok(whole.spec),
        (finding, _) => {
            Err(finding.map_or("it cannot be read".to_owned(), |finding| finding.message.clone()))
        }
    }
}

pub fn virtual_service(namespace: &str, name: &str, created: u32, spec: Value) -> Draft {
    Draft {
        api_version: "networking.istio.io/v1",
        kind: "VirtualService",
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        created,
        spec,
    }
}

pub fn destination_rule(namespace: &str, name: &str, created: u32, spec: Value) -> Draft {
    let kind = "DestinationRule";
    Draft { kind, ..virtual_service(namespace, name, created, spec) }
}

/// A Service with HTTP ports, by its host in full (`a.ns.svc.cluster.local`).
pub fn service(host: &str, ports: &[u16]) -> Result<Draft, String> {
    let mut parts = host.split('.');
    let (Some(name), Some(namespace), Some("svc")) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("`{host}` is no host of Kubernetes"));
    };
    let ports: Vec<String> =
        ports.iter().map(|port| format!("{{name: http-{port}, port: {port}}}")).collect();
    Ok(Draft {
        api_version: "v1",
        kind: "Service",
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        created: 0,
        spec: yaml(&format!("{{selector: {{app: {name}}}, ports: [{}]}}", ports.join(", ")))?,
    })
}

pub fn yaml(text: &str) -> Result<Value, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

/// A mapping of what is given.
pub fn fields<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let given = entries.into_iter().filter_map(|(key, value)| Some((Value::from(key), value?)));
    Value::Mapping(given.collect::<Mapping>())
}

/// A match as VirtualServices write it; golden cases shorten `queryParams`, and write presence out.
pub fn http_match(written: &Value) -> Result<HttpMatch, String> {
    let Value::Mapping(entries) = plain_presence(written) else { return Err("no mapping".to_owned()) };
    let renamed = entries.into_iter().map(|(key, value)| match key.as_str() {
        Some("query") => (Value::from("queryParams"), value),
        _ => (key, value),
    });
    strict(&Value::Mapping(renamed.collect()))
}

/// `{present: true}` is `{}` to Istio.
fn plain_presence(value: &Value) -> Value {
    let Value::Mapping(entries) = value else { return value.clone() };
    let is_presence = |(key, value): (&Value, &Value)| key == "present" && value.as_bool() == Some(true);
    let kept = entries.iter().filter(|entry| !is_presence(*entry));
    Value::Mapping(kept.map(|(key, value)| (key.clone(), plain_presence(value))).collect())
}

/// A traffic policy as DestinationRules write it, where golden cases name a balancer by its word alone.
pub fn policy(written: &Value) -> Value {
    let Value::Mapping(entries) = written else { return written.clone() };
    let in_full = |(key, value): (&Value, &Value)| match (key.as_str(), value) {
        (Some("loadBalancer"), Value::String(word)) => {
            (key.clone(), fields([("simple", Some(Value::from(word.as_str())))]))
        }
        _ => (key.clone(), value.clone()),
    };
    Value::Mapping(entries.iter().map(in_full).collect())
}

/// A service by its host, for rules that look services up.
pub fn known_service(host: &str, namespace: &str) -> KnownService {
    KnownService {
        name: host.split('.').next().unwrap_or(host).to_owned(),
        namespace: namespace.to_owned(),
        host: host.to_owned(),
        ports: Vec::new(),
        selector: Labels::new(),
        export_to: Vec::new(),
        prefers_near: false,
        is_headless: false,
        origin: Origin::Kubernetes,
        object: None,
    }
}

pub fn caller(namespace: &str, labels: &Labels) -> Caller {
    Caller { namespace: namespace.to_owned(), labels: labels.clone() }
}

pub type Rules = Vec<Object<DestinationRule>>;

/// Of the one table that the mesh's one client has.
pub fn virtual_hosts(mesh: &Mesh, port: u16) -> impl Iterator<Item = &VirtualHost> {
    let table: Option<RouteTableId> = mesh.states.rows()[0].tables.rows().first().copied();
    let listeners = table.map(|table| &mesh.tables[table].listeners);
    listeners.and_then(|listeners| listeners.get(&port)).into_iter().flatten()
}

#[test]
fn an_unknown_field_is_no_condition() {
    let of = |text: &str| http_match(&yaml(text).unwrap()).unwrap_err();
    assert_eq!(of("{urii: {exact: /}}"), "unknown field `urii` is ignored");
    assert_eq!(of("{uri: {prefx: /}}"), "unknown field `prefx` is ignored");
}

#[test]
fn short_forms_are_read_in_full() {
    let condition = http_match(&yaml("{query: {d: {present: true}}}").unwrap()).unwrap();
    assert!(condition.query_params["d"].is_presence());
}
