//! What a comparison hears of each request that counts: how it ended, and to which cluster each of its calls was sent.
//! Nobody listens in an ordinary run.

use std::ops::Range;

use crate::kernel::{SimDuration, SimTime};
use crate::mesh::Outcome;
use crate::sim::rows::Request;

/// A request that has its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The key of all its luck, the same under every configuration. Source: design D2.
    pub fate: u64,
    /// Row of the mesh's clients.
    pub client: u32,
    /// Row of the client's classes.
    pub class: u32,
    pub born: SimTime,
    pub took: SimDuration,
    pub outcome: Outcome,
    /// Its part of [`Heard::steps`].
    pub steps: Range<u32>,
}

/// Where a call was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The key of the call's luck, the same under every configuration.
    pub call: u64,
    /// Hash of the cluster's name, the same in every mesh; 0 where there is none.
    pub cluster: u64,
}

/// What was heard since it was last asked for.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// In the order in which they were answered.
    pub answered: Vec<Answered>,
    /// Of all of them, each request's by key of the call.
    pub steps: Vec<Step>,
}

impl Heard {
    pub fn steps(&self, answered: &Answered) -> &[Step] {
        &self.steps[answered.steps.start as usize..answered.steps.end as usize]
    }

    pub fn clear(&mut self) {
        self.answered.clear();
        self.steps.clear();
    }
}

#[derive(Default)]
pub struct Observer {
    pub heard: Heard,
    /// By row of the world's requests, of those that are under way.
    open: Vec<Vec<Step>>,
}

impl Observer {
    /// A request that counts has its answer.
    #[cold]
    pub fn answered(&mut self, row: u32, request: &Request, took: SimDuration, outcome: Outcome) {
        let Heard { answered, steps } = &mut self.heard;
        let first = steps.len() as u32;
        if let Some(own) = self.open.get_mut(row as usize) {
            own.sort_unstable();
            steps.append(own);
        }
        if request.counted {
            let Request { fate, client, class, born, .. } = *request;
            let steps = first..steps.len() as u32;
            answered.push(Answered { fate, client, class, born, took, outcome, steps });
        } else {
            steps.truncate(first as usize);
        }
    }

    /// A call of it has its destination.
    pub fn sent(&mut self, row: u32, step: Step) {
        if self.open.len() <= row as usize {
            self.open.resize_with(row as usize + 1, Vec::new);
        }
        self.open[row as usize].push(step);
    }
}
