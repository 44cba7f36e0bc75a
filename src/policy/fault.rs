//! Faults that a route injects before anything else happens to a request. Source: semantics S11.

use crate::kernel::SimDuration;
use crate::mesh::outcome::{Flag, Outcome};
use crate::mesh::policy_spec::FaultSpec;

/// How long this request is held up first (flag `DI`), before the route's timer starts. Source: semantics S11.3, S11.4.
#[inline]
pub fn delay(spec: &FaultSpec, draw: u64) -> Option<SimDuration> {
    spec.delay.filter(|(share, _)| share.hits(draw)).map(|(_, length)| length)
}

/// The answer that this request gets instead of a route, decided after the delay with a draw of its own. A delay's
/// flag comes before `FI`. Source: semantics S11.3, S11.5.
#[inline]
pub fn abort(spec: &FaultSpec, draw: u64) -> Option<Outcome> {
    spec.abort.filter(|(share, _)| share.hits(draw)).map(|(_, code)| Outcome::new(code, Flag::FI))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::policy_spec::Fraction;

    #[test]
    fn each_fault_has_a_draw_of_its_own() {
        let length = SimDuration::from_secs(5);
        let spec = FaultSpec {
            delay: Some((Fraction::of_percent(0.1), length)),
            abort: Some((Fraction::of_percent(50.0), 503)),
        };
        assert_eq!(delay(&spec, 999), Some(length));
        assert_eq!(delay(&spec, 1_000), None);
        assert_eq!(abort(&spec, 499_999), Some(Outcome::new(503, Flag::FI)));
        assert_eq!(abort(&spec, 500_000), None);
        assert_eq!(delay(&FaultSpec::default(), 0), None);
        assert_eq!(abort(&FaultSpec::default(), 0), None);
    }
}
