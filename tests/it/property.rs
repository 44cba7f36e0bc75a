//! Random meshes, and what holds of all of them: every request is accounted for, no limit is passed, counters agree,
//! and at the end nothing is left that somebody forgot to give back. Source: design D8.4.
//!
//! The seed is `MESHCAST_TEST_SEED` (a number, or any text such as a commit's hash), else a fixed one; a failure names
//! the seed of its mesh, and `MESHCAST_TEST_MESH` runs that one alone and prints its files.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use meshcast::kernel::SimTime;
use meshcast::kernel::arrivals::{Arrivals, Load};
use meshcast::kernel::random::{Purpose, draw, entity_stream, name_hash};
use meshcast::kernel::sampler::Sampler;
use meshcast::mesh::{Mesh, Outcome, Proxy};
use meshcast::metrics::Results;
use meshcast::metrics::results::{ClusterKey, ClusterTotals, Counter, Finished};
use meshcast::metrics::series::{Metric, Scope};
use meshcast::sim::audit::Audit;
use meshcast::sim::{self, Plan, Run};

use crate::meshes::{Luck, RandomMesh};
use crate::texts::Texts;

const MESHES: u64 = 150;
/// Looks at each run on its way.
const LOOKS: u64 = 25;

fn base_seed() -> u64 {
    match std::env::var("MESHCAST_TEST_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| name_hash(&text)),
        Err(_) => 20_260_101,
    }
}

/// Runs `check` on the seed of each mesh, on both cores, and tells every one that fails.
fn for_each_mesh(check: impl Fn(u64) + Sync) {
    if let Ok(one) = std::env::var("MESHCAST_TEST_MESH") {
        let seed = one.parse().expect("MESHCAST_TEST_MESH is a number");
        println!("{}", RandomMesh::new(seed).texts());
        return check(seed);
    }
    let base = base_seed();
    let next = AtomicU64::new(0);
    let failures = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= MESHES {
                        return;
                    }
                    let seed = draw(base, Purpose::Request, number);
                    if let Err(reason) = panic::catch_unwind(AssertUnwindSafe(|| check(seed))) {
                        let text = reason.downcast_ref::<String>().cloned();
                        let text =
                            text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        failures.lock().expect("sound").insert(number, (seed, text.unwrap_or_default()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("sound");
    let told: Vec<String> = failures
        .values()
        .map(|(seed, text)| format!("MESHCAST_TEST_MESH={seed}: {}", text.lines().next().unwrap_or_default()))
        .collect();
    assert!(told.is_empty(), "MESHCAST_TEST_SEED={base}: {} of {MESHES}\n{}", told.len(), told.join("\n"));
}

#[test]
fn random_meshes_keep_their_accounts() {
    let requests = AtomicU64::new(0);
    let unfinished = AtomicU64::new(0);
    let seen: Mutex<BTreeMap<&str, u64>> = Mutex::default();
    for_each_mesh(|seed| {
        let mesh = RandomMesh::new(seed).texts().mesh();
        let plan = Plan::compile(&mesh);
        let whole = sim::run(&plan, seed, 0);
        check_births(&mesh, seed, &whole);
        check_results(&mesh, &whole);
        watch(&plan, seed, &whole);
        let born = |totals: &meshcast::metrics::results::RequestTotals| totals.finished.count();
        requests.fetch_add(whole.requests.values().map(born).sum(), Ordering::Relaxed);
        unfinished
            .fetch_add(whole.requests.values().map(|totals| totals.unfinished).sum(), Ordering::Relaxed);
        let mut seen = seen.lock().expect("sound");
        for totals in whole.clusters.values() {
            for counter in Counter::ALL {
                *seen.entry(counter.name()).or_default() += totals.counters[counter as usize];
            }
        }
    });
    let seen = seen.into_inner().expect("sound");
    let (requests, unfinished) = (requests.into_inner(), unfinished.into_inner());
    println!("{requests} requests, {unfinished} unfinished, {seen:#?}");
    if std::env::var_os("MESHCAST_TEST_MESH").is_none() {
        // Meshes that never meet a limit would prove little.
        assert!(requests > 300 * MESHES, "{requests} requests are few");
        assert!(seen.values().all(|count| *count > 100), "some counter hardly counts: {seen:#?}");
    }
}

/// Open loops: as many as their arrivals, drawn apart from the run, say. Constant rates: as arithmetic says.
fn check_births(mesh: &Mesh, seed: u64, results: &Results) {
    let clock = results.clock;
    for client in mesh.clients.rows() {
        let totals = results.requests.iter().filter(|(key, _)| key.client == client.name);
        let born: u64 = totals.map(|(_, totals)| totals.finished.count() + totals.unfinished).sum();
        let stream = entity_stream(seed, 0, &format!("client/{}", client.name));
        let gap = client.load.gap().map(|law| Arc::new(Sampler::new(&law)));
        let Some(mut arrivals) = Arrivals::new(&client.load, gap, stream) else { continue };
        let births = std::iter::from_fn(|| arrivals.next_birth()).map(|birth| birth.at);
        let expected = births.take_while(|at| *at < clock.duration).filter(|at| clock.counts(*at)).count();
        assert_eq!(born, expected as u64, "requests of {} are born and accounted for", client.name);
        if let Load::Constant { rate } = client.load {
            let arithmetic = rate * clock.measured_s();
            assert!((born as f64 - arithmetic).abs() <= 1.0, "{born} births for {arithmetic}");
        }
    }
}

fn check_results(mesh: &Mesh, results: &Results) {
    for (key, totals) in &results.requests {
        check_finished(&totals.finished, &format!("{key:?}"));
    }
    for (key, totals) in &results.clusters {
        check_finished(&totals.calls, &format!("{key:?}"));
    }
    let errors: u64 = results.hosts.values().map(|host| host.errors).sum();
    let sent: u64 = results.hosts.values().map(|host| host.attempts).sum();
    let attempts: u64 = results.clusters.values().map(|totals| count(totals, Counter::Attempts)).sum();
    // One that got a stream is an attempt, however it ends; one that never got one is none, here as there.
    assert!(errors <= sent, "{errors} errors of {sent} attempts");
    assert_eq!(sent, attempts, "attempts of hosts and of clusters");
    for (key, host) in &results.hosts {
        assert!(host.errors <= host.attempts, "{key:?}");
        let busy = host.totals.utilization_pct.unwrap_or(0.0);
        assert!((0.0..=100.0 + 1e-9).contains(&busy), "{key:?} is busy {busy} %");
        let measured = results.clock.measured_s();
        assert!(
            (0.0..=measured + 1e-9).contains(&host.totals.ejected_s),
            "{key:?} {}",
            host.totals.ejected_s
        );
        check_queue(mesh, &key.host, host.totals.queue_max, host.totals.queue_mean);
    }
    check_series(mesh, results);
    assert!(results.events.is_sorted_by_key(|event| event.at), "events in order");
    let end = results.clock.duration + mesh.run.drain;
    assert!(results.events.iter().all(|event| event.at <= end), "no event after the end");
}

fn check_finished(finished: &Finished, of: &str) {
    let sum = |success: bool| -> u64 {
        let outcomes = finished.responses.iter();
        outcomes.filter(|(outcome, _)| outcome.is_success() == success).map(|(_, count)| count).sum()
    };
    assert_eq!(sum(true), finished.ok.count(), "{of}: responses add up to the successes");
    assert_eq!(sum(false), finished.failed.count(), "{of}: responses add up to the failures");
}

fn count(totals: &ClusterTotals, counter: Counter) -> u64 {
    totals.counters[counter as usize]
}

/// Of a run in which every call came to its end: what a cluster counted fits its calls.
fn check_cluster(mesh: &Mesh, key: &ClusterKey, totals: &ClusterTotals) {
    let count = |counter| count(totals, counter);
    let (calls, attempts, retries) =
        (totals.calls.count(), count(Counter::Attempts), count(Counter::Retries));
    if key.subset.starts_with("inbound|") {
        // A pod's own sidecar counts what its limits did, and no calls.
        assert_eq!((calls, attempts, retries), (0, 0, 0), "{key:?}");
        return;
    }
    let copies = count(Counter::Mirrored);
    let routes = mesh.tables.rows().iter().flat_map(|table| table.listeners.values().flatten());
    let retry = routes.flat_map(|host| &host.routes).filter_map(|route| route.retry.as_ref());
    let most = retry.map(|retry| u64::from(retry.attempts.get())).max().unwrap_or(0);
    let at_most = |what: &str, count: u64, limit: u64| {
        assert!(
            count <= limit,
            "{key:?}: {count} {what}, at most {limit}; {calls} calls, {attempts} attempts"
        );
    };
    at_most("retries", retries, calls * most);
    at_most("attempts", attempts, calls + retries + copies);
    at_most("timeouts", count(Counter::Timeout), calls + copies);
    at_most("per-try timeouts", count(Counter::PerTryTimeout), attempts);
    at_most(
        "overflows",
        count(Counter::PendingOverflow) + count(Counter::ActiveOverflow),
        calls + retries + copies,
    );
    at_most("without a host", count(Counter::NoHealthyUpstream), calls + retries + copies);
    at_most("refused retries", count(Counter::RetryOverflow), calls);
    // A pod's own answers are 200, 404, 500, 502 and 503; the first comes from nowhere else.
    let good = totals.calls.responses.iter().filter(|(outcome, _)| outcome.code == 200);
    at_most("answers of 200", good.map(|(_, count)| count).sum(), attempts);
    // Each call ends once: by an attempt, or without one, which its flags tell; or code 0, where no Envoy is there to
    // set a flag.
    let own = |proxy: &&Proxy| proxy.source == key.source;
    let no_envoy = mesh.proxies.rows().iter().filter(own).all(|proxy| !proxy.kind.is_envoy());
    let is_told = |outcome: &Outcome| !outcome.flags.is_empty() || (no_envoy && outcome.code == 0);
    let told: u64 =
        totals.calls.responses.iter().filter(|(outcome, _)| is_told(outcome)).map(|(_, n)| n).sum();
    at_most("calls that end without a flag", calls - told, attempts);
}

fn check_queue(mesh: &Mesh, host: &str, most: u64, mean: f64) {
    let pod = mesh.pods.rows().iter().find(|pod| pod.name == host).expect("rows name pods");
    let workload = &mesh.workloads[pod.workload];
    assert!(mean <= most as f64 + 1e-9, "{host}: a mean line of {mean}, never above {most}");
    let is_async = workload.threading == meshcast::mesh::workload::Threading::Async;
    if let (Some(limit), false) = (workload.queue, is_async) {
        assert!(most <= u64::from(limit), "{host}: a line of {most}, limit {limit}");
    }
}

fn check_series(mesh: &Mesh, results: &Results) {
    let windows = mesh.run.duration.nanos().div_ceil(mesh.run.window.nanos());
    assert_eq!(results.windows.len() as u64, windows, "windows");
    for (key, values) in &results.series {
        assert_eq!(values.len(), results.windows.len(), "{key:?}");
        let (low, high) = match key.metric {
            Metric::SuccessPct | Metric::WeightPct | Metric::UtilizationPct => (0.0, 100.0 + 1e-9),
            Metric::RqActive | Metric::RqPendingActive => (0.0, gauge_limit(mesh, key.metric, key)),
            _ => (0.0, f64::INFINITY),
        };
        for value in values.iter().filter(|value| !value.is_nan()) {
            assert!((low..=high).contains(value), "{key:?}: {value} in [{low}, {high}]");
        }
    }
    for (scope, total) in [(Scope::Client, "client"), (Scope::Cluster, "cluster")] {
        assert!(results.series.keys().any(|key| key.scope == scope), "there are series by {total}");
    }
}

/// Limits of a cluster times the proxies that may call it; a timeline may have changed them, so the widest counts.
fn gauge_limit(mesh: &Mesh, metric: Metric, key: &meshcast::metrics::series::SeriesKey) -> f64 {
    let sources = mesh.proxies.rows().iter().filter(|proxy| proxy.source == key.source).count() as u64;
    let states = mesh.clusters.rows().iter().filter(|cluster| {
        mesh.services[cluster.service].name == key.target
            && cluster.port == key.port
            && cluster.subset == key.subset
    });
    // Each version of a cluster has its own state, and calls under way finish in the old one.
    states
        .map(|cluster| match metric {
            Metric::RqActive => u64::from(cluster.breakers.max_requests) * sources,
            _ => u64::from(cluster.breakers.max_pending_requests) * sources,
        })
        .sum::<u64>() as f64
}

/// The same run in slices, with a look at what is in flight in between, and at what is left when all has ended.
fn watch(plan: &Plan<'_>, seed: u64, whole: &Results) {
    let mut luck = Luck::new(seed ^ 1);
    let mut moments: Vec<u64> = (0..LOOKS).map(|_| luck.below(whole.clock.duration.nanos())).collect();
    moments.sort_unstable();
    let mut run = Run::new(plan, seed, 0);
    for moment in moments {
        let moment = SimTime::from_nanos(moment);
        run.advance(moment);
        sound(&run.audit(), &format!("at {} ns", moment.nanos()));
    }
    run.advance(SimTime::MAX);
    sound(&run.audit(), "at the end");
    run.settle();
    let left = run.audit();
    sound(&left, "after the end");
    if left.lost == 0 {
        assert_eq!(left, Audit::default(), "nothing is left");
        for (key, totals) in &run.finish().clusters {
            check_cluster(plan.mesh, key, totals);
        }
    }
}

fn sound(audit: &Audit, when: &str) {
    assert!(audit.faults.is_empty(), "{when}: {}", audit.faults.join("; "));
}

#[test]
fn a_seed_makes_the_same_mesh_and_others_make_others() {
    let (one, again) = (RandomMesh::new(7).texts(), RandomMesh::new(7).texts());
    assert_eq!(one.0, again.0);
    assert_ne!(one.0, RandomMesh::new(8).texts().0);
    // What does not load tells where.
    let broken = Texts::scenario("apiVersion: meshcast/v1\nkind: Scenario\nclients: {a: {load: 7}}\n");
    assert!(broken.try_mesh().is_err_and(|errors| errors.contains("scenario.yaml:3")));
}
