//! What one object's own text gets wrong, before it is seen together with others: a path into the document instead
//! of a place, so that the checks need no text. Whoever holds the positions turns them into diagnostics.

use super::values::{Duration, Int};
use crate::config::diagnostic::Severity;
use crate::config::path::push_key;
use crate::kernel::SimDuration;

/// Istio's code for what its webhook refuses.
pub const REFUSED: &str = "IST0106";
/// Istio's code for what its webhook warns about.
pub const SCHEMA_WARNING: &str = "IST0133";
/// Istio's code for deprecated fields.
pub const DEPRECATED: &str = "IST0002";

/// One finding, at a path like `spec.http[0].route[1].weight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

/// Something that the object asks for and that is not simulated. `what` says what it would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmodelled {
    pub path: String,
    pub what: String,
}

/// Collects findings while a document is walked.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// The webhook or Envoy refuses the object.
    pub fn refused(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Finding {
        self.add(path.into(), Severity::Error, REFUSED, message.into())
    }

    /// Legal, but it does not do what one might think.
    pub fn warn(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Finding {
        self.add(path.into(), Severity::Warning, code, message.into())
    }

    fn add(&mut self, path: String, severity: Severity, code: &'static str, message: String) -> &mut Finding {
        self.0.push(Finding { path, severity, code, message, help: None });
        self.0.last_mut().expect("one was pushed just now")
    }

    /// Parses a duration that must be at least 1 ms with no finer part, as Istio's webhook asks.
    pub fn duration(&mut self, path: &str, duration: Option<&Duration>) -> Option<SimDuration> {
        let length = self.any_duration(path, duration)?;
        let text = &duration?.0;
        if length.nanos() < 1_000_000 {
            self.refused(path, format!("`{text}` is shorter than 1ms, the least that Istio takes here"));
        } else if length.nanos() % 1_000_000 != 0 {
            self.refused(path, format!("`{text}` is finer than whole milliseconds, which Istio refuses"));
        }
        Some(length)
    }

    /// Parses a duration that may be zero.
    pub fn any_duration(&mut self, path: &str, duration: Option<&Duration>) -> Option<SimDuration> {
        match duration?.parse() {
            Ok(length) => Some(length),
            Err(fault) => {
                self.refused(path, fault.message).help = fault.help;
                None
            }
        }
    }

    /// A number that must lie in `low..=high`.
    pub fn range(&mut self, path: &str, number: Option<Int>, low: i64, high: i64) {
        if let Some(Int(number)) = number
            && !(low..=high).contains(&number)
        {
            let limits = match high {
                i64::MAX => format!("must be at least {low}"),
                _ => format!("must lie between {low} and {high}"),
            };
            self.refused(path, format!("{number} is out of range: it {limits}"));
        }
    }

    /// A count that the wire holds in 32 bits, where a negative one makes no sense.
    pub fn count(&mut self, path: &str, number: Option<Int>) {
        self.range(path, number, 0, i64::from(i32::MAX));
    }

    /// A port number.
    pub fn port(&mut self, path: &str, number: Option<Int>) {
        self.range(path, number, 1, 65_535);
    }

    /// A percentage with decimals. Below 0.0001 Istio takes only 0.
    pub fn percent(&mut self, path: &str, percent: Option<f64>) {
        if let Some(value) = percent {
            if !(0.0..=100.0).contains(&value) {
                self.refused(path, format!("{value} is no percentage: it must lie between 0 and 100"));
            } else if value > 0.0 && value < 0.0001 {
                self.refused(
                    path,
                    format!("{value} is finer than 0.0001, the least share that Envoy can draw"),
                );
            }
        }
    }

    /// A DNS label (subset names, namespaces).
    pub fn dns_label(&mut self, path: &str, name: &str) {
        if !is_dns_label(name) {
            self.refused(
                path,
                format!("`{name}` is no DNS label: lower case letters, digits and `-`, at most 63, no `-` at the ends"),
            );
        }
    }

    /// A host name that may start with a wildcard label.
    pub fn host(&mut self, path: &str, host: &str) {
        if let Some(reason) = host_fault(host) {
            self.refused(path, format!("`{host}` is no host name: {reason}"));
        }
    }

    /// `exportTo`: `*` stands alone, `.` or namespaces, nothing twice.
    pub fn export_to(&mut self, path: &str, list: &[String]) {
        for (index, entry) in list.iter().enumerate() {
            let here = format!("{path}[{index}]");
            if list[..index].contains(entry) {
                self.refused(&here, format!("`{entry}` is listed twice"));
            } else if entry == "*" && list.len() > 1 {
                self.refused(&here, "`*` exports to all namespaces and must stand alone");
            } else if entry == "~" {
                self.refused(&here, "`~` exports to nobody and is allowed only in a ServiceEntry");
            } else if entry != "*" && entry != "." {
                self.dns_label(&here, entry);
            }
        }
    }
}

impl Finding {
    pub fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

/// The path of a map's key, quoted where it must be.
pub fn key(path: &str, key: &str) -> String {
    let mut path = path.to_owned();
    push_key(&mut path, key);
    path
}

pub fn is_dns_label(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Why a text is no host name, or `None` if it is one. IP addresses are hosts too.
fn host_fault(host: &str) -> Option<&'static str> {
    if host == "*" || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    if host.is_empty() {
        return Some("it is empty");
    }
    if host.contains("://") {
        return Some("leave out the scheme");
    }
    if host.contains(':') {
        return Some("leave out the port");
    }
    if host.contains('/') {
        return Some("leave out the path");
    }
    let rest = host.strip_prefix("*.").unwrap_or(host).trim_end_matches('.');
    // Istio takes a leading partial wildcard (`*-canary.example.com`) too.
    let rest = rest.strip_prefix('*').unwrap_or(rest);
    if rest.contains('*') {
        return Some("`*` may stand only at its start");
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if rest.split('.').all(label) { None } else { Some("its parts take letters, digits and `-`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart_from_urls() {
        assert_eq!(host_fault("reviews"), None);
        assert_eq!(host_fault("*.example.com"), None);
        assert_eq!(host_fault("10.0.0.1"), None);
        assert!(host_fault("a.*.com").is_some());
        assert!(host_fault("http://a").is_some());
        assert!(host_fault("a:80").is_some());
        assert!(host_fault("a b").is_some());
    }

    #[test]
    fn limits_are_inclusive() {
        let mut findings = Findings::default();
        findings.percent("p", Some(100.0));
        findings.port("q", Some(Int(65_535)));
        assert_eq!(findings.0, []);
        findings.percent("p", Some(100.1));
        findings.port("q", Some(Int(0)));
        findings.duration("d", Some(&Duration("100us".into())));
        assert_eq!(findings.0.len(), 3);
    }
}
