//! A connection, and the commands about it and about the server.

use super::call::Call;
use super::transaction::{self, Transaction, Watch};
use super::{DATABASES, Next};
use crate::lock::redis::access::{Answer, Refused, integer};
use crate::lock::redis::keyspace::Keyspace;
use crate::lock::redis::number;
use crate::lock::redis::reply::{Protocol, Reply};

/// What the server keeps for a connection.
#[derive(Clone, Debug)]
pub(in crate::lock::redis) struct Connection {
    /// The address of the client.
    pub(super) peer: String,
    /// When it was made.
    pub(super) made: i64,
    pub(super) database: u8,
    pub(in crate::lock::redis) protocol: Protocol,
    pub(super) name: Vec<u8>,
    pub(super) transaction: Option<Transaction>,
    pub(super) watches: Vec<Watch>,
    /// Bytes of the requests that wait for `EXEC`.
    pub(super) held_bytes: usize,
    /// Bytes of the watches.
    pub(super) watched_bytes: usize,
}

impl Connection {
    pub(super) fn new(peer: &str, now: i64) -> Self {
        Self {
            peer: peer.to_owned(),
            made: now,
            database: 0,
            protocol: Protocol::Resp2,
            name: Vec::new(),
            transaction: None,
            watches: Vec::new(),
            held_bytes: 0,
            watched_bytes: 0,
        }
    }

    /// Ends every watch.
    pub(super) fn forget_watches(&mut self, databases: &mut [Keyspace]) {
        self.watched_bytes = 0;
        for watch in self.watches.drain(..) {
            databases[usize::from(watch.database)].unwatch(&watch.key);
        }
    }
}

/// `PING [text]`
pub(in crate::lock::redis) fn ping(_: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    match arguments {
        [_] => Ok(Reply::Status("PONG".into())),
        [_, text] => Ok(Reply::Bulk(text.clone())),
        _ => Err(Refused::arity("ping")),
    }
}

/// `ECHO text`
pub(in crate::lock::redis) fn echo(_: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::Bulk(arguments[1].clone()))
}

/// `QUIT`
pub(in crate::lock::redis) fn quit(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    call.next = Next::Close;
    Ok(Reply::OK)
}

/// `RESET`: the connection is as at its beginning.
pub(in crate::lock::redis) fn reset(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    transaction::forget_watches(call);
    let connection = call.connection();
    let (peer, made) = (std::mem::take(&mut connection.peer), connection.made);
    *connection = Connection::new(&peer, made);
    Ok(Reply::Status("RESET".into()))
}

/// `SELECT database`
pub(in crate::lock::redis) fn select(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let asked = number::parse(&arguments[1]).and_then(|asked| i32::try_from(asked).ok());
    let asked = asked.ok_or_else(Refused::not_an_integer)?;
    let database = u8::try_from(asked).ok().filter(|&database| usize::from(database) < DATABASES);
    call.connection().database = database.ok_or_else(|| Refused::new("ERR DB index is out of range"))?;
    Ok(Reply::OK)
}

/// `FLUSHDB [ASYNC | SYNC]`
pub(in crate::lock::redis) fn flushdb(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    flush_mode(arguments)?;
    let mut access = call.access();
    access.keyspace.clear();
    access.note_verbatim(arguments);
    Ok(Reply::OK)
}

/// `FLUSHALL [ASYNC | SYNC]`
pub(in crate::lock::redis) fn flushall(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    flush_mode(arguments)?;
    call.server.databases.iter_mut().for_each(Keyspace::clear);
    call.access().note_verbatim(arguments);
    Ok(Reply::OK)
}

fn flush_mode(arguments: &[Vec<u8>]) -> Result<(), Refused> {
    match arguments {
        [_] => Ok(()),
        [_, mode] if mode.eq_ignore_ascii_case(b"SYNC") || mode.eq_ignore_ascii_case(b"ASYNC") => Ok(()),
        _ => Err(Refused::syntax()),
    }
}

/// `WAIT replicas milliseconds`: the host counts acknowledgements, unless a transaction asks, which waits for nothing.
pub(in crate::lock::redis) fn wait(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    if call.server.role() == super::Role::Replica {
        let text = "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a \
                    replica is configured to be writable (which is not the default) writes to replicas are just \
                    local and are not propagated.";
        return Err(Refused::new(text));
    }
    let replicas = integer(&arguments[1])?;
    let timeout = number::parse(&arguments[2]);
    let timeout = timeout.ok_or_else(|| Refused::new("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout).map_err(|_| Refused::new("ERR timeout is negative"))?;
    if let Ok(replicas @ 1..) = u64::try_from(replicas)
        && call.within_exec.is_none()
    {
        call.next = Next::AwaitReplicas { replicas, timeout_ms };
    }
    Ok(Reply::Integer(0))
}
