//! How results look: values in, bytes and strings out. Nothing here reads, writes or counts.

pub mod csv;
pub mod json;
pub mod number;
pub mod stamp;
pub mod table;
pub mod tables;
