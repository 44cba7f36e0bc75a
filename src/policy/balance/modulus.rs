//! The remainder by a number that seldom changes: two multiplications instead of a division.

/// A divisor with its reciprocal.
#[derive(Clone, Copy, Debug)]
pub struct Modulus {
    divisor: u64,
    reciprocal: u64,
}

impl Modulus {
    /// `divisor` must not be 0.
    pub fn new(divisor: u64) -> Modulus {
        Modulus { divisor, reciprocal: u64::MAX / divisor }
    }

    #[inline(always)]
    pub fn divisor(self) -> u64 {
        self.divisor
    }

    /// `number % divisor`, exactly.
    #[inline(always)]
    pub fn of(self, number: u64) -> u64 {
        // divisor * reciprocal lies within `divisor` of 2^64, so the estimate is the quotient or one less.
        let estimate = ((u128::from(number) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = number.wrapping_sub(estimate.wrapping_mul(self.divisor));
        if rest >= self.divisor { rest - self.divisor } else { rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::random::{Purpose, draw};

    #[test]
    fn agrees_with_division() {
        let edges = [0, 1, 2, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for divisor in (1..200).chain([65_537, u64::from(u32::MAX), 1 << 32]) {
            let modulus = Modulus::new(divisor);
            let near = [divisor - 1, divisor, divisor * 2 - 1, u64::MAX - u64::MAX % divisor];
            let drawn = (0..500).map(|n| draw(divisor, Purpose::HostPick, n));
            for number in edges.into_iter().chain(near).chain(drawn) {
                assert_eq!(modulus.of(number), number % divisor, "{number} % {divisor}");
            }
        }
    }
}
