//! Figures of two configurations side by side: what changed, how surely, and whether that is good. The intervals come from
//! paired replications: docs/studies.md, "compare".

use super::account::{Account, Measure, Scope, Series, Subject};
use crate::mesh::Mesh;
use crate::mesh::model::Figure;
use crate::metrics::Estimate;
use crate::metrics::paired;

/// What a change of a figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Better,
    Worse,
    /// The interval of the change holds zero.
    WithinNoise,
    /// Nothing that the figure is made of differs, in no replication.
    Same,
    /// One replication, too few samples, or no data on a side.
    Unknown,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::WithinNoise => "within noise",
            Verdict::Same => "same",
            Verdict::Unknown => "unknown",
        }
    }
}

/// One figure under both.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    pub subject: Subject,
    pub measure: Measure,
    pub reference: Estimate,
    pub value: Estimate,
    /// Value less reference, in their unit.
    pub change: Estimate,
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
        let (before, after) = match self.measure {
            Measure::Of(Figure::SuccessPct) => (100.0 - before, 100.0 - after),
            _ => (before, after),
        };
        let worse = if self.measure == Measure::Of(Figure::Rps) { before - after } else { after - before };
        if worse <= 0.0 { 0.0 } else { worse / before.max(0.0) }
    }

    /// Worse, beyond noise, and by more than this part.
    pub fn is_regression(&self, threshold: f64) -> bool {
        self.verdict == Verdict::Worse && self.growth() > threshold
    }
}

const CLIENTS: [Measure; 6] = [
    Measure::Of(Figure::SuccessPct),
    Measure::Of(Figure::Latency(0.5)),
    Measure::Of(Figure::Latency(0.9)),
    Measure::Of(Figure::Latency(0.99)),
    Measure::Of(Figure::LatencyMean),
    Measure::Of(Figure::Rps),
];
const CLUSTERS: [Measure; 5] = [
    Measure::Of(Figure::SuccessPct),
    Measure::Of(Figure::Latency(0.99)),
    Measure::RetriesPerCall,
    Measure::Of(Figure::Overflow),
    Measure::Of(Figure::Ejections),
];

/// All figures of what both have. `flipped` tells of a client, or of all (`None`), how many pairs gained, lost, and are
/// there at all.
pub fn compared(
    mesh: &Mesh,
    base: &Account,
    candidate: &Account,
    flipped: impl Fn(Option<&str>) -> (f64, f64, f64),
) -> Vec<Compared> {
    let mut all = Vec::new();
    for (subject, before) in &base.series {
        let Some(after) = candidate.series.get(subject) else { continue };
        let objective;
        let measures: &[Measure] = match subject.scope {
            Scope::Objective => {
                objective = [Measure::Of(mesh.objectives[subject.place].figure)];
                &objective
            }
            Scope::All | Scope::Client => &CLIENTS,
            Scope::Cluster if before.is_empty() && after.is_empty() => &[],
            Scope::Cluster => &CLUSTERS,
        };
        for measure in measures.iter().filter(|measure| is_worth_a_row(**measure, before, after, subject)) {
            let flips = match subject.scope {
                Scope::All => flipped(None),
                Scope::Client => flipped(Some(&subject.target)),
                Scope::Objective | Scope::Cluster => paired::fewest_flips(&before.shares(), &after.shares()),
            };
            let (reference, value) = (base.estimate(before, *measure), candidate.estimate(after, *measure));
            let change = change(*measure, base, before, after, flips);
            let verdict = verdict(*measure, change, is_same(*measure, before, after, base));
            let subject = subject.clone();
            all.push(Compared { subject, measure: *measure, reference, value, change, verdict });
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
        Measure::Of(Figure::Retries | Figure::Ejections | Figure::Overflow | Figure::Rps) => {
            before.numbers(measure, &base.clock) == after.numbers(measure, &base.clock)
        }
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
    if before.is_empty() && after.is_empty() && !matches!(measure, Measure::Of(Figure::Rps)) {
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

fn verdict(measure: Measure, change: Estimate, is_same: bool) -> Verdict {
    let is_more_better = matches!(measure, Measure::Of(Figure::SuccessPct | Figure::Rps));
    match (change.value, change.ci95) {
        (Some(_), _) if is_same => Verdict::Same,
        (Some(change), Some(ci95)) if change.abs() <= ci95 => Verdict::WithinNoise,
        (Some(change), Some(_)) if (change > 0.0) == is_more_better => Verdict::Better,
        (Some(_), Some(_)) => Verdict::Worse,
        _ => Verdict::Unknown,
    }
}

/// What all that clients see comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overall {
    Same,
    WithinNoise,
    Better,
    Worse,
    /// Some figures are better, some worse.
    Mixed,
    Unknown,
}

impl Overall {
    /// By the figures of clients, and objectives that one side alone keeps; what clusters do is the way and not the aim.
    pub fn of(figures: &[Compared], kept: usize, missed: usize) -> Overall {
        let of_clients = figures.iter().filter(|row| matches!(row.subject.scope, Scope::All | Scope::Client));
        let verdicts: Vec<Verdict> = of_clients.map(|row| row.verdict).collect();
        let has = |verdict| verdicts.contains(&verdict);
        match (has(Verdict::Better) || kept > 0, has(Verdict::Worse) || missed > 0) {
            (true, true) => Overall::Mixed,
            (true, false) => Overall::Better,
            (false, true) => Overall::Worse,
            _ if verdicts.iter().all(|verdict| *verdict == Verdict::Same) => Overall::Same,
            _ if has(Verdict::WithinNoise) => Overall::WithinNoise,
            _ => Overall::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scope: Scope, measure: Measure, before: f64, after: f64, verdict: Verdict) -> Compared {
        let (reference, value) = (Estimate::exact(before), Estimate::exact(after));
        let subject = Subject { scope, place: 0, target: String::new(), subset: String::new() };
        let change = Estimate::exact(after - before);
        Compared { subject, measure, reference, value, change, verdict }
    }

    #[test]
    fn growth_is_that_of_what_is_bad() {
        let growth = |figure, before, after| {
            row(Scope::All, Measure::Of(figure), before, after, Verdict::Worse).growth()
        };
        assert_eq!(growth(Figure::LatencyMean, 200.0, 250.0), 0.25);
        assert_eq!(growth(Figure::LatencyMean, 250.0, 200.0), 0.0);
        assert_eq!(growth(Figure::SuccessPct, 98.0, 95.0), 1.5, "2 failures become 5");
        assert_eq!(growth(Figure::SuccessPct, 95.0, 98.0), 0.0);
        assert_eq!(growth(Figure::Rps, 100.0, 80.0), 0.2);
        assert_eq!(growth(Figure::Rps, 80.0, 100.0), 0.0);
        assert_eq!(growth(Figure::Overflow, 0.0, 3.0), f64::INFINITY);
        assert_eq!(growth(Figure::Overflow, 0.0, 0.0), 0.0);
        let slower = row(Scope::All, Measure::Of(Figure::LatencyMean), 200.0, 250.0, Verdict::Worse);
        assert_eq!(
            (slower.relative(), slower.is_regression(0.2), slower.is_regression(0.25)),
            (Some(0.25), true, false)
        );
        assert!(!Compared { verdict: Verdict::WithinNoise, ..slower }.is_regression(0.0));
    }

    #[test]
    fn verdicts_know_which_way_is_good_and_what_is_noise() {
        let of = |figure, change, ci95| {
            verdict(Measure::Of(figure), Estimate { value: Some(change), ci95 }, false).name()
        };
        assert_eq!(of(Figure::LatencyMean, 2.0, Some(1.0)), "worse");
        assert_eq!(of(Figure::LatencyMean, -2.0, Some(1.0)), "better");
        assert_eq!(of(Figure::SuccessPct, 2.0, Some(1.0)), "better");
        assert_eq!(of(Figure::SuccessPct, -2.0, Some(1.0)), "worse");
        assert_eq!(of(Figure::Rps, 2.0, Some(1.0)), "better");
        assert_eq!(of(Figure::LatencyMean, 1.0, Some(1.0)), "within noise", "the interval holds zero");
        assert_eq!(of(Figure::LatencyMean, 2.0, None), "unknown");
        assert_eq!(verdict(Measure::RetriesPerCall, Estimate::NONE, false).name(), "unknown");
        assert_eq!(verdict(Measure::RetriesPerCall, Estimate::exact(0.0), true).name(), "same");
    }

    #[test]
    fn the_whole_goes_by_clients_and_by_objectives_that_change_sides() {
        let all = |verdicts: &[Verdict], kept, missed| {
            let of_clients = verdicts
                .iter()
                .map(|verdict| row(Scope::Client, Measure::Of(Figure::LatencyMean), 1.0, 1.0, *verdict));
            let mut rows: Vec<Compared> = of_clients.collect();
            // What clusters do is no aim of anybody's.
            rows.push(row(Scope::Cluster, Measure::RetriesPerCall, 1.0, 2.0, Verdict::Worse));
            Overall::of(&rows, kept, missed)
        };
        use Verdict::{Better, Same, Unknown, WithinNoise, Worse};
        assert_eq!(all(&[Better, Same], 0, 0), Overall::Better);
        assert_eq!(all(&[Worse, WithinNoise], 0, 0), Overall::Worse);
        assert_eq!(all(&[Worse, Better], 0, 0), Overall::Mixed);
        assert_eq!(all(&[Same, Same], 0, 0), Overall::Same);
        assert_eq!(all(&[Same, WithinNoise], 0, 0), Overall::WithinNoise);
        assert_eq!(all(&[Same, Unknown], 0, 0), Overall::Unknown);
        assert_eq!(all(&[WithinNoise], 1, 0), Overall::Better);
        assert_eq!(all(&[WithinNoise], 0, 1), Overall::Worse);
        assert_eq!(all(&[Better], 0, 1), Overall::Mixed);
    }
}
