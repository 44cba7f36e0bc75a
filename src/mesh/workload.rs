//! How pods and clients behave, as the scenario tells it. Source: design D3, D4, D9.

use std::num::NonZeroU32;

use super::ids::{CallSpecId, ProxyId, ServiceId, StateId, WorkloadId};
use super::policy_spec::{CircuitBreakers, ConnectionSpec, ErrorSpec};
use super::routing::RouteMatch;
use crate::kernel::arrivals::Load;
use crate::kernel::distribution::Distribution;
use crate::kernel::random::Chance;
use crate::kernel::{SimDuration, SimTime};

/// Pods that behave alike: one Deployment.
#[derive(Clone, Debug)]
pub struct Workload {
    /// As people write it: short in the scenario's namespace, else `name.namespace`.
    pub name: String,
    pub namespace: String,
    pub labels: Vec<(String, String)>,
    /// Services that select its pods.
    pub services: Vec<ServiceId>,
    pub data_plane: DataPlane,
    /// Requests in service at once per pod; `None`: unlimited, a pure delay. With processor sharing: the cores.
    pub concurrency: Option<NonZeroU32>,
    /// Waiting requests per pod before it answers 503; `None`: unlimited.
    pub queue: Option<u32>,
    pub discipline: Discipline,
    pub threading: Threading,
    pub errors: Option<ErrorSpec>,
    /// First match wins; none: 404. Source: design D9.10.
    pub operations: Vec<Operation>,
    pub incidents: Vec<Incident>,
    pub life: PodLife,
    pub cold_start: Option<ColdStart>,
    /// A caller that gives up stops the work. Source: design D9.13.
    pub cancellation: bool,
    /// The application closes a connection that has carried nothing for so long. Source: semantics S7.7.
    pub keep_alive: Option<SimDuration>,
    /// `None`: all headers are carried on. Names lower case. Source: design D9.7.
    pub forward_headers: Option<Vec<String>>,
    /// Ports that its pods' own sidecars limit; empty where there is no sidecar or no limit.
    pub inbound: Vec<Inbound>,
    /// Keys of the scenario that were left to guesses (`serviceTime`, `concurrency`). Source: design D9.12.
    pub guessed: Vec<&'static str>,
}

/// What stands between a pod's application and the network, on the way in and out. Source: design D9.2; semantics S22.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataPlane {
    /// An Envoy at its side.
    #[default]
    Sidecar,
    /// Its node's ztunnel.
    Ambient,
    /// A gRPC library inside the application that asks the control plane itself; nothing on the way in.
    Proxyless,
    /// Nothing.
    Bare,
}

impl Workload {
    /// It has an Envoy at its side (inbound and outbound).
    pub fn has_sidecar(&self) -> bool {
        self.data_plane == DataPlane::Sidecar
    }
}

/// The pool of a service's DestinationRule as it acts again at each of its pods. Source: semantics S1.2.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    pub service: ServiceId,
    pub port: u16,
    pub limits: Limits,
    /// What later states of the configuration make of them, where they change.
    pub later: Vec<(StateId, Limits)>,
}

/// What one port of a pod is limited to.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    pub breakers: CircuitBreakers,
    pub connection: ConnectionSpec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    Fifo,
    ProcessorSharing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threading {
    /// The slot is held through all steps.
    Blocking,
    /// The slot is given back during calls.
    Async,
}

/// What a pod does with a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// `None`: every request.
    pub condition: Option<RouteMatch>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Work(Distribution),
    /// All at once; the step ends when all have.
    Calls(Vec<CallSpecId>),
}

/// One call as a step writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSpec {
    pub owner: WorkloadId,
    pub target: Target,
    /// Number among equal calls of the operation, as listed. Source: design D2.
    pub index: u64,
    /// Drawn per call; `ALWAYS` for a plain call.
    pub share: Chance,
    /// The app's own limit, on top of the sidecar's.
    pub timeout: Option<SimDuration>,
    /// The app's own tries; 1: no retry of its own.
    pub attempts: NonZeroU32,
    /// Headers that the call adds, names lower case.
    pub headers: Vec<(String, String)>,
    pub on_error: OnError,
}

/// Whom a call addresses. `name_hash` is xxh64 of `METHOD host:port/path` with the host resolved, and part of the
/// call's key. Source: design D2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub method: String,
    /// As sent in `Host`, lower case, without port.
    pub host: String,
    /// The service it resolves to from the caller's namespace, if any.
    pub service: Option<ServiceId>,
    pub port: u16,
    /// Without query; starts with `/`.
    pub path: String,
    /// Without `?`; empty if none.
    pub query: String,
    pub name_hash: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// The operation ends after the step with this status.
    Fail(u16),
    Ignore,
}

/// Something that befalls pods. Source: design D9.14.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub at: SimTime,
    /// `None`: to the end of the run.
    pub lasts: Option<SimDuration>,
    /// Ordinals within the workload; `None`: all.
    pub pods: Option<Vec<u32>>,
    pub kind: IncidentKind,
}

impl Incident {
    /// Whether it befalls the pod with this number within the workload.
    pub fn hits(&self, ordinal: u32) -> bool {
        self.pods.as_ref().is_none_or(|pods| pods.contains(&ordinal))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum IncidentKind {
    Errors(ErrorSpec),
    /// Work steps that begin meanwhile take this many times as long.
    Slowdown(f64),
    /// All work stops until the end.
    Hang,
    /// `restart`: from the crash until the pod serves again.
    Crash {
        restart: SimDuration,
        of: CrashOf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashOf {
    App,
    Pod,
    Node,
}

/// How pods come and go. Source: semantics S15.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodLife {
    /// In order of time, the first one at 0; empty: all pods are there throughout. Pods beyond the number in force, by
    /// their own, are away.
    pub scalings: Vec<Scaling>,
    /// From a pod's start until it serves and is ready.
    pub startup: SimDuration,
    /// From the moment at which a pod is told to go until its application takes nothing more.
    pub shutdown: SimDuration,
    /// So long after that moment, what it still has to do is broken off.
    pub grace: SimDuration,
}

/// So many pods from this moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaling {
    pub at: SimTime,
    pub pods: u32,
}

impl PodLife {
    /// How many pods there are to be at a moment; `None`: all.
    pub fn pods_at(&self, moment: SimTime) -> Option<u32> {
        self.scalings.iter().rev().find(|scaling| scaling.at <= moment).map(|scaling| scaling.pods)
    }

    /// How many of them serve then, the first ones: those that were to be there for all of a start-up.
    pub fn serving_at(&self, moment: SimTime) -> Option<u32> {
        let since = SimTime::ZERO + moment.since(SimTime::ZERO + self.startup);
        let within = self.scalings.iter().filter(|scaling| scaling.at > since && scaling.at <= moment);
        within.map(|scaling| scaling.pods).chain(self.pods_at(since)).min()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ColdStart {
    pub lasts: SimDuration,
    pub slowdown: f64,
}

/// A source of load.
#[derive(Clone, Debug)]
pub struct Client {
    pub name: String,
    pub kind: ClientKind,
    /// The proxies that carry its requests; a request's is a draw of its fate, or its connection's.
    pub proxies: Vec<ProxyId>,
    /// `None`: very many. Source: design D9.5.
    pub connections: Option<Connections>,
    pub load: Load,
    pub classes: Vec<Class>,
    pub users: Option<Users>,
}

/// Long-lived connections of a client, dealt out to its proxies in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    pub count: NonZeroU32,
    /// Without Envoy, each stays with the host that it was made to. Source: semantics S22.2.
    pub pin_hosts: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClientKind {
    /// At this gateway's door, outside the mesh.
    Gateway(String),
    /// In the pods of this workload.
    Workload(WorkloadId),
    /// Pods of its own with a sidecar.
    Sidecar,
}

/// One kind of request of a client, or of connection.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its `name:`, or method and path.
    pub name: String,
    /// Relative.
    pub share: f64,
    pub target: Target,
    /// Names lower case; cookies are in `cookie`.
    pub headers: Vec<(String, String)>,
    pub timeout: Option<SimDuration>,
    pub attempts: NonZeroU32,
    /// It opens a connection of opaque bytes instead of asking; of `target` only host and port count then.
    pub connect: Option<Connect>,
}

/// A connection of opaque bytes, as its client holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// The client speaks TLS itself and names the host (SNI).
    pub tls: bool,
    /// From the moment it stands; `None`: until the other side breaks it off.
    pub lasts: Option<Distribution>,
}

/// The population that requests come from.
#[derive(Clone, Debug)]
pub struct Users {
    pub count: NonZeroU32,
    /// Exponent of a Zipf law; `None`: uniform.
    pub zipf: Option<f64>,
    pub carrier: UserCarrier,
    /// Share of requests that name no user.
    pub without: Chance,
}

/// Where a request tells its user (`u0`, `u1` ...).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserCarrier {
    /// Name lower case.
    Header(String),
    Cookie(String),
    SourceIp,
}
