//! Text in, documents out: what the files say, as written, with the place of every value.

pub mod arrivals;
mod change;
pub mod decode;
pub mod diagnostic;
pub mod distribution;
pub mod document;
pub mod duration;
pub mod files;
pub mod grammar;
pub mod grpc;
mod intake;
pub mod istio;
pub mod load;
pub mod path;
pub mod peer;
pub mod quantity;
pub mod read;
pub mod render;
pub mod scenario;
mod schema;
pub mod set;
pub mod source;
pub mod span;
pub mod timeline;
pub mod url;
pub mod vary;
pub mod yaml;
