//! Results for tests: two tiny replications that one can add up by hand, and a canary that looks like a real one.

use crate::kernel::{SimDuration, SimTime};
use crate::mesh::{Flag, Outcome};
use crate::metrics::{
    Clock, ClusterGauges, ClusterRow, Counter, Gauges, HostTotals, Recorder, Results, WorkloadGauges,
};

fn at(seconds: u64) -> SimTime {
    SimTime::from_nanos(seconds * 1_000_000_000)
}

/// 3 windows of 10 s, the first of them warm-up. In both: `get` 4 times and `put` twice, once with 503 UO in 30 ms.
/// Cluster `app` v1 has 3 retries and one call of 6 ms; v2 is reached in the second replication only, once in 4 ms.
pub(crate) fn two_replications() -> [Results; 2] {
    [0, 1].map(|replication| {
        let clock = Clock { warmup: at(10), duration: at(30), window: SimDuration::from_secs(10) };
        let classes = ["get", "put"].map(str::to_owned).to_vec();
        let mut recorder = Recorder::new(clock, &[("web".to_owned(), classes)], &["app".to_owned()]);
        let (get, put) = (recorder.request_row(0, 0), recorder.request_row(0, 1));
        let millis = SimDuration::from_millis;
        for latency in 1..=4 {
            recorder.request_done(get, millis(latency), Outcome::OK, true);
        }
        recorder.request_done(put, millis(10), Outcome::OK, true);
        recorder.request_done(put, millis(30), Outcome::new(503, Flag::UO), true);
        let first = recorder.cluster_row("web", "app", 80, "v1");
        recorder.call_done(first, millis(6), Outcome::OK, true);
        (0..3).for_each(|_| recorder.count(first, Counter::Retries, true));
        if replication == 1 {
            let second = recorder.cluster_row("web", "app", 80, "v2");
            recorder.call_done(second, millis(4), Outcome::OK, true);
        }
        for end in [10, 20, 30] {
            recorder.close_window(at(end), &Gauges::default());
        }
        recorder.finish()
    })
}

/// splitmix64 as a plain sequence: tests want something that looks like chance.
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Log-normal by its median.
    fn latency(&mut self, median_ms: f64, sigma: f64) -> SimDuration {
        let normal = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
        SimDuration::from_nanos((median_ms * 1e6 * libm::exp(sigma * normal)) as u64)
    }
}

/// Share of v2 in per cent: 10 % steps each minute from 2:00 on, taken back at 7:00.
fn canary_weight(second: u64) -> u64 {
    match second {
        0..120 => 0,
        120..180 => 10,
        180..240 => 25,
        240..420 => 50,
        _ => 0,
    }
}

/// Ten minutes of Bookinfo with a canary of reviews v2 that breaks under half of the load.
pub(crate) fn canary(replications: u64) -> Vec<Results> {
    (0..replications).map(canary_replication).collect()
}

struct Canary {
    chance: Chance,
    recorder: Recorder,
    page: ClusterRow,
    reviews: [ClusterRow; 2],
    ratings: ClusterRow,
}

fn canary_replication(replication: u64) -> Results {
    let clock = Clock { warmup: at(30), duration: at(600), window: SimDuration::from_secs(1) };
    let classes = ["GET /productpage", "as jason"].map(str::to_owned).to_vec();
    let workloads = ["productpage-v1", "ratings-v1", "reviews-v1", "reviews-v2"].map(str::to_owned);
    let mut recorder = Recorder::new(clock, &[("browser".to_owned(), classes)], &workloads);
    let page = recorder.cluster_row("browser", "productpage", 9080, "");
    let reviews = ["v1", "v2"].map(|subset| recorder.cluster_row("productpage-v1", "reviews", 9080, subset));
    let ratings = recorder.cluster_row("reviews-v2", "ratings", 9080, "");
    let mut canary = Canary { chance: Chance(replication * 7919), recorder, page, reviews, ratings };
    for second in 0..600 {
        canary.second(second);
    }
    let mut recorder = canary.recorder;
    for (subset, pods) in [("v1", 3), ("v2", 2)] {
        for pod in 0..pods {
            let row = recorder.host_row("reviews", subset, &format!("reviews-{subset}-{pod}"), "eu-1/eu-1a");
            let busy = if subset == "v2" { 71.25 } else { 38.0 } + pod as f64;
            recorder.host_totals(
                row,
                HostTotals {
                    utilization_pct: Some(busy),
                    queue_mean: 0.4,
                    queue_max: 17,
                    ..Default::default()
                },
            );
        }
    }
    recorder.event(at(120), "timeline", "VirtualService/reviews", || "apply steps/canary-10.yaml".to_owned());
    recorder.event(at(420), "timeline", "VirtualService/reviews", || "apply steps/rollback.yaml".to_owned());
    recorder.finish()
}

impl Canary {
    fn second(&mut self, second: u64) {
        let weight = canary_weight(second);
        let overloaded = weight == 50 && second > 300;
        let rate = 40 + (self.chance.uniform() * 12.0) as u64;
        for _ in 0..rate {
            self.request(second, weight, overloaded);
        }
        let pending = if overloaded { 18.0 + 14.0 * self.chance.uniform() } else { 0.0 };
        let ejected = f64::from(u8::from(overloaded && second % 60 < 30));
        let gauge = |active, share| ClusterGauges {
            rq_active: active,
            rq_pending_active: if share == Some(weight as f64) && overloaded { pending } else { 0.0 },
            cx_active: active + 2.0,
            ejected_hosts: if share == Some(weight as f64) { ejected } else { 0.0 },
            weight_pct: share,
        };
        let busy = 6.0 + 4.0 * self.chance.uniform();
        let clusters = vec![
            gauge(busy, None),
            gauge(busy * 0.7, Some(100.0 - weight as f64)),
            gauge(if overloaded { 32.0 } else { weight as f64 * 0.1 }, Some(weight as f64)),
            gauge(1.0, None),
        ];
        let workloads = [35.0, 12.0, 40.0, weight as f64 * 1.8].map(|utilization| WorkloadGauges {
            utilization_pct: Some(utilization),
            queue: pending,
            ready_pods: 3.0,
        });
        self.recorder.close_window(at(second + 1), &Gauges { clusters, workloads: workloads.to_vec() });
    }

    fn request(&mut self, second: u64, weight: u64, overloaded: bool) {
        let counted = second >= 30;
        let row = self.recorder.request_row(0, usize::from(self.chance.uniform() < 0.05));
        let second_subset = self.chance.uniform() * 100.0 < weight as f64;
        let reviews = self.reviews[usize::from(second_subset)];
        let slow = if overloaded && second_subset { 6.0 } else { 1.0 };
        let latency = self.chance.latency(18.0 * slow, 0.45);
        let rejected = overloaded && second_subset && self.chance.uniform() < 0.12;
        let outcome = if rejected { Outcome::new(503, Flag::UO) } else { Outcome::OK };
        self.recorder.count(reviews, Counter::Attempts, counted);
        if rejected {
            self.recorder.count(reviews, Counter::PendingOverflow, counted);
        }
        if second_subset {
            let ratings = self.chance.latency(4.0, 0.3);
            self.recorder.call_done(self.ratings, ratings, Outcome::OK, counted);
            self.recorder.count(self.ratings, Counter::Attempts, counted);
        }
        self.recorder.call_done(reviews, latency, outcome, counted);
        let whole = self.chance.latency(11.0, 0.3) + latency;
        let outcome = if rejected { Outcome { code: 500, ..Outcome::OK } } else { Outcome::OK };
        self.recorder.call_done(self.page, whole, outcome, counted);
        self.recorder.count(self.page, Counter::Attempts, counted);
        self.recorder.request_done(row, whole, outcome, counted);
    }
}

/// An hour of many services with long names, several callers and subsets, all of them failing at times.
pub(crate) fn crowd() -> Vec<Results> {
    let clock = Clock { warmup: at(30), duration: at(3600), window: SimDuration::from_secs(10) };
    let clients =
        ["mobile-app", "partner-integration-gateway"].map(|name| (name.to_owned(), vec!["get".to_owned()]));
    let mut recorder = Recorder::new(clock, &clients, &[]);
    let mut chance = Chance(1);
    let mut rows = Vec::new();
    for service in 0..9 {
        for subset in ["", "stable-2024", "canary"].into_iter().take(1 + service % 3) {
            for caller in ["mobile-app", "checkout-orchestrator"] {
                let name = format!("recommendation-engine-{service}.shop");
                rows.push((recorder.cluster_row(caller, &name, 8080, subset), service));
            }
        }
    }
    for window in 0..360 {
        for (row, service) in &rows {
            for _ in 0..20 {
                let failed = chance.uniform() < 0.002 * *service as f64;
                let outcome = if failed { Outcome::new(503, Flag::UH) } else { Outcome::OK };
                let latency = chance.latency(8.0 * (1 + service) as f64, 0.6);
                recorder.call_done(*row, latency, outcome, window > 2);
            }
        }
        for client in 0..2 {
            let row = recorder.request_row(client, 0);
            for _ in 0..50 {
                recorder.request_done(row, chance.latency(900.0, 0.7), Outcome::OK, window > 2);
            }
        }
        let active =
            |index: usize| ClusterGauges { rq_active: index as f64 * chance.uniform(), ..Default::default() };
        let clusters = (0..rows.len()).map(active).collect();
        recorder.close_window(at((window + 1) * 10), &Gauges { clusters, workloads: Vec::new() });
    }
    vec![recorder.finish()]
}
