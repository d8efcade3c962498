//! Shipped servers behind real sockets: so far the lock server, which speaks the protocol of Redis over TCP.
//!
//! One thread and one poll loop: a request is read, carried out by the plain
//! [`Server`] at the time of the wall clock, and answered before the next
//! one. So requests are atomic, as in Redis.
//!
//! What limits a client: the number of connections, the bytes that wait for the rest of a request or for `EXEC`, the
//! bytes of replies that wait for it, the time without a byte of it, and the time in which it reads nothing although it
//! has to. None keeps the others waiting: after some reads and requests they have their turn.

mod peer;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use splitbrain_systems::lock::redis::Server;

use peer::{Peer, State};

/// The token of the listener; connections have their numbers, which begin at 1.
const LISTENER: Token = Token(0);

/// How often expired keys are deleted, idle clients are looked for, and the flag to stop is read.
const CYCLE: Duration = Duration::from_millis(100);

/// How many expired keys of a database are deleted at once.
const EXPIRED_MAX: usize = 1000;

/// How long a cycle goes on to delete expired keys: a quarter of the time, as in Redis.
const EXPIRY_MAX: Duration = Duration::from_millis(25);

/// How long a server that stops waits for clients to read their last replies.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many bytes are read at once.
const READ_BYTES: usize = 16 * 1024;

/// How many files the process may open beside its clients: the listener, what waits for events, the streams of the
/// program, and some more.
const FILES_RESERVED: usize = 32;

/// What a lock server is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockServerOptions {
    /// Where it listens; port 0 chooses a free one.
    pub address: SocketAddr,
    /// How many clients it has at most; more are refused with Redis's error. It is lowered to what the limit of open
    /// files leaves, where the system says what that is.
    pub connections_max: usize,
    /// How many bytes of a client may wait, for the rest of their request or for `EXEC`; a client with more is cut
    /// off. Each argument counts with what it takes beside its bytes.
    pub request_bytes_max: usize,
    /// How many bytes of replies may wait for a client to read them. No request of a client with more is carried out
    /// until it has read some.
    pub reply_bytes_max: usize,
    /// A client that sends and reads nothing for this long is cut off. `None` waits for ever.
    pub idle_max: Option<Duration>,
    /// A client that reads nothing for this long is cut off if as many replies wait for it as may, or if its connection
    /// is to be closed once it has read them.
    pub stall_max: Duration,
}

impl LockServerOptions {
    /// The limits that the command line has by default.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connections_max: 10_000,
            request_bytes_max: 64 * 1024 * 1024,
            reply_bytes_max: 64 * 1024 * 1024,
            idle_max: None,
            stall_max: Duration::from_secs(10),
        }
    }
}

/// A lock server behind a socket.
#[derive(Debug)]
pub struct LockServer {
    options: LockServerOptions,
    poll: Poll,
    listener: TcpListener,
    server: Server,
    peers: BTreeMap<u64, Peer>,
    /// Clients that wait for replicas, and until when. There are no replicas, so only time answers them.
    waiting: BTreeMap<u64, Option<Instant>>,
    /// Clients of which there may be more, though no event tells of it.
    ready: BTreeSet<u64>,
    /// The system refused a client that waits for its connection: it gives no event for that one again.
    has_backlog: bool,
}

impl LockServer {
    /// Listens; clients are answered once it runs.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn bind(mut options: LockServerOptions) -> io::Result<Self> {
        let files = open_files_max().unwrap_or(usize::MAX);
        options.connections_max = options.connections_max.min(files.saturating_sub(FILES_RESERVED).max(1));
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(options.address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let mut server = Server::new();
        server.set_reply_bytes_max(options.reply_bytes_max);
        let (peers, waiting, ready) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { options, poll, listener, server, peers, waiting, ready, has_backlog: false })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers clients until the flag is set, then lets them read their last replies and closes every connection.
    ///
    /// # Errors
    /// If the system refuses to wait for events.
    pub fn run(mut self, stop: &Arc<AtomicBool>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES];
        let mut next_cycle = Instant::now() + CYCLE;
        while !stop.load(Ordering::Relaxed) {
            self.wait(&mut events, next_cycle)?;
            for event in &events {
                self.on_event(event, &mut buffer);
            }
            for id in std::mem::take(&mut self.ready) {
                self.serve(id, false, &mut buffer);
            }
            self.answer_waiting();
            if Instant::now() >= next_cycle {
                self.cycle();
                next_cycle = Instant::now() + CYCLE;
            }
        }
        self.part(&mut events)
    }

    /// Waits for an event, the next cycle, or the end of a client's wait; not at all if a client is to be served again.
    fn wait(&mut self, events: &mut Events, next_cycle: Instant) -> io::Result<()> {
        let earliest = self.waiting.values().flatten().min().map_or(next_cycle, |until| next_cycle.min(*until));
        let timeout = match self.ready.is_empty() {
            true => earliest.saturating_duration_since(Instant::now()),
            false => Duration::ZERO,
        };
        match self.poll.poll(events, Some(timeout)) {
            // A signal: the flag may be set.
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            ended => ended,
        }
    }

    fn on_event(&mut self, event: &Event, buffer: &mut [u8]) {
        if event.token() == LISTENER {
            self.accept();
        } else if let Ok(id) = u64::try_from(event.token().0) {
            self.serve(id, event.is_read_closed(), buffer);
        }
    }

    /// Takes every client that waits. One that the system refuses, as no file is left, is tried again when a client has
    /// gone, and in every cycle.
    fn accept(&mut self) {
        self.has_backlog = false;
        loop {
            match self.listener.accept() {
                // A client that cannot be registered has no way to be answered: its stream is dropped.
                Ok((stream, address)) => {
                    let _ = self.welcome(stream, address);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => {
                        self.has_backlog = true;
                        return;
                    }
                },
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, address: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if self.peers.len() >= self.options.connections_max {
            return io::Write::write_all(&mut stream, b"-ERR max number of clients reached\r\n");
        }
        let id = self.server.connect(&address.to_string(), wall_clock());
        let token = Token(usize::try_from(id).expect("the process ends before it has made this many connections"));
        let registered = self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE);
        if let Err(error) = registered {
            self.server.disconnect(id);
            return Err(error);
        }
        self.peers.insert(id, Peer::new(stream));
        Ok(())
    }

    /// Reads what a client sent, carries it out and answers. Whether the client sends no more is known from the event.
    fn serve(&mut self, id: u64, sends_no_more: bool, buffer: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let state = peer.serve(id, &mut self.server, (buffer, sends_no_more), &self.options);
        self.settle(id, state);
    }

    fn settle(&mut self, id: u64, state: State) {
        match state {
            State::Open => {}
            State::Waiting(until) => {
                self.waiting.insert(id, until);
            }
            State::More => {
                self.ready.insert(id);
            }
            State::Closed => self.close(id),
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(mut peer) = self.peers.remove(&id) {
            // The descriptor is closed right after, which ends its registration too.
            let _ = self.poll.registry().deregister(peer.stream());
        }
        self.waiting.remove(&id);
        self.ready.remove(&id);
        self.server.disconnect(id);
        if self.has_backlog {
            self.accept();
        }
    }

    /// Answers clients whose wait is over, and goes on with what they sent meanwhile.
    fn answer_waiting(&mut self) {
        let now = Instant::now();
        let over = self.waiting.iter().filter(|(_, until)| until.is_some_and(|until| until <= now));
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        for id in over {
            self.waiting.remove(&id);
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let state = peer.go_on(id, &mut self.server, &self.options);
            self.settle(id, state);
        }
    }

    fn cycle(&mut self) {
        let until = Instant::now() + EXPIRY_MAX;
        delete_expired(&mut self.server, || Instant::now() < until);
        if self.has_backlog {
            self.accept();
        }
        let is_idle = |id: &u64, peer: &Peer| {
            self.options.idle_max.is_some_and(|idle_max| peer.is_idle(idle_max) && !self.waiting.contains_key(id))
        };
        let over = self.peers.iter().filter(|(id, peer)| is_idle(id, peer) || peer.is_stalled(self.options.stall_max));
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.close(id));
    }

    /// Writes the replies that are left, for a moment at most.
    fn part(mut self, events: &mut Events) -> io::Result<()> {
        // They get no answer any more, and nothing is read.
        self.waiting.clear();
        self.ready.clear();
        let until = Instant::now() + FAREWELL;
        while self.peers.values().any(Peer::has_replies) && Instant::now() < until {
            self.wait(events, until)?;
            for peer in self.peers.values_mut() {
                peer.flush();
            }
        }
        Ok(())
    }
}

/// How many files the process may have open, where the system says so: on Linux.
fn open_files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Milliseconds since 1970.
fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Deletes expired keys, some at a time, until none is left or there is no more time.
fn delete_expired(server: &mut Server, has_time: impl Fn() -> bool) {
    // There are no replicas and there is no append-only file, so the effects go nowhere.
    while server.expire(wall_clock(), EXPIRED_MAX).len() >= EXPIRED_MAX && has_time() {}
}

#[cfg(test)]
mod tests {
    use splitbrain_systems::lock::redis::Reply;

    use super::*;

    #[test]
    fn all_keys_that_are_over_are_deleted_in_one_cycle_if_there_is_time() {
        let count = |keys: usize, has_time: bool| {
            let mut server = Server::new();
            let ask = |server: &mut Server, words: &[&str], now: i64| {
                server.ask(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), now).reply
            };
            (0..keys).for_each(|key| drop(ask(&mut server, &["SET", &key.to_string(), "v", "PX", "1"], 1)));
            delete_expired(&mut server, || has_time);
            ask(&mut server, &["DBSIZE"], 1)
        };
        assert_eq!(count(10 * EXPIRED_MAX + 1, true), Reply::Integer(0));
        assert_eq!(
            count(10 * EXPIRED_MAX, false),
            Reply::Integer(9 * EXPIRED_MAX as i64),
            "the clients have their turn"
        );
    }
}
