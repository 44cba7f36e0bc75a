//! What the settings of the whole mesh say where objects are silent. Source: semantics S4.5, S7.2, S9.1.

use super::note::Notes;
use super::object::Object;
use crate::config::istio::destination_rule::Blocks;
use crate::config::istio::istio_operator::{IstioOperator, MeshConfig};
use crate::config::istio::virtual_service::Retries;
use crate::kernel::SimDuration;

/// The settings that hold in one state of the configuration; without any, Istio's own defaults do.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeshWide<'a> {
    config: Option<&'a MeshConfig>,
    at_waypoint: bool,
}

impl<'a> MeshWide<'a> {
    /// A mesh has one such object: of several the first by name counts.
    pub fn of(objects: &'a [Object<IstioOperator>]) -> MeshWide<'a> {
        let config = objects.first().and_then(|object| object.spec.mesh_config.as_ref());
        MeshWide { config, at_waypoint: false }
    }

    /// As a waypoint goes by them: without the default policy. Source: semantics S4.5.
    pub fn at_waypoint(self, at_waypoint: bool) -> MeshWide<'a> {
        MeshWide { at_waypoint, ..self }
    }

    /// For blocks that no rule sets.
    pub fn blocks(self) -> Blocks<'a> {
        let policy = self.config.and_then(|config| config.default_traffic_policy.as_ref());
        policy.filter(|_| !self.at_waypoint).map_or_else(Blocks::default, |policy| policy.blocks())
    }

    /// For routes that say nothing of retries.
    pub fn retries(self) -> Option<&'a Retries> {
        self.config?.default_http_retry_policy.as_ref()
    }

    /// For servers towards their applications.
    pub fn inbound_retries(self) -> Option<&'a Retries> {
        self.config?.default_inbound_http_retry_policy.as_ref()
    }

    pub fn connect_timeout(self) -> Option<SimDuration> {
        self.config?.connect_timeout.as_ref().and_then(|timeout| timeout.parse().ok())
    }
}

/// Tells those that do not count.
pub fn tell(objects: &[Object<IstioOperator>], notes: &mut Notes<'_>) {
    let Some((first, others)) = objects.split_first() else { return };
    for object in others {
        let why = format!("{} comes before it, and a mesh has one", first.title());
        notes.without_effect(&object.title(), object.span(notes, "metadata.name"), why);
    }
}
