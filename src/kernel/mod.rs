//! The simulator's ground floor: time, ids and tables, the event queue, keyed randomness, distributions, regular expressions.
//! It says no word about meshes and imports nothing of ours.

pub mod arrivals;
mod births;
pub mod distribution;
mod few;
pub mod fifo;
mod heap;
mod instant;
pub mod lanes;
mod law;
pub mod quantile;
pub mod queue;
pub mod random;
pub mod re2;
mod ring;
pub mod sampler;
pub mod slab;
pub mod sobol;
pub mod special;
pub mod table;
pub mod time;
pub mod words;
pub mod zipf;

pub use table::{Id, Table};
pub use time::{SimDuration, SimTime};
