//! What the patches of an EnvoyFilter would change, as far as their words tell. None of it is simulated.
//! Source: fields, EnvoyFilter.

use serde_yaml::Value;

use super::finding::Unmodelled;

/// A word of a patch, and what a patch with it does. The first that occurs counts.
const WORDS: &[(&str, &str)] = &[
    ("ratelimit", "a rate limit (429): no request is refused by one"),
    ("rate_limit", "a rate limit (429): no request is refused by one"),
    (
        "ext_authz",
        "calls that an authorizer denies (403), and the time that it takes: all are let in at once",
    ),
    ("rbac", "calls that are denied (403): all are let in"),
    ("lua", "a Lua filter: what it does to requests is not known"),
    ("wasm", "a Wasm filter: what it does to requests is not known"),
    ("admission_control", "requests that are shed (503): none is"),
    ("adaptive_concurrency", "requests that are shed (503): none is"),
    ("overload", "requests that are shed (503): none is"),
    ("circuit_breakers", "limits: those of DestinationRules alone hold"),
    ("outlier_detection", "ejections: those of DestinationRules alone happen"),
    ("retry_policy", "retries: those of VirtualServices alone happen"),
    ("retry_budget", "retries: those of VirtualServices alone happen"),
    ("timeout", "a time-out: those of VirtualServices and DestinationRules alone hold"),
    ("fault", "faults: those of VirtualServices alone are injected"),
    ("lb_policy", "balancing: that of DestinationRules alone holds"),
];

/// Each patch, at its place.
pub fn not_modelled(spec: &Value) -> Vec<Unmodelled> {
    let patches = spec.get("configPatches").and_then(Value::as_sequence);
    let told = |(index, patch): (usize, &Value)| Unmodelled {
        path: format!("spec.configPatches[{index}]"),
        what: what(patch),
    };
    patches.into_iter().flatten().enumerate().map(told).collect()
}

fn what(patch: &Value) -> String {
    let body = patch.get("patch").unwrap_or(&Value::Null);
    let known = WORDS.iter().find(|(word, _)| speaks_of(body, word));
    known.map_or_else(
        || {
            let target = patch.get("applyTo").and_then(Value::as_str).unwrap_or("the configuration");
            format!("a patch of {target}: proxies stay as Istio sets them up")
        },
        |(_, what)| (*what).to_owned(),
    )
}

/// Whether a word stands in any key or text of a value.
fn speaks_of(value: &Value, word: &str) -> bool {
    let has = |text: &str| text.to_ascii_lowercase().contains(word);
    match value {
        Value::String(text) => has(text),
        Value::Sequence(items) => items.iter().any(|item| speaks_of(item, word)),
        Value::Mapping(mapping) => {
            mapping.iter().any(|(key, value)| key.as_str().is_some_and(has) || speaks_of(value, word))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_told_apart_by_their_words() {
        let told = |patch: &str| {
            let text = format!("{{configPatches: [{{applyTo: HTTP_FILTER, patch: {patch}}}]}}");
            let [only] = &not_modelled(&serde_yaml::from_str(&text).unwrap())[..] else {
                panic!("one patch")
            };
            assert_eq!(only.path, "spec.configPatches[0]");
            only.what.split(':').next().unwrap().to_owned()
        };
        let named = |name: &str| {
            told(&format!("{{operation: INSERT_BEFORE, value: {{name: envoy.filters.http.{name}}}}}"))
        };
        assert_eq!(named("local_ratelimit"), "a rate limit (429)");
        assert_eq!(named("lua"), "a Lua filter");
        assert_eq!(named("wasm"), "a Wasm filter");
        assert!(named("ext_authz").starts_with("calls that an authorizer denies (403)"));
        assert_eq!(told("{operation: MERGE, value: {circuit_breakers: {}}}"), "limits");
        assert_eq!(told("{operation: MERGE, value: {comment: x}}"), "a patch of HTTP_FILTER");
        assert_eq!(not_modelled(&Value::Null), []);
    }
}
