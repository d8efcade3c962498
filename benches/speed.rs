//! Time, by criterion: the ping-pong bare and through the kernel, and the raft election run.
//!
//! `cargo bench --bench speed`. The table in `reports/gallery/performance.md` is made by `just bench-table`.

#[path = "common/bare.rs"]
mod bare;
#[path = "common/election.rs"]
mod election;
#[path = "common/ping_pong.rs"]
mod ping_pong;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use splitbrain_kernel::rng::Seed;

const SECONDS: u64 = 20;

fn ping_pong(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ping_pong");
    group.throughput(Throughput::Elements(bare::bare(SECONDS, 7).0));
    group.bench_function("bare", |bencher| bencher.iter(|| bare::bare(SECONDS, 7)));
    group.bench_function("kernel", |bencher| bencher.iter(|| ping_pong::kernel(SECONDS, Seed(7)).events));
    group.finish();
}

fn raft_election(criterion: &mut Criterion) {
    let runs = election::Election::load();
    let mut group = criterion.benchmark_group("raft_election");
    group.throughput(Throughput::Elements(runs.run(Seed(1)).events));
    group.bench_function("one_run", |bencher| bencher.iter(|| runs.run(Seed(1)).events));
    group.finish();
}

criterion_group!(speed, ping_pong, raft_election);
criterion_main!(speed);
