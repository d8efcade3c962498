//! What an invariant knows of a descriptor of a server: what the kernel says of it, and what the program has to do.

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::linux::epoll::Epoll;
use crate::reactor::linux::events::Events;
use crate::reactor::server::Server;
use crate::reactor::worker::{At, Target};

use super::closed_after_answers::Exchanges;

/// A descriptor that the program has to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its number.
    pub(super) fd: Fd,
    /// What the program has to react to, of what the kernel says is so.
    pub(super) ready: Events,
    /// An epoll instance has it in its ready list, with something of that to report.
    pub(super) is_queued: bool,
    /// A thread owns it: it has an event of it, or is at work on it.
    pub(super) is_in_hand: bool,
    /// An epoll instance has it in its ready list, and every thread of that instance sleeps.
    pub(super) all_sleep_where_queued: bool,
    /// Every thread of every instance that watches it sleeps.
    pub(super) all_sleep: bool,
}

/// Every open descriptor that is ready for something that the program has to do: its listening socket, its signals, and
/// each connection, whether it is in the table of the program or not.
pub(super) fn all_ready(server: &Server, exchanges: &Exchanges) -> impl Iterator<Item = (DescriptionId, Facts)> {
    let ready = |(fd, id)| Some((fd, id, ready(server, exchanges, fd, id))).filter(|(.., ready)| !ready.is_empty());
    let numbers = server.linux().table().iter();
    numbers.filter_map(ready).map(|(fd, id, ready)| (id, of(server, (fd, id), ready)))
}

/// What is known of a descriptor that is ready for this.
pub(super) fn of(server: &Server, (fd, id): (Fd, DescriptionId), ready: Events) -> Facts {
    let threads = 0..server.workers().len() as u16;
    let is_accepted = |thread: &u16| server.workers()[usize::from(*thread)].at.accepted() == Some(fd);
    let owns = |thread: u16| is_accepted(&thread) || in_hand(server, thread).any(|item| item == id);
    Facts {
        fd,
        ready,
        is_queued: queues(server, id, ready).next().is_some(),
        is_in_hand: threads.into_iter().any(owns),
        all_sleep_where_queued: queues(server, id, ready).any(|epoll| all_sleep(server, epoll)),
        all_sleep: watchers(server, id).all(|epoll| all_sleep(server, epoll)),
    }
}

/// The description that the next call of a thread is for; `None` if that is a wait.
pub(super) fn handled(server: &Server, thread: u16) -> Option<DescriptionId> {
    let worker = &server.workers()[usize::from(thread)];
    let own = |target| match target {
        Target::Listener => server.linux().description(server.listener()).ok(),
        Target::Signals => server.linux().description(server.signal_source()).ok(),
        Target::Connection(_) => None,
    };
    match worker.at {
        At::Next => worker.batch.front().map(|task| task.item),
        At::Accept(_) | At::Evict(..) | At::Register(..) => own(Target::Listener),
        At::ReadSignals => own(Target::Signals),
        At::Rearm(target) => own(target),
        at => at.work().map(|work| work.item),
    }
}

/// The descriptions that a thread has in hand: of the events that its waits returned, as far as it is not done with
/// them.
pub(super) fn in_hand(server: &Server, thread: u16) -> impl Iterator<Item = DescriptionId> {
    let worker = &server.workers()[usize::from(thread)];
    let current = if worker.at == At::Next { None } else { handled(server, thread) };
    current.into_iter().chain(worker.in_hand().map(|task| task.item))
}

/// What a descriptor is ready for, of what the program has to react to.
///
/// Of a connection that is: data and urgent data until the program has read the end; room for an answer that it owes;
/// and errors. None of it is asked of the program: what it has read is what the kernel says, what it owes what clients
/// have sent and have received.
pub(super) fn ready(server: &Server, exchanges: &Exchanges, fd: Fd, id: DescriptionId) -> Events {
    let ready = server.linux().readiness(id);
    if fd == server.listener() || fd == server.signal_source() {
        return ready & Events::IN;
    }
    let Some(stream) = server.linux().stream(id) else { return Events::NONE };
    let owes = |connection| exchanges.owes(connection, stream.read_count());
    let has_use_for_room = || server.connection_of(id).is_some_and(owes);
    let reading = (Events::IN | Events::PRI).when(!server.linux().has_given_end(id));
    ready & (Events::ALWAYS | reading | Events::OUT.when(ready.has(Events::OUT) && has_use_for_room()))
}

/// Whether an instance has it in its interest list, armed or not.
pub(super) fn is_watched_by(server: &Server, id: DescriptionId, epoll: Fd) -> bool {
    server.linux().epoll(epoll).is_some_and(|epoll| epoll.items_of(id).next().is_some())
}

/// The instances that have it in their interest list, armed or not.
fn watchers(server: &Server, id: DescriptionId) -> impl Iterator<Item = DescriptionId> {
    let watches = move |epoll: &Epoll| epoll.items_of(id).next().is_some();
    server.linux().epolls().filter(move |(_, epoll)| watches(epoll)).map(|(epoll, _)| epoll)
}

/// The instances that have it in their ready list and would report it.
fn queues(server: &Server, id: DescriptionId, ready: Events) -> impl Iterator<Item = DescriptionId> {
    let reports = move |epoll: &Epoll| epoll.items_of(id).any(|(_, item)| item.is_queued && item.events.has(ready));
    server.linux().epolls().filter(move |(_, epoll)| reports(epoll)).map(|(epoll, _)| epoll)
}

/// Whether every thread of an instance sleeps.
fn all_sleep(server: &Server, epoll: DescriptionId) -> bool {
    let serves = |fd| server.linux().description(fd) == Ok(epoll);
    let mut threads = server.workers().iter().filter(|worker| serves(worker.epoll));
    threads.all(|worker| worker.at == At::Sleeping)
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::NodeId;
    use splitbrain_kernel::node::ConnectionId;

    use super::*;
    use crate::reactor::bug::Bug;
    use crate::reactor::linux::thread::Thread;
    use crate::reactor::message::{Request, Wire};
    use crate::reactor::node::ReactorTimer;
    use crate::reactor::observation::ReactorObservation;
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::protocol;
    use crate::reactor::tests::Machine;

    const GET: Request = Request::Get { size: 40 };

    /// A machine with one connection, whose threads sleep.
    fn connected(options: ReactorOptions) -> Machine {
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.run();
        machine
    }

    fn of_connection(machine: &Machine, exchanges: &Exchanges) -> Facts {
        let server = machine.server();
        let fd = *server.connections().keys().next().expect("there is a connection");
        let id = server.linux().description(fd).expect("it is open");
        of(server, (fd, id), ready(server, exchanges, fd, id))
    }

    fn data(bytes: Vec<u8>, is_urgent: bool) -> Wire {
        Wire::Data { bytes, is_urgent }
    }

    #[test]
    fn a_descriptor_without_news_is_not_ready_and_its_threads_sleep() {
        let machine = connected(presets::shared());
        let facts = of_connection(&machine, &Exchanges::default());
        assert_eq!((facts.ready, facts.is_queued, facts.is_in_hand), (Events::NONE, false, false));
        assert!(facts.all_sleep && !facts.all_sleep_where_queued);
        assert_eq!(all_ready(machine.server(), &Exchanges::default()).count(), 0);
    }

    #[test]
    fn data_makes_it_ready_and_queued_and_wakes_a_thread_which_takes_it_in_hand() {
        let nothing = Exchanges::default();
        let mut machine = connected(presets::one_loop());
        machine.receive(0, data(protocol::request(1, GET), false));
        let facts = of_connection(&machine, &nothing);
        assert_eq!((facts.ready, facts.is_queued, facts.is_in_hand), (Events::IN, true, false));
        assert!(!facts.all_sleep && !facts.all_sleep_where_queued);
        assert_eq!(all_ready(machine.server(), &nothing).map(|(_, facts)| facts).collect::<Vec<_>>(), [facts]);
        machine.fire(ReactorTimer::Run(Thread(0)));
        assert!(of_connection(&machine, &nothing).is_in_hand);
        machine.run();
        assert_eq!(of_connection(&machine, &nothing).ready, Events::NONE);
    }

    #[test]
    fn urgent_data_is_something_to_react_to() {
        let mut machine = connected(presets::one_loop());
        machine.receive(0, data(vec![b'!'], true));
        assert_eq!(of_connection(&machine, &Exchanges::default()).ready, Events::PRI);
    }

    #[test]
    fn room_counts_only_while_an_answer_is_owed_whatever_the_program_says() {
        for bug in [Bug::None, Bug::ShortWriteIgnored] {
            let mut machine = connected(ReactorOptions { socket_buffer: 16, bug, ..presets::one_loop() });
            let mut exchanges = Exchanges::default();
            let connection = ConnectionId { opener: NodeId::client(1), number: 0 };
            exchanges.on_observation(&ReactorObservation::Sent { connection, id: 1, request: GET });
            assert_eq!(of_connection(&machine, &exchanges).ready, Events::NONE, "the request has not come");
            for byte in protocol::request(1, GET) {
                machine.receive(0, data(vec![byte], false));
                machine.run();
            }
            assert_eq!(of_connection(&machine, &exchanges).ready, Events::NONE, "the answer is longer than the room");
            machine.receive(0, Wire::Taken { count: 16 });
            assert_eq!(of_connection(&machine, &exchanges).ready, Events::OUT, "{bug:?}");
        }
    }

    #[test]
    fn an_end_that_was_read_is_nothing_to_react_to_and_one_that_was_not_is() {
        for bug in [Bug::None, Bug::EndedKeptOpen] {
            let mut machine = connected(ReactorOptions { bug, ..presets::one_loop() });
            machine.receive(0, Wire::Fin);
            assert_eq!(of_connection(&machine, &Exchanges::default()).ready, Events::IN);
            machine.run();
            assert_eq!(all_ready(machine.server(), &Exchanges::default()).count(), 0, "{bug:?}");
        }
    }

    #[test]
    fn a_queue_that_wakes_no_thread_is_one_where_all_sleep() {
        let mut machine = Machine::new(ReactorOptions { bug: Bug::CallbackWithoutWake, ..presets::one_loop() });
        machine.connect(0);
        machine.run();
        let (_, facts) = all_ready(machine.server(), &Exchanges::default()).next().expect("there is the listener");
        assert_eq!((facts.ready, facts.is_queued, facts.is_in_hand), (Events::IN, true, false));
        assert!(facts.all_sleep && facts.all_sleep_where_queued);
    }
}
