//! What single requests met, as plain data.

use crate::kernel::{SimDuration, SimTime};
use crate::mesh::Outcome;

/// What one request met, in order of time, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    pub born: SimTime,
    pub moments: Vec<Moment>,
    pub took: SimDuration,
    pub outcome: Outcome,
}

/// Something that happened to a call of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the request was born.
    pub at: SimDuration,
    /// Service and subset as people write them, or where the call was meant to go: `reviews v2`.
    pub target: String,
    /// The rule that sent it there: `VirtualService default/reviews http[0]`; empty for a service's own route.
    pub rule: String,
    /// Attempts started by then; 0: none yet.
    pub attempt: u16,
    /// Where there is an attempt.
    pub pod: Option<String>,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The attempt reaches its pod.
    Arrived,
    /// Its answer is back, with this status.
    Answered(u16),
    /// The new connection that it waited for is refused, or takes too long.
    ConnectFailed,
    /// Its connection is closed by the other side.
    Reset,
    /// The per-try timeout passes.
    TriedTooLong,
    /// The route's timeout passes.
    TimedOut,
    /// The calling application loses patience.
    GivenUp,
    /// The back-off is over: it is tried again.
    TriedAgain,
    /// The fault filter lets it go on.
    Delayed,
    /// The proxy answers itself.
    ProxyAnswered(Outcome),
    /// A connection of opaque bytes stands, is refused, or ends.
    Connected,
    Refused,
    Ended,
}
