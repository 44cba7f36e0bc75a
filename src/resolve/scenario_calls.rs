//! Every address that the scenario writes, with its place: of clients' requests and of workloads' calls.

use crate::config::diagnostic::Span;
use crate::config::read::Located;
use crate::config::scenario::{Call, Scenario, Step, Workload};
use crate::config::url::Url;

/// One address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioCall {
    /// Of the caller, as far as the scenario tells.
    pub namespace: String,
    /// Lower case.
    pub host: String,
    pub port: u16,
    /// The gateway at whose door the caller stands.
    pub gateway: Option<String>,
    /// It opens a connection of opaque bytes.
    pub is_tcp: bool,
    /// And names its host in TLS of its own.
    pub is_tls: bool,
    pub span: Span,
}

pub fn all(scenario: &Scenario) -> Vec<ScenarioCall> {
    let mut calls = Vec::new();
    for (_, client) in scenario.clients.iter().flat_map(|entries| entries.iter()) {
        let namespace = client.namespace.as_ref().map_or(scenario.namespace(), |name| name.value.as_str());
        let gateway = client.gateway.as_ref().map(|name| name.value.clone());
        for request in client.requests.iter().flat_map(|requests| &requests.0) {
            for (_, url) in request.targets() {
                calls.push(call(namespace, url, gateway.clone()));
            }
            calls.extend(request.connect.as_ref().map(|peer| ScenarioCall {
                namespace: namespace.to_owned(),
                host: peer.value.host.clone(),
                port: peer.value.port,
                gateway: gateway.clone(),
                is_tcp: true,
                is_tls: peer.value.tls,
                span: peer.span,
            }));
        }
    }
    for (_, workload) in scenario.workloads.iter().flat_map(|entries| entries.iter()) {
        let namespace = workload.namespace.as_ref().map_or(scenario.namespace(), |name| name.value.as_str());
        calls.extend(of_workload(workload).into_iter().map(|url| call(namespace, url, None)));
    }
    calls
}

fn call(namespace: &str, url: &Located<Url>, gateway: Option<String>) -> ScenarioCall {
    ScenarioCall {
        namespace: namespace.to_owned(),
        host: url.value.host.clone(),
        port: url.value.port_or_default(),
        gateway,
        is_tcp: false,
        is_tls: false,
        span: url.span,
    }
}

fn of_workload(workload: &Workload) -> Vec<&Located<Url>> {
    let short = workload.calls.iter().flat_map(|calls| &calls.0);
    let steps = workload.operations.iter().flatten().flat_map(|operation| operation.steps.iter().flatten());
    let long = steps.flat_map(|step| -> Vec<&Call> {
        match step {
            Step::Work(_) => Vec::new(),
            Step::Call(call) => vec![call],
            Step::Parallel(calls) => calls.iter().collect(),
        }
    });
    short.chain(long).filter_map(|Call(call)| call.value.call.as_ref()).collect()
}
