//! CONNECTION, which is no balancer of Envoy's: a caller behind a ztunnel that keeps one connection, and with it the pod
//! that was drawn when it was made. It makes the next one when that pod is no candidate any more. Source: semantics S22.2.

use super::balancer::{Balancer, HostView};
use crate::kernel::random::{Draw, Purpose, draw};
use crate::mesh::policy_spec::BalancerSpec;

pub struct Connection {
    seed: u64,
    made: u64,
    host: Option<u32>,
}

impl Connection {
    pub fn build(_: &BalancerSpec, seed: u64) -> Box<dyn Balancer> {
        Box::new(Connection { seed, made: 0, host: None })
    }
}

impl Balancer for Connection {
    fn pick(&mut self, view: &HostView<'_>, _: &mut Draw<'_>) -> Option<u32> {
        self.host = self.host.filter(|host| view.available.binary_search(host).is_ok());
        if self.host.is_none() && !view.available.is_empty() {
            let drawn = draw(self.seed, Purpose::BareHostPick, self.made);
            self.host = Some(view.available[(drawn % view.available.len() as u64) as usize]);
            self.made += 1;
        }
        self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimTime;

    #[test]
    fn a_connection_stays_until_its_pod_goes() {
        let mut balancer = Connection::build(&BalancerSpec::plain("CONNECTION"), 9);
        let view = HostView {
            active: &[0; 4],
            weights: &[1; 4],
            available: &[0, 1, 2, 3],
            generation: 0,
            source: 0,
            now: SimTime::ZERO,
            first_healthy: &[],
            key: None,
        };
        let mut pick = |available: &[u32], number| {
            balancer.pick(&HostView { available, ..view }, &mut Draw::given(&[number]))
        };
        let all = [0, 1, 2, 3];
        let first = pick(&all, 0).expect("there are pods");
        assert!((1..20).all(|number| pick(&all, number) == Some(first)));
        let rest: Vec<u32> = all.into_iter().filter(|host| *host != first).collect();
        let second = pick(&rest, 0).expect("there are others");
        assert_ne!(second, first);
        // It does not go back.
        assert_eq!(pick(&all, 0), Some(second));
        assert_eq!(pick(&[], 0), None);
    }
}
