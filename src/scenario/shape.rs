//! The forms that values have: scalars, names, lists. Each is read, written and described in one place.

pub(super) mod all_but;
pub(super) mod calendar;
pub(super) mod drawn;
pub(super) mod file;
pub(super) mod quantity;
pub(super) mod scale;
pub(super) mod when;
pub(super) mod who;

use std::borrow::Cow;

use serde_json::{Value as Json, json};
use toml::de::{DeInteger, DeValue};

use super::description::SystemDescription;
use super::draw::Drawing;
use super::key::Shape;
use super::reader::{At, Problem, Reader};
use scale::Scale;

/// `true` or `false`.
#[derive(Debug)]
pub(super) struct Flag;

impl Shape for Flag {
    type Value = bool;

    fn noun(&self) -> String {
        "true or false".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<bool> {
        let value = at.value.as_bool();
        reader.check(at, value.ok_or_else(|| Problem::expected(&self.noun(), at.value)))
    }

    fn encode(&self, value: &bool) -> String {
        value.to_string()
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "boolean" })
    }
}

/// `true`, for actions that need nothing else said.
#[derive(Debug)]
pub(super) struct TrueFlag;

impl Shape for TrueFlag {
    type Value = ();

    fn noun(&self) -> String {
        "true".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<()> {
        let yes = (at.value.as_bool() == Some(true)).then_some(());
        reader.check(at, yes.ok_or_else(|| Problem::expected("true", at.value)))
    }

    fn encode(&self, (): &()) -> String {
        "true".to_owned()
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "const": true })
    }
}

/// A whole number between two bounds, both included.
#[derive(Debug)]
pub(super) struct Integer {
    /// The least.
    pub(super) min: u64,
    /// The most.
    pub(super) max: u64,
}

impl Shape for Integer {
    type Value = u64;

    fn noun(&self) -> String {
        match self.min == self.max {
            true => format!("the number {}", self.min),
            false => format!("a whole number from {} to {}", self.min, self.max),
        }
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<u64> {
        let number = match at.value {
            DeValue::Integer(number) => whole(number),
            _ => None,
        };
        let inside = number.filter(|number| (self.min..=self.max).contains(number));
        reader.check(at, inside.ok_or_else(|| Problem::expected(&self.noun(), at.value)))
    }

    fn encode(&self, value: &u64) -> String {
        value.to_string()
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "integer", "minimum": self.min, "maximum": self.max })
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Integer)
    }
}

/// A number of the file, where it is not negative and fits.
pub(super) fn whole(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// One of a closed list of names, each with its meaning.
#[derive(Debug)]
pub(super) struct OneOfNames<T: 'static> {
    /// Every name, with what it means.
    pub(super) names: &'static [(&'static str, &'static str)],
    /// The value of a name.
    pub(super) read: fn(&str) -> Option<T>,
    /// The name of a value.
    pub(super) show: fn(&T) -> &'static str,
}

impl<T> Shape for OneOfNames<T> {
    type Value = T;

    fn noun(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        match names.len() {
            0..=4 => names.join(" or "),
            _ => format!("one of {}", names.join(", ")),
        }
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<T> {
        let text = reader.text(at, &self.noun())?;
        let names = self.names.iter().map(|(name, _)| *name);
        let value = (self.read)(text);
        reader.check(at, value.ok_or_else(|| Problem::unknown("", text, names)))
    }

    fn encode(&self, value: &T) -> String {
        quote((self.show)(value))
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        names_schema(self.names)
    }
}

/// The schema of a closed list of names, each with its meaning.
pub(super) fn names_schema<N: AsRef<str>>(names: &[(N, &str)]) -> Json {
    if names.is_empty() {
        return json!({ "not": {} });
    }
    // One list of words rather than one schema for each: an editor then has one thing to say of a wrong one.
    let words: Vec<&str> = names.iter().map(|(name, _)| name.as_ref()).collect();
    let documented = names.iter().filter(|(_, doc)| !doc.trim().is_empty());
    let docs: Vec<String> = documented.map(|(name, doc)| format!("- {}: {}", name.as_ref(), doc.trim())).collect();
    if docs.is_empty() {
        return json!({ "enum": words });
    }
    json!({ "enum": words, "description": docs.join("\n") })
}

/// Words, each with its meaning where there is one.
pub(super) type Words = Vec<(Cow<'static, str>, &'static str)>;

/// A word that the system knows.
#[derive(Debug)]
pub(super) struct Word {
    /// What errors call it.
    pub(super) what: &'static str,
    /// The words, each with its meaning where there is one.
    pub(super) known: fn(&SystemDescription) -> Words,
}

impl Word {
    /// Whether the system knows it.
    pub(super) fn check(&self, reader: &mut Reader<'_>, at: &At<'_>, word: &str) -> Option<String> {
        let known = (self.known)(reader.system);
        let found = known.iter().any(|(name, _)| *name == word).then(|| word.to_owned());
        let names = known.iter().map(|(name, _)| name.as_ref());
        reader.check(at, found.ok_or_else(|| Problem::unknown(self.what, word, names)))
    }
}

impl Shape for Word {
    type Value = String;

    fn noun(&self) -> String {
        format!("the name of {} {}", article(self.what), self.what)
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<String> {
        let text = reader.text(at, &self.noun())?;
        self.check(reader, at, text)
    }

    fn encode(&self, value: &String) -> String {
        quote(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        names_schema(&(self.known)(system))
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// Any text; what it is.
#[derive(Debug)]
pub(super) struct Text(pub(super) &'static str);

impl Shape for Text {
    type Value = String;

    fn noun(&self) -> String {
        self.0.to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<String> {
        reader.text(at, self.0).map(str::to_owned)
    }

    fn encode(&self, value: &String) -> String {
        quote(value)
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string" })
    }
}

/// The id of a fault or nemesis.
#[derive(Debug)]
pub(super) struct Id;

impl Shape for Id {
    type Value = String;

    fn noun(&self) -> String {
        "an id of letters, digits, _ and -, at most 64".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<String> {
        let text = reader.text(at, &self.noun())?;
        let good = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let id = good.then(|| text.to_owned());
        reader.check(at, id.ok_or_else(|| Problem::expected(&self.noun(), at.value)))
    }

    fn encode(&self, value: &String) -> String {
        quote(value)
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
    }

    fn drawing(&self) -> Drawing {
        Drawing::Never("draws are keyed by the id, and so are the faults of a plan")
    }
}

impl<S: Shape> Shape for &S {
    type Value = S::Value;

    fn noun(&self) -> String {
        (**self).noun()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<S::Value> {
        (**self).decode(reader, at)
    }

    fn encode(&self, value: &S::Value) -> String {
        (**self).encode(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        (**self).schema(system)
    }

    fn drawing(&self) -> Drawing {
        (**self).drawing()
    }

    fn scale(&self) -> Option<Scale> {
        (**self).scale()
    }
}

/// A form of a key that is never drawn.
#[derive(Debug)]
pub(super) struct Fixed<S> {
    /// The form.
    pub(super) shape: S,
    /// Why it is not drawn.
    pub(super) why: &'static str,
}

impl<S: Shape> Shape for Fixed<S> {
    type Value = S::Value;

    fn noun(&self) -> String {
        self.shape.noun()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<S::Value> {
        self.shape.decode(reader, at)
    }

    fn encode(&self, value: &S::Value) -> String {
        self.shape.encode(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        self.shape.schema(system)
    }

    fn drawing(&self) -> Drawing {
        Drawing::Never(self.why)
    }
}

/// A list that is not empty.
#[derive(Debug)]
pub(super) struct List<S>(pub(super) S);

impl<S: Shape> Shape for List<S> {
    type Value = Vec<S::Value>;

    fn noun(&self) -> String {
        format!("a list in which each item is {}", self.0.noun())
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<S::Value>> {
        let items = at.items().ok_or_else(|| Problem::expected(&self.noun(), at.value));
        let items = reader.check(at, items)?;
        refuse_empty(reader, at, &items)?;
        // All of them, before the first that is wrong ends it: every one is to be reported.
        let values: Vec<Option<S::Value>> = items.iter().map(|item| self.0.decode(reader, item)).collect();
        values.into_iter().collect()
    }

    fn encode(&self, value: &Vec<S::Value>) -> String {
        let items: Vec<String> = value.iter().map(|item| self.0.encode(item)).collect();
        format!("[{}]", items.join(", "))
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "type": "array", "minItems": 1, "items": self.0.schema(system) })
    }
}

/// One value, or a list of such.
#[derive(Debug)]
pub(super) struct OneOrMore<S>(pub(super) S);

impl<S: Shape> Shape for OneOrMore<S> {
    type Value = Vec<S::Value>;

    fn noun(&self) -> String {
        format!("{}, or a list of such", self.0.noun())
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<S::Value>> {
        let items = match at.items() {
            None => return self.0.decode(reader, at).map(|one| vec![one]),
            Some(items) => items,
        };
        refuse_empty(reader, at, &items)?;
        let values: Vec<Option<S::Value>> = items.iter().map(|item| self.0.decode(reader, item)).collect();
        values.into_iter().collect()
    }

    fn encode(&self, value: &Vec<S::Value>) -> String {
        let items: Vec<String> = value.iter().map(|item| self.0.encode(item)).collect();
        match items.as_slice() {
            [one] => one.clone(),
            _ => format!("[{}]", items.join(", ")),
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let one = self.0.schema(system);
        json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    }
}

fn refuse_empty(reader: &mut Reader<'_>, at: &At<'_>, items: &[At<'_>]) -> Option<()> {
    if items.is_empty() {
        reader.refuse(at, Problem::new("the list is empty: it needs at least one item"));
        return None;
    }
    Some(())
}

/// A text as TOML says it.
pub(super) fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}
