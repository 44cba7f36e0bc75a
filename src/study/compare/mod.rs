//! Two or more configurations under the same traffic and the same luck: what became of each request, which figures
//! changed and how surely, and the stories of some that one served and the other failed.

mod account;
mod condition;
mod family;
mod figures;
mod join;
mod lockstep;
mod pairs;
mod stories;
mod verdict;

pub use account::{Measure, Scope, Subject};
pub use condition::Condition;
pub use family::{Gate, Overall, Passage, aims, beyond_noise};
pub use figures::Compared;
pub use join::{End, Flip, Flips};
pub use pairs::{Pairs, Tally};
pub use stories::Told;
pub use verdict::{Sense, Verdict};

use crate::mesh::model::Figure;
use crate::mesh::workload::Client;
use crate::mesh::{Fingerprint, Mesh};
use crate::metrics::statistics::{self, Estimate};
use crate::metrics::{Clock, paired};
use crate::sim::Plan;
use crate::study::crew::Crew;
use crate::study::objectives::{self, Judged};
use crate::study::precision::{self, Growing, Reached};
use crate::study::replication::Watch;
use account::Account;
use condition::Conditions;
use lockstep::{Lockstep, Replication};

/// Figures of a client that are looked at where there are no objectives.
const MAIN: [Measure; 2] = [Measure::Of(Figure::Latency(0.99)), Measure::Of(Figure::SuccessPct)];

fn main_name(measure: Measure) -> &'static str {
    if measure == MAIN[0] { "p(99)" } else { "success" }
}

/// What a comparison says.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub clock: Clock,
    /// Done by all.
    pub replications: usize,
    /// Of the base.
    pub objectives: Vec<Judged>,
    /// Of the base.
    pub condition: Condition,
    pub candidates: Vec<Candidate>,
}

/// One candidate against the base.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Nothing that a run depends on differs, so none was made.
    pub is_equal: bool,
    pub objectives: Vec<Judged>,
    pub condition: Condition,
    pub figures: Vec<Compared>,
    /// Of all clients, and then of each.
    pub pairs: Vec<ClientPairs>,
    pub flips: Flips,
    /// Of the flips, in their order: lost ones first.
    pub told: Vec<Told>,
}

impl Candidate {
    /// What it comes to, beside a base with these objectives.
    pub fn overall(&self, base: &[Judged]) -> Overall {
        Overall::of(&self.figures, base, &self.objectives)
    }

    /// Whether it passes where no figure may be worse by more than this part.
    pub fn gate(&self, threshold: f64) -> Gate<'_> {
        Gate::of(&self.figures, threshold)
    }
}

/// All pairs of one client, or of all.
#[derive(Clone, Debug)]
pub struct ClientPairs {
    /// `None`: all clients.
    pub client: Option<String>,
    pub tally: Tally,
    pub stayed: NetChange,
    pub moved: NetChange,
    pub all: NetChange,
}

/// What a group of pairs comes to, with intervals from the replications: requests of one queue are not independent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetChange {
    /// Points of success.
    pub success_pct: Estimate,
    /// Mean difference of those that both served.
    pub latency_ms: Estimate,
}

/// One group of one replication: gained, lost, pairs, nanoseconds more, pairs that both served.
type NetRow = (u64, u64, u64, i128, u64);

/// All replications of one client's pairs.
#[derive(Clone, Default)]
struct PairSeries {
    tally: Tally,
    /// Stayed, moved, and both.
    each: [Vec<NetRow>; 3],
}

impl PairSeries {
    fn add(&mut self, tally: &Tally) {
        self.tally.merge(tally);
        for (rows, pairs) in self.each.iter_mut().zip([&tally.stayed, &tally.moved, &tally.all()]) {
            rows.push((pairs.gained, pairs.lost, pairs.count(), pairs.change(), pairs.served));
        }
    }

    fn told(self, client: Option<String>) -> ClientPairs {
        let [stayed, moved, all] = self.each.map(|rows| net_change(&rows));
        ClientPairs { client, tally: self.tally, stayed, moved, all }
    }
}

fn net_change(rows: &[NetRow]) -> NetChange {
    let net = |row: &NetRow| (100.0 * (row.0 as f64 - row.1 as f64), row.2 as f64);
    let success = statistics::ratio(&rows.iter().map(net).collect::<Vec<_>>());
    let sum = |of: fn(&NetRow) -> u64| rows.iter().map(of).sum::<u64>() as f64;
    let least = 100.0 * paired::score_half_width(sum(|row| row.0), sum(|row| row.1), sum(|row| row.2));
    let took: Vec<(f64, f64)> = rows.iter().map(|row| (row.3 as f64 / 1e6, row.4 as f64)).collect();
    NetChange {
        success_pct: Estimate { ci95: success.ci95.map(|spread| spread.max(least)), ..success },
        latency_ms: statistics::ratio(&took),
    }
}

/// One candidate so far.
struct Progress {
    account: Account,
    conditions: Conditions,
    /// Of all clients, and then of each.
    pairs: Vec<PairSeries>,
    flips: Flips,
}

impl Progress {
    fn new(clock: Clock, clients: usize) -> Progress {
        let pairs = vec![PairSeries::default(); clients + 1];
        let (account, conditions) = (Account::new(clock), Conditions::default());
        Progress { account, conditions, pairs, flips: Flips::default() }
    }

    fn add_pairs(&mut self, tallies: &[Tally]) {
        let mut all = Tally::default();
        tallies.iter().for_each(|tally| all.merge(tally));
        for (series, tally) in self.pairs.iter_mut().zip(std::iter::once(&all).chain(tallies)) {
            series.add(tally);
        }
    }
}

/// How many replications a comparison makes.
#[derive(Clone, Copy)]
pub enum Replications<'a> {
    /// As many as the base says.
    Given,
    /// Until the change of each objective is known within this share of the base's figure, or without objectives that of the
    /// p99 and success of each client.
    Precise { share: f64, planned: &'a dyn Fn(u32) },
}

/// Runs all meshes, the base first, and tells of each other one how it differs from the base. They share seed, clock,
/// replications and clients. What is equal is run once. With a study that is stopped, of as many replications as were
/// done by then, counted from the first. Beside it, how precise it is, if that was asked for and found out.
pub fn compare(
    crew: &Crew,
    meshes: &[Mesh],
    replications: Replications<'_>,
    watch: Watch<'_>,
) -> (Comparison, Option<Reached>) {
    let distinct = Distinct::of(meshes);
    let plans: Vec<Plan<'_>> = distinct.meshes.iter().map(|mesh| Plan::compile(mesh)).collect();
    let lockstep = Lockstep { meshes: distinct.meshes.clone(), plans: &plans };
    let clock = clock(&meshes[0]);
    let progress = lockstep.meshes.iter().map(|_| Progress::new(clock, meshes[0].clients.len())).collect();
    let mut study =
        Study { crew, base: &meshes[0], lockstep: &lockstep, places: &distinct.places, watch, progress };
    let reached = match replications {
        Replications::Given => {
            study.grow(0, meshes[0].run.replications.get());
            None
        }
        Replications::Precise { share, planned } => precision::until_tight(&mut study, share, planned),
    };
    let mut candidates = study.candidates();
    // Also where the study was stopped: what is done is as whole as if no more had been asked for.
    stories::tell(crew, &lockstep, &distinct.places[1..], &mut candidates);
    let Progress { account: base, conditions, .. } = &study.progress[0];
    let (objectives, condition) = (judge(&meshes[0], base), conditions.told(&meshes[0]));
    (Comparison { clock, replications: base.replications, objectives, condition, candidates }, reached)
}

/// A comparison so far.
struct Study<'a> {
    crew: &'a Crew,
    base: &'a Mesh,
    lockstep: &'a Lockstep<'a>,
    /// Of each configuration, the mesh that stands for it.
    places: &'a [usize],
    watch: Watch<'a>,
    /// Of each mesh.
    progress: Vec<Progress>,
}

impl Study<'_> {
    fn candidates(&self) -> Vec<Candidate> {
        let one = |place: &usize| {
            let (base, own) = (&self.progress[0], &self.progress[*place]);
            candidate([self.base, self.lockstep.meshes[*place]], base, own, *place == 0)
        };
        self.places[1..].iter().map(one).collect()
    }
}

impl Growing for Study<'_> {
    fn grow(&mut self, first: u32, count: u32) -> bool {
        let Study { crew, lockstep, watch, progress, .. } = self;
        let mut is_whole = true;
        let run_one = |number| lockstep.replication(first + number, *watch);
        crew.fold(count, run_one, |done: Option<Replication>| {
            is_whole &= done.is_some();
            if let Some(done) = done.filter(|_| is_whole) {
                add(progress, lockstep, done);
            }
        });
        is_whole
    }

    /// Changes beside what they are changes of.
    fn figures(&self) -> Vec<(String, Estimate)> {
        let has_objectives = !self.base.objectives.is_empty();
        let is_looked_at = |row: &&Compared| match row.subject.scope {
            Scope::Objective => true,
            Scope::Client => !has_objectives && MAIN.contains(&row.measure),
            Scope::All | Scope::Cluster => false,
        };
        let told = |row: &Compared| {
            let name = match row.subject.scope {
                Scope::Objective => row.subject.target.clone(),
                _ => format!("client.{} {}", row.subject.target, main_name(row.measure)),
            };
            (name, Estimate { value: row.reference.value, ci95: row.change.ci95 })
        };
        let candidates = self.candidates();
        candidates.iter().flat_map(|own| own.figures.iter().filter(is_looked_at).map(told)).collect()
    }
}

/// Meshes that differ in what they do, and which of them stands for each that was given.
struct Distinct<'m> {
    meshes: Vec<&'m Mesh>,
    places: Vec<usize>,
}

impl<'m> Distinct<'m> {
    fn of(all: &'m [Mesh]) -> Distinct<'m> {
        let prints: Vec<Fingerprint> = all.iter().map(Fingerprint::of).collect();
        let (mut meshes, mut known, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (mesh, print) in all.iter().zip(prints) {
            let place = known.iter().position(|other| *other == print).unwrap_or_else(|| {
                known.push(print);
                meshes.push(mesh);
                known.len() - 1
            });
            places.push(place);
        }
        Distinct { meshes, places }
    }
}

fn clock(mesh: &Mesh) -> Clock {
    let at = |length| crate::kernel::SimTime::ZERO + length;
    Clock { warmup: at(mesh.run.warmup), duration: at(mesh.run.duration), window: mesh.run.window }
}

fn add(progress: &mut [Progress], lockstep: &Lockstep<'_>, done: Replication) {
    let parts: Vec<_> = lockstep
        .meshes
        .iter()
        .zip(&done.results)
        .map(|(mesh, results)| account::parts(mesh, results))
        .collect();
    for ((one, own), results) in progress.iter_mut().zip(&parts).zip(&done.results) {
        one.account.add(own, &parts[0]);
        one.conditions.add(results);
    }
    // The base against itself, for candidates that are equal to it.
    progress[0].add_pairs(&against_itself(lockstep.meshes[0], &done.results[0]));
    for (one, paired) in progress[1..].iter_mut().zip(done.pairs) {
        one.add_pairs(&paired.tallies);
        one.flips.follow(paired.flips);
    }
}

/// What a configuration's requests become under the same configuration.
fn against_itself(mesh: &Mesh, results: &crate::metrics::Results) -> Vec<Tally> {
    let of = |client: &Client| {
        let mut tally = Tally::default();
        for (_, row) in results.requests.iter().filter(|(key, _)| key.client == client.name) {
            tally.stayed.served += row.finished.ok.count();
            tally.stayed.equal += row.finished.ok.count();
            tally.stayed.failed += row.finished.failed.count();
        }
        tally
    };
    mesh.clients.rows().iter().map(of).collect()
}

fn candidate(meshes: [&Mesh; 2], base: &Progress, own: &Progress, is_equal: bool) -> Candidate {
    let names = || meshes[0].clients.rows().iter().map(|client| client.name.as_str());
    let flipped = |client: Option<&str>| {
        let place = client.and_then(|name| names().position(|other| other == name)).map_or(0, |row| row + 1);
        let Tally { stayed, moved, .. } = &own.pairs[place].tally;
        let sum = |of: fn(&Pairs) -> u64| (of(stayed) + of(moved)) as f64;
        (sum(|pairs| pairs.gained), sum(|pairs| pairs.lost), sum(Pairs::count))
    };
    let whose = std::iter::once(None).chain(names().map(|name| Some(name.to_owned())));
    Candidate {
        is_equal,
        objectives: judge(meshes[1], &own.account),
        condition: own.conditions.told(meshes[1]),
        figures: figures::compared(meshes, &base.account, &own.account, flipped),
        pairs: own.pairs.iter().zip(whose).map(|(series, client)| series.clone().told(client)).collect(),
        flips: own.flips.clone(),
        told: Vec::new(),
    }
}

/// The objectives of a configuration, by the same figures as `run` has.
fn judge(mesh: &Mesh, account: &Account) -> Vec<Judged> {
    let of = |(place, objective): (usize, &crate::mesh::model::Objective)| {
        let is_own = |subject: &&Subject| subject.scope == Scope::Objective && subject.place == place;
        let series = account.series.iter().find(|(subject, _)| is_own(subject));
        let measure = Measure::Of(objective.figure);
        let observed = series.map_or(Estimate::NONE, |(_, series)| account.estimate(series, measure));
        objectives::judged(objective, observed)
    };
    mesh.objectives.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn net_changes_are_of_pairs_and_never_surer_than_their_flips() {
        let millis = 1_000_000;
        let net = net_change(&[(3, 1, 100, 60 * millis, 30), (4, 2, 100, 20 * millis, 10)]);
        assert_eq!((net.success_pct.value, net.latency_ms.value), (Some(2.0), Some(2.0)));
        let least = 100.0 * paired::score_half_width(7.0, 3.0, 200.0);
        assert_eq!(net.success_pct.ci95, Some(least), "both replications gained as much");
        let spread = net_change(&[(30, 0, 100, 0, 70), (0, 10, 100, 0, 90)]).success_pct.ci95.expect("two");
        assert!((spread - 254.124_094_74).abs() < 1e-6, "t s / sqrt(2) of 30 and -10: {spread}");
        assert_eq!(net_change(&[(0, 0, 0, 0, 0)]), NetChange::default());
    }
}
