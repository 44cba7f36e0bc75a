//! RING_HASH and MAGLEV: a request's host stands in its cluster's table. The tables themselves belong to clusters, not
//! to workers. Source: semantics S5.8 to S5.10.

use super::balancer::{Balancer, HostView};
use crate::kernel::random::Draw;
use crate::mesh::policy_spec::BalancerSpec;

pub struct Keyed;

impl Keyed {
    pub fn build(_: &BalancerSpec, _: u64) -> Box<dyn Balancer> {
        Box::new(Keyed)
    }
}

impl Balancer for Keyed {
    /// Takes no number: who gave the key has drawn one where the request had no hash.
    fn pick(&mut self, view: &HostView<'_>, _: &mut Draw<'_>) -> Option<u32> {
        view.key.and_then(|key| key.table.host(key.hash, key.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::super::balancer::Key;
    use super::super::hashed::{Share, Tables};
    use super::*;
    use crate::kernel::SimTime;
    use crate::mesh::policy_spec::TableKind;

    #[test]
    fn the_table_decides_and_a_refused_pick_looks_elsewhere() {
        let hosts = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"].map(|key| (key.to_owned(), 1));
        let mut tables = Tables::new(TableKind::Maglev(11), hosts.to_vec());
        let table = tables.of(&[0, 1, 2], Share::ByHost);
        let pick = |key| {
            let view = HostView {
                active: &[0; 3],
                weights: &[1; 3],
                available: &[0, 1, 2],
                generation: 0,
                source: 0,
                now: SimTime::ZERO,
                first_healthy: &[],
                key,
            };
            Keyed.pick(&view, &mut Draw::given(&[]))
        };
        let key = |hash, attempt| Some(Key { table: &table, hash, attempt });
        assert!((0..11).all(|hash| pick(key(hash, 0)) == table.host(hash, 0)));
        assert!((0..11).any(|hash| pick(key(hash, 1)) != pick(key(hash, 0))));
        assert_eq!(pick(None), None);
    }
}
