//! A thread of the server: where it is in its program, and what it has in hand.
//!
//! ```text
//!            ┌─────────────────────────── no task is left ◀──────────────────────────────┐
//!            ▼                                                                           │
//!   Wait ──▶ Sleeping ──▶ Next ─┬─ listener ───▶ Accept ▶ Evict ▶ Register ──▶ Rearm ────┤
//!     ▲         │               ├─ signals ────▶ ReadSignals ────────────────▶ Rearm ────┤
//!     └────── Woken             └─ connection ─▶ Urgent ▶ Read ▶ Write ─┬────▶ Finish ───┤
//!                                                                       └────▶ Close ────┘
//! ```
//!
//! Each state but `Sleeping` and `Next` stands for one system call, and other threads may run between any two. `Evict`
//! comes only if the table is full, and as often as it takes. `Write` with nothing to write, `Finish` with nothing to
//! change, and an event that is stale are passed without a call. The known bug of [`At::RearmEarly`] comes before
//! `Read`.

use std::collections::VecDeque;

use splitbrain_kernel::serde::Serialize;

use super::linux::Wake;
use super::linux::descriptor::{DescriptionId, Fd};
use super::linux::events::Events;

/// What the program gave to epoll with a connection, and gets back with each event: the number, and a count that tells
/// two uses of it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Token {
    /// The number.
    pub fd: Fd,
    /// Which use of it.
    pub generation: u32,
}

/// The tokens of what is no connection.
const LISTENER: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;

/// What an event is about, as far as the program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Target {
    /// The listening socket.
    Listener,
    /// The self-pipe or the signalfd.
    Signals,
    /// A connection.
    Connection(Token),
}

impl Target {
    /// As the user data of epoll.
    pub const fn to_data(self) -> u64 {
        match self {
            Self::Listener => LISTENER,
            Self::Signals => SIGNALS,
            Self::Connection(token) => (token.generation as u64) << 32 | token.fd.0 as u64,
        }
    }

    /// From the user data of epoll.
    pub const fn from_data(data: u64) -> Self {
        match data {
            LISTENER => Self::Listener,
            SIGNALS => Self::Signals,
            _ => Self::Connection(Token { fd: Fd(data as u32), generation: (data >> 32) as u32 }),
        }
    }
}

/// Something to do: an event that a wait returned, or what was left of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// What it is about.
    pub target: Target,
    /// What was reported.
    pub fired: Events,
    /// Whose event it is, by the kernel. The program does not know it; it is for those who watch.
    pub item: DescriptionId,
}

/// A connection that a thread is at work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Which connection, as the program believes.
    pub token: Token,
    /// What was reported.
    pub fired: Events,
    /// Whose event it is, by the kernel.
    pub item: DescriptionId,
    /// Reads and writes so far.
    pub calls: u64,
    /// The first read found nothing to read (`EAGAIN`).
    pub is_empty: bool,
    /// A request was completed.
    pub has_request: bool,
    /// There is more to do than one turn allows.
    pub is_unfinished: bool,
}

/// Where a thread is in its program: which call comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// `epoll_wait`.
    Wait,
    /// It sleeps in `epoll_wait`.
    Sleeping,
    /// Something has woken it in `epoll_wait`, which looks again: a change, the end of its time, or a signal, whose
    /// handler runs when the wait returns.
    Woken(Wake),
    /// It takes the next task in hand.
    Next,
    /// `accept`, after this many.
    Accept(u64),
    /// `close` of the connection that was idle for longest, to make room for one that was just accepted, with the lock
    /// held; the count is of those accepted before.
    Evict(Fd, u64),
    /// `epoll_ctl` for a connection that was just accepted, with the lock held; the count is of those before it.
    Register(Fd, u64),
    /// `epoll_ctl` for the listening socket or the signals, under one-shot.
    Rearm(Target),
    /// `read` of the self-pipe or the signalfd.
    ReadSignals,
    /// `epoll_ctl` before anything else: a known bug.
    RearmEarly(Work),
    /// `recv` of the urgent byte.
    Urgent(Work),
    /// `readv`.
    Read(Work),
    /// `writev`.
    Write(Work),
    /// `epoll_ctl`, if the interest has changed or one-shot asks for it.
    Finish(Work),
    /// `close`.
    Close(Work),
}

impl At {
    /// The connection that the thread is at work on.
    pub const fn work(&self) -> Option<&Work> {
        match self {
            Self::RearmEarly(work)
            | Self::Urgent(work)
            | Self::Read(work)
            | Self::Write(work)
            | Self::Finish(work)
            | Self::Close(work) => Some(work),
            _ => None,
        }
    }

    /// The number of the connection that the thread has accepted, and that the table does not have yet.
    pub const fn accepted(&self) -> Option<Fd> {
        match self {
            Self::Evict(fd, _) | Self::Register(fd, _) => Some(*fd),
            _ => None,
        }
    }

    /// Whether the thread sleeps or looks again in `epoll_wait`, and a signal is pending whose handler it will run.
    pub const fn is_signalled(&self) -> bool {
        matches!(self, Self::Woken(Wake { is_signalled: true, .. }))
    }
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The epoll instance that it waits on.
    pub epoll: Fd,
    /// Where it is.
    pub at: At,
    /// What the last wait returned, as far as it was not begun.
    pub batch: VecDeque<Task>,
    /// What is left of earlier events, for after the next wait.
    pub later: VecDeque<Task>,
    /// A signal handler runs in it and has not returned: until then the thread makes no call of its own. A handler
    /// takes no time unless it waits for something.
    pub is_in_handler: bool,
}

impl Worker {
    /// A thread that is about to wait.
    pub const fn new(epoll: Fd) -> Self {
        Self { epoll, at: At::Wait, batch: VecDeque::new(), later: VecDeque::new(), is_in_handler: false }
    }

    /// Everything in hand that is not begun.
    pub fn in_hand(&self) -> impl Iterator<Item = &Task> {
        self.batch.iter().chain(&self.later)
    }

    /// Whether it is at work on the listening socket or the signals.
    pub fn is_at(&self, target: Target) -> bool {
        match self.at {
            At::Accept(_) | At::Evict(..) | At::Register(..) => target == Target::Listener,
            At::ReadSignals => target == Target::Signals,
            At::Rearm(what) => target == what,
            _ => false,
        }
    }
}

/// The lock of the connection table. It is not recursive: a thread that takes it twice waits for itself.
///
/// - A thread waits at most once; the holder waits only if its signal handler has taken the lock a second time.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    holder: Option<u16>,
    waiting: VecDeque<u16>,
}

impl Lock {
    /// Which thread holds it.
    pub const fn holder(&self) -> Option<u16> {
        self.holder
    }

    /// The threads that wait for it, the longest first.
    pub const fn waiting(&self) -> &VecDeque<u16> {
        &self.waiting
    }

    /// Takes it, or queues for it. Returns whether the thread has it.
    pub fn take(&mut self, thread: u16) -> bool {
        if self.holder.is_none() {
            self.holder = Some(thread);
            return true;
        }
        if !self.waiting.contains(&thread) {
            self.waiting.push_back(thread);
        }
        false
    }

    /// Gives it up. Returns who is to try again.
    pub fn release(&mut self, thread: u16) -> Vec<u16> {
        assert!(self.holder == Some(thread), "only the holder gives a lock up");
        self.holder = None;
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_given() {
        let token = Token { fd: Fd(7), generation: 9 };
        for target in [Target::Listener, Target::Signals, Target::Connection(token)] {
            assert_eq!(Target::from_data(target.to_data()), target);
        }
    }

    #[test]
    fn a_lock_has_one_holder_and_wakes_all_who_wait() {
        let mut lock = Lock::default();
        assert!(lock.take(1) && !lock.take(2) && !lock.take(3) && !lock.take(2));
        assert_eq!(lock.release(1), [2, 3]);
        assert_eq!((lock.holder(), lock.waiting().len()), (None, 0));
    }

    #[test]
    fn a_thread_that_takes_a_lock_twice_waits_for_itself() {
        let mut lock = Lock::default();
        assert!(lock.take(1) && !lock.take(1));
        assert_eq!((lock.holder(), lock.waiting()), (Some(1), &VecDeque::from([1])));
    }
}
