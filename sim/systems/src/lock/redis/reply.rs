//! Replies, and their bytes in both versions of the protocol.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::number;

/// The version of the protocol that a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// RESP2, what every connection begins with.
    #[default]
    Resp2,
    /// RESP3, after `HELLO 3`.
    Resp3,
}

/// What a part of a reply takes beside its bytes, about.
pub(super) const PART_BYTES: usize = 32;

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reply {
    /// A short text such as `OK`.
    Status(Cow<'static, str>),
    /// An error: its code in capital letters, then its text.
    Error(Vec<u8>),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// No value.
    Null,
    /// No array; what an `EXEC` answers after a watched key changed.
    NullArray,
    /// Several replies.
    Array(Vec<Self>),
    /// Pairs. RESP2 has no maps, so there it is an array of keys and values in turn.
    Map(Vec<(Self, Self)>),
    /// Text for people. In RESP2 it is a bulk.
    Verbatim(String),
    /// A truth value, which only scripts that ask for RESP3 answer. In RESP2 it is 1 or 0.
    Boolean(bool),
    /// Values without an order. RESP2 has no sets, so there it is an array.
    Set(Vec<Self>),
    /// A number as a double. Fractions are not supported. In RESP2 it is a bulk.
    Double(i64),
    /// The digits of a number of any size, in one line. In RESP2 it is a bulk.
    BigNumber(Vec<u8>),
    /// Bytes with three letters that say what they are. In RESP2 it is a bulk.
    Labelled([u8; 3], Vec<u8>),
    /// A reply in this version of the protocol, whatever the connection speaks by now: `HELLO` within a transaction.
    As(Protocol, Box<Self>),
}

impl Reply {
    /// `OK`.
    pub const OK: Self = Self::Status(Cow::Borrowed("OK"));
    /// What a command that waits for `EXEC` answers.
    pub const QUEUED: Self = Self::Status(Cow::Borrowed("QUEUED"));

    /// A bulk of this text.
    pub fn text(text: &str) -> Self {
        Self::Bulk(text.as_bytes().to_vec())
    }

    /// An error with this code and text.
    pub fn error(text: &str) -> Self {
        Self::Error(text.as_bytes().to_vec())
    }

    /// The bulk if there are bytes, otherwise no value.
    pub fn bulk_or_null(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::Null, |bytes| Self::Bulk(bytes.to_vec()))
    }

    /// The number 1 or 0.
    pub fn flag(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }

    /// The number of these things.
    pub fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).expect("memory holds fewer things than i64 counts"))
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// Its bytes.
    pub fn encode(&self, protocol: Protocol) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(protocol, &mut bytes);
        bytes
    }

    /// Appends its bytes.
    pub fn encode_into(&self, protocol: Protocol, out: &mut Vec<u8>) {
        match self {
            Self::Status(text) => line(out, b'+', text.as_bytes()),
            Self::Error(text) => line(out, b'-', text),
            Self::Integer(number) => header(out, b':', *number),
            Self::Bulk(bytes) => bulk(out, bytes),
            Self::Null => out.extend_from_slice(if protocol == Protocol::Resp3 { b"_\r\n" } else { b"$-1\r\n" }),
            Self::NullArray => out.extend_from_slice(if protocol == Protocol::Resp3 { b"_\r\n" } else { b"*-1\r\n" }),
            Self::Array(replies) => {
                size(out, b'*', replies.len());
                replies.iter().for_each(|reply| reply.encode_into(protocol, out));
            }
            Self::Map(pairs) => map(out, pairs, protocol),
            Self::Verbatim(text) => labelled(out, *b"txt", text.as_bytes(), protocol),
            Self::Boolean(value) if protocol == Protocol::Resp3 => {
                out.extend_from_slice(if *value { b"#t\r\n" } else { b"#f\r\n" });
            }
            Self::Boolean(value) => header(out, b':', i64::from(*value)),
            Self::Set(replies) => {
                size(out, if protocol == Protocol::Resp3 { b'~' } else { b'*' }, replies.len());
                replies.iter().for_each(|reply| reply.encode_into(protocol, out));
            }
            Self::Double(number) if protocol == Protocol::Resp3 => line(out, b',', double(*number).as_bytes()),
            Self::Double(number) => bulk(out, double(*number).as_bytes()),
            Self::BigNumber(digits) if protocol == Protocol::Resp3 => line(out, b'(', digits),
            Self::BigNumber(digits) => bulk(out, digits),
            Self::Labelled(label, bytes) => labelled(out, *label, bytes, protocol),
            Self::As(made, reply) => reply.encode_into(*made, out),
        }
    }

    /// How much memory it takes, about: its bytes and what each part takes beside them.
    pub fn size(&self) -> usize {
        PART_BYTES
            + match self {
                Self::Status(text) => text.len(),
                Self::Error(bytes) | Self::Bulk(bytes) | Self::BigNumber(bytes) | Self::Labelled(_, bytes) => {
                    bytes.len()
                }
                Self::Verbatim(text) => text.len(),
                Self::Integer(_) | Self::Null | Self::NullArray | Self::Boolean(_) | Self::Double(_) => 0,
                Self::Array(parts) | Self::Set(parts) => parts.iter().map(Self::size).sum(),
                Self::Map(pairs) => pairs.iter().map(|(key, value)| key.size() + value.size()).sum(),
                Self::As(_, reply) => reply.size(),
            }
    }
}

/// A whole number as C writes a double with 17 digits.
fn double(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    assert!(digits.len() <= 17, "a whole number of a script is at most 2^53");
    number.to_string()
}

fn labelled(out: &mut Vec<u8>, label: [u8; 3], bytes: &[u8], protocol: Protocol) {
    if protocol == Protocol::Resp2 {
        return bulk(out, bytes);
    }
    size(out, b'=', bytes.len() + 4);
    out.extend_from_slice(&label);
    out.push(b':');
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn map(out: &mut Vec<u8>, pairs: &[(Reply, Reply)], protocol: Protocol) {
    match protocol {
        Protocol::Resp2 => size(out, b'*', pairs.len() * 2),
        Protocol::Resp3 => size(out, b'%', pairs.len()),
    }
    for (key, value) in pairs {
        key.encode_into(protocol, out);
        value.encode_into(protocol, out);
    }
}

/// A line of its own: line ends within the text would end it early, so they become spaces.
fn line(out: &mut Vec<u8>, sign: u8, text: &[u8]) {
    out.push(sign);
    out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    size(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn size(out: &mut Vec<u8>, sign: u8, size: usize) {
    header(out, sign, i64::try_from(size).expect("memory holds fewer bytes than i64 counts"));
}

fn header(out: &mut Vec<u8>, sign: u8, value: i64) {
    out.push(sign);
    number::append(out, value);
    out.extend_from_slice(b"\r\n");
}
