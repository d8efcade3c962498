//! What goes over the wire, and what clients are asked for.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::joined;
use splitbrain_kernel::node::Message;
use splitbrain_kernel::serde::{Deserialize, Serialize};

use crate::lock::message::Wire;

use super::ids::{Item, LoginToken, SessionId, Uid};

/// A message of any of the kinds of process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ChatMessage {
    /// Between a redis and those that use it.
    Lock(Wire),
    /// A client asks a gate where a user logs in.
    Enter {
        /// Which request of the client.
        request: u64,
        /// Which user.
        uid: Uid,
    },
    /// A gate answers.
    Entered {
        /// Which request of the client.
        request: u64,
        /// Where, and with which token; `None` if that cannot be said now.
        assigned: Option<Assigned>,
    },
    /// A gate asks the status server the same.
    Assign {
        /// Which request of the gate.
        request: u64,
        /// Which user.
        uid: Uid,
    },
    /// The status server answers.
    Assignment {
        /// Which request of the gate.
        request: u64,
        /// Where, and with which token; `None` if that cannot be said now.
        assigned: Option<Assigned>,
    },
    /// A client logs in, over its connection.
    Login {
        /// Which user.
        uid: Uid,
        /// The token of the status server.
        token: LoginToken,
    },
    /// The chat server answers over the connection. A refusal is the last word on it.
    LoginReply {
        /// The session of the connection.
        session: SessionId,
        /// The lists of the user, or why not.
        result: Result<Vec<Item>, Refusal>,
    },
    /// The chat server says that the session is over, because the user has logged in elsewhere.
    Offline {
        /// The session of the connection.
        session: SessionId,
    },
    /// A client shows that it is there.
    Heartbeat,
    /// A client says something.
    Say {
        /// What.
        text: u64,
    },
    /// The chat server has taken what a client said, or the session is over.
    Heard {
        /// What.
        text: u64,
        /// Whether it was taken.
        accepted: bool,
    },
    /// A chat server asks another to end a session of a user.
    Kick {
        /// Which request of the asking server.
        request: u64,
        /// Which user.
        uid: Uid,
        /// Which session.
        victim: SessionId,
        /// For the login of which session.
        by: SessionId,
    },
    /// The other one answers: the session is no more, whether or not it was there.
    KickDone {
        /// Which request of the asking server.
        request: u64,
    },
}

/// Where a user logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Assigned {
    /// At which chat server.
    pub server: NodeId,
    /// With which token.
    pub token: LoginToken,
}

/// Why a login is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case")]
pub enum Refusal {
    /// The lock of the user is another's: the user logs in elsewhere at this moment.
    UserExists,
    /// There is no token of the user.
    UidInvalid,
    /// The token is another one.
    TokenInvalid,
    /// The redis, the gate or the status server does not answer.
    Unavailable,
    /// The user's old session could not be ended.
    KickFailed,
    /// The lock was lost before the presence was written.
    LockLost,
    /// The session ended during the login.
    SessionEnded,
}

impl Message for ChatMessage {
    const KINDS: &'static [&'static str] = joined!(
        <Wire as Message>::KINDS,
        &[
            "enter",
            "entered",
            "assign",
            "assignment",
            "login",
            "login reply",
            "offline",
            "heartbeat",
            "say",
            "heard",
            "kick",
            "kick done",
        ]
    );

    fn kind(&self) -> usize {
        let own = match self {
            Self::Lock(wire) => return wire.kind(),
            Self::Enter { .. } => 0,
            Self::Entered { .. } => 1,
            Self::Assign { .. } => 2,
            Self::Assignment { .. } => 3,
            Self::Login { .. } => 4,
            Self::LoginReply { .. } => 5,
            Self::Offline { .. } => 6,
            Self::Heartbeat => 7,
            Self::Say { .. } => 8,
            Self::Heard { .. } => 9,
            Self::Kick { .. } => 10,
            Self::KickDone { .. } => 11,
        };
        <Wire as Message>::KINDS.len() + own
    }

    fn epoch(&self) -> Option<u64> {
        if let Self::Lock(wire) = self { wire.epoch() } else { None }
    }
}

/// What a client is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Log in as a user. A session that the client has is left first.
    Login {
        /// Which.
        uid: Uid,
    },
    /// Log in as a user at this chat server, without the status server and with a made-up token.
    Intrude {
        /// Which user.
        uid: Uid,
        /// The number of the chat server.
        server: u16,
    },
    /// Say something.
    Say {
        /// What.
        text: u64,
    },
    /// Show the lists of the user.
    Show,
    /// Log out: the client closes the connection.
    Logout,
}

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// The user is logged in.
    LoggedIn {
        /// With which session.
        session: SessionId,
    },
    /// The login was refused.
    Refused {
        /// Why.
        why: Refusal,
    },
    /// The server has taken what was said.
    Said,
    /// There is no session, or it is over.
    Offline,
    /// What the client shows.
    Shown {
        /// As which user.
        uid: Uid,
        /// The lists.
        items: Vec<Item>,
    },
    /// The user is logged out.
    LoggedOut,
}
