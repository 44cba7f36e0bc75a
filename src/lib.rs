//! meshcast forecasts what a service mesh will do with traffic before anyone applies the change.
//!
//! Data moves one way, and each arrow is a function:
//!
//! ```text
//! YAML text --config::load--> Loaded --resolve::mesh--> Mesh --Plan::compile--> Plan
//!             (as written)              (as meant)             (ready to run)
//! Plan --sim::run--> Results --RunResults::pool--> figures --report--> text, CSV, charts
//!        (events)    (one replication)            (many)
//! ```
//!
//! The same in code:
//!
//! ```
//! use meshcast::config::files::{Files, ReadError};
//! use meshcast::{config::load, report, resolve, sim, study::RunResults};
//!
//! /// Input comes from where you say: here a text in memory, in the program the file system.
//! struct Text(&'static str);
//! impl Files for Text {
//!     fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
//!         Ok(self.0.into())
//!     }
//!     fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
//!         Ok(vec![pattern.to_owned()])
//!     }
//! }
//!
//! let scenario = Text("
//! apiVersion: meshcast/v1
//! kind: Scenario
//! metadata: {name: one-server}
//! duration: 60s
//! proxy: {latency: 0s}
//! network: {latency: 0s}
//! workloads:
//!   shop: {service: shop, concurrency: 1, serviceTime: exponential(mean=5ms)}
//! clients:
//!   web: {load: poisson(100rps), requests: [{get: \"http://shop/\"}]}
//! objectives: [success >= 99.9%]
//! ");
//! let request = load::Request { scenario: Some("scenario.yaml"), ..load::Request::default() };
//! let loaded = load::load(&request, &scenario);
//! let mesh = resolve::mesh(&loaded).mesh.expect("nothing is wrong with it");
//! let plan = sim::Plan::compile(&mesh);
//! let results: Vec<_> = (0..4).map(|replication| sim::run(&plan, 42, replication)).collect();
//! let figures = RunResults::pool(&results).judge(&mesh, &results);
//! // A server that is busy half of the time answers in twice its service time.
//! let mean = figures.clients[0].latency.mean.value.expect("requests were answered");
//! assert!((9.0..11.0).contains(&mean), "{mean} ms");
//! assert!(figures.objectives[0].met);
//! let csv = report::csv::write(report::tables::clients(&figures), true);
//! assert!(csv.starts_with(b"client,class,requests,"));
//! ```
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod kernel;
pub mod mesh;
pub mod metrics;
pub mod policy;
pub mod report;
pub mod resolve;
pub mod sim;
pub mod study;
