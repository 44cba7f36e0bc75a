//! How busy the pods of each workload are, over the whole measured time.

use std::collections::BTreeMap;

use crate::mesh::Mesh;
use crate::metrics::Results;
use crate::metrics::statistics::{self, Estimate};

/// Busy share of the slots of each workload that has a limit, per cent: mean over its pods in each replication.
pub fn by_workload(mesh: &Mesh, results: &[Results]) -> BTreeMap<String, Estimate> {
    let workloads: BTreeMap<&str, &str> = mesh
        .pods
        .rows()
        .iter()
        .map(|pod| (pod.name.as_str(), mesh.workloads[pod.workload].name.as_str()))
        .collect();
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for one in results {
        // A pod has a row for each cluster that reaches it, and the same figure in all of them.
        let pods: BTreeMap<&str, f64> = one
            .hosts
            .iter()
            .filter_map(|(key, host)| Some((key.host.as_str(), host.totals.utilization_pct?)))
            .collect();
        let mut of_workload: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (pod, busy) in pods {
            let Some(workload) = workloads.get(pod) else { continue };
            let (sum, count) = of_workload.entry(workload).or_default();
            *sum += busy;
            *count += 1.0;
        }
        for (workload, (sum, count)) in of_workload {
            values.entry(workload).or_default().push(sum / count);
        }
    }
    values.into_iter().map(|(workload, each)| (workload.to_owned(), statistics::mean(&each))).collect()
}
