//! Closed forms from queueing theory, to hold simulations against. Written from the formulas, and tested against
//! figures from the literature, so that a test that fails points at the simulator.
//!
//! Times are in the unit of the arguments; a load is arrival rate x mean service time, in servers (Erlang).

/// Probability that all servers are busy in M/G/c/c, where who finds them so is lost.
/// Source: Erlang 1917; Kleinrock, Queueing Systems I, 3.6; it holds for every law of the service time.
pub fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, k| load * blocked / (f64::from(k) + load * blocked))
}

/// Probability that an arrival must wait in M/M/c; the load is below the servers.
/// Source: Erlang C; Kleinrock, Queueing Systems I, 3.5.
pub fn erlang_c(servers: u32, load: f64) -> f64 {
    assert!(load < f64::from(servers), "no steady state");
    let blocked = erlang_b(servers, load);
    blocked / (1.0 - load / f64::from(servers) * (1.0 - blocked))
}

/// Share of arrivals lost in M/M/c/K: `places` in all, those in service included.
/// Source: Kleinrock, Queueing Systems I, 3.6 (birth and death).
pub fn loss(servers: u32, places: u32, load: f64) -> f64 {
    let chances = (1..=places).scan(1.0, |chance, k| {
        *chance *= load / f64::from(k.min(servers));
        Some(*chance)
    });
    let (mut sum, mut last) = (1.0, 1.0);
    for chance in chances {
        sum += chance;
        last = chance;
    }
    last / sum
}

/// First in, first out, Poisson arrivals, exponential service, `servers` alike.
#[derive(Clone, Copy, Debug)]
pub struct MMc {
    pub servers: u32,
    pub rate: f64,
    pub service: f64,
}

impl MMc {
    fn load(&self) -> f64 {
        self.rate * self.service
    }

    /// Rate at which the queue drains while all servers are busy, less arrivals: the wait of those who wait is
    /// exponential with it.
    fn drain(&self) -> f64 {
        f64::from(self.servers) / self.service - self.rate
    }

    pub fn wait_probability(&self) -> f64 {
        erlang_c(self.servers, self.load())
    }

    pub fn wait_mean(&self) -> f64 {
        self.wait_probability() / self.drain()
    }

    pub fn sojourn_mean(&self) -> f64 {
        self.wait_mean() + self.service
    }

    /// Probability that wait and service together last longer than `time`: with probability 1 - C service alone,
    /// else the sum of two exponentials. With one server it is exponential as a whole.
    pub fn sojourn_tail(&self, time: f64) -> f64 {
        let (waits, drain, finish) = (self.wait_probability(), self.drain(), 1.0 / self.service);
        let served = libm::exp(-finish * time);
        let both = if (drain / finish - 1.0).abs() < 1e-9 {
            served * (1.0 + finish * time)
        } else {
            (drain * served - finish * libm::exp(-drain * time)) / (drain - finish)
        };
        (1.0 - waits) * served + waits * both
    }

    pub fn sojourn_quantile(&self, p: f64) -> f64 {
        quantile(|time| self.sojourn_tail(time), p, self.sojourn_mean())
    }
}

/// Quantile of a time that is exponential with one of several means: (probability, mean) each.
pub fn mixture_quantile(parts: &[(f64, f64)], p: f64) -> f64 {
    quantile(|time| parts.iter().map(|(share, mean)| share * libm::exp(-time / mean)).sum(), p, 1.0)
}

/// Where a falling tail reaches 1 - p; `scale` is any time of the right order.
fn quantile(tail: impl Fn(f64) -> f64, p: f64, scale: f64) -> f64 {
    let (mut low, mut high) = (0.0, scale);
    while tail(high) > 1.0 - p {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if tail(middle) > 1.0 - p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Quantile of the time through stations in a row, by convolution.
///
/// Each station sees Poisson arrivals (Burke 1956), so means add up exactly. Sojourns are independent only behind
/// stations with one server (Reich 1963); with more this is an approximation
/// (three M/M/4 at 0.7: p99 10.344, where 1.5 M simulated customers gave 10.37 +- 0.1).
pub fn tandem_quantile(stations: &[MMc], p: f64) -> f64 {
    let mean: f64 = stations.iter().map(MMc::sojourn_mean).sum();
    let step = mean / 500.0;
    let slots = 6_000; // to twelve times the mean
    let mut sum = vec![1.0];
    for station in stations {
        let tails: Vec<f64> = (0..=slots).map(|i| station.sojourn_tail(f64::from(i) * step)).collect();
        let mut next = vec![0.0; slots as usize];
        for (i, chance) in sum.iter().enumerate().filter(|(_, chance)| **chance > 1e-15) {
            for (slot, pair) in next[i..].iter_mut().zip(tails.windows(2)) {
                *slot += chance * (pair[0] - pair[1]);
            }
        }
        sum = next;
    }
    // Slot i of the sum stands for the middles of its parts, (i + k / 2) steps; half of it lies before that.
    let mut below = 0.0;
    for (i, chance) in sum.iter().enumerate() {
        if below + chance >= p {
            let middle = i as f64 + stations.len() as f64 / 2.0;
            return (middle - 0.5 + (p - below) / chance) * step;
        }
        below += chance;
    }
    panic!("the quantile lies beyond twelve times the mean")
}

/// Mean wait in M/G/1, first in first out; `cv` is the service time's coefficient of variation (0: M/D/1).
/// Source: Pollaczek and Khinchine; Kleinrock, Queueing Systems I, 5.6.
pub fn mg1_wait(rate: f64, service: f64, cv: f64) -> f64 {
    let load = rate * service;
    assert!(load < 1.0, "no steady state");
    load * service * (1.0 + cv * cv) / (2.0 * (1.0 - load))
}

/// Mean sojourn in M/G/1 with processor sharing, whatever the law of the service time.
/// Source: Kleinrock, Queueing Systems II, 4.4.
pub fn mg1_ps_sojourn(rate: f64, service: f64) -> f64 {
    assert!(rate * service < 1.0, "no steady state");
    service / (1.0 - rate * service)
}

/// Throughput and response time of `users` who think, then pass each of the single-server stations once.
/// Source: Reiser and Lavenberg 1980, exact mean value analysis.
pub fn closed(users: u32, think: f64, services: &[f64]) -> (f64, f64) {
    let mut queues = vec![0.0; services.len()];
    let (mut throughput, mut response) = (0.0, 0.0);
    for n in 1..=users {
        let times: Vec<f64> =
            services.iter().zip(&queues).map(|(service, queue)| service * (1.0 + queue)).collect();
        response = times.iter().sum();
        throughput = f64::from(n) / (think + response);
        queues = times.iter().map(|time| throughput * time).collect();
    }
    (throughput, response)
}

/// Mean sojourn, in service times, when each arrival takes the shortest of `choices` queues picked at random among
/// very many M/M/1. `load` is that of one server, below 1.
/// Source: Vvedenskaya, Dobrushin, Karpelevich 1996; Mitzenmacher 2001: sum of load^((d^i - d) / (d - 1)).
pub fn shortest_of(choices: u32, load: f64) -> f64 {
    if choices == 1 {
        return 1.0 / (1.0 - load);
    }
    let d = f64::from(choices);
    let (mut sum, mut power) = (0.0, d);
    loop {
        let term = libm::pow(load, (power - d) / (d - 1.0));
        sum += term;
        power *= d;
        if term < 1e-16 {
            return sum;
        }
    }
}

/// Attempts a request where each fails with probability `failure` and up to `retries` follow, and the share of
/// requests that fail in the end.
pub fn retried(failure: f64, retries: u32) -> (f64, f64) {
    let chances = (0..=retries).scan(1.0, |reached, _| {
        let chance = *reached;
        *reached *= failure;
        Some(chance)
    });
    let attempts: f64 = chances.sum();
    (attempts, 1.0 - attempts * (1.0 - failure))
}

/// Mean of the largest of `branches` exponential times with mean 1: the harmonic number.
pub fn slowest_mean(branches: u32) -> f64 {
    (1..=branches).map(|k| 1.0 / f64::from(k)).sum()
}

/// Quantile of the largest of `branches` exponential times with mean 1.
pub fn slowest_quantile(branches: u32, p: f64) -> f64 {
    -libm::log1p(-libm::pow(p, 1.0 / f64::from(branches)))
}

/// Mean of an exponential time with mean 1, where a second try starts after `delay` and the first answer counts.
pub fn hedged_mean(delay: f64) -> f64 {
    1.0 - libm::exp(-delay) / 2.0
}

/// Quantile of Student's t; `p` is above 0.5. `student_t(0.9995, n - 1)` makes 99.9 % intervals of n samples.
/// Source: Abramowitz and Stegun 26.7.1.
pub fn student_t(p: f64, freedom: u32) -> f64 {
    let v = f64::from(freedom);
    quantile(|t| 0.5 * incomplete_beta(v / 2.0, 0.5, v / (v + t * t)), p, 1.0)
}

/// The regularised incomplete beta function. Source: DLMF 8.17.22 (continued fraction), 8.17.4 (symmetry).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    // From its far end back to the front; 200 steps are far more than it needs here.
    let fraction = (1..=200).rev().fold(1.0, |below, i| {
        let m = f64::from(i / 2);
        let numerator = if i % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        1.0 + numerator / below
    });
    let log_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    libm::exp(a * libm::log(x) + b * libm::log1p(-x) - log_beta) / (a * fraction)
}

/// What independent repetitions say of a figure: their mean, and half the width of its 99.9 % interval.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub mean: f64,
    pub half_width: f64,
}

impl Estimate {
    /// From the figure's value in each repetition, at least two.
    pub fn of(values: &[f64]) -> Estimate {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
        let half_width = student_t(0.9995, values.len() as u32 - 1) * (variance / n).sqrt();
        Estimate { mean, half_width }
    }

    /// Holds theory against it: inside the interval, which is at most `precision` of the figure on each side.
    #[track_caller]
    pub fn assert_holds(&self, what: &str, theory: f64, precision: f64) {
        let Estimate { mean, half_width } = *self;
        assert!(
            (mean - theory).abs() <= half_width,
            "{what}: {mean} +- {half_width}, but theory says {theory}"
        );
        assert!(half_width <= precision * theory.abs(), "{what}: {mean} +- {half_width} is too wide to tell");
    }
}

#[track_caller]
fn close(got: f64, wanted: f64, tolerance: f64) {
    assert!((got - wanted).abs() <= tolerance, "got {got}, wanted {wanted}");
}

#[test]
fn erlangs_formulas_have_their_tabled_values() {
    close(erlang_b(10, 8.0), 0.121_66, 5e-6);
    close(erlang_b(100, 90.0), 0.026_96, 5e-6);
    close(erlang_b(1, 0.5), 1.0 / 3.0, 1e-15);
    close(erlang_c(1, 0.8), 0.8, 1e-15);
    close(erlang_c(2, 1.0), 1.0 / 3.0, 1e-15);
    close(erlang_c(4, 3.2), 0.5964, 5e-5);
    close(erlang_c(10, 8.0), 0.4092, 5e-5);
}

#[test]
fn one_server_gives_an_exponential_sojourn() {
    let queue = MMc { servers: 1, rate: 0.8, service: 1.0 };
    close(queue.sojourn_mean(), 5.0, 1e-12);
    close(queue.sojourn_quantile(0.99), libm::log(100.0) / 0.2, 1e-9);
    close(queue.sojourn_tail(3.0), libm::exp(-0.6), 1e-12);
}

#[test]
fn many_servers_wait_less() {
    let queue = MMc { servers: 4, rate: 3.2, service: 1.0 };
    close(queue.wait_mean(), 0.7455, 5e-5);
    close(queue.sojourn_mean(), 1.7455, 5e-5);
    close(queue.sojourn_quantile(0.99), 6.8932, 5e-5);
    // The tail's integral is the mean.
    let area: f64 = (0..60_000).map(|i| queue.sojourn_tail((f64::from(i) + 0.5) * 1e-3) * 1e-3).sum();
    close(area, queue.sojourn_mean(), 1e-6);
    let in_millis = MMc { servers: 4, rate: 0.32, service: 10.0 };
    close(in_millis.sojourn_quantile(0.99), 10.0 * queue.sojourn_quantile(0.99), 1e-9);
    // Drain and service rate alike: the limit of the general form.
    let even = MMc { servers: 2, rate: 1.0, service: 1.0 };
    let beside = MMc { servers: 2, rate: 1.000_001, service: 1.0 };
    close(even.sojourn_tail(2.0), beside.sojourn_tail(2.0), 1e-5);
}

#[test]
fn stations_in_a_row_add_up() {
    // Two equal M/M/1 make an Erlang-2 time: tail e^-x (1 + x) at x = t / 5.
    let queue = MMc { servers: 1, rate: 0.8, service: 1.0 };
    let wanted = quantile(|t| libm::exp(-t / 5.0) * (1.0 + t / 5.0), 0.99, 10.0);
    close(tandem_quantile(&[queue, queue], 0.99), wanted, 2e-3 * wanted);
    close(tandem_quantile(&[queue], 0.99), queue.sojourn_quantile(0.99), 1e-3);
    let hop = MMc { servers: 4, rate: 2.8, service: 1.0 };
    close(tandem_quantile(&[hop; 3], 0.99), 10.3441, 5e-3);
}

#[test]
fn variance_of_service_costs_waiting_only_in_line() {
    close(mg1_wait(0.8, 1.0, 0.0), 2.0, 1e-12);
    close(mg1_wait(0.8, 1.0, 1.0), 4.0, 1e-12);
    close(mg1_wait(0.8, 1.0, 2.0), 10.0, 1e-12);
    close(mg1_ps_sojourn(0.8, 1.0), 5.0, 1e-12);
}

#[test]
fn full_rooms_lose_what_the_formulas_say() {
    close(loss(1, 10, 0.8), 0.023_492_9, 5e-8);
    close(loss(1, 10, 1.2), 0.192_59, 5e-6);
    close(loss(10, 10, 8.0), erlang_b(10, 8.0), 1e-14);
    close(loss(3, 8, 1.0), loss(3, 7, 1.0) / (3.0 + loss(3, 7, 1.0)), 1e-14);
}

#[test]
fn closed_networks_obey_their_bounds() {
    let (throughput, response) = closed(1, 10.0, &[1.0, 2.0]);
    close(response, 3.0, 1e-12);
    close(throughput, 1.0 / 13.0, 1e-12);
    // Two users and no thinking at two equal stations: utilisation n / (n + k - 1) = 2/3.
    close(closed(2, 0.0, &[1.0, 1.0]).0, 2.0 / 3.0, 1e-12);
    // With one station it is the machine repair model: p0 = 1 / sum of N! / (N - k)! (service / think)^k.
    let terms = (0..20u32).scan(1.0, |term, k| {
        *term *= f64::from(20 - k) / 10.0;
        Some(*term)
    });
    close(closed(20, 10.0, &[1.0]).0, 1.0 - 1.0 / (1.0 + terms.sum::<f64>()), 1e-12);
    close(closed(20, 10.0, &[1.0]).1, 10.0375, 5e-5);
}

#[test]
fn two_choices_beat_one() {
    close(shortest_of(1, 0.9), 10.0, 1e-12);
    close(shortest_of(2, 0.5), 1.0 + 0.25 + 0.015_625 + 0.000_061, 1e-6);
    close(shortest_of(2, 0.9), 2.6141, 5e-4);
    close(shortest_of(3, 0.9), 1.0 + 0.729 + 0.282_43 + 0.016_42, 5e-5);
}

#[test]
fn retries_fanouts_and_hedges() {
    let (attempts, failed) = retried(0.1, 2);
    close(attempts, 1.11, 1e-12);
    close(failed, 0.001, 1e-12);
    assert_eq!(retried(1.0, 2), (3.0, 1.0));
    assert_eq!(retried(0.0, 2), (1.0, 0.0));
    close(slowest_mean(10), 2.9290, 5e-5);
    close(slowest_mean(100), 5.1874, 5e-5);
    close(slowest_quantile(1, 0.99), libm::log(100.0), 1e-12);
    close(slowest_quantile(100, 0.5), 4.975_15, 5e-6);
    close(hedged_mean(0.0), 0.5, 1e-12);
    close(hedged_mean(50.0), 1.0, 1e-12);
}

#[test]
fn student_t_has_its_tabled_values() {
    close(student_t(0.975, 7), 2.3646, 5e-5);
    close(student_t(0.9995, 19), 3.8834, 5e-5);
    close(student_t(0.9995, 29), 3.6594, 5e-5);
    close(student_t(0.9995, 1), 636.619, 5e-3);
    close(student_t(0.9995, 1_000_000), 3.2905, 5e-5);
}

#[test]
fn estimates_know_how_sure_they_are() {
    let estimate = Estimate::of(&[9.0, 10.0, 11.0]);
    close(estimate.mean, 10.0, 1e-12);
    close(estimate.half_width, 31.599 / 3f64.sqrt(), 1e-3);
    Estimate::of(&[9.9, 10.0, 10.1, 10.0]).assert_holds("figure", 10.05, 0.1);
}
