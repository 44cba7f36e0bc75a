//! What a run needs of a client and does not change: samplers and tables that all replications share.

use std::sync::Arc;

use crate::kernel::arrivals::Load;
use crate::kernel::random::{Purpose, draw, place_of};
use crate::kernel::sampler::Sampler;
use crate::kernel::zipf::Zipf;
use crate::mesh::workload::{Class, Client, ClientKind, PodLife};
use crate::mesh::{Mesh, ProxyId};
use crate::sim::plan::{NIL, Parts, SamplerId};

/// What all runs share of a client.
pub struct ClientPlan<'m> {
    /// By class: the application's own timeout, as a delay.
    pub timeouts: Vec<u32>,
    /// By class: how long its connections last; `None`: until they are broken off.
    pub lives: Vec<Option<SamplerId>>,
    /// Gaps between the births of an open loop, where they are random.
    pub gap: Option<Arc<Sampler>>,
    /// A closed loop's users think so long.
    pub think: Option<SamplerId>,
    pub population: Option<Zipf>,
    /// Of the workload in whose pods it starts, if their number changes.
    pub life: Option<&'m PodLife>,
}

/// Where a request comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub proxy: ProxyId,
    /// Its worker there, where the connection settles that; else [`ANY_WORKER`].
    pub worker: u16,
}

/// One is to be drawn.
pub const ANY_WORKER: u16 = u16::MAX;

impl Entry {
    /// Of a request of this fate: by a proxy drawn for it, or by its connection, which is drawn for it unless a user of a
    /// closed loop keeps to one. `proxies`: those of its that serve. A connection's worker is the kernel's choice; without Envoy there are no workers, and the
    /// connections of a pod take their place. `root`: the client's. Source: design D9.5, D9.6; semantics S16.1.
    pub fn of(client: &Client, proxies: &[ProxyId], workers: u32, root: u64, fate: u64, user: u32) -> Entry {
        let pick = |purpose, count| place_of(draw(fate, purpose, 0), count);
        let Some(connections) = client.connections else {
            let nth = if proxies.len() == 1 { 0 } else { pick(Purpose::ClientPod, proxies.len()) };
            return Entry { proxy: proxies[nth], worker: ANY_WORKER };
        };
        let count = connections.count.get() as usize;
        let nth = if user == NIL { pick(Purpose::Connection, count) } else { user as usize % count };
        let worker = if connections.pin_hosts {
            nth / client.proxies.len()
        } else {
            (draw(root, Purpose::ConnectionWorker, nth as u64) % u64::from(workers)) as usize
        };
        Entry { proxy: proxies[nth % proxies.len()], worker: worker as u16 }
    }
}

/// Connections that a proxy of this client keeps to hosts of their own, if it keeps any.
pub fn pinned(client: &Client) -> Option<u32> {
    let connections = client.connections.filter(|connections| connections.pin_hosts)?;
    Some(connections.count.get().div_ceil(client.proxies.len() as u32))
}

impl<'m> ClientPlan<'m> {
    pub(super) fn new(mesh: &'m Mesh, client: &Client, parts: &mut Parts<'_>) -> ClientPlan<'m> {
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
            life: match client.kind {
                ClientKind::Workload(id) => Some(&mesh.workloads[id].life),
                ClientKind::Gateway(_) | ClientKind::Sidecar => None,
            }
            .filter(|life| !life.scalings.is_empty()),
        }
    }
}
