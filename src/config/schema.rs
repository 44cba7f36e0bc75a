//! What an editor is told of the values that mappings of the scenario hold: their JSON Schemas. Those of the mappings
//! themselves come with their readers, from one list of keys (`record!`).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::quantity::{Rate, Share};
use super::read::{Count, Entries, Limit, Located, OneOrMany, Raw};
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}ByName", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({"type": ["object", "null"], "additionalProperties": item})
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<T>();
        json_schema!({"anyOf": [item, {"type": "array", "items": item}]})
    }
}

impl<const MOST: u32> JsonSchema for Count<MOST> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("CountUpTo{MOST}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": MOST})
    }
}

/// Gives a type the given JSON Schema, under its name.
macro_rules! schema {
    ($($type:ty, $name:literal => $schema:tt;)+) => {$(
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )+};
}
pub(crate) use schema;

schema! {
    Raw, "Raw" => {"type": ["object", "string"]};
    Limit, "Limit" => {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "unlimited"}]};
    SimDuration, "Duration" => {
        "type": "string",
        "description": "A duration as Istio writes it, here also below a millisecond: 1.5s, 200ms, 1h30m, 40us",
        "pattern": "^(0|([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(h|m|s|ms|us|µs|ns))+$",
        "examples": ["1.5s", "200ms", "1h30m"]
    };
    Share, "Percentage" => {
        "type": "string",
        "description": "A percentage: 10%",
        "pattern": "^[0-9.]+ ?%$",
        "examples": ["10%", "0.1%"]
    };
    Rate, "Rate" => {
        "type": "string",
        "description": "Requests per second: 500rps, 2krps, 1mrps",
        "pattern": "^[0-9.eE+]+ ?([kKmM]?[rR][pP][sS])$",
        "examples": ["500rps", "2krps"]
    };
    Distribution, "Distribution" => {
        "type": "string",
        "description": "A duration, or a distribution of durations: 5ms, uniform(1ms, 9ms), exponential(mean=10ms), lognormal(p50=12ms, p99=80ms), gamma(mean=10ms, cv=0.5), weibull(p50=, p99=), pareto(min=, alpha=), mixture(90=..., 10=...), quantiles(50=12ms, 99=80ms), or Fortio's 20ms:90,200ms:10",
        "examples": ["5ms", "exponential(mean=10ms)", "lognormal(p50=12ms, p99=80ms)"]
    };
}
