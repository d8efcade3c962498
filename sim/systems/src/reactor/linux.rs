//! A model of the part of Linux that a readiness loop stands on: descriptors, pipes, sockets, eventfd, signalfd and
//! epoll, as one plain value without a simulator around it.
//!
//! Every call is non-blocking: where a thread would sleep, [`Linux::wait`] gives no event and [`Linux::begin_wait`]
//! notes which thread waits; [`Linux::take_woken`] says which are to try again.
//!
//! | file | object |
//! | --- | --- |
//! | [`descriptor`] | numbers, which are reused, and open file descriptions, which `dup` shares |
//! | [`epoll`] | interest list and ready list |
//! | [`stream`] | Unix sockets and TCP connections |
//! | [`pipe`] | pipes, page by page |
//! | `transfer` | reads and writes of all of them |
//! | `polling` | epoll_ctl and epoll_wait |
//! | [`errno`], [`events`], [`thread`] | plain values |
//!
//! # Checked against Linux
//!
//! `tests/linux` of this crate drives generated sequences of calls against this model and against the real kernel,
//! and compares each result, each errno, each descriptor number, the readiness of every descriptor after every call,
//! and the events of every wait with their order. It does not compare the following, for the reasons given:
//!
//! - byte counts of partial transfers over sockets, and what is ready while a socket is partly full: they depend on
//!   the memory that the kernel charges. Pipes and eventfd are compared to the byte;
//! - which thread wakes, and `EPOLLEXCLUSIVE` with threads that wait: the comparison has one thread;
//! - an accept queue that is full, where Linux drops the `SYN` and the client tries again after a second;
//! - signals and `EINTR`; the limit on descriptors.
//!
//! These are compared with the kernel by hand-written sequences, in `tests/linux/compare/by_hand`. Two things are not
//! compared at all: signalfd itself, which no safe program can make (what is compared is the set of pending signals
//! that it reads from); and that `EPOLL_CTL_MOD` of an item in the ready list wakes no further thread, since the
//! thread that the first change has woken takes the item at once.
//!
//! # Caveats
//!
//! - An epoll instance cannot be in the interest list of another one: it is refused with `EINVAL`.
//! - A signalfd gives one byte a signal rather than a `signalfd_siginfo`.
//! - TCP is delivered at once between sockets of one machine, and has no `TIME_WAIT`.
//! - A TCP connection has one buffer for each direction, in place of the sender's and the receiver's.

pub mod descriptor;
pub mod epoll;
pub mod errno;
pub mod events;
pub mod pipe;
pub mod stream;
pub mod thread;

mod polling;
mod transfer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use descriptor::{DescriptionId, Fd, Table};
use epoll::{Epoll, EpollBug};
use errno::Errno;
use events::Events;
use pipe::Pipe;
use stream::{Family, Peer, Reaction, Segment, Shut, Stream};
use thread::Thread;

/// What epoll_ctl(2) is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `EPOLL_CTL_ADD`.
    Add,
    /// `EPOLL_CTL_MOD`.
    Modify,
    /// `EPOLL_CTL_DEL`.
    Delete,
}

/// What has happened to a thread that sleeps in epoll_wait(2), beside a change of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// The time-out of the wait has passed.
    pub is_over: bool,
    /// A signal is pending that has a handler.
    pub is_signalled: bool,
}

/// What is behind a descriptor.
#[derive(Clone, Debug)]
enum Object {
    /// The end of a pipe that is read; the pipe has its name.
    PipeReader,
    /// The end of the pipe with this reader that is written.
    PipeWriter(DescriptionId),
    Stream(Stream),
    Listener(Listener),
    /// An eventfd.
    Counter(u64),
    /// A signalfd, with the signals that are pending: each of them once, however often it was sent (signal(7)).
    Signals(BTreeSet<u8>),
    Epoll(Epoll),
}

/// A listening socket.
#[derive(Clone, Debug)]
struct Listener {
    backlog: usize,
    queue: VecDeque<DescriptionId>,
    /// `None` while it listens. Once its receiving direction was shut, it is a socket without a connection, and these
    /// are the directions that were shut since.
    shut: Option<Shut>,
    /// `SO_LINGER` with no time, which the connections that come from now on inherit.
    resets_on_close: bool,
}

impl Listener {
    const fn new(backlog: usize) -> Self {
        Self { backlog, queue: VecDeque::new(), shut: None, resets_on_close: false }
    }
}

#[derive(Clone, Debug)]
struct Description {
    object: Object,
    /// How many numbers stand for it; none for a connection that was not accepted yet.
    references: u32,
    /// The last read or accept left nothing to read or accept, or came to the end.
    is_drained: bool,
    /// A read has returned the end of the stream.
    has_given_end: bool,
}

/// How much memory sockets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for what a Unix socket sends.
    pub unix_buffer: u32,
    /// Bytes that a TCP connection holds in one direction.
    pub tcp_buffer: u32,
    /// Descriptors of the process.
    pub descriptors: u32,
}

impl Limits {
    /// What Linux has by default.
    pub const LINUX: Self = Self { unix_buffer: 212_992, tcp_buffer: 2 * 1024 * 1024, descriptors: 1024 };
}

/// The kernel objects of one process.
#[derive(Clone, Debug)]
pub struct Linux {
    table: Table,
    descriptions: BTreeMap<DescriptionId, Description>,
    /// Pipes by their readers, with their writers.
    pipes: BTreeMap<DescriptionId, (Pipe, DescriptionId)>,
    epolls: Vec<DescriptionId>,
    limits: Limits,
    bug: EpollBug,
    next_description: u32,
    next_sequence: u64,
    calls: u64,
    woken: Vec<Thread>,
    wire: Vec<(DescriptionId, Segment)>,
}

impl Linux {
    /// A process without descriptors, on a kernel with this mistake.
    pub const fn new(limits: Limits, bug: EpollBug) -> Self {
        Self {
            table: Table::new(limits.descriptors),
            descriptions: BTreeMap::new(),
            pipes: BTreeMap::new(),
            epolls: Vec::new(),
            limits,
            bug,
            next_description: 0,
            next_sequence: 0,
            calls: 0,
            woken: Vec::new(),
            wire: Vec::new(),
        }
    }

    /// The descriptor table.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// How many system calls on descriptors were made so far: reads, writes, `accept`, `epoll_ctl`, `epoll_wait`,
    /// `shutdown` and `close`.
    pub const fn call_count(&self) -> u64 {
        self.calls
    }

    /// Threads that were woken since the last look, in order.
    pub fn take_woken(&mut self) -> Vec<Thread> {
        std::mem::take(&mut self.woken)
    }

    /// Segments for remote ends since the last look, in order.
    pub fn take_wire(&mut self) -> Vec<(DescriptionId, Segment)> {
        std::mem::take(&mut self.wire)
    }

    /// What a number stands for.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`].
    pub fn description(&self, fd: Fd) -> Result<DescriptionId, Errno> {
        self.table.get(fd)
    }

    /// The stream behind a description, if it is open and a stream.
    pub fn stream(&self, id: DescriptionId) -> Option<&Stream> {
        match &self.descriptions.get(&id)?.object {
            Object::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The other end of a stream, if it is open on this machine.
    pub fn peer(&self, id: DescriptionId) -> Option<DescriptionId> {
        match self.stream(id)?.peer {
            Peer::Local(peer) if self.descriptions.contains_key(&peer) => Some(peer),
            _ => None,
        }
    }

    /// The epoll instance behind a number.
    pub fn epoll(&self, fd: Fd) -> Option<&Epoll> {
        match &self.descriptions.get(&self.table.get(fd).ok()?)?.object {
            Object::Epoll(epoll) => Some(epoll),
            _ => None,
        }
    }

    /// Every epoll instance, in order of creation.
    pub fn epolls(&self) -> impl Iterator<Item = (DescriptionId, &Epoll)> {
        self.epolls.iter().filter_map(|id| match &self.descriptions.get(id)?.object {
            Object::Epoll(epoll) => Some((*id, epoll)),
            _ => None,
        })
    }

    /// Whether the last read or accept of a description left nothing, or came to the end. What comes later is for the
    /// kernel to report. Before the first one it is not drained.
    pub fn is_drained(&self, id: DescriptionId) -> bool {
        self.descriptions.get(&id).is_some_and(|description| description.is_drained)
    }

    /// Whether a read has returned the end of a stream: nothing, and no error.
    pub fn has_given_end(&self, id: DescriptionId) -> bool {
        self.descriptions.get(&id).is_some_and(|description| description.has_given_end)
    }

    /// How many connections wait to be accepted.
    pub fn accept_queue(&self, id: DescriptionId) -> usize {
        match self.descriptions.get(&id).map(|description| &description.object) {
            Some(Object::Listener(listener)) => listener.queue.len(),
            _ => 0,
        }
    }

    /// What poll(2) says of a description.
    pub fn readiness(&self, id: DescriptionId) -> Events {
        let Some(description) = self.descriptions.get(&id) else { return Events::NONE };
        match &description.object {
            Object::PipeReader => {
                let pipe = &self.pipes[&id].0;
                Events::IN.when(!pipe.is_empty()) | Events::HUP.when(!pipe.has_writer)
            }
            Object::PipeWriter(reader) => {
                let pipe = &self.pipes[reader].0;
                Events::OUT.when(!pipe.is_full()) | Events::ERR.when(!pipe.has_reader)
            }
            Object::Stream(stream) => stream.readiness(),
            Object::Listener(listener) => match listener.shut {
                None => Events::IN.when(!listener.queue.is_empty()),
                Some(shut) => Events::OUT | Events::HUP | (Events::IN | Events::RDHUP).when(shut.read),
            },
            Object::Counter(count) => Events::IN.when(*count > 0) | Events::OUT.when(*count < u64::MAX - 1),
            Object::Signals(pending) => Events::IN.when(!pending.is_empty()),
            Object::Epoll(epoll) => Events::IN.when(epoll.ready_count() > 0),
        }
    }

    /// Asks a description on behalf of an epoll instance: TCP notes that room is waited for.
    fn poll(&mut self, id: DescriptionId) -> Events {
        let events = self.readiness(id);
        if let Some(Object::Stream(stream)) = self.object_mut(id).filter(|_| !events.has(Events::OUT)) {
            stream.on_asked_for_room();
        }
        events
    }

    // Making descriptors.

    fn create(&mut self, object: Object) -> DescriptionId {
        let id = DescriptionId(self.next_description);
        self.next_description += 1;
        let description = Description { object, references: 0, is_drained: false, has_given_end: false };
        self.descriptions.insert(id, description);
        id
    }

    fn open(&mut self, id: DescriptionId) -> Result<Fd, Errno> {
        let fd = self.table.open(id)?;
        self.descriptions.get_mut(&id).expect("what is opened exists").references += 1;
        Ok(fd)
    }

    /// Opens a new object, or two: all of them or none.
    fn open_new<const N: usize>(&mut self, objects: [Object; N]) -> Result<[Fd; N], Errno> {
        if self.table.len() + N > self.limits.descriptors as usize {
            return Err(Errno::TooManyDescriptors);
        }
        let ids = objects.map(|object| self.create(object));
        Ok(ids.map(|id| self.open(id).expect("there is a free number")))
    }

    /// pipe(2): the end that is read, and the end that is written.
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn pipe(&mut self) -> Result<[Fd; 2], Errno> {
        let reader = DescriptionId(self.next_description);
        let writer = DescriptionId(self.next_description + 1);
        let fds = self.open_new([Object::PipeReader, Object::PipeWriter(reader)])?;
        self.pipes.insert(reader, (Pipe::new(), writer));
        Ok(fds)
    }

    /// socketpair(2): two connected Unix sockets.
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn socket_pair(&mut self) -> Result<[Fd; 2], Errno> {
        let [one, other] = [self.next_description, self.next_description + 1].map(DescriptionId);
        let end = |peer| Object::Stream(Stream::new(Family::Unix, Peer::Local(peer), self.limits.unix_buffer));
        let ends = [end(other), end(one)];
        self.open_new(ends)
    }

    /// eventfd(2).
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn event_fd(&mut self, count: u64) -> Result<Fd, Errno> {
        self.open_new([Object::Counter(count)]).map(|[fd]| fd)
    }

    /// signalfd(2), over every signal.
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn signal_fd(&mut self) -> Result<Fd, Errno> {
        self.open_new([Object::Signals(BTreeSet::new())]).map(|[fd]| fd)
    }

    /// epoll_create(2).
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn epoll_create(&mut self) -> Result<Fd, Errno> {
        let [fd] = self.open_new([Object::Epoll(Epoll::new(self.bug))])?;
        self.epolls.push(self.table.get(fd)?);
        Ok(fd)
    }

    /// socket(2) and listen(2). The accept queue holds one more than `backlog`, as on Linux.
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn listen(&mut self, backlog: usize) -> Result<Fd, Errno> {
        self.open_new([Object::Listener(Listener::new(backlog))]).map(|[fd]| fd)
    }

    /// connect(2) from this machine to a listening socket of it.
    ///
    /// # Errors
    /// [`Errno::TimedOut`] if the accept queue is full, [`Errno::ConnectionRefused`] if the socket listens no more,
    /// [`Errno::Invalid`] if it never did.
    pub fn connect(&mut self, listener: Fd) -> Result<Fd, Errno> {
        let listener = self.table.get(listener)?;
        if !self.accept_room(listener)? {
            return Err(Errno::TimedOut);
        }
        let buffer = self.limits.tcp_buffer;
        let end = |peer| Object::Stream(Stream::new(Family::Tcp, Peer::Local(peer), buffer));
        let [client, server] = [self.next_description, self.next_description + 1].map(DescriptionId);
        let [fd] = self.open_new([end(server)])?;
        self.create(end(client));
        self.enqueue(listener, server);
        Ok(fd)
    }

    /// A connection comes from another machine. Returns its description, which is named in [`Linux::take_wire`]; `None`
    /// if the accept queue is full.
    pub fn connection_arrives(&mut self, listener: DescriptionId) -> Option<DescriptionId> {
        if !self.accept_room(listener).is_ok_and(|room| room) {
            return None;
        }
        let server = self.create(Object::Stream(Stream::new(Family::Tcp, Peer::Remote, self.limits.tcp_buffer)));
        self.enqueue(listener, server);
        Some(server)
    }

    fn accept_room(&self, listener: DescriptionId) -> Result<bool, Errno> {
        match self.descriptions.get(&listener).map(|description| &description.object) {
            Some(Object::Listener(listener)) if listener.shut.is_some() => Err(Errno::ConnectionRefused),
            Some(Object::Listener(listener)) => Ok(listener.queue.len() <= listener.backlog),
            _ => Err(Errno::Invalid),
        }
    }

    fn enqueue(&mut self, listener: DescriptionId, server: DescriptionId) {
        let mut resets = false;
        if let Some(Object::Listener(listener)) = self.object_mut(listener) {
            listener.queue.push_back(server);
            resets = listener.resets_on_close;
        }
        if let Some(Object::Stream(stream)) = self.object_mut(server) {
            stream.resets_on_close = resets;
        }
        self.announce(listener, Some(Events::IN | Events::PRI));
    }

    /// accept(2).
    ///
    /// # Errors
    /// [`Errno::Again`], [`Errno::Invalid`], [`Errno::NotSocket`], [`Errno::TooManyDescriptors`]; the connection stays
    /// in the queue then.
    pub fn accept(&mut self, fd: Fd) -> Result<Fd, Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        self.table.lowest_free()?;
        let server = match self.object_mut(id).expect("an open number has an object") {
            Object::Listener(listener) if listener.shut.is_none() => listener.queue.pop_front(),
            Object::Listener(_) | Object::Stream(_) => return Err(Errno::Invalid),
            _ => return Err(Errno::NotSocket),
        };
        self.note_drained(id);
        self.open(server.ok_or(Errno::Again)?)
    }

    /// After a read or accept: whether something is left.
    fn note_drained(&mut self, id: DescriptionId) {
        let is_drained = !self.readiness(id).has(Events::IN | Events::PRI);
        if let Some(description) = self.descriptions.get_mut(&id) {
            description.is_drained = is_drained || description.has_given_end;
        }
    }

    /// dup(2): a second number for the same description.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`], [`Errno::TooManyDescriptors`].
    pub fn dup(&mut self, fd: Fd) -> Result<Fd, Errno> {
        let id = self.table.get(fd)?;
        self.open(id)
    }

    fn object_mut(&mut self, id: DescriptionId) -> Option<&mut Object> {
        Some(&mut self.descriptions.get_mut(&id)?.object)
    }

    /// shutdown(2). A listening socket whose receiving direction is shut listens no more: what waits in its queue is
    /// reset.
    ///
    /// # Errors
    /// [`Errno::NotSocket`], [`Errno::NotConnected`].
    pub fn shutdown(&mut self, fd: Fd, how: Shut) -> Result<(), Errno> {
        self.calls += 1;
        let id = self.table.get(fd)?;
        let stream = match self.object_mut(id) {
            Some(Object::Stream(stream)) => stream,
            Some(Object::Listener(_)) => return self.shut_listener(id, how),
            _ => return Err(Errno::NotSocket),
        };
        let is_unix = stream.family() == Family::Unix;
        let (Reaction { changes, segments }, result) = stream.shutdown(how);
        // The items of this end are announced before the other end receives anything, except over TCP.
        let (first, last) = if is_unix { (changes, Vec::new()) } else { (Vec::new(), changes) };
        first.into_iter().for_each(|change| self.announce(id, change));
        self.send_segments(id, segments);
        last.into_iter().for_each(|change| self.announce(id, change));
        result
    }

    fn shut_listener(&mut self, id: DescriptionId, how: Shut) -> Result<(), Errno> {
        let Some(Object::Listener(listener)) = self.object_mut(id) else { return Err(Errno::NotSocket) };
        let result = match &mut listener.shut {
            Some(shut) => {
                shut.add(how);
                Err(Errno::NotConnected)
            }
            None => {
                listener.shut = how.read.then_some(Shut::default());
                Ok(())
            }
        };
        let refused = if how.read { std::mem::take(&mut listener.queue) } else { VecDeque::new() };
        refused.into_iter().for_each(|server| self.refuse(server));
        self.announce(id, None);
        result
    }

    /// Closing this socket will reset the connection (`SO_LINGER` with no time). Connections inherit it from their
    /// listening socket.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`], [`Errno::NotSocket`].
    pub fn reset_on_close(&mut self, fd: Fd) -> Result<(), Errno> {
        let id = self.table.get(fd)?;
        match self.object_mut(id) {
            Some(Object::Stream(stream)) => {
                stream.resets_on_close = true;
                Ok(())
            }
            Some(Object::Listener(listener)) => {
                listener.resets_on_close = true;
                Ok(())
            }
            _ => Err(Errno::NotSocket),
        }
    }

    /// close(2). The description goes with its last number, and its items with it.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`].
    pub fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        self.calls += 1;
        let id = self.table.close(fd)?;
        let description = self.descriptions.get_mut(&id).expect("an open number has a description");
        description.references -= 1;
        if description.references == 0 {
            self.release(id);
        }
        Ok(())
    }

    fn release(&mut self, id: DescriptionId) {
        for epoll in self.epolls.clone() {
            if let Some(Object::Epoll(epoll)) = self.object_mut(epoll) {
                epoll.forget(id);
            }
        }
        let description = self.descriptions.remove(&id).expect("what is released exists");
        match description.object {
            Object::PipeReader => {
                let (pipe, writer) = self.pipes.get_mut(&id).expect("a reader has its pipe");
                pipe.has_reader = false;
                let (is_open, writer) = (pipe.has_writer, *writer);
                if is_open {
                    self.announce(writer, None);
                }
            }
            Object::PipeWriter(reader) => {
                let (pipe, _) = self.pipes.get_mut(&reader).expect("a writer has its pipe");
                pipe.has_writer = false;
                if pipe.has_reader {
                    self.announce(reader, None);
                }
            }
            Object::Stream(mut stream) => {
                let segments = stream.close();
                segments.into_iter().for_each(|segment| self.deliver(id, stream.peer, segment));
            }
            Object::Listener(listener) => listener.queue.into_iter().for_each(|server| self.refuse(server)),
            Object::Epoll(_) => self.epolls.retain(|epoll| *epoll != id),
            Object::Counter(_) | Object::Signals(_) => {}
        }
    }

    /// A connection that was never accepted is reset.
    fn refuse(&mut self, server: DescriptionId) {
        if let Some(Object::Stream(stream)) = self.object_mut(server) {
            stream.resets_on_close = true;
        }
        self.release(server);
    }

    // Between the ends of streams.

    fn send_segments(&mut self, id: DescriptionId, segments: Vec<Segment>) {
        for segment in segments {
            let Some(stream) = self.stream(id) else { return };
            self.deliver(id, stream.peer, segment);
        }
    }

    fn deliver(&mut self, from: DescriptionId, peer: Peer, segment: Segment) {
        match peer {
            Peer::Remote => self.wire.push((from, segment)),
            Peer::Local(peer) if self.descriptions.contains_key(&peer) => self.receive(peer, segment),
            // The socket is closed: the kernel answers data by a reset, and takes the rest.
            Peer::Local(_) => match segment {
                Segment::Data { .. } => self.receive(from, Segment::Reset),
                Segment::Fin => self.receive(from, Segment::FinAcknowledged),
                _ => {}
            },
        }
    }

    /// An end receives a segment: from this machine, or from another one.
    pub fn receive(&mut self, id: DescriptionId, segment: Segment) {
        let Some(Object::Stream(stream)) = self.object_mut(id) else { return };
        let Reaction { changes, segments } = stream.receive(segment);
        changes.into_iter().for_each(|change| self.announce(id, change));
        self.send_segments(id, segments);
    }

    /// A standard signal comes that is blocked and read from this signalfd. If it is pending already, nothing changes.
    pub fn raise(&mut self, fd: Fd, signal: u8) {
        let Ok(id) = self.table.get(fd) else { return };
        if let Some(Object::Signals(pending)) = self.object_mut(id)
            && pending.insert(signal)
        {
            self.announce(id, None);
        }
    }
}
