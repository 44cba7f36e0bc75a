//! One test binary, one module per kind of test.

mod analytic;
mod balancing;
mod cli;
mod conformance;
mod determinism;
mod large;
mod meshes;
mod metamorphic;
mod property;
mod scenarios;
mod texts;
mod theory;
mod tidy;
mod traffic;
mod truth;
