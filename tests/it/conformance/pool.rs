//! Golden kinds of connection pools. What a case expects is written in words; each word has its test here.
//! Source: semantics S7.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use meshcast::kernel::fifo::{Arena, Place};
use meshcast::kernel::slab::Slot;
use meshcast::kernel::{SimDuration, SimTime};
use meshcast::mesh::policy_spec::{CircuitBreakers, ConnectionSpec, Protocol};
use meshcast::policy::pool::{Admission, Breakers, Connections, Pool, Released, Rules};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    config: Config,
    events: Vec<Event>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    protocol: Option<String>,
    max_connections: Option<u32>,
    max_pending: Option<u32>,
    max_requests: Option<u32>,
    max_requests_per_connection: Option<u32>,
    concurrent_streams: Option<u32>,
}

/// One of the optional fields says what happens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    t: u64,
    new_request: Option<String>,
    connected: Option<String>,
    connect_failed: Option<String>,
    complete: Option<String>,
    goaway: Option<String>,
}

impl Config {
    fn limits(&self) -> CircuitBreakers {
        CircuitBreakers {
            max_connections: self.max_connections.unwrap_or(u32::MAX),
            max_pending_requests: self.max_pending.unwrap_or(u32::MAX),
            max_requests: self.max_requests.unwrap_or(u32::MAX),
            max_retries: u32::MAX,
            retry_budget: None,
        }
    }

    fn rules(&self) -> Result<Rules, String> {
        let protocol = match self.protocol.as_deref() {
            None | Some("http1") => Protocol::Http1,
            Some("http2") => Protocol::Http2,
            Some(other) => return Err(format!("unknown protocol `{other}`")),
        };
        Ok(Rules::new(&ConnectionSpec {
            protocol,
            connect_timeout: SimDuration::from_secs(10),
            max_requests_per_connection: self.max_requests_per_connection.and_then(NonZeroU32::new),
            max_concurrent_streams: self.concurrent_streams.unwrap_or(1024),
            idle_timeout: Some(SimDuration::from_secs(3600)),
            max_connection_duration: None,
        }))
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Pending(Place),
    /// On a connection, since when.
    Attached(usize, u64),
    /// On which, and since when it had been on it.
    Completed(usize, u64),
    /// When, and whether it had waited.
    Overflowed(u64, bool),
    Failed,
}

struct Stage {
    breakers: Breakers,
    rules: Rules,
    slab: Connections,
    arena: Arena,
    pool: Pool,
    now: u64,
    /// By name, in order of birth; the place is what the pool knows.
    requests: Vec<(String, Fate)>,
    /// In order of birth: c1, c2 ...
    connections: Vec<Slot>,
    closed: BTreeMap<usize, u64>,
    /// To take no more streams.
    told: Vec<usize>,
    failed: Vec<String>,
}

impl Stage {
    fn new(config: &Config) -> Result<Stage, String> {
        Ok(Stage {
            breakers: Breakers::new(&config.limits()),
            rules: config.rules()?,
            slab: Connections::default(),
            arena: Arena::default(),
            pool: Pool::default(),
            now: 0,
            requests: Vec::new(),
            connections: Vec::new(),
            closed: BTreeMap::new(),
            told: Vec::new(),
            failed: Vec::new(),
        })
    }

    fn now(&self) -> SimTime {
        SimTime::ZERO + SimDuration::from_millis(self.now)
    }

    fn connection(&self, name: &str) -> Result<usize, String> {
        let number = name.strip_prefix('c').and_then(|number| number.parse::<usize>().ok());
        let place = number.and_then(|number| number.checked_sub(1));
        place.filter(|place| *place < self.connections.len()).ok_or(format!("there is no connection {name}"))
    }

    /// The number of a connection by the index that the pool gives.
    fn number(&self, index: u32) -> usize {
        self.connections.iter().rposition(|slot| slot.index == index).expect("a connection that was made")
    }

    fn play(&mut self, event: Event) -> Result<(), String> {
        self.now = event.t;
        if let Some(name) = event.new_request {
            self.request(name);
        } else if let Some(name) = event.connected {
            let place = self.connection(&name)?;
            let now = self.now();
            self.pool.connected(&mut self.slab, self.rules, self.connections[place].index, now);
            self.serve();
        } else if let Some(name) = event.connect_failed {
            let place = self.connection(&name)?;
            self.fail(place);
        } else if let Some(name) = event.complete {
            self.complete(&name)?;
        } else if let Some(name) = event.goaway {
            self.told.push(self.connection(&name)?);
            let mut untold = (0..self.connections.len()).filter(|place| !self.told.contains(place));
            if untold.any(|place| self.slab.is_alive(self.connections[place])) {
                return Err(format!("all connections are told at once, and {name} is not the only one"));
            }
            self.pool.drain(&mut self.breakers, &mut self.slab);
        } else {
            return Err("an event of no known kind".to_owned());
        }
        for (place, slot) in self.connections.iter().enumerate() {
            if !self.slab.is_alive(*slot) {
                self.closed.entry(place).or_insert(self.now);
            }
        }
        Ok(())
    }

    fn request(&mut self, name: String) {
        let now = self.now();
        let fate = match self.pool.admit(&mut self.breakers, &mut self.slab, self.rules, now) {
            Admission::Ready(index) => Fate::Attached(self.number(index), self.now),
            Admission::PendingOverflow | Admission::RequestsOverflow => Fate::Overflowed(self.now, false),
            Admission::Pend => {
                let attempt = self.requests.len() as u32;
                Fate::Pending(self.pool.pend(&mut self.breakers, &mut self.arena, attempt))
            }
        };
        self.requests.push((name, fate));
        self.connect();
    }

    fn connect(&mut self) {
        let (granted, _) = self.pool.wanted(&self.breakers, self.rules);
        for _ in 0..granted {
            let index = self.pool.connect(&mut self.breakers, &mut self.slab, 0);
            self.connections.push(self.slab.slot(index));
        }
    }

    fn serve(&mut self) {
        while let Some((attempt, connection)) =
            self.pool.serve(&mut self.breakers, &mut self.slab, &mut self.arena, self.rules)
        {
            let fate = match connection {
                Some(index) => Fate::Attached(self.number(index), self.now),
                None => Fate::Overflowed(self.now, true),
            };
            self.requests[attempt as usize].1 = fate;
        }
    }

    fn fail(&mut self, place: usize) {
        self.pool.connect_failed(&mut self.breakers, &mut self.slab, self.connections[place].index);
        let waiting: Vec<u32> = self.arena.iter(&self.pool.waiting).collect();
        for attempt in waiting {
            let (name, fate) = &mut self.requests[attempt as usize];
            if let Fate::Pending(line) = *fate {
                self.pool.unpend(&mut self.breakers, &mut self.arena, line);
                *fate = Fate::Failed;
                self.failed.push(name.clone());
            }
        }
    }

    fn complete(&mut self, name: &str) -> Result<(), String> {
        let now = self.now();
        let request = self.requests.iter_mut().find(|(known, _)| known == name);
        let (_, fate) = request.ok_or(format!("there is no request {name}"))?;
        let Fate::Attached(place, since) = *fate else { return Err(format!("{name} is on no connection")) };
        *fate = Fate::Completed(place, since);
        let index = self.connections[place].index;
        let released = self.pool.release(&mut self.breakers, &mut self.slab, self.rules, index, false, now);
        if released == Released::Usable {
            self.serve()
        } else {
            self.connect()
        }
        Ok(())
    }

    fn fate(&self, name: &str) -> Option<&Fate> {
        self.requests.iter().find(|(known, _)| known == name).map(|(_, fate)| fate)
    }

    /// Whether `what` is true of the request or connection `name`.
    fn is_true(&self, name: &str, what: &str) -> Result<bool, String> {
        let words: Vec<&str> = what.split(' ').collect();
        if let Some(fate) = self.fate(name) {
            return self.is_fate(fate, &words);
        }
        let place = self.connection(name)?;
        Ok(match words[..] {
            ["closed", "at", time] => {
                self.closed.get(&place).is_some_and(|closed| closed.to_string() == time)
            }
            // Alive, and what came after the last one did not get on.
            ["draining", "after", last, "attached"] => {
                let on: Vec<usize> = (0..self.requests.len())
                    .filter(|request| {
                        matches!(self.requests[*request].1, Fate::Attached(at, _) | Fate::Completed(at, _) if at == place)
                    })
                    .collect();
                let is_last = on.last().is_some_and(|request| self.requests[*request].0 == last);
                let came_after = on.last().is_some_and(|request| request + 1 < self.requests.len());
                self.slab.is_alive(self.connections[place]) && is_last && came_after
            }
            _ => return Err(format!("unknown words `{what}`")),
        })
    }

    fn is_fate(&self, fate: &Fate, words: &[&str]) -> Result<bool, String> {
        let is_at = |time: u64, text: &str| time.to_string() == text;
        Ok(match (words, fate) {
            (["pending"], fate) => matches!(fate, Fate::Pending(_)),
            (["completes"], fate) => matches!(fate, Fate::Completed(..)),
            (["overflow", "(503", "UO)"], fate) => matches!(fate, Fate::Overflowed(_, false)),
            (["overflow", "(503", "UO)", "at", time], Fate::Overflowed(at, false)) => is_at(*at, time),
            (
                ["overflow", "(503", "UO)", "when", "it", "would", "attach", "at", time],
                Fate::Overflowed(at, true),
            ) => is_at(*at, time),
            (["on", name], Fate::Attached(place, _) | Fate::Completed(place, _)) => {
                *place == self.connection(name)?
            }
            (["on", name, "at", time], Fate::Attached(place, at) | Fate::Completed(place, at)) => {
                *place == self.connection(name)? && is_at(*at, time)
            }
            // Bare: on it, or waiting for it, as the newest.
            ([name] | ["new", "connection", name], fate) if name.starts_with('c') => {
                let wanted = self.connection(name)?;
                match fate {
                    Fate::Attached(place, _) | Fate::Completed(place, _) => *place == wanted,
                    Fate::Pending(_) => wanted + 1 == self.connections.len(),
                    Fate::Overflowed(..) | Fate::Failed => false,
                }
            }
            (["on" | "overflow", ..], _) => false,
            _ => return Err(format!("unknown words `{}`", words.join(" "))),
        })
    }
}

/// A case expects any of these; all must be true.
#[derive(Deserialize)]
pub struct Expected {
    connections_created: Option<usize>,
    all_on: Option<String>,
    failed_order: Option<Vec<String>>,
    result: Option<String>,
    #[serde(flatten)]
    fates: BTreeMap<String, String>,
}

/// Plays the scene and asks each expectation.
pub fn conn_pool(scene: Scene, expected: &Expected) -> Result<(), String> {
    let mut stage = Stage::new(&scene.config)?;
    for event in scene.events {
        stage.play(event)?;
    }
    let mut wrong = Vec::new();
    if expected.connections_created.is_some_and(|created| created != stage.connections.len()) {
        wrong.push(format!("{} connections were made", stage.connections.len()));
    }
    if let Some(name) = &expected.all_on {
        for (request, _) in &stage.requests {
            if !stage.is_true(request, &format!("on {name}"))? {
                wrong.push(format!("{request} is not on {name}"));
            }
        }
    }
    if expected.failed_order.as_ref().is_some_and(|order| *order != stage.failed) {
        wrong.push(format!("these failed: {:?}", stage.failed));
    }
    if let Some(result) = &expected.result {
        let outcome = meshcast::policy::failure::Failure::ConnectFailure.outcome();
        let actual = format!("{} {} each", outcome.code, outcome.flags);
        if *result != actual {
            wrong.push(actual);
        }
    }
    for (name, what) in &expected.fates {
        if !stage.is_true(name, what)? {
            wrong.push(format!("{name} is not `{what}`: {:?}", stage.fate(name)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    max_connections: u32,
    hosts: usize,
    workers: usize,
    /// Prose, played here: each pool gets a request, then each gets many.
    #[serde(rename = "load")]
    _load: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Most {
    connections: u32,
}

pub fn connection_bound(input: Bound) -> Result<Most, String> {
    let config = Config { max_connections: Some(input.max_connections), ..Config::default() };
    let rules = config.rules()?;
    let mut breakers = Breakers::new(&config.limits());
    let (mut slab, mut arena) = (Connections::default(), Arena::default());
    let mut pools: Vec<Pool> = (0..input.hosts * input.workers).map(|_| Pool::default()).collect();
    for requests in [1, 50] {
        for pool in &mut pools {
            for attempt in 0..requests {
                pool.pend(&mut breakers, &mut arena, attempt);
                for _ in 0..pool.wanted(&breakers, rules).0 {
                    pool.connect(&mut breakers, &mut slab, 0);
                }
            }
        }
    }
    Ok(Most { connections: breakers.connections })
}
