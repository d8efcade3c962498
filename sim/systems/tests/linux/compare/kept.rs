//! Sequences that once showed a difference, or that a person wrote down, shortest form.

use super::operation::{How, Operation};
use Operation::{
    Accept, Add, Close, Connect, Drain, Dup, EventFd, Fill, Listen, Pipe, Read, ReadUrgent, Shutdown, SocketPair, Wait,
    Write, WriteUrgent,
};

/// `EPOLLIN | EPOLLET`, as [`super::both`] reads flags.
const IN_EDGE: u16 = 0b0100_0001;
/// `EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET`.
const ALL_EDGE: u16 = 0b0100_1101;

pub(crate) const SEQUENCES: &[(&str, &[Operation])] = &[
    (
        "data on top of unread data is an edge again",
        &[SocketPair, Add(0, 0, IN_EDGE), Write(1, 1), Wait(0, 4), Wait(0, 4), Write(1, 1), Wait(0, 4)],
    ),
    (
        "a reader that frees a chunk is an edge for the writer",
        &[SocketPair, Add(0, 0, ALL_EDGE), Wait(0, 4), Write(0, 1), Drain(1), Wait(0, 4)],
    ),
    (
        "a write that finds a full pipe is an edge for the reader",
        &[Pipe, Add(0, 0, IN_EDGE), Fill(1), Wait(0, 4), Wait(0, 4), Write(1, 1), Wait(0, 4)],
    ),
    (
        "a Unix socket that is shut is announced before its peer",
        &[SocketPair, Add(0, 0, 1 << 6), Add(0, 1, 1 << 6), Shutdown(0, How::Both), Wait(0, 1)],
    ),
    (
        "the reader of a pipe learns of data before the writer learns of room, whichever was added first",
        &[
            Pipe,
            Add(0, 1, ALL_EDGE),
            Add(0, 0, ALL_EDGE),
            Wait(0, 4),
            Fill(0),
            Drain(0),
            Write(1, 1),
            Wait(0, 1),
            Wait(0, 1),
            Wait(0, 1),
        ],
    ),
    (
        "the acknowledgement of a half-close is an edge with nothing new",
        &[Listen(1), Connect(0), Accept(0), Add(0, 1, ALL_EDGE), Wait(0, 4), Shutdown(0, How::Write), Wait(0, 4)],
    ),
    ("the end of a pipe", &[Pipe, Add(0, 0, IN_EDGE), Close(1), Wait(0, 4), Wait(0, 4), Read(0, 1)]),
    (
        "half-close and close over TCP",
        &[
            Listen(1),
            Connect(0),
            Accept(0),
            Add(0, 2, ALL_EDGE),
            Wait(0, 4),
            Shutdown(0, How::Write),
            Wait(0, 4),
            Shutdown(1, How::Write),
            Wait(0, 4),
        ],
    ),
    (
        "an urgent byte for a socket that is shut on both sides leaves its mark",
        &[Listen(0), Connect(0), Accept(0), Shutdown(0, How::Both), WriteUrgent(1), ReadUrgent(0)],
    ),
    (
        "a registration outlives its number while a duplicate is open",
        &[EventFd(0), Add(0, 0, IN_EDGE), Dup(1), Close(1), Write(0, 1), Wait(0, 4), EventFd(1), Wait(0, 4)],
    ),
];
