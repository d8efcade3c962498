//! A node with a raft server inside. It greets its peers through a file, a timer and messages of its own, and each
//! greeting is durable before it leaves.

use std::collections::BTreeMap;

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::view::Projected;
use splitbrain_systems::raft::durable::Record;
use splitbrain_systems::raft::invariants::RaftInvariants;
use splitbrain_systems::raft::message::{Operation, Order, RaftMessage, Response};
use splitbrain_systems::raft::node::RaftTimer;
use splitbrain_systems::raft::observation::RaftObservation;
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::{Raft, RaftNode};

/// The file of the greetings; raft's files come after it.
const GREETINGS: FileId = FileId(0);

/// Greets its peers each second, and has a raft server inside. It is not `Clone`, as a library inside may not be.
#[derive(Debug)]
pub(crate) struct Shell {
    raft: RaftNode,
    scope: Scope<RaftInShell>,
    cluster: Cluster,
    greeting: Duration,
    greeted: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Said {
    Raft(RaftMessage),
    Hello(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Alarm {
    Raft(RaftTimer),
    Greet,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Kept {
    Raft(Record),
    Greeted(u64),
}

#[derive(Clone, Debug, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Told {
    Raft(RaftObservation),
    Greeted,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Asked {
    Raft(Operation),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Answered {
    Raft(Response),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Ordered {
    Raft(Order),
}

embed! {
    /// The raft server of a shell.
    pub(crate) struct RaftInShell: RaftNode, in Shell, as "raft" {
        files: 1,
        hosts: |node| node.is_server(),
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
    const KINDS: &'static [&'static str] = joined!(<RaftMessage>::KINDS, &["hello"]);
    const REFUSABLE: &'static [&'static str] = <RaftMessage>::REFUSABLE;
    fn refused(&self) -> Option<Self> {
        let Self::Raft(message) = self else { return None };
        message.refused().map(Self::Raft)
    }
    fn kind(&self) -> usize {
        match self {
            Self::Raft(message) => message.kind(),
            Self::Hello(_) => <RaftMessage>::KINDS.len(),
        }
    }
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = joined!(<RaftObservation as Observation>::NAMES, &["greeted"]);
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
        ctx.set_timer(Alarm::Greet, self.greeting);
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
                let write = ctx.save(GREETINGS, Kept::Greeted(self.greeted));
                let id = ctx.id();
                for peer in self.cluster.servers().filter(|peer| *peer != id) {
                    ctx.send_after(write, peer, Said::Hello(self.greeted));
                }
                ctx.set_timer(Alarm::Greet, self.greeting);
            }
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, Asked::Raft(operation): Asked) {
        self.scope.enter(ctx, |ctx| self.raft.on_operation(ctx, operation));
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
pub(crate) struct ShellInvariants {
    last: BTreeMap<NodeId, u64>,
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
        if let EffectRef::Send { message: Said::Hello(greeted), .. } = effect {
            let last = self.last.insert(node, *greeted).unwrap_or_default();
            findings.check(0, Some(node), last <= *greeted, || format!("{node} greets {greeted} after {last}"));
            let kept = match view.disk(node).durable_last(GREETINGS) {
                Some(Kept::Greeted(kept)) => *kept,
                _ => 0,
            };
            findings.check(1, Some(node), kept >= *greeted, || format!("{node} greets {greeted}, kept {kept}"));
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Shells {
    raft: Raft,
    cluster: Cluster,
    greeting: Duration,
}

options! {
    /// Options of a shell.
    pub struct ShellOptions {
        /// How often it greets.
        pub greeting: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(60) },
        /// The raft server inside.
        pub raft: RaftOptions => nested,
    }
}

impl Options for ShellOptions {
    fn presets() -> &'static [Preset<Self>] {
        fn plain() -> ShellOptions {
            let raft = RaftOptions::presets().first().expect("there are presets");
            ShellOptions { greeting: Duration::from_secs(1), raft: (raft.make)() }
        }
        &[Preset { name: "plain", doc: "Greets each second, with raft's first preset.", make: plain }]
    }
}

impl System for Shells {
    const NAME: &'static str = "shell";
    const DOC: &'static str = "Nodes with raft inside.";
    const PARTS: &'static [Part] = &[Part::of::<Raft>(RaftInShell::GROUP)];
    type Options = ShellOptions;
    type Node = Shell;
    type Invariants = Both<ShellInvariants, Inside<RaftInShell, RaftInvariants<RaftNode>>>;
    type Workload = Idle;

    fn new(setup: Setup<ShellOptions>) -> Result<Self, OptionsError> {
        let options = setup.options.map(|options| options.raft.clone());
        let raft = Raft::new(Setup::new(setup.cluster, options, setup.bounds));
        let greeting = setup.options.base.greeting;
        Ok(Self { raft: raft.map_err(|error| error.within(RaftInShell::GROUP))?, cluster: setup.cluster, greeting })
    }
    fn node(&self, id: NodeId, recovered: Recovered<Kept>) -> Shell {
        let greeted = match recovered.last(GREETINGS) {
            Some(Stored::Intact(Kept::Greeted(greeted))) => *greeted,
            _ => 0,
        };
        let raft = self.raft.node(id, RaftInShell.recovered(&recovered));
        Shell { raft, scope: Scope::new(RaftInShell), cluster: self.cluster, greeting: self.greeting, greeted }
    }
    fn invariants(&self) -> Self::Invariants {
        Both(ShellInvariants::default(), Inside::new(RaftInShell, self.raft.invariants()))
    }
    fn core(&self, view: impl View<Shell>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.raft.core(Projected::new(view, RaftInShell), candidates)
    }
}
