//! Requests out of bytes: arrays of bulks, or lines as a person types them.

use super::number;

/// The most bytes of a line, and of the length in front of an array or a bulk.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The most bytes of one argument.
const BULK_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What an argument takes beside its bytes: its place in a vector that grows by doubling, and its allocation.
pub(super) const ARGUMENT_BYTES: usize = 64;

/// How much room a buffer that is empty may keep.
const ROOM_KEPT: usize = 64 * 1024;

/// Bytes that are no request. The host answers with the error and closes the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub Vec<u8>);

/// Requests as their bytes arrive, in pieces of any size.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    buffer: Vec<u8>,
    /// Where the part of the buffer begins that is not read yet.
    at: usize,
    /// How many arguments of the request at work are still to come.
    missing: usize,
    arguments: Vec<Vec<u8>>,
    /// The length of the argument at work, once it is known.
    length: Option<usize>,
    /// How many bytes the arguments of the request at work take, [`ARGUMENT_BYTES`] for each included.
    held: usize,
}

impl Requests {
    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 && self.at * 2 >= self.buffer.len() {
            self.buffer.drain(..self.at);
            self.buffer.shrink_to(ROOM_KEPT.max(self.buffer.len() * 2));
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait for the rest of their request.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.at + self.held
    }

    /// The next whole request, or `None` if its rest has not arrived.
    ///
    /// # Errors
    /// If the bytes are no request.
    pub fn next_request(&mut self) -> Result<Option<Vec<Vec<u8>>>, ProtocolError> {
        loop {
            let request = if self.missing > 0 {
                self.bulks()?
            } else {
                match self.rest().first() {
                    None => return Ok(None),
                    Some(b'*') => self.array()?,
                    Some(_) => self.inline()?,
                }
            };
            match request {
                Some(arguments) if arguments.is_empty() => {}
                request => return Ok(request),
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// An array; one without elements is an empty request.
    fn array(&mut self) -> Result<Option<Vec<Vec<u8>>>, ProtocolError> {
        let Some(length) = self.length_line("too big mbulk count string")? else { return Ok(None) };
        let count = number::parse(&self.rest()[1..length]).filter(|count| *count <= i64::from(i32::MAX));
        let count = count.ok_or_else(|| error(b"invalid multibulk length"))?;
        self.at += length + 2;
        self.missing = usize::try_from(count).unwrap_or(0);
        self.arguments = Vec::with_capacity(self.missing.min(16));
        self.held = 0;
        if self.missing == 0 { Ok(Some(Vec::new())) } else { self.bulks() }
    }

    fn bulks(&mut self) -> Result<Option<Vec<Vec<u8>>>, ProtocolError> {
        while self.missing > 0 {
            let length = match self.length {
                Some(length) => length,
                None => match self.bulk_length()? {
                    Some(length) => length,
                    None => return Ok(None),
                },
            };
            if self.rest().len() < length + 2 {
                self.length = Some(length);
                return Ok(None);
            }
            // What stands behind an argument is skipped, whatever it is.
            self.arguments.push(self.buffer[self.at..self.at + length].to_vec());
            self.held += length + ARGUMENT_BYTES;
            self.at += length + 2;
            self.length = None;
            self.missing -= 1;
        }
        self.held = 0;
        Ok(Some(std::mem::take(&mut self.arguments)))
    }

    fn bulk_length(&mut self) -> Result<Option<usize>, ProtocolError> {
        let Some(end) = self.length_line("too big bulk count string")? else { return Ok(None) };
        let line = &self.rest()[..end];
        match line.first().copied().unwrap_or(b'\r') {
            b'$' => {}
            // C text ends at a zero.
            0 => return Err(error(b"expected '$', got '")),
            other => return Err(error(&[b"expected '$', got '".as_slice(), &[other], b"'"].concat())),
        }
        let length = number::parse(&line[1..]).and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|&length| length <= BULK_BYTES_MAX).ok_or_else(|| error(b"invalid bulk length"))?;
        self.at += end + 2;
        Ok(Some(length))
    }

    /// Where the line with a length ends, once its line end is there. A zero hides what is behind it.
    fn length_line(&self, too_big: &str) -> Result<Option<usize>, ProtocolError> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | 0)).filter(|&end| rest[end] == b'\r');
        match end {
            Some(end) if rest.len() >= end + 2 => Ok(Some(end)),
            None if rest.len() > LINE_BYTES_MAX => Err(error(too_big.as_bytes())),
            _ => Ok(None),
        }
    }

    fn inline(&mut self) -> Result<Option<Vec<Vec<u8>>>, ProtocolError> {
        let rest = self.rest();
        // A zero hides the line end behind it: such a line never ends.
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | 0)).filter(|&end| rest[end] == b'\n');
        let Some(end) = end else {
            return if rest.len() > LINE_BYTES_MAX { Err(error(b"too big inline request")) } else { Ok(None) };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let words = words(line).ok_or_else(|| error(b"unbalanced quotes in request"))?;
        self.at += end + 1;
        Ok(Some(words))
    }
}

fn error(text: &[u8]) -> ProtocolError {
    ProtocolError([b"ERR Protocol error: ".as_slice(), text].concat())
}

/// The words of a line; quotation marks hold spaces together. `None` if they do not match.
fn words(mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        // Redis counts the vertical tab as a space, too.
        while let [11, behind @ ..] = rest {
            rest = behind.trim_ascii_start();
        }
        if rest.is_empty() {
            return Some(words);
        }
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind;
    }
}

fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some((word, rest)),
            [b'"', behind @ ..] => return double_quoted(word, behind),
            [b'\'', behind @ ..] => return single_quoted(word, behind),
            [byte, behind @ ..] => {
                word.push(*byte);
                rest = behind;
            }
        }
    }
}

fn double_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    loop {
        (_, rest) = match rest {
            [] => return None,
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (word.push(hexadecimal(*high) * 16 + hexadecimal(*low)), behind)
            }
            [b'\\', byte, behind @ ..] => (word.push(unescaped(*byte)), behind),
            [b'"', behind @ ..] => return ends_word(word, behind),
            [byte, behind @ ..] => (word.push(*byte), behind),
        };
    }
}

fn single_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    loop {
        (_, rest) = match rest {
            [] => return None,
            [b'\\', b'\'', behind @ ..] => (word.push(b'\''), behind),
            [b'\'', behind @ ..] => return ends_word(word, behind),
            [byte, behind @ ..] => (word.push(*byte), behind),
        };
    }
}

/// A closing quotation mark ends the word.
fn ends_word(word: Vec<u8>, rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    match rest {
        [] | [b' ' | b'\n' | b'\r' | b'\t' | 11 | 12, ..] => Some((word, rest)),
        _ => None,
    }
}

fn hexadecimal(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = Result<Vec<String>, String>;

    /// The requests of these bytes, whole and one byte at a time, which has to be the same.
    fn read(bytes: &[u8]) -> Read {
        let whole = read_in(bytes, bytes.len().max(1));
        assert_eq!(read_in(bytes, 1), whole, "in pieces");
        whole
    }

    fn read_in(bytes: &[u8], size: usize) -> Read {
        let mut requests = Requests::default();
        let mut read = Vec::new();
        for piece in bytes.chunks(size) {
            requests.push(piece);
            loop {
                match requests.next_request() {
                    Ok(Some(arguments)) => read.push(String::from_utf8_lossy(&arguments.join(&b'|')).into_owned()),
                    Ok(None) => break,
                    Err(ProtocolError(text)) => return Err(String::from_utf8_lossy(&text).into_owned()),
                }
            }
        }
        Ok(read)
    }

    #[test]
    fn whole_requests_come_out() {
        for (bytes, requests) in [
            ("*1\r\n$4\r\nPING\r\n", vec!["PING"]),
            ("*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n", vec!["ECHO|\r\n", "PING"]),
            ("PING\r\nECHO \"a b\\x41\" 'c\\'d'\n", vec!["PING", "ECHO|a bA|c'd"]),
            ("\r\n*0\r\n*-1\r\nPING\n", vec!["PING"]),
            ("*-99999999999\r\nPING\n", vec!["PING"]),
            ("PING\nPI\0NG\r\nPING\r\n", vec!["PING"]),
            ("*1\r\n$4\r\nPINGxx", vec!["PING"]),
            ("*1\r\n$4\r\nPIN", vec![]),
        ] {
            assert_eq!(read(bytes.as_bytes()), Ok(requests.into_iter().map(str::to_owned).collect()), "{bytes:?}");
        }
    }

    #[test]
    fn other_bytes_are_errors() {
        for (bytes, text) in [
            ("*1\r\n+PING\r\n", "expected '$', got '+'"),
            ("*1\r\n$-1\r\n", "invalid bulk length"),
            ("*1\r\n$x\r\n", "invalid bulk length"),
            ("*abc\r\n", "invalid multibulk length"),
            ("*2147483648\r\n", "invalid multibulk length"),
            ("*-0\r\n", "invalid multibulk length"),
            ("PING \"a\r\n", "unbalanced quotes in request"),
            ("PING \"a\"b\r\n", "unbalanced quotes in request"),
        ] {
            assert_eq!(read(bytes.as_bytes()), Err(format!("ERR Protocol error: {text}")), "{bytes:?}");
        }
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let read = |bytes: &[u8]| read_in(bytes, 4096);
        assert_eq!(read(long.as_bytes()), Err("ERR Protocol error: too big inline request".to_owned()));
        let behind_zero = format!("PING\0{long}");
        assert_eq!(read(behind_zero.as_bytes()), Err("ERR Protocol error: too big inline request".to_owned()));
        let long = format!("*{long}");
        assert_eq!(read(long.as_bytes()), Err("ERR Protocol error: too big mbulk count string".to_owned()));
    }

    #[test]
    fn arguments_without_bytes_count_too() {
        let mut requests = Requests::default();
        requests.push(b"*2147483647\r\n");
        for count in 1..=1000 {
            requests.push(b"$0\r\n\r\n");
            assert_eq!(requests.next_request(), Ok(None));
            assert_eq!(requests.waiting(), count * ARGUMENT_BYTES);
        }
    }

    #[test]
    fn room_for_a_large_request_is_given_back() {
        let mut requests = Requests::default();
        requests.push(format!("*1\r\n$5000000\r\n{}\r\n", "x".repeat(5_000_000)).as_bytes());
        assert!(requests.next_request().is_ok_and(|request| request.is_some()));
        requests.push(b"PING\r\n");
        assert!(requests.buffer.capacity() <= ROOM_KEPT * 2);
    }
}
