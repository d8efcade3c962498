//! Goal: a node that contains another node runs under the kernel and under a small host of plain threads and channels,
//! unchanged, so that the interface of nodes stays free of the world.
//!
//! Method: a counter that wraps an echo. The inner node answers a ping with a pong and stores how often; the outer one
//! adds a start message and stops after ten rounds. Both hosts must see the same observations.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration as WallDuration, Instant as WallInstant};

use serde::Serialize;
use splitbrain::kernel::invariant::InvariantInfo;
use splitbrain::kernel::prelude::*;
use splitbrain::kernel::run::{Outcome, RunOptions};
use splitbrain::kernel::trace::{TraceItem, Tracer};
use splitbrain::kernel::world::World;

const ROUNDS: u64 = 10;
const COUNT: FileId = FileId(1);

/// The inner node: answers, and counts its answers on disk.
#[derive(Clone, Debug)]
struct Echo {
    answers: u64,
}

#[derive(Clone, Debug, Serialize)]
enum EchoMessage {
    Ping,
    Pong,
}

#[derive(Clone, Debug, Serialize)]
enum EchoTold {
    Answered,
}

#[derive(Clone, Debug, Serialize, serde::Deserialize)]
enum Never {}

impl Message for EchoMessage {
    const KINDS: &'static [&'static str] = &["ping", "pong"];
    fn kind(&self) -> usize {
        matches!(self, Self::Pong).into()
    }
}

impl Observation for EchoTold {
    const NAMES: &'static [&'static str] = &["answered"];
    fn face(&self) -> Face {
        Face { name: "answered", change: Change::None }
    }
}

impl Node for Echo {
    type Message = EchoMessage;
    type Timer = ();
    type Record = u64;
    type Observation = EchoTold;
    type Operation = Never;
    type Step = NodeId;

    fn on_start(&mut self, _: &mut Context<Self>, recovered: Recovered<u64>) {
        self.answers = recovered.last(COUNT).and_then(Stored::intact).copied().unwrap_or(0);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: EchoMessage) {
        if matches!(message, EchoMessage::Ping) {
            ctx.defer(source.node);
        }
    }

    fn on_timer(&mut self, _: &mut Context<Self>, (): ()) {}

    fn on_step(&mut self, ctx: &mut Context<Self>, asker: NodeId) {
        self.answers += 1;
        let write = ctx.save(COUNT, self.answers);
        ctx.send_after(write, asker, EchoMessage::Pong);
        ctx.observe(EchoTold::Answered);
    }
}

/// The outer node: plays with its peer, through an echo of its own.
#[derive(Clone, Debug)]
struct Player {
    echo: Echo,
    scope: Scope<Echo>,
    rounds: u64,
}

#[derive(Clone, Debug, Serialize)]
enum PlayerMessage {
    Echo(EchoMessage),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum PlayerTimer {
    Serve,
    Echo,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum PlayerTold {
    Answered,
    Done { rounds: u64 },
}

impl Message for PlayerMessage {
    const KINDS: &'static [&'static str] = EchoMessage::KINDS;
    fn kind(&self) -> usize {
        let Self::Echo(message) = self;
        message.kind()
    }
}

impl Observation for PlayerTold {
    const NAMES: &'static [&'static str] = &["answered", "done"];
    fn face(&self) -> Face {
        let name = if matches!(self, Self::Answered) { "answered" } else { "done" };
        Face { name, change: Change::None }
    }
}

impl Lift<Echo> for Player {
    fn message(message: EchoMessage) -> PlayerMessage {
        PlayerMessage::Echo(message)
    }
    fn timer((): ()) -> PlayerTimer {
        PlayerTimer::Echo
    }
    fn write(write: Write<u64>) -> Write<u64> {
        write
    }
    fn observation(_: EchoTold) -> Option<PlayerTold> {
        Some(PlayerTold::Answered)
    }
    fn operation(operation: Never) -> Never {
        operation
    }
    fn step(step: NodeId) -> NodeId {
        step
    }
}

impl Player {
    fn new() -> Self {
        Self { echo: Echo { answers: 0 }, scope: Scope::new("echo"), rounds: 0 }
    }

    fn serve(ctx: &mut Context<Self>) {
        let peer = if ctx.id() == NodeId::server(1) { NodeId::server(2) } else { NodeId::server(1) };
        ctx.send(peer, PlayerMessage::Echo(EchoMessage::Ping));
        // Answers may be lost: serve again until one comes.
        ctx.set_timer(PlayerTimer::Serve, Duration::from_millis(50));
    }
}

impl Node for Player {
    type Message = PlayerMessage;
    type Timer = PlayerTimer;
    type Record = u64;
    type Observation = PlayerTold;
    type Operation = Never;
    type Step = NodeId;

    fn on_start(&mut self, ctx: &mut Context<Self>, recovered: Recovered<u64>) {
        self.scope.enter(ctx, |ctx| self.echo.on_start(ctx, recovered));
        if ctx.id() == NodeId::server(1) {
            Self::serve(ctx);
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: PlayerMessage) {
        let PlayerMessage::Echo(message) = message;
        if matches!(message, EchoMessage::Pong) {
            self.rounds += 1;
            if self.rounds == ROUNDS {
                ctx.cancel_timer(PlayerTimer::Serve);
                ctx.observe(PlayerTold::Done { rounds: self.rounds });
            } else if self.rounds < ROUNDS {
                Self::serve(ctx);
            }
        }
        self.scope.enter(ctx, |ctx| self.echo.on_message(ctx, source, message));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: PlayerTimer) {
        match timer {
            PlayerTimer::Serve => Self::serve(ctx),
            PlayerTimer::Echo => self.scope.enter(ctx, |ctx| self.echo.on_timer(ctx, ())),
        }
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: NodeId) {
        self.scope.enter(ctx, |ctx| self.echo.on_step(ctx, step));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        self.scope.enter(ctx, |ctx| self.echo.on_durable(ctx, completion));
    }
}

// The host of threads and channels: a thread and a channel for each node, wall time for its clocks, memory for its
// disk.

type Mail = (NodeId, PlayerMessage);

struct Host {
    ctx: Context<Player>,
    player: Player,
    start: WallInstant,
    timers: BTreeMap<PlayerTimer, Instant>,
    peers: BTreeMap<NodeId, Sender<Mail>>,
    told: Sender<(NodeId, PlayerTold)>,
}

impl Host {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).expect("a short test"))
    }

    fn call(&mut self, input: impl FnOnce(&mut Player, &mut Context<Player>)) {
        let now = self.now();
        self.ctx.set_clocks(now, now);
        input(&mut self.player, &mut self.ctx);
        let effects: Vec<Effect<Player>> = self.ctx.effects().drain(..).collect();
        let tied: Vec<Effect<Player>> = self.ctx.tied().drain(..).map(|(_, effect)| effect).collect();
        // Memory is durable at once, so what is tied leaves right after the write.
        effects.into_iter().chain(tied).for_each(|effect| self.carry_out(effect));
    }

    fn carry_out(&mut self, effect: Effect<Player>) {
        match effect {
            Effect::Send { target, message, .. } => {
                // A peer that has ended hears nothing, as on any network.
                let _ = self.peers[&target].send((self.ctx.id(), message));
            }
            Effect::SetTimer { timer, at } => drop(self.timers.insert(timer, at)),
            Effect::CancelTimer(timer) => drop(self.timers.remove(&timer)),
            Effect::Defer(step) => self.call(|player, ctx| player.on_step(ctx, step)),
            Effect::Write { id, .. } => self.call(|player, ctx| player.on_durable(ctx, Completion::Durable(id))),
            Effect::Observe(told) => self.told.send((self.ctx.id(), told)).expect("the test listens"),
            _ => {}
        }
    }

    fn run(mut self, mail: &Receiver<Mail>) {
        self.call(|player, ctx| player.on_start(ctx, Recovered::empty()));
        loop {
            let due = self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
            let wait = due.map_or(WallDuration::from_secs(5), |(_, at)| {
                WallDuration::from_nanos(at.since(self.now()).as_nanos())
            });
            match (mail.recv_timeout(wait), due) {
                (Ok((node, message)), _) => {
                    let source = Source { node, connection: None };
                    self.call(|player, ctx| player.on_message(ctx, source, message));
                }
                (Err(RecvTimeoutError::Timeout), Some((timer, _))) => {
                    self.timers.remove(&timer);
                    self.call(|player, ctx| player.on_timer(ctx, timer));
                }
                (Err(_), _) => return,
            }
        }
    }
}

fn under_threads() -> Vec<(NodeId, PlayerTold)> {
    let ids = [NodeId::server(1), NodeId::server(2)];
    let (told, heard) = channel();
    let (senders, receivers): (BTreeMap<_, _>, Vec<_>) = ids
        .map(|id| (id, channel()))
        .into_iter()
        .map(|(id, (sender, receiver))| ((id, sender), (id, receiver)))
        .unzip();
    for (id, mail) in receivers {
        let (peers, told) = (senders.clone(), told.clone());
        let host = Host {
            ctx: Context::new(id, Seed(1).stream("node", id.key())),
            player: Player::new(),
            start: WallInstant::now(),
            timers: BTreeMap::new(),
            peers,
            told,
        };
        std::thread::spawn(move || host.run(&mail));
    }
    let mut all = Vec::new();
    while !matches!(all.last(), Some((_, PlayerTold::Done { .. }))) {
        all.push(heard.recv_timeout(WallDuration::from_secs(60)).expect("the nodes play on"));
    }
    all
}

// The same under the kernel.

#[derive(Clone, Debug)]
struct Game;

#[derive(Clone, Debug)]
struct NothingToCheck;

impl Invariants<Player> for NothingToCheck {
    const LIST: &'static [InvariantInfo] = &[];
}

options! {
    /// Nothing to set.
    pub struct GameOptions {
        /// Unused.
        pub unused: bool => ValueKind::Bool,
    }
}

impl Options for GameOptions {
    fn specs() -> &'static [OptionSpec<Self>] {
        Self::SPECS
    }
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "plain", doc: "Nothing.", make: || Self { unused: false } }]
    }
}

impl System for Game {
    const NAME: &'static str = "game";
    const DOC: &'static str = "Two nodes, each with a node inside.";
    type Options = GameOptions;
    type Node = Player;
    type Invariants = NothingToCheck;
    fn new(_: Setup<GameOptions>) -> Result<Self, OptionsError> {
        Ok(Self)
    }
    fn node(&self, _: NodeId) -> Player {
        Player::new()
    }
    fn invariants(&self) -> NothingToCheck {
        NothingToCheck
    }
    fn core_size(&self) -> usize {
        2
    }
}

#[derive(Default)]
struct Told(Vec<(NodeId, PlayerTold)>);

impl Tracer<Player> for Told {
    const ON: bool = true;
    fn record(&mut self, _: splitbrain::kernel::plan::Moment, item: TraceItem<'_, Player>) {
        if let TraceItem::Observed { node, observation } = item {
            self.0.push((node, observation.clone()));
        }
    }
}

fn under_the_kernel() -> Vec<(NodeId, PlayerTold)> {
    let cluster = Cluster { servers: 2, spare: 0, clients: 0 };
    let options = RunOptions::ordinary(cluster, Duration::from_secs(10));
    let mut told = Told::default();
    let report = World::<Game>::new(&Game, &options, Seed(1)).run(&mut told);
    assert_eq!(report.outcome, Outcome::Passed);
    told.0
}

#[test]
fn a_node_inside_a_node_does_the_same_under_threads_and_under_the_kernel() {
    let expected: Vec<(NodeId, PlayerTold)> = (0..ROUNDS)
        .map(|_| (NodeId::server(2), PlayerTold::Answered))
        .chain([(NodeId::server(1), PlayerTold::Done { rounds: ROUNDS })])
        .collect();
    assert_eq!(under_the_kernel(), expected);
    // A slow machine may serve twice: what must agree is that every round was answered, and that the game ended.
    let told = under_threads();
    assert!(told.len() >= expected.len(), "{told:?}");
    assert_eq!(told.last(), expected.last());
}
