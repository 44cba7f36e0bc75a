//! Routes as one kind of proxy sees them: listeners by port, virtual hosts by domain, routes in order.
//! Source: semantics S2, S3. The matching itself lives in `policy::route`.

use std::collections::BTreeMap;

use super::ids::{ClusterId, DoorId, ServiceId};
use super::policy_spec::{FaultSpec, Fraction, HashPolicy, RetrySpec};
use crate::kernel::SimDuration;

/// All routes of one kind of proxy in one state of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteTable {
    /// Who sees it, for people: `sidecars in default`, `gateway bookinfo-gateway`.
    pub view: String,
    pub listeners: BTreeMap<u16, Vec<VirtualHost>>,
    /// Where connections of opaque bytes go.
    pub tcp: BTreeMap<TcpListener, Vec<TcpRoute>>,
}

/// Where connections of opaque bytes come in: at a sidecar they are told apart by the service's address, at a gateway
/// by the port alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TcpListener {
    /// `None` at a gateway.
    pub service: Option<ServiceId>,
    pub port: u16,
}

/// Where the connections of one listener go that name one of some hosts, or any.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpRoute {
    /// The rule that wrote it; `None` for a service's own route.
    pub rule: Option<Rule>,
    /// Exact names or `*.suffix`, lower case; empty: whatever the connection names, if anything.
    pub sni: Vec<String>,
    /// Weights as written; a single destination's weight is ignored. Source: semantics S3.1, S3.2.
    pub destinations: Vec<Destination>,
    /// Balancers with a table keep a source address on its host; other balancers do not ask.
    pub hashes_source: bool,
    /// The proxy closes the connection then. Source: istiod's networkfilter.go.
    pub longest: Option<SimDuration>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VirtualHost {
    pub name: String,
    /// Exact names, `*.suffix`, `prefix.*` or `*`, lower case. Source: semantics S2.1.
    pub domains: Vec<String>,
    /// First match wins.
    pub routes: Vec<Route>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// The rule that wrote it; `None` for a service's default route.
    pub rule: Option<Rule>,
    pub condition: RouteMatch,
    pub action: Action,
    pub fault: Option<FaultSpec>,
    /// Zero or absent in the configuration: `None`. Source: semantics S10.1.
    pub timeout: Option<SimDuration>,
    pub retry: Option<RetrySpec>,
    /// Of all destinations, in their order. Balancers without a table do not ask. Source: semantics S3.6, S4.7.
    pub hash: Vec<HashPolicy>,
    pub mirrors: Vec<Mirror>,
    pub rewrite: Rewrite,
    pub request_headers: HeaderOps,
}

/// Which rule of which object a route came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `VirtualService default/reviews`.
    pub object: String,
    /// `http[0]`, or the rule's own name where it has one.
    pub name: String,
    pub place: Place,
}

/// A place in the input, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: String,
    /// From 1.
    pub line: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Weights as written; a single destination's weight is ignored. Source: semantics S3.1, S3.2.
    Forward(Vec<Destination>),
    /// Answered by the proxy itself, with this code and without flag.
    Respond(u16),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    pub weight: u32,
    /// `None`: the cluster does not exist in this state (503 NC). Source: semantics S3.4.
    pub cluster: Option<ClusterId>,
    /// The waypoint that decides where calls go on to; there is no cluster then. Source: semantics S22.1, S22.5.
    pub door: Option<DoorId>,
    /// What was asked for, whether or not it exists.
    pub service: ServiceRef,
    pub port: u16,
    /// Empty for the base cluster.
    pub subset: String,
    pub request_headers: HeaderOps,
}

impl Destination {
    /// The only destination: a whole service at one of its ports.
    pub fn whole(service: ServiceId, port: u16, cluster: Option<ClusterId>) -> Destination {
        Destination {
            weight: 1,
            cluster,
            door: None,
            service: ServiceRef::Known(service),
            port,
            subset: String::new(),
            request_headers: HeaderOps::default(),
        }
    }
}

/// A destination's service: known to the mesh, or just a name.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceRef {
    Known(ServiceId),
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    pub share: Fraction,
    pub cluster: Option<ClusterId>,
    pub service: ServiceRef,
    pub port: u16,
    pub subset: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrite {
    /// Replaces the matched prefix, or the whole path where the match is exact.
    pub uri: Option<String>,
    /// Pattern and replacement over the path without query.
    pub uri_regex: Option<(String, String)>,
    pub authority: Option<String>,
}

/// Header operations in the order remove, set, add; names lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderOps {
    pub remove: Vec<String>,
    pub set: Vec<(String, String)>,
    pub add: Vec<(String, String)>,
}

impl HeaderOps {
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// The conditions of one route, all of them required. Default: everything matches. Source: semantics S2.4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteMatch {
    /// `None`: prefix `/`.
    pub path: Option<StringMatch>,
    pub ignore_path_case: bool,
    /// A path prefix must end at a `/` (Gateway API); a plain string prefix otherwise.
    pub path_segments: bool,
    pub method: Option<StringMatch>,
    pub authority: Option<StringMatch>,
    pub scheme: Option<StringMatch>,
    /// Names lower case.
    pub headers: Vec<(String, StringMatch)>,
    pub without_headers: Vec<(String, StringMatch)>,
    pub query_params: Vec<(String, StringMatch)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringMatch {
    Exact(String),
    Prefix(String),
    /// RE2, full match; checked to compile.
    Regex(String),
    /// `{}` and regex `*`: present, whatever the value.
    Present,
}
