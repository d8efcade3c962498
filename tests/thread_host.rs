//! Goal: a node that contains another node runs under the kernel, on threads and channels, and on sockets and files,
//! unchanged, so that the interface of nodes stays free of the world.
//!
//! Method: a player that wraps an echo. The first player dials the second and plays ten rounds, by turns as a datagram
//! and over the connection; the inner node of the second answers when it has stored how often. Then the first hangs up,
//! the second gives up its process, and a second call must be refused. The exchange has one order under any timing, so
//! each node must tell the same, in the same order, under every host.

use std::collections::BTreeMap;
use std::time::Duration as WallDuration;

use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use splitbrain::kernel::run::{Outcome, RunOptions};
use splitbrain::kernel::trace::{TraceItem, Tracer};
use splitbrain::kernel::world::World;
use splitbrain::sockets::{Endpoint, Peers, Sockets};
use splitbrain::threads::{News, Threads};
use splitbrain_toy::{NoOptions, Unwatched};

const ROUNDS: u64 = 10;
const COUNT: FileId = FileId(1);
const FIRST: NodeId = NodeId::server(1);
const SECOND: NodeId = NodeId::server(2);
const OVER: &str = "the game is over";
/// Longer than any machine takes for a step of the game.
const PATIENCE: WallDuration = WallDuration::from_secs(60);

/// The inner node: answers, and counts its answers on disk.
#[derive(Clone, Debug)]
struct Echo {
    answers: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum EchoMessage {
    Ping,
    Pong,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum EchoTold {
    Answered { over_connection: bool },
}

/// Who waits for an answer, and where.
#[derive(Clone, Debug, Serialize)]
struct Asker {
    node: NodeId,
    connection: Option<ConnectionId>,
}

impl Message for EchoMessage {
    const KINDS: &'static [&'static str] = &["ping", "pong"];
    fn kind(&self) -> usize {
        matches!(self, Self::Pong).into()
    }
}

impl Observation for EchoTold {
    const NAMES: &'static [&'static str] = &["answered"];
    fn face(&self) -> Face {
        Face::new("answered", Change::None)
    }
}

impl Node for Echo {
    type Message = EchoMessage;
    type Timer = ();
    type Record = u64;
    type Observation = EchoTold;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = Asker;

    fn on_start(&mut self, _: &mut Context<Self>) {}

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: EchoMessage) {
        if matches!(message, EchoMessage::Ping) {
            ctx.defer(Asker { node: source.node, connection: source.connection });
        }
    }

    fn on_timer(&mut self, _: &mut Context<Self>, (): ()) {}

    fn on_step(&mut self, ctx: &mut Context<Self>, asker: Asker) {
        self.answers += 1;
        let write = ctx.save(COUNT, self.answers);
        match asker.connection {
            Some(connection) => ctx.send_on_after(write, connection, asker.node, EchoMessage::Pong),
            None => ctx.send_after(write, asker.node, EchoMessage::Pong),
        }
        ctx.observe(EchoTold::Answered { over_connection: asker.connection.is_some() });
    }
}

/// The outer node: plays with its peer, through an echo of its own.
#[derive(Clone, Debug)]
struct Player {
    echo: Echo,
    scope: Scope<EchoInPlayer>,
    line: Option<ConnectionId>,
    rounds: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum PlayerMessage {
    Echo(EchoMessage),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum PlayerTimer {
    Redial,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum PlayerTold {
    Echo(EchoTold),
    Line { change: ConnectionChange },
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
    const NAMES: &'static [&'static str] = &["answered", "line", "done"];
    fn face(&self) -> Face {
        let name = match self {
            Self::Echo(_) => "answered",
            Self::Line { .. } => "line",
            Self::Done { .. } => "done",
        };
        Face::new(name, Change::None)
    }
}

embed! {
    /// The echo of a player.
    struct EchoInPlayer: Echo, in Player, as "echo" {
        files: 0,
        hosts: |_| true,
        node: |player| Some(&player.echo),
        message: PlayerMessage::Echo,
        timer: none,
        record: same,
        observation: PlayerTold::Echo,
        operation: same,
        response: same,
        order: same,
        step: same,
    }
}

impl Player {
    fn new(recovered: &Recovered<u64>) -> Self {
        let answers = recovered.last(COUNT).and_then(Stored::intact).copied().unwrap_or(0);
        Self { echo: Echo { answers }, scope: Scope::new(EchoInPlayer), line: None, rounds: 0 }
    }

    fn serve(&self, ctx: &mut Context<Self>) {
        let ping = PlayerMessage::Echo(EchoMessage::Ping);
        match self.line {
            Some(line) if self.rounds.is_multiple_of(2) => ctx.send_on(line, SECOND, ping),
            _ => ctx.send(SECOND, ping),
        }
    }
}

impl Node for Player {
    type Message = PlayerMessage;
    type Timer = PlayerTimer;
    type Record = u64;
    type Observation = PlayerTold;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = Asker;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.scope.enter(ctx, |ctx| self.echo.on_start(ctx));
        if ctx.id() == FIRST {
            self.line = Some(ctx.connect(SECOND));
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        ctx.observe(PlayerTold::Line { change: event.change });
        match event.change {
            ConnectionChange::Opened => self.serve(ctx),
            ConnectionChange::Closed => ctx.exit(OVER),
            _ => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: PlayerMessage) {
        let PlayerMessage::Echo(message) = message;
        if matches!(message, EchoMessage::Pong) {
            self.rounds += 1;
            if self.rounds < ROUNDS {
                self.serve(ctx);
            } else {
                ctx.observe(PlayerTold::Done { rounds: self.rounds });
                ctx.close(self.line.expect("the first player has dialled"));
                ctx.set_timer(PlayerTimer::Redial, Duration::from_millis(20));
            }
        }
        self.scope.enter(ctx, |ctx| self.echo.on_message(ctx, source, message));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: PlayerTimer) {
        match timer {
            PlayerTimer::Redial => self.line = Some(ctx.connect(SECOND)),
        }
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: Asker) {
        self.scope.enter(ctx, |ctx| self.echo.on_step(ctx, step));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        self.scope.enter(ctx, |ctx| self.echo.on_durable(ctx, completion));
    }
}

/// What a host hears of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Told(PlayerTold),
    Exited(String),
}

/// What each node told, in its order.
type Story = BTreeMap<NodeId, Vec<Heard>>;

fn under_threads() -> Story {
    let mut threads = Threads::new([FIRST, SECOND]);
    // The second player first: whoever dials it finds it there.
    for id in [SECOND, FIRST] {
        threads.spawn_of(&Game, id, Seed(1));
    }
    let mut story = Story::new();
    let last = Heard::Told(PlayerTold::Line { change: ConnectionChange::Refused });
    while story.get(&FIRST).and_then(|told| told.last()) != Some(&last) {
        let (node, news) = threads.news(PATIENCE).unwrap_or_else(|| panic!("the game stops at {story:?}"));
        story.entry(node).or_default().push(heard(news));
    }
    for (node, news) in threads.stop() {
        story.entry(node).or_default().push(heard(news));
    }
    story
}

fn under_sockets() -> Story {
    let folder = std::env::temp_dir().join(format!("splitbrain-game-{}", std::process::id()));
    let endpoints = [SECOND, FIRST].map(|id| Endpoint::bind(id, "127.0.0.1:0").expect("a free port"));
    let peers: Peers = endpoints.iter().map(|endpoint| (endpoint.id(), endpoint.address())).collect();
    let mut nodes: Vec<(NodeId, Sockets<Player>)> = Vec::new();
    for endpoint in endpoints {
        let id = endpoint.id();
        let started = Sockets::start_of(&Game, endpoint, &peers, &folder.join(id.to_string()), Seed(1));
        nodes.push((id, started.expect("the folder can be used")));
    }
    let mut story = Story::new();
    let last = Heard::Told(PlayerTold::Line { change: ConnectionChange::Refused });
    while story.get(&FIRST).and_then(|told| told.last()) != Some(&last) {
        let news = nodes[1].1.news(PATIENCE).unwrap_or_else(|| panic!("the game stops at {story:?}"));
        story.entry(FIRST).or_default().push(heard(news));
    }
    for (id, node) in nodes {
        let left = node.stop().expect("the disk works");
        story.entry(id).or_default().extend(left.into_iter().map(heard));
    }
    std::fs::remove_dir_all(&folder).expect("it was made");
    story
}

fn heard(news: News<Player>) -> Heard {
    match news {
        News::Observed(told) => Heard::Told(told),
        News::Exited(reason) => Heard::Exited(reason),
        News::Invoked(..) | News::Completed(..) => panic!("no one is asked for anything: {news:?}"),
    }
}

// The same under the kernel.

#[derive(Clone, Debug)]
struct Game;

impl System for Game {
    const NAME: &'static str = "game";
    const DOC: &'static str = "Two nodes, each with a node inside.";
    type Options = NoOptions;
    type Node = Player;
    type Invariants = Unwatched;
    type Workload = Idle;
    fn new(_: Setup<NoOptions>) -> Result<Self, OptionsError> {
        Ok(Self)
    }
    fn node(&self, _: NodeId, recovered: Recovered<u64>) -> Player {
        Player::new(&recovered)
    }
    fn invariants(&self) -> Unwatched {
        Unwatched
    }
    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(2).collect()
    }
}

#[derive(Default)]
struct Listener(Story);

impl Tracer<Player> for Listener {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, _: splitbrain::kernel::plan::Moment, item: TraceItem<'_, Player>) {
        let (node, heard) = match item {
            TraceItem::Observed { node, observation } => (node, Heard::Told(observation.clone())),
            TraceItem::Exited { node, reason } => (node, Heard::Exited(reason.to_owned())),
            _ => return,
        };
        self.0.entry(node).or_default().push(heard);
    }
}

fn under_the_kernel() -> Story {
    let cluster = Cluster::plain(2, 0);
    let options = RunOptions::ordinary(cluster, Duration::from_secs(10));
    let mut world = World::traced(&Game, &options, Seed(1), Listener::default());
    assert_eq!(world.run().outcome, Outcome::Passed);
    world.into_tracer().0
}

fn expected() -> Story {
    let line = |change| Heard::Told(PlayerTold::Line { change });
    let answers = (0..ROUNDS).map(|round| {
        let over_connection = round.is_multiple_of(2);
        Heard::Told(PlayerTold::Echo(EchoTold::Answered { over_connection }))
    });
    let first = [
        line(ConnectionChange::Opened),
        Heard::Told(PlayerTold::Done { rounds: ROUNDS }),
        line(ConnectionChange::Refused),
    ];
    let second = [line(ConnectionChange::Accepted)].into_iter().chain(answers);
    let second = second.chain([line(ConnectionChange::Closed), Heard::Exited(OVER.to_owned())]);
    Story::from([(FIRST, first.to_vec()), (SECOND, second.collect())])
}

#[test]
fn a_node_inside_a_node_does_the_same_under_every_host() {
    assert_eq!(under_the_kernel(), expected());
    assert_eq!(under_threads(), expected());
    assert_eq!(under_sockets(), expected());
}
