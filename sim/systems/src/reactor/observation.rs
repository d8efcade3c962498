//! What servers and clients observe, for invariants and timelines.

use splitbrain_kernel::node::{Change, ConnectionId, Face, Observation};
use splitbrain_kernel::serde::Serialize;

use super::linux::descriptor::Fd;
use super::linux::events::Events;
use super::linux::thread::Thread;
use super::message::Request;
use super::worker::Target;

/// An event, as a wait returned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Reported {
    /// What it is about, as far as the program knows.
    pub target: Target,
    /// What is so.
    pub events: Events,
}

/// Something that happened at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ReactorObservation {
    /// Server: `EPOLL_CTL_ADD`.
    Added {
        /// To which epoll instance.
        epoll: Fd,
        /// Which descriptor.
        fd: Fd,
        /// What is asked for, and how.
        events: Events,
    },
    /// Server: `EPOLL_CTL_MOD`.
    Modified {
        /// In which epoll instance.
        epoll: Fd,
        /// Which descriptor.
        fd: Fd,
        /// What is asked for from now on, and how.
        events: Events,
    },
    /// Server: a descriptor has left its epoll instance, as it was closed.
    Deleted {
        /// From which epoll instance.
        epoll: Fd,
        /// Which descriptor.
        fd: Fd,
    },
    /// Server: `epoll_wait` found nothing, and its thread sleeps.
    WaitBegan {
        /// Which thread.
        thread: Thread,
    },
    /// Server: `epoll_wait` has returned events.
    WaitReturned {
        /// In which thread.
        thread: Thread,
        /// In their order.
        events: Vec<Reported>,
    },
    /// Server: a thread was woken in `epoll_wait`, and others have taken what there was.
    SpuriousWakeUp {
        /// Which thread.
        thread: Thread,
    },
    /// Server: `epoll_wait` has returned nothing, as its time was over.
    WaitTimedOut {
        /// In which thread.
        thread: Thread,
    },
    /// Server: an event of the listening socket came, and another thread had accepted what there was.
    AcceptedNothing {
        /// In which thread.
        thread: Thread,
    },
    /// Server: a connection was accepted and registered.
    Accepted {
        /// Its number.
        fd: Fd,
        /// Which use of a number, over all.
        generation: u32,
    },
    /// Server: a connection came while the accept queue was full.
    QueueFull,
    /// Server: a connection was closed for the sake of a new one.
    Evicted {
        /// Its number.
        fd: Fd,
    },
    /// Server: a connection was closed.
    Closed {
        /// Its number.
        fd: Fd,
    },
    /// Server: a request was complete, and its answer waits to be written.
    Served {
        /// The request.
        id: u64,
    },
    /// Server: an urgent byte was read.
    UrgentRead {
        /// Of which connection.
        fd: Fd,
    },
    /// Server: a signal handler runs in a thread.
    SignalDelivered {
        /// Which.
        thread: Thread,
    },
    /// Server: a signal handler has to wait for a lock.
    HandlerWaits {
        /// The thread that was interrupted.
        thread: Thread,
        /// The thread that holds the lock.
        holder: Thread,
    },
    /// Server: signals were read from the pipe or the signalfd.
    SignalsRead {
        /// How many.
        count: u32,
    },
    /// Server: a signal ended a wait.
    WaitInterrupted {
        /// Of which thread.
        thread: Thread,
    },
    /// Client: a request was begun on a connection.
    Sent {
        /// Which connection.
        connection: ConnectionId,
        /// Its number.
        id: u64,
        /// What is asked for.
        request: Request,
    },
    /// Client: an answer came.
    Answered {
        /// Over which connection.
        connection: ConnectionId,
        /// The request that it names.
        id: u64,
        /// Bytes of its body.
        size: u32,
    },
    /// Client: what came is no answer.
    Malformed {
        /// Over which connection.
        connection: ConnectionId,
    },
    /// Client: a connection is over, by either side.
    Over {
        /// Which.
        connection: ConnectionId,
    },
    /// Client: a connection is over, and a request that it carried will have no answer.
    Unanswered {
        /// Which connection.
        connection: ConnectionId,
        /// The request.
        id: u64,
    },
    /// Client: no answer came in time.
    TimedOut {
        /// Over which connection.
        connection: ConnectionId,
    },
    /// Client: a connection was reset in the middle of a request.
    Abandoned {
        /// Which.
        connection: ConnectionId,
    },
    /// Client: it has shut its sending side, and waits for the answers.
    HalfClosed {
        /// Which connection.
        connection: ConnectionId,
    },
}

impl ReactorObservation {
    const fn name(&self) -> &'static str {
        match self {
            Self::Added { .. } => "descriptor added",
            Self::Modified { .. } => "descriptor modified",
            Self::Deleted { .. } => "descriptor deleted",
            Self::WaitBegan { .. } => "wait began",
            Self::WaitReturned { .. } => "wait returned",
            Self::SpuriousWakeUp { .. } => "spurious wake-up",
            Self::WaitTimedOut { .. } => "wait timed out",
            Self::AcceptedNothing { .. } => "nothing to accept",
            Self::Accepted { .. } => "connection accepted",
            Self::QueueFull => "accept queue full",
            Self::Evicted { .. } => "connection evicted",
            Self::Closed { .. } => "connection closed",
            Self::Served { .. } => "request served",
            Self::UrgentRead { .. } => "urgent byte read",
            Self::SignalDelivered { .. } => "signal delivered",
            Self::HandlerWaits { .. } => "signal handler waits",
            Self::SignalsRead { .. } => "signals read",
            Self::WaitInterrupted { .. } => "wait interrupted",
            Self::Sent { .. } => "request sent",
            Self::Answered { .. } => "request answered",
            Self::Malformed { .. } => "answer malformed",
            Self::Over { .. } => "connection over",
            Self::Unanswered { .. } => "request unanswered",
            Self::TimedOut { .. } => "request timed out",
            Self::Abandoned { .. } => "connection abandoned",
            Self::HalfClosed { .. } => "connection half-closed",
        }
    }
}

impl Observation for ReactorObservation {
    const NAMES: &'static [&'static str] = &[
        "descriptor added",
        "descriptor modified",
        "descriptor deleted",
        "wait began",
        "wait returned",
        "spurious wake-up",
        "wait timed out",
        "nothing to accept",
        "connection accepted",
        "accept queue full",
        "connection evicted",
        "connection closed",
        "request served",
        "urgent byte read",
        "signal delivered",
        "signal handler waits",
        "signals read",
        "wait interrupted",
        "request sent",
        "request answered",
        "answer malformed",
        "connection over",
        "request unanswered",
        "request timed out",
        "connection abandoned",
        "connection half-closed",
    ];

    fn face(&self) -> Face {
        Face::new(self.name(), Change::None)
    }
}
