//! The input texts, under the names by which the user knows them.

use sha2::{Digest, Sha256};

use super::diagnostic::{SourceId, Span};

/// One input: a file, standard input, or what stood behind `--set`.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the user wrote it; `-` for standard input.
    pub name: String,
    /// Empty if the input is no text.
    pub text: String,
    /// Of the bytes as read, in hex; part of the stamp of design D2.
    pub sha256: String,
    /// Counts among the inputs of the stamp. `--set` does not: it is part of the command.
    pub is_file: bool,
    line_starts: Vec<usize>,
}

/// Line and column as editors count them: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// All inputs of one run, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    rows: Vec<Source>,
}

impl Sources {
    /// Adds a file whose bytes are no text.
    pub fn add_binary(&mut self, name: &str, bytes: &[u8]) -> SourceId {
        self.push(name, String::new(), sha256(bytes), true)
    }

    /// Adds a file.
    pub fn add_text(&mut self, name: &str, text: String) -> SourceId {
        let digest = sha256(text.as_bytes());
        self.push(name, text, digest, true)
    }

    /// Adds a text from the command line.
    pub fn add_argument(&mut self, name: &str, text: &str) -> SourceId {
        self.push(name, text.to_owned(), String::new(), false)
    }

    fn push(&mut self, name: &str, text: String, sha256: String, is_file: bool) -> SourceId {
        let id = SourceId(u32::try_from(self.rows.len()).expect("fewer than 2^32 inputs"));
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(index, _)| index + 1)).collect();
        self.rows.push(Source { name: name.to_owned(), text, sha256, is_file, line_starts });
        id
    }

    pub fn get(&self, id: SourceId) -> &Source {
        &self.rows[id.0 as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.rows.iter()
    }

    /// The input that was read under this name.
    pub fn find(&self, name: &str) -> Option<SourceId> {
        let index = self.rows.iter().position(|source| source.is_file && source.name == name)?;
        Some(SourceId(index as u32))
    }

    /// Where a span starts.
    pub fn position(&self, span: Span) -> Position {
        self.get(span.source).position(span.start)
    }

    /// The text that a span marks.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).text.get(span.start..span.end).unwrap_or("")
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Source {
    /// Line and column of a byte; past the end, those of the end.
    pub fn position(&self, byte: usize) -> Position {
        let byte = byte.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= byte) - 1;
        let before = self.text.get(self.line_starts[line]..byte).unwrap_or("");
        Position { line: line as u32 + 1, column: before.chars().count() as u32 + 1 }
    }

    /// The byte at which a line (from 1) starts; past the end, the text's length.
    pub fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let mut sources = Sources::default();
        let id = sources.add_text("a.yaml", "ä: b\nc: d".to_owned());
        let at = |start| sources.position(Span { source: id, start, end: start });
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(4), Position { line: 1, column: 4 });
        assert_eq!(at(6), Position { line: 2, column: 1 });
        assert_eq!(at(99), Position { line: 2, column: 5 });
    }

    #[test]
    fn files_carry_the_hash_of_their_bytes() {
        let mut sources = Sources::default();
        let id = sources.add_text("a", "abc".to_owned());
        assert!(sources.get(id).sha256.starts_with("ba7816bf8f01cfea"));
    }
}
