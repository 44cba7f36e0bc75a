//! Golden kinds of priorities and weighted localities. Source: semantics S6.1 to S6.3, S9.6.

use meshcast::kernel::random::{Draw, Purpose};
use meshcast::policy::balance::locality::{Localities, LocalityHosts};
use meshcast::policy::balance::priority::{
    Availability, Loads, OVERPROVISIONING, PreviousPriorities, PriorityHosts,
};
use serde::Deserialize;

use super::balancing::{self, Cluster, Counts};

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hosts {
    hosts: u32,
    healthy: u32,
    #[serde(default)]
    degraded: u32,
    #[serde(default)]
    excluded: u32,
}

fn meant(priorities: &[Hosts]) -> Vec<PriorityHosts> {
    let hosts = |priority: &Hosts| {
        let Hosts { hosts, healthy, degraded, excluded } = *priority;
        PriorityHosts { hosts, healthy, degraded, excluded }
    };
    priorities.iter().map(hosts).collect()
}

fn overprovisioning() -> u32 {
    OVERPROVISIONING
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorityLoad {
    priorities: Vec<Hosts>,
    panic_threshold: u32,
    #[serde(default = "overprovisioning")]
    overprovisioning: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLoads {
    healthy_load: Vec<u32>,
    degraded_load: Vec<u32>,
    panic: Vec<bool>,
}

pub fn priority_load(input: PriorityLoad) -> Result<ExpectedLoads, String> {
    let loads = Loads::new(&meant(&input.priorities), input.panic_threshold, input.overprovisioning);
    Ok(ExpectedLoads { healthy_load: loads.healthy, degraded_load: loads.degraded, panic: loads.panic })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorityChoice {
    healthy_load: Vec<u32>,
    degraded_load: Vec<u32>,
    draw: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    choice: Option<(usize, String)>,
}

pub fn priority_choose(input: PriorityChoice) -> Result<Choice, String> {
    let loads = Loads { healthy: input.healthy_load, degraded: input.degraded_load, panic: Vec::new() };
    let name = |kind| match kind {
        Availability::Healthy => "healthy".to_owned(),
        Availability::Degraded => "degraded".to_owned(),
    };
    Ok(Choice { choice: loads.choose(input.draw).map(|(priority, kind)| (priority, name(kind))) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    original_healthy_load: Vec<u32>,
    original_degraded_load: Vec<u32>,
    priorities: Vec<Hosts>,
    update_frequency: u32,
    attempted_priorities: Vec<usize>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AfterAttempts {
    after_each_attempt: Vec<LoadPair>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct LoadPair {
    healthy: Vec<u32>,
    degraded: Vec<u32>,
}

pub fn previous_priorities(input: Previous) -> Result<AfterAttempts, String> {
    let (healthy, degraded) = (input.original_healthy_load, input.original_degraded_load);
    let original = Loads { healthy, degraded, panic: Vec::new() };
    let mut previous = PreviousPriorities::new(input.update_frequency);
    let hosts = meant(&input.priorities);
    let after = input.attempted_priorities.iter().map(|priority| {
        let loads = previous.attempted(*priority, &hosts, &original);
        LoadPair { healthy: loads.healthy, degraded: loads.degraded }
    });
    Ok(AfterAttempts { after_each_attempt: after.collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalityTurns {
    locality_weights: Vec<u32>,
    all_healthy: bool,
    seed: u64,
    picks: usize,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PickedLocalities {
    localities: Vec<u32>,
}

fn all_healthy(weights: &[u32]) -> Vec<LocalityHosts> {
    weights.iter().map(|weight| LocalityHosts { weight: *weight, hosts: 1, healthy: 1 }).collect()
}

pub fn locality_wrr(input: LocalityTurns) -> Result<PickedLocalities, String> {
    if !input.all_healthy {
        return Err("health by locality belongs to `locality_share`".to_owned());
    }
    let mut localities = Localities::new(&all_healthy(&input.locality_weights), OVERPROVISIONING, input.seed);
    Ok(PickedLocalities { localities: (0..input.picks).filter_map(|_| localities.pick()).collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalityFirstPicks {
    locality_weights: Vec<u32>,
    seeds: Vec<u64>,
}

pub fn locality_first_pick_counts(input: LocalityFirstPicks) -> Result<Counts, String> {
    let hosts = all_healthy(&input.locality_weights);
    let first = |seed: &u64| Localities::new(&hosts, OVERPROVISIONING, *seed).pick();
    let picks: Vec<u32> = input.seeds.iter().filter_map(first).collect();
    Ok(Counts { counts: balancing::counts(&picks, hosts.len()) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalityShare {
    locality_weights: Vec<u32>,
    hosts: Vec<u32>,
    healthy: Vec<u32>,
    #[serde(default = "overprovisioning")]
    overprovisioning: u32,
    #[serde(default)]
    panic_threshold: u32,
}

/// Within one percentage point.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    share_percent: Vec<f64>,
}

impl PartialEq for Share {
    fn eq(&self, other: &Share) -> bool {
        let pairs = || self.share_percent.iter().zip(&other.share_percent);
        self.share_percent.len() == other.share_percent.len() && pairs().all(|(a, b)| (a - b).abs() <= 1.0)
    }
}

const PICKS: usize = 20_000;

pub fn locality_share(input: LocalityShare) -> Result<Share, String> {
    let (hosts, healthy) = (input.hosts.iter().sum(), input.healthy.iter().sum());
    let priority = PriorityHosts { hosts, healthy, ..PriorityHosts::default() };
    let loads = Loads::new(&[priority], input.panic_threshold, input.overprovisioning);
    let picks: Vec<u32> = if loads.panic == [true] {
        // In panic all hosts are one source, whatever their locality.
        let cluster = Cluster::new(hosts as usize);
        let mut balancer = balancing::build("RANDOM", 2, None, 0);
        let locality_of = |host: u32| {
            let mut end = 0;
            input.hosts.iter().position(|count| {
                end += count;
                host < end
            })
        };
        let picked = (0..PICKS as u64)
            .filter_map(|n| balancer.pick(&cluster.view(), &mut Draw::at(n, Purpose::HostPick)));
        picked.filter_map(locality_of).map(|locality| locality as u32).collect()
    } else {
        let hosts = input.locality_weights.iter().zip(&input.hosts).zip(&input.healthy);
        let hosts = hosts.map(|((weight, hosts), healthy)| LocalityHosts {
            weight: *weight,
            hosts: *hosts,
            healthy: *healthy,
        });
        let mut localities = Localities::new(&hosts.collect::<Vec<_>>(), input.overprovisioning, 0);
        (0..PICKS).filter_map(|_| localities.pick()).collect()
    };
    let percent = |count: &usize| 100.0 * *count as f64 / picks.len().max(1) as f64;
    let counts = balancing::counts(&picks, input.locality_weights.len());
    Ok(Share { share_percent: counts.iter().map(percent).collect() })
}
