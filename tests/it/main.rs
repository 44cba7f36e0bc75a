//! One test binary, one module per kind of test.

mod conformance;
mod large;
mod theory;
mod tidy;
