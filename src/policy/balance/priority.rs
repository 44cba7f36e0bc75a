//! How traffic is shared among priorities, and when a priority panics and uses all its hosts. Source: semantics S6.1,
//! S6.2, S9.6 (previous priorities).

/// Envoy's overprovisioning factor: a priority keeps all its traffic down to 1/1.4 of its hosts.
pub const OVERPROVISIONING: u32 = 140;

/// The hosts of one priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriorityHosts {
    pub hosts: u32,
    pub healthy: u32,
    /// Istio has none.
    pub degraded: u32,
    /// Neither counted nor picked; Istio has none.
    pub excluded: u32,
}

impl PriorityHosts {
    fn counted(&self) -> u32 {
        self.hosts.saturating_sub(self.excluded)
    }

    /// Per cent that `available` hosts count for, overprovisioning included.
    fn percent(&self, available: u32, overprovisioning: u32) -> u32 {
        let scaled = u64::from(overprovisioning) * u64::from(available);
        let percent = scaled.checked_div(u64::from(self.counted())).unwrap_or(0);
        percent.min(100) as u32
    }

    fn is_below(&self, threshold: u32) -> bool {
        let available = f64::from(self.healthy + self.degraded);
        let percent = if self.counted() == 0 { 0.0 } else { 100.0 * available / f64::from(self.counted()) };
        percent < f64::from(threshold)
    }
}

/// Shares of traffic by priority, in per cent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    pub healthy: Vec<u32>,
    pub degraded: Vec<u32>,
    /// Whether the priority picks among all its hosts.
    pub panic: Vec<bool>,
}

/// Which of a priority's hosts a choice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    Healthy,
    Degraded,
}

impl Loads {
    /// `panic_threshold` is in per cent, 0 = off. Source: semantics S6.1, S6.2.
    pub fn new(priorities: &[PriorityHosts], panic_threshold: u32, overprovisioning: u32) -> Loads {
        let (healthy, degraded) = percents(priorities, overprovisioning);
        let total = total(&healthy, &degraded);
        let mut loads = distribute(&healthy, &degraded, total);
        loads.panic = vec![false; priorities.len()];
        if panic_threshold == 0 && total == 0 {
            // Nobody to turn to: the first priority is chosen and has no host.
            if let Some(first) = loads.healthy.first_mut() {
                *first = 100;
            }
        } else if total < 100 {
            loads.panic = priorities.iter().map(|hosts| hosts.is_below(panic_threshold)).collect();
            if loads.panic.iter().all(|panics| *panics) {
                loads.share_by_hosts(priorities);
            }
        }
        loads
    }

    fn share_by_hosts(&mut self, priorities: &[PriorityHosts]) {
        let all: u64 = priorities.iter().map(|priority| u64::from(priority.hosts)).sum();
        let share = |hosts: u32| (100 * u64::from(hosts)).checked_div(all).unwrap_or(0) as u32;
        self.healthy = priorities.iter().map(|priority| share(priority.hosts)).collect();
        self.degraded.fill(0);
        let rest = 100 - self.healthy.iter().sum::<u32>();
        let first = priorities.iter().position(|priority| priority.hosts > 0).unwrap_or(0);
        if let Some(load) = self.healthy.get_mut(first) {
            *load += rest;
        }
    }

    /// The priority of one pick. `draw` is the pick's first number, or for hash balancers the hash. `None` where no
    /// priority carries anything. Source: semantics S6.1, S5.10.
    pub fn choose(&self, draw: u64) -> Option<(usize, Availability)> {
        let mut left = draw % 100;
        for (loads, kind) in
            [(&self.healthy, Availability::Healthy), (&self.degraded, Availability::Degraded)]
        {
            for (priority, load) in loads.iter().enumerate() {
                if left < u64::from(*load) {
                    return Some((priority, kind));
                }
                left -= u64::from(*load);
            }
        }
        None
    }
}

fn percents(priorities: &[PriorityHosts], overprovisioning: u32) -> (Vec<u32>, Vec<u32>) {
    let percent = |hosts: &PriorityHosts, available| hosts.percent(available, overprovisioning);
    let healthy = priorities.iter().map(|hosts| percent(hosts, hosts.healthy)).collect();
    let degraded = priorities.iter().map(|hosts| percent(hosts, hosts.degraded)).collect();
    (healthy, degraded)
}

fn total(healthy: &[u32], degraded: &[u32]) -> u32 {
    healthy.iter().chain(degraded).sum::<u32>().min(100)
}

/// Hands out 100 % in order; what truncation leaves goes to the first that has any.
fn distribute(healthy: &[u32], degraded: &[u32], total: u32) -> Loads {
    let mut remaining = 100;
    let mut hand_out = |percent: &u32| {
        let load = (percent * 100).checked_div(total).unwrap_or(0).min(remaining);
        remaining -= load;
        load
    };
    let mut loads = Loads {
        healthy: healthy.iter().map(&mut hand_out).collect(),
        degraded: degraded.iter().map(&mut hand_out).collect(),
        panic: Vec::new(),
    };
    if total > 0 {
        match healthy.iter().position(|percent| *percent > 0) {
            Some(first) => loads.healthy[first] += remaining,
            None => {
                let first = degraded.iter().position(|percent| *percent > 0).expect("the total is not 0");
                loads.degraded[first] += remaining;
            }
        }
    }
    loads
}

/// Leaves the priorities that a call has tried, for `retryRemoteLocalities`. Source: semantics S9.6.
#[derive(Clone, Debug)]
pub struct PreviousPriorities {
    update_frequency: u32,
    attempts: u32,
    excluded: Vec<bool>,
    tried: Vec<usize>,
    current: Option<Loads>,
}

impl PreviousPriorities {
    /// `update_frequency`: attempts between two changes; Istio writes 2.
    pub fn new(update_frequency: u32) -> PreviousPriorities {
        let (attempts, current) = (0, None);
        let (excluded, tried) = (Vec::new(), Vec::new());
        PreviousPriorities { update_frequency: update_frequency.max(1), attempts, excluded, tried, current }
    }

    /// An attempt went to `priority`: the loads for the next. When all are tried, it starts over.
    pub fn attempted(&mut self, priority: usize, priorities: &[PriorityHosts], original: &Loads) -> Loads {
        self.attempts += 1;
        self.tried.push(priority);
        if self.attempts.is_multiple_of(self.update_frequency) {
            self.excluded.resize(priorities.len(), false);
            for tried in self.tried.drain(..) {
                self.excluded[tried] = true;
            }
            self.current = self.remaining(priorities);
        }
        self.current.clone().unwrap_or_else(|| original.clone())
    }

    fn remaining(&mut self, priorities: &[PriorityHosts]) -> Option<Loads> {
        for _ in 0..2 {
            let (mut healthy, mut degraded) = percents(priorities, OVERPROVISIONING);
            for (priority, is_excluded) in self.excluded.iter().enumerate() {
                if *is_excluded {
                    (healthy[priority], degraded[priority]) = (0, 0);
                }
            }
            let total = total(&healthy, &degraded);
            if total > 0 {
                return Some(distribute(&healthy, &degraded, total));
            }
            self.excluded.fill(false);
            self.attempts = 0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(hosts: u32, healthy: u32) -> PriorityHosts {
        PriorityHosts { hosts, healthy, ..PriorityHosts::default() }
    }

    #[test]
    fn a_priority_spills_over_below_five_sevenths() {
        let loads =
            |healthy| Loads::new(&[hosts(100, healthy), hosts(100, 100)], 0, OVERPROVISIONING).healthy;
        assert_eq!(loads(72), [100, 0]);
        assert_eq!(loads(71), [99, 1]);
        assert_eq!(loads(25), [35, 65]);
        assert_eq!(loads(0), [0, 100]);
    }

    #[test]
    fn panic_needs_a_threshold_and_too_few_in_total() {
        let panic = |threshold| Loads::new(&[hosts(5, 1)], threshold, OVERPROVISIONING).panic;
        assert_eq!(panic(50), [true]);
        assert_eq!(panic(0), [false]);
        assert_eq!(Loads::new(&[hosts(5, 1), hosts(5, 5)], 50, OVERPROVISIONING).panic, [false, false]);
        assert_eq!(Loads::new(&[hosts(5, 0)], 0, OVERPROVISIONING).healthy, [100]);
    }

    #[test]
    fn a_choice_falls_in_proportion() {
        let loads = Loads::new(&[hosts(4, 1), hosts(2, 2)], 50, OVERPROVISIONING);
        let first = (0..100).filter(|draw| loads.choose(*draw) == Some((0, Availability::Healthy)));
        assert_eq!(first.count(), 35);
        assert_eq!(Loads::default().choose(3), None);
    }

    #[test]
    fn with_a_frequency_of_two_each_priority_is_tried_twice() {
        let both = [hosts(2, 2), hosts(2, 2)];
        let original = Loads::new(&both, 0, OVERPROVISIONING);
        let mut previous = PreviousPriorities::new(2);
        let mut tried = vec![0];
        for _ in 0..5 {
            let last = *tried.last().expect("one at least");
            let (next, _) = previous.attempted(last, &both, &original).choose(0).expect("a priority");
            tried.push(next);
        }
        assert_eq!(tried, [0, 0, 1, 1, 0, 0]);
    }
}
