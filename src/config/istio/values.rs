//! Building blocks of all kinds: whole numbers, durations, percentages, label maps and ports, as people write them.
//! An absent and a null value are the same thing; a wrong type is an error that says what would be right.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::config::duration;
use crate::config::grammar::{Fault, Part};
use crate::kernel::SimDuration;

/// Labels and selectors.
pub type Labels = BTreeMap<String, String>;

/// A whole number. Text in quotes is refused: `istioctl` takes it, but the API server refuses the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Int(pub i64);

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Int, D::Error> {
        struct IntVisitor;
        impl Visitor<'_> for IntVisitor {
            type Value = Int;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Int, E> {
                Ok(Int(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Int, E> {
                i64::try_from(value).map(Int).map_err(|_| E::custom(format!("{value} is too large")))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Int, E> {
                // JSON knows one kind of number, so `10.0` is the integer 10 to the API server.
                if value.fract() == 0.0 && value.abs() < 9e15 {
                    Ok(Int(value as i64))
                } else {
                    Err(E::custom(format!("{value} is no whole number")))
                }
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Int, E> {
                Err(E::custom(match value.trim().parse::<i64>() {
                    Ok(number) => format!(
                        "\"{value}\" is text; write {number} without quotes (`kubectl apply` refuses quoted numbers)"
                    ),
                    Err(_) => format!("\"{value}\" is text where a whole number belongs"),
                }))
            }
        }
        deserializer.deserialize_any(IntVisitor)
    }
}

/// A duration as written. What it means is told by [`Duration::parse`], so that its error points at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Duration(pub String);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct DurationVisitor;
        impl Visitor<'_> for DurationVisitor {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like `1.5s` or `200ms`")
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Duration, E> {
                Ok(Duration(value.to_owned()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Duration, E> {
                Err(E::custom(format!(
                    "{value} is a bare number; a duration needs its unit, as in `{value}s`"
                )))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Duration, E> {
                Err(E::custom(format!(
                    "{value} is a bare number; a duration needs its unit, as in `{value}s`"
                )))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Duration, E> {
                Err(E::custom(format!(
                    "{value} is a bare number; a duration needs its unit, as in `{value}s`"
                )))
            }
        }
        deserializer.deserialize_any(DurationVisitor)
    }
}

impl Duration {
    /// Its length, as [`duration::parse`] reads it.
    pub fn parse(&self) -> Result<SimDuration, Fault> {
        duration::parse(Part::whole(self.0.trim()))
    }
}

/// `percentage: {value: 12.5}`.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Percent {
    /// 0 to 100; absent means 0.
    pub value: Option<f64>,
}

impl Percent {
    pub fn value(&self) -> f64 {
        self.value.unwrap_or(0.0)
    }
}

/// `port: {number: 9080}`. A `name` is the historical form that Istio no longer reads.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PortSelector {
    pub number: Option<Int>,
}

/// Where requests go: `{host, subset, port}`.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    pub host: Option<String>,
    pub subset: Option<String>,
    pub port: Option<PortSelector>,
}

impl Destination {
    /// The port that it names, if that is a possible port.
    pub fn port_number(&self) -> Option<u16> {
        self.port.as_ref()?.number.and_then(|number| u16::try_from(number.0).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers_are_no_durations() {
        assert!(serde_yaml::from_str::<Duration>("5").unwrap_err().to_string().contains("`5s`"));
        assert_eq!(
            serde_yaml::from_str::<Duration>("1m30s").unwrap().parse(),
            Ok(SimDuration::from_secs(90))
        );
    }

    #[test]
    fn quoted_numbers_are_refused_with_the_remedy() {
        assert_eq!(serde_yaml::from_str::<Int>("10").unwrap(), Int(10));
        let error = serde_yaml::from_str::<Int>("\"10\"").unwrap_err().to_string();
        assert!(error.contains("write 10 without quotes"), "{error}");
        assert!(serde_yaml::from_str::<Int>("1.5").is_err());
    }
}
