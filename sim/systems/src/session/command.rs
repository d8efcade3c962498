//! What changes a master's table: commands, and what comes of each.
//!
//! A command is a record of the master's disk, and takes effect when it is durable. The same commands can be entries of
//! a replicated log: two masters that apply them in the same order have the same table.

use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::Duration;

use super::ids::{Identity, Instance, Item, ItemKey, Resource, SessionId, Term, Token};

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
    /// It is decided that a session expires: nothing brings it back.
    Expire {
        /// Which.
        session: SessionId,
    },
    /// Its callbacks have run: it leaves the table with all its items.
    Erase {
        /// Which.
        session: SessionId,
    },
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
}
