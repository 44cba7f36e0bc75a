//! ROUND_ROBIN: each host in turn from a random start, or by weight. Source: semantics S5.2.

use super::balancer::{Balancer, HostView};
use super::modulus::Modulus;
use super::schedule::Schedules;
use crate::kernel::random::Draw;
use crate::mesh::policy_spec::BalancerSpec;

pub struct RoundRobin {
    seed: u64,
    /// The next turn of each host source; never reset, whoever comes and goes.
    turns: Vec<u64>,
    hosts: Modulus,
    schedules: Schedules,
}

impl RoundRobin {
    pub fn build(spec: &BalancerSpec, seed: u64) -> Box<dyn Balancer> {
        let schedules = Schedules::new(seed, spec.slow_start.as_ref());
        Box::new(RoundRobin { seed, turns: vec![seed], hosts: Modulus::new(1), schedules })
    }
}

impl Balancer for RoundRobin {
    fn pick(&mut self, view: &HostView<'_>, draw: &mut Draw<'_>) -> Option<u32> {
        draw.next(); // the priority's
        let count = view.available.len() as u64;
        if count == 0 {
            return None;
        }
        if let Some(host) = self.schedules.pick(view, |_, weight| weight) {
            return Some(host);
        }
        if self.hosts.divisor() != count {
            self.hosts = Modulus::new(count);
        }
        let source = view.source as usize;
        if source >= self.turns.len() {
            self.turns.resize(source + 1, self.seed);
        }
        let turn = &mut self.turns[source];
        let place = self.hosts.of(*turn);
        *turn = turn.wrapping_add(1);
        Some(view.available[place as usize])
    }

    fn refresh(&mut self, view: &HostView<'_>) {
        self.schedules.rebuild(view, |_, weight| weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimTime;
    use crate::kernel::random::Purpose;

    const SPEC: BalancerSpec = BalancerSpec::plain("ROUND_ROBIN");

    fn view<'a>(weights: &'a [u32], available: &'a [u32], generation: u32) -> HostView<'a> {
        let (source, now, first_healthy) = (0, SimTime::ZERO, &[][..]);
        HostView { active: &[], weights, available, generation, source, now, first_healthy, key: None }
    }

    fn picks(balancer: &mut dyn Balancer, view: &HostView<'_>, count: usize) -> Vec<Option<u32>> {
        (0..count).map(|_| balancer.pick(view, &mut Draw::at(1, Purpose::HostPick))).collect()
    }

    #[test]
    fn goes_on_where_it_was_when_hosts_come_and_go() {
        let mut balancer = RoundRobin::build(&SPEC, 4);
        let weights = [1; 5];
        assert_eq!(picks(&mut *balancer, &view(&weights, &[0, 1, 2], 0), 4), [1, 2, 0, 1].map(Some));
        assert_eq!(picks(&mut *balancer, &view(&weights, &[3, 4], 1), 3), [3, 4, 3].map(Some));
        assert_eq!(picks(&mut *balancer, &view(&weights, &[], 2), 1), [None]);
        assert_eq!(picks(&mut *balancer, &view(&weights, &[0, 1, 2, 3, 4], 3), 3), [1, 2, 3].map(Some));
    }

    #[test]
    fn weights_count_and_each_change_of_hosts_starts_anew() {
        let mut balancer = RoundRobin::build(&SPEC, 0);
        assert_eq!(picks(&mut *balancer, &view(&[1, 2], &[0, 1], 0), 3), [1, 0, 1].map(Some));
        assert_eq!(picks(&mut *balancer, &view(&[1, 2], &[0, 1], 1), 3), [1, 0, 1].map(Some));
    }
}
