//! The search along known lines.

use super::*;

const NEAR: f64 = 0.01;

/// Searches for the zero of a margin with an interval of `half`; gives the points that it took.
fn found(stretch: Stretch, half: f64, margin: impl Fn(f64) -> f64) -> (Found, usize) {
    let mut points = 0;
    let mut look = |point: f64| {
        points += 1;
        let value = margin(point);
        let margins = BTreeMap::from([((None, 0), (value, Some(half)))]);
        let (meets, is_unsure) = (value > 0.0, value.abs() < half);
        Ok::<Look, ()>(Look { meets, is_unsure, is_too_easy: false, margins })
    };
    let found = search(stretch, &|point| point, &mut look).expect("nothing stops it");
    (found, points)
}

fn border(found: Found) -> Root {
    match found {
        Found::Border(root) => root,
        other => panic!("{other:?}"),
    }
}

fn below_and_above(root: Root) -> (f64, f64) {
    let (low, high) = root.ends.expect("there are");
    (root.at - low, high - root.at)
}

fn half_of(root: Root) -> f64 {
    let (below, above) = below_and_above(root);
    (below + above) / 2.0
}

/// 1 / (1 - load): the knee of a queue, on the scale of logarithms.
fn knee(point: f64) -> f64 {
    let load = 0.3 * libm::exp(point);
    if load < 0.999 { libm::log(20.0 * (1.0 - load)) } else { -4.0 - load }
}

#[test]
fn the_knee_of_a_queue_is_found_with_few_points() {
    let truth = libm::log(0.95 / 0.3);
    let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
    for (half, tolerance, most) in [(1e-9, 0.002, 9), (0.05, 0.004, 9), (0.3, 0.01, 8)] {
        let (found, points) = found(around, half, knee);
        let root = border(found);
        assert!((root.at - truth).abs() < tolerance, "{half}: {} is not {truth}", root.at);
        assert!(points <= most, "{half}: {points} points");
        // d ln(1 - load) / d point = load / (1 - load) = 19 there.
        let expected = half / 19.0;
        // Steeper above than below.
        assert!((half_of(root) / expected - 1.0).abs() < 0.35, "{root:?} {expected}");
        assert!(half < 0.01 || below_and_above(root).0 > below_and_above(root).1, "{root:?}");
    }
}

#[test]
fn ends_that_hold_or_fail_are_told() {
    let between = Stretch::Between { easy: 0.0, hard: 1.0, near: NEAR };
    assert_eq!(found(between, 0.01, |_| 1.0), (Found::Whole, 2));
    assert_eq!(found(between, 0.01, |_| -1.0).0, Found::Nothing);
    let around = Stretch::Around { start: 0.0, step: 1.0, most_up: 6, near: NEAR };
    assert_eq!(found(around, 0.01, |_| 1.0), (Found::Whole, 7));
    assert_eq!(found(around, 0.01, |_| -1.0), (Found::Nothing, 11));
    assert_eq!(found(between, 0.01, |point| point - 0.9).0, Found::Whole, "its hard end holds");
    let within = |point: f64| {
        assert!((0.0..=1.0).contains(&point), "{point}");
        0.995 - point
    };
    assert!((border(found(between, 0.3, within).0).at - 0.995).abs() < 1e-6, "beside the end");
}

#[test]
fn a_hill_in_the_middle_is_seen() {
    let between = Stretch::Between { easy: 0.0, hard: 1.0, near: NEAR };
    let hill = |point: f64| 0.3 - (point - 0.5).abs();
    let root = border(found(between, 0.001, hill).0);
    assert!((root.at - 0.8).abs() < 0.01, "{root:?}");
}

#[test]
fn the_objective_that_breaks_first_is_the_border() {
    // The other one far off, and so near that both lie between the last points.
    for other in [2.0, 1.51, 1.501] {
        first_of_two(other);
    }
}

fn first_of_two(other: f64) {
    let mut look = |point: f64| {
        let heights = [other - point, 30.0 * (1.5 - point)];
        let margins = heights.iter().enumerate().map(|(key, value)| ((None, key), (*value, Some(0.03))));
        let (meets, is_unsure) = (point < 1.5, (point - 1.5).abs() < 0.001);
        Ok::<Look, ()>(Look { meets, is_unsure, is_too_easy: false, margins: margins.collect() })
    };
    let stretch = Stretch::Between { easy: 0.0, hard: 4.0, near: NEAR };
    let root = border(search(stretch, &|point| point, &mut look).expect("nothing stops it"));
    assert!((root.at - 1.5).abs() < 1e-6 && (half_of(root) - 0.001).abs() < 1e-6);
}

/// The border of a queue of one server, which holds 54 % of its load, seen through noise that is the same for
/// points near each other and another one farther off.
#[test]
fn a_border_just_beyond_a_point_is_not_lost() {
    let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
    let mut inside = 0;
    const PHASES: u32 = 100;
    for phase in 0..PHASES {
        let shift = f64::from(phase) * 0.63;
        let noise = |point: f64| 0.02 * libm::sin(40.0 * point + shift) + 0.03 * libm::sin(shift * 7.0);
        let margin = |point: f64| {
            let load = 0.5 * libm::exp(point);
            noise(point) + if load < 0.999 { libm::log((1.0 - load) / 0.4605) } else { -4.0 - load }
        };
        let root = border(found(around, 0.06, margin).0);
        let truth = libm::log(0.5395 / 0.5);
        let (low, high) = root.ends.expect("there are");
        assert!((0.03..0.12).contains(&half_of(root)), "{phase}: {root:?}");
        inside += u32::from((low..=high).contains(&truth));
    }
    assert!(inside >= 95, "{inside} of {PHASES}");
}

/// Noise that dips below zero before the border: what meets the objectives above the dip has the border behind it.
#[test]
fn no_point_that_meets_lies_above_the_border() {
    let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
    for phase in 0..100 {
        let shift = f64::from(phase) * 0.63;
        let hardest = std::cell::Cell::new(f64::NEG_INFINITY);
        let margin = |point: f64| {
            let load = 0.5 * libm::exp(point);
            let noise = 0.05 * libm::sin(60.0 * point + shift) + 0.03 * libm::sin(shift * 7.0);
            let value = noise + if load < 0.999 { libm::log((1.0 - load) / 0.4605) } else { -4.0 - load };
            if value > 0.0 {
                hardest.set(point.max(hardest.get()));
            }
            value
        };
        let root = border(found(around, 0.1, margin).0);
        assert!(root.at >= hardest.get() - 1e-9, "{phase}: {root:?}, and {} meets", hardest.get());
    }
}

#[test]
fn what_is_met_for_want_of_requests_is_no_border() {
    // The margin does not move, and its interval grows as requests get fewer: some point is met by luck.
    let mut look = |point: f64| {
        let half = 0.2 * libm::exp(-point / 2.0);
        let value = if point < -3.0 { 0.4 } else { -0.3 };
        let margins = BTreeMap::from([((None, 0), (value, Some(half)))]);
        let is_unsure = f64::abs(value) < half;
        Ok::<Look, ()>(Look { meets: value > 0.0, is_unsure, is_too_easy: false, margins })
    };
    let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
    assert_eq!(search(around, &|point| point, &mut look), Ok(Found::Nothing));
}

#[test]
fn objectives_that_want_more_are_looked_for_above() {
    // Met between two points only.
    for (easy, hard, start) in [(0.2, 0.4, 0.0), (0.2, 0.4, 0.7), (0.5, 0.55, 0.0), (0.5, 0.55, 0.7)] {
        let mut look = |point: f64| {
            let margins = BTreeMap::from([((None, 0), (hard - point, Some(0.001)))]);
            let meets = (easy..hard).contains(&point);
            Ok::<Look, ()>(Look { meets, is_unsure: false, is_too_easy: point < easy, margins })
        };
        let around = Stretch::Around { start, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
        let root = border(search(around, &|point| point, &mut look).expect("nothing stops it"));
        assert!((root.at - hard).abs() < 1e-6, "{root:?}");
    }
}

#[test]
fn where_lines_lead_astray_halving_is_quicker() {
    let between = Stretch::Between { easy: 0.0, hard: 1.0, near: NEAR };
    let (found, points) = found(between, 1e-9, |point| if point < 0.3 { 5.0 } else { -0.001 });
    let root = border(found);
    assert!((root.at - 0.3).abs() < NEAR && points <= 18, "{root:?} by {points} points");
}

#[test]
fn a_border_is_told_without_margins_and_without_an_interval_to_cross() {
    let between = Stretch::Between { easy: 0.0, hard: 4.0, near: NEAR };
    let mut look = |point: f64| Ok::<Look, ()>(Look { meets: point < 1.5, ..Look::default() });
    let root = border(search(between, &|point| point, &mut look).expect("nothing stops it"));
    assert!(root.ends.is_none() && root.meets < 1.5 && root.at > root.meets, "{root:?}");
    assert!((root.at - 1.5).abs() < NEAR, "{root:?}");
    // So unsure that no bound falls through zero about the border: as far as the fall says.
    let root = border(found(between, 20.0, |point| 10.0 * (1.5 - point)).0);
    let (below, above) = below_and_above(root);
    assert!((below - 2.0).abs() < 1e-6 && (above - 2.0).abs() < 1e-6, "{root:?}");
}

/// Two margins fall below zero between the last points: the first one counts, and the interval of the nearer point.
#[test]
fn the_first_of_two_zeros_is_the_border() {
    let seen = |point, heights: [f64; 2], half| {
        let margins = heights.iter().enumerate().map(|(key, value)| ((None, key), (*value, Some(half))));
        (point, Look { margins: margins.collect(), ..Look::default() })
    };
    let mut look = |_| Err::<Look, ()>(());
    let seen = vec![seen(1.0, [0.5, 0.2], 1.0), seen(2.0, [-0.5, -0.8], 2.0)];
    let line = Line { look: &mut look, snap: &|point| point, seen };
    let Root { at, ends, meets } = line.root(1.0, 2.0, NEAR);
    let (low, high) = ends.expect("halves");
    assert!((at - 1.2).abs() < 1e-9 && (line.crossing(1.0, 2.0) - 1.2).abs() < 1e-9, "{at}");
    assert!((low - 0.2).abs() < 1e-9 && (high - 2.2).abs() < 1e-9 && meets == 1.0, "{low} to {high}");
}

#[test]
fn points_that_are_not_there_are_not_tried() {
    // Whole numbers of users, of which 10 is the start: 25 meet the objectives.
    let snap = |point: f64| libm::log((10.0 * libm::exp(point)).round() / 10.0);
    let mut tried: Vec<f64> = Vec::new();
    let mut look = |point: f64| {
        let users = 10.0 * libm::exp(point);
        assert!((users - users.round()).abs() < 1e-6, "{users}");
        tried.push(users.round());
        let value = libm::log(25.5 / users);
        let margins = BTreeMap::from([((None, 0), (value, Some(0.001)))]);
        Ok::<Look, ()>(Look { meets: value > 0.0, is_unsure: false, is_too_easy: false, margins })
    };
    let around = Stretch::Around { start: 0.0, step: std::f64::consts::LN_2, most_up: 6, near: NEAR };
    let root = border(search(around, &snap, &mut look).expect("nothing stops it"));
    assert_eq!((10.0 * libm::exp(root.meets)).round(), 25.0);
    tried.sort_by(f64::total_cmp);
    assert!(tried.windows(2).all(|pair| pair[0] < pair[1]) && tried.len() <= 9, "{tried:?}");
}
