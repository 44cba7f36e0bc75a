//! A PeerAuthentication's `spec`: which servers take connections with mutual TLS, in plain text, or both.
//! Source: fields, PeerAuthentication; semantics S13.2.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::finding::{Finding, Findings, Unmodelled, key};
use super::values::Labels;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PeerAuthentication {
    /// Absent or empty: the namespace; in the root namespace the whole mesh.
    pub selector: Option<Selector>,
    pub mtls: Option<MutualTls>,
    /// By the port that the workload listens on, not the service's.
    pub port_level_mtls: Option<BTreeMap<PortKey, MutualTls>>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    pub match_labels: Labels,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MutualTls {
    pub mode: Option<String>,
}

/// A port as the key of a map, where YAML has numbers and JSON has text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortKey(pub String);

impl<'de> Deserialize<'de> for PortKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PortKey, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = PortKey;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<PortKey, E> {
                Ok(PortKey(value.to_owned()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<PortKey, E> {
                Ok(PortKey(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<PortKey, E> {
                Ok(PortKey(value.to_string()))
            }
        }
        deserializer.deserialize_any(KeyVisitor)
    }
}

/// What a server asks of connections. Source: semantics S13.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Strict,
    Permissive,
    Disable,
}

impl Mode {
    /// `None`: unset, so the wider policy holds.
    pub fn parse(word: &str) -> Option<Mode> {
        match word {
            "STRICT" => Some(Mode::Strict),
            "PERMISSIVE" => Some(Mode::Permissive),
            "DISABLE" => Some(Mode::Disable),
            _ => None,
        }
    }
}

impl MutualTls {
    fn mode(&self) -> Option<Mode> {
        self.mode.as_deref().and_then(Mode::parse)
    }
}

impl PeerAuthentication {
    /// Labels of the workloads that it is for; `None`: all of its namespace.
    pub fn selector(&self) -> Option<&Labels> {
        self.selector.as_ref().map(|selector| &selector.match_labels).filter(|labels| !labels.is_empty())
    }

    pub fn mode(&self) -> Option<Mode> {
        self.mtls.as_ref().and_then(MutualTls::mode)
    }

    pub fn port_mode(&self, port: u16) -> Option<Mode> {
        let ports = self.port_level_mtls.as_ref()?;
        ports.iter().find(|(key, _)| key.0.parse() == Ok(port)).and_then(|(_, setting)| setting.mode())
    }
}

/// Everything wrong in one PeerAuthentication. Source: lint, WH-PA.
pub fn validate(spec: &PeerAuthentication) -> Vec<Finding> {
    let mut findings = Findings::default();
    let out = &mut findings;
    check_mode(spec.mtls.as_ref(), "spec.mtls", out);
    for (label, value) in spec.selector.iter().flat_map(|selector| &selector.match_labels) {
        let here = key("spec.selector.matchLabels", label);
        if label.is_empty() || label.contains('*') || value.contains('*') {
            out.refused(here, "a selector takes labels as they are: no wildcards, no empty names");
        }
    }
    let Some(ports) = &spec.port_level_mtls else { return findings.0 };
    if spec.selector().is_none() {
        out.refused("spec.portLevelMtls", "portLevelMtls needs a selector")
            .help("name the workload by `selector: {matchLabels: {...}}`");
    }
    if ports.is_empty() {
        out.refused("spec.portLevelMtls", "an empty portLevelMtls, which Istio refuses").help("take it out");
    }
    for (PortKey(port), setting) in ports {
        let here = key("spec.portLevelMtls", port);
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            out.refused(&here, format!("`{port}` is no port: it must lie between 1 and 65535"));
        }
        check_mode(Some(setting), &here, out);
    }
    findings.0
}

fn check_mode(setting: Option<&MutualTls>, path: &str, out: &mut Findings) {
    let Some(mode) = setting.and_then(|setting| setting.mode.as_deref()) else { return };
    if mode != "UNSET" && Mode::parse(mode).is_none() {
        let finding = out.refused(format!("{path}.mode"), format!("`{mode}` is no mode of mutual TLS"));
        finding.help("choose STRICT, PERMISSIVE, DISABLE or UNSET");
    }
}

/// What one PeerAuthentication asks for and the engine does not do: nothing.
pub fn not_modelled(_spec: &PeerAuthentication) -> Vec<Unmodelled> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> PeerAuthentication {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn ports_are_numbers_or_text() {
        let ports = read("{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}, '81': {}}}");
        assert_eq!(ports.port_mode(80), Some(Mode::Disable));
        assert_eq!(ports.port_mode(81), None);
        assert!(validate(&ports).is_empty());
    }

    #[test]
    fn what_the_webhook_refuses() {
        let paths = |yaml: &str| -> Vec<String> {
            validate(&read(yaml)).into_iter().map(|finding| finding.path).collect()
        };
        assert_eq!(paths("{mtls: {mode: BLAH}}"), ["spec.mtls.mode"]);
        assert_eq!(paths("{portLevelMtls: {80: {mode: STRICT}}}"), ["spec.portLevelMtls"]);
        let with =
            |ports: &str| paths(&format!("{{selector: {{matchLabels: {{a: b}}}}, portLevelMtls: {ports}}}"));
        assert_eq!(with("{}"), ["spec.portLevelMtls"]);
        assert_eq!(with("{0: {mode: STRICT}}"), ["spec.portLevelMtls.0"]);
        assert_eq!(with("{acd: {mode: STRICT}}"), ["spec.portLevelMtls.acd"]);
        assert_eq!(with("{80: {mode: strict}}"), ["spec.portLevelMtls.80.mode"]);
        assert_eq!(paths("{selector: {matchLabels: {a: '*'}}}"), ["spec.selector.matchLabels.a"]);
    }
}
