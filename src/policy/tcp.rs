//! Which route a connection of opaque bytes takes. Envoy tells connections of one listener apart by the name in their
//! TLS, the most specific first: rules are not tried in order.

use crate::mesh::ServiceId;
use crate::mesh::routing::{RouteTable, TcpListener, TcpRoute};

/// The route of a connection to `port` of `service`, whom the caller addresses; at a gateway, which knows ports alone,
/// it is not asked for. `sni`: the name in its TLS, lower case. `None`: nobody takes it, and it is closed (NR).
pub fn find<'t>(
    table: &'t RouteTable,
    service: Option<ServiceId>,
    port: u16,
    sni: Option<&str>,
) -> Option<&'t TcpRoute> {
    let at_gateway = table.tcp.get(&TcpListener { service: None, port });
    let routes = at_gateway.or_else(|| table.tcp.get(&TcpListener { service: Some(service?), port }))?;
    let mut best: Option<(usize, &TcpRoute)> = None;
    for route in routes {
        let fit = fit(route, sni).filter(|fit| best.is_none_or(|(most, _)| *fit > most));
        best = fit.map(|fit| (fit, route)).or(best);
    }
    best.map(|(_, route)| route)
}

/// How well a route fits a name: exact names before wildcards, long ones before short, any name last.
fn fit(route: &TcpRoute, sni: Option<&str>) -> Option<usize> {
    if route.sni.is_empty() {
        return Some(0);
    }
    let sni = sni?;
    let one = |pattern: &String| match pattern.strip_prefix('*') {
        Some(suffix) => (sni.len() > suffix.len() && sni.ends_with(suffix)).then_some(suffix.len()),
        None => (pattern == sni).then_some(usize::MAX),
    };
    route.sni.iter().filter_map(one).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Id;
    use crate::mesh::routing::Rule;

    fn route(number: u32, sni: &[&str]) -> TcpRoute {
        let place = crate::mesh::Place { file: String::new(), line: number };
        TcpRoute {
            rule: Some(Rule { object: String::new(), name: String::new(), place }),
            sni: sni.iter().map(|name| (*name).to_owned()).collect(),
            destinations: Vec::new(),
            hashes_source: false,
            longest: None,
        }
    }

    fn found(routes: &[TcpRoute], sni: Option<&str>) -> Option<u32> {
        let service = Some(ServiceId::from_index(3));
        let listener = TcpListener { service, port: 443 };
        let table = RouteTable { tcp: [(listener, routes.to_vec())].into(), ..RouteTable::default() };
        assert_eq!(find(&table, None, 443, sni), None, "it is not the service's address");
        find(&table, service, 443, sni)?.rule.as_ref().map(|rule| rule.place.line)
    }

    #[test]
    fn the_most_specific_name_wins_whatever_the_order() {
        let routes = [
            route(1, &["*.com"]),
            route(2, &["*.a.com", "b.com"]),
            route(3, &["x.a.com"]),
            route(4, &["x.a.com"]),
        ];
        let at = |name: &str| found(&routes, Some(name));
        assert_eq!((at("x.a.com"), at("y.a.com"), at("b.com")), (Some(3), Some(2), Some(2)));
        assert_eq!((at("a.com"), at("c.org")), (Some(1), None));
        assert_eq!(found(&routes, None), None);
    }

    #[test]
    fn a_route_for_any_name_takes_what_names_none() {
        let routes = [route(1, &[]), route(2, &["a.com"])];
        assert_eq!((found(&routes, None), found(&routes, Some("b.com"))), (Some(1), Some(1)));
        assert_eq!(found(&routes, Some("a.com")), Some(2));
    }

    #[test]
    fn a_gateway_asks_for_the_port_alone() {
        let listener = TcpListener { service: None, port: 443 };
        let table = RouteTable { tcp: [(listener, vec![route(1, &[])])].into(), ..RouteTable::default() };
        assert!(find(&table, Some(ServiceId::from_index(3)), 443, None).is_some());
        assert_eq!(find(&table, None, 80, None), None);
    }
}
