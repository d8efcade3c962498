//! What the processes tell those who watch: grants of masters, beliefs of followers, effects at volumes.

use splitbrain_kernel::embedding::Embedding as _;
use splitbrain_kernel::joined;
use splitbrain_kernel::node::{Change, Face, Observation};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::time::Duration;

use crate::raft::observation::RaftObservation;

use super::chunk::stop::StopSource;
use super::command::Command;
use super::ids::{Epoch, Identity, Instance, ItemKey, Resource, SessionId, Term, Token};
use super::master::journal::RaftInMeta;

/// A part of the access manager's expired callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ExpiredPart {
    /// The chunk manager takes the chunk for expired.
    Chunk,
    /// The extent manager gives up the chunk's leases of extents.
    Extent,
    /// What both have in common: the session leaves the table. It must be the last.
    Common,
}

macro_rules! observations {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident $({ $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty),+ $(,)? })? = $name:literal,
    )+) => {
        /// Something that happened at a node.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(crate = "splitbrain_kernel::serde")]
        pub enum SessionObservation {
            $($(#[doc = $doc])+ $variant $({ $($(#[doc = $field_doc])+ $field: $type),+ })?,)+
            /// Of the replicated log inside a master.
            Raft(RaftObservation<Command>),
        }

        impl Observation for SessionObservation {
            const NAMES: &'static [&'static str] = joined!(&[$($name),+], RaftObservation::<Command>::NAMES);
            const PLACED: &'static [&'static str] = RaftObservation::<Command>::PLACED;

            fn face(&self) -> Face {
                let name = match self {
                    $(Self::$variant $({ $($field: _),+ })? => $name,)+
                    Self::Raft(inner) => return inner.face().in_group(RaftInMeta::GROUP),
                };
                Face::new(name, self.change())
            }
        }
    };
}

observations! {
    /// Master: it leads from now on.
    Leads {
        /// In this term.
        term: Term,
    } = "master leads",
    /// Master: it leads no longer.
    SteppedDown {
        /// In which term it did.
        term: Term,
    } = "master stepped down",
    /// Master, callback of the access manager: a session is about to be created, or to be reused.
    Initialized {
        /// Which.
        session: SessionId,
        /// The machine of its owner: all processes on it have this one.
        identity: Identity,
        /// By which process.
        instance: Instance,
        /// Whether it existed before.
        is_reused: bool,
    } = "session initialized",
    /// Master: the lease of a session begins to run.
    LeaseStarted {
        /// Of which session.
        session: SessionId,
    } = "lease started",
    /// Master, callback of the access manager: a session is created.
    Created {
        /// Which.
        session: SessionId,
        /// The machine of its owner: all processes on it have this one.
        identity: Identity,
        /// By which process.
        instance: Instance,
        /// Which process of the identity that is.
        epoch: Epoch,
    } = "session created",
    /// Master: a session that had not expired is used again.
    Reused {
        /// Which.
        session: SessionId,
        /// By which process.
        instance: Instance,
    } = "session reused",
    /// Master: a keepalive has extended a lease.
    Extended {
        /// Of which session.
        session: SessionId,
    } = "lease extended",
    /// Master: it is durable how much of a lease that nobody extends remains.
    Checkpointed {
        /// Of which session.
        session: SessionId,
        /// How much.
        remaining: Duration,
    } = "lease written down",
    /// Master: a callback of the access manager failed, and the session is not created.
    CallbackFailed = "callback failed",
    /// Master: it is decided, and durable, that a session expires.
    Expired {
        /// Which.
        session: SessionId,
    } = "session expired",
    /// Master, callback of the access manager: a part of the expired callback has run.
    ExpiredPartRan {
        /// For which session.
        session: SessionId,
        /// Which part.
        part: ExpiredPart,
        /// Whether the session was found in the table.
        is_found: bool,
    } = "expired callback ran",
    /// Master: a part of the expired callback has failed, and is to run again.
    ExpiredPartFailed {
        /// For which session.
        session: SessionId,
        /// Which part.
        part: ExpiredPart,
    } = "expired callback failed",
    /// Master: a session has left the table.
    Erased {
        /// Which.
        session: SessionId,
    } = "session erased",
    /// Master: an item is set.
    ItemSet {
        /// Of this session.
        session: SessionId,
        /// Which.
        key: ItemKey,
    } = "item set",
    /// Master: an item is removed.
    ItemRemoved {
        /// Of this session.
        session: SessionId,
        /// Which.
        key: ItemKey,
    } = "item removed",
    /// Master: an item is gone with its session.
    ItemDropped {
        /// Of this session.
        session: SessionId,
        /// Which.
        key: ItemKey,
    } = "item dropped",
    /// Master: a request about items came under a session that does not live.
    ItemRefused {
        /// Which session.
        session: SessionId,
    } = "item refused",
    /// Master: a target is granted.
    TargetGranted {
        /// Which.
        resource: Resource,
        /// To this session.
        session: SessionId,
        /// Under this token.
        token: Token,
    } = "target granted",
    /// Master: a process that has been replaced is refused.
    Superseded {
        /// Which.
        instance: Instance,
    } = "instance refused",
    /// Follower: it asks for a session, for the first time or again.
    Creating {
        /// At this master.
        master: u16,
    } = "session asked for",
    /// Follower, in its created callback: both sides agree on a version of the protocol.
    Negotiated {
        /// Under which session.
        session: SessionId,
        /// Which version.
        version: u64,
    } = "capability negotiated",
    /// Follower, in its created callback: the data report begins anew.
    ReportBegun {
        /// Under which session.
        session: SessionId,
        /// With this extent.
        start: u64,
        /// How many extents a part of it has.
        size: u64,
    } = "data report begun",
    /// Follower: the access handler's part of the created callback has run; that of the node server comes next.
    FollowerCreated {
        /// For which session.
        session: SessionId,
    } = "follower created",
    /// Follower: it has a session and believes that it lives.
    Alive {
        /// Which.
        session: SessionId,
    } = "session alive",
    /// Follower: it enters the keepalive loop.
    LoopBegun {
        /// For which session.
        session: SessionId,
    } = "keepalive loop begun",
    /// Follower: its lease is over, and it does not know whether the session lives.
    Jeopardy {
        /// Which session.
        session: SessionId,
    } = "jeopardy",
    /// Follower: a keepalive was answered in time, and the session lives.
    Restored {
        /// Which session.
        session: SessionId,
    } = "session restored",
    /// Follower, in its expired callback: the session is lost.
    FollowerExpired {
        /// Which.
        session: SessionId,
    } = "follower expired",
    /// Follower: an answer came after the lease that it would have begun, and is not used.
    ReplyTooLate {
        /// From this master.
        master: u16,
    } = "reply too late",
    /// Follower: it stops, as one of its stop sources asks.
    Stopped {
        /// With this master.
        master: u16,
        /// Which source.
        source: StopSource,
    } = "follower stopped",
    /// Follower: a report of all extents is complete.
    ReportComplete {
        /// Under which session.
        session: SessionId,
    } = "report complete",
    /// Node server: an iSCSI session is alive, and its target is served.
    ServeStarted {
        /// Which target.
        resource: Resource,
        /// Under which session.
        session: SessionId,
        /// Under which token.
        token: Token,
    } = "target served",
    /// Node server: the iSCSI session is not alive any more.
    ServeStopped {
        /// Which target.
        resource: Resource,
    } = "target left",
    /// Node server: a request was refused after a wait, as the target is not served any more.
    IoRefused {
        /// Which target.
        resource: Resource,
    } = "io refused",
    /// Volume: something was done to a target.
    IoApplied {
        /// Which target.
        resource: Resource,
        /// Under which session.
        session: SessionId,
        /// Under which token.
        token: Token,
        /// By which chunk: its number.
        chunk: u16,
        /// Whether it was a write.
        is_write: bool,
    } = "io applied",
    /// Volume: a request came under an old token.
    IoFenced {
        /// For which target.
        resource: Resource,
        /// Under which token.
        token: Token,
    } = "io fenced",
}

impl SessionObservation {
    const fn change(&self) -> Change {
        match self {
            Self::Leads { term } => Change::Role { role: "master", rank: term.0 },
            Self::SteppedDown { term } => Change::Role { role: "idle", rank: term.0 },
            Self::Alive { session } | Self::Restored { session } => {
                Change::Gained { kind: "session", resource: session.number as u64 }
            }
            Self::Jeopardy { session } | Self::FollowerExpired { session } => {
                Change::Lost { kind: "session", resource: session.number as u64 }
            }
            Self::ServeStarted { resource, .. } => Change::Gained { kind: "target", resource: resource.0 as u64 },
            Self::ServeStopped { resource } => Change::Lost { kind: "target", resource: resource.0 as u64 },
            _ => Change::None,
        }
    }
}
