//! A whole report for tests, with the values that it borrows.

use super::{Input, Mark, Remark, Report, Stamp, Told};
use crate::kernel::SimTime;
use crate::mesh::Place;
use crate::mesh::model::{Comparison, Figure};
use crate::metrics::Estimate;
use crate::study::{Judged, RunResults, Traffic, fixture};

pub(crate) struct Held {
    pub run: RunResults,
    stamp: Stamp,
    marks: Vec<Mark>,
    traffic: Traffic,
    notes: Vec<String>,
    not_modelled: Vec<Remark>,
}

impl Held {
    pub fn of(run: RunResults) -> Held {
        let stamp = Stamp {
            tool_version: "0.1.0".to_owned(),
            model_revision: 1,
            verb: "run".to_owned(),
            seed: 42,
            replications: run.replications,
            sets: Vec::new(),
            slos: Vec::new(),
            inputs: vec![Input { name: "scenario.yaml".to_owned(), sha256: "ab".repeat(32) }],
            flags: Vec::new(),
            configurations: Vec::new(),
        };
        Held { run, stamp, marks: vec![], traffic: Traffic::default(), notes: vec![], not_modelled: vec![] }
    }

    /// Two tiny replications that one can add up by hand.
    pub fn tiny() -> Held {
        let mut held = Held::of(RunResults::pool(&fixture::two_replications()));
        let success = Estimate { value: held.run.clients[0].success_pct.value, ci95: Some(20.0) };
        held.run.objectives = vec![
            judged("app p(99) < 250ms", Figure::Latency(0.99), 250.0, Estimate::exact(6.0)),
            judged("success >= 99.9%", Figure::SuccessPct, 99.9, success),
        ];
        held.not_modelled = vec![lua()];
        held
    }

    /// Ten minutes of a canary that goes wrong.
    pub fn canary() -> Held {
        let mut held = Held::of(RunResults::pool(&fixture::canary(2)));
        let p99 = held.run.clusters.iter().find(|row| row.subset == "v2").expect("a canary").latency.p99;
        let success = held.run.clients[0].success_pct;
        held.run.objectives = vec![
            judged("success >= 99%", Figure::SuccessPct, 99.0, success),
            judged("reviews{subset=v2} p(99) < 250ms", Figure::Latency(0.99), 250.0, p99),
        ];
        let steps = [(120, "canary-10"), (180, "canary-25"), (240, "canary-50"), (420, "rollback")];
        held.marks = steps
            .map(|(at, label)| Mark { at: SimTime::from_nanos(at * 1_000_000_000), label: label.to_owned() })
            .to_vec();
        held.notes = vec!["ratings-v1 runs on guesses: serviceTime, concurrency".to_owned()];
        held.not_modelled = vec![lua()];
        held
    }

    /// Much of everything.
    pub fn crowd() -> Held {
        let mut held = Held::of(RunResults::pool(&fixture::crowd()));
        let step = |index: u64| Mark {
            at: SimTime::from_nanos(index * 170_000_000_000),
            label: format!("apply steps/canary-{index}.yaml"),
        };
        held.marks = (1..=21).map(step).collect();
        held
    }

    pub fn report(&self) -> Report<'_> {
        Report {
            title: "bookinfo-canary",
            run: &self.run,
            stamp: &self.stamp,
            marks: &self.marks,
            told: Told { traffic: &self.traffic, without_effect: &[], guesses: &[], base: "" },
            notes: &self.notes,
            not_modelled: &self.not_modelled,
        }
    }
}

fn lua() -> Remark {
    let place = Some(Place { file: "mesh/lua.yaml".to_owned(), line: 3 });
    Remark { about: "EnvoyFilter default/lua".to_owned(), place, what: "patches".to_owned() }
}

/// An objective as it is written, `p(99) < 60ms` or one that wants at least as much.
pub fn judged(text: &str, figure: Figure, limit: f64, observed: Estimate) -> Judged {
    let comparison = if text.contains('<') { Comparison::Less } else { Comparison::GreaterOrEqual };
    Judged {
        text: text.to_owned(),
        figure,
        comparison,
        limit,
        observed,
        met: observed.value.is_some_and(|value| comparison.holds(value, limit)),
        unsure: observed.holds(limit),
    }
}
