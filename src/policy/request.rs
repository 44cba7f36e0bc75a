//! What a request looks like to a proxy, and what a route makes of it before it goes on. Source: semantics S2.4, S2.6.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh64::Xxh64;

use crate::kernel::re2::Re2;
use crate::mesh::routing::{HeaderOps, Route, RouteMatch, StringMatch};
use crate::mesh::workload::Target;

/// A request's look. Equal shapes meet equal routes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestShape {
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// `Host` as sent: with its port unless that is the scheme's default.
    pub authority: String,
    /// The listener's port.
    pub port: u16,
    /// Normalised, without query.
    pub path: String,
    /// Without `?`; empty if none.
    pub query: String,
    /// Names lower case. A repeated header stands here several times.
    pub headers: Vec<(String, String)>,
}

impl RequestShape {
    /// The request that `target` addresses, over plain HTTP as inside a mesh.
    pub fn new(target: &Target, headers: &[(String, String)]) -> RequestShape {
        let scheme = if target.port == 443 { "https" } else { "http" };
        let authority = match target.port {
            80 | 443 => target.host.clone(),
            port => format!("{}:{port}", target.host),
        };
        RequestShape {
            method: target.method.clone(),
            scheme: scheme.to_owned(),
            authority,
            port: target.port,
            path: normalize_path(&target.path),
            query: target.query.clone(),
            headers: headers.to_vec(),
        }
    }

    /// A number that tells shapes apart, but for the rarest accident.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = Xxh64::new(0);
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// All values of a header, pseudo-headers included.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pseudo = match name {
            ":authority" | "host" => Some(self.authority.as_str()),
            ":method" => Some(self.method.as_str()),
            ":scheme" => Some(self.scheme.as_str()),
            ":path" => Some(self.path.as_str()),
            _ => None,
        };
        let plain = self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
        pseudo.into_iter().chain(plain)
    }

    /// The first value of a query parameter, undecoded; empty for a key without `=`. Source: semantics S2.4.
    pub fn query_value(&self, key: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// The request as it leaves by `route` towards its destination: operations of the route, then those of the
    /// destination, then the rewrite. Source: semantics S2.6.
    #[must_use]
    pub fn routed(&self, route: &Route, destination: &HeaderOps) -> RequestShape {
        let mut shape = self.clone();
        shape.apply(&route.request_headers);
        shape.apply(destination);
        if let Some(authority) = &route.rewrite.authority {
            shape.authority.clone_from(authority);
        }
        if let Some((pattern, replacement)) = &route.rewrite.uri_regex {
            let re2 = Re2::new(pattern).expect("`resolve` admits only patterns that compile");
            shape.path = re2.replace_all(&self.path, replacement);
        } else if let Some(uri) = &route.rewrite.uri {
            shape.path = rewrite_path(&route.condition, uri, &self.path);
        }
        shape
    }

    /// Removes, sets and adds headers, in this order. Source: semantics S2.6.
    pub fn apply(&mut self, ops: &HeaderOps) {
        self.headers.retain(|(name, _)| !ops.remove.contains(name));
        for (name, value) in &ops.set {
            if is_authority(name) {
                self.authority.clone_from(value);
            } else if !name.starts_with(':') {
                self.headers.retain(|(key, _)| key != name);
                self.headers.push((name.clone(), value.clone()));
            }
        }
        for (name, value) in &ops.add {
            if is_authority(name) {
                self.authority.clone_from(value);
            } else if !name.starts_with(':') {
                self.headers.push((name.clone(), value.clone()));
            }
        }
    }
}

fn is_authority(name: &str) -> bool {
    matches!(name, "host" | ":authority")
}

/// The path after `rewrite.uri`, for a request that the match has let through. Slashes are neither added nor merged,
/// except where prefixes end at segments (Gateway API). Source: semantics S2.6.
pub fn rewrite_path(condition: &RouteMatch, uri: &str, path: &str) -> String {
    let prefix = match &condition.path {
        None => "/",
        Some(StringMatch::Prefix(prefix)) => prefix,
        Some(StringMatch::Exact(_) | StringMatch::Regex(_) | StringMatch::Present) => return uri.to_owned(),
    };
    if condition.path_segments {
        let rest = path.get(prefix.trim_end_matches('/').len()..).unwrap_or_default();
        let joined = format!("{}{rest}", uri.trim_end_matches('/'));
        return if joined.is_empty() { "/".to_owned() } else { joined };
    }
    format!("{uri}{}", path.get(prefix.len()..).unwrap_or_default())
}

/// The path as the proxy sees it: dot segments resolved, needless escapes undone, all else (`%20`, `//`) left as it
/// is. Source: semantics S1.1, S2.4.
pub fn normalize_path(path: &str) -> String {
    let plain = undo_needless_escapes(path);
    if !plain.starts_with('/') {
        return plain;
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = plain[1..].split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            _ => segments.push(part),
        }
    }
    format!("/{}", segments.join("/"))
}

/// `%61` is `a`: letters, digits, `-`, `.`, `_` and `~` need no escape.
fn undo_needless_escapes(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(place) = rest.find('%') {
        plain.push_str(&rest[..place]);
        let digits =
            rest.get(place + 1..place + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(b) if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => {
                plain.push(char::from(b));
                rest = &rest[place + 3..];
            }
            _ => {
                plain.push('%');
                rest = &rest[place + 1..];
            }
        }
    }
    plain + rest
}

/// `Host` of a mirrored copy: as it is, or with the suffix of Istio before 1.28. Source: semantics S12.2.
pub fn mirrored_authority(authority: &str, has_suffix: bool) -> String {
    if !has_suffix {
        return authority.to_owned();
    }
    let end = authority.len() - port_suffix(authority).len();
    format!("{}-shadow{}", &authority[..end], &authority[end..])
}

/// `:8080` of `a:8080` and of `[::1]:8080`; empty if there is no port.
pub(super) fn port_suffix(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon)
            if authority[colon + 1..].bytes().all(|b| b.is_ascii_digit())
                && (authority.starts_with('[') == authority[..colon].ends_with(']')) =>
        {
            &authority[colon..]
        }
        _ => "",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mesh::routing::{Action, Rewrite};

    /// `GET http://authority/path?query` at port 80.
    pub(in crate::policy) fn shape(authority: &str, target: &str, headers: &[(&str, &str)]) -> RequestShape {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        RequestShape {
            method: "GET".to_owned(),
            scheme: "http".to_owned(),
            authority: authority.to_owned(),
            port: 80,
            path: normalize_path(path),
            query: query.to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn prefix(text: &str, path_segments: bool) -> RouteMatch {
        RouteMatch {
            path: Some(StringMatch::Prefix(text.to_owned())),
            path_segments,
            ..RouteMatch::default()
        }
    }

    #[test]
    fn paths_are_normalised_as_far_as_rfc_3986_goes() {
        for (path, normal) in [
            ("/a/../b", "/b"),
            ("/%61", "/a"),
            ("/a%20b", "/a%20b"),
            ("/a//b", "/a//b"),
            ("/a/./b/..", "/a/"),
            ("/..", "/"),
            ("/%2e%2e/x", "/x"),
            ("/100%", "/100%"),
            ("*", "*"),
        ] {
            assert_eq!(normalize_path(path), normal, "{path}");
        }
    }

    #[test]
    fn rewrites_are_literal_unless_prefixes_end_at_segments() {
        assert_eq!(rewrite_path(&prefix("/api", false), "/", "/api/x"), "//x");
        assert_eq!(rewrite_path(&prefix("/api/", false), "/v2", "/api/x"), "/v2x");
        assert_eq!(rewrite_path(&RouteMatch::default(), "/v1", "/x"), "/v1x");
        assert_eq!(rewrite_path(&prefix("/api", true), "/", "/api/x"), "/x");
        assert_eq!(rewrite_path(&prefix("/api", true), "/", "/api"), "/");
        assert_eq!(rewrite_path(&prefix("/", true), "/v1", "/x"), "/v1/x");
        let exact = RouteMatch { path: Some(StringMatch::Exact("/a".to_owned())), ..RouteMatch::default() };
        assert_eq!(rewrite_path(&exact, "/b", "/a"), "/b");
    }

    #[test]
    fn a_route_changes_headers_authority_and_path() {
        let text = |text: &str| text.to_owned();
        let route = Route {
            rule: None,
            condition: RouteMatch::default(),
            action: Action::Respond(200),
            fault: None,
            timeout: None,
            retry: None,
            hash: Vec::new(),
            mirrors: Vec::new(),
            rewrite: Rewrite {
                uri: None,
                uri_regex: Some((text("^/(.*)$"), text(r"/v2/\1"))),
                authority: None,
            },
            request_headers: HeaderOps {
                remove: vec![text("x-old")],
                set: vec![
                    (text("x-set"), text("1")),
                    (text("host"), text("b.example")),
                    (text(":path"), text("/n")),
                ],
                add: vec![(text("x-set"), text("2"))],
            },
        };
        let destination = HeaderOps { set: vec![(text("x-subset"), text("v2"))], ..HeaderOps::default() };
        let before = shape("a.example", "/p?q=1", &[("x-old", "0"), ("x-set", "0"), ("keep", "me")]);
        let after = before.routed(&route, &destination);
        let expected = [("keep", "me"), ("x-set", "1"), ("x-set", "2"), ("x-subset", "v2")];
        assert_eq!(after, shape("b.example", "/v2/p?q=1", &expected));
    }

    #[test]
    fn shapes_of_targets_name_only_unusual_ports() {
        let target = |port| Target {
            method: "GET".to_owned(),
            host: "reviews".to_owned(),
            service: None,
            port,
            path: "/a/../b".to_owned(),
            query: String::new(),
            name_hash: 0,
        };
        assert_eq!(RequestShape::new(&target(80), &[]).authority, "reviews");
        assert_eq!(RequestShape::new(&target(9080), &[]).authority, "reviews:9080");
        assert_eq!(RequestShape::new(&target(9080), &[]).path, "/b");
    }

    #[test]
    fn the_first_of_equal_query_keys_counts_undecoded() {
        let shape = shape("a", "/?k=a%20b&k=2&flag", &[]);
        assert_eq!(shape.query_value("k"), Some("a%20b"));
        assert_eq!(shape.query_value("flag"), Some(""));
        assert_eq!(shape.query_value("none"), None);
    }

    #[test]
    fn mirrored_copies_keep_their_port() {
        assert_eq!(mirrored_authority("cluster1:8000", true), "cluster1-shadow:8000");
        assert_eq!(mirrored_authority("cluster1", true), "cluster1-shadow");
        assert_eq!(mirrored_authority("cluster1:8000", false), "cluster1:8000");
    }
}
