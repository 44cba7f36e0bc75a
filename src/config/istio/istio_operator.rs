//! Settings of the whole mesh: `spec.meshConfig` of an IstioOperator, as `istioctl install -f` reads it. It holds far
//! more than traffic needs, so fields that are not here are of no interest and give no warning.
//! Source: semantics S1.2, S4.5, S7.2, S9.1.

use serde::Deserialize;
use serde_yaml::Value;

use super::destination_rule::{Blocks, ConnectionPool, OutlierDetection};
use super::destination_rule_rules::{blocks_not_modelled, check_blocks};
use super::finding::{Finding, Findings, Unmodelled};
use super::http_rule_parts::check_retries;
use super::values::Duration;
use super::virtual_service::{HttpRoute, Retries};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IstioOperator {
    pub mesh_config: Option<MeshConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshConfig {
    /// For rules that give none.
    pub connect_timeout: Option<Duration>,
    /// In the place of Istio's own default retry.
    pub default_http_retry_policy: Option<Retries>,
    /// Of the server's own sidecar towards its application; `{}`: none.
    pub default_inbound_http_retry_policy: Option<Retries>,
    /// For blocks that no rule sets.
    pub default_traffic_policy: Option<DefaultTrafficPolicy>,
    // Told, not modelled.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    pub h2_upgrade_policy: Option<String>,
    pub locality_lb_setting: Option<Value>,
    pub enable_auto_mtls: Option<bool>,
    pub path_normalization: Option<Value>,
    pub default_config: Option<ProxyDefaults>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DefaultTrafficPolicy {
    pub connection_pool: Option<ConnectionPool>,
    pub outlier_detection: Option<OutlierDetection>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutboundTrafficPolicy {
    pub mode: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyDefaults {
    pub concurrency: Option<Value>,
}

impl DefaultTrafficPolicy {
    pub fn blocks(&self) -> Blocks<'_> {
        Blocks {
            connection_pool: self.connection_pool.as_ref(),
            outlier_detection: self.outlier_detection.as_ref(),
            ..Blocks::default()
        }
    }
}

/// Everything wrong or without effect in the settings of one mesh. Paths begin with `spec`.
pub fn validate(spec: &IstioOperator) -> Vec<Finding> {
    let mut findings = Findings::default();
    let Some(config) = &spec.mesh_config else { return findings.0 };
    let out = &mut findings;
    let path = "spec.meshConfig";
    out.duration(&format!("{path}.connectTimeout"), config.connect_timeout.as_ref());
    if let Some(retries) = &config.default_http_retry_policy {
        check_retries(&HttpRoute::default(), retries, &format!("{path}.defaultHttpRetryPolicy"), out);
    }
    // An empty one is how to switch it off.
    if let Some(retries) = config.default_inbound_http_retry_policy.as_ref().filter(|p| p.attempts.is_some())
    {
        check_retries(&HttpRoute::default(), retries, &format!("{path}.defaultInboundHttpRetryPolicy"), out);
    }
    if let Some(policy) = &config.default_traffic_policy {
        check_blocks(policy.blocks(), &format!("{path}.defaultTrafficPolicy"), out);
    }
    findings.0
}

/// What the settings of one mesh ask for and the engine does not do.
pub fn not_modelled(spec: &IstioOperator) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    let Some(config) = &spec.mesh_config else { return list };
    let path = "spec.meshConfig";
    let mut add = |field: &str, what: &str| {
        list.push(Unmodelled { path: format!("{path}.{field}"), what: what.to_owned() });
    };
    let mode = config.outbound_traffic_policy.as_ref().and_then(|policy| policy.mode.as_deref());
    if mode == Some("REGISTRY_ONLY") {
        add("outboundTrafficPolicy.mode", "502 for calls to hosts that the mesh does not know");
    }
    if config.h2_upgrade_policy.as_deref() == Some("UPGRADE") {
        add("h2UpgradePolicy", "HTTP/2 between all sidecars: ports keep the protocol of their names");
    }
    if config.locality_lb_setting.is_some() {
        add("localityLbSetting", "locality rules of the whole mesh: those of DestinationRules alone hold");
    }
    if config.enable_auto_mtls == Some(false) {
        add("enableAutoMtls", "plain text wherever no rule asks for TLS: sidecars speak mTLS to each other");
    }
    if config.path_normalization.is_some() {
        add("pathNormalization", "how paths are written before they are matched: as Istio's default does");
    }
    if config.default_config.as_ref().is_some_and(|config| config.concurrency.is_some()) {
        add("defaultConfig.concurrency", "worker threads: `proxy: {workers: ...}` of the scenario holds");
    }
    let inbound = config.default_inbound_http_retry_policy.as_ref();
    if inbound.and_then(|policy| policy.retry_on.as_deref()).is_some_and(asks_for_answers) {
        add(
            "defaultInboundHttpRetryPolicy.retryOn",
            "answers that a server's own sidecar tries again: it does so only where the application takes no connection",
        );
    }
    if let Some(policy) = &config.default_traffic_policy {
        blocks_not_modelled(policy.blocks(), &format!("{path}.defaultTrafficPolicy"), &mut list);
    }
    list
}

/// Whether any of these conditions is about more than connections.
fn asks_for_answers(conditions: &str) -> bool {
    let of_connections = ["reset-before-request", "connect-failure", "refused-stream"];
    conditions.split(',').any(|word| !word.is_empty() && !of_connections.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(config: &str) -> (Vec<String>, Vec<String>) {
        let spec: IstioOperator = serde_yaml::from_str(&format!("meshConfig: {config}")).unwrap();
        let short = |path: String| path.trim_start_matches("spec.meshConfig.").to_owned();
        let wrong = validate(&spec).into_iter().map(|finding| short(finding.path));
        (wrong.collect(), not_modelled(&spec).into_iter().map(|entry| short(entry.path)).collect())
    }

    #[test]
    fn what_holds_for_the_whole_mesh_is_checked_as_rules_are() {
        let wrong = |config: &str| paths(config).0;
        assert_eq!(wrong("{defaultHttpRetryPolicy: {attempts: -1}}"), ["defaultHttpRetryPolicy.attempts"]);
        assert_eq!(
            wrong("{defaultTrafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}"),
            ["defaultTrafficPolicy.outlierDetection.maxEjectionPercent"]
        );
        assert!(wrong("{defaultInboundHttpRetryPolicy: {}, connectTimeout: 1s}").is_empty());
    }

    #[test]
    fn what_is_not_done_for_the_whole_mesh_is_told() {
        let told = |config: &str| paths(config).1;
        assert_eq!(
            told(
                "{outboundTrafficPolicy: {mode: REGISTRY_ONLY}, h2UpgradePolicy: UPGRADE, enableAutoMtls: false}"
            ),
            ["outboundTrafficPolicy.mode", "h2UpgradePolicy", "enableAutoMtls"]
        );
        assert_eq!(
            told("{localityLbSetting: {}, pathNormalization: {}, defaultConfig: {concurrency: 4}}"),
            ["localityLbSetting", "pathNormalization", "defaultConfig.concurrency"]
        );
        let inbound =
            |on: &str| told(&format!("{{defaultInboundHttpRetryPolicy: {{attempts: 1, retryOn: '{on}'}}}}"));
        assert_eq!(inbound("5xx"), ["defaultInboundHttpRetryPolicy.retryOn"]);
        assert!(inbound("reset-before-request,connect-failure").is_empty());
        assert!(told("{outboundTrafficPolicy: {mode: ALLOW_ANY}, enableAutoMtls: true}").is_empty());
    }
}
