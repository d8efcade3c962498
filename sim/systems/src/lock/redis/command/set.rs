//! `SET` with all its options, and the commands that are short forms of it.

use crate::lock::redis::access::{Access, Answer, Refused, integer};
use crate::lock::redis::number;
use crate::lock::redis::reply::Reply;

/// What `SET` may be asked for beside the value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    condition: Option<Condition>,
    returns_old: bool,
    keeps_deadline: bool,
    deadline: Option<(Unit, &'a [u8])>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Absent,
    Present,
}

/// How an argument says when a key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Milliseconds,
    /// The second since 1970.
    UnixSecond,
    /// The millisecond since 1970.
    UnixMillisecond,
}

impl Unit {
    /// The unit that an option of `SET` or `GETEX` names.
    pub(super) fn named(word: &[u8]) -> Option<Self> {
        match word.to_ascii_uppercase().as_slice() {
            b"EX" => Some(Self::Seconds),
            b"PX" => Some(Self::Milliseconds),
            b"EXAT" => Some(Self::UnixSecond),
            b"PXAT" => Some(Self::UnixMillisecond),
            _ => None,
        }
    }

    fn is_absolute(self) -> bool {
        matches!(self, Self::UnixSecond | Self::UnixMillisecond)
    }

    fn is_seconds(self) -> bool {
        matches!(self, Self::Seconds | Self::UnixSecond)
    }
}

/// The deadline that an argument asks for, which has to be a positive number of its unit.
pub(super) fn deadline(unit: Unit, argument: &[u8], now: i64, command: &str) -> Result<i64, Refused> {
    let invalid = || Refused(format!("ERR invalid expire time in '{command}' command").into_bytes());
    let asked = integer(argument)?;
    if asked <= 0 {
        return Err(invalid());
    }
    let milliseconds = if unit.is_seconds() { asked.checked_mul(1000) } else { Some(asked) };
    let basis = if unit.is_absolute() { 0 } else { now };
    milliseconds.and_then(|milliseconds| milliseconds.checked_add(basis)).ok_or_else(invalid)
}

/// `SET key value [NX | XX] [GET] [EX | PX | EXAT | PXAT time | KEEPTTL]`
pub(in crate::lock::redis) fn set(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let options = options(&arguments[3..])?;
    let deadline = match options.deadline {
        Some((unit, argument)) => Some(deadline(unit, argument, access.now, "set")?),
        None => None,
    };
    let (key, value) = (&arguments[1], &arguments[2]);
    let old = if options.returns_old { Some(Reply::bulk_or_null(access.string(key)?)) } else { None };
    let refused = options.condition.is_some_and(|condition| access.exists(key) != (condition == Condition::Present));
    if refused {
        return Ok(old.unwrap_or(Reply::Null));
    }
    let kept = if options.keeps_deadline { access.deadline(key) } else { None };
    // An expired key goes before the new one comes, and its deletion is an effect of its own.
    access.exists(key);
    access.set(key, value.clone(), deadline.or(kept));
    match deadline {
        Some(deadline) => note_set(access, key, value, deadline),
        None if options.returns_old => note_without_get(access, arguments),
        None => access.note_verbatim(arguments),
    }
    Ok(old.unwrap_or(Reply::OK))
}

/// The words after the value. One of a pair that excludes each other, or a time without its number, is an error.
fn options(words: &[Vec<u8>]) -> Result<Options<'_>, Refused> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" if options.condition != Some(Condition::Present) => options.condition = Some(Condition::Absent),
            b"XX" if options.condition != Some(Condition::Absent) => options.condition = Some(Condition::Present),
            b"GET" => options.returns_old = true,
            b"KEEPTTL" if options.deadline.is_none() => options.keeps_deadline = true,
            _ => options.deadline = Some(timed(&options, word, words.next())?),
        }
    }
    Ok(options)
}

/// A unit and its number; a second unit has to be the same.
fn timed<'a>(options: &Options<'_>, word: &[u8], number: Option<&'a Vec<u8>>) -> Result<(Unit, &'a [u8]), Refused> {
    let (Some(unit), Some(number)) = (Unit::named(word), number) else { return Err(Refused::syntax()) };
    if options.keeps_deadline || options.deadline.is_some_and(|(before, _)| before != unit) {
        return Err(Refused::syntax());
    }
    Ok((unit, number))
}

fn note_set(access: &mut Access<'_>, key: &[u8], value: &[u8], deadline: i64) {
    access.note(&[b"SET", key, value, b"PXAT", &number::format(deadline)]);
}

/// The command without the word that only asks for a reply.
fn note_without_get(access: &mut Access<'_>, arguments: &[Vec<u8>]) {
    let kept = arguments.iter().enumerate().filter(|(place, word)| *place < 3 || !word.eq_ignore_ascii_case(b"GET"));
    let kept: Vec<&[u8]> = kept.map(|(_, word)| word.as_slice()).collect();
    access.note(&kept);
}

/// `SETNX key value`
pub(in crate::lock::redis) fn setnx(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    if access.exists(&arguments[1]) {
        return Ok(Reply::Integer(0));
    }
    access.set(&arguments[1], arguments[2].clone(), None);
    access.note_verbatim(arguments);
    Ok(Reply::Integer(1))
}

/// `SETEX key seconds value`
pub(in crate::lock::redis) fn setex(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    set_for(access, arguments, Unit::Seconds, "setex")
}

/// `PSETEX key milliseconds value`
pub(in crate::lock::redis) fn psetex(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    set_for(access, arguments, Unit::Milliseconds, "psetex")
}

fn set_for(access: &mut Access<'_>, arguments: &[Vec<u8>], unit: Unit, command: &str) -> Answer {
    let (key, value) = (&arguments[1], &arguments[3]);
    let deadline = deadline(unit, &arguments[2], access.now, command)?;
    access.exists(key);
    access.set(key, value.clone(), Some(deadline));
    note_set(access, key, value, deadline);
    Ok(Reply::OK)
}

/// `GETSET key value`
pub(in crate::lock::redis) fn getset(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let (key, value) = (&arguments[1], &arguments[2]);
    let old = Reply::bulk_or_null(access.string(key)?);
    access.set(key, value.clone(), None);
    access.note(&[b"SET", key, value]);
    Ok(old)
}

/// `GETDEL key`
pub(in crate::lock::redis) fn getdel(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let old = Reply::bulk_or_null(access.string(&arguments[1])?);
    if access.remove(&arguments[1]) {
        access.note(&[b"DEL", &arguments[1]]);
    }
    Ok(old)
}
