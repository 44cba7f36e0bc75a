//! Reads values into types by hand instead of by serde, so that all mistakes of a document come at once, each with its
//! place and a "did you mean", and so that every value remembers where it stands.

use std::num::NonZeroU32;
use std::ops::Deref;

use serde_yaml::Value;

use super::diagnostic::{Diagnostic, Span};
use super::document::{DocId, Docs};
use super::grammar::{Fault, Part};
use super::path::{did_you_mean, push_index, push_key};
use super::quantity::{Rate, Share};
use super::{distribution, duration, quantity};
use crate::kernel::SimDuration;
use crate::kernel::distribution::Distribution;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Deref for Located<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A mapping whose keys are names that the user gives, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entries<T>(pub Vec<(Located<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Entries(Vec::new())
    }
}

impl<T> Entries<T> {
    pub fn iter(&self) -> impl Iterator<Item = (&Located<String>, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.value.as_str())
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

/// A value kept as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw(pub Value);

/// A whole number of at least 1, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Unlimited,
    Of(u32),
}

/// A whole number from 1 to `MOST`. More would be a typing error, and its state would fill the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count<const MOST: u32>(pub NonZeroU32);

impl<const MOST: u32> Deref for Count<MOST> {
    type Target = NonZeroU32;
    fn deref(&self) -> &NonZeroU32 {
        &self.0
    }
}

/// Where findings go while a document is read.
pub struct Reader<'a> {
    pub docs: &'a Docs,
    pub doc: DocId,
    pub findings: &'a mut Vec<Diagnostic>,
}

/// A value on its path.
#[derive(Clone)]
pub struct Node<'a> {
    pub value: &'a Value,
    pub path: String,
}

impl<'a> Node<'a> {
    pub fn child(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.as_mapping()?.get(key)?;
        let mut path = self.path.clone();
        push_key(&mut path, key);
        Some(Node { value, path })
    }

    pub fn items(&self) -> Vec<Node<'a>> {
        let Some(list) = self.value.as_sequence() else { return Vec::new() };
        let item = |(index, value)| {
            let mut path = self.path.clone();
            push_index(&mut path, index);
            Node { value, path }
        };
        list.iter().enumerate().map(item).collect()
    }
}

impl Reader<'_> {
    pub fn span(&self, node: &Node<'_>) -> Span {
        self.docs.span(self.doc, &node.path)
    }

    /// A scalar as it was written: `1.30` stays `1.30`, though YAML reads a number.
    fn text(&self, node: &Node<'_>) -> Option<String> {
        if node.value.is_number() {
            let written = self.docs.sources.slice(self.span(node));
            if written.parse::<f64>().is_ok() {
                return Some(written.to_owned());
            }
        }
        scalar_text(node.value)
    }

    pub fn error(&mut self, node: &Node<'_>, message: impl Into<String>) -> &mut Diagnostic {
        let finding = Diagnostic::error("MS0005", message).at(self.span(node));
        self.findings.push(finding);
        self.findings.last_mut().expect("just pushed")
    }

    /// A value of the wrong kind.
    fn mismatch(&mut self, node: &Node<'_>, wanted: &str) {
        let message = format!("this must be {wanted}, and it is {}", kind_of(node.value));
        self.error(node, message);
    }

    /// A fault in the text of a scalar, marked inside it.
    pub fn fault(&mut self, node: &Node<'_>, text: &str, fault: Fault) {
        self.findings.push(fault_inside(self.docs, "MS0005", self.span(node), text, fault));
    }

    /// Names the keys of a mapping that no field takes; whether there are any.
    pub fn unknown_keys(&mut self, node: &Node<'_>, known: &[&'static str]) -> bool {
        let Some(mapping) = node.value.as_mapping() else { return false };
        let before = self.findings.len();
        for key in mapping.keys() {
            let name = key.as_str().map_or_else(|| scalar_text(key).unwrap_or_default(), str::to_owned);
            if known.contains(&name.as_str()) {
                continue;
            }
            let mut path = node.path.clone();
            push_key(&mut path, &name);
            let at = self.docs.key_span(self.doc, &path);
            let finding = if name.ends_with(')') && !name.contains('(') {
                // `{work: lognormal(p50=1ms, p99=2ms)}` is a mapping with the key `p99=2ms)` to YAML.
                Diagnostic::error("MS0005", format!("`{name}` is the rest of a value that was cut at its comma"))
                    .help("inside `{ }` or `[ ]` a value with a comma needs quotes: \"lognormal(p50=1ms, p99=2ms)\"")
            } else {
                let help = match did_you_mean(&name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                Diagnostic::error("MS0004", format!("unknown key `{name}`")).help(help)
            };
            self.findings.push(finding.at(at));
        }
        self.findings.len() > before
    }
}

/// A fault in the text of the scalar at `span`, marked inside it where the text stands there as it is.
pub fn fault_inside(docs: &Docs, code: &'static str, span: Span, text: &str, fault: Fault) -> Diagnostic {
    let written = docs.sources.slice(span);
    let place = match written.find(text) {
        Some(offset) if fault.range.end <= text.len() && !text.is_empty() => {
            let start = span.start + offset + fault.range.start;
            Span { start, end: start + fault.range.len(), ..span }
        }
        _ => span,
    };
    fault.finding(code, place)
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Tagged(_) => "a tagged value".to_owned(),
        _ => format!("`{}`", scalar_text(value).unwrap_or_default()),
    }
}

/// Scalars as text: what a person wrote, as far as YAML keeps it.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A type that a value can be read into.
pub trait Written: Sized {
    /// `None` after a finding.
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self>;
}

impl<T: Written> Written for Located<T> {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let value = T::read(node, reader)?;
        Some(Located { value, span: reader.span(node) })
    }
}

impl<T: Written> Written for Vec<T> {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if !node.value.is_sequence() && !node.value.is_null() {
            reader.mismatch(node, "a list");
            return None;
        }
        Some(node.items().iter().filter_map(|item| T::read(item, reader)).collect())
    }
}

impl<T: Written> Written for OneOrMany<T> {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if node.value.is_sequence() {
            return Vec::read(node, reader).map(OneOrMany);
        }
        T::read(node, reader).map(|one| OneOrMany(vec![one]))
    }
}

impl<T: Written> Written for Entries<T> {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let mapping = match node.value {
            Value::Mapping(mapping) => mapping,
            Value::Null => return Some(Entries::default()),
            _ => {
                reader.mismatch(node, "a mapping of names");
                return None;
            }
        };
        let mut entries = Vec::new();
        for (key, value) in mapping {
            let Some(name) = scalar_text(key) else {
                reader.error(node, "a name in this mapping is no text");
                continue;
            };
            let mut path = node.path.clone();
            push_key(&mut path, &name);
            let span = reader.docs.key_span(reader.doc, &path);
            if let Some(value) = T::read(&Node { value, path }, reader) {
                entries.push((Located { value: name, span }, value));
            }
        }
        Some(Entries(entries))
    }
}

impl Written for Raw {
    fn read(node: &Node<'_>, _: &mut Reader<'_>) -> Option<Self> {
        Some(Raw(node.value.clone()))
    }
}

impl Written for bool {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if let Some(flag) = node.value.as_bool() {
            return Some(flag);
        }
        reader.mismatch(node, "true or false");
        None
    }
}

impl Written for String {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match reader.text(node) {
            Some(text) => Some(text),
            None => {
                reader.mismatch(node, "text");
                None
            }
        }
    }
}

fn whole<T: TryFrom<u64>>(node: &Node<'_>, reader: &mut Reader<'_>, least: u64, wanted: &str) -> Option<T> {
    if let Some(number) = node.value.as_u64().filter(|number| *number >= least)
        && let Ok(number) = T::try_from(number)
    {
        return Some(number);
    }
    reader.mismatch(node, wanted);
    None
}

impl Written for u64 {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        whole(node, reader, 0, "a whole number")
    }
}

impl Written for u32 {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        whole(node, reader, 0, "a whole number")
    }
}

impl Written for u16 {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        whole(node, reader, 0, "a whole number up to 65535")
    }
}

impl Written for NonZeroU32 {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        whole::<u32>(node, reader, 1, "a whole number of at least 1").and_then(NonZeroU32::new)
    }
}

impl<const MOST: u32> Written for Count<MOST> {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let number = node.value.as_u64().and_then(|number| u32::try_from(number).ok());
        if let Some(number) = number.filter(|number| *number <= MOST).and_then(NonZeroU32::new) {
            return Some(Count(number));
        }
        reader.mismatch(node, &format!("a whole number from 1 to {MOST}"));
        None
    }
}

impl Written for f64 {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if let Some(number) = node.value.as_f64().filter(|number| number.is_finite()) {
            return Some(number);
        }
        reader.mismatch(node, "a number");
        None
    }
}

impl Written for Limit {
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if node.value.as_str() == Some("unlimited") {
            return Some(Limit::Unlimited);
        }
        whole(node, reader, 0, "a whole number or `unlimited`").map(Limit::Of)
    }
}

/// A type that one line of text is parsed into.
pub trait Text: Sized {
    /// What it is, for "this must be ...".
    const WHAT: &'static str;
    fn parse(part: Part<'_>) -> Result<Self, Fault>;
}

/// Implements [`Written`] by way of [`Text`].
macro_rules! written_as_text {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::config::read::Written for $type {
            fn read(
                node: &$crate::config::read::Node<'_>,
                reader: &mut $crate::config::read::Reader<'_>,
            ) -> Option<Self> {
                $crate::config::read::read_text(node, reader)
            }
        }
    )+};
}
pub(crate) use written_as_text;

pub(crate) fn read_text<T: Text>(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<T> {
    let Some(text) = reader.text(node) else {
        reader.mismatch(node, T::WHAT);
        return None;
    };
    match T::parse(Part::whole(&text)) {
        Ok(value) => Some(value),
        Err(fault) => {
            reader.fault(node, &text, fault);
            None
        }
    }
}

impl Text for SimDuration {
    const WHAT: &'static str = "a duration such as `1.5s`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        duration::parse(part)
    }
}

impl Text for Share {
    const WHAT: &'static str = "a percentage such as `10%`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        quantity::share(part)
    }
}

impl Text for Rate {
    const WHAT: &'static str = "a rate such as `500rps`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        quantity::rate(part)
    }
}

impl Text for Distribution {
    const WHAT: &'static str = "a duration or a distribution such as `lognormal(p50=12ms, p99=80ms)`";
    fn parse(part: Part<'_>) -> Result<Self, Fault> {
        distribution::parse(part)
    }
}

written_as_text!(SimDuration, Share, Rate, Distribution);

/// Declares a mapping of the scenario file: its struct, its reader and its JSON Schema from one list of keys. Every
/// field is optional here, since absent stays absent.
macro_rules! record {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $key:literal => $field:ident: $type:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[$field_doc])*
                #[schemars(rename = $key)]
                pub $field: Option<$type>,
            )+
            /// A key of it was unknown or could not be read, which has been reported: what is absent may be meant.
            #[schemars(skip)]
            pub is_broken: bool,
        }

        impl $crate::config::read::Written for $name {
            fn read(
                node: &$crate::config::read::Node<'_>,
                reader: &mut $crate::config::read::Reader<'_>,
            ) -> Option<Self> {
                if !node.value.is_mapping() && !node.value.is_null() {
                    reader.error(node, format!("this must be a mapping with the keys {}", [$($key),+].join(", ")));
                    return None;
                }
                let mut is_broken = reader.unknown_keys(node, &[$($key),+]);
                $(
                    let child = node.child($key);
                    let is_written = child.is_some();
                    let $field = child.and_then(|child| $crate::config::read::Written::read(&child, reader));
                    is_broken |= is_written && $field.is_none();
                )+
                Some($name { $($field,)+ is_broken })
            }
        }
    )+};
}
pub(crate) use record;
