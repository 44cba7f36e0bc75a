//! How texts are reached: by names of files, each relative to the directory of the one that names it.

/// How texts are read: `cli` gives the file system, tests a map.
pub trait Files {
    /// The bytes of a file; `-` is standard input.
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;
    /// The files that a pattern means: a file, a directory (recursive, `.yaml .yml .json`, sorted by name) or a glob,
    /// relative to the directory `base` (empty: the working directory). At least one, else an error.
    fn expand(&self, base: &str, pattern: &str) -> Result<Vec<String>, ReadError>;
}

/// Why a file cannot be read: "no such file or directory".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    pub path: String,
    pub reason: String,
}

/// `path` as seen from the directory `base`.
pub fn under(base: &str, path: &str) -> String {
    match base {
        "" => path.to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        base => format!("{}/{path}", base.trim_end_matches('/')),
    }
}

/// The directory that a file lies in; empty: the working directory.
pub fn directory(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash.max(1)])
}

/// The same file under one name: `./a//b/../c` is `a/c`.
pub fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_where_they_are_named() {
        assert_eq!(under("", "a.yaml"), "a.yaml");
        assert_eq!(under("s/", "a.yaml"), "s/a.yaml");
        assert_eq!(under("s", "/a.yaml"), "/a.yaml");
        assert_eq!(directory("s/t/a.yaml"), "s/t");
        assert_eq!((directory("a.yaml"), directory("/a.yaml")), ("", "/"));
        assert_eq!(tidy("./a//b/../c"), "a/c");
        assert_eq!((tidy("../../a"), tidy("/a/./b")), ("../../a".to_owned(), "/a/b".to_owned()));
    }
}
