//! A clerk that writes, waits, defers and dials, and what its host makes of that.

use serde::{Deserialize, Serialize};

use super::*;
use crate::context::OperationResult;
use crate::node::{Change, Face, FileId, Message, Observation, Stored};

const LOG: FileId = FileId(1);
const ME: NodeId = NodeId::server(1);
const PEER: NodeId = NodeId::server(2);

#[derive(Debug)]
struct Clerk {
    kept: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Letter {
    /// Append durably, then answer `Kept`.
    Keep(u64),
    Kept(u64),
    /// Append without a sync.
    Note(u64),
    /// Make all durable.
    Sync,
    /// Come back to it later.
    Later(u64),
    Dial,
    Leave,
}

impl Message for Letter {
    const KINDS: &'static [&'static str] = &["letter"];
    fn kind(&self) -> usize {
        0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum Said {
    Started { incarnation: u32, kept: Vec<u64>, wall_ms: u64 },
    Written(u64),
    Durable(u64),
    Failed(u64),
    Fired(u8),
    Came(u64),
    Line(ConnectionChange),
}

impl Observation for Said {
    const NAMES: &'static [&'static str] = &["said"];
    fn face(&self) -> Face {
        Face::new("said", Change::None)
    }
}

impl Node for Clerk {
    type Message = Letter;
    type Timer = u8;
    type Record = u64;
    type Observation = Said;
    type Operation = u64;
    type Response = u64;
    type Order = u64;
    type Step = u64;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        let wall_ms = ctx.wall().as_nanos() / 1_000_000;
        ctx.observe(Said::Started { incarnation: ctx.incarnation(), kept: self.kept.clone(), wall_ms });
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, letter: Letter) {
        match letter {
            Letter::Keep(number) => {
                let write = ctx.persist(Write::Append(LOG, number));
                ctx.send_after(write, source.node, Letter::Kept(number));
            }
            Letter::Note(number) => {
                ctx.write(Write::Append(LOG, number));
            }
            Letter::Sync => ctx.sync(),
            Letter::Later(number) => ctx.defer(number),
            Letter::Dial => {
                ctx.connect(source.node);
            }
            Letter::Leave => ctx.exit("asked to"),
            Letter::Kept(_) => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: u8) {
        ctx.observe(Said::Fired(timer));
        if timer == 9 {
            ctx.set_timer(9, Duration::ZERO);
        }
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: u64) {
        ctx.observe(Said::Came(step));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        ctx.observe(match completion {
            Completion::Written(id) => Said::Written(id.0),
            Completion::Durable(id) => Said::Durable(id.0),
            Completion::Failed(id, _) => Said::Failed(id.0),
        });
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        ctx.observe(Said::Line(event.change));
    }

    /// The answer is the question.
    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: u64) {
        let id = ctx.invoke(operation);
        ctx.complete(id, OperationResult::Ok(operation));
    }

    /// Sets the timer with this number, which fires after as many milliseconds.
    fn on_order(&mut self, ctx: &mut Context<Self>, order: u64) {
        ctx.set_timer(order as u8, Duration::from_millis(order));
    }
}

fn made(recovered: Recovered<u64>) -> Clerk {
    Clerk { kept: recovered.file(LOG).iter().filter_map(Stored::intact).copied().collect() }
}

fn clerk() -> Host<Clerk> {
    let mut host = Host::new(ME, Seed(1), made);
    host.start();
    assert_eq!(host.take_observed(), [Said::Started { incarnation: 0, kept: Vec::new(), wall_ms: 0 }]);
    host
}

fn restarted(host: &mut Host<Clerk>) -> Vec<u64> {
    host.take();
    host.start();
    match host.take_observed().as_slice() {
        [Said::Started { incarnation: 1, kept, .. }] => kept.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_tied_to_a_write_leaves_when_it_is_durable_and_before_the_node_hears_of_it() {
    let mut host = clerk();
    host.message(PEER, Letter::Keep(7));
    assert_eq!(host.take_sent(), []);
    host.complete_writes();
    assert_eq!(host.take_sent(), [], "the cache is not durable");
    host.sync();
    let effects = host.take();
    let order: Vec<&str> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Write { .. } => "write",
            Effect::Sync => "sync",
            Effect::Send { target: PEER, message: Letter::Kept(7), .. } => "kept",
            Effect::Observe(Said::Durable(1)) => "durable",
            _ => "other",
        })
        .collect();
    assert_eq!(order, ["write", "sync", "kept", "durable"]);
    assert_eq!(host.files().get(LOG), [Stored::Intact(7)]);
}

#[test]
fn a_write_without_a_sync_never_reaches_the_files() {
    let mut host = clerk();
    host.message(PEER, Letter::Note(7));
    host.sync();
    assert_eq!(host.take_observed(), [Said::Written(1)]);
    assert_eq!(host.files().get(LOG), []);
    host.message(PEER, Letter::Note(8));
    host.message(PEER, Letter::Sync);
    host.sync();
    assert_eq!(host.take_observed(), [Said::Written(2), Said::Durable(2)]);
    assert_eq!(host.files().get(LOG), [Stored::Intact(7), Stored::Intact(8)]);
}

#[test]
fn a_crash_of_the_process_keeps_the_cache_and_one_of_the_machine_what_it_is_asked_to() {
    let noted = || {
        let mut host = clerk();
        host.message(PEER, Letter::Keep(1));
        host.sync();
        host.message(PEER, Letter::Note(2));
        host.message(PEER, Letter::Note(3));
        host.complete_writes();
        host.message(PEER, Letter::Note(4));
        host
    };
    let mut host = noted();
    host.crash_process();
    assert!(host.node().is_none());
    assert_eq!(restarted(&mut host), [1, 2, 3], "the write under way is lost");
    for (kept, expected) in [(0, vec![1]), (1, vec![1, 2]), (9, vec![1, 2, 3])] {
        let mut host = noted();
        host.crash_machine(kept);
        assert_eq!(restarted(&mut host), expected);
    }
}

#[test]
fn a_crash_drops_timers_deferred_work_and_tied_effects_and_a_node_that_is_down_hears_nothing() {
    let mut host = clerk();
    host.order(5);
    host.message(PEER, Letter::Later(1));
    host.message(PEER, Letter::Keep(7));
    host.take();
    host.crash_process();
    host.message(PEER, Letter::Keep(8));
    host.sync();
    host.advance(Duration::from_secs(1));
    assert!(!host.step());
    assert!(host.take().is_empty());
    assert_eq!(restarted(&mut host), [] as [u64; 0]);
    host.sync();
    assert_eq!(host.take_sent(), []);
}

#[test]
fn timers_fire_in_the_order_in_which_they_are_due() {
    let mut host = clerk();
    for timer in [30, 10, 20] {
        host.order(timer);
    }
    assert_eq!(host.next_timer().map(|(_, timer)| timer), Some(10));
    host.advance(Duration::from_millis(20));
    assert_eq!(host.take_observed(), [Said::Fired(10), Said::Fired(20)]);
    assert_eq!(host.timers().keys().copied().collect::<Vec<_>>(), [30]);
    host.pass(Duration::from_millis(50));
    assert_eq!(host.take_observed(), [], "time passed, and nothing else");
    host.fire(30);
    assert_eq!(host.take_observed(), [Said::Fired(30)]);
    assert_eq!(host.now(), Instant::ZERO.saturating_add(Duration::from_millis(70)), "it was late");
}

#[test]
#[should_panic(expected = "the timer 30 of s1 is not set: {10: 10ms}")]
fn a_timer_that_is_not_set_cannot_fire() {
    let mut host = clerk();
    host.order(10);
    host.fire(30);
}

#[test]
#[should_panic(expected = "the timer 9 of s1 comes back without end")]
fn a_timer_that_is_set_for_the_same_instant_again_and_again_is_found() {
    let mut host = clerk();
    host.order(9);
    host.advance(Duration::from_millis(9));
}

#[test]
#[should_panic(expected = "s1 runs already")]
fn a_node_that_runs_cannot_start() {
    clerk().start();
}

#[test]
fn deferred_work_comes_back_in_order_and_other_inputs_may_come_between() {
    let mut host = clerk();
    host.message(PEER, Letter::Later(1));
    host.message(PEER, Letter::Later(2));
    assert!(host.step());
    host.message(PEER, Letter::Later(3));
    while host.step() {}
    assert_eq!(host.take_observed(), [Said::Came(1), Said::Came(2), Said::Came(3)]);
}

#[test]
fn a_write_that_fails_takes_what_is_tied_to_it_along() {
    let mut host = clerk();
    host.message(PEER, Letter::Keep(1));
    host.message(PEER, Letter::Keep(2));
    host.fail_write(DiskError::Full);
    assert_eq!(host.take_observed(), [Said::Failed(1)]);
    host.sync();
    assert_eq!(host.take_sent(), [(PEER, Letter::Kept(2))]);
    assert_eq!(host.files().get(LOG), [Stored::Intact(2)]);
}

#[test]
fn a_damaged_disk_is_given_back_damaged() {
    let mut host = clerk();
    for number in [1, 2] {
        host.message(PEER, Letter::Keep(number));
    }
    host.sync();
    host.files_mut().get_mut(LOG).expect("there is a log")[0] = Stored::Corrupt;
    host.crash_machine(0);
    assert_eq!(host.recovered().file(LOG), [Stored::Corrupt, Stored::Intact(2)]);
    assert_eq!(restarted(&mut host), [2]);
}

#[test]
fn connections_exits_and_the_wall_clock_are_the_callers() {
    let mut host = clerk();
    host.message(PEER, Letter::Dial);
    let Some(Effect::Connect { connection, target: PEER }) = host.take().pop() else { panic!("it dials") };
    host.connection(connection, PEER, ConnectionChange::Refused);
    assert_eq!(host.take_observed(), [Said::Line(ConnectionChange::Refused)]);
    host.message(PEER, Letter::Leave);
    assert!(host.node().is_none());
    assert!(matches!(host.take().as_slice(), [Effect::Exit(reason)] if *reason == "asked to"));
    host.pass(Duration::from_millis(30));
    host.step_wall(Offset(-10_000_000));
    host.start();
    assert_eq!(host.take_observed(), [Said::Started { incarnation: 1, kept: Vec::new(), wall_ms: 20 }]);
    assert_eq!(host.now(), Instant::ZERO.saturating_add(Duration::from_millis(30)));
}

#[test]
fn an_operation_is_invoked_and_completed_in_order() {
    let mut host = clerk();
    host.operation(7);
    let effects = host.take();
    let [Effect::Invoke { id, operation: 7 }, Effect::Complete { id: same, result: OperationResult::Ok(7) }] =
        effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(id, same);
}
