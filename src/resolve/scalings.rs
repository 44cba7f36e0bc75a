//! What the timeline does to numbers of pods: Deployments that come, change their `replicas` and go with the timeline, and
//! `set: workloads.NAME.replicas=N`. Source: design D9.17.

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::config::document::RawObject;
use crate::config::timeline::Replicas;
use crate::kernel::SimTime;

/// Kinds that start pods.
pub const CONTROLLERS: [&str; 3] = ["Deployment", "StatefulSet", "ReplicaSet"];

/// What the timeline does to the number of a workload's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It was not there before; of what the object says.
    Comes(u32),
    Becomes(u32),
}

/// With its number in the timeline, which orders those of one instant.
pub type NumberedAct = (usize, SimTime, Act);

/// Everything that it does, in its order.
#[derive(Clone, Debug, Default)]
pub struct Scalings {
    /// By namespace and name of the object.
    pub objects: BTreeMap<(String, String), Vec<NumberedAct>>,
    /// By the workload's name as the scenario writes it.
    pub orders: Vec<(usize, SimTime, Replicas)>,
    count: usize,
}

impl Scalings {
    /// An object is applied over what was there of it. Returns whether anything but its number of pods changes.
    pub fn apply(&mut self, at: SimTime, home: &str, object: &RawObject, before: Option<&RawObject>) -> bool {
        let (now, was) = (replicas(object), before.map(replicas));
        match was {
            None => self.note(at, home, object, Act::Comes(now)),
            Some(was) if was != now => self.note(at, home, object, Act::Becomes(now)),
            Some(_) => {}
        }
        before.is_some_and(|before| rest(before) != rest(object))
    }

    pub fn delete(&mut self, at: SimTime, home: &str, object: &RawObject) {
        self.note(at, home, object, Act::Becomes(0));
    }

    pub fn order(&mut self, at: SimTime, order: &Replicas) {
        self.count += 1;
        self.orders.push((self.count, at, order.clone()));
    }

    fn note(&mut self, at: SimTime, home: &str, object: &RawObject, act: Act) {
        self.count += 1;
        let namespace = object.namespace.clone().unwrap_or_else(|| home.to_owned());
        self.objects.entry((namespace, object.name.clone())).or_default().push((self.count, at, act));
    }
}

fn replicas(object: &RawObject) -> u32 {
    let written = object.value.get("spec").and_then(|spec| spec.get("replicas")?.as_u64());
    written.map_or(1, |pods| u32::try_from(pods).unwrap_or(u32::MAX))
}

/// All that it says of its pods but their number.
fn rest(object: &RawObject) -> Value {
    let mut spec = object.value.get("spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_mapping_mut() {
        spec.remove("replicas");
    }
    spec
}
