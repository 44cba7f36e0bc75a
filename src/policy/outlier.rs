//! Outlier detection of one cluster in one proxy: counts failures by host, ejects within a limit, and lets hosts
//! return at sweeps. Nothing here is shared between two calling proxies. Source: semantics S8.
//!
//! A report goes to [`Detector::observe`]; what it asks for goes to [`Detector::eject`] at once. Sweeps are due every
//! `interval` since the cluster was created, but one that has nothing to do changes nothing, so they need to be run
//! only while [`Detector::needs_sweeps`]. Success-rate and failure-percentage detection (S8.7; Istio switches both
//! off) would count in `observe` and eject at the end of `sweep`.

use crate::kernel::random::Draw;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::policy_spec::OutlierSpec;

/// What one attempt tells about its host. Source: semantics S8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Response headers came, with this status.
    Code(u16),
    /// The proxy itself saw it fail.
    LocalOriginFailure(LocalOrigin),
    /// The attempt got its connection.
    ConnectSuccess,
}

/// What the proxy itself saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalOrigin {
    ConnectFailed,
    /// Per-try or route timeout.
    Timeout,
    /// The established stream or connection broke.
    Reset,
}

impl LocalOrigin {
    /// The status that it counts as where local and external errors are not told apart.
    const fn code(self) -> u16 {
        match self {
            LocalOrigin::ConnectFailed | LocalOrigin::Reset => 503,
            LocalOrigin::Timeout => 504,
        }
    }
}

/// Which run of failures an ejection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Gateway,
    FiveXx,
    LocalOrigin,
}

/// As Envoy's outlier event log names it.
impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cause::Gateway => "CONSECUTIVE_GATEWAY_FAILURE",
            Cause::FiveXx => "CONSECUTIVE_5XX",
            Cause::LocalOrigin => "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
        })
    }
}

/// One or two runs of one host are full: [`Detector::eject`] decides. One report can fill both the gateway and the
/// 5xx run; the gateway's comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a full run that nobody decides upon would never eject"]
pub struct EjectionRequest {
    pub host: usize,
    first: Cause,
    second: Option<Cause>,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ejected(Cause),
    /// Refused by `maxEjectionPercent`, so many times (`ejections_overflow`).
    Overflow(u32),
    /// The host is out already.
    Ignored,
}

/// Runs of failures of one host; 0 = none.
#[derive(Clone, Copy, Debug, Default)]
struct Streaks {
    five: u32,
    gateway: u32,
    local: u32,
    is_ejected: bool,
    is_absent: bool,
}

impl Streaks {
    fn is_running(self) -> bool {
        self.five | self.gateway | self.local != 0
    }
}

/// Ejections of one host, looked at only by ejections and sweeps.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    since: SimTime,
    jitter: SimDuration,
    /// Ejections in a row, as S8.6 counts them.
    multiplier: u32,
    returned: SimTime,
}

/// The detector of one (proxy, cluster).
#[derive(Clone, Debug)]
pub struct Detector {
    /// Hosts with a run; while there is none a success has nothing to reset.
    running: u32,
    splits: bool,
    /// Thresholds; 0 = off, which a run, counted from 1, never equals.
    five: u32,
    gateway: u32,
    local: u32,
    /// Made at the first failure.
    streaks: Vec<Streaks>,
    history: Vec<History>,
    known: usize,
    hosts: u32,
    ejected: u32,
    /// Hosts whose multiplier is above 0.
    raised: u32,
    interval: SimDuration,
    base: SimDuration,
    max: SimDuration,
    max_percent: u32,
}

impl Detector {
    /// A detector for `hosts` hosts, all present and none ejected.
    pub fn new(spec: &OutlierSpec, hosts: usize) -> Detector {
        let threshold = |count: Option<std::num::NonZeroU32>| count.map_or(0, |count| count.get());
        Detector {
            running: 0,
            splits: spec.split_external_local_origin,
            five: threshold(spec.consecutive_5xx),
            gateway: threshold(spec.consecutive_gateway),
            local: threshold(spec.consecutive_local_origin),
            streaks: Vec::new(),
            history: Vec::new(),
            known: hosts,
            hosts: u32::try_from(hosts).expect("hosts are numbered by u32"),
            ejected: 0,
            raised: 0,
            // An interval of zero is refused by validation; the floor only keeps the arithmetic whole.
            interval: spec.interval.max(SimDuration::from_nanos(1)),
            base: spec.base_ejection_time,
            max: spec.max_ejection_time,
            max_percent: spec.max_ejection_percent,
        }
    }

    /// Takes one report about `host`. Source: semantics S8.2, S8.3.
    #[inline]
    pub fn observe(&mut self, host: usize, report: Report) -> Option<EjectionRequest> {
        match report {
            Report::Code(code) if code < 500 => {
                if self.running != 0 {
                    self.reset_responses(host);
                }
                None
            }
            Report::ConnectSuccess => {
                if self.splits && self.running != 0 {
                    self.reset_local(host);
                }
                None
            }
            Report::Code(code) => self.count_response(host, code),
            Report::LocalOriginFailure(_) if self.splits => self.count_local(host),
            Report::LocalOriginFailure(origin) => self.count_response(host, origin.code()),
        }
    }

    /// The runs of `host`, to be changed by `change`; keeps count of the hosts that have one.
    fn change_streaks(&mut self, host: usize, change: impl FnOnce(&mut Streaks)) -> Streaks {
        self.make_state();
        let streaks = &mut self.streaks[host];
        let was_running = streaks.is_running();
        change(streaks);
        let (streaks, is_running) = (*streaks, streaks.is_running());
        self.running = self.running + u32::from(is_running) - u32::from(was_running);
        streaks
    }

    fn make_state(&mut self) {
        if self.streaks.len() < self.known {
            self.streaks.resize(self.known, Streaks::default());
            self.history.resize(self.known, History::default());
        }
    }

    fn reset_responses(&mut self, host: usize) {
        self.change_streaks(host, |streaks| (streaks.five, streaks.gateway) = (0, 0));
    }

    fn reset_local(&mut self, host: usize) {
        self.change_streaks(host, |streaks| streaks.local = 0);
    }

    #[cold]
    fn count_response(&mut self, host: usize, code: u16) -> Option<EjectionRequest> {
        let is_gateway = matches!(code, 502..=504);
        let streaks = self.change_streaks(host, |streaks| {
            streaks.gateway = if is_gateway { streaks.gateway.saturating_add(1) } else { 0 };
            streaks.five = streaks.five.saturating_add(1);
        });
        // Equality, not "at least": while a host is out its runs go past the threshold unnoticed.
        let gateway = (is_gateway && streaks.gateway == self.gateway).then_some(Cause::Gateway);
        let five = (streaks.five == self.five).then_some(Cause::FiveXx);
        let (first, second) = if gateway.is_some() { (gateway, five) } else { (five, None) };
        first.filter(|_| !streaks.is_ejected && !streaks.is_absent).map(|first| EjectionRequest {
            host,
            first,
            second,
        })
    }

    #[cold]
    fn count_local(&mut self, host: usize) -> Option<EjectionRequest> {
        let streaks = self.change_streaks(host, |streaks| streaks.local = streaks.local.saturating_add(1));
        let is_full = streaks.local == self.local && !streaks.is_ejected && !streaks.is_absent;
        is_full.then_some(EjectionRequest { host, first: Cause::LocalOrigin, second: None })
    }

    /// Decides upon a full run: ejects the host if the limit allows. Takes one number of `draw` if it does.
    /// The run that asked starts anew whether or not it is granted. Source: semantics S8.3 to S8.6.
    pub fn eject(&mut self, request: EjectionRequest, now: SimTime, draw: &mut Draw<'_>) -> Verdict {
        let mut refused = 0;
        for cause in [Some(request.first), request.second].into_iter().flatten() {
            if self.is_ejected(request.host) {
                // Envoy drops the event before it looks at the run.
                return Verdict::Ignored;
            }
            let is_allowed = ejection_allowed(self.max_percent, self.hosts, self.ejected, false);
            if is_allowed {
                self.take_out(request.host, now, draw);
            }
            self.change_streaks(request.host, |streaks| match cause {
                Cause::Gateway => streaks.gateway = 0,
                Cause::FiveXx => streaks.five = 0,
                Cause::LocalOrigin => streaks.local = 0,
            });
            if is_allowed {
                return Verdict::Ejected(cause);
            }
            refused += 1;
        }
        Verdict::Overflow(refused)
    }

    fn take_out(&mut self, host: usize, now: SimTime, draw: &mut Draw<'_>) {
        self.ejected += 1;
        self.streaks[host].is_ejected = true;
        let history = &mut self.history[host];
        history.since = now;
        // Istio sets no jitter, but the draw is taken all the same.
        history.jitter = ejection_jitter(draw.next(), 0);
        if self.base * u64::from(history.multiplier) < self.max + self.base {
            self.raised += u32::from(history.multiplier == 0);
            history.multiplier += 1;
        }
    }

    /// The periodic check: returns the hosts that come back now, in host order. Source: semantics S8.6.
    pub fn sweep(&mut self, now: SimTime) -> Vec<usize> {
        let mut returned = Vec::new();
        if !self.needs_sweeps() {
            return returned;
        }
        for host in 0..self.history.len() {
            let history = &mut self.history[host];
            if self.streaks[host].is_ejected {
                let length = ejection_time(self.base, self.max, history.multiplier) + history.jitter;
                if now.since(history.since) >= length {
                    history.returned = now;
                    self.ejected -= 1;
                    self.streaks[host].is_ejected = false;
                    // Both runs of responses, not that of local-origin failures.
                    self.reset_responses(host);
                    returned.push(host);
                }
            } else if history.multiplier > 0 && now.since(history.returned) >= self.interval {
                history.multiplier -= 1;
                self.raised -= u32::from(history.multiplier == 0);
            }
        }
        returned
    }

    /// The first sweep after `now`, for a cluster that was created `created` nanoseconds after the run's start
    /// (negative: before it).
    pub fn next_sweep_after(&self, now: SimTime, created: i64) -> SimTime {
        let interval = i128::from(self.interval.nanos());
        let age = i128::from(now.nanos()) - i128::from(created);
        let due = i128::from(created) + (age.div_euclid(interval) + 1) * interval;
        SimTime::from_nanos(u64::try_from(due).unwrap_or(u64::MAX))
    }

    /// True while a sweep could change anything: a host is out, or its multiplier has yet to fall.
    pub fn needs_sweeps(&self) -> bool {
        self.ejected > 0 || self.raised > 0
    }

    /// Hosts that are out now.
    pub fn ejected(&self) -> u32 {
        self.ejected
    }

    pub fn is_ejected(&self, host: usize) -> bool {
        self.streaks.get(host).is_some_and(|streaks| streaks.is_ejected)
    }

    /// Hosts that count for the limit.
    pub fn hosts(&self) -> u32 {
        self.hosts
    }

    /// A host leaves: it counts for nothing more, and what was known of it is forgotten. Returns whether it was out.
    /// Source: semantics S8.8.
    pub fn remove(&mut self, host: usize) -> bool {
        let before = self.change_streaks(host, |_| ());
        if before.is_absent {
            return false;
        }
        self.hosts -= 1;
        self.ejected -= u32::from(before.is_ejected);
        self.raised -= u32::from(self.history[host].multiplier > 0);
        self.history[host] = History::default();
        self.change_streaks(host, |streaks| *streaks = Streaks { is_absent: true, ..Streaks::default() });
        before.is_ejected
    }

    /// A host comes, or comes again. Does nothing if it is there.
    pub fn add(&mut self, host: usize) {
        self.make_state();
        if host >= self.known {
            self.known = host + 1;
            self.streaks.resize(self.known, Streaks { is_absent: true, ..Streaks::default() });
            self.history.resize(self.known, History::default());
        }
        if std::mem::take(&mut self.streaks[host].is_absent) {
            self.hosts += 1;
        }
    }
}

/// Whether one more of `hosts` hosts may go out while `ejected` are: 100 * (ejected + 1) / hosts <= `max_percent`.
/// `always_one` is Envoy's `always_eject_one_host`, which Istio does not set. Source: semantics S8.5.
pub fn ejection_allowed(max_percent: u32, hosts: u32, ejected: u32, always_one: bool) -> bool {
    let is_within = 100 * (u64::from(ejected) + 1) <= u64::from(max_percent) * u64::from(hosts);
    is_within || (always_one && ejected == 0)
}

/// How long an ejection lasts at least, without jitter. Source: semantics S8.6.
pub fn ejection_time(base: SimDuration, max: SimDuration, multiplier: u32) -> SimDuration {
    (base * u64::from(multiplier)).min(max)
}

/// What is added to the ejection time, in whole milliseconds. Source: semantics S8.6.
pub fn ejection_jitter(draw: u64, max_millis: u64) -> SimDuration {
    SimDuration::from_millis(max_millis.checked_add(1).map_or(draw, |modulus| draw % modulus))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::kernel::random::Purpose;

    fn spec(max_ejection_percent: u32) -> OutlierSpec {
        OutlierSpec {
            consecutive_5xx: NonZeroU32::new(5),
            consecutive_gateway: None,
            split_external_local_origin: false,
            consecutive_local_origin: NonZeroU32::new(5),
            interval: SimDuration::from_secs(10),
            base_ejection_time: SimDuration::from_secs(30),
            max_ejection_time: SimDuration::from_secs(300),
            max_ejection_percent,
        }
    }

    fn at(seconds: u64) -> SimTime {
        SimTime::ZERO + SimDuration::from_secs(seconds)
    }

    /// Reports `code` until the detector asks, and decides at once.
    fn fail(detector: &mut Detector, host: usize, code: u16, now: SimTime) -> Verdict {
        let mut draw = Draw::at(1, Purpose::EjectionJitter);
        loop {
            if let Some(request) = detector.observe(host, Report::Code(code)) {
                return detector.eject(request, now, &mut draw);
            }
        }
    }

    #[test]
    fn a_success_breaks_the_run() {
        let mut detector = Detector::new(&spec(100), 2);
        for _ in 0..3 {
            for _ in 0..4 {
                assert_eq!(detector.observe(0, Report::Code(500)), None);
            }
            assert_eq!(detector.observe(0, Report::Code(404)), None);
        }
        assert!(!detector.needs_sweeps());
    }

    #[test]
    fn hosts_return_at_a_sweep_and_stay_out_longer_each_time() {
        let mut detector = Detector::new(&spec(100), 2);
        assert_eq!(fail(&mut detector, 1, 500, at(12)), Verdict::Ejected(Cause::FiveXx));
        assert!(detector.is_ejected(1));
        assert_eq!(detector.sweep(at(40)), [0usize; 0]);
        assert_eq!(detector.sweep(at(50)), [1]);
        assert_eq!(fail(&mut detector, 1, 500, at(51)), Verdict::Ejected(Cause::FiveXx));
        assert_eq!(detector.sweep(at(110)), [0usize; 0]);
        assert_eq!(detector.sweep(at(120)), [1]);
        assert!(detector.needs_sweeps(), "the multiplier has yet to fall");
        for sweep in [130, 140] {
            assert_eq!(detector.sweep(at(sweep)), [0usize; 0]);
        }
        assert!(!detector.needs_sweeps());
    }

    #[test]
    fn the_default_limit_ejects_nobody_under_ten_hosts() {
        let mut detector = Detector::new(&spec(10), 9);
        assert_eq!(fail(&mut detector, 0, 500, at(1)), Verdict::Overflow(1));
        assert_eq!(fail(&mut detector, 0, 500, at(1)), Verdict::Overflow(1));
        let mut detector = Detector::new(&spec(10), 10);
        assert_eq!(fail(&mut detector, 0, 500, at(1)), Verdict::Ejected(Cause::FiveXx));
        assert_eq!(fail(&mut detector, 1, 500, at(1)), Verdict::Overflow(1));
    }

    #[test]
    fn both_runs_of_one_report_are_refused_one_after_the_other() {
        let spec = OutlierSpec {
            consecutive_gateway: NonZeroU32::new(3),
            consecutive_5xx: NonZeroU32::new(3),
            ..spec(10)
        };
        let mut detector = Detector::new(&spec, 5);
        assert_eq!(fail(&mut detector, 0, 503, at(1)), Verdict::Overflow(2));
        let mut detector = Detector::new(&spec, 10);
        assert_eq!(fail(&mut detector, 0, 503, at(1)), Verdict::Ejected(Cause::Gateway));
    }

    #[test]
    fn split_mode_counts_connections_and_answers_apart() {
        let mut detector = Detector::new(&OutlierSpec { split_external_local_origin: true, ..spec(100) }, 1);
        let refused = Report::LocalOriginFailure(LocalOrigin::ConnectFailed);
        for _ in 0..4 {
            assert_eq!(detector.observe(0, refused), None);
            assert_eq!(detector.observe(0, Report::Code(500)), None);
        }
        assert_eq!(detector.observe(0, Report::ConnectSuccess), None);
        for _ in 0..4 {
            assert_eq!(detector.observe(0, refused), None);
        }
        assert!(detector.observe(0, refused).is_some());
    }

    #[test]
    fn removed_hosts_count_for_nothing() {
        let mut detector = Detector::new(&spec(50), 4);
        let _ = fail(&mut detector, 0, 500, at(1));
        assert!(detector.remove(0));
        assert_eq!((detector.ejected(), detector.hosts()), (0, 3));
        assert!(!detector.needs_sweeps());
        assert_eq!(detector.observe(0, Report::Code(500)), None);
        detector.add(0);
        detector.add(6);
        assert_eq!(detector.hosts(), 5);
        assert_eq!(fail(&mut detector, 6, 500, at(2)), Verdict::Ejected(Cause::FiveXx));
    }

    #[test]
    fn sweeps_count_from_the_creation_of_the_cluster() {
        let detector = Detector::new(&spec(100), 1);
        let second = 1_000_000_000;
        assert_eq!(detector.next_sweep_after(at(0), 0), at(10));
        assert_eq!(detector.next_sweep_after(at(10), 0), at(20));
        assert_eq!(detector.next_sweep_after(at(0), -3 * second), at(7));
        assert_eq!(detector.next_sweep_after(at(7), -3 * second), at(17));
        assert_eq!(detector.next_sweep_after(at(5), 5 * second), at(15));
    }
}
