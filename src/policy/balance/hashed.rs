//! The tables of hash balancers, by cluster: a table depends on nothing but who is available, so all proxies and
//! workers that see the same hosts share one. Source: semantics S5.1, S5.8, S5.9.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::hash::xxh64;
use super::maglev::Maglev;
use super::ring_hash::{HashedHost, Ring, shares};
use crate::mesh::policy_spec::TableKind;

/// Tables that a cluster keeps; past it the cache starts over, which costs time and changes nothing.
const MOST_TABLES: usize = 32;

/// Where keys belong.
#[derive(Debug)]
pub enum Table {
    Ring(Ring),
    Maglev(Maglev),
}

impl Table {
    /// The host of a hash, or of a fresh draw for a request without one; `attempt` counts refused picks.
    /// `None` if nobody is available. Source: semantics S5.7, S9.6.
    #[inline]
    pub fn host(&self, hash: u64, attempt: u32) -> Option<u32> {
        match self {
            Table::Ring(ring) => ring.host(hash, attempt),
            Table::Maglev(maglev) => maglev.host(hash, attempt),
        }
    }
}

/// What part of a table each host gets.
#[derive(Clone, Copy, Debug)]
pub enum Share<'a> {
    /// By its weight among all.
    ByHost,
    /// These.
    Given(&'a [f64]),
}

/// One cluster's tables, made when first asked for.
#[derive(Debug)]
pub struct Tables {
    kind: TableKind,
    /// `10.0.0.7:9080` and weight of each host.
    hosts: Vec<(String, u32)>,
    /// By hosts, and by the bits of their shares where those were given.
    made: BTreeMap<(Vec<u32>, Vec<u64>), Arc<Table>>,
}

impl Tables {
    /// `hosts`: address and weight, in the cluster's order.
    pub fn new(kind: TableKind, hosts: Vec<(String, u32)>) -> Tables {
        Tables { kind, hosts, made: BTreeMap::new() }
    }

    /// The table for these hosts, in host order.
    pub fn of(&mut self, available: &[u32], share: Share<'_>) -> Arc<Table> {
        let bits = match share {
            Share::ByHost => Vec::new(),
            Share::Given(shares) => shares.iter().map(|share| share.to_bits()).collect(),
        };
        let key = (available.to_vec(), bits);
        if let Some(table) = self.made.get(&key) {
            return Arc::clone(table);
        }
        let table = Arc::new(self.make(available, share));
        if self.made.len() >= MOST_TABLES {
            self.made.clear();
        }
        self.made.insert(key, Arc::clone(&table));
        table
    }

    fn make(&self, available: &[u32], share: Share<'_>) -> Table {
        let hashed = available.iter().map(|host| {
            let (key, weight) = &self.hosts[*host as usize];
            HashedHost { host: *host, key, weight: f64::from(*weight) }
        });
        let hashed: Vec<HashedHost<'_>> = hashed.collect();
        let by_host;
        let shares = match share {
            Share::Given(shares) => shares,
            Share::ByHost => {
                by_host = shares(&hashed);
                &by_host
            }
        };
        match self.kind {
            TableKind::Ring(size) => {
                Table::Ring(Ring::with_shares(&hashed, shares, size, |key| xxh64(key, 0)))
            }
            TableKind::Maglev(size) => Table::Maglev(Maglev::with_shares(&hashed, shares, size)),
        }
    }

    /// The weight of a host among its like.
    pub fn weight(&self, host: u32) -> u32 {
        self.hosts[host as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(kind: TableKind) -> Tables {
        let hosts = (1..=3).map(|n| (format!("10.0.0.{n}:8080"), 1));
        Tables::new(kind, hosts.collect())
    }

    #[test]
    fn those_who_see_the_same_hosts_share_a_table() {
        let mut tables = tables(TableKind::Maglev(11));
        let all = tables.of(&[0, 1, 2], Share::ByHost);
        assert!(Arc::ptr_eq(&all, &tables.of(&[0, 1, 2], Share::ByHost)));
        let two = tables.of(&[0, 2], Share::ByHost);
        assert!((0..11).all(|hash| two.host(hash, 0) != Some(1)));
        assert_eq!(tables.of(&[], Share::ByHost).host(3, 0), None);
    }

    #[test]
    fn keys_stay_while_their_host_does() {
        let mut tables = tables(TableKind::Ring(1024));
        let hash = |user: &str| xxh64(user, 0);
        let all = tables.of(&[0, 1, 2], Share::ByHost);
        let owners = ["alice", "bob", "carol", "dave", "erin", "frank"].map(|user| all.host(hash(user), 0));
        assert_eq!(owners, [2, 2, 0, 0, 1, 2].map(Some));
    }

    #[test]
    fn given_shares_count_instead_of_weights() {
        let mut tables = tables(TableKind::Maglev(10_007));
        let table = tables.of(&[0, 1, 2], Share::Given(&[0.8, 0.1, 0.1]));
        let first = (0..10_007).filter(|hash| table.host(*hash, 0) == Some(0)).count();
        assert!((8_000..8_012).contains(&first), "{first}");
        assert!(!Arc::ptr_eq(&table, &tables.of(&[0, 1, 2], Share::ByHost)));
    }

    #[test]
    fn the_cache_stays_small() {
        let hosts = (0..8).map(|n| (format!("10.0.0.{n}:80"), 1));
        let mut tables = Tables::new(TableKind::Maglev(11), hosts.collect());
        for set in 0..256u32 {
            let available: Vec<u32> = (0..8).filter(|host| set >> host & 1 == 1).collect();
            assert_eq!(tables.of(&available, Share::ByHost).host(5, 0).is_some(), set > 0);
            assert!(tables.made.len() <= MOST_TABLES);
        }
    }
}
