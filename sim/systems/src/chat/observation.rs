//! What clients, chat servers, the status server and the redis tell those who watch.

use splitbrain_kernel::embedding::Embedding as _;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::joined;
use splitbrain_kernel::node::{Change, Face, Observation};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::time::Duration;

use crate::lock::ids::Token;
use crate::lock::observation::LockObservation;

use super::ids::{LoginToken, SessionId, Uid};
use super::message::Refusal;
use super::node::LockInChat;

/// A thread of a chat server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Thread {
    /// It handles logins.
    Logic(u16),
    /// It cleans up after connections.
    Io(u16),
}

/// A mutex of a chat server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Mutex {
    /// Of the map from users to sessions.
    Users,
    /// Of a session.
    Session(SessionId),
}

/// What a thread waits for, holds or gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Guard {
    /// A mutex of its process.
    Mutex(Mutex),
    /// The lock of a user in the redis.
    Lock(Uid),
}

/// What the redis has of the presence of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Presence {
    /// The chat server.
    pub server: Option<NodeId>,
    /// The session.
    pub session: Option<SessionId>,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum EndReason {
    /// The client closed the connection, or it broke.
    Gone,
    /// The user has logged in again.
    Kicked,
    /// The client was silent for too long.
    Silent,
    /// Its presence was not renewed in time, or is another session's.
    LeaseOver,
    /// Its login was refused.
    Refused,
}

/// What a login asks the database for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Query {
    /// The row of the user, which the redis does not have.
    Row,
    /// The requests for friendship.
    Requests,
    /// The friends.
    Friends,
}

/// How a cleanup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Cleanup {
    /// The presence was this session's, and is gone.
    Removed,
    /// The presence is another session's, or there is none.
    NotOwn,
    /// The lock was not to be had, or was lost.
    WithoutLock,
    /// The redis does not answer.
    Unknown,
}

/// Something that happened at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ChatObservation {
    /// Of the locks.
    Lock(LockObservation),
    /// Redis: a command has changed the presence of a user. It is stored or removed as a whole, unless a known bug
    /// does so key by key.
    Stored {
        /// Of which user.
        uid: Uid,
        /// Whose command.
        by: NodeId,
        /// What was there.
        before: Presence,
        /// What is there now.
        after: Presence,
        /// Under which token the lock of the user is held.
        lock: Option<Token>,
    },
    /// Redis: there was nothing of a user's presence, and now there is something, be it one of its two keys.
    Appeared {
        /// Of which user.
        uid: Uid,
    },
    /// Redis: a command has stored a login token.
    TokenStored {
        /// Of which user.
        uid: Uid,
        /// Which.
        token: LoginToken,
    },
    /// Redis: a command has stored how many users are logged in.
    CountStored {
        /// At which chat server.
        server: NodeId,
        /// How many.
        count: i64,
    },
    /// Status server: it sends a user to a chat server.
    Assigned {
        /// Which user.
        uid: Uid,
        /// To which server.
        server: NodeId,
        /// With which token.
        token: LoginToken,
    },
    /// Chat server: a connection is accepted.
    Accepted {
        /// As which session.
        session: SessionId,
        /// From which client.
        client: NodeId,
    },
    /// Chat server: a thread begins with a login.
    LoginBegun {
        /// Of which session.
        session: SessionId,
        /// As which user.
        uid: Uid,
    },
    /// Chat server: the login goes on, under the lock of the user.
    Entered {
        /// Of which session.
        session: SessionId,
        /// As which user.
        uid: Uid,
        /// The token of the lock; `None` if it goes on without one.
        lock: Option<Token>,
    },
    /// Chat server: a login asks the database.
    Queried {
        /// Of which session.
        session: SessionId,
        /// For what.
        query: Query,
    },
    /// Chat server: a login or a cleanup has reported that it gave the lock back.
    GivenBack {
        /// Of which session.
        session: SessionId,
        /// Of which user.
        uid: Uid,
    },
    /// Chat server: the user is logged in.
    LoggedIn {
        /// With which session.
        session: SessionId,
        /// Which user.
        uid: Uid,
        /// The login token that it showed.
        token: LoginToken,
        /// For how long from now on, on the server's monotonic clock, unless it is renewed; `None` until it ends.
        lease: Option<Duration>,
    },
    /// Chat server: a login is refused.
    LoginRefused {
        /// Of which session.
        session: SessionId,
        /// As which user.
        uid: Uid,
        /// Why.
        why: Refusal,
    },
    /// Chat server: a thread is done with a login.
    LoginOver(SessionId),
    /// Chat server: a login asks for the end of the user's old session.
    KickAsked {
        /// Which session is to end.
        victim: SessionId,
        /// Of which user.
        uid: Uid,
        /// The session that logs in.
        by: SessionId,
        /// Whether it is on another server.
        across: bool,
    },
    /// Chat server: it kicks a session of its own.
    Kicked {
        /// Which.
        victim: SessionId,
        /// Of which user; `None` if its login was under way.
        uid: Option<Uid>,
    },
    /// Chat server: the presence of a session lives on.
    Renewed {
        /// Which session.
        session: SessionId,
        /// For how long from now on, on the server's monotonic clock.
        lease: Duration,
    },
    /// Chat server: it has taken what a user said.
    Heard {
        /// In which session.
        session: SessionId,
        /// Which user.
        uid: Uid,
    },
    /// Chat server: a session is over.
    Ended {
        /// Which.
        session: SessionId,
        /// As which user it was logged in.
        uid: Option<Uid>,
        /// Why.
        why: EndReason,
    },
    /// Chat server: a thread begins to clean up after a session.
    CleanupBegun {
        /// Which.
        session: SessionId,
        /// Under the lock of which user.
        uid: Uid,
    },
    /// Chat server: it is done.
    CleanedUp {
        /// Which.
        session: SessionId,
        /// How it ended.
        how: Cleanup,
    },
    /// Chat server: the last reference to a session is dropped.
    Destroyed(SessionId),
    /// Chat server: a thread waits.
    Waits {
        /// Which.
        thread: Thread,
        /// For what.
        guard: Guard,
    },
    /// Chat server: a thread has what it waited for.
    Has {
        /// Which.
        thread: Thread,
        /// What.
        guard: Guard,
    },
    /// Chat server: a thread waits no longer, or gives back what it has.
    Frees {
        /// Which.
        thread: Thread,
        /// What.
        guard: Guard,
    },
    /// Chat server: a connection to the redis is made, and put into the pool.
    PoolOpened(u64),
    /// Chat server: a thread takes a connection out of the pool.
    PoolTaken(u64),
    /// Chat server: a connection did not bring an answer in time.
    PoolBroken(u64),
    /// Chat server: a connection is closed rather than given back.
    PoolClosed(u64),
    /// Chat server: a thread gives a connection back; `None` is a null pointer.
    PoolReturned(Option<u64>),
    /// Client: it has read that it is logged in.
    LoginSeen(SessionId),
    /// Client: it has read that its session is over.
    OfflineSeen(SessionId),
}

impl ChatObservation {
    const fn name(&self) -> &'static str {
        match self {
            Self::Lock(_) => "",
            Self::Stored { before, after, .. } => match (before, after) {
                (_, Presence { server: None, session: None }) => "presence removed",
                (Presence { session: None, .. }, Presence { session: None, .. }) => "presence half stored",
                (_, Presence { server: None, .. } | Presence { session: None, .. }) => "presence half removed",
                _ => "presence stored",
            },
            Self::Appeared { .. } => "presence appeared",
            Self::TokenStored { .. } => "token stored",
            Self::CountStored { .. } => "count stored",
            Self::Assigned { .. } => "server assigned",
            Self::Accepted { .. } => "connection accepted",
            Self::LoginBegun { .. } => "login begun",
            Self::Entered { .. } => "login under lock",
            Self::Queried { query: Query::Row, .. } => "database asked for user",
            Self::Queried { query: Query::Requests, .. } => "database asked for requests",
            Self::Queried { query: Query::Friends, .. } => "database asked for friends",
            Self::GivenBack { .. } => "lock of user given back",
            Self::LoggedIn { .. } => "user logged in",
            Self::LoginRefused { why, .. } => match why {
                Refusal::UserExists => "login finds lock busy",
                Refusal::UidInvalid | Refusal::TokenInvalid => "login with wrong token",
                Refusal::Unavailable => "login without redis",
                Refusal::KickFailed => "login without kick",
                Refusal::LockLost => "login without lock",
                Refusal::SessionEnded => "login without session",
            },
            Self::LoginOver(_) => "login over",
            Self::KickAsked { across: false, .. } => "kick on this server",
            Self::KickAsked { across: true, .. } => "kick across servers",
            Self::Kicked { .. } => "session kicked",
            Self::Renewed { .. } => "presence renewed",
            Self::Heard { .. } => "message taken",
            Self::Ended { why, .. } => match why {
                EndReason::Gone => "session gone",
                EndReason::Kicked => "session ended by kick",
                EndReason::Silent => "session silent",
                EndReason::LeaseOver => "session lease over",
                EndReason::Refused => "session refused",
            },
            Self::CleanupBegun { .. } => "cleanup begun",
            Self::CleanedUp { how, .. } => match how {
                Cleanup::Removed => "cleanup removed presence",
                Cleanup::NotOwn => "cleanup found no presence of its own",
                Cleanup::WithoutLock => "cleanup without lock",
                Cleanup::Unknown => "cleanup without redis",
            },
            Self::Destroyed(_) => "session destroyed",
            Self::Waits { .. } => "thread waits",
            Self::Has { .. } => "thread has",
            Self::Frees { .. } => "thread frees",
            Self::PoolOpened(_) => "connection opened",
            Self::PoolTaken(_) => "connection taken",
            Self::PoolBroken(_) => "connection broken",
            Self::PoolClosed(_) => "connection closed",
            Self::PoolReturned(_) => "connection returned",
            Self::LoginSeen(_) => "client logged in",
            Self::OfflineSeen(_) => "client kicked",
        }
    }

    /// A user's session is what a chat server holds: `holder(session 3)` is the server of user 3.
    const fn change(&self) -> Change {
        match self {
            Self::LoggedIn { uid, .. } => Change::Gained { kind: "session", resource: uid.0 },
            Self::Ended { uid: Some(uid), .. } => Change::Lost { kind: "session", resource: uid.0 },
            _ => Change::None,
        }
    }
}

impl Observation for ChatObservation {
    const NAMES: &'static [&'static str] = joined!(
        <LockObservation as Observation>::NAMES,
        &[
            "presence removed",
            "presence half stored",
            "presence half removed",
            "presence stored",
            "presence appeared",
            "token stored",
            "count stored",
            "server assigned",
            "connection accepted",
            "login begun",
            "login under lock",
            "database asked for user",
            "database asked for requests",
            "database asked for friends",
            "lock of user given back",
            "user logged in",
            "login finds lock busy",
            "login with wrong token",
            "login without redis",
            "login without kick",
            "login without lock",
            "login without session",
            "login over",
            "kick on this server",
            "kick across servers",
            "session kicked",
            "presence renewed",
            "message taken",
            "session gone",
            "session ended by kick",
            "session silent",
            "session lease over",
            "session refused",
            "cleanup begun",
            "cleanup removed presence",
            "cleanup found no presence of its own",
            "cleanup without lock",
            "cleanup without redis",
            "session destroyed",
            "thread waits",
            "thread has",
            "thread frees",
            "connection opened",
            "connection taken",
            "connection broken",
            "connection closed",
            "connection returned",
            "client logged in",
            "client kicked",
        ]
    );

    fn face(&self) -> Face {
        match self {
            Self::Lock(inner) => inner.face().in_group(LockInChat::GROUP),
            own => Face::new(own.name(), own.change()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::CHAT;
    use super::*;

    #[test]
    fn a_presence_is_called_whole_only_if_both_keys_are_there_or_neither() {
        let (server, session) = (NodeId::new(CHAT, 1), SessionId::new(NodeId::new(CHAT, 1), 0, 1));
        let none = Presence::default();
        let first = Presence { server: Some(server), session: None };
        let whole = Presence { server: Some(server), session: Some(session) };
        let name =
            |before, after| ChatObservation::Stored { uid: Uid(1), by: server, before, after, lock: None }.name();
        assert_eq!((name(none, whole), name(whole, none)), ("presence stored", "presence removed"));
        assert_eq!((name(none, first), name(first, whole)), ("presence half stored", "presence stored"));
        assert_eq!((name(whole, first), name(first, none)), ("presence half removed", "presence removed"));
    }
}
