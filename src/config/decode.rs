//! Typed decoding of one object: serde over a value, with the path of every step, so that unknown fields and wrong types
//! can be told with their place and with the name that was probably meant.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_yaml::{Error, Mapping, Value};

use super::diagnostic::Diagnostic;
use super::document::{Docs, RawObject};
use super::path::{did_you_mean, parent, push_index, push_key};

/// Decodes one object into its type. A value of the wrong type is an error (`None` comes back). A field that the type
/// does not have is a warning (`MS0003`), since clusters carry newer definitions than ours; it is an error where `--set`
/// or a timeline `set:` put it.
pub fn decode<T: DeserializeOwned>(
    object: &RawObject,
    docs: &Docs,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let mut log = Log::default();
    let result = T::deserialize(Tracked { value: &object.value, path: String::new(), log: &mut log });
    for unknown in &log.unknown {
        let name = last_word(&unknown.path);
        let finding = match docs.is_patched(object.doc, &unknown.path) {
            true => Diagnostic::error("MS0010", format!("{} has no field `{name}`", object.kind)),
            false => Diagnostic::warning("MS0003", format!("unknown field `{name}` is ignored")),
        };
        let finding = finding.at(docs.key_span(object.doc, &unknown.path));
        diagnostics.push(match did_you_mean(name, unknown.known.iter().copied()) {
            Some(near) => finding.label(format!("did you mean `{near}`?")),
            None => finding,
        });
    }
    log.words.retain(|path| !docs.is_patched(object.doc, path));
    for path in &log.words {
        let span = docs.span(object.doc, path);
        let word = docs.sources.slice(span);
        // In quotes it is text everywhere.
        if YAML_1_1.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            let message = format!("Kubernetes reads `{word}` as true or false, and text belongs here");
            diagnostics.push(Diagnostic::warning("MS0007", message).at(span).help("put it in quotes"));
        }
    }
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let path = log.failed.unwrap_or_default();
            let (message, help) = in_users_words(&error.to_string(), last_word(&path));
            let mut finding = Diagnostic::error("IST0106", message).at(docs.span(object.doc, &path));
            finding.help = help;
            diagnostics.push(finding);
            None
        }
    }
}

/// Words that the YAML of Kubernetes' tools (1.1) takes for booleans, and today's YAML for text.
const YAML_1_1: [&str; 4] = ["yes", "no", "on", "off"];

/// What was noticed on the way.
#[derive(Default)]
struct Log {
    unknown: Vec<Unknown>,
    /// Where one of [`YAML_1_1`] is taken for text.
    words: Vec<String>,
    /// Where the first error arose.
    failed: Option<String>,
}

struct Unknown {
    path: String,
    /// The fields that its neighbours could have.
    known: &'static [&'static str],
}

/// A value on its path.
struct Tracked<'de, 'log> {
    value: &'de Value,
    path: String,
    log: &'log mut Log,
}

impl<'de> Tracked<'de, '_> {
    fn mapping<V: Visitor<'de>>(
        self,
        mapping: &'de Mapping,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let entries = mapping.iter();
        visitor.visit_map(Entries { entries, current: None, known, path: self.path, log: self.log })
    }

    /// Remembers where the first error came up.
    fn noting<T>(path: &str, log: &mut Log, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() && log.failed.is_none() {
            log.failed = Some(path.to_owned());
        }
        result
    }
}

impl<'de> Deserializer<'de> for Tracked<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(Error::custom("this is no number")),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => {
                let items = items.iter().enumerate();
                visitor.visit_seq(Items { items, path: self.path, log: self.log })
            }
            Value::Mapping(mapping) => self.mapping(mapping, &[], visitor),
            Value::Tagged(tagged) => Tracked { value: &tagged.value, ..self }.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Value::String(text) = self.value
            && YAML_1_1.iter().any(|known| known.eq_ignore_ascii_case(text))
        {
            self.log.words.push(self.path.clone());
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Mapping(mapping) => self.mapping(mapping, fields, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(word) => {
                let word: StrDeserializer<'_, Error> = word.as_str().into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            other => other.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'de, 'log> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Value>>,
    path: String,
    log: &'log mut Log,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.items.next() else { return Ok(None) };
        let mut path = self.path.clone();
        push_index(&mut path, index);
        let result = seed.deserialize(Tracked { value, path: path.clone(), log: self.log });
        Tracked::noting(&path, self.log, result).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de, 'log> {
    entries: serde_yaml::mapping::Iter<'de>,
    current: Option<(&'de Value, &'de Value)>,
    /// Empty for maps, whose keys are free.
    known: &'static [&'static str],
    path: String,
    log: &'log mut Log,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let known = self.known;
        // A field of null is an absent one, as the API server has it; in a map null is a value.
        let is_absent = |(key, value): &(&Value, &Value)| {
            value.is_null() && key.as_str().is_some_and(|key| known.contains(&key))
        };
        let Some((key, value)) = self.entries.find(|entry| !is_absent(entry)) else { return Ok(None) };
        self.current = Some((key, value));
        // Labels and the like may have keys that YAML takes for numbers; Kubernetes reads them as text.
        let text = match key {
            Value::String(text) => return seed.deserialize(text.as_str().into_deserializer()).map(Some),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return Err(Error::custom("a key must be text")),
        };
        seed.deserialize(text.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (key, value) = self.current.take().expect("serde asks for a value after its key");
        let mut path = self.path.clone();
        if let Some(name) = super::read::scalar_text(key) {
            push_key(&mut path, &name);
            if !self.known.is_empty() && !self.known.contains(&name.as_str()) {
                self.log.unknown.push(Unknown { path: path.clone(), known: self.known });
            }
        }
        let result = seed.deserialize(Tracked { value, path: path.clone(), log: self.log });
        Tracked::noting(&path, self.log, result)
    }
}

/// What a path ends in: a key, or an item of a list by its key (`hosts[0]`).
fn last_word(path: &str) -> &str {
    let is_item = |rest: &str| rest.starts_with('[') && !rest.starts_with("[\"");
    let above = std::iter::successors(parent(path), |above| parent(above));
    let above = above.map(str::len).find(|above| !is_item(&path[*above..]));
    let word = above.map_or(path, |above| &path[above..]);
    match word.strip_prefix("[\"") {
        Some(quoted) => quoted.trim_end_matches("\"]"),
        None => word.trim_start_matches('.'),
    }
}

/// serde's sentences, turned into the user's words.
fn in_users_words(text: &str, field: &str) -> (String, Option<String>) {
    let Some((found, wanted)) = text.strip_prefix("invalid type: ").and_then(|t| t.split_once(", expected "))
    else {
        return (text.to_owned(), None);
    };
    let wanted = match wanted.split_once(' ') {
        Some(("struct" | "enum", _)) => "a mapping",
        _ => match wanted {
            "u8" | "u16" | "u32" | "u64" | "i32" | "i64" | "usize" => "a whole number",
            "f32" | "f64" => "a number",
            "a string" | "string" => "text",
            "a map" => "a mapping",
            "a sequence" => "a list",
            "a boolean" => "true or false",
            other => other,
        },
    };
    let found = match found.split_once(' ') {
        Some(("integer" | "floating", value)) => format!("the number {}", value.trim_start_matches("point ")),
        Some(("string", value)) => format!("the text {}", value.replace('"', "`")),
        Some(("boolean", value)) => value.to_owned(),
        _ => match found {
            "map" => "a mapping".to_owned(),
            "sequence" => "a list".to_owned(),
            "unit value" => "nothing".to_owned(),
            other => other.to_owned(),
        },
    };
    let help = (wanted == "text" && found.starts_with(['`', 't', 'f']) && !found.starts_with("the text"))
        .then(|| "put it in quotes".to_owned());
    (format!("`{field}` must be {wanted}, and this is {found}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::tests::object;

    #[derive(serde::Deserialize, Debug)]
    struct Route {
        #[expect(dead_code, reason = "only its decoding matters here")]
        weight: Option<u32>,
    }

    #[derive(serde::Deserialize, Debug)]
    struct Kind {
        #[expect(dead_code, reason = "only its decoding matters here")]
        kind: String,
        spec: Option<Vec<Route>>,
    }

    #[test]
    fn unknown_fields_are_warnings_with_their_place() {
        let (docs, object) = object("kind: K\nspec:\n- weight: 1\n  wieght: 2\n");
        let mut findings = Vec::new();
        let kind: Kind = decode(&object, &docs, &mut findings).unwrap();
        assert_eq!(kind.spec.unwrap().len(), 1);
        assert_eq!(findings[0].code, "MS0003");
        assert_eq!(docs.sources.slice(findings[0].span.unwrap()), "wieght");
    }

    #[test]
    fn wrong_types_are_errors_in_plain_words() {
        let (docs, object) = object("kind: K\nspec:\n- weight: 1\n- weight: many\n");
        let mut findings = Vec::new();
        assert!(decode::<Kind>(&object, &docs, &mut findings).is_none());
        assert_eq!(findings[0].message, "`weight` must be a whole number, and this is the text `many`");
        assert_eq!(docs.sources.slice(findings[0].span.unwrap()), "many");
    }

    #[test]
    fn near_names_are_suggested_and_orders_must_fit() {
        let (mut docs, mut object) = object("kind: K\nspec:\n- weight: 1\n  wieght: 2\n  other: 3\n");
        let mut findings = Vec::new();
        decode::<Kind>(&object, &docs, &mut findings).unwrap();
        assert_eq!(findings[0].label, "did you mean `weight`?");
        assert_eq!(
            (findings[1].severity, findings[1].label.as_str()),
            (crate::config::diagnostic::Severity::Warning, "")
        );
        let source = docs.sources.add_argument("--set", "7");
        let at = crate::config::diagnostic::Span { source, start: 0, end: 1 };
        let by = crate::config::document::Patch { path: at, value: at };
        object.doc = docs.add_patched(object.doc, "spec[0].other", by);
        findings.clear();
        decode::<Kind>(&object, &docs, &mut findings).unwrap();
        assert_eq!(findings[1].severity, crate::config::diagnostic::Severity::Error);
        assert_eq!(findings[1].message, "K has no field `other`");
    }

    #[test]
    fn words_that_kubernetes_takes_for_booleans_are_told() {
        #[derive(serde::Deserialize)]
        struct Labels {
            #[expect(dead_code, reason = "only its decoding matters here")]
            labels: std::collections::BTreeMap<String, String>,
        }
        let (docs, object) = object("labels: {a: yes, b: \"yes\", c: Off, d: yesterday, e: 'on'}\n");
        let mut findings = Vec::new();
        decode::<Labels>(&object, &docs, &mut findings).unwrap();
        let marked = findings.iter().map(|finding| docs.sources.slice(finding.span.unwrap()));
        assert_eq!(marked.collect::<Vec<_>>(), ["yes", "Off"]);
        assert_eq!(findings[0].code, "MS0007");
    }

    #[test]
    fn null_is_an_absent_field_but_no_value_of_a_map_or_list() {
        #[derive(serde::Deserialize, PartialEq, Debug, Default)]
        #[serde(default)]
        struct Lists {
            names: Vec<String>,
            labels: std::collections::BTreeMap<String, String>,
        }
        let read = |text: &str| {
            let (docs, object) = object(text);
            let mut findings = Vec::new();
            let lists: Option<Lists> = decode(&object, &docs, &mut findings);
            (lists, findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>())
        };
        assert_eq!(read("names:\nlabels: null\n"), (Some(Lists::default()), Vec::new()));
        assert_eq!(read("nmaes:\n").1, ["unknown field `nmaes` is ignored"]);
        assert_eq!(read("names: [~]\n").1, ["`names[0]` must be text, and this is nothing"]);
        assert_eq!(read("labels: {app: }\n").1, ["`app` must be text, and this is nothing"]);
    }

    #[test]
    fn shapes_decode_as_serde_yaml_does() {
        #[derive(serde::Deserialize, PartialEq, Debug)]
        #[serde(rename_all = "UPPERCASE")]
        enum Mode {
            Simple,
        }
        #[derive(serde::Deserialize, PartialEq, Debug)]
        struct All {
            mode: Mode,
            rate: f64,
            delta: i32,
            absent: Option<bool>,
            empty: Option<String>,
            map: std::collections::BTreeMap<String, String>,
            raw: Value,
        }
        let (docs, object) =
            object("mode: SIMPLE\nrate: 3\ndelta: -2\nempty:\nmap: {8080: x}\nraw: {a: [1]}\n");
        let mut findings = Vec::new();
        let all: All = decode(&object, &docs, &mut findings).unwrap();
        assert!(findings.is_empty());
        assert_eq!(
            (all.mode, all.rate, all.delta, all.absent, all.empty),
            (Mode::Simple, 3.0, -2, None, None)
        );
        assert_eq!(all.map["8080"], "x");
        assert_eq!(all.raw["a"][0], Value::from(1));
    }
}
