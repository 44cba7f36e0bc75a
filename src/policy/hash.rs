//! The hash of a request, by which ring hash and Maglev keep a key on its host, and the hash functions.
//! Source: semantics S5.7.

use xxhash_rust::xxh64;

use super::request::RequestShape;
use crate::kernel::SimDuration;
use crate::kernel::random::name_hash;
use crate::mesh::policy_spec::{HashPolicy, HashSource};

/// XXH64 of the text's bytes.
pub fn xxh64(text: &str, seed: u64) -> u64 {
    xxh64::xxh64(text.as_bytes(), seed)
}

/// MurmurHash2, 64 bits (variant A), with the seed that Envoy's rings use. Istio never asks for it.
/// Source: semantics S5.8.
pub fn murmur2(text: &str) -> u64 {
    const SEED: u64 = 0xc70f_6907;
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |value: u64| value ^ (value >> 47);
    let bytes = text.as_bytes();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let words = bytes.chunks_exact(8);
    let tail = words.remainder();
    for word in words {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of 8 bytes"));
        let word = mix(word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
    }
    mix(mix(hash).wrapping_mul(MULTIPLIER))
}

/// The downstream connection, as texts `ip:port`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection<'a> {
    pub remote: &'a str,
    pub local: &'a str,
}

/// A cookie that the proxy makes up and sends back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCookie {
    pub name: String,
    pub value: String,
    /// `None`: for the session.
    pub max_age: Option<SimDuration>,
}

/// What the policies make of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHash {
    /// `None`: the balancer takes a fresh draw instead, so the request has no lasting host.
    pub hash: Option<u64>,
    pub cookies: Vec<NewCookie>,
}

/// What one policy adds to a hash, as far as the request's look tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    pub value: TermValue,
    /// Later terms are skipped once there is a hash.
    is_terminal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermValue {
    Known(u64),
    /// Of the address that the request comes from.
    SourceIp,
    /// Of a cookie that the proxy makes up: the policy's place in its list, and what luck with this name is keyed by.
    NewCookie {
        place: u32,
        name_hash: u64,
    },
}

/// What the policies find in the request's own look. Source: semantics S5.7.
pub fn terms(policies: &[HashPolicy], shape: &RequestShape) -> Vec<Term> {
    let term = |(place, policy): (u32, &HashPolicy)| {
        let known = |text: &str| TermValue::Known(xxh64(text, 0));
        let value = match &policy.source {
            HashSource::Header(name) => header_hash(shape, name).map(TermValue::Known),
            HashSource::Cookie { name, ttl } => match cookie(shape, name) {
                Some(value) => Some(known(value)),
                None => ttl.map(|_| TermValue::NewCookie { place, name_hash: name_hash(name) }),
            },
            HashSource::SourceIp => Some(TermValue::SourceIp),
            HashSource::QueryParameter(key) => shape.query_value(key).map(known),
        };
        value.map(|value| Term { value, is_terminal: policy.is_terminal })
    };
    let mut terms: Vec<Term> = Vec::new();
    for (place, policy) in (0..).zip(policies) {
        match (term((place, policy)), terms.last_mut()) {
            (Some(term), _) => terms.push(term),
            // It adds nothing, but ends the list all the same if there is a hash by then.
            (None, Some(last)) => last.is_terminal |= policy.is_terminal,
            (None, None) => {}
        }
    }
    terms
}

/// The hash that the terms make; `hash_of` tells what one of them adds, if anything. Source: semantics S5.7.
#[inline]
pub fn combine(terms: &[Term], mut hash_of: impl FnMut(TermValue) -> Option<u64>) -> Option<u64> {
    let mut hash = None;
    for term in terms {
        let new = match term.value {
            TermValue::Known(known) => Some(known),
            unknown => hash_of(unknown),
        };
        hash = match (hash, new) {
            (Some(hash), Some(new)) => Some(u64::rotate_left(hash, 1) ^ new),
            (hash, new) => new.or(hash),
        };
        if term.is_terminal && hash.is_some() {
            break;
        }
    }
    hash
}

/// Whether any of the policies looks at this header.
pub fn reads_header(policies: &[HashPolicy], name: &str) -> bool {
    policies.iter().any(|policy| match &policy.source {
        HashSource::Header(own) => own == name,
        HashSource::Cookie { .. } => name == "cookie",
        HashSource::SourceIp | HashSource::QueryParameter(_) => false,
    })
}

/// The hash of a request after its route has changed it. Source: semantics S5.7, S1.1 (g).
pub fn request_hash(
    policies: &[HashPolicy],
    shape: &RequestShape,
    connection: Connection<'_>,
) -> RequestHash {
    let mut cookies = Vec::new();
    let hash = combine(&terms(policies, shape), |value| match value {
        TermValue::Known(hash) => Some(hash),
        TermValue::SourceIp => ip(connection.remote).map(|ip| xxh64(ip, 0)),
        TermValue::NewCookie { place, .. } => match &policies[place as usize].source {
            HashSource::Cookie { name, ttl: Some(ttl) } => {
                let cookie = new_cookie(name, *ttl, connection);
                let hash = xxh64(&cookie.value, 0);
                cookies.push(cookie);
                Some(hash)
            }
            _ => None,
        },
    });
    RequestHash { hash, cookies }
}

/// The hash of a cookie's value that a proxy makes up: a number in hexadecimal. The connection's addresses stand
/// behind the number in Envoy; `drawn` is as good, and costs no text. Source: semantics S5.7.
pub fn new_cookie_hash(drawn: u64) -> u64 {
    let mut text = [0; 16];
    for (place, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(drawn >> (60 - 4 * place) & 0xf) as usize];
    }
    xxh64::xxh64(&text, 0)
}

/// The hash of an IPv4 address as text.
pub fn ip_hash(address: u32) -> u64 {
    use std::io::Write;
    let mut text = [0; 15];
    let mut free = &mut text[..];
    write!(free, "{}", std::net::Ipv4Addr::from_bits(address)).expect("no address is longer");
    let left = free.len();
    xxh64::xxh64(&text[..15 - left], 0)
}

/// Several values are chained in sorted order, each by the hash before.
fn header_hash(shape: &RequestShape, name: &str) -> Option<u64> {
    let mut values: Vec<&str> = shape.values(name).collect();
    values.sort_unstable();
    let first = xxh64(values.first()?, 0);
    Some(values[1..].iter().fold(first, |hash, value| xxh64(value, hash)))
}

/// The value of a cookie; an empty one counts as absent.
fn cookie<'a>(shape: &'a RequestShape, name: &str) -> Option<&'a str> {
    let pairs = shape.values("cookie").flat_map(|header| header.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(key, _)| *key == name);
    let (_, value) = values.next()?;
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (!bare.is_empty()).then_some(bare)
}

fn new_cookie(name: &str, ttl: SimDuration, connection: Connection<'_>) -> NewCookie {
    let value = format!("{:016x}", xxh64(&format!("{}{}", connection.remote, connection.local), 0));
    NewCookie { name: name.to_owned(), value, max_age: (!ttl.is_zero()).then_some(ttl) }
}

/// The address without its port and brackets.
pub fn ip(address: &str) -> Option<&str> {
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => address.split(':').next(),
    };
    host.filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::shape;
    use super::*;

    fn hash(sources: Vec<HashSource>, shape: &RequestShape) -> RequestHash {
        let policies: Vec<HashPolicy> =
            sources.into_iter().map(|source| HashPolicy { source, is_terminal: false }).collect();
        request_hash(&policies, shape, Connection { remote: "10.0.0.1:4000", local: "10.0.0.2:15001" })
    }

    fn header(name: &str) -> HashSource {
        HashSource::Header(name.to_owned())
    }

    #[test]
    fn policies_combine_in_their_order() {
        let request = shape("a", "/", &[("x-a", "1"), ("x-b", "2")]);
        let both = hash(vec![header("x-a"), header("x-none"), header("x-b")], &request);
        assert_eq!(both.hash, Some(xxh64("1", 0).rotate_left(1) ^ xxh64("2", 0)));
        assert_eq!(hash(vec![header("x-none")], &request).hash, None);
        let first = HashPolicy { source: header("x-a"), is_terminal: true };
        let second = HashPolicy { source: header("x-b"), is_terminal: false };
        let only = request_hash(&[first, second], &request, Connection::default());
        assert_eq!(only.hash, Some(xxh64("1", 0)));
        // One that adds nothing ends the list too, once there is a hash.
        let policies = [("x-a", false), ("x-none", true), ("x-b", false)]
            .map(|(name, is_terminal)| HashPolicy { source: header(name), is_terminal });
        let hash_of = |policies: &[HashPolicy]| request_hash(policies, &request, Connection::default()).hash;
        assert_eq!(hash_of(&policies), Some(xxh64("1", 0)));
        assert_eq!(hash_of(&policies[1..]), Some(xxh64("2", 0)));
    }

    #[test]
    fn values_of_one_header_are_chained_sorted() {
        let request = shape("a", "/", &[("x", "b"), ("x", "a")]);
        assert_eq!(hash(vec![header("x")], &request).hash, Some(xxh64("b", xxh64("a", 0))));
    }

    #[test]
    fn a_missing_cookie_is_made_up_only_with_a_ttl() {
        let cookie = |ttl| HashSource::Cookie { name: "sid".to_owned(), ttl };
        let without = shape("a", "/", &[("cookie", "a=b; sid=")]);
        assert_eq!(hash(vec![cookie(None)], &without), RequestHash::default());
        let made = hash(vec![cookie(Some(SimDuration::from_secs(60)))], &without);
        assert_eq!(made.cookies[0].value, "7d7a6d5d6900ac48");
        assert_eq!(made.cookies[0].max_age, Some(SimDuration::from_secs(60)));
        let with = shape("a", "/", &[("cookie", "a=b; sid=\"xyz\"")]);
        assert_eq!(hash(vec![cookie(None)], &with).hash, Some(xxh64("xyz", 0)));
    }

    #[test]
    fn the_source_address_counts_without_its_port() {
        let request = shape("a", "/?uid=7&uid=8", &[]);
        assert_eq!(hash(vec![HashSource::SourceIp], &request).hash, Some(xxh64("10.0.0.1", 0)));
        assert_eq!(ip("[::1]:80"), Some("::1"));
        let query = HashSource::QueryParameter("uid".to_owned());
        assert_eq!(hash(vec![query], &request).hash, Some(xxh64("7", 0)));
    }

    #[test]
    fn made_up_numbers_hash_as_their_text_would() {
        assert_eq!(new_cookie_hash(0x7d7a_6d5d_6900_ac48), xxh64("7d7a6d5d6900ac48", 0));
        assert_eq!(new_cookie_hash(0xf), xxh64("000000000000000f", 0));
        assert_eq!(ip_hash(0x0a00_0001), xxh64("10.0.0.1", 0));
        assert_eq!(ip_hash(u32::MAX), xxh64("255.255.255.255", 0));
    }

    #[test]
    fn what_the_look_does_not_tell_is_asked_for() {
        let policy = |source, is_terminal| HashPolicy { source, is_terminal };
        let cookie = HashSource::Cookie { name: "sid".to_owned(), ttl: Some(SimDuration::ZERO) };
        let policies =
            [policy(HashSource::SourceIp, true), policy(cookie, false), policy(header("x"), false)];
        let found = terms(&policies, &shape("a", "/", &[("x", "1")]));
        let values: Vec<TermValue> = found.iter().map(|term| term.value).collect();
        let x = xxh64("1", 0);
        let made_up = TermValue::NewCookie { place: 1, name_hash: name_hash("sid") };
        assert_eq!(values, [TermValue::SourceIp, made_up, TermValue::Known(x)]);
        let with =
            |ip, cookie| combine(&found, |value| if value == TermValue::SourceIp { ip } else { cookie });
        assert_eq!(with(Some(3), Some(4)), Some(3));
        assert_eq!(with(None, Some(4)), Some(8 ^ x));
        assert!(reads_header(&policies, "x") && reads_header(&policies, "cookie"));
        assert!(!reads_header(&policies, "y"));
    }

    #[test]
    fn murmur_takes_words_and_tails() {
        assert_eq!(murmur2("foo"), 9_631_199_822_919_835_226);
        assert_ne!(murmur2("12345678"), murmur2("123456789"));
    }
}
