//! What requests look like, told once and numbered. Routes, operations and onward calls depend on a request's look
//! alone, so each answer is worked out when it is first needed and looked up in a table from then on: no string is
//! touched per request. Source: design D9.8.
//!
//! A user of a client's population is part of the shape only where some match or hash reads what names the user.

use std::collections::BTreeMap;

use crate::kernel::Id;
use crate::mesh::routing::HeaderOps;
use crate::mesh::{CallSpecId, RouteTableId, WorkloadId};
use crate::policy::hash::{self, Term, TermValue};
use crate::policy::onward;
use crate::policy::request::{RequestShape, mirrored_authority};
use crate::sim::plan::{NIL, Plan};
use crate::sim::world::Request;

/// Not asked yet.
const UNKNOWN: u32 = u32::MAX - 1;

/// Answers by two small numbers, filled in as they are needed.
#[derive(Default)]
struct Memo {
    rows: Vec<Vec<u32>>,
}

impl Memo {
    fn new(rows: usize) -> Memo {
        Memo { rows: vec![Vec::new(); rows] }
    }

    #[inline]
    fn get(&self, row: usize, column: u32) -> Option<u32> {
        self.rows[row].get(column as usize).copied().filter(|answer| *answer != UNKNOWN)
    }

    fn set(&mut self, row: usize, column: u32, answer: u32) {
        let row = &mut self.rows[row];
        if row.len() <= column as usize {
            row.resize(column as usize + 1, UNKNOWN);
        }
        row[column as usize] = answer;
    }
}

/// What a route's hash policies make of a shape.
#[derive(Clone, Copy)]
pub enum ShapeHash {
    Nothing,
    Known(u64),
    /// More than the shape tells: a row of terms.
    Takes(u32),
}

/// All shapes of a run, by number.
pub struct Shapes {
    shapes: Vec<RequestShape>,
    /// By fingerprint; of several with one, each takes the next that is free.
    numbers: BTreeMap<u64, u32>,
    /// By client: the row of its first class in `classes`.
    first_class: Vec<u32>,
    /// Class and user.
    classes: Memo,
    /// By client: whether its users' names can be read by anything.
    reads_user: Vec<bool>,
    routes: Memo,
    /// Route and shape; `None` rows never change a request.
    routed: Memo,
    /// Destination, counted over all routes, and shape.
    sent_to: Memo,
    /// Of copies with a suffix, by shape.
    marked: Memo,
    /// By route and shape, as they are asked for.
    hashes: Vec<Vec<Option<ShapeHash>>>,
    /// Of hashes that take more than the shape.
    terms: Vec<Vec<Term>>,
    operations: Memo,
    calls: Memo,
}

impl Shapes {
    pub fn new(plan: &Plan<'_>) -> Shapes {
        let clients = plan.mesh.clients.rows();
        let mut first_class = Vec::with_capacity(clients.len());
        let mut count = 0;
        for client in clients {
            first_class.push(count);
            count += client.classes.len() as u32;
        }
        let reads_user = clients.iter().map(|client| {
            let carrier = client.users.as_ref().map(|users| &users.carrier);
            carrier.and_then(onward::user_header).is_some_and(|name| reads_header(plan, name))
        });
        Shapes {
            shapes: Vec::new(),
            numbers: BTreeMap::new(),
            first_class,
            classes: Memo::new(count as usize),
            reads_user: reads_user.collect(),
            routes: Memo::new(plan.tables.len()),
            routed: Memo::new(plan.routes.len()),
            sent_to: Memo::new(plan.destinations as usize),
            marked: Memo::new(1),
            hashes: vec![Vec::new(); plan.routes.len()],
            terms: Vec::new(),
            operations: Memo::new(plan.workloads.len()),
            calls: Memo::new(plan.mesh.calls.len()),
        }
    }

    fn number(&mut self, shape: RequestShape) -> u32 {
        let mut fingerprint = shape.fingerprint();
        while let Some(number) = self.numbers.get(&fingerprint) {
            if self.shapes[*number as usize] == shape {
                return *number;
            }
            fingerprint = fingerprint.wrapping_add(1);
        }
        let number = self.shapes.len() as u32;
        self.numbers.insert(fingerprint, number);
        self.shapes.push(shape);
        number
    }

    /// The shape of a client's request. `user`: its number in the population, or [`NIL`].
    #[inline]
    pub fn of_class(&mut self, plan: &Plan<'_>, client: u32, class: u32, user: u32) -> u32 {
        let user = if user == NIL || !self.reads_user[client as usize] { 0 } else { user + 1 };
        let row = (self.first_class[client as usize] + class) as usize;
        self.classes.get(row, user).unwrap_or_else(|| self.make_of_class(plan, client, class, user))
    }

    /// `user` counts from 1 here.
    #[cold]
    fn make_of_class(&mut self, plan: &Plan<'_>, client: u32, class: u32, user: u32) -> u32 {
        let spec = &plan.mesh.clients.rows()[client as usize];
        let class_spec = &spec.classes[class as usize];
        let named = spec.users.as_ref().filter(|_| user > 0).map(|users| (&users.carrier, user - 1));
        let number = self.number(onward::born(class_spec, named));
        self.classes.set((self.first_class[client as usize] + class) as usize, user, number);
        number
    }

    /// The shape that a request had at its birth.
    pub fn of_request(&mut self, plan: &Plan<'_>, request: &Request) -> u32 {
        self.of_class(plan, request.client, request.class, request.population_user)
    }

    /// The row of the route that a request takes, or [`NIL`] (404 NR).
    #[inline]
    pub fn route(&mut self, plan: &Plan<'_>, table: RouteTableId, shape: u32) -> u32 {
        self.routes.get(table.index(), shape).unwrap_or_else(|| {
            let row = plan.table(table).find(&self.shapes[shape as usize]);
            self.routes.set(table.index(), shape, row);
            row
        })
    }

    /// The request as the route sends it on, before its destination's own operations.
    #[inline]
    pub fn routed(&mut self, plan: &Plan<'_>, route: u32, shape: u32) -> u32 {
        self.routed.get(route as usize, shape).unwrap_or_else(|| {
            let changed =
                self.shapes[shape as usize].routed(plan.routes[route as usize].route, &HeaderOps::default());
            let number = self.number(changed);
            self.routed.set(route as usize, shape, number);
            number
        })
    }

    /// The request with its destination's own operations. Source: semantics S2.6.
    pub fn sent_to(&mut self, plan: &Plan<'_>, route: u32, destination: u32, shape: u32) -> u32 {
        let route = &plan.routes[route as usize];
        let row = (route.first_destination + destination) as usize;
        self.sent_to.get(row, shape).unwrap_or_else(|| {
            let mut changed = self.shapes[shape as usize].clone();
            changed.apply(&route.destinations[destination as usize].request_headers);
            let number = self.number(changed);
            self.sent_to.set(row, shape, number);
            number
        })
    }

    /// The request as a copy of it was sent before Istio 1.28: to its host with the suffix `-shadow`.
    /// Source: semantics S12.2.
    pub fn marked(&mut self, shape: u32) -> u32 {
        self.marked.get(0, shape).unwrap_or_else(|| {
            let mut copy = self.shapes[shape as usize].clone();
            copy.authority = mirrored_authority(&copy.authority, true);
            let number = self.number(copy);
            self.marked.set(0, shape, number);
            number
        })
    }

    /// What a route's hash policies make of a shape. Source: semantics S5.7.
    #[inline]
    pub fn hash(&mut self, plan: &Plan<'_>, route: u32, shape: u32) -> ShapeHash {
        let known = self.hashes[route as usize].get(shape as usize).copied().flatten();
        known.unwrap_or_else(|| self.find_hash(plan, route, shape))
    }

    #[cold]
    fn find_hash(&mut self, plan: &Plan<'_>, route: u32, shape: u32) -> ShapeHash {
        let terms = hash::terms(&plan.routes[route as usize].route.hash, &self.shapes[shape as usize]);
        let found = if terms.iter().all(|term| matches!(term.value, TermValue::Known(_))) {
            hash::combine(&terms, |_| None).map_or(ShapeHash::Nothing, ShapeHash::Known)
        } else {
            self.terms.push(terms);
            ShapeHash::Takes(self.terms.len() as u32 - 1)
        };
        let row = &mut self.hashes[route as usize];
        if row.len() <= shape as usize {
            row.resize(shape as usize + 1, None);
        }
        row[shape as usize] = Some(found);
        found
    }

    /// The terms of a hash that takes more than the shape.
    pub fn terms(&self, row: u32) -> &[Term] {
        &self.terms[row as usize]
    }

    /// The row of the first step of the workload's operation that serves a request, or [`NIL`] (404).
    #[inline(always)]
    pub fn first_step(&mut self, plan: &Plan<'_>, workload: WorkloadId, shape: u32) -> u32 {
        self.operations.get(workload.index(), shape).unwrap_or_else(|| {
            let shape_seen = &self.shapes[shape as usize];
            let operations = &plan.workload(workload).operations;
            let serves = operations.iter().find(|operation| {
                operation.condition.as_ref().is_none_or(|condition| condition.matches(shape_seen))
            });
            let row = serves.map_or(NIL, |operation| operation.first_step);
            self.operations.set(workload.index(), shape, row);
            row
        })
    }

    /// The shape of a call that serves a request: what its step writes, and the headers that are carried on.
    /// Source: design D9.7.
    #[inline]
    pub fn of_call(&mut self, plan: &Plan<'_>, call: CallSpecId, serving: u32) -> u32 {
        self.calls.get(call.index(), serving).unwrap_or_else(|| self.make_of_call(plan, call, serving))
    }

    #[cold]
    fn make_of_call(&mut self, plan: &Plan<'_>, call: CallSpecId, serving: u32) -> u32 {
        let spec = &plan.mesh.calls[call];
        let forwards = plan.mesh.workloads[spec.owner].forward_headers.as_deref();
        let shape = onward::call(spec, forwards, &self.shapes[serving as usize]);
        let number = self.number(shape);
        self.calls.set(call.index(), serving, number);
        number
    }
}

fn reads_header(plan: &Plan<'_>, name: &str) -> bool {
    let by_routes = plan.tables.iter().any(|table| table.reads_header(name))
        || plan.routes.iter().any(|route| hash::reads_header(&route.route.hash, name));
    let operations = plan.mesh.workloads.rows().iter().flat_map(|workload| &workload.operations);
    let mut conditions = operations.filter_map(|operation| operation.condition.as_ref());
    by_routes
        || conditions.any(|condition| {
            condition.headers.iter().chain(&condition.without_headers).any(|(key, _)| key == name)
        })
}
