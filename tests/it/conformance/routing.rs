//! Golden kinds of virtual hosts, routes, weights and mirrors. Source: semantics S2, S3, S12.

use std::collections::BTreeMap;

use meshcast::mesh::policy_spec::Fraction;
use meshcast::mesh::routing::{
    Action, HeaderOps, Rewrite, Route, RouteMatch, RouteTable, StringMatch, VirtualHost,
};
use meshcast::policy::request::{self, RequestShape};
use meshcast::policy::route::{Domains, Router};
use meshcast::policy::split;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    domains: Vec<String>,
    authority: String,
    ignore_port: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PickedDomain {
    domain: Option<String>,
}

pub fn virtual_host_pick(input: Domain) -> Result<PickedDomain, String> {
    if !input.ignore_port {
        return Err("Istio has ports ignored".to_owned());
    }
    let domains = Domains::new(input.domains.iter().map(std::slice::from_ref));
    Ok(PickedDomain { domain: domains.find(&input.authority).map(|(_, domain)| domain) })
}

/// One of `exact`, `prefix`, `regex`; `{}` and `present` mean presence, and so does the regex `*`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
    present: Option<bool>,
}

impl Text {
    fn meant(&self) -> Result<StringMatch, String> {
        let Text { exact, prefix, regex, present } = self;
        Ok(match (exact, prefix, regex, present) {
            (Some(text), None, None, None) => StringMatch::Exact(text.clone()),
            (None, Some(text), None, None) => StringMatch::Prefix(text.clone()),
            (None, None, Some(text), None) if text == "*" => StringMatch::Present,
            (None, None, Some(text), None) => StringMatch::Regex(text.clone()),
            (None, None, None, None | Some(true)) => StringMatch::Present,
            _ => return Err("one kind of match at a time".to_owned()),
        })
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    uri: Option<Text>,
    #[serde(default, rename = "ignoreUriCase")]
    ignore_uri_case: bool,
    method: Option<Text>,
    authority: Option<Text>,
    scheme: Option<Text>,
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    #[serde(default, rename = "withoutHeaders")]
    without_headers: BTreeMap<String, Text>,
    #[serde(default)]
    query: BTreeMap<String, Text>,
}

impl Match {
    fn meant(&self) -> Result<RouteMatch, String> {
        let one = |text: &Option<Text>| text.as_ref().map(Text::meant).transpose();
        let named = |texts: &BTreeMap<String, Text>, is_header: bool| {
            let name = |name: &String| if is_header { name.to_ascii_lowercase() } else { name.clone() };
            let named = texts.iter().map(|(key, text)| Ok((name(key), text.meant()?)));
            named.collect::<Result<Vec<_>, String>>()
        };
        Ok(RouteMatch {
            path: one(&self.uri)?,
            ignore_path_case: self.ignore_uri_case,
            path_segments: false,
            method: one(&self.method)?,
            authority: one(&self.authority)?,
            scheme: one(&self.scheme)?,
            headers: named(&self.headers, true)?,
            without_headers: named(&self.without_headers, true)?,
            query_params: named(&self.query, false)?,
        })
    }
}

#[derive(Deserialize)]
pub struct NamedRoute {
    name: String,
    /// Alternatives; else the route's own conditions are the one match.
    matches: Option<Vec<Match>>,
    #[serde(flatten)]
    conditions: BTreeMap<String, serde_yaml::Value>,
}

impl NamedRoute {
    fn conditions(&self) -> Result<Vec<RouteMatch>, String> {
        let own = || serde_yaml::to_value(&self.conditions).and_then(serde_yaml::from_value::<Match>);
        match &self.matches {
            Some(matches) if self.conditions.is_empty() => matches.iter().map(Match::meant).collect(),
            Some(_) => Err("either `matches` or conditions".to_owned()),
            None => Ok(vec![own().map_err(|error| error.to_string())?.meant()?]),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    path: String,
    method: Option<String>,
    scheme: Option<String>,
    authority: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    header_list: Vec<(String, String)>,
}

impl Request {
    fn shape(self) -> RequestShape {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let headers = self.headers.into_iter().chain(self.header_list);
        RequestShape {
            method: self.method.unwrap_or_else(|| "GET".to_owned()),
            scheme: self.scheme.unwrap_or_else(|| "http".to_owned()),
            authority: self.authority.unwrap_or_else(|| "a.example".to_owned()),
            port: 80,
            path: request::normalize_path(path),
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        }
    }
}

fn route(condition: RouteMatch, rewrite: Rewrite) -> Route {
    Route {
        rule: None,
        condition,
        action: Action::Respond(200),
        fault: None,
        timeout: None,
        retry: None,
        hash: Vec::new(),
        mirrors: Vec::new(),
        rewrite,
        request_headers: HeaderOps::default(),
    }
}

fn table(routes: Vec<Route>) -> RouteTable {
    let host = VirtualHost { name: "all".to_owned(), domains: vec!["*".to_owned()], routes };
    RouteTable {
        view: "golden".to_owned(),
        listeners: BTreeMap::from([(80, vec![host])]),
        ..RouteTable::default()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteMatching {
    routes: Vec<NamedRoute>,
    request: Request,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PickedRoute {
    route: Option<String>,
}

pub fn route_match(input: RouteMatching) -> Result<PickedRoute, String> {
    let (mut names, mut routes) = (Vec::new(), Vec::new());
    for named in &input.routes {
        for condition in named.conditions()? {
            names.push(named.name.clone());
            routes.push(route(condition, Rewrite::default()));
        }
    }
    let found = Router::new(&table(routes)).find(&input.request.shape());
    Ok(PickedRoute { route: found.map(|found| names[found.route].clone()) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewriting {
    #[serde(rename = "match")]
    uri: Option<Text>,
    rewrite_uri: Option<String>,
    #[serde(rename = "uriRegexRewrite")]
    uri_regex: Option<RegexRewrite>,
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegexRewrite {
    #[serde(rename = "match")]
    pattern: String,
    rewrite: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RewrittenPath {
    path: String,
}

pub fn rewrite(input: Rewriting) -> Result<RewrittenPath, String> {
    let condition =
        RouteMatch { path: input.uri.as_ref().map(Text::meant).transpose()?, ..RouteMatch::default() };
    let rewrite = Rewrite {
        uri: input.rewrite_uri,
        uri_regex: input.uri_regex.map(|regex| (regex.pattern, regex.rewrite)),
        authority: None,
    };
    let request = Request {
        path: input.path,
        method: None,
        scheme: None,
        authority: None,
        headers: BTreeMap::new(),
        header_list: Vec::new(),
    };
    let table = table(vec![route(condition, rewrite)]);
    let shape = request.shape();
    let found = Router::new(&table).find(&shape).ok_or("the route does not match its own path")?;
    let after = shape.routed(found.of(&table), &HeaderOps::default());
    let query = if after.query.is_empty() { String::new() } else { format!("?{}", after.query) };
    Ok(RewrittenPath { path: format!("{}{query}", after.path) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    weights: Vec<u32>,
    stream_id: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct PickedIndex {
    index: Option<usize>,
}

pub fn weighted_pick(input: Weights) -> Result<PickedIndex, String> {
    Ok(PickedIndex { index: split::pick(input.weights.iter().copied(), input.stream_id) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirroring {
    #[serde(rename = "mirrorPercentage")]
    percentage: Option<f64>,
    /// Deprecated, over 100.
    #[serde(rename = "mirrorPercent")]
    percent: Option<u32>,
    stream_id: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Mirrored {
    mirrored: bool,
}

pub fn mirror_fraction(input: Mirroring) -> Result<Mirrored, String> {
    let share = match (input.percentage, input.percent) {
        (Some(value), _) => Fraction::of_percent(value),
        (None, Some(numerator)) => Fraction { numerator, denominator: 100 },
        (None, None) => Fraction::of_percent(100.0),
    };
    Ok(Mirrored { mirrored: split::is_mirrored(share, input.stream_id) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorHost {
    authority: String,
    istio: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    authority: String,
}

pub fn mirror_host(input: MirrorHost) -> Result<Authority, String> {
    let minor = |version: &str| version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    // Without a version Envoy's own default is meant.
    let has_suffix = match input.istio.as_deref() {
        None => true,
        Some(version) => minor(version).ok_or("versions look like `1.28`")? < 28,
    };
    Ok(Authority { authority: request::mirrored_authority(&input.authority, has_suffix) })
}
