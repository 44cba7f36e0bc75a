//! The routes of connections, made ready to run: whom a client connects to is one of a few peers, and each
//! route table has one answer for each, so that opening a connection looks nothing up by name.

use crate::kernel::Id;
use crate::mesh::Mesh;
use crate::mesh::RouteTableId;
use crate::mesh::routing::TcpRoute;
use crate::mesh::workload::Connect;
use crate::policy::tcp;

/// One route of connections.
#[derive(Clone, Copy)]
pub struct TcpRoutePlan<'m> {
    pub route: &'m TcpRoute,
    /// Sum of the weights; 0 where there is no choice.
    pub total_weight: u64,
}

/// Peers by client and class, and what each table does with them.
pub struct TcpPlan<'m> {
    /// By client: number of the peer of its first class; each class is one, though of clients that make requests
    /// nobody asks for it.
    first: Vec<u32>,
    /// By table, then by peer.
    routes: Vec<Vec<Option<TcpRoutePlan<'m>>>>,
}

impl<'m> TcpPlan<'m> {
    pub fn new(mesh: &'m Mesh) -> TcpPlan<'m> {
        let (mut first, mut peers) = (Vec::new(), Vec::new());
        for client in mesh.clients.rows().iter() {
            first.push(peers.len() as u32);
            if client.classes.iter().any(|class| class.connect.is_some()) {
                peers.extend(client.classes.iter().map(|class| (&class.target, class.connect.as_ref())));
            }
        }
        let routes = mesh.tables.rows().iter().map(|table| {
            let route = |(target, connect): &(&crate::mesh::workload::Target, Option<&Connect>)| {
                let sni = connect.filter(|connect| connect.tls).map(|_| target.host.as_str());
                tcp::find(table, target.service, target.port, sni).map(TcpRoutePlan::new)
            };
            peers.iter().map(route).collect()
        });
        TcpPlan { first, routes: routes.collect() }
    }

    /// The route of one class of a client; `None`: nobody takes such connections there.
    pub fn route(&self, table: RouteTableId, client: u32, class: u32) -> Option<TcpRoutePlan<'m>> {
        self.routes[table.index()][(self.first[client as usize] + class) as usize]
    }
}

impl<'m> TcpRoutePlan<'m> {
    fn new(route: &'m TcpRoute) -> TcpRoutePlan<'m> {
        let weights = route.destinations.iter().map(|destination| u64::from(destination.weight));
        let total_weight = if route.destinations.len() > 1 { weights.sum() } else { 0 };
        TcpRoutePlan { route, total_weight }
    }
}
