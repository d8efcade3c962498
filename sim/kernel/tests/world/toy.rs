//! The toy: nodes that carry out the operations that they are given, and tell all that they hear.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::id::{Cluster, KindId, NodeId};
use splitbrain_kernel::invariant::{Findings, Input, InvariantInfo, InvariantKind, Invariants, Sight};
use splitbrain_kernel::node::{
    Change, Completion, ConnectionChange, ConnectionEvent, ConnectionId, Face, FileId, Message, Node, Observation,
    Recovered, Source, Stored, Write, WriteId,
};
use splitbrain_kernel::options::OptionsError;
use splitbrain_kernel::system::{Setup, System};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;
use splitbrain_kernel::workload::{Next, Pace, Workload};
use splitbrain_toy::NoOptions;

use crate::chatter::Chatter;

/// The first of the timers that complete operations.
const COMPLETES: u32 = 1_000;

/// The one file of a toy's disk.
pub(crate) const LOG: FileId = FileId(1);

/// What a toy can be asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Op {
    /// Sends a quiet note.
    Send(NodeId, u64),
    /// Sends a note of the other kind.
    Shout(NodeId, u64),
    /// Sends notes with the numbers below this.
    SendMany(NodeId, u64),
    /// Answers whoever sent last.
    Reply(u64),
    SetTimer(u32, Duration),
    CancelTimer(u32),
    Append(u64),
    Sync,
    /// Appends and syncs.
    Persist(u64),
    /// Appends, syncs, and sends the same number once that is durable.
    PersistThenSend(u64, NodeId),
    /// Sends once this write is durable.
    SendAfter(u64, NodeId, u64),
    Defer(u64),
    Connect(NodeId),
    /// Sends a quiet note over the nth connection that the node learned of.
    Say(usize, u64),
    /// Sends a note of the other kind over it.
    SayLoud(usize, u64),
    /// Says the numbers below this over it.
    SayMany(usize, u64),
    Close(usize),
    /// Puts the connections that it has learned of into the order of their names, and does these if there are more than
    /// this.
    IfConnected(usize, Vec<Self>),
    Exit,
    Panic,
    Remember(u64),
    Recall,
    /// Tells what its clocks show.
    Look,
    /// Tells a word that it draws.
    Draw,
    Invoke(u64),
    Complete(u64),
    /// Completes what it began last, a while later.
    CompleteLater,
    /// Does these whenever this comes.
    When(Cue, Vec<Self>),
    /// Does these at once.
    All(Vec<Self>),
}

/// What a toy can react to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cue {
    Start,
    Note(u64),
    Timer(u32),
    Step(u64),
    Opened,
    Accepted,
    Durable,
}

/// What a toy says to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) number: u64,
    pub(crate) loud: bool,
    pub(crate) size: u32,
}

impl Message for Note {
    const KINDS: &'static [&'static str] = &["quiet", "loud"];
    const REFUSABLE: &'static [&'static str] = &["loud"];
    fn kind(&self) -> usize {
        usize::from(self.loud)
    }
    /// A loud note comes back as a quiet one, with a greater number.
    fn refused(&self) -> Option<Self> {
        self.loud.then(|| Self { number: self.number + 100, loud: false, ..*self })
    }
    fn wire_size(&self) -> u32 {
        self.size
    }
}

/// What a toy tells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Heard {
    Started(Vec<Stored<u64>>),
    Note(Source, u64),
    Timer(u32),
    Step(u64),
    Connection(ConnectionEvent),
    Durable(Completion),
    Memory(Vec<u64>),
    Clocks(Instant, Instant),
    Word(u64),
}

impl Observation for Heard {
    const NAMES: &'static [&'static str] = &["heard", "started"];
    fn face(&self) -> Face {
        let name = if matches!(self, Self::Started(_)) { "started" } else { "heard" };
        Face::new(name, Change::None)
    }
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Started(records) => {
                let text = records.iter().map(|record| match record {
                    Stored::Intact(number) => number.to_string(),
                    other => format!("{other:?}").to_lowercase(),
                });
                write!(f, "started [{}]", text.collect::<Vec<_>>().join(" "))
            }
            Self::Note(Source { node, connection: None }, number) => write!(f, "{number} from {node}"),
            Self::Note(Source { node, .. }, number) => write!(f, "{number} over {node}"),
            Self::Timer(name) => write!(f, "timer {name}"),
            Self::Step(number) => write!(f, "step {number}"),
            Self::Connection(ConnectionEvent { peer, change, .. }) => {
                write!(f, "{} {peer}", format!("{change:?}").to_lowercase())
            }
            Self::Durable(Completion::Written(WriteId(id))) => write!(f, "written {id}"),
            Self::Durable(Completion::Durable(WriteId(id))) => write!(f, "durable {id}"),
            Self::Durable(Completion::Failed(WriteId(id), error)) => write!(f, "failed {id} {error:?}"),
            Self::Memory(numbers) => write!(f, "memory {numbers:?}"),
            Self::Clocks(now, wall) => {
                let ahead = i128::from(wall.as_nanos()) - i128::from(splitbrain_kernel::clock::WALL_EPOCH.as_nanos());
                write!(f, "clocks {} {}us", Duration::from_nanos(now.as_nanos()), ahead / 1_000)
            }
            Self::Word(word) => write!(f, "word {word:016x}"),
        }
    }
}

/// A node of the toy system.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) cluster: Cluster,
    recovered: Vec<Stored<u64>>,
    /// The number of the operation after the one that it began last.
    begun: u64,
    at_zero: Vec<Op>,
    at_start: Vec<Op>,
    reactions: Vec<(Cue, Vec<Op>)>,
    memory: Vec<u64>,
    pub(crate) connections: Vec<(ConnectionId, NodeId)>,
    last_sender: Option<NodeId>,
    chatter: Option<Chatter>,
}

impl Actor {
    fn cue(&mut self, ctx: &mut Context<Self>, cue: Cue) {
        let reactions: Vec<Op> =
            self.reactions.iter().filter(|(on, _)| *on == cue).flat_map(|(_, ops)| ops.clone()).collect();
        for op in reactions {
            self.perform(ctx, op);
        }
    }

    fn note(number: u64, loud: bool) -> Note {
        Note { number, loud, size: 1_000 }
    }

    fn perform(&mut self, ctx: &mut Context<Self>, op: Op) {
        match op {
            Op::Send(to, number) => ctx.send(to, Self::note(number, false)),
            Op::Shout(to, number) => ctx.send(to, Self::note(number, true)),
            Op::SendMany(to, count) => (0..count).for_each(|number| ctx.send(to, Self::note(number, false))),
            Op::Reply(number) => {
                let to = self.last_sender.expect("somebody sent before");
                ctx.send(to, Self::note(number, false));
            }
            Op::SetTimer(name, after) => ctx.set_timer(name, after),
            Op::CancelTimer(name) => ctx.cancel_timer(name),
            Op::Append(number) => drop(ctx.write(Write::Append(LOG, number))),
            Op::Sync => ctx.sync(),
            Op::Persist(number) => drop(ctx.persist(Write::Append(LOG, number))),
            Op::PersistThenSend(number, to) => {
                let write = ctx.persist(Write::Append(LOG, number));
                ctx.send_after(write, to, Self::note(number, false));
            }
            Op::SendAfter(write, to, number) => ctx.send_after(WriteId(write), to, Self::note(number, false)),
            Op::Defer(number) => ctx.defer(number),
            Op::Connect(to) => {
                let connection = ctx.connect(to);
                self.connections.push((connection, to));
            }
            Op::Say(nth, number) => self.say(ctx, nth, number, false),
            Op::SayLoud(nth, number) => self.say(ctx, nth, number, true),
            Op::SayMany(nth, count) => (0..count).for_each(|number| self.say(ctx, nth, number, false)),
            Op::Close(nth) => ctx.close(self.connections[nth].0),
            Op::IfConnected(nth, ops) => {
                self.connections.sort_unstable();
                if nth < self.connections.len() {
                    self.perform(ctx, Op::All(ops));
                }
            }
            Op::Exit => ctx.exit("told to"),
            Op::Panic => panic!("told to panic"),
            Op::Remember(number) => self.memory.push(number),
            Op::Recall => ctx.observe(Heard::Memory(self.memory.clone())),
            Op::Look => ctx.observe(Heard::Clocks(ctx.now(), ctx.wall())),
            Op::Draw => {
                let word = ctx.rng().word();
                ctx.observe(Heard::Word(word));
            }
            Op::Invoke(number) => self.begun = ctx.invoke(Op::Invoke(number)).0 + 1,
            Op::CompleteLater => {
                let last = self.begun - 1;
                self.reactions.push((Cue::Timer(COMPLETES + last as u32), vec![Op::Complete(last)]));
                ctx.set_timer(COMPLETES + last as u32, Duration::from_millis(3));
            }
            Op::Complete(id) => ctx.complete(OperationId(id), OperationResult::Ok(id)),
            Op::When(cue, ops) => self.reactions.push((cue, ops)),
            Op::All(ops) => ops.into_iter().for_each(|op| self.perform(ctx, op)),
        }
    }

    fn say(&self, ctx: &mut Context<Self>, nth: usize, number: u64, loud: bool) {
        let (connection, peer) = self.connections[nth];
        ctx.send_on(connection, peer, Self::note(number, loud));
    }

    fn chat(&mut self, ctx: &mut Context<Self>, call: impl FnOnce(&mut Chatter, &mut Self, &mut Context<Self>)) {
        if let Some(mut chatter) = self.chatter.take() {
            call(&mut chatter, self, ctx);
            self.chatter = Some(chatter);
        }
    }
}

impl Node for Actor {
    type Message = Note;
    type Timer = u32;
    type Record = u64;
    type Observation = Heard;
    type Operation = Op;
    type Response = u64;
    type Order = Op;
    type Step = u64;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        ctx.observe(Heard::Started(std::mem::take(&mut self.recovered)));
        if ctx.now() == Instant::ZERO {
            self.perform(ctx, Op::All(self.at_zero.clone()));
        }
        self.perform(ctx, Op::All(self.at_start.clone()));
        self.cue(ctx, Cue::Start);
        self.chat(ctx, |chatter, _, ctx| chatter.on_start(ctx));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Note) {
        self.last_sender = Some(source.node);
        ctx.observe(Heard::Note(source, message.number));
        self.cue(ctx, Cue::Note(message.number));
        self.chat(ctx, |chatter, _, ctx| chatter.on_note(ctx, source, &message));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: u32) {
        ctx.observe(Heard::Timer(timer));
        self.cue(ctx, Cue::Timer(timer));
        self.chat(ctx, |chatter, actor, ctx| chatter.on_timer(actor, ctx));
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        ctx.observe(Heard::Connection(event));
        if event.change == ConnectionChange::Accepted {
            self.connections.push((event.connection, event.peer));
            self.cue(ctx, Cue::Accepted);
        }
        if event.change == ConnectionChange::Opened {
            self.cue(ctx, Cue::Opened);
        }
        self.chat(ctx, |chatter, actor, ctx| chatter.on_connection(actor, ctx, event));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        ctx.observe(Heard::Durable(completion));
        self.cue(ctx, Cue::Durable);
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: u64) {
        ctx.observe(Heard::Step(step));
        self.cue(ctx, Cue::Step(step));
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Op) {
        self.perform(ctx, operation);
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, order: Op) {
        self.perform(ctx, order);
    }
}

/// The number that no node may hear.
pub(crate) const FORBIDDEN: u64 = u64::MAX;

/// What the toy's invariants watch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// When the deadline of the liveness invariant is; never where there is none.
    pub(crate) deadline: Option<Instant>,
    /// Whether the deadline stays where it is once it has come.
    pub(crate) is_stuck: bool,
    /// Whether the deadline, when it comes, finds the invariant broken.
    pub(crate) fails: bool,
    /// When deadlines came, by the view's clock.
    pub(crate) came: Vec<Instant>,
    pub(crate) ended: Option<Instant>,
    /// What came into the history: process, name, and how it ended where it did.
    pub(crate) history: Vec<(u32, u64, Option<OperationResult<u64>>)>,
    /// Whether an operation that ends as unknown breaks the first invariant.
    pub(crate) forbids_unknown: bool,
}

const NEVER_FORBIDDEN: usize = 0;
const IN_TIME: usize = 1;

const fn info(name: &'static str, kind: InvariantKind) -> InvariantInfo {
    InvariantInfo { name, doc: "", source: "", kind, sight: Sight::BlackBox }
}

impl Invariants<Actor> for Watch {
    const LIST: &'static [InvariantInfo] =
        &[info("never_forbidden", InvariantKind::Safety), info("in_time", InvariantKind::Liveness)];

    fn on_input(&mut self, _: impl View<Actor>, node: NodeId, input: Input<'_, Actor>, findings: &mut Findings) {
        if let Input::Message(_, note) = input {
            findings.check(NEVER_FORBIDDEN, Some(node), note.number != FORBIDDEN, || "the number came".to_owned());
        }
    }

    fn deadline(&self) -> Instant {
        self.deadline.unwrap_or(Instant::MAX)
    }

    fn on_deadline(&mut self, view: impl View<Actor>, findings: &mut Findings) {
        self.came.push(view.now());
        findings.check(IN_TIME, None, !self.fails, || "too late".to_owned());
        if !self.is_stuck {
            self.deadline = None;
        }
    }

    fn on_history(&mut self, view: impl View<Actor>, entry: HistoryEntryRef<'_, Actor>, findings: &mut Findings) {
        assert_eq!(view.history(view.history_len() - 1), Some(entry), "the view ends with the entry");
        let ended = match entry.change {
            HistoryEvent::Invoked(_) => None,
            HistoryEvent::Completed { invoked, result } => {
                assert_eq!(view.history(invoked).map(|begun| (begun.client, begun.id)), Some((entry.client, entry.id)));
                Some(result.filter_map(|response| Some(*response)).expect("all of it is kept"))
            }
        };
        self.history.push((entry.process, entry.id.0, ended));
        let holds = !self.forbids_unknown || ended != Some(OperationResult::Unknown);
        findings.check(NEVER_FORBIDDEN, Some(entry.client), holds, || "nothing is known of it".to_owned());
    }

    fn on_end(&mut self, view: impl View<Actor>, _: &mut Findings) {
        assert_eq!(view.history_len(), self.history.len());
        self.ended = Some(view.now());
    }
}

/// A workload of the toy: each operation is begun, and a timer ends it.
#[derive(Clone, Debug)]
pub(crate) struct Asks {
    pub(crate) pace: Pace,
    /// Operations that it still asks for.
    pub(crate) left: u64,
    /// How many of them ended in which way: ok, failed, unknown.
    pub(crate) ended: [u64; 3],
}

impl Workload<Op, u64> for Asks {
    fn next(&mut self, now: Instant) -> Next<Op> {
        let Self { pace, left, ended } = self;
        if *left == 0 {
            return Next::Done;
        }
        // What it asks for next depends on what it was answered.
        let next = pace.next(now, || Op::All(vec![Op::Invoke(ended[0]), Op::CompleteLater]));
        *left -= u64::from(matches!(next, Next::At(..)));
        next
    }

    fn on_completed(&mut self, _: Instant, _: &Op, result: OperationResult<&u64>) {
        let place = match result {
            OperationResult::Ok(_) => 0,
            OperationResult::Failed => 1,
            OperationResult::Unknown => 2,
        };
        self.ended[place] += 1;
    }
}

/// The toy system.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) cluster: Cluster,
    /// What each node does when it starts at time zero: operations of the plan come before that.
    pub(crate) at_zero: BTreeMap<NodeId, Vec<Op>>,
    /// What each node does at each of its starts.
    pub(crate) at_start: BTreeMap<NodeId, Vec<Op>>,
    /// Whether the nodes talk by themselves.
    pub(crate) chatters: bool,
    pub(crate) watch: Watch,
    /// Making the node's value panics.
    pub(crate) broken_factory: Option<NodeId>,
    /// Whether only servers whose process runs are chosen for the core.
    pub(crate) core_of_the_living: bool,
}

impl System for Toy {
    const NAME: &'static str = "toy";
    const DOC: &'static str = "Nodes that do what they are told.";
    type Options = NoOptions;
    type Node = Actor;
    type Invariants = Watch;
    type Workload = Asks;

    fn new(setup: Setup<NoOptions>) -> Result<Self, OptionsError> {
        Ok(Self::of(setup.cluster))
    }

    fn node(&self, id: NodeId, recovered: Recovered<u64>) -> Actor {
        assert_ne!(self.broken_factory, Some(id), "the factory is broken");
        Actor {
            cluster: self.cluster,
            recovered: recovered.file(LOG).to_vec(),
            begun: 0,
            at_zero: self.at_zero.get(&id).cloned().unwrap_or_default(),
            at_start: self.at_start.get(&id).cloned().unwrap_or_default(),
            reactions: Vec::new(),
            memory: Vec::new(),
            connections: Vec::new(),
            last_sender: None,
            chatter: self.chatters.then(Chatter::new),
        }
    }

    fn invariants(&self) -> Watch {
        self.watch.clone()
    }

    fn core(&self, view: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        let serves = |node: &NodeId| !self.core_of_the_living || view.is_up(*node);
        candidates
            .iter()
            .copied()
            .filter(serves)
            .take(usize::from(self.cluster.count(KindId::SERVER) / 2 + 1))
            .collect()
    }
}

impl Toy {
    pub(crate) fn of(cluster: Cluster) -> Self {
        Self {
            cluster,
            at_zero: BTreeMap::new(),
            at_start: BTreeMap::new(),
            chatters: false,
            watch: Watch::default(),
            broken_factory: None,
            core_of_the_living: false,
        }
    }
}
