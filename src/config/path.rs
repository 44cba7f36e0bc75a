//! Paths into a document, written one way: `spec.http[0].route[1].weight`.

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// Appends a key. Keys that would read as something else (`app.kubernetes.io/name`) are quoted: `labels["a.b"]`.
pub fn push_key(path: &mut String, key: &str) {
    if key.is_empty() || key.contains(['.', '[', ']', '"']) {
        path.push_str("[\"");
        path.push_str(key);
        path.push_str("\"]");
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}

pub fn push_index(path: &mut String, index: usize) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}

pub fn join(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) => push_key(&mut path, key),
            Step::Index(index) => push_index(&mut path, *index),
        }
    }
    path
}

/// Splits a path into its steps. Errors name what is wrong with the text.
pub fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("[\"") {
            let Some(end) = inside.find("\"]") else {
                return Err(format!("`{path}` opens `[\"` and does not close it"));
            };
            steps.push(Step::Key(inside[..end].to_owned()));
            rest = &inside[end + 2..];
        } else if let Some(inside) = rest.strip_prefix('[') {
            let Some(end) = inside.find(']') else {
                return Err(format!("`{path}` opens `[` and does not close it"));
            };
            let Ok(index) = inside[..end].parse() else {
                return Err(format!(
                    "`[{}]` is no place in a list; write `[0]` for its first item",
                    &inside[..end]
                ));
            };
            steps.push(Step::Index(index));
            rest = &inside[end + 1..];
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(format!("`{path}` has an empty step"));
            }
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        if let Some(after) = rest.strip_prefix('.') {
            if after.is_empty() {
                return Err(format!("`{path}` ends with a dot"));
            }
            rest = after;
        }
    }
    Ok(steps)
}

/// The path that holds this one: `spec.http` of `spec.http[0]`; `None` at the root.
pub fn parent(path: &str) -> Option<&str> {
    if path.is_empty() {
        return None;
    }
    let cut = if path.ends_with("\"]") {
        path.rfind("[\"")
    } else if path.ends_with(']') {
        path.rfind('[')
    } else {
        path.rfind('.')
    };
    Some(&path[..cut.unwrap_or(0)])
}

/// The word closest to `word` by edit distance, if it is close enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter_map(|candidate| {
            let distance =
                if candidate.eq_ignore_ascii_case(word) { 0 } else { edit_distance(word, candidate) };
            (distance <= limit).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, changes and swaps of neighbours that lead from `a` to `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Names longer than this are no typing errors of each other, and the table would grow with their product.
    if a.len().max(b.len()) > 64 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_the_round_trip() {
        for path in
            ["spec.http[0].route[1].weight", "metadata.labels[\"app.kubernetes.io/name\"]", "a[0][1].b", ""]
        {
            assert_eq!(join(&parse(path).unwrap()), path);
        }
    }

    #[test]
    fn broken_paths_say_what_is_broken() {
        for path in ["a[", "a[x]", ".a", "a..b", "a.", "a[\"b"] {
            assert!(parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn parents_drop_the_last_step() {
        assert_eq!(parent("spec.http[0]"), Some("spec.http"));
        assert_eq!(parent("labels[\"a.b\"]"), Some("labels"));
        assert_eq!(parent("spec"), Some(""));
        assert_eq!(parent(""), None);
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(did_you_mean("timeuot", ["timeout", "retries"]), Some("timeout"));
        assert_eq!(did_you_mean("replica", ["replicas", "zones"]), Some("replicas"));
        assert_eq!(did_you_mean("servicetime", ["serviceTime"]), Some("serviceTime"));
        assert_eq!(did_you_mean("queue", ["errors", "zones"]), None);
        assert_eq!(did_you_mean("v3", ["v1", "v2"]), Some("v1"));
    }
}
