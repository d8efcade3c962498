//! Goal: a state machine of its own stands on raft, which replicates its commands and knows nothing of them.
//!
//! Method: a node holds a map of words and a raft server inside. It proposes through the server, and applies what the
//! server has applied after each call. All invariants of raft watch the inside, and one of the outside says
//! that two maps which have applied the same entries are equal.

use std::collections::BTreeMap;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec};
use splitbrain_kernel::embed;
use splitbrain_kernel::embedding::{Both, Embedding as _, Inside, Scope};
use splitbrain_kernel::id::{Cluster, Kind as ProcessKind, KindId, NodeId, Side};
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Invariants, Sight};
use splitbrain_kernel::node::{
    Completion, ConnectionEvent, Face, Message, Never, Node, Observation, Recovered, Source,
};
use splitbrain_kernel::options::{OptionFields, Options, OptionsError, PerServer, Preset};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
use splitbrain_kernel::selector::{Among, Selector, Span};
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::system::{Setup, System};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Part;
use splitbrain_kernel::workload::Idle;
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::durable::Record;
use splitbrain_systems::raft::ids::{Index, Position};
use splitbrain_systems::raft::invariants::RaftInvariants;
use splitbrain_systems::raft::message::{Command, Operation, RaftMessage, Response};
use splitbrain_systems::raft::node::RaftTimer;
use splitbrain_systems::raft::observation::RaftObservation;
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::{RaftNode, RaftOf, presets};

/// What the state machine is told. No number, and not `Copy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
struct Put {
    word: String,
    count: u64,
}

/// What the outer node gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Slip {
    None,
    /// It applies entries that are not committed yet.
    AppliesTooMuch,
}

/// A map of words, replicated.
#[derive(Debug)]
struct Store {
    raft: RaftNode<Put>,
    scope: Scope<RaftInStore>,
    slip: Slip,
    words: BTreeMap<String, u64>,
    applied: Index,
    /// What it proposed as a leader and has not seen applied.
    waiting: Vec<(Position, u64)>,
    proposed: u64,
    succeeded: u64,
}

impl Store {
    /// Calls the server inside, and applies what it has applied since.
    fn enter(&mut self, ctx: &mut Context<Self>, call: impl FnOnce(&mut RaftNode<Put>, &mut Context<RaftNode<Put>>)) {
        self.scope.enter(ctx, |ctx| call(&mut self.raft, ctx));
        let Some(server) = self.raft.server() else { return };
        let committed = server.applied_after(self.applied);
        let ahead = server.log().between(self.applied.max(server.applied()), server.log().last_index());
        for (index, entry) in committed.chain(ahead.filter(|_| self.slip == Slip::AppliesTooMuch)) {
            if let Command::Set(Put { word, count }) = &entry.command {
                self.words.insert(word.clone(), *count);
            }
            self.applied = index;
            let is_mine = |(position, _): &(Position, u64)| position.index == index;
            if let Some(at) = self.waiting.iter().position(is_mine) {
                let (position, _) = self.waiting.swap_remove(at);
                self.succeeded += u64::from(position.term == entry.term);
            }
        }
    }

    fn propose(&mut self, ctx: &mut Context<Self>) {
        if self.raft.server().is_none() {
            return;
        }
        let leads = self.raft.server().is_some_and(|server| server.is_leader());
        let last = self.raft.server().map(|server| server.log().last());
        self.proposed += 1;
        let count = self.proposed;
        let put = Put { word: format!("word {} of {}", count % 7, ctx.id()), count };
        let mut result = None;
        self.enter(ctx, |raft, ctx| result = Some(raft.propose(ctx, put)));
        match result.expect("the server was asked") {
            Ok(position) => {
                assert!(leads, "only a leader appends");
                self.waiting.push((position, count));
            }
            Err(refusal) => {
                let server = self.raft.server().expect("each node holds a server");
                assert_eq!((refusal.leader, server.log().last()), (server.leader(), last.expect("a server")));
                assert!(!leads, "a leader appends what it is asked to");
            }
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Said {
    Raft(RaftMessage<Put>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Alarm {
    Raft(RaftTimer),
    Propose,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Kept {
    Raft(Record<Put>),
}

#[derive(Clone, Debug, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Told {
    Raft(RaftObservation<Put>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Asked {
    Raft(Operation<Put>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Answered {
    Raft(Response),
}

embed! {
    /// The raft server of a store.
    struct RaftInStore: RaftNode<Put>, in Store, as "raft" {
        files: 0,
        hosts: |node| node.is(KEEPER),
        node: |store| store.raft.server().map(|_| &store.raft),
        message: Said::Raft,
        timer: Alarm::Raft,
        record: Kept::Raft,
        observation: Told::Raft,
        operation: Asked::Raft,
        response: Answered::Raft,
        order: none,
        step: same,
    }
}

impl Message for Said {
    const KINDS: &'static [&'static str] = RaftMessage::<Put>::KINDS;
    fn kind(&self) -> usize {
        let Self::Raft(message) = self;
        message.kind()
    }
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = RaftObservation::<Put>::NAMES;
    fn face(&self) -> Face {
        let Self::Raft(told) = self;
        told.face().in_group(RaftInStore::GROUP)
    }
}

impl Node for Store {
    type Message = Said;
    type Timer = Alarm;
    type Record = Kept;
    type Observation = Told;
    type Operation = Asked;
    type Response = Answered;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.enter(ctx, |raft, ctx| raft.on_start(ctx));
        ctx.set_timer(Alarm::Propose, Duration::from_millis(100));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, Said::Raft(message): Said) {
        self.enter(ctx, |raft, ctx| raft.on_message(ctx, source, message));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Alarm) {
        match timer {
            Alarm::Raft(timer) => self.enter(ctx, |raft, ctx| raft.on_timer(ctx, timer)),
            Alarm::Propose => {
                self.propose(ctx);
                ctx.set_timer(Alarm::Propose, Duration::from_millis(100));
            }
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        self.enter(ctx, |raft, ctx| raft.on_connection(ctx, event));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        self.enter(ctx, |raft, ctx| raft.on_durable(ctx, completion));
    }
}

/// Maps that have applied the same number of entries are equal, at whatever server and whenever.
#[derive(Clone, Debug, Default)]
struct MapsAgree {
    first: BTreeMap<Index, BTreeMap<String, u64>>,
    succeeded: u64,
}

impl Invariants<Store> for MapsAgree {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "maps_agree",
        doc: "Two maps that have applied the same number of entries are equal.",
        source: "Raft §2: replicated state machines",
        kind: InvariantKind::Safety,
        sight: Sight::WhiteBox,
    }];

    fn on_step(&mut self, view: impl View<Store>, node: NodeId, findings: &mut Findings) {
        let Some(store) = view.node(node) else { return };
        self.succeeded = self.succeeded.max(store.succeeded);
        let first = self.first.entry(store.applied).or_insert_with(|| store.words.clone());
        findings.check(0, Some(node), *first == store.words, || {
            format!("after {} entries {node} holds {:?}; another held {first:?}", store.applied, store.words)
        });
    }
}

#[derive(Clone, Debug)]
struct Stores {
    raft: RaftOf<Put>,
    slip: Slip,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
struct StoreOptions {
    raft: RaftOptions,
    slip: Slip,
}

impl OptionFields for StoreOptions {}

impl Options for StoreOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[]
    }
}

impl System for Stores {
    const NAME: &'static str = "stores";
    const DOC: &'static str = "Maps of words on raft.";
    const KINDS: &'static [ProcessKind] = KINDS;
    const PARTS: &'static [Part] =
        &[Part { group: RaftInStore::GROUP, roles: RaftObservation::<Put>::ROLES, resources: &[], parts: &[] }];
    type Options = StoreOptions;
    type Node = Store;
    type Invariants = Both<MapsAgree, Inside<RaftInStore, RaftInvariants<RaftNode<Put>>>>;
    type Workload = Idle;

    fn new(setup: Setup<StoreOptions>) -> Result<Self, OptionsError> {
        let StoreOptions { raft, slip } = setup.options.base;
        let options = PerServer::same(raft);
        let raft = RaftOf::over(Setup { cluster: setup.cluster, members: KEEPER, options, bounds: setup.bounds })?;
        Ok(Self { raft, slip })
    }
    fn node(&self, id: NodeId, recovered: Recovered<Kept>) -> Store {
        Store {
            raft: self.raft.process(id, &RaftInStore.recovered(&recovered)),
            scope: Scope::new(RaftInStore),
            slip: self.slip,
            words: BTreeMap::new(),
            applied: Index::ZERO,
            waiting: Vec::new(),
            proposed: 0,
            succeeded: 0,
        }
    }
    fn invariants(&self) -> Self::Invariants {
        Both(MapsAgree::default(), Inside::new(RaftInStore, RaftInvariants::new(self.raft.frame())))
    }
    fn core(&self, _: impl View<Store>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.raft.core_of(candidates)
    }
}

/// The nodes that hold a server inside. Plain servers stand beside them, come first in every table, have the same
/// numbers, and hold none.
const KEEPER: KindId = KindId::of_letter(b'k');

const KINDS: &[ProcessKind] = &[
    ProcessKind::SERVER,
    ProcessKind { id: KEEPER, name: "keeper", doc: "Keeps a map of words.", ..ProcessKind::SERVER },
];

const CLUSTER: Cluster = Cluster::new(KINDS).with(KindId::SERVER, 7).with(KEEPER, 5);

fn run(slip: Slip, raft: RaftOptions, seed: u64) -> (RunReport<Asked, Never>, u64) {
    let kinds = [NemesisKind::Crash, NemesisKind::MachineCrash, NemesisKind::Isolate, NemesisKind::OneWay];
    run_under(&kinds, Among::Side(Side::Server), slip, raft, seed)
}

/// Half a minute, in which these kinds of fault hit these nodes.
fn run_under(
    kinds: &[NemesisKind],
    on: Among,
    slip: Slip,
    raft: RaftOptions,
    seed: u64,
) -> (RunReport<Asked, Never>, u64) {
    let span = |low, high| Span { low: Duration::from_millis(low), high: Duration::from_millis(high) };
    let mut options = RunOptions::ordinary(CLUSTER, Duration::from_secs(30));
    options.nemeses.push(NemesisSpec {
        id: "everything".to_owned(),
        line: 1,
        kinds: kinds.to_vec(),
        on: vec![Selector::Any(on)],
        every: span(100, 2_000),
        duration: span(10, 1_500),
        swarm: true,
        from: Instant::ZERO,
        until: None,
        messages: MessageSpec::default(),
        orders: Vec::new(),
    });
    let options_of_all = PerServer::same(StoreOptions { raft, slip });
    let setup = Setup::new(CLUSTER, options_of_all, options.bounds);
    let system = Stores::new(setup).expect("options that stand together");
    let mut world = World::new(&system, &options, Seed(seed));
    let report = world.run();
    (report, world.invariants().0.succeeded)
}

#[test]
fn a_map_of_words_is_replicated_and_every_copy_is_equal() {
    for options in [presets::paper(), presets::etcd(), presets::nuraft(), presets::hashicorp()] {
        for seed in 0..3 {
            let (report, succeeded) = run(Slip::None, options.clone(), seed);
            assert_eq!(report.outcome, Outcome::Passed);
            assert!(report.evaluated[0] > 1_000 && report.counts["applied"] > 100, "{:?}", report.counts);
            assert!(succeeded > 10, "a leader sees what it proposed applied: {succeeded}");
        }
    }
}

#[test]
fn what_is_done_to_other_kinds_is_no_matter_of_the_raft_inside() {
    let mut faults = 0;
    for seed in 0..10 {
        let others = Among::Kind(ProcessKind::SERVER);
        let (report, _) =
            run_under(&NemesisKind::common().collect::<Vec<_>>(), others, Slip::None, presets::etcd(), seed);
        assert_eq!(report.outcome, Outcome::Passed);
        faults += report.plan.faults.len();
    }
    assert!(faults > 50, "{faults} faults");
}

#[test]
fn a_machine_that_runs_ahead_of_what_is_committed_is_found() {
    let broken = (0..50).find_map(|seed| match run(Slip::AppliesTooMuch, presets::paper(), seed).0.outcome {
        Outcome::Violated(violation) => Some(violation.invariant),
        _ => None,
    });
    assert_eq!(broken.as_deref(), Some("stores.maps_agree"));
}
