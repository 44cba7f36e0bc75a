//! From a rate to moments: evenly spaced births, random gaps at a constant rate, and rates that change.
//! Each is exact to a nanosecond however many births there are.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::distribution::Distribution;
use super::sampler::Sampler;
use super::time::{SimDuration, SimTime};

/// Positions count in 2^-32 of a mean gap.
const UNIT: u64 = 1 << 32;
/// Rates below this (one in 270 years) count as 0.
pub const SLOWEST: f64 = 1.0 / 8_589_934_592.0;
/// Rates above this are cut: births would share nanoseconds by the million.
const FASTEST: f64 = 1e15;

/// The gaps between neighbouring positions, in [`UNIT`]s.
#[derive(Clone, Debug)]
pub enum Gaps {
    Even,
    Random(Box<RandomGaps>),
}

#[derive(Clone, Debug)]
pub struct RandomGaps {
    gap: Arc<Sampler>,
    stream: ChaCha8Rng,
}

/// The law of the gaps of a Poisson process, in [`UNIT`]s as nanoseconds.
pub const POISSON_GAP: Distribution = Distribution::Exponential { mean: SimDuration::from_nanos(UNIT) };

impl Gaps {
    /// Gaps of a law with mean one [`UNIT`]; even ones without.
    pub fn new(gap: Option<Arc<Sampler>>, stream: ChaCha8Rng) -> Gaps {
        gap.map_or(Gaps::Even, |gap| Gaps::Random(Box::new(RandomGaps { gap, stream })))
    }

    /// The law of gamma renewals: cv 1 is Poisson, above 1 births come in bursts (the counts' index of dispersion tends to
    /// cv^2), below 1 they keep a distance. Chosen over a two-state process because one draw makes a birth, and
    /// because `cv` then says all. The first gap is as any other, so at cv 3 some 4 births more than rate x time
    /// are to be expected, however long the run.
    pub fn gamma(cv: f64) -> Distribution {
        Distribution::Gamma { mean: SimDuration::from_nanos(UNIT), cv }
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        match self {
            Gaps::Even => UNIT,
            Gaps::Random(random) => random.gap.sample(random.stream.next_u64()).nanos(),
        }
    }
}

/// Even spacing: birth n (from 0) is at n / rate, rounded to a nanosecond, without drift. The first is at once, as
/// load generators do it, so that T seconds hold exactly rate x T births where that is a whole number.
#[derive(Clone, Debug)]
pub struct Even {
    at: u64,
    /// Rounding's rest, in parts of `parts` to a nanosecond.
    rest: u128,
    step: u64,
    step_rest: u128,
    parts: u128,
}

impl Even {
    pub fn new(rate: f64) -> Even {
        // The rate is odd x 2^exponent exactly, so the period is a fraction of integers.
        let bits = rate.min(FASTEST).to_bits();
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        let odd = u128::from(mantissa >> mantissa.trailing_zeros());
        let exponent = (bits >> 52) as i32 - 1075 + mantissa.trailing_zeros() as i32;
        let (nanos, parts) = if exponent >= 0 {
            (1_000_000_000, odd << exponent)
        } else {
            (1_000_000_000u128 << -exponent, odd)
        };
        let step = u64::try_from(nanos / parts).unwrap_or(u64::MAX);
        Even { at: 0, rest: parts / 2, step, step_rest: nanos % parts, parts }
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        let at = self.at;
        self.rest += self.step_rest;
        let carry = self.rest >= self.parts;
        self.rest -= if carry { self.parts } else { 0 };
        self.at = self.at.saturating_add(self.step).saturating_add(u64::from(carry));
        at
    }
}

/// Random gaps at a constant rate. The sum is kept in 2^-64 ns, so that a billion births lose nothing.
#[derive(Clone, Debug)]
pub struct Renewal {
    gaps: Gaps,
    sum: u128,
    /// Mean gap in 2^-32 ns.
    period: u128,
}

impl Renewal {
    pub fn new(rate: f64, gaps: Gaps) -> Renewal {
        // At most 2^57 ns (4 years): times a gap of 2^38 it fits.
        let period = (1e9 / rate.min(FASTEST) * UNIT as f64).min(6e26) as u128;
        Renewal { gaps, sum: 1 << 63, period }
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.sum = self.sum.saturating_add(u128::from(self.gaps.next()) * self.period);
        (self.sum >> 64) as u64
    }
}

/// A rate that changes: each position is put where the rate, summed from the start, reaches it. Within a line the
/// moment is exact to a nanosecond for the first 100 days.
#[derive(Clone, Debug)]
pub struct Profile {
    gaps: Gaps,
    lines: Vec<Line>,
    /// The line that the next birth is in or behind.
    line: usize,
    /// Position of the next birth, counted from the start of that line.
    ahead: u128,
}

/// The rate between two points.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: u64,
    end: u64,
    /// Births per second at the start, and its change per second.
    rate: f64,
    slope: f64,
    /// Positions that it covers; `u128::MAX` for the last one.
    births: u128,
}

impl Profile {
    pub fn new(points: &[(SimTime, f64)], mut gaps: Gaps) -> Profile {
        let mut points: Vec<(u64, f64)> =
            points.iter().map(|&(at, rate)| (at.nanos(), rate.clamp(0.0, FASTEST))).collect();
        points.sort_by_key(|&(at, _)| at);
        if let Some(&(_, rate)) = points.first() {
            points.insert(0, (0, rate)); // before the first point its rate holds
        }
        let mut lines: Vec<Line> = points.windows(2).map(|pair| Line::between(pair[0], pair[1])).collect();
        if let Some(&(start, rate)) = points.last()
            && rate >= SLOWEST
        {
            lines.push(Line { start, end: u64::MAX, rate, slope: 0.0, births: u128::MAX });
        }
        let ahead = match gaps {
            Gaps::Even => 0,
            Gaps::Random(_) => u128::from(gaps.next()),
        };
        Profile { gaps, lines, line: 0, ahead }
    }

    pub fn next(&mut self) -> Option<u64> {
        // A position at the very end belongs to the next line, so that none falls into a pause.
        while self.lines.get(self.line)?.births <= self.ahead {
            self.ahead -= self.lines[self.line].births;
            self.line += 1;
        }
        let at = self.lines[self.line].time_of(self.ahead);
        self.ahead += u128::from(self.gaps.next());
        Some(at)
    }
}

impl Line {
    fn between((start, rate): (u64, f64), (end, next_rate): (u64, f64)) -> Line {
        let seconds = (end - start) as f64 / 1e9;
        let slope = if end > start { (next_rate - rate) / seconds } else { 0.0 };
        let births = f64::midpoint(rate, next_rate) * seconds * UNIT as f64;
        Line { start, end, rate, slope, births: libm::rint(births) as u128 }
    }

    /// Solves rate t + slope t^2 / 2 = position, in the form that loses no digits.
    fn time_of(&self, position: u128) -> u64 {
        let births = position as f64 / UNIT as f64;
        let root = (self.rate * self.rate + 2.0 * self.slope * births).max(0.0).sqrt();
        let seconds = if births > 0.0 { 2.0 * births / (self.rate + root) } else { 0.0 };
        self.start.saturating_add((seconds * 1e9 + 0.5) as u64).min(self.end)
    }
}
