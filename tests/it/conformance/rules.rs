//! Golden kinds of DestinationRules: which of them holds, and what it says of a port and a subset.
//! Source: semantics S4.1 to S4.4.

use std::collections::BTreeMap;

use meshcast::config::istio::values::Labels;
use meshcast::resolve::defaults::ROOT_NAMESPACE;
use meshcast::resolve::policies::{self, Policies};
use meshcast::resolve::read::DESTINATION_RULES;
use serde::Deserialize;
use serde_yaml::Value;

use super::objects::{Rules, caller, destination_rule, fields, known_service, policy, read, yaml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    rules: Vec<Placed>,
    client_ns: String,
    service_ns: String,
    root_ns: String,
    service: String,
    #[serde(default)]
    client_labels: Labels,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Placed {
    ns: String,
    host: String,
    name: Option<String>,
    created: Option<u32>,
    export_to: Option<Value>,
    workload_selector: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Level {
    applies_from: Option<String>,
}

pub fn dr_lookup(input: LookUp) -> Result<Level, String> {
    // The root namespace has one name here.
    let named = |namespace: &str| match namespace == input.root_ns {
        true => ROOT_NAMESPACE.to_owned(),
        false => namespace.to_owned(),
    };
    let mut drafts = Vec::new();
    for (place, rule) in input.rules.iter().enumerate() {
        let spec = fields([
            ("host", Some(Value::from(rule.host.as_str()))),
            ("exportTo", rule.export_to.clone()),
            ("workloadSelector", rule.workload_selector.clone()),
        ]);
        let name = rule.name.clone().unwrap_or_else(|| format!("r{place}"));
        drafts.push(destination_rule(&named(&rule.ns), &name, rule.created.unwrap_or(0), spec));
    }
    let rules = read(&drafts, &DESTINATION_RULES)?;
    let service = known_service(&input.service, &named(&input.service_ns));
    let caller = caller(&named(&input.client_ns), &input.client_labels);
    let found = policies::find(&rules, &service, &caller);
    let level = found.rules().first().map(|rule| match rule.namespace == ROOT_NAMESPACE {
        true => input.root_ns.clone(),
        false => rule.namespace.clone(),
    });
    Ok(Level { applies_from: level })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SameHost {
    rules: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Named {
    name: String,
    created: u32,
    export_to: Option<Value>,
    #[serde(default)]
    subsets: Vec<String>,
    traffic_policy: Option<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Together {
    subsets: Vec<String>,
    load_balancer: Option<String>,
}

const HOST: &str = "a.default.svc.cluster.local";

pub fn dr_same_host(input: SameHost) -> Result<Together, String> {
    let mut drafts = Vec::new();
    for rule in &input.rules {
        let subset = |name: &String| fields([("name", Some(Value::from(name.as_str())))]);
        let spec = fields([
            ("host", Some(Value::from("a"))),
            ("exportTo", rule.export_to.clone()),
            ("subsets", Some(Value::Sequence(rule.subsets.iter().map(subset).collect()))),
            ("trafficPolicy", rule.traffic_policy.as_ref().map(policy)),
        ]);
        drafts.push(destination_rule("default", &rule.name, rule.created, spec));
    }
    let rules = read(&drafts, &DESTINATION_RULES)?;
    let found = policies_of(&rules);
    let balancer = found.top().and_then(|(_, policy)| policy.load_balancer.as_ref());
    Ok(Together {
        subsets: found.subset_names().into_iter().map(str::to_owned).collect(),
        load_balancer: balancer.and_then(|balancer| balancer.simple.clone()),
    })
}

fn policies_of(rules: &Rules) -> Policies<'_> {
    policies::find(rules, &known_service(HOST, "default"), &caller("default", &Labels::new()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Blocks {
    top: Option<Value>,
    port_level: Option<Value>,
    subset: Option<Value>,
    port: Option<u16>,
}

/// By block; null: default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effective {
    effective: BTreeMap<String, Value>,
}

pub fn policy_merge(input: Blocks, expected: &Effective) -> Result<(), String> {
    let subset = input.subset.as_ref().map(|subset| {
        fields([("name", Some(Value::from("v1"))), ("trafficPolicy", Some(with_ports(subset, None)))])
    });
    let top =
        input.top.clone().or_else(|| input.port_level.as_ref().map(|_| Value::Mapping(Default::default())));
    let spec = fields([
        ("host", Some(Value::from("a"))),
        ("trafficPolicy", top.map(|top| with_ports(&top, input.port_level.as_ref()))),
        ("subsets", subset.map(|subset| Value::Sequence(vec![subset]))),
    ]);
    let rules = read(&[destination_rule("default", "r", 0, spec)], &DESTINATION_RULES)?;
    let found = policies_of(&rules);
    let v1 = found.subset("v1").map(|(_, _, subset)| subset);
    let effective = found.effective(v1, input.port.unwrap_or(80));
    let blocks = effective.blocks;
    let wanted = fields([
        ("host", Some(Value::from("a"))),
        (
            "trafficPolicy",
            Some(policy(&Value::Mapping(
                expected
                    .effective
                    .iter()
                    .map(|(key, value)| (Value::from(key.as_str()), value.clone()))
                    .collect(),
            ))),
        ),
    ]);
    let wanted = read(&[destination_rule("default", "r", 0, wanted)], &DESTINATION_RULES)?;
    let wanted_policy = wanted[0].spec.traffic_policy.as_ref().ok_or("nothing is expected")?;
    let wanted = wanted_policy.blocks();
    if expected.effective.is_empty() {
        return Err("nothing is expected".to_owned());
    }
    let mut wrong = Vec::new();
    for block in expected.effective.keys() {
        let is_right = match block.as_str() {
            "loadBalancer" => blocks.load_balancer == wanted.load_balancer,
            "connectionPool" => blocks.connection_pool == wanted.connection_pool,
            "outlierDetection" => blocks.outlier_detection == wanted.outlier_detection,
            "tls" => blocks.tls == wanted.tls,
            "retryBudget" => effective.retry_budget == wanted_policy.retry_budget.as_ref(),
            other => return Err(format!("no block `{other}`")),
        };
        if !is_right {
            wrong.push(block.as_str());
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} of {blocks:?}", wrong.join(", "))) }
}

/// A policy with the settings of one port in it: its own `portLevel`, or those beside it.
fn with_ports(written: &Value, beside: Option<&Value>) -> Value {
    let Value::Mapping(mut entries) = policy(written) else { return written.clone() };
    let own = entries.remove("portLevel");
    if let Some(settings) = own.as_ref().or(beside) {
        let Value::Mapping(mut settings) = policy(settings) else { return written.clone() };
        if let Some(port) = settings.remove("port") {
            settings.insert(Value::from("port"), fields([("number", Some(port))]));
        }
        entries.insert(Value::from("portLevelSettings"), Value::Sequence(vec![Value::Mapping(settings)]));
    }
    Value::Mapping(entries)
}

#[test]
fn a_wrong_block_is_seen() {
    let input: Blocks = serde_yaml::from_value(yaml("{top: {loadBalancer: RANDOM}}").unwrap()).unwrap();
    let expected = |text: &str| serde_yaml::from_str::<Effective>(text).unwrap();
    let wrong = policy_merge(input, &expected("{effective: {loadBalancer: ROUND_ROBIN}}"));
    assert!(wrong.unwrap_err().starts_with("loadBalancer"));
}
