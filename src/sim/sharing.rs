//! Processor sharing: all that is in service goes on at once, each at the same speed, never faster than a core.
//!
//! Time is told by a virtual clock that runs at the speed of one request, so a request's end is fixed on it when it
//! begins and the others only change how fast the clock runs. The clock is an integer: nanoseconds of one request's
//! work in units of 2^-16.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::kernel::slab::Slot;
use crate::kernel::{SimDuration, SimTime};

const FRACTION: u32 = 16;

/// The cores of one pod and the work on them.
#[derive(Debug)]
pub struct Sharing {
    cores: u64,
    clock: u64,
    updated: SimTime,
    /// End on the virtual clock, order of arrival, whose.
    work: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    arrivals: u64,
    version: u32,
}

impl Sharing {
    /// `cores` is at least 1; `u32::MAX`: as many as it takes.
    pub fn new(cores: u32) -> Sharing {
        Sharing {
            cores: u64::from(cores),
            clock: 0,
            updated: SimTime::ZERO,
            work: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            arrivals: 0,
            version: 0,
        }
    }

    /// Changes whenever the next end does.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Lets the clock run until `now`.
    pub fn advance(&mut self, now: SimTime) {
        let passed = u128::from(now.since(self.updated).nanos()) << FRACTION;
        let sharers = self.work.len() as u64;
        if sharers > 0 {
            let ran = passed * u128::from(self.cores.min(sharers)) / u128::from(sharers);
            self.clock += ran as u64;
        }
        // A standstill that lies ahead goes on.
        self.updated = self.updated.max(now);
    }

    /// The clock stands still until `until`.
    pub fn stand_still(&mut self, until: SimTime) {
        self.updated = self.updated.max(until);
    }

    /// Begins work that one core would do in `takes`; the clock must be up to now.
    pub fn add(&mut self, slot: Slot, takes: SimDuration) {
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.arrivals += 1;
        self.work.push(Reverse((self.clock + (takes.nanos() << FRACTION), self.arrivals, index)));
    }

    /// How long until the next end if nothing changes, and the version that it goes by.
    pub fn next(&mut self) -> Option<(SimDuration, u32)> {
        self.version = self.version.wrapping_add(1);
        let Reverse((end, ..)) = self.work.peek()?;
        let left = u128::from(end.saturating_sub(self.clock));
        let sharers = self.work.len() as u64;
        let speed = u128::from(self.cores.min(sharers)) << FRACTION;
        let nanos = (left * u128::from(sharers)).div_ceil(speed);
        Some((SimDuration::from_nanos(nanos as u64), self.version))
    }

    /// Takes out whoever has ended by the clock, the earliest first.
    pub fn take_done(&mut self) -> Option<Slot> {
        let Reverse((end, _, index)) = *self.work.peek()?;
        if end > self.clock {
            return None;
        }
        self.work.pop();
        self.free.push(index);
        Some(std::mem::replace(&mut self.slots[index as usize], Slot::NONE))
    }

    /// Work that is not wanted any more leaves the cores to the others; the clock must be up to now.
    pub fn remove(&mut self, slot: Slot) {
        let Some(index) = self.slots.iter().position(|other| *other == slot) else { return };
        let before = self.work.len();
        self.work.retain(|Reverse((.., owner))| *owner as usize != index);
        if self.work.len() < before {
            self.free.push(index as u32);
        }
    }

    /// All work is lost.
    pub fn clear(&mut self, now: SimTime) {
        self.advance(now);
        self.work.clear();
        self.slots.clear();
        self.free.clear();
        self.version = self.version.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(millis)
    }

    #[test]
    fn two_share_one_core_and_the_rest_goes_at_full_speed() {
        let mut sharing = Sharing::new(1);
        sharing.add(Slot::NONE, SimDuration::from_millis(10));
        assert_eq!(sharing.next().map(|(after, _)| after), Some(SimDuration::from_millis(10)));
        sharing.advance(at(4));
        sharing.add(Slot::NONE, SimDuration::from_millis(2));
        // 6 and 2 left: the second ends after 4 at half speed, the first has 4 left then.
        assert_eq!(sharing.next().map(|(after, _)| after), Some(SimDuration::from_millis(4)));
        sharing.advance(at(8));
        assert!(sharing.take_done().is_some());
        assert!(sharing.take_done().is_none());
        assert_eq!(sharing.next().map(|(after, _)| after), Some(SimDuration::from_millis(4)));
    }

    #[test]
    fn nobody_is_faster_than_a_core() {
        let mut sharing = Sharing::new(4);
        sharing.add(Slot::NONE, SimDuration::from_millis(10));
        sharing.add(Slot::NONE, SimDuration::from_millis(10));
        assert_eq!(sharing.next().map(|(after, _)| after), Some(SimDuration::from_millis(10)));
    }

    #[test]
    fn a_standstill_outlasts_arrivals() {
        let mut sharing = Sharing::new(1);
        sharing.add(Slot::NONE, SimDuration::from_millis(10));
        sharing.advance(at(4));
        sharing.stand_still(at(100));
        sharing.advance(at(50));
        assert_eq!(sharing.next().map(|(after, _)| after), Some(SimDuration::from_millis(6)));
        sharing.advance(at(106));
        assert!(sharing.take_done().is_some());
    }

    #[test]
    fn who_leaves_makes_room() {
        let mut sharing = Sharing::new(1);
        let (stays, leaves) = (Slot::from_parts(0, 1), Slot::from_parts(1, 1));
        sharing.add(stays, SimDuration::from_millis(10));
        sharing.add(leaves, SimDuration::from_millis(10));
        sharing.advance(at(4));
        sharing.remove(leaves);
        assert_eq!(sharing.next().map(|(after, _)| after), Some(SimDuration::from_millis(8)));
        sharing.advance(at(12));
        assert_eq!(sharing.take_done(), Some(stays));
        assert_eq!(sharing.take_done(), None);
    }

    #[test]
    fn a_change_makes_the_planned_end_stale() {
        let mut sharing = Sharing::new(1);
        sharing.add(Slot::NONE, SimDuration::from_millis(10));
        let (_, first) = sharing.next().expect("there is work");
        sharing.add(Slot::NONE, SimDuration::from_millis(10));
        let (_, second) = sharing.next().expect("there is work");
        assert_ne!(first, second);
        assert_eq!(sharing.version(), second);
    }
}
