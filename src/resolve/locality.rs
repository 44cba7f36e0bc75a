//! Where hosts stand as seen from a caller: priorities by distance and by labels, and weights by `distribute`.
//! Source: semantics S6.4.

use crate::config::istio::destination_rule::{Distribute, Failover};
use crate::config::istio::values::Labels;

/// The label of an endpoint's Istio network.
const NETWORK: &str = "topology.istio.io/network";
/// Levels of distance: the same subzone, zone, region; a region to fail over to; any other.
const LEVELS: u32 = 5;

/// `region/zone/subzone`; what is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locality {
    pub region: String,
    pub zone: String,
    pub subzone: String,
}

impl Locality {
    pub fn parse(text: &str) -> Locality {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Locality { region: part(), zone: part(), subzone: part() }
    }

    /// Whether a pattern like `region/zone/*` takes it; parts that the pattern leaves out may be anything.
    fn fits(&self, pattern: &str) -> bool {
        let pattern = Locality::parse(pattern);
        let is_open = |part: &str| part == "*" || part.is_empty();
        (pattern.region == "*" || pattern.region == self.region)
            && (is_open(&pattern.zone) || pattern.zone == self.zone)
            && (is_open(&pattern.subzone) || pattern.subzone == self.subzone)
    }

    /// How far `other` is: 0 the same subzone, 1 zone, 2 region, 3 elsewhere. Unknown parts are equal to each other.
    fn distance(&self, other: &Locality) -> u32 {
        if self.region != other.region {
            3
        } else if self.zone != other.zone {
            2
        } else {
            u32::from(self.subzone != other.subzone)
        }
    }
}

/// The weight of each locality under `distribute`, from its original one, or `None` where no entry is for this caller.
/// Localities that no key takes get 0: they are emptied. Source: semantics S6.4.
pub fn distribute(
    caller: &Locality,
    localities: &[(Locality, u32)],
    entries: &[Distribute],
) -> Option<Vec<u32>> {
    let is_for = |entry: &&Distribute| entry.from.as_deref().is_some_and(|from| caller.fits(from));
    let entry = entries.iter().find(is_for)?;
    let mut weights: Vec<Option<u32>> = vec![None; localities.len()];
    for (key, percent) in &entry.to {
        let fits = |place: &usize| weights[*place].is_none() && localities[*place].0.fits(key);
        let taken: Vec<usize> = (0..localities.len()).filter(fits).collect();
        let sum: u64 = taken.iter().map(|place| u64::from(localities[*place].1)).sum();
        for place in taken {
            let share = u64::from(localities[place].1) * u64::try_from(percent.0).unwrap_or(0);
            weights[place] = Some(share.div_ceil(sum.max(1)) as u32);
        }
    }
    Some(weights.into_iter().map(Option::unwrap_or_default).collect())
}

/// The priority of each locality by its distance from the caller. Source: semantics S6.4.
pub fn by_distance(caller: &Locality, localities: &[Locality], failover: &[Failover]) -> Vec<u32> {
    compact(&localities.iter().map(|locality| level(caller, locality, failover)).collect::<Vec<_>>())
}

/// One of [`LEVELS`].
fn level(caller: &Locality, locality: &Locality, failover: &[Failover]) -> u32 {
    let is_own = |entry: &&Failover| entry.from.as_deref() == Some(&caller.region);
    match (caller.distance(locality), failover.iter().find(is_own)) {
        (3, Some(entry)) if entry.to.as_deref() != Some(&locality.region) => 4,
        (distance, _) => distance,
    }
}

/// The priority of each endpoint by the labels that it shares with the caller: they must agree from the first on.
/// Source: semantics S6.4.
pub fn by_labels(keys: &[String], caller: &Labels, endpoints: &[&Labels]) -> Vec<u32> {
    compact(&endpoints.iter().map(|labels| rank(keys, caller, labels)).collect::<Vec<_>>())
}

/// As [`by_labels`], and among equals by distance. Source: semantics S6.4.
pub fn by_labels_and_distance(
    (keys, failover): (&[String], &[Failover]),
    (labels, locality): (&Labels, &Locality),
    endpoints: &[(&Labels, &Locality)],
) -> Vec<u32> {
    let first = compact(&endpoints.iter().map(|(own, _)| rank(keys, labels, own)).collect::<Vec<_>>());
    let pairs = first.iter().zip(endpoints);
    let both = pairs.map(|(first, (_, own))| first * LEVELS + level(locality, own, failover));
    compact(&both.collect::<Vec<_>>())
}

fn rank(keys: &[String], caller: &Labels, endpoint: &Labels) -> u32 {
    let lowest = keys.len() as u32;
    let mut rank = 0;
    for (place, key) in (0..).zip(keys) {
        let (key, wanted) = match key.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (key.as_str(), caller.get(key).map(String::as_str)),
        };
        if wanted.unwrap_or("") != endpoint.get(key).map_or("", String::as_str) {
            if place == 0 && key == NETWORK {
                // Another network is worse than anything in one's own, where the rest still counts.
                rank = lowest;
            } else {
                return rank + lowest - place;
            }
        }
    }
    rank
}

/// The same order with the numbers 0, 1, 2 ...
fn compact(levels: &[u32]) -> Vec<u32> {
    let mut used = levels.to_vec();
    used.sort_unstable();
    used.dedup();
    levels.iter().map(|level| used.partition_point(|other| other < level) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn localities(texts: &[&str]) -> Vec<Locality> {
        texts.iter().map(|text| Locality::parse(text)).collect()
    }

    fn entries<T: serde::de::DeserializeOwned>(yaml: &str) -> Vec<T> {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn nearer_comes_first_and_gaps_close() {
        let here = Locality::parse("r1/a");
        let there = localities(&["r1/a", "r1/b", "r1/c", "r2/a"]);
        assert_eq!(by_distance(&here, &there, &[]), [0, 1, 1, 2]);
        let failover: Vec<Failover> = entries("[{from: r1, to: r3}]");
        let there = localities(&["r2/a", "r3/a", "r1/b"]);
        assert_eq!(by_distance(&here, &there, &failover), [2, 1, 0]);
        assert_eq!(by_distance(&Locality::default(), &localities(&["r1/a", ""]), &[]), [1, 0]);
    }

    #[test]
    fn a_key_shares_its_weight_among_what_it_takes() {
        let there = localities(&["r1/a", "r1/b", "r1/b/x", "r2/a"]);
        let there: Vec<(Locality, u32)> = there.into_iter().zip([3, 3, 1, 2]).collect();
        let rules: Vec<Distribute> =
            entries("[{from: r1/a/*, to: {r1/a: 70, r1/b/*: 30}}, {from: '*', to: {r2: 100}}]");
        assert_eq!(distribute(&Locality::parse("r1/a"), &there, &rules), Some(vec![70, 23, 8, 0]));
        assert_eq!(distribute(&Locality::parse("r9/a"), &there, &rules), Some(vec![0, 0, 0, 100]));
        assert_eq!(distribute(&Locality::parse("r9/a"), &there, &rules[..1]), None);
    }

    #[test]
    fn labels_must_agree_from_the_first_on() {
        let keys = ["net", "a=9", "b"].map(str::to_owned);
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let caller = labels(&[("net", "n"), ("a", "1"), ("b", "2")]);
        let all = [
            labels(&[("net", "n"), ("a", "9"), ("b", "2")]),
            labels(&[("net", "n"), ("a", "1"), ("b", "2")]),
            labels(&[("net", "n"), ("a", "9")]),
            labels(&[("a", "9"), ("b", "2")]),
        ];
        assert_eq!(by_labels(&keys, &caller, &all.iter().collect::<Vec<_>>()), [0, 2, 1, 3]);
    }

    #[test]
    fn another_network_counts_most_and_the_rest_after_it() {
        let keys = [NETWORK, "b"].map(str::to_owned);
        let labels = |network: &str, b: &str| {
            Labels::from([(NETWORK.to_owned(), network.to_owned()), ("b".to_owned(), b.to_owned())])
        };
        let all = [labels("n", "2"), labels("n", "3"), labels("m", "2"), labels("m", "3")];
        assert_eq!(by_labels(&keys, &labels("n", "2"), &all.iter().collect::<Vec<_>>()), [0, 1, 2, 3]);
        let far = localities(&["r2", "r1", "r2", "r1"]);
        let pairs: Vec<_> = all.iter().zip(&far).collect();
        let own = labels("n", "3");
        let here = Locality::parse("r1");
        let refined = by_labels_and_distance((&keys[..1], &[]), (&own, &here), &pairs);
        assert_eq!(refined, [1, 0, 3, 2]);
    }
}
