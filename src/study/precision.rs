//! How many replications a wanted precision takes: some more, until the interval of every objective is that tight.
//!
//! The schedule looks at the figures after 5 replications, and then whenever a quarter more are done. It depends on the
//! figures alone, so every machine and number of threads stops at the same one. Whoever stops by looking stops early by
//! luck at times; therefore the target is a little smaller than what was asked for, looks are few, and two in a row must
//! be satisfied: with one the intervals held a known truth in 92.5 % of a thousand runs.
//! Source: Law, Simulation Modeling and Analysis, 5th edition, 9.4.1 (obtaining a specified precision).

use super::crew::Crew;
use super::figures::{Pool, RunResults};
use super::replication::{self, Watch};
use crate::mesh::Mesh;
use crate::metrics::Estimate;
use crate::metrics::recorder::ALL_CLASSES;
use crate::sim::Plan;

/// Replications before the first look.
pub const LEAST: u32 = 5;
/// Replications after which it is given up.
pub const MOST: u32 = 1_000;

/// How a search for precision ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// The figure with the widest interval, and half its width in parts of the figure; `None` if no figure has an interval.
    pub widest: Option<(String, f64)>,
    /// It is as tight as was asked for.
    pub is_tight: bool,
    /// Figures that no number of replications makes precise: without data, without an interval (a maximum, a percentile of
    /// too few samples in each replication), or of zero.
    pub without: Vec<String>,
}

/// How many replications there are at the next look; `done` is 0 or that of the last one.
pub fn next_look(done: u32) -> u32 {
    if done < LEAST { LEAST } else { (done + done.div_ceil(4)).min(MOST) }
}

/// What can be made more precise by more replications.
pub trait Growing {
    /// Makes replications `first` to `first + count - 1`; false if it was stopped before all of them were whole.
    fn grow(&mut self, first: u32, count: u32) -> bool;

    /// What is to be precise so far, by name.
    fn figures(&self) -> Vec<(String, Estimate)>;
}

/// Replications until each figure's interval is at most `precision` of it to each side, at two looks in a row. `planned`
/// hears how many more there will be until the next look. `None`: stopped.
pub fn until_tight(study: &mut impl Growing, precision: f64, planned: impl Fn(u32)) -> Option<Reached> {
    let (mut done, mut was_tight) = (0, false);
    loop {
        let look = next_look(done);
        planned(look - done);
        if !study.grow(done, look - done) {
            return None;
        }
        done = look;
        let reached = judge(&study.figures(), precision);
        if (reached.is_tight && was_tight) || done >= MOST {
            return Some(reached);
        }
        was_tight = reached.is_tight;
    }
}

/// Replications of `mesh` until its objectives, or else the p99 and success of each client, are that precise. Ends early
/// where `watch` says so, with those that are whole by then.
pub fn replications(
    crew: &Crew,
    mesh: &Mesh,
    precision: f64,
    watch: Watch<'_>,
    planned: impl Fn(u32),
) -> (Pool, Option<Reached>) {
    let plan = Plan::compile(mesh);
    let mut run = OneMesh { crew, mesh, plan: &plan, watch, pool: Pool::default() };
    let reached = until_tight(&mut run, precision, planned);
    (run.pool, reached)
}

struct OneMesh<'a> {
    crew: &'a Crew,
    mesh: &'a Mesh,
    plan: &'a Plan<'a>,
    watch: Watch<'a>,
    pool: Pool,
}

impl Growing for OneMesh<'_> {
    fn grow(&mut self, first: u32, count: u32) -> bool {
        let OneMesh { crew, mesh, plan, watch, pool } = self;
        let mut whole = true;
        let run_one = |number| replication::run(plan, mesh, first + number, *watch);
        crew.fold(count, run_one, |one| match one {
            Some(one) if whole => pool.add(one),
            _ => whole = false,
        });
        whole
    }

    fn figures(&self) -> Vec<(String, Estimate)> {
        figures(&self.pool.figures(self.mesh))
    }
}

/// What is to be precise of a run, by name.
fn figures(run: &RunResults) -> Vec<(String, Estimate)> {
    if !run.objectives.is_empty() {
        return run.objectives.iter().map(|judged| (judged.text.clone(), judged.observed)).collect();
    }
    let all = run.clients.iter().filter(|row| row.class == ALL_CLASSES);
    let both = all.flat_map(|row| {
        let name = |figure: &str| format!("client.{} {figure}", row.client);
        [(name("p(99)"), row.latency.p99), (name("success"), row.success_pct)]
    });
    both.collect()
}

fn judge(figures: &[(String, Estimate)], precision: f64) -> Reached {
    let mut reached = Reached { widest: None, is_tight: true, without: Vec::new() };
    for (name, estimate) in figures {
        let Estimate { value: Some(value), ci95: Some(half_width) } = *estimate else {
            reached.without.push(name.clone());
            continue;
        };
        // Parts of nothing mean nothing.
        if value == 0.0 && half_width > 0.0 {
            reached.without.push(name.clone());
            continue;
        }
        // Nothing in all replications is as sure as they can make it.
        let width = if half_width == 0.0 { 0.0 } else { half_width / value.abs() };
        if reached.widest.as_ref().is_none_or(|(_, widest)| width > *widest) {
            reached.widest = Some((name.clone(), width));
        }
    }
    // An error in parts of the figure is one in parts of the truth, which may be smaller by as much.
    let target = precision / (1.0 + precision);
    reached.is_tight = reached.widest.as_ref().is_none_or(|(_, widest)| *widest <= target);
    reached
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn figure(name: &str, value: f64, ci95: f64) -> (String, Estimate) {
        (name.to_owned(), Estimate { value: Some(value), ci95: Some(ci95) })
    }

    #[test]
    fn looks_are_a_quarter_apart_and_end() {
        let looks: Vec<u32> =
            std::iter::successors(Some(next_look(0)), |done| Some(next_look(*done))).take(8).collect();
        assert_eq!(looks, [5, 7, 9, 12, 15, 19, 24, 30]);
        assert_eq!((next_look(999), next_look(800)), (MOST, MOST));
    }

    #[test]
    fn the_widest_decides_against_a_target_that_is_corrected() {
        let tight = judge(&[figure("a", 100.0, 4.7), figure("b", 50.0, 1.0)], 0.05);
        assert_eq!((tight.widest, tight.is_tight), (Some(("a".to_owned(), 0.047)), true));
        // 5 % / 1.05 is 4.76 %.
        assert!(!judge(&[figure("a", 100.0, 4.8)], 0.05).is_tight);
        assert!(!judge(&[figure("a", 100.0, 1.0), figure("b", -1.0, 1.0)], 0.05).is_tight);
    }

    #[test]
    fn without_objectives_each_client_is_to_be_precise_as_a_whole() {
        let run = RunResults::pool(&fixture::two_replications());
        let names: Vec<String> = figures(&run).into_iter().map(|figure| figure.0).collect();
        assert_eq!(names, ["client.web p(99)", "client.web success"], "not each class");
    }

    #[test]
    fn counts_of_nothing_and_figures_without_interval_hold_nobody_up() {
        let figures = [
            figure("retries", 0.0, 0.0),
            ("max".to_owned(), Estimate::exact(3.0)),
            ("silent".to_owned(), Estimate::NONE),
            figure("never", 0.0, 0.1),
        ];
        let reached = judge(&figures, 0.01);
        assert_eq!((reached.widest, reached.is_tight), (Some(("retries".to_owned(), 0.0)), true));
        assert_eq!(reached.without, ["max", "silent", "never"]);
        assert_eq!(judge(&figures[1..], 0.01).widest, None);
    }
}
