//! A service that takes whatever it can get for chance: servers send one another a word every 10 ms, and for each word
//! that comes they ask one source of randomness, and tell what it said.

use std::collections::HashMap;
use std::future::ready;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration as WallTime;

use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use splitbrain_madsim::{Instance, Process, Service, address, observe};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::sleep;

splitbrain::kernel::names! {
    /// What is asked for chance.
    pub enum Source {
        /// `tokio::select!` and `tokio::sync::watch`: the generator of tokio.
        Tokio = "tokio",
        /// `futures::select!`: the generator of futures-util.
        Futures = "futures",
        /// A static of the service itself.
        Static = "static",
        /// The order of the keys of a hash map.
        Hash = "hash",
        /// The same, of a map that [`Service::new`] has made.
        Made = "made",
        /// `rand` 0.8, which asks getrandom 0.2.
        Rand = "rand",
        /// All of them.
        All = "all",
        /// Nothing: a task is spawned on the real tokio.
        Stray = "stray",
        /// Nothing: a task is spawned on the real tokio, about when the run ends.
        LateStray = "late_stray",
        /// Nothing: the process is aborted.
        Abort = "abort",
        /// Nothing: the task panics.
        Panic = "panic",
        /// Nothing: the process exits.
        Exit = "exit",
        /// Nothing: the process never comes to an end.
        Spin = "spin",
        /// Nothing: a line is written to the socket that belongs to the parent.
        Garbage = "garbage",
        /// The standard output, without a newline.
        Print = "print",
        /// Nothing: the task yields first.
        Yield = "yield",
    }
}

options! {
    /// What can be set.
    pub struct ChanceOptions {
        /// What is asked for chance.
        pub source: Source => ValueKind::Name(Source::NAMES),
        /// How many words may come before it is too much.
        pub words_max: u64 => ValueKind::Integer { min: 0, max: 1_000_000 },
    }
}

impl Options for ChanceOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "plain", doc: "Asks tokio.", make: || Self { source: Source::Tokio, words_max: 1_000_000 } }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) enum ChanceObservation {
    Chose(u64),
    Woke(u64),
}

impl Observation for ChanceObservation {
    const NAMES: &'static [&'static str] = &["chose", "woke"];

    fn face(&self) -> Face {
        let name = if matches!(self, Self::Chose(_)) { "chose" } else { "woke" };
        Face::new(name, Change::None)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Nothing;

/// A bound that breaks a run, so that there are failures to keep.
#[derive(Clone, Debug)]
pub(crate) struct FewWords {
    /// A hash map that is made before the first process starts.
    counts: HashMap<NodeId, u64>,
    words_max: u64,
}

impl Invariants<Instance<Chance>> for FewWords {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "few_words",
        doc: "No more words come than may.",
        source: "a test",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    }];

    fn on_effect(
        &mut self,
        _: impl View<Instance<Chance>>,
        node: NodeId,
        effect: EffectRef<'_, Instance<Chance>>,
        findings: &mut Findings,
    ) {
        *self.counts.entry(node).or_default() += u64::from(matches!(effect, EffectRef::Observe(_)));
        let count = self.counts.values().sum::<u64>();
        findings.check(0, Some(node), count <= self.words_max, || format!("{count} words"));
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Chance {
    source: Source,
    words_max: u64,
    made: HashMap<u64, ()>,
}

impl Service for Chance {
    const NAME: &'static str = "chance";
    const DOC: &'static str = "Processes that ask for randomness.";
    type Options = ChanceOptions;
    type Observation = ChanceObservation;
    type Operation = Nothing;
    type Response = Nothing;
    type Invariants = FewWords;

    fn new(setup: Setup<ChanceOptions>) -> Result<Self, OptionsError> {
        let ChanceOptions { source, words_max } = setup.options.base;
        Ok(Self { source, words_max, made: some_keys() })
    }

    async fn run(self, process: Process<Self>) {
        let me = process.id();
        let socket = UdpSocket::bind((address(me), 7_000)).await.expect("the port is free");
        let socket = std::sync::Arc::new(socket);
        tokio::spawn(talk(me, socket.clone()));
        let (bell, _) = watch::channel(0);
        for number in 0..4 {
            tokio::spawn(listen(number, bell.subscribe()));
        }
        if matches!(self.source, Source::LateStray) {
            tokio::spawn(stray_late());
        }
        let mut bytes = [0; 8];
        while socket.recv_from(&mut bytes).await.is_ok() {
            bell.send_modify(|count| *count += 1);
            let chosen = match self.source {
                Source::Made => order_of(&self.made),
                source => source.ask().await,
            };
            tracing::info!(target: "chance", chosen, "a word came");
            log::debug!(target: "chance", "{me} goes on");
            observe(ChanceObservation::Chose(chosen));
        }
    }

    fn invariants(&self) -> FewWords {
        FewWords { counts: HashMap::new(), words_max: self.words_max }
    }

    fn core_size(&self) -> usize {
        1
    }
}

async fn talk(me: NodeId, socket: std::sync::Arc<UdpSocket>) {
    let neighbour = address(NodeId::server(me.number() % 2 + 1));
    loop {
        sleep(WallTime::from_millis(10)).await;
        // madsim has the two the other way round.
        socket.send_to((neighbour, 7_000), b"word").await.expect("a packet is sent or lost");
    }
}

/// In which order the tasks wake depends on where `watch` has put them.
async fn listen(number: u64, mut bell: watch::Receiver<u64>) {
    while bell.changed().await.is_ok() {
        observe(ChanceObservation::Woke(number));
    }
}

impl Source {
    async fn ask(self) -> u64 {
        match self {
            Self::Tokio => of_tokio().await,
            Self::Futures => of_futures().await,
            Self::Static => of_static(),
            Self::Hash | Self::Made => of_hash(),
            Self::Rand => rand::random::<u64>(),
            Self::All => of_tokio().await ^ of_futures().await ^ of_static() ^ of_hash() ^ rand::random::<u64>(),
            Self::Stray => {
                real_tokio::task::spawn(std::future::pending::<()>());
                0
            }
            Self::LateStray => 0,
            Self::Abort => std::process::abort(),
            Self::Panic => panic!("there is no chance"),
            Self::Exit => std::process::exit(5),
            Self::Spin => loop {
                std::hint::spin_loop();
            },
            Self::Garbage => {
                let stdin = std::io::stdin().as_fd().try_clone_to_owned().expect("it is open");
                UnixStream::from(stdin).write_all(b"garbage\n").expect("the parent reads");
                0
            }
            Self::Print => {
                print!("a word");
                0
            }
            Self::Yield => {
                tokio::task::yield_now().await;
                0
            }
        }
    }
}

/// How often [`stray_late`] came to spawn its task, in this process.
pub(crate) static LATE_STRAYS: AtomicU64 = AtomicU64::new(0);

/// The run lasts 500 ms.
async fn stray_late() {
    sleep(WallTime::from_millis(490 + rand::random::<u64>() % 12)).await;
    real_tokio::task::spawn(std::future::pending::<()>());
    LATE_STRAYS.fetch_add(1, Ordering::Relaxed);
}

async fn of_tokio() -> u64 {
    tokio::select! {
        number = ready(0) => number,
        number = ready(1) => number,
        number = ready(2) => number,
    }
}

async fn of_futures() -> u64 {
    let (mut one, mut two) = (pin!(ready(3).fuse()), pin!(ready(4).fuse()));
    futures_util::select! {
        number = one => number,
        number = two => number,
    }
}

/// How often anyone asked, in this process.
fn of_static() -> u64 {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    ASKED.fetch_add(1, Ordering::Relaxed) << 8
}

fn of_hash() -> u64 {
    order_of(&some_keys())
}

fn some_keys() -> HashMap<u64, ()> {
    (0..64).map(|key| (key, ())).collect()
}

fn order_of(keys: &HashMap<u64, ()>) -> u64 {
    keys.keys().fold(0, |order, key| order.wrapping_mul(67).wrapping_add(*key))
}

/// Two servers that ask this source, over some seeds. Where a task is to be spawned at the end, nothing disturbs it.
pub(crate) fn scenario(source: &str, words_max: u64) -> String {
    const FAULTS: &str = "[[nemesis]]\nkinds = [\"one_way\", \"crash\", \"pause\"]\non = [\"any server\"]\n\
        every = \"50ms..200ms\"\nfor = \"20ms..100ms\"\n";
    let faults = if source == "late_stray" { "" } else { FAULTS };
    format!(
        "# A service that asks for randomness, and comes to the same every time.\nformat = 1\nsystem = \"chance\"\n\
         [cluster]\nservers = 2\n[chance]\nsource = \"{source}\"\nwords_max = {words_max}\n\
         [network]\nlatency = \"1ms..5ms\"\n{faults}[run]\nduration = \"500ms\"\nseeds = 20\n"
    )
}
