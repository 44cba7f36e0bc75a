//! The text grammar of load (design D4): `constant(R)`, `poisson(R)`, `bursty(R, cv=3)`,
//! `closed(users=50, think=exponential(mean=1s))`, `trace(file.csv)`. Profiles are mappings and live in `scenario`.

use std::num::NonZeroU32;

use super::distribution;
use super::grammar::{Call, Fault, Part, positive};
use super::path::did_you_mean;
use super::quantity;
use crate::kernel::SimDuration;
use crate::kernel::SimTime;
use crate::kernel::distribution::Distribution;

/// Load as one line writes it. Rates are requests per second.
#[derive(Clone, Debug, PartialEq)]
pub enum LoadText {
    Constant { rate: f64 },
    Poisson { rate: f64 },
    Bursty { rate: f64, cv: f64 },
    Closed { users: NonZeroU32, think: Distribution },
    Trace { file: String },
}

/// More users than this are a typing error: their state would fill the memory.
pub const MAX_USERS: u32 = 10_000_000;
/// Beyond, nearly all requests of a run come in one instant, or none does.
const MAX_CV: f64 = 100.0;

const FORMS: &[(&str, &str)] = &[
    ("constant", "constant(200rps)"),
    ("poisson", "poisson(200rps)"),
    ("bursty", "bursty(200rps, cv=3)"),
    ("closed", "closed(users=50, think=exponential(mean=1s))"),
    ("trace", "trace(file.csv)"),
];

/// Reads one line of load.
pub fn parse(part: Part<'_>) -> Result<LoadText, Fault> {
    let Some(call) = Call::parse(part)? else {
        let fault = part.fault(format!("`{}` is no load", part.text));
        return Err(match quantity::rate(part) {
            Ok(_) => fault.help(format!("write `poisson({0})` or `constant({0})`", part.text)),
            Err(_) => fault.help("write one such as `poisson(200rps)`"),
        });
    };
    let wrong = || {
        let form = FORMS.iter().find(|(name, _)| *name == call.name.text).map_or("", |(_, form)| form);
        part.fault(format!("`{}` does not take these figures", call.name.text))
            .help(format!("write `{form}`"))
    };
    let rate = |keys: [&str; 1]| -> Result<f64, Fault> {
        let [rate] = call.exactly(keys).ok_or_else(wrong)?;
        Ok(quantity::rate(rate)?.0)
    };
    match call.name.text {
        "constant" => Ok(LoadText::Constant { rate: rate(["rate"])? }),
        "poisson" => Ok(LoadText::Poisson { rate: rate(["rate"])? }),
        "bursty" => {
            let first = call.args().first().filter(|arg| arg.key.is_none()).map(|arg| arg.value);
            let (Some(rate), Some(cv), 2) = (call.get("rate").or(first), call.get("cv"), call.args().len())
            else {
                return Err(wrong());
            };
            let value = positive(cv)?;
            if !(1.0..=MAX_CV).contains(&value) {
                let fault = cv.fault(format!("bursts have a cv of 1 (Poisson) to {MAX_CV}"));
                return Err(fault.help("3 is much already: counts scatter by its square"));
            }
            Ok(LoadText::Bursty { rate: quantity::rate(rate)?.0, cv: value })
        }
        "closed" => closed(&call).unwrap_or_else(|| Err(wrong())),
        "trace" => match call.args() {
            [arg] if arg.key.is_none() && !arg.value.text.is_empty() => {
                Ok(LoadText::Trace { file: arg.value.text.trim_matches(['"', '\'']).to_owned() })
            }
            _ => Err(wrong()),
        },
        other => {
            let help = match did_you_mean(other, FORMS.iter().map(|(name, _)| *name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "there are constant, poisson, bursty, closed, trace, and `{profile: [...]}`".to_owned()
                }
            };
            Err(call.name.fault(format!("`{other}` is no kind of load")).help(help))
        }
    }
}

/// Without `think` the users never pause. `None`: the figures are not those of a closed loop.
fn closed(call: &Call<'_>) -> Option<Result<LoadText, Fault>> {
    let users = call.get("users")?;
    let think = call.get("think");
    if call.args().len() != 1 + usize::from(think.is_some()) {
        return None;
    }
    let Some(count) = users.text.parse::<NonZeroU32>().ok().filter(|count| count.get() <= MAX_USERS) else {
        return Some(Err(users
            .fault(format!("`{}` is no number of users from 1 to {MAX_USERS}", users.text))
            .help("write `users=50`")));
    };
    let think = match think.map(distribution::parse) {
        None => Distribution::Constant(SimDuration::ZERO),
        Some(Ok(think)) => think,
        Some(Err(fault)) => return Some(Err(fault)),
    };
    Some(Ok(LoadText::Closed { users: count, think }))
}

/// A recorded request: when, and of which class where the file tells.
pub type Birth = (SimTime, Option<String>);

/// Reads a trace: a header with `t_s` (seconds) and perhaps `class`, then a line per request. Lines need not be in
/// order. Errors name the line.
pub fn read_trace(text: &str) -> Result<Vec<Birth>, Fault> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let at_line = |line: u64, message: String| {
        let start =
            text.split_inclusive('\n').take(line.saturating_sub(1) as usize).map(str::len).sum::<usize>();
        let length = text[start..].lines().next().map_or(0, str::len);
        Fault::new(message, start..start + length)
    };
    let headers = reader.headers().map_err(|error| at_line(1, error.to_string()))?.clone();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let Some(time) = column("t_s") else {
        let fault = at_line(1, "this trace has no column `t_s`".to_owned());
        return Err(fault.help("its first line must be `t_s` or `t_s,class`, the time in seconds"));
    };
    let class = column("class");
    let mut births = Vec::new();
    for record in reader.records() {
        let record = record
            .map_err(|error| at_line(error.position().map_or(1, csv::Position::line), error.to_string()))?;
        let line = record.position().map_or(1, csv::Position::line);
        let cell = record.get(time).unwrap_or("");
        let seconds = cell.parse::<f64>().ok().filter(|value| (0.0..1e9).contains(value));
        let Some(seconds) = seconds else {
            return Err(at_line(line, format!("`{cell}` is no time in seconds")));
        };
        let name = class.and_then(|column| record.get(column)).filter(|name| !name.is_empty());
        births.push((SimTime::from_nanos((seconds * 1e9).round() as u64), name.map(str::to_owned)));
    }
    if births.is_empty() {
        let fault = at_line(1, "this trace holds no requests".to_owned());
        return Err(fault.help("write a line for each, with the time in seconds"));
    }
    births.sort_by_key(|birth| birth.0);
    Ok(births)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LoadText, Fault> {
        parse(Part::whole(text))
    }

    #[test]
    fn every_form_of_the_design_is_read() {
        assert_eq!(read("constant(5rps)"), Ok(LoadText::Constant { rate: 5.0 }));
        assert_eq!(read("poisson(2krps)"), Ok(LoadText::Poisson { rate: 2_000.0 }));
        assert_eq!(read("bursty(100rps, cv=3)"), Ok(LoadText::Bursty { rate: 100.0, cv: 3.0 }));
        assert_eq!(read("trace(a/b.csv)"), Ok(LoadText::Trace { file: "a/b.csv".to_owned() }));
        let Ok(LoadText::Closed { users, think }) = read("closed(users=50, think=exponential(mean=1s))")
        else {
            panic!()
        };
        assert_eq!(users.get(), 50);
        assert_eq!(think, Distribution::Exponential { mean: SimDuration::from_secs(1) });
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        assert!(read("200rps").unwrap_err().help.unwrap().contains("poisson(200rps)"));
        assert_eq!(read("poison(200rps)").unwrap_err().help.unwrap(), "did you mean `poisson`?");
        assert_eq!(read("poisson(200)").unwrap_err().help.unwrap(), "write `200rps`");
        assert!(read("closed(users=0)").is_err());
        assert!(read("bursty(100rps)").is_err());
    }

    #[test]
    fn traces_are_sorted_and_checked() {
        let births = read_trace("t_s,class\n2.5,a\n1,\n").unwrap();
        assert_eq!(births[0], (SimTime::from_nanos(1_000_000_000), None));
        assert_eq!(births[1], (SimTime::from_nanos(2_500_000_000), Some("a".to_owned())));
        let text = "t_s\n1\nsoon\n";
        assert_eq!(&text[read_trace(text).unwrap_err().range], "soon");
        assert!(read_trace("time\n1\n").is_err());
        assert_eq!(read_trace("t_s\n").unwrap_err().message, "this trace holds no requests");
    }
}
