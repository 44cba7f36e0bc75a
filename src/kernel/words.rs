//! Numbers and their nouns, for whatever people read.

use std::fmt::Display;

/// `1 pod`, `3 pods`, `0.5 pods`: the noun by the number as it is shown.
pub fn counted(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let noun = if number == "1" { one } else { many };
    format!("{number} {noun}")
}

/// With this many decimals, whole thousands apart: `300 214`, `1 068.4`.
pub fn grouped(value: f64, decimals: usize) -> String {
    let plain = format!("{:.decimals$}", value.abs());
    let (digits, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text.push_str(fraction);
    if value < 0.0 { format!("-{text}") } else { text }
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
