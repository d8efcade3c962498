//! Commands over keys, whatever they hold.

use std::borrow::Cow;

use crate::lock::redis::access::{Access, Answer, check_room};
use crate::lock::redis::reply::Reply;

/// `DEL key …`, `UNLINK key …`: the effect is the command as it was asked, unless no key was there.
pub(in crate::lock::redis) fn del(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let removed = arguments[1..].iter().filter(|key| access.remove(key)).count();
    if removed > 0 {
        access.note_verbatim(arguments);
    }
    Ok(Reply::count(removed))
}

/// `EXISTS key …`, `TOUCH key …`: a key that is named twice counts twice.
pub(in crate::lock::redis) fn exists(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    Ok(Reply::count(arguments[1..].iter().filter(|key| access.exists(key)).count()))
}

/// `TYPE key`
pub(in crate::lock::redis) fn kind(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let kind = access.entry(&arguments[1]).map_or("none", |entry| entry.value.kind());
    Ok(Reply::Status(Cow::Borrowed(kind)))
}

/// `DBSIZE`: expired keys that are not deleted yet are counted.
pub(in crate::lock::redis) fn dbsize(access: &mut Access<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(Reply::count(access.keyspace.len()))
}

/// `KEYS pattern`
pub(in crate::lock::redis) fn keys(access: &mut Access<'_>, arguments: &[Vec<u8>]) -> Answer {
    let matching = access.keyspace.iter().map(|(key, _)| key).filter(|key| matches_glob(&arguments[1], key));
    check_room(access.room, matching.clone().map(<[u8]>::len))?;
    let found: Vec<Vec<u8>> = matching.map(<[u8]>::to_vec).collect();
    let alive = found.into_iter().filter(|key| access.exists(key)).collect::<Vec<_>>();
    Ok(Reply::Array(alive.into_iter().map(Reply::Bulk).collect()))
}

/// Whether a text fits a pattern of `*`, `?`, `[…]` and `\`.
pub(in crate::lock::redis) fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last star stands, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    let (mut at, mut place) = (0, 0);
    while place < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, place));
            at += 1;
        } else if let Some(length) = one_byte(&pattern[at..], text[place]) {
            at += length;
            place += 1;
        } else if let Some((before, taken)) = star {
            star = Some((before, taken + 1));
            (at, place) = (before + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// The length of the front of the pattern that stands for this byte, or `None` if it does not.
fn one_byte(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => {
            let (matched, length) = class(rest, byte);
            matched.then_some(length + 1)
        }
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// Whether a class of bytes holds this one, and how long the class is, its closing bracket included.
fn class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    while at < class.len() && class[at] != b']' {
        match class[at..] {
            [b'\\', escaped, ..] => {
                found |= escaped == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                found |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= literal == byte;
                at += 1;
            }
            [] => break,
        }
    }
    (found != negated, (at + 1).min(class.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_does() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("lock:*", "lock:1", true),
            ("lock:*", "lok:1", false),
            ("*:1", "lock:1:1", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
        ] {
            assert_eq!(matches_glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} on {text}");
        }
    }
}
