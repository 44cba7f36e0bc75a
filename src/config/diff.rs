//! What differs between two configurations, field by field, with the places on both sides: of the scenario as ordered, and
//! of the objects that hold from the start. Source: reference ux 4.3.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::document::{DocId, RawObject};
use super::load::Loaded;
use super::path::{push_index, push_key};

/// One field that differs, or an object that one side alone has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `VirtualService reviews`, `Service other/db`, `Scenario`.
    pub object: String,
    /// `spec.http[0].retries.attempts`, as the base has it, else the candidate; empty: the whole object.
    pub path: String,
    /// `None`: it was not there.
    pub old: Option<Side>,
    /// `None`: it is gone.
    pub new: Option<Side>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// As one line of YAML; of a whole object nothing.
    pub value: String,
    /// As the user named it; `--set` for an order.
    pub file: String,
    pub line: u32,
}

/// Written by the cluster and no part of what anybody wants.
const OF_THE_CLUSTER: [&str; 8] = [
    "status",
    "metadata.resourceVersion",
    "metadata.uid",
    "metadata.generation",
    "metadata.creationTimestamp",
    "metadata.managedFields",
    "metadata.selfLink",
    "metadata.annotations[\"kubectl.kubernetes.io/last-applied-configuration\"]",
];

/// All differences, the scenario's first, then by object; within one in the order of the base.
pub fn changes(base: &Loaded, candidate: &Loaded) -> Vec<Change> {
    let mut differ = Differ { base, candidate, object: "Scenario".to_owned(), changes: Vec::new() };
    let docs = |loaded: &Loaded| loaded.scenario.as_ref().map(|document| document.doc);
    if let (Some(old), Some(new)) = (docs(base), docs(candidate)) {
        differ.values(
            At { doc: old, value: &base.scenario_value, path: String::new() },
            At { doc: new, value: &candidate.scenario_value, path: String::new() },
        );
    }
    let (before, after) = (by_name(base), by_name(candidate));
    let names: BTreeSet<&Key<'_>> = before.keys().chain(after.keys()).collect();
    for key in names {
        differ.object = told(key, base.namespace());
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => differ.values(whole(old), whole(new)),
            (old, new) => differ.one_sided(old.map(|old| whole(old)), new.map(|new| whole(new))),
        }
    }
    differ.changes
}

/// Kind, namespace, name.
type Key<'a> = (&'a str, &'a str, &'a str);

/// Of two objects of one name the last one holds.
fn by_name(loaded: &Loaded) -> BTreeMap<Key<'_>, &RawObject> {
    let home = loaded.namespace();
    let named = loaded.objects.iter().map(|object| {
        let namespace = object.namespace.as_deref().unwrap_or(home);
        ((object.kind.as_str(), namespace, object.name.as_str()), object)
    });
    named.collect()
}

fn told((kind, namespace, name): &Key<'_>, home: &str) -> String {
    if *namespace == home { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

fn whole(object: &RawObject) -> At<'_> {
    At { doc: object.doc, value: &object.value, path: String::new() }
}

/// A value within a document.
#[derive(Clone)]
struct At<'a> {
    doc: DocId,
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn key(&self, key: &str) -> Option<At<'a>> {
        let value = self.value.get(key)?;
        let mut path = self.path.clone();
        push_key(&mut path, key);
        Some(At { doc: self.doc, value, path })
    }

    fn item(&self, index: usize) -> At<'a> {
        let mut path = self.path.clone();
        push_index(&mut path, index);
        At { doc: self.doc, value: &self.value[index], path }
    }
}

struct Differ<'a> {
    base: &'a Loaded,
    candidate: &'a Loaded,
    object: String,
    changes: Vec<Change>,
}

impl Differ<'_> {
    fn values(&mut self, old: At<'_>, new: At<'_>) {
        if old.value == new.value || OF_THE_CLUSTER.contains(&old.path.as_str()) {
            return;
        }
        match (old.value, new.value) {
            (Value::Mapping(before), Value::Mapping(after)) => {
                let names = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
                for name in names.filter_map(Value::as_str) {
                    match (old.key(name), new.key(name)) {
                        (Some(old), Some(new)) => self.values(old, new),
                        (old, new) => self.one_sided(old, new),
                    }
                }
            }
            (Value::Sequence(before), Value::Sequence(after)) => self.lists(&old, before, &new, after),
            _ => self.one_sided(Some(old), Some(new)),
        }
    }

    fn lists(&mut self, old: &At<'_>, before: &[Value], new: &At<'_>, after: &[Value]) {
        let pairs = match (names(before), names(after)) {
            (Some(left), Some(right)) => {
                let both = |list: &[String], other: &[String]| -> Vec<String> {
                    list.iter().filter(|name| other.contains(name)).cloned().collect()
                };
                let (one, other) = (both(&left, &right), both(&right, &left));
                if one != other {
                    self.note(old, new, Some(one.join(", ")), Some(other.join(", ")));
                }
                by_key(&left, &right)
            }
            _ => by_likeness(before, after),
        };
        for (left, right) in pairs {
            match (left, right) {
                (Some(left), Some(right)) => self.values(old.item(left), new.item(right)),
                (left, right) => {
                    self.one_sided(left.map(|index| old.item(index)), right.map(|index| new.item(index)));
                }
            }
        }
    }

    fn one_sided(&mut self, old: Option<At<'_>>, new: Option<At<'_>>) {
        let Some(at) = old.as_ref().or(new.as_ref()) else { return };
        if OF_THE_CLUSTER.contains(&at.path.as_str()) {
            return;
        }
        let side = |loaded: &Loaded, at: &At<'_>| {
            let value = if at.path.is_empty() { String::new() } else { inline(at.value) };
            side(loaded, at, value)
        };
        let change = Change {
            object: self.object.clone(),
            path: at.path.clone(),
            old: old.as_ref().map(|at| side(self.base, at)),
            new: new.as_ref().map(|at| side(self.candidate, at)),
        };
        self.changes.push(change);
    }

    /// The same with values of another kind.
    fn note(&mut self, old: &At<'_>, new: &At<'_>, before: Option<String>, after: Option<String>) {
        let change = Change {
            object: self.object.clone(),
            path: old.path.clone(),
            old: before.map(|value| side(self.base, old, format!("order {value}"))),
            new: after.map(|value| side(self.candidate, new, format!("order {value}"))),
        };
        self.changes.push(change);
    }
}

fn side(loaded: &Loaded, at: &At<'_>, value: String) -> Side {
    let docs = &loaded.docs;
    let mut span = docs.span(at.doc, &at.path);
    // A value that goes over several lines is told where its key stands.
    if at.value.is_mapping() || at.value.is_sequence() {
        span = if at.path.is_empty() { span } else { docs.key_span(at.doc, &at.path) };
    }
    let file = docs.sources.get(span.source).name.clone();
    Side { value, file, line: docs.sources.position(span).line }
}

/// What tells the items of a list apart, if all have it and no two the same: their names, or where they lead.
fn names(list: &[Value]) -> Option<Vec<String>> {
    let name = |item: &Value| {
        let name = item.get("name").and_then(Value::as_str).map(str::to_owned);
        name.or_else(|| item.get("destination").map(inline))
    };
    let names: Vec<String> = list.iter().map(name).collect::<Option<_>>()?;
    let distinct: BTreeSet<&String> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}

type Pair = (Option<usize>, Option<usize>);

fn by_key(left: &[String], right: &[String]) -> Vec<Pair> {
    let partner = |list: &[String], name: &String| list.iter().position(|other| other == name);
    let mut pairs: Vec<Pair> =
        left.iter().enumerate().map(|(index, name)| (Some(index), partner(right, name))).collect();
    let fresh = right.iter().enumerate().filter(|(_, name)| partner(left, name).is_none());
    pairs.extend(fresh.map(|(index, _)| (None, Some(index))));
    pairs
}

/// Longer lists are compared by position alone.
const MOST_ALIGNED: usize = 500;

/// Lists of one length by position; else what is equal on both sides is kept together, the longest row of it, and what lies
/// between is paired by position as far as it goes.
fn by_likeness(before: &[Value], after: &[Value]) -> Vec<Pair> {
    let is_long = before.len().max(after.len()) > MOST_ALIGNED;
    let anchors = if before.len() == after.len() || is_long { Vec::new() } else { equals(before, after) };
    let mut pairs = Vec::new();
    let (mut left, mut right) = (0, 0);
    for (one, other) in anchors.into_iter().chain([(before.len(), after.len())]) {
        while left < one || right < other {
            pairs.push(((left < one).then_some(left), (right < other).then_some(right)));
            left = one.min(left + 1);
            right = other.min(right + 1);
        }
        // The anchors themselves are equal.
        (left, right) = (one + 1, other + 1);
    }
    pairs
}

/// The longest row of equal items, by the places on both sides.
fn equals(before: &[Value], after: &[Value]) -> Vec<(usize, usize)> {
    let mut longest = vec![vec![0u32; after.len() + 1]; before.len() + 1];
    for one in (0..before.len()).rev() {
        for other in (0..after.len()).rev() {
            longest[one][other] = match before[one] == after[other] {
                true => longest[one + 1][other + 1] + 1,
                false => longest[one + 1][other].max(longest[one][other + 1]),
            };
        }
    }
    let (mut one, mut other, mut row) = (0, 0, Vec::new());
    while one < before.len() && other < after.len() {
        if before[one] == after[other] {
            row.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if longest[one + 1][other] >= longest[one][other + 1] {
            one += 1;
        } else {
            other += 1;
        }
    }
    row
}

/// A value as one line: `{host: reviews, subset: v2}`.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(is_true) => is_true.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        Value::Sequence(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Mapping(entries) => {
            let entry = |(key, value): (&Value, &Value)| format!("{}: {}", inline(key), inline(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Tagged(tagged) => format!("{} {}", tagged.tag, inline(&tagged.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::files::{Files, ReadError};
    use crate::config::load::{Request, load};

    struct Texts<'a>(&'a [(&'a str, String)]);

    impl Files for Texts<'_> {
        fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
            let found = self.0.iter().find(|(name, _)| *name == path);
            let nothing = || ReadError { path: path.to_owned(), reason: "no such file".to_owned() };
            found.map(|(_, text)| text.clone().into_bytes()).ok_or_else(nothing)
        }

        fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
            Ok(vec![pattern.to_owned()])
        }
    }

    const SCENARIO: &str =
        "apiVersion: meshcast/v1\nkind: Scenario\nduration: 1m\nworkloads:\n  app: {replicas: 2}\n";

    /// One line a change: object, path, old and new with their places.
    fn diff(old: &str, new: &str, orders: &[&str]) -> Vec<String> {
        let texts = [("s", SCENARIO.to_owned()), ("old", old.to_owned()), ("new", new.to_owned())];
        let read = |manifest: &str, sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|order| (*order).to_owned()).collect();
            let manifests = [manifest.to_owned()];
            load(
                &Request { scenario: Some("s"), manifests: &manifests, sets: &sets, ..Request::default() },
                &Texts(&texts),
            )
        };
        let told = |side: Option<Side>| {
            side.map_or_else(|| "-".to_owned(), |side| format!("{}@{}:{}", side.value, side.file, side.line))
        };
        let line = |change: Change| {
            let Change { object, path, old, new } = change;
            format!("{object} {path} {} > {}", told(old), told(new))
        };
        changes(&read("old", &[]), &read("new", orders)).into_iter().map(line).collect()
    }

    fn object(body: &str) -> String {
        format!("apiVersion: v1\nkind: K\nmetadata:\n  name: x\n{body}")
    }

    #[test]
    fn what_is_equal_is_not_told() {
        let text = object("spec: {a: [1, {b: 2}]}\n");
        assert!(diff(&text, &text, &[]).is_empty());
        let spaced = object("# a comment\nspec:\n  a:\n  - 1\n  - b: 2\nstatus: {ready: true}\n");
        assert!(diff(&text, &spaced, &[]).is_empty());
        let cluster = |ready: bool, generation: u32| {
            format!(
                "apiVersion: v1\nkind: K\nmetadata:\n  name: x\n  generation: {generation}\nstatus: {{ready: {ready}}}\n"
            )
        };
        assert!(
            diff(&cluster(true, 1), &cluster(false, 2), &[]).is_empty(),
            "what the cluster writes itself"
        );
        let twice = format!("{}---\n{}", object("spec: {a: 9}\n"), text);
        assert!(diff(&text, &twice, &[]).is_empty(), "the last one of a name holds");
    }

    #[test]
    fn texts_are_told_as_yaml_has_them() {
        let (old, new) = (object("a: \"\"\nb: |\n  x\n  y\n"), object("a: x\nb: z\n"));
        assert_eq!(diff(&old, &new, &[]), ["K x a \"\"@old:5 > x@new:5", "K x b x y @old:7 > z@new:6"]);
    }

    #[test]
    fn fields_are_told_with_both_places() {
        let old = object("spec:\n  pool: {max: 4}\n  gone: yes\n");
        let new = object("spec:\n  pool:\n    max: 8\n  more: {a: [1, x]}\n");
        assert_eq!(
            diff(&old, &new, &[]),
            [
                "K x spec.pool.max 4@old:6 > 8@new:7",
                "K x spec.gone yes@old:7 > -",
                "K x spec.more - > {a: [1, x]}@new:8",
            ]
        );
    }

    #[test]
    fn whole_objects_come_and_go() {
        let other = "---\napiVersion: v1\nkind: K\nmetadata: {name: y, namespace: far}\n";
        let both = format!("{}{other}", object(""));
        assert_eq!(diff(&object(""), &both, &[]), ["K far/y  - > @new:7"]);
        assert_eq!(diff(&both, &object(""), &[]), ["K far/y  @old:7 > -"]);
    }

    #[test]
    fn items_are_found_by_name_whatever_their_place() {
        let old = object("l:\n- {name: a, v: 1}\n- {name: b, v: 2}\n");
        let new = object("l:\n- {name: c, v: 0}\n- {name: a, v: 1}\n- {name: b, v: 3}\n");
        assert_eq!(
            diff(&old, &new, &[]),
            ["K x l[1].v 2@old:7 > 3@new:8", "K x l[0] - > {name: c, v: 0}@new:6"]
        );
        let turned = object("l:\n- {name: b, v: 2}\n- {name: a, v: 1}\n");
        assert_eq!(diff(&old, &turned, &[]), ["K x l order a, b@old:5 > order b, a@new:5"]);
        let weights = |one: u32| {
            object(&format!(
                "l:\n- {{destination: {{host: h, subset: a}}, weight: {one}}}\n- {{destination: {{host: h, subset: b}}}}\n"
            ))
        };
        assert_eq!(diff(&weights(90), &weights(80), &[]), ["K x l[0].weight 90@old:6 > 80@new:6"]);
        let more = weights(80).replace("l:\n", "l:\n- {destination: {host: h, subset: c}, weight: 10}\n");
        assert_eq!(
            diff(&weights(90), &more, &[]),
            [
                "K x l[0].weight 90@old:6 > 80@new:7",
                "K x l[0] - > {destination: {host: h, subset: c}, weight: 10}@new:6"
            ],
            "routes go by where they lead"
        );
        let twins = |second: u32| object(&format!("l:\n- {{name: a, v: 1}}\n- {{name: a, v: {second}}}\n"));
        assert_eq!(diff(&twins(2), &twins(3), &[]), ["K x l[1].v 2@old:7 > 3@new:7"], "by position");
    }

    #[test]
    fn items_without_a_name_are_found_by_what_is_equal_around_them() {
        let old = object("l: [1, 2, 3, 4]\n");
        assert_eq!(diff(&old, &object("l: [1, 9, 3, 4]\n"), &[]), ["K x l[1] 2@old:5 > 9@new:5"]);
        assert_eq!(diff(&old, &object("l: [0, 1, 2, 4]\n"), &[]).len(), 3, "one length: by position");
        assert_eq!(
            diff(&old, &object("l: [1, 2, 8, 9, 4]\n"), &[]),
            ["K x l[2] 3@old:5 > 8@new:5", "K x l[3] - > 9@new:5"]
        );
        assert_eq!(diff(&old, &object("l: [1, 2, 4]\n"), &[]), ["K x l[2] 3@old:5 > -"]);
    }

    #[test]
    fn orders_are_told_as_such() {
        let text = object("spec: {a: 1}\n");
        assert_eq!(
            diff(&text, &text, &["K/x:spec.a=7", "workloads.app.replicas=5"]),
            ["Scenario workloads.app.replicas 2@s:5 > 5@--set:1", "K x spec.a 1@old:5 > 7@--set:1"]
        );
    }
}
