//! What callers address, and which VirtualServices mean it.

use super::hosts::takes;
use super::object::Object;
use super::precedence::full_hosts;
use crate::config::istio::VirtualService;
use crate::mesh::ServiceId;

/// A host and port that the callers of a view address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    /// As sent.
    pub host: String,
    /// In full, where a service has it.
    pub service_host: Option<String>,
    pub port: u16,
    /// Connections of opaque bytes instead of requests.
    pub connects: Option<Connects>,
}

/// What a connection is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connects {
    pub service: Option<ServiceId>,
    /// It names its host (SNI).
    pub tls: bool,
}

/// Whether its hosts take a call.
pub fn names(object: &Object<VirtualService>, called: &Called) -> bool {
    let host = called.service_host.as_deref().unwrap_or(&called.host);
    full_hosts(object).iter().any(|own| {
        *own == called.host || own == host || takes(own, host) || (own == "*") || takes(own, &called.host)
    })
}

/// Whether a VirtualService has rules for this kind of traffic at all.
pub fn has_rules(object: &Object<VirtualService>, called: &Called) -> bool {
    match called.connects {
        None => !object.spec.http.is_empty(),
        Some(_) => !object.spec.tcp.is_empty() || !object.spec.tls.is_empty(),
    }
}
