//! What a key holds: bytes, or a hash of fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Bytes.
    String(Vec<u8>),
    /// Fields with values.
    Hash(Hash),
}

impl Value {
    /// What `TYPE` answers.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Hash(_) => "hash",
        }
    }
}

/// Fields with values, in the order in which the fields came.
///
/// Redis keeps this order while a hash is small; the order of a large one follows from its hash function, and callers
/// must not rely on it.
///
/// Invariant: `places` and `fields` hold the same fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash {
    places: BTreeMap<Vec<u8>, u64>,
    fields: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
}

impl Hash {
    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<&[u8]> {
        let place = self.places.get(field)?;
        self.fields.get(place).map(|(_, value)| value.as_slice())
    }

    /// Sets a field, and returns whether it is new.
    pub fn set(&mut self, field: &[u8], value: Vec<u8>) -> bool {
        if let Some(place) = self.places.get(field) {
            let kept = self.fields.get_mut(place).expect("both maps hold the same fields");
            kept.1 = value;
            return false;
        }
        let place = self.fields.last_key_value().map_or(0, |(place, _)| place + 1);
        self.places.insert(field.to_vec(), place);
        self.fields.insert(place, (field.to_vec(), value));
        true
    }

    /// Removes a field, and returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let Some(place) = self.places.remove(field) else { return false };
        self.fields.remove(&place).is_some()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Its fields with their values, in the order in which the fields came.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.values().map(|(field, value)| (field.as_slice(), value.as_slice()))
    }
}
