//! A server's machine: the model of Linux, and the program on it, whose threads run call by call.
//!
//! The process is the node. A thread that can run has a timer, [`ReactorTimer::Run`], and makes one system call when it
//! fires, or finds that there is none to make; a signal handler that runs when its wait returns writes into the pipe
//! besides. The time to the next call is drawn, so that threads interleave in every way, and some are delayed for
//! longer. What arrives from the network or by a signal comes between any two calls. A thread that waits for the lock,
//! or whose signal handler does, has no timer; one that sleeps in `epoll_wait` has at most that of its time-out.
//!
//! # Caveats
//!
//! - Whatever ends a connection of the simulator (a crash, a time-out, a cut) reaches the server as a reset: there is
//!   no connection whose peer is gone without a notice, and no keep-alive to find one.
//! - A connection that finds the accept queue full is reset, as with `tcp_abort_on_overflow`. By default Linux drops
//!   the `SYN`, and the client tries again.
//! - The threads share one lock, that of the table. `accept` and what follows it up to `epoll_ctl` are made under it.
//! - A signal handler takes no time.

mod accept;
mod connection;
mod signals;
mod wait;
mod wires;

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, ConnectionId, Source};
use splitbrain_kernel::time::Duration;

use super::counters::Counters;
use super::linux::descriptor::{DescriptionId, Fd};
use super::linux::events::Events;
use super::linux::stream::Segment;
use super::linux::thread::Thread;
use super::linux::{Control, Limits, Linux, Wake};
use super::message::Wire;
use super::node::{ReactorNode, ReactorTimer};
use super::observation::ReactorObservation;
use super::options::{Accept, Mode, ReactorOptions, Signals, Trigger};
use super::worker::{At, Lock, Target, Work, Worker};

pub use connection::Connection;
use wires::Wires;

type Ctx<'a> = Context<ReactorNode>;

/// What a thread does after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It goes on after a while.
    Again,
    /// It sleeps, in `epoll_wait` or for the lock, until it is woken.
    Sleeps,
}

/// A server.
///
/// - Each connection in the table is open, and each open number is the program's own, a connection of the table, or in
///   the hand of a thread that registers it.
/// - A thread has the timer [`ReactorTimer::Run`] if and only if it can run.
#[derive(Clone, Debug)]
pub struct Server {
    options: Arc<ReactorOptions>,
    linux: Linux,
    workers: Vec<Worker>,
    /// By number: the connections that the program knows.
    connections: BTreeMap<Fd, Connection>,
    lock: Lock,
    listener: Fd,
    /// The end of the self-pipe that is read, or the signalfd; and the end that is written.
    signals: (Fd, Option<Fd>),
    wires: Wires,
    /// Which loop gets the next connection.
    next_loop: usize,
    next_generation: u32,
    /// Counts turns at connections, to find the one that was idle for longest.
    clock: u64,
    /// The highest number that was ever given out.
    highest: Fd,
    counters: Counters,
}

impl Server {
    /// A process that has opened what it always has open, and whose threads are about to wait.
    pub(super) fn new(options: Arc<ReactorOptions>) -> Self {
        let buffer = u32::try_from(options.socket_buffer).expect("it was validated");
        let limits = Limits { tcp_buffer: buffer, ..Limits::LINUX };
        let mut linux = Linux::new(limits, options.bug.epoll_bug());
        let free = "a new process has free numbers";
        let listener = linux.listen(usize::try_from(options.backlog).expect("it was validated")).expect(free);
        let signals = match options.signals {
            Signals::SelfPipe => linux.pipe().map(|[reader, writer]| (reader, Some(writer))),
            Signals::SignalFd => linux.signal_fd().map(|fd| (fd, None)),
        };
        let signals = signals.expect(free);
        let mut server = Self {
            linux,
            workers: Vec::new(),
            connections: BTreeMap::new(),
            lock: Lock::default(),
            listener,
            signals,
            wires: Wires::default(),
            next_loop: 0,
            next_generation: 0,
            clock: 0,
            highest: Fd(0),
            counters: Counters::default(),
            options,
        };
        server.start_threads();
        server.highest = server.linux.table().iter().map(|(fd, _)| fd).max().expect("the listener is open");
        server
    }

    /// Epoll instances and threads, as the mode has them. The listening socket is in the instance of each thread that
    /// accepts, the signals are in the first instance.
    fn start_threads(&mut self) {
        let workers = usize::try_from(self.options.workers).expect("it was validated");
        let has_acceptor = self.options.mode == Mode::ManyLoops && self.options.accept == Accept::Acceptor;
        let (instances, threads) = match self.options.mode {
            Mode::OneLoop => (1, 1),
            Mode::Shared => (1, workers),
            Mode::ManyLoops => (workers + usize::from(has_acceptor), workers + usize::from(has_acceptor)),
        };
        let create = |linux: &mut Linux| linux.epoll_create().expect("a new process has free numbers");
        let epolls: Vec<Fd> = (0..instances).map(|_| create(&mut self.linux)).collect();
        self.workers = (0..threads).map(|thread| Worker::new(epolls[thread % instances])).collect();
        let accepting = if self.options.accept == Accept::Acceptor { &epolls[..1] } else { &epolls[..] };
        for epoll in accepting {
            self.add(*epoll, self.listener, self.interest_of(Target::Listener), Target::Listener);
        }
        self.add(epolls[0], self.signals.0, self.interest_of(Target::Signals), Target::Signals);
    }

    fn add(&mut self, epoll: Fd, fd: Fd, events: Events, target: Target) {
        self.counters.asked(events);
        self.linux.control(epoll, Control::Add, fd, events, target.to_data()).expect("it is open and new");
    }

    // What those who watch may look at.

    /// Its options.
    pub fn options(&self) -> &ReactorOptions {
        &self.options
    }

    /// The kernel objects.
    pub const fn linux(&self) -> &Linux {
        &self.linux
    }

    /// The threads.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// The connections that the program knows, by number.
    pub const fn connections(&self) -> &BTreeMap<Fd, Connection> {
        &self.connections
    }

    /// The listening socket.
    pub const fn listener(&self) -> Fd {
        self.listener
    }

    /// The end of the self-pipe that is read, or the signalfd.
    pub const fn signal_source(&self) -> Fd {
        self.signals.0
    }

    /// Whether the program has this number open for itself: no connection.
    pub fn is_own(&self, fd: Fd) -> bool {
        let is_epoll = self.workers.iter().any(|worker| worker.epoll == fd);
        fd == self.listener || fd == self.signals.0 || self.signals.1 == Some(fd) || is_epoll
    }

    /// The lock of the connection table.
    pub const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The connection of the simulator that carries a stream, until it is over.
    pub fn connection_of(&self, stream: DescriptionId) -> Option<ConnectionId> {
        self.wires.connection(stream)
    }

    /// Whether the machine still has this connection of the simulator, open or in the accept queue.
    pub fn has(&self, connection: ConnectionId) -> bool {
        let id = self.wires.description(connection);
        id.and_then(|id| self.linux.stream(id)).is_some_and(|stream| !stream.is_closed())
    }

    /// What happened so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    // Inputs.

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        self.observe_items(ctx);
        (0..self.workers.len()).for_each(|thread| self.schedule(ctx, thread));
        self.schedule_signal(ctx);
    }

    /// What was added to epoll before the process could observe anything.
    fn observe_items(&self, ctx: &mut Ctx<'_>) {
        let numbers = self.linux.table().iter().map(|(epoll, _)| epoll);
        for (epoll, instance) in numbers.filter_map(|fd| Some((fd, self.linux.epoll(fd)?))) {
            for (key, item) in instance.items() {
                ctx.observe(ReactorObservation::Added { epoll, fd: key.fd, events: item.events });
            }
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: ReactorTimer) {
        match timer {
            ReactorTimer::Run(thread) => self.run(ctx, usize::from(thread.0)),
            ReactorTimer::WaitOver(thread) => self.on_wait_over(ctx, usize::from(thread.0)),
            ReactorTimer::Signal => {
                self.on_signal(ctx);
                self.schedule_signal(ctx);
            }
            _ => unreachable!("a server sets no timer of a client"),
        }
    }

    /// A connection of the simulator is opened, or is over.
    pub(super) fn on_connection(&mut self, ctx: &mut Ctx<'_>, event: ConnectionEvent) {
        let ConnectionEvent { connection, peer, change } = event;
        if change == ConnectionChange::Accepted {
            let listener = self.linux.description(self.listener).expect("it is open for as long as the server");
            match self.linux.connection_arrives(listener) {
                Some(id) => self.wires.add(connection, peer, id),
                // As with tcp_abort_on_overflow: otherwise Linux would drop the SYN, and the client try again.
                None => {
                    ctx.observe(ReactorObservation::QueueFull);
                    ctx.send_on(connection, peer, Wire::Reset);
                    ctx.close(connection);
                }
            }
        } else if let Some(id) = self.wires.remove(connection) {
            self.linux.receive(id, Segment::Reset);
        }
        self.settle(ctx);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        if let Some(connection) = source.connection
            && let Some(id) = self.wires.description(connection)
        {
            // As Linux does it: data for a socket that was closed is answered by a reset, and the rest is taken.
            if self.linux.stream(id).is_none() && matches!(message, Wire::Data { .. }) {
                self.wires.remove(connection);
                ctx.send_on(connection, source.node, Wire::Reset);
                ctx.close(connection);
            } else {
                self.linux.receive(id, wires::segment(message));
            }
        }
        self.settle(ctx);
    }

    // Threads.

    /// The thread makes its next call after a while.
    fn schedule(&self, ctx: &mut Ctx<'_>, thread: usize) {
        let options = &self.options;
        let mut gap = ctx.rng().duration(options.call_min, options.call_max);
        if ctx.rng().chance(options.stall) {
            gap = gap + ctx.rng().duration(Duration::ZERO, options.stall_max);
        }
        ctx.set_timer(ReactorTimer::Run(Thread(thread as u16)), gap);
    }

    fn run(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        if self.turn(ctx, thread) == Turn::Again {
            self.schedule(ctx, thread);
        }
        self.settle(ctx);
    }

    /// What the kernel has to say after a call or an arrival: threads that wake, and segments that leave.
    fn settle(&mut self, ctx: &mut Ctx<'_>) {
        for Thread(thread) in self.linux.take_woken() {
            let worker = &mut self.workers[usize::from(thread)];
            if worker.at == At::Sleeping {
                worker.at = At::Woken(Wake::default());
                self.schedule(ctx, usize::from(thread));
            }
        }
        self.wires.carry(ctx, &mut self.linux);
    }

    /// One system call of a thread, or none if there is nothing to do where it is.
    fn turn(&mut self, ctx: &mut Ctx<'_>, thread: usize) -> Turn {
        if self.workers[thread].at == At::Next && !self.begin(thread) {
            return Turn::Sleeps;
        }
        match self.workers[thread].at {
            At::Wait | At::Woken(_) => return self.wait(ctx, thread),
            At::Sleeping => return Turn::Sleeps,
            // An event that was stale is dropped without a call.
            At::Next => {}
            At::Accept(count) => return self.accept(ctx, thread, count),
            At::Evict(fd, count) => self.evict(ctx, thread, fd, count),
            At::Register(fd, count) => self.register(ctx, thread, fd, count),
            At::Rearm(target) => self.rearm_own(ctx, thread, target),
            At::ReadSignals => self.read_signals(ctx, thread),
            At::RearmEarly(work) => self.rearm_early(ctx, thread, work),
            At::Urgent(work) => self.read_urgent(ctx, thread, work),
            At::Read(work) => self.read(ctx, thread, work),
            At::Write(work) => self.write(ctx, thread, work),
            At::Finish(work) => self.finish(ctx, thread, work),
            At::Close(work) => return self.close(ctx, thread, work),
        }
        Turn::Again
    }

    /// Takes the next task in hand, if the lock of the table is free. Returns whether the thread goes on.
    fn begin(&mut self, thread: usize) -> bool {
        let Some(task) = self.workers[thread].batch.front().copied() else {
            self.workers[thread].at = At::Wait;
            return true;
        };
        let at = match task.target {
            Target::Listener => At::Accept(0),
            Target::Signals => At::ReadSignals,
            Target::Connection(_) if self.is_locked_by_another(thread) => return false,
            Target::Connection(_) => self.claim(task),
        };
        let worker = &mut self.workers[thread];
        worker.batch.pop_front();
        worker.at = at;
        true
    }

    /// Whether another thread holds the lock; then this one queues for it.
    fn is_locked_by_another(&mut self, thread: usize) -> bool {
        let thread = thread as u16;
        match self.lock.holder() {
            Some(holder) if holder != thread => {
                self.lock.take(thread);
                true
            }
            _ => false,
        }
    }

    fn release_lock(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        for waiting in self.lock.release(thread as u16).into_iter().map(usize::from) {
            // A handler that had to wait has the lock now, for no time, and returns.
            self.workers[waiting].is_in_handler = false;
            self.schedule(ctx, waiting);
        }
    }

    // The listening socket and the signals.

    /// What is asked of epoll for the program's own descriptors.
    fn interest_of(&self, target: Target) -> Events {
        let is_listener = target == Target::Listener;
        Events::IN
            | Events::ET.when(is_listener && self.options.trigger == Trigger::Edge)
            | Events::ONESHOT.when(self.options.mode == Mode::Shared)
            | Events::EXCLUSIVE.when(is_listener && self.options.accept == Accept::Exclusive)
    }

    /// After the listening socket or the signals: under one-shot they are armed again.
    fn after_own(&mut self, thread: usize, target: Target) {
        let is_shared = self.options.mode == Mode::Shared;
        self.workers[thread].at = if is_shared { At::Rearm(target) } else { At::Next };
    }

    fn rearm_own(&mut self, ctx: &mut Ctx<'_>, thread: usize, target: Target) {
        let fd = if target == Target::Listener { self.listener } else { self.signals.0 };
        let (epoll, events) = (self.workers[thread].epoll, self.interest_of(target));
        self.linux.control(epoll, Control::Modify, fd, events, target.to_data()).expect("it is registered");
        self.counters.asked(events);
        self.counters.rearmed += 1;
        ctx.observe(ReactorObservation::Modified { epoll, fd, events });
        self.workers[thread].at = At::Next;
    }

    /// Which description a number stands for.
    fn description(&self, fd: Fd) -> Option<DescriptionId> {
        self.linux.description(fd).ok()
    }

    /// Whether a thread is at work on this connection.
    fn has_thread_at_work(&self, fd: Fd) -> bool {
        self.workers.iter().any(|worker| worker.at.work().is_some_and(|work: &Work| work.token.fd == fd))
    }

    /// `close` of a connection that is no longer in the table: its item leaves epoll with it.
    fn close_connection(&mut self, ctx: &mut Ctx<'_>, connection: &Connection) {
        let fd = connection.token.fd;
        self.linux.close(fd).expect("what is in the table is open");
        ctx.observe(ReactorObservation::Deleted { epoll: connection.home, fd });
    }
}
