//! A Gateway of the Gateway API as far as it makes a waypoint, and the labels by which pods, services and namespaces
//! join ambient mode. Source: semantics S22.1; fields, Gateway (gateway.networking.k8s.io).

use serde::Deserialize;
use serde_yaml::Value;

use super::finding::{Finding, Unmodelled};
use super::values::Labels;

/// `ambient` or `none`, on pods and namespaces.
pub const DATAPLANE_MODE: &str = "istio.io/dataplane-mode";
/// A waypoint's name or `none`, on services and namespaces.
pub const USE_WAYPOINT: &str = "istio.io/use-waypoint";
pub const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
/// A second waypoint, which gets a share of the connections.
pub const USE_WAYPOINT_CANARY: &str = "istio.io/use-waypoint-canary";
/// `true`: gateways send through the waypoint too; on services and namespaces.
pub const INGRESS_USE_WAYPOINT: &str = "istio.io/ingress-use-waypoint";
/// `service` (default), `workload`, `all` or `none`, on the Gateway.
pub const WAYPOINT_FOR: &str = "istio.io/waypoint-for";

const CLASS: &str = "istio-waypoint";
pub const GROUP: &str = "gateway.networking.k8s.io";

/// `spec` of such a Gateway: who may use it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WaypointGateway {
    pub gateway_class_name: Option<String>,
    pub listeners: Vec<Listener>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    pub allowed_routes: Option<AllowedRoutes>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AllowedRoutes {
    pub namespaces: Option<RouteNamespaces>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteNamespaces {
    /// `Same` (default), `All` or `Selector`.
    pub from: Option<String>,
    pub selector: Option<NamespaceSelector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceSelector {
    pub match_labels: Labels,
}

/// Whether an object, whose kind is Gateway in this group, is a waypoint.
pub fn is_waypoint(group: &str, kind: &str, value: &Value) -> bool {
    let class = value.get("spec").and_then(|spec| spec.get("gatewayClassName")).and_then(Value::as_str);
    group == GROUP && kind == "Gateway" && class == Some(CLASS)
}

impl WaypointGateway {
    /// Whether objects of another namespace, with these labels, may use it. Source: semantics S22.1.
    pub fn admits(&self, namespace: &str, labels: &Labels) -> bool {
        self.listeners.iter().any(|listener| {
            let namespaces = listener.allowed_routes.as_ref().and_then(|routes| routes.namespaces.as_ref());
            let Some(namespaces) = namespaces else { return false };
            match namespaces.from.as_deref() {
                Some("All") => true,
                Some("Selector") => namespaces.selector.as_ref().is_some_and(|selector| {
                    // Kubernetes gives each namespace its name as a label.
                    let has = |(key, value): (&String, &String)| {
                        labels.get(key) == Some(value)
                            || (key == "kubernetes.io/metadata.name" && value == namespace)
                    };
                    selector.match_labels.iter().all(has)
                }),
                _ => false,
            }
        })
    }
}

/// What the API server refuses is not looked for: gateways hold far more than this.
pub fn validate(_: &WaypointGateway) -> Vec<Finding> {
    Vec::new()
}

pub fn not_modelled(_: &WaypointGateway) -> Vec<Unmodelled> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(listener: &str) -> bool {
        let text = format!("{{gatewayClassName: istio-waypoint, listeners: [{listener}]}}");
        let spec: WaypointGateway = serde_yaml::from_str(&text).unwrap();
        spec.admits("shop", &Labels::from([("team".to_owned(), "a".to_owned())]))
    }

    #[test]
    fn others_may_use_a_waypoint_that_says_so() {
        assert!(!admits("{name: mesh}"));
        assert!(!admits("{allowedRoutes: {namespaces: {from: Same}}}"));
        assert!(admits("{allowedRoutes: {namespaces: {from: All}}}"));
        let by = |label: &str| {
            admits(&format!(
                "{{allowedRoutes: {{namespaces: {{from: Selector, selector: {{matchLabels: {{{label}}}}}}}}}}}"
            ))
        };
        assert!(by("team: a") && by("kubernetes.io/metadata.name: shop") && !by("team: b"));
    }

    #[test]
    fn only_the_class_makes_a_waypoint() {
        let value =
            |class: &str| serde_yaml::from_str(&format!("{{spec: {{gatewayClassName: {class}}}}}")).unwrap();
        assert!(is_waypoint(GROUP, "Gateway", &value("istio-waypoint")));
        assert!(!is_waypoint(GROUP, "Gateway", &value("istio")));
        assert!(!is_waypoint("networking.istio.io", "Gateway", &value("istio-waypoint")));
    }
}
