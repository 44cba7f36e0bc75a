//! Which locality of a priority a pick goes to, where localities have weights. Source: semantics S6.3.

use super::edf::Edf;

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
}
