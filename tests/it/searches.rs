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

/// As long as that on average, and 10 ms are allowed.
fn noisy(millis: f64) -> Mesh {
    let time = format!("exponential(mean={millis:.3}ms)");
    let server = format!("server: {{service: \"server:80\", concurrency: unlimited, serviceTime: {time}}}");
    mesh("5s", &server, "mean < 10ms")
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

/// Places one per cent apart, of figures that are sure to three.
#[test]
fn an_interval_of_places_ends_where_points_are_sure() {
    let least = |count: usize, make: &dyn Fn(usize) -> Mesh| {
        let axis = Axis { count, costs: Costs::Even { first: 1.0, step: 1.0 } };
        let crew = Crew::new(1).expect("a thread");
        let mut hear = |_: &Tried| {};
        let mut trials = Trials::new(&crew, Watch { stop: &NEVER, step: &|| {} }, None, &mut hear);
        let find = |place: &[usize]| Ok::<Mesh, Infallible>(make(place[0]));
        let found = capacity::cheapest(&mut trials, &[axis], find).expect("nothing stops it");
        let Answer::Least { best, interval: Some(ends), .. } = found.answer else { panic!("{found:?}") };
        let mut look = |place: usize| {
            let number = trials.attempt(&[place as f64], &make(place)).expect("nothing stops it");
            (trials.tried[number].surely_misses(), trials.tried[number].surely_meets())
        };
        let about = [ends.0.saturating_sub(1), ends.0, ends.1.saturating_sub(1), ends.1].map(&mut look);
        (trials.tried[best].at[0] as usize, ends, about)
    };
    let (best, (low, high), about) = least(41, &|place| noisy(12.0 - 0.1 * place as f64));
    assert!(low < best && best < high && high - low < 10, "{low} to {high}, {best}");
    assert_eq!(about.map(|(misses, _)| misses), [true, false, false, false]);
    assert_eq!(about.map(|(_, meets)| meets), [false, false, false, true]);
    // The first one misses by as much as is noise, and the last one is that which just meets the objective.
    let border = 12.0 - 0.1 * best as f64;
    let (best, ends, about) = least(5, &|place| noisy(border + 0.12 - 0.03 * place as f64));
    assert_eq!((ends, about), ((0, 4), [(false, false); 4]), "all of it is too close to call");
    assert!(best > 0);
}

#[test]
fn a_frontier_that_goes_on_is_told_and_its_cheapest_point_is_known() {
    let (good, bad) = (takes(5.0), takes(50.0));
    let axis = |step| Axis { count: 1_000, costs: Costs::Even { first: 1.0, step } };
    let found = search(|trials| {
        capacity::cheapest(trials, &[axis(1.0), axis(1_000.0)], |place| {
            Ok(if place[0] + place[1] >= 999 { good.clone() } else { bad.clone() })
        })
    });
    let Answer::Least { best, frontier, interval, is_complete } = &found.capacity.answer else {
        panic!("{:?}", found.capacity)
    };
    assert_eq!((found.tried[*best].at.as_slice(), frontier[0]), (&[999.0, 0.0][..], *best));
    assert!(!is_complete && found.tried.len() >= capacity::MOST_POINTS && frontier.len() > 9);
    assert_eq!((*interval, found.runs), (None, 8), "two meshes in four replications each");
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
    assert_eq!(whole.capacity.fold, None);
    let turned = hardest((1.0, 10.0), true, |value| if value > 8.0 { 5.0 } else { 50.0 });
    let Answer::Whole(end) = turned.capacity.answer else { panic!("{:?}", turned.capacity) };
    assert_eq!(turned.at(end), 10.0);
    let fold = turned.capacity.fold.expect("less is worse");
    assert!(turned.at(fold.misses) < turned.at(fold.meets), "{fold:?}");
    let nothing = hardest((1.0, 4.0), false, |value| 50.0 / value);
    let Answer::Nothing(nearest) = nothing.capacity.answer else { panic!("{:?}", nothing.capacity) };
    assert_eq!(nothing.at(nearest), 4.0);
    let hill = hardest((1.0, 10.0), true, |value| if (3.0..8.0).contains(&value) { 5.0 } else { 50.0 });
    let Answer::Value { value, .. } = hill.capacity.answer else { panic!("{:?}", hill.capacity) };
    assert!((value - 8.0).abs() < 0.2, "{value}");
    let fold = hill.capacity.fold.expect("less is worse below");
    assert!(hill.at(fold.misses) < 3.0 && hill.at(fold.meets) > 3.0, "{fold:?}");
}

/// Six doublings are tried, and none where there are no requests to judge by.
#[test]
fn loads_without_an_end_are_doubled_while_that_tells_something() {
    let scale = Scale { ends: None, rises: true, grain: None };
    let of = |millis, part: f64| {
        search(|trials| {
            capacity::hardest(trials, scale, |factor| {
                let mut mesh = takes(millis);
                mesh.scale_load(part * factor).expect("no trace");
                Ok(mesh)
            })
        })
    };
    let whole = of(5.0, 1e-2);
    let Answer::Whole(end) = whole.capacity.answer else { panic!("{:?}", whole.capacity) };
    assert_eq!((whole.at(end), whole.capacity.limit), (64.0, end));
    let empty = of(5.0, 1e-9);
    assert_eq!((empty.capacity.answer, empty.tried.len()), (Answer::Nothing(0), 1));
}

#[test]
fn a_point_near_the_border_has_the_figures_of_all_replications() {
    let noisy = noisy(10.0);
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

/// One trial of a mesh.
fn tried(mesh: &Mesh, survive: Option<Survive>) -> Tried {
    let crew = Crew::new(1).expect("a thread");
    let mut hear = |_: &Tried| {};
    let mut trials = Trials::new(&crew, Watch { stop: &NEVER, step: &|| {} }, survive, &mut hear);
    trials.attempt(&[1.0], mesh).expect("nothing stops it");
    trials.tried.remove(0)
}

/// As many as the strictest objective allows to fail, and at most one in a hundred.
#[test]
fn requests_without_an_answer_are_no_success() {
    let server = "server: {service: \"server:80\", concurrency: unlimited, serviceTime: 1ms}";
    for (objectives, allowed) in [
        ("mean < 10ms", 1.0),
        ("success >= 90%", 1.0),
        ("success >= 99.9%, success > 99.5%", 0.1),
        ("success >= 100%", 1e-3),
        ("success < 99.9%", 1.0),
    ] {
        let found = tried(&mesh("1s", server, objectives), None).cases[0].health.allowed_pct;
        assert!((found - allowed).abs() < 1e-9, "{objectives}: {found}");
    }
    // Every second request is on its way for longer than anybody looks.
    let half = Texts::scenario(
        "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: half}
duration: 2s
replications: 8
workloads:
  quick: {service: \"quick:80\", concurrency: unlimited, serviceTime: 1ms}
  never: {service: \"never:80\", concurrency: unlimited, serviceTime: 10000s}
clients:
  web: {load: constant(100rps), requests: [{get: \"http://quick/\"}, {get: \"http://never/\"}]}
objectives: [success >= 99%]
",
    );
    let point = tried(&half.mesh(), None);
    let case = &point.cases[0];
    assert!(case.judged[0].met && !point.meets() && point.surely_misses(), "{:?}", case.health);
    assert!((45.0..55.0).contains(&case.health.unanswered_pct), "{}", case.health.unanswered_pct);
    assert_eq!(case.replications, 4, "others would not help");
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
    // All are survived: the one that is nearest to its limit comes last. What no request comes to may be lost.
    let tight = mesh(
        "5s",
        "other: {service: \"other:80\", replicas: 2, concurrency: 1, serviceTime: exponential(mean=4ms)}
  server: {service: \"server:80\", replicas: 2, concurrency: unlimited, serviceTime: 1ms, calls: [\"http://other/\"]}
  idle: {service: \"idle:80\"}",
        "mean < 1s",
    );
    let found = tried(&tight, Some(Survive::Pod));
    let names: Vec<_> = found.cases.iter().filter_map(|case| case.loss.as_deref()).collect();
    assert!(found.meets() && names == ["pod server-0", "pod other-0"], "{names:?}");
}
