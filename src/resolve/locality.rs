//! Which endpoints of a cluster come first for a caller, and which share each locality gets: distribute, failover and
//! failoverPriority. Pure rules: facts in, priorities and weights out. Source: semantics S6.3, S6.4.

use std::collections::BTreeMap;

use crate::config::istio::destination_rule::{Distribute, Failover, LocalitySetting};
use crate::config::istio::values::Labels;

/// Labels that a `trafficDistribution` compares, the widest first. Source: semantics S6.4.
pub const PREFER_SAME_ZONE: &[&str] =
    &[NETWORK, "topology.kubernetes.io/region", "topology.kubernetes.io/zone"];
/// As [`PREFER_SAME_ZONE`], down to the node.
pub const PREFER_SAME_NODE: &[&str] = &[
    NETWORK,
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
    "kubernetes.io/hostname",
];

const NETWORK: &str = "topology.istio.io/network";
/// Levels of nearness by locality: same subzone, zone, region, the region to fail over to, elsewhere.
const LEVELS: u32 = 5;

/// Where something runs; parts that nobody knows are empty. Sorted as istiod sorts localities, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locality {
    pub region: String,
    pub zone: String,
    pub subzone: String,
}

/// What a caller is compared with: one endpoint, or the caller itself.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub locality: &'a Locality,
    pub labels: &'a Labels,
    /// Load-balancing weight, at least 1; a caller's own counts nowhere.
    pub weight: u32,
}

/// Why endpoints may be ranked: without a reason all of them are alike.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// `localityLbSetting` of the policy in force.
    pub setting: Option<&'a LocalitySetting>,
    /// Labels of the service's `trafficDistribution`, which holds where the policy has no setting.
    pub near: Option<&'a [&'a str]>,
    pub has_outlier_detection: bool,
}

/// Endpoints of one locality that are equally near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// 0 is the first choice; no number is left out.
    pub priority: u32,
    pub locality: Locality,
    /// Of the group, among those of its priority.
    pub weight: u32,
    /// Places in the list of endpoints, ascending.
    pub members: Vec<usize>,
}

/// How a caller spreads its requests over a cluster's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// By priority, then by locality. Endpoints in no group get no traffic.
    pub groups: Vec<Group>,
    /// Groups of a priority share by weight, not by the number of their hosts. Source: semantics S6.3.
    pub is_weighted: bool,
}

impl Locality {
    /// `region/zone/subzone`, shorter forms too.
    pub fn parse(text: &str) -> Locality {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Locality { region: next(), zone: next(), subzone: next() }
    }

    /// Whether it lies in what a rule names: `region/zone/*`, `region`, `*`.
    pub fn is_in(&self, rule: &str) -> bool {
        let rule = Locality::parse(rule);
        (rule.region == "*" || rule.region == self.region)
            && [(&rule.zone, &self.zone), (&rule.subzone, &self.subzone)]
                .iter()
                .all(|(asked, own)| asked.is_empty() || *asked == "*" || asked == own)
    }
}

/// Labels with those that Istio adds to what runs somewhere, so that rules can compare them.
pub fn with_topology(labels: &Labels, locality: &Locality) -> Labels {
    let mut labels = labels.clone();
    let parts = [
        ("topology.kubernetes.io/region", &locality.region),
        ("topology.kubernetes.io/zone", &locality.zone),
        ("topology.istio.io/subzone", &locality.subzone),
    ];
    for (key, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
        labels.entry(key.to_owned()).or_insert_with(|| value.clone());
    }
    labels
}

/// Everything together: which rule applies, and what it makes of the endpoints. Source: semantics S6.4.
pub fn spread(rules: Rules<'_>, client: Place<'_>, endpoints: &[Place<'_>]) -> Spread {
    let silent = LocalitySetting::default();
    let setting = rules.setting.unwrap_or(&silent);
    if setting.enabled == Some(false) {
        return grouped(&vec![0; endpoints.len()], endpoints, false);
    }
    let near: Option<Vec<String>> = rules
        .near
        .filter(|_| rules.setting.is_none())
        .map(|labels| labels.iter().map(|label| (*label).to_owned()).collect());
    if !setting.distribute.is_empty() {
        // A caller that no entry is meant for keeps all localities, by their own weights: there is no failover then.
        let whole = grouped(&vec![0; endpoints.len()], endpoints, true);
        return match entry_for(&setting.distribute, client.locality) {
            Some(entry) => distributed(entry, whole),
            None => whole,
        };
    }
    if !rules.has_outlier_detection && near.is_none() {
        return grouped(&vec![0; endpoints.len()], endpoints, false);
    }
    let labels = near.as_deref().unwrap_or(&setting.failover_priority);
    let explicit = !labels.is_empty() || !setting.failover.is_empty();
    grouped(&priorities(labels, &setting.failover, client, endpoints), endpoints, explicit)
}

/// The priority of each endpoint, without gaps: by labels if there are any, refined by regions if those are given too;
/// else by locality. Source: semantics S6.4.
pub fn priorities(
    labels: &[String],
    failover: &[Failover],
    client: Place<'_>,
    endpoints: &[Place<'_>],
) -> Vec<u32> {
    let by_locality =
        || endpoints.iter().map(|endpoint| locality_level(client.locality, endpoint.locality, failover));
    if labels.is_empty() {
        return without_gaps(&by_locality().collect::<Vec<u32>>());
    }
    // A caller without any label ranks nobody by labels.
    let level = |endpoint: &Place<'_>| match client.labels.is_empty() {
        true => 0,
        false => label_level(labels, client.labels, endpoint.labels),
    };
    let by_label: Vec<u32> = endpoints.iter().map(level).collect();
    let by_label = without_gaps(&by_label);
    if failover.is_empty() {
        return by_label;
    }
    let both: Vec<u32> =
        by_label.iter().zip(by_locality()).map(|(label, locality)| label * LEVELS + locality).collect();
    without_gaps(&both)
}

/// How far an endpoint is: 0 in the caller's subzone, 1 zone, 2 region, 3 elsewhere; where the caller's region fails
/// over to another, 3 is that one alone and 4 the rest. Unknown parts are equal to each other.
fn locality_level(client: &Locality, endpoint: &Locality, failover: &[Failover]) -> u32 {
    if client.region != endpoint.region {
        let own = failover.iter().find(|entry| entry.from.as_deref() == Some(client.region.as_str()));
        return match own {
            Some(entry) if entry.to.as_deref() != Some(endpoint.region.as_str()) => 4,
            _ => 3,
        };
    }
    match (client.zone == endpoint.zone, client.subzone == endpoint.subzone) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    }
}

/// How many labels of the list, from its end, are lost: 0 if all are alike. `key=value` asks for that value. Another
/// network counts as a whole list, and the comparison goes on behind it.
fn label_level(labels: &[String], client: &Labels, endpoint: &Labels) -> u32 {
    let all = labels.len() as u32;
    let value_of = |labels: &Labels, key: &str| labels.get(key).cloned().unwrap_or_default();
    let mut level = 0;
    for (place, label) in labels.iter().enumerate() {
        let (key, wanted) = match label.split_once('=') {
            Some((key, value)) => (key, value.to_owned()),
            None => (label.as_str(), value_of(client, label)),
        };
        if value_of(endpoint, key) == wanted {
            continue;
        }
        if place == 0 && key == NETWORK {
            level = all;
            continue;
        }
        return level + all - place as u32;
    }
    level
}

/// The same order with the numbers 0, 1, 2 ...
fn without_gaps(levels: &[u32]) -> Vec<u32> {
    let mut used = levels.to_vec();
    used.sort_unstable();
    used.dedup();
    let rank = |level: &u32| used.binary_search(level).expect("every level was collected") as u32;
    levels.iter().map(rank).collect()
}

/// Groups by priority and locality; a group weighs what its endpoints weigh together.
fn grouped(priorities: &[u32], endpoints: &[Place<'_>], is_weighted: bool) -> Spread {
    let mut groups: BTreeMap<(u32, &Locality), Group> = BTreeMap::new();
    for (place, (priority, endpoint)) in priorities.iter().zip(endpoints).enumerate() {
        let group = groups.entry((*priority, endpoint.locality)).or_insert_with(|| Group {
            priority: *priority,
            locality: endpoint.locality.clone(),
            weight: 0,
            members: Vec::new(),
        });
        group.weight = group.weight.saturating_add(endpoint.weight);
        group.members.push(place);
    }
    Spread { groups: groups.into_values().collect(), is_weighted }
}

/// Localities that the entry does not name get nothing.
fn distributed(entry: &Distribute, spread: Spread) -> Spread {
    let localities: Vec<(&Locality, u32)> =
        spread.groups.iter().map(|group| (&group.locality, group.weight)).collect();
    let weights = distribute(entry, &localities);
    let mut groups = spread.groups;
    for (group, weight) in groups.iter_mut().zip(weights) {
        group.weight = weight;
    }
    groups.retain(|group| group.weight > 0);
    Spread { groups, is_weighted: true }
}

/// The weights that an entry gives to localities: those that one `to` matches share its weight by their own, rounded
/// up; 0 where none matches. Source: semantics S6.4.
pub fn distribute(entry: &Distribute, localities: &[(&Locality, u32)]) -> Vec<u32> {
    let mut weights: Vec<Option<u32>> = vec![None; localities.len()];
    for (to, share) in &entry.to {
        let open = |place: &usize| weights[*place].is_none() && localities[*place].0.is_in(to);
        let taken: Vec<usize> = (0..localities.len()).filter(open).collect();
        let sum: u64 = taken.iter().map(|place| u64::from(localities[*place].1)).sum();
        let share = u64::try_from(share.0).unwrap_or(0);
        for place in taken {
            let weight = (u64::from(localities[place].1) * share).div_ceil(sum.max(1));
            weights[place] = Some(u32::try_from(weight).unwrap_or(u32::MAX));
        }
    }
    weights.into_iter().map(|weight| weight.unwrap_or(0)).collect()
}

/// The entry of a list that holds for a caller: the first whose `from` it lies in.
pub fn entry_for<'a>(entries: &'a [Distribute], client: &Locality) -> Option<&'a Distribute> {
    entries.iter().find(|entry| entry.from.as_deref().is_some_and(|from| client.is_in(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn localities(names: &[&str]) -> Vec<Locality> {
        names.iter().map(|name| Locality::parse(name)).collect()
    }

    fn spread_of(setting: &str, has_outlier_detection: bool, names: &[&str]) -> Spread {
        let setting: LocalitySetting = serde_yaml::from_str(setting).unwrap();
        let (own, none) = (localities(&["r1/a"]), Labels::new());
        let all = localities(names);
        let place = |locality| Place { locality, labels: &none, weight: 1 };
        let endpoints: Vec<Place<'_>> = all.iter().map(place).collect();
        let rules = Rules { setting: Some(&setting), near: None, has_outlier_detection };
        spread(rules, place(&own[0]), &endpoints)
    }

    fn priorities_of(spread: &Spread) -> Vec<(u32, Vec<usize>)> {
        spread.groups.iter().map(|group| (group.priority, group.members.clone())).collect()
    }

    #[test]
    fn outlier_detection_puts_the_own_zone_first() {
        let names = ["r2/a", "r1/b", "r1/a"];
        let near = spread_of("{}", true, &names);
        assert_eq!(priorities_of(&near), [(0, vec![2]), (1, vec![1]), (2, vec![0])]);
        assert!(!near.is_weighted);
        for even in [spread_of("{}", false, &names), spread_of("{enabled: false}", true, &names)] {
            assert!(even.groups.iter().all(|group| group.priority == 0) && !even.is_weighted);
        }
        assert!(spread_of("{failover: [{from: r1, to: r2}]}", true, &names).is_weighted);
    }

    #[test]
    fn distribute_needs_no_outlier_detection_and_empties_the_rest() {
        let setting = "{distribute: [{from: 'r1/*', to: {r1/a: 70, 'r1/b': 30}}]}";
        let spread = spread_of(setting, false, &["r1/a", "r1/a", "r1/b", "r2/a"]);
        let shares: Vec<(u32, usize)> = spread.groups.iter().map(|g| (g.weight, g.members.len())).collect();
        assert_eq!(shares, [(70, 2), (30, 1)]);
        assert!(spread.is_weighted);
    }

    #[test]
    fn distribute_for_others_leaves_no_failover() {
        let setting = "{distribute: [{from: 'r9/*', to: {r1/a: 100}}]}";
        for has_outlier_detection in [false, true] {
            let spread = spread_of(setting, has_outlier_detection, &["r2/a", "r1/a", "r1/a", "r1/b"]);
            let shares: Vec<(u32, u32)> = spread.groups.iter().map(|g| (g.priority, g.weight)).collect();
            assert_eq!(shares, [(0, 2), (0, 1), (0, 1)]);
            assert!(spread.is_weighted);
        }
    }

    #[test]
    fn localities_that_share_a_weight_are_rounded_up() {
        let entry: Distribute = serde_yaml::from_str("{from: '*', to: {'r1/*': 100}}").unwrap();
        let all = localities(&["r1/a", "r1/b", "r1/c"]);
        let weighed: Vec<(&Locality, u32)> = all.iter().map(|locality| (locality, 1)).collect();
        assert_eq!(distribute(&entry, &weighed), [34, 34, 34]);
    }

    #[test]
    fn traffic_distribution_yields_to_a_setting() {
        let labels: Labels = [("topology.kubernetes.io/region".to_owned(), "r1".to_owned())].into();
        let (own, other) = (Locality::parse("r1/a"), Locality::parse("r2/a"));
        let none = Labels::new();
        let client = Place { locality: &own, labels: &labels, weight: 1 };
        let endpoints = [
            Place { locality: &other, labels: &none, weight: 1 },
            Place { locality: &own, labels: &labels, weight: 1 },
        ];
        let near = |setting| Rules { setting, near: Some(PREFER_SAME_ZONE), has_outlier_detection: false };
        let ranked = spread(near(None), client, &endpoints);
        assert_eq!(priorities_of(&ranked), [(0, vec![1]), (1, vec![0])]);
        assert!(ranked.is_weighted);
        let setting = LocalitySetting::default();
        assert!(spread(near(Some(&setting)), client, &endpoints).groups.iter().all(|g| g.priority == 0));
    }
}
