//! Applications that close connections which carry nothing for a while, sooner than the calling proxy would. A request
//! that is on its way when they do finds no connection: reset, 503 UC. A pod's own sidecar hears of it in no time,
//! so that only pods without one lose requests. Source: semantics S7.5, S7.7, S7.8.
//!
//! ```text
//!  proxy   ◀─ answer        send ─╮      ◀─ the news: closed
//!  app     ─╯ idle ....... closes ┴▶ reset
//! ```

use crate::kernel::{SimDuration, SimTime};
use crate::sim::world::World;

/// The application has closed it, or resets all that comes.
const CLOSED: SimTime = SimTime::ZERO;

/// A connection has carried a stream to its end, by an answer of the attempt `answered` if that is one, and lives on.
#[cold]
pub fn released(world: &mut World<'_>, pool: u32, connection: u32, answered: Option<u64>) {
    let way = world.pools[pool as usize].way;
    let back = answered.map_or(SimDuration::ZERO, |key| way.back(world.plan, key));
    idles(world, pool, connection, back);
}

/// A connection carries nothing from now on, as its proxy sees it; as its application does, since `back` ago, which is
/// what the last answer took. The news that it is closed takes as long.
#[cold]
pub fn idles(world: &mut World<'_>, pool: u32, connection: u32, back: SimDuration) {
    let Some(after) = world.pools[pool as usize].keep_alive else { return };
    if world.closings.len() <= connection as usize {
        world.closings.resize(connection as usize + 1, SimTime::MAX);
    }
    let news = world.now + after;
    world.closings[connection as usize] = SimTime::from_nanos(news.nanos().saturating_sub(back.nanos()));
    world.connections[connection].close_idle_at(news);
}

/// Whether what arrives by a connection at this moment comes too late, where its application closes idle ones; the
/// connection is lost then.
#[cold]
pub fn is_too_late(world: &mut World<'_>, connection: u32, arrives: SimTime) -> bool {
    let is_alone = world.connections[connection].streams() == 1;
    let Some(closing) = world.closings.get_mut(connection as usize) else { return false };
    let is_lost = *closing == CLOSED || is_alone && arrives >= *closing;
    if is_lost {
        *closing = CLOSED;
    }
    is_lost
}
