//! What charts take from a run: one line a cluster, summed over its callers, thinned to what a chart can show, in a
//! colour that is the same in every chart.

use std::collections::{BTreeMap, BTreeSet};

use super::super::terminal::shortened;
use super::layout::{Line, Point, Style};
use super::shape::Colour;
use crate::metrics::recorder::ALL_CLASSES;
use crate::metrics::{Metric, Scope};
use crate::study::{RunResults, SeriesFigures};

/// Points of a line; more are noise.
const POINTS: usize = 300;

/// Okabe and Ito's palette, told apart by colour-blind readers; blue and orange first, the yellow left out, as it
/// vanishes on white.
const COLOURS: [Colour; 6] = [
    Colour(0x00, 0x72, 0xb2),
    Colour(0xd5, 0x5e, 0x00),
    Colour(0x00, 0x9e, 0x73),
    Colour(0xcc, 0x79, 0xa7),
    Colour(0xe6, 0x9f, 0x00),
    Colour(0x56, 0xb4, 0xe9),
];
const CLIENTS: [Colour; 3] = [Colour(0x33, 0x33, 0x33), Colour(0x8a, 0x5a, 0x2b), Colour(0x6a, 0x3d, 0x9a)];

/// A service and its subset, as charts tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub service: String,
    pub subset: String,
}

impl Target {
    /// Service and subset are cut each on its own: names often differ at their ends, and the subset tells most.
    pub fn label(&self) -> String {
        let service = shortened(&self.service, 18, '…');
        match self.subset.as_str() {
            "" => service,
            subset => format!("{service} {}", shortened(subset, 12, '…')),
        }
    }
}

/// The run as lines.
pub struct Data<'a> {
    run: &'a RunResults,
    colours: BTreeMap<Target, Colour>,
    /// The caller with the most calls, whose latency stands for all.
    busiest: BTreeMap<Target, &'a str>,
    calls: BTreeMap<Target, f64>,
}

impl<'a> Data<'a> {
    pub fn of(run: &'a RunResults) -> Data<'a> {
        let mut calls: BTreeMap<Target, f64> = BTreeMap::new();
        let mut busiest: BTreeMap<Target, (&str, f64)> = BTreeMap::new();
        for row in &run.clusters {
            let target = Target { service: row.target.clone(), subset: row.subset.clone() };
            let count = row.calls.value.unwrap_or(0.0);
            *calls.entry(target.clone()).or_default() += count;
            let best = busiest.entry(target).or_insert((&row.source, count));
            if count > best.1 {
                *best = (&row.source, count);
            }
        }
        let colours = colours(&calls);
        Data {
            run,
            colours,
            busiest: busiest.into_iter().map(|(target, best)| (target, best.0)).collect(),
            calls,
        }
    }

    /// Services by calls, most first, with their subsets.
    pub fn services(&self) -> Vec<(String, Vec<Target>)> {
        let mut services: BTreeMap<&str, (f64, Vec<Target>)> = BTreeMap::new();
        for (target, calls) in &self.calls {
            let entry = services.entry(&target.service).or_default();
            entry.0 += calls;
            entry.1.push(target.clone());
        }
        let mut sorted: Vec<_> = services.into_iter().collect();
        sorted.sort_by(|left, right| right.1.0.total_cmp(&left.1.0));
        sorted.into_iter().map(|(service, (_, targets))| (service.to_owned(), targets)).collect()
    }

    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.calls.keys()
    }

    pub fn has_several_callers(&self) -> bool {
        let sources: BTreeSet<_> = self.run.clusters.iter().map(|row| (&row.target, &row.subset)).collect();
        sources.len() < self.run.clusters.len()
    }

    /// Whether connections of opaque bytes go there, which have no code.
    pub fn connects(&self, target: &Target) -> bool {
        self.run.responses.iter().any(|row| {
            let to = &row.subject;
            to.scope == Scope::Cluster
                && (&to.target, &to.subset) == (&target.service, &target.subset)
                && row.outcome.code().is_none()
        })
    }

    pub fn colour(&self, target: &Target) -> Colour {
        self.colours.get(target).copied().unwrap_or(COLOURS[0])
    }

    pub fn client_colour(index: usize) -> Colour {
        CLIENTS[index % CLIENTS.len()]
    }

    pub fn clients(&self) -> Vec<&'a str> {
        let all = self.run.clients.iter().filter(|row| row.class == ALL_CLASSES);
        all.map(|row| row.client.as_str()).collect()
    }

    /// A client's values over time, all classes together.
    pub fn client(&self, client: &str, metric: Metric) -> Vec<Option<f64>> {
        let is_it = |row: &&SeriesFigures| {
            row.subject.scope == Scope::Client
                && row.subject.source == client
                && row.subject.target == ALL_CLASSES
                && row.metric == metric
        };
        self.run.series.iter().find(is_it).map_or_else(Vec::new, values)
    }

    /// Sum over the callers; `None` where none of them has a value.
    pub fn sum(&self, target: &Target, metric: Metric) -> Vec<Option<f64>> {
        self.rows(target, metric).map(values).reduce(|left, right| add(&left, &right)).unwrap_or_default()
    }

    /// As the busiest caller sees it.
    pub fn seen(&self, target: &Target, metric: Metric) -> Vec<Option<f64>> {
        let source = self.busiest.get(target).copied().unwrap_or_default();
        self.rows(target, metric).find(|row| row.subject.source == source).map_or_else(Vec::new, values)
    }

    /// Failed share in per cent over all callers.
    pub fn failed_pct(&self, target: &Target) -> Vec<Option<f64>> {
        let mut sums: Vec<(f64, f64)> = vec![(0.0, 0.0); self.run.windows.len()];
        for row in self.rows(target, Metric::SuccessPct) {
            let same = |other: &&SeriesFigures| other.subject == row.subject && other.metric == Metric::Rps;
            let Some(rates) = self.run.series.iter().find(same) else { continue };
            for ((sum, success), rate) in sums.iter_mut().zip(&row.values).zip(&rates.values) {
                let (Some(success), Some(rate)) = (success.value, rate.value) else { continue };
                *sum = (sum.0 + rate * (100.0 - success), sum.1 + rate);
            }
        }
        sums.into_iter().map(|(failed, all)| (all > 0.0).then(|| failed / all)).collect()
    }

    fn rows(&self, target: &Target, metric: Metric) -> impl Iterator<Item = &'a SeriesFigures> {
        let run = self.run;
        run.series.iter().filter(move |row| {
            row.subject.scope == Scope::Cluster
                && row.subject.target == target.service
                && row.subject.subset == target.subset
                && row.metric == metric
        })
    }

    /// A line of these values, thinned by `thin`.
    pub fn line(&self, label: String, colour: Colour, values: &[Option<f64>], thin: Thin) -> Line {
        let points = self.points(values, thin);
        Line { label, colour, points, style: Style::Plain }
    }

    /// p99 as a line over a band that begins at p50.
    pub fn band(&self, label: String, colour: Colour, low: &[Option<f64>], high: &[Option<f64>]) -> Line {
        let mut points = self.points(high, Thin::Most);
        for (point, low) in points.iter_mut().zip(self.points(low, Thin::Mean)) {
            point.low = low.value;
        }
        Line { label, colour, points, style: Style::Band }
    }

    fn points(&self, values: &[Option<f64>], thin: Thin) -> Vec<Point> {
        let step = values.len().div_ceil(POINTS).max(1);
        let end_of = |window: usize| {
            let next = self.run.windows.get(window + 1).copied();
            next.unwrap_or(self.run.clock.duration).seconds()
        };
        let slice = |(index, part): (usize, &[Option<f64>])| {
            let first = index * step;
            Point {
                from_s: self.run.windows[first].seconds(),
                to_s: end_of(first + part.len() - 1),
                low: None,
                value: thin.of(part),
            }
        };
        values.chunks(step).enumerate().map(slice).collect()
    }
}

/// How several values become one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thin {
    Mean,
    /// Peaks stay.
    Most,
}

impl Thin {
    fn of(self, values: &[Option<f64>]) -> Option<f64> {
        let known = values.iter().flatten();
        match self {
            Thin::Most => known.copied().reduce(f64::max),
            Thin::Mean => {
                let (sum, count) = known.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
                (count > 0.0).then(|| sum / count)
            }
        }
    }
}

/// Subsets of split services first, so that a canary is blue and orange in every chart.
fn colours(calls: &BTreeMap<Target, f64>) -> BTreeMap<Target, Colour> {
    let subsets = |service: &str| calls.keys().filter(|target| target.service == service).count();
    let mut order: Vec<&Target> = calls.keys().collect();
    order.sort_by_key(|target| (subsets(&target.service) < 2, (*target).clone()));
    order.into_iter().cloned().zip(COLOURS.into_iter().cycle()).collect()
}

/// A mesh has more services than there are colours: of lines in one panel that would look alike, the later ones take
/// colours that are free.
pub fn tell_apart(lines: &mut [Line]) {
    let mut free: Vec<Colour> =
        COLOURS.into_iter().filter(|colour| lines.iter().all(|line| line.colour != *colour)).collect();
    for at in 1..lines.len() {
        let (before, rest) = lines.split_at_mut(at);
        let line = &mut rest[0];
        if before.iter().any(|other| other.colour == line.colour) && !free.is_empty() {
            line.colour = free.remove(0);
        }
    }
}

fn values(row: &SeriesFigures) -> Vec<Option<f64>> {
    row.values.iter().map(|point| point.value).collect()
}

pub fn add(left: &[Option<f64>], right: &[Option<f64>]) -> Vec<Option<f64>> {
    let sum = |(left, right): (&Option<f64>, &Option<f64>)| match (left, right) {
        (None, None) => None,
        (left, right) => Some(left.unwrap_or(0.0) + right.unwrap_or(0.0)),
    };
    left.iter().zip(right).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_services_take_the_first_colours() {
        let target =
            |service: &str, subset: &str| Target { service: service.to_owned(), subset: subset.to_owned() };
        let calls = BTreeMap::from([
            (target("details", ""), 900.0),
            (target("reviews", "v1"), 500.0),
            (target("reviews", "v2"), 100.0),
        ]);
        let colours = colours(&calls);
        assert_eq!(colours[&target("reviews", "v1")], COLOURS[0]);
        assert_eq!(colours[&target("reviews", "v2")], COLOURS[1]);
        assert_eq!(colours[&target("details", "")], COLOURS[2]);
    }

    #[test]
    fn no_two_lines_of_a_panel_look_alike() {
        let line = |colour| Line { label: String::new(), colour, points: vec![], style: Style::Plain };
        let mut lines = [COLOURS[2], COLOURS[0], COLOURS[2], COLOURS[2], COLOURS[5]].map(line);
        tell_apart(&mut lines);
        let colours = lines.map(|line| line.colour);
        assert_eq!(colours, [COLOURS[2], COLOURS[0], COLOURS[1], COLOURS[3], COLOURS[5]]);
    }

    #[test]
    fn thinning_keeps_gaps_and_peaks() {
        assert_eq!(Thin::Mean.of(&[Some(1.0), None, Some(3.0)]), Some(2.0));
        assert_eq!(Thin::Most.of(&[Some(1.0), Some(3.0)]), Some(3.0));
        assert_eq!(Thin::Most.of(&[None]), None);
        assert_eq!(add(&[Some(1.0), None], &[None, None]), [Some(1.0), None]);
    }
}
