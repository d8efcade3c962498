//! The running hash of a run: little-endian through serde, never through `std::hash`. Equal digests are the same run.
//!
//! It takes the time, kind, target and content of each dispatched event, each applied fault, each observation, and at
//! the end the position of every stream. Bytes are gathered in a buffer and hashed in bulk by xxh3 (128 bit), whose
//! output is a published, fixed format.

use serde::ser::{self, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::id::NodeId;
use crate::run::Digest128;
use crate::time::Instant;

const BUFFER_SIZE: usize = 4 * 1024;

/// What an entry of the digest is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// A process starts.
    Start = 1,
    /// A message arrives.
    Message = 2,
    /// A connection changes.
    Connection = 3,
    /// A timer fires.
    Timer = 4,
    /// A write or sync ends.
    Durable = 5,
    /// Deferred work comes back.
    Step = 6,
    /// An operation is handed over.
    Operation = 7,
    /// A fault starts.
    FaultStart = 8,
    /// A fault is lifted.
    FaultStop = 9,
    /// A node tells something.
    Observation = 10,
    /// The settle phase begins.
    Settle = 11,
    /// The position of a stream at the end.
    Stream = 12,
    /// A host speaks for a node.
    Host = 13,
}

/// The running hash.
#[derive(Clone)]
pub struct Digest {
    hash: Box<Xxh3>,
    buffer: Box<[u8; BUFFER_SIZE]>,
    len: usize,
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digest").field("buffered", &self.len).finish_non_exhaustive()
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Digest {
    /// The digest of nothing.
    pub fn new() -> Self {
        Self { hash: Box::new(Xxh3::new()), buffer: Box::new([0; BUFFER_SIZE]), len: 0 }
    }

    /// Adds an entry about a node, with its content.
    #[inline]
    pub fn entry<T: Serialize + ?Sized>(&mut self, at: Instant, tag: Tag, node: NodeId, content: &T) {
        let mut writer = self.writer();
        writer.put(at.as_nanos().to_le_bytes());
        writer.put([tag as u8]);
        writer.put((node.key() as u16).to_le_bytes());
        self.len = writer.content(content);
    }

    /// Adds content alone.
    #[inline]
    pub fn content<T: Serialize + ?Sized>(&mut self, content: &T) {
        self.len = self.writer().content(content);
    }

    #[inline(always)]
    fn writer(&mut self) -> Writer<'_> {
        Writer { hash: &mut self.hash, buffer: &mut self.buffer, len: self.len }
    }

    /// The hash of everything so far.
    pub fn value(&self) -> Digest128 {
        let mut hash = self.hash.clone();
        hash.update(&self.buffer[..self.len]);
        Digest128(hash.digest128())
    }
}

/// Writes values little-endian, lengths before contents, variants by number.
///
/// It holds the length itself and hands it back at the end: so it stays in a register while an entry is written, where
/// a field of the digest would be stored and loaded for each value.
struct Writer<'a> {
    hash: &'a mut Xxh3,
    buffer: &'a mut [u8; BUFFER_SIZE],
    len: usize,
}

impl Writer<'_> {
    /// Writes the content, and hands back the length.
    #[inline(always)]
    fn content<T: Serialize + ?Sized>(mut self, content: &T) -> usize {
        if content.serialize(&mut self).is_err() {
            // A content that cannot be serialized is the same content each time; its place is marked.
            self.put([b'?']);
        }
        self.len
    }

    /// Adds a few bytes. One comparison decides whether there is room.
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        let end = self.len.wrapping_add(N);
        match self.buffer.get_mut(self.len..end) {
            Some(room) => {
                room.copy_from_slice(&bytes);
                self.len = end;
            }
            None => self.put_all(&bytes),
        }
    }

    /// Adds any number of bytes.
    #[inline(always)]
    fn put_all(&mut self, bytes: &[u8]) {
        flush(self.hash, &self.buffer[..self.len], bytes);
        self.len = 0;
    }
}

#[cold]
#[inline(never)]
fn flush(hash: &mut Xxh3, buffered: &[u8], bytes: &[u8]) {
    hash.update(buffered);
    hash.update(bytes);
}

/// A value that refuses to be serialized.
#[derive(Debug, thiserror::Error)]
#[error("not serializable")]
struct Refused;

impl ser::Error for Refused {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! little_endian {
    ($($method:ident: $type:ty),+) => {
        $(#[inline(always)] fn $method(self, value: $type) -> Result<(), Refused> {
            self.put(value.to_le_bytes());
            Ok(())
        })+
    };
}

#[expect(clippy::disallowed_types, reason = "serde names them; no content of a run has one")]
impl<'a, 'b> ser::Serializer for &'b mut Writer<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    little_endian!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64
    );

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        false
    }
    #[inline(always)]
    fn serialize_bool(self, value: bool) -> Result<(), Refused> {
        self.put([u8::from(value)]);
        Ok(())
    }
    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_u32(value.into())
    }
    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.serialize_bytes(value.as_bytes())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.put((value.len() as u64).to_le_bytes());
        self.put_all(value);
        Ok(())
    }
    #[inline(always)]
    fn serialize_none(self) -> Result<(), Refused> {
        self.put([0]);
        Ok(())
    }
    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.put([1]);
        value.serialize(self)
    }
    #[inline(always)]
    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }
    #[inline(always)]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }
    #[inline(always)]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Refused> {
        self.serialize_u32(index)
    }
    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }
    #[inline(always)]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.put(index.to_le_bytes());
        value.serialize(self)
    }
    #[inline(always)]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Refused> {
        // A sequence that does not know its length cannot be told from its neighbour.
        self.put((len.ok_or(Refused)? as u64).to_le_bytes());
        Ok(self)
    }
    #[inline(always)]
    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    #[inline(always)]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    #[inline(always)]
    fn serialize_tuple_variant(self, _: &'static str, index: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        self.put(index.to_le_bytes());
        Ok(self)
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Self, Refused> {
        self.serialize_seq(len)
    }
    #[inline(always)]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
    #[inline(always)]
    fn serialize_struct_variant(self, _: &'static str, index: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        self.put(index.to_le_bytes());
        Ok(self)
    }
}

macro_rules! compound {
    ($($trait:ident: $method:ident($($key:ident)?)),+) => {
        $(impl ser::$trait for &mut Writer<'_> {
            type Ok = ();
            type Error = Refused;
            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(&mut self, $($key: &'static str,)? value: &T) -> Result<(), Refused> {
                $(let _ = $key;)?
                value.serialize(&mut **self)
            }
            #[inline(always)]
            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })+
    };
}

compound!(
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(key),
    SerializeStructVariant: serialize_field(key)
);

impl ser::SerializeMap for &mut Writer<'_> {
    type Ok = ();
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        key.serialize(&mut **self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        value.serialize(&mut **self)
    }
    fn end(self) -> Result<(), Refused> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;
    use crate::time::Duration;

    fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
        let mut digest = Digest::new();
        digest.content(value);
        digest.buffer[..digest.len].to_vec()
    }

    #[derive(Serialize)]
    enum Sample {
        Unit,
        Pair(u8, Option<u16>),
        Named { list: Vec<u8>, span: Duration },
    }

    #[test]
    fn the_form_is_fixed() {
        assert_eq!(bytes(&Sample::Unit), [0, 0, 0, 0]);
        assert_eq!(bytes(&Sample::Pair(7, Some(0x0102))), [1, 0, 0, 0, 7, 1, 2, 1]);
        let named = Sample::Named { list: vec![9], span: Duration::from_nanos(3) };
        assert_eq!(bytes(&named), [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes(&(7u8, 'a')), [7, 97, 0, 0, 0]);
    }

    #[test]
    fn the_value_does_not_depend_on_how_bytes_are_gathered() {
        let mut digest = Digest::new();
        let mut plain = Xxh3::new();
        for number in 0..2_000u64 {
            digest.content(&number);
            plain.update(&number.to_le_bytes());
        }
        assert_eq!(digest.value().0, plain.digest128());
    }

    #[test]
    fn every_part_of_an_entry_counts() {
        let value = |at, tag, node, content: &u8| {
            let mut digest = Digest::new();
            digest.entry(Instant::from_nanos(at), tag, node, content);
            digest.value()
        };
        let base = value(1, Tag::Message, NodeId::server(1), &1);
        assert_eq!(base, value(1, Tag::Message, NodeId::server(1), &1));
        assert_ne!(base, value(2, Tag::Message, NodeId::server(1), &1));
        assert_ne!(base, value(1, Tag::Timer, NodeId::server(1), &1));
        assert_ne!(base, value(1, Tag::Message, NodeId::client(1), &1));
        assert_ne!(base, value(1, Tag::Message, NodeId::server(1), &2));
    }
}
