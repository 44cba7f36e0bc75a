//! Random meshes out of a seed, as the files that users write.
//!
//! Such a mesh is small and wild: a few services that call one another downward, with every policy at limits that
//! are met, and with whatever may befall pods. The same seed makes the same mesh.

mod pods;
mod policies;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use meshcast::kernel::random::{Purpose, draw};

use crate::texts::Texts;

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
        // Drawn last, so that the rest of a mesh is what it was.
        match self.luck.below(6) {
            0 => scenario.push_str("dataPlane: ambient\n"),
            1 => {
                let replicas = self.luck.between(1, 4);
                let _ = writeln!(
                    scenario,
                    "dataPlane: ambient\nwaypoints: {{waypoint: {{replicas: {replicas}}}}}"
                );
            }
            2 => scenario.push_str("dataPlane: proxyless\n"),
            _ => {}
        }
        self.scalings(&mut scenario, millis);
        RandomMesh { scenario, manifests, steps }
    }

    /// Pods that come and go; the first service keeps one, as clients may start there.
    fn scalings(&mut self, scenario: &mut String, millis: u64) {
        if self.luck.percent(50) {
            return;
        }
        let mut entries = String::from("timeline:\n");
        for _ in 0..self.luck.between(1, 5) {
            let service = self.luck.below(self.services.len() as u64);
            let version = self.luck.between(1, self.services[service as usize]);
            let (at, pods) = (self.luck.below(millis), self.luck.between(u64::from(service == 0), 6));
            let workload = format!("s{service}-v{version}");
            let _ = writeln!(entries, "  - {{at: {at}ms, set: workloads.{workload}.replicas={pods}}}");
            let head = format!("  {workload}:\n");
            let (startup, shutdown) = (self.luck.below(400), self.luck.below(300));
            let life = format!("{head}    startup: {startup}ms\n    shutdown: {shutdown}ms\n");
            if !scenario.contains(&format!("{head}    startup")) {
                *scenario = scenario.replacen(&head, &life, 1);
            }
        }
        match scenario.contains("timeline:\n") {
            true => *scenario = scenario.replacen("timeline:\n", &entries, 1),
            false => scenario.push_str(&entries),
        }
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
