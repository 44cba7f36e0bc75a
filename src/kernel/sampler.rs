//! Distributions made ready: a draw in, a duration out, in a few nanoseconds.

use super::distribution::Distribution;
use super::quantile::{LONGEST_NANOS, Pieces, QuantileTable, round_nanos};
use super::special::{NUMBERS, Rank};
use super::time::SimDuration;

/// A distribution made ready: one draw in, one duration out. The duration never falls when the draw rises, so luck
/// stays in step when a distribution changes. Source: design D2.
#[derive(Clone, Debug)]
pub struct Sampler {
    form: Form,
    law: Distribution,
}

#[derive(Clone, Debug)]
enum Form {
    Constant(SimDuration),
    /// Exact by itself: a few straight lines.
    Pieces(Pieces),
    Table(Box<QuantileTable>),
}

impl Sampler {
    pub fn new(law: &Distribution) -> Sampler {
        let form = match law {
            _ if law.constant().is_some() => Form::Constant(law.constant().unwrap_or_default()),
            Distribution::Uniform { .. } => Form::Pieces(ranges(law, &[])),
            Distribution::Quantiles(points) => {
                let inner: Vec<u64> =
                    points.iter().map(|&(p, _)| Rank::new(p).first_number_above()).collect();
                Form::Pieces(ranges(law, &inner))
            }
            Distribution::Mixture(parts) => match steps(parts) {
                Some(steps) => Form::Pieces(steps),
                None => Form::Table(Box::new(QuantileTable::new(&bounded(law), &breaks(law)))),
            },
            _ => Form::Table(Box::new(QuantileTable::new(&bounded(law), &[]))),
        };
        Sampler { form, law: law.clone() }
    }

    /// The duration that this draw stands for: the quantile at u = (draw / 2^11 + 0.5) * 2^-53.
    #[inline(always)]
    pub fn sample(&self, draw: u64) -> SimDuration {
        let number = draw >> 11;
        match &self.form {
            Form::Constant(value) => *value,
            Form::Pieces(pieces) => SimDuration::from_nanos(pieces.nanos(number)),
            Form::Table(table) => match table.nanos(number) {
                Some(nanos) => SimDuration::from_nanos(nanos),
                None => self.sample_exactly(number),
            },
        }
    }

    #[cold]
    fn sample_exactly(&self, number: u64) -> SimDuration {
        SimDuration::from_nanos(round_nanos(self.law.quantile_at(Rank::of_number(number))))
    }

    /// The one duration that comes out, whatever the draw: no draw needs to be made then.
    pub fn constant(&self) -> Option<SimDuration> {
        match self.form {
            Form::Constant(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_zero(&self) -> bool {
        self.constant() == Some(SimDuration::ZERO)
    }

    pub fn distribution(&self) -> &Distribution {
        &self.law
    }
}

/// The quantile function for the table: a mixture is searched only between the neighbours that are known.
fn bounded(law: &Distribution) -> impl Fn(Rank, f64, f64) -> f64 {
    move |rank, low, high| {
        let nanos = match law {
            Distribution::Mixture(_) if high.is_finite() => law.invert(rank, low, high),
            _ => law.quantile_at(rank),
        };
        nanos.min(LONGEST_NANOS as f64)
    }
}

/// Numbers at which a mixture's quantile function jumps or bends, ascending.
fn breaks(law: &Distribution) -> Vec<u64> {
    let mut corners = Vec::new();
    law.corners(&mut corners);
    let sides = corners.into_iter().flat_map(|nanos| [nanos.next_down(), nanos]);
    let mut numbers: Vec<u64> = sides
        .map(|nanos| {
            let (lower, upper) = law.tails(nanos);
            Rank::from_tails(lower, upper).first_number_above()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The law as straight lines between breaks, where it is one.
fn ranges(law: &Distribution, breaks: &[u64]) -> Pieces {
    let mut pieces = Pieces::default();
    let at = |number| law.quantile_at(Rank::of_number(number));
    let mut from = 0;
    for &next in breaks.iter().chain(&[NUMBERS]) {
        if next > from && next <= NUMBERS {
            pieces.push(from, at(from), next - 1, at(next - 1));
            from = next;
        }
    }
    pieces
}

/// A mixture of constants: a flat line for each.
fn steps(parts: &[(f64, Distribution)]) -> Option<Pieces> {
    let values: Option<Vec<(SimDuration, f64)>> =
        parts.iter().map(|(weight, part)| Some((part.constant()?, *weight))).collect();
    let mut values = values?;
    values.sort_by_key(|&(value, _)| value);
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    let mut pieces = Pieces::default();
    let (mut start, mut below) = (0, 0.0);
    for (i, &(value, weight)) in values.iter().enumerate() {
        below += weight;
        let above: f64 = values[i + 1..].iter().map(|(_, weight)| weight).sum();
        let next = Rank::from_tails(below / total, above / total).first_number_above();
        if next > start {
            let nanos = value.nanos() as f64;
            pieces.push(start, nanos, next - 1, nanos);
            start = next;
        }
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> SimDuration {
        SimDuration::from_millis(millis)
    }

    fn close(got: f64, wanted: f64, relative: f64) {
        assert!((got - wanted).abs() <= relative * wanted.abs(), "got {got}, wanted {wanted}");
    }

    fn mixture(parts: &[(f64, Distribution)]) -> Distribution {
        Distribution::mixture(parts.to_vec()).unwrap()
    }

    fn fortio() -> Distribution {
        let values = [(90.0, ms(20)), (9.0, ms(200)), (1.0, ms(2_000))];
        mixture(&values.map(|(weight, value)| (weight, Distribution::Constant(value))))
    }

    fn every_kind() -> Vec<Distribution> {
        let exponential = Distribution::Exponential { mean: ms(5) };
        vec![
            Distribution::Constant(ms(5)),
            Distribution::Uniform { low: ms(1), high: ms(9) },
            exponential.clone(),
            Distribution::log_normal_p50_p99(ms(12), ms(80)).unwrap(),
            Distribution::log_normal_mean_cv(ms(3), 4.0).unwrap(),
            Distribution::gamma(ms(10), 0.3).unwrap(),
            Distribution::gamma(ms(10), 3.0).unwrap(),
            Distribution::gamma(ms(10), 0.01).unwrap(),
            Distribution::weibull_p50_p99(ms(12), ms(300)).unwrap(),
            Distribution::pareto(ms(2), 2.6).unwrap(),
            Distribution::quantiles(vec![(0.5, ms(12)), (0.9, ms(30)), (0.99, ms(80))]).unwrap(),
            fortio(),
            mixture(&[(90.0, exponential.clone()), (10.0, Distribution::Constant(ms(200)))]),
            mixture(&[(90.0, exponential), (10.0, Distribution::Constant(ms(4)))]),
            mixture(&[
                (80.0, Distribution::log_normal_p50_p99(ms(4), ms(9)).unwrap()),
                (15.0, Distribution::gamma(ms(150), 0.02).unwrap()),
                (5.0, Distribution::Uniform { low: ms(900), high: ms(1_000) }),
            ]),
        ]
    }

    /// Mean and variance in seconds over all draws: each octave of rarity in many slices.
    fn moments(sampler: &Sampler) -> (f64, f64) {
        let (mut mean, mut square) = (0.0, 0.0);
        for octave in (0..52u32).rev() {
            let slices = if octave < 33 { 1u64 << octave.min(4) } else { 1 << 11 };
            let width = (1u64 << octave) / slices;
            let weight = width as f64 / NUMBERS as f64;
            for slice in 0..slices {
                let x = (1u64 << octave) + slice * width + width / 2;
                for number in [x, NUMBERS - 1 - x] {
                    let seconds = sampler.sample(number << 11).seconds();
                    mean += weight * seconds;
                    square += weight * seconds * seconds;
                }
            }
        }
        (mean, square - mean * mean)
    }

    #[test]
    fn samples_have_the_mean_and_variance_of_the_law() {
        for law in every_kind() {
            let (mean, variance) = moments(&Sampler::new(&law));
            assert!((mean - law.mean()).abs() <= 1e-3 * law.mean(), "{law:?}: {mean}, not {}", law.mean());
            let wanted = law.variance();
            assert!((variance - wanted).abs() <= 1e-3 * wanted + 1e-15, "{law:?}: {variance}, not {wanted}");
        }
    }

    #[test]
    fn samples_never_fall_when_draws_rise() {
        for law in every_kind() {
            let sampler = Sampler::new(&law);
            let mut last = SimDuration::ZERO;
            for step in 0..=200_000u64 {
                let value = sampler.sample(step * (u64::MAX / 200_000));
                assert!(value >= last, "{law:?} at {step}");
                last = value;
            }
        }
    }

    #[test]
    fn samples_are_the_quantiles_of_the_law() {
        for law in every_kind() {
            let sampler = Sampler::new(&law);
            for step in 0..2_000u64 {
                let draw = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (step % 24);
                for draw in [draw, !draw] {
                    let nanos = sampler.sample(draw).nanos() as f64;
                    let exact = law.quantile_at(Rank::of_number(draw >> 11));
                    assert!(
                        (nanos - exact).abs() <= 5e-4 * exact + 1.0,
                        "{law:?} at {draw}: {nanos}, not {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn percentiles_that_people_give_come_out() {
        let at = |sampler: &Sampler, p: f64| {
            sampler.sample((p * 18_446_744_073_709_551_616.0) as u64).nanos() as f64
        };
        let sampler = Sampler::new(&Distribution::log_normal_p50_p99(ms(12), ms(80)).unwrap());
        close(at(&sampler, 0.5), 12e6, 1e-6);
        close(at(&sampler, 0.99), 80e6, 1e-4);
    }

    #[test]
    fn atoms_keep_their_exact_share_and_value() {
        let threshold = |share: f64| (share * 18_446_744_073_709_551_616.0) as u64;
        let sampler = Sampler::new(&fortio());
        let edge = threshold(0.9);
        assert_eq!(sampler.sample(edge - (1 << 12)), ms(20));
        assert_eq!(sampler.sample(edge + (1 << 12)), ms(200));
        assert_eq!(sampler.sample(u64::MAX), ms(2_000));
        assert_eq!(sampler.sample(0), ms(20));

        let exponential = Distribution::Exponential { mean: ms(5) };
        let sampler = Sampler::new(&mixture(&[(90.0, exponential), (10.0, Distribution::Constant(ms(4)))]));
        let first = 0.9 * (1.0 - libm::exp(-0.8));
        for share in [1e-9, 1e-6, 0.001, 0.05, 0.099_999, 0.099_999_999] {
            assert_eq!(sampler.sample(threshold(first + share)), ms(4), "at {share} of the atom");
        }
        assert!(sampler.sample(threshold(first - 1e-6)) < ms(4));
        assert!(sampler.sample(threshold(first + 0.1 + 1e-6)) > ms(4));
    }

    #[test]
    fn heavy_tails_end_at_the_longest_duration() {
        let sampler = Sampler::new(&Distribution::pareto(ms(1_000), 0.2).unwrap());
        assert_eq!(sampler.sample(u64::MAX).nanos(), LONGEST_NANOS);
        assert_eq!(sampler.sample(0), ms(1_000));
    }

    #[test]
    fn constants_need_no_draw() {
        assert_eq!(Sampler::new(&Distribution::Constant(ms(5))).constant(), Some(ms(5)));
        assert!(Sampler::new(&Distribution::Constant(SimDuration::ZERO)).is_zero());
        assert_eq!(Sampler::new(&Distribution::Exponential { mean: ms(5) }).constant(), None);
    }

    #[test]
    fn bits_are_pinned() {
        let sampler = Sampler::new(&Distribution::log_normal_p50_p99(ms(12), ms(80)).unwrap());
        let draws = [1, 0x1234_5678_9ABC_DEF0, 0x8000_0000_0000_0000, 0xFEDC_BA98_7654_3210, u64::MAX];
        assert_eq!(
            draws.map(|draw| sampler.sample(draw).nanos()),
            [13_878, 3_625_946, 12_000_000, 101_340_249, 10_376_174_635]
        );
    }
}
