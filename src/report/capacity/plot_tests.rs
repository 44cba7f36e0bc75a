//! What is drawn of a search, and where.

use super::*;
use crate::metrics::Estimate;
use crate::report::fixture::{Held, judged};
use crate::report::plot::shape::texts;
use crate::study::capacity::{Capacity, Case, Health, Margin, Strain};

/// A latency under 60 ms, and a success of at least 99 %, in eight replications.
fn point(at: &[f64], offered_rps: Option<f64>, p99: (f64, f64), success: f64) -> Tried {
    let p99 = Estimate { value: Some(p99.0), ci95: Some(p99.1) };
    let judged = vec![
        judged("p(99) < 60ms", Figure::Latency(0.99), 60.0, p99),
        judged("success >= 99%", Figure::SuccessPct, 99.0, Estimate::exact(success)),
    ];
    let margins = judged.iter().map(Margin::of).collect();
    let (health, strain) = (Health::default(), Strain::default());
    let case = Case { loss: None, replications: 8, judged, margins, rps: 0.0, health, strain };
    Tried { at: at.to_vec(), offered_rps, cases: vec![case] }
}

/// What is drawn of a search, taken apart.
#[derive(Default)]
struct Drawn {
    title: String,
    dots: Vec<((f64, f64), Colour)>,
    /// Of points off the scale.
    arrows: usize,
    /// Left and right end of what lies behind the answer.
    bands: Vec<(f64, f64)>,
    lines: Vec<(Vec<(f64, f64)>, Colour)>,
    texts: Vec<((f64, f64), String)>,
}

fn drawn(subject: Subject, tried: &[Tried], answer: Answer) -> Drawn {
    let held = Held::tiny();
    let texts = |tried: &Tried| tried.at.iter().map(|at| format!("<{at}>")).collect();
    let session = Session {
        title: "shop",
        stamp: held.report().stamp,
        subject,
        most: true,
        survive: None,
        capacity: Some(&Capacity { answer, limit: 0, fold: None }),
        tried,
        values: tried.iter().map(texts).collect(),
        costs: vec![None; tried.len()],
        runs: 8,
        measured_s: 10.0,
        grid: None,
        text_of: &|at| at.to_string(),
        limit_of: &|_| None,
        place_of: &|_| None,
        base: "",
        not_modelled: &[],
    };
    let Picture { title, shapes, .. } = picture(&session);
    let mut drawn = Drawn { title, ..Drawn::default() };
    for shape in shapes {
        match shape {
            Shape::Area { points, opacity, .. } if opacity < 0.5 => {
                drawn.bands.push((points[0].0, points[1].0))
            }
            Shape::Area { points, .. } if points.len() == 3 => drawn.arrows += 1,
            Shape::Area { points, colour, .. } => drawn.dots.push(((points[1].0, points[0].1), colour)),
            Shape::Line { points, colour, .. } => drawn.lines.push((points, colour)),
            Shape::Text { at, text, .. } => drawn.texts.push((at, text)),
        }
    }
    drawn
}

impl Drawn {
    fn line(&self, colour: Colour, is: impl Fn(&[(f64, f64)]) -> bool) -> Vec<&[(f64, f64)]> {
        let own = self.lines.iter().filter(|(points, own)| *own == colour && is(points));
        own.map(|(points, _)| &points[..]).collect()
    }

    #[track_caller]
    fn place(&self, wanted: &str) -> (f64, f64) {
        self.texts.iter().find(|(_, text)| text == wanted).unwrap_or_else(|| panic!("no `{wanted}`")).0
    }
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// From 100 to 400 rps, of which 200 are the scenario's; the latency of 200 is just the limit, and that of 400 far
/// beyond it.
fn loads(rps: Option<f64>) -> Vec<Tried> {
    let of = |factor: f64, p99, success| point(&[factor], rps.map(|rps| rps * factor), p99, success);
    vec![
        of(1.5, (100.0, 5.0), 98.0),
        of(0.5, (20.0, 5.0), 100.0),
        of(2.0, (2_000.0, 5.0), 50.0),
        of(1.0, (60.0, 40.0), 99.5),
    ]
}

#[test]
fn each_objective_has_its_points_its_limit_and_the_answer() {
    let value = Answer::Value { value: 1.0, interval: Some((0.75, 1.25)) };
    let load = Subject::Load { rps: Some(200.0), users: None };
    let drawn = drawn(load, &loads(Some(200.0)), value.clone());
    let [first, second, third, rest @ ..] = &drawn.dots[..] else { panic!("three are on the scale") };
    assert_eq!([first.1, second.1, third.1], [GOOD, BAD, BAD], "60 are not less than 60");
    assert_eq!(rest.iter().map(|dot| dot.1).collect::<Vec<_>>(), [GOOD, GOOD, BAD]);
    assert_eq!(drawn.arrows, 2, "400 rps are off both scales");
    assert!(first.0.1 > second.0.1 && second.0.1 > third.0.1, "more is higher");
    assert!(is_near(second.0.0 - first.0.0, third.0.0 - second.0.0), "100, 200 and 300 rps");
    // The interval of 60 reaches to the 20 and the 100 of the others.
    let x = second.0.0;
    let bars = drawn.line(BAD, |points| points[0].0 == x && points[1].0 == x);
    assert!(is_near(bars[0][0].1, first.0.1) && is_near(bars[0][1].1, third.0.1), "{bars:?}");
    let limits = drawn.line(BAD, |points| points[0].1 == points[1].1);
    assert_eq!(limits.len(), 2);
    assert!(is_near(limits[0][0].1, second.0.1), "60 ms are the limit");
    let middle = |one: f64, other: f64| f64::midpoint(one, other);
    let answers = drawn.line(ANSWER, |_| true);
    assert!(answers.len() == 2 && answers.iter().all(|points| is_near(points[0].0, x)), "{answers:?}");
    for (left, right) in &drawn.bands {
        assert!(is_near(*left, middle(first.0.0, x)) && is_near(*right, middle(x, third.0.0)));
    }
    assert_eq!(drawn.bands.len(), 2);
    for (rps, dot) in [("100", first), ("200", second), ("300", third)] {
        assert!(is_near(drawn.place(rps).0, dot.0.0), "{rps}");
    }
    let told = ["p(99) < 60ms", "success >= 99%", "2.00s", "50.00%", "requests per second of all clients"];
    assert!(told.iter().all(|text| drawn.place(text).0 > 0.0));
    // From point to point, in order, as far as the edge of the panel.
    let path = drawn.line(PALE_INK, |_| true);
    assert_eq!((path.len(), path[0][0], path[1][0], path[1][1]), (6, first.0, second.0, third.0));
    // Loops have no rate beforehand, and all the same an answer and its interval.
    let loops = super::tests::drawn(Subject::Load { rps: None, users: Some(10.0) }, &loads(None), value);
    assert_eq!(loops.bands, drawn.bands);
    loops.place("times the scenario's load");
}

#[test]
fn an_answer_of_a_list_has_its_interval_where_its_points_are() {
    // Places count from the hardest.
    let tried = [(0.0, 300.0), (1.0, 200.0), (2.0, 100.0)]
        .map(|(at, rps)| point(&[at], Some(rps), (rps / 4.0, 1.0), 100.0));
    let least = Answer::Least { best: 1, frontier: vec![1], interval: Some((0, 2)), is_complete: true };
    let check = |subject, left: usize, right: usize| {
        let drawn = drawn(subject, &tried, least.clone());
        let mut across: Vec<f64> = drawn.dots[..3].iter().map(|dot| dot.0.0).collect();
        across.sort_by(f64::total_cmp);
        assert!(is_near(drawn.bands[0].0.min(drawn.bands[0].1), across[left]), "{:?}", drawn.bands);
        assert!(is_near(drawn.bands[0].0.max(drawn.bands[0].1), across[right]), "{:?}", drawn.bands);
        assert!(is_near(drawn.line(ANSWER, |_| true)[0][0].0, across[1]));
    };
    check(Subject::Load { rps: Some(200.0), users: None }, 0, 2);
    check(Subject::Load { rps: None, users: None }, 0, 2);
    check(Subject::Paths(vec!["workloads.app.replicas".to_owned()]), 0, 2);
}

#[test]
fn those_who_do_not_see_it_are_told_the_answer() {
    let title = |p99| {
        let tried = [point(&[0.0], Some(300.0), (75.0, 1.0), 100.0), point(&[1.0], Some(200.0), p99, 100.0)];
        let least = Answer::Least { best: 1, frontier: vec![1], interval: Some((0, 1)), is_complete: true };
        drawn(Subject::Load { rps: Some(200.0), users: None }, &tried, least).title
    };
    assert_eq!(title((50.0, 1.0)), "shop — capacity: max load: 200 rps (<1>), 95% CI 1 to 0");
    assert!(title((58.0, 5.0)).ends_with(", 95% CI 1 to 0, too close to call"));
}

#[test]
fn points_of_two_values_have_a_frontier_and_a_box() {
    let of = |at: [f64; 2], p99| point(&at, None, (p99, 1.0), 100.0);
    let tried = [
        of([0.0, 0.0], 90.0),
        of([2.0, 0.0], 30.0),
        of([1.0, 1.0], 50.0),
        of([0.0, 2.0], 40.0),
        of([1.0, 0.0], 70.0),
        of([2.0, 2.0], 20.0),
    ];
    let least = Answer::Least { best: 1, frontier: vec![1, 2, 3], interval: None, is_complete: true };
    let paths = ["workloads.app.replicas", "workloads.app.queue"].map(str::to_owned);
    let drawn = drawn(Subject::Paths(paths.to_vec()), &tried, least);
    // Three more are in the legend.
    let (dots, legend) = drawn.dots.split_at(6);
    let colours: Vec<Colour> = dots.iter().map(|dot| dot.1).collect();
    assert_eq!((colours, legend.len()), (vec![BAD, ANSWER, ANSWER, ANSWER, BAD, GOOD], 3));
    let dots: Vec<(f64, f64)> = dots.iter().map(|dot| dot.0).collect();
    assert!(dots[1].0 > dots[2].0 && dots[3].1 < dots[2].1, "more is further to the right, and higher");
    let [stairs, around] = drawn.line(ANSWER, |_| true)[..] else { panic!("{:?}", drawn.lines) };
    let corner = |left: usize, right: usize| (dots[right].0, dots[left].1);
    assert_eq!(stairs, [dots[3], corner(3, 2), dots[2], corner(2, 1), dots[1]], "by steps");
    let middle = |of: fn(&(f64, f64)) -> f64| f64::midpoint(of(&around[0]), of(&around[2]));
    assert!(is_near(middle(|at| at.0), dots[1].0) && is_near(middle(|at| at.1), dots[1].1));
    for (text, count) in [("<0>", 2), ("<1>", 2), ("<2>", 2), ("replicas", 1), ("queue", 1)] {
        assert_eq!(drawn.texts.iter().filter(|(_, own)| own == text).count(), count, "{text}");
    }
}

#[test]
fn lines_leave_the_panel_where_they_cross_its_edge() {
    let edges = (0.0, 10.0);
    assert_eq!(clipped((0.0, 2.0), (1.0, 8.0), edges), Some([(0.0, 2.0), (1.0, 8.0)]));
    assert_eq!(clipped((0.0, 5.0), (1.0, 15.0), edges), Some([(0.0, 5.0), (0.5, 10.0)]));
    assert_eq!(clipped((0.0, -10.0), (1.0, 10.0), edges), Some([(0.5, 0.0), (1.0, 10.0)]));
    assert_eq!(clipped((0.0, 11.0), (1.0, 15.0), edges), None);
}

#[test]
fn a_figure_off_the_scale_is_told_at_the_edge() {
    let (mut shapes, mut free) = (Vec::new(), f64::NEG_INFINITY);
    beyond(&mut shapes, (300.0, 100.0), true, "5.0s", BAD, &mut free);
    beyond(&mut shapes, (306.0, 100.0), true, "6.0s", BAD, &mut free);
    assert_eq!((shapes.len(), texts(&shapes)), (3, vec!["5.0s"]));
}
