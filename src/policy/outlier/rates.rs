//! Success rates and failure percentages of one interval between sweeps, host by host. Envoy looks at them by default,
//! Istio switches them off. Source: semantics S8.7.

use super::report::{Cause, LocalOrigin, Report};
use crate::mesh::policy_spec::{FailurePercentageSpec, OutlierSpec, SuccessRateSpec};

/// What a figure is about. Only the split mode tells the two apart; else all counts as responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Response,
    Local,
}

/// Results of one host in the present interval.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    total: u32,
    ok: u32,
}

/// The present interval of one (proxy, cluster).
#[derive(Clone, Debug)]
pub struct Rates {
    success_rate: Option<SuccessRateSpec>,
    failure_percentage: Option<FailurePercentageSpec>,
    splits: bool,
    /// By host; grow as hosts are heard of.
    responses: Vec<Tally>,
    local: Vec<Tally>,
}

impl Rates {
    /// `None` if neither detector is on.
    pub fn new(spec: &OutlierSpec) -> Option<Rates> {
        if spec.success_rate.is_none() && spec.failure_percentage.is_none() {
            return None;
        }
        Some(Rates {
            success_rate: spec.success_rate.clone(),
            failure_percentage: spec.failure_percentage.clone(),
            splits: spec.split_external_local_origin,
            responses: Vec::new(),
            local: Vec::new(),
        })
    }

    /// Takes one report about `host`; its codes are those that count.
    pub fn count(&mut self, host: usize, report: Report) {
        let (origin, is_ok) = match report {
            Report::Code(code) => (Origin::Response, code < 500),
            Report::ConnectSuccess if self.splits => (Origin::Local, true),
            Report::ConnectSuccess => return,
            Report::LocalOriginFailure(
                LocalOrigin::ConnectFailed | LocalOrigin::Timeout | LocalOrigin::Reset,
            ) => (if self.splits { Origin::Local } else { Origin::Response }, false),
        };
        let tallies = match origin {
            Origin::Response => &mut self.responses,
            Origin::Local => &mut self.local,
        };
        if tallies.len() <= host {
            tallies.resize(host + 1, Tally::default());
        }
        tallies[host].total += 1;
        tallies[host].ok += u32::from(is_ok);
    }

    /// Something was counted in the present interval.
    pub fn has_any(&self) -> bool {
        !self.responses.is_empty() || !self.local.is_empty()
    }

    /// Ends the interval: who is to go for what happened in it, in the order in which Envoy decides. Hosts that are
    /// `out` already count for nothing.
    pub fn judge(&mut self, out: impl Fn(usize) -> bool) -> Vec<(usize, Cause)> {
        let mut found = Vec::new();
        for origin in [Origin::Response, Origin::Local] {
            let tallies = std::mem::take(match origin {
                Origin::Response => &mut self.responses,
                Origin::Local => &mut self.local,
            });
            let with_volume = |least: u32| -> Vec<(usize, f64)> {
                let hosts = tallies.iter().enumerate();
                hosts
                    .filter(|(host, tally)| tally.total >= least.max(1) && !out(*host))
                    .map(|(host, tally)| (host, 100.0 * f64::from(tally.ok) / f64::from(tally.total)))
                    .collect()
            };
            if let Some(spec) = &self.success_rate {
                let cause = match origin {
                    Origin::Response => Cause::SuccessRate,
                    Origin::Local => Cause::SuccessRateLocalOrigin,
                };
                found.extend(outliers(spec, &with_volume(spec.request_volume)).map(|host| (host, cause)));
            }
            if let Some(spec) = &self.failure_percentage {
                let cause = match origin {
                    Origin::Response => Cause::FailurePercentage,
                    Origin::Local => Cause::FailurePercentageLocalOrigin,
                };
                let hosts = with_volume(spec.request_volume);
                if hosts.len() >= spec.minimum_hosts as usize {
                    let failing = hosts.iter().filter(|(_, rate)| fails_too_often(*rate, spec.threshold));
                    found.extend(failing.map(|(host, _)| (*host, cause)));
                }
            }
        }
        found
    }
}

/// The hosts far below the others.
fn outliers<'a>(spec: &SuccessRateSpec, hosts: &'a [(usize, f64)]) -> impl Iterator<Item = usize> + use<'a> {
    let is_enough = hosts.len() >= spec.minimum_hosts as usize;
    let rates: Vec<f64> = hosts.iter().map(|(_, rate)| *rate).collect();
    let (_, threshold) = success_rate_threshold(&rates, spec.stdev_factor);
    hosts.iter().filter(move |(_, rate)| is_enough && *rate < threshold).map(|(host, _)| *host)
}

/// Mean of the hosts' success rates in per cent, and the rate under which a host is ejected: as many population
/// standard deviations below the mean as `stdev_factor` has thousands. Source: semantics S8.7.
pub fn success_rate_threshold(rates: &[f64], stdev_factor: u32) -> (f64, f64) {
    let count = rates.len().max(1) as f64;
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum::<f64>() / count;
    (mean, mean - variance.sqrt() * (f64::from(stdev_factor) / 1_000.0))
}

/// Whether a host of this success rate (per cent) fails often enough to go. Source: semantics S8.7.
pub fn fails_too_often(success_rate: f64, threshold: u32) -> bool {
    100.0 - success_rate >= f64::from(threshold)
}
