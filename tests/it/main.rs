//! One test binary, one module per kind of test.

mod ambient;
mod analytic;
mod balancing;
mod cli;
mod conformance;
mod connections;
mod detectors;
mod determinism;
mod findings;
mod grpc;
mod large;
mod meshes;
mod metamorphic;
mod mirrors;
mod mutual_tls;
mod pod_life;
mod property;
mod scenarios;
mod studies;
mod tcp;
mod texts;
mod theory;
mod tidy;
mod traffic;
mod truth;
mod versions;
