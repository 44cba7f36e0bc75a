//! How files name a figure, and how many of its digits mean something.

use super::number::{self, Kind};
use crate::mesh::model::Figure;

/// `latency_p99_ms`, with its unit, as columns are named; p99.9 is `latency_p999_ms`.
pub fn name(figure: Figure) -> String {
    match figure {
        Figure::SuccessPct => "success_pct".to_owned(),
        Figure::Latency(quantile) => format!("latency_p{}_ms", percent(quantile)),
        Figure::LatencyMean => "latency_mean_ms".to_owned(),
        Figure::LatencyMax => "latency_max_ms".to_owned(),
        Figure::Rps => "rps".to_owned(),
        Figure::Retries => "retries".to_owned(),
        Figure::Ejections => "ejections".to_owned(),
        Figure::Overflow => "overflow".to_owned(),
    }
}

/// 99.9 as `999`; below 10, where `55` would be taken for 55, 5.5 as `5_5`.
fn percent(quantile: f64) -> String {
    let percent = 100.0 * quantile;
    number::fixed(percent, 6).replace('.', if percent < 10.0 { "_" } else { "" })
}

pub fn kind(figure: Figure) -> Kind {
    match figure {
        Figure::SuccessPct => Kind::Percent,
        Figure::Retries | Figure::Ejections | Figure::Overflow => Kind::Count,
        Figure::Latency(_) | Figure::LatencyMean | Figure::LatencyMax | Figure::Rps => Kind::Measure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_named_as_columns_are() {
        let names = [0.5, 0.99, 0.999, 0.99999, 0.125, 0.055, 0.05].map(|q| name(Figure::Latency(q)));
        let percents = names.map(|name| name.replace("latency_p", "").replace("_ms", ""));
        assert_eq!(percents, ["50", "99", "999", "99999", "125", "5_5", "5"]);
    }
}
