//! Requests that a retry budget counts though they are over: those that began within its look-back.
//! Source: semantics S9.7.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::kernel::{SimDuration, SimTime};

/// What one cluster's budget at one proxy remembers.
#[derive(Debug)]
pub struct LookBack {
    interval: SimDuration,
    /// When those that are over began, the oldest on top.
    begun: BinaryHeap<Reverse<SimTime>>,
}

impl LookBack {
    /// `None`: the budget counts the requests of the moment alone.
    pub fn new(interval: SimDuration) -> Option<LookBack> {
        (!interval.is_zero()).then(|| LookBack { interval, begun: BinaryHeap::new() })
    }

    /// A request that began then is over now.
    pub fn ended(&mut self, begun: SimTime, now: SimTime) {
        self.begun.push(Reverse(begun));
        self.forget(now);
    }

    /// How many that are over began so lately that they count.
    pub fn count(&mut self, now: SimTime) -> u32 {
        self.forget(now);
        self.begun.len() as u32
    }

    fn forget(&mut self, now: SimTime) {
        while self.begun.peek().is_some_and(|Reverse(begun)| now.since(*begun) > self.interval) {
            self.begun.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    #[test]
    fn what_is_over_counts_from_its_beginning_on() {
        assert!(LookBack::new(SimDuration::ZERO).is_none());
        let mut budget = LookBack::new(SimDuration::from_millis(100)).unwrap();
        budget.ended(at(50), at(60));
        budget.ended(at(0), at(90));
        assert_eq!((budget.count(at(100)), budget.count(at(101))), (2, 1));
        assert_eq!((budget.count(at(150)), budget.count(at(151))), (1, 0));
        // One that took longer than that counts no more when it ends.
        budget.ended(at(100), at(300));
        assert_eq!(budget.count(at(300)), 0);
    }
}
