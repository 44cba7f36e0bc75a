//! Pure decisions: a policy is given facts and returns one. It keeps its own counters and knows no queue and no
//! world; `sim` acts.

pub mod pool;
