//! Golden kinds of hashes, rings and Maglev tables. Source: semantics S5.7 to S5.9.

use std::collections::BTreeMap;

use meshcast::kernel::SimDuration;
use meshcast::mesh::policy_spec::{HashPolicy, HashSource};
use meshcast::policy::balance::maglev::{DEFAULT_SIZE, Maglev};
use meshcast::policy::balance::ring_hash::{HashedHost, Ring};
use meshcast::policy::hash::{self, Connection, murmur2};
use meshcast::policy::request::RequestShape;
use serde::Deserialize;

use super::balancing::PickedHost;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    text: String,
    #[serde(default)]
    seed: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Hash {
    hash: u64,
}

pub fn xxh64(input: Text) -> Result<Hash, String> {
    Ok(Hash { hash: hash::xxh64(&input.text, input.seed) })
}

pub fn murmur2_64(input: Text) -> Result<Hash, String> {
    Ok(Hash { hash: murmur2(&input.text) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    policies: Vec<Policy>,
    #[serde(default)]
    headers: BTreeMap<String, Vec<String>>,
    path: Option<String>,
    #[serde(default)]
    remote_address: String,
    #[serde(default)]
    local_address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    header: Option<String>,
    cookie: Option<String>,
    ttl_s: Option<u64>,
    query: Option<String>,
    #[serde(alias = "useSourceIp", alias = "use_source_ip")]
    source_ip: Option<bool>,
    #[serde(default)]
    terminal: bool,
}

impl Policy {
    fn meant(self) -> Result<HashPolicy, String> {
        let source = match (self.header, self.cookie, self.query, self.source_ip) {
            (Some(name), None, None, None) => HashSource::Header(name.to_ascii_lowercase()),
            (None, Some(name), None, None) => {
                HashSource::Cookie { name, ttl: self.ttl_s.map(SimDuration::from_secs) }
            }
            (None, None, Some(key), None) => HashSource::QueryParameter(key),
            (None, None, None, Some(true)) => HashSource::SourceIp,
            _ => return Err("one source a policy".to_owned()),
        };
        Ok(HashPolicy { source, is_terminal: self.terminal })
    }
}

/// All but the hash asserted where they stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashResult {
    hash: Option<u64>,
    cookie_value: Option<String>,
    set_cookie: Option<bool>,
    max_age: Option<u64>,
}

impl PartialEq for HashResult {
    fn eq(&self, other: &HashResult) -> bool {
        fn agree<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        self.hash == other.hash
            && agree(&self.cookie_value, &other.cookie_value)
            && agree(&self.set_cookie, &other.set_cookie)
            // Absent or null: no age.
            && self.max_age == other.max_age
    }
}

pub fn hash_policy(input: Policies) -> Result<HashResult, String> {
    let policies = input.policies.into_iter().map(Policy::meant).collect::<Result<Vec<_>, String>>()?;
    let target = input.path.as_deref().unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = input.headers.into_iter().flat_map(|(name, values)| {
        values.into_iter().map(move |value| (name.to_ascii_lowercase(), value)).collect::<Vec<_>>()
    });
    let shape = RequestShape {
        method: "GET".to_owned(),
        scheme: "http".to_owned(),
        authority: "a.example".to_owned(),
        port: 80,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.collect(),
    };
    let connection = Connection { remote: &input.remote_address, local: &input.local_address };
    let result = hash::request_hash(&policies, &shape, connection);
    let cookie = result.cookies.first();
    Ok(HashResult {
        hash: result.hash,
        cookie_value: cookie.map(|cookie| cookie.value.clone()),
        set_cookie: Some(cookie.is_some()),
        max_age: cookie.and_then(|cookie| cookie.max_age).map(|age| age.nanos() / 1_000_000_000),
    })
}

fn hashed<'a>(keys: &'a [String], weights: Option<&[f64]>) -> Vec<HashedHost<'a>> {
    let weight = |place: usize| weights.map_or(1.0, |weights| weights[place]);
    let hosts = keys.iter().enumerate();
    hosts.map(|(place, key)| HashedHost { host: place as u32, key, weight: weight(place) }).collect()
}

fn ring(
    keys: &[String],
    weights: Option<&[f64]>,
    min_size: u64,
    function: Option<&str>,
) -> Result<Ring, String> {
    let hosts = hashed(keys, weights);
    match function {
        None | Some("xxh64") => Ok(Ring::new(&hosts, min_size, |key| hash::xxh64(key, 0))),
        Some("murmur2" | "murmur2_64") => Ok(Ring::new(&hosts, min_size, murmur2)),
        Some(other) => Err(format!("unknown hash `{other}`")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingBuild {
    hosts: Vec<String>,
    weights: Option<Vec<f64>>,
    min_ring_size: u64,
    hash: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RingPoints {
    size: usize,
    ring: Vec<(u64, u32)>,
}

pub fn ring_build(input: RingBuild) -> Result<RingPoints, String> {
    let ring = ring(&input.hosts, input.weights.as_deref(), input.min_ring_size, input.hash.as_deref())?;
    Ok(RingPoints { size: ring.points().len(), ring: ring.points().to_vec() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingPick {
    hosts: Vec<String>,
    min_ring_size: u64,
    hash: u64,
    #[serde(default)]
    attempt: u32,
}

pub fn ring_pick(input: RingPick) -> Result<PickedHost, String> {
    let ring = ring(&input.hosts, None, input.min_ring_size, None)?;
    Ok(PickedHost { host: ring.host(input.hash, input.attempt) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingCounts {
    hosts: Vec<String>,
    weights: Vec<f64>,
    min_ring_size: u64,
    /// `k * floor((2^64-1)/6000), k = 0..5999`.
    hashes: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CountedRing {
    size: usize,
    entries: Vec<usize>,
    picks: Vec<usize>,
}

fn count(owners: impl Iterator<Item = u32> + Clone, hosts: usize) -> Vec<usize> {
    (0..hosts as u32).map(|host| owners.clone().filter(|owner| *owner == host).count()).collect()
}

fn series(text: &str) -> Option<Vec<u64>> {
    let (parts, range) = text.strip_prefix("k * floor((2^64-1)/")?.split_once("), k = 0..")?;
    let step = u64::MAX / parts.parse::<u64>().ok()?;
    Some((0..=range.parse::<u64>().ok()?).map(|k| k * step).collect())
}

pub fn ring_counts(input: RingCounts) -> Result<CountedRing, String> {
    let ring = ring(&input.hosts, Some(&input.weights), input.min_ring_size, None)?;
    let hashes = series(&input.hashes).ok_or("unknown series of hashes")?;
    let picks: Vec<u32> = hashes.iter().filter_map(|hash| ring.host(*hash, 0)).collect();
    let hosts = input.hosts.len();
    Ok(CountedRing {
        size: ring.points().len(),
        entries: count(ring.points().iter().map(|(_, host)| *host), hosts),
        picks: count(picks.iter().copied(), hosts),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RingKeys {
    hosts: Vec<String>,
    weights: Option<Vec<f64>>,
    min_ring_size: u64,
    header_values: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RingOwners {
    size: usize,
    entries: Vec<usize>,
    hosts_of_keys: Vec<Option<u32>>,
}

pub fn ring_keys(input: RingKeys) -> Result<RingOwners, String> {
    let ring = ring(&input.hosts, input.weights.as_deref(), input.min_ring_size, None)?;
    Ok(RingOwners {
        size: ring.points().len(),
        entries: count(ring.points().iter().map(|(_, host)| *host), input.hosts.len()),
        hosts_of_keys: input.header_values.iter().map(|value| ring.host(hash::xxh64(value, 0), 0)).collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaglevTable {
    hosts: Vec<String>,
    normalized_weights: Vec<f64>,
    table_size: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Places {
    table: Vec<u32>,
}

pub fn maglev_table(input: MaglevTable) -> Result<Places, String> {
    let maglev = Maglev::new(&hashed(&input.hosts, Some(&input.normalized_weights)), input.table_size);
    Ok(Places { table: maglev.table().to_vec() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaglevPick {
    hosts: Vec<String>,
    table_size: u64,
    hash: u64,
    #[serde(default)]
    attempt: u32,
}

pub fn maglev_pick(input: MaglevPick) -> Result<PickedHost, String> {
    let maglev = Maglev::new(&hashed(&input.hosts, None), input.table_size);
    Ok(PickedHost { host: maglev.host(input.hash, input.attempt) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaglevKeys {
    hosts: Vec<String>,
    weights: Option<Vec<f64>>,
    #[serde(default = "default_size")]
    table_size: u64,
    header_values: Vec<String>,
}

fn default_size() -> u64 {
    DEFAULT_SIZE
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct MaglevOwners {
    hosts_of_keys: Vec<Option<u32>>,
    entries: Vec<usize>,
}

pub fn maglev_keys(input: MaglevKeys) -> Result<MaglevOwners, String> {
    let maglev = Maglev::new(&hashed(&input.hosts, input.weights.as_deref()), input.table_size);
    Ok(MaglevOwners {
        hosts_of_keys: input
            .header_values
            .iter()
            .map(|value| maglev.host(hash::xxh64(value, 0), 0))
            .collect(),
        entries: count(maglev.table().iter().copied(), input.hosts.len()),
    })
}
