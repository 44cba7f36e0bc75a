//! Intervals, folds and rulers, by points that are made up.

use super::*;

/// A point with one margin, and half the width of its interval.
fn point(at: &[f64], value: f64, half: f64) -> Tried {
    let margins = vec![Margin { value, half: Some(half), met: value > 0.0 }];
    let (loss, judged, strain) = (None, Vec::new(), Strain::default());
    let health = Health::default();
    let case = Case { loss, replications: 8, judged, margins, rps: 0.0, health, strain };
    Tried { at: at.to_vec(), offered_rps: None, cases: vec![case] }
}

fn points(of: &[(f64, f64)]) -> Vec<Tried> {
    of.iter().map(|(at, margin)| point(&[*at], *margin, 0.1)).collect()
}

#[test]
fn intervals_reach_over_gaps_and_over_what_is_too_close_to_call() {
    let ruler = Ruler::new(Scale { ends: Some((0.0, 15.0)), rises: true, grain: None });
    let of = |of: &[(f64, f64)]| covering(&points(of), &ruler, 5.0, (4.5, 5.5));
    assert_eq!(of(&[(4.9, 1.0), (5.1, -1.0)]), [4.5, 5.5], "no gap");
    assert_eq!(of(&[(2.0, 2.0), (3.0, 1.0), (8.0, -1.0), (9.0, -2.0)]), [3.0, 8.0], "a gap on both sides");
    let doubted = [(3.0, 1.0), (4.0, -0.05), (4.9, 0.05), (5.1, -0.05), (7.0, 0.05), (8.0, -1.0)];
    assert_eq!(of(&doubted), [4.0, 7.0], "points that tell otherwise, within noise");
    assert_eq!(of(&[(2.0, -1.0), (4.9, 1.0), (5.1, -1.0), (9.0, 1.0)]), [4.5, 5.5], "those are folds");
}

#[test]
fn folds_are_two_points_of_which_the_harder_one_is_met_beyond_noise() {
    // More of everything is easier here.
    let of = |points: &[(&[f64], f64)]| {
        fold(&points.iter().map(|(at, margin)| point(at, *margin, 0.1)).collect::<Vec<_>>())
    };
    assert_eq!(of(&[(&[1.0], -1.0), (&[2.0], 1.0)]), None);
    assert_eq!(of(&[(&[2.0], -1.0), (&[1.0], 1.0)]), Some(Fold { misses: 0, meets: 1 }));
    assert_eq!(of(&[(&[2.0], -0.05), (&[1.0], 1.0)]), None, "noise");
    assert_eq!(of(&[(&[2.0], -1.0), (&[1.0], 0.05)]), None, "noise");
    assert_eq!(of(&[(&[2.0, 1.0], -1.0), (&[1.0, 2.0], 1.0)]), None, "neither is above the other");
}

#[test]
fn folds_on_a_line_are_off_the_border_on_either_side() {
    let ruler = Ruler::new(Scale { ends: Some((0.0, 15.0)), rises: true, grain: None });
    let root = root::Root { at: 5.0, ends: Some((4.5, 5.5)), meets: 4.9 };
    let of = |of: &[(f64, f64)]| fold_on(&points(of), &ruler, Some(root));
    assert_eq!(of(&[(2.0, 1.0), (4.9, 1.0), (5.1, -1.0), (9.0, -1.0)]), None);
    assert_eq!(of(&[(2.0, -1.0), (4.0, 1.0), (6.0, -1.0)]), Some(Fold { misses: 0, meets: 1 }));
    assert_eq!(of(&[(4.0, 1.0), (6.0, -1.0), (9.0, 1.0)]), Some(Fold { misses: 1, meets: 2 }));
    assert_eq!(of(&[(2.0, -0.05), (4.0, 1.0), (6.0, -1.0)]), None, "noise");
    assert_eq!(of(&[(4.0, 1.0), (6.0, -1.0), (9.0, 0.05)]), None, "noise");
    assert_eq!(of(&[(4.0, 1.0), (6.0, -0.05), (9.0, 1.0)]), None, "noise");
    assert_eq!(of(&[(4.6, -1.0), (4.8, 1.0), (5.2, -1.0), (5.4, 1.0)]), None, "this is the border");
    assert_eq!(
        fold_on(&points(&[(9.0, 1.0), (4.8, -1.0)]), &ruler, None),
        Some(Fold { misses: 1, meets: 0 })
    );
}

#[test]
fn what_limits_is_the_miss_beside_the_border() {
    assert_eq!(nearest_miss(&points(&[(1.0, -3.0), (2.0, -0.5), (3.0, 0.1), (4.0, -2.0)])), Some(1));
    assert_eq!(nearest_miss(&points(&[(3.0, 0.1)])), None);
    let mut empty = points(&[(1.0, -3.0), (2.0, -0.5)]);
    empty[1].cases[0].judged = vec![Judged {
        text: "p(99) < 60ms".to_owned(),
        figure: crate::mesh::model::Figure::Latency(0.99),
        comparison: crate::mesh::model::Comparison::Less,
        limit: 60.0,
        observed: crate::metrics::Estimate::NONE,
        met: false,
        unsure: false,
    }];
    assert_eq!(nearest_miss(&empty), Some(0), "where nothing is known, nothing comes near");
    let ruler = Ruler::new(Scale { ends: Some((0.0, 15.0)), rises: true, grain: None });
    let root = root::Root { at: 5.0, ends: Some((4.5, 5.5)), meets: 4.9 };
    let tried = points(&[(9.0, -1.0), (4.9, 1.0), (5.3, -1.0)]);
    assert_eq!(at_border(&tried, &ruler, root).limit, 2, "not the nearest point, which meets all");
    let tried = points(&[(1.0, 0.5), (2.0, 2.0), (3.0, 2.0)]);
    assert_eq!(extreme(&tried, Tried::margin), 1, "the first of equals");
}

#[test]
fn rulers_turn_values_so_that_they_get_harder() {
    let wide = Ruler::new(Scale { ends: Some((10.0, 40.0)), rises: false, grain: None });
    assert_eq!(
        wide.stretch,
        Stretch::Between { easy: -libm::log(40.0), hard: -libm::log(10.0), near: NEAR },
        "the least is looked for, on a scale of parts"
    );
    assert_eq!([10.0, 12.3456, 40.0].map(|value| wide.value(wide.point(value))), [10.0, 12.3456, 40.0]);
    assert_eq!(wide.value(-libm::log(10.0) + 1.0), 10.0, "not beyond the end as it is written");
    let narrow = Ruler::new(Scale { ends: Some((10.0, 15.0)), rises: true, grain: None });
    assert_eq!(narrow.stretch, Stretch::Between { easy: 10.0, hard: 15.0, near: 5.0 * NEAR });
    assert_eq!(narrow.value(12.345_678_9), 12.3457, "six digits");
    let zero = Ruler::new(Scale { ends: Some((0.0, 15.0)), rises: true, grain: None });
    assert_eq!(zero.point(7.5), 7.5, "nothing has no logarithm");
    let load = Ruler::new(Scale { ends: None, rises: true, grain: None });
    assert_eq!((load.point(1.0), load.value(0.0)), (0.0, 1.0));
}
