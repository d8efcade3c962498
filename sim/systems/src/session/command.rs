//! What changes a master's table: commands, and what comes of each.
//!
//! A command is a record of the master's disk or an entry of a replicated log, and takes effect when it is durable.
//! Two masters that apply the same commands in the same order have the same table.

use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::Duration;

use super::ids::{Epoch, Identity, Instance, Item, ItemKey, Resource, SessionId, Term, Token};

/// A piece of a table, as a snapshot carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Piece {
    /// The numbers that only grow.
    Numbers {
        /// Of the last session.
        session: u32,
        /// Of the last grant.
        token: Token,
        /// Of the last term in which a master began to lead.
        term: Term,
    },
    /// A session.
    Session {
        /// Its name.
        session: SessionId,
        /// Whose.
        identity: Identity,
        /// The process that uses it.
        instance: Instance,
        /// Which wish of the process that it was created for it fulfils.
        wish: u64,
        /// How long it lives without a keepalive.
        lease: Duration,
        /// What remains of its lease, if that was written down.
        remaining: Option<Duration>,
        /// Whether its expiry is decided.
        is_expiring: bool,
        /// Its items.
        items: Vec<Item>,
    },
    /// The processes of an identity.
    Lineage {
        /// Of which.
        identity: Identity,
        /// The process that counts.
        current: Instance,
        /// Which one it is.
        epoch: Epoch,
        /// Those before it.
        past: Vec<Instance>,
    },
    /// A target that is held.
    Target {
        /// Which.
        resource: Resource,
        /// By which session.
        session: SessionId,
        /// Under which token.
        token: Token,
    },
    /// An item of a session that was erased: none, but for a known bug.
    Leftover {
        /// Of which session.
        session: SessionId,
        /// Which.
        key: ItemKey,
    },
}

/// A change to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Command {
    /// A master begins to lead.
    Lead {
        /// In this term.
        term: Term,
    },
    /// A session comes to be.
    Create {
        /// Its name.
        session: SessionId,
        /// Whose.
        identity: Identity,
        /// Which process of it.
        instance: Instance,
        /// Which wish of that process it fulfils.
        wish: u64,
        /// How long it lives without a keepalive.
        lease: Duration,
        /// The items that it has from the beginning.
        items: Vec<Item>,
    },
    /// A process uses a session that exists: its own, after a lost answer, or that of an earlier process.
    Adopt {
        /// Which.
        session: SessionId,
        /// Which process.
        instance: Instance,
        /// The items that it brings.
        items: Vec<Item>,
    },
    /// An item is set.
    SetItem {
        /// Of this session.
        session: SessionId,
        /// Asked for by this process.
        instance: Instance,
        /// Which.
        key: ItemKey,
        /// To what.
        value: u64,
    },
    /// An item is removed.
    RemoveItem {
        /// Of this session.
        session: SessionId,
        /// Asked for by this process.
        instance: Instance,
        /// Which.
        key: ItemKey,
    },
    /// A target is given back.
    Release {
        /// By this session.
        session: SessionId,
        /// Asked for by this process.
        instance: Instance,
        /// Which target.
        resource: Resource,
        /// By which grant it was held.
        token: Token,
    },
    /// A target goes over from a holder that is taken for dead to another session.
    TakeOver {
        /// To this session.
        session: SessionId,
        /// Asked for by this process.
        instance: Instance,
        /// Which target.
        resource: Resource,
    },
    /// What remains of a lease is written down; with `None` it is whole again.
    Checkpoint {
        /// Of this session.
        session: SessionId,
        /// So much.
        remaining: Option<Duration>,
    },
    /// It is decided that a session expires: nothing brings it back.
    Expire {
        /// Which.
        session: SessionId,
        /// The term in which it was decided. In a later one the leases are new, and the command does nothing.
        term: Term,
    },
    /// Its callbacks have run: it leaves the table with all its items.
    Erase {
        /// Which.
        session: SessionId,
    },
    /// A piece of a table as a snapshot has it. It is no entry of a log.
    Restore(Piece),
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is done.
    Done,
    /// A target is granted.
    Granted(Token),
    /// The target is another's.
    Taken,
    /// The session does not live, or is another process's.
    NoSuchSession,
    /// It was decided in an earlier term than the present one.
    Outdated,
}
