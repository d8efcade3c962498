//! `EVAL`, `EVALSHA` and `SCRIPT`.

use super::Role;
use super::call::Call;
use crate::lock::redis::access::{Answer, Refused, integer};
use crate::lock::redis::reply::Reply;
use crate::lock::redis::script::{self, Script};
use crate::lock::redis::sha1;

/// `EVAL script keys key … argument …`
pub(in crate::lock::redis) fn eval(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let (keys, rest) = arguments[3..].split_at(key_count(arguments)?);
    let digest = sha1::hexadecimal(&arguments[1]);
    let script = kept(call, &digest, &arguments[1])?;
    run(call, &script, &digest, (keys, rest))
}

/// `EVALSHA digest keys key … argument …`
pub(in crate::lock::redis) fn evalsha(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let missing = || Refused::new("NOSCRIPT No matching script. Please use EVAL.");
    if arguments[1].len() != 40 {
        return Err(missing());
    }
    let (keys, rest) = arguments[3..].split_at(key_count(arguments)?);
    let digest = String::from_utf8_lossy(&arguments[1]).to_ascii_lowercase();
    let script = call.server.scripts.get(&digest).cloned().ok_or_else(missing)?;
    run(call, &script, &digest, (keys, rest))
}

/// The script with this digest; one that was not read yet is read and kept.
fn kept(call: &mut Call<'_>, digest: &str, text: &[u8]) -> Result<Script, Refused> {
    if let Some(script) = call.server.scripts.get(digest) {
        return Ok(script.clone());
    }
    let script = Script::parse(text)?;
    call.server.scripts.insert(digest.to_owned(), script.clone());
    Ok(script)
}

fn run(call: &mut Call<'_>, script: &Script, digest: &str, (keys, arguments): (&[Vec<u8>], &[Vec<u8>])) -> Answer {
    let may_write = call.server.role() == Role::Master;
    script::run(script, digest, &mut call.access(), script::Arguments { keys, arguments, may_write })
}

/// How many of the words after the third are keys.
fn key_count(arguments: &[Vec<u8>]) -> Result<usize, Refused> {
    let count = integer(&arguments[2])?;
    let count = usize::try_from(count).map_err(|_| Refused::new("ERR Number of keys can't be negative"))?;
    if count > arguments.len() - 3 {
        return Err(Refused::new("ERR Number of keys can't be greater than number of args"));
    }
    Ok(count)
}

/// `SCRIPT LOAD script`
pub(in crate::lock::redis) fn load(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let digest = sha1::hexadecimal(&arguments[2]);
    kept(call, &digest, &arguments[2])?;
    Ok(Reply::text(&digest))
}

/// `SCRIPT EXISTS digest …`
pub(in crate::lock::redis) fn exists(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let known = |digest: &Vec<u8>| {
        let digest = String::from_utf8_lossy(digest).to_ascii_lowercase();
        Reply::flag(call.server.scripts.contains_key(&digest))
    };
    Ok(Reply::Array(arguments[2..].iter().map(known).collect()))
}

/// `SCRIPT FLUSH [ASYNC | SYNC]`
pub(in crate::lock::redis) fn flush(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    match arguments {
        [_, _] => {}
        [_, _, mode] if mode.eq_ignore_ascii_case(b"SYNC") || mode.eq_ignore_ascii_case(b"ASYNC") => {}
        _ => return Err(Refused::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
    }
    call.server.scripts.clear();
    Ok(Reply::OK)
}
