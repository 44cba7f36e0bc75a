//! Golden kinds of whole requests, run by the engine: retries, timeouts, faults, mirrors and missing clusters as the
//! caller sees them. Source: semantics S3.4, S9, S10, S11, S12.

use meshcast::mesh::routing::Action;
use meshcast::metrics::results::Counter;
use serde::Deserialize;

use super::stage::{self, CONNECT_TIMEOUT, LEG, START, Seen, Stage, TO_SERVER, Try, script};

/// Time in whole milliseconds, as the cases tell it.
fn millis(seen: &Seen) -> u64 {
    seen.total_ms.round() as u64
}

/// The `retries` block that a case asks for. `ISTIO_DEFAULT` is what stands there if nothing is written.
fn retries(attempts: u32, retry_on: Option<&str>, codes: &[u16], more: &str) -> String {
    if attempts == 0 {
        return "retries: {attempts: 0}".to_owned();
    }
    let words = retry_on.filter(|words| *words != "ISTIO_DEFAULT").into_iter().map(str::to_owned);
    let words: Vec<String> = words.chain(codes.iter().map(u16::to_string)).collect();
    let on = if words.is_empty() { String::new() } else { format!(", retryOn: \"{}\"", words.join(",")) };
    format!("retries: {{attempts: {attempts}{on}{more}}}")
}

fn per_try(timeout: Option<u64>) -> String {
    let given = timeout.filter(|timeout| *timeout > 0);
    given.map_or(String::new(), |timeout| format!(", perTryTimeout: {timeout}ms"))
}

/// A rule to the server with these keys.
fn rule(keys: &[String]) -> String {
    let keys: String = keys.iter().filter(|key| !key.is_empty()).map(|key| format!(", {key}")).collect();
    format!("{TO_SERVER}{keys}}}")
}

/// The rule for the other request, which must not meet what is tested. With `retries` it retries whatever goes wrong.
fn other_rule(retries: u32) -> String {
    let grpc = "cancelled,deadline-exceeded,internal,resource-exhausted,unavailable";
    let codes: String = (400..500).map(|code| format!(",{code}")).collect();
    let on = format!(", retryOn: \"5xx,connect-failure,reset,{grpc}{codes}\", backoff: 1ms");
    let retries = format!("retries: {{attempts: {retries}{}}}", if retries > 0 { &on } else { "" });
    format!("{{match: [{{uri: {{exact: /other}}}}], route: [{{destination: {{host: server}}}}], {retries}}}")
}

fn timeout(millis: Option<u64>) -> String {
    millis.filter(|millis| *millis > 0).map_or(String::new(), |millis| format!("timeout: {millis}ms"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    attempts: u32,
    retry_on: String,
    #[serde(default)]
    codes: Vec<u16>,
    per_try_timeout_ms: Option<u64>,
    timeout_ms: Option<u64>,
    /// Another request holds the only retry that is allowed.
    #[serde(default)]
    max_retries_full: bool,
    panic_threshold: Option<u32>,
    results: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    code: u16,
    flags: String,
    tries: u64,
}

pub fn retry_outcome(input: Retries) -> Result<Tried, String> {
    let tries = input.results.iter().map(|words| Try::parse(words)).collect::<Result<Vec<_>, _>>()?;
    let ejects = input.results.iter().any(|words| words.contains("ejects"));
    let more = format!("{}, backoff: 1ms", per_try(input.per_try_timeout_ms));
    let tested = rule(&[
        retries(input.attempts, Some(&input.retry_on), &input.codes, &more),
        timeout(input.timeout_ms),
    ]);
    let mut policy = vec![format!("tcp: {{connectTimeout: {CONNECT_TIMEOUT}ms}}")];
    if input.max_retries_full {
        policy.push("http: {maxRetries: 1}".to_owned());
    }
    let mut policy = format!(", connectionPool: {{{}}}", policy.join(", "));
    if ejects {
        let health = input.panic_threshold.unwrap_or(0);
        policy += &format!(
            ", outlierDetection: {{consecutive5xxErrors: 1, maxEjectionPercent: 100, minHealthPercent: {health}}}"
        );
    }
    // A first try that goes well goes well with the other request, too, which then holds no retry.
    let others =
        u64::from(input.max_retries_full && !matches!(tries.first(), None | Some(Try::Answers(..400))));
    let seen = Stage {
        port: tries.iter().map(|each| each.port()).find(|port| *port != "http").unwrap_or("http"),
        leg: LEG,
        rules: format!("[{}, {tested}]", other_rule(others as u32)),
        policy,
        incidents: script(&tries, input.per_try_timeout_ms),
        // A little earlier, so that it fares alike and has its retry when the tested one asks for its own.
        other: input.max_retries_full.then_some(START - 5),
        ..Stage::default()
    }
    .play()?;
    let tries = 1 + seen.count("server", Counter::Retries) - others;
    Ok(Tried { code: seen.code, flags: seen.flags, tries })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    timeout_ms: Option<u64>,
    upstream_ms: Option<u64>,
    per_try_timeout_ms: Option<u64>,
    connect_timeout_ms: Option<u64>,
    connects: Option<bool>,
    /// How long the request waits for the pool's only connection.
    pending_ms: Option<u64>,
    attempts: Option<u32>,
    retry_on: Option<String>,
    results: Option<Results>,
    #[serde(default)]
    backoff_draws: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Results {
    Words(String),
    List(Vec<String>),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    code: u16,
    flags: String,
    total_ms: u64,
}

/// What the server does to every attempt, as keys of its workload.
fn steady(results: Option<&Results>, upstream: u64) -> Result<String, String> {
    let errors = |status: u16, millis: u64| {
        format!("serviceTime: 0s\n    errors: {{rate: 100%, status: {status}, serviceTime: {millis}ms}}")
    };
    match results {
        None => Ok(format!("serviceTime: {upstream}ms")),
        // always 503 after 100 ms
        Some(Results::Words(words)) => match words.split(' ').collect::<Vec<_>>()[..] {
            ["always", status, "after", millis, "ms"] => {
                let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{words}`: {error}"));
                Ok(errors(number(status)? as u16, number(millis)?))
            }
            _ => Err(format!("no server is known to answer `{words}`")),
        },
        Some(Results::List(list)) if list.iter().all(|each| each == "hang") => {
            Ok("serviceTime: 1h".to_owned())
        }
        Some(Results::List(list)) if list.iter().all(|each| *each == list[0]) => {
            match Try::parse(&list[0])? {
                Try::Answers(status) if status >= 400 => Ok(errors(status, upstream)),
                other => Err(format!("no server is known to do {other:?} all the time")),
            }
        }
        Some(Results::List(list)) => Err(format!("no server is known to answer {list:?} without a script")),
    }
}

pub fn timeout_outcome(input: Timeouts) -> Result<Timed, String> {
    let server = steady(input.results.as_ref(), input.upstream_ms.unwrap_or(0))?;
    // Without a policy of its own a case asks for none, but for the limit of each try.
    let attempts = input.attempts.unwrap_or(u32::from(input.per_try_timeout_ms > Some(0)));
    let retries = retries(attempts, input.retry_on.as_deref(), &[], &per_try(input.per_try_timeout_ms));
    let mut pool = vec![format!("connectTimeout: {}ms", input.connect_timeout_ms.unwrap_or(10_000))];
    let mut stage = Stage::default();
    if let Some(pending) = input.pending_ms {
        pool.push("maxConnections: 1".to_owned());
        stage.other = Some(START);
        stage.server = format!(
            "{server}\n    operations: [{{match: {{path: /other}}, steps: [{{work: {pending}ms}}]}}]"
        );
    } else {
        stage.server = server;
    }
    stage.rules = format!("[{}, {}]", other_rule(0), rule(&[retries, timeout(input.timeout_ms)]));
    stage.policy = format!(", connectionPool: {{tcp: {{{}}}}}", pool.join(", "));
    if input.connects == Some(false) {
        stage.incidents.push("{at: 0s, crash: {of: node, restart: 1h}}".to_owned());
    }
    let mesh = stage.mesh()?;
    if !input.backoff_draws.is_empty() {
        // Three of them take long to find, and no case gets to see its third.
        let relevant = input.backoff_draws.len().min(2);
        stage.seed = stage::seed_of_backoffs(&mesh, &input.backoff_draws[..relevant]);
    }
    let seen = stage.play_on(&mesh)?;
    Ok(Timed { code: seen.code, total_ms: millis(&seen), flags: seen.flags })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    delay_ms: Option<u64>,
    #[serde(default)]
    delay: bool,
    abort: Option<u16>,
    abort_grpc: Option<String>,
    timeout_ms: Option<u64>,
    /// At the hop before.
    caller_timeout_ms: Option<u64>,
    upstream_ms: Option<u64>,
    retry_on: Option<String>,
    attempts: Option<u32>,
    /// The rule answers by itself.
    route: Option<String>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// What a case tells of the answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faulted {
    code: u16,
    flags: String,
    total_ms: Option<u64>,
    tries: Option<u64>,
    grpc_status: Option<u16>,
}

pub fn fault_outcome(input: Faults, expected: &Faulted) -> Result<(), String> {
    let mut fault = Vec::new();
    if let Some(delay) = input.delay_ms.filter(|_| input.delay) {
        fault.push(format!("delay: {{fixedDelay: {delay}ms, percentage: {{value: 100}}}}"));
    }
    if let Some(status) = input.abort {
        fault.push(format!("abort: {{httpStatus: {status}, percentage: {{value: 100}}}}"));
    }
    if let Some(status) = &input.abort_grpc {
        fault.push(format!("abort: {{grpcStatus: {status}, percentage: {{value: 100}}}}"));
    }
    let retries = input.attempts.map_or(String::new(), |n| retries(n, input.retry_on.as_deref(), &[], ""));
    let fault = if fault.is_empty() { String::new() } else { format!("fault: {{{}}}", fault.join(", ")) };
    let keys = [fault, retries, timeout(input.timeout_ms)];
    let mut stage = Stage {
        port: if input.abort_grpc.is_some() { "grpc" } else { "http" },
        server: format!("serviceTime: {}ms", input.upstream_ms.unwrap_or(0)),
        ..Stage::default()
    };
    stage.rules = format!("[{}]", rule(&keys));
    if let Some(limit) = input.caller_timeout_ms {
        stage.has_sidecar = true;
        // The server calls itself through its own proxy, which meets the fault; the first hop has the timeout.
        stage.server += "\n    operations: [{match: {path: /}, steps: [{call: \"http://server/second\"}]}]";
        let second =
            format!("{{match: [{{uri: {{exact: /second}}}}], {}", rule(&keys).trim_start_matches('{'));
        stage.rules = format!("[{second}, {}]", rule(&[format!("timeout: {limit}ms")]));
    }
    let mut mesh = stage.mesh()?;
    if input.route.is_some() {
        // Istio refuses a fault beside an answer of the rule's own; Envoy takes it, and so does the engine.
        for table in mesh.tables.ids().collect::<Vec<_>>() {
            let hosts = mesh.tables[table].listeners.values_mut().flatten();
            hosts.flat_map(|host| &mut host.routes).for_each(|route| route.action = Action::Respond(301));
        }
    }
    let seen = stage.play_on(&mesh)?;
    let is_same = seen.code == expected.code
        && seen.flags == expected.flags
        && expected.total_ms.is_none_or(|total| total == millis(&seen))
        && expected.tries.is_none_or(|tries| tries == seen.count("server", Counter::Attempts))
        // A call that went well ends with status 0.
        && expected.grpc_status.filter(|status| *status > 0) == seen.grpc_status;
    if is_same { Ok(()) } else { Err(format!("got {seen:?}")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirrored {
    /// How the main request fares.
    main: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Copies {
    copies: u64,
}

pub fn mirror_send(input: Mirrored) -> Result<Copies, String> {
    let mut stage = Stage {
        beside: "  shadow: {service: shadow:80, replicas: 1, concurrency: unlimited, serviceTime: 0s}\n"
            .into(),
        leg: LEG,
        ..Stage::default()
    };
    let mut fault = String::new();
    let down = "{at: 0s, crash: {of: pod, restart: 1h}}".to_owned();
    let errors = |status: u16| format!("serviceTime: 0s\n    errors: {{rate: 100%, status: {status}}}");
    let mut limit = String::new();
    let status = input
        .main
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|digits| digits.parse::<u16>().ok().filter(|status| (400..600).contains(status)));
    match input.main.as_str() {
        main if main.contains("fault") && main.contains("delay") => {
            fault = "fault: {delay: {fixedDelay: 1s, percentage: {value: 100}}}".into()
        }
        main if main.contains("fault") => {
            fault = "fault: {abort: {httpStatus: 503, percentage: {value: 100}}}".into()
        }
        main if main.contains("no healthy host") => {
            stage.incidents.push(down);
            stage.propagation = "0s";
        }
        main if main.contains("refused") => stage.incidents.push(down),
        main if main.contains("overflow") => {
            stage.other = Some(START);
            stage.policy = ", connectionPool: {http: {http1MaxPendingRequests: 1}}".to_owned();
        }
        main if main.contains("timeout") => {
            stage.server = "serviceTime: 1h".to_owned();
            limit = "timeout: 1s".into();
        }
        main if main.contains("terminat") || main.contains("reset") => {
            stage.server = "serviceTime: 0s\n    errors: {rate: 100%, reset: connection}".to_owned();
        }
        main if main.contains("retr") || status.is_some() => stage.server = errors(status.unwrap_or(503)),
        main if main.contains("200") || main.contains("answer") => {}
        other => return Err(format!("no request is known to fare like `{other}`")),
    }
    let keys = [fault, "mirror: {host: shadow}".into(), limit, retries(2, Some("5xx"), &[], "")];
    stage.rules = format!("[{}, {}]", other_rule(0), rule(&keys));
    let seen = stage.play()?;
    Ok(Copies { copies: seen.count("shadow", Counter::Mirrored) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picked {
    /// The destination that the weights chose.
    picked: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    code: u16,
    flag: String,
}

pub fn outcome(input: Picked) -> Result<Answer, String> {
    let mut stage = Stage::default();
    let speaks_of = |words: &[&str]| words.iter().any(|word| input.picked.to_lowercase().contains(word));
    let destination = if speaks_of(&["dns"]) {
        return Err(format!("no destination is known that is a `{}`", input.picked));
    } else if speaks_of(&[
        "not defined",
        "undefined",
        "no destinationrule",
        "unknown subset",
        "missing subset",
    ]) {
        "{host: server, subset: nowhere}"
    } else if speaks_of(&["registry", "unknown service", "unknown host", "does not exist"]) {
        "{host: nowhere}"
    } else if speaks_of(&[
        "no pod",
        "no endpoint",
        "without hosts",
        "without endpoints",
        "without pods",
        "empty",
    ]) {
        stage.subsets = "[{name: empty, labels: {version: none}}]";
        "{host: server, subset: empty}"
    } else if speaks_of(&["healthy host", "no host", "ejected"]) {
        stage.incidents.push("{at: 0s, crash: {of: pod, restart: 1h}}".to_owned());
        stage.propagation = "0s";
        "{host: server}"
    } else {
        return Err(format!("no destination is known that is a `{}`", input.picked));
    };
    stage.rules = format!("[{{route: [{{destination: {destination}}}]}}]");
    let seen = stage.play()?;
    Ok(Answer { code: seen.code, flag: seen.flags })
}

/// Behind a sidecar an app that breaks off is a plain answer, which a policy for resets leaves alone.
/// Source: semantics S15.3, S19 (21).
#[test]
fn a_sidecar_answers_for_its_app() {
    let of = |word: &str, has_sidecar: bool| {
        let stage = Stage {
            rules: format!("[{}]", rule(&[retries(2, Some("reset"), &[], "")])),
            server: format!("serviceTime: 0s\n    errors: {{rate: 100%, reset: {word}}}"),
            has_sidecar,
            ..Stage::default()
        };
        let seen = stage.play().expect("a scenario");
        (seen.code, seen.flags.clone(), seen.count("server", Counter::Retries))
    };
    assert_eq!(of("connection", false), (503, "URX,UC".to_owned(), 2));
    assert_eq!(of("connection", true), (503, "-".to_owned(), 0));
    assert_eq!(of("protocol", true), (502, "-".to_owned(), 0));
}
