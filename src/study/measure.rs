//! Figures of many meshes in one study: all replications of all of them share the threads, and what was run once is
//! not run again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crew::Crew;
use super::figures::RunResults;
use super::replication::{self, Watch};
use crate::mesh::{Fingerprint, Mesh};
use crate::metrics::Results;
use crate::sim::Plan;

/// A study's measurements so far: of each mesh the figures `F`, which is all that is kept of its replications.
pub struct Measurements<'a, F = RunResults> {
    crew: &'a Crew,
    watch: Watch<'a>,
    make: &'a Make<F>,
    /// By what makes the results, and the number of replications.
    known: BTreeMap<(Fingerprint, u32), Arc<F>>,
    runs: u64,
}

/// Figures of a mesh from all its replications, in their order.
pub type Make<F> = dyn Fn(&Mesh, &[Results]) -> F + Sync;

impl<'a> Measurements<'a> {
    /// Keeps all that a run has to say.
    pub fn new(crew: &'a Crew, watch: Watch<'a>) -> Measurements<'a> {
        Measurements::with(crew, watch, &|mesh, results| RunResults::pool(results).judge(mesh, results))
    }
}

impl<'a, F: Send + Sync> Measurements<'a, F> {
    pub fn with(crew: &'a Crew, watch: Watch<'a>, make: &'a Make<F>) -> Measurements<'a, F> {
        Measurements { crew, watch, make, known: BTreeMap::new(), runs: 0 }
    }

    /// Replications that were run, those saved by what was known not counted.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The figures of each mesh over as many replications as it asks for, objectives judged. Hands each to `take` as soon as
    /// its turn comes, in order; nothing more once the study is stopped.
    pub fn each(&mut self, meshes: &[Mesh], mut take: impl FnMut(usize, &Arc<F>) + Send) {
        let keys: Vec<_> =
            meshes.iter().map(|mesh| (Fingerprint::of(mesh), mesh.run.replications.get())).collect();
        // Which mesh runs in which place; others are like one that runs, or has run.
        let mut fresh: Vec<usize> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            if !self.known.contains_key(key) && fresh.iter().all(|other| keys[*other] != *key) {
                fresh.push(index);
            }
        }
        let plans: Vec<Plan<'_>> = fresh.iter().map(|index| Plan::compile(&meshes[*index])).collect();
        let mut jobs: Vec<(usize, u32)> = Vec::new();
        for (place, index) in fresh.iter().enumerate() {
            jobs.extend((0..keys[*index].1).map(|replication| (place, replication)));
        }
        let Measurements { crew, watch, make: figures_of, known, runs } = self;
        let mut next = 0;
        let mut tell = |known: &BTreeMap<_, Arc<F>>| {
            while let Some(figures) = keys.get(next).and_then(|key| known.get(key)) {
                take(next, figures);
                next += 1;
            }
        };
        tell(known);
        let mut results: Vec<Results> = Vec::new();
        let mut whole = true;
        let make = |job: u32| {
            let (place, replication) = jobs[job as usize];
            let made = replication::run(&plans[place], &meshes[fresh[place]], replication, *watch);
            (place, made)
        };
        crew.fold(jobs.len() as u32, make, |(place, made)| {
            whole &= made.is_some();
            results.extend(made);
            let index = fresh[place];
            if whole && results.len() == keys[index].1 as usize {
                let figures = figures_of(&meshes[index], &results);
                *runs += results.len() as u64;
                results.clear();
                known.insert(keys[index], Arc::new(figures));
                tell(known);
            }
        });
    }

    /// As [`Measurements::each`], all at once; `None` if the study was stopped before all was done.
    pub fn all(&mut self, meshes: &[Mesh]) -> Option<Vec<Arc<F>>> {
        let mut all = Vec::with_capacity(meshes.len());
        self.each(meshes, |_, figures| all.push(Arc::clone(figures)));
        (all.len() == meshes.len()).then_some(all)
    }
}
