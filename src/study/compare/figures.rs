//! Figures of two configurations side by side: what changed, how surely, and whether that is good. The intervals come from
//! paired replications: docs/studies.md, "compare".

use super::account::{Account, Measure, Scope, Series, Subject};
use super::verdict::{Sense, Verdict};
use crate::kernel::arrivals::Load;
use crate::mesh::Mesh;
use crate::mesh::model::Figure;
use crate::mesh::workload::Client;
use crate::metrics::Estimate;
use crate::metrics::paired;
use crate::metrics::statistics;

/// One figure under both.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub subject: Subject,
    pub measure: Measure,
    pub sense: Sense,
    pub reference: Estimate,
    pub value: Estimate,
    /// Value less reference, in their unit.
    pub change: Estimate,
    /// How often chance alone changes it by as much; `None` without an interval, and where nothing can differ.
    pub p_value: Option<f64>,
    /// By its own interval, whatever the others do.
    pub verdict: Verdict,
}

impl Compared {
    /// The change as a part of the reference.
    pub fn relative(&self) -> Option<f64> {
        let (change, reference) = (self.change.value?, self.reference.value?);
        (reference != 0.0).then(|| change / reference)
    }

    /// By which part it is worse: for success, by which part the failures have grown, as 99.9 to 98.9 % are eleven times as
    /// many. Infinite where there was nothing before.
    pub fn growth(&self) -> f64 {
        let (Some(before), Some(after)) = (self.reference.value, self.value.value) else { return 0.0 };
        let is_success = self.measure == Measure::Of(Figure::SuccessPct);
        let (before, after) = if is_success { (100.0 - before, 100.0 - after) } else { (before, after) };
        let less_is_better = (self.sense != Sense::MoreIsBetter) != is_success;
        let worse = if less_is_better { after - before } else { before - after };
        if worse <= 0.0 { 0.0 } else { worse / before.max(0.0) }
    }
}

const CLIENTS: [Measure; 5] = [
    Measure::Of(Figure::SuccessPct),
    Measure::Of(Figure::Latency(0.5)),
    Measure::Of(Figure::Latency(0.9)),
    Measure::Of(Figure::Latency(0.99)),
    Measure::Of(Figure::LatencyMean),
];
const CLUSTERS: [Measure; 6] = [
    Measure::Of(Figure::SuccessPct),
    Measure::Of(Figure::Latency(0.99)),
    Measure::RetriesPerCall,
    Measure::Of(Figure::Overflow),
    Measure::Of(Figure::Ejections),
    Measure::Of(Figure::Rps),
];

/// A client's requests per second. In a closed loop more of them are served the sooner they are, so that served ones are
/// a quality; what an open loop asks for is none, and a connection that has to be made again is no gain.
fn rate(client: Option<&str>, meshes: [&Mesh; 2]) -> Measure {
    let waits = |client: &Client| {
        matches!(client.load, Load::Closed { .. })
            && client.classes.iter().all(|class| class.connect.is_none())
    };
    let clients = meshes.iter().flat_map(|mesh| mesh.clients.rows());
    let mut own = clients.filter(|row| client.is_none_or(|name| row.name == name));
    if own.all(waits) { Measure::ServedRps } else { Measure::Of(Figure::Rps) }
}

/// All figures of what both have; `meshes` are those of the base and the candidate. `flipped` tells of a client, or of all (`None`), how many pairs gained, lost, and are
/// there at all.
pub fn compared(
    meshes: [&Mesh; 2],
    base: &Account,
    candidate: &Account,
    flipped: impl Fn(Option<&str>) -> (f64, f64, f64),
) -> Vec<Compared> {
    let mut all = Vec::new();
    for (subject, before) in &base.series {
        let Some(after) = candidate.series.get(subject) else { continue };
        let of_client = |client| [&CLIENTS[..], &[rate(client, meshes)]].concat();
        let measures = match subject.scope {
            Scope::Objective => vec![Measure::Of(meshes[1].objectives[subject.place].figure)],
            Scope::All => of_client(None),
            Scope::Client => of_client(Some(&subject.target)),
            Scope::Cluster if before.is_empty() && after.is_empty() => Vec::new(),
            Scope::Cluster => CLUSTERS.to_vec(),
        };
        for measure in measures.iter().filter(|measure| is_worth_a_row(**measure, before, after, subject)) {
            let flips = match subject.scope {
                Scope::All => flipped(None),
                Scope::Client => flipped(Some(&subject.target)),
                Scope::Objective | Scope::Cluster => paired::fewest_flips(&before.shares(), &after.shares()),
            };
            let (reference, value) = (base.estimate(before, *measure), candidate.estimate(after, *measure));
            let change = change(*measure, base, before, after, flips);
            let sense = Sense::of(*measure, subject, meshes[1]);
            let verdict = Verdict::of(sense, change, is_same(*measure, before, after, base));
            let freedom = base.replications.saturating_sub(1).max(1);
            let p_value = statistics::p_value(change, freedom).filter(|_| verdict != Verdict::Same);
            let (subject, measure) = (subject.clone(), *measure);
            all.push(Compared { subject, measure, sense, reference, value, change, p_value, verdict });
        }
    }
    all
}

/// Clusters without retries, refusals or ejections on either side need no rows that say so.
fn is_worth_a_row(measure: Measure, before: &Series, after: &Series, subject: &Subject) -> bool {
    subject.scope != Scope::Cluster || before.has(measure) || after.has(measure)
}

fn is_same(measure: Measure, before: &Series, after: &Series, base: &Account) -> bool {
    match measure {
        Measure::Of(Figure::Retries | Figure::Ejections | Figure::Overflow | Figure::Rps)
        | Measure::ServedRps => before.numbers(measure, &base.clock) == after.numbers(measure, &base.clock),
        Measure::RetriesPerCall => before.ratios(measure) == after.ratios(measure),
        Measure::Of(_) => after.is_same,
    }
}

fn change(
    measure: Measure,
    base: &Account,
    before: &Series,
    after: &Series,
    flips: (f64, f64, f64),
) -> Estimate {
    if before.is_empty()
        && after.is_empty()
        && !matches!(measure, Measure::Of(Figure::Rps) | Measure::ServedRps)
    {
        return Estimate::NONE;
    }
    if is_same(measure, before, after, base) {
        return Estimate { value: Some(0.0), ci95: Some(0.0) };
    }
    match measure {
        Measure::Of(Figure::SuccessPct) => paired::share_change(&before.shares(), &after.shares(), flips),
        Measure::Of(Figure::Latency(q)) => paired::quantile_change(q, before.samples(), after.samples()),
        Measure::Of(Figure::LatencyMax) => paired::quantile_change(1.0, before.samples(), after.samples()),
        _ => match (before.ratios(measure), after.ratios(measure)) {
            (Some(before), Some(after)) => paired::ratio_change(&before, &after),
            _ => {
                let clock = &base.clock;
                paired::mean_change(&before.numbers(measure, clock), &after.numbers(measure, clock))
            }
        },
    }
}
