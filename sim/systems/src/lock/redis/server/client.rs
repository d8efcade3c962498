//! `CLIENT`: what a connection may learn about itself and about the others.

use super::call::{Call, front};
use super::connection::Connection;
use crate::lock::redis::access::{Answer, Refused, check_room};
use crate::lock::redis::number;
use crate::lock::redis::reply::{Protocol, Reply};

/// `CLIENT ID`
pub(in crate::lock::redis) fn id(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(Reply::Integer(i64::try_from(call.id).expect("a server makes fewer connections than i64 counts")))
}

/// `CLIENT GETNAME`
pub(in crate::lock::redis) fn getname(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    let name = &call.connection().name;
    Ok(if name.is_empty() { Reply::Null } else { Reply::Bulk(name.clone()) })
}

/// `CLIENT SETNAME name`
pub(in crate::lock::redis) fn setname(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    set_name(call, &arguments[2])?;
    Ok(Reply::OK)
}

/// Names the connection; a name is made of visible ASCII.
pub(super) fn set_name(call: &mut Call<'_>, name: &[u8]) -> Result<(), Refused> {
    if !name.iter().all(u8::is_ascii_graphic) {
        return Err(Refused::new("ERR Client names cannot contain spaces, newlines or special characters."));
    }
    call.connection().name = name.to_vec();
    Ok(())
}

/// `CLIENT INFO`
pub(in crate::lock::redis) fn info(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    let (id, now, within_exec) = (call.id, call.now, call.within_exec);
    Ok(Reply::Verbatim(described(id, call.connection(), now, ("client|info", within_exec))))
}

/// `CLIENT LIST [TYPE type | ID number …]`
pub(in crate::lock::redis) fn list(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let room = call.access().room;
    let asked = listed(call, &arguments[2..])?;
    let lines = asked.iter().map(|id| {
        let at_work = if *id == call.id { ("client|list", call.within_exec) } else { ("NULL", None) };
        described(*id, &call.server.connections[id], call.now, at_work)
    });
    let mut text = String::new();
    for line in lines {
        check_room(room, [text.len() + line.len()])?;
        text.push_str(&line);
    }
    Ok(Reply::Verbatim(text))
}

/// The connections that the words after `CLIENT LIST` ask for. A number that none has is left out.
fn listed(call: &Call<'_>, words: &[Vec<u8>]) -> Result<Vec<u64>, Refused> {
    let connections = &call.server.connections;
    match words {
        [] => Ok(connections.keys().copied().collect()),
        [word, kind] if word.eq_ignore_ascii_case(b"TYPE") => {
            let is_kind = |kinds: &[&str]| kinds.iter().any(|known| kind.eq_ignore_ascii_case(known.as_bytes()));
            if is_kind(&["normal"]) {
                return Ok(connections.keys().copied().collect());
            }
            // It has no others.
            let is_known = is_kind(&["slave", "replica", "pubsub", "master"]);
            let unknown = || Refused([b"ERR Unknown client type '", front(kind, usize::MAX), b"'"].concat());
            if is_known { Ok(Vec::new()) } else { Err(unknown()) }
        }
        [word, ids @ ..] if word.eq_ignore_ascii_case(b"ID") && !ids.is_empty() => {
            let mut asked = Vec::new();
            for id in ids {
                let id = number::parse(id).ok_or_else(|| Refused::new("ERR Invalid client ID"))?;
                asked.extend(u64::try_from(id).ok().filter(|id| connections.contains_key(id)));
            }
            Ok(asked)
        }
        _ => Err(Refused::syntax()),
    }
}

/// The line of a connection. Fields about buffers and memory, which only a real process has, are left out.
fn described(id: u64, connection: &Connection, now: i64, (command, within_exec): (&str, Option<usize>)) -> String {
    let Connection { peer, made, database, protocol, name, transaction, .. } = connection;
    let name = String::from_utf8_lossy(name);
    let age = now.saturating_sub(*made).max(0) / 1000;
    let command = if within_exec.is_some() { "exec" } else { command };
    let queued = transaction.as_ref().map(|transaction| transaction.queued.len()).or(within_exec);
    let flags = if queued.is_some() { "x" } else { "N" };
    let queued = queued.map_or("-1".to_owned(), |queued| queued.to_string());
    let resp = if *protocol == Protocol::Resp3 { 3 } else { 2 };
    format!(
        "id={id} addr={peer} name={name} age={age} idle=0 flags={flags} db={database} sub=0 psub=0 ssub=0 \
         multi={queued} events=r cmd={command} user=default redir=-1 resp={resp}\n"
    )
}
