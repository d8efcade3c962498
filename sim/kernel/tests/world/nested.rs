//! A node that contains another node: messages, timers, disk, deferred work and randomness of both work in the world.

use serde::{Deserialize, Serialize};
use splitbrain_kernel::context::Context;
use splitbrain_kernel::embed;
use splitbrain_kernel::embedding::{Embedding as _, Scope};
use splitbrain_kernel::fault::CrashScope;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::invariant::{InvariantInfo, InvariantSet, Invariants};
use splitbrain_kernel::node::{
    Change, Completion, Face, FileId, Message, Never, Node, Observation, Recovered, Source, Stored,
};
use splitbrain_kernel::plan::{Moment, Plan, PlannedFault, Timing};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, RunOptions};
use splitbrain_kernel::system::{Setup, System};
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::trace::{TraceItem, Tracer};
use splitbrain_kernel::view::View;
use splitbrain_kernel::workload::Idle;
use splitbrain_kernel::world::World;

use crate::stage::{at, crash, ms, options, s};
use crate::toy::NoOptions;

/// Counts durably, and tells the count to its peer.
#[derive(Clone, Debug)]
struct Counter {
    count: u64,
    peer: NodeId,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
enum Told {
    Count(u64),
    Recovered(u64),
    Heard(u64),
    Deferred,
    Word(u64),
}

/// The counter's message, and in the outer node one of its two kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tell(u64);

impl Message for Tell {
    const KINDS: &'static [&'static str] = &["tell"];
    fn kind(&self) -> usize {
        0
    }
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = &["told"];
    fn face(&self) -> Face {
        Face::new("told", Change::None)
    }
}

impl Counter {
    fn new(peer: NodeId, recovered: &Recovered<u64>) -> Self {
        Self { count: recovered.last(FILE).and_then(Stored::intact).copied().unwrap_or_default(), peer }
    }
}

/// Both nodes have a file of this number: the outer one moves the inner one's.
const FILE: FileId = FileId(0);

impl Node for Counter {
    type Message = Tell;
    type Timer = ();
    type Record = u64;
    type Observation = Told;
    type Operation = ();
    type Response = ();
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        ctx.observe(Told::Recovered(self.count));
        let word = ctx.rng().word();
        ctx.observe(Told::Word(word));
        ctx.set_timer((), ms(10));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, (): ()) {
        self.count += 1;
        let write = ctx.save(FILE, self.count);
        ctx.send_after(write, self.peer, Tell(self.count));
        ctx.observe_after(write, Told::Count(self.count));
        ctx.defer(());
        ctx.set_timer((), ms(10));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, Tell(count): Tell) {
        ctx.observe(Told::Heard(count));
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, (): ()) {
        ctx.observe(Told::Deferred);
    }
}

/// A node with a counter inside, which does the same things under the same names on its own account.
#[derive(Clone, Debug)]
struct Shell {
    scope: Scope<CounterInShell>,
    inner: Counter,
    peer: NodeId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Whose<T> {
    Inner(T),
    Own,
}

impl Message for Whose<Tell> {
    const KINDS: &'static [&'static str] = &["inner", "own"];
    fn kind(&self) -> usize {
        usize::from(matches!(self, Self::Own))
    }
}

impl Observation for Whose<Told> {
    const NAMES: &'static [&'static str] = &["inner", "own"];
    fn face(&self) -> Face {
        Face::new(if matches!(self, Self::Own) { "own" } else { "inner" }, Change::None)
    }
}

embed! {
    /// The counter of a shell.
    struct CounterInShell: Counter, in Shell, as "counter" {
        files: 1,
        hosts: |_| true,
        node: |shell| Some(&shell.inner),
        message: Whose::Inner,
        timer: Whose::Inner,
        record: same,
        observation: Whose::Inner,
        operation: none,
        response: none,
        order: none,
        step: Whose::Inner,
    }
}

impl Node for Shell {
    type Message = Whose<Tell>;
    type Timer = Whose<()>;
    type Record = u64;
    type Observation = Whose<Told>;
    type Operation = ();
    type Response = ();
    type Order = Never;
    type Step = Whose<()>;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.scope.enter(ctx, |ctx| self.inner.on_start(ctx));
        ctx.save(FILE, 1_000);
        ctx.set_timer(Whose::Own, ms(25));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Whose<Tell>) {
        match message {
            Whose::Inner(tell) => self.scope.enter(ctx, |ctx| self.inner.on_message(ctx, source, tell)),
            Whose::Own => ctx.observe(Whose::Own),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Whose<()>) {
        match timer {
            Whose::Inner(()) => self.scope.enter(ctx, |ctx| self.inner.on_timer(ctx, ())),
            Whose::Own => ctx.send(self.peer, Whose::Own),
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        self.scope.enter(ctx, |ctx| self.inner.on_durable(ctx, completion));
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: Whose<()>) {
        if let Whose::Inner(()) = step {
            self.scope.enter(ctx, |ctx| self.inner.on_step(ctx, ()));
        }
    }
}

#[derive(Clone, Debug)]
struct Unwatched;

impl Invariants<Shell> for Unwatched {
    const LIST: &'static [InvariantInfo] = &[];
}

#[derive(Clone, Debug)]
struct Shells;

impl System for Shells {
    const NAME: &'static str = "shells";
    const DOC: &'static str = "Nodes with nodes inside.";
    type Options = NoOptions;
    type Node = Shell;
    type Invariants = Unwatched;
    type Workload = Idle;

    fn new(_: Setup<NoOptions>) -> Result<Self, splitbrain_kernel::options::OptionsError> {
        Ok(Self)
    }
    fn node(&self, id: NodeId, recovered: Recovered<u64>) -> Shell {
        assert!(recovered.last(FILE).is_none_or(|record| *record == Stored::Intact(1_000)), "the files are apart");
        let peer = s(3 - id.number());
        let inner = Counter::new(peer, &CounterInShell.recovered(&recovered));
        Shell { scope: Scope::new(CounterInShell), inner, peer }
    }
    fn invariants(&self) -> Unwatched {
        Unwatched
    }
    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(1).collect()
    }
}

#[derive(Default)]
struct Listener(Vec<String>, Vec<u64>);

impl Tracer<Shell> for Listener {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, Shell>) {
        if let TraceItem::Observed { node, observation } = item
            && node == s(1)
        {
            let text = match observation {
                Whose::Inner(Told::Word(word)) => return self.1.push(*word),
                Whose::Inner(told) => format!("{told:?}"),
                Whose::Own => "own".to_owned(),
            };
            self.0.push(format!("{} {text}", Duration::from_nanos(moment.at.as_nanos())));
        }
    }
}

fn play(plan: Plan<(), Never>) -> Listener {
    let cluster = Cluster::plain(2, 0);
    let plain = options(cluster);
    let run = RunOptions {
        cluster,
        network: plain.network,
        clocks: plain.clocks,
        disk: plain.disk,
        faults: Vec::new(),
        nemeses: Vec::new(),
        workload: None,
        operations: Vec::new(),
        orders: Vec::new(),
        counted: Vec::new(),
        disks: std::collections::BTreeMap::new(),
        duration: ms(35),
        settle: plain.settle,
        budget: plain.budget,
        invariants: InvariantSet::NONE,
        bounds: plain.bounds,
        ties: plain.ties,
        replay: Some(plan),
    };
    let mut world = World::traced(&Shells, &run, Seed(1), Listener::default());
    assert_eq!(world.run().outcome, Outcome::Passed);
    world.into_tracer()
}

#[test]
fn a_node_inside_a_node_lives_like_one_by_itself() {
    let Listener(lines, _) = play(Plan::empty());
    assert_eq!(
        lines,
        [
            "0s Recovered(0)",
            "10ms Deferred",
            "13ms Count(1)",
            "14ms Heard(1)",
            "20ms Deferred",
            "23ms Count(2)",
            "24ms Heard(2)",
            "26ms own",
            "30ms Deferred",
            "33ms Count(3)",
            "34ms Heard(3)",
        ]
    );
}

#[test]
fn what_the_inner_node_saved_is_its_own_after_a_crash() {
    let start = Moment { at: at(15), after_events: 0, order: 0 };
    let stop = Some(Moment { at: at(17), ..start });
    let fault = crash(s(1), CrashScope::Machine);
    let planned = PlannedFault { id: "crash".to_owned(), start, stop, selector: String::new(), line: 0, fault };
    let Listener(lines, words) = play(Plan { timing: Timing::Time, faults: vec![planned], ..Plan::empty() });
    assert_eq!(
        lines[..6],
        ["0s Recovered(0)", "10ms Deferred", "13ms Count(1)", "14ms Heard(1)", "17ms Recovered(1)", "24ms Heard(2)",]
    );
    assert_eq!(words.len(), 2);
    assert_ne!(words[0], words[1], "a restart does not draw the same again");
}
