//! Golden kinds of load balancing. Source: semantics S5, S6.7.

use meshcast::kernel::random::Draw;
use meshcast::kernel::{SimDuration, SimTime};
use meshcast::mesh::policy_spec::{BalancerSpec, SlowStartSpec};
use meshcast::policy::balance::edf::Edf;
use meshcast::policy::balance::least_request::effective_weight;
use meshcast::policy::balance::schedule::{SlowStart, newest_addition};
use meshcast::policy::balance::{self, Balancer, HostView};
use serde::Deserialize;

use super::Near;

/// What a balancer sees of a cluster whose hosts are all available.
pub struct Cluster {
    active: Vec<u32>,
    weights: Vec<u32>,
    available: Vec<u32>,
    first_healthy: Vec<SimTime>,
    now: SimTime,
    generation: u32,
}

impl Cluster {
    pub fn new(hosts: usize) -> Cluster {
        Cluster {
            active: vec![0; hosts],
            weights: vec![1; hosts],
            available: (0..hosts as u32).collect(),
            first_healthy: Vec::new(),
            now: SimTime::ZERO,
            generation: 0,
        }
    }

    /// Two hosts, the second of which joined `elapsed_ms` ago.
    fn warming(elapsed_ms: u64) -> Cluster {
        let joined = SimTime::ZERO + SimDuration::from_secs(1_000);
        Cluster {
            first_healthy: vec![SimTime::ZERO, joined],
            now: joined + SimDuration::from_millis(elapsed_ms),
            ..Cluster::new(2)
        }
    }

    pub fn view(&self) -> HostView<'_> {
        HostView {
            active: &self.active,
            weights: &self.weights,
            available: &self.available,
            generation: self.generation,
            source: 0,
            now: self.now,
            first_healthy: &self.first_healthy,
            key: None,
        }
    }

    /// Picks of a balancer that needs the priority's draw alone.
    fn picks(&self, balancer: &mut dyn Balancer, count: usize) -> Vec<u32> {
        (0..count).filter_map(|_| balancer.pick(&self.view(), &mut Draw::given(&[0]))).collect()
    }
}

pub fn build(
    name: &'static str,
    choice_count: u32,
    slow_start: Option<SlowStartSpec>,
    seed: u64,
) -> Box<dyn Balancer> {
    let spec = BalancerSpec { choice_count, slow_start, ..BalancerSpec::plain(name) };
    balance::build(&spec, seed).expect("a balancer of this name")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdfSequence {
    weights: Vec<f64>,
    seed: u64,
    steps: Vec<EdfStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EdfStep {
    set_weights: Option<Vec<f64>>,
    #[serde(default)]
    rebuild: bool,
    picks: usize,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PicksByStep {
    picks: Vec<Vec<u32>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Picks {
    picks: Vec<u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub counts: Vec<usize>,
}

fn hosts(weights: &[f64]) -> Vec<u32> {
    (0..weights.len() as u32).collect()
}

fn edf_picks(edf: &mut Edf, weights: &[f64], count: usize) -> Vec<u32> {
    (0..count).filter_map(|_| edf.pick(|host| weights[host as usize])).collect()
}

pub fn counts(picks: &[u32], hosts: usize) -> Vec<usize> {
    (0..hosts as u32).map(|host| picks.iter().filter(|pick| **pick == host).count()).collect()
}

pub fn edf_sequence(input: EdfSequence) -> Result<PicksByStep, String> {
    let mut weights = input.weights;
    let new = |weights: &[f64]| Edf::new(&hosts(weights), input.seed, |host| weights[host as usize]);
    let mut edf = new(&weights);
    let mut picks = Vec::new();
    for step in input.steps {
        weights = step.set_weights.unwrap_or(weights);
        if step.rebuild {
            edf = new(&weights);
        }
        picks.push(edf_picks(&mut edf, &weights, step.picks));
    }
    Ok(PicksByStep { picks })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdfFirstPicks {
    weights: Vec<f64>,
    seeds: Vec<u64>,
}

pub fn edf_first_pick_counts(input: EdfFirstPicks) -> Result<Counts, String> {
    let weights = &input.weights;
    let first = |seed: &u64| Edf::new(&hosts(weights), *seed, |host| weights[host as usize]).pick(|_| 1.0);
    let picks: Vec<u32> = input.seeds.iter().filter_map(first).collect();
    Ok(Counts { counts: counts(&picks, weights.len()) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdfCounts {
    /// `1..128`: ascending whole weights.
    weights: String,
    seed: u64,
    picks: usize,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CountOfEntry {
    count_of_entry_i: String,
}

pub fn edf_counts(input: EdfCounts) -> Result<CountOfEntry, String> {
    let range = input.weights.split_once("..").ok_or("weights are a range")?;
    let bound = |text: &str| text.parse::<u32>().map_err(|error| error.to_string());
    let weights: Vec<f64> = (bound(range.0)?..=bound(range.1)?).map(f64::from).collect();
    let mut edf = Edf::new(&hosts(&weights), input.seed, |host| weights[host as usize]);
    let picks = edf_picks(&mut edf, &weights, input.picks);
    let counted: Vec<f64> = counts(&picks, weights.len()).iter().map(|count| *count as f64).collect();
    let text = if counted == weights { "i (its weight)".to_owned() } else { format!("{counted:?}") };
    Ok(CountOfEntry { count_of_entry_i: text })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundRobin {
    hosts: usize,
    seed: u64,
    picks: usize,
}

pub fn rr_unweighted(input: RoundRobin) -> Result<Picks, String> {
    let mut balancer = build("ROUND_ROBIN", 2, None, input.seed);
    Ok(Picks { picks: Cluster::new(input.hosts).picks(&mut *balancer, input.picks) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundRobinMembership {
    seed: u64,
    steps: Vec<RoundRobinStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoundRobinStep {
    hosts: usize,
    picks: usize,
}

pub fn rr_unweighted_membership(input: RoundRobinMembership) -> Result<PicksByStep, String> {
    let mut balancer = build("ROUND_ROBIN", 2, None, input.seed);
    let steps = input.steps.iter().zip(0..);
    let picks = steps.map(|(step, generation)| {
        Cluster { generation, ..Cluster::new(step.hosts) }.picks(&mut *balancer, step.picks)
    });
    Ok(PicksByStep { picks: picks.collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeastRequest {
    rq_active: Vec<u32>,
    choice_count: u32,
    candidate_draws: Vec<u64>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PickedHost {
    pub host: Option<u32>,
}

pub fn lr_unweighted(input: LeastRequest) -> Result<PickedHost, String> {
    let mut balancer = build("LEAST_REQUEST", input.choice_count, None, 0);
    let cluster = Cluster { active: input.rq_active.clone(), ..Cluster::new(input.rq_active.len()) };
    let draws: Vec<u64> = std::iter::once(0).chain(input.candidate_draws).collect();
    Ok(PickedHost { host: balancer.pick(&cluster.view(), &mut Draw::given(&draws)) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullScan {
    rq_active: Vec<u32>,
    #[serde(default)]
    tie_draws: Vec<u64>,
}

pub fn lr_full_scan(input: FullScan) -> Result<PickedHost, String> {
    let spec = BalancerSpec { scans_all: true, ..BalancerSpec::plain("LEAST_REQUEST") };
    let mut balancer = balance::build(&spec, 0).expect("a balancer of this name");
    let cluster = Cluster { active: input.rq_active.clone(), ..Cluster::new(input.rq_active.len()) };
    // Ties that the case does not speak of go to the later host, and matter to no result.
    let unspoken = std::iter::repeat_n(0, cluster.active.len());
    let draws: Vec<u64> = std::iter::once(0).chain(input.tie_draws).chain(unspoken).collect();
    Ok(PickedHost { host: balancer.pick(&cluster.view(), &mut Draw::given(&draws)) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeastRequestEdf {
    weights: Vec<f64>,
    active_request_bias: f64,
    seed: u64,
    steps: Vec<LeastRequestStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeastRequestStep {
    rq_active: Option<Vec<u32>>,
    #[serde(default)]
    rebuild: bool,
    picks: usize,
}

pub fn lr_edf_sequence(input: LeastRequestEdf) -> Result<PicksByStep, String> {
    let effective = |active: &[u32]| -> Vec<f64> {
        let pairs = input.weights.iter().zip(active);
        pairs.map(|(weight, active)| effective_weight(*weight, *active, input.active_request_bias)).collect()
    };
    let new = |weights: &[f64]| Edf::new(&hosts(weights), input.seed, |host| weights[host as usize]);
    let mut weights = effective(&vec![0; input.weights.len()]);
    let mut edf = new(&weights);
    let mut picks = Vec::new();
    for step in &input.steps {
        weights = step.rq_active.as_deref().map_or(weights, effective);
        if step.rebuild {
            edf = new(&weights);
        }
        picks.push(edf_picks(&mut edf, &weights, step.picks));
    }
    Ok(PicksByStep { picks })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeastRequestWeight {
    weight: f64,
    rq_active: u32,
    bias: f64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct EffectiveWeight {
    effective_weight: Near,
}

pub fn lr_weight(input: LeastRequestWeight) -> Result<EffectiveWeight, String> {
    Ok(EffectiveWeight {
        effective_weight: Near(effective_weight(input.weight, input.rq_active, input.bias)),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowStartFactor {
    elapsed_ms: u64,
    window_ms: u64,
    aggression: f64,
    min_weight_percent: f64,
}

fn slow_start(window_ms: u64, aggression: Option<f64>, min_weight_percent: Option<f64>) -> SlowStartSpec {
    SlowStartSpec {
        window: SimDuration::from_millis(window_ms),
        aggression: aggression.unwrap_or(1.0),
        min_weight_percent: min_weight_percent.unwrap_or(10.0),
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    factor: Near,
}

pub fn slow_start_factor(input: SlowStartFactor) -> Result<Factor, String> {
    let spec = slow_start(input.window_ms, Some(input.aggression), Some(input.min_weight_percent));
    let slow_start = SlowStart::new(&spec).ok_or("a window of 0 is off")?;
    Ok(Factor { factor: Near(slow_start.factor(SimDuration::from_millis(input.elapsed_ms))) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowStartPicks {
    #[serde(default = "two")]
    hosts: usize,
    /// Prose.
    #[serde(rename = "host0")]
    _host0: Option<String>,
    host1_elapsed_ms: u64,
    window_ms: u64,
    aggression: Option<f64>,
    min_weight_percent: Option<f64>,
    seed: u64,
    /// Always so here: each case starts with a new balancer.
    #[serde(rename = "rebuild_at_this_time")]
    _rebuild: Option<bool>,
    #[serde(default)]
    rq_active_at_build: Vec<u32>,
    #[serde(default)]
    rq_active_at_picks: Vec<u32>,
    picks: usize,
}

fn two() -> usize {
    2
}

pub fn slow_start_rr(input: SlowStartPicks) -> Result<Picks, String> {
    slow_start_picks("ROUND_ROBIN", input)
}

pub fn slow_start_lr(input: SlowStartPicks) -> Result<Picks, String> {
    slow_start_picks("LEAST_REQUEST", input)
}

fn slow_start_picks(name: &'static str, input: SlowStartPicks) -> Result<Picks, String> {
    if input.hosts != 2 {
        return Err("slow start cases have two hosts".to_owned());
    }
    let spec = slow_start(input.window_ms, input.aggression, input.min_weight_percent);
    let mut balancer = build(name, 2, Some(spec), input.seed);
    let mut cluster = Cluster::warming(input.host1_elapsed_ms);
    if !input.rq_active_at_build.is_empty() {
        cluster.active = input.rq_active_at_build;
    }
    balancer.refresh(&cluster.view());
    if !input.rq_active_at_picks.is_empty() {
        cluster.active = input.rq_active_at_picks;
    }
    Ok(Picks { picks: cluster.picks(&mut *balancer, input.picks) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowStartTracking {
    events: Vec<Addition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addition {
    at_ms: u64,
    #[serde(rename = "add")]
    _host: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Latest {
    latest_host_added_ms: Vec<u64>,
}

pub fn slow_start_tracking(input: SlowStartTracking) -> Result<Latest, String> {
    let mut first_healthy = Vec::new();
    let latest = input.events.iter().map(|event| {
        first_healthy.push(SimTime::ZERO + SimDuration::from_millis(event.at_ms));
        newest_addition(&first_healthy).nanos() / 1_000_000
    });
    Ok(Latest { latest_host_added_ms: latest.collect() })
}
