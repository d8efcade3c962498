//! The words of clients and server: a small relative of HTTP/1.1 over connections that stay open.
//!
//! ```text
//!   GET 17 120\n             OK 17 120\n…120 bytes…
//!   POST 18 300\n…300 bytes… OK 18 0\n
//! ```
//!
//! The number names the request. The bytes of a body follow from the number and their place, so that a byte that is
//! lost, repeated or another's is seen at once.

use super::message::Request;

/// The longest line. More without an end is no request.
const LINE_MAX: usize = 40;

/// What the bytes so far begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// Something whole, and how many bytes it takes.
    Whole(T, usize),
    /// The beginning of something.
    Part,
    /// Nothing that was ever sent.
    Malformed,
}

/// A byte of the body of a message.
const fn byte(id: u64, place: usize) -> u8 {
    (id.wrapping_mul(31).wrapping_add(place as u64 * 7) % 251) as u8
}

/// The body of a message.
pub fn body(id: u64, size: u32) -> Vec<u8> {
    (0..size as usize).map(|place| byte(id, place)).collect()
}

/// A request as bytes.
pub fn request(id: u64, request: Request) -> Vec<u8> {
    match request {
        Request::Get { size } => format!("GET {id} {size}\n").into_bytes(),
        Request::Post { size } => {
            let mut bytes = format!("POST {id} {size}\n").into_bytes();
            bytes.extend(body(id, size));
            bytes
        }
    }
}

/// The first line and the body of the answer to a request: two buffers for writev(2).
pub fn answer(id: u64, request: Request) -> [Vec<u8>; 2] {
    let size = request.answer_size();
    [format!("OK {id} {size}\n").into_bytes(), body(id, size)]
}

/// Reads a request, with its number.
pub fn parse_request(bytes: &[u8]) -> Parsed<(u64, Request)> {
    match parse_line(bytes) {
        Parsed::Whole(("GET", id, size), length) => Parsed::Whole((id, Request::Get { size }), length),
        Parsed::Whole(("POST", id, size), length) => match parse_body(&bytes[length..], id, size) {
            Parsed::Whole((), body) => Parsed::Whole((id, Request::Post { size }), length + body),
            Parsed::Part => Parsed::Part,
            Parsed::Malformed => Parsed::Malformed,
        },
        Parsed::Part => Parsed::Part,
        _ => Parsed::Malformed,
    }
}

/// Reads an answer: the number of its request, and the size of its body.
pub fn parse_answer(bytes: &[u8]) -> Parsed<(u64, u32)> {
    match parse_line(bytes) {
        Parsed::Whole(("OK", id, size), length) => match parse_body(&bytes[length..], id, size) {
            Parsed::Whole((), body) => Parsed::Whole((id, size), length + body),
            Parsed::Part => Parsed::Part,
            Parsed::Malformed => Parsed::Malformed,
        },
        Parsed::Part => Parsed::Part,
        _ => Parsed::Malformed,
    }
}

fn parse_line(bytes: &[u8]) -> Parsed<(&str, u64, u32)> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < LINE_MAX { Parsed::Part } else { Parsed::Malformed };
    };
    let line = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
    let mut words = line.split(' ');
    let parts = (words.next(), words.next().map(str::parse), words.next().map(str::parse), words.next());
    match parts {
        (Some(word), Some(Ok(id)), Some(Ok(size)), None) => Parsed::Whole((word, id, size), end + 1),
        _ => Parsed::Malformed,
    }
}

fn parse_body(bytes: &[u8], id: u64, size: u32) -> Parsed<()> {
    let size = size as usize;
    let is_right = bytes.iter().take(size).enumerate().all(|(place, found)| *found == byte(id, place));
    match is_right {
        false => Parsed::Malformed,
        true if bytes.len() < size => Parsed::Part,
        true => Parsed::Whole((), size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_part_of_it_is_a_part() {
        let post = request(18, Request::Post { size: 30 });
        assert_eq!(parse_request(&post), Parsed::Whole((18, Request::Post { size: 30 }), post.len()));
        assert!((0..post.len()).all(|end| parse_request(&post[..end]) == Parsed::Part));
        let get = answer(7, Request::Get { size: 12 }).concat();
        assert_eq!(parse_answer(&get), Parsed::Whole((7, 12), get.len()));
        assert!((0..get.len()).all(|end| parse_answer(&get[..end]) == Parsed::Part));
    }

    #[test]
    fn a_byte_that_is_missing_or_not_its_own_is_seen() {
        let whole = answer(7, Request::Get { size: 12 }).concat();
        let mut missing = whole.clone();
        missing.remove(15);
        assert_eq!(parse_answer(&missing), Parsed::Malformed);
        let mixed = [&whole[..14], &answer(8, Request::Get { size: 12 }).concat()].concat();
        assert_eq!(parse_answer(&mixed), Parsed::Malformed);
        assert_eq!(parse_request(b"PUT 1 2\n"), Parsed::Malformed);
        assert_eq!(parse_request(&[b'x'; LINE_MAX]), Parsed::Malformed);
    }
}
