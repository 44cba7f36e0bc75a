//! An Istio Gateway's `spec`: which ports and hosts a gateway's pods listen for. Source: fields, Gateway.

use serde::Deserialize;

use super::finding::{Finding, Findings, SCHEMA_WARNING, Unmodelled};
use super::values::{Int, Labels};

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gateway {
    pub selector: Labels,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    pub name: Option<String>,
    pub port: Option<ServerPort>,
    pub bind: Option<String>,
    /// `[namespace/]host`; the namespace may be `*` or `.`.
    pub hosts: Vec<String>,
    pub tls: Option<ServerTls>,
    pub default_endpoint: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerPort {
    pub number: Option<Int>,
    pub protocol: Option<String>,
    pub name: Option<String>,
    pub target_port: Option<Int>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerTls {
    pub https_redirect: Option<bool>,
    pub mode: Option<String>,
    pub server_certificate: Option<String>,
    pub private_key: Option<String>,
    pub ca_certificates: Option<String>,
    pub ca_crl: Option<String>,
    pub credential_name: Option<String>,
    pub credential_names: Vec<String>,
    pub ca_cert_credential_name: Option<String>,
    pub tls_certificates: Vec<TlsCertificate>,
    pub subject_alt_names: Vec<String>,
    pub insecure_skip_verify: Option<bool>,
    pub verify_certificate_spki: Vec<String>,
    pub verify_certificate_hash: Vec<String>,
    pub min_protocol_version: Option<String>,
    pub max_protocol_version: Option<String>,
    pub cipher_suites: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsCertificate {
    pub server_certificate: Option<String>,
    pub private_key: Option<String>,
    pub ca_certificates: Option<String>,
}

impl Server {
    /// The port that it listens on, if it is a possible one.
    pub fn port_number(&self) -> Option<u16> {
        self.port.as_ref()?.number.and_then(|number| u16::try_from(number.0).ok())
    }

    fn protocol(&self) -> String {
        self.port.as_ref().and_then(|port| port.protocol.as_deref()).unwrap_or("").to_ascii_uppercase()
    }

    /// HTTP rules apply: plain HTTP, or HTTPS that is terminated here. Source: fields, Gateway `tls.mode`.
    pub fn serves_http(&self) -> bool {
        match self.protocol().as_str() {
            "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => true,
            "HTTPS" => !self.passes_through(),
            _ => false,
        }
    }

    /// Rules for connections apply: bytes are passed on as they are, behind TLS or not.
    pub fn serves_connections(&self) -> bool {
        !self.serves_http() && !self.redirects() && self.protocol() != "UDP"
    }

    /// Connections begin with TLS and name a host in it.
    pub fn reads_names(&self) -> bool {
        matches!(self.protocol().as_str(), "TLS" | "HTTPS")
    }

    /// TLS is not terminated (mode absent means PASSTHROUGH).
    pub fn passes_through(&self) -> bool {
        match self.tls.as_ref().and_then(|tls| tls.mode.as_deref()) {
            None => self.tls.as_ref().is_none_or(|tls| {
                tls.credential_name.is_none()
                    && tls.server_certificate.is_none()
                    && tls.credential_names.is_empty()
            }),
            Some(mode) => matches!(mode, "PASSTHROUGH" | "AUTO_PASSTHROUGH"),
        }
    }

    /// Every request is answered by a redirect to HTTPS.
    pub fn redirects(&self) -> bool {
        self.tls.as_ref().and_then(|tls| tls.https_redirect) == Some(true)
    }
}

/// Everything wrong in one Gateway. Source: lint, WH-GW.
pub fn validate(spec: &Gateway) -> Vec<Finding> {
    let mut findings = Findings::default();
    let out = &mut findings;
    if spec.servers.is_empty() {
        out.refused("spec", "the gateway has no servers");
    }
    for (index, server) in spec.servers.iter().enumerate() {
        let path = format!("spec.servers[{index}]");
        if server.hosts.is_empty() {
            out.refused(&path, "the server has no hosts").help("`hosts: [\"*\"]` takes all");
        }
        for (number, host) in server.hosts.iter().enumerate() {
            let name = host.split_once('/').map_or(host.as_str(), |(_, name)| name);
            out.host(&format!("{path}.hosts[{number}]"), name);
        }
        check_port(spec, index, &path, out);
        check_tls(server, &path, out);
    }
    findings.0
}

fn check_port(spec: &Gateway, index: usize, path: &str, out: &mut Findings) {
    const PROTOCOLS: &[&str] =
        &["HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "MONGO", "REDIS", "MYSQL", "TCP", "TLS", "UDP"];
    let server = &spec.servers[index];
    let Some(port) = &server.port else {
        out.refused(path, "the server has no port");
        return;
    };
    match port.number {
        None => {
            out.refused(format!("{path}.port"), "the port has no number");
        }
        number => out.port(&format!("{path}.port.number"), number),
    }
    let protocol = server.protocol();
    if !PROTOCOLS.contains(&protocol.as_str()) {
        out.refused(
            format!("{path}.port.protocol"),
            format!("`{protocol}` is no protocol of a gateway port"),
        )
        .help("choose HTTP, HTTPS, HTTP2, GRPC, TLS or TCP");
    }
    match port.name.as_deref() {
        None | Some("") => {
            out.refused(format!("{path}.port"), "the port has no name");
        }
        name => {
            let same = |other: &Server| other.port.as_ref().and_then(|p| p.name.as_deref()) == name;
            if spec.servers[..index].iter().any(same) {
                out.refused(
                    format!("{path}.port.name"),
                    format!("the port name `{}` occurs twice in this gateway", name.unwrap_or("")),
                );
            }
        }
    }
}

fn check_tls(server: &Server, path: &str, out: &mut Findings) {
    let protocol = server.protocol();
    match &server.tls {
        None if protocol == "HTTPS" || protocol == "TLS" => {
            out.refused(path, format!("a server for {protocol} needs tls settings"));
        }
        None => {}
        Some(tls) => {
            if server.redirects() && protocol != "HTTP" {
                out.warn(
                    SCHEMA_WARNING,
                    format!("{path}.tls.httpsRedirect"),
                    "httpsRedirect works on HTTP ports alone",
                );
            }
            if let Some(mode) = &tls.mode
                && !["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]
                    .contains(&mode.as_str())
            {
                out.refused(format!("{path}.tls.mode"), format!("`{mode}` is no TLS mode of a gateway"));
            }
        }
    }
}

/// What one Gateway asks for and the engine does not do.
pub fn not_modelled(spec: &Gateway) -> Vec<Unmodelled> {
    let mut list = Vec::new();
    for (index, server) in spec.servers.iter().enumerate() {
        let path = format!("spec.servers[{index}]");
        if server.redirects() {
            continue;
        }
        let protocol = server.protocol();
        if server.reads_names() && !server.passes_through() {
            list.push(Unmodelled {
                path: format!("{path}.tls"),
                what: "the handshake between client and gateway: clients stand at the gateway's door".into(),
            });
        } else if protocol == "UDP" {
            list.push(Unmodelled { path: format!("{path}.port"), what: "UDP: nothing comes in here".into() });
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_checked_one_by_one() {
        let yaml = "servers: [{port: {number: 80, name: http, protocol: http}, hosts: ['*']}, \
                    {port: {number: 443, name: http, protocol: HTTPS}, hosts: ['a/*.b.com']}]";
        let spec: Gateway = serde_yaml::from_str(yaml).unwrap();
        let paths: Vec<String> = validate(&spec).into_iter().map(|finding| finding.path).collect();
        assert_eq!(paths, ["spec.servers[1].port.name", "spec.servers[1]"]);
        assert!(spec.servers[0].serves_http());
        assert!(!spec.servers[1].serves_http());
    }
}
