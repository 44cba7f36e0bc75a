//! Golden figures: every case of `tests/golden/golden.yaml`, `requests.yaml` and `derived.yaml` runs through the
//! functions that a simulation runs through. A case is data: a kind, what goes in, what must come out.
//! `MESHCAST_GOLDEN_EXTRA` names more files of that form, separated by `:`.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

mod balancing;
mod destinations;
mod hashing;
mod hosts;
mod locality;
mod matches;
mod mtls;
mod objects;
mod outcome;
mod outlier;
mod pool;
mod priority;
mod retry;
mod routing;
mod rules;
mod stage;
mod translate;

/// How each kind is checked.
const KINDS: &[(&str, Check)] = &[
    ("backoff", |case| case.check(retry::backoff)),
    ("conn_pool", |case| case.ask(pool::conn_pool)),
    ("connection_bound", |case| case.check(pool::connection_bound)),
    ("delegate_conflict", |case| case.check(matches::delegate_conflict)),
    ("dr_lookup", |case| case.check(rules::dr_lookup)),
    ("dr_same_host", |case| case.check(rules::dr_same_host)),
    ("edf_counts", |case| case.check(balancing::edf_counts)),
    ("edf_first_pick_counts", |case| case.check(balancing::edf_first_pick_counts)),
    ("edf_sequence", |case| case.check(balancing::edf_sequence)),
    ("ejection_allowed", |case| case.check(outlier::ejection_allowed)),
    ("ejection_duration", |case| case.check(outlier::ejection_duration)),
    ("ejection_duration_at_sweep", |case| case.check(outlier::ejection_duration_at_sweep)),
    ("ejection_jitter", |case| case.check(outlier::ejection_jitter)),
    ("failure_percentage", |case| case.check(outlier::failure_percentage)),
    ("fault_fraction", |case| case.check(retry::fault_fraction)),
    ("fault_outcome", |case| case.ask(outcome::fault_outcome)),
    ("flag_join", |case| case.check(retry::flag_join)),
    ("hash_policy", |case| case.check(hashing::hash_policy)),
    ("host_pattern_match", |case| case.check(hosts::host_pattern_match)),
    ("istio_destinations", |case| case.check(destinations::istio_destinations)),
    ("istio_distribute", |case| case.check(locality::istio_distribute)),
    ("istio_failover_priority", |case| case.check(locality::priorities)),
    ("istio_inbound_retry", |case| case.ask(translate::istio_inbound_retry)),
    ("istio_is_catch_all", |case| case.check(matches::istio_is_catch_all)),
    ("istio_locality_priority", |case| case.check(locality::priorities)),
    ("istio_outlier_translate", |case| case.ask(translate::istio_outlier_translate)),
    ("istio_panic_threshold", |case| case.ask(translate::istio_panic_threshold)),
    ("istio_pool_translate", |case| case.ask(translate::istio_pool_translate)),
    ("istio_retry_translate", |case| case.ask(translate::istio_retry_translate)),
    ("istio_vhost_ports", |case| case.check(hosts::istio_vhost_ports)),
    ("istio_vs_select", |case| case.check(hosts::istio_vs_select)),
    ("locality_first_pick_counts", |case| case.check(priority::locality_first_pick_counts)),
    ("locality_share", |case| case.check(priority::locality_share)),
    ("locality_wrr", |case| case.check(priority::locality_wrr)),
    ("lr_edf_sequence", |case| case.check(balancing::lr_edf_sequence)),
    ("lr_full_scan", |case| case.check(balancing::lr_full_scan)),
    ("lr_unweighted", |case| case.check(balancing::lr_unweighted)),
    ("lr_weight", |case| case.check(balancing::lr_weight)),
    ("maglev_keys", |case| case.check(hashing::maglev_keys)),
    ("maglev_pick", |case| case.check(hashing::maglev_pick)),
    ("maglev_table", |case| case.check(hashing::maglev_table)),
    ("mirror_fraction", |case| case.check(routing::mirror_fraction)),
    ("mirror_host", |case| case.check(routing::mirror_host)),
    ("mirror_send", |case| case.check(outcome::mirror_send)),
    ("mtls_outcome", |case| case.check(mtls::mtls_outcome)),
    ("murmur2_64", |case| case.check(hashing::murmur2_64)),
    ("outcome", |case| case.check(outcome::outcome)),
    ("outlier_timeline", |case| case.check(outlier::outlier_timeline)),
    ("peer_authentication_mode", |case| case.check(mtls::peer_authentication_mode)),
    ("policy_merge", |case| case.ask(rules::policy_merge)),
    ("previous_priorities", |case| case.check(priority::previous_priorities)),
    ("priority_choose", |case| case.check(priority::priority_choose)),
    ("priority_load", |case| case.check(priority::priority_load)),
    ("retry_budget", |case| case.check(retry::retry_budget)),
    ("retry_decision", |case| case.check(retry::retry_decision)),
    ("retry_outcome", |case| case.check(outcome::retry_outcome)),
    ("rewrite", |case| case.check(routing::rewrite)),
    ("ring_build", |case| case.check(hashing::ring_build)),
    ("ring_counts", |case| case.check(hashing::ring_counts)),
    ("ring_keys", |case| case.check(hashing::ring_keys)),
    ("ring_pick", |case| case.check(hashing::ring_pick)),
    ("route_match", |case| case.check(routing::route_match)),
    ("rr_unweighted", |case| case.check(balancing::rr_unweighted)),
    ("rr_unweighted_membership", |case| case.check(balancing::rr_unweighted_membership)),
    ("short_name", |case| case.check(hosts::short_name)),
    ("slow_start_factor", |case| case.check(balancing::slow_start_factor)),
    ("slow_start_lr", |case| case.check(balancing::slow_start_lr)),
    ("slow_start_rr", |case| case.check(balancing::slow_start_rr)),
    ("slow_start_tracking", |case| case.check(balancing::slow_start_tracking)),
    ("source_match", |case| case.check(matches::source_match)),
    ("success_rate_threshold", |case| case.check(outlier::success_rate_threshold)),
    ("timeout_outcome", |case| case.check(outcome::timeout_outcome)),
    ("unejection_times", |case| case.check(outlier::unejection_times)),
    ("vhost_domains", |case| case.check(hosts::vhost_domains)),
    ("virtual_host_pick", |case| case.check(routing::virtual_host_pick)),
    ("weighted_pick", |case| case.check(routing::weighted_pick)),
    ("xxh64", |case| case.check(hashing::xxh64)),
];

type Check = fn(&Case) -> Result<(), String>;

#[derive(Deserialize)]
struct GoldenFile {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    area: String,
    kind: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    expect: Value,
    /// Where it comes from: for readers.
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "provenance")]
    _provenance: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

impl Case {
    /// Runs `run` on the input and compares. Fields that the kind does not know fail the case, on both sides.
    fn check<I: DeserializeOwned, E: DeserializeOwned + Debug + PartialEq>(
        &self,
        run: impl Fn(I) -> Result<E, String>,
    ) -> Result<(), String> {
        let input = serde_yaml::from_value(self.input.clone()).map_err(|error| format!("input: {error}"))?;
        let expected: E =
            serde_yaml::from_value(self.expect.clone()).map_err(|error| format!("expect: {error}"))?;
        let actual = run(input)?;
        if actual == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {actual:?}")) }
    }

    /// As [`Case::check`], for expectations in words that the kind must ask one by one.
    fn ask<I: DeserializeOwned, E: DeserializeOwned>(
        &self,
        ask: impl Fn(I, &E) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.expect.as_mapping().is_none_or(|fields| fields.is_empty()) {
            return Err("nothing is expected".to_owned());
        }
        let input = serde_yaml::from_value(self.input.clone()).map_err(|error| format!("input: {error}"))?;
        let expected =
            serde_yaml::from_value(self.expect.clone()).map_err(|error| format!("expect: {error}"))?;
        ask(input, &expected)
    }

    /// Whether it comes out as it should. A panic is this case's failure, not that of those after it.
    fn run(&self) -> Result<(), String> {
        let (_, check) = KINDS
            .iter()
            .find(|(kind, _)| *kind == self.kind)
            .ok_or_else(|| format!("nothing checks the kind `{}`", self.kind))?;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(self)));
        result.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("it panicked: {}", words.unwrap_or("without words")))
        })
    }
}

/// A figure that is compared within 1e-6.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
struct Near(f64);

impl PartialEq for Near {
    fn eq(&self, other: &Near) -> bool {
        (self.0 - other.0).abs() <= 1e-6
    }
}

#[derive(Default)]
struct Tally {
    passed: usize,
    total: usize,
}

fn golden_files() -> Vec<String> {
    let own = ["golden.yaml", "requests.yaml", "derived.yaml"]
        .map(|name| format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR")));
    let extra = std::env::var("MESHCAST_GOLDEN_EXTRA").unwrap_or_default();
    own.into_iter().chain(extra.split(':').filter(|path| !path.is_empty()).map(str::to_owned)).collect()
}

#[test]
fn golden_cases_come_out_as_they_should() {
    let mut areas: BTreeMap<String, Tally> = BTreeMap::new();
    let mut wrong = String::new();
    for path in golden_files() {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let file: GoldenFile = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(!file.cases.is_empty(), "{path} has no cases");
        for case in &file.cases {
            let tally = areas.entry(case.area.clone()).or_default();
            tally.total += 1;
            match case.run() {
                Ok(()) => tally.passed += 1,
                Err(why) => writeln!(wrong, "{}: {why}", case.id).expect("strings take text"),
            }
        }
    }
    for (area, Tally { passed, total }) in &areas {
        println!("{area}: {passed} of {total}");
    }
    assert!(wrong.is_empty(), "wrong results:\n{wrong}");
}

#[test]
fn each_kind_has_one_row() {
    assert!(KINDS.is_sorted_by(|(a, _), (b, _)| a < b));
}
