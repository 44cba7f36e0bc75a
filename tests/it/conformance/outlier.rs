//! Golden kinds of outlier detection. Source: semantics S8.

use std::num::NonZeroU32;

use meshcast::kernel::random::{Draw, Purpose};
use meshcast::kernel::{SimDuration, SimTime};
use meshcast::mesh::policy_spec::{FailurePercentageSpec, OutlierSpec, SuccessRateSpec};
use meshcast::policy::failure::Failure;
use meshcast::policy::outlier::{self, Cause, Detector, Report, Verdict};
use serde::Deserialize;

fn at(millis: u64) -> SimTime {
    SimTime::ZERO + SimDuration::from_millis(millis)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    config: Config,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    max_ejection_percent: u32,
    hosts: usize,
    #[serde(default)]
    split: bool,
    #[serde(default = "five")]
    consecutive_5xx: u32,
    #[serde(default = "five")]
    consecutive_gateway: u32,
    #[serde(default = "five")]
    consecutive_local_origin: u32,
    #[serde(default = "always")]
    enforcing_5xx: u32,
    #[serde(default)]
    enforcing_gateway: u32,
    #[serde(default = "always")]
    enforcing_local_origin: u32,
    #[serde(default = "interval")]
    interval_ms: u64,
    #[serde(default = "base")]
    base_ejection_time_ms: u64,
    max_ejection_time_ms: Option<u64>,
}

fn five() -> u32 {
    5
}

fn always() -> u32 {
    100
}

fn interval() -> u64 {
    10_000
}

fn base() -> u64 {
    30_000
}

impl Config {
    fn spec(&self) -> Result<OutlierSpec, String> {
        let threshold = |count: u32, enforcing: u32| match enforcing {
            0 => Ok(None),
            100 => Ok(NonZeroU32::new(count)),
            _ => Err("Istio enforces always or never"),
        };
        let (base, max) = (self.base_ejection_time_ms, self.max_ejection_time_ms);
        Ok(OutlierSpec {
            consecutive_5xx: threshold(self.consecutive_5xx, self.enforcing_5xx)?,
            consecutive_gateway: threshold(self.consecutive_gateway, self.enforcing_gateway)?,
            split_external_local_origin: self.split,
            consecutive_local_origin: threshold(self.consecutive_local_origin, self.enforcing_local_origin)?,
            interval: SimDuration::from_millis(self.interval_ms),
            base_ejection_time: SimDuration::from_millis(base),
            max_ejection_time: SimDuration::from_millis(max.unwrap_or(base.max(300_000))),
            max_ejection_percent: self.max_ejection_percent,
            always_ejects_one: false,
            error_codes: Vec::new(),
            success_rate: None,
            failure_percentage: None,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    t: u64,
    #[serde(default)]
    sweep: bool,
    #[serde(default)]
    host: usize,
    #[serde(default = "once")]
    n: usize,
    code: Option<u16>,
    result: Option<String>,
}

fn once() -> usize {
    1
}

impl Event {
    /// `None`: nothing that outlier detection hears of.
    fn report(&self) -> Result<Option<Report>, String> {
        let failure = match (self.code, self.result.as_deref()) {
            (Some(code), None) => return Ok(Some(Report::Code(code))),
            (None, Some("connect_success")) => return Ok(Some(Report::ConnectSuccess)),
            (None, Some("connect_failed")) => Failure::ConnectFailure,
            (None, Some("timeout")) => Failure::PerTryTimeout,
            (None, Some("pool_overflow")) => Failure::Overflow,
            (None, Some("connection_termination")) => Failure::ConnectionTermination,
            (None, Some("protocol_error")) => Failure::ProtocolError,
            (None, Some("client_cancel")) => Failure::ClientGone,
            other => return Err(format!("unknown report {other:?}")),
        };
        Ok(failure.report())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    ejections: Vec<Ejection>,
    unejections: Vec<Unejection>,
    /// Asserted where it stands.
    refused: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ejection {
    host: usize,
    t: u64,
    /// Asserted where it stands.
    by: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Unejection {
    host: usize,
    t: u64,
}

impl PartialEq for Ejection {
    fn eq(&self, other: &Ejection) -> bool {
        let is_same_cause = self.by.is_none() || other.by.is_none() || self.by == other.by;
        self.host == other.host && self.t == other.t && is_same_cause
    }
}

impl PartialEq for History {
    fn eq(&self, other: &History) -> bool {
        let is_same_count =
            self.refused.is_none() || other.refused.is_none() || self.refused == other.refused;
        self.ejections == other.ejections && self.unejections == other.unejections && is_same_count
    }
}

pub fn outlier_timeline(input: Timeline) -> Result<History, String> {
    let mut detector = Detector::new(&input.config.spec()?, input.config.hosts);
    let mut history = History { ejections: Vec::new(), unejections: Vec::new(), refused: None };
    let mut refused = 0;
    let mut draw = Draw::at(1, Purpose::EjectionJitter);
    for event in &input.events {
        if event.sweep {
            let returned = detector.sweep(at(event.t));
            history.unejections.extend(returned.into_iter().map(|host| Unejection { host, t: event.t }));
            continue;
        }
        let Some(report) = event.report()? else { continue };
        for _ in 0..event.n {
            let Some(request) = detector.observe(event.host, report) else { continue };
            match detector.eject(request, at(event.t), &mut draw) {
                Verdict::Ejected(cause) => {
                    let by = match cause {
                        Cause::Gateway => "gateway",
                        Cause::FiveXx => "5xx",
                        Cause::LocalOrigin => "local_origin",
                        other => return Err(format!("{other}, where rates are not looked at")),
                    };
                    history.ejections.push(Ejection {
                        host: event.host,
                        t: event.t,
                        by: Some(by.to_owned()),
                    });
                }
                Verdict::Overflow(times) => refused += times,
                Verdict::Ignored => {}
            }
        }
    }
    history.refused = Some(refused);
    Ok(history)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EjectionLimit {
    max_ejection_percent: u32,
    hosts: u32,
    already_ejected: u32,
    #[serde(default)]
    always_eject_one_host: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    allowed: bool,
}

pub fn ejection_allowed(input: EjectionLimit) -> Result<Allowed, String> {
    let EjectionLimit { max_ejection_percent, hosts, already_ejected, always_eject_one_host } = input;
    let allowed =
        outlier::ejection_allowed(max_ejection_percent, hosts, already_ejected, always_eject_one_host);
    Ok(Allowed { allowed })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unejections {
    base_ejection_time_ms: u64,
    interval_ms: u64,
    max_ejection_time_ms: u64,
    ejected_at_ms: Vec<u64>,
    /// Prose.
    #[serde(rename = "sweeps")]
    _sweeps: Option<String>,
    #[serde(rename = "event_order")]
    _order: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Unejected {
    unejected_at_ms: Vec<u64>,
}

pub fn unejection_times(input: Unejections) -> Result<Unejected, String> {
    let spec = OutlierSpec {
        consecutive_5xx: NonZeroU32::new(1),
        consecutive_gateway: None,
        split_external_local_origin: false,
        consecutive_local_origin: None,
        interval: SimDuration::from_millis(input.interval_ms),
        base_ejection_time: SimDuration::from_millis(input.base_ejection_time_ms),
        max_ejection_time: SimDuration::from_millis(input.max_ejection_time_ms),
        max_ejection_percent: 100,
        always_ejects_one: false,
        error_codes: Vec::new(),
        success_rate: None,
        failure_percentage: None,
    };
    let mut detector = Detector::new(&spec, 1);
    let mut unejected = Vec::new();
    let mut sweep = detector.next_sweep_after(SimTime::ZERO, 0);
    let mut sweep_before = |detector: &mut Detector, end: SimTime| {
        while sweep < end && (end < SimTime::MAX || detector.ejected() > 0) {
            let returned = detector.sweep(sweep);
            unejected.extend(returned.iter().map(|_| sweep.nanos() / 1_000_000));
            sweep = detector.next_sweep_after(sweep, 0);
        }
    };
    for time in input.ejected_at_ms {
        sweep_before(&mut detector, at(time));
        if let Some(request) = detector.observe(0, Report::Code(500)) {
            detector.eject(request, at(time), &mut Draw::at(1, Purpose::EjectionJitter));
        }
    }
    sweep_before(&mut detector, SimTime::MAX);
    Ok(Unejected { unejected_at_ms: unejected })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EjectionLength {
    base_ejection_time_ms: u64,
    max_ejection_time_ms: u64,
    multiplier: u32,
    #[serde(default = "interval")]
    interval_ms: u64,
}

impl EjectionLength {
    fn length(&self) -> SimDuration {
        let millis = SimDuration::from_millis;
        outlier::ejection_time(
            millis(self.base_ejection_time_ms),
            millis(self.max_ejection_time_ms),
            self.multiplier,
        )
    }
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Duration {
    duration_ms: u64,
}

pub fn ejection_duration(input: EjectionLength) -> Result<Duration, String> {
    Ok(Duration { duration_ms: input.length().nanos() / 1_000_000 })
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct UnejectedAfter {
    unejected_after_ms: u64,
}

pub fn ejection_duration_at_sweep(input: EjectionLength) -> Result<UnejectedAfter, String> {
    let spec = OutlierSpec {
        consecutive_5xx: None,
        consecutive_gateway: None,
        split_external_local_origin: false,
        consecutive_local_origin: None,
        interval: SimDuration::from_millis(input.interval_ms),
        base_ejection_time: SimDuration::from_millis(input.base_ejection_time_ms),
        max_ejection_time: SimDuration::from_millis(input.max_ejection_time_ms),
        max_ejection_percent: 100,
        always_ejects_one: false,
        error_codes: Vec::new(),
        success_rate: None,
        failure_percentage: None,
    };
    let detector = Detector::new(&spec, 1);
    let due = SimTime::ZERO + input.length();
    let mut sweep = SimTime::ZERO;
    while sweep < due {
        sweep = detector.next_sweep_after(sweep, 0);
    }
    Ok(UnejectedAfter { unejected_after_ms: sweep.nanos() / 1_000_000 })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    max_jitter_ms: u64,
    draw: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct JitterMillis {
    jitter_ms: u64,
}

pub fn ejection_jitter(input: Jitter) -> Result<JitterMillis, String> {
    let jitter = outlier::ejection_jitter(input.draw, input.max_jitter_ms);
    Ok(JitterMillis { jitter_ms: jitter.nanos() / 1_000_000 })
}

/// A detector that looks at rates alone, after one interval in which the hosts had these successes and failures: who
/// is out then.
fn ejected_for_rates(spec: &OutlierSpec, hosts: &[(u64, u64)]) -> Vec<usize> {
    let mut detector = Detector::new(spec, hosts.len());
    for (host, (ok, fail)) in hosts.iter().enumerate() {
        let codes = (0..*fail).map(|_| 500).chain((0..*ok).map(|_| 200));
        for code in codes {
            assert_eq!(detector.observe(host, Report::Code(code)), None, "runs are off");
        }
    }
    for request in detector.judge() {
        let mut jitter = Draw::at(1, Purpose::EjectionJitter);
        assert!(matches!(detector.eject(request, at(10_000), &mut jitter), Verdict::Ejected(_)));
    }
    (0..hosts.len()).filter(|host| detector.is_ejected(*host)).collect()
}

fn rates_alone() -> OutlierSpec {
    OutlierSpec {
        consecutive_5xx: None,
        consecutive_gateway: None,
        split_external_local_origin: false,
        consecutive_local_origin: None,
        interval: SimDuration::from_secs(10),
        base_ejection_time: SimDuration::from_secs(30),
        max_ejection_time: SimDuration::from_secs(300),
        max_ejection_percent: 100,
        always_ejects_one: false,
        error_codes: Vec::new(),
        success_rate: None,
        failure_percentage: None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuccessRates {
    /// Per cent, by host.
    success_rates: Vec<f64>,
    stdev_factor: u32,
    minimum_hosts: Option<u32>,
    request_volume: Option<u32>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    mean: super::Near,
    threshold: super::Near,
    ejected: Vec<usize>,
}

pub fn success_rate_threshold(input: SuccessRates) -> Result<Threshold, String> {
    let (mean, threshold) = outlier::success_rate_threshold(&input.success_rates, input.stdev_factor);
    let spec = OutlierSpec {
        success_rate: Some(SuccessRateSpec {
            minimum_hosts: input.minimum_hosts.unwrap_or(5),
            request_volume: input.request_volume.unwrap_or(100),
            stdev_factor: input.stdev_factor,
        }),
        ..rates_alone()
    };
    // Enough requests to show a rate of two decimals.
    let hosts = input.success_rates.iter().map(|rate| {
        let ok = (rate * 100.0).round() as u64;
        (ok, 10_000 - ok)
    });
    let ejected = ejected_for_rates(&spec, &hosts.collect::<Vec<_>>());
    Ok(Threshold { mean: super::Near(mean), threshold: super::Near(threshold), ejected })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailurePercentage {
    threshold: u32,
    request_volume: u32,
    minimum_hosts: u32,
    /// The others of the minimum have just enough requests, and all of them succeed.
    hosts: Vec<Results>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Results {
    ok: u64,
    fail: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Ejected {
    ejected: bool,
}

pub fn failure_percentage(input: FailurePercentage) -> Result<Ejected, String> {
    let spec = OutlierSpec {
        failure_percentage: Some(FailurePercentageSpec {
            minimum_hosts: input.minimum_hosts,
            request_volume: input.request_volume,
            threshold: input.threshold,
        }),
        ..rates_alone()
    };
    let mut hosts: Vec<(u64, u64)> = input.hosts.iter().map(|host| (host.ok, host.fail)).collect();
    if hosts.len() < input.minimum_hosts as usize {
        hosts.resize(input.minimum_hosts as usize, (u64::from(input.request_volume), 0));
    }
    Ok(Ejected { ejected: ejected_for_rates(&spec, &hosts).contains(&0) })
}
