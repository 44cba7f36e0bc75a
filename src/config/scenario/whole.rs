//! The scenario as a whole: its head, network, proxies and timeline.

use super::client::Client;
use super::workload::Workload;
use crate::config::read::{Count, Entries, Located, OneOrMany, Raw, record};
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

record! {
    /// A meshcast scenario: who calls, how often, how the pods behave, and what is to change.
    Scenario {
        /// `meshcast/v1`
        "apiVersion" => api_version: Located<String>,
        /// `Scenario`
        "kind" => kind: Located<String>,
        /// The scenario's name.
        "metadata" => metadata: Metadata,
        /// Where all randomness comes from; 42 by default.
        "seed" => seed: Located<u64>,
        /// Simulated time; 10m by default.
        "duration" => duration: Located<SimDuration>,
        /// Start that the statistics leave out; by default a tenth of the duration, at most 30s.
        "warmup" => warmup: Located<SimDuration>,
        /// How long the run goes on after its end until all requests are answered; 60s by default.
        "drain" => drain: Located<SimDuration>,
        /// Length of one point of the time series.
        "window" => window: Located<SimDuration>,
        /// Independent repetitions, for confidence intervals; 4 by default for `run`.
        "replications" => replications: Located<Count<10_000>>,
        /// Picks the defaults that differ between Istio versions: "1.28".
        "istioVersion" => istio_version: Located<String>,
        /// Files, directories and globs of Istio and Kubernetes YAML, relative to this file.
        "manifests" => manifests: OneOrMany<Located<String>>,
        /// For objects that name none; `default` by default.
        "namespace" => namespace: Located<String>,
        /// Latency between pods.
        "network" => network: Network,
        /// The Envoys.
        "proxy" => proxy: Proxy,
        /// How configuration spreads.
        "controlPlane" => control_plane: ControlPlane,
        /// Behaviour of pods, by Deployment name.
        "workloads" => workloads: Entries<Workload>,
        /// Sources of load, by name.
        "clients" => clients: Entries<Client>,
        /// The configuration as it will be changed.
        "timeline" => timeline: Vec<TimelineEntry>,
        /// A Flagger Canary or an Argo Rollout: a file, or the object in place.
        "rollout" => rollout: Located<Raw>,
        /// What must hold, in k6's grammar: `success >= 99.9%`, `reviews{subset=v2} p(99) < 250ms`.
        "objectives" => objectives: OneOrMany<Located<String>>,
    }

    /// The scenario's name.
    Metadata {
        /// Names the output folder.
        "name" => name: Located<String>,
    }

    /// Latency between pods, one way.
    Network {
        /// Inside a zone; 0.25ms by default.
        "latency" => latency: Located<Distribution>,
        /// Between the zones of a region; 1ms by default.
        "betweenZones" => between_zones: Located<Distribution>,
        /// Between regions; 30ms by default.
        "betweenRegions" => between_regions: Located<Distribution>,
    }

    /// The Envoys.
    Proxy {
        /// Worker threads of each; 2 by default.
        "workers" => workers: Located<Count<1_024>>,
        /// Per proxy and attempt, both ways together; 0s for none.
        "latency" => latency: Located<Distribution>,
        /// How long each proxy has run when the simulation starts.
        "age" => age: Located<Distribution>,
    }

    /// How configuration spreads.
    ControlPlane {
        /// From a change until a proxy has it.
        "propagation" => propagation: Located<Distribution>,
    }

    /// One change of the configuration.
    TimelineEntry {
        /// When, from the start of the run.
        "at" => at: Located<SimDuration>,
        /// What to call it in reports.
        "label" => label: Located<String>,
        /// YAML files to apply, relative to this file, or objects in place.
        "apply" => apply: OneOrMany<Located<Raw>>,
        /// Objects to delete: `DestinationRule/reviews` or `Kind/namespace/name`.
        "delete" => delete: OneOrMany<Located<String>>,
        /// Values to change: `DestinationRule/reviews:spec.trafficPolicy.connectionPool.http.http2MaxRequests=64`.
        "set" => set: OneOrMany<Located<String>>,
    }
}

impl Scenario {
    /// The namespace of objects that name none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or("default", |name| name.value.as_str())
    }
}
