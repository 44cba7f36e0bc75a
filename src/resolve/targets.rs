//! Whom requests and calls address: a URL and a method, with the host resolved where the mesh knows it.

use xxhash_rust::xxh64::xxh64;

use super::names::Names;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::path::did_you_mean;
use crate::config::peer::Peer;
use crate::config::url::Url;
use crate::mesh::workload::Target;

/// Resolves an address as callers in `from_namespace` mean it. Unknown hosts stay as written.
pub fn target(method: &str, url: &Url, from_namespace: &str, names: &dyn Names) -> Target {
    let service = names.service(&url.host, from_namespace);
    let method = method.to_ascii_uppercase();
    let port = url.port_or_default();
    let resolved = service.map_or(url.host.as_str(), |service| names.service_host(service));
    let name_hash = name_hash(&method, resolved, port, &url.path);
    let (host, path, query) = (url.host.clone(), url.path.clone(), url.query.clone());
    Target { method, host, service, port, path, query, name_hash }
}

/// The same for the other end of a connection. What is made for HTTP stays empty, and its method is `TCP`: luck does not
/// hang on whether the client speaks TLS.
pub fn peer(peer: &Peer, from_namespace: &str, names: &dyn Names) -> Target {
    let service = names.service(&peer.host, from_namespace);
    let resolved = service.map_or(peer.host.as_str(), |service| names.service_host(service));
    let name_hash = name_hash("TCP", resolved, peer.port, "");
    Target {
        method: "TCP".to_owned(),
        host: peer.host.clone(),
        service,
        port: peer.port,
        path: String::new(),
        query: String::new(),
        name_hash,
    }
}

/// The name that keys a call's luck: it holds no subset, pod or proxy, so a call has the same luck whoever serves it.
/// Source: design D2.
pub fn name_hash(method: &str, host: &str, port: u16, path: &str) -> u64 {
    xxh64(format!("{method} {host}:{port}{path}").as_bytes(), 0)
}

/// An error if nobody answers to the host.
pub fn check_reachable(
    host: &str,
    span: Span,
    from_namespace: &str,
    names: &dyn Names,
    findings: &mut Vec<Diagnostic>,
) {
    if names.reaches(host, from_namespace) {
        return;
    }
    let message = format!("no Service or ServiceEntry has the host `{host}`");
    let known = names.service_names();
    findings.push(Diagnostic::error("MS0013", message).at(span).help(suggest(
        host,
        &known,
        "declare it in the manifests, or as `service:` of a workload here",
    )));
}

/// "did you mean", else what there is, else the way out.
pub fn suggest(word: &str, known: &[String], otherwise: &str) -> String {
    match did_you_mean(word, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => otherwise.to_owned(),
        None => {
            let shown: Vec<String> = known.iter().take(8).map(|name| format!("`{name}`")).collect();
            format!("{otherwise}; there are {}", shown.join(", "))
        }
    }
}
