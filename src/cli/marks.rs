//! What happens at which moment of a run by the scenario's will, for charts: changes of the configuration, and
//! incidents with their ends.

use crate::kernel::SimTime;
use crate::kernel::words::counted;
use crate::mesh::Mesh;
use crate::mesh::workload::{Incident, IncidentKind, Workload};
use crate::report::Mark;

/// In order of time.
pub fn of(mesh: &Mesh) -> Vec<Mark> {
    let states = mesh.states.rows().iter().skip(1);
    let mut marks: Vec<Mark> =
        states.map(|state| Mark { at: state.at, label: short_label(&state.label) }).collect();
    for workload in mesh.workloads.rows() {
        marks.extend(workload.incidents.iter().flat_map(|incident| incident_marks(workload, incident)));
    }
    marks.retain(|mark| mark.at.since(SimTime::ZERO) < mesh.run.duration);
    marks.sort_by_key(|mark| mark.at);
    marks.dedup();
    marks
}

/// `apply steps/canary-10.yaml` is `canary-10` on a chart, and `set workloads.shop.replicas=2` is `shop: 2 pods`.
fn short_label(label: &str) -> String {
    let parts: Vec<String> =
        label.split(", ").map(|part| pods(part).unwrap_or_else(|| part.to_owned())).collect();
    let label = parts.join(", ");
    let Some(file) = label.strip_prefix("apply ").filter(|rest| !rest.contains([' ', ','])) else {
        return label;
    };
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".yaml").or(name.strip_suffix(".yml")).unwrap_or(name).to_owned()
}

fn pods(part: &str) -> Option<String> {
    let (workload, pods) = part.strip_prefix("set workloads.")?.split_once(".replicas=")?;
    Some(format!(
        "{}: {}",
        workload.trim_matches(['[', ']', '"', '\'']),
        counted(pods.parse::<u32>().ok()?, "pod", "pods")
    ))
}

/// `reviews-v2: slowdown`, and `slowdown ends` if it does.
fn incident_marks(workload: &Workload, incident: &Incident) -> impl Iterator<Item = Mark> {
    let (what, end, lasts) = match incident.kind {
        IncidentKind::Errors(_) => ("errors", "errors end", incident.lasts),
        IncidentKind::Slowdown(_) => ("slowdown", "slowdown ends", incident.lasts),
        IncidentKind::Hang => ("hang", "hang ends", incident.lasts),
        IncidentKind::Crash { restart, .. } => ("crash", "restart", Some(restart)),
    };
    let whom = match incident.pods.as_deref() {
        Some([ordinal]) => format!("{}-{ordinal}", workload.name),
        _ => workload.name.clone(),
    };
    let begin = Mark { at: incident.at, label: format!("{whom}: {what}") };
    let end = lasts.map(|lasts| Mark { at: incident.at + lasts, label: end.to_owned() });
    std::iter::once(begin).chain(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::files::{Files, ReadError};
    use crate::config::load::{self, Request};
    use crate::resolve;

    #[test]
    fn labels_of_charts_are_short() {
        for (label, short) in [
            ("apply steps/canary-10.yaml", "canary-10"),
            ("delete DestinationRule/reviews", "delete DestinationRule/reviews"),
            ("all to v2", "all to v2"),
            ("set workloads.shop-v2.replicas=1", "shop-v2: 1 pod"),
            ("set workloads.old.replicas=0, set workloads.new.replicas=4", "old: 0 pods, new: 4 pods"),
            ("set Deployment/shop:spec.replicas=2", "set Deployment/shop:spec.replicas=2"),
        ] {
            assert_eq!(short_label(label), short);
        }
    }

    /// Every file holds this scenario.
    struct Text;

    impl Files for Text {
        fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
            let text = "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: x}
duration: 5m
workloads:
  app:
    service: app
    replicas: 3
    serviceTime: 1ms
    incidents:
    - {at: 2m, for: 1m, slowdown: 4}
    - {at: 1m, pods: 1, crash: {restart: 10s}}
    - {at: 4m, for: 9m, pods: 2, errors: {rate: 10%}}
clients:
  web: {load: poisson(1rps), requests: [{get: \"http://app/\"}]}
";
            Ok(text.as_bytes().to_vec())
        }

        fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
            Ok(vec![pattern.to_owned()])
        }
    }

    #[test]
    fn incidents_begin_and_end() {
        let loaded = load::load(&Request { scenario: Some("x.yaml"), ..Request::default() }, &Text);
        let mesh = resolve::mesh(&loaded).mesh.expect("sound");
        let told: Vec<String> =
            of(&mesh).iter().map(|mark| format!("{} {}", mark.at.seconds(), mark.label)).collect();
        assert_eq!(
            told,
            ["60 app-0: crash", "70 restart", "120 app: slowdown", "180 slowdown ends", "240 app: errors"]
        );
    }
}
