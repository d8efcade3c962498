//! Serving a connection: read, answer, write, and leave it so that the next event will come.

use std::collections::VecDeque;

use splitbrain_kernel::context::Context;

use crate::reactor::bug::Bug;
use crate::reactor::linux::descriptor::Fd;
use crate::reactor::linux::errno::Errno;
use crate::reactor::linux::events::Events;
use crate::reactor::node::ReactorNode;
use crate::reactor::observation::ReactorObservation;
use crate::reactor::options::{Mode, Trigger};
use crate::reactor::protocol::{self, Parsed};
use crate::reactor::worker::{At, Target, Task, Token, Work};

use super::{Server, Turn};

/// A connection, as the program knows it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// What its events bear.
    pub token: Token,
    /// The epoll instance that it is registered in.
    pub home: Fd,
    /// What epoll was last asked for.
    pub interest: Events,
    /// What came and is no whole request yet.
    input: Vec<u8>,
    /// What is to be written: buffers for `writev`, in order.
    output: VecDeque<Vec<u8>>,
    /// The client will send no more.
    pub has_ended: bool,
    /// When a thread was last at work on it, in turns.
    pub used_at: u64,
}

/// What a read in the middle of a line or a body brings first: a small buffer and the rest, as `readv` takes them.
const FIRST_BUFFER: usize = 8;

impl Connection {
    pub(super) const fn new(token: Token, home: Fd) -> Self {
        Self {
            token,
            home,
            interest: Events::NONE,
            input: Vec::new(),
            output: VecDeque::new(),
            has_ended: false,
            used_at: 0,
        }
    }

    /// Whether an answer waits to be written.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Drops what was written: `count` bytes of the buffers.
    fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.output.front_mut() {
            if count < first.len() {
                first.drain(..count);
                return;
            }
            count -= first.len();
            self.output.pop_front();
        }
        assert!(count == 0, "no more is written than there was");
    }
}

impl Server {
    /// Takes a connection in hand, unless the event is of one that is gone: its number may be another's by now.
    pub(super) fn claim(&mut self, task: Task) -> At {
        let Target::Connection(token) = task.target else { unreachable!("only connections are claimed") };
        let found = self.connections.get_mut(&token.fd);
        let is_trusting = self.options.bug == Bug::StaleEventUsed;
        let Some(connection) = found.filter(|connection| connection.token == token || is_trusting) else {
            self.counters.stale_events += 1;
            return At::Next;
        };
        self.clock += 1;
        connection.used_at = self.clock;
        let work = Work {
            token: connection.token,
            fired: task.fired,
            item: task.item,
            calls: 0,
            is_empty: false,
            has_request: false,
            is_unfinished: false,
        };
        let reads = task.fired.has(Events::IN | Events::RDHUP | Events::HUP | Events::ERR) && !connection.has_ended;
        match self.options.bug {
            Bug::RearmBeforeRead if self.options.mode == Mode::Shared => At::RearmEarly(work),
            Bug::RdhupIsClose if task.fired.has(Events::RDHUP) => At::Close(work),
            _ if task.fired.has(Events::PRI) => At::Urgent(work),
            _ if reads => At::Read(work),
            _ => At::Write(work),
        }
    }

    fn connection(&mut self, work: Work) -> &mut Connection {
        self.connections.get_mut(&work.token.fd).expect("what is in hand stays in the table")
    }

    pub(super) fn rearm_early(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, work: Work) {
        let interest = self.interest(&self.connections[&work.token.fd]);
        self.modify(ctx, work.token.fd, interest);
        self.workers[thread].at = At::Read(work);
    }

    pub(super) fn read_urgent(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, work: Work) {
        if self.linux.read_urgent(work.token.fd).is_ok() {
            ctx.observe(ReactorObservation::UrgentRead { fd: work.token.fd });
        }
        self.workers[thread].at = if self.connection(work).has_ended { At::Write(work) } else { At::Read(work) };
    }

    /// `readv`. Under edge triggering it is repeated until it would block, or the turn is over.
    pub(super) fn read(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, mut work: Work) {
        // Only with a known bug another thread may have closed it.
        if !self.connections.contains_key(&work.token.fd) {
            self.workers[thread].at = At::Next;
            return;
        }
        let size = usize::try_from(self.options.read_size).expect("it was validated");
        let sizes = [FIRST_BUFFER.min(size), size - FIRST_BUFFER.min(size)];
        work.calls += 1;
        let at = match self.linux.read_vectored(work.token.fd, &sizes) {
            Err(Errno::Again) => {
                self.counters.would_block += 1;
                work.is_empty = work.calls == 1;
                At::Write(work)
            }
            Err(_) => At::Close(work),
            Ok(parts) if parts.iter().all(Vec::is_empty) => {
                self.connection(work).has_ended = true;
                At::Write(work)
            }
            Ok(parts) => self.take_in(ctx, work, &parts.concat()),
        };
        self.workers[thread].at = at;
    }

    /// Answers the requests that are whole now.
    fn take_in(&mut self, ctx: &mut Context<ReactorNode>, mut work: Work, bytes: &[u8]) -> At {
        let connection = self.connections.get_mut(&work.token.fd).expect("what is in hand stays in the table");
        connection.input.extend_from_slice(bytes);
        loop {
            match protocol::parse_request(&connection.input) {
                Parsed::Whole((id, request), length) => {
                    connection.input.drain(..length);
                    connection.output.extend(protocol::answer(id, request).into_iter().filter(|part| !part.is_empty()));
                    work.has_request = true;
                    self.counters.requests += 1;
                    ctx.observe(ReactorObservation::Served { id });
                }
                Parsed::Part => break,
                Parsed::Malformed => return At::Close(work),
            }
        }
        self.counters.partial_reads += u64::from(!connection.input.is_empty());
        let bug = self.options.bug;
        if self.options.trigger == Trigger::Level || bug == Bug::NoDrainUnderEdge {
            return At::Write(work);
        }
        if work.calls < self.options.calls_per_turn || bug == Bug::DrainForever {
            return At::Read(work);
        }
        work.is_unfinished = true;
        At::Write(work)
    }

    /// `writev` of the first two buffers. It is repeated until everything is written, it would block, or the turn is
    /// over.
    pub(super) fn write(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, mut work: Work) {
        let fd = work.token.fd;
        let Some(connection) = self.connections.get_mut(&fd).filter(|connection| connection.has_output()) else {
            return self.finish(ctx, thread, work);
        };
        let buffers: Vec<&[u8]> = connection.output.iter().take(2).map(Vec::as_slice).collect();
        let length: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let written = self.linux.write_vectored(fd, &buffers);
        work.calls += 1;
        self.counters.partial_writes += u64::from(written.is_ok_and(|count| count < length));
        self.counters.would_block += u64::from(written == Err(Errno::Again));
        let count = written.unwrap_or(0);
        match self.options.bug {
            Bug::ShortWriteIgnored => connection.advance(length),
            Bug::ShortWriteRepeated if count < length => {}
            _ => connection.advance(count),
        }
        let is_over = work.calls >= self.options.calls_per_turn;
        let has_output = connection.has_output();
        self.workers[thread].at = match written {
            Err(Errno::Again) => At::Finish(work),
            Err(_) => At::Close(work),
            // A write that was cut short will block: under edge triggering only then there will be an edge, and the
            // kernel has noted it already.
            Ok(count) if count < length => At::Finish(work),
            Ok(_) if has_output && is_over => At::Finish(Work { is_unfinished: true, ..work }),
            Ok(_) if has_output => At::Write(work),
            Ok(_) => At::Finish(work),
        };
    }

    /// What is asked of epoll for a connection: to read unless the client has ended, and to write what waits.
    pub(super) fn interest(&self, connection: &Connection) -> Events {
        let is_edge = self.options.trigger == Trigger::Edge;
        let is_shared = self.options.mode == Mode::Shared;
        // Without one-shot an edge-triggered connection is registered once, for everything.
        let is_fixed = is_edge && !is_shared;
        (Events::IN | Events::RDHUP | Events::PRI).when(is_fixed || !connection.has_ended)
            | Events::OUT.when(is_fixed || connection.has_output())
            | Events::ET.when(is_edge)
            | Events::ONESHOT.when(is_shared)
    }

    /// Leaves a connection: closed if nothing will come and nothing is to be written, else so that it is reported when
    /// there is something to do.
    pub(super) fn finish(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, work: Work) {
        let Some(connection) = self.connections.get(&work.token.fd) else {
            self.workers[thread].at = At::Next;
            return;
        };
        if connection.has_ended && !connection.has_output() && self.options.bug != Bug::EndedKeptOpen {
            self.workers[thread].at = At::Close(work);
            return;
        }
        let (interest, before) = (self.interest(connection), connection.interest);
        if self.options.mode == Mode::Shared {
            self.rearm(ctx, work, interest);
        } else if interest != before {
            self.modify(ctx, work.token.fd, interest);
        }
        // What is not finished is reported again under level triggering, and by the modification under one-shot.
        if work.is_unfinished && self.options.trigger == Trigger::Edge && self.options.mode != Mode::Shared {
            self.counters.continued += 1;
            let task = Task { target: Target::Connection(work.token), fired: Events::IN, item: work.item };
            self.workers[thread].later.push_back(task);
        }
        self.workers[thread].at = At::Next;
    }

    /// Under one-shot: `EPOLL_CTL_MOD`, which looks whether there is something already.
    fn rearm(&mut self, ctx: &mut Context<ReactorNode>, work: Work, interest: Events) {
        let reading = Events::IN | Events::RDHUP | Events::PRI;
        let interest = match self.options.bug {
            Bug::NoRearm if work.is_empty => return,
            Bug::ReadEventForgetsWrite if work.fired.has(Events::IN) && !work.has_request => interest & !Events::OUT,
            Bug::RearmOnlyWhatFired => {
                let fired = reading.when(work.fired.has(reading)) | Events::OUT.when(work.fired.has(Events::OUT));
                interest & (fired | Events::HOW)
            }
            _ => interest,
        };
        self.counters.rearmed += 1;
        self.modify(ctx, work.token.fd, interest);
    }

    /// `close`, with the lock: the number is free for others only when the table does not name it any more.
    pub(super) fn close(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, work: Work) -> Turn {
        if self.is_locked_by_another(thread) {
            return Turn::Sleeps;
        }
        self.workers[thread].at = At::Next;
        let fd = work.token.fd;
        if let Some(connection) = self.connections.remove(&fd) {
            ctx.observe(ReactorObservation::Closed { fd });
            if self.options.bug != Bug::EndedNotClosed || !connection.has_ended {
                self.close_connection(ctx, &connection);
            }
        }
        Turn::Again
    }
}
