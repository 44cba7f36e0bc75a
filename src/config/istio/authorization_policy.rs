//! Whom an AuthorizationPolicy would turn away. Nobody is, in a simulation. Source: semantics S13.4.

use serde_yaml::Value;

use super::finding::Unmodelled;

/// What the policy would do, at the line that says so. Empty: nothing, as it only writes logs.
pub fn not_modelled(spec: &Value) -> Vec<Unmodelled> {
    let action = spec.get("action").and_then(Value::as_str).unwrap_or("ALLOW");
    let has_rules = spec.get("rules").and_then(Value::as_sequence).is_some_and(|rules| !rules.is_empty());
    let what = match (action, has_rules) {
        ("AUDIT", _) => return Vec::new(),
        ("ALLOW", false) => "a denial of every call that it is about (403): all are let in",
        ("ALLOW", true) => "calls that none of its rules allows (403): all are let in",
        ("CUSTOM", _) => {
            "calls that its authorizer denies (403), and the time that it takes: all are let in at once"
        }
        (_, false) => "calls that it denies (403), which are none as it has no rules",
        (_, true) => "calls that it denies (403): all are let in",
    };
    let path = if has_rules { "spec.rules" } else { "spec" };
    vec![Unmodelled { path: path.to_owned(), what: what.to_owned() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_whom_a_policy_turns_away() {
        let told = |spec: &str| {
            let list = not_modelled(&serde_yaml::from_str(spec).unwrap());
            list.into_iter().map(|entry| (entry.path, entry.what)).collect::<Vec<_>>()
        };
        let starts = |spec: &str, path: &str, what: &str| {
            let [(place, text)] = &told(spec)[..] else { panic!("one entry") };
            assert!(place == path && text.starts_with(what), "{place}: {text}");
        };
        starts("{}", "spec", "a denial of every call");
        starts("{rules: [{}]}", "spec.rules", "calls that none of its rules allows");
        starts("{action: DENY, rules: [{}]}", "spec.rules", "calls that it denies (403): all");
        starts(
            "{action: CUSTOM, provider: {name: x}, rules: [{}]}",
            "spec.rules",
            "calls that its authorizer",
        );
        assert_eq!(told("{action: AUDIT, rules: [{}]}"), []);
    }
}
