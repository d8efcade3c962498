//! The errors that system calls of the model give, by their names in errno(3).

use std::fmt;

/// Why a system call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errno {
    /// `EAGAIN`: it would have to wait.
    Again,
    /// `EBADF`: no such descriptor, or not open for this.
    BadDescriptor,
    /// `ECONNREFUSED`: nothing listens there.
    ConnectionRefused,
    /// `ECONNRESET`: the peer is gone, and something was lost.
    ConnectionReset,
    /// `EEXIST`: the descriptor is in the interest list already.
    Exists,
    /// `EINTR`: a signal came first.
    Interrupted,
    /// `EINVAL`: these arguments make no sense.
    Invalid,
    /// `EMFILE`: the process has as many descriptors as it may have.
    TooManyDescriptors,
    /// `ENOENT`: the descriptor is not in the interest list.
    NoEntry,
    /// `ENOTCONN`: not connected, or no longer.
    NotConnected,
    /// `ENOTSOCK`: not a socket.
    NotSocket,
    /// `EPIPE`: no reader is left.
    BrokenPipe,
    /// `ETIMEDOUT`: no answer.
    TimedOut,
}

impl Errno {
    /// The name in errno(3).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Again => "EAGAIN",
            Self::BadDescriptor => "EBADF",
            Self::ConnectionRefused => "ECONNREFUSED",
            Self::ConnectionReset => "ECONNRESET",
            Self::Exists => "EEXIST",
            Self::Interrupted => "EINTR",
            Self::Invalid => "EINVAL",
            Self::TooManyDescriptors => "EMFILE",
            Self::NoEntry => "ENOENT",
            Self::NotConnected => "ENOTCONN",
            Self::NotSocket => "ENOTSOCK",
            Self::BrokenPipe => "EPIPE",
            Self::TimedOut => "ETIMEDOUT",
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
