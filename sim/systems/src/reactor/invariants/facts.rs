//! What an invariant knows of a descriptor of a server: what the kernel says of it, and what the program has to do.

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::linux::epoll::Epoll;
use crate::reactor::linux::events::Events;
use crate::reactor::server::Server;
use crate::reactor::worker::{At, Target, Worker};

/// A descriptor that the program serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its number.
    pub(super) fd: Fd,
    /// What the program has to react to, of what the kernel says is so.
    pub(super) ready: Events,
    /// An epoll instance has it in its ready list, with something of that to report.
    pub(super) is_queued: bool,
    /// A thread has an event of it in hand, or is at work on it.
    pub(super) is_in_hand: bool,
    /// An epoll instance has it in its ready list, and every thread of that instance sleeps.
    pub(super) is_slept_on: bool,
    /// Every thread of every instance that watches it sleeps.
    pub(super) sleeps: bool,
}

/// Every descriptor that the program serves: its listening socket, its signals, its connections.
pub(super) fn all(server: &Server) -> impl Iterator<Item = (Target, Facts)> {
    let own = [(Target::Listener, server.listener()), (Target::Signals, server.signal_source())];
    let connections = server.connections().iter().map(|(fd, connection)| (Target::Connection(connection.token), *fd));
    own.into_iter().chain(connections).filter_map(|(target, fd)| Some((target, of(server, target, fd)?)))
}

/// What is known of one; `None` if the number is not open.
pub(super) fn of(server: &Server, target: Target, fd: Fd) -> Option<Facts> {
    let id = server.linux().description(fd).ok()?;
    let ready = server.linux().readiness(id) & wanted(server, fd);
    let in_hand = |worker: &Worker| {
        let is_at_work = worker.at.work().is_some_and(|work| work.token.fd == fd);
        is_at_work || worker.is_at(target) || worker.in_hand().any(|task| task.target == target)
    };
    Some(Facts {
        fd,
        ready,
        is_queued: queues(server, id, ready).next().is_some(),
        is_in_hand: server.workers().iter().any(in_hand),
        is_slept_on: queues(server, id, ready).any(|epoll| is_slept_on(server, epoll)),
        sleeps: watchers(server, id).all(|epoll| is_slept_on(server, epoll)),
    })
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

/// What the program has to react to: data and urgent data until the client has ended, room for what it has to write,
/// and errors.
fn wanted(server: &Server, fd: Fd) -> Events {
    let Some(connection) = server.connections().get(&fd) else { return Events::IN };
    let reading = Events::IN | Events::PRI;
    Events::ALWAYS | reading.when(!connection.has_ended) | Events::OUT.when(connection.has_output())
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

fn is_slept_on(server: &Server, epoll: DescriptionId) -> bool {
    let serves = |fd| server.linux().description(fd) == Ok(epoll);
    let mut threads = server.workers().iter().filter(|worker| serves(worker.epoll));
    threads.all(|worker| worker.at == At::Sleeping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::bug::Bug;
    use crate::reactor::linux::thread::Thread;
    use crate::reactor::message::{Request, Wire};
    use crate::reactor::node::ReactorTimer;
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

    fn of_connection(machine: &Machine) -> Facts {
        let all = all(machine.server()).find(|(target, _)| matches!(target, Target::Connection(_)));
        all.expect("there is a connection").1
    }

    fn data(bytes: Vec<u8>, is_urgent: bool) -> Wire {
        Wire::Data { bytes, is_urgent }
    }

    #[test]
    fn a_descriptor_without_news_is_not_ready_and_its_threads_sleep() {
        let machine = connected(presets::shared());
        let facts = of_connection(&machine);
        assert_eq!((facts.ready, facts.is_queued, facts.is_in_hand), (Events::NONE, false, false));
        assert!(facts.sleeps && !facts.is_slept_on);
        assert_eq!(all(machine.server()).count(), 3, "the listener, the signals, the connection");
    }

    #[test]
    fn data_makes_it_ready_and_queued_and_wakes_a_thread_which_takes_it_in_hand() {
        let mut machine = connected(presets::one_loop());
        machine.receive(0, data(protocol::request(1, GET), false));
        let facts = of_connection(&machine);
        assert_eq!((facts.ready, facts.is_queued, facts.is_in_hand), (Events::IN, true, false));
        assert!(!facts.sleeps && !facts.is_slept_on);
        machine.fire(ReactorTimer::Run(Thread(0)));
        assert!(of_connection(&machine).is_in_hand);
        machine.run();
        assert_eq!(of_connection(&machine).ready, Events::NONE);
    }

    #[test]
    fn urgent_data_is_something_to_react_to() {
        let mut machine = connected(presets::one_loop());
        machine.receive(0, data(vec![b'!'], true));
        assert_eq!(of_connection(&machine).ready, Events::PRI);
    }

    #[test]
    fn room_counts_only_while_an_answer_waits() {
        let mut machine = connected(ReactorOptions { socket_buffer: 16, ..presets::one_loop() });
        assert_eq!(of_connection(&machine).ready, Events::NONE, "there is room, and nothing to write");
        for byte in protocol::request(1, GET) {
            machine.receive(0, data(vec![byte], false));
            machine.run();
        }
        assert_eq!(of_connection(&machine).ready, Events::NONE, "the answer is longer than the room");
        machine.receive(0, Wire::Taken { count: 16 });
        assert_eq!(of_connection(&machine).ready, Events::OUT);
    }

    #[test]
    fn a_queue_that_wakes_no_thread_is_slept_on() {
        let mut machine = Machine::new(ReactorOptions { bug: Bug::CallbackWithoutWake, ..presets::one_loop() });
        machine.connect(0);
        machine.run();
        let (_, facts) = all(machine.server()).next().expect("there is the listener");
        assert_eq!((facts.ready, facts.is_queued, facts.is_in_hand), (Events::IN, true, false));
        assert!(facts.sleeps && facts.is_slept_on);
    }
}
