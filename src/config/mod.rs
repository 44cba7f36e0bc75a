//! Text in, documents out: what the files say, as written, with the place of every value.

pub mod diagnostic;
