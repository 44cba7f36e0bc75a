//! Everything that can happen, and what comes first when two things happen in one instant.

use crate::kernel::Id;
use crate::kernel::queue;
use crate::kernel::slab::{MOST_ROWS, Slot};
use crate::mesh::{ClientId, ProxyId, StateId, WorkloadId};

/// A fact that has just come true.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A client's next request is born (open loop).
    Arrival(ClientId),
    /// A closed-loop user has thought long enough.
    Thought(ClientId, u32),
    /// A call reaches the waypoint's replica that its caller's proxy has chosen.
    AtWaypoint(Slot),
    /// A waypoint's answer reaches the caller.
    BackFromWaypoint(Slot),
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
    /// An attempt that waited at its pod's own sidecar is let through to the application.
    Admitted(Slot),
    /// A slot of an asynchronous pod goes to the next in line.
    SlotFree(u32),
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
    /// The upstream half of a client's connection has made its handshakes.
    TcpConnected(Slot),
    /// It is refused, or took too long.
    TcpFailed(Slot),
    /// The client learns that its proxy has closed the connection.
    TcpRefused(Slot),
    /// A connection that stood ends.
    TcpEnded(Slot),
    /// A configuration push reaches a proxy.
    Pushed(ProxyId, StateId),
    /// A push changes what a pod's own sidecar limits: row of the gates, and number of the change.
    LimitsPushed(u32, u32),
    /// News of a pod reach a proxy: see `news.rs`.
    Readiness(ProxyId, u32),
    /// A proxy gets the list of a workload's pods as it is now.
    Endpoints(ProxyId, WorkloadId),
    /// Host changes of a cluster that waited for the merge window are applied.
    HostsMerged(u32),
    /// The periodic outlier check of a cluster at a proxy.
    OutlierSweep(u32),
    /// An incident begins or ends: workload and number in its plan.
    Incident(WorkloadId, u32),
    /// The number of a workload's pods changes: number of the change in its plan.
    Scaled(WorkloadId, u32),
    /// A pod's life goes on: pod and number of its turn, which tells a stale one.
    PodTurn(u32, u32),
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
            Event::Connected(_)
            | Event::TcpConnected(_)
            | Event::TcpEnded(_)
            | Event::Admitted(_)
            | Event::SlotFree(_)
            | Event::WorkDone(_)
            | Event::SharedWorkDone(..)
            | Event::Answered(_) => GIVE,
            Event::LocalReply(_) | Event::TcpRefused(_) | Event::Reset(_) | Event::Cancelled(_) => GIVE,
            Event::BackFromWaypoint(_) => GIVE,
            Event::Pushed(..) | Event::LimitsPushed(..) | Event::Readiness(..) => GIVE,
            Event::HostsMerged(_) | Event::OutlierSweep(_) => GIVE,
            Event::RouteTimeout(_) | Event::AppTimeout(_) | Event::PerTryTimeout(_) => EXPIRE,
            Event::Overflowed(_) | Event::ConnectFailed(_) | Event::TcpFailed(_) | Event::Incident(..) => {
                EXPIRE
            }
            Event::Endpoints(..) => GIVE,
            Event::Scaled(..) | Event::PodTurn(..) => EXPIRE,
            Event::Arrival(_) | Event::Thought(..) | Event::FaultDelayOver(_) | Event::BackoffOver(_) => ASK,
            Event::Delivered(_) | Event::AtWaypoint(_) => ASK,
        }
    }

    #[inline(always)]
    fn pack(self) -> u64 {
        match self {
            Event::Arrival(client) => word(0, client.index() as u32, 0),
            Event::Thought(client, user) => word(1, client.index() as u32, user),
            Event::FaultDelayOver(slot) => slot_word(2, slot),
            Event::LocalReply(slot) => slot_word(3, slot),
            Event::BackoffOver(slot) => slot_word(4, slot),
            Event::RouteTimeout(slot) => slot_word(5, slot),
            Event::AppTimeout(slot) => slot_word(6, slot),
            Event::Connected(slot) => slot_word(7, slot),
            Event::Overflowed(slot) => slot_word(8, slot),
            Event::ConnectFailed(slot) => slot_word(9, slot),
            Event::Delivered(slot) => slot_word(10, slot),
            Event::Cancelled(slot) => slot_word(11, slot),
            Event::WorkDone(slot) => slot_word(12, slot),
            Event::SharedWorkDone(pod, version) => word(13, pod, version),
            Event::Answered(slot) => slot_word(14, slot),
            Event::Reset(slot) => slot_word(15, slot),
            Event::PerTryTimeout(slot) => slot_word(16, slot),
            Event::Pushed(proxy, state) => word(17, proxy.index() as u32, state.index() as u32),
            Event::Readiness(proxy, pod) => word(18, proxy.index() as u32, pod),
            Event::HostsMerged(upstream) => word(19, upstream, 0),
            Event::OutlierSweep(upstream) => word(20, upstream, 0),
            Event::Incident(workload, number) => word(21, workload.index() as u32, number),
            Event::WarmupOver => word(22, 0, 0),
            Event::WindowOver => word(23, 0, 0),
            Event::SlotFree(pod) => word(24, pod, 0),
            Event::Admitted(slot) => slot_word(25, slot),
            Event::TcpConnected(slot) => slot_word(26, slot),
            Event::TcpFailed(slot) => slot_word(27, slot),
            Event::TcpRefused(slot) => slot_word(28, slot),
            Event::TcpEnded(slot) => slot_word(29, slot),
            Event::AtWaypoint(slot) => slot_word(30, slot),
            Event::BackFromWaypoint(slot) => slot_word(31, slot),
            Event::LimitsPushed(gate, change) => word(32, gate, change),
            Event::Scaled(workload, number) => word(33, workload.index() as u32, number),
            Event::PodTurn(pod, turn) => word(34, pod, turn),
            Event::Endpoints(proxy, workload) => word(35, proxy.index() as u32, workload.index() as u32),
        }
    }

    #[inline(always)]
    fn unpack(word: u64) -> Event {
        let (kind, a, b) = (word & KIND, (word & FIRST) as u32 >> KIND_BITS, (word >> 32) as u32);
        let slot = Slot::from_parts(a, b);
        match kind {
            0 => Event::Arrival(ClientId::from_index(a as usize)),
            1 => Event::Thought(ClientId::from_index(a as usize), b),
            2 => Event::FaultDelayOver(slot),
            3 => Event::LocalReply(slot),
            4 => Event::BackoffOver(slot),
            5 => Event::RouteTimeout(slot),
            6 => Event::AppTimeout(slot),
            7 => Event::Connected(slot),
            8 => Event::Overflowed(slot),
            9 => Event::ConnectFailed(slot),
            10 => Event::Delivered(slot),
            11 => Event::Cancelled(slot),
            12 => Event::WorkDone(slot),
            13 => Event::SharedWorkDone(a, b),
            14 => Event::Answered(slot),
            15 => Event::Reset(slot),
            16 => Event::PerTryTimeout(slot),
            17 => Event::Pushed(ProxyId::from_index(a as usize), StateId::from_index(b as usize)),
            18 => Event::Readiness(ProxyId::from_index(a as usize), b),
            19 => Event::HostsMerged(a),
            20 => Event::OutlierSweep(a),
            21 => Event::Incident(WorkloadId::from_index(a as usize), b),
            22 => Event::WarmupOver,
            23 => Event::WindowOver,
            24 => Event::SlotFree(a),
            25 => Event::Admitted(slot),
            26 => Event::TcpConnected(slot),
            27 => Event::TcpFailed(slot),
            28 => Event::TcpRefused(slot),
            29 => Event::TcpEnded(slot),
            30 => Event::AtWaypoint(slot),
            31 => Event::BackFromWaypoint(slot),
            32 => Event::LimitsPushed(a, b),
            33 => Event::Scaled(WorkloadId::from_index(a as usize), b),
            34 => Event::PodTurn(a, b),
            _ => Event::Endpoints(ProxyId::from_index(a as usize), WorkloadId::from_index(b as usize)),
        }
    }
}

// An event's word: its kind in the lowest bits, then a number below MOST_ROWS, then any 32-bit number.
const KIND_BITS: u32 = 6;
const KIND: u64 = (1 << KIND_BITS) - 1;
const FIRST: u64 = u32::MAX as u64 & !KIND;
const _: () = assert!(MOST_ROWS.ilog2() + KIND_BITS == 32, "a row's number fits beside the kind");

#[inline(always)]
fn word(kind: u64, a: u32, b: u32) -> u64 {
    debug_assert!((a as usize) < MOST_ROWS);
    kind | u64::from(a) << KIND_BITS | u64::from(b) << 32
}

#[inline(always)]
fn slot_word(kind: u64, slot: Slot) -> u64 {
    let (row, life) = slot.parts();
    word(kind, row, life)
}

/// The rank of every timer, as lanes hold one rank.
pub const TIMER_RANK: u8 = EXPIRE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::queue::Event as _;

    #[test]
    fn an_event_comes_out_of_its_word_as_it_went_in() {
        let slot = Slot::from_parts(MOST_ROWS as u32 - 1, u32::MAX);
        for event in [
            Event::Arrival(ClientId::from_index(7)),
            Event::Thought(ClientId::from_index(7), u32::MAX),
            Event::FaultDelayOver(slot),
            Event::Answered(slot),
            Event::PerTryTimeout(slot),
            Event::SharedWorkDone(3, 9),
            Event::Pushed(ProxyId::from_index(5), StateId::from_index(6)),
            Event::Readiness(ProxyId::from_index(5), 11),
            Event::OutlierSweep(12),
            Event::Incident(WorkloadId::from_index(2), 3),
            Event::WarmupOver,
            Event::WindowOver,
            Event::SlotFree(9),
            Event::Admitted(slot),
            Event::TcpConnected(slot),
            Event::TcpFailed(slot),
            Event::TcpRefused(slot),
            Event::TcpEnded(slot),
            Event::AtWaypoint(slot),
            Event::BackFromWaypoint(slot),
            Event::LimitsPushed(4, 2),
            Event::Scaled(WorkloadId::from_index(2), 3),
            Event::PodTurn(4, u32::MAX),
            Event::Endpoints(ProxyId::from_index(5), WorkloadId::from_index(6)),
        ] {
            assert_eq!(format!("{:?}", Event::unpack(event.pack())), format!("{event:?}"));
        }
    }

    #[test]
    fn an_answer_in_the_instant_of_its_timeout_still_counts() {
        assert!(Event::Answered(Slot::NONE).rank() < Event::RouteTimeout(Slot::NONE).rank());
        assert!(Event::WorkDone(Slot::NONE).rank() < Event::Delivered(Slot::NONE).rank());
        assert_eq!(Event::PerTryTimeout(Slot::NONE).rank(), TIMER_RANK);
        assert_eq!(Event::RouteTimeout(Slot::NONE).rank(), TIMER_RANK);
        assert_eq!(Event::AppTimeout(Slot::NONE).rank(), TIMER_RANK);
    }
}
