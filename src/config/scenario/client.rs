//! Who sends requests, as the scenario writes it.

use std::num::NonZeroU32;

use super::workload::{DataPlane, MAX_PODS};
use crate::config::arrivals::{self, LoadText, MAX_USERS};
use crate::config::grammar::{Fault, Part};
use crate::config::peer::Peer;
use crate::config::quantity::{Rate, Share};
use crate::config::read::written_as_text;
use crate::config::read::{
    Count, Entries, Located, Node, OneOrMany, Reader, Text, Written, read_text, record,
};
use crate::config::schema::schema;
use crate::config::url::Url;
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

/// Connections of one client.
pub const MAX_CONNECTIONS: u32 = 10_000;

record! {
    /// A source of load.
    Client {
        /// The Gateway at whose door it stands.
        "gateway" => gateway: Located<String>,
        /// The workload in whose pods its requests start.
        "workload" => workload: Located<String>,
        /// The namespace of its pods.
        "namespace" => namespace: Located<String>,
        /// Proxy instances that carry this load; 1 by default.
        "pods" => pods: Located<Count<MAX_PODS>>,
        /// Labels of its pods, for `sourceLabels`.
        "labels" => labels: Entries<Located<String>>,
        /// Zones that its pods are dealt out to in turn.
        "zones" => zones: OneOrMany<Located<String>>,
        /// Whether an Envoy stands at its side; yes by default.
        "sidecar" => sidecar: Located<bool>,
        /// What stands between its pods and the network, where its namespace says otherwise.
        "dataPlane" => data_plane: Located<DataPlane>,
        /// Long-lived connections that carry its requests, those of all its pods together; by default so many that each
        /// request is as good as a new one. Each belongs to one pod, one worker and, without Envoy, one host.
        "connections" => connections: Located<Count<MAX_CONNECTIONS>>,
        /// When requests are born: `poisson(200rps)`, `constant(R)`, `bursty(R, cv=3)`, `closed(users=50, think=1s)`,
        /// `trace(file.csv)` or `{profile: [...]}`.
        "load" => load: Located<Load>,
        /// What it asks for.
        "requests" => requests: OneOrMany<Located<Request>>,
        /// The population that requests come from.
        "users" => users: Users,
    }

    /// One kind of request, or of connection. Its address stands behind its method: `get: "http://..."`.
    Request {
        /// What to call it in reports; method and path by default.
        "name" => name: Located<String>,
        /// Share of the client's requests.
        "share" => share: Located<Share>,
        /// GET this address.
        "get" => get: Located<Url>,
        /// HEAD this address.
        "head" => head: Located<Url>,
        /// POST to this address.
        "post" => post: Located<Url>,
        /// PUT to this address.
        "put" => put: Located<Url>,
        /// PATCH this address.
        "patch" => patch: Located<Url>,
        /// DELETE this address.
        "delete" => delete: Located<Url>,
        /// OPTIONS of this address.
        "options" => options: Located<Url>,
        /// Opens a connection of opaque bytes: `tcp://redis:6379`, or `tls://host:443` for TLS of the client's own.
        "connect" => connect: Located<Peer>,
        /// How long a connection is held; without it until the other side breaks it off.
        "lasts" => lasts: Located<Distribution>,
        /// Headers that it carries.
        "headers" => headers: Entries<Located<String>>,
        /// Cookies that it carries.
        "cookies" => cookies: Entries<Located<String>>,
        /// The client's own limit.
        "timeout" => timeout: Located<SimDuration>,
        /// The client's own tries; 1 by default.
        "attempts" => attempts: Located<NonZeroU32>,
    }

    /// The population that requests come from: u0, u1 ...
    Users {
        /// How many there are.
        "count" => count: Located<Count<MAX_USERS>>,
        /// The header that names the user.
        "header" => header: Located<String>,
        /// The cookie that names the user.
        "cookie" => cookie: Located<String>,
        /// Each user has an address of its own.
        "sourceIp" => source_ip: Located<bool>,
        /// Exponent of a Zipf law by which users differ; uniform by default.
        "zipf" => zipf: Located<f64>,
        /// Share of requests that name no user.
        "without" => without: Located<Share>,
    }

    /// A rate that changes over time, linear between the points.
    Profile {
        /// The points, in order of time; the last rate holds on.
        "profile" => points: Vec<Located<Point>>,
        /// `poisson` (default) or `constant` spacing.
        "arrivals" => arrivals: Located<Arrivals>,
    }

    /// One point of a profile.
    Point {
        /// When.
        "at" => at: Located<SimDuration>,
        /// The rate at that moment.
        "rate" => rate: Located<Rate>,
    }
}

impl Request {
    /// Methods that were written, with their addresses; one in a sound scenario.
    pub fn targets(&self) -> impl Iterator<Item = (&'static str, &Located<Url>)> {
        [
            ("GET", &self.get),
            ("HEAD", &self.head),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("PATCH", &self.patch),
            ("DELETE", &self.delete),
            ("OPTIONS", &self.options),
        ]
        .into_iter()
        .filter_map(|(method, url)| Some((method, url.as_ref()?)))
    }
}

/// When requests are born.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    Line(LoadText),
    Profile(Profile),
}

impl Text for LoadText {
    const WHAT: &'static str = "a load such as `poisson(200rps)`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        arrivals::parse(part)
    }
}

impl Written for Load {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_mapping() {
            return Profile::read(node, reader).map(Load::Profile);
        }
        read_text(node, reader).map(Load::Line)
    }
}

impl schemars::JsonSchema for Load {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Load".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let profile = generator.subschema_for::<Profile>();
        schemars::json_schema!({"anyOf": [{
            "type": "string",
            "pattern": "^(constant|poisson|bursty|closed|trace)\\(",
            "examples": ["poisson(200rps)", "closed(users=50, think=exponential(mean=1s))"]
        }, profile]})
    }
}

/// How births are spaced under a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    Constant,
    Poisson,
}

impl Text for Arrivals {
    const WHAT: &'static str = "`poisson` or `constant`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        match part.text {
            "constant" => Ok(Arrivals::Constant),
            "poisson" => Ok(Arrivals::Poisson),
            other => Err(part.fault(format!("`{other}` is not {}", Self::WHAT))),
        }
    }
}

written_as_text!(Arrivals);

schema! {
    Arrivals, "Arrivals" => {"enum": ["poisson", "constant"]};
}
