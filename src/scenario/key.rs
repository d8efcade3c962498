//! The one place that says what a key means: its name, the form of its value, its default, its documentation.
//!
//! A [`Section`] is a table of [`Key`]s. Decoder, JSON Schema, reference and the lists in errors are all made from
//! it, so that they cannot drift apart.

use std::ops::Range;

use serde_json::{Map, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::description::SystemDescription;
use super::draw::{self, Drawing, is_drawn_table};
use super::reader::{At, Problem, Reader};
use super::shape::scale::Scale;

/// A form that a value can have: how it is read, written and described.
pub(super) trait Shape {
    /// What it becomes.
    type Value;

    /// What errors and the reference call it: `a duration such as "150ms"`.
    fn noun(&self) -> String;

    /// Reads it. Where it is wrong the reader knows why, and there is nothing.
    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value>;

    /// Writes it as TOML on one line, so that [`Shape::decode`] gives the same value.
    fn encode(&self, value: &Self::Value) -> String;

    /// Its JSON Schema. It accepts everything that [`Shape::decode`] accepts.
    fn schema(&self, system: &SystemDescription) -> Json;

    /// Whether it can be drawn once a run.
    fn drawing(&self) -> Drawing {
        Drawing::AsAny
    }

    /// What its values count, if a range of them can be drawn once a run.
    fn scale(&self) -> Option<Scale> {
        None
    }
}

/// One key of a table.
#[derive(Debug)]
pub(super) struct Key<S> {
    /// As the file says it.
    pub(super) name: &'static str,
    /// The form of its value.
    pub(super) shape: S,
    /// Whether it must be there, and what it is where it is not.
    pub(super) need: Need,
    /// Meaning and unit.
    pub(super) doc: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It must.
    Required,
    /// It need not, and then there is nothing.
    Optional,
    /// It need not, and then it has this value, as the file would say it.
    Default(&'static str),
}

/// A key without the type of its value.
pub(super) trait AnyKey: Sync {
    /// See [`Key::name`].
    fn name(&self) -> &'static str;
    /// See [`Shape::noun`].
    fn noun(&self) -> String;
    /// The same with what it can be drawn from.
    fn drawn_noun(&self) -> String;
    /// See [`Shape::drawing`].
    fn drawing(&self) -> Drawing;
    /// See [`Key::need`].
    fn need(&self) -> Need;
    /// See [`Key::doc`].
    fn doc(&self) -> &'static str;
    /// The schema of its value, with documentation and default.
    fn schema(&self, system: &SystemDescription) -> Json;
    /// The same with what it can be drawn from.
    fn drawn_schema(&self, system: &SystemDescription) -> Json;
}

impl<S: Shape + Sync> AnyKey for Key<S> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn noun(&self) -> String {
        self.shape.noun()
    }

    fn drawn_noun(&self) -> String {
        draw::noun(&self.shape)
    }

    fn drawing(&self) -> Drawing {
        self.shape.drawing()
    }

    fn need(&self) -> Need {
        self.need
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        described(self.shape.schema(system), self.doc)
    }

    fn drawn_schema(&self, system: &SystemDescription) -> Json {
        described(draw::schema(&self.shape, system), self.doc)
    }
}

/// A schema with a documentation, before the one that it has.
pub(super) fn described(mut schema: Json, doc: &str) -> Json {
    if let Json::Object(map) = &mut schema {
        let own = map.get("description").and_then(Json::as_str);
        let doc = own.map_or_else(|| doc.to_owned(), |own| format!("{doc}\n\n{own}"));
        map.insert("description".to_owned(), json!(doc));
    }
    schema
}

/// A table of the file.
pub(super) struct Section {
    /// Its header, without brackets; `fault[]` for an array of tables.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) doc: &'static str,
    /// Its keys, in the order of the reference.
    pub(super) keys: &'static [&'static dyn AnyKey],
}

impl Section {
    /// The names of its keys.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name())
    }

    /// The JSON Schema of the table: its keys and no others.
    pub(super) fn schema(&self, system: &SystemDescription) -> Json {
        self.schema_by(|key| match is_drawn_table(self.name) {
            true => key.drawn_schema(system),
            false => key.schema(system),
        })
    }

    /// The same where no key is drawn once a run.
    pub(super) fn constant_schema(&self, system: &SystemDescription) -> Json {
        self.schema_by(|key| key.schema(system))
    }

    fn schema_by(&self, one: impl Fn(&dyn AnyKey) -> Json) -> Json {
        let keys = self.keys.iter();
        let properties: Map<String, Json> = keys.clone().map(|key| (key.name().to_owned(), one(*key))).collect();
        let required: Vec<&str> = keys.filter(|key| key.need() == Need::Required).map(|key| key.name()).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

/// A table of the file that is being read by its section.
#[derive(Clone, Debug)]
pub(super) struct Table<'t> {
    table: &'t DeTable<'t>,
    /// Its bytes; of a table with a header, those of the header.
    pub(super) span: Range<usize>,
    /// Its path; empty for the file.
    pub(super) path: String,
}

/// What was read of a key of a table.
#[derive(Debug)]
pub(super) struct Read<V> {
    /// The name of the key.
    pub(super) name: &'static str,
    /// As [`Table::get`] gives it.
    pub(super) value: Option<V>,
}

impl<'t> Table<'t> {
    /// The file as a table.
    pub(super) const fn root(table: &'t DeTable<'t>) -> Self {
        Self { table, span: 0..0, path: String::new() }
    }

    /// The table that stands here, with only keys of the section.
    pub(super) fn open(reader: &mut Reader<'_>, section: &Section, at: &At<'t>) -> Option<Self> {
        let table = Self::any(reader, at, "a table")?;
        table.refuse_unknown(reader, &section.names().collect::<Vec<_>>());
        Some(table)
    }

    /// The table that stands here, whatever its keys.
    pub(super) fn any(reader: &mut Reader<'_>, at: &At<'t>, noun: &str) -> Option<Self> {
        let Some(table) = at.value.as_table() else {
            reader.refuse(at, Problem::expected(noun, at.value));
            return None;
        };
        Some(Self { table, span: at.span.clone(), path: at.path.clone() })
    }

    /// Every key that is not known is an error.
    pub(super) fn refuse_unknown(&self, reader: &mut Reader<'_>, known: &[&str]) {
        self.refuse_unknown_as(reader, known, |_, _, _, unknown| unknown);
    }

    /// The same, where `problem` knows more of some keys than that they are unknown.
    pub(super) fn refuse_unknown_as(
        &self,
        reader: &mut Reader<'_>,
        known: &[&str],
        problem: impl Fn(&Reader<'_>, &str, &DeValue<'_>, Problem) -> Problem,
    ) {
        for (key, value) in self.table {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let unknown = Problem::unknown_key(name, value.get_ref(), known.iter().copied());
                let problem = problem(reader, name, value.get_ref(), unknown);
                reader.report(&key.span(), &self.path_of(name), problem);
            }
        }
    }

    /// The path of one of its keys.
    pub(super) fn path_of(&self, name: &str) -> String {
        let plain = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let name = if plain { name.to_owned() } else { super::reader::quoted(name) };
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    /// What stands under this name.
    pub(super) fn at(&self, name: &str) -> Option<At<'t>> {
        let value = self.table.get(name)?;
        Some(At::new(value, self.path_of(name)))
    }

    /// Where the key itself stands.
    pub(super) fn key_span(&self, name: &str) -> Range<usize> {
        let key = self.table.get_key_value(name);
        key.map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    /// Its entries in the order of the file, each with the bytes of its key.
    pub(super) fn entries(&self) -> Vec<(String, Range<usize>, At<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| {
                let name: &str = key.get_ref();
                (name.to_owned(), key.span(), At::new(value, self.path_of(name)))
            })
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// The value of a key, or its default. `None` if it is wrong, or absent without one; the reader knows why.
    pub(super) fn get<S: Shape>(&self, reader: &mut Reader<'_>, key: &Key<S>) -> Option<S::Value> {
        let Some(at) = self.at(key.name) else {
            return self.absent(reader, key);
        };
        draw::read(reader, &key.shape, &at)
    }

    /// The same, with the name of the key.
    pub(super) fn read<S: Shape>(&self, reader: &mut Reader<'_>, key: &Key<S>) -> Read<S::Value> {
        Read { name: key.name, value: self.get(reader, key) }
    }

    /// Something is wrong with this key; it is shown at the key.
    pub(super) fn refuse_key(&self, reader: &mut Reader<'_>, name: &str, message: impl Into<String>) {
        reader.report(&self.key_span(name), &self.path_of(name), Problem::new(message));
    }

    /// The same, shown at the value; at the table if the key is absent.
    pub(super) fn refuse_value(&self, reader: &mut Reader<'_>, name: &str, message: impl Into<String>) {
        let span = self.at(name).map_or_else(|| self.span.clone(), |at| at.span);
        reader.report(&span, &self.path_of(name), Problem::new(message));
    }

    fn absent<S: Shape>(&self, reader: &mut Reader<'_>, key: &Key<S>) -> Option<S::Value> {
        match key.need {
            Need::Optional => None,
            Need::Default(text) => {
                let value = DeValue::parse(text).expect("a default is TOML");
                let at = At { value: value.get_ref(), span: self.span.clone(), path: self.path_of(key.name) };
                key.shape.decode(reader, &at)
            }
            Need::Required if reader.proposes(&self.path, &[key.name]) => None,
            // The keys of the file are not the half of a table: each of them that is missing is told.
            Need::Required if !self.path.is_empty() && reader.may_mean(&self.path, &[key.name]) => None,
            Need::Required => {
                let message = match key.shape.noun().as_str() {
                    "a table" => format!("missing table [{}]: {}", key.name, key.doc),
                    noun => format!("missing key \"{}\": {noun}", key.name),
                };
                reader.report(&self.span, &self.path, Problem::new(message));
                None
            }
        }
    }
}
