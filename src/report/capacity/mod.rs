//! How a search for capacity looks: the points in the order in which they were tried, the answer in one sentence, and
//! what limits it. Source: reference ux 4.4.

pub mod files;
pub mod markdown;
pub mod plot;
pub mod text;

use super::observed::observed;
use super::terminal::Look;
use super::{Remark, Stamp, number};
use crate::kernel::words::counted;
use crate::mesh::Place;
use crate::study::Judged;
use crate::study::capacity::{Answer, Capacity, FullLimit, Survive, Tried, unmoved};

/// A search, and what its numbers mean in the user's words.
pub struct Session<'a> {
    /// The scenario's name.
    pub title: &'a str,
    pub stamp: &'a Stamp,
    pub subject: Subject,
    /// The most is looked for, not the least.
    pub most: bool,
    pub survive: Option<Survive>,
    /// `None`: the search was stopped before it had one.
    pub capacity: Option<&'a Capacity>,
    /// In the order in which they were tried.
    pub tried: &'a [Tried],
    /// What is varied, in the user's words, for each of them: one text for each path.
    pub values: Vec<Vec<String>>,
    /// Of each, where costs were asked for.
    pub costs: Vec<Option<f64>>,
    /// Replications in all.
    pub runs: u64,
    /// Seconds from which statistics are.
    pub measured_s: f64,
    /// Points of the grid of which these were tried; `None` for a range without steps.
    pub grid: Option<f64>,
    /// The texts of a value, for the answer of a range without steps.
    pub text_of: &'a dyn Fn(f64) -> String,
    /// Where the input says so: object, place, and the number that stands there.
    pub limit_of: &'a dyn Fn(&FullLimit) -> Option<Written>,
    /// Where the input speaks of a workload.
    pub place_of: &'a dyn Fn(&str) -> Option<Place>,
    /// The directory from which places are told.
    pub base: &'a str,
    /// How to ask the same again.
    pub not_modelled: &'a [Remark],
}

/// What is searched for.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// The load of all clients, in parts of the scenario's: this many requests per second, or users of one closed loop.
    Load { rps: Option<f64>, users: Option<f64> },
    /// Paths, as `--vary` names them.
    Paths(Vec<String>),
}

/// A limit as the input writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// `DestinationRule default/reviews`.
    pub object: String,
    /// `None`: it was set on the command line.
    pub place: Option<Place>,
    pub value: String,
}

impl Session<'_> {
    pub fn has_costs(&self) -> bool {
        self.costs.iter().any(Option::is_some)
    }

    /// Columns of what is varied: as much of the end of each path as tells it from the others.
    pub fn columns(&self) -> Vec<String> {
        match &self.subject {
            Subject::Load { .. } => vec!["load".to_owned()],
            Subject::Paths(paths) => short_names(paths),
        }
    }

    /// `replicas 8, http1MaxPendingRequests 96`.
    pub fn values_of(&self, index: usize) -> String {
        let pairs = self.columns().into_iter().zip(&self.values[index]);
        match &self.subject {
            Subject::Load { users: Some(users), .. } => {
                let (factor, own) =
                    (self.values[index].join(", "), (users * self.tried[index].at[0]).round());
                format!("{} ({factor})", counted(own as u64, "user", "users"))
            }
            Subject::Load { .. } => {
                let factor = self.values[index].join(", ");
                let rps = self.tried[index].offered_rps;
                rps.map_or_else(|| factor.clone(), |rps| format!("{} rps ({factor})", number::rate(rps)))
            }
            Subject::Paths(_) => {
                pairs.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The answer in one sentence.
    pub fn sentence(&self) -> String {
        let Some(capacity) = self.capacity else {
            return "stopped before there was an answer".to_owned();
        };
        let answer = match &capacity.answer {
            Answer::Value { value, interval } => self.value_sentence(*value, *interval),
            Answer::Whole(hardest) => self.whole_sentence(*hardest),
            Answer::Nothing(nearest) => return self.nothing_sentence(*nearest),
            Answer::Least { best, frontier, interval, is_complete } => {
                self.least_sentence(*best, frontier.len(), *interval, *is_complete)
            }
        };
        let survives = match self.survive {
            Some(Survive::Zone) => ", with any one zone lost",
            Some(Survive::Pod) => ", with any one pod lost",
            None => "",
        };
        format!("{answer}{survives}")
    }

    fn value_sentence(&self, value: f64, interval: Option<(f64, f64)>) -> String {
        match &self.subject {
            Subject::Load { users: Some(users), .. } => {
                let ends = interval.map_or_else(
                    || self.no_interval(),
                    |(low, high)| format!(" (95% CI {:.0}-{:.0})", low * users, high * users),
                );
                let same = self.tried.iter().find(|tried| tried.at[0] == value);
                let rps = same
                    .and_then(Tried::worst)
                    .map_or_else(String::new, |case| format!(", {} answered rps", number::rate(case.rps)));
                let users = counted((value * users).round() as u64, "user", "users");
                format!("max {users}{ends}, {} times the scenario's load{rps}", short(value))
            }
            Subject::Load { rps: Some(rps), .. } => {
                let (low, high) = interval.map_or((value, value), |ends| ends);
                let text = self.range(value * rps, interval.map(|_| (low * rps, high * rps)), " rps");
                format!("max {text}, {} times the scenario's load", short(value))
            }
            Subject::Load { rps: None, .. } => {
                format!("max {} times the scenario's load", self.range(value, interval, ""))
            }
            Subject::Paths(paths) => {
                let told = |number: f64| {
                    let decimals = interval.map(|ends| meaningful_decimals(value, ends));
                    let rounded = decimals.and_then(|decimals| format!("{number:.decimals$}").parse().ok());
                    (self.text_of)(rounded.unwrap_or(number))
                };
                let ends = interval.map_or_else(
                    || self.no_interval(),
                    |(low, high)| format!(" (95% CI {} to {})", told(low), told(high)),
                );
                let word = if self.most { "largest" } else { "least" };
                format!("{word}: {} = {}{ends}", paths.join(", "), told(value))
            }
        }
    }

    fn whole_sentence(&self, hardest: usize) -> String {
        match &self.subject {
            Subject::Load { rps, .. } => {
                let factor = self.tried[hardest].at[0];
                let rates =
                    rps.map_or_else(String::new, |rps| format!(" ({} rps)", number::rate(rps * factor)));
                format!(
                    "the objectives are met up to {} times the scenario's load{rates}, where the search ends",
                    short(factor)
                )
            }
            Subject::Paths(_) => {
                format!("all of the range meets the objectives: {}", self.values_of(hardest))
            }
        }
    }

    fn nothing_sentence(&self, nearest: usize) -> String {
        let what = match self.subject {
            Subject::Load { .. } => "no load",
            Subject::Paths(_) => "nothing in the range",
        };
        let tried = &self.tried[nearest];
        if let Some(judged) = unmoved(self.tried) {
            return format!("{what} meets the objectives: {}", self.unmoved_clause(judged));
        }
        let lost = tried.tightest().and_then(|(case, _)| case.loss.as_ref());
        let under = lost.map_or_else(String::new, |loss| format!(" without {loss}"));
        let missed = match tried.tightest() {
            Some((_, judged)) if !judged.met => format!(" misses {}", judged.text),
            _ if tried.worst().is_some_and(|case| case.health.is_overloaded()) => {
                " is more than can be served".to_owned()
            }
            _ => " leaves requests without an answer".to_owned(),
        };
        format!(
            "{what} meets the objectives: {}{under}, which comes nearest,{missed}",
            self.values_of(nearest)
        )
    }

    /// `success is 99.92% at every load tried, down to 0.195 rps, and success >= 99.99% is asked for`.
    fn unmoved_clause(&self, judged: &Judged) -> String {
        let figure = observed(judged, &Look::PLAIN);
        let objective = judged.text.split(['<', '>']).next().unwrap_or_default().trim();
        let value = figure.split_once(" = ").map_or(figure.as_str(), |(_, value)| value);
        let value = value.split(" ±").next().unwrap_or(value);
        let last = (0..self.tried.len()).reduce(|least, next| {
            if self.tried[next].at[0] < self.tried[least].at[0] { next } else { least }
        });
        let whence = match (&self.subject, last) {
            (Subject::Load { .. }, Some(last)) => format!("load tried, down to {}", self.values_of(last)),
            _ => "point tried".to_owned(),
        };
        format!("{objective} is {value} at every {whence}, and {} is asked for", judged.text)
    }

    /// The objectives are met at the end where they were thought to be missed.
    pub fn is_reversed(&self) -> bool {
        let Some(Capacity { answer, fold: Some(fold), .. }) = self.capacity else { return false };
        let Subject::Paths(paths) = &self.subject else { return false };
        let place = |number: usize| self.tried[number].at[0];
        let is_first = |number| self.tried.iter().all(|tried| tried.at[0] >= place(number));
        let is_last = |number| self.tried.iter().all(|tried| tried.at[0] <= place(number));
        paths.len() == 1
            && match answer {
                // Places count from the hardest.
                Answer::Least { best, .. } => is_first(*best) && is_last(fold.misses),
                Answer::Whole(_) => true,
                _ => false,
            }
    }

    fn no_interval(&self) -> String {
        let tightest = self.capacity.and_then(|capacity| self.tried[capacity.limit].tightest());
        let lacks = tightest.is_some_and(|(_, judged)| judged.observed.ci95.is_none());
        let why = match (self.stamp.replications, lacks) {
            (1, _) => ": one replication",
            (_, true) => ": too few samples",
            _ => "",
        };
        format!(" (no interval{why})")
    }

    /// A value with its interval, at the digits that the interval leaves: `1 060 rps (95% CI 1 040-1 080)`.
    fn range(&self, value: f64, interval: Option<(f64, f64)>, unit: &str) -> String {
        let text = |interval| range(value, interval, unit);
        interval.map_or_else(|| format!("{}{unit}{}", short(value), self.no_interval()), text)
    }

    fn least_sentence(
        &self,
        best: usize,
        frontier: usize,
        interval: Option<(usize, usize)>,
        is_complete: bool,
    ) -> String {
        let mut unsure = if self.tried[best].is_unsure() { ", too close to call" } else { "" }.to_owned();
        if self.tried[best].at.iter().all(|place| *place == 0.0) {
            unsure.push_str(", the end of the range");
        }
        if let (Some((low, high)), Subject::Paths(paths)) = (interval, &self.subject) {
            let word = if self.most { "largest" } else { "least" };
            let text = |place: usize| (self.text_of)(place as f64);
            let ends = if low == high {
                String::new()
            } else {
                // In the order in which people count.
                let (low, high) = if self.most { (high, low) } else { (low, high) };
                format!(" (95% CI {} to {})", text(low), text(high))
            };
            return format!("{word}: {} = {}{ends}{unsure}", paths.join(", "), self.values[best].join(", "));
        }
        if let (Some((low, high)), Subject::Load { .. }) = (interval, &self.subject) {
            let text = |place: usize| (self.text_of)(place as f64);
            let ends =
                if low == high { String::new() } else { format!(", 95% CI {} to {}", text(high), text(low)) };
            return format!("max load: {}{ends}{unsure}", self.values_of(best));
        }
        let cost =
            self.costs[best].map_or_else(String::new, |cost| format!(", cost {}", number::chosen(cost, 3)));
        let others = match (frontier, is_complete) {
            (1, true) => "; nothing else can be had with less of anything".to_owned(),
            (count, true) => format!("; {} on the frontier", counted(count, "point", "points")),
            (count, false) => {
                format!("; {} of the frontier, which goes on", counted(count, "point", "points"))
            }
        };
        let word = if self.most { "best" } else { "cheapest" };
        format!("{word}: {}{cost}{unsure}{others}", self.values_of(best))
    }

    /// `tried 9 points of 497, 44 replications`.
    pub fn effort(&self) -> String {
        let points = counted(self.tried.len(), "point", "points");
        let of = self.grid.map_or_else(String::new, |grid| format!(" of {}", number::grouped(grid, 0)));
        format!("tried {points}{of}, {}", counted(self.runs, "replication", "replications"))
    }
}

/// `replicas` where no other path ends so, else `reviews-v2.replicas`, else the whole path.
fn short_names(paths: &[String]) -> Vec<String> {
    let end = |path: &str, parts: usize| {
        let cuts: Vec<usize> = path.match_indices(['.', ':']).map(|(at, _)| at + 1).collect();
        let start = cuts.len().checked_sub(parts).map_or(0, |cut| cuts[cut]);
        path[start..].to_owned()
    };
    let name = |path: &String| {
        let own = |parts: &usize| {
            let name = end(path, *parts);
            paths.iter().filter(|other| end(other, *parts) == name).count() == 1
        };
        [1, 2].iter().find(|parts| own(parts)).map_or_else(|| path.clone(), |parts| end(path, *parts))
    };
    paths.iter().map(name).collect()
}

/// Four digits of a factor.
fn short(value: f64) -> String {
    number::chosen(value, number::significant_decimals(value, 3))
}

fn range(value: f64, (low, high): (f64, f64), unit: &str) -> String {
    let decimals = meaningful_decimals(value, (low, high));
    let text = |value: f64| number::grouped(value, decimals);
    format!("{}{unit} (95% CI {}-{})", text(value), text(low), text(high))
}

/// Those that its interval leaves a value.
fn meaningful_decimals(value: f64, (low, high): (f64, f64)) -> usize {
    let half = ((high - low) / 2.0).max(value.abs() * 1e-6);
    number::significant_decimals(half, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_by_their_ends() {
        let names =
            |paths: &[&str]| short_names(&paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["workloads.a.replicas", "DestinationRule/b:spec.x.y"]), ["replicas", "y"]);
        assert_eq!(names(&["workloads.a.replicas", "workloads.b.replicas"]), ["a.replicas", "b.replicas"]);
        assert_eq!(names(&["x.a.n", "y.a.n"]), ["x.a.n", "y.a.n"]);
        assert_eq!(names(&["load"]), ["load"]);
    }

    #[test]
    fn ranges_show_the_digits_that_mean_something() {
        assert_eq!(range(1060.3, (1041.2, 1079.6), " rps"), "1 060 rps (95% CI 1 041-1 080)");
        assert_eq!(range(2.6514, (2.6, 2.703), ""), "2.651 (95% CI 2.600-2.703)");
    }
}
