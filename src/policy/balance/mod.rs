//! Load balancing inside one cluster: every balancer there is. A new one is its file, its `mod` line and its row.
//! Source: semantics S5.

pub mod balancer;
pub mod connection;
pub mod edf;
pub mod hashed;
pub mod keyed;
pub mod least_request;
pub mod locality;
pub mod maglev;
pub mod modulus;
pub mod priority;
pub mod random;
pub mod ring_hash;
pub mod round_robin;
pub mod schedule;
pub mod sources;

pub use balancer::{Balancer, HostView, Key};

use crate::mesh::policy_spec::BalancerSpec;

/// A balancer by its Envoy name.
pub struct Entry {
    pub name: &'static str,
    /// `seed` is one 64-bit draw, taken when the object of this worker and cluster is made (S18).
    pub build: fn(spec: &BalancerSpec, seed: u64) -> Box<dyn Balancer>,
}

pub const BALANCERS: &[Entry] = &[
    Entry { name: "CONNECTION", build: connection::Connection::build },
    Entry { name: "LEAST_REQUEST", build: least_request::LeastRequest::build },
    Entry { name: "MAGLEV", build: keyed::Keyed::build },
    Entry { name: "RANDOM", build: random::Random::build },
    Entry { name: "RING_HASH", build: keyed::Keyed::build },
    Entry { name: "ROUND_ROBIN", build: round_robin::RoundRobin::build },
];

/// The balancer that `spec` names, or `None` if there is no such row.
pub fn build(spec: &BalancerSpec, seed: u64) -> Option<Box<dyn Balancer>> {
    BALANCERS.iter().find(|entry| entry.name == spec.name).map(|entry| (entry.build)(spec, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_builds() {
        assert!(BALANCERS.is_sorted_by_key(|entry| entry.name));
        for entry in BALANCERS {
            assert!(build(&BalancerSpec::plain(entry.name), 7).is_some());
        }
    }
}
