//! Where two versions of a file differ first: a cell of a CSV, a line of other text, or bytes.

use std::fmt;

use super::stamp::File;

/// Characters of a line that are shown.
const MOST: usize = 100;

/// The first difference of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub path: String,
    /// Of both; 0 where lines mean nothing.
    pub line: usize,
    /// Column of a CSV.
    pub column: Option<String>,
    /// Whom the row is about, as far as it says.
    pub row: String,
    /// `None`: there is no such file, or no such line.
    pub before: Option<String>,
    pub after: Option<String>,
}

impl Difference {
    /// Between two lists of files, a difference for each that is not the same in both, sorted by path.
    pub fn all(before: &[File], after: &[File]) -> Vec<Difference> {
        let mut paths: Vec<&str> = before.iter().chain(after).map(|file| file.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        let of = |files: &[File], path: &str| {
            files.iter().find(|file| file.path == path).map(|file| file.bytes.clone())
        };
        let differ = |path: &str| match (of(before, path), of(after, path)) {
            (Some(before), Some(after)) => Difference::between(path, &before, &after),
            (before, after) => Some(Difference {
                path: path.to_owned(),
                line: 0,
                column: None,
                row: String::new(),
                before: before.map(|bytes| format!("{} bytes", bytes.len())),
                after: after.map(|bytes| format!("{} bytes", bytes.len())),
            }),
        };
        paths.into_iter().filter_map(differ).collect()
    }

    /// `None` if they are equal.
    fn between(path: &str, before: &[u8], after: &[u8]) -> Option<Difference> {
        if before == after {
            return None;
        }
        let found = |line, before: Option<&str>, after: Option<&str>| Difference {
            path: path.to_owned(),
            line,
            column: None,
            row: String::new(),
            before: before.map(shortened),
            after: after.map(shortened),
        };
        let (Ok(before), Ok(after)) = (std::str::from_utf8(before), std::str::from_utf8(after)) else {
            return Some(found(0, Some("bytes"), Some("other bytes")));
        };
        // Split by the line feed alone: a line that ends otherwise is another line.
        let (mut olds, mut news) = (before.split('\n'), after.split('\n'));
        let header = before.split('\n').next().unwrap_or_default();
        for line in 1.. {
            match (olds.next(), news.next()) {
                (None, None) => break,
                (old, new) if old == new => {}
                (Some(old), Some(new)) if path.ends_with(".csv") && line > 1 => {
                    return Some(in_row(header, old, new, found(line, Some(old), Some(new))));
                }
                (old, new) => return Some(found(line, old, new)),
            }
        }
        Some(found(0, Some("bytes"), Some("other bytes")))
    }
}

/// The first cell that differs, where both rows have the header's columns.
fn in_row(header: &str, before: &str, after: &str, whole: Difference) -> Difference {
    let (names, olds, news) = (cells(header), cells(before), cells(after));
    if olds.len() != names.len() || news.len() != names.len() {
        return whole;
    }
    let Some(at) = (0..names.len()).find(|at| olds[*at] != news[*at]) else { return whole };
    let is_word = |cell: &&String| !cell.is_empty() && cell.parse::<f64>().is_err();
    let row: Vec<String> = olds[..at].iter().filter(is_word).take(4).cloned().collect();
    Difference {
        column: Some(names[at].clone()),
        row: row.join(", "),
        before: Some(shortened(&olds[at])),
        after: Some(shortened(&news[at])),
        ..whole
    }
}

fn cells(row: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_bytes());
    let first = reader.records().next().and_then(Result::ok);
    first.map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default()
}

fn shortened(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// `clients.csv:3 (browser, all) latency_p99_ms: 107.9 -> 108.2`
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.row.is_empty() {
            write!(f, " ({})", self.row)?;
        }
        if let Some(column) = &self.column {
            write!(f, " {column}")?;
        }
        let told = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, ": {} -> {}", told(&self.before), told(&self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: impl AsRef<[u8]>) -> File {
        File { path: path.to_owned(), bytes: content.as_ref().to_vec() }
    }

    fn told(path: &str, before: &[u8], after: &[u8]) -> String {
        let found = Difference::all(&[file(path, before)], &[file(path, after)]);
        found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn tables_differ_in_a_cell() {
        let of = |p99: &str, more: &str| {
            format!("client,class,rps,p99_ms\nweb,\"a,b\",1,2\nweb,all,1,{p99}\n{more}")
        };
        let told = |before: String, after: String| told("clients.csv", before.as_bytes(), after.as_bytes());
        assert_eq!(told(of("7", ""), of("7", "")), "");
        assert_eq!(told(of("7.5", ""), of("8", "")), "clients.csv:3 (web, all) p99_ms: 7.5 -> 8");
        assert_eq!(told(of("7", ""), of("", "")), "clients.csv:3 (web, all) p99_ms: 7 -> ");
        assert_eq!(told(of("7", ""), of("7", "x,y,1,2\n")), "clients.csv:4:  -> x,y,1,2");
        assert_eq!(told(of("7", ""), of("7,1", "")), "clients.csv:3: web,all,1,7 -> web,all,1,7,1");
    }

    #[test]
    fn other_text_differs_in_a_line_and_the_rest_in_bytes() {
        assert_eq!(
            told("a.json", b"{\n  \"x\": 1\n}\n", b"{\n  \"x\": 2\n}\n"),
            "a.json:2: \"x\": 1 -> \"x\": 2"
        );
        assert_eq!(told("a.json", b"1\n", b"1"), "a.json:2:  -> nothing");
        assert_eq!(told("a.json", b"1\r\n", b"1\n"), "a.json:1: 1 -> 1");
        assert_eq!(told("a.png", b"\xff\x00", b"\xff\x01"), "a.png: bytes -> other bytes");
        assert!(told("a.svg", "é".repeat(200).as_bytes(), b"x").starts_with("a.svg:1: é"));
    }

    #[test]
    fn files_that_are_missing_are_told() {
        let found = Difference::all(&[file("b", "12"), file("c", "3")], &[file("a", "1"), file("c", "3")]);
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a: nothing -> 1 bytes", "b: 2 bytes -> nothing"]);
    }
}
