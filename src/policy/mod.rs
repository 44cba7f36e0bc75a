//! What Envoy's policies decide: which route, which host, whether to retry, whom to eject. A policy is given facts
//! and returns a decision. It keeps its own counters and knows no queue and no world; `sim` acts on what it says.

pub mod balance;
pub mod failure;
pub mod fault;
pub mod hash;
pub mod inbound;
pub mod look_back;
pub mod onward;
pub mod outlier;
pub mod pool;
pub mod request;
pub mod retry;
pub mod route;
pub mod split;
pub mod string_match;
pub mod tcp;
pub mod timeout;
