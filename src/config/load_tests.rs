//! Tests of loading: files in a map in, objects and findings out.

use super::*;
use crate::config::diagnostic::Severity;
use crate::config::files::ReadError;

/// A file system in a map; a directory is a prefix.
struct Map(BTreeMap<&'static str, Vec<u8>>);

impl Files for Map {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let missing = || ReadError { path: path.to_owned(), reason: "no such file or directory".to_owned() };
        self.0.get(path).cloned().ok_or_else(missing)
    }

    fn expand(&self, base: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        let path = tidy(&format!("{base}/{pattern}")).trim_start_matches('/').to_owned();
        let inside = |name: &str| name == path || path.is_empty() || name.starts_with(&format!("{path}/"));
        let found: Vec<String> =
            self.0.keys().filter(|name| inside(name)).map(|name| (*name).to_owned()).collect();
        if found.is_empty() {
            return Err(ReadError { path, reason: "no such file or directory".to_owned() });
        }
        Ok(found)
    }
}

const SCENARIO: &str = "\
apiVersion: meshcast/v1
kind: Scenario
metadata: {name: t}
duration: 5m
manifests: [manifests/]
workloads:
  reviews-v2: {service: reviews, replicas: 3}
clients:
  browser:
    load: poisson(200rps)
    requests: [{get: \"http://reviews/\"}]
";

const OBJECTS: &str = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: reviews}
- apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: reviews}
  spec: {host: reviews, subsets: [{name: v1}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: noise, namespace: other}
";

fn files(extra: &[(&'static str, &str)]) -> Map {
    let mut map = BTreeMap::from([
        ("s/scenario.yaml", SCENARIO.as_bytes().to_vec()),
        ("s/manifests/a.yaml", OBJECTS.as_bytes().to_vec()),
    ]);
    map.extend(extra.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())));
    Map(map)
}

fn run(files: &Map, sets: &[&str]) -> Loaded {
    let sets: Vec<String> = sets.iter().map(|text| (*text).to_owned()).collect();
    load(
        &Request { scenario: Some("s/scenario.yaml"), manifests: &[], sets: &sets, ..Request::default() },
        files,
    )
}

/// The findings of a load as single lines.
fn lines(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(|finding| render::one_line(finding, &loaded.docs.sources)).collect()
}

#[test]
fn a_scenario_brings_its_manifests() {
    let loaded = run(&files(&[]), &[]);
    assert_eq!(lines(&loaded), Vec::<String>::new());
    assert_eq!(loaded.objects.len(), 3);
    assert_eq!(loaded.counts.read, 3);
    assert_eq!(loaded.counts.by_kind["ConfigMap"], 1);
    let rule = &loaded.objects[1];
    assert_eq!(
        (rule.kind.as_str(), rule.group(), rule.name.as_str()),
        ("DestinationRule", "networking.istio.io", "reviews")
    );
    assert_eq!(loaded.docs.sources.slice(loaded.docs.span(rule.doc, "spec.subsets[0].name")), "v1");
    assert!(loaded.scenario.is_some());
}

#[test]
fn a_broken_document_leaves_the_others() {
    let broken = "a: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: x}\n---\nb:\n\tc: 1\n";
    let loaded = run(&files(&[("s/manifests/b.yaml", broken)]), &[]);
    assert_eq!(loaded.objects.last().unwrap().name, "x");
    let lines = lines(&loaded);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("s/manifests/b.yaml:"), "{lines:?}");
    assert!(lines[1].starts_with("s/manifests/b.yaml:8:1: error[MS0001]: a tab"), "{lines:?}");
}

#[test]
fn files_that_cannot_be_used_are_errors() {
    let missing = run(&Map(BTreeMap::new()), &[]);
    assert_eq!(lines(&missing), ["error[MS0002]: cannot read `s/scenario.yaml`: no such file or directory"]);
    let no_manifests = Map(BTreeMap::from([("s/scenario.yaml", SCENARIO.as_bytes().to_vec())]));
    assert!(
        lines(&run(&no_manifests, &[]))[0].starts_with("s/scenario.yaml:5:13: error[MS0002]: cannot read")
    );
    let empty = Map(BTreeMap::from([("s/scenario.yaml", b"# nothing\n".to_vec())]));
    assert!(lines(&run(&empty, &[]))[0].contains("is empty"));
    let binary = Map(BTreeMap::from([("s/scenario.yaml", b"\x7fELF\x00".to_vec())]));
    assert!(lines(&run(&binary, &[]))[0].contains("is no text"));
    let other = Map(BTreeMap::from([(
        "s/scenario.yaml",
        b"kind: Service\napiVersion: v1\nmetadata: {name: x}\n".to_vec(),
    )]));
    assert!(lines(&run(&other, &[]))[0].contains("holds no scenario"));
    let template = files(&[("s/manifests/t.yaml", "kind: {{ .Values.kind }}\n")]);
    assert!(lines(&run(&template, &[]))[0].contains("Helm template"));
    let lost = files(&[("s/manifests/t.yaml", "apiVersion: v1\nknd: Service\nmetadata: {name: x}\n")]);
    assert!(lines(&run(&lost, &[]))[0].contains("has no `kind`"));
}

#[test]
fn set_changes_scenario_and_objects_and_points_at_the_order() {
    let loaded = run(&files(&[]), &["duration=2m", "DestinationRule/reviews:spec.subsets[0].name=v9"]);
    assert_eq!(lines(&loaded), Vec::<String>::new());
    let scenario = loaded.scenario.as_ref().unwrap();
    assert_eq!(scenario.value.duration.as_ref().unwrap().to_string(), "2m");
    let rule = &loaded.objects[1];
    assert_eq!(rule.value["spec"]["subsets"][0]["name"], Value::from("v9"));
    assert_eq!(loaded.docs.sources.slice(loaded.docs.span(rule.doc, "spec.subsets[0].name")), "v9");
}

#[test]
fn set_paths_that_lead_nowhere_are_errors() {
    let cases = [
        ("workloads.reviews-v3.replicas=4", "there is no workload `reviews-v3`"),
        ("clients.brwser.pods=4", "there is no client `brwser`"),
        ("DestinationRule/review:spec.host=x", "there is no object `DestinationRule/review`"),
        ("DestinationRule/reviews:spec.subsets[4].name=x", "has 1 item,"),
        ("durration=2m", "--set:1:1: error[MS0004]: unknown key `durration`"),
        ("duration", "sets nothing"),
        ("duration=2", "`2` has no unit"),
    ];
    for (order, expected) in cases {
        let loaded = run(&files(&[]), &[order]);
        let lines = lines(&loaded);
        assert!(
            lines.iter().any(|line| line.starts_with("--set:") && line.contains(expected)),
            "{order}: {lines:?}"
        );
    }
}

#[test]
fn the_timeline_builds_on_what_came_before() {
    let text = format!(
        "{SCENARIO}timeline:
- {{at: 3m, set: \"DestinationRule/reviews:spec.host=second\"}}
- {{at: 2m, apply: steps/one.yaml}}
- {{at: 4m, delete: DestinationRule/reviews}}
"
    );
    let one = "apiVersion: v1\nkind: DestinationRule\nmetadata: {name: reviews}\nspec: {host: first, x: 1}\n";
    let loaded = run(&files(&[("s/scenario.yaml", &text), ("s/steps/one.yaml", one)]), &[]);
    assert_eq!(lines(&loaded), Vec::<String>::new());
    let labels: Vec<&str> = loaded.timeline.iter().map(|step| step.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "apply steps/one.yaml",
            "set DestinationRule/reviews:spec.host=second",
            "delete DestinationRule/reviews"
        ]
    );
    let second = &loaded.timeline[1].apply[0];
    assert_eq!(
        (&second.value["spec"]["host"], &second.value["spec"]["x"]),
        (&Value::from("second"), &Value::from(1))
    );
    assert_eq!(loaded.docs.sources.slice(loaded.docs.span(second.doc, "spec.host")), "second");
    assert_eq!(loaded.timeline[2].delete[0].name, "reviews");
    assert_eq!(loaded.objects[1].value["spec"]["host"], Value::from("reviews"));
}

#[test]
fn timelines_name_what_exists() {
    let text = format!(
        "{SCENARIO}timeline:
- {{at: 1m, delete: DestinationRule/rewiews}}
- {{at: 1m, apply: steps/none.yaml}}
- {{at: 1m, set: \"workloads.reviews-v2.queue=3\"}}
"
    );
    let lines = lines(&run(&files(&[("s/scenario.yaml", &text)]), &[]));
    assert!(lines[0].contains("there is no object `DestinationRule/rewiews`"), "{lines:?}");
    assert!(lines[1].contains("cannot read `s/steps/none.yaml`"), "{lines:?}");
    assert!(lines[2].contains("holds for the whole run"), "{lines:?}");
}

#[test]
fn arguments_replace_the_scenarios_manifests() {
    let files = files(&[("x.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: only}\n")]);
    let manifests = ["x.yaml".to_owned()];
    let loaded = load(
        &Request {
            scenario: Some("s/scenario.yaml"),
            manifests: &manifests,
            sets: &[],
            ..Request::default()
        },
        &files,
    );
    let names: Vec<&str> = loaded.objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names, ["only"]);
    assert!(loaded.diagnostics.iter().all(|finding| finding.severity != Severity::Error));
}
