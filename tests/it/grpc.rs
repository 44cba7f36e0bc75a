//! gRPC in figures, and its faults for callers that do not speak it. Source: semantics S8.2, S11.5; design D9.21.

use meshcast::mesh::Mesh;
use meshcast::metrics::series::Scope;
use meshcast::sim::{self, Plan};
use meshcast::study::RunResults;

use crate::texts::Texts;

/// A service whose port has this name, under a load of a hundred requests a second.
fn mesh(port: &str, errors: &str, rule: &str) -> Mesh {
    let mut texts = Texts::scenario(&format!(
        "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: grpc}}\nduration: 20s\nwarmup: 0s\nreplications: 1\n\
         manifests: [mesh.yaml]\nworkloads:\n\
         \x20 shop: {{labels: {{app: shop}}, replicas: 1, concurrency: unlimited, serviceTime: 1ms{errors}}}\n\
         clients:\n  web: {{load: constant(100rps), requests: [{{get: \"http://shop/\"}}]}}\n"
    ));
    let objects = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: shop}}\n\
         spec: {{selector: {{app: shop}}, ports: [{{name: {port}, port: 80}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: shop}}\n\
         spec: {{hosts: [shop], http: [{{route: [{{destination: {{host: shop}}}}], retries: {{attempts: 0}}{rule}}}]}}\n"
    );
    texts.0.insert("mesh.yaml".to_owned(), objects);
    texts.mesh()
}

/// Code, flags and number of the client's responses, and its success in per cent.
fn responses(mesh: &Mesh) -> (Vec<(u16, String, f64)>, f64) {
    let run = RunResults::pool(&[sim::run(&Plan::compile(mesh), 42, 0)]);
    let client = &run.clients[0];
    let rows = run.responses.iter().filter(|row| row.subject.scope == Scope::Client);
    let rows =
        rows.map(|row| (row.outcome.code, row.outcome.flags.to_string(), row.count.value.expect("a count")));
    (rows.collect(), client.success_pct.value.expect("requests"))
}

#[test]
fn failed_grpc_calls_count_by_the_http_status_that_they_map_to() {
    let (rows, success) = responses(&mesh("grpc", ", errors: {rate: 100%, status: INTERNAL}", ""));
    assert_eq!((rows, success), (vec![(500, "-".to_owned(), 2_000.0)], 0.0));
    // Not found is an answer like any other.
    let (rows, success) = responses(&mesh("grpc-web", ", errors: {rate: 100%, status: NOT_FOUND}", ""));
    assert_eq!((rows, success), (vec![(404, "-".to_owned(), 2_000.0)], 100.0));
}

#[test]
fn only_grpc_callers_get_a_faults_grpc_status() {
    let fault = ", fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}";
    let of = |port: &str| responses(&mesh(port, "", fault));
    assert_eq!(of("grpc"), (vec![(503, "FI".to_owned(), 2_000.0)], 0.0));
    assert_eq!(of("http"), (vec![(200, "FI".to_owned(), 2_000.0)], 100.0));
}
