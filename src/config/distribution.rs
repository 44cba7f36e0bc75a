//! The text grammar of distributions (design D4).
//!
//!     5ms   constant(5ms)   uniform(1ms, 9ms)   exponential(mean=10ms)
//!     lognormal(p50=12ms, p99=80ms)   lognormal(mean=20ms, cv=1.5)   lognormal(p50=12ms, sigma=0.8)
//!     gamma(mean=10ms, cv=0.5)   weibull(p50=10ms, p99=50ms)   pareto(min=1ms, alpha=2.5)
//!     mixture(90=exponential(mean=5ms), 10=constant(200ms))   quantiles(50=12ms, 90=30ms, 99=80ms)
//!     20ms:90,200ms:9,2s:1          (Fortio: values and their weights)

use super::duration;
use super::grammar::{Call, Fault, MAX_NESTING, Part, number, positive};
use super::path::did_you_mean;
use crate::kernel::SimDuration;
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

/// The standard normal quantile of 0.99.
const Z99: f64 = 2.326_347_874_040_840_8;
/// ln(ln 100 / ln 2): how far p99 and p50 of a Weibull law lie apart, times its shape.
const LN_LN100_OVER_LN2: f64 = 1.893_692_546_389_565_5;

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
            Ok(Distribution::Uniform { low: from, high: to })
        }
        "exponential" => {
            let [mean] = exactly(call, ["mean"])?;
            Ok(Distribution::Exponential { mean: duration::parse(mean)? })
        }
        "lognormal" => log_normal(call),
        "gamma" => {
            let [mean, cv] = exactly(call, ["mean", "cv"])?;
            let (mean, cv) = (duration::parse_positive(mean)?, positive(cv)?);
            Ok(Distribution::Gamma { mean, cv })
        }
        "weibull" => weibull(call),
        "pareto" => {
            let [min, alpha] = exactly(call, ["min", "alpha"])?;
            Ok(Distribution::Pareto { min: duration::parse_positive(min)?, alpha: positive(alpha)? })
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
        let (mean, cv) = (duration::parse_positive(mean)?, positive(cv)?);
        let spread = 1.0 + cv * cv;
        let median = SimDuration::from_nanos((mean.nanos() as f64 / libm::sqrt(spread)).round() as u64);
        return Ok(Distribution::LogNormal { median, sigma: libm::sqrt(libm::log(spread)) });
    }
    if keyed("p50", "sigma") {
        let [median, sigma] = exactly(call, ["p50", "sigma"])?;
        let sigma_value = number(sigma)?;
        if sigma_value < 0.0 {
            return Err(sigma.fault("sigma must be zero or more"));
        }
        return Ok(Distribution::LogNormal { median: duration::parse_positive(median)?, sigma: sigma_value });
    }
    if !keyed("p50", "p99") {
        return Err(wrong_figures(call));
    }
    let (median, ratio) = percentiles(call)?;
    Ok(Distribution::LogNormal { median, sigma: libm::log(ratio) / Z99 })
}

fn weibull(call: &Call<'_>) -> Result<Distribution, Fault> {
    let (median, ratio) = percentiles(call)?;
    if ratio <= 1.0 {
        return Ok(Distribution::Constant(median));
    }
    let shape = LN_LN100_OVER_LN2 / libm::log(ratio);
    let scale = median.nanos() as f64 / libm::pow(std::f64::consts::LN_2, 1.0 / shape);
    Ok(Distribution::Weibull { scale: SimDuration::from_nanos(scale.round() as u64), shape })
}

/// p50, and how many times as long p99 is; at least 1.
fn percentiles(call: &Call<'_>) -> Result<(SimDuration, f64), Fault> {
    let [p50, p99] = exactly(call, ["p50", "p99"])?;
    let (low, high) = (duration::parse_positive(p50)?, duration::parse_positive(p99)?);
    if high < low {
        return Err(p99.fault(format!("p99 lies below p50 ({})", p50.text)));
    }
    Ok((low, high.nanos() as f64 / low.nanos() as f64))
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
    let sum: f64 = parts.iter().map(|(weight, _)| weight).sum();
    if sum > 0.0 { Ok(Distribution::Mixture(parts)) } else { Err(whole.fault("the weights add up to 0")) }
}

fn quantiles(call: &Call<'_>) -> Result<Distribution, Fault> {
    let mut points: Vec<(f64, SimDuration)> = Vec::new();
    for arg in call.args() {
        let Some(key) = arg.key else { return Err(wrong_figures(call)) };
        let digits = key.text.trim_start_matches('p').trim_end_matches('%');
        let percent = number(Part { text: digits, at: key.at })?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(key.fault(format!("`{}` lies outside 0 to 100", key.text)));
        }
        let point = (percent / 100.0, duration::parse(arg.value)?);
        if points.last().is_some_and(|last| last.0 >= point.0 || last.1 > point.1) {
            return Err(arg.value.fault("both the percentages and their durations must rise"));
        }
        points.push(point);
    }
    if points.is_empty() { Err(wrong_figures(call)) } else { Ok(Distribution::Quantiles(points)) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Distribution::Quantiles(vec![(0.5, ms(12)), (0.99, ms(80))])
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
        let Distribution::LogNormal { median, sigma } = read("lognormal(p50=12ms, p99=80ms)") else {
            panic!()
        };
        assert_eq!(median, ms(12));
        assert!((12.0 * libm::exp(sigma * Z99) - 80.0).abs() < 1e-9);
        let Distribution::Weibull { scale, shape } = read("weibull(p50=10ms, p99=50ms)") else { panic!() };
        let quantile = |p: f64| scale.millis() * libm::pow(-libm::log(1.0 - p), 1.0 / shape);
        assert!((quantile(0.5) - 10.0).abs() < 1e-5, "{}", quantile(0.5));
        assert!((quantile(0.99) - 50.0).abs() < 1e-4, "{}", quantile(0.99));
        let Distribution::LogNormal { median, sigma } = read("lognormal(mean=20ms, cv=1)") else { panic!() };
        assert!((median.millis() * libm::exp(sigma * sigma / 2.0) - 20.0).abs() < 1e-5);
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
