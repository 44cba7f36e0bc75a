//! Whether a pod is there, and since when.
//!
//! ```text
//!  Away ─▶ Starting ─▶ Serving ─▶ Leaving ─▶ Closed ─▶ Away
//!              startup     SIGTERM    shutdown   the end of its work
//! ```
//!
//! What moves it on is in `life.rs`.

use crate::kernel::SimTime;

/// How far a pod's life is. Source: semantics S15.3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    Away,
    /// It is listed, and not ready.
    Starting,
    /// Up, but for crashes.
    #[default]
    Serving,
    /// It has been told to go, and serves as before for a while.
    Leaving,
    /// Its application takes nothing more and finishes what it has.
    Closed,
}

impl Presence {
    /// There is something in it that can crash.
    pub fn has_app(self) -> bool {
        !matches!(self, Presence::Away | Presence::Starting)
    }
}

/// A pod's stay.
#[derive(Clone, Debug, Default)]
pub struct Stay {
    pub presence: Presence,
    /// Number of its present turn: what was scheduled for an earlier one is stale.
    pub turn: u32,
    /// When it was told to go.
    pub leaving_since: SimTime,
    /// It is to come again as soon as it is gone.
    pub is_wanted: bool,
    /// When it served nobody, in order; the last one may have no end yet.
    away: Vec<(SimTime, SimTime)>,
}

impl Stay {
    /// It goes on to `presence`.
    pub fn turn(&mut self, presence: Presence, now: SimTime) {
        let was_away = !self.presence.has_app();
        (self.presence, self.turn) = (presence, self.turn + 1);
        match (was_away, !presence.has_app()) {
            (false, true) => self.away.push((now, SimTime::MAX)),
            (true, false) => self.away.last_mut().expect("it was away").1 = now,
            _ => {}
        }
    }

    /// Nanoseconds of [from, to) in which it was there to serve.
    pub fn serving_nanos(&self, from: SimTime, to: SimTime) -> u64 {
        let within = |(begin, end): &(SimTime, SimTime)| to.min(*end).since(from.max(*begin)).nanos();
        to.since(from).nanos() - self.away.iter().map(within).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_it_was_there_adds_up() {
        let at = |seconds: u64| SimTime::from_nanos(seconds * 1_000_000_000);
        let mut stay = Stay::default();
        for (presence, moment) in [
            (Presence::Away, 0),
            (Presence::Starting, 10),
            (Presence::Serving, 20),
            (Presence::Leaving, 30),
            (Presence::Closed, 35),
            (Presence::Away, 40),
        ] {
            stay.turn(presence, at(moment));
        }
        let seconds = |from: u64, to: u64| stay.serving_nanos(at(from), at(to)) / 1_000_000_000;
        assert_eq!([seconds(0, 20), seconds(0, 100), seconds(25, 38), seconds(40, 60)], [0, 20, 13, 0]);
        assert_eq!(Stay::default().serving_nanos(at(3), at(5)), 2_000_000_000);
    }
}
