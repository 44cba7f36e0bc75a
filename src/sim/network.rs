//! How long bytes are on their way. An attempt's leg out is the network plus half of what each proxy on it takes; the
//! leg back is the network again plus the other halves. Source: design D9.1, D9.3.

use crate::kernel::SimDuration;
use crate::kernel::random::{Purpose, draw};
use crate::mesh::{PodId, ProxyId, ProxyKind};
use crate::sim::plan::Plan;
use crate::sim::world::Attempt;

/// From the calling proxy to the pod.
#[inline]
pub fn leg_out(plan: &Plan<'_>, attempt: &Attempt) -> SimDuration {
    if plan.network.is_free {
        return SimDuration::ZERO;
    }
    leg(plan, attempt, Purpose::NetworkOut, 0)
}

/// From the pod to the calling proxy.
#[inline]
pub fn leg_back(plan: &Plan<'_>, attempt: &Attempt) -> SimDuration {
    if plan.network.is_free {
        return SimDuration::ZERO;
    }
    leg(plan, attempt, Purpose::NetworkBack, 1)
}

#[inline(never)]
fn leg(plan: &Plan<'_>, attempt: &Attempt, purpose: Purpose, way: u64) -> SimDuration {
    let (proxy, pod, key) = (attempt.proxy, attempt.pod, attempt.key);
    plan.link(proxy, pod).sample(draw(key, purpose, 0)) + proxies(plan, proxy, pod, key, way)
}

/// Half of what the proxies take: the rounded-down half on the way out (`way` 0), the rest on the way back.
fn proxies(plan: &Plan<'_>, proxy: ProxyId, pod: PodId, key: u64, way: u64) -> SimDuration {
    let half = |purpose| {
        let whole = plan.sampler(plan.network.proxy).sample(draw(key, purpose, 0));
        (whole + SimDuration::from_nanos(way)) / 2
    };
    let mesh = plan.mesh;
    let mut sum = SimDuration::ZERO;
    if mesh.proxies[proxy].kind != ProxyKind::Bare {
        sum += half(Purpose::ClientProxy);
    }
    if mesh.workloads[mesh.pods[pod].workload].sidecar {
        sum += half(Purpose::ServerProxy);
    }
    sum
}

/// What a new connection takes until it can carry a request: a round trip for TCP, and one for TLS.
/// `nth` tells the connections that one attempt makes apart. Source: semantics S13.4; design D9.3.
pub fn handshake(plan: &Plan<'_>, proxy: ProxyId, pod: PodId, key: u64, nth: u32, tls: bool) -> SimDuration {
    if plan.network.is_free {
        return SimDuration::ZERO;
    }
    let link = plan.link(proxy, pod);
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
