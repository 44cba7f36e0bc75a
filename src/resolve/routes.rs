//! From the rules of a VirtualService to routes, as one caller at one listener gets them.
//! Source: semantics S2.3, S2.4, S2.6, S3, S11, S12.1.

use super::clusters::{Clusters, Missing, Viewer};
use super::conditions::{Listener, condition, is_catch_all, is_for};
use super::hosts::{full_name, meant_service};
use super::note::Notes;
use super::object::Object;
use super::retries;
use super::{defaults, delegates};
use crate::config::diagnostic::Diagnostic;
use crate::config::grpc;
use crate::config::istio::virtual_service::{Abort, Delay, HeaderOperations, HttpMatch, HttpRoute};
use crate::config::istio::{DestinationRule, VirtualService, values};
use crate::kernel::SimDuration;
use crate::mesh::policy_spec::{FaultSpec, Fraction, HashPolicy};
use crate::mesh::routing::{
    Action, Destination, HeaderOps, Mirror, Rewrite, Route, RouteMatch, Rule, ServiceRef,
};
use crate::mesh::{DoorId, ServiceId};

/// What translating needs beside the rule.
pub struct Translator<'a, 'n, 'd> {
    pub clusters: &'a mut Clusters<'d>,
    pub rules: &'a [Object<DestinationRule>],
    /// All of the state, delegates among them.
    pub all: &'a [Object<VirtualService>],
    pub notes: &'a mut Notes<'n>,
}

impl Translator<'_, '_, '_> {
    /// The routes of one VirtualService, in order; generation stops behind the first that takes everything.
    /// Empty: it has nothing to say here. Source: semantics S2.3.
    pub fn routes(&mut self, object: &Object<VirtualService>, listener: &Listener<'_>) -> Vec<Route> {
        let mut routes = Vec::new();
        self.tell_missing_delegates(object);
        for effective in delegates::rules(object, self.all) {
            let rule = &effective.rule;
            let conditions: Vec<RouteMatch> = if rule.matches.is_empty() {
                vec![RouteMatch::default()]
            } else {
                let holds = |condition: &&HttpMatch| is_for(condition, object, listener);
                rule.matches.iter().filter(holds).map(condition).collect()
            };
            if conditions.is_empty() {
                continue;
            }
            let Some(mut route) = self.route(effective.object, rule, &effective.path, listener) else {
                continue;
            };
            let place = self.notes.place(self.notes.docs.key_span(effective.object.doc, &effective.path));
            route.rule = Some(Rule { object: object.title(), name: effective.name, place });
            for condition in conditions {
                let takes_all = is_catch_all(&condition);
                routes.push(Route { condition, ..route.clone() });
                if takes_all {
                    return routes;
                }
            }
        }
        routes
    }

    /// A service's own route, where no VirtualService applies. Source: semantics S2.2.
    pub fn default_route(&mut self, service: ServiceId, listener: &Listener<'_>) -> Route {
        let http = self.clusters.inventory.services[service]
            .port(listener.port)
            .is_none_or(|port| port.protocol.is_http());
        let cluster = self.cluster((service, listener.port, ""), listener);
        let destination = Destination::whole(service, listener.port, cluster.ok());
        let mut route = plain(Action::Forward(vec![destination]));
        route.retry =
            if http { retries::translate(self.clusters.mesh.retries(), self.clusters.version) } else { None };
        let target = (service, listener.port, "");
        route.hash =
            self.clusters.hash_policy(self.rules, listener.caller, target, true).into_iter().collect();
        route
    }

    fn route(
        &mut self,
        object: &Object<VirtualService>,
        rule: &HttpRoute,
        path: &str,
        listener: &Listener<'_>,
    ) -> Option<Route> {
        let action = if let Some(redirect) = &rule.redirect {
            let code = redirect.redirect_code.and_then(|code| u16::try_from(code.0).ok());
            Action::Respond(code.unwrap_or(defaults::REDIRECT_CODE))
        } else if let Some(response) = &rule.direct_response {
            Action::Respond(u16::try_from(response.status?.0).ok()?)
        } else if rule.route.is_empty() {
            // The rule was refused.
            return None;
        } else {
            Action::Forward(self.destinations(object, rule, path, listener))
        };
        let forwards = matches!(action, Action::Forward(_));
        let mut route = plain(action);
        if forwards {
            route.timeout = length(rule.timeout.as_ref()).filter(|timeout| !timeout.is_zero());
            route.hash = self.hash_policies(rule, &route.action, listener);
            let keeps_hash = retries::keeps_hash(rule.route.len(), || !route.hash.is_empty());
            let written = rule.retries.as_ref().or(self.clusters.mesh.retries());
            route.retry = retries::of_rule(written, self.clusters.version, keeps_hash);
            route.mirrors = self.mirrors(object, rule, path, listener);
            self.tell_before_waypoint(object, rule, path, &route.action);
        }
        route.fault = rule.fault.as_ref().map(|fault| FaultSpec {
            delay: fault.delay.as_ref().and_then(delay),
            abort: fault.abort.as_ref().and_then(abort),
        });
        route.fault = route.fault.filter(|fault| fault.delay.is_some() || fault.abort.is_some());
        let request = rule.headers.as_ref().and_then(|headers| headers.request.as_ref());
        (route.request_headers, route.rewrite.authority) = header_ops(request);
        if let Some(rewrite) = &rule.rewrite {
            route.rewrite.uri.clone_from(&rewrite.uri);
            route.rewrite.uri_regex = rewrite
                .uri_regex_rewrite
                .as_ref()
                .and_then(|regex| Some((regex.pattern.clone()?, regex.rewrite.clone().unwrap_or_default())));
            if rewrite.authority.is_some() {
                route.rewrite.authority.clone_from(&rewrite.authority);
            }
        }
        Some(route)
    }

    pub(super) fn cluster(
        &mut self,
        target: (ServiceId, u16, &str),
        listener: &Listener<'_>,
    ) -> Result<crate::mesh::ClusterId, Missing> {
        if listener.gateway.is_none() && self.clusters.viewer == Viewer::Envoy {
            self.clusters.tell_source_ip(self.rules, listener.caller, target, self.notes);
        }
        self.clusters.managed(self.rules, listener.caller, target, self.notes)
    }

    /// The policies of all destinations that can be chosen, in their order. Source: semantics S3.2, S3.6.
    fn hash_policies(&self, rule: &HttpRoute, action: &Action, listener: &Listener<'_>) -> Vec<HashPolicy> {
        let Action::Forward(destinations) = action else { return Vec::new() };
        let written = rule.route.iter().filter_map(|entry| entry.destination.as_ref());
        let can_be_chosen = |weight: u32| weight > 0 || destinations.len() == 1;
        let policy = |(to, written): (&Destination, &values::Destination)| match to.service {
            ServiceRef::Known(service) if can_be_chosen(to.weight) => {
                let target = (service, to.port, to.subset.as_str());
                let names_port = written.port_number().is_some();
                self.clusters.hash_policy(self.rules, listener.caller, target, names_port)
            }
            _ => None,
        };
        destinations.iter().zip(written).filter_map(policy).collect()
    }

    /// A gateway that hands a call on to a waypoint has done with it. Source: semantics S22.5.
    fn tell_before_waypoint(
        &mut self,
        object: &Object<VirtualService>,
        rule: &HttpRoute,
        path: &str,
        action: &Action,
    ) {
        let Action::Forward(destinations) = action else { return };
        let is_written = [
            ("timeout", rule.timeout.is_some()),
            ("retries", rule.retries.is_some()),
            ("mirror", rule.mirror.is_some()),
            ("mirrors", !rule.mirrors.is_empty()),
        ];
        for (field, _) in is_written.into_iter().filter(|(_, is_written)| *is_written) {
            if destinations.iter().any(|to| to.door.is_some()) {
                let span = self.notes.docs.key_span(object.doc, &format!("{path}.{field}"));
                let what =
                    format!("`{field}` at a gateway before a waypoint: what the waypoint does counts alone");
                self.notes.not_modelled(&object.title(), span, what);
            }
        }
    }

    fn tell_missing_delegates(&mut self, object: &Object<VirtualService>) {
        for (index, rule) in object.spec.http.iter().enumerate() {
            let Some(delegate) = &rule.delegate else { continue };
            if delegates::find(self.all, delegate, object).is_none() {
                let name = delegate.name.as_deref().unwrap_or("");
                let span = object.span(self.notes, &format!("spec.http[{index}].delegate"));
                self.notes.report(
                    Diagnostic::warning(
                        "IST0101",
                        format!("there is no VirtualService `{name}` without hosts to delegate to"),
                    )
                    .at(span)
                    .label("the rule takes no requests")
                    .help("a delegate has no `hosts`, and its `exportTo` must reach this namespace"),
                );
            }
        }
    }

    fn destinations(
        &mut self,
        object: &Object<VirtualService>,
        rule: &HttpRoute,
        path: &str,
        listener: &Listener<'_>,
    ) -> Vec<Destination> {
        let mut destinations = Vec::new();
        for (index, entry) in rule.route.iter().enumerate() {
            let Some(written) = &entry.destination else { continue };
            let here = format!("{path}.route[{index}].destination");
            let target = self.target(object, written, &here, listener, REQUESTS_LOST);
            let request = entry.headers.as_ref().and_then(|headers| headers.request.as_ref());
            destinations.push(Destination {
                weight: entry.weight.and_then(|weight| u32::try_from(weight.0).ok()).unwrap_or(0),
                cluster: target.cluster.filter(|_| target.door.is_none()),
                door: target.door,
                service: target.service,
                port: target.port,
                subset: target.subset,
                request_headers: header_ops(request).0,
            });
        }
        destinations
    }

    fn mirrors(
        &mut self,
        object: &Object<VirtualService>,
        rule: &HttpRoute,
        path: &str,
        listener: &Listener<'_>,
    ) -> Vec<Mirror> {
        let mut written: Vec<(&values::Destination, String, Fraction)> = Vec::new();
        if let Some(mirror) = &rule.mirror {
            let whole = rule.mirror_percent.or(rule.mirror_percent_snake);
            let share = match (rule.mirror_percentage.as_ref().map(values::Percent::value), whole) {
                (Some(percent), _) => Fraction::of_percent(percent),
                (None, Some(percent)) => of_whole_percent(percent.0),
                (None, None) => Fraction::of_percent(100.0),
            };
            written.push((mirror, format!("{path}.mirror"), share));
        }
        for (index, mirror) in rule.mirrors.iter().enumerate() {
            let Some(destination) = &mirror.destination else { continue };
            let percent = mirror.percentage.as_ref().map_or(100.0, values::Percent::value);
            let here = format!("{path}.mirrors[{index}].destination");
            written.push((destination, here, Fraction::of_percent(percent)));
        }
        let mut mirrors = Vec::new();
        for (destination, here, share) in written {
            if share.numerator == 0 {
                continue;
            }
            let target = self.target(object, destination, &here, listener, REQUESTS_LOST);
            mirrors.push(Mirror {
                share,
                cluster: target.cluster,
                service: target.service,
                port: target.port,
                subset: target.subset,
            });
        }
        mirrors
    }

    /// Looks up one destination. A cluster that does not exist is a warning, not an error: 503 NC is what real callers
    /// get, and seeing it coming is what a forecast is for; `lost` says what that is. Source: semantics S3.4.
    pub(super) fn target(
        &mut self,
        object: &Object<VirtualService>,
        written: &values::Destination,
        path: &str,
        listener: &Listener<'_>,
        lost: &'static str,
    ) -> Target {
        let name = written.host.as_deref().unwrap_or("");
        let host = full_name(name, &object.namespace);
        let subset = written.subset.clone().unwrap_or_default();
        let Some(service) = self.clusters.inventory.service(&host) else {
            let warning = self.unknown_host(object, name, path).label(lost);
            self.notes.report(warning);
            let port = written.port_number().unwrap_or(listener.port);
            return Target { cluster: None, door: None, service: ServiceRef::Unknown(host), port, subset };
        };
        let known = &self.clusters.inventory.services[service];
        let only = (known.ports.len() == 1).then(|| known.ports[0].number);
        let port = written.port_number().or(only).unwrap_or(listener.port);
        let found = self.cluster((service, port, &subset), listener);
        if let Err(missing) = &found {
            let several = known.ports.len() > 1;
            let warning = self.missing(object, written, path, (several, port), missing, lost);
            self.notes.report(warning);
        }
        let door = self.clusters.inventory.door(service).filter(|door| {
            let doors = &self.clusters.inventory.waypoints.doors;
            found.is_ok() && listener.gateway.is_some() && doors[*door].takes_ingress
        });
        Target { cluster: found.ok(), door, service: ServiceRef::Known(service), port, subset }
    }

    fn unknown_host(&self, object: &Object<VirtualService>, name: &str, path: &str) -> Diagnostic {
        let span = object.span(self.notes, &format!("{path}.host"));
        let warning = Diagnostic::warning("IST0101", format!("no service has the host `{name}`")).at(span);
        let inventory = self.clusters.inventory;
        if let Some(meant) = meant_service(name).filter(|meant| inventory.by_host.contains_key(meant)) {
            return warning.help(format!("a name with a dot is taken literally; write `{meant}`"));
        }
        let names = inventory.services.rows().iter().map(|service| service.name.as_str());
        match crate::config::path::did_you_mean(name, names) {
            Some(close) => warning.help(format!("did you mean `{close}`?")),
            None => warning
                .help("declare it by a Service, a ServiceEntry, or `service:` of a workload in the scenario"),
        }
    }

    fn missing(
        &self,
        object: &Object<VirtualService>,
        written: &values::Destination,
        path: &str,
        (several_ports, port): (bool, u16),
        missing: &Missing,
        lost: &'static str,
    ) -> Diagnostic {
        let name = written.host.as_deref().unwrap_or("");
        match missing {
            Missing::Subset(defined) => {
                let subset = written.subset.as_deref().unwrap_or("");
                let help = if defined.is_empty() {
                    format!("no DestinationRule that this caller sees defines subsets for `{name}`")
                } else {
                    format!("its DestinationRule defines: {}", defined.join(", "))
                };
                Diagnostic::warning("IST0101", format!("subset `{subset}` of `{name}` is defined nowhere"))
                    .at(object.span(self.notes, &format!("{path}.subset")))
                    .label(lost)
                    .help(help)
            }
            Missing::Port if several_ports && written.port.is_none() => Diagnostic::warning(
                "IST0112",
                format!("`{name}` has several ports, and the destination names none"),
            )
            .at(object.span(self.notes, path))
            .label(format!("the listener's port {port} is taken, which it does not have: 503 NC"))
            .help("add `port: {number: ...}`"),
            Missing::Port => Diagnostic::warning("IST0101", format!("`{name}` has no port {port}"))
                .at(object.span(self.notes, path))
                .label(lost),
        }
    }
}

/// What a destination comes to.
pub(super) struct Target {
    pub cluster: Option<crate::mesh::ClusterId>,
    pub door: Option<DoorId>,
    pub service: ServiceRef,
    pub port: u16,
    pub subset: String,
}

/// What becomes of requests whose cluster does not exist. Source: semantics S3.4.
const REQUESTS_LOST: &str = "requests that are routed here get 503 NC";

/// A route that takes everything and does nothing beside its action.
pub fn plain(action: Action) -> Route {
    Route {
        rule: None,
        condition: RouteMatch::default(),
        action,
        fault: None,
        timeout: None,
        retry: None,
        hash: Vec::new(),
        mirrors: Vec::new(),
        rewrite: Rewrite::default(),
        request_headers: HeaderOps::default(),
    }
}

pub(super) fn length(duration: Option<&values::Duration>) -> Option<SimDuration> {
    duration.and_then(|duration| duration.parse().ok())
}

fn of_whole_percent(percent: i64) -> Fraction {
    Fraction { numerator: u32::try_from(percent).unwrap_or(0), denominator: 100 }
}

fn delay(delay: &Delay) -> Option<(Fraction, SimDuration)> {
    let share = match (&delay.percentage, delay.percent) {
        (Some(percent), _) => Fraction::of_percent(percent.value()),
        (None, Some(percent)) => of_whole_percent(percent.0),
        (None, None) => return None,
    };
    let length = length(delay.fixed_delay.as_ref())?;
    (share.numerator > 0).then_some((share, length))
}

fn abort(abort: &Abort) -> Option<(Fraction, u16)> {
    let share = Fraction::of_percent(abort.percentage.as_ref()?.value());
    let status = match abort.http_status {
        Some(status) => u16::try_from(status.0).ok()?,
        // A plain 200 stands for OK.
        None => {
            grpc::by_name(abort.grpc_status.as_ref()?).map(|status| if status == 0 { 200 } else { status })?
        }
    };
    (share.numerator > 0).then_some((share, status))
}

/// Header operations, and the authority that they set: `host` is no header to Envoy. Source: semantics S2.6.
fn header_ops(written: Option<&HeaderOperations>) -> (HeaderOps, Option<String>) {
    let Some(written) = written else { return (HeaderOps::default(), None) };
    let is_authority = |name: &str| name == ":authority" || name == "host";
    let lower = |map: &std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        map.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
    };
    let (set, add) = (lower(&written.set), lower(&written.add));
    let authority =
        set.iter().chain(&add).find(|(name, _)| is_authority(name)).map(|(_, value)| value.clone());
    // Other pseudo headers are left alone.
    let plain = |list: Vec<(String, String)>| -> Vec<(String, String)> {
        list.into_iter().filter(|(name, _)| !is_authority(name) && !name.starts_with(':')).collect()
    };
    let remove = written.remove.iter().map(|name| name.to_ascii_lowercase()).collect();
    (HeaderOps { remove, set: plain(set), add: plain(add) }, authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_without_share_never_fire() {
        assert_eq!(abort(&serde_yaml::from_str("{httpStatus: 500}").unwrap()), None);
        let grpc = |status: &str| {
            let text = format!("{{grpcStatus: {status}, percentage: {{value: 100}}}}");
            abort(&serde_yaml::from_str(&text).unwrap()).map(|(_, code)| code)
        };
        assert_eq!((grpc("UNAVAILABLE"), grpc("OK"), grpc("nonsense")), (Some(14), Some(200), None));
        assert_eq!(
            delay(&serde_yaml::from_str("{percent: 10, fixedDelay: 2s}").unwrap()),
            Some((Fraction { numerator: 10, denominator: 100 }, SimDuration::from_secs(2)))
        );
    }

    #[test]
    fn setting_the_host_is_a_rewrite() {
        let written: HeaderOperations =
            serde_yaml::from_str("{set: {Host: a.b, X: y}, remove: [Z]}").unwrap();
        let (ops, authority) = header_ops(Some(&written));
        assert_eq!(authority.as_deref(), Some("a.b"));
        assert_eq!(ops.set, [("x".to_owned(), "y".to_owned())]);
        assert_eq!(ops.remove, ["z"]);
    }
}
