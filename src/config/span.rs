//! Where each key and value of a document stands. Built from a second, position-keeping parse, and only for text that
//! the first parser accepted: that one refuses deep nesting and alias bombs, this one does not refuse them well.

use std::collections::BTreeMap;
use std::ops::Range;

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};

use super::path::{parent, push_index, push_key};

/// Byte ranges by path, relative to the piece of text.
#[derive(Clone, Debug, Default)]
pub struct SpanIndex {
    places: BTreeMap<String, Entry>,
    whole: Range<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None` for list items.
    key: Option<Range<usize>>,
    value: Range<usize>,
}

impl SpanIndex {
    /// `text` is one document that parses. If the second parser differs, every lookup answers the document's first line.
    pub fn new(text: &str) -> SpanIndex {
        let mut index = SpanIndex { places: BTreeMap::new(), whole: first_line(text) };
        let Ok(documents) = MarkedYaml::load_from_str(text) else { return index };
        let bytes = CharToByte::new(text);
        if let Some(root) = documents.first() {
            index.walk(root, None, String::new(), text, &bytes);
        }
        index
    }

    fn walk(
        &mut self,
        node: &MarkedYaml<'_>,
        key: Option<Range<usize>>,
        path: String,
        text: &str,
        bytes: &CharToByte,
    ) {
        let value = range(node, text, bytes);
        let mut data = &node.data;
        if let YamlData::Tagged(_, inner) = data {
            data = &inner.data;
        }
        match data {
            YamlData::Mapping(entries) => {
                for (name, child) in entries {
                    let Some(word) = key_text(name, text, bytes) else { continue };
                    let mut child_path = path.clone();
                    push_key(&mut child_path, &word);
                    self.walk(child, Some(range(name, text, bytes)), child_path, text, bytes);
                }
            }
            YamlData::Sequence(items) => {
                for (position, child) in items.iter().enumerate() {
                    let mut child_path = path.clone();
                    push_index(&mut child_path, position);
                    self.walk(child, None, child_path, text, bytes);
                }
            }
            _ => {}
        }
        self.places.insert(path, Entry { key, value });
    }

    /// The value at `path`, else that of its nearest parent that is written there.
    pub fn value(&self, path: &str) -> Range<usize> {
        self.nearest(path, |entry| Some(entry.value.clone()))
    }

    /// The key that ends `path`; for a list item, the item.
    pub fn key(&self, path: &str) -> Range<usize> {
        self.nearest(path, |entry| Some(entry.key.clone().unwrap_or_else(|| entry.value.clone())))
    }

    fn nearest(&self, path: &str, pick: impl Fn(&Entry) -> Option<Range<usize>>) -> Range<usize> {
        let mut path = path;
        loop {
            if path.is_empty() {
                return self.whole.clone();
            }
            if let Some(found) = self.places.get(path).and_then(&pick) {
                return found;
            }
            match parent(path) {
                Some(above) => path = above,
                None => return self.whole.clone(),
            }
        }
    }
}

/// The first line that holds more than a comment.
fn first_line(text: &str) -> Range<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let indent = line.len() - line.trim_start().len();
            return start + indent..start + indent + trimmed.len();
        }
        start += line.len();
    }
    0..0
}

/// Collections end where the next token starts, so their range is cut to their first line.
fn range(node: &MarkedYaml<'_>, text: &str, bytes: &CharToByte) -> Range<usize> {
    let start = bytes.at(node.span.start);
    let mut end = bytes.at(node.span.end).max(start);
    // The end mark of `[...]` and `{...}` stands before the closing bracket.
    if text[start..].starts_with(['[', '{']) && text[end..].starts_with([']', '}']) {
        end += 1;
    }
    let end = match text[start..end].find('\n') {
        Some(line) => start + line,
        None => end,
    };
    start..start + text[start..end].trim_end().len()
}

fn key_text(key: &MarkedYaml<'_>, text: &str, bytes: &CharToByte) -> Option<String> {
    match &key.data {
        YamlData::Value(Scalar::String(word)) => Some(word.to_string()),
        // Numbers, booleans: as they stand there, which is how the first parser prints them too.
        YamlData::Value(_) => Some(text[range(key, text, bytes)].to_owned()),
        _ => None,
    }
}

/// The parser counts characters, we count bytes.
struct CharToByte(Option<Vec<usize>>, usize);

impl CharToByte {
    fn new(text: &str) -> CharToByte {
        let table = (!text.is_ascii()).then(|| text.char_indices().map(|(byte, _)| byte).collect());
        CharToByte(table, text.len())
    }

    fn at(&self, mark: Marker) -> usize {
        match &self.0 {
            None => mark.index().min(self.1),
            Some(table) => table.get(mark.index()).copied().unwrap_or(self.1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
kind: VirtualService
spec:
  hosts: [reviews, 'ä']
  http:
  - route:
    - destination: {host: reviews, subset: v3}
      weight: 95
  labels: {app.kubernetes.io/name: x}
";

    fn at(range: Range<usize>) -> &'static str {
        &TEXT[range]
    }

    #[test]
    fn values_and_keys_are_found_by_path() {
        let index = SpanIndex::new(TEXT);
        assert_eq!(at(index.value("spec.http[0].route[0].destination.subset")), "v3");
        assert_eq!(at(index.key("spec.http[0].route[0].destination.subset")), "subset");
        assert_eq!(at(index.value("spec.http[0].route[0].weight")), "95");
        assert_eq!(at(index.value("spec.hosts[1]")), "'ä'");
        assert_eq!(at(index.value("spec.labels[\"app.kubernetes.io/name\"]")), "x");
    }

    #[test]
    fn what_is_not_there_falls_back_to_its_nearest_parent() {
        let index = SpanIndex::new(TEXT);
        assert_eq!(at(index.value("spec.hosts[7].x")), "[reviews, 'ä']");
        assert_eq!(at(index.value("nothing.at.all")), "kind: VirtualService");
        assert_eq!(at(index.key("spec.http[0].route[0].destination.port")), "destination");
    }

    #[test]
    fn an_alias_is_marked_where_it_is_used() {
        let text = "a: &x {b: 1}\nc: *x\n";
        let index = SpanIndex::new(text);
        assert_eq!(&text[index.value("c")], "*x");
    }
}
