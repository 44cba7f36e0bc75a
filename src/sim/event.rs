//! Everything that can happen, and what comes first when two things happen in one instant.

use crate::kernel::queue;
use crate::kernel::slab::Slot;
use crate::mesh::{ClientId, ProxyId, StateId, WorkloadId};

/// A fact that has just come true.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A client's next request is born (open loop).
    Arrival(ClientId),
    /// A closed-loop user has thought long enough.
    Thought(ClientId, u32),
    /// The fault filter has held a call for its delay.
    FaultDelayOver(Slot),
    /// The proxy's own answer reaches the caller.
    LocalReply(Slot),
    /// A retry's back-off is over.
    BackoffOver(Slot),
    /// The route's timeout passes for a call.
    RouteTimeout(Slot),
    /// The calling application loses patience with a call.
    AppTimeout(Slot),
    /// A new upstream connection has made its handshakes.
    Connected(Slot),
    /// An attempt got its connection when the cluster's limit of requests was full.
    Overflowed(Slot),
    /// A new upstream connection is refused, or took too long.
    ConnectFailed(Slot),
    /// An attempt's bytes reach its pod.
    Delivered(Slot),
    /// The pod learns that the caller has given an attempt up.
    Cancelled(Slot),
    /// The pod has finished a work step of an attempt.
    WorkDone(Slot),
    /// A pod that shares its cores may have finished somebody's work; the number tells a stale one.
    SharedWorkDone(u32, u32),
    /// An attempt's answer reaches the calling proxy.
    Answered(Slot),
    /// The calling proxy learns that an attempt's connection was closed by the other side.
    Reset(Slot),
    /// The per-try timer of an attempt runs out.
    PerTryTimeout(Slot),
    /// A configuration push reaches a proxy.
    Pushed(ProxyId, StateId),
    /// News of a pod's readiness reach a proxy: pod number, shifted left, and whether it is ready.
    Readiness(ProxyId, u32),
    /// Host changes of a cluster that waited for the merge window are applied.
    HostsMerged(u32),
    /// The periodic outlier check of a cluster at a proxy.
    OutlierSweep(u32),
    /// An incident begins or ends: workload and number in its plan.
    Incident(WorkloadId, u32),
    /// The warm-up is over.
    WarmupOver,
    /// A window of the time series ends.
    WindowOver,
}

/// What closes a period of the statistics.
const WATCH: u8 = 0;
/// What gives capacity back, or tells the proxies something new.
const GIVE: u8 = 1;
/// What expires or breaks.
const EXPIRE: u8 = 2;
/// What asks for capacity.
const ASK: u8 = 3;

impl queue::Event for Event {
    /// One instant goes: periods close before anything that belongs to the next; then capacity comes back, so that
    /// an answer that arrives with its timeout still counts; then timers expire, so that who asks next finds the
    /// room; then requests ask for it.
    #[inline(always)]
    fn rank(&self) -> u8 {
        match self {
            Event::WarmupOver | Event::WindowOver => WATCH,
            Event::Connected(_) | Event::WorkDone(_) | Event::SharedWorkDone(..) | Event::Answered(_) => GIVE,
            Event::LocalReply(_) | Event::Reset(_) | Event::Cancelled(_) => GIVE,
            Event::Pushed(..) | Event::Readiness(..) | Event::HostsMerged(_) | Event::OutlierSweep(_) => GIVE,
            Event::RouteTimeout(_) | Event::AppTimeout(_) | Event::PerTryTimeout(_) => EXPIRE,
            Event::Overflowed(_) | Event::ConnectFailed(_) | Event::Incident(..) => EXPIRE,
            Event::Arrival(_) | Event::Thought(..) | Event::FaultDelayOver(_) | Event::BackoffOver(_) => ASK,
            Event::Delivered(_) => ASK,
        }
    }
}

/// The rank of every timer, as lanes hold one rank.
pub const TIMER_RANK: u8 = EXPIRE;

const _: () = assert!(size_of::<Event>() <= 12, "the queue moves it often");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::queue::Event as _;

    #[test]
    fn an_answer_in_the_instant_of_its_timeout_still_counts() {
        assert!(Event::Answered(Slot::NONE).rank() < Event::RouteTimeout(Slot::NONE).rank());
        assert!(Event::WorkDone(Slot::NONE).rank() < Event::Delivered(Slot::NONE).rank());
        assert_eq!(Event::PerTryTimeout(Slot::NONE).rank(), TIMER_RANK);
        assert_eq!(Event::RouteTimeout(Slot::NONE).rank(), TIMER_RANK);
        assert_eq!(Event::AppTimeout(Slot::NONE).rank(), TIMER_RANK);
    }
}
