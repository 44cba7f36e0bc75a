//! `path=value` orders, as `--set` and a timeline entry's `set:` give them (design D9.25):
//! `workloads.reviews-v2.replicas=4`, `DestinationRule/reviews:spec.trafficPolicy...=64`, `[0]` in lists.

use std::ops::Range;

use serde_yaml::{Mapping, Value};

use super::diagnostic::{Diagnostic, Span};
use super::document::ObjectRef;
use super::grammar::{Fault, Part};
use super::path::{self, Step, did_you_mean};
use super::yaml;
use crate::kernel::words::counted;

/// One order to change a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// `None`: the scenario.
    pub object: Option<ObjectRef>,
    pub steps: Vec<Step>,
    /// The steps as one normalised path.
    pub path: String,
    pub value: Value,
    /// Bytes of the order's text.
    pub path_range: Range<usize>,
    pub value_range: Range<usize>,
}

impl Order {
    /// Errors point into the text.
    pub fn parse(text: &str) -> Result<Order, Fault> {
        let whole = Part::whole(text);
        let Some(equals) = equals_sign(text) else {
            return Err(whole.fault(format!("`{text}` sets nothing")).help("write `path=value`"));
        };
        let left = text[..equals].trim_end();
        let start = text.len() - text.trim_start().len();
        let (object, path_start) = match left.find(':').filter(|colon| left[..*colon].contains('/')) {
            Some(colon) => {
                let name = left[..colon].trim();
                let object = ObjectRef::parse(name).map_err(|message| Fault::new(message, start..colon))?;
                (Some(object), colon + 1)
            }
            None => (None, start),
        };
        let path_range = path_start..left.len().max(path_start);
        let written = left[path_range.clone()].trim();
        let steps = path::parse(written).map_err(|message| Fault::new(message, path_range.clone()))?;
        if steps.is_empty() {
            return Err(whole.fault("no path stands before `=`").help("write `path=value`"));
        }
        let right = &text[equals + 1..];
        let value_start = equals + 1 + (right.len() - right.trim_start().len());
        let value_range = value_start..value_start + right.trim().len();
        let value = yaml::decode(right.trim()).map_err(|problem| {
            Fault::new(format!("the value is no YAML: {}", problem.message), value_range.clone())
        })?;
        Ok(Order { object, path: path::join(&steps), steps, value, path_range, value_range })
    }

    /// Whether it changes this key of the scenario, or something within.
    pub fn is_about(&self, key: &str) -> bool {
        let first = self.steps.first();
        self.object.is_none() && matches!(first, Some(Step::Key(name)) if name == key)
    }
}

/// The first `=` outside of brackets, which may hold one (`labels["a=b"]`).
pub(super) fn equals_sign(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            '=' if depth == 0 => return Some(index),
            _ => {}
        }
    }
    None
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nowhere {
    pub message: String,
    pub help: Option<String>,
}

impl Nowhere {
    /// `span`: what led nowhere.
    pub fn finding(self, span: Span) -> Diagnostic {
        Diagnostic::error("MS0010", self.message).at(span).help_if(self.help)
    }
}

/// Puts `value` at the end of the steps. Keys that are absent are made (absent means the default); items of lists and
/// whatever lies behind a plain value are not. Returns the path of what is new: the outermost key that was made, else
/// the whole path.
pub fn put(root: &mut Value, steps: &[Step], value: &Value) -> Result<String, Nowhere> {
    let nowhere = |message: String, help: Option<String>| Err(Nowhere { message, help });
    let mut at = root;
    let mut made = None;
    for (depth, step) in steps.iter().enumerate() {
        let here = path::join(&steps[..depth]);
        let here = if here.is_empty() { "the document" } else { &here };
        match step {
            Step::Key(key) => {
                if at.is_null() {
                    *at = Value::Mapping(Mapping::new());
                }
                let kind = if at.is_sequence() { "a list; pick an item with `[0]`" } else { "a plain value" };
                let Some(mapping) = at.as_mapping_mut() else {
                    return nowhere(format!("`{here}` is {kind}, so it has no `{key}`"), None);
                };
                if !mapping.contains_key(key.as_str()) {
                    made.get_or_insert(depth + 1);
                }
                at = mapping.entry(Value::String(key.clone())).or_insert(Value::Null);
            }
            Step::Index(index) => {
                let Some(list) = at.as_sequence_mut() else {
                    return nowhere(format!("`{here}` is no list, so it has no item [{index}]"), None);
                };
                let length = list.len();
                let Some(item) = list.get_mut(*index) else {
                    let help = (length > 0).then(|| format!("the last one is [{}]", length - 1));
                    let items = counted(length as u64, "item", "items");
                    return nowhere(format!("`{here}` has {items}, so there is no [{index}]"), help);
                };
                at = item;
            }
        }
    }
    *at = value.clone();
    Ok(path::join(&steps[..made.unwrap_or(steps.len())]))
}

/// A name that is not among the known ones.
pub fn unknown_name<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Nowhere {
    let help = match did_you_mean(name, known.clone()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => {
            // Scenario and manifests may both know a name.
            let mut names: Vec<String> = Vec::new();
            for name in known.map(|name| format!("`{name}`")) {
                if names.len() < 8 && !names.contains(&name) {
                    names.push(name);
                }
            }
            (!names.is_empty()).then(|| format!("there are {}", names.join(", ")))
        }
    };
    Nowhere { message: format!("there is no {what} `{name}`"), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_known_twice_are_told_once() {
        let help = |known: &[&str]| unknown_name("workload", "nope", known.iter().copied()).help;
        assert_eq!(help(&["app", "db", "app"]).as_deref(), Some("there are `app`, `db`"));
        assert_eq!(help(&[]), None);
    }

    #[test]
    fn orders_name_the_scenario_or_an_object() {
        let order = Order::parse("workloads.reviews-v2.replicas=4").unwrap();
        assert_eq!(
            (order.object, order.path.as_str(), order.value),
            (None, "workloads.reviews-v2.replicas", 4.into())
        );
        let order = Order::parse("DestinationRule/shop/reviews:spec.subsets[0].name=v1").unwrap();
        assert_eq!(order.object.unwrap().to_string(), "DestinationRule/shop/reviews");
        assert_eq!(order.path, "spec.subsets[0].name");
        let text = "clients.a.load=closed(users=5, think=1s)";
        let order = Order::parse(text).unwrap();
        assert_eq!(&text[order.value_range], "closed(users=5, think=1s)");
        for text in ["replicas", "=4", "a..b=1", "Service/:x=1", "a[x]=1", "a=[1"] {
            assert!(Order::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_put_where_paths_lead() {
        let mut root = yaml::decode("a: [{b: 1}]\nc: 2\n").unwrap();
        let mut set = |text: &str| {
            let order = Order::parse(text).unwrap();
            put(&mut root, &order.steps, &order.value)
        };
        assert_eq!(set("a[0].b=5").unwrap(), "a[0].b");
        assert_eq!(set("d.e=x").unwrap(), "d", "all of it is new");
        assert!(set("a[1].b=5").unwrap_err().message.contains("has 1 item,"));
        assert!(set("c.x=5").unwrap_err().message.contains("plain value"));
        assert!(set("a.x=5").unwrap_err().message.contains("a list"));
        assert_eq!(root["a"][0]["b"], Value::from(5));
        assert_eq!(root["d"]["e"], Value::from("x"));
    }
}
