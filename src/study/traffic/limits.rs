//! How many proxies carry each limit. A limit is kept per proxy, so callers multiply it: what textbooks leave out.
//! Source: semantics S0.3, S7.1.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::facts::{Detector, Limit};
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

    /// Limits that were set, and outlier detectors, for each caller.
    pub fn told(&self, mesh: &Mesh) -> (Vec<Limit>, Vec<Detector>) {
        let (mut limits, mut detectors) = (Vec::new(), Vec::new());
        for (id, callers) in &self.callers {
            let cluster = &mesh.clusters[*id];
            let service = mesh.services[cluster.service].name.clone();
            for (caller, proxies) in callers {
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
                detectors.push(Detector {
                    service: service.clone(),
                    subset: cluster.subset.clone(),
                    consecutive,
                    max_ejection_percent: outlier.max_ejection_percent,
                    hosts: cluster.hosts.len(),
                    caller: caller.clone(),
                    proxies: *proxies,
                });
            }
        }
        limits.extend(self.inbound(mesh));
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
    fn inbound(&self, mesh: &Mesh) -> Vec<Limit> {
        let called = |service, port| {
            let mut clusters = self.callers.keys().map(|id| &mesh.clusters[*id]);
            clusters.any(|cluster| cluster.service == service && cluster.port == port)
        };
        let mut limits = Vec::new();
        for (id, workload) in mesh.workloads.iter() {
            let pods = mesh.pods.rows().iter().filter(|pod| pod.workload == id).count();
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
