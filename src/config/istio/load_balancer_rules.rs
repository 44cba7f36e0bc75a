//! What Istio's webhook refuses in a `loadBalancer`, and what in it does nothing. Source: lint, WH-DR-10 to WH-DR-16,
//! WH-DR-21; semantics S5.1, S6.4, S6.7.

use super::destination_rule::{ConsistentHash, LoadBalancer, LocalitySetting, Warmup};
use super::finding::{Findings, SCHEMA_WARNING, key};
use super::values::Int;

/// Everything wrong in one `loadBalancer`.
pub fn check_balancer(balancer: &LoadBalancer, has_outlier: bool, path: &str, out: &mut Findings) {
    const NAMES: &[&str] =
        &["UNSPECIFIED", "LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH", "LEAST_CONN"];
    if let Some(simple) = &balancer.simple {
        let here = format!("{path}.simple");
        if balancer.consistent_hash.is_some() {
            out.refused(&here, "loadBalancer takes simple or consistentHash, not both");
        }
        if simple == "LEAST_CONN" {
            out.warn(SCHEMA_WARNING, &here, "LEAST_CONN is deprecated").help("LEAST_REQUEST does the same");
        } else if !NAMES.contains(&simple.as_str()) {
            let finding = out.refused(&here, format!("`{simple}` is no load balancer of Istio"));
            match NAMES.iter().find(|name| name.eq_ignore_ascii_case(simple)) {
                Some(name) => finding.help(format!("write {name} in capitals")),
                None => finding.help("choose LEAST_REQUEST, ROUND_ROBIN or RANDOM"),
            }
        }
    }
    if let Some(hash) = &balancer.consistent_hash {
        check_hash(hash, &format!("{path}.consistentHash"), out);
    }
    if let Some(locality) = &balancer.locality_lb_setting {
        check_locality(locality, has_outlier, &format!("{path}.localityLbSetting"), out);
        if balancer.zone_aware_lb_setting.is_some() {
            out.refused(path, "localityLbSetting does not go with zoneAwareLbSetting");
        }
    }
    out.duration(&format!("{path}.warmupDurationSecs"), balancer.warmup_duration_secs.as_ref());
    if let Some(warmup) = &balancer.warmup {
        check_warmup(warmup, &format!("{path}.warmup"), out);
        if balancer.warmup_duration_secs.is_some() {
            out.refused(path, "warmup does not go with warmupDurationSecs, its older form");
        }
    }
    let warms = balancer.warmup.is_some() || balancer.warmup_duration_secs.is_some();
    if warms && (balancer.consistent_hash.is_some() || balancer.simple.as_deref() == Some("RANDOM")) {
        out.warn("MS-15", format!("{path}.warmup"), "warmup works with LEAST_REQUEST and ROUND_ROBIN alone");
    }
}

fn check_warmup(warmup: &Warmup, path: &str, out: &mut Findings) {
    if warmup.duration.is_none() {
        out.refused(path, "warmup needs a duration");
    }
    out.duration(&format!("{path}.duration"), warmup.duration.as_ref());
    if warmup.minimum_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        out.refused(format!("{path}.minimumPercent"), "minimumPercent must lie between 0 and 100");
    }
    if warmup.aggression.is_some_and(|aggression| aggression.is_nan() || aggression <= 0.0) {
        out.refused(format!("{path}.aggression"), "aggression must be above 0");
    }
}

fn check_hash(hash: &ConsistentHash, path: &str, out: &mut Findings) {
    let keys = [
        hash.http_header_name.is_some(),
        hash.http_cookie.is_some(),
        hash.use_source_ip.is_some(),
        hash.http_query_parameter_name.is_some(),
    ];
    match keys.iter().filter(|given| **given).count() {
        0 => {
            out.warn(SCHEMA_WARNING, path, "consistentHash names no key, so hosts are picked at random")
                .help("give httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName");
        }
        1 => {}
        _ => {
            out.refused(path, "consistentHash takes one key: header, cookie, source IP or query parameter");
        }
    }
    if let Some(cookie) = &hash.http_cookie {
        if cookie.name.as_deref().unwrap_or("").is_empty() {
            out.refused(format!("{path}.httpCookie"), "httpCookie needs a name");
        }
        out.any_duration(&format!("{path}.httpCookie.ttl"), cookie.ttl.as_ref());
    }
    if let Some(maglev) = &hash.maglev {
        let here = format!("{path}.maglev.tableSize");
        let size = maglev.table_size.map_or(0, |size| size.0);
        if !(2..5_000_011).contains(&size) || !is_prime(size) {
            out.refused(here, format!("a Maglev table of {size} entries: it must be a prime below 5000011"))
                .help("65537 is Envoy's own size");
        }
    }
    if let Some(size) = hash.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size) {
        out.range(&format!("{path}.ringHash.minimumRingSize"), Some(size), 0, MOST_POINTS);
    }
    out.range(&format!("{path}.minimumRingSize"), hash.minimum_ring_size, 0, MOST_POINTS);
    if hash.minimum_ring_size.is_some() {
        let here = format!("{path}.minimumRingSize");
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            out.refused(here, "minimumRingSize does not go with ringHash or maglev");
        } else {
            out.warn(SCHEMA_WARNING, here, "minimumRingSize is deprecated here")
                .help("write it under `ringHash:`");
        }
    }
}

/// Most points of a ring in Envoy.
const MOST_POINTS: i64 = 8_388_608;

fn is_prime(number: i64) -> bool {
    number >= 2
        && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| number % divisor != 0)
}

fn check_locality(locality: &LocalitySetting, has_outlier: bool, path: &str, out: &mut Findings) {
    if !locality.distribute.is_empty() && !locality.failover.is_empty() {
        out.refused(path, "localityLbSetting takes distribute or failover, not both");
    }
    for (index, entry) in locality.distribute.iter().enumerate() {
        let here = format!("{path}.distribute[{index}].to");
        for (zone, weight) in &entry.to {
            out.range(&key(&here, zone), Some(*weight), 1, 100);
        }
        let sum: i64 = entry.to.values().map(|Int(weight)| weight).sum();
        if sum != 100 {
            out.refused(here, format!("the weights add up to {sum}; they must make 100"));
        }
    }
    for (index, entry) in locality.failover.iter().enumerate() {
        let here = format!("{path}.failover[{index}]");
        let (from, to) = (entry.from.as_deref().unwrap_or(""), entry.to.as_deref().unwrap_or(""));
        if from == to {
            out.refused(&here, format!("failover from `{from}` to itself"));
        }
        for (name, region) in [("from", from), ("to", to)] {
            if region.contains(['/', '*']) {
                out.refused(
                    format!("{here}.{name}"),
                    format!("`{region}` is no region: failover takes regions alone"),
                );
            }
        }
    }
    let failover = !locality.failover.is_empty() || !locality.failover_priority.is_empty();
    if failover && !has_outlier && locality.enabled != Some(false) {
        out.warn(SCHEMA_WARNING, path, "failover does nothing without outlierDetection in the same policy");
    }
}
