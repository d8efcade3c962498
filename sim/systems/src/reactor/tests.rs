//! One server by hand: bytes go in over connections, its threads run until they sleep, bytes come out.

use splitbrain_kernel::context::Effect;
use splitbrain_kernel::host::Host;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::{ConnectionChange, ConnectionId, Source};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::linux::Wake;
use super::linux::thread::Thread;
use super::message::{Order, Request, Wire};
use super::node::{ReactorNode, ReactorTimer};
use super::observation::ReactorObservation;
use super::options::{Mode, ReactorOptions, Signals};
use super::presets;
use super::protocol;
use super::server::Server;
use super::system::Reactor;
use super::worker::At;

const S1: NodeId = NodeId::server(1);
const C1: NodeId = NodeId::client(1);

pub(super) struct Machine {
    host: Host<ReactorNode>,
    sent: Vec<(u32, Wire)>,
    observed: Vec<ReactorObservation>,
}

fn every_preset() -> impl Iterator<Item = ReactorOptions> {
    presets::PRESETS.iter().map(|preset| (preset.make)())
}

impl Machine {
    pub(super) fn new(options: ReactorOptions) -> Self {
        let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(1) };
        let setup = Setup::new(Cluster::plain(1, 1), PerServer::same(options), bounds);
        let system = Reactor::new(setup).expect("the options stand together");
        let mut machine = Self { host: Host::of(&system, S1, Seed(1)), sent: Vec::new(), observed: Vec::new() };
        machine.host.start();
        machine.run();
        machine
    }

    pub(super) fn server(&self) -> &Server {
        self.host.node().and_then(ReactorNode::server).expect("the host runs a server")
    }

    /// Threads make calls until all of them sleep.
    pub(super) fn run(&mut self) {
        for _ in 0..10_000 {
            self.note();
            let Some(timer) = self.next() else { return };
            self.host.fire(timer);
        }
        panic!("the threads never sleep");
    }

    /// The thread that makes the next call; `None` if all of them sleep.
    pub(super) fn next(&self) -> Option<ReactorTimer> {
        let calls = self.host.timers().iter().filter(|(timer, _)| matches!(timer, ReactorTimer::Run(_)));
        calls.min_by_key(|(_, at)| **at).map(|(timer, _)| *timer)
    }

    /// The threads that can make a call, in order.
    pub(super) fn runnable(&self) -> Vec<ReactorTimer> {
        self.host.timers().keys().filter(|timer| matches!(timer, ReactorTimer::Run(_))).copied().collect()
    }

    pub(super) fn fire(&mut self, timer: ReactorTimer) {
        self.host.fire(timer);
        self.note();
    }

    pub(super) fn order(&mut self, order: Order) {
        self.host.order(order);
        self.note();
    }

    fn note(&mut self) {
        for effect in self.host.take() {
            match effect {
                Effect::Send { connection: Some(connection), message, .. } => {
                    self.sent.push((connection.number, message));
                }
                Effect::Observe(observation) => self.observed.push(observation),
                _ => {}
            }
        }
    }

    pub(super) fn connect(&mut self, number: u32) {
        self.host.connection(ConnectionId { opener: C1, number }, C1, ConnectionChange::Accepted);
    }

    pub(super) fn receive(&mut self, number: u32, wire: Wire) {
        let connection = Some(ConnectionId { opener: C1, number });
        self.host.message_from(Source { node: C1, connection }, wire);
    }

    fn send(&mut self, number: u32, bytes: &[u8]) {
        self.receive(number, Wire::Data { bytes: bytes.to_vec(), is_urgent: false });
    }

    /// All bytes that were sent over a connection since the last look.
    pub(super) fn answered(&mut self, number: u32) -> Vec<u8> {
        let data = self.sent.iter().filter(|(of, _)| *of == number);
        let bytes = data.flat_map(|(_, wire)| if let Wire::Data { bytes, .. } = wire { &bytes[..] } else { &[] });
        let bytes = bytes.copied().collect();
        self.sent.retain(|(of, _)| *of != number);
        bytes
    }
}

const GET: Request = Request::Get { size: 20 };
const POST: Request = Request::Post { size: 30 };

#[test]
fn requests_over_one_connection_are_answered_in_order_in_every_mode() {
    for options in every_preset() {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.send(0, &[protocol::request(1, POST), protocol::request(2, GET)].concat());
        machine.run();
        let expected = [protocol::answer(1, POST).concat(), protocol::answer(2, GET).concat()].concat();
        assert_eq!(machine.answered(0), expected, "{:?}", machine.server().options());
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    for options in every_preset() {
        let mut machine = Machine::new(options);
        machine.connect(0);
        for byte in protocol::request(1, POST) {
            machine.send(0, &[byte]);
            machine.run();
        }
        assert_eq!(machine.answered(0), protocol::answer(1, POST).concat(), "{:?}", machine.server().options());
    }
}

#[test]
fn an_answer_waits_for_room_and_goes_on_where_it_stopped() {
    for options in every_preset() {
        let mut machine = Machine::new(ReactorOptions { socket_buffer: 16, ..options });
        machine.connect(0);
        let mut heard = Vec::new();
        // A request longer than the window is sent as the server reads.
        for byte in protocol::request(1, GET) {
            machine.send(0, &[byte]);
            machine.run();
        }
        for _ in 0..20 {
            let bytes = machine.answered(0);
            assert!(bytes.len() <= 16, "no more than the window");
            machine.receive(0, Wire::Taken { count: bytes.len() as u32 });
            heard.extend(bytes);
            machine.run();
        }
        assert_eq!(heard, protocol::answer(1, GET).concat(), "{:?}", machine.server().options());
    }
}

#[test]
fn a_client_that_will_send_no_more_gets_its_answer_and_then_the_end() {
    for options in every_preset() {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.send(0, &protocol::request(1, GET));
        machine.receive(0, Wire::Fin);
        machine.run();
        assert_eq!(machine.sent.last(), Some(&(0, Wire::Fin)));
        assert_eq!(machine.answered(0), protocol::answer(1, GET).concat());
        assert!(machine.server().connections().is_empty());
    }
}

#[test]
fn a_socket_that_was_closed_takes_acknowledgements_and_answers_data_by_a_reset() {
    for options in every_preset() {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.send(0, &protocol::request(1, GET));
        machine.receive(0, Wire::Fin);
        machine.run();
        let bytes = machine.answered(0);
        assert_eq!(bytes, protocol::answer(1, GET).concat());
        machine.receive(0, Wire::Taken { count: bytes.len() as u32 });
        machine.run();
        assert!(machine.sent.is_empty(), "{:?}", machine.server().options());
        machine.send(0, b"GET");
        machine.run();
        assert_eq!(machine.sent, [(0, Wire::Reset)]);
    }
}

#[test]
fn a_connection_that_is_reset_is_closed_and_its_number_given_out_again() {
    for options in every_preset() {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.run();
        let fd = *machine.server().connections().keys().next().expect("it was accepted");
        machine.receive(0, Wire::Reset);
        machine.run();
        assert!(machine.server().connections().is_empty(), "{:?}", machine.server().options());
        machine.connect(1);
        machine.run();
        assert_eq!(machine.server().connections().keys().collect::<Vec<_>>(), [&fd]);
        assert_eq!(machine.server().counters().numbers_reused, 1);
    }
}

#[test]
fn many_connections_at_once_are_all_accepted() {
    for options in every_preset() {
        let mut machine = Machine::new(ReactorOptions { events_max: 1, ..options });
        (0..9).for_each(|number| machine.connect(number));
        machine.run();
        assert_eq!(machine.server().connections().len(), 9, "{:?}", machine.server().options());
        for number in 9..40 {
            machine.connect(number);
        }
        machine.run();
        let refused = machine.observed.iter().filter(|it| **it == ReactorObservation::QueueFull).count();
        assert_eq!(machine.server().connections().len() + refused, 40);
        assert!(refused > 0, "the queue holds nine");
    }
}

#[test]
fn the_oldest_connection_makes_room_for_a_new_one() {
    let mut machine = Machine::new(ReactorOptions { connections_max: 2, ..presets::one_loop() });
    for number in 0..3 {
        machine.connect(number);
        machine.send(number, &protocol::request(1, GET));
        machine.run();
    }
    assert_eq!(machine.server().counters().evicted, 1);
    assert!(machine.sent.contains(&(0, Wire::Fin)) && !machine.sent.contains(&(1, Wire::Fin)));
}

#[test]
fn a_signal_interrupts_one_thread_or_none() {
    for (signals, interrupted) in [(Signals::SelfPipe, 1), (Signals::SignalFd, 0)] {
        for options in every_preset() {
            let mut machine = Machine::new(ReactorOptions { signals, ..options });
            machine.order(Order::Signal);
            machine.run();
            let counters = machine.server().counters();
            assert_eq!(
                (counters.signals, counters.interrupted_waits),
                (1, interrupted),
                "{:?}",
                machine.server().options()
            );
        }
    }
}

#[test]
fn urgent_bytes_are_read_apart() {
    for options in every_preset() {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.receive(0, Wire::Data { bytes: vec![b'!'], is_urgent: true });
        machine.run();
        assert_eq!(machine.server().counters().pri_events, 1);
        machine.send(0, &protocol::request(1, GET));
        machine.run();
        assert_eq!(machine.answered(0), protocol::answer(1, GET).concat());
    }
}

#[test]
fn a_mode_has_its_threads_and_instances() {
    let counts = |options: ReactorOptions| {
        let machine = Machine::new(options);
        (machine.server().workers().len(), machine.server().linux().epolls().count())
    };
    assert_eq!(counts(presets::one_loop()), (1, 1));
    assert_eq!(counts(presets::many_loops()), (5, 5));
    assert_eq!(counts(presets::exclusive()), (4, 4));
    assert_eq!(counts(presets::shared()), (4, 1));
    assert_eq!(presets::shared().mode, Mode::Shared);
    let machine = Machine::new(presets::shared());
    assert!(machine.server().workers().iter().all(|worker| worker.at == At::Sleeping));
}

#[test]
fn a_wait_that_nothing_ends_is_over_when_its_time_is() {
    for options in every_preset() {
        let mut machine = Machine::new(ReactorOptions { wait_timeout: Duration::from_millis(1), ..options });
        let thread = Thread(machine.server().workers().len() as u16 - 1);
        machine.fire(ReactorTimer::WaitOver(thread));
        let woken = At::Woken(Wake { is_over: true, ..Wake::default() });
        assert_eq!(machine.server().workers()[usize::from(thread.0)].at, woken);
        machine.run();
        assert_eq!(machine.server().counters().timed_out_waits, 1, "{:?}", machine.server().options());
        let over = machine.observed.iter().filter(|it| **it == ReactorObservation::WaitTimedOut { thread });
        assert_eq!(over.count(), 1);
        assert_eq!(machine.server().workers()[usize::from(thread.0)].at, At::Sleeping, "it waits again");
        assert!(machine.host.timers().contains_key(&ReactorTimer::WaitOver(thread)));
    }
}

#[test]
fn a_thread_that_is_woken_in_its_last_moment_returns_what_woke_it() {
    let mut machine = Machine::new(ReactorOptions { wait_timeout: Duration::from_millis(1), ..presets::one_loop() });
    machine.connect(0);
    machine.fire(ReactorTimer::WaitOver(Thread(0)));
    machine.run();
    assert_eq!((machine.server().counters().timed_out_waits, machine.server().connections().len()), (0, 1));
}

#[test]
fn a_wait_that_returns_events_or_is_interrupted_has_no_time_out_left() {
    for (signals, waits) in [(Signals::SignalFd, 1), (Signals::SelfPipe, 0)] {
        let wait_timeout = Duration::from_millis(1);
        let mut machine = Machine::new(ReactorOptions { signals, wait_timeout, ..presets::one_loop() });
        machine.order(Order::Signal);
        let timer = machine.next().expect("the thread is awake");
        machine.fire(timer);
        assert_eq!(machine.server().counters().waits, waits);
        assert!(!machine.host.timers().contains_key(&ReactorTimer::WaitOver(Thread(0))));
        machine.run();
        assert_eq!(machine.server().counters().timed_out_waits, 0);
    }
}

#[test]
fn one_connection_wakes_every_loop_unless_the_listening_socket_is_exclusive() {
    for (options, in_vain) in [(presets::herd(), 3), (presets::exclusive(), 0), (presets::many_loops(), 0)] {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.run();
        let counters = machine.server().counters();
        // A loop finds out when its wait looks, or when it accepts.
        assert_eq!(counters.spurious_wake_ups + counters.empty_accepts, in_vain, "{:?}", machine.server().options());
        assert_eq!(machine.server().connections().len(), 1);
    }
}

#[test]
fn what_is_asked_of_epoll_is_observed_from_the_first_registration_to_the_last() {
    let mut machine = Machine::new(presets::shared());
    machine.connect(0);
    machine.send(0, &protocol::request(1, GET));
    machine.receive(0, Wire::Fin);
    machine.run();
    let count = |of: fn(&ReactorObservation) -> bool| machine.observed.iter().filter(|it| of(it)).count();
    assert_eq!(
        count(|it| matches!(it, ReactorObservation::Added { .. })),
        3,
        "the listener, the signals, a connection"
    );
    assert!(count(|it| matches!(it, ReactorObservation::Modified { .. })) > 0);
    assert_eq!(count(|it| matches!(it, ReactorObservation::Deleted { .. })), 1);
    assert!(count(|it| matches!(it, ReactorObservation::WaitBegan { .. })) >= 4);
    assert!(count(|it| matches!(it, ReactorObservation::WaitReturned { .. })) >= 2);
}

/// A connection wakes every loop of the herd, and one takes it. A signal comes before another loop has looked, until it
/// is for that one; or none comes.
#[test]
fn a_thread_that_was_woken_for_nothing_and_got_a_signal_returns_eintr() {
    for signals in [0, 200] {
        let mut machine = Machine::new(presets::herd());
        machine.connect(0);
        let first = machine.next().expect("a loop wakes");
        while machine.server().connections().is_empty() {
            machine.fire(first);
        }
        let woken =
            |machine: &Machine| machine.server().workers().iter().filter(|it| matches!(it.at, At::Woken(_))).count();
        assert_eq!(woken(&machine), 3, "each of the others is about to look");
        for _ in 0..signals {
            machine.order(Order::Signal);
        }
        let is_signalled = machine.server().workers().iter().filter(|worker| worker.at.is_signalled()).count();
        assert_eq!(is_signalled, usize::from(signals > 0), "of two hundred signals one was for a thread that waits");
        let delivered = |machine: &Machine| {
            let handled = machine.observed.iter().filter(|it| matches!(it, ReactorObservation::SignalDelivered { .. }));
            handled.count()
        };
        let before = delivered(&machine);
        machine.run();
        assert_eq!(machine.server().counters().interrupted_waits, u64::from(signals > 0));
        assert_eq!(delivered(&machine), before + usize::from(signals > 0), "the handler ran when the wait returned");
    }
}

/// Between `close` of what is evicted and `epoll_ctl` of what was accepted other threads run.
#[test]
fn an_eviction_is_a_call_of_its_own() {
    let mut machine = Machine::new(ReactorOptions { connections_max: 1, ..presets::one_loop() });
    machine.connect(0);
    machine.run();
    machine.connect(1);
    let mut seen = Vec::new();
    while let Some(timer) = machine.next() {
        let calls = machine.server().linux().call_count();
        let at = machine.server().workers()[0].at;
        machine.fire(timer);
        seen.push((at, machine.server().linux().call_count() - calls));
    }
    let of = |is: fn(&At) -> bool| seen.iter().filter(|(at, calls)| is(at) && *calls == 1).count();
    assert_eq!((of(|at| matches!(at, At::Evict(..))), of(|at| matches!(at, At::Register(..)))), (1, 1), "{seen:?}");
    assert!(seen.iter().all(|(_, calls)| *calls <= 1), "no step has two calls: {seen:?}");
    assert_eq!((machine.server().counters().evicted, machine.server().connections().len()), (1, 1));
}

#[test]
fn a_way_out_without_arming_loses_the_request_that_comes_next() {
    for (bug, is_answered) in [(Bug::None, true), (Bug::NoRearm, false)] {
        let mut machine = Machine::new(ReactorOptions { bug, ..presets::shared() });
        machine.connect(0);
        machine.send(0, &protocol::request(1, GET));
        machine.run();
        assert_eq!(machine.answered(0), protocol::answer(1, GET).concat(), "a read that finds something arms again");
        machine.receive(0, Wire::Data { bytes: vec![b'!'], is_urgent: true });
        machine.run();
        machine.sent.clear();
        machine.send(0, &protocol::request(2, GET));
        machine.run();
        assert_eq!(!machine.answered(0).is_empty(), is_answered, "{bug:?}");
    }
}

#[test]
fn an_event_for_a_part_of_a_request_that_forgets_writing_leaves_an_answer_half_sent() {
    for (bug, goes_on) in [(Bug::None, true), (Bug::ReadEventForgetsWrite, false)] {
        let mut machine = Machine::new(ReactorOptions { bug, socket_buffer: 16, ..presets::shared() });
        machine.connect(0);
        for byte in protocol::request(1, GET) {
            machine.send(0, &[byte]);
            machine.run();
        }
        assert_eq!(machine.answered(0).len(), 16, "the rest waits for room");
        machine.send(0, b"G");
        machine.run();
        machine.receive(0, Wire::Taken { count: 16 });
        machine.run();
        assert_eq!(!machine.answered(0).is_empty(), goes_on, "{bug:?}");
    }
}
