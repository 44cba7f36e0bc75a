//! Many figures looked at together. Of a hundred that nothing did anything to, five leave their own 95 % interval; what is
//! said about all of them at once, in the sentence and by the gate, must not go by the luckiest one.

use super::account::Scope;
use super::figures::Compared;
use super::verdict::{Sense, Verdict};
use crate::metrics::statistics::holm;
use crate::study::objectives::Judged;

/// Those of `rows` that are beyond noise when all of them are looked at together: at most once in twenty studies holds
/// this of any row that did not really change, however the rows hang together. What is the same in all replications is
/// no question of chance, and is none of them.
pub fn beyond_noise<'a>(rows: impl Iterator<Item = &'a Compared>) -> Vec<&'a Compared> {
    let (p_values, tested): (Vec<f64>, Vec<&Compared>) =
        rows.filter_map(|row| Some((row.p_value?, row))).unzip();
    let surest = holm(&p_values).into_iter().map(|place| tested[place]);
    surest.filter(|row| row.verdict.is_sure()).collect()
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

/// The figures that the sentence goes by: what clients see, and objectives; what clusters do is the way and not the aim.
pub fn aims(figures: &[Compared]) -> impl Iterator<Item = &Compared> {
    figures.iter().filter(|row| row.sense != Sense::Neutral && row.subject.scope != Scope::Cluster)
}

impl Overall {
    /// By the figures of clients, and objectives that one side alone keeps, those of both that are beyond noise together.
    /// `base` and `own` are the objectives of both.
    pub(super) fn of(figures: &[Compared], base: &[Judged], own: &[Judged]) -> Overall {
        let sure = beyond_noise(aims(figures));
        let is_client = |row: &Compared| row.subject.scope != Scope::Objective;
        let turned = |verdict| sure.iter().any(|row| is_client(row) && row.verdict == verdict);
        let crossed = |met: bool| {
            let places = sure.iter().filter(|row| !is_client(row)).map(|row| row.subject.place);
            places.into_iter().any(|place| own[place].met == met && base[place].met != met)
        };
        let verdicts: Vec<Verdict> =
            aims(figures).filter(|row| is_client(row)).map(|row| row.verdict).collect();
        match (turned(Verdict::Better) || crossed(true), turned(Verdict::Worse) || crossed(false)) {
            (true, true) => Overall::Mixed,
            (true, false) => Overall::Better,
            (false, true) => Overall::Worse,
            _ if verdicts.iter().all(|verdict| *verdict == Verdict::Same) => Overall::Same,
            _ if verdicts.iter().any(|verdict| verdict.is_sure() || *verdict == Verdict::WithinNoise) => {
                Overall::WithinNoise
            }
            _ => Overall::Unknown,
        }
    }
}

/// Whether a candidate may pass where no figure may be worse by more than some part.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate<'a> {
    /// Worse by more than that, and beyond noise when all figures are looked at together.
    pub regressions: Vec<&'a Compared>,
    /// How many figures could be judged.
    pub judged: usize,
    /// Those that could not: too few samples, or no data on a side.
    pub unknown: Vec<&'a Compared>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    Pass,
    Fail,
    /// No figure could be judged.
    CannotTell,
}

impl<'a> Gate<'a> {
    pub(super) fn of(figures: &'a [Compared], threshold: f64) -> Gate<'a> {
        let is_quality = |row: &&Compared| row.sense != Sense::Neutral;
        let mut regressions = beyond_noise(figures.iter().filter(is_quality));
        regressions.retain(|row| row.verdict == Verdict::Worse && row.growth() > threshold);
        // In the order in which people are told, the worst of each kind first.
        regressions.sort_by(|left, right| {
            let order = left.subject.scope.cmp(&right.subject.scope);
            order.then(right.growth().total_cmp(&left.growth()))
        });
        let (unknown, judged): (Vec<&Compared>, Vec<&Compared>) =
            figures.iter().filter(is_quality).partition(|row| row.verdict == Verdict::Unknown);
        Gate { regressions, judged: judged.len(), unknown }
    }

    pub fn passage(&self) -> Passage {
        match (self.regressions.len(), self.judged) {
            (0, 0) if !self.unknown.is_empty() => Passage::CannotTell,
            (0, _) => Passage::Pass,
            _ => Passage::Fail,
        }
    }

    pub fn has(&self, row: &Compared) -> bool {
        self.regressions.iter().any(|own| std::ptr::eq(*own, row))
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::{Measure, Subject};
    use super::*;
    use crate::mesh::model::{Comparison, Figure};
    use crate::metrics::Estimate;
    use crate::metrics::statistics;

    /// A p99 of 100 ms that changed by so many half-widths of its interval, in eight replications.
    fn row(scope: Scope, place: usize, halves: f64) -> Compared {
        let change = Estimate { value: Some(10.0 * halves), ci95: Some(10.0) };
        let estimate = |value| Estimate { value: Some(value), ci95: Some(5.0) };
        Compared {
            subject: Subject { scope, place, target: "web".to_owned(), subset: String::new() },
            measure: Measure::Of(Figure::Latency(0.99)),
            sense: Sense::LessIsBetter,
            reference: estimate(100.0),
            value: estimate(100.0 + 10.0 * halves),
            change,
            p_value: statistics::p_value(change, 7),
            verdict: Verdict::of(Sense::LessIsBetter, change, false),
        }
    }

    fn clients(halves: &[f64]) -> Vec<Compared> {
        halves.iter().map(|halves| row(Scope::Client, 0, *halves)).collect()
    }

    fn judged(met: bool) -> Judged {
        Judged {
            text: "web p(99) < 100ms".to_owned(),
            figure: Figure::Latency(0.99),
            comparison: Comparison::Less,
            limit: 100.0,
            observed: Estimate::exact(if met { 99.0 } else { 101.0 }),
            met,
            unsure: true,
        }
    }

    #[test]
    fn one_look_is_one_look_and_many_are_many() {
        // p at 1.2 half-widths is 0.025, at 2 it is 0.002, at 3 it is 0.0002.
        let sure = |halves: &[f64]| beyond_noise(clients(halves).iter()).len();
        assert_eq!(sure(&[1.2]), 1);
        assert_eq!(sure(&[1.2, 0.1, -0.4, 0.3]), 0, "0.025 is above 0.05 / 4");
        assert_eq!(sure(&[2.0, 0.1, -0.4, 0.3]), 1);
        // Step by step: 0.0002 < 0.05 / 3, 0.002 < 0.05 / 2, and 0.025 < 0.05 / 1; all at once 0.025 > 0.05 / 3.
        assert_eq!(sure(&[1.2, 3.0, -2.0]), 3);
        assert_eq!(sure(&[0.9]), 0);
        let mut same = clients(&[1.2, 0.0, 0.0, 0.0]);
        same[1..].iter_mut().for_each(|row| row.p_value = None);
        assert_eq!(beyond_noise(same.iter()).len(), 1, "what cannot differ is no look");
    }

    #[test]
    fn the_sentence_goes_by_all_aims_together() {
        let of = |halves: &[f64]| Overall::of(&clients(halves), &[], &[]);
        assert_eq!(of(&[1.2, 0.1, -0.4, 0.3]), Overall::WithinNoise);
        assert_eq!(of(&[3.0, 0.1, -0.4, 0.3]), Overall::Worse);
        assert_eq!(of(&[-3.0, 0.1, -0.4, 0.3]), Overall::Better);
        assert_eq!(of(&[-3.0, 0.1, 4.0, 0.3]), Overall::Mixed);
        let mut load = clients(&[9.0, 0.1]);
        load[0].sense = Sense::Neutral;
        load[0].verdict = Verdict::More;
        assert_eq!(Overall::of(&load, &[], &[]), Overall::WithinNoise, "load is no aim");
        let beside = |scope, sense| {
            let others = (0..3).map(|_| Compared { sense, ..row(scope, 0, 0.1) });
            let figures: Vec<Compared> = clients(&[1.2]).into_iter().chain(others).collect();
            Overall::of(&figures, &[], &[])
        };
        assert_eq!(beside(Scope::Client, Sense::LessIsBetter), Overall::WithinNoise, "one of four looks");
        assert_eq!(beside(Scope::Client, Sense::Neutral), Overall::Worse, "load is no look either");
        assert_eq!(beside(Scope::Cluster, Sense::LessIsBetter), Overall::Worse, "nor is the way to the aim");
        let mut unknown = clients(&[1.0, 1.0]);
        unknown.iter_mut().for_each(|row| (row.verdict, row.p_value) = (Verdict::Unknown, None));
        assert_eq!(Overall::of(&unknown, &[], &[]), Overall::Unknown);
    }

    #[test]
    fn a_limit_that_noise_crosses_decides_nothing() {
        let of = |halves: f64| {
            let figures = [row(Scope::Objective, 0, halves), row(Scope::Client, 0, 0.3)];
            Overall::of(&figures, &[judged(true)], &[judged(false)])
        };
        assert_eq!(of(0.5), Overall::WithinNoise);
        assert_eq!(of(1.1), Overall::WithinNoise, "of two looks");
        assert_eq!(of(2.0), Overall::Worse);
        let figures = [row(Scope::Objective, 0, -2.0), row(Scope::Client, 0, 0.3)];
        assert_eq!(Overall::of(&figures, &[judged(false)], &[judged(true)]), Overall::Better);
        let kept = Overall::of(&figures, &[judged(true)], &[judged(true)]);
        assert_eq!(kept, Overall::WithinNoise, "both sides keep it");
    }

    #[test]
    fn the_gate_fails_by_what_is_sure_and_passes_by_what_it_knows() {
        let of = |figures: &[Compared], threshold| {
            let gate = Gate::of(figures, threshold);
            (gate.passage(), gate.regressions.len(), gate.judged, gate.unknown.len())
        };
        let mut figures = clients(&[1.2, 0.1, -0.4, 0.3]);
        assert_eq!(of(&figures, 0.05), (Passage::Pass, 0, 4, 0), "by chance");
        figures[0] = row(Scope::Cluster, 0, 3.0);
        assert_eq!(of(&figures, 0.05), (Passage::Fail, 1, 4, 0));
        assert_eq!(of(&figures, 0.31), (Passage::Pass, 0, 4, 0), "30 % is not more than 31 %");
        figures[0].sense = Sense::Neutral;
        assert_eq!(of(&figures, 0.05), (Passage::Pass, 0, 3, 0));
        for row in &mut figures[1..3] {
            (row.verdict, row.p_value) = (Verdict::Unknown, None);
        }
        assert_eq!(of(&figures, 0.05), (Passage::Pass, 0, 1, 2));
        (figures[3].verdict, figures[3].p_value) = (Verdict::Unknown, None);
        assert_eq!(of(&figures, 0.05), (Passage::CannotTell, 0, 0, 3));
        assert_eq!(of(&[], 0.05).0, Passage::Pass);
        // From nothing is more than any part of it, and must be beyond noise, too.
        let mut from_nothing = row(Scope::Cluster, 0, 3.0);
        from_nothing.reference = Estimate::exact(0.0);
        assert_eq!(of(&[from_nothing.clone()], 1e9).0, Passage::Fail);
        from_nothing.p_value = Some(0.03);
        let looks = [from_nothing, row(Scope::Client, 0, 0.1)];
        assert_eq!(of(&looks, 1e9).0, Passage::Pass);
    }
}
