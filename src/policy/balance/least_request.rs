//! LEAST_REQUEST: the least busy of a few hosts drawn at random, or by weight and load. Source: semantics S5.3.

use super::balancer::{Balancer, HostView};
use super::modulus::Modulus;
use super::schedule::Schedules;
use crate::kernel::random::Draw;
use crate::mesh::policy_spec::BalancerSpec;

/// Envoy's `active_request_bias`; Istio does not expose it.
const BIAS: f64 = 1.0;

pub struct LeastRequest {
    choices: u32,
    scans_all: bool,
    hosts: Modulus,
    schedules: Schedules,
}

impl LeastRequest {
    pub fn build(spec: &BalancerSpec, seed: u64) -> Box<dyn Balancer> {
        let schedules = Schedules::new(seed, spec.slow_start.as_ref());
        let (choices, scans_all) = (spec.choice_count.max(1), spec.scans_all);
        Box::new(LeastRequest { choices, scans_all, hosts: Modulus::new(1), schedules })
    }
}

/// What a host of this weight is worth while it is so busy. Source: semantics S5.3.
pub fn effective_weight(weight: f64, active: u32, bias: f64) -> f64 {
    // Envoy replaces what makes no sense.
    let bias = if bias >= 0.0 { bias } else { 1.0 };
    if bias == 0.0 {
        weight
    } else if bias == 1.0 {
        weight / (f64::from(active) + 1.0)
    } else {
        weight / libm::pow(f64::from(active) + 1.0, bias)
    }
}

/// The least busy of all; the n-th of equals replaces those before it once in n times. Source: semantics S5.3.
#[cold]
fn least_of_all(view: &HostView<'_>, draw: &mut Draw<'_>) -> Option<u32> {
    let mut hosts = view.available.iter().copied();
    let mut best = hosts.next()?;
    let mut equals = 1;
    for host in hosts {
        let (active, least) = (view.active[host as usize], view.active[best as usize]);
        if active < least {
            (best, equals) = (host, 1);
        } else if active == least {
            equals += 1;
            if draw.next().is_multiple_of(equals) {
                best = host;
            }
        }
    }
    Some(best)
}

impl Balancer for LeastRequest {
    fn pick(&mut self, view: &HostView<'_>, draw: &mut Draw<'_>) -> Option<u32> {
        draw.next(); // the priority's
        // Draws and weights cannot tell one host apart from itself, and a changed set of hosts begins anew.
        if let [only] = view.available {
            return Some(*only);
        }
        let count = view.available.len() as u64;
        if count == 0 {
            return None;
        }
        let weigh = |host, weight| effective_weight(weight, view.active[host as usize], BIAS);
        if let Some(host) = self.schedules.pick(view, weigh) {
            return Some(host);
        }
        if self.scans_all {
            return least_of_all(view, draw);
        }
        if self.hosts.divisor() != count {
            self.hosts = Modulus::new(count);
        }
        // With replacement, so one host can come up twice; a tie keeps the first.
        let mut best = view.available[self.hosts.of(draw.next()) as usize];
        let mut least = view.active[best as usize];
        for _ in 1..self.choices {
            let host = view.available[self.hosts.of(draw.next()) as usize];
            let active = view.active[host as usize];
            let is_better = active < least;
            best = if is_better { host } else { best };
            least = if is_better { active } else { least };
        }
        Some(best)
    }

    fn refresh(&mut self, view: &HostView<'_>) {
        self.schedules
            .rebuild(view, |host, weight| effective_weight(weight, view.active[host as usize], BIAS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::random::Purpose;
    use crate::kernel::{SimDuration, SimTime};
    use crate::mesh::policy_spec::SlowStartSpec;

    const SPEC: BalancerSpec = BalancerSpec::plain("LEAST_REQUEST");

    fn view<'a>(active: &'a [u32], weights: &'a [u32], available: &'a [u32]) -> HostView<'a> {
        let (source, now, first_healthy) = (0, SimTime::ZERO, &[][..]);
        HostView { active, weights, available, generation: 0, source, now, first_healthy, key: None }
    }

    fn pick(active: &[u32], draws: &[u64]) -> Option<u32> {
        let hosts: Vec<u32> = (0..active.len() as u32).collect();
        let weights = vec![1; active.len()];
        LeastRequest::build(&SPEC, 3).pick(&view(active, &weights, &hosts), &mut Draw::given(draws))
    }

    #[test]
    fn the_less_busy_of_two_wins_and_a_tie_keeps_the_first() {
        assert_eq!(pick(&[4, 3, 2, 1], &[99, 0, 1]), Some(1));
        assert_eq!(pick(&[3, 3, 3], &[99, 2, 0]), Some(2));
        assert_eq!(pick(&[9, 0], &[99, 2, 4]), Some(0));
        assert_eq!(pick(&[], &[99]), None);
    }

    #[test]
    fn a_full_scan_finds_the_least_busy_and_draws_among_equals() {
        let spec = BalancerSpec { scans_all: true, ..SPEC };
        let pick = |active: &[u32], draws: &[u64]| {
            let hosts: Vec<u32> = (0..active.len() as u32).collect();
            let weights = vec![1; active.len()];
            LeastRequest::build(&spec, 3).pick(&view(active, &weights, &hosts), &mut Draw::given(draws))
        };
        assert_eq!(pick(&[4, 3, 2, 1], &[0]), Some(3));
        assert_eq!(pick(&[1, 2, 1, 1], &[0, 1, 3]), Some(3));
        assert_eq!(pick(&[1, 2, 1, 1], &[0, 2, 1]), Some(2));
        let mut counts = [0; 3];
        for n in 0..3_000 {
            let view = view(&[7; 3], &[1; 3], &[0, 1, 2]);
            let host = LeastRequest::build(&spec, 0).pick(&view, &mut Draw::at(n, Purpose::HostPick));
            counts[host.unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn weights_switch_the_draws_off() {
        let mut balancer = LeastRequest::build(&SPEC, 0);
        let view = view(&[0, 1], &[1, 2], &[0, 1]);
        let picks: Vec<_> = (0..6).map(|_| balancer.pick(&view, &mut Draw::given(&[5]))).collect();
        assert!(picks.iter().all(Option::is_some));
    }

    #[test]
    fn a_fresh_host_gets_little_until_its_window_is_over() {
        let slow_start =
            SlowStartSpec { window: SimDuration::from_secs(60), min_weight_percent: 10.0, aggression: 1.0 };
        let mut balancer = LeastRequest::build(&BalancerSpec { slow_start: Some(slow_start), ..SPEC }, 0);
        let joined = SimTime::ZERO + SimDuration::from_secs(100);
        let mut share = |seconds| {
            let now = joined + SimDuration::from_secs(seconds);
            let view = HostView {
                now,
                generation: seconds as u32,
                first_healthy: &[SimTime::ZERO, joined],
                ..view(&[0, 0], &[1, 1], &[0, 1])
            };
            let drawn = (0..1_000).map(|n| balancer.pick(&view, &mut Draw::at(n, Purpose::HostPick)));
            drawn.filter(|host| *host == Some(1)).count()
        };
        assert_eq!(share(0), 91);
        assert_eq!(share(30), 333);
        assert!((450..550).contains(&share(60)), "equal hosts are drawn at random again");
    }
}
