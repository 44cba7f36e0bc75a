//! Random numbers: the keyed draw, a sample of each law, the next birth of each kind of load.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use meshcast::kernel::arrivals::{Arrivals, Load, Spacing};
use meshcast::kernel::distribution::Distribution;
use meshcast::kernel::random::{Purpose, draw, entity_stream};
use meshcast::kernel::sampler::Sampler;
use meshcast::kernel::{SimDuration, SimTime};

const ROUND: u64 = 1_000;

fn draws(c: &mut Criterion) {
    let mut group = c.benchmark_group("draws");
    group.throughput(Throughput::Elements(ROUND));
    group.bench_function("draw", |bencher| {
        let mut key = 0;
        bencher.iter(|| {
            // Each depends on the last, as keys lead to keys.
            for n in 0..ROUND {
                key = draw(key, Purpose::Attempt, n);
            }
            key
        });
    });
    group.finish();
}

fn laws() -> Vec<(&'static str, Distribution)> {
    let ms = SimDuration::from_millis;
    let law = |law: Result<Distribution, String>| law.expect("sound parameters");
    let exponential = law(Distribution::exponential(ms(5)));
    vec![
        ("constant", Distribution::Constant(ms(5))),
        ("uniform", law(Distribution::uniform(ms(1), ms(9)))),
        ("exponential", exponential.clone()),
        ("lognormal", law(Distribution::log_normal_p50_p99(ms(12), ms(80)))),
        ("gamma", law(Distribution::gamma(ms(10), 0.7))),
        ("weibull", law(Distribution::weibull_p50_p99(ms(12), ms(80)))),
        ("pareto", law(Distribution::pareto(ms(1), 2.5))),
        (
            "mixture",
            law(Distribution::mixture(vec![(90.0, exponential), (10.0, Distribution::Constant(ms(200)))])),
        ),
        ("quantiles", law(Distribution::quantiles(vec![(0.5, ms(12)), (0.9, ms(30)), (0.99, ms(80))]))),
    ]
}

fn samplers(c: &mut Criterion) {
    let mut group = c.benchmark_group("sampler");
    group.throughput(Throughput::Elements(ROUND));
    for (name, law) in laws() {
        let sampler = Sampler::new(&law);
        let mut key = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                key += 1;
                let samples = (0..ROUND).map(|n| sampler.sample(draw(key, Purpose::Work, n)).nanos());
                samples.fold(0, u64::wrapping_add)
            });
        });
    }
    group.finish();
}

fn births(c: &mut Criterion) {
    let at = |seconds: u64| SimTime::ZERO + SimDuration::from_secs(seconds);
    let points = vec![(at(0), 100.0), (at(300), 800.0)];
    let loads = [
        ("constant", Load::Constant { rate: 1_000.0 }),
        ("poisson", Load::Poisson { rate: 1_000.0 }),
        ("bursty", Load::Bursty { rate: 1_000.0, cv: 3.0 }),
        ("profile", Load::Profile { points, arrivals: Spacing::Poisson }),
    ];
    let mut group = c.benchmark_group("births");
    group.throughput(Throughput::Elements(ROUND));
    for (name, load) in loads {
        let gap = load.gap().map(|law| Arc::new(Sampler::new(&law)));
        let mut arrivals = Arrivals::new(&load, gap, entity_stream(1, 0, "client/c")).expect("an open loop");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..ROUND {
                    black_box(arrivals.next_birth());
                }
            });
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(600))
        .without_plots()
}

criterion_group! {name = benches; config = short(); targets = draws, samplers, births}
criterion_main!(benches);
