//! Goal: a history that no order explains ends the run at the operation that completes it, in a system whose servers
//! may be asked for old values; and one that an order explains does not.
//!
//! The first server has the store. It sends each change to the second one, which may answer reads as well: its values
//! may be old.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::checker::model::{Cell, CellAction, KeyValue, Keyed, PerKey, Register, RegisterAction};
use splitbrain_kernel::checker::monitor::{LINEARIZABLE, Linearizable, Reading};
use splitbrain_kernel::history::HistoryEntryRef;
use splitbrain_kernel::plan::{Moment, Plan, PlannedOperation, Timing};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
use splitbrain_kernel::world::World;
use splitbrain_toy::NoOptions;

use crate::stage::{at, c, cut, ms, options, planned, s};

/// What a client asks of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Ask {
    Get(u8),
    Put(u8, u64),
    /// The same, and the server drops it.
    Lose(u8, u64),
    /// A list is appended to, under the same keys.
    Append(u8, u64),
    List(u8),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Note {
    Ask(OperationId, Ask),
    Answer(OperationId, Vec<u64>),
    Copy(BTreeMap<u8, Vec<u64>>),
}

impl Message for Note {
    const KINDS: &'static [&'static str] = &["ask", "answer", "copy"];
    fn kind(&self) -> usize {
        match self {
            Self::Ask(..) => 0,
            Self::Answer(..) => 1,
            Self::Copy(_) => 2,
        }
    }
}

/// Observers hear nothing of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
enum Quiet {}

impl Observation for Quiet {
    const NAMES: &'static [&'static str] = &[];
    fn face(&self) -> Face {
        match *self {}
    }
}

/// A server or a client.
#[derive(Clone, Debug)]
struct Place {
    reads_from: NodeId,
    values: BTreeMap<u8, Vec<u64>>,
}

impl Node for Place {
    type Message = Note;
    type Timer = Never;
    type Record = u64;
    type Observation = Quiet;
    type Operation = Ask;
    type Response = Vec<u64>;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, _: &mut Context<Self>) {}

    fn on_timer(&mut self, _: &mut Context<Self>, timer: Never) {
        match timer {}
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, ask: Ask) {
        let id = ctx.invoke(ask.clone());
        let server = if matches!(ask, Ask::Get(_) | Ask::List(_)) { self.reads_from } else { s(1) };
        ctx.send(server, Note::Ask(id, ask));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, note: Note) {
        match note {
            Note::Answer(id, value) => ctx.complete(id, OperationResult::Ok(value)),
            Note::Copy(values) => self.values = values,
            Note::Ask(_, Ask::Lose(..)) => {}
            Note::Ask(id, ask) => {
                let key = match ask {
                    Ask::Get(key) | Ask::List(key) => key,
                    Ask::Put(key, value) | Ask::Lose(key, value) => {
                        self.values.insert(key, vec![value]);
                        key
                    }
                    Ask::Append(key, value) => {
                        self.values.entry(key).or_default().push(value);
                        key
                    }
                };
                ctx.send(s(2), Note::Copy(self.values.clone()));
                ctx.send(source.node, Note::Answer(id, self.values.get(&key).cloned().unwrap_or_default()));
            }
        }
    }
}

/// Each key is a register: lists are none of it.
#[derive(Clone, Debug)]
struct Registers;

impl Reading<Place> for Registers {
    type Model = PerKey<u8, Register<u64>>;

    fn model(&self) -> Self::Model {
        PerKey::new(Register { initial: 0 })
    }

    fn action(&self, _: NodeId, ask: &Ask, answer: Option<&Vec<u64>>) -> Option<Keyed<u8, RegisterAction<u64>>> {
        match (ask, answer) {
            (Ask::Get(key), Some(values)) => {
                Some(Keyed { key: *key, action: RegisterAction::Read(values.first().copied().unwrap_or(0)) })
            }
            (Ask::Put(key, value) | Ask::Lose(key, value), _) => {
                Some(Keyed { key: *key, action: RegisterAction::Write(*value) })
            }
            (Ask::Get(_), None) | (Ask::Append(..) | Ask::List(_), _) => None,
        }
    }
}

/// Each key is a list.
#[derive(Clone, Debug)]
struct Lists;

impl Reading<Place> for Lists {
    type Model = KeyValue<u8, Vec<u64>>;

    fn model(&self) -> Self::Model {
        PerKey::new(Cell { initial: Vec::new() })
    }

    fn action(&self, _: NodeId, ask: &Ask, answer: Option<&Vec<u64>>) -> Option<Keyed<u8, CellAction<Vec<u64>>>> {
        let (key, action) = match (ask, answer) {
            (Ask::List(key), Some(values)) => (key, CellAction::Register(RegisterAction::Read(values.clone()))),
            (Ask::Append(key, value), _) => (key, CellAction::Append(vec![*value])),
            _ => return None,
        };
        Some(Keyed { key: *key, action })
    }
}

/// Both objects are watched, each as an invariant of its own.
#[derive(Clone, Debug)]
struct Watched {
    registers: Linearizable<Place, Registers>,
    lists: Linearizable<Place, Lists>,
}

impl Invariants<Place> for Watched {
    const LIST: &'static [InvariantInfo] =
        &[LINEARIZABLE, InvariantInfo { name: "lists_linearizable", ..LINEARIZABLE }];

    fn on_history(&mut self, view: impl View<Place>, entry: HistoryEntryRef<'_, Place>, findings: &mut Findings) {
        self.registers.watch(0, &view, entry, findings);
        self.lists.watch(1, &view, entry, findings);
    }

    fn on_end(&mut self, view: impl View<Place>, findings: &mut Findings) {
        self.registers.end(0, &view, findings);
        self.lists.end(1, &view, findings);
    }
}

#[derive(Clone, Debug)]
struct Shop {
    reads_from: NodeId,
}

impl System for Shop {
    const NAME: &'static str = "shop";
    const DOC: &'static str = "A store and its copy.";
    type Options = NoOptions;
    type Node = Place;
    type Invariants = Watched;
    type Workload = Idle;

    fn new(_: Setup<NoOptions>) -> Result<Self, OptionsError> {
        Ok(Self { reads_from: s(1) })
    }
    fn node(&self, _: NodeId, _: Recovered<u64>) -> Place {
        Place { reads_from: self.reads_from, values: BTreeMap::new() }
    }
    fn invariants(&self) -> Watched {
        Watched { registers: Linearizable::new(Registers), lists: Linearizable::new(Lists) }
    }
    fn core(&self, _: impl View<Place>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(1).collect()
    }
}

/// Who asks what, at which millisecond. A message takes one; copies are cut off, so the second server has old values.
fn play(reads_from: NodeId, asks: &[(u64, u16, Ask)]) -> RunReport<Ask, Never> {
    let cluster = Cluster::plain(2, 2);
    let mut plan = Plan { timing: Timing::Time, ..Plan::empty() };
    for (order, (millis, client, ask)) in (0..).zip(asks) {
        let start = Moment { at: at(*millis), after_events: 0, order };
        let (node, operation) = (c(*client), ask.clone());
        plan.operations.push(PlannedOperation { start, node, operation, after_completion: false });
    }
    plan.faults.push(planned(at(15), None, cut([(s(1), s(2))])));
    let run = RunOptions { duration: ms(100), replay: Some(plan), ..options(cluster) };
    World::new(&Shop { reads_from }, &run, Seed(1)).run()
}

/// The message of the violation, and the millisecond at which the run ended.
fn violated(reads_from: NodeId, asks: &[(u64, u16, Ask)]) -> (String, u64) {
    match play(reads_from, asks).outcome {
        Outcome::Violated(violation) => (violation.message, violation.at.as_nanos() / 1_000_000),
        other => panic!("{other:?}"),
    }
}

/// The first write reaches the copy, the second one does not.
fn two_writes() -> Vec<(u64, u16, Ask)> {
    let reads = [(30, 2, Ask::Get(1)), (40, 2, Ask::Get(1))];
    [(10, 1, Ask::Put(1, 5)), (20, 1, Ask::Put(1, 6))].into_iter().chain(reads).collect()
}

#[test]
fn a_store_that_answers_from_one_place_passes() {
    let report = play(s(1), &two_writes());
    assert_eq!(report.outcome, Outcome::Passed);
    assert_eq!(report.evaluated, [4, 0], "once for each answer; nothing was asked of a list");
}

#[test]
fn a_stale_read_ends_the_run_at_its_answer() {
    let (message, millis) = violated(s(2), &two_writes());
    assert_eq!(millis, 32, "not at the second stale read");
    assert_eq!(
        message,
        "stale read (an answer shows what had been replaced before the question was asked): \
         c1 asks put 1, 5 at 0.010000s, is answered [5] at 0.012000s; \
         c1 asks put 1, 6 at 0.020000s, is answered [6] at 0.022000s; \
         c2 asks get 1 at 0.030000s, is answered [5] at 0.032000s"
    );
}

#[test]
fn keys_and_objects_are_judged_apart() {
    let other = [(10, 1, Ask::Put(1, 5)), (20, 1, Ask::Put(1, 6)), (30, 2, Ask::Get(2)), (40, 2, Ask::List(2))];
    assert_eq!(play(s(2), &other).outcome, Outcome::Passed);
}

#[test]
fn a_lost_append_ends_the_run_too() {
    let appends = [(10, 1, Ask::Append(3, 1)), (20, 1, Ask::Append(3, 2)), (30, 2, Ask::List(3))];
    assert_eq!(play(s(1), &appends).outcome, Outcome::Passed);
    let (message, millis) = violated(s(2), &appends);
    assert_eq!(millis, 32);
    assert!(message.starts_with("lost update ("), "{message}");
}

#[test]
fn an_operation_without_an_answer_may_have_happened_or_not() {
    for reads_from in [s(1), s(2)] {
        let asks = [(10, 1, Ask::Put(1, 5)), (20, 1, Ask::Lose(1, 6)), (30, 2, Ask::Get(1))];
        assert_eq!(play(reads_from, &asks).outcome, Outcome::Passed);
    }
}

#[test]
fn values_that_are_written_twice_are_judged_at_the_end() {
    let twice = |last| [(10, 1, Ask::Put(1, 5)), (20, 1, Ask::Put(1, 6)), (30, 1, Ask::Put(1, 5)), last];
    assert_eq!(play(s(1), &twice((40, 2, Ask::Get(1)))).outcome, Outcome::Passed);
    let stale = [(10, 1, Ask::Put(1, 5)), (12, 1, Ask::Put(1, 5)), (20, 1, Ask::Put(1, 6)), (30, 2, Ask::Get(1))];
    let (message, millis) = violated(s(2), &stale);
    assert_eq!(millis, 100, "at the end of the run");
    assert!(message.starts_with("stale read ("), "{message}");
}
