//! Runs independent work on several threads: replications, and what is drawn of them. The only threads of the house:
//! whatever their number, results come in order, so the bytes that are made of them are the same. Source: design D2.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

/// Runs replications 0 to `replications` - 1 on `jobs` threads (0 counts as 1) and returns their results in order.
///
/// `progress` hears how many are done, each time that one is. Once `interrupted` is set no further replication
/// begins; those done by then are returned. Fails if the system gives no threads.
pub fn replicate<R: Send>(
    replications: u32,
    jobs: usize,
    interrupted: &AtomicBool,
    progress: &(dyn Fn(usize) + Sync),
    run_one: impl Fn(u32) -> R + Sync,
) -> Result<Vec<R>, rayon::ThreadPoolBuildError> {
    let done = AtomicUsize::new(0);
    let run = |replication| {
        if interrupted.load(Ordering::Relaxed) {
            return None;
        }
        let result = run_one(replication);
        progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        Some(result)
    };
    Ok(in_order(replications, jobs, run)?.into_iter().flatten().collect())
}

/// What `make` makes of 0 to `count` - 1, in order, on `jobs` threads (0 counts as 1). Fails if the system gives none.
pub fn in_order<R: Send>(
    count: u32,
    jobs: usize,
    make: impl Fn(u32) -> R + Sync,
) -> Result<Vec<R>, rayon::ThreadPoolBuildError> {
    // More threads than there is work would have nothing to do.
    let jobs = jobs.min(count as usize);
    if jobs <= 1 {
        return Ok((0..count).map(make).collect());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
    // Bridged one by one: with chunks, two threads would share 30 replications as 15 and 15 even if one is slower.
    Ok(pool.install(|| (0..count).into_par_iter().with_max_len(1).map(&make).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        let run = |jobs| replicate(20, jobs, &AtomicBool::new(false), &|_| {}, |r| r * r).expect("threads");
        assert_eq!(run(1), (0..20).map(|r| r * r).collect::<Vec<_>>());
        assert_eq!(run(1), run(8));
    }

    #[test]
    fn an_interruption_keeps_what_is_done() {
        let interrupted = AtomicBool::new(false);
        let run = |replication| {
            interrupted.store(replication == 2, Ordering::Relaxed);
            replication
        };
        let results = replicate(10, 1, &interrupted, &|_| {}, run).expect("threads");
        assert_eq!(results, [0, 1, 2]);
    }

    #[test]
    fn progress_hears_of_each() {
        let most = AtomicUsize::new(0);
        let hear = |done| {
            most.fetch_max(done, Ordering::Relaxed);
        };
        replicate(7, 3, &AtomicBool::new(false), &hear, |r| r).expect("threads");
        assert_eq!(most.into_inner(), 7);
    }
}
