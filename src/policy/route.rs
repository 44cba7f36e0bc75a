//! Which route a request takes: the listener by port, the virtual host by `Host`, then the first route whose
//! conditions all hold. Asked once per table and request shape, so it is written to be read.
//! Source: semantics S2.1, S2.3, S2.4.

use std::collections::BTreeMap;

use super::request::{RequestShape, port_suffix};
use super::string_match::Matcher;
use crate::kernel::re2::RegexError;
use crate::mesh::routing::{Route, RouteMatch, RouteTable, StringMatch};

/// A route's place in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutePath {
    pub port: u16,
    pub virtual_host: usize,
    pub route: usize,
}

impl RoutePath {
    /// The route in the table that it was found in.
    pub fn of(self, table: &RouteTable) -> &Route {
        &table.listeners[&self.port][self.virtual_host].routes[self.route]
    }
}

/// A route table, ready to be asked.
#[derive(Clone, Debug)]
pub struct Router {
    listeners: BTreeMap<u16, Listener>,
}

#[derive(Clone, Debug)]
struct Listener {
    domains: Domains,
    /// By virtual host, then in order.
    routes: Vec<Vec<Condition>>,
}

impl Router {
    /// Patterns must compile, which `resolve` makes sure of.
    pub fn new(table: &RouteTable) -> Router {
        let condition = |route: &Route| {
            Condition::new(&route.condition).expect("`resolve` admits only patterns that compile")
        };
        let listeners = table.listeners.iter().map(|(port, hosts)| {
            let domains = Domains::new(hosts.iter().map(|host| &host.domains[..]));
            let routes = hosts.iter().map(|host| host.routes.iter().map(condition).collect()).collect();
            (*port, Listener { domains, routes })
        });
        Router { listeners: listeners.collect() }
    }

    /// The route for this request; `None` is 404 NR: no listener, no virtual host, or none of its routes.
    pub fn find(&self, shape: &RequestShape) -> Option<RoutePath> {
        let listener = self.listeners.get(&shape.port)?;
        let (virtual_host, _) = listener.domains.find(&shape.authority)?;
        let route = listener.routes[virtual_host].iter().position(|condition| condition.matches(shape))?;
        Some(RoutePath { port: shape.port, virtual_host, route })
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.listeners.values().flat_map(|listener| listener.routes.iter().flatten())
    }

    /// Whether any match looks at this header (name lower case; `cookie` for every cookie).
    pub fn reads_header(&self, name: &str) -> bool {
        self.conditions().any(|condition| {
            condition.headers.iter().chain(&condition.without_headers).any(|(key, _)| key == name)
        })
    }

    /// Whether any match looks at this query parameter.
    pub fn reads_query(&self, key: &str) -> bool {
        self.conditions().any(|condition| condition.query_params.iter().any(|(name, _)| name == key))
    }
}

/// The domains of all virtual hosts of a listener. Source: semantics S2.1.
#[derive(Clone, Debug)]
pub struct Domains {
    exact: BTreeMap<String, usize>,
    /// `.foo.com` of `*.foo.com`; longest first.
    suffixes: Vec<(String, usize)>,
    /// `foo.` of `foo.*`; longest first.
    prefixes: Vec<(String, usize)>,
    any: Option<usize>,
}

impl Domains {
    /// One list of domains for each virtual host; of equal domains the first counts.
    pub fn new<'a>(hosts: impl Iterator<Item = &'a [String]>) -> Domains {
        let mut domains =
            Domains { exact: BTreeMap::new(), suffixes: Vec::new(), prefixes: Vec::new(), any: None };
        for (host, names) in hosts.enumerate() {
            for name in names {
                if name == "*" {
                    domains.any.get_or_insert(host);
                } else if let Some(suffix) = name.strip_prefix('*') {
                    domains.suffixes.push((suffix.to_ascii_lowercase(), host));
                } else if let Some(prefix) = name.strip_suffix('*') {
                    domains.prefixes.push((prefix.to_ascii_lowercase(), host));
                } else {
                    domains.exact.entry(name.to_ascii_lowercase()).or_insert(host);
                }
            }
        }
        // Stable, so the first of equal ones stays first.
        domains.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        domains.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        domains
    }

    /// The virtual host for this `Host`, and the domain that it goes by. Upper case and port are ignored; a wildcard
    /// takes at least one character.
    pub fn find(&self, authority: &str) -> Option<(usize, String)> {
        let name = authority.to_ascii_lowercase();
        let name = &name[..name.len() - port_suffix(&name).len()];
        if let Some(host) = self.exact.get(name) {
            return Some((*host, name.to_owned()));
        }
        let is_suffix = |suffix: &str| name.len() > suffix.len() && name.ends_with(suffix);
        if let Some((suffix, host)) = self.suffixes.iter().find(|(suffix, _)| is_suffix(suffix)) {
            return Some((*host, format!("*{suffix}")));
        }
        let is_prefix = |prefix: &str| name.len() > prefix.len() && name.starts_with(prefix);
        if let Some((prefix, host)) = self.prefixes.iter().find(|(prefix, _)| is_prefix(prefix)) {
            return Some((*host, format!("{prefix}*")));
        }
        self.any.map(|host| (host, "*".to_owned()))
    }
}

/// The conditions of one match, ready to be asked. Operations of pods use it too.
#[derive(Clone, Debug)]
pub struct Condition {
    path: PathCondition,
    method: Option<Matcher>,
    authority: Option<Matcher>,
    scheme: Option<Matcher>,
    headers: Vec<(String, Matcher)>,
    without_headers: Vec<(String, Matcher)>,
    query_params: Vec<(String, Matcher)>,
}

#[derive(Clone, Debug)]
struct PathCondition {
    matcher: Matcher,
    ignores_case: bool,
    by_segment: bool,
}

impl Condition {
    /// Fails where RE2 would refuse a pattern.
    pub fn new(condition: &RouteMatch) -> Result<Condition, RegexError> {
        let matcher = |condition: &Option<StringMatch>| condition.as_ref().map(Matcher::new).transpose();
        let named = |conditions: &[(String, StringMatch)]| {
            let named = conditions.iter().map(|(name, value)| Ok((name.clone(), Matcher::new(value)?)));
            named.collect::<Result<Vec<_>, RegexError>>()
        };
        let everything = StringMatch::Prefix("/".to_owned());
        let path = condition.path.as_ref().unwrap_or(&everything);
        Ok(Condition {
            path: PathCondition {
                matcher: Matcher::new(path)?,
                ignores_case: condition.ignore_path_case,
                by_segment: condition.path_segments,
            },
            method: matcher(&condition.method)?,
            authority: matcher(&condition.authority)?,
            scheme: matcher(&condition.scheme)?,
            headers: named(&condition.headers)?,
            without_headers: named(&condition.without_headers)?,
            query_params: named(&condition.query_params)?,
        })
    }

    pub fn matches(&self, shape: &RequestShape) -> bool {
        let holds = |matcher: &Option<Matcher>, value: &str| {
            matcher.as_ref().is_none_or(|matcher| matcher.matches(value))
        };
        let has_header =
            |(name, matcher): &(String, Matcher)| shape.values(name).any(|value| matcher.matches(value));
        let lacks_header = |(name, matcher): &(String, Matcher)| {
            let is_missing = shape.values(name).next().is_none();
            match matcher {
                Matcher::Present => is_missing,
                // A missing header counts as an empty one.
                matcher if is_missing => !matcher.matches(""),
                matcher => !shape.values(name).any(|value| matcher.matches(value)),
            }
        };
        let has_param =
            |(key, matcher): &(String, Matcher)| shape.query_value(key).is_some_and(|v| matcher.matches(v));
        self.path.matches(&shape.path)
            && holds(&self.method, &shape.method)
            && holds(&self.authority, &shape.authority)
            && holds(&self.scheme, &shape.scheme)
            && self.headers.iter().all(has_header)
            && self.without_headers.iter().all(lacks_header)
            && self.query_params.iter().all(has_param)
    }
}

impl PathCondition {
    fn matches(&self, path: &str) -> bool {
        let equals = |part: &[u8], text: &str| {
            if self.ignores_case {
                part.eq_ignore_ascii_case(text.as_bytes())
            } else {
                part == text.as_bytes()
            }
        };
        let starts_with =
            |text: &str| path.as_bytes().get(..text.len()).is_some_and(|part| equals(part, text));
        match &self.matcher {
            Matcher::Exact(text) => equals(path.as_bytes(), text),
            Matcher::Prefix(text) if self.by_segment => {
                let text = text.trim_end_matches('/');
                starts_with(text) && matches!(path.as_bytes().get(text.len()), None | Some(b'/'))
            }
            Matcher::Prefix(text) => starts_with(text),
            // Case counts for patterns whatever the match says.
            Matcher::Regex(re2) => re2.matches(path),
            Matcher::Present => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::shape;
    use super::*;
    use crate::mesh::routing::{Action, HeaderOps, Rewrite, VirtualHost};

    fn route(condition: RouteMatch) -> Route {
        Route {
            rule: None,
            condition,
            action: Action::Respond(200),
            fault: None,
            timeout: None,
            retry: None,
            hash: Vec::new(),
            mirrors: Vec::new(),
            rewrite: Rewrite::default(),
            request_headers: HeaderOps::default(),
        }
    }

    fn exact(text: &str) -> StringMatch {
        StringMatch::Exact(text.to_owned())
    }

    fn prefix(text: &str) -> StringMatch {
        StringMatch::Prefix(text.to_owned())
    }

    fn holds(condition: RouteMatch, shape: &RequestShape) -> bool {
        Condition::new(&condition).expect("patterns compile").matches(shape)
    }

    #[test]
    fn domains_rank_exact_suffix_prefix_any() {
        let names = ["www.foo.com", "*.foo.com", "*-bar.baz.com", "foo.*", "*"].map(str::to_owned);
        let domains = Domains::new(names.iter().map(std::slice::from_ref));
        let find = |authority| domains.find(authority).map(|(_, domain)| domain).unwrap_or_default();
        assert_eq!(find("WWW.foo.com:8080"), "www.foo.com");
        assert_eq!(find("a.b.foo.com"), "*.foo.com");
        assert_eq!(find("x-bar.baz.com"), "*-bar.baz.com");
        assert_eq!(find("foo.com"), "foo.*");
        assert_eq!(find(".foo.com"), "*");
        assert_eq!(find("[::1]:80"), "*");
    }

    #[test]
    fn the_first_matching_route_of_the_one_virtual_host_wins() {
        let header = ("end-user".to_owned(), exact("jason"));
        let jason = RouteMatch { headers: vec![header], ..RouteMatch::default() };
        let host = |domain: &str, routes: Vec<Route>| VirtualHost {
            name: domain.to_owned(),
            domains: vec![domain.to_owned()],
            routes,
        };
        let hosts = vec![host("*", vec![route(RouteMatch::default())]), host("reviews", vec![route(jason)])];
        let table = RouteTable {
            view: "test".to_owned(),
            listeners: BTreeMap::from([(80, hosts)]),
            ..RouteTable::default()
        };
        let router = Router::new(&table);
        let found = router.find(&shape("reviews", "/", &[("end-user", "jason")])).expect("a route");
        assert_eq!(found, RoutePath { port: 80, virtual_host: 1, route: 0 });
        assert_eq!(found.of(&table).condition.headers.len(), 1);
        // No fall-back to another virtual host.
        assert_eq!(router.find(&shape("reviews", "/", &[])), None);
        assert!(router.find(&shape("other", "/", &[])).is_some());
        let elsewhere = RequestShape { port: 81, ..shape("other", "/", &[]) };
        assert_eq!(router.find(&elsewhere), None);
        assert!(router.reads_header("end-user"));
        assert!(!router.reads_header("cookie"));
        assert!(!router.reads_query("end-user"));
    }

    #[test]
    fn paths_match_by_letter_case_and_segment() {
        let with = |path, ignore_path_case, path_segments| RouteMatch {
            path: Some(path),
            ignore_path_case,
            path_segments,
            ..RouteMatch::default()
        };
        assert!(holds(with(prefix("/foo"), false, false), &shape("a", "/foobar", &[])));
        assert!(!holds(with(prefix("/foo"), false, true), &shape("a", "/foobar", &[])));
        assert!(holds(with(prefix("/foo"), false, true), &shape("a", "/foo/bar", &[])));
        assert!(holds(with(prefix("/"), false, true), &shape("a", "/foo", &[])));
        assert!(holds(with(exact("/Foo"), true, false), &shape("a", "/fOO", &[])));
        assert!(!holds(with(StringMatch::Regex("/Foo".to_owned()), true, false), &shape("a", "/foo", &[])));
        assert!(!holds(RouteMatch::default(), &shape("a", "*", &[])));
    }

    #[test]
    fn headers_match_value_by_value_and_may_be_forbidden() {
        let wants = |value| RouteMatch { headers: vec![("x".to_owned(), value)], ..RouteMatch::default() };
        let without =
            |value| RouteMatch { without_headers: vec![("x".to_owned(), value)], ..RouteMatch::default() };
        let twice = shape("a", "/", &[("x", "a"), ("x", "b")]);
        assert!(holds(wants(exact("b")), &twice));
        assert!(!holds(without(exact("b")), &twice));
        assert!(!holds(wants(StringMatch::Present), &shape("a", "/", &[])));
        assert!(holds(without(StringMatch::Present), &shape("a", "/", &[])));
        assert!(!holds(without(StringMatch::Regex(".*".to_owned())), &shape("a", "/", &[])));
    }
}
