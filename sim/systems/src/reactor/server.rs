//! A server's machine: the model of Linux, and the program on it, whose threads run call by call.
//!
//! The process is the node. A thread that can run has a timer, [`ReactorTimer::Run`], and makes one system call when it
//! fires; the time to the next one is drawn, so that threads interleave in every way, and some are delayed for longer.
//! What arrives from the network or by a signal comes between any two calls. A thread that sleeps in `epoll_wait` or
//! waits for the lock has no timer.

mod accept;
mod connection;
mod wires;

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, Source};
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::linux::descriptor::{DescriptionId, Fd};
use super::linux::errno::Errno;
use super::linux::events::Events;
use super::linux::thread::Thread;
use super::linux::{Control, Limits, Linux};
use super::message::Wire;
use super::node::{ReactorNode, ReactorTimer};
use super::observation::ReactorObservation;
use super::options::{Accept, Mode, ReactorOptions, Signals, Trigger};
use super::tally::Tally;
use super::worker::{At, Lock, Target, Task, Work, Worker};

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
/// - A thread has a timer if and only if it can run.
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
    tally: Tally,
}

impl Server {
    /// A process that has opened what it always has open, and whose threads are about to wait.
    pub(super) fn new(options: Arc<ReactorOptions>) -> Self {
        let buffer = u32::try_from(options.socket_buffer).expect("it was validated");
        let limits = Limits { tcp_buffer: buffer, ..Limits::LINUX };
        let mut linux = Linux::new(limits, options.bug.slip());
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
            tally: Tally::default(),
            options,
        };
        server.start_threads();
        server.highest = server.linux.table().iter().map(|(fd, _)| fd).max().expect("the listener is open");
        server
    }

    /// Epoll instances and threads, as the mode has them; who accepts has the listening socket and the signals.
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
        let accepting = if self.options.accept == Accept::Exclusive { &epolls[..] } else { &epolls[..1] };
        for epoll in accepting {
            self.add(*epoll, self.listener, self.interest_of(Target::Listener), Target::Listener);
        }
        self.add(epolls[0], self.signals.0, self.interest_of(Target::Signals), Target::Signals);
    }

    fn add(&mut self, epoll: Fd, fd: Fd, events: Events, target: Target) {
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

    /// What happened so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    // Inputs.

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        (0..self.workers.len()).for_each(|thread| self.schedule(ctx, thread));
        self.schedule_signal(ctx);
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: ReactorTimer) {
        match timer {
            ReactorTimer::Run(thread) => self.run(ctx, usize::from(thread.0)),
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
            self.linux.hear(id, super::linux::stream::Segment::Reset);
        }
        self.settle(ctx);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        if let Some(id) = source.connection.and_then(|connection| self.wires.description(connection)) {
            self.linux.hear(id, wires::segment(message));
        }
        self.settle(ctx);
    }

    /// A signal arrives at the process. A handler runs in a thread that the kernel chooses, between two of its calls.
    pub(super) fn on_signal(&mut self, ctx: &mut Ctx<'_>) {
        let Some(writer) = self.signals.1 else {
            self.linux.raise(self.signals.0, 1);
            return self.settle(ctx);
        };
        let thread = ctx.rng().below(self.workers.len() as u64) as usize;
        ctx.observe(ReactorObservation::SignalDelivered { thread: Thread(thread as u16) });
        if self.options.bug == Bug::HandlerTakesLock
            && let Some(holder) = self.lock.holder()
        {
            let (thread, holder) = (Thread(thread as u16), Thread(holder));
            ctx.observe(ReactorObservation::HandlerWaits { thread, holder });
            self.workers[usize::from(thread.0)].is_stuck = thread == holder;
        }
        if self.linux.interrupt(Thread(thread as u16)) {
            self.workers[thread].at = At::Interrupted;
            self.schedule(ctx, thread);
        }
        // One byte, and no matter if the pipe is full: then a byte is there.
        let written = self.linux.write(writer, &[1]);
        assert!(written.is_ok() || written == Err(Errno::Again), "the self-pipe is open for as long as the server");
        self.settle(ctx);
    }

    // Threads.

    fn schedule_signal(&self, ctx: &mut Ctx<'_>) {
        if !self.options.signal_every.is_zero() {
            let gap = ctx.rng().exponential(self.options.signal_every);
            ctx.set_timer(ReactorTimer::Signal, gap);
        }
    }

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
        if self.workers[thread].is_stuck {
            return;
        }
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
                worker.at = At::Wait;
                self.schedule(ctx, usize::from(thread));
            }
        }
        self.wires.carry(ctx, &mut self.linux);
    }

    /// One system call of a thread.
    fn turn(&mut self, ctx: &mut Ctx<'_>, thread: usize) -> Turn {
        if self.workers[thread].at == At::Next && !self.begin(thread) {
            return Turn::Sleeps;
        }
        match self.workers[thread].at {
            At::Wait => return self.wait(ctx, thread),
            At::Sleeping => return Turn::Sleeps,
            At::Interrupted => {
                self.tally.interrupted_waits += 1;
                ctx.observe(ReactorObservation::WaitInterrupted { thread: Thread(thread as u16) });
                self.workers[thread].at = At::Wait;
            }
            // An event that was stale is dropped without a call.
            At::Next => {}
            At::Accept(count) => return self.accept(ctx, thread, count),
            At::Register(fd, count) => self.register(ctx, thread, fd, count),
            At::Rearm(target) => self.rearm_own(thread, target),
            At::ReadSignals => self.read_signals(ctx, thread),
            At::RearmEarly(work) => self.rearm_early(thread, work),
            At::Urgent(work) => self.read_urgent(ctx, thread, work),
            At::Read(work) => self.read(ctx, thread, work),
            At::Write(work) => self.write(thread, work),
            At::Finish(work) => self.finish(thread, work),
            At::Close(work) => return self.close(ctx, thread, work),
        }
        Turn::Again
    }

    fn wait(&mut self, ctx: &mut Ctx<'_>, thread: usize) -> Turn {
        let max = usize::try_from(self.options.events_max).expect("it was validated");
        let worker = &mut self.workers[thread];
        let mut events = self.linux.wait(worker.epoll, max).expect("the instance is open");
        if events.is_empty() && worker.later.is_empty() {
            self.linux.begin_wait(worker.epoll, Thread(thread as u16)).expect("the instance is open");
            worker.at = At::Sleeping;
            return Turn::Sleeps;
        }
        if self.options.shuffle {
            ctx.rng().shuffle(&mut events);
        }
        self.tally.waits += 1;
        events.iter().for_each(|event| self.tally.event(event.events));
        let task = |event: &super::linux::epoll::Event| Task {
            target: Target::from_data(event.data),
            fired: event.events,
            item: event.item.description,
        };
        worker.batch.extend(events.iter().map(task));
        // What was left unfinished and is reported again gets one task: with two it would have two in each later round.
        for left in std::mem::take(&mut worker.later) {
            match worker.batch.iter_mut().find(|task| task.target == left.target) {
                Some(task) => task.fired |= left.fired,
                None => worker.batch.push_back(left),
            }
        }
        worker.at = At::Next;
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
        for waiting in self.lock.release(thread as u16) {
            self.schedule(ctx, usize::from(waiting));
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

    fn rearm_own(&mut self, thread: usize, target: Target) {
        let fd = if target == Target::Listener { self.listener } else { self.signals.0 };
        let (epoll, events) = (self.workers[thread].epoll, self.interest_of(target));
        self.linux.control(epoll, Control::Modify, fd, events, target.to_data()).expect("it is registered");
        self.tally.rearmed += 1;
        self.workers[thread].at = At::Next;
    }

    fn read_signals(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        match self.linux.read(self.signals.0, 16) {
            Ok(bytes) => {
                self.tally.signals += bytes.len() as u64;
                ctx.observe(ReactorObservation::SignalsRead { count: bytes.len() as u32 });
            }
            Err(_) => self.after_own(thread, Target::Signals),
        }
    }

    /// Which description a number stands for.
    fn description(&self, fd: Fd) -> Option<DescriptionId> {
        self.linux.description(fd).ok()
    }

    /// Whether a thread is at work on this connection, or is about to be.
    fn is_in_hand(&self, fd: Fd) -> bool {
        self.workers.iter().any(|worker| worker.at.work().is_some_and(|work: &Work| work.token.fd == fd))
    }
}
