//! The small languages inside scenario values share one shape: `name(5ms, key=value, nested(...))`.

use std::ops::Range;

use super::diagnostic::{Diagnostic, Span};

/// What is wrong with a value's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub message: String,
    /// Bytes of the text.
    pub range: Range<usize>,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(message: impl Into<String>, range: Range<usize>) -> Fault {
        Fault { message: message.into(), range, help: None }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }

    /// The fault at its place in the input.
    pub fn finding(self, code: &'static str, span: Span) -> Diagnostic {
        Diagnostic::error(code, self.message).at(span).help_if(self.help)
    }

    /// The same fault in a text of which this one is the part at `offset`.
    #[must_use]
    pub fn shifted(mut self, offset: usize) -> Fault {
        self.range = self.range.start + offset..self.range.end + offset;
        self
    }
}

/// A piece of a text that knows where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub text: &'a str,
    pub at: usize,
}

impl<'a> Part<'a> {
    pub fn whole(text: &'a str) -> Part<'a> {
        Part { text, at: 0 }.trim()
    }

    pub fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    pub fn fault(self, message: impl Into<String>) -> Fault {
        Fault::new(message, self.range())
    }

    fn slice(self, range: Range<usize>) -> Part<'a> {
        Part { text: &self.text[range.clone()], at: self.at + range.start }
    }

    fn trim(self) -> Part<'a> {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start..start + self.text.trim().len())
    }

    /// The parts between the separators that stand in no brackets.
    pub fn split(self, separator: char) -> Vec<Part<'a>> {
        let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
        for (index, c) in self.text.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ if c == separator && depth == 0 => {
                    parts.push(self.slice(start..index).trim());
                    start = index + c.len_utf8();
                }
                _ => {}
            }
        }
        parts.push(self.slice(start..self.text.len()).trim());
        parts
    }

    /// Both sides of the first separator that stands in no brackets.
    pub fn split_once(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let first = *self.split(separator).first()?;
        let cut = (first.at - self.at) + first.text.len();
        let offset = self.text[cut..].find(separator)? + cut;
        Some((first, self.slice(offset + separator.len_utf8()..self.text.len()).trim()))
    }
}

/// `name(arguments)`.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub whole: Part<'a>,
    pub name: Part<'a>,
    args: Vec<Arg<'a>>,
}

#[derive(Clone, Debug)]
pub struct Arg<'a> {
    pub key: Option<Part<'a>>,
    pub value: Part<'a>,
}

impl<'a> Call<'a> {
    /// `None` if the text has no brackets.
    pub fn parse(whole: Part<'a>) -> Result<Option<Call<'a>>, Fault> {
        let Some(open) = whole.text.find('(') else {
            if whole.text.ends_with(')') {
                return Err(whole.fault("`)` closes a bracket that was never opened").help(QUOTES));
            }
            return Ok(None);
        };
        if !whole.text.ends_with(')') || depth(whole.text) != 0 {
            return Err(whole.fault(format!("`{}` has no closing bracket", whole.text)).help(QUOTES));
        }
        let inside = whole.slice(open + 1..whole.text.len() - 1);
        let args = match inside.trim().text {
            "" => Vec::new(),
            _ => inside.split(',').into_iter().map(Arg::parse).collect(),
        };
        Ok(Some(Call { whole, name: whole.slice(0..open).trim(), args }))
    }

    pub fn args(&self) -> &[Arg<'a>] {
        &self.args
    }

    /// The argument called `key`.
    pub fn get(&self, key: &str) -> Option<Part<'a>> {
        self.args.iter().find(|arg| arg.key.is_some_and(|k| k.text == key)).map(|arg| arg.value)
    }

    /// The arguments of these keys, if exactly these are given, in the order asked for. Without keys the order counts.
    pub fn exactly<const N: usize>(&self, keys: [&str; N]) -> Option<[Part<'a>; N]> {
        if self.args.len() != N {
            return None;
        }
        if self.args.iter().all(|arg| arg.key.is_none()) {
            return Some(std::array::from_fn(|index| self.args[index].value));
        }
        let found: Vec<Part<'a>> = keys.iter().filter_map(|key| self.get(key)).collect();
        found.try_into().ok()
    }
}

impl<'a> Arg<'a> {
    fn parse(part: Part<'a>) -> Arg<'a> {
        match part.split_once('=') {
            Some((key, value)) => Arg { key: Some(key), value },
            None => Arg { key: None, value: part },
        }
    }
}

const QUOTES: &str =
    "inside `{ }` or `[ ]` a value with a comma needs quotes: \"lognormal(p50=1ms, p99=2ms)\"";

/// How many brackets stay open; a closing one too many counts as open for ever.
fn depth(text: &str) -> i32 {
    let mut depth = 0i32;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return i32::MAX;
        }
    }
    depth
}

/// Nesting of calls in calls (mixtures of mixtures) that is still read.
pub const MAX_NESTING: usize = 16;

/// A number as people write it: digits, a dot, an exponent; no `inf`, no `nan`.
pub fn number(part: Part<'_>) -> Result<f64, Fault> {
    let plausible = part.text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    match part.text.parse::<f64>() {
        Ok(value) if plausible && value.is_finite() => Ok(value),
        _ => Err(part.fault(format!("`{}` is no number", part.text))),
    }
}

/// A number above zero.
pub fn positive(part: Part<'_>) -> Result<f64, Fault> {
    let value = number(part)?;
    if value > 0.0 { Ok(value) } else { Err(part.fault(format!("`{}` must be above 0", part.text))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_split_at_their_own_commas_alone() {
        let call = Call::parse(Part::whole(" mix(90=exp(mean=5ms, x=1), 10=2s) ")).unwrap().unwrap();
        assert_eq!(call.name.text, "mix");
        assert_eq!(call.get("90").unwrap().text, "exp(mean=5ms, x=1)");
        let last = call.get("10").unwrap();
        assert_eq!((last.text, last.at), ("2s", 31));
    }

    #[test]
    fn a_lost_bracket_is_explained_by_the_missing_quotes() {
        for text in ["lognormal(p50=1ms", "p99=2ms)"] {
            let fault = Call::parse(Part::whole(text)).unwrap_err();
            assert!(fault.help.unwrap().contains("needs quotes"), "{text}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number(Part::whole("1.5e3")), Ok(1500.0));
        for text in ["inf", "nan", "1e999", "", "five"] {
            assert!(number(Part::whole(text)).is_err(), "{text}");
        }
    }
}
