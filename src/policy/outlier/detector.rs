//! The detector of one cluster in one proxy: runs of failures by host, ejections within the limit, and the sweeps at
//! which hosts return. Source: semantics S8.3 to S8.6.
//!
//! A report goes to [`Detector::observe`]; what it asks for goes to [`Detector::eject`] at once. Sweeps are due every
//! `interval` since the cluster was created, but one that has nothing to do changes nothing, so they need to be run
//! only while [`Detector::needs_sweeps`]. At the end of each, [`Detector::judge`] looks at the interval's rates.

use super::limit::{ejection_allowed, ejection_jitter, ejection_time};
use super::rates::Rates;
use super::report::{Cause, EjectionRequest, Report, Verdict};
use crate::kernel::random::Draw;
use crate::kernel::{SimDuration, SimTime};
use crate::mesh::policy_spec::OutlierSpec;

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
    always_one: bool,
    /// Reports count as they come: neither own error codes nor rates.
    is_plain: bool,
    error_codes: Vec<u16>,
    rates: Option<Box<Rates>>,
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
            always_one: spec.always_ejects_one,
            is_plain: spec.error_codes.is_empty()
                && spec.success_rate.is_none()
                && spec.failure_percentage.is_none(),
            error_codes: spec.error_codes.clone(),
            rates: Rates::new(spec).map(Box::new),
        }
    }

    /// Takes one report about `host`. Source: semantics S8.2, S8.3.
    #[inline]
    pub fn observe(&mut self, host: usize, report: Report) -> Option<EjectionRequest> {
        match if self.is_plain { report } else { self.weigh(host, report) } {
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

    /// What a report counts as under error codes of its own, and its place in the rates. Source: semantics S8.3, S8.7.
    #[cold]
    fn weigh(&mut self, host: usize, report: Report) -> Report {
        let report = match report {
            Report::Code(code) if !self.error_codes.is_empty() => {
                Report::Code(if self.error_codes.contains(&code) { code.max(500) } else { 200 })
            }
            other => other,
        };
        if let Some(rates) = &mut self.rates {
            rates.count(host, report);
        }
        report
    }

    /// Ends an interval, behind its sweep: who is to go for the rates of it. Source: semantics S8.7.
    pub fn judge(&mut self) -> Vec<EjectionRequest> {
        let Some(rates) = &mut self.rates else { return Vec::new() };
        let streaks = &self.streaks;
        let is_out = |host: usize| streaks.get(host).is_some_and(|host| host.is_ejected || host.is_absent);
        let found = rates.judge(is_out).into_iter();
        found.map(|(host, first)| EjectionRequest { host, first, second: None }).collect()
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
            let is_allowed = ejection_allowed(self.max_percent, self.hosts, self.ejected, self.always_one);
            if is_allowed {
                self.take_out(request.host, now, draw);
            }
            self.change_streaks(request.host, |streaks| match cause {
                Cause::Gateway => streaks.gateway = 0,
                Cause::FiveXx => streaks.five = 0,
                Cause::LocalOrigin => streaks.local = 0,
                Cause::SuccessRate
                | Cause::SuccessRateLocalOrigin
                | Cause::FailurePercentage
                | Cause::FailurePercentageLocalOrigin => {}
            });
            if is_allowed {
                return Verdict::Ejected(cause);
            }
            refused += 1;
        }
        Verdict::Overflow(refused)
    }

    fn take_out(&mut self, host: usize, now: SimTime, draw: &mut Draw<'_>) {
        // Rates can speak against a host that never failed.
        self.make_state();
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
        if self.ejected == 0 && self.raised == 0 {
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

    /// True while a sweep could change anything: a host is out, its multiplier has yet to fall, or there are rates to
    /// look at.
    #[inline]
    pub fn needs_sweeps(&self) -> bool {
        self.ejected > 0 || self.raised > 0 || self.rates.as_ref().is_some_and(|rates| rates.has_any())
    }

    /// Looks at rates, so that any report may make a sweep necessary.
    #[inline]
    pub fn has_rates(&self) -> bool {
        self.rates.is_some()
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
        if self.streaks[host].is_absent {
            self.hosts += 1;
            // Answers that came after it had left tell nothing of the new one.
            self.change_streaks(host, |streaks| *streaks = Streaks::default());
        }
    }
}

#[cfg(test)]
#[path = "detector_tests.rs"]
mod tests;
