//! Puts the answers of two runs together, request by request, as they come: by client and fate, which are the same under
//! every configuration. What has come on one side only is carried over. Source: design D2, D9.24.

use std::ops::Range;

use super::pairs::Tally;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::Outcome;
use crate::sim::{Answered, Heard, Step};

/// Requests that wait for their other half, on each side. The latest ones are kept: in a closed loop the quicker side
/// runs ahead for ever.
const MOST_WAITING: usize = 1 << 18;

/// Examples of each direction that are told with their stories.
pub const EXAMPLES: usize = 3;

/// A request that one configuration served and the other failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    pub replication: u32,
    /// Under the base.
    pub born: SimTime,
    /// Row of the mesh's clients, and of the client's classes.
    pub client: u32,
    pub class: u32,
    pub fate: u64,
    pub base: End,
    pub candidate: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub took: SimDuration,
    pub outcome: Outcome,
}

impl End {
    fn of(answered: &Answered) -> End {
        End { took: answered.took, outcome: answered.outcome }
    }
}

/// The first flips of each direction, by birth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flips {
    /// Served by the base, failed by the candidate.
    pub lost: Vec<Flip>,
    /// Failed by the base, served by the candidate.
    pub gained: Vec<Flip>,
}

impl Flips {
    fn note(&mut self, replication: u32, base: &Answered, candidate: &Answered) {
        let list = match (base.outcome.is_success(), candidate.outcome.is_success()) {
            (true, false) => &mut self.lost,
            (false, true) => &mut self.gained,
            _ => return,
        };
        let key = |flip: &Flip| (flip.born, flip.client, flip.fate);
        let Answered { fate, client, class, born, .. } = *base;
        let (base, candidate) = (End::of(base), End::of(candidate));
        let flip = Flip { replication, born, client, class, fate, base, candidate };
        let place = list.partition_point(|other| key(other) < key(&flip));
        if place < EXAMPLES {
            list.truncate(EXAMPLES - 1);
            list.insert(place, flip);
        }
    }

    /// Adds those of a later replication.
    pub fn follow(&mut self, later: Flips) {
        for (list, more) in [(&mut self.lost, later.lost), (&mut self.gained, later.gained)] {
            list.extend(more);
            list.truncate(EXAMPLES);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Flip> {
        self.lost.iter().chain(&self.gained)
    }
}

/// What one side has said that the other has not yet.
#[derive(Default)]
struct Side {
    waiting: Heard,
    /// Places in `waiting`, by client and fate.
    order: Vec<(u32, u64, u32)>,
}

impl Side {
    fn take(&mut self, heard: &Heard) {
        let shift = self.waiting.steps.len() as u32;
        self.waiting.steps.extend_from_slice(&heard.steps);
        let before = self.waiting.answered.len() as u32;
        for (place, answered) in (before..).zip(&heard.answered) {
            let Range { start, end } = answered.steps;
            self.waiting.answered.push(Answered { steps: start + shift..end + shift, ..answered.clone() });
            self.order.push((answered.client, answered.fate, place));
        }
    }

    fn len(&self) -> usize {
        self.waiting.answered.len()
    }

    fn get(&self, place: u32) -> (&Answered, &[Step]) {
        let answered = &self.waiting.answered[place as usize];
        (answered, self.waiting.steps(answered))
    }

    /// Keeps these alone, the latest of them if they are too many; hands the others to `drop`.
    fn keep(&mut self, mut places: Vec<u32>, mut drop: impl FnMut(&Answered)) {
        places.sort_unstable();
        let excess = places.len().saturating_sub(MOST_WAITING);
        let mut kept = Heard::default();
        self.order.clear();
        for (number, place) in places.into_iter().enumerate() {
            let (answered, steps) = self.get(place);
            if number < excess {
                drop(answered);
                continue;
            }
            let start = kept.steps.len() as u32;
            let row = kept.answered.len() as u32;
            kept.steps.extend_from_slice(steps);
            kept.answered.push(Answered { steps: start..kept.steps.len() as u32, ..answered.clone() });
            self.order.push((answered.client, answered.fate, row));
        }
        self.waiting = kept;
    }
}

/// Joins one replication of a base and a candidate.
pub struct Join {
    replication: u32,
    base: Side,
    candidate: Side,
    /// How many waited when both were last put together.
    left_waiting: usize,
    /// By row of the mesh's clients.
    pub tallies: Vec<Tally>,
    pub flips: Flips,
}

impl Join {
    pub fn new(replication: u32, clients: usize) -> Join {
        let tallies = vec![Tally::default(); clients];
        let (base, candidate) = (Side::default(), Side::default());
        Join { replication, base, candidate, left_waiting: 0, tallies, flips: Flips::default() }
    }

    /// Takes what both sides have said since the last time.
    pub fn hear(&mut self, base: &Heard, candidate: &Heard) {
        self.base.take(base);
        self.candidate.take(candidate);
        // Where many wait, as many more come before all are looked through again.
        if self.base.len() + self.candidate.len() >= 2 * self.left_waiting {
            self.put_together();
        }
    }

    fn put_together(&mut self) {
        let Join { replication, base: left, candidate: right, tallies, flips, .. } = self;
        left.order.sort_unstable();
        right.order.sort_unstable();
        let (mut left_only, mut right_only) = (Vec::new(), Vec::new());
        let (mut one, mut other) = (left.order.iter().peekable(), right.order.iter().peekable());
        loop {
            let key = |entry: &&(u32, u64, u32)| (entry.0, entry.1);
            let order = match (one.peek(), other.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(left), Some(right)) => key(left).cmp(&key(right)),
            };
            let entry = if order.is_le() { one.next() } else { None };
            let partner = if order.is_ge() { other.next() } else { None };
            match (entry, partner) {
                (Some(entry), Some(partner)) => {
                    let (before, after) = (left.get(entry.2), right.get(partner.2));
                    tallies[entry.0 as usize].pair(before, after);
                    flips.note(*replication, before.0, after.0);
                }
                (entry, partner) => {
                    left_only.extend(entry.map(|entry| entry.2));
                    right_only.extend(partner.map(|partner| partner.2));
                }
            }
        }
        left.keep(left_only, |answered| tallies[answered.client as usize].base_only += 1);
        right.keep(right_only, |answered| tallies[answered.client as usize].candidate_only += 1);
        self.left_waiting = self.base.len() + self.candidate.len();
    }

    /// Nothing more will come: what still waits has no other half.
    pub fn finish(mut self) -> (Vec<Tally>, Flips) {
        self.put_together();
        for answered in &self.base.waiting.answered {
            self.tallies[answered.client as usize].base_only += 1;
        }
        for answered in &self.candidate.waiting.answered {
            self.tallies[answered.client as usize].candidate_only += 1;
        }
        (self.tallies, self.flips)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pairs::tests::answered;
    use super::*;

    fn heard(of: &[(u64, u16)]) -> Heard {
        let mut heard = Heard::default();
        for (fate, code) in of {
            let start = heard.steps.len() as u32;
            heard.steps.push(Step { call: *fate, cluster: 1 });
            heard.answered.push(Answered { steps: start..start + 1, ..answered(*fate, 1, *code) });
        }
        heard
    }

    #[test]
    fn halves_find_each_other_whenever_they_come() {
        let mut join = Join::new(3, 1);
        join.hear(&heard(&[(5, 200), (1, 200), (9, 500)]), &heard(&[(2, 200)]));
        join.hear(&heard(&[(2, 200)]), &heard(&[(9, 200), (7, 200)]));
        join.hear(&heard(&[]), &heard(&[(5, 503)]));
        let (tallies, flips) = join.finish();
        let all = tallies[0].all();
        assert_eq!((all.served, all.lost, all.gained, all.failed), (1, 1, 1, 0));
        assert_eq!((tallies[0].base_only, tallies[0].candidate_only), (1, 1));
        assert_eq!(tallies[0].moved.count(), 0, "each half keeps its own steps");
        assert_eq!((flips.lost[0].fate, flips.gained[0].fate, flips.lost[0].replication), (5, 9, 3));
    }

    #[test]
    fn two_clients_may_have_requests_of_one_fate() {
        let of = |client: u32, code: u16| {
            let mut heard = heard(&[(7, code)]);
            heard.answered[0].client = client;
            heard
        };
        let mut join = Join::new(0, 2);
        join.hear(&of(1, 200), &of(0, 503));
        join.hear(&of(0, 200), &of(1, 200));
        let (tallies, flips) = join.finish();
        let cells = |tally: &Tally| (tally.stayed.served, tally.stayed.lost, tally.unpaired());
        assert_eq!((cells(&tallies[0]), cells(&tallies[1])), ((0, 1, 0), (1, 0, 0)));
        assert_eq!(flips.lost[0].client, 0);
    }

    #[test]
    fn a_flip_is_known_by_the_base_and_has_both_ends() {
        let (mut base, mut candidate) = (heard(&[(7, 200)]), heard(&[(7, 503)]));
        (base.answered[0].class, candidate.answered[0].class) = (2, 2);
        candidate.answered[0].born = SimTime::from_nanos(1);
        candidate.answered[0].took = SimDuration::from_millis(9);
        let mut join = Join::new(0, 1);
        join.hear(&base, &candidate);
        let (_, flips) = join.finish();
        let Flip { born, class, base: before, candidate: after, .. } = &flips.lost[0];
        assert_eq!((*born, *class), (base.answered[0].born, 2));
        assert_eq!(
            (before.outcome.code, after.outcome.code, after.took),
            (200, 503, SimDuration::from_millis(9))
        );
    }

    #[test]
    fn the_first_by_birth_are_the_examples() {
        let all: Vec<(u64, u16)> = (1..20).map(|fate| (fate, 200)).collect();
        let lost: Vec<(u64, u16)> = (1..20).map(|fate| (fate, 503)).collect();
        let mut join = Join::new(0, 1);
        join.hear(&heard(&all), &heard(&lost));
        let (_, mut flips) = join.finish();
        let fates = |flips: &Flips| flips.lost.iter().map(|flip| flip.fate).collect::<Vec<_>>();
        // Higher fates are born earlier here.
        assert_eq!(fates(&flips), [19, 18, 17]);
        flips.lost.truncate(2);
        flips.follow(Flips { lost: vec![Flip { fate: 99, ..flips.lost[0].clone() }; 2], gained: Vec::new() });
        assert_eq!(fates(&flips), [19, 18, 99]);
    }

    #[test]
    fn a_side_that_runs_ahead_does_not_fill_the_memory() {
        let half = MOST_WAITING as u64 / 2;
        // What comes later has a lower fate, as those that are kept are the latest and not the highest.
        let fate = |turn: u64, n: u64| (9 - turn) << 32 | n;
        for is_base in [true, false] {
            let mut join = Join::new(0, 1);
            let say = |join: &mut Join, ahead: &[(u64, u16)], behind: &[(u64, u16)]| {
                let (ahead, behind) = (heard(ahead), heard(behind));
                if is_base { join.hear(&ahead, &behind) } else { join.hear(&behind, &ahead) }
            };
            for turn in 0..5 {
                let many: Vec<(u64, u16)> = (0..half).map(|n| (fate(turn, n), 200)).collect();
                say(&mut join, &many, &[]);
            }
            join.put_together();
            let side = if is_base { &join.base } else { &join.candidate };
            assert_eq!((side.len(), side.waiting.steps.len()), (MOST_WAITING, MOST_WAITING));
            say(&mut join, &[], &[(fate(0, 0), 200), (fate(3, 0), 200), (fate(4, 0), 200)]);
            let (tallies, _) = join.finish();
            let Tally { base_only, candidate_only, stayed, .. } = &tallies[0];
            let (ahead, behind) =
                if is_base { (base_only, candidate_only) } else { (candidate_only, base_only) };
            assert_eq!((stayed.served, *ahead), (2, 5 * half - 2));
            assert_eq!(*behind, 1, "its other half was given up");
        }
    }
}
