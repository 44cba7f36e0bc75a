//! The text grammar of distributions (design D4).
//!
//! ```text
//! 5ms   constant(5ms)   uniform(1ms, 9ms)   exponential(mean=10ms)
//! lognormal(p50=12ms, p99=80ms)   lognormal(mean=20ms, cv=1.5)   lognormal(p50=12ms, sigma=0.8)
//! gamma(mean=10ms, cv=0.5)   weibull(p50=10ms, p99=50ms)   pareto(min=1ms, alpha=2.5)
//! mixture(90=exponential(mean=5ms), 10=constant(200ms))   quantiles(50=12ms, 90=30ms, 99=80ms)
//! 20ms:90,200ms:9,2s:1          (Fortio: values and their weights)
//! ```

use super::duration;
use super::grammar::{Call, Fault, MAX_NESTING, Part, number, positive};
use super::path::did_you_mean;
use crate::kernel::distribution::Distribution;

/// Every distribution there is, with how it is written.
const FORMS: &[(&str, &str)] = &[
    ("constant", "constant(5ms)"),
    ("uniform", "uniform(1ms, 9ms)"),
    ("exponential", "exponential(mean=10ms)"),
    (
        "lognormal",
        "lognormal(p50=12ms, p99=80ms), lognormal(mean=20ms, cv=1.5) or lognormal(p50=12ms, sigma=0.8)",
    ),
    ("gamma", "gamma(mean=10ms, cv=0.5)"),
    ("weibull", "weibull(p50=10ms, p99=50ms)"),
    ("pareto", "pareto(min=1ms, alpha=2.5)"),
    ("mixture", "mixture(90=exponential(mean=5ms), 10=constant(200ms))"),
    ("quantiles", "quantiles(50=12ms, 90=30ms, 99=80ms)"),
];

/// Reads a distribution of durations.
pub fn parse(part: Part<'_>) -> Result<Distribution, Fault> {
    nested(part, 0)
}

fn nested(part: Part<'_>, level: usize) -> Result<Distribution, Fault> {
    if level > MAX_NESTING {
        return Err(part.fault("mixtures are nested too deeply"));
    }
    if let Some(call) = Call::parse(part)? {
        return named(&call, level);
    }
    if part.text.contains(':') {
        return fortio(part);
    }
    if let Some((_, form)) = FORMS.iter().find(|(name, _)| *name == part.text) {
        return Err(part.fault(format!("`{}` needs its figures", part.text)).help(format!("write {form}")));
    }
    match duration::parse(part) {
        Ok(length) => Ok(Distribution::Constant(length)),
        Err(fault) if part.text.starts_with(|c: char| c.is_ascii_digit() || "-.".contains(c)) => Err(fault),
        Err(_) => Err(part
            .fault(format!("`{}` is neither a duration nor a distribution", part.text))
            .help("write `5ms`, or one such as `lognormal(p50=12ms, p99=80ms)`")),
    }
}

fn named(call: &Call<'_>, level: usize) -> Result<Distribution, Fault> {
    match call.name.text {
        "constant" => {
            let [value] = exactly(call, ["value"])?;
            Ok(Distribution::Constant(duration::parse(value)?))
        }
        "uniform" => {
            let [low, high] = exactly(call, ["low", "high"]).or_else(|_| exactly(call, ["min", "max"]))?;
            let (from, to) = (duration::parse(low)?, duration::parse(high)?);
            if from > to {
                return Err(call
                    .whole
                    .fault("the lower end lies above the upper one")
                    .help(format!("write uniform({}, {})", high.text, low.text)));
            }
            built(call.whole, Distribution::uniform(from, to))
        }
        "exponential" => {
            let [mean] = exactly(call, ["mean"])?;
            built(call.whole, Distribution::exponential(duration::parse(mean)?))
        }
        "lognormal" => log_normal(call),
        "gamma" => {
            let [mean, cv] = exactly(call, ["mean", "cv"])?;
            let (mean, cv) = (duration::parse_positive(mean)?, positive(cv)?);
            built(call.whole, Distribution::gamma(mean, cv))
        }
        "weibull" => weibull(call),
        "pareto" => {
            let [min, alpha] = exactly(call, ["min", "alpha"])?;
            built(call.whole, Distribution::pareto(duration::parse_positive(min)?, positive(alpha)?))
        }
        "mixture" => mixture(call, level),
        "quantiles" => quantiles(call),
        other => {
            let names = FORMS.iter().map(|(name, _)| *name);
            let help = match did_you_mean(other, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
            };
            Err(call.name.fault(format!("`{other}` is no distribution")).help(help))
        }
    }
}

fn exactly<'a, const N: usize>(call: &Call<'a>, keys: [&str; N]) -> Result<[Part<'a>; N], Fault> {
    call.exactly(keys).ok_or_else(|| wrong_figures(call))
}

fn wrong_figures(call: &Call<'_>) -> Fault {
    let form = FORMS.iter().find(|(name, _)| *name == call.name.text).map_or("", |(_, form)| form);
    call.whole
        .fault(format!("`{}` does not take these figures", call.name.text))
        .help(format!("write {form}"))
}

fn log_normal(call: &Call<'_>) -> Result<Distribution, Fault> {
    let keyed = |a: &str, b: &str| call.args().len() == 2 && call.get(a).is_some() && call.get(b).is_some();
    if keyed("mean", "cv") {
        let [mean, cv] = exactly(call, ["mean", "cv"])?;
        return built(
            call.whole,
            Distribution::log_normal_mean_cv(duration::parse_positive(mean)?, number(cv)?),
        );
    }
    if keyed("p50", "sigma") {
        let [p50, sigma] = exactly(call, ["p50", "sigma"])?;
        return built(
            call.whole,
            Distribution::log_normal_p50_sigma(duration::parse_positive(p50)?, number(sigma)?),
        );
    }
    let [p50, p99] = exactly(call, ["p50", "p99"])?;
    built(p99, Distribution::log_normal_p50_p99(duration::parse_positive(p50)?, duration::parse(p99)?))
}

fn weibull(call: &Call<'_>) -> Result<Distribution, Fault> {
    let [p50, p99] = exactly(call, ["p50", "p99"])?;
    built(p99, Distribution::weibull_p50_p99(duration::parse_positive(p50)?, duration::parse(p99)?))
}

/// What the law's own constructor objects to, at its place.
fn built(place: Part<'_>, law: Result<Distribution, String>) -> Result<Distribution, Fault> {
    law.map_err(|message| place.fault(message))
}

fn mixture(call: &Call<'_>, level: usize) -> Result<Distribution, Fault> {
    let mut parts = Vec::new();
    for arg in call.args() {
        let Some(weight) = arg.key else { return Err(wrong_figures(call)) };
        parts.push((weight_of(weight)?, nested(arg.value, level + 1)?));
    }
    weighted(parts, call.whole)
}

fn fortio(part: Part<'_>) -> Result<Distribution, Fault> {
    let mut parts = Vec::new();
    for item in part.split(',') {
        let Some((value, weight)) = item.split_once(':') else {
            return Err(item
                .fault(format!("`{}` has no weight", item.text))
                .help("write it as `20ms:90,200ms:10`"));
        };
        parts.push((weight_of(weight)?, Distribution::Constant(duration::parse(value)?)));
    }
    weighted(parts, part)
}

fn weight_of(part: Part<'_>) -> Result<f64, Fault> {
    let digits = Part { text: part.text.trim_end_matches('%'), at: part.at };
    let weight = number(digits)?;
    if weight < 0.0 { Err(part.fault("a weight must be zero or more")) } else { Ok(weight) }
}

fn weighted(parts: Vec<(f64, Distribution)>, whole: Part<'_>) -> Result<Distribution, Fault> {
    built(whole, Distribution::mixture(parts))
}

fn quantiles(call: &Call<'_>) -> Result<Distribution, Fault> {
    let mut points = Vec::new();
    for arg in call.args() {
        let Some(key) = arg.key else { return Err(wrong_figures(call)) };
        let digits = key.text.trim_start_matches('p').trim_end_matches('%');
        let percent = number(Part { text: digits, at: key.at })?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(key.fault(format!("`{}` lies outside 0 to 100", key.text)));
        }
        points.push((percent / 100.0, duration::parse(arg.value)?));
    }
    if points.is_empty() {
        Err(wrong_figures(call))
    } else {
        built(call.whole, Distribution::quantiles(points))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimDuration;

    fn read(text: &str) -> Distribution {
        parse(Part::whole(text)).unwrap()
    }

    fn fault(text: &str) -> Fault {
        parse(Part::whole(text)).unwrap_err()
    }

    fn ms(value: u64) -> SimDuration {
        SimDuration::from_millis(value)
    }

    #[test]
    fn every_form_of_the_design_is_read() {
        assert_eq!(read("5ms"), Distribution::Constant(ms(5)));
        assert_eq!(read("constant(5ms)"), Distribution::Constant(ms(5)));
        assert_eq!(read("uniform(1ms, 9ms)"), Distribution::Uniform { low: ms(1), high: ms(9) });
        assert_eq!(read("exponential(mean=10ms)"), Distribution::Exponential { mean: ms(10) });
        assert_eq!(
            read("lognormal(p50=12ms, sigma=0.8)"),
            Distribution::LogNormal { median: ms(12), sigma: 0.8 }
        );
        assert_eq!(read("gamma(mean=10ms, cv=0.5)"), Distribution::Gamma { mean: ms(10), cv: 0.5 });
        assert_eq!(read("pareto(min=1ms, alpha=2.5)"), Distribution::Pareto { min: ms(1), alpha: 2.5 });
        assert_eq!(
            read("quantiles(50=12ms, 99=80ms)"),
            Distribution::quantiles(vec![(0.5, ms(12)), (0.99, ms(80))]).unwrap()
        );
        assert_eq!(
            read("20ms:90,200ms:9,2s:1"),
            Distribution::Mixture(vec![
                (90.0, Distribution::Constant(ms(20))),
                (9.0, Distribution::Constant(ms(200))),
                (1.0, Distribution::Constant(ms(2_000))),
            ])
        );
        assert_eq!(
            read("mixture(90=exponential(mean=5ms), 10=constant(200ms))"),
            Distribution::Mixture(vec![
                (90.0, Distribution::Exponential { mean: ms(5) }),
                (10.0, Distribution::Constant(ms(200))),
            ])
        );
    }

    #[test]
    fn percentiles_are_turned_into_parameters() {
        let law = Distribution::log_normal_p50_p99(ms(12), ms(80)).unwrap();
        assert_eq!(read("lognormal(p50=12ms, p99=80ms)"), law);
        assert_eq!(read("lognormal(p99=80ms, p50=12ms)"), law);
        assert_eq!(
            read("lognormal(mean=20ms, cv=1)"),
            Distribution::log_normal_mean_cv(ms(20), 1.0).unwrap()
        );
        assert_eq!(
            read("weibull(p50=10ms, p99=50ms)"),
            Distribution::weibull_p50_p99(ms(10), ms(50)).unwrap()
        );
    }

    #[test]
    fn mistakes_point_into_the_text() {
        let text = "mixture(90=5ms, 10=exponentail(mean=1s))";
        let wrong = fault(text);
        assert_eq!(&text[wrong.range.clone()], "exponentail");
        assert_eq!(wrong.help.unwrap(), "did you mean `exponential`?");
        assert_eq!(fault("5").help.unwrap(), "write 5s or 5ms");
        assert!(fault("lognormal(p50=1ms").help.unwrap().contains("quotes"));
        assert!(fault("lognormal(p50=9ms, p99=2ms)").message.contains("below p50"));
        assert!(fault("lognormal(p50=9ms)").help.unwrap().contains("sigma"));
        assert!(fault("uniform(9ms, 1ms)").help.unwrap().contains("uniform(1ms, 9ms)"));
        assert!(fault("fast").message.contains("neither"));
        let deep = format!("{}5ms{}", "mixture(1=".repeat(40), ")".repeat(40));
        assert!(fault(&deep).message.contains("nested"));
    }
}
