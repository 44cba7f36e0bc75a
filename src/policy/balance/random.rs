//! RANDOM: any host, by the draw that has chosen the priority. Source: semantics S5.5.

use super::balancer::{Balancer, HostView};
use super::modulus::Modulus;
use crate::kernel::random::Draw;
use crate::mesh::policy_spec::BalancerSpec;

pub struct Random {
    hosts: Modulus,
}

impl Random {
    pub fn build(_: &BalancerSpec, _: u64) -> Box<dyn Balancer> {
        Box::new(Random { hosts: Modulus::new(1) })
    }
}

impl Balancer for Random {
    fn pick(&mut self, view: &HostView<'_>, draw: &mut Draw<'_>) -> Option<u32> {
        let number = draw.next();
        let count = view.available.len() as u64;
        if count == 0 {
            return None;
        }
        if self.hosts.divisor() != count {
            self.hosts = Modulus::new(count);
        }
        Some(view.available[self.hosts.of(number) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimTime;

    #[test]
    fn takes_one_draw_and_all_of_it() {
        let spec = BalancerSpec::plain("RANDOM");
        let mut balancer = Random::build(&spec, 9);
        let view = HostView {
            active: &[0; 4],
            weights: &[1; 4],
            available: &[0, 2, 3],
            generation: 0,
            source: 0,
            now: SimTime::ZERO,
            first_healthy: &[],
            key: None,
        };
        let mut pick = |number| balancer.pick(&view, &mut Draw::given(&[number]));
        assert_eq!([pick(0), pick(101), pick(u64::MAX)], [Some(0), Some(3), Some(0)]);
        assert_eq!(balancer.pick(&HostView { available: &[], ..view }, &mut Draw::given(&[1])), None);
    }
}
