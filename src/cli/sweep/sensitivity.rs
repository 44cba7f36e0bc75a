//! `meshcast sweep --sensitivity`: which inputs decide.

use super::super::arguments::{SweepArguments, flag};
use super::super::ending::{Failure, exit};
use super::super::inputs::Inputs;
use super::course::{carry_out, stamp};
use super::work::Source;
use crate::mesh::Mesh;
use crate::report::sweep::figures::targets;
use crate::report::sweep::{Dimension, Sensitivity, Study, Turned, Untried};
use crate::study::sensitivity::{Knob, knobs};

const RANGE: &str = "20%";

pub fn run(arguments: &SweepArguments, inputs: &Inputs) -> Result<(), Failure> {
    let text = arguments.range.as_deref().unwrap_or(RANGE);
    let share = range(text)?;
    let factors = factors(share);
    let mesh = &inputs.mesh;
    let (knobs, untried) = knobs(mesh);
    if knobs.is_empty() {
        let message = "nothing in this scenario can be turned: no load, no service time, no limit".to_owned();
        return Err(Failure { code: exit::BAD_INPUT, message });
    }
    let turned = knobs.iter().map(|knob| turned(knob, mesh, share));
    let dimension = |name: &str, range: &str| Dimension { name: name.to_owned(), range: range.to_owned() };
    let study = Study {
        title: mesh.name.clone(),
        stamp: stamp(inputs, vec!["--sensitivity".to_owned(), flag("range", text)]),
        design: "sensitivity".to_owned(),
        dimensions: vec![dimension("input", "all"), dimension("side", text), dimension("setting", text)],
        points: 1 + 2 * knobs.len() as u32,
        shard: arguments.shard,
        targets: targets(&mesh.objectives),
        sensitivity: Some(Sensitivity {
            range: text.to_owned(),
            inputs: turned.collect(),
            untried: untried.into_iter().map(|one| Untried { name: one.name, why: one.why }).collect(),
        }),
    };
    carry_out(arguments, inputs, &study, &Source::Turned { base: mesh, knobs: &knobs, factors })
}

fn factors(share: f64) -> [f64; 2] {
    [1.0 - share, 1.0 + share]
}

/// What was asked for differs from what was done by more than so much of it.
const UNEVEN: f64 = 0.1;

fn turned(knob: &Knob, mesh: &Mesh, share: f64) -> Turned {
    let [low, high] = factors(share).map(|factor| knob.turned(mesh, factor));
    let is_off = |real: f64, asked: f64| (real - asked).abs() > UNEVEN * share;
    Turned {
        name: knob.name.clone(),
        is_guess: knob.is_guess,
        value: knob.value.clone(),
        turned_pct: [100.0 * low.share, 100.0 * high.share],
        is_uneven: is_off(low.share, -share) || is_off(high.share, share),
        low: low.value,
        high: high.value,
    }
}

/// `20%` as a share, above 0 and below 1.
fn range(text: &str) -> Result<f64, Failure> {
    let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match percent.filter(|percent| *percent > 0.0 && *percent < 100.0) {
        Some(percent) => Ok(percent / 100.0),
        None => Err(Failure::usage(format!(
            "`--range {text}` is no share between 0% and 100%\nwrite how far to turn each input, as in `--range 20%`"
        ))),
    }
}
