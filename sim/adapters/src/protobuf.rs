//! Protobuf values as plain data.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A protobuf value that serde can write and read: as its encoding, which is hexadecimal in text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pb<M>(pub M);

impl<M: prost::Message> Serialize for Pb<M> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0.encode_to_vec();
        if to.is_human_readable() {
            return to.collect_str(&Hexadecimal(&bytes));
        }
        to.serialize_bytes(&bytes)
    }
}

impl<'de, M: prost::Message + Default> Deserialize<'de> for Pb<M> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return from.deserialize_str(Encoding(PhantomData));
        }
        from.deserialize_byte_buf(Encoding(PhantomData))
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct Encoding<M>(PhantomData<M>);

impl<'de, M: prost::Message + Default> Visitor<'de> for Encoding<M> {
    type Value = Pb<M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoded protobuf message")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Pb<M>, E> {
        M::decode(bytes).map(Pb).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pb<M>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Pb<M>, E> {
        let digits = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(digits).collect();
        self.visit_bytes(&bytes.ok_or_else(|| E::custom("expected pairs of hexadecimal digits"))?)
    }
}

#[cfg(test)]
mod tests {
    use raft::eraftpb::Entry;

    use super::*;

    #[test]
    fn text_reads_back_as_the_same_value() {
        let entry = Pb(Entry { term: 3, index: 300, data: vec![0, 255], ..Entry::default() });
        let text = serde_json::to_string(&entry).expect("a string");
        assert_eq!(serde_json::from_str::<Pb<Entry>>(&text).expect("the same"), entry);
    }

    #[test]
    fn text_that_is_no_encoding_is_an_error() {
        for text in ["\"0\"", "\"xx\"", "\"ff\""] {
            assert!(serde_json::from_str::<Pb<Entry>>(text).is_err(), "{text}");
        }
    }
}
