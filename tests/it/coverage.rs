//! Intervals are what they claim to be: over a thousand seeds, the 95 % interval of a figure, made of as many
//! replications as a user takes, holds the truth that theory knows between 92 % and 98 % of the time.
//!
//! Seeds are fixed. A right method misses this band (six standard deviations of a count of a thousand on the low side,
//! four on the high one) less than once in ten thousand figures when all random numbers change.

use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;

use meshcast::mesh::Mesh;
use meshcast::mesh::model::{Comparison, Figure, Objective, ObjectiveScope};
use meshcast::metrics::Estimate;
use meshcast::sim::{self, Plan};
use meshcast::study::{Crew, RunResults, Watch, precision};

use crate::texts::Texts;
use crate::theory::{MMc, mixture_quantile};

const SEEDS: u32 = 1_000;
/// As users take: the default of `run`, and of the studies.
const REPLICATIONS: [usize; 2] = [4, 8];

/// A figure of the results, what theory says of it, and how often its interval is to hold that.
struct Known {
    what: &'static str,
    truth: f64,
    of: fn(&RunResults) -> Estimate,
    band: RangeInclusive<f64>,
}

fn known(what: &'static str, truth: f64, of: fn(&RunResults) -> Estimate) -> Known {
    Known { what, truth, of, band: 0.92..=0.98 }
}

/// How often its interval held the truth, of how many that there were, and their mean half-width in parts of the truth.
#[derive(Clone, Copy, Default)]
struct Coverage {
    held: u32,
    of: u32,
    width: f64,
}

fn mean_ms(run: &RunResults) -> Estimate {
    run.clients[0].latency.mean
}

fn p99_ms(run: &RunResults) -> Estimate {
    run.clients[0].latency.p99
}

fn success_pct(run: &RunResults) -> Estimate {
    run.clients[0].success_pct
}

fn mesh(duration: &str, rest: &str) -> Mesh {
    Texts::scenario(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: known}}\nduration: {duration}\nwindow: 10s\n\
         network: {{latency: 0s}}\nproxy: {{workers: 1, latency: 0s}}\n{rest}"
    ))
    .mesh()
}

/// For each number of replications and each figure, in that order. The first four replications of eight are those of a
/// run of four. Source: design D9.20.
fn coverage(mesh: &Mesh, known: &[Known]) -> Vec<Coverage> {
    let plan = Plan::compile(mesh);
    let crew = Crew::new(2).expect("threads");
    let most = *REPLICATIONS.last().expect("some") as u64;
    let estimates = |seed: u32| {
        let results: Vec<_> =
            (0..most).map(|replication| sim::run(&plan, 1_000 + u64::from(seed), replication)).collect();
        let pools = REPLICATIONS.map(|count| RunResults::pool(&results[..count]));
        pools.iter().flat_map(|run| known.iter().map(|figure| (figure.of)(run))).collect::<Vec<_>>()
    };
    let mut found = vec![Coverage::default(); REPLICATIONS.len() * known.len()];
    crew.fold(SEEDS, estimates, |estimates| {
        for (place, estimate) in estimates.into_iter().enumerate() {
            let truth = known[place % known.len()].truth;
            let sum = &mut found[place];
            // A percentile whose share is not known within bounds has none.
            let Some(half_width) = estimate.ci95 else { continue };
            sum.held += u32::from(estimate.holds(truth));
            sum.of += 1;
            sum.width += half_width / truth;
        }
    });
    found
}

/// Prints a row of the table for each figure, and holds it within the band.
#[track_caller]
fn hold(title: &str, mesh: &Mesh, known: &[Known]) {
    let found = coverage(mesh, known);
    let mut misses = Vec::new();
    // A success is never surer than its count (Wilson) nor than its spread (Student). Of two right widths, each of which
    // holds 95 %, the larger one holds 97.3 % with eight replications and 98.3 % with four. Source: design D9.20.
    let is_wider = |figure: &Known, replications| figure.what == "success" && replications < 8;
    for (place, Coverage { held, of, width }) in found.iter().enumerate() {
        let (replications, figure) = (REPLICATIONS[place / known.len()], &known[place % known.len()]);
        let share = f64::from(*held) / f64::from(*of);
        let row = format!(
            "{title:<28} {:<8} R = {replications}   truth {:9.4}   ± {:6.3} %   held in {:5.1} % of {of}",
            figure.what,
            figure.truth,
            100.0 * width / f64::from(*of),
            100.0 * share
        );
        println!("{row}");
        let most = if is_wider(figure, replications) { 0.99 } else { *figure.band.end() };
        if share < *figure.band.start() || share > most {
            misses.push(row);
        }
    }
    assert!(misses.is_empty(), "outside of its band:\n{}", misses.join("\n"));
}

#[test]
fn one_queue() {
    let mesh = mesh(
        "7s",
        "warmup: 1s
workloads:
  server: {service: \"server:80\", replicas: 1, concurrency: 1, serviceTime: exponential(mean=1ms), errors: {rate: 2%}}
clients:
  load: {load: poisson(500rps), requests: [{get: \"http://server/\"}]}\n",
    );
    let queue = MMc { servers: 1, rate: 0.5, service: 1.0 };
    let known = [
        known("mean", queue.sojourn_mean(), mean_ms),
        known("p99", queue.sojourn_quantile(0.99), p99_ms),
        known("success", 98.0, success_pct),
    ];
    hold("M/M/1 at 0.5", &mesh, &known);
}

/// A queue that remembers for long: the percentile of one replication is biased by its busy spells, and its spread over
/// replications says nothing of that. Twelve seconds are thirty relaxation times.
#[test]
fn a_busy_queue() {
    let mesh = mesh(
        "14s",
        "warmup: 2s
workloads:
  server: {service: \"server:80\", replicas: 1, concurrency: 1, serviceTime: exponential(mean=1ms)}
clients:
  load: {load: poisson(900rps), requests: [{get: \"http://server/\"}]}\n",
    );
    let queue = MMc { servers: 1, rate: 0.9, service: 1.0 };
    let known = [
        Known { band: 0.90..=0.98, ..known("mean", queue.sojourn_mean(), mean_ms) },
        Known { band: 0.90..=0.98, ..known("p99", queue.sojourn_quantile(0.99), p99_ms) },
    ];
    hold("M/M/1 at 0.9", &mesh, &known);
}

/// Two versions behind a weighted route, with errors and one retry; nobody waits. `retries` is YAML of the route.
fn split(duration: &str, errors: [f64; 2], retries: &str) -> Mesh {
    let [stable, canary] = errors;
    mesh(
        duration,
        &format!(
            "warmup: 0s
workloads:
  v1: {{service: \"app:80\", labels: {{version: v1}}, serviceTime: exponential(mean=2ms), errors: {{rate: {stable}%}}}}
  v2: {{service: \"app:80\", labels: {{version: v2}}, serviceTime: exponential(mean=6ms), errors: {{rate: {canary}%}}}}
clients:
  web: {{load: poisson(500rps), requests: [{{get: \"http://app/\"}}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app}}
spec:
  hosts: [app]
  http:
  - {{route: [{{destination: {{host: app, subset: v1}}, weight: 90}}, {{destination: {{host: app, subset: v2}}, weight: 10}}], {retries}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: app}}
spec:
  host: app
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
"
        ),
    )
}

const NO_RETRY: &str = "retries: {attempts: 0}";
const ONE_RETRY: &str = "retries: {attempts: 1, retryOn: 5xx}";

#[test]
fn a_split_without_queues() {
    let known = [
        known("mean", 0.9 * 2.0 + 0.1 * 6.0, mean_ms),
        known("p99", mixture_quantile(&[(0.9, 2.0), (0.1, 6.0)], 0.99), p99_ms),
        known("success", 100.0 - (0.9 * 1.0 + 0.1 * 5.0), success_pct),
    ];
    hold("split 90/10", &split("4s", [1.0, 5.0], NO_RETRY), &known);
}

#[test]
fn a_split_with_retries() {
    // Which version serves a call is drawn once for all its tries.
    let failed = 0.9 * 0.1 * 0.1 + 0.1 * 0.3 * 0.3;
    let known = [known("success", 100.0 * (1.0 - failed), success_pct)];
    hold("split 90/10, one retry", &split("2s", [10.0, 30.0], ONE_RETRY), &known);
}

/// Where a run has less than three failures in all, many see none. These say "at most 2.7 failures' worth", so their
/// intervals hold every smaller truth: always, which no interval of one width for all of them can help. From there on
/// the band holds.
#[test]
fn failures_that_are_rare() {
    // Expected in a run of four replications with 500 requests each: 0.8, 3.6 and 12.
    let mesh = mesh(
        "1s",
        "warmup: 0s
workloads:
  a: {service: \"a:80\", serviceTime: 1ms, errors: {rate: 0.04%}}
  b: {service: \"b:80\", serviceTime: 1ms, errors: {rate: 0.18%}}
  c: {service: \"c:80\", serviceTime: 1ms, errors: {rate: 0.6%}}
clients:
  a: {load: poisson(500rps), requests: [{get: \"http://a/\"}]}
  b: {load: poisson(500rps), requests: [{get: \"http://b/\"}]}
  c: {load: poisson(500rps), requests: [{get: \"http://c/\"}]}\n",
    );
    fn success(client: &str, run: &RunResults) -> Estimate {
        run.clients.iter().find(|row| row.client == client).expect("it asks").success_pct
    }
    let known = [
        Known { band: 0.98..=1.0, ..known("rarest", 99.96, |run| success("a", run)) },
        known("rarer", 99.82, |run| success("b", run)),
        known("rare", 99.4, |run| success("c", run)),
    ];
    hold("failures are rare", &mesh, &known);
}

/// Whoever stops by looking stops by luck at times: the intervals that are left hold the truth nevertheless, and are as
/// tight as was asked for.
#[test]
fn replications_until_it_is_precise() {
    let mut mesh = split("400ms", [1.0, 5.0], NO_RETRY);
    mesh.objectives.push(Objective {
        text: "avg < 1s".to_owned(),
        scope: ObjectiveScope::All,
        figure: Figure::LatencyMean,
        comparison: Comparison::Less,
        limit: 1000.0,
    });
    let (mesh, crew) = (mesh, Crew::new(2).expect("threads"));
    let run = |seed: u32| {
        let mut mesh = mesh.clone();
        mesh.run.seed = 1_000 + u64::from(seed);
        let alone = Crew::new(1).expect("no threads");
        let watch = Watch { stop: &AtomicBool::new(false), step: &|| {} };
        let (pool, reached) = precision::replications(&alone, &mesh, 0.05, watch, |_| {});
        assert!(reached.expect("nobody stops it").is_tight);
        (pool.count(), pool.figures(&mesh).objectives[0].observed)
    };
    let (mut held, mut counts) = (0, Vec::new());
    crew.fold(SEEDS, run, |(count, mean)| {
        let (value, half_width) = (mean.value.expect("data"), mean.ci95.expect("replications"));
        assert!(half_width <= 0.05 / 1.05 * value);
        held += u32::from(mean.holds(2.4));
        counts.push(count);
    });
    counts.sort_unstable();
    let share = f64::from(held) / f64::from(SEEDS);
    println!(
        "mean within 5 %: {} to {} replications, half of the runs {} or fewer; held in {:.1} %",
        counts[0],
        counts[counts.len() - 1],
        counts[counts.len() / 2],
        100.0 * share
    );
    assert!((0.92..=0.98).contains(&share), "{share}");
    assert!(counts[counts.len() / 10] < counts[counts.len() * 9 / 10], "nobody looked");
}
