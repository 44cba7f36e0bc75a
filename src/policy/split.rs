//! Which of a route's destinations a request goes to, and which mirrors get a copy: both decided by the request's
//! one `stream_id`, so they go together. Source: semantics S3.1, S3.5, S12.1.

use crate::mesh::policy_spec::Fraction;

/// The destination's number for this request; `None` if the weights are all 0. A single destination's weight is
/// ignored. Retries stay with it. Source: semantics S3.1 to S3.3.
#[inline]
pub fn pick(weights: impl ExactSizeIterator<Item = u32> + Clone, stream_id: u64) -> Option<usize> {
    if weights.len() == 1 {
        return Some(0);
    }
    let total: u64 = weights.clone().map(u64::from).sum();
    if total == 0 {
        return None;
    }
    pick_of(weights, total, stream_id)
}

/// As [`pick`] of several, for a sum that is known already and not 0.
#[inline]
pub fn pick_of(weights: impl Iterator<Item = u32>, total: u64, stream_id: u64) -> Option<usize> {
    let mut left = stream_id % total;
    for (place, weight) in weights.enumerate() {
        if left < u64::from(weight) {
            return Some(place);
        }
        left -= u64::from(weight);
    }
    None
}

/// Whether a mirror with this share gets a copy. Source: semantics S12.1.
#[inline]
pub fn is_mirrored(share: Fraction, stream_id: u64) -> bool {
    share.hits(stream_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(weights: &[u32], stream_id: u64) -> Option<usize> {
        pick(weights.iter().copied(), stream_id)
    }

    #[test]
    fn destinations_own_intervals_in_their_order() {
        assert_eq!(at(&[90, 10], 89), Some(0));
        assert_eq!(at(&[90, 10], 90), Some(1));
        assert_eq!(at(&[30, 30, 40], 560), Some(2));
        assert_eq!(at(&[5, 0, 95], 5), Some(2));
        assert_eq!(at(&[0], 7), Some(0));
        assert_eq!(at(&[0, 0], 7), None);
        assert_eq!(at(&[], 7), None);
        assert_eq!(at(&[u32::MAX, u32::MAX], u64::MAX), Some(1));
    }

    #[test]
    fn a_shift_of_weight_moves_only_what_it_must() {
        for stream_id in 0..100 {
            let (before, after) = (at(&[90, 10], stream_id), at(&[80, 20], stream_id));
            assert_eq!(before != after, (80..90).contains(&stream_id));
        }
    }

    #[test]
    fn mirrors_of_equal_share_fire_together() {
        let share = Fraction { numerator: 50, denominator: 100 };
        assert!(is_mirrored(share, 149));
        assert!(!is_mirrored(share, 150));
    }
}
