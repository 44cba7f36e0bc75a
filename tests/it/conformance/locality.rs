//! Golden kinds of localities: which endpoints come first, and with what weight. Source: semantics S6.4.

use meshcast::config::istio::destination_rule::{Distribute, Failover, LocalitySetting};
use meshcast::config::istio::values::Labels;
use meshcast::resolve::locality::{self, Locality, Place, Rules, Spread};
use serde::Deserialize;
use serde_yaml::Value;

use super::objects::strict;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    client: String,
    endpoint_localities: Vec<Option<String>>,
    #[serde(default = "one")]
    endpoint_weight: u32,
    distribute: Vec<Value>,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    locality_weights: Vec<u32>,
}

/// Each entry of the list is a locality of its own, even where two have one name.
pub fn istio_distribute(input: Shares) -> Result<Weights, String> {
    let client = Locality::parse(&input.client);
    let entries = input.distribute.iter().map(strict).collect::<Result<Vec<Distribute>, String>>()?;
    let localities = localities(&input.endpoint_localities);
    let weighed: Vec<(&Locality, u32)> =
        localities.iter().map(|locality| (locality, input.endpoint_weight)).collect();
    // Without an entry for the client all localities keep their own weights.
    let locality_weights = match locality::entry_for(&entries, &client) {
        Some(entry) => locality::distribute(entry, &weighed),
        None => weighed.iter().map(|(_, weight)| *weight).collect(),
    };
    Ok(Weights { locality_weights })
}

fn localities(written: &[Option<String>]) -> Vec<Locality> {
    written.iter().map(|text| Locality::parse(text.as_deref().unwrap_or(""))).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ranking {
    #[serde(default)]
    client: String,
    #[serde(rename = "client_labels", default)]
    client_labels: Labels,
    #[serde(rename = "endpoint_localities")]
    endpoint_localities: Option<Vec<Option<String>>>,
    #[serde(rename = "endpoint_labels")]
    endpoint_labels: Option<Vec<Labels>>,
    #[serde(default)]
    failover: Vec<Value>,
    #[serde(default)]
    failover_priority: Vec<String>,
    enabled: Option<bool>,
    /// Cases that do not speak of it have it.
    #[serde(rename = "outlier_detection", default = "yes")]
    outlier_detection: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Priorities {
    priorities: Vec<u32>,
}

/// Priorities by locality, by labels, or by both.
pub fn priorities(input: Ranking) -> Result<Priorities, String> {
    let number = input.endpoint_localities.as_ref().map(Vec::len);
    let number = number.or(input.endpoint_labels.as_ref().map(Vec::len)).ok_or("no endpoints")?;
    let localities = localities(&input.endpoint_localities.unwrap_or(vec![None; number]));
    let labels = input.endpoint_labels.unwrap_or(vec![Labels::new(); number]);
    if localities.len() != labels.len() {
        return Err("as many labels as localities".to_owned());
    }
    let own = Locality::parse(&input.client);
    let setting = LocalitySetting {
        enabled: input.enabled,
        distribute: Vec::new(),
        failover: input.failover.iter().map(strict).collect::<Result<Vec<Failover>, String>>()?,
        failover_priority: input.failover_priority,
    };
    let endpoints: Vec<Place<'_>> = localities
        .iter()
        .zip(&labels)
        .map(|(locality, labels)| Place { locality, labels, weight: 1 })
        .collect();
    let client = Place { locality: &own, labels: &input.client_labels, weight: 1 };
    let rules = Rules { setting: Some(&setting), near: None, has_outlier_detection: input.outlier_detection };
    let Spread { groups, .. } = locality::spread(rules, client, &endpoints);
    let of = |place: usize| groups.iter().find(|group| group.members.contains(&place));
    let priorities: Option<Vec<u32>> = (0..number).map(|place| Some(of(place)?.priority)).collect();
    Ok(Priorities { priorities: priorities.ok_or("an endpoint is in no group")? })
}
