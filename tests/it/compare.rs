//! Comparisons: the same requests under several configurations. What the verb tells is held against runs of each side
//! alone, request by request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use meshcast::kernel::arrivals::Load;
use meshcast::kernel::distribution::Distribution;
use meshcast::kernel::random::{Purpose, draw};
use meshcast::kernel::{SimDuration, SimTime};
use meshcast::mesh::Mesh;
use meshcast::mesh::model::Figure;
use meshcast::metrics::story::What;
use meshcast::metrics::{Counter, Estimate, paired, statistics};
use meshcast::sim::{self, Answered, Heard, Plan, Run, Step};
use meshcast::study::compare::{
    Candidate, Compared, Comparison, Measure, Overall, Pairs, Passage, Replications, Scope, Sense, Verdict,
    compare,
};
use meshcast::study::replication::SLICES;
use meshcast::study::{Crew, RunResults, Watch, steadiness};

use crate::meshes::RandomMesh;
use crate::texts::Texts;

static STOP: AtomicBool = AtomicBool::new(false);

fn compared(meshes: &[Mesh], jobs: usize) -> Comparison {
    let crew = Crew::new(jobs).expect("threads");
    compare(&crew, meshes, Replications::Given, Watch { stop: &STOP, step: &|| {} }).0
}

/// A shop behind two versions; v2 fails one request in twenty, and its pods are as busy as `slots` lets them be.
fn shop(weights: [u32; 2], slots: &str, replications: u32) -> Mesh {
    Texts::scenario(&shop_text(weights, slots, replications)).mesh()
}

fn shop_text(weights: [u32; 2], slots: &str, replications: u32) -> String {
    let [stable, canary] = weights;
    format!(
        "apiVersion: meshcast/v1
kind: Scenario
metadata: {{name: shop}}
duration: 40s
warmup: 2s
replications: {replications}
# Connections cost nothing, so that one more of them slows nobody down.
network: {{latency: 0s}}
workloads:
  v1: {{service: \"app:80\", labels: {{version: v1}}, concurrency: {slots}, serviceTime: exponential(mean=8ms), calls: [\"http://db/\"]}}
  v2: {{service: \"app:80\", labels: {{version: v2}}, concurrency: {slots}, serviceTime: exponential(mean=9ms), errors: {{rate: 5%}}}}
  db: {{service: \"db:80\", concurrency: unlimited, serviceTime: exponential(mean=1ms)}}
clients:
  web: {{load: poisson(150rps), requests: [{{get: \"http://app/\"}}]}}
  other: {{load: poisson(20rps), requests: [{{get: \"http://db/\"}}]}}
objectives:
- success >= 99%
- client.web p(99) < 80ms
- app{{subset=v2}} mean < 50ms
- client.web max < 300ms
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: app}}
spec:
  hosts: [app]
  http:
  - name: split
    route:
    - {{destination: {{host: app, subset: v1}}, weight: {stable}}}
    - {{destination: {{host: app, subset: v2}}, weight: {canary}}}
    retries: {{attempts: 0}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: app}}
spec:
  host: app
  subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]
"
    )
}

/// All replications of a mesh by itself.
fn alone(mesh: &Mesh) -> RunResults {
    let plan = Plan::compile(mesh);
    let count = u64::from(mesh.run.replications.get());
    let results: Vec<_> = (0..count).map(|number| sim::run(&plan, mesh.run.seed, number)).collect();
    RunResults::pool(&results).judge(mesh, &results)
}

/// The same mesh by another fingerprint, so that it is run and paired and not only known to be equal.
fn renamed(mesh: &Mesh) -> Mesh {
    let mut other = mesh.clone();
    other.tables.rows_mut().iter_mut().for_each(|table| table.view.push('x'));
    other
}

type Requests = BTreeMap<(u32, u64), (Answered, Vec<Step>)>;

/// One replication alone: every request that counts.
fn observed(mesh: &Mesh, replication: u32) -> Requests {
    let plan = Plan::compile(mesh);
    let mut run = Run::new(&plan, mesh.run.seed, u64::from(replication));
    run.observe();
    run.advance(SimTime::MAX);
    let mut heard = Heard::default();
    run.hear(&mut heard);
    let one = |answered: &Answered| {
        ((answered.client, answered.fate), (answered.clone(), heard.steps(answered).to_vec()))
    };
    heard.answered.iter().map(one).collect()
}

#[track_caller]
fn assert_zero(compared: &Comparison) {
    for candidate in &compared.candidates {
        for row in &candidate.figures {
            assert!(matches!(row.verdict, Verdict::Same | Verdict::Unknown), "{row:?}");
            let nothing = Estimate { value: Some(0.0), ci95: Some(0.0) };
            assert!(row.change == nothing || row.reference.value.is_none(), "{row:?}");
            assert_eq!((row.reference, row.p_value), (row.value, None), "{row:?}");
        }
        for own in &candidate.pairs {
            let all = own.tally.all();
            assert_eq!((all.flips(), own.tally.unpaired(), own.tally.moved.count()), (0, 0, 0));
            assert_eq!((all.equal, all.change()), (all.served, 0));
        }
        assert_eq!(candidate.flips.iter().count(), 0);
        assert_eq!(candidate.gate(0.0).passage(), Passage::Pass);
        assert_eq!(candidate.objectives, compared.objectives);
    }
}

#[test]
fn a_configuration_against_itself_is_exactly_zero() {
    let base = shop([90, 10], "4", 3);
    let mut known = base.clone();
    known.name = "another name".to_owned();
    let meshes = [base.clone(), known, renamed(&base)];
    let compared = compared(&meshes, 2);
    assert_zero(&compared);
    let [known, paired] = &compared.candidates[..] else { panic!("two candidates") };
    assert_eq!((known.is_equal, paired.is_equal), (true, false));
    assert!(known.figures.iter().all(|row| row.verdict == Verdict::Same));
    assert_eq!(known.figures, paired.figures);
    let counts = |pairs: &Pairs| (pairs.served, pairs.lost, pairs.gained, pairs.failed, pairs.equal);
    for (left, right) in known.pairs.iter().zip(&paired.pairs) {
        assert_eq!(counts(&left.tally.stayed), counts(&right.tally.stayed));
        assert!(left.tally.stayed.count() > 0);
    }
}

#[test]
fn random_meshes_against_themselves_are_exactly_zero() {
    for seed in 0..6 {
        let mut mesh = RandomMesh::new(seed).texts().mesh();
        mesh.run.replications = std::num::NonZeroU32::new(2).expect("2");
        let compared = compared(&[mesh.clone(), renamed(&mesh)], 1);
        assert!(!compared.candidates[0].is_equal, "mesh {seed}");
        assert_zero(&compared);
    }
}

/// The split's own random number tells who moves: those between 80 and 90 of a hundred. Source: design D2.
#[test]
fn a_shift_of_weights_moves_exactly_the_tenth_between() {
    // Unlimited pods have no queues through which the others could feel it.
    let meshes = [shop([90, 10], "unlimited", 2), shop([80, 20], "unlimited", 2)];
    let compared = compared(&meshes, 2);
    let own = &compared.candidates[0].pairs[0];
    let mut expected = Pairs::default();
    let mut stayed = 0;
    for replication in 0..2 {
        let (before, after) = (observed(&meshes[0], replication), observed(&meshes[1], replication));
        assert!(before.keys().eq(after.keys()));
        for (key, (one, steps)) in &before {
            // The first call of the request is the one that is split.
            let call = one_call(steps, &meshes[0]);
            let is_between =
                call.is_some_and(|call| (80..90).contains(&(draw(call, Purpose::StreamId, 0) % 100)));
            if !is_between {
                stayed += 1;
                continue;
            }
            let (was, is) = (one.outcome.is_success(), after[key].0.outcome.is_success());
            match (was, is) {
                (true, true) => expected.served += 1,
                (true, false) => expected.lost += 1,
                (false, true) => expected.gained += 1,
                (false, false) => expected.failed += 1,
            }
        }
    }
    let moved = &own.tally.moved;
    assert_eq!(
        (moved.served, moved.lost, moved.gained, moved.failed),
        (expected.served, expected.lost, expected.gained, expected.failed)
    );
    assert!(expected.lost > 20 && expected.served > 500, "{expected:?}");
    assert_eq!((own.tally.stayed.count(), own.tally.unpaired()), (stayed, 0));
    let stayed = &own.tally.stayed;
    assert_eq!((stayed.flips(), stayed.equal), (0, stayed.served), "nobody else feels it");
    let share =
        moved.count() as f64 / (moved.count() + compared.candidates[0].pairs[1].tally.stayed.count()) as f64;
    assert!((share - 0.1).abs() < 0.01, "{share}");
}

/// The key of the call to `app`, if the request makes one: the one that goes to either of its subsets.
fn one_call(steps: &[Step], mesh: &Mesh) -> Option<u64> {
    let clusters: BTreeSet<u64> = mesh
        .clusters
        .rows()
        .iter()
        .filter(|cluster| cluster.name.contains("|app.") && !cluster.subset.is_empty())
        .map(|cluster| meshcast::kernel::random::name_hash(&cluster.name))
        .collect();
    steps.iter().find(|step| clusters.contains(&step.cluster)).map(|step| step.call)
}

/// What moves makes others wait, and that is told apart.
#[test]
fn effects_through_queues_are_told_apart() {
    let meshes = [shop([90, 10], "2", 2), shop([50, 50], "2", 2)];
    let compared = compared(&meshes, 2);
    let own = &compared.candidates[0].pairs[0];
    let mut counts = [(0u64, 0u64); 2];
    for replication in 0..2 {
        let (before, after) = (observed(&meshes[0], replication), observed(&meshes[1], replication));
        for (key, (one, steps)) in before {
            let Some((other, other_steps)) = after.get(&key) else { continue };
            let target = |steps: &[Step]| {
                steps.iter().map(|step| (step.call, step.cluster)).collect::<BTreeMap<_, _>>()
            };
            let (left, right) = (target(&steps), target(other_steps));
            let moved =
                left.iter().any(|(call, cluster)| right.get(call).is_some_and(|other| other != cluster));
            let (count, change) = &mut counts[usize::from(moved)];
            *count += 1;
            *change +=
                u64::from(one.outcome.is_success() && other.outcome.is_success() && one.took != other.took);
        }
    }
    for (pairs, (count, changed)) in [&own.tally.stayed, &own.tally.moved].into_iter().zip(counts) {
        assert_eq!((pairs.count(), pairs.slower.count() + pairs.faster.count()), (count, changed));
    }
    assert!(own.tally.stayed.slower.count() + own.tally.stayed.faster.count() > 100, "others feel it");
    assert!(own.stayed.latency_ms.ci95.is_some_and(|spread| spread > 0.0));
}

#[test]
fn figures_are_those_of_runs_alone() {
    let meshes = [shop([90, 10], "3", 4), shop([70, 30], "3", 4)];
    let compared = compared(&meshes, 2);
    let (base, candidate) = (alone(&meshes[0]), alone(&meshes[1]));
    assert_eq!(compared.objectives, base.objectives);
    assert_eq!(compared.candidates[0].objectives, candidate.objectives);
    let mut seen = 0;
    for row in &compared.candidates[0].figures {
        let of = |run: &RunResults| {
            if row.subject.scope == Scope::Objective {
                return run.objectives[row.subject.place].observed;
            }
            let whole = |client: &&meshcast::study::ClientFigures| {
                client.client == row.subject.target && client.class == "all"
            };
            let own = run.clients.iter().find(whole).expect("there").clone();
            match row.measure {
                Measure::Of(Figure::SuccessPct) => own.success_pct,
                Measure::Of(Figure::Latency(0.5)) => own.latency.p50,
                Measure::Of(Figure::Latency(0.9)) => own.latency.p90,
                Measure::Of(Figure::Latency(0.99)) => own.latency.p99,
                Measure::Of(Figure::LatencyMean) => own.latency.mean,
                _ => own.rps,
            }
        };
        if matches!(row.subject.scope, Scope::Objective | Scope::Client) {
            assert_eq!((row.reference, row.value), (of(&base), of(&candidate)), "{row:?}");
            seen += 1;
        }
        let difference = row.value.value.expect("data") - row.reference.value.expect("data");
        assert!((row.change.value.expect("data") - difference).abs() < 1e-9, "{row:?}");
        // Four replications have three degrees of freedom.
        let chance = statistics::p_value(row.change, 3).filter(|_| row.verdict != Verdict::Same);
        assert_eq!(row.p_value, chance, "{row:?}");
    }
    assert_eq!(seen, 4 + 12);
    let of_all: Vec<_> =
        compared.candidates[0].figures.iter().filter(|row| row.subject.scope == Scope::All).collect();
    assert_eq!(
        (of_all.len(), of_all[0].value),
        (6, candidate.objectives[0].observed),
        "success of all clients"
    );
}

/// Clusters have a row for each figure of which there is anything on either side, and no others.
#[test]
fn clusters_are_told_by_what_happens_in_them() {
    let text = shop_text([90, 10], "3", 3);
    let limits = "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}, \
                  outlierDetection: {consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 1s, maxEjectionPercent: 100}}";
    let tight = text
        .replace("retries: {attempts: 0}", "retries: {attempts: 2, retryOn: 5xx}")
        .replace("  subsets:", &format!("  {limits}\n  subsets:"));
    let meshes = [&text, &tight].map(|text| Texts::scenario(text).mesh());
    let (base, candidate) = (alone(&meshes[0]), alone(&meshes[1]));
    let compared = compared(&meshes, 2);
    let mut told: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for row in compared.candidates[0].figures.iter().filter(|row| row.subject.scope == Scope::Cluster) {
        let (service, subset) = (row.subject.target.as_str(), row.subject.subset.as_str());
        told.entry((service, subset)).or_default().push(format!("{:?}", row.measure));
        if service != "app" {
            continue;
        }
        let of = |run: &RunResults| {
            let own = run.clusters.iter().find(|own| own.service == "app" && own.subset == subset);
            let own = own.expect("one caller has it");
            let counter = |counter| own.counter(counter).value.expect("counted");
            match row.measure {
                Measure::Of(Figure::SuccessPct) => own.success_pct.value.expect("calls"),
                Measure::Of(Figure::Latency(_)) => own.latency.p99.value.expect("calls"),
                Measure::Of(Figure::Rps) => own.rps.value.expect("calls"),
                Measure::RetriesPerCall => counter(Counter::Retries) / own.calls.value.expect("calls"),
                Measure::Of(Figure::Ejections) => counter(Counter::Ejections),
                _ => counter(Counter::PendingOverflow) + counter(Counter::ActiveOverflow),
            }
        };
        let found = (row.reference.value.expect("data"), row.value.value.expect("data"));
        let expected = (of(&base), of(&candidate));
        let is_near = |one: f64, other: f64| (one - other).abs() <= 1e-9 * other.abs();
        assert!(is_near(found.0, expected.0) && is_near(found.1, expected.1), "{row:?} {expected:?}");
    }
    let usual = ["Of(SuccessPct)", "Of(Latency(0.99))", "Of(Rps)"];
    for subset in ["v1", "v2"] {
        let has = |counters: &[Counter]| {
            let rows = [&base, &candidate].into_iter().flat_map(|run| &run.clusters);
            let mut own = rows.filter(|own| own.service == "app" && own.subset == subset);
            own.any(|own| counters.iter().any(|counter| own.counter(*counter).value > Some(0.0)))
        };
        let more = [
            ("RetriesPerCall", has(&[Counter::Retries])),
            ("Of(Overflow)", has(&[Counter::PendingOverflow, Counter::ActiveOverflow])),
            ("Of(Ejections)", has(&[Counter::Ejections])),
        ];
        let more = more.into_iter().filter(|(_, has)| *has).map(|(name, _)| name);
        let expected: BTreeSet<&str> = usual.into_iter().chain(more).collect();
        assert_eq!(told[&("app", subset)].iter().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    }
    assert_eq!(told[&("app", "v2")].len(), 6, "all of it happens to the one that fails");
    assert_eq!(told[&("db", "")].len(), usual.len(), "nothing happens there");
}

/// Where nothing fails, as many pairs as there are say how little may have changed.
#[test]
fn no_flips_among_few_pairs_prove_little() {
    let text = shop_text([90, 10], "4", 2).replace(", errors: {rate: 5%}", "");
    let other = text.replace("weight: 90", "weight: 50").replace("weight: 10", "weight: 50");
    let meshes = [&text, &other].map(|text| Texts::scenario(text).mesh());
    let both = compared(&meshes, 1);
    let candidate = &both.candidates[0];
    let success = |scope: Scope, target: &str| {
        let is_own = |row: &&meshcast::study::compare::Compared| {
            (row.subject.scope, row.subject.target.as_str()) == (scope, target)
                && row.measure == Measure::Of(Figure::SuccessPct)
        };
        candidate.figures.iter().find(is_own).expect("a row").change
    };
    for (number, (scope, target)) in [(Scope::All, ""), (Scope::Client, "web")].into_iter().enumerate() {
        let pairs = candidate.pairs[number].tally.all().count();
        let bound = 100.0 * paired::score_half_width(0.0, 0.0, pairs as f64);
        assert_eq!(success(scope, target), Estimate { value: Some(0.0), ci95: Some(bound) }, "{scope:?}");
        assert!(candidate.pairs[number].tally.moved.count() > 1_000);
    }
    let single = |text: &String| {
        let lines = text.lines().filter(|line| !line.contains("other: {load"));
        Texts::scenario(&lines.collect::<Vec<_>>().join("\n")).mesh()
    };
    let of_one = compared(&[single(&text), single(&other)], 1);
    let is_of_all = |row: &meshcast::study::compare::Compared| row.subject.scope == Scope::All;
    assert!(!of_one.candidates[0].figures.iter().any(is_of_all), "one client is all");
}

/// A replication that one thread gives up, while another one finishes the next, ends what is told: figures are of the
/// first replications without a gap.
#[test]
fn a_gap_ends_what_a_stopped_comparison_keeps() {
    let meshes = [shop([90, 10], "4", 2), shop([80, 20], "4", 2)];
    let (stop, steps) = (AtomicBool::new(false), AtomicU32::new(0));
    let slow = std::sync::OnceLock::new();
    let crew = Crew::new(2).expect("threads");
    // Whoever looks up first, most likely in the first replication, waits until the other one is done with his.
    let step = || {
        let own = std::thread::current().id();
        if *slow.get_or_init(|| own) != own {
            steps.fetch_add(1, Ordering::SeqCst);
        } else if !stop.load(Ordering::SeqCst) {
            while steps.load(Ordering::SeqCst) < SLICES {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::SeqCst);
        }
    };
    let stopped = compare(&crew, &meshes, Replications::Given, Watch { stop: &stop, step: &step }).0;
    assert!(stopped.replications <= 1);
    let first = compared(&[shop([90, 10], "4", 1), shop([80, 20], "4", 1)], 1);
    let figures = &stopped.candidates[0].figures;
    assert!(figures.is_empty() || *figures == first.candidates[0].figures, "{figures:?}");
}

#[test]
fn flips_are_told_with_both_stories() {
    let meshes = [shop([90, 10], "unlimited", 2), shop([40, 60], "unlimited", 2)];
    let compared = compared(&meshes, 2);
    let candidate = &compared.candidates[0];
    let (before, after) = (observed(&meshes[0], 0), observed(&meshes[1], 0));
    let mut lost: Vec<_> = before
        .iter()
        .filter(|(key, (one, _))| one.outcome.is_success() && !after[*key].0.outcome.is_success())
        .map(|(key, (one, _))| (one.born, key.0, key.1))
        .collect();
    lost.sort();
    let told: Vec<_> = candidate.flips.lost.iter().map(|flip| (flip.born, flip.client, flip.fate)).collect();
    assert_eq!(told, lost[..3], "the first by birth");
    assert!(candidate.flips.gained.is_empty(), "who stays keeps its luck, and v1 never fails");
    assert_eq!(candidate.told.len(), 3);
    for (flip, told) in candidate.flips.lost.iter().zip(&candidate.told) {
        let (one, other) = (told.base.as_ref().expect("told"), told.candidate.as_ref().expect("told"));
        assert_eq!((one.born, one.took, one.outcome), (flip.born, flip.base.took, flip.base.outcome));
        assert_eq!((other.took, other.outcome), (flip.candidate.took, flip.candidate.outcome));
        let key = (flip.client, flip.fate);
        assert_eq!((before[&key].0.took, after[&key].0.took), (one.took, other.took));
        let arrivals = |story: &meshcast::metrics::story::Story| -> Vec<(String, String, String)> {
            let came = story.moments.iter().filter(|moment| moment.what == What::Arrived);
            came.map(|moment| {
                (moment.target.clone(), moment.pod.clone().unwrap_or_default(), moment.rule.clone())
            })
            .collect()
        };
        let row = |target: &str, pod: &str, rule: &str| (target.to_owned(), pod.to_owned(), rule.to_owned());
        let rule = "VirtualService default/app split";
        assert_eq!(arrivals(one), [row("app v1", "v1-0", rule), row("db", "db-0", "")]);
        assert_eq!(arrivals(other), [row("app v2", "v2-0", rule)]);
        let last = other.moments.last().expect("some");
        assert_eq!((last.what, last.attempt, last.at), (What::Answered(500), 1, other.took));
        assert!(one.moments.is_sorted_by_key(|moment| moment.at));
    }
}

/// Why an attempt failed stands before its retry, and what breaks with a connection is told of all that were on it.
#[test]
fn stories_tell_of_connections_that_fail() {
    use meshcast::metrics::story::Story;
    let mesh = |crash: &str, rules: &str| {
        let scenario = "apiVersion: meshcast/v1
kind: Scenario
metadata: {name: down}
duration: 3s
seed: 42
replications: 1
workloads:
  app: {service: \"app:80\", replicas: 2, serviceTime: 200ms, incidents: [CRASH]}
clients:
  web: {load: constant(50rps), requests: [{get: \"http://app/\"}]}
";
        let rule = |(kind, spec): (&str, &str)| {
            format!(
                "---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: app}}\nspec: {spec}\n"
            )
        };
        let rules = rules.split_once(' ').map_or_else(String::new, rule);
        Texts::scenario(&(scenario.replace("CRASH", crash) + &rules)).mesh()
    };
    let down = "{at: 1s, pods: [app-1], crash: {restart: 1h, of: pod}}";
    let stubborn = "VirtualService {hosts: [app], http: [{route: [{destination: {host: app}}], retries: {attempts: 0}}]}";
    let compared_to = |meshes: [Mesh; 2]| compared(&meshes, 1).candidates.remove(0);
    let whats = |story: &Option<Story>| -> Vec<(What, u16)> {
        story.as_ref().expect("told").moments.iter().map(|moment| (moment.what, moment.attempt)).collect()
    };
    let candidate = compared_to([mesh(down, ""), mesh(down, stubborn)]);
    let base = whats(&candidate.told.first().expect("some fail at once").base);
    assert_eq!(
        base,
        [(What::ConnectFailed, 1), (What::TriedAgain, 1), (What::Arrived, 2), (What::Answered(200), 2)]
    );
    let shared =
        "DestinationRule {host: app, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}";
    let candidate = compared_to([mesh("", shared), mesh(down, shared)]);
    assert_eq!(candidate.told.len(), 3);
    for told in &candidate.told {
        let met = whats(&told.candidate);
        assert_eq!(met.iter().filter(|(what, _)| *what == What::Reset).count(), 1, "{met:?}");
    }
}

#[test]
fn a_stopped_comparison_keeps_whole_replications() {
    let meshes = [shop([90, 10], "4", 4), shop([80, 20], "4", 4)];
    let (stop, steps) = (AtomicBool::new(false), AtomicU32::new(0));
    let crew = Crew::new(1).expect("a thread");
    let step = || {
        if steps.fetch_add(1, Ordering::SeqCst) == 250 {
            stop.store(true, Ordering::SeqCst);
        }
    };
    let stopped = compare(&crew, &meshes, Replications::Given, Watch { stop: &stop, step: &step }).0;
    assert_eq!(stopped.replications, 2);
    let fewer = [shop([90, 10], "4", 2), shop([80, 20], "4", 2)];
    let whole = compared(&fewer, 1);
    assert_eq!(stopped.candidates[0].figures, whole.candidates[0].figures);
    assert_eq!(stopped.candidates[0].told, whole.candidates[0].told, "as if no more had been asked for");
    assert!(!whole.candidates[0].told.is_empty());
}

/// What is asked for is neither good nor bad; what a closed loop is served is.
#[test]
fn load_is_no_quality_but_what_a_closed_loop_is_served_is() {
    let base = shop([90, 10], "unlimited", 4);
    let mut fewer = base.clone();
    fewer.scale_load(0.5).expect("rates");
    let compared_to = compared(&[base.clone(), fewer], 2);
    let candidate = &compared_to.candidates[0];
    let row = |candidate: &Candidate, scope, target: &str, measure| {
        let is_own = |row: &&Compared| {
            (row.subject.scope, row.subject.target.as_str(), row.measure) == (scope, target, measure)
        };
        candidate.figures.iter().find(is_own).cloned()
    };
    let rps = Measure::Of(Figure::Rps);
    let web = row(candidate, Scope::Client, "web", rps).expect("an open loop has its rate");
    assert_eq!((web.sense, web.verdict), (Sense::Neutral, Verdict::Fewer));
    assert!(candidate.gate(0.05).regressions.iter().all(|row| row.measure != rps), "half the load");
    assert_eq!(candidate.overall(&compared_to.objectives), Overall::WithinNoise);

    let closed = |mesh: &Mesh| {
        let mut mesh = mesh.clone();
        for client in mesh.clients.rows_mut() {
            let users = std::num::NonZeroU32::new(20).expect("20");
            client.load = Load::Closed { users, think: Distribution::Constant(SimDuration::from_millis(50)) };
        }
        mesh
    };
    let worse = compared(&[closed(&base), closed(&shop([20, 80], "unlimited", 4))], 2);
    let served =
        row(&worse.candidates[0], Scope::Client, "web", Measure::ServedRps).expect("a closed loop's");
    assert_eq!((served.sense, served.verdict), (Sense::MoreIsBetter, Verdict::Worse));
    assert_eq!(row(&worse.candidates[0], Scope::Client, "web", rps), None);
    // What is served is what ended, less the failures.
    let success = row(&worse.candidates[0], Scope::Client, "web", Measure::Of(Figure::SuccessPct));
    assert!(success.expect("there").value.value.expect("data") < 97.0);
    assert!(served.growth() > 0.0);
    // Where v2 gets more, its callers' rows say so.
    let calls = worse.candidates[0].figures.iter().find(|row| {
        (row.subject.scope, row.subject.subset.as_str(), row.measure) == (Scope::Cluster, "v2", rps)
    });
    assert_eq!(calls.expect("a row of its load").verdict, Verdict::More);
}

/// What `run` warns of is told of every configuration.
#[test]
fn figures_that_are_not_of_a_steady_state_are_told() {
    let (full, roomy) = (shop([90, 10], "1", 2), shop([90, 10], "8", 2));
    let compared = compared(&[full.clone(), roomy], 2);
    let results: Vec<_> =
        (0..2).map(|number| sim::run(&Plan::compile(&full), full.run.seed, number)).collect();
    let alone = RunResults::pool(&results);
    let found = steadiness::check(&alone, &full);
    assert!(matches!(found[..], [steadiness::Unsteady::Overload(_), ..]), "{found:?}");
    assert_eq!(compared.condition.unsteady, found);
    assert_eq!(compared.candidates[0].condition.unsteady, []);
    let unfinished: f64 =
        alone.clients.iter().filter(|row| row.class == "all").filter_map(|row| row.unfinished.value).sum();
    assert_eq!(compared.condition.unfinished, unfinished);
}

/// How much narrower the intervals of a change are than those of two runs with seeds of their own. The figures are in
/// docs/studies.md.
#[test]
fn pairing_narrows_the_intervals() {
    let meshes = [shop([90, 10], "4", 8), shop([80, 20], "4", 8)];
    let compared = compared(&meshes, 2);
    let mut other = meshes[1].clone();
    other.run.seed += 1;
    let alone = |mesh: &Mesh| {
        let is_web = |row: &meshcast::study::ClientFigures| row.client == "web" && row.class == "all";
        alone(mesh).clients.into_iter().find(is_web).expect("web")
    };
    let (one, two) = (alone(&meshes[0]), alone(&other));
    type Of = fn(&meshcast::study::ClientFigures) -> Estimate;
    let independent = |of: Of| {
        let (left, right) = (of(&one).ci95.expect("wide"), of(&two).ci95.expect("wide"));
        (left * left + right * right).sqrt()
    };
    let paired = |measure| {
        let is_own = |row: &&meshcast::study::compare::Compared| {
            row.subject.scope == Scope::Client && row.subject.target == "web" && row.measure == measure
        };
        let row = compared.candidates[0].figures.iter().find(is_own).expect("a row");
        row.change.ci95.expect("eight replications")
    };
    for (name, least, measure, of) in [
        ("mean", 2.0, Measure::Of(Figure::LatencyMean), (|row| row.latency.mean) as Of),
        ("p50", 1.5, Measure::Of(Figure::Latency(0.5)), |row| row.latency.p50),
        ("success", 1.2, Measure::Of(Figure::SuccessPct), |row| row.success_pct),
    ] {
        let (own, apart) = (paired(measure), independent(of));
        eprintln!("{name}: {apart:.4} independent, {own:.4} paired, {:.1} times", apart / own);
        assert!(apart / own > least, "{name}: {apart} against {own}");
    }
}
