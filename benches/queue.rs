//! The event queue alone: the hold model (take the next event, schedule another) at many numbers of pending events,
//! and timers that are armed and mostly disarmed, as timeouts are. Divide by an event's other work, about 100 ns.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use meshcast::kernel::distribution::Distribution;
use meshcast::kernel::lanes::Timer;
use meshcast::kernel::queue::{self, Queue};
use meshcast::kernel::random::{Purpose, draw};
use meshcast::kernel::sampler::Sampler;
use meshcast::kernel::{SimDuration, SimTime};

/// A number; its rank is told by its lowest bits.
#[derive(Clone, Copy)]
struct Hold(u32);

impl queue::Event for Hold {
    fn rank(&self) -> u8 {
        (self.0 & 3) as u8
    }

    fn pack(self) -> u64 {
        u64::from(self.0)
    }

    fn unpack(word: u64) -> Hold {
        Hold(word as u32)
    }
}

/// Holds a round; the benchmark counts single events.
const ROUND: u64 = 1_000;

/// Gaps drawn beforehand, so that no draw is measured.
fn gaps(mean: SimDuration) -> Vec<SimDuration> {
    let law = Sampler::new(&Distribution::exponential(mean).expect("above zero"));
    (0..1 << 16).map(|n| law.sample(draw(3, Purpose::Work, n))).collect()
}

fn hold(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/hold");
    group.throughput(Throughput::Elements(ROUND));
    for pending in [16u64, 256, 4_096, 65_536, 1_000_000] {
        // One event a microsecond, whatever the number.
        let gaps = gaps(SimDuration::from_micros(pending));
        let mut queue = Queue::new();
        for n in 0..pending {
            queue.push(SimTime::ZERO + gaps[n as usize & 0xffff], Hold(n as u32));
        }
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(pending), |bencher| {
            bencher.iter(|| {
                for _ in 0..ROUND {
                    let (now, event) = queue.next_before(SimTime::MAX).expect("as many as before");
                    next = (next + 1) & 0xffff;
                    queue.push(now + gaps[next], black_box(event));
                }
            });
        });
    }
    group.finish();
}

/// Each event arms a timer and disarms one that was armed `pending` events ago.
fn lanes(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/lanes");
    group.throughput(Throughput::Elements(ROUND));
    for pending in [256usize, 65_536] {
        let gaps = gaps(SimDuration::from_micros(1));
        let mut queue = Queue::new();
        let lanes = [queue.lane(SimDuration::from_secs(10), 2), queue.lane(SimDuration::from_secs(15), 2)];
        let mut armed: Vec<Timer> = (0..pending).map(|n| queue.arm(lanes[n & 1], Hold(2))).collect();
        queue.push(SimTime::ZERO, Hold(1));
        let (mut next, mut at) = (0, 0);
        group.bench_function(BenchmarkId::from_parameter(pending), |bencher| {
            bencher.iter(|| {
                for _ in 0..ROUND {
                    let (now, event) = queue.next_before(SimTime::MAX).expect("one goes on for ever");
                    queue.disarm(armed[at]);
                    armed[at] = queue.arm(lanes[at & 1], Hold(2));
                    (next, at) = ((next + 1) & 0xffff, (at + 1) % pending);
                    queue.push(now + gaps[next], black_box(event));
                }
            });
        });
    }
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(15)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_millis(1_500))
        .without_plots()
}

criterion_group! {name = benches; config = short(); targets = hold, lanes}
criterion_main!(benches);
