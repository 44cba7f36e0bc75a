//! What became of the same requests under two configurations, counted. All of it is whole numbers, so that it adds up the
//! same in every order.

use crate::metrics::Histogram;
use crate::sim::{Answered, Step};

/// Pairs of one request each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Served by both.
    pub served: u64,
    /// Served by the base, failed by the candidate.
    pub lost: u64,
    /// Failed by the base, served by the candidate.
    pub gained: u64,
    /// Failed by both.
    pub failed: u64,
    /// By how much those that both served took longer, nanoseconds.
    pub slower: Histogram,
    /// By how much they took less time, nanoseconds.
    pub faster: Histogram,
    /// How many of those that both served took exactly as long.
    pub equal: u64,
}

impl Pairs {
    pub fn count(&self) -> u64 {
        self.served + self.lost + self.gained + self.failed
    }

    /// Those of which one was served and one failed.
    pub fn flips(&self) -> u64 {
        self.lost + self.gained
    }

    /// How much longer all that both served took, nanoseconds.
    pub fn change(&self) -> i128 {
        self.slower.sum() as i128 - self.faster.sum() as i128
    }

    /// Quantile `q` of the difference between those that both served, nanoseconds; negative: faster.
    pub fn change_quantile(&self, q: f64) -> Option<i64> {
        let (faster, equal, all) = (self.faster.count(), self.equal, self.served);
        if all == 0 {
            return None;
        }
        let rank = ((q * all as f64).ceil() as u64).clamp(1, all);
        // Within a side, the middle of the wanted rank's place.
        let part = |rank: u64, of: u64| (rank as f64 - 0.5) / of as f64;
        if rank <= faster {
            // The largest gain comes first.
            return self.faster.quantile(1.0 - part(rank, faster)).map(|nanos| -(nanos as i64));
        }
        if rank <= faster + equal {
            return Some(0);
        }
        let slower = self.slower.count();
        self.slower.quantile(part(rank - faster - equal, slower)).map(|nanos| nanos as i64)
    }

    pub fn merge(&mut self, other: &Pairs) {
        self.served += other.served;
        self.lost += other.lost;
        self.gained += other.gained;
        self.failed += other.failed;
        self.slower.merge(&other.slower);
        self.faster.merge(&other.faster);
        self.equal += other.equal;
    }

    fn count_in(&mut self, base: &Answered, candidate: &Answered) {
        match (base.outcome.is_success(), candidate.outcome.is_success()) {
            (true, true) => {
                self.served += 1;
                let (before, after) = (base.took.nanos(), candidate.took.nanos());
                match after.cmp(&before) {
                    std::cmp::Ordering::Greater => self.slower.record(after - before),
                    std::cmp::Ordering::Less => self.faster.record(before - after),
                    std::cmp::Ordering::Equal => self.equal += 1,
                }
            }
            (true, false) => self.lost += 1,
            (false, true) => self.gained += 1,
            (false, false) => self.failed += 1,
        }
    }
}

/// All requests of one client, or of all, by whether they went the same way under both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// No call of theirs was sent to another cluster: what changed for them came through queues and shared state.
    pub stayed: Pairs,
    /// A call that both made went to another cluster.
    pub moved: Pairs,
    /// Answered under the base alone.
    pub base_only: u64,
    /// Answered under the candidate alone.
    pub candidate_only: u64,
    /// Answered under the base, and not followed: too many would have waited for their other half. They are chosen by their
    /// keys, so that all else here is of a sample of the requests.
    pub left_out: u64,
}

impl Tally {
    pub fn unpaired(&self) -> u64 {
        self.base_only + self.candidate_only
    }

    pub fn all(&self) -> Pairs {
        let mut all = self.stayed.clone();
        all.merge(&self.moved);
        all
    }

    pub fn merge(&mut self, other: &Tally) {
        self.stayed.merge(&other.stayed);
        self.moved.merge(&other.moved);
        self.base_only += other.base_only;
        self.candidate_only += other.candidate_only;
        self.left_out += other.left_out;
    }

    pub fn pair(&mut self, base: (&Answered, &[Step]), candidate: (&Answered, &[Step])) {
        let pairs = if has_moved(base.1, candidate.1) { &mut self.moved } else { &mut self.stayed };
        pairs.count_in(base.0, candidate.0);
    }
}

/// Whether a call that both made was sent to different clusters. Steps are in order of their calls. A call that one of them
/// alone made is no other way of the request: it is what the way led to.
fn has_moved(base: &[Step], candidate: &[Step]) -> bool {
    let (mut left, mut right) = (base.iter().peekable(), candidate.iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        match one.call.cmp(&other.call) {
            std::cmp::Ordering::Less => drop(left.next()),
            std::cmp::Ordering::Greater => drop(right.next()),
            std::cmp::Ordering::Equal if one.cluster != other.cluster => return true,
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
            }
        }
    }
    false
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::kernel::{SimDuration, SimTime};
    use crate::mesh::{Flags, Outcome};

    pub(in crate::study::compare) fn answered(fate: u64, millis: u64, code: u16) -> Answered {
        Answered {
            fate,
            client: 0,
            class: 0,
            born: SimTime::from_nanos(1000u64.wrapping_sub(fate)),
            took: SimDuration::from_millis(millis),
            outcome: Outcome { code, flags: Flags::NONE },
            steps: 0..0,
        }
    }

    fn step(call: u64, cluster: u64) -> Step {
        Step { call, cluster }
    }

    #[test]
    fn each_pair_falls_into_its_cell() {
        let mut tally = Tally::default();
        for (before, after) in
            [((5, 200), (7, 200)), ((5, 200), (5, 404)), ((5, 200), (1, 503)), ((9, 500), (5, 200))]
        {
            tally.pair((&answered(1, before.0, before.1), &[]), (&answered(1, after.0, after.1), &[]));
        }
        tally.pair((&answered(1, 9, 500), &[step(1, 1)]), (&answered(1, 9, 0), &[step(1, 2)]));
        let Tally { stayed, moved, .. } = &tally;
        assert_eq!((stayed.served, stayed.lost, stayed.gained, stayed.failed), (2, 1, 1, 0));
        assert_eq!((stayed.slower.sum(), stayed.faster.count(), stayed.equal), (2_000_000, 0, 1));
        assert_eq!((moved.count(), moved.failed), (1, 1));
        assert_eq!((tally.all().count(), tally.all().flips()), (5, 2));
    }

    #[test]
    fn a_request_moves_with_a_call_that_both_made() {
        let base = [step(1, 7), step(4, 8)];
        assert!(!has_moved(&base, &[step(1, 7), step(2, 9), step(4, 8)]), "one more call");
        assert!(!has_moved(&base, &[step(1, 7)]), "one call less");
        assert!(has_moved(&base, &[step(0, 1), step(4, 9)]));
        assert!(has_moved(&base, &[step(1, 7), step(4, 9)]), "the second call");
    }

    #[test]
    fn tallies_add_up_in_every_cell() {
        let mut tally = Tally { base_only: 2, candidate_only: 5, ..Tally::default() };
        for (before, after) in [((5, 200), (7, 200)), ((5, 200), (1, 200)), ((5, 200), (5, 200))] {
            tally.pair((&answered(1, before.0, before.1), &[]), (&answered(1, after.0, after.1), &[]));
        }
        tally.pair((&answered(1, 5, 200), &[step(1, 1)]), (&answered(1, 5, 503), &[step(1, 2)]));
        tally.pair((&answered(1, 5, 503), &[step(1, 1)]), (&answered(1, 5, 503), &[step(1, 2)]));
        let mut twice = tally.clone();
        twice.merge(&tally);
        assert_eq!((twice.base_only, twice.candidate_only, twice.unpaired()), (4, 10, 14));
        let Pairs { served, slower, faster, equal, .. } = &twice.stayed;
        assert_eq!((*served, slower.count(), faster.sum(), *equal), (6, 2, 8_000_000, 2));
        assert_eq!((twice.moved.lost, twice.moved.gained, twice.moved.failed), (2, 0, 2));
    }

    #[test]
    fn differences_have_quantiles_from_the_fastest_to_the_slowest() {
        let mut tally = Tally::default();
        for after in [50, 90, 100, 100, 100, 100, 100, 100, 130, 200] {
            tally.pair((&answered(1, 100, 200), &[]), (&answered(1, after, 200), &[]));
        }
        let pairs = tally.all();
        let at = |q| (pairs.change_quantile(q).expect("some") as f64 / 1e6).round();
        assert_eq!([0.05, 0.15, 0.3, 0.8, 0.9, 1.0].map(at), [-50.0, -10.0, 0.0, 0.0, 30.0, 100.0]);
        assert_eq!(pairs.change(), 70_000_000);
        assert_eq!(Pairs::default().change_quantile(0.5), None);
    }
}
