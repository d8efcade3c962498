//! Goal: the raft system lives inside another node, and its invariants watch it there, unchanged. Its members are of
//! one of two kinds of process, and not the first.

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::{Context, EffectRef};
use splitbrain_kernel::director::spec::{NemesisKind, NemesisSpec};
use splitbrain_kernel::embed;
use splitbrain_kernel::embedding::{Both, Embedding as _, Inside, Scope};
use splitbrain_kernel::id::{Cluster, Kind, KindId, NodeId};
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Invariants, Sight};
use splitbrain_kernel::node::{
    Change, Completion, ConnectionEvent, Face, FileId, Message, Node, Observation, Recovered, Source, Stored,
};
use splitbrain_kernel::options::{OptionFields, Options, OptionsError, PerServer, Preset};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
use splitbrain_kernel::selector::{Among, Selector, Span};
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::system::{Setup, System};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::{Projected, View};
use splitbrain_kernel::vocabulary::Part;
use splitbrain_kernel::workload::Idle;
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::durable::Record;
use splitbrain_systems::raft::ids::{Index, Position, Term};
use splitbrain_systems::raft::invariants::RaftInvariants;
use splitbrain_systems::raft::message::{Operation, Order, RaftMessage, Response, VoteRequest};
use splitbrain_systems::raft::node::RaftTimer;
use splitbrain_systems::raft::observation::RaftObservation;
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::{Raft, RaftNode, presets};

/// Greets its peers alone, and comes first, so that no index of a node is its number among the members.
const CHUNK: KindId = KindId::of_letter(b'k');
/// Has a raft server inside.
const META: KindId = KindId::of_letter(b'm');

/// Greets its peers each second, and has a raft server inside.
/// No `Clone`: a library inside may not have it.
#[derive(Debug)]
struct Shell {
    raft: RaftNode,
    scope: Scope<RaftInShell>,
    cluster: Cluster,
    greeted: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Said {
    Raft(RaftMessage),
    Hello(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Alarm {
    Raft(RaftTimer),
    Greet,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Kept {
    Raft(Record),
    Greeted(u64),
}

#[derive(Clone, Debug, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Told {
    Raft(RaftObservation),
    Greeted,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Asked {
    Raft(Operation),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Answered {
    Raft(Response),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
enum Ordered {
    Raft(Order),
}

embed! {
    /// The raft server of a shell.
    struct RaftInShell: RaftNode, in Shell, as "raft" {
        files: 1,
        hosts: |node| node.is(META),
        node: |shell| Some(&shell.raft),
        message: Said::Raft,
        timer: Alarm::Raft,
        record: Kept::Raft,
        observation: Told::Raft,
        operation: Asked::Raft,
        response: Answered::Raft,
        order: Ordered::Raft,
        step: same,
    }
}

impl Message for Said {
    const KINDS: &'static [&'static str] = &[
        "pre_vote",
        "pre_vote_reply",
        "vote",
        "vote_reply",
        "append",
        "append_reply",
        "propose",
        "propose_reply",
        "hello",
    ];
    fn kind(&self) -> usize {
        match self {
            Self::Raft(message) => message.kind(),
            Self::Hello(_) => <RaftMessage>::KINDS.len(),
        }
    }
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = &["greeted"];
    fn face(&self) -> Face {
        match self {
            Self::Raft(told) => told.face().in_group(RaftInShell::GROUP),
            Self::Greeted => Face::new("greeted", Change::None),
        }
    }
}

impl Node for Shell {
    type Message = Said;
    type Timer = Alarm;
    type Record = Kept;
    type Observation = Told;
    type Operation = Asked;
    type Response = Answered;
    type Order = Ordered;
    type Step = ();

    fn brief(datum: Datum<'_, Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match RaftInShell.inner_datum(datum) {
            Some(inner) => RaftNode::brief(inner, f),
            None => datum.derived(f),
        }
    }

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.scope.enter(ctx, |ctx| self.raft.on_start(ctx));
        ctx.set_timer(Alarm::Greet, Duration::from_secs(1));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Said) {
        match message {
            Said::Raft(message) => self.scope.enter(ctx, |ctx| self.raft.on_message(ctx, source, message)),
            Said::Hello(_) => ctx.observe(Told::Greeted),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Alarm) {
        match timer {
            Alarm::Raft(timer) => self.scope.enter(ctx, |ctx| self.raft.on_timer(ctx, timer)),
            Alarm::Greet => {
                self.greeted += 1;
                let write = ctx.save(FileId(0), Kept::Greeted(self.greeted));
                let id = ctx.id();
                for peer in self.cluster.servers().filter(|peer| *peer != id) {
                    ctx.send_after(write, peer, Said::Hello(self.greeted));
                }
                ctx.set_timer(Alarm::Greet, Duration::from_secs(1));
            }
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        self.scope.enter(ctx, |ctx| self.raft.on_connection(ctx, event));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        self.scope.enter(ctx, |ctx| self.raft.on_durable(ctx, completion));
    }
}

/// Two invariants of the shell's own: greetings grow, and each is on the disk before it leaves.
#[derive(Clone, Debug, Default)]
struct ShellInvariants {
    last: std::collections::BTreeMap<NodeId, u64>,
}

impl Invariants<Shell> for ShellInvariants {
    const LIST: &'static [InvariantInfo] = &[
        InvariantInfo {
            name: "greetings_grow",
            doc: "Greetings never fall.",
            source: "",
            kind: InvariantKind::Safety,
            sight: Sight::BlackBox,
        },
        InvariantInfo {
            name: "greetings_are_kept",
            doc: "A greeting is durable before it leaves.",
            source: "",
            kind: InvariantKind::Safety,
            sight: Sight::WhiteBox,
        },
    ];

    fn on_effect(
        &mut self,
        view: impl View<Shell>,
        node: NodeId,
        effect: EffectRef<'_, Shell>,
        findings: &mut Findings,
    ) {
        use splitbrain_kernel::view::Records as _;
        if let EffectRef::Send { message: Said::Hello(greeted), .. } = effect {
            let last = self.last.insert(node, *greeted).unwrap_or_default();
            findings.check(0, Some(node), last <= *greeted, || format!("{node} greets {greeted} after {last}"));
            let kept = match view.disk(node).durable_last(FileId(0)) {
                Some(Kept::Greeted(kept)) => *kept,
                _ => 0,
            };
            findings.check(1, Some(node), kept >= *greeted, || format!("{node} greets {greeted}, kept {kept}"));
        }
    }
}

#[derive(Clone, Debug)]
struct Shells {
    raft: Raft,
    cluster: Cluster,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
struct ShellOptions {
    raft: RaftOptions,
}

impl OptionFields for ShellOptions {}

impl Options for ShellOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[]
    }
}

impl System for Shells {
    const NAME: &'static str = "shells";
    const DOC: &'static str = "Nodes with raft inside.";
    const PARTS: &'static [Part] = &[Part::of::<Raft>(RaftInShell::GROUP)];
    type Options = ShellOptions;
    type Node = Shell;
    type Invariants = Both<ShellInvariants, Inside<RaftInShell, RaftInvariants<RaftNode>>>;
    type Workload = Idle;

    fn new(setup: Setup<ShellOptions>) -> Result<Self, OptionsError> {
        let options = PerServer::same(setup.options.base.raft);
        let raft = Raft::new(Setup { members: META, ..Setup::new(setup.cluster, options, setup.bounds) })?;
        Ok(Self { raft, cluster: setup.cluster })
    }
    fn node(&self, id: NodeId, recovered: Recovered<Kept>) -> Shell {
        let greeted = match recovered.last(FileId(0)) {
            Some(Stored::Intact(Kept::Greeted(greeted))) => *greeted,
            _ => 0,
        };
        let raft = self.raft.node(id, RaftInShell.recovered(&recovered));
        Shell { raft, scope: Scope::new(RaftInShell), cluster: self.cluster, greeted }
    }
    fn invariants(&self) -> Self::Invariants {
        Both(ShellInvariants::default(), Inside::new(RaftInShell, self.raft.invariants()))
    }
    fn core(&self, view: impl View<Shell>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.raft.core(Projected::new(view, RaftInShell), candidates)
    }
}

const KIND_OF_CHUNKS: Kind = Kind { id: CHUNK, name: "chunk", ..Kind::SERVER };

/// More chunks than members: a table of members has no place for the last of them.
const CLUSTER: Cluster =
    Cluster::new(&[KIND_OF_CHUNKS, Kind { id: META, name: "meta", ..Kind::SERVER }]).with(CHUNK, 7).with(META, 5);

fn run(raft: RaftOptions, seed: u64) -> RunReport<Asked, Ordered> {
    run_with(RunOptions::ordinary(CLUSTER, Duration::from_secs(30)), raft, seed)
}

fn run_with(options: RunOptions<Asked, Ordered>, raft: RaftOptions, seed: u64) -> RunReport<Asked, Ordered> {
    let setup = Setup::new(CLUSTER, PerServer::same(ShellOptions { raft }), options.bounds);
    let system = Shells::new(setup).expect("options that stand together");
    World::new(&system, &options, Seed(seed)).run()
}

#[test]
fn both_sets_are_listed_with_their_groups() {
    type All = <Shells as System>::Invariants;
    let names: Vec<_> = All::GROUPS.named(Shells::NAME).into_iter().map(|it| it.name).collect();
    assert_eq!(names.len(), 2 + RaftInvariants::<RaftNode>::LIST.len());
    assert_eq!(names[..3], ["shells.greetings_grow", "shells.greetings_are_kept", "raft.election_safety"]);
}

#[test]
fn every_invariant_is_evaluated_inside_and_none_is_broken() {
    for options in [presets::paper(), presets::etcd(), presets::nuraft(), presets::hashicorp()] {
        let report = run(options, 1);
        assert_eq!(report.outcome, Outcome::Passed);
        assert!(report.evaluated[0] > 0 && report.evaluated[1] > 0);
        assert!(report.evaluated[2 + 9] > 100, "persist before reply looks through the outer disk");
    }
}

#[test]
fn what_is_done_to_other_kinds_is_no_matter_of_the_raft_inside() {
    let nemesis = NemesisSpec {
        id: "n".to_owned(),
        line: 0,
        kinds: NemesisKind::ALL.to_vec(),
        on: vec![Selector::Any(Among::Kind(KIND_OF_CHUNKS))],
        every: Span { low: Duration::from_millis(50), high: Duration::from_millis(500) },
        duration: Span { low: Duration::from_millis(50), high: Duration::from_secs(2) },
        swarm: false,
        from: Instant::ZERO,
        until: None,
    };
    let options = RunOptions { nemeses: vec![nemesis], ..RunOptions::ordinary(CLUSTER, Duration::from_secs(30)) };
    let options = RunOptions { settle: Duration::from_secs(8), ..options };
    let mut faults = 0;
    for seed in 0..10 {
        let report = run_with(options.clone(), presets::etcd(), seed);
        // A disk that lies about a sync breaks the promise of the shell, whose greetings are on that disk.
        let of_the_shell = match &report.outcome {
            Outcome::Violated(violation) => violation.invariant == "shells.greetings_are_kept",
            outcome => *outcome == Outcome::Passed,
        };
        assert!(of_the_shell, "{:?}", report.outcome);
        faults += report.plan.faults.len();
    }
    assert!(faults > 50, "{faults} faults");
}

#[test]
fn quorums_that_do_not_meet_break_election_safety_inside() {
    let options = RaftOptions { election_quorum: 1, ..presets::paper() };
    let broken = (0..200).find_map(|seed| match run(options.clone(), seed).outcome {
        Outcome::Violated(violation) => Some(violation),
        _ => None,
    });
    let violation = broken.expect("two lead in one term");
    assert_eq!(violation.invariant, "raft.election_safety");
}

#[test]
fn people_read_the_values_of_the_inner_node_in_its_own_words() {
    let term = Term(3);
    let vote = Said::Raft(RaftMessage::Vote(VoteRequest { term, last: Position { term: Term(2), index: Index(7) } }));
    assert_eq!(Datum::<Shell>::Message(&vote).to_string(), "last 7@2");
    assert_eq!(Datum::<Shell>::Timer(Alarm::Greet).to_string(), "greet", "the outer node's own");
    assert_eq!(Datum::<Shell>::Timer(Alarm::Raft(RaftTimer::Election)).to_string(), "election");
    assert_eq!(Datum::<Shell>::File(FileId(2)).to_string(), "log");
    assert_eq!(Datum::<Shell>::File(FileId(0)).to_string(), "file 0", "before the files of the inner node");
}
