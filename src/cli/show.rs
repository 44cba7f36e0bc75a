//! `--show-config`: the scenario with every default filled in, as YAML that can be run again. What the file does not
//! say is marked.

use std::fmt::Write;

use serde_yaml::{Mapping, Value};

use crate::config::load::Loaded;
use crate::config::path::{push_index, push_key};
use crate::config::set::{self, Order};
use crate::config::yaml;
use crate::mesh::workload::{Client, ClientKind, DataPlane, Discipline, Threading, Workload};
use crate::mesh::{Mesh, WorkloadId};

/// Stands behind what was filled in.
const MARK: &str = "# default";
/// What `resolve::defaults` holds, in the scenario's words; a test keeps them equal.
const DEFAULTS: [(&str, &str); 8] = [
    ("network.latency", "0.25ms"),
    ("network.betweenZones", "1ms"),
    ("network.betweenRegions", "30ms"),
    ("proxy.latency", "lognormal(p50=0.25ms, p99=0.45ms)"),
    ("proxy.ztunnelLatency", "lognormal(p50=0.075ms, p99=0.135ms)"),
    ("proxy.age", "uniform(0s, 1h)"),
    ("controlPlane.propagation", "uniform(100ms, 1s)"),
    ("serviceTime", SERVICE_TIME),
];
const SERVICE_TIME: &str = "lognormal(p50=10ms, p99=50ms)";

/// The whole scenario. `sets` are the orders that were carried out while loading.
pub fn scenario(loaded: &Loaded, mesh: &Mesh, sets: &[String]) -> String {
    let mut filler = Filler { value: written(loaded, sets), filled: Vec::new() };
    let (run, namespace) = (&mesh.run, loaded.namespace().to_owned());
    filler.text("apiVersion", "meshcast/v1");
    filler.text("kind", "Scenario");
    filler.text("metadata.name", &mesh.name);
    filler.fill("seed", run.seed.into());
    for (key, time) in
        [("duration", run.duration), ("warmup", run.warmup), ("drain", run.drain), ("window", run.window)]
    {
        filler.text(key, &time.to_string());
    }
    filler.fill("replications", run.replications.get().into());
    let version = crate::resolve::defaults::ISTIO_VERSION;
    filler.text("istioVersion", &format!("{}.{}", version.major, version.minor));
    filler.text("namespace", &namespace);
    filler.fill("proxy.workers", mesh.proxy.workers.get().into());
    for (path, text) in DEFAULTS.iter().filter(|(path, _)| path.contains('.')) {
        filler.text(path, text);
    }
    filler.text("dataPlane", plane(DataPlane::default()));
    for (id, workload) in mesh.workloads.iter() {
        fill_workload(&mut filler, mesh, id, workload, &namespace);
    }
    for client in mesh.clients.rows() {
        fill_client(&mut filler, client);
    }
    // Those first that make the file a scenario, wherever they were filled in.
    let first = ["apiVersion", "kind", "metadata"];
    let Value::Mapping(mut fields) = filler.value else { return String::new() };
    let head: Vec<(Value, Value)> =
        first.iter().filter_map(|key| fields.shift_remove_entry(Value::String((*key).to_owned()))).collect();
    let ordered: Mapping = head.into_iter().chain(fields).collect();
    let mut text = String::new();
    emit(&mut text, &Value::Mapping(ordered), &mut String::new(), 0, &filler.filled);
    text
}

/// The scenario as it stands in its file, with the orders carried out.
fn written(loaded: &Loaded, sets: &[String]) -> Value {
    let nothing = Value::Mapping(Mapping::new());
    let Some(document) = &loaded.scenario else { return nothing };
    let text = &loaded.docs.sources.get(loaded.docs.source(document.doc)).text;
    let decoded = yaml::split(text).into_iter().filter_map(|range| yaml::decode(&text[range]).ok());
    let is_scenario = |value: &Value| {
        let word = |key: &str| value.get(key).and_then(Value::as_str);
        word("kind") == Some("Scenario")
            || word("apiVersion").is_some_and(|version| version.starts_with("meshcast/"))
            || (word("kind"), word("apiVersion")) == (None, None)
    };
    let mut value = decoded.into_iter().find(is_scenario).unwrap_or(nothing);
    for order in sets.iter().filter_map(|text| Order::parse(text).ok()).filter(|order| order.object.is_none())
    {
        // Loading has told what leads nowhere.
        let _ = set::put(&mut value, &order.steps, &order.value);
    }
    value
}

fn fill_workload(filler: &mut Filler, mesh: &Mesh, id: WorkloadId, workload: &Workload, home: &str) {
    let suffix = format!(".{}", workload.namespace);
    let name = match workload.namespace == home {
        true => workload.name.as_str(),
        false => workload.name.strip_suffix(&suffix).unwrap_or(&workload.name),
    };
    let mut at = "workloads".to_owned();
    push_key(&mut at, name);
    let path = |key: &str| format!("{at}.{key}");
    filler.text(&path("namespace"), &workload.namespace);
    let pods = mesh.pods.rows().iter().filter(|pod| pod.workload == id).count();
    let life = &workload.life;
    let first = life.scalings.first().map_or(pods, |scaling| scaling.pods as usize);
    filler.fill(&path("replicas"), first.into());
    if !life.scalings.is_empty() {
        filler.fill(&path("startup"), life.startup.to_string().into());
        filler.fill(&path("shutdown"), life.shutdown.to_string().into());
    }
    let limit = |limit: Option<u32>| limit.map_or(Value::String("unlimited".to_owned()), Value::from);
    filler.fill(&path("concurrency"), limit(workload.concurrency.map(std::num::NonZero::get)));
    filler.fill(&path("queue"), limit(workload.queue));
    filler.text(
        &path("discipline"),
        match workload.discipline {
            Discipline::Fifo => "fifo",
            Discipline::ProcessorSharing => "processor-sharing",
        },
    );
    filler.text(
        &path("threading"),
        match workload.threading {
            Threading::Blocking => "blocking",
            Threading::Async => "async",
        },
    );
    if filler.lacks(&path("sidecar")) {
        filler.text(&path("dataPlane"), plane(workload.data_plane));
    }
    if let Some(after) = workload.keep_alive {
        filler.fill(&path("keepAlive"), after.to_string().into());
    }
    filler.fill(&path("cancellation"), workload.cancellation.into());
    if filler.lacks(&path("operations")) {
        filler.text(&path("serviceTime"), SERVICE_TIME);
    }
}

/// In the scenario's words.
fn plane(plane: DataPlane) -> &'static str {
    match plane {
        DataPlane::Sidecar => "sidecar",
        DataPlane::Ambient => "ambient",
        DataPlane::Proxyless => "proxyless",
        DataPlane::Bare => "gateway-only",
    }
}

fn fill_client(filler: &mut Filler, client: &Client) {
    let mut at = "clients".to_owned();
    push_key(&mut at, &client.name);
    if !matches!(client.kind, ClientKind::Workload(_)) {
        filler.fill(&format!("{at}.pods"), client.proxies.len().into());
    }
    let mut requests = format!("{at}.requests");
    if client.classes.len() == 1 && !filler.is_list(&requests) {
        filler.text(&format!("{requests}.share"), "100%");
        return;
    }
    for (place, class) in client.classes.iter().enumerate() {
        let length = requests.len();
        push_index(&mut requests, place);
        let share = crate::report::number::fixed(class.share * 100.0, 6);
        filler.text(&format!("{requests}.share"), &format!("{share}%"));
        requests.truncate(length);
    }
}

/// A document and the paths of what was added to it.
struct Filler {
    value: Value,
    filled: Vec<String>,
}

impl Filler {
    fn text(&mut self, path: &str, text: &str) {
        self.fill(path, Value::String(text.to_owned()));
    }

    fn fill(&mut self, path: &str, value: Value) {
        if !self.lacks(path) {
            return;
        }
        let Ok(steps) = crate::config::path::parse(path) else { return };
        if set::put(&mut self.value, &steps, &value).is_ok() {
            self.filled.push(path.to_owned());
        }
    }

    fn lacks(&self, path: &str) -> bool {
        self.find(path).is_none_or(Value::is_null)
    }

    fn is_list(&self, path: &str) -> bool {
        self.find(path).is_some_and(Value::is_sequence)
    }

    fn find(&self, path: &str) -> Option<&Value> {
        let steps = crate::config::path::parse(path).ok()?;
        steps.iter().try_fold(&self.value, |value, step| match step {
            crate::config::path::Step::Key(key) => value.get(key.as_str()),
            crate::config::path::Step::Index(index) => value.get(*index),
        })
    }
}

/// Block style, so that each filled value has a line for its mark.
fn emit(text: &mut String, value: &Value, path: &mut String, level: usize, filled: &[String]) {
    let indent = "  ".repeat(level);
    match value {
        Value::Mapping(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let length = path.len();
                let name = scalar(key);
                push_key(path, key.as_str().unwrap_or(&name));
                // The first key of a list's item stands behind its dash.
                let lead = if text.ends_with("- ") { "" } else { indent.as_str() };
                let _ = write!(text, "{lead}{name}:");
                emit_behind(text, value, path, level, filled);
                path.truncate(length);
            }
        }
        Value::Sequence(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                let length = path.len();
                push_index(path, place);
                let _ = write!(text, "{indent}- ");
                match item {
                    Value::Mapping(fields) if !fields.is_empty() => emit(text, item, path, level + 1, filled),
                    Value::Sequence(items) if !items.is_empty() => {
                        text.push_str(&flow(item));
                        text.push('\n');
                    }
                    _ => {
                        text.push_str(&scalar(item));
                        text.push('\n');
                    }
                }
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn emit_behind(text: &mut String, value: &Value, path: &mut String, level: usize, filled: &[String]) {
    let has_items = match value {
        Value::Mapping(fields) => !fields.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        _ => false,
    };
    if has_items {
        text.push('\n');
        emit(text, value, path, level + 1, filled);
        return;
    }
    let mark = if filled.contains(path) { format!("  {MARK}") } else { String::new() };
    let _ = writeln!(text, " {}{mark}", scalar(value));
}

/// One line: quoted where YAML needs it. Flow style is JSON, which is YAML too.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\n') => flow(value),
        Value::Mapping(_) | Value::Sequence(_) | Value::Tagged(_) => flow(value),
        _ => serde_yaml::to_string(value).unwrap_or_default().trim_end().to_owned(),
    }
}

fn flow(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::distribution;
    use crate::config::grammar::Part;
    use crate::resolve::defaults;

    #[test]
    fn what_is_shown_is_what_holds() {
        let held = [
            defaults::network_latency(),
            defaults::between_zones(),
            defaults::between_regions(),
            defaults::proxy_latency(),
            defaults::ztunnel_latency(),
            defaults::proxy_age(),
            defaults::propagation(),
            defaults::service_time(),
        ];
        for ((path, text), held) in DEFAULTS.iter().zip(held) {
            assert_eq!(distribution::parse(Part::whole(text)).expect("a distribution"), held, "{path}");
        }
    }

    #[test]
    fn values_come_out_as_they_went_in() {
        let text = "a: {b: [1, {c: 'x: y', d: []}], e: ~}\nf: \"1\"\n'g h': [[1, 2], z]\n";
        let value = yaml::decode(text).expect("YAML");
        let mut shown = String::new();
        emit(&mut shown, &value, &mut String::new(), 0, &["f".to_owned()]);
        assert_eq!(yaml::decode(&shown).expect("YAML"), value, "{shown}");
        assert!(shown.contains("f: '1'  # default\n"), "{shown}");
    }
}
