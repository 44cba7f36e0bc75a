//! Runs independent work on several threads: replications, variants, points, and what is drawn of them. The only threads
//! of the house: whatever their number, results come in order, so the bytes that are made of them are the same.
//! Source: design D2.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// The threads of a study.
pub struct Crew {
    /// `None`: whoever asks does the work himself.
    pool: Option<ThreadPool>,
}

impl Crew {
    /// `jobs` threads; 0 counts as 1. Fails if the system gives none.
    pub fn new(jobs: usize) -> Result<Crew, ThreadPoolBuildError> {
        let pool = (jobs > 1).then(|| ThreadPoolBuilder::new().num_threads(jobs).build()).transpose()?;
        Ok(Crew { pool })
    }

    /// What `make` makes of 0 to `count` - 1, in order.
    pub fn in_order<R: Send>(&self, count: u32, make: impl Fn(u32) -> R + Sync) -> Vec<R> {
        let mut all = Vec::new();
        self.fold(count, make, |one| all.push(one));
        all
    }

    /// Hands what `make` makes of 0 to `count` - 1 to `take`, in order and as soon as it can be, so that little more is held
    /// than threads work on.
    pub fn fold<R: Send>(&self, count: u32, make: impl Fn(u32) -> R + Sync, mut take: impl FnMut(R) + Send) {
        let Some(pool) = &self.pool else {
            (0..count).for_each(|number| take(make(number)));
            return;
        };
        let waiting = Mutex::new(Waiting { next: 0, early: BTreeMap::new(), take });
        // Work is begun in order, one by one: with chunks, two threads would share 30 replications as 15 and 15 even if
        // one is slower.
        pool.install(|| {
            (0..count).par_bridge().for_each(|number| {
                let made = make(number);
                // Whoever panicked with the lock takes the whole study along.
                waiting.lock().expect("nobody has panicked").come(number, made);
            });
        });
    }
}

/// Results that came before their turn.
struct Waiting<R, T> {
    next: u32,
    early: BTreeMap<u32, R>,
    take: T,
}

impl<R, T: FnMut(R)> Waiting<R, T> {
    fn come(&mut self, number: u32, made: R) {
        self.early.insert(number, made);
        while let Some(made) = self.early.remove(&self.next) {
            self.next += 1;
            (self.take)(made);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        let run = |jobs| Crew::new(jobs).expect("threads").in_order(20, |n| n * n);
        assert_eq!(run(0), (0..20).map(|n| n * n).collect::<Vec<_>>());
        assert_eq!((run(1), run(0)), (run(8), run(3)));
    }

    #[test]
    fn whoever_is_done_early_waits_for_his_turn() {
        let done: Vec<AtomicBool> = (0..20).map(|_| AtomicBool::new(false)).collect();
        let make = |number: u32| {
            // Every other one ends after the one behind it.
            while number.is_multiple_of(2) && !done[number as usize + 1].load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            done[number as usize].store(true, Ordering::SeqCst);
            number
        };
        let crew = Crew::new(2).expect("threads");
        assert_eq!(crew.in_order(20, make), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn results_are_handed_on_as_soon_as_their_turn_comes() {
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut most = 0;
        let crew = Crew::new(2).expect("threads");
        crew.fold(
            100,
            |_| begun.fetch_add(1, Ordering::SeqCst),
            |_| {
                most = most.max(begun.load(Ordering::SeqCst) - ended.fetch_add(1, Ordering::SeqCst));
            },
        );
        assert!(most < 90, "{most} were held at once");
    }
}
