//! One client: its stream, the bytes that it sent, and the replies that it has not read.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use splitbrain_systems::lock::redis::{Next, Protocol, ProtocolError, Reply, Requests, Server};

use super::{LockServerOptions, wall_clock};

/// How much room for replies a client may keep that reads them all.
const ROOM_KEPT: usize = 64 * 1024;

/// How often a client is read before the others have their turn.
const READS_MAX: usize = 16;

/// How many requests of a client are carried out before the others have their turn.
const REQUESTS_MAX: usize = 2_000;

/// A client.
#[derive(Debug)]
pub(super) struct Peer {
    stream: TcpStream,
    requests: Requests,
    replies: Vec<u8>,
    /// How many bytes of the replies are written. They are dropped once they are half of what is kept.
    written: usize,
    /// It sends no more, or is not heard any more: its replies are written, then it is closed.
    ends: bool,
    /// It waits for replicas: what it sends is kept until then.
    waits: bool,
    /// As many replies wait as may: until it has read some, nothing of it is carried out or read.
    is_full: bool,
    /// Whole requests may be left that were not carried out, so that others have their turn.
    is_behind: bool,
    /// An event has said that it sends no more: the end stands behind what its socket holds.
    sends_no_more: bool,
    /// When something came from it.
    heard: Instant,
    /// When it was last seen to read, or began to have to.
    took: Instant,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Its reply comes at this time, or never.
    Waiting(Option<Instant>),
    /// There may be more of it, of which no event tells: it is served again once the others have had their turn.
    More,
    Closed,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            requests: Requests::default(),
            replies: Vec::new(),
            written: 0,
            ends: false,
            waits: false,
            is_full: false,
            is_behind: false,
            sends_no_more: false,
            heard: Instant::now(),
            took: Instant::now(),
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether it has neither sent nor read anything for this long.
    pub(super) fn is_idle(&self, longest: Duration) -> bool {
        self.heard.max(self.took).elapsed() > longest
    }

    /// Whether it has to read before anything goes on, and has read nothing for this long.
    pub(super) fn is_stalled(&self, longest: Duration) -> bool {
        (self.is_full || self.ends) && self.has_replies() && self.took.elapsed() > longest
    }

    pub(super) fn has_replies(&self) -> bool {
        self.written < self.replies.len()
    }

    /// Reads until nothing is left, or as often as it may, and carries out each whole request. With the buffer comes
    /// whether the client sends no more.
    pub(super) fn serve(
        &mut self,
        id: u64,
        server: &mut Server,
        (buffer, sends_no_more): (&mut [u8], bool),
        options: &LockServerOptions,
    ) -> State {
        self.sends_no_more |= sends_no_more;
        let mut state = if self.is_full || self.is_behind { self.carry_out(id, server, options) } else { State::Open };
        let mut reads = 0;
        while matches!(state, State::Open | State::Waiting(_)) && !self.ends && !self.is_full {
            if reads == READS_MAX {
                // One that waits is served again when its wait is over.
                state = if state == State::Open { State::More } else { state };
                break;
            }
            reads += 1;
            match self.stream.read(buffer) {
                Ok(0) => {
                    // A client that closed its side may still read what is written at once; Redis waits no longer.
                    self.flush();
                    return State::Closed;
                }
                Ok(length) => {
                    self.heard = Instant::now();
                    self.requests.push(&buffer[..length]);
                    match self.carry_out(id, server, options) {
                        State::Open => {}
                        // If it waits, the socket is emptied all the same: what is left in it would give no event.
                        ended => state = ended,
                    }
                    // A short read has emptied the socket. If the end stands behind it, no event tells of that again.
                    if length < buffer.len() && !self.sends_no_more {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return State::Closed,
            }
        }
        self.flushed(state)
    }

    /// Answers the wait for replicas, of which there are none, and goes on. Its socket may hold more.
    pub(super) fn go_on(&mut self, id: u64, server: &mut Server, options: &LockServerOptions) -> State {
        self.waits = false;
        Reply::Integer(0).encode_into(Protocol::Resp2, &mut self.replies);
        match self.carry_out(id, server, options) {
            State::Open => self.flushed(State::More),
            state => self.flushed(state),
        }
    }

    /// Carries out the requests that are whole, as many as may be in one turn and as long as there is room for replies.
    fn carry_out(&mut self, id: u64, server: &mut Server, options: &LockServerOptions) -> State {
        let mut carried = 0;
        self.is_behind = false;
        while !self.ends && !self.waits {
            if !self.has_room(options) {
                // What the client has sent stays where it is until it reads: a limit on requests is none on these.
                return State::Open;
            }
            if carried == REQUESTS_MAX {
                self.is_behind = true;
                return State::More;
            }
            carried += 1;
            match self.requests.next_request() {
                Ok(None) => break,
                Ok(Some(arguments)) => {
                    let state = self.request(id, server, &arguments);
                    if state != State::Open {
                        return state;
                    }
                }
                Err(ProtocolError(text)) => {
                    Reply::Error(text).encode_into(Protocol::Resp2, &mut self.replies);
                    self.end();
                }
            }
        }
        if self.requests.waiting() + server.held_bytes(id) > options.request_bytes_max {
            return State::Closed;
        }
        State::Open
    }

    /// Whether one more reply may wait. If not, what can be written is written first.
    fn has_room(&mut self, options: &LockServerOptions) -> bool {
        let is_full = |peer: &Self| peer.replies.len() - peer.written > options.reply_bytes_max;
        if is_full(self) {
            self.flush();
        }
        let is_full = is_full(self);
        if is_full && !self.is_full {
            self.took = Instant::now();
        }
        self.is_full = is_full;
        !is_full
    }

    /// What it is asked for no more is carried out: its replies are written, then it is closed.
    fn end(&mut self) {
        self.ends = true;
        self.took = Instant::now();
    }

    fn request(&mut self, id: u64, server: &mut Server, arguments: &[Vec<u8>]) -> State {
        let executed = server.execute(id, arguments, wall_clock());
        match executed.next {
            Next::Continue => {}
            Next::Close => self.end(),
            Next::Abort => return State::Closed,
            Next::AwaitReplicas { timeout_ms, .. } => {
                self.waits = true;
                let timeout = Duration::from_millis(timeout_ms);
                return State::Waiting((timeout_ms > 0).then(|| Instant::now().checked_add(timeout)).flatten());
            }
        }
        executed.reply.encode_into(server.protocol(id), &mut self.replies);
        State::Open
    }

    /// The state of a client once its stream has what it takes now.
    fn flushed(&mut self, state: State) -> State {
        // Redis writes nothing more to a client that it cuts off.
        if state == State::Closed {
            return state;
        }
        let written = self.flush();
        if !written || (self.ends && !self.has_replies()) {
            State::Closed
        } else if state == State::Open && self.is_full && !self.has_replies() {
            // It has read everything meanwhile: the stream takes more, so no event will say that it does.
            State::More
        } else {
            state
        }
    }

    /// Writes what the stream takes now; `false` if it takes nothing any more.
    pub(super) fn flush(&mut self) -> bool {
        while self.has_replies() {
            match self.stream.write(&self.replies[self.written..]) {
                Ok(length) => {
                    self.written += length;
                    self.took = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.written * 2 >= self.replies.len() {
                        self.drop_written();
                    }
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.drop_written();
        true
    }

    fn drop_written(&mut self) {
        self.replies.drain(..self.written);
        self.replies.shrink_to(ROOM_KEPT.max(self.replies.len() * 2));
        self.written = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream as Stream};

    use super::*;

    /// A client that writes to the other end, and that end.
    fn pair() -> (Peer, Stream) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has a free port");
        let other = Stream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let stream = listener.accept().expect("a client waits").0;
        stream.set_nonblocking(true).expect("a socket can be so");
        (Peer::new(TcpStream::from_std(stream)), other)
    }

    /// While a client reads slowly and replies come as fast as it reads, what is kept does not grow.
    #[test]
    fn replies_that_are_written_are_not_kept() {
        const PIECE: usize = 1_000_000;
        let (mut peer, mut other) = pair();
        peer.replies = vec![b'x'; 10 * PIECE];
        let mut read = vec![0; PIECE];
        let (mut kept_max, mut total) = (0, 0);
        while total < 100 * PIECE {
            assert!(peer.flush());
            kept_max = kept_max.max(peer.replies.len());
            let length = other.read(&mut read).expect("something was written");
            peer.replies.extend_from_slice(&read[..length]);
            total += length;
        }
        assert!(kept_max <= 20 * PIECE, "{kept_max} bytes");
    }

    #[test]
    fn room_for_large_replies_is_given_back() {
        let (mut peer, mut other) = pair();
        peer.replies = vec![b'x'; 5_000_000];
        let reader = std::thread::spawn(move || other.read_exact(&mut vec![0; 5_000_000]));
        while peer.has_replies() {
            assert!(peer.flush());
            std::thread::yield_now();
        }
        assert!(reader.join().expect("the reader does not panic").is_ok());
        assert!(peer.replies.capacity() <= ROOM_KEPT, "{}", peer.replies.capacity());
    }
}
