//! Randomness keyed by meaning. A draw is a pure function of what it is for, so an extra draw in one place shifts
//! no other, and request 4711 has the same luck under both sides of a comparison.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh64::xxh64;

const PHI: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a draw is for. The numbers are part of our results: they stay, and new purposes take new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    // keys that lead to keys
    Request = 1,
    User = 2,
    Call = 3,
    Attempt = 4,
    Mirror = 5,
    // at the request
    Class = 16,
    PopulationUser = 17,
    ClientPod = 18,
    Connection = 19,
    // at the call
    StreamId = 32,
    FaultDelay = 33,
    FaultAbort = 34,
    Worker = 35,
    Share = 36,
    LocalReply = 37,
    Cookie = 38,
    Waypoint = 39,
    // at the attempt
    Backoff = 48,
    HostPick = 49,
    Failure = 50,
    Work = 51,
    NetworkOut = 52,
    NetworkBack = 53,
    ClientProxy = 54,
    ServerProxy = 55,
    Connect = 56,
    ErrorWork = 57,
    InboundWorker = 58,
    Lifetime = 59,
    InboundBackoff = 60,
    // at an entity
    Think = 64,
    BalancerSeed = 65,
    RebuildOffset = 66,
    EjectionJitter = 67,
    Propagation = 68,
    Incident = 69,
    ProxyAge = 70,
    BareHostPick = 71,
    ConnectionWorker = 72,
}

/// splitmix64's finalizer.
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The one function that makes every keyed number: 64 bits that depend on key, purpose and count alone.
#[inline(always)]
pub fn draw(key: u64, purpose: Purpose, n: u64) -> u64 {
    let counter = ((purpose as u64) << 32).wrapping_add(n).wrapping_add(1);
    mix(key.wrapping_add(PHI.wrapping_mul(counter)))
}

/// The place among `count` that a number stands for, all alike.
#[inline(always)]
pub fn place_of(drawn: u64, count: usize) -> usize {
    ((u128::from(drawn) * count as u128) >> 64) as usize
}

/// A decision's 1st, 2nd ... number for one key and purpose. Tests put given numbers in with [`Draw::given`].
#[derive(Clone, Debug)]
pub struct Draw<'a> {
    /// What [`mix`] takes for the number before the next: each lies PHI behind the one before.
    state: u64,
    given: Option<std::slice::Iter<'a, u64>>,
}

impl<'a> Draw<'a> {
    #[inline(always)]
    pub fn at(key: u64, purpose: Purpose) -> Draw<'static> {
        Draw::starting(key, purpose, 0)
    }

    /// Begins with the number after the first `n`.
    #[inline(always)]
    pub fn starting(key: u64, purpose: Purpose, n: u64) -> Draw<'static> {
        let counter = ((purpose as u64) << 32).wrapping_add(n);
        Draw { state: key.wrapping_add(PHI.wrapping_mul(counter)), given: None }
    }

    /// Hands out these numbers instead; panics when they run out.
    pub fn given(numbers: &'a [u64]) -> Draw<'a> {
        Draw { state: 0, given: Some(numbers.iter()) }
    }

    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "a draw never ends, and `next` is the word for it")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(PHI);
        match &mut self.given {
            None => mix(self.state),
            Some(numbers) => next_given(numbers),
        }
    }
}

#[cold]
fn next_given(numbers: &mut std::slice::Iter<'_, u64>) -> u64 {
    *numbers.next().expect("enough numbers are given")
}

/// The stream name's hash; names are `client/browser`, `proxy/browser-0`, `pod/reviews-v2-1` ...
pub fn name_hash(name: &str) -> u64 {
    xxh64(name.as_bytes(), 0)
}

/// The generator of an entity: ChaCha8 with key = seed and replication (8 bytes each, little endian), 16 zero bytes,
/// and the name's hash as stream. Births take its words in sequence, since they depend on no configuration.
pub fn entity_stream(seed: u64, replication: u64, name: &str) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&replication.to_le_bytes());
    let mut stream = ChaCha8Rng::from_seed(key);
    stream.set_stream(name_hash(name));
    stream
}

/// The root key of an entity: the first word of its [`entity_stream`].
pub fn entity_root(seed: u64, replication: u64, name: &str) -> u64 {
    entity_stream(seed, replication, name).next_u64()
}

/// The number in (0, 1) that a draw stands for: u = (draw / 2^11 + 0.5) * 2^-53. The very last of them would round
/// to 1 in double precision and is kept below it.
#[inline(always)]
pub fn unit(draw: u64) -> f64 {
    let u = ((draw >> 11) as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0);
    u.min(1.0 - f64::EPSILON / 2.0)
}

/// A probability as a threshold over 2^64: `draw < threshold` happens with it, exactly at 0 and 1.
/// Monotone, so raising a rate only adds to what it hits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance(u128);

impl Chance {
    pub const NEVER: Chance = Chance(0);
    pub const ALWAYS: Chance = Chance(1 << 64);

    /// `probability` is in [0, 1]; values outside are clamped.
    pub fn new(probability: f64) -> Chance {
        let threshold = probability.clamp(0.0, 1.0) * 18_446_744_073_709_551_616.0;
        Chance(threshold as u128)
    }

    pub fn is_never(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    pub fn hits(self, draw: u64) -> bool {
        u128::from(draw) < self.0
    }

    /// As a float in [0, 1], for reports.
    pub fn probability(self) -> f64 {
        self.0 as f64 / 18_446_744_073_709_551_616.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_key_purpose_and_count_alone() {
        assert_eq!(draw(7, Purpose::Work, 0), draw(7, Purpose::Work, 0));
        assert_ne!(draw(7, Purpose::Work, 0), draw(7, Purpose::Work, 1));
        assert_ne!(draw(7, Purpose::Work, 0), draw(7, Purpose::Failure, 0));
        assert_ne!(draw(7, Purpose::Work, 0), draw(8, Purpose::Work, 0));
    }

    #[test]
    fn a_draw_is_the_splitmix64_output_at_its_counter() {
        // splitmix64 seeded with s returns mix(s + PHI) first; purpose 0 does not exist, so undo its offset.
        let offset = PHI.wrapping_mul((Purpose::Request as u64) << 32);
        assert_eq!(draw(0u64.wrapping_sub(offset), Purpose::Request, 0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(draw(0u64.wrapping_sub(offset), Purpose::Request, 1), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn a_decision_counts_its_numbers_up() {
        let mut numbers = Draw::at(7, Purpose::HostPick);
        assert_eq!([0, 1, 2].map(|_| numbers.next()), [0, 1, 2].map(|n| draw(7, Purpose::HostPick, n)));
        assert_eq!(Draw::starting(7, Purpose::Work, 5).next(), draw(7, Purpose::Work, 5));
    }

    #[test]
    fn entity_roots_are_pinned() {
        let root = entity_root(42, 0, "client/browser");
        assert_eq!(root, entity_root(42, 0, "client/browser"));
        assert_ne!(root, entity_root(42, 1, "client/browser"));
        assert_ne!(root, entity_root(43, 0, "client/browser"));
        assert_ne!(root, entity_root(42, 0, "client/browsers"));
    }

    #[test]
    fn chances_are_exact_at_both_ends() {
        assert!(!Chance::NEVER.hits(0));
        assert!(Chance::ALWAYS.hits(u64::MAX));
        assert!(Chance::new(0.5).hits((1 << 63) - 1));
        assert!(!Chance::new(0.5).hits(1 << 63));
    }

    #[test]
    fn units_stay_inside_the_open_interval() {
        assert!(unit(0) > 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }
}
