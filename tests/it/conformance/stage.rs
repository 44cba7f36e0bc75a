//! One request on a stage: a scenario file and Istio's objects, run by the engine. The pods play a script, which is
//! nothing but incidents: at the moments in which the attempts come, they refuse, fail, break off or stand still.
//! The stage adds nothing to what users can write.

use meshcast::config;
use meshcast::kernel::SimDuration;
use meshcast::kernel::random::{Purpose, draw, entity_root};
use meshcast::mesh::{ClientId, Mesh, grpc};
use meshcast::metrics::Results;
use meshcast::metrics::results::{ClusterTotals, Counter};
use meshcast::policy::retry;
use meshcast::sim::{self, Plan};

use crate::texts::Texts;

/// When the request under test is born, in milliseconds.
pub const START: u64 = 1_000;

/// What a case may turn. The caller's proxy has one worker and takes no time.
pub struct Stage {
    /// Name of the server's port, which tells its protocol.
    pub port: &'static str,
    /// One way, in milliseconds.
    pub leg: u64,
    /// http rules of the server's VirtualService, as a YAML list.
    pub rules: String,
    /// trafficPolicy of its DestinationRule beside plain text, as the keys of a YAML mapping.
    pub policy: String,
    /// Its subsets, as a YAML list.
    pub subsets: &'static str,
    /// Keys of the server's workload.
    pub server: String,
    /// Of the server: it would answer for its app, and keep the caller's limits a second time.
    pub has_sidecar: bool,
    pub incidents: Vec<String>,
    /// More workloads, a line each.
    pub beside: String,
    /// When another request of the same proxy is born, to `/other`.
    pub other: Option<u64>,
    /// How long news of pods takes to the proxy.
    pub propagation: &'static str,
    pub seed: u64,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage {
            port: "http",
            leg: 0,
            rules: format!("[{TO_SERVER}}}]"),
            policy: String::new(),
            subsets: "[]",
            server: "serviceTime: 0s".to_owned(),
            has_sidecar: false,
            incidents: Vec::new(),
            beside: String::new(),
            other: None,
            propagation: "1000h",
            seed: 42,
        }
    }
}

/// The head of a rule that leads to the server; more keys and a brace follow.
pub const TO_SERVER: &str = "{route: [{destination: {host: server}}]";

/// What the caller of `/` got, and what its proxy counted for both requests.
#[derive(Debug)]
pub struct Seen {
    /// On the wire: of gRPC, 200.
    pub code: u16,
    pub grpc_status: Option<u16>,
    pub flags: String,
    pub total_ms: f64,
    clusters: Vec<(String, ClusterTotals)>,
}

impl Seen {
    pub fn count(&self, service: &str, counter: Counter) -> u64 {
        let rows = self.clusters.iter().filter(|(name, _)| name == service);
        rows.map(|(_, totals)| totals.counters[counter as usize]).sum()
    }
}

impl Stage {
    fn texts(&self) -> Texts {
        let client = |name: &str, path: &str| {
            format!(
                "  {name}: {{workload: caller, load: trace({name}.csv), requests: [{{get: \"http://server{path}\"}}]}}\n"
            )
        };
        let other = self.other.map_or(String::new(), |_| client("other", "/other"));
        let incidents = self.incidents.iter().map(|incident| format!("      - {incident}\n"));
        let incidents = match self.incidents.is_empty() {
            true => String::new(),
            false => format!("    incidents:\n{}", incidents.collect::<String>()),
        };
        let mut texts = Texts::scenario(&format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: case}}\nduration: 100s\nwarmup: 0s\ndrain: 10m\n\
             network: {{latency: {}ms}}\nproxy: {{workers: 1, latency: 0s, age: 0s}}\n\
             controlPlane: {{propagation: {}}}\nmanifests: [mesh.yaml]\nworkloads:\n\
             \x20 caller: {{labels: {{app: caller}}, replicas: 1, concurrency: unlimited, serviceTime: 0s}}\n{}\
             \x20 server:\n    labels: {{app: server}}\n    replicas: 1\n    concurrency: unlimited\n    sidecar: {}\n    {}\n{incidents}\
             clients:\n{other}{}",
            self.leg,
            self.propagation,
            self.beside,
            self.has_sidecar,
            self.server,
            client("web", "/"),
        ));
        let mut add = |name: &str, text: String| texts.0.insert(name.to_owned(), text);
        add(
            "mesh.yaml",
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: server}}\n\
                 spec: {{selector: {{app: server}}, ports: [{{name: {}, port: 80}}]}}\n---\n\
                 apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: server}}\n\
                 spec: {{hosts: [server], http: {}}}\n---\n\
                 apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: server}}\n\
                 spec: {{host: server, trafficPolicy: {{tls: {{mode: DISABLE}}{}}}, subsets: {}}}\n",
                self.port, self.rules, self.policy, self.subsets
            ),
        );
        let birth = |at: u64| format!("t_s\n{}\n", at as f64 / 1e3);
        add("web.csv", birth(START));
        add("other.csv", birth(self.other.unwrap_or(START)));
        texts
    }

    pub fn mesh(&self) -> Result<Mesh, String> {
        self.texts().try_mesh()
    }

    pub fn play(&self) -> Result<Seen, String> {
        self.play_on(&self.mesh()?)
    }

    pub fn play_on(&self, mesh: &Mesh) -> Result<Seen, String> {
        seen(sim::run(&Plan::compile(mesh), self.seed, 0))
    }
}

fn seen(results: Results) -> Result<Seen, String> {
    let row = results.requests.iter().find(|(key, _)| key.client == "web").ok_or("no request was made")?;
    let finished = &row.1.finished;
    let (outcome, 1) = finished.responses.first_key_value().ok_or("the request was not answered")? else {
        return Err(format!("one request, not {:?}", finished.responses));
    };
    let nanos = finished.all().mean().ok_or("no latency")?;
    let is_grpc = grpc::is_failure(outcome.code);
    Ok(Seen {
        code: if is_grpc { 200 } else { outcome.code },
        grpc_status: is_grpc.then_some(outcome.code),
        flags: outcome.flags.to_string(),
        total_ms: nanos / 1e6,
        clusters: results.clusters.into_iter().map(|(key, totals)| (key.service, totals)).collect(),
    })
}

/// A seed under which the request's back-offs are those of the given draws: draws are keyed, so none can be put in.
/// Source: design D2.
pub fn seed_of_backoffs(mesh: &Mesh, draws: &[u64]) -> u64 {
    let (base, max) = (SimDuration::from_millis(25), SimDuration::from_millis(250));
    let client = mesh.clients.ids().find(|id| mesh.clients[*id].name == "web").expect("the stage's client");
    let backoff = |draw: u64, nth: usize| retry::backoff(draw, nth as u32, base, max);
    let is_it = |seed: &u64| {
        let call = key_of_call(mesh, client, *seed);
        draws.iter().enumerate().all(|(nth, given)| {
            let attempt = draw(call, Purpose::Attempt, nth as u64 + 1);
            backoff(draw(attempt, Purpose::Backoff, 0), nth) == backoff(*given, nth)
        })
    };
    (0..).find(is_it).expect("there are many seeds")
}

fn key_of_call(mesh: &Mesh, client: ClientId, seed: u64) -> u64 {
    let fate = draw(entity_root(seed, 0, "client/web"), Purpose::Request, 0);
    let target = &mesh.clients[client].classes[0].target;
    draw(fate ^ target.name_hash, Purpose::Call, 0)
}

/// How one attempt fares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Try {
    Answers(u16),
    /// A gRPC call fails with this status.
    Grpc(&'static str),
    Refused,
    ConnectTimeout,
    /// By the word of the scenario's `reset:`.
    Breaks(&'static str),
    Hangs,
    /// Nothing is asked of the server.
    NoHost,
}

impl Try {
    pub fn parse(words: &str) -> Result<Try, String> {
        let first = words.split([' ', ',']).next().unwrap_or("");
        Ok(match first {
            "connect_failure" | "connection_failure" => Try::Refused,
            "connect_timeout" | "connection_timeout" => Try::ConnectTimeout,
            "connection_termination" => Try::Breaks("connection"),
            "remote_reset" | "reset" => Try::Breaks("stream"),
            "refused_stream" | "remote_refused_stream" => Try::Breaks("refused-stream"),
            "protocol_error" => Try::Breaks("protocol"),
            "hang" | "timeout" | "per_try_timeout" => Try::Hangs,
            "no" if words.starts_with("no host") => Try::NoHost,
            "grpc" => {
                let name = words.split([' ', ',']).nth(1).unwrap_or("");
                let known = config::grpc::failures().find(|known| *known == name);
                Try::Grpc(known.ok_or_else(|| format!("`{name}` is no gRPC status"))?)
            }
            _ => match first.parse() {
                Ok(status) => Try::Answers(status),
                Err(_) => return Err(format!("no attempt is known to fare like `{words}`")),
            },
        })
    }

    /// The protocol of the port on which that can happen.
    pub fn port(self) -> &'static str {
        match self {
            Try::Breaks("stream" | "refused-stream") => "http2",
            Try::Grpc(_) => "grpc",
            _ => "http",
        }
    }
}

/// One way of the script's stage, in milliseconds: attempts are far enough apart to have an incident each.
pub const LEG: u64 = 100;
/// `connectTimeout` of the script's stage, in milliseconds.
pub const CONNECT_TIMEOUT: u64 = 1_000;
/// Half of an incident, in milliseconds: longer than all the back-offs before it, which are drawn from windows of 1,
/// 2, 4, 8 and 10 ms.
const AROUND: u64 = 40;

/// The incidents that make the attempts fare so, one after the other. Attempts that are cut short cost an HTTP/1.1
/// connection its life, so each makes its own; over HTTP/2 the first one's stays.
pub fn script(tries: &[Try], per_try: Option<u64>) -> Vec<String> {
    let shares_connection = tries.iter().any(|each| each.port() != "http");
    let (mut at, mut is_connected, mut incidents) = (START, false, Vec::new());
    for each in tries {
        let connects = if is_connected && shares_connection { 0 } else { 2 * LEG };
        let arrives = at + connects + LEG;
        let mut add = |at: u64, what: String| {
            incidents.push(format!("{{at: {}ms, {what}}}", at - AROUND));
        };
        let crash = |of: &str| format!("crash: {{of: {of}, restart: {}ms}}", 2 * AROUND);
        let errors = |what: String| format!("for: {}ms, errors: {{rate: 100%, {what}}}", 2 * AROUND);
        match each {
            Try::Refused => add(at, crash("pod")),
            Try::ConnectTimeout => add(at, crash("node")),
            Try::Grpc(status) => add(arrives, errors(format!("status: {status}"))),
            Try::Answers(200) | Try::NoHost => {}
            Try::Answers(status) => add(arrives, errors(format!("status: {status}"))),
            Try::Breaks(word) => add(arrives, errors(format!("reset: {word}"))),
            Try::Hangs => add(arrives, errors("serviceTime: 1h".to_owned())),
        }
        at = match each {
            Try::Refused => at + 2 * LEG,
            Try::ConnectTimeout => at + CONNECT_TIMEOUT,
            Try::Hangs => at + connects + per_try.unwrap_or(0),
            _ => arrives + LEG,
        };
        is_connected |= !matches!(each, Try::Refused | Try::ConnectTimeout);
    }
    incidents
}
