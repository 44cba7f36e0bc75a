//! The run's frame: how long, how often, with which network and proxies. Everything has a default.

use std::num::NonZeroU32;

use super::defaults;
use super::mesh_wide::MeshWide;
use super::retries;
use super::versions::{Change, Version};
use crate::config::diagnostic::Diagnostic;
use crate::config::read::Located;
use crate::config::scenario::Scenario;
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;
use crate::mesh::model::{NetworkSpec, ProxySpec, RunSpec};

/// `replications` is what the command takes where the scenario is silent. Source: design D9.18, D9.22, D9.24.
pub fn run(scenario: &Scenario, replications: NonZeroU32, findings: &mut Vec<Diagnostic>) -> RunSpec {
    let duration = or(&scenario.duration, defaults::DURATION);
    let warmup = or(&scenario.warmup, (duration / 10).min(defaults::WARMUP_MAX));
    if let Some(written) = scenario.warmup.as_ref().filter(|_| warmup >= duration) {
        let message = format!("the warm-up leaves nothing of the run, which lasts {duration}");
        findings.push(
            Diagnostic::error("MS0011", message).at(written.span).help("make it shorter than `duration`"),
        );
    }
    let window = or(&scenario.window, window(duration));
    if let Some(written) =
        scenario.window.as_ref().filter(|_| duration.nanos() / window.nanos().max(1) > 100_000)
    {
        let message = format!("windows of {window} make more than 100000 points");
        findings.push(Diagnostic::error("MS0011", message).at(written.span).help("make them longer"));
    }
    RunSpec {
        duration,
        warmup,
        drain: or(&scenario.drain, defaults::DRAIN),
        window,
        seed: or(&scenario.seed, defaults::SEED),
        replications: scenario.replications.as_ref().map_or(replications, |written| written.value.0),
    }
}

/// What is to happen when the run is over. Told, as a shorter `--duration` may mean it so.
pub fn too_late(scenario: &Scenario, end: SimDuration, findings: &mut Vec<Diagnostic>) {
    let changes = scenario.timeline.iter().flatten().map(|entry| ("entry", &entry.at));
    let workloads = scenario.workloads.iter().flat_map(|entries| entries.iter());
    let incidents = workloads.flat_map(|(_, workload)| workload.incidents.iter().flatten());
    for (what, at) in changes.chain(incidents.map(|incident| ("incident", &incident.at))) {
        let Some(at) = at.as_ref().filter(|at| at.value >= end) else { continue };
        let message = format!("this {what} comes after the run, which ends at {end}");
        findings.push(Diagnostic::info("MS0011", message).at(at.span).help("give it an earlier `at`"));
    }
}

/// The shortest usual length with few enough windows; beyond an hour, whole hours.
pub fn window(duration: SimDuration) -> SimDuration {
    let fits = |seconds: &u64| duration.nanos().div_ceil(seconds * 1_000_000_000) <= defaults::WINDOWS_MAX;
    let hours = duration.nanos().div_ceil(defaults::WINDOWS_MAX * 3_600_000_000_000);
    SimDuration::from_secs(defaults::WINDOW_SECONDS.iter().copied().find(fits).unwrap_or(hours * 3_600))
}

pub fn network(scenario: &Scenario) -> NetworkSpec {
    let network = scenario.network.clone().unwrap_or_default();
    NetworkSpec {
        latency: or_else(&network.latency, defaults::network_latency),
        between_zones: or_else(&network.between_zones, defaults::between_zones),
        between_regions: or_else(&network.between_regions, defaults::between_regions),
    }
}

/// `mesh`: as the first state of the configuration has it. Simplified: later ones change nothing in it.
pub fn proxy(scenario: &Scenario, version: Version, mesh: MeshWide<'_>) -> ProxySpec {
    let proxy = scenario.proxy.clone().unwrap_or_default();
    let inbound = |is_grpc| retries::inbound(mesh.inbound_retries(), is_grpc, version);
    ProxySpec {
        workers: proxy.workers.map_or(defaults::WORKERS, |written| written.value.0),
        latency: or_else(&proxy.latency, defaults::proxy_latency),
        ztunnel_latency: or_else(&proxy.ztunnel_latency, defaults::ztunnel_latency),
        age: or_else(&proxy.age, defaults::proxy_age),
        inbound_retry: inbound(false),
        inbound_grpc_retry: inbound(true),
        marks_copies: !version.has(Change::CopiesKeepAuthority),
    }
}

pub fn propagation(scenario: &Scenario) -> Distribution {
    let written = scenario.control_plane.as_ref().and_then(|control| control.propagation.as_ref());
    written.map_or_else(defaults::propagation, |written| written.value.clone())
}

/// What the scenario asks for and a plain run leaves out.
pub fn not_simulated(scenario: &Scenario, findings: &mut Vec<Diagnostic>) {
    if let Some(rollout) = &scenario.rollout {
        let message = "`rollout` is not simulated by `run`: the configuration stays as it is";
        findings
            .push(Diagnostic::info("MS4001", message).at(rollout.span).help("`meshcast rollout` walks it"));
    }
}

fn or<T: Copy>(written: &Option<Located<T>>, default: T) -> T {
    written.as_ref().map_or(default, |written| written.value)
}

fn or_else(written: &Option<Located<Distribution>>, default: fn() -> Distribution) -> Distribution {
    written.as_ref().map_or_else(default, |written| written.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_the_shortest_that_keep_a_series_short() {
        let seconds = |duration: u64| window(SimDuration::from_secs(duration)).nanos() / 1_000_000_000;
        assert_eq!(seconds(600), 1);
        assert_eq!(seconds(601), 2);
        assert_eq!(seconds(3_600), 10);
        assert_eq!(seconds(86_400), 300);
        assert_eq!(seconds(600 * 3_600 + 1), 7_200);
    }

    #[test]
    fn an_empty_scenario_has_the_defaults() {
        let four = NonZeroU32::new(4).unwrap();
        let run = run(&Scenario::default(), four, &mut Vec::new());
        assert_eq!((run.duration, run.warmup), (SimDuration::from_secs(600), SimDuration::from_secs(30)));
        assert_eq!((run.seed, run.replications), (42, four));
        assert_eq!(
            proxy(&Scenario::default(), defaults::ISTIO_VERSION, MeshWide::default()).workers.get(),
            2
        );
    }
}
