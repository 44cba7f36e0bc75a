//! How long bytes are on their way. An attempt's leg out is the network plus half of what each proxy on it takes; the
//! leg back is the network again plus the other halves. Source: design D9.1, D9.3.

use crate::kernel::SimDuration;
use crate::kernel::random::{Purpose, draw};
use crate::mesh::{PodId, ProxyId};
use crate::sim::plan::{Plan, SamplerId};

/// The way between a calling proxy and a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    link: SamplerId,
    /// What takes its time on it: the calling proxy, and what stands before the pod.
    caller: Option<SamplerId>,
    server: Option<SamplerId>,
    /// The server's proxy cuts each connection with the first request on it. Source: semantics S13.3.
    pub is_cut: bool,
}

impl Way {
    pub fn new(plan: &Plan<'_>, proxy: ProxyId, pod: PodId, is_cut: bool) -> Way {
        let mesh = plan.mesh;
        Way {
            link: plan.link(proxy, pod),
            caller: plan.proxy_latency(proxy),
            server: plan.data_plane(mesh.workloads[mesh.pods[pod].workload].data_plane),
            is_cut,
        }
    }

    /// From the calling proxy to the pod. `key`: the attempt's.
    #[inline]
    pub fn out(self, plan: &Plan<'_>, key: u64) -> SimDuration {
        if plan.network.is_free {
            return SimDuration::ZERO;
        }
        self.leg(plan, key, Purpose::NetworkOut, 0)
    }

    /// From the pod to the calling proxy.
    #[inline]
    pub fn back(self, plan: &Plan<'_>, key: u64) -> SimDuration {
        if plan.network.is_free {
            return SimDuration::ZERO;
        }
        self.leg(plan, key, Purpose::NetworkBack, 1)
    }

    /// The network, and half of what the proxies take: the rounded-down half on the way out (`way` 0), the rest on
    /// the way back.
    #[inline(never)]
    fn leg(self, plan: &Plan<'_>, key: u64, purpose: Purpose, way: u64) -> SimDuration {
        let half = |sampler, purpose| {
            (plan.sampler(sampler).sample(draw(key, purpose, 0)) + SimDuration::from_nanos(way)) / 2
        };
        let mut sum = plan.sampler(self.link).sample(draw(key, purpose, 0));
        if let Some(caller) = self.caller {
            sum += half(caller, Purpose::ClientProxy);
        }
        if let Some(server) = self.server {
            sum += half(server, Purpose::ServerProxy);
        }
        sum
    }
}

/// From a caller's own proxy to a waypoint's replica, or back, which its call's key draws: the network and half of what
/// the caller's proxy takes. What the replica takes belongs to its attempts. Source: design D9.1; semantics S22.7.
pub fn to_waypoint(plan: &Plan<'_>, ends: (ProxyId, ProxyId), key: u64, purpose: Purpose) -> SimDuration {
    if plan.network.is_free {
        return SimDuration::ZERO;
    }
    let (caller, replica) = ends;
    let link = plan.link_of_proxies(caller, replica);
    let way = Way { link, caller: plan.proxy_latency(caller), server: None, is_cut: false };
    way.leg(plan, key, purpose, u64::from(purpose == Purpose::NetworkBack))
}

/// What a new connection takes until it can carry a request: a round trip for TCP, and one for TLS.
/// `nth` tells the connections that one attempt makes apart. Source: semantics S13.4; design D9.3.
pub fn handshake(plan: &Plan<'_>, way: Way, key: u64, nth: u32, tls: bool) -> SimDuration {
    if plan.network.is_free {
        return SimDuration::ZERO;
    }
    let link = plan.sampler(way.link);
    let first = u64::from(nth) * 4;
    let legs = first..first + if tls { 4 } else { 2 };
    legs.fold(SimDuration::ZERO, |sum, n| sum + link.sample(draw(key, Purpose::Connect, n)))
}

/// What an answer of the proxy's own takes. Source: design D9.1.
pub fn local_reply(plan: &Plan<'_>, proxy: ProxyId, key: u64) -> SimDuration {
    if !plan.has_envoy(proxy) {
        return SimDuration::ZERO;
    }
    plan.sampler(plan.network.proxy).sample(draw(key, Purpose::LocalReply, 0))
}
