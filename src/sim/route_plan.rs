//! A route, ready to run.

use crate::kernel::random::{Purpose, draw, name_hash};
use crate::mesh::Mesh;
use crate::mesh::policy_spec::{FaultSpec, RetrySpec};
use crate::mesh::routing::{Destination, Mirror, Route, ServiceRef};
use crate::policy::split;

/// One route.
pub struct RoutePlan<'m> {
    pub route: &'m Route,
    pub destinations: &'m [Destination],
    /// Number of the first among those of all routes.
    pub first_destination: u32,
    /// Sum of the weights; 0 where there is no choice.
    pub total_weight: u64,
    /// Status that the proxy answers itself; 0: it forwards.
    pub respond: u16,
    pub fault: Option<&'m FaultSpec>,
    pub retry: Option<&'m RetrySpec>,
    /// How often it may be tried again.
    pub retries: u16,
    /// Some request looks different behind it.
    pub changes_shape: bool,
    pub mirrors: Vec<MirrorPlan<'m>>,
    /// Rows of `delays`, or `NIL`.
    pub timeout: u32,
    pub per_try: u32,
    /// A plain 200 may be tried again, if somebody asks for that.
    pub retries_ok: bool,
}

impl RoutePlan<'_> {
    /// Which destination a call takes: by weight, once for all of its tries. Source: semantics S3.
    #[inline(always)]
    pub fn chosen(&self, key: u64) -> usize {
        chosen(self.destinations, self.total_weight, key)
    }
}

/// The place of the destination that a call or connection of this key takes; the first if their weights add up to 0.
#[inline(always)]
pub fn chosen(destinations: &[Destination], total_weight: u64, key: u64) -> usize {
    if total_weight == 0 {
        return 0;
    }
    let weights = destinations.iter().map(|destination| destination.weight);
    let stream_id = draw(key, Purpose::StreamId, 0);
    split::pick_of(weights, total_weight, stream_id).expect("the weights add up")
}

/// One mirror of a route. Source: semantics S12.
pub struct MirrorPlan<'m> {
    pub mirror: &'m Mirror,
    /// Of its destination: part of its copies' keys. Source: design D2.
    pub name_hash: u64,
}

impl<'m> MirrorPlan<'m> {
    pub fn new(mesh: &Mesh, mirror: &'m Mirror) -> MirrorPlan<'m> {
        let service = match &mirror.service {
            ServiceRef::Known(service) => &mesh.services[*service].host,
            ServiceRef::Unknown(name) => name,
        };
        MirrorPlan { mirror, name_hash: name_hash(&format!("{service}:{}/{}", mirror.port, mirror.subset)) }
    }
}
