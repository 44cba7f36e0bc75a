//! Mutual TLS: what servers ask for, what callers speak, and what comes of it when the two do not fit.
//! Source: semantics S13.

use super::defaults::{PEER_MODE, ROOT_NAMESPACE};
use super::note::Notes;
use super::object::{Object, selects};
use super::services::Inventory;
use crate::config::diagnostic::{Diagnostic, Span};
use crate::config::istio::PeerAuthentication;
use crate::config::istio::peer_authentication::Mode;
use crate::config::istio::values::Labels;
use crate::kernel::words::counted;
use crate::mesh::model::{Cluster, Refusal};

type Policy = Object<PeerAuthentication>;

/// The PeerAuthentications of one state of the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeerModes<'a>(pub &'a [Policy]);

/// How a caller's connections to one server begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Plaintext,
    /// TLS without the mesh's own certificates (SIMPLE, MUTUAL).
    Tls,
    /// TLS with them on both sides.
    MutualTls,
}

/// How a caller decides what to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech<'a> {
    /// By this `tls.mode` of the rule in force, if it gives one.
    Rule(Option<&'a str>),
    /// Through a tunnel of the mesh's own TLS to all who are in the mesh, with TLS of the application's inside or not:
    /// ztunnels and waypoints. Source: semantics S22.2, S22.4, S22.5.
    Tunnel { tls_inside: bool },
}

/// Who takes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// A ztunnel in this mode, in front of an application. Source: semantics S22.6.
    Ztunnel(Mode),
    /// A sidecar in this mode, in front of an application that speaks plain HTTP.
    Sidecar(Mode),
    /// The application itself.
    App { speaks_tls: bool },
}

impl Server {
    /// Whether it says of itself that it takes the mesh's own TLS.
    pub fn takes_mtls(self) -> bool {
        matches!(self, Server::Sidecar(Mode::Strict | Mode::Permissive) | Server::Ztunnel(_))
    }
}

/// Whether the two understand each other.
pub type Meeting = Result<Opening, Refusal>;

impl<'a> PeerModes<'a> {
    /// The policy of one scope: the oldest counts alone. `labels`: of a workload, for policies with a selector.
    fn of_scope(self, namespace: &str, labels: Option<&Labels>) -> Option<&'a Policy> {
        let is_meant = |policy: &&Policy| match (policy.spec.selector(), labels) {
            (None, None) => true,
            // In the root namespace a selector is ignored, and the policy with it.
            (Some(selector), Some(labels)) => namespace != ROOT_NAMESPACE && selects(selector, labels),
            _ => false,
        };
        let in_scope = self.0.iter().filter(|policy| policy.namespace == namespace).filter(is_meant);
        in_scope.min_by(|a, b| a.by_age(b))
    }

    /// What holds for a whole namespace: its own policy, else the mesh's; `None`: nobody says anything.
    /// Source: semantics S13.2.
    pub fn of_namespace(self, namespace: &str) -> Option<Mode> {
        let mode = |namespace| self.of_scope(namespace, None).and_then(|policy| policy.spec.mode());
        mode(namespace).or_else(|| mode(ROOT_NAMESPACE))
    }

    /// What holds at one port of a workload: the port's own mode, else the workload's, else its namespace's, else the
    /// mesh's. `port`: the one that the workload listens on. Source: semantics S13.2.
    pub fn of_workload(self, namespace: &str, labels: &Labels, port: u16) -> Mode {
        self.deciding(namespace, labels, port).map_or(PEER_MODE, |(_, mode)| mode)
    }

    /// The policy that has the last word at one port of a workload, and what it says.
    pub fn deciding(self, namespace: &str, labels: &Labels, port: u16) -> Option<(&'a Policy, Mode)> {
        let own = self.of_scope(namespace, Some(labels)).into_iter();
        let at_port = own.clone().map(|policy| (policy, policy.spec.port_mode(port)));
        let wider = [namespace, ROOT_NAMESPACE].into_iter().filter_map(|scope| self.of_scope(scope, None));
        let whole = own.chain(wider).map(|policy| (policy, policy.spec.mode()));
        at_port.chain(whole).find_map(|(policy, mode)| Some((policy, mode?)))
    }
}

/// How a caller's proxy opens connections to one server. An explicit mode holds for all servers of a cluster. Without
/// one it is decided by server, unless the service as a whole is called in plain text (`in_plaintext`): an external one,
/// or a headless one of which some server has no sidecar; or its namespace says DISABLE, whatever its workloads say.
/// Source: semantics S13.1.
pub fn opening(
    tls_mode: Option<&str>,
    in_plaintext: bool,
    namespace: Option<Mode>,
    server: Server,
) -> Opening {
    match tls_mode {
        Some("DISABLE") => Opening::Plaintext,
        Some("ISTIO_MUTUAL") => Opening::MutualTls,
        Some(mode) if !mode.is_empty() => Opening::Tls,
        _ if matches!(server, Server::Ztunnel(_)) && !in_plaintext => Opening::MutualTls,
        _ if in_plaintext || namespace == Some(Mode::Disable) => Opening::Plaintext,
        _ => match server {
            Server::Sidecar(Mode::Strict | Mode::Permissive) => Opening::MutualTls,
            Server::Sidecar(Mode::Disable) | Server::App { .. } | Server::Ztunnel(_) => Opening::Plaintext,
        },
    }
}

/// What a server makes of connections that begin so. Source: semantics S13.3.
///
/// Plain text to a STRICT server is taken and cut with the first bytes on it. So is foreign TLS, as TLS 1.3 lets a
/// caller through its handshake before the server has seen that the certificate is missing. TLS of any kind never
/// gets through its handshake with who speaks plain text.
pub fn meet(opening: Opening, server: Server) -> Meeting {
    match (opening, server) {
        (
            Opening::Plaintext | Opening::Tls,
            Server::Sidecar(Mode::Strict) | Server::Ztunnel(Mode::Strict),
        ) => Err(Refusal::Cut),
        // The others take what comes: a ztunnel has its tunnel beside plain connections, DISABLE or not.
        (_, Server::Ztunnel(_)) => Ok(opening),
        (Opening::Plaintext, _) | (Opening::MutualTls, Server::Sidecar(Mode::Strict | Mode::Permissive)) => {
            Ok(opening)
        }
        // A sidecar hands foreign TLS on to its application.
        (Opening::Tls, Server::App { speaks_tls: true }) => Ok(opening),
        _ => Err(Refusal::NoHandshake),
    }
}

/// What a caller's connections to one server come to: whether they cost a TLS handshake of their own, and why they fail.
/// Simplified: the tunnel below is there already; ztunnels and sidecars keep theirs for minutes without use, and the
/// first connection of all takes a round trip or two longer than here. Source: semantics S13.4, S22.2, S22.4.
pub fn arrive(
    speech: Speech<'_>,
    in_plaintext: bool,
    namespace: Option<Mode>,
    server: Server,
) -> (bool, Option<Refusal>) {
    match speech {
        Speech::Tunnel { tls_inside } => (tls_inside, None),
        Speech::Rule(mode) => {
            let opening = opening(mode, in_plaintext, namespace, server);
            let is_tunnel = opening == Opening::MutualTls && matches!(server, Server::Ztunnel(_));
            (opening != Opening::Plaintext && !is_tunnel, meet(opening, server).err())
        }
    }
}

/// What to say of a cluster whose hosts do not take its callers' connections. A warning, not an error: a forecast is
/// there to show what comes of it. `tls`: the place of the mode that the callers go by.
pub fn refusal(
    cluster: &Cluster,
    modes: PeerModes<'_>,
    inventory: &Inventory,
    tls: Option<Span>,
    notes: &Notes<'_>,
) -> Option<Diagnostic> {
    let (host, refusal) = cluster.hosts.iter().find_map(|host| Some((host, host.refusal?)))?;
    let refusing = cluster.hosts.iter().filter(|host| host.refusal.is_some()).count();
    let hosts = counted(cluster.hosts.len(), "host", "hosts");
    let port = inventory.services[cluster.service].port(cluster.port)?;
    let id = inventory.pods[host.pod].workload;
    let workload = &inventory.workloads[id];
    let decides = modes.deciding(&workload.namespace, &workload.labels, inventory.target_port(port, id));
    let of_policy = || decides.map(|(policy, _)| policy.span(notes, "spec"));
    let (why, help) = match refusal {
        Refusal::NoHandshake => (
            "they do not answer the TLS that this rule speaks: 503 UF",
            "leave `tls` out: callers then speak what each server speaks",
        ),
        Refusal::Cut if tls.is_some() => {
            ("they are STRICT and want the mesh's own TLS: 503 UC", "leave `tls` out, or write ISTIO_MUTUAL")
        }
        Refusal::Cut => (
            "callers without the mesh's TLS are cut off: 503 UC, a reset for those without sidecar",
            "write PERMISSIVE until all callers have a sidecar and no namespace says DISABLE",
        ),
    };
    let message = format!("{refusing} of {hosts} of {} refuse connections", cluster.name);
    Some(Diagnostic::warning("MS1004", message).at(tls.or_else(of_policy)?).label(why).help(help))
}

/// Policies that change nothing, and why.
pub fn tell(policies: &[Policy], inventory: &Inventory, notes: &mut Notes<'_>) {
    let modes = PeerModes(policies);
    for policy in policies {
        let selector = policy.spec.selector();
        let own = |workload: &&super::services::KnownWorkload| workload.namespace == policy.namespace;
        let mut workloads = inventory.workloads.rows().iter().filter(own);
        let why = match selector {
            Some(_) if policy.namespace == ROOT_NAMESPACE => {
                "a policy with a selector in the root namespace is ignored".to_owned()
            }
            Some(selector) if !workloads.any(|workload| selects(selector, &workload.labels)) => {
                format!("no workload in `{}` has the labels that it selects", policy.namespace)
            }
            Some(_) => continue,
            None => match modes.of_scope(&policy.namespace, None) {
                Some(first) if first.name != policy.name => {
                    format!(
                        "{} is older, and of several for one namespace the oldest holds alone",
                        first.title()
                    )
                }
                _ => continue,
            },
        };
        notes.without_effect(&policy.title(), policy.span(notes, "metadata.name"), why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::read::PEER_AUTHENTICATIONS;
    use crate::resolve::test_support::{objects, text_docs};

    fn policies(list: &[(&str, &str, &str)]) -> Vec<Policy> {
        let yaml: String = list
            .iter()
            .map(|(namespace, name, spec)| {
                format!(
                    "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                     metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
                )
            })
            .collect();
        if yaml.is_empty() {
            return Vec::new();
        }
        let (docs, raw) = text_docs(&yaml);
        objects(&docs, &raw, &PEER_AUTHENTICATIONS)
    }

    fn mode_of(list: &[(&str, &str, &str)], port: u16) -> Mode {
        let labels = Labels::from([("app".to_owned(), "a".to_owned())]);
        PeerModes(&policies(list)).of_workload("shop", &labels, port)
    }

    #[test]
    fn the_narrowest_policy_that_says_something_holds() {
        let mesh = ("istio-system", "mesh", "{mtls: {mode: STRICT}}");
        let namespace = ("shop", "namespace", "{mtls: {mode: DISABLE}}");
        let unset = ("shop", "unset", "{mtls: {mode: UNSET}}");
        let workload =
            ("shop", "a", "{selector: {matchLabels: {app: a}}, portLevelMtls: {81: {mode: PERMISSIVE}}}");
        assert_eq!(mode_of(&[], 80), Mode::Permissive);
        assert_eq!(mode_of(&[mesh], 80), Mode::Strict);
        assert_eq!(mode_of(&[mesh, namespace], 80), Mode::Disable);
        assert_eq!(mode_of(&[mesh, unset], 80), Mode::Strict);
        assert_eq!(mode_of(&[mesh, workload], 80), Mode::Strict);
        assert_eq!(mode_of(&[mesh, workload], 81), Mode::Permissive);
    }

    #[test]
    fn the_oldest_of_a_scope_counts_and_selectors_of_the_root_do_not() {
        let first = ("shop", "a", "{mtls: {mode: STRICT}}");
        let second = ("shop", "b", "{mtls: {mode: DISABLE}}");
        assert_eq!(mode_of(&[second, first], 80), Mode::Strict);
        let root = ("istio-system", "a", "{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}");
        assert_eq!(mode_of(&[root], 80), Mode::Permissive);
    }

    #[test]
    fn automatic_callers_speak_what_the_server_says_it_speaks() {
        let strict = Server::Sidecar(Mode::Strict);
        let auto = |namespace, server| opening(None, false, namespace, server);
        assert_eq!(auto(None, strict), Opening::MutualTls);
        assert_eq!(auto(None, Server::Sidecar(Mode::Disable)), Opening::Plaintext);
        assert_eq!(auto(None, Server::App { speaks_tls: false }), Opening::Plaintext);
        // The namespace is looked at first, and the workload then refuses what comes.
        assert_eq!(meet(auto(Some(Mode::Disable), strict), strict), Err(Refusal::Cut));
        assert_eq!(opening(None, true, None, strict), Opening::Plaintext);
        assert_eq!(opening(Some("MUTUAL"), true, None, strict), Opening::Tls);
    }

    #[test]
    fn tls_needs_somebody_who_speaks_it() {
        assert_eq!(meet(Opening::MutualTls, Server::Sidecar(Mode::Disable)), Err(Refusal::NoHandshake));
        assert_eq!(meet(Opening::MutualTls, Server::App { speaks_tls: true }), Err(Refusal::NoHandshake));
        assert_eq!(meet(Opening::Tls, Server::App { speaks_tls: true }), Ok(Opening::Tls));
        assert_eq!(meet(Opening::Tls, Server::Sidecar(Mode::Permissive)), Err(Refusal::NoHandshake));
        assert_eq!(meet(Opening::Tls, Server::Sidecar(Mode::Strict)), Err(Refusal::Cut));
        assert_eq!(meet(Opening::Plaintext, Server::Sidecar(Mode::Strict)), Err(Refusal::Cut));
        assert_eq!(meet(Opening::Plaintext, Server::App { speaks_tls: true }), Ok(Opening::Plaintext));
    }
}
