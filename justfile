# Short names for the commands that people type. `just` alone lists them.

_default:
    @just --list --unsorted

# Everything that a change must pass, read-only: formatting, lints, docs, tests, and licences where cargo-deny is there.
check: && deny
    .ci/fmt --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    .ci/lint-bites
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace
    cargo test --workspace

# Licences, bans and sources of the dependencies, those of sim/adapters too; advisories need the network: `cargo deny check advisories`.
deny:
    if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources && cd sim/adapters && cargo deny check licenses bans sources; else echo "cargo-deny is not installed: skipped"; fi

# Writes: formatting and what clippy can mend by itself.
fix:
    .ci/fmt
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# N generated requests to the lock server and to a real redis-server, which have to answer with the same bytes.
# How many were compared is kept in reports/gallery/serve-lock.md.
redis-compare commands="200000":
    benches/redis-benchmark compare {{ commands }} --write

# Makes the recorded replies of redis-server again; read the diff before you commit it.
redis-record:
    SPLITBRAIN_REDIS=required SPLITBRAIN_REDIS_RECORD=1 cargo test --test redis -- --test-threads 1

# The lock tests of redis-py against `splitbrain serve lock`.
redis-py:
    .ci/redis-py

# The Rust client of Redis against `splitbrain serve lock`.
redis-rs:
    .ci/redis-rs

# SET and GET with 50 clients: fails if `serve lock` is less than half as fast as redis-server. `memory [MINUTES]`: ten
# minutes of load, and fails if its memory grows. `--write` keeps the table.
redis-benchmark *arguments:
    cargo build --release
    benches/redis-benchmark {{ arguments }}

# What CI runs, on this machine.
ci:
    .ci/run

# Seconds for each step of what CI runs, from a cold cache on two cores: reports/gallery/ci.md. It takes as long as CI.
ci-table:
    .ci/table --cold

# Makes the golden files again; read the diff before you commit it.
golden:
    INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo test --workspace
    if command -v protoc >/dev/null; then cd sim/adapters && INSTA_UPDATE=always cargo test --locked; else echo "protoc is not installed: the golden of sim/adapters is as before"; fi
    git status --short -- '*.snap' tests/golden

# Every benchmark, or those whose name holds FILTER.
bench filter="":
    cargo bench --bench speed -- {{ filter }}

# Ten thousand seeds of the clean swarm in each preset, with the longest wait for a leader.
swarm:
    cargo run --release -- test scenarios/raft/swarm_paper.toml scenarios/raft/swarm_etcd.toml scenarios/raft/swarm_nuraft.toml scenarios/raft/swarm_hashicorp.toml scenarios/raft/swarm_snapshots.toml --seeds 0..10000

# The same, with how often each invariant was evaluated: reports/gallery/swarm.md is made from it.
swarm-evaluations:
    cargo run --release -- test scenarios/raft/swarm_paper.toml scenarios/raft/swarm_etcd.toml scenarios/raft/swarm_nuraft.toml scenarios/raft/swarm_hashicorp.toml --seeds 0..10000 --evaluations

# How long a healed cluster is without a leader, so many heals a cell: reports/gallery/liveness.md.
liveness-table heals="100000":
    cargo bench --bench liveness -- --heals {{ heals }} --write

# How often the swarms find known bugs with and without late messages, over so many seeds: reports/gallery/late.md.
late-table seeds="500":
    cargo bench --bench late -- --seeds {{ seeds }} --write

# The chance that one run finds each known bug of a system (raft, session, lock, chat, reactor), and by which
# invariants: reports/gallery/SYSTEM-bugs.md. A call that was interrupted goes on where it ended.
bugs-table system seeds="2000":
    cargo bench --bench bugs -- --system {{ system }} --seeds {{ seeds }} --write

# How often faults hit each step of a session's creation and of a chat login: reports/gallery/steps.md.
steps-table seeds="1000":
    cargo bench --bench steps -- --seeds {{ seeds }} --write

# How often the clean swarms of a system (raft, session, lock, chat, reactor) come to what matters, by this number of
# seeds of each, or fewer of some (`--at-most failover=10000,clocks=10000`):
# reports/gallery/{raft,sessions,lock,chat,reactor}.md. It goes on as well.
swarm-table system seeds="2000" *arguments:
    cargo bench --bench swarms -- --system {{ system }} --seeds {{ seeds }} {{ arguments }} --write

# Small mistakes in Raft that were written down before anyone looked whether the swarms find them, and which are found:
# reports/gallery/slips.md. It goes on as well.
slips seeds="2000":
    cargo bench --bench slips -- --seeds {{ seeds }} --write

# Raft in every connectivity graph of five servers: reports/gallery/topologies.md.
topologies seeds="8":
    cargo bench --bench topologies -- --seeds {{ seeds }} --write

# Figure 16 of the Raft paper, with the published values beside ours: reports/gallery/figure-16.md. It takes some minutes.
figure-16 seeds="1000":
    cargo bench --bench figure_16 -- --seeds {{ seeds }} --write

# Every known bug, with seeds-to-find, white-box invariants on and off, and its fixed twin on the same seeds.
known-bugs:
    cargo run --release -- test scenarios/raft/bugs

# Generated sequences of system calls against the reactor's model and against Linux: reports/gallery/reactor-linux.md.
reactor-linux sequences="100000":
    SPLITBRAIN_REACTOR_LINUX=write PROPTEST_CASES={{ sequences }} cargo test -p splitbrain-systems --test linux -- --nocapture

# The figures of reports/gallery/performance.md.
bench-table:
    cargo bench --bench table -- --write

# The time of this build beside the one of COMMIT, in nine interleaved rounds: a section of reports/gallery/performance.md.
bench-against commit:
    rm -rf target/against/source && git worktree prune
    git worktree add --detach target/against/source {{ commit }}
    cargo build --release --bench table --manifest-path target/against/source/Cargo.toml --target-dir target/against/built
    git worktree remove --force target/against/source
    cargo bench --bench table -- --against "$(ls -t target/against/built/release/deps/table-* | grep -v '\.d$' | head -n 1)" {{ commit }} --write

# Seeds a second of `test` with processes and with threads: reports/gallery/isolation.md.
isolation-table:
    cargo build --release
    benches/isolation --write

# Instructions an event, by valgrind, against benches/instructions.txt; `just bench-instructions --write` keeps them.
bench-instructions *arguments:
    cargo bench --bench table -- --instructions {{ arguments }}

# What a long plan costs to run, write, read, replay and compare, for plans of up to 100,000 operations.
bench-plans *arguments:
    cargo bench --bench plans -- {{ arguments }}

# What it costs to judge histories, the recorded ones and some of a million operations; `--write` keeps the table.
bench-histories *arguments:
    cargo bench --bench histories -- {{ arguments }}

# A run of 100,000 operations that is recorded, and how long the release build takes to replay its folder.
replay-speed:
    cargo build --release
    rm -rf target/replay-speed
    target/release/splitbrain run benches/replay.toml --seed 1 --timeline none --out target/replay-speed --message-format json | tail -n 1
    grep -c '^\[\[operation\]\]$' target/replay-speed/benches/replay/1/plan.toml
    bash -c 'time target/release/splitbrain replay target/replay-speed/benches/replay/1 --timeline none >/dev/null'

# The committed digests, by the release build.
digests:
    cargo build --release
    SPLITBRAIN_PROGRAM="$PWD/target/release/splitbrain" cargo test --test determinism

# splitbrain on madsim, with the arguments of the program: `just madsim test scenarios`.
madsim *arguments:
    RUSTFLAGS="--cfg madsim --cfg tokio_unstable" cargo run --locked --release --target-dir target/madsim -p splitbrain-madsim -- {{ arguments }}

# The example of an async service: `just madsim-kv test sim/madsim/examples/kv`.
madsim-kv *arguments:
    RUSTFLAGS="--cfg madsim --cfg tokio_unstable" cargo run --locked --target-dir target/madsim -p splitbrain-madsim --example kv -- {{ arguments }}

# mini-redis, fetched and patched, with the arguments of the program: `just mini-redis test scenarios`.
mini-redis *arguments:
    examples/mini-redis/prepare
    cd examples/mini-redis && cargo run --locked -- {{ arguments }}

# Makes the lock files of the template and of mini-redis follow that of splitbrain.
async-locks:
    examples/mini-redis/prepare
    for example in async-template mini-redis; do cp Cargo.lock "examples/$example" && (cd "examples/$example" && cargo metadata --format-version 1 >/dev/null); done

# Determinism, replays and speed of every async service in the repository: reports/gallery/async.md. It takes some minutes.
async-table *arguments:
    .ci/async-table {{ arguments }}

# The tests of the engine on madsim.
madsim-test:
    RUSTFLAGS="--cfg madsim --cfg tokio_unstable" cargo test --locked --target-dir target/madsim -p splitbrain-madsim --lib --test madsim --test memory --test apart

# Every shipped scenario on both engines, with seeds-to-find; `--write` keeps the table, `--seeds N` is a short form.
madsim-compare *arguments:
    RUSTFLAGS="--cfg madsim --cfg tokio_unstable" cargo run --locked --release --target-dir target/madsim -p splitbrain-madsim --example compare -- {{ arguments }}

# The speed of both engines side by side; `--write` keeps the table.
madsim-table *arguments:
    RUSTFLAGS="--cfg madsim --cfg tokio_unstable" cargo run --locked --release --target-dir target/madsim -p splitbrain-madsim --example speed -- {{ arguments }}

# Published libraries under test, with the arguments of the program: `just adapters test scenarios`. It needs protoc.
adapters *arguments:
    cd sim/adapters && cargo run --locked --release -- {{ arguments }}

# Every swarm of the libraries over so many seeds, the first of them executed twice: reports/gallery/adapters.md.
adapters-table seeds="2000" twice="2000":
    cd sim/adapters && cargo run --locked --release --example tables -- swarms --seeds {{ seeds }} --twice {{ twice }} --write

# The rows of one library there (raft_rs, omnipaxos, foca), with those of the others as they are.
adapters-table-of library seeds="2000" twice="2000":
    cd sim/adapters && cargo run --locked --release --example tables -- swarms --only {{ library }} --seeds {{ seeds }} --twice {{ twice }} --write

# raft-rs beside the preset `etcd` in the partition of five servers: reports/gallery/raft-rs.md.
raft-rs-table seeds="20":
    cd sim/adapters && cargo run --locked --release --example tables -- partition --seeds {{ seeds }} --write

# The published libraries of sim/adapters: formatting, lints, tests, and every scenario with each run repeated.
adapters-check:
    .ci/adapters
