//! Who sends requests: from the scenario's clients to load, classes and users. The proxies that carry them are made by
//! the inventory, which knows gateways and pods.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::behaviour::headers;
use super::names::Names;
use super::{defaults, planes, targets};
use crate::config::arrivals::{Birth, LoadText};
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::read::Located;
use crate::config::scenario::{self as written, Scenario};
use crate::kernel::SimTime;
use crate::kernel::arrivals::{Load, Spacing};
use crate::kernel::random::Chance;
use crate::mesh::ProxyId;
use crate::mesh::workload::{Class, Client, ClientKind, Connect, Connections, DataPlane, UserCarrier, Users};

/// A client that still lacks its proxies.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    pub name: String,
    pub kind: ClientKind,
    /// Of its own pods; those of a gateway or workload know theirs.
    pub namespace: String,
    pub labels: Vec<(String, String)>,
    pub zones: Vec<String>,
    /// As written; `None` for `workload:` clients and where another client of the gateway may tell.
    pub pods: Option<NonZeroU32>,
    /// `None`: as its namespace.
    pub data_plane: Option<DataPlane>,
    pub load: Load,
    pub classes: Vec<Class>,
    pub users: Option<Users>,
    pub connections: Option<NonZeroU32>,
    /// Where its name stands.
    pub span: Span,
}

impl ClientPlan {
    /// `knows_requests`: what stands at its side decides for each request, not for each connection.
    pub fn with_proxies(self, proxies: Vec<ProxyId>, knows_requests: bool) -> Client {
        let ClientPlan { name, kind, load, classes, users, connections, .. } = self;
        // Other pods make calls of their own, which take no part in this client's connections.
        let pin_hosts = kind == ClientKind::Sidecar && !knows_requests;
        let connections = connections.map(|count| Connections { count, pin_hosts });
        Client { name, kind, proxies, connections, load, classes, users }
    }
}

/// Builds all clients, in the order of the file. A client that lacks something is left out, after a finding.
pub fn clients(
    scenario: &Scenario,
    names: &dyn Names,
    traces: &BTreeMap<String, Vec<Birth>>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<ClientPlan> {
    let entries = scenario.clients.iter().flat_map(|clients| clients.iter());
    entries
        .filter_map(|(name, said)| {
            let home = said.namespace.as_ref().map_or(scenario.namespace(), |space| space.value.as_str());
            client(name, said, home, names, traces, findings)
        })
        .collect()
}

fn client(
    name: &Located<String>,
    said: &written::Client,
    namespace: &str,
    names: &dyn Names,
    traces: &BTreeMap<String, Vec<Birth>>,
    findings: &mut Vec<Diagnostic>,
) -> Option<ClientPlan> {
    let kind = kind(said, names, findings);
    let classes = classes(said, namespace, matches!(kind, Some(ClientKind::Gateway(_))), names, findings);
    let load = said.load.as_ref().and_then(|load| self::load(load, &classes, traces, findings));
    let users = said.users.as_ref().and_then(users);
    Some(ClientPlan {
        name: name.value.clone(),
        kind: kind?,
        namespace: namespace.to_owned(),
        labels: said
            .labels
            .iter()
            .flat_map(|l| l.iter())
            .map(|(k, v)| (k.value.clone(), v.value.clone()))
            .collect(),
        zones: said.zones.iter().flat_map(|zones| &zones.0).map(|zone| zone.value.clone()).collect(),
        pods: said.pods.as_ref().map(|pods| pods.value.0),
        data_plane: planes::said(said.data_plane.as_ref(), said.sidecar.as_ref()),
        load: load?,
        classes: if classes.is_empty() { return None } else { classes },
        users,
        connections: said.connections.as_ref().map(|count| count.value.0),
        span: name.span,
    })
}

fn kind(said: &written::Client, names: &dyn Names, findings: &mut Vec<Diagnostic>) -> Option<ClientKind> {
    if let Some(gateway) = &said.gateway {
        if names.gateway(&gateway.value) {
            return Some(ClientKind::Gateway(gateway.value.clone()));
        }
        let help =
            targets::suggest(&gateway.value, &names.gateway_names(), "name a Gateway of the manifests");
        let message = format!("there is no gateway `{}`", gateway.value);
        findings.push(Diagnostic::error("MS0013", message).at(gateway.span).help(help));
        return None;
    }
    let Some(workload) = &said.workload else { return Some(ClientKind::Sidecar) };
    if let Some(id) = names.workload(&workload.value) {
        return Some(ClientKind::Workload(id));
    }
    let help = targets::suggest(
        &workload.value,
        &names.workload_names(),
        "name a Deployment or an entry of `workloads`",
    );
    let message = format!("there is no workload `{}`", workload.value);
    findings.push(Diagnostic::error("MS0013", message).at(workload.span).help(help));
    None
}

fn classes(
    said: &written::Client,
    namespace: &str,
    at_gateway: bool,
    names: &dyn Names,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Class> {
    let requests = said.requests.as_ref().map_or(&[][..], |requests| &requests.0);
    let given: f64 =
        requests.iter().filter_map(|request| request.share.as_ref()).map(|share| share.value.0).sum();
    let open = requests.iter().filter(|request| request.share.is_none()).count();
    let rest = if open == 0 { 0.0 } else { (1.0 - given).max(0.0) / open as f64 };
    let mut classes: Vec<Class> = Vec::new();
    for request in requests {
        let asks = request.targets().next();
        let target = match (asks, &request.connect) {
            (Some((method, url)), _) => targets::target(method, &url.value, namespace, names),
            (None, Some(peer)) => targets::peer(&peer.value, namespace, names),
            (None, None) => continue,
        };
        let span = asks.map(|(_, url)| url.span).or(request.connect.as_ref().map(|peer| peer.span));
        // A gateway answers 404 to hosts that it does not know, and that is worth simulating; inside the mesh an
        // unknown host is a typing error.
        if let Some(span) = span.filter(|_| !at_gateway) {
            targets::check_reachable(&target.host, span, namespace, names, findings);
        }
        let connect = request.connect.as_ref().map(|peer| Connect {
            tls: peer.value.tls,
            lasts: request.lasts.as_ref().map(|lasts| lasts.value.clone()),
        });
        let plain = match &connect {
            None => format!("{} {}", target.method, target.path),
            Some(Connect { tls, .. }) => {
                format!("{} {}:{}", if *tls { "tls" } else { "tcp" }, target.host, target.port)
            }
        };
        classes.push(Class {
            name: class_name(request, &plain, &classes, findings),
            share: request.share.as_ref().map_or(rest, |share| share.value.0),
            target,
            headers: request_headers(request),
            timeout: request.timeout.as_ref().map(|timeout| timeout.value),
            attempts: request.attempts.as_ref().map_or(NonZeroU32::MIN, |attempts| attempts.value),
            connect,
        });
    }
    classes
}

/// Its `name:`, or what it is (method and path, or whom it connects to), with a number where two would be called alike: they are rows of one table.
fn class_name(
    request: &Located<written::Request>,
    plain: &str,
    before: &[Class],
    findings: &mut Vec<Diagnostic>,
) -> String {
    let is_taken = |name: &str| name == "all" || before.iter().any(|class| class.name == name);
    if let Some(name) = &request.name {
        if is_taken(&name.value) {
            let message = match name.value.as_str() {
                "all" => "`all` is the name of a client's sum".to_owned(),
                other => format!("two requests are called `{other}`"),
            };
            findings
                .push(Diagnostic::error("MS0011", message).at(name.span).help("give each a name of its own"));
        }
        return name.value.clone();
    }
    let numbered = (2..).map(|number| format!("{plain} #{number}"));
    std::iter::once(plain.to_owned())
        .chain(numbered)
        .find(|name| !is_taken(name))
        .expect("numbers do not run out")
}

/// Cookies go behind those of a `cookie` header, if both are written.
fn request_headers(request: &written::Request) -> Vec<(String, String)> {
    let mut list = request.headers.as_ref().map(headers).unwrap_or_default();
    let cookies: Vec<String> = request
        .cookies
        .iter()
        .flat_map(|cookies| cookies.iter())
        .map(|(name, value)| format!("{}={}", name.value, value.value))
        .collect();
    if !cookies.is_empty() {
        match list.iter_mut().find(|(name, _)| name == "cookie") {
            Some((_, value)) => *value = format!("{value}; {}", cookies.join("; ")),
            None => list.push(("cookie".to_owned(), cookies.join("; "))),
        }
    }
    list
}

fn load(
    said: &Located<written::Load>,
    classes: &[Class],
    traces: &BTreeMap<String, Vec<Birth>>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Load> {
    match &said.value {
        written::Load::Line(LoadText::Constant { rate }) => Some(Load::Constant { rate: *rate }),
        written::Load::Line(LoadText::Poisson { rate }) => Some(Load::Poisson { rate: *rate }),
        written::Load::Line(LoadText::Bursty { rate, cv }) => Some(Load::Bursty { rate: *rate, cv: *cv }),
        written::Load::Line(LoadText::Closed { users, think }) => {
            Some(Load::Closed { users: *users, think: think.clone() })
        }
        written::Load::Line(LoadText::Trace { file }) => {
            trace(traces.get(file)?, said.span, classes, findings)
        }
        written::Load::Profile(profile) => {
            let points = profile.points.iter().flatten();
            let point = |point: &Located<written::Point>| {
                Some((SimTime::ZERO + point.at.as_ref()?.value, point.rate.as_ref()?.value.0))
            };
            let arrivals = match profile.arrivals.as_ref().map(|word| word.value) {
                Some(written::Arrivals::Constant) => Spacing::Constant,
                Some(written::Arrivals::Poisson) | None => Spacing::Poisson,
            };
            let points: Vec<(SimTime, f64)> = points.filter_map(point).collect();
            (!points.is_empty()).then_some(Load::Profile { points, arrivals })
        }
    }
}

fn trace(births: &[Birth], span: Span, classes: &[Class], findings: &mut Vec<Diagnostic>) -> Option<Load> {
    let mut list = Vec::with_capacity(births.len());
    for (at, class) in births {
        let index = match class {
            None => None,
            Some(name) => match classes.iter().position(|class| class.name == *name) {
                Some(index) => Some(index),
                None => {
                    let known: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
                    let message =
                        format!("the trace holds requests of class `{name}`, which is none of the client's");
                    let help = targets::suggest(name, &known, "give one of `requests` this `name`");
                    findings.push(Diagnostic::error("MS0013", message).at(span).help(help));
                    return None;
                }
            },
        };
        list.push((*at, index));
    }
    Some(Load::Trace { births: list })
}

fn users(said: &written::Users) -> Option<Users> {
    let carrier = match (&said.header, &said.cookie) {
        (Some(header), _) => UserCarrier::Header(header.to_ascii_lowercase()),
        (None, Some(cookie)) => UserCarrier::Cookie(cookie.value.clone()),
        (None, None) => UserCarrier::SourceIp,
    };
    Some(Users {
        count: said.count.as_ref()?.value.0,
        zipf: said.zipf.as_ref().map(|zipf| zipf.value),
        carrier,
        without: said.without.as_ref().map_or(Chance::NEVER, |share| Chance::new(share.value.0)),
    })
}

/// How many proxies each gateway has: what its clients say, else the default. Source: design D9.6.
pub fn gateway_pods(plans: &[ClientPlan], gateway: &str) -> u32 {
    let own = plans.iter().filter(|plan| plan.kind == ClientKind::Gateway(gateway.to_owned()));
    own.filter_map(|plan| plan.pods).map(NonZeroU32::get).next().unwrap_or(defaults::CLIENT_PODS)
}
