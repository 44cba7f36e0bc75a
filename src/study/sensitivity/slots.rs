//! Single values of a mesh that can be made larger or smaller in place, whatever they mean.

use std::num::NonZeroU32;

use crate::kernel::arrivals::Load;
use crate::kernel::distribution::Distribution;
use crate::kernel::quantile::round_nanos;
use crate::kernel::random::Chance;
use crate::kernel::{SimDuration, SimTime};

/// One value, where it stands.
pub(super) enum Slot<'a> {
    Law(&'a mut Distribution),
    Length(&'a mut SimDuration),
    Chance(&'a mut Chance),
    /// `u32::MAX` is no limit.
    Whole(&'a mut u32),
    Count(&'a mut NonZeroU32),
    Load(&'a mut Load),
}

impl Slot<'_> {
    /// Why the value cannot be made larger or smaller; `None` if it can.
    pub fn fixed(&self) -> Option<&'static str> {
        match self {
            Slot::Law(law) => (law.mean() == 0.0).then_some("it is 0s"),
            Slot::Length(length) => length.is_zero().then_some("it is 0s"),
            Slot::Chance(chance) => chance.is_never().then_some("it is 0%"),
            Slot::Whole(number) => match **number {
                0 => Some("it is 0"),
                u32::MAX => Some("it is unlimited"),
                _ => None,
            },
            Slot::Count(_) => None,
            Slot::Load(Load::Trace { .. }) => Some("a trace says itself when each request is born"),
            Slot::Load(_) => None,
        }
    }

    /// `factor` times the value; whole numbers move by at least one, down to one. A share stays below 100 %.
    pub fn scale(&mut self, factor: f64) {
        match self {
            Slot::Law(law) => **law = law.scaled(factor),
            Slot::Length(length) => {
                **length = SimDuration::from_nanos(round_nanos(length.nanos() as f64 * factor));
            }
            Slot::Chance(chance) => **chance = Chance::new(chance.probability() * factor),
            Slot::Whole(number) => **number = whole(**number, factor),
            Slot::Count(number) => {
                **number = NonZeroU32::new(whole(number.get(), factor)).unwrap_or(NonZeroU32::MIN);
            }
            Slot::Load(load) => {
                if let Some(scaled) = load.scaled(factor) {
                    **load = scaled;
                }
            }
        }
    }

    /// A number that grows as the value does; above zero where the value is not fixed.
    pub fn size(&self) -> f64 {
        match self {
            Slot::Law(law) => law.mean(),
            Slot::Length(length) => length.nanos() as f64,
            Slot::Chance(chance) => chance.probability(),
            Slot::Whole(number) => f64::from(**number),
            Slot::Count(number) => f64::from(number.get()),
            Slot::Load(load) => match load {
                Load::Constant { rate } | Load::Poisson { rate } | Load::Bursty { rate, .. } => *rate,
                Load::Profile { points, .. } => most(points),
                Load::Closed { users, .. } => f64::from(users.get()),
                Load::Trace { .. } => 0.0,
            },
        }
    }

    /// The value for people.
    pub fn text(&self) -> String {
        match self {
            Slot::Law(law) => match law.constant() {
                Some(value) => value.to_string(),
                None => format!("mean {}", rounded(law.mean() * 1e9)),
            },
            Slot::Length(length) => rounded(length.nanos() as f64),
            Slot::Chance(chance) => format!("{}%", short(chance.probability() * 100.0)),
            Slot::Whole(number) => number.to_string(),
            Slot::Count(number) => number.to_string(),
            Slot::Load(load) => match load {
                Load::Constant { rate } | Load::Poisson { rate } | Load::Bursty { rate, .. } => {
                    format!("{}rps", short(*rate))
                }
                Load::Profile { points, .. } => format!("up to {}rps", short(most(points))),
                Load::Closed { users, .. } => format!("{users} users"),
                Load::Trace { .. } => "a trace".to_owned(),
            },
        }
    }
}

fn most(points: &[(SimTime, f64)]) -> f64 {
    points.iter().map(|point| point.1).fold(0.0, f64::max)
}

fn whole(number: u32, factor: f64) -> u32 {
    let scaled = (f64::from(number) * factor).round().min(f64::from(u32::MAX - 1)) as u32;
    if factor < 1.0 { scaled.min(number - 1).max(1) } else { scaled.max(number + 1) }
}

/// Nanoseconds by four digits.
fn rounded(nanos: f64) -> String {
    SimDuration::from_nanos(round_nanos(digits(nanos))).to_string()
}

fn short(value: f64) -> String {
    digits(value).to_string()
}

fn digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_move_by_at_least_one_and_stay_above_zero() {
        assert_eq!([1, 2, 10, 100].map(|number| whole(number, 0.8)), [1, 1, 8, 80]);
        assert_eq!([1, 2, 10, 100].map(|number| whole(number, 1.2)), [2, 3, 12, 120]);
    }

    #[test]
    fn values_are_told_by_four_digits() {
        let mut law = Distribution::exponential(SimDuration::from_nanos(12_345_678)).expect("a law");
        assert_eq!(Slot::Law(&mut law).text(), "mean 12.35ms");
        let mut load = Load::Poisson { rate: 80.000_000_001 };
        assert_eq!(Slot::Load(&mut load).text(), "80rps");
        let mut rare = Chance::new(0.0012);
        assert_eq!(Slot::Chance(&mut rare).text(), "0.12%");
    }
}
