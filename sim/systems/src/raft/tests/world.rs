//! Whole clusters in the kernel's world: each preset elects, loses and replaces a leader; and no set of options makes a
//! node panic, whatever is done to it.

use std::collections::BTreeMap;

use splitbrain_kernel::director::spec::{FaultSpec, MessageSpec, NemesisKind, NemesisSpec, What};
use splitbrain_kernel::fault::{Crash, CrashScope, Cut, Fault, InFlight, Keep, Latency};
use splitbrain_kernel::id::{Cluster, NodeId, Side};
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::options::{
    Idle, OptionFields as _, OptionShape, OptionSpec, Options, PerServer, Preset, Scene, Value, ValueKind,
};
use splitbrain_kernel::plan::{Moment, PlannedOperation, PlannedOrder};
use splitbrain_kernel::rng::{Ppm, Rng, Seed};
use splitbrain_kernel::run::{Budget, DiskOptions, NetworkOptions, Outcome, RunOptions, RunReport, Ties};
use splitbrain_kernel::selector::{Among, LinkForm, Selector, Span, Trigger};
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View as _;
use splitbrain_kernel::world::World;

use super::super::durable::LOG_FILE;
use super::super::message::{Operation, Order};
use super::super::node::RaftNode;
use super::super::options::{Candidates, RaftOptions};
use super::super::presets::{etcd, hashicorp, nuraft, paper};
use super::super::system::Raft;
use super::super::workload::RaftWorkload;
use super::host::millis;

const BOUNDS: Bounds = Bounds { skew: None, drift_ppm: Some(10_000), latency: millis(5) };
const CLUSTER: Cluster = Cluster::plain(5, 2);

fn network(loss: Ppm) -> NetworkOptions {
    NetworkOptions {
        latency: Latency::Uniform { min: millis(1), max: millis(5) },
        loss,
        duplication: loss,
        reordering: loss,
        reordering_delay: millis(50),
        bandwidth: 0,
        connection_timeout: Duration::from_secs(1),
        redial: None,
        links: Vec::new(),
    }
}

fn run_options(duration: Duration, loss: Ppm) -> RunOptions<Operation, Order, RaftWorkload> {
    let disk = DiskOptions {
        write_min: Duration::from_micros(10),
        write_max: Duration::from_micros(50),
        sync_min: Duration::from_micros(100),
        sync_max: millis(2),
        capacity: 0,
    };
    RunOptions {
        cluster: CLUSTER,
        network: network(loss),
        clocks: BTreeMap::new(),
        disk,
        faults: Vec::new(),
        nemeses: Vec::new(),
        workload: None,
        operations: proposals(duration),
        orders: Vec::new(),
        counted: Vec::new(),
        disks: BTreeMap::new(),
        duration,
        settle: Duration::ZERO,
        budget: Budget::ORDINARY,
        invariants: InvariantSet::NONE,
        bounds: BOUNDS,
        ties: Ties::Sequence,
        replay: None,
    }
}

/// Each client proposes every 100 ms.
fn proposals(duration: Duration) -> Vec<PlannedOperation<Operation>> {
    let times = (1..duration.as_millis() / 100).map(|step| Instant::ZERO + millis(100 * step));
    let each = |at: Instant| {
        CLUSTER.clients().map(move |node| PlannedOperation {
            start: Moment { at, after_events: 0, order: 0 },
            node,
            operation: Operation::Propose { value: at.as_nanos() },
            after_completion: false,
        })
    };
    times.flat_map(each).collect()
}

fn run(
    options: PerServer<RaftOptions>,
    run: &RunOptions<Operation, Order, RaftWorkload>,
    seed: u64,
) -> RunReport<Operation, Order> {
    let system = Raft::new(Setup::new(CLUSTER, options, BOUNDS));
    let system = system.expect("the options stand together");
    World::new(&system, run, Seed(seed)).run()
}

/// What the servers hold after a run of so many seconds: entries in memory and records on the disk, of the one that has
/// most; and how much they have applied at least.
fn held_after(seconds: u64) -> (usize, usize, u64) {
    let options = paper().with(|o| {
        o.snapshot.distance = 20;
        o.snapshot.trailing = 10;
    });
    let system = Raft::new(Setup::new(CLUSTER, PerServer::same(options), BOUNDS)).expect("the options stand together");
    let run = run_options(Duration::from_secs(seconds), Ppm::new(10_000));
    let mut world = World::new(&system, &run, Seed(5));
    assert_eq!(world.run().outcome, Outcome::Passed);
    let view = world.view();
    let server = |node| view.node(node).and_then(RaftNode::server).expect("every server runs");
    let entries = CLUSTER.servers().map(|node| server(node).log().entries().len()).max();
    let records = CLUSTER.servers().map(|node| view.record_count(node, LOG_FILE)).max();
    let applied = CLUSTER.servers().map(|node| server(node).applied().0).min();
    (entries.unwrap_or(0), records.unwrap_or(0), applied.unwrap_or(0))
}

#[test]
fn with_snapshots_a_long_run_holds_no_more_than_a_short_one() {
    for seconds in [20, 200] {
        let (entries, records, applied) = held_after(seconds);
        assert!(applied > 15 * seconds, "{applied} entries were applied");
        // What is taken and not yet durable comes on top of distance and tail.
        assert!(entries <= 45 && records <= 45, "{entries} entries, {records} records");
    }
}

fn count(report: &RunReport<Operation, Order>, name: &str) -> u64 {
    report.counts.get(name).copied().unwrap_or(0)
}

fn crash(role: &str, at: Duration, duration: Duration) -> FaultSpec<Order> {
    FaultSpec {
        id: "crash".to_owned(),
        line: 1,
        selector: role.to_owned(),
        trigger: Trigger::At(Span::constant(Instant::ZERO + at)),
        names: Vec::new(),
        what: What::Fault(Fault::Crash(Crash {
            nodes: vec![Selector::Role(role.to_owned())],
            scope: CrashScope::Machine,
            keep: Keep::Prefix,
        })),
        duration: Some(Span::constant(duration)),
        until: None,
        waits_until: None,
    }
}

fn each_preset(
    check: impl Fn(&Preset<RaftOptions>, RunReport<Operation, Order>),
    options: &RunOptions<Operation, Order, RaftWorkload>,
) {
    for preset in RaftOptions::presets() {
        for seed in 0..5 {
            check(preset, run(PerServer::same((preset.make)()), options, seed));
        }
    }
}

#[test]
fn an_undisturbed_cluster_elects_one_leader_that_stays() {
    let quiet = run_options(Duration::from_secs(20), Ppm::NEVER);
    each_preset(
        |preset, report| {
            let (name, seed) = (preset.name, report.seed);
            assert_eq!(report.outcome, Outcome::Passed, "{name}, seed {seed}");
            assert!((1..=2).contains(&count(&report, "leader elected")), "{name}, seed {seed}: {report:?}");
            assert!(count(&report, "applied") > 500, "{name}, seed {seed}: {:?}", report.counts);
        },
        &quiet,
    );
}

#[test]
fn a_crashed_leader_is_replaced() {
    let mut options = run_options(Duration::from_secs(30), Ppm::NEVER);
    options.faults = vec![crash("leader", Duration::from_secs(10), Duration::from_secs(8))];
    each_preset(
        |preset, report| {
            let (name, seed) = (preset.name, report.seed);
            assert_eq!(report.outcome, Outcome::Passed, "{name}, seed {seed}");
            assert_eq!(count(&report, "leader crashed"), 1, "{name}: {:?} {:?}", report.counts, report.never_applied);
            let elected = count(&report, "leader elected");
            assert!((2..=4).contains(&elected), "{name}, seed {seed}: {elected} leaders");
            assert!(count(&report, "applied") > 800, "{name}, seed {seed}: {:?}", report.counts);
        },
        &options,
    );
}

#[test]
fn a_bad_network_costs_elections_but_the_cluster_goes_on() {
    let bad = run_options(Duration::from_secs(20), Ppm::new(20_000));
    each_preset(
        |preset, report| {
            assert_eq!(report.outcome, Outcome::Passed, "{}", preset.name);
            assert!(count(&report, "applied") > 300, "{}: {:?}", preset.name, report.counts);
        },
        &bad,
    );
}

// ---- The seed's partition ----

/// Five servers, `leader` first asked to campaign; after 5 s only who shares a group can talk.
fn partitioned(options: RaftOptions, leader: u16) -> RunReport<Operation, Order> {
    const GROUPS: [&[u16]; 4] = [&[1, 2, 3], &[2, 3, 5], &[4, 5], &[1, 4]];
    let group = |group: &[u16]| group.iter().map(|number| Selector::Node(NodeId::server(*number).into())).collect();
    let groups = GROUPS.into_iter().map(group).collect();
    let mut world = run_options(Duration::from_secs(60), Ppm::NEVER);
    world.operations = Vec::new();
    world.orders = vec![PlannedOrder {
        start: Moment { at: Instant::ZERO + millis(1), after_events: 0, order: 0 },
        node: NodeId::server(leader),
        order: Order::Campaign,
    }];
    world.faults = vec![FaultSpec {
        what: What::Fault(Fault::Cut(Cut {
            links: LinkForm::Partition(groups),
            in_flight: InFlight::Drop,
            kinds: Vec::new(),
        })),
        duration: None,
        ..crash("leader", Duration::from_secs(5), Duration::ZERO)
    }];
    let report = run(PerServer::same(options), &world, 1);
    assert_eq!(report.outcome, Outcome::Passed);
    report
}

#[test]
fn overlapping_groups_keep_moving_the_leadership_without_pre_vote() {
    for leader in 1..=5 {
        let moving = partitioned(paper(), leader);
        assert!(count(&moving, "leader elected") > 60, "s{leader}: {:?}", moving.counts);
    }
}

#[test]
fn etcds_pre_vote_without_check_quorum_moves_the_leadership_once() {
    // Alone it compares terms and logs only. The starved server's log is good enough until the next leader has
    // committed its first entry, which the server starved then lacks.
    for leader in 1..=5 {
        let alone = etcd().with(|o| o.check_quorum.timeout = Duration::ZERO);
        let moved = partitioned(alone.clone(), leader);
        assert_eq!(count(&moved, "leader elected"), 2, "s{leader}: {:?}", moved.counts);
        let moving = partitioned(alone.with(|o| o.log.noop = false), leader);
        assert!(count(&moving, "leader elected") > 10, "s{leader}: {:?}", moving.counts);
    }
}

#[test]
fn overlapping_groups_leave_the_leader_with_pre_vote() {
    for preset in [etcd(), nuraft(), hashicorp()] {
        for leader in 1..=5 {
            let stable = partitioned(preset.clone(), leader);
            assert_eq!(count(&stable, "leader elected"), 1, "s{leader}: {:?}", stable.counts);
        }
    }
}

#[test]
fn a_starved_server_of_nuraft_gives_up_where_three_refuse() {
    // Led by s1 or s5, the other is refused by three: a quorum. Led by s2, s3 or s4, two refuse, which is none.
    for (leader, exits) in [(1, 1), (2, 0), (3, 0), (4, 0), (5, 1)] {
        assert_eq!(count(&partitioned(nuraft(), leader), "starved exit"), exits, "s{leader}");
    }
}

// ---- Any options ----

/// A value within the option's kind: short times and small numbers, so that much happens.
fn any_value(kind: ValueKind, rng: &mut Rng) -> Value {
    match kind {
        ValueKind::Bool => Value::Bool(rng.below(2) == 1),
        ValueKind::Integer { min, max } => Value::Integer(rng.between(min, max.min(min + 6))),
        ValueKind::Duration { min, .. } => Value::Duration(rng.duration(min, millis(400))),
        ValueKind::Probability => Value::Probability(Ppm::new(rng.below(1_000_001) as u32)),
        ValueKind::Name(names) => Value::Name(names[rng.below(names.len() as u64) as usize].0.to_owned()),
    }
}

/// A preset with a few options changed, until they stand together.
fn any_options(rng: &mut Rng) -> RaftOptions {
    let all = OptionShape::of::<RaftOptions>().options();
    loop {
        let preset = rng.choose(RaftOptions::presets()).expect("there are presets");
        let mut options = (preset.make)();
        for _ in 0..rng.below(8) {
            let (path, spec) = rng.choose(&all).expect("there are options");
            let value = any_value(spec.kind, rng);
            assert!(options.set(path, &value), "the value is of the option's kind");
        }
        if options.validate(CLUSTER).is_ok() && !options.membership.learner {
            return options;
        }
    }
}

fn weather<Q>(rng: &mut Rng) -> NemesisSpec<Q> {
    let on = [Side::Server, Side::Client].map(Among::Side).map(Selector::Any).to_vec();
    NemesisSpec {
        id: "weather".to_owned(),
        line: 1,
        kinds: NemesisKind::common().collect(),
        on,
        every: Span { low: millis(10 + rng.below(200)), high: millis(1_000) },
        duration: Span { low: millis(50), high: Duration::from_secs(3) },
        swarm: true,
        from: Instant::ZERO,
        until: None,
        messages: MessageSpec::default(),
        orders: Vec::new(),
    }
}

#[test]
fn no_options_make_a_node_panic() {
    for seed in 0..150 {
        let mut rng = Seed(seed).stream("options", 0);
        let mut options = PerServer::same(any_options(&mut rng));
        for _ in 0..rng.below(3) {
            let server = NodeId::server(rng.between(1, 4) as u16);
            let learner = rng.below(4) == 0;
            let own = any_options(&mut rng).with(|o| o.membership.learner = learner);
            options.of.insert(server, together_with(&options.base, own));
        }
        let mut world = run_options(Duration::from_secs(8), Ppm::new(10_000));
        world.nemeses = vec![weather(&mut rng)];
        world.orders = any_orders(&mut rng);
        let report = run(options.clone(), &world, seed);
        assert_eq!(report.outcome, Outcome::Passed, "seed {seed}: {options:?}");
    }
}

/// The same with what must be the same for all servers.
fn together_with(base: &RaftOptions, own: RaftOptions) -> RaftOptions {
    own.with(|o| {
        (o.clients.session_timeout, o.clients.sessions_max) = (base.clients.session_timeout, base.clients.sessions_max);
        o.reads = base.reads.clone();
        o.timing.election_timeout_min = o.timing.election_timeout_min.max(o.reads.lease);
        o.timing.election_timeout_max = o.timing.election_timeout_max.max(o.timing.election_timeout_min);
    })
}

fn any_orders(rng: &mut Rng) -> Vec<PlannedOrder<Order>> {
    const ORDERS: [(&str, &[&str]); 5] = [
        ("catching_up", &["on", "off"]),
        ("receiving_snapshot", &["on", "off"]),
        ("step_down", &[""]),
        ("campaign", &[""]),
        ("leave", &[""]),
    ];
    let system = <Raft>::new(Setup::new(CLUSTER, PerServer::same(paper()), BOUNDS)).expect("the paper's options stand");
    let count = rng.below(20);
    let any = |_| {
        let (name, arguments) = rng.choose(&ORDERS).expect("there are orders");
        let argument = rng.choose(arguments).expect("there are arguments");
        PlannedOrder {
            start: Moment { at: Instant::from_nanos(rng.below(8_000_000_000)), after_events: 0, order: 0 },
            node: NodeId::server(rng.between(1, 5) as u16),
            order: system.order(name, argument).expect("the order stands"),
        }
    };
    (0..count).map(any).collect()
}

/// What is called idle changes no run, whatever value it has.
#[test]
fn an_idle_option_changes_nothing() {
    let scene = Scene { cluster: CLUSTER, orders: &[] };
    let idle = |options: &RaftOptions| RaftOptions::idle(&PerServer::same(options.clone()), scene);
    let specs: BTreeMap<String, OptionSpec> = OptionShape::of::<RaftOptions>().options().into_iter().collect();
    let mut tried = std::collections::BTreeSet::new();
    for seed in 0..30 {
        let mut rng = Seed(seed).stream("idle", 0);
        let options = any_options(&mut rng);
        let mut world = run_options(Duration::from_secs(5), Ppm::new(10_000));
        world.nemeses = vec![weather(&mut rng)];
        let digest = |options: &RaftOptions| run(PerServer::same(options.clone()), &world, seed).digest;
        let before = digest(&options);
        for (what, why) in idle(&options) {
            let Idle::Option(name) = what else { continue };
            let mut changed = options.clone();
            assert!(changed.set(name, &any_value(specs[name].kind, &mut rng)), "the value is of the option's kind");
            let stands = changed.validate(CLUSTER).is_ok() && idle(&changed).iter().any(|(other, _)| *other == what);
            if stands && changed != options {
                assert_eq!(digest(&changed), before, "{name}: {why}: {options:?}");
                tried.insert(name);
            }
        }
    }
    assert!(tried.len() >= 9, "{tried:?}");
}

#[test]
fn what_has_an_effect_is_not_idle() {
    let on = [
        "snapshot.trailing",
        "snapshot.part_bytes",
        "pre_vote.term",
        "pre_vote.exit_after_rejections",
        "quorum.auto_adjust_rounds",
        "quorum.auto_adjust_heartbeats",
        "membership.leave_timeouts",
        "check_quorum.method",
        "priority.decay",
        "priority.zero_leader",
        "reads.lease",
        "membership.promotion_gap",
    ];
    let idle = |options: &RaftOptions, orders: &[String]| {
        let all = RaftOptions::idle(&PerServer::same(options.clone()), Scene { cluster: CLUSTER, orders });
        on.into_iter().filter(|name| all.iter().any(|(what, _)| *what == Idle::Option(name))).collect::<Vec<_>>()
    };
    let mut options = paper().with(|o| o.pre_vote.exit_after_rejections = 3);
    assert_eq!(idle(&options, &[]), on);
    options.snapshot.distance = 10;
    options.pre_vote.enabled = true;
    options.quorum.auto_adjust = true;
    options.votes.candidates = Candidates::Members;
    options.check_quorum.timeout = options.timing.election_timeout_min;
    options.priority.value = 7;
    options.reads.method = crate::raft::options::ReadMethod::Lease;
    assert_eq!(idle(&options, &["promote".to_owned()]), ["priority.zero_leader"]);
    // One server is enough.
    let mut apart = PerServer::same(paper());
    apart.of.insert(
        NodeId::server(2),
        paper().with(|o| {
            o.priority.value = 0;
            o.snapshot.distance = 5;
        }),
    );
    let all = RaftOptions::idle(&apart, Scene { cluster: CLUSTER, orders: &[] });
    assert!(!all.iter().any(|(what, _)| *what == Idle::Option("priority.zero_leader")));
    assert!(!all.iter().any(|(what, _)| *what == Idle::Message("snapshot_part")));
}
