//! What the scenario's names mean: asked here, answered by the inventory of services and workloads.

use crate::mesh::{ServiceId, WorkloadId};

/// Looks names up. The inventory implements it.
pub trait Names {
    /// The service that a host means to callers in a namespace: short (`reviews`), `reviews.shop`, in full, or the host
    /// of a ServiceEntry.
    fn service(&self, host: &str, from_namespace: &str) -> Option<ServiceId>;

    /// The service's full host, lower case: `reviews.default.svc.cluster.local`.
    fn service_host(&self, service: ServiceId) -> &str;

    /// The workload that the scenario calls so.
    fn workload(&self, name: &str) -> Option<WorkloadId>;

    /// Whether a gateway object of this name exists (`bookinfo-gateway` or `namespace/name`).
    fn gateway(&self, name: &str) -> bool;

    /// Whether callers in a namespace get anywhere with a host: a service, or a host that only a VirtualService names.
    fn reaches(&self, host: &str, from_namespace: &str) -> bool {
        self.service(host, from_namespace).is_some()
    }

    /// Names to suggest for a mistyped host.
    fn service_names(&self) -> Vec<String>;

    /// The subsets of a service that DestinationRules define at any time, sorted.
    fn subsets(&self, service: ServiceId) -> Vec<String>;

    /// Names to suggest for a mistyped workload.
    fn workload_names(&self) -> Vec<String>;

    /// Names to suggest for a mistyped gateway.
    fn gateway_names(&self) -> Vec<String>;
}
