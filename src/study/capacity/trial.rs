//! Trying one mesh: are the objectives met, how sure is that, and what is it short of? A point that is decided by far
//! after a few replications gets no more of them, and equal meshes are tried once.

use std::collections::BTreeMap;

use super::health::Health;
use super::loss::{self, Loss, Survive};
use super::margin::{self, Margin};
use super::strain::Strain;
use crate::kernel::arrivals::Load;
use crate::mesh::{Fingerprint, Mesh};
use crate::metrics::Results;
use crate::metrics::recorder::ALL_CLASSES;
use crate::sim::Plan;
use crate::study::{Crew, Judged, RunResults, Traffic, Watch, replication};

/// Replications after which a point may be decided.
const QUICK: u32 = 4;

/// One point that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// One number for each thing that is varied: what it is, or its place in a list.
    pub at: Vec<f64>,
    /// Requests per second of all clients together, as the scenario asks for them; `None` with closed loops or traces.
    pub offered_rps: Option<f64>,
    /// Under each loss that was tried, the decisive one last; one without a name where nothing is lost.
    pub cases: Vec<Case>,
}

/// A point under one loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub loss: Option<String>,
    pub replications: u32,
    pub judged: Vec<Judged>,
    /// One for each objective.
    pub margins: Vec<Margin>,
    /// Answered requests per second, of all clients together.
    pub rps: f64,
    pub health: Health,
    pub strain: Strain,
}

impl Case {
    /// All objectives are met, no line grows to the end, and requests are answered.
    pub fn meets(&self) -> bool {
        self.margins.iter().all(|margin| margin.met) && self.health.is_sound()
    }

    /// Of the objective that is nearest to its limit, or furthest beyond it.
    fn margin(&self) -> f64 {
        let own = self.margins.iter().map(|margin| margin.value).fold(f64::INFINITY, f64::min);
        // What is sound has no margin of its own: nobody asked for one.
        let missed = self.health.margins.iter().filter(|margin| !margin.met);
        missed.map(|margin| margin.value).fold(own, f64::min)
    }
}

impl Tried {
    fn margins(&self) -> impl Iterator<Item = &Margin> {
        self.cases.iter().flat_map(|case| &case.margins)
    }

    /// By the figures.
    pub fn meets(&self) -> bool {
        self.cases.iter().all(Case::meets)
    }

    /// Every one has a steady state and answers its requests.
    fn is_sound(&self) -> bool {
        self.cases.iter().all(|case| case.health.is_sound())
    }

    pub fn surely_meets(&self) -> bool {
        self.is_sound() && self.margins().all(Margin::is_surely_met)
    }

    pub fn surely_misses(&self) -> bool {
        !self.is_sound() || self.margins().any(Margin::is_surely_missed)
    }

    /// It misses objectives, and all of those ask for more of what makes things hard: `rps >= 220`.
    pub fn is_too_easy(&self) -> bool {
        let missed = || self.cases.iter().flat_map(|case| &case.judged).filter(|judged| !judged.met);
        self.is_sound() && missed().next().is_some() && missed().all(margin::wants_more)
    }

    /// More replications might tell otherwise.
    pub fn is_unsure(&self) -> bool {
        !self.surely_meets() && !self.surely_misses()
    }

    /// An objective of which no request tells anything.
    pub fn lacks_data(&self) -> bool {
        self.cases.iter().flat_map(|case| &case.judged).any(|judged| judged.observed.value.is_none())
    }

    /// Of the objective that is nearest to its limit, or furthest beyond it.
    pub fn margin(&self) -> f64 {
        self.cases.iter().map(Case::margin).fold(f64::INFINITY, f64::min)
    }

    /// The case that decides: with the least margin.
    pub fn worst(&self) -> Option<&Case> {
        self.cases.iter().reduce(|worst, next| if next.margin() < worst.margin() { next } else { worst })
    }

    /// The case and the objective that decide: those with the least margin.
    pub fn tightest(&self) -> Option<(&Case, &Judged)> {
        let all = self.cases.iter().flat_map(|case| {
            case.margins.iter().zip(&case.judged).map(move |(margin, judged)| (margin.value, case, judged))
        });
        all.reduce(|best, next| if next.0 < best.0 { next } else { best })
            .map(|(_, case, judged)| (case, judged))
    }
}

/// Every point so far.
pub struct Trials<'a> {
    crew: &'a Crew,
    watch: Watch<'a>,
    survive: Option<Survive>,
    /// Hears of each point as soon as it is tried.
    hear: &'a mut dyn FnMut(&Tried),
    pub tried: Vec<Tried>,
    known: BTreeMap<Fingerprint, usize>,
    runs: u64,
    /// The loss that was worst at the point before: it is tried first, as it is likely to be so again.
    worst: Option<String>,
}

impl<'a> Trials<'a> {
    pub fn new(
        crew: &'a Crew,
        watch: Watch<'a>,
        survive: Option<Survive>,
        hear: &'a mut dyn FnMut(&Tried),
    ) -> Trials<'a> {
        let (tried, known) = (Vec::new(), BTreeMap::new());
        Trials { crew, watch, survive, hear, tried, known, runs: 0, worst: None }
    }

    /// Replications that were run.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Tries a mesh, which stands at `at`: its number among those tried. `None` if the study was stopped.
    pub fn attempt(&mut self, at: &[f64], mesh: &Mesh) -> Option<usize> {
        if let Some(same) = self.tried.iter().position(|tried| tried.at == at) {
            return Some(same);
        }
        let key = Fingerprint::of(mesh);
        let cases = match self.known.get(&key) {
            Some(same) => self.tried[*same].cases.clone(),
            None => self.cases(mesh)?,
        };
        let tried = Tried { at: at.to_vec(), offered_rps: offered_rps(mesh), cases };
        (self.hear)(&tried);
        self.known.entry(key).or_insert(self.tried.len());
        self.tried.push(tried);
        Some(self.tried.len() - 1)
    }

    /// All losses, until one is not survived.
    fn cases(&mut self, mesh: &Mesh) -> Option<Vec<Case>> {
        let Some(survive) = self.survive else { return Some(vec![self.case(None, mesh)?]) };
        let traffic = Traffic::of(mesh);
        let is_reached = |name: &str| !traffic.unreached.iter().any(|unreached| unreached == name);
        let mut losses = loss::losses(mesh, survive, is_reached);
        losses.sort_by_key(|loss| Some(&loss.name) != self.worst.as_ref());
        let mut cases: Vec<Case> = Vec::new();
        for Loss { name, mesh } in losses {
            let case = self.case(Some(name), &mesh)?;
            let is_met = case.meets();
            cases.push(case);
            if !is_met {
                break;
            }
        }
        cases.sort_by(|left, right| right.margin().total_cmp(&left.margin()));
        self.worst = cases.last().and_then(|case| case.loss.clone());
        Some(cases)
    }

    /// A few replications, and the others if those do not decide.
    fn case(&mut self, loss: Option<String>, mesh: &Mesh) -> Option<Case> {
        let plan = Plan::compile(mesh);
        let all = mesh.run.replications.get();
        let mut results = self.run(&plan, mesh, 0..QUICK.min(all))?;
        let mut figures = RunResults::pool(&results).judge(mesh, &results);
        if all > QUICK && !is_decided(&figures.objectives) && Health::of(&figures, mesh).is_sound() {
            results.extend(self.run(&plan, mesh, QUICK..all)?);
            figures = RunResults::pool(&results).judge(mesh, &results);
        }
        let all_classes = figures.clients.iter().filter(|row| row.class == ALL_CLASSES);
        Some(Case {
            loss,
            health: Health::of(&figures, mesh),
            replications: results.len() as u32,
            rps: all_classes.filter_map(|row| row.rps.value).sum(),
            strain: Strain::of(&figures),
            margins: figures.objectives.iter().map(Margin::of).collect(),
            judged: figures.objectives,
        })
    }

    fn run(&mut self, plan: &Plan<'_>, mesh: &Mesh, which: std::ops::Range<u32>) -> Option<Vec<Results>> {
        let (first, count) = (which.start, which.len() as u32);
        let run_one = |number| replication::run(plan, mesh, first + number, self.watch);
        let results: Option<Vec<Results>> = self.crew.in_order(count, run_one).into_iter().collect();
        self.runs += results.as_ref().map_or(0, |results| results.len() as u64);
        results
    }
}

/// All objectives are met by far, or one is missed by far.
fn is_decided(judged: &[Judged]) -> bool {
    let margins: Vec<Margin> = judged.iter().map(Margin::of).collect();
    margins.iter().any(|margin| margin.is_decided() && !margin.met)
        || margins.iter().all(|margin| margin.is_decided() && margin.met)
}

/// What all clients ask for together, over the measured time.
pub fn offered_rps(mesh: &Mesh) -> Option<f64> {
    let (from, to) = (mesh.run.warmup.seconds(), mesh.run.duration.seconds());
    mesh.clients.rows().iter().map(|client| mean_rate(&client.load, from, to)).sum()
}

fn mean_rate(load: &Load, from: f64, to: f64) -> Option<f64> {
    match load {
        Load::Constant { rate } | Load::Poisson { rate } | Load::Bursty { rate, .. } => Some(*rate),
        Load::Profile { points, .. } => {
            let points: Vec<(f64, f64)> = points.iter().map(|(at, rate)| (at.seconds(), *rate)).collect();
            (to > from).then(|| area(&points, from, to) / (to - from))
        }
        Load::Closed { .. } | Load::Trace { .. } => None,
    }
}

/// Below straight lines between the points, the last one held on, from `from` to `to`.
fn area(points: &[(f64, f64)], from: f64, to: f64) -> f64 {
    let mut sum = 0.0;
    for (index, (at, rate)) in points.iter().enumerate() {
        let (end, last) = points.get(index + 1).copied().unwrap_or((f64::INFINITY, *rate));
        let (left, right) = (at.max(from), end.min(to));
        if right > left {
            let slope = if end.is_finite() { (last - rate) / (end - at) } else { 0.0 };
            let height = |moment: f64| rate + slope * (moment - at);
            sum += (right - left) * (height(left) + height(right)) / 2.0;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimTime;
    use crate::kernel::arrivals::Spacing;
    use crate::mesh::model::{Comparison, Figure};
    use crate::metrics::Estimate;

    #[test]
    fn offered_rates_are_means_over_the_measured_time() {
        let second = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
        let points = vec![(second(0), 100.0), (second(10), 300.0)];
        let profile = Load::Profile { points, arrivals: Spacing::Poisson };
        assert_eq!(mean_rate(&profile, 0.0, 10.0), Some(200.0));
        assert_eq!(mean_rate(&profile, 5.0, 20.0), Some((5.0 * 250.0 + 10.0 * 300.0) / 15.0));
        assert_eq!(mean_rate(&Load::Bursty { rate: 7.0, cv: 3.0 }, 0.0, 1.0), Some(7.0));
        assert_eq!(mean_rate(&Load::Trace { births: vec![] }, 0.0, 1.0), None);
    }

    /// A point by the margins of each of its cases, with half the widths of their intervals.
    fn tried(cases: &[&[(f64, f64)]]) -> Tried {
        let margin =
            |(value, half): &(f64, f64)| Margin { value: *value, half: Some(*half), met: *value > 0.0 };
        let case = |(number, margins): (usize, &&[(f64, f64)])| Case {
            loss: Some(format!("zone {number}")),
            replications: 8,
            judged: margins.iter().map(|(value, _)| latency(*value, 0.0)).collect(),
            margins: margins.iter().map(margin).collect(),
            rps: 0.0,
            health: Health::default(),
            strain: Strain::default(),
        };
        Tried { at: vec![1.0], offered_rps: None, cases: cases.iter().enumerate().map(case).collect() }
    }

    /// A latency under a limit of 100 ms.
    fn latency(value: f64, ci95: f64) -> Judged {
        Judged {
            text: value.to_string(),
            figure: Figure::LatencyMean,
            comparison: Comparison::Less,
            limit: 100.0,
            observed: Estimate { value: Some(value), ci95: Some(ci95) },
            met: value < 100.0,
            unsure: false,
        }
    }

    #[test]
    fn a_point_is_as_good_as_its_worst_margin() {
        let of = |cases: &[&[(f64, f64)]]| {
            let tried = tried(cases);
            (tried.meets(), tried.surely_meets(), tried.surely_misses(), tried.is_unsure())
        };
        let (sure, near, missed, short) = ((1.0, 0.1), (0.05, 0.1), (-1.0, 0.1), (-0.05, 0.1));
        assert_eq!(of(&[&[sure, sure]]), (true, true, false, false));
        assert_eq!(of(&[&[sure, near]]), (true, false, false, true));
        assert_eq!(of(&[&[sure], &[short]]), (false, false, false, true));
        assert_eq!(of(&[&[sure, missed]]), (false, false, true, false));
        assert_eq!(of(&[&[sure], &[near, missed]]), (false, false, true, false));
        let all = tried(&[&[sure, near], &[missed, short]]);
        assert_eq!(all.margin(), -1.0);
        let (case, judged) = all.tightest().expect("margins");
        assert_eq!((case.loss.as_deref(), judged.text.as_str()), (Some("zone 1"), "-1"));
        let worst = |cases: &[&[(f64, f64)]]| tried(cases).worst().and_then(|case| case.loss.clone());
        assert_eq!(worst(&[&[sure, near], &[missed], &[short]]).as_deref(), Some("zone 1"));
        assert_eq!(worst(&[&[missed], &[sure]]).as_deref(), Some("zone 0"));
    }

    /// `rps >= 400` is met from some load on.
    #[test]
    fn a_point_is_too_easy_if_all_that_it_misses_wants_more() {
        let rate = |value: f64| Judged {
            figure: Figure::Rps,
            comparison: Comparison::GreaterOrEqual,
            limit: 400.0,
            met: value >= 400.0,
            ..latency(value, 0.0)
        };
        let of = |judged: &[Judged]| {
            let mut tried = tried(&[&[(1.0, 0.1)]]);
            tried.cases[0].judged = judged.to_vec();
            tried
        };
        assert!(of(&[rate(300.0), latency(50.0, 0.0)]).is_too_easy());
        assert!(!of(&[rate(300.0), latency(150.0, 0.0)]).is_too_easy(), "less would be too hard");
        assert!(!of(&[rate(500.0), latency(150.0, 0.0)]).is_too_easy());
        assert!(!of(&[rate(500.0), latency(50.0, 0.0)]).is_too_easy(), "nothing is missed");
        let mut unsound = of(&[rate(300.0)]);
        unsound.cases[0].health.margins = vec![Margin { value: -1.0, half: None, met: false }];
        assert!(!unsound.is_too_easy());
    }

    #[test]
    fn a_few_replications_decide_what_is_far_off() {
        assert!(is_decided(&[latency(50.0, 5.0), latency(60.0, 5.0)]), "met by far");
        assert!(!is_decided(&[latency(50.0, 5.0), latency(95.0, 5.0)]), "one is near");
        assert!(is_decided(&[latency(95.0, 5.0), latency(200.0, 5.0)]), "one is missed by far");
        assert!(!is_decided(&[latency(105.0, 5.0)]));
    }
}
