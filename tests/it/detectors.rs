//! Outlier detection beyond what Istio's objects can ask for, in the engine: the detectors that look at rates. Their
//! rules are tested beside them; here, that sweeps run for them and that what they decide happens.
//! Source: semantics S8.7.

use meshcast::mesh::Mesh;
use meshcast::mesh::policy_spec::{FailurePercentageSpec, OutlierSpec, SuccessRateSpec};
use meshcast::metrics::Results;
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

/// Five pods, of which the first fails two of three requests; runs of failures eject nobody.
fn mesh(change: impl Fn(&mut OutlierSpec)) -> Mesh {
    let mut texts = Texts::scenario(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {name: rates}\nduration: 60s\nwarmup: 0s\n\
         network: {latency: 0s}\nproxy: {workers: 1, latency: 0s, age: 3s}\nmanifests: [rule.yaml]\nworkloads:\n\
         \x20 shop: {service: shop, replicas: 5, concurrency: unlimited, serviceTime: 1ms, \
         incidents: [{at: 0s, pods: 1, errors: {rate: 66%, status: 503}}]}\n\
         clients:\n  web: {load: constant(500rps), requests: [{get: \"http://shop/\"}]}\n",
    );
    texts.0.insert(
        "rule.yaml".to_owned(),
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: shop}\n\
         spec: {host: shop, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 0, maxEjectionPercent: 50}}}\n"
            .to_owned(),
    );
    let mut mesh = texts.mesh();
    for id in mesh.clusters.ids().collect::<Vec<_>>() {
        mesh.clusters[id].outlier.iter_mut().for_each(&change);
    }
    mesh
}

/// Seconds, pod and message of each ejection and return.
fn events(mesh: &Mesh) -> Vec<(f64, String, String)> {
    let results: Results = sim::run(&Plan::compile(mesh), 42, 0);
    let moved = results.events.into_iter().filter(|event| event.kind.ends_with("ejection"));
    moved.map(|event| (event.at.nanos() as f64 / 1e9, event.object, event.message)).collect()
}

#[test]
fn detectors_that_look_at_rates_eject_at_sweeps() {
    let success_rate = mesh(|spec| {
        let (minimum_hosts, request_volume, stdev_factor) = (5, 100, 1_900);
        spec.success_rate = Some(SuccessRateSpec { minimum_hosts, request_volume, stdev_factor });
    });
    let failure_percentage = mesh(|spec| {
        let (minimum_hosts, request_volume, threshold) = (5, 50, 60);
        spec.failure_percentage = Some(FailurePercentageSpec { minimum_hosts, request_volume, threshold });
    });
    for (mesh, cause) in [(success_rate, "(SUCCESS_RATE)"), (failure_percentage, "(FAILURE_PERCENTAGE)")] {
        let events = events(&mesh);
        // The proxy is 3 s old, so its sweeps come at 7 s, 17 s ... It goes at the first and returns after 30 s; the
        // next interval has four of five hosts left to judge, which is too few, until it is back.
        let times: Vec<f64> = events.iter().map(|(at, ..)| *at).collect();
        assert_eq!(times, [7.0, 37.0, 47.0], "{events:?}");
        assert!(events.iter().all(|(_, pod, _)| pod == "shop-0"), "{events:?}");
        assert!(events[0].2.ends_with(cause) && events[2].2.ends_with(cause), "{events:?}");
    }
    assert_eq!(events(&mesh(|_| ())), []);
}
