//! Which member of a population a draw picks: all alike, or by Zipf's law.

use super::random::place_of;
use super::special::NUMBERS;

/// The k-th of `count` members (from 0) has a share in proportion to 1 / (k + 1)^exponent.
#[derive(Clone, Debug)]
pub struct Zipf {
    count: u32,
    /// The first of 2^53 numbers that belongs to the next member; empty if all are alike.
    ends: Box<[u64]>,
}

impl Zipf {
    /// `exponent` is 0 (all alike) or above; a count of 0 acts as 1. Takes 8 bytes a member.
    pub fn new(count: u32, exponent: f64) -> Zipf {
        let count = count.max(1);
        if exponent.is_nan() || exponent <= 0.0 {
            return Zipf { count, ends: Box::default() };
        }
        let share = |member: u32| libm::pow(f64::from(member) + 1.0, -exponent);
        // The smallest first, so that they are not lost in the sum.
        let total: f64 = (0..count).rev().map(share).sum();
        let mut sum = 0.0;
        let ends = (0..count).map(|member| {
            sum += share(member);
            ((sum / total * NUMBERS as f64) as u64).min(NUMBERS)
        });
        Zipf { count, ends: ends.collect() }
    }

    pub fn uniform(count: u32) -> Zipf {
        Zipf::new(count, 0.0)
    }

    /// The member, below the count.
    #[inline]
    pub fn pick(&self, draw: u64) -> u32 {
        if self.ends.is_empty() {
            return place_of(draw, self.count as usize) as u32;
        }
        let number = draw >> 11;
        let member = self.ends.partition_point(|&end| end <= number) as u32;
        member.min(self.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of the members over evenly spread draws.
    fn shares(zipf: &Zipf, count: u32) -> Vec<f64> {
        let mut picks = vec![0u32; count as usize];
        for i in 0..1u64 << 16 {
            picks[zipf.pick((i << 48) + (1 << 47)) as usize] += 1;
        }
        picks.iter().map(|&n| f64::from(n) / 65_536.0).collect()
    }

    #[test]
    fn members_are_alike_without_an_exponent() {
        for share in shares(&Zipf::uniform(10), 10) {
            assert!((share - 0.1).abs() < 1e-4);
        }
    }

    #[test]
    fn shares_fall_by_the_law() {
        let harmonic: f64 = (1..=500).map(|k| 1.0 / f64::from(k)).sum();
        for (k, share) in shares(&Zipf::new(500, 1.0), 500).into_iter().enumerate() {
            assert!((share - 1.0 / (k as f64 + 1.0) / harmonic).abs() < 3e-5, "member {k}: {share}");
        }
    }

    #[test]
    fn both_ends_are_members() {
        for zipf in [Zipf::uniform(3), Zipf::new(3, 1.1), Zipf::new(1, 2.0), Zipf::new(0, 0.0)] {
            assert_eq!(zipf.pick(0), 0);
            assert_eq!(zipf.pick(u64::MAX), zipf.count - 1);
        }
    }
}
