//! Counts with their nouns, for whatever people read.

use std::fmt::Display;

/// `1 pod`, `3 pods`, `0.5 pods`: the noun by the number as it is shown.
pub fn counted(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let noun = if number == "1" { one } else { many };
    format!("{number} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_is_singular() {
        let pods = |number: &str| counted(number, "pod", "pods");
        assert_eq!(
            ["0", "1", "0.5", "1.5", "21"].map(pods).join(", "),
            "0 pods, 1 pod, 0.5 pods, 1.5 pods, 21 pods"
        );
        assert_eq!(counted(1u32, "proxy", "proxies"), "1 proxy");
    }
}
