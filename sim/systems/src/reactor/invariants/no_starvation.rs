//! No starvation (epoll(7), "Starvation (edge-triggered)"): what is in a ready list, or in the hand of a thread, gets
//! its turn before the threads that could give it one have made this many system calls.
//!
//! The bounds follow from the options. The tests show servers that reach the bound on the ready list, with two items
//! and `events_max = 16`; for other numbers, and for events in hand, they show that it grows as it should, not that it
//! is reached. They count with the most connections that there ever were, so an early crowd loosens them.
//! A *turn* is what a thread does for one event. It has at most
//!
//! | of | calls |
//! | --- | --- |
//! | a connection | one for the urgent byte, the reads and writes, and one to arm it or to close it |
//! | the listening socket | `accept` and `epoll_ctl`, for each connection; one to arm it again under one-shot |
//! | the signals | one read; one to arm them again under one-shot |
//!
//! If the table may be full, a turn of the listening socket has evictions too: one for each connection that it accepts,
//! and one for each that was not evicted before since a thread was at work on it.
//!
//! Of `items` descriptors of an instance, all but the one that waits can have a turn before it:
//!
//! - *One-shot*: each of them once, since what is armed again goes to the tail of the list, and the waits between, each
//!   of which returns `events_max`.
//! - *Level-triggered*: those that the thread has in hand once, and those before it in the list once.
//! - *Edge-triggered*: a thread does not wait for what it has put off, so each of them may have a turn in every round,
//!   and a round passes for each `events_max` descriptors.
//!
//! What a thread has put off comes after the events of its next wait, and after what was put off before.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::linux::epoll::{Epoll, Item, ItemKey};
use crate::reactor::options::{Mode, ReactorOptions, Trigger};
use crate::reactor::server::Server;
use crate::reactor::worker::At;

use super::facts;
use super::index::NO_STARVATION;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_starvation",
    doc: "A descriptor in a ready list, or an event in hand, gets its turn within a bounded number of calls.",
    source: "epoll(7), \"Starvation (edge-triggered)\"; mio #45",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// What an epoll instance had to watch, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    listens: bool,
    has_signals: bool,
    /// The most connections at a time.
    connections: u64,
    /// The most connections of the whole server.
    of_server: u64,
}

/// How many calls things have waited for, in one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages {
    /// In ready lists, by instance and description: calls of threads of that instance.
    queued: BTreeMap<(DescriptionId, DescriptionId), u64>,
    /// In hand, by thread and description: calls of that thread.
    in_hand: BTreeMap<(u16, DescriptionId), u64>,
    loads: BTreeMap<DescriptionId, Load>,
    /// What was in the ready list of an instance before the call that is made.
    queued_before: Vec<DescriptionId>,
}

/// The descriptions that a call was for: that of the event, and of a connection that it has registered.
pub(super) type Handled = [Option<DescriptionId>; 2];

/// What a thread is about to make a call for.
pub(super) fn handled(server: &Server, thread: u16) -> Handled {
    let registered = match server.workers()[usize::from(thread)].at {
        At::Register(fd, _) => server.linux().description(fd).ok(),
        _ => None,
    };
    [facts::handled(server, thread), registered]
}

impl Ages {
    /// A thread is about to go on: what its instance has to watch is noted, as the call may end some of it, and what is
    /// in the ready list, as the step may bring something there.
    pub(super) fn before_call(&mut self, server: &Server, thread: u16) {
        let epfd = server.workers()[usize::from(thread)].epoll;
        self.queued_before.clear();
        if let (Some(epoll), Ok(id)) = (server.linux().epoll(epfd), server.linux().description(epfd)) {
            let queued = epoll.items().filter(|(_, item)| item.is_queued);
            self.queued_before.extend(queued.map(|(key, _)| key.description));
            self.loads.entry(id).or_default().note(server, epoll);
        }
    }

    /// A thread has made a system call, for what it had `handled`.
    pub(super) fn on_call(
        &mut self,
        node: NodeId,
        server: &Server,
        options: &ReactorOptions,
        (thread, handled): (u16, Handled),
        findings: &mut Findings,
    ) {
        let worker = &server.workers()[usize::from(thread)];
        let (Some(epoll), Ok(id)) = (server.linux().epoll(worker.epoll), server.linux().description(worker.epoll))
        else {
            return;
        };
        let load = self.loads.entry(id).or_default();
        load.note(server, epoll);
        let bounds = Bounds::of(options, *load);
        let queued = self.age_queued((id, epoll), worker.epoll, server, handled);
        judge(node, Place::Queue, queued, bounds.queued, findings);
        let in_hand = self.age_in_hand(thread, epoll, server, handled);
        judge(node, Place::Hand, in_hand, bounds.in_hand, findings);
    }

    /// Returns the greatest age.
    fn age_queued(&mut self, (id, epoll): (DescriptionId, &Epoll), epfd: Fd, server: &Server, handled: Handled) -> u64 {
        let threads = (0..server.workers().len() as u16).filter(|it| server.workers()[usize::from(*it)].epoll == epfd);
        let in_hand: Vec<DescriptionId> = threads.flat_map(|thread| facts::in_hand(server, thread)).collect();
        let waits = |(key, item): &(ItemKey, &Item)| {
            let is_ready = item.is_queued && item.events.has(server.linux().readiness(key.description));
            is_ready && !in_hand.contains(&key.description)
        };
        let waiting: Vec<DescriptionId> = epoll.items().filter(waits).map(|(key, _)| key.description).collect();
        self.queued.retain(|(instance, item), _| *instance != id || waiting.contains(item));
        // The call may have made it wait, and so may a signal handler that ran when it returned.
        let before = &self.queued_before;
        let begins = |item| handled.contains(&Some(item)) || !before.contains(&item);
        let ages = waiting.into_iter().map(|item| age(&mut self.queued, (id, item), begins(item)));
        ages.max().unwrap_or(0)
    }

    /// Returns the greatest age.
    /// An event of a connection that is closed waits for nothing: it is dropped without a call.
    fn age_in_hand(&mut self, thread: u16, epoll: &Epoll, server: &Server, handled: Handled) -> u64 {
        let worker = &server.workers()[usize::from(thread)];
        let is_open = |item: DescriptionId| epoll.items_of(item).next().is_some();
        let is_there = |item: DescriptionId| is_open(item) && worker.in_hand().any(|task| task.item == item);
        self.in_hand.retain(|(of, item), _| *of != thread || is_there(*item));
        // A wait puts events in hand, and makes none of them wait; the end of a turn may put the rest of it off.
        let is_from_wait = handled[0].is_none();
        let ages = worker.in_hand().filter(|task| is_open(task.item)).map(|task| {
            let begins = is_from_wait || handled[0] == Some(task.item);
            age(&mut self.in_hand, (thread, task.item), begins)
        });
        ages.max().unwrap_or(0)
    }
}

/// One call more; or none, if the call itself has made it wait.
fn age<K: Ord>(ages: &mut BTreeMap<K, u64>, key: K, begins: bool) -> u64 {
    *ages.entry(key).and_modify(|age| *age += 1).or_insert(u64::from(!begins))
}

impl Load {
    fn note(&mut self, server: &Server, epoll: &Epoll) {
        let watches = |fd| server.linux().description(fd).is_ok_and(|id| epoll.items_of(id).next().is_some());
        self.listens |= watches(server.listener());
        self.has_signals |= watches(server.signal_source());
        let own = u64::from(self.listens) + u64::from(self.has_signals);
        self.of_server = self.of_server.max(server.connections().len() as u64);
        self.connections = self.connections.max((epoll.item_count() as u64).saturating_sub(own));
    }

    const fn items(self) -> u64 {
        self.listens as u64 + self.has_signals as u64 + self.connections
    }

    /// The calls of the `count` longest turns.
    fn longest(self, options: &ReactorOptions, count: u64) -> u64 {
        let turns = Turns::of(options, self.of_server);
        let (listens, signals) = (u64::from(self.listens), u64::from(self.has_signals));
        let mut kinds = [(turns.connection, self.connections), (turns.listener, listens), (turns.signals, signals)];
        kinds.sort_unstable_by(|one, other| other.cmp(one));
        let mut left = count;
        let calls = kinds.into_iter().map(|(calls, of)| {
            let taken = of.min(left);
            left -= taken;
            taken * calls
        });
        calls.sum()
    }
}

/// The most calls of one turn.
struct Turns {
    connection: u64,
    listener: u64,
    signals: u64,
}

impl Turns {
    fn of(options: &ReactorOptions, connections: u64) -> Self {
        let most = options.calls_per_turn;
        let arms = u64::from(options.mode == Mode::Shared);
        // A turn that its reads have used up still writes once; level-triggered it reads once.
        let (moves, accepts) = match options.trigger {
            Trigger::Edge => (most + 1, most),
            Trigger::Level => (most.max(2), 1),
        };
        let evictions = if connections < options.connections_max { 0 } else { accepts + options.workers - 1 };
        Self { connection: 1 + moves + 1, listener: 2 * accepts + evictions + arms, signals: 1 + arms }
    }
}

/// The most calls that something may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    queued: u64,
    in_hand: u64,
}

impl Bounds {
    fn of(options: &ReactorOptions, load: Load) -> Self {
        let (most, others) = (options.events_max, load.items().saturating_sub(1));
        let turns = |count| load.longest(options, count);
        // The waits that return others.
        let waits = others / most;
        let batch = turns(most.min(others));
        match (options.mode, options.trigger) {
            (Mode::Shared, _) => Self { queued: turns(others) + waits, in_hand: turns((most - 1).min(others)) },
            (_, Trigger::Level) => Self {
                queued: batch + waits + turns((waits * most).min(others)),
                in_hand: turns((most - 1).min(others)),
            },
            (_, Trigger::Edge) => {
                Self { queued: turns(others) + waits * (1 + turns(others)), in_hand: turns(others) + 1 + batch }
            }
        }
    }
}

/// Where something waits.
#[derive(Clone, Copy, Debug)]
enum Place {
    Queue,
    Hand,
}

fn judge(node: NodeId, place: Place, oldest: u64, bound: u64, findings: &mut Findings) {
    if oldest == 0 {
        return;
    }
    findings.check(NO_STARVATION, Some(node), oldest <= bound, || {
        let place = match place {
            Place::Queue => "a descriptor in a ready list",
            Place::Hand => "an event in the hand of a thread",
        };
        format!("{place} of {node} has waited for {oldest} calls, and {bound} are enough for all others")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::linux::thread::Thread;
    use crate::reactor::message::{Order, Request, Wire};
    use crate::reactor::node::ReactorTimer;
    use crate::reactor::options::Signals;
    use crate::reactor::presets;
    use crate::reactor::protocol;
    use crate::reactor::tests::Machine;

    const fn load(connections: u64) -> Load {
        Load { listens: true, has_signals: true, connections, of_server: connections }
    }

    #[test]
    fn a_turn_has_its_calls() {
        let turns = |options: ReactorOptions| {
            let Turns { connection, listener, signals } = Turns::of(&options, 1);
            [connection, listener, signals]
        };
        assert_eq!(turns(presets::one_loop()), [10, 2, 1]);
        assert_eq!(turns(presets::one_loop_edge()), [11, 16, 1]);
        assert_eq!(turns(presets::shared()), [10, 3, 2]);
        assert_eq!(turns(ReactorOptions { calls_per_turn: 1, ..presets::shared_edge() }), [4, 3, 2]);
        let full = |options| turns(ReactorOptions { connections_max: 1, ..options });
        assert_eq!([full(presets::one_loop())[1], full(presets::one_loop_edge())[1]], [3, 24]);
        assert_eq!(full(presets::shared())[1], 3 + 4, "three threads may have kept a connection each");
    }

    #[test]
    fn the_bounds_grow_with_items_and_as_waits_return_fewer_events() {
        let bounds = |options: ReactorOptions, connections| {
            let Bounds { queued, in_hand } = Bounds::of(&options, load(connections));
            (queued, in_hand)
        };
        for preset in [presets::one_loop(), presets::one_loop_edge(), presets::shared()] {
            let few = ReactorOptions { events_max: 1, ..preset.clone() };
            assert!(bounds(preset.clone(), 3).0 > bounds(preset.clone(), 2).0);
            assert!(bounds(few, 3).0 > bounds(preset, 3).0);
        }
        assert_eq!(bounds(presets::one_loop(), 1), (10 + 2, 10 + 2));
        assert_eq!(bounds(presets::one_loop_edge(), 1), (16 + 11, 16 + 11 + 1 + 16 + 11));
        let one = ReactorOptions { events_max: 1, ..presets::one_loop() };
        assert_eq!(bounds(one, 1), (10 + 2 + 10 + 2, 0), "one in hand, two waits, two before it in the list");
    }

    /// One call for each turn, where that is possible, and each of these turns as long as it can be: a connection with
    /// an answer that waits for room, an urgent byte and its end; and a connection that is to be accepted.
    fn busy(options: &ReactorOptions) -> Machine {
        let mut machine = Machine::new(options.clone());
        machine.connect(0);
        machine.run();
        for byte in protocol::request(1, Request::Get { size: 16 }) {
            machine.receive(0, Wire::Data { bytes: vec![byte], is_urgent: false });
            machine.run();
        }
        assert_eq!(machine.answered(0).len(), 16, "the rest waits for room");
        machine.receive(0, Wire::Taken { count: 16 });
        machine.receive(0, Wire::Data { bytes: vec![b'!'], is_urgent: true });
        machine.receive(0, Wire::Fin);
        machine.connect(1);
        machine
    }

    /// This many calls of one thread after the signal that comes behind its wait. Returns the greatest age in the ready
    /// list, with its bound.
    fn waited(options: &ReactorOptions, calls: usize) -> (u64, u64, Option<usize>) {
        let mut machine = busy(options);
        let Some(ReactorTimer::Run(Thread(thread))) = machine.next() else { panic!("a thread wakes") };
        let (mut ages, mut findings, mut oldest) = (Ages::default(), all_on(), 0);
        // Returns whether the thread has made a call where it was.
        let mut call = |machine: &mut Machine| {
            ages.before_call(machine.server(), thread);
            let (handled, before) = (handled(machine.server(), thread), machine.server().linux().call_count());
            machine.fire(ReactorTimer::Run(Thread(thread)));
            let has_called = machine.server().linux().call_count() > before;
            if has_called {
                ages.on_call(S1, machine.server(), options, (thread, handled), &mut findings);
                oldest = ages.queued.values().copied().max().unwrap_or(0).max(oldest);
            }
            has_called
        };
        call(&mut machine);
        machine.order(Order::Signal);
        let mut made = 0;
        while made < calls {
            made += usize::from(call(&mut machine));
        }
        let load = ages.loads.values().copied().max_by_key(|load| load.items()).expect("an instance was seen");
        (oldest, Bounds::of(options, load).queued, broken(&findings))
    }

    /// The signals wait for exactly as long as the bound says, in each mode, and then they are returned.
    #[test]
    fn a_correct_server_reaches_the_bound_and_does_not_pass_it() {
        for (preset, bound) in [
            (presets::one_loop(), 4 + 2),
            (presets::one_loop_edge(), 4 + 2),
            (presets::shared(), 4 + 3),
            (presets::shared_edge(), 4 + 3),
        ] {
            let signals = Signals::SignalFd;
            let options = ReactorOptions { calls_per_turn: 1, socket_buffer: 16, signals, ..preset };
            let calls = usize::try_from(bound).expect("it is small");
            assert_eq!(waited(&options, calls), (bound, bound, None), "{options:?}");
            assert_eq!(waited(&options, calls + 1).0, bound, "the next call is the wait that returns them");
        }
    }

    /// The listening socket and a connection are ready at once, and the new connection takes the place of the other
    /// one.
    #[test]
    fn an_event_of_a_connection_that_was_evicted_does_not_wait() {
        let options = ReactorOptions { connections_max: 1, ..presets::one_loop() };
        let mut machine = Machine::new(options.clone());
        machine.connect(0);
        machine.run();
        machine.connect(1);
        machine.receive(0, Wire::Data { bytes: vec![b'G'], is_urgent: false });
        let (mut ages, mut findings) = (Ages::default(), all_on());
        let mut waiting = Vec::new();
        for _ in 0..3 {
            ages.before_call(machine.server(), 0);
            let handled = handled(machine.server(), 0);
            machine.fire(ReactorTimer::Run(Thread(0)));
            ages.on_call(S1, machine.server(), &options, (0, handled), &mut findings);
            waiting.push((machine.server().workers()[0].batch.len(), ages.in_hand.len()));
        }
        assert_eq!(waiting, [(2, 2), (1, 1), (1, 0)], "epoll_wait, accept, and the eviction");
        assert_eq!(broken(&findings), None);
    }

    /// A signal meets a thread that is about to return the listening socket. Its handler makes the self-pipe ready when
    /// the wait has returned, so that the wait is none of the calls that the self-pipe waits for.
    #[test]
    fn what_a_handler_makes_ready_waits_from_then_on() {
        let options = presets::one_loop();
        let mut machine = Machine::new(options.clone());
        machine.connect(0);
        machine.order(Order::Signal);
        assert!(machine.server().workers()[0].at.is_signalled(), "it was woken by the connection");
        let (mut ages, mut findings, mut waited) = (Ages::default(), all_on(), Vec::new());
        for _ in 0..3 {
            ages.before_call(machine.server(), 0);
            let handled = handled(machine.server(), 0);
            machine.fire(ReactorTimer::Run(Thread(0)));
            ages.on_call(S1, machine.server(), &options, (0, handled), &mut findings);
            waited.push(ages.queued.values().copied().max());
        }
        assert_eq!((waited, broken(&findings)), (vec![Some(0), Some(1), Some(2)], None), "accept and epoll_ctl");
    }

    #[test]
    fn what_waits_within_the_bound_is_right_and_what_waits_for_one_call_more_starves() {
        for place in [Place::Queue, Place::Hand] {
            let judged = |oldest| {
                let mut findings = all_on();
                judge(S1, place, oldest, 100, &mut findings);
                (broken(&findings), findings.evaluated()[NO_STARVATION])
            };
            assert_eq!(judged(0), (None, 0));
            assert_eq!(judged(100), (None, 1));
            assert_eq!(judged(101), (Some(NO_STARVATION), 1));
        }
    }
}
