//! The limits that a pod's own sidecar keeps for all callers together: circuit breakers of one inbound cluster, with a
//! pool to the application for each worker. Source: semantics S1.2, S7.4.

use crate::kernel::SimTime;
use crate::kernel::random::{Purpose, draw};
use crate::mesh::policy_spec::CircuitBreakers;
use crate::policy::pool::{Breakers, Connections, Pool, Rules};

/// No pool of a caller: whose connections these are.
const NOBODY: u32 = u32::MAX;

/// The inbound cluster of one port at one pod.
pub struct Gate {
    pub breakers: Breakers,
    pub rules: Rules,
    /// By worker.
    pub pools: Vec<Pool>,
}

/// What an attempt has of its gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    /// Nothing: there is no gate, or the attempt has left it.
    #[default]
    None,
    /// It waits for a connection of this gate.
    Waits(u32),
    /// It has a stream on this connection of this gate.
    Through(u32, u32),
    /// It waited, and found the limit of requests full when its turn came.
    Refused,
    /// It waits to be tried again; so often it has been or will be.
    Again(u32),
}

impl Gate {
    pub fn new(limits: &CircuitBreakers, rules: Rules, workers: u32) -> Gate {
        let pools = (0..workers).map(|_| Pool::default()).collect();
        Gate { breakers: Breakers::new(limits), rules, pools }
    }

    /// The worker at which a caller's connection came in. `key`: the attempt's. Source: design D9.5.
    pub fn worker(&self, key: u64) -> usize {
        (draw(key, Purpose::InboundWorker, 0) % self.pools.len() as u64) as usize
    }

    /// Makes the connections that a worker's line wants now; they are ready at once (design D9.3). Returns how often the
    /// limit was found full.
    pub fn connect(&mut self, worker: usize, connections: &mut Connections, now: SimTime) -> u32 {
        let wanted = |gate: &Gate| gate.pools[worker].wanted(&gate.breakers, gate.rules);
        let (mut granted, mut overflows) = wanted(self);
        if overflows > 0 {
            for pool in &mut self.pools {
                pool.expire(&mut self.breakers, connections, now);
            }
            (granted, overflows) = wanted(self);
        }
        let pool = &mut self.pools[worker];
        for _ in 0..granted {
            let made = pool.connect(&mut self.breakers, connections, NOBODY);
            pool.connected(connections, self.rules, made, now);
        }
        overflows
    }
}
