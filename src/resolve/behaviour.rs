//! How pods behave: from the scenario's workloads to operations, calls, failures and incidents.

use std::num::NonZeroU32;

use super::names::Names;
use super::{defaults, targets};
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::read::{Entries, Limit, Located};
use crate::config::scenario::{self as written, Pods};
use crate::kernel::distribution::Distribution;
use crate::kernel::random::Chance;
use crate::kernel::words::counted;
use crate::kernel::{SimDuration, SimTime, Table};
use crate::mesh::policy_spec::{Breakage, Ending, ErrorSpec};
use crate::mesh::routing::{RouteMatch, StringMatch};
use crate::mesh::workload::{
    CallSpec, ColdStart, CrashOf, DataPlane, Discipline, Incident, IncidentKind, OnError, Operation, PodLife,
    Scaling, Step, Threading, Workload,
};
use crate::mesh::{CallSpecId, ServiceId, WorkloadId};

/// Who the workload is, as manifests and scenario together tell it.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: WorkloadId,
    /// As people write it.
    pub name: String,
    /// Name of its pods without the number: `reviews-v2` for `reviews-v2-0`.
    pub pod_prefix: String,
    pub namespace: String,
    pub labels: Vec<(String, String)>,
    pub services: Vec<ServiceId>,
    pub data_plane: DataPlane,
    pub pods: u32,
    /// How many of them are there when; empty: all throughout.
    pub scalings: Vec<Scaling>,
    /// As the manifest has it.
    pub shutdown: Option<SimDuration>,
    /// As the manifest has it.
    pub grace: Option<SimDuration>,
}

/// Builds one workload; its calls go to `calls`. `scenario` is `None` if the scenario says nothing about it: it then
/// runs on guesses (design D9.12). Unknown hosts and pods are findings.
pub fn workload(
    identity: Identity,
    scenario: Option<&written::Workload>,
    names: &dyn Names,
    calls: &mut Table<CallSpecId, CallSpec>,
    findings: &mut Vec<Diagnostic>,
) -> Workload {
    let silent = written::Workload::default();
    let said = scenario.unwrap_or(&silent);
    let mut builder = Builder { owner: &identity, names, calls, findings };
    let operations = builder.operations(said);
    let incidents = said.incidents.iter().flatten().flat_map(|incident| builder.incident(incident)).collect();
    let mut guessed = Vec::new();
    if said.service_time.is_none() && has_own_work(said) {
        guessed.push("serviceTime");
    }
    if said.concurrency.is_none() {
        guessed.push("concurrency");
    }
    if let Some(keep_alive) = said.keep_alive.as_ref().filter(|_| identity.data_plane == DataPlane::Sidecar) {
        let message = "`keepAlive` loses no request here: the pods' own sidecars hear of a close in no time";
        let help =
            "a pod loses them to callers across the network: without a sidecar of its own, `sidecar: false`";
        findings.push(Diagnostic::info("MS0011", message).at(keep_alive.span).help(help));
    }
    let life = life(&identity, said);
    let grows = life.scalings.windows(2).any(|pair| pair[0].pods < pair[1].pods);
    if grows && said.startup.is_none() {
        guessed.push("startup");
    }
    let Identity { name, namespace, labels, services, data_plane, .. } = identity;
    Workload {
        name,
        namespace,
        labels,
        services,
        data_plane,
        concurrency: said.concurrency.as_ref().and_then(|limit| count(limit.value)).and_then(NonZeroU32::new),
        queue: said.queue.as_ref().and_then(|limit| count(limit.value)),
        discipline: match said.discipline.as_ref().map(|word| word.value) {
            Some(written::Discipline::ProcessorSharing) => Discipline::ProcessorSharing,
            Some(written::Discipline::Fifo) | None => Discipline::Fifo,
        },
        threading: match said.threading.as_ref().map(|word| word.value) {
            Some(written::Threading::Async) => Threading::Async,
            Some(written::Threading::Blocking) | None => Threading::Blocking,
        },
        errors: said.errors.as_ref().map(errors),
        operations,
        incidents,
        life,
        cold_start: said.cold_start.as_ref().and_then(cold_start),
        keep_alive: said.keep_alive.as_ref().map(|after| after.value),
        cancellation: said.cancellation.as_ref().is_some_and(|flag| flag.value),
        forward_headers: said
            .forward_headers
            .as_ref()
            .map(|names| names.0.iter().map(|name| name.to_ascii_lowercase()).collect()),
        inbound: Vec::new(),
        guessed,
    }
}

fn life(identity: &Identity, said: &written::Workload) -> PodLife {
    let written = |said: &Option<Located<SimDuration>>| said.as_ref().map(|length| length.value);
    PodLife {
        scalings: identity.scalings.clone(),
        startup: written(&said.startup).unwrap_or(defaults::STARTUP),
        shutdown: written(&said.shutdown).or(identity.shutdown).unwrap_or(defaults::SHUTDOWN),
        grace: identity.grace.unwrap_or(defaults::GRACE),
    }
}

fn count(limit: Limit) -> Option<u32> {
    match limit {
        Limit::Unlimited => None,
        Limit::Of(count) => Some(count),
    }
}

/// Whether requests that no operation matches are served: with the workload's own work and calls. Source: design D9.10.
fn has_own_work(said: &written::Workload) -> bool {
    said.operations.is_none() || said.calls.is_some() || said.service_time.is_some()
}

fn errors(said: &written::Errors) -> ErrorSpec {
    ErrorSpec {
        rate: Chance::new(said.rate.as_ref().map_or(0.0, |rate| rate.value.0)),
        ending: match (&said.status, &said.reset) {
            (_, Some(reset)) => Ending::Broken(breakage(reset.value)),
            (Some(status), None) => Ending::Status(status.value.0),
            (None, None) => Ending::Status(defaults::ERROR_STATUS),
        },
        service_time: said.service_time.as_ref().map(|time| time.value.clone()),
    }
}

fn breakage(word: written::Reset) -> Breakage {
    match word {
        written::Reset::Connection => Breakage::Connection,
        written::Reset::Stream => Breakage::Stream,
        written::Reset::RefusedStream => Breakage::Refused,
        written::Reset::Protocol => Breakage::Protocol,
    }
}

fn cold_start(said: &written::ColdStart) -> Option<ColdStart> {
    Some(ColdStart { lasts: said.lasts.as_ref()?.value, slowdown: said.slowdown.as_ref()?.value })
}

struct Builder<'a> {
    owner: &'a Identity,
    names: &'a dyn Names,
    calls: &'a mut Table<CallSpecId, CallSpec>,
    findings: &'a mut Vec<Diagnostic>,
}

/// The calls of one operation so far, by name, to number equal ones.
type Seen = Vec<u64>;

impl Builder<'_> {
    fn operations(&mut self, said: &written::Workload) -> Vec<Operation> {
        let mut operations: Vec<Operation> =
            said.operations.iter().flatten().map(|operation| self.operation(operation)).collect();
        if has_own_work(said) {
            let work: Distribution =
                said.service_time.as_ref().map_or_else(defaults::service_time, |time| time.value.clone());
            let mut steps = vec![Step::Work(work)];
            let mut seen = Seen::new();
            for call in said.calls.iter().flat_map(|calls| &calls.0) {
                self.in_sequence(call, &mut seen, &mut steps);
            }
            operations.push(Operation { condition: None, steps });
        }
        operations
    }

    fn operation(&mut self, said: &written::Operation) -> Operation {
        let (mut steps, mut seen) = (Vec::new(), Seen::new());
        for step in said.steps.iter().flatten() {
            match step {
                written::Step::Work(time) => steps.push(Step::Work(time.value.clone())),
                written::Step::Call(call) => self.in_sequence(call, &mut seen, &mut steps),
                written::Step::Parallel(branches) => {
                    let ids = branches.iter().flat_map(|call| self.repeated(call, &mut seen)).collect();
                    steps.push(Step::Calls(ids));
                }
            }
        }
        Operation { condition: said.matches.as_ref().and_then(condition), steps }
    }

    /// A repeated call in sequence is as many steps.
    fn in_sequence(&mut self, call: &written::Call, seen: &mut Seen, steps: &mut Vec<Step>) {
        steps.extend(self.repeated(call, seen).into_iter().map(|id| Step::Calls(vec![id])));
    }

    fn repeated(&mut self, call: &written::Call, seen: &mut Seen) -> Vec<CallSpecId> {
        let said = &call.0.value;
        let Some(url) = &said.call else { return Vec::new() };
        targets::check_reachable(&url.value.host, url.span, &self.owner.namespace, self.names, self.findings);
        let method = said.method.as_ref().map_or("GET", |method| method.value.as_str());
        let target = targets::target(method, &url.value, &self.owner.namespace, self.names);
        let times = said.repeat.as_ref().map_or(1, |repeat| repeat.get());
        let mut ids = Vec::new();
        for _ in 0..times {
            let index = seen.iter().filter(|name| **name == target.name_hash).count() as u64;
            seen.push(target.name_hash);
            ids.push(self.calls.push(CallSpec {
                owner: self.owner.id,
                target: target.clone(),
                index,
                share: said.share.as_ref().map_or(Chance::ALWAYS, |share| Chance::new(share.value.0)),
                timeout: said.timeout.as_ref().map(|timeout| timeout.value),
                attempts: said.attempts.as_ref().map_or(NonZeroU32::MIN, |attempts| attempts.value),
                headers: said.headers.as_ref().map(headers).unwrap_or_default(),
                on_error: match said.on_error.as_ref().map(|word| word.value) {
                    Some(written::OnError::Ignore) => OnError::Ignore,
                    Some(written::OnError::Fail(status)) => OnError::Fail(status),
                    None => OnError::Fail(defaults::CALL_ERROR_STATUS),
                },
            }));
        }
        ids
    }

    /// One incident per effect.
    fn incident(&mut self, said: &written::Incident) -> Vec<Incident> {
        let Some(at) = &said.at else { return Vec::new() };
        let pods = match &said.pods {
            None => None,
            Some(pods) => self.ordinals(pods),
        };
        let mut kinds = Vec::new();
        kinds.extend(said.errors.as_ref().map(|said| IncidentKind::Errors(errors(said))));
        kinds.extend(said.slowdown.as_ref().map(|factor| IncidentKind::Slowdown(factor.value)));
        kinds.extend(said.hang.as_ref().filter(|hang| hang.value).map(|_| IncidentKind::Hang));
        kinds.extend(said.crash.as_ref().and_then(|said| crash(said, self.owner.data_plane)));
        let lasts = said.lasts.as_ref().map(|lasts| lasts.value);
        let at = SimTime::ZERO + at.value;
        kinds.into_iter().map(|kind| Incident { at, lasts, pods: pods.clone(), kind }).collect()
    }

    fn ordinals(&mut self, pods: &Located<Pods>) -> Option<Vec<u32>> {
        let there_are = self.owner.pods;
        match &pods.value {
            Pods::First(count) if *count > there_are => {
                self.no_such_pods(
                    pods.span,
                    format!("`{}` has {} only", self.owner.name, counted(there_are, "pod", "pods")),
                );
                None
            }
            Pods::First(count) => Some((0..*count).collect()),
            Pods::Named(list) => {
                let mut ordinals = Vec::new();
                for name in list {
                    let number = name
                        .strip_prefix(self.owner.pod_prefix.as_str())
                        .and_then(|rest| rest.strip_prefix('-'));
                    match number
                        .and_then(|digits| digits.parse::<u32>().ok())
                        .filter(|ordinal| *ordinal < there_are)
                    {
                        Some(ordinal) => ordinals.push(ordinal),
                        None => {
                            let message = format!("`{}` has no pod `{}`", self.owner.name, name.value);
                            self.no_such_pods(name.span, message);
                        }
                    }
                }
                ordinals.sort_unstable();
                ordinals.dedup();
                Some(ordinals)
            }
        }
    }

    fn no_such_pods(&mut self, span: Span, message: String) {
        let prefix = &self.owner.pod_prefix;
        let last = self.owner.pods.saturating_sub(1);
        let help = format!("its pods are `{prefix}-0` to `{prefix}-{last}`");
        self.findings.push(Diagnostic::error("MS0013", message).at(span).help(help));
    }
}

/// An application that crashes alone leaves its sidecar, which answers for it; without one its port is closed, as if
/// the pod were gone. Source: semantics S15.3, S22.2; design D9.14.
fn crash(said: &written::Crash, plane: DataPlane) -> Option<IncidentKind> {
    let of = match said.of.as_ref().map(|word| word.value) {
        Some(written::CrashScope::Pod) => CrashOf::Pod,
        Some(written::CrashScope::Node) => CrashOf::Node,
        Some(written::CrashScope::App) | None if plane == DataPlane::Sidecar => CrashOf::App,
        Some(written::CrashScope::App) | None => CrashOf::Pod,
    };
    Some(IncidentKind::Crash { restart: said.restart.as_ref()?.value, of })
}

/// Header names lower case, in the order written.
pub fn headers(said: &Entries<Located<String>>) -> Vec<(String, String)> {
    said.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.value.clone())).collect()
}

/// `None` if it asks for nothing.
fn condition(said: &written::OperationMatch) -> Option<RouteMatch> {
    let values = |entries: &Option<Entries<Located<String>>>, lower: bool| {
        let pairs = entries.iter().flat_map(|entries| entries.iter());
        let name = |name: &str| if lower { name.to_ascii_lowercase() } else { name.to_owned() };
        pairs.map(|(key, value)| (name(key), pattern(value))).collect::<Vec<_>>()
    };
    let condition = RouteMatch {
        path: said.path.as_ref().map(|path| pattern(path)).filter(|path| *path != StringMatch::Present),
        method: said.method.as_ref().map(|method| StringMatch::Exact(method.to_ascii_uppercase())),
        authority: said.host.as_ref().map(|host| pattern(&host.to_ascii_lowercase())),
        headers: values(&said.headers, true),
        query_params: values(&said.query, false),
        ..RouteMatch::default()
    };
    (condition != RouteMatch::default()).then_some(condition)
}

/// `*` stands for any characters.
fn pattern(text: &str) -> StringMatch {
    match text.find('*') {
        None => StringMatch::Exact(text.to_owned()),
        Some(0) if text.len() == 1 => StringMatch::Present,
        Some(star) if star + 1 == text.len() => StringMatch::Prefix(text[..star].to_owned()),
        Some(_) => {
            let parts: Vec<String> = text.split('*').map(regex::escape).collect();
            StringMatch::Regex(parts.join(".*"))
        }
    }
}

#[cfg(test)]
#[path = "behaviour_tests.rs"]
mod tests;
