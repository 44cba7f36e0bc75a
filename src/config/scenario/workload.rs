//! How pods behave, as the scenario writes it.

use std::num::NonZeroU32;

use crate::config::grammar::{Fault, Part};
use crate::config::grpc;
use crate::config::path::did_you_mean;
use crate::config::quantity::Share;
use crate::config::read::{
    Count, Entries, Limit, Located, Node, OneOrMany, Reader, Text, Written, record, written_as_text,
};
use crate::config::schema::schema;
use crate::config::url::Url;
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

/// Pods of one workload or client.
pub const MAX_PODS: u32 = 100_000;

record! {
    /// How the pods of one Deployment behave. A workload that no manifest declares is declared here.
    Workload {
        /// The Kubernetes Service that it backs, with the port if that has several: `reviews` or `reviews:9080`.
        "service" => service: OneOrMany<Located<String>>,
        /// Labels of the pods.
        "labels" => labels: Entries<Located<String>>,
        /// Its namespace.
        "namespace" => namespace: Located<String>,
        /// Number of pods.
        "replicas" => replicas: Located<Count<MAX_PODS>>,
        /// Zones that the pods are dealt out to in turn: `zone` or `region/zone`.
        "zones" => zones: OneOrMany<Located<String>>,
        /// Addresses of the pods, which consistent hashing hashes: `10.0.1.1:9080`.
        "addresses" => addresses: OneOrMany<Located<String>>,
        /// Requests in service at once per pod, or `unlimited` for a pure delay. With processor-sharing: the cores.
        "concurrency" => concurrency: Located<Limit>,
        /// Waiting requests per pod, after which it answers 503; `unlimited` by default.
        "queue" => queue: Located<Limit>,
        /// `fifo` or `processor-sharing`.
        "discipline" => discipline: Located<Discipline>,
        /// `blocking` holds the worker during calls, `async` gives it back.
        "threading" => threading: Located<Threading>,
        /// Whether an Envoy stands at its side; yes by default.
        "sidecar" => sidecar: Located<bool>,
        /// What stands between it and the network, where its namespace says otherwise: `sidecar`, `ambient`,
        /// `gateway-only` or `proxyless`.
        "dataPlane" => data_plane: Located<DataPlane>,
        /// How long a request takes without its calls.
        "serviceTime" => service_time: Located<Distribution>,
        /// How often it fails.
        "errors" => errors: Errors,
        /// Short form: one work step, then these calls in sequence.
        "calls" => calls: OneOrMany<Call>,
        /// Long form, by request; the first match wins.
        "operations" => operations: Vec<Operation>,
        /// What befalls the pods.
        "incidents" => incidents: Vec<Incident>,
        /// From the start of a pod that the timeline brings until it serves and is ready; 10s by default.
        "startup" => startup: Located<SimDuration>,
        /// How long a pod that the timeline takes away still serves, as a `preStop` sleep does; what its manifest says, or
        /// 0s, by default.
        "shutdown" => shutdown: Located<SimDuration>,
        /// Slowness after each start.
        "coldStart" => cold_start: ColdStart,
        /// Whether a caller that gives up stops the work; no by default.
        "cancellation" => cancellation: Located<bool>,
        /// The application closes a connection that carries nothing for so long; never by default.
        "keepAlive" => keep_alive: Located<SimDuration>,
        /// The only headers that calls carry on; all by default.
        "forwardHeaders" => forward_headers: OneOrMany<Located<String>>,
    }

    /// Failures of requests.
    Errors {
        /// Share of requests that fail.
        "rate" => rate: Located<Share>,
        /// Their status; 500 by default. Of gRPC: `UNAVAILABLE`, `RESOURCE_EXHAUSTED` and so on.
        "status" => status: Located<ErrorStatus>,
        /// Instead of a status: what the app breaks off, and answers nothing. Its sidecar, if any, answers for it.
        "reset" => reset: Located<Reset>,
        /// How long an error takes; as any answer by default.
        "serviceTime" => service_time: Located<Distribution>,
    }

    /// What a pod does with the requests that match.
    Operation {
        /// Which requests; all if left out.
        "match" => matches: OperationMatch,
        /// What it does, in sequence.
        "steps" => steps: Vec<Step>,
    }

    /// Conditions, all of them required.
    OperationMatch {
        /// The path, `*` for any characters: `/reviews/*`.
        "path" => path: Located<String>,
        /// `GET`
        "method" => method: Located<String>,
        /// The host as sent, without port.
        "host" => host: Located<String>,
        /// Headers and their values; `*` for any value.
        "headers" => headers: Entries<Located<String>>,
        /// Query parameters and their values; `*` for any value.
        "query" => query: Entries<Located<String>>,
    }

    /// One call and what the app does about it.
    CallFields {
        /// Whom it calls: `http://ratings:9080/ratings/0`.
        "call" => call: Located<Url>,
        /// `GET` by default.
        "method" => method: Located<String>,
        /// Headers that the call adds.
        "headers" => headers: Entries<Located<String>>,
        /// Share of requests that make it; all by default.
        "share" => share: Located<Share>,
        /// How many times it is made.
        "repeat" => repeat: Located<Count<1_000>>,
        /// The app's own limit, on top of the sidecar's.
        "timeout" => timeout: Located<SimDuration>,
        /// The app's own tries; 1 by default.
        "attempts" => attempts: Located<NonZeroU32>,
        /// `fail` (with 500), a status to fail with, or `ignore`.
        "onError" => on_error: Located<OnError>,
    }

    /// Work inside the pod.
    WorkFields {
        /// How long it takes.
        "work" => work: Located<Distribution>,
    }

    /// Calls at once; the step ends when all have.
    ParallelFields {
        /// The calls.
        "parallel" => parallel: Vec<Call>,
    }

    /// Slowness after each start.
    ColdStart {
        /// How long it lasts.
        "for" => lasts: Located<SimDuration>,
        /// Work takes this many times as long.
        "slowdown" => slowdown: Located<f64>,
    }

    /// Something that befalls pods.
    Incident {
        /// When it begins.
        "at" => at: Located<SimDuration>,
        /// How long it lasts; to the end by default.
        "for" => lasts: Located<SimDuration>,
        /// How many pods (the first ones), or their names; all by default.
        "pods" => pods: Located<Pods>,
        /// They fail requests.
        "errors" => errors: Errors,
        /// Their work takes this many times as long.
        "slowdown" => slowdown: Located<f64>,
        /// They stop all work.
        "hang" => hang: Located<bool>,
        /// They crash.
        "crash" => crash: Crash,
    }

    /// A crash.
    Crash {
        /// From the crash until the pod serves again.
        "restart" => restart: Located<SimDuration>,
        /// `app` (its sidecar answers 503), `pod` (connections are reset) or `node` (nothing answers).
        "of" => of: Located<CrashScope>,
    }
}

/// A call: its address alone, or with more about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call(pub Located<CallFields>);

impl Written for Call {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let span = reader.span(node);
        if node.value.is_mapping() {
            let fields = CallFields::read(node, reader)?;
            if fields.call.is_none() {
                if node.child("call").is_none() {
                    reader.error(node, "this call has no `call`").help =
                        Some("write whom it calls: `call: http://...`".to_owned());
                }
                return None;
            }
            return Some(Call(Located { value: fields, span }));
        }
        let call = Some(Located::read(node, reader)?);
        Some(Call(Located { value: CallFields { call, ..CallFields::default() }, span }))
    }
}

impl schemars::JsonSchema for Call {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Call".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (short, long) = (generator.subschema_for::<Url>(), generator.subschema_for::<CallFields>());
        schemars::json_schema!({"anyOf": [short, long]})
    }
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Work(Located<Distribution>),
    Call(Box<Call>),
    Parallel(Vec<Call>),
}

impl Written for Step {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if node.child("work").is_some() {
            return WorkFields::read(node, reader)?.work.map(Step::Work);
        }
        if node.child("parallel").is_some() {
            return ParallelFields::read(node, reader)?.parallel.map(Step::Parallel);
        }
        if node.value.is_mapping() && node.child("call").is_none() {
            reader.error(node, "a step is one of `work:`, `call:` or `parallel:`");
            return None;
        }
        Call::read(node, reader).map(|call| Step::Call(Box::new(call)))
    }
}

impl schemars::JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Step".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (work, parallel) =
            (generator.subschema_for::<WorkFields>(), generator.subschema_for::<ParallelFields>());
        let (short, long) = (generator.subschema_for::<Url>(), generator.subschema_for::<CallFields>());
        schemars::json_schema!({"anyOf": [work, long, parallel, short]})
    }
}

/// The first pods of a workload, or named ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Pods {
    First(u32),
    Named(Vec<Located<String>>),
}

impl Written for Pods {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_sequence() {
            return Vec::read(node, reader).map(Pods::Named);
        }
        NonZeroU32::read(node, reader).map(|count| Pods::First(count.get()))
    }
}

/// A word out of a fixed set.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($word:literal => $variant:ident,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
        pub enum $name {
            $(#[schemars(rename = $word)] $variant,)+
        }

        impl Text for $name {
            const WHAT: &'static str = concat!("one of", $(" `", $word, "`",)+);
            fn parse(part: Part<'_>) -> Result<Self, Fault> {
                match part.text {
                    $($word => Ok($name::$variant),)+
                    other => Err(part.fault(format!("`{other}` is not {}", Self::WHAT))),
                }
            }
        }

        written_as_text!($name);
    )+};
}

words! {
    /// What stands between applications and the network: an Envoy each; a ztunnel on each node, with waypoints for
    /// HTTP; nothing but gateways; or a gRPC library that asks the control plane itself.
    DataPlane {
        "sidecar" => Sidecar,
        "ambient" => Ambient,
        "gateway-only" => GatewayOnly,
        "proxyless" => Proxyless,
    }
    /// In which order waiting requests are served.
    Discipline {
        "fifo" => Fifo,
        "processor-sharing" => ProcessorSharing,
    }
    /// What becomes of the worker during calls.
    Threading {
        "blocking" => Blocking,
        "async" => Async,
    }
    /// What breaks: the `connection`, the `stream` (HTTP/2), the stream before it is worked at, or the protocol.
    Reset {
        "connection" => Connection,
        "stream" => Stream,
        "refused-stream" => RefusedStream,
        "protocol" => Protocol,
    }
    /// How much goes down.
    CrashScope {
        "app" => App,
        "pod" => Pod,
        "node" => Node,
    }
}

/// The status of an error: HTTP's, 100 to 599, or gRPC's below that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorStatus(pub u16);

impl Text for ErrorStatus {
    const WHAT: &'static str = "an HTTP status such as 503, or a gRPC status such as `UNAVAILABLE`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        let help = format!("write {}", Self::WHAT);
        match part.text.parse::<u16>() {
            Ok(status @ 100..=599) => return Ok(ErrorStatus(status)),
            Ok(status) => return Err(part.fault(format!("`{status}` is no HTTP status")).help(help)),
            Err(_) => {}
        }
        match grpc::by_name(part.text) {
            Some(status) if status > 0 => Ok(ErrorStatus(status)),
            _ => {
                let help = did_you_mean(part.text, grpc::failures())
                    .map_or(help, |near| format!("did you mean `{near}`?"));
                Err(part.fault(format!("`{}` is no status of an error", part.text)).help(help))
            }
        }
    }
}

written_as_text!(ErrorStatus);

/// What a failed call does to its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The operation ends with this status; `fail` is 500.
    Fail(u16),
    Ignore,
}

impl Text for OnError {
    const WHAT: &'static str = "`fail`, `ignore` or a status";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        match part.text {
            "fail" => Ok(OnError::Fail(500)),
            "ignore" => Ok(OnError::Ignore),
            text => match text.parse::<u16>() {
                Ok(status @ 100..=599) => Ok(OnError::Fail(status)),
                _ => Err(part.fault(format!("`{text}` is not `fail`, `ignore` or a status such as 502"))),
            },
        }
    }
}

written_as_text!(OnError);

schema! {
    OnError, "OnError" => {"anyOf": [{"enum": ["fail", "ignore"]}, {"type": "integer", "minimum": 100, "maximum": 599}]};
    ErrorStatus, "ErrorStatus" => {"anyOf": [
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"enum": grpc::failures().collect::<Vec<_>>()}
    ]};
    Pods, "Pods" => {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": {"type": "string"}}]};
}
