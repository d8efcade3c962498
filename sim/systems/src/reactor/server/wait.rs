//! `epoll_wait`: it returns events, or sleeps until it is woken, a signal interrupts it, or its time is over.

use splitbrain_kernel::context::Context;

use crate::reactor::linux::Wake;
use crate::reactor::linux::epoll::Event;
use crate::reactor::linux::errno::Errno;
use crate::reactor::linux::thread::Thread;
use crate::reactor::node::{ReactorNode, ReactorTimer};
use crate::reactor::observation::{ReactorObservation, Reported};
use crate::reactor::worker::{At, Target, Task};

use super::{Server, Turn};

type Ctx<'a> = Context<ReactorNode>;

impl Server {
    pub(super) fn wait(&mut self, ctx: &mut Ctx<'_>, thread: usize) -> Turn {
        let max = usize::try_from(self.options.events_max).expect("it was validated");
        let (name, before) = (Thread(thread as u16), self.workers[thread].at);
        let epoll = self.workers[thread].epoll;
        match before {
            At::Woken(wake) => match self.linux.resume_wait(epoll, name, max, wake) {
                Ok(None) => return self.sleep_on(ctx, thread),
                Ok(Some(events)) if events.is_empty() => self.wait_timed_out(ctx, thread),
                Ok(Some(events)) => self.wait_returned(ctx, thread, events),
                Err(error) => {
                    assert!(error == Errno::Interrupted, "the instance is open");
                    self.wait_interrupted(ctx, thread);
                }
            },
            _ => {
                let events = self.linux.wait(epoll, max).expect("the instance is open");
                if events.is_empty() && self.workers[thread].later.is_empty() {
                    return self.sleep(ctx, thread);
                }
                self.wait_returned(ctx, thread, events);
            }
        }
        if before.is_signalled() {
            self.run_handler(ctx, thread);
        }
        if self.workers[thread].is_in_handler { Turn::Sleeps } else { Turn::Again }
    }

    fn wait_returned(&mut self, ctx: &mut Ctx<'_>, thread: usize, mut events: Vec<Event>) {
        ctx.cancel_timer(ReactorTimer::WaitOver(Thread(thread as u16)));
        if self.options.shuffle {
            ctx.rng().shuffle(&mut events);
        }
        self.counters.waits += u64::from(!events.is_empty());
        self.counters.empty_waits += u64::from(events.is_empty());
        let reported = |event: &Event| Reported { target: Target::from_data(event.data), events: event.events };
        let reported: Vec<Reported> = events.iter().map(reported).collect();
        reported.iter().for_each(|event| self.counters.event(event.target == Target::Listener, event.events));
        ctx.observe(ReactorObservation::WaitReturned { thread: Thread(thread as u16), events: reported });
        self.take(thread, &events);
    }

    /// The events are the thread's, with what it has left unfinished.
    fn take(&mut self, thread: usize, events: &[Event]) {
        let worker = &mut self.workers[thread];
        worker.batch.extend(events.iter().map(|event| Task {
            target: Target::from_data(event.data),
            fired: event.events,
            item: event.item.description,
        }));
        // What was left unfinished and is reported again gets one task: with two it would have two in each later round.
        for left in std::mem::take(&mut worker.later) {
            match worker.batch.iter_mut().find(|task| task.target == left.target) {
                Some(task) => task.fired |= left.fired,
                None => worker.batch.push_back(left),
            }
        }
        worker.at = At::Next;
    }

    /// Nothing is there.
    fn sleep(&mut self, ctx: &mut Ctx<'_>, thread: usize) -> Turn {
        let name = Thread(thread as u16);
        self.linux.begin_wait(self.workers[thread].epoll, name).expect("the instance is open");
        self.workers[thread].at = At::Sleeping;
        ctx.observe(ReactorObservation::WaitBegan { thread: name });
        if !self.options.wait_timeout.is_zero() {
            ctx.set_timer(ReactorTimer::WaitOver(name), self.options.wait_timeout);
        }
        Turn::Sleeps
    }

    /// The thread was woken for nothing, and sleeps for the rest of its time.
    fn sleep_on(&mut self, ctx: &mut Ctx<'_>, thread: usize) -> Turn {
        self.workers[thread].at = At::Sleeping;
        self.counters.spurious_wake_ups += 1;
        ctx.observe(ReactorObservation::SpuriousWakeUp { thread: Thread(thread as u16) });
        Turn::Sleeps
    }

    /// The time of a wait is over. The thread looks once more before it says so.
    pub(super) fn on_wait_over(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        match &mut self.workers[thread].at {
            At::Woken(wake) => wake.is_over = true,
            at @ At::Sleeping => {
                *at = At::Woken(Wake { is_over: true, ..Wake::default() });
                self.schedule(ctx, thread);
            }
            _ => unreachable!("the timer is cancelled when the wait returns"),
        }
    }

    fn wait_timed_out(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        self.counters.timed_out_waits += 1;
        ctx.observe(ReactorObservation::WaitTimedOut { thread: Thread(thread as u16) });
        self.workers[thread].at = At::Wait;
    }

    fn wait_interrupted(&mut self, ctx: &mut Ctx<'_>, thread: usize) {
        ctx.cancel_timer(ReactorTimer::WaitOver(Thread(thread as u16)));
        self.counters.interrupted_waits += 1;
        ctx.observe(ReactorObservation::WaitInterrupted { thread: Thread(thread as u16) });
        self.workers[thread].at = At::Wait;
    }
}
