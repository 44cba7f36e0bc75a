//! The ring of ring hash: every host at many points of a circle; a key belongs to the next point.
//! A finished ring never changes, so all workers can read one. Source: semantics S5.8.

/// Most points of a ring.
const MOST_POINTS: f64 = 8_388_608.0;

/// A host as hashing sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HashedHost<'a> {
    /// Its number in the cluster.
    pub host: u32,
    /// `10.0.0.7:9080`.
    pub key: &'a str,
    /// Relative to the others'; positive.
    pub weight: f64,
}

/// Weights as shares of their sum.
pub(super) fn shares(hosts: &[HashedHost<'_>]) -> Vec<f64> {
    let sum: f64 = hosts.iter().map(|host| host.weight).sum();
    hosts.iter().map(|host| host.weight / sum).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Hash and host, ascending.
    points: Vec<(u64, u32)>,
    /// By the highest bits of a hash: the first point that is not below all hashes with these bits. Hashes are even, so
    /// a point or two lie between it and the one that is looked for.
    starts: Vec<u32>,
    /// The bits below those.
    shift: u32,
}

impl Ring {
    /// A ring of these hosts with at least about `min_size` points. `hash` is `xxh64` with seed 0 in Istio.
    pub fn new(hosts: &[HashedHost<'_>], min_size: u64, hash: impl Fn(&str) -> u64) -> Ring {
        Ring::with_shares(hosts, &shares(hosts), min_size, hash)
    }

    /// As [`Ring::new`], for hosts whose shares of the ring are known already. They make 1, or less where some of it
    /// belongs to nobody.
    pub fn with_shares(
        hosts: &[HashedHost<'_>],
        shares: &[f64],
        min_size: u64,
        hash: impl Fn(&str) -> u64,
    ) -> Ring {
        let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
        if hosts.is_empty() {
            return Ring { points: Vec::new(), starts: Vec::new(), shift: 0 };
        }
        let scale = ((least * min_size as f64).ceil() / least).min(MOST_POINTS);
        let mut points = Vec::with_capacity(scale.ceil() as usize);
        let (mut current, mut target) = (0.0, 0.0);
        let mut key = String::new();
        for (host, share) in hosts.iter().zip(shares) {
            target += scale * share;
            let mut k = 0u64;
            while current < target {
                key.clear();
                key.push_str(host.key);
                key.push('_');
                key.push_str(&k.to_string());
                points.push((hash(&key), host.host));
                k += 1;
                current += 1.0;
            }
        }
        points.sort_unstable();
        // A least size of 0 makes no points at all.
        let Some(bits) = points.len().checked_ilog2() else {
            return Ring { points, starts: Vec::new(), shift: 0 };
        };
        // Between one and two points a place; a ring of one point still has two.
        let bits = bits.max(1);
        let shift = u64::BITS - bits;
        let first = |place: u64| points.partition_point(|(point, _)| *point < place << shift) as u32;
        let starts = (0..1 << bits).map(first).collect();
        Ring { points, starts, shift }
    }

    pub fn points(&self) -> &[(u64, u32)] {
        &self.points
    }

    /// The host of a hash; `attempt` steps on by as many points, for a pick that was refused. Source: semantics S9.6.
    pub fn host(&self, hash: u64, attempt: u32) -> Option<u32> {
        let size = self.points.len();
        let start = *self.starts.get((hash >> self.shift) as usize)? as usize;
        let beyond = self.points[start..].iter().position(|(point, _)| *point >= hash);
        let place = beyond.map_or(0, |steps| start + steps);
        let place = if attempt == 0 { place } else { (place + attempt as usize) % size };
        self.points.get(place).map(|(_, host)| *host)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::hash::xxh64;
    use super::*;

    fn hosts(weights: &[f64]) -> Vec<HashedHost<'static>> {
        const KEYS: [&str; 4] = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080", "10.0.0.4:8080"];
        weights
            .iter()
            .zip(KEYS)
            .zip(0..)
            .map(|((weight, key), host)| HashedHost { host, key, weight: *weight })
            .collect()
    }

    #[test]
    fn hosts_have_points_by_weight_and_keys_wrap_around() {
        let ring = Ring::new(&hosts(&[1.0, 2.0, 3.0, 4.0]), 100, |key| xxh64(key, 0));
        let count = |host| ring.points().iter().filter(|(_, owner)| *owner == host).count();
        assert_eq!([count(0), count(1), count(2), count(3)], [10, 20, 30, 40]);
        let first = ring.points()[0].1;
        assert_eq!(ring.host(u64::MAX, 0), Some(first));
        assert_eq!(ring.host(u64::MAX, 100), Some(first));
        assert_eq!(ring.host(0, 3), Some(ring.points()[3].1));
    }

    /// The short way to a point leads where a search of all would.
    #[test]
    fn each_hash_belongs_to_the_next_point() {
        for size in [1, 2, 3, 100, 1_024] {
            let ring = Ring::new(&hosts(&[1.0, 2.0]), size, |key| xxh64(key, 0));
            let points = ring.points();
            let near =
                points.iter().flat_map(|(point, _)| [point.wrapping_sub(1), *point, point.wrapping_add(1)]);
            let drawn = (0..1_000u32).map(|n| xxh64(&n.to_string(), 7));
            for hash in near.chain(drawn).chain([0, u64::MAX]) {
                let next = points.iter().find(|(point, _)| *point >= hash).unwrap_or(&points[0]);
                assert_eq!(ring.host(hash, 0), Some(next.1), "{hash} of {size}");
            }
        }
    }

    #[test]
    fn a_host_that_leaves_moves_hardly_more_than_its_own_keys() {
        let all = Ring::new(&hosts(&[1.0; 4]), 1024, |key| xxh64(key, 0));
        let three = Ring::new(&hosts(&[1.0; 4])[..3], 1024, |key| xxh64(key, 0));
        let keys = (0..4_000u32).map(|user| xxh64(&format!("user-{user}"), 0));
        let moved =
            keys.filter(|key| all.host(*key, 0) != Some(3) && all.host(*key, 0) != three.host(*key, 0));
        assert!(moved.count() < 800);
    }

    #[test]
    fn an_empty_ring_has_no_host() {
        assert_eq!(Ring::new(&[], 1024, |key| xxh64(key, 0)).host(5, 1), None);
        assert_eq!(Ring::new(&hosts(&[1.0, 2.0]), 0, |key| xxh64(key, 0)).host(5, 1), None);
    }
}
