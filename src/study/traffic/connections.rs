//! Where a client's connections go: one hop, as nobody makes calls for what passes unread.

use std::collections::BTreeSet;

use super::facts::{Answer, Hop};
use super::limits::Carriers;
use super::walk::{Walker, shares, workloads};
use crate::kernel::Id;
use crate::mesh::ConfigState;
use crate::mesh::workload::{Class, Client, Connect};
use crate::policy::tcp;

impl Walker<'_> {
    /// A hop for each kind of connection of a client.
    pub(super) fn connections(
        &mut self,
        client: &Client,
        state: &ConfigState,
        carriers: &mut Carriers,
    ) -> Vec<Hop> {
        let total: f64 = client.classes.iter().map(|class| class.share).sum();
        let mut hops: Vec<Hop> = Vec::new();
        for class in &client.classes {
            let (Some(connect), true) = (&class.connect, class.share > 0.0) else { continue };
            let share = class.share / total;
            let hop = self.connection(client, (class, connect, share), state, carriers);
            let same = |known: &&mut Hop| known.question() == hop.question() && known.rule == hop.rule;
            match hops.iter_mut().find(same) {
                Some(known) => {
                    known.calls += hop.calls;
                    known.classes.extend(hop.classes);
                }
                None => hops.push(hop),
            }
        }
        hops
    }

    fn connection(
        &mut self,
        client: &Client,
        (class, connect, share): (&Class, &Connect, f64),
        state: &ConfigState,
        carriers: &mut Carriers,
    ) -> Hop {
        let (mesh, proxy, target) = (self.mesh, client.proxies[0], &class.target);
        let sni = connect.tls.then_some(target.host.as_str());
        let route = tcp::find(&mesh.tables[state.tables[proxy]], target.service, target.port, sni);
        let destinations = route.map(|route| route.destinations.as_slice());
        let caller = mesh.proxies[proxy].source.clone();
        for (to, part) in destinations.iter().flat_map(|list| list.iter().zip(shares(list))) {
            let Some(id) = to.cluster.filter(|_| part > 0.0) else { continue };
            carriers.add(id, &(caller.clone(), self.proxies_of(client, None)));
            for workload in workloads(mesh, &mesh.clusters[id], self.now).into_keys() {
                self.reached[workload.index()] = true;
            }
        }
        let splits = |list: &[crate::mesh::routing::Destination]| {
            let split = |(to, part): (&crate::mesh::routing::Destination, f64)| {
                self.split(&to.service, to.port, &to.subset, part, to.cluster)
            };
            list.iter().zip(shares(list)).map(split).collect()
        };
        Hop {
            caller,
            waypoint: None,
            host: target.host.clone(),
            port: target.port,
            calls: share,
            classes: BTreeSet::from([class.name.clone()]),
            rule: route.and_then(|route| route.rule.clone()),
            answer: destinations.map_or(Answer::NoRoute, |list| Answer::Forward(splits(list))),
            aborted: 0.0,
            mirrors: Vec::new(),
            connects: true,
        }
    }
}
