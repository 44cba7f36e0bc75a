//! The checks of the parts of one http rule: destination, redirect, answer, rewrite, retries, fault and mirrors.
//! Source: lint, WH-VS-12 to WH-VS-25; semantics S2.6, S9.1, S11, S12.

use super::finding::{DEPRECATED, Findings, SCHEMA_WARNING};
use super::string_match::check_regex;
use super::values::Destination;
use super::virtual_service::{DirectResponse, Fault, HttpRoute, Redirect, Retries, Rewrite};
use crate::config::grpc;
use crate::config::path::did_you_mean;

/// What Envoy and Istio know as `retryOn` words, HTTP and gRPC alike.
const RETRY_WORDS: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

pub fn check_destination(path: &str, destination: Option<&Destination>, out: &mut Findings) {
    let Some(destination) = destination else {
        out.refused(path, "it names no destination").help("write `destination: {host: ...}`");
        return;
    };
    let path = format!("{path}.destination");
    match destination.host.as_deref() {
        None | Some("") => {
            out.refused(&path, "the destination names no host");
        }
        Some("*") => {
            out.refused(format!("{path}.host"), "a destination is one service; `*` is none");
        }
        Some(host) => out.host(&format!("{path}.host"), host),
    }
    if let Some(subset) = destination.subset.as_deref().filter(|subset| !subset.is_empty()) {
        out.dns_label(&format!("{path}.subset"), subset);
    }
    if let Some(port) = &destination.port {
        out.port(&format!("{path}.port.number"), port.number);
    }
}

pub fn check_redirect(rule: &HttpRoute, redirect: &Redirect, path: &str, out: &mut Findings) {
    if redirect.uri.is_some() && redirect.prefix_rewrite.is_some() {
        out.refused(path, "redirect takes uri or prefixRewrite, not both");
    }
    if redirect.prefix_rewrite.is_some()
        && !rule.matches.iter().all(|m| m.uri.as_ref().is_some_and(|uri| uri.prefix.is_some()))
    {
        out.refused(
            format!("{path}.prefixRewrite"),
            "prefixRewrite needs a uri prefix in every match of the rule",
        );
    }
    if redirect.uri.is_none()
        && redirect.prefix_rewrite.is_none()
        && redirect.authority.is_none()
        && redirect.port.is_none()
        && redirect.scheme.is_none()
    {
        out.refused(path, "the redirect changes nothing: give uri, prefixRewrite, authority, port or scheme");
    }
    if let Some(code) = redirect.redirect_code
        && ![301, 302, 303, 307, 308].contains(&code.0)
    {
        out.refused(format!("{path}.redirectCode"), format!("{} is no redirect that Envoy writes", code.0))
            .help("use 301, 302, 303, 307 or 308");
    }
    if let Some(scheme) = &redirect.scheme
        && scheme != "http"
        && scheme != "https"
    {
        out.refused(format!("{path}.scheme"), format!("`{scheme}` is neither http nor https"));
    }
}

pub fn check_response(response: &DirectResponse, path: &str, out: &mut Findings) {
    match response.status {
        None => {
            out.refused(path, "directResponse needs a status");
        }
        status => out.range(&format!("{path}.status"), status, 200, 599),
    }
}

pub fn check_rewrite(rewrite: &Rewrite, path: &str, out: &mut Findings) {
    match (&rewrite.uri, &rewrite.uri_regex_rewrite, &rewrite.authority) {
        (None, None, None) => {
            out.refused(path, "the rewrite changes nothing: give uri, uriRegexRewrite or authority");
        }
        (Some(_), Some(_), _) => {
            out.refused(path, "rewrite takes uri or uriRegexRewrite, not both");
        }
        _ => {}
    }
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        match &regex.pattern {
            None => {
                out.refused(format!("{path}.uriRegexRewrite"), "uriRegexRewrite needs a match");
            }
            Some(pattern) => {
                if let Err(reason) = check_regex(pattern) {
                    out.refused(
                        format!("{path}.uriRegexRewrite.match"),
                        format!("`{pattern}` is no RE2 regex: {reason}"),
                    );
                }
            }
        }
    }
}

pub fn check_retries(rule: &HttpRoute, retries: &Retries, path: &str, out: &mut Findings) {
    out.count(&format!("{path}.attempts"), retries.attempts);
    let per_try = out.duration(&format!("{path}.perTryTimeout"), retries.per_try_timeout.as_ref());
    out.duration(&format!("{path}.backoff"), retries.backoff.as_ref());
    let attempts = retries.attempts.map_or(0, |attempts| attempts.0);
    if attempts <= 0 {
        let extra = [
            ("perTryTimeout", retries.per_try_timeout.is_some()),
            ("retryOn", retries.retry_on.as_ref().is_some_and(|on| !on.is_empty())),
            ("retryRemoteLocalities", retries.retry_remote_localities.is_some()),
        ];
        if let Some((name, _)) = extra.iter().find(|(_, given)| *given) {
            out.refused(format!("{path}.{name}"), format!("{name} needs attempts of at least 1"))
                .help("add `attempts: 2`, or take the field out");
        } else if retries.attempts.is_none() {
            out.warn("MS2001", path, "retries without attempts turns retries off")
                .help("write `attempts: 0` if that is meant; without the block Istio retries twice");
        }
    }
    if let Some(words) = &retries.retry_on {
        // The webhook does not trim blanks, so `5xx, reset` holds the unknown word ` reset`.
        for word in words.split(',').filter(|_| !words.is_empty()) {
            let status = word.parse::<u16>().is_ok_and(|code| (100..=599).contains(&code));
            if !status && !RETRY_WORDS.contains(&word) {
                let finding =
                    out.refused(format!("{path}.retryOn"), format!("`{word}` is no retry condition"));
                if RETRY_WORDS.contains(&word.trim()) {
                    finding.help("take out the blank beside the comma");
                }
            }
        }
    }
    if let (Some(per_try), Some(timeout)) = (per_try, rule.timeout.as_ref().and_then(|t| t.parse().ok()))
        && attempts > 0
    {
        if per_try >= timeout {
            out.warn(
                "MS-04",
                format!("{path}.perTryTimeout"),
                "perTryTimeout is not below the rule's timeout, so it never fires",
            );
        } else if per_try * (attempts as u64 + 1) > timeout {
            out.warn(
                "MS-04",
                format!("{path}.perTryTimeout"),
                format!("{} tries of {per_try} do not fit into the timeout of {timeout}", attempts + 1),
            )
            .help("the last tries are cut off; raise the timeout or lower perTryTimeout or attempts");
        }
    }
}

pub fn check_fault(fault: &Fault, path: &str, out: &mut Findings) {
    if fault.delay.is_none() && fault.abort.is_none() {
        out.refused(path, "fault has neither delay nor abort");
    }
    if let Some(delay) = &fault.delay {
        let path = format!("{path}.delay");
        out.percent(&format!("{path}.percentage.value"), delay.percentage.as_ref().and_then(|p| p.value));
        out.range(&format!("{path}.percent"), delay.percent, 0, 100);
        if delay.exponential_delay.is_some() {
            out.refused(format!("{path}.exponentialDelay"), "exponentialDelay is not supported by Istio")
                .help("use fixedDelay");
        } else if delay.fixed_delay.is_none() {
            out.refused(&path, "delay needs fixedDelay");
        }
        out.duration(&format!("{path}.fixedDelay"), delay.fixed_delay.as_ref());
        if delay.percent.is_some() {
            out.warn(DEPRECATED, format!("{path}.percent"), "percent is deprecated")
                .help("use `percentage: {value: ...}`");
        } else if delay.percentage.as_ref().and_then(|p| p.value).is_none() {
            out.warn("MS-02", &path, "a delay without percentage delays no request")
                .help("add `percentage: {value: 100}` to delay all");
        }
    }
    if let Some(abort) = &fault.abort {
        let path = format!("{path}.abort");
        out.percent(&format!("{path}.percentage.value"), abort.percentage.as_ref().and_then(|p| p.value));
        out.range(&format!("{path}.httpStatus"), abort.http_status, 200, 599);
        if let Some(status) = &abort.grpc_status
            && grpc::by_name(status).is_none()
        {
            let near = did_you_mean(status, grpc::failures()).unwrap_or("UNAVAILABLE");
            out.refused(format!("{path}.grpcStatus"), format!("`{status}` is no gRPC status"))
                .help(format!("write one such as {near}"));
        }
        if abort.http2_error.is_some() {
            out.refused(format!("{path}.http2Error"), "http2Error is not supported by Istio")
                .help("use httpStatus");
        } else if abort.http_status.is_none() && abort.grpc_status.is_none() {
            out.warn(SCHEMA_WARNING, &path, "an abort without httpStatus aborts no request");
        } else if abort.percentage.as_ref().and_then(|p| p.value).is_none() {
            out.warn("MS-02", &path, "an abort without percentage aborts no request")
                .help("add `percentage: {value: 100}` to abort all");
        }
    }
}

pub fn check_mirrors(rule: &HttpRoute, path: &str, out: &mut Findings) {
    if rule.mirror.is_some() && !rule.mirrors.is_empty() {
        out.refused(format!("{path}.mirrors"), "a rule takes mirror or mirrors, not both");
    }
    let percent = rule.mirror_percentage.as_ref().and_then(|p| p.value);
    out.percent(&format!("{path}.mirrorPercentage.value"), percent);
    out.range(&format!("{path}.mirrorPercent"), rule.mirror_percent, 0, 100);
    out.range(&format!("{path}.mirror_percent"), rule.mirror_percent_snake, 0, 100);
    if rule.mirror_percent.is_some() {
        out.warn(SCHEMA_WARNING, format!("{path}.mirrorPercent"), "mirrorPercent is deprecated")
            .help("use `mirrorPercentage: {value: ...}`");
    }
    if let Some(mirror) = &rule.mirror {
        let here = format!("{path}.mirror");
        match mirror.host.as_deref() {
            None | Some("") => {
                out.refused(&here, "the mirror names no host");
            }
            Some(host) => out.host(&format!("{here}.host"), host),
        }
    } else if percent.is_some() || rule.mirror_percent.is_some() {
        out.warn(
            "MS1012",
            format!("{path}.mirrorPercentage"),
            "a mirror percentage without mirror does nothing",
        );
    }
    for (index, mirror) in rule.mirrors.iter().enumerate() {
        let here = format!("{path}.mirrors[{index}]");
        check_destination(&here, mirror.destination.as_ref(), out);
        out.percent(&format!("{here}.percentage.value"), mirror.percentage.as_ref().and_then(|p| p.value));
    }
}
