//! What stands between each application and the network: what the scenario says, else the pod's own labels, else its
//! namespace, else the scenario as a whole, else a sidecar. Source: design D9.2; semantics S22.1.

use std::collections::BTreeMap;

use super::states::NamespaceObject;
use crate::config::istio::kubernetes::PodController;
use crate::config::istio::values::Labels;
use crate::config::istio::waypoint::DATAPLANE_MODE;
use crate::config::read::Located;
use crate::config::scenario::{self as written, Scenario};
use crate::mesh::workload::DataPlane;

/// Of whole namespaces.
#[derive(Clone, Debug, Default)]
pub struct Planes {
    /// Where a namespace says nothing.
    whole: DataPlane,
    namespaces: BTreeMap<String, DataPlane>,
}

impl Planes {
    pub fn new(scenario: &Scenario, objects: &BTreeMap<String, NamespaceObject>) -> Planes {
        let labelled =
            objects.iter().filter_map(|(name, object)| Some((name.clone(), of_labels(&object.labels)?)));
        let mut namespaces: BTreeMap<String, DataPlane> = labelled.collect();
        for (name, said) in scenario.namespaces.iter().flat_map(|entries| entries.iter()) {
            if let Some(plane) = &said.data_plane {
                namespaces.insert(name.value.clone(), meant(plane.value));
            }
        }
        let whole = scenario.data_plane.as_ref().map(|plane| meant(plane.value)).unwrap_or_default();
        Planes { whole, namespaces }
    }

    /// Of pods in a namespace that say nothing themselves. Who asks for a forecast of a mesh means all namespaces to be
    /// in it that do not opt out.
    pub fn of_namespace(&self, namespace: &str) -> DataPlane {
        self.namespaces.get(namespace).copied().unwrap_or(self.whole)
    }

    /// Of pods that a manifest starts.
    pub fn of_pods(&self, controller: Option<&PodController>, namespace: &str) -> DataPlane {
        let around = self.of_namespace(namespace);
        let Some(controller) = controller else { return around };
        if controller.is_proxyless() {
            return DataPlane::Proxyless;
        }
        // A pod with a sidecar is not captured.
        match (controller.wants_sidecar(), controller.wants_ambient(), around) {
            (Some(true), _, _) => DataPlane::Sidecar,
            (_, Some(true), _) => DataPlane::Ambient,
            (_, Some(false), DataPlane::Ambient) | (Some(false), _, DataPlane::Sidecar) => DataPlane::Bare,
            _ => around,
        }
    }
}

/// A namespace's labels. Injected sidecars come before ambient mode, which does not capture such pods.
fn of_labels(labels: &Labels) -> Option<DataPlane> {
    let is = |key: &str, value: &str| labels.get(key).is_some_and(|written| written == value);
    let injects = is("istio-injection", "enabled") || labels.contains_key("istio.io/rev");
    if is(DATAPLANE_MODE, "ambient") && !injects {
        Some(DataPlane::Ambient)
    } else if is("istio-injection", "disabled") {
        Some(DataPlane::Bare)
    } else {
        injects.then_some(DataPlane::Sidecar)
    }
}

/// Where only gateways have proxies, pods have nothing.
fn meant(plane: written::DataPlane) -> DataPlane {
    match plane {
        written::DataPlane::Sidecar => DataPlane::Sidecar,
        written::DataPlane::Ambient => DataPlane::Ambient,
        written::DataPlane::GatewayOnly => DataPlane::Bare,
        written::DataPlane::Proxyless => DataPlane::Proxyless,
    }
}

/// What a workload or client of the scenario says of itself, by either of its two keys, which agree.
pub fn said(
    plane: Option<&Located<written::DataPlane>>,
    sidecar: Option<&Located<bool>>,
) -> Option<DataPlane> {
    let of_sidecar = |flag: &Located<bool>| if flag.value { DataPlane::Sidecar } else { DataPlane::Bare };
    plane.map(|plane| meant(plane.value)).or_else(|| sidecar.map(of_sidecar))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Option<DataPlane> {
        of_labels(&serde_yaml::from_str(text).unwrap())
    }

    fn pods(around: DataPlane, metadata: &str) -> DataPlane {
        let text = format!("{{template: {{metadata: {metadata}}}}}");
        let planes = Planes { whole: around, namespaces: BTreeMap::new() };
        planes.of_pods(Some(&serde_yaml::from_str(&text).unwrap()), "shop")
    }

    #[test]
    fn a_namespace_with_both_labels_has_sidecars() {
        assert_eq!(labels("{istio.io/dataplane-mode: ambient}"), Some(DataPlane::Ambient));
        assert_eq!(
            labels("{istio.io/dataplane-mode: ambient, istio-injection: enabled}"),
            Some(DataPlane::Sidecar)
        );
        assert_eq!(
            labels("{istio.io/dataplane-mode: ambient, istio-injection: disabled}"),
            Some(DataPlane::Ambient)
        );
        assert_eq!(labels("{istio-injection: disabled}"), Some(DataPlane::Bare));
        assert_eq!(labels("{team: a}"), None);
    }

    #[test]
    fn a_pod_leaves_its_namespaces_mode_by_its_own_labels() {
        use DataPlane::*;
        let inject = |word: &str| format!("{{labels: {{sidecar.istio.io/inject: '{word}'}}}}");
        let mode = |word: &str| format!("{{labels: {{istio.io/dataplane-mode: {word}}}}}");
        assert_eq!(pods(Ambient, &inject("true")), Sidecar);
        assert_eq!(pods(Ambient, &inject("false")), Ambient);
        assert_eq!(pods(Sidecar, &inject("false")), Bare);
        assert_eq!(pods(Ambient, &mode("none")), Bare);
        assert_eq!(pods(Sidecar, &mode("none")), Sidecar);
        assert_eq!(pods(Bare, &mode("ambient")), Ambient);
        assert_eq!(pods(Sidecar, "{annotations: {inject.istio.io/templates: grpc-agent}}"), Proxyless);
    }
}
