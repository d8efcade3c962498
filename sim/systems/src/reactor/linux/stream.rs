//! One end of a byte stream: a Unix socket of a pair, or a TCP connection.
//!
//! An end is a plain value. What it has to say to the other end is a [`Segment`], and what happened to it is a list of
//! changes, each of which Linux announces to those who watch: `None` announces anything, `Some` these flags alone.
//!
//! The two families differ in what epoll shows of them:
//!
//! | | Unix | TCP |
//! | --- | --- | --- |
//! | memory of a write is free again | when the reader has taken the whole chunk | byte by byte, as it is read |
//! | an edge for `OUT` | when a chunk is freed and the socket is writable | after a write or a poll found no room |
//! | the peer shuts its reading end | this end cannot write (`EPIPE`) | this end learns nothing of it |
//! | the peer closes with unread data | `ECONNRESET` after what is left to read | the same, by a reset |
//! | the peer closes | both directions are shut: `HUP` | the reading direction is shut: `RDHUP` |

use std::collections::VecDeque;

use super::descriptor::DescriptionId;
use super::errno::Errno;
use super::events::Events;

/// Which sockets these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A pair of Unix sockets.
    Unix,
    /// A TCP connection.
    Tcp,
}

/// Where the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// On this machine.
    Local(DescriptionId),
    /// On another one.
    Remote,
}

/// Which directions a shutdown is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shut {
    /// Nothing more is received.
    pub read: bool,
    /// Nothing more is sent.
    pub write: bool,
}

impl Shut {
    /// Both directions.
    pub const BOTH: Self = Self { read: true, write: true };

    /// What one end shuts, as the other end sees it.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        Self { read: self.write, write: self.read }
    }

    pub(super) const fn add(&mut self, other: Self) {
        self.read |= other.read;
        self.write |= other.write;
    }
}

/// What one end says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Bytes, in order. Urgent data is one byte.
    Data {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether they are urgent.
        is_urgent: bool,
    },
    /// The reader has taken something: this much memory is free again.
    Taken(u32),
    /// TCP: nothing more will be sent.
    Fin,
    /// TCP: the other end has received the FIN.
    FinAcknowledged,
    /// TCP: the connection is no more.
    Reset,
    /// Unix: directions that are shut, as the receiver sees them.
    Shut(Shut),
    /// Unix: the other end was closed, with or without data that it had not read.
    Gone {
        /// Whether there was such data.
        has_unread: bool,
    },
}

/// What an end does when something reaches it, or a call asks something of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// What is announced to those who watch this end.
    pub changes: Vec<Option<Events>>,
    /// What is sent to the other end.
    pub segments: Vec<Segment>,
}

/// Bytes that wait to be read.
#[derive(Clone, Debug)]
struct Chunk {
    bytes: VecDeque<u8>,
    /// The memory that its sender is charged for it.
    charge: u32,
    is_urgent: bool,
}

/// One end of a stream.
///
/// - `charged` is the memory of everything that was sent and not taken.
/// - A TCP end that is closed (reset, or both sides have sent a FIN) has both directions shut.
#[derive(Clone, Debug)]
pub struct Stream {
    family: Family,
    /// Where the other end is.
    pub peer: Peer,
    received: VecDeque<Chunk>,
    charged: u32,
    capacity: u32,
    shut: Shut,
    error: Option<Errno>,
    has_sent_fin: bool,
    has_received_fin: bool,
    is_reset: bool,
    /// The urgent byte, as long as it was not read.
    urgent: Option<u8>,
    /// Bytes of the stream that reads have returned, without urgent ones.
    read_count: u64,
    /// TCP: a write or a poll found no room, so there will be an edge.
    is_out_of_space: bool,
    /// Whether closing it resets the connection (`SO_LINGER` with no time).
    pub resets_on_close: bool,
}

/// The memory that Linux charges for a Unix socket buffer beside its bytes.
const OVERHEAD: u32 = 768;
/// The most that is put into one Unix socket buffer.
const CHUNK_MAX: usize = 32 * 1024;
/// What the arrival of data announces.
const DATA: Events = Events(Events::IN.0 | Events::PRI.0);

impl Stream {
    /// A connected end with this much memory for what it sends.
    pub const fn new(family: Family, peer: Peer, capacity: u32) -> Self {
        Self {
            family,
            peer,
            received: VecDeque::new(),
            charged: 0,
            capacity,
            shut: Shut { read: false, write: false },
            error: None,
            has_sent_fin: false,
            has_received_fin: false,
            is_reset: false,
            urgent: None,
            read_count: 0,
            is_out_of_space: false,
            resets_on_close: false,
        }
    }

    /// TCP: the connection is over on both sides.
    pub const fn is_closed(&self) -> bool {
        self.is_reset || (self.has_sent_fin && self.has_received_fin)
    }

    /// Whether it is a Unix socket or TCP.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// TCP: this end has sent a FIN.
    pub const fn has_sent_fin(&self) -> bool {
        self.has_sent_fin
    }

    /// How many bytes of the stream reads have returned so far, without urgent ones.
    pub const fn read_count(&self) -> u64 {
        self.read_count
    }

    /// Whether bytes wait to be read.
    pub fn has_unread(&self) -> bool {
        !self.received.is_empty()
    }

    /// Whether an urgent byte is in the stream, read or not.
    pub fn has_urgent_mark(&self) -> bool {
        self.received.iter().any(|chunk| chunk.is_urgent)
    }

    /// Whether something sent was not taken yet.
    pub const fn has_unacknowledged(&self) -> bool {
        self.charged > 0
    }

    /// What poll(2) says of it.
    pub fn readiness(&self) -> Events {
        let is_done = self.family == Family::Tcp && self.is_closed();
        Events::ERR.when(self.error.is_some())
            | Events::HUP.when(self.shut == Shut::BOTH || is_done)
            | (Events::IN | Events::RDHUP).when(self.shut.read)
            | Events::IN.when(self.is_readable())
            | Events::OUT.when(self.is_writable())
            | Events::PRI.when(self.urgent.is_some())
    }

    /// An urgent byte alone is not to be read.
    fn is_readable(&self) -> bool {
        match self.received.front() {
            None => false,
            Some(chunk) => !chunk.is_urgent || self.received.len() > 1,
        }
    }

    const fn is_writable(&self) -> bool {
        match self.family {
            Family::Unix => self.charged * 4 <= self.capacity,
            Family::Tcp => self.shut.write || self.charged * 3 <= self.capacity * 2,
        }
    }

    /// A poll has found that it cannot be written.
    pub(super) const fn on_asked_for_room(&mut self) {
        self.is_out_of_space = true;
    }

    /// Reads up to `max` bytes, or gives [`Errno::Again`] or the error that waits. What is sent to the other end comes
    /// beside that: also where nothing is read, an urgent byte may have been passed.
    pub fn read(&mut self, max: usize) -> (Result<Vec<u8>, Errno>, Vec<Segment>) {
        let mut bytes = Vec::new();
        let mut segments = Vec::new();
        while bytes.len() < max
            && let Some(chunk) = self.received.front_mut()
        {
            if chunk.is_urgent {
                if !bytes.is_empty() {
                    break;
                }
                self.urgent = None;
                segments.push(Segment::Taken(chunk.charge));
                self.received.pop_front();
                continue;
            }
            let count = (max - bytes.len()).min(chunk.bytes.len());
            bytes.extend(chunk.bytes.drain(..count));
            let is_empty = chunk.bytes.is_empty();
            match self.family {
                Family::Tcp => segments.push(Segment::Taken(u32::try_from(count).expect("a read is short"))),
                Family::Unix if is_empty => segments.push(Segment::Taken(chunk.charge)),
                Family::Unix => {}
            }
            if is_empty {
                self.received.pop_front();
            }
        }
        self.read_count += bytes.len() as u64;
        let result = if bytes.is_empty() { self.read_nothing() } else { Ok(bytes) };
        (result, segments)
    }

    fn read_nothing(&mut self) -> Result<Vec<u8>, Errno> {
        // TCP that has received a FIN says so before it gives an error that came later.
        if self.family == Family::Tcp && self.has_received_fin {
            return Ok(Vec::new());
        }
        match self.error.take() {
            Some(error) => Err(error),
            None if self.shut.read => Ok(Vec::new()),
            None => Err(Errno::Again),
        }
    }

    /// Reads the urgent byte (`MSG_OOB`).
    ///
    /// # Errors
    /// [`Errno::Invalid`] if there is none.
    pub fn read_urgent(&mut self) -> Result<u8, Errno> {
        let has_end = self.has_received_fin;
        let urgent = self.urgent.filter(|_| !self.is_closed() || has_end);
        match urgent {
            None if self.urgent.is_some() => Err(Errno::NotConnected),
            None => Err(Errno::Invalid),
            Some(byte) => {
                self.urgent = None;
                Ok(byte)
            }
        }
    }

    /// Writes as many of these bytes as there is room for; of none it writes none.
    ///
    /// # Errors
    /// [`Errno::Again`], [`Errno::BrokenPipe`], or the error that waits.
    pub fn write(&mut self, bytes: &[u8], is_urgent: bool) -> Result<(usize, Vec<Segment>), Errno> {
        if self.family == Family::Tcp
            && let Some(error) = self.error.take()
        {
            return Err(error);
        }
        if self.shut.write {
            return Err(Errno::BrokenPipe);
        }
        if bytes.is_empty() {
            return Ok((0, Vec::new()));
        }
        let segments = match self.family {
            Family::Unix => self.write_chunks(bytes),
            Family::Tcp => self.write_bytes(bytes, is_urgent),
        };
        let count =
            segments.iter().map(|segment| if let Segment::Data { bytes, .. } = segment { bytes.len() } else { 0 });
        match count.sum() {
            0 => Err(Errno::Again),
            count => Ok((count, segments)),
        }
    }

    /// A Unix socket takes whole chunks until its memory is used up, and beyond.
    fn write_chunks(&mut self, bytes: &[u8]) -> Vec<Segment> {
        let mut segments = Vec::new();
        for chunk in bytes.chunks(CHUNK_MAX) {
            if self.charged >= self.capacity {
                break;
            }
            self.charged += charge_of(Family::Unix, chunk.len());
            segments.push(Segment::Data { bytes: chunk.to_vec(), is_urgent: false });
        }
        segments
    }

    fn write_bytes(&mut self, bytes: &[u8], is_urgent: bool) -> Vec<Segment> {
        let room = (self.capacity - self.charged) as usize;
        let count = bytes.len().min(room);
        self.is_out_of_space |= count < bytes.len();
        if count == 0 {
            return Vec::new();
        }
        self.charged += charge_of(Family::Tcp, count);
        vec![Segment::Data { bytes: bytes[..count].to_vec(), is_urgent }]
    }

    /// shutdown(2).
    ///
    /// # Errors
    /// [`Errno::NotConnected`] if a TCP connection is over; it is announced all the same.
    pub fn shutdown(&mut self, how: Shut) -> (Reaction, Result<(), Errno>) {
        let was_closed = self.family == Family::Tcp && self.is_closed();
        self.shut.add(how);
        let mut reaction = Reaction { changes: vec![None], segments: Vec::new() };
        if was_closed {
            return (reaction, Err(Errno::NotConnected));
        }
        match self.family {
            Family::Unix => reaction.segments.push(Segment::Shut(how.mirrored())),
            Family::Tcp if how.write && !std::mem::replace(&mut self.has_sent_fin, true) => {
                reaction.segments.push(Segment::Fin);
            }
            Family::Tcp => {}
        }
        (reaction, Ok(()))
    }

    /// The last reference is gone. Returns what is sent to the other end.
    pub fn close(&mut self) -> Vec<Segment> {
        let has_unread = self.has_unread();
        match self.family {
            Family::Unix => {
                let freed = self.received.drain(..).map(|chunk| Segment::Taken(chunk.charge));
                std::iter::once(Segment::Gone { has_unread }).chain(freed).collect()
            }
            Family::Tcp if self.is_closed() => Vec::new(),
            Family::Tcp if has_unread || self.resets_on_close => vec![Segment::Reset],
            Family::Tcp if self.has_sent_fin => Vec::new(),
            Family::Tcp => vec![Segment::Fin],
        }
    }

    /// Hears from the other end.
    pub fn receive(&mut self, segment: Segment) -> Reaction {
        match segment {
            Segment::Data { bytes, is_urgent } => self.receive_data(&bytes, is_urgent),
            Segment::Taken(memory) => self.receive_taken(memory),
            Segment::Reset => self.receive_reset(),
            Segment::Fin if self.is_reset => Reaction::default(),
            Segment::Fin => {
                self.has_received_fin = true;
                let reaction = self.shut_down(Shut { read: true, write: false }, None);
                Reaction { segments: vec![Segment::FinAcknowledged], ..reaction }
            }
            // A change of its state, which is announced although nothing new can be read or written.
            Segment::FinAcknowledged if self.is_reset => Reaction::default(),
            Segment::FinAcknowledged => Reaction { changes: vec![None], segments: Vec::new() },
            Segment::Shut(shut) => self.shut_down(shut, None),
            Segment::Gone { has_unread } => self.shut_down(Shut::BOTH, has_unread.then_some(Errno::ConnectionReset)),
        }
    }

    fn shut_down(&mut self, shut: Shut, error: Option<Errno>) -> Reaction {
        self.shut.add(shut);
        self.error = error.or(self.error);
        Reaction { changes: vec![None], segments: Vec::new() }
    }

    fn receive_data(&mut self, bytes: &[u8], is_urgent: bool) -> Reaction {
        if self.family == Family::Tcp && self.is_closed() {
            return Reaction { changes: Vec::new(), segments: vec![Segment::Reset] };
        }
        // Data for an end that has shut both directions is lost, which RFC 1122 answers by a reset.
        if self.family == Family::Tcp && self.has_sent_fin && self.shut.read {
            let mut reaction = self.receive_reset();
            reaction.segments.push(Segment::Reset);
            // The mark is looked at before the data is refused.
            if is_urgent {
                self.urgent = bytes.first().copied();
                reaction.changes.insert(0, Some(DATA));
            }
            return reaction;
        }
        let segments = if is_urgent { self.move_mark() } else { Vec::new() };
        let charge = charge_of(self.family, bytes.len());
        self.received.push_back(Chunk { bytes: bytes.iter().copied().collect(), charge, is_urgent });
        if is_urgent {
            self.urgent = bytes.first().copied();
        }
        Reaction { changes: vec![Some(DATA)], segments }
    }

    /// A second urgent byte comes while one is in the stream. The first is passed if it would be read next, and else
    /// it is data like the rest from now on (`tcp_check_urg` of Linux).
    fn move_mark(&mut self) -> Vec<Segment> {
        if self.received.front().is_some_and(|chunk| chunk.is_urgent) {
            let passed = self.received.pop_front().expect("it was just seen");
            return vec![Segment::Taken(passed.charge)];
        }
        self.received.iter_mut().for_each(|chunk| chunk.is_urgent = false);
        Vec::new()
    }

    fn receive_taken(&mut self, memory: u32) -> Reaction {
        self.charged -= memory;
        let is_announced = match self.family {
            Family::Unix => self.is_writable(),
            Family::Tcp => self.is_writable() && std::mem::take(&mut self.is_out_of_space),
        };
        Reaction { changes: is_announced.then_some(Some(Events::OUT)).into_iter().collect(), segments: Vec::new() }
    }

    fn receive_reset(&mut self) -> Reaction {
        if self.is_closed() {
            return Reaction::default();
        }
        let is_half_closed = self.has_received_fin && !self.has_sent_fin;
        self.error = Some(if is_half_closed { Errno::BrokenPipe } else { Errno::ConnectionReset });
        self.is_reset = true;
        self.shut = Shut::BOTH;
        Reaction { changes: vec![None, Some(Events::ERR)], segments: Vec::new() }
    }
}

fn charge_of(family: Family, count: usize) -> u32 {
    let count = u32::try_from(count).expect("a write is short");
    match family {
        Family::Unix => count + OVERHEAD,
        Family::Tcp => count,
    }
}
