//! Golden kinds of conditions: delegates that narrow them, callers that they are written for, and those that take
//! everything. Source: semantics S2.3, S2.5.

use meshcast::config::istio::values::Labels;
use meshcast::resolve::conditions::{self, Listener};
use meshcast::resolve::delegates;
use meshcast::resolve::read::VIRTUAL_SERVICES;
use serde::Deserialize;
use serde_yaml::Value;

use super::objects::{self, caller, http_match, virtual_service, yaml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    root: Value,
    delegate: Value,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    conflict: bool,
}

pub fn delegate_conflict(input: Pair) -> Result<Conflict, String> {
    let (root, delegate) = (http_match(&input.root)?, http_match(&input.delegate)?);
    Ok(Conflict { conflict: delegates::conflict(&root, &delegate) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct One {
    r#match: Value,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CatchAll {
    catch_all: bool,
}

pub fn istio_is_catch_all(input: One) -> Result<CatchAll, String> {
    let condition = conditions::condition(&http_match(&input.r#match)?);
    Ok(CatchAll { catch_all: conditions::is_catch_all(&condition) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    r#match: Value,
    client_namespace: String,
    client_labels: Labels,
    /// `sidecar`, or a gateway as `namespace/name`.
    client: String,
    #[serde(default = "http_port")]
    port: u16,
}

fn http_port() -> u16 {
    80
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    kept: bool,
}

pub fn source_match(input: Asked) -> Result<Kept, String> {
    let spec = yaml("{hosts: [a], http: [{route: [{destination: {host: a}}]}]}")?;
    let objects = objects::read(&[virtual_service("default", "a", 1, spec)], &VIRTUAL_SERVICES)?;
    let caller = caller(&input.client_namespace, &input.client_labels);
    let gateway = Some(input.client.as_str()).filter(|client| *client != "sidecar");
    let listener = Listener { caller: &caller, port: input.port, gateway };
    let condition = http_match(&input.r#match)?;
    Ok(Kept { kept: conditions::is_for(&condition, &objects[0], &listener) })
}
