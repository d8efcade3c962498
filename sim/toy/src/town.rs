//! A system of four kinds of process: chats take a lock of a redis and write past a gate, and a status page looks on.
//!
//! Each redis counts its own tokens, so a gate that hears of two of them takes an older token after a newer one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::workload::Pace;

/// The kind that grants locks.
pub const REDIS: KindId = KindId::of_letter(b'r');
const GATE: KindId = KindId::of_letter(b'g');
const STATUS: KindId = KindId::of_letter(b't');
const CHAT: KindId = KindId::of_letter(b'h');

options! {
    /// What can be set in `[town]`.
    pub struct TownOptions {
        /// How often a status page asks.
        pub period: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(60) },
        /// How long a redis thinks before it grants.
        pub delay: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(1) },
    }
}

impl Options for TownOptions {
    fn presets() -> &'static [Preset<Self>] {
        fn plain() -> TownOptions {
            TownOptions { period: Duration::from_millis(100), delay: Duration::from_millis(2) }
        }
        &[Preset { name: "plain", doc: "As it comes.", make: plain }]
    }
}

/// The system.
#[derive(Clone, Debug)]
pub struct Town {
    /// What it was made from.
    pub setup: Setup<TownOptions>,
}

impl System for Town {
    const NAME: &'static str = "town";
    const DOC: &'static str = "Locks with fencing tokens, of which each redis counts its own.";
    const KINDS: &'static [Kind] = &[
        Kind { id: REDIS, name: "redis", doc: "Grants locks.", side: Side::Server, count_min: 1, count_max: 9 },
        Kind { id: GATE, name: "gate", doc: "Takes writes.", side: Side::Server, count_min: 1, count_max: 4 },
        Kind { id: STATUS, name: "status", doc: "Looks on.", side: Side::Server, count_min: 0, count_max: 4 },
        Kind::CLIENT,
        Kind { id: CHAT, name: "chat", doc: "Writes under a lock.", side: Side::Client, count_min: 0, count_max: 9 },
    ];
    const WORKLOADS: &'static [WorkloadInfo] =
        &[WorkloadInfo { name: "writes", doc: "Writes by any redis.", options: Vec::new }];
    type Options = TownOptions;
    type Node = Citizen;
    type Invariants = Fencing;
    type Workload = Writes;

    fn new(setup: Setup<TownOptions>) -> Result<Self, OptionsError> {
        Ok(Self { setup })
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> Citizen {
        let options = self.setup.options.get(id).clone();
        Citizen { cluster: self.setup.cluster, options, token: 0, asked: BTreeMap::new() }
    }

    fn invariants(&self) -> Fencing {
        Fencing::default()
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.to_vec()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Writes, OptionsError> {
        let pace = Pace::open(Duration::from_millis(100), call.stream.fork("gaps", 0));
        Ok(Writes { pace, draws: call.stream.fork("operation", 0) })
    }
}

/// A write, by way of this redis: of those that there are, counted round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    by: u16,
    /// A text that looks as nodes do, and is none.
    text: String,
}

/// Writes of one chat.
#[derive(Clone, Debug)]
pub struct Writes {
    pace: Pace,
    draws: Rng,
}

impl Workload<Put, ()> for Writes {
    fn next(&mut self, now: Instant) -> Next<Put> {
        let draws = &mut self.draws;
        self.pace.next(now, || Put { by: (draws.word() % 60) as u16, text: "r1".to_owned() })
    }
}

/// One process, of whichever kind.
#[derive(Clone, Debug)]
pub struct Citizen {
    cluster: Cluster,
    options: TownOptions,
    /// The last token that this redis granted.
    token: u64,
    /// What a chat asked which redis for, and what a redis was asked by which chat.
    asked: BTreeMap<u64, (NodeId, OperationId)>,
}

/// What processes say to one another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Word {
    Ask { operation: u64 },
    Grant { operation: u64, token: u64 },
    Write { operation: u64, token: u64, from: NodeId },
    Done { operation: u64 },
    Look,
}

impl Message for Word {
    const KINDS: &'static [&'static str] = &["ask", "grant", "write", "done", "look"];

    fn kind(&self) -> usize {
        match self {
            Self::Ask { .. } => 0,
            Self::Grant { .. } => 1,
            Self::Write { .. } => 2,
            Self::Done { .. } => 3,
            Self::Look => 4,
        }
    }
}

/// Timers: a status page looks, a redis has thought of this operation of this chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Alarm {
    Look,
    Grant(NodeId, u64),
}

/// What processes tell.
#[derive(Clone, Debug, Serialize)]
pub enum TownEvent {
    Granted { to: NodeId, token: u64 },
    Took { token: u64, from: NodeId },
}

impl Observation for TownEvent {
    const NAMES: &'static [&'static str] = &["granted", "took"];

    fn face(&self) -> Face {
        let name = match self {
            Self::Granted { .. } => "granted",
            Self::Took { .. } => "took",
        };
        Face::new(name, Change::None)
    }
}

impl Node for Citizen {
    type Message = Word;
    type Timer = Alarm;
    type Record = ();
    type Observation = TownEvent;
    type Operation = Put;
    type Response = ();
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        if ctx.id().is(STATUS) {
            ctx.set_timer(Alarm::Look, self.options.period);
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Word) {
        let source = source.node;
        match message {
            Word::Ask { operation } => ctx.set_timer(Alarm::Grant(source, operation), self.options.delay),
            Word::Grant { operation, token } => {
                ctx.send(NodeId::new(GATE, 1), Word::Write { operation, token, from: source });
            }
            Word::Write { operation, token, from } => {
                ctx.observe(TownEvent::Took { token, from });
                ctx.send(source, Word::Done { operation });
            }
            Word::Done { operation } => {
                if let Some((_, id)) = self.asked.remove(&operation) {
                    ctx.complete(id, OperationResult::Ok(()));
                }
            }
            Word::Look => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Alarm) {
        match timer {
            Alarm::Look => {
                ctx.send(NodeId::new(REDIS, 1), Word::Look);
                ctx.set_timer(Alarm::Look, self.options.period);
            }
            Alarm::Grant(to, operation) => {
                self.token += 1;
                ctx.observe(TownEvent::Granted { to, token: self.token });
                ctx.send(to, Word::Grant { operation, token: self.token });
            }
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, put: Put) {
        let redis = NodeId::new(REDIS, put.by % self.cluster.count(REDIS) + 1);
        let id = ctx.invoke(put);
        self.asked.insert(id.0, (redis, id));
        ctx.send(redis, Word::Ask { operation: id.0 });
    }
}

/// What must hold.
#[derive(Clone, Debug, Default)]
pub struct Fencing {
    newest: BTreeMap<NodeId, (u64, Option<NodeId>)>,
}

impl Invariants<Citizen> for Fencing {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "fencing",
        doc: "A gate takes no token that is older than the last one.",
        source: "how to do distributed locking",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    }];

    fn on_effect(
        &mut self,
        _: impl View<Citizen>,
        node: NodeId,
        effect: EffectRef<'_, Citizen>,
        findings: &mut Findings,
    ) {
        if let EffectRef::Observe(TownEvent::Took { token, from }) = effect {
            let (newest, of) = self.newest.insert(node, (*token, Some(*from))).unwrap_or_default();
            let of = of.map_or_else(String::new, |of| format!(" of {of}"));
            findings.check(0, Some(node), *token >= newest, || {
                format!("{node} takes token {token} of {from} after token {newest}{of}, not \"r1\"")
            });
        }
    }
}
