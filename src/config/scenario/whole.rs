//! The scenario as a whole: its head, network, proxies and timeline.

use super::client::Client;
use super::workload::{DataPlane, MAX_PODS, Workload};
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
        /// What stands between applications and the network where nothing else is said: `sidecar` (by default),
        /// `ambient`, `gateway-only` or `proxyless`.
        "dataPlane" => data_plane: Located<DataPlane>,
        /// What holds for whole namespaces, by name.
        "namespaces" => namespaces: Entries<Namespace>,
        /// The waypoints of ambient mode, by name: of Gateways in the manifests, or declared here.
        "waypoints" => waypoints: Entries<Waypoint>,
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
        /// What a ztunnel adds per attempt, both ways together, in ambient mode.
        "ztunnelLatency" => ztunnel_latency: Located<Distribution>,
        /// How long each proxy has run when the simulation starts.
        "age" => age: Located<Distribution>,
    }

    /// How configuration spreads.
    ControlPlane {
        /// From a change until a proxy has it.
        "propagation" => propagation: Located<Distribution>,
    }

    /// What holds for a whole namespace, where its pods and services do not say otherwise.
    Namespace {
        /// What stands between its applications and the network.
        "dataPlane" => data_plane: Located<DataPlane>,
        /// The waypoint that its services use, as label `istio.io/use-waypoint`; `none` for none.
        "waypoint" => waypoint: Located<String>,
    }

    /// The Envoys that apply rules for the services behind them, in ambient mode.
    Waypoint {
        /// Its namespace; the scenario's by default.
        "namespace" => namespace: Located<String>,
        /// Number of Envoys, which share nothing; 1 by default.
        "replicas" => replicas: Located<Count<MAX_PODS>>,
        /// Zones that they are dealt out to in turn.
        "zones" => zones: OneOrMany<Located<String>>,
        /// The services behind it, beside those that labels bind. Of a waypoint that no manifest declares: all of its
        /// namespace by default.
        "services" => services: OneOrMany<Located<String>>,
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
