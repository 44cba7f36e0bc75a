//! How each kind of object is read and checked.

use super::object::Reading;
use crate::config::istio::istio_operator::{self, IstioOperator};
use crate::config::istio::kubernetes::{self, PodController, Service};
use crate::config::istio::{
    DestinationRule, Gateway, PeerAuthentication, ServiceEntry, VirtualService, WaypointGateway,
    destination_rule_rules, gateway, peer_authentication, service_entry, virtual_service_rules, waypoint,
};

pub const VIRTUAL_SERVICES: Reading<VirtualService> = Reading {
    kind: "VirtualService",
    validate: virtual_service_rules::validate,
    not_modelled: virtual_service_rules::not_modelled,
    open: false,
};

pub const DESTINATION_RULES: Reading<DestinationRule> = Reading {
    kind: "DestinationRule",
    validate: destination_rule_rules::validate,
    not_modelled: destination_rule_rules::not_modelled,
    open: false,
};

pub const GATEWAYS: Reading<Gateway> = Reading {
    kind: "Gateway",
    validate: gateway::validate,
    not_modelled: gateway::not_modelled,
    open: false,
};

pub const PEER_AUTHENTICATIONS: Reading<PeerAuthentication> = Reading {
    kind: "PeerAuthentication",
    validate: peer_authentication::validate,
    not_modelled: peer_authentication::not_modelled,
    open: false,
};

pub const SERVICE_ENTRIES: Reading<ServiceEntry> = Reading {
    kind: "ServiceEntry",
    validate: service_entry::validate,
    not_modelled: service_entry::not_modelled,
    open: false,
};

/// Its `spec` is open: all that `istioctl install` takes.
pub const ISTIO_OPERATORS: Reading<IstioOperator> = Reading {
    kind: "IstioOperator",
    validate: istio_operator::validate,
    not_modelled: istio_operator::not_modelled,
    open: true,
};

pub const SERVICES: Reading<Service> = Reading {
    kind: "Service",
    validate: kubernetes::validate_service,
    not_modelled: kubernetes::service_not_modelled,
    open: false,
};

/// Gateways of the Gateway API that are waypoints.
pub const WAYPOINTS: Reading<WaypointGateway> = Reading {
    kind: "Gateway",
    validate: waypoint::validate,
    not_modelled: waypoint::not_modelled,
    open: true,
};

/// Deployments, StatefulSets and ReplicaSets alike; the object keeps the name of its own kind.
pub const fn pod_controllers(kind: &'static str) -> Reading<PodController> {
    Reading {
        kind,
        validate: kubernetes::validate_controller,
        not_modelled: kubernetes::controller_not_modelled,
        open: true,
    }
}
