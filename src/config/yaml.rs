//! YAML text into values: splitting into documents, decoding, limits.
//!
//! Documents are split here on `---` lines, as kubectl does, and decoded one by one. The parser's own loop over
//! documents never ends after a syntax error, and a broken document should not keep the others from being checked.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_yaml::value::{Tag, TaggedValue};
use serde_yaml::{Mapping, Value};

/// Longer inputs are refused: nobody reads their findings.
pub const MAX_BYTES: usize = 256 << 20;
/// Deeper nesting is refused before any parser sees it. The parser itself stops at 128 levels.
const MAX_DEPTH: usize = 500;
/// Aliases may blow a document up to this many values beyond what its text can hold.
const MAX_EXTRA_VALUES: usize = 100_000;

/// What keeps a document from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    pub message: String,
    /// Bytes of the piece.
    pub range: Range<usize>,
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    Syntax,
    Template,
    Limit,
}

/// Byte ranges of the documents of a text, those left out that hold nothing but comments.
pub fn split(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    // A byte order mark is no content.
    let (mut start, mut at) = (if text.starts_with('\u{feff}') { 3 } else { 0 }, 0);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let marker = bare == "---" || bare.starts_with("--- ") || bare.starts_with("---\t");
        if marker || bare == "..." {
            pieces.push(start..at);
            start = at + 3;
        }
        at += line.len();
    }
    pieces.push(start.min(text.len())..text.len());
    pieces.retain(|piece| has_content(&text[piece.clone()]));
    pieces
}

fn has_content(piece: &str) -> bool {
    piece.lines().any(|line| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with('#') || line.starts_with("%YAML") || line.starts_with("%TAG"))
    })
}

/// Why a whole input is no YAML text, if so. Bytes 0 to 31 other than white space do not occur in text.
pub fn binary(bytes: &[u8]) -> Option<String> {
    let control = |byte: u8| byte < 32 && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c);
    if let Some(index) = bytes.iter().position(|byte| control(*byte)) {
        return Some(format!("byte {index} is 0x{:02x}, which no text holds", bytes[index]));
    }
    // YAML takes it for the end of a line, editors and `---` do not: places would be wrong.
    if let Some(index) = (0..bytes.len()).find(|at| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
    {
        return Some(format!("byte {index} is a carriage return without a line feed"));
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => None,
        Err(error) => Some(format!("byte {} is not UTF-8", error.valid_up_to())),
    }
}

/// Decodes one document and carries out its merges (`<<: *anchor`).
pub fn decode(piece: &str) -> Result<Value, Problem> {
    if let Some(at) = too_deep(piece) {
        return Err(Problem {
            kind: ProblemKind::Limit,
            message: format!("nested more than {MAX_DEPTH} levels deep"),
            range: at..at + 1,
            help: Some("no Kubernetes object is; check how this file was made".to_owned()),
        });
    }
    let budget = Budget { left: Cell::new(MAX_EXTRA_VALUES + piece.len()) };
    let mut value = Seed(&budget)
        .deserialize(serde_yaml::Deserializer::from_str(piece))
        .map_err(|e| explain(piece, &e))?;
    if let Err(error) = value.apply_merge() {
        let at = piece.find("<<").unwrap_or(0);
        let mut problem = syntax(format!("`<<` cannot merge: {error}"), at..(at + 2).min(piece.len()));
        problem.help = Some("`<<: *name` takes the keys of the mapping at `&name`".to_owned());
        return Err(problem);
    }
    Ok(value)
}

fn syntax(message: String, range: Range<usize>) -> Problem {
    Problem { kind: ProblemKind::Syntax, message, range, help: None }
}

/// The byte at which nesting within one line or bracket goes past the limit. Brackets in strings count too: it takes
/// hundreds of them unclosed. Nesting by indentation costs its square in text, so only its extremes are stopped here.
fn too_deep(piece: &str) -> Option<usize> {
    let (mut brackets, mut marks, mut blanks, mut at_start) = (0usize, 0usize, 0usize, true);
    for (at, byte) in piece.bytes().enumerate() {
        match byte {
            b'\n' => (marks, blanks, at_start) = (0, 0, true),
            b'[' | b'{' => brackets += 1,
            b']' | b'}' => brackets = brackets.saturating_sub(1),
            // `- - - -` and `? ? ?` nest within one line.
            b'-' | b'?' if at_start => marks += 1,
            b' ' if at_start => blanks += 1,
            b' ' => {}
            _ => at_start = false,
        }
        if brackets > MAX_DEPTH || marks > MAX_DEPTH || blanks > 4 * MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// Says in words what the parser objects to.
fn explain(piece: &str, error: &serde_yaml::Error) -> Problem {
    let text = error.to_string();
    let at = error.location().map_or(0, |place| byte_of(piece, place.line(), place.column()));
    let rest = &piece[at..];
    let token =
        rest.find(|c: char| c.is_whitespace()).unwrap_or(rest.len()).clamp(usize::from(!rest.is_empty()), 40);
    let token = (token..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
    let range = at..at + token;
    let line = line_around(piece, at);
    if let Some(template) = template_line(piece) {
        return template_problem(template);
    }
    if text.contains("recursion limit") {
        let message = "nested too deeply".to_owned();
        return Problem { kind: ProblemKind::Limit, message, range, help: None };
    }
    if text.contains("repetition limit") || text.contains(TOO_MANY) {
        return Problem {
            kind: ProblemKind::Limit,
            message: "its aliases (`*name`) expand to far more than the text holds".to_owned(),
            range: piece.find('*').map_or(0..0, |star| star..star + 1),
            help: Some("write the values out, or use fewer aliases of aliases".to_owned()),
        };
    }
    if rest.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
        let tab = piece[..at].rfind('\n').map_or(0, |end| end + 1) + line.find('\t').unwrap_or(0);
        let mut problem = syntax("a tab stands in the indentation".to_owned(), tab..tab + 1);
        problem.help = Some("YAML allows spaces only; replace the tab".to_owned());
        return problem;
    }
    if let Some(key) = duplicate_key(&text) {
        let range = second_occurrence(piece, at, &key).unwrap_or(range);
        let mut problem = syntax(format!("key `{key}` is written twice in one mapping"), range);
        problem.help = Some("keep one of the two".to_owned());
        return problem;
    }
    let mut problem = syntax(plain(&text), range);
    if text.contains("mapping values are not allowed") {
        problem.help =
            Some("a value that holds `: ` needs quotes; else check the indentation of this line".to_owned());
    } else if text.contains("did not find expected ',' or") {
        problem.help = Some("a `{` or `[` before this place is not closed, or a comma is missing".to_owned());
    } else if text.contains("did not find expected key") || text.contains("did not find expected '-'") {
        problem.help = Some("check the indentation: it must be that of the neighbouring keys".to_owned());
    } else if text.contains("unknown anchor") {
        problem.help =
            Some("a value that starts with `*` needs quotes, else it names an anchor (`&name`)".to_owned());
    }
    problem
}

const TOO_MANY: &str = "too many values";
const TWICE: &str = "duplicate key ";
const BRACES: &str = "a mapping is used as a key";

fn duplicate_key(text: &str) -> Option<String> {
    let (_, after) = text.split_once(TWICE)?;
    let (key, _) = after.split_once('\u{1}')?;
    Some(key.to_owned())
}

/// The second line at the mapping's own indentation that starts with the key.
fn second_occurrence(piece: &str, mapping: usize, key: &str) -> Option<Range<usize>> {
    let line_start = piece[..mapping].rfind('\n').map_or(0, |end| end + 1);
    let column = mapping - line_start;
    let mut seen = 0;
    let mut at = line_start;
    for line in piece[line_start..].split_inclusive('\n') {
        let bare = line.get(column..).unwrap_or("").trim_start_matches(['"', '\'']);
        let here = at == line_start || line.get(..column).is_some_and(|blank| blank.trim().is_empty());
        let after = bare.strip_prefix(key).map(|after| after.trim_start_matches(['"', '\'']).trim_start());
        if here && after.is_some_and(|after| after.starts_with(':')) {
            seen += 1;
            if seen == 2 {
                return Some(at + column..at + column + key.len());
            }
        }
        at += line.len();
    }
    None
}

/// The parser's sentence without its position, which the snippet shows.
fn plain(text: &str) -> String {
    let text = match text.split_once(" at line ") {
        Some((before, _)) => before,
        None => text,
    };
    format!("this is no valid YAML: {text}")
}

/// The line that looks like a Helm or Go template, if one does.
fn template_line(piece: &str) -> Option<Range<usize>> {
    let mut at = 0;
    for line in piece.split_inclusive('\n') {
        let code = line.split(" #").next().unwrap_or(line);
        if let Some(open) = code.find("{{").filter(|_| !code.trim_start().starts_with('#')) {
            let end = code.rfind("}}").map_or(code.trim_end().len(), |close| close + 2).max(open + 2);
            return Some(at + open..at + end);
        }
        at += line.len();
    }
    None
}

fn template_problem(range: Range<usize>) -> Problem {
    Problem {
        kind: ProblemKind::Template,
        message: "this looks like a Helm template, not like YAML".to_owned(),
        range,
        help: Some("render it first: `helm template CHART > rendered.yaml`".to_owned()),
    }
}

fn line_around(piece: &str, at: usize) -> &str {
    let start = piece[..at].rfind('\n').map_or(0, |end| end + 1);
    piece[start..].lines().next().unwrap_or("")
}

/// Line and column (from 1, in characters) to bytes.
fn byte_of(piece: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for (number, text) in piece.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            let within =
                text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(byte, _)| byte);
            return start + within;
        }
        start += text.len();
    }
    piece.trim_end().len()
}

/// How many values may still be made.
struct Budget {
    left: Cell<usize>,
}

/// Builds a [`Value`] and pays for each from the budget, so that aliases cannot multiply without end.
#[derive(Clone, Copy)]
struct Seed<'a>(&'a Budget);

impl<'a> Seed<'a> {
    fn pay<E: de::Error>(self) -> Result<(), E> {
        let left = self.0.left.get();
        self.0.left.set(left.saturating_sub(1));
        if left == 0 { Err(E::custom(TOO_MANY)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.pay()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Sequence(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut mapping = Mapping::new();
        while let Some(key) = entries.next_key_seed(self)? {
            // `{{ .Values.x }}` parses as a mapping that is the key of a mapping; no object holds such a thing.
            if matches!(key, Value::Mapping(_) | Value::Sequence(_)) {
                return Err(de::Error::custom(BRACES));
            }
            if mapping.contains_key(&key) {
                let name = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
                return Err(de::Error::custom(format!("{TWICE}{name}\u{1}")));
            }
            let value = entries.next_value_seed(self)?;
            mapping.insert(key, value);
        }
        Ok(Value::Mapping(mapping))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        let (tag, content) = data.variant::<String>()?;
        if tag.is_empty() {
            return Err(de::Error::custom("empty YAML tag"));
        }
        let value = content.newtype_variant_seed(self)?;
        Ok(Value::Tagged(Box::new(TaggedValue { tag: Tag::new(tag), value })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (String, &str) {
        let problem = decode(text).unwrap_err();
        (problem.message, &text[problem.range])
    }

    #[test]
    fn documents_are_split_on_marker_lines() {
        let text = "# head\n---\na: 1\n--- # note\nb: 2\n---\n# nothing\n...\n--- {c: 3}\n";
        let pieces: Vec<&str> = split(text).into_iter().map(|piece| text[piece].trim()).collect();
        assert_eq!(pieces, ["a: 1", "# note\nb: 2", "{c: 3}"]);
        assert!(split("").is_empty());
        assert!(split("# only this\n---\n").is_empty());
        assert_eq!(split("\u{feff}a: 1").first(), Some(&(3..7)));
    }

    #[test]
    fn lone_carriage_returns_are_told() {
        assert_eq!(binary(b"a: 1\r\nb: 2\r\n"), None);
        assert_eq!(binary(b"a: 1\rb: 2"), Some("byte 4 is a carriage return without a line feed".to_owned()));
        assert_eq!(binary(b"a: 1\r"), Some("byte 4 is a carriage return without a line feed".to_owned()));
    }

    #[test]
    fn merges_are_carried_out() {
        let value = decode("base: &b {x: 1}\nuse:\n  <<: *b\n  y: 2\n").unwrap();
        assert_eq!(value["use"]["x"], Value::from(1));
        assert_eq!(value["use"]["y"], Value::from(2));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let (message, place) = problem("a:\n\tb: 1\n");
        assert!(message.contains("tab"), "{message}");
        assert_eq!(place, "\t");
        let (message, place) = problem("a: 1\nb:\n  x: 1\n  y: 2\n  x: 3\n");
        assert!(message.contains("`x` is written twice"), "{message}");
        assert_eq!(place, "x");
        assert!(problem("a: b: c\n").0.contains("mapping values are not allowed"));
        assert!(problem("a: [1, 2\nb: 3\n").0.contains("no valid YAML"));
        assert!(problem("a: *nowhere\n").0.contains("unknown anchor"));
    }

    #[test]
    fn the_second_of_two_equal_keys_is_marked() {
        let text = "b:\n  x: 1\n  y: 2\n  x: 3\n";
        assert_eq!(decode(text).unwrap_err().range.start, text.rfind("x: 3").unwrap());
    }

    #[test]
    fn templates_are_recognised() {
        for text in [
            "replicas: {{ .Values.replicas }}\n",
            "{{- if .Values.on }}\na: 1\n{{- end }}\n",
            "a: {{ x }}-y\n",
        ] {
            assert_eq!(decode(text).unwrap_err().kind, ProblemKind::Template, "{text}");
        }
        assert!(decode("a: \"{{ fine }}\"\n").is_ok());
        assert_eq!(decode("# {{ a }}\nb: [\n").unwrap_err().kind, ProblemKind::Syntax);
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            laughs += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        assert_eq!(decode(&laughs).unwrap_err().kind, ProblemKind::Limit);
        let wide = format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(3_000), "*a, ".repeat(3_000));
        assert_eq!(decode(&wide).unwrap_err().kind, ProblemKind::Limit);
        for deep in ["[".repeat(20_000), "{a: ".repeat(20_000), "- ".repeat(20_000)] {
            assert_eq!(decode(&deep).unwrap_err().kind, ProblemKind::Limit);
        }
        let block: String = (0..3_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert_eq!(decode(&block).unwrap_err().kind, ProblemKind::Limit);
    }

    #[test]
    fn binary_data_is_no_text() {
        assert!(binary(b"\x7fELF\x02").is_some());
        assert!(binary(b"a: \xff\n").is_some());
        assert!(binary("a: \u{e4}\r\n\tb\n".as_bytes()).is_none());
    }
}
