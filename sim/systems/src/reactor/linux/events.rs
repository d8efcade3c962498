//! Sets of event flags, with the values that Linux gives them.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

use splitbrain_kernel::serde::Serialize;

/// A set of the flags of epoll_ctl(2).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Events(pub u32);

impl Events {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `EPOLLIN`: something can be read, or accepted, or the end was reached.
    pub const IN: Self = Self(0x001);
    /// `EPOLLPRI`: urgent data can be read.
    pub const PRI: Self = Self(0x002);
    /// `EPOLLOUT`: something can be written.
    pub const OUT: Self = Self(0x004);
    /// `EPOLLERR`: an error waits, or the reader of a pipe is gone. Always reported.
    pub const ERR: Self = Self(0x008);
    /// `EPOLLHUP`: both directions are shut, or the writer of a pipe is gone. Always reported.
    pub const HUP: Self = Self(0x010);
    /// `EPOLLRDHUP`: nothing more will come from the peer.
    pub const RDHUP: Self = Self(0x2000);
    /// `EPOLLEXCLUSIVE`: of several epoll instances that wait for this, at least one is woken, not all.
    pub const EXCLUSIVE: Self = Self(1 << 28);
    /// `EPOLLONESHOT`: after one event, no more until `EPOLL_CTL_MOD`.
    pub const ONESHOT: Self = Self(1 << 30);
    /// `EPOLLET`: an event when something changes, rather than for as long as it is so.
    pub const ET: Self = Self(1 << 31);

    /// The mode flags: they say how an item is reported, not what is reported.
    pub const HOW: Self = Self(Self::EXCLUSIVE.0 | Self::ONESHOT.0 | Self::ET.0);
    /// What is reported whether it was asked for or not.
    pub const ALWAYS: Self = Self(Self::ERR.0 | Self::HUP.0);

    /// Whether no flag is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of these flags is set.
    pub const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// These flags where a condition holds, and none otherwise.
    #[must_use]
    pub const fn when(self, holds: bool) -> Self {
        if holds { self } else { Self::NONE }
    }
}

impl BitOr for Events {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Events {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Events {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

const NAMES: [(Events, &str); 9] = [
    (Events::IN, "IN"),
    (Events::PRI, "PRI"),
    (Events::OUT, "OUT"),
    (Events::ERR, "ERR"),
    (Events::HUP, "HUP"),
    (Events::RDHUP, "RDHUP"),
    (Events::EXCLUSIVE, "EXCLUSIVE"),
    (Events::ONESHOT, "ONESHOT"),
    (Events::ET, "ET"),
];

/// `IN|HUP`, and `0` for the empty set.
impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("0");
        }
        let mut separator = "";
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.has(*flag)) {
            write!(f, "{separator}{name}")?;
            separator = "|";
        }
        Ok(())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_shown_by_the_names_of_their_flags() {
        assert_eq!(Events::NONE.to_string(), "0");
        assert_eq!((Events::HUP | Events::IN | Events::ET).to_string(), "IN|HUP|ET");
        assert_eq!(Events::OUT.when(false), Events::NONE);
    }
}
