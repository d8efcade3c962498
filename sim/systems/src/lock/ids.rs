//! The names of locks, of their holders and of their order.

use std::fmt;

use splitbrain_kernel::serde::{Deserialize, Serialize};

/// Which lock: the resource `lock 3` of selectors, the key `lock:3` of a redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct LockId(pub u64);

impl LockId {
    /// The key of the lock.
    pub fn key(self) -> Vec<u8> {
        format!("lock:{}", self.0).into_bytes()
    }

    /// The key of the counter that gives its fencing tokens.
    pub fn counter_key(self) -> Vec<u8> {
        format!("fence:{}", self.0).into_bytes()
    }

    /// The key of the value that the lock protects, if it is kept in the redis.
    pub fn value_key(self) -> Vec<u8> {
        format!("value:{}", self.0).into_bytes()
    }

    /// The lock with this key; `None` if the key is no lock's.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        let number = key.strip_prefix(b"lock:")?;
        std::str::from_utf8(number).ok()?.parse().ok().map(Self)
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock {}", self.0)
    }
}

/// The random value that a client writes into a lock, so that it can tell its own. Real clients take a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Token(pub u64);

impl Token {
    /// The value of the key.
    pub fn text(self) -> Vec<u8> {
        format!("{:016x}", self.0).into_bytes()
    }

    /// The token with this text; `None` if it is none.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The first digits are enough to tell two tokens apart.
        write!(f, "{:04x}", self.0 >> 48)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_tokens_are_read_as_they_are_written() {
        assert_eq!(LockId::of_key(&LockId(17).key()), Some(LockId(17)));
        assert_eq!(LockId::of_key(&LockId(17).counter_key()), None);
        assert_eq!(LockId::of_key(b"lock:x"), None);
        assert_eq!(Token::of_text(&Token(255).text()), Some(Token(255)));
        assert_eq!(Token::of_text(b"none"), None);
    }
}
