//! Services that requests go to and that no pod backs. A subset without pods is a forecast worth having (503 UH); a
//! service without any means that part of the manifests is missing.

use crate::config::diagnostic::Diagnostic;
use crate::config::load::Loaded;
use crate::mesh::{Mesh, ServiceId};
use crate::study::Traffic;
use crate::study::traffic::Answer;

/// An error for each of them.
pub fn check(loaded: &Loaded, mesh: &Mesh, traffic: &Traffic) -> Vec<Diagnostic> {
    let asked = |name: &str| {
        let hops = traffic.clients.iter().flat_map(|client| &client.hops);
        let splits = hops.filter_map(|hop| match &hop.answer {
            Answer::Forward(splits) => Some(splits),
            Answer::NoRoute | Answer::Respond(_) => None,
        });
        splits.flatten().any(|split| split.service == name && split.share > 0.0 && split.hosts == Some(0))
    };
    let backed = |id: ServiceId| {
        mesh.pods.rows().iter().any(|pod| mesh.workloads[pod.workload].services.contains(&id))
    };
    let services = mesh.services.iter().filter(|(id, service)| !backed(*id) && asked(&service.name));
    services.map(|(id, service)| finding(loaded, mesh, id, &service.name, &service.namespace)).collect()
}

fn finding(loaded: &Loaded, mesh: &Mesh, id: ServiceId, name: &str, namespace: &str) -> Diagnostic {
    let home = loaded.namespace();
    let place = |kinds: &[&str], wanted: &str, path: &str| {
        let object = loaded.objects.iter().find(|object| {
            let space = object.namespace.as_deref().unwrap_or(home);
            kinds.contains(&object.kind.as_str()) && object.name == wanted && space == namespace
        });
        object.map(|object| loaded.docs.span(object.doc, path))
    };
    let short = name.strip_suffix(&format!(".{namespace}")).unwrap_or(name);
    let empty = mesh.workloads.rows().iter().find(|workload| workload.services.contains(&id));
    let (mut finding, at) = match empty {
        Some(workload) => {
            let own = workload.name.strip_suffix(&format!(".{namespace}")).unwrap_or(&workload.name);
            let message = format!("workload `{own}` has no pods, and requests go to its service `{name}`");
            let help = format!("give it `replicas`, also by `--set workloads.{own}.replicas=1`");
            let kinds = ["Deployment", "StatefulSet", "ReplicaSet"];
            (Diagnostic::error("MS0017", message).help(help), place(&kinds, own, "spec.replicas"))
        }
        None => {
            let message = format!("requests go to service `{name}`, which selects no pods");
            let help = format!(
                "add its Deployment to the manifests, or say how it behaves: `workloads: {{{short}: {{service: {short}}}}}`"
            );
            (Diagnostic::error("MS0017", message).help(help), place(&["Service"], short, "spec.selector"))
        }
    };
    finding.span = at;
    finding
}
