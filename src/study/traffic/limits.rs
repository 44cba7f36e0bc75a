//! How many proxies carry each limit. A limit is kept per proxy, so callers multiply it: what textbooks leave out.
//! Source: semantics S0.3, S7.1.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::facts::{Detector, Limit};
use crate::kernel::SimTime;
use crate::mesh::policy_spec::CircuitBreakers;
use crate::mesh::{ClusterId, Mesh};

/// Istio's name and the value of each limit that is set.
fn fields(breakers: &CircuitBreakers) -> Vec<(&'static str, u32)> {
    let all = [
        ("maxConnections", breakers.max_connections),
        ("http1MaxPendingRequests", breakers.max_pending_requests),
        ("http2MaxRequests", breakers.max_requests),
        ("maxRetries", breakers.max_retries),
    ];
    all.into_iter().filter(|(_, each)| *each != u32::MAX).collect()
}

/// The callers that send to each cluster, with the number of their proxies.
#[derive(Debug, Default)]
pub(super) struct Carriers {
    callers: BTreeMap<ClusterId, BTreeMap<String, usize>>,
}

impl Carriers {
    pub fn add(&mut self, cluster: ClusterId, (caller, proxies): &(String, usize)) {
        self.callers.entry(cluster).or_default().insert(caller.clone(), *proxies);
    }

    /// Limits that were set, and outlier detectors, for each caller that is there at a moment.
    pub fn told(&self, mesh: &Mesh, moment: SimTime) -> (Vec<Limit>, Vec<Detector>) {
        let (mut limits, mut detectors) = (Vec::new(), Vec::new());
        for (id, callers) in &self.callers {
            let cluster = &mesh.clusters[*id];
            let service = mesh.services[cluster.service].name.clone();
            for (caller, proxies) in callers.iter().filter(|(_, proxies)| **proxies > 0) {
                for (field, each) in fields(&cluster.breakers) {
                    limits.push(Limit {
                        service: service.clone(),
                        subset: cluster.subset.clone(),
                        field,
                        each,
                        caller: caller.clone(),
                        proxies: *proxies,
                        is_inbound: false,
                    });
                }
                let Some(outlier) = &cluster.outlier else { continue };
                let counts = outlier.consecutive_5xx.into_iter().chain(outlier.consecutive_gateway);
                let Some(consecutive) = counts.min().map(NonZeroU32::get) else { continue };
                let hosts = mesh.hosts_at(cluster, moment);
                if hosts == 0 {
                    continue;
                }
                detectors.push(Detector {
                    service: service.clone(),
                    subset: cluster.subset.clone(),
                    consecutive,
                    max_ejection_percent: outlier.max_ejection_percent,
                    hosts,
                    caller: caller.clone(),
                    proxies: *proxies,
                });
            }
        }
        limits.extend(self.inbound(mesh, moment));
        limits.sort_by(|a: &Limit, b| {
            let key = |limit: &Limit| {
                (limit.service.clone(), limit.is_inbound, limit.subset.clone(), limit.caller.clone())
            };
            key(a).cmp(&key(b))
        });
        detectors.sort_by(|a: &Detector, b| {
            (&a.service, &a.subset, &a.caller).cmp(&(&b.service, &b.subset, &b.caller))
        });
        (limits, detectors)
    }

    /// The limits that act again at the pods of services that somebody calls. Source: semantics S1.2.
    fn inbound(&self, mesh: &Mesh, moment: SimTime) -> Vec<Limit> {
        let called = |service, port| {
            let mut clusters = self.callers.keys().map(|id| &mesh.clusters[*id]);
            clusters.any(|cluster| cluster.service == service && cluster.port == port)
        };
        let mut limits = Vec::new();
        for (id, workload) in mesh.workloads.iter() {
            let own = mesh.pods.iter().filter(|(_, pod)| pod.workload == id);
            let pods = own.filter(|(pod, _)| mesh.has_pod(*pod, moment)).count();
            if pods == 0 {
                continue;
            }
            for inbound in workload.inbound.iter().filter(|of| called(of.service, of.port)) {
                let fields =
                    fields(&inbound.limits.breakers).into_iter().filter(|(field, _)| *field != "maxRetries");
                limits.extend(fields.map(|(field, each)| Limit {
                    service: mesh.services[inbound.service].name.clone(),
                    subset: String::new(),
                    field,
                    each,
                    caller: workload.name.clone(),
                    proxies: pods,
                    is_inbound: true,
                }));
            }
        }
        limits
    }
}
