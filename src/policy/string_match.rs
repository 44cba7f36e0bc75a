//! One condition on one string, ready to be asked. Source: semantics S2.4.

use crate::kernel::re2::{Re2, RegexError};
use crate::mesh::routing::StringMatch;

#[derive(Clone, Debug)]
pub enum Matcher {
    Exact(String),
    Prefix(String),
    /// Of the whole string.
    Regex(Re2),
    /// Any value, the empty one included.
    Present,
}

impl Matcher {
    /// Fails where RE2 would refuse the pattern.
    pub fn new(condition: &StringMatch) -> Result<Matcher, RegexError> {
        Ok(match condition {
            StringMatch::Exact(text) => Matcher::Exact(text.clone()),
            StringMatch::Prefix(text) => Matcher::Prefix(text.clone()),
            StringMatch::Regex(pattern) => Matcher::Regex(Re2::new(pattern)?),
            StringMatch::Present => Matcher::Present,
        })
    }

    pub fn matches(&self, value: &str) -> bool {
        match self {
            Matcher::Exact(text) => value == text,
            Matcher::Prefix(text) => value.starts_with(text.as_str()),
            Matcher::Regex(re2) => re2.matches(value),
            Matcher::Present => true,
        }
    }
}
