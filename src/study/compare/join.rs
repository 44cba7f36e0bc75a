//! Puts the answers of two runs together, request by request, as they come: by client and fate, which are the same under
//! every configuration. What has come on one side only is carried over. Source: design D2, D9.24.

use std::ops::Range;

use super::pairs::Tally;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::Outcome;
use crate::sim::{Answered, Heard, Step};

/// Requests that wait for their other half, on each side. Where more would, as in a closed loop whose quicker side runs
/// ahead for ever, half of all requests are followed no longer: those of an uneven key, whatever became of them, so that
/// the others stand for all. Leaving out those that wait longest would leave out those that changed most.
const MOST_WAITING: usize = 1 << 18;
/// How often that may be done.
const MOST_LEVELS: u32 = 12;

/// Up to which level a request is followed: half of them to level 0 alone, a quarter to level 1, and so on.
fn level_of(fate: u64) -> u32 {
    fate.trailing_zeros().min(MOST_LEVELS)
}

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
    /// Takes those that are followed at this level.
    fn take(&mut self, heard: &Heard, level: u32) {
        let shift = self.waiting.steps.len() as u32;
        self.waiting.steps.extend_from_slice(&heard.steps);
        for answered in heard.answered.iter().filter(|answered| level_of(answered.fate) >= level) {
            let Range { start, end } = answered.steps;
            let place = self.waiting.answered.len() as u32;
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

    /// How many of these are followed at this level.
    fn count(&self, places: &[u32], level: u32) -> usize {
        let is_followed = |place: &&u32| level_of(self.get(**place).0.fate) >= level;
        places.iter().filter(is_followed).count()
    }

    /// Keeps those of them alone that are followed at this level.
    fn keep(&mut self, mut places: Vec<u32>, level: u32) {
        places.sort_unstable();
        let mut kept = Heard::default();
        self.order.clear();
        for place in places {
            let (answered, steps) = self.get(place);
            if level_of(answered.fate) < level {
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
    /// Lowest level that is followed.
    level: u32,
    /// By row of the mesh's clients; of each by level, as far as there was anything.
    tallies: Vec<Vec<Tally>>,
    /// How many the base has answered, by row of the mesh's clients.
    answered: Vec<u64>,
    flips: Flips,
}

impl Join {
    pub fn new(replication: u32, clients: usize) -> Join {
        let (base, candidate) = (Side::default(), Side::default());
        let (tallies, answered) = (vec![Vec::new(); clients], vec![0; clients]);
        let flips = Flips::default();
        Join { replication, base, candidate, left_waiting: 0, level: 0, tallies, answered, flips }
    }

    /// Takes what both sides have said since the last time.
    pub fn hear(&mut self, base: &Heard, candidate: &Heard) {
        base.answered.iter().for_each(|answered| self.answered[answered.client as usize] += 1);
        self.base.take(base, self.level);
        self.candidate.take(candidate, self.level);
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
                    tally(&mut tallies[entry.0 as usize], entry.1).pair(before, after);
                    flips.note(*replication, before.0, after.0);
                }
                (entry, partner) => {
                    left_only.extend(entry.map(|entry| entry.2));
                    right_only.extend(partner.map(|partner| partner.2));
                }
            }
        }
        let is_too_many =
            |level: u32| left.count(&left_only, level).max(right.count(&right_only, level)) > MOST_WAITING;
        while self.level < MOST_LEVELS && is_too_many(self.level) {
            self.level += 1;
        }
        left.keep(left_only, self.level);
        right.keep(right_only, self.level);
        self.left_waiting = self.base.len() + self.candidate.len();
    }

    /// Nothing more will come: what still waits has no other half. All that was followed to the end, by row of the mesh's
    /// clients.
    pub fn finish(mut self) -> (Vec<Tally>, Flips) {
        self.put_together();
        let Join { base, candidate, tallies, .. } = &mut self;
        for answered in &base.waiting.answered {
            tally(&mut tallies[answered.client as usize], answered.fate).base_only += 1;
        }
        for answered in &candidate.waiting.answered {
            tally(&mut tallies[answered.client as usize], answered.fate).candidate_only += 1;
        }
        let level = self.level as usize;
        let followed = |(levels, answered): (Vec<Tally>, u64)| {
            let mut whole = Tally::default();
            levels.iter().skip(level).for_each(|tally| whole.merge(tally));
            whole.left_out = answered - whole.stayed.count() - whole.moved.count() - whole.base_only;
            whole
        };
        (self.tallies.into_iter().zip(self.answered).map(followed).collect(), self.flips)
    }
}

/// That of a request's level.
fn tally(levels: &mut Vec<Tally>, fate: u64) -> &mut Tally {
    let level = level_of(fate) as usize;
    if levels.len() <= level {
        levels.resize(level + 1, Tally::default());
    }
    &mut levels[level]
}

#[cfg(test)]
mod tests {
    use super::super::pairs::tests::answered;
    use super::*;
    use crate::kernel::random::{Purpose, draw};

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
        let mut join = Join::new(0, 1);
        for turn in 0..5u64 {
            let many: Vec<(u64, u16)> = (0..MOST_WAITING as u64 / 2).map(|n| (turn << 32 | n, 200)).collect();
            join.hear(&heard(&many), &heard(&[]));
        }
        join.put_together();
        // Of 5 / 2 as many as may wait a quarter is followed.
        assert_eq!((join.level, join.base.waiting.answered.len()), (2, MOST_WAITING * 5 / 8));
        assert_eq!(join.base.waiting.steps.len(), MOST_WAITING * 5 / 8);
        join.hear(&heard(&[(9 << 32 | 1, 200)]), &heard(&[]));
        assert_eq!(join.base.len(), MOST_WAITING * 5 / 8, "who is not followed is not held either");
        join.hear(&heard(&[]), &heard(&[(1, 200), (0, 200), (4 << 32, 200)]));
        let (tallies, _) = join.finish();
        let all = MOST_WAITING as u64 * 5 / 2;
        assert_eq!((tallies[0].stayed.served, tallies[0].base_only), (2, all / 4 - 2), "the oldest, too");
        assert_eq!((tallies[0].candidate_only, tallies[0].left_out), (0, all * 3 / 4 + 1));
    }

    /// Whoever waits long has changed much: to leave out those would make all look quicker than they are.
    #[test]
    fn those_that_are_followed_stand_for_all() {
        let all = 3 * MOST_WAITING as u64;
        let key = |n: u64| draw(n, Purpose::StreamId, 0);
        let said = |millis: u64, of: &mut dyn Iterator<Item = u64>| {
            let mut heard = Heard::default();
            heard.answered.extend(of.map(|n| Answered { steps: 0..0, ..answered(key(n), millis, 200) }));
            heard
        };
        let mut join = Join::new(0, 1);
        // Under the candidate one in four is as quick as under the base, and the others come long after.
        for part in 0..3 {
            let own = || part * all / 3..(part + 1) * all / 3;
            join.hear(&said(1, &mut own()), &said(1, &mut own().filter(|n| n % 4 == 0)));
        }
        join.hear(&Heard::default(), &said(100, &mut (0..all).filter(|n| n % 4 != 0)));
        let (tallies, _) = join.finish();
        let Tally { stayed, base_only, candidate_only, left_out, .. } = &tallies[0];
        assert_eq!((*base_only, *candidate_only), (0, 0), "both have answered all");
        assert_eq!(stayed.served + left_out, all);
        assert!(*left_out > 2 * all / 5);
        let slower = stayed.slower.count() as f64 / stayed.served as f64;
        assert!((slower - 0.75).abs() < 0.005, "{slower}");
    }
}
