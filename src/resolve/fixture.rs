//! A small world of names for the tests of this folder.

use super::names::Names;
use crate::config::diagnostic::Diagnostic;
use crate::config::document::Docs;
use crate::config::scenario::{self, Scenario};
use crate::config::yaml;
use crate::kernel::Id;
use crate::mesh::{ServiceId, WorkloadId};

/// Services `reviews` and `ratings` and a workload of each, a gateway `door`.
pub struct Town;

const SERVICES: [&str; 2] = ["reviews", "ratings"];
const HOSTS: [&str; 2] = ["reviews.default.svc.cluster.local", "ratings.default.svc.cluster.local"];

impl Names for Town {
    fn service(&self, host: &str, from_namespace: &str) -> Option<ServiceId> {
        let short = |name: &&str| *name == host && from_namespace == "default";
        let found = SERVICES.iter().position(short).or(HOSTS.iter().position(|full| *full == host));
        found.map(ServiceId::from_index)
    }
    fn service_host(&self, service: ServiceId) -> &str {
        HOSTS[service.index()]
    }
    fn workload(&self, name: &str) -> Option<WorkloadId> {
        SERVICES.iter().position(|service| name == format!("{service}-v1")).map(WorkloadId::from_index)
    }
    fn gateway(&self, name: &str) -> bool {
        name == "door"
    }
    fn service_names(&self) -> Vec<String> {
        SERVICES.map(str::to_owned).to_vec()
    }
    fn subsets(&self, service: ServiceId) -> Vec<String> {
        if service.index() == 0 { vec!["v1".to_owned(), "v2".to_owned()] } else { Vec::new() }
    }
    fn workload_names(&self) -> Vec<String> {
        SERVICES.map(|name| format!("{name}-v1")).to_vec()
    }
    fn gateway_names(&self) -> Vec<String> {
        vec!["door".to_owned()]
    }
}

/// A scenario and what was found wrong with it, as `marked text: message`.
pub fn read(text: &str) -> (Docs, Scenario, Vec<Diagnostic>) {
    let mut docs = Docs::default();
    let source = docs.sources.add_text("scenario.yaml", text.to_owned());
    let doc = docs.add(source, 0..text.len());
    let mut findings = Vec::new();
    let value = yaml::decode(text).expect("the test writes YAML");
    let scenario = scenario::read(&value, &docs, doc, &mut findings).expect("a mapping");
    (docs, scenario, findings)
}
