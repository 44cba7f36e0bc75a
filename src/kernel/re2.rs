//! Regular expressions as Envoy reads them (RE2), run by the `regex` crate. The two differ in small ways: what a
//! bracket means inside a class, which escapes exist, whether `\d` is more than ASCII. The translator spells every
//! piece so that both agree, and refuses what RE2 refuses, so that what passes here does not fail in the proxy.

use std::fmt;

use regex::bytes::{Captures, Regex, RegexBuilder};

/// Memory that one compiled pattern may take, in bytes; RE2 has a limit of this kind too.
const SIZE_LIMIT: usize = 8 << 20;
/// Highest count in `{n,m}`, and product of counts inside counts.
const MOST_REPEATS: u64 = 1_000;

/// Why a pattern is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError {
    /// In words, without a full stop.
    pub message: String,
    /// Where in the pattern, in characters from 0.
    pub position: usize,
}

impl fmt::Display for RegexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.message, self.position + 1)
    }
}

impl std::error::Error for RegexError {}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Re2 {
    whole: Regex,
    part: Regex,
}

impl Re2 {
    /// Compiles `pattern`, or says what RE2 would object to.
    pub fn new(pattern: &str) -> Result<Re2, RegexError> {
        let translated = translate(pattern)?;
        let compile = |pattern: &str| {
            let error = |error: regex::Error| RegexError { message: last_line(&error), position: 0 };
            RegexBuilder::new(pattern).unicode(false).size_limit(SIZE_LIMIT).build().map_err(error)
        };
        Ok(Re2 { whole: compile(&format!(r"\A(?:{translated})\z"))?, part: compile(&translated)? })
    }

    /// Whether it matches all of `text`, as Envoy's `safe_regex` asks.
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text.as_bytes())
    }

    /// Replaces each match in `text`. In `replacement` `\0` to `\9` stand for groups and `\\` for a backslash.
    pub fn replace_all(&self, text: &str, replacement: &str) -> String {
        let expand = |captures: &Captures<'_>| {
            let mut expanded = Vec::new();
            let mut rest = replacement.chars();
            while let Some(c) = rest.next() {
                match (c, rest.clone().next()) {
                    ('\\', Some(digit @ '0'..='9')) => {
                        rest.next();
                        let group = captures.get(digit as usize - '0' as usize);
                        expanded.extend_from_slice(group.map_or(&[][..], |group| group.as_bytes()));
                    }
                    ('\\', Some('\\')) => {
                        rest.next();
                        expanded.push(b'\\');
                    }
                    _ => expanded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            expanded
        };
        let replaced = self.part.replace_all(text.as_bytes(), expand);
        String::from_utf8_lossy(&replaced).into_owned()
    }
}

/// The crate draws the pattern over several lines; the reason stands on the last.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// RE2's syntax in that of the `regex` crate.
pub fn translate(pattern: &str) -> Result<String, RegexError> {
    let chars: Vec<char> = pattern.chars().collect();
    let out = String::with_capacity(pattern.len());
    let mut translator = Translator { chars: &chars, at: 0, out, before: 1, groups: Vec::new(), most: 1 };
    translator.run()?;
    Ok(translator.out)
}

struct Translator<'a> {
    chars: &'a [char],
    at: usize,
    out: String,
    /// How often what stands before this place repeats something in it, at the most: counts inside counts multiply.
    before: u64,
    /// The same of all in the open groups, the innermost last, without the present one.
    groups: Vec<u64>,
    /// Of the present group, or of the whole.
    most: u64,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), RegexError> {
        while let Some(c) = self.peek() {
            let is_repeat = matches!(c, '*' | '+' | '?') || c == '{' && self.counts().is_some();
            if !is_repeat {
                self.before = 1;
            }
            match c {
                _ if is_repeat => self.repeat()?,
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                ')' => {
                    self.before = self.most;
                    self.most = self.most.max(self.groups.pop().unwrap_or(1));
                    self.out.push(c);
                    self.at += 1;
                }
                '^' | '$' | '.' | '|' => {
                    self.out.push(c);
                    self.at += 1;
                }
                _ => {
                    self.literal(c);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(offset, c)| self.chars.get(self.at + offset) == Some(&c))
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, RegexError> {
        Err(RegexError { message: message.into(), position: self.at })
    }

    fn literal(&mut self, c: char) {
        // The crate gives `\<` and `\>` a meaning of their own.
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// `{n}`, `{n,}` or `{n,m}` at this place: the counts and the length; else the brace is a literal.
    fn counts(&self) -> Option<(u64, Option<u64>, usize)> {
        let close = self.chars[self.at..].iter().position(|c| *c == '}')?;
        let inside: String = self.chars[self.at + 1..self.at + close].iter().collect();
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let (low, high) = match inside.split_once(',') {
            None => (number(&inside)?, Some(number(&inside)?)),
            Some((low, "")) => (number(low)?, None),
            Some((low, high)) => (number(low)?, Some(number(high)?)),
        };
        Some((low, high, close + 1))
    }

    /// One repetition operator, lazy or not. A second one right behind it is an error in RE2.
    fn repeat(&mut self) -> Result<(), RegexError> {
        let length = match self.counts() {
            Some((low, high, length)) if self.peek() == Some('{') => {
                // RE2 counts the most that there may be, and the least where there is no most.
                self.before = self.before.saturating_mul(high.unwrap_or(low).max(1));
                self.most = self.most.max(self.before);
                if low.max(self.before) > MOST_REPEATS {
                    return self.error(format!("repeats more than {MOST_REPEATS} times, which RE2 refuses"));
                }
                length
            }
            _ => 1,
        };
        self.out.extend(&self.chars[self.at..self.at + length]);
        self.at += length;
        if self.peek() == Some('?') {
            self.out.push('?');
            self.at += 1;
        }
        let is_next = match self.peek() {
            Some('*' | '+' | '?') => true,
            Some('{') => self.counts().is_some(),
            _ => false,
        };
        if is_next { self.error("repeats a repetition, which RE2 refuses") } else { Ok(()) }
    }

    fn group(&mut self) -> Result<(), RegexError> {
        if !self.starts_with("(?") {
            self.opens();
            self.out.push('(');
            self.at += 1;
            return Ok(());
        }
        if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| self.starts_with(look)) {
            return self.error("looks around, which RE2 cannot do");
        }
        if self.starts_with("(?P<") || self.starts_with("(?<") {
            let Some(close) = self.chars[self.at..].iter().position(|c| *c == '>') else {
                return self.error("names a group without an end");
            };
            self.opens();
            self.out.extend(&self.chars[self.at..=self.at + close]);
            self.at += close + 1;
            return Ok(());
        }
        let flags = self.chars[self.at + 2..].iter().take_while(|c| !matches!(c, ':' | ')'));
        let flags: String = flags.collect();
        let end = self.at + 2 + flags.chars().count();
        if end >= self.chars.len() {
            return self.error("opens a group without an end");
        }
        if let Some(unknown) = flags.chars().find(|flag| !"imsU-".contains(*flag)) {
            return self.error(format!("has the flag `{unknown}`, which RE2 does not know"));
        }
        if self.chars[end] == ':' {
            self.opens();
        }
        self.out.extend(&self.chars[self.at..=end]);
        self.at = end + 1;
        Ok(())
    }

    /// A group begins that ends with a bracket of its own.
    fn opens(&mut self) {
        self.groups.push(std::mem::replace(&mut self.most, 1));
    }

    /// A backslash outside of classes.
    fn escape(&mut self) -> Result<(), RegexError> {
        if self.starts_with(r"\Q") {
            self.at += 2;
            while let Some(c) = self.peek() {
                if self.starts_with(r"\E") {
                    self.at += 2;
                    break;
                }
                self.literal(c);
                self.at += 1;
            }
            return Ok(());
        }
        match self.chars.get(self.at + 1) {
            Some(c @ ('A' | 'z' | 'b' | 'B' | 'd' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                self.out.extend(['\\', *c]);
                self.at += 2;
            }
            Some('C') => {
                self.out.push_str("(?s:.)");
                self.at += 2;
            }
            // RE2 takes an end without a beginning for nothing.
            Some('E') => self.at += 2,
            Some('p' | 'P') => self.unicode_class()?,
            _ => {
                let c = self.escaped_char()?;
                self.literal(c);
            }
        }
        Ok(())
    }

    /// `\pN`, `\p{Greek}`: the one place where Unicode matters.
    fn unicode_class(&mut self) -> Result<(), RegexError> {
        let length = match self.chars.get(self.at + 2) {
            Some('{') => self.chars[self.at..].iter().position(|c| *c == '}').map(|close| close + 1),
            Some(_) => Some(3),
            None => None,
        };
        let Some(length) = length else { return self.error("names a Unicode class without an end") };
        self.out.push_str("(?u:");
        self.out.extend(&self.chars[self.at..self.at + length]);
        self.out.push(')');
        self.at += length;
        Ok(())
    }

    /// The one character that an escape stands for, inside classes or out.
    fn escaped_char(&mut self) -> Result<char, RegexError> {
        let Some(c) = self.chars.get(self.at + 1).copied() else {
            return self.error("ends with a backslash");
        };
        let next = self.chars.get(self.at + 2).copied();
        let (c, length) = match c {
            'a' => ('\x07', 2),
            'f' => ('\x0C', 2),
            't' => ('\t', 2),
            'n' => ('\n', 2),
            'r' => ('\r', 2),
            'v' => ('\x0B', 2),
            'x' => return self.hex(),
            '0' => return self.octal(),
            '1'..='7' if matches!(next, Some('0'..='7')) => return self.octal(),
            '1'..='9' => return self.error("refers back to a group, which RE2 cannot do"),
            c if c.is_ascii_punctuation() && c != '_' => (c, 2),
            c => return self.error(format!("has the escape `\\{c}`, which RE2 does not know")),
        };
        self.at += length;
        Ok(c)
    }

    fn octal(&mut self) -> Result<char, RegexError> {
        let digits = self.chars[self.at + 1..].iter().take(3).map_while(|c| c.to_digit(8));
        let digits: Vec<u32> = digits.collect();
        self.at += 1 + digits.len();
        self.character(digits.iter().fold(0, |value, digit| value * 8 + digit))
    }

    fn hex(&mut self) -> Result<char, RegexError> {
        let (digits, length) = if self.chars.get(self.at + 2) == Some(&'{') {
            let digits: String = self.chars[self.at + 3..].iter().take_while(|c| **c != '}').collect();
            let length = digits.chars().count() + 4;
            (digits, length)
        } else {
            (self.chars[self.at + 2..].iter().take(2).collect(), 4)
        };
        let is_whole = self.at + length <= self.chars.len() && !digits.is_empty();
        let value = u32::from_str_radix(&digits, 16).ok().filter(|_| is_whole);
        let Some(value) = value else { return self.error("has a `\\x` without its hexadecimal digits") };
        self.at += length;
        self.character(value)
    }

    fn character(&self, value: u32) -> Result<char, RegexError> {
        char::from_u32(value).map_or_else(|| self.error("escapes a character that does not exist"), Ok)
    }

    /// `[...]`: everything inside is spelled as plain characters, ranges, and named classes.
    fn class(&mut self) -> Result<(), RegexError> {
        let start = self.at;
        self.out.push('[');
        self.at += 1;
        if self.peek() == Some('^') {
            self.out.push('^');
            self.at += 1;
        }
        let mut is_first = true;
        loop {
            match self.peek() {
                None => {
                    self.at = start;
                    return self.error("opens a class without an end");
                }
                Some(']') if !is_first => break,
                Some('[') if self.starts_with("[:") && self.named_class()? => {}
                Some('\\')
                    if matches!(self.chars.get(self.at + 1), Some('d' | 'D' | 's' | 'S' | 'w' | 'W')) =>
                {
                    self.out.extend(&self.chars[self.at..self.at + 2]);
                    self.at += 2;
                }
                Some(_) => self.class_range()?,
            }
            is_first = false;
        }
        self.out.push(']');
        self.at += 1;
        Ok(())
    }

    /// `[:alpha:]`; false if no such thing is meant.
    fn named_class(&mut self) -> Result<bool, RegexError> {
        let rest: String = self.chars[self.at..].iter().collect();
        let Some(length) = rest.find(":]") else { return Ok(false) };
        self.out.push_str(&rest[..length + 2]);
        self.at += rest[..length + 2].chars().count();
        Ok(true)
    }

    fn class_range(&mut self) -> Result<(), RegexError> {
        let low = self.class_char()?;
        self.literal(low);
        let is_range = self.peek() == Some('-') && !matches!(self.chars.get(self.at + 1), Some(']') | None);
        if is_range {
            self.at += 1;
            let high = self.class_char()?;
            if high < low {
                return self.error(format!("has the range `{low}-{high}`, which runs backward"));
            }
            self.out.push('-');
            self.literal(high);
        }
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, RegexError> {
        match self.peek() {
            Some('\\') if matches!(self.chars.get(self.at + 1), Some('p' | 'P')) => {
                // Simplified: RE2 knows Unicode classes here too; nobody writes them for paths and headers.
                self.error("has a Unicode class inside brackets, which is not supported here")
            }
            Some('\\') => self.escaped_char(),
            Some(c) => {
                self.at += 1;
                Ok(c)
            }
            None => self.error("ends inside a class"),
        }
    }
}

#[cfg(test)]
#[path = "re2_tests.rs"]
mod tests;
