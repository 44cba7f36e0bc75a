//! When requests are born. [`Load`] is what the scenario says, [`Arrivals`] makes the births of an open loop.
//!
//! Births sit at positions on a line of unit rate: whole numbers if evenly spaced, else sums of random gaps with mean
//! one. The rate maps positions to time (`births.rs`). So rates move births, never their numbers: the n-th birth has the same
//! position, and the same luck, at every rate. Source: design D2, D4.

use std::num::NonZeroU32;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::births::{Even, Gaps, POISSON_GAP, Profile, Renewal, SLOWEST};
use super::distribution::Distribution;
use super::sampler::Sampler;
use super::time::SimTime;

/// Rates are requests per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    Constant {
        rate: f64,
    },
    Poisson {
        rate: f64,
    },
    Bursty {
        rate: f64,
        cv: f64,
    },
    /// Linear between the points; the last rate holds on.
    Profile {
        points: Vec<(SimTime, f64)>,
        arrivals: Spacing,
    },
    Closed {
        users: NonZeroU32,
        think: Distribution,
    },
    /// Births and their class (index), in order of time.
    Trace {
        births: Vec<(SimTime, Option<usize>)>,
    },
}

impl Load {
    /// The law of the gaps between births, in parts of a mean gap, where it is random: a sampler of it serves all runs.
    pub fn gap(&self) -> Option<Distribution> {
        match self {
            Load::Poisson { .. } | Load::Profile { arrivals: Spacing::Poisson, .. } => Some(POISSON_GAP),
            Load::Bursty { cv, .. } => Some(Gaps::gamma(*cv)),
            _ => None,
        }
    }

    /// `factor` times as much: rates, or users of a closed loop, at least one. `None` for a trace, which says itself
    /// when each request is born. `factor` is positive.
    pub fn scaled(&self, factor: f64) -> Option<Load> {
        let mut scaled = self.clone();
        match &mut scaled {
            Load::Constant { rate } | Load::Poisson { rate } | Load::Bursty { rate, .. } => *rate *= factor,
            Load::Profile { points, .. } => points.iter_mut().for_each(|(_, rate)| *rate *= factor),
            Load::Closed { users, .. } => {
                let count = (f64::from(users.get()) * factor).round().clamp(1.0, f64::from(u32::MAX));
                *users = NonZeroU32::new(count as u32)?;
            }
            Load::Trace { .. } => return None,
        }
        Some(scaled)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    Constant,
    Poisson,
}

/// One request comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    pub at: SimTime,
    /// Index of its class, where a trace tells it.
    pub class: Option<usize>,
}

/// The births of an open loop, in order of time.
#[derive(Clone, Debug)]
pub struct Arrivals(Form);

#[derive(Clone, Debug)]
enum Form {
    Never,
    Even(Even),
    Renewal(Renewal),
    Profile(Profile),
    Trace(std::vec::IntoIter<(SimTime, Option<usize>)>),
}

impl Arrivals {
    /// `stream` is the client's own ([`super::random::entity_stream`]); its words are taken in sequence, one for
    /// each birth. `gap`: a sampler of [`Load::gap`], if that is something. `None` for a closed loop, whose births depend
    /// on answers.
    pub fn new(load: &Load, gap: Option<Arc<Sampler>>, stream: ChaCha8Rng) -> Option<Arrivals> {
        let runs = |rate: f64| rate >= SLOWEST;
        Some(Arrivals(match load {
            Load::Constant { rate } if runs(*rate) => Form::Even(Even::new(*rate)),
            Load::Poisson { rate } | Load::Bursty { rate, .. } if runs(*rate) => {
                Form::Renewal(Renewal::new(*rate, Gaps::new(gap, stream)))
            }
            Load::Profile { points, .. } => Form::Profile(Profile::new(points, Gaps::new(gap, stream))),
            Load::Trace { births } => Form::Trace(births.clone().into_iter()),
            Load::Closed { .. } => return None,
            Load::Constant { .. } | Load::Poisson { .. } | Load::Bursty { .. } => Form::Never,
        }))
    }

    /// `None` once there will be no more.
    #[inline]
    pub fn next_birth(&mut self) -> Option<Birth> {
        let at = match &mut self.0 {
            Form::Renewal(renewal) => renewal.next(),
            Form::Even(even) => even.next(),
            Form::Profile(profile) => profile.next()?,
            Form::Trace(births) => {
                let (at, class) = births.next()?;
                return Some(Birth { at, class });
            }
            Form::Never => return None,
        };
        Some(Birth { at: SimTime::from_nanos(at), class: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimDuration;
    use crate::kernel::random::entity_stream;

    fn arrivals(load: &Load) -> Arrivals {
        let gap = load.gap().map(|law| Arc::new(Sampler::new(&law)));
        Arrivals::new(load, gap, entity_stream(42, 0, "client/browser")).expect("an open loop")
    }

    fn times(load: &Load, count: usize) -> Vec<u64> {
        let mut arrivals = arrivals(load);
        (0..count).map_while(|_| arrivals.next_birth()).map(|birth| birth.at.nanos()).collect()
    }

    #[test]
    fn a_load_grows_by_a_factor_and_births_keep_their_numbers() {
        let load = Load::Poisson { rate: 100.0 };
        let (single, double) = (times(&load, 50), times(&load.scaled(2.0).expect("a rate"), 50));
        assert!(single.iter().zip(&double).all(|(slow, fast)| slow.abs_diff(2 * fast) <= 2));
        let users = NonZeroU32::new(10).expect("positive");
        let closed = Load::Closed { users, think: Distribution::Constant(crate::kernel::SimDuration::ZERO) };
        for (factor, expected) in [(0.25, 3), (0.01, 1), (2.0, 20)] {
            match closed.scaled(factor) {
                Some(Load::Closed { users, .. }) => assert_eq!(users.get(), expected),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(Load::Trace { births: Vec::new() }.scaled(2.0), None);
    }

    /// Births before a moment in seconds.
    fn count_before(load: &Load, seconds: u64) -> usize {
        let mut arrivals = arrivals(load);
        std::iter::from_fn(|| arrivals.next_birth())
            .take_while(|b| b.at.nanos() < seconds * 1_000_000_000)
            .count()
    }

    /// Mean gap in seconds, and the coefficient of variation.
    fn gaps(load: &Load, count: usize) -> (f64, f64) {
        let times = times(load, count);
        let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e9).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / gaps.len() as f64;
        (mean, variance.sqrt() / mean)
    }

    fn points(points: &[(u64, f64)], arrivals: Spacing) -> Load {
        let points = points.iter().map(|&(at, rate)| (SimTime::from_nanos(at * 1_000_000_000), rate));
        Load::Profile { points: points.collect(), arrivals }
    }

    #[test]
    fn even_births_are_exact_and_do_not_drift() {
        assert_eq!(times(&Load::Constant { rate: 3.0 }, 4), [0, 333_333_333, 666_666_667, 1_000_000_000]);
        assert_eq!(times(&Load::Constant { rate: 0.1 }, 2), [0, 10_000_000_000]);
        for (rate, n) in [(200.0, 1_000_000), (7_777.0, 7_777_000), (0.37, 100_000), (2.5e9, 10_000)] {
            let wanted = (n as f64 / rate * 1e9).round() as u64;
            assert_eq!(times(&Load::Constant { rate }, n + 1)[n], wanted, "rate {rate}");
        }
        assert_eq!(count_before(&Load::Constant { rate: 200.0 }, 60), 12_000);
        assert_eq!(count_before(&Load::Constant { rate: 0.1 }, 60), 6);
    }

    #[test]
    fn poisson_gaps_have_mean_and_cv_of_an_exponential() {
        let (mean, cv) = gaps(&Load::Poisson { rate: 250.0 }, 400_000);
        // Standard errors of 400,000 exponentials: 0.16 % for the mean, 0.22 % for the cv. Four of each.
        assert!((mean * 250.0 - 1.0).abs() < 0.0064, "mean {mean}");
        assert!((cv - 1.0).abs() < 0.009, "cv {cv}");
    }

    #[test]
    fn bursty_gaps_have_the_cv_that_is_asked_for() {
        for (wanted, tolerance) in [(0.3, 0.01), (1.0, 0.01), (3.0, 0.1)] {
            let (mean, cv) = gaps(&Load::Bursty { rate: 250.0, cv: wanted }, 400_000);
            assert!((mean * 250.0 - 1.0).abs() < 0.0064 * wanted, "mean {mean}");
            assert!((cv - wanted).abs() < tolerance, "cv {cv}");
        }
        assert_eq!(times(&Load::Bursty { rate: 4.0, cv: 0.0 }, 2), [250_000_000, 500_000_000]);
    }

    #[test]
    fn counts_of_bursty_births_disperse_with_the_square_of_cv() {
        let load = Load::Bursty { rate: 1_000.0, cv: 3.0 };
        let mut counts = vec![0.0; 2_000];
        for at in times(&load, 2_100_000) {
            if let Some(count) = counts.get_mut((at / 1_000_000_000) as usize) {
                *count += 1.0;
            }
        }
        let mean = counts.iter().sum::<f64>() / 2_000.0;
        let variance = counts.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / 1_999.0;
        // 2,000 windows: standard error 3 % of the index; its limit is 9.
        assert!((variance / mean - 9.0).abs() < 1.2, "index {}", variance / mean);
    }

    #[test]
    fn rates_move_births_and_never_their_positions() {
        let slow = times(&Load::Poisson { rate: 100.0 }, 1_000);
        let fast = times(&Load::Poisson { rate: 700.0 }, 1_000);
        let level = times(&points(&[(0, 100.0)], Spacing::Poisson), 1_000);
        for ((slow, fast), level) in slow.into_iter().zip(fast).zip(level) {
            assert!(slow.abs_diff(fast * 7) <= 7);
            assert!(slow.abs_diff(level) <= 1);
        }
    }

    #[test]
    fn profile_counts_are_the_integral_of_the_rate() {
        let load = points(&[(0, 100.0), (300, 800.0), (400, 0.0)], Spacing::Constant);
        assert_eq!(count_before(&load, 300), 135_000);
        assert_eq!(count_before(&load, 150), 150 * (100 + 450) / 2);
        assert_eq!(count_before(&load, 10_000), 135_000 + 40_000);
        let load = points(&[(0, 100.0), (300, 800.0), (400, 0.0)], Spacing::Poisson);
        let count = count_before(&load, 10_000) as f64;
        assert!((count - 175_000.0).abs() < 4.0 * 175_000f64.sqrt(), "{count}");
    }

    #[test]
    fn nobody_is_born_while_the_rate_is_zero() {
        let pause = [(0, 10.0), (10, 10.0), (10, 0.0), (20, 0.0), (20, 5.0)];
        for arrivals in [Spacing::Constant, Spacing::Poisson] {
            let times = times(&points(&pause, arrivals), 1_000);
            assert_eq!(times.len(), 1_000);
            assert!(times.iter().all(|at| !(10_000_000_000..20_000_000_000).contains(at)));
            assert!(times.is_sorted());
        }
        assert_eq!(
            times(&points(&pause, Spacing::Constant), 102)[99..],
            [9_900_000_000, 20_000_000_000, 20_200_000_000]
        );
        let from_zero = points(&[(5, 0.0), (6, 2.0)], Spacing::Constant);
        assert_eq!(times(&from_zero, 3), [5_000_000_000, 6_000_000_000, 6_500_000_000]);
    }

    #[test]
    fn a_rate_of_zero_bears_nobody() {
        for load in
            [Load::Constant { rate: 0.0 }, Load::Poisson { rate: 0.0 }, Load::Bursty { rate: 0.0, cv: 2.0 }]
        {
            assert_eq!(times(&load, 1), Vec::<u64>::new());
        }
        assert_eq!(times(&points(&[], Spacing::Poisson), 1), Vec::<u64>::new());
        assert_eq!(times(&points(&[(0, 0.0)], Spacing::Constant), 1), Vec::<u64>::new());
    }

    #[test]
    fn traces_come_back_and_closed_loops_have_no_births_of_their_own() {
        let births = vec![(SimTime::from_nanos(5), Some(1)), (SimTime::from_nanos(9), None)];
        let mut trace = arrivals(&Load::Trace { births });
        assert_eq!(trace.next_birth(), Some(Birth { at: SimTime::from_nanos(5), class: Some(1) }));
        assert_eq!(trace.next_birth(), Some(Birth { at: SimTime::from_nanos(9), class: None }));
        assert_eq!(trace.next_birth(), None);
        let users = NonZeroU32::MIN;
        let closed = Load::Closed { users, think: Distribution::Constant(SimDuration::ZERO) };
        assert!(Arrivals::new(&closed, None, entity_stream(42, 0, "client/browser")).is_none());
    }
}
