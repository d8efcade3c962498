//! Scripts: so far the one by which locks are released, found by its words.

use super::access::{Access, Answer, Refused};
use super::reply::Reply;

/// Deletes the key if it holds the argument.
const COMPARE_AND_DELETE: &str =
    "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

/// Checks that the script is one that can be carried out.
pub(super) fn check(text: &[u8]) -> Result<(), Refused> {
    if words(text) == words(COMPARE_AND_DELETE.as_bytes()) {
        return Ok(());
    }
    Err(Refused::new("ERR this script is not supported"))
}

/// Carries out a script that was checked.
pub(super) fn run(
    _text: &[u8],
    _digest: &str,
    access: &mut Access<'_>,
    keys: &[Vec<u8>],
    arguments: &[Vec<u8>],
) -> Answer {
    let (Some(key), Some(token)) = (keys.first(), arguments.first()) else {
        return Err(Refused::new("ERR this script needs a key and an argument"));
    };
    if access.string(key)? != Some(token) {
        return Ok(Reply::Integer(0));
    }
    access.remove(key);
    access.note(&[b"del", key]);
    Ok(Reply::Integer(1))
}

/// The text without spaces, in small letters, with one kind of quotation mark.
fn words(text: &[u8]) -> Vec<u8> {
    let kept = text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b';');
    kept.map(|&byte| if byte == b'"' { b'\'' } else { byte.to_ascii_lowercase() }).collect()
}
