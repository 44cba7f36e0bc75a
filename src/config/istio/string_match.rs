//! `StringMatch`: exact, prefix or regex, and the checks that Istio makes on it. Source: fields, StringMatch.

use serde::Deserialize;

use super::finding::Findings;
use crate::kernel::re2::Re2;

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

/// Why RE2 refuses a pattern. Asks the very translator by which requests are matched later, so that what passes here
/// compiles there.
pub fn check_regex(regex: &str) -> Result<(), String> {
    Re2::new(regex).map(|_| ()).map_err(|error| error.message)
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
    fn regexes_are_read_as_re2_reads_them() {
        for refused in ["a++", "(?x)a", "a{1001}", "(a{100}){11}", r"\u0041", r"(a)\1"] {
            assert!(check_regex(refused).is_err(), "{refused}");
        }
        for taken in [r"\Qa.b\E", "a{,3}", "{", r"\077", "[a&&[^b]+", "(a{100}){10}"] {
            assert_eq!(check_regex(taken), Ok(()), "{taken}");
        }
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
