//! Accepting: a connection becomes a number, an item of an epoll instance, and an entry of the table, under the lock.

use splitbrain_kernel::context::Context;

use crate::reactor::bug::Bug;
use crate::reactor::linux::Control;
use crate::reactor::linux::descriptor::Fd;
use crate::reactor::linux::events::Events;
use crate::reactor::linux::thread::Thread;
use crate::reactor::node::ReactorNode;
use crate::reactor::observation::ReactorObservation;
use crate::reactor::options::{Accept, Mode, Trigger};
use crate::reactor::worker::{At, Target, Task, Token};

use super::connection::Connection;
use super::{Server, Turn};

impl Server {
    /// `accept`, with the lock: the table has to know the number before another thread gets it.
    pub(super) fn accept(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, count: u64) -> Turn {
        if !self.lock.take(thread as u16) {
            return Turn::Sleeps;
        }
        match self.linux.accept(self.listener) {
            Ok(fd) => {
                self.counters.accepted += 1;
                self.counters.numbers_reused += u64::from(fd <= self.highest);
                self.highest = self.highest.max(fd);
                self.make_room(thread, fd, count);
            }
            Err(_) => {
                self.counters.would_block += 1;
                if count == 0 {
                    self.counters.empty_accepts += 1;
                    ctx.observe(ReactorObservation::AcceptedNothing { thread: Thread(thread as u16) });
                }
                self.release_lock(ctx, thread);
                self.after_own(thread, Target::Listener);
            }
        }
        Turn::Again
    }

    /// `epoll_ctl` for what was accepted. Under edge triggering the next one is looked for at once: one edge may stand
    /// for many connections.
    pub(super) fn register(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, fd: Fd, count: u64) {
        let generation = self.next_generation;
        self.next_generation += 1;
        let token = Token { fd, generation };
        let epoll = self.home(thread);
        let mut connection = Connection::new(token, epoll);
        let events = self.interest(&connection);
        connection.interest = events;
        self.add(epoll, fd, events, Target::Connection(token));
        self.connections.insert(fd, connection);
        ctx.observe(ReactorObservation::Accepted { fd, generation });
        ctx.observe(ReactorObservation::Added { epoll, fd, events });
        self.release_lock(ctx, thread);
        let is_edge = self.options.trigger == Trigger::Edge && self.options.bug != Bug::AcceptOnceUnderEdge;
        if is_edge && count + 1 < self.options.calls_per_turn {
            self.workers[thread].at = At::Accept(count + 1);
        } else if is_edge && self.options.mode != Mode::Shared {
            let item = self.description(self.listener).expect("it is open for as long as the server");
            self.workers[thread].later.push_back(Task { target: Target::Listener, fired: Events::IN, item });
            self.workers[thread].at = At::Next;
        } else {
            self.after_own(thread, Target::Listener);
        }
    }

    /// The instance that a new connection belongs to.
    fn home(&mut self, thread: usize) -> Fd {
        if self.options.mode != Mode::ManyLoops || self.options.accept != Accept::Acceptor {
            return self.workers[thread].epoll;
        }
        let loops = self.workers.len() - 1;
        self.next_loop = (self.next_loop + 1) % loops;
        self.workers[1 + self.next_loop].epoll
    }

    /// A connection that was accepted needs room in the table. If that is full, and not every connection has a thread
    /// at work on it, one is closed first.
    fn make_room(&mut self, thread: usize, fd: Fd, count: u64) {
        let max = usize::try_from(self.options.connections_max).expect("it was validated");
        let is_full = self.connections.len() >= max && self.idle_longest().is_some();
        self.workers[thread].at = if is_full { At::Evict(fd, count) } else { At::Register(fd, count) };
    }

    /// The connection that was idle for longest, of those that no thread is at work on.
    fn idle_longest(&self) -> Option<Fd> {
        let idle = self.connections.iter().filter(|(fd, _)| !self.has_thread_at_work(**fd));
        idle.min_by_key(|(_, connection)| connection.used_at).map(|(fd, _)| *fd)
    }

    /// `close` of the connection that was idle for longest. The lock is held, so that no thread begins with one.
    pub(super) fn evict(&mut self, ctx: &mut Context<ReactorNode>, thread: usize, fd: Fd, count: u64) {
        let idle = self.idle_longest().expect("no thread begins with a connection while another has the lock");
        self.counters.evicted += 1;
        ctx.observe(ReactorObservation::Evicted { fd: idle });
        let connection = self.connections.remove(&idle).expect("it was just found");
        self.close_connection(ctx, &connection);
        self.make_room(thread, fd, count);
    }

    /// `epoll_ctl` with these flags for a connection.
    pub(super) fn modify(&mut self, ctx: &mut Context<ReactorNode>, fd: Fd, events: Events) {
        self.counters.asked(events);
        let connection = self.connections.get_mut(&fd).expect("who modifies has it in hand");
        connection.interest = events;
        let data = Target::Connection(connection.token).to_data();
        let epoll = connection.home;
        let modified = self.linux.control(epoll, Control::Modify, fd, events, data);
        modified.expect("a connection of the table is registered");
        ctx.observe(ReactorObservation::Modified { epoll, fd, events });
    }
}
