//! What the walk finds, as plain data.

use std::collections::BTreeSet;

use crate::kernel::arrivals::Load;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::routing::Rule;

/// Calls per request below which two states count as equal.
const TOLERANCE: f64 = 1e-6;

/// All that can be told before a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traffic {
    /// In the first state of the configuration.
    pub clients: Vec<ClientTraffic>,
    pub limits: Vec<Limit>,
    pub detectors: Vec<Detector>,
    /// What each later state changes, those left out that change nothing.
    pub changes: Vec<Change>,
    /// Workloads that serve requests and run on guesses, with the keys that the scenario leaves out.
    pub guessed: Vec<(String, Vec<&'static str>)>,
    /// Workloads that no request reaches in any state.
    pub unreached: Vec<String>,
}

/// The calls that one client causes.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientTraffic {
    pub name: String,
    pub load: Load,
    pub door: Door,
    pub proxies: usize,
    /// Long-lived ones that carry its requests, where it has few.
    pub connections: Option<u32>,
    /// The population is too large to look at each user, so that shares are those of some.
    pub is_approximate: bool,
    /// From the client inwards.
    pub hops: Vec<Hop>,
    /// It opens connections instead of making requests.
    pub connects: bool,
}

/// Where a client's requests enter.
#[derive(Clone, Debug, PartialEq)]
pub enum Door {
    Gateway(String),
    /// In the pods of this workload.
    Workload(String),
    Sidecar,
}

/// What one caller's proxies do with the calls to one host that take one route.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The client or the calling workload.
    pub caller: String,
    /// The waypoint that decides for the caller, if one does.
    pub waypoint: Option<String>,
    /// As the caller writes it.
    pub host: String,
    pub port: u16,
    /// Classes of the client's requests that these calls come from.
    pub classes: BTreeSet<String>,
    /// Calls per request of the client.
    pub calls: f64,
    /// `None`: no rule of any object, so the service's default route.
    pub rule: Option<Rule>,
    pub answer: Answer,
    /// Share of the calls that an injected fault answers.
    pub aborted: f64,
    pub mirrors: Vec<Split>,
    /// Connections of opaque bytes instead of calls.
    pub connects: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// 404 NR.
    NoRoute,
    /// The proxy itself, with this code.
    Respond(u16),
    Forward(Vec<Split>),
}

/// One destination of a hop.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    pub service: String,
    pub port: u16,
    /// Empty: the whole service.
    pub subset: String,
    /// Of the hop's calls, in [0, 1].
    pub share: f64,
    /// `None`: the cluster does not exist (503 NC).
    pub hosts: Option<usize>,
}

/// A limit of a cluster that was set, once for each caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub service: String,
    pub subset: String,
    /// As DestinationRule names it.
    pub field: &'static str,
    /// Per proxy.
    pub each: u32,
    /// Who keeps it: the caller, or the workload that is called.
    pub caller: String,
    /// Its proxies, each with the limit for itself.
    pub proxies: usize,
    /// Kept by the called pods' own sidecars, for all callers together. Source: semantics S1.2.
    pub is_inbound: bool,
}

/// Outlier detection: each proxy counts and ejects for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    pub service: String,
    pub subset: String,
    /// Errors in a row at one proxy.
    pub consecutive: u32,
    pub max_ejection_percent: u32,
    pub hosts: usize,
    pub caller: String,
    pub proxies: usize,
}

/// What another state of the configuration does differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub at: SimTime,
    pub label: String,
    pub questions: Vec<ChangedQuestion>,
    /// Limits that were not there before.
    pub limits: Vec<Limit>,
    /// Numbers of pods that are others from then on.
    pub scalings: Vec<ScaledWorkload>,
}

/// A workload of which the timeline wants another number of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaledWorkload {
    pub workload: String,
    pub before: u32,
    pub after: u32,
    /// From a new pod's start until it serves.
    pub startup: SimDuration,
    /// So long one that is told to go takes requests.
    pub shutdown: SimDuration,
}

/// The calls of one caller to one host that go elsewhere than before, or in another number.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedQuestion {
    pub client: String,
    pub caller: String,
    pub host: String,
    pub port: u16,
    /// All hops of these calls; none where there are no calls.
    pub before: Vec<Hop>,
    pub after: Vec<Hop>,
}

/// One state's share of [`Traffic`].
#[derive(Clone, Debug, Default)]
pub struct StateTraffic {
    pub clients: Vec<ClientTraffic>,
    pub limits: Vec<Limit>,
    pub detectors: Vec<Detector>,
}

impl Answer {
    fn is_like(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::Forward(left), Answer::Forward(right)) => are_alike(left, right),
            (left, right) => left == right,
        }
    }
}

/// Whether the same destinations have the same shares. How many hosts serve those is told with the pods, but not that
/// there is none.
fn are_alike(left: &[Split], right: &[Split]) -> bool {
    let alike = |(left, right): (&Split, &Split)| {
        let known = Split { hosts: right.hosts, ..left.clone() };
        known == *right && left.hosts.map(|hosts| hosts > 0) == right.hosts.map(|hosts| hosts > 0)
    };
    left.len() == right.len() && left.iter().zip(right).all(alike)
}

impl Hop {
    /// Whether calls go the same way in the same number. Where the rule is written does not matter.
    pub fn is_like(&self, other: &Hop) -> bool {
        (self.calls - other.calls).abs() < TOLERANCE
            && (self.aborted - other.aborted).abs() < TOLERANCE
            && self.answer.is_like(&other.answer)
            && are_alike(&self.mirrors, &other.mirrors)
    }

    pub fn question(&self) -> (&str, &str, u16) {
        (&self.caller, &self.host, self.port)
    }
}
