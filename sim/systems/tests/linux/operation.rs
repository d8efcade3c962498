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
    /// Close a TCP connection by a reset.
    Reset(u8),
    Shutdown(u8, How),
    /// A few bytes.
    Write(u8, u8),
    Read(u8, u8),
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

/// Sequences in which most calls are about what is open already.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 20..48)
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
        1 => any::<u8>().prop_map(Operation::Reset),
        3 => (any::<u8>(), how).prop_map(|(place, how)| Operation::Shutdown(place, how)),
        12 => (any::<u8>(), 1..5_u8).prop_map(|(place, count)| Operation::Write(place, count)),
        8 => (any::<u8>(), 1..5_u8).prop_map(|(place, count)| Operation::Read(place, count)),
        2 => any::<u8>().prop_map(Operation::Fill),
        5 => any::<u8>().prop_map(Operation::Drain),
        1 => any::<u8>().prop_map(Operation::WriteUrgent),
        1 => any::<u8>().prop_map(Operation::ReadUrgent),
        14 => any::<(u8, u8, u16)>().prop_map(|(epoll, place, flags)| Operation::Add(epoll, place, flags)),
        6 => any::<(u8, u8, u16)>().prop_map(|(epoll, place, flags)| Operation::Modify(epoll, place, flags)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(epoll, place)| Operation::Delete(epoll, place)),
        16 => (any::<u8>(), 0..5_u8).prop_map(|(epoll, max)| Operation::Wait(epoll, max)),
    ]
}
