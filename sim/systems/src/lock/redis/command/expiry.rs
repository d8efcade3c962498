//! Commands over deadlines.

use crate::lock::redis::access::{Access, Answer, Refused, integer};
use crate::lock::redis::command::set::{self, Unit};
use crate::lock::redis::number;
use crate::lock::redis::reply::Reply;
use crate::lock::redis::server::call::front;

/// When `EXPIRE` and its kin may act, by the deadline that the key has.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// Only if it has none.
    without: bool,
    /// Only if it has one.
    with: bool,
    /// Only if the new one is later; none counts as the latest.
    later: bool,
    /// Only if the new one is earlier.
    earlier: bool,
}

/// `EXPIRE key seconds [flags]`
pub(in crate::lock::redis) fn expire(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    expire_generic(access, arguments, access.now, 1000, "expire")
}

/// `PEXPIRE key milliseconds [flags]`
pub(in crate::lock::redis) fn pexpire(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    expire_generic(access, arguments, access.now, 1, "pexpire")
}

/// `EXPIREAT key second [flags]`
pub(in crate::lock::redis) fn expireat(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    expire_generic(access, arguments, 0, 1000, "expireat")
}

/// `PEXPIREAT key millisecond [flags]`
pub(in crate::lock::redis) fn pexpireat(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    expire_generic(access, arguments, 0, 1, "pexpireat")
}

fn expire_generic(access: &mut Access<'_>, arguments: &[Vec<u8>], basis: i64, unit: i64, command: &str) -> Answer {
    let flags = flags(&arguments[3..])?;
    let invalid = || Refused(format!("ERR invalid expire time in '{command}' command").into_bytes());
    let asked = integer(&arguments[2])?.checked_mul(unit).ok_or_else(invalid)?;
    let deadline = asked.checked_add(basis).ok_or_else(invalid)?;
    let key = &arguments[1];
    let Some(entry) = access.entry(key) else { return Ok(Reply::Integer(0)) };
    if !flags.allow(entry.deadline, deadline) {
        return Ok(Reply::Integer(0));
    }
    if deadline <= access.now && access.acts_on_expiry() {
        access.remove(key);
        access.note(&[b"DEL", key]);
    } else {
        access.keyspace.set_deadline(key, Some(deadline));
        note_deadline(access, arguments, deadline);
    }
    Ok(Reply::Integer(1))
}

/// The command with its deadline as a moment; its flags stay, as the deadlines of a replica are the same.
fn note_deadline(access: &mut Access<'_>, arguments: &[Vec<u8>], deadline: i64) {
    let mut words: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    let moment = number::format(deadline);
    words[2] = &moment;
    if !words[0].eq_ignore_ascii_case(b"PEXPIREAT") {
        words[0] = b"PEXPIREAT";
    }
    access.note(&words);
}

fn flags(words: &[Vec<u8>]) -> Result<Flags, Refused> {
    let mut flags = Flags::default();
    for word in words {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => flags.without = true,
            b"XX" => flags.with = true,
            b"GT" => flags.later = true,
            b"LT" => flags.earlier = true,
            _ => return Err(Refused([b"ERR Unsupported option ", front(word, usize::MAX)].concat())),
        }
    }
    if flags.without && (flags.with || flags.later || flags.earlier) {
        return Err(Refused::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
    }
    if flags.later && flags.earlier {
        return Err(Refused::new("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(flags)
}

impl Flags {
    fn allow(self, before: Option<i64>, after: i64) -> bool {
        (!self.without || before.is_none())
            && (!self.with || before.is_some())
            && (!self.later || before.is_some_and(|before| after > before))
            && (!self.earlier || before.is_none_or(|before| after < before))
    }
}

/// `PERSIST key`
pub(in crate::lock::redis) fn persist(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let had = access.deadline(&arguments[1]).is_some();
    if had {
        access.keyspace.set_deadline(&arguments[1], None);
        access.note_verbatim(arguments);
    }
    Ok(Reply::flag(had))
}

/// `TTL key`
pub(in crate::lock::redis) fn ttl(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(deadline_reply(access, &arguments[1], |deadline, now| rounded_seconds(deadline.saturating_sub(now).max(0))))
}

/// `PTTL key`
pub(in crate::lock::redis) fn pttl(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(deadline_reply(access, &arguments[1], |deadline, now| deadline.saturating_sub(now).max(0)))
}

/// `EXPIRETIME key`
pub(in crate::lock::redis) fn expiretime(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(deadline_reply(access, &arguments[1], |deadline, _| rounded_seconds(deadline)))
}

/// `PEXPIRETIME key`
pub(in crate::lock::redis) fn pexpiretime(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(deadline_reply(access, &arguments[1], |deadline, _| deadline))
}

/// -2 without the key, -1 without a deadline.
fn deadline_reply(access: &mut Access<'_>, key: &[u8], shown: impl Fn(i64, i64) -> i64) -> Reply {
    let now = access.now;
    Reply::Integer(match access.entry(key).map(|entry| entry.deadline) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => shown(deadline, now),
    })
}

/// Redis rounds to the nearest second, so a key with less than half a second left shows 0.
fn rounded_seconds(milliseconds: i64) -> i64 {
    // As numbers without a sign, like Redis's compiler: the last deadline that there is has room for the half second.
    let rounded = (milliseconds.max(0).unsigned_abs() + 500) / 1000;
    i64::try_from(rounded).expect("a thousandth of a number fits")
}

/// `GETEX key [EX | PX | EXAT | PXAT time | PERSIST]`
pub(in crate::lock::redis) fn getex(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let asked = getex_options(&arguments[2..])?;
    let key = &arguments[1];
    let value = Reply::bulk_or_null(access.string(key)?);
    if value == Reply::Null {
        return Ok(value);
    }
    match asked {
        Asked::Nothing => {}
        Asked::Persist => {
            if access.deadline(key).is_some() {
                access.keyspace.set_deadline(key, None);
                access.note(&[b"PERSIST", key]);
            }
        }
        Asked::Deadline(unit, argument) => {
            let deadline = set::deadline(unit, argument, access.now, "getex")?;
            getex_deadline(access, key, deadline);
        }
    }
    Ok(value)
}

enum Asked<'a> {
    Nothing,
    Persist,
    Deadline(Unit, &'a [u8]),
}

fn getex_options(words: &[Vec<u8>]) -> Result<Asked<'_>, Refused> {
    let mut asked = Asked::Nothing;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        asked = match (Unit::named(word), &asked) {
            (None, Asked::Nothing | Asked::Persist) if word.eq_ignore_ascii_case(b"PERSIST") => Asked::Persist,
            (Some(unit), Asked::Nothing) => Asked::Deadline(unit, words.next().ok_or_else(Refused::syntax)?),
            (Some(unit), Asked::Deadline(before, _)) if *before == unit => {
                Asked::Deadline(unit, words.next().ok_or_else(Refused::syntax)?)
            }
            _ => return Err(Refused::syntax()),
        };
    }
    Ok(asked)
}

fn getex_deadline(access: &mut Access<'_>, key: &[u8], deadline: i64) {
    if deadline <= access.now && access.acts_on_expiry() {
        access.remove(key);
        access.note(&[b"DEL", key]);
        return;
    }
    access.keyspace.set_deadline(key, Some(deadline));
    access.note(&[b"PEXPIREAT", key, &number::format(deadline)]);
}
