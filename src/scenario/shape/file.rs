//! A file of a node's disk, by the name that the system gives it, or by its number.

use serde_json::{Value as Json, json};
use splitbrain_kernel::node::FileId;
use splitbrain_kernel::system::FileInfo;
use toml::de::DeValue;

use crate::scenario::description::SystemDescription;
use crate::scenario::key::Shape;
use crate::scenario::reader::{At, Problem, Reader};

use super::whole;

/// `"log"`, or 1. It is written as a number, which needs no system to be read.
#[derive(Debug)]
pub(crate) struct FileShape;

impl Shape for FileShape {
    type Value = FileId;

    fn noun(&self) -> String {
        "the name of a file, or its number from 0 to 65535".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<FileId> {
        let file = match at.value {
            DeValue::String(name) => named(reader.system, name),
            DeValue::Integer(number) => {
                let number = whole(number).and_then(|number| u16::try_from(number).ok());
                let number = number.ok_or_else(|| Problem::expected(&self.noun(), at.value));
                number.and_then(|number| numbered(reader.system, FileId(number)))
            }
            _ => Err(Problem::expected(&self.noun(), at.value)),
        };
        reader.check(at, file)
    }

    fn encode(&self, value: &FileId) -> String {
        value.0.to_string()
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let files = system.files.unwrap_or_default().iter();
        let patterns = files.map(|file| match file.count {
            Some(_) => format!("{} [0-9]+", file.name),
            None => file.name.to_owned(),
        });
        let names = format!("^({})$", patterns.collect::<Vec<_>>().join("|"));
        let number = json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX });
        json!({ "anyOf": [{ "type": "string", "pattern": names }, number] })
    }
}

fn named(system: &SystemDescription, name: &str) -> Result<FileId, Problem> {
    let Some(files) = system.files else {
        return Err(Problem::new(format!("{} gives its files no names: say the number", system.name)));
    };
    files.iter().find_map(|file| file.read(name)).ok_or_else(|| unknown(system, files, name))
}

fn numbered(system: &SystemDescription, number: FileId) -> Result<FileId, Problem> {
    match system.files {
        Some(files) if !files.iter().any(|file| file.has(number)) => Err(unknown(system, files, &number.0.to_string())),
        _ => Ok(number),
    }
}

fn unknown(system: &SystemDescription, files: &[FileInfo], name: &str) -> Problem {
    if files.is_empty() {
        return Problem::new(format!("the nodes of {} keep nothing on their disks", system.name));
    }
    let known: Vec<String> = files.iter().map(described).collect();
    Problem::unknown("file", name, known.iter().map(String::as_str))
}

/// `log`, or `target 1`, the first of a row.
pub(crate) fn described(file: &FileInfo) -> String {
    file.count.map_or_else(|| file.name.to_owned(), |_| format!("{} {}", file.name, file.first.0))
}
