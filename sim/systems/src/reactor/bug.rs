//! Known bugs, switchable one at a time: each is a minimal mistake at the place where real programs made it.
//!
//! They prove that the invariants can see. Sources: the bug's own line below, and its place in the code.

use super::linux::epoll::EpollBug;
use super::options::{Mode, ReactorOptions, Signals, Trigger};

splitbrain_kernel::names! {
    /// A known bug.
    pub enum Bug {
        /// None: the code as it should be.
        None = "none",
        /// Under edge triggering a connection is read once for an event, and what is left is never read (mio #45).
        NoDrainUnderEdge = "no_drain_under_edge",
        /// Under one-shot a thread whose read finds nothing (`EAGAIN`) returns without arming the connection again.
        NoRearm = "no_rearm",
        /// Under one-shot a connection is armed again before it was read, so that a second thread gets it too.
        RearmBeforeRead = "rearm_before_read",
        /// An event in hand goes to whatever has this number now (gramine #340).
        StaleEventUsed = "stale_event_used",
        /// Under edge triggering one connection is accepted for an event, however many wait.
        AcceptOnceUnderEdge = "accept_once_under_edge",
        /// The kernel does not look whether a descriptor is ready when it is armed again.
        ModifyWithoutCheck = "modify_without_check",
        /// The kernel puts a level-triggered descriptor that it reported back to the head of its list.
        NoRotation = "no_rotation",
        /// A write that found no room, or not enough, counts as done.
        ShortWriteIgnored = "short_write_ignored",
        /// The signal handler takes the lock of the connection table, maybe from the thread that it interrupted.
        HandlerTakesLock = "handler_takes_lock",
        /// Under one-shot only the direction that fired is armed again (kaappi #1481).
        RearmOnlyWhatFired = "rearm_only_what_fired",
        /// Under edge triggering a connection is read for as long as it has something, whatever else waits (mio #45).
        DrainForever = "drain_forever",
        /// The kernel finds edges by comparing two waits, so that ready, empty, ready is none (tgoskits #1034).
        EdgeSampledInWait = "edge_sampled_in_wait",
        /// Under one-shot an event for a part of a request disarms both directions of a connection, and only reading is
        /// armed again, although an answer waits for room (ponyc #1564).
        ReadEventForgetsWrite = "read_event_forgets_write",
        /// A connection whose client will send no more leaves the table when it is answered, and its descriptor stays
        /// open: it is in `CLOSE_WAIT` for as long as the process lives.
        EndedNotClosed = "ended_not_closed",
        /// A connection whose client will send no more stays open, and in the table, when it is answered.
        EndedKeptOpen = "ended_kept_open",
        /// The kernel puts what changed into the ready list and wakes no thread, so that one that sleeps finds it only
        /// when something else ends its wait.
        CallbackWithoutWake = "callback_without_wake",
        /// After a short writev(2) the buffers are not advanced: they are written again from their beginning.
        ShortWriteRepeated = "short_write_repeated",
        /// `EPOLLRDHUP` is treated as the end of the connection: a client that will send no more, and waits for its
        /// answers, gets none (TinyWebServer).
        RdhupIsClose = "rdhup_is_close",
    }
}

/// Without what a bug has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    OneShot,
    Trigger(Trigger),
    SelfPipe,
}

impl Needed {
    pub(super) fn is_met(self, options: &ReactorOptions) -> bool {
        match self {
            Self::OneShot => options.mode == Mode::Shared,
            Self::Trigger(trigger) => options.trigger == trigger,
            Self::SelfPipe => options.signals == Signals::SelfPipe,
        }
    }

    /// As a scenario says it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::OneShot => "mode = \"shared\"",
            Self::Trigger(Trigger::Edge) => "trigger = \"edge\"",
            Self::Trigger(Trigger::Level) => "trigger = \"level\"",
            Self::SelfPipe => "signals = \"self_pipe\"",
        }
    }
}

impl Bug {
    /// What it needs to have an effect; `None` if it has one with all options.
    pub(super) const fn needed(self) -> Option<Needed> {
        match self {
            Self::NoRearm | Self::RearmBeforeRead | Self::RearmOnlyWhatFired | Self::ReadEventForgetsWrite => {
                Some(Needed::OneShot)
            }
            Self::NoDrainUnderEdge | Self::AcceptOnceUnderEdge | Self::DrainForever | Self::EdgeSampledInWait => {
                Some(Needed::Trigger(Trigger::Edge))
            }
            Self::NoRotation => Some(Needed::Trigger(Trigger::Level)),
            Self::HandlerTakesLock => Some(Needed::SelfPipe),
            _ => None,
        }
    }

    /// The mistake of the kernel that it is, if it is one.
    pub const fn epoll_bug(self) -> EpollBug {
        match self {
            Self::ModifyWithoutCheck => EpollBug::ModifyWithoutCheck,
            Self::NoRotation => EpollBug::NoRotation,
            Self::EdgeSampledInWait => EpollBug::EdgeSampledInWait,
            Self::CallbackWithoutWake => EpollBug::CallbackWithoutWake,
            _ => EpollBug::None,
        }
    }
}
