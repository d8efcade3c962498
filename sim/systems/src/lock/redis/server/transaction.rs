//! `MULTI`, `EXEC`, `DISCARD`, `WATCH` and `UNWATCH`.

use super::call::{Call, held_bytes};
use crate::lock::redis::access::{Answer, Refused};
use crate::lock::redis::reply::{Protocol, Reply};
use crate::lock::redis::table;

/// Requests that wait for `EXEC`.
#[derive(Clone, Debug, Default)]
pub(in crate::lock::redis) struct Transaction {
    pub(super) queued: Vec<Vec<Vec<u8>>>,
    /// Whether a request was refused, so that `EXEC` will be, too.
    pub(super) failed: bool,
}

/// A key that `EXEC` wants to find unchanged.
#[derive(Clone, Debug)]
pub(in crate::lock::redis) struct Watch {
    pub(super) database: u8,
    pub(super) key: Vec<u8>,
    /// The count of its changes when the watch began.
    pub(super) changes: u64,
    /// Whether it was expired by then, though not deleted yet. Its deletion is no change.
    pub(super) was_expired: bool,
}

/// `MULTI`
pub(in crate::lock::redis) fn multi(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    let connection = call.connection();
    if connection.transaction.is_some() {
        return Err(Refused::new("ERR MULTI calls can not be nested"));
    }
    connection.transaction = Some(Transaction::default());
    Ok(Reply::OK)
}

/// `DISCARD`
pub(in crate::lock::redis) fn discard(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    if call.connection().transaction.take().is_none() {
        return Err(Refused::new("ERR DISCARD without MULTI"));
    }
    call.connection().held_bytes = 0;
    forget_watches(call);
    Ok(Reply::OK)
}

/// The error of an `EXEC` that is refused before it is looked at: its transaction is over.
pub(super) fn abort(call: &mut Call<'_>, refused: &Refused) -> Refused {
    call.connection().transaction = None;
    call.connection().held_bytes = 0;
    forget_watches(call);
    let why = refused.0.strip_prefix(b"ERR ").unwrap_or(&refused.0);
    Refused([b"EXECABORT Transaction discarded because of: ", why].concat())
}

/// `EXEC`: no array if a watched key changed or expired.
pub(in crate::lock::redis) fn exec(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    let Some(transaction) = call.connection().transaction.take() else {
        return Err(Refused::new("ERR EXEC without MULTI"));
    };
    call.connection().held_bytes = 0;
    let changed = watched_key_changed(call);
    forget_watches(call);
    if transaction.failed {
        return Err(Refused::new("EXECABORT Transaction discarded because of previous errors."));
    }
    if changed {
        return Ok(Reply::NullArray);
    }
    call.within_exec = Some(transaction.queued.len());
    let replies: Vec<(Protocol, Reply)> = transaction.queued.iter().map(|arguments| queued(call, arguments)).collect();
    call.within_exec = None;
    let protocol = call.connection().protocol;
    let as_made = |(made, reply)| if made == protocol { reply } else { Reply::As(made, Box::new(reply)) };
    Ok(Reply::Array(replies.into_iter().map(as_made).collect()))
}

/// The reply to a request that has waited, and the protocol of that moment: `HELLO` may change it in between.
fn queued(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> (Protocol, Reply) {
    let command = table::find(arguments).expect("only commands are queued");
    let reply = call.run(command, arguments).unwrap_or_else(|Refused(text)| Reply::Error(text));
    let reply = call.within_room(reply);
    (call.connection().protocol, reply)
}

/// `WATCH key …`
pub(in crate::lock::redis) fn watch(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    if call.connection().transaction.is_some() {
        return Err(Refused::new("ERR WATCH inside MULTI is not allowed"));
    }
    for key in &arguments[1..] {
        let database = call.connection().database;
        if call.connection().watches.iter().any(|watch| watch.database == database && watch.key == *key) {
            continue;
        }
        let now = call.now;
        let access = call.access();
        let was_expired = access.keyspace.entry(key).is_some_and(|entry| entry.is_expired(now));
        let changes = access.keyspace.watch(key);
        call.connection().watched_bytes += held_bytes(std::slice::from_ref(key));
        call.connection().watches.push(Watch { database, key: key.clone(), changes, was_expired });
    }
    Ok(Reply::OK)
}

/// `UNWATCH`
pub(in crate::lock::redis) fn unwatch(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    forget_watches(call);
    Ok(Reply::OK)
}

fn watched_key_changed(call: &mut Call<'_>) -> bool {
    let now = call.now;
    let watches = call.connection().watches.clone();
    watches.iter().any(|watch| {
        let keyspace = &call.server.databases[usize::from(watch.database)];
        let is_expired = || keyspace.entry(&watch.key).is_some_and(|entry| entry.is_expired(now));
        match keyspace.changes(&watch.key) - watch.changes {
            0 => !watch.was_expired && is_expired(),
            // An expired key cannot change in another way before it is deleted.
            1 => !watch.was_expired,
            _ => true,
        }
    })
}

/// Ends every watch of the connection.
pub(super) fn forget_watches(call: &mut Call<'_>) {
    let id = call.id;
    if let Some(connection) = call.server.connections.get_mut(&id) {
        connection.forget_watches(&mut call.server.databases);
    }
}
