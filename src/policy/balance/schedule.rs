//! When hosts are not equal: the choice between the plain pick and the weighted scheduler, by host source, and slow
//! start, which makes fresh hosts weigh less. Shared by the balancers that Envoy builds on EDF.
//! Source: semantics S5.2 to S5.4, S6.7.

use super::balancer::HostView;
use super::edf::Edf;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::policy_spec::SlowStartSpec;

/// Slow start, ready to be asked.
#[derive(Clone, Copy, Debug)]
pub struct SlowStart {
    window: SimDuration,
    least: f64,
    /// 1 / aggression.
    exponent: f64,
}

impl SlowStart {
    /// `None` for a window of zero, which is off.
    pub fn new(spec: &SlowStartSpec) -> Option<SlowStart> {
        let exponent = 1.0 / spec.aggression;
        let start = SlowStart { window: spec.window, least: spec.min_weight_percent / 100.0, exponent };
        (!spec.window.is_zero()).then_some(start)
    }

    /// What a host's weight is multiplied by, so long after it was first seen healthy; 1 from the window's end on.
    /// Source: semantics S6.7.
    pub fn factor(&self, elapsed: SimDuration) -> f64 {
        if elapsed >= self.window {
            return 1.0;
        }
        let elapsed = elapsed.max(SimDuration::from_millis(1));
        let share = elapsed.nanos() as f64 / self.window.nanos() as f64;
        let grown = if self.exponent == 1.0 { share } else { libm::pow(share, self.exponent) };
        grown.max(self.least)
    }

    fn host_factor(&self, view: &HostView<'_>, host: u32) -> f64 {
        match view.first_healthy.get(host as usize) {
            Some(since) if *since > SimTime::ZERO => self.factor(view.now.since(*since)),
            _ => 1.0,
        }
    }

    /// When the newest host leaves its window; `ZERO` if none was added since the run began.
    fn end(&self, view: &HostView<'_>) -> SimTime {
        let newest = newest_addition(view.first_healthy);
        if newest == SimTime::ZERO { SimTime::ZERO } else { newest + self.window }
    }
}

/// When the newest host was first seen healthy: until a window later the weighted pick holds. Source: semantics S6.7.
pub fn newest_addition(first_healthy: &[SimTime]) -> SimTime {
    first_healthy.iter().copied().max().unwrap_or(SimTime::ZERO)
}

/// One host source's scheduler.
#[derive(Clone, Debug, Default)]
struct Source {
    /// Of the view that it was built for.
    generation: Option<u32>,
    edf: Option<Edf>,
    /// Equal weights: no scheduler is needed from here on.
    until: SimTime,
}

/// The schedulers of one balancer object.
#[derive(Clone, Debug)]
pub struct Schedules {
    seed: u64,
    slow_start: Option<SlowStart>,
    sources: Vec<Source>,
}

impl Schedules {
    pub fn new(seed: u64, slow_start: Option<&SlowStartSpec>) -> Schedules {
        let slow_start = slow_start.and_then(SlowStart::new);
        Schedules { seed, slow_start, sources: vec![Source::default()] }
    }

    /// The weighted pick, or `None` where all weigh the same and the plain pick holds. `scale` turns a host's weight
    /// into its effective one of this moment, before slow start.
    #[inline]
    pub fn pick(&mut self, view: &HostView<'_>, scale: impl Fn(u32, f64) -> f64) -> Option<u32> {
        let source = view.source as usize;
        let is_current =
            self.sources.get(source).is_some_and(|source| source.generation == Some(view.generation));
        if !is_current {
            self.rebuild(view, &scale);
        }
        if self.sources[source].edf.is_none() { None } else { self.pick_weighted(view, scale) }
    }

    #[inline(never)]
    fn pick_weighted(&mut self, view: &HostView<'_>, scale: impl Fn(u32, f64) -> f64) -> Option<u32> {
        let source = &mut self.sources[view.source as usize];
        if view.now >= source.until {
            source.edf = None;
            return None;
        }
        let slow_start = self.slow_start;
        source.edf.as_mut()?.pick(|host| effective(view, slow_start, &scale, host))
    }

    /// A new scheduler with the same seed, for a changed set of hosts.
    #[cold]
    pub fn rebuild(&mut self, view: &HostView<'_>, scale: impl Fn(u32, f64) -> f64) {
        let place = view.source as usize;
        if place >= self.sources.len() {
            self.sources.resize_with(place + 1, Source::default);
        }
        let mut weights = view.available.iter().map(|host| view.weights[*host as usize]);
        let first = weights.next();
        let is_equal = weights.all(|weight| Some(weight) == first);
        let slow_end = self.slow_start.map_or(SimTime::ZERO, |slow_start| slow_start.end(view));
        let until = if is_equal { slow_end } else { SimTime::MAX };
        let slow_start = self.slow_start;
        let edf = (view.now < until)
            .then(|| Edf::new(view.available, self.seed, |host| effective(view, slow_start, &scale, host)));
        self.sources[place] = Source { generation: Some(view.generation), edf, until };
    }
}

fn effective(
    view: &HostView<'_>,
    slow_start: Option<SlowStart>,
    scale: impl Fn(u32, f64) -> f64,
    host: u32,
) -> f64 {
    let weight = scale(host, f64::from(view.weights[host as usize]));
    slow_start.map_or(weight, |slow_start| weight * slow_start.host_factor(view, host))
}
