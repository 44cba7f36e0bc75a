//! Small meshes for the engine's own tests: one client before a chain of services.

use std::num::NonZeroU32;

use crate::kernel::arrivals::Load;
use crate::kernel::distribution::Distribution;
use crate::kernel::random::{Chance, name_hash};
use crate::kernel::{Id, SimDuration, SimTime, Table};
use crate::mesh::model::*;
use crate::mesh::policy_spec::*;
use crate::mesh::routing::*;
use crate::mesh::workload::*;
use crate::mesh::*;

/// What a test may turn.
pub struct Chain {
    pub hops: usize,
    pub pods: u32,
    pub concurrency: u32,
    pub load: Load,
    pub service: Distribution,
    pub errors: f64,
    pub retry: Option<RetrySpec>,
    pub timeout: Option<SimDuration>,
    pub outlier: Option<OutlierSpec>,
    pub breakers: CircuitBreakers,
    pub balancer: &'static str,
    pub duration: SimDuration,
    pub latency: Distribution,
    /// Share of the first hop's calls that are mirrored onto the same cluster.
    pub mirrored_percent: Option<f64>,
    pub incidents: Vec<Incident>,
    pub discipline: Discipline,
    /// Limits that the pods' own sidecars keep.
    pub inbound: Option<CircuitBreakers>,
    pub inbound_retry: Option<RetrySpec>,
}

pub const UNLIMITED: CircuitBreakers = CircuitBreakers {
    max_connections: u32::MAX,
    max_pending_requests: u32::MAX,
    max_requests: u32::MAX,
    max_retries: u32::MAX,
    retry_budget: None,
};

impl Default for Chain {
    fn default() -> Chain {
        Chain {
            hops: 1,
            pods: 1,
            concurrency: 1,
            load: Load::Poisson { rate: 800.0 },
            service: Distribution::Exponential { mean: SimDuration::from_millis(1) },
            errors: 0.0,
            retry: None,
            timeout: None,
            outlier: None,
            breakers: UNLIMITED,
            balancer: "LEAST_REQUEST",
            duration: SimDuration::from_secs(100),
            latency: Distribution::Constant(SimDuration::ZERO),
            mirrored_percent: None,
            incidents: Vec::new(),
            discipline: Discipline::Fifo,
            inbound: None,
            inbound_retry: None,
        }
    }
}

pub fn retry(attempts: u32, words: &[&str]) -> RetrySpec {
    let on = words.iter().map(|word| RetryOn::word(word).expect("a condition"));
    RetrySpec {
        attempts: NonZeroU32::new(attempts).expect("some"),
        on: on.fold(RetryOn::default(), RetryOn::union),
        status_codes: Vec::new(),
        per_try_timeout: None,
        base_interval: SimDuration::from_millis(25),
        max_interval: SimDuration::from_millis(250),
        avoid_previous_hosts: true,
        host_selection_attempts: 5,
        remote_localities: false,
    }
}

fn inbound(service: ServiceId, limits: &CircuitBreakers) -> Inbound {
    Inbound {
        service,
        port: 80,
        limits: Limits { breakers: limits.clone(), connection: HTTP1 },
        later: Vec::new(),
    }
}

const HTTP1: ConnectionSpec = ConnectionSpec {
    protocol: Protocol::Http1,
    connect_timeout: SimDuration::from_secs(10),
    max_requests_per_connection: None,
    max_concurrent_streams: 1,
    idle_timeout: Some(SimDuration::from_secs(3600)),
    max_connection_duration: None,
};

fn target(hop: usize) -> Target {
    let host = format!("s{hop}");
    let name_hash = name_hash(&format!("GET {host}:80/"));
    let service = Some(ServiceId::from_index(hop));
    Target {
        method: "GET".into(),
        host,
        service,
        port: 80,
        path: "/".into(),
        query: String::new(),
        name_hash,
    }
}

impl Chain {
    pub fn mesh(&self) -> Mesh {
        let zero = Distribution::Constant(SimDuration::ZERO);
        let one = NonZeroU32::MIN;
        let mut zones = Table::new();
        let zone = zones.push(Zone { region: "r".into(), name: "z".into() });
        let mut mesh = Mesh {
            name: "chain".into(),
            run: RunSpec {
                duration: self.duration,
                warmup: self.duration / 20,
                drain: SimDuration::from_secs(60),
                window: SimDuration::from_secs(1),
                seed: 42,
                replications: one,
            },
            network: NetworkSpec {
                latency: self.latency.clone(),
                between_zones: zero.clone(),
                between_regions: zero.clone(),
            },
            proxy: ProxySpec {
                workers: one,
                latency: zero.clone(),
                ztunnel_latency: zero.clone(),
                age: zero.clone(),
                inbound_retry: self.inbound_retry.clone(),
                inbound_grpc_retry: None,
                marks_copies: false,
            },
            propagation: zero,
            zones,
            services: Table::new(),
            workloads: Table::new(),
            pods: Table::new(),
            proxies: Table::new(),
            waypoints: Table::new(),
            doors: Table::new(),
            clients: Table::new(),
            calls: Table::new(),
            clusters: Table::new(),
            tables: Table::new(),
            states: Table::new(),
            objectives: Vec::new(),
        };
        let proxy = |name: String, source: &str| Proxy {
            name,
            source: source.to_owned(),
            kind: ProxyKind::Sidecar,
            zone,
            address: "10.9.9.9".to_owned(),
        };
        let client = mesh.proxies.push(proxy("web-0".into(), "web"));
        let mut hosts = Vec::new();
        for hop in 0..self.hops {
            self.add_hop(&mut mesh, hop);
            let pods: Vec<PodId> = mesh.pods.ids().skip(hop * self.pods as usize).collect();
            for pod in &pods {
                let name = mesh.pods[*pod].name.clone();
                let source = format!("w{hop}");
                mesh.pods[*pod].proxy = Some(mesh.proxies.push(proxy(name, &source)));
            }
            hosts.push(self.virtual_host(&mut mesh, hop, &pods));
        }
        let table = mesh.tables.push(RouteTable {
            view: "all".into(),
            listeners: [(80, hosts)].into(),
            ..RouteTable::default()
        });
        let tables = mesh.proxies.ids().map(|_| table).collect();
        mesh.states.push(ConfigState {
            at: SimTime::ZERO,
            label: "start".into(),
            is_push: true,
            tables,
            doors: Table::new(),
        });
        mesh.clients.push(Client {
            name: "web".into(),
            kind: ClientKind::Sidecar,
            proxies: vec![client],
            connections: None,
            load: self.load.clone(),
            classes: vec![Class {
                connect: None,
                name: "GET /".into(),
                share: 1.0,
                target: target(0),
                headers: Vec::new(),
                timeout: None,
                attempts: one,
            }],
            users: None,
        });
        mesh
    }

    fn add_hop(&self, mesh: &mut Mesh, hop: usize) {
        let service = mesh.services.push(Service {
            name: format!("s{hop}"),
            namespace: "default".into(),
            host: format!("s{hop}"),
        });
        let owner = WorkloadId::from_index(hop);
        let mut steps = vec![Step::Work(self.service.clone())];
        if hop + 1 < self.hops {
            let call = mesh.calls.push(CallSpec {
                owner,
                target: target(hop + 1),
                index: 0,
                share: Chance::ALWAYS,
                timeout: None,
                attempts: NonZeroU32::MIN,
                headers: Vec::new(),
                on_error: OnError::Fail(500),
            });
            steps.push(Step::Calls(vec![call]));
        }
        mesh.workloads.push(Workload {
            name: format!("w{hop}"),
            namespace: "default".into(),
            labels: Vec::new(),
            services: vec![service],
            data_plane: DataPlane::Bare,
            concurrency: NonZeroU32::new(self.concurrency),
            queue: None,
            discipline: self.discipline,
            threading: Threading::Async,
            errors: (self.errors > 0.0).then(|| ErrorSpec {
                rate: Chance::new(self.errors),
                ending: Ending::Status(503),
                service_time: None,
            }),
            operations: vec![Operation { condition: None, steps }],
            incidents: self.incidents.clone(),
            life: PodLife::default(),
            cold_start: None,
            cancellation: false,
            keep_alive: None,
            forward_headers: None,
            inbound: self.inbound.iter().map(|limits| inbound(service, limits)).collect(),
            guessed: Vec::new(),
        });
        for ordinal in 0..self.pods {
            mesh.pods.push(Pod {
                name: format!("w{hop}-{ordinal}"),
                workload: owner,
                ordinal,
                zone: ZoneId::from_index(0),
                address: format!("10.0.{hop}.{ordinal}:80"),
                proxy: None,
            });
        }
    }

    fn virtual_host(&self, mesh: &mut Mesh, hop: usize, pods: &[PodId]) -> VirtualHost {
        let service = ServiceId::from_index(hop);
        let cluster = mesh.clusters.push(Cluster {
            name: format!("outbound|80||s{hop}"),
            service,
            port: 80,
            subset: String::new(),
            hosts: pods.iter().map(|pod| Host { pod: *pod, weight: 1, tls: false, refusal: None }).collect(),
            connection: HTTP1,
            breakers: self.breakers.clone(),
            balancer: BalancerSpec::plain(self.balancer),
            localities: None,
            lists_unready: false,
            outlier: self.outlier.clone(),
        });
        VirtualHost {
            name: format!("s{hop}:80"),
            domains: vec![format!("s{hop}")],
            routes: vec![Route {
                rule: None,
                condition: RouteMatch::default(),
                action: Action::Forward(vec![Destination {
                    weight: 0,
                    cluster: Some(cluster),
                    door: None,
                    service: ServiceRef::Known(service),
                    port: 80,
                    subset: String::new(),
                    request_headers: HeaderOps::default(),
                }]),
                fault: None,
                timeout: self.timeout,
                retry: self.retry.clone(),
                hash: Vec::new(),
                mirrors: self
                    .mirrored_percent
                    .map(|percent| Mirror {
                        share: Fraction::of_percent(percent),
                        cluster: Some(cluster),
                        service: ServiceRef::Known(service),
                        port: 80,
                        subset: String::new(),
                    })
                    .into_iter()
                    .collect(),
                rewrite: Rewrite::default(),
                request_headers: HeaderOps::default(),
            }],
        }
    }
}

mod tests {
    use super::*;
    use crate::metrics::results::{Counter, Results};
    use crate::sim::{Plan, Run, run};

    fn of(chain: &Chain) -> Results {
        of_mesh(&chain.mesh())
    }

    fn of_mesh(mesh: &Mesh) -> Results {
        run(&Plan::compile(mesh), 42, 0)
    }

    fn mean_millis(results: &Results) -> f64 {
        let row = results.requests.values().next().expect("one class");
        row.finished.ok.mean().expect("requests") / 1e6
    }

    #[test]
    fn a_single_server_keeps_to_theory() {
        let mean = mean_millis(&of(&Chain { duration: SimDuration::from_secs(1000), ..Chain::default() }));
        assert!((mean - 5.0).abs() < 0.3, "{mean}");
    }

    #[test]
    fn retries_add_up_to_a_geometric_sum() {
        let chain = Chain {
            pods: 4,
            concurrency: 100,
            errors: 0.1,
            retry: Some(retry(2, &["5xx"])),
            duration: SimDuration::from_secs(200),
            ..Chain::default()
        };
        let results = of(&chain);
        let row = results.clusters.values().next().expect("one cluster");
        let calls = (row.calls.ok.count() + row.calls.failed.count()) as f64;
        let attempts = row.counters[0] as f64;
        assert!((attempts / calls - 1.11).abs() < 0.005, "{}", attempts / calls);
        assert!((row.calls.failed.count() as f64 / calls - 0.001).abs() < 0.0004);
    }

    fn responses(results: &Results) -> Vec<(String, u64)> {
        let row = results.requests.values().next().expect("one class");
        let text = |outcome: &Outcome| format!("{} {}", outcome.code, outcome.flags);
        row.finished.responses.iter().map(|(outcome, count)| (text(outcome), *count)).collect()
    }

    fn counter(results: &Results, counter: Counter) -> u64 {
        results.clusters.values().next().expect("one cluster").counters[counter as usize]
    }

    #[test]
    fn cores_that_are_shared_are_as_quick_on_average_as_a_line() {
        let chain = Chain {
            discipline: Discipline::ProcessorSharing,
            duration: SimDuration::from_secs(1000),
            ..Chain::default()
        };
        let mean = mean_millis(&of(&chain));
        assert!((mean - 5.0).abs() < 0.3, "{mean}");
    }

    #[test]
    fn copies_load_the_cluster_and_delay_nobody() {
        let chain = Chain { mirrored_percent: Some(25.0), concurrency: 1_000, ..Chain::default() };
        let results = of(&chain);
        let row = results.clusters.values().next().expect("one cluster");
        let calls = row.calls.ok.count() as f64;
        assert!((counter(&results, Counter::Mirrored) as f64 / calls - 0.25).abs() < 0.01);
        assert!((counter(&results, Counter::Attempts) as f64 / calls - 1.25).abs() < 0.01);
        assert!((mean_millis(&results) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_route_timeout_is_a_504_and_the_pod_works_on() {
        let chain = Chain {
            load: Load::Constant { rate: 10.0 },
            service: Distribution::Constant(SimDuration::from_millis(80)),
            timeout: Some(SimDuration::from_millis(50)),
            ..Chain::default()
        };
        let results = of(&chain);
        assert_eq!(responses(&results), [("504 UT".to_owned(), 950)]);
        assert_eq!(counter(&results, Counter::Timeout), 950);
        let host = results.hosts.values().next().expect("one pod");
        assert!((host.totals.utilization_pct.expect("limited") - 80.0).abs() < 0.5);
    }

    #[test]
    fn two_at_once_are_one_too_many_for_a_pending_limit_of_one() {
        let breakers = CircuitBreakers { max_connections: 1, max_pending_requests: 1, ..UNLIMITED };
        let chain = Chain {
            load: Load::Closed {
                users: NonZeroU32::new(3).expect("3 > 0"),
                think: Distribution::Constant(SimDuration::ZERO),
            },
            service: Distribution::Constant(SimDuration::from_millis(10)),
            breakers,
            latency: Distribution::Constant(SimDuration::from_millis(1)),
            duration: SimDuration::from_secs(1),
            ..Chain::default()
        };
        let results = of(&chain);
        let overflow = counter(&results, Counter::PendingOverflow);
        assert!(overflow > 0);
        let codes = responses(&results);
        assert_eq!(codes.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["200 -", "503 UO"]);
    }

    /// Five users, two let in, one that waits: the other two get the sidecar's 503, which has no flag at the caller.
    #[test]
    fn a_pods_own_sidecar_limits_all_callers_together() {
        let inbound = CircuitBreakers { max_connections: 2, max_pending_requests: 1, ..UNLIMITED };
        let chain = Chain {
            load: Load::Closed {
                users: NonZeroU32::new(5).expect("5 > 0"),
                think: Distribution::Constant(SimDuration::ZERO),
            },
            concurrency: 100,
            service: Distribution::Constant(SimDuration::from_millis(10)),
            latency: Distribution::Constant(SimDuration::from_micros(500)),
            inbound: Some(inbound.clone()),
            duration: SimDuration::from_secs(10),
            ..Chain::default()
        };
        let results = of(&chain);
        let codes = responses(&results);
        assert_eq!(codes.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["200 -", "503 -"]);
        // Two at once for 10 ms each, without a pause between them.
        assert!((codes[0].1 as f64 / 9.5 - 200.0).abs() < 2.0, "{codes:?}");
        let row =
            results.clusters.iter().find(|(key, _)| key.subset == "inbound|80||").expect("it has refused");
        assert_eq!((row.0.source.as_str(), row.0.service.as_str()), ("w0", "s0"));
        assert_eq!(row.1.counters[Counter::PendingOverflow as usize], codes[1].1);
        // The limit on requests acts where connections are free; the refused ask again every millisecond.
        let inbound = Some(CircuitBreakers { max_requests: 3, ..UNLIMITED });
        let results = of(&Chain { inbound, ..chain });
        let codes = responses(&results);
        assert!((codes[0].1 as f64 / 9.5 - 300.0).abs() < 3.0, "{codes:?}");
    }

    #[test]
    fn a_dead_pod_resets_then_refuses_then_is_left_alone() {
        let crash = |of| {
            vec![Incident {
                at: SimTime::ZERO + SimDuration::from_micros(10_000_500),
                lasts: None,
                pods: Some(vec![0]),
                kind: IncidentKind::Crash { restart: SimDuration::from_secs(5), of },
            }]
        };
        let chain = |of| Chain {
            pods: 2,
            load: Load::Constant { rate: 1000.0 },
            // In turn: a pod has a request each 2 ms, which takes 2.3, and so two connections: most of the time one idles.
            service: Distribution::Constant(SimDuration::from_micros(2100)),
            concurrency: 10,
            latency: Distribution::Constant(SimDuration::from_micros(100)),
            balancer: "ROUND_ROBIN",
            incidents: crash(of),
            duration: SimDuration::from_secs(20),
            ..Chain::default()
        };
        let outcomes = |of| {
            let mut mesh = chain(of).mesh();
            mesh.propagation = Distribution::Constant(SimDuration::from_millis(100));
            responses(&of_mesh(&mesh))
        };
        let total = |outcomes: &[(String, u64)]| outcomes.iter().map(|(_, count)| count).sum::<u64>();
        let count = |outcomes: &[(String, u64)], text: &str| {
            outcomes.iter().find(|(found, _)| found == text).map_or(0, |(_, count)| *count)
        };
        // What is there is reset. No connection outlives its pod: new ones are refused until the news is round, to each
        // second request for 100 ms. Both pods serve again later.
        let of_pod = outcomes(CrashOf::Pod);
        assert_eq!((count(&of_pod, "503 UC"), count(&of_pod, "503 UF")), (1, 50), "{of_pod:?}");
        // The sidecar of a dead app answers.
        let of_app = outcomes(CrashOf::App);
        assert_eq!(count(&of_app, "503 -"), 1 + 50, "{of_app:?}");
        // A dead node answers nothing, and without a timeout its callers wait for ever.
        let of_node = outcomes(CrashOf::Node);
        assert!(total(&of_node) < 19_000, "{of_node:?}");
        assert_eq!((total(&of_pod), total(&of_app)), (19_000, 19_000));
    }

    /// The first crash leaves no connection, so that the next request makes one, which the second crash meets half-way.
    #[test]
    fn a_connection_that_is_being_made_dies_with_its_pod() {
        let crash = |millis| Incident {
            at: SimTime::ZERO + SimDuration::from_millis(millis),
            lasts: None,
            pods: None,
            kind: IncidentKind::Crash { restart: SimDuration::from_millis(100), of: CrashOf::Pod },
        };
        let chain = Chain {
            load: Load::Constant { rate: 1.0 },
            latency: Distribution::Constant(SimDuration::from_millis(20)),
            incidents: vec![crash(3_500), crash(4_020)],
            duration: SimDuration::from_secs(10),
            ..Chain::default()
        };
        let mut mesh = chain.mesh();
        // Longer than any of it lasts: nobody hears of it.
        mesh.propagation = Distribution::Constant(SimDuration::from_secs(1));
        assert_eq!(responses(&of_mesh(&mesh)), [("200 -".to_owned(), 8), ("503 UF".to_owned(), 1)]);
    }

    /// Three hops of ten pods with everything switched on: the yardstick's mesh.
    fn w5(duration: SimDuration) -> Chain {
        Chain {
            hops: 3,
            pods: 10,
            concurrency: 4,
            load: Load::Poisson { rate: 24_000.0 },
            errors: 0.01,
            retry: Some(RetrySpec {
                base_interval: SimDuration::from_millis(1),
                max_interval: SimDuration::from_millis(10),
                ..retry(2, &["5xx"])
            }),
            timeout: Some(SimDuration::from_millis(50)),
            outlier: Some(OutlierSpec {
                consecutive_5xx: NonZeroU32::new(5),
                consecutive_gateway: None,
                split_external_local_origin: false,
                consecutive_local_origin: None,
                interval: SimDuration::from_secs(10),
                base_ejection_time: SimDuration::from_secs(30),
                max_ejection_time: SimDuration::from_secs(300),
                max_ejection_percent: 10,
                always_ejects_one: false,
                error_codes: Vec::new(),
                success_rate: None,
                failure_percentage: None,
            }),
            duration,
            ..Chain::default()
        }
    }

    fn digest(chain: &Chain) -> u64 {
        name_hash(&format!("{:?}", of(chain)))
    }

    /// The engine may become faster, never different.
    #[test]
    fn results_are_pinned_to_the_bit() {
        let quarter = SimDuration::from_millis(250);
        let limited = Chain {
            breakers: CircuitBreakers {
                max_connections: 3,
                max_pending_requests: 4,
                max_requests: 40,
                max_retries: 3,
                retry_budget: None,
            },
            errors: 0.2,
            timeout: Some(SimDuration::from_millis(4)),
            retry: Some(RetrySpec {
                per_try_timeout: Some(SimDuration::from_millis(3)),
                ..retry(3, &["5xx", "reset"])
            }),
            latency: Distribution::Uniform {
                low: SimDuration::from_micros(20),
                high: SimDuration::from_micros(900),
            },
            ..w5(quarter)
        };
        let shared = Chain {
            balancer: "ROUND_ROBIN",
            discipline: Discipline::ProcessorSharing,
            mirrored_percent: Some(25.0),
            retry: None,
            outlier: None,
            ..w5(quarter)
        };
        let crashed = Chain {
            incidents: vec![Incident {
                at: SimTime::ZERO + SimDuration::from_millis(20),
                lasts: None,
                pods: Some(vec![0, 3]),
                kind: IncidentKind::Crash { restart: SimDuration::from_millis(90), of: CrashOf::Pod },
            }],
            latency: Distribution::Constant(SimDuration::from_micros(100)),
            ..w5(quarter)
        };
        let crowded = Chain {
            load: Load::Poisson { rate: 1_100.0 },
            duration: SimDuration::from_secs(10),
            ..Chain::default()
        };
        let digests = [w5(quarter), limited, shared, crashed, crowded].map(|chain| digest(&chain));
        assert_eq!(
            digests,
            [
                11_922_497_660_471_564_043,
                7_336_738_916_689_768_260,
                6_454_865_840_455_936_030,
                8_364_718_407_646_443_372,
                12_420_846_915_962_881_623
            ]
        );
    }

    /// The yardstick's workloads, printed on demand: `cargo test --release speed -- --ignored --nocapture`.
    #[test]
    #[ignore = "a measurement"]
    #[expect(clippy::disallowed_types, reason = "it measures")]
    fn speed() {
        let secs = SimDuration::from_secs;
        let cases = [
            ("w1", Chain { duration: secs(1250), ..Chain::default() }),
            (
                "w2",
                Chain {
                    concurrency: 4,
                    load: Load::Poisson { rate: 3200.0 },
                    duration: secs(312),
                    ..Chain::default()
                },
            ),
            (
                "w3",
                Chain {
                    hops: 3,
                    concurrency: 4,
                    load: Load::Poisson { rate: 2800.0 },
                    duration: secs(357),
                    ..Chain::default()
                },
            ),
            (
                "w4",
                Chain {
                    pods: 10,
                    load: Load::Poisson { rate: 8000.0 },
                    duration: secs(125),
                    ..Chain::default()
                },
            ),
            ("w5", w5(secs(50))),
        ];
        let only = std::env::var("ONLY").ok();
        for (name, mut chain) in cases {
            if only.as_deref().is_some_and(|only| !only.split(',').any(|case| case == name)) {
                continue;
            }
            if let Some(part) = std::env::var("PART").ok().and_then(|part| part.parse::<u64>().ok()) {
                chain.duration = chain.duration / part;
            }
            let mesh = chain.mesh();
            let plan = Plan::compile(&mesh);
            let start = std::time::Instant::now();
            let mut run = Run::new(&plan, 42, 0);
            run.advance(SimTime::MAX);
            let took = start.elapsed().as_secs_f64();
            let (events, at_once) = (run.events(), run.calls_at_once());
            let results = run.finish();
            let row = results.requests.values().next().expect("one class");
            let requests = row.finished.ok.count() + row.finished.failed.count();
            let requests = requests as f64 / 0.95;
            println!(
                "{name}: {:.2} M requests/s, {:.0} ns a request, {:.1} M events/s, mean {:.4} p99 {:.3}, {at_once} at once",
                requests / took / 1e6,
                took * 1e9 / requests,
                events as f64 / took / 1e6,
                row.finished.ok.mean().unwrap_or(0.0) / 1e6,
                row.finished.ok.quantile(0.99).unwrap_or(0) as f64 / 1e6,
            );
        }
    }
}
