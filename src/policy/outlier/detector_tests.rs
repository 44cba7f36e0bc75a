//! The detector, told what happens report by report.

use std::num::NonZeroU32;

use super::super::report::LocalOrigin;
use super::*;
use crate::kernel::random::Purpose;
use crate::mesh::policy_spec::{FailurePercentageSpec, SuccessRateSpec};

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
        always_ejects_one: false,
        error_codes: Vec::new(),
        success_rate: None,
        failure_percentage: None,
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

/// An interval in which host i gets `results[i]`: successes and failures in turn, as short runs eject nobody.
fn interval(detector: &mut Detector, results: &[(u32, u32)]) {
    for (host, (ok, failed)) in results.iter().enumerate() {
        for _ in 0..*failed {
            assert_eq!(detector.observe(host, Report::Code(500)), None);
        }
        for _ in 0..*ok {
            assert_eq!(detector.observe(host, Report::Code(200)), None);
        }
    }
}

fn judged(detector: &mut Detector, now: SimTime) -> Vec<(usize, Verdict)> {
    let mut draw = Draw::at(1, Purpose::EjectionJitter);
    let requests = detector.judge().into_iter();
    requests.map(|request| (request.host, detector.eject(request, now, &mut draw))).collect()
}

#[test]
fn who_succeeds_far_less_often_than_the_others_goes() {
    let spec = OutlierSpec {
        consecutive_5xx: None,
        success_rate: Some(SuccessRateSpec { minimum_hosts: 5, request_volume: 100, stdev_factor: 1_900 }),
        ..spec(100)
    };
    let mut detector = Detector::new(&spec, 6);
    assert!(!detector.needs_sweeps());
    // 52 % is the limit of [100, 100, 100, 100, 50]; the sixth has too few requests to be judged.
    interval(&mut detector, &[(100, 0), (100, 0), (100, 0), (100, 0), (50, 50), (0, 99)]);
    assert!(detector.needs_sweeps());
    assert_eq!(judged(&mut detector, at(10)), [(4, Verdict::Ejected(Cause::SuccessRate))]);
    // The next interval begins empty, and who is out is not judged.
    interval(&mut detector, &[(100, 0), (100, 0), (100, 0), (100, 0), (0, 100)]);
    assert_eq!(judged(&mut detector, at(20)), []);
}

#[test]
fn who_fails_most_of_an_interval_goes() {
    let spec = OutlierSpec {
        consecutive_5xx: None,
        split_external_local_origin: true,
        consecutive_local_origin: None,
        failure_percentage: Some(FailurePercentageSpec {
            minimum_hosts: 2,
            request_volume: 50,
            threshold: 85,
        }),
        ..spec(50)
    };
    let mut detector = Detector::new(&spec, 2);
    interval(&mut detector, &[(15, 84), (15, 85)]);
    let verdict = Verdict::Ejected(Cause::FailurePercentage);
    assert_eq!(judged(&mut detector, at(10)), [(1, verdict)]);
    assert_eq!(detector.sweep(at(40)), [1]);
    // One host alone is not enough; two are, and the limit keeps one of them.
    interval(&mut detector, &[(0, 50)]);
    assert_eq!(judged(&mut detector, at(50)), []);
    interval(&mut detector, &[(0, 50), (0, 50)]);
    assert_eq!(judged(&mut detector, at(60)), [(0, verdict), (1, Verdict::Overflow(1))]);
    assert_eq!(detector.sweep(at(90)), [0]);
    for host in 0..2 {
        for _ in 0..50 {
            let refused = Report::LocalOriginFailure(LocalOrigin::ConnectFailed);
            assert_eq!(detector.observe(host, refused), None);
        }
    }
    assert_eq!(judged(&mut detector, at(100))[0], (0, Verdict::Ejected(Cause::FailurePercentageLocalOrigin)));
}

#[test]
fn listed_codes_are_the_only_errors() {
    let mut detector = Detector::new(&OutlierSpec { error_codes: vec![429, 503], ..spec(100) }, 1);
    for _ in 0..9 {
        assert_eq!(detector.observe(0, Report::Code(500)), None);
    }
    for _ in 0..4 {
        assert_eq!(detector.observe(0, Report::Code(429)), None);
    }
    assert!(detector.observe(0, Report::Code(503)).is_some());
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

#[test]
fn a_threshold_of_nothing_ejects_hosts_that_never_failed() {
    let all = FailurePercentageSpec { minimum_hosts: 1, request_volume: 1, threshold: 0 };
    let mut detector = Detector::new(&OutlierSpec { failure_percentage: Some(all), ..spec(100) }, 1);
    interval(&mut detector, &[(3, 0)]);
    assert_eq!(judged(&mut detector, at(10)), [(0, Verdict::Ejected(Cause::FailurePercentage))]);
}
