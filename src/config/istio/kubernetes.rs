//! The Kubernetes kinds that say who serves: Services, the kinds that start pods, and Namespaces. They hold far more
//! than traffic needs, so fields that are not here are of no interest and give no warning.
//! Source: fields, Kubernetes core.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

use super::finding::{self, Finding, Findings, Unmodelled};
use super::values::{Int, Labels};
use crate::kernel::SimDuration;

/// `spec` of a Service. A closed list: unknown keys are worth a warning here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    pub selector: Labels,
    pub ports: Vec<ServicePort>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `None` (the text): headless.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    pub external_name: Option<String>,
    pub session_affinity: Option<String>,
    pub session_affinity_config: Option<Value>,
    pub publish_not_ready_addresses: Option<bool>,
    pub traffic_distribution: Option<String>,
    pub internal_traffic_policy: Option<String>,
    pub external_traffic_policy: Option<String>,
    pub ip_family_policy: Option<String>,
    pub ip_families: Option<Value>,
    #[serde(rename = "externalIPs")]
    pub external_ips: Option<Value>,
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: Option<Value>,
    pub load_balancer_class: Option<Value>,
    pub load_balancer_source_ranges: Option<Value>,
    pub allocate_load_balancer_node_ports: Option<Value>,
    pub health_check_node_port: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    pub name: Option<String>,
    pub port: Option<Int>,
    pub target_port: Option<IntOrName>,
    pub node_port: Option<Int>,
    /// TCP (default), UDP, SCTP.
    pub protocol: Option<String>,
    pub app_protocol: Option<String>,
}

/// A port by number, or by the name that the pod gives it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum IntOrName {
    Number(i64),
    Name(String),
}

impl Service {
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }
}

/// `spec` of a Deployment, StatefulSet, ReplicaSet, DaemonSet or Argo Rollout: what starts alike pods.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodController {
    pub replicas: Option<Int>,
    pub selector: Option<LabelSelector>,
    pub template: Option<PodTemplate>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    pub match_labels: Labels,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    pub metadata: Option<PodMetadata>,
    pub spec: Option<PodSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodMetadata {
    pub labels: Labels,
    pub annotations: Labels,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub containers: Vec<Container>,
    pub termination_grace_period_seconds: Option<Int>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: Option<String>,
    pub ports: Vec<ContainerPort>,
    pub resources: Option<Resources>,
    pub lifecycle: Option<Lifecycle>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// By name: `cpu`, `memory`.
    pub limits: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    pub pre_stop: Option<Hook>,
}

/// What a container does before it is told to end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hook {
    pub sleep: Option<Sleep>,
    pub exec: Option<Exec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sleep {
    pub seconds: Option<Int>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Exec {
    pub command: Vec<String>,
}

impl Hook {
    /// How long it sleeps: by `sleep`, or by a command that does nothing else, such as `sh -c "sleep 5"`.
    fn sleeps(&self) -> Option<SimDuration> {
        if let Some(Int(seconds)) = self.sleep.as_ref().and_then(|sleep| sleep.seconds) {
            return u64::try_from(seconds).ok().map(SimDuration::from_secs);
        }
        let words = self.exec.as_ref()?.command.join(" ");
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            [.., "sleep" | "/bin/sleep", seconds] => {
                seconds.trim_end_matches('s').parse().ok().map(SimDuration::from_secs)
            }
            _ => None,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    pub name: Option<String>,
    pub container_port: Option<Int>,
}

impl PodController {
    pub fn pod_labels(&self) -> Labels {
        self.pod_metadata().map(|metadata| metadata.labels.clone()).unwrap_or_default()
    }

    fn pod_metadata(&self) -> Option<&PodMetadata> {
        self.template.as_ref()?.metadata.as_ref()
    }

    /// What `sidecar.istio.io/inject` says, as a label or as the older annotation; `None`: nothing.
    pub fn wants_sidecar(&self) -> Option<bool> {
        let metadata = self.pod_metadata()?;
        let written = metadata
            .labels
            .get("sidecar.istio.io/inject")
            .or_else(|| metadata.annotations.get("sidecar.istio.io/inject"))?;
        match written.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// What `istio.io/dataplane-mode` says: in ambient mode or not; `None`: nothing.
    pub fn wants_ambient(&self) -> Option<bool> {
        match self.pod_metadata()?.labels.get(super::waypoint::DATAPLANE_MODE)?.as_str() {
            "ambient" => Some(true),
            "none" => Some(false),
            _ => None,
        }
    }

    /// Whether its pods get an agent for a gRPC library instead of an Envoy.
    pub fn is_proxyless(&self) -> bool {
        let annotation =
            |metadata: &PodMetadata| metadata.annotations.get("inject.istio.io/templates").cloned();
        self.pod_metadata().and_then(annotation).is_some_and(|template| template == "grpc-agent")
    }

    fn pod_spec(&self) -> Option<&PodSpec> {
        self.template.as_ref()?.spec.as_ref()
    }

    /// How long the `preStop` hooks of its applications hold up their end.
    pub fn pre_stop(&self) -> Option<SimDuration> {
        let containers = self.pod_spec()?.containers.iter();
        let apps = containers.filter(|container| container.name.as_deref() != Some("istio-proxy"));
        apps.filter_map(|app| app.lifecycle.as_ref()?.pre_stop.as_ref()?.sleeps()).max()
    }

    /// After which time its pods are killed.
    pub fn grace(&self) -> Option<SimDuration> {
        let Int(seconds) = self.pod_spec()?.termination_grace_period_seconds?;
        u64::try_from(seconds).ok().map(SimDuration::from_secs)
    }

    /// The number behind a container port's name.
    pub fn named_port(&self, name: &str) -> Option<u16> {
        self.named_ports().get(name).copied()
    }

    /// The ports of its pods that have names; of two of one name the first counts.
    pub fn named_ports(&self) -> BTreeMap<String, u16> {
        let mut ports = BTreeMap::new();
        for port in
            self.pod_spec().iter().flat_map(|spec| &spec.containers).flat_map(|container| &container.ports)
        {
            let number = port.container_port.and_then(|number| u16::try_from(number.0).ok());
            if let (Some(name), Some(number)) = (&port.name, number) {
                ports.entry(name.clone()).or_insert(number);
            }
        }
        ports
    }
}

/// What the API server refuses in a Service.
pub fn validate_service(spec: &Service) -> Vec<Finding> {
    let mut findings = Findings::default();
    let external = spec.kind.as_deref() == Some("ExternalName");
    if spec.ports.is_empty() && !external && !spec.is_headless() {
        findings.refused("spec", "the Service has no ports");
    }
    for (index, port) in spec.ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        match port.port {
            None => {
                findings.refused(&path, "the port has no number");
            }
            number => findings.port(&format!("{path}.port"), number),
        }
        if spec.ports.len() > 1 && port.name.as_deref().unwrap_or("").is_empty() {
            findings.refused(&path, "a Service with several ports must name each");
        }
    }
    findings.0
}

/// What one Service asks for and the engine does not do.
pub fn service_not_modelled(spec: &Service) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    let mut add = |path: &str, what: &str| list.push(Unmodelled { path: path.into(), what: what.into() });
    if spec.kind.as_deref() == Some("ExternalName") {
        add(
            "spec.type",
            "the alias of an ExternalName: the service has no pods but those that the scenario gives it",
        );
    }
    if spec.is_headless() {
        add(
            "spec.clusterIP",
            "a headless service's pod, chosen by the caller's lookup: it is balanced as any other",
        );
    }
    if spec.traffic_distribution.as_deref() == Some("PreferSameNode") {
        add(
            "spec.trafficDistribution",
            "the preference for pods of the same node: it goes no further than the zone",
        );
    }
    if spec.kind.as_deref() == Some("LoadBalancer") {
        add(
            "spec.type",
            "the load balancer in front: its checks, limits and way of spreading connections, and the time that it takes; \
             clients stand at their gateway's door",
        );
    }
    if spec.internal_traffic_policy.as_deref() == Some("Local") {
        add("spec.internalTrafficPolicy", "the restriction to pods of the caller's node");
    }
    for (index, port) in spec.ports.iter().enumerate() {
        if port.protocol.as_deref() == Some("UDP") {
            add(&format!("spec.ports[{index}].protocol"), "UDP, which Istio does not touch");
        }
    }
    list
}

/// What a kind that starts pods asks for and the engine does not do.
pub fn controller_not_modelled(spec: &PodController) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    let of_proxy = [
        ("proxy.istio.io/config", "settings of its own proxies: `proxy:` of the scenario holds for all"),
        (
            "sidecar.istio.io/proxyCPULimit",
            "CPU throttling of its own proxies: they never run short, and `proxy: {workers: ...}` of the scenario holds",
        ),
    ];
    for (annotation, what) in of_proxy {
        if spec.pod_metadata().is_some_and(|metadata| metadata.annotations.contains_key(annotation)) {
            let path = finding::key("spec.template.metadata.annotations", annotation);
            list.push(Unmodelled { path, what: what.to_owned() });
        }
    }
    let containers = spec.template.as_ref().and_then(|template| template.spec.as_ref());
    for (index, container) in containers.iter().flat_map(|spec| &spec.containers).enumerate() {
        if container.resources.as_ref().is_some_and(|resources| resources.limits.contains_key("cpu")) {
            list.push(Unmodelled {
                path: format!("spec.template.spec.containers[{index}].resources.limits.cpu"),
                what: "CPU throttling at this limit: work takes the scenario's `serviceTime`, however busy the pod is"
                    .to_owned(),
            });
        }
    }
    list
}

/// What the API server refuses in a kind that starts pods.
pub fn validate_controller(spec: &PodController) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.count("spec.replicas", spec.replicas);
    if let (Some(selector), Some(template)) = (&spec.selector, &spec.template) {
        let labels = template.metadata.as_ref().map(|metadata| &metadata.labels);
        for (key, value) in &selector.match_labels {
            if labels.and_then(|labels| labels.get(key)) != Some(value) {
                findings.refused(
                    finding::key("spec.selector.matchLabels", key),
                    format!("the selector asks for `{key}: {value}`, which the pod template does not have"),
                );
            }
        }
    }
    findings.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_tells_labels_ports_and_sidecar() {
        let yaml = "{replicas: 2, selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a, version: v1}, \
                    annotations: {sidecar.istio.io/inject: 'false'}}, spec: {containers: [{name: a, ports: \
                    [{name: http, containerPort: 9080}]}]}}}";
        let spec: PodController = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(spec.wants_sidecar(), Some(false));
        assert_eq!(spec.named_port("http"), Some(9080));
        assert_eq!((spec.pre_stop(), spec.grace()), (None, None));
        assert!(validate_controller(&spec).is_empty());
    }

    #[test]
    fn a_pod_may_take_its_time_to_end() {
        let pre_stop = |hook: &str| {
            let yaml = format!(
                "{{template: {{spec: {{terminationGracePeriodSeconds: 45, containers: [{{name: istio-proxy, lifecycle: \
                 {{preStop: {{sleep: {{seconds: 60}}}}}}}}, {{name: a, lifecycle: {{preStop: {hook}}}}}]}}}}}}"
            );
            let spec: PodController = serde_yaml::from_str(&yaml).unwrap();
            assert_eq!(spec.grace(), Some(SimDuration::from_secs(45)));
            spec.pre_stop().map(SimDuration::seconds)
        };
        assert_eq!(pre_stop("{sleep: {seconds: 7}}"), Some(7.0));
        assert_eq!(pre_stop("{exec: {command: [sleep, '5']}}"), Some(5.0));
        assert_eq!(pre_stop("{exec: {command: [/bin/sh, -c, sleep 15]}}"), Some(15.0));
        assert_eq!(pre_stop("{exec: {command: [/bin/sh, -c, 'sleep 15; nginx -s quit']}}"), None);
        assert_eq!(pre_stop("{httpGet: {path: /bye}}"), None);
    }

    #[test]
    fn a_selector_must_select_its_own_pods() {
        let spec: PodController = serde_yaml::from_str(
            "{selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: b}}}}",
        )
        .unwrap();
        assert_eq!(validate_controller(&spec).len(), 1);
    }
}
