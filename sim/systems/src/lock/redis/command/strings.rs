//! Commands over the bytes of a key.

use crate::lock::redis::access::{Access, Answer, Refused, check_room, integer};
use crate::lock::redis::number;
use crate::lock::redis::reply::Reply;
use crate::lock::redis::value::Value;

/// The most bytes of one value.
const VALUE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// `GET key`
pub(in crate::lock::redis) fn get(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::bulk_or_null(access.string(&arguments[1])?))
}

/// `MGET key …`: a key that holds no bytes counts as absent.
pub(in crate::lock::redis) fn mget(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let room = access.room;
    check_room(room, arguments[1..].iter().map(|key| access.string(key).ok().flatten().map_or(0, <[u8]>::len)))?;
    let mut values = Vec::new();
    for key in &arguments[1..] {
        values.push(access.string(key).map_or(Reply::Null, Reply::bulk_or_null));
    }
    Ok(Reply::Array(values))
}

/// `MSET key value …`
pub(in crate::lock::redis) fn mset(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    if arguments.len().is_multiple_of(2) {
        return Err(Refused::arity("mset"));
    }
    for pair in arguments[1..].chunks(2) {
        access.exists(&pair[0]);
        access.set(&pair[0], pair[1].clone(), None);
    }
    access.note_verbatim(arguments);
    Ok(Reply::OK)
}

/// `STRLEN key`
pub(in crate::lock::redis) fn strlen(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::count(access.string(&arguments[1])?.map_or(0, <[u8]>::len)))
}

/// `APPEND key value`
pub(in crate::lock::redis) fn append(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let (key, more) = (&arguments[1], &arguments[2]);
    let length = access.string(key)?.map(<[u8]>::len);
    if length.unwrap_or_default() + more.len() > VALUE_BYTES_MAX {
        return Err(Refused::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    // In its place: a script may append to a long value over and over.
    match length.and_then(|_| access.keyspace.value_mut(key)) {
        Some(Value::String(bytes)) => bytes.extend_from_slice(more),
        _ => access.set(key, more.clone(), None),
    }
    access.note_verbatim(arguments);
    Ok(Reply::count(length.unwrap_or_default() + more.len()))
}

/// `INCR key`
pub(in crate::lock::redis) fn incr(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    add(access, arguments, 1)
}

/// `DECR key`
pub(in crate::lock::redis) fn decr(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    add(access, arguments, -1)
}

/// `INCRBY key number`
pub(in crate::lock::redis) fn incrby(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    add(access, arguments, integer(&arguments[2])?)
}

/// `DECRBY key number`
pub(in crate::lock::redis) fn decrby(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let amount = integer(&arguments[2])?.checked_neg();
    add(access, arguments, amount.ok_or_else(|| Refused::new("ERR decrement would overflow"))?)
}

fn add(access: &mut Access<'_>, arguments: &[Vec<u8>], amount: i64) -> Answer {
    let key = &arguments[1];
    let before = match access.string(key)? {
        Some(bytes) => integer(bytes)?,
        None => 0,
    };
    let sum = before.checked_add(amount).ok_or_else(|| Refused::new("ERR increment or decrement would overflow"))?;
    access.set_keeping_deadline(key, number::format(sum));
    access.note_verbatim(arguments);
    Ok(Reply::Integer(sum))
}
