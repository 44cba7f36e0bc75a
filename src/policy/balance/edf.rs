//! Earliest deadline first: Envoy's weighted scheduler. A host of weight w comes up every 1/w of virtual time.
//! Exact to the last bit, construction included. Source: semantics S5.4.

/// Added to each weight while a scheduler is built; it decides among equal deadlines.
const NUDGE: f64 = 1e-13;
/// Picks that a new scheduler skips are taken modulo this.
const MOST_SKIPPED: u64 = 429_496_729;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Turn {
    deadline: f64,
    order: u64,
    host: u32,
}

impl Turn {
    fn is_before(&self, other: &Turn) -> bool {
        self.deadline < other.deadline || (self.deadline == other.deadline && self.order < other.order)
    }
}

/// A binary heap of turns: the earliest on top.
#[derive(Clone, Debug)]
pub struct Edf {
    turns: Vec<Turn>,
    now: f64,
    order: u64,
}

impl Edf {
    /// A scheduler as if `seed` mod 429,496,729 picks had been made. `weight` must be positive.
    pub fn new(hosts: &[u32], seed: u64, weight: impl Fn(u32) -> f64) -> Edf {
        let skipped = (seed % MOST_SKIPPED) as f64;
        let weights: Vec<f64> = hosts.iter().map(|host| weight(*host) + NUDGE).collect();
        let sum: f64 = weights.iter().sum();
        let mut edf = Edf { turns: Vec::with_capacity(hosts.len()), now: 0.0, order: 0 };
        let mut left = (seed % MOST_SKIPPED) as i64;
        for (host, w) in hosts.iter().zip(&weights) {
            let mut done = (w * skipped / sum).trunc();
            if done > 0.0 && done / w >= skipped / sum {
                done -= 1.0;
            }
            left -= done as i64;
            edf.now = edf.now.max(done / w);
            edf.push((done + 1.0) / w, *host);
        }
        for _ in 0..left {
            edf.pick(&weight);
        }
        edf
    }

    fn push(&mut self, deadline: f64, host: u32) {
        let order = self.order;
        self.order += 1;
        self.turns.push(Turn { deadline, order, host });
        let mut child = self.turns.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.turns[child].is_before(&self.turns[parent]) {
                break;
            }
            self.turns.swap(child, parent);
            child = parent;
        }
    }

    /// The host whose turn it is; its next turn comes by its weight of this moment.
    pub fn pick(&mut self, weight: impl Fn(u32) -> f64) -> Option<u32> {
        let top = *self.turns.first()?;
        self.now = top.deadline;
        let next = Turn { deadline: self.now + 1.0 / weight(top.host), order: self.order, host: top.host };
        self.order += 1;
        self.replace_top(next);
        Some(top.host)
    }

    fn replace_top(&mut self, turn: Turn) {
        let mut hole = 0;
        loop {
            let (left, right) = (2 * hole + 1, 2 * hole + 2);
            if left >= self.turns.len() {
                break;
            }
            let is_right = right < self.turns.len() && self.turns[right].is_before(&self.turns[left]);
            let child = if is_right { right } else { left };
            if !self.turns[child].is_before(&turn) {
                break;
            }
            self.turns[hole] = self.turns[child];
            hole = child;
        }
        self.turns[hole] = turn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(weights: &[f64], seed: u64, count: usize) -> Vec<u32> {
        let hosts: Vec<u32> = (0..weights.len() as u32).collect();
        let weight = |host: u32| weights[host as usize];
        let mut edf = Edf::new(&hosts, seed, weight);
        (0..count).filter_map(|_| edf.pick(weight)).collect()
    }

    #[test]
    fn follows_envoys_sequences() {
        assert_eq!(picks(&[1.0, 2.0], 0, 6), [1, 0, 1, 1, 0, 1]);
        assert_eq!(picks(&[1.0, 2.0], 1, 6), [0, 1, 1, 0, 1, 1]);
        assert_eq!(picks(&[5.0, 3.0, 2.0], 0, 10), [0, 1, 0, 2, 0, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn each_host_comes_up_as_often_as_it_weighs() {
        let drawn = picks(&[6.0, 3.0, 1.0], 12_345, 1_000);
        let counts = [0, 1, 2].map(|host| drawn.iter().filter(|picked| **picked == host).count());
        assert_eq!(counts, [600, 300, 100]);
    }

    #[test]
    fn nobody_has_a_turn_among_no_hosts() {
        assert_eq!(picks(&[], 5, 1), [0u32; 0]);
    }
}
