//! The kinds of objects that people's files hold: their shapes, one file each, and the table of all that we know.
//! Shapes take every field as absent; what is wrong in an object's own text is told by its `validate`.

pub mod authorization_policy;
#[cfg(test)]
pub(crate) mod corpus;
pub mod destination_rule;
pub mod destination_rule_rules;
pub mod envoy_filter;
pub mod finding;
pub mod gateway;
pub mod http_rule_parts;
pub mod istio_operator;
pub mod kubernetes;
pub mod l4_rules;
pub mod load_balancer_rules;
pub mod peer_authentication;
pub mod service_entry;
pub mod string_match;
pub mod values;
pub mod virtual_service;
pub mod virtual_service_rules;
pub mod waypoint;

pub use destination_rule::DestinationRule;
pub use finding::{Finding, Unmodelled};
pub use gateway::Gateway;
pub use peer_authentication::PeerAuthentication;
pub use service_entry::ServiceEntry;
pub use string_match::StringMatch;
pub use virtual_service::VirtualService;
pub use waypoint::WaypointGateway;

use serde_yaml::Value;

use super::path::did_you_mean;

/// What becomes of the objects of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It shapes the simulated traffic.
    Used,
    /// It would shape the real traffic, in the way told, but not the simulated one.
    NotModelled(&'static str),
    /// It says nothing about traffic.
    Ignored,
}

/// A kind of objects, by API group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub kind: &'static str,
    /// Empty for the core group.
    pub group: &'static str,
    pub versions: &'static [&'static str],
    pub treatment: Treatment,
}

const ISTIO: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const SECURITY: &[&str] = &["v1", "v1beta1"];

const fn used(kind: &'static str, group: &'static str, versions: &'static [&'static str]) -> Kind {
    Kind { kind, group, versions, treatment: Treatment::Used }
}

const fn unmodelled(
    kind: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
    what: &'static str,
) -> Kind {
    Kind { kind, group, versions, treatment: Treatment::NotModelled(what) }
}

/// Every kind that we know. What is not here is ignored: most objects of a cluster say nothing about traffic.
pub const KINDS: &[Kind] = &[
    used("VirtualService", "networking.istio.io", ISTIO),
    used("DestinationRule", "networking.istio.io", ISTIO),
    used("Gateway", "networking.istio.io", ISTIO),
    used("ServiceEntry", "networking.istio.io", ISTIO),
    used("PeerAuthentication", "security.istio.io", SECURITY),
    used("IstioOperator", "install.istio.io", &["v1alpha1"]),
    used("Service", "", &["v1"]),
    used("Namespace", "", &["v1"]),
    used("Deployment", "apps", &["v1", "v1beta1", "v1beta2"]),
    used("StatefulSet", "apps", &["v1", "v1beta1", "v1beta2"]),
    used("ReplicaSet", "apps", &["v1", "v1beta2"]),
    // Before 1.16 Deployments lived in another group; old files still say so.
    used("Deployment", "extensions", &["v1beta1"]),
    unmodelled(
        "Sidecar",
        "networking.istio.io",
        ISTIO,
        "which services a proxy knows, and limits at the server: all proxies know all services",
    ),
    unmodelled(
        "WorkloadEntry",
        "networking.istio.io",
        ISTIO,
        "an endpoint outside Kubernetes: it gets no traffic",
    ),
    unmodelled(
        "WorkloadGroup",
        "networking.istio.io",
        ISTIO,
        "endpoints outside Kubernetes: they get no traffic",
    ),
    unmodelled("EnvoyFilter", "networking.istio.io", &["v1alpha3"], "patches of the proxies' configuration"),
    unmodelled("ProxyConfig", "networking.istio.io", &["v1beta1"], "settings of single proxies"),
    unmodelled(
        "AuthorizationPolicy",
        "security.istio.io",
        SECURITY,
        "calls that it denies (403): all are let in",
    ),
    unmodelled(
        "RequestAuthentication",
        "security.istio.io",
        SECURITY,
        "calls without a valid token: all are let in",
    ),
    unmodelled(
        "WasmPlugin",
        "extensions.istio.io",
        &["v1alpha1"],
        "filters of its own: what they do is not known",
    ),
    unmodelled(
        "Telemetry",
        "telemetry.istio.io",
        &["v1", "v1alpha1"],
        "telemetry settings: they change no figure",
    ),
    unmodelled("HTTPRoute", "gateway.networking.k8s.io", &["v1", "v1beta1", "v1alpha2"], "its routes"),
    unmodelled("GRPCRoute", "gateway.networking.k8s.io", &["v1", "v1alpha2"], "its routes"),
    unmodelled("TCPRoute", "gateway.networking.k8s.io", &["v1", "v1alpha2"], "its routes"),
    unmodelled("TLSRoute", "gateway.networking.k8s.io", &["v1", "v1alpha2", "v1alpha3"], "its routes"),
    unmodelled("Gateway", "gateway.networking.k8s.io", &["v1", "v1beta1", "v1alpha2"], "its listeners"),
    unmodelled("Ingress", "networking.k8s.io", &["v1", "v1beta1"], "its routes"),
    unmodelled(
        "NetworkPolicy",
        "networking.k8s.io",
        &["v1"],
        "connections that it forbids: all are let through",
    ),
    unmodelled("DaemonSet", "apps", &["v1"], "its pods, one for each node"),
    unmodelled("Pod", "", &["v1"], "a pod of its own: pods come from Deployments and the scenario"),
    unmodelled("Endpoints", "", &["v1"], "hand-written endpoints"),
    unmodelled("EndpointSlice", "discovery.k8s.io", &["v1", "v1beta1"], "hand-written endpoints"),
    unmodelled(
        "HorizontalPodAutoscaler",
        "autoscaling",
        &["v1", "v2", "v2beta1", "v2beta2"],
        "scaling: the number of pods stays as the scenario says",
    ),
    unmodelled(
        "Rollout",
        "argoproj.io",
        &["v1alpha1"],
        "its steps, unless the scenario's `rollout:` names it",
    ),
    unmodelled("AnalysisTemplate", "argoproj.io", &["v1alpha1"], "its analysis, outside of `rollout:`"),
    unmodelled(
        "ClusterAnalysisTemplate",
        "argoproj.io",
        &["v1alpha1"],
        "its analysis, outside of `rollout:`",
    ),
    unmodelled("Canary", "flagger.app", &["v1beta1"], "its steps, unless the scenario's `rollout:` names it"),
    unmodelled("MetricTemplate", "flagger.app", &["v1beta1"], "its query, outside of `rollout:`"),
    ignored("ConfigMap", ""),
    ignored("Secret", ""),
    ignored("ServiceAccount", ""),
    ignored("PersistentVolume", ""),
    ignored("PersistentVolumeClaim", ""),
    ignored("PodDisruptionBudget", "policy"),
    ignored("CustomResourceDefinition", "apiextensions.k8s.io"),
];

const fn ignored(kind: &'static str, group: &'static str) -> Kind {
    Kind { kind, group, versions: &[], treatment: Treatment::Ignored }
}

/// What an object of a kind that is not modelled would change, part by part. `None`: what its row says is all.
pub fn parts_not_modelled(row: &Kind, spec: &Value) -> Option<Vec<Unmodelled>> {
    match row.kind {
        "EnvoyFilter" => Some(envoy_filter::not_modelled(spec)).filter(|patches| !patches.is_empty()),
        "AuthorizationPolicy" => Some(authorization_policy::not_modelled(spec)),
        _ => None,
    }
}

/// The row of an object, by its `apiVersion` (`networking.istio.io/v1`) and `kind`. Versions are not compared.
pub fn kind(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    KINDS.iter().find(|row| row.kind == kind && row.group == group)
}

/// Groups of which the table has every kind that matters: another kind in them may be a slip of the pen.
const WHOLE_GROUPS: &[&str] = &["", "apps", "networking.istio.io", "security.istio.io"];

/// The kind that an object of an unknown one was probably meant to be: one of the same group with nearly that name, or
/// one of that name whose group is nearly that, or was left out.
pub fn meant(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let namesakes = || KINDS.iter().filter(|row| row.kind == kind && row.treatment != Treatment::Ignored);
    if namesakes().any(|row| row.group == group) {
        return None;
    }
    if group.is_empty()
        && let Some(row) = namesakes().next()
    {
        return Some(row);
    }
    if let Some(near) = did_you_mean(group, namesakes().map(|row| row.group)) {
        return namesakes().find(|row| row.group == near);
    }
    let of_group = || KINDS.iter().filter(|row| row.group == group && WHOLE_GROUPS.contains(&group));
    let near = did_you_mean(kind, of_group().map(|row| row.kind))?;
    of_group().find(|row| row.kind == near && row.kind != kind)
}

impl Kind {
    /// What to write as `apiVersion`.
    pub fn api_version(&self) -> String {
        let version = self.versions.first().unwrap_or(&"v1");
        if self.group.is_empty() { (*version).to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Whether the kind exists in the version of this `apiVersion`; a kind without traffic has any.
    pub fn has_version(&self, api_version: &str) -> bool {
        let version = api_version.rsplit_once('/').map_or(api_version, |(_, version)| version);
        self.versions.is_empty() || self.versions.contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_told_from_kinds_of_others() {
        let meant = |api_version, kind| meant(api_version, kind).map(|row| (row.kind, row.api_version()));
        let virtual_service = Some(("VirtualService", "networking.istio.io/v1".to_owned()));
        assert_eq!(meant("networking.istio.io/v1", "VirtualServce"), virtual_service);
        assert_eq!(meant("networking.istio.io/v1", "virtualservice"), virtual_service);
        assert_eq!(meant("netwrking.istio.io/v1", "VirtualService"), virtual_service);
        assert_eq!(meant("", "VirtualService"), virtual_service);
        assert_eq!(meant("v1", "Deployment"), Some(("Deployment", "apps/v1".to_owned())));
        assert_eq!(meant("v1", "Services"), Some(("Service", "v1".to_owned())));
        for (api_version, kind) in [
            ("networking.istio.io/v1", "VirtualService"),
            ("networking.istio.io/v1", "MeshNetworks"),
            ("serving.knative.dev/v1", "Service"),
            ("gateway.networking.k8s.io/v1alpha2", "UDPRoute"),
            ("v1", "Node"),
            ("", "ConfigMap"),
            ("", "Kustomization"),
        ] {
            assert_eq!(meant(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn the_two_kinds_of_gateways_are_told_apart() {
        assert_eq!(kind("networking.istio.io/v1beta1", "Gateway").unwrap().treatment, Treatment::Used);
        let other = kind("gateway.networking.k8s.io/v1", "Gateway").unwrap();
        assert!(matches!(other.treatment, Treatment::NotModelled(_)));
        assert!(kind("v1", "Service").unwrap().has_version("v1"));
        assert!(!kind("networking.istio.io/v2", "Gateway").unwrap().has_version("networking.istio.io/v2"));
        assert_eq!(kind("serving.knative.dev/v1", "Service"), None);
    }
}
