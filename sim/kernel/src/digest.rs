//! The running hash of a run: little-endian through serde, never through `std::hash`. Equal digests are the same run.
//!
//! It takes the time, kind, target and content of each dispatched event, each applied fault, each observation, and at
//! the end the position of every stream. Bytes are gathered in a buffer and hashed in bulk by xxh3 (128 bit), whose
//! output is a published, fixed format.

use serde::ser::{self, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use crate::id::NodeId;
use crate::run::Digest128;
use crate::time::Instant;

/// So many bytes are gathered before they are hashed.
const GATHERED_MAX: usize = 4 * 1024;
/// An entry is written into a window of this size, behind what is gathered.
const WINDOW_SIZE: usize = 512;
const BUFFER_SIZE: usize = GATHERED_MAX + WINDOW_SIZE;

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
    /// An order is given.
    Order = 14,
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
    #[inline(always)]
    pub fn entry<T: Serialize + ?Sized>(&mut self, at: Instant, tag: Tag, node: NodeId, content: &T) {
        self.content(&(at.as_nanos(), tag as u8, node.key() as u16, content));
    }

    /// Adds content alone.
    #[inline(always)]
    pub fn content<T: Serialize + ?Sized>(&mut self, content: &T) {
        if self.len > GATHERED_MAX {
            self.flush();
        }
        let window = self.buffer[self.len..].first_chunk_mut().expect("there is room for a window");
        let mut writer = Writer(Window { bytes: window, len: 0 });
        match content.serialize(&mut writer) {
            Ok(()) => self.len += writer.0.len,
            Err(_) => self.large(content),
        }
    }

    /// Adds what does not fit into a window, or refuses to be serialized.
    #[cold]
    #[inline(never)]
    fn large<T: Serialize + ?Sized>(&mut self, content: &T) {
        self.flush();
        let mut writer = Writer(Vec::new());
        if content.serialize(&mut writer).is_err() {
            // A content that cannot be serialized is the same content each time; its place is marked.
            writer.0.push(b'?');
        }
        self.hash.update(&writer.0);
    }

    #[cold]
    #[inline(never)]
    fn flush(&mut self) {
        self.hash.update(&self.buffer[..self.len]);
        self.len = 0;
    }

    /// The hash of everything so far.
    pub fn value(&self) -> Digest128 {
        let mut hash = self.hash.clone();
        hash.update(&self.buffer[..self.len]);
        Digest128(hash.digest128())
    }
}

/// How many bytes a value takes in the form of the digest: little-endian, without names. It allocates nothing.
///
/// `None` for a value that refuses to be serialized.
#[inline]
pub fn encoded_len<T: Serialize + ?Sized>(value: &T) -> Option<usize> {
    let mut writer = Writer(Length(0));
    value.serialize(&mut writer).is_ok().then_some(writer.0.0)
}

/// A 64-bit hash of a value, in the form of the digest, on top of an earlier one: equal histories of values have equal
/// fingerprints. It allocates nothing for a value of up to 512 bytes.
pub fn fingerprint<T: Serialize + ?Sized>(seed: u64, value: &T) -> u64 {
    let mut bytes = [0; WINDOW_SIZE];
    let mut writer = Writer(Window { bytes: &mut bytes, len: 0 });
    if value.serialize(&mut writer).is_ok() {
        let len = writer.0.len;
        return xxh3_64_with_seed(&bytes[..len], seed);
    }
    xxh3_64_with_seed(&encoded(value).unwrap_or_default(), seed)
}

/// The bytes of a value in the form of the digest. `None` for a value that refuses to be serialized.
pub fn encoded<T: Serialize + ?Sized>(value: &T) -> Option<Vec<u8>> {
    let mut writer = Writer(Vec::new());
    value.serialize(&mut writer).is_ok().then_some(writer.0)
}

/// Where bytes go.
trait Sink {
    /// Adds a few bytes.
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Refused>;
    /// Adds any number of bytes.
    fn put_all(&mut self, bytes: &[u8]) -> Result<(), Refused>;
}

/// Room for one entry. It starts at nothing each time, so the compiler knows where each value of a plain message goes,
/// and that there is room for it.
struct Window<'a> {
    bytes: &'a mut [u8; WINDOW_SIZE],
    len: usize,
}

impl Sink for Window<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Refused> {
        let end = self.len.wrapping_add(N);
        self.bytes.get_mut(self.len..end).ok_or(Refused)?.copy_from_slice(&bytes);
        self.len = end;
        Ok(())
    }

    #[inline(always)]
    fn put_all(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let end = self.len.wrapping_add(bytes.len());
        self.bytes.get_mut(self.len..end).ok_or(Refused)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}

/// Counts bytes and keeps none.
struct Length(usize);

impl Sink for Length {
    #[inline(always)]
    fn put<const N: usize>(&mut self, _: [u8; N]) -> Result<(), Refused> {
        self.0 += N;
        Ok(())
    }

    #[inline(always)]
    fn put_all(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.0 += bytes.len();
        Ok(())
    }
}

impl Sink for Vec<u8> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), Refused> {
        self.put_all(&bytes)
    }

    fn put_all(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes values little-endian, lengths before contents, variants by number.
struct Writer<S>(S);

/// A value that refuses to be serialized, or does not fit.
#[derive(Debug, thiserror::Error)]
#[error("not serializable, or too large")]
struct Refused;

impl ser::Error for Refused {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! little_endian {
    ($($method:ident: $type:ty),+) => {
        $(#[inline(always)] fn $method(self, value: $type) -> Result<(), Refused> {
            self.0.put(value.to_le_bytes())
        })+
    };
}

#[expect(clippy::disallowed_types, reason = "serde names them; no content of a run has one")]
impl<S: Sink> ser::Serializer for &mut Writer<S> {
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
        self.0.put([u8::from(value)])
    }
    fn serialize_char(self, value: char) -> Result<(), Refused> {
        self.serialize_u32(value.into())
    }
    fn serialize_str(self, value: &str) -> Result<(), Refused> {
        self.serialize_bytes(value.as_bytes())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Refused> {
        self.0.put((value.len() as u64).to_le_bytes())?;
        self.0.put_all(value)
    }
    #[inline(always)]
    fn serialize_none(self) -> Result<(), Refused> {
        self.0.put([0])
    }
    #[inline(always)]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        self.0.put([1])?;
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
        self.0.put(index.to_le_bytes())?;
        value.serialize(self)
    }
    #[inline(always)]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self, Refused> {
        // A sequence that does not know its length cannot be told apart from its neighbour.
        self.0.put((len.ok_or(Refused)? as u64).to_le_bytes())?;
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
        self.0.put(index.to_le_bytes())?;
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
        self.0.put(index.to_le_bytes())?;
        Ok(self)
    }
}

macro_rules! compound {
    ($($trait:ident: $method:ident($($key:ident)?)),+) => {
        $(impl<S: Sink> ser::$trait for &mut Writer<S> {
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

impl<S: Sink> ser::SerializeMap for &mut Writer<S> {
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
    fn a_fingerprint_depends_on_value_and_history_whatever_the_size() {
        for value in [vec![7_u8; 3], vec![7; 3_000]] {
            let bytes = encoded(&value).expect("a plain value has a form");
            assert_eq!(fingerprint(5, &value), xxh3_64_with_seed(&bytes, 5));
            assert_ne!(fingerprint(5, &value), fingerprint(6, &value));
        }
    }

    #[test]
    fn the_length_is_that_of_the_bytes() {
        let values = [Sample::Unit, Sample::Pair(7, None), Sample::Named { list: vec![9; 700], span: Duration::ZERO }];
        for value in values {
            let bytes = encoded(&value).expect("a plain value has a form");
            assert_eq!(encoded_len(&value), Some(bytes.len()));
        }
        assert_eq!(encoded_len(&7_u64), Some(8));
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
    fn a_content_of_any_size_is_hashed_whole_and_in_its_place() {
        let contents: Vec<Vec<u8>> = (0..3_000_usize).map(|number| vec![number as u8; number * 7 % 1_300]).collect();
        let mut digest = Digest::new();
        let mut plain = Xxh3::new();
        for content in &contents {
            digest.content(content);
            plain.update(&(content.len() as u64).to_le_bytes());
            plain.update(content);
        }
        assert_eq!(digest.value().0, plain.digest128());
    }

    #[test]
    fn a_content_that_refuses_is_marked_behind_what_it_gave() {
        struct Refusing;
        impl Serialize for Refusing {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // A sequence without a length has no form.
                serializer.serialize_seq(None)?;
                unreachable!("it was refused")
            }
        }
        let mut digest = Digest::new();
        digest.content(&1_u8);
        digest.content(&(7_u8, Refusing));
        digest.content(&2_u8);
        assert_eq!(digest.value().0, xxhash_rust::xxh3::xxh3_128(&[1, 7, b'?', 2]));
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
