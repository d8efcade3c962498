//! Commands over hashes.

use crate::lock::redis::access::{Access, Answer, Refused, check_room, integer};
use crate::lock::redis::number;
use crate::lock::redis::reply::Reply;
use crate::lock::redis::value::Hash;

/// `HSET key field value …`
pub(in crate::lock::redis) fn hset(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::count(set_fields(access, arguments, "hset")?))
}

/// `HMSET key field value …`
pub(in crate::lock::redis) fn hmset(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    set_fields(access, arguments, "hmset")?;
    Ok(Reply::OK)
}

/// Sets the fields and returns how many are new.
fn set_fields(access: &mut Access<'_>, arguments: &[Vec<u8>], command: &str) -> Result<usize, Refused> {
    if arguments.len() % 2 == 1 {
        return Err(Refused::arity(command));
    }
    let hash = access.hash_mut(&arguments[1])?;
    let added = arguments[2..].chunks(2).filter(|pair| hash.set(&pair[0], pair[1].clone())).count();
    access.note_verbatim(arguments);
    Ok(added)
}

/// `HSETNX key field value`
pub(in crate::lock::redis) fn hsetnx(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let (key, field) = (&arguments[1], &arguments[2]);
    if access.hash(key)?.is_some_and(|hash| hash.get(field).is_some()) {
        return Ok(Reply::Integer(0));
    }
    access.hash_mut(key)?.set(field, arguments[3].clone());
    access.note_verbatim(arguments);
    Ok(Reply::Integer(1))
}

/// `HGET key field`
pub(in crate::lock::redis) fn hget(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let hash = access.hash(&arguments[1])?;
    Ok(Reply::bulk_or_null(hash.and_then(|hash| hash.get(&arguments[2]))))
}

/// `HMGET key field …`
pub(in crate::lock::redis) fn hmget(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let room = access.room;
    let hash = access.hash(&arguments[1])?;
    let value = |field: &Vec<u8>| hash.and_then(|hash| hash.get(field));
    check_room(room, arguments[2..].iter().map(|field| value(field).map_or(0, <[u8]>::len)))?;
    let values = arguments[2..].iter().map(|field| Reply::bulk_or_null(value(field)));
    Ok(Reply::Array(values.collect()))
}

/// `HDEL key field …`
pub(in crate::lock::redis) fn hdel(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let key = &arguments[1];
    let has = access.hash(key)?.is_some_and(|hash| arguments[2..].iter().any(|field| hash.get(field).is_some()));
    if !has {
        return Ok(Reply::Integer(0));
    }
    let hash = access.hash_mut(key)?;
    let removed = arguments[2..].iter().filter(|field| hash.remove(field)).count();
    access.drop_empty(key);
    access.note_verbatim(arguments);
    Ok(Reply::count(removed))
}

/// `HEXISTS key field`
pub(in crate::lock::redis) fn hexists(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::flag(access.hash(&arguments[1])?.is_some_and(|hash| hash.get(&arguments[2]).is_some())))
}

/// `HLEN key`
pub(in crate::lock::redis) fn hlen(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::count(access.hash(&arguments[1])?.map_or(0, Hash::len)))
}

/// `HGETALL key`
pub(in crate::lock::redis) fn hgetall(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let pairs = fields(access, arguments)?;
    Ok(Reply::Map(pairs.into_iter().map(|(field, value)| (Reply::Bulk(field), Reply::Bulk(value))).collect()))
}

/// `HKEYS key`
pub(in crate::lock::redis) fn hkeys(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::Array(fields(access, arguments)?.into_iter().map(|(field, _)| Reply::Bulk(field)).collect()))
}

/// `HVALS key`
pub(in crate::lock::redis) fn hvals(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::Array(fields(access, arguments)?.into_iter().map(|(_, value)| Reply::Bulk(value)).collect()))
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn fields(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Result<Pairs, Refused> {
    let room = access.room;
    let hash = access.hash(&arguments[1])?;
    check_room(room, hash.into_iter().flat_map(Hash::iter).flat_map(|(field, value)| [field.len(), value.len()]))?;
    let pairs = hash.map(|hash| hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect());
    Ok(pairs.unwrap_or_default())
}

/// `HINCRBY key field number`
pub(in crate::lock::redis) fn hincrby(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let amount = integer(&arguments[3])?;
    let (key, field) = (&arguments[1], &arguments[2]);
    let before = match access.hash(key)?.and_then(|hash| hash.get(field)) {
        Some(bytes) => number::parse(bytes).ok_or_else(|| Refused::new("ERR hash value is not an integer"))?,
        None => 0,
    };
    let sum = before.checked_add(amount).ok_or_else(|| Refused::new("ERR increment or decrement would overflow"))?;
    access.hash_mut(key)?.set(field, number::format(sum));
    access.note_verbatim(arguments);
    Ok(Reply::Integer(sum))
}
