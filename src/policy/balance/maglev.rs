//! Maglev's table: hosts take places in turn, each by its own permutation; a key's host is one look away.
//! A finished table never changes, so all workers can read one. Source: semantics S5.9.

use super::super::hash::xxh64;
use super::ring_hash::{HashedHost, shares};

/// Envoy's table size where none is set.
pub const DEFAULT_SIZE: u64 = 65_537;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maglev {
    table: Vec<u32>,
}

struct Filler {
    host: u32,
    share: f64,
    offset: u64,
    skip: u64,
    next: u64,
    target: f64,
}

impl Maglev {
    /// A table of `size` places (a prime) for these hosts.
    pub fn new(hosts: &[HashedHost<'_>], size: u64) -> Maglev {
        Maglev::with_shares(hosts, &shares(hosts), size)
    }

    /// As [`Maglev::new`], for hosts whose shares of the table are known already.
    pub fn with_shares(hosts: &[HashedHost<'_>], shares: &[f64], size: u64) -> Maglev {
        const FREE: u32 = u32::MAX;
        if hosts.is_empty() || size == 0 {
            return Maglev { table: Vec::new() };
        }
        let mut fillers = fillers(hosts, shares, size);
        let most = fillers.iter().map(|filler| filler.share).fold(0.0, f64::max);
        let mut table = vec![FREE; size as usize];
        let mut placed = 0;
        let mut round = 0.0;
        while placed < size {
            round += 1.0;
            for filler in &mut fillers {
                if placed == size {
                    break;
                }
                if round * filler.share < filler.target {
                    continue;
                }
                filler.target += most;
                let place = loop {
                    let place = (u128::from(filler.offset)
                        + u128::from(filler.skip) * u128::from(filler.next))
                        % u128::from(size);
                    filler.next += 1;
                    if table[place as usize] == FREE {
                        break place as usize;
                    }
                };
                table[place] = filler.host;
                placed += 1;
            }
        }
        Maglev { table }
    }

    pub fn table(&self) -> &[u32] {
        &self.table
    }

    /// The host of a hash; `attempt` looks elsewhere, for a pick that was refused. Source: semantics S5.9, S9.6.
    pub fn host(&self, hash: u64, attempt: u32) -> Option<u32> {
        let hash = hash ^ u64::from(attempt).wrapping_neg();
        let size = self.table.len().max(1) as u64;
        self.table.get((hash % size) as usize).copied()
    }
}

/// In ascending order of keys.
fn fillers(hosts: &[HashedHost<'_>], shares: &[f64], size: u64) -> Vec<Filler> {
    let mut ordered: Vec<(&HashedHost<'_>, f64)> = hosts.iter().zip(shares.iter().copied()).collect();
    ordered.sort_by_key(|(host, _)| host.key);
    let filler = |(host, share): (&HashedHost<'_>, f64)| Filler {
        host: host.host,
        share,
        offset: xxh64(host.key, 0) % size,
        skip: xxh64(host.key, 1) % (size - 1).max(1) + 1,
        next: 0,
        target: 0.0,
    };
    ordered.into_iter().map(filler).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [HashedHost<'static>; 3] = [
        HashedHost { host: 0, key: "10.0.0.1:8080", weight: 1.0 },
        HashedHost { host: 1, key: "10.0.0.2:8080", weight: 1.0 },
        HashedHost { host: 2, key: "10.0.0.3:8080", weight: 1.0 },
    ];

    #[test]
    fn equal_hosts_share_the_table_evenly() {
        let maglev = Maglev::new(&HOSTS, 11);
        assert_eq!(maglev.table(), [1, 0, 0, 1, 0, 0, 1, 2, 2, 2, 1]);
        assert_eq!(maglev.host(11, 0), Some(1));
        assert_ne!(maglev.host(10, 0), maglev.host(10, 2));
    }

    #[test]
    fn small_and_empty_tables_do_no_harm() {
        assert_eq!(Maglev::new(&[], 11).host(5, 0), None);
        assert_eq!(Maglev::new(&HOSTS[..1], 1).table(), [0]);
        assert_eq!(Maglev::new(&HOSTS, 2).table().len(), 2);
    }
}
