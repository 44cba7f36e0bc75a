//! Special functions behind the distributions: the normal and the gamma law and their inverses, on `libm` alone so
//! that they give the same bits everywhere. Probabilities travel as [`Rank`], which keeps far tails exact.

/// How many numbers a draw can stand for: 2^53.
pub const NUMBERS: u64 = 1 << 53;

/// A probability, told as the distance from the nearer end: `tail` is in [0, 0.5].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rank {
    pub tail: f64,
    /// The distance is from 1, not from 0.
    pub is_upper: bool,
}

impl Rank {
    /// `p` is clamped to [0, 1].
    pub fn new(p: f64) -> Rank {
        let p = p.clamp(0.0, 1.0);
        if p <= 0.5 { Rank { tail: p, is_upper: false } } else { Rank { tail: 1.0 - p, is_upper: true } }
    }

    /// From a probability and its complement, of which the smaller one counts.
    pub fn from_tails(lower: f64, upper: f64) -> Rank {
        if lower <= upper {
            Rank { tail: lower, is_upper: false }
        } else {
            Rank { tail: upper, is_upper: true }
        }
    }

    /// The middle of the `number`-th of 2^53 equal slices. Source: design D2.
    pub fn of_number(number: u64) -> Rank {
        let is_upper = number >= NUMBERS / 2;
        let distance = if is_upper { NUMBERS - 1 - number } else { number };
        Rank { tail: (distance as f64 + 0.5) / NUMBERS as f64, is_upper }
    }

    /// The first number whose slice has its middle above this probability; 2^53 if there is none.
    pub fn first_number_above(self) -> u64 {
        let slices = self.tail * NUMBERS as f64;
        if self.is_upper {
            // The farthest slice (counted from 1) with distance + 0.5 < slices.
            NUMBERS - libm::ceil(slices - 0.5).max(0.0) as u64
        } else {
            libm::floor(slices + 0.5) as u64
        }
    }

    pub fn lower(self) -> f64 {
        if self.is_upper { 1.0 - self.tail } else { self.tail }
    }

    pub fn upper(self) -> f64 {
        if self.is_upper { self.tail } else { 1.0 - self.tail }
    }

    /// -ln(1 - p), exact in both tails.
    pub fn exponential(self) -> f64 {
        if self.is_upper { -libm::log(self.tail) } else { -libm::log1p(-self.tail) }
    }
}

/// Probability that a standard normal value is at most `z`.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The inverse of [`normal_cdf`], with a relative error near 1e-16.
/// Source: M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988).
pub fn normal_quantile(rank: Rank) -> f64 {
    const CENTRE: [f64; 8] = [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ];
    const CENTRE_BELOW: [f64; 8] = [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ];
    const NEAR: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ];
    const NEAR_BELOW: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const FAR: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const FAR_BELOW: [f64; 8] = [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let sign = if rank.is_upper { 1.0 } else { -1.0 };
    let from_middle = 0.5 - rank.tail;
    if from_middle <= 0.425 {
        let r = 0.180625 - from_middle * from_middle;
        return sign * from_middle * polynomial(&CENTRE, r) / polynomial(&CENTRE_BELOW, r);
    }
    if rank.tail <= 0.0 {
        return sign * f64::INFINITY;
    }
    let r = (-libm::log(rank.tail)).sqrt();
    let distance = if r <= 5.0 {
        polynomial(&NEAR, r - 1.6) / polynomial(&NEAR_BELOW, r - 1.6)
    } else {
        polynomial(&FAR, r - 5.0) / polynomial(&FAR_BELOW, r - 5.0)
    };
    sign * distance
}

/// Past this shape the cube root of a gamma value counts as normal (Wilson and Hilferty 1931), for the series would
/// grow long. Simplified: a quantile is then off by up to 3e-5 of itself at a rank of 1e-9, and far less inside.
const NORMAL_FROM_SHAPE: f64 = 2_000.0;

/// The regularised incomplete gamma functions (P, Q) at `x`, which add up to 1. `shape` is above 0.
/// Source: Press et al., Numerical Recipes, ch. 6.2 (series below `shape + 1`, Lentz's continued fraction above).
pub fn gamma_tails(shape: f64, x: f64) -> (f64, f64) {
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if shape > NORMAL_FROM_SHAPE {
        let z = (libm::cbrt(x / shape) - (1.0 - 1.0 / (9.0 * shape))) * 3.0 * shape.sqrt();
        return (normal_cdf(z), normal_cdf(-z));
    }
    let scale = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, shape);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        let lower = (scale * sum).min(1.0);
        return (lower, 1.0 - lower);
    }
    let tiny = 1e-300;
    let mut b = x + 1.0 - shape;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..10_000 {
        let a = -f64::from(i) * (f64::from(i) - shape);
        b += 2.0;
        d = a * d + b;
        c = b + a / c;
        d = 1.0 / if d.abs() < tiny { tiny } else { d };
        c = if c.abs() < tiny { tiny } else { c };
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    let upper = (scale * fraction).min(1.0);
    (1.0 - upper, upper)
}

/// The quantile of a gamma value with scale 1; `shape` is above 0.
///
/// Newton's method on the logarithms of tail and value: the curve is concave there, so every start leads home.
pub fn gamma_quantile(shape: f64, rank: Rank) -> f64 {
    if rank.tail <= 0.0 {
        return if rank.is_upper { f64::INFINITY } else { 0.0 };
    }
    let root = 1.0 - 1.0 / (9.0 * shape) + normal_quantile(rank) / (3.0 * shape.sqrt());
    if shape > NORMAL_FROM_SHAPE {
        return shape * (root * root * root).max(0.0);
    }
    // For small x, P(x) = x^shape / Gamma(shape + 1); the relative error of this start is about x.
    let near_zero = (libm::log(rank.lower()) + libm::lgamma(shape + 1.0)) / shape;
    if near_zero < -36.0 {
        return libm::exp(near_zero);
    }
    let cubed = shape * root * root * root;
    let mut log_x = if shape > 0.5 && root > 0.1 { libm::log(cubed) } else { near_zero.min(1.0) };
    for _ in 0..100 {
        let x = libm::exp(log_x);
        let (lower, upper) = gamma_tails(shape, x);
        let density = libm::exp(shape * log_x - x - libm::lgamma(shape));
        let (tail, slope) = if rank.is_upper { (upper, -density) } else { (lower, density) };
        let step = (libm::log(tail / rank.tail) * tail / slope).clamp(-40.0, 40.0);
        // Rightwards the tail falls like exp(-x), and a long stride would leave the range of doubles.
        let step = step.max(-2.0);
        log_x -= step;
        if step.abs() < 1e-9 {
            break; // the next one would be of the order of its square
        }
    }
    libm::exp(log_x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, wanted: f64, relative: f64) {
        assert!((got - wanted).abs() <= relative * wanted.abs(), "got {got}, wanted {wanted}");
    }

    #[test]
    fn normal_quantiles_have_their_tabled_values() {
        close(normal_quantile(Rank::new(0.99)), 2.326_347_874_040_840_8, 1e-15);
        close(normal_quantile(Rank::new(0.975)), 1.959_963_984_540_054, 1e-15);
        close(normal_quantile(Rank::new(0.25)), -0.674_489_750_196_081_7, 1e-15);
        close(normal_quantile(Rank::new(1e-10)), -6.361_340_902_404_056, 1e-14);
        close(normal_quantile(Rank { tail: 1e-20, is_upper: true }), 9.262_340_089_798_408, 1e-14);
        assert_eq!(normal_quantile(Rank::new(0.5)), 0.0);
    }

    #[test]
    fn normal_quantile_inverts_the_cdf() {
        for i in 1..2_000 {
            let tail = libm::exp(-f64::from(i) * 0.018 - 0.7);
            let z = normal_quantile(Rank { tail, is_upper: false });
            close(normal_cdf(z), tail, 1e-13);
        }
    }

    #[test]
    fn gamma_tails_have_closed_forms_for_whole_shapes() {
        for x in [0.1, 0.9, 2.0, 7.5, 40.0] {
            close(gamma_tails(1.0, x).1, libm::exp(-x), 1e-13);
            close(gamma_tails(3.0, x).1, libm::exp(-x) * (1.0 + x + x * x / 2.0), 1e-13);
            close(gamma_tails(0.5, x).0, libm::erf(f64::sqrt(x)), 1e-13);
        }
    }

    #[test]
    fn gamma_quantile_inverts_the_tails() {
        for shape in [0.01, 0.11, 0.5, 1.0, 2.5, 40.0, 1_000.0] {
            for tail in [1e-12, 1e-6, 0.001, 0.1, 0.3, 0.499] {
                let low = gamma_quantile(shape, Rank { tail, is_upper: false });
                if low > 1e-280 {
                    close(gamma_tails(shape, low).0, tail, 1e-9);
                }
                let high = gamma_quantile(shape, Rank { tail, is_upper: true });
                close(gamma_tails(shape, high).1, tail, 1e-9);
            }
        }
    }

    #[test]
    fn large_shapes_meet_the_series_where_it_ends() {
        for (tail, tolerance) in [(1e-9, 3e-5), (0.01, 1e-6), (0.2, 1e-6), (0.5, 1e-6)] {
            for is_upper in [false, true] {
                let exact = gamma_quantile(NORMAL_FROM_SHAPE, Rank { tail, is_upper });
                let root = gamma_quantile(NORMAL_FROM_SHAPE * 1.000_000_001, Rank { tail, is_upper });
                close(root, exact, tolerance);
            }
        }
    }

    #[test]
    fn ranks_and_numbers_agree_at_the_edges() {
        assert_eq!(Rank::new(0.0).first_number_above(), 0);
        assert_eq!(Rank::new(1.0).first_number_above(), NUMBERS);
        assert_eq!(Rank::new(0.5).first_number_above(), NUMBERS / 2);
        assert_eq!(Rank::new(0.75).first_number_above(), NUMBERS / 4 * 3);
        assert_eq!(Rank::new(0.25).first_number_above(), NUMBERS / 4);
        assert_eq!(Rank::of_number(0), Rank { tail: 0.5 / NUMBERS as f64, is_upper: false });
        assert_eq!(Rank::of_number(NUMBERS - 1), Rank { tail: 0.5 / NUMBERS as f64, is_upper: true });
        for number in [0, 5, NUMBERS / 2 - 1, NUMBERS / 2, NUMBERS - 3] {
            assert_eq!(Rank::of_number(number).first_number_above(), number + 1);
        }
    }
}
