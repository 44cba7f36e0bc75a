//! Where axes have their marks, and what stands beside them.

use super::super::number;

/// What an axis of values counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    PerSecond,
    Percent,
    Millis,
    Count,
}

impl Unit {
    /// A value beside an axis that reaches to `most`.
    pub fn label(self, value: f64, most: f64) -> String {
        match self {
            Unit::PerSecond | Unit::Count => number::chosen(value, 3),
            Unit::Percent => format!("{}%", number::fixed(value, 4)),
            Unit::Millis if value == 0.0 => "0".to_owned(),
            Unit::Millis => {
                let (scale, unit) = number::latency_scale(most);
                format!("{}{unit}", number::fixed(value / scale, 3))
            }
        }
    }
}

/// Marks of an axis of values: ends included, at a step of 1, 2 or 5 times a power of ten.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
}

/// From 0 to at least `most`, about `marks` steps.
pub fn from_zero(most: f64, marks: usize) -> Scale {
    // An axis of all zeros still needs a height.
    let most = if most > 0.0 { most } else { 1.0 };
    scale(0.0, most, marks)
}

/// From at most `least` to 100, for shares that are near it.
pub fn to_hundred(least: f64, marks: usize) -> Scale {
    let gap = (100.0 - least).max(0.1);
    let down = from_zero(gap, marks);
    let ticks: Vec<f64> =
        down.ticks.iter().rev().map(|tick| 100.0 - tick).filter(|tick| *tick >= 0.0).collect();
    Scale { low: (100.0 - down.high).max(0.0), high: 100.0, ticks }
}

/// For values that lie far apart, by their logarithm: from at most `least`, above 0, to at least `most`, each end 1, 2 or 5
/// times a power of ten.
pub fn decades(least: f64, most: f64) -> Scale {
    let first = libm::floor(libm::log10(least)) as i32;
    let last = libm::ceil(libm::log10(most)) as i32;
    let round = |power: i32| [1.0, 2.0, 5.0].map(|factor| factor * libm::pow(10.0, f64::from(power)));
    let all: Vec<f64> = (first..=last).flat_map(round).collect();
    let low = all.iter().copied().rfind(|mark| *mark <= least * (1.0 + 1e-9)).unwrap_or(least);
    let high = all.iter().copied().find(|mark| *mark >= most * (1.0 - 1e-9)).unwrap_or(most);
    let mut ticks: Vec<f64> = all.into_iter().filter(|mark| (low..=high).contains(mark)).collect();
    if ticks.len() > MOST_MARKS {
        let is_power = |mark: f64| (libm::log10(mark) - libm::round(libm::log10(mark))).abs() < 1e-9;
        ticks.retain(|mark| [low, high].contains(mark) || is_power(*mark));
    }
    Scale { low, high, ticks }
}

/// Marks of an axis by logarithm; with more, its ends and powers of ten alone are marked.
const MOST_MARKS: usize = 7;

/// Round marks between two ends, about `marks` of them.
pub fn between(low: f64, high: f64, marks: usize) -> Vec<f64> {
    let step = nice_step((high - low) / marks as f64);
    let first = (low / step - 1e-9).ceil();
    (0..=2 * marks).map(|mark| (first + mark as f64) * step).take_while(|mark| *mark <= high).collect()
}

fn scale(low: f64, most: f64, marks: usize) -> Scale {
    let step = nice_step((most - low) / marks as f64);
    let steps = ((most - low) / step - 1e-9).ceil().max(1.0) as usize;
    let ticks: Vec<f64> = (0..=steps).map(|tick| low + tick as f64 * step).collect();
    Scale { low, high: low + steps as f64 * step, ticks }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `raw`.
fn nice_step(raw: f64) -> f64 {
    let mut power = 1.0;
    while power > raw && power > 1e-12 {
        power /= 10.0;
    }
    while power * 10.0 <= raw {
        power *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(raw)
}

/// Moments to mark between `start_s` and `end_s`: whole seconds, minutes or hours, at most `most`.
pub fn moments(start_s: f64, end_s: f64, most: usize) -> Vec<f64> {
    const STEPS: [f64; 22] = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
        7200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0,
    ];
    let length = end_s - start_s;
    let step = STEPS.into_iter().find(|step| length / step <= most as f64).unwrap_or(length.max(1.0));
    let first = (start_s / step - 1e-9).ceil();
    (0..).map(|mark| (first + f64::from(mark)) * step).take_while(|mark| *mark <= end_s + 1e-9).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_round_marks_that_reach_the_largest() {
        assert_eq!(from_zero(437.0, 4).ticks, [0.0, 200.0, 400.0, 600.0]);
        assert_eq!(from_zero(100.0, 4).ticks, [0.0, 50.0, 100.0]);
        assert_eq!(from_zero(0.03, 3).high, 0.03);
        assert_eq!(from_zero(0.0, 2).ticks, [0.0, 0.5, 1.0]);
    }

    #[test]
    fn values_far_apart_are_marked_by_their_powers() {
        assert_eq!(decades(45.0, 480.0).ticks, [20.0, 50.0, 100.0, 200.0, 500.0]);
        let wide = decades(45.0, 4200.0);
        assert_eq!((wide.low, wide.high), (20.0, 5000.0));
        assert_eq!(wide.ticks, [20.0, 100.0, 1000.0, 5000.0]);
        assert_eq!(decades(0.1, 10.0).ticks, [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn marks_between_two_ends_are_round() {
        assert_eq!(between(74.0, 96.0, 4), [80.0, 90.0]);
        assert_eq!(between(0.0, 8.0, 4), [0.0, 2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn shares_near_a_hundred_are_seen_from_there() {
        let scale = to_hundred(98.9, 3);
        assert_eq!((scale.low, scale.high), (98.5, 100.0));
        assert_eq!(to_hundred(100.0, 2).high, 100.0);
        assert_eq!(to_hundred(0.0, 2).low, 0.0);
    }

    #[test]
    fn time_is_marked_at_whole_minutes() {
        assert_eq!(
            moments(0.0, 600.0, 10),
            [0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 420.0, 480.0, 540.0, 600.0]
        );
        assert_eq!(moments(0.0, 1.0, 4), [0.0, 0.5, 1.0]);
        assert_eq!(moments(0.0, 3600.0, 10).len(), 7);
        assert_eq!(moments(0.0, 0.0, 10), [0.0]);
    }

    #[test]
    fn marks_tell_their_unit() {
        assert_eq!(Unit::Millis.label(500.0, 2000.0), "0.5s");
        assert_eq!(Unit::Millis.label(0.2, 0.8), "200us");
        assert_eq!(Unit::Percent.label(99.5, 100.0), "99.5%");
        assert_eq!(Unit::Count.label(20.0, 40.0), "20");
    }
}
