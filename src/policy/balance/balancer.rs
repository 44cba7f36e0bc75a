//! The balancer's contract: what it is shown, and what it answers.

use super::hashed::Table;
use crate::kernel::SimTime;
use crate::kernel::random::Draw;

/// A request's place in its cluster's table of keys. Source: semantics S5.7 to S5.9.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub table: &'a Table,
    pub hash: u64,
    /// Picks of this attempt that were refused so far. Source: semantics S9.6.
    pub attempt: u32,
}

/// What a balancer may know when it picks. Hosts are numbered by their place in the cluster.
#[derive(Clone, Copy, Debug)]
pub struct HostView<'a> {
    /// Streams on connections of each host, over all workers of this proxy. Source: semantics S5.3.
    pub active: &'a [u32],
    /// At least 1 each.
    pub weights: &'a [u32],
    /// Hosts that may be picked, in host order.
    pub available: &'a [u32],
    /// Changes whenever `available` or the members of the cluster do; not for weights alone (S5.4).
    pub generation: u32,
    /// Which host source `available` is (a priority's healthy hosts, or all of them in panic): small numbers from 0.
    /// Each has its own place in the sequence. Source: semantics S5.1.
    pub source: u32,
    pub now: SimTime,
    /// When this proxy first saw each host healthy; `SimTime::ZERO`: long ago. Empty where the cluster has no slow
    /// start. Source: semantics S6.7; design D9.4.
    pub first_healthy: &'a [SimTime],
    /// For balancers with a table, and for them alone.
    pub key: Option<Key<'a>>,
}

/// One object per (worker, cluster) of a proxy.
pub trait Balancer: Send {
    /// Picks the host for one attempt; `None` if there is none to pick. The first number of `draw` is the one that
    /// has chosen the priority, candidates follow. Source: semantics S18.
    fn pick(&mut self, view: &HostView<'_>, draw: &mut Draw<'_>) -> Option<u32>;

    /// Takes notice of a change of hosts at once, as Envoy does. Without it the change is noticed at the next pick,
    /// with the loads and slow-start weights of that moment.
    fn refresh(&mut self, _view: &HostView<'_>) {}
}
