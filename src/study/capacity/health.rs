//! What a point has to hold whatever its objectives ask: lines that do not grow without end, and requests that are
//! answered. What is never answered is no failure and has no latency, so objectives alone are met by a system that
//! serves half of what is asked of it.

use super::margin::Margin;
use crate::kernel::words::grouped;
use crate::mesh::Mesh;
use crate::mesh::model::{Comparison, Figure};
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Estimate, Metric};
use crate::study::steadiness::{self, Overload};
use crate::study::{RunResults, SeriesFigures, Unsteady};

/// Per cent of all requests that may be without an answer at the end, where no objective allows less.
const MOST_UNANSWERED: f64 = 1.0;
/// The least per cent that is allowed: a few stragglers of a million.
const LEAST_ALLOWED: f64 = 1e-3;
/// Part of what is answered by which a line must grow: slower ones are noise.
const LEAST_GROWTH: f64 = 2e-3;

/// Part of the measured time that the work which waits at the end may take. Where the scenario changes over time, growth
/// is no sign of too much load, and what is left over is.
const MOST_LEFT: f64 = 0.05;

/// Work that waits when no more comes.
#[derive(Clone, Debug, PartialEq)]
pub struct Backlog {
    pub workload: String,
    pub requests: f64,
    /// How long it takes, at the rate at which requests came.
    pub seconds: f64,
}

/// Of one point, under one loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// The line that grows most.
    pub overload: Option<Overload>,
    /// More than may be left over.
    pub backlog: Option<Backlog>,
    /// Of all requests, those without an answer when the run ends, per cent.
    pub unanswered_pct: f64,
    /// What is allowed of them.
    pub allowed_pct: f64,
    /// How far the busiest pod is from having no time left, or beyond, as a logarithm; and the unanswered from what is
    /// allowed.
    pub margins: Vec<Margin>,
}

impl Health {
    pub fn of(run: &RunResults, mesh: &Mesh) -> Health {
        let answered: f64 = all_classes(run).filter_map(|row| row.rps.value).sum();
        let overload = worst_overload(run, mesh, answered);
        let (unanswered_pct, half) = unanswered_pct(run);
        let allowed_pct = allowed_pct(mesh);
        let unanswered = margin(unanswered_pct, half, allowed_pct);
        let left = MOST_LEFT * run.clock.measured_s();
        let backlog = longest_backlog(run);
        let waiting = margin(
            backlog.as_ref().map_or(0.0, |backlog| backlog.seconds),
            (run.replications > 1).then_some(0.0),
            left,
        );
        let margins = vec![room(run, overload.as_ref(), answered), waiting, unanswered];
        let backlog = backlog.filter(|_| !waiting.met);
        Health { overload, backlog, unanswered_pct, allowed_pct, margins }
    }

    pub fn is_overloaded(&self) -> bool {
        self.overload.is_some() || self.backlog.is_some()
    }

    pub fn is_sound(&self) -> bool {
        self.margins.iter().all(|margin| margin.met)
    }

    /// What is wrong, in a few words.
    pub fn trouble(&self) -> Option<String> {
        if let Some(overload) = &self.overload {
            return Some(overload.to_string());
        }
        if let Some(Backlog { workload, requests, seconds }) = &self.backlog {
            return Some(format!(
                "{} requests wait at {workload} when the load ends, work for {seconds:.0} s",
                grouped(*requests, 0)
            ));
        }
        (!self.is_sound()).then(|| self.unanswered())
    }

    pub fn unanswered(&self) -> String {
        format!("{:.1}% of the requests have no answer when the run ends", self.unanswered_pct)
    }
}

/// Of what should stay below a limit.
fn margin(value: f64, half: Option<f64>, limit: f64) -> Margin {
    let offset = (0.1 * limit).max(f64::MIN_POSITIVE);
    Margin {
        value: libm::log((limit + offset) / (value + offset)),
        half: half.map(|half| half / (value + offset)),
        met: value <= limit,
    }
}

fn longest_backlog(run: &RunResults) -> Option<Backlog> {
    let lines = run.series.iter().filter(|row| row.metric == Metric::Queue);
    let of = |row: &SeriesFigures| {
        let requests = row.values.last()?.value?;
        let workload = row.subject.target.clone();
        let is_own = |host: &str| host.rsplit_once('-').is_some_and(|(name, _)| name == workload);
        let own = run.hosts.iter().filter(|row| is_own(&row.host));
        let came: f64 = own.filter_map(|row| row.attempts.value).sum();
        let seconds = if came > 0.0 { requests / came * run.clock.measured_s() } else { 0.0 };
        Some(Backlog { workload, requests, seconds })
    };
    let all = lines.filter_map(of);
    all.reduce(|longest, next| if next.seconds > longest.seconds { next } else { longest })
}

fn all_classes(run: &RunResults) -> impl Iterator<Item = &crate::study::ClientFigures> {
    run.clients.iter().filter(|row| row.class == ALL_CLASSES)
}

fn worst_overload(run: &RunResults, mesh: &Mesh, answered: f64) -> Option<Overload> {
    let found = steadiness::check(run, mesh).into_iter().filter_map(|found| match found {
        Unsteady::Overload(overload) => Some(overload),
        Unsteady::WarmUp(_) | Unsteady::Short(_) => None,
    });
    found
        .filter(|overload| overload.growth >= LEAST_GROWTH * answered)
        .reduce(|worst, next| if next.growth > worst.growth { next } else { worst })
}

/// Smooth across the border, so that searches walk along it: below it the busy share of the busiest pod, above it the
/// share of what comes that is served.
fn room(run: &RunResults, overload: Option<&Overload>, answered: f64) -> Margin {
    let pods = run.hosts.iter().map(|row| row.utilization_pct).filter(|pct| pct.value.is_some());
    let busiest = pods.reduce(|best, next| if next.value > best.value { next } else { best });
    let Estimate { value, ci95 } = busiest.unwrap_or(Estimate::NONE);
    let half = ci95.zip(value).map(|(half, value)| half / value.max(1.0));
    match overload {
        Some(overload) => {
            let growth = overload.growth.max(f64::MIN_POSITIVE);
            let (offered, served) = overload.rates.unwrap_or((answered + growth, answered));
            Margin { value: -libm::log(offered / served.max(1e-3 * offered)).max(1e-9), half, met: false }
        }
        None => {
            let value = value.map_or(1.0, |pct| libm::log(100.0 / pct.clamp(1.0, 100.0)).max(1e-9));
            Margin { value, half, met: true }
        }
    }
}

/// With half the width of its interval. A connection of opaque bytes is answered once it stands.
fn unanswered_pct(run: &RunResults) -> (f64, Option<f64>) {
    let (mut open, mut half, mut answered) = (0.0, None, 0.0);
    for row in all_classes(run) {
        open += row.unfinished.value.unwrap_or(0.0);
        half = row.unfinished.ci95.map(|own| half.unwrap_or(0.0) + own).or(half);
        answered += row.requests.value.unwrap_or(0.0);
    }
    let pct = |count: f64| if open > 0.0 { 100.0 * count / (open + answered) } else { 0.0 };
    (pct(open), half.map(pct))
}

/// An unanswered request is no success: as many as the strictest objective of success allows to fail.
fn allowed_pct(mesh: &Mesh) -> f64 {
    let floors = mesh.objectives.iter().filter(|objective| {
        objective.figure == Figure::SuccessPct
            && matches!(objective.comparison, Comparison::Greater | Comparison::GreaterOrEqual)
    });
    let least = floors.map(|objective| 100.0 - objective.limit).fold(MOST_UNANSWERED, f64::min);
    least.max(LEAST_ALLOWED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::fixture;

    #[test]
    fn the_room_that_is_left_is_smooth_across_the_border() {
        let mut run = RunResults::pool(&fixture::canary(2));
        run.hosts
            .iter_mut()
            .for_each(|row| row.utilization_pct = Estimate { value: Some(99.0), ci95: Some(0.5) });
        let below = room(&run, None, 100.0);
        assert!(below.met && (0.0..0.011).contains(&below.value), "{below:?}");
        let overload = Overload {
            subject: run.series[0].subject.clone(),
            growth: 1.0,
            rates: Some((101.0, 100.0)),
            others: Vec::new(),
        };
        let above = room(&run, Some(&overload), 100.0);
        assert!(!above.met && (-0.011..0.0).contains(&above.value), "{above:?}");
        let rateless = room(&run, Some(&Overload { rates: None, ..overload }), 100.0);
        assert!((rateless.value - above.value).abs() < 1e-9, "{rateless:?}");
    }

    #[test]
    fn what_waits_at_the_end_is_counted_in_time() {
        let mut run = RunResults::pool(&fixture::canary(2));
        let at = run.series.iter().position(|row| row.metric == Metric::Queue).unwrap_or_else(|| {
            run.series[0].metric = Metric::Queue;
            0
        });
        let came = 1_000.0;
        run.hosts.iter_mut().for_each(|row| row.attempts = Estimate::exact(0.0));
        run.hosts[0].attempts = Estimate::exact(came);
        let (workload, _) = run.hosts[0].host.rsplit_once('-').expect("a pod has a number");
        run.series[at].subject.target = workload.to_owned();
        run.series[at].values.iter_mut().for_each(|point| point.value = Some(came / 10.0));
        let found = longest_backlog(&run).expect("one waits");
        assert!((found.seconds - run.clock.measured_s() / 10.0).abs() < 1e-9, "{found:?}");
        assert!(!margin(found.seconds, None, MOST_LEFT * run.clock.measured_s()).met);
    }

    #[test]
    fn nothing_to_hold_is_held() {
        let health = Health::default();
        assert!(health.is_sound() && health.trouble().is_none());
    }
}
