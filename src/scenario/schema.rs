//! The JSON Schema of scenario files (draft 2020-12), made from the same table of keys as the decoder.
//!
//! It accepts every file that the decoder accepts. What it cannot say (that a selector names a node of the cluster,
//! that a fault starts before the settle phase) the decoder says.

use serde_json::{Map, Value as Json, json};

use super::description::SystemDescription;
use super::section::options::OptionFields;
use super::section::{Fields as _, expect, top, variant};

/// The JSON Schema of scenarios of these systems.
pub fn schema(systems: &[SystemDescription]) -> Json {
    let one = |system: &SystemDescription| json!({ "$ref": format!("#/$defs/{}", system.name) });
    let mut defs: Map<String, Json> =
        systems.iter().map(|system| (system.name.to_owned(), of_system(system))).collect();
    defs.insert(expect::FIGURE.to_owned(), expect::figure_schema(&SystemDescription::empty()));
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "splitbrain scenario",
        "description": "A scenario of splitbrain: a simulated cluster, what is done to it, and what is expected.",
        "oneOf": systems.iter().map(one).collect::<Vec<_>>(),
        "$defs": defs,
    });
    refer(&mut schema, "#");
    schema
}

/// The values of a choice are described once, where the constant is: they are much of the schema. `path` is where the
/// schema stands in the file.
fn refer(schema: &mut Json, path: &str) {
    let constant = schema.pointer("/anyOf/0").cloned();
    if let Some(items) = schema.pointer_mut("/anyOf/1/properties/choose/items")
        && Some(&*items) == constant.as_ref()
    {
        *items = json!({ "$ref": format!("{path}/anyOf/0") });
    }
    match schema {
        Json::Object(inner) => {
            // In a reference a pattern would have to be escaped.
            let is_plain = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte));
            inner
                .iter_mut()
                .filter(|(key, _)| is_plain(key))
                .for_each(|(key, one)| refer(one, &format!("{path}/{key}")));
        }
        Json::Array(inner) => {
            inner.iter_mut().enumerate().for_each(|(index, one)| refer(one, &format!("{path}/{index}")));
        }
        _ => {}
    }
}

/// The schema of a file whose system is this one.
fn of_system(system: &SystemDescription) -> Json {
    let mut schema = top::TOP.schema(system);
    schema["title"] = json!(format!("scenario of {}", system.name));
    schema["properties"]["system"] = json!({ "const": system.name, "description": system.doc });
    schema["properties"][system.name] = OptionFields.schema(system);
    schema["properties"][system.name]["description"] = json!(format!("The options of {}.", system.name));
    let sections = variant::section_schemas(system, &schema);
    schema["properties"]["picked"]["items"]["properties"]["set"] =
        json!({ "type": "object", "properties": sections, "additionalProperties": false });
    if let Some(own) = schema["properties"]["variant"]["items"]["properties"].as_object_mut() {
        own.extend(sections);
    }
    schema
}
