//! Golden kinds of mutual TLS. Source: semantics S13.

use std::collections::BTreeMap;

use meshcast::config::istio::PeerAuthentication;
use meshcast::config::istio::peer_authentication::Mode;
use meshcast::config::istio::values::Labels;
use meshcast::mesh::model::Refusal;
use meshcast::resolve::defaults::ROOT_NAMESPACE;
use meshcast::resolve::mutual_tls::{Opening, PeerModes, Server, meet, opening};
use meshcast::resolve::object::Object;
use meshcast::resolve::read::PEER_AUTHENTICATIONS;
use serde::Deserialize;

use super::objects::{Draft, read, yaml};

/// Where the server of all cases lives, which port it listens on, and how its workload is labelled.
const NAMESPACE: &str = "shop";
const PORT: u16 = 8080;
const APP: &str = "a";

/// Modes by level: `mesh`, `namespace`, `workload`, `port`; one that is missing has no policy.
type Levels = BTreeMap<String, String>;

fn labels() -> Labels {
    Labels::from([("app".to_owned(), APP.to_owned())])
}

fn policies(levels: &Levels) -> Result<Vec<Object<PeerAuthentication>>, String> {
    let draft = |namespace: &str, name: &str, spec: &str| -> Result<Draft, String> {
        Ok(Draft {
            api_version: "security.istio.io/v1",
            kind: "PeerAuthentication",
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            created: 0,
            spec: yaml(spec)?,
        })
    };
    if let Some(level) =
        levels.keys().find(|l| !["mesh", "namespace", "workload", "port"].contains(&l.as_str()))
    {
        return Err(format!("no level `{level}`"));
    }
    if let Some(mode) = levels.values().find(|mode| *mode != "UNSET" && Mode::parse(mode).is_none()) {
        return Err(format!("no mode `{mode}`"));
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for (level, namespace) in [("mesh", ROOT_NAMESPACE), ("namespace", NAMESPACE)] {
        if let Some(mode) = levels.get(level) {
            drafts.push(draft(namespace, level, &format!("{{mtls: {{mode: {mode}}}}}"))?);
        }
    }
    if levels.contains_key("workload") || levels.contains_key("port") {
        let own = levels.get("workload").map(|mode| format!(", mtls: {{mode: {mode}}}")).unwrap_or_default();
        let port = levels.get("port").map(|mode| format!(", portLevelMtls: {{{PORT}: {{mode: {mode}}}}}"));
        let spec = format!("{{selector: {{matchLabels: {{app: {APP}}}}}{own}{}}}", port.unwrap_or_default());
        drafts.push(draft(NAMESPACE, "workload", &spec)?);
    }
    read(&drafts, &PEER_AUTHENTICATIONS)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    policies: Levels,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    mode: String,
}

pub fn peer_authentication_mode(input: Policies) -> Result<InForce, String> {
    let policies = policies(&input.policies)?;
    let mode = match PeerModes(&policies).of_workload(NAMESPACE, &labels(), PORT) {
        Mode::Strict => "STRICT",
        Mode::Permissive => "PERMISSIVE",
        Mode::Disable => "DISABLE",
    };
    Ok(InForce { mode: mode.to_owned() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encounter {
    /// `auto`: the DestinationRule says nothing.
    client_tls: String,
    /// `-` without sidecar.
    server_mode: Option<String>,
    #[serde(default)]
    policies: Levels,
    server_has_sidecar: bool,
    #[serde(default)]
    app_speaks_tls: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    result: String,
}

pub fn mtls_outcome(input: Encounter) -> Result<Ending, String> {
    let policies = policies(&input.policies)?;
    let modes = PeerModes(&policies);
    let mode = match input.server_mode.as_deref() {
        Some(word) if input.server_has_sidecar => {
            Mode::parse(word).ok_or_else(|| format!("no mode `{word}`"))?
        }
        _ => modes.of_workload(NAMESPACE, &labels(), PORT),
    };
    let server = match input.server_has_sidecar {
        true => Server::Sidecar(mode),
        false => Server::App { speaks_tls: input.app_speaks_tls },
    };
    if !["auto", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"].contains(&input.client_tls.as_str()) {
        return Err(format!("no client speaks `{}`", input.client_tls));
    }
    let tls_mode = Some(input.client_tls.as_str()).filter(|mode| *mode != "auto");
    let opening = opening(tls_mode, false, modes.of_namespace(NAMESPACE), server);
    let result = match meet(opening, server) {
        Ok(Opening::Plaintext) => "plaintext",
        Ok(Opening::Tls) => "tls",
        Ok(Opening::MutualTls) => "mtls",
        Err(Refusal::NoHandshake) => "fail UF",
        Err(Refusal::Cut) => "fail UC",
    };
    Ok(Ending { result: result.to_owned() })
}
