//! What a run needs of a client and does not change: samplers and tables that all replications share.

use std::sync::Arc;

use crate::kernel::arrivals::Load;
use crate::kernel::sampler::Sampler;
use crate::kernel::zipf::Zipf;
use crate::mesh::workload::{Class, Client};
use crate::sim::plan::{Parts, SamplerId};

/// What all runs share of a client.
pub struct ClientPlan {
    /// By class: the application's own timeout, as a delay.
    pub timeouts: Vec<u32>,
    /// By class: how long its connections last; `None`: until they are broken off.
    pub lives: Vec<Option<SamplerId>>,
    /// Gaps between the births of an open loop, where they are random.
    pub gap: Option<Arc<Sampler>>,
    /// A closed loop's users think so long.
    pub think: Option<SamplerId>,
    pub population: Option<Zipf>,
}

impl ClientPlan {
    pub(super) fn new(client: &Client, parts: &mut Parts<'_>) -> ClientPlan {
        let think = match &client.load {
            Load::Closed { think, .. } => Some(parts.sampler(think)),
            _ => None,
        };
        let mut life = |class: &Class| Some(parts.sampler(class.connect.as_ref()?.lasts.as_ref()?));
        let lives = client.classes.iter().map(&mut life).collect();
        let population = client.users.as_ref().map(|users| match users.zipf {
            Some(exponent) => Zipf::new(users.count.get(), exponent),
            None => Zipf::uniform(users.count.get()),
        });
        ClientPlan {
            timeouts: client.classes.iter().map(|class| parts.delay(class.timeout)).collect(),
            lives,
            gap: client.load.gap().map(|law| Arc::new(Sampler::new(&law))),
            think,
            population,
        }
    }
}
