//! What clients, redis servers, sentinels and the resource tell those who watch.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Change, Face, Observation};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::vocabulary::Role;

use super::ids::{LockId, Token};
use super::message::RequestId;

/// A lock and who holds it, or wants to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Hold {
    /// Which lock.
    pub lock: LockId,
    /// The token of the holder.
    pub token: Token,
}

/// Something that happened at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum LockObservation {
    /// Client: it begins to ask for a lock, under a token of its own.
    Wanted {
        /// Which lock, and under which token.
        hold: Hold,
        /// The token of an attempt that has failed, in place of which it is.
        instead_of: Option<Token>,
    },
    /// Client: it takes itself for the holder.
    Gained {
        /// Of what.
        hold: Hold,
        /// Its fencing token.
        fence: Option<u64>,
        /// For how long from now on, on its monotonic clock; `None` until it releases the lock.
        validity: Option<Duration>,
    },
    /// Client: it has extended its lock.
    Extended {
        /// Which.
        hold: Hold,
        /// For how long from now on, on its monotonic clock; `None` until it releases the lock.
        validity: Option<Duration>,
    },
    /// Client: an extension got no majority.
    ExtensionFailed(Hold),
    /// Client: its validity is over by its own clock.
    Lapsed(Hold),
    /// Client: it has heard that its lock is another's, or free.
    LossNoticed(Hold),
    /// Client: it gives the lock back, and believes no longer.
    GivenBack(Hold),
    /// Client: its user goes without giving the lock back, and believes no longer.
    Abandoned(Hold),
    /// Client: it gives an attempt up: it has no lock.
    GaveUp(Hold),
    /// Client: it reached a majority too late, and gives back what it has.
    TooLate(Hold),
    /// Redis: it grants a lock.
    Granted {
        /// What.
        hold: Hold,
        /// The client that it goes to.
        client: NodeId,
        /// Which request asked for it.
        request: RequestId,
        /// The fencing token.
        fence: Option<u64>,
    },
    /// Redis: a lock has a new time to live.
    Renewed {
        /// Which.
        hold: Hold,
        /// Who asked for it.
        client: NodeId,
        /// Which request asked for it.
        request: RequestId,
    },
    /// Redis: a lock is free, because this client asked for it.
    Freed {
        /// Which.
        hold: Hold,
        /// Who asked for it.
        client: NodeId,
    },
    /// Redis: the time to live of a lock is over.
    Expired(Hold),
    /// Redis: it has this lock as it starts, or as it becomes the master.
    Kept(Hold),
    /// Redis: it has told everything that it has as it starts.
    Recovered {
        /// How many records of its file it could not use.
        torn: u64,
    },
    /// Redis: it becomes the master; what it has was told before.
    Promoted {
        /// The epoch of the failover.
        epoch: u64,
    },
    /// Redis: it becomes, or starts as, a replica.
    Follows {
        /// Its master.
        master: NodeId,
        /// The epoch of the failover.
        epoch: u64,
    },
    /// Redis: it takes over the whole data of its master, and drops its own.
    Resynchronised,
    /// Redis: a write under a lock was made.
    GuardedWrite {
        /// The lock and the token that holds it.
        hold: Hold,
        /// The value.
        value: u64,
    },
    /// Redis: a write under a lock was refused.
    GuardedRefusal(Hold),
    /// Redis: a write was made without a look at the lock.
    PlainWrite {
        /// The lock and the token under which the client writes.
        hold: Hold,
        /// The value.
        value: u64,
    },
    /// Redis: too few replicas, and the write is refused.
    TooFewReplicas,
    /// Sentinel: the master does not answer.
    SubjectivelyDown(NodeId),
    /// Sentinel: enough sentinels find it down.
    ObjectivelyDown(NodeId),
    /// Sentinel: it is elected to lead a failover.
    FailoverBegun {
        /// In which epoch.
        epoch: u64,
        /// Whom it will make the master.
        successor: NodeId,
        /// Whether it was ordered, and asked for no votes.
        is_ordered: bool,
    },
    /// Sentinel: the new master has taken its role.
    FailoverDone {
        /// The epoch.
        epoch: u64,
        /// The master.
        master: NodeId,
    },
    /// Resource: it gives a ticket.
    Ticket {
        /// The lock and the token that holds it.
        hold: Hold,
        /// The ticket.
        fence: u64,
    },
    /// Resource: a write takes effect.
    Applied {
        /// The lock and the token that holds it.
        hold: Hold,
        /// Its fencing token.
        fence: Option<u64>,
        /// The value.
        value: u64,
    },
    /// Resource: a write is refused, as its fencing token is too old.
    Fenced {
        /// The lock and the token that holds it.
        hold: Hold,
        /// Its fencing token.
        fence: Option<u64>,
    },
}

impl LockObservation {
    /// The roles that it reports.
    pub const ROLES: &'static [Role] = &[Role::ranked("master"), Role::plain("replica")];

    const fn name(&self) -> &'static str {
        match self {
            Self::Wanted { .. } => "lock wanted",
            Self::Gained { .. } => "lock gained",
            Self::Extended { .. } => "lock extended",
            Self::ExtensionFailed(_) => "extension failed",
            Self::Lapsed(_) => "lock lapsed",
            Self::LossNoticed(_) => "loss noticed",
            Self::GivenBack(_) => "lock given back",
            Self::Abandoned(_) => "lock abandoned",
            Self::GaveUp(_) => "attempt given up",
            Self::TooLate(_) => "majority too late",
            Self::Granted { .. } => "lock granted",
            Self::Renewed { .. } => "lock renewed",
            Self::Freed { .. } => "lock freed",
            Self::Expired(_) => "lock expired",
            Self::Kept(_) => "lock kept",
            Self::Recovered { torn: 0 } => "redis recovered",
            Self::Recovered { .. } => "torn tail dropped",
            Self::Promoted { .. } => "master promoted",
            Self::Follows { .. } => "replica follows",
            Self::Resynchronised => "replica resynchronised",
            Self::GuardedWrite { .. } => "guarded write accepted",
            Self::GuardedRefusal(_) => "guarded write refused",
            Self::PlainWrite { .. } => "plain write accepted",
            Self::TooFewReplicas => "too few replicas",
            Self::SubjectivelyDown(_) => "master subjectively down",
            Self::ObjectivelyDown(_) => "master objectively down",
            Self::FailoverBegun { .. } => "failover begun",
            Self::FailoverDone { .. } => "failover done",
            Self::Ticket { .. } => "ticket given",
            Self::Applied { .. } => "write applied",
            Self::Fenced { .. } => "write fenced",
        }
    }

    const fn change(&self) -> Change {
        match self {
            Self::Gained { hold, .. } => Change::Gained { kind: "lock", resource: hold.lock.0 },
            Self::Lapsed(hold) | Self::LossNoticed(hold) | Self::GivenBack(hold) | Self::Abandoned(hold) => {
                Change::Lost { kind: "lock", resource: hold.lock.0 }
            }
            Self::Promoted { epoch } => Change::Role { role: "master", rank: *epoch },
            Self::Follows { epoch, .. } => Change::Role { role: "replica", rank: *epoch },
            _ => Change::None,
        }
    }
}

impl Observation for LockObservation {
    const NAMES: &'static [&'static str] = &[
        "lock wanted",
        "lock gained",
        "lock extended",
        "extension failed",
        "lock lapsed",
        "loss noticed",
        "lock given back",
        "lock abandoned",
        "attempt given up",
        "majority too late",
        "lock granted",
        "lock renewed",
        "lock freed",
        "lock expired",
        "lock kept",
        "redis recovered",
        "torn tail dropped",
        "master promoted",
        "replica follows",
        "replica resynchronised",
        "guarded write accepted",
        "guarded write refused",
        "plain write accepted",
        "too few replicas",
        "master subjectively down",
        "master objectively down",
        "failover begun",
        "failover done",
        "ticket given",
        "write applied",
        "write fenced",
    ];

    fn face(&self) -> Face {
        Face::new(self.name(), self.change())
    }
}
