//! Patterns as RE2 reads them.

use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Re2::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(text)
}

fn refusal(pattern: &str) -> String {
    Re2::new(pattern).map(|_| ()).expect_err(pattern).message
}

#[test]
fn matches_are_full_matches() {
    assert!(matches("^(.*?;)?(user=jason)(;.*)?$", "a=1;user=jason;b=2"));
    assert!(!matches("user=jason", "user=jason2"));
    assert!(matches("a|b", "b"));
    assert!(!matches("a|b", "bc"));
    assert!(matches("(?i)abc", "ABC"));
}

#[test]
fn classes_hold_literals_as_in_re2() {
    assert!(matches("[a[b]+", "[ab"));
    assert!(matches("[a&&b]+", "&ab"));
    assert!(matches("[+--]+", ",-"));
    assert!(matches("[]a]+", "]a"));
    assert!(matches("[~~]", "~"));
    assert!(matches("[[:digit:]x]+", "1x"));
    assert!(matches(r"[\w.-]+", "a.b-c_9"));
    assert!(!matches("[^a-c]", "b"));
}

#[test]
fn escapes_mean_what_they_mean_in_re2() {
    assert!(matches(r"\Qa.b\E.", "a.bc"));
    assert!(!matches(r"\Qa.b\E", "axb"));
    assert!(matches(r"\<a\>", "<a>"));
    assert!(matches(r"\x41\x{42}\103", "ABC"));
    assert!(!matches(r"\d", "\u{663}"), "ASCII only");
    assert!(matches("a{,2}", "a{,2}"));
    assert!(matches(r"\pL", "é"));
}

#[test]
fn punctuation_stands_for_itself_in_and_out_of_classes() {
    for c in (b'!'..=b'~').filter(u8::is_ascii_punctuation).map(char::from) {
        let text = c.to_string();
        assert!(matches(&format!(r"\Q{c}\E"), &text), "{c}");
        assert!(matches(&format!(r"[a\{c}]").replace(r"\_", "_"), &text), "{c}");
    }
}

#[test]
fn what_re2_refuses_is_refused() {
    for pattern in [
        "a{1001}",
        "(?x)a",
        "(?=a)",
        "(?<!a)b",
        r"(a)\1",
        r"a\Z",
        r"\R",
        "a**",
        "a{2}{3}",
        "[z-a]",
        "(a",
        "[",
        "(a{100}){11}",
        "((a|b{20}){10}c){6}",
    ] {
        assert!(Re2::new(pattern).is_err(), "{pattern}");
    }
    for pattern in
        ["(a{100}){10}", "a{1000}b{1000}", "(a{20}){10,}(b{100}|c){10}(?i)d{1000}", "(a{10}){0,100}"]
    {
        assert!(Re2::new(pattern).is_ok(), "{pattern}");
    }
    assert!(refusal("a{1001}").contains("1000"));
    assert!(refusal("(?x)a").contains("flag `x`"));
    assert_eq!(Re2::new("ab(?=c)").expect_err("looks around").position, 2);
}

#[test]
fn replacements_name_groups_by_number() {
    let re2 = Re2::new("^/service/([^/]+)(/.*)$").expect("a pattern");
    assert_eq!(re2.replace_all("/service/foo/v1/api", r"\2/instance/\1"), "/v1/api/instance/foo");
    assert_eq!(Re2::new("a").expect("a pattern").replace_all("banana", r"<\0\\>"), r"b<a\>n<a\>n<a\>");
}
