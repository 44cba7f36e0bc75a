//! `StringMatch`: exact, prefix or regex, and the checks that Istio makes on it. Source: fields, StringMatch.

use serde::Deserialize;

use super::finding::Findings;

/// One condition on a text. All absent (`{}`): the header or parameter is present.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StringMatch {
    pub exact: Option<String>,
    pub prefix: Option<String>,
    pub regex: Option<String>,
}

impl StringMatch {
    /// `{}` or, as Istio reads it, the regex `*`.
    pub fn is_presence(&self) -> bool {
        match (&self.exact, &self.prefix, &self.regex) {
            (None, None, None) => true,
            (None, None, Some(regex)) => regex == "*",
            _ => false,
        }
    }

    /// `empty_prefix`: allowed for `uri` alone. `star`: the regex `*` as presence, allowed for `withoutHeaders`.
    pub fn validate(&self, path: &str, empty_prefix: bool, star: bool, findings: &mut Findings) {
        let given = [&self.exact, &self.prefix, &self.regex].iter().filter(|form| form.is_some()).count();
        if given > 1 {
            findings
                .refused(path, "several of exact, prefix and regex are given; a condition takes one of them");
        }
        if self.prefix.as_deref() == Some("") && !empty_prefix {
            findings
                .refused(
                    format!("{path}.prefix"),
                    "an empty prefix matches everything, which Istio refuses here",
                )
                .help("leave the condition out, or write `{}` to ask for presence");
        }
        let Some(regex) = &self.regex else { return };
        let here = format!("{path}.regex");
        if regex.is_empty() {
            findings.refused(here, "an empty regex, which Istio refuses");
        } else if regex == "*" && star {
            // Presence.
        } else if let Err(reason) = check_regex(regex) {
            findings.refused(here, format!("`{regex}` is no RE2 regex: {reason}"));
        }
    }
}

/// RE2 and our regex crate share their syntax; look-around and back-references exist in neither.
pub fn check_regex(regex: &str) -> Result<(), String> {
    match regex::Regex::new(regex) {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err("it is too large".into()),
        Err(error) => {
            // The last line of a syntax error says what is wrong; the lines before it draw where.
            let text = error.to_string();
            let line = text.lines().last().unwrap_or("it does not compile").trim();
            Err(line.strip_prefix("error: ").unwrap_or(line).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(yaml: &str, empty_prefix: bool) -> usize {
        let string_match: StringMatch = serde_yaml::from_str(yaml).unwrap();
        let mut findings = Findings::default();
        string_match.validate("m", empty_prefix, false, &mut findings);
        findings.0.len()
    }

    #[test]
    fn what_istio_refuses_is_found() {
        assert_eq!(count("exact: a", false), 0);
        assert_eq!(count("{}", false), 0);
        assert_eq!(count("prefix: ''", false), 1);
        assert_eq!(count("prefix: ''", true), 0);
        assert_eq!(count("regex: '(?!a)'", false), 1);
        assert_eq!(count("regex: ''", false), 1);
        assert_eq!(count("{exact: a, prefix: b}", false), 1);
    }

    #[test]
    fn values_must_be_text() {
        // Documents are decoded from values: text that was never quoted keeps its YAML type.
        let decode = |yaml: &str| {
            serde_yaml::from_value::<StringMatch>(serde_yaml::from_str(yaml).expect("this is YAML"))
        };
        assert!(decode("exact: true").is_err());
        assert!(decode("exact: null").unwrap().is_presence());
    }
}
