//! Which timers an attempt has. Source: semantics S10.

use crate::kernel::SimDuration;

/// The timer that runs from the moment an attempt has its stream; `None` if there is none, or none that could fire
/// before the route's own. Source: semantics S10.2.
pub fn per_try(per_try: Option<SimDuration>, route: Option<SimDuration>) -> Option<SimDuration> {
    per_try.filter(|limit| !limit.is_zero() && route.is_none_or(|route| *limit < route))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_per_try_timeout_that_reaches_the_routes_is_ignored() {
        let millis = SimDuration::from_millis;
        assert_eq!(per_try(Some(millis(300)), Some(millis(1_000))), Some(millis(300)));
        assert_eq!(per_try(Some(millis(1_000)), Some(millis(1_000))), None);
        assert_eq!(per_try(Some(millis(1_000)), None), Some(millis(1_000)));
        assert_eq!(per_try(None, Some(millis(1))), None);
    }
}
