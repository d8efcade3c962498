//! The names of users, sessions and login tokens, and the keys under which a redis keeps what is known of them.

use std::fmt;

use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::serde::{Deserialize, Serialize};

use crate::lock::ids::LockId;

/// The kind of those that clients ask for a login first.
pub const GATE: KindId = KindId::of_letter(b'g');
/// The kind of those that choose a chat server and give tokens.
pub const STATUS: KindId = KindId::of_letter(b't');
/// The kind of chat servers.
pub const CHAT: KindId = KindId::of_letter(b'h');

/// A user. Numbers begin with 1; 0 stands for a session whose user is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Uid(pub u64);

impl Uid {
    /// No user.
    pub const NONE: Self = Self(0);

    /// The lock under which the user logs in and out.
    pub const fn lock(self) -> LockId {
        LockId(self.0)
    }

    /// The key of the chat server that has the user's session.
    pub fn server_key(self) -> Vec<u8> {
        format!("uip_{}", self.0).into_bytes()
    }

    /// The key of the user's session.
    pub fn session_key(self) -> Vec<u8> {
        format!("usession_{}", self.0).into_bytes()
    }

    /// The key of the user's login token.
    pub fn token_key(self) -> Vec<u8> {
        format!("utoken_{}", self.0).into_bytes()
    }

    /// The key of what is kept of the user's row in the database.
    pub fn info_key(self) -> Vec<u8> {
        format!("ubaseinfo_{}", self.0).into_bytes()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}", self.0)
    }
}

/// The hash of how many users are logged in on each chat server.
pub const COUNTS_KEY: &[u8] = b"logincount";

/// A session of a chat server: a connection, from its acceptance on. Real servers take a UUID.
///
/// - Unique: the server, which of its processes, and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct SessionId(pub u64);

impl SessionId {
    /// The session with this number of this process of a chat server.
    pub const fn new(server: NodeId, incarnation: u32, number: u32) -> Self {
        Self((server.number() as u64) << 48 | ((incarnation & 0xffff) as u64) << 32 | number as u64)
    }

    /// The chat server that has it.
    pub const fn server(self) -> NodeId {
        NodeId::new(CHAT, (self.0 >> 48) as u16)
    }

    /// As the value of a key.
    pub fn text(self) -> Vec<u8> {
        format!("{:016x}", self.0).into_bytes()
    }

    /// The session with this text; `None` if it is none.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        hexadecimal(text).filter(|number| number >> 48 > 0).map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}.{}.{}", self.0 >> 48, self.0 >> 32 & 0xffff, self.0 & 0xffff_ffff)
    }
}

/// What the status server gives a user, and the chat server asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct LoginToken(pub u64);

impl LoginToken {
    /// As the value of a key.
    pub fn text(self) -> Vec<u8> {
        format!("{:016x}", self.0).into_bytes()
    }

    /// The token with this text; `None` if it is none.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        hexadecimal(text).map(Self)
    }
}

impl fmt::Display for LoginToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0 >> 48)
    }
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

/// Something that a client shows of a user: a friend or a request for friendship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Item(pub u64);

impl Item {
    /// How many items a user has.
    const COUNT: u64 = 3;
    /// Items of one user lie this far from those of the next.
    const STRIDE: u64 = 100;

    /// What the database has of a user.
    pub fn all_of(uid: Uid) -> Vec<Self> {
        (0..Self::COUNT).map(|place| Self(uid.0 * Self::STRIDE + place)).collect()
    }

    /// Whose it is.
    pub const fn owner(self) -> Uid {
        Uid(self.0 / Self::STRIDE)
    }
}

/// The name of a chat server as the value of a key, and as the field of the hash of counts.
pub fn server_name(server: NodeId) -> Vec<u8> {
    format!("chat{}", server.number()).into_bytes()
}

/// The chat server with this name; `None` if it is none.
pub fn server_of_name(name: &[u8]) -> Option<NodeId> {
    let number = std::str::from_utf8(name.strip_prefix(b"chat")?).ok()?.parse().ok()?;
    (1..=NodeId::COUNT_MAX).contains(&number).then(|| NodeId::new(CHAT, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let server = NodeId::new(CHAT, 3);
        let session = SessionId::new(server, 2, 7);
        assert_eq!(SessionId::of_text(&session.text()), Some(session));
        assert_eq!((session.server(), session.to_string().as_str()), (server, "session 3.2.7"));
        assert_eq!(LoginToken::of_text(&LoginToken(9).text()), Some(LoginToken(9)));
        assert_eq!(server_of_name(&server_name(server)), Some(server));
        assert_eq!((server_of_name(b"chat0"), server_of_name(b"gate1"), SessionId::of_text(b"1")), (None, None, None));
    }

    #[test]
    fn an_item_says_whose_it_is() {
        assert!([1, 2, 50].map(Uid).iter().all(|uid| Item::all_of(*uid).iter().all(|item| item.owner() == *uid)));
    }
}
