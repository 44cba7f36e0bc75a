//! How many proxies carry each limit. A limit is kept per proxy, so callers multiply it: what textbooks leave out.
//! Source: semantics S0.3, S7.1.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::facts::{Detector, Limit};
use crate::mesh::{ClusterId, Mesh};

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
            let breakers = &cluster.breakers;
            let fields = [
                ("maxConnections", breakers.max_connections),
                ("http1MaxPendingRequests", breakers.max_pending_requests),
                ("http2MaxRequests", breakers.max_requests),
                ("maxRetries", breakers.max_retries),
            ];
            for (caller, proxies) in callers {
                for (field, each) in fields.iter().filter(|(_, each)| *each != u32::MAX) {
                    limits.push(Limit {
                        service: service.clone(),
                        subset: cluster.subset.clone(),
                        field,
                        each: *each,
                        caller: caller.clone(),
                        proxies: *proxies,
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
        limits.sort_by(|a: &Limit, b| {
            (&a.service, &a.subset, &a.caller).cmp(&(&b.service, &b.subset, &b.caller))
        });
        detectors.sort_by(|a: &Detector, b| {
            (&a.service, &a.subset, &a.caller).cmp(&(&b.service, &b.subset, &b.caller))
        });
        (limits, detectors)
    }
}
