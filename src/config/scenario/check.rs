//! What each value of the scenario must satisfy on its own and beside its neighbours. Whether names exist is asked by
//! `resolve`, which knows the manifests.

use std::collections::BTreeMap;

use super::client::{Client, Load, Profile, Request, Users};
use super::whole::{Scenario, TimelineEntry};
use super::workload::{Call, DataPlane, Errors, Incident, Operation, Pods, Step, Workload};
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::document::{DocId, Docs, ObjectRef};
use crate::config::path::push_key;
use crate::config::read::{Entries, Limit, Located};
use crate::kernel::SimDuration;
use crate::kernel::words::counted;

/// Characters of a name. File systems take 255 bytes, and a folder in the making has more in its name.
const MAX_NAME: usize = 60;

fn entry_path(section: &str, name: &Located<String>) -> String {
    let mut path = section.to_owned();
    push_key(&mut path, &name.value);
    path
}

struct Checker<'a> {
    docs: &'a Docs,
    doc: DocId,
    findings: &'a mut Vec<Diagnostic>,
}

pub fn check(scenario: &Scenario, docs: &Docs, doc: DocId, findings: &mut Vec<Diagnostic>) {
    let mut checker = Checker { docs, doc, findings };
    checker.head(scenario);
    for (name, workload) in scenario.workloads.iter().flat_map(|entries| entries.iter()) {
        checker.workload(name, workload);
    }
    for (name, client) in scenario.clients.iter().flat_map(|entries| entries.iter()) {
        checker.client(name, client);
    }
    checker.gateways(scenario);
    for (index, entry) in scenario.timeline.iter().flatten().enumerate() {
        checker.timeline(index, entry);
    }
}

impl Checker<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.findings.push(Diagnostic::error("MS0011", message).at(span));
        self.findings.last_mut().expect("just pushed")
    }

    /// An error about something that is not there.
    fn missing(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.error(span, message).help = Some(help.to_owned());
    }

    fn head(&mut self, scenario: &Scenario) {
        match &scenario.api_version {
            Some(version) if version.value != "meshcast/v1" => {
                let message = format!("`{}` is no version of a scenario", version.value);
                self.missing(version.span, message, "write `apiVersion: meshcast/v1`");
            }
            _ => {}
        }
        if let Some(kind) = scenario.kind.as_ref().filter(|kind| kind.value != "Scenario") {
            self.missing(kind.span, format!("`{}` is no scenario", kind.value), "write `kind: Scenario`");
        }
        if let Some(name) = scenario.metadata.as_ref().and_then(|metadata| metadata.name.as_ref()) {
            let is_folder = !matches!(name.value.trim(), "" | "." | "..")
                && name.value.chars().count() <= MAX_NAME
                && !name.value.contains(char::is_control);
            if !is_folder {
                let help = format!("it names the output folder; give up to {MAX_NAME} letters and digits");
                self.missing(name.span, "this is no name of a scenario", &help);
            }
        }
        for length in [&scenario.duration, &scenario.window].into_iter().flatten() {
            if length.is_zero() {
                self.error(length.span, "this must be above zero");
            }
        }
        if !scenario.is_broken && scenario.clients.as_ref().is_none_or(|clients| clients.is_empty()) {
            let span = self.docs.key_span(self.doc, "clients");
            self.missing(
                span,
                "the scenario has no clients, so nothing would happen",
                "add one under `clients:`",
            );
        }
    }

    /// Names go to terminals and into charts.
    fn plain(&mut self, name: &Located<String>, what: &str) {
        if name.value.contains(char::is_control) {
            let message = format!("this name of a {what} has characters that nobody can see");
            self.missing(name.span, message, "give it letters, digits and signs");
        }
    }

    fn workload(&mut self, name: &Located<String>, workload: &Workload) {
        self.plain(name, "workload");
        let path = entry_path("workloads", name);
        if let Some(limit) = workload.concurrency.as_ref().filter(|limit| limit.value == Limit::Of(0)) {
            self.missing(
                limit.span,
                "a pod that serves 0 requests at once never answers",
                "write 1 or more, or `unlimited`",
            );
        }
        if let (Some(replicas), Some(addresses)) = (&workload.replicas, &workload.addresses) {
            let (pods, given) = (replicas.get() as usize, addresses.0.len());
            if pods != given
                && let Some(first) = addresses.0.first()
            {
                self.error(
                    first.span,
                    format!(
                        "{} for {}",
                        counted(given, "address is given", "addresses are given"),
                        counted(pods, "pod", "pods")
                    ),
                );
            }
        }
        self.data_plane(workload.sidecar.as_ref(), workload.data_plane.as_ref());
        if let Some(errors) = &workload.errors {
            self.errors(errors, name.span);
        }
        for operation in workload.operations.iter().flatten() {
            self.operation(operation);
        }
        for call in workload.calls.iter().flat_map(|calls| &calls.0) {
            self.call(call);
        }
        for (index, incident) in workload.incidents.iter().flatten().enumerate() {
            let path = format!("{path}.incidents[{index}]");
            self.incident(incident, self.docs.span(self.doc, &path), workload);
        }
        if let Some(cold) = &workload.cold_start {
            let span = self.docs.key_span(self.doc, &format!("{path}.coldStart"));
            if (cold.lasts.is_none() || cold.slowdown.is_none()) && !cold.is_broken {
                self.missing(
                    span,
                    "a cold start needs both `for` and `slowdown`",
                    "write `{for: 30s, slowdown: 3}`",
                );
            }
            self.slowdown(cold.slowdown.as_ref());
        }
    }

    /// `sidecar` is the older key, which knows an Envoy at the pod's side or nothing.
    fn data_plane(&mut self, sidecar: Option<&Located<bool>>, plane: Option<&Located<DataPlane>>) {
        let (Some(sidecar), Some(plane)) = (sidecar, plane) else { return };
        let agrees = match plane.value {
            DataPlane::Sidecar => sidecar.value,
            DataPlane::Ambient => false,
            DataPlane::GatewayOnly | DataPlane::Proxyless => !sidecar.value,
        };
        if !agrees {
            let finding = self.error(plane.span, "`dataPlane` and `sidecar` contradict each other");
            finding.related.push((sidecar.span, "this is the other".to_owned()));
            finding.help = Some("keep `dataPlane` alone, which says all that `sidecar` says".to_owned());
        }
    }

    fn operation(&mut self, operation: &Operation) {
        for step in operation.steps.iter().flatten() {
            match step {
                Step::Work(_) => {}
                Step::Call(call) => self.call(call),
                Step::Parallel(calls) => calls.iter().for_each(|call| self.call(call)),
            }
        }
    }

    fn call(&mut self, call: &Call) {
        self.timeout(call.0.timeout.as_ref());
    }

    fn timeout(&mut self, timeout: Option<&Located<SimDuration>>) {
        if let Some(timeout) = timeout.filter(|timeout| timeout.is_zero()) {
            self.missing(timeout.span, "a timeout of zero lets nothing through", "leave it out for no limit");
        }
    }

    fn errors(&mut self, errors: &Errors, owner: Span) {
        let span = errors.status.as_ref().map_or(owner, |status| status.span);
        if errors.rate.is_none() && !errors.is_broken {
            self.missing(span, "these errors have no `rate`", "write `errors: {rate: 1%, status: 500}`");
        }
        if let (Some(_), Some(reset)) = (&errors.status, &errors.reset) {
            self.missing(
                reset.span,
                "what is reset has no status",
                "keep `status` for an answer, `reset` for none",
            );
        }
    }

    fn slowdown(&mut self, slowdown: Option<&Located<f64>>) {
        if let Some(factor) = slowdown.filter(|factor| !(factor.value > 0.0 && factor.value <= 1e9)) {
            self.error(factor.span, "a slowdown is a factor above 0; 4 means four times as long");
        }
    }

    fn incident(&mut self, incident: &Incident, span: Span, workload: &Workload) {
        if incident.at.is_none() && !incident.is_broken {
            self.missing(span, "this incident has no `at`", "write when it begins: `at: 3m`");
        }
        let hangs = incident.hang.as_ref().is_some_and(|hang| hang.value);
        let effects =
            [incident.errors.is_some(), incident.slowdown.is_some(), hangs, incident.crash.is_some()];
        if !effects.contains(&true) && !incident.is_broken {
            self.missing(
                span,
                "this incident does nothing",
                "give it `errors`, `slowdown`, `hang: true` or `crash`",
            );
        }
        if let Some(errors) = &incident.errors {
            self.errors(errors, span);
        }
        self.slowdown(incident.slowdown.as_ref());
        if let Some(crash) = &incident.crash
            && crash.restart.is_none()
            && !crash.is_broken
        {
            self.missing(
                span,
                "this crash has no `restart`",
                "write how long it takes: `crash: {restart: 20s}`",
            );
        }
        if let (Some(pods), Some(replicas)) = (&incident.pods, &workload.replicas)
            && let Pods::First(count) = pods.value
            && count > replicas.get()
        {
            self.error(
                pods.span,
                format!("the workload has {} only", counted(replicas.get(), "pod", "pods")),
            );
        }
    }

    fn client(&mut self, name: &Located<String>, client: &Client) {
        self.plain(name, "client");
        if let (Some(gateway), Some(_)) = (&client.gateway, &client.workload) {
            let message = "a client stands at a gateway or in a workload's pods, not both";
            self.missing(gateway.span, message, "keep one of `gateway` and `workload`");
        }
        if let (Some(workload), Some(pods)) = (&client.workload, &client.pods) {
            let help = format!("leave `pods` out: they are those of `{}`", workload.value);
            self.missing(pods.span, "a client in a workload's pods has no pods of its own", &help);
        }
        let requests = client.requests.iter().flat_map(|requests| &requests.0);
        if let Some(few) =
            client.connections.as_ref().filter(|_| requests.clone().any(|request| request.connect.is_some()))
        {
            let help = "leave it out: `load` says how many it opens, or holds";
            self.missing(few.span, "a client that opens connections sends no requests over others", help);
        }
        self.data_plane(client.sidecar.as_ref(), client.data_plane.as_ref());
        if let (Some(plane), true) =
            (&client.data_plane, client.gateway.is_some() || client.workload.is_some())
        {
            let message = "a client at a gateway or in a workload's pods has no data plane of its own";
            self.missing(plane.span, message, "leave `dataPlane` out, or give it to the workload");
        }
        let path = entry_path("clients", name);
        match &client.load {
            None if !client.is_broken => {
                self.missing(
                    name.span,
                    format!("client `{}` has no load", name.value),
                    "write `load: poisson(200rps)`",
                );
            }
            None => {}
            Some(load) => self.load(load),
        }
        match client.requests.as_ref().map(|requests| requests.0.as_slice()) {
            None | Some([]) if !client.is_broken => {
                let message = format!("client `{}` has no requests", name.value);
                self.missing(name.span, message, "write `requests: [{get: \"http://host/path\"}]`");
            }
            None | Some([]) => {}
            Some(requests) => self.requests(name, requests),
        }
        if let Some(users) = &client.users {
            self.users(users, self.docs.key_span(self.doc, &format!("{path}.users")));
            let mut requests = client.requests.iter().flat_map(|requests| &requests.0);
            let carrier = users.header.as_ref().or(users.cookie.as_ref());
            if let Some(carrier) = carrier.filter(|_| requests.any(|request| request.connect.is_some())) {
                let help = "write `sourceIp: true`, which a gateway may hash";
                self.missing(carrier.span, "a connection has no header or cookie to name its user", help);
            }
        }
    }

    fn load(&mut self, load: &Located<Load>) {
        if let Load::Profile(profile) = &load.value {
            self.profile(profile, load.span);
        }
    }

    fn profile(&mut self, profile: &Profile, span: Span) {
        let mut last: Option<SimDuration> = None;
        let points = profile.points.as_deref().unwrap_or_default();
        if points.is_empty() && !profile.is_broken {
            self.missing(span, "this profile has no points", "write `{profile: [{at: 0s, rate: 100rps}]}`");
        }
        for point in points {
            let (Some(at), Some(_)) = (&point.at, &point.rate) else {
                if point.is_broken {
                    continue;
                }
                self.missing(
                    point.span,
                    "a point needs both `at` and `rate`",
                    "write `{at: 5m, rate: 800rps}`",
                );
                continue;
            };
            if last.is_some_and(|last| last >= at.value) {
                self.error(at.span, "the points must be in order of time");
            }
            last = Some(at.value);
        }
    }

    /// Requests without a share divide what the others leave.
    fn requests(&mut self, client: &Located<String>, requests: &[Located<Request>]) {
        let mut sum = 0.0;
        let mut open = 0;
        for request in requests {
            match &request.share {
                Some(share) => sum += share.value.0,
                None => open += 1,
            }
            match request.targets().count() + usize::from(request.connect.is_some()) {
                0 if request.is_broken => {}
                0 => self.missing(
                    request.span,
                    "this request has no address",
                    "write `get: \"http://host/path\"`, or `connect: \"tcp://host:port\"`",
                ),
                1 => {}
                _ => self.missing(
                    request.span,
                    "this request has several methods",
                    "split it in one request each",
                ),
            }
            self.timeout(request.timeout.as_ref());
            self.connection(request);
        }
        let connects = requests.iter().find_map(|request| request.connect.as_ref());
        if let Some(connect) = connects
            && requests.iter().any(|request| request.targets().next().is_some())
        {
            let message = format!("client `{}` opens connections and makes requests", client.value);
            self.missing(
                connect.span,
                message,
                "their figures mean different things: make two clients of it",
            );
        }
        let last = requests.iter().rev().find_map(|request| request.share.as_ref());
        let Some(last) = last else { return };
        let percent = (sum * 1e8).round() / 1e6;
        if percent > 100.0 {
            self.error(last.span, format!("the shares of client `{}` add up to {percent} %", client.value));
        } else if open > 0 && percent >= 100.0 {
            let message =
                format!("the shares of client `{}` leave nothing for requests without one", client.value);
            self.error(last.span, message);
        } else if open == 0 && percent == 0.0 {
            self.error(last.span, format!("the shares of client `{}` add up to 0 %", client.value));
        } else if open == 0 && percent < 100.0 {
            let message =
                format!("the shares of client `{}` add up to {percent} % and are scaled up", client.value);
            self.findings.push(Diagnostic::warning("MS0011", message).at(last.span));
        }
    }

    /// Opaque bytes carry nothing that a proxy could read.
    fn connection(&mut self, request: &Request) {
        if request.connect.is_none() {
            if let Some(lasts) = &request.lasts {
                let help = "leave it out, or open a connection by `connect:`";
                self.missing(lasts.span, "only connections are held for a time", help);
            }
            return;
        }
        let first = |entries: &Option<Entries<Located<String>>>| {
            entries.as_ref().and_then(|list| list.iter().next().map(|(name, _)| name.span))
        };
        for place in [first(&request.headers), first(&request.cookies)].into_iter().flatten() {
            let help = "leave them out: nobody on the way reads what is in it";
            self.missing(place, "a connection carries no headers or cookies", help);
        }
        let (timeout, attempts) = (&request.timeout, &request.attempts);
        let places = [timeout.as_ref().map(|value| value.span), attempts.as_ref().map(|value| value.span)];
        for place in places.into_iter().flatten() {
            let help = "leave it out: the DestinationRule's `connectTimeout` holds, and who is refused under \
                        `closed(...)` tries again after his think time";
            self.missing(place, "a connection is tried once, without a limit of the client's own", help);
        }
    }

    fn users(&mut self, users: &Users, span: Span) {
        if users.count.is_none() && !users.is_broken {
            self.missing(
                span,
                "this population has no `count`",
                "write `users: {count: 500, header: x-user}`",
            );
        }
        let by_address = users.source_ip.as_ref().is_some_and(|flag| flag.value);
        match usize::from(users.header.is_some())
            + usize::from(users.cookie.is_some())
            + usize::from(by_address)
        {
            1 => {}
            0 if users.is_broken => {}
            0 => self.missing(
                span,
                "nothing tells the user of a request",
                "add `header: x-user`, `cookie: session` or `sourceIp: true`",
            ),
            _ => self.missing(
                span,
                "a user is told in one way only",
                "keep one of `header`, `cookie` and `sourceIp`",
            ),
        }
        if let Some(zipf) = users.zipf.as_ref().filter(|zipf| !(zipf.value > 0.0 && zipf.value <= 10.0)) {
            self.error(zipf.span, "the exponent of a Zipf law lies above 0 and is at most 10");
        }
    }

    /// Clients at one gateway share its proxies, so they cannot differ about their number. Source: design D9.6.
    fn gateways(&mut self, scenario: &Scenario) {
        let mut seen = BTreeMap::new();
        for (_, client) in scenario.clients.iter().flat_map(|clients| clients.iter()) {
            let (Some(gateway), Some(pods)) = (&client.gateway, &client.pods) else { continue };
            let (first, place) = *seen.entry(&gateway.value).or_insert((pods.get(), pods.span));
            if first != pods.get() {
                let message = format!("clients of gateway `{}` disagree about its pods", gateway.value);
                let finding = self.error(pods.span, message);
                finding.related.push((place, format!("{first} here")));
                finding.help = Some("they share its proxies; give both the same number".to_owned());
            }
        }
    }

    fn timeline(&mut self, index: usize, entry: &TimelineEntry) {
        let span = self.docs.span(self.doc, &format!("timeline[{index}]"));
        if entry.at.is_none() && !entry.is_broken {
            self.missing(span, "this entry has no `at`", "write when it happens: `at: 2m`");
        }
        if entry.apply.is_none() && entry.delete.is_none() && entry.set.is_none() && !entry.is_broken {
            self.missing(span, "this entry changes nothing", "give it `apply`, `delete` or `set`");
        }
        for object in entry.delete.iter().flat_map(|delete| &delete.0) {
            if let Err(message) = ObjectRef::parse(&object.value) {
                self.error(object.span, message);
            }
        }
    }
}
