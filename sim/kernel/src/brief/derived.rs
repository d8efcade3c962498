//! Words out of serialized data: a serde serializer whose output is text for people.

use std::fmt::Display;

use serde::Serialize;
use serde::ser;

use super::words;

/// Elements of a list that are shown before the rest is counted.
const SHOWN_MAX: usize = 8;

/// The whole value.
pub(super) fn whole<T: Serialize + ?Sized>(value: &T) -> String {
    text(value.serialize(Words { skips_variant: false }))
}

/// What of a value is to be said after its name: without the outermost variant, and without the name once more.
pub(super) fn after_name<T: Serialize + ?Sized>(name: &str, value: &T) -> String {
    let text = text(value.serialize(Words { skips_variant: true }));
    match text.strip_prefix(&words(name)) {
        Some("") => String::new(),
        Some(rest) if rest.starts_with([' ', ',']) => rest.trim_start_matches([' ', ',']).to_owned(),
        _ => text,
    }
}

fn text(said: Result<Said, Refused>) -> String {
    match said {
        Ok(said) => said.alone(),
        Err(Refused(why)) => format!("(cannot be shown: {why})"),
    }
}

/// A value in words.
enum Said {
    /// It is absent: `None` or `()`.
    Nothing,
    /// Yes or no.
    Flag(bool),
    /// One thing.
    One(String),
    /// Several parts, which need parentheses inside of something else.
    Parts(String),
}

impl Said {
    fn alone(self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Flag(flag) => flag.to_string(),
            Self::One(text) | Self::Parts(text) => text,
        }
    }

    /// Inside of a list or after a name.
    fn inside(self) -> String {
        match self {
            Self::Nothing => "none".to_owned(),
            Self::Parts(text) => format!("({text})"),
            Self::Flag(_) | Self::One(_) => self.alone(),
        }
    }

    /// As a part of a struct.
    fn of_field(self, name: &str) -> Option<String> {
        let name = words(name);
        match self {
            Self::Nothing => None,
            Self::Flag(true) => Some(name),
            Self::Flag(false) => Some(format!("not {name}")),
            Self::One(_) | Self::Parts(_) => Some(format!("{name} {}", self.inside())),
        }
    }

    fn of_parts(head: &str, parts: &[String]) -> Self {
        match (head, parts) {
            ("", []) => Self::Nothing,
            ("", [one]) => Self::One(one.clone()),
            (head, []) => Self::One(head.to_owned()),
            ("", parts) => Self::Parts(parts.join(", ")),
            (head, parts) => Self::Parts(format!("{head} {}", parts.join(", "))),
        }
    }
}

/// A value that its own `Serialize` refuses.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl ser::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[derive(Clone, Copy)]
struct Words {
    /// Whether the variant that comes first goes without its name.
    skips_variant: bool,
}

impl Words {
    fn variant(self, name: &str) -> String {
        if self.skips_variant { String::new() } else { words(name) }
    }
}

/// A value inside of another one.
fn inner<T: Serialize + ?Sized>(value: &T) -> Result<Said, Refused> {
    value.serialize(Words { skips_variant: false })
}

/// The parts of a value, as they come.
struct Parts {
    head: String,
    is_list: bool,
    parts: Vec<String>,
    left_out: usize,
}

impl Parts {
    const fn new(head: String, is_list: bool) -> Self {
        Self { head, is_list, parts: Vec::new(), left_out: 0 }
    }

    fn push(&mut self, said: Said) {
        if self.is_list && self.parts.len() >= SHOWN_MAX {
            self.left_out += 1;
        } else {
            self.parts.push(said.inside());
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Refused> {
        self.parts.extend(inner(value)?.of_field(name));
        Ok(())
    }

    fn said(mut self) -> Said {
        if self.left_out > 0 {
            self.parts.push(format!("and {} more", self.left_out));
        }
        match self.is_list {
            true => Said::One(format!("[{}]", self.parts.join(", "))),
            false => Said::of_parts(&self.head, &self.parts),
        }
    }
}

macro_rules! as_text {
    ($($method:ident: $type:ty),+) => {
        $(fn $method(self, value: $type) -> Result<Said, Refused> {
            Ok(Said::One(value.to_string()))
        })+
    };
}

#[expect(clippy::disallowed_types, reason = "serde names them; no content of a run has one")]
impl ser::Serializer for Words {
    type Ok = Said;
    type Error = Refused;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Pairs;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    as_text!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64
    );

    fn serialize_bool(self, value: bool) -> Result<Said, Refused> {
        Ok(Said::Flag(value))
    }
    fn serialize_char(self, value: char) -> Result<Said, Refused> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, value: &str) -> Result<Said, Refused> {
        let is_plain = |letter: char| letter.is_alphanumeric() || "_-.:/+@%".contains(letter);
        let is_word = !value.is_empty() && value.chars().all(is_plain);
        Ok(Said::One(if is_word { value.to_owned() } else { format!("{value:?}") }))
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<Said, Refused> {
        Ok(Said::One(format!("{} bytes", value.len())))
    }
    fn serialize_none(self) -> Result<Said, Refused> {
        Ok(Said::Nothing)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Said, Refused> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Said, Refused> {
        Ok(Said::Nothing)
    }
    fn serialize_unit_struct(self, name: &'static str) -> Result<Said, Refused> {
        Ok(Said::of_parts(&self.variant(name), &[]))
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Said, Refused> {
        Ok(Said::of_parts(&self.variant(variant), &[]))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Said, Refused> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Said, Refused> {
        let said = inner(value)?;
        let head = self.variant(variant);
        Ok(match (head.is_empty(), said) {
            (true, said) => said,
            (false, Said::Nothing) => Said::One(head),
            (false, Said::Parts(parts)) => Said::Parts(format!("{head} {parts}")),
            (false, said) => Said::One(format!("{head} {}", said.inside())),
        })
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Refused> {
        Ok(Parts::new(String::new(), true))
    }
    fn serialize_tuple(self, _: usize) -> Result<Parts, Refused> {
        Ok(Parts::new(String::new(), false))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Refused> {
        Ok(Parts::new(String::new(), false))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Refused> {
        Ok(Parts::new(self.variant(variant), false))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Pairs, Refused> {
        Ok(Pairs { key: String::new(), parts: Parts::new(String::new(), true) })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Refused> {
        Ok(Parts::new(String::new(), false))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts, Refused> {
        Ok(Parts::new(self.variant(variant), false))
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident),+) => {
        $(impl ser::$trait for Parts {
            type Ok = Said;
            type Error = Refused;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
                self.push(inner(value)?);
                Ok(())
            }
            fn end(self) -> Result<Said, Refused> {
                Ok(self.said())
            }
        })+
    };
}

elements!(
    SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field
);

macro_rules! fields {
    ($($trait:ident),+) => {
        $(impl ser::$trait for Parts {
            type Ok = Said;
            type Error = Refused;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
                self.field(name, value)
            }
            fn end(self) -> Result<Said, Refused> {
                Ok(self.said())
            }
        })+
    };
}

fields!(SerializeStruct, SerializeStructVariant);

/// The pairs of a map, as they come.
struct Pairs {
    key: String,
    parts: Parts,
}

impl ser::SerializeMap for Pairs {
    type Ok = Said;
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key = inner(key)?.inside();
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let value = inner(value)?.inside();
        self.parts.push(Said::One(format!("{}: {value}", self.key)));
        Ok(())
    }
    fn end(self) -> Result<Said, Refused> {
        Ok(self.parts.said())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::id::NodeId;
    use crate::time::Duration;

    #[derive(Serialize)]
    struct Position {
        term: u64,
        index: u64,
    }

    #[derive(Serialize)]
    struct Term(u64);

    #[derive(Serialize)]
    struct Mark;

    #[derive(Serialize)]
    enum Message {
        Vote { term: Term, last: Position, leader: Option<NodeId> },
        VoteReply { granted: bool },
        Inner(Reason),
        Entries(Vec<u64>),
        Wait(Duration),
        Pair(u64, NodeId),
    }

    #[derive(Serialize)]
    enum Reason {
        LaterTerm,
        Late { by: u64 },
    }

    fn check<T: Serialize>(value: &T, expected: &str) {
        assert_eq!(whole(value), expected);
    }

    #[test]
    fn every_form_of_data_is_said_in_words() {
        let last = || Position { term: 2, index: 7 };
        check(&last(), "term 2, index 7");
        check(&Message::Vote { term: Term(3), last: last(), leader: None }, "vote term 3, last (term 2, index 7)");
        let leader = Some(NodeId::server(4));
        let vote = Message::Vote { term: Term(3), last: last(), leader };
        check(&vote, "vote term 3, last (term 2, index 7), leader s4");
        check(&Message::VoteReply { granted: false }, "vote reply not granted");
        check(&Message::VoteReply { granted: true }, "vote reply granted");
        check(&Message::Inner(Reason::LaterTerm), "inner later term");
        check(&Message::Inner(Reason::Late { by: 4 }), "inner late by 4");
        check(&Message::Entries((0..10).collect()), "entries [0, 1, 2, 3, 4, 5, 6, 7, and 2 more]");
        check(&Message::Wait(Duration::from_millis(5)), "wait 5ms");
        check(&Message::Pair(9, NodeId::client(1)), "pair 9, c1");
        check(&Mark, "mark");
        check(&(), "");
        check(&Some(Some(3)), "3");
        check(&[None, Some(true)], "none, true");
        check(&vec![None, Some(true)], "[none, true]");
        check(&BTreeMap::from([(1, last())]), "[1: (term 2, index 7)]");
        check(&"two words\n", r#""two words\n""#);
        check(&"key:7", "key:7");
        check(&'x', "x");
    }

    #[test]
    fn what_comes_after_a_name_does_not_say_it_again() {
        let vote = Message::Vote { term: Term(3), last: Position { term: 2, index: 7 }, leader: None };
        assert_eq!(after_name("vote", &vote), "term 3, last (term 2, index 7)");
        assert_eq!(after_name("late", &Message::Inner(Reason::Late { by: 4 })), "by 4");
        assert_eq!(after_name("later_term", &Message::Inner(Reason::LaterTerm)), "");
        assert_eq!(after_name("late", &Message::Inner(Reason::LaterTerm)), "later term", "another word begins alike");
        assert_eq!(after_name("mark", &Mark), "");
    }

    #[test]
    fn a_value_that_refuses_says_why() {
        struct Broken;
        impl Serialize for Broken {
            fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(ser::Error::custom("not today"))
            }
        }
        check(&Broken, "(cannot be shown: not today)");
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words("NoConnection"), "no connection");
        assert_eq!(words("no_connection"), "no connection");
        assert_eq!(words("ID"), "id");
        assert_eq!(words("Step2Down"), "step2 down");
    }
}
