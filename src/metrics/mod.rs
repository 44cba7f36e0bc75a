//! Counting: the live recorder of one replication, its results as plain data, and the statistics over many.
//! What the recorder does per call is a few additions; everything else happens once a window or once a run.

pub mod count;
pub mod histogram;
pub mod paired;
pub mod recorder;
pub mod results;
pub mod series;
pub mod statistics;
pub mod story;

pub use count::{Counter, Finished};
pub use histogram::Histogram;
pub use recorder::{ClusterGauges, ClusterRow, Gauges, HostRow, Recorder, RequestRow, WorkloadGauges};
pub use results::{Clock, ClusterKey, HostKey, HostTotals, RequestKey, Results};
pub use series::{Metric, Scope, SeriesKey};
pub use statistics::Estimate;
