//! `[[variant]]`: what else a file states. `[[picked]]`: which of it a command line picked.

use std::ops::Range;

use serde_json::{Map, Value as Json, json};

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Section, Shape, Table};
use crate::scenario::reader::{At, Reader};
use crate::scenario::shape::{Id, Text};
use crate::scenario::variant::{is_fixed, spanned_texts};

use super::top::TOP;
use super::{Fields, Pairs, SubTable, TableList};

/// `[[variant]]`.
pub(crate) const VARIANT: Key<TableList<VariantFields>> = Key {
    name: "variant",
    shape: TableList(SubTable(VariantFields)),
    need: Need::Default("[]"),
    doc: "[[variant]]: scenarios that differ from the rest of the file in what they state. Each is judged on its own.",
};

/// What a variant says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) goal: Option<String>,
    /// Paths, each with its place.
    pub(crate) without: Vec<(String, Range<usize>)>,
    pub(crate) span: Range<usize>,
}

/// Whether this key of a variant is about the variant, and no section of a file.
pub(crate) fn is_own_key(key: &str) -> bool {
    VARIANT_TABLE.names().any(|name| name == key)
}

/// The names of the sections that a variant can state: all but what says what the file is.
pub(crate) fn sections(system: &SystemDescription) -> impl Iterator<Item = &'static str> {
    TOP.names().filter(|name| !is_fixed(name)).chain([system.name])
}

section! {
    /// A scenario of its own, which is the rest of the file with other values. Beside these keys it has the sections of
    /// a file: [variant.raft]. A file with variants is no scenario by itself.
    pub(crate) VARIANT_TABLE = "variant[]", VariantFields -> Variant, |reader, table| {
        /// Its name after that of the file: overlap.toml#quick.
        name: Id, required;
        /// What it shows; the first comment of the file where absent.
        goal: Text("what the variant shows, in a sentence"), optional;
        /// Keys and sections of the file that the variant leaves out, by their paths.
        without: Paths, default "[]";
        let span = table.key_span(name.name);
    }
    impl {
        // Its sections are read with those of the file.
        fn known(&self, reader: &Reader<'_>, _: &Table<'_>) -> Vec<String> {
            self.section().names().chain(sections(reader.system)).map(str::to_owned).collect()
        }
    }
}

/// Paths of keys, each with its place.
#[derive(Debug)]
struct Paths;

impl Shape for Paths {
    type Value = Vec<(String, Range<usize>)>;

    fn noun(&self) -> String {
        "a list of paths of keys such as \"expect.reach\"".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        spanned_texts(reader, at)
    }

    fn encode(&self, value: &Self::Value) -> String {
        let paths: Vec<String> = value.iter().map(|(path, _)| crate::scenario::shape::quote(path)).collect();
        format!("[{}]", paths.join(", "))
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "array", "items": { "type": "string" } })
    }
}

keys! {
    /// What a command line picked: written at the end of the scenario.toml in the folder of a run, and not by people.
    pub(crate) PICKED_TABLE = "picked[]" {
        /// The variant of the file.
        OF = "variant": Text = Text("the name of a variant"), optional;
        /// Keys of the file with other values, as --set gave them.
        SET = "set": Anything = Anything, default "{}";
    }
}

/// `[[picked]]`.
pub(crate) const PICKED: Key<TableList<PickedFields>> = Key {
    name: "picked",
    shape: TableList(SubTable(PickedFields)),
    need: Need::Default("[]"),
    doc: "[[picked]]: which variant of the file a recorded run is of, and what --set changed.",
};

/// What was picked.
#[derive(Clone, Debug)]
pub(crate) struct Picked {
    pub(crate) variant: Option<String>,
}

/// `[[picked]]`; what is set is laid over the file.
#[derive(Debug)]
pub(crate) struct PickedFields;

impl Fields for PickedFields {
    type Value = Picked;

    fn section(&self) -> &'static Section {
        &PICKED_TABLE
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Picked> {
        table.get(reader, &SET)?;
        Some(Picked { variant: table.get(reader, &OF) })
    }

    fn pairs(&self, value: &Picked) -> Pairs {
        Pairs::default().put_some(&OF, value.variant.as_ref())
    }
}

/// A table that is read elsewhere.
#[derive(Debug)]
struct Anything;

impl Shape for Anything {
    type Value = ();

    fn noun(&self) -> String {
        "a table of keys of the file".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<()> {
        Table::any(reader, at, &self.noun()).map(|_| ())
    }

    fn encode(&self, (): &()) -> String {
        "{}".to_owned()
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "object" })
    }
}

/// The schemas of the sections in a variant: those of the file, of which nothing need be stated.
pub(crate) fn section_schemas(system: &SystemDescription, file: &Json) -> Map<String, Json> {
    let one = |name: &'static str| {
        let of_file = &file["properties"][name];
        let reference = json!({ "$ref": format!("#/$defs/{}/properties/{name}", system.name) });
        let needs_nothing = of_file.get("required").is_none_or(|keys| keys == &json!([]));
        let schema = match name {
            "fault" | "nemesis" => json!({ "anyOf": [
                reference,
                { "type": "object", "description": "Changes by id.", "additionalProperties": { "type": "object" } },
            ] }),
            _ if needs_nothing => reference,
            _ => {
                let mut schema = of_file.clone();
                if let Some(table) = schema.as_object_mut() {
                    table.remove("required");
                }
                schema
            }
        };
        (name.to_owned(), schema)
    };
    sections(system).map(one).collect()
}
