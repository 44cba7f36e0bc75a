//! Percentages (`10%`) and rates (`500rps`, `2krps`, `1mrps`).

use super::grammar::{Fault, Part, number};

/// A share in [0, 1], written as a percentage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(pub f64);

/// Requests per second, finite and above or equal to zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(pub f64);

/// Reads `10%` or `0.1%`; a bare number is refused, as 0.1 could mean either.
pub fn share(part: Part<'_>) -> Result<Share, Fault> {
    let Some(digits) = part.text.strip_suffix('%') else {
        let fault = part.fault(format!("`{}` is no percentage", part.text));
        return Err(match number(part) {
            Ok(value) if value > 0.0 && value <= 1.0 => fault
                .help(format!("write `{}%` for this share of all, or `{value}%` for less", value * 100.0)),
            Ok(value) => fault.help(format!("write `{value}%`")),
            Err(_) => fault.help("write it with a percent sign: `10%`"),
        });
    };
    let value = number(Part { text: digits.trim_end(), at: part.at })?;
    if !(0.0..=100.0).contains(&value) {
        return Err(part
            .fault(format!("`{}` lies outside 0 % to 100 %", part.text))
            .help("write a share such as `5%`"));
    }
    Ok(Share(value / 100.0))
}

/// Requests per second of one client.
pub const MOST_RPS: f64 = 1e7;

/// Reads `500rps`, `2krps` or `1mrps` (a million).
pub fn rate(part: Part<'_>) -> Result<Rate, Fault> {
    let lower = part.text.to_ascii_lowercase();
    let (digits, factor) = if let Some(digits) = lower.strip_suffix("krps") {
        (digits, 1e3)
    } else if let Some(digits) = lower.strip_suffix("mrps") {
        (digits, 1e6)
    } else if let Some(digits) = lower.strip_suffix("rps") {
        (digits, 1.0)
    } else {
        let fault = part.fault(format!("`{}` is no rate", part.text));
        return Err(match number(part) {
            Ok(value) => fault.help(format!("write `{value}rps`")),
            Err(_) => fault.help("write one as `500rps` or `2krps`"),
        });
    };
    let text = part.text[..digits.len()].trim_end();
    let value = number(Part { text, at: part.at })? * factor;
    // What is on its way is held in memory: a second of more than this takes gigabytes.
    if !(0.0..=MOST_RPS).contains(&value) {
        return Err(part
            .fault(format!("`{}` lies outside 0 to ten million requests per second", part.text))
            .help("write a rate such as `200rps` or `2krps`"));
    }
    Ok(Rate(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_need_their_sign() {
        assert_eq!(share(Part::whole("0.1%")), Ok(Share(0.001)));
        assert_eq!(share(Part::whole("10 %")), Ok(Share(0.1)));
        assert_eq!(share(Part::whole("5")).unwrap_err().help.unwrap(), "write `5%`");
        assert!(share(Part::whole("0.5")).unwrap_err().help.unwrap().contains("`50%`"));
        assert!(share(Part::whole("101%")).is_err());
        assert!(share(Part::whole("-1%")).is_err());
    }

    #[test]
    fn rates_have_three_units() {
        assert_eq!(rate(Part::whole("500rps")), Ok(Rate(500.0)));
        assert_eq!(rate(Part::whole("2krps")), Ok(Rate(2_000.0)));
        assert_eq!(rate(Part::whole("1.5mrps")), Ok(Rate(1_500_000.0)));
        assert_eq!(rate(Part::whole("500")).unwrap_err().help.unwrap(), "write `500rps`");
        assert!(rate(Part::whole("-5rps")).is_err());
    }
}
