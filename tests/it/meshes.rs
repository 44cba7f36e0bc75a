//! Meshes for tests, as the files that users write: given texts under names, and random ones out of a seed.
//!
//! A random mesh is small and wild: a few services that call one another downward, with every policy at limits that
//! are met, and with whatever may befall pods. The same seed makes the same mesh.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use meshcast::config::diagnostic::Severity;
use meshcast::config::load::{self, Files, ReadError, Request};
use meshcast::config::render;
use meshcast::kernel::random::{Purpose, draw};
use meshcast::mesh::Mesh;
use meshcast::resolve;

/// A scenario, and the files that it names.
#[derive(Clone, Debug, Default)]
pub struct Texts(pub BTreeMap<String, String>);

impl Files for Texts {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let text = self.0.get(path).cloned().map(String::into_bytes);
        text.ok_or_else(|| ReadError { path: path.to_owned(), reason: "no such file".to_owned() })
    }

    fn expand(&self, _: &str, pattern: &str) -> Result<Vec<String>, ReadError> {
        Ok(vec![pattern.to_owned()])
    }
}

impl Texts {
    /// `scenario.yaml` alone.
    pub fn scenario(text: &str) -> Texts {
        Texts(BTreeMap::from([("scenario.yaml".to_owned(), text.to_owned())]))
    }

    /// The mesh that they mean, or why they mean none.
    pub fn try_mesh(&self) -> Result<Mesh, String> {
        let request = Request { scenario: Some("scenario.yaml"), manifests: &[], sets: &[] };
        let loaded = load::load(&request, self);
        let resolved = resolve::mesh(&loaded);
        let errors: Vec<String> = loaded
            .diagnostics
            .iter()
            .chain(&resolved.diagnostics)
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| render::render(finding, &loaded.docs.sources, false))
            .collect();
        match (resolved.mesh, errors.is_empty()) {
            (Some(mesh), true) => Ok(mesh),
            _ => Err(errors.join("\n")),
        }
    }

    pub fn mesh(&self) -> Mesh {
        self.try_mesh().unwrap_or_else(|errors| panic!("{errors}\n{self}"))
    }
}

impl std::fmt::Display for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(name, text)| writeln!(f, "--- {name}\n{text}"))
    }
}

/// Numbers out of a seed, one after another.
pub struct Luck {
    seed: u64,
    taken: u64,
}

impl Luck {
    pub fn new(seed: u64) -> Luck {
        Luck { seed, taken: 0 }
    }

    /// In [0, end).
    pub fn below(&mut self, end: u64) -> u64 {
        self.taken += 1;
        draw(self.seed, Purpose::Request, self.taken) % end
    }

    /// In [low, high].
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True with so many chances in a hundred.
    pub fn percent(&mut self, chances: u64) -> bool {
        self.below(100) < chances
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// `items` in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

const ZONES: [&str; 3] = ["r1/a", "r1/b", "r2/c"];
/// Every condition that Envoy knows and Istio lets through.
const RETRY_ON: [&str; 11] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes,503",
    "connect-failure,refused-stream,unavailable,cancelled,503",
    "gateway-error,reset,404",
];

/// A random mesh's documents.
#[derive(Clone, Debug)]
pub struct RandomMesh {
    pub scenario: String,
    pub manifests: Vec<String>,
    /// Files that the timeline applies.
    pub steps: BTreeMap<String, String>,
}

impl RandomMesh {
    pub fn texts(&self) -> Texts {
        let mut files = self.steps.clone();
        files.insert("scenario.yaml".to_owned(), self.scenario.clone());
        files.insert("mesh.yaml".to_owned(), self.manifests.join("---\n"));
        Texts(files)
    }

    pub fn new(seed: u64) -> RandomMesh {
        let mut maker = Maker { luck: Luck::new(seed), services: Vec::new() };
        let count = maker.luck.between(1, 6) as usize;
        for _ in 0..count {
            let versions = maker.luck.between(1, 2);
            maker.services.push(versions);
        }
        maker.mesh()
    }
}

struct Maker {
    luck: Luck,
    /// Versions of each.
    services: Vec<u64>,
}

impl Maker {
    fn mesh(mut self) -> RandomMesh {
        let millis = self.luck.between(800, 2_500);
        let mut manifests = Vec::new();
        for service in 0..self.services.len() {
            manifests.push(self.destination_rule(service));
            if self.luck.percent(85) {
                manifests.push(self.virtual_service(service));
            }
        }
        let mut scenario = self.head(millis);
        scenario.push_str("workloads:\n");
        for service in 0..self.services.len() {
            for version in 1..=self.services[service] {
                let workload = self.workload(service, version, millis);
                scenario.push_str(&workload);
            }
        }
        scenario.push_str("clients:\n");
        for client in 0..self.luck.between(1, 2) {
            let text = self.client(client);
            scenario.push_str(&text);
        }
        let steps = self.timeline(&mut scenario, &manifests, millis);
        RandomMesh { scenario, manifests, steps }
    }

    fn head(&mut self, millis: u64) -> String {
        let luck = &mut self.luck;
        let latency = luck.one_of(&["0s", "0.25ms", "exponential(mean=0.5ms)", "uniform(0.1ms, 2ms)"]);
        let proxy = luck.one_of(&["0s", "0.1ms", "lognormal(p50=0.25ms, p99=0.45ms)"]);
        format!(
            "apiVersion: meshcast/v1\nkind: Scenario\nmetadata: {{name: random}}\nduration: {millis}ms\n\
             warmup: {}ms\nwindow: {}ms\ndrain: {}s\nmanifests: [mesh.yaml]\nnetwork: {{latency: \"{latency}\", \
             betweenRegions: 5ms}}\nproxy: {{workers: {}, latency: \"{proxy}\"}}\n\
             controlPlane: {{propagation: \"uniform(1ms, 200ms)\"}}\n",
            luck.below(300),
            luck.between(50, 400),
            luck.between(1, 60),
            luck.between(1, 4),
        )
    }

    fn destination(&mut self, service: usize) -> String {
        let versions = self.services[service];
        match self.luck.percent(60) {
            true => format!("{{host: s{service}, subset: v{}}}", self.luck.between(1, versions)),
            false => format!("{{host: s{service}}}"),
        }
    }

    fn destination_rule(&mut self, service: usize) -> String {
        let mut text = format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: s{service}}}\nspec:\n  \
             host: s{service}\n  trafficPolicy:\n"
        );
        let luck = &mut self.luck;
        let balancer = luck.one_of(&[
            "{simple: ROUND_ROBIN}",
            "{simple: LEAST_REQUEST}",
            "{simple: RANDOM}",
            "{consistentHash: {httpHeaderName: x-user}}",
            "{consistentHash: {httpHeaderName: x-user, maglev: {tableSize: 1009}}}",
        ]);
        let _ = writeln!(text, "    loadBalancer: {balancer}");
        if luck.percent(70) {
            text.push_str("    connectionPool:\n");
            let mut tcp = Vec::new();
            if luck.percent(50) {
                tcp.push(format!("maxConnections: {}", luck.between(1, 12)));
            }
            if luck.percent(40) {
                tcp.push(format!("connectTimeout: {}ms", luck.between(1, 30)));
            }
            if luck.percent(20) {
                tcp.push(format!("maxConnectionDuration: {}ms", luck.between(10, 400)));
            }
            let mut http = Vec::new();
            for (name, most) in [
                ("http1MaxPendingRequests", 8),
                ("http2MaxRequests", 16),
                ("maxRetries", 3),
                ("maxRequestsPerConnection", 5),
            ] {
                if luck.percent(50) {
                    http.push(format!("{name}: {}", luck.between(1, most)));
                }
            }
            if luck.percent(20) {
                http.push(format!("idleTimeout: {}ms", luck.between(5, 200)));
            }
            if luck.percent(30) {
                http.push("h2UpgradePolicy: UPGRADE".to_owned());
            }
            let _ = writeln!(text, "      tcp: {{{}}}\n      http: {{{}}}", tcp.join(", "), http.join(", "));
        }
        if luck.percent(60) {
            let split = luck.percent(25);
            let _ = writeln!(
                text,
                "    outlierDetection: {{consecutive5xxErrors: {}, consecutiveGatewayErrors: {}, \
                 splitExternalLocalOriginErrors: {split}, {}interval: {}ms, baseEjectionTime: {}ms, \
                 maxEjectionPercent: {}, minHealthPercent: {}}}",
                luck.between(1, 6),
                luck.between(0, 6),
                if split { "consecutiveLocalOriginFailures: 2, " } else { "" },
                luck.between(20, 400),
                luck.between(20, 400),
                luck.between(0, 100),
                luck.one_of(&["0", "30"]),
            );
        }
        text.push_str("  subsets:\n");
        for version in 1..=self.services[service] {
            let _ = writeln!(text, "  - {{name: v{version}, labels: {{version: v{version}}}}}");
        }
        text
    }

    fn virtual_service(&mut self, service: usize) -> String {
        let mut text = format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: s{service}}}\nspec:\n  \
             hosts: [s{service}]\n  http:\n"
        );
        if self.luck.percent(40) {
            let matched = self.luck.one_of(&[
                "{uri: {prefix: /a}}",
                "{headers: {x-user: {exact: u1}}}",
                "{method: {exact: POST}}",
                "{uri: {regex: \"/[ab].*\"}}",
            ]);
            let _ = writeln!(text, "  - match: [{matched}]");
            let route = self.route(service);
            text.push_str(&route);
        }
        let rest = self.route(service);
        text.push_str(&rest.replacen("    ", "  - ", 1));
        text
    }

    /// The part of a route behind its matches.
    fn route(&mut self, service: usize) -> String {
        let mut text = String::new();
        if self.luck.percent(60) && self.services[service] > 1 {
            let weight = self.luck.below(101);
            let _ = writeln!(
                text,
                "    route: [{{destination: {{host: s{service}, subset: v1}}, weight: {weight}}}, {{destination: \
                 {{host: s{service}, subset: v2}}, weight: {}}}]",
                100 - weight
            );
        } else {
            let destination = self.destination(service);
            let _ = writeln!(text, "    route: [{{destination: {destination}}}]");
        }
        if self.luck.percent(60) {
            let timeout = self.luck.between(3, 120);
            let _ = writeln!(text, "    timeout: {timeout}ms");
        }
        if self.luck.percent(75) {
            let luck = &mut self.luck;
            let per_try = match luck.percent(50) {
                true => format!(", perTryTimeout: {}ms", luck.between(1, 40)),
                false => String::new(),
            };
            let _ = writeln!(
                text,
                "    retries: {{attempts: {}, retryOn: \"{}\", backoff: {}ms{per_try}}}",
                luck.between(1, 4),
                luck.one_of(&RETRY_ON),
                luck.between(1, 30),
            );
        } else if self.luck.percent(30) {
            text.push_str("    retries: {attempts: 0}\n");
        }
        if self.luck.percent(25) {
            let luck = &mut self.luck;
            let mut faults = Vec::new();
            if luck.percent(60) {
                let (value, delay) = (luck.between(1, 100), luck.between(1, 30));
                faults.push(format!("delay: {{percentage: {{value: {value}}}, fixedDelay: {delay}ms}}"));
            }
            if luck.percent(60) || faults.is_empty() {
                let (value, status) = (luck.between(1, 30), luck.one_of(&["400", "500", "503"]));
                faults.push(format!("abort: {{percentage: {{value: {value}}}, httpStatus: {status}}}"));
            }
            let _ = writeln!(text, "    fault: {{{}}}", faults.join(", "));
        }
        if self.luck.percent(30) {
            let target = self.luck.between(service as u64, self.services.len() as u64 - 1) as usize;
            let mirror = self.destination(target);
            let share = self.luck.between(1, 100);
            let _ =
                writeln!(text, "    mirrors: [{{destination: {mirror}, percentage: {{value: {share}}}}}]");
        }
        text
    }

    fn service_time(&mut self) -> String {
        let mean = self.luck.between(1, 8);
        let p99 = 3 * mean + 1;
        let forms = [
            format!("{mean}ms"),
            "0s".to_owned(),
            format!("exponential(mean={mean}ms)"),
            format!("uniform(0s, {mean}ms)"),
            format!("lognormal(p50={mean}ms, p99={p99}ms)"),
            format!("gamma(mean={mean}ms, cv=2)"),
            format!("mixture(90=exponential(mean={mean}ms), 10=constant(40ms))"),
            format!("pareto(min={mean}ms, alpha=2.5)"),
        ];
        let index = self.luck.below(forms.len() as u64) as usize;
        forms[index].clone()
    }

    fn call(&mut self, service: usize) -> String {
        let target = self.luck.between(service as u64 + 1, self.services.len() as u64 - 1);
        let luck = &mut self.luck;
        let mut call = format!("call: \"http://s{target}/{}\"", luck.one_of(&["a", "b", "c"]));
        if luck.percent(20) {
            call.push_str(", method: POST");
        }
        if luck.percent(40) {
            let _ = write!(call, ", share: {}%", luck.between(1, 99));
        }
        if luck.percent(15) {
            call.push_str(", repeat: 2");
        }
        if luck.percent(40) {
            let _ = write!(call, ", timeout: {}ms", luck.between(2, 60));
        }
        if luck.percent(30) {
            let _ = write!(call, ", attempts: {}", luck.between(1, 3));
        }
        if luck.percent(60) {
            let _ = write!(call, ", onError: {}", luck.one_of(&["fail", "ignore", "502"]));
        }
        format!("{{{call}}}")
    }

    fn workload(&mut self, service: usize, version: u64, millis: u64) -> String {
        let time = self.service_time();
        let luck = &mut self.luck;
        let replicas = luck.between(1, 4);
        let zones: Vec<&str> = (0..luck.between(1, 2)).map(|_| luck.one_of(&ZONES)).collect();
        let mut text = format!(
            "  s{service}-v{version}:\n    service: s{service}:80\n    labels: {{app: s{service}, version: \
             v{version}}}\n    replicas: {replicas}\n    zones: [{}]\n    serviceTime: \"{time}\"\n",
            zones.join(", ")
        );
        let concurrency = match luck.percent(25) {
            true => "unlimited".to_owned(),
            false => luck.between(1, 8).to_string(),
        };
        let _ = writeln!(text, "    concurrency: {concurrency}");
        if luck.percent(50) {
            let _ = writeln!(text, "    queue: {}", luck.below(20));
        }
        for (chances, line) in [
            (30, "discipline: processor-sharing"),
            (50, "threading: async"),
            (15, "sidecar: false"),
            (40, "cancellation: true"),
            (20, "coldStart: {for: 200ms, slowdown: 3}"),
        ] {
            if luck.percent(chances) {
                let _ = writeln!(text, "    {line}");
            }
        }
        if luck.percent(50) {
            let own = if luck.percent(30) { ", serviceTime: 1ms" } else { "" };
            let (rate, status) = (luck.between(1, 40), luck.one_of(&["500", "503", "404"]));
            let _ = writeln!(text, "    errors: {{rate: {rate}%, status: {status}{own}}}");
        }
        if service + 1 < self.services.len() {
            let operations = self.operations(service);
            text.push_str(&operations);
        }
        if self.luck.percent(60) {
            text.push_str("    incidents:\n");
            for _ in 0..self.luck.between(1, 3) {
                let incident = self.incident(service, version, replicas, millis);
                let _ = writeln!(text, "      - {incident}");
            }
        }
        text
    }

    fn operations(&mut self, service: usize) -> String {
        if self.luck.percent(40) {
            let calls: Vec<String> = (0..self.luck.between(1, 2)).map(|_| self.call(service)).collect();
            return format!("    calls: [{}]\n", calls.join(", "));
        }
        let mut text = String::from("    operations:\n");
        if self.luck.percent(50) {
            let matched = self.luck.one_of(&["{path: /a*}", "{method: POST}", "{headers: {x-user: \"*\"}}"]);
            let _ = writeln!(text, "      - match: {matched}\n        steps:");
            self.steps(service, &mut text);
        }
        text.push_str("      - steps:\n");
        self.steps(service, &mut text);
        text
    }

    fn steps(&mut self, service: usize, text: &mut String) {
        for _ in 0..self.luck.between(1, 4) {
            let step = match self.luck.below(3) {
                0 => format!("work: \"{}\"", self.service_time()),
                1 => {
                    let call = self.call(service);
                    call[1..call.len() - 1].to_owned()
                }
                _ => {
                    let calls: Vec<String> =
                        (0..self.luck.between(1, 3)).map(|_| self.call(service)).collect();
                    format!("parallel: [{}]", calls.join(", "))
                }
            };
            let _ = writeln!(text, "          - {{{step}}}");
        }
    }

    fn incident(&mut self, service: usize, version: u64, replicas: u64, millis: u64) -> String {
        let luck = &mut self.luck;
        let at = luck.below(millis);
        let pods = match luck.below(3) {
            0 => String::new(),
            1 => format!(", pods: {}", luck.between(1, replicas)),
            _ => format!(", pods: [s{service}-v{version}-{}]", luck.below(replicas)),
        };
        let lasts = format!(", for: {}ms", luck.between(10, 600));
        let what = match luck.below(4) {
            0 => format!("{lasts}, errors: {{rate: {}%, status: 503}}", luck.between(30, 100)),
            1 => format!("{lasts}, slowdown: {}", luck.one_of(&["0.5", "4", "20"])),
            2 => format!("{lasts}, hang: true"),
            _ => {
                let of = luck.one_of(&["app", "pod", "node"]);
                format!(", crash: {{restart: {}ms, of: {of}}}", luck.between(10, 500))
            }
        };
        format!("{{at: {at}ms{pods}{what}}}")
    }

    fn client(&mut self, number: u64) -> String {
        let target = if number == 0 { 0 } else { self.luck.below(self.services.len() as u64) };
        let luck = &mut self.luck;
        let mut text = format!("  c{number}:\n");
        match luck.below(5) {
            0 if target > 0 => text.push_str("    workload: s0-v1\n"),
            1 => text.push_str("    sidecar: false\n    pods: 2\n"),
            _ => {
                let _ =
                    writeln!(text, "    pods: {}\n    zones: [{}]", luck.between(1, 4), luck.one_of(&ZONES));
            }
        }
        let rate = luck.between(50, 700);
        let load = match luck.below(6) {
            0 | 1 => format!("constant({rate}rps)"),
            2 => format!("poisson({rate}rps)"),
            3 => format!("\"bursty({rate}rps, cv=3)\""),
            4 => format!("{{profile: [{{at: 0s, rate: {rate}rps}}, {{at: 900ms, rate: 20rps}}]}}"),
            _ => {
                let think = luck.one_of(&["exponential(mean=20ms)", "0s", "5ms"]);
                format!("\"closed(users={}, think={think})\"", luck.between(1, 12))
            }
        };
        let _ = writeln!(text, "    load: {load}");
        if luck.percent(40) {
            let how = luck.one_of(&["header: x-user", "cookie: session", "sourceIp: true"]);
            let _ = writeln!(text, "    users: {{count: {}, {how}, without: 10%}}", luck.between(1, 50));
        }
        text.push_str("    requests:\n");
        for class in 0..luck.between(1, 3) {
            let method = luck.one_of(&["get", "post"]);
            let mut request = format!("{method}: \"http://s{target}/{}\"", ["a", "b", "c"][class as usize]);
            if luck.percent(40) {
                let _ = write!(request, ", timeout: {}ms", luck.between(3, 150));
            }
            if luck.percent(40) {
                let _ = write!(request, ", attempts: {}", luck.between(1, 3));
            }
            let _ = writeln!(text, "      - {{{request}}}");
        }
        text
    }

    /// Changes of the configuration while it runs; returns the files that they apply.
    fn timeline(
        &mut self,
        scenario: &mut String,
        manifests: &[String],
        millis: u64,
    ) -> BTreeMap<String, String> {
        let mut steps = BTreeMap::new();
        if self.luck.percent(50) {
            return steps;
        }
        scenario.push_str("timeline:\n");
        for number in 0..self.luck.between(1, 4) {
            let at = self.luck.below(millis);
            let service = self.luck.below(self.services.len() as u64) as usize;
            let routes = format!("metadata: {{name: s{service}}}\nspec:\n  hosts:");
            let is_routed = manifests.iter().any(|text| text.contains(&routes));
            if is_routed && steps.is_empty() && self.luck.percent(25) {
                // Only once, as what is gone cannot be deleted again.
                let _ = writeln!(scenario, "  - {{at: {}ms, delete: VirtualService/s{service}}}", millis - 1);
                steps.insert("deleted.yaml".to_owned(), "# nothing\n".to_owned());
                continue;
            }
            let file = format!("step-{number}.yaml");
            let text = match self.luck.percent(70) {
                true => self.virtual_service(service),
                false => self.destination_rule(service),
            };
            steps.insert(file.clone(), text);
            let _ = writeln!(scenario, "  - {{at: {at}ms, apply: {file}}}");
        }
        steps
    }
}
