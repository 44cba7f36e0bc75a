//! Which meshes give the same results from the same seed.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

use super::model::Mesh;
use super::routing::RouteTable;

/// Of all that a replication and its figures depend on, seed, length and objectives too; not of the scenario's name or
/// the number of replications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Taken from how the parts show themselves, which is exact: a number is written so that it reads back as the same.
    pub fn of(mesh: &Mesh) -> Fingerprint {
        // In full, so that nobody forgets a new part.
        let Mesh {
            name: _,
            run,
            network,
            proxy,
            propagation,
            zones,
            services,
            workloads,
            pods,
            proxies,
            waypoints,
            doors,
            clients,
            calls,
            clusters,
            tables,
            states,
            objectives,
        } = mesh;
        let clock = (run.duration, run.warmup, run.drain, run.window, run.seed);
        let mut digest = Digester(Sha256::new());
        let shown = write!(
            digest,
            "{:?}{:?}{:?}",
            (clock, network, proxy, propagation, zones, services, workloads),
            (pods, proxies, waypoints, doors, clients, calls),
            (clusters, states, objectives),
        );
        let tables = tables.rows().iter().map(without_rules);
        let shown = shown.and_then(|()| tables.into_iter().try_for_each(|table| write!(digest, "{table:?}")));
        shown.expect("a digest takes all");
        Fingerprint(digest.0.finalize().into())
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The routes without what people call them and where they stand: the same rule in another file does the same.
fn without_rules(table: &RouteTable) -> RouteTable {
    let mut table = table.clone();
    let hosts = table.listeners.values_mut().flatten();
    hosts.flat_map(|host| &mut host.routes).for_each(|route| route.rule = None);
    table.tcp.values_mut().flatten().for_each(|route| route.rule = None);
    table
}

/// Text goes into a digest and is kept nowhere.
struct Digester(Sha256);

impl Write for Digester {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
