//! Which locality of a priority a pick goes to, where localities have weights. Source: semantics S6.3.

use super::edf::Edf;
use super::priority::OVERPROVISIONING;

/// A locality of one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalityHosts {
    pub weight: u32,
    pub hosts: u32,
    pub healthy: u32,
}

impl LocalityHosts {
    /// Its weight as far as it is healthy: all of it down to 1/1.4 of its hosts.
    pub fn effective_weight(&self, overprovisioning: u32) -> f64 {
        if self.hosts == 0 {
            return 0.0;
        }
        let factor = f64::from(overprovisioning) / 100.0;
        f64::from(self.weight) * (factor * f64::from(self.healthy) / f64::from(self.hosts)).min(1.0)
    }
}

/// Weighted turns among localities.
#[derive(Clone, Debug)]
pub struct Localities {
    edf: Edf,
    weights: Vec<f64>,
}

impl Localities {
    /// `seed` is a fresh draw at each change of hosts.
    pub fn new(localities: &[LocalityHosts], overprovisioning: u32, seed: u64) -> Localities {
        let weights: Vec<f64> = localities.iter().map(|l| l.effective_weight(overprovisioning)).collect();
        let live: Vec<u32> =
            (0..weights.len() as u32).filter(|place| weights[*place as usize] > 0.0).collect();
        Localities { edf: Edf::new(&live, seed, |place| weights[place as usize]), weights }
    }

    /// The next locality; `None`: no locality has weight, so all healthy hosts of the priority are one.
    pub fn pick(&mut self) -> Option<u32> {
        self.edf.pick(|place| self.weights[place as usize])
    }
}

/// A worker's turns among the localities of each priority.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Of the hosts that they were made for.
    generation: u32,
    by_priority: Vec<Option<Localities>>,
}

impl Turns {
    /// Whose turn it is. `seed` begins a new sequence, for changed hosts. Source: semantics S6.3.
    pub fn next(
        &mut self,
        generation: u32,
        priority: usize,
        localities: &[LocalityHosts],
        seed: impl FnOnce() -> u64,
    ) -> Option<u32> {
        if self.generation != generation {
            self.by_priority.clear();
            self.generation = generation;
        }
        if self.by_priority.len() <= priority {
            self.by_priority.resize_with(priority + 1, || None);
        }
        let turns = self.by_priority[priority]
            .get_or_insert_with(|| Localities::new(localities, OVERPROVISIONING, seed()));
        turns.pick()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(first: LocalityHosts, second: LocalityHosts) -> usize {
        let mut localities = Localities::new(&[first, second], 140, 0);
        (0..300).filter(|_| localities.pick() == Some(0)).count()
    }

    #[test]
    fn a_locality_loses_traffic_below_five_sevenths() {
        let (weight, hosts) = (1, 100);
        let second = LocalityHosts { weight: 2, hosts: 1, healthy: 1 };
        assert_eq!(share(LocalityHosts { weight, hosts, healthy: 100 }, second), 100);
        assert_eq!(share(LocalityHosts { weight, hosts, healthy: 72 }, second), 100);
        assert!(share(LocalityHosts { weight, hosts, healthy: 50 }, second) < 80);
        assert_eq!(share(LocalityHosts { weight, hosts, healthy: 0 }, second), 0);
        assert_eq!(Localities::new(&[], 140, 0).pick(), None);
    }

    #[test]
    fn turns_begin_anew_with_each_change_of_hosts() {
        let two = [
            LocalityHosts { weight: 3, hosts: 1, healthy: 1 },
            LocalityHosts { weight: 1, hosts: 1, healthy: 1 },
        ];
        let mut turns = Turns::default();
        let mut next = |generation, seed| turns.next(generation, 1, &two, || seed).unwrap();
        let plain: Vec<u32> = (0..8).map(|_| next(0, 0)).collect();
        assert_eq!(plain, [0, 0, 1, 0, 0, 0, 1, 0]);
        // A seed counts only where a sequence begins.
        assert_eq!(next(0, 2), 0);
        assert_eq!(next(1, 2), 1);
    }
}
