//! What a sequence is made of. Descriptors are named by their place among those that are open, so that every part of a
//! sequence still means something when the rest is taken away.

use proptest::prelude::*;

/// One call. Places count the open descriptors that the call fits, modulo their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Pipe,
    SocketPair,
    EventFd(u8),
    Listen(u8),
    /// To the listener at this place.
    Connect(u8),
    Accept(u8),
    EpollCreate,
    Dup(u8),
    Close(u8),
    /// Close a socket so that its connection is reset.
    Reset(u8),
    Shutdown(u8, How),
    /// A few bytes.
    Write(u8, u8),
    Read(u8, u8),
    /// A few bytes from two or three buffers.
    WriteVectored(u8, [u8; 3]),
    /// Into two or three buffers.
    ReadVectored(u8, [u8; 3]),
    /// Write until it would block.
    Fill(u8),
    /// Read until it would block, or the end.
    Drain(u8),
    WriteUrgent(u8),
    ReadUrgent(u8),
    Add(u8, u8, u16),
    Modify(u8, u8, u16),
    Delete(u8, u8),
    Wait(u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    Write,
    Both,
}

/// The names of all kinds of call.
pub(crate) const NAMES: [&str; 23] = [
    "pipe",
    "socketpair",
    "eventfd",
    "listen",
    "connect",
    "accept",
    "epoll_create",
    "dup",
    "close",
    "reset",
    "shutdown",
    "write",
    "read",
    "writev",
    "readv",
    "fill",
    "drain",
    "send OOB",
    "recv OOB",
    "epoll add",
    "epoll modify",
    "epoll delete",
    "epoll_wait",
];

impl Operation {
    /// The name of its kind.
    pub(crate) const fn name(self) -> &'static str {
        NAMES[match self {
            Self::Pipe => 0,
            Self::SocketPair => 1,
            Self::EventFd(_) => 2,
            Self::Listen(_) => 3,
            Self::Connect(_) => 4,
            Self::Accept(_) => 5,
            Self::EpollCreate => 6,
            Self::Dup(_) => 7,
            Self::Close(_) => 8,
            Self::Reset(_) => 9,
            Self::Shutdown(..) => 10,
            Self::Write(..) => 11,
            Self::Read(..) => 12,
            Self::WriteVectored(..) => 13,
            Self::ReadVectored(..) => 14,
            Self::Fill(_) => 15,
            Self::Drain(_) => 16,
            Self::WriteUrgent(_) => 17,
            Self::ReadUrgent(_) => 18,
            Self::Add(..) => 19,
            Self::Modify(..) => 20,
            Self::Delete(..) => 21,
            Self::Wait(..) => 22,
        }]
    }
}

/// Sequences in which most calls are about what is open already.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 24..64)
}

/// Sizes of buffers.
fn sizes() -> impl Strategy<Value = [u8; 3]> {
    (0..4_u8, 0..3_u8, 0..3_u8).prop_map(|(first, second, third)| [first, second, third])
}

fn operation() -> impl Strategy<Value = Operation> {
    let how = prop_oneof![Just(How::Read), Just(How::Write), Just(How::Both)];
    prop_oneof![
        2 => Just(Operation::Pipe),
        2 => Just(Operation::SocketPair),
        2 => (0..3_u8).prop_map(Operation::EventFd),
        2 => (0..3_u8).prop_map(Operation::Listen),
        4 => any::<u8>().prop_map(Operation::Connect),
        4 => any::<u8>().prop_map(Operation::Accept),
        1 => Just(Operation::EpollCreate),
        1 => any::<u8>().prop_map(Operation::Dup),
        3 => any::<u8>().prop_map(Operation::Close),
        2 => any::<u8>().prop_map(Operation::Reset),
        3 => (any::<u8>(), how).prop_map(|(place, how)| Operation::Shutdown(place, how)),
        12 => (any::<u8>(), 0..5_u8).prop_map(|(place, count)| Operation::Write(place, count)),
        8 => (any::<u8>(), 0..5_u8).prop_map(|(place, count)| Operation::Read(place, count)),
        4 => (any::<u8>(), sizes()).prop_map(|(place, sizes)| Operation::WriteVectored(place, sizes)),
        4 => (any::<u8>(), sizes()).prop_map(|(place, sizes)| Operation::ReadVectored(place, sizes)),
        2 => any::<u8>().prop_map(Operation::Fill),
        5 => any::<u8>().prop_map(Operation::Drain),
        4 => any::<u8>().prop_map(Operation::WriteUrgent),
        4 => any::<u8>().prop_map(Operation::ReadUrgent),
        14 => any::<(u8, u8, u16)>().prop_map(|(epoll, place, flags)| Operation::Add(epoll, place, flags)),
        6 => any::<(u8, u8, u16)>().prop_map(|(epoll, place, flags)| Operation::Modify(epoll, place, flags)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(epoll, place)| Operation::Delete(epoll, place)),
        16 => (any::<u8>(), 0..5_u8).prop_map(|(epoll, max)| Operation::Wait(epoll, max)),
    ]
}
