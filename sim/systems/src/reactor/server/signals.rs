//! Signals: through a handler and a self-pipe, or through a signalfd.

use splitbrain_kernel::context::Context;

use crate::reactor::bug::Bug;
use crate::reactor::linux::Wake;
use crate::reactor::linux::errno::Errno;
use crate::reactor::linux::thread::Thread;
use crate::reactor::node::{ReactorNode, ReactorTimer};
use crate::reactor::observation::ReactorObservation;
use crate::reactor::worker::{At, Target};

use super::Server;

type Ctx<'a> = Context<ReactorNode>;

impl Server {
    pub(super) fn schedule_signal(&self, ctx: &mut Ctx<'_>) {
        if !self.options.signal_every.is_zero() {
            let gap = ctx.rng().exponential(self.options.signal_every);
            ctx.set_timer(ReactorTimer::Signal, gap);
        }
    }

    /// A signal arrives at the process. With a self-pipe the kernel chooses a thread, and the handler runs there: at
    /// once between two calls, or when its `epoll_wait` returns, which the signal ends. Until it has run the signal is
    /// pending, and another one is none.
    pub(in crate::reactor) fn on_signal(&mut self, ctx: &mut Ctx<'_>) {
        match self.signals.1 {
            None => self.linux.raise(self.signals.0, 1),
            Some(_) => {
                // While a handler runs in a thread, that thread takes no second signal.
                let takes = |thread: &usize| !self.workers[*thread].is_in_handler;
                let threads: Vec<usize> = (0..self.workers.len()).filter(takes).collect();
                if threads.is_empty() || self.workers.iter().any(|worker| worker.at.is_signalled()) {
                    return;
                }
                let thread = threads[ctx.rng().below(threads.len() as u64) as usize];
                self.interrupt(ctx, thread);
            }
        }
        self.settle(ctx);
    }

    /// The signal is for this thread.
    fn interrupt(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        match &mut self.workers[thread].at {
            At::Woken(wake) => wake.is_signalled = true,
            at @ At::Sleeping => {
                *at = At::Woken(Wake { is_signalled: true, ..Wake::default() });
                self.schedule(ctx, thread);
            }
            _ => self.run_handler(ctx, thread),
        }
    }

    /// The handler runs in a thread.
    pub(super) fn run_handler(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        ctx.observe(ReactorObservation::SignalDelivered { thread: Thread(thread as u16) });
        let writer = self.signals.1.expect("a handler has a self-pipe");
        // One byte, and no matter if the pipe is full: then a byte is there.
        let written = self.linux.write(writer, &[1]);
        let is_written = written.is_ok() || written == Err(Errno::Again);
        assert!(is_written, "the self-pipe is open for as long as the server");
        if self.options.bug == Bug::HandlerTakesLock {
            self.lock_in_handler(ctx, thread);
        }
    }

    /// The mistake of [`Bug::HandlerTakesLock`]. If the lock is free, the handler gives it back within the same step;
    /// else the thread does not go on until the lock is given to its handler.
    fn lock_in_handler(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        let holder = self.lock.holder();
        if self.lock.take(thread as u16) {
            return self.release_lock(ctx, thread);
        }
        self.workers[thread].is_in_handler = true;
        ctx.cancel_timer(ReactorTimer::Run(Thread(thread as u16)));
        let (thread, holder) = (Thread(thread as u16), Thread(holder.expect("a lock that cannot be taken is held")));
        ctx.observe(ReactorObservation::HandlerWaits { thread, holder });
    }

    /// `read`, once: what is left is reported again, as the pipe and the signalfd are level-triggered in every mode.
    pub(super) fn read_signals(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        if let Ok(bytes) = self.linux.read(self.signals.0, 16) {
            self.counters.signals += bytes.len() as u64;
            ctx.observe(ReactorObservation::SignalsRead { count: bytes.len() as u32 });
        }
        self.after_own(thread, Target::Signals);
    }
}
