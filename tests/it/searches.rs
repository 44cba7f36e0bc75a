//! Searches on ground that is known: the figure of each point is what the test says, to the nanosecond, so that answers
//! are exact.

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;

use meshcast::mesh::Mesh;
use meshcast::sim::{self, Plan};
use meshcast::study::capacity::{self, Answer, Axis, Capacity, Costs, Scale, Stop, Survive, Trials, Tried};
use meshcast::study::{Crew, RunResults, Watch};

use crate::texts::Texts;

static NEVER: AtomicBool = AtomicBool::new(false);

/// Every request takes as long as is said, and 10 ms are allowed.
fn takes(millis: f64) -> Mesh {
    mesh(
        "1s",
        &format!("server: {{service: \"server:80\", concurrency: unlimited, serviceTime: {millis}ms}}"),
        "mean < 10ms",
    )
}

fn mesh(duration: &str, workloads: &str, objective: &str) -> Mesh {
    Texts::scenario(&format!(
        "apiVersion: meshcast/v1
kind: Scenario
metadata: {{name: known}}
duration: {duration}
replications: 8
network: {{latency: 0s}}
proxy: {{latency: 0s}}
workloads:
  {workloads}
clients:
  web:
    load: poisson(200rps)
    requests: [{{name: one, get: \"http://server/\"}}, {{name: two, get: \"http://server/\"}}]
objectives: [{objective}]
"
    ))
    .mesh()
}

struct Found {
    capacity: Capacity,
    tried: Vec<Tried>,
    runs: u64,
}

impl Found {
    fn at(&self, number: usize) -> f64 {
        self.tried[number].at[0]
    }
}

fn search(find: impl FnOnce(&mut Trials<'_>) -> Result<Capacity, Stop<Infallible>>) -> Found {
    let crew = Crew::new(1).expect("a thread");
    let mut hear = |_: &Tried| {};
    let mut trials = Trials::new(&crew, Watch { stop: &NEVER, step: &|| {} }, None, &mut hear);
    let capacity = find(&mut trials).expect("nothing stops it");
    Found { capacity, runs: trials.runs(), tried: trials.tried }
}

/// The least place of so many that meets the objective.
fn least(count: usize, millis: impl Fn(usize) -> f64) -> Found {
    let axis = Axis { count, costs: Costs::Even { first: 1.0, step: 1.0 } };
    search(|trials| capacity::cheapest(trials, &[axis], |place| Ok(takes(millis(place[0])))))
}

/// The hardest value of a range that meets it.
fn hardest(ends: (f64, f64), rises: bool, millis: impl Fn(f64) -> f64) -> Found {
    let scale = Scale { ends: Some(ends), rises, grain: None };
    search(|trials| capacity::hardest(trials, scale, |value| Ok(takes(millis(value)))))
}

#[test]
fn the_least_place_is_exact_where_figures_are() {
    let found = least(41, |place| 40.5 - place as f64);
    let Answer::Least { best, frontier, interval, is_complete } = &found.capacity.answer else {
        panic!("{:?}", found.capacity)
    };
    assert_eq!((found.at(*best), *interval, *is_complete), (31.0, Some((31, 31)), true));
    assert_eq!(frontier, &[*best]);
    assert_eq!((found.at(found.capacity.limit), found.capacity.fold), (30.0, None));
    assert_eq!(found.runs, 4 * found.tried.len() as u64, "a few replications decide what is that sure");
}

#[test]
fn a_hill_below_the_top_is_climbed_and_told() {
    let found = least(41, |place| if (10..=25).contains(&place) { 5.0 } else { 50.0 });
    let Answer::Least { best, .. } = &found.capacity.answer else { panic!("{:?}", found.capacity) };
    assert_eq!(found.at(*best), 10.0);
    let fold = found.capacity.fold.expect("more is worse above");
    assert!(found.at(fold.misses) > 25.0 && (10.0..=25.0).contains(&found.at(fold.meets)), "{fold:?}");
    let nothing = least(5, |place| 20.0 + place as f64);
    let Answer::Nothing(nearest) = nothing.capacity.answer else { panic!("{:?}", nothing.capacity) };
    assert_eq!(nothing.at(nearest), 0.0, "the one that comes nearest, whichever way");
}

#[test]
fn the_border_on_a_line_has_points_on_both_sides() {
    for (rises, millis) in [(false, (|value| 80.0 / value) as fn(f64) -> f64), (true, |value| value * 1.25)] {
        let found = hardest((1.0, 40.0), rises, millis);
        let Answer::Value { value, interval } = found.capacity.answer else { panic!("{:?}", found.capacity) };
        let (low, high) = interval.expect("replications");
        assert!((value - 8.0).abs() < 0.05, "{value}");
        // Between the nearest points on both sides nothing is known, however sure they are.
        let misses = |tried: &&Tried| !tried.meets();
        let off = |tried: &Tried| (tried.at[0] - 8.0).abs();
        let nearest = found.tried.iter().filter(misses).map(off).fold(f64::INFINITY, f64::min);
        let limit = &found.tried[found.capacity.limit];
        assert_eq!((limit.meets(), off(limit)), (false, nearest));
        assert!(
            low < high && (low..=high).contains(&8.0) && (low..=high).contains(&limit.at[0]),
            "{low} to {high}"
        );
        assert_eq!(found.capacity.fold, None);
    }
}

#[test]
fn ranges_without_a_border_give_their_best_end() {
    let whole = hardest((1.0, 4.0), false, |_| 5.0);
    let Answer::Whole(end) = whole.capacity.answer else { panic!("{:?}", whole.capacity) };
    assert_eq!((whole.at(end), whole.capacity.limit), (1.0, end));
    let nothing = hardest((1.0, 4.0), false, |value| 50.0 / value);
    let Answer::Nothing(nearest) = nothing.capacity.answer else { panic!("{:?}", nothing.capacity) };
    assert_eq!(nothing.at(nearest), 4.0);
    let hill = hardest((1.0, 10.0), true, |value| if (3.0..8.0).contains(&value) { 5.0 } else { 50.0 });
    let Answer::Value { value, .. } = hill.capacity.answer else { panic!("{:?}", hill.capacity) };
    assert!((value - 8.0).abs() < 0.2, "{value}");
    let fold = hill.capacity.fold.expect("less is worse below");
    assert!(hill.at(fold.misses) < 3.0 && hill.at(fold.meets) > 3.0, "{fold:?}");
}

#[test]
fn a_point_near_the_border_has_the_figures_of_all_replications() {
    let noisy = mesh(
        "5s",
        "server: {service: \"server:80\", concurrency: unlimited, serviceTime: exponential(mean=10ms)}",
        "mean < 10ms",
    );
    let plan = Plan::compile(&noisy);
    let results: Vec<_> = (0..8).map(|number| sim::run(&plan, noisy.run.seed, number)).collect();
    let alone = RunResults::pool(&results).judge(&noisy, &results);
    let crew = Crew::new(1).expect("a thread");
    let mut hear = |_: &Tried| {};
    let mut trials = Trials::new(&crew, Watch { stop: &NEVER, step: &|| {} }, None, &mut hear);
    let number = trials.attempt(&[1.0], &noisy).expect("nothing stops it");
    let case = &trials.tried[number].cases[0];
    assert_eq!((case.replications, &case.judged), (8, &alone.objectives));
    let all = alone.clients.iter().find(|row| row.class == "all").expect("a row");
    assert_eq!(Some(case.rps), all.rps.value);
    assert_eq!(trials.tried[number].offered_rps, Some(200.0));
    let again = trials.attempt(&[2.0], &noisy).expect("nothing stops it");
    assert!(again != number && trials.tried[again].cases == trials.tried[number].cases);
    assert_eq!(
        (trials.attempt(&[2.0], &noisy), trials.runs()),
        (Some(again), 8),
        "what is known is not run again"
    );
}

#[test]
fn the_loss_that_decides_ends_a_point_and_comes_first_at_the_next() {
    let of = |millis: u32| {
        mesh(
            "5s",
            &format!(
                "other: {{service: \"other:80\", replicas: 2, concurrency: unlimited, serviceTime: 1ms}}\n  \
                 server: {{service: \"server:80\", concurrency: unlimited, serviceTime: {millis}ms, calls: [\"http://other/\"]}}"
            ),
            "success >= 90%",
        )
    };
    let crew = Crew::new(1).expect("a thread");
    let mut hear = |_: &Tried| {};
    let watch = Watch { stop: &NEVER, step: &|| {} };
    let mut trials = Trials::new(&crew, watch, Some(Survive::Pod), &mut hear);
    let mut losses = |at: f64, millis| {
        let number = trials.attempt(&[at], &of(millis)).expect("nothing stops it");
        let tried = &trials.tried[number];
        assert!(!tried.meets());
        tried.cases.iter().map(|case| case.loss.clone().expect("a loss")).collect::<Vec<_>>()
    };
    assert_eq!(losses(1.0, 2), ["pod other-0", "pod server-0"], "the decisive one last");
    assert_eq!(losses(2.0, 3), ["pod server-0"], "the worst one is tried first, and no other is needed");
}
