//! The engine: a world of flat tables, events that have come true, and one dispatch. `sim` sees no YAML: what is in a
//! file but not in the mesh cannot change a run by accident.
//!
//! Calls go down (`run` over `client`, `endpoint`, `control` over `call`, `session` over `attempt` over `world`); news goes up as
//! a return value or an event.

mod attempt;
pub mod audit;
mod call;
mod client;
mod client_plan;
mod cluster_plan;
mod control;
mod endpoint;
pub mod event;
mod gate;
mod keep_alive;
mod life;
mod network;
mod news;
mod observer;
mod pick;
pub mod plan;
mod route_plan;
mod rows;
mod run;
mod session;
mod shapes;
mod sharing;
mod stay;
mod story;
mod tcp_plan;
#[cfg(test)]
mod testing;
mod upstream;
mod waypoint;
mod world;

pub use observer::{Answered, Heard, Step};
pub use plan::Plan;
pub use run::{Run, run};
pub use story::stories;

/// Number of the model: it rises when the same input and seed give other results. Part of the stamp of every output.
/// Source: design D2.
pub const MODEL_REVISION: u32 = 4;
