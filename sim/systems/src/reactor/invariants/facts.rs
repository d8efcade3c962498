//! What an invariant knows of a descriptor of a server: what the kernel says of it, and what the program has to do.

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::linux::events::Events;
use crate::reactor::server::Server;
use crate::reactor::worker::Target;

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
    let in_hand = |worker: &crate::reactor::worker::Worker| {
        let is_at_work = worker.at.work().is_some_and(|work| work.token.fd == fd);
        is_at_work || worker.is_at(target) || worker.in_hand().any(|task| task.target == target)
    };
    Some(Facts {
        fd,
        ready,
        is_queued: queues(server, id, ready).next().is_some(),
        is_in_hand: server.workers().iter().any(in_hand),
        is_slept_on: queues(server, id, ready).any(|epoll| is_slept_on(server, epoll)),
    })
}

/// What the program has to react to: data until the client has ended, room for what it has to write, and errors.
fn wanted(server: &Server, fd: Fd) -> Events {
    let Some(connection) = server.connections().get(&fd) else { return Events::IN };
    Events::ALWAYS | Events::IN.when(!connection.has_ended) | Events::OUT.when(connection.has_output())
}

/// The instances that have it in their ready list and would report it.
fn queues(server: &Server, id: DescriptionId, ready: Events) -> impl Iterator<Item = DescriptionId> {
    let reports = move |epoll: &crate::reactor::linux::epoll::Epoll| {
        epoll.items_of(id).any(|(_, item)| item.is_queued && item.events.has(ready))
    };
    server.linux().epolls().filter(move |(_, epoll)| reports(epoll)).map(|(epoll, _)| epoll)
}

fn is_slept_on(server: &Server, epoll: DescriptionId) -> bool {
    let serves = |fd| server.linux().description(fd) == Ok(epoll);
    let mut threads = server.workers().iter().filter(|worker| serves(worker.epoll));
    threads.all(|worker| worker.at == crate::reactor::worker::At::Sleeping)
}
