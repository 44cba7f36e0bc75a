//! Text in, documents out: what the files say, as written, with the place of every value.

pub mod diagnostic;
pub mod document;
pub mod path;
pub mod source;
pub mod span;
pub mod yaml;
