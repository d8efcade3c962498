//! A list of names out of a closed list: all of them, a part that has a name, some, or all but some.

use serde_json::{Map, Value as Json, json};

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Shape, Table};
use crate::scenario::reader::{At, Problem, Reader};

use super::List;

/// The part that every closed list has.
const ALL: &str = "all";
const OF: &str = "of";
const EXCEPT: &str = "except";

/// A form with a closed list of values.
pub(crate) trait Closed: Shape {
    /// The names of parts of the list, beside `all`.
    const PARTS: &'static [&'static str] = &[];

    /// Every value that `"all"` means, in order.
    fn all(&self, system: &SystemDescription) -> Vec<Self::Value>;

    /// Every value that a list can name, in order: those, and what is never meant by itself.
    fn nameable(&self, system: &SystemDescription) -> Vec<Self::Value> {
        self.all(system)
    }

    /// Those of the part with this name.
    fn part(&self, system: &SystemDescription, name: &str) -> Vec<Self::Value> {
        let _ = name;
        self.all(system)
    }
}

/// A list of names out of a closed list, the name of a part of it such as `"all"`, or a part without some of its names.
/// In the order of the closed list.
#[derive(Debug)]
pub(crate) struct AllBut<S>(pub(crate) S);

impl<S: Closed> Shape for AllBut<S>
where
    S::Value: PartialEq,
{
    type Value = Vec<S::Value>;

    fn noun(&self) -> String {
        let parts: String = Self::parts().map(|part| format!("\"{part}\", ")).collect();
        match S::PARTS {
            [] => format!("{parts}a list of names, or {{ except = [...] }}"),
            [part, ..] => format!("{parts}a list of names, or {{ of = \"{part}\", except = [...] }}"),
        }
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<S::Value>> {
        if at.value.is_str() {
            return self.part(reader, at);
        }
        if at.value.is_table() {
            return self.without(reader, at);
        }
        if !at.value.is_array() {
            reader.refuse(at, Problem::expected(&self.noun(), at.value));
            return None;
        }
        let listed = self.list(reader, at)?;
        Some(self.0.nameable(reader.system).into_iter().filter(|one| listed.contains(one)).collect())
    }

    fn encode(&self, value: &Vec<S::Value>) -> String {
        List(&self.0).encode(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let list = json!({
            "type": "array",
            "minItems": 1,
            "uniqueItems": true,
            "items": self.0.schema(system),
        });
        let part = match S::PARTS {
            [] => json!({ "const": ALL }),
            _ => json!({ "enum": Self::parts().collect::<Vec<_>>() }),
        };
        let mut properties = Map::from_iter([(EXCEPT.to_owned(), list.clone())]);
        let mut table = json!({ "type": "object", "required": [EXCEPT], "additionalProperties": false });
        if !S::PARTS.is_empty() {
            properties.insert(OF.to_owned(), part.clone());
        }
        table["properties"] = properties.into();
        json!({ "anyOf": [part, list, table] })
    }
}

impl<S: Closed> AllBut<S>
where
    S::Value: PartialEq,
{
    fn parts() -> impl Iterator<Item = &'static str> {
        [ALL].into_iter().chain(S::PARTS.iter().copied())
    }

    /// The values of the part that is named here.
    fn part(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<S::Value>> {
        let name = reader.text(at, &self.noun())?;
        if name == ALL {
            return Some(self.0.all(reader.system));
        }
        if !S::PARTS.contains(&name) {
            let names = self.0.nameable(reader.system).into_iter().map(|one| self.0.encode(&one));
            let problem = if names.map(|one| one.trim_matches('"').to_owned()).any(|one| one == name) {
                // A name of the list, without its brackets.
                Problem::expected(&self.noun(), at.value)
            } else {
                Problem::unknown("part", name, Self::parts())
            };
            reader.refuse(at, problem);
            return None;
        }
        let part = self.0.part(reader.system, name);
        if part.is_empty() && !self.0.all(reader.system).is_empty() {
            reader.refuse(at, Problem::new(format!("nothing is in \"{name}\"")));
            return None;
        }
        Some(part)
    }

    fn without(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<S::Value>> {
        let table = Table::any(reader, at, "a table")?;
        let known: &[&str] = if S::PARTS.is_empty() { &[EXCEPT] } else { &[OF, EXCEPT] };
        table.refuse_unknown(reader, known);
        let part = match table.at(OF).filter(|_| !S::PARTS.is_empty()) {
            Some(of) => self.part(reader, &of),
            None => Some(self.0.all(reader.system)),
        };
        let Some(list) = table.at(EXCEPT) else {
            // A key that is not known and stands there instead is reported already.
            if table.entries().iter().all(|(name, ..)| name == OF) {
                reader.refuse(at, Problem::new(format!("expected {}", self.noun())));
            }
            return None;
        };
        let except = self.list(reader, &list)?;
        let left: Vec<S::Value> = part?.into_iter().filter(|one| !except.contains(one)).collect();
        if left.is_empty() {
            reader.refuse(&list, Problem::new("nothing is left"));
            return None;
        }
        Some(left)
    }

    /// A list without doubles.
    fn list(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<S::Value>> {
        let values = List(&self.0).decode(reader, at)?;
        for (index, value) in values.iter().enumerate() {
            if values[..index].contains(value) {
                let text = self.0.encode(value);
                reader.refuse(at, Problem::new(format!("{text} stands here twice")));
                return None;
            }
        }
        Some(values)
    }
}
