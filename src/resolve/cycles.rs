//! Calls that certainly lead back to themselves. Such a request would never end, so it is an error at load; cycles that
//! chance or routing can leave are cut by the engine after 64 hops. Source: design D9.10.

use crate::kernel::Table;
use crate::kernel::random::Chance;
use crate::mesh::workload::{CallSpec, Operation, Step, Workload};
use crate::mesh::{CallSpecId, WorkloadId};
use crate::policy::request::RequestShape;
use crate::policy::route::Condition;

/// An operation, by workload and number.
type Node = (WorkloadId, usize);

/// The call by which each operation of a certain cycle calls the next, if there is such a cycle. `backends` tells the
/// workloads that may answer a call, wherever its routes lead; empty where that is not known.
///
/// An operation is caught if one of its calls is always made and every workload that may answer it answers with an
/// operation that is caught too. Calls whose errors are ignored are no way out: they start the next round all the same.
pub fn find_certain_cycle(
    workloads: &Table<WorkloadId, Workload>,
    calls: &Table<CallSpecId, CallSpec>,
    backends: &dyn Fn(&CallSpec) -> Vec<WorkloadId>,
) -> Option<Vec<CallSpecId>> {
    let mut edges: Vec<(Node, Vec<(CallSpecId, Vec<Node>)>)> = Vec::new();
    for (id, workload) in workloads.iter() {
        for (number, operation) in workload.operations.iter().enumerate() {
            let certain = certain_calls(operation, calls);
            let out = certain.filter_map(|call| {
                let answering = backends(&calls[call]);
                let nodes: Option<Vec<Node>> =
                    answering.iter().map(|id| Some((*id, serving(&workloads[*id], &calls[call])?))).collect();
                nodes.filter(|nodes| !nodes.is_empty()).map(|nodes| (call, nodes))
            });
            edges.push(((id, number), out.collect()));
        }
    }
    let mut caught: Vec<bool> = vec![true; edges.len()];
    let place = |node: &Node| edges.binary_search_by_key(node, |(node, _)| *node).ok();
    let is_caught = |caught: &[bool], node: &Node| place(node).is_some_and(|index| caught[index]);
    loop {
        let next: Vec<bool> = edges
            .iter()
            .enumerate()
            .map(|(index, (_, out))| {
                caught[index]
                    && out.iter().any(|(_, nodes)| nodes.iter().all(|node| is_caught(&caught, node)))
            })
            .collect();
        if next == caught {
            break;
        }
        caught = next;
    }
    let mut at = caught.iter().position(|caught| *caught)?;
    let (mut walk, mut seen): (Vec<CallSpecId>, Vec<usize>) = (Vec::new(), Vec::new());
    while !seen.contains(&at) {
        seen.push(at);
        let (_, out) = &edges[at];
        let (call, nodes) =
            out.iter().find(|(_, nodes)| nodes.iter().all(|node| is_caught(&caught, node)))?;
        walk.push(*call);
        at = place(nodes.first()?)?;
    }
    let start = seen.iter().position(|index| *index == at)?;
    Some(walk.split_off(start))
}

/// The calls that every request of the operation makes, if those before them succeed.
fn certain_calls<'a>(
    operation: &'a Operation,
    calls: &'a Table<CallSpecId, CallSpec>,
) -> impl Iterator<Item = CallSpecId> + 'a {
    let ids = operation.steps.iter().flat_map(|step| match step {
        Step::Work(_) => &[][..],
        Step::Calls(ids) => ids,
    });
    ids.copied().filter(|id| calls[*id].share == Chance::ALWAYS)
}

/// The operation that serves a call whatever headers it carries; `None` if that depends, or if there is none.
fn serving(workload: &Workload, call: &CallSpec) -> Option<usize> {
    let shape = RequestShape::new(&call.target, &call.headers);
    for (number, operation) in workload.operations.iter().enumerate() {
        let Some(condition) = &operation.condition else { return Some(number) };
        let mut bare = condition.clone();
        bare.headers.clear();
        bare.without_headers.clear();
        if Condition::new(&bare).ok()?.matches(&shape) {
            let depends = !condition.headers.is_empty() || !condition.without_headers.is_empty();
            return (!depends).then_some(number);
        }
    }
    None
}

/// `reviews-v1 -> ratings-v1 -> reviews-v1`, for people.
pub fn describe(
    cycle: &[CallSpecId],
    workloads: &Table<WorkloadId, Workload>,
    calls: &Table<CallSpecId, CallSpec>,
) -> String {
    let mut names: Vec<&str> = cycle.iter().map(|call| workloads[calls[*call].owner].name.as_str()).collect();
    names.extend(names.first().copied());
    names.join(" -> ")
}
