//! Which host an attempt goes to, where not all go to one list of hosts: by the loads of priorities and the turns of
//! localities, or by the request's hash. Source: semantics S5.1, S5.7 to S5.10, S6, S9.6.

use crate::kernel::Id;
use crate::kernel::fifo::Arena;
use crate::kernel::random::{Draw, Purpose, draw};
use crate::mesh::{ProxyId, ProxyKind};
use crate::policy::balance::hashed::{Share, Tables};
use crate::policy::balance::priority::Loads;
use crate::policy::balance::sources::{Sources, priority_of};
use crate::policy::balance::{HostView, Key};
use crate::policy::hash::{TermValue, combine, ip_hash, new_cookie_hash};
use crate::policy::{onward, retry};
use crate::sim::plan::{NIL, Plan, RoutePlan};
use crate::sim::shapes::ShapeHash;
use crate::sim::world::{Call, Parent, Upstream, World};

/// Picks the host of a call's next attempt, whose key is `key`. The worker is there.
#[inline(never)]
pub fn among(world: &mut World<'_>, index: u32, route: &RoutePlan<'_>, key: u64) -> Option<u32> {
    if world.upstreams[world.calls[index].upstream as usize].plan.is_keyed {
        by_key(world, index, route, key)
    } else {
        by_draw(world, index, route, key)
    }
}

/// Picks as often as the route's retries want it, past the hosts that the call has tried. Source: semantics S9.6.
#[inline(always)]
pub fn past_tried(
    lines: &Arena,
    call: &Call,
    route: &RoutePlan<'_>,
    mut pick: impl FnMut(u32) -> Option<u32>,
) -> Option<u32> {
    match route.retry {
        Some(spec) if !call.tried.is_empty() => {
            retry::select_host(spec, |host| lines.holds(call.tried, host), pick)
        }
        _ => pick(0),
    }
}

/// By priority, then locality, then host, each pick anew. Source: semantics S5.1.
fn by_draw(world: &mut World<'_>, index: u32, route: &RoutePlan<'_>, key: u64) -> Option<u32> {
    let World { plan, calls, upstreams, proxies, lines, now, .. } = world;
    let call = &calls[index];
    let Upstream { plan: cluster, sources, workers, active, first_healthy, generation, proxy, .. } =
        &mut upstreams[call.upstream as usize];
    let sources: &Sources = sources.as_deref().expect("several lists are kept together");
    let after;
    let loads: &Loads = match route.retry {
        Some(spec) if spec.remote_localities && !call.tried.is_empty() => {
            let groups = cluster.groups(plan.mesh.proxies[*proxy].zone);
            let tried = lines.held(call.tried);
            let mut priorities: Vec<u32> = tried.filter_map(|host| priority_of(groups, host)).collect();
            // Held are the latest first.
            priorities.reverse();
            after = sources.loads_after(priorities.into_iter());
            &after
        }
        _ => sources.loads(),
    };
    let worker = workers[usize::from(call.worker)].as_mut().expect("the worker is there");
    let mut draws = Draw::at(key, Purpose::HostPick);
    let root = proxies[proxy.index()].root;
    let pick = |_| {
        let source = sources.choose(loads, draws.clone().next(), |priority, localities| {
            let seed = || {
                let n = u64::from(*generation) << 32 | u64::from(call.worker) << 16 | priority as u64;
                draw(root ^ cluster.name_hash, Purpose::RebuildOffset, n)
            };
            worker.turns.next(*generation, priority, localities, seed)
        })?;
        let view = HostView {
            active,
            weights: &cluster.weights,
            available: sources.list(source),
            generation: *generation,
            source,
            now: *now,
            first_healthy,
            key: None,
        };
        worker.balancer.pick(&view, &mut draws)
    };
    past_tried(lines, call, route, pick)
}

/// By the request's hash, or by a fresh number in its place; refused picks look elsewhere in the same table.
/// Source: semantics S5.7 to S5.10.
fn by_key(world: &mut World<'_>, index: u32, route: &RoutePlan<'_>, key: u64) -> Option<u32> {
    let mut draws = Draw::at(key, Purpose::HostPick);
    let hash = request_hash(world, index, route).unwrap_or_else(|| draws.next());
    let number = world.calls[index].upstream;
    let sources = world.upstreams[number as usize].sources.as_deref().expect("tables have lists");
    let source = sources.choose_table(hash)?;
    let place = source as usize;
    if world.upstreams[number as usize].tables.get(place).is_none_or(Option::is_none) {
        make_table(world, number, source);
    }
    let World { calls, upstreams, lines, now, .. } = world;
    let call = &calls[index];
    let Upstream { plan: cluster, sources, tables, workers, active, first_healthy, generation, .. } =
        &mut upstreams[number as usize];
    let table = tables[place].as_deref().expect("it is made by now");
    let worker = workers[usize::from(call.worker)].as_mut().expect("the worker is there");
    let pick = |attempt| {
        let view = HostView {
            active,
            weights: &cluster.weights,
            available: sources.as_deref().map_or(&[], |sources| sources.list(source)),
            generation: *generation,
            source,
            now: *now,
            first_healthy,
            key: Some(Key { table, hash, attempt }),
        };
        worker.balancer.pick(&view, &mut draws)
    };
    past_tried(lines, call, route, pick)
}

/// Picks the host of a connection, which is tried once. The worker is there. `hash`: what keeps it on its host, where
/// the cluster has a table. Source: semantics S5.1, S5.10.
pub fn once(world: &mut World<'_>, number: u32, worker: u16, key: u64, hash: Option<u64>) -> Option<u32> {
    let mut draws = Draw::at(key, Purpose::HostPick);
    let mut keyed = None;
    if world.upstreams[number as usize].plan.is_keyed {
        let hash = hash.unwrap_or_else(|| draws.next());
        let sources = world.upstreams[number as usize].sources.as_deref().expect("tables have lists");
        let source = sources.choose_table(hash)?;
        if world.upstreams[number as usize].tables.get(source as usize).is_none_or(Option::is_none) {
            make_table(world, number, source);
        }
        keyed = Some((source, hash));
    }
    let World { upstreams, proxies, now, .. } = world;
    let upstream = &mut upstreams[number as usize];
    let worker = upstream.workers[usize::from(worker)].as_mut().expect("the worker is there");
    let (sources, generation) = (upstream.sources.as_deref(), upstream.generation);
    let source = match (keyed, sources) {
        (Some((source, _)), _) => source,
        (None, Some(sources)) if !upstream.is_sure => {
            let root = proxies[upstream.proxy.index()].root ^ upstream.plan.name_hash;
            sources.choose(sources.loads(), draws.clone().next(), |priority, localities| {
                let n = u64::from(generation) << 32 | priority as u64;
                let seed = || draw(root, Purpose::RebuildOffset, n);
                worker.turns.next(generation, priority, localities, seed)
            })?
        }
        _ => upstream.source,
    };
    let key = keyed.map(|(source, hash)| {
        let table = upstream.tables[source as usize].as_deref().expect("it is made by now");
        Key { table, hash, attempt: 0 }
    });
    let view = HostView {
        active: &upstream.active,
        weights: &upstream.plan.weights,
        available: sources.filter(|_| !upstream.is_sure).map_or(&upstream.available, |s| s.list(source)),
        generation,
        source,
        now: *now,
        first_healthy: &upstream.first_healthy,
        key,
    };
    worker.balancer.pick(&view, &mut draws)
}

/// The table of a list of hosts, for all workers until hosts change. Source: semantics S5.1.
#[cold]
fn make_table(world: &mut World<'_>, number: u32, source: u32) {
    let upstream = &mut world.upstreams[number as usize];
    let sources = upstream.sources.as_deref().expect("tables have lists");
    let tables = &mut world.tables[upstream.cluster.index()];
    let tables = tables.get_or_insert_with(|| new_tables(world.plan, upstream));
    let (hosts, shares) = sources.table_hosts(source, |host| tables.weight(host));
    let table = tables.of(&hosts, shares.as_deref().map_or(Share::ByHost, Share::Given));
    upstream.tables.resize(sources.lists().len(), None);
    upstream.tables[source as usize] = Some(table);
}

#[cold]
fn new_tables(plan: &Plan<'_>, upstream: &Upstream<'_>) -> Tables {
    let cluster = &plan.mesh.clusters[upstream.cluster];
    let kind = cluster.balancer.table.expect("keyed balancers have tables");
    let hosts = cluster.hosts.iter().map(|host| (plan.mesh.pods[host.pod].address.clone(), host.weight));
    Tables::new(kind, hosts.collect())
}

/// The hash of a call as its route has left it. Copies have none. Source: semantics S5.7, S12.4.
fn request_hash(world: &mut World<'_>, index: u32, route: &RoutePlan<'_>) -> Option<u64> {
    let call = &world.calls[index];
    if call.parent == Parent::Nobody || route.route.hash.is_empty() {
        return None;
    }
    let row = match world.shapes.hash(world.plan, call.route, call.shape) {
        ShapeHash::Nothing => return None,
        ShapeHash::Known(hash) => return Some(hash),
        ShapeHash::Takes(row) => row,
    };
    combine(world.shapes.terms(row), |value| match value {
        TermValue::Known(hash) => Some(hash),
        TermValue::SourceIp => Some(source_ip(world, call)),
        TermValue::NewCookie { name_hash, .. } => Some(new_cookie(world, call, name_hash)),
    })
}

/// At a gateway the client's or its user's address, at a sidecar that of its own pod. Source: semantics S5.7.
fn source_ip(world: &World<'_>, call: &Call) -> u64 {
    // A waypoint is told who has called. Source: semantics S22.4.
    let proxy = world.own_proxy(call);
    match call.parent {
        Parent::Request(request) => source_address(world, request, proxy),
        _ => world.plan.proxy_ips[proxy.index()],
    }
}

/// The same for a client's request, a row of the world's, that came in at `proxy`.
pub fn source_address(world: &World<'_>, request: u32, proxy: ProxyId) -> u64 {
    let plan = world.plan;
    if plan.mesh.proxies[proxy].kind != ProxyKind::Gateway {
        return plan.proxy_ips[proxy.index()];
    }
    let request = &world.requests[request];
    let client = &plan.mesh.clients.rows()[request.client as usize];
    let user = (request.population_user != NIL).then_some(request.population_user);
    ip_hash(onward::source_address(client, user))
}

/// The cookie that the proxy made up when it first saw this user, who has sent it ever since; who is no user, as no
/// application that calls, keeps none and gets another each time. Source: semantics S5.7, S14.4.
fn new_cookie(world: &World<'_>, call: &Call, name: u64) -> u64 {
    let drawn = match call.parent {
        Parent::Request(request) if world.requests[request].population_user != NIL => {
            let request = &world.requests[request];
            let root = world.clients[request.client as usize].root();
            draw(root ^ name, Purpose::Cookie, u64::from(request.population_user))
        }
        _ => draw(call.key ^ name, Purpose::Cookie, 0),
    };
    new_cookie_hash(drawn)
}
